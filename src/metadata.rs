//! `Metadata`: which topics are wanted, when to ask for news, and who waits for them.
//!
//! Owns: the wanted topics, the refresh rules, the latest `Cluster`. Must not know: sockets, queues, records.
//! Threads: `cluster`, `wait_for_topic` on application threads; the rest on the sender thread.
//! Locks: its own, never with another; nobody waits under it.
//! Holds: a picture is published only after the sender has prepared everything for it, so whoever is woken can go on;
//! an older leader epoch never replaces a newer one of the same topic.
//! Source: Kafka's `ProducerMetadata`, `Metadata`, `KafkaProducer.waitOnMetadata`; KIP-951 for leaders in answers.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::backoff::ExponentialBackoff;
use crate::cluster::{Cluster, Node, PartitionInfo, TopicInfo};
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::interrupt::{self, Wait};
use crate::logging;
use crate::protocol::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic};
use crate::record::TopicName;

pub(crate) struct Metadata {
    max_age: Duration,
    backoff: ExponentialBackoff,
    state: Mutex<State>,
}

struct State {
    cluster: Arc<Cluster>,
    wanted: HashMap<TopicName, Wanted>,
    /// Who waits holds the receiver; its sender is dropped when there is something to look at.
    news: (Sender<Infallible>, Receiver<Infallible>),
    /// News are wanted for a topic that was never asked for: no backoff.
    new_topic: bool,
    /// News are wanted.
    requested: bool,
    under_way: bool,
    refreshed: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
    last_error: Option<(Error, Instant)>,
    /// What the next news wait for, for people.
    waited_for: Option<String>,
    closed: Option<Error>,
}

#[derive(Default)]
struct Wanted {
    asked: bool,
    /// When it was last seen to be in use.
    used: Option<Instant>,
}

/// How a topic stands with a caller who wants to send to it.
enum Standing {
    Usable,
    /// The error that the wait would end with if it ended now.
    NotYet(Error),
    Never(Error),
}

impl Metadata {
    pub(crate) fn new(max_age: Duration, backoff: ExponentialBackoff) -> Metadata {
        let state = State {
            cluster: Arc::default(),
            wanted: HashMap::new(),
            news: bounded(0),
            new_topic: false,
            requested: true,
            under_way: false,
            refreshed: None,
            failures: 0,
            not_before: None,
            last_error: None,
            waited_for: None,
            closed: None,
        };
        Metadata { max_age, backoff, state: Mutex::new(state) }
    }

