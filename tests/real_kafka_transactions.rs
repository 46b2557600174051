//! Transactions on Apache Kafka: what was committed is what kcat and Java's consumer read as committed, what was aborted lies
//! in the log with its marker, and the offsets are those that Java's tool tells. By whichever protocol the version has.
//!
//! On the newest version by both protocols, or on those that `KAFKA_PRODUCER_KAFKA_VERSIONS` names.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use harness::command::Process;
use harness::kafka_cluster::Kafka;
use harness::probe;
use harness::read_back::Row;
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, KafkaProducer, OffsetAndMetadata, ProducerConfig,
    ProducerRecord, TopicPartition,
};
use real_kafka_support::{TextProducer, text_producer};

// ---- which Kafka ----

/// A version of Kafka, and whether it goes by `transaction.version` 2.
#[derive(Debug, Clone, Copy)]
struct Server {
    version: &'static str,
    is_v2: bool,
}

impl Server {
    fn start(self, brokers: usize, settings: &[(&str, &str)]) -> Kafka {
        println!("{self:?}");
        let kafka = Kafka::start_with(self.version, brokers, settings);
        if kafka.jars().is_4() && !self.is_v2 {
            kafka.set_feature("transaction.version", 0);
        }
        kafka
    }
}

/// Runs a test on each that was asked for: of 4.x by both protocols.
fn on_each(test: impl Fn(Server)) {
    let _turn = harness::turn();
    for version in harness::versions_asked_for() {
        if version.starts_with('4') {
            test(Server { version, is_v2: true });
        }
        test(Server { version, is_v2: false });
    }
}

/// The same by the first one alone, for what takes long and does not depend on the protocol.
fn on_each_version(test: impl Fn(Server)) {
    let _turn = harness::turn();
    for version in harness::versions_asked_for() {
        test(Server { version, is_v2: version.starts_with('4') });
    }
}

// ---- what programs do ----

fn with_id(kafka: &Kafka, id: &str, more: &[(&str, &str)]) -> TextProducer {
    text_producer(kafka, &[&[("transactional.id", id)], more].concat())
}

fn ready(kafka: &Kafka, id: &str) -> TextProducer {
    let producer = with_id(kafka, id, &[]);
    until_over(|| producer.init_transactions()).unwrap();
    producer
}

/// The same call until its outcome is told.
fn until_over(call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    loop {
        match call() {
            Err(error) if error.is_retriable() => println!("once more: {error}"),
            outcome => return outcome,
        }
    }
}

fn send(producer: &TextProducer, topic: &str, value: &str) -> Result<(), Error> {
    producer.send(ProducerRecord::new(topic, value))?.get().map(drop)
}

fn send_offset(producer: &TextProducer, group: &str, partition: i32, offset: i64) -> Result<(), Error> {
    let position = OffsetAndMetadata::new(offset).with_metadata("here");
    let offsets = HashMap::from([(TopicPartition::new("test", partition), position)]);
    producer.send_offsets_to_transaction(&offsets, &ConsumerGroupMetadata::new(group))
}

/// A transaction of one record, from begin to commit.
fn commit_one(producer: &TextProducer, topic: &str, value: &str) {
    producer.begin_transaction().unwrap();
    producer.send(ProducerRecord::new(topic, value)).unwrap();
    until_over(|| producer.commit_transaction()).unwrap();
}

fn values(rows: &[Row]) -> Vec<String> {
    let text = |row: &Row| String::from_utf8(row.value.clone().unwrap()).unwrap();
    let mut values: Vec<String> = rows.iter().map(text).collect();
    values.sort();
    values
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not after a minute");
        thread::sleep(Duration::from_millis(50));
    }
}

