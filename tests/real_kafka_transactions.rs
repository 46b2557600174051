//! Transactions on Apache Kafka: what was committed is what kcat and Java's consumer read as committed, what was aborted lies
//! in the log with its marker, and the offsets are those that Java's tool tells. By whichever protocol the version has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::HashMap;

use harness::kafka_cluster::Kafka;
use harness::read_back::Row;
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorKind, OffsetAndMetadata, ProducerRecord, TopicPartition,
};
use real_kafka_support::{TextProducer, text_producer};

harness::on_each_version! {
    what_is_committed_is_read_and_what_is_aborted_is_not
    an_older_producer_of_the_same_id_is_fenced
    one_broker_killed_between_calls_and_every_transaction_is_whole
}

const ID: [(&str, &str); 1] = [("transactional.id", "orders-service")];

fn ready(kafka: &Kafka) -> TextProducer {
    let producer = text_producer(kafka, &ID);
    until_over(|| producer.init_transactions());
    producer
}

/// The same call until its outcome is told.
fn until_over(call: impl Fn() -> Result<(), Error>) {
    loop {
        match call() {
            Err(error) if error.is_retriable() => {}
            outcome => return outcome.unwrap(),
        }
    }
}

fn values(rows: &[Row]) -> Vec<String> {
    let text = |row: &Row| String::from_utf8(row.value.clone().unwrap()).unwrap();
    let mut values: Vec<String> = rows.iter().map(text).collect();
    values.sort();
    values
}

fn what_is_committed_is_read_and_what_is_aborted_is_not(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 6, 1, &[]);
    let producer = ready(&kafka);
    let group = ConsumerGroupMetadata::new("billing");
    let mut expected = Vec::new();
    for (round, commits) in [true, false, true, false, true].into_iter().enumerate() {
        producer.begin_transaction().unwrap();
        for number in 0..60 {
            let value = format!("{round}-{number:02}");
            producer.send(ProducerRecord::new("test", &value).with_partition(number % 6)).unwrap();
            if commits {
                expected.push(value);
            }
        }
        let position = OffsetAndMetadata::new(100 + round as i64).with_metadata("here");
        let offsets = HashMap::from([(TopicPartition::new("test", 2), position)]);
        producer.send_offsets_to_transaction(&offsets, &group).unwrap();
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

    // In the log are all 300, and in each partition a marker for each transaction.
    let batches = kafka.log_batches(1, "test");
    for partition in batches.values() {
        let (data, control): (Vec<_>, Vec<_>) = partition.iter().partition(|batch| !batch.is_control);
        assert!(partition.iter().all(|batch| batch.is_valid && batch.is_transactional));
        assert_eq!(data.iter().map(|batch| batch.count).sum::<i32>(), 50);
        assert_eq!(control.len(), 5);
    }
    assert_eq!(batches.len(), 6);
    assert_eq!(committed_position(&kafka), Some(104), "that of the last committed one");
}

/// The group's position in partition 2, by Java's tool.
fn committed_position(kafka: &Kafka) -> Option<i64> {
    let class = match kafka.jars().is_at_least("3.8.0") {
        true => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        false => "kafka.admin.ConsumerGroupCommand",
    };
    let servers = kafka.bootstrap_servers();
    let described =
        kafka.tool(class, &["--bootstrap-server", &servers, "--describe", "--group", "billing"], b"");
    let text = described.text();
    let row = text.lines().find(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.contains(&"test") && words.contains(&"2")
    })?;
    row.split_whitespace().find_map(|word| word.parse::<i64>().ok().filter(|number| *number >= 100))
}

fn an_older_producer_of_the_same_id_is_fenced(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 1, 1, &[]);
    let old = ready(&kafka);
    old.begin_transaction().unwrap();
    old.send(ProducerRecord::new("test", "left open")).unwrap().get().unwrap();
    let new = ready(&kafka);
    new.begin_transaction().unwrap();
    new.send(ProducerRecord::new("test", "new")).unwrap();
    new.commit_transaction().unwrap();
    let zombie = old.send(ProducerRecord::new("test", "zombie")).and_then(|future| future.get().map(drop));
    assert!(zombie.is_err());
    let error = old.commit_transaction().unwrap_err();
    assert!(error.is_fatal() || error.requires_abort(), "{error}");
    let error = old.abort_transaction().unwrap_err();
    assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced, "{error}");
    assert_eq!(values(&kafka.read_back("test")), ["new"]);
}

fn one_broker_killed_between_calls_and_every_transaction_is_whole(version: &str) {
    let mut kafka = Kafka::start(version, 3);
    kafka.create_topic("test", 6, 3, &[("min.insync.replicas", "2")]);
    let producer = ready(&kafka);
    let mut expected = Vec::new();
    for round in 0..12 {
        if let Some(broker) = [2, 6, 9].iter().position(|kill| *kill == round) {
            kafka.kill(broker as i32 + 1);
        }
        if let Some(broker) = [4, 8, 11].iter().position(|restart| *restart == round) {
            kafka.restart(broker as i32 + 1);
            kafka.wait_until_in_sync("test");
        }
        producer.begin_transaction().unwrap();
        let records: Vec<String> = (0..30).map(|number| format!("{round:02}-{number:02}")).collect();
        for (number, value) in records.iter().enumerate() {
            producer.send(ProducerRecord::new("test", value).with_partition(number as i32 % 6)).unwrap();
        }
        match round % 4 {
            3 => until_over(|| producer.abort_transaction()),
            _ => {
                until_over(|| producer.commit_transaction());
                expected.extend(records);
            }
        }
    }
    producer.close().unwrap();
    assert_eq!(values(&kafka.read_back("test")), expected);
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
    let producer = text_producer(&kafka, &[ID[0], enabled]);
    until_over(|| producer.init_transactions());
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
    prepare(&producer, "not this one");
    producer.complete_transaction(&kafka_producer::PreparedTxnState::default()).unwrap();
    prepare(&producer, "left");
    drop(producer);

    let next = text_producer(&kafka, &[ID[0], enabled]);
    let error = next.init_transactions_keeping_prepared().unwrap_err();
    assert!(error.kind() == ErrorKind::UnsupportedVersion && error.is_fatal(), "{error}");
    assert!(error.to_string().contains("init_transactions() would abort it"), "{error}");
    // One without the setting is asked in the stable version, and ends what was left.
    let last = ready_without_two_phases(&kafka);
    last.begin_transaction().unwrap();
    last.send(ProducerRecord::new("test", "three")).unwrap();
    last.commit_transaction().unwrap();
    assert_eq!(
        values(&kafka.read_back_with_java("test")),
        ["one", "one", "one", "three", "two", "two", "two"]
    );
}

fn ready_without_two_phases(kafka: &Kafka) -> TextProducer {
    let producer = text_producer(kafka, &[ID[0], ("transaction.timeout.ms", "5000")]);
    until_over(|| producer.init_transactions());
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
        let producer = text_producer(&kafka, &[ID[0], enabled]);
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
