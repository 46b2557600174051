//! What `send` needs to know of a topic, found by one look-up.
//!
//! Owns: the queues of a topic's partitions, and which partition keyless records go to at the moment. Must not know:
//! brokers, how the metadata was fetched.
//! Holds: a `TopicQueues` never changes; a newer one takes its place and keeps queues and sticky partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::accumulator::queue::PartitionQueue;
use crate::accumulator::sticky::Sticky;
use crate::partitioner::{LoadTable, next_partition};
use crate::record::TopicName;

/// A topic's partitions as `send` sees them.
pub(crate) struct TopicQueues {
    pub(crate) name: TopicName,
    pub(crate) queues: Vec<Arc<PartitionQueue>>,
    /// Partitions that have a leader.
    available: Vec<i32>,
    /// Whether records may be sent; false for a topic that is not there (any more) or was forgotten.
    pub(super) usable: bool,
    usage: Arc<Usage>,
}

/// What outlives a change of the topic's metadata.
#[derive(Default)]
struct Usage {
    sticky: Sticky,
    /// A record was sent to the topic since somebody last asked.
    used: AtomicBool,
}

impl TopicQueues {
    /// The picture that follows `older`; its queues are kept by number.
    pub(super) fn new(
        name: TopicName,
        queues: Vec<Arc<PartitionQueue>>,
        available: Vec<i32>,
        older: Option<&TopicQueues>,
    ) -> TopicQueues {
        let usage = older.map_or_else(Arc::default, |older| Arc::clone(&older.usage));
        TopicQueues { name, queues, available, usable: true, usage }
    }

    /// The same, but closed to records. The queues stay, for what is still in them.
    pub(super) fn unusable(&self) -> TopicQueues {
        let (name, queues, usage) = (self.name.clone(), self.queues.clone(), Arc::clone(&self.usage));
        TopicQueues { name, queues, available: Vec::new(), usable: false, usage }
    }

    #[inline]
    pub(crate) fn partition_count(&self) -> usize {
        self.queues.len()
    }

    #[inline]
    pub(crate) fn queue(&self, partition: i32) -> Option<&Arc<PartitionQueue>> {
        self.queues.get(usize::try_from(partition).ok()?)
    }

    pub(crate) fn available(&self) -> &[i32] {
        &self.available
    }

    #[inline]
    pub(crate) fn sticky(&self) -> &Sticky {
        &self.usage.sticky
    }

    /// Renews the topic's `metadata.max.idle.ms`.
    #[inline]
    pub(crate) fn touch(&self) {
        if !self.usage.used.load(Ordering::Relaxed) {
            self.usage.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the topic was used since the last time this was asked.
    pub(crate) fn take_used(&self) -> bool {
        self.usage.used.swap(false, Ordering::Relaxed)
    }

    /// The partition for keyless records; chosen anew when the last one has had its share. With `adaptive`, partitions
    /// with shorter queues are preferred (KIP-794).
    #[inline]
    pub(crate) fn sticky_partition(&self, adaptive: bool) -> i32 {
        let current = self.usage.sticky.current();
        if usize::try_from(current).is_ok_and(|partition| partition < self.queues.len()) {
            return current;
        }
        let load = if adaptive { self.load() } else { None };
        let chosen = next_partition(self.queues.len(), &self.available, load.as_ref(), fastrand::u32(..));
        self.usage.sticky.choose(current, chosen)
    }

    fn load(&self) -> Option<LoadTable> {
        let depths: Vec<u32> = self
            .available
            .iter()
            .map(|partition| self.queue(*partition).map_or(0, |queue| queue.depth()))
            .collect();
        LoadTable::new(&depths, &self.available)
    }
}
