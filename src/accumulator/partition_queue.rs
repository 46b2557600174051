//! `PartitionQueue`: one partition's records between `send` and the sender.
//!
//! Owns: the open batch and those sealed behind it. Must not know: leaders, sequences, requests.
//! Threads: `append` on application threads, `peek` and `pop` on the sender thread.
//! Locks: one mutex, never with another; sealing happens outside it.
//! Holds: batches leave in the order in which they were opened, though several threads may be sealing; once the queue
//! is closed it takes nothing.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accumulator::append::{AppendRequest, Brought, Wanted};
use crate::accumulator::buffer_pool::{BufferPool, Reservation};
use crate::accumulator::caller_turns::{CallerToken, CallerTurns, LastCaller};
use crate::accumulator::producer_batch::{BatchId, NewBatch, OpenBatch, ProducerBatch};
use crate::accumulator::queue_access::{Access, QueueAccess};
use crate::accumulator::queue_rules::{QueueRules, TopicSizes, next_size};
use crate::accumulator::shared_sealing::SharedSealing;
use crate::catch_panic::catch_panic;
use crate::completion::{BatchCompletion, CallbackSlot, Completion, KeptPlace, RecordPlace, SpareLists};
use crate::log_labels::LogLabels;
use crate::logging;
use crate::mailbox::{Event, Mailbox};
use crate::partitioner::StickyPartition;
use crate::record::OutcomeTopic;
use crate::record_batch::{BATCH_OVERHEAD, Codec, DoesNotFit, RecordParts};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

pub(crate) struct PartitionQueue {
    pub(crate) topic: OutcomeTopic,
    pub(crate) partition: i32,
    /// Dense number of this partition within the producer.
    pub(crate) index: usize,
    rules: QueueRules,
    /// The topic's.
    sizes: Arc<TopicSizes>,
    mailbox: Arc<Mailbox>,
    spares: Arc<SpareLists>,
    shared_sealing: Arc<SharedSealing>,
    /// Batches that are here.
    depth: AtomicU32,
    /// Batches that are to be sent again; the sender has them.
    retries: AtomicU32,
    /// When the sender saw first that there is no leader, in nanoseconds as the mailbox counts them; 0 where there is one.
    leaderless_since: AtomicU64,
    caller_turns: CallerTurns,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    open: Option<OpenBatch>,
    sealed: VecDeque<SealedSlot>,
    noticed: Noticed,
    access: QueueAccess,
    /// Somebody flushes: the open batch need not linger.
    flushed: bool,
    next_id: u64,
    /// What the next batch is expected to come to: it begins with a buffer of that size.
    next_size: usize,
    last_caller: LastCaller,
    /// Bytes appended since the keyless records' partition became this one.
    sticky_bytes: usize,
}

/// What the sender has been told, or has seen, since it last found nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Noticed {
    #[default]
    Nothing,
    /// A batch has been opened: it looks when the linger is over, and may sleep until then.
    Lingering,
    /// There is something to send.
    Sendable,
}

enum SealedSlot {
    /// A thread is compressing it and computing its CRC; it comes back.
    Soon(BatchId, Arc<BatchCompletion>),
    /// It is full, and the sender compresses it when it takes it.
    LeftToSender(OpenBatch),
    Done(ProducerBatch),
}

/// What one look at the queue came to.
pub(crate) enum QueueStep {
    Appended {
        place: RecordPlace,
        full: Option<OpenBatch>,
    },
    /// The open batch is full: seal it, then come again.
    Seal(OpenBatch),
    /// Reserve this, then come again.
    Reserve(Wanted),
    /// The keyless records' partition is another by now.
    Elsewhere,
    /// The topic was forgotten meanwhile.
    Gone,
    /// The producer is closed, or no transaction is open.
    Closed,
}

/// What the sender sees at the head of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Empty,
    /// Being sealed: there will be an event.
    Soon,
    Sealed {
        created: Instant,
        size: usize,
    },
    Open {
        created: Instant,
        size: usize,
        /// It waits for more records until `linger.ms` is over: nobody flushes, and nobody waits in `get`.
        lingers: bool,
    },
}

/// What the sender finds, and whether it is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    pub(crate) head: Head,
    pub(crate) sendable: bool,
}