    /// The latest picture of the cluster.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.state.lock().cluster)
    }

    /// The last thing that went wrong between us and the brokers, if it was not before `since`.
    pub(crate) fn last_error(&self, since: Instant) -> Option<Error> {
        let state = self.state.lock();
        state.last_error.as_ref().filter(|(_, at)| *at >= since).map(|(error, _)| error.clone())
    }

    /// Waits until the topic, and the partition if one is named, are known; at most `patience`. Returns how long it
    /// took. Topics that cannot be used are an error at once.
    ///
    /// `nudge` makes the sender look for what is wanted.
    pub(crate) fn wait_for_topic(
        &self,
        topic: &TopicName,
        partition: Option<i32>,
        patience: Duration,
        nudge: impl Fn(),
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        let deadline = start.checked_add(patience);
        let mut first = true;
        loop {
            let (standing, news) = self.ask_for(topic, partition, first);
            first = false;
            let pending = match standing {
                Standing::Usable => return Ok(start.elapsed()),
                Standing::Never(error) => return Err(error),
                Standing::NotYet(error) => error,
            };
            nudge();
            match interrupt::wait(&news, deadline) {
                Wait::Ready(never) => match never {},
                Wait::Disconnected => {}
                Wait::Interrupted => return Err(Error::interrupted("metadata").with_topic(topic)),
                Wait::TimedOut => return Err(self.too_late(topic, pending, start)),
            }
        }
    }

    /// Asks for the topic without waiting; false if it is not usable yet.
    pub(crate) fn want(&self, topic: &TopicName) -> bool {
        matches!(self.ask_for(topic, None, true).0, Standing::Usable)
    }

    fn ask_for(
        &self,
        topic: &TopicName,
        partition: Option<i32>,
        first: bool,
    ) -> (Standing, Receiver<Infallible>) {
        let mut state = self.state.lock();
        let news = state.news.1.clone();
        if let Some(error) = &state.closed {
            return (Standing::Never(error.clone()), news);
        }
        // What is known to be unusable is asked for once more by each new caller: it may have changed meanwhile.
        let standing = match state.standing(topic, partition) {
            Standing::Never(error) if first => Standing::NotYet(error),
            standing => standing,
        };
        if !matches!(standing, Standing::Usable) {
            state.want(topic);
        }
        (standing, news)
    }

    fn too_late(&self, topic: &TopicName, pending: Error, start: Instant) -> Error {
        let waited = start.elapsed();
        // What went wrong before the brokers' last answer is over.
        let answered = self.state.lock().refreshed;
        let last = self.last_error(answered.map_or(start, |answered| answered.max(start)));
        let text = format!("{pending}, and max.block.ms is over");
        let text = match (&last, &self.state.lock().waited_for) {
            (Some(last), _) => format!("{text}; the last error was: {last}"),
            (None, Some(waited_for)) => format!("{text}; {waited_for}"),
            (None, None) => text,
        };
        let cause = last.unwrap_or(pending);
        let kind = match cause.kind() {
            // Waiting longer would not have helped.
            kind @ (ErrorKind::UnsupportedVersion | ErrorKind::Authentication) => kind,
            _ => ErrorKind::Timeout,
        };
        let error = Error::new(kind, text).with_topic(topic).with_elapsed(waited);
        match cause.code() {
            Some(code) => error.with_code(code).with_source(cause),
            None => error.with_source(cause),
        }
    }

    // ---- the sender's side ----

    /// When the next request has to go; none while one is under way.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let state = self.state.lock();
        if state.under_way {
            return None;
        }
        if state.new_topic && state.refreshed.is_some() {
            return Some(now);
        }
        let next = state.refreshed.and_then(|refreshed| refreshed.checked_add(self.max_age));
        Some(match next {
            Some(next) if !state.requested => next,
            _ => state.not_before.unwrap_or(now),
        })
    }

    /// The topics to ask for. The request counts as under way until `failed` or `publish`.
    pub(crate) fn begin_request(&self) -> Vec<TopicName> {
        let mut state = self.state.lock();
        state.under_way = true;
        state.new_topic = false;
        state.requested = false;
        state.wanted.values_mut().for_each(|wanted| wanted.asked = true);
        let mut topics: Vec<_> = state.wanted.keys().cloned().collect();
        topics.sort();
        topics
    }

    /// The request came to nothing.
    pub(crate) fn failed(&self, error: Error, now: Instant, random: &mut fastrand::Rng) {
        let mut state = self.state.lock();
        state.under_way = false;
        state.waited_for = None;
        state.requested = true;
        state.back_off(&self.backoff, now, random);
        state.last_error = Some((error, now));
    }

    /// Something shows that the picture is out of date.
    pub(crate) fn request_update(&self) {
        self.state.lock().requested = true;
    }

    /// Something waits for a leader of this topic, which may have been forgotten meanwhile.
    pub(crate) fn need(&self, topic: &TopicName) {
        self.state.lock().want(topic);
    }

    pub(crate) fn note_waited_for(&self, waited_for: Option<String>) {
        self.state.lock().waited_for = waited_for;
    }

    pub(crate) fn note_error(&self, error: Error, now: Instant) {
        self.state.lock().last_error = Some((error, now));
    }

    /// Turns an answer into the next picture. It is not published yet.
    pub(crate) fn prepare(&self, response: MetadataResponse) -> Arc<Cluster> {
        let older = self.cluster();
        let port = |port: i32| u16::try_from(port).unwrap_or(0);
        let node = |id, host, at, rack| (id, Node { id, host, port: port(at), rack });
        let brokers = response.brokers.into_iter();
        let nodes: HashMap<i32, Node, _> =
            brokers.map(|broker| node(broker.node_id, broker.host, broker.port, broker.rack)).collect();
        let topics = response.topics.into_iter().filter_map(|topic| {
            let info = topic_info(topic, &older)?;
            Some((info.name.clone(), Arc::new(info)))
        });
        Arc::new(Cluster {
            cluster_id: response.cluster_id,
            controller: nodes.contains_key(&response.controller_id).then_some(response.controller_id),
            topics: topics.collect(),
            nodes,
        })
    }

    /// The picture to begin with, or to begin again with (KIP-899): these servers are all the brokers that are known,
    /// and no partition has a leader, so that whatever a broker says next holds. Topics stay known: records for them
    /// are taken meanwhile. It is not published yet.
    pub(crate) fn beginning(&self, servers: &[Node]) -> Arc<Cluster> {
        let mut topics = self.cluster().topics.clone();
        let infos = topics.values_mut().map(Arc::make_mut);
        for partition in infos.flat_map(|info| &mut info.partitions) {
            (partition.leader, partition.leader_epoch) = (None, -1);
        }
        let nodes = servers.iter().map(|server| (server.id, server.clone())).collect();
        Arc::new(Cluster { nodes, topics, ..Cluster::default() })
    }

    /// Makes a picture the current one that no broker has told; news are wanted.
    pub(crate) fn publish_beginning(&self, cluster: Arc<Cluster>) {
        let mut state = self.state.lock();
        state.cluster = cluster;
        state.requested = true;
    }

    /// The picture with leaders that a broker told in another answer (KIP-951); none if it says nothing new.
    pub(crate) fn with_leaders(&self, news: &[LeaderNews], endpoints: &[Node]) -> Option<Arc<Cluster>> {
        let mut cluster = (*self.cluster()).clone();
        let mut changed = false;
        for node in endpoints {
            cluster.nodes.entry(node.id).or_insert_with(|| node.clone());
        }
        for news in news.iter().filter(|news| news.leader >= 0 && news.leader_epoch >= 0) {
            let known_node = cluster.nodes.contains_key(&news.leader);
            let Some(topic) = cluster.topics.get_mut(&news.topic).filter(|_| known_node) else { continue };
            let place = usize::try_from(news.partition).unwrap_or(usize::MAX);
            let newer = topic.partitions.get(place).is_some_and(|old| old.leader_epoch < news.leader_epoch);
            if let Some(partition) = Arc::make_mut(topic).partitions.get_mut(place).filter(|_| newer) {
                (partition.leader, partition.leader_epoch) = (Some(news.leader), news.leader_epoch);
                changed = true;
            }
        }
        changed.then(|| Arc::new(cluster))
    }

    /// Makes the picture the current one and wakes everyone who waits. Topics that are not there yet, or have no
    /// leader, are asked for again.
    pub(crate) fn publish(&self, cluster: Arc<Cluster>, now: Instant, random: &mut fastrand::Rng) {
        let mut state = self.state.lock();
        state.under_way = false;
        state.waited_for = None;
        state.refreshed = Some(now);
        state.cluster = cluster;
        if state.is_incomplete() {
            state.requested = true;
            state.back_off(&self.backoff, now, random);
        } else {
            state.failures = 0;
            state.not_before = now.checked_add(self.backoff.after(0, random));
        }
        state.news = bounded(0);
    }

    /// Replaces the picture by one with newer leaders; no request was involved.
    pub(crate) fn publish_leaders(&self, cluster: Arc<Cluster>) {
        self.state.lock().cluster = cluster;
    }

    /// Forgets the topics that nobody has used for `max_idle`. `take_used` says whether one was used since the last
    /// time.
    pub(crate) fn forget_idle(
        &self,
        max_idle: Duration,
        now: Instant,
        take_used: impl Fn(&str) -> bool,
    ) -> Vec<TopicName> {
        let mut idle = Vec::new();
        let mut state = self.state.lock();
        state.wanted.retain(|name, wanted| {
            if take_used(name) || wanted.used.is_none() {
                wanted.used = Some(now);
            }
            let keep = wanted.used.is_some_and(|used| now.saturating_duration_since(used) < max_idle);
            if !keep {
                idle.push(name.clone());
            }
            keep
        });
        if !idle.is_empty() {
            // Whoever needs one of them again has to ask for it.
            let mut cluster = (*state.cluster).clone();
            idle.iter().for_each(|name| drop(cluster.topics.remove(name)));
            state.cluster = Arc::new(cluster);
        }
        idle
    }

    /// Sends everyone away who waits, now and later.
    pub(crate) fn close(&self, error: Error) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(error);
        state.news = bounded(0);
    }
}

