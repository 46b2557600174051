//! `Coordination`: transactions: what coordinators are asked, in which order, and who they are.
//!
//! Owns: the queue of requests, the coordinators that are known, the calls that wait for an end. Must not know: sockets, how
//! batches are sent; whether a step is allowed (`transition`), what a code means (`coordinator_verdict`).
//! Threads: the sender thread owns it by value.
//! Holds: one request at a time. A transaction is ended once nothing of it is unanswered, and by the coordinator only if that
//! has heard of it. A coordinator is asked on a connection of its own.
//! Source: Kafka's `TransactionManager`, `Sender.maybeSendAndPollTransactionalRequest` (4.3.1).

mod coordinator_answers;
mod coordinator_call;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::ExponentialBackoff;
use crate::cluster::Node;
use crate::config::Settings;
use crate::error::Error;
use crate::escape::Escaped;
use crate::last_heard::LastHeard;
use crate::logging;
use crate::mailbox::FlushCall;
use crate::metadata::Metadata;
use crate::network::{Network, NetworkClient, Readiness};
use crate::planted::{Defect, planted};
use crate::protocol::{CoordinatorType, InitProducerIdRequest, Request};
use crate::record::TopicName;
use crate::sender::client_request::Effects;
use crate::sender::produce::{Produce, aborted};
use crate::sync::channel::TryRecvError;
use crate::transaction::{
    AskedCall, CallPromise, Coordinated, CoordinatorQueue, CoordinatorRequest, PreparedTxnState,
    QueuedRequest, TransactionCalls, TransactionEvent, TransactionManager, TransactionState,
};

use coordinator_call::AskingProducer;
pub(super) use coordinator_call::{
    AddOffsetsContext, AddPartitionsContext, CommitOffsetsContext, CoordinatorCall, EndTransactionContext,
    FindCoordinatorContext, InitTransactionsContext,
};

pub(super) struct Coordination {
    settings: Arc<Settings>,
    calls: Arc<TransactionCalls>,
    metadata: Arc<Metadata>,
    heard: Arc<LastHeard>,
    retry_backoff: ExponentialBackoff,
    random: fastrand::Rng,
    requests: CoordinatorQueue,
    coordinators: HashMap<Coordinated, Node>,
    /// Look-ups in a row after which a coordinator could not be connected.
    lookups: u32,
    /// Of `init_transactions`.
    initializing: Option<CallPromise>,
    /// The coordinator keeps what is prepared: it has been asked to.
    keeps_prepared: bool,
    ending: Option<TransactionEnding>,
    /// When the request to end the transaction went out.
    end_asked: Option<Instant>,
    /// Until then the next transaction gives the coordinator time to be done with the one before.
    rests_until: Option<Instant>,
    /// When a broker may be tried again, where none could be asked.
    no_node_until: Option<Instant>,
    /// The producer is being closed.
    closing: bool,
}

/// A transaction that is being ended, or prepared to be.
struct TransactionEnding {
    /// None where nobody waits for it, since the producer is being closed.
    promise: Option<CallPromise>,
    commits: bool,
    /// Disconnects when nothing of the transaction is unanswered any more.
    unanswered: FlushCall,
    /// It is ended; only the next one's epoch is waited for.
    is_over: bool,
}

/// The feature by which a cluster says that brokers add partitions to transactions by themselves.
const TRANSACTION_VERSION: &str = "transaction.version";

impl Coordination {
    pub(super) fn new(
        settings: Arc<Settings>,
        calls: Arc<TransactionCalls>,
        metadata: Arc<Metadata>,
        random: fastrand::Rng,
    ) -> Coordination {
        Coordination {
            retry_backoff: settings.retry(),
            settings,
            calls,
            heard: Arc::clone(metadata.heard()),
            metadata,
            random,
            requests: CoordinatorQueue::default(),
            coordinators: HashMap::new(),
            lookups: 0,
            initializing: None,
            keeps_prepared: false,
            ending: None,
            end_asked: None,
            rests_until: None,
            no_node_until: None,
            closing: false,
        }
    }

