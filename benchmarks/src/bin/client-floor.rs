//! client-floor: what sending records costs at least. One thread, a mutex and a batch for each partition, one settlement
//! for each batch, and nothing else: no memory bound, no deadlines, no retries, no errors but the end of the program.
//!
//! Each record is encoded into the open batch of its partition. A full one is sealed and waits for company of other
//! partitions; a request goes when its partition has one already or when it would be longer than 1 MiB. With five
//! requests on their way the thread waits for an answer, which settles their batches.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::callers::{self, CallingThread};
use kafka_producer_benchmarks::payloads::{RecordTable, RecordWalk};
use kafka_producer_benchmarks::work::{TOPIC, Work};

const IN_FLIGHT: usize = 5;
const LARGEST_REQUEST: usize = 1 << 20;
/// How many pieces one system call takes.
const LARGEST_WRITE: usize = 1024;
/// Where in a batch its fields are.
const HEADER: usize = 61;
const CRC_AT: usize = 17;
const COVERED: usize = 21;

fn main() -> Result<(), Failure> {
    let work = Work::from_args()?;
    let partitions = work.properties.iter().find(|(name, _)| name == "partitions");
    let partitions: usize = partitions.ok_or("how many partitions?")?.1.parse()?;
    let table = RecordTable::new(&work)?;
    let floor = Mutex::new(FloorConnection::new(&work, partitions)?);
    let make =
        |_| FloorCaller { floor: &floor, walk: table.walk(0, 1), between_looks: table.between_looks() };
    let flush = || floor.lock().unwrap_or_else(PoisonError::into_inner).flush();
    let (_, report) = callers::run(&work, make, flush)?;
    println!("{}", report.with("version", "-").with_peak_memory()?);
    Ok(())
}

struct FloorCaller<'a> {
    floor: &'a Mutex<FloorConnection>,
    walk: RecordWalk<'a>,
    between_looks: u64,
}

impl CallingThread for FloorCaller<'_> {
    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        // Nobody else wants it meanwhile: what is counted is the partitions' own.
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sent = 0;
        while Instant::now() < end {
            for _ in 0..self.between_looks {
                floor.send(self.walk.key(), self.walk.value())?;
            }
            sent += self.between_looks;
        }
        Ok(sent)
    }
}

/// A batch that is being filled.
struct FloorBatch {
    bytes: Vec<u8>,
    count: i32,
    settled: Arc<AtomicBool>,
}

impl FloorBatch {
    fn new(mut bytes: Vec<u8>, batch_size: usize) -> Self {
        bytes.clear();
        bytes.reserve(batch_size);
        bytes.resize(HEADER, 0);
        FloorBatch { bytes, count: 0, settled: Arc::new(AtomicBool::new(false)) }
    }

    fn append(&mut self, key: Option<&[u8]>, value: &[u8]) {
        let key_length = key.map_or(-1, |key| key.len() as i64);
        let offset_delta = i64::from(self.count);
        let size = 2
            + varint_size(offset_delta)
            + varint_size(key_length)
            + key.map_or(0, <[u8]>::len)
            + varint_size(value.len() as i64)
            + value.len()
            + 1;
        varint(&mut self.bytes, size as i64);
        self.bytes.extend_from_slice(&[0, 0]); // attributes, timestamp delta
        varint(&mut self.bytes, offset_delta);
        varint(&mut self.bytes, key_length);
        self.bytes.extend_from_slice(key.unwrap_or_default());
        varint(&mut self.bytes, value.len() as i64);
        self.bytes.extend_from_slice(value);
        self.bytes.push(0); // no headers
        self.count += 1;
    }

    fn seal(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as i64);
        let length = (self.bytes.len() - 12) as i32;
        let mut at = |at: usize, bytes: &[u8]| self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        at(8, &length.to_be_bytes());
        at(12, &(-1i32).to_be_bytes()); // leader epoch
        at(16, &[2]); // magic
        at(23, &(self.count - 1).to_be_bytes());
        at(27, &now.to_be_bytes());
        at(35, &now.to_be_bytes());
        at(43, &[0xff; 14]); // no producer id, epoch and sequence
        at(57, &self.count.to_be_bytes());
        let crc = crc32c::crc32c(&self.bytes[COVERED..]);
        self.bytes[CRC_AT..COVERED].copy_from_slice(&crc.to_be_bytes());
    }
}

fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

fn varint_size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (70 - (zigzag | 1).leading_zeros() as usize) / 7
}

struct FloorConnection {
    socket: TcpStream,
    partitions: Vec<Mutex<FloorBatch>>,
    batch_size: usize,
    /// The next request's batches, and the partitions that have one there.
    ready: Vec<(i32, FloorBatch)>,
    ready_bytes: usize,
    is_ready: Vec<bool>,
    in_flight: VecDeque<Vec<FloorBatch>>,
    spare: Vec<Vec<u8>>,
    /// What a request has beside its batches.
    heads: Vec<u8>,
    answer: Vec<u8>,
}

