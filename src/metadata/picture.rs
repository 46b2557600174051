//! `Picture`: what brokers tell becomes the next picture of the cluster.
//!
//! Owns: what is taken of an answer, of a hint (KIP-951), and what is said of the rest. Must not know: when metadata is
//! asked for, who waits for it.
//! Holds: what is told is hearsay: what cannot be true of an answer is said and left out, and the rest is used; a
//! leader is one of the brokers; a picture shares with the one before it what has not changed.
//! Source: Kafka's `Metadata.handleMetadataResponse`, `updatePartitionLeadership`, `MetadataResponse.hasReliableLeaderEpochs`.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use super::beliefs::Beliefs;
use super::schedule::MetadataQuery;
use crate::cluster::{Cluster, Node, PartitionInfo, PartitionState, Replicas, TopicInfo, TopicShares};
use crate::log_labels::LogLabels;
use crate::logging;
use crate::protocol::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::record::TopicName;

/// The cluster, and what is new about it.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) cluster: Arc<Cluster>,
    /// The topics that are not as they were.
    pub(crate) changed: Vec<TopicName>,
    /// Those that are not as they should be: the next answer may have more.
    pub(super) lacking: Vec<TopicName>,
    /// What was wrong with what was told of a topic; none where all is well.
    pub(super) remarks: Vec<(TopicName, Option<String>)>,
}

/// A leader that a broker told of (KIP-951).
#[derive(Debug, Clone)]
pub(crate) struct LeaderNews {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

/// Before this version epochs may go back (KAFKA-9212).
const EPOCHS_RELIABLE_FROM: i16 = 9;

/// The picture that follows `older` by an answer to what was asked.
pub(super) fn answered(
    response: MetadataResponse,
    version: i16,
    asked: &MetadataQuery,
    older: &Cluster,
    beliefs: &mut Beliefs,
) -> Picture {
    let whole = asked.whole || older.is_bootstrap();
    let mut cluster = Cluster {
        cluster_id: response.cluster_id,
        nodes: if whole { HashMap::default() } else { older.nodes.clone() },
        controller: None,
        topics: if asked.whole { TopicShares::default() } else { older.topics.clone() },
    };
    cluster.nodes.extend(response.brokers.into_iter().map(node));
    cluster.controller = Some(response.controller_id).filter(|id| cluster.nodes.contains_key(id));
    warn_of_ports(&cluster, older);
    let moved = |node: &Node| older.nodes.get(&node.id).is_some_and(|known| known.rack != node.rack);
    let racks_changed = cluster.nodes.values().any(moved);
    let mut picture = Picture::default();
    let told = response.topics.into_iter().map(|topic| (topic.name.clone(), topic));
    let mut told: HashMap<TopicName, MetadataResponseTopic> = told.collect();
    for name in &asked.topics {
        let known = older.topics.get(name);
        let Some(topic) = told.remove(name) else {
            cluster.topics.remove(name);
            picture.changed.extend(known.map(|_| name.clone()));
            picture.lacking.push(name.clone());
            picture
                .remarks
                .push((name.clone(), Some("the last metadata does not mention the topic".to_owned())));
            continue;
        };
        let mut reading = Reading { version, nodes: &cluster.nodes, beliefs, wrong: String::new() };
        let info = reading.topic(name, topic, known.map(|known| &**known));
        picture.remarks.push((name.clone(), reading.remark()));
        if is_lacking(&info) {
            picture.lacking.push(name.clone());
        }
        let same = known.filter(|known| ***known == info);
        if same.is_none() || racks_changed {
            picture.changed.push(name.clone());
        }
        cluster.topics.insert(name.clone(), same.map_or_else(|| Arc::new(info), Arc::clone));
        beliefs.told(name);
    }
    if asked.whole {
        beliefs.told_all(|topic| asked.topics.contains(topic));
    }
    picture.cluster = Arc::new(cluster);
    picture
}

/// The picture that follows `older` by leaders that a broker told in another answer; none if they are no news. A
/// broker is where the hint says, until metadata says otherwise.
pub(super) fn hinted(older: &Cluster, news: &[LeaderNews], endpoints: &[Node]) -> Option<Picture> {
    let usable = endpoints.iter().filter(|node| node.usable_port().is_some());
    let endpoints: HashMap<i32, &Node> = usable.map(|node| (node.id, node)).collect();
    let mut cluster = older.clone();
    let mut changed = BTreeSet::new();
    for news in news.iter().filter(|news| news.leader >= 0 && news.leader_epoch >= 0) {
        let Some(node) = endpoints.get(&news.leader).copied().or_else(|| older.node(news.leader)) else {
            continue;
        };
        let place = usize::try_from(news.partition).unwrap_or(usize::MAX);
        let known = cluster.topics.get(&news.topic).and_then(|topic| topic.partitions.get(place));
        if known.is_none_or(|known| known.leader_epoch() >= news.leader_epoch) {
            continue;
        }
        cluster.nodes.insert(node.id, node.clone());
        let topic = cluster.topics.get_mut(&news.topic);
        if let Some(partition) = topic.and_then(|topic| topic.partitions.get_mut(place)) {
            partition.set_leader(Some(news.leader), news.leader_epoch);
        }
        changed.insert(news.topic.clone());
    }
    let changed: Vec<_> = changed.into_iter().collect();
    (!changed.is_empty()).then(|| Picture { cluster: Arc::new(cluster), changed, ..Picture::default() })
}

/// The picture to begin with, or to begin again with (KIP-899): these servers are all the brokers that are known, and
/// no partition has a leader, so that whatever a broker says next holds. Topics stay known: records for them are taken
/// meanwhile.
pub(super) fn beginning(older: &Cluster, servers: &[Node]) -> Picture {
    let without_leaders = |topic: &Arc<TopicInfo>| {
        let mut topic = TopicInfo::clone(topic);
        for partition in &mut topic.partitions {
            partition.set_leader(None, -1);
        }
        Arc::new(topic)
    };
    let nodes = servers.iter().map(|server| (server.id, server.clone())).collect();
    let topics = older.topics.values().map(without_leaders).collect();
    let changed = older.topics.values().map(|topic| topic.name.clone()).collect();
    Picture {
        cluster: Arc::new(Cluster { nodes, topics, ..Cluster::default() }),
        changed,
        ..Picture::default()
    }
}

fn node(broker: MetadataResponseBroker) -> (i32, Node) {
    let MetadataResponseBroker { node_id: id, host, port, rack } = broker;
    (id, Node { id, host, port, rack })
}

/// Tells of brokers that cannot be connected to, once.
fn warn_of_ports(cluster: &Cluster, older: &Cluster) {
    let known = |node: &&Node| older.nodes.get(&node.id) == Some(*node);
    let nodes = cluster.nodes.values().filter(|node| node.usable_port().is_none());
    for Node { id, port, .. } in nodes.filter(|node| !known(node)) {
        let labels = LogLabels::of_node(*id);
        logging::warn!(labels: labels, "broker {id} advertises port {port}, which is no port: check advertised.listeners");
    }
}

/// Whether more can be expected of a topic than this.
fn is_lacking(topic: &TopicInfo) -> bool {
    match topic.error {
        Some(code) => code.invalidates_metadata(),
        None => topic.partitions.is_empty() || topic.partitions.iter().any(|one| one.leader().is_none()),
    }
}

/// What an answer says of one topic, read with what is known.
struct Reading<'a> {
    version: i16,
    nodes: &'a HashMap<i32, Node, foldhash::fast::FixedState>,
    beliefs: &'a mut Beliefs,
    wrong: String,
}

