//! `RecordAccumulator`: records wait here, per partition, until the sender takes them.
//!
//! Owns: the queues of all partitions, the memory bound. Must not know: producer ids, sockets, requests, metadata.
//! Threads: `append` and `topic` on application threads; `update_topics` and all of `drain` on the sender thread.
//! Locks: one queue, or the pool, or the mailbox, or the maker of queues at a time, never two. The table of topics is
//! locked for a look-up only.
//! Holds: records of a partition leave in the order of `append`; each batch is settled once; memory is reserved before
//! a byte is written.

mod abort;
mod append;
mod availability;
mod buffer_pool;
mod caller_turns;
mod delivery_timeout;
mod drain;
#[cfg(all(test, loom))]
mod models;
mod partition_drain;
mod partition_queue;
mod producer_batch;
mod queue_access;
mod queue_rules;
mod shared_sealing;
mod topic_queues;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, TopicInfo};
#[cfg(test)]
use crate::completion::RecordPlace;
use crate::completion::{CallbackSlot, KeptPlace};
use crate::error::{Error, ErrorKind};
use crate::lifecycle::Lifecycle;
use crate::mailbox::{Event, Mailbox};
use crate::partitioner::StickyPartition;
use crate::record::TopicName;
use crate::record_batch::RecordParts;
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicU64, Ordering};

pub(crate) use append::{AppendRequest, AppendStep, BlockBudget};
pub(crate) use availability::{Availability, AvailabilityRules};
pub(crate) use buffer_pool::BufferPool;
pub(crate) use caller_turns::CallerToken;
pub(crate) use drain::Drain;
pub(crate) use partition_drain::{Absent, BatchRef, DrainedBatch, Expired, Fate};
pub(crate) use producer_batch::ProducerBatch;
pub(crate) use queue_rules::{DrainRules, QueueRules};
pub(crate) use topic_queues::{LastTopic, TopicQueues};
use topic_queues::{QueueMaker, TopicTable};

use append::{Brought, Wanted};
use buffer_pool::Reservation;
use partition_queue::{PartitionQueue, QueueStep};

pub(crate) struct RecordAccumulator {
    rules: QueueRules,
    pool: BufferPool,
    mailbox: Arc<Mailbox>,
    topics: RwLock<TopicTable>,
    /// Counts the changes of `topics`.
    topics_version: AtomicU64,
    queue_maker: Arc<QueueMaker>,
    lifecycle: Arc<Lifecycle>,
}

impl RecordAccumulator {
    pub(crate) fn new(rules: QueueRules, buffer_memory: usize, mailbox: Arc<Mailbox>) -> RecordAccumulator {
        let batch_size = rules.batch_size.clamp(1, buffer_memory.max(1));
        let least_capacity = rules.least_capacity.min(batch_size);
        let most_raw = rules.most_raw.clamp(batch_size, buffer_memory.max(1));
        let rules = QueueRules { batch_size, least_capacity, most_raw, ..rules };
        let queue_maker = Arc::new(QueueMaker::new(rules, Arc::clone(&mailbox)));
        RecordAccumulator {
            rules,
            pool: BufferPool::new(buffer_memory),
            mailbox,
            topics: RwLock::default(),
            topics_version: AtomicU64::new(0),
            queue_maker,
            lifecycle: Arc::default(),
        }
    }

