//! The rules of the cluster: what its brokers do with a request, without sockets, threads or a clock.
//!
//! Owns: all state of the cluster, the connections and their answers. Must not know: where bytes come from.
//! Time is an argument. Whoever drives the rules (the socket server, a simulation) calls `handle` with what
//! arrives and `due` when `next_due` has come, and carries out the actions in the order given.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use super::answers::{Answer, ClientConnection};
use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_builder::{EmbeddedClusterBuilder, FinalizedFeatures, InvalidCluster};
use super::cluster_state::ClusterState;
use super::fault::{FaultList, FaultPlan};
use super::fetch::{self, WaitingFetch};
use super::metadata::{self, MetadataAnswer, ShownCluster};
use super::produce_request::{self, ProduceAnswer};
use super::request_log::RequestLog;
use super::rewrite::{Frame, Rewriter};
use super::shape;
use super::telemetry_options::TelemetryState;
use super::transaction_coordinator::TransactionCoordinator;

/// A connection of a client to one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u64);

/// What is to be done on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// On which one.
    pub connection: ConnectionId,
    /// When it became due; not later than the time that was given.
    pub at: Instant,
    /// What.
    pub kind: ActionKind,
}

/// What is to be done on a connection: an answer, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionKind {
    /// These bytes go to the client: one answer, its four bytes of length in front, or what was put in its place
    /// by [`ClusterRules::rewrite_answers`].
    Answer(Vec<u8>),
    /// The broker closes the connection. The rules have forgotten it already.
    Close,
}

/// The broker is stopped, or there is none of this id: nobody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("connection refused: the broker does not run")
    }
}

impl Error for Refused {}

/// The embedded cluster without sockets, threads and clock; made by
/// [`EmbeddedClusterBuilder::rules`](super::EmbeddedClusterBuilder::rules).
///
/// [`EmbeddedCluster`](super::EmbeddedCluster) drives it with sockets; a simulation drives it in one thread
/// with a time of its own. A frame is a request or an answer; on the wire four bytes with its length come
/// first ([`frame_length`](Self::frame_length)).
#[derive(Debug)]
pub struct ClusterRules {
    pub(super) settings: EmbeddedClusterBuilder,
    pub(super) cluster: ClusterState,
    pub(super) coordinator: TransactionCoordinator,
    pub(super) faults: FaultList,
    pub(super) rewriter: Rewriter,
    pub(super) request_log: RequestLog,
    pub(super) telemetry: TelemetryState,
    /// The brokers whose Metadata has stopped, and what they go on showing.
    pub(super) frozen: BTreeMap<i32, ShownCluster>,
    pub(super) connections: BTreeMap<ConnectionId, ClientConnection>,
    /// Whether a waiting Fetch might have got enough.
    pub(super) changed: bool,
    pub(super) start: Instant,
    pub(super) start_ms: i64,
}

/// A request whose first bytes have been read.
pub(super) struct Incoming {
    pub(super) now: Instant,
    pub(super) api: Api,
    pub(super) broker: i32,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

/// What has come of a request.
pub(super) enum RequestOutcome {
    Answer(Frame),
    /// An answer that has no form: its length, and what it says.
    Bare(Vec<u8>),
    /// After this much time this is sent, and the connection is closed.
    Refuse {
        answer: Option<Frame>,
        delay: Duration,
    },
    Wait(Box<WaitingFetch>),
    /// `acks=0`: nothing is told.
    Silence,
    Close,
}

impl ClusterRules {
    /// The largest frame that a broker reads, as Kafka's `socket.request.max.bytes`.
    pub const MAX_FRAME_BYTES: usize = 104_857_600;

    pub(super) fn new(settings: EmbeddedClusterBuilder, now: Instant, unix_ms: i64) -> Self {
        let mut cluster = ClusterState::new(settings.brokers, &settings.racks);
        for (name, config) in &settings.topics {
            cluster.create_topic(name, config.clone());
        }
        let telemetry = TelemetryState::new(settings.telemetry.clone());
        Self {
            settings,
            telemetry,
            cluster,
            coordinator: TransactionCoordinator::default(),
            faults: FaultList::default(),
            rewriter: Rewriter::default(),
            request_log: RequestLog::default(),
            frozen: BTreeMap::new(),
            connections: BTreeMap::new(),
            changed: false,
            start: now,
            start_ms: unix_ms,
        }
    }

