//! `CoordinatorCall`: a request to a coordinator, ready to be sent, with what has to be known when its answer comes.
//!
//! Owns: from what was queued to the fields of each message. Must not know: brokers, when something is sent.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::network::Expect;
use crate::protocol::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, EndTxnRequest,
    FindCoordinatorRequest, InitProducerIdRequest, Request, TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::record::TopicName;
use crate::sender::client_request::{ClientRequest, Context};
use crate::transaction::{CoordinatorRequest, OffsetsToCommit, QueuedRequest};

/// What was asked, to be asked again or concluded.
pub(in crate::sender) struct CoordinatorCallContext<R> {
    pub(super) queued: QueuedRequest,
    /// The partitions that are to be added, by name.
    pub(super) partitions: Vec<(TopicName, i32, usize)>,
    message: PhantomData<R>,
}

impl<R: Request> Context for CoordinatorCallContext<R> {
    type Request = R;
}

pub(in crate::sender) type FindCoordinatorContext = CoordinatorCallContext<FindCoordinatorRequest>;
pub(in crate::sender) type InitTransactionsContext = CoordinatorCallContext<InitProducerIdRequest>;
pub(in crate::sender) type AddPartitionsContext = CoordinatorCallContext<AddPartitionsToTxnRequest>;
pub(in crate::sender) type AddOffsetsContext = CoordinatorCallContext<AddOffsetsToTxnRequest>;
pub(in crate::sender) type CommitOffsetsContext = CoordinatorCallContext<TxnOffsetCommitRequest>;
pub(in crate::sender) type EndTransactionContext = CoordinatorCallContext<EndTxnRequest>;

/// A request to be sent now.
pub(in crate::sender) enum CoordinatorCall {
    FindCoordinator(ClientRequest<FindCoordinatorContext>),
    InitProducerId(ClientRequest<InitTransactionsContext>),
    AddPartitions(ClientRequest<AddPartitionsContext>),
    AddOffsets(ClientRequest<AddOffsetsContext>),
    CommitOffsets(ClientRequest<CommitOffsetsContext>),
    EndTransaction(ClientRequest<EndTransactionContext>),
}

/// Who asks, and by which protocol.
pub(super) struct AskingProducer {
    pub(super) node: i32,
    pub(super) transactional_id: Arc<str>,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) transaction_v2: bool,
    pub(super) transaction_timeout_ms: i32,
    pub(super) enable_2pc: bool,
    pub(super) timeout: Duration,
}

impl CoordinatorCall {
    /// None where nobody is asked.
    pub(super) fn new(
        queued: QueuedRequest,
        partitions: Vec<(TopicName, i32, usize)>,
        asking: AskingProducer,
    ) -> Option<CoordinatorCall> {
        let (node, expect) = (asking.node, Expect::AnswerWithin(asking.timeout));
        macro_rules! call {
            ($kind:ident, $request:expr) => {{
                let request = $request;
                let context = CoordinatorCallContext { queued, partitions, message: PhantomData };
                CoordinatorCall::$kind(ClientRequest { node, request, expect, context })
            }};
        }
        Some(match &queued.request {
            CoordinatorRequest::FindCoordinator(coordinated) => {
                let (key, key_type) = (Arc::clone(&coordinated.key), coordinated.kind);
                call!(FindCoordinator, FindCoordinatorRequest { key, key_type })
            }
            CoordinatorRequest::InitProducerId { renews, keeps_prepared } => {
                call!(InitProducerId, init_producer_id(*renews, *keeps_prepared, asking))
            }
            CoordinatorRequest::AddPartitions => {
                call!(AddPartitions, add_partitions(&partitions, asking))
            }
            CoordinatorRequest::AddOffsets(offsets) => {
                let group_id = offsets.group.group_id().into();
                call!(
                    AddOffsets,
                    AddOffsetsToTxnRequest {
                        transactional_id: asking.transactional_id,
                        producer_id: asking.producer_id,
                        producer_epoch: asking.producer_epoch,
                        group_id,
                    }
                )
            }
            CoordinatorRequest::CommitOffsets(offsets) => {
                call!(CommitOffsets, commit_offsets(offsets, asking))
            }
            CoordinatorRequest::Prepare => return None,
            CoordinatorRequest::EndTransaction { commits } => {
                let committed = *commits;
                call!(
                    EndTransaction,
                    EndTxnRequest {
                        transactional_id: asking.transactional_id,
                        producer_id: asking.producer_id,
                        producer_epoch: asking.producer_epoch,
                        committed,
                        transaction_v2: asking.transaction_v2,
                    }
                )
            }
        })
    }
}

fn init_producer_id(renews: bool, keep_prepared: bool, asking: AskingProducer) -> InitProducerIdRequest {
    let (producer_id, producer_epoch) =
        if renews { (asking.producer_id, asking.producer_epoch) } else { (-1, -1) };
    InitProducerIdRequest {
        transactional_id: Some(asking.transactional_id),
        transaction_timeout_ms: asking.transaction_timeout_ms,
        producer_id,
        producer_epoch,
        enable_2pc: asking.enable_2pc,
        keep_prepared,
    }
}

fn add_partitions(
    partitions: &[(TopicName, i32, usize)],
    asking: AskingProducer,
) -> AddPartitionsToTxnRequest {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for (name, partition, _) in partitions {
        topics.entry(name).or_default().push(*partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        let name = name.clone();
        AddPartitionsToTxnTopic { name, partitions }
    });
    let topics = topics.collect();
    let AskingProducer { transactional_id, producer_id, producer_epoch, .. } = asking;
    AddPartitionsToTxnRequest { transactional_id, producer_id, producer_epoch, topics }
}

fn commit_offsets(asked: &OffsetsToCommit, asking: AskingProducer) -> TxnOffsetCommitRequest {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for (place, position) in &asked.offsets {
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: place.partition(),
            committed_offset: position.offset(),
            committed_leader_epoch: position.leader_epoch().unwrap_or(-1),
            committed_metadata: Some(position.metadata().into()),
        };
        // They are in order: those of a topic follow one another.
        match topics.last_mut().filter(|topic| *topic.name == *place.topic()) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(TxnOffsetCommitRequestTopic {
                name: TopicName::from(place.topic()),
                partitions: vec![partition],
            }),
        }
    }
    let group = &asked.group;
    TxnOffsetCommitRequest {
        transactional_id: asking.transactional_id,
        group_id: group.group_id().into(),
        producer_id: asking.producer_id,
        producer_epoch: asking.producer_epoch,
        generation_id: group.generation_id(),
        member_id: group.member_id().into(),
        group_instance_id: group.group_instance_id().map(Arc::from),
        topics,
        transaction_v2: asking.transaction_v2,
    }
}
