//! Scenarios: what is counted. Each does its work once so that all is warm, and then once more, counted.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka_producer::internal::{self, Answers, FilledBatch, SteppedProducer};
use kafka_producer::{ProducerConfig, ProducerRecord, RecordFuture};
use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::payloads::{Payloads, RecordTable};
use kafka_producer_benchmarks::work::TOPIC;

use crate::broker::{OneBroker, produce_answers};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What the figure is counted by.
    pub(crate) unit: &'static str,
    /// Does the work; says how many units it was.
    pub(crate) run: fn() -> Result<u64, Failure>,
}

pub(crate) const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "send, keyless", unit: "record", run: send_keyless },
    Scenario { name: "send_and_forget", unit: "record", run: send_and_forget },
    Scenario { name: "send, keyed", unit: "record", run: send_keyed },
    Scenario { name: "send, with callback", unit: "record", run: send_with_callback },
    Scenario { name: "send, future kept", unit: "record", run: send_with_future },
    Scenario { name: "send, a batch of 16 KiB", unit: "batch", run: send_batches },
    Scenario { name: "seal 16 KiB", unit: "batch", run: seal },
    Scenario { name: "drain to settle", unit: "batch", run: drain_to_settle },
    Scenario { name: "drain to settle, with callbacks", unit: "record", run: drain_to_settle_with_callbacks },
    Scenario { name: "decode an answer", unit: "answer", run: decode },
];

/// The one function in which instructions are counted.
pub(crate) const MEASURED: &str = "scenarios::measured";

#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

const RECORDS: u64 = 10_000;
/// So few that their timestamps differ by hardly anything, slow as callgrind is: all take the same bytes.
const ROUND: u64 = 200;
/// They fill two hundred small batches.
const MANY_RECORDS: u64 = 30_000;
const BATCHES: u64 = 200;
const SMALL_BATCH: usize = 16 << 10;
/// All records of a scenario fit.
const LARGE_BATCH: usize = 2 << 20;
const VALUE: [u8; 100] = *b"The value of each record has a hundred bytes and is the same in all of them, whatever is counted.\r\n\0";

/// A producer, and how many batches its broker has taken.
struct CountedProducer {
    stepped: SteppedProducer<[u8], [u8]>,
    batches: Rc<Cell<u64>>,
}

/// A producer that knows its topic.
fn producer(partitions: i32, batch_size: usize) -> Result<CountedProducer, Failure> {
    let batch_size = batch_size.to_string();
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", "broker:9092"),
        ("key.serializer", "ByteArraySerializer"),
        ("value.serializer", "ByteArraySerializer"),
        ("batch.size", &batch_size),
        ("buffer.memory", "67108864"),
        ("max.request.size", "4194304"),
        ("linger.ms", "0"),
        ("get.spin.us", "0"),
    ])?;
    let batches = Rc::default();
    let stepped = SteppedProducer::new(config, OneBroker::new(partitions, Rc::clone(&batches)))?;
    let mut producer = CountedProducer { stepped, batches };
    for _ in 0..100 {
        if send(&producer, 1).is_ok() {
            producer.settle();
            return Ok(producer);
        }
        producer.stepped.turn();
    }
    Err("the topic did not become known".into())
}

impl CountedProducer {
    /// Lets the sender take its turns until nothing is left; says how many batches went.
    fn settle(&mut self) -> u64 {
        let (begin, mut idle) = (self.batches.get(), 0);
        while idle < 3 {
            let before = self.batches.get();
            self.stepped.turn();
            idle = if self.batches.get() == before { idle + 1 } else { 0 };
        }
        self.batches.get() - begin
    }
}

fn send(producer: &CountedProducer, count: u64) -> Result<(), Failure> {
    for _ in 0..count {
        producer.stepped.producer().try_send(ProducerRecord::new(TOPIC, &VALUE[..]))?;
    }
    Ok(())
}

