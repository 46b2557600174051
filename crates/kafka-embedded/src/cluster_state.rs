//! Brokers, topics, partitions and who leads them.
//!
//! Owns: which broker lives, which broker leads which partition, leader epochs, topic ids. Must not know:
//! requests, connections, time.
//! Holds: a leader is a live replica; every change of leader counts the leader epoch up.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::cluster_builder::TopicConfig;
use super::partition_log::PartitionLog;

#[derive(Debug, Default)]
pub(super) struct ClusterState {
    pub(super) brokers: BTreeMap<i32, BrokerState>,
    pub(super) topics: BTreeMap<String, HostedTopic>,
    /// By the ids of all topics that were ever created. Those that are gone are still here.
    names: HashMap<Uuid, String>,
}

#[derive(Debug, Clone)]
pub(super) struct BrokerState {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) rack: Option<String>,
    pub(super) live: bool,
}

#[derive(Debug)]
pub(super) struct HostedTopic {
    pub(super) id: Uuid,
    pub(super) config: TopicConfig,
    pub(super) partitions: Vec<HostedPartition>,
    /// How many of them Metadata tells of.
    pub(super) told: usize,
}

#[derive(Debug)]
pub(super) struct HostedPartition {
    pub(super) replicas: Vec<i32>,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    pub(super) log: PartitionLog,
}

impl ClusterState {
    /// Brokers with ids from 1; the first ones in these racks, the others in none.
    pub(super) fn new(brokers: i32, racks: &[String]) -> Self {
        let racks = racks.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let broker =
            |(id, rack)| (id, BrokerState { host: "127.0.0.1".to_owned(), port: 0, rack, live: true });
        Self { brokers: (1..=brokers).zip(racks).map(broker).collect(), ..Self::default() }
    }

    /// Creates a topic; `false` if it is there already.
    pub(super) fn create_topic(&mut self, name: &str, config: TopicConfig) -> bool {
        if self.topics.contains_key(name) {
            return false;
        }
        let id = Uuid::from_u128(TOPIC_IDS | (self.names.len() as u128 + 1));
        self.names.insert(id, name.to_owned());
        let partitions = (0..config.partitions).map(|index| self.new_partition(index, &config)).collect();
        self.topics.insert(name.to_owned(), HostedTopic { id, config, partitions, told: usize::MAX });
        true
    }

    /// Brokers, topics and leaders as they are now, without what lies in the logs.
    pub(super) fn picture(&self) -> Self {
        let partition = |partition: &HostedPartition| HostedPartition {
            replicas: partition.replicas.clone(),
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            log: PartitionLog::default(),
        };
        let topic = |(name, topic): (&String, &HostedTopic)| {
            let partitions = topic.partitions.iter().map(partition).collect();
            let (id, config, told) = (topic.id, topic.config.clone(), topic.told);
            (name.clone(), HostedTopic { id, config, partitions, told })
        };
        Self {
            brokers: self.brokers.clone(),
            topics: self.topics.iter().map(topic).collect(),
            names: self.names.clone(),
        }
    }

    /// Adds partitions up to a count; `false` if there is no such topic.
    pub(super) fn grow_topic(&mut self, name: &str, partitions: i32) -> bool {
        let Some((first, config)) = self.topics.get(name).map(|topic| (topic.count(), topic.config.clone()))
        else {
            return false;
        };
        let added: Vec<_> = (first..partitions).map(|index| self.new_partition(index, &config)).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(added);
        }
        true
    }

    pub(super) fn topic_by_id(&self, id: Uuid) -> Option<(&str, &HostedTopic)> {
        let (name, topic) = self.topics.get_key_value(self.names.get(&id)?)?;
        (topic.id == id).then_some((name, topic))
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<&HostedPartition> {
        self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(super) fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut HostedPartition> {
        self.topics.get_mut(topic)?.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    pub(super) fn is_live(&self, broker: i32) -> bool {
        self.brokers.get(&broker).is_some_and(|broker| broker.live)
    }

    pub(super) fn live_brokers(&self) -> impl Iterator<Item = (i32, &BrokerState)> {
        self.brokers.iter().filter(|(_, broker)| broker.live).map(|(id, broker)| (*id, broker))
    }

    pub(super) fn in_sync(&self, partition: &HostedPartition) -> usize {
        partition.replicas.iter().filter(|id| self.is_live(**id)).count()
    }

    /// Marks a broker as stopped or started; partitions without a live leader get one if they can. `false` if
    /// nothing changed.
    pub(super) fn set_live(&mut self, broker: i32, live: bool) -> bool {
        let Some(known) = self.brokers.get_mut(&broker).filter(|known| known.live != live) else {
            return false;
        };
        known.live = live;
        let brokers = &self.brokers;
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.elect(|id| brokers.get(&id).is_some_and(|broker| broker.live));
        }
        true
    }

    /// Makes a live broker the leader, and a replica if it was none; `false` if there is no such partition or
    /// broker.
    pub(super) fn move_leader(&mut self, topic: &str, partition: i32, broker: i32) -> bool {
        if !self.is_live(broker) {
            return false;
        }
        let Some(partition) = self.partition_mut(topic, partition) else {
            return false;
        };
        if partition.leader == Some(broker) {
            return true;
        }
        if !partition.replicas.contains(&broker) {
            let old = partition.leader;
            partition.replicas.retain(|id| Some(*id) != old);
            partition.replicas.push(broker);
        }
        partition.leader = Some(broker);
        partition.leader_epoch += 1;
        true
    }

    fn new_partition(&self, index: i32, config: &TopicConfig) -> HostedPartition {
        let factor = config.replication_factor.unwrap_or(3);
        let skipped = usize::try_from(index).unwrap_or(0) % self.brokers.len().max(1);
        let round = self.brokers.keys().cycle().skip(skipped);
        let replicas = round.take(factor.min(self.brokers.len())).copied().collect();
        let mut partition =
            HostedPartition { replicas, leader: None, leader_epoch: -1, log: PartitionLog::default() };
        partition.elect(|id| self.is_live(id));
        partition.leader_epoch = partition.leader_epoch.max(0);
        partition
    }
}

impl HostedTopic {
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

impl HostedPartition {
    fn elect(&mut self, is_live: impl Fn(i32) -> bool) {
        if self.leader.is_some_and(&is_live) {
            return;
        }
        let leader = self.replicas.iter().copied().find(|id| is_live(*id));
        if leader != self.leader {
            self.leader = leader;
            self.leader_epoch += 1;
        }
    }
}

/// The upper half of every topic id: anything but zero, the reserved ids are there.
const TOPIC_IDS: u128 = 0x656d_6265_6464_6564 << 64;