/// A leader that a broker told of (KIP-951).
#[derive(Debug, Clone)]
pub(crate) struct LeaderNews {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

impl State {
    fn standing(&self, topic: &TopicName, partition: Option<i32>) -> Standing {
        let missing = |text: String| Error::new(ErrorKind::Timeout, text);
        let Some(info) = self.cluster.topic(topic) else {
            return Standing::NotYet(missing("not present in metadata".to_owned()));
        };
        match (info.error, partition) {
            (
                Some(code @ (ErrorCode::INVALID_TOPIC_EXCEPTION | ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
                _,
            ) => Standing::Never(Error::from_code(code, None).with_topic(topic)),
            (Some(code), _) => {
                Standing::NotYet(missing(format!("not present in metadata ({code})")).with_code(code))
            }
            (None, Some(partition)) if partition as usize >= info.partitions.len() => {
                Standing::NotYet(missing(format!(
                    "partition {partition} not present in metadata, the topic has {} partitions",
                    info.partitions.len()
                )))
            }
            (None, _) if info.partitions.is_empty() => {
                Standing::NotYet(missing("not present in metadata".to_owned()))
            }
            (None, _) => Standing::Usable,
        }
    }

    /// Asks for a topic that is not usable yet, as long as somebody waits for it: it, or the partition that is waited
    /// for, may be created meanwhile.
    fn want(&mut self, topic: &TopicName) {
        if !self.wanted.contains_key(topic) {
            self.wanted.insert(topic.clone(), Wanted::default());
            self.new_topic = true;
        }
        self.requested = true;
    }

    fn is_incomplete(&self) -> bool {
        self.wanted.iter().filter(|(_, wanted)| wanted.asked).any(|(name, _)| {
            self.cluster.topic(name).is_none_or(|topic| {
                topic.error.is_some_and(ErrorCode::invalidates_metadata)
                    || topic.partitions.iter().any(|partition| partition.leader.is_none())
            })
        })
    }

    fn back_off(&mut self, backoff: &ExponentialBackoff, now: Instant, random: &mut fastrand::Rng) {
        self.not_before = now.checked_add(backoff.after(self.failures, random));
        self.failures = self.failures.saturating_add(1);
    }
}

/// A topic of an answer. A partition of which we know a newer leader epoch keeps what we know.
fn topic_info(topic: MetadataResponseTopic, older: &Cluster) -> Option<TopicInfo> {
    let name = topic.name?;
    let known = older.topic(&name).filter(|known| known.id == topic.topic_id);
    let mut partitions: Vec<PartitionInfo> = Vec::with_capacity(topic.partitions.len());
    let mut answered = topic.partitions;
    answered.sort_by_key(|partition| partition.partition_index);
    for (place, partition) in answered.into_iter().enumerate() {
        if partition.partition_index != place as i32 {
            logging::warn!("{name}: the metadata has no partition {place}; the answer is not used");
            return None;
        }
        let known = known.and_then(|known| known.partitions.get(place));
        let newer =
            known.filter(|known| partition.leader_epoch >= 0 && known.leader_epoch > partition.leader_epoch);
        partitions.push(newer.cloned().unwrap_or_else(|| partition_info(&name, partition)));
    }
    let error = Some(topic.error_code).filter(|code| !code.is_none());
    Some(TopicInfo { name, id: topic.topic_id, error, partitions })
}

fn partition_info(topic: &TopicName, partition: MetadataResponsePartition) -> PartitionInfo {
    PartitionInfo {
        topic: topic.clone(),
        partition: partition.partition_index,
        leader: Some(partition.leader_id).filter(|id| *id >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        in_sync_replicas: partition.isr_nodes,
        offline_replicas: partition.offline_replicas,
    }
}
/// Kafka's rule for names, before a broker is asked: so the error can say what the rule is.
pub(crate) fn check_topic(name: &TopicName) -> Result<(), Error> {
    match name.problem() {
        None => Ok(()),
        Some(problem) => {
            let text = format!(
                "the topic's name {problem}; a name has 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-', and \
                 is not \".\" or \"..\""
            );
            Err(Error::new(ErrorKind::InvalidTopic, text).with_topic(name))
        }
    }
}
