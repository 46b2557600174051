//! `Drain`: the sender's side of the accumulator: which partitions have something to send, and what is on its way.
//!
//! Owns: ready queues per leader, retries, batches in flight, one timer per partition. Must not know: sequences (it asks
//! the `TransactionManager`), requests, sockets.
//! Threads: the sender thread owns it by value.
//! Holds: a turn's work depends on what is ready and due, never on how many partitions there are; batches of a
//! partition leave in the order of their ids; a partition that was drained goes to the end of its leader's queue.
//! Source: Kafka's `RecordAccumulator.ready/drain/expiredBatches` and `Sender.inFlightBatches`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::RecordAccumulator;
use crate::accumulator::partition_drain::{
    Absent, BatchRef, DrainList, DrainedBatch, PartitionDrain, SendConditions, Taken,
};
use crate::accumulator::partition_queue::{Head, Outlook, PartitionQueue};
use crate::accumulator::producer_batch::ProducerBatch;
use crate::accumulator::queue_rules::DrainRules;
use crate::cluster::Cluster;
use crate::mailbox::PendingFlush;
use crate::planted::{Defect, planted};
use crate::record::TopicName;
use crate::transaction::TransactionManager;

pub(crate) struct Drain {
    pub(super) accumulator: Arc<RecordAccumulator>,
    pub(super) rules: DrainRules,
    cluster: Arc<Cluster>,
    pub(super) partitions: Vec<Option<PartitionDrain>>,
    /// Partitions with something to send, by leader. Ordered, so that a run can be repeated.
    ready: BTreeMap<i32, VecDeque<usize>>,
    /// Partitions with something to send and no leader.
    leaderless: Vec<usize>,
    /// Partitions with something to send, whose sequences do not allow it yet.
    held_back: Vec<usize>,
    /// Partitions whose open batch lingers, in the order in which they began to.
    pub(super) lingering: VecDeque<usize>,
    /// When each partition has to be looked at, one entry a partition, ordered so that a run can be repeated.
    pub(super) timers: BTreeSet<(Instant, usize)>,
    /// Batches that could not be sealed.
    pub(super) lost: Vec<(usize, ProducerBatch)>,
    closing: bool,
}

impl Drain {
    pub(crate) fn new(accumulator: Arc<RecordAccumulator>, rules: DrainRules) -> Drain {
        Drain {
            accumulator,
            rules,
            cluster: Arc::default(),
            partitions: Vec::new(),
            ready: BTreeMap::new(),
            leaderless: Vec::new(),
            held_back: Vec::new(),
            lingering: VecDeque::new(),
            timers: BTreeSet::new(),
            lost: Vec::new(),
            closing: false,
        }
    }

    /// Looks at a partition of which something was told. That may be the first that is heard of it.
    pub(crate) fn look_at(&mut self, index: usize, now: Instant) {
        if self.partition(index).is_none() {
            self.adopt_unseen(now);
        }
        self.look_again(index, now);
    }

    /// From now on nothing lingers. The queues must be closed.
    pub(crate) fn close(&mut self, now: Instant) {
        self.closing = true;
        self.adopt_unseen(now);
        self.lingering.clear();
        (0..self.partitions.len()).for_each(|index| self.look_again(index, now));
    }

    /// Whether nothing lingers any more, since the producer is being closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Takes over queues that were made since. The caller that opens a batch tells of it only after another may have
    /// appended to it.
    pub(super) fn adopt_unseen(&mut self, now: Instant) {
        for queue in self.accumulator.take_unseen_queues() {
            self.adopt(queue, now);
        }
    }

    /// As `examine`, where the queue may hold something of which no event has come yet.
    fn look_again(&mut self, index: usize, now: Instant) {
        if let Some(partition) = self.partition(index) {
            partition.quiet = false;
        }
        self.examine(index, now);
    }

    /// Takes over the leaders of these topics, of which something is new.
    pub(crate) fn update_cluster(&mut self, cluster: &Arc<Cluster>, changed: &[TopicName], now: Instant) {
        self.cluster = Arc::clone(cluster);
        let accumulator = Arc::clone(&self.accumulator);
        let (mut moved, mut withdrawn) = (Vec::new(), false);
        for topic in changed.iter().filter_map(|name| accumulator.queues(name)) {
            for index in topic.used_queues().map(|queue| queue.index) {
                let Some(Some(partition)) = self.partitions.get_mut(index) else { continue };
                partition.note_topic(cluster);
                if !planted(Defect::LeadersStay)
                    && partition.is_led_by_another(leader_of(cluster, &partition.queue))
                {
                    partition.queue.note_leaderless(partition.leader.is_none().then_some(now));
                    withdrawn |= partition.listed.take_if(|list| *list != DrainList::HeldBack).is_some();
                    moved.push(index);
                }
            }
        }
        if withdrawn {
            self.tidy_lists();
        }
        moved.into_iter().for_each(|index| self.examine(index, now));
    }

