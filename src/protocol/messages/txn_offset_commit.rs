//! TxnOffsetCommit: offsets of a consumer group that count if the transaction is committed.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/TxnOffsetCommitRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/TxnOffsetCommitResponse.json>
//!
//! - Version 1: on a quota violation the broker answers before it throttles.
//! - Version 2 adds the leader epoch of the last record that was read.
//! - Version 3 is the first flexible one; it adds who commits, for a group that has members (KIP-447).
//! - Version 4 may answer TRANSACTION_ABORTABLE (KIP-890).
//! - Version 5 adds the group to the transaction on the way, which only a cluster with `transaction.version` 2 allows
//!   (KIP-890): without it a request goes no higher than 4.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::record::TopicName;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) group_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// From version 3 on. -1: of no generation.
    pub(crate) generation_id: i32,
    /// From version 3 on. Empty: of no member.
    pub(crate) member_id: Arc<str>,
    /// From version 3 on.
    pub(crate) group_instance_id: Option<Arc<str>>,
    pub(crate) topics: Vec<TxnOffsetCommitRequestTopic>,
    /// Not on the wire: whether this transaction goes by `transaction.version` 2.
    pub(crate) transaction_v2: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitRequestTopic {
    pub(crate) name: TopicName,
    pub(crate) partitions: Vec<TxnOffsetCommitRequestPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitRequestPartition {
    pub(crate) partition_index: i32,
    pub(crate) committed_offset: i64,
    /// From version 2 on; older brokers do without. -1: not known.
    pub(crate) committed_leader_epoch: i32,
    pub(crate) committed_metadata: Option<Arc<str>>,
}

impl TxnOffsetCommitRequest {
    /// Whether it is said who commits. A broker that cannot be told would let a member commit that is not one any more.
    fn names_member(&self) -> bool {
        !self.member_id.is_empty() || self.generation_id != -1 || self.group_instance_id.is_some()
    }
}

impl Request for TxnOffsetCommitRequest {
    const KEY: i16 = 28;
    const NAME: &'static str = "TxnOffsetCommit";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 1;

    type Response = TxnOffsetCommitResponse;

    fn newest_version(&self) -> i16 {
        if self.transaction_v2 { 5 } else { 4 }
    }

    fn oldest_version(&self) -> i16 {
        if self.names_member() { 3 } else { 0 }
    }

    fn encode(&self, out: &mut Encoder) {
        out.string(&self.transactional_id);
        out.string(&self.group_id);
        out.i64(self.producer_id);
        out.i16(self.producer_epoch);
        if out.version() >= 3 {
            out.i32(self.generation_id);
            out.string(&self.member_id);
            out.nullable_string(self.group_instance_id.as_deref());
        }
        out.array_len(self.topics.len());
        for topic in &self.topics {
            out.string(&topic.name);
            out.array_len(topic.partitions.len());
            topic.partitions.iter().for_each(|partition| partition.encode(out));
            out.tags();
        }
        out.tags();
    }
}

impl TxnOffsetCommitRequestPartition {
    fn encode(&self, out: &mut Encoder) {
        out.i32(self.partition_index);
        out.i64(self.committed_offset);
        if out.version() >= 2 {
            out.i32(self.committed_leader_epoch);
        }
        out.nullable_string(self.committed_metadata.as_deref());
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<TxnOffsetCommitResponseTopic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitResponseTopic {
    pub(crate) name: TopicName,
    pub(crate) partitions: Vec<TxnOffsetCommitResponsePartition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TxnOffsetCommitResponsePartition {
    pub(crate) partition_index: i32,
    pub(crate) error_code: ErrorCode,
}

impl Response for TxnOffsetCommitResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let topics = input.array("topics", TxnOffsetCommitResponseTopic::decode)?;
        input.tags(|_, _| Ok(()))?;
        Ok(TxnOffsetCommitResponse { throttle_time_ms, topics })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl TxnOffsetCommitResponseTopic {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = TopicName::from(input.string("name")?);
        let partitions = input.array("partitions", |input| {
            let partition_index = input.i32("partition_index")?;
            let error_code = ErrorCode(input.i16("error_code")?);
            input.tags(|_, _| Ok(()))?;
            Ok(TxnOffsetCommitResponsePartition { partition_index, error_code })
        })?;
        input.tags(|_, _| Ok(()))?;
        Ok(TxnOffsetCommitResponseTopic { name, partitions })
    }
}
