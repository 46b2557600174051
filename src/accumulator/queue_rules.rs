//! `QueueRules`, `DrainRules`: the settings that decide how large batches are, when they are full, and when they go; and
//! `TopicSizes`: how large the next batch of a topic may become, by what the last ones shrank to and what brokers refused.
//!
//! Owns: the sizes of buffers, what a topic's queues have in common. Must not know: queues, batches, codecs, which limit it
//! was that a batch exceeded.
//! Threads: `refused` on the sender thread, the rest on any; to be late by one batch does no harm.
//! Holds: what was refused is soon tried again, in case the limit has been raised: the bound doubles once a minute.

use std::time::{Duration, Instant};

use crate::completion::ProducerToken;
use crate::config::Settings;
use crate::record_batch::{Codec, CompressionRatio};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What all queues of a producer have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueRules {
    pub(crate) producer: ProducerToken,
    /// `batch.size`.
    pub(crate) batch_size: usize,
    /// What the smallest batch begins with; it grows by doubling, up to `batch.size`.
    pub(crate) least_capacity: usize,
    /// What all partitions' first batches together may begin with, before each of them has shown what it gets.
    pub(crate) first_share: usize,
    pub(crate) linger: Duration,
    pub(crate) codec: Codec,
    /// How much a batch may hold before compression. Records are kept uncompressed until their batch is sealed: however
    /// well they shrink, one batch must not fill the memory, nor be much to read for a broker that has to look into it.
    pub(crate) most_raw: usize,
}

impl QueueRules {
    pub(crate) fn new(settings: &Settings, producer: ProducerToken) -> QueueRules {
        let batch_size = settings.batch_size_bytes;
        QueueRules {
            producer,
            batch_size,
            least_capacity: batch_size.min(LEAST_CAPACITY),
            first_share: settings.buffer_memory_bytes / 16,
            linger: settings.linger,
            codec: Codec::from(settings),
            most_raw: batch_size.saturating_mul(16).min(settings.buffer_memory_bytes / 8).max(batch_size),
        }
    }

    /// How large a partition's first batch is expected to become; `before`: how many partitions had records before. The more
    /// there are, the less each of them gets, and the more of them would hold memory that nothing fills.
    pub(super) fn first_size(&self, before: usize) -> usize {
        let share = self.first_share / before.saturating_add(1);
        share.clamp(self.least_capacity, self.least_capacity.max(FIRST_CAPACITY))
    }

    /// The size of buffer in which these bytes fit: the least capacity doubled as often as needed, at most `limit`, or
    /// just what a larger record needs. `expected` bytes make it larger, but never larger than that.
    pub(super) fn capacity_for(&self, needed: usize, expected: usize, limit: usize) -> usize {
        let mut capacity = self.least_capacity.min(limit);
        while capacity < needed.max(expected) && capacity < limit {
            capacity = (capacity * 2).min(limit);
        }
        capacity.max(needed)
    }
}

/// How large a partition's next batch is expected to become, where the last one came to `last` bytes: as large as that, or
/// half of what was `expected` of it, since one small batch says little.
pub(super) fn next_size(expected: usize, last: usize) -> usize {
    last.max(expected / 2)
}

/// The settings that decide when a batch goes and when it is too late.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrainRules {
    pub(crate) linger: Duration,
    pub(crate) delivery_timeout: Duration,
    /// `max.in.flight.requests.per.connection=1`: a partition has one batch on its way at a time.
    pub(crate) mute: bool,
}

impl From<&Settings> for DrainRules {
    fn from(settings: &Settings) -> DrainRules {
        DrainRules {
            linger: settings.linger,
            delivery_timeout: settings.delivery_timeout,
            mute: settings.max_in_flight_requests_per_connection == 1,
        }
    }
}

/// Where a partition's first batch begins at most: Java's `batch.size`. Memory is taken in steps, so that a large
/// `batch.size` and many partitions do not use up `buffer.memory` with batches that are nearly empty.
const FIRST_CAPACITY: usize = 16 * 1024;

/// Where a batch of a partition begins that gets a record now and then.
const LEAST_CAPACITY: usize = 512;

/// Kafka's own producer learns no bound: it makes batches of `batch.size`, and splits each of them.
pub(crate) struct TopicSizes {
    /// What compression makes of the topic's records.
    pub(crate) ratio: CompressionRatio,
    /// So large, in bytes as they are sent, might batches be when one was last refused.
    bound: AtomicUsize,
    /// When that was, in milliseconds since `origin`.
    bound_since: AtomicU64,
    origin: Instant,
}