// ---- commit and abort ----

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn what_is_committed_is_read_and_what_is_aborted_is_not() {
    on_each(|server| {
        let kafka = server.start(1, &[]);
        kafka.create_topic("test", 6, 1, &[]);
        let producer = ready(&kafka, "orders-service");
        let (mut expected, mut all) = (Vec::new(), Vec::new());
        for (round, commits) in [true, false, true, false, true].into_iter().enumerate() {
            producer.begin_transaction().unwrap();
            for number in 0..60 {
                let value = format!("{round}-{number:02}");
                producer.send(ProducerRecord::new("test", &value).with_partition(number % 6)).unwrap();
                all.push(value.clone());
                if commits {
                    expected.push(value);
                }
            }
            send_offset(&producer, "billing", 2, 100 + round as i64).unwrap();
            if commits {
                producer.commit_transaction().unwrap();
            } else {
                producer.flush().unwrap();
                producer.abort_transaction().unwrap();
            }
        }
        producer.close().unwrap();
        assert_eq!(values(&kafka.read_back("test")), expected);
        assert_eq!(values(&kafka.read_back_with_java("test")), expected);
        assert_eq!(values(&kafka.read_back_uncommitted("test")), all);

        // In the log are all 300, and in each partition a marker for each transaction.
        let batches = kafka.log_batches(1, "test");
        let mut epochs = Vec::new();
        for partition in batches.values() {
            let (data, control): (Vec<_>, Vec<_>) = partition.iter().partition(|batch| !batch.is_control);
            assert!(partition.iter().all(|batch| batch.is_valid && batch.is_transactional));
            assert_eq!(data.iter().map(|batch| batch.count).sum::<i32>(), 50);
            assert_eq!(control.len(), 5);
            epochs.extend(data.iter().map(|batch| batch.producer_epoch));
        }
        assert_eq!(batches.len(), 6);
        epochs.sort_unstable();
        epochs.dedup();
        // Each transaction has an epoch of its own, or all have one.
        assert_eq!(epochs.len(), if server.is_v2 { 5 } else { 1 }, "{epochs:?}");
        let offsets = kafka.group_offsets("billing");
        assert_eq!(offsets, BTreeMap::from([(("test".to_owned(), 2), 104)]), "of the last committed one");
    });
}

/// Behaviour 72.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn the_protocol_may_change_under_a_running_producer() {
    on_each_version(|server| {
        if !server.is_v2 {
            return;
        }
        let kafka = Server { is_v2: false, ..server }.start(1, &[]);
        kafka.create_topic("test", 1, 1, &[]);
        // So that the news come by themselves: brokers tell their features when a connection begins.
        let producer = with_id(&kafka, "upgraded", &[("connections.max.idle.ms", "1000")]);
        until_over(|| producer.init_transactions()).unwrap();
        let mut expected = Vec::new();
        for level in [0, 2] {
            kafka.set_feature("transaction.version", level);
            for round in 0..3 {
                let value = format!("{level}-{round}");
                commit_one(&producer, "test", &value);
                expected.push(value);
                thread::sleep(Duration::from_millis(1200));
            }
        }
        // The way back ends a producer, as it ends Java's, which goes it here, and another one goes on.
        let source = include_str!("real_kafka_transactions/Downgrade.java");
        let java =
            kafka.jars().java_source("Downgrade.java", source, &[&kafka.bootstrap_servers(), "test"], b"");
        println!("{}", java.text());
        producer.begin_transaction().unwrap();
        let error = send(&producer, "test", "too new").unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::UnsupportedVersion, "{error}");
        // Not with its id: what it has left open a coordinator of 4.3.1 does not end any more (51, and then 35, from InitProducerId).
        commit_one(&ready(&kafka, "another"), "test", "by another");
        expected.extend(["by another".to_owned(), "java".to_owned()]);
        assert_eq!(values(&kafka.read_back("test")), expected);
        let batches = kafka.log_batches(1, "test");
        let epochs: Vec<i16> =
            batches[&0].iter().filter(|batch| !batch.is_control).map(|batch| batch.producer_epoch).collect();
        println!("epochs: {epochs:?}");
        assert_eq!(epochs[0], epochs[2], "by the first protocol it stays");
        assert!(epochs[5] > epochs[4] && epochs[4] > epochs[2], "by the second each has its own: {epochs:?}");
    });
}