    /// Takes up what application threads ask, and gives up what has failed.
    pub(super) fn turn(
        &mut self,
        produce: &mut Produce,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Effects {
        if !transaction.is_transactional() {
            return Effects::none();
        }
        let is_rested = self.rests_until.take_if(|until| *until <= now).is_some();
        if is_rested {
            transaction.transaction().into_iter().for_each(|mut it| it.set_resting(false));
        }
        if self.calls.state() == TransactionState::AbortableError {
            self.give_up(produce, transaction, now);
        }
        for asked in self.calls.take_asked() {
            match asked {
                AskedCall::Init { keeps_prepared, promise } => {
                    self.initializing = Some(promise);
                    let request = CoordinatorRequest::InitProducerId { renews: false, keeps_prepared };
                    self.requests.push(request);
                }
                AskedCall::Prepare { turn, promise } => {
                    let unanswered = produce.end_transaction(true, turn, transaction, now);
                    let promise = Some(promise);
                    self.ending =
                        Some(TransactionEnding { promise, commits: false, unanswered, is_over: false });
                    self.requests.push(CoordinatorRequest::Prepare);
                }
                AskedCall::Offsets(offsets) if transaction.is_v2() || planted(Defect::GroupsNotAdded) => {
                    transaction.transaction().into_iter().for_each(|mut it| it.start());
                    self.requests.push(CoordinatorRequest::CommitOffsets(offsets));
                }
                AskedCall::Offsets(offsets) => self.requests.push(CoordinatorRequest::AddOffsets(offsets)),
                AskedCall::End { commits, turn, promise } => {
                    let unanswered = produce.end_transaction(commits, turn, transaction, now);
                    let ending = TransactionEnding { promise, commits, unanswered, is_over: false };
                    self.ending = Some(ending);
                    self.requests.push(CoordinatorRequest::EndTransaction { commits });
                }
            }
        }
        match transaction.transaction().and_then(|mut it| it.take_broken()) {
            Some(error) => Effects::fatal(error),
            None => Effects { sequences_changed: is_rested, ..Effects::none() },
        }
    }

    /// The transaction has failed: what has not been sent of it is not, and what was asked for it fails.
    fn give_up(&mut self, produce: &mut Produce, transaction: &mut TransactionManager, now: Instant) {
        let Some(error) = self.calls.failure() else { return };
        produce.fail_unnumbered(&error, transaction, now);
        let asked =
            self.requests.take(|queued| !matches!(queued.request, CoordinatorRequest::FindCoordinator(_)));
        // What got no answer may have been carried out: the coordinator has to be told of the end.
        let is_begun = asked.iter().any(|queued| queued.may_be_done && queued.request.begins_transaction());
        asked.into_iter().for_each(|queued| queued.request.fail(error.clone()));
        if let Some(mut it) = transaction.transaction() {
            if is_begun {
                it.may_have_started();
            }
            let waiting = it.partitions_to_ask_for();
            it.partitions_answered(&waiting, false);
        }
        self.end_failed(&error);
    }

    /// The transaction is not ended, for all that is known: whoever waits for that is told. A commit may have been carried out
    /// before, without an answer.
    fn end_failed(&mut self, error: &Error) {
        let Some(ending) = self.ending.take() else { return };
        let is_doubtful = ending.commits && self.calls.is_commit_in_doubt();
        let error = if is_doubtful { error.clone().with_possibly_committed(true) } else { error.clone() };
        ending.promise.into_iter().for_each(|promise| promise.settle(Err(error.clone())));
    }

    /// The transaction is aborted: what no coordinator has carried out need not be asked any more. What may have been carried out is
    /// asked until there is an answer; but not offsets, which the end of the transaction alone commits.
    fn forget_what_is_needless(&mut self, transaction: &mut TransactionManager) {
        let is_needless = |queued: &QueuedRequest| match &queued.request {
            CoordinatorRequest::AddPartitions | CoordinatorRequest::AddOffsets(_) => !queued.may_be_done,
            CoordinatorRequest::CommitOffsets(_) | CoordinatorRequest::Prepare => true,
            // Only offsets need it, and whoever does not find it holds up all behind it.
            CoordinatorRequest::FindCoordinator(of) => of.kind == CoordinatorType::Group,
            _ => false,
        };
        let Some(mut it) = transaction.transaction() else { return };
        it.forget_new_partitions();
        for queued in self.requests.take(is_needless) {
            if let CoordinatorRequest::AddPartitions = queued.request {
                let waiting = it.partitions_to_ask_for();
                it.partitions_answered(&waiting, false);
            }
            queued.request.fail(aborted());
        }
    }

    /// A connection stands: its broker may have news of the cluster's features.
    pub(super) fn connected<N: Network, T>(
        &mut self,
        client: &NetworkClient<N, T>,
        node: i32,
        transaction: &mut TransactionManager,
    ) {
        let Some(mut it) = transaction.transaction() else { return };
        if let Some((epoch, level)) = client.feature(node, TRANSACTION_VERSION) {
            it.learn_features(epoch, level);
        }
    }

    /// Nobody may log in at a broker: a call that waits for a producer id is told so. Others go on when a login succeeds, or
    /// until their time is over.
    pub(super) fn not_authenticated(&mut self, error: &Error, transaction: &mut TransactionManager) {
        if transaction.is_transactional() && self.initializing.is_some() {
            self.requests.take(|_| true).into_iter().for_each(|queued| queued.request.fail(error.clone()));
            self.init_failed(error.clone());
        }
    }

    /// When something is to be done again.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.requests.not_before(now).into_iter().chain(self.no_node_until).chain(self.rests_until).min()
    }

