//! `Telemetry`: this producer's metrics, for those who have subscribed to them at the cluster (KIP-714).
//!
//! Owns: whom to ask and to tell, the requests and what follows from their answers. Must not know: what is measured, batches,
//! transactions.
//! Threads: the sender thread. Time and chance come in as arguments.
//! Holds: it has a connection of its own, so that no record waits behind it, whatever a broker does; what goes wrong here concerns
//! nothing else. Nothing is asked before a broker has said that it knows the request.
//! Source: Kafka's `NetworkClient.TelemetrySender`, `ClientTelemetryReporter`.

mod otlp;
mod subscription;
mod telemetry_payload;
mod telemetry_schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;

use crate::cluster::{Cluster, Node, broker_behind};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::log_labels::LogLabels;
use crate::logging;
use crate::network::{Expect, Network, NetworkClient, Readiness};
use crate::protocol::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest, Request,
};
use crate::record_batch::Codec;
use crate::sender::client_request::{ClientRequest, ClientResponse, Context, Effects};
use crate::sender::control::Control;
use crate::stage;
use crate::uuid::Uuid;
use subscription::Subscription;
use telemetry_payload::TelemetryPayload;
use telemetry_schedule::{TelemetryPhase, TelemetrySchedule, TelemetryVerdict};

pub(super) struct Telemetry {
    /// None where it is turned off.
    schedule: Option<TelemetrySchedule>,
    settings: Arc<Settings>,
    control: Arc<Control>,
    payload: TelemetryPayload,
    /// A broker has said that it knows the request.
    is_known: bool,
    /// The broker that was asked last: it is asked as long as it can be.
    broker: Option<i32>,
    /// Brokers that do not know the request.
    unable: Vec<i32>,
    /// Brokers that could not be connected, or were lost, since one has answered.
    lost: Vec<i32>,
    /// When a broker may be tried again, where none could be.
    no_node_until: Option<Instant>,
    /// Codecs that have failed here.
    failed_codecs: Vec<Codec>,
    /// The number of the last request; the answers of others come too late.
    last_request: u64,
    random: fastrand::Rng,
}

/// What is to be sent.
pub(super) enum TelemetryCall {
    GetSubscriptions(ClientRequest<SubscriptionsContext>),
    Push(ClientRequest<PushContext>),
}

/// Which request it was.
pub(super) struct SubscriptionsContext(u64);

impl Context for SubscriptionsContext {
    type Request = GetTelemetrySubscriptionsRequest;
}

/// Which request it was.
pub(super) struct PushContext(u64);

impl Context for PushContext {
    type Request = PushTelemetryRequest;
}

impl Telemetry {
    pub(super) fn new(settings: Arc<Settings>, control: Arc<Control>, random: fastrand::Rng) -> Telemetry {
        let created = control.meters().started();
        Telemetry {
            schedule: settings.enable_metrics_push.then(TelemetrySchedule::new),
            payload: TelemetryPayload::new(
                settings.transactional_id.as_deref(),
                settings.client_rack.as_deref(),
                created,
            ),
            settings,
            control,
            is_known: false,
            broker: None,
            unable: Vec::new(),
            lost: Vec::new(),
            no_node_until: None,
            failed_codecs: Vec::new(),
            last_request: 0,
            random,
        }
    }

