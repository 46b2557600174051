//! Record batches in format v2: records are written straight into the buffer that goes to the socket.
//!
//! Owns: the 61-byte header, offsets and timestamps of the records in a batch, CRC-32C. Must not know: queues, memory
//! accounting, who stamps which sequence.
//! Holds: the CRC of the records is made once, by the thread that seals the batch; stamping producer id, epoch and
//! sequence afterwards touches only the header and combines the two.
//! Source: Kafka's `DefaultRecordBatch`, KIP-98.

mod compression;
mod crc;
mod ratio;
mod record;
mod split;

use std::cell::Cell;
use std::sync::Arc;

use crc32c::crc32c;

use crate::config::{CompressionType, Settings};

pub use compression::Codec;
pub(crate) use ratio::CompressionRatio;
use record::Record;
pub(crate) use record::RecordParts;
pub(crate) use split::read_records;

/// The size of a batch's header, and of an empty batch.
pub(crate) const BATCH_OVERHEAD: usize = 61;

const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAGIC: u8 = 2;
const TRANSACTIONAL: u16 = 0x10;

/// How much of a buffer is fetched into the cache at once: less than what the smallest of the first-level caches holds.
const STRETCH: usize = 16 << 10;

impl From<&Settings> for Codec {
    fn from(settings: &Settings) -> Codec {
        match settings.compression_type {
            CompressionType::None => Codec::None,
            CompressionType::Gzip => Codec::Gzip { level: settings.compression_gzip_level },
            CompressionType::Snappy => Codec::Snappy,
            CompressionType::Lz4 => Codec::Lz4 { level: settings.compression_lz4_level },
            CompressionType::Zstd => Codec::Zstd { level: settings.compression_zstd_level },
        }
    }
}

/// What a record takes at most when it is alone in a batch: the measure for `max.request.size`.
#[inline]
pub(crate) fn upper_bound(parts: &RecordParts<'_>) -> usize {
    BATCH_OVERHEAD + parts.upper_bound()
}

/// A batch that still takes records.
pub(crate) struct BatchBuilder {
    buffer: Vec<u8>,
    /// Up to here the buffer is in this processor's cache.
    warm: usize,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
    /// The size of the largest record.
    largest: usize,
}

impl BatchBuilder {
    /// Begins a batch in `buffer`, whose old contents are dropped and whose capacity stays.
    pub(crate) fn new(mut buffer: Vec<u8>) -> BatchBuilder {
        buffer.clear();
        buffer.resize(BATCH_OVERHEAD, 0);
        let mut builder = BatchBuilder {
            buffer,
            warm: 0,
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            largest: 0,
        };
        builder.warm_up(BATCH_OVERHEAD);
        builder
    }

    /// Appends the record if the batch then has at most `limit` bytes, and gives its index in the batch. The first
    /// record is taken whatever its size.
    #[inline(always)]
    pub(crate) fn try_append(&mut self, parts: &RecordParts<'_>, limit: usize) -> Result<u32, DoesNotFit> {
        self.append(parts, limit)
    }

