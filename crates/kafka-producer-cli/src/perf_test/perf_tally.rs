//! What is known of records that were acknowledged: how many, how large, how long it took.
//!
//! Owns: the sums, the window since the last line, and Kafka's lines of both. Must not know: callbacks, locks, clocks.
//! Holds: time comes in as an argument, counted from the start of the test; adding a record is a few additions.
//! Source: `ProducerPerformance.Stats` of Kafka 4.3. Other than there, times are exact to the microsecond and no record is left
//! out of the percentiles.

use std::time::Duration;

use super::java_format::fixed;
use super::latency_histogram::{LatencyHistogram, in_micros};

/// The records of the whole test, or those after the warm-up.
pub(super) struct PerfTally {
    started: Duration,
    steady_state: bool,
    sums: Sums,
    latencies: LatencyHistogram<u64>,
    window: ReportWindow,
}

/// The records since the last line.
struct ReportWindow {
    started: Duration,
    sums: Sums,
}

#[derive(Default, Clone, Copy)]
struct Sums {
    records: u64,
    bytes: u64,
    latency_us: u64,
    latency_us_max: u64,
}

impl Sums {
    fn add(&mut self, bytes: u32, latency_us: u64) {
        self.records += 1;
        self.bytes += u64::from(bytes);
        self.latency_us += latency_us;
        self.latency_us_max = self.latency_us_max.max(latency_us);
    }

    fn latency_ms_avg(&self) -> f64 {
        self.latency_us as f64 / self.records as f64 / 1000.0
    }

    /// Records and MiB per second.
    fn rates(&self, time: Duration) -> (f64, f64) {
        let seconds = time.as_secs_f64();
        (self.records as f64 / seconds, self.bytes as f64 / seconds / (1024.0 * 1024.0))
    }
}

impl PerfTally {
    pub(super) fn new(started: Duration, steady_state: bool) -> PerfTally {
        PerfTally {
            started,
            steady_state,
            sums: Sums::default(),
            latencies: LatencyHistogram::new(LATENCY_DIGITS),
            window: ReportWindow { started, sums: Sums::default() },
        }
    }

    /// A record that was acknowledged at `now`. If the window is over, a new one begins and this is what to print of the old one.
    pub(super) fn add(
        &mut self,
        bytes: u32,
        latency: Duration,
        now: Duration,
        interval: Duration,
    ) -> Option<String> {
        let latency_us = in_micros(latency);
        self.sums.add(bytes, latency_us);
        self.window.sums.add(bytes, latency_us);
        self.latencies.add(latency_us);
        if now.saturating_sub(self.window.started) < interval {
            return None;
        }
        let line = self.window_line(now);
        self.window = ReportWindow { started: now, sums: Sums::default() };
        Some(line)
    }

    /// Records and bytes.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.sums.records, self.sums.bytes)
    }

    fn window_line(&self, now: Duration) -> String {
        let sums = &self.window.sums;
        let (records_per_second, mib_per_second) = sums.rates(now.saturating_sub(self.window.started));
        let first = self.steady_state && sums.records == self.sums.records;
        format!(
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
            if first { "In steady state.\n" } else { "" },
            sums.records,
            fixed(records_per_second, 1),
            fixed(mib_per_second, 2),
            fixed(sums.latency_ms_avg(), 1),
            fixed(sums.latency_us_max as f64 / 1000.0, 1),
        )
    }

    /// All of it, at the end of the test.
    pub(super) fn summary(&self, now: Duration) -> Summary {
        let time = now.saturating_sub(self.started);
        let (records_per_second, mib_per_second) = self.sums.rates(time);
        Summary {
            steady_state: self.steady_state,
            records: self.sums.records,
            bytes: self.sums.bytes,
            seconds: time.as_secs_f64(),
            records_per_second,
            mib_per_second,
            latency_ms_avg: self.sums.latency_ms_avg(),
            latency_ms_max: self.sums.latency_us_max as f64 / 1000.0,
            latency_ms: PERCENTILES.map(|percentile| self.latencies.percentile_ms(percentile)),
        }
    }
}

/// What a test came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) steady_state: bool,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) records_per_second: f64,
    pub(super) mib_per_second: f64,
    /// NaN if there are no records.
    pub(super) latency_ms_avg: f64,
    pub(super) latency_ms_max: f64,
    /// By [`PERCENTILES`].
    pub(super) latency_ms: [f64; 4],
}