    /// The request whose turn it is, if there is one and its coordinator can be asked.
    pub(super) fn request<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        produce: &Produce,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Option<CoordinatorCall> {
        self.no_node_until = None;
        match self.calls.state() {
            TransactionState::FatalError => return None,
            TransactionState::Aborting => self.forget_what_is_needless(transaction),
            TransactionState::AbortableError if self.ending.is_some() => {
                // It has failed within this turn: the next one, which comes at once, gives it up.
                self.no_node_until = Some(now);
                return None;
            }
            _ => {}
        }
        self.add_new_partitions(transaction);
        loop {
            let queued = self.requests.due(now)?;
            let prepares = matches!(queued.request, CoordinatorRequest::Prepare);
            if prepares || matches!(queued.request, CoordinatorRequest::EndTransaction { .. }) {
                let is_early = prepares && planted(Defect::PreparedTooEarly);
                if !is_early && !self.is_all_answered(produce) {
                    return None;
                }
                if prepares {
                    self.prepared(transaction);
                    continue;
                }
                if !is_to_be_ended(transaction) {
                    self.end_unstarted(transaction);
                    continue;
                }
            }
            let queued = self.requests.due(now)?;
            if self.rests_until.is_some() && queued.request.begins_transaction() {
                return None;
            }
            let is_end = matches!(queued.request, CoordinatorRequest::EndTransaction { .. });
            let node = match coordinator_asked(&queued.request, self.own()) {
                None => self.any_ready_node(client, now)?,
                Some(coordinated) => {
                    let is_own = coordinated == self.own();
                    let node = self.coordinator(client, coordinated, now)?;
                    // Unless it is looked for first.
                    if is_own && let Some(range) = client.range(node, InitProducerIdRequest::KEY) {
                        let renews = *range.end() >= RENEWS_FROM;
                        transaction.transaction().into_iter().for_each(|mut it| it.set_renewable(renews));
                    }
                    node
                }
            };
            if let Some(call) = self.depart(node, produce, transaction) {
                self.end_asked = is_end.then_some(now);
                return Some(call);
            }
        }
    }

