//! Ctrl-C, and SIGTERM: the test ends early, with a summary of what was sent.
//!
//! Owns: the wish to end, and waking the threads that it concerns. Must not know: what they do.
//! Threads: that of the signals interrupts those that have enrolled.
//! Locks: that of the enrolled, with no other.
//! Holds: who is interrupted finds the wish, and how urgent it is; so a call that was interrupted without reason to end is made
//! again. After the third signal the process ends at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kafka_producer::{Error, ErrorKind, InterruptHandle};

use crate::ending_signals::EndingSignals;

/// Whether the test shall end; all clones are one.
#[derive(Clone, Default)]
pub(super) struct EarlyEnd(Arc<EarlyEndShared>);

#[derive(Default)]
struct EarlyEndShared {
    /// How often.
    asked: AtomicUsize,
    signals: EndingSignals,
    enrolled: Mutex<Vec<(InterruptHandle, Thread)>>,
}

impl EarlyEnd {
    /// Listens to the signals, from now on until the process ends.
    ///
    /// # Errors
    /// The system's, if it has no descriptors or threads left.
    pub(super) fn on_signals() -> io::Result<EarlyEnd> {
        let ending = EarlyEnd::default();
        let asks = ending.clone();
        ending.0.signals.watch(move || asks.ask())?;
        Ok(ending)
    }

    /// The calling thread is woken and interrupted when the test shall end.
    pub(super) fn enrol(&self) {
        let mut enrolled = self.0.enrolled.lock().unwrap_or_else(PoisonError::into_inner);
        enrolled.push((InterruptHandle::current(), thread::current()));
    }

    /// The test shall end. How often that has been asked for, this time included.
    pub(super) fn ask(&self) -> usize {
        let times = self.0.asked.fetch_add(1, Ordering::AcqRel) + 1;
        for (interrupt, thread) in &*self.0.enrolled.lock().unwrap_or_else(PoisonError::into_inner) {
            interrupt.interrupt();
            thread.unpark();
        }
        times
    }

    /// Whether it shall.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire) > 0
    }

    /// The exit status, if a signal has ended the test: 130 or 143.
    pub(super) fn exit_status(&self) -> Option<u8> {
        self.0.signals.exit_status()
    }

    /// Whether it has been asked for once more, and nothing is to be waited for.
    pub(super) fn is_urgent(&self) -> bool {
        self.0.asked.load(Ordering::Acquire) > 1
    }

    /// Calls until the outcome is another than an interrupt. Where nothing is to be waited for, it does not.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) fn patiently(&self, call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
        while !self.is_urgent() {
            match call() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
        Err(Error::new(ErrorKind::Interrupted, "given up by a second signal"))
    }

    /// Sleeps on the calling thread, which has enrolled, but no longer than until the test shall end.
    pub(super) fn sleep(&self, time: Duration) {
        let begun = Instant::now();
        while !self.is_asked() {
            let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else { return };
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_woken_when_the_test_shall_end() {
        let ending = EarlyEnd::default();
        let asks = ending.clone();
        ending.enrol();
        let other = thread::spawn(move || asks.ask());
        ending.sleep(Duration::MAX);
        assert!(ending.is_asked() && !ending.is_urgent());
        other.join().unwrap_or_default();
        assert!(InterruptHandle::current().clear(), "calls of the producer end as well");
        ending.ask();
        assert!(ending.is_urgent());
    }

    #[test]
    fn a_sleep_ends_by_itself() {
        let ending = EarlyEnd::default();
        ending.sleep(Duration::from_millis(1));
        assert!(!ending.is_asked());
    }
}