    /// The length of a frame from the four bytes before it; `None` if a broker closes the connection at it.
    #[must_use]
    pub fn frame_length(prefix: [u8; 4]) -> Option<usize> {
        let length = usize::try_from(i32::from_be_bytes(prefix)).ok()?;
        (length <= Self::MAX_FRAME_BYTES).then_some(length)
    }

    /// A client connects to a broker.
    ///
    /// # Errors
    ///
    /// If the broker is stopped or does not exist.
    pub fn connect(&mut self, broker: i32) -> Result<ConnectionId, Refused> {
        if !self.cluster.is_live(broker) {
            return Err(Refused);
        }
        self.request_log.connections += 1;
        let id = ConnectionId(self.request_log.connections);
        self.connections.insert(id, ClientConnection::new(broker));
        Ok(id)
    }

    /// The client has closed a connection, or it broke.
    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// A frame (without the four bytes of length) has arrived. What becomes due at once is returned, what
    /// comes later by [`due`](Self::due).
    pub fn handle(&mut self, now: Instant, connection: ConnectionId, frame: Vec<u8>) -> Vec<Action> {
        let Some(broker) = self.connections.get(&connection).map(|known| known.broker) else {
            return Vec::new();
        };
        self.complete_transactions(now);
        let frame = Bytes::from(frame);
        let step = self.login_step(now, connection, &frame);
        let (plan, outcome) = match step.or_else(|| self.answer(now, broker, frame)) {
            Some(handled) => handled,
            None => (FaultPlan::default(), RequestOutcome::Close),
        };
        self.complete_transactions(now);
        let is_answered = !matches!(outcome, RequestOutcome::Silence | RequestOutcome::Close);
        self.request_log.acted(plan.effects(is_answered));
        if plan.cuts_before() || plan.cuts_after() {
            self.connections.remove(&connection);
            let mut actions = vec![Action { connection, at: now, kind: ActionKind::Close }];
            actions.extend(self.release_if_changed(now));
            return actions;
        }
        let at = now + self.settings.answer_delay + plan.delay();
        let answers = match outcome {
            RequestOutcome::Silence => Vec::new(),
            RequestOutcome::Close => vec![Answer::Close { at: now }],
            _ if plan.drops_answer() => vec![Answer::Lost],
            RequestOutcome::Answer(frame) => self.rewriter.answers(frame, at),
            RequestOutcome::Bare(frame) => vec![Answer::Ready { at, frame }],
            RequestOutcome::Refuse { answer, delay } => {
                let at = at + delay;
                let told = answer.map(|frame| self.rewriter.answers(frame, at)).unwrap_or_default();
                told.into_iter().chain([Answer::Close { at }]).collect()
            }
            RequestOutcome::Wait(fetch) => vec![Answer::Waiting(fetch)],
        };
        if let Some(known) = self.connections.get_mut(&connection) {
            known.answers.extend(answers);
        }
        let mut actions = Vec::new();
        self.release(now, connection, &mut actions);
        actions.extend(self.release_if_changed(now));
        actions
    }

    /// What has become due by now, in all connections.
    pub fn due(&mut self, now: Instant) -> Vec<Action> {
        self.complete_transactions(now);
        self.changed = false;
        let mut actions = Vec::new();
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.release(now, connection, &mut actions);
        }
        actions
    }

