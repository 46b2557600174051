//! Ctrl-C, and SIGTERM: the test ends early, with a summary of what was sent.
//!
//! Owns: the wish to end, and waking the threads that it concerns. Must not know: what they do.
//! Threads: one waits for signals; it interrupts those that have enrolled.
//! Locks: that of the enrolled, with no other.
//! Holds: a thread that sees the wish has been interrupted before, so that it can take the interrupt back and call the producer
//! in peace. The second signal interrupts again, whatever is waited for then.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kafka_producer::InterruptHandle;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Whether the test shall end; all clones are one.
#[derive(Clone, Default)]
pub(super) struct EarlyEnd(Arc<EarlyEndShared>);

#[derive(Default)]
struct EarlyEndShared {
    /// How often.
    asked: AtomicU32,
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
        signal_hook::low_level::pipe::register(SIGTERM, handler.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGINT, handler)?;
        let listening = ending.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while signals.read_exact(&mut [0]).is_ok() {
                listening.ask();
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
        let enrolled = self.0.enrolled.lock().unwrap_or_else(PoisonError::into_inner);
        for (interrupt, _) in &*enrolled {
            interrupt.interrupt();
        }
        self.0.asked.fetch_add(1, Ordering::Release);
        for (_, thread) in &*enrolled {
            thread.unpark();
        }
    }

    /// Whether it shall.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire) > 0
    }

    /// Whether it has been asked for once more, and nothing is to be waited for.
    pub(super) fn is_urgent(&self) -> bool {
        self.0.asked.load(Ordering::Acquire) > 1
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
        assert!(InterruptHandle::current().clear(), "it has been interrupted before");
        other.join().unwrap_or_default();
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
