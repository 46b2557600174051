//! What leaves a partition's queue: a batch for a request, or one whose time is over.
//!
//! Owns: their shape. Must not know: how they are chosen.

use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::batch::{BatchId, ProducerBatch};
use crate::completion::Completion;
use crate::error::Error;
use crate::record::TopicName;

/// A batch that leaves with the next request to its leader.
pub(crate) struct Departing {
    /// The partition's dense number, for the way back.
    pub(crate) index: usize,
    pub(crate) batch_id: BatchId,
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// A batch whose time is over.
pub(crate) struct Expired {
    pub(crate) index: usize,
    pub(crate) fate: Fate,
}

/// What is left of an expired batch.
pub(crate) enum Fate {
    /// It is nowhere else.
    Whole(ProducerBatch),
    /// A request still carries it; only the duty to answer was taken.
    InFlight {
        completion: Completion,
        count: u32,
        attempts: u32,
        created: Instant,
        last_error: Option<Error>,
    },
}
