//! The requests of transactional producers: what each asks the coordinator, and what it is answered.
//!
//! Owns: messages, versions, who may be asked. Must not know: how a transaction goes on.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::Decodable;

use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_rules::{ClusterRules, Incoming, RequestOutcome};
use super::fault::{FaultPlan, InjectedError};
use super::transaction::{
    Author, CommittedOffset, CompletionPlan, Ending, FOREVER, Initialization, Initialized, TransactionEnd,
};
use super::transaction_coordinator::{Admission, ClaimedMember, KeyType, told_by_logs};

type TransactionAnswer = Option<(FaultPlan, RequestOutcome)>;

impl ClusterRules {
    /// Writes the markers of all transactions that are to be completed by now.
    pub(super) fn complete_transactions(&mut self, now: Instant) {
        let rules = (self.settings.transactions.completion_time, self.is_v2());
        let now_ms = self.clock_ms(now);
        for completed in self.coordinator.take_completed(now, rules) {
            self.changed = true;
            let is_commit = completed.end == TransactionEnd::Commit;
            for (topic, partition) in &completed.partitions {
                if let Some(hosted) = self.cluster.partition_mut(topic, *partition) {
                    let place = (hosted.leader_epoch, now_ms);
                    hosted.log.write_marker(completed.author, is_commit, place);
                }
            }
        }
    }

    /// How a transaction is completed that ends now.
    fn completion(&self, now: Instant, is_v2: bool) -> CompletionPlan {
        CompletionPlan { at: now + self.settings.transactions.completion_time, is_v2 }
    }

    /// Whether the coordinator itself ends transactions by the second protocol.
    fn is_v2(&self) -> bool {
        self.settings.transactions.features.transaction_version >= 2
    }

    /// Whether this broker is the one to be asked.
    fn coordinates(&self, incoming: &Incoming, kind: KeyType, key: &str) -> Result<(), BrokerError> {
        if kind == KeyType::Transaction && key.is_empty() {
            return Err(BrokerError::INVALID_REQUEST);
        }
        let coordinator = self.coordinator.broker(&self.cluster, kind, key);
        if coordinator == Some(incoming.broker) { Ok(()) } else { Err(BrokerError::NOT_COORDINATOR) }
    }

    pub(super) fn init_producer_id(&mut self, incoming: &Incoming, mut frame: Bytes) -> TransactionAnswer {
        let request = if incoming.version >= TWO_PHASES {
            two_phase_request(frame)?
        } else {
            InitProducerIdRequest::decode(&mut frame, incoming.version).ok()?
        };
        let plan = self.faults.plan(Api::InitProducerId, incoming.broker, |_, _| false);
        let outcome = if is_carried_out(&plan, plan.failure()) {
            self.initialized(incoming, &request)
        } else {
            Ok(Initialized { author: NOBODY, ongoing: None })
        };
        let told = told(outcome, plan.failure(), |error| fenced_before(4, incoming.version, error));
        let (id, epoch) = told.map_or(NOBODY, |it| it.author);
        let ongoing = told.ok().and_then(|it| it.ongoing).filter(|_| incoming.version >= TWO_PHASES);
        let ongoing = ongoing.unwrap_or(NOBODY);
        let response = InitProducerIdResponse::default()
            .with_ongoing_txn_producer_id(ongoing.0.into())
            .with_ongoing_txn_producer_epoch(ongoing.1)
            .with_throttle_time_ms(plan.throttle_ms())
            .with_error_code(code(told))
            .with_producer_id(id.into())
            .with_producer_epoch(epoch);
        Some((plan, incoming.encode(&response)))
    }

