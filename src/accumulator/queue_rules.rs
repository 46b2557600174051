//! `QueueRules`, `DrainRules`: the settings that decide how large batches are, when they are full, and when they go.
//!
//! Owns: the sizes of buffers. Must not know: queues, batches.

use std::time::Duration;

use crate::completion::ProducerToken;
use crate::config::Settings;
use crate::record_batch::Codec;

/// What all queues of a producer have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueRules {
    pub(crate) producer: ProducerToken,
    /// `batch.size`.
    pub(crate) batch_size: usize,
    /// Where a partition's first batch begins; it grows by doubling, up to `batch.size`.
    pub(crate) first_capacity: usize,
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
            first_capacity: batch_size.min(FIRST_CAPACITY),
            linger: settings.linger,
            codec: Codec::from(settings),
            most_raw: batch_size.saturating_mul(16).min(settings.buffer_memory_bytes / 8).max(batch_size),
        }
    }

    /// The size of buffer in which these bytes fit: the first capacity doubled as often as needed, at most `limit`, or
    /// just what a larger record needs. `expected` bytes make it larger, but never larger than that.
    pub(super) fn capacity_for(&self, needed: usize, expected: usize, limit: usize) -> usize {
        let mut capacity = self.first_capacity.min(limit);
        while capacity < needed.max(expected) && capacity < limit {
            capacity = (capacity * 2).min(limit);
        }
        capacity.max(needed)
    }
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

/// Where a partition's first batch begins: Java's `batch.size`. Memory is taken in steps, so that a large `batch.size`
/// and many partitions do not use up `buffer.memory` with batches that are nearly empty.
const FIRST_CAPACITY: usize = 16 * 1024;

#[cfg(test)]
impl QueueRules {
    /// For tests: no compression, and batches that begin with this number of bytes.
    pub(crate) fn plain(batch_size: usize, first_capacity: usize, linger: Duration) -> QueueRules {
        let (producer, codec) = (ProducerToken(1), Codec::None);
        QueueRules { producer, batch_size, first_capacity, linger, codec, most_raw: batch_size }
    }
}
