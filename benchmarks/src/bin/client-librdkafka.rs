//! client-librdkafka: the work of the benchmark by librdkafka, through its C interface and in its fastest way.
//!
//! `rd_kafka_produce` with the topic's handle and a copy of the payload (a caller of ours also keeps its own), no
//! delivery callback when the rate is measured, so no report is ever queued. A full queue is waited for in
//! `rd_kafka_poll`, as its examples do.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::{Keys, Mode, TOPIC, Work};
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

/// How many round trips are made before they are timed.
const WARM_UP: u64 = 200;

fn main() -> Result<(), Failure> {
    let work = Work::from_args()?;
    let report = match work.mode {
        Mode::Throughput => throughput(&work)?,
        Mode::Latency => latency(&work)?,
        Mode::Connect => connect(&work)?,
    };
    // SAFETY: returns a static string.
    let version = unsafe { CStr::from_ptr(ffi::rd_kafka_version_str()) }.to_string_lossy().into_owned();
    println!("{}", report.with("version", version).with_peak_memory()?);
    Ok(())
}

fn throughput(work: &Work) -> Result<Report, Failure> {
    let mut producer = RdKafkaProducer::new(work)?;
    let value = work.value();
    let mut keys = work.keyed.then(Keys::new);
    producer.send(keys.as_mut().map(Keys::advance), &value)?;
    producer.flush()?;
    let begin = Instant::now();
    for _ in 0..work.records {
        producer.send(keys.as_mut().map(Keys::advance), &value)?;
    }
    producer.flush()?;
    let seconds = begin.elapsed().as_secs_f64();
    Report::default().with("sent", work.records + 1).with("seconds", seconds).with_caller_cpu()
}

fn latency(work: &Work) -> Result<Report, Failure> {
    let mut producer = RdKafkaProducer::new(work)?;
    let value = work.value();
    let mut times = Vec::with_capacity(work.records as usize);
    for _ in 0..WARM_UP {
        producer.send_and_wait(&value)?;
    }
    let begin = Instant::now();
    for _ in 0..work.records {
        let sent = Instant::now();
        producer.send_and_wait(&value)?;
        times.push(sent.elapsed());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let report = Report::default().with("sent", work.records + WARM_UP).with("seconds", seconds);
    Ok(report.with_round_trips(times))
}

fn connect(work: &Work) -> Result<Report, Failure> {
    let begin = Instant::now();
    for _ in 0..work.records {
        RdKafkaProducer::new(work)?.ask_for_the_topic()?;
    }
    Ok(Report::default().with("sent", 0).with("seconds", begin.elapsed().as_secs_f64()))
}

/// What the delivery callback has seen; it runs inside `rd_kafka_poll`, on our thread.
#[derive(Default)]
struct Delivered {
    records: u64,
    failed: u64,
}

/// A librdkafka producer with one topic.
struct RdKafkaProducer {
    client: *mut RDKafka,
    topic: *mut RDKafkaTopic,
    /// Belongs to this producer; librdkafka holds the pointer for the callback.
    delivered: *mut Delivered,
}

impl RdKafkaProducer {
    fn new(work: &Work) -> Result<Self, Failure> {
        let delivered = Box::into_raw(Box::<Delivered>::default());
        let mut text = [0 as c_char; 512];
        // SAFETY: `config` is ours until rd_kafka_new takes it; `text` outlives the calls; `delivered` is freed after
        // the client is destroyed.
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
            if work.mode == Mode::Latency {
                ffi::rd_kafka_conf_set_opaque(config, delivered.cast());
                ffi::rd_kafka_conf_set_dr_msg_cb(config, Some(on_delivery));
            }
            let kind = ffi::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = ffi::rd_kafka_new(kind, config, text.as_mut_ptr(), text.len());
            if client.is_null() {
                return Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into());
            }
            let name = CString::new(TOPIC)?;
            let topic = ffi::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut());
            if topic.is_null() {
                return Err("rd_kafka_topic_new failed".into());
            }
            Ok(RdKafkaProducer { client, topic, delivered })
        }
    }

    fn send(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<(), Failure> {
        let (key, key_length) = key.map_or((ptr::null(), 0), |key| (key.as_ptr(), key.len()));
        loop {
            // SAFETY: both are live; with F_COPY the value is only read, as the key always is.
            let result = unsafe {
                ffi::rd_kafka_produce(
                    self.topic,
                    ANY_PARTITION,
                    ffi::RD_KAFKA_MSG_F_COPY as c_int,
                    value.as_ptr().cast_mut().cast(),
                    value.len(),
                    key.cast(),
                    key_length,
                    ptr::null_mut(),
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

    fn send_and_wait(&mut self, value: &[u8]) -> Result<(), Failure> {
        let before = self.delivered().records;
        self.send(None, value)?;
        let give_up = Instant::now() + Duration::from_millis(FLUSH_MS as u64);
        while self.delivered().records == before {
            self.poll(POLL_MS);
            if Instant::now() > give_up {
                return Err("no delivery report".into());
            }
        }
        if self.delivered().failed == 0 { Ok(()) } else { Err("a record was not delivered".into()) }
    }

    fn ask_for_the_topic(&mut self) -> Result<(), Failure> {
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

    fn poll(&mut self, timeout_ms: c_int) {
        // SAFETY: the client is live.
        unsafe { ffi::rd_kafka_poll(self.client, timeout_ms) };
    }

    /// What the callback wrote: it only runs inside `poll`, so nothing writes while this is borrowed.
    fn delivered(&self) -> &Delivered {
        // SAFETY: made in `new`, freed in `drop`.
        unsafe { &*self.delivered }
    }

    fn flush(&mut self) -> Result<(), Failure> {
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
            drop(Box::from_raw(self.delivered));
        }
    }
}

unsafe extern "C" fn on_delivery(_: *mut RDKafka, message: *const RDKafkaMessage, opaque: *mut c_void) {
    // SAFETY: librdkafka gives a live message and the opaque pointer set in `RdKafkaProducer::new`.
    unsafe {
        let delivered = &mut *opaque.cast::<Delivered>();
        delivered.records += 1;
        if (*message).err != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            delivered.failed += 1;
        }
    }
}

/// The settings of `client-ours` in librdkafka's words. Its linger is 0 where single round trips are timed: there it
/// would wait in vain.
fn properties(work: &Work) -> Vec<(String, String)> {
    let linger = if work.mode == Mode::Latency { "0" } else { "5" };
    let batch_size = work.batch_size.to_string();
    let fixed = [
        ("bootstrap.servers", work.address.as_str()),
        ("acks", "all"),
        ("enable.idempotence", "false"),
        ("linger.ms", linger),
        ("batch.size", &batch_size),
        ("batch.num.messages", "1000000"),
        ("message.max.bytes", "2097152"), // room for a batch of 1 MiB and its request
        ("queue.buffering.max.kbytes", "65536"),
        ("queue.buffering.max.messages", "10000000"),
        ("partitioner", "murmur2_random"),
        ("max.in.flight.requests.per.connection", "1000000"),
        ("compression.type", "none"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.chain(work.properties.iter().cloned()).collect()
}
