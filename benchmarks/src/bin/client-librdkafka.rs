//! client-librdkafka: the work of the benchmark by librdkafka, through its C interface.
//!
//! `rd_kafka_produce` with the topic's handle and a copy of the payload (a caller of ours also keeps its own), and a delivery
//! report for each record. Who sends also polls, as its examples do, every so many records and where the queue is full;
//! where several threads wait for single records, one more thread polls and wakes them.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::callers::{self, CallingThread, Stopwatch};
use kafka_producer_benchmarks::payloads::{RecordTable, RecordWalk};
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::{Mode, Work};
use rdkafka_sys as ffi;
use rdkafka_sys::types::{RDKafka, RDKafkaErrorCode, RDKafkaMessage, RDKafkaTopic};

/// The partitioner chooses: `RD_KAFKA_PARTITION_UA`, in C a macro.
const ANY_PARTITION: i32 = -1;

/// How long one `poll` may wait.
const POLL_MS: c_int = 100;

/// How long to wait for room in a full queue before the next try.
const QUEUE_FULL_POLL_MS: c_int = 1;

/// How long `flush` may wait.
const FLUSH_MS: c_int = 60_000;

/// Every so manyth report tells how long its record took.
const SAMPLED: u64 = 64;

fn main() -> Result<(), Failure> {
    let work = Work::from_args()?;
    let report = match work.mode {
        Mode::Throughput => throughput(&work)?,
        Mode::Latency => latency(&work)?,
        Mode::Transactions => transactions(&work)?,
        Mode::Connect => connect(&work)?,
        Mode::Cold => cold(&work)?,
        Mode::Idle => idle(&work)?,
        Mode::Memory => return Err("its memory is not measured".into()),
    };
    // SAFETY: returns a static string.
    let version = unsafe { CStr::from_ptr(ffi::rd_kafka_version_str()) }.to_string_lossy().into_owned();
    println!("{}", report.with("version", version).with_peak_memory()?);
    Ok(())
}

fn throughput(work: &Work) -> Result<Report, Failure> {
    let (producer, table) = (RdKafkaProducer::new(work)?, RecordTable::new(work)?);
    let make = |index| RdKafkaCaller {
        producer: &producer,
        walk: table.walk(index, work.threads),
        between_looks: table.between_looks(),
    };
    let (_, report) = callers::run(work, make, || producer.flush())?;
    let samples = std::mem::take(&mut *SAMPLES.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(report.with("told", TOLD.load(Relaxed)).with_times(samples))
}

struct RdKafkaCaller<'a> {
    producer: &'a RdKafkaProducer,
    walk: RecordWalk<'a>,
    between_looks: u64,
}

impl CallingThread for RdKafkaCaller<'_> {
    fn begin(&mut self) {
        SAMPLES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let mut sent = 0;
        while Instant::now() < end {
            for _ in 0..self.between_looks {
                self.producer.send(self.walk.key(), self.walk.value(), ptr::null())?;
            }
            self.producer.poll(0);
            sent += self.between_looks;
        }
        Ok(sent)
    }
}

fn latency(work: &Work) -> Result<Report, Failure> {
    let (producer, table) = (RdKafkaProducer::new(work)?, RecordTable::new(work)?);
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let alone = work.threads == 1;
        if !alone {
            scope.spawn(|| {
                while !stopped.load(Relaxed) {
                    producer.poll(POLL_MS);
                }
            });
        }
        let make = |index| RdKafkaAsker {
            producer: &producer,
            walk: table.walk(index, work.threads),
            polls: alone,
            times: Vec::new(),
        };
        let measured = callers::run(work, make, || Ok(()));
        stopped.store(true, Relaxed);
        let (threads, report) = measured?;
        Ok(report.with_times(threads.into_iter().flat_map(|thread| thread.times).collect()))
    })
}

/// Sends one record and waits for its report.
struct RdKafkaAsker<'a> {
    producer: &'a RdKafkaProducer,
    walk: RecordWalk<'a>,
    /// Whether it polls itself.
    polls: bool,
    times: Vec<u32>,
}

/// Who waits for a report.
struct Awaited {
    is_there: AtomicBool,
    thread: Thread,
}

impl CallingThread for RdKafkaAsker<'_> {
    fn begin(&mut self) {
        self.times.clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let awaited = Awaited { is_there: AtomicBool::new(false), thread: thread::current() };
        callers::time_calls(&mut self.times, end, |sent| {
            awaited.is_there.store(false, SeqCst);
            self.producer.send(self.walk.key(), self.walk.value(), &raw const awaited)?;
            while !awaited.is_there.load(SeqCst) {
                if self.polls {
                    self.producer.poll(POLL_MS)
                } else {
                    thread::park()
                }
                if sent.elapsed() > Duration::from_secs(60) {
                    // The report may still come, to a place that is gone.
                    eprintln!("no delivery report");
                    std::process::exit(1);
                }
            }
            Ok(())
        })
    }
}

