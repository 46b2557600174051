//! Very many topics, partitions and producers: each record is in the logs once, the last one costs what the first one
//! did, and nothing is left behind.
//!
//! A process of its own, and one test at a time: memory, processor time, threads and descriptors are counted for all of
//! it, the embedded cluster included. With `--nocapture` it prints figures; those of a release build are in
//! `docs/reliability.md`.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster};
use kafka_producer::{ProducerRecord, RecordFuture};
use peak_alloc::PeakAlloc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use support::{AGES, TextProducer, cluster, producer, text, to_first, values, wait_until};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const TOPICS: usize = 10_000;
const PARTITIONS: i32 = 50_000;
const PRODUCERS: usize = 1000;

/// Little memory, so that the buffers that it keeps count for little, and nobody polls, which takes a processor or does not.
/// Nothing is late on a busy machine.
const SETTINGS: [(&str, &str); 4] = [
    ("buffer.memory", "4000000"),
    ("get.spin.us", "0"),
    ("delivery.timeout.ms", "300000"),
    ("max.block.ms", "300000"),
];

/// Of a partition or a topic with one: what the producer keeps of it between two records, at most.
const HELD_BYTES: usize = 4000;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What some work took.
struct Cost {
    time: Duration,
    processor: Duration,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Cost {
        let (begun, processor) = (Instant::now(), processor_time());
        work();
        Cost { time: begun.elapsed(), processor: processor_time() - processor }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s ({:.2} s of a processor)", self.time.as_secs_f64(), self.processor.as_secs_f64())
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

/// What grows with the square takes seven times as much for the last quarter as for the first, and some of it is enough.
fn assert_linear(quarters: &[Cost]) {
    let (first, last) = (quarters[0].processor, quarters[quarters.len() - 1].processor);
    assert!(
        last < first * 3 / 2 + Duration::from_millis(250),
        "the first quarter took {first:?}, the last {last:?}"
    );
}

/// What the producer has held of each of so many, by what is free when it is gone.
fn assert_held(producer: TextProducer, count: usize) -> usize {
    let with = MEMORY.current_usage();
    producer.close().unwrap();
    drop(producer);
    let each = with.saturating_sub(MEMORY.current_usage()) / count;
    assert!((10..=HELD_BYTES).contains(&each), "{each} bytes each");
    each
}

fn answer(futures: Vec<RecordFuture>) {
    futures.into_iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
}

#[test]
fn a_record_to_each_of_ten_thousand_topics_is_there_once_and_the_last_topic_costs_what_the_first_did() {
    let _one = one_at_a_time();
    let names: Vec<String> = (0..TOPICS).map(|number| format!("topic-{number:05}")).collect();
    let builder = EmbeddedCluster::builder().brokers(3);
    let cluster = names.iter().fold(builder, |builder, name| builder.topic(name, 1)).start().unwrap();
    let producer = producer(&cluster, &SETTINGS);
    let to = |name: &String| {
        producer.send(ProducerRecord::new(name.clone(), name.clone()).with_partition(0)).unwrap()
    };
    let work = |names: &[String]| Cost::of(|| answer(names.iter().map(to).collect()));
    let quarters: Vec<Cost> = names.chunks(TOPICS / 4).map(work).collect();
    let requests = cluster.requests(Api::Metadata);
    let again = work(&names);
    assert_eq!(cluster.requests(Api::Metadata), requests, "all are known");
    assert!(requests <= TOPICS + 10, "{requests} requests");
    for name in &names {
        let records = cluster.records(name);
        let values: Vec<String> = records.iter().map(|record| text(record.value.as_ref()).unwrap()).collect();
        assert_eq!(values, [name.clone(), name.clone()]);
    }
    let held = assert_held(producer, TOPICS);
    println!("{TOPICS} topics: the first record to a quarter of them after the other took");
    quarters.iter().for_each(|quarter| println!("  {quarter}"));
    println!("  the second to all of them {again}; {held} bytes are kept of each");
    assert_linear(&quarters);
}

#[test]
fn a_record_to_each_of_fifty_thousand_partitions_is_there_once_and_the_last_costs_what_the_first_did() {
    let _one = one_at_a_time();
    let cluster = EmbeddedCluster::builder().brokers(3).topic("t", PARTITIONS).start().unwrap();
    let producer = producer(&cluster, &SETTINGS);
    let first = Cost::of(|| drop(producer.partitions_for("t").unwrap()));
    let to = |partition: i32| {
        let record = ProducerRecord::new("t", format!("{partition}")).with_partition(partition);
        producer.send(record).unwrap()
    };
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let work = |some: &[i32]| Cost::of(|| answer(some.iter().copied().map(to).collect()));
    let quarters: Vec<Cost> = partitions.chunks(PARTITIONS as usize / 4).map(work).collect();
    let again = work(&partitions);
    let records = cluster.records("t").into_iter();
    let found: Vec<_> =
        records.map(|record| (record.partition, text(record.value.as_ref()).unwrap())).collect();
    let each = partitions.iter().flat_map(|partition| vec![(*partition, format!("{partition}")); 2]);
    assert!(found.iter().cloned().eq(each), "{} records", found.len());
    let held = assert_held(producer, PARTITIONS as usize);
    println!(
        "{PARTITIONS} partitions: to hear of them took {first}; the first record to a quarter of them after the other"
    );
    quarters.iter().for_each(|quarter| println!("  {quarter}"));
    println!("  the second to all of them {again}; {held} bytes are kept of each");
    assert_linear(&quarters);
}

/// Threads and descriptors of the process.
fn used() -> (usize, usize) {
    let count = |of: &str| std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count();
    (count("task"), count("fd"))
}

/// As many descriptors as the system lets us have: the brokers' ends of all connections are here as well.
fn raise_the_limit_of_descriptors(needed: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    assert!(maximum.is_none_or(|most| most >= needed), "{needed} descriptors are needed, see `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Threads that the test program itself may have begun meanwhile, and descriptors that it may have opened.
const OTHERS: usize = 2;

#[test]
fn a_thousand_producers_at_once_send_and_close_and_leave_neither_threads_nor_descriptors() {
    let _one = one_at_a_time();
    raise_the_limit_of_descriptors(15_000);
    let cluster = cluster(1);
    let (before, memory) = (used(), MEMORY.current_usage());
    let mut producers: Vec<TextProducer> = Vec::new();
    let made = Cost::of(|| producers.extend((0..PRODUCERS).map(|_| producer(&cluster, &[]))));
    let sent = Cost::of(|| {
        let numbered = producers.iter().enumerate();
        answer(numbered.map(|(number, one)| one.send(to_first(format!("{number}"))).unwrap()).collect());
    });
    let (threads, descriptors) = used();
    let each = (MEMORY.current_usage() - memory) / PRODUCERS;
    let closed = Cost::of(|| producers.into_iter().for_each(|producer| producer.close().unwrap()));
    // The cluster notices a little later that its connections are closed.
    wait_until("threads and descriptors are given back", || {
        let now = used();
        now.0 <= before.0 + OTHERS && now.1 <= before.1 + OTHERS
    });
    let mut found: Vec<usize> = values(&cluster, "t", 0).iter().map(|value| value.parse().unwrap()).collect();
    found.sort_unstable();
    assert!(found.iter().copied().eq(0..PRODUCERS), "{} records", found.len());
    println!("{PRODUCERS} producers: made in {made}, a record each in {sent}, closed in {closed};");
    println!("  {threads} threads, {descriptors} descriptors and {each} bytes each, with the brokers' ends");
}

#[test]
fn a_thousand_producers_one_after_the_other_leave_neither_threads_nor_descriptors_nor_memory() {
    let _one = one_at_a_time();
    let cluster = cluster(1);
    let one = |number: usize| {
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        producer.send(to_first(format!("{number}"))).unwrap().get_timeout(AGES).unwrap();
        producer.close().unwrap();
    };
    // What a process takes once for all its producers.
    (0..10).for_each(one);
    let (before, memory) = (used(), MEMORY.current_usage());
    let all = Cost::of(|| (10..PRODUCERS).for_each(one));
    wait_until("threads and descriptors are given back", || {
        let now = used();
        now.0 <= before.0 + OTHERS && now.1 <= before.1 + OTHERS
    });
    let each = MEMORY.current_usage().saturating_sub(memory) / PRODUCERS;
    assert_eq!(values(&cluster, "t", 0).len(), PRODUCERS);
    println!(
        "{PRODUCERS} producers, one after the other: {all}; {each} bytes remain of each, most of them in the broker's log"
    );
    assert!(each < 2000, "{each} bytes each");
}
