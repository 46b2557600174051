//! `ProducerBatch`: the records that travel together, from open to settled.
//!
//! Owns: a batch's bytes, its reserved memory, its duty to answer, and its history. Must not know: queues, brokers.
//! Holds: open → sealed → in flight (→ sealed again, to be sent again; → split into several) → settled, once. A batch that
//! is given up while a request still carries it loses its duty to answer and keeps its bytes until the request is over
//! (KAFKA-19012).

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::buffer_pool::{BufferPool, Reservation};
use crate::catch_panic::catch_panic;
use crate::completion::{
    BatchCompletion, BatchOutcome, CallbackSlot, Completion, KeptPlace, RecordFacts, RecordPlace,
};
use crate::record_batch::{
    BatchBuilder, Codec, CompressionRatio, DoesNotFit, RecordParts, SealedBatch, Stamp,
};

/// Names a batch within its partition. Ascends in the order in which the batches were opened; the pieces of one that was
/// split take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchId {
    /// How many batches were opened before.
    pub(crate) opened: u64,
    /// The place of its first record in the batch that was opened.
    first: u32,
}

impl BatchId {
    pub(crate) fn opened(opened: u64) -> BatchId {
        BatchId { opened, first: 0 }
    }
}

/// What a batch is made of, before it is opened: memory is allocated for it outside of every lock.
pub(crate) struct NewBatch {
    reserved: usize,
    builder: BatchBuilder,
    completion: Completion,
}

impl NewBatch {
    pub(crate) fn new(memory: Reservation, completion: Completion) -> NewBatch {
        NewBatch { reserved: memory.bytes, builder: BatchBuilder::new(memory.into_buffer()), completion }
    }

    /// The bytes that were reserved for it.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    /// It was not needed after all.
    pub(crate) fn cancel(self, pool: &BufferPool) {
        self.completion.cancel();
        pool.give_back(self.reserved, Some(self.builder.into_buffer()));
    }
}

/// A batch that takes records.
pub(crate) struct OpenBatch {
    id: BatchId,
    builder: BatchBuilder,
    completion: Completion,
    created: Instant,
    reserved: usize,
    /// How large it may become before compression.
    limit: usize,
}

impl OpenBatch {
    pub(crate) fn new(id: BatchId, new: NewBatch, created: Instant, limit: usize) -> OpenBatch {
        let NewBatch { reserved, builder, completion } = new;
        OpenBatch { id, builder, completion, created, reserved, limit }
    }

    /// Appends a record, and says where it is now. The callback is taken only where the record is.
    #[inline]
    pub(crate) fn try_append(
        &mut self,
        parts: &RecordParts<'_>,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> Result<RecordPlace, DoesNotFit> {
        self.try_append_below(self.limit, parts, callback)
    }

    /// As `try_append`, where there is some room left afterwards.
    #[inline(always)]
    pub(crate) fn try_append_with_room<P: KeptPlace>(
        &mut self,
        parts: &RecordParts<'_>,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> Result<P, DoesNotFit> {
        self.try_append_below(self.limit.saturating_sub(1), parts, callback)
    }

    #[inline(always)]
    fn try_append_below<P: KeptPlace>(
        &mut self,
        limit: usize,
        parts: &RecordParts<'_>,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> Result<P, DoesNotFit> {
        let index = self.builder.try_append(parts, limit)?;
        let facts = RecordFacts::new(index, parts.timestamp, parts.key, parts.value);
        Ok(self.completion.record(facts, callback))
    }

    /// Makes the buffer larger by memory that was reserved for it.
    pub(crate) fn grow(&mut self, memory: Reservation) {
        self.reserved += memory.bytes;
        self.builder.grow_to(self.reserved);
    }

