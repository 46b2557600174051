//! Record batches, format 2: the header, the records, and what a broker checks before it takes them.
//!
//! Owns: the layout of a batch. Must not know: topics, offsets of the log, sequences seen before.
//! Layout: <https://kafka.apache.org/documentation/#recordbatch>. Written apart from the client's own codec,
//! so that a mistake made twice the same way cannot pass.

use std::borrow::Cow;

use super::broker_error::BrokerError;
use super::decompress::decompress;

/// The header of a record batch, field by field, as it lies in the log.
///
/// `base_offset` and `partition_leader_epoch` are the broker's; the rest is what the producer sent (with
/// `message.timestamp.type=LogAppendTime` also the timestamp type and `max_timestamp` are the broker's).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes that follow this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: i32,
    /// Format of the batch: 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression (bits 0 to 2), timestamp type (3), transactional (4), control (5), delete horizon (6).
    pub attributes: i16,
    /// Offset of the last record, less the base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' own are relative to.
    pub base_timestamp: i64,
    /// Largest timestamp of the records.
    pub max_timestamp: i64,
    /// Producer id, -1 for none.
    pub producer_id: i64,
    /// Producer epoch, -1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record, -1 for none.
    pub base_sequence: i32,
    /// How many records there are.
    pub record_count: i32,
}

impl BatchHeader {
    /// Size of the header in bytes.
    pub const BYTES: usize = 61;

    /// Reads a header from the first bytes of a batch; `None` if there are fewer than 61.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        Some(Self {
            base_offset: rest.i64()?,
            batch_length: rest.i32()?,
            partition_leader_epoch: rest.i32()?,
            magic: rest.i8()?,
            crc: u32::from_be_bytes(rest.array()?),
            attributes: rest.i16()?,
            last_offset_delta: rest.i32()?,
            base_timestamp: rest.i64()?,
            max_timestamp: rest.i64()?,
            producer_id: rest.i64()?,
            producer_epoch: rest.i16()?,
            base_sequence: rest.i32()?,
            record_count: rest.i32()?,
        })
    }

    /// The codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[must_use]
    pub fn compression(&self) -> u8 {
        (self.attributes & 0x07) as u8
    }

    /// Whether the broker's clock set the timestamps.
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a transaction marker.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Size of the whole batch.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        LENGTH_END.saturating_add(usize::try_from(self.batch_length).unwrap_or(0))
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Sequence number of the last record; after 2147483647 comes 0. -1 without a producer id.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// One record, read from the cluster's log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedRecord {
    /// Partition it lies in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970: the producer's, or the broker's with LogAppendTime.
    pub timestamp: i64,
    /// The key; `None` is a null key, which is not an empty one.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a null value (a tombstone), which is not an empty one.
    pub value: Option<Vec<u8>>,
    /// The headers in order, repeated keys kept.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Producer id of its batch, -1 for none.
    pub producer_id: i64,
    /// Producer epoch of its batch, -1 for none.
    pub producer_epoch: i16,
    /// Its own sequence number, -1 for none.
    pub sequence: i32,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
}

/// Why a broker does not take a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) error: BrokerError,
    pub(super) message: String,
    /// Index and message of each record that is to blame, where single records are.
    pub(super) records: Vec<(i32, String)>,
    /// Where the batch lies that was appended all the same; -1: it was not.
    pub(super) base_offset: i64,
}

impl Rejection {
    pub(super) fn new(error: BrokerError, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), records: Vec::new(), base_offset: -1 }
    }
}

/// What the topic and the request ask of a batch.
pub(super) struct Demands {
    pub(super) produce_version: i16,
    pub(super) max_message_bytes: usize,
    pub(super) compacted: bool,
    pub(super) log_append_time: bool,
    /// Largest timestamp taken, in milliseconds since 1970.
    pub(super) latest_timestamp: i64,
}

