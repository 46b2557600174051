//! `StickyPartition`: the partition that a topic's keyless records keep to at the moment.
//!
//! Owns: its number. Must not know: how one is chosen, when it has had its share.
//! Threads: any; the first of several that choose at once wins.

use std::sync::atomic::{AtomicI32, Ordering};

/// The partition that keyless records keep to.
pub(crate) struct StickyPartition(AtomicI32);

impl Default for StickyPartition {
    fn default() -> Self {
        StickyPartition(AtomicI32::new(-1))
    }
}

impl StickyPartition {
    #[inline]
    pub(crate) fn is(&self, partition: i32) -> bool {
        self.current() == partition
    }

    /// The partition has had its share: the next record chooses.
    pub(crate) fn leave(&self) {
        self.0.store(-1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn current(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes `chosen` the partition unless another thread was faster; returns the one that holds.
    pub(super) fn choose(&self, seen: i32, chosen: i32) -> i32 {
        match self.0.compare_exchange(seen, chosen, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => chosen,
            Err(other) if other >= 0 => other,
            Err(_) => chosen,
        }
    }
}
