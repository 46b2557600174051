//! What Apache Kafka decides about single records: their time, whether it takes them, and how fast.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::time::{Duration, Instant};

use harness::kafka_cluster::Kafka;
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord};
use real_kafka_support::{bytes_producer, now_ms};

harness::on_each_version! {
    the_topic_says_whose_time_counts
    a_record_without_a_key_in_a_compacted_topic_fails_by_itself_and_so_do_those_in_its_company
    a_time_that_the_topic_does_not_take_is_refused
    a_quota_slows_down_and_loses_nothing
}

fn the_topic_says_whose_time_counts(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("brokers", 1, 1, &[("message.timestamp.type", "LogAppendTime")]);
    kafka.create_topic("records", 1, 1, &[("message.timestamp.type", "CreateTime")]);
    let producer = bytes_producer(&kafka, &[]);
    let begin = now_ms();
    let earlier = begin - 60_000;
    for (topic, of_the_record) in [("brokers", false), ("records", true)] {
        let record = ProducerRecord::new(topic, b"value".as_slice()).with_timestamp(earlier);
        let metadata = producer.send(record).unwrap().get().unwrap();
        let seen = kafka.read_back(topic)[0].timestamp;
        assert_eq!(metadata.timestamp(), Some(seen), "{topic}");
        // Broker and test run on the same machine.
        if of_the_record {
            assert_eq!(seen, earlier);
        } else {
            assert!((begin..=now_ms()).contains(&seen), "{seen} is not after {begin}");
        }
    }
    producer.close().unwrap();
}

fn a_record_without_a_key_in_a_compacted_topic_fails_by_itself_and_so_do_those_in_its_company(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("compacted", 1, 1, &[("cleanup.policy", "compact")]);
    let producer = bytes_producer(&kafka, &[("linger.ms", "10000")]);
    let with_key =
        |value: &'static str| ProducerRecord::new("compacted", value.as_bytes()).with_key(b"key".as_slice());
    producer.send(with_key("first")).unwrap().get().unwrap();

    let before = producer.send(with_key("before")).unwrap();
    let without = producer.send(ProducerRecord::new("compacted", b"without".as_slice())).unwrap();
    let after = producer.send(with_key("after")).unwrap();
    producer.flush().unwrap();
    let error = without.get().unwrap_err();
    let told = (error.kind(), error.code());
    assert_eq!(told, (ErrorKind::InvalidRecord, Some(ErrorCode::INVALID_RECORD)), "{error}");
    assert!(error.to_string().contains("without key"), "in Kafka's words: {error}");
    for company in [before, after] {
        let error = company.get().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::InvalidRecord, "{error}");
        assert!(error.to_string().contains("other records in the same batch"), "{error}");
        assert!(!error.possibly_written(), "{error}");
    }
    assert_eq!(producer.send(with_key("last")).unwrap().get().unwrap().offset(), Some(1));
    producer.close().unwrap();
    let values: Vec<_> = kafka.read_back("compacted").into_iter().map(|row| row.value.unwrap()).collect();
    assert_eq!(values, [b"first".to_vec(), b"last".to_vec()]);
}

fn a_time_that_the_topic_does_not_take_is_refused(version: &str) {
    let kafka = Kafka::start(version, 1);
    let limits = [("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")];
    kafka.create_topic("timely", 1, 1, &limits);
    let producer = bytes_producer(&kafka, &[]);
    let send = |timestamp: i64| {
        let record = ProducerRecord::new("timely", b"value".as_slice()).with_timestamp(timestamp);
        producer.send(record).unwrap().get()
    };
    for wrong in [now_ms() - 3_600_000, now_ms() + 3_600_000, 0, i64::MAX] {
        let error = send(wrong).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TIMESTAMP), "{wrong}: {error}");
        assert!(!error.is_retriable() && error.attempts() == 1, "{wrong}: {error}");
        assert_eq!((error.topic(), error.partition()), (Some("timely"), Some(0)));
    }
    assert_eq!(send(now_ms()).unwrap().offset(), Some(0));
    producer.close().unwrap();
}

fn a_quota_slows_down_and_loses_nothing(version: &str) {
    const RATE: usize = 500_000;
    /// Kafka takes the mean of this many seconds: as much goes through at once.
    const BURST: usize = 10;
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 1, 1, &[]);
    let quota = format!("producer_byte_rate={RATE}");
    let (alter, of) =
        (["--alter", "--add-config", &quota], ["--entity-type", "clients", "--entity-name", "slow"]);
    let servers = ["--bootstrap-server", "{servers}"];
    let arguments: Vec<&str> = servers.into_iter().chain(alter).chain(of).collect();
    kafka.tool("kafka.admin.ConfigCommand", &arguments, b"");

    let value = vec![b'v'; 50_000];
    let count = (BURST + 2) * RATE / value.len();
    let send = |client: &str| {
        let producer = bytes_producer(&kafka, &[("client.id", client)]);
        let begin = Instant::now();
        let send = |_| producer.send(ProducerRecord::new("test", value.as_slice())).unwrap();
        let futures: Vec<_> = (0..count).map(send).collect();
        // What is over the quota is answered at once, with the time that the client is to stay away.
        producer.flush().unwrap();
        let last = producer.send(ProducerRecord::new("test", b"last".as_slice())).unwrap();
        assert!(futures.iter().all(|future| future.get().is_ok()));
        last.get().unwrap();
        let elapsed = begin.elapsed();
        producer.close().unwrap();
        elapsed
    };
    let slow = send("slow");
    assert!(slow >= Duration::from_secs(1), "two seconds beyond the burst took {slow:?}");
    let free = send("free");
    assert!(free < slow, "without a quota {free:?}, with it {slow:?}");
    assert_eq!(kafka.read_back("test").len(), 2 * (count + 1));
}
