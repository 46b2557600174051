//! Records at the edge of what is allowed, and one step beyond it. What is refused comes back in the error, which names
//! what is wrong and what would be accepted, and nothing of it reaches a broker; what is accepted lies in the log as it
//! was sent.

use std::time::Duration;

use crate::support::{AGES, SOON, cluster, config};
use kafka_embedded::{EmbeddedCluster, EmbeddedRecord, TopicConfig};
use kafka_producer::{AsRecord, Error, ErrorKind, Headers, KafkaProducer, ProducerRecord, RecordMetadata};

type BytesProducer = KafkaProducer<[u8], [u8]>;

const BYTES: &str = "ByteArraySerializer";

fn bytes_producer(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> BytesProducer {
    let bytes = [("key.serializer", BYTES), ("value.serializer", BYTES)];
    let settings = [&bytes[..], more].concat();
    KafkaProducer::new(config(&cluster.bootstrap_servers(), &settings)).unwrap()
}

fn delivered<By>(producer: &BytesProducer, record: impl AsRecord<[u8], [u8], By>) -> RecordMetadata {
    producer.send(record).unwrap().get_timeout(AGES).unwrap()
}

/// The error of a record that is refused, without a wait; the record stays with the caller as it was.
fn refused<R, By>(producer: &BytesProducer, record: &R) -> Error
where
    R: AsRecord<[u8], [u8], By> + Clone + PartialEq,
{
    let start = std::time::Instant::now();
    let given = record.clone();
    let error = producer.send(record).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert!(given == *record, "the record stays as it was");
    error
}

fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Topic `t` on a broker that takes a timestamp however far in the future.
fn without_a_latest_timestamp() -> EmbeddedCluster {
    let topic = TopicConfig::new(1).timestamp_after_max(Duration::from_millis(i64::MAX.unsigned_abs()));
    EmbeddedCluster::builder().topic_with("t", topic).start().unwrap()
}

fn only_record(cluster: &EmbeddedCluster) -> EmbeddedRecord {
    let mut records = cluster.records("t");
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// Java's `DefaultRecord.recordSizeUpperBound` and the batch's header: 61 + 21, no key (1), the value's length (3
/// bytes from 8192 on), the number of headers (1).
const AROUND_A_VALUE: usize = 61 + 21 + 1 + 3 + 1;

/// Behaviour 10.
#[test]
fn a_record_may_be_as_large_as_the_limit_and_not_a_byte_larger() {
    for (setting, limit) in [("max.request.size", 10_000), ("buffer.memory", 20_000)] {
        let cluster = cluster(1);
        let producer = bytes_producer(&cluster, &[(setting, &limit.to_string())]);
        let largest = vec![7; limit - AROUND_A_VALUE];
        delivered(&producer, ProducerRecord::new("t", largest.clone()));
        assert_eq!(only_record(&cluster).value.as_deref(), Some(&largest[..]));

        let larger = ProducerRecord::new("t", vec![7; largest.len() + 1]);
        let error = refused(&producer, &larger);
        assert_eq!((error.kind(), error.topic()), (ErrorKind::RecordTooLarge, Some("t")));
        says(&error, &[&format!("{setting}={limit}"), &format!("{} bytes", limit + 1)]);
        producer.close().unwrap();
        assert_eq!(crate::support::produce_requests(&cluster), 1, "{setting}");
    }
}

/// Behaviour 10: key and headers count as the value does.
#[test]
fn a_key_and_headers_count_for_the_limit() {
    let cluster = cluster(1);
    let producer = bytes_producer(&cluster, &[("max.request.size", "10000")]);
    // A byte for "no key" becomes three for its length.
    let key = vec![7; 10_000 - AROUND_A_VALUE - 2 + 2];
    let largest = ProducerRecord::new("t", vec![]).with_key(key.clone());
    delivered(&producer, largest);
    let more = ProducerRecord::new("t", vec![1]).with_key(key.clone());
    assert_eq!(refused(&producer, &more).kind(), ErrorKind::RecordTooLarge);
    let header = ProducerRecord::new("t", vec![]).with_key(key).with_header("", vec![]);
    assert_eq!(refused(&producer, &header).kind(), ErrorKind::RecordTooLarge);
    let header = ProducerRecord::new("t", vec![]).with_header("name", vec![1; 10_000]);
    assert_eq!(refused(&producer, &header).kind(), ErrorKind::RecordTooLarge);
}

#[test]
fn ten_thousand_headers_arrive_in_order() {
    let cluster = cluster(1);
    let producer = bytes_producer(&cluster, &[]);
    let mut headers = Headers::new();
    for number in 0..10_000_u32 {
        match number % 3 {
            0 => headers.add_null(format!("key-{}", number % 10)),
            1 => headers.add("", vec![]),
            _ => headers.add(format!("\u{e4}-{number}"), number.to_be_bytes()),
        }
    }
    delivered(&producer, ProducerRecord::new("t", b"v".to_vec()).with_headers(headers.clone()));
    let found = only_record(&cluster).headers;
    let expected: Vec<_> =
        headers.iter().map(|header| (header.key().to_owned(), header.value().map(<[u8]>::to_vec))).collect();
    assert!(found == expected, "{} headers", found.len());
}

#[test]
fn keys_and_values_of_no_byte_and_of_one_are_not_null() {
    let cluster = cluster(1);
    let producer = bytes_producer(&cluster, &[]);
    let lengths = [None, Some(0), Some(1), Some(127), Some(128), Some(70_000)];
    let mut sent = Vec::new();
    for key in lengths {
        for value in lengths {
            let [key, value] = [key, value].map(|length| length.map(|length| vec![b'x'; length]));
            let record = ProducerRecord::new("t", ()).with_optional_key(key.clone());
            let metadata = delivered(&producer, record.with_optional_value(value.clone()));
            assert_eq!(metadata.serialized_key_size(), key.as_ref().map(Vec::len));
            assert_eq!(metadata.serialized_value_size(), value.as_ref().map(Vec::len));
            sent.push((key, value));
        }
    }
    let found: Vec<_> = cluster.records("t").into_iter().map(|record| (record.key, record.value)).collect();
    assert!(found == sent);
}

#[test]
fn a_topic_s_name_is_held_against_kafka_s_rule_before_a_broker_is_asked() {
    let longest = "a".repeat(249);
    let cluster = EmbeddedCluster::builder().topic(longest.clone(), 1).topic("A.z_0-9", 1).topic("...", 1);
    let cluster = cluster.start().unwrap();
    let producer = bytes_producer(&cluster, &[("max.block.ms", "30000")]);
    for name in [longest, "A.z_0-9".to_owned(), "...".to_owned()] {
        delivered(&producer, ProducerRecord::new(name.clone(), vec![1]));
        assert_eq!(producer.partitions_for(&name).unwrap().len(), 1);
    }
    let asked = cluster.requests(kafka_embedded::Api::Metadata);
    for (name, problem) in [
        ("a".repeat(250), "has 250 characters"),
        ("a".repeat(100_000), "has 100000 characters"),
        (String::new(), "is empty"),
        (".".to_owned(), "is \".\""),
        ("..".to_owned(), "is \"..\""),
        ("my topic".to_owned(), "has the character ' '"),
        ("a/b".to_owned(), "has the character '/'"),
        ("b\u{fc}cher".to_owned(), "has the character '\u{fc}'"),
        ("a\0".to_owned(), "has the character '\\0'"),
        ("line\n".to_owned(), "has the character '\\n'"),
    ] {
        let record = ProducerRecord::new(name.clone(), vec![1]).with_key(vec![2]);
        let error = refused(&producer, &record);
        assert_eq!((error.kind(), error.topic()), (ErrorKind::InvalidTopic, Some(name.as_str())));
        assert!(!error.is_retriable() && !error.possibly_written());
        says(&error, &[problem, "1 to 249 characters"]);
        assert_eq!(producer.try_send(record).unwrap_err().kind(), ErrorKind::InvalidTopic);
        assert_eq!(producer.partitions_for(&name).unwrap_err().kind(), ErrorKind::InvalidTopic);
    }
    assert_eq!(cluster.requests(kafka_embedded::Api::Metadata), asked, "no broker was asked");
}

/// Behaviour 11.
#[test]
fn a_negative_timestamp_or_partition_is_refused_and_the_others_arrive() {
    let cluster = without_a_latest_timestamp();
    let producer = bytes_producer(&cluster, &[]);
    for timestamp in [-1, -2, i64::MIN] {
        let error = refused(&producer, &ProducerRecord::new("t", vec![1]).with_timestamp(timestamp));
        assert_eq!((error.kind(), error.topic()), (ErrorKind::InvalidRecord, Some("t")));
        says(&error, &[&format!("timestamp {timestamp}"), "0 or more milliseconds"]);
    }
    for partition in [-1, i32::MIN] {
        let error = refused(&producer, &ProducerRecord::new("t", vec![1]).with_partition(partition));
        assert_eq!((error.kind(), error.topic()), (ErrorKind::InvalidRecord, Some("t")));
        says(&error, &[&format!("partition {partition}"), "0 or more"]);
    }
    assert_eq!(crate::support::produce_requests(&cluster), 0);
    for timestamp in [0, 1, i64::MAX] {
        let metadata = delivered(&producer, ProducerRecord::new("t", vec![1]).with_timestamp(timestamp));
        assert_eq!(metadata.timestamp(), Some(timestamp));
    }
    let found: Vec<_> = cluster.records("t").into_iter().map(|record| record.timestamp).collect();
    assert_eq!(found, [0, 1, i64::MAX]);
}

/// The difference of two timestamps in one batch is as large as a number gets.
#[test]
fn timestamps_as_far_apart_as_can_be_share_a_batch() {
    let cluster = without_a_latest_timestamp();
    let producer = bytes_producer(&cluster, &[("linger.ms", "9000")]);
    let timestamps = [i64::MAX, 0, 1, i64::MAX - 1, i64::MAX, 0];
    let send = |timestamp: &i64| {
        producer.send(ProducerRecord::new("t", vec![1]).with_timestamp(*timestamp)).unwrap()
    };
    let futures: Vec<_> = timestamps.iter().map(send).collect();
    producer.flush().unwrap();
    for (future, timestamp) in futures.iter().zip(timestamps) {
        assert_eq!(future.get().unwrap().timestamp(), Some(timestamp));
    }
    let found: Vec<_> = cluster.records("t").into_iter().map(|record| record.timestamp).collect();
    assert_eq!(found, timestamps);
    let batches = cluster.batches("t", 0);
    assert_eq!((batches.len(), batches[0].max_timestamp), (1, i64::MAX));
}

#[test]
fn a_timestamp_that_the_broker_does_not_take_fails_its_own_record() {
    let topic = TopicConfig::new(1).timestamp_after_max(Duration::from_secs(3600));
    let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
    let producer = bytes_producer(&cluster, &[]);
    let future = producer.send(ProducerRecord::new("t", vec![1]).with_timestamp(i64::MAX)).unwrap();
    let error = future.get_timeout(AGES).unwrap_err();
    assert_eq!(
        (error.kind(), error.topic(), error.partition()),
        (ErrorKind::InvalidRecord, Some("t"), Some(0))
    );
    says(&error, &["INVALID_TIMESTAMP"]);
    delivered(&producer, ProducerRecord::new("t", vec![2]));
    assert_eq!(only_record(&cluster).value, Some(vec![2]));
}

#[test]
fn a_partition_that_does_not_exist_is_named_when_the_wait_is_over() {
    let cluster = cluster(2);
    let producer = bytes_producer(&cluster, &[("max.block.ms", "2000")]);
    for partition in [2, i32::MAX] {
        let error = refused(&producer, &ProducerRecord::new("t", vec![1]).with_partition(partition));
        assert_eq!((error.kind(), error.topic()), (ErrorKind::UnknownTopicOrPartition, Some("t")));
        says(&error, &[&format!("partition {partition}"), "the topic has 2 partitions"]);
    }
    delivered(&producer, ProducerRecord::new("t", vec![1]).with_partition(1));
}
