//! `MetadataUpdater`: the requests for metadata, and what their answers change.
//!
//! Owns: when they go and to whom; where to begin, and when to begin again; which cluster it is. Must not know: batches,
//! sequences.
//! Source: Kafka's `NetworkClient.DefaultMetadataUpdater`.

mod bootstrap;
mod cluster_change;
mod cluster_identity;
mod rebootstrap;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::ExponentialBackoff;
use crate::cluster::{Node, broker_behind, is_coordinators};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::last_heard::LastHeard;
use crate::logging;
use crate::metadata::{Metadata, Picture};
use crate::network::{Expect, Network, NetworkClient};
use crate::protocol::{MetadataRequest, MetadataResponse};
use crate::record::TopicName;
use crate::sender::client_request::{
    ClientRequest, ClientResponse, Context, Effects, NewMetadata, ResponseTo,
};
use crate::sender::warnings::Warnings;
use crate::wire::{DecodeError, Decoder};

pub(crate) use bootstrap::Bootstrap;
use cluster_identity::ClusterIdentity;

pub(super) struct MetadataUpdater {
    settings: Arc<Settings>,
    retry_backoff: ExponentialBackoff,
    metadata: Arc<Metadata>,
    heard: Arc<LastHeard>,
    bootstrap: Bootstrap,
    identity: ClusterIdentity,
    warnings: Warnings,
    random: fastrand::Rng,
    /// When a broker may be tried again, where none could be asked.
    no_node_until: Option<Instant>,
    /// The brokers that were asked since something has been sought in vain.
    asked: BTreeSet<i32>,
}

/// What was asked for.
pub(super) struct MetadataContext {
    topics: BTreeSet<TopicName>,
    /// That of the answer, once it is there.
    version: i16,
}

impl Context for MetadataContext {
    type Request = MetadataRequest;

    /// The names of topics are taken from those that were asked for.
    fn decode(&mut self, input: &mut Decoder<'_>) -> Result<ResponseTo<Self>, DecodeError> {
        self.version = input.version();
        let topics = &mut self.topics;
        MetadataResponse::decode_wanted(input, |name| topics.take(name))
    }
}

impl MetadataUpdater {
    pub(super) fn new(
        settings: Arc<Settings>,
        metadata: Arc<Metadata>,
        bootstrap: Bootstrap,
        random: fastrand::Rng,
    ) -> MetadataUpdater {
        metadata.begin(bootstrap.servers());
        MetadataUpdater {
            retry_backoff: settings.retry(),
            settings,
            heard: Arc::clone(metadata.heard()),
            metadata,
            bootstrap,
            identity: ClusterIdentity::default(),
            warnings: Warnings::new(),
            random,
            no_node_until: None,
            asked: BTreeSet::new(),
        }
    }

