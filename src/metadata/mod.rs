//! `Metadata`: which topics are wanted, when to ask for news, and who waits for them.
//!
//! Owns: the wanted topics, the latest `Cluster`, the waiters. Must not know: sockets, queues, records.
//! Threads: `cluster`, `wait_for_topic` on application threads; the rest on the sender thread.
//! Locks: its own, never with another; nobody waits under it, and no picture is made under it.
//! Holds: what a broker has told is published only after the sender has prepared everything for it, so a thread that is woken
//! can go on.
//! Source: Kafka's `ProducerMetadata`, `Metadata`, `KafkaProducer.waitOnMetadata`.

mod beliefs;
mod picture;
mod schedule;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::ExponentialBackoff;
use crate::cluster::{Cluster, Node};
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::interrupt::{self, Wait};
use crate::last_heard::LastHeard;
use crate::lifecycle::Lifecycle;
use crate::logging;
use crate::planted::{Defect, planted};
use crate::protocol::MetadataResponse;
use crate::record::TopicName;
use crate::stage;
use crate::sync::Mutex;
use crate::sync::channel::{Receiver, Sender, bounded};

use beliefs::Beliefs;
use schedule::Schedule;

pub(crate) use picture::{LeaderNews, Picture};

pub(crate) struct Metadata {
    state: Mutex<MetadataState>,
    heard: Arc<LastHeard>,
    lifecycle: Arc<Lifecycle>,
}

struct MetadataState {
    cluster: Arc<Cluster>,
    /// When each topic was last seen to be in use.
    wanted: HashMap<TopicName, Option<Instant>>,
    /// What was wrong with what was last told of a topic.
    remarks: HashMap<TopicName, String>,
    schedule: Schedule,
    beliefs: Beliefs,
    /// A waiting thread holds the receiver; its sender is dropped when there is something to look at.
    news: (Sender<Infallible>, Receiver<Infallible>),
    /// A broker has refused us, and none has taken us since.
    not_authenticated: Option<Error>,
}

/// How a topic stands with a caller who wants to send to it.
enum Standing {
    Usable,
    /// The error that the wait would end with if it ended now.
    NotYet(Error),
    Never(Error),
}

impl Metadata {
    pub(crate) fn new(max_age: Duration, backoff: ExponentialBackoff, lifecycle: Arc<Lifecycle>) -> Metadata {
        let state = MetadataState {
            cluster: Arc::default(),
            wanted: HashMap::new(),
            remarks: HashMap::new(),
            schedule: Schedule::new(max_age, backoff),
            beliefs: Beliefs::default(),
            news: bounded(0),
            not_authenticated: None,
        };
        Metadata { state: Mutex::new(state), heard: Arc::default(), lifecycle }
    }

