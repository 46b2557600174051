//! Which records travel together, and to which partition.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{AGES, SOON, TextProducer, cluster, config, producer, to_first};
use kafka_embedded::{EmbeddedCluster, SeenBatch};
use kafka_producer::{
    Cluster, ErrorKind, KafkaProducer, PartitionRequest, Partitioner, PartitionerError, ProducerRecord,
    partition_for_key,
};

fn seen(cluster: &EmbeddedCluster) -> Vec<SeenBatch> {
    cluster.produce_requests().into_iter().flat_map(|request| request.batches).collect()
}

fn counts(cluster: &EmbeddedCluster) -> Vec<i32> {
    seen(cluster).iter().map(|batch| batch.header.as_ref().unwrap().record_count).collect()
}

/// Behaviour 20.
#[test]
fn records_linger_for_company() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "2500")]);
    producer.partitions_for("t").unwrap();
    let start = Instant::now();
    let futures: Vec<_> = (0..20).map(|_| producer.send(to_first("v")).unwrap()).collect();
    crate::support::wait_until("the linger is over", || futures.iter().all(|future| future.is_done()));
    let took = start.elapsed();
    assert_eq!(counts(&cluster), [20]);
    assert!((Duration::from_millis(2_490)..SOON).contains(&took), "{took:?}");
}

/// Behaviour 20.
#[test]
fn a_full_batch_does_not_linger() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000"), ("batch.size", "1000")]);
    let futures: Vec<_> = (0..100).map(|_| producer.send(to_first("x".repeat(50))).unwrap()).collect();
    // All but the last batch are full.
    crate::support::wait_until("the full ones", || futures[..80].iter().all(|future| future.is_done()));
    producer.close().unwrap();
    for batch in seen(&cluster) {
        assert!(batch.bytes <= 1000, "{} bytes", batch.bytes);
    }
    let counts = counts(&cluster);
    let full = &counts[1..counts.len() - 1];
    assert!(full.iter().all(|count| *count >= 12), "{counts:?}");
}

/// Behaviour 21.
/// (21)
#[test]
fn a_record_larger_than_a_batch_travels_alone() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000"), ("batch.size", "1000")]);
    producer.partitions_for("t").unwrap();
    producer.send(to_first("small")).unwrap();
    producer.send(to_first("x".repeat(5_000))).unwrap();
    producer.send(to_first("small")).unwrap();
    producer.close().unwrap();
    assert_eq!(counts(&cluster), [1, 1, 1]);
    assert!(seen(&cluster)[1].bytes > 5_000);
}

#[test]
fn a_batch_size_of_zero_sends_each_record_alone() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000"), ("batch.size", "0")]);
    for _ in 0..5 {
        producer.send(to_first("v")).unwrap();
    }
    producer.close().unwrap();
    assert_eq!(counts(&cluster), [1; 5]);
}