    /// When there is something to do; none while an answer or a connection is waited for, and where nobody wants anything.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let schedule = self.schedule.as_ref().filter(|_| self.is_known)?;
        // What is due already is waiting for a broker: its connection, or the end of its backoff, brings us back.
        let due = schedule.due(now).filter(|due| *due > now);
        due.into_iter().chain(self.no_node_until).chain(schedule.last_push_until()).min()
    }

    /// Whether it is time for a request.
    #[inline]
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.no_node_until = None;
        let is_due = |schedule: &TelemetrySchedule| schedule.due(now).is_some_and(|due| due <= now);
        self.is_known && self.schedule.as_ref().is_some_and(is_due)
    }

    /// The request that is due, if a broker can be asked.
    #[cold]
    pub(super) fn request<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        now: Instant,
    ) -> Option<TelemetryCall> {
        let phase = self.schedule.as_ref()?.phase();
        let node = self.node_to_ask(client, now)?;
        if phase == TelemetryPhase::SubscriptionNeeded {
            return self.get_subscriptions(node);
        }
        self.push(node, phase == TelemetryPhase::TerminatingPushNeeded, now)
    }

    fn get_subscriptions(&mut self, node: i32) -> Option<TelemetryCall> {
        let schedule = self.schedule.as_mut()?;
        let client_instance_id = schedule.subscription().map_or(Uuid::ZERO, |it| it.client_instance_id);
        schedule.requested();
        self.last_request += 1;
        Some(TelemetryCall::GetSubscriptions(ClientRequest {
            node,
            request: GetTelemetrySubscriptionsRequest { client_instance_id },
            expect: Expect::AnswerWithin(self.settings.request_timeout),
            context: SubscriptionsContext(self.last_request),
        }))
    }

    fn push(&mut self, node: i32, terminating: bool, now: Instant) -> Option<TelemetryCall> {
        let schedule = self.schedule.as_mut()?;
        let subscription = schedule.subscription()?;
        let data = self.payload.collect(&self.control.metrics(now), subscription, stage::wall());
        let (codec, bytes) = compress(subscription, &mut self.failed_codecs, data.encode_to_vec());
        if let Some(most) = subscription.max_bytes.filter(|most| bytes.len() > *most) {
            logging::debug!(
                "telemetry: {} bytes of metrics, and brokers take {most}: not pushed",
                bytes.len()
            );
            schedule.refused(ErrorCode::TELEMETRY_TOO_LARGE, now);
            return None;
        }
        let request = PushTelemetryRequest {
            client_instance_id: subscription.client_instance_id,
            subscription_id: subscription.id,
            terminating,
            compression_type: codec.id() as i8,
            metrics: Arc::new(bytes),
        };
        schedule.requested();
        self.last_request += 1;
        let expect = Expect::AnswerWithin(self.settings.request_timeout);
        Some(TelemetryCall::Push(ClientRequest {
            node,
            request,
            expect,
            context: PushContext(self.last_request),
        }))
    }

    /// The same broker as before as long as it can be connected, else another: one that is connected already, for records, rather
    /// than one that is not.
    fn node_to_ask<N: Network, T>(&mut self, client: &mut NetworkClient<N, T>, now: Instant) -> Option<i32> {
        let cluster = self.control.metadata().cluster();
        if cluster.is_bootstrap() {
            return None;
        }
        let kept = self.broker.and_then(|broker| cluster.node(broker)).filter(|it| self.is_able(it.id()));
        let chosen = match kept.cloned() {
            Some(node) => node,
            None => self.choose(client, &cluster, now)?,
        };
        self.broker = Some(chosen.id());
        let node = chosen.into_telemetry()?;
        match client.ready(&node, now) {
            Readiness::Ready => return Some(node.id()),
            Readiness::Waiting => {}
            Readiness::NotBefore(again) => self.no_node_until = Some(again),
        }
        None
    }

    fn choose<N: Network, T>(
        &mut self,
        client: &NetworkClient<N, T>,
        cluster: &Cluster,
        now: Instant,
    ) -> Option<Node> {
        let mut able: Vec<&Node> = cluster.nodes().filter(|node| self.is_able(node.id())).collect();
        if able.is_empty() {
            // Nobody is left to be tried: in a while all are.
            self.lost.clear();
            self.schedule.as_mut()?.unanswered(now);
            return None;
        }
        self.random.shuffle(&mut able);
        let knows = |node: &Node| client.range(node.id(), GetTelemetrySubscriptionsRequest::KEY).is_some();
        able.iter().find(|node| knows(node)).or(able.first()).map(|node| (*node).clone())
    }

    fn is_able(&self, broker: i32) -> bool {
        let has_id = |broker: i32| broker <= i32::MAX / 8;
        has_id(broker) && !self.unable.contains(&broker) && !self.lost.contains(&broker)
    }

    /// A connection stands: whether the broker there knows the request.
    pub(super) fn connected<N: Network, T>(&mut self, client: &NetworkClient<N, T>, node: i32) {
        if self.schedule.is_none() {
            return;
        }
        let knows = client.range(node, GetTelemetrySubscriptionsRequest::KEY).is_some();
        self.is_known |= knows;
        if let Some(broker) = broker_behind(node) {
            self.unable.retain(|other| *other != broker);
            self.unable.extend((!knows).then_some(broker));
        }
    }

    /// Its own connection was lost, or could not be made. What was on its way there is told apart from that.
    pub(super) fn disconnected(&mut self, node: i32, error: &Error) {
        logging::debug!("telemetry: {error}");
        if let Some(broker) = broker_behind(node) {
            self.broker = self.broker.filter(|kept| *kept != broker);
            if !self.lost.contains(&broker) {
                self.lost.push(broker);
            }
        }
    }

    /// What the cluster wants is told, or it is not.
    pub(super) fn subscriptions_told(
        &mut self,
        context: SubscriptionsContext,
        answer: ClientResponse<SubscriptionsContext>,
        now: Instant,
    ) -> Effects {
        if context.0 != self.last_request {
            return Effects::none();
        }
        match answer.response {
            Ok(response) if response.error_code.is_none() => self.subscribed(response, now),
            Ok(response) => self.refused(response.error_code, now),
            Err(failure) => self.unanswered(&failure.error, now),
        }
        Effects::none()
    }

    fn subscribed(&mut self, response: GetTelemetrySubscriptionsResponse, now: Instant) {
        self.lost.clear();
        let Some(schedule) = &mut self.schedule else { return };
        let Some(subscription) = Subscription::read(response) else {
            logging::debug!("telemetry: the broker gave no client instance id");
            return schedule.unanswered(now);
        };
        logging::debug!("telemetry: {subscription:?}");
        let id = subscription.client_instance_id;
        if self.control.instance().id() != Some(id) {
            logging::info!("telemetry: brokers know this producer by the client instance id {id}");
            self.control.instance().tell(id);
        }
        schedule.subscribed(subscription, self.random.f64(), now);
    }

    /// A push has arrived, or it has not.
    pub(super) fn pushed(
        &mut self,
        context: PushContext,
        answer: ClientResponse<PushContext>,
        now: Instant,
    ) -> Effects {
        if context.0 != self.last_request {
            return Effects::none();
        }
        match answer.response {
            Ok(response) if response.error_code.is_none() => {
                self.lost.clear();
                self.schedule.iter_mut().for_each(|schedule| schedule.pushed(now));
            }
            Ok(response) => self.refused(response.error_code, now),
            Err(failure) => self.unanswered(&failure.error, now),
        }
        Effects::none()
    }

    fn refused(&mut self, code: ErrorCode, now: Instant) {
        match self.schedule.as_mut().and_then(|schedule| schedule.refused(code, now)) {
            Some(TelemetryVerdict::GiveUp) => {
                let labels = LogLabels { node: self.broker, ..LogLabels::NONE }.with_code(code.0);
                logging::warn!(labels: labels, "telemetry: the broker answered {code}: no metrics are pushed any more");
            }
            Some(TelemetryVerdict::AskAgain(wait)) => {
                logging::debug!("telemetry: the broker answered {code}, it is asked again after {wait:?}");
            }
            None => {}
        }
    }

    /// One that could not even be asked does not know the request: another may.
    fn unanswered(&mut self, error: &Error, now: Instant) {
        logging::debug!("telemetry: {error}");
        if error.kind() == ErrorKind::UnsupportedVersion {
            self.unable.extend(self.broker.take());
        }
        self.schedule.iter_mut().for_each(|schedule| schedule.unanswered(now));
    }

    /// The producer is being closed, and all else is done: whether a last push is to be waited for.
    pub(super) fn makes_last_push<N: Network, T>(
        &mut self,
        client: &NetworkClient<N, T>,
        now: Instant,
    ) -> bool {
        let Some(schedule) = &mut self.schedule else { return false };
        let node = self.broker.and_then(|broker| self.control.metadata().cluster().node(broker).cloned());
        let node = node.and_then(Node::into_telemetry);
        let can_push = node.is_some_and(|node| client.is_connected(node.id()));
        schedule.close(can_push, self.settings.request_timeout.min(LONGEST_GOODBYE), now);
        schedule.last_push_until().is_some()
    }

    /// Whether a last push is on its way, or about to be.
    pub(super) fn is_making_last_push(&self) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.last_push_until().is_some())
    }
}

/// For how long a producer that is being closed waits for the answer to its last push. Java waits for `request.timeout.ms`.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// In the codec that brokers like best of those that work.
fn compress(subscription: &Subscription, failed: &mut Vec<Codec>, bytes: Vec<u8>) -> (Codec, Vec<u8>) {
    let codec = subscription.codecs.iter().copied().find(|codec| !failed.contains(codec));
    let Some(codec) = codec.filter(|codec| *codec != Codec::None) else { return (Codec::None, bytes) };
    let mut compressed = Vec::new();
    match codec.compress(&bytes, &mut compressed) {
        Ok(()) => (codec, compressed),
        Err(error) => {
            logging::debug!("telemetry: {codec:?}: {error}; uncompressed from now on");
            failed.push(codec);
            (Codec::None, bytes)
        }
    }
}