/// Checks the records of one partition in a Produce request, in the order in which Kafka does.
///
/// Stricter than Kafka in three things, which no correct producer does: bytes after the batch, offset deltas
/// that do not count up from 0, and a `max_timestamp` that is not the largest of the records'. Kafka corrects
/// or ignores them.
pub(super) fn check(bytes: &[u8], demands: &Demands) -> Result<BatchHeader, Rejection> {
    let header = single_batch(bytes, demands.produce_version)?;
    if header.base_offset != 0 {
        return Err(invalid(format!("the base offset should be 0, it is {}", header.base_offset)));
    }
    if bytes.len() > demands.max_message_bytes {
        let (size, max) = (bytes.len(), demands.max_message_bytes);
        let message = format!("the record batch has {size} bytes, more than the maximum of {max}");
        return Err(Rejection::new(BrokerError::MESSAGE_TOO_LARGE, message));
    }
    let computed = crc32c::crc32c(bytes.get(CRC_END..).unwrap_or_default());
    if computed != header.crc {
        let message = format!("record is corrupt (stored crc = {}, computed crc = {computed})", header.crc);
        return Err(Rejection::new(BrokerError::CORRUPT_MESSAGE, message));
    }
    check_header(&header)?;
    if header.is_log_append_time() {
        let message = "the producer should not set the timestamp type to LogAppendTime";
        return Err(Rejection::new(BrokerError::INVALID_TIMESTAMP, message));
    }
    let Some(records) = raw_records(&header, bytes) else {
        return Err(Rejection::new(BrokerError::CORRUPT_MESSAGE, "the records cannot be decompressed"));
    };
    check_records(&header, &records, demands)?;
    Ok(header)
}

/// Gives a batch that was checked its place in the log: offset, leader epoch and, where the broker's clock
/// counts, timestamp. The first two lie outside the CRC.
pub(super) fn place(bytes: &[u8], header: &mut BatchHeader, place: &LogPlace) -> Vec<u8> {
    header.base_offset = place.base_offset;
    header.partition_leader_epoch = place.leader_epoch;
    let mut batch = bytes.to_vec();
    patch(&mut batch, 0, &place.base_offset.to_be_bytes());
    patch(&mut batch, LENGTH_END, &place.leader_epoch.to_be_bytes());
    if let Some(now_ms) = place.append_time {
        header.attributes |= LOG_APPEND_TIME;
        header.max_timestamp = now_ms;
        patch(&mut batch, CRC_END, &header.attributes.to_be_bytes());
        patch(&mut batch, MAX_TIMESTAMP, &now_ms.to_be_bytes());
        header.crc = crc32c::crc32c(batch.get(CRC_END..).unwrap_or_default());
        patch(&mut batch, CRC_START, &header.crc.to_be_bytes());
    }
    batch
}

/// A batch of one record that has only a value, as a producer would send it with this id, epoch and sequence.
pub(super) fn of_one_record(value: &[u8], (id, epoch, sequence): (i64, i16, i32), timestamp: i64) -> Vec<u8> {
    batch_of_one(0, (id, epoch, sequence), timestamp, (None, value))
}

/// A transaction marker, as the transaction coordinator has it written.
pub(super) fn marker((id, epoch): (i64, i16), is_commit: bool, timestamp: i64) -> Vec<u8> {
    // Both have a version in front; the value is the coordinator's epoch.
    let key = [0, 0, 0, u8::from(is_commit)];
    batch_of_one(TRANSACTIONAL | CONTROL, (id, epoch, -1), timestamp, (Some(&key), &[0; 6]))
}

fn batch_of_one(
    attributes: i16,
    (id, epoch, sequence): (i64, i16, i32),
    timestamp: i64,
    (key, value): (Option<&[u8]>, &[u8]),
) -> Vec<u8> {
    // Attributes, timestamp and offset delta.
    let mut record = vec![0, 0, 0];
    match key {
        Some(key) => {
            record.extend(varint(key.len()));
            record.extend_from_slice(key);
        }
        None => record.push(1), // a length of -1
    }
    record.extend(varint(value.len()));
    record.extend_from_slice(value);
    record.push(0); // no headers
    let mut batch = Vec::new();
    batch.extend_from_slice(&1_i32.to_be_bytes()); // from the count of records on; what stands before follows
    batch.extend(varint(record.len()));
    batch.append(&mut record);
    let mut checked = Vec::new();
    checked.extend_from_slice(&attributes.to_be_bytes());
    checked.extend_from_slice(&0_i32.to_be_bytes());
    checked.extend_from_slice(&timestamp.to_be_bytes());
    checked.extend_from_slice(&timestamp.to_be_bytes());
    checked.extend_from_slice(&id.to_be_bytes());
    checked.extend_from_slice(&epoch.to_be_bytes());
    checked.extend_from_slice(&sequence.to_be_bytes());
    checked.append(&mut batch);
    let length = i32::try_from(CRC_END - LENGTH_END + checked.len()).unwrap_or(i32::MAX);
    let mut whole = Vec::new();
    whole.extend_from_slice(&0_i64.to_be_bytes());
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(&(-1_i32).to_be_bytes());
    whole.push(2);
    whole.extend_from_slice(&crc32c::crc32c(&checked).to_be_bytes());
    whole.append(&mut checked);
    whole
}