impl Reading<'_> {
    fn topic(
        &mut self,
        name: &TopicName,
        told: MetadataResponseTopic,
        known: Option<&TopicInfo>,
    ) -> TopicInfo {
        let id = if told.topic_id.is_zero() {
            known.map_or(told.topic_id, |known| known.id)
        } else {
            told.topic_id
        };
        // Under another id it is another topic.
        let known = known.filter(|known| known.id == id || known.id.is_zero());
        let (mut answered, mut replicas) = (told.partitions, told.replicas);
        if !answered.is_sorted_by_key(|partition| partition.partition_index) {
            answered.sort_by_key(|partition| partition.partition_index);
        }
        let most =
            (2 * answered.len() + MORE_PARTITIONS).max(known.map_or(0, |known| known.partitions.len()));
        let mut partitions = Vec::with_capacity(answered.len());
        for told in answered {
            let index = told.partition_index;
            let Some(place) = usize::try_from(index).ok().filter(|place| *place < most) else {
                self.note(&format!("names partition {index}, of which it cannot know"));
                continue;
            };
            let known = |place: usize| known.and_then(|known| known.partitions.get(place));
            while partitions.len() < place {
                let missing = partitions.len();
                self.note(&format!("lacks partition {missing}"));
                partitions.push(lacking_partition(known(missing), &mut replicas));
            }
            let partition = self.partition(told, known(place), &mut replicas);
            match partitions.get_mut(place) {
                None => partitions.push(partition),
                Some(first) => {
                    self.note(&format!("names partition {index} more than once"));
                    if partition.leader_epoch > first.leader_epoch {
                        *first = partition;
                    }
                }
            }
        }
        let error = Some(told.error_code).filter(|code| !code.is_none());
        TopicInfo::new(name.clone(), id, error, partitions, replicas)
    }

    fn partition(
        &mut self,
        told: MetadataResponsePartition,
        known: Option<&PartitionInfo>,
        replicas: &mut Replicas,
    ) -> PartitionState {
        let reliable = self.version >= EPOCHS_RELIABLE_FROM;
        let leader_epoch = if reliable { told.leader_epoch } else { -1 };
        let newer = known.filter(|known| reliable && !self.beliefs.takes(known, leader_epoch));
        let mut partition = newer.map(|newer| newer.state(replicas)).unwrap_or(PartitionState {
            leader: Some(told.leader_id).filter(|id| *id >= 0),
            leader_epoch,
            replicas: told.replicas,
            error: Some(told.error_code).filter(|code| told.leader_id < 0 && !code.is_none()),
        });
        if let Some(leader) = partition.leader.take_if(|leader| !self.nodes.contains_key(leader)) {
            let index = told.partition_index;
            self.note(&format!(
                "names broker {leader} as the leader of partition {index}, and no such broker"
            ));
        }
        partition
    }

    /// Notes what is wrong, as long as people may want to read on.
    fn note(&mut self, what: &str) {
        if self.wrong.len() < LONGEST_REMARK {
            let and = if self.wrong.is_empty() { "" } else { ", " };
            let _ = write!(self.wrong, "{and}{what}");
        } else if !self.wrong.ends_with('…') {
            self.wrong.push('…');
        }
    }

    fn remark(self) -> Option<String> {
        (!self.wrong.is_empty()).then(|| format!("the last metadata {}", self.wrong))
    }
}

