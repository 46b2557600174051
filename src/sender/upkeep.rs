//! Metadata: the requests for it, and what their answers change.
//!
//! Owns: when they go and to whom, and when the loop has to look after this or the producer id. Must not know: batches.

use std::time::Instant;

use crate::cluster::Node;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::logging;
use crate::metadata::Picture;
use crate::network::{Expect, Network, Readiness};
use crate::protocol::{MetadataRequest, MetadataResponse};
use crate::record::TopicName;
use crate::sender::Sender;
use crate::sender::note::Note;
use crate::wire::Decoder;

impl<N: Network> Sender<N> {
    /// When metadata or a producer id is due; none while there is nobody to ask or the answer is on its way.
    pub(super) fn upkeep_due(&self, now: Instant) -> Option<Instant> {
        let producer_id = self.producer_id_due();
        // What is due already is waiting for a broker: its connection, or the end of its backoff, brings us back.
        let due = self.metadata.due(now).into_iter().chain(producer_id).filter(|time| *time > now);
        due.chain(self.nobody_until).chain(self.rebootstrap_due()).chain(self.bootstrap.due()).min()
    }

    /// Asks for metadata if it is time to.
    pub(super) fn refresh_metadata(&mut self, now: Instant) {
        if self.bootstrap.servers().is_empty() {
            return;
        }
        if self.rebootstrap_due().is_some_and(|due| due <= self.heard(now)) {
            self.rebootstrap("no metadata for metadata.recovery.rebootstrap.trigger.ms", now);
        }
        if self.metadata.due(now).is_none_or(|due| due > now) {
            return;
        }
        self.bootstrap.seek(now);
        self.recover(now);
        self.forget_idle_topics(now);
        let unable = self.unable_to_tell();
        let Some(node) = self.any_ready_node(now, |node| !unable.contains(&node)) else {
            return self.tell_what_is_waited_for(now);
        };
        let topics = self.metadata.begin_request(now);
        let request = MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true };
        let expect = Expect::AnswerWithin(self.settings.request_timeout);
        self.home.ask(self.metadata.asks_for_all());
        if let Err((_, error)) = self.client.send(node, &request, expect, Note::Metadata, now) {
            return self.metadata.failed(error, now, &mut self.random);
        }
        self.tell_what_is_waited_for(now);
    }

    /// The brokers that are known not to speak Metadata in a version of ours; none where that are all of them, so that
    /// one is asked and its error told.
    fn unable_to_tell(&self) -> Vec<i32> {
        let request = MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: true };
        let cluster = self.metadata.cluster();
        let speaks = |node: &&Node| self.client.speaks(node.id(), &request);
        if !cluster.nodes().any(|node| speaks(&node)) {
            return Vec::new();
        }
        cluster.nodes().filter(|node| !speaks(node)).map(Node::id).collect()
    }

    /// For those who wait for metadata no longer than this: nothing has failed yet.
    fn tell_what_is_waited_for(&self, now: Instant) {
        let waited_for = self.metadata.cluster().nodes().find_map(|node| self.client.waited_for(node, now));
        self.metadata.note_waited_for(waited_for);
    }

    pub(super) fn metadata_answered(&mut self, node: i32, version: i16, frame: Vec<u8>, now: Instant) {
        let mut asked = self.metadata.asked();
        let decode =
            |input: &mut Decoder<'_>| MetadataResponse::decode_wanted(input, |name| asked.take(name));
        let read = self.client.read_with::<MetadataRequest>(node, (version, &frame), now, decode);
        drop(frame); // It may be large, and so is what follows.
        let response = match read {
            Ok(response) => response,
            Err(error) => return self.metadata.failed(error, now, &mut self.random),
        };
        if !response.error_code.is_none() || response.brokers.is_empty() {
            let code = response.error_code;
            let error = match code.is_none() {
                true => Error::new(ErrorKind::Broker, "the metadata names no broker"),
                false => Error::from_code(code, None),
            };
            let error = error.with_node(node);
            self.metadata.failed(error, now, &mut self.random);
            if code == ErrorCode::REBOOTSTRAP_REQUIRED && self.rebootstraps() {
                self.rebootstrap("a broker asks for it", now);
            }
            return;
        }
        let topics = response.topics.iter();
        let answered: Vec<_> = topics.map(|topic| (topic.name.clone(), topic.error_code)).collect();
        let Some(is_set_up_anew) = self.look_who_answers(&response, node, now) else { return };
        let picture = self.metadata.prepare(response, version);
        self.take_over(&picture, now);
        if is_set_up_anew {
            self.become_another();
        }
        self.client.retain(|id| picture.cluster.node(id).is_some());
        self.metadata.publish(picture, now, &mut self.random);
        self.free_what_is_forgotten();
        self.bootstrap.sought();
        answered.iter().for_each(|(topic, code)| self.troubles.topic(topic, *code, now));
        let cluster = self.metadata.cluster();
        for (topic, partition) in self.drain.leaderless() {
            let why = cluster.no_leader(topic, partition);
            self.troubles.leaderless((topic, partition), why, now);
        }
        self.fail_absent(&answered, now);
    }

    /// Fails what waits for partitions that are not there any more, once that is certain.
    fn fail_absent(&mut self, answered: &[(TopicName, ErrorCode)], now: Instant) {
        let (absent, longest) = (self.drain.absent().collect(), self.settings.retry_backoff.longest());
        for absent in self.absences.look(absent, answered, longest, now) {
            let error = Error::new(ErrorKind::Broker, absent.to_string());
            let error = error.with_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            for batch in self.drain.take_waiting_of(absent.index, now) {
                self.fail(absent.index, batch, error.clone(), Vec::new(), now);
            }
            self.after_outcome(absent.index, now);
        }
    }

    /// Makes everything here go by this picture of the cluster. Before it is published: whoever waits for a topic finds it.
    pub(super) fn take_over(&mut self, picture: &Picture, now: Instant) {
        let Picture { cluster, changed, .. } = picture;
        for index in self.accumulator.update_topics(cluster, changed, &mut self.leaders) {
            self.transaction.topic_created_again(index);
        }
        self.drain.update_cluster(cluster, changed, now);
    }

    /// A broker that can be asked now. Where there is none, a connection is begun, and this is asked again when it
    /// stands, or when a broker may be tried again that failed or asked for a pause.
    pub(super) fn any_ready_node(&mut self, now: Instant, is_welcome: impl Fn(i32) -> bool) -> Option<i32> {
        let cluster = self.metadata.cluster();
        let welcome = cluster.nodes().filter(|node| is_welcome(node.id()));
        if let Some(node) = self.client.least_loaded(welcome, now)
            && self.client.ready(node, now) == Readiness::Ready
        {
            return Some(node.id());
        }
        let welcome = cluster.nodes().filter(|node| is_welcome(node.id()));
        let again = welcome.filter_map(|node| self.client.not_before(node, now));
        self.nobody_until = self.nobody_until.into_iter().chain(again).min();
        None
    }

    /// Frees what is kept of topics that are not there any more, or not used, once nothing of them is left.
    fn free_what_is_forgotten(&mut self) {
        let drain = &self.drain;
        let forgotten = self.accumulator.forget_retired(|index| drain.is_idle(index));
        self.drain.forget(&forgotten);
        forgotten.into_iter().for_each(|index| self.transaction.forget(index));
    }

    fn forget_idle_topics(&mut self, now: Instant) {
        let accumulator = &self.accumulator;
        let take_used = |name: &str| accumulator.topic(name).is_some_and(|topic| topic.take_used());
        for topic in self.metadata.forget_idle(self.settings.metadata_max_idle, now, take_used) {
            logging::debug!("{topic}: not used for metadata.max.idle.ms, forgotten");
            self.accumulator.retire_topic(&topic);
        }
        self.free_what_is_forgotten();
    }
}
