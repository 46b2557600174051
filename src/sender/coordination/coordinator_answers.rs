//! What coordinators answer, and what follows: one function for each kind of request, and one that carries out a verdict.
//!
//! Owns: from an answer's fields to a verdict and its consequences. Must not know: what a code means; that is
//! `coordinator_verdict`'s table.
//! Holds: every request that was on its way goes back into the queue, or is concluded and whoever waits for it told.
//! Source: the handlers in Kafka's `TransactionManager` (4.3.1).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cluster::{Node, broker_behind};
use crate::consumer_group::TopicPartition;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::escape::Escaped;
use crate::logging;
use crate::planted::{Defect, planted};
use crate::protocol::Request;
use crate::sender::client_request::{ClientResponse, Effects, NoResponse, ResponseTo, SendProgress};
use crate::sender::coordination::coordinator_call::{
    AddOffsetsContext, AddPartitionsContext, CommitOffsetsContext, CoordinatorCallContext,
    EndTransactionContext, FindCoordinatorContext, InitTransactionsContext,
};
use crate::sender::coordination::{Coordination, coordinator_asked};
use crate::sender::producer_identity::ProducerIdentity;
use crate::transaction::{
    CoordinatorApi, CoordinatorContext, CoordinatorRequest, CoordinatorVerdict, PreparedTxnState,
    QueuedRequest, TransactionEvent, TransactionManager, TransactionState, coordinator_verdict,
    is_refusal_to_end,
};

/// What was asked, its answer's fields, and who gave it.
type ReceivedCall<R> = (CoordinatorCallContext<R>, ResponseTo<CoordinatorCallContext<R>>, i32);

/// An answer's verdict, and the error that it stands for where it is none of success.
struct JudgedAnswer {
    verdict: CoordinatorVerdict,
    error: Error,
}

/// What was received. Where that is no answer, the function that asks is over.
macro_rules! received {
    ($received:expr) => {
        match $received {
            Ok(received) => received,
            Err(effects) => return *effects,
        }
    };
}

impl Coordination {
    pub(in crate::sender) fn found(
        &mut self,
        context: FindCoordinatorContext,
        answer: ClientResponse<FindCoordinatorContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let queued = context.queued;
        let CoordinatorRequest::FindCoordinator(coordinated) = &queued.request else {
            return Effects::none();
        };
        let is_ours = |key: &Option<String>| key.as_ref().is_none_or(|key| **key == *coordinated.key);
        let found = response.coordinators.into_iter().find(|coordinator| is_ours(&coordinator.key));
        let Some(found) = found.filter(|found| !found.error_code.is_none() || found.node_id >= 0) else {
            return self.again(queued, unreadable("FindCoordinator", "names no coordinator"), now);
        };
        if found.error_code.is_none() {
            let place = Node { id: found.node_id, host: found.host, port: found.port, rack: None };
            logging::debug!("{place} coordinates {}", Escaped(&coordinated.key));
            self.coordinators.insert(coordinated.clone(), place.into_coordinator());
            return Effects::none();
        }
        let error = Error::from_code(found.error_code, found.error_message.as_deref());
        let error = error.with_remark(&format!("asked who coordinates {}", Escaped(&coordinated.key)));
        let judged = self.judge(CoordinatorApi::FindCoordinator, found.error_code, error, node);
        self.conclude(queued, judged, &mut identity.transaction, now)
    }

