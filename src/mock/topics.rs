//! `MockTopics`: the cluster that a `MockProducer` believes in, and where keyless records go.
//!
//! Owns: the topics, their partitions, the partition that a topic's keyless records keep to. Must not know: records.
//! Holds: every topic exists; one that nobody has named is there from its first use on.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::{Cluster, Node, PartitionState, ReplicaList, Replicas, TopicInfo};
use crate::partitioner::{next_partition, should_switch};
use crate::record::TopicName;
use crate::uuid::Uuid;

pub(super) struct MockTopics {
    cluster: Arc<Cluster>,
    /// How many partitions a topic has that nobody has named.
    pub(super) num_partitions: i32,
    sticky: HashMap<TopicName, Sticky>,
}

/// The partition that keyless records keep to, and how much of its share it has had.
struct Sticky {
    partition: i32,
    bytes: usize,
}

/// The id of the only broker, which leads everything.
const BROKER: i32 = 0;

/// `batch.size` where it is not set: what a partition gets before keyless records go to another.
const BATCH_SIZE: usize = 16384;

impl MockTopics {
    pub(super) fn new() -> MockTopics {
        let node = Node { id: BROKER, host: String::from("mock"), port: 9092, rack: None };
        let nodes = [(BROKER, node)].into_iter().collect();
        let cluster = Cluster { nodes, controller: Some(BROKER), ..Cluster::default() };
        MockTopics { cluster: Arc::new(cluster), num_partitions: 1, sticky: HashMap::new() }
    }

    pub(super) fn add(&mut self, name: TopicName, partition_count: i32) {
        let mut replicas = Replicas::default();
        let partition = |_| {
            let place = replicas.begin();
            replicas.add(place, ReplicaList::All, BROKER);
            replicas.add(place, ReplicaList::InSync, BROKER);
            PartitionState { leader: Some(BROKER), leader_epoch: 0, replicas: place, error: None }
        };
        let partitions = (0..partition_count.max(1)).map(partition).collect();
        let info = TopicInfo::new(name.clone(), Uuid::default(), None, partitions, replicas);
        Arc::make_mut(&mut self.cluster).topics.insert(name, Arc::new(info));
    }

    /// The picture of the cluster, with this topic in it.
    pub(super) fn cluster_with(&mut self, topic: &TopicName) -> Arc<Cluster> {
        if self.cluster.topic(topic).is_none() {
            self.add(topic.clone(), self.num_partitions);
        }
        Arc::clone(&self.cluster)
    }

    /// The partition for a keyless record of this size in bytes (KIP-794).
    pub(super) fn keyless_partition(&mut self, topic: &TopicName, bytes: usize) -> i32 {
        let count = self.cluster.partition_count(topic).unwrap_or(1);
        let choose = || Sticky { partition: next_partition(count, None, fastrand::u32(..)), bytes: 0 };
        let sticky = self.sticky.entry(topic.clone()).or_insert_with(choose);
        if should_switch(sticky.bytes, BATCH_SIZE, true) {
            *sticky = choose();
        }
        sticky.bytes = sticky.bytes.saturating_add(bytes);
        sticky.partition
    }
}
