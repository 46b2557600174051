//! `AppendRequest`: a record on its way into its partition's batch, and `BlockBudget`: how long its `send` may still wait.
//!
//! Owns: what is kept from one step to the next, `max.block.ms` of a call. Must not know: queues, what is waited for.
//! Holds: all waits of a call together take no longer than its budget; what the user's code takes is not charged.

use std::time::{Duration, Instant};

use crate::accumulator::buffer_pool::{BufferPool, Reservation};
use crate::accumulator::producer_batch::NewBatch;
use crate::completion::{CallbackSlot, RecordPlace};
use crate::record_batch::RecordParts;

/// A record on its way into a batch.
pub(crate) struct AppendRequest<'a> {
    pub(super) parts: RecordParts<'a>,
    /// Taken where the record is.
    pub(super) callback: &'a mut dyn CallbackSlot,
    pub(crate) budget: &'a mut BlockBudget,
    pub(super) clock: &'a dyn Fn() -> Instant,
    /// What was asked for in the last step.
    pub(super) brought: Option<Brought>,
}

impl<'a> AppendRequest<'a> {
    pub(crate) fn new(
        parts: RecordParts<'a>,
        callback: &'a mut dyn CallbackSlot,
        budget: &'a mut BlockBudget,
        clock: &'a dyn Fn() -> Instant,
    ) -> AppendRequest<'a> {
        AppendRequest { parts, callback, budget, clock, brought: None }
    }
}

/// What one step came to.
pub(crate) enum AppendStep {
    Appended(RecordPlace),
    /// A batch was full and is sealed now: come again.
    Sealed,
    /// Reserve this, then come again.
    Reserve(Wanted),
    /// The keyless records' partition is another by now: choose again.
    Elsewhere,
    /// The topic was forgotten meanwhile: look it up again.
    Gone,
    /// The producer is closed, or no transaction is open.
    Closed,
}

/// Memory that a record needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// For a new batch.
    Batch(usize),
    /// For the open one, to grow.
    Growth(usize),
}

/// What a record brings along because there is no room for it.
pub(super) enum Brought {
    Batch(NewBatch),
    /// For the open batch.
    Memory(Reservation),
}

impl Brought {
    /// It was not needed after all.
    pub(super) fn cancel(self, pool: &BufferPool) {
        match self {
            Brought::Batch(batch) => batch.cancel(pool),
            Brought::Memory(memory) => pool.cancel(memory),
        }
    }
}

/// What is left of `max.block.ms` for one call; none for one that may not wait at all: it would be an error of kind
/// `WouldBlock`.
#[derive(Debug)]
pub(crate) struct BlockBudget(Option<Duration>);

impl BlockBudget {
    /// No longer than this.
    #[inline]
    pub(crate) fn at_most(limit: Duration) -> BlockBudget {
        BlockBudget(Some(limit))
    }

    /// Not at all.
    #[inline]
    pub(crate) fn nothing() -> BlockBudget {
        BlockBudget(None)
    }

    /// How long a wait may take; none where the call may not wait.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.0
    }

    /// Whether there is any time left to wait.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        self.0.is_some_and(|left| !left.is_zero())
    }

    /// Waits, and takes off what that took.
    pub(crate) fn charge<T>(&mut self, clock: &dyn Fn() -> Instant, wait: impl FnOnce() -> T) -> T {
        let begun = clock();
        let outcome = wait();
        let took = clock().saturating_duration_since(begun);
        self.0 = self.0.map(|left| left.saturating_sub(took));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_wait_leaves_less_for_the_next_one() {
        let (now, ms) = (Cell::new(Instant::now()), Duration::from_millis);
        let clock = || now.get();
        let mut budget = BlockBudget::at_most(ms(100));
        for (took, left) in [(0, 100), (30, 70), (70, 0), (1, 0)] {
            now.set(now.get() + ms(500)); // What the user's code takes is not charged.
            budget.charge(&clock, || now.set(now.get() + ms(took)));
            assert_eq!(budget.left(), Some(ms(left)));
        }
        let mut nothing = BlockBudget::nothing();
        nothing.charge(&clock, || ());
        assert_eq!(nothing.left(), None);
    }
}
