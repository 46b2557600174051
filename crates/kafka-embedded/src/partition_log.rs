//! The log of one partition, and what it remembers of its producers.
//!
//! Owns: offsets, stored batches, the last batches of each producer, where transactions begin and which were aborted. Must not know: requests, leaders, time.
//! Holds: offsets count up without gaps; a batch that a producer sends again is not stored again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::batch_header::{self, BatchHeader, LogPlace, Rejection};
use super::broker_error::BrokerError;

#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    batches: Vec<StoredBatch>,
    end_offset: i64,
    producers: HashMap<i64, ProducerStateEntry>,
    /// The first offset of each open transaction, by producer id.
    open: BTreeMap<i64, i64>,
    aborted: Vec<AbortedTransaction>,
}

/// A transaction that was aborted, from its first record to its marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AbortedTransaction {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
    pub(super) marker_offset: i64,
}

#[derive(Debug)]
pub(super) struct StoredBatch {
    pub(super) header: BatchHeader,
    pub(super) bytes: Bytes,
}

/// Where an append went, or where it had gone before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) base_offset: i64,
    /// The broker's time, for a topic with LogAppendTime; -1 otherwise. Of a duplicate, the time of the batch
    /// that was there before, as in Kafka.
    pub(super) log_append_time: i64,
    pub(super) duplicate: bool,
}

impl PartitionLog {
    /// Stores a batch that [`batch_header::check`] has let pass, unless its producer's sequence forbids it.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        mut header: BatchHeader,
        leader_epoch: i32,
        append_time: Option<i64>,
    ) -> Result<Appended, Rejection> {
        if header.producer_id != -1
            && let Some(producer) = self.producers.get(&header.producer_id)
        {
            if let Some(known) = producer.find(&header) {
                let (base_offset, log_append_time) = (known.base_offset, known.timestamp);
                return Ok(Appended { base_offset, log_append_time, duplicate: true });
            }
            producer.check(&header)?;
        }
        if !header.is_transactional() && self.open.contains_key(&header.producer_id) {
            let id = header.producer_id;
            let message = format!("producer {id} has a transaction open here, the batch is outside of it");
            return Err(Rejection::new(BrokerError::INVALID_TXN_STATE, message));
        }
        let base_offset = self.end_offset;
        let stored =
            batch_header::place(bytes, &mut header, &LogPlace { base_offset, leader_epoch, append_time });
        if header.producer_id != -1 {
            self.producers.entry(header.producer_id).or_default().add(&header);
        }
        if header.is_transactional() {
            self.open.entry(header.producer_id).or_insert(base_offset);
        }
        self.end_offset = base_offset.saturating_add(i64::from(header.record_count));
        self.batches.push(StoredBatch { header, bytes: Bytes::from(stored) });
        Ok(Appended { base_offset, log_append_time: append_time.unwrap_or(-1), duplicate: false })
    }

    /// Whether a batch of this producer continues a transaction that is open here: then nobody else has to be asked.
    ///
    /// # Errors
    ///
    /// If its epoch is smaller than one that was seen here.
    pub(super) fn continues(&self, header: &BatchHeader) -> Result<bool, Rejection> {
        let Some(producer) = self.producers.get(&header.producer_id) else { return Ok(false) };
        producer.check_epoch(header)?;
        Ok(producer.epoch == header.producer_epoch && self.open.contains_key(&header.producer_id))
    }

    /// Whether nothing of this producer is remembered here, and the batch is not its first.
    pub(super) fn lacks_beginning(&self, header: &BatchHeader) -> bool {
        let known = self.producers.get(&header.producer_id);
        header.base_sequence != 0 && known.is_none_or(|known| known.recent.is_empty())
    }

    /// Ends a producer's transaction: a marker takes an offset, and the marker's epoch is the smallest from now on.
    pub(super) fn write_marker(
        &mut self,
        (producer_id, epoch): (i64, i16),
        is_commit: bool,
        (leader_epoch, now_ms): (i32, i64),
    ) {
        let bytes = batch_header::marker((producer_id, epoch), is_commit, now_ms);
        let Some(mut header) = BatchHeader::read(&bytes) else { return };
        let base_offset = self.end_offset;
        let place = LogPlace { base_offset, leader_epoch, append_time: None };
        let stored = batch_header::place(&bytes, &mut header, &place);
        if let Some(first_offset) = self.open.remove(&producer_id)
            && !is_commit
        {
            self.aborted.push(AbortedTransaction { producer_id, first_offset, marker_offset: base_offset });
        }
        self.producers.entry(producer_id).or_default().go_on_in(epoch);
        self.end_offset = base_offset.saturating_add(1);
        self.batches.push(StoredBatch { header, bytes: Bytes::from(stored) });
    }

    /// Where the first open transaction begins; the end of the log, if none is open.
    pub(super) fn last_stable_offset(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end_offset)
    }

    /// The aborted transactions that touch these offsets, in the order in which they were aborted.
    pub(super) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = &AbortedTransaction> {
        self.aborted.iter().filter(move |known| known.marker_offset >= from && known.first_offset < to)
    }

    /// The batches of records that are committed, or were written outside of transactions.
    pub(super) fn committed_batches(&self) -> impl Iterator<Item = &StoredBatch> {
        let end = self.last_stable_offset();
        let is_aborted = |header: &BatchHeader| {
            header.is_transactional()
                && self
                    .aborted(header.base_offset, header.base_offset.saturating_add(1))
                    .any(|known| known.producer_id == header.producer_id)
        };
        let stable = self.batches.iter().take_while(move |stored| stored.header.base_offset < end);
        stable.filter(move |stored| !stored.header.is_control() && !is_aborted(&stored.header))
    }

    /// Forgets all producers, as Kafka does when it has deleted their records.
    pub(super) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// Of each producer only the last batch is known from now on, as after a start from a snapshot.
    pub(super) fn forget_earlier_batches(&mut self) {
        for producer in self.producers.values_mut() {
            let earlier = producer.recent.len().saturating_sub(1);
            producer.recent.drain(..earlier);
        }
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    pub(super) fn batches(&self) -> &[StoredBatch] {
        &self.batches
    }

    /// The batches from the one that holds `offset` on.
    pub(super) fn since(&self, offset: i64) -> &[StoredBatch] {
        let first = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        self.batches.get(first..).unwrap_or_default()
    }
}

