//! When a credential that ends is fetched anew: `sasl.login.refresh.*`.
//!
//! Owns: the arithmetic. Must not know: what ends, who fetches it. Time and randomness come in as arguments.
//! Source: Java's `ExpiringCredentialRefreshingLogin.refreshMs`.

use std::time::{Duration, SystemTime};

/// From when to when a credential is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// None: from when it was fetched.
    pub(crate) starts: Option<SystemTime>,
    /// None: until it is refused.
    pub(crate) ends: Option<SystemTime>,
}

/// `sasl.login.refresh.*`
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefreshRules {
    /// The share of its life after which a credential is fetched anew.
    pub(crate) window_factor: f64,
    /// How much of a share at most is added to that by chance.
    pub(crate) window_jitter: f64,
    /// Not sooner after the last one than this.
    pub(crate) min_period: Duration,
    /// Not later before the end than this.
    pub(crate) buffer: Duration,
}

impl RefreshRules {
    /// When to fetch anew what was fetched now; `chance` is in 0..1. Where the periods do not fit into the life, they do
    /// not count.
    pub(crate) fn refresh_at(&self, lifetime: Lifetime, now: SystemTime, chance: f64) -> Option<SystemTime> {
        let ends = lifetime.ends?;
        let Ok(left) = ends.duration_since(now) else { return Some(now + AGAIN_AFTER_FAILURE) };
        let share = (self.window_factor + self.window_jitter * chance).clamp(0.0, 1.0);
        if self.min_period + self.buffer > left {
            return Some(now + left.mul_f64(share));
        }
        let starts = lifetime.starts.unwrap_or(now);
        let life = ends.duration_since(starts).unwrap_or_default();
        let proposed = starts + life.mul_f64(share);
        Some(proposed.max(now + self.min_period).min(ends - self.buffer))
    }
}

/// After a refresh that failed, the next one comes this much later.
pub(crate) const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RefreshRules = RefreshRules {
        window_factor: 0.8,
        window_jitter: 0.05,
        min_period: Duration::from_secs(60),
        buffer: Duration::from_secs(300),
    };

    /// Seconds since the epoch.
    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn life(starts: Option<u64>, ends: u64) -> Lifetime {
        Lifetime { starts: starts.map(at), ends: Some(at(ends)) }
    }

    fn refreshed(lifetime: Lifetime, now: u64, chance: f64) -> f64 {
        let at = RULES.refresh_at(lifetime, at(now), chance).unwrap();
        at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
    }

    #[test]
    fn at_a_share_of_its_life_and_some_by_chance() {
        assert_eq!(refreshed(life(None, 11_000), 1000, 0.0), 9000.0);
        assert_eq!(refreshed(life(None, 11_000), 1000, 1.0), 9500.0);
        assert_eq!(refreshed(life(Some(0), 11_000), 1000, 0.0), 8800.0, "life began before it was fetched");
    }

    #[test]
    fn not_within_the_buffer_before_its_end_and_not_within_the_shortest_period() {
        assert_eq!(refreshed(life(None, 1000), 0, 0.0), 700.0, "80 % would be 800, and 300 have to be left");
        assert_eq!(refreshed(life(Some(0), 10_000), 9000, 0.0), 9060.0, "80 % was 8000, which is over");
    }

    #[test]
    fn where_both_do_not_fit_only_the_share_counts() {
        assert_eq!(refreshed(life(None, 300), 0, 0.0), 240.0);
        assert_eq!(refreshed(life(Some(0), 1300), 1000, 0.0), 1240.0, "of what is left");
    }

    #[test]
    fn what_is_over_already_is_asked_for_again_after_a_while_and_what_never_ends_is_not() {
        assert_eq!(refreshed(life(None, 100), 200, 0.0), 210.0);
        assert_eq!(RULES.refresh_at(Lifetime::default(), at(0), 0.5), None);
    }

    #[test]
    fn odd_lives_make_no_trouble() {
        assert_eq!(refreshed(life(Some(2000), 1000), 0, 0.0), 700.0, "it begins after its end");
        assert_eq!(refreshed(life(None, 0), 0, 0.0), 0.0);
    }
}