    fn initialized(
        &mut self,
        incoming: &Incoming,
        request: &InitProducerIdRequest,
    ) -> Result<Initialized, BrokerError> {
        let claimed = (request.producer_id.0, request.producer_epoch);
        if incoming.version >= 3 && claimed != NOBODY && (claimed.0 == NOBODY.0 || claimed.1 == NOBODY.1) {
            return Err(BrokerError::INVALID_REQUEST);
        }
        let claimed = (incoming.version >= 3 && claimed != NOBODY).then_some(claimed);
        let Some(name) = &request.transactional_id else {
            return Ok(Initialized { author: (self.coordinator.ids.next(), 0), ongoing: None });
        };
        if name.is_empty() {
            return Err(BrokerError::INVALID_REQUEST);
        }
        if request.enable_2_pc && !self.settings.transactions.two_phase_commit {
            return Err(BrokerError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        }
        let timeout = Duration::from_millis(u64::try_from(request.transaction_timeout_ms).unwrap_or(0));
        let timeout = if request.enable_2_pc { FOREVER } else { timeout };
        let is_too_long = !request.enable_2_pc && timeout > self.settings.transactions.max_timeout;
        if timeout.is_zero() || is_too_long {
            return Err(BrokerError::INVALID_TRANSACTION_TIMEOUT);
        }
        self.coordinates(incoming, KeyType::Transaction, name)?;
        let completion = self.completion(incoming.now, self.is_v2());
        let keeps_prepared = request.keep_prepared_txn;
        self.coordinator.init(name, &Initialization { claimed, timeout, keeps_prepared, completion })
    }

    pub(super) fn add_partitions_to_txn(
        &mut self,
        incoming: &Incoming,
        mut frame: Bytes,
    ) -> TransactionAnswer {
        let request = AddPartitionsToTxnRequest::decode(&mut frame, incoming.version).ok()?;
        let topics = &request.v3_and_below_topics;
        let plan = self.faults.plan(Api::AddPartitionsToTxn, incoming.broker, |topic, partition| {
            let mut named = topics.iter().filter(|asked| asked.name.as_str() == topic);
            named.any(|asked| partition.is_none_or(|wanted| asked.partitions.contains(&wanted)))
        });
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        let places =
            topics.iter().flat_map(|asked| asked.partitions.iter().map(|&index| (&asked.name, index)));
        let refused = |(topic, index): (&str, i32)| {
            let failure = plan.failure_of(topic, Some(index)).filter(|failure| !failure.carried_out);
            let unknown = self.cluster.partition(topic, index).is_none();
            let unknown = unknown.then_some(BrokerError::UNKNOWN_TOPIC_OR_PARTITION);
            failure.map(|failure| failure.error).or(unknown)
        };
        let errors: Vec<_> = places.clone().map(|(topic, index)| refused((topic, index))).collect();
        let others = if errors.iter().any(Option::is_some) {
            Err(BrokerError::OPERATION_NOT_ATTEMPTED)
        } else {
            let places = places.map(|(topic, index)| (topic.to_string(), index)).collect();
            let outcome = self.partitions_added(incoming, &request, places);
            outcome.map_err(|error| fenced_before(2, incoming.version, error))
        };
        let mut errors = errors.into_iter();
        let result = |topic: &str, index: i32| {
            let failed = plan.failure_of(topic, Some(index)).filter(|failure| failure.carried_out);
            let error = errors.next().flatten().or(others.err()).unwrap_or(BrokerError::NONE);
            failed.map_or(error, |failure| failure.error)
        };
        let response = AddPartitionsToTxnResponse::default()
            .with_throttle_time_ms(plan.throttle_ms())
            .with_results_by_topic_v3_and_below(added_results(&request, result));
        Some((plan.clone(), incoming.encode(&response)))
    }

    fn partitions_added(
        &mut self,
        incoming: &Incoming,
        request: &AddPartitionsToTxnRequest,
        places: Vec<(String, i32)>,
    ) -> Result<(), BrokerError> {
        let name = &request.v3_and_below_transactional_id;
        self.coordinates(incoming, KeyType::Transaction, name)?;
        let author = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
        self.coordinator.transaction(name)?.add_partitions(author, places, incoming.now)
    }

    pub(super) fn add_offsets_to_txn(&mut self, incoming: &Incoming, mut frame: Bytes) -> TransactionAnswer {
        let request = AddOffsetsToTxnRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::AddOffsetsToTxn, incoming.broker, |_, _| false);
        let outcome = if is_carried_out(&plan, plan.failure()) {
            self.offsets_added(incoming, &request)
        } else {
            Ok(())
        };
        let told = told(outcome, plan.failure(), |error| fenced_before(2, incoming.version, error));
        let response = AddOffsetsToTxnResponse::default()
            .with_throttle_time_ms(plan.throttle_ms())
            .with_error_code(code(told));
        Some((plan, incoming.encode(&response)))
    }

    fn offsets_added(
        &mut self,
        incoming: &Incoming,
        request: &AddOffsetsToTxnRequest,
    ) -> Result<(), BrokerError> {
        let name = &request.transactional_id;
        self.coordinates(incoming, KeyType::Transaction, name)?;
        let author = (request.producer_id.0, request.producer_epoch);
        self.coordinator.transaction(name)?.add_group(author, &request.group_id, incoming.now)
    }

