//! AddPartitionsToTxn: where a transaction is going to write. Not asked where `transaction.version` is 2.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/AddPartitionsToTxnRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/AddPartitionsToTxnResponse.json>
//!
//! - Version 1: on a quota violation the broker answers before it throttles.
//! - Version 2 may answer PRODUCER_FENCED (KIP-588).
//! - Version 3 is the first flexible one.
//!
//! Versions from 4 on are left out: brokers ask one another in them.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::record::TopicName;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddPartitionsToTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) topics: Vec<AddPartitionsToTxnTopic>,
}

impl Request for AddPartitionsToTxnRequest {
    const KEY: i16 = 24;
    const NAME: &'static str = "AddPartitionsToTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 1;

    type Response = AddPartitionsToTxnResponse;

    fn encode(&self, out: &mut Encoder) {
        out.string(&self.transactional_id);
        out.i64(self.producer_id);
        out.i16(self.producer_epoch);
        out.array_len(self.topics.len());
        for topic in &self.topics {
            out.string(&topic.name);
            out.array_len(topic.partitions.len());
            for partition in &topic.partitions {
                out.i32(*partition);
            }
            out.tags();
        }
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddPartitionsToTxnTopic {
    pub(crate) name: TopicName,
    pub(crate) partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddPartitionsToTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results_by_topic: Vec<AddPartitionsToTxnTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddPartitionsToTxnTopicResult {
    pub(crate) name: TopicName,
    pub(crate) results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddPartitionsToTxnPartitionResult {
    pub(crate) partition_index: i32,
    pub(crate) partition_error_code: ErrorCode,
}

impl Response for AddPartitionsToTxnResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let results_by_topic = input.array("results_by_topic", AddPartitionsToTxnTopicResult::decode)?;
        input.tags(|_, _| Ok(()))?;
        Ok(AddPartitionsToTxnResponse { throttle_time_ms, results_by_topic })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl AddPartitionsToTxnTopicResult {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = TopicName::from(input.string("name")?);
        let results_by_partition = input.array("results_by_partition", |input| {
            let partition_index = input.i32("partition_index")?;
            let partition_error_code = ErrorCode(input.i16("partition_error_code")?);
            input.tags(|_, _| Ok(()))?;
            Ok(AddPartitionsToTxnPartitionResult { partition_index, partition_error_code })
        })?;
        input.tags(|_, _| Ok(()))?;
        Ok(AddPartitionsToTxnTopicResult { name, results_by_partition })
    }
}
