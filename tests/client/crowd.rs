//! A crowd: threads that send and wait in every way at once, with little memory, and are interrupted, until they are
//! done or the producer is closed under them. Each accepted record has one outcome, the logs hold it once and in the
//! order of its thread, what was refused is not there, and all memory is given back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{AGES, SOON, TextProducer, producer, text, wait_until};
use kafka_embedded::EmbeddedCluster;
use kafka_producer::{Error, ErrorKind, InterruptHandle, ProducerRecord, RecordFuture, RecordMetadata};

const TOPICS: [(&str, i32); 3] = [("a", 1), ("b", 2), ("c", 3)];
const THREADS: usize = 8;
const RECORDS: usize = 200;
const MEMORY: usize = 30_000;

/// What a record's callback was told, and how often.
type Told = Arc<Mutex<Vec<Option<(i32, Option<i64>)>>>>;

struct Sent {
    topic: &'static str,
    value: String,
    future: RecordFuture,
    told: Option<Told>,
}

/// What a thread has sent, and the values that were refused.
#[derive(Default)]
struct Account {
    sent: Vec<Sent>,
    refused: Vec<String>,
}

fn may_be(error: &Error, kinds: &[ErrorKind]) {
    assert!(kinds.contains(&error.kind()), "{error}");
}

fn place(metadata: &RecordMetadata) -> (i32, Option<i64>) {
    (metadata.partition(), metadata.offset())
}

/// Sends one record in some way, and perhaps waits for something.
fn step(producer: &TextProducer, value: String, random: &mut fastrand::Rng, account: &mut Account) -> bool {
    let (topic, partitions) = TOPICS[random.usize(..TOPICS.len())];
    let mut record = ProducerRecord::new(topic, value.clone());
    if random.bool() {
        record = record.with_partition(random.i32(0..partitions));
    }
    let told = random.bool().then(Told::default);
    let sent = match told.clone() {
        Some(told) => producer.send_with_callback(record, move |outcome| {
            told.lock().unwrap().push(outcome.ok().map(|metadata| place(&metadata)));
        }),
        None => producer.send(record),
    };
    let future = match sent {
        Ok(future) => future,
        Err(error) => {
            may_be(&error, &[ErrorKind::Closed, ErrorKind::Interrupted]);
            account.refused.push(value);
            return error.kind() != ErrorKind::Closed;
        }
    };
    account.sent.push(Sent { topic, value, future: future.clone(), told });
    let waited = match random.u8(..12) {
        0 => future.get().map(drop),
        1 => future.get_timeout(Duration::ZERO).map(drop),
        2 => future.get_timeout(Duration::from_micros(random.u64(..2000))).map(drop),
        3 => producer.flush(),
        4 => account.sent[random.usize(..account.sent.len())].future.get_timeout(AGES).map(drop),
        _ => Ok(()),
    };
    if let Err(error) = waited {
        may_be(&error, &[ErrorKind::Interrupted, ErrorKind::Timeout]);
    }
    true
}

/// What one thread does.
fn one_of_it(
    producer: &TextProducer,
    thread: usize,
    mut random: fastrand::Rng,
    accepted: &AtomicUsize,
) -> Account {
    let mut account = Account::default();
    for number in 0..RECORDS {
        let value = format!("{thread}/{number:06}{}", "x".repeat(random.usize(..400)));
        if !step(producer, value, &mut random, &mut account) {
            break;
        }
        accepted.fetch_add(1, Ordering::Relaxed);
    }
    account
}