/// Nothing was refused.
const UNBOUNDED: usize = usize::MAX;

/// After this time without a refusal twice as much is tried.
const QUIET: Duration = Duration::from_secs(60);

impl TopicSizes {
    pub(crate) fn new(origin: Instant) -> TopicSizes {
        let (bound, bound_since) = (AtomicUsize::new(UNBOUNDED), AtomicU64::new(0));
        TopicSizes { ratio: CompressionRatio::default(), bound, bound_since, origin }
    }

    /// How many bytes a batch may have as it is sent, at most. A record that is larger is tried alone.
    pub(crate) fn bound(&self, clock: impl FnOnce() -> Instant) -> usize {
        let bound = self.bound.load(Ordering::Acquire);
        if bound == UNBOUNDED {
            return bound;
        }
        let since = Duration::from_millis(self.bound_since.load(Ordering::Relaxed));
        let quiet = clock().saturating_duration_since(self.origin).saturating_sub(since);
        let doublings = u32::try_from(quiet.as_secs() / QUIET.as_secs()).unwrap_or(u32::MAX);
        bound.saturating_mul(2_usize.saturating_pow(doublings))
    }

    /// A broker has found a batch of this size, with several records, too large. One that exceeds the bound teaches
    /// nothing: it is from before that, or compression has done less than was expected.
    pub(crate) fn refused(&self, size: usize, now: Instant) {
        if size > self.bound(|| now) {
            return;
        }
        let since = now.saturating_duration_since(self.origin).as_millis();
        self.bound_since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.bound.store((size / 2).max(1), Ordering::Release);
    }
}

#[cfg(test)]
impl QueueRules {
    /// For tests: no compression, and batches that begin with this number of bytes.
    pub(crate) fn plain(batch_size: usize, least_capacity: usize, linger: Duration) -> QueueRules {
        let (producer, codec) = (ProducerToken(1), Codec::None);
        QueueRules {
            producer,
            batch_size,
            least_capacity,
            first_share: 0,
            linger,
            codec,
            most_raw: batch_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_first_batch_begins_smaller_the_more_partitions_there_are() {
        let rules = QueueRules { first_share: 4 << 20, ..QueueRules::plain(1 << 20, 512, Duration::ZERO) };
        let first = |before| rules.capacity_for(200, rules.first_size(before), rules.batch_size);
        assert_eq!([0, 255, 256, 1023, 9999].map(first), [16 << 10, 16 << 10, 16 << 10, 4 << 10, 512]);
        let all: usize = (0..10_000).map(first).sum();
        assert!(all < 32 << 20, "{all} bytes for ten thousand partitions");
        assert_eq!(
            rules.capacity_for(5000, rules.first_size(9999), rules.batch_size),
            8 << 10,
            "it has to fit"
        );
        let sizes: Vec<usize> =
            std::iter::successors(Some(16_000), |size| Some(next_size(*size, 300))).take(8).collect();
        assert_eq!(sizes, [16_000, 8000, 4000, 2000, 1000, 500, 300, 300]);
        assert_eq!(next_size(300, 9000), 9000);
    }

    /// Fault C18.
    /// Behaviour 56.
    #[test]
    fn a_refusal_halves_the_bound_and_each_quiet_minute_doubles_it() {
        let origin = Instant::now();
        let sizes = TopicSizes::new(origin);
        let at = |seconds| origin + Duration::from_secs(seconds);
        let bound = |seconds| sizes.bound(|| at(seconds));
        assert_eq!(bound(0), UNBOUNDED);
        sizes.refused(16_000, at(10));
        assert_eq!(
            [bound(0), bound(10), bound(69), bound(70), bound(190)],
            [8000, 8000, 8000, 16_000, 64_000]
        );
        sizes.refused(15_000, at(20));
        assert_eq!(bound(20), 8000, "it was on its way already");
        sizes.refused(8000, at(20));
        assert_eq!([bound(20), bound(79), bound(80)], [4000, 4000, 8000]);
        sizes.refused(7900, at(85));
        assert_eq!([bound(85), bound(144), bound(145)], [3950, 3950, 7900], "tried again in vain");
        sizes.refused(1, at(85));
        assert_eq!([bound(85), bound(1_000_000_000)], [1, UNBOUNDED]);
    }
}
