//! Settings are seen in effect on Apache Kafka: in its log, as its own tool describes it, and in what is read back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::BTreeMap;
use std::path::Path;

use harness::kafka_cluster::Kafka;
use harness::log_segments::LoggedBatch;
use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, PropertySupport};
use real_kafka_support::{TextProducer, text_producer};

/// Sends a hundred records of a hundred bytes with one key to a topic of its own, and closes: the log's batches.
fn batches(
    kafka: &Kafka,
    topic: &'static str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> BTreeMap<i32, Vec<LoggedBatch>> {
    kafka.create_topic(topic, partitions, 1, &[]);
    let producer = text_producer(kafka, settings);
    for number in 0..100 {
        let value = format!("{number:0100}");
        producer.send(ProducerRecord::new(topic, value).with_key("the same")).unwrap();
    }
    producer.close().unwrap();
    let batches = kafka.log_batches(1, topic);
    let all = || batches.values().flatten();
    assert!(all().all(|batch| batch.is_valid && batch.magic == 2));
    assert_eq!(all().map(|batch| batch.count).sum::<i32>(), 100, "{topic}");
    batches
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn settings_are_seen_in_the_log() {
    let _turn = harness::turn();
    let kafka = Kafka::start("4.3.1", 1);

    // enable.idempotence, and acks and retries that switch it off.
    let on = batches(&kafka, "idempotent", 1, &[]);
    assert!(
        on[&0].iter().all(|batch| batch.producer_id >= 0 && batch.base_sequence == batch.base_offset as i32)
    );
    for (topic, setting) in [
        ("not-idempotent", ("enable.idempotence", "false")),
        ("acks-1", ("acks", "1")),
        ("retries-0", ("retries", "0")),
    ] {
        let off = batches(&kafka, topic, 1, &[setting]);
        assert!(off[&0].iter().all(|batch| (batch.producer_id, batch.base_sequence) == (-1, -1)), "{topic}");
    }

    // batch.size and linger.ms. A record of these takes 110 to 115 bytes in a batch.
    let long = ("linger.ms", "20000");
    let one = batches(&kafka, "one-batch", 1, &[long, ("batch.size", "100000")]);
    assert_eq!(one[&0].iter().map(|batch| batch.count).collect::<Vec<_>>(), [100]);
    let each = batches(&kafka, "a-batch-each", 1, &[long, ("batch.size", "0")]);
    assert!(each[&0].iter().all(|batch| batch.count == 1));
    let some = batches(&kafka, "some-batches", 1, &[long, ("batch.size", "1300")]);
    assert!(some[&0].iter().all(|batch| batch.size <= 1300), "{some:?}");
    assert!(some[&0].iter().rev().skip(1).all(|batch| batch.count >= 10), "{some:?}");

    // partitioner.class, partitioner.ignore.keys, partitioner.adaptive.partitioning.enable.
    let counts = |batches: &BTreeMap<i32, Vec<LoggedBatch>>| -> Vec<i32> {
        batches.values().map(|batches| batches.iter().map(|batch| batch.count).sum()).collect()
    };
    let by_key = counts(&batches(&kafka, "by-key", 4, &[]));
    assert_eq!(by_key.iter().filter(|count| **count == 100).count(), 1, "{by_key:?}");
    let class = ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner");
    assert_eq!(counts(&batches(&kafka, "by-turns", 4, &[class])), [25; 4]);
    let small = ("batch.size", "200");
    let ignored =
        [("partitioner.ignore.keys", "true"), ("partitioner.adaptive.partitioning.enable", "false"), small];
    let keyless = counts(&batches(&kafka, "keys-ignored", 4, &ignored));
    assert!(keyless.iter().filter(|count| **count > 0).count() > 1, "{keyless:?}");
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn settings_are_seen_by_the_caller() {
    let _turn = harness::turn();
    let kafka = Kafka::start("4.3.1", 1);
    kafka.create_topic("t", 1, 1, &[]);
    for (acks, known) in [("0", false), ("1", true), ("-1", true)] {
        let producer = text_producer(&kafka, &[("acks", acks)]);
        let metadata = producer.send(ProducerRecord::new("t", acks.to_owned())).unwrap().get().unwrap();
        assert_eq!(metadata.offset().is_some(), known, "acks={acks}");
    }
    let producer = text_producer(&kafka, &[("max.request.size", "500")]);
    let large = producer.send(ProducerRecord::new("t", "x".repeat(500))).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::RecordTooLarge);
    drop(producer);
    assert_eq!(kafka.read_back("t").len(), 3);
}

/// The files that `properties_files.rs` holds against the list of settings, with this broker's address.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_producer_with_each_properties_file_delivers() {
    let _turn = harness::turn();
    let kafka = Kafka::start("4.3.1", 1);
    kafka.create_topic("files", 2, 1, &[]);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/properties");
    let mut delivered = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // What is not built yet, and names that a program would have to register.
        let mut not_built = ProducerConfig::reference()
            .filter(|property| property.support() == PropertySupport::Refused)
            .map(|property| property.name())
            .chain(["interceptor.classes"])
            .chain((!cfg!(feature = "lz4-c")).then_some("compression.lz4.level"));
        if not_built.any(|name| text.lines().any(|line| line.starts_with(name))) {
            continue;
        }
        let config = ProducerConfig::from_file(&path).unwrap().bootstrap_servers(&kafka.bootstrap_servers());
        let producer: TextProducer = KafkaProducer::new(config).unwrap();
        let futures: Vec<_> = (0..10)
            .map(|number| {
                producer.send(ProducerRecord::new("files", number.to_string()).with_key("key")).unwrap()
            })
            .collect();
        for future in futures {
            assert!(future.get().unwrap().offset().is_some(), "{}", path.display());
        }
        delivered += 10;
    }
    assert!(delivered >= 40);
    assert_eq!(kafka.read_back("files").len(), delivered);
}
