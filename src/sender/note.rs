//! `Note`: what a request was about, for when its answer comes back.
//!
//! Owns: the kinds of requests that the sender makes, and the batches that a Produce request carries.

use crate::accumulator::BatchId;
use crate::record::TopicName;
use crate::uuid::Uuid;

/// What a request was about; comes back with its answer.
pub(crate) enum Note {
    Produce(ProduceNote),
    Metadata,
    /// With the number of the request.
    InitProducerId(u64),
}

/// The batches that a request carries.
pub(crate) struct ProduceNote {
    pub(super) batches: Vec<Carried>,
}

/// One batch of them.
pub(super) struct Carried {
    pub(super) index: usize,
    pub(super) batch_id: BatchId,
    pub(super) topic: TopicName,
    pub(super) topic_id: Uuid,
    pub(super) partition: i32,
}