    /// When [`due`](Self::due) will have something, as far as is known now.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let answers = self.connections.values().filter_map(ClientConnection::next_due);
        answers.chain(self.coordinator.next_due()).min()
    }

    pub(super) fn release_if_changed(&mut self, now: Instant) -> Vec<Action> {
        if self.changed { self.due(now) } else { Vec::new() }
    }

    /// Takes from a connection what is due.
    fn release(&mut self, now: Instant, connection: ConnectionId, actions: &mut Vec<Action>) {
        while let Some(known) = self.connections.get_mut(&connection) {
            if let Some(waiting) = known.waiting_fetch() {
                let Some(frame) = end_wait(&self.cluster, known.broker, waiting, now) else {
                    return;
                };
                let at = now + waiting.delay;
                let close = || vec![Answer::Close { at }];
                let answers = frame.map_or_else(close, |frame| self.rewriter.answers(frame, at));
                known.answers.pop_front();
                answers.into_iter().rev().for_each(|answer| known.answers.push_front(answer));
                continue;
            }
            match known.pop_due(now) {
                Some(Answer::Ready { at, frame }) => {
                    actions.push(Action { connection, at, kind: ActionKind::Answer(frame) });
                }
                Some(Answer::Close { at }) => {
                    self.connections.remove(&connection);
                    actions.push(Action { connection, at, kind: ActionKind::Close });
                }
                _ => return,
            }
        }
    }

    /// Reads a frame and does what it asks; `None` closes the connection, as a broker does at what it cannot
    /// read.
    fn answer(&mut self, now: Instant, broker: i32, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let (api, version, correlation_id) = read_start(&frame)?;
        self.request_log.count(api);
        let told = self.settings.versions.get(&api);
        if !told.is_some_and(|versions| versions.contains(&version)) {
            return (api == Api::ApiVersions).then(|| self.unsupported_version(broker, correlation_id));
        }
        if !shape::is_sound(api, version, frame.get(START_BYTES..)?) {
            return None;
        }
        RequestHeader::decode(&mut frame, if version >= api.flexible_from() { 2 } else { 1 }).ok()?;
        let incoming = Incoming { now, api, broker, version, correlation_id };
        match api {
            Api::Produce => self.produce(&incoming, frame),
            Api::Fetch => self.fetch(&incoming, frame),
            Api::ListOffsets => self.list_offsets(&incoming, frame),
            Api::Metadata => self.metadata(&incoming, frame),
            Api::ApiVersions => self.api_versions(&incoming, frame),
            Api::InitProducerId => self.init_producer_id(&incoming, frame),
            Api::FindCoordinator => self.find_coordinator(&incoming, frame),
            Api::AddPartitionsToTxn => self.add_partitions_to_txn(&incoming, frame),
            Api::AddOffsetsToTxn => self.add_offsets_to_txn(&incoming, frame),
            Api::EndTxn => self.end_txn(&incoming, frame),
            Api::TxnOffsetCommit => self.txn_offset_commit(&incoming, frame),
            Api::GetTelemetrySubscriptions => self.get_telemetry_subscriptions(&incoming, frame),
            Api::PushTelemetry => self.push_telemetry(&incoming, frame),
            Api::SaslHandshake | Api::SaslAuthenticate => Some(self.login_out_of_place(&incoming)),
        }
    }

    fn produce(&mut self, incoming: &Incoming, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let request = ProduceRequest::decode(&mut frame, incoming.version).ok()?;
        self.request_log.produce(incoming.now, &self.cluster, incoming.broker, incoming.version, &request);
        let plan = self.faults.plan(Api::Produce, incoming.broker, |topic, partition| {
            request.topic_data.iter().any(|asked| {
                let mut data = asked.partition_data.iter();
                produce_request::topic_name(&self.cluster, incoming.version, asked) == Some(topic)
                    && partition.is_none_or(|wanted| data.any(|data| data.index == wanted))
            })
        });
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        self.changed = true;
        let producing = ProduceAnswer {
            now: incoming.now,
            now_ms: self.clock_ms(incoming.now),
            cluster: &mut self.cluster,
            coordinator: &mut self.coordinator,
            plan: &plan,
            broker: incoming.broker,
            version: incoming.version,
        };
        let response = producing.answer(&request);
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let outcome = if request.acks != 0 {
            incoming.encode(&response)
        } else if partitions.any(|partition| partition.error_code != BrokerError::NONE.code()) {
            // Nobody waits for an answer: this is how Kafka says that something went wrong.
            RequestOutcome::Close
        } else {
            RequestOutcome::Silence
        };
        Some((plan, outcome))
    }

    fn fetch(&mut self, incoming: &Incoming, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let (now, version) = (incoming.now, incoming.version);
        let request = FetchRequest::decode(&mut frame, version).ok()?;
        let plan = self.faults.plan(Api::Fetch, incoming.broker, |topic, partition| {
            request.topics.iter().any(|asked| {
                let mut partitions = asked.partitions.iter();
                fetch::topic_name(&self.cluster, version, asked) == Some(topic)
                    && partition.is_none_or(|wanted| partitions.any(|asked| asked.partition == wanted))
            })
        });
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        let fetched = fetch::fetch(&self.cluster, incoming.broker, version, &request, &plan);
        if fetched.is_enough || request.max_wait_ms <= 0 {
            return Some((plan, incoming.encode(&fetched.response)));
        }
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let waiting = WaitingFetch {
            request,
            version,
            correlation_id: incoming.correlation_id,
            deadline: now + wait,
            delay: self.settings.answer_delay + plan.delay(),
            plan: plan.clone(),
        };
        Some((plan, RequestOutcome::Wait(Box::new(waiting))))
    }

    fn list_offsets(&mut self, incoming: &Incoming, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let request = ListOffsetsRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::ListOffsets, incoming.broker, |topic, partition| {
            request.topics.iter().any(|asked| {
                let mut partitions = asked.partitions.iter();
                asked.name.as_str() == topic
                    && partition.is_none_or(|wanted| partitions.any(|asked| asked.partition_index == wanted))
            })
        });
        let (broker, version) = (incoming.broker, incoming.version);
        let response = fetch::list_offsets(&self.cluster, broker, version, &request, &plan);
        Some((plan, incoming.encode(&response)))
    }

    fn metadata(&mut self, incoming: &Incoming, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let request = MetadataRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::Metadata, incoming.broker, |topic, _| {
            let is_named = |asked: &kafka_protocol::messages::metadata_request::MetadataRequestTopic| {
                asked.name.as_ref().is_some_and(|name| name.as_str() == topic)
                    || self.cluster.topic_by_id(asked.topic_id).is_some_and(|(name, _)| name == topic)
            };
            request.topics.as_ref().is_none_or(|topics| topics.iter().any(is_named))
        });
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        let (settings, version) = (&self.settings, incoming.version);
        let asking = match self.frozen.get_mut(&incoming.broker) {
            Some(ShownCluster { cluster, cluster_id }) => {
                MetadataAnswer { cluster, cluster_id, auto_create: None, plan: &plan, version }
            }
            None => MetadataAnswer {
                cluster: &mut self.cluster,
                cluster_id: &settings.cluster_id,
                auto_create: settings.auto_create.as_ref(),
                plan: &plan,
                version,
            },
        };
        let response = asking.answer(&request);
        Some((plan, incoming.encode(&response)))
    }

    fn api_versions(&mut self, incoming: &Incoming, mut frame: Bytes) -> Option<(FaultPlan, RequestOutcome)> {
        let request = ApiVersionsRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::ApiVersions, incoming.broker, |_, _| false);
        if let Some(failure) = plan.failure() {
            let response = ApiVersionsResponse::default().with_error_code(failure.error.code());
            let version =
                if failure.error == BrokerError::UNSUPPORTED_VERSION { 0 } else { incoming.version };
            return Some((plan, Incoming { version, ..*incoming }.encode(&response)));
        }
        let response = metadata::api_versions(self.told_versions(), incoming.version, &request, &plan);
        Some((plan, incoming.encode(&response)))
    }

    /// KIP-511: a version of ApiVersions that the broker does not know is answered in version 0, with the
    /// versions that it does know.
    fn unsupported_version(&self, broker: i32, correlation_id: i32) -> (FaultPlan, RequestOutcome) {
        let api = Api::ApiVersions;
        let incoming = Incoming { now: self.start, api, broker, version: 0, correlation_id };
        let plan = FaultPlan::default();
        let known = metadata::api_versions(self.told_versions(), 0, &ApiVersionsRequest::default(), &plan);
        let outcome = incoming.encode(&known.with_error_code(BrokerError::UNSUPPORTED_VERSION.code()));
        (plan, outcome)
    }

    fn told_versions(&self) -> (&BTreeMap<Api, RangeInclusive<i16>>, FinalizedFeatures) {
        (&self.settings.versions, self.settings.transactions.features)
    }

    /// What the brokers' clocks show, in milliseconds since 1970.
    pub(super) fn clock_ms(&self, now: Instant) -> i64 {
        self.start_ms.saturating_add(elapsed_ms(self.start, now))
    }
}