fn crowd(seed: u64, settings: &[(&str, &str)], close_after: Option<usize>) {
    let mut builder = EmbeddedCluster::builder().brokers(2);
    for (topic, partitions) in TOPICS {
        builder = builder.topic(topic, partitions);
    }
    let cluster = builder.start().unwrap();
    let memory = MEMORY.to_string();
    let settings: Vec<_> = [("buffer.memory", memory.as_str()), ("max.request.size", "1000000")]
        .into_iter()
        .chain(settings.iter().copied())
        .collect();
    let producer = producer(&cluster, &settings);
    let (accepted, calm) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (tell, handles) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (producer, accepted, tell) = (producer.clone(), Arc::clone(&accepted), tell.clone());
            thread::spawn(move || {
                tell.send(InterruptHandle::current()).unwrap();
                let random = fastrand::Rng::with_seed(seed * 100 + thread as u64);
                one_of_it(&producer, thread, random, &accepted)
            })
        })
        .collect();
    let interrupting = thread::spawn({
        let calm = Arc::clone(&calm);
        move || {
            let handles: Vec<InterruptHandle> = handles.iter().take(THREADS).collect();
            for turn in 0.. {
                if calm.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_micros(700));
                handles[turn % THREADS].interrupt();
            }
        }
    });
    if let Some(enough) = close_after {
        wait_until("some are sent", || accepted.load(Ordering::Relaxed) >= enough);
        producer.close().unwrap();
    }
    let accounts: Vec<Account> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    calm.store(true, Ordering::Relaxed);
    interrupting.join().unwrap();
    if close_after.is_none() {
        let begun = Instant::now();
        producer.flush().unwrap();
        assert!(begun.elapsed() < SOON, "seed {seed}: something was slept over for {:?}", begun.elapsed());
        // The last batch gives its memory back when its records are told of.
        wait_until("the memory is given back", || producer.buffered_bytes() == 0);
        // All memory but what a record and its batch take besides the value.
        let all = ProducerRecord::new("a", "m".repeat(MEMORY - 100)).with_partition(0);
        producer.try_send(all).expect("all memory has been given back").get_timeout(AGES).unwrap();
        producer.close().unwrap();
    }
    check(&cluster, &accounts, seed);
}

fn check(cluster: &EmbeddedCluster, accounts: &[Account], seed: u64) {
    let mut places: HashMap<(&str, String), (i32, i64)> = HashMap::new();
    for (topic, _) in TOPICS {
        for record in cluster.records(topic) {
            let value = text(record.value.as_ref()).unwrap();
            let twice = places.insert((topic, value), (record.partition, record.offset));
            assert!(twice.is_none(), "seed {seed}: a record is in {topic} twice");
        }
    }
    places.retain(|(_, value), _| !value.starts_with('m'));
    let sent: usize = accounts.iter().map(|account| account.sent.len()).sum();
    assert_eq!(places.len(), sent, "seed {seed}: all that was accepted and no more");
    for account in accounts {
        let mut last: HashMap<(&str, i32), i64> = HashMap::new();
        for Sent { topic, value, future, told } in &account.sent {
            let metadata = future.try_get().expect("closed: everything is answered").unwrap();
            let (partition, offset) = places[&(*topic, value.clone())];
            assert_eq!(place(&metadata), (partition, Some(offset)), "seed {seed}: {topic} {value}");
            if let Some(told) = told {
                assert_eq!(*told.lock().unwrap(), [Some((partition, Some(offset)))], "seed {seed}");
            }
            let last = last.entry((topic, partition)).or_insert(-1);
            assert!(offset > *last, "seed {seed}: {topic} {value} overtook the one before it");
            *last = offset;
        }
        for value in &account.refused {
            assert!(TOPICS.iter().all(|(topic, _)| !places.contains_key(&(*topic, value.clone()))));
        }
    }
}

#[test]
fn a_crowd_is_served_whatever_it_does() {
    let settings: [&[(&str, &str)]; 4] = [
        &[("batch.size", "300"), ("linger.ms", "0")],
        &[("batch.size", "16384"), ("linger.ms", "5"), ("get.spin.us", "0")],
        &[("batch.size", "2000"), ("linger.ms", "5"), ("get.spin.us", "1000")],
        &[("batch.size", "4000"), ("linger.ms", "1"), ("compression.type", "lz4")],
    ];
    for (seed, settings) in (0..).zip(settings) {
        crowd(seed, settings, None);
        crowd(seed, settings, Some(150 * seed as usize));
    }
}
