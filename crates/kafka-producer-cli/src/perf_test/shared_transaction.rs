//! The transaction that all threads of a test send in.
//!
//! Owns: when it begins and ends. Must not know: what is sent.
//! Threads: those of the test. Whoever sends reads, whoever begins or ends a transaction writes.
//! Locks: its own, around calls of the producer, with no other.
//! Source: `ProducerPerformance.start`: a transaction begins with a record, and ends with the first one that is sent when it is
//! as old as `--transaction-duration-ms` says.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use kafka_producer::{Error, Producer};

use super::early_end::EarlyEnd;

/// The transaction of the moment, if there is one.
pub(super) struct SharedTransaction<'p, P> {
    producer: &'p P,
    duration: Duration,
    /// When it began, since the start of the test.
    begun: RwLock<Option<Duration>>,
}

impl<'p, P: Producer<[u8], [u8]>> SharedTransaction<'p, P> {
    pub(super) fn new(producer: &'p P, duration: Duration) -> SharedTransaction<'p, P> {
        SharedTransaction { producer, duration, begun: RwLock::new(None) }
    }

    /// Sends within a transaction, which begins if there is none, and ends after this if it is old enough `now`.
    ///
    /// # Errors
    /// Those of `send`, of beginning and of committing.
    pub(super) fn within(&self, now: Duration, send: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        let begun = loop {
            let guard = self.begun.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(begun) = *guard {
                send()?;
                break begun;
            }
            drop(guard);
            self.begin(now)?;
        };
        if now.saturating_sub(begun) < self.duration {
            return Ok(());
        }
        self.commit(|current| current == begun)
    }

    fn begin(&self, now: Duration) -> Result<(), Error> {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        if begun.is_none() {
            self.producer.begin_transaction()?;
            *begun = Some(now);
        }
        Ok(())
    }

    /// Unless another thread has done so.
    fn commit(&self, which: impl Fn(Duration) -> bool) -> Result<(), Error> {
        let mut begun = self.begun.write().unwrap_or_else(PoisonError::into_inner);
        if begun.is_some_and(which) {
            self.producer.commit_transaction()?;
            *begun = None;
        }
        Ok(())
    }

    /// At the end of a test that went like this: commits what is open, or aborts it if something went wrong.
    pub(super) fn end(&self, outcome: Result<(), Error>, ending: &EarlyEnd) -> Result<(), Error> {
        let outcome = outcome.and_then(|()| ending.patiently(|| self.commit(|_| true)));
        let is_open = self.begun.read().unwrap_or_else(PoisonError::into_inner).is_some();
        if outcome.is_err() && is_open {
            // What went wrong has been told; a transaction that cannot be aborted ends by its time-out.
            let _ = self.producer.abort_transaction();
        }
        outcome
    }
}
