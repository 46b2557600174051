//! `LinkQuality`: how good the links between client and brokers are.
//!
//! Owns: the chances. Must not know: what travels.

use std::time::Duration;

/// How good the links are, and how punctual the sender's thread is.
#[derive(Debug, Clone)]
pub(super) struct LinkQuality {
    /// One way, in microseconds.
    latency_us: (u64, u64),
    /// How often a write or a read is cut short.
    pieces: f64,
    /// How often a wait ends late, and by how much at most.
    oversleeps: f64,
    oversleep_us: u64,
    /// How often a name does not resolve.
    pub(super) unresolved: f64,
    /// How often an attempt to connect gets no answer at all.
    pub(super) silent: f64,
}

impl LinkQuality {
    /// Nothing goes wrong.
    pub(super) fn calm() -> LinkQuality {
        LinkQuality {
            latency_us: (100, 1_000),
            pieces: 0.0,
            oversleeps: 0.0,
            oversleep_us: 0,
            unresolved: 0.0,
            silent: 0.0,
        }
    }

    /// Anything between a good day and a bad one.
    pub(super) fn random(random: &mut fastrand::Rng) -> LinkQuality {
        let sometimes =
            |random: &mut fastrand::Rng, most: f64| if random.bool() { 0.0 } else { random.f64() * most };
        let slowest = [1_000, 20_000, 200_000][random.usize(..3)];
        LinkQuality {
            latency_us: (50, slowest),
            pieces: sometimes(random, 0.9),
            oversleeps: sometimes(random, 0.5),
            oversleep_us: [1_000, 50_000, 2_000_000][random.usize(..3)],
            unresolved: sometimes(random, 0.2),
            silent: sometimes(random, 0.2),
        }
    }

    pub(super) fn latency(&self, random: &mut fastrand::Rng) -> Duration {
        Duration::from_micros(random.u64(self.latency_us.0..=self.latency_us.1))
    }

    /// How many of these bytes go through at once; at least one.
    pub(super) fn piece(&self, whole: usize, random: &mut fastrand::Rng) -> usize {
        if whole > 1 && random.f64() < self.pieces { random.usize(1..=whole) } else { whole }
    }

    pub(super) fn oversleep(&self, random: &mut fastrand::Rng) -> Duration {
        if self.oversleep_us > 0 && random.f64() < self.oversleeps {
            Duration::from_micros(random.u64(1..=self.oversleep_us))
        } else {
            Duration::ZERO
        }
    }

    /// How much later than it should something may happen at one turn.
    pub(super) fn slack(&self) -> Duration {
        Duration::from_micros(self.oversleep_us)
    }
}
