//! Ctrl-C and SIGTERM: how the program that waits for something is told.
//!
//! Owns: the handlers, and one thread that a handler wakes by a pipe. Must not know: what is done about it.
//! Threads: the thread interrupts the thread that called [`StopSignals::watch`], in whatever call of the producer's it is, and
//! writes into a pipe for where it waits for input.
//! Holds: after the third signal the process ends at once.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kafka_producer::InterruptHandle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_usize;
use signal_hook::low_level::pipe;

/// What has come so far.
pub(super) struct StopSignals {
    told: UnixStream,
    count: Arc<AtomicUsize>,
    status: Arc<AtomicUsize>,
    this_thread: InterruptHandle,
}

impl StopSignals {
    /// From now on signals are for the thread that calls this.
    pub(super) fn watch() -> io::Result<StopSignals> {
        let (mut woken, handler) = UnixStream::pair()?;
        let (told, mut teller) = UnixStream::pair()?;
        let (count, status) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for signal in [SIGINT, SIGTERM] {
            // As a shell numbers what a signal has ended.
            register_usize(signal, Arc::clone(&status), 128 + signal as usize)?;
            pipe::register(signal, handler.try_clone()?)?;
        }
        let this_thread = InterruptHandle::current();
        let signals = StopSignals {
            told,
            count: Arc::clone(&count),
            status: Arc::clone(&status),
            this_thread: this_thread.clone(),
        };
        let each_signal = move || {
            while woken.read_exact(&mut [0]).is_ok() {
                if count.fetch_add(1, Ordering::SeqCst) >= 2 {
                    std::process::exit(status.load(Ordering::SeqCst) as i32);
                }
                this_thread.interrupt();
                let _ = teller.write_all(b"s");
            }
        };
        thread::Builder::new().name("signals".into()).spawn(each_signal)?;
        Ok(signals)
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
        self.status.load(Ordering::SeqCst) as u8
    }

    /// An interrupt that no call has reported shall not end the next one.
    pub(super) fn clear(&self) {
        self.this_thread.clear();
    }
}
