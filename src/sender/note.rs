//! `Note`: what a request was about, for when its answer comes back.
//!
//! Owns: the kinds of requests that the sender makes, and the batches that a Produce request carries.

use crate::accumulator::BatchRef;

/// What a request was about; comes back with its answer.
pub(crate) enum Note {
    Produce(ProduceNote),
    Metadata,
    /// With the number of the request.
    InitProducerId(u64),
}

/// The batches that a request carries.
pub(crate) struct ProduceNote {
    pub(super) batches: Vec<BatchRef>,
}
