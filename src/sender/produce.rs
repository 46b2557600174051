//! Produce: drained batches become one request per broker; its answer becomes one verdict per batch, carried out.
//!
//! Owns: the way from a batch to a request and back. Must not know: when something is ready, how verdicts are found.
//! Source: KIP-951 (leaders in answers), KIP-467 (errors per record), KIP-516 (topic ids), KIP-219 (throttling).

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::accumulator::{BatchRef, DrainedBatch, ProducerBatch};
use crate::cluster::Node;
use crate::completion::BatchOutcome;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::logging;
use crate::metadata::LeaderNews;
use crate::network::{Expect, Network};
use crate::planted::{Defect, planted};
use crate::protocol::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use crate::record::TopicName;
use crate::sender::Sender;
use crate::sender::note::{Note, ProduceNote};
use crate::sender::verdict::{Context, Verdict, classify};
use crate::uuid::Uuid;

/// What an answer says of one batch.
struct Answer<'a> {
    code: ErrorCode,
    message: Option<&'a str>,
    /// Why there is no answer.
    failure: Option<&'a Error>,
    /// There is an answer, and this batch is not in it.
    is_missing: bool,
    base_offset: i64,
    log_append_time: i64,
    log_start_offset: i64,
    record_errors: &'a [BatchIndexAndErrorMessage],
    node: i32,
}

impl Answer<'_> {
    /// What went wrong, in the broker's words or in those of the network.
    fn error(&self, message: Option<&str>) -> Error {
        match self.failure {
            Some(failure) => failure.clone().with_code(self.code).with_node(self.node),
            None if self.is_missing => {
                let text = "the broker's answer does not mention the partition";
                Error::new(ErrorKind::Network, text).with_code(self.code).with_node(self.node)
            }
            None => Error::from_code(self.code, message).with_node(self.node),
        }
    }
}

impl<N: Network> Sender<N> {
    pub(super) fn send_produce(&mut self, node: i32, drained: Vec<DrainedBatch>, now: Instant) {
        let mut topics: Vec<TopicProduceData> = Vec::new();
        let mut batches = Vec::with_capacity(drained.len());
        for DrainedBatch { batch, bytes } in drained {
            let place = topics.iter().rposition(|known| known.name == batch.topic).unwrap_or_else(|| {
                let (name, topic_id) = (batch.topic.clone(), batch.topic_id);
                topics.push(TopicProduceData { name, topic_id, partitions: Vec::new() });
                topics.len() - 1
            });
            let Some(data) = topics.get_mut(place) else { continue };
            data.partitions.push(PartitionProduceData { index: batch.partition, records: bytes });
            batches.push(batch);
        }
        let request = ProduceRequest {
            transactional_id: None,
            transaction_v2: false,
            acks: self.settings.acks,
            timeout_ms: i32::try_from(self.settings.request_timeout.as_millis()).unwrap_or(i32::MAX),
            topics,
        };
        let limit = self.settings.request_timeout;
        let expect =
            if self.settings.acks == 0 { Expect::WrittenWithin(limit) } else { Expect::AnswerWithin(limit) };
        let note = Note::Produce(ProduceNote { batches });
        if let Err((Note::Produce(note), error)) = self.client.send(node, &request, expect, note, now) {
            for sent in note.batches {
                if let Some(mut batch) = self.drain.arrived(&sent) {
                    batch.note_not_sent();
                    self.fail(sent.index, batch, error.clone(), Vec::new(), now);
                }
                self.after_outcome(sent.index, now);
            }
        }
    }

    pub(super) fn produce_answered(
        &mut self,
        node: i32,
        note: ProduceNote,
        version: i16,
        frame: &[u8],
        now: Instant,
    ) {
        let response = match self.client.read::<ProduceRequest>(node, version, frame, now) {
            Ok(response) => response,
            Err(error) => return self.produce_failed(node, note, true, &error, now),
        };
        self.learn_leaders(&response, &note, now);
        let mut answers = Answers::new(&response);
        for (place, sent) in note.batches.into_iter().enumerate() {
            let found = answers.of(place, &sent);
            let answer = found.map_or_else(|| no_answer(node), |answer| answer_of(answer, node));
            let is_refusal = answer.code.is_refusal(answer.base_offset) || planted(Defect::ErrorsRefuse);
            if !answer.code.is_none() && !is_refusal {
                self.drain.note_doubt(&sent);
            }
            self.carry_out(&sent, &answer, now);
        }
    }

    /// `acks=0`: what is written counts as done; nobody will say where it is.
    pub(super) fn produce_written(&mut self, node: i32, note: ProduceNote, now: Instant) {
        for sent in note.batches {
            self.carry_out(&sent, &Answer { code: ErrorCode::NONE, ..no_answer(node) }, now);
        }
    }