// ---- two with one id ----

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn an_older_producer_of_the_same_id_is_fenced_whatever_it_calls() {
    type Step = fn(&TextProducer) -> Result<(), Error>;
    let steps: [(&str, Step); 4] = [
        ("send", |old| send(old, "test", "zombie")),
        ("offsets", |old| send_offset(old, "billing", 0, 1)),
        ("commit", |old| old.commit_transaction()),
        ("abort", |old| old.abort_transaction()),
    ];
    on_each(|server| {
        let kafka = server.start(1, &[]);
        kafka.create_topic("test", 1, 1, &[]);
        let mut old = ready(&kafka, "orders-service");
        for (name, step) in steps {
            old.begin_transaction().unwrap();
            send(&old, "test", "left open").unwrap();
            let new = ready(&kafka, "orders-service");
            commit_one(&new, "test", name);
            let error = step(&old).unwrap_err();
            println!("{name}: {error}");
            assert!(error.is_fatal() || error.requires_abort() || name == "send", "{name}: {error}");
            if !error.is_fatal() {
                let error = old.abort_transaction().unwrap_err();
                println!("{name}, and then abort: {error}");
                assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced, "{name}: {error}");
            }
            let error = old.begin_transaction().unwrap_err();
            assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced, "{name}: {error}");
            old = new;
        }
        old.close().unwrap();
        assert_eq!(values(&kafka.read_back("test")), ["abort", "commit", "offsets", "send"]);
        assert_eq!(probe::committed_offset(kafka.ports()[0], "billing", "test", 0).ok().flatten(), None);
    });
}

// ---- what the coordinator does on its own ----

/// A transaction that is open for too long is aborted by the coordinator. Whatever is called next says so.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_the_producer_is_told() {
    type Step = fn(&TextProducer) -> Result<(), Error>;
    let steps: [(&str, Step); 3] = [
        ("commit", |producer| producer.commit_transaction()),
        ("abort", |producer| producer.abort_transaction()),
        ("send", |producer| send(producer, "test", "too late")),
    ];
    on_each(|server| {
        let interval = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200");
        let kafka = server.start(1, &[interval]);
        kafka.create_topic("test", 1, 1, &[]);
        let mut expected = Vec::new();
        for (name, step) in steps {
            let producer = with_id(&kafka, name, &[("transaction.timeout.ms", "3000")]);
            until_over(|| producer.init_transactions()).unwrap();
            producer.begin_transaction().unwrap();
            send(&producer, "test", "too slow").unwrap();
            let end = kafka.end_offset("test", 0).unwrap();
            wait_until("a marker", || kafka.end_offset("test", 0).unwrap() > end);
            let outcome = step(&producer);
            println!("{name}: {outcome:?}");
            match (server.is_v2, name) {
                // By the second protocol a transaction that was aborted can be aborted.
                (true, "abort") => outcome.unwrap(),
                (true, "commit") => {
                    let error = outcome.unwrap_err();
                    assert_eq!((error.code(), error.is_fatal()), (Some(ErrorCode::INVALID_TXN_STATE), true));
                    assert!(error.to_string().contains("transaction.timeout.ms"), "{error}");
                    assert!(!error.possibly_written(), "{error}");
                    continue;
                }
                (true, _) => {
                    assert!(outcome.unwrap_err().requires_abort());
                    producer.abort_transaction().unwrap();
                }
                // By the first one it ends the producer, and only its coordinator says so.
                (false, "send") => {
                    assert!(outcome.unwrap_err().requires_abort());
                    fenced_by_time(producer.abort_transaction());
                    continue;
                }
                (false, _) => {
                    fenced_by_time(outcome);
                    continue;
                }
            }
            commit_one(&producer, "test", name);
            expected.push(name);
        }
        // Another one goes on, as does one of the same id.
        commit_one(&ready(&kafka, "commit"), "test", "in time");
        expected.push("in time");
        expected.sort_unstable();
        assert_eq!(values(&kafka.read_back("test")), expected);
    });
}

fn fenced_by_time(outcome: Result<(), Error>) {
    let error = outcome.unwrap_err();
    assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced && !error.possibly_written(), "{error}");
    assert!(error.to_string().contains("transaction.timeout.ms"), "{error}");
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_time_out_above_the_brokers_maximum_and_ids_of_all_lengths() {
    on_each_version(|server| {
        let kafka = server.start(1, &[("transaction.max.timeout.ms", "5000")]);
        kafka.create_topic("test", 1, 1, &[]);
        let producer = with_id(&kafka, "slow", &[("transaction.timeout.ms", "5001")]);
        let error = producer.init_transactions().unwrap_err();
        println!("{error}");
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TRANSACTION_TIMEOUT), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("transaction.timeout.ms=5001") && text.contains("transaction.max.timeout.ms"),
            "{text}"
        );
        let servers = kafka.bootstrap_servers();
        for (length, words) in [(0, "(empty)"), (32_768, "at most 32767 bytes")] {
            let id = "i".repeat(length);
            let config = ProducerConfig::new().bootstrap_servers(&servers).transactional_id(&id);
            let made = KafkaProducer::<str, str>::builder(config).default_serializers().build();
            let error = made.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(
                error.to_string().contains("transactional.id") && error.to_string().contains(words),
                "{error}"
            );
        }
        let settings = [("transaction.timeout.ms", "5000")];
        let mut expected = Vec::new();
        for length in [1, 249, 32_767] {
            let producer = with_id(&kafka, &"i".repeat(length), &settings);
            until_over(|| producer.init_transactions()).unwrap_or_else(|error| panic!("{length}: {error}"));
            let value = format!("{length:05}");
            commit_one(&producer, "test", &value);
            expected.push(value);
        }
        assert_eq!(values(&kafka.read_back("test")), expected);
    });
}

