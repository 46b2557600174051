//! What `send` needs to know of a topic, found by one look-up; and the queues of its partitions, each made when a record
//! first goes there.
//!
//! Owns: which partitions a topic has, and which of them keyless records go to at the moment; the places of the queues, the
//! making of them, their numbers, which ones the sender has yet to see. Must not know: brokers, how the metadata was fetched.
//! Threads: a topic is looked up, and a queue found and made, on any thread; all else on the sender thread.
//! Locks: while a queue is made the maker's, and none under it; none where the queue is there.
//! `LastTopic` is the topic that a thread sent to last, found again without a lock and without counting references. It
//! counts only for the same producer and the same version of its table of topics, and keeps one `TopicQueues` alive until
//! its thread sends to another producer, or ends.
//! Holds: a `TopicQueues` never changes; a newer one takes its place and shares sticky partition and queues with it, also
//! those of partitions that the newer picture lacks: it may be one of a broker that lags behind.
//! A partition never has two queues: all pictures of a topic share the places, and what is in one stays; once queues are
//! closed none is made that is open. A partition without a queue takes 17 bytes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use crate::accumulator::availability::{AvailablePartitions, Led};
use crate::accumulator::partition_queue::{PartitionQueue, QueueLinks, QueuePlace};
use crate::accumulator::queue_access::{Access, QueueAccess};
use crate::accumulator::queue_rules::{QueueRules, TopicSizes};
use crate::accumulator::shared_sealing::SharedSealing;
use crate::cluster::TopicInfo;
use crate::completion::{ProducerToken, SpareLists};
use crate::mailbox::Mailbox;
use crate::partitioner::{LoadTable, StickyPartition, next_partition};
use crate::planted::{Defect, planted};
use crate::record::{OutcomeTopic, TopicName};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::uuid::Uuid;

/// All topics that are known, by name.
#[derive(Default)]
pub(super) struct TopicTable {
    topics: HashMap<TopicName, Arc<TopicQueues>, foldhash::fast::FixedState>,
    /// Those that take no records: few of very many.
    retired: BTreeSet<TopicName>,
}

