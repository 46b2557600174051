//! How batches end: acknowledged, failed, given up; what their errors say.
//!
//! Owns: the outcome, the counts of outcomes, and what an end means for the partition's sequence. Must not know: how it was
//! decided.
//! Holds: every batch that was taken from a queue is settled exactly once.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::accumulator::{Expired, Fate, ProducerBatch};
use crate::cluster::Node;
use crate::completion::BatchOutcome;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::last_heard::Explanation;
use crate::mailbox::{FlushCall, PendingFlush};
use crate::network::{Network, NetworkClient};
use crate::planted::{Defect, planted};
use crate::record::TopicName;
use crate::sender::client_request::Turn;
use crate::sender::produce::Produce;
use crate::sender::produce::verdict::BatchAnswer;
use crate::transaction::TransactionManager;

/// Why a batch fails.
pub(super) struct BatchFailure {
    /// The batch's error.
    pub(super) error: Error,
    /// Those of single records (KIP-467), by their places.
    records: Vec<(u32, Error)>,
}

impl From<Error> for BatchFailure {
    fn from(error: Error) -> BatchFailure {
        BatchFailure { error, records: Vec::new() }
    }
}

/// Why batches are given up without an answer from a broker.
pub(in crate::sender) struct GivenUp {
    pub(in crate::sender) error: Error,
    /// Since the producer is closed; else they count as failed.
    pub(in crate::sender) abandoned: bool,
}

/// The error of what was not sent because its transaction is aborted.
pub(in crate::sender) fn aborted() -> Error {
    let text = "the transaction was aborted before this was sent";
    Error::new(ErrorKind::TransactionAborted, text)
}

