//! `Cluster`: an immutable picture of brokers, topics and leaders; a newer one takes its place.
//!
//! Owns: the picture. Must not know: how it is fetched, who waits for it.
//! Holds: pictures share what they have in common, so that one which differs in a topic costs about that topic; a
//! partition takes about as much memory as the answer that told of it.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::error_code::ErrorCode;
use crate::escape::Escaped;
use crate::record::TopicName;
use crate::uuid::Uuid;

/// What the client knows of a Kafka cluster: its brokers, and the partitions and leaders of the topics in use.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub(crate) cluster_id: Option<String>,
    pub(crate) nodes: HashMap<i32, Node, FixedState>,
    pub(crate) controller: Option<i32>,
    pub(crate) topics: TopicShares,
}

impl Cluster {
    /// The cluster's id, once a broker has answered.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The brokers, in no particular order. Before the first broker has answered, and when none could be used, these are
    /// the bootstrap servers.
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

    /// The controller, as the brokers name it (with KRaft any live broker).
    pub fn controller(&self) -> Option<&Node> {
        self.controller.and_then(|id| self.node(id))
    }

    /// What is known of a topic; `None` for one that was not asked for. A topic that does not exist has an
    /// [`error`](TopicInfo::error).
    pub fn topic(&self, name: &str) -> Option<&TopicInfo> {
        self.topics.get(name).map(|topic| &**topic)
    }

    /// What brokers have last said of a partition that has no leader.
    pub(crate) fn no_leader(&self, topic: &str, partition: i32) -> NoLeader {
        let known = self.topic(topic);
        if let Some(code) = known.and_then(|topic| topic.error) {
            return NoLeader::Topic(code);
        }
        let place = usize::try_from(partition).ok();
        let named = known.zip(place).and_then(|(topic, place)| topic.partitions.get(place));
        named.map_or(NoLeader::NotNamed, |partition| NoLeader::Nobody(partition.why_no_leader()))
    }

    /// How many partitions the topic has; `None` where it is not known.
    pub fn partition_count(&self, topic: &str) -> Option<usize> {
        self.topic(topic).map(|topic| topic.partitions.len()).filter(|count| *count > 0)
    }
}

/// Topics by name, in shares that a picture has in common with the one before it as long as they do not differ.
#[derive(Debug, Clone)]
pub(crate) struct TopicShares(Vec<Arc<Share>>);

type Share = HashMap<TopicName, Arc<TopicInfo>, FixedState>;

impl TopicShares {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<TopicInfo>> {
        self.0.get(share_of(name))?.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut TopicInfo> {
        let share = self.0.get_mut(share_of(name)).filter(|share| share.contains_key(name))?;
        Arc::make_mut(share).get_mut(name).map(Arc::make_mut)
    }