    /// The latest picture of the cluster.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.state.lock().cluster)
    }

    /// What was last heard of the brokers: the sender tells it here as well.
    pub(crate) fn heard(&self) -> &Arc<LastHeard> {
        &self.heard
    }

    /// Waits until the topic, and the partition if one is named, are known; at most `patience`. Topics that cannot
    /// be used are an error at once.
    ///
    /// `nudge` makes the sender look for what is wanted.
    pub(crate) fn wait_for_topic(
        &self,
        topic: &TopicName,
        partition: Option<i32>,
        patience: Duration,
        nudge: impl Fn(),
    ) -> Result<(), Error> {
        let start = stage::now();
        let deadline = start.checked_add(patience);
        let mut first = true;
        loop {
            let (standing, news) = self.ask_for(topic, partition, first);
            first = false;
            let pending = match standing {
                Standing::Usable => return Ok(()),
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
        // Under the lock: a thread that comes after the waiting ones were sent away sees it.
        if !self.lifecycle.is_open() {
            drop(state);
            return (Standing::Never(self.lifecycle.refusal().unwrap_or_else(Error::closed)), news);
        }
        // What is known to be unusable is asked for once more by each new caller: it may have changed meanwhile.
        let standing = match state.standing(topic, partition) {
            Standing::Never(error) if first => Standing::NotYet(error),
            standing => standing,
        };
        if !matches!(standing, Standing::Usable) {
            state.want(topic);
            if first {
                state.schedule.reset_backoff();
            }
        }
        let standing = match (standing, &state.not_authenticated) {
            (Standing::NotYet(_), Some(error)) => Standing::Never(error.clone().with_topic(topic)),
            (standing, _) => standing,
        };
        (standing, news)
    }

    fn too_late(&self, topic: &TopicName, pending: Error, start: Instant) -> Error {
        let waited = stage::now().saturating_duration_since(start);
        let servers = self.state.lock().servers_in_vain();
        let text = format!("{pending}, and max.block.ms is over{servers}");
        let (last, waited_for) = self.heard.why_no_metadata(start);
        let text = match (&last, waited_for) {
            (Some(last), _) => format!("{text}; the last error was: {last}"),
            (None, Some(waited_for)) => format!("{text}; {waited_for}"),
            (None, None) => text,
        };
        let cause = last.unwrap_or(pending);
        let kind = match cause.kind() {
            // Waiting longer would not have helped.
            kind @ (ErrorKind::UnsupportedVersion | ErrorKind::Authentication) => kind,
            // The brokers answer.
            kind @ ErrorKind::UnknownTopicOrPartition => kind,
            _ => ErrorKind::Timeout,
        };
        let error = Error::new(kind, text).with_topic(topic).with_elapsed(waited);
        match cause.code() {
            Some(code) => error.with_code(code).with_source(cause),
            None => error.with_source(cause),
        }
    }

    // ---- the sender's side ----

    /// When metadata last came.
    pub(crate) fn refreshed(&self) -> Option<Instant> {
        self.state.lock().schedule.refreshed()
    }

    /// When the next request has to go; none while one is under way.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.state.lock().schedule.due(now)
    }

    /// The topics to ask for. The request counts as under way until `failed` or `publish`.
    pub(crate) fn begin_request(&self, now: Instant) -> Vec<TopicName> {
        let state = &mut *self.state.lock();
        state.schedule.begin(state.wanted.keys(), now).iter().cloned().collect()
    }

    /// Whether the request under way asks for all topics.
    pub(crate) fn asks_for_all(&self) -> bool {
        self.state.lock().schedule.asks_for_all()
    }

    /// Whether something is sought that the last answer did not bring.
    pub(crate) fn seeks_again(&self) -> bool {
        self.state.lock().schedule.seeks_again()
    }

    /// The request came to nothing.
    pub(crate) fn failed(&self, error: Error, now: Instant, random: &mut fastrand::Rng) {
        self.heard.no_metadata(error, now);
        self.state.lock().schedule.failed(now, random);
    }

    /// Something shows that the picture is out of date.
    pub(crate) fn request_update(&self) {
        self.state.lock().schedule.request_update();
    }

    /// Records wait until metadata of all topics shows which cluster a broker belongs to: it is asked for at once.
    pub(crate) fn doubt(&self) {
        self.state.lock().schedule.doubt();
    }

    /// The leader of this partition, as we believe, says that it is not, or has not answered.
    pub(crate) fn leader_refused(&self, topic: &TopicName, partition: i32) {
        self.state.lock().beliefs.leader_refused(topic, partition);
    }

    /// A broker cannot be reached.
    pub(crate) fn lost(&self, node: i32) {
        self.state.lock().beliefs.lost(node);
    }

    /// Something waits for a leader of this topic, which may have been forgotten meanwhile.
    pub(crate) fn need(&self, topic: &TopicName) {
        self.state.lock().want(topic);
    }

    /// A broker has refused us, or we have refused it. Waiting threads are told at once, and so are those that come after that, until
    /// a broker has taken us.
    pub(crate) fn not_authenticated(&self, error: Error) {
        let mut state = self.state.lock();
        state.not_authenticated = Some(error);
        state.news = bounded(0);
    }

    /// A broker has taken us.
    pub(crate) fn authenticated(&self) {
        self.state.lock().not_authenticated = None;
    }

    /// Turns the answer to the request that is under way into the next picture. It is not published yet.
    pub(crate) fn prepare(&self, response: MetadataResponse, version: i16) -> Picture {
        let (older, asked, mut beliefs) = {
            let mut state = self.state.lock();
            (Arc::clone(&state.cluster), state.schedule.under_way(), std::mem::take(&mut state.beliefs))
        };
        let picture = picture::answered(response, version, &asked, &older, &mut beliefs);
        self.state.lock().beliefs = beliefs;
        picture
    }

    /// Begins with these servers, or begins again: news are wanted. Nobody is woken.
    pub(crate) fn begin(&self, servers: &[Node]) -> Picture {
        let picture = picture::beginning(&self.cluster(), servers);
        let mut state = self.state.lock();
        state.cluster = Arc::clone(&picture.cluster);
        state.schedule.begin_again();
        picture
    }

    /// The picture with leaders that a broker told in another answer; none if it says nothing new.
    pub(crate) fn with_leaders(&self, news: &[LeaderNews], endpoints: &[Node]) -> Option<Picture> {
        picture::hinted(&self.cluster(), news, endpoints)
    }

    /// Makes the picture the current one and wakes all waiting threads. Topics that are not there yet, or have no
    /// leader, are asked for again.
    pub(crate) fn publish(&self, picture: Picture, now: Instant, random: &mut fastrand::Rng) {
        let Picture { cluster, changed, lacking, remarks } = picture;
        self.heard.metadata(now);
        for (topic, remark) in &remarks {
            remark.iter().for_each(|remark| self.heard.error(remarked(topic, remark), now));
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let changed = !changed.is_empty() || state.cluster.nodes != cluster.nodes;
        state.cluster = cluster;
        state.schedule.answered(lacking, changed, now, random);
        let news: Vec<Error> =
            remarks.into_iter().filter_map(|(topic, remark)| state.remark(topic, remark)).collect();
        if !planted(Defect::NobodyHearsNews) {
            state.news = bounded(0);
        }
        drop(guard);
        news.iter().for_each(|error| logging::warn!(labels: error.labels(), "{error}"));
    }

    /// Replaces the picture by one with newer leaders; no request was involved.
    pub(crate) fn publish_leaders(&self, picture: Picture) {
        self.state.lock().cluster = picture.cluster;
    }

    /// Forgets those of the topics that are about to be asked for which nobody has used for `max_idle`. `take_used` says
    /// whether one was used since the last time.
    pub(crate) fn forget_idle(
        &self,
        max_idle: Duration,
        now: Instant,
        take_used: impl Fn(&str) -> bool,
    ) -> Vec<TopicName> {
        let state = &mut *self.state.lock();
        let is_idle = |name: &TopicName, used: &mut Option<Instant>| {
            if take_used(name) || used.is_none() {
                *used = Some(now);
            }
            used.is_none_or(|used| now.saturating_duration_since(used) >= max_idle)
        };
        let idle: Vec<TopicName> = if state.schedule.is_whole(now) {
            let idle =
                state.wanted.iter_mut().filter_map(|(name, used)| is_idle(name, used).then(|| name.clone()));
            idle.collect()
        } else {
            let lacking = state.schedule.lacking();
            lacking
                .filter(|name| state.wanted.get_mut(*name).is_some_and(|used| is_idle(name, used)))
                .cloned()
                .collect()
        };
        if !idle.is_empty() {
            // A thread that needs one of them again has to ask for it.
            let mut cluster = Cluster::clone(&state.cluster);
            for name in &idle {
                cluster.topics.remove(name);
                state.wanted.remove(name);
                state.remarks.remove(name);
                state.schedule.forget(name);
            }
            state.cluster = Arc::new(cluster);
        }
        idle
    }

    /// Sends all waiting threads away: the producer is not open any more.
    pub(crate) fn send_waiters_away(&self) {
        self.state.lock().news = bounded(0);
    }
}

impl MetadataState {
    /// Where no broker has told of the cluster yet: which servers were tried. One alone is named by what went wrong.
    fn servers_in_vain(&self) -> String {
        let mut servers: Vec<&Node> = self.cluster.nodes().collect();
        if !self.cluster.is_bootstrap() || servers.len() < 2 {
            return String::new();
        }
        servers.sort_unstable_by_key(|server| Reverse(server.id()));
        let named: Vec<String> =
            servers.iter().take(SERVERS_NAMED).map(|server| server.to_string()).collect();
        let more = match servers.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("; none of bootstrap.servers has told of the cluster: {}{more}", named.join(", "))
    }

    fn standing(&self, topic: &TopicName, partition: Option<i32>) -> Standing {
        let remark = self.remarks.get(topic).map(|remark| format!(": {remark}")).unwrap_or_default();
        let missing = |kind: ErrorKind, text: String| Error::new(kind, text + &remark);
        let absent = || missing(ErrorKind::Timeout, "not present in metadata".to_owned());
        let Some(info) = self.cluster.topic(topic) else { return Standing::NotYet(absent()) };
        let count = info.partitions.len();
        let has = Counted(count, "partition");
        match (info.error, partition) {
            (
                Some(code @ (ErrorCode::INVALID_TOPIC_EXCEPTION | ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
                _,
            ) => Standing::Never(Error::from_code(code, None).with_topic(topic)),
            (Some(code), _) => {
                let kind = match Error::from_code(code, None).kind() {
                    kind @ ErrorKind::UnknownTopicOrPartition => kind,
                    _ => ErrorKind::Timeout,
                };
                Standing::NotYet(missing(kind, format!("not present in metadata ({code})")).with_code(code))
            }
            (None, Some(partition)) if partition as usize >= count => Standing::NotYet(missing(
                ErrorKind::UnknownTopicOrPartition,
                format!("partition {partition} not present in metadata, the topic has {has}"),
            )),
            (None, _) if count == 0 => Standing::NotYet(absent()),
            (None, _) => Standing::Usable,
        }
    }

    /// Asks for a topic that is not usable yet, as long as somebody waits for it: it, or the partition that is waited
    /// for, may be created meanwhile.
    fn want(&mut self, topic: &TopicName) {
        if self.wanted.contains_key(topic) {
            self.schedule.need(topic);
        } else {
            self.wanted.insert(topic.clone(), None);
            self.schedule.add(topic);
        }
    }

    /// Takes note of what was wrong with what was told of a topic, or that it is all right now. Returns it if it is new.
    fn remark(&mut self, topic: TopicName, remark: Option<String>) -> Option<Error> {
        let Some(remark) = remark else {
            self.remarks.remove(&topic);
            return None;
        };
        let is_new = self.remarks.get(&topic) != Some(&remark);
        let error = is_new.then(|| remarked(&topic, &remark));
        self.remarks.insert(topic, remark);
        error
    }
}

/// What was wrong with what was told of a topic.
fn remarked(topic: &TopicName, remark: &str) -> Error {
    Error::new(ErrorKind::Broker, remark).with_topic(topic)
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

/// As many as an error names of those that were tried in vain.
const SERVERS_NAMED: usize = 10;