/// Which partition a queue is for.
pub(super) struct QueuePlace {
    pub(super) topic: OutcomeTopic,
    pub(super) partition: i32,
    /// Its number within the producer.
    pub(super) index: usize,
}

/// What a queue has in common with others: those of its topic, or all of the producer.
pub(super) struct QueueLinks {
    pub(super) sizes: Arc<TopicSizes>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) spares: Arc<SpareLists>,
    pub(super) shared_sealing: Arc<SharedSealing>,
}

/// A batch that has left the queue.
enum TakenHead {
    Sealed(ProducerBatch),
    LeftToSender(OpenBatch),
    Open(OpenBatch),
}

impl PartitionQueue {
    /// The queue of a topic's partition.
    pub(super) fn new(
        place: QueuePlace,
        rules: QueueRules,
        links: QueueLinks,
        access: QueueAccess,
    ) -> PartitionQueue {
        let QueueLinks { sizes, mailbox, spares, shared_sealing } = links;
        let (depth, retries, leaderless_since) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
        let QueuePlace { topic, partition, index } = place;
        let next_size = rules.first_size(index);
        let state = Mutex::new(QueueState { access, next_size, ..QueueState::default() });
        PartitionQueue {
            topic,
            partition,
            index,
            rules,
            sizes,
            mailbox,
            spares,
            shared_sealing,
            depth,
            retries,
            leaderless_since,
            caller_turns: CallerTurns::default(),
            state,
        }
    }

