//! The time of day for record timestamps.
//!
//! Owns: the choice of clock. It is the fine one, which a program reads as well: a record must not be older than the
//! `send` that brings it. The coarse one would cost 4 ns instead of about 25, and is behind by up to a tick (4 ms). Clocks
//! made of the processor's counter are no cheaper by much, and go their own way when the system's clock is set.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
#[inline]
pub(super) fn now_ms() -> i64 {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    if let Some(simulated) = crate::stage::wall_ms() {
        return simulated;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64 * 1000 + i64::from(since.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault C15.
    #[test]
    fn is_never_behind_the_fine_clock() {
        for _ in 0..100_000 {
            let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            assert!(now_ms() >= before);
        }
    }
}