    #[inline]
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    #[inline]
    pub(crate) fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// What is known of a topic; none until its metadata has arrived.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<TopicQueues>> {
        self.topics.read().get(name).filter(|topic| topic.usable).cloned()
    }

    /// The queues of a topic, whether or not records may be sent to it.
    fn queues(&self, name: &str) -> Option<Arc<TopicQueues>> {
        self.topics.read().get(name).cloned()
    }

    /// As `topic`, for a thread that often asks for the same one: it gives it to `last` to keep.
    #[inline]
    pub(crate) fn find_topic(&self, name: &str, last: &mut LastTopic) -> Option<Arc<TopicQueues>> {
        // Read before the table: what is looked up now and changed meanwhile is out of date at once.
        let version = self.topics_version.load(Ordering::Acquire);
        last.take(self.rules.producer, version, name).or_else(|| {
            last.looked_up(self.rules.producer, version);
            self.topic(name)
        })
    }

    fn replace_topic(&self, topic: TopicQueues) {
        self.topics.write().put(topic);
        self.topics_version.fetch_add(1, Ordering::Release);
    }

    /// One step of a record into its partition's batch. Does not wait.
    pub(crate) fn try_append(&self, target: Target<'_>, request: &mut AppendRequest<'_>) -> AppendStep {
        let Target { queue, sticky } = target;
        let step = queue.try_append(request, sticky);
        if let Some(unfit) = request.brought.take() {
            unfit.cancel(&self.pool);
        }
        match step {
            QueueStep::Appended { place, full } => {
                if let Some(full) = full {
                    queue.seal(full, &self.pool);
                }
                AppendStep::Appended(place)
            }
            QueueStep::Seal(full) => {
                queue.seal(full, &self.pool);
                AppendStep::Sealed
            }
            QueueStep::Reserve(wanted) => AppendStep::Reserve(wanted),
            QueueStep::Elsewhere => AppendStep::Elsewhere,
            QueueStep::Gone => AppendStep::Gone,
            QueueStep::Closed => AppendStep::Closed,
        }
    }

    /// Reserves what a step asked for. May wait, as long as the request's budget lasts.
    pub(crate) fn reserve(
        &self,
        wanted: Wanted,
        target: Target<'_>,
        request: &mut AppendRequest<'_>,
    ) -> Result<(), Error> {
        let brought = match wanted {
            Wanted::Batch(bytes) => {
                Brought::Batch(target.queue.new_batch(self.reserve_bytes(bytes, request)?))
            }
            Wanted::Growth(bytes) => Brought::Memory(self.reserve_bytes(bytes, request)?),
        };
        request.brought = Some(brought);
        Ok(())
    }

    fn reserve_bytes(&self, bytes: usize, request: &mut AppendRequest<'_>) -> Result<Reservation, Error> {
        if let Some(reservation) = self.pool.try_reserve(bytes)? {
            return Ok(reservation);
        }
        match request.budget.left() {
            None => Err(self.refuse(bytes, ErrorKind::WouldBlock)),
            Some(Duration::ZERO) => Err(self.refuse(bytes, ErrorKind::Timeout)),
            Some(left) => {
                let tell = || self.mailbox.push(Event::MemoryShort, None);
                request.budget.charge(request.clock, || self.pool.reserve(bytes, left, tell))
            }
        }
    }

    /// The error of a caller that cannot wait. The first one since there was memory has the lingering batches sent: it
    /// may come again.
    fn refuse(&self, bytes: usize, kind: ErrorKind) -> Error {
        let (full, first) = self.pool.refuse(bytes, kind);
        if first {
            self.mailbox.push(Event::MemoryShort, None);
        }
        full
    }

    /// Takes over what is new about the partitions and leaders of these topics. A topic that has no partitions takes no
    /// records. Returns the partitions of topics that were created again since.
    pub(crate) fn update_topics(
        &self,
        cluster: &Cluster,
        changed: &[TopicName],
        leaders: &mut Availability,
    ) -> Vec<usize> {
        let mut anew = Vec::new();
        for topic in changed.iter().filter_map(|name| cluster.topic(name)) {
            if topic.partitions.is_empty() {
                self.retire_topic(&topic.name);
            } else {
                anew.extend(self.update_topic(topic, cluster, leaders));
            }
        }
        anew
    }

    fn update_topic(&self, topic: &TopicInfo, cluster: &Cluster, leaders: &mut Availability) -> Vec<usize> {
        let available = leaders.available(topic, cluster);
        let older = self.topics.read().get(&topic.name).cloned();
        if older.as_ref().is_some_and(|older| older.shows(topic, &available)) {
            return Vec::new();
        }
        self.replace_topic(TopicQueues::new(topic, available, older.as_deref(), &self.queue_maker));
        let another = older.iter().filter(|older| older.is_another(topic));
        another.flat_map(|older| older.used_queues()).map(|queue| queue.index).collect()
    }

    /// Takes no more records for a topic until it is updated again. Its queues stay as long as they may hold something: a
    /// partition must never have two.
    pub(crate) fn retire_topic(&self, name: &str) {
        let Some(topic) = self.topic(name) else { return };
        self.replace_topic(topic.unusable());
    }

    /// Forgets the topics that take no records and of which nothing is left. `is_idle`: nothing of the partition with this
    /// number is on its way. Returns their partitions' numbers, which others may get from now on.
    pub(crate) fn forget_retired(&self, is_idle: impl Fn(usize) -> bool) -> Vec<usize> {
        let retired: Vec<_> = self.topics.read().retired().cloned().collect();
        let mut forgotten = Vec::new();
        for topic in retired {
            // A thread that found the topic before it was retired may append to it yet.
            if !topic.used_queues().all(|queue| is_idle(queue.index)) || !topic.retire() {
                continue;
            }
            self.topics.write().remove(&topic.name);
            self.topics_version.fetch_add(1, Ordering::Release);
            forgotten.extend(topic.used_queues().map(|queue| queue.index));
        }
        self.queue_maker.free(&forgotten);
        forgotten
    }

    /// Whether the producer takes records.
    #[inline]
    pub(crate) fn lifecycle(&self) -> &Arc<Lifecycle> {
        &self.lifecycle
    }

    /// Sends those away that wait for memory, and refuses it to those who come. What is queued stays.
    pub(crate) fn close_pool(&self) {
        self.pool.close();
    }

    /// Refuses appends under each queue's lock, so that none can slip in behind the sender's last look.
    pub(crate) fn close_queues(&self) {
        self.queue_maker.close();
        for topic in self.topics.read().values() {
            topic.used_queues().for_each(|queue| queue.close());
        }
    }

    /// A transaction has begun (even turns) or ended (odd): under each queue's lock, so that no record of one transaction gets
    /// into the next.
    pub(crate) fn turn_queues(&self, turn: u64) {
        self.queue_maker.take_turn(turn);
        for topic in self.topics.read().values() {
            topic.used_queues().for_each(|queue| queue.take_turn(turn));
        }
    }

    /// How many records in open batches are not answered yet.
    pub(crate) fn open_records(&self) -> u64 {
        let queues = self.filled_queues();
        queues.iter().map(|queue| u64::from(queue.open_records())).sum()
    }

    /// Drops whatever is left when the sender thread is gone; after a sound end that is nothing.
    pub(crate) fn abandon(&self) {
        self.lifecycle.end();
        self.close_pool();
        self.close_queues();
        self.filled_queues().iter().for_each(|queue| queue.abandon());
    }

    /// The queues that the sender has not taken over yet; the thread that made one may not have told of it yet.
    fn take_unseen_queues(&self) -> Vec<Arc<PartitionQueue>> {
        self.queue_maker.take_unseen()
    }

    /// The queues that hold something, whether or not the sender has been told of them yet.
    pub(crate) fn filled_queues(&self) -> Vec<Arc<PartitionQueue>> {
        let topics = self.topics.read();
        let queues = topics.values().flat_map(|topic| topic.used_queues());
        queues.filter(|queue| queue.depth() > 0).cloned().collect()
    }

    /// One of those that hold something and have no leader, and since when.
    pub(crate) fn leaderless_queue(&self) -> Option<(Arc<PartitionQueue>, Instant)> {
        let queues = self.filled_queues().into_iter();
        let mut leaderless = queues.filter_map(|queue| queue.leaderless_since().map(|since| (queue, since)));
        leaderless.next()
    }
}