    /// Batches that wait to be sent, for the first time or again.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed).saturating_add(self.retries.load(Ordering::Relaxed))
    }

    /// Since when the partition has had no leader, for those who want to say why they wait.
    pub(crate) fn leaderless_since(&self) -> Option<Instant> {
        let since = self.leaderless_since.load(Ordering::Relaxed);
        self.mailbox.origin().checked_add(Duration::from_nanos(since)).filter(|_| since > 0)
    }

    /// The common case: there is room in the open batch, and still some afterwards. None, and nothing done, in every
    /// other.
    #[inline(always)]
    pub(crate) fn append_at_once<P: KeptPlace>(
        &self,
        parts: &RecordParts<'_>,
        sticky: Option<&StickyPartition>,
        caller: CallerToken,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> Option<P> {
        let mut guard = self.caller_turns.lock(&self.state, caller);
        let state = &mut *guard;
        self.caller_turns.note(&mut state.last_caller, caller);
        if !state.access.is_open() || sticky.is_some_and(|sticky| !sticky.is(self.partition)) {
            return None;
        }
        let open = state.open.as_mut()?;
        let place = open.try_append_with_room(parts, callback).ok()?;
        if let Some(sticky) = sticky {
            state.count_sticky(sticky, self.expected_bytes(parts), self.rules.batch_size, false);
        }
        Some(place)
    }

    /// One try to append, under the lock: no waiting, no sealing, no user code.
    pub(super) fn try_append(
        &self,
        request: &mut AppendRequest<'_>,
        sticky: Option<&StickyPartition>,
    ) -> QueueStep {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        match state.access.now() {
            Access::Open => {}
            Access::Retired => return QueueStep::Gone,
            Access::Suspended | Access::Closed => return QueueStep::Closed,
        }
        if sticky.is_some_and(|sticky| !sticky.is(self.partition)) {
            return QueueStep::Elsewhere;
        }
        let Some(open) = &mut state.open else {
            return self.open_batch(guard, request, sticky);
        };
        match open.try_append(&request.parts, request.callback) {
            Ok(place) => self.appended(state, &request.parts, sticky, place),
            Err(DoesNotFit::Capacity { needed }) => {
                let extra = self.rules.capacity_for(needed, 0, open.limit()).saturating_sub(open.capacity());
                let fits = |brought: &mut Brought| matches!(brought, Brought::Memory(memory) if memory.bytes == extra);
                match request.brought.take_if(fits) {
                    Some(Brought::Memory(memory)) => {
                        open.grow(memory);
                        drop(guard);
                        self.try_append(request, sticky)
                    }
                    _ => QueueStep::Reserve(Wanted::Growth(extra)),
                }
            }
            Err(DoesNotFit::Limit) => {
                if let Some(sticky) = sticky {
                    let bytes = self.expected_bytes(&request.parts);
                    state.count_sticky(sticky, bytes, self.rules.batch_size, true);
                }
                self.take_open(state).map_or(QueueStep::Closed, QueueStep::Seal)
            }
        }
    }

    /// A batch for this partition, to be opened by `try_append`.
    pub(crate) fn new_batch(&self, memory: Reservation) -> NewBatch {
        let mailbox = Arc::clone(&self.mailbox);
        let (spares, topic) = (Arc::clone(&self.spares), self.topic.clone());
        NewBatch::new(memory, Completion::new(mailbox, spares, topic, self.partition, self.index))
    }

    /// Seals a batch that `try_append` handed out, or leaves that to the sender, and puts it in its place; tells the sender
    /// if it does not know.
    pub(crate) fn seal(&self, open: OpenBatch, pool: &BufferPool) {
        let (codec, id) = (self.rules.codec, open.id());
        let slot = match self.shared_sealing.claim(codec, open.len()) {
            true => SealedSlot::LeftToSender(open),
            false => SealedSlot::Done(open.seal(codec, &self.sizes.ratio, pool)),
        };
        let mut state = self.state.lock();
        let is_its_place =
            |place: &&mut SealedSlot| matches!(place, SealedSlot::Soon(soon, _) if *soon == id);
        if let Some(place) = state.sealed.iter_mut().rev().find(is_its_place) {
            *place = slot;
        }
        let tell = std::mem::replace(&mut state.noticed, Noticed::Sendable) < Noticed::Sendable;
        drop(state);
        if tell {
            self.mailbox.push(Event::Partition(self.index), None);
        }
    }

    fn appended(
        &self,
        state: &mut QueueState,
        parts: &RecordParts<'_>,
        sticky: Option<&StickyPartition>,
        place: RecordPlace,
    ) -> QueueStep {
        let full = state.open.as_ref().is_some_and(OpenBatch::is_full);
        if let Some(sticky) = sticky {
            state.count_sticky(sticky, self.expected_bytes(parts), self.rules.batch_size, full);
        }
        let full = if full { self.take_open(state) } else { None };
        QueueStep::Appended { place, full }
    }

    fn open_batch(
        &self,
        mut guard: MutexGuard<'_, QueueState>,
        request: &mut AppendRequest<'_>,
        sticky: Option<&StickyPartition>,
    ) -> QueueStep {
        let limit = self.limit(request.clock);
        let expected = guard.next_size.min(self.rules.batch_size);
        let wanted = self.rules.capacity_for(BATCH_OVERHEAD + request.parts.upper_bound(), expected, limit);
        let fits = |brought: &mut Brought| matches!(brought, Brought::Batch(new) if new.reserved() == wanted);
        let Some(Brought::Batch(new)) = request.brought.take_if(fits) else {
            return QueueStep::Reserve(Wanted::Batch(wanted));
        };
        let state = &mut *guard;
        let created = (request.clock)();
        let id = BatchId::opened(state.next_id);
        state.next_id += 1;
        let mut open = OpenBatch::new(id, new, created, limit);
        // The buffer was reserved for this very record: it fits.
        let Ok(place) = open.try_append(&request.parts, request.callback) else {
            return QueueStep::Reserve(Wanted::Batch(wanted));
        };
        state.open = Some(open);
        state.flushed = false;
        self.depth.fetch_add(1, Ordering::Relaxed);
        let step = self.appended(state, &request.parts, sticky, place);
        let tell = state.noticed == Noticed::Nothing;
        if tell {
            state.noticed = Noticed::Lingering;
        }
        drop(guard);
        if tell {
            self.mailbox.push(Event::Partition(self.index), created.checked_add(self.rules.linger));
        }
        step
    }

    /// How large a new batch may become: when it is compressed `batch.size`, or what the brokers are thought to take.
    fn limit(&self, clock: impl FnOnce() -> Instant) -> usize {
        let size = self.rules.batch_size.min(self.sizes.bound(clock));
        match self.rules.codec {
            Codec::None => size,
            _ => self.sizes.ratio.room_for(size, self.rules.most_raw),
        }
    }

    /// What a record will take in a batch, at most.
    #[inline]
    fn expected_bytes(&self, parts: &RecordParts<'_>) -> usize {
        match self.rules.codec {
            Codec::None => parts.upper_bound(),
            _ => (parts.upper_bound() as f32 * self.sizes.ratio.estimate()) as usize,
        }
    }

    /// Takes the open batch out to be sealed, and keeps its place.
    fn take_open(&self, state: &mut QueueState) -> Option<OpenBatch> {
        let open = state.take_open()?;
        state.sealed.push_back(SealedSlot::Soon(open.id(), Arc::clone(open.completion())));
        Some(open)
    }

    // ---- the sender's side ----

    /// Looks at the head. `sendable` decides; where it says no, the next append or seal tells the sender again.
    pub(crate) fn peek(&self, sendable: impl FnOnce(&Head) -> bool) -> Outlook {
        self.state.lock().outlook(sendable)
    }

    /// Looks at the head and leaves everything as it is.
    pub(crate) fn head(&self) -> Head {
        self.state.lock().head()
    }

    /// Takes the head batch where `wanted` says so, and looks at the one behind it as `peek` does.
    pub(crate) fn pop_if(
        &self,
        pool: &BufferPool,
        wanted: impl FnOnce(&Head) -> bool,
        sendable: impl FnOnce(&Head) -> bool,
    ) -> Option<(ProducerBatch, Outlook)> {
        let mut state = self.state.lock();
        if !wanted(&state.head()) {
            return None;
        }
        let taken = state.take_head()?;
        let outlook = state.outlook(sendable);
        drop(state);
        Some((self.sealed(taken, pool), outlook))
    }

    /// Takes the head batch.
    pub(crate) fn pop(&self, pool: &BufferPool) -> Option<ProducerBatch> {
        let taken = self.state.lock().take_head()?;
        Some(self.sealed(taken, pool))
    }

    /// What is not sealed yet is sealed here, outside the lock.
    fn sealed(&self, taken: TakenHead, pool: &BufferPool) -> ProducerBatch {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        match taken {
            TakenHead::Sealed(batch) => batch,
            TakenHead::LeftToSender(full) => {
                let batch = full.seal(self.rules.codec, &self.sizes.ratio, pool);
                self.shared_sealing.done();
                batch
            }
            TakenHead::Open(open) => open.seal(self.rules.codec, &self.sizes.ratio, pool),
        }
    }

    /// Says since when there has been no leader; none where there is one.
    pub(crate) fn note_leaderless(&self, since: Option<Instant>) {
        let since = since.map_or(0, |time| self.mailbox.nanoseconds(time).max(1));
        self.leaderless_since.store(since, Ordering::Relaxed);
    }

    /// Says how many batches are to be sent again.
    pub(crate) fn note_retries(&self, count: usize) {
        self.retries.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Takes a batch apart that a broker has found too large, and learns from it: a bound for the topic's next batches;
    /// and what was known of its compression is forgotten. The pieces are made to stay below that bound if each shrinks as
    /// the whole did. The batch stays whole where its records cannot be read.
    pub(crate) fn split(&self, batch: ProducerBatch, now: Instant) -> Vec<ProducerBatch> {
        let ratio = batch.compression_ratio();
        self.sizes.ratio.reset(ratio);
        self.sizes.refused(batch.len(), now);
        let most = (self.sizes.bound(|| now) as f32 / ratio) as usize;
        let pieces = catch_panic(|| batch.take_apart(most.min(self.rules.batch_size)));
        match pieces.unwrap_or_else(|| Err(io::Error::other("that panics"))) {
            Ok(pieces) => batch.split(pieces, self.rules.codec),
            Err(error) => {
                let (topic, partition) = (self.topic.as_str(), self.partition);
                let labels = LogLabels::of_partition(topic, partition);
                logging::error!(labels: labels, "{topic}-{partition}: a batch cannot be split: {error}");
                vec![batch]
            }
        }
    }

    /// How many records are here; those that a caller is sealing at this moment are not counted.
    pub(crate) fn records(&self) -> u64 {
        let state = self.state.lock();
        let done = |sealed: &SealedSlot| match sealed {
            SealedSlot::Done(batch) => u64::from(batch.count()),
            SealedSlot::LeftToSender(full) => u64::from(full.count()),
            SealedSlot::Soon(..) => 0,
        };
        let open = state.open.as_ref().map_or(0, |open| u64::from(open.count()));
        state.sealed.iter().map(done).sum::<u64>() + open
    }

    /// Ends the linger of the open batch, because of a flush.
    pub(crate) fn end_linger(&self) {
        self.state.lock().flushed = true;
    }

    /// Everything here that is not answered yet.
    pub(crate) fn unanswered(&self, batches: &mut Vec<Arc<BatchCompletion>>) {
        let state = self.state.lock();
        for sealed in &state.sealed {
            match sealed {
                SealedSlot::Soon(_, completion) => batches.push(Arc::clone(completion)),
                SealedSlot::LeftToSender(full) => batches.push(Arc::clone(full.completion())),
                SealedSlot::Done(batch) => batches.extend(batch.completion().cloned()),
            }
        }
        batches.extend(state.open.as_ref().map(|open| Arc::clone(open.completion())));
    }

    /// How many records the open batch has.
    pub(crate) fn open_records(&self) -> u32 {
        self.state.lock().open.as_ref().map_or(0, OpenBatch::count)
    }

    /// Drops what is here. Threads that wait for it are told so.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        let left = (state.open.take(), std::mem::take(&mut state.sealed));
        drop(state);
        if left.1.iter().any(|slot| matches!(slot, SealedSlot::LeftToSender(_))) {
            self.shared_sealing.done();
        }
        drop(left); // not under the lock: callbacks run
    }

    /// Refuses every append from now on, whatever turns follow.
    pub(crate) fn close(&self) {
        self.state.lock().access.close();
    }

    /// A transaction has begun (even) or ended (odd).
    pub(super) fn take_turn(&self, turn: u64) {
        self.state.lock().access.take_turn(turn);
    }

    /// Takes no more records if there is none: the topic is being forgotten. False, and nothing done, where there is one.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.state.lock();
        let is_empty = state.head() == Head::Empty;
        if is_empty {
            state.access.retire();
        }
        is_empty
    }

    /// Takes `retire` back.
    pub(super) fn reopen(&self) {
        self.state.lock().access.reopen();
    }
}