// ---- what is not allowed ----

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn what_is_not_allowed_is_said_and_the_producer_goes_on() {
    on_each(|server| {
        let authorizer = match server.version {
            "2.1.1" => "kafka.security.auth.SimpleAclAuthorizer",
            "2.8.2" => "kafka.security.authorizer.AclAuthorizer",
            _ => "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        };
        let settings = [("authorizer.class.name", authorizer), ("allow.everyone.if.no.acl.found", "true")];
        let kafka = server.start(1, &settings);
        kafka.create_topic("test", 1, 1, &[]);
        kafka.create_topic("secret", 1, 1, &[]);
        let class = kafka.jars().tool_class("AclCommand");
        let allow = |operation: &str| {
            let who = ["--bootstrap-server", "{servers}", "--add", "--allow-principal", "User:*"];
            let what = ["--topic", "secret", "--group", "secret-group", "--transactional-id", "secret-id"];
            kafka.tool(&class, &[&who[..], &["--operation", operation], &what[..]].concat(), b"");
        };
        // To one who may not even write, what is there is told.
        allow("Describe");
        let producer = ready(&kafka, "open-id");

        // A topic. The first that fails is the record, by the second protocol, or the transaction.
        producer.begin_transaction().unwrap();
        send(&producer, "test", "in vain").unwrap();
        let error = send(&producer, "secret", "no").unwrap_err();
        println!("topic: {error}");
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Authorization, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        );
        assert!(error.to_string().contains("secret"), "{error}");
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.requires_abort() && error.kind() == ErrorKind::Authorization, "{error}");
        producer.abort_transaction().unwrap();
        commit_one(&producer, "test", "after the topic");

        // A group.
        producer.begin_transaction().unwrap();
        send(&producer, "test", "in vain").unwrap();
        let error = send_offset(&producer, "secret-group", 0, 1).unwrap_err();
        println!("group: {error}");
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Authorization, Some(ErrorCode::GROUP_AUTHORIZATION_FAILED))
        );
        assert!(error.requires_abort(), "{error}");
        producer.abort_transaction().unwrap();
        commit_one(&producer, "test", "after the group");

        // An id, which is allowed later: the same producer goes on.
        let denied = with_id(&kafka, "secret-id", &[]);
        let error = until_over(|| denied.init_transactions()).unwrap_err();
        println!("id: {error}");
        let code = Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        assert_eq!((error.kind(), error.code(), error.is_fatal()), (ErrorKind::Authorization, code, false));
        assert!(error.to_string().contains("secret-id"), "{error}");
        allow("All");
        until_over(|| denied.init_transactions()).unwrap();
        denied.begin_transaction().unwrap();
        send(&denied, "secret", "allowed").unwrap();
        send_offset(&denied, "secret-group", 0, 7).unwrap();
        denied.commit_transaction().unwrap();
        assert_eq!(values(&kafka.read_back("secret")), ["allowed"]);
        assert_eq!(values(&kafka.read_back("test")), ["after the group", "after the topic"]);
        assert_eq!(kafka.group_offsets("secret-group"), BTreeMap::from([(("test".to_owned(), 0), 7)]));
    });
}

// ---- brokers that are killed ----

