//! How long records took, for percentiles.
//!
//! Owns: the histogram and its bounds. Must not know: what is timed.
//! Holds: adding a latency costs a few nanoseconds; the memory does not depend on how many there are.

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};

/// Latencies, up to an hour; what took longer counts as an hour. Of no memory before the first one.
pub(super) struct LatencyHistogram<C: Counter> {
    /// Significant figures that are kept.
    digits: u8,
    /// Microseconds.
    latencies: Option<Histogram<C>>,
    longest_us: u64,
}

impl<C: Counter> LatencyHistogram<C> {
    pub(super) fn new(digits: u8) -> LatencyHistogram<C> {
        LatencyHistogram { digits, latencies: None, longest_us: 0 }
    }

    pub(super) fn add(&mut self, latency_us: u64) {
        self.longest_us = self.longest_us.max(latency_us);
        if self.latencies.is_none() {
            self.latencies = Histogram::new_with_bounds(1, LONGEST_US, self.digits).ok();
        }
        if let Some(latencies) = &mut self.latencies {
            latencies.saturating_record(latency_us);
        }
    }

    /// Takes over what the other has, which was made with as many digits.
    pub(super) fn add_all(&mut self, other: LatencyHistogram<C>) {
        self.longest_us = self.longest_us.max(other.longest_us);
        match (&mut self.latencies, other.latencies) {
            (Some(own), Some(others)) => {
                // Of the same bounds: all of it has room.
                let _ = own.add(others);
            }
            (own, others) => *own = own.take().or(others),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.latencies.is_none()
    }

    /// So many per cent took no longer than this, to the digits that are kept; the longest one is exact. 0 if there are none.
    pub(super) fn percentile_ms(&self, percentile: f64) -> f64 {
        let micros = match &self.latencies {
            Some(latencies) if percentile < 100.0 => {
                let found = latencies.value_at_percentile(percentile);
                latencies.median_equivalent(found).min(self.longest_us)
            }
            _ => self.longest_us,
        };
        micros as f64 / 1000.0
    }
}

pub(super) fn in_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

const LONGEST_US: u64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::LatencyHistogram;

    #[test]
    fn percentiles_are_exact_to_the_digits_that_are_kept() {
        let mut latencies = LatencyHistogram::<u64>::new(3);
        assert_eq!((latencies.is_empty(), latencies.percentile_ms(50.0)), (true, 0.0));
        for micros in 1..=100_000 {
            latencies.add(micros);
        }
        assert!(!latencies.is_empty());
        for percentile in [50.0, 95.0, 99.0, 99.9] {
            let found = latencies.percentile_ms(percentile);
            assert!((found / percentile - 1.0).abs() < 0.001, "{found} for {percentile}");
        }
        assert_eq!(latencies.percentile_ms(100.0), 100.0);
    }

    #[test]
    fn two_become_one() {
        let of = |latencies: &[u64]| {
            let mut histogram = LatencyHistogram::<u32>::new(2);
            latencies.iter().for_each(|latency| histogram.add(*latency));
            histogram
        };
        let mut none = of(&[]);
        none.add_all(of(&[]));
        assert!(none.is_empty());
        none.add_all(of(&[5000]));
        none.add_all(of(&[]));
        none.add_all(of(&[1000, 9000]));
        assert_eq!([50.0, 100.0].map(|percentile| none.percentile_ms(percentile)), [5.008, 9.0]);
    }
}
