//! `Produce`: drained batches become one request per broker; its answer becomes one verdict per batch, carried out.
//!
//! Owns: the sender's side of the accumulator, and the way from a batch to a request and back. Must not know: when metadata
//! and producer ids are asked for.
//! Source: KIP-951 (leaders in answers), KIP-467 (errors per record), KIP-516 (topic ids), KIP-219 (throttling).

mod leader_hints;
mod measurements;
mod missing_partitions;
mod settlement;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accumulator::{
    Availability, AvailabilityRules, BatchRef, Drain, DrainRules, DrainedBatch, ProducerBatch,
    RecordAccumulator,
};
use crate::backoff::ExponentialBackoff;
use crate::config::Settings;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::last_heard::LastHeard;
use crate::logging;
use crate::metadata::{Metadata, Picture};
use crate::network::{Expect, Network, NetworkClient};
use crate::planted::{Defect, planted};
use crate::protocol::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::sender::client_request::{
    ClientRequest, ClientResponse, Context, Effects, NoResponse, SendProgress,
};
use crate::sender::control::Control;
use crate::sender::producer_identity::ProducerIdentity;
use crate::sender::warnings::Warnings;
use crate::transaction::TransactionManager;

use measurements::Measurements;
use missing_partitions::MissingPartitions;
pub(super) use settlement::{GivenUp, aborted};
use verdict::{BatchAnswer, BatchAnswers, Verdict, VerdictContext, classify};

pub(super) struct Produce {
    pub(super) drain: Drain,
    settings: Arc<Settings>,
    retry_backoff: ExponentialBackoff,
    accumulator: Arc<RecordAccumulator>,
    leaders: Availability,
    metadata: Arc<Metadata>,
    heard: Arc<LastHeard>,
    control: Arc<Control>,
    missing: MissingPartitions,
    measurements: Measurements,
    warnings: Warnings,
    random: fastrand::Rng,
    /// The sequences may let go by now what they held back.
    sequences_changed: bool,
}

/// The batches that a request carries.
pub(super) struct ProduceContext {
    batches: Vec<BatchRef>,
    /// When it was made.
    begun: Instant,
}

impl Context for ProduceContext {
    type Request = ProduceRequest;
}

impl Produce {
    pub(super) fn new(settings: Arc<Settings>, control: Arc<Control>, random: fastrand::Rng) -> Produce {
        let (accumulator, metadata) = (Arc::clone(control.accumulator()), Arc::clone(control.metadata()));
        Produce {
            drain: Drain::new(Arc::clone(&accumulator), DrainRules::from(&*settings)),
            leaders: Availability::new(AvailabilityRules::from(&*settings)),
            retry_backoff: settings.retry(),
            settings,
            accumulator,
            heard: Arc::clone(metadata.heard()),
            metadata,
            measurements: Measurements::new(Arc::clone(control.meters())),
            control,
            missing: MissingPartitions::default(),
            warnings: Warnings::new(),
            random,
            sequences_changed: false,
        }
    }

