//! One producer is one thread, which sleeps while there is nothing to do and is gone afterwards. Linux only: it looks
//! into /proc. One test at a time, since all of them look at the threads of the whole process.

#![cfg(all(test, target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, BrokerError, Fault};
use support::{AGES, cluster, producer, three_brokers, to_first, wait_until};

static ALONE: Mutex<()> = Mutex::new(());

/// Also the thread of the test before has left.
fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    wait_until("nobody else's producer has a thread", || sender_threads().is_empty());
    alone
}

/// The ids of the threads whose name begins so. The system keeps 15 bytes of a name.
fn threads(name: &str) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let ids = tasks.map(|task| task.file_name().into_string().unwrap());
    ids.filter(|id| {
        // A thread may end while we look.
        let found = fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
        found.starts_with(&name[..name.len().min(15)])
    })
    .collect()
}

/// `kafka-7 orders`: the number of the producer, and as much of its client id as the system keeps.
fn sender_threads() -> Vec<String> {
    (0..=9).flat_map(|digit| threads(&format!("kafka-{digit}"))).collect()
}

/// User and system time of a thread, in clock ticks of 10 ms.
fn ticks(id: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    let fields: Vec<_> = after_name.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// How often a thread has gone to sleep.
fn sleeps(id: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
    line.rsplit('\t').next().unwrap().trim().parse().unwrap()
}

/// Behaviour 79.
#[test]
fn one_thread_whatever_the_number_of_brokers_and_none_afterwards() {
    let _alone = alone();
    let cluster = three_brokers(6);
    for way in ["close", "drop", "close_timeout"] {
        let producer = producer(&cluster, &[]);
        for partition in 0..6 {
            let record = kafka_producer::ProducerRecord::new("t", "v").with_partition(partition);
            producer.send(record).unwrap().get_timeout(AGES).unwrap();
        }
        assert_eq!(sender_threads().len(), 1);
        wait_until("names are resolved, and nobody is left who did it", || {
            threads("kafka-worker").is_empty()
        });
        match way {
            "close" => producer.close().unwrap(),
            "close_timeout" => drop(producer.close_timeout(Duration::ZERO).unwrap()),
            _ => drop(producer),
        }
        // The thread has said goodbye; the system takes a moment to forget it.
        wait_until("it is gone", || sender_threads().is_empty());
    }
    wait_until("the connections are closed", || cluster.connections_open() == 0);
}

#[test]
fn a_producer_that_could_not_be_built_leaves_no_thread() {
    let _alone = alone();
    let settings = support::config("no-such-host.invalid:9092", &[]);
    kafka_producer::KafkaProducer::<str, str>::new(settings).unwrap_err();
    let settings = support::config("localhost:9092", &[("value.serializer", "LongSerializer")]);
    kafka_producer::KafkaProducer::<str, str>::new(settings).unwrap_err();
    assert_eq!(sender_threads(), Vec::<String>::new());
}

/// Half of the limit would be a tenth of a processor; an idle thread uses nothing that could be measured.
fn assert_idle(what: &str) {
    let sender = sender_threads().pop().unwrap();
    let (begun, before, slept) = (Instant::now(), ticks(&sender), sleeps(&sender));
    thread::sleep(Duration::from_secs(2));
    let (used, woken) = (ticks(&sender) - before, sleeps(&sender) - slept);
    // Two seconds, or as many as the machine has let pass.
    let seconds = begun.elapsed().as_secs_f64();
    assert!(used as f64 <= 5.0 * seconds, "{what}: {used} ticks of 10 ms in {seconds} s");
    assert!(woken as f64 <= 100.0 * seconds, "{what}: woken {woken} times in {seconds} s");
}

#[test]
fn an_idle_producer_uses_no_processor_time() {
    let _alone = alone();
    let cluster = three_brokers(6);
    let producer = producer(&cluster, &[]);
    for partition in 0..6 {
        let record = kafka_producer::ProducerRecord::new("t", "v").with_partition(partition);
        producer.send(record).unwrap().get_timeout(AGES).unwrap();
    }
    let sender = sender_threads().pop().unwrap();
    let slept = sleeps(&sender);
    assert_idle("nothing to do");
    assert!(sleeps(&sender) - slept <= 20, "nothing ticks");
}

#[test]
fn a_producer_without_a_broker_does_not_spin() {
    let _alone = alone();
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("reconnect.backoff.max.ms", "500")]);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    let waiting = producer.send(to_first("v")).unwrap();
    let sender = sender_threads().pop().unwrap();
    let (begun, slept) = (Instant::now(), sleeps(&sender));
    assert_idle("the broker is away");
    let woken = sleeps(&sender) - slept;
    let seconds = begun.elapsed().as_secs_f64();
    assert!(woken as f64 <= 50.0 * seconds, "only to connect again: woken {woken} times in {seconds} s");
    cluster.start_broker(1).unwrap();
    waiting.get_timeout(AGES).unwrap();
}

#[test]
fn a_producer_that_waits_for_an_answer_a_linger_or_a_backoff_does_not_spin() {
    let _alone = alone();
    let cluster = cluster(2);
    let settings = &[("linger.ms", "10000"), ("retry.backoff.ms", "50"), ("retry.backoff.max.ms", "50")];
    let producer = producer(&cluster, settings);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let lingering = producer.send(to_first("v")).unwrap();
    assert_idle("linger");
    lingering.get_timeout(AGES).unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let refused = producer.send(to_first("v")).unwrap();
    assert!(refused.get_timeout(Duration::from_millis(100)).is_err());
    assert_idle("backoff");
    cluster.clear_faults();
    refused.get_timeout(AGES).unwrap();
    let delay = kafka_embedded::Fault::delay(kafka_embedded::Api::Produce, Duration::from_millis(2_500));
    cluster.inject(delay);
    let late = producer.send(to_first("v")).unwrap();
    assert!(late.get_timeout(Duration::from_millis(100)).is_err());
    assert_idle("an answer");
    late.get_timeout(AGES).unwrap();
}

#[test]
fn a_silent_topic_is_looked_for_patiently() {
    let _alone = alone();
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "100")]);
    producer.send(kafka_producer::ProducerRecord::new("missing", "v")).unwrap_err();
    assert_idle("a topic that does not exist");
}

/// Fault D8.
#[test]
fn the_threads_of_several_producers_are_told_apart_by_what_the_system_shows() {
    let _alone = alone();
    let cluster = cluster(1);
    let ids = ["order-service-of-the-shop", "order-service-of-the-shop", "a\u{0}b\nc", ""];
    let producers = ids.map(|id| producer(&cluster, &[("client.id", id)]));
    for producer in &producers {
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    let names = |id: &String| fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap();
    let mut names: Vec<String> = sender_threads().iter().map(names).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.contains(" order")).count(), 2, "{names:?}");
}