impl Summary {
    /// Kafka's last line.
    pub(super) fn line(&self) -> String {
        let [p50, p95, p99, p99_9] = self.latency_ms.map(|latency| fixed(latency, 0));
        format!(
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {p50} ms 50th, \
             {p95} ms 95th, {p99} ms 99th, {p99_9} ms 99.9th.",
            self.records,
            if self.steady_state { " steady state" } else { "" },
            fixed(self.records_per_second, 6),
            fixed(self.mib_per_second, 2),
            fixed(self.latency_ms_avg, 2),
            fixed(self.latency_ms_max, 2),
        )
    }
}

/// Those of Kafka's line.
pub(super) const PERCENTILES: [f64; 4] = [50.0, 95.0, 99.0, 99.9];
const LATENCY_DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::MAX;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_last_line_is_kafkas_to_the_character() {
        let mut tally = PerfTally::new(ms(0), false);
        for latency in 1..=1000 {
            assert_eq!(tally.add(1024, ms(latency), ms(latency), NEVER), None);
        }
        let expected = "1000 records sent, 333.333333 records/sec (0.33 MB/sec), 500.50 ms avg latency, \
                        1000.00 ms max latency, 500 ms 50th, 950 ms 95th, 990 ms 99th, 1000 ms 99.9th.";
        assert_eq!(tally.summary(ms(3000)).line(), expected);
    }

    #[test]
    fn a_line_of_a_window_is_kafkas_to_the_character_and_begins_a_new_window() {
        let mut tally = PerfTally::new(ms(0), false);
        assert_eq!(tally.add(1_000_000, ms(3), ms(100), ms(5000)), None);
        let line = "2 records sent, 0.4 records/sec (0.38 MB/sec), 3.5 ms avg latency, 4.0 ms max latency.";
        assert_eq!(tally.add(1_000_000, ms(4), ms(5000), ms(5000)).as_deref(), Some(line));
        let line = "1 records sent, 0.1 records/sec (0.00 MB/sec), 1.0 ms avg latency, 1.0 ms max latency.";
        assert_eq!(tally.add(1, ms(1), ms(15_000), ms(5000)).as_deref(), Some(line));
        assert!(tally.summary(ms(15_000)).line().starts_with("3 records sent, 0.200000 records/sec"));
    }

    #[test]
    fn the_first_window_of_the_steady_state_says_so_and_the_last_line_names_it() {
        let mut tally = PerfTally::new(ms(1000), true);
        let first = tally.add(1, ms(1), ms(2000), ms(500));
        assert!(
            first.is_some_and(|line| line.starts_with("In steady state.\n1 records sent, 1.0 records/sec"))
        );
        let second = tally.add(1, ms(1), ms(3000), ms(500));
        assert!(second.is_some_and(|line| line.starts_with("1 records sent, 1.0 records/sec")));
        assert!(
            tally.summary(ms(3000)).line().starts_with("2 steady state records sent, 1.000000 records/sec")
        );
    }

    #[test]
    fn nothing_sent_prints_as_in_java() {
        let expected = "0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, 0.00 ms max latency, \
                        0 ms 50th, 0 ms 95th, 0 ms 99th, 0 ms 99.9th.";
        assert_eq!(PerfTally::new(ms(0), false).summary(ms(10)).line(), expected);
    }

    /// `testStatsCorrectness`, in which Java keeps a half of the latencies; `testStatsInitializationWithLargeNumRecords` has
    /// nothing to ask here, since no size depends on the number of records.
    #[test]
    fn every_record_is_counted() {
        let mut tally = PerfTally::new(ms(0), false);
        for _ in 0..1_000_000 {
            tally.add(100, ms(1), ms(1), NEVER);
        }
        let summary = tally.summary(ms(1000));
        assert_eq!((summary.records, summary.bytes), (1_000_000, 100_000_000));
    }

    #[test]
    fn a_latency_of_more_than_an_hour_does_no_harm() {
        let mut tally = PerfTally::new(ms(0), false);
        tally.add(1, Duration::from_secs(7200), ms(1), NEVER);
        let summary = tally.summary(ms(1));
        assert_eq!(summary.latency_ms_max, 7_200_000.0);
        assert!(summary.latency_ms[0] >= 3_590_000.0);
    }
}
