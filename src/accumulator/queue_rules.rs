//! `QueueRules`: the settings that decide how large batches are and when they are full.
//!
//! Owns: the sizes of buffers. Must not know: queues, batches.

use std::time::Duration;

use crate::completion::ProducerToken;
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
    /// How much a batch may hold before compression.
    pub(crate) most_raw: usize,
}

impl QueueRules {
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

#[cfg(test)]
impl QueueRules {
    /// For tests: no compression, and batches that begin with this number of bytes.
    pub(crate) fn plain(batch_size: usize, first_capacity: usize, linger: Duration) -> QueueRules {
        let (producer, codec) = (ProducerToken(1), Codec::None);
        QueueRules { producer, batch_size, first_capacity, linger, codec, most_raw: batch_size }
    }
}