    #[inline(always)]
    fn append(&mut self, record: &impl Record, limit: usize) -> Result<u32, DoesNotFit> {
        let (index, timestamp) = (self.count, record.timestamp());
        if index == 0 {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = index as i32; // a batch of 2^31 records would be larger than any limit
        let body = record.body_size(timestamp_delta, offset_delta);
        let needed = self.buffer.len() + body + crate::wire::size_of_varint(body as i32);
        if index > 0 && needed > limit {
            return Err(DoesNotFit::Limit);
        }
        if needed > self.warm {
            if needed > self.buffer.capacity() {
                return Err(DoesNotFit::Capacity { needed });
            }
            self.warm_up(needed);
        }
        // Nearly never, and a comparison is all that it costs then.
        if body > self.largest {
            self.grows_largest(body);
        }
        record.write(&mut self.buffer, body, timestamp_delta, offset_delta);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count = index + 1;
        Ok(index)
    }

    /// Fetches the next stretch of the buffer into the cache, beginning with the bytes needed. The sender had it last, and
    /// its lines are in another processor's cache or in none: each record would wait for its two or three, while one
    /// sweep over many of them waits for all at the same time (a quarter of the CPU of small batches).
    #[cold]
    #[inline(never)]
    fn warm_up(&mut self, needed: usize) {
        let length = self.buffer.len();
        self.warm = (needed + STRETCH).min(self.buffer.capacity());
        self.buffer.resize(self.warm, 0);
        self.buffer.truncate(length);
    }

    #[cold]
    fn grows_largest(&mut self, body: usize) {
        self.largest = body;
    }

    /// The buffer; what was written is lost.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Bytes so far, the header included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(crate) fn grow_to(&mut self, capacity: usize) {
        self.buffer.reserve_exact(capacity.saturating_sub(self.buffer.len()));
    }

    /// Ends the batch: compresses the records where that makes them smaller, computes their CRC and writes what does
    /// not depend on the sequence. The buffer that was filled is handed back where the batch has another one now.
    pub(crate) fn seal(mut self, codec: Codec) -> (SealedBatch, Option<Vec<u8>>) {
        #[cfg(test)]
        tests::panic_if_planned();
        let raw_size = self.buffer.len();
        let compressed = if codec == Codec::None { None } else { self.compressed(codec) };
        let (codec, filled) = match compressed {
            Some(compressed) => (codec, Some(std::mem::replace(&mut self.buffer, compressed))),
            None => (Codec::None, None),
        };
        let records_crc = crc32c(self.buffer.get(BATCH_OVERHEAD..).unwrap_or_default());
        let header = HeaderFields {
            length: (self.buffer.len() - 12) as i32,
            last_offset_delta: self.count.saturating_sub(1) as i32,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            count: self.count as i32,
        };
        header.write(&mut self.buffer);
        let records_size = self.buffer.len() - BATCH_OVERHEAD;
        let bytes = Arc::new(self.buffer);
        (
            SealedBatch {
                bytes,
                records_crc,
                records_size,
                raw_size,
                codec,
                count: self.count,
                largest: self.largest,
            },
            filled,
        )
    }

    /// Room for the header and the compressed records; none if that is no less than what there is.
    fn compressed(&self, codec: Codec) -> Option<Vec<u8>> {
        // Written where the last one was, and moved: memory that is new costs more than that.
        let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
        scratch.resize(BATCH_OVERHEAD, 0);
        let outcome = codec.compress(self.buffer.get(BATCH_OVERHEAD..)?, &mut scratch);
        let is_smaller = outcome.is_ok() && scratch.len() < self.buffer.len();
        let compressed = is_smaller.then(|| scratch.as_slice().to_vec());
        if scratch.capacity() <= MOST_SCRATCH {
            scratch.clear();
            // Where the thread is ending there is nobody to keep it for.
            let _ = SCRATCH.try_with(|idle| idle.set(scratch));
        }
        compressed
    }
}

thread_local! {
    /// Where this thread compresses into.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How much of it a thread keeps: a batch of 1 MiB fits.
const MOST_SCRATCH: usize = 2 << 20;

/// Why a record was not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoesNotFit {
    /// The batch would be larger than its limit: it is full.
    Limit,
    /// The batch may hold the record, but its buffer must grow to this size first.
    Capacity { needed: usize },
}

/// A batch that takes no more records and waits to be stamped and sent.
pub(crate) struct SealedBatch {
    bytes: Arc<Vec<u8>>,
    records_crc: u32,
    records_size: usize,
    raw_size: usize,
    codec: Codec,
    count: u32,
    largest: usize,
}

/// Who a batch comes from, and the sequence number of its first record (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) transactional: bool,
}

impl Stamp {
    /// No producer id: the broker checks nothing.
    pub(crate) const NONE: Stamp =
        Stamp { producer_id: -1, producer_epoch: -1, base_sequence: -1, transactional: false };

