//! What leaves the accumulator without being sent: lost, overtaken or refused batches, all that is left at the end, and
//! partitions that are forgotten.
//!
//! Owns: the ways out of a `Drain` besides its brokers. Must not know: why something is taken out, what is told of it.
//! Threads: the sender thread.

use std::time::Instant;

use crate::accumulator::drain::Drain;
use crate::accumulator::partition_drain::give_up;
use crate::accumulator::partition_drain::{Expired, Fate};
use crate::accumulator::partition_queue::Head;
use crate::accumulator::producer_batch::{BatchId, ProducerBatch};

impl Drain {
    /// Takes the batches that could not be sealed.
    pub(crate) fn take_lost(&mut self) -> Vec<(usize, ProducerBatch)> {
        std::mem::take(&mut self.lost)
    }

    /// Takes out the batches that are to be sent again and come before this one, which the broker has: what is known not to
    /// be in the log would stand behind it there.
    pub(crate) fn take_overtaken_by(&mut self, index: usize, written: BatchId) -> Vec<ProducerBatch> {
        self.take_retries(index, |batch| batch.id() < written && !batch.is_doubtful())
    }

    /// Takes out the batches that are to be sent again, come before this one, and were in doubt until the broker did not
    /// find them by their numbers.
    pub(crate) fn take_not_found_before(&mut self, index: usize, later: BatchId) -> Vec<ProducerBatch> {
        let is_meant =
            |batch: &ProducerBatch| batch.id() < later && !batch.is_doubtful() && batch.was_doubtful();
        self.take_retries(index, is_meant)
    }

    fn take_retries(
        &mut self,
        index: usize,
        is_meant: impl Fn(&ProducerBatch) -> bool,
    ) -> Vec<ProducerBatch> {
        let Some(partition) = self.partition(index) else { return Vec::new() };
        if !partition.retries.iter().any(&is_meant) {
            return Vec::new();
        }
        let retries = std::mem::take(&mut partition.retries);
        let (meant, others): (Vec<_>, Vec<_>) = retries.into_iter().partition(&is_meant);
        partition.retries = others.into();
        meant
    }

    /// Takes away the place in the sequence of all that was sent and is not settled: it is given another when it goes again.
    pub(crate) fn forget_stamps(&mut self) {
        for partition in self.partitions.iter_mut().flatten() {
            let batches = partition.in_flight.iter_mut().chain(&mut partition.retries);
            batches.for_each(ProducerBatch::forget_stamp);
        }
    }

    /// Takes out all of a partition that waits to be sent, for the first time or again.
    pub(crate) fn take_waiting_of(&mut self, index: usize, now: Instant) -> Vec<ProducerBatch> {
        let Some(partition) = self.partitions.get_mut(index).and_then(Option::as_mut) else {
            return Vec::new();
        };
        let mut waiting: Vec<_> = partition.retries.drain(..).collect();
        // Others may come meanwhile: they have not waited yet.
        for _ in 0..partition.queue.depth() {
            let Some(batch) = partition.queue.pop(self.accumulator.pool()) else { break };
            waiting.push(batch);
        }
        if !waiting.is_empty() {
            self.examine_anyway(index, now);
        }
        waiting
    }

    /// Takes out all that waits to be sent, for the first time or again.
    pub(crate) fn take_waiting(&mut self, now: Instant) -> Vec<(usize, ProducerBatch)> {
        self.take_waiting_for(|_| true, now)
    }

    /// Takes out all that waits to be sent to such leaders, for the first time or again.
    pub(crate) fn take_waiting_for(
        &mut self,
        is_meant: impl Fn(Option<i32>) -> bool,
        now: Instant,
    ) -> Vec<(usize, ProducerBatch)> {
        self.adopt_unseen(now);
        let mut waiting = Vec::new();
        for index in 0..self.partitions.len() {
            if is_meant(self.leader(index)) {
                let batches = self.take_waiting_of(index, now);
                waiting.extend(batches.into_iter().map(|batch| (index, batch)));
            }
        }
        waiting
    }

    /// Takes out all that has no place in a sequence yet. The queues must take nothing more.
    pub(crate) fn take_unnumbered(&mut self, now: Instant) -> Vec<(usize, ProducerBatch)> {
        self.adopt_unseen(now);
        let mut unnumbered = Vec::new();
        for index in 0..self.partitions.len() {
            let of_retries = self.take_retries(index, |batch| batch.stamp().is_none());
            let Some(Some(partition)) = self.partitions.get(index) else { continue };
            let before = unnumbered.len();
            unnumbered.extend(of_retries.into_iter().map(|batch| (index, batch)));
            while partition.queue.head() != Head::Empty {
                match partition.queue.pop(self.accumulator.pool()) {
                    Some(batch) => unnumbered.push((index, batch)),
                    None => crate::sync::yield_now(), // a caller is sealing it at this moment
                }
            }
            if unnumbered.len() > before {
                self.examine_anyway(index, now);
            }
        }
        unnumbered
    }

    /// Takes out everything that is not answered yet. The queues must be closed.
    pub(crate) fn abort(&mut self, now: Instant) -> Vec<Expired> {
        self.adopt_unseen(now);
        let whole = |(index, batch)| Expired { index, fate: Fate::Whole(batch) };
        let mut aborted: Vec<_> = self.take_lost().into_iter().map(whole).collect();
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            let Some(partition) = partition else { continue };
            for batch in &mut partition.in_flight {
                aborted.extend(give_up(index, batch));
            }
            let whole = |batch| Expired { index, fate: Fate::Whole(batch) };
            aborted.extend(partition.retries.drain(..).map(whole));
            while partition.queue.head() != Head::Empty {
                match partition.queue.pop(self.accumulator.pool()) {
                    Some(batch) => aborted.push(whole(batch)),
                    None => crate::sync::yield_now(), // a caller is sealing it at this moment
                }
            }
        }
        aborted
    }

    /// Whether nothing of a partition is on its way, or to be sent again.
    pub(crate) fn is_idle(&self, index: usize) -> bool {
        let partition = self.partitions.get(index).and_then(Option::as_ref);
        partition.is_none_or(|partition| partition.in_flight.is_empty() && partition.retries.is_empty())
    }

    /// Forgets partitions of which nothing is left.
    pub(crate) fn forget(&mut self, forgotten: &[usize]) {
        for index in forgotten {
            let partition = self.partitions.get_mut(*index).and_then(Option::take);
            if let Some(time) = partition.and_then(|partition| partition.timer) {
                self.timers.remove(&(time, *index));
            }
        }
        if !forgotten.is_empty() {
            self.tidy_lists();
            let partitions = &self.partitions;
            self.lingering.retain(|index| partitions.get(*index).is_some_and(Option::is_some));
        }
    }
}