    pub(in crate::sender) fn initialized(
        &mut self,
        context: InitTransactionsContext,
        answer: ClientResponse<InitTransactionsContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let (queued, transaction) = (context.queued, &mut identity.transaction);
        if self.calls.state() != TransactionState::Initializing {
            return Effects::none();
        }
        let (id, epoch, code) = (response.producer_id, response.producer_epoch, response.error_code);
        if !code.is_none() {
            let error = self.error_of(CoordinatorApi::InitProducerId, code);
            let error = match self.remark_on_init(&queued.request, code) {
                Some(remark) => error.with_remark(&remark),
                None => error,
            };
            let judged = self.judge(CoordinatorApi::InitProducerId, code, error, node);
            return self.conclude(queued, judged, transaction, now);
        }
        if id < 0 || epoch < 0 {
            return self.again(queued, unreadable("InitProducerId", "has no producer id"), now);
        }
        transaction.producer_id_received(id, epoch);
        let CoordinatorRequest::InitProducerId { renews, keeps_prepared } = queued.request else {
            return Effects::none();
        };
        self.keeps_prepared = keeps_prepared;
        match renews {
            true => logging::debug!("producer id {id}, epoch {epoch}"),
            false => {
                if let Some(mut it) = transaction.transaction() {
                    it.take_features();
                }
                let (name, v2) = (Escaped(&self.own().key).to_string(), transaction.is_v2());
                logging::info!(
                    "transactional.id {name}: producer id {id}, epoch {epoch}, protocol {}",
                    1 + u8::from(v2)
                );
            }
        }
        let kept = (response.ongoing_txn_producer_id, response.ongoing_txn_producer_epoch);
        let stepped = match kept {
            (id, epoch) if keeps_prepared && !renews && id >= 0 && epoch >= 0 => {
                transaction.transaction().into_iter().for_each(|mut it| it.start());
                self.calls.prepare(PreparedTxnState::new(id, epoch))
            }
            _ => self.calls.advance(TransactionEvent::Initialized),
        };
        if let Err(illegal) = stepped {
            return Effects::fatal(bug(&format!("{illegal:?}")));
        }
        // Those that were asked since a call was given up.
        drop(self.requests.take(|it| matches!(it.request, CoordinatorRequest::InitProducerId { .. })));
        let ending = self.ending.take().and_then(|ending| ending.promise);
        ending.into_iter().chain(self.initializing.take()).for_each(|promise| promise.settle(Ok(())));
        Effects::none()
    }