/// A length as records have it: zigzag, seven bits a byte.
fn varint(length: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (length << 1, Vec::new());
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Where a batch goes in the log.
pub(super) struct LogPlace {
    pub(super) base_offset: i64,
    pub(super) leader_epoch: i32,
    /// The broker's time in milliseconds, for a topic with LogAppendTime.
    pub(super) append_time: Option<i64>,
}

/// The bytes of a batch's records as they were before compression; `None` where they cannot be read.
fn raw_records<'a>(header: &BatchHeader, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let records = bytes.get(BatchHeader::BYTES..)?;
    match header.compression() {
        0 => Some(Cow::Borrowed(records)),
        codec => decompress(codec, records).map(Cow::Owned),
    }
}

/// Decodes the records of a stored batch.
pub(super) fn records(partition: i32, header: &BatchHeader, bytes: &[u8]) -> Vec<EmbeddedRecord> {
    let raw = raw_records(header, bytes).unwrap_or_default();
    let mut rest = Cursor(&raw);
    let mut found = Vec::new();
    while let Some(record) = rest.record() {
        found.push(EmbeddedRecord {
            partition,
            offset: header.base_offset.saturating_add(i64::from(record.offset_delta)),
            timestamp: header.timestamp_of(&record),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers(),
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            sequence: sequence_after(header.base_sequence, record.offset_delta),
            leader_epoch: header.partition_leader_epoch,
        });
    }
    found
}

/// Offset and timestamp of the first record of a stored batch that is not older than `timestamp`.
pub(super) fn first_since(header: &BatchHeader, bytes: &[u8], timestamp: i64) -> Option<(i64, i64)> {
    if header.is_log_append_time() {
        return (header.max_timestamp >= timestamp).then_some((header.base_offset, header.max_timestamp));
    }
    let raw = raw_records(header, bytes).unwrap_or_default();
    let mut rest = Cursor(&raw);
    while let Some(record) = rest.record() {
        let own = header.timestamp_of(&record);
        if own >= timestamp {
            return Some((header.base_offset.saturating_add(i64::from(record.offset_delta)), own));
        }
    }
    None
}

/// The sequence number `delta` after `first`: after the largest `i32` comes 0.
pub(super) fn sequence_after(first: i32, delta: i32) -> i32 {
    if first < 0 { first } else { first.wrapping_add(delta) & i32::MAX }
}

impl BatchHeader {
    fn timestamp_of(&self, record: &RawRecord<'_>) -> i64 {
        if self.is_log_append_time() {
            self.max_timestamp
        } else {
            self.base_timestamp.wrapping_add(record.timestamp_delta)
        }
    }
}

/// Exactly one whole batch of format 2, as Produce 3 and later demand.
fn single_batch(bytes: &[u8], produce_version: i16) -> Result<BatchHeader, Rejection> {
    let mut rest = Cursor(bytes);
    let (Some(_), Some(length), Some(_), Some(magic)) = (rest.i64(), rest.i32(), rest.i32(), rest.i8())
    else {
        return Err(invalid("there must be one record batch for each partition".to_owned()));
    };
    if magic != 2 {
        return Err(invalid(format!("only record batches of magic 2 are taken here, this one has {magic}")));
    }
    let size = usize::try_from(length).ok().map(|length| length.saturating_add(LENGTH_END));
    let (Some(size), Some(header)) = (size, BatchHeader::read(bytes)) else {
        return Err(Rejection::new(BrokerError::CORRUPT_MESSAGE, format!("a batch length of {length}")));
    };
    if size < BatchHeader::BYTES {
        return Err(Rejection::new(BrokerError::CORRUPT_MESSAGE, format!("a batch length of {length}")));
    }
    if bytes.len() < size {
        return Err(invalid(format!("the batch says {size} bytes, there are {}", bytes.len())));
    }
    if header.compression() > 4 {
        return Err(Rejection::new(BrokerError::CORRUPT_MESSAGE, "unknown compression codec"));
    }
    if header.compression() == 4 && produce_version < 7 {
        let message = format!("Produce {produce_version} does not take zstd");
        return Err(Rejection::new(BrokerError::UNSUPPORTED_COMPRESSION_TYPE, message));
    }
    if bytes.len() > size {
        return Err(invalid("there must be exactly one record batch for each partition".to_owned()));
    }
    Ok(header)
}