/// A step between two of which a broker is killed.
const GAPS: [&str; 5] = ["begin", "send", "offsets", "commit", "the next begin"];

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn coordinators_and_leaders_killed_between_any_two_calls() {
    on_each_version(|server| {
        let mut kafka = server.start(3, &[]);
        kafka.create_topic("test", 6, 3, &[("min.insync.replicas", "2")]);
        let producer = ready(&kafka, "orders-service");
        commit_one(&producer, "test", "first");
        // There from the first commit of offsets on.
        producer.begin_transaction().unwrap();
        send_offset(&producer, "billing", 0, 1).unwrap();
        producer.commit_transaction().unwrap();
        let (mut expected, mut offset) = (vec!["first".to_owned()], 1);
        for gap in GAPS {
            for topic in ["__transaction_state", "__consumer_offsets"] {
                let begun = Instant::now();
                let victim = kafka.leader(topic, 0);
                let is_both = kafka.leader("__transaction_state", 0) == kafka.leader("__consumer_offsets", 0);
                let records: Vec<String> =
                    (0..12).map(|number| format!("{gap} {topic} {number:02}")).collect();
                offset += 1;
                transaction_with_a_kill(&producer, &records, offset, |here| {
                    if here == gap {
                        kafka.kill(victim);
                    }
                });
                expected.extend(records);
                if gap == "the next begin" {
                    commit_one(&producer, "test", &format!("after {topic}"));
                    expected.push(format!("after {topic}"));
                }
                println!("{gap}, {topic}: {:?}, both coordinators: {is_both}", begun.elapsed());
                kafka.restart(victim);
                for topic in ["test", "__transaction_state", "__consumer_offsets"] {
                    kafka.wait_until_in_sync(topic);
                }
            }
        }
        producer.close().unwrap();
        expected.sort();
        assert_eq!(values(&kafka.read_back("test")), expected);
        assert_eq!(kafka.group_offsets("billing")[&("test".to_owned(), 0)], offset);
    });
}

