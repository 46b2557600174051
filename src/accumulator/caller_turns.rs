//! `CallerTurns`: several threads that append to a partition take turns for its lock.
//!
//! Owns: whose turn it is, and telling callers that wait for their outcomes from those that go on. Must not know: records,
//! batches.
//! Threads: application threads. What is under the queue's lock is `LastCaller`.
//! Holds: who has the turn pays for a comparison; another takes it where the lock is free, and steps back where it is not.

use crate::accumulator::append::BlockBudget;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, lock_in_turns};

/// Who makes a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallerToken {
    /// Tells one calling thread from another, for as long as both go on calling.
    thread: usize,
    /// Not in callbacks, which run on the sender's thread, nor in `try_send`.
    may_wait: bool,
}

impl CallerToken {
    /// By something that the thread has to itself, and what is left of the call's time.
    #[inline(always)]
    pub(crate) fn of<T>(own: &T, budget: &BlockBudget) -> CallerToken {
        CallerToken { thread: std::ptr::from_ref(own).addr(), may_wait: budget.may_wait() }
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
    thread: usize,
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
        match owner == caller.thread || owner == 0 || !caller.may_wait {
            true => mutex.lock(),
            false => lock_in_turns(mutex, &self.waiting),
        }
    }

    /// This one appends.
    #[inline(always)]
    pub(super) fn note(&self, last: &mut LastCaller, caller: CallerToken) {
        if last.thread != caller.thread {
            self.note_another(last, caller.thread);
        }
    }

    #[cold]
    fn note_another(&self, last: &mut LastCaller, thread: usize) {
        last.thread = thread;
        self.owner.store(if last.waits { 0 } else { thread }, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn patient(thread: usize) -> CallerToken {
        CallerToken { thread, may_wait: true }
    }

    fn owner(turns: &CallerTurns) -> usize {
        turns.owner.load(Ordering::Relaxed)
    }

    #[test]
    fn who_has_appended_last_has_the_turn() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        assert_eq!(owner(&turns), 0, "nobody has appended yet");
        for caller in [1, 1, 2, 1] {
            let mutex = Mutex::new(());
            let guard = turns.lock(&mutex, patient(caller));
            turns.note(&mut last, patient(caller));
            drop(guard);
            assert_eq!(owner(&turns), caller);
        }
    }

    #[test]
    fn a_call_that_may_not_wait_takes_the_lock_as_if_it_had_the_turn() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        turns.note(&mut last, patient(1));
        for budget in [BlockBudget::nothing(), BlockBudget::at_most(Duration::ZERO)] {
            assert!(!CallerToken::of(&2, &budget).may_wait);
        }
        assert!(CallerToken::of(&2, &BlockBudget::at_most(Duration::from_millis(1))).may_wait);
        let at_once = CallerToken { thread: 2, may_wait: false };
        drop(turns.lock(&Mutex::new(()), at_once));
        turns.note(&mut last, at_once);
        assert_eq!(owner(&turns), 2, "the other one finds out that it is not alone");
    }

    #[test]
    fn callers_that_wait_for_what_they_send_take_no_turns() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        let mut owner_in_batch = |records, is_awaited| {
            (1..=4).for_each(|caller| turns.note(&mut last, patient(caller)));
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
