//! What the sender knows of one partition: what is on its way, what goes again, what may leave next, and in which form it
//! leaves: as a batch for a request with a reference to it, or as one whose time is over.
//!
//! Owns: the order of the batches that have been sent. Must not know: leaders' connections, other partitions.
//! Holds: batches go in the order of their ids; one that is sent again waits for those before it; a new leader ends a
//! backoff, and the one that is named right after it does not.
//! Source: Kafka's `Sender.inFlightBatches`, `RecordAccumulator.shouldStopDrainBatchesForPartition`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accumulator::partition_queue::{Head, Outlook, PartitionQueue};
use crate::accumulator::producer_batch::{BatchId, ProducerBatch};
use crate::cluster::Cluster;
use crate::completion::Completion;
use crate::counted::Counted;
use crate::planted::{Defect, planted};
use crate::record::TopicName;
use crate::transaction::TransactionManager;
use crate::uuid::Uuid;

/// What the sender knows of a partition.
pub(super) struct PartitionDrain {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) leader: Option<i32>,
    /// The topic's id in the last picture that had the partition; zero where it told none.
    topic_id: Uuid,
    pub(super) listed: Option<DrainList>,
    pub(super) lingering: bool,
    /// The queue was empty, and no event has come since.
    pub(super) quiet: bool,
    /// By id, as `in_flight`.
    pub(super) retries: VecDeque<ProducerBatch>,
    pub(super) in_flight: VecDeque<ProducerBatch>,
    /// No batch that was opened as this one or later has gone yet.
    pub(super) next_id: u64,
    pub(super) not_before: Option<Instant>,
    /// How often another leader was named since something went that had waited as long as it should.
    pub(super) moves: u32,
    pub(super) timer: Option<Instant>,
}

/// Which list a partition with something to send is in; never more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrainList {
    Ready(i32),
    Leaderless,
    HeldBack,
}

/// What decides whether an open batch leaves.
#[derive(Clone, Copy)]
pub(super) struct SendConditions {
    pub(super) now: Instant,
    pub(super) linger: Duration,
    /// Memory is short, or the producer is being closed.
    pub(super) at_once: bool,
}

impl SendConditions {
    pub(super) fn is_sendable(&self, head: &Head) -> bool {
        match *head {
            Head::Empty | Head::Soon => false,
            Head::Sealed { .. } => true,
            Head::Open { created, lingers, .. } => {
                !lingers || self.at_once || self.now.saturating_duration_since(created) >= self.linger
            }
        }
    }
}

/// What came of the try to take a batch from a partition.
pub(super) enum Taken {
    /// With what was found behind it, where somebody looked.
    Batch(DrainedBatch, Option<Outlook>),
    /// It is lost, and only to be failed.
    Lost(ProducerBatch),
    /// It does not fit into this request.
    TooLarge,
    /// Its sequence does not allow it yet.
    HeldBack,
    /// An answer that is on its way, or the end of a backoff, has to come first; it will bring us back.
    Later,
    /// The list was out of date.
    Nothing,
}

impl PartitionDrain {
    pub(super) fn new(queue: Arc<PartitionQueue>, leader: Option<i32>) -> PartitionDrain {
        PartitionDrain {
            queue,
            leader,
            topic_id: Uuid::ZERO,
            listed: None,
            lingering: false,
            quiet: false,
            retries: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_id: 0,
            not_before: None,
            moves: 0,
            timer: None,
        }
    }

    /// Takes over who leads the partition; false where nothing has changed. What waits out a backoff need not wait for a
    /// new leader, unless one leader after the other is named.
    pub(super) fn is_led_by_another(&mut self, leader: Option<i32>) -> bool {
        let is_another = self.leader != leader;
        self.leader = leader;
        if is_another && leader.is_some() {
            self.moves = self.moves.saturating_add(1);
            self.not_before = self.not_before.filter(|_| self.moves > 1);
        }
        is_another
    }

    /// Notes which topic the partition belongs to, if a picture of the cluster has it.
    pub(super) fn note_topic(&mut self, cluster: &Cluster) {
        let number = usize::try_from(self.queue.partition).unwrap_or(usize::MAX);
        let topic = cluster.topic(&self.queue.topic).filter(|topic| number < topic.partitions.len());
        if let Some(topic) = topic {
            self.topic_id = topic.id;
        }
    }

    /// Whether the picture knows the topic and not the partition.
    pub(super) fn absence(&self, index: usize, cluster: &Cluster) -> Option<Absent> {
        let topic = cluster.topic(&self.queue.topic)?;
        let (partition, count) = (self.queue.partition, topic.partitions.len());
        let is_there = usize::try_from(partition).is_ok_and(|number| number < count);
        if topic.error.is_some() || count == 0 || is_there {
            return None;
        }
        let has_ids = !topic.id.is_zero() && !self.topic_id.is_zero();
        let was_created_again = has_ids.then(|| topic.id != self.topic_id);
        let batches = self.retries.iter().chain(&self.in_flight).filter(|batch| batch.is_unanswered());
        let records = batches.map(|batch| u64::from(batch.count())).sum::<u64>() + self.queue.records();
        Some(Absent { index, topic: topic.name.clone(), partition, count, records, was_created_again })
    }

