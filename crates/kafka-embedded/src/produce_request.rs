//! Produce: from request to log, and the answer for each partition.

use std::time::Instant;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::batch_header::{self, BatchHeader, Demands, Rejection};
use super::broker_error::BrokerError;
use super::cluster_state::ClusterState;
use super::fault::FaultPlan;
use super::partition_log::Appended;
use super::transaction_coordinator::{Admission, TransactionCoordinator, told_by_logs};

/// One Produce request to one broker.
pub(super) struct ProduceAnswer<'a> {
    pub(super) cluster: &'a mut ClusterState,
    pub(super) coordinator: &'a mut TransactionCoordinator,
    pub(super) plan: &'a FaultPlan,
    pub(super) broker: i32,
    pub(super) version: i16,
    pub(super) now: Instant,
    /// What the broker's clock shows.
    pub(super) now_ms: i64,
}

impl ProduceAnswer<'_> {
    pub(super) fn answer(mut self, request: &ProduceRequest) -> ProduceResponse {
        let mut response = ProduceResponse::default().with_throttle_time_ms(self.plan.throttle_ms());
        let refusal = refusal(request);
        for asked in &request.topic_data {
            let name = topic_name(self.cluster, self.version, asked).map(str::to_owned);
            let mut answer = TopicProduceResponse::default();
            if self.version >= 13 {
                answer.topic_id = asked.topic_id;
            } else {
                answer.name = asked.name.clone();
            }
            for data in &asked.partition_data {
                let outcome = match (refusal, &name) {
                    (Some((error, message)), _) => Err(Rejection::new(error, message)),
                    (None, None) => {
                        Err(Rejection::new(BrokerError::UNKNOWN_TOPIC_ID, "no topic has this id"))
                    }
                    (None, Some(name)) => self.partition(request, name, data),
                };
                let mut told = partition_response(self.version, data.index, outcome);
                if told.error_code == BrokerError::NOT_LEADER_OR_FOLLOWER.code() && self.version >= 10 {
                    self.tell_leader(name.as_deref(), &mut told, &mut response);
                }
                answer.partition_responses.push(told);
            }
            response.responses.push(answer);
        }
        response
    }

    fn partition(
        &mut self,
        request: &ProduceRequest,
        topic: &str,
        data: &PartitionProduceData,
    ) -> Result<Appended, Rejection> {
        let failure = self.plan.failure_of(topic, Some(data.index));
        if let Some(failure) = failure.filter(|failure| !failure.carried_out) {
            return Err(Rejection::new(failure.error, "an injected fault"));
        }
        let appended = self.append(request, topic, data)?;
        match failure {
            Some(failure) => {
                let rejection = Rejection::new(failure.error, "an injected fault, after the append");
                Err(Rejection { base_offset: appended.base_offset, ..rejection })
            }
            None => Ok(appended),
        }
    }

    fn append(
        &mut self,
        request: &ProduceRequest,
        topic: &str,
        data: &PartitionProduceData,
    ) -> Result<Appended, Rejection> {
        let unknown = || {
            Rejection::new(
                BrokerError::UNKNOWN_TOPIC_OR_PARTITION,
                "this server does not host this partition",
            )
        };
        let config = &self.cluster.topics.get(topic).ok_or_else(unknown)?.config;
        let partition = self.cluster.partition(topic, data.index).ok_or_else(unknown)?;
        if partition.leader != Some(self.broker) {
            return Err(Rejection::new(BrokerError::NOT_LEADER_OR_FOLLOWER, "this broker is not the leader"));
        }
        let in_sync = self.cluster.in_sync(partition);
        if request.acks == -1 && in_sync < config.min_insync_replicas.min(partition.replicas.len()) {
            let message = format!("{in_sync} replicas are in sync, fewer than min.insync.replicas");
            return Err(Rejection::new(BrokerError::NOT_ENOUGH_REPLICAS, message));
        }
        let demands = Demands {
            produce_version: self.version,
            max_message_bytes: config.max_message_bytes,
            compacted: config.compacted,
            log_append_time: config.log_append_time,
            latest_timestamp: self
                .now_ms
                .saturating_add(i64::try_from(config.timestamp_after_max.as_millis()).unwrap_or(i64::MAX)),
        };
        let bytes = data.records.as_ref().map_or(&[][..], Bytes::as_ref);
        let header = batch_header::check(bytes, &demands)?;
        match request.transactional_id.as_ref().filter(|_| header.is_transactional()) {
            Some(id) => self.admit(id, (topic, data.index), &header)?,
            None => self.check_epoch(&header)?,
        }
        let append_time = demands.log_append_time.then_some(self.now_ms);
        let partition = self.cluster.partition_mut(topic, data.index).ok_or_else(unknown)?;
        let leader_epoch = partition.leader_epoch;
        partition.log.append(bytes, header, leader_epoch, append_time)
    }

    /// A transactional producer that has been replaced by a newer one is not let in anywhere.
    fn check_epoch(&self, header: &BatchHeader) -> Result<(), Rejection> {
        match self.coordinator.epoch_of(header.producer_id) {
            Some(current) if header.producer_epoch < current => {
                let message =
                    format!("the producer's epoch is {}, the current one {current}", header.producer_epoch);
                Err(Rejection::new(BrokerError::INVALID_PRODUCER_EPOCH, message))
            }
            _ => Ok(()),
        }
    }

    /// KIP-890: what belongs to no open transaction is not let in. From version 12 on the broker adds the partition itself.
    fn admit(
        &mut self,
        id: &str,
        (topic, index): (&str, i32),
        header: &BatchHeader,
    ) -> Result<(), Rejection> {
        let Some(partition) = self.cluster.partition(topic, index) else { return Ok(()) };
        if partition.log.continues(header)? {
            return Ok(());
        }
        let admission = match self.version {
            ..=10 => Admission::Verify,
            11 => Admission::VerifyAbortable,
            _ => Admission::Add,
        };
        let author = (header.producer_id, header.producer_epoch);
        let admitted = self.coordinator.admit_batch(id, author, (topic, index), (admission, self.now));
        if let Err(error) = admitted {
            let told = match told_by_logs(error) {
                // Clients of older versions do not know it here.
                BrokerError::CONCURRENT_TRANSACTIONS if admission != Admission::Add => {
                    BrokerError::NOT_ENOUGH_REPLICAS
                }
                other => other,
            };
            return Err(Rejection::new(told, format!("the transaction does not take the batch: {error}")));
        }
        if admission == Admission::Add && partition.log.lacks_beginning(header) {
            let message = format!("producer {} does not begin with sequence number 0", header.producer_id);
            return Err(Rejection::new(BrokerError::OUT_OF_ORDER_SEQUENCE_NUMBER, message));
        }
        Ok(())
    }

    /// KIP-951: the answer that this broker is not the leader tells who is.
    /// The same stands in `fetch.rs`: the schemas make types of their own for each message.
    fn tell_leader(
        &self,
        topic: Option<&str>,
        told: &mut PartitionProduceResponse,
        response: &mut ProduceResponse,
    ) {
        let partition = topic.and_then(|topic| self.cluster.partition(topic, told.index));
        let Some((partition, leader)) = partition.and_then(|partition| Some((partition, partition.leader?)))
        else {
            return;
        };
        told.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(leader.into())
            .with_leader_epoch(partition.leader_epoch);
        let known = response.node_endpoints.iter().any(|node| node.node_id == leader);
        if let Some(broker) = self.cluster.brokers.get(&leader).filter(|_| !known) {
            response.node_endpoints.push(
                NodeEndpoint::default()
                    .with_node_id(leader.into())
                    .with_host(StrBytes::from_string(broker.host.clone()))
                    .with_port(i32::from(broker.port))
                    .with_rack(broker.rack.clone().map(StrBytes::from_string)),
            );
        }
    }
}