    /// Takes partitions that are not listed any more off the lists of leaders.
    pub(super) fn tidy_lists(&mut self) {
        let partitions = &self.partitions;
        let is_in = |list: DrainList, index: usize| {
            partitions.get(index).and_then(Option::as_ref).is_some_and(|it| it.listed == Some(list))
        };
        for (node, queue) in &mut self.ready {
            queue.retain(|index| is_in(DrainList::Ready(*node), *index));
        }
        self.ready.retain(|_, queue| !queue.is_empty());
        self.leaderless.retain(|index| is_in(DrainList::Leaderless, *index));
        self.held_back.retain(|index| is_in(DrainList::HeldBack, *index));
    }

    /// The partitions of which something waits for a leader that nobody knows.
    pub(crate) fn leaderless(&self) -> impl Iterator<Item = (&TopicName, i32)> {
        self.leaderless.iter().filter_map(|index| self.name(*index))
    }

    /// The partitions that their topics do not have any more, by the last picture, and for which something waits.
    pub(crate) fn absent(&self) -> impl Iterator<Item = Absent> {
        self.leaderless.iter().filter_map(|index| self.absence(*index))
    }

    /// Whether the partition's topic does not have it any more, by the last picture.
    pub(crate) fn absence(&self, index: usize) -> Option<Absent> {
        self.partitions.get(index)?.as_ref()?.absence(index, &self.cluster)
    }

    /// The sequences may allow by now what they did not.
    pub(crate) fn look_at_held_back(&mut self, now: Instant) {
        for index in std::mem::take(&mut self.held_back) {
            self.unlist(index);
            self.examine(index, now);
        }
    }