/// Sends to one batch in each partition, lets them be settled, and so on; the first rounds are not counted.
fn rounds(
    partitions: i32,
    mut send: impl FnMut(&CountedProducer, u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut producer = producer(partitions, LARGE_BATCH)?;
    for _ in 0..WARM_UP {
        send(&producer, ROUND)?;
        producer.settle();
    }
    for _ in 0..RECORDS / ROUND {
        measured(|| send(&producer, ROUND))?;
        producer.settle();
    }
    Ok(RECORDS)
}

const WARM_UP: usize = 3;

fn send_keyless() -> Result<u64, Failure> {
    rounds(1, send)
}

fn send_and_forget() -> Result<u64, Failure> {
    rounds(1, |producer, count| {
        for _ in 0..count {
            producer.stepped.producer().send_and_forget(ProducerRecord::new(TOPIC, &VALUE[..]))?;
        }
        Ok(())
    })
}

fn send_keyed() -> Result<u64, Failure> {
    let table = RecordTable::of(Payloads::keys(1), Payloads::keys(10_000));
    let mut walk = table.walk(0, 1);
    rounds(2, |producer, count| {
        for _ in 0..count {
            let key = walk.key().unwrap_or_default();
            let record = ProducerRecord::new(TOPIC, &VALUE[..]).with_key(key);
            producer.stepped.producer().try_send(record)?;
        }
        Ok(())
    })
}

/// The futures of a round are asked when it is settled, and that is counted with sending them.
fn send_with_future() -> Result<u64, Failure> {
    let mut producer = producer(1, LARGE_BATCH)?;
    let mut kept = Vec::with_capacity(ROUND as usize);
    for round in 0..WARM_UP as u64 + RECORDS / ROUND {
        let send = |kept: &mut Vec<_>| -> Result<(), Failure> {
            for _ in 0..ROUND {
                kept.push(producer.stepped.producer().try_send(ProducerRecord::new(TOPIC, &VALUE[..]))?);
            }
            Ok(())
        };
        let counted = round >= WARM_UP as u64;
        if counted {
            measured(|| send(&mut kept))?
        } else {
            send(&mut kept)?
        }
        producer.settle();
        let ask = |kept: &mut Vec<RecordFuture>| kept.drain(..).try_for_each(|future| future.get().map(drop));
        if counted { measured(|| ask(&mut kept))? } else { ask(&mut kept)? }
    }
    Ok(RECORDS)
}

fn send_with_callback() -> Result<u64, Failure> {
    let called = Arc::default();
    rounds(1, |producer, count| send_called(producer, count, &called))
}

fn send_called(producer: &CountedProducer, count: u64, called: &Arc<AtomicU64>) -> Result<(), Failure> {
    for _ in 0..count {
        let called = Arc::clone(called);
        let record = ProducerRecord::new(TOPIC, &VALUE[..]);
        let callback = move |_: Result<_, _>| {
            called.fetch_add(1, Ordering::Relaxed);
        };
        producer.stepped.producer().send_with_callback(record, callback)?;
    }
    Ok(())
}

/// Sending, sealing, and opening the next batch.
fn send_batches() -> Result<u64, Failure> {
    let mut producer = producer(1, SMALL_BATCH)?;
    send(&producer, MANY_RECORDS)?;
    producer.settle();
    measured(|| send(&producer, MANY_RECORDS))?;
    Ok(producer.settle())
}

fn seal() -> Result<u64, Failure> {
    let fill = || (0..BATCHES).map(|_| FilledBatch::new(&VALUE, SMALL_BATCH)).collect::<Vec<_>>();
    let sealed =
        |filled: Vec<FilledBatch>| filled.into_iter().map(|batch| batch.seal().size()).sum::<usize>();
    let (first, second) = (sealed(fill()), fill());
    let again = measured(|| sealed(second));
    if again == first { Ok(BATCHES) } else { Err("the same batches have other sizes".into()) }
}

/// From full batches in their queue to the end of their futures.
fn drain_to_settle() -> Result<u64, Failure> {
    let mut producer = producer(1, SMALL_BATCH)?;
    send(&producer, MANY_RECORDS)?;
    producer.settle();
    send(&producer, MANY_RECORDS)?;
    Ok(measured(|| producer.settle()))
}

fn drain_to_settle_with_callbacks() -> Result<u64, Failure> {
    let mut producer = producer(1, SMALL_BATCH)?;
    let called = Arc::default();
    send_called(&producer, MANY_RECORDS, &called)?;
    producer.settle();
    send_called(&producer, MANY_RECORDS, &called)?;
    measured(|| producer.settle());
    if called.load(Ordering::Relaxed) == 2 * MANY_RECORDS {
        Ok(MANY_RECORDS)
    } else {
        Err(format!("of {} callbacks {} were called", 2 * MANY_RECORDS, called.load(Ordering::Relaxed))
            .into())
    }
}

/// Cutting a stream into answers, and reading what Produce answers say.
fn decode() -> Result<u64, Failure> {
    let (stream, frames) = produce_answers(RECORDS as usize);
    let [produce, ..] = Answers::all();
    let read = || -> Result<(), Failure> {
        internal::frames(&stream, 64 << 10)?;
        frames.iter().try_for_each(|frame| produce.read(13, frame))?;
        Ok(())
    };
    read()?;
    measured(read)?;
    Ok(RECORDS)
}