    pub(super) fn end_txn(&mut self, incoming: &Incoming, mut frame: Bytes) -> TransactionAnswer {
        let request = EndTxnRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::EndTxn, incoming.broker, |_, _| false);
        let outcome =
            if is_carried_out(&plan, plan.failure()) { self.ended(incoming, &request) } else { Ok(NOBODY) };
        let told = told(outcome, plan.failure(), |error| fenced_before(2, incoming.version, error));
        let mut response = EndTxnResponse::default()
            .with_throttle_time_ms(plan.throttle_ms())
            .with_error_code(code(told))
            .with_producer_id(NOBODY.0.into())
            .with_producer_epoch(NOBODY.1);
        if let Ok((id, epoch)) = told
            && incoming.version >= SECOND_PROTOCOL_END_TXN
        {
            response = response.with_producer_id(id.into()).with_producer_epoch(epoch);
        }
        Some((plan, incoming.encode(&response)))
    }

    fn ended(&mut self, incoming: &Incoming, request: &EndTxnRequest) -> Result<Author, BrokerError> {
        let name = &request.transactional_id;
        self.coordinates(incoming, KeyType::Transaction, name)?;
        let ending = Ending {
            author: (request.producer_id.0, request.producer_epoch),
            end: if request.committed { TransactionEnd::Commit } else { TransactionEnd::Abort },
            completion: self.completion(incoming.now, incoming.version >= SECOND_PROTOCOL_END_TXN),
        };
        self.coordinator.end(name, &ending)
    }

    pub(super) fn txn_offset_commit(&mut self, incoming: &Incoming, mut frame: Bytes) -> TransactionAnswer {
        let request = TxnOffsetCommitRequest::decode(&mut frame, incoming.version).ok()?;
        let plan = self.faults.plan(Api::TxnOffsetCommit, incoming.broker, |topic, partition| {
            let mut named = request.topics.iter().filter(|asked| asked.name.as_str() == topic);
            let has = |asked: &[TxnOffsetCommitRequestPartition], wanted| {
                asked.iter().any(|asked| asked.partition_index == wanted)
            };
            named.any(|asked| partition.is_none_or(|wanted| has(&asked.partitions, wanted)))
        });
        if plan.cuts_before() {
            return Some((plan, RequestOutcome::Close));
        }
        let outcome = if request.topics.iter().any(|asked| self.takes_some(asked, &plan)) {
            self.offsets_admitted(incoming, &request)
        } else {
            Ok(())
        };
        let (mut offsets, mut topics) = (Vec::new(), Vec::new());
        for asked in &request.topics {
            let mut answer = TxnOffsetCommitResponseTopic::default().with_name(asked.name.clone());
            for partition in &asked.partitions {
                let failure = plan.failure_of(&asked.name, Some(partition.partition_index));
                let refused = self.refused_offset(&asked.name, partition, failure).err();
                let error = refused.or(outcome.err()).or(too_long(partition));
                if error.is_none() {
                    offsets.push(committed_offset(&asked.name, partition));
                }
                let failed = failure.filter(|_| refused.is_none()).map(|failure| failure.error);
                let error = failed.or(error).unwrap_or(BrokerError::NONE);
                let told = TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error.code());
                answer.partitions.push(told);
            }
            topics.push(answer);
        }
        if let Ok(transaction) = self.coordinator.transaction(&request.transactional_id) {
            transaction.add_offsets(&request.group_id, offsets);
        }
        let response =
            TxnOffsetCommitResponse::default().with_throttle_time_ms(plan.throttle_ms()).with_topics(topics);
        Some((plan, incoming.encode(&response)))
    }

    fn takes_some(&self, asked: &TxnOffsetCommitRequestTopic, plan: &FaultPlan) -> bool {
        asked.partitions.iter().any(|partition| {
            let failure = plan.failure_of(&asked.name, Some(partition.partition_index));
            self.refused_offset(&asked.name, partition, failure).is_ok()
        })
    }

    /// Why an offset is not committed, whoever commits it.
    fn refused_offset(
        &self,
        topic: &str,
        partition: &TxnOffsetCommitRequestPartition,
        failure: Option<InjectedError>,
    ) -> Result<(), BrokerError> {
        if let Some(failure) = failure.filter(|failure| !failure.carried_out) {
            return Err(failure.error);
        }
        let known = self.cluster.partition(topic, partition.partition_index);
        known.map(|_| ()).ok_or(BrokerError::UNKNOWN_TOPIC_OR_PARTITION)
    }

    /// Whether the group, and the transaction that it belongs to, take offsets of this producer.
    fn offsets_admitted(
        &mut self,
        incoming: &Incoming,
        request: &TxnOffsetCommitRequest,
    ) -> Result<(), BrokerError> {
        let (name, group) = (&request.transactional_id, &request.group_id);
        if group.is_empty() {
            return Err(BrokerError::INVALID_GROUP_ID);
        }
        self.coordinates(incoming, KeyType::Group, group)?;
        let admission = match incoming.version {
            ..=3 => Admission::Verify,
            4 => Admission::VerifyAbortable,
            _ => Admission::Add,
        };
        let author = (request.producer_id.0, request.producer_epoch);
        let admitted = self.coordinator.admit_offsets(name, author, group, (admission, incoming.now));
        admitted.map_err(told_by_logs)?;
        let claimed = ClaimedMember {
            generation: request.generation_id,
            member: &request.member_id,
            instance: request.group_instance_id.as_deref(),
        };
        if incoming.version >= 3 { self.coordinator.check_member(group, &claimed) } else { Ok(()) }
    }
}

