//! `Sender`: the one loop on the one thread: drains the accumulator, asks the brokers, and carries out what follows.
//!
//! Owns: the order of a turn, and the table of all kinds of requests. What follows for the whole from what a part was told is
//! in `effects.rs`. What only this thread touches belongs to one of its five parts: `MetadataUpdater`, `ProducerIdentity`,
//! `Coordination`, `Produce`, `Telemetry`.
//! Must not know: serializers, partitioners, the caller's handles.
//! Threads: the sender thread. Time and randomness come in as arguments, sockets through `Network`, so that the whole of
//! it runs under simulation as well.
//! Holds: every batch that was taken from a queue is settled exactly once; nothing here waits but `NetworkClient::poll`.
//! Source: Kafka's `Sender`.

mod assembly;
#[cfg(any(test, feature = "simulation"))]
mod census;
mod client_instance;
mod client_request;
mod control;
mod coordination;
mod effects;
mod metadata_updater;
mod produce;
mod producer_identity;
mod telemetry;
mod warnings;

use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::RecordAccumulator;
use crate::cluster::{broker_behind, is_telemetry};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::last_heard::LastHeard;
use crate::lifecycle::CloseDeadline;
use crate::log_labels::LogLabels;
use crate::logging;
use crate::mailbox::Event;
use crate::metadata::Metadata;
use crate::network::{Network, NetworkClient, Outcome, Readiness};
use crate::planted::{Defect, planted};

pub(crate) use assembly::{Assembly, assemble};
use client_request::{ClientRequest, Context, Effects, NoResponse, Received, SendProgress, Turn};
pub(crate) use control::{Control, Counts};
use coordination::{
    AddOffsetsContext, AddPartitionsContext, CommitOffsetsContext, Coordination, CoordinatorCall,
    EndTransactionContext, FindCoordinatorContext, InitTransactionsContext,
};
pub(crate) use metadata_updater::Bootstrap;
use metadata_updater::{MetadataContext, MetadataUpdater};
use produce::{GivenUp, Produce, ProduceContext};
use producer_identity::{InitProducerIdContext, ProducerIdentity};
use telemetry::{PushContext, SubscriptionsContext, Telemetry, TelemetryCall};

/// Makes the table of all kinds of requests: what each is about, and the part of the sender that takes its answer, with
/// what that needs of the others.
macro_rules! requests {
    ($($kind:ident($context:ident): $part:ident.$handler:ident($($other:ident),*),)*) => {
        /// What a request was about; comes back with its answer.
        enum RequestContext {
            $($kind($context),)*
        }

        $(impl From<$context> for RequestContext {
            fn from(context: $context) -> RequestContext {
                RequestContext::$kind(context)
            }
        })*

        impl<N: Network> Sender<N> {
            /// A request is over: its answer is read, and its part takes it.
            fn answered(
                &mut self,
                context: RequestContext,
                node: i32,
                received: Received,
                now: Instant,
            ) -> Effects {
                match context {
                    $(RequestContext::$kind(mut context) => {
                        let answer = received.read(&mut self.client, node, &mut context, now);
                        self.$part.$handler(context, answer, $(&mut self.$other,)* now)
                    })*
                }
            }
        }
    };
}

requests! {
    Produce(ProduceContext): produce.answered(client, identity),
    Metadata(MetadataContext): metadata_updater.answered(),
    InitProducerId(InitProducerIdContext): identity.answered(),
    FindCoordinator(FindCoordinatorContext): coordination.found(identity),
    InitTransactions(InitTransactionsContext): coordination.initialized(identity),
    AddPartitions(AddPartitionsContext): coordination.partitions_added(identity),
    AddOffsets(AddOffsetsContext): coordination.offsets_added(identity),
    CommitOffsets(CommitOffsetsContext): coordination.offsets_committed(identity),
    EndTransaction(EndTransactionContext): coordination.transaction_ended(identity),
    GetTelemetrySubscriptions(SubscriptionsContext): telemetry.subscriptions_told(),
    PushTelemetry(PushContext): telemetry.pushed(),
}