    /// What has to be done about an error of InitProducerId.
    fn remark_on_init(&self, request: &CoordinatorRequest, code: ErrorCode) -> Option<String> {
        let keeps = matches!(request, CoordinatorRequest::InitProducerId { keeps_prepared: true, .. });
        match code {
            ErrorCode::INVALID_TRANSACTION_TIMEOUT => {
                let timeout = self.settings.transaction_timeout_ms;
                Some(format!(
                    "transaction.timeout.ms={timeout} has to be above 0 and at most the broker's \
                     transaction.max.timeout.ms"
                ))
            }
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                if self.settings.transaction_two_phase_commit_enable =>
            {
                Some(
                    "transaction.two.phase.commit.enable=true needs the same on the brokers, and beside WRITE the \
                     operation TWO_PHASE_COMMIT on the transactional.id"
                        .to_owned(),
                )
            }
            ErrorCode::UNSUPPORTED_VERSION if keeps => Some(
                "the broker cannot keep a prepared transaction (Apache Kafka up to 4.3 cannot); it is as it was, and \
                 init_transactions() would abort it"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    pub(in crate::sender) fn partitions_added(
        &mut self,
        context: AddPartitionsContext,
        answer: ClientResponse<AddPartitionsContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let (queued, transaction) = (context.queued, &mut identity.transaction);
        let is_first = !transaction.transaction().is_some_and(|it| it.has_partitions());
        let mut abortable = None;
        let codes: HashMap<(&str, i32), ErrorCode> = response
            .results_by_topic
            .iter()
            .flat_map(|topic| topic.results_by_partition.iter().map(move |it| (topic, it)))
            .map(|(topic, it)| ((&*topic.name, it.partition_index), it.partition_error_code))
            .collect();
        for (topic, partition, _) in &context.partitions {
            let Some(code) = codes.get(&(topic, *partition)).copied() else {
                return self.again(
                    queued,
                    unreadable("AddPartitionsToTxn", "does not mention a partition"),
                    now,
                );
            };
            let circumstances = CoordinatorContext { is_first, ..CoordinatorContext::default() };
            let verdict = coordinator_verdict(CoordinatorApi::AddPartitionsToTxn, code, circumstances);
            let error = self.error_of(CoordinatorApi::AddPartitionsToTxn, code).with_node(broker(node));
            let judged = JudgedAnswer { verdict, error: error.with_topic(topic).with_partition(*partition) };
            match verdict {
                CoordinatorVerdict::Done => {}
                // The others say why; this one was only in the same request.
                CoordinatorVerdict::Abortable if code == ErrorCode::OPERATION_NOT_ATTEMPTED => {
                    abortable = abortable.or(Some(judged));
                }
                CoordinatorVerdict::Abortable => abortable = Some(judged),
                _ => return self.conclude(queued, judged, transaction, now),
            }
        }
        let indices: Vec<usize> = context.partitions.iter().map(|(_, _, index)| *index).collect();
        if let Some(mut it) = transaction.transaction() {
            it.partitions_answered(&indices, abortable.is_none());
            if abortable.is_none() {
                it.start();
            }
        }
        match abortable {
            Some(judged) => self.conclude(queued, judged, transaction, now),
            None => Effects { sequences_changed: true, ..Effects::none() },
        }
    }

    pub(in crate::sender) fn offsets_added(
        &mut self,
        context: AddOffsetsContext,
        answer: ClientResponse<AddOffsetsContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let (queued, transaction) = (context.queued, &mut identity.transaction);
        if response.error_code.is_none() {
            transaction.transaction().into_iter().for_each(|mut it| it.start());
            if let CoordinatorRequest::AddOffsets(offsets) = queued.request {
                self.requests.push(CoordinatorRequest::CommitOffsets(offsets));
            }
            return Effects::none();
        }
        let (api, code) = (CoordinatorApi::AddOffsetsToTxn, response.error_code);
        let error = self.error_of(api, code);
        let judged = self.judge(api, code, error, node);
        self.conclude(queued, judged, transaction, now)
    }

    pub(in crate::sender) fn offsets_committed(
        &mut self,
        context: CommitOffsetsContext,
        answer: ClientResponse<CommitOffsetsContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let (mut queued, api) = (context.queued, CoordinatorApi::TxnOffsetCommit);
        let CoordinatorRequest::CommitOffsets(asked) = &mut queued.request else { return Effects::none() };
        let codes: HashMap<(&str, i32), ErrorCode> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(move |it| (topic, it)))
            .map(|(topic, it)| ((&*topic.name, it.partition_index), it.error_code))
            .collect();
        let mut left: Option<(ErrorCode, TopicPartition)> = None;
        let (mut worst, mut looks_up) = (None, false);
        asked.offsets.retain(|(place, _)| {
            let code = codes.get(&(place.topic(), place.partition())).copied();
            let code = code.unwrap_or(ErrorCode::NETWORK_EXCEPTION);
            let verdict = coordinator_verdict(api, code, CoordinatorContext::default());
            match verdict {
                CoordinatorVerdict::Done => {}
                CoordinatorVerdict::LookUp => looks_up = true,
                CoordinatorVerdict::Again | CoordinatorVerdict::AgainSoon => {}
                _ if worst.is_none() => worst = Some((code, place.clone())),
                _ => {}
            }
            if verdict != CoordinatorVerdict::Done {
                left.get_or_insert_with(|| (code, place.clone()));
            }
            verdict != CoordinatorVerdict::Done
        });
        let Some(left) = left else {
            if let CoordinatorRequest::CommitOffsets(asked) = queued.request {
                asked.promise.settle(Ok(()));
            }
            return Effects::none();
        };
        let (code, place) = worst.unwrap_or(left);
        let mut error = self.error_of(api, code);
        if let Some(remark) = remark_on_offsets(code) {
            error = error.with_remark(remark);
        }
        error = error.with_topic(&place.topic().into()).with_partition(place.partition());
        let (error, is_unknown) = self.unknown_for_too_long(&mut queued, error, now);
        let mut judged = self.judge(api, code, error, node);
        if is_unknown {
            judged.verdict = CoordinatorVerdict::Abortable;
        }
        if looks_up && judged.verdict == CoordinatorVerdict::Again {
            judged.verdict = CoordinatorVerdict::LookUp;
        }
        self.conclude(queued, judged, &mut identity.transaction, now)
    }

    /// Whether nobody knows for too long what a request is about, and what its error is: a record would have failed by now.
    fn unknown_for_too_long(&self, queued: &mut QueuedRequest, error: Error, now: Instant) -> (Error, bool) {
        if error.code() != Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
            queued.unknown_since = None;
            return (error, false);
        }
        let since = *queued.unknown_since.get_or_insert(now);
        let limit = self.settings.delivery_timeout;
        if now.saturating_duration_since(since) < limit || planted(Defect::UnknownForEver) {
            return (error, false);
        }
        let text = format!("nothing else was said within delivery.timeout.ms={}", limit.as_millis());
        (error.with_remark(&text), true)
    }

    pub(in crate::sender) fn transaction_ended(
        &mut self,
        context: EndTransactionContext,
        answer: ClientResponse<EndTransactionContext>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let (context, response, node) = received!(self.received(context, answer, now));
        let (queued, transaction) = (context.queued, &mut identity.transaction);
        if !self.calls.state().is_completing() {
            return Effects::none();
        }
        let (id, epoch, code) = (response.producer_id, response.producer_epoch, response.error_code);
        let aborts = matches!(queued.request, CoordinatorRequest::EndTransaction { commits: false });
        // By the first protocol that is what there is to say of a transaction that has never begun there.
        let is_nothing_open = aborts && code == ErrorCode::INVALID_TXN_STATE;
        let is_in_doubt = transaction.transaction().is_some_and(|it| it.is_start_in_doubt());
        if code.is_none() || (is_nothing_open && is_in_doubt) {
            self.ended((id >= 0 && epoch >= 0).then_some((id, epoch)), transaction);
            self.rest(transaction, now);
            return Effects::none();
        }
        let api = CoordinatorApi::EndTxn;
        let error = self.error_of(api, code).with_node(broker(node));
        let verdict = coordinator_verdict(api, code, CoordinatorContext { aborts, is_first: false });
        // What the coordinator refuses it has not done, unless it may have done so when it was asked before.
        if !aborts && !queued.may_be_done && is_refusal_to_end(code) {
            self.calls.commit_refused();
        }
        let error = match code {
            ErrorCode::INVALID_TXN_STATE => error.with_remark(
                "the transaction is not open there any more: it may have been aborted after transaction.timeout.ms",
            ),
            _ => error,
        };
        // It is decided elsewhere that it is committed, and not for a coordinator to take that back.
        let is_prepared = self.calls.prepared().is_some_and(|prepared| prepared.has_transaction());
        if is_prepared && !aborts && verdict.is_abortable() {
            return self.failed_for_good(queued, error.with_remark(STILL_PREPARED));
        }
        self.conclude(queued, JudgedAnswer { verdict, error }, transaction, now)
    }

    /// A request is over. Where it has no answer it goes again, or nothing goes any more.
    fn received<R: Request>(
        &mut self,
        context: CoordinatorCallContext<R>,
        answer: ClientResponse<CoordinatorCallContext<R>>,
        now: Instant,
    ) -> Result<ReceivedCall<R>, Box<Effects>> {
        self.requests.arrived();
        let failure = match answer.response {
            Ok(response) => {
                self.lookups = 0;
                return Ok((context, response, answer.node));
            }
            Err(failure) => failure,
        };
        let NoResponse { error, progress } = failure;
        let queued = context.queued;
        if progress == SendProgress::Refused && error.kind() == ErrorKind::UnsupportedVersion {
            let needs_two_phases = self.settings.transaction_two_phase_commit_enable
                && matches!(queued.request, CoordinatorRequest::InitProducerId { .. });
            let error = if needs_two_phases { error.with_remark(NEEDS_TWO_PHASES) } else { error };
            return Err(Box::new(self.failed_for_good(queued, error)));
        }
        if let Some(coordinated) = coordinator_asked(&queued.request, self.own()) {
            self.look_up(coordinated);
        }
        Err(Box::new(self.again(queued, error, now)))
    }

    /// The verdict on an answer, and its error with the broker that gave it.
    fn judge(&self, api: CoordinatorApi, code: ErrorCode, error: Error, node: i32) -> JudgedAnswer {
        let verdict = coordinator_verdict(api, code, CoordinatorContext::default());
        JudgedAnswer { verdict, error: error.with_node(broker(node)) }
    }

    fn error_of(&self, api: CoordinatorApi, code: ErrorCode) -> Error {
        let id = self.own().key;
        Error::from_code(code, None)
            .with_remark(&format!("asked for {api:?} with transactional.id {}", Escaped(&id)))
    }

    /// Carries out a verdict that is not one of success.
    fn conclude(
        &mut self,
        queued: QueuedRequest,
        judged: JudgedAnswer,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Effects {
        let JudgedAnswer { verdict, error } = judged;
        let can_renew = transaction.transaction().is_some_and(|it| it.can_renew());
        let aborts = matches!(queued.request, CoordinatorRequest::EndTransaction { commits: false });
        match verdict {
            CoordinatorVerdict::Done => Effects::none(),
            CoordinatorVerdict::Again => self.again(queued, error, now),
            CoordinatorVerdict::AgainSoon => {
                let wait = SOON.min(self.backoff(0));
                self.heard.error(error, now);
                self.requests.again(queued, now.checked_add(wait));
                Effects::none()
            }
            CoordinatorVerdict::LookUp => {
                if let Some(coordinated) = coordinator_asked(&queued.request, self.own()) {
                    self.look_up(coordinated);
                }
                self.again(queued, error, now)
            }
            CoordinatorVerdict::Abortable => self.failed(queued, error),
            CoordinatorVerdict::AbortableIfRenewable if can_renew && !aborts => {
                self.calls.batch_failed(&error, true);
                self.failed(queued, error)
            }
            CoordinatorVerdict::Fenced if planted(Defect::FencingIgnored) => self.failed(queued, error),
            CoordinatorVerdict::Fenced => {
                let text = "the producer is fenced: another one has its transactional.id, or the coordinator has \
                            aborted the transaction after transaction.timeout.ms";
                let fenced = Error::new(ErrorKind::Fenced, format!("{text}: {error}")).with_source(error);
                self.failed_for_good(queued, fenced.with_code(ErrorCode::PRODUCER_FENCED))
            }
            CoordinatorVerdict::AbortableIfRenewable | CoordinatorVerdict::Fatal => {
                self.failed_for_good(queued, error)
            }
        }
    }

    /// The request goes again after a while.
    fn again(&mut self, mut queued: QueuedRequest, error: Error, now: Instant) -> Effects {
        // What coordinators look at before they do anything.
        let is_untouched = matches!(
            error.code(),
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::CONCURRENT_TRANSACTIONS)
        );
        queued.may_be_done |= !is_untouched;
        // What only waits for the end of another transaction waits no longer each time.
        let is_busy = error.code() == Some(ErrorCode::CONCURRENT_TRANSACTIONS);
        let failures = if is_busy { 0 } else { queued.failures };
        let wait = self.backoff(failures);
        queued.failures = queued.failures.saturating_add(1);
        if queued.failures >= MANY_FAILURES && queued.failures.is_power_of_two() {
            let times = queued.failures;
            logging::warn!(labels: error.labels(), "{error}; asked {times} times, and again until the call is given up");
        } else {
            logging::debug!(labels: error.labels(), "{error}; it is asked again in {wait:?}");
        }
        self.heard.error(error, now);
        self.requests.again(queued, now.checked_add(wait));
        Effects::none()
    }

    /// Nothing can be sent any more. Whoever waits for the request is told with all others.
    fn failed_for_good(&mut self, queued: QueuedRequest, error: Error) -> Effects {
        self.requests.again(queued, None);
        Effects::fatal(error.with_fatal())
    }

    /// The transaction can only be aborted; where there is none yet, only the call has failed.
    fn failed(&mut self, queued: QueuedRequest, error: Error) -> Effects {
        if self.calls.state() == TransactionState::Initializing {
            drop(self.requests.take(|_| true));
            self.init_failed(error);
            return Effects::none();
        }
        let error = error.with_requires_abort();
        // Before anybody is told: whoever aborts then may.
        self.calls.fail(&error);
        if matches!(queued.request, CoordinatorRequest::EndTransaction { .. }) {
            self.end_failed(&error);
        }
        queued.request.fail(error);
        Effects::none()
    }
}

/// What a refusal of offsets means, beyond its code.
fn remark_on_offsets(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID => Some(
            "the group does not know the consumer as the member that it was: its partitions may be another's by now",
        ),
        ErrorCode::OFFSET_METADATA_TOO_LARGE => Some(
            "the text given by OffsetAndMetadata::with_metadata is longer than the broker's offset.metadata.max.bytes, 4096 \
             by default",
        ),
        _ => None,
    }
}

/// A coordinator's answer in which something is missing. It is asked again.
fn unreadable(api: &str, what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("the broker's answer to {api} {what}"))
        .with_code(ErrorCode::NETWORK_EXCEPTION)
}

fn bug(what: &str) -> Error {
    let text =
        format!("a transaction took a step that is not allowed, which is a defect of this library: {what}");
    Error::new(ErrorKind::Bug, text).with_fatal()
}

fn broker(node: i32) -> i32 {
    broker_behind(node).unwrap_or(node)
}

const NEEDS_TWO_PHASES: &str = "transaction.two.phase.commit.enable=true asks for two-phase commit, which brokers offer only with \
     unstable.api.versions.enable=true (Apache Kafka 4.3); set that there, or leave the setting out here";

/// What passes has passed before that: with the default backoff it is about five seconds.
const MANY_FAILURES: u32 = 8;

const STILL_PREPARED: &str = "the transaction is still prepared, and init_transactions_keeping_prepared() of the next producer finds it";

/// How long to wait where only the end of the transaction before this one is in the way, as Kafka does.
const SOON: Duration = Duration::from_millis(20);
