//! Exponential backoff with jitter (KIP-580): how long to wait before trying again.
//!
//! Owns: the arithmetic. Must not know: what is being tried. Randomness comes in as an argument.

use std::time::Duration;

/// `initial * 2^failures`, give or take a fifth, and never above `max`.
///
/// Where `max <= initial` the wait is always `max`, without jitter, as in Java.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExponentialBackoff {
    initial: Duration,
    max: Duration,
}

impl ExponentialBackoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        ExponentialBackoff { initial, max }
    }

    /// The wait after `failures` earlier failures (0 for the first wait).
    pub(crate) fn after(&self, failures: u32, random: &mut fastrand::Rng) -> Duration {
        if self.max <= self.initial {
            return self.max;
        }
        let doublings = 2f64.powi(failures.min(31) as i32);
        let jitter = 1.0 + (random.f64() * 2.0 - 1.0) * JITTER;
        let seconds = self.initial.as_secs_f64() * doublings * jitter;
        Duration::from_secs_f64(seconds.min(self.max.as_secs_f64()))
    }

    /// No wait is longer.
    pub(crate) fn longest(&self) -> Duration {
        self.max
    }
}

const JITTER: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour 38.
    #[test]
    fn doubles_with_jitter_up_to_the_maximum() {
        let backoff = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut random = fastrand::Rng::with_seed(7);
        for (failures, low, high) in
            [(0, 80, 120), (1, 160, 240), (2, 320, 480), (9, 1000, 1000), (90, 1000, 1000)]
        {
            for _ in 0..200 {
                let wait = backoff.after(failures, &mut random).as_millis();
                assert!((low..=high).contains(&wait), "{failures} failures: {wait} ms");
            }
        }
    }

    /// Behaviour 38.
    #[test]
    fn is_constant_where_the_maximum_is_not_above_the_start() {
        let backoff = ExponentialBackoff::new(Duration::from_millis(500), Duration::from_millis(200));
        assert_eq!(backoff.after(3, &mut fastrand::Rng::with_seed(1)), Duration::from_millis(200));
    }
}