    /// No answer will come. Whether the broker has written the batches is not known.
    pub(super) fn produce_failed(
        &mut self,
        node: i32,
        note: ProduceNote,
        written: bool,
        error: &Error,
        now: Instant,
    ) {
        let code = error.code().unwrap_or(ErrorCode::NETWORK_EXCEPTION);
        self.metadata.note_error(error.clone(), now);
        self.metadata.request_update();
        for sent in note.batches {
            let answer = Answer { code, failure: Some(error), ..no_answer(node) };
            if written {
                self.drain.note_doubt(&sent);
            }
            self.carry_out(&sent, &answer, now);
        }
    }

    fn carry_out(&mut self, sent: &BatchRef, answer: &Answer<'_>, now: Instant) {
        let index = sent.index;
        let Some(mut batch) = self.drain.arrived(sent) else { return };
        if answer.code.invalidates_metadata() {
            self.metadata.request_update();
            if self.drain.leader(index) == Some(answer.node) {
                self.metadata.leader_refused(&sent.topic, sent.partition);
            }
        }
        let verdict = classify(answer.code, &self.context(index, &batch, answer, now));
        if answer.code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER && !self.transaction.is_unresolved(index) {
            batch.clear_doubt();
        }
        if answer.code == ErrorCode::UNKNOWN_PRODUCER_ID {
            self.transaction.forget_introduction(index);
        }
        #[cfg(all(any(test, feature = "simulation"), not(loom)))]
        crate::stage::note("verdict", verdict);
        match verdict {
            Verdict::Acknowledge => self.acknowledge(index, batch, answer, now),
            Verdict::AcknowledgeDuplicate => {
                let nowhere = Answer { base_offset: -1, log_append_time: -1, ..*answer };
                self.acknowledge(index, batch, &nowhere, now);
            }
            Verdict::Retry => self.retry(index, batch, answer, now),
            Verdict::Split => self.split(index, batch, answer, now),
            Verdict::RetryWithNewEpoch => {
                self.transaction.forget_introduction(index);
                self.transaction.request_epoch_bump(index);
                self.retry(index, batch, answer, now);
            }
            Verdict::Overtaken => {
                batch.note_error(answer.error(answer.message));
                self.fail_overtaken(index, batch, now);
            }
            Verdict::Fail => {
                let (error, records) = self.errors(&batch, answer);
                self.fail(index, batch, error, records, now);
            }
            Verdict::Fatal => {
                let (error, records) = self.errors(&batch, answer);
                let error = error.with_fatal();
                self.fail(index, batch, error.clone(), records, now);
                self.become_fatal(error, now);
            }
        }
        self.after_outcome(index, now);
    }

    fn context(&mut self, index: usize, batch: &ProducerBatch, answer: &Answer<'_>, now: Instant) -> Context {
        let in_time = now.saturating_duration_since(batch.created()) < self.settings.delivery_timeout;
        let stamp = batch.stamp().filter(|stamp| stamp.producer_id >= 0);
        Context {
            idempotent: self.transaction.is_idempotent(),
            may_retry: batch.is_unanswered() && in_time && batch.attempts() <= self.settings.retries,
            sequence: stamp.map(|stamp| self.transaction.sequence_context(index, &stamp)).unwrap_or_default(),
            log_start_offset: answer.log_start_offset,
            of_unknown_fate: batch.is_doubtful(),
            may_split: batch.is_unanswered() && batch.count() > 1,
        }
    }

    fn acknowledge(&mut self, index: usize, batch: ProducerBatch, answer: &Answer<'_>, now: Instant) {
        if let Some(stamp) = batch.stamp() {
            self.transaction.acknowledged(index, &stamp, batch.count());
            if self.transaction.is_idempotent() && !planted(Defect::OvertakenGoAgain) {
                let overtaken = self.drain.take_overtaken(index, batch.id());
                overtaken.into_iter().for_each(|batch| self.fail_overtaken(index, batch, now));
            }
        }
        if batch.is_unanswered() {
            self.control.delivered.fetch_add(u64::from(batch.count()), Ordering::Relaxed);
        }
        let known = |number: i64| Some(number).filter(|number| *number >= 0);
        let outcome = BatchOutcome::Acknowledged {
            base_offset: known(answer.base_offset),
            log_append_time: known(answer.log_append_time),
        };
        batch.settle(outcome, self.accumulator.pool());
        self.troubles.written(self.drain.name(index), now);
    }