pub(crate) struct Sender<N: Network> {
    client: NetworkClient<N, RequestContext>,
    accumulator: Arc<RecordAccumulator>,
    metadata: Arc<Metadata>,
    heard: Arc<LastHeard>,
    control: Arc<Control>,
    metadata_updater: MetadataUpdater,
    identity: ProducerIdentity,
    coordination: Coordination,
    produce: Produce,
    telemetry: Telemetry,
    events: Vec<Event>,
    outcomes: Vec<Outcome<RequestContext>>,
    /// How many more answers count as awaited.
    awaited: u8,
    /// Everything that brokers had sent up to this time was read.
    read_until: Option<Instant>,
}

/// How many answers are worth polling for once a thread begins to wait in `get`: its own, and the next one, since it may send again.
const AWAITED_ANSWERS: u8 = 2;

impl<N: Network> Sender<N> {
    fn new(
        settings: Arc<Settings>,
        client: NetworkClient<N, RequestContext>,
        control: Arc<Control>,
        bootstrap: Bootstrap,
        mut random: fastrand::Rng,
    ) -> Sender<N> {
        let (accumulator, metadata) = (Arc::clone(control.accumulator()), Arc::clone(control.metadata()));
        let (one, other) = (random.fork(), random.fork());
        let calls = control.transactions();
        // A stream of its own, which takes nothing from the others.
        let third = fastrand::Rng::with_seed(one.get_seed());
        let fourth = fastrand::Rng::with_seed(!one.get_seed());
        Sender {
            client,
            metadata_updater: MetadataUpdater::new(
                Arc::clone(&settings),
                Arc::clone(&metadata),
                bootstrap,
                one,
            ),
            identity: ProducerIdentity::new(Arc::clone(&settings), Arc::clone(&metadata), calls, other),
            coordination: Coordination::new(
                Arc::clone(&settings),
                Arc::clone(calls),
                Arc::clone(&metadata),
                third,
            ),
            produce: Produce::new(Arc::clone(&settings), Arc::clone(&control), random),
            telemetry: Telemetry::new(settings, Arc::clone(&control), fourth),
            accumulator,
            heard: Arc::clone(metadata.heard()),
            metadata,
            control,
            events: Vec::new(),
            outcomes: Vec::new(),
            awaited: 0,
            read_until: None,
        }
    }

    /// Runs until the producer is closed and everything is answered, or its time is up; or until a callback has forked and
    /// this is the child, which must touch nothing more.
    pub(crate) fn run(&mut self, start: Instant) -> Instant {
        let mut now = start;
        while !self.accumulator.mailbox().is_forked() && !self.is_done(now) {
            now = self.run_once(now);
        }
        now
    }

    /// One turn. Returns the time after its wait for the network.
    pub(crate) fn run_once(&mut self, now: Instant) -> Instant {
        self.read_mailbox(now);
        let now = self.expire(now);
        let now = self.coordinate(now);
        if self.identity.renew_epoch(&mut self.produce.drain, now) {
            self.produce.sequences_changed();
        }
        self.produce.look_at_held_back(now);
        let send_again = self.send_batches(now);
        let now = self.fail_lost(now);
        let turn = self.turn(now);
        let effects = self.metadata_updater.bootstrap(&mut self.client, turn);
        self.carry_out(effects, now);
        // Not before: what is ready may lack a leader.
        self.ask_for_metadata(now);
        // After the metadata: an answer that does not come holds up all behind it.
        if let Some(request) = self.identity.request(&mut self.client, &self.produce.drain, now) {
            self.send(request, now);
        }
        self.ask_coordinator(now);
        self.send_telemetry(now);
        let until = self.next_deadline(send_again, now);
        if self.accumulator.mailbox().take_awaited() {
            self.awaited = AWAITED_ANSWERS;
        }
        self.client.set_awaited(self.awaited > 0);
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let mut now = self.wait(now, until, &mut outcomes);
        self.read_until = Some(now);
        let is_any = !outcomes.is_empty();
        for outcome in outcomes.drain(..) {
            self.settle(outcome, now);
            now = self.after_callbacks(now);
        }
        if is_any && self.awaited > 0 {
            // Those who were told may be about to send again: what they do goes in one request.
            std::thread::yield_now();
        }
        self.outcomes = outcomes;
        now
    }

