//! `PartitionQueues`: the queues of a topic's partitions, each made when a record first goes there.
//!
//! Owns: the places of the queues, the making of them, their numbers, which ones the sender has yet to see. Must not
//! know: which partitions a picture has.
//! Threads: a queue is found and made on any thread; all else on the sender thread.
//! Locks: while a queue is made the maker's, and none under it; none where the queue is there.
//! Holds: a partition never has two queues: all pictures of a topic share the places, and what is in one stays; once
//! queues are closed none is made that is open. A partition without a queue takes 17 bytes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use crate::accumulator::partition_queue::{Access, PartitionQueue};
use crate::accumulator::queue_rules::QueueRules;
use crate::accumulator::sizes::TopicSizes;
use crate::mailbox::Mailbox;
use crate::record::TopicName;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

type QueueSlot = OnceLock<Arc<PartitionQueue>>;

/// How many at once are added to a topic.
const SHELF: usize = 16;

#[derive(Clone)]
pub(super) struct PartitionQueues {
    topic: TopicName,
    sizes: Arc<TopicSizes>,
    /// The topic was forgotten; there may be other queues for its partitions. Changed under the maker's lock.
    retired: Arc<AtomicBool>,
    maker: Arc<QueueMaker>,
    shelves: Vec<Arc<[QueueSlot; SHELF]>>,
}

/// Makes the queues of all topics of a producer.
pub(super) struct QueueMaker {
    rules: QueueRules,
    mailbox: Arc<Mailbox>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    /// How many numbers there are.
    count: usize,
    /// Those of partitions that were forgotten.
    free: Vec<usize>,
    /// Queues that take records and that the sender has not seen yet.
    unseen: Vec<Arc<PartitionQueue>>,
    closed: bool,
}

impl QueueMaker {
    pub(super) fn new(rules: QueueRules, mailbox: Arc<Mailbox>) -> QueueMaker {
        QueueMaker { rules, mailbox, made: Mutex::default() }
    }

    /// From now on every queue is closed when it is made. Those that there are can be found.
    pub(super) fn close(&self) {
        self.made.lock().closed = true;
    }

    /// Takes the queues that were made since this was asked last.
    pub(super) fn take_unseen(&self) -> Vec<Arc<PartitionQueue>> {
        std::mem::take(&mut self.made.lock().unseen)
    }

    /// Others may have these numbers from now on.
    pub(super) fn free(&self, numbers: &[usize]) {
        let freed: HashSet<usize, foldhash::fast::FixedState> = numbers.iter().copied().collect();
        let mut made = self.made.lock();
        made.unseen.retain(|queue| !freed.contains(&queue.index));
        made.free.extend(numbers);
    }
}

#[cfg(test)]
impl QueueMaker {
    /// How many numbers there are.
    pub(super) fn numbers(&self) -> usize {
        self.made.lock().count
    }
}

impl PartitionQueues {
    pub(super) fn new(topic: TopicName, maker: Arc<QueueMaker>) -> PartitionQueues {
        let sizes = Arc::new(TopicSizes::new(maker.mailbox.origin()));
        PartitionQueues { topic, sizes, retired: Arc::default(), maker, shelves: Vec::new() }
    }

    /// Has a place for the queue of each partition.
    pub(super) fn make_room(&mut self, partition_count: usize) {
        let shelves = partition_count.div_ceil(SHELF);
        if shelves > self.shelves.len() {
            self.shelves.reserve_exact(shelves - self.shelves.len());
            self.shelves.resize_with(shelves, || Arc::new([const { OnceLock::new() }; SHELF]));
        }
    }

    /// The partition's queue, made if there is none yet. None where there is no room for it.
    #[inline]
    pub(super) fn queue(&self, partition: usize) -> Option<&Arc<PartitionQueue>> {
        let place = self.place(partition)?;
        Some(place.get().unwrap_or_else(|| self.make(partition, place)))
    }

    /// The partition's queue, if a record ever went there.
    pub(super) fn used(&self, partition: usize) -> Option<&Arc<PartitionQueue>> {
        self.place(partition)?.get()
    }

