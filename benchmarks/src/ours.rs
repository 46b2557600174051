//! The work of the benchmark by kafka-producer; `client-ours` runs it, and `client-ours-counted` with an allocator that
//! counts.
//!
//! The settings that are not given here keep their defaults, which are Java's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::{
    Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, RecordFuture, RecordMetadata,
};

use crate::Failure;
use crate::callers::{self, CallingThread, Stopwatch};
use crate::payloads::{RecordTable, RecordWalk};
use crate::report::Report;
use crate::work::{Ask, Mode, TOPIC, Work};

type BenchProducer = KafkaProducer<[u8], [u8]>;

/// Every so manyth callback tells how long its record took.
const SAMPLED: u64 = 64;

/// How many futures are kept before the first one is asked.
const KEPT: usize = 65_536;

/// What is tried where the broker is silent.
const ATTEMPTS: u64 = 10_000_000;

/// What one callback of that work is: two words that it has captured, and 24 bytes about its record.
const CALLBACK_BYTES: u64 = 16 + 24;

/// Does the work. `allocations` says how many this process has made, where somebody counts them.
pub fn run(work: &Work, allocations: Option<fn() -> u64>) -> Result<Report, Failure> {
    let report = match work.mode {
        Mode::Throughput => with_producer(work, |producer| throughput(producer, work, allocations))?,
        Mode::Latency => with_producer(work, |producer| latency(producer, work))?,
        Mode::Transactions => with_producer(work, |producer| transactions(producer, work))?,
        Mode::Connect => connect(work)?,
        Mode::Cold => cold(work)?,
        Mode::Idle => with_producer(work, |producer| idle(producer, work))?,
        Mode::Memory => memory(work)?,
    };
    report.with("version", "of-this-tree").with_peak_memory()
}

fn with_producer(
    work: &Work,
    measure: impl FnOnce(&BenchProducer) -> Result<Report, Failure>,
) -> Result<Report, Failure> {
    let producer = BenchProducer::new(config(work)?)?;
    let report = measure(&producer)?;
    producer.close()?;
    Ok(report)
}

fn config(work: &Work) -> Result<ProducerConfig, Failure> {
    let (batch_size, idempotent) = (work.batch_size.to_string(), work.idempotent.to_string());
    let fixed = [
        ("bootstrap.servers", work.address.as_str()),
        ("key.serializer", "ByteArraySerializer"),
        ("value.serializer", "ByteArraySerializer"),
        ("acks", "all"),
        ("enable.idempotence", &idempotent),
        ("linger.ms", "5"),
        ("batch.size", &batch_size),
        ("buffer.memory", "67108864"),
        ("max.request.size", "2097152"), // room for a batch of 1 MiB and its request
        ("max.in.flight.requests.per.connection", "5"),
        ("compression.type", &work.codec),
    ];
    let id = (work.mode == Mode::Transactions).then_some(("transactional.id", work.topic.as_str()));
    let fixed = fixed.into_iter().chain(id);
    let more = work.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(ProducerConfig::from_properties(fixed.chain(more))?)
}

/// A name for the whole life of the program, as most programs have theirs: in its text, beside nothing that changes.
fn topic(work: &Work) -> &'static str {
    if work.topic == TOPIC { TOPIC } else { Box::leak(work.topic.clone().into_boxed_str()) }
}

fn throughput(
    producer: &BenchProducer,
    work: &Work,
    allocations: Option<fn() -> u64>,
) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    let (begun, told) = (AtomicU64::new(0), ToldOutcomes::new());
    let make = |index| OurCaller {
        producer,
        topic,
        walk: table.walk(index, work.threads),
        between_looks: table.between_looks(),
        ask: AskedOutcomes::new(work.ask, told),
    };
    let flush = || {
        producer.flush()?;
        if let Some(allocations) = allocations {
            begun.store(allocations().wrapping_sub(begun.load(Relaxed)), Relaxed);
        }
        Ok(())
    };
    let (_, mut report) = callers::run(work, make, flush)?;
    if allocations.is_some() {
        report = report.with("allocations", begun.load(Relaxed));
    }
    if work.ask == Ask::Callback {
        report = told.add_to(report);
    }
    Ok(report)
}

/// What callbacks write, on the one thread that calls them. It lies in cache lines of its own: no static, which may end up beside
/// one that each `send` reads.
#[repr(align(128))]
struct ToldOutcomes {
    successes: AtomicU64,
    samples: Mutex<Vec<u32>>,
    /// What times are counted from.
    begun: Instant,
}

