//! `Mailbox`: how application threads tell the sender thread that there is something to look at.
//!
//! Owns: the list of what to look at, the rule when a sleeping sender has to be woken, and what both sides know of each
//! other: whether somebody waits for outcomes, what is to be answered (`AnswerCounts`), who flushes (`PendingFlush`), whether
//! this is a forked child. Must not know:
//! batches, queues, what the sender does about an event.
//! Threads: `push` from anywhere, the rest on the sender thread. Locks: the list, and what wakes, never both.
//! Holds: nothing pushed is slept over: the sender announces its sleep before it looks into the list for the last
//! time, and a pusher looks at the announcement after it has pushed.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::fork_guard::ForkGuard;
use crate::planted::{Defect, planted};
use crate::spin::SharedSpin;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sync::channel::{Receiver, Sender, bounded};

/// Something for the sender to look at.
pub(crate) enum Event {
    /// A batch was opened or sealed in the partition with this number within the producer, or somebody waits for a record
    /// of its open batch.
    Partition(usize),
    /// A thread waits for memory: every batch is sendable now.
    MemoryShort,
    /// Somebody flushes: everything is sent, and what is not answered yet keeps an end of this until it is.
    Flush(PendingFlush),
    /// Only that the sender takes a turn: metadata is wanted, or the producer is being closed. Each turn looks at both.
    Turn,
}

/// The sender's list of things to look at.
pub(crate) struct Mailbox {
    events: Mutex<Events>,
    /// When the sender means to wake, in nanoseconds since `origin`; 0 while it is awake.
    asleep_until: AtomicU64,
    /// Somebody has begun to wait for an outcome.
    awaited: AtomicBool,
    /// Of the threads that do; none where they sleep at once.
    spin: Option<SharedSpin>,
    /// What all batches of the producer come to.
    counts: AnswerCounts,
    /// The process that the sender thread is in; none where there is no such thread.
    process: Option<ForkGuard>,
    origin: Instant,
    /// Holds something of the operating system's; gone when the sender thread is, so that a program that keeps an answered
    /// future keeps nothing but memory.
    wake: Mutex<Option<Wake>>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

struct Events {
    list: Vec<Event>,
    /// The sender thread is gone. Later than the end of the `Lifecycle`, and under this lock: what is pushed before is still
    /// read.
    closed: bool,
}

impl Mailbox {
    /// `wake` ends the sender's wait for its sockets.
    pub(crate) fn new(origin: Instant, wake: Wake) -> Mailbox {
        Mailbox {
            events: Mutex::new(Events { list: Vec::new(), closed: false }),
            asleep_until: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
            spin: None,
            counts: AnswerCounts::default(),
            process: Some(ForkGuard::here()),
            origin,
            wake: Mutex::new(Some(wake)),
        }
    }

    /// For a producer without a sender thread: what is pushed is dropped, and in a forked child all is as before.
    pub(crate) fn unread(origin: Instant) -> Mailbox {
        let mailbox = Mailbox { process: None, ..Mailbox::new(origin, Box::new(|| {})) };
        mailbox.close();
        mailbox
    }

    /// And how often the sender was woken.
    #[cfg(test)]
    pub(crate) fn counting(origin: Instant) -> (Mailbox, std::sync::Arc<std::sync::atomic::AtomicU32>) {
        let woken = std::sync::Arc::<std::sync::atomic::AtomicU32>::default();
        let count = std::sync::Arc::clone(&woken);
        let wake = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Mailbox::new(origin, Box::new(wake)), woken)
    }

    /// Lets those who wait for outcomes poll for this time before they sleep.
    pub(crate) fn with_spin(self, length: Duration) -> Mailbox {
        Mailbox { spin: Some(SharedSpin::new(length)), ..self }
    }

    /// Times are kept in terms of this one.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    /// How those who wait for outcomes take turns at polling; none where they sleep at once.
    pub(crate) fn spin(&self) -> Option<&SharedSpin> {
        self.spin.as_ref()
    }

    /// What the producer has to answer.
    pub(crate) fn counts(&self) -> &AnswerCounts {
        &self.counts
    }

    /// Whether this process is a forked child of the one that has the sender thread: nobody brings outcomes here.
    #[inline(always)]
    pub(crate) fn is_forked(&self) -> bool {
        self.process.as_ref().is_some_and(ForkGuard::is_another_process)
    }

