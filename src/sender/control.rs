//! `Control`: what the producer's handles and its sender thread tell each other outside the record's way.
//!
//! Owns: the wish to close, the fatal error, the counts of outcomes. Must not know: either side.
//! Threads: any. Nothing here blocks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::error::Error;

#[derive(Default)]
pub(crate) struct Control {
    /// Set once somebody closes; the earliest wish counts. `Some(None)`: no limit.
    closing: Mutex<Option<Option<Instant>>>,
    fatal: OnceLock<Error>,
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) abandoned: AtomicU64,
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
        let mut closing = self.closing.lock();
        *closing = Some(match *closing {
            Some(Some(earlier)) => Some(deadline.map_or(earlier, |deadline| deadline.min(earlier))),
            Some(None) | None => deadline,
        });
    }

    pub(super) fn closing(&self) -> Option<Option<Instant>> {
        *self.closing.lock()
    }

    /// The error after which this producer cannot be used.
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