    /// The stamp of a batch that begins `records` later.
    pub(crate) fn after(self, records: u32) -> Stamp {
        if self.producer_id < 0 {
            return self;
        }
        Stamp { base_sequence: sequence_after(self.base_sequence, records), ..self }
    }
}

/// The sequence number that comes `count` later; they wrap from 2^31-1 to 0.
pub(crate) fn sequence_after(base: i32, count: u32) -> i32 {
    ((i64::from(base) + i64::from(count)) % (1 << 31)) as i32
}

impl SealedBatch {
    /// In place of one that could not be made: it must not be sent.
    pub(crate) fn lost(count: u32) -> SealedBatch {
        let (bytes, codec) = (Arc::default(), Codec::None);
        SealedBatch { bytes, records_crc: 0, records_size: 0, raw_size: 0, codec, count, largest: 0 }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn len(&self) -> usize {
        self.records_size + BATCH_OVERHEAD
    }

    /// What compression has made of the size; 1 where it did not make it smaller.
    pub(crate) fn compression_ratio(&self) -> f32 {
        self.len() as f32 / self.raw_size as f32
    }

    /// The same of its records alone, without what a batch has beside them.
    pub(crate) fn records_ratio(&self) -> f32 {
        self.records_size as f32 / (self.raw_size - BATCH_OVERHEAD) as f32
    }

    /// The size of its largest record.
    pub(crate) fn largest_record(&self) -> usize {
        self.largest
    }

    /// The whole batch, shared with the request that carries it.
    pub(crate) fn bytes(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }

    /// The buffer, if no request holds on to it, and if it is one that another batch can be written into.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        if self.codec != Codec::None {
            return None;
        }
        Arc::try_unwrap(self.bytes).ok()
    }

    /// Writes the stamp and the CRC. Cheap: the records are not read again. A batch whose bytes a request still holds
    /// is copied first.
    pub(crate) fn stamp(&mut self, stamp: Stamp) {
        let buffer = Arc::make_mut(&mut self.bytes);
        let attributes = self.codec.id() | if stamp.transactional { TRANSACTIONAL } else { 0 };
        put(buffer, ATTRIBUTES_AT, &attributes.to_be_bytes());
        put(buffer, 43, &stamp.producer_id.to_be_bytes());
        put(buffer, 51, &stamp.producer_epoch.to_be_bytes());
        put(buffer, 53, &stamp.base_sequence.to_be_bytes());
        let header_crc = crc32c(buffer.get(ATTRIBUTES_AT..BATCH_OVERHEAD).unwrap_or_default());
        let crc = crc::join(header_crc, self.records_crc, self.records_size);
        put(buffer, CRC_AT, &crc.to_be_bytes());
    }
}

/// The header's fields that are known when a batch is sealed.
struct HeaderFields {
    length: i32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
}