    /// Takes up what is asked of transactions. Returns the time after it: callbacks may have run.
    fn coordinate(&mut self, now: Instant) -> Instant {
        if !self.identity.transaction.is_transactional() {
            return now;
        }
        let effects = self.coordination.turn(&mut self.produce, &mut self.identity.transaction, now);
        self.carry_out(effects, now);
        self.after_callbacks(now)
    }

    /// Sends the request to a coordinator whose turn it is.
    fn ask_coordinator(&mut self, now: Instant) {
        let (client, transaction) = (&mut self.client, &mut self.identity.transaction);
        if !transaction.is_transactional() {
            return;
        }
        match self.coordination.request(client, &self.produce, transaction, now) {
            None => {}
            Some(CoordinatorCall::FindCoordinator(request)) => self.send(request, now),
            Some(CoordinatorCall::InitProducerId(request)) => self.send(request, now),
            Some(CoordinatorCall::AddPartitions(request)) => self.send(request, now),
            Some(CoordinatorCall::AddOffsets(request)) => self.send(request, now),
            Some(CoordinatorCall::CommitOffsets(request)) => self.send(request, now),
            Some(CoordinatorCall::EndTransaction(request)) => self.send(request, now),
        }
    }

    /// Sends what is due for telemetry: last, and over a connection of its own.
    fn send_telemetry(&mut self, now: Instant) {
        if !self.telemetry.is_due(now) {
            return;
        }
        match self.telemetry.request(&mut self.client, now) {
            None => {}
            Some(TelemetryCall::GetSubscriptions(request)) => self.send(request, now),
            Some(TelemetryCall::Push(request)) => self.send(request, now),
        }
    }

    /// Hands on what application threads have told since the last turn.
    fn read_mailbox(&mut self, now: Instant) {
        let mut events = std::mem::take(&mut self.events);
        self.accumulator.mailbox().take(&mut events);
        for event in events.drain(..) {
            match event {
                Event::Partition(index) => {
                    self.identity.transaction.touch(index);
                    self.produce.drain.look_at(index, now);
                }
                Event::MemoryShort => self.produce.drain.end_lingers(now),
                Event::Flush(flush) => self.produce.drain.flush(&flush, now),
                // This is one.
                Event::Turn => {}
            }
        }
        self.events = events;
    }

    /// Waits for the network. Memory that callers wait for is handed on before the thread sleeps.
    fn wait(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        outcomes: &mut Vec<Outcome<RequestContext>>,
    ) -> Instant {
        let mut now = now;
        if self.accumulator.pool().holds_back() {
            now = self.poll(now, Some(now), outcomes);
            if !outcomes.is_empty() {
                return now;
            }
            self.accumulator.pool().serve_waiters();
        }
        // Right before the sleep: a look at the network in between would take the wake-up that belongs to it.
        let until = if self.accumulator.mailbox().fall_asleep(until) { until } else { Some(now) };
        let now = self.poll(now, until, outcomes);
        self.accumulator.mailbox().awake();
        now
    }

    /// A turn of the network. While this thread was elsewhere no broker could be asked for metadata, nor answer.
    fn poll(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        outcomes: &mut Vec<Outcome<RequestContext>>,
    ) -> Instant {
        let now = self.client.poll(now, until, outcomes);
        if let Some(away) = self.client.away() {
            self.metadata_updater.postpone(away.time());
            self.heard.held_up_by_user(away.begun, away.end);
        }
        now
    }

