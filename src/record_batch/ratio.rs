//! `CompressionRatio`: how small the codec makes a topic's records, learnt from one batch to the next.
//!
//! Owns: the estimate, and how large a batch may grow by it. Must not know: batches, codecs.
//! Threads: any; to be late by one batch does no harm.
//! Source: Kafka's `CompressionRatioEstimator`, `MemoryRecordsBuilder`. There it is one for each topic and codec in the
//! process, here one for each topic of a producer, which has one codec.

use std::sync::atomic::{AtomicU32, Ordering};

/// An estimate between 0 and a little over 1. Begins at 1: nothing is known.
pub(crate) struct CompressionRatio(AtomicU32);

impl Default for CompressionRatio {
    fn default() -> Self {
        CompressionRatio(AtomicU32::new(1f32.to_bits()))
    }
}

impl CompressionRatio {
    pub(crate) fn estimate(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Learns from a batch: quickly to expect less, slowly to expect more.
    pub(crate) fn observe(&self, ratio: f32) {
        let estimate = self.estimate();
        let next = if ratio > estimate {
            ratio.max(estimate + DETERIORATING_STEP)
        } else {
            ratio.max(estimate - IMPROVING_STEP)
        };
        self.0.store(next.to_bits(), Ordering::Relaxed);
    }

    /// A batch was too large for the broker: begins anew, with what it came to if that was even more.
    pub(crate) fn reset(&self, ratio: f32) {
        self.0.store(ratio.max(1.0).to_bits(), Ordering::Relaxed);
    }

    /// How many bytes of records may go into a batch that is to have `size` when it is compressed, at most `most`.
    pub(crate) fn room_for(&self, size: usize, most: usize) -> usize {
        let room = size as f32 / (self.estimate() * SAFETY_FACTOR);
        (room as usize).min(most).max(1)
    }
}

const IMPROVING_STEP: f32 = 0.005;
const DETERIORATING_STEP: f32 = 0.05;

/// How much worse a batch may be than expected.
const SAFETY_FACTOR: f32 = 1.05;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ratio: &CompressionRatio, expected: f32) -> bool {
        (ratio.estimate() - expected).abs() < 1e-5
    }

    /// Behaviour 55.
    #[test]
    fn learns_slowly_that_batches_shrink_and_quickly_that_they_do_not() {
        let ratio = CompressionRatio::default();
        assert!(near(&ratio, 1.0));
        ratio.observe(0.2);
        assert!(near(&ratio, 0.995));
        (0..200).for_each(|_| ratio.observe(0.2));
        assert!(near(&ratio, 0.2), "and no lower");
        ratio.observe(0.21);
        assert!(near(&ratio, 0.25));
        ratio.observe(0.9);
        assert!(near(&ratio, 0.9));
        ratio.reset(0.3);
        assert!(near(&ratio, 1.0));
        ratio.reset(1.2);
        assert!(near(&ratio, 1.2));
    }

    /// Behaviour 55.
    #[test]
    fn a_batch_takes_what_will_fit_when_it_is_compressed() {
        let ratio = CompressionRatio::default();
        assert_eq!(ratio.room_for(1050, 100_000), 1000);
        (0..200).for_each(|_| ratio.observe(0.1));
        assert_eq!(ratio.room_for(1050, 100_000), 10_000);
        assert_eq!(ratio.room_for(1050, 2000), 2000);
        assert_eq!(ratio.room_for(0, 2000), 1);
    }
}