/// Behaviours 21, 22, 58.
/// (21)
#[test]
fn a_request_holds_one_batch_of_each_partition_and_no_more_than_it_may() {
    let cluster = cluster(8);
    let settings = &[("linger.ms", "10000"), ("batch.size", "2000"), ("max.request.size", "5000")];
    let producer = producer(&cluster, settings);
    for number in 0..160 {
        let record = ProducerRecord::new("t", "x".repeat(100)).with_partition(number % 8);
        producer.send(record).unwrap();
    }
    producer.close().unwrap();
    let requests = cluster.produce_requests();
    for request in &requests {
        let bytes: usize = request.batches.iter().map(|batch| batch.bytes).sum();
        assert!(bytes <= 5_000, "{bytes} bytes in a request");
        let mut partitions: Vec<_> = request.batches.iter().map(|batch| batch.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        assert_eq!(partitions.len(), request.batches.len());
    }
    assert!(requests.iter().any(|request| request.batches.len() > 1), "partitions share requests");
    assert_eq!(cluster.records("t").len(), 160);
}

/// Behaviour 28.
/// (28) KIP-794: keyless records keep to one partition for a batch, then go to another.
#[test]
fn keyless_records_go_to_another_partition_after_a_batch_and_to_all_alike() {
    let cluster = cluster(8);
    let settings = &[
        ("linger.ms", "500"),
        ("batch.size", "1000"),
        ("partitioner.adaptive.partitioning.enable", "false"),
    ];
    let producer = producer(&cluster, settings);
    for _ in 0..8_000 {
        producer.send(ProducerRecord::new("t", "x".repeat(90))).unwrap();
    }
    producer.close().unwrap();
    let mut by_partition = BTreeMap::<i32, usize>::new();
    cluster.records("t").iter().for_each(|record| *by_partition.entry(record.partition).or_default() += 1);
    assert_eq!(by_partition.values().sum::<usize>(), 8_000);
    // About 800 batches, each on one of 8 partitions at random: 100 each, give or take 9.
    for partition in 0..8 {
        let share = by_partition.get(&partition).copied().unwrap_or_default();
        assert!((500..1_500).contains(&share), "partition {partition} of {by_partition:?}");
    }
    let counts = counts(&cluster);
    assert!(8_000 / counts.len() >= 5, "{} batches: records kept together", counts.len());
}

/// Behaviour 14.
/// (14, 15)
#[test]
fn keyed_records_go_where_java_sends_them() {
    let cluster = cluster(7);
    let producer = producer(&cluster, &[]);
    for number in 0..200 {
        producer.send(ProducerRecord::new("t", "v").with_key(format!("key-{number}"))).unwrap();
    }
    producer.send(ProducerRecord::new("t", "v").with_key("")).unwrap();
    producer.close().unwrap();
    let records = cluster.records("t");
    assert_eq!(records.len(), 201);
    for record in records {
        let key = record.key.unwrap();
        assert_eq!(record.partition, partition_for_key(&key, 7), "{key:?}");
    }
    // Kafka's own test vectors of murmur2, masked.
    for (key, hash) in
        [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-longer-string", -1_486_304_829)]
    {
        let hash: i32 = hash;
        assert_eq!(partition_for_key(key.as_bytes(), 1000), (hash & 0x7fff_ffff) % 1000);
    }
}

#[test]
fn keys_may_be_ignored() {
    let cluster = cluster(8);
    let settings = &[("partitioner.ignore.keys", "true"), ("batch.size", "300"), ("linger.ms", "0")];
    let producer = producer(&cluster, settings);
    for _ in 0..500 {
        producer.send(ProducerRecord::new("t", "v").with_key("always the same")).unwrap();
    }
    producer.close().unwrap();
    let partitions: std::collections::BTreeSet<_> =
        cluster.records("t").iter().map(|r| r.partition).collect();
    assert!(partitions.len() >= 4, "{partitions:?}");
}

struct ByLength;

impl Partitioner for ByLength {
    fn partition(&self, record: &PartitionRequest<'_>, cluster: &Cluster) -> Result<i32, PartitionerError> {
        assert_eq!(cluster.partition_count(record.topic()), Some(3));
        match record.value() {
            None => Err("a tombstone has no length".into()),
            Some(value) => Ok(value.len() as i32 - 1),
        }
    }
}

fn with_partitioner(cluster: &EmbeddedCluster) -> TextProducer {
    let settings = config(&cluster.bootstrap_servers(), &[]);
    KafkaProducer::builder(settings).partitioner(ByLength).build().unwrap()
}

#[test]
fn a_partitioner_of_ones_own_chooses_unless_the_record_does() {
    let cluster = cluster(3);
    let producer = with_partitioner(&cluster);
    for value in ["a", "bb", "ccc"] {
        let metadata = producer.send(ProducerRecord::new("t", value).with_key("k")).unwrap().get().unwrap();
        assert_eq!(metadata.partition(), value.len() as i32 - 1);
    }
    let chosen = ProducerRecord::new("t", "a").with_partition(2);
    assert_eq!(producer.send(chosen).unwrap().get().unwrap().partition(), 2);
}

/// Behaviour 1.
#[test]
fn a_partitioner_that_fails_or_errs_queues_nothing() {
    let cluster = cluster(3);
    let producer = with_partitioner(&cluster);
    let error = producer.send(ProducerRecord::tombstone("t", "k")).unwrap_err();
    assert_eq!((error.kind(), error.topic()), (ErrorKind::Partitioning, Some("t")));
    assert!(error.to_string().contains("a tombstone has no length"), "{error}");
    for (value, partition) in [("dddd", "3"), ("", "-1")] {
        let error = producer.send(ProducerRecord::new("t", value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Partitioning);
        let text = error.to_string();
        assert!(
            text.contains(&format!("partition {partition}")) && text.contains("3 partitions, counted from 0"),
            "{text}"
        );
    }
    producer.close().unwrap();
    assert_eq!(cluster.records("t"), []);
}

/// Behaviour 31.
/// (31)
#[test]
fn round_robin_by_its_class_name() {
    for name in ["org.apache.kafka.clients.producer.RoundRobinPartitioner", "RoundRobinPartitioner"] {
        let cluster = cluster(4);
        let producer = producer(&cluster, &[("partitioner.class", name)]);
        let partitions: Vec<_> = (0..8)
            .map(|_| {
                let record = ProducerRecord::new("t", "v").with_key("k");
                producer.send(record).unwrap().get_timeout(AGES).unwrap().partition()
            })
            .collect();
        let first = partitions[0];
        let expected: Vec<_> = (0..8).map(|step| (first + step) % 4).collect();
        assert_eq!(partitions, expected);
    }
}

#[test]
fn a_registered_partitioner_is_found_by_name_and_an_unknown_one_is_an_error() {
    let cluster = cluster(3);
    let settings = config(&cluster.bootstrap_servers(), &[("partitioner.class", "com.example.ByLength")]);
    let producer: TextProducer = KafkaProducer::builder(settings)
        .register_partitioner("com.example.ByLength", || Box::new(ByLength))
        .build()
        .unwrap();
    assert_eq!(producer.send(ProducerRecord::new("t", "bb")).unwrap().get().unwrap().partition(), 1);
    let settings = config("localhost:9092", &[("partitioner.class", "com.example.Other")]);
    let error = KafkaProducer::<str, str>::new(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("com.example.Other"), "{error}");
}

/// Behaviour 14.
#[test]
fn keyless_records_avoid_partitions_without_a_leader_and_keyed_ones_do_not() {
    let topic = kafka_embedded::TopicConfig::new(2).replication_factor(1);
    let cluster = EmbeddedCluster::builder().brokers(2).topic_with("t", topic).start().unwrap();
    let away = cluster.leader("t", 1).unwrap();
    cluster.stop_broker(away);
    let producer = producer(&cluster, &[("batch.size", "200"), ("linger.ms", "0")]);
    for _ in 0..100 {
        producer.send(ProducerRecord::new("t", "v")).unwrap().get_timeout(AGES).unwrap();
    }
    assert_eq!(cluster.end_offset("t", 0), Some(100));
    let key = (0..).map(|n| format!("{n}")).find(|key| partition_for_key(key.as_bytes(), 2) == 1).unwrap();
    let keyed = producer.send(ProducerRecord::new("t", "v").with_key(key)).unwrap();
    assert_eq!(keyed.get_timeout(Duration::from_millis(100)).unwrap_err().kind(), ErrorKind::Timeout);
    cluster.start_broker(away).unwrap();
    assert_eq!(keyed.get_timeout(AGES).unwrap().partition(), 1);
}
