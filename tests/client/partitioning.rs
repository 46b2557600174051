//! Which brokers keyless records go to: not to one that takes no data, and first to those in the client's own rack.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::support::{AGES, TextProducer, producer, text, wait_until};
use kafka_embedded::{Api, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::ProducerRecord;

/// One partition a broker and nobody to take over: partition 0 on broker 1, and so on.
fn cluster(brokers: i32) -> EmbeddedCluster {
    let topic = TopicConfig::new(brokers).replication_factor(1);
    EmbeddedCluster::builder().brokers(brokers).topic_with("t", topic).start().unwrap()
}

/// Every record chooses anew, and a broker that has not answered takes nothing more: a request takes one record, so that those
/// that wait for a slow one need their time.
const EACH_CHOOSES: [(&str, &str); 4] = [
    ("batch.size", "1"),
    ("linger.ms", "0"),
    ("max.in.flight.requests.per.connection", "1"),
    ("delivery.timeout.ms", "120000"),
];

/// What has become of the keyless records that were sent while one of two brokers took no data.
struct Shares {
    /// Records to the late broker and to the other, when it had taken none for long.
    late: [usize; 2],
    /// The same, when it took data again.
    again: [usize; 2],
}

/// For how long broker 2 takes no data: twice as long as is sent meanwhile, on a machine that is not slower than that.
const LATE_SECONDS: [u64; 4] = [5, 10, 20, 40];

/// It takes none because it has not answered.
fn late_answer(late: Duration) -> Fault {
    Fault::delay(Api::Produce, late)
}

fn send_while_a_broker_is_late(fault: fn(Duration) -> Fault, settings: &[(&str, &str)]) -> Shares {
    let mut times = LATE_SECONDS.map(Duration::from_secs).into_iter();
    let shares = times.find_map(|late| send_while_it_is_late(late, fault(late), settings));
    shares.expect("the broker was never late for as long as records were sent")
}

/// None if it took data again before all was sent.
fn send_while_it_is_late(late: Duration, fault: Fault, settings: &[(&str, &str)]) -> Option<Shares> {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[&EACH_CHOOSES, settings].concat());
    let mut sent = Vec::new();
    let mut send = |phase: &str| {
        let record = ProducerRecord::new("t", format!("{phase} {}", sent.len()));
        let future = producer.send(record).unwrap();
        sent.push(future.clone());
        std::thread::sleep(Duration::from_millis(2));
        future
    };
    // Both have taken data: it is known when they last did.
    while [0, 1].iter().any(|partition| cluster.end_offset("t", *partition) == Some(0)) {
        send("before").get_timeout(AGES).unwrap();
    }
    cluster.inject(fault.on_broker(2));
    let begun = Instant::now();
    // Its time runs from when it last took data, once something waits for it.
    let first: Vec<_> = (0..50).map(|_| send("first")).collect();
    while begun.elapsed() < late * 3 / 10 {
        send("first");
    }
    let (taken, mut sent_late) = (cluster.end_offset("t", 1), 0);
    while begun.elapsed() < late / 2 || sent_late < 100 {
        send("late");
        sent_late += 1;
    }
    let is_late = cluster.end_offset("t", 1) == taken;
    wait_until("the late broker takes data again", || first.iter().all(|future| future.is_done()));
    producer.flush().unwrap();
    for _ in 0..100 {
        send("again").get_timeout(AGES).unwrap();
    }
    producer.close().unwrap();
    sent.iter().for_each(|future| drop(future.get().unwrap()));
    assert_eq!(cluster.records("t").len(), sent.len(), "nothing is lost");
    let count = |phase: &str, partition: i32| {
        let is_of = |value: Option<&Vec<u8>>| text(value).unwrap().starts_with(phase);
        let records = cluster.records("t").into_iter().filter(|record| record.partition == partition);
        records.filter(|record| is_of(record.value.as_ref())).count()
    };
    let shares = |phase| [count(phase, 1), count(phase, 0)];
    is_late.then(|| Shares { late: shares("late"), again: shares("again") })
}

/// Behaviour 30.
#[test]
fn a_broker_that_takes_no_data_gets_no_keyless_records_until_it_does_again() {
    // It has not answered, or it has asked for a pause.
    for late in [late_answer, |late| Fault::throttle(Api::Produce, late)] {
        let shares = send_while_a_broker_is_late(late, &[("partitioner.availability.timeout.ms", "200")]);
        assert_eq!(shares.late[0], 0);
        assert!(shares.late[1] > 20, "{:?}", shares.late);
        assert!(shares.again[0] > 20, "{:?}", shares.again);
    }
}

/// Behaviour 30.
#[test]
fn by_default_a_broker_that_takes_no_data_only_gets_less() {
    let shares = send_while_a_broker_is_late(late_answer, &[]);
    assert!((1..shares.late[1]).contains(&shares.late[0]), "{:?}", shares.late);
    assert!(shares.again[0] > 20, "{:?}", shares.again);
}

/// Behaviour 30.
#[test]
fn without_adaptive_partitioning_a_broker_that_takes_no_data_gets_its_share() {
    let settings = [
        ("partitioner.availability.timeout.ms", "200"),
        ("partitioner.adaptive.partitioning.enable", "false"),
    ];
    let shares = send_while_a_broker_is_late(late_answer, &settings);
    let [late, other] = shares.late;
    assert!(late > other / 2 && other > late / 2, "{:?}", shares.late);
}

