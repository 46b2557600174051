//! What other libraries get of a producer's metrics, beside the snapshot: the facade `metrics`, Prometheus' text, serde.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{KafkaProducer, Metric, Metrics, ProducerConfig, ProducerRecord};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use prometheus_parse::{Scrape, Value};

/// Of two producers that have sent something, one of them with a name that is hard to write down.
fn measured() -> Metrics {
    let cluster =
        EmbeddedCluster::builder().brokers(2).topic("orders", 2).topic("bills.new", 1).start().unwrap();
    let producers = ["shop", r#"a "quoted\" name"#].map(|client_id| {
        let config =
            ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers()).set("client.id", client_id);
        KafkaProducer::<str, str>::builder(config).default_serializers().build().unwrap()
    });
    for topic in ["orders", "orders", "bills.new"] {
        for producer in &producers {
            producer.send(ProducerRecord::new(topic, "two apples")).unwrap().get().unwrap();
        }
    }
    producers.iter().flat_map(KafkaProducer::metrics).collect()
}

fn is_told(metric: &&Metric) -> bool {
    metric.number().is_some_and(|number| !number.is_nan())
}

/// A name as Prometheus has it, from the page that lists them.
fn exported(metric: &Metric) -> String {
    let group = match metric.group() {
        "producer-metrics" => "producer",
        "producer-topic-metrics" => "producer_topic",
        "producer-node-metrics" => "producer_node",
        "app-info" => "app_info",
        "kafka-metrics-count" => "metrics_count",
        other => panic!("{other}"),
    };
    format!("kafka_{group}_{}", metric.name().replace(['-', '.'], "_"))
}

#[test]
fn prometheus_text_has_each_number_once_as_another_parser_reads_it() {
    let metrics = measured();
    let text = metrics.to_open_metrics();
    assert!(text.ends_with("\n# EOF\n"));
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let mut read = BTreeMap::new();
    for sample in &scrape.samples {
        let (Value::Untyped(number) | Value::Gauge(number) | Value::Counter(number)) = sample.value else {
            panic!("{sample:?}")
        };
        let labels: BTreeMap<_, _> =
            sample.labels.iter().map(|(label, value)| (label.clone(), value.clone())).collect();
        assert!(read.insert((sample.metric.clone(), labels), number).is_none(), "twice: {sample:?}");
    }
    let escaped = |value: &str| value.replace('\\', r"\\").replace('"', r#"\""#);
    for metric in metrics.iter().filter(is_told) {
        let labels = metric.tags().map(|(tag, value)| (tag.replace('-', "_"), escaped(value)));
        let key = (exported(metric), labels.collect());
        assert_eq!(read.remove(&key), metric.number(), "{key:?}");
    }
    // What is left are the versions.
    let left: BTreeSet<_> =
        read.keys().map(|(name, labels)| (name.as_str(), labels["version"].as_str())).collect();
    assert_eq!(left, BTreeSet::from([("kafka_app_info", env!("CARGO_PKG_VERSION"))]));
    assert_eq!(read.len(), 2);
}

#[test]
fn each_family_is_told_once_with_its_type_and_a_counter_ends_in_total() {
    let text = measured().to_open_metrics();
    let mut family = ("", "");
    let mut families = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            family = line.split_once(' ').unwrap();
            assert!(families.insert(family.0), "{line}");
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            let suffix = match family.1 {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            assert_eq!(name, format!("{}{suffix}", family.0));
        }
    }
    assert!(families.len() > 80, "{}", families.len());
}

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Kept, String);

impl Cell {
    fn set(&self, value: f64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl CounterFn for Cell {
    fn increment(&self, _: u64) {
        panic!("a counter is set, not incremented")
    }
    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("a gauge is set, not incremented")
    }
    fn decrement(&self, _: f64) {
        panic!("a gauge is set, not decremented")
    }
    fn set(&self, value: f64) {
        Cell::set(self, value);
    }
}

impl Kept {
    fn cell(&self, key: &Key, kind: &str) -> Arc<Cell> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Cell(self.clone(), format!("{kind} {} {}", key.name(), labels.join(","))))
    }

    fn describe(&self, kind: &str, key: &KeyName, unit: Option<Unit>) {
        let name = format!("{kind} {} in {}", key.as_str(), unit.map_or("-", |unit| unit.as_str()));
        self.0.lock().unwrap().insert(name, 0.0);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe("counter", &key, unit);
    }
    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe("gauge", &key, unit);
    }
    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{key:?}: there are none");
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key, "counter"))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key, "gauge"))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key:?}: there are none");
    }
}

#[test]
fn the_facade_gets_each_number_under_the_same_name_as_prometheus() {
    let metrics = measured();
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || metrics.record_to_facade());
    let told: BTreeMap<String, f64> = metrics
        .iter()
        .filter(is_told)
        .map(|metric| {
            let labels: Vec<_> =
                metric.tags().map(|(tag, value)| format!("{}={value}", tag.replace('-', "_"))).collect();
            let is_counter = metric.is_counter();
            let number = metric.number().unwrap();
            let kind = if is_counter { "counter" } else { "gauge" };
            let number = if is_counter { number.trunc() } else { number };
            (format!("{kind} {} {}", exported(metric), labels.join(",")), number)
        })
        .collect();
    assert_eq!(*kept.0.lock().unwrap(), told);

    let described = Kept::default();
    metrics::with_local_recorder(&described, || metrics.describe_to_facade());
    let described = described.0.lock().unwrap();
    for line in [
        "counter kafka_producer_record_send_total in count",
        "gauge kafka_producer_request_latency_avg in milliseconds",
        "gauge kafka_producer_batch_size_max in bytes",
        "gauge kafka_producer_topic_record_send_rate in count_per_second",
    ] {
        assert!(described.contains_key(line), "{line}: {described:?}");
    }
}

#[test]
fn as_json_it_is_a_list_that_can_be_searched() {
    let json = serde_json::to_value(measured()).unwrap();
    let lines = json.as_array().unwrap();
    let line = |group: &str, name: &str, topic: &str| {
        lines
            .iter()
            .find(|line| {
                line["group"] == group
                    && line["name"] == name
                    && line["tags"]["topic"] == topic
                    && line["tags"]["client-id"] == "shop"
            })
            .unwrap()
    };
    let orders = line("producer-topic-metrics", "record-send-total", "orders");
    assert_eq!((&orders["value"], &orders["unit"]), (&2.0.into(), &"records".into()));
}
