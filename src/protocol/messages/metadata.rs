//! Metadata: brokers, topics, partitions and their leaders.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/MetadataRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/MetadataResponse.json>
//!
//! - Version 1: in the request null stands for all topics and an empty array for none; in the response racks, the
//!   controller, and which topics are internal.
//! - Version 2 adds the cluster id, version 3 the throttle time.
//! - Version 4 adds to the request whether the broker may create the topics (KIP-204).
//! - Version 5 adds offline replicas (KIP-112).
//! - Version 6: on a quota violation the broker answers before it throttles.
//! - Version 7 adds the leader's epoch (KIP-320).
//! - Version 8 adds authorized operations (KIP-430).
//! - Version 9 is the first flexible one.
//! - Version 10 adds topic ids (KIP-516); asking by them works from version 12 on.
//! - Version 11 drops the cluster's authorized operations (KIP-700).
//! - Version 12: a topic's name may be null in the response.
//! - Version 13 adds an error code for the whole response (KIP-1102).
//!
//! Version 0, in which an empty array stands for all topics, is left out: every broker from 0.10 on speaks 1. A
//! producer knows its topics by name and does not ask for authorized operations, so the request has neither.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::cluster::{ReplicaList, Replicas, ReplicasOf};
use crate::error_code::ErrorCode;
use crate::record::TopicName;
use crate::uuid::Uuid;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataRequest {
    /// None: all topics. Empty: no topic, only the brokers.
    pub(crate) topics: Option<Vec<TopicName>>,
    pub(crate) allow_auto_topic_creation: bool,
}

impl Request for MetadataRequest {
    const KEY: i16 = 3;
    const NAME: &'static str = "Metadata";
    const VERSIONS: RangeInclusive<i16> = 1..=13;
    const FLEXIBLE_FROM: i16 = 9;
    const PAUSES_FROM: i16 = 6;

    type Response = MetadataResponse;

    /// Before version 4 the broker takes it that it may create topics.
    fn oldest_version(&self) -> i16 {
        if self.allow_auto_topic_creation { *Self::VERSIONS.start() } else { 4 }
    }

    fn encode(&self, out: &mut Encoder) {
        out.nullable_array_len(self.topics.as_ref().map(Vec::len));
        for name in self.topics.iter().flatten() {
            if out.version() >= 10 {
                out.uuid(Uuid::ZERO);
            }
            out.string(name);
            out.tags();
        }
        if out.version() >= 4 {
            out.bool(self.allow_auto_topic_creation);
        }
        if (8..=10).contains(&out.version()) {
            out.bool(false); // include_cluster_authorized_operations
        }
        if out.version() >= 8 {
            out.bool(false); // include_topic_authorized_operations
        }
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) brokers: Vec<MetadataResponseBroker>,
    pub(crate) cluster_id: Option<String>,
    /// -1: not known.
    pub(crate) controller_id: i32,
    /// A topic without a name is left out: it was asked for by its id and does not exist.
    pub(crate) topics: Vec<MetadataResponseTopic>,
    /// A set of bits; [`i32::MIN`]: not asked for.
    pub(crate) cluster_authorized_operations: i32,
    pub(crate) error_code: ErrorCode,
}

impl MetadataResponse {
    /// Reads the fields, and keeps of the topics those that are `wanted`, under the names that it gives.
    pub(crate) fn decode_wanted(
        input: &mut Decoder<'_>,
        mut wanted: impl FnMut(&str) -> Option<TopicName>,
    ) -> Result<Self, DecodeError> {
        let throttle_time_ms = if input.version() >= 3 { input.i32("throttle_time_ms")? } else { 0 };
        let brokers = input.array("brokers", MetadataResponseBroker::decode)?;
        let cluster_id = if input.version() >= 2 { input.nullable_string("cluster_id")? } else { None };
        let controller_id = input.i32("controller_id")?;
        let mut topics = Vec::new();
        input.array("topics", |input| {
            topics.extend(MetadataResponseTopic::decode_wanted(input, &mut wanted)?);
            Ok(())
        })?;
        let cluster_authorized_operations = match input.version() {
            8..=10 => input.i32("cluster_authorized_operations")?,
            _ => NOT_ASKED_FOR,
        };
        let error_code = if input.version() >= 13 { input.i16("error_code")? } else { 0 };
        input.tags(|_, _| Ok(()))?;
        Ok(MetadataResponse {
            throttle_time_ms,
            brokers,
            cluster_id: cluster_id.map(str::to_owned),
            controller_id,
            topics,
            cluster_authorized_operations,
            error_code: ErrorCode(error_code),
        })
    }
}