/// The name of a topic that a Produce is for, by name or by id; `None` for an id that nothing has.
pub(super) fn topic_name<'a>(
    cluster: &'a ClusterState,
    version: i16,
    asked: &'a TopicProduceData,
) -> Option<&'a str> {
    if version >= 13 { cluster.topic_by_id(asked.topic_id).map(|(name, _)| name) } else { Some(&asked.name) }
}

/// What is wrong with a request as a whole.
fn refusal(request: &ProduceRequest) -> Option<(BrokerError, &'static str)> {
    if !matches!(request.acks, -1..=1) {
        return Some((BrokerError::INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1"));
    }
    let data = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut headers = data.filter_map(|data| BatchHeader::read(data.records.as_ref()?));
    let is_transactional = headers.any(|header| header.magic == 2 && header.is_transactional());
    if is_transactional && request.transactional_id.is_none() {
        let message = "transactional records without a transactional id";
        return Some((BrokerError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message));
    }
    None
}

fn partition_response(
    version: i16,
    index: i32,
    outcome: Result<Appended, Rejection>,
) -> PartitionProduceResponse {
    let mut told = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(appended) => {
            told.base_offset = appended.base_offset;
            told.log_append_time_ms = appended.log_append_time;
            if version >= 5 {
                told.log_start_offset = 0;
            }
        }
        Err(rejection) => {
            told.error_code = rejection.error.code();
            told.base_offset = rejection.base_offset;
            told.log_append_time_ms = -1;
            if version >= 8 {
                told.error_message = Some(StrBytes::from_string(rejection.message));
                told.record_errors = rejection.records.into_iter().map(record_error).collect();
            }
        }
    }
    told
}

fn record_error((index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(index)
        .with_batch_index_error_message(Some(StrBytes::from_string(message)))
}