impl Incoming {
    pub(super) fn encode<R: Encodable + HeaderVersion>(&self, response: &R) -> RequestOutcome {
        self.frame(response).map_or(RequestOutcome::Close, RequestOutcome::Answer)
    }

    pub(super) fn frame<R: Encodable + HeaderVersion>(&self, response: &R) -> Option<Frame> {
        let (bytes, header_bytes) = encode(response, self.version, self.correlation_id)?;
        let Self { api, broker, version, correlation_id, .. } = *self;
        Some(Frame { api, version, broker, correlation_id, bytes, header_bytes })
    }
}

/// The answer to a waiting Fetch, if there is something to tell or its time is over; `Some(None)` if it cannot be
/// encoded.
fn end_wait(
    cluster: &ClusterState,
    broker: i32,
    waiting: &WaitingFetch,
    now: Instant,
) -> Option<Option<Frame>> {
    let fetched = fetch::fetch(cluster, broker, waiting.version, &waiting.request, &waiting.plan);
    if !fetched.is_enough && now < waiting.deadline {
        return None;
    }
    let (version, correlation_id) = (waiting.version, waiting.correlation_id);
    let incoming = Incoming { now, api: Api::Fetch, broker, version, correlation_id };
    Some(incoming.frame(&fetched.response))
}

