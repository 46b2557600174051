//! Fetch and ListOffsets: reading what lies in the logs.
//!
//! Sessions are not kept: every Fetch is answered with session id 0, so clients ask in full each time.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use kafka_protocol::protocol::StrBytes;

use super::batch_header;
use super::broker_error::BrokerError;
use super::cluster_state::{ClusterState, HostedPartition};
use super::fault::FaultPlan;
use super::partition_log::{self, PartitionLog};

/// A Fetch that waits for more to read, until its deadline.
#[derive(Debug)]
pub(super) struct WaitingFetch {
    pub(super) request: FetchRequest,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) deadline: Instant,
    /// How much later than ready the answer is sent.
    pub(super) delay: Duration,
    pub(super) plan: FaultPlan,
}

/// An answer, and whether there is a reason to send it before the deadline.
pub(super) struct Fetched {
    pub(super) response: FetchResponse,
    pub(super) is_enough: bool,
}

/// Reads what a Fetch to `broker` asks for.
pub(super) fn fetch(
    cluster: &ClusterState,
    broker: i32,
    version: i16,
    request: &FetchRequest,
    plan: &FaultPlan,
) -> Fetched {
    let mut response = FetchResponse::default().with_throttle_time_ms(plan.throttle_ms());
    if request.session_id != 0 && request.session_epoch > 0 {
        response.error_code = BrokerError::FETCH_SESSION_ID_NOT_FOUND.code();
        return Fetched { response, is_enough: true };
    }
    let left = usize::try_from(request.max_bytes).unwrap_or(0);
    let committed_only = request.isolation_level == READ_COMMITTED;
    let mut reading = FetchRead { left, read: 0, failed: false, committed_only };
    for asked in &request.topics {
        let name = topic_name(cluster, version, asked);
        let mut answer = FetchableTopicResponse::default();
        if version >= 13 {
            answer.topic_id = asked.topic_id;
        } else {
            answer.topic = asked.topic.clone();
        }
        for partition in &asked.partitions {
            let failure = plan.failure_of(name.unwrap_or_default(), Some(partition.partition));
            let found = match (failure, name) {
                (Some(failure), _) => Err(failure.error),
                (None, None) => Err(BrokerError::UNKNOWN_TOPIC_ID),
                (None, Some(name)) => readable(cluster, broker, name, partition),
            };
            let mut data = reading.read(partition, found);
            if data.error_code == BrokerError::NOT_LEADER_OR_FOLLOWER.code() && version >= 12 {
                let known = name.and_then(|name| cluster.partition(name, partition.partition));
                tell_leader(cluster, version, known, &mut data, &mut response);
            }
            answer.partitions.push(data);
        }
        response.responses.push(answer);
    }
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    Fetched { response, is_enough: reading.failed || reading.read >= min_bytes }
}

/// The name of a topic that a Fetch asks for, by name or by id; `None` for an id that nothing has.
pub(super) fn topic_name<'a>(
    cluster: &'a ClusterState,
    version: i16,
    asked: &'a FetchTopic,
) -> Option<&'a str> {
    if version >= 13 { cluster.topic_by_id(asked.topic_id).map(|(name, _)| name) } else { Some(&asked.topic) }
}

/// Answers ListOffsets: the first, the last, or that of a timestamp.
pub(super) fn list_offsets(
    cluster: &ClusterState,
    broker: i32,
    version: i16,
    request: &ListOffsetsRequest,
    plan: &FaultPlan,
) -> ListOffsetsResponse {
    let mut response = ListOffsetsResponse::default();
    if version >= 2 {
        response.throttle_time_ms = plan.throttle_ms();
    }
    for asked in &request.topics {
        let mut answer = ListOffsetsTopicResponse::default().with_name(asked.name.clone());
        for partition in &asked.partitions {
            let mut found =
                ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index);
            match plan.failure_of(&asked.name, Some(partition.partition_index)) {
                Some(failure) => found.error_code = failure.error.code(),
                None => match led(
                    cluster,
                    broker,
                    &asked.name,
                    partition.partition_index,
                    partition.current_leader_epoch,
                ) {
                    Err(error) => found.error_code = error.code(),
                    Ok(led) => list_partition(led, version, request.isolation_level, partition, &mut found),
                },
            }
            answer.partitions.push(found);
        }
        response.topics.push(answer);
    }
    response
}

fn list_partition(
    partition: &HostedPartition,
    version: i16,
    isolation_level: i8,
    asked: &ListOffsetsPartition,
    found: &mut ListOffsetsPartitionResponse,
) {
    let log = &partition.log;
    let end = if isolation_level == READ_COMMITTED { log.last_stable_offset() } else { log.end_offset() };
    if let Some((offset, timestamp)) = offset_for(log, end, asked.timestamp) {
        found.offset = offset;
        found.timestamp = timestamp;
        if version >= 4 {
            found.leader_epoch = partition.leader_epoch;
        }
    }
}

/// `end`: of what the client may read.
fn offset_for(log: &PartitionLog, end: i64, timestamp: i64) -> Option<(i64, i64)> {
    match timestamp {
        LATEST => Some((end, -1)),
        EARLIEST | EARLIEST_LOCAL => Some((0, -1)),
        MAX_TIMESTAMP => {
            let largest = log.batches().iter().map(|stored| stored.header.max_timestamp).max()?;
            offset_for(log, log.end_offset(), largest)
        }
        wanted if wanted >= 0 => {
            let recent = log.batches().iter().filter(|stored| stored.header.max_timestamp >= wanted);
            recent
                .filter_map(|stored| batch_header::first_since(&stored.header, &stored.bytes, wanted))
                .find(|(offset, _)| *offset < end)
        }
        _ => None,
    }
}

