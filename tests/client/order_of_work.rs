//! What `send` does in which order on the caller's thread, and what is charged to `max.block.ms`.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{AGES, SOON, TextProducer, cluster, config, wait_until};
use kafka_embedded::{Api, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{
    Cluster, ErrorKind, Headers, KafkaProducer, PartitionRequest, Partitioner, PartitionerError,
    ProducerRecord, Serializer, SerializerError,
};

/// The steps in which code of ours is called, as they come.
type Steps = Arc<Mutex<Vec<&'static str>>>;

struct Step {
    name: &'static str,
    steps: Steps,
    takes: Duration,
}

impl Serializer<str> for Step {
    fn serialize<'a>(
        &'a self,
        _topic: &str,
        headers: &mut Headers,
        data: &'a str,
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.steps.lock().unwrap().push(self.name);
        thread::sleep(self.takes);
        headers.add(self.name, data.as_bytes());
        if data == "broken" { Err("broken".into()) } else { Ok(Some(data.as_bytes())) }
    }
}

impl Partitioner for Step {
    fn partition(&self, _: &PartitionRequest<'_>, _: &Cluster) -> Result<i32, PartitionerError> {
        self.steps.lock().unwrap().push(self.name);
        Ok(0)
    }
}

fn watched(cluster: &EmbeddedCluster, settings: &[(&str, &str)], takes: Duration) -> (TextProducer, Steps) {
    let steps = Steps::default();
    let step = |name, takes| Step { name, steps: Arc::clone(&steps), takes };
    let producer = KafkaProducer::builder(config(&cluster.bootstrap_servers(), settings))
        .key_serializer(step("key", Duration::ZERO))
        .value_serializer(step("value", takes))
        .partitioner(step("partitioner", Duration::ZERO))
        .build();
    (producer.unwrap(), steps)
}

/// Behaviour 1.
/// Each step is seen by what comes before it when it fails.
#[test]
fn metadata_then_key_then_value_then_partition_then_size() {
    let cluster = cluster(1);
    let (producer, steps) =
        watched(&cluster, &[("max.block.ms", "2500"), ("max.request.size", "1000")], Duration::ZERO);
    let done = || std::mem::take(&mut *steps.lock().unwrap());
    let record = |topic: &'static str, key: &str, value: &str| {
        ProducerRecord::new(topic, value.to_owned()).with_key(key.to_owned())
    };
    let fails = |record, kind| assert_eq!(producer.send(record).unwrap_err().kind(), kind);

    fails(record("unknown", "k", "v"), ErrorKind::UnknownTopicOrPartition);
    assert_eq!(done(), [""; 0], "nothing is serialized before the topic is known");
    fails(record("t", "broken", "broken"), ErrorKind::Serialization);
    assert_eq!(done(), ["key"]);
    fails(record("t", "k", "broken"), ErrorKind::Serialization);
    assert_eq!(done(), ["key", "value"]);
    fails(record("t", "k", &"v".repeat(1000)), ErrorKind::RecordTooLarge);
    assert_eq!(
        done(),
        ["key", "value", "partitioner"],
        "the partition is chosen before the size is looked at"
    );
    fails(record("t", "k", "v").with_timestamp(-1), ErrorKind::InvalidRecord);
    assert_eq!(done(), [""; 0]);

    producer.send(record("t", "k", "v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(done(), ["key", "value", "partitioner"]);
    producer.send(record("t", "k", "v").with_partition(0)).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(done(), ["key", "value"], "who names a partition needs no partitioner");
    let headers = cluster.records("t").remove(0).headers;
    let expected = [("key".to_owned(), Some(b"k".to_vec())), ("value".to_owned(), Some(b"v".to_vec()))];
    assert_eq!(headers, expected, "serializers may still add headers");

    producer.close().unwrap();
    fails(record("unknown", "k", "v"), ErrorKind::Closed);
    fails(record("t", "k", "v"), ErrorKind::Closed);
    assert_eq!(done(), [""; 0], "a closed producer does nothing");
}

/// Behaviour 1.
#[test]
fn a_record_s_time_is_taken_after_the_wait_for_its_topic() {
    let cluster = cluster(1);
    let (producer, _) = watched(&cluster, &[], Duration::ZERO);
    let sending =
        thread::spawn(move || producer.send(ProducerRecord::new("later", "v")).unwrap().get().unwrap());
    wait_until("it asks", || cluster.requests(Api::Metadata) >= 2);
    thread::sleep(Duration::from_millis(200));
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!(cluster.create_topic("later", TopicConfig::new(1)));
    let timestamp = sending.join().unwrap().timestamp().unwrap();
    assert!(timestamp >= created, "{timestamp}, created {created}");
}

/// Fault C15.
#[test]
fn no_record_is_older_than_the_millisecond_in_which_it_was_sent() {
    let cluster = cluster(1);
    let (producer, _) = watched(&cluster, &[], Duration::ZERO);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for _ in 0..300 {
        let before = now();
        let timestamp = producer.send(ProducerRecord::new("t", "v")).unwrap().get().unwrap().timestamp();
        assert!((before..=now()).contains(&timestamp.unwrap()), "{before}: {timestamp:?}");
    }
}

/// Behaviour 7.
#[test]
fn the_time_that_serializers_take_is_not_charged_to_max_block() {
    let cluster = cluster(1);
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let settings = [("max.block.ms", "300"), ("buffer.memory", "20000"), ("batch.size", "5000")];
    let (producer, steps) = watched(&cluster, &settings, Duration::from_millis(500));
    wait_until("the topic is known", || producer.partitions_for("t").is_ok());
    let record = || ProducerRecord::new("t", "x".repeat(9_000));
    let mut accepted = 0;
    let error = loop {
        let start = Instant::now();
        match producer.send(record()) {
            Ok(_) => accepted += 1,
            Err(error) => break (error, start.elapsed()),
        }
    };
    assert!((1..3).contains(&accepted), "{accepted} of 9,000 bytes in 20,000");
    let (error, took) = error;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    // All of max.block.ms was left for memory, after the serializer had taken longer than that.
    assert!((Duration::from_millis(790)..SOON).contains(&took), "{took:?}: {error}");
    assert_eq!(steps.lock().unwrap().len(), 2 * (accepted + 1));
    producer.close_timeout(Duration::ZERO).unwrap();
}

/// Behaviour 12.
#[test]
fn partitions_for_waits_for_all_of_max_block_and_then_says_what_is_missing() {
    let cluster = cluster(3);
    let (producer, _) = watched(&cluster, &[("max.block.ms", "2500")], Duration::ZERO);
    assert_eq!(producer.partitions_for("t").unwrap().len(), 3);
    let start = Instant::now();
    let error = producer.partitions_for("unknown").unwrap_err();
    assert!((Duration::from_millis(2_490)..SOON).contains(&start.elapsed()));
    assert_eq!((error.kind(), error.topic()), (ErrorKind::UnknownTopicOrPartition, Some("unknown")));
    assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
    producer.close().unwrap();
    assert_eq!(producer.partitions_for("unknown").unwrap_err().kind(), ErrorKind::Closed);
}