/// API, version and correlation id: these eight bytes are the same in every request.
pub(super) fn read_start(frame: &[u8]) -> Option<(Api, i16, i32)> {
    let (key, rest) = frame.split_first_chunk::<2>()?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (correlation_id, _) = rest.split_first_chunk::<4>()?;
    let api = Api::of_key(i16::from_be_bytes(*key))?;
    Some((api, i16::from_be_bytes(*version), i32::from_be_bytes(*correlation_id)))
}

/// An answer with its length in front, and the size of its header.
fn encode<R: Encodable + HeaderVersion>(
    response: &R,
    version: i16,
    correlation_id: i32,
) -> Option<(Vec<u8>, usize)> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    let size = response.compute_size(version).unwrap_or(0);
    let mut frame = Vec::with_capacity(size + 16);
    frame.extend_from_slice(&[0; 4]);
    let mut header_bytes = 0;
    let encoded = header.encode(&mut frame, R::header_version(version)).and_then(|()| {
        header_bytes = frame.len() - 4;
        response.encode(&mut frame, version)
    });
    if let Err(error) = encoded {
        log::error!("embedded cluster: an answer cannot be encoded: {error}");
        return None;
    }
    let length = i32::try_from(frame.len() - 4).ok()?;
    frame.first_chunk_mut::<4>()?.copy_from_slice(&length.to_be_bytes());
    Some((frame, header_bytes))
}

pub(super) fn elapsed_ms(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

pub(super) const START_BYTES: usize = 8;

impl EmbeddedClusterBuilder {
    /// The rules alone, without sockets and threads: for a simulation. `now` is the start of its time, and
    /// `unix_ms` what the brokers' clocks show then, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// For settings that make no cluster.
    pub fn rules(self, now: Instant, unix_ms: i64) -> Result<ClusterRules, InvalidCluster> {
        self.check()?;
        Ok(ClusterRules::new(self, now, unix_ms))
    }
}