    /// Somebody begins to wait for an outcome: it matters how soon it comes.
    pub(crate) fn note_awaited(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has begun to wait since this was asked last.
    pub(crate) fn take_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) && self.awaited.swap(false, Ordering::Relaxed)
    }

    /// Adds an event that has to be looked at by `act_by` (at once where there is none), and wakes the sender if it
    /// would sleep longer.
    pub(crate) fn push(&self, event: Event, act_by: Option<Instant>) {
        let mut events = self.events.lock();
        if events.closed {
            return;
        }
        events.list.push(event);
        drop(events);
        fence(Ordering::SeqCst);
        let limit = act_by.map_or(0, |time| self.nanoseconds(time));
        let asleep_until = self.asleep_until.load(Ordering::SeqCst);
        // Where another announcement stands there by now, the sender has looked into the list since.
        if !planted(Defect::NobodyWakes)
            && asleep_until > limit
            && self.asleep_until.compare_exchange(asleep_until, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        {
            self.wake.lock().iter().for_each(|wake| wake());
        }
    }

    /// Takes everything; the vector that comes in is used for the next events.
    pub(crate) fn take(&self, events: &mut Vec<Event>) {
        std::mem::swap(&mut self.events.lock().list, events);
    }

    /// Announces a sleep. False if something has come meanwhile.
    pub(crate) fn fall_asleep(&self, until: Option<Instant>) -> bool {
        self.asleep_until.store(until.map_or(u64::MAX, |time| self.nanoseconds(time)), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.events.lock().list.is_empty() {
            return true;
        }
        self.awake();
        false
    }

    /// Nobody will look any more: what is pushed from now on is dropped, and threads that wait for an answer notice.
    pub(crate) fn close(&self) {
        let dropped = std::mem::replace(&mut *self.events.lock(), Events { list: Vec::new(), closed: true });
        drop(dropped);
        let wake = self.wake.lock().take();
        drop(wake);
    }

    pub(crate) fn awake(&self) {
        self.asleep_until.store(0, Ordering::SeqCst);
    }

    /// A time as one that is kept in an atomic number.
    pub(crate) fn nanoseconds(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

/// How many records were accepted and answered.
#[derive(Debug, Default)]
pub(crate) struct AnswerCounts {
    /// Records in batches that take no more.
    accepted: AtomicU64,
    answered: AtomicU64,
    /// Code of the user's is running on the sender thread.
    calling: AtomicBool,
}

impl AnswerCounts {
    /// A batch with this number of records takes no more.
    pub(crate) fn accepted(&self, records: u32) {
        self.accepted.fetch_add(u64::from(records), Ordering::AcqRel);
    }

    /// As many records are answered.
    pub(crate) fn answered(&self, records: u32) {
        self.answered.fetch_add(u64::from(records), Ordering::AcqRel);
    }

    /// Records that are not answered yet, but for those in open batches.
    pub(crate) fn unanswered(&self) -> u64 {
        let answered = self.answered.load(Ordering::Acquire);
        self.accepted.load(Ordering::Acquire).saturating_sub(answered)
    }

    /// Whether the sender thread runs code of the user's.
    pub(crate) fn is_calling(&self) -> bool {
        self.calling.load(Ordering::Acquire)
    }

    /// Runs code of the user's.
    pub(crate) fn calling<T>(&self, body: impl FnOnce() -> T) -> T {
        self.calling.store(true, Ordering::Release);
        let result = body();
        self.calling.store(false, Ordering::Release);
        result
    }
}

/// One end, kept by whatever the call waits for.
#[derive(Clone)]
pub(crate) struct PendingFlush {
    _unanswered: Sender<Infallible>,
    caller: Weak<()>,
}

/// The other end, for the caller. Disconnects when all of the first are dropped.
pub(crate) struct FlushCall {
    pub(crate) answered: Receiver<Infallible>,
    _caller: Arc<()>,
}

impl PendingFlush {
    pub(crate) fn begin() -> (PendingFlush, FlushCall) {
        let ((unanswered, answered), caller) = (bounded(0), Arc::new(()));
        let flush = PendingFlush { _unanswered: unanswered, caller: Arc::downgrade(&caller) };
        (flush, FlushCall { answered, _caller: caller })
    }

    /// Whether the caller has gone, because of an interrupt or the end of his time.
    pub(crate) fn is_given_up(&self) -> bool {
        self.caller.strong_count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_of_once() {
        let mailbox = Mailbox::new(Instant::now(), Box::new(|| {}));
        assert!(!mailbox.take_awaited());
        mailbox.note_awaited();
        mailbox.note_awaited();
        assert_eq!([mailbox.take_awaited(), mailbox.take_awaited()], [true, false]);
    }

    #[test]
    fn wakes_only_a_sender_that_would_sleep_too_long_and_only_once() {
        let origin = Instant::now();
        let (mailbox, woken) = Mailbox::counting(origin);
        let at = |ms| Some(origin + Duration::from_millis(ms));

        mailbox.push(Event::Turn, None);
        assert_eq!(woken.load(Ordering::Relaxed), 0, "awake");
        assert!(!mailbox.fall_asleep(at(50)), "there is something to look at");
        mailbox.take(&mut Vec::new());
        assert!(mailbox.fall_asleep(at(50)));
        mailbox.push(Event::Turn, at(60));
        assert_eq!(woken.load(Ordering::Relaxed), 0, "in time anyway");
        mailbox.push(Event::Turn, at(40));
        mailbox.push(Event::Turn, None);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
