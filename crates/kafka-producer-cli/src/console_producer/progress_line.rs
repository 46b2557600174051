//! The line that tells how far it is: records, failures, MB/s, and how much of a file.
//!
//! Owns: the line, and the thread that draws it. Must not know: the producer.
//! Holds: it comes after a second, on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::record_tally::RecordTally;
use crate::terminal_log;

/// The line, while records are sent.
pub(super) struct ProgressLine {
    end: Sender<()>,
    thread: JoinHandle<bool>,
}

impl ProgressLine {
    /// Begins to watch; nothing where nobody looks. `size` is that of the file whose bytes `read` counts.
    pub(super) fn start(
        tally: &'static RecordTally,
        read: Arc<AtomicU64>,
        size: Option<u64>,
    ) -> Option<ProgressLine> {
        if !terminal_log::is_watched() {
            return None;
        }
        let (end, ended) = channel();
        let thread = thread::Builder::new().name("progress".into());
        let thread = thread.spawn(move || draw(tally, &read, size, &ended)).ok()?;
        Some(ProgressLine { end, thread })
    }

    /// Takes the line away, and says whether it was there.
    pub(super) fn end(self) -> bool {
        drop(self.end);
        self.thread.join().unwrap_or(false)
    }
}

fn draw(tally: &RecordTally, read: &AtomicU64, size: Option<u64>, ended: &Receiver<()>) -> bool {
    let start = Instant::now();
    if ended.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
        return false;
    }
    let bar = terminal_log::show(match size {
        Some(size) => ProgressBar::new(size).with_style(style("{bar:24} {percent:>3} %  {msg}")),
        None => ProgressBar::no_length().with_style(style("{spinner} {msg}")),
    });
    loop {
        let bytes = read.load(Ordering::Relaxed);
        bar.set_position(bytes);
        bar.set_message(counts(tally, bytes, start.elapsed()));
        bar.tick();
        if ended.recv_timeout(Duration::from_millis(200)) != Err(RecvTimeoutError::Timeout) {
            bar.finish_and_clear();
            return true;
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `1,234,567 records acknowledged, 0 failed, 123.4 MB read in 1.2 s (102.8 MB/s)`.
pub(super) fn counts(tally: &RecordTally, bytes: u64, time: Duration) -> String {
    let (megabytes, seconds) = (bytes as f64 / 1e6, time.as_secs_f64());
    let read = match bytes {
        // Too little for a rate.
        0..100_000 => format!("{bytes} bytes read"),
        _ => format!("{megabytes:.1} MB read in {seconds:.1} s ({:.1} MB/s)", megabytes / seconds.max(0.001)),
    };
    format!("{} acknowledged, {} failed, {read}", records(tally.acknowledged()), HumanCount(tally.failed()))
}

/// `1 record`, `1,234 records`.
pub(super) fn records(count: u64) -> String {
    format!("{} record{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_records_failures_and_the_rate() {
        let text = counts(&RecordTally::default(), 12_345_678, Duration::from_millis(1500));
        assert_eq!(text, "0 records acknowledged, 0 failed, 12.3 MB read in 1.5 s (8.2 MB/s)");
        let text = counts(&RecordTally::default(), 57, Duration::ZERO);
        assert_eq!(text, "0 records acknowledged, 0 failed, 57 bytes read");
    }
}