impl ToldOutcomes {
    /// For the rest of the program.
    fn new() -> &'static Self {
        let told =
            ToldOutcomes { successes: AtomicU64::new(0), samples: Mutex::default(), begun: Instant::now() };
        Box::leak(Box::new(told))
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// `sent` is 0 where no time is taken.
    fn tell(&self, outcome: Result<RecordMetadata, Error>, number: u64, sent: u64) {
        match outcome {
            Ok(_) => self.successes.store(self.successes.load(Relaxed) + 1, Relaxed),
            Err(error) => eprintln!("record {number}: {error}"),
        }
        if sent != 0 {
            let took = u32::try_from(self.now() - sent).unwrap_or(u32::MAX);
            self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
    }

    fn add_to(&self, report: Report) -> Report {
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        report.with("told", self.successes.load(Relaxed)).with_times(samples)
    }
}

struct OurCaller<'a> {
    producer: &'a BenchProducer,
    topic: &'static str,
    walk: RecordWalk<'a>,
    between_looks: u64,
    ask: AskedOutcomes,
}

/// What is done about the outcomes.
enum AskedOutcomes {
    Nobody,
    Callback { told: &'static ToldOutcomes, number: u64, samples: bool },
    Future { kept: Vec<RecordFuture>, oldest: usize },
}

impl AskedOutcomes {
    fn new(ask: Ask, told: &'static ToldOutcomes) -> Self {
        match ask {
            Ask::Nobody => AskedOutcomes::Nobody,
            Ask::Callback => AskedOutcomes::Callback { told, number: 0, samples: false },
            Ask::Future => AskedOutcomes::Future { kept: Vec::with_capacity(KEPT), oldest: 0 },
        }
    }
}

impl CallingThread for OurCaller<'_> {
    fn begin(&mut self) {
        if let AskedOutcomes::Callback { samples, .. } = &mut self.ask {
            *samples = true;
        }
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let mut sent = 0;
        while Instant::now() < end {
            match &mut self.ask {
                AskedOutcomes::Nobody => {
                    fire(self.producer, self.topic, &mut self.walk, self.between_looks)?;
                }
                AskedOutcomes::Callback { told, number, samples } => {
                    for _ in 0..self.between_looks {
                        let sent = if *samples && number.is_multiple_of(SAMPLED) { told.now() } else { 0 };
                        call_back(self.producer, self.topic, &mut self.walk, (*told, *number, sent))?;
                        *number += 1;
                    }
                }
                AskedOutcomes::Future { kept, oldest } => {
                    for _ in 0..self.between_looks {
                        keep(send(self.producer, self.topic, &mut self.walk)?, kept, oldest)?;
                    }
                }
            }
            sent += self.between_looks;
        }
        Ok(sent)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        if let AskedOutcomes::Future { kept, oldest } = &mut self.ask {
            *oldest = 0;
            for future in kept.drain(..) {
                future.get()?;
            }
        }
        Ok(())
    }
}

#[inline]
fn send(
    producer: &BenchProducer,
    topic: &'static str,
    walk: &mut RecordWalk<'_>,
) -> Result<RecordFuture, Error> {
    let record = ProducerRecord::new(topic, walk.value());
    match walk.key() {
        None => producer.send(record),
        Some(key) => producer.send(record.with_key(key)),
    }
}

/// Fire and forget.
fn fire(
    producer: &BenchProducer,
    topic: &'static str,
    walk: &mut RecordWalk<'_>,
    count: u64,
) -> Result<(), Error> {
    for _ in 0..count {
        let record = ProducerRecord::new(topic, walk.value());
        match walk.key() {
            None => producer.send_and_forget(record)?,
            Some(key) => producer.send_and_forget(record.with_key(key))?,
        }
    }
    Ok(())
}

/// A closure that has captured three words: where to count, the record's number, and when it was sent.
#[inline]
fn call_back(
    producer: &BenchProducer,
    topic: &'static str,
    walk: &mut RecordWalk<'_>,
    (told, number, sent): (&'static ToldOutcomes, u64, u64),
) -> Result<(), Error> {
    let record = ProducerRecord::new(topic, walk.value());
    let callback = move |outcome| told.tell(outcome, number, sent);
    match walk.key() {
        None => producer.send_with_callback(record, callback)?,
        Some(key) => producer.send_with_callback(record.with_key(key), callback)?,
    };
    Ok(())
}

/// Puts a future in the place of the oldest one, which is asked.
fn keep(future: RecordFuture, kept: &mut Vec<RecordFuture>, oldest: &mut usize) -> Result<(), Error> {
    if kept.len() < KEPT {
        kept.push(future);
        return Ok(());
    }
    let asked = std::mem::replace(&mut kept[*oldest], future);
    *oldest = (*oldest + 1) % KEPT;
    asked.get().map(drop)
}

fn latency(producer: &BenchProducer, work: &Work) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    let make = |index| OurAsker { producer, topic, walk: table.walk(index, work.threads), times: Vec::new() };
    let (threads, report) = callers::run(work, make, || Ok(producer.flush()?))?;
    Ok(report.with_times(threads.into_iter().flat_map(|thread| thread.times).collect()))
}

