//! What a broker's answer to a Produce request says of one batch (`BatchAnswer`), and what to do with the batch: a pure table.
//!
//! Owns: where in the answer it stands, what holds where nothing does, and the decision. Must not know: how it is carried out.
//! Source: Kafka's `Sender.completeBatch`, `Sender.canRetry`, `TransactionManager.canRetry`; `Errors`.

use std::collections::HashMap;

use crate::accumulator::BatchRef;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::planted::{Defect, planted};
use crate::protocol::{BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse};
use crate::record::TopicName;
use crate::transaction::{SequenceContext, SequencePlace};
use crate::uuid::Uuid;

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log, at the offset that the answer says.
    Acknowledge,
    /// It is in the log already; where, nobody says.
    AcknowledgeDuplicate,
    /// Send it again after a while.
    Retry,
    /// Send its records again in smaller batches, at once. That is no retry.
    Split,
    /// The partition's sequence cannot go on: a new epoch, everything numbered anew, and again.
    RetryWithNewEpoch,
    /// Tell the error.
    Fail,
    /// Tell that later records of the partition are in the log already: this batch would be out of order there.
    Overtaken,
    /// Tell the error, and use this producer no more.
    Fatal,
}

/// All that the decision depends on besides the error code.
#[derive(Debug, Clone, Copy)]
pub(super) struct VerdictContext {
    pub(super) idempotent: bool,
    pub(super) transactional: bool,
    /// Its transaction can only be aborted.
    pub(super) doomed: bool,
    /// `retries` are left, and `delivery.timeout.ms` is not over.
    pub(super) may_retry: bool,
    pub(super) sequence: SequenceContext,
    /// The first offset that the partition still has; -1 if the broker does not tell.
    pub(super) log_start_offset: i64,
    /// The broker may have the batch from an earlier try, or may get it yet.
    pub(super) of_unknown_fate: bool,
    /// It has more than one record, and somebody waits for them.
    pub(super) may_split: bool,
}

impl VerdictContext {
    /// Whether this code says of the very next batch that it is not the next one.
    pub(super) fn is_next_refused(&self, code: ErrorCode) -> bool {
        let is_next = self.sequence.place == SequencePlace::Next && !self.sequence.unresolved;
        code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER && is_next
    }
}

/// Decides. What may be sent again is not where it would be out of order in the log.
pub(super) fn classify(code: ErrorCode, context: &VerdictContext) -> Verdict {
    match by_code(code, context) {
        Verdict::Retry | Verdict::Split | Verdict::RetryWithNewEpoch if is_overtaken(code, context) => {
            Verdict::Overtaken
        }
        // In a transaction only the coordinator gives epochs, and only at its end.
        Verdict::RetryWithNewEpoch if context.transactional => Verdict::Fail,
        // The one before it has failed and will not come any more.
        Verdict::Retry if context.doomed && code.tells_that_batch_is_missing() => Verdict::Fail,
        verdict => verdict,
    }
}

/// Whether later batches are in the log and this one, as far as anybody knows, is not. A broker that knows the producer
/// takes them in order only; one that has forgotten it takes whatever comes.
fn is_overtaken(code: ErrorCode, context: &VerdictContext) -> bool {
    let is_missing = !context.of_unknown_fate || code.tells_that_batch_is_missing();
    let is_seen = !planted(Defect::OvertakenGoAgain);
    is_seen && context.idempotent && context.sequence.place == SequencePlace::Overtaken && is_missing
}

fn by_code(code: ErrorCode, context: &VerdictContext) -> Verdict {
    match code {
        ErrorCode::NONE => Verdict::Acknowledge,
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER if planted(Defect::RepeatsFail) => Verdict::Fail,
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::AcknowledgeDuplicate,
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::PRODUCER_FENCED
        | ErrorCode::UNSUPPORTED_VERSION
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            if context.idempotent =>
        {
            Verdict::Fatal
        }
        ErrorCode::MESSAGE_TOO_LARGE if context.may_split => too_large(context),
        _ if !context.may_retry => Verdict::Fail,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if context.idempotent => out_of_order(context),
        ErrorCode::UNKNOWN_PRODUCER_ID if context.idempotent => unknown_producer(context),
        code if code.is_retriable() => Verdict::Retry,
        _ => Verdict::Fail,
    }
}

