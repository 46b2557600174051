//! The progress bar: how far the test is, if somebody watches standard error.
//!
//! Owns: what the bar shows, and how often. Must not know: where it is drawn.
//! Threads: one of its own, until it is dropped.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::perf_measurements::PerfMeasurements;
use crate::terminal_log;

/// The bar; it vanishes when this is dropped.
pub(super) struct PerfProgress {
    bar: ProgressBar,
    ends: Option<(Sender<()>, JoinHandle<()>)>,
}

impl PerfProgress {
    /// A bar for so many records, which is drawn only at a terminal.
    pub(super) fn of(records: u64) -> PerfProgress {
        let bar = match terminal_log::is_watched() {
            true => terminal_log::show(ProgressBar::new(records)),
            false => ProgressBar::hidden(),
        };
        // A template that is not understood would leave indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        PerfProgress { bar, ends: None }
    }

    /// The bar itself, to be taken away while something else is written to the terminal.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Follows the test from now on.
    pub(super) fn follow(&mut self, measurements: &'static PerfMeasurements) {
        if self.bar.is_hidden() {
            return;
        }
        let (ends, ended) = channel();
        let bar = self.bar.clone();
        let follow = move || {
            while ended.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                let (records, bytes, failed) = measurements.so_far();
                bar.set_position(records + failed);
                let seconds = measurements.now().as_secs_f64();
                let records_per_second = HumanCount((records as f64 / seconds) as u64);
                let mib_per_second = bytes as f64 / seconds / (1024.0 * 1024.0);
                let failed =
                    if failed > 0 { format!(", {} failed", HumanCount(failed)) } else { String::new() };
                bar.set_message(format!(
                    "{records_per_second} records/sec ({mib_per_second:.2} MB/sec){failed}"
                ));
            }
        };
        if let Ok(thread) = thread::Builder::new().name("progress".to_owned()).spawn(follow) {
            self.ends = Some((ends, thread));
        }
    }
}

impl Drop for PerfProgress {
    fn drop(&mut self) {
        if let Some((ends, thread)) = self.ends.take() {
            drop(ends);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}

const TEMPLATE: &str = "{bar:24} {human_pos} of {human_len} records, {msg}, about {eta} left";
const BETWEEN: Duration = Duration::from_millis(200);