    fn retry(&mut self, index: usize, mut batch: ProducerBatch, answer: &Answer<'_>, now: Instant) {
        let error = answer.error(answer.message);
        let failures = batch.attempts().saturating_sub(1);
        let wait = match self.drain.may_hurry(index, answer.node) || planted(Defect::NoBackoff) {
            true => Duration::ZERO,
            false => self.settings.retry_backoff.after(failures, &mut self.random),
        };
        self.metadata.note_error(error.clone(), now);
        batch.note_error(error.clone());
        self.drain.requeue(index, batch, Some(now + wait).filter(|_| !wait.is_zero()));
        match self.drain.name(index).filter(|_| answer.failure.is_none()) {
            Some(place) => self.troubles.sent_again(place, &error, now),
            None => logging::debug!("{error}; a batch goes again in {wait:?}"),
        }
    }

    /// Source: KIP-126.
    fn split(&mut self, index: usize, mut batch: ProducerBatch, answer: &Answer<'_>, now: Instant) {
        let (count, error) = (batch.count(), answer.error(answer.message));
        batch.note_error(error.clone());
        if let Some(whole) = self.drain.split(index, batch, now) {
            let (error, records) = self.errors(&whole, answer);
            return self.fail(index, whole, error, records, now);
        }
        if let Some(place) = self.drain.name(index) {
            self.troubles.split(place, count, &error, now);
        }
    }

    pub(super) fn fail(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        error: Error,
        records: Vec<(u32, Error)>,
        now: Instant,
    ) {
        if batch.is_unanswered() {
            if batch.is_doubtful() {
                self.transaction.mark_unresolved(index);
            } else if !planted(Defect::FailureWithoutBump) {
                self.transaction.request_epoch_bump(index);
            }
        }
        self.settle_failed(index, batch, error, records, now);
    }

    /// The broker has taken later batches of the partition and does not have this one: it must have forgotten the
    /// producer. The sequence goes on behind those.
    fn fail_overtaken(&mut self, index: usize, batch: ProducerBatch, now: Instant) {
        let error = Error::new(
            ErrorKind::Broker,
            "the broker has lost track of this producer: later records of the partition are in the log already, and \
             written now this one would be out of order",
        );
        let error = match batch.last_error() {
            Some(last) => error.with_last(last),
            None => error,
        };
        self.settle_failed(index, batch, error, Vec::new(), now);
    }

    /// Counts a batch as failed, and tells why it has, with all that is known of it.
    fn settle_failed(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        error: Error,
        records: Vec<(u32, Error)>,
        now: Instant,
    ) {
        if batch.is_unanswered() {
            self.control.failed.fetch_add(u64::from(batch.count()), Ordering::Relaxed);
        }
        let whole = |error: Error| {
            let error = match self.drain.name(index) {
                Some((topic, partition)) => error.with_topic(topic).with_partition(partition),
                None => error,
            };
            error
                .with_attempts(batch.attempts())
                .with_elapsed(now.saturating_duration_since(batch.created()))
                .with_possibly_written(batch.was_doubtful())
        };
        let records = records.into_iter().map(|(place, error)| (place, whole(error))).collect();
        let outcome = BatchOutcome::Failed { error: whole(error), records };
        batch.settle(outcome, self.accumulator.pool());
    }

    /// The batch's error, and those of single records (KIP-467): the others were only in bad company.
    fn errors(&self, batch: &ProducerBatch, answer: &Answer<'_>) -> (Error, Vec<(u32, Error)>) {
        let size = (answer.code == ErrorCode::MESSAGE_TOO_LARGE).then(|| self.size_of(batch));
        let own = |message: Option<&str>| {
            let error = answer.error(message);
            size.iter().fold(error, |error, size| error.with_remark(size))
        };
        if answer.record_errors.is_empty() || batch.count() == 1 {
            let of_record =
                answer.record_errors.first().and_then(|error| error.batch_index_error_message.as_deref());
            return (own(of_record.or(answer.message)), Vec::new());
        }
        let named = answer.record_errors.iter().filter_map(|error| {
            let place = u32::try_from(error.batch_index).ok()?;
            Some((place, own(error.batch_index_error_message.as_deref().or(answer.message))))
        });
        let text = format!("not written because of other records in the same batch ({})", answer.code);
        let company = Error::new(ErrorKind::Broker, text).with_code(answer.code).with_node(answer.node);
        (company, named.collect())
    }

    /// How large a batch is that a broker found too large, and what may be done about it.
    fn size_of(&self, batch: &ProducerBatch) -> String {
        let (count, bytes, most) = (batch.count(), batch.len(), self.settings.max_request_size);
        let what = match count {
            1 => format!("the batch, which has this record alone, takes {bytes} bytes"),
            _ => format!("the batch of {count} records takes {bytes} bytes"),
        };
        format!(
            "{what}: more than max.message.bytes of the topic, or message.max.bytes of the broker, allows. Raise that, \
             or send smaller records (max.request.size={most} is this client's own limit)"
        )
    }