fn transactions(work: &Work) -> Result<Report, Failure> {
    let (producer, table) = (RdKafkaProducer::new(work)?, RecordTable::new(work)?);
    // SAFETY: the client is live.
    check(unsafe { ffi::rd_kafka_init_transactions(producer.client, FLUSH_MS) })?;
    let make = |index| RdKafkaCommitter {
        producer: &producer,
        walk: table.walk(index, work.threads),
        records: work.transaction,
        between_looks: table.between_looks(),
        committed: 0,
        times: Vec::new(),
    };
    let (threads, report) = callers::run(work, make, || Ok(()))?;
    let report = report.with("told", TOLD.load(Relaxed));
    Ok(callers::add_transactions(report, threads.into_iter().map(|it| (it.committed, it.times))))
}

/// Transactions of so many records; the commit flushes, and serves the delivery reports.
struct RdKafkaCommitter<'a> {
    producer: &'a RdKafkaProducer,
    walk: RecordWalk<'a>,
    records: u64,
    between_looks: u64,
    committed: u64,
    times: Vec<u32>,
}

impl CallingThread for RdKafkaCommitter<'_> {
    fn begin(&mut self) {
        self.times.clear();
    }

    fn send_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let client = self.producer.client;
        let count = callers::time_calls(&mut self.times, end, |_| {
            // SAFETY: the client is live.
            check(unsafe { ffi::rd_kafka_begin_transaction(client) })?;
            for number in 1..=self.records {
                self.producer.send(self.walk.key(), self.walk.value(), ptr::null())?;
                if number % self.between_looks == 0 {
                    self.producer.poll(0);
                }
            }
            // SAFETY: the client is live.
            check(unsafe { ffi::rd_kafka_commit_transaction(client, FLUSH_MS) })
        })?;
        self.committed += count;
        Ok(count * self.records)
    }
}

/// What a call of transactions returns: null where all is well.
fn check(error: *mut ffi::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: an error of ours, which is let go of after its text was copied.
    let text = unsafe { CStr::from_ptr(ffi::rd_kafka_error_string(error)) }.to_string_lossy().into_owned();
    // SAFETY: as above.
    unsafe { ffi::rd_kafka_error_destroy(error) };
    Err(text.into())
}

fn connect(work: &Work) -> Result<Report, Failure> {
    let stopwatch = Stopwatch::start()?;
    for _ in 0..work.rounds {
        RdKafkaProducer::new(work)?.ask_for_the_topic()?;
    }
    stopwatch.stop(Report::default().with("sent", 0).with("records", work.rounds))
}

fn cold(work: &Work) -> Result<Report, Failure> {
    let table = RecordTable::new(work)?;
    let begun = Instant::now();
    let producer = RdKafkaProducer::new(work)?;
    let mut walk = table.walk(0, 1);
    producer.send(walk.key(), walk.value(), ptr::null())?;
    while TOLD.load(Relaxed) == 0 {
        producer.poll(POLL_MS);
    }
    Ok(Report::default().with("sent", 1).with("first_us", begun.elapsed().as_micros()))
}

fn idle(work: &Work) -> Result<Report, Failure> {
    let (producer, table) = (RdKafkaProducer::new(work)?, RecordTable::new(work)?);
    let mut walk = table.walk(0, 1);
    for _ in 0..1000 {
        producer.send(walk.key(), walk.value(), ptr::null())?;
    }
    producer.flush()?;
    callers::idle(work, 1000)
}

/// How many records were reported as delivered.
static TOLD: AtomicU64 = AtomicU64::new(0);
static SAMPLES: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A librdkafka producer with one topic.
struct RdKafkaProducer {
    client: *mut RDKafka,
    topic: *mut RDKafkaTopic,
}

// SAFETY: librdkafka's interface may be called from several threads at once; what the pointers lead to is its own.
unsafe impl Sync for RdKafkaProducer {}