/// Version 6, which the decoder does not know since Kafka calls it unstable: two flags in front of the tagged fields.
fn two_phase_request(frame: Bytes) -> Option<InitProducerIdRequest> {
    let mut rest = frame.clone();
    let mut length: u64 = 0;
    for shift in (0..35).step_by(7) {
        let byte = rest.try_get_u8().ok()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    let name_bytes = usize::try_from(length.saturating_sub(1)).ok()?;
    let flags_at = (frame.len() - rest.len()).checked_add(name_bytes)?.checked_add(FIXED_BYTES)?;
    let flags: [u8; 2] = frame.get(flags_at..)?.first_chunk().copied()?;
    let stable = [frame.get(..flags_at)?, frame.get(flags_at + flags.len()..)?].concat();
    let request = InitProducerIdRequest::decode(&mut Bytes::from(stable), TWO_PHASES - 1).ok()?;
    Some(request.with_enable_2_pc(flags[0] != 0).with_keep_prepared_txn(flags[1] != 0))
}

/// What a client keeps with an offset has a limit.
fn too_long(partition: &TxnOffsetCommitRequestPartition) -> Option<BrokerError> {
    let metadata = partition.committed_metadata.as_ref();
    let is_long = metadata.is_some_and(|metadata| metadata.len() > MAX_OFFSET_METADATA_BYTES);
    is_long.then_some(BrokerError::OFFSET_METADATA_TOO_LARGE)
}

fn added_results(
    request: &AddPartitionsToTxnRequest,
    mut error: impl FnMut(&str, i32) -> BrokerError,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut results = Vec::new();
    for asked in &request.v3_and_below_topics {
        let told = |&index: &i32| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(error(&asked.name, index).code())
        };
        let partitions = asked.partitions.iter().map(told).collect();
        let result = AddPartitionsToTxnTopicResult::default().with_name(asked.name.clone());
        results.push(result.with_results_by_partition(partitions));
    }
    results
}

fn committed_offset(topic: &str, partition: &TxnOffsetCommitRequestPartition) -> CommittedOffset {
    CommittedOffset {
        topic: topic.to_owned(),
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_ref().map(ToString::to_string),
    }
}

fn is_carried_out(plan: &FaultPlan, failure: Option<InjectedError>) -> bool {
    !plan.cuts_before() && failure.is_none_or(|failure| failure.carried_out)
}

/// What is answered: what came of the request, or a fault's error.
fn told<T>(
    outcome: Result<T, BrokerError>,
    failure: Option<InjectedError>,
    by_version: impl Fn(BrokerError) -> BrokerError,
) -> Result<T, BrokerError> {
    match failure {
        Some(failure) => Err(failure.error),
        None => outcome.map_err(by_version),
    }
}

fn code<T>(outcome: Result<T, BrokerError>) -> i16 {
    outcome.err().map_or(BrokerError::NONE.code(), BrokerError::code)
}

/// PRODUCER_FENCED is younger than the requests; clients of older versions know INVALID_PRODUCER_EPOCH.
fn fenced_before(first: i16, version: i16, error: BrokerError) -> BrokerError {
    if error == BrokerError::PRODUCER_FENCED && version < first {
        BrokerError::INVALID_PRODUCER_EPOCH
    } else {
        error
    }
}

/// Producer id and epoch of no producer.
const NOBODY: Author = (-1, -1);
/// The version of EndTxn that counts the epoch up (KIP-890).
const SECOND_PROTOCOL_END_TXN: i16 = 5;
/// The version of InitProducerId that knows of two-phase commit (KIP-939).
const TWO_PHASES: i16 = 6;
/// Time-out, producer id and epoch in an InitProducerId.
const FIXED_BYTES: usize = 14;
/// Kafka's default of `offset.metadata.max.bytes`.
const MAX_OFFSET_METADATA_BYTES: usize = 4096;