fn check_header(header: &BatchHeader) -> Result<(), Rejection> {
    let (count, last) = (header.record_count, header.last_offset_delta);
    if count <= 0 {
        return Err(invalid(format!("a record count of {count}")));
    }
    if last != count - 1 {
        return Err(invalid(format!("the last offset delta is {last} with {count} records")));
    }
    if header.is_control() {
        return Err(invalid("clients are not allowed to write control records".to_owned()));
    }
    if header.producer_id != -1 && header.base_sequence < 0 {
        let (sequence, id) = (header.base_sequence, header.producer_id);
        return Err(invalid(format!("sequence number {sequence} in a batch with producer id {id}")));
    }
    Ok(())
}

fn check_records(header: &BatchHeader, bytes: &[u8], demands: &Demands) -> Result<(), Rejection> {
    let mut rest = Cursor(bytes);
    let mut max_timestamp = i64::MIN;
    let mut blamed = Vec::new();
    let mut blame = BrokerError::INVALID_RECORD;
    for index in 0..header.record_count {
        let Some(record) = rest.record() else {
            return Err(invalid(format!("record {index} of {} cannot be read", header.record_count)));
        };
        if record.offset_delta != index {
            return Err(invalid(format!("record {index} has the offset delta {}", record.offset_delta)));
        }
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        if demands.compacted && record.key.is_none() {
            blamed.push((index, "Compacted topic cannot accept message without key".to_owned()));
        } else if !demands.log_append_time && timestamp > demands.latest_timestamp {
            blame = if blamed.is_empty() { BrokerError::INVALID_TIMESTAMP } else { blame };
            blamed.push((index, format!("Timestamp {timestamp} is too far in the future")));
        }
    }
    if !rest.0.is_empty() {
        return Err(invalid(format!("{} bytes after the last record", rest.0.len())));
    }
    if !blamed.is_empty() {
        let message = "One or more records have been rejected".to_owned();
        return Err(Rejection { error: blame, message, records: blamed, base_offset: -1 });
    }
    if max_timestamp != header.max_timestamp {
        let told = header.max_timestamp;
        return Err(invalid(format!("the maximum timestamp is {told}, that of the records {max_timestamp}")));
    }
    Ok(())
}

fn invalid(message: String) -> Rejection {
    Rejection::new(BrokerError::INVALID_RECORD, message)
}

fn patch(batch: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = batch.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// A record whose parts are still in the batch.
struct RawRecord<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: i32,
    headers: &'a [u8],
}

impl RawRecord<'_> {
    fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut rest = Cursor(self.headers);
        (0..self.header_count)
            .map_while(|_| rest.header())
            .map(|(key, value)| (key.to_owned(), value.map(<[u8]>::to_vec)))
            .collect()
    }
}

/// The bytes that are still to be read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A zigzag varint of at most 64 bits.
    fn varlong(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        None
    }

    fn varint(&mut self) -> Option<i32> {
        self.varlong().and_then(|value| i32::try_from(value).ok())
    }

    fn bytes(&mut self, length: i32) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    /// Bytes after their length, where -1 stands for null.
    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.bytes(length).map(Some),
        }
    }

    fn header(&mut self) -> Option<(&'a str, Option<&'a [u8]>)> {
        let length = self.varint()?;
        let key = std::str::from_utf8(self.bytes(length)?).ok()?;
        Some((key, self.nullable()?))
    }

    /// The next record, if it can be read and fills the length that it tells.
    fn record(&mut self) -> Option<RawRecord<'a>> {
        let length = self.varint()?;
        let mut body = Cursor(self.bytes(length)?);
        body.i8()?; // attributes, unused
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = body.nullable()?;
        let value = body.nullable()?;
        let header_count = body.varint().filter(|&count| count >= 0)?;
        let headers = body.0;
        for _ in 0..header_count {
            body.header()?;
        }
        body.0.is_empty().then_some(RawRecord {
            timestamp_delta,
            offset_delta,
            key,
            value,
            header_count,
            headers,
        })
    }
}

const LENGTH_END: usize = 12;
const CRC_START: usize = 17;
const CRC_END: usize = 21;
const MAX_TIMESTAMP: usize = 35;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
