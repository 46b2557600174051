//! `Cluster`: an immutable picture of brokers, topics and leaders, replaced whole when a newer one arrives.
//!
//! Owns: the picture. Must not know: how it is fetched, who waits for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use crate::escape::Escaped;
use crate::record::TopicName;
use crate::uuid::Uuid;

/// What is known of a Kafka cluster: brokers, and of the topics in use their partitions and leaders.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub(crate) cluster_id: Option<String>,
    pub(crate) nodes: HashMap<i32, Node, foldhash::fast::FixedState>,
    pub(crate) controller: Option<i32>,
    pub(crate) topics: HashMap<TopicName, Arc<TopicInfo>, foldhash::fast::FixedState>,
}

impl Cluster {
    /// The cluster's id, once a broker has said it.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The brokers, in no particular order. Before any of them has told of the others, and when none of them could be
    /// used, these are the bootstrap servers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// No broker has told of the cluster yet: all nodes are servers to begin with.
    pub(crate) fn is_bootstrap(&self) -> bool {
        self.nodes.keys().all(|id| *id < 0)
    }

    /// The broker with this id.
    pub fn node(&self, id: i32) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The controller, as the brokers say (with KRaft any live broker).
    pub fn controller(&self) -> Option<&Node> {
        self.controller.and_then(|id| self.node(id))
    }

    /// What is known of a topic. A topic that does not exist is here with its [`error`](TopicInfo::error).
    pub fn topic(&self, name: &str) -> Option<&TopicInfo> {
        self.topics.get(name).map(|topic| &**topic)
    }

    /// How many partitions the topic has; none where it is not known.
    pub fn partition_count(&self, topic: &str) -> Option<usize> {
        self.topic(topic).map(|topic| topic.partitions.len()).filter(|count| *count > 0)
    }
}

/// A broker: its id and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) rack: Option<String>,
}

impl Node {
    /// The broker's id. Bootstrap servers, whose id is not known yet, have negative ones.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The broker's rack, if it has one.
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }
}

/// `host:port (id 3)`; IPv6 addresses in brackets.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Escaped(&self.host);
        if self.host.contains(':') {
            write!(f, "[{host}]:{}", self.port)?;
        } else {
            write!(f, "{host}:{}", self.port)?;
        }
        if self.id >= 0 { write!(f, " (id {})", self.id) } else { Ok(()) }
    }
}

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    pub(crate) name: TopicName,
    pub(crate) id: Uuid,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) partitions: Vec<PartitionInfo>,
}

impl TopicInfo {
    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic's id (KIP-516), where the broker tells it.
    pub fn id(&self) -> Option<Uuid> {
        (!self.id.is_zero()).then_some(self.id)
    }

    /// Why the topic cannot be used, if it cannot.
    pub fn error(&self) -> Option<ErrorCode> {
        self.error
    }

    /// The partitions, the one with index `i` at place `i`.
    pub fn partitions(&self) -> &[PartitionInfo] {
        &self.partitions
    }
}

/// A partition: who leads it and who has copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) leader: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync_replicas: Vec<i32>,
    pub(crate) offline_replicas: Vec<i32>,
}

impl PartitionInfo {
    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The id of the broker that leads the partition; none while there is no leader.
    pub fn leader(&self) -> Option<i32> {
        self.leader
    }

    /// The leader's epoch, or -1 where the broker does not tell it.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The ids of all brokers that have a copy.
    pub fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// The ids of the brokers whose copy is up to date.
    pub fn in_sync_replicas(&self) -> &[i32] {
        &self.in_sync_replicas
    }

    /// The ids of the brokers that have a copy and are down.
    pub fn offline_replicas(&self) -> &[i32] {
        &self.offline_replicas
    }
}

#[cfg(test)]
impl Cluster {
    /// Topics whose partitions have these leaders, and nothing else: for tests.
    pub(crate) fn led(topics: &[(&'static str, &[Option<i32>])]) -> Cluster {
        let topic = |(name, leaders): &(&'static str, &[Option<i32>])| {
            let name = TopicName::from(*name);
            let partition = |(partition, leader): (i32, &Option<i32>)| PartitionInfo {
                topic: name.clone(),
                partition,
                leader: *leader,
                leader_epoch: 0,
                replicas: vec![],
                in_sync_replicas: vec![],
                offline_replicas: vec![],
            };
            let partitions = (0..).zip(*leaders).map(partition).collect();
            (
                name.clone(),
                Arc::new(TopicInfo { name: name.clone(), id: Uuid::ZERO, error: None, partitions }),
            )
        };
        Cluster { topics: topics.iter().map(topic).collect(), ..Cluster::default() }
    }
}
