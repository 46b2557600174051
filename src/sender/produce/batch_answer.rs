//! `BatchAnswer`: what a broker's answer to a Produce request says of one batch.
//!
//! Owns: where in the answer that stands, and what holds where nothing does. Must not know: what follows.

use std::collections::HashMap;

use crate::accumulator::BatchRef;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::protocol::{BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse};
use crate::record::TopicName;
use crate::uuid::Uuid;

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