/// The partition, if this broker leads it and the client's view of it is neither older nor newer.
fn led<'a>(
    cluster: &'a ClusterState,
    broker: i32,
    topic: &str,
    partition: i32,
    leader_epoch: i32,
) -> Result<&'a HostedPartition, BrokerError> {
    let partition = cluster.partition(topic, partition).ok_or(BrokerError::UNKNOWN_TOPIC_OR_PARTITION)?;
    if leader_epoch >= 0 && leader_epoch < partition.leader_epoch {
        return Err(BrokerError::FENCED_LEADER_EPOCH);
    }
    if leader_epoch > partition.leader_epoch {
        return Err(BrokerError::UNKNOWN_LEADER_EPOCH);
    }
    if partition.leader != Some(broker) {
        return Err(BrokerError::NOT_LEADER_OR_FOLLOWER);
    }
    Ok(partition)
}

fn readable<'a>(
    cluster: &'a ClusterState,
    broker: i32,
    topic: &str,
    asked: &FetchPartition,
) -> Result<&'a PartitionLog, BrokerError> {
    let partition = led(cluster, broker, topic, asked.partition, asked.current_leader_epoch)?;
    if (0..=partition.log.end_offset()).contains(&asked.fetch_offset) {
        Ok(&partition.log)
    } else {
        Err(BrokerError::OFFSET_OUT_OF_RANGE)
    }
}

/// How much one Fetch has read.
struct FetchRead {
    left: usize,
    read: usize,
    failed: bool,
    /// `isolation.level=read_committed`.
    committed_only: bool,
}

impl FetchRead {
    fn read(&mut self, asked: &FetchPartition, found: Result<&PartitionLog, BrokerError>) -> PartitionData {
        let mut data = PartitionData::default()
            .with_partition_index(asked.partition)
            .with_aborted_transactions(None)
            .with_high_watermark(-1)
            .with_records(Some(Bytes::new()));
        match found {
            Err(error) => {
                self.failed = true;
                data.error_code = error.code();
            }
            Ok(log) => {
                data.high_watermark = log.end_offset();
                data.last_stable_offset = log.last_stable_offset();
                data.log_start_offset = 0;
                let (records, end) = self.batches(log, asked);
                data.records = Some(records);
                if self.committed_only {
                    let aborted = log.aborted(asked.fetch_offset, end);
                    data.aborted_transactions = Some(aborted.map(aborted_transaction).collect());
                }
            }
        }
        data
    }

    /// Whole batches up to the limits, and the offset behind them; the very first of an answer always, or a client could not
    /// go on.
    fn batches(&mut self, log: &PartitionLog, asked: &FetchPartition) -> (Bytes, i64) {
        let limit = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(self.left);
        let mut taken: Vec<&Bytes> = Vec::new();
        let mut size = 0_usize;
        let bound = if self.committed_only { log.last_stable_offset() } else { log.end_offset() };
        let mut end = asked.fetch_offset;
        let readable = log.since(asked.fetch_offset).iter();
        for stored in readable.take_while(|stored| stored.header.base_offset < bound) {
            let is_first = self.read == 0 && taken.is_empty();
            if size + stored.bytes.len() > limit && !is_first {
                break;
            }
            size += stored.bytes.len();
            end = stored.header.last_offset().saturating_add(1);
            taken.push(&stored.bytes);
        }
        self.read += size;
        self.left = self.left.saturating_sub(size);
        if let [only] = taken.as_slice() {
            return (Bytes::clone(only), end);
        }
        let mut joined = BytesMut::with_capacity(size);
        taken.into_iter().for_each(|batch| joined.extend_from_slice(batch));
        (joined.freeze(), end)
    }
}

fn aborted_transaction(known: &partition_log::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction::default()
        .with_producer_id(known.producer_id.into())
        .with_first_offset(known.first_offset)
}

/// KIP-951: the answer that this broker is not the leader tells who is.
/// The same stands in `produce_request.rs`: the schemas make types of their own for each message.
fn tell_leader(
    cluster: &ClusterState,
    version: i16,
    partition: Option<&HostedPartition>,
    data: &mut PartitionData,
    response: &mut FetchResponse,
) {
    let Some((partition, leader)) = partition.and_then(|partition| Some((partition, partition.leader?)))
    else {
        return;
    };
    data.current_leader =
        LeaderIdAndEpoch::default().with_leader_id(leader.into()).with_leader_epoch(partition.leader_epoch);
    let known = response.node_endpoints.iter().any(|node| node.node_id == leader);
    if let Some(broker) = cluster.brokers.get(&leader).filter(|_| version >= 16 && !known) {
        response.node_endpoints.push(
            NodeEndpoint::default()
                .with_node_id(leader.into())
                .with_host(StrBytes::from_string(broker.host.clone()))
                .with_port(i32::from(broker.port))
                .with_rack(broker.rack.clone().map(StrBytes::from_string)),
        );
    }
}

/// `IsolationLevel` of Fetch and ListOffsets.
const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