    /// The coordinator has to be asked for partitions of which it has not heard.
    fn add_new_partitions(&mut self, transaction: &mut TransactionManager) {
        if transaction.transaction().is_some_and(|it| it.has_new_partitions())
            && !self.requests.has(|request| matches!(request, CoordinatorRequest::AddPartitions))
        {
            self.requests.push(CoordinatorRequest::AddPartitions);
        }
    }

    /// Whether nothing of the transaction that ends is unanswered any more.
    fn is_all_answered(&self, produce: &Produce) -> bool {
        let over = |ending: &TransactionEnding| {
            matches!(ending.unanswered.answered.try_recv(), Err(TryRecvError::Disconnected))
        };
        let is_over = self.ending.as_ref().is_none_or(over) && !produce.drain.has_lost();
        let is_over = is_over || planted(Defect::EndsUnanswered);
        if !is_over {
            self.calls.note_waiting("records of the transaction are not answered yet".to_owned());
        }
        is_over
    }

    /// Everything of the transaction is answered well, and it takes nothing more: it is prepared.
    fn prepared(&mut self, transaction: &mut TransactionManager) {
        drop(self.requests.take_first());
        let (id, epoch) = transaction.author();
        // Of one that the coordinator has not heard of nothing can be left open: the next one has its epoch, and may not be
        // taken for it.
        let is_started = transaction.transaction().is_some_and(|it| it.is_started());
        let prepared = match is_started || planted(Defect::EmptyTakesEpoch) {
            true => PreparedTxnState::new(id, epoch),
            false => PreparedTxnState::default(),
        };
        // Where it is aborted meanwhile its request is taken away.
        let stepped = self.calls.prepare(prepared);
        let promise = self.ending.take().and_then(|ending| ending.promise);
        promise.into_iter().filter(|_| stepped.is_ok()).for_each(|promise| promise.settle(Ok(())));
    }

    /// The coordinator has not heard of the transaction: there is nothing to end.
    fn end_unstarted(&mut self, transaction: &mut TransactionManager) {
        drop(self.requests.take_first());
        logging::debug!("nothing of the transaction has begun at the coordinator, there is nothing to end");
        self.ended(None, transaction);
    }

    /// The transaction is over. `author`: what the coordinator has told for the next one.
    fn ended(&mut self, author: Option<(i64, i16)>, transaction: &mut TransactionManager) {
        let renews = transaction.transaction_ended(author);
        let event = if renews { TransactionEvent::EndedToRenew } else { TransactionEvent::Ended };
        let stepped = self.calls.advance(event);
        if renews && stepped.is_ok() {
            // One that comes in late, after a lost connection, must not end what has been prepared meanwhile.
            let keeps_prepared = self.keeps_prepared;
            let request = CoordinatorRequest::InitProducerId { renews: true, keeps_prepared };
            self.requests.push(request);
            self.ending.iter_mut().for_each(|ending| ending.is_over = true);
            return;
        }
        let promise = self.ending.take().and_then(|ending| ending.promise);
        promise.into_iter().for_each(|promise| promise.settle(Ok(())));
    }

    /// The coordinator writes the markers of a transaction after it has answered, which takes it about as long as the answer
    /// did. What comes of the next transaction meanwhile waits for 20 ms, at the broker or here. So it does not go at once.
    pub(super) fn rest(&mut self, transaction: &mut TransactionManager, now: Instant) {
        let took = self.end_asked.take().map(|asked| now.saturating_duration_since(asked));
        self.rests_until = took.and_then(|took| now.checked_add(took.min(LONGEST_REST)));
        let rests = self.rests_until.is_some();
        transaction.transaction().into_iter().for_each(|mut it| it.set_resting(rests));
    }

    /// What this producer's own transactions are found under.
    fn own(&self) -> Coordinated {
        let key = self.calls.id().map_or_else(|| Arc::from(""), Arc::clone);
        Coordinated { kind: CoordinatorType::Transaction, key }
    }