/// More than a broker that answers needs.
const SHORT: Duration = Duration::from_millis(200);

/// Four brokers in turns in zone a and zone b, eight partitions.
fn zones(replication_factor: usize) -> EmbeddedCluster {
    let topic = TopicConfig::new(8).replication_factor(replication_factor);
    let zones = ["zone-a", "zone-b", "zone-a", "zone-b"];
    EmbeddedCluster::builder().brokers(4).racks(zones).topic_with("t", topic).start().unwrap()
}

fn rack_aware(cluster: &EmbeddedCluster, rack: &str, more: &[(&str, &str)]) -> TextProducer {
    let aware = [("partitioner.rack.aware", "true"), ("client.rack", rack), ("batch.size", "1")];
    producer(cluster, &[&aware, more].concat())
}

/// How many of `count` keyless records went to each partition.
fn spread(producer: &TextProducer, count: usize) -> BTreeMap<i32, usize> {
    let futures: Vec<_> = (0..count).map(|_| producer.send(ProducerRecord::new("t", "v")).unwrap()).collect();
    let mut partitions = BTreeMap::new();
    for future in futures {
        *partitions.entry(future.get_timeout(AGES).unwrap().partition()).or_default() += 1;
    }
    partitions
}

fn used(producer: &TextProducer) -> Vec<i32> {
    spread(producer, 300).into_keys().collect()
}

#[test]
fn keyless_records_stay_in_the_clients_rack() {
    let cluster = zones(1);
    for adaptive in ["true", "false"] {
        let adaptive = [("partitioner.adaptive.partitioning.enable", adaptive)];
        assert_eq!(used(&rack_aware(&cluster, "zone-a", &adaptive)), [0, 2, 4, 6]);
        assert_eq!(used(&rack_aware(&cluster, "zone-b", &adaptive)), [1, 3, 5, 7]);
    }
    // Keys and explicit partitions go where they belong.
    let producer = rack_aware(&cluster, "zone-a", &[]);
    let keyed = |number| ProducerRecord::new("t", "v").with_key(format!("{number}"));
    let keyed = (0..100).map(|number| producer.send(keyed(number)).unwrap().get().unwrap().partition());
    assert_eq!(keyed.collect::<BTreeSet<_>>().len(), 8);
    let explicit = ProducerRecord::new("t", "v").with_partition(1);
    assert_eq!(producer.send(explicit).unwrap().get().unwrap().partition(), 1);
}

#[test]
fn without_rack_awareness_or_racks_or_a_leader_in_the_rack_all_partitions_are_used() {
    let all: Vec<i32> = (0..8).collect();
    let cluster = zones(1);
    assert_eq!(used(&producer(&cluster, &[("client.rack", "zone-a"), ("batch.size", "1")])), all);
    assert_eq!(used(&rack_aware(&cluster, "zone-c", &[])), all);
    let without_racks = EmbeddedCluster::builder().brokers(4).topic("t", 8).start().unwrap();
    assert_eq!(used(&rack_aware(&without_racks, "zone-a", &[])), all);
}

#[test]
fn they_leave_the_rack_when_its_brokers_are_gone_and_return_with_them() {
    let cluster = zones(1);
    let producer = rack_aware(&cluster, "zone-a", &[("metadata.max.age.ms", "100")]);
    assert_eq!(used(&producer), [0, 2, 4, 6]);
    [1, 3].iter().for_each(|broker| cluster.stop_broker(*broker));
    let kept: Vec<_> = (0..100).map(|_| producer.send(ProducerRecord::new("t", "v")).unwrap()).collect();
    let sends_to = |partitions: &[i32]| {
        let sent = producer.send(ProducerRecord::new("t", "v")).unwrap();
        let sent = sent.get_timeout(SHORT);
        sent.is_ok_and(|metadata| partitions.contains(&metadata.partition()))
    };
    wait_until("the others are used", || sends_to(&[1, 3, 5, 7]));
    assert_eq!(used(&producer), [1, 3, 5, 7]);
    [1, 3].iter().for_each(|broker| cluster.start_broker(*broker).unwrap());
    wait_until("the rack is used again", || sends_to(&[0, 2, 4, 6]));
    wait_until("all of the rack", || used(&producer) == [0, 2, 4, 6]);
    kept.iter().for_each(|future| assert!(future.get_timeout(AGES).is_ok()));
}

/// The new leader is told in the answer of the old one (KIP-951): no metadata is fetched.
#[test]
fn a_partition_whose_leader_moves_to_another_rack_is_left() {
    let cluster = zones(4);
    let seldom = [("retry.backoff.ms", "20000"), ("retry.backoff.max.ms", "20000")];
    let producer = rack_aware(&cluster, "zone-a", &seldom);
    assert_eq!(used(&producer), [0, 2, 4, 6]);
    let asked = cluster.requests(Api::Metadata);
    cluster.move_leader("t", 4, 2);
    cluster.move_leader("t", 7, 3);
    for partition in [4, 7] {
        let told = ProducerRecord::new("t", "v").with_partition(partition);
        producer.send(told).unwrap().get_timeout(AGES).unwrap();
    }
    assert_eq!(used(&producer), [0, 2, 6, 7]);
    assert_eq!(cluster.requests(Api::Metadata), asked);
}
