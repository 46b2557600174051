//! `delivery.timeout.ms`: batches whose time is over, wherever they are.
//!
//! Owns: what is too late, and by which clock. Must not know: what is told of it.
//! Threads: the sender thread.
//! Source: Kafka's `RecordAccumulator.expiredBatches` and `Sender.getExpiredInflightBatches`.

use std::time::Instant;

use crate::accumulator::drain::Drain;
use crate::accumulator::partition_drain::{Expired, Fate, give_up};
use crate::accumulator::partition_queue::Head;
use crate::planted::{Defect, planted};

impl Drain {
    /// Takes out every batch whose `delivery.timeout.ms` is over, and lets partitions go whose time has come. `heard`: the
    /// time up to which everything was read that brokers have sent. What is on its way is judged by that: its answer may
    /// have come since.
    pub(crate) fn expire(&mut self, now: Instant, heard: Instant) -> Vec<Expired> {
        let (mut expired, mut due) = (Vec::new(), Vec::new());
        while let Some((time, index)) = self.timers.first().copied() {
            if time > now {
                break;
            }
            self.timers.pop_first();
            let Some(partition) = self.partition(index) else { continue };
            partition.timer = None;
            self.expire_partition(index, now, heard, &mut expired);
            due.push(index);
        }
        due.into_iter().for_each(|index| self.examine(index, now));
        expired
    }

    fn expire_partition(&mut self, index: usize, now: Instant, heard: Instant, expired: &mut Vec<Expired>) {
        let timeout = self.rules.delivery_timeout;
        let late_at = |now: Instant, created: Instant| now.saturating_duration_since(created) >= timeout;
        let late = |created: Instant| late_at(now, created);
        let Some(partition) = self.partitions.get_mut(index).and_then(Option::as_mut) else { return };
        let overlooks = planted(Defect::InFlightNeverExpires);
        for batch in
            partition.in_flight.iter_mut().filter(|batch| late_at(heard, batch.created()) && !overlooks)
        {
            if planted(Defect::MemoryGivenBackEarly) {
                self.accumulator.pool().give_back(batch.reserved(), None);
            }
            expired.extend(give_up(index, batch));
        }
        while partition.retries.front().is_some_and(|batch| late(batch.created())) {
            expired.extend(
                partition.retries.pop_front().map(|batch| Expired { index, fate: Fate::Whole(batch) }),
            );
        }
        loop {
            let head = partition.queue.head();
            let (Head::Sealed { created, .. } | Head::Open { created, .. }) = head else { break };
            if !late(created) {
                break;
            }
            let batch = partition.queue.pop(self.accumulator.pool());
            expired.extend(batch.map(|batch| Expired { index, fate: Fate::Whole(batch) }));
        }
    }
}
