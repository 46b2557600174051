//! What the producer pushes to Apache Kafka (KIP-714) is what Java's own producer pushes after the same load: read by a plugin with
//! Kafka's own classes of OpenTelemetry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::jars::KafkaJars;
use harness::java_metrics::JavaLoad;
use harness::kafka_cluster::Kafka;
use harness::telemetry_witness::{TelemetryWitness, WitnessedMetric, WitnessedPush};
use kafka_producer::ProducerRecord;
use real_kafka_support::{now_ms, text_producer};

const NEWEST: &str = "4.3.1";
const MINUTE: Duration = Duration::from_secs(60);
const SENT: &str = "org.apache.kafka.producer.topic.record.send.total";

fn of(witness: &TelemetryWitness, client_id: &str) -> Vec<WitnessedPush> {
    witness.pushes().into_iter().filter(|push| push.client_id == client_id).collect()
}

/// Waits for so many pushes of ours that tell of a topic.
fn wait_for(witness: &TelemetryWitness, client_id: &str, count: usize) -> Vec<WitnessedPush> {
    let begun = Instant::now();
    loop {
        let pushes = of(witness, client_id);
        if pushes.iter().filter(|push| push.metrics.iter().any(|metric| metric.name == SENT)).count() >= count
        {
            return pushes;
        }
        assert!(begun.elapsed() < MINUTE, "there are {} pushes of {client_id}", pushes.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Of each metric by its name: what it is, the kind of number, the names of its attributes, the resource.
type Shape = (String, String, Vec<String>, String);

fn shapes(pushes: &[WitnessedPush]) -> BTreeMap<String, Shape> {
    let shape = |metric: &WitnessedMetric| {
        let keys = metric.attributes.split(',').map(|pair| pair.split('=').next().unwrap().to_owned());
        (metric.kind.clone(), metric.number_kind.clone(), keys.collect(), metric.resource.clone())
    };
    let all = pushes.iter().flat_map(|push| &push.metrics);
    all.map(|metric| (metric.name.clone(), shape(metric))).collect()
}

fn total(pushes: &[WitnessedPush]) -> f64 {
    let all = pushes.iter().flat_map(|push| &push.metrics);
    all.filter(|metric| metric.name == SENT).map(|metric| metric.value).sum()
}

fn javas(kafka: &Kafka, client_id: &str) {
    let settings = [("client.id", client_id), ("client.rack", "east"), ("enable.metrics.push", "true")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let servers = ("bootstrap.servers".to_owned(), kafka.bootstrap_servers());
    let steps = [format!("send t 0 {} 100 20", now_ms()), "flush".to_owned(), "sleep 3000".to_owned()];
    let load = JavaLoad { settings: settings.into_iter().chain([servers]).collect(), steps: steps.to_vec() };
    assert_eq!(kafka.jars().metrics_of(&[load]).len(), 1);
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn what_is_pushed_is_what_java_pushes() {
    let _turn = harness::turn();
    let witness = TelemetryWitness::compile(&KafkaJars::fetch(NEWEST));
    let kafka = witness.start(NEWEST, "*", 100);
    kafka.create_topic("t", 1, 1, &[]);
    let producer = text_producer(&kafka, &[("client.id", "ours"), ("client.rack", "east")]);
    for number in 0..20 {
        producer.send(ProducerRecord::new("t", format!("{number:0100}"))).unwrap().get().unwrap();
    }
    wait_for(&witness, "ours", 2);
    let id = producer.client_instance_id(MINUTE).unwrap().to_string();
    producer.send(ProducerRecord::new("t", "the last one".to_owned())).unwrap();
    producer.close().unwrap();
    let ours = of(&witness, "ours");
    assert!(ours.iter().all(|push| push.client_instance_id == id && push.content_type == "OTLP"), "{id}");
    let terminating: Vec<bool> = ours.iter().map(|push| push.terminating).collect();
    assert_eq!(terminating.iter().filter(|it| **it).count(), 1, "{terminating:?}");
    assert!(terminating.last().unwrap());
    // Kafka's brokers ask for deltas: together they are the whole.
    assert_eq!(total(&ours), 21.0);

    javas(&kafka, "java");
    let java = wait_for(&witness, "java", 1);
    assert_eq!(total(&java), 20.0);
    let (ours, java) = (shapes(&ours), shapes(&java));
    let lacking: Vec<_> = java.keys().filter(|name| !ours.contains_key(*name)).collect();
    assert!(lacking.iter().all(|name| NOT_HERE.contains(&name.as_str())), "not here: {lacking:?}");
    let own: Vec<_> = ours.keys().filter(|name| !java.contains_key(*name)).collect();
    let is_own = |name: &&String| OWN.iter().any(|part| name.contains(part));
    assert!(own.iter().all(is_own), "not in Java: {own:?}");
    let both = ours.iter().filter(|(name, _)| java.contains_key(*name));
    let both: Vec<_> = both.inspect(|(name, shape)| assert_eq!(java[*name], **shape, "{name}")).collect();
    assert!(both.len() > 60, "{}", both.len());
}

/// The I/O thread does more than I/O here: docs/metrics.md.
const NOT_HERE: [&str; 3] = [
    "org.apache.kafka.producer.io.ratio",
    "org.apache.kafka.producer.io.time.ns.avg",
    "org.apache.kafka.producer.io.time.ns.total",
];

/// Percentiles, and what else is not in Java; its reads and writes are counted for all brokers together.
const OWN: [&str; 4] = [".p50", ".p99", "record.acknowledgement.time", "producer.node.network.io"];

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn another_subscription_is_followed() {
    let _turn = harness::turn();
    let witness = TelemetryWitness::compile(&KafkaJars::fetch(NEWEST));
    let kafka = witness.start(NEWEST, "*", 100);
    kafka.create_topic("t", 1, 1, &[]);
    let producer = text_producer(&kafka, &[("client.id", "ours")]);
    producer.send(ProducerRecord::new("t", "one".to_owned())).unwrap().get().unwrap();
    let before = wait_for(&witness, "ours", 1);
    assert!(before.iter().any(|push| push.metrics.len() > 60));
    witness.subscribe(&kafka, "org.apache.kafka.producer.topic.record", 200);
    let is_new = |push: &WitnessedPush| {
        let names = push.metrics.iter().map(|metric| metric.name.as_str());
        !push.metrics.is_empty()
            && names.clone().all(|name| name.starts_with("org.apache.kafka.producer.topic.record"))
    };
    let begun = Instant::now();
    while !of(&witness, "ours").last().is_some_and(is_new) {
        assert!(begun.elapsed() < MINUTE, "the old subscription is still followed");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pushes = of(&witness, "ours");
    assert!(pushes.iter().all(|push| push.client_instance_id == pushes[0].client_instance_id));
    producer.close().unwrap();
}