    pub(crate) fn id(&self) -> BatchId {
        self.id
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    pub(crate) fn len(&self) -> usize {
        self.builder.len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many records it has.
    pub(crate) fn count(&self) -> u32 {
        self.builder.count()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    pub(crate) fn capacity(&self) -> usize {
        self.builder.capacity()
    }

    pub(crate) fn completion(&self) -> &Arc<BatchCompletion> {
        self.completion.shared()
    }

    /// Ends the batch: compression, CRC and header. What compression has saved goes back to the pool, and its ratio is
    /// learnt. Takes time in proportion to the batch; call it outside every lock. Where that panics the batch is lost,
    /// and only to be failed.
    pub(crate) fn seal(mut self, codec: Codec, ratio: &CompressionRatio, pool: &BufferPool) -> ProducerBatch {
        self.completion.close(self.builder.count());
        let (sealed, filled) = sealed(self.builder, codec);
        let mut reserved = self.reserved;
        if codec != Codec::None && !sealed.is_lost() {
            ratio.observe(sealed.compression_ratio());
        }
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
            doubtful: false,
            was_doubtful: false,
        }
    }
}

/// A sealed batch, and the buffer that it was compressed from.
fn sealed(builder: BatchBuilder, codec: Codec) -> (SealedBatch, Option<Vec<u8>>) {
    let count = builder.count();
    catch_panic(|| builder.seal(codec)).unwrap_or_else(|| (SealedBatch::lost(count), None))
}

/// A batch that is complete and on its way.
pub(crate) struct ProducerBatch {
    id: BatchId,
    sealed: SealedBatch,
    /// None once the outcome has been told though a request still carries the batch.
    completion: Option<Completion>,
    created: Instant,
    reserved: usize,
    stamp: Option<Stamp>,
    attempts: u32,
    doubtful: bool,
    was_doubtful: bool,
}

impl ProducerBatch {
    pub(crate) fn id(&self) -> BatchId {
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

    /// Whether it could not be sealed: its records are gone, and it must not be sent.
    pub(crate) fn is_lost(&self) -> bool {
        self.sealed.is_lost()
    }

    /// How often the batch was handed to a connection.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
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

    /// It has no place in the sequence any more; what is on its way keeps the one that it left with.
    pub(crate) fn forget_stamp(&mut self) {
        self.stamp = None;
    }

    /// Writes the stamp into the header and counts the attempt.
    pub(crate) fn depart(&mut self) {
        self.sealed.stamp(self.stamp.unwrap_or(Stamp::NONE));
        self.attempts += 1;
    }

    /// No connection took it: that was no attempt.
    pub(crate) fn note_not_sent(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    /// Whether the broker may have written it without our knowing.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    pub(crate) fn note_doubt(&mut self) {
        (self.doubtful, self.was_doubtful) = (true, true);
    }

    /// The broker has looked for it by its sequence and does not have it; unless it has forgotten the producer.
    pub(crate) fn clear_doubt(&mut self) {
        self.doubtful = false;
    }

    /// Whether it is doubtful, or was before a broker did not find it: one that has forgotten the producer finds nothing, nor
    /// does one that has the topic anew.
    pub(crate) fn was_doubtful(&self) -> bool {
        self.was_doubtful
    }

    /// The memory that it holds.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    /// Takes the duty to answer away; the bytes stay.
    pub(crate) fn give_up(&mut self) -> Option<Completion> {
        self.completion.take()
    }

    /// What compression has made of its size; 1 where it did not make it smaller.
    pub(crate) fn compression_ratio(&self) -> f32 {
        self.sealed.compression_ratio()
    }

    /// The same of its records alone.
    pub(crate) fn records_ratio(&self) -> f32 {
        self.sealed.records_ratio()
    }

    /// The size of its largest record.
    pub(crate) fn largest_record(&self) -> usize {
        self.sealed.largest_record()
    }

    /// The records in smaller batches of at most `most` bytes before compression, after the broker has found this one too
    /// large.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn take_apart(&self, most: usize) -> io::Result<Vec<BatchBuilder>> {
        self.sealed.split(most)
    }

    /// Becomes those smaller batches, with its sequence numbers, its time, its memory and its duty to answer divided among
    /// them; what may be in the log of it may be there of them. They count no attempt for it.
    pub(crate) fn split(self, pieces: Vec<BatchBuilder>, codec: Codec) -> Vec<ProducerBatch> {
        let ProducerBatch {
            id, completion, created, reserved, stamp, attempts, doubtful, was_doubtful, ..
        } = self;
        let completions = completion.map(|whole| whole.split(pieces.iter().map(BatchBuilder::count)));
        let (mut first, mut left, mut to_come) = (0, reserved, pieces.len());
        let piece = |(builder, completion): (BatchBuilder, Completion)| {
            let count = builder.count();
            let (sealed, _) = sealed(builder, codec);
            to_come -= 1;
            let share = if to_come == 0 { left } else { sealed.len().min(left) };
            left -= share;
            let piece = ProducerBatch {
                id: BatchId { first: id.first + first, ..id },
                completion: Some(completion),
                created,
                reserved: share,
                stamp: stamp.map(|stamp| stamp.after(first)),
                attempts: attempts.saturating_sub(1),
                doubtful,
                was_doubtful,
                sealed,
            };
            first += count;
            piece
        };
        pieces.into_iter().zip(completions.unwrap_or_default()).map(piece).collect()
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