/// One transaction, once more where it was aborted. `after` is told what has just been called, the first time.
fn transaction_with_a_kill(
    producer: &TextProducer,
    records: &[String],
    offset: i64,
    mut after: impl FnMut(&str),
) {
    for is_first in [true, false] {
        let mut after = |step: &str| {
            if is_first {
                after(step);
            }
        };
        let outcome = (|| {
            producer.begin_transaction()?;
            after("begin");
            for (number, value) in records.iter().enumerate() {
                producer.send(ProducerRecord::new("test", value).with_partition(number as i32 % 6))?;
            }
            after("send");
            until_over(|| send_offset(producer, "billing", 0, offset))?;
            after("offsets");
            // The answer may be lost: the kill comes while it is awaited.
            thread::scope(|scope| {
                let commit = scope.spawn(|| until_over(|| producer.commit_transaction()));
                after("commit");
                commit.join().unwrap()
            })
        })();
        match outcome {
            Ok(()) => return after("the next begin"),
            Err(error) if error.requires_abort() && is_first => {
                println!("aborted: {error}");
                until_over(|| producer.abort_transaction()).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

// ---- read, process, write ----

const SOURCE_PARTITIONS: i32 = 4;
const GROUP: &str = "processors";

fn source_records() -> i32 {
    std::env::var("KAFKA_PRODUCER_PROCESSED_RECORDS").map_or(100_000, |count| count.parse().unwrap())
}

/// A program reads, writes what it has read to another topic, and commits its positions with that. Brokers are killed, and it
/// is itself, in the middle of whatever it does; once it is only held, goes on beside its successor and must be fenced.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_hundred_thousand_records_are_processed_exactly_once_though_brokers_and_programs_are_killed() {
    on_each_version(|server| {
        let mut kafka = server.start(3, &[]);
        let each = source_records() / SOURCE_PARTITIONS;
        for topic in ["source", "result"] {
            kafka.create_topic(topic, SOURCE_PARTITIONS, 3, &[("min.insync.replicas", "2")]);
        }
        write_source(&kafka, each);
        let all = i64::from(each * SOURCE_PARTITIONS);
        let mut program = RunningProgram::start(&kafka);
        let mut dead = None;
        let begun = Instant::now();
        for (step, what) in (1..).zip(["kill", "coordinator", "hold", "kill both", "group"]) {
            program.wait_for(all * step / 6);
            if what != "coordinator" && what != "group" {
                program.wait_for_open();
            }
            match what {
                "coordinator" => dead = Some(kafka.leader("__transaction_state", 0)),
                "group" => dead = Some(kafka.leader("__consumer_offsets", 0)),
                "hold" => {
                    program.process.freeze();
                    let mut held = std::mem::replace(&mut program, RunningProgram::start(&kafka));
                    program.wait_for(all * step / 6 + all / 32);
                    held.process.thaw();
                    let last = held.last_line();
                    println!("the one that was held: {last}");
                    assert!(last.starts_with("fatal Fenced"), "{last}");
                }
                "kill both" => {
                    program.process.kill();
                    dead = Some(kafka.leader("result", 0));
                    program = RunningProgram::start(&kafka);
                }
                _ => {
                    program.process.kill();
                    program = RunningProgram::start(&kafka);
                }
            }
            println!("{what} after {:?}", begun.elapsed());
            if let Some(broker) = dead.take() {
                kafka.kill(broker);
                thread::sleep(Duration::from_millis(500));
                kafka.restart(broker);
                ["result", "__transaction_state", "__consumer_offsets"]
                    .iter()
                    .for_each(|topic| kafka.wait_until_in_sync(topic));
            }
        }
        let last = program.last_line();
        assert_eq!(last, "done");
        assert_processed_exactly_once(&kafka, each);
    });
}

/// By a reader that is not ours: each record once, in order, and the positions behind the last ones.
fn assert_processed_exactly_once(kafka: &Kafka, each: i32) {
    let mut read: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for row in kafka.read_back_with_java("result") {
        let value = String::from_utf8(row.value.unwrap()).unwrap();
        read.entry(row.partition).or_default().push(value);
    }
    for partition in 0..SOURCE_PARTITIONS {
        let expected: Vec<String> =
            (0..each).map(|number| format!("processed {partition}-{number}")).collect();
        assert!(read[&partition] == expected, "partition {partition}: {} records", read[&partition].len());
    }
    let offsets = kafka.group_offsets(GROUP);
    assert_eq!(offsets.len(), SOURCE_PARTITIONS as usize);
    assert!(offsets.values().all(|offset| *offset == i64::from(each)), "{offsets:?}");
    let written = kafka.read_back_uncommitted("result").len();
    let all = i64::from(each * SOURCE_PARTITIONS);
    println!("{all} records, and {} of transactions that came to nothing", written as i64 - all);
    assert!(written as i64 > all, "nothing was in the way");
}

fn write_source(kafka: &Kafka, each: i32) {
    let producer = text_producer(kafka, &[]);
    for number in 0..each {
        for partition in 0..SOURCE_PARTITIONS {
            let value = format!("{partition}-{number}");
            producer.send(ProducerRecord::new("source", &value).with_partition(partition)).unwrap();
        }
    }
    producer.close().unwrap();
}

/// The program that processes, a process of its own.
struct RunningProgram {
    process: Process,
    lines: Receiver<String>,
}

impl RunningProgram {
    fn start(kafka: &Kafka) -> RunningProgram {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_that_processes", "--ignored", "--nocapture"]);
        let ports: Vec<String> = kafka.ports().iter().map(u16::to_string).collect();
        command.env("THE_PORTS", ports.join(","));
        let mut process = Process::start(command.stdout(Stdio::piped())).unwrap();
        let (stdout, (sender, lines)) = (process.stdout().unwrap(), channel());
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines {
                match line.strip_prefix(TOLD) {
                    Some(told) if sender.send(told.to_owned()).is_err() => return,
                    // What it waits for, where it does not go on.
                    None if line.starts_with("once more: ") => println!("  the program: {line}"),
                    _ => {}
                }
            }
        });
        RunningProgram { process, lines }
    }

    /// Until the positions that it has committed come to that much.
    fn wait_for(&self, committed: i64) {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("it ended before {committed}"));
            assert!(!line.starts_with("fatal"), "{line}");
            let told = line.strip_prefix("committed ").map(|told| told.parse::<i64>().unwrap());
            if told.is_some_and(|told| told >= committed) {
                return;
            }
        }
    }

    /// Until a transaction of its is open, with records at the brokers.
    fn wait_for_open(&self) {
        while self.next().unwrap() != "open" {}
    }

    fn next(&self) -> Option<String> {
        let begun = Instant::now();
        match self.lines.recv_timeout(Duration::from_secs(120)) {
            Ok(line) => {
                let waited = begun.elapsed();
                if waited > Duration::from_secs(10) {
                    println!("  {waited:?} until the program told: {line}");
                }
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it does not go on"),
        }
    }

    fn last_line(&self) -> String {
        let mut last = String::new();
        while let Some(line) = self.next() {
            last = line;
        }
        last
    }
}