    /// Nothing can be sent any more: everything that waits fails with this error, and so does every later `send`.
    pub(super) fn become_fatal(&mut self, error: Error, now: Instant) {
        logging::error!("{error}");
        self.control.set_fatal(error.clone());
        self.transaction.set_fatal();
        self.metadata.close(error.clone());
        self.accumulator.close();
        self.accumulator.close_queues();
        self.drain.collect(now);
        for expired in self.drain.abort(now) {
            self.give_up(expired, &error, false, now);
        }
    }

    fn learn_leaders(&mut self, response: &ProduceResponse, note: &ProduceNote, now: Instant) {
        let told = |topic: &&TopicProduceResponse| {
            topic.partition_responses.iter().any(|partition| partition.current_leader.is_some())
        };
        let topics: Vec<_> = response.responses.iter().filter(told).collect();
        if topics.is_empty() {
            return;
        }
        let asked = note.batches.iter();
        let names: HashMap<(&str, Uuid), &TopicName> = asked
            .flat_map(|sent| [((&*sent.topic, Uuid::ZERO), &sent.topic), (("", sent.topic_id), &sent.topic)])
            .collect();
        let mut news = Vec::new();
        for topic in topics {
            let id = if topic.name.is_empty() { topic.topic_id } else { Uuid::ZERO };
            let Some(name) = names.get(&(&*topic.name, id)) else { continue };
            for partition in &topic.partition_responses {
                let Some(leader) = &partition.current_leader else { continue };
                news.push(LeaderNews {
                    topic: (*name).clone(),
                    partition: partition.index,
                    leader: leader.leader_id,
                    leader_epoch: leader.leader_epoch,
                });
            }
        }
        if news.is_empty() {
            return;
        }
        let endpoints = response.node_endpoints.iter().map(|endpoint| Node {
            id: endpoint.node_id,
            host: endpoint.host.clone(),
            port: endpoint.port,
            rack: endpoint.rack.clone(),
        });
        let endpoints: Vec<Node> = endpoints.collect();
        if let Some(picture) = self.metadata.with_leaders(&news, &endpoints) {
            self.take_over(&picture, now);
            self.metadata.publish_leaders(picture);
        }
    }
}

type PlacedAnswer<'a> = (&'a TopicName, Uuid, &'a PartitionProduceResponse);

/// A request's answers, to be found by the batches that it carried.
struct Answers<'a> {
    in_order: Vec<PlacedAnswer<'a>>,
    /// Made where one does not stand in the place that its batch had in the request.
    by_partition: Option<HashMap<(&'a str, Uuid, i32), &'a PartitionProduceResponse>>,
}

impl<'a> Answers<'a> {
    fn new(response: &'a ProduceResponse) -> Answers<'a> {
        let topics = response.responses.iter();
        let in_order = topics
            .flat_map(|topic| topic.partition_responses.iter().map(|one| (&topic.name, topic.topic_id, one)));
        Answers { in_order: in_order.collect(), by_partition: None }
    }

    /// The answer to the batch that stood in this place of the request. From version 13 on topics have ids there, and no
    /// names.
    fn of(&mut self, place: usize, sent: &BatchRef) -> Option<&'a PartitionProduceResponse> {
        let BatchRef { topic, topic_id, partition, .. } = sent;
        let ours = |(name, id, answer): &&PlacedAnswer<'_>| {
            answer.index == *partition && (*name == topic || (name.is_empty() && id == topic_id))
        };
        // Brokers mostly answer in the order of the request.
        if let Some((_, _, answer)) = self.in_order.get(place).filter(ours) {
            return Some(answer);
        }
        let by_partition = self.by_partition.get_or_insert_with(|| {
            let mut by_partition = HashMap::new();
            for (name, id, answer) in &self.in_order {
                let id = if name.is_empty() { *id } else { Uuid::ZERO };
                by_partition.entry((&***name, id, answer.index)).or_insert(*answer);
            }
            by_partition
        });
        let by_name = by_partition.get(&(&**topic, Uuid::ZERO, *partition));
        by_name.or_else(|| by_partition.get(&("", *topic_id, *partition))).copied()
    }
}

fn answer_of(answer: &PartitionProduceResponse, node: i32) -> Answer<'_> {
    Answer {
        code: answer.error_code,
        message: answer.error_message.as_deref(),
        failure: None,
        is_missing: false,
        base_offset: answer.base_offset,
        log_append_time: answer.log_append_time_ms,
        log_start_offset: answer.log_start_offset,
        record_errors: &answer.record_errors,
        node,
    }
}

/// For a batch that the answer does not mention, and the mould for answers that we make ourselves.
fn no_answer(node: i32) -> Answer<'static> {
    Answer {
        code: ErrorCode::NETWORK_EXCEPTION,
        message: None,
        failure: None,
        is_missing: true,
        base_offset: -1,
        log_append_time: -1,
        log_start_offset: -1,
        record_errors: &[],
        node,
    }
}