impl HeaderFields {
    fn write(&self, buffer: &mut [u8]) {
        put(buffer, 0, &0i64.to_be_bytes()); // base offset: the broker's to say
        put(buffer, 8, &self.length.to_be_bytes());
        put(buffer, 12, &(-1i32).to_be_bytes()); // partition leader epoch: the broker's to say
        put(buffer, 16, &[MAGIC]);
        put(buffer, 23, &self.last_offset_delta.to_be_bytes());
        put(buffer, 27, &self.base_timestamp.to_be_bytes());
        put(buffer, 35, &self.max_timestamp.to_be_bytes());
        put(buffer, 57, &self.count.to_be_bytes());
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::Headers;

    thread_local! {
        static PANICS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }

    /// How many of the next batches that this thread seals panic.
    pub(crate) fn plan_panics(count: u32) {
        PANICS.set(count);
    }

    pub(super) fn panic_if_planned() {
        if let Some(left) = PANICS.get().checked_sub(1) {
            PANICS.set(left);
            panic!("on purpose");
        }
    }

    fn parts<'a>(
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a Headers,
        timestamp: i64,
    ) -> RecordParts<'a> {
        RecordParts::new(key, value, headers, timestamp)
    }

    #[test]
    fn the_combined_crc_is_the_crc_of_the_whole() {
        let headers = Headers::new();
        let mut builder = BatchBuilder::new(Vec::with_capacity(1000));
        for n in 0..5 {
            builder
                .try_append(&parts(Some(b"key"), Some(&[n; 20]), &headers, 100 + i64::from(n)), 1000)
                .unwrap();
        }
        let (mut sealed, _) = builder.seal(Codec::None);
        for sequence in [0, 17, i32::MAX] {
            sealed.stamp(Stamp {
                producer_id: 4000,
                producer_epoch: 3,
                base_sequence: sequence,
                transactional: false,
            });
            let bytes = sealed.bytes();
            let crc = u32::from_be_bytes(bytes[CRC_AT..CRC_AT + 4].try_into().unwrap());
            assert_eq!(crc, crc32c(&bytes[ATTRIBUTES_AT..]));
        }
        assert_eq!((sealed.count(), sealed.len()), (5, sealed.bytes().len()));
    }

    #[test]
    fn a_record_of_known_bytes() {
        let mut headers = Headers::new();
        headers.add("h", "1");
        headers.add_null("h");
        let mut builder = BatchBuilder::new(Vec::with_capacity(1000));
        builder.try_append(&parts(None, Some(b""), &headers, 1000), 1000).unwrap();
        builder.try_append(&parts(Some(b"k"), None, &Headers::new(), 999), 1000).unwrap();
        let (sealed, _) = builder.seal(Codec::None);
        // Laid out by hand from the format's description: length, attributes, deltas, key, value, headers.
        let first = [24, 0, 0, 0, 1, 0, 4, 2, b'h', 2, b'1', 2, b'h', 1];
        let second = [14, 0, 1, 2, 2, b'k', 1, 0];
        let mut expected = first.to_vec();
        expected[0] = 2 * (first.len() as u8 - 1);
        expected.extend(second);
        expected[first.len()] = 2 * (second.len() as u8 - 1);
        assert_eq!(sealed.bytes()[BATCH_OVERHEAD..], expected);
        assert_eq!(sealed.bytes()[27..43], [1000i64.to_be_bytes(), 1000i64.to_be_bytes()].concat());
    }

    #[test]
    fn the_limit_holds_but_for_the_first_record() {
        let headers = Headers::new();
        let mut builder = BatchBuilder::new(Vec::with_capacity(300));
        assert_eq!(builder.try_append(&parts(None, Some(&[1; 200]), &headers, 0), 100), Ok(0));
        assert_eq!(builder.try_append(&parts(None, Some(b"x"), &headers, 0), 100), Err(DoesNotFit::Limit));
        let tight = builder.try_append(&parts(None, Some(&[1; 200]), &headers, 0), 1000);
        assert!(matches!(tight, Err(DoesNotFit::Capacity { needed }) if needed > 400));
        builder.grow_to(1000);
        assert_eq!(builder.try_append(&parts(None, Some(&[1; 200]), &headers, 0), 1000), Ok(1));
    }

    /// Behaviour 10.
    #[test]
    fn no_record_is_larger_than_its_upper_bound() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let mut headers = Headers::new();
            for _ in 0..random.u32(0..4) {
                headers.add("header-key", vec![7; random.usize(0..200)]);
            }
            let value = vec![1; random.usize(0..20_000)];
            let mut builder = BatchBuilder::new(Vec::with_capacity(100_000));
            builder.try_append(&parts(None, None, &headers, 0), 100_000).unwrap();
            let before = builder.len();
            let record = parts(Some(b"key"), Some(&value), &headers, random.i64(..));
            builder.try_append(&record, 100_000).unwrap();
            assert!(builder.len() - before <= record.upper_bound());
        }
    }
}