/// What the program tells begins with this; test runners print, too.
const TOLD: &str = "> ";

#[test]
#[ignore = "the child of a_hundred_thousand_records_are_processed_exactly_once_though_brokers_and_programs_are_killed"]
fn child_that_processes() {
    let ports = std::env::var("THE_PORTS").unwrap();
    let ports: Vec<u16> = ports.split(',').map(|port| port.parse().unwrap()).collect();
    let servers = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    match process(&servers, &ports) {
        Ok(()) => println!("\n{TOLD}done"),
        Err(error) => println!("\n{TOLD}fatal {:?}: {error}", error.kind()),
    }
}

fn process(servers: &str, ports: &[u16]) -> Result<(), Error> {
    let config = ProducerConfig::new().bootstrap_servers(servers).transactional_id("processor");
    // So that it says often what it waits for.
    let config = config.set("max.block.ms", "10000");
    let producer = KafkaProducer::<str, str>::builder(config).default_serializers().build()?;
    until_over(|| producer.init_transactions())?;
    // Not before: what the one before has left open is over now.
    let mut source: Vec<SourcePartition> =
        (0..SOURCE_PARTITIONS).map(|partition| SourcePartition::open(servers, ports, partition)).collect();
    let group = ConsumerGroupMetadata::new(GROUP);
    for round in 1.. {
        if source.iter().all(|it| it.done == it.values.len()) {
            break;
        }
        let outcome = (|| {
            let transaction = producer.begin()?;
            let mut offsets = HashMap::new();
            for it in &mut source {
                it.taken = it.values.len().min(it.done + 50);
                for value in &it.values[it.done..it.taken] {
                    let processed = ProducerRecord::new("result", format!("processed {value}"));
                    transaction.send(processed.with_partition(it.partition))?;
                }
                let position = OffsetAndMetadata::new((it.begin + it.taken) as i64);
                offsets.insert(TopicPartition::new("source", it.partition), position);
            }
            if round % 20 == 0 {
                producer.flush()?;
                println!("\n{TOLD}open");
                thread::sleep(Duration::from_millis(30));
            }
            until_over(|| transaction.send_offsets(&offsets, &group))?;
            match transaction.commit() {
                Err(error) if error.is_retriable() => until_over(|| producer.commit_transaction()),
                outcome => outcome,
            }
        })();
        match outcome {
            Ok(()) => {
                source.iter_mut().for_each(|it| it.done = it.taken);
                let committed: usize = source.iter().map(|it| it.begin + it.done).sum();
                println!("\n{TOLD}committed {committed}");
            }
            // The guard has aborted it, or does: the next one waits for that.
            Err(error) if error.requires_abort() || error.is_retriable() => println!("once more: {error}"),
            Err(error) => return Err(error),
        }
    }
    producer.close()
}

/// What is left of a partition.
struct SourcePartition {
    partition: i32,
    begin: usize,
    values: Vec<String>,
    done: usize,
    taken: usize,
}

impl SourcePartition {
    /// From the group's position on, by kcat.
    fn open(servers: &str, ports: &[u16], partition: i32) -> SourcePartition {
        let deadline = Instant::now() + Duration::from_secs(60);
        let asked =
            || ports.iter().find_map(|port| probe::committed_offset(*port, GROUP, "source", partition).ok());
        let committed = loop {
            match asked() {
                Some(committed) => break committed,
                None => assert!(Instant::now() < deadline, "no coordinator of the group"),
            }
            thread::sleep(Duration::from_millis(50));
        };
        let begin = committed.unwrap_or(0);
        let mut kcat = Command::new("kcat");
        kcat.args([
            "-b",
            servers,
            "-m",
            "60",
            "-C",
            "-t",
            "source",
            "-e",
            "-q",
            "-p",
            &partition.to_string(),
        ]);
        kcat.args(["-o", &begin.to_string(), "-f", "%s\\n"]);
        let output = harness::command::run(&mut kcat, b"", Duration::from_secs(60)).unwrap();
        let values = output.text().lines().map(str::to_owned).collect();
        SourcePartition { partition, begin: begin as usize, values, done: 0, taken: 0 }
    }
}

// ---- two-phase commit (KIP-939), of which Kafka 4.3 has the first half, behind a setting ----