    /// All queues that there are, by partition.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<PartitionQueue>> {
        self.shelves.iter().flat_map(|shelf| shelf.iter()).filter_map(OnceLock::get)
    }

    /// Takes no more records if there is none in any queue: the topic is being forgotten. False, and nothing done, where
    /// there is one. Queues that are made later by an older picture take none either.
    pub(super) fn retire(&self) -> bool {
        self.set_retired(true);
        let is_empty = self.all().all(|queue| queue.retire());
        if !is_empty {
            self.set_retired(false);
            self.all().for_each(|queue| queue.reopen());
        }
        is_empty
    }

    fn set_retired(&self, retired: bool) {
        let _made = self.maker.made.lock();
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// As a defect: forgets the queues of the partitions behind the first `partition_count`.
    pub(super) fn drop_behind(&mut self, partition_count: usize) {
        let older = std::mem::take(&mut self.shelves);
        self.make_room(partition_count);
        for (place, queue) in older.iter().flat_map(|shelf| shelf.iter()).take(partition_count).enumerate() {
            if let (Some(place), Some(queue)) = (self.place(place), queue.get()) {
                let _ = place.set(Arc::clone(queue));
            }
        }
    }

    #[inline]
    fn place(&self, partition: usize) -> Option<&QueueSlot> {
        self.shelves.get(partition / SHELF)?.get(partition % SHELF)
    }

    #[cold]
    fn make<'a>(&self, partition: usize, place: &'a QueueSlot) -> &'a Arc<PartitionQueue> {
        let maker = &self.maker;
        let mut made = maker.made.lock();
        place.get_or_init(|| {
            let access = match (made.closed, self.retired.load(Ordering::Relaxed)) {
                (true, _) => Access::Closed,
                (false, true) => Access::Retired,
                (false, false) => Access::Open,
            };
            let (sizes, mailbox) = (Arc::clone(&self.sizes), Arc::clone(&maker.mailbox));
            let at = (self.topic.clone(), partition as i32, made.number());
            let queue = Arc::new(PartitionQueue::new(at, maker.rules, sizes, mailbox, access));
            if access == Access::Open {
                made.unseen.push(Arc::clone(&queue));
            }
            queue
        })
    }
}

impl Made {
    /// The number of a new queue.
    fn number(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    fn queues() -> PartitionQueues {
        let mailbox = Arc::new(Mailbox::new(Instant::now(), Box::new(|| {})));
        let rules = QueueRules::plain(1, 1, Duration::ZERO);
        PartitionQueues::new("t".into(), Arc::new(QueueMaker::new(rules, mailbox)))
    }

    /// Faults A1, D6.
    #[test]
    fn a_partition_has_one_queue_whoever_comes_first_and_by_whatever_picture() {
        for _ in 0..50 {
            let mut older = queues();
            older.make_room(20);
            let mut newer = older.clone();
            newer.make_room(100);
            let seen: BTreeSet<(usize, i32, usize)> = thread::scope(|scope| {
                let look = |queues: &PartitionQueues| {
                    let look =
                        |place| (place, queues.queue(place).map(|queue| (queue.partition, queue.index)));
                    (0..100).map(look).collect::<Vec<_>>()
                };
                let threads: Vec<_> =
                    [&older, &newer, &newer].map(|queues| scope.spawn(move || look(queues))).into();
                let seen = threads.into_iter().flat_map(|thread| thread.join().unwrap());
                seen.filter_map(|(place, queue)| queue.map(|(number, index)| (place, number, index)))
                    .collect()
            });
            assert_eq!(seen.len(), 100, "one queue for each partition: {seen:?}");
            assert!(seen.iter().all(|(place, number, _)| *place as i32 == *number));
            let indexes: BTreeSet<usize> = seen.iter().map(|(_, _, index)| *index).collect();
            assert_eq!(indexes, (0..100).collect(), "they are numbered without gaps");
            assert_eq!((older.all().count(), newer.all().count()), (32, 100));
        }
    }

    /// Faults A8, D6. Whoever has an older picture may be the first to want a queue.
    #[test]
    fn what_is_forgotten_makes_no_queue_that_takes_records() {
        let mut queues = queues();
        queues.make_room(20);
        let older = queues.clone();
        let open = Arc::clone(queues.queue(0).unwrap());
        assert!(queues.retire());
        assert!(open.is_retired() && older.queue(1).unwrap().is_retired());
        queues.set_retired(false);
        assert!(!older.queue(2).unwrap().is_retired());
        queues.maker.close();
        assert_eq!(older.queue(4).unwrap().access(), Access::Closed);
    }

    #[test]
    fn a_queue_is_there_only_once_it_is_wanted() {
        let mut queues = queues();
        queues.make_room(40);
        assert!(queues.used(39).is_none() && queues.queue(48).is_none());
        assert_eq!(queues.queue(39).unwrap().index, 0);
        assert_eq!(queues.queue(3).unwrap().index, 1);
        assert_eq!(queues.all().map(|queue| queue.partition).collect::<Vec<_>>(), [3, 39]);
        assert!(Arc::ptr_eq(queues.used(39).unwrap(), queues.queue(39).unwrap()));
    }
}
