//! Models of what threads do to each other in the accumulator: loom tries every order of their steps.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models` runs them, and those of `completion`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::model::Builder;
use loom::thread;

use super::*;
use crate::completion::{BatchOutcome, RecordFacts, RecordFuture};
use crate::interrupt::InterruptHandle;
use crate::sync::Mutex;

/// How often a thread may lose the processor where it would not have to; more finds nothing new here and takes hours.
const PREEMPTIONS: usize = 3;

fn model(threads: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 20_000;
    builder.check(threads);
}

/// The way in which a sleeping sender is woken, and what it was told of.
struct Sleeper {
    mailbox: Arc<Mailbox>,
    woken: Arc<(loom::sync::Mutex<bool>, loom::sync::Condvar)>,
}

impl Sleeper {
    fn new() -> Sleeper {
        let woken = Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new()));
        let wake = Arc::clone(&woken);
        let wake = Box::new(move || {
            *wake.0.lock().unwrap() = true;
            wake.1.notify_one();
        });
        Sleeper { mailbox: Arc::new(Mailbox::new(Instant::now(), wake)), woken }
    }

    /// As the sender does: looks, sleeps where there is nothing, until it has seen `wanted` events.
    fn see(&self, wanted: usize) {
        let (mut seen, mut events) = (0, Vec::new());
        loop {
            self.mailbox.take(&mut events);
            seen += events.drain(..).len();
            if seen >= wanted {
                return;
            }
            if self.mailbox.fall_asleep(None) {
                let mut woken = self.woken.0.lock().unwrap();
                while !std::mem::take(&mut *woken) {
                    woken = self.woken.1.wait(woken).unwrap();
                }
            }
            self.mailbox.awake();
        }
    }
}

#[test]
fn models_nothing_that_is_pushed_is_slept_over() {
    model(|| {
        let sleeper = Sleeper::new();
        for _ in 0..2 {
            let mailbox = Arc::clone(&sleeper.mailbox);
            thread::spawn(move || mailbox.push(Event::Turn, None));
        }
        sleeper.see(2);
    });
}

/// The sender holds a little back, and hands it on before it sleeps.
#[test]
fn models_memory_that_is_given_back_reaches_all_who_wait() {
    model(|| {
        let pool = Arc::new(BufferPool::new(100));
        let all = pool.try_reserve(100).unwrap().unwrap();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    let memory = pool.reserve(60, Duration::MAX, || {}).unwrap();
                    pool.give_back_soon(memory.bytes, None);
                    pool.serve_waiters();
                })
            })
            .collect();
        pool.give_back_soon(all.bytes, None);
        if pool.holds_back() {
            pool.serve_waiters();
        }
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!((pool.free(), pool.is_short()), (100, false));
    });
}

#[test]
fn models_a_waiter_who_is_interrupted_takes_no_memory_along() {
    model(|| {
        let pool = Arc::new(BufferPool::new(100));
        let all = pool.try_reserve(100).unwrap().unwrap();
        let waits = Arc::clone(&pool);
        let handle = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&handle);
        let interrupted = thread::spawn(move || {
            *slot.lock() = Some(InterruptHandle::current());
            if let Ok(memory) = waits.reserve(100, Duration::MAX, || {}) {
                waits.give_back(memory.bytes, None);
            }
        });
        if let Some(handle) = handle.lock().take() {
            handle.interrupt();
        }
        pool.give_back(all.bytes, None);
        interrupted.join().unwrap();
        assert_eq!(pool.free(), 100);
    });
}

#[test]
fn models_closing_the_pool_sends_everyone_away() {
    model(|| {
        let pool = Arc::new(BufferPool::new(100));
        let all = pool.try_reserve(100).unwrap().unwrap();
        let waits = Arc::clone(&pool);
        let waiter = thread::spawn(move || waits.reserve(1, Duration::MAX, || {}).map(|memory| memory.bytes));
        pool.close();
        assert!(waiter.join().unwrap().is_err());
        pool.give_back(all.bytes, None);
    });
}

/// A topic with one partition, led by broker 1.
fn accumulator() -> (Arc<RecordAccumulator>, Arc<PartitionQueue>) {
    let rules = QueueRules::plain(1000, 100, Duration::from_secs(10));
    let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
    let accumulator = Arc::new(RecordAccumulator::new(rules, 10_000, mailbox));
    let leaders = AvailabilityRules { availability_timeout: None, rack: None };
    let cluster = Cluster::led(&[("t", &[Some(1)])]);
    accumulator.update_topics(&cluster, &["t".into()], &mut Availability::new(leaders));
    let queue = Arc::clone(accumulator.topic("t").unwrap().queue(0).unwrap());
    (accumulator, queue)
}

fn append(accumulator: &RecordAccumulator, queue: &Arc<PartitionQueue>) -> Option<RecordFuture> {
    let place = accumulator.append_now(Target { queue, sticky: None }, b"v", &Instant::now).ok()?;
    Some(RecordFuture::new((place, RecordFacts::new(0, 0, None, Some(b"v")))))
}

/// However `send` and the sender's end interleave, what was accepted is answered and all memory comes back.
#[test]
fn models_what_is_accepted_while_the_producer_closes_is_answered() {
    model(|| {
        let (accumulator, queue) = accumulator();
        let sends = Arc::clone(&accumulator);
        let caller = thread::spawn(move || append(&sends, &queue));
        let rules =
            DrainRules { linger: Duration::ZERO, delivery_timeout: Duration::from_secs(10), mute: false };
        let now = Instant::now();
        let mut drain = Drain::new(Arc::clone(&accumulator), rules);
        accumulator.close_pool();
        accumulator.close_queues();
        for expired in drain.abort(now) {
            let Fate::Whole(batch) = expired.fate else { panic!("nothing was sent") };
            let outcome = BatchOutcome::Failed { error: Error::closed(), records: Vec::new() };
            batch.settle(outcome, accumulator.pool());
        }
        accumulator.mailbox().close();
        let accepted = caller.join().unwrap();
        assert!(accepted.is_none_or(|future| future.is_done()));
        assert_eq!(accumulator.pool().free(), 10_000);
    });
}

/// Two callers and the sender at one queue: nothing is left behind, nobody is told twice.
#[test]
fn models_the_sender_finds_every_record_that_was_appended() {
    model(|| {
        let (accumulator, queue) = accumulator();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (accumulator, queue) = (Arc::clone(&accumulator), Arc::clone(&queue));
                thread::spawn(move || append(&accumulator, &queue).unwrap())
            })
            .collect();
        let futures: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        let mut records = 0;
        while let Some(batch) = queue.pop(accumulator.pool()) {
            records += batch.count();
            let outcome = BatchOutcome::Acknowledged { base_offset: Some(0), log_append_time: None };
            batch.settle(outcome, accumulator.pool());
        }
        assert_eq!(records, 2);
        assert!(futures.iter().all(RecordFuture::is_done));
        let mut events = Vec::new();
        accumulator.mailbox().take(&mut events);
        assert!(events.iter().any(|event| matches!(event, Event::Partition(0))));
    });
}
