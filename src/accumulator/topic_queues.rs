//! What `send` needs to know of a topic, found by one look-up.
//!
//! Owns: which partitions a topic has, and which of them keyless records go to at the moment. Must not know: brokers,
//! how the metadata was fetched.
//! Holds: a `TopicQueues` never changes; a newer one takes its place and shares sticky partition and queues with it, also
//! those of partitions that the newer picture lacks: it may be one of a broker that lags behind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::accumulator::availability::{AvailablePartitions, Led};
use crate::accumulator::partition_queue::PartitionQueue;
use crate::accumulator::partition_queues::{PartitionQueues, QueueMaker};
use crate::accumulator::sticky_partition::StickyPartition;
use crate::cluster::TopicInfo;
use crate::partitioner::{LoadTable, next_partition};
use crate::planted::{Defect, planted};
use crate::record::TopicName;
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

#[cfg(test)]
mod tests {
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
}