/// The batch came too early, because an earlier one is still to be sent again: it goes again after that. Where it is the
/// very next one the broker lacks something that it had acknowledged, and where later ones are acknowledged (the broker
/// takes a producer that it has forgotten at any number) it will never fit again, and fails as overtaken. Where the one
/// before it was given up and may still arrive on a connection that we gave up as well, so may this one, right behind it:
/// sent again under another number it could be there twice. (Kafka's own client takes that risk.)
fn out_of_order(context: &VerdictContext) -> Verdict {
    if context.sequence.unresolved && context.of_unknown_fate {
        return Verdict::Fail;
    }
    let early = context.sequence.place == SequencePlace::Early;
    if early && !context.sequence.unresolved { Verdict::Retry } else { Verdict::RetryWithNewEpoch }
}

/// A broker looks at the size before it looks at the sequence: it does not say whether it has the batch already, from
/// before its limit was lowered. In smaller batches the records could be there twice. (Kafka's own client takes that
/// risk.)
fn too_large(context: &VerdictContext) -> Verdict {
    let is_doubtful = context.of_unknown_fate && !planted(Defect::DoubtfulIsSplit);
    if context.idempotent && is_doubtful { Verdict::Fail } else { Verdict::Split }
}

/// The broker has forgotten this producer, and with it whether it has the batch from an earlier try. (Kafka's own client
/// sends it again all the same.)
fn unknown_producer(context: &VerdictContext) -> Verdict {
    if context.of_unknown_fate {
        return Verdict::Fail;
    }
    if context.log_start_offset == -1 { Verdict::Retry } else { Verdict::RetryWithNewEpoch }
}

/// What an answer says of one batch.
pub(super) struct BatchAnswer<'a> {
    pub(super) code: ErrorCode,
    pub(super) message: Option<&'a str>,
    /// Why there is no answer.
    pub(super) failure: Option<&'a Error>,
    /// There is an answer, and this batch is not in it.
    pub(super) is_missing: bool,
    pub(super) base_offset: i64,
    pub(super) log_append_time: i64,
    pub(super) log_start_offset: i64,
    pub(super) record_errors: &'a [BatchIndexAndErrorMessage],
    pub(super) node: i32,
}

