//! Standard error as a terminal: the producer's log, and a progress bar that log lines do not tear.
//!
//! Owns: where log lines go, and how the bar stands aside for them. Must not know: what is shown on the bar.
//! Holds: the log says warnings and errors unless `RUST_LOG` says otherwise.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

/// All bars of this process: one, or none.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
}

/// Sends the log to standard error. `RUST_LOG` chooses, as in `RUST_LOG=kafka_producer=debug`; otherwise warnings and errors.
pub(crate) fn start_log() {
    let environment = env_logger::Env::default().default_filter_or("warn");
    let target = env_logger::Target::Pipe(Box::new(BesideTheBar));
    // A program that has a logger already keeps it.
    let _ = env_logger::Builder::from_env(environment).target(target).try_init();
}

/// Whether somebody watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Shows a bar on standard error. Where that is no terminal nothing is drawn.
pub(crate) fn show(bar: ProgressBar) -> ProgressBar {
    bars().add(bar)
}

/// Prints a line on standard error, above the bar, under the program's name. Where nobody reads it any more it is lost.
pub(crate) fn say(program: &str, text: impl fmt::Display) {
    let _ = BesideTheBar.write_all(format!("{program}: {text}\n").as_bytes());
}

/// Standard error, with the bar taken away for the time of each write.
struct BesideTheBar;

impl Write for BesideTheBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bars().suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