    /// When there is something to do again.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        // What failed on its way to the network may have held others back, and nothing will come that tells of it.
        let held_back = self.sequences_changed.then_some(now);
        self.drain.next_deadline().into_iter().chain(held_back).min()
    }

    /// What the sequences held back is looked at again before anything else is sent.
    pub(super) fn sequences_changed(&mut self) {
        self.sequences_changed = true;
    }

    /// Looks at what the sequences held back, where they may let it go by now.
    pub(super) fn look_at_held_back(&mut self, now: Instant) {
        if std::mem::take(&mut self.sequences_changed) {
            self.drain.look_at_held_back(now);
        }
    }

    /// There is something for this broker, and it can take it or cannot.
    pub(super) fn note_latency(&mut self, node: i32, can_take: bool, read_until: Instant) {
        self.leaders.update_latency(node, can_take, read_until);
    }

    /// The partitions whose batches wait for a leader: it is asked for.
    pub(super) fn ask_for_leaders(&self) {
        for (topic, _) in self.drain.leaderless() {
            self.metadata.need(topic);
        }
    }

    /// One batch of each partition that is ready for this broker, as many as fit into a request; none where that is none.
    pub(super) fn request(
        &mut self,
        node: i32,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Option<ClientRequest<ProduceContext>> {
        let most = self.settings.max_request_size_bytes;
        let drained = self.drain.drain(node, most, now, &mut identity.transaction);
        if drained.is_empty() {
            return None;
        }
        self.measurements.sent(&drained, now);
        let mut topics: Vec<TopicProduceData> = Vec::new();
        let mut batches = Vec::with_capacity(drained.len());
        for DrainedBatch { batch, bytes, .. } in drained {
            let place = topics.iter().rposition(|known| known.name == batch.topic).unwrap_or_else(|| {
                let (name, topic_id) = (batch.topic.clone(), batch.topic_id);
                topics.push(TopicProduceData { name, topic_id, partitions: Vec::new() });
                topics.len() - 1
            });
            let Some(data) = topics.get_mut(place) else { continue };
            data.partitions.push(PartitionProduceData { index: batch.partition, records: bytes });
            batches.push(batch);
        }
        let limit = self.settings.request_timeout;
        let request = ProduceRequest {
            transactional_id: self.control.transactions().id().cloned(),
            transaction_v2: identity.transaction.is_v2(),
            acks: self.settings.acks.wire(),
            timeout_ms: i32::try_from(limit.as_millis()).unwrap_or(i32::MAX),
            topics,
        };
        let expect =
            if request.acks == 0 { Expect::WrittenWithin(limit) } else { Expect::AnswerWithin(limit) };
        Some(ClientRequest { node, request, expect, context: ProduceContext { batches, begun: now } })
    }

    /// A Produce request is over.
    pub(super) fn answered<N: Network, T>(
        &mut self,
        context: ProduceContext,
        answer: ClientResponse<ProduceContext>,
        client: &NetworkClient<N, T>,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let transaction = &mut identity.transaction;
        let response = match answer.response {
            Ok(response) => response,
            Err(NoResponse { error, progress: SendProgress::Refused }) => {
                return self.not_sent(context, &error, transaction, now);
            }
            Err(failure) => return self.unanswered(context, answer.node, &failure, transaction, now),
        };
        let took = now.saturating_duration_since(context.begun);
        self.measurements.answered(took, response.throttle_time_ms, client.meters(answer.node), now);
        self.learn_leaders(&response, &context, transaction, now);
        let (mut effects, mut answers) = (Effects::none(), BatchAnswers::new(&response, answer.node));
        for (place, sent) in context.batches.into_iter().enumerate() {
            let answer = answers.of(place, &sent);
            let is_refusal = answer.code.is_refusal(answer.base_offset) || planted(Defect::ErrorsRefuse);
            if !answer.code.is_none() && !is_refusal {
                self.drain.note_doubt(&sent);
            }
            effects.fatal = effects.fatal.or(self.carry_out(&sent, &answer, transaction, now));
        }
        effects
    }

    /// `acks=0`: what is written counts as done; nobody will say where it is.
    pub(super) fn written(
        &mut self,
        context: ProduceContext,
        node: i32,
        identity: &mut ProducerIdentity,
        now: Instant,
    ) -> Effects {
        let answer = BatchAnswer { code: ErrorCode::NONE, ..BatchAnswer::none(node) };
        let mut effects = Effects::none();
        for sent in context.batches {
            let fatal = self.carry_out(&sent, &answer, &mut identity.transaction, now);
            effects.fatal = effects.fatal.or(fatal);
        }
        effects
    }

    /// The broker speaks no version in which the request can be written, or is not there any more.
    fn not_sent(
        &mut self,
        context: ProduceContext,
        error: &Error,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Effects {
        for sent in context.batches {
            if let Some(mut batch) = self.drain.arrived(&sent) {
                batch.note_not_sent();
                self.fail(sent.index, batch, error.clone().into(), transaction, now);
            }
            self.after_outcome(sent.index, transaction, now);
        }
        Effects::none()
    }

    /// No answer will come. Whether the broker has written the batches is not known.
    fn unanswered(
        &mut self,
        context: ProduceContext,
        node: i32,
        failure: &NoResponse,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Effects {
        let error = &failure.error;
        let code = error.code().unwrap_or(ErrorCode::NETWORK_EXCEPTION);
        self.heard.error(error.clone(), now);
        self.metadata.request_update();
        let (answer, mut effects) =
            (BatchAnswer { code, failure: Some(error), ..BatchAnswer::none(node) }, Effects::none());
        for sent in context.batches {
            if failure.progress == SendProgress::Written {
                self.drain.note_doubt(&sent);
            }
            effects.fatal = effects.fatal.or(self.carry_out(&sent, &answer, transaction, now));
        }
        effects
    }

    /// Does with a batch what its answer means. Returns the error if nothing can be sent any more.
    fn carry_out(
        &mut self,
        sent: &BatchRef,
        answer: &BatchAnswer<'_>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Option<Error> {
        let (index, mut fatal) = (sent.index, None);
        let mut batch = self.drain.arrived(sent)?;
        if answer.code.invalidates_metadata() {
            self.metadata.request_update();
            if self.drain.leader(index) == Some(answer.node) {
                self.metadata.leader_refused(&sent.topic, sent.partition);
            }
        }
        let verdict = self.verdict(index, &batch, answer, transaction, now);
        if answer.code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER && !transaction.is_unresolved(index) {
            batch.clear_doubt();
        }
        if answer.code == ErrorCode::UNKNOWN_PRODUCER_ID {
            transaction.forget_introduction(index);
        }
        #[cfg(all(any(test, feature = "simulation"), not(loom)))]
        crate::stage::note("verdict", verdict);
        match verdict {
            Verdict::Acknowledge => self.acknowledge(index, batch, answer, transaction, now),
            Verdict::AcknowledgeDuplicate => {
                let nowhere = BatchAnswer { base_offset: -1, log_append_time: -1, ..*answer };
                self.acknowledge(index, batch, &nowhere, transaction, now);
            }
            Verdict::Retry => self.retry(index, batch, answer, now),
            Verdict::Split => self.split(index, batch, answer, transaction, now),
            Verdict::RetryWithNewEpoch => {
                transaction.forget_introduction(index);
                transaction.request_epoch_bump(index);
                self.retry(index, batch, answer, now);
            }
            Verdict::Overtaken => {
                self.heard.partition_error(index, answer.error(answer.message), now);
                self.fail_overtaken(index, batch, now);
            }
            Verdict::Fail => {
                let failure = self.failure(&batch, answer);
                self.fail(index, batch, failure, transaction, now);
            }
            Verdict::Fatal => {
                let mut failure = self.failure(&batch, answer);
                failure.error = failure.error.with_fatal();
                fatal = Some(failure.error.clone());
                self.fail(index, batch, failure, transaction, now);
            }
        }
        self.after_outcome(index, transaction, now);
        fatal
    }

    /// What becomes of a batch. One that is acknowledged needs no more than its code.
    fn verdict(
        &self,
        index: usize,
        batch: &ProducerBatch,
        answer: &BatchAnswer<'_>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> Verdict {
        if answer.code.is_none() {
            return Verdict::Acknowledge;
        }
        let in_time = now.saturating_duration_since(batch.created()) < self.settings.delivery_timeout;
        let stamp = batch.stamp().filter(|stamp| stamp.producer_id >= 0);
        let context = VerdictContext {
            idempotent: transaction.is_idempotent(),
            transactional: transaction.is_transactional(),
            doomed: transaction.is_doomed(),
            may_retry: batch.is_unanswered() && in_time && batch.attempts() <= self.settings.retries,
            sequence: stamp.map(|stamp| transaction.sequence_context(index, &stamp)).unwrap_or_default(),
            log_start_offset: answer.log_start_offset,
            of_unknown_fate: batch.is_doubtful(),
            may_split: batch.is_unanswered() && batch.count() > 1,
        };
        if context.is_next_refused(answer.code) {
            transaction.next_number_refused();
        }
        classify(answer.code, &context)
    }

    fn retry(&mut self, index: usize, batch: ProducerBatch, answer: &BatchAnswer<'_>, now: Instant) {
        let error = answer.error(answer.message);
        let failures = batch.attempts().saturating_sub(1);
        let wait = match self.drain.may_hurry(index, answer.node) || planted(Defect::NoBackoff) {
            true => Duration::ZERO,
            false => self.retry_backoff.after(failures, &mut self.random),
        };
        self.heard.error(error.clone(), now);
        self.heard.partition_error(index, error.clone(), now);
        self.measurements.sent_again(index, batch.count(), now);
        self.drain.requeue(index, batch, Some(now + wait).filter(|_| !wait.is_zero()));
        match self.drain.name(index).filter(|_| answer.failure.is_none()) {
            Some(place) => self.warnings.sent_again(place, &error, now),
            None => logging::debug!(labels: error.labels(), "{error}; a batch goes again in {wait:?}"),
        }
    }

    /// Source: KIP-126.
    fn split(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        answer: &BatchAnswer<'_>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let (count, error) = (batch.count(), answer.error(answer.message));
        self.heard.partition_error(index, error.clone(), now);
        if let Some(whole) = self.drain.split(index, batch, now) {
            let failure = self.failure(&whole, answer);
            return self.fail(index, whole, failure, transaction, now);
        }
        self.measurements.split(now);
        if let Some(place) = self.drain.name(index) {
            self.warnings.split(place, count, &error, now);
        }
    }

    /// Lets batches go by this picture of the cluster. Before it is published: a thread that waits for a topic finds it.
    pub(super) fn take_over(
        &mut self,
        picture: &Picture,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let Picture { cluster, changed, .. } = picture;
        for index in self.accumulator.update_topics(cluster, changed, &mut self.leaders) {
            transaction.topic_created_again(index);
        }
        self.drain.update_cluster(cluster, changed, now);
    }

    /// Frees what is kept of topics that are not there any more, or not used, once nothing of them is left.
    pub(super) fn free_what_is_forgotten(&mut self, transaction: &mut TransactionManager) {
        let drain = &self.drain;
        let may_forget = |index| drain.is_idle(index) && transaction.may_forget(index);
        let forgotten = self.accumulator.forget_retired(may_forget);
        self.drain.forget(&forgotten);
        self.measurements.forget(&forgotten);
        for index in forgotten {
            transaction.forget(index);
            self.heard.partition_is_well(index);
        }
    }
}