/// What the partition remembers of one producer id.
#[derive(Debug, Default)]
struct ProducerStateEntry {
    epoch: i16,
    recent: VecDeque<Recent>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
}

impl ProducerStateEntry {
    /// The same batch among the last five.
    fn find(&self, header: &BatchHeader) -> Option<&Recent> {
        let (first, last) = (header.base_sequence, header.last_sequence());
        let mut recent = self.recent.iter().filter(|_| header.producer_epoch == self.epoch);
        recent.find(|known| known.first_sequence == first && known.last_sequence == last)
    }

    /// Kafka's `ProducerAppendInfo`: a known producer must go on where it stopped; one of a new epoch starts at 0.
    /// (One that is not known may start anywhere: its records may have been deleted.)
    fn check(&self, header: &BatchHeader) -> Result<(), Rejection> {
        self.check_epoch(header)?;
        let (id, epoch, first) = (header.producer_id, header.producer_epoch, header.base_sequence);
        let known = self.recent.back().filter(|_| epoch == self.epoch);
        let expected = known.map_or(0, |known| batch_header::sequence_after(known.last_sequence, 1));
        if first != expected {
            let message = format!(
                "out of order sequence number for producer {id} in epoch {epoch}: {first}, expected {expected}"
            );
            return Err(Rejection::new(BrokerError::OUT_OF_ORDER_SEQUENCE_NUMBER, message));
        }
        Ok(())
    }

    fn check_epoch(&self, header: &BatchHeader) -> Result<(), Rejection> {
        let (id, epoch, last) = (header.producer_id, header.producer_epoch, self.epoch);
        if epoch >= last {
            return Ok(());
        }
        let message = format!("the epoch of producer {id} is {epoch}, smaller than the last seen, {last}");
        Err(Rejection::new(BrokerError::INVALID_PRODUCER_EPOCH, message))
    }

    /// Another epoch begins with sequence number 0.
    fn go_on_in(&mut self, epoch: i16) {
        if epoch != self.epoch {
            self.recent.clear();
            self.epoch = epoch;
        }
    }

    fn add(&mut self, header: &BatchHeader) {
        self.go_on_in(header.producer_epoch);
        if self.recent.len() == REMEMBERED_BATCHES {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        });
    }
}

const REMEMBERED_BATCHES: usize = 5;