/// A partition that an answer has left out: without a leader as long as nobody tells of one.
fn lacking_partition(known: Option<&PartitionInfo>, replicas: &mut Replicas) -> PartitionState {
    match known {
        Some(known) => PartitionState { leader: None, error: None, ..known.state(replicas) },
        None => PartitionState { leader: None, leader_epoch: -1, replicas: replicas.begin(), error: None },
    }
}

/// How many more partitions a topic may have than an answer mentions.
const MORE_PARTITIONS: usize = 1000;

const LONGEST_REMARK: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ReplicaList;
    use crate::error_code::ErrorCode;
    use crate::uuid::Uuid;

    const TOPIC: &str = "t";

    /// Brokers 1 and 2 tell of topic `t`: partition, leader, leader epoch.
    fn answer(partitions: &[(i32, i32, i32)]) -> MetadataResponse {
        let broker = |node_id| MetadataResponseBroker { node_id, host: "h".to_owned(), port: 1, rack: None };
        let mut replicas = Replicas::default();
        let partition = |&(partition_index, leader_id, leader_epoch): &(i32, i32, i32)| {
            let place = replicas.begin();
            for (list, broker) in [(ReplicaList::All, 1), (ReplicaList::All, 2), (ReplicaList::InSync, 1)] {
                replicas.add(place, list, broker);
            }
            let error_code = ErrorCode::NONE;
            MetadataResponsePartition {
                error_code,
                partition_index,
                leader_id,
                leader_epoch,
                replicas: place,
            }
        };
        let partitions = partitions.iter().map(partition).collect();
        let topic = MetadataResponseTopic {
            error_code: ErrorCode::NONE,
            name: TOPIC.into(),
            topic_id: Uuid::ZERO,
            is_internal: false,
            partitions,
            replicas,
            topic_authorized_operations: i32::MIN,
        };
        MetadataResponse {
            throttle_time_ms: 0,
            brokers: vec![broker(1), broker(2)],
            cluster_id: None,
            controller_id: 1,
            topics: vec![topic],
            cluster_authorized_operations: i32::MIN,
            error_code: ErrorCode::NONE,
        }
    }

    fn asked(whole: bool, topics: &[&'static str]) -> MetadataQuery {
        MetadataQuery {
            whole,
            topics: topics.iter().map(|topic| TopicName::from(*topic)).collect(),
            ..MetadataQuery::default()
        }
    }

    fn read(response: MetadataResponse, version: i16, older: &Picture, beliefs: &mut Beliefs) -> Picture {
        answered(response, version, &asked(true, &[TOPIC]), &older.cluster, beliefs)
    }

    fn first(response: MetadataResponse) -> Picture {
        read(response, 13, &Picture::default(), &mut Beliefs::default())
    }

    /// The leader and the epoch of each partition.
    fn leaders(picture: &Picture) -> Vec<(Option<i32>, i32)> {
        let partitions = picture.cluster.topic(TOPIC).unwrap().partitions();
        assert!(partitions.iter().enumerate().all(|(place, one)| one.partition() == place as i32));
        partitions.iter().map(|one| (one.leader(), one.leader_epoch())).collect()
    }

    fn remark(picture: &Picture) -> &str {
        picture.remarks[0].1.as_deref().unwrap_or_default()
    }

    /// What is told, the leaders and epochs that come of it, what is said of it, whether something is lacking.
    type Line<'a> = (&'a [(i32, i32, i32)], &'a [(Option<i32>, i32)], &'a str, bool);

    /// Faults B6, B7, C8.
    #[test]
    fn what_cannot_be_is_said_and_the_rest_is_used() {
        let (one, two, none) = ((Some(1), 5), (Some(2), 5), (None, -1));
        let table: &[Line<'_>] = &[
            (&[(0, 1, 5), (1, 2, 5)], &[one, two], "", false),
            (&[(1, 2, 5), (0, 1, 5)], &[one, two], "", false),
            (&[(0, 1, 5), (2, 2, 5)], &[one, none, two], "lacks partition 1", true),
            (&[(2, 2, 5)], &[none, none, two], "lacks partition 0, lacks partition 1", true),
            (&[(0, 1, 5), (0, 2, 5)], &[one], "names partition 0 more than once", false),
            (&[(0, 1, 4), (0, 2, 5)], &[two], "names partition 0 more than once", false),
            (
                &[(0, 99, 5), (1, 2, 5)],
                &[(None, 5), two],
                "names broker 99 as the leader of partition 0, and no such broker",
                true,
            ),
            (&[(0, 1, 5), (1, -1, 6)], &[one, (None, 6)], "", true),
            (&[(-1, 1, 5), (0, 1, 5)], &[one], "names partition -1, of which it cannot know", false),
            (
                &[(0, 1, 5), (i32::MAX, 1, 5)],
                &[one],
                "names partition 2147483647, of which it cannot know",
                false,
            ),
            (&[], &[], "", true),
        ];
        for (told, expected, wrong, lacks) in table {
            let picture = first(answer(told));
            assert_eq!(leaders(&picture), *expected, "{told:?}");
            assert!(
                remark(&picture).ends_with(wrong) && remark(&picture).is_empty() == wrong.is_empty(),
                "{told:?}: {}",
                remark(&picture)
            );
            assert_eq!(!picture.lacking.is_empty(), *lacks, "{told:?}");
        }
    }

    #[test]
    fn a_partition_that_an_answer_lacks_has_its_epoch_and_no_leader_until_it_is_back() {
        let mut beliefs = Beliefs::default();
        let all = first(answer(&[(0, 1, 5), (1, 2, 5), (2, 2, 5)]));
        let gap = read(answer(&[(0, 1, 5), (2, 2, 5)]), 13, &all, &mut beliefs);
        assert_eq!(leaders(&gap)[1], (None, 5));
        assert_eq!((gap.changed.len(), gap.lacking.len()), (1, 1));
        let back = read(answer(&[(0, 1, 5), (1, 2, 5), (2, 2, 5)]), 13, &gap, &mut beliefs);
        assert_eq!((leaders(&back), remark(&back)), (leaders(&all), ""));
    }

    /// Fault C8.
    #[test]
    fn a_remark_does_not_grow_without_end() {
        let partitions: Vec<_> = (0..1000).map(|place| (place * 2, 1, 5)).collect();
        let picture = first(answer(&partitions));
        assert!(remark(&picture).len() < 300 && remark(&picture).ends_with('…'), "{}", remark(&picture));
    }

    /// Fault B1.
    /// Behaviour 83.
    #[test]
    fn epochs_are_believed_from_version_9_on_and_for_the_same_topic() {
        let newer = [(0, 2, 7)];
        for (version, older_id, id, expected) in [
            (8, 0, 0, (Some(1), -1)),
            (9, 0, 0, (Some(2), 7)),
            (13, 1, 1, (Some(2), 7)),
            (13, 1, 2, (Some(1), 3)),
            (13, 0, 2, (Some(2), 7)),
            (9, 1, 0, (Some(2), 7)),
        ] {
            let with_id = |partitions, id| {
                let mut response = answer(partitions);
                response.topics[0].topic_id = Uuid([id; 16]);
                response
            };
            let mut beliefs = Beliefs::default();
            let older = read(with_id(&newer, older_id), version.max(9), &Picture::default(), &mut beliefs);
            let picture = read(with_id(&[(0, 1, 3)], id), version, &older, &mut beliefs);
            assert_eq!(leaders(&picture), [expected], "version {version}, id {older_id} and then {id}");
            let kept = picture.cluster.topic(TOPIC).unwrap().id;
            assert_eq!(kept, Uuid([id.max(older_id); 16]), "a broker that tells no id does not take it away");
        }
    }

    /// Faults B2, B4.
    #[test]
    fn a_hint_with_a_newer_epoch_is_taken_with_the_address_that_it_names() {
        let older = first(answer(&[(0, 1, 5), (1, 2, 5)]));
        let elsewhere = |id, port| Node { id, host: "elsewhere".to_owned(), port, rack: None };
        let hint = |partition, leader, leader_epoch| LeaderNews {
            topic: TOPIC.into(),
            partition,
            leader,
            leader_epoch,
        };
        let hinted = |news: LeaderNews, node| hinted(&older.cluster, &[news], &[node]);
        for news in
            [hint(0, 2, 5), hint(0, 2, 4), hint(0, -1, 6), hint(0, 4, 6), hint(2, 2, 6), hint(-1, 2, 6)]
        {
            assert!(hinted(news, elsewhere(3, 1)).is_none());
        }
        let picture = hinted(hint(0, 2, 6), elsewhere(2, 9)).unwrap();
        assert_eq!(leaders(&picture), [(Some(2), 6), (Some(2), 5)]);
        assert_eq!(picture.cluster.node(2), Some(&elsewhere(2, 9)));
        assert_eq!(picture.changed, [TOPIC.into()]);
        let new_broker = hinted(hint(0, 3, 6), elsewhere(3, 9)).unwrap();
        assert_eq!((leaders(&new_broker)[0].0, new_broker.cluster.nodes.len()), (Some(3), 3));
        let no_address = hinted(hint(0, 2, 6), elsewhere(2, 70_000)).unwrap();
        assert_eq!(no_address.cluster.node(2).unwrap().host(), "h", "what is no address is not taken");
        assert_eq!(leaders(&older)[0], (Some(1), 5), "the older picture stays as it is");
    }

    /// Faults B1, B2.
    #[test]
    fn what_the_leader_refuses_and_metadata_contradicts_three_times_is_given_up() {
        let mut beliefs = Beliefs::default();
        let hint = LeaderNews { topic: TOPIC.into(), partition: 0, leader: 2, leader_epoch: i32::MAX };
        let mut picture = hinted(&first(answer(&[(0, 1, 5)])).cluster, &[hint], &[]).unwrap();
        for expected in [2, 2, 1, 1] {
            beliefs.leader_refused(&TOPIC.into(), 0);
            picture = read(answer(&[(0, 1, 5)]), 13, &picture, &mut beliefs);
            assert_eq!(leaders(&picture)[0].0, Some(expected));
        }
    }

    /// Fault B9.
    /// Behaviour 90.
    #[test]
    fn an_answer_about_some_topics_leaves_the_others_as_they_are() {
        let older = first(answer(&[(0, 1, 5)]));
        let mut response = answer(&[(0, 1, 5)]);
        response.topics[0].name = "new".into();
        response.brokers.remove(0);
        let picture =
            answered(response, 13, &asked(false, &["new"]), &older.cluster, &mut Beliefs::default());
        assert_eq!(picture.changed, ["new".into()]);
        assert_eq!(
            leaders(&picture),
            [(Some(1), 5)],
            "a broker is not gone because one does not know it yet"
        );
        let both = ["new", TOPIC].map(|topic| picture.cluster.topics.get(topic).cloned().unwrap());
        assert!(Arc::ptr_eq(&both[1], older.cluster.topics.get(TOPIC).unwrap()));
    }

    #[test]
    fn what_is_not_told_is_lacking_and_what_nobody_asked_for_is_left_out() {
        let older = first(answer(&[(0, 1, 5)]));
        let mut response = answer(&[(0, 1, 5)]);
        response.topics[0].name = "other".into();
        let picture = read(response, 13, &older, &mut Beliefs::default());
        assert!(picture.cluster.topic(TOPIC).is_none() && picture.cluster.topic("other").is_none());
        assert_eq!((&picture.changed, &picture.lacking), (&vec![TOPIC.into()], &vec![TOPIC.into()]));
        assert_eq!(remark(&picture), "the last metadata does not mention the topic");
    }
}