impl BatchAnswer<'_> {
    /// For a batch that the answer does not mention, and the mould for answers that we make ourselves.
    pub(super) fn none(node: i32) -> BatchAnswer<'static> {
        BatchAnswer {
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

    /// What went wrong, in the broker's words or in those of the network.
    pub(super) fn error(&self, message: Option<&str>) -> Error {
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

type PlacedAnswer<'a> = (&'a TopicName, Uuid, &'a PartitionProduceResponse);

/// A request's answers, to be found by the batches that it carried.
pub(super) struct BatchAnswers<'a> {
    node: i32,
    in_order: Vec<PlacedAnswer<'a>>,
    /// Made where one does not stand in the place that its batch had in the request.
    by_partition: Option<HashMap<(&'a str, Uuid, i32), &'a PartitionProduceResponse>>,
}

impl<'a> BatchAnswers<'a> {
    pub(super) fn new(response: &'a ProduceResponse, node: i32) -> BatchAnswers<'a> {
        let topics = response.responses.iter();
        let in_order = topics
            .flat_map(|topic| topic.partition_responses.iter().map(|one| (&topic.name, topic.topic_id, one)));
        BatchAnswers { node, in_order: in_order.collect(), by_partition: None }
    }

    /// The answer to the batch that stood in this place of the request. From version 13 on topics have ids there, and no
    /// names.
    pub(super) fn of(&mut self, place: usize, sent: &BatchRef) -> BatchAnswer<'a> {
        let node = self.node;
        let Some(answer) = self.find(place, sent) else { return BatchAnswer::none(node) };
        BatchAnswer {
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

    fn find(&mut self, place: usize, sent: &BatchRef) -> Option<&'a PartitionProduceResponse> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: VerdictContext = VerdictContext {
        idempotent: true,
        transactional: false,
        doomed: false,
        may_retry: true,
        sequence: SequenceContext { place: SequencePlace::Next, unresolved: false },
        log_start_offset: 0,
        of_unknown_fate: false,
        may_split: false,
    };
    const PLAIN: VerdictContext = VerdictContext { idempotent: false, ..FRESH };
    const TOO_LATE: VerdictContext = VerdictContext { may_retry: false, ..FRESH };
    const EARLY: VerdictContext = VerdictContext {
        sequence: SequenceContext { place: SequencePlace::Early, unresolved: false },
        ..FRESH
    };
    const OVERTAKEN: VerdictContext = VerdictContext {
        sequence: SequenceContext { place: SequencePlace::Overtaken, unresolved: false },
        ..FRESH
    };
    const OVERTAKEN_OF_UNKNOWN_FATE: VerdictContext = VerdictContext { of_unknown_fate: true, ..OVERTAKEN };
    const UNRESOLVED: VerdictContext = VerdictContext {
        sequence: SequenceContext { place: SequencePlace::Early, unresolved: true },
        ..FRESH
    };
    const UNRESOLVED_TOO: VerdictContext = VerdictContext { of_unknown_fate: true, ..UNRESOLVED };
    const SEVERAL: VerdictContext = VerdictContext { may_split: true, ..FRESH };
    const SEVERAL_TOO_LATE: VerdictContext = VerdictContext { may_split: true, ..TOO_LATE };
    const SEVERAL_OF_UNKNOWN_FATE: VerdictContext = VerdictContext { of_unknown_fate: true, ..SEVERAL };
    const SEVERAL_PLAIN: VerdictContext = VerdictContext { idempotent: false, ..SEVERAL_OF_UNKNOWN_FATE };
    const NO_LOG_START: VerdictContext = VerdictContext { log_start_offset: -1, ..FRESH };
    const IN_TRANSACTION: VerdictContext = VerdictContext { transactional: true, ..FRESH };
    const EARLY_IN_TRANSACTION: VerdictContext = VerdictContext { transactional: true, ..EARLY };
    const DOOMED: VerdictContext = VerdictContext { doomed: true, ..IN_TRANSACTION };
    const EARLY_AND_DOOMED: VerdictContext = VerdictContext { doomed: true, ..EARLY_IN_TRANSACTION };

    /// Behaviours 26, 56, 57, 61, 62, 63, 64, 66, 68, 95.
    #[test]
    #[allow(clippy::too_many_lines, reason = "it is a table")]
    fn the_table() {
        use Verdict::{
            Acknowledge, AcknowledgeDuplicate, Fail, Fatal, Overtaken, Retry, RetryWithNewEpoch, Split,
        };
        let rows = [
            (ErrorCode::NONE, FRESH, Acknowledge),
            (ErrorCode::NONE, TOO_LATE, Acknowledge),
            (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, FRESH, AcknowledgeDuplicate),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, FRESH, Retry),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, PLAIN, Retry),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, TOO_LATE, Fail),
            (ErrorCode::REQUEST_TIMED_OUT, FRESH, Retry),
            (ErrorCode::NETWORK_EXCEPTION, FRESH, Retry),
            (ErrorCode::CORRUPT_MESSAGE, FRESH, Retry),
            (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, FRESH, Retry),
            (ErrorCode::THROTTLING_QUOTA_EXCEEDED, FRESH, Retry),
            (ErrorCode::UNKNOWN_TOPIC_ID, FRESH, Retry),
            (ErrorCode::MESSAGE_TOO_LARGE, FRESH, Fail),
            (ErrorCode::MESSAGE_TOO_LARGE, SEVERAL, Split),
            (ErrorCode::MESSAGE_TOO_LARGE, SEVERAL_TOO_LATE, Split),
            (ErrorCode::MESSAGE_TOO_LARGE, SEVERAL_OF_UNKNOWN_FATE, Fail),
            (ErrorCode::MESSAGE_TOO_LARGE, SEVERAL_PLAIN, Split),
            (ErrorCode::INVALID_RECORD, FRESH, Fail),
            (ErrorCode::INVALID_PRODUCER_EPOCH, FRESH, Fail),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, FRESH, Fail),
            (ErrorCode(999), FRESH, Fail),
            (ErrorCode(-32768), SEVERAL, Fail),
            (ErrorCode::UNKNOWN_SERVER_ERROR, FRESH, Fail),
            (ErrorCode::RECORD_LIST_TOO_LARGE, SEVERAL, Fail),
            (ErrorCode::KAFKA_STORAGE_ERROR, FRESH, Retry),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, SEVERAL, Retry),
            (ErrorCode::LEADER_NOT_AVAILABLE, PLAIN, Retry),
            (ErrorCode::NOT_ENOUGH_REPLICAS, FRESH, Retry),
            (ErrorCode::NOT_ENOUGH_REPLICAS, TOO_LATE, Fail),
            (ErrorCode::UNSUPPORTED_VERSION, FRESH, Fatal),
            (ErrorCode::UNSUPPORTED_VERSION, PLAIN, Fail),
            (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, FRESH, Fatal),
            (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, PLAIN, Fail),
            (ErrorCode::PRODUCER_FENCED, FRESH, Fatal),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, FRESH, RetryWithNewEpoch),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, EARLY, Retry),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, OVERTAKEN, Overtaken),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, OVERTAKEN_OF_UNKNOWN_FATE, Overtaken),
            (ErrorCode::NOT_ENOUGH_REPLICAS, OVERTAKEN, Overtaken),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, OVERTAKEN_OF_UNKNOWN_FATE, Retry),
            (ErrorCode::MESSAGE_TOO_LARGE, VerdictContext { may_split: true, ..OVERTAKEN }, Overtaken),
            (ErrorCode::UNKNOWN_PRODUCER_ID, OVERTAKEN, Overtaken),
            (ErrorCode::NONE, OVERTAKEN, Acknowledge),
            (ErrorCode::INVALID_RECORD, OVERTAKEN, Fail),
            (ErrorCode::REQUEST_TIMED_OUT, VerdictContext { idempotent: false, ..OVERTAKEN }, Retry),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, UNRESOLVED, RetryWithNewEpoch),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, UNRESOLVED_TOO, Fail),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, PLAIN, Fail),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, TOO_LATE, Fail),
            (ErrorCode::UNKNOWN_PRODUCER_ID, FRESH, RetryWithNewEpoch),
            (ErrorCode::UNKNOWN_PRODUCER_ID, NO_LOG_START, Retry),
            (ErrorCode::UNKNOWN_PRODUCER_ID, PLAIN, Fail),
            (ErrorCode::UNKNOWN_PRODUCER_ID, VerdictContext { of_unknown_fate: true, ..FRESH }, Fail),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, IN_TRANSACTION, Fail),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, EARLY_IN_TRANSACTION, Retry),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, EARLY_AND_DOOMED, Fail),
            (ErrorCode::UNKNOWN_PRODUCER_ID, IN_TRANSACTION, Fail),
            (
                ErrorCode::UNKNOWN_PRODUCER_ID,
                VerdictContext { log_start_offset: -1, ..IN_TRANSACTION },
                Retry,
            ),
            (ErrorCode::INVALID_PRODUCER_EPOCH, IN_TRANSACTION, Fail),
            (ErrorCode::INVALID_TXN_STATE, IN_TRANSACTION, Fail),
            (ErrorCode::TRANSACTION_ABORTABLE, IN_TRANSACTION, Fail),
            (ErrorCode::CONCURRENT_TRANSACTIONS, IN_TRANSACTION, Retry),
            (ErrorCode::INVALID_PRODUCER_ID_MAPPING, IN_TRANSACTION, Fatal),
            (ErrorCode::PRODUCER_FENCED, IN_TRANSACTION, Fatal),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, DOOMED, Retry),
            (ErrorCode::REQUEST_TIMED_OUT, DOOMED, Retry),
            (ErrorCode::NONE, DOOMED, Acknowledge),
        ];
        for (code, context, expected) in rows {
            assert_eq!(classify(code, &context), expected, "{code} in {context:?}");
        }
    }
}