    /// The brokers for which there is something to send.
    pub(crate) fn ready_nodes(&self) -> impl Iterator<Item = i32> + '_ {
        self.ready.iter().filter(|(_, queue)| !queue.is_empty()).map(|(node, _)| *node)
    }

    /// Takes one batch of each ready partition of this broker, as many as fit into `max_bytes`, but at least one.
    pub(crate) fn drain(
        &mut self,
        node: i32,
        max_bytes: usize,
        now: Instant,
        transaction: &mut TransactionManager,
    ) -> Vec<DrainedBatch> {
        let mut drained = Vec::new();
        let mut size = 0;
        for _ in 0..self.ready.get(&node).map_or(0, VecDeque::len) {
            let Some(index) = self.ready.get_mut(&node).and_then(VecDeque::pop_front) else { break };
            let room = if drained.is_empty() { usize::MAX } else { max_bytes.saturating_sub(size) };
            match self.take_from(index, room, now, transaction) {
                Taken::Batch(batch, outlook) => {
                    size += batch.bytes.len();
                    drained.push(batch);
                    self.unlist(index);
                    match outlook {
                        Some(outlook) => self.place(index, outlook, now),
                        None => self.examine(index, now),
                    }
                }
                Taken::TooLarge => {
                    self.ready.entry(node).or_default().push_front(index);
                    break;
                }
                Taken::HeldBack => {
                    self.unlist(index);
                    self.list(index, DrainList::HeldBack);
                }
                Taken::Lost(batch) => {
                    self.lost.push((index, batch));
                    self.unlist(index);
                    self.examine_anyway(index, now);
                }
                Taken::Nothing => {
                    self.unlist(index);
                    self.examine(index, now);
                }
                Taken::Later => self.unlist(index),
            }
        }
        drained
    }

    /// Takes a batch out of those in flight because its request is over.
    pub(crate) fn arrived(&mut self, batch: &BatchRef) -> Option<ProducerBatch> {
        let partition = self.partition(batch.index)?;
        let place = partition.in_flight.iter().position(|other| other.id() == batch.batch_id)?;
        partition.in_flight.remove(place)
    }

    /// A batch's request has failed after it was written: the broker may have the batch.
    pub(crate) fn note_doubt(&mut self, batch: &BatchRef) {
        if planted(Defect::NoDoubt) {
            return;
        }
        let Some(partition) = self.partition(batch.index) else { return };
        let in_flight = partition.in_flight.iter_mut().filter(|other| other.id() == batch.batch_id);
        in_flight.for_each(ProducerBatch::note_doubt);
    }

    /// Puts a batch back, to be sent again but not before the time given; at once without one.
    pub(crate) fn requeue(&mut self, index: usize, batch: ProducerBatch, not_before: Option<Instant>) {
        let Some(partition) = self.partition(index) else { return };
        let place = partition.retries.partition_point(|other| other.id() < batch.id());
        let place = if planted(Defect::RetriesGoLast) { partition.retries.len() } else { place };
        partition.retries.insert(place, batch);
        partition.not_before = not_before;
    }

    /// Takes a batch apart that the broker has found too large, and puts the pieces in its place. Gives it back where that
    /// cannot be done.
    pub(crate) fn split(
        &mut self,
        index: usize,
        batch: ProducerBatch,
        now: Instant,
    ) -> Option<ProducerBatch> {
        let Some(partition) = self.partition(index) else { return Some(batch) };
        let mut pieces = partition.queue.split(batch, now);
        if pieces.len() < 2 {
            return pieces.pop();
        }
        pieces.into_iter().for_each(|piece| self.requeue(index, piece, None));
        None
    }

    /// Whether batches of the partition have been sent and are not settled.
    pub(crate) fn has_outstanding(&self, index: usize) -> bool {
        self.partitions.get(index).and_then(Option::as_ref).is_some_and(PartitionDrain::has_outstanding)
    }

    /// Whether the broker may have a batch of the partition that is not settled yet.
    pub(crate) fn is_fate_unknown(&self, index: usize) -> bool {
        self.partitions.get(index).and_then(Option::as_ref).is_some_and(|partition| {
            partition.in_flight.iter().any(ProducerBatch::is_unanswered)
                || partition.retries.iter().any(ProducerBatch::is_doubtful)
        })
    }

    /// The batches that have been sent and are not settled, in order.
    pub(crate) fn outstanding(&mut self, index: usize) -> Vec<&mut ProducerBatch> {
        let Some(partition) = self.partition(index) else { return Vec::new() };
        let all = partition.in_flight.iter_mut().chain(partition.retries.iter_mut());
        let mut batches: Vec<_> = all.filter(|batch| batch.is_unanswered()).collect();
        batches.sort_by_key(|batch| batch.id());
        batches
    }

    /// The topic and number of a partition.
    pub(crate) fn name(&self, index: usize) -> Option<(&TopicName, i32)> {
        let partition = self.partitions.get(index)?.as_ref()?;
        Some((&partition.queue.topic, partition.queue.partition))
    }

    /// Whether what this broker has refused goes at once to the partition's new leader.
    pub(crate) fn may_hurry(&self, index: usize, refused_by: i32) -> bool {
        let partition = self.partitions.get(index).and_then(Option::as_ref);
        partition.is_some_and(|partition| partition.may_hurry(refused_by))
    }

    /// The broker that leads a partition, as far as is known.
    pub(crate) fn leader(&self, index: usize) -> Option<i32> {
        self.partitions.get(index)?.as_ref()?.leader
    }

    /// Since when a partition has had no leader, as far as anybody looked.
    pub(crate) fn leaderless_since(&self, index: usize) -> Option<Instant> {
        self.partitions.get(index)?.as_ref()?.queue.leaderless_since()
    }

    /// Looks again at a partition after one of its batches was answered.
    pub(crate) fn revisit(&mut self, index: usize, now: Instant) {
        self.examine(index, now);
    }

    /// When the next partition has to be looked at.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Whether nothing is left to be answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.partitions
            .iter()
            .flatten()
            .all(|partition| !partition.has_outstanding() && partition.queue.head() == Head::Empty)
            && self.lost.is_empty()
    }

    /// Whether batches that could not be sealed are still to be failed.
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// How many partitions and timers there are, and how much memory the batches hold that were sent.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn census(&self) -> (usize, usize, usize) {
        let partitions = self.partitions.iter().flatten();
        let sent = |partition: &PartitionDrain| -> usize {
            partition.in_flight.iter().chain(&partition.retries).map(ProducerBatch::reserved).sum()
        };
        let reserved = partitions.clone().map(sent).sum();
        (partitions.count(), self.timers.len(), reserved)
    }

    fn take_from(
        &mut self,
        index: usize,
        room: usize,
        now: Instant,
        transaction: &mut TransactionManager,
    ) -> Taken {
        let (mute, conditions) = (self.rules.mute, self.send_conditions(now));
        let Some(partition) = self.partitions.get_mut(index).and_then(Option::as_mut) else {
            return Taken::Nothing;
        };
        if mute && !partition.in_flight.is_empty() {
            return Taken::Later;
        }
        if !partition.retries.is_empty() {
            if partition.not_before.is_some_and(|time| time > now) {
                return Taken::Later;
            }
            partition.has_waited();
            return partition.take_retry(index, room, transaction);
        }
        let (pool, outstanding) = (self.accumulator.pool(), partition.outstanding());
        let mut refused = Taken::Nothing;
        let wanted = |head: &Head| {
            let (Head::Sealed { size, .. } | Head::Open { size, .. }) = head else { return false };
            if *size > room {
                refused = Taken::TooLarge;
            } else if !transaction.may_stamp(index, outstanding) {
                refused = Taken::HeldBack;
            } else {
                return true;
            }
            false
        };
        let Some((batch, outlook)) =
            partition.queue.pop_if(pool, wanted, |head| conditions.is_sendable(head))
        else {
            return refused;
        };
        (partition.not_before, partition.moves) = (None, 0);
        if batch.is_lost() {
            return Taken::Lost(batch);
        }
        Taken::Batch(partition.depart(index, batch, transaction), Some(outlook))
    }

    /// Decides whether a partition has something to send now, and if not, when to look again.
    pub(super) fn examine(&mut self, index: usize, now: Instant) {
        let Some(partition) = self.partition(index) else { return };
        partition.queue.note_retries(partition.retries.len());
        if partition.listed.is_some() && partition.timer.is_some() && partition.retries.is_empty() {
            return; // whatever has come since waits behind what it was listed for, and expires later
        }
        self.examine_anyway(index, now);
    }

    pub(super) fn examine_anyway(&mut self, index: usize, now: Instant) {
        let conditions = self.send_conditions(now);
        let Some(partition) = self.partition(index) else { return };
        let outlook = match partition.quiet {
            true => Outlook { head: Head::Empty, sendable: false },
            false => partition.queue.peek(|head| conditions.is_sendable(head)),
        };
        self.place(index, outlook, now);
    }

    /// Puts a partition where it belongs by what was found in its queue.
    fn place(&mut self, index: usize, outlook: Outlook, now: Instant) {
        let rules = self.rules;
        let Some(partition) = self.partition(index) else { return };
        let Outlook { head, mut sendable } = outlook;
        partition.quiet = head == Head::Empty;
        let mut wake = match head {
            Head::Open { created, .. } if !sendable => created.checked_add(rules.linger),
            _ => None,
        };
        if !partition.retries.is_empty() {
            let waits = partition.not_before.filter(|time| *time > now);
            sendable = waits.is_none();
            wake = waits;
        }
        let begins_to_linger = matches!(head, Head::Open { .. }) && !sendable && !partition.lingering;
        partition.lingering |= begins_to_linger;
        let list = partition.leader.map_or(DrainList::Leaderless, DrainList::Ready);
        let newly_sendable = sendable && partition.listed.is_none();
        let oldest = partition.oldest(head);
        let expires = oldest.and_then(|created| created.checked_add(rules.delivery_timeout));
        let deadline = wake.into_iter().chain(expires).min();
        if begins_to_linger {
            self.lingering.push_back(index);
        }
        self.arm(index, deadline);
        if newly_sendable {
            self.list(index, list);
        }
    }

    /// What makes batches leave before they are full.
    fn send_conditions(&self, now: Instant) -> SendConditions {
        let at_once = self.closing || self.accumulator.pool().is_short();
        SendConditions { now, linger: self.rules.linger, at_once }
    }

    fn list(&mut self, index: usize, list: DrainList) {
        let Some(partition) = self.partition(index) else { return };
        partition.listed = Some(list);
        match list {
            DrainList::Ready(node) => self.ready.entry(node).or_default().push_back(index),
            DrainList::Leaderless => self.leaderless.push(index),
            DrainList::HeldBack => self.held_back.push(index),
        }
    }

    /// Memory is short: those that linger need not any more.
    pub(crate) fn end_lingers(&mut self, now: Instant) {
        for index in std::mem::take(&mut self.lingering) {
            if let Some(partition) = self.partition(index) {
                partition.lingering = false;
            }
            self.look_again(index, now);
        }
    }

    /// Sends everything, whatever lingers. All that is not answered yet keeps an end of this until it is.
    pub(crate) fn flush(&mut self, flush: &PendingFlush, now: Instant) {
        self.adopt_unseen(now);
        let mut batches = Vec::new();
        for index in 0..self.partitions.len() {
            let Some(partition) = self.partition(index) else { continue };
            let sent = partition.in_flight.iter().chain(&partition.retries);
            let sent = sent.filter(|_| !planted(Defect::FlushForgetsSent));
            batches.extend(sent.filter_map(|batch| batch.completion().cloned()));
            partition.queue.unanswered(&mut batches);
            partition.queue.end_linger();
            self.look_again(index, now);
        }
        batches.iter().for_each(|batch| batch.hold_flush(flush));
    }

    fn arm(&mut self, index: usize, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        let Some(partition) = self.partition(index) else { return };
        if partition.timer.is_none_or(|timer| deadline < timer) {
            if let Some(later) = partition.timer.replace(deadline).filter(|_| !planted(Defect::TimersPile)) {
                self.timers.remove(&(later, index));
            }
            self.timers.insert((deadline, index));
        }
    }

    fn adopt(&mut self, queue: Arc<PartitionQueue>, now: Instant) {
        let index = queue.index;
        if index >= self.partitions.len() {
            self.partitions.resize_with(index + 1, || None);
        }
        let leader = leader_of(&self.cluster, &queue);
        queue.note_leaderless(leader.is_none().then_some(now));
        let mut partition = PartitionDrain::new(queue, leader);
        partition.note_topic(&self.cluster);
        if let Some(slot) = self.partitions.get_mut(index) {
            *slot = Some(partition);
        }
    }

    fn unlist(&mut self, index: usize) {
        if let Some(partition) = self.partition(index) {
            partition.listed = None;
        }
    }

    pub(super) fn partition(&mut self, index: usize) -> Option<&mut PartitionDrain> {
        self.partitions.get_mut(index).and_then(Option::as_mut)
    }
}

