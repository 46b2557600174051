//! `CallerTurns`: whether several threads append to a partition, and so take turns for its lock.
//!
//! Owns: telling one calling thread from several, and those that wait for their outcomes from those that go on. Must not
//! know: records, batches.
//! Threads: application threads. What is under the queue's lock is `LastCaller`.
//! Holds: one thread alone pays for a comparison; several are found out within a batch, and forgotten within two.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, lock_in_turns};

/// Tells one calling thread from another, for as long as both go on calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CallerToken(usize);

impl CallerToken {
    /// By something that the thread has to itself.
    #[inline]
    pub(crate) fn of<T>(own: &T) -> CallerToken {
        CallerToken(std::ptr::from_ref(own).addr())
    }
}

/// How callers take the lock.
#[derive(Default)]
pub(super) struct CallerTurns {
    several: AtomicBool,
}

/// The thread that appended last, and whether that has changed since the open batch was opened.
#[derive(Default)]
pub(super) struct LastCaller {
    token: CallerToken,
    has_changed: bool,
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
    pub(super) fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        match self.several.load(Ordering::Relaxed) {
            false => mutex.lock(),
            true => lock_in_turns(mutex),
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
        let is_first = last.token == CallerToken::default();
        *last = LastCaller { token: caller, has_changed: !is_first, waits: last.waits };
        self.several.store(!is_first && !last.waits, Ordering::Relaxed);
    }

    /// A batch is opened.
    pub(super) fn begin_batch(&self, last: &mut LastCaller) {
        let several = std::mem::take(&mut last.has_changed);
        self.several.store(several && !last.waits, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn several_callers_are_found_out_within_a_batch_and_forgotten_within_two() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        let (one, other) = (CallerToken(1), CallerToken(2));
        let several = |turns: &CallerTurns| turns.several.load(Ordering::Relaxed);
        for caller in [one, one] {
            turns.note(&mut last, caller);
            assert!(!several(&turns), "one alone");
        }
        turns.note(&mut last, other);
        assert!(several(&turns));
        turns.begin_batch(&mut last);
        turns.note(&mut last, other);
        assert!(several(&turns), "they were several in the batch before");
        turns.begin_batch(&mut last);
        assert!(!several(&turns));
    }

    #[test]
    fn callers_that_wait_for_what_they_send_take_no_turns() {
        let (turns, mut last) = (CallerTurns::default(), LastCaller::default());
        let mut batch = |records, is_awaited| {
            turns.begin_batch(&mut last);
            (1..=4).for_each(|caller| turns.note(&mut last, CallerToken(caller)));
            let several = turns.several.load(Ordering::Relaxed);
            last.note_batch(records, is_awaited);
            several
        };
        assert!(batch(4, true), "of the first it is not known");
        assert!(!batch(4, true));
        assert!(!batch(WAITING_CALLERS + 1, true));
        assert!(batch(4, false), "most records of the one before were somebody's who does not wait");
        assert!(batch(4, true));
    }
}