#[cfg(test)]
impl RecordAccumulator {
    /// For tests: a record that needs no waiting. The step beyond which it did not come, where it is not appended.
    fn append_now(
        &self,
        target: Target<'_>,
        value: &[u8],
        clock: &dyn Fn() -> Instant,
    ) -> Result<RecordPlace, AppendStep> {
        use crate::completion::NoCallback;
        let headers = crate::record::Headers::new();
        let parts = RecordParts::new(None, Some(value), &headers, 0);
        let mut budget = BlockBudget::nothing();
        let mut callback = NoCallback;
        let mut request = AppendRequest::new(parts, &mut callback, &mut budget, clock);
        loop {
            match self.try_append(target, &mut request) {
                AppendStep::Appended(place) => return Ok(place),
                AppendStep::Sealed => {}
                AppendStep::Reserve(wanted) if self.reserve(wanted, target, &mut request).is_ok() => {}
                refused => return Err(refused),
            }
        }
    }

    /// The same where it must be appended.
    fn append_value(&self, queue: &Arc<PartitionQueue>, value: &[u8], now: Instant) {
        assert!(self.append_now(Target { queue, sticky: None }, value, &|| now).is_ok());
    }
}

/// Where a record goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) queue: &'a Arc<PartitionQueue>,
    /// Given where the built-in keyless logic chose the partition: it counts what the partition gets.
    pub(crate) sticky: Option<&'a StickyPartition>,
}

impl Target<'_> {
    /// Appends a record where that needs nothing but room in the open batch.
    #[inline(always)]
    pub(crate) fn append_at_once<P: KeptPlace>(
        &self,
        parts: &RecordParts<'_>,
        caller: CallerToken,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> Option<P> {
        self.queue.append_at_once(parts, self.sticky, caller, callback)
    }
}