fn leader_of(cluster: &Cluster, queue: &PartitionQueue) -> Option<i32> {
    let partition = usize::try_from(queue.partition).ok()?;
    cluster.topic(&queue.topic)?.partitions.get(partition)?.leader()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::accumulator::{AppendStep, Availability, AvailabilityRules, CallerToken, QueueRules, Target};
    use crate::completion::{BatchOutcome, NoCallback, NoPlace};
    use crate::error::ErrorKind;
    use crate::mailbox::{Event, Mailbox};
    use crate::record_batch::tests::plan_panics;

    /// Longer than any test: nothing goes because of it.
    const LINGER: Duration = Duration::from_secs(10);

    /// Topic `t` with this number of partitions, led by this broker.
    fn cluster(partitions: usize, leader: i32) -> Arc<Cluster> {
        Arc::new(Cluster::led(&[("t", &vec![Some(leader); partitions])]))
    }

    /// Partitions led by broker 1, and the sender's side of them.
    struct World {
        accumulator: Arc<RecordAccumulator>,
        drain: Drain,
        on_their_way: Vec<BatchRef>,
        now: Instant,
    }

    impl World {
        fn new(partitions: usize) -> World {
            let now = Instant::now();
            let rules = QueueRules::plain(1000, 1000, LINGER);
            let mailbox = Arc::new(Mailbox::new(now, Box::new(|| {})));
            let accumulator = Arc::new(RecordAccumulator::new(rules, 1 << 20, mailbox));
            let cluster = cluster(partitions, 1);
            let rules = AvailabilityRules { availability_timeout: None, rack: None };
            accumulator.update_topics(&cluster, &["t".into()], &mut Availability::new(rules));
            let rules = DrainRules { linger: LINGER, delivery_timeout: 10 * LINGER, mute: false };
            let mut drain = Drain::new(Arc::clone(&accumulator), rules);
            drain.update_cluster(&cluster, &["t".into()], now);
            World { accumulator, drain, on_their_way: Vec::new(), now }
        }

        fn queue(&self, partition: i32) -> Arc<PartitionQueue> {
            Arc::clone(self.accumulator.topic("t").unwrap().queue(partition).unwrap())
        }

        fn append(&self, partition: i32) {
            self.append_value(partition, b"v");
        }

        fn append_value(&self, partition: i32, value: &[u8]) {
            self.accumulator.append_value(&self.queue(partition), value, self.now);
        }

        /// As `append`, by a thread that has opened a batch and has not told of it yet.
        fn append_untold(&self, partition: i32) {
            self.append(partition);
            let mut untold = Vec::new();
            self.accumulator.mailbox().take(&mut untold);
            assert!(matches!(untold[..], [Event::Partition(_)]));
        }

        /// As the sender does with what it was told.
        fn read_mailbox(&mut self) {
            let mut events = Vec::new();
            self.accumulator.mailbox().take(&mut events);
            for event in events {
                match event {
                    Event::Partition(index) => self.drain.look_at(index, self.now),
                    Event::MemoryShort => self.drain.end_lingers(self.now),
                    Event::Flush(flush) => self.drain.flush(&flush, self.now),
                    Event::Turn => panic!("not the drain's"),
                }
            }
        }

        /// What goes now, by partition.
        fn departing(&mut self) -> Vec<i32> {
            self.departing_to(1, usize::MAX)
        }

        fn departing_to(&mut self, broker: i32, max_bytes: usize) -> Vec<i32> {
            self.read_mailbox();
            // Without idempotence no sequence holds anything back.
            let mut transaction = TransactionManager::new(false);
            let drained = self.drain.drain(broker, max_bytes, self.now, &mut transaction);
            let partitions = drained.iter().map(|drained| drained.batch.partition).collect();
            self.on_their_way.extend(drained.into_iter().map(|drained| drained.batch));
            partitions
        }

        /// The oldest batch of the partition that is on its way, which is over.
        fn arrived(&mut self, partition: i32) -> ProducerBatch {
            let index = self.queue(partition).index;
            let place = self.on_their_way.iter().position(|batch| batch.index == index).unwrap();
            self.drain.arrived(&self.on_their_way.remove(place)).unwrap()
        }

        /// One batch through the partition, which then has nothing.
        fn pass(&mut self, partition: i32) {
            self.append(partition);
            self.queue(partition).expedite();
            assert_eq!(self.departing(), [partition]);
            drop(self.arrived(partition));
            self.drain.revisit(self.queue(partition).index, self.now);
            assert!(self.drain.is_empty());
        }
    }

    /// Whoever opens a batch tells of it afterwards, and not urgently. Another may wait for it already.
    #[test]
    fn who_waits_may_be_told_of_before_the_batch() {
        for before in [0, 1] {
            let mut world = World::new(1);
            (0..before).for_each(|_| world.pass(0));
            world.append_untold(0);
            world.queue(0).expedite();
            assert_eq!(world.departing(), [0], "after {before} batches");
        }
    }

    #[test]
    fn a_flush_and_a_shortage_find_a_batch_that_they_were_not_told_of() {
        let flush: fn() -> Event = || Event::Flush(PendingFlush::begin().0);
        let short: fn() -> Event = || Event::MemoryShort;
        for event in [short, flush] {
            let mut world = World::new(1);
            world.append(0);
            assert_eq!(world.departing(), [0; 0], "it lingers");
            world.queue(0).expedite();
            assert_eq!(world.departing(), [0]);
            world.append_untold(0);
            let _short = world.accumulator.pool().refuse(1, ErrorKind::WouldBlock);
            world.accumulator.mailbox().push(event(), None);
            assert_eq!(world.departing(), [0]);
        }
    }

    #[test]
    fn who_waits_ends_the_linger_though_others_are_on_their_way() {
        let mut world = World::new(1);
        for _ in 0..3 {
            world.append(0);
            assert_eq!(world.departing(), [0; 0], "it lingers");
            world.queue(0).expedite();
            assert_eq!(world.departing(), [0], "a round trip more would be twice as long");
        }
    }

    /// Not even to another leader, to which another connection leads.
    #[test]
    fn a_muted_partition_has_one_batch_on_its_way() {
        let mut world = World::new(1);
        world.drain.rules.mute = true;
        for _ in 0..2 {
            world.append_value(0, &[0; 400]);
            world.append_value(0, &[0; 521]);
        }
        assert_eq!(world.departing(), [0]);
        world.drain.update_cluster(&cluster(1, 2), &["t".into()], world.now);
        assert_eq!(world.departing_to(2, usize::MAX), [0; 0]);
        drop(world.arrived(0));
        world.drain.revisit(world.queue(0).index, world.now);
        assert_eq!(world.departing_to(2, usize::MAX), [0]);
    }

    #[test]
    fn each_shortage_sends_what_lingers() {
        let mut world = World::new(1);
        for _ in 0..2 {
            world.append(0);
            assert_eq!(world.departing(), [0; 0], "it lingers");
            let _short = world.accumulator.pool().refuse(1, ErrorKind::WouldBlock);
            world.accumulator.mailbox().push(Event::MemoryShort, None);
            assert_eq!(world.departing(), [0]);
            drop(world.arrived(0));
            world.accumulator.pool().give_back(0, None);
            world.drain.revisit(world.queue(0).index, world.now);
        }
    }

    #[test]
    fn a_flush_finds_partitions_that_it_was_never_told_of() {
        let mut world = World::new(1);
        world.append_untold(0);
        world.accumulator.mailbox().push(Event::Flush(PendingFlush::begin().0), None);
        assert_eq!(world.departing(), [0]);
    }

    #[test]
    fn closing_finds_partitions_that_it_was_never_told_of() {
        let mut world = World::new(2);
        world.append(0);
        assert_eq!(world.departing(), [0; 0], "it lingers");
        world.append_untold(1);
        world.accumulator.close_queues();
        world.drain.close(world.now);
        assert!(!world.drain.is_empty());
        let mut departing = world.departing();
        departing.sort_unstable();
        assert_eq!(departing, [0, 1]);
    }

    #[test]
    fn a_request_is_filled_to_its_last_byte_and_who_did_not_fit_comes_first_in_the_next() {
        let mut world = World::new(3);
        for partition in 0..3 {
            world.append(partition);
            world.queue(partition).expedite();
        }
        let Head::Open { size, .. } = world.queue(0).head() else { panic!("nothing was sent yet") };
        assert_eq!(world.departing_to(1, 2 * size - 1), [0]);
        assert_eq!(world.departing_to(1, 2 * size), [1, 2]);
    }

    #[test]
    fn a_new_leader_ends_the_backoff() {
        let mut world = World::new(1);
        world.append(0);
        world.queue(0).expedite();
        assert_eq!(world.departing(), [0]);
        let (index, batch) = (world.queue(0).index, world.arrived(0));
        world.drain.requeue(index, batch, Some(world.now + Duration::from_secs(1)));
        world.drain.revisit(index, world.now);
        assert_eq!(world.departing(), [0; 0]);
        world.drain.update_cluster(&cluster(1, 2), &["t".into()], world.now);
        assert_eq!(world.departing_to(2, usize::MAX), [0]);
    }

    /// Fault B3.
    #[test]
    fn leaders_that_are_named_one_after_the_other_do_not_end_a_backoff() {
        let mut world = World::new(1);
        let topic: TopicName = "t".into();
        world.append(0);
        world.queue(0).expedite();
        let index = world.queue(0).index;
        assert_eq!(world.departing(), [0]);
        let (mut leader, mut at_once) = (1, 0);
        for _ in 0..20 {
            // The leader refuses, and names the other one.
            let batch = world.arrived(0);
            let refused_by = leader;
            leader = 3 - leader;
            world.drain.update_cluster(&cluster(1, leader), std::slice::from_ref(&topic), world.now);
            let hurries = world.drain.may_hurry(index, refused_by);
            at_once += u32::from(hurries);
            let backoff = (!hurries).then_some(world.now + Duration::from_secs(1));
            world.drain.requeue(index, batch, backoff);
            world.drain.revisit(index, world.now);
            if !hurries {
                leader = 3 - leader;
                world.drain.update_cluster(&cluster(1, leader), std::slice::from_ref(&topic), world.now);
                assert_eq!(world.departing_to(leader, usize::MAX), [0; 0], "it waits, whoever else is named");
                world.now += Duration::from_secs(1);
                world.drain.expire(world.now, world.now);
            }
            assert_eq!(world.departing_to(leader, usize::MAX), [0]);
        }
        assert_eq!(at_once, 10, "every other time");
    }

    /// Fault B14.
    #[test]
    fn partitions_that_move_leave_the_lists_of_their_old_leader_and_the_others_stay() {
        let mut world = World::new(3);
        for partition in 0..3 {
            world.append(partition);
            world.queue(partition).expedite();
        }
        world.read_mailbox();
        let moved = Arc::new(Cluster::led(&[("t", &[Some(2), Some(1), None])]));
        world.drain.update_cluster(&moved, &["t".into()], world.now);
        assert_eq!(world.departing_to(1, usize::MAX), [1]);
        assert_eq!(world.departing_to(2, usize::MAX), [0]);
        assert_eq!(world.drain.leaderless().count(), 1);
        world.drain.update_cluster(&cluster(3, 1), &["t".into()], world.now);
        assert_eq!((world.departing_to(1, usize::MAX), world.drain.leaderless().count()), (vec![2], 0));
    }

    #[test]
    fn what_is_to_be_sent_again_counts_as_waiting_until_it_goes() {
        let mut world = World::new(1);
        world.append(0);
        let queue = world.queue(0);
        queue.expedite();
        assert_eq!((queue.depth(), world.departing(), queue.depth()), (1, vec![0], 0));
        let batch = world.arrived(0);
        world.drain.requeue(queue.index, batch, None);
        world.drain.revisit(queue.index, world.now);
        assert_eq!((queue.depth(), world.departing(), queue.depth()), (1, vec![0], 0));
    }

    /// Fault A7. Each linger begins a timer that comes before the one for `delivery.timeout.ms`.
    #[test]
    fn a_partition_has_one_timer_however_often_it_lingers() {
        let mut world = World::new(2);
        world.drain.rules.delivery_timeout = Duration::from_millis(u64::from(u32::MAX));
        for _ in 0..50 {
            for partition in [0, 1] {
                world.append(partition);
                assert_eq!(world.departing(), [0; 0], "it lingers");
            }
            world.now += LINGER;
            assert!(world.drain.expire(world.now, world.now).is_empty());
            assert_eq!(world.departing(), [0, 1]);
            for partition in [0, 1] {
                drop(world.arrived(partition));
                world.drain.revisit(world.queue(partition).index, world.now);
            }
            assert!(world.drain.timers.len() <= 2, "{}", world.drain.timers.len());
        }
    }

    /// Fault B14. A partition that has a new leader is taken off the old one's list with all others at once, and listed once.
    #[test]
    fn leaders_that_change_take_what_is_ready_along() {
        let mut world = World::new(300);
        for partition in 0..300 {
            world.append(partition);
            world.queue(partition).expedite();
        }
        world.read_mailbox();
        for leader in [2, 1, 3, 2] {
            world.drain.update_cluster(&cluster(300, leader), &["t".into()], world.now);
            assert_eq!(world.drain.ready_nodes().collect::<Vec<_>>(), [leader]);
        }
        world.drain.update_cluster(&Arc::new(Cluster::led(&[("t", &[None; 300])])), &["t".into()], world.now);
        assert_eq!((world.drain.ready_nodes().count(), world.drain.leaderless.len()), (0, 300));
        world.drain.update_cluster(&cluster(300, 2), &["t".into()], world.now);
        assert_eq!(world.departing_to(2, usize::MAX), (0..300).collect::<Vec<_>>());
        assert!(world.drain.leaderless.is_empty());
    }

    /// Fault A9. Whoever seals a batch, its caller when it is full or the sender when it goes, may run into a panic.
    #[test]
    fn a_batch_whose_sealing_panics_is_lost_alone() {
        for sealed_by_caller in [true, false] {
            let mut world = World::new(1);
            let free = world.accumulator.pool().free();
            plan_panics(1);
            if sealed_by_caller {
                world.append_value(0, &[0; 400]);
                world.append_value(0, &[0; 521]);
            } else {
                world.append(0);
                world.queue(0).expedite();
            }
            assert_eq!(world.departing(), [0; 0]);
            plan_panics(0);
            world.append(0);
            world.queue(0).expedite();
            assert_eq!(world.departing(), [0], "those behind it go");
            let lost = world.drain.take_lost();
            assert_eq!(
                lost.iter().map(|(_, batch)| batch.count()).sum::<u32>(),
                1 + u32::from(sealed_by_caller)
            );
            let outcome =
                || BatchOutcome::Failed { error: crate::error::Error::closed(), records: Vec::new() };
            for (_, batch) in lost {
                batch.settle(outcome(), world.accumulator.pool());
            }
            world.arrived(0).settle(outcome(), world.accumulator.pool());
            world.accumulator.pool().serve_waiters();
            assert_eq!(world.accumulator.pool().free(), free, "all memory has come back");
            world.drain.revisit(world.queue(0).index, world.now);
            assert!(world.drain.is_empty());
        }
    }

    /// Fault A9. Nothing spins where a batch was lost, and what is behind it is taken out.
    #[test]
    fn an_abort_takes_lost_batches_along() {
        let mut world = World::new(1);
        plan_panics(1);
        world.append_value(0, &[0; 400]);
        world.append_value(0, &[0; 521]);
        plan_panics(0);
        world.append(0);
        world.accumulator.close_queues();
        world.read_mailbox();
        assert_eq!(world.drain.abort(world.now).len(), 2);
    }

    /// Fault A8. Whoever found the topic before may still have its queues; they take nothing once they are forgotten, and
    /// what tells of them comes too late.
    #[test]
    fn what_is_forgotten_is_freed_and_its_numbers_are_used_again() {
        let mut world = World::new(3);
        let forget = |world: &mut World| {
            let forgotten = world.accumulator.forget_retired(|index| world.drain.is_idle(index));
            world.drain.forget(&forgotten);
            forgotten.len()
        };
        let mut leaders = Availability::new(AvailabilityRules::default());
        let mut old = world.queue(0);
        for _ in 0..5 {
            world.pass(1);
            world.append(0);
            world.queue(2);
            assert_eq!(world.departing(), [0; 0]);
            world.accumulator.retire_topic("t");
            assert_eq!(forget(&mut world), 0, "something lingers");
            world.accumulator.update_topics(&cluster(3, 1), &["t".into()], &mut leaders);
            old = world.queue(0);
            old.expedite();
            assert_eq!(world.departing(), [0]);
            world.accumulator.retire_topic("t");
            assert_eq!(forget(&mut world), 0, "something is on its way");
            drop(world.drain.arrived(&world.on_their_way.remove(0)).unwrap());
            world.drain.revisit(old.index, world.now);
            assert_eq!(forget(&mut world), 3);
            assert!(world.drain.timers.is_empty() && world.drain.lingering.is_empty());
            assert!(world.accumulator.topic("t").is_none());
            world.accumulator.update_topics(&cluster(3, 1), &["t".into()], &mut leaders);
        }
        assert_eq!(world.accumulator.queue_maker.numbers(), 3);
        let headers = crate::record::Headers::new();
        let parts = crate::record_batch::RecordParts::new(None, Some(b"v"), &headers, 0);
        let target = Target { queue: &old, sticky: None };
        assert!(target.append_at_once::<NoPlace>(&parts, CallerToken::default(), &mut NoCallback).is_none());
        let refused = world.accumulator.append_now(target, b"v", &|| world.now);
        assert!(matches!(refused, Err(AppendStep::Gone)));
        world.append(0);
        world.queue(0).expedite();
        world.accumulator.mailbox().push(Event::Partition(old.index), None);
        assert_eq!(world.departing(), [0]);
    }

    /// Its record is the last one: nobody else would seal it.
    #[test]
    fn a_batch_that_is_filled_to_its_last_byte_goes_at_once() {
        for (last, expected) in [(521, &[0][..]), (520, &[])] {
            let mut world = World::new(1);
            world.append_value(0, &[0; 400]);
            world.append_value(0, &vec![0; last]);
            assert_eq!(world.departing(), expected);
            let outstanding = world.drain.outstanding(world.queue(0).index);
            assert!(outstanding.iter().all(|batch| batch.count() == 2));
        }
    }
}