    /// Whether the loop is over: closed, and nothing left or no time left.
    pub(crate) fn is_done(&mut self, now: Instant) -> bool {
        let Some(deadline) = self.control.lifecycle().closing() else { return false };
        if !self.produce.drain.is_closing() {
            self.accumulator.close_queues();
            self.read_mailbox(now);
            self.produce.drain.close(now);
            self.coordination.close();
        }
        match deadline {
            CloseDeadline::Now => true,
            CloseDeadline::At(_) if planted(Defect::CloseForgets) => true,
            CloseDeadline::At(deadline) => {
                deadline.is_some_and(|deadline| now >= deadline)
                    || self.is_all_done() && !self.telemetry.makes_last_push(&self.client, now)
            }
        }
    }

    /// Whether nothing is left to be answered, and no transaction to be ended.
    fn is_all_done(&self) -> bool {
        self.produce.drain.is_empty() && self.coordination.is_at_rest()
    }

    /// Fails what is left and lets go of everything.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.control.end();
        let error =
            Error::new(ErrorKind::Closed, "the producer was closed before the record was acknowledged");
        let why = GivenUp { error, abandoned: true };
        self.read_mailbox(now);
        let closed = Error::new(ErrorKind::Closed, "the producer was closed before the call was over");
        self.coordination.end(self.control.fatal().as_ref().unwrap_or(&closed));
        self.produce.abort(&why, &self.client, &mut self.identity.transaction, now);
        self.accumulator.mailbox().close();
        self.client.close(now);
    }

    fn settle(&mut self, outcome: Outcome<RequestContext>, now: Instant) {
        let effects = match outcome {
            Outcome::Answered { node, context, version, frame, sent_at } => {
                self.awaited = self.awaited.saturating_sub(1);
                self.heard.answer(broker_behind(node).unwrap_or(node), now);
                logging::trace!(labels: LogLabels::of_node(node), "broker {node} answered after {:?}", now.saturating_duration_since(sent_at));
                self.answered(context, node, Received::Frame { version, bytes: frame }, now)
            }
            Outcome::Failed { node, context, failure, written, error } => {
                logging::debug!(
                    labels: LogLabels { node: Some(node), ..error.labels() },
                    "broker {node}: {failure:?}: {error}"
                );
                let progress = if written { SendProgress::Written } else { SendProgress::Queued };
                self.answered(context, node, Received::Nothing(NoResponse { error, progress }), now)
            }
            Outcome::Written { node, context: RequestContext::Produce(context) } => {
                self.produce.written(context, node, &mut self.identity, now)
            }
            // No other request goes without an answer.
            Outcome::Written { .. } => Effects::none(),
            Outcome::Bootstrapped(servers) => self.metadata_updater.looked_up(servers, now),
            Outcome::Connected { node } if is_telemetry(node) => {
                self.telemetry.connected(&self.client, node);
                Effects::none()
            }
            Outcome::Connected { node } => {
                self.connected(node);
                Effects::none()
            }
            Outcome::Closed { node } => {
                self.metadata_updater.closed(node);
                Effects::none()
            }
            Outcome::Disconnected { node, error } if is_telemetry(node) => {
                self.telemetry.disconnected(node, &error);
                Effects::none()
            }
            Outcome::Disconnected { node, error } => self.metadata_updater.disconnected(node, error, now),
        };
        self.carry_out(effects, now);
    }

    /// A connection to a broker, or to a server to begin with, stands.
    fn connected(&mut self, node: i32) {
        self.telemetry.connected(&self.client, node);
        self.metadata_updater.connected(node);
        self.coordination.connected(&self.client, node, &mut self.identity.transaction);
    }

    /// Sends batches to every broker that can take some. Returns when to try those again that have to wait.
    fn send_batches(&mut self, now: Instant) -> Option<Instant> {
        let (mut again, turn): (Option<Instant>, Turn) = (None, self.turn(now));
        let cluster = self.metadata.cluster();
        let nodes: Vec<i32> = self.produce.drain.ready_nodes().collect();
        for id in nodes {
            let Some(node) = cluster.node(id) else {
                self.metadata.request_update();
                continue;
            };
            loop {
                let readiness = self.client.ready(node, now);
                self.produce.note_latency(id, matches!(readiness, Readiness::Ready), turn.read_until);
                match readiness {
                    Readiness::Ready if self.metadata_updater.is_unconfirmed(id) => {
                        self.metadata.request_update();
                        break;
                    }
                    Readiness::Ready => {
                        let Some(request) = self.produce.request(id, &mut self.identity, now) else { break };
                        self.send(request, now);
                    }
                    Readiness::NotBefore(time) => {
                        again = Some(again.map_or(time, |again| again.min(time)));
                        break;
                    }
                    Readiness::Waiting => break,
                }
            }
        }
        self.produce.ask_for_leaders();
        if self.identity.transaction.take_bump_news() {
            self.produce.sequences_changed();
        }
        again
    }

    fn ask_for_metadata(&mut self, now: Instant) {
        let accumulator = Arc::clone(&self.accumulator);
        let take_used = |name: &str| accumulator.topic(name).is_some_and(|topic| topic.take_used());
        let (request, effects) = self.metadata_updater.request(&mut self.client, take_used, now);
        self.carry_out(effects, now);
        if let Some(request) = request {
            self.send(request, now);
            self.metadata_updater.tell_what_is_waited_for(&self.client, now);
        }
    }

    /// Sends a request. Where that cannot be done, it is over.
    fn send<C: Context>(&mut self, outgoing: ClientRequest<C>, now: Instant)
    where
        RequestContext: From<C>,
    {
        let ClientRequest { node, request, expect, context } = outgoing;
        if let Err((context, error)) = self.client.send(node, &request, expect, context.into(), now) {
            let failure = NoResponse { error, progress: SendProgress::Refused };
            let effects = self.answered(context, node, Received::Nothing(failure), now);
            self.carry_out(effects, now);
        }
    }

    /// Gives up what is too late. Returns the time after it: callbacks may have run.
    fn expire(&mut self, now: Instant) -> Instant {
        let turn = self.turn(now);
        let is_any = self.produce.expire(&self.client, &mut self.identity.transaction, turn);
        if is_any { self.after_callbacks(now) } else { now }
    }

    /// Fails what could not be sealed. Returns the time after it, as `expire`.
    fn fail_lost(&mut self, now: Instant) -> Instant {
        let is_any = self.produce.fail_lost(&mut self.identity.transaction, now);
        if is_any { self.after_callbacks(now) } else { now }
    }

    fn turn(&self, now: Instant) -> Turn {
        let read_until = self.read_until.filter(|_| !planted(Defect::LateByOwnClock));
        Turn { now, read_until: read_until.unwrap_or(now) }
    }

    /// The time after callbacks that may have run since `begun`. They are the user's, and may have taken theirs.
    fn after_callbacks(&self, begun: Instant) -> Instant {
        let now = if planted(Defect::ClockStandsStill) { begun } else { self.client.now() };
        self.heard.held_up_by_user(begun, now);
        now
    }

    fn next_deadline(&self, send_again: Option<Instant>, now: Instant) -> Option<Instant> {
        let closing = match self.control.lifecycle().closing() {
            // The last ones may have expired in this turn.
            Some(CloseDeadline::At(_)) if self.is_all_done() && !self.telemetry.is_making_last_push() => {
                Some(now)
            }
            Some(CloseDeadline::At(deadline)) => deadline,
            Some(CloseDeadline::Now) => Some(now),
            None => None,
        };
        let (metadata, produce) = (self.metadata_updater.due(now), self.produce.due(now));
        let identity = self.identity.due(&self.produce.drain, now);
        let coordination = self.coordination.due(now);
        let telemetry = self.telemetry.due(now);
        [produce, send_again, closing, metadata, identity, coordination, telemetry]
            .into_iter()
            .flatten()
            .min()
    }
}