    /// Some broker of the cluster that can be asked now.
    fn any_ready_node<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        now: Instant,
    ) -> Option<i32> {
        let cluster = self.metadata.cluster();
        if cluster.is_bootstrap() {
            self.calls.note_waiting("no broker has told of the cluster yet".to_owned());
            return None;
        }
        match client.any_ready_node(&cluster, |_| true, now) {
            Ok(node) => Some(node),
            Err(again) => {
                self.no_node_until = again;
                self.calls.note_waiting("no broker can be asked for the coordinator".to_owned());
                None
            }
        }
    }

    /// The coordinator's connection, if it can be asked now. Where it is not known, or cannot be connected, it is looked up.
    fn coordinator<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        coordinated: Coordinated,
        now: Instant,
    ) -> Option<i32> {
        let Some(node) = self.coordinators.get(&coordinated).cloned() else {
            self.look_up(coordinated);
            return self.requests.due(now).is_some().then(|| self.any_ready_node(client, now)).flatten();
        };
        match client.ready(&node, now) {
            Readiness::Ready => return Some(node.id()),
            Readiness::Waiting => {
                self.calls.note_waiting(format!("the coordinator, {}, is not connected yet", shown(&node)));
            }
            Readiness::NotBefore(again) if !client.is_out_of_reach(&node, now) => {
                self.no_node_until = Some(again);
                let pause = client.throttled(&node, now);
                pause.into_iter().for_each(|pause| self.calls.note_waiting(pause));
            }
            Readiness::NotBefore(_) => {
                logging::debug!("the coordinator cannot be connected, it is looked up again");
                let wait = self.retry_backoff.after(self.lookups, &mut self.random);
                self.lookups = self.lookups.saturating_add(1);
                self.look_up(coordinated);
                if let Some(find) = self.requests.take_first() {
                    self.requests.again(find, now.checked_add(wait));
                }
            }
        }
        None
    }

    /// Forgets a coordinator, and asks who it is.
    fn look_up(&mut self, coordinated: Coordinated) {
        if planted(Defect::CoordinatorStays) && self.coordinators.contains_key(&coordinated) {
            return;
        }
        self.coordinators.remove(&coordinated);
        let is_same = |request: &CoordinatorRequest| matches!(request, CoordinatorRequest::FindCoordinator(it) if *it == coordinated);
        if !self.requests.has(is_same) {
            self.requests.push(CoordinatorRequest::FindCoordinator(coordinated));
        }
    }

    /// Takes the first request to send it. None where nothing is left to be asked.
    fn depart(
        &mut self,
        node: i32,
        produce: &Produce,
        transaction: &mut TransactionManager,
    ) -> Option<CoordinatorCall> {
        let queued = self.requests.take_first()?;
        let mut partitions = Vec::new();
        if let CoordinatorRequest::AddPartitions = queued.request {
            let asked = transaction.transaction()?.partitions_to_ask_for();
            let named = |index: usize| {
                let (topic, partition) = produce.drain.name(index)?;
                Some((topic.clone(), partition, index))
            };
            partitions = asked.into_iter().filter_map(named).collect::<Vec<(TopicName, i32, usize)>>();
            if partitions.is_empty() {
                return None;
            }
        }
        if matches!(queued.request, CoordinatorRequest::EndTransaction { commits: true }) {
            self.calls.note_commit_in_doubt();
            let promise = self.ending.as_mut().filter(|_| planted(Defect::CommitToldEarly));
            let promise = promise.and_then(|ending| ending.promise.take());
            promise.into_iter().for_each(|promise| promise.settle(Ok(())));
        }
        let (producer_id, producer_epoch) = transaction.author();
        let call = CoordinatorCall::new(
            queued,
            partitions,
            AskingProducer {
                node,
                transactional_id: self.own().key,
                producer_id,
                producer_epoch,
                transaction_v2: transaction.is_v2(),
                transaction_timeout_ms: self.settings.transaction_timeout_ms,
                enable_2pc: self.settings.transaction_two_phase_commit_enable,
                timeout: self.settings.request_timeout,
            },
        )?;
        self.requests.departed();
        self.calls.note_waiting(format!("{} is not answered yet", call.name()));
        Some(call)
    }

    /// The producer is closed: an open transaction is aborted, unless it is ending already.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.calls.abort_for_close();
    }

    /// Whether no transaction has to be ended any more.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.calls.state().is_completing() && self.ending.is_none()
    }

    /// Whatever waits fails with this error; a transaction that is over is.
    pub(super) fn end(&mut self, error: &Error) {
        self.requests.take(|_| true).into_iter().for_each(|queued| queued.request.fail(error.clone()));
        let asked = self.calls.end();
        let in_doubt = self.calls.is_commit_in_doubt();
        for asked in asked {
            match asked {
                AskedCall::Init { promise, .. }
                | AskedCall::Prepare { promise, .. }
                | AskedCall::End { promise: Some(promise), .. } => {
                    promise.settle(Err(error.clone()));
                }
                AskedCall::Offsets(offsets) => offsets.promise.settle(Err(error.clone())),
                AskedCall::End { promise: None, .. } => {}
            }
        }
        self.initializing.take().into_iter().for_each(|promise| promise.settle(Err(error.clone())));
        if let Some(TransactionEnding { promise: Some(promise), commits, is_over, .. }) = self.ending.take() {
            let error = error.clone().with_possibly_committed(commits && in_doubt);
            promise.settle(if is_over { Ok(()) } else { Err(error) });
        }
        self.ending = None;
    }

    /// What was asked before there was a producer id is over.
    fn init_failed(&mut self, error: Error) {
        self.calls.fail(&error);
        if let Some(promise) = self.initializing.take() {
            promise.settle(Err(error));
        }
        // The transaction before it is over all the same.
        let promise = self.ending.take().and_then(|ending| ending.promise);
        promise.into_iter().for_each(|promise| promise.settle(Ok(())));
    }

    /// How long to wait before a request goes again that has failed so often.
    fn backoff(&mut self, failures: u32) -> Duration {
        self.retry_backoff.after(failures, &mut self.random)
    }
}