impl Produce {
    pub(super) fn acknowledge(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        answer: &BatchAnswer<'_>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        if let Some(stamp) = batch.stamp() {
            transaction.acknowledged(index, &stamp, batch.count());
            if transaction.is_idempotent() && !planted(Defect::OvertakenGoAgain) {
                let overtaken = self.drain.take_overtaken_by(index, batch.id());
                overtaken.into_iter().for_each(|batch| self.fail_overtaken(index, batch, now));
            }
        }
        if batch.is_unanswered() {
            self.control.delivered.fetch_add(u64::from(batch.count()), Ordering::Relaxed);
            self.measurements.acknowledged(&batch, now);
        }
        let known = |number: i64| Some(number).filter(|number| *number >= 0);
        let outcome = BatchOutcome::Acknowledged {
            base_offset: known(answer.base_offset),
            log_append_time: known(answer.log_append_time),
        };
        batch.settle(outcome, self.accumulator.pool());
        if !self.drain.has_outstanding(index) {
            self.heard.partition_is_well(index);
        }
        self.warnings.written(self.drain.name(index), now);
    }

    pub(super) fn fail(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        failure: BatchFailure,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        if batch.is_unanswered() {
            if batch.is_doubtful() {
                transaction.mark_unresolved(index);
                self.fail_those_not_found(index, &batch, now);
            } else if !planted(Defect::FailureWithoutBump) {
                transaction.request_epoch_bump(index);
            }
        }
        self.settle_failed(index, batch, failure, now);
    }

    /// The broker has later batches of the partition and does not find this one: it has forgotten the producer and taken
    /// those, or all of it but its last batch. The sequence goes on behind those.
    pub(super) fn fail_overtaken(&mut self, index: usize, batch: ProducerBatch, now: Instant) {
        let error = Error::new(
            ErrorKind::Broker,
            "the broker has lost track of this producer: later records of the partition are in the log already, and \
             written now this one would be out of order",
        );
        let error = match self.heard.last_partition_error(index, batch.created()) {
            Some(last) => error.with_last(&last),
            None => error,
        };
        self.settle_failed(index, batch, error.into(), now);
    }

    /// A batch is given up that the broker may have. Where it has that one it may also have those before it that it did
    /// not find: after a restart a broker knows each producer's last batch only. Under other numbers they could be there
    /// twice.
    fn fail_those_not_found(&mut self, index: usize, later: &ProducerBatch, now: Instant) {
        for batch in self.drain.take_not_found_before(index, later.id()) {
            let error = Error::new(
                ErrorKind::Broker,
                "the broker did not find the batch by its number, and nobody knows whether it has a later one: written \
                 now this one could be there twice",
            );
            self.settle_failed(index, batch, error.into(), now);
        }
    }

    /// A transaction ends: its queues take nothing more. To commit, everything is sent; to abort, what has no place in a
    /// sequence is not. Returns what tells when nothing of it is unanswered any more.
    pub(in crate::sender) fn end_transaction(
        &mut self,
        commits: bool,
        turn: u64,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> FlushCall {
        self.accumulator.turn_queues(turn);
        if !commits && !planted(Defect::UnsentStays) {
            self.fail_unnumbered(&aborted(), transaction, now);
        }
        let (flush, call) = PendingFlush::begin();
        self.drain.flush(&flush, now);
        call
    }

    /// Fails all that has no place in a sequence yet.
    pub(in crate::sender) fn fail_unnumbered(
        &mut self,
        error: &Error,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let unnumbered = self.drain.take_unnumbered(now);
        self.fail_taken(unnumbered, error, transaction, now);
    }

    /// Counts a batch as failed, and tells why it has, with all that is known of it.
    fn settle_failed(&mut self, index: usize, batch: ProducerBatch, failure: BatchFailure, now: Instant) {
        if batch.is_unanswered() {
            self.control.failed.fetch_add(u64::from(batch.count()), Ordering::Relaxed);
            self.measurements.failed(index, batch.count(), now);
        }
        // Before anybody is told of the record: whoever commits then is refused.
        self.control.transactions().batch_failed(&failure.error, batch.stamp().is_some());
        let is_transactional = self.control.transactions().id().is_some();
        let whole = |error: Error| {
            let error = if is_transactional { error.with_requires_abort() } else { error };
            let error = match self.drain.name(index) {
                Some((topic, partition)) => error.with_topic(topic).with_partition(partition),
                None => error,
            };
            error
                .with_attempts(batch.attempts())
                .with_elapsed(now.saturating_duration_since(batch.created()))
                .with_possibly_written(batch.was_doubtful())
        };
        let BatchFailure { error, records } = failure;
        let records = records.into_iter().map(|(place, error)| (place, whole(error))).collect();
        let outcome = BatchOutcome::Failed { error: whole(error), records };
        batch.settle(outcome, self.accumulator.pool());
    }

    /// The batch's error, and those of single records (KIP-467): the others were only in the same batch.
    pub(super) fn failure(&self, batch: &ProducerBatch, answer: &BatchAnswer<'_>) -> BatchFailure {
        let size = (answer.code == ErrorCode::MESSAGE_TOO_LARGE).then(|| self.size_of(batch));
        let own = |message: Option<&str>| {
            let error = answer.error(message);
            size.iter().fold(error, |error, size| error.with_remark(size))
        };
        if answer.record_errors.is_empty() || batch.count() == 1 {
            let of_record =
                answer.record_errors.first().and_then(|error| error.batch_index_error_message.as_deref());
            return own(of_record.or(answer.message)).into();
        }
        let named = answer.record_errors.iter().filter_map(|error| {
            let place = u32::try_from(error.batch_index).ok()?;
            Some((place, own(error.batch_index_error_message.as_deref().or(answer.message))))
        });
        let text = format!("not written because of other records in the same batch ({})", answer.code);
        let of_others = Error::new(ErrorKind::Broker, text).with_code(answer.code).with_node(answer.node);
        BatchFailure { error: of_others, records: named.collect() }
    }

    /// How large a batch is that a broker found too large, and what may be done about it.
    fn size_of(&self, batch: &ProducerBatch) -> String {
        let (count, bytes, most) = (batch.count(), batch.len(), self.settings.max_request_size_bytes);
        let what = match count {
            1 => format!("the batch, which has this record alone, takes {bytes} bytes"),
            _ => format!("the batch of {count} records takes {bytes} bytes"),
        };
        format!(
            "{what}: more than max.message.bytes of the topic, or message.max.bytes of the broker, allows. Raise that, \
             or send smaller records (max.request.size={most} is this client's own limit)"
        )
    }

    /// Gives up what is too late. Returns whether there was anything: callbacks may have run.
    pub(in crate::sender) fn expire<N: Network, T>(
        &mut self,
        client: &NetworkClient<N, T>,
        transaction: &mut TransactionManager,
        turn: Turn,
    ) -> bool {
        let expired = self.drain.expire(turn.now, turn.read_until);
        if expired.is_empty() {
            return false;
        }
        let limit = self.settings.delivery_timeout.as_millis();
        let text = format!("not acknowledged within delivery.timeout.ms={limit}");
        let why = GivenUp { error: Error::new(ErrorKind::Timeout, text), abandoned: false };
        for expired in expired {
            let index = expired.index;
            self.give_up(expired, &why, client, transaction, turn.now);
            self.after_outcome(index, transaction, turn.now);
        }
        true
    }

    /// Gives up everything that is not answered yet. The queues must be closed, and the mailbox read since.
    pub(in crate::sender) fn abort<N: Network, T>(
        &mut self,
        why: &GivenUp,
        client: &NetworkClient<N, T>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        for expired in self.drain.abort(now) {
            self.give_up(expired, why, client, transaction, now);
        }
    }

    /// Fails the batches that could not be sealed. Their records are gone, and the queue goes on behind them. Returns
    /// whether there were any, as `expire`.
    pub(in crate::sender) fn fail_lost(
        &mut self,
        transaction: &mut TransactionManager,
        now: Instant,
    ) -> bool {
        let lost = self.drain.take_lost();
        let is_any = !lost.is_empty();
        for (index, batch) in lost {
            let text =
                "the batch could not be put together: that panicked, which is a defect of this library";
            self.fail(index, batch, Error::new(ErrorKind::Bug, text).into(), transaction, now);
            self.after_outcome(index, transaction, now);
        }
        is_any
    }

    /// Fails all that waits to be sent.
    pub(in crate::sender) fn fail_waiting(
        &mut self,
        error: &Error,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let waiting = self.drain.take_waiting(now);
        self.fail_taken(waiting, error, transaction, now);
    }

    /// Fails what waits to be sent to this broker; and to any, if none has told of the cluster yet.
    pub(in crate::sender) fn fail_waiting_for(
        &mut self,
        node: i32,
        error: &Error,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let is_beginning = self.metadata.cluster().is_bootstrap();
        let is_meant = |leader: Option<i32>| leader.map_or(is_beginning, |leader| leader == node);
        let waiting = self.drain.take_waiting_for(is_meant, now);
        self.fail_taken(waiting, error, transaction, now);
    }

    fn fail_taken(
        &mut self,
        batches: Vec<(usize, ProducerBatch)>,
        error: &Error,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        for (index, batch) in batches {
            self.fail(index, batch, error.clone().into(), transaction, now);
            self.after_outcome(index, transaction, now);
        }
    }

    /// Brokers have told of these topics. Warns of what waits for a leader, and fails what waits for partitions that are
    /// not there any more, once that is certain.
    pub(in crate::sender) fn fail_missing(
        &mut self,
        answered: &[(TopicName, ErrorCode)],
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let cluster = self.metadata.cluster();
        for (topic, partition) in self.drain.leaderless() {
            let why = cluster.no_leader(topic, partition);
            self.warnings.leaderless(topic, partition, why, now);
        }
        let (absent, longest) = (self.drain.absent().collect(), self.retry_backoff.longest());
        for absent in self.missing.look(absent, answered, longest, now) {
            let error = Error::new(ErrorKind::Broker, absent.to_string());
            let error = error.with_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            for batch in self.drain.take_waiting_of(absent.index, now) {
                self.fail(absent.index, batch, error.clone().into(), transaction, now);
            }
            self.after_outcome(absent.index, transaction, now);
        }
    }

    /// Ends a batch without an answer from a broker.
    fn give_up<N: Network, T>(
        &mut self,
        expired: Expired,
        why: &GivenUp,
        client: &NetworkClient<N, T>,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let Expired { index, fate } = expired;
        let sent = match &fate {
            Fate::Whole(batch) => batch.was_doubtful(),
            Fate::InFlight { .. } => true,
        };
        if sent || matches!(&fate, Fate::Whole(batch) if batch.stamp().is_some()) {
            transaction.mark_unresolved(index);
        }
        let (attempts, created, is_carried) = match &fate {
            Fate::Whole(batch) => (batch.attempts(), batch.created(), false),
            Fate::InFlight { attempts, created, .. } => (*attempts, *created, true),
        };
        let explanation = self.explanation(index, created, is_carried, client, now);
        let error = self
            .in_place(index, why.error.clone(), explanation)
            .with_attempts(attempts)
            .with_elapsed(now.saturating_duration_since(created))
            .with_possibly_written(sent && !planted(Defect::ExpiredIsNotThere));
        let error = self.note_in_transaction(error, attempts > 0);
        let outcome = BatchOutcome::Failed { error, records: Vec::new() };
        self.count_given_up(index, &fate, why, now);
        match fate {
            Fate::Whole(batch) => batch.settle(outcome, self.accumulator.pool()),
            Fate::InFlight { completion, .. } => completion.settle(outcome),
        }
    }

    fn count_given_up(&self, index: usize, fate: &Fate, why: &GivenUp, now: Instant) {
        let count = match fate {
            Fate::Whole(batch) => batch.count(),
            Fate::InFlight { count, .. } => *count,
        };
        let counter = if why.abandoned { &self.control.abandoned } else { &self.control.failed };
        counter.fetch_add(u64::from(count), Ordering::Relaxed);
        self.measurements.failed(index, count, now);
    }

    /// A batch fails without an answer: so does its transaction. `was_sent`: its numbers are taken.
    fn note_in_transaction(&self, error: Error, was_sent: bool) -> Error {
        let transactions = self.control.transactions();
        if transactions.id().is_none() {
            return error;
        }
        transactions.batch_failed(&error, was_sent);
        error.with_requires_abort()
    }

    /// What records of this partition have waited for that are there since `created`. `is_carried`: a request carries them.
    fn explanation<N: Network, T>(
        &self,
        index: usize,
        created: Instant,
        is_carried: bool,
        client: &NetworkClient<N, T>,
        now: Instant,
    ) -> Explanation {
        let cluster = self.metadata.cluster();
        let leader = self.drain.leader(index).and_then(|id| cluster.node(id));
        let heard = || self.heard.last_partition_error(index, created);
        let heard = || heard().or_else(|| self.heard.last_error(created));
        // What went wrong with the record itself is older than a connection that does not stand.
        let last = leader.and_then(|leader| client.failure(leader)).or_else(heard);
        // To a leader that is connected others may be on their way.
        let waits = |leader: &&Node| is_carried || last.is_none() || !client.is_connected(leader.id());
        let waited_for = leader.filter(waits).and_then(|leader| client.waited_for(leader, now));
        let since = |time: Instant| now.saturating_duration_since(time.max(created));
        let no_leader = self.drain.name(index).map(|(topic, partition)| cluster.no_leader(topic, partition));
        let answered = self.heard.last_answer(created);
        Explanation {
            last,
            leaderless: self.drain.leaderless_since(index).map(since).zip(no_leader),
            throttled: leader.and_then(|leader| client.throttled(leader, now)),
            held_up: self.heard.held_up(created, now),
            waited_for,
            answered: answered.map(|(node, at)| (node, since(at))),
        }
    }

    /// Puts topic, partition, and what was waited for in vain, into an error.
    fn in_place(&self, index: usize, error: Error, explanation: Explanation) -> Error {
        let error = match self.drain.absence(index) {
            Some(absent) => error.with_remark(&absent.to_string()),
            None => error,
        };
        let error = explanation.explain(error);
        match self.drain.name(index) {
            Some((topic, partition)) => error.with_topic(topic).with_partition(partition),
            None => error,
        }
    }

    /// Something of this partition has been answered or given up: others may go now.
    pub(super) fn after_outcome(&mut self, index: usize, transaction: &mut TransactionManager, now: Instant) {
        if transaction.is_unresolved(index) && !self.drain.has_outstanding(index) {
            transaction.resolve(index);
        }
        self.sequences_changed |= transaction.is_idempotent() && !planted(Defect::GateStaysShut);
        self.drain.revisit(index, now);
    }
}
