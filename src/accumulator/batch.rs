//! `ProducerBatch`: the records that travel together, from open to settled.
//!
//! Owns: a batch's bytes, its reserved memory, its duty to answer, and its history. Must not know: queues, brokers.
//! Holds: open → sealed → in flight (→ sealed again, to be sent again) → settled, once. A batch that is given up while
//! a request still carries it loses its duty to answer and keeps its bytes until the request is over (KAFKA-19012).

use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::buffer_pool::{BufferPool, Reservation};
use crate::completion::{BatchCompletion, BatchOutcome, Callback, Completion, RecordFacts, RecordFuture};
use crate::error::Error;
use crate::record_batch::{BatchBuilder, Codec, DoesNotFit, RecordParts, SealedBatch, Stamp};

/// A batch that takes records.
pub(crate) struct OpenBatch {
    id: u64,
    builder: BatchBuilder,
    completion: Completion,
    created: Instant,
    reserved: usize,
}

impl OpenBatch {
    pub(crate) fn new(id: u64, memory: Reservation, completion: Completion, created: Instant) -> OpenBatch {
        let reserved = memory.bytes;
        OpenBatch { id, builder: BatchBuilder::new(memory.into_buffer()), completion, created, reserved }
    }

    /// Appends a record and hands out its future. The callback is taken only where the record is.
    #[inline]
    pub(crate) fn try_append(
        &mut self,
        parts: &RecordParts<'_>,
        limit: usize,
        callback: &mut Option<Callback>,
    ) -> Result<RecordFuture, DoesNotFit> {
        let index = self.builder.try_append(parts, limit)?;
        let facts = RecordFacts::new(index, parts.timestamp, parts.key, parts.value);
        Ok(self.completion.record(facts, callback.take()))
    }

    /// Makes the buffer larger by memory that was reserved for it.
    pub(crate) fn grow(&mut self, memory: Reservation) {
        self.reserved += memory.bytes;
        self.builder.grow_to(self.reserved);
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.builder.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.builder.capacity()
    }

    pub(crate) fn completion(&self) -> &Arc<BatchCompletion> {
        self.completion.shared()
    }

    /// Ends the batch: compression, CRC and header. What compression has saved goes back to the pool. Takes time in
    /// proportion to the batch; call it outside every lock.
    pub(crate) fn seal(mut self, codec: Codec, pool: &BufferPool) -> ProducerBatch {
        self.completion.close();
        let (sealed, filled) = self.builder.seal(codec);
        let mut reserved = self.reserved;
        if let Some(filled) = filled {
            let kept = sealed.len().min(reserved);
            pool.give_back_part(reserved - kept, filled);
            reserved = kept;
        }
        ProducerBatch {
            id: self.id,
            sealed,
            completion: Some(self.completion),
            created: self.created,
            reserved,
            stamp: None,
            attempts: 0,
            last_error: None,
            doubtful: false,
        }
    }
}

/// A batch that is complete and on its way.
pub(crate) struct ProducerBatch {
    id: u64,
    sealed: SealedBatch,
    /// None once the outcome has been told though a request still carries the batch.
    completion: Option<Completion>,
    created: Instant,
    reserved: usize,
    stamp: Option<Stamp>,
    attempts: u32,
    last_error: Option<Error>,
    doubtful: bool,
}

impl ProducerBatch {
    /// Ascends in the order in which a partition's batches were opened.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    pub(crate) fn count(&self) -> u32 {
        self.sealed.count()
    }

    pub(crate) fn len(&self) -> usize {
        self.sealed.len()
    }

    pub(crate) fn bytes(&self) -> Arc<Vec<u8>> {
        self.sealed.bytes()
    }

    /// How often the batch was handed to a connection.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Whether somebody still has to be told what becomes of it.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.completion.is_some()
    }

    pub(crate) fn completion(&self) -> Option<&Arc<BatchCompletion>> {
        self.completion.as_ref().map(Completion::shared)
    }

    /// Gives the batch its place in the sequence.
    pub(crate) fn assign(&mut self, stamp: Stamp) {
        self.stamp = Some(stamp);
    }

    /// Writes the stamp into the header and counts the attempt.
    pub(crate) fn depart(&mut self) {
        self.sealed.stamp(self.stamp.unwrap_or(Stamp::NONE));
        self.attempts += 1;
    }

    /// Whether the broker may have written it without our knowing.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    pub(crate) fn note_doubt(&mut self) {
        self.doubtful = true;
    }

    /// The broker has looked for it by its sequence and does not have it.
    pub(crate) fn is_not_written(&mut self) {
        self.doubtful = false;
    }

    pub(crate) fn note_error(&mut self, error: Error) {
        self.last_error = Some(error);
    }

    /// Takes the duty to answer away; the bytes stay.
    pub(crate) fn give_up(&mut self) -> Option<Completion> {
        self.completion.take()
    }

    /// Gives the memory back and tells the outcome, in this order: a callback that sends again finds room.
    pub(crate) fn settle(self, outcome: BatchOutcome, pool: &BufferPool) {
        let ProducerBatch { completion, sealed, reserved, .. } = self;
        pool.give_back_soon(reserved, sealed.into_buffer());
        if let Some(completion) = completion {
            completion.settle(outcome);
        }
    }
}
