//! `RoundRobinPartitioner`: one partition after the other, record by record, whatever the key.
//!
//! Owns: a counter per topic.
//! Threads: any. Locks: the map of counters, for reading; for writing only at a topic's first record.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use super::{PartitionRequest, Partitioner, PartitionerError};
use crate::cluster::Cluster;

/// Sends each record to the next partition that has a leader, or to the next of all if none has one. Keys do not matter.
/// Java: `RoundRobinPartitioner`; as there, all threads share one count for each topic.
///
/// It makes many small batches; the built-in rules spread records as evenly at a lower cost. Fails for a topic of
/// which no partitions are known. Never blocks.
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    counters: RwLock<HashMap<Box<str>, AtomicU32>>,
}

impl RoundRobinPartitioner {
    /// Begins with the first partition of each topic.
    pub fn new() -> Self {
        Self::default()
    }

    fn next(&self, topic: &str) -> u32 {
        let known = self.counters.read().get(topic).map(|counter| counter.fetch_add(1, Ordering::Relaxed));
        let next = known.unwrap_or_else(|| {
            let mut counters = self.counters.write();
            counters.entry(topic.into()).or_default().fetch_add(1, Ordering::Relaxed)
        });
        next & 0x7fff_ffff // Java's counter is an int and its sign is masked
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, record: &PartitionRequest<'_>, cluster: &Cluster) -> Result<i32, PartitionerError> {
        let topic = record.topic();
        let partitions = cluster.topic(topic).map_or(&[][..], |topic| topic.partitions());
        let with_leader = partitions.iter().filter(|partition| partition.leader().is_some());
        let available = with_leader.clone().count();
        let next = self.next(topic) as usize;
        let chosen = match next.checked_rem(available) {
            Some(place) => with_leader.clone().nth(place),
            None => next.checked_rem(partitions.len()).and_then(|place| partitions.get(place)),
        };
        match chosen {
            Some(partition) => Ok(partition.partition()),
            None => Err(format!("topic {topic} has no partitions that are known").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(partitioner: &RoundRobinPartitioner, topic: &str, times: usize, cluster: &Cluster) -> Vec<i32> {
        let request = PartitionRequest::new(topic, Some(b"always the same"), None);
        (0..times).map(|_| partitioner.partition(&request, cluster).unwrap()).collect()
    }

    /// Behaviour 31.
    #[test]
    fn goes_through_those_with_a_leader_each_topic_for_itself() {
        let leader = Some(1);
        let cluster = Cluster::led(&[("a", &[leader, None, leader, leader]), ("b", &[leader, leader])]);
        let partitioner = RoundRobinPartitioner::new();
        assert_eq!(go(&partitioner, "a", 4, &cluster), [0, 2, 3, 0]);
        assert_eq!(go(&partitioner, "b", 3, &cluster), [0, 1, 0]);
        assert_eq!(go(&partitioner, "a", 3, &cluster), [2, 3, 0]);
    }

    #[test]
    fn goes_through_all_where_none_has_a_leader_and_fails_where_there_are_none() {
        let cluster = Cluster::led(&[("a", &[None, None, None]), ("b", &[])]);
        let partitioner = RoundRobinPartitioner::new();
        assert_eq!(go(&partitioner, "a", 4, &cluster), [0, 1, 2, 0]);
        for topic in ["b", "not there"] {
            let error = partitioner.partition(&PartitionRequest::new(topic, None, None), &cluster);
            assert!(error.unwrap_err().to_string().contains(topic));
        }
    }

    #[test]
    fn the_counter_goes_round_as_javas_masked_int() {
        let partitioner = RoundRobinPartitioner::new();
        partitioner.counters.write().insert("a".into(), AtomicU32::new(0x7fff_fffe));
        assert_eq!([0; 4].map(|_| partitioner.next("a")), [0x7fff_fffe, 0x7fff_ffff, 0, 1]);
    }

    #[test]
    fn threads_share_the_count() {
        let cluster = Cluster::led(&[("a", &[Some(1); 8])]);
        let partitioner = RoundRobinPartitioner::new();
        let mut all: Vec<i32> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| go(&partitioner, "a", 200, &cluster))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert!(all.chunks(100).zip(0..8).all(|(chunk, partition)| chunk.iter().all(|p| *p == partition)));
    }
}