    pub(crate) fn insert(&mut self, name: TopicName, topic: Arc<TopicInfo>) {
        if let Some(share) = self.0.get_mut(share_of(&name)) {
            Arc::make_mut(share).insert(name, topic);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(share) = self.0.get_mut(share_of(name)).filter(|share| share.contains_key(name)) {
            Arc::make_mut(share).remove(name);
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<TopicInfo>> {
        self.0.iter().flat_map(|share| share.values())
    }
}

impl Default for TopicShares {
    fn default() -> TopicShares {
        TopicShares(vec![Arc::default(); SHARES])
    }
}

impl FromIterator<Arc<TopicInfo>> for TopicShares {
    fn from_iter<T: IntoIterator<Item = Arc<TopicInfo>>>(topics: T) -> TopicShares {
        let mut all = TopicShares::default();
        topics.into_iter().for_each(|topic| all.insert(topic.name.clone(), topic));
        all
    }
}

/// Not by the bits of the hash by which a share finds a topic in itself.
fn share_of(name: &str) -> usize {
    (FixedState::default().hash_one(name) >> 32) as usize % SHARES
}

/// Thousands of topics are dozens in a share.
const SHARES: usize = 128;

/// A broker: its id and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub(crate) id: i32,
    pub(crate) host: String,
    /// As it was told, which may be no port.
    pub(crate) port: i32,
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

    /// The port; 0 where the broker advertises one that is not valid.
    pub fn port(&self) -> u16 {
        self.usable_port().unwrap_or(0)
    }

    /// The same broker on a connection of its own, for what it coordinates: nothing there waits behind batches.
    pub(crate) fn into_coordinator(mut self) -> Node {
        self.id = COORDINATORS.saturating_add(self.id.max(0));
        self
    }

    /// The same broker on a connection of its own, for telemetry: no batch waits behind it. None for a broker whose id is so large
    /// that there is no id left for that.
    pub(crate) fn into_telemetry(mut self) -> Option<Node> {
        self.id = TELEMETRY.checked_add(self.id).filter(|id| is_telemetry(*id))?;
        Some(self)
    }

    /// The port that can be connected to, if what was told is one.
    pub(crate) fn usable_port(&self) -> Option<u16> {
        u16::try_from(self.port).ok().filter(|port| *port > 0)
    }

    /// The broker's rack, if it has one.
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }
}

/// Under ids from this one on connections to coordinators are kept, far below those of servers to begin with.
const COORDINATORS: i32 = i32::MIN;

/// The last id that is one of those; a broker whose own id is above half of all is not named in errors of its coordinator's
/// connection, and that is all.
const LAST_COORDINATOR: i32 = i32::MIN / 2;

/// Whether connections are kept under this id to what a broker coordinates.
pub(crate) fn is_coordinators(id: i32) -> bool {
    id <= LAST_COORDINATOR
}

/// From this id on connections for telemetry are kept.
const TELEMETRY: i32 = i32::MIN / 4;

/// The last id that is one of those.
const LAST_TELEMETRY: i32 = i32::MIN / 8;

/// Whether the connection for telemetry is kept under this id.
pub(crate) fn is_telemetry(id: i32) -> bool {
    (TELEMETRY..=LAST_TELEMETRY).contains(&id)
}

/// The broker to which the connection goes that is kept under this id; none for a server to begin with.
pub(crate) fn broker_behind(id: i32) -> Option<i32> {
    match id {
        0.. => Some(id),
        ..=LAST_COORDINATOR => Some(id.wrapping_sub(COORDINATORS)),
        TELEMETRY..=LAST_TELEMETRY => Some(id - TELEMETRY),
        _ => None,
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
    /// A topic with these partitions, the first one with number 0, whose lists are in `replicas`.
    pub(crate) fn new(
        name: TopicName,
        id: Uuid,
        error: Option<ErrorCode>,
        partitions: Vec<PartitionState>,
        mut replicas: Replicas,
    ) -> TopicInfo {
        replicas.0.shrink_to_fit();
        let shared = Arc::new(Shared { topic: name.clone(), replicas });
        let partition = |(partition, state): (i32, PartitionState)| PartitionInfo {
            shared: Arc::clone(&shared),
            partition,
            leader: state.leader.unwrap_or_else(|| no_leader(state.error)),
            leader_epoch: state.leader_epoch,
            replicas: state.replicas,
        };
        let partitions = (0..).zip(partitions).map(partition).collect();
        TopicInfo { name, id, error, partitions }
    }

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

/// A partition, with its leader and its replicas.
#[derive(Clone)]
pub struct PartitionInfo {
    shared: Arc<Shared>,
    partition: i32,
    /// Or, below 0, that there is none, and why ([`no_leader`]): there may be a million of these.
    leader: i32,
    leader_epoch: i32,
    replicas: ReplicasOf,
}

/// What brokers say of a partition without a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLeader {
    /// Its topic is not to be had: they answer this.
    Topic(ErrorCode),
    /// The partition is not named.
    NotNamed,
    /// Nobody leads it; with the code, where they gave one.
    Nobody(Option<ErrorCode>),
}

impl NoLeader {
    /// The code, where brokers gave one.
    pub(crate) fn code(self) -> Option<ErrorCode> {
        match self {
            NoLeader::Topic(code) => Some(code),
            NoLeader::NotNamed => None,
            NoLeader::Nobody(code) => code,
        }
    }
}

/// What the partitions of a topic have in common.
struct Shared {
    topic: TopicName,
    replicas: Replicas,
}

const NO_LEADER: i32 = -1;
/// To which the code of what is why is added.
const NO_LEADER_SINCE: i32 = -100_000;

/// What stands for a leader where there is none.
fn no_leader(why: Option<ErrorCode>) -> i32 {
    why.map_or(NO_LEADER, |code| NO_LEADER_SINCE + i32::from(code.0))
}

/// Who leads a partition, and where its lists are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartitionState {
    pub(crate) leader: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: ReplicasOf,
    /// Why it has no leader, where a broker says why.
    pub(crate) error: Option<ErrorCode>,
}

/// For many partitions: which brokers have a copy, which copies are in sync, and which of these brokers are down.
///
/// For each partition the lengths of the three lists, and behind them what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replicas(Vec<i32>);

/// Where in [`Replicas`] a partition's lists are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplicasOf(u32);

/// The lists of a partition, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaList {
    All,
    InSync,
    Offline,
}

impl Replicas {
    /// Begins the lists of another partition. What they have is added list by list.
    pub(crate) fn begin(&mut self) -> ReplicasOf {
        let place = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.extend([0; LISTS]);
        ReplicasOf(place)
    }

