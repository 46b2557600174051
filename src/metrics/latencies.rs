//! `Latencies`: how long something took, by percentiles of the last windows.
//!
//! Owns: histograms. Must not know: what took so long.
//! Threads: whoever has the lock around it.
//! Holds: memory is bounded: two digits of a time between a microsecond and an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::metrics::windows::Measures;

const LONGEST_MICROS: u64 = 3_600_000_000;

/// Times in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeHistogram {
    /// `None` until the first one.
    times: Option<Histogram<u32>>,
    /// Exact, where the histogram keeps two digits.
    longest: Duration,
}

impl TimeHistogram {
    /// So many things took so long.
    pub(crate) fn add(&mut self, took: Duration, count: u32) {
        let micros = took.as_secs().saturating_mul(1_000_000).saturating_add(took.subsec_micros().into());
        let micros = micros.clamp(1, LONGEST_MICROS);
        self.longest = self.longest.max(took);
        if self.times.is_none() {
            self.times = Histogram::new_with_bounds(1, LONGEST_MICROS, 2).ok();
        }
        if let Some(histogram) = &mut self.times {
            histogram.saturating_record_n(micros, count);
        }
    }

    /// Milliseconds, no more than the longest time; not a number where nothing was measured.
    pub(crate) fn percentile(&self, percentile: f64) -> f64 {
        match &self.times {
            Some(histogram) if !histogram.is_empty() => {
                let found = histogram.value_at_percentile(percentile) as f64 / 1000.0;
                found.min(self.longest.as_secs_f64() * 1000.0)
            }
            _ => f64::NAN,
        }
    }
}

impl Measures for TimeHistogram {
    fn add_all(&mut self, later: &Self) {
        self.longest = self.longest.max(later.longest);
        match (&mut self.times, &later.times) {
            (Some(ours), Some(theirs)) => {
                // It has the same bounds, so there is nothing to refuse.
                let _ = ours.add(theirs);
            }
            (None, Some(theirs)) => self.times = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

/// The times of which percentiles are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    pub(crate) request: TimeHistogram,
    pub(crate) queue: TimeHistogram,
    pub(crate) acknowledgement: TimeHistogram,
}

impl Measures for Latencies {
    fn add_all(&mut self, later: &Self) {
        self.request.add_all(&later.request);
        self.queue.add_all(&later.queue);
        self.acknowledgement.add_all(&later.acknowledgement);
    }
}

/// A percentile as a metric of its own.
pub(crate) struct PercentileRow {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) percentile: f64,
    pub(crate) times: fn(&Latencies) -> &TimeHistogram,
}

macro_rules! percentiles {
    ($($times:ident $stem:literal $description:literal,)+) => {
        &[$(
            percentiles!(@ $times concat!($stem, "-p50"), concat!($description, ": half of them took no longer."), 50.0),
            percentiles!(@ $times concat!($stem, "-p99"), concat!($description, ": 99 of 100 took no longer."), 99.0),
            percentiles!(@ $times concat!($stem, "-p99.9"), concat!($description, ": 999 of 1000 took no longer."), 99.9),
        )+]
    };
    (@ $times:ident $name:expr, $description:expr, $percentile:literal) => {
        PercentileRow { name: $name, description: $description, percentile: $percentile, times: |latencies| &latencies.$times }
    };
}

impl Latencies {
    pub(crate) const ROWS: &'static [PercentileRow] = percentiles! {
        request "request-latency" "Time from a Produce request until its answer",
        queue "record-queue-time" "Time from a batch's first record until the batch is sent, by records",
        acknowledgement "record-acknowledgement-time" "Time from a batch's first record until the batch is acknowledged, by records",
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_hundredth_of_what_was_measured() {
        let mut times = TimeHistogram::default();
        for millis in 1..=1000 {
            times.add(Duration::from_millis(millis), 1);
        }
        for (percentile, expected) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0)] {
            let told = times.percentile(percentile);
            assert!((told / expected - 1.0).abs() < 0.01, "{percentile}: {told}");
        }
    }

    #[test]
    fn no_percentile_is_more_than_the_longest_time() {
        let of = |micros: u64| {
            let mut times = TimeHistogram::default();
            times.add(Duration::from_micros(micros), 7);
            times
        };
        assert_eq!(of(750_974).percentile(99.9), 750.974);
        let (mut both, longer) = (of(1), of(1_337_001));
        both.add_all(&longer);
        assert_eq!(both.percentile(99.9), 1337.001);
    }

    #[test]
    fn what_takes_no_time_or_forever_is_counted_and_nothing_has_no_percentile() {
        let mut times = TimeHistogram::default();
        assert!(times.percentile(50.0).is_nan());
        times.add(Duration::ZERO, 3);
        times.add(Duration::MAX, 1);
        assert_eq!(times.percentile(50.0), 0.001);
        assert!(times.percentile(99.9) > 3_550_000.0);
    }

    #[test]
    fn times_of_several_windows_are_one_distribution() {
        let (mut first, second) = (TimeHistogram::default(), {
            let mut times = TimeHistogram::default();
            times.add(Duration::from_millis(10), 100);
            times
        });
        first.add_all(&second);
        first.add_all(&TimeHistogram::default());
        first.add(Duration::from_millis(1000), 1);
        assert!((first.percentile(50.0) - 10.0).abs() < 0.2);
    }
}
