//! Produce: record batches on their way to the log.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ProduceRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ProduceResponse.json>
//!
//! - Version 3 adds the transactional id and record batches of format 2 (KIP-98).
//! - Version 4 may answer KAFKA_STORAGE_ERROR (KIP-112).
//! - Version 5 adds the log's start offset to the response; version 6 answers before it throttles.
//! - Version 7 takes zstd (KIP-110).
//! - Version 8 says in the response which records of a batch are at fault (KIP-467).
//! - Version 9 is the first flexible one.
//! - Version 10 names the new leader, and where it listens, where the old one was asked (KIP-951).
//! - Version 11 may answer TRANSACTION_ABORTABLE (KIP-890).
//! - Version 12 adds the partition to the transaction on the way, which only a cluster with `transaction.version` 2
//!   allows (KIP-890): without it a transactional request goes no higher than 11.
//! - Version 13 has topic ids in place of names (KIP-516).
//!
//! Versions 0 to 2 are left out: they carry the older record formats only, and Kafka 4.0 removed them.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::record::TopicName;
use crate::uuid::Uuid;
use crate::wire::{DecodeError, Decoder, Encoder};

/// A broker does not answer at all to a request with `acks` 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProduceRequest {
    pub(crate) transactional_id: Option<Arc<str>>,
    /// Not on the wire: whether the cluster's `transaction.version` is 2 or higher.
    pub(crate) transaction_v2: bool,
    pub(crate) acks: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Vec<TopicProduceData>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicProduceData {
    pub(crate) name: TopicName,
    /// Zero where it is not known: then the request goes by names.
    pub(crate) topic_id: Uuid,
    pub(crate) partitions: Vec<PartitionProduceData>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionProduceData {
    pub(crate) index: i32,
    /// One batch of format 2, whole.
    pub(crate) records: Arc<Vec<u8>>,
}

impl Request for ProduceRequest {
    const KEY: i16 = 0;
    const NAME: &'static str = "Produce";
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    const FLEXIBLE_FROM: i16 = 9;
    const PAUSES_FROM: i16 = 6;

    type Response = ProduceResponse;

    fn newest_version(&self) -> i16 {
        if self.transactional_id.is_some() && !self.transaction_v2 {
            11
        } else if self.topics.iter().any(|topic| topic.topic_id.is_zero()) {
            12
        } else {
            13
        }
    }

    fn encode(&self, out: &mut Encoder) {
        out.nullable_string(self.transactional_id.as_deref());
        out.i16(self.acks);
        out.i32(self.timeout_ms);
        out.array_len(self.topics.len());
        for topic in &self.topics {
            topic.encode(out);
        }
        out.tags();
    }
}

impl TopicProduceData {
    fn encode(&self, out: &mut Encoder) {
        if out.version() >= 13 {
            out.uuid(self.topic_id);
        } else {
            out.string(&self.name);
        }
        out.array_len(self.partitions.len());
        for partition in &self.partitions {
            out.i32(partition.index);
            out.records(Arc::clone(&partition.records));
            out.tags();
        }
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProduceResponse {
    pub(crate) responses: Vec<TopicProduceResponse>,
    pub(crate) throttle_time_ms: i32,
    /// Where the new leaders of the partitions listen that answered NOT_LEADER_OR_FOLLOWER.
    pub(crate) node_endpoints: Vec<NodeEndpoint>,
}

impl Response for ProduceResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        // For all that have none.
        let no_name = TopicName::from("");
        let responses = input.array("responses", |input| TopicProduceResponse::decode(input, &no_name))?;
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let mut node_endpoints = Vec::new();
        input.tags(|tag, field| {
            if tag == 0 && field.version() >= 10 {
                node_endpoints = field.array("node_endpoints", NodeEndpoint::decode)?;
            }
            Ok(())
        })?;
        Ok(ProduceResponse { responses, throttle_time_ms, node_endpoints })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicProduceResponse {
    /// Empty from version 13 on.
    pub(crate) name: TopicName,
    /// Zero before version 13.
    pub(crate) topic_id: Uuid,
    pub(crate) partition_responses: Vec<PartitionProduceResponse>,
}

impl TopicProduceResponse {
    #[inline]
    fn decode(input: &mut Decoder<'_>, no_name: &TopicName) -> Result<Self, DecodeError> {
        let (name, topic_id) = if input.version() >= 13 {
            (no_name.clone(), input.uuid("topic_id")?)
        } else {
            (TopicName::from(Arc::<str>::from(input.string("name")?)), Uuid::ZERO)
        };
        let partition_responses = input.array("partition_responses", PartitionProduceResponse::decode)?;
        input.tags(|_, _| Ok(()))?;
        Ok(TopicProduceResponse { name, topic_id, partition_responses })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionProduceResponse {
    pub(crate) index: i32,
    pub(crate) error_code: ErrorCode,
    /// -1: not known.
    pub(crate) base_offset: i64,
    /// -1: the records keep the times that they came with.
    pub(crate) log_append_time_ms: i64,
    /// -1: not known; always so before version 5.
    pub(crate) log_start_offset: i64,
    /// The records on whose account the whole batch was dropped.
    pub(crate) record_errors: Vec<BatchIndexAndErrorMessage>,
    pub(crate) error_message: Option<Box<str>>,
    /// Who leads the partition now, where the broker that answers does not.
    pub(crate) current_leader: Option<LeaderIdAndEpoch>,
}

impl PartitionProduceResponse {
    #[inline]
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let index = input.i32("index")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        let base_offset = input.i64("base_offset")?;
        let log_append_time_ms = input.i64("log_append_time_ms")?;
        let log_start_offset = if input.version() >= 5 { input.i64("log_start_offset")? } else { -1 };
        let mut record_errors = Vec::new();
        let mut error_message = None;
        if input.version() >= 8 {
            record_errors = input.array("record_errors", BatchIndexAndErrorMessage::decode)?;
            error_message = input.nullable_string("error_message")?.map(Box::from);
        }
        let mut current_leader = None;
        input.tags(|tag, field| {
            if tag == 0 && field.version() >= 10 {
                current_leader = Some(LeaderIdAndEpoch::decode(field)?);
            }
            Ok(())
        })?;
        Ok(PartitionProduceResponse {
            index,
            error_code,
            base_offset,
            log_append_time_ms,
            log_start_offset,
            record_errors,
            error_message,
            current_leader,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchIndexAndErrorMessage {
    /// Which record of the batch, counted from 0.
    pub(crate) batch_index: i32,
    pub(crate) batch_index_error_message: Option<Box<str>>,
}

impl BatchIndexAndErrorMessage {
    #[inline]
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let batch_index = input.i32("batch_index")?;
        let batch_index_error_message = input.nullable_string("batch_index_error_message")?.map(Box::from);
        input.tags(|_, _| Ok(()))?;
        Ok(BatchIndexAndErrorMessage { batch_index, batch_index_error_message })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaderIdAndEpoch {
    /// -1: not known.
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
}

impl LeaderIdAndEpoch {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let leader_id = input.i32("leader_id")?;
        let leader_epoch = input.i32("leader_epoch")?;
        input.tags(|_, _| Ok(()))?;
        Ok(LeaderIdAndEpoch { leader_id, leader_epoch })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeEndpoint {
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl NodeEndpoint {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let node_id = input.i32("node_id")?;
        let host = input.string("host")?.to_owned();
        let port = input.i32("port")?;
        let rack = input.nullable_string("rack")?.map(str::to_owned);
        input.tags(|_, _| Ok(()))?;
        Ok(NodeEndpoint { node_id, host, port, rack })
    }
}
