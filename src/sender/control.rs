//! `Control`: what the producer's handles and its sender thread tell each other outside the record's way.
//!
//! Owns: the wish to close, the fatal error, the counts of outcomes. Must not know: either side.
//! Threads: any. Nothing here blocks.

use std::sync::OnceLock;
use std::time::Instant;

use crate::error::Error;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(crate) struct Control {
    /// Set once somebody closes; the earliest wish counts.
    closing: Mutex<Option<End>>,
    fatal: OnceLock<Error>,
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) abandoned: AtomicU64,
}

/// When a producer that is being closed ends, if not everything is answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At once.
    Now,
    /// At this time; none: whenever that may be.
    By(Option<Instant>),
}

/// How many records had which outcome, since the producer was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) abandoned: u64,
}

impl Control {
    /// Asks the sender to end: once everything is answered, or at the deadline.
    pub(crate) fn close(&self, deadline: Option<Instant>) {
        self.end(End::By(deadline));
    }

    /// Asks the sender to end as soon as it looks up, whatever is not answered.
    pub(crate) fn close_now(&self) {
        self.end(End::Now);
    }

    fn end(&self, end: End) {
        let mut closing = self.closing.lock();
        *closing = Some(match (*closing, end) {
            (Some(End::Now), _) | (_, End::Now) => End::Now,
            (Some(End::By(Some(one))), End::By(Some(other))) => End::By(Some(one.min(other))),
            (Some(End::By(Some(one))), End::By(None)) => End::By(Some(one)),
            (Some(End::By(None)) | None, end) => end,
        });
    }

    pub(super) fn closing(&self) -> Option<End> {
        *self.closing.lock()
    }

    /// The error after which this producer cannot be used.
    #[inline]
    pub(crate) fn fatal(&self) -> Option<&Error> {
        self.fatal.get()
    }

    pub(super) fn set_fatal(&self, error: Error) {
        // The first one counts.
        let _ = self.fatal.set(error);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }
}