    /// Adds a broker to a list of the partition that was begun last.
    pub(crate) fn add(&mut self, partition: ReplicasOf, list: ReplicaList, broker: i32) {
        if let Some(length) = self.0.get_mut((partition.0 as usize).saturating_add(list as usize)) {
            *length += 1;
            self.0.push(broker);
        }
    }

    pub(crate) fn get(&self, partition: ReplicasOf, list: ReplicaList) -> &[i32] {
        let rest = self.0.get(partition.0 as usize..).unwrap_or_default();
        let Some((lengths, brokers)) = rest.split_first_chunk::<LISTS>() else { return &[] };
        let mut brokers = brokers;
        for (place, length) in lengths.iter().enumerate() {
            let Some((list_here, others)) = brokers.split_at_checked(*length as usize) else { return &[] };
            if place == list as usize {
                return list_here;
            }
            brokers = others;
        }
        &[]
    }
}

const LISTS: usize = 3;

impl PartitionInfo {
    /// The same for a topic whose partitions' lists are in `replicas`.
    pub(crate) fn state(&self, replicas: &mut Replicas) -> PartitionState {
        let place = replicas.begin();
        for list in [ReplicaList::All, ReplicaList::InSync, ReplicaList::Offline] {
            self.list(list).iter().for_each(|broker| replicas.add(place, list, *broker));
        }
        PartitionState {
            leader: self.leader(),
            leader_epoch: self.leader_epoch,
            replicas: place,
            error: self.why_no_leader(),
        }
    }

    pub(crate) fn set_leader(&mut self, leader: Option<i32>, leader_epoch: i32) {
        (self.leader, self.leader_epoch) = (leader.unwrap_or(NO_LEADER), leader_epoch);
    }

    pub(crate) fn topic_name(&self) -> &TopicName {
        &self.shared.topic
    }

    fn list(&self, list: ReplicaList) -> &[i32] {
        self.shared.replicas.get(self.replicas, list)
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The id of the broker that leads the partition; `None` while there is no leader.
    pub fn leader(&self) -> Option<i32> {
        (self.leader >= 0).then_some(self.leader)
    }

    /// Why there is no leader, as a broker's code.
    fn why_no_leader(&self) -> Option<ErrorCode> {
        let code = (self.leader < NO_LEADER).then(|| i16::try_from(self.leader - NO_LEADER_SINCE).ok());
        code.flatten().map(ErrorCode)
    }

    /// The leader's epoch, or -1 where the broker does not tell it.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The ids of the brokers with a replica.
    pub fn replicas(&self) -> &[i32] {
        self.list(ReplicaList::All)
    }

    /// The ids of the brokers whose replica is in sync.
    pub fn in_sync_replicas(&self) -> &[i32] {
        self.list(ReplicaList::InSync)
    }

    /// The ids of the brokers that have a replica and are down.
    pub fn offline_replicas(&self) -> &[i32] {
        self.list(ReplicaList::Offline)
    }

    fn lists(&self) -> [&[i32]; LISTS] {
        [self.replicas(), self.in_sync_replicas(), self.offline_replicas()]
    }
}

impl PartialEq for PartitionInfo {
    fn eq(&self, other: &PartitionInfo) -> bool {
        let leader = |it: &PartitionInfo| (it.partition, it.leader, it.leader_epoch);
        leader(self) == leader(other) && self.lists() == other.lists() && self.topic() == other.topic()
    }
}

impl Eq for PartitionInfo {}

impl fmt::Debug for PartitionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionInfo")
            .field("topic", &self.topic())
            .field("partition", &self.partition)
            .field("leader", &self.leader())
            .field("leader_epoch", &self.leader_epoch)
            .field("replicas", &self.replicas())
            .field("in_sync_replicas", &self.in_sync_replicas())
            .field("offline_replicas", &self.offline_replicas())
            .finish()
    }
}

#[cfg(test)]
impl Cluster {
    /// TopicShares whose partitions have these leaders, and nothing else: for tests.
    pub(crate) fn led(topics: &[(&'static str, &[Option<i32>])]) -> Cluster {
        let topic = |(name, leaders): &(&'static str, &[Option<i32>])| {
            let name = TopicName::from(*name);
            let mut replicas = Replicas::default();
            let partition = |leader: &Option<i32>| PartitionState {
                leader: *leader,
                leader_epoch: 0,
                replicas: replicas.begin(),
                error: None,
            };
            let partitions = leaders.iter().map(partition).collect();
            Arc::new(TopicInfo::new(name.clone(), Uuid::ZERO, None, partitions, replicas))
        };
        Cluster { topics: topics.iter().map(topic).collect(), ..Cluster::default() }
    }
}
