//! Produce requests: counted, given their offsets, answered.
//!
//! Reads what it needs of the request in one pass and writes the answer in the same pass, since both have the same
//! shape.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::TOPIC;

use crate::answer::ResponseFrame;
use crate::input::{Input, malformed};
use crate::request_header::RequestHeader;
use crate::verify::{self, Tally};

/// The topic's id where a version names topics by it.
pub(crate) const TOPIC_ID: [u8; 16] = *b"kafka-bench-sink";

/// The bytes of a batch's header, and those of them that its length field does not count.
const BATCH_HEADER: usize = 61;
const BEFORE_LENGTH: u64 = 12;

/// What all connections have taken.
pub(crate) struct SinkLog {
    next_offsets: Vec<AtomicI64>,
    requests: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    answer_bytes: AtomicU64,
    errors: AtomicU64,
    /// Present if every record is to be read.
    tally: Option<Mutex<Tally>>,
}

impl SinkLog {
    pub(crate) fn new(partitions: usize, verify: bool) -> Self {
        SinkLog {
            next_offsets: (0..partitions).map(|_| AtomicI64::new(0)).collect(),
            requests: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            answer_bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            tally: verify.then(Mutex::default),
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.next_offsets.len()
    }

    pub(crate) fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    /// A whole Produce request was read.
    pub(crate) fn requested(&self, bytes: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn answered(&self, bytes: u64) {
        self.answer_bytes.fetch_add(bytes, Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn report(&self) -> Report {
        let used = self.next_offsets.iter().filter(|offset| offset.load(Relaxed) > 0).count();
        let report = Report::default()
            .with("records", self.records.load(Relaxed))
            .with("batches", self.batches.load(Relaxed))
            .with("requests", self.requests.load(Relaxed))
            .with("bytes", self.bytes.load(Relaxed))
            .with("answer_bytes", self.answer_bytes.load(Relaxed))
            .with("partitions_used", used)
            .with("errors", self.errors.load(Relaxed));
        match &self.tally {
            None => report,
            Some(tally) => tally.lock().unwrap_or_else(PoisonError::into_inner).add_to(report),
        }
    }
}

/// What a connection keeps from one request to the next.
#[derive(Default)]
pub(crate) struct ProduceScratch {
    name: Vec<u8>,
    batch: Vec<u8>,
    /// Whether the last request wants an answer.
    pub(crate) acknowledge: bool,
}

/// Reads the body of a Produce request and writes its answer.
pub(crate) fn handle(
    header: &RequestHeader,
    input: &mut Input,
    answer: &mut ResponseFrame,
    log: &SinkLog,
    scratch: &mut ProduceScratch,
) -> io::Result<()> {
    let version = header.version;
    if !(3..=13).contains(&version) {
        return Err(malformed(format!("Produce version {version} is not served")));
    }
    let flexible = version >= 9;
    input.tags(flexible)?;
    input.string(flexible, &mut scratch.name)?; // transactional id
    let acks = input.i16()?;
    scratch.acknowledge = acks != 0;
    input.i32()?; // time-out
    answer.start(header.correlation_id, flexible, flexible);
    let topics = input.length(flexible)?.unwrap_or(0);
    answer.array(topics as usize);
    for _ in 0..topics {
        topic(version, input, answer, log, scratch)?;
    }
    input.tags(flexible)?;
    answer.i32(0).tags(); // throttle time
    Ok(())
}

fn topic(
    version: i16,
    input: &mut Input,
    answer: &mut ResponseFrame,
    log: &SinkLog,
    scratch: &mut ProduceScratch,
) -> io::Result<()> {
    let flexible = version >= 9;
    if version >= 13 {
        let id = input.array::<16>()?;
        if id != TOPIC_ID {
            return Err(malformed(format!("unknown topic id {id:02x?}")));
        }
        answer.raw(&id);
    } else {
        input.string(flexible, &mut scratch.name)?;
        if scratch.name != TOPIC.as_bytes() {
            return Err(malformed(format!("unknown topic {}", String::from_utf8_lossy(&scratch.name))));
        }
        answer.string(&scratch.name);
    }
    let partitions = input.length(flexible)?.unwrap_or(0);
    answer.array(partitions as usize);
    for _ in 0..partitions {
        let index = input.i32()?;
        let size = input.length(flexible)?.ok_or_else(|| malformed("no records"))?;
        let base_offset = batches(index, u64::from(size), input, log, scratch)?;
        input.tags(flexible)?;
        answer.i32(index).i16(0).i64(base_offset).i64(-1); // no error, the client's timestamps
        if version >= 5 {
            answer.i64(0); // log start offset
        }
        if version >= 8 {
            answer.array(0).null_string(); // no record is at fault
        }
        answer.tags();
    }
    input.tags(flexible)?;
    answer.tags();
    Ok(())
}

/// Takes one partition's batches; their first offset.
fn batches(
    partition: i32,
    size: u64,
    input: &mut Input,
    log: &SinkLog,
    scratch: &mut ProduceScratch,
) -> io::Result<i64> {
    let next_offset = usize::try_from(partition).ok().and_then(|index| log.next_offsets.get(index));
    let next_offset = next_offset.ok_or_else(|| malformed(format!("no partition {partition}")))?;
    let end = input.position() + size;
    let mut records = 0;
    while input.position() < end {
        let header = input.array::<BATCH_HEADER>()?;
        let (count, rest) = batch_header(&header)?;
        if input.position() + rest > end {
            return Err(malformed("a batch that is longer than the records of its partition"));
        }
        match &log.tally {
            None => input.skip(rest)?,
            Some(tally) => {
                scratch.batch.clear();
                scratch.batch.extend_from_slice(&header);
                input.copy(rest as usize, &mut scratch.batch)?;
                let read = verify::batch(&scratch.batch, partition, log.partitions()).map_err(malformed)?;
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(&read);
            }
        }
        records += count;
        log.batches.fetch_add(1, Relaxed);
    }
    log.records.fetch_add(records, Relaxed);
    Ok(next_offset.fetch_add(records as i64, Relaxed))
}

/// The number of records in a batch, and the bytes behind its header.
fn batch_header(header: &[u8; BATCH_HEADER]) -> io::Result<(u64, u64)> {
    let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (length, last_offset_delta, count) = (number(8), number(23), number(57));
    let magic = header[16];
    let rest = i64::from(length) + BEFORE_LENGTH as i64 - BATCH_HEADER as i64;
    if magic != 2 || count <= 0 || last_offset_delta != count - 1 || rest < 0 {
        let what =
            format!("magic {magic}, length {length}, {count} records, last offset delta {last_offset_delta}");
        return Err(malformed(format!("not a batch: {what}")));
    }
    Ok((count as u64, rest as u64))
}