impl Response for MetadataResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::decode_wanted(input, |name| Some(TopicName::from(Arc::<str>::from(name))))
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataResponseBroker {
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl MetadataResponseBroker {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let node_id = input.i32("node_id")?;
        let host = input.string("host")?.to_owned();
        let port = input.i32("port")?;
        let rack = input.nullable_string("rack")?.map(str::to_owned);
        input.tags(|_, _| Ok(()))?;
        Ok(MetadataResponseBroker { node_id, host, port, rack })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataResponseTopic {
    pub(crate) error_code: ErrorCode,
    pub(crate) name: TopicName,
    /// Zero before version 10, and for a topic that does not exist.
    pub(crate) topic_id: Uuid,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataResponsePartition>,
    /// Of all partitions.
    pub(crate) replicas: Replicas,
    /// A set of bits; [`i32::MIN`]: not asked for.
    pub(crate) topic_authorized_operations: i32,
}

impl MetadataResponseTopic {
    fn decode_wanted(
        input: &mut Decoder<'_>,
        wanted: impl FnOnce(&str) -> Option<TopicName>,
    ) -> Result<Option<Self>, DecodeError> {
        let error_code = ErrorCode(input.i16("error_code")?);
        let name = match input.version() {
            12.. => input.nullable_string("name")?,
            _ => Some(input.string("name")?),
        };
        let topic_id = if input.version() >= 10 { input.uuid("topic_id")? } else { Uuid::ZERO };
        let is_internal = input.bool("is_internal")?;
        let mut replicas = Replicas::default();
        let partitions =
            input.array("partitions", |input| MetadataResponsePartition::decode(input, &mut replicas))?;
        let topic_authorized_operations = match input.version() {
            8.. => input.i32("topic_authorized_operations")?,
            _ => NOT_ASKED_FOR,
        };
        input.tags(|_, _| Ok(()))?;
        Ok(name.and_then(wanted).map(|name| MetadataResponseTopic {
            error_code,
            name,
            topic_id,
            is_internal,
            partitions,
            replicas,
            topic_authorized_operations,
        }))
    }
}

/// Of which there may be a million.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataResponsePartition {
    pub(crate) error_code: ErrorCode,
    pub(crate) partition_index: i32,
    /// -1: there is none.
    pub(crate) leader_id: i32,
    /// -1: not known; always so before version 7.
    pub(crate) leader_epoch: i32,
    /// In the topic's.
    pub(crate) replicas: ReplicasOf,
}

impl MetadataResponsePartition {
    fn decode(input: &mut Decoder<'_>, replicas: &mut Replicas) -> Result<Self, DecodeError> {
        let error_code = ErrorCode(input.i16("error_code")?);
        let partition_index = input.i32("partition_index")?;
        let leader_id = input.i32("leader_id")?;
        let leader_epoch = if input.version() >= 7 { input.i32("leader_epoch")? } else { -1 };
        let place = replicas.begin();
        for (list, field, since) in LISTS {
            if input.version() >= since {
                input.array(field, |input| {
                    replicas.add(place, list, input.i32("node_id")?);
                    Ok(())
                })?;
            }
        }
        input.tags(|_, _| Ok(()))?;
        Ok(MetadataResponsePartition {
            error_code,
            partition_index,
            leader_id,
            leader_epoch,
            replicas: place,
        })
    }
}

/// A partition's lists of brokers, and the first version that has each.
const LISTS: [(ReplicaList, &str, i16); 3] = [
    (ReplicaList::All, "replica_nodes", 1),
    (ReplicaList::InSync, "isr_nodes", 1),
    (ReplicaList::Offline, "offline_replicas", 5),
];

const NOT_ASKED_FOR: i32 = i32::MIN;
