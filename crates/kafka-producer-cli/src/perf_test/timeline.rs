//! How a test went, over time: for the plot and the JSON file.
//!
//! Owns: the slices of time, all of one length, and making them longer when there are too many. Must not know: plots, JSON.
//! Holds: at most [`SLICES_MOST`] slices, however long the test takes; time comes in as an argument.

use std::time::Duration;

use super::latency_histogram::{LatencyHistogram, in_micros};

/// The slices so far.
pub(super) struct Timeline {
    slice: Duration,
    slices: Vec<Slice>,
}

struct Slice {
    records: u64,
    bytes: u64,
    latencies: LatencyHistogram<u32>,
}

/// What happened in one slice of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimelinePoint {
    /// From the start of the test to the end of the slice.
    pub(super) seconds: f64,
    pub(super) records: u64,
    pub(super) records_per_second: f64,
    pub(super) mib_per_second: f64,
    /// p50, p95, p99, p99.9 and the maximum of the records that were acknowledged in this slice; none if there were none.
    pub(super) latency_ms: Option<[f64; 5]>,
}

impl Timeline {
    pub(super) fn new() -> Timeline {
        Timeline { slice: FIRST_SLICE, slices: Vec::new() }
    }

    /// A record that was acknowledged at `now`.
    pub(super) fn add(&mut self, bytes: u32, latency: Duration, now: Duration) {
        let mut at = self.index(now);
        while at >= SLICES_MOST {
            self.merge();
            at = self.index(now);
        }
        if at >= self.slices.len() {
            self.slices.resize_with(at + 1, Slice::empty);
        }
        if let Some(slice) = self.slices.get_mut(at) {
            slice.records += 1;
            slice.bytes += u64::from(bytes);
            slice.latencies.add(in_micros(latency));
        }
    }

    fn index(&self, now: Duration) -> usize {
        usize::try_from(now.as_nanos() / self.slice.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// Slices of twice the length.
    fn merge(&mut self) {
        self.slice *= 2;
        let mut merged = Vec::with_capacity(SLICES_MOST);
        let mut slices = std::mem::take(&mut self.slices).into_iter();
        while let Some(first) = slices.next() {
            merged.push(match slices.next() {
                Some(second) => first.with(second),
                None => first,
            });
        }
        self.slices = merged;
    }

    /// What is known at the end of a test, in which the last slice may have been cut short.
    pub(super) fn points(&self, end: Duration) -> Vec<TimelinePoint> {
        let point = |(number, slice): (u32, &Slice)| {
            let from = self.slice * number;
            let until = (from + self.slice).min(end.max(from + self.slice / 10));
            let seconds = (until - from).as_secs_f64();
            TimelinePoint {
                seconds: until.as_secs_f64(),
                records: slice.records,
                records_per_second: slice.records as f64 / seconds,
                mib_per_second: slice.bytes as f64 / seconds / (1024.0 * 1024.0),
                latency_ms: (!slice.latencies.is_empty()).then(|| {
                    [50.0, 95.0, 99.0, 99.9, 100.0]
                        .map(|percentile| slice.latencies.percentile_ms(percentile))
                }),
            }
        };
        (0..).zip(&self.slices).map(point).collect()
    }
}

impl Slice {
    fn empty() -> Slice {
        Slice { records: 0, bytes: 0, latencies: LatencyHistogram::new(SLICE_DIGITS) }
    }

    fn with(mut self, other: Slice) -> Slice {
        self.records += other.records;
        self.bytes += other.bytes;
        self.latencies.add_all(other.latencies);
        self
    }
}

const FIRST_SLICE: Duration = Duration::from_millis(50);
const SLICES_MOST: usize = 200;
/// A hundredth is enough for what is looked at.
const SLICE_DIGITS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_slice_has_what_was_acknowledged_in_it() {
        let mut timeline = Timeline::new();
        timeline.add(1 << 20, ms(4), ms(10));
        timeline.add(1 << 20, ms(8), ms(49));
        timeline.add(1 << 20, ms(16), ms(120));
        let points = timeline.points(ms(125));
        assert_eq!(points.iter().map(|point| point.records).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(points.iter().map(|point| point.seconds).collect::<Vec<_>>(), [0.05, 0.1, 0.125]);
        assert_eq!((points[0].records_per_second, points[0].mib_per_second), (40.0, 40.0));
        assert_eq!(points[2].records_per_second, 40.0, "a last slice that was cut short");
        assert_eq!(points[1].latency_ms, None);
        let latency = points[0].latency_ms.unwrap_or_default();
        assert!((latency[0] - 4.0).abs() < 0.1 && (latency[4] - 8.0).abs() < 0.1, "{latency:?}");
    }

    #[test]
    fn a_long_test_has_longer_slices_and_loses_no_record() {
        let mut timeline = Timeline::new();
        for second in 0..3600 {
            timeline.add(1, ms(1), Duration::from_secs(second));
        }
        let points = timeline.points(Duration::from_secs(3600));
        assert!(points.len() <= SLICES_MOST && points.len() > SLICES_MOST / 2, "{}", points.len());
        assert_eq!(points.iter().map(|point| point.records).sum::<u64>(), 3600);
        assert!(points.iter().all(|point| point.latency_ms.is_some()));
    }
}
