//! `Spin`: whether to go on polling for a moment before the thread sleeps; `SharedSpin`: the same for several threads.
//!
//! Owns: the rule. Must not know: what is polled for.
//! Holds: of the threads that share a spin one polls at a time, the others sleep at once.
//!
//! Most of a small round trip is waking a sleeping thread. Polling for as long as an answer usually takes saves that,
//! but only while answers do come within that time: after a few spins in vain it stops, and begins again when an
//! answer came quickly to a sleeping thread. Each new attempt in vain doubles how many such answers the next one
//! needs, so a broker that is always a little too slow does not cost a spin each time.

use std::thread;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// When to spin.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    length: Duration,
    /// How many more spins may fail before it stops.
    credit: u32,
    /// Quick answers still needed before the next attempt, and as many as that attempt began with.
    needed: u32,
    price: u32,
}

impl Spin {
    /// `length` is the longest that a spin takes; zero turns spinning off.
    pub(crate) fn new(length: Duration) -> Self {
        Spin { length, credit: CREDIT, needed: 1, price: 1 }
    }

    /// Until when to spin, where it is worth it.
    fn until(&self, now: Instant, answers_expected: bool) -> Option<Instant> {
        let worth_it = answers_expected && self.credit > 0 && !self.length.is_zero();
        worth_it.then(|| now.checked_add(self.length)).flatten()
    }

    /// Polls for a moment, but not after `limit`, where that is worth it: the time then, and how it ended.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        limit: Option<Instant>,
        answers_expected: bool,
        mut is_done: impl FnMut() -> bool,
    ) -> (Instant, Polled) {
        let Some(end) = self.until(now, answers_expected) else { return (now, Polled::InVain) };
        loop {
            let done = is_done();
            let now = Instant::now();
            if done {
                self.succeeded();
                return (now, Polled::Done);
            }
            if limit.is_some_and(|limit| limit <= now) {
                return (now, Polled::OutOfTime);
            }
            if end <= now {
                self.failed();
                return (now, Polled::InVain);
            }
            // Other threads with work go first: what is waited for may need this very processor.
            thread::yield_now();
        }
    }

    /// An answer came while spinning.
    fn succeeded(&mut self) {
        (self.credit, self.needed, self.price) = (CREDIT, 1, 1);
    }

    /// A spin ended without anything.
    fn failed(&mut self) {
        self.credit -= self.credit.min(1);
        if self.credit == 0 {
            self.needed = self.price;
            self.price = (self.price * 2).min(MAX_PRICE);
        }
    }

    /// An answer came to the sleeping thread after `time`.
    pub(crate) fn slept(&mut self, time: Duration) {
        if self.credit > 0 || time > self.length * SLEEP_TAKES {
            return;
        }
        self.needed -= self.needed.min(1);
        if self.needed == 0 {
            self.credit = 1;
        }
    }
}

/// How a spin ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Done,
    /// The limit came first.
    OutOfTime,
    /// It was long enough, or not worth it.
    InVain,
}

/// A spin for several threads that wait for the same sender.
#[derive(Debug)]
pub(crate) struct SharedSpin(Mutex<Spin>);

impl SharedSpin {
    /// `length` is the longest that a thread polls; zero turns it off.
    pub(crate) fn new(length: Duration) -> Self {
        SharedSpin(Mutex::new(Spin::new(length)))
    }

    /// Polls for a moment, but not after `limit`, where that is worth it and no other thread does. Whether it is done.
    pub(crate) fn poll(&self, limit: Option<Instant>, is_done: impl Fn() -> bool) -> bool {
        let Some(mut spin) = self.0.try_lock() else { return false };
        spin.poll(Instant::now(), limit, true, is_done).1 == Polled::Done
    }

    /// What was waited for came after this much sleep.
    pub(crate) fn slept(&self, time: Duration) {
        if let Some(mut spin) = self.0.try_lock() {
            spin.slept(time);
        }
    }
}

/// Spins in vain, one after another, before it stops.
const CREDIT: u32 = 4;

/// Falling asleep and waking up takes this much longer than polling would have (measured: 140 µs against 50).
const SLEEP_TAKES: u32 = 4;

/// The most quick answers that a new attempt needs.
const MAX_PRICE: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_micros(50);

    fn spins(spin: &Spin) -> bool {
        spin.until(Instant::now(), true).is_some()
    }

    #[test]
    fn never_without_awaited_answers_and_never_when_off() {
        let now = Instant::now();
        assert_eq!(Spin::new(LENGTH).until(now, true), Some(now + LENGTH));
        assert_eq!(Spin::new(LENGTH).until(now, false), None);
        assert_eq!(Spin::new(Duration::ZERO).until(now, true), None);
    }

    #[test]
    fn stops_after_spins_in_vain_and_a_success_forgives_them() {
        let mut spin = Spin::new(LENGTH);
        for _ in 0..10 {
            (0..CREDIT - 1).for_each(|_| spin.failed());
            assert!(spins(&spin));
            spin.succeeded();
        }
        (0..CREDIT).for_each(|_| spin.failed());
        assert!(!spins(&spin));
    }

    #[test]
    fn quick_answers_bring_it_back_at_a_rising_price() {
        let mut spin = Spin::new(LENGTH);
        (0..CREDIT).for_each(|_| spin.failed());
        for price in [1, 2, 4, 8] {
            for _ in 0..price {
                assert!(!spins(&spin));
                spin.slept(Duration::from_millis(5));
                assert!(!spins(&spin), "a slow answer counts for nothing");
                spin.slept(LENGTH * 3);
            }
            assert!(spins(&spin), "after {price} quick answers");
            spin.failed();
        }
        (0..MAX_PRICE).for_each(|_| spin.slept(LENGTH));
        spin.succeeded();
        assert_eq!((spin.credit, spin.price), (CREDIT, 1));
    }

    #[test]
    fn one_thread_polls_and_the_others_do_not() {
        let shared = SharedSpin::new(Duration::from_secs(60));
        let polls = std::cell::Cell::new(0);
        let done = shared.poll(None, || {
            assert!(!shared.poll(None, || true), "somebody polls already");
            polls.set(polls.get() + 1);
            polls.get() == 3
        });
        assert!(done);
        assert!(!shared.poll(Some(Instant::now()), || false), "not after the limit");
        assert!(shared.poll(None, || true), "and the next may");
        assert!(!SharedSpin::new(Duration::ZERO).poll(None, || true), "off");
    }

    #[test]
    fn what_takes_too_long_is_not_polled_for_until_something_comes_quickly() {
        let shared = SharedSpin::new(Duration::from_micros(1));
        for _ in 0..CREDIT {
            assert!(!shared.poll(None, || false));
        }
        assert!(!shared.poll(None, || true), "it would be done, but nobody looks");
        shared.slept(Duration::from_micros(1));
        assert!(shared.poll(None, || true));
    }
}