/// Whether the coordinator may have heard of the transaction, and has to be told of its end.
fn is_to_be_ended(transaction: &mut TransactionManager) -> bool {
    transaction.transaction().is_none_or(|it| it.is_started() && !planted(Defect::EndNotAsked))
}

/// The coordinator that a request goes to; none where any broker will do.
fn coordinator_asked(request: &CoordinatorRequest, own: Coordinated) -> Option<Coordinated> {
    match request {
        CoordinatorRequest::FindCoordinator(_) => None,
        CoordinatorRequest::CommitOffsets(offsets) => {
            Some(Coordinated { kind: CoordinatorType::Group, key: offsets.group.group_id().into() })
        }
        CoordinatorRequest::InitProducerId { .. }
        | CoordinatorRequest::AddPartitions
        | CoordinatorRequest::AddOffsets(_)
        | CoordinatorRequest::Prepare
        | CoordinatorRequest::EndTransaction { .. } => Some(own),
    }
}

fn shown(node: &Node) -> String {
    format!("{}:{}", Escaped(node.host()), node.port())
}

/// As long as brokers wait where a transaction is begun too early.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The first version of InitProducerId that gives newer epochs on demand.
const RENEWS_FROM: i16 = 3;

impl CoordinatorCall {
    /// The name of its API, for people.
    fn name(&self) -> &'static str {
        match self {
            CoordinatorCall::FindCoordinator(_) => "FindCoordinator",
            CoordinatorCall::InitProducerId(_) => "InitProducerId",
            CoordinatorCall::AddPartitions(_) => "AddPartitionsToTxn",
            CoordinatorCall::AddOffsets(_) => "AddOffsetsToTxn",
            CoordinatorCall::CommitOffsets(_) => "TxnOffsetCommit",
            CoordinatorCall::EndTransaction(_) => "EndTxn",
        }
    }
}
