//! The producer under test, used by several threads at once: keyed and keyless, in bursts and one by one.
//!
//! Owns: the client's own log. Must not know: which faults happen when.
//! Threads: `THREADS` that send; callbacks on the producer's thread.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord, RecordFuture, RecordMetadata};

use super::journal::{Id, Journal};
use super::names::{CLIENT_ID, GROWING, REBORN, STEADY};

/// The same for each client.
pub struct WritePlan {
    pub servers: String,
    /// Stands in every record.
    pub run: String,
    pub seed: u64,
    pub properties: Vec<(String, String)>,
    pub journal: PathBuf,
    pub log: PathBuf,
}

/// A producer with its threads, at work.
pub trait Client: Sync {
    fn counts(&self) -> RecordCounts;

    fn acknowledged_by_thread(&self) -> Vec<u64>;

    /// Sends no more, waits for every answer, and completes the journal.
    fn stop(self: Box<Self>) -> LastWords;
}

#[derive(Clone, Copy, Default)]
pub struct RecordCounts {
    pub tried: u64,
    pub acknowledged: u64,
    pub failed: u64,
}

impl fmt::Display for RecordCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordCounts { tried, acknowledged, failed } = self;
        write!(f, "{tried} records, {acknowledged} acknowledged, {failed} failed")
    }
}

/// What a client says of itself when it has stopped.
#[derive(Clone, Default)]
pub struct LastWords {
    /// What went wrong with it as a whole.
    pub complaint: Option<String>,
}

pub const THREADS: usize = 6;
/// This one waits for each answer, and those from `REBORN_FROM` on write to the topic that is deleted: `send` waits there.
const ONE_BY_ONE: usize = 3;
const REBORN_FROM: usize = 4;
/// A `send` that takes longer has waited for something.
const AT_ONCE: Duration = Duration::from_millis(20);

/// Ours.
pub struct Ours {
    producer: BytesProducer,
    shared: Arc<WriterTotals>,
    threads: Vec<JoinHandle<()>>,
    journal: JoinHandle<()>,
}

type BytesProducer = KafkaProducer<[u8], [u8]>;

#[derive(Default)]
struct WriterTotals {
    is_over: AtomicBool,
    tried: AtomicU64,
    failed: AtomicU64,
    acknowledged: [AtomicU64; THREADS],
}

impl Ours {
    pub fn start(plan: &WritePlan) -> Ours {
        LogFile::install(&plan.log);
        let serializer = "org.apache.kafka.common.serialization.ByteArraySerializer";
        let required = [
            ("bootstrap.servers", plan.servers.as_str()),
            ("key.serializer", serializer),
            ("value.serializer", serializer),
            ("client.id", CLIENT_ID),
        ];
        let more = plan.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let config = ProducerConfig::from_properties(required.into_iter().chain(more)).unwrap();
        let producer = BytesProducer::new(config).unwrap();
        let shared = Arc::new(WriterTotals::default());
        let (journal, written) = Journal::create(&plan.journal);
        let threads = (0..THREADS).map(|thread| {
            let writer = RecordWriter {
                thread,
                run: plan.run.clone(),
                rng: Rng::with_seed(plan.seed.wrapping_mul(31).wrapping_add(thread as u64)),
                producer: producer.clone(),
                journal: journal.clone(),
                shared: Arc::clone(&shared),
                number: 0,
            };
            thread::spawn(move || writer.run())
        });
        let threads = threads.collect();
        Ours { producer, shared, threads, journal: written }
    }
}

impl Client for Ours {
    fn counts(&self) -> RecordCounts {
        RecordCounts {
            tried: self.shared.tried.load(Ordering::Relaxed),
            acknowledged: self.acknowledged_by_thread().iter().sum(),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    fn acknowledged_by_thread(&self) -> Vec<u64> {
        self.shared.acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn stop(self: Box<Self>) -> LastWords {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let fallen = self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        let closed = self.producer.close();
        drop(self.producer);
        self.journal.join().unwrap();
        let complaint = match (fallen, closed) {
            (0, Ok(())) => None,
            (0, Err(error)) => Some(format!("close: {error}")),
            (count, _) => Some(format!("{count} threads have panicked")),
        };
        LastWords { complaint }
    }
}

struct RecordWriter {
    thread: usize,
    run: String,
    rng: Rng,
    producer: BytesProducer,
    journal: Journal,
    shared: Arc<WriterTotals>,
    number: u64,
}

impl RecordWriter {
    fn run(mut self) {
        while !self.is_over() {
            let (count, pause_ms) = match self.rng.u8(..4) {
                0 => (self.rng.u32(50..300), 0),
                _ => (self.rng.u32(10..40), self.rng.u64(2..12)),
            };
            for _ in 0..count {
                if self.is_over() {
                    return;
                }
                self.send_one();
                if pause_ms > 0 {
                    thread::sleep(Duration::from_millis(pause_ms));
                }
            }
            thread::sleep(Duration::from_millis(self.rng.u64(20..400)));
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    fn send_one(&mut self) {
        let topic = match self.thread {
            REBORN_FROM.. => REBORN,
            _ if self.rng.bool() => GROWING,
            _ => STEADY,
        };
        let id = Id { thread: self.thread, number: self.number, topic };
        self.number += 1;
        let key = self.rng.bool().then(|| format!("key-{}-{}", self.thread, self.rng.u8(..23)));
        let padding = if self.rng.u8(..50) == 0 { 3000 } else { self.rng.usize(..300) };
        // What it is stands in it, and so that a changed byte is seen its length and one letter again and again.
        let value = format!(
            "{} {} {} {topic} {} {padding} {}",
            self.run,
            id.thread,
            id.number,
            key.as_deref().unwrap_or("-"),
            "x".repeat(padding)
        );
        self.journal.tried(id);
        self.shared.tried.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let handed_over = self.hand_over(id, key.as_deref(), &value);
        if handed_over.is_ok() && begun.elapsed() > AT_ONCE {
            self.journal.accepted_late(id);
        }
        match handed_over {
            // The callback has told of the outcome.
            Ok(future) if self.thread == ONE_BY_ONE => drop(future.get()),
            Ok(_) => {}
            Err(error) => {
                self.journal.refused(id, &error.to_string());
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn hand_over(&self, id: Id, key: Option<&str>, value: &str) -> Result<RecordFuture, Error> {
        let (journal, shared) = (self.journal.clone(), Arc::clone(&self.shared));
        let callback = move |outcome: Result<RecordMetadata, Error>| match outcome {
            Ok(metadata) => {
                journal.acknowledged(id, metadata.partition(), metadata.offset());
                shared.acknowledged[id.thread].fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                journal.failed(id, error.possibly_written(), &error.to_string());
                shared.failed.fetch_add(1, Ordering::Relaxed);
            }
        };
        let record = ProducerRecord::new(id.topic, value.as_bytes());
        match key {
            Some(key) => self.producer.send_with_callback(record.with_key(key.as_bytes()), callback),
            None => self.producer.send_with_callback(record, callback),
        }
    }
}

/// What the producer logs, in a file: what an administrator would see.
struct LogFile(Mutex<Option<File>>);

static LOG: LogFile = LogFile(Mutex::new(None));

impl LogFile {
    fn install(path: &Path) {
        *LOG.0.lock().unwrap() = Some(File::create(path).unwrap());
        if log::set_logger(&LOG).is_ok() {
            log::set_max_level(log::LevelFilter::Info);
        }
    }
}

impl log::Log for LogFile {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("kafka_producer")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if let Some(file) = self.0.lock().unwrap().as_mut() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let _ = writeln!(file, "{now} {} {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}
