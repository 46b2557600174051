//! Ctrl-C and SIGTERM, as both programs are told of them.
//!
//! Owns: the handlers, the thread that they wake by a pipe, the exit status of a program that was ended. Must not know: what is
//! done about a signal.
//! Threads: one of its own, on which the program is told.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_usize;
use signal_hook::low_level::pipe;

/// The exit status that the last signal asks for; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct EndingSignals(Arc<AtomicUsize>);

impl EndingSignals {
    /// From now on each signal is told, until the process ends. `told` says how often the end was asked for by then: after
    /// more than twice the process ends at once.
    ///
    /// # Errors
    /// The system's, if it has no descriptors or threads left.
    pub(crate) fn watch(&self, mut told: impl FnMut() -> usize + Send + 'static) -> io::Result<()> {
        let (mut signals, handler) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            // As a shell numbers what a signal has ended.
            register_usize(signal, Arc::clone(&self.0), 128 + signal as usize)?;
            pipe::register(signal, handler.try_clone()?)?;
        }
        let these = self.clone();
        let each_signal = move || {
            while signals.read_exact(&mut [0]).is_ok() {
                if told() > 2 {
                    std::process::exit(i32::from(these.exit_status().unwrap_or_default()));
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(each_signal)?;
        Ok(())
    }

    /// 130 or 143; none before there was a signal.
    pub(crate) fn exit_status(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::Acquire)).ok().filter(|status| *status > 0)
    }
}
