//! `kafka-producer` as a library for programs in C: `kafka_producer.h` is its description, `send.c` a program that uses it.
//!
//! ```text
//! cargo build --release -p kafka-producer-from-c
//! cc -Wall -I examples/from_c examples/from_c/send.c -L target/release -lkafka_producer_c -o send
//! LD_LIBRARY_PATH=target/release ./send localhost:9092 test
//! ```
//!
//! Owns: what each function of the header does. The pointers are followed in `pointers.rs`, the only file with `unsafe`; where
//! a `Box` or a reference says the same as C's pointer, it stands in its place (`Option<&T>` is a pointer that may be NULL).
//! A panic would end the process: Rust does so at the border to C.

mod pointers;

use std::ffi::c_char;
use std::time::Duration;

use kafka_producer::{CloseReport, Error, KafkaProducer, ProducerConfig, ProducerRecord, RecordMetadata};

/// A producer, as C holds it: `kp_producer`.
pub(crate) struct Handle(KafkaProducer<[u8], [u8]>);

/// `kp_place`: where a record is.
#[repr(C)]
pub(crate) struct Place {
    offset: i64,
    partition: i32,
}

/// `kp_error`: what went wrong.
#[repr(C)]
pub(crate) struct Failure {
    possibly_written: bool,
    retriable: bool,
    fatal: bool,
    text: [c_char; 509],
}

/// `kp_report`: what has become of the rest.
#[repr(C)]
pub(crate) struct Report {
    delivered: u64,
    lost: u64,
}

/// `kp_callback`.
pub(crate) type OnOutcome = extern "C" fn(context: usize, place: Option<&Place>, error: Option<&Failure>);

/// A record's parts, as they come from C.
struct Parts<'a> {
    topic: Option<&'a str>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

fn open(properties: Option<&str>) -> Result<Handle, Box<Failure>> {
    let properties = properties.ok_or_else(|| Failure::told("properties: no text, or not UTF-8"))?;
    // Without escapes and continued lines, which a file may have: `ProducerConfig::from_file` reads these.
    let pairs = properties
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()));
    let config = ProducerConfig::from_properties(pairs)?;
    let producer = KafkaProducer::builder(config).default_serializers().build()?;
    Ok(Handle(producer))
}

/// Without a callback the outcome is not asked for.
fn send(
    producer: Option<&Handle>,
    parts: &Parts<'_>,
    callback: Option<OnOutcome>,
    context: usize,
) -> Result<(), Box<Failure>> {
    let (producer, record) = (known(producer)?, record(parts)?);
    let sent = match callback {
        None => producer.send(record),
        Some(callback) => producer.send_with_callback(record, move |outcome| match outcome {
            Ok(metadata) => callback(context, Some(&Place::from(metadata)), None),
            Err(error) => callback(context, None, Some(&Box::<Failure>::from(error))),
        }),
    };
    Ok(sent.map(drop)?)
}

fn send_and_wait(producer: Option<&Handle>, parts: &Parts<'_>) -> Result<Place, Box<Failure>> {
    let future = known(producer)?.send(record(parts)?)?;
    Ok(Place::from(future.get()?))
}

fn close(producer: Option<Box<Handle>>, timeout: Duration) -> Result<Report, Box<Failure>> {
    let report = known(producer.as_deref())?.close_timeout(timeout)?;
    Ok(Report::from(report))
}

fn known(producer: Option<&Handle>) -> Result<&KafkaProducer<[u8], [u8]>, Box<Failure>> {
    producer.map(|handle| &handle.0).ok_or_else(|| Failure::told("producer: NULL"))
}

type BytesRecord<'a> = ProducerRecord<Option<&'a [u8]>, Option<&'a [u8]>, &'a str>;

fn record<'a>(parts: &Parts<'a>) -> Result<BytesRecord<'a>, Box<Failure>> {
    let topic = parts.topic.ok_or_else(|| Failure::told("topic: no text, or not UTF-8"))?;
    Ok(ProducerRecord::new(topic, ()).with_optional_key(parts.key).with_optional_value(parts.value))
}

impl Failure {
    /// Boxed, since it is large and seldom there.
    fn told(text: &str) -> Box<Failure> {
        let (possibly_written, retriable, fatal) = (false, false, false);
        let mut failure = Box::new(Failure { possibly_written, retriable, fatal, text: [0; 509] });
        // What is cut off ends with a whole character, and with 0.
        let longest = text.len().min(failure.text.len() - 1);
        let room = (0..=longest).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        for (place, byte) in failure.text.iter_mut().zip(text.bytes().take(room)) {
            *place = byte.cast_signed() as c_char;
        }
        failure
    }
}

impl From<Error> for Box<Failure> {
    fn from(error: Error) -> Box<Failure> {
        let mut failure = Failure::told(&error.to_string());
        failure.possibly_written = error.possibly_written();
        failure.retriable = error.is_retriable();
        failure.fatal = error.is_fatal();
        failure
    }
}

impl From<RecordMetadata> for Place {
    fn from(metadata: RecordMetadata) -> Place {
        Place { offset: metadata.offset().unwrap_or(-1), partition: metadata.partition() }
    }
}

impl From<CloseReport> for Report {
    fn from(report: CloseReport) -> Report {
        Report { delivered: report.delivered, lost: report.failed + report.abandoned + report.unanswered }
    }
}