impl RdKafkaProducer {
    fn new(work: &Work) -> Result<Self, Failure> {
        let mut text = [0 as c_char; 512];
        // SAFETY: `config` is ours until rd_kafka_new takes it; `text` outlives the calls.
        unsafe {
            let config = ffi::rd_kafka_conf_new();
            for (name, value) in properties(work) {
                let (name_c, value_c) = (CString::new(name.as_str())?, CString::new(value.as_str())?);
                let (name_c, value_c) = (name_c.as_ptr(), value_c.as_ptr());
                let result = ffi::rd_kafka_conf_set(config, name_c, value_c, text.as_mut_ptr(), text.len());
                if result != ffi::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                    return Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into());
                }
            }
            ffi::rd_kafka_conf_set_dr_msg_cb(config, Some(on_delivery));
            let kind = ffi::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = ffi::rd_kafka_new(kind, config, text.as_mut_ptr(), text.len());
            if client.is_null() {
                return Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into());
            }
            let name = CString::new(work.topic.as_str())?;
            let topic = ffi::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut());
            if topic.is_null() {
                return Err("rd_kafka_topic_new failed".into());
            }
            Ok(RdKafkaProducer { client, topic })
        }
    }

    /// `awaited` is null, or lives until its report has come.
    fn send(&self, key: Option<&[u8]>, value: &[u8], awaited: *const Awaited) -> Result<(), Failure> {
        let (key, key_length) = key.map_or((ptr::null(), 0), |key| (key.as_ptr(), key.len()));
        loop {
            // SAFETY: all are live; with F_COPY the value is only read, as the key always is.
            let result = unsafe {
                ffi::rd_kafka_produce(
                    self.topic,
                    ANY_PARTITION,
                    ffi::RD_KAFKA_MSG_F_COPY as c_int,
                    value.as_ptr().cast_mut().cast(),
                    value.len(),
                    key.cast(),
                    key_length,
                    awaited.cast_mut().cast(),
                )
            };
            if result == 0 {
                return Ok(());
            }
            // SAFETY: reads the error of the call before, on this thread.
            let error = unsafe { ffi::rd_kafka_last_error() };
            if error != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                return Err(format!("produce: {:?}", RDKafkaErrorCode::from(error)).into());
            }
            self.poll(QUEUE_FULL_POLL_MS);
        }
    }

    fn ask_for_the_topic(&self) -> Result<(), Failure> {
        let mut metadata = ptr::null();
        // SAFETY: both are live; what it makes is freed at once.
        let error = unsafe { ffi::rd_kafka_metadata(self.client, 0, self.topic, &mut metadata, FLUSH_MS) };
        if error != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(format!("metadata: {:?}", RDKafkaErrorCode::from(error)).into());
        }
        // SAFETY: made by the call before.
        unsafe { ffi::rd_kafka_metadata_destroy(metadata) };
        Ok(())
    }

    fn poll(&self, timeout_ms: c_int) {
        // SAFETY: the client is live.
        unsafe { ffi::rd_kafka_poll(self.client, timeout_ms) };
    }

    fn flush(&self) -> Result<(), Failure> {
        // SAFETY: the client is live.
        let error = unsafe { ffi::rd_kafka_flush(self.client, FLUSH_MS) };
        if error == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(format!("flush: {:?}", RDKafkaErrorCode::from(error)).into())
    }
}

impl Drop for RdKafkaProducer {
    fn drop(&mut self) {
        // SAFETY: nothing uses them after this, and the callback cannot run once the client is gone.
        unsafe {
            ffi::rd_kafka_topic_destroy(self.topic);
            ffi::rd_kafka_destroy(self.client);
        }
    }
}

/// Runs inside `rd_kafka_poll` and `rd_kafka_flush`, on whichever thread calls them.
unsafe extern "C" fn on_delivery(_: *mut RDKafka, message: *const RDKafkaMessage, _: *mut c_void) {
    // SAFETY: librdkafka gives a live message; its opaque pointer is null or somebody's who waits.
    unsafe {
        if (*message).err != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            eprintln!("not delivered: {:?}", RDKafkaErrorCode::from((*message).err));
            return;
        }
        if TOLD.fetch_add(1, Relaxed).is_multiple_of(SAMPLED) {
            let micros = u32::try_from(ffi::rd_kafka_message_latency(message)).unwrap_or_default();
            let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
            samples.push(micros.saturating_mul(1000));
        }
        if let Some(awaited) = (*message)._private.cast::<Awaited>().as_ref() {
            let thread = awaited.thread.clone();
            awaited.is_there.store(true, SeqCst);
            thread.unpark();
        }
    }
}

/// The settings of `client-ours` in librdkafka's words.
fn properties(work: &Work) -> Vec<(String, String)> {
    let (batch_size, idempotent) = (work.batch_size.to_string(), work.idempotent.to_string());
    let linger = work.linger_of_peers().to_string();
    let fixed = [
        ("bootstrap.servers", work.address.as_str()),
        ("acks", "all"),
        ("enable.idempotence", &idempotent),
        ("linger.ms", &linger),
        ("batch.size", &batch_size),
        ("batch.num.messages", "1000000"),
        ("message.max.bytes", "2097152"), // room for a batch of 1 MiB and its request
        ("queue.buffering.max.kbytes", "65536"),
        ("queue.buffering.max.messages", "10000000"),
        ("partitioner", "murmur2_random"),
        ("max.in.flight.requests.per.connection", "5"),
        ("compression.type", &work.codec),
    ];
    let id = (work.mode == Mode::Transactions).then_some(("transactional.id", work.topic.as_str()));
    let fixed = fixed.into_iter().chain(id).map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.chain(work.properties.iter().cloned()).collect()
}