impl QueueState {
    fn head(&self) -> Head {
        match (self.sealed.front(), &self.open) {
            (Some(SealedSlot::Soon(..)), _) => Head::Soon,
            (Some(SealedSlot::LeftToSender(full)), _) => {
                Head::Sealed { created: full.created(), size: full.len() }
            }
            (Some(SealedSlot::Done(batch)), _) => {
                Head::Sealed { created: batch.created(), size: batch.len() }
            }
            (None, Some(open)) => {
                let lingers = !self.flushed && !open.completion().is_awaited();
                Head::Open { created: open.created(), size: open.len(), lingers }
            }
            (None, None) => Head::Empty,
        }
    }

    fn outlook(&mut self, sendable: impl FnOnce(&Head) -> bool) -> Outlook {
        let head = self.head();
        let sendable = sendable(&head);
        self.noticed = if sendable { Noticed::Sendable } else { Noticed::Nothing };
        Outlook { head, sendable }
    }

    /// None also where a caller is sealing it at this moment.
    fn take_head(&mut self) -> Option<TakenHead> {
        match self.sealed.pop_front() {
            Some(SealedSlot::Done(batch)) => Some(TakenHead::Sealed(batch)),
            Some(SealedSlot::LeftToSender(full)) => Some(TakenHead::LeftToSender(full)),
            Some(soon @ SealedSlot::Soon(..)) => {
                self.sealed.push_front(soon);
                None
            }
            None => self.take_open().map(TakenHead::Open),
        }
    }

