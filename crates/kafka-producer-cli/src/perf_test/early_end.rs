//! Ctrl-C, and SIGTERM: the test ends early, with a summary of what was sent.
//!
//! Owns: the wish to end, and waking the threads that it concerns. Must not know: what they do.
//! Threads: one waits for signals; it interrupts those that have enrolled.
//! Locks: that of the enrolled, with no other.
//! Holds: who is interrupted finds the wish, and how urgent it is; so a call that was interrupted without reason to end is made
//! again. After the third signal the process ends at once.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kafka_producer::{Error, ErrorKind, InterruptHandle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_usize;
use signal_hook::low_level::pipe;

/// Whether the test shall end; all clones are one.
#[derive(Clone, Default)]
pub(super) struct EarlyEnd(Arc<EarlyEndShared>);

#[derive(Default)]
struct EarlyEndShared {
    /// How often.
    asked: AtomicU32,
    /// The exit status of a program that the last signal has ended; 0 before there is one.
    status: Arc<AtomicUsize>,
    enrolled: Mutex<Vec<(InterruptHandle, Thread)>>,
}

impl EarlyEnd {
    /// Listens to the signals, from now on until the process ends.
    ///
    /// # Errors
    /// The system's, if it has no descriptors or threads left.
    pub(super) fn on_signals() -> io::Result<EarlyEnd> {
        let ending = EarlyEnd::default();
        let (mut signals, handler) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            // As a shell numbers what a signal has ended.
            register_usize(signal, Arc::clone(&ending.0.status), 128 + signal as usize)?;
            pipe::register(signal, handler.try_clone()?)?;
        }
        let listening = ending.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while signals.read_exact(&mut [0]).is_ok() {
                listening.ask();
                if listening.0.asked.load(Ordering::Acquire) > 2 {
                    std::process::exit(i32::from(listening.exit_status().unwrap_or_default()));
                }
            }
        })?;
        Ok(ending)
    }

    /// The calling thread is woken and interrupted when the test shall end.
    pub(super) fn enrol(&self) {
        let mut enrolled = self.0.enrolled.lock().unwrap_or_else(PoisonError::into_inner);
        enrolled.push((InterruptHandle::current(), thread::current()));
    }

    /// The test shall end.
    pub(super) fn ask(&self) {
        self.0.asked.fetch_add(1, Ordering::Release);
        for (interrupt, thread) in &*self.0.enrolled.lock().unwrap_or_else(PoisonError::into_inner) {
            interrupt.interrupt();
            thread.unpark();
        }
    }

    /// Whether it shall.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire) > 0
    }

    /// The exit status, if a signal has ended the test: 130 or 143.
    pub(super) fn exit_status(&self) -> Option<u8> {
        u8::try_from(self.0.status.load(Ordering::Acquire)).ok().filter(|status| *status > 0)
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