/// `send` and `get`.
struct OurAsker<'a> {
    producer: &'a BenchProducer,
    topic: &'static str,
    walk: RecordWalk<'a>,
    times: Vec<u32>,
}

impl CallingThread for OurAsker<'_> {
    fn begin(&mut self) {
        self.times.clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        callers::time_calls(&mut self.times, end, |_| {
            send(self.producer, self.topic, &mut self.walk)?.get()?;
            Ok(())
        })
    }
}

fn transactions(producer: &BenchProducer, work: &Work) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    let told = ToldOutcomes::new();
    producer.init_transactions()?;
    let make = |index| OurCommitter {
        producer,
        topic,
        walk: table.walk(index, work.threads),
        records: work.transaction,
        told: (work.ask == Ask::Callback).then_some(told),
        committed: 0,
        times: Vec::new(),
    };
    let (threads, mut report) = callers::run(work, make, || Ok(()))?;
    if work.ask == Ask::Callback {
        report = told.add_to(report);
    }
    Ok(callers::add_transactions(report, threads.into_iter().map(|it| (it.committed, it.times))))
}

/// Transactions of so many records, one after the other.
struct OurCommitter<'a> {
    producer: &'a BenchProducer,
    topic: &'static str,
    walk: RecordWalk<'a>,
    records: u64,
    told: Option<&'static ToldOutcomes>,
    committed: u64,
    times: Vec<u32>,
}

impl CallingThread for OurCommitter<'_> {
    fn begin(&mut self) {
        self.times.clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let count = callers::time_calls(&mut self.times, end, |_| {
            self.producer.begin_transaction()?;
            match self.told {
                None => fire(self.producer, self.topic, &mut self.walk, self.records)?,
                Some(told) => {
                    for number in 0..self.records {
                        call_back(self.producer, self.topic, &mut self.walk, (told, number, 0))?;
                    }
                }
            }
            Ok(self.producer.commit_transaction()?)
        })?;
        self.committed += count;
        Ok(count * self.records)
    }
}

fn connect(work: &Work) -> Result<Report, Failure> {
    let stopwatch = Stopwatch::start()?;
    for _ in 0..work.rounds {
        let producer = BenchProducer::new(config(work)?)?;
        producer.partitions_for(&work.topic)?;
        producer.close()?;
    }
    stopwatch.stop(Report::default().with("sent", 0).with("records", work.rounds))
}

fn cold(work: &Work) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    let begun = Instant::now();
    with_producer(work, |producer| {
        send(producer, topic, &mut table.walk(0, 1))?.get()?;
        Ok(Report::default().with("sent", 1).with("first_us", begun.elapsed().as_micros()))
    })
}

fn idle(producer: &BenchProducer, work: &Work) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    fire(producer, topic, &mut table.walk(0, 1), 1000)?;
    producer.flush()?;
    callers::idle(work, 1000)
}

/// A buffer that fills up, and ten million records that are tried with it.
fn memory(work: &Work) -> Result<Report, Failure> {
    let (table, topic) = (RecordTable::new(work)?, topic(work));
    let producer = BenchProducer::new(config(work)?.max_block(Duration::ZERO))?;
    while producer.partitions_for(topic).is_err() {
        thread::sleep(Duration::from_millis(1));
    }
    let (mut walk, mut accepted) = (table.walk(0, 1), 0);
    for number in 0..ATTEMPTS {
        let record = ProducerRecord::new(topic, walk.value()).with_optional_key(walk.key());
        let outcome = if work.ask == Ask::Callback {
            // Two words: the callback's own size.
            let captured = (number, accepted);
            producer.send_with_callback(record, move |_| {
                let _ = std::hint::black_box(captured);
            })
        } else {
            producer.send(record)
        };
        match outcome {
            Ok(_) => accepted += 1,
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(error.into()),
        }
    }
    if producer.in_flight() != accepted {
        return Err("records had an outcome, though the broker is silent".into());
    }
    let own = if work.ask == Ask::Callback { accepted * CALLBACK_BYTES } else { 0 };
    let report = Report::default().with("accepted", accepted).with("own_bytes", own).with_peak_memory()?;
    producer.close_timeout(Duration::ZERO)?;
    Ok(report)
}
