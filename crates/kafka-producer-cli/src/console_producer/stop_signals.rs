//! Ctrl-C and SIGTERM: how the program that waits for something is told.
//!
//! Owns: the count, and whom a signal wakes. Must not know: what is done about it.
//! Threads: that of the signals interrupts the thread that called [`StopSignals::watch`], in whatever call of the producer's it
//! is, and writes into a pipe for where it waits for input.
//! Holds: after the third signal the process ends at once.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_producer::InterruptHandle;

use crate::ending_signals::EndingSignals;

/// What has come so far.
pub(super) struct StopSignals {
    told: UnixStream,
    count: Arc<AtomicUsize>,
    signals: EndingSignals,
    this_thread: InterruptHandle,
}

impl StopSignals {
    /// From now on signals are for the thread that calls this.
    pub(super) fn watch() -> io::Result<StopSignals> {
        let (told, mut teller) = UnixStream::pair()?;
        let (count, this_thread) = (Arc::new(AtomicUsize::new(0)), InterruptHandle::current());
        let signals = EndingSignals::default();
        let (counted, interrupted) = (Arc::clone(&count), this_thread.clone());
        signals.watch(move || {
            let times = counted.fetch_add(1, Ordering::SeqCst) + 1;
            interrupted.interrupt();
            let _ = teller.write_all(b"s");
            times
        })?;
        Ok(StopSignals { told, count, signals, this_thread })
    }

    /// Something to read here means that a signal has come.
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The exit status of a program that the last signal has ended: 130 or 143.
    pub(super) fn exit_status(&self) -> u8 {
        self.signals.exit_status().unwrap_or_default()
    }

    /// An interrupt that no call has reported shall not end the next one.
    pub(super) fn clear(&self) {
        self.this_thread.clear();
    }
}
