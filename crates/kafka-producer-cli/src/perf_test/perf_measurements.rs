//! What is measured of each record, on the thread that is told of it.
//!
//! Owns: the one lock of all numbers, and the lines that are printed while the test runs. Must not know: flags, threads, who
//! sends.
//! Threads: callbacks, on the producer's sender thread; threads whose `send` is refused; whoever shows progress.
//! Locks: the numbers', with no other; nothing is printed under it.
//! Holds: a callback keeps a reference, a time, a size and a flag; it reads the clock once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_producer::{Error, RecordMetadata};

use super::failures::Failures;
use super::perf_tally::{PerfTally, Summary};
use super::timeline::{Timeline, TimelinePoint};

/// All numbers of a test.
pub(super) struct PerfMeasurements {
    started: Instant,
    interval: Duration,
    numbers: Mutex<PerfNumbers>,
    /// For the lines of the output, and for errors.
    print: Box<dyn Fn(PerfLine<'_>) + Send + Sync>,
}

/// A line to be printed while the test runs.
pub(super) enum PerfLine<'a> {
    Window(&'a str),
    /// An error of a kind that has not been told yet.
    Failure(&'a Error),
}

struct PerfNumbers {
    all: PerfTally,
    /// From the first record after the warm-up on; then the windows are its.
    steady: Option<PerfTally>,
    timeline: Option<Timeline>,
    failures: Failures,
}

/// What is known of a record when it is sent, for its callback.
#[derive(Clone, Copy)]
pub(super) struct RecordStart {
    sent: Duration,
    bytes: u32,
    steady: bool,
}

impl RecordStart {
    /// When, since the start of the test.
    pub(super) fn sent(&self) -> Duration {
        self.sent
    }
}

/// What a test came to.
pub(super) struct PerfResults {
    pub(super) all: Summary,
    pub(super) steady: Option<Summary>,
    pub(super) timeline: Vec<TimelinePoint>,
    pub(super) failures: Failures,
}

impl PerfMeasurements {
    /// A test that begins now, with a line for each `interval` in which a record is acknowledged.
    pub(super) fn new(
        interval: Duration,
        with_timeline: bool,
        print: impl Fn(PerfLine<'_>) + Send + Sync + 'static,
    ) -> PerfMeasurements {
        let numbers = PerfNumbers {
            all: PerfTally::new(Duration::ZERO, false),
            steady: None,
            timeline: with_timeline.then(Timeline::new),
            failures: Failures::default(),
        };
        let print = Box::new(print);
        PerfMeasurements { started: Instant::now(), interval, numbers: Mutex::new(numbers), print }
    }

    /// Time since the start of the test.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A record that is about to be sent. `steady` if the warm-up is over.
    pub(super) fn sending(&self, bytes: usize, steady: bool) -> RecordStart {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        RecordStart { sent: self.now(), bytes, steady }
    }

    /// The steady state begins with this record, if it has not begun yet.
    pub(super) fn begin_steady_state(&self, record: RecordStart) {
        self.numbers().steady.get_or_insert_with(|| PerfTally::new(record.sent, true));
    }

    /// The outcome of a record.
    pub(super) fn outcome(&self, record: RecordStart, outcome: Result<RecordMetadata, Error>) {
        match outcome {
            Ok(_) => self.acknowledged(record, self.now()),
            Err(error) => self.failed(&error),
        }
    }

    fn acknowledged(&self, record: RecordStart, now: Duration) {
        if let Some(line) = self.numbers().acknowledged(record, now, self.interval) {
            (self.print)(PerfLine::Window(&line));
        }
    }

    /// A record that failed. The first error of each kind is printed.
    pub(super) fn failed(&self, error: &Error) {
        let is_new = self.numbers().failures.add(error);
        if is_new {
            (self.print)(PerfLine::Failure(error));
        }
    }

    /// Records and bytes that were acknowledged so far, and records that failed.
    pub(super) fn so_far(&self) -> (u64, u64, u64) {
        let numbers = self.numbers();
        let (records, bytes) = numbers.all.so_far();
        (records, bytes, numbers.failures.records())
    }

    /// What the test came to, at its end.
    pub(super) fn results(&self) -> PerfResults {
        let now = self.now();
        let numbers = self.numbers();
        PerfResults {
            all: numbers.all.summary(now),
            steady: numbers.steady.as_ref().map(|steady| steady.summary(now)),
            timeline: numbers.timeline.as_ref().map(|timeline| timeline.points(now)).unwrap_or_default(),
            failures: numbers.failures.clone(),
        }
    }

    fn numbers(&self) -> MutexGuard<'_, PerfNumbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PerfNumbers {
    /// The line to be printed, if a window is over. As in Java, the whole test has no lines once the steady state has begun.
    fn acknowledged(&mut self, record: RecordStart, now: Duration, interval: Duration) -> Option<String> {
        let RecordStart { sent, bytes, steady } = record;
        let latency = now.saturating_sub(sent);
        if let Some(timeline) = &mut self.timeline {
            timeline.add(bytes, latency, now);
        }
        let line = self.all.add(bytes, latency, now, interval);
        let Some(tally) = &mut self.steady else { return line };
        if steady { tally.add(bytes, latency, now, interval) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka_producer::ErrorKind;

    use super::*;

    fn measurements(interval_ms: u64) -> (PerfMeasurements, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let printed = Arc::clone(&lines);
        let print = move |line: PerfLine<'_>| {
            let line = match line {
                PerfLine::Window(line) => line.to_owned(),
                PerfLine::Failure(error) => format!("failed: {error}"),
            };
            printed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        };
        (PerfMeasurements::new(Duration::from_millis(interval_ms), true, print), lines)
    }

    fn lines(printed: &Mutex<Vec<String>>) -> Vec<String> {
        printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(sent_ms: u64, steady: bool) -> RecordStart {
        RecordStart { sent: Duration::from_millis(sent_ms), bytes: 100, steady }
    }

    /// `testNumberOfSuccessfulSendAndClose`.
    #[test]
    fn records_that_are_acknowledged_are_counted() {
        let (test, printed) = measurements(5000);
        for number in 0..10 {
            test.acknowledged(record(number, false), Duration::from_millis(number + 3));
        }
        let results = test.results();
        assert_eq!((results.all.records, results.all.bytes, results.all.latency_ms_max), (10, 1000, 3.0));
        assert_eq!((test.so_far(), results.timeline.len()), ((10, 1000, 0), 1));
        assert_eq!((results.steady, lines(&printed)), (None, vec![]));
    }

    /// `testNumberOfFailedSendAndClose`.
    #[test]
    fn records_that_fail_are_not_counted_as_sent_and_told_once() {
        let (test, printed) = measurements(5000);
        for _ in 0..10 {
            test.outcome(
                test.sending(100, false),
                Err(Error::new(ErrorKind::Authorization, "not authorized.")),
            );
        }
        let results = test.results();
        assert_eq!((results.all.records, results.failures.records(), test.so_far()), (0, 10, (0, 0, 10)));
        assert_eq!(lines(&printed), ["failed: not authorized."]);
    }

    #[test]
    fn after_the_warm_up_only_the_steady_state_has_lines() {
        let (test, printed) = measurements(1000);
        test.acknowledged(record(0, false), Duration::from_millis(1000));
        test.begin_steady_state(record(1000, true));
        test.begin_steady_state(record(1500, true));
        // A record of the warm-up that comes late.
        test.acknowledged(record(999, false), Duration::from_millis(2000));
        test.acknowledged(record(1000, true), Duration::from_millis(2000));
        test.acknowledged(record(2000, true), Duration::from_millis(3000));
        let starts: Vec<String> =
            lines(&printed).iter().map(|line| line.chars().take(18).collect()).collect();
        assert_eq!(starts, ["1 records sent, 1.", "In steady state.\n1", "1 records sent, 1."]);
        let results = test.results();
        assert_eq!((results.all.records, results.steady.map(|steady| steady.records)), (4, Some(2)));
    }
}
