//! `CallerTurns`: several threads that append to a partition take turns for its lock.
//!
//! Owns: whose turn it is, and telling callers that wait for their outcomes from those that go on. Must not know: records,
//! batches.
//! Threads: application threads. What is under the queue's lock is `LastCaller`.
//! Holds: who has the turn pays for a comparison; another takes it where the lock is free, and steps back where it is not.

use crate::accumulator::append::BlockBudget;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, lock_in_turns};

/// Tells one calling thread from another, for as long as both go on calling; 0 for a call that may not wait, as those in
/// callbacks, which are made on the sender's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CallerToken(usize);

impl CallerToken {
    /// By something that the thread has to itself, where the call may wait.
    #[inline]
    pub(crate) fn of<T>(own: &T, budget: &BlockBudget) -> CallerToken {
        CallerToken(if budget.may_wait() { std::ptr::from_ref(own).addr() } else { 0 })
    }
}

/// How callers take the lock.
#[derive(Default)]
pub(super) struct CallerTurns {
    /// The thread that appends, which need not look whether another does; 0 where nobody steps back.
    owner: AtomicUsize,
    /// How many threads have stepped back.
    waiting: AtomicU32,
}

/// The thread that appended last.
#[derive(Default)]
pub(super) struct LastCaller {
    token: CallerToken,
    /// Callers wait for what they send: none of them wants the lock again and again, and one that stepped back would only be
    /// late.
    waits: bool,
}

impl LastCaller {
    /// A batch leaves the open place with this many records; `is_awaited`: somebody waits for it.
    pub(super) fn note_batch(&mut self, records: u32, is_awaited: bool) {
        self.waits = is_awaited && records <= WAITING_CALLERS;
    }
}

/// In a batch with more records than this there are those of callers that do not wait.
const WAITING_CALLERS: u32 = 256;

impl CallerTurns {
    #[inline(always)]
    pub(super) fn lock<'a, T>(&self, mutex: &'a Mutex<T>, caller: CallerToken) -> MutexGuard<'a, T> {
        let owner = self.owner.load(Ordering::Relaxed);
        match owner == caller.0 || owner == 0 || caller.0 == 0 {
            true => mutex.lock(),
            false => lock_in_turns(mutex, &self.waiting),
        }
    }

    /// This one appends.
    #[inline(always)]
    pub(super) fn note(&self, last: &mut LastCaller, caller: CallerToken) {
        if last.token != caller {
            self.note_another(last, caller);
        }
    }

    #[cold]
    fn note_another(&self, last: &mut LastCaller, caller: CallerToken) {
        last.token = caller;
        self.owner.store(if last.waits { 0 } else { caller.0 }, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn owner(turns: &CallerTurns) -> usize {
        turns.owner.load(Ordering::Relaxed)
    }

    #[test]
    fn who_has_appended_last_has_the_turn() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        assert_eq!(owner(&turns), 0, "nobody has appended yet");
        for caller in [1, 1, 2, 1] {
            let mutex = Mutex::new(());
            let guard = turns.lock(&mutex, CallerToken(caller));
            turns.note(&mut last, CallerToken(caller));
            drop(guard);
            assert_eq!(owner(&turns), caller);
        }
    }

    #[test]
    fn a_call_that_may_not_wait_has_no_turn_and_leaves_it_to_nobody() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        let patient = CallerToken::of(&1, &BlockBudget::at_most(Duration::from_millis(1)));
        assert_ne!(patient, CallerToken::default());
        turns.note(&mut last, patient);
        assert_eq!(owner(&turns), patient.0);
        let at_once = CallerToken::of(&1, &BlockBudget::nothing());
        assert_eq!(at_once, CallerToken::default());
        assert_eq!(CallerToken::of(&1, &BlockBudget::at_most(Duration::ZERO)), at_once, "max.block.ms=0");
        turns.note(&mut last, at_once);
        assert_eq!(owner(&turns), 0);
    }

    #[test]
    fn callers_that_wait_for_what_they_send_take_no_turns() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        let mut owner_in_batch = |records, is_awaited| {
            (1..=4).for_each(|caller| turns.note(&mut last, CallerToken(caller)));
            last.note_batch(records, is_awaited);
            owner(&turns)
        };
        assert_eq!(owner_in_batch(4, true), 4, "of the first it is not known");
        assert_eq!(owner_in_batch(4, true), 0);
        assert_eq!(owner_in_batch(WAITING_CALLERS + 1, true), 0);
        assert_eq!(
            owner_in_batch(4, false),
            4,
            "most records of the one before were somebody's who does not wait"
        );
        assert_eq!(owner_in_batch(4, true), 4);
    }
}