    /// Takes the open batch out, and learns from it what the next one will be like.
    fn take_open(&mut self) -> Option<OpenBatch> {
        let open = self.open.take()?;
        self.next_size = next_size(self.next_size, open.len());
        self.last_caller.note_batch(open.count(), open.completion().is_awaited());
        Some(open)
    }

    #[inline]
    fn count_sticky(&mut self, sticky: &StickyPartition, bytes: usize, batch_size: usize, full: bool) {
        self.sticky_bytes += bytes;
        if crate::partitioner::should_switch(self.sticky_bytes, batch_size, full) {
            self.sticky_bytes = 0;
            sticky.leave();
        }
    }
}

#[cfg(test)]
impl PartitionQueue {
    pub(super) fn is_retired(&self) -> bool {
        self.access() == Access::Retired
    }

    pub(super) fn access(&self) -> Access {
        self.state.lock().access.now()
    }

    /// As a thread does that is about to wait for a record of the open batch, if there is one.
    pub(crate) fn expedite(&self) {
        let open = self.state.lock().open.as_ref().map(|open| Arc::clone(open.completion()));
        open.iter().for_each(|batch| batch.note_waiter());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulator::append::BlockBudget;
    use crate::completion::BatchOutcome;
    use crate::completion::{NoCallback, NoPlace};
    use crate::record::{Headers, TopicName};

    fn queue(mailbox: &Arc<Mailbox>) -> PartitionQueue {
        let rules = QueueRules::plain(1000, 100, Duration::from_secs(10));
        let sizes = Arc::new(TopicSizes::new(mailbox.origin()));
        let place = QueuePlace { topic: TopicName::from("t").into(), partition: 0, index: 0 };
        let links = QueueLinks {
            sizes,
            mailbox: Arc::clone(mailbox),
            spares: Arc::default(),
            shared_sealing: Arc::default(),
        };
        PartitionQueue::new(place, rules, links, QueueAccess::default())
    }

    /// Appends a value of this size in bytes, in as many steps as it takes. What was asked for on the way, in bytes.
    fn append(queue: &PartitionQueue, pool: &BufferPool, value: usize) -> Vec<usize> {
        append_at(queue, pool, value, Instant::now())
    }

    fn append_at(queue: &PartitionQueue, pool: &BufferPool, value: usize, now: Instant) -> Vec<usize> {
        let (headers, value, mut asked) = (Headers::new(), vec![0; value], Vec::new());
        let parts = RecordParts::new(None, Some(&value), &headers, 0);
        let (mut budget, clock) = (BlockBudget::nothing(), || now);
        let mut callback = NoCallback;
        let mut request = AppendRequest::new(parts, &mut callback, &mut budget, &clock);
        let reserve = |bytes| pool.try_reserve(bytes).unwrap().unwrap();
        loop {
            match queue.try_append(&mut request, None) {
                QueueStep::Appended { full, .. } => {
                    full.into_iter().for_each(|full| queue.seal(full, pool));
                    return asked;
                }
                QueueStep::Reserve(Wanted::Batch(bytes)) => {
                    asked.push(bytes);
                    request.brought = Some(Brought::Batch(queue.new_batch(reserve(bytes))));
                }
                QueueStep::Reserve(Wanted::Growth(bytes)) => {
                    asked.push(bytes);
                    request.brought = Some(Brought::Memory(reserve(bytes)));
                }
                QueueStep::Seal(full) => queue.seal(full, pool),
                QueueStep::Elsewhere | QueueStep::Gone | QueueStep::Closed => {
                    panic!("there is one partition, and it is open")
                }
            }
        }
    }

    #[test]
    fn memory_is_taken_in_steps_and_the_next_batch_begins_with_what_the_last_one_came_to() {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let (queue, pool) = (queue(&mailbox), BufferPool::new(100_000));
        assert_eq!(append(&queue, &pool, 10), [100]);
        assert_eq!(append(&queue, &pool, 250), [300]);
        assert_eq!(append(&queue, &pool, 10), [0; 0]);
        assert_eq!(pool.total() - pool.free(), 400);
        let batch = queue.pop(&pool).unwrap();
        assert!((300..400).contains(&batch.len()));
        assert_eq!(append(&queue, &pool, 10), [400], "as the last one came to");
        assert_eq!(pool.total() - pool.free(), 800);
        for batch in [Some(batch), queue.pop(&pool)] {
            let outcome = BatchOutcome::Acknowledged { base_offset: None, log_append_time: None };
            batch.unwrap().settle(outcome, &pool);
        }
        assert_eq!(pool.free(), pool.total());
    }

    /// Fault C18.
    /// Behaviour 56.
    #[test]
    fn batches_stay_below_what_was_refused_and_grow_again_when_the_limit_may_have_been_raised() {
        let (origin, seconds) = (Instant::now(), Duration::from_secs);
        let mailbox = Arc::new(Mailbox::new(origin, Box::new(|| {})));
        let (queue, pool) = (queue(&mailbox), BufferPool::new(100_000));
        let answer = |batch: ProducerBatch| {
            let outcome = BatchOutcome::Acknowledged { base_offset: None, log_append_time: None };
            batch.settle(outcome, &pool);
        };
        // How many records each batch has when `count` of 100 bytes have gone in.
        let batches = |count: usize, now: Instant| {
            (0..count).for_each(|_| drop(append_at(&queue, &pool, 100, now)));
            let all = std::iter::from_fn(|| queue.pop(&pool));
            all.map(|batch| (batch.count(), answer(batch)).0).collect::<Vec<_>>()
        };
        assert_eq!(batches(16, origin), [8, 8]);
        (0..8).for_each(|_| drop(append_at(&queue, &pool, 100, origin)));
        let pieces = queue.split(queue.pop(&pool).unwrap(), origin);
        assert_eq!(pieces.iter().map(ProducerBatch::count).collect::<Vec<_>>(), [3, 3, 2]);
        pieces.into_iter().for_each(answer);
        assert_eq!(batches(9, origin + seconds(59)), [3, 3, 3]);
        append_at(&queue, &pool, 900, origin);
        append_at(&queue, &pool, 100, origin);
        let alone = queue.pop(&pool).unwrap();
        assert_eq!((alone.count(), alone.len() > 900), (1, true), "a larger one is tried alone");
        answer(alone);
        assert_eq!(batches(2, origin), [3]);
        assert_eq!(batches(14, origin + seconds(60)), [7, 7], "after a quiet minute");
        assert_eq!(batches(16, origin + seconds(120)), [8, 8], "after two");
        assert_eq!(pool.free(), pool.total());
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn one_full_batch_is_left_to_the_sender_and_those_behind_it_stay_behind() {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let sharing = Arc::new(SharedSealing::default());
        let queue = || {
            let mut queue = queue(&mailbox);
            (queue.rules.codec, queue.rules.most_raw) = (Codec::Lz4 { level: 9 }, 1000);
            queue.shared_sealing = Arc::clone(&sharing);
            queue
        };
        let (one, other, pool) = (queue(), queue(), BufferPool::new(100_000));
        let slots = |queue: &PartitionQueue| {
            let kind = |slot: &SealedSlot| match slot {
                SealedSlot::LeftToSender(_) => 'l',
                SealedSlot::Done(_) => 'd',
                SealedSlot::Soon(..) => 's',
            };
            queue.state.lock().sealed.iter().map(kind).collect::<String>()
        };
        (0..3).for_each(|_| drop(append(&one, &pool, 800)));
        append(&other, &pool, 800);
        append(&other, &pool, 800);
        assert_eq!((&*slots(&one), &*slots(&other)), ("ld", "d"), "one batch of all partitions");
        assert_eq!((one.records(), one.depth()), (3, 3));
        assert!(matches!(one.head(), Head::Sealed { size: 800.., .. }));
        let mut unanswered = Vec::new();
        one.unanswered(&mut unanswered);
        assert_eq!(unanswered.len(), 3);

        let (first, second) = (one.pop(&pool).unwrap(), one.pop(&pool).unwrap());
        assert!(first.id() < second.id() && first.len() < 200, "compressed by the sender, {}", first.len());
        append(&one, &pool, 800);
        assert_eq!(slots(&one), "l", "the sender is done with the one before");
        for batch in [first, second, other.pop(&pool).unwrap(), other.pop(&pool).unwrap()] {
            let outcome = BatchOutcome::Acknowledged { base_offset: None, log_append_time: None };
            batch.settle(outcome, &pool);
        }
        one.abandon();
        assert_eq!((append(&other, &pool, 800), append(&other, &pool, 800)).1.len(), 1);
        assert_eq!(slots(&other), "l", "what is abandoned is nobody's work");
    }

    #[test]
    fn a_record_counts_a_reference_to_its_batch_only_where_somebody_may_ask_for_it() {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let (queue, pool, headers) = (queue(&mailbox), BufferPool::new(100_000), Headers::new());
        append(&queue, &pool, 10);
        let references = || Arc::strong_count(queue.state.lock().open.as_ref().unwrap().completion());
        let (before, parts) = (references(), RecordParts::new(None, Some(b"v"), &headers, 0));
        let forgotten: Option<NoPlace> =
            queue.append_at_once(&parts, None, CallerToken::default(), &mut NoCallback);
        assert!(forgotten.is_some() && references() == before);
        let kept: Option<RecordPlace> =
            queue.append_at_once(&parts, None, CallerToken::default(), &mut NoCallback);
        assert!(kept.is_some() && references() == before + 1);
        drop(kept);
        assert_eq!((references(), queue.open_records()), (before, 3));
    }

    #[test]
    fn what_is_appended_at_once_fits_into_an_open_batch_of_the_right_partition_and_leaves_room() {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let (queue, pool, headers) = (queue(&mailbox), BufferPool::new(100_000), Headers::new());
        let at_once = |value: usize, sticky: Option<&StickyPartition>| {
            let value = vec![0; value];
            let parts = RecordParts::new(None, Some(&value), &headers, 0);
            queue.append_at_once::<NoPlace>(&parts, sticky, CallerToken::default(), &mut NoCallback).is_some()
        };
        assert!(!at_once(1, None), "no batch is open");
        append(&queue, &pool, 400);
        append(&queue, &pool, 500);
        assert!(matches!(queue.head(), Head::Open { size: 979, .. }));
        assert!(!at_once(14, None), "it would fill the batch to its last byte, and who seals it?");
        let sticky = StickyPartition::default();
        assert!(!at_once(0, Some(&sticky)), "keyless records go elsewhere");
        sticky.choose(-1, 0);
        assert!(at_once(0, Some(&sticky)) && at_once(0, None));
        assert!(matches!(queue.head(), Head::Open { size: 993, .. }));
        let mut batches = 0;
        while sticky.is(0) {
            assert!(queue.pop(&pool).is_some() && batches < 10, "what is appended at once counts");
            append(&queue, &pool, 0);
            assert!(at_once(400, Some(&sticky)));
            batches += 1;
        }
        assert!(
            (4..=5).contains(&batches),
            "two batches' bytes were to stay here, in {batches} half-filled ones"
        );
        queue.close();
        assert!(!at_once(0, None), "closed");
    }

    #[test]
    fn who_waits_is_noted_and_ends_the_linger_once() {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let (queue, pool) = (queue(&mailbox), BufferPool::new(100_000));
        let events = || {
            let mut events = Vec::new();
            mailbox.take(&mut events);
            (mailbox.take_awaited(), events.len())
        };
        append(&queue, &pool, 1);
        assert_eq!(events(), (false, 1));
        for expected in [(true, 1), (false, 0)] {
            queue.expedite();
            assert_eq!(events(), expected);
        }
        assert!(matches!(queue.head(), Head::Open { lingers: false, .. }));
        drop(queue.pop(&pool));
        append(&queue, &pool, 1);
        assert!(matches!(queue.head(), Head::Open { lingers: true, .. }), "nobody waits for this one");
        events();
        let left = queue.pop(&pool).unwrap();
        left.completion().unwrap().note_waiter();
        assert_eq!(events(), (true, 0), "his batch has left already");
    }

    /// The sender sleeps until some other linger is over when a batch is opened here: no reason to wake it. When the
    /// batch is full there is one, though the sender has not looked into its list since.
    #[test]
    fn a_batch_that_fills_while_the_sender_sleeps_wakes_it() {
        let origin = Instant::now();
        let (mailbox, woken) = Mailbox::counting(origin);
        let mailbox = Arc::new(mailbox);
        let (queue, pool) = (queue(&mailbox), BufferPool::new(100_000));
        assert!(mailbox.fall_asleep(Some(origin + Duration::from_secs(5))));
        for number in 0..3 {
            append(&queue, &pool, 400);
            assert_eq!(woken.load(Ordering::Relaxed), u32::from(number == 2), "after record {number}");
        }
    }
}
