//! A batch taken apart again, because a broker finds it too large.
//!
//! Owns: how large the pieces are, and the way from the bytes of one batch to those of several. Must not know: queues,
//! sequences, who waits for the records.
//! Holds: every piece has fewer records than the whole; together they have all of them, in order, with their own
//! timestamps.
//! Source: Kafka's `ProducerBatch.split`, `RecordAccumulator.splitAndReenqueue` (KIP-126).

use std::io;

use super::record::EncodedRecord;
use super::{BATCH_OVERHEAD, BatchBuilder, DoesNotFit, SealedBatch};

/// Where the base timestamp stands.
const BASE_TIMESTAMP_AT: std::ops::Range<usize> = 27..35;

impl SealedBatch {
    /// The records in batches of at most `most` bytes before compression, and of at most half of what they are now; but of
    /// at least one record.
    ///
    /// # Errors
    /// If the codec does not read what it wrote.
    pub(crate) fn split(&self, most: usize) -> io::Result<Vec<BatchBuilder>> {
        let bytes = &self.bytes;
        let compressed = bytes.get(BATCH_OVERHEAD..).unwrap_or_default();
        let raw = self.codec.decompress(compressed, self.raw_size)?;
        let base_timestamp = bytes.get(BASE_TIMESTAMP_AT).and_then(|field| field.try_into().ok());
        let base_timestamp = i64::from_be_bytes(base_timestamp.unwrap_or_default());
        let (mut rest, mut records) = (raw.as_slice(), Vec::with_capacity(self.count as usize));
        while !rest.is_empty() {
            let record = EncodedRecord::take(&mut rest, base_timestamp);
            records.push(record.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?);
        }
        Ok(pack(&records, most.min(self.raw_size / 2)))
    }
}

/// How many records there are; `None` if the bytes are none.
pub(crate) fn read_records(mut bytes: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        EncodedRecord::take(&mut bytes, 0)?;
        count += 1;
    }
    Some(count)
}

fn pack(records: &[EncodedRecord<'_>], limit: usize) -> Vec<BatchBuilder> {
    let mut pieces: Vec<BatchBuilder> = Vec::new();
    let mut piece = BatchBuilder::new(Vec::with_capacity(limit));
    for record in records {
        if piece.append_growing(record, limit).is_err() {
            pieces.push(std::mem::replace(&mut piece, BatchBuilder::new(Vec::with_capacity(limit))));
            // The first record of a batch is taken whatever its size.
            let _ = piece.append_growing(record, limit);
        }
    }
    pieces.push(piece);
    pieces
}

impl BatchBuilder {
    fn append_growing(&mut self, record: &EncodedRecord<'_>, limit: usize) -> Result<u32, DoesNotFit> {
        match self.append(record, limit) {
            Err(DoesNotFit::Capacity { needed }) => {
                self.grow_to(needed);
                self.append(record, limit)
            }
            done => done,
        }
    }
}
