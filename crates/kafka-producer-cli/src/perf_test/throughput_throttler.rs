//! Keeping to a number of records per second.
//!
//! Owns: when to sleep, and for how long. Must not know: who sleeps, and how it is woken.
//! Holds: time comes in as an argument.
//! Source: `org.apache.kafka.server.util.ThroughputThrottler`.

use std::time::Duration;

/// One thread's throttle.
pub(super) struct ThroughputThrottler {
    /// Records per second; nothing is held back where it is negative, and everything after the first record where it is 0.
    target: f64,
    /// Sleep that is owed: less than the system can sleep exactly is saved up.
    deficit: Duration,
}

/// What follows for the thread that sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ThrottlePause {
    None,
    For(Duration),
    /// Until the test is ended from outside.
    ForEver,
}

impl ThroughputThrottler {
    pub(super) fn new(target: f64) -> ThroughputThrottler {
        ThroughputThrottler { target, deficit: Duration::ZERO }
    }

    /// What follows once `sent` records were sent before the latest, which began `elapsed` after the first.
    pub(super) fn pause(&mut self, sent: u64, elapsed: Duration) -> ThrottlePause {
        let seconds = elapsed.as_secs_f64();
        if self.target < 0.0 || seconds <= 0.0 || sent as f64 / seconds <= self.target {
            return ThrottlePause::None;
        }
        if self.target == 0.0 {
            return ThrottlePause::ForEver;
        }
        let share = Duration::try_from_secs_f64(1.0 / self.target).unwrap_or(Duration::MAX);
        self.deficit = self.deficit.saturating_add(share);
        if self.deficit < SHORTEST_SLEEP {
            return ThrottlePause::None;
        }
        ThrottlePause::For(std::mem::take(&mut self.deficit))
    }
}

const SHORTEST_SLEEP: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_target_holds_nothing_back() {
        let mut throttler = ThroughputThrottler::new(-1.0);
        assert_eq!(throttler.pause(1_000_000, Duration::from_millis(1)), ThrottlePause::None);
    }

    #[test]
    fn a_target_of_nothing_ends_after_the_first_record() {
        let mut throttler = ThroughputThrottler::new(0.0);
        assert_eq!(throttler.pause(0, Duration::ZERO), ThrottlePause::None);
        assert_eq!(throttler.pause(1, Duration::from_millis(1)), ThrottlePause::ForEver);
    }

    #[test]
    fn short_sleeps_are_saved_up_until_they_are_worth_it() {
        let mut throttler = ThroughputThrottler::new(1000.0);
        assert_eq!(throttler.pause(10, Duration::from_millis(1)), ThrottlePause::None);
        assert_eq!(
            throttler.pause(11, Duration::from_millis(1)),
            ThrottlePause::For(Duration::from_millis(2))
        );
        assert_eq!(throttler.pause(12, Duration::from_millis(12)), ThrottlePause::None);
    }

    /// `testFractionalThroughput` reads this target; so much time it means.
    #[test]
    fn a_target_may_be_a_fraction() {
        let mut throttler = ThroughputThrottler::new(1.25);
        assert_eq!(
            throttler.pause(1, Duration::from_millis(1)),
            ThrottlePause::For(Duration::from_millis(800))
        );
    }

    #[test]
    fn a_run_of_ten_seconds_comes_to_the_target() {
        for target in [7.0, 250.0, 3000.0, 40_000.0] {
            let (mut throttler, mut now, mut sent) =
                (ThroughputThrottler::new(target), Duration::ZERO, 0_u64);
            while now < Duration::from_secs(10) {
                sent += 1;
                now += Duration::from_micros(5);
                if let ThrottlePause::For(time) = throttler.pause(sent, now) {
                    now += time;
                }
            }
            let rate = sent as f64 / now.as_secs_f64();
            assert!((rate / target - 1.0).abs() < 0.03, "{rate} for {target}");
        }
    }
}
