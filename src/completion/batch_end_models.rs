//! Models of the threads at one batch's end: loom tries every order of their steps.
//!
//! Owns: the models. Must not know: queues, requests.
//! Holds: they run the real code; `CONTRIBUTING.md` says how.

use loom::thread;

use super::*;
use crate::interrupt::InterruptHandle;
use crate::record::TopicName;

/// As with the accumulator's models.
const PREEMPTIONS: usize = 3;

fn model(threads: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(threads);
}

fn batch() -> Completion {
    let mut batch = Completion::new(
        Arc::new(Mailbox::unread(Instant::now())),
        Arc::default(),
        TopicName::from("t").into(),
        0,
        0,
    );
    batch.close(0); // so that nobody tells the mailbox, of which there are models elsewhere
    batch
}

fn future(batch: &mut Completion, facts: RecordFacts, callback: &mut NoCallback) -> RecordFuture {
    RecordFuture::new((batch.record(facts, callback), facts))
}

fn written() -> BatchOutcome {
    BatchOutcome::Acknowledged { base_offset: Some(7), log_append_time: None }
}

fn offset(outcome: Result<RecordMetadata, Error>) -> Option<i64> {
    outcome.ok().and_then(|metadata| metadata.offset())
}

fn facts(index: u32) -> RecordFacts {
    RecordFacts::new(index, 0, None, None)
}

#[test]
fn models_everyone_who_waits_hears_of_the_settlement() {
    model(|| {
        let mut batch = batch();
        let futures =
            [future(&mut batch, facts(0), &mut NoCallback), future(&mut batch, facts(1), &mut NoCallback)];
        let waiters = futures.map(|future| thread::spawn(move || offset(future.get())));
        batch.settle(written());
        assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [Some(7), Some(8)]);
    });
}

#[test]
fn models_who_waits_for_a_batch_that_is_split_hears_of_his_piece() {
    model(|| {
        let mut batch = batch();
        let _first = future(&mut batch, facts(0), &mut NoCallback);
        let second = future(&mut batch, facts(1), &mut NoCallback);
        let waiter = thread::spawn(move || offset(second.get()));
        for piece in batch.split([1, 1]) {
            piece.settle(written());
        }
        assert_eq!(waiter.join().unwrap(), Some(7));
    });
}

#[test]
fn models_an_interrupt_ends_one_wait_and_takes_no_outcome_away() {
    model(|| {
        let mut batch = batch();
        let future = future(&mut batch, facts(0), &mut NoCallback);
        let handle = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&handle);
        let waiter = thread::spawn(move || {
            *slot.lock() = Some(InterruptHandle::current());
            let first = future.get();
            let interrupted = first.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted);
            assert!(interrupted || offset(first) == Some(7));
            let again = future.get();
            match again {
                Err(error) => assert!(error.kind() == ErrorKind::Interrupted && !interrupted),
                outcome => assert_eq!(offset(outcome), Some(7)),
            }
        });
        if let Some(handle) = handle.lock().take() {
            handle.interrupt();
        }
        batch.settle(written());
        waiter.join().unwrap();
    });
}