    /// Whether what this broker has refused may go at once to another.
    pub(super) fn may_hurry(&self, refused_by: i32) -> bool {
        self.moves <= 1 && self.leader.is_some_and(|leader| leader != refused_by)
    }

    /// What goes now goes after its backoff, if it had one.
    pub(super) fn has_waited(&mut self) {
        if self.not_before.take().is_some() {
            self.moves = 0;
        }
    }

    /// Takes the first batch that may go again, unless one before it is on its way.
    pub(super) fn take_retry(
        &mut self,
        index: usize,
        room: usize,
        transaction: &mut TransactionManager,
    ) -> Taken {
        let others_in_flight = self.in_flight.iter().any(ProducerBatch::is_unanswered);
        let outstanding = self.outstanding();
        let may_go = |batch: &ProducerBatch| match batch.stamp() {
            Some(_) => transaction.may_resend(index, batch.is_doubtful(), others_in_flight),
            None => transaction.may_stamp(index, outstanding),
        };
        let Some(place) = self.retries.iter().position(may_go) else { return Taken::HeldBack };
        let Some(batch) = self.retries.get(place) else { return Taken::Nothing };
        if self.in_flight.iter().any(|other| other.id() < batch.id()) && !planted(Defect::RetriesOvertake) {
            return Taken::Later;
        }
        if batch.len() > room {
            return Taken::TooLarge;
        }
        let Some(batch) = self.retries.remove(place) else { return Taken::Nothing };
        if batch.is_lost() {
            return Taken::Lost(batch);
        }
        Taken::Batch(self.depart(index, batch, transaction), None)
    }

    pub(super) fn depart(
        &mut self,
        index: usize,
        mut batch: ProducerBatch,
        transaction: &mut TransactionManager,
    ) -> DrainedBatch {
        if batch.stamp().is_none() || planted(Defect::NumberedAgain) {
            batch.assign(transaction.next_stamp(index, batch.count()));
        }
        batch.depart();
        self.next_id = self.next_id.max(batch.id().opened + 1);
        let reference = BatchRef {
            index,
            batch_id: batch.id(),
            topic: TopicName::clone(&self.queue.topic),
            topic_id: self.topic_id,
            partition: self.queue.partition,
        };
        let drained = DrainedBatch {
            batch: reference,
            bytes: batch.bytes(),
            count: batch.count(),
            created: batch.created(),
            compression_ratio: batch.records_ratio(),
            largest_record: batch.largest_record(),
        };
        let place = self.in_flight.partition_point(|other| other.id() < batch.id());
        self.in_flight.insert(place, batch);
        drained
    }

    /// How many batches have gone since the oldest that is not answered yet and has a place in the sequence, or had one
    /// when it was sent, that one included.
    pub(super) fn outstanding(&self) -> u64 {
        let oldest = self.oldest_unanswered(|retry| retry.stamp().is_some());
        oldest.map_or(0, |batch| self.next_id.saturating_sub(batch.id().opened))
    }

    pub(super) fn has_outstanding(&self) -> bool {
        self.first_unanswered().is_some()
    }

    /// The oldest batch that has been sent and is not settled. Found without a walk through all that are on their way.
    pub(super) fn first_unanswered(&self) -> Option<&ProducerBatch> {
        self.oldest_unanswered(|_| true)
    }

    /// The oldest one of what is on its way and of those that go again that count.
    fn oldest_unanswered(&self, counts: impl Fn(&ProducerBatch) -> bool) -> Option<&ProducerBatch> {
        let forgets = planted(Defect::UnnumberedIsForgotten);
        let in_flight = |batch: &&ProducerBatch| batch.is_unanswered() && (!forgets || counts(batch));
        let in_flight = self.in_flight.iter().find(in_flight);
        let retry = self.retries.iter().find(|batch| batch.is_unanswered() && counts(batch));
        in_flight.into_iter().chain(retry).min_by_key(|batch| batch.id())
    }

    /// When the oldest batch that is not answered was opened.
    pub(super) fn oldest(&self, head: Head) -> Option<Instant> {
        let queued = match head {
            Head::Sealed { created, .. } | Head::Open { created, .. } => Some(created),
            Head::Empty | Head::Soon => None,
        };
        self.first_unanswered().map(ProducerBatch::created).or(queued)
    }
}

pub(super) fn give_up(index: usize, batch: &mut ProducerBatch) -> Option<Expired> {
    let completion = batch.give_up()?;
    let (count, attempts, created) = (batch.count(), batch.attempts(), batch.created());
    Some(Expired { index, fate: Fate::InFlight { completion, count, attempts, created } })
}

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
    pub(crate) count: u32,
    pub(crate) created: Instant,
    pub(crate) compression_ratio: f32,
    pub(crate) largest_record: usize,
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