/// `transaction.max.timeout.ms` is less than what would be asked for without it: that no limit is applied is seen from that.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn what_is_prepared_on_a_broker_with_unstable_versions_is_completed_and_nothing_is_kept_for_the_next() {
    let _turn = harness::turn();
    let unstable = ("unstable.api.versions.enable", "true");
    let enabled = ("transaction.two.phase.commit.enable", "true");
    let kafka = Kafka::start_with("4.3.1", 1, &[unstable, enabled, ("transaction.max.timeout.ms", "5000")]);
    kafka.create_topic("test", 3, 1, &[]);
    let producer = text_producer(&kafka, &[("transactional.id", "orders-service"), enabled]);
    until_over(|| producer.init_transactions()).unwrap();
    let prepare = |producer: &TextProducer, value: &str| {
        producer.begin_transaction().unwrap();
        for partition in 0..3 {
            producer.send(ProducerRecord::new("test", value).with_partition(partition)).unwrap();
        }
        producer.prepare_transaction().unwrap()
    };
    for value in ["one", "two"] {
        let state = prepare(&producer, value);
        assert!(values(&kafka.read_back("test")).iter().all(|seen| seen != value), "it is only prepared");
        producer.complete_transaction(&state.to_string().parse().unwrap()).unwrap();
    }
    producer.begin_transaction().unwrap();
    let nothing = producer.prepare_transaction().unwrap();
    producer.complete_transaction(&nothing).unwrap();
    let state = prepare(&producer, "not this one");
    assert!(!nothing.has_transaction() && state.has_transaction());
    producer.complete_transaction(&kafka_producer::PreparedTxnState::default()).unwrap();
    prepare(&producer, "left");
    drop(producer);

    let next = text_producer(&kafka, &[("transactional.id", "orders-service"), enabled]);
    let error = next.init_transactions_keeping_prepared().unwrap_err();
    assert!(error.kind() == ErrorKind::UnsupportedVersion && error.is_fatal(), "{error}");
    assert!(error.to_string().contains("init_transactions() would abort it"), "{error}");
    // One without the setting is asked in the stable version, and ends what was left.
    let last = ready_without_two_phases(&kafka);
    last.begin_transaction().unwrap();
    last.send(ProducerRecord::new("test", "three")).unwrap();
    last.commit_transaction().unwrap();

    // Where the coordinator gives no newer epoch by itself each prepared one has its own all the same. (An id that the second
    // protocol has used is answered UNSUPPORTED_VERSION after a downgrade.)
    kafka.set_feature("transaction.version", 0);
    let old = text_producer(&kafka, &[("transactional.id", "older"), enabled]);
    until_over(|| old.init_transactions()).unwrap();
    let states = ["four", "five"].map(|value| {
        let state = prepare(&old, value);
        old.complete_transaction(&state).unwrap();
        state
    });
    assert_ne!(states[0], states[1]);
    let expected =
        ["five", "five", "five", "four", "four", "four", "one", "one", "one", "three", "two", "two", "two"];
    assert_eq!(values(&kafka.read_back_with_java("test")), expected);
}

fn ready_without_two_phases(kafka: &Kafka) -> TextProducer {
    let producer =
        text_producer(kafka, &[("transactional.id", "orders-service"), ("transaction.timeout.ms", "5000")]);
    until_over(|| producer.init_transactions()).unwrap();
    producer
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn two_phase_commit_on_brokers_that_do_not_offer_it_or_do_not_consent_is_an_error_that_says_what_to_set() {
    let _turn = harness::turn();
    let enabled = ("transaction.two.phase.commit.enable", "true");
    let unstable = ("unstable.api.versions.enable", "true");
    for (settings, kind, expected) in [
        (
            &[][..],
            ErrorKind::UnsupportedVersion,
            "InitProducerId version 6 is needed, and the broker speaks 0 to 5",
        ),
        (&[unstable][..], ErrorKind::Authorization, "TWO_PHASE_COMMIT"),
    ] {
        let kafka = Kafka::start_with("4.3.1", 1, settings);
        let producer = text_producer(&kafka, &[("transactional.id", "orders-service"), enabled]);
        let outcome = loop {
            match producer.init_transactions() {
                Err(error) if error.is_retriable() => {}
                outcome => break outcome,
            }
        };
        let error = outcome.unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(expected), "{error}");
    }
}