impl TopicTable {
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&Arc<TopicQueues>> {
        self.topics.get(name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<TopicQueues>> {
        self.topics.values()
    }

    /// The topics that take no records.
    pub(super) fn retired(&self) -> impl Iterator<Item = &Arc<TopicQueues>> {
        self.retired.iter().filter_map(|name| self.topics.get(name))
    }

    /// Takes the place of what was there under this name.
    pub(super) fn put(&mut self, topic: TopicQueues) {
        if topic.usable {
            self.retired.remove(&topic.name);
        } else {
            self.retired.insert(topic.name.clone());
        }
        self.topics.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(super) fn remove(&mut self, name: &TopicName) {
        self.retired.remove(name);
        self.topics.remove(name);
    }
}

/// A topic's partitions as `send` sees them.
pub(crate) struct TopicQueues {
    pub(crate) name: TopicName,
    /// Where a broker has told one.
    id: Uuid,
    partition_count: usize,
    /// Also of partitions that the picture lacks: they take nothing, and what is in them stays.
    queues: PartitionQueues,
    available: AvailablePartitions,
    /// Whether records may be sent; false for a topic that is not there (any more) or was forgotten.
    pub(super) usable: bool,
    usage: Arc<Usage>,
}

/// What outlives a change of the topic's metadata.
#[derive(Default)]
struct Usage {
    sticky: StickyPartition,
    /// A record was sent to the topic since somebody last asked.
    used: AtomicBool,
}

impl TopicQueues {
    /// The picture that follows `older`; the first one has its queues from `maker`.
    pub(super) fn new(
        topic: &TopicInfo,
        available: AvailablePartitions,
        older: Option<&TopicQueues>,
        maker: &Arc<QueueMaker>,
    ) -> TopicQueues {
        let usage = older.map_or_else(Arc::default, |older| Arc::clone(&older.usage));
        let first = || PartitionQueues::new(topic.name.clone(), Arc::clone(maker));
        let mut queues = older.map_or_else(first, |older| older.queues.clone());
        let partition_count = topic.partitions.len();
        if planted(Defect::PicturesDropQueues) {
            queues.drop_behind(partition_count);
        }
        queues.make_room(partition_count);
        let id = older.map(|older| older.id).filter(|_| topic.id.is_zero()).unwrap_or(topic.id);
        let name = topic.name.clone();
        TopicQueues { name, id, partition_count, queues, available, usable: true, usage }
    }

    /// The same, but closed to records. The queues stay, for what is still in them.
    pub(super) fn unusable(&self) -> TopicQueues {
        let (name, id, queues) = (self.name.clone(), self.id, self.queues.clone());
        let (partition_count, available, usage) =
            (self.partition_count, AvailablePartitions::default(), Arc::clone(&self.usage));
        TopicQueues { name, id, partition_count, queues, available, usable: false, usage }
    }

    /// The queues of all partitions to which a record ever went, by number.
    pub(super) fn used_queues(&self) -> impl Iterator<Item = &Arc<PartitionQueue>> {
        self.queues.all()
    }

    /// See `PartitionQueues::retire`.
    pub(super) fn retire(&self) -> bool {
        self.queues.retire()
    }

    #[inline]
    pub(crate) fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// Whether the topic has this partition.
    #[inline]
    pub(crate) fn has(&self, partition: i32) -> bool {
        self.place(partition).is_some()
    }

    #[inline]
    pub(crate) fn queue(&self, partition: i32) -> Option<&Arc<PartitionQueue>> {
        self.queues.queue(self.place(partition)?)
    }

    #[inline]
    fn place(&self, partition: i32) -> Option<usize> {
        usize::try_from(partition).ok().filter(|place| *place < self.partition_count)
    }

    /// Whether this picture shows what a newer one would.
    pub(super) fn shows(&self, topic: &TopicInfo, available: &AvailablePartitions) -> bool {
        let is_same = topic.id.is_zero() || topic.id == self.id;
        is_same
            && self.usable
            && self.partition_count == topic.partitions.len()
            && self.available == *available
    }

    /// Whether the topic was deleted and created again since: another one with the same name.
    pub(super) fn is_another(&self, topic: &TopicInfo) -> bool {
        !self.id.is_zero() && !topic.id.is_zero() && self.id != topic.id
    }

    #[inline]
    pub(crate) fn sticky(&self) -> &StickyPartition {
        &self.usage.sticky
    }

    /// Renews the topic's `metadata.max.idle.ms`.
    #[inline]
    pub(crate) fn touch(&self) {
        if !self.usage.used.load(Ordering::Relaxed) {
            self.usage.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the topic was used since the last time this was asked.
    pub(crate) fn take_used(&self) -> bool {
        self.usage.used.swap(false, Ordering::Relaxed)
    }

    /// The partition for keyless records; chosen anew when the last one has had its share. Those led by a broker of the
    /// client's rack are preferred (KIP-1123) and, with `adaptive`, those with shorter queues (KIP-794).
    #[inline]
    pub(crate) fn sticky_partition(&self, adaptive: bool) -> i32 {
        let current = self.usage.sticky.current();
        if self.has(current) {
            return current;
        }
        let chosen = self.next_partition(adaptive);
        let held = self.usage.sticky.choose(current, chosen);
        // A thread with an older picture may have chosen what this one lacks; the queue will say so, and we come again.
        if self.has(held) { held } else { chosen }
    }

    fn next_partition(&self, adaptive: bool) -> i32 {
        let preferred = self.available.preferred();
        let adapted = || self.adapted(preferred).or_else(|| self.adapted(self.available.all()));
        let even = || LoadTable::new(preferred.iter().map(|led| (0, led.partition)));
        let table = if adaptive { adapted().or_else(even) } else { even() };
        next_partition(self.partition_count, table.as_ref(), fastrand::u32(..))
    }

    /// The table of those that take data. A slow broker gets no more where something waits for it already; where
    /// nothing does, it may show that it has recovered.
    fn adapted(&self, partitions: &[Led]) -> Option<LoadTable> {
        LoadTable::new(partitions.iter().filter_map(|led| {
            let used = self.place(led.partition).and_then(|place| self.queues.used(place));
            let depth = used.map_or(0, |queue| queue.depth());
            (depth == 0 || !self.available.is_slow(led)).then_some((depth, led.partition))
        }))
    }
}

/// One remembered topic; none at first, and for the time of a `send`.
#[derive(Default)]
pub(crate) struct LastTopic {
    producer: Option<ProducerToken>,
    /// Of the table of topics when the topic was looked up.
    version: u64,
    topic: Option<Arc<TopicQueues>>,
}

impl LastTopic {
    /// Takes the topic out if it is this one and still up to date. Where it is not, the one that is looked up now takes
    /// its place.
    #[inline]
    pub(super) fn take(
        &mut self,
        producer: ProducerToken,
        version: u64,
        name: &str,
    ) -> Option<Arc<TopicQueues>> {
        let topic = self.topic.take()?;
        let fits = self.version == version && self.producer == Some(producer) && *topic.name == *name;
        fits.then_some(topic)
    }

    /// The topic that `keep` will bring was looked up in this version of the table.
    pub(super) fn looked_up(&mut self, producer: ProducerToken, version: u64) {
        (self.producer, self.version) = (Some(producer), version);
    }

    /// Remembers what `RecordAccumulator::find_topic` has handed out.
    #[inline]
    pub(crate) fn keep(&mut self, topic: Arc<TopicQueues>) {
        self.topic = Some(topic);
    }
}

type QueueSlot = OnceLock<Arc<PartitionQueue>>;

/// How many at once are added to a topic.
const SHELF: usize = 16;

#[derive(Clone)]
pub(super) struct PartitionQueues {
    topic: OutcomeTopic,
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
    spares: Arc<SpareLists>,
    shared_sealing: Arc<SharedSealing>,
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
    /// The `Lifecycle` is over, told under this lock: no queue can be made open behind the one who closes all.
    closed: bool,
    /// See `PartitionQueue::take_turn`. New queues are made in this one.
    turn: u64,
}

impl QueueMaker {
    pub(super) fn new(rules: QueueRules, mailbox: Arc<Mailbox>) -> QueueMaker {
        QueueMaker {
            rules,
            mailbox,
            spares: Arc::default(),
            shared_sealing: Arc::default(),
            made: Mutex::default(),
        }
    }

    /// From now on every queue is closed when it is made. Those that there are can be found.
    pub(super) fn close(&self) {
        self.made.lock().closed = true;
    }

    /// A transaction has begun or ended: queues are made in this turn, unless a later one is heard of already.
    pub(super) fn take_turn(&self, turn: u64) {
        let mut made = self.made.lock();
        made.turn = made.turn.max(turn);
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
        let topic = OutcomeTopic::from(topic);
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
                (true, _) => QueueAccess::never(Access::Closed, made.turn),
                (false, true) => QueueAccess::never(Access::Retired, made.turn),
                (false, false) => QueueAccess::in_turn(made.turn),
            };
            let links = QueueLinks {
                sizes: Arc::clone(&self.sizes),
                mailbox: Arc::clone(&maker.mailbox),
                spares: Arc::clone(&maker.spares),
                shared_sealing: Arc::clone(&maker.shared_sealing),
            };
            let (topic, index) = (self.topic.clone(), made.number());
            let place = QueuePlace { topic, partition: partition as i32, index };
            let queue = Arc::new(PartitionQueue::new(place, maker.rules, links, access));
            if access.follows_turns() {
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
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::accumulator::{Availability, AvailabilityRules, QueueRules, RecordAccumulator};
    use crate::cluster::{Cluster, Node};
    use crate::mailbox::Mailbox;

    /// Topic `t`, led by these brokers, one partition each. Odd brokers are in rack `odd`, even ones in `even`.
    fn cluster(leaders: &[Option<i32>]) -> Cluster {
        let node = |id: i32| {
            let rack = Some(if id % 2 == 1 { "odd" } else { "even" }.to_owned());
            (id, Node { id, host: "h".to_owned(), port: 1, rack })
        };
        Cluster {
            nodes: leaders.iter().flatten().map(|id| node(*id)).collect(),
            ..Cluster::led(&[("t", leaders)])
        }
    }

    /// One topic as the application threads see it, with batches that nobody sends.
    struct World {
        accumulator: RecordAccumulator,
        leaders: Availability,
        start: Instant,
    }

    impl World {
        /// Availability as in `cluster`, and how many batches are in each partition's queue.
        fn new(rack: Option<&str>, leaders: &[Option<i32>], depths: &[u32]) -> World {
            let start = Instant::now();
            let rules = QueueRules::plain(1, 1, Duration::ZERO);
            let mailbox = Arc::new(Mailbox::new(start, Box::new(|| {})));
            let accumulator = RecordAccumulator::new(rules, 1 << 20, mailbox);
            let availability_timeout = Some(Duration::from_millis(100));
            let rules = AvailabilityRules { availability_timeout, rack: rack.map(str::to_owned) };
            let mut world = World { accumulator, leaders: Availability::new(rules), start };
            world.update(leaders);
            for (partition, depth) in (0..).zip(depths) {
                let queue = &world.queue(partition);
                (0..*depth).for_each(|_| world.append(queue));
                assert_eq!(queue.depth(), *depth);
            }
            world
        }

        fn update(&mut self, leaders: &[Option<i32>]) {
            self.accumulator.update_topics(&cluster(leaders), &["t".into()], &mut self.leaders);
        }

        fn topic(&self) -> Arc<TopicQueues> {
            self.accumulator.topic("t").unwrap()
        }

        fn queue(&self, partition: i32) -> Arc<PartitionQueue> {
            Arc::clone(self.topic().queue(partition).unwrap())
        }

        /// A batch size of 1 makes a batch of each record.
        fn append(&self, queue: &Arc<PartitionQueue>) {
            self.accumulator.append_value(queue, b"v", self.start);
        }

        /// The broker could not take what there was for it, for longer than it may, or has taken it now.
        fn set_slow(&mut self, broker: i32, slow: bool) {
            let later = self.start + Duration::from_secs(1);
            self.leaders.update_latency(broker, true, self.start);
            self.leaders.update_latency(broker, !slow, later);
        }

        /// How often each partition was chosen.
        fn choices(&self, adaptive: bool, times: u32) -> Vec<u32> {
            fastrand::seed(7);
            let topic = self.topic();
            let mut seen = vec![0; topic.partition_count()];
            for _ in 0..times {
                seen[topic.sticky_partition(adaptive) as usize] += 1;
                topic.sticky().leave();
            }
            seen
        }

        /// The partitions that are chosen at all.
        fn chosen(&self, adaptive: bool) -> Vec<usize> {
            let seen = self.choices(adaptive, 1000);
            (0..seen.len()).filter(|partition| seen[*partition] > 0).collect()
        }
    }

    /// Chi-square of what was seen against the weights.
    fn chi_square(seen: &[u32], weights: &[u32]) -> f64 {
        let [draws, total] = [seen, weights].map(|all| f64::from(all.iter().sum::<u32>()));
        let expected = weights.iter().map(|weight| draws * f64::from(*weight) / total);
        seen.iter()
            .zip(expected)
            .map(|(seen, expected)| (f64::from(*seen) - expected).powi(2) / expected)
            .sum()
    }

    /// Behaviour 29.
    #[test]
    fn partitions_are_chosen_by_what_waits_in_their_queues() {
        let depths = [0, 1, 12, 0, 5, 9];
        let world = World::new(None, &[Some(1); 6], &depths);
        let weights = depths.map(|depth| 13 - depth);
        let seen = world.choices(true, 60_000);
        // 5 degrees of freedom: 20.5 is exceeded once in a thousand.
        assert!(chi_square(&seen, &weights) < 20.5, "{seen:?}");
        assert!(chi_square(&seen, &[1; 6]) > 1000.0, "the test must be able to tell: {seen:?}");
        let seen = world.choices(false, 60_000);
        assert!(chi_square(&seen, &[1; 6]) < 20.5, "{seen:?}");

        // What is to be sent again waits as well.
        world.queue(0).note_retries(12);
        let seen = world.choices(true, 60_000);
        assert!(chi_square(&seen, &[1, 12, 1, 13, 8, 4]) < 20.5, "{seen:?}");
    }

    /// Behaviour 30.
    #[test]
    fn a_slow_broker_gets_nothing_where_something_waits_for_it() {
        let leaders = [Some(1), Some(2), Some(2), None, Some(3)];
        let mut world = World::new(None, &leaders, &[1, 1, 0, 0, 1]);
        assert_eq!(world.chosen(true), [0, 1, 2, 4]);
        world.set_slow(2, true);
        assert_eq!(world.chosen(true), [0, 2, 4], "the empty queue is how it can show that it has recovered");
        assert_eq!(world.chosen(false), [0, 1, 2, 4], "without adaptive partitioning");
        let queue = world.queue(2);
        world.append(&queue);
        assert_eq!(world.chosen(true), [0, 4]);
        world.update(&[Some(1), Some(3), Some(2), None, Some(3)]);
        assert_eq!(world.chosen(true), [0, 1, 4], "partition 1 is led by another now");
        world.update(&leaders);
        assert_eq!(world.chosen(true), [0, 4], "a broker stays slow whatever it leads");
        for broker in [1, 3] {
            world.set_slow(broker, true);
        }
        assert_eq!(world.chosen(true), [0, 1, 2, 4], "where all are slow none is");
        world.set_slow(2, false);
        assert_eq!(world.chosen(true), [1, 2]);
    }

    #[test]
    fn partitions_led_in_the_clients_rack_are_preferred() {
        let mut world = World::new(Some("even"), &[Some(1), Some(2), Some(3), Some(4), Some(2)], &[]);
        for adaptive in [true, false] {
            assert_eq!(world.chosen(adaptive), [1, 3, 4]);
        }
        world.update(&[Some(1), None, Some(3), None, Some(2)]);
        assert_eq!(world.chosen(true), [4]);
        world.update(&[Some(1), None, Some(3), None, None]);
        for adaptive in [true, false] {
            assert_eq!(world.chosen(adaptive), [0, 2], "there is none in the rack");
        }
        world.update(&[None; 5]);
        assert_eq!(world.chosen(true), [0, 1, 2, 3, 4], "there is none at all");
        world.update(&[Some(2), Some(1), Some(3), Some(3), Some(3)]);
        assert_eq!(world.chosen(true), [0]);
        for rack in [None, Some("elsewhere")] {
            assert_eq!(World::new(rack, &[Some(1), Some(2)], &[]).chosen(true), [0, 1]);
        }
    }

    /// Behaviour 29.
    #[test]
    fn within_the_rack_shorter_queues_are_preferred_too() {
        // The longest queue of the rack counts, not of all. Java: adaptivePartitionsTestWithRackAwareness.
        let world = World::new(Some("odd"), &[Some(1), Some(2), Some(3), Some(4)], &[5, 9, 3, 0]);
        let seen = world.choices(true, 40_000);
        assert_eq!([seen[1], seen[3]], [0, 0]);
        // 1 degree of freedom: 10.8.
        assert!(chi_square(&[seen[0], seen[2]], &[1, 3]) < 10.8, "{seen:?}");
    }

    /// Behaviour 30.
    #[test]
    fn where_all_brokers_of_the_rack_are_slow_the_others_are_chosen() {
        let mut world = World::new(Some("odd"), &[Some(1), Some(2), Some(3), Some(4)], &[1; 4]);
        world.set_slow(1, true);
        assert_eq!(world.chosen(true), [2]);
        world.set_slow(3, true);
        assert_eq!(world.chosen(true), [1, 3]);
        world.set_slow(2, true);
        world.set_slow(4, true);
        assert_eq!(world.chosen(true), [0, 2]);
        world.set_slow(3, false);
        assert_eq!(world.chosen(true), [2]);
    }

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