    /// When metadata is due, or where to begin has to be looked up; none while there is nobody to ask or the answer is on
    /// its way.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        // What is due already is waiting for a broker: its connection, or the end of its backoff, brings us back.
        let due = self.metadata.due(now).into_iter().filter(|time| *time > now);
        due.chain(self.no_node_until).chain(self.rebootstrap_due()).chain(self.bootstrap.due()).min()
    }

    /// The request for metadata, if it is time for one and a broker can be asked. `take_used`: whether a topic was used
    /// since that was asked last.
    pub(super) fn request<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        take_used: impl Fn(&str) -> bool,
        now: Instant,
    ) -> (Option<ClientRequest<MetadataContext>>, Effects) {
        self.no_node_until = None;
        if self.bootstrap.servers().is_empty() || self.metadata.due(now).is_none_or(|due| due > now) {
            return (None, Effects::none());
        }
        let since = self.bootstrap.seek(now);
        let beginning = self.rebootstrap_if_out_of_reach(client, since, now);
        let idle_topics = self.metadata.forget_idle(self.settings.metadata_max_idle, now, take_used);
        for topic in &idle_topics {
            logging::debug!("{topic}: not used for metadata.max.idle.ms, forgotten");
        }
        let outgoing = self.ask(client, now);
        if outgoing.is_none() {
            self.tell_what_is_waited_for(client, now);
        }
        (outgoing, Effects { beginning, idle_topics: Some(idle_topics), ..Effects::none() })
    }

    /// The sender thread was elsewhere for this long: that does not count as time spent looking for the cluster.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.bootstrap.postpone(by);
    }

    fn ask<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        now: Instant,
    ) -> Option<ClientRequest<MetadataContext>> {
        let node = match self.node_to_ask(client, now) {
            Ok(node) => node,
            Err(again) => {
                self.no_node_until = again;
                return None;
            }
        };
        self.asked.insert(node);
        let topics = self.metadata.begin_request(now);
        self.identity.ask(self.metadata.asks_for_all());
        let context = MetadataContext { topics: topics.iter().cloned().collect(), version: 0 };
        let request = MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true };
        let expect = Expect::AnswerWithin(self.settings.request_timeout);
        Some(ClientRequest { node, request, expect, context })
    }

    /// What was sought in vain of one broker is sought of another: one that lags behind or lies would be asked for ever where
    /// it is the only one that is connected. It is asked again where the others cannot be yet; to one of those a connection
    /// is begun meanwhile.
    fn node_to_ask<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        now: Instant,
    ) -> Result<i32, Option<Instant>> {
        let unable = self.unable_to_tell(client);
        let cluster = self.metadata.cluster();
        let is_able = |node: i32| !unable.contains(&node);
        let all_were_asked =
            cluster.nodes().map(Node::id).filter(|id| is_able(*id)).all(|id| self.asked.contains(&id));
        if all_were_asked || !self.metadata.seeks_again() {
            self.asked.clear();
        }
        let is_untried = |node: i32| is_able(node) && !self.asked.contains(&node);
        match client.any_ready_node(&cluster, is_untried, now) {
            Err(_) if !self.asked.is_empty() => client.any_ready_node(&cluster, is_able, now),
            found => found,
        }
    }

    /// The brokers that are known not to speak Metadata in a version of ours; none where that are all of them, so that
    /// one is asked and its error told.
    fn unable_to_tell<N: Network, T>(&self, client: &NetworkClient<N, T>) -> Vec<i32> {
        let request = MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: true };
        let cluster = self.metadata.cluster();
        let speaks = |node: &&Node| client.speaks(node.id(), &request);
        if !cluster.nodes().any(|node| speaks(&node)) {
            return Vec::new();
        }
        cluster.nodes().filter(|node| !speaks(node)).map(Node::id).collect()
    }

    /// For those who wait for metadata no longer than this: nothing has failed yet.
    pub(super) fn tell_what_is_waited_for<N: Network, T>(&self, client: &NetworkClient<N, T>, now: Instant) {
        let cluster = self.metadata.cluster();
        self.heard.metadata_waits_for(cluster.nodes().find_map(|node| client.waited_for(node, now)));
    }

    /// A request for metadata is over.
    pub(super) fn answered(
        &mut self,
        context: MetadataContext,
        answer: ClientResponse<MetadataContext>,
        now: Instant,
    ) -> Effects {
        let node = answer.node;
        let response = match answer.response {
            Ok(response) => response,
            Err(failure) => return self.failed(failure.error, now),
        };
        if !response.error_code.is_none() || response.brokers.is_empty() {
            let code = response.error_code;
            let error = match code.is_none() {
                true => Error::new(ErrorKind::Broker, "the metadata names no broker"),
                false => Error::from_code(code, None),
            };
            let effects = self.failed(error.with_node(node), now);
            return match code == ErrorCode::REBOOTSTRAP_REQUIRED && self.rebootstraps() {
                true => self.rebootstrap("a broker answered 129 REBOOTSTRAP_REQUIRED", now),
                false => effects,
            };
        }
        let mut effects = match self.look_who_answers(&response, node) {
            Ok(effects) => effects,
            Err(error) => return Effects::fatal(error),
        };
        let told = response.topics.iter();
        let topics: Vec<_> = told.map(|topic| (topic.name.clone(), topic.error_code)).collect();
        let picture = self.metadata.prepare(response, context.version);
        effects.metadata = Some(NewMetadata { picture, topics });
        effects
    }

    fn failed(&mut self, error: Error, now: Instant) -> Effects {
        self.metadata.failed(error, now, &mut self.random);
        Effects::none()
    }

    /// Lets those go on who wait for news: everything here goes by this picture of the cluster.
    pub(super) fn publish(&mut self, picture: Picture, topics: &[(TopicName, ErrorCode)], now: Instant) {
        self.metadata.publish(picture, now, &mut self.random);
        self.bootstrap.sought();
        topics.iter().for_each(|(topic, code)| self.warnings.topic(topic, *code, now));
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, node: i32) {
        self.metadata.authenticated();
        if is_coordinators(node) {
            return;
        }
        logging::debug!("connected to broker {node}");
        // No batch goes to a server to begin with.
        if self.identity.connected(node) && node >= 0 && self.minds_the_cluster() {
            self.metadata.doubt();
        }
    }

    /// An idle connection was closed.
    pub(super) fn closed(&mut self, node: i32) {
        // No batch went to a server to begin with.
        if node >= 0 {
            self.identity.lost();
        }
    }

    /// A connection was lost, or could not be made. To wait longer for a broker that does not believe who we are helps
    /// nobody: whoever waits is told.
    pub(super) fn disconnected(&mut self, node: i32, error: Error, now: Instant) -> Effects {
        let broker = broker_behind(node);
        let error = broker.map_or(error.clone(), |broker| error.with_node(broker));
        self.heard.error(error.clone(), now);
        self.metadata.lost(node);
        self.identity.lost();
        self.metadata.request_update();
        if error.kind() != ErrorKind::Authentication {
            return Effects::none();
        }
        self.metadata.not_authenticated(error.clone());
        Effects { not_authenticated: Some((node, error)), ..Effects::none() }
    }
}