impl FloorConnection {
    fn new(work: &Work, partitions: usize) -> Result<Self, Failure> {
        let socket = TcpStream::connect(&work.address)?;
        socket.set_nodelay(true)?;
        let batch = || Mutex::new(FloorBatch::new(Vec::new(), work.batch_size));
        Ok(FloorConnection {
            socket,
            partitions: (0..partitions).map(|_| batch()).collect(),
            batch_size: work.batch_size,
            ready: Vec::new(),
            ready_bytes: 0,
            is_ready: vec![false; partitions],
            in_flight: VecDeque::new(),
            spare: Vec::new(),
            heads: Vec::new(),
            answer: Vec::new(),
        })
    }

    fn send(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<(), Failure> {
        let index = key.map_or(0, |key| {
            (murmur2::murmur2(key, murmur2::KAFKA_SEED) & 0x7fff_ffff) as usize % self.partitions.len()
        });
        let mut open = self.partitions[index].lock().unwrap_or_else(PoisonError::into_inner);
        if open.count > 0
            && open.bytes.len() + key.map_or(0, <[u8]>::len) + value.len() + 16 > self.batch_size
        {
            let next = FloorBatch::new(self.spare.pop().unwrap_or_default(), self.batch_size);
            let mut full = std::mem::replace(&mut *open, next);
            full.seal();
            open.append(key, value);
            drop(open);
            return self.depart(index, full);
        }
        open.append(key, value);
        Ok(())
    }

    fn depart(&mut self, index: usize, batch: FloorBatch) -> Result<(), Failure> {
        if self.is_ready[index] || self.ready_bytes + batch.bytes.len() > LARGEST_REQUEST {
            self.write()?;
        }
        self.is_ready[index] = true;
        self.ready_bytes += batch.bytes.len();
        self.ready.push((index as i32, batch));
        // One partition has no company to wait for.
        if self.partitions.len() == 1 { self.write() } else { Ok(()) }
    }

    /// A Produce request of version 7, with the ready batches.
    fn write(&mut self) -> Result<(), Failure> {
        if self.ready.is_empty() {
            return Ok(());
        }
        while self.in_flight.len() >= IN_FLIGHT {
            self.settle()?;
        }
        self.heads.clear();
        let size = 28 + TOPIC.len() + 8 * self.ready.len() + self.ready_bytes;
        let heads = &mut self.heads;
        heads.extend_from_slice(&(size as i32).to_be_bytes());
        // Produce 7, a correlation id, neither client id nor transactional id, acks=all.
        heads.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        heads.extend_from_slice(&30_000i32.to_be_bytes());
        heads.extend_from_slice(&1i32.to_be_bytes());
        heads.extend_from_slice(&(TOPIC.len() as i16).to_be_bytes());
        heads.extend_from_slice(TOPIC.as_bytes());
        heads.extend_from_slice(&(self.ready.len() as i32).to_be_bytes());
        let first = heads.len();
        for (partition, batch) in &self.ready {
            heads.extend_from_slice(&partition.to_be_bytes());
            heads.extend_from_slice(&(batch.bytes.len() as i32).to_be_bytes());
        }
        let (before, each) = self.heads.split_at(first);
        let mut slices = vec![IoSlice::new(before)];
        for (head, (_, batch)) in each.chunks(8).zip(&self.ready) {
            slices.extend([IoSlice::new(head), IoSlice::new(&batch.bytes)]);
        }
        let mut slices = &mut slices[..];
        while !slices.is_empty() {
            let written = self.socket.write_vectored(&slices[..slices.len().min(LARGEST_WRITE)])?;
            IoSlice::advance_slices(&mut slices, written);
        }
        for (partition, _) in &self.ready {
            self.is_ready[*partition as usize] = false;
        }
        self.in_flight.push_back(self.ready.drain(..).map(|(_, batch)| batch).collect());
        self.ready_bytes = 0;
        Ok(())
    }

    /// Reads an answer: its batches are settled.
    fn settle(&mut self) -> Result<(), Failure> {
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        self.answer.resize(u32::from_be_bytes(size) as usize, 0);
        self.socket.read_exact(&mut self.answer)?;
        for batch in self.in_flight.pop_front().ok_or("an answer that nobody asked for")? {
            batch.settled.store(true, Ordering::Release);
            self.spare.push(batch.bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        for index in 0..self.partitions.len() {
            let mut open = self.partitions[index].lock().unwrap_or_else(PoisonError::into_inner);
            if open.count == 0 {
                continue;
            }
            let next = FloorBatch::new(self.spare.pop().unwrap_or_default(), self.batch_size);
            let mut last = std::mem::replace(&mut *open, next);
            drop(open);
            last.seal();
            self.depart(index, last)?;
        }
        self.write()?;
        while !self.in_flight.is_empty() {
            self.settle()?;
        }
        Ok(())
    }
}
