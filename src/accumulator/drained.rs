//! What leaves a partition's queue: a batch for a request and the reference to it, or one whose time is over.
//!
//! Owns: their shape. Must not know: how they are chosen.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::producer_batch::{BatchId, ProducerBatch};
use crate::completion::Completion;
use crate::counted::Counted;
use crate::record::TopicName;
use crate::uuid::Uuid;

/// Names a batch that is on its way, from the drain to the verdict on its answer.
pub(crate) struct BatchRef {
    /// The partition's number within the producer.
    pub(crate) index: usize,
    pub(crate) batch_id: BatchId,
    pub(crate) topic: TopicName,
    /// Zero where the brokers tell none.
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
}

/// A batch that leaves with the next request to its leader.
pub(crate) struct DrainedBatch {
    pub(crate) batch: BatchRef,
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
    InFlight { completion: Completion, count: u32, attempts: u32, created: Instant },
}

/// A partition for which something waits, and which its topic does not have any more.
#[derive(Debug, Clone)]
pub(crate) struct Absent {
    pub(crate) index: usize,
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    /// How many partitions the topic has.
    pub(crate) count: usize,
    /// How many records wait, or are on their way.
    pub(crate) records: u64,
    /// Whether the topic is another one than that which had it; none where the brokers do not tell.
    pub(crate) was_created_again: Option<bool>,
}

impl Absent {
    /// What the log says of it.
    pub(crate) fn warning(&self) -> String {
        let (now, records, partition) = (self.now(), self.records, self.partition);
        let wait = if records == 1 { "record waits" } else { "records wait" };
        format!("{now}, {records} {wait} for partition {partition}")
    }

    fn now(&self) -> String {
        format!("{} has {} now", self.topic, Counted(self.count, "partition"))
    }
}

/// Why a record for it fails.
impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, the record is for {}", self.now(), self.partition)
    }
}
