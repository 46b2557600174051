//! What a producer measures of itself: sensors, which are written to where things happen, and the metrics that are read of
//! them.
//!
//! Owns: all sensors of one producer. Must not know: who measures, and who reads.
//! Threads: any; each group has a lock of its own, held for a few additions or for a copy. No two are held at once.
//! Holds: what is measured is told once for each batch, request, and read, never for a record (a batch knows its largest record
//! from being written); reading never lets the sender wait for
//! longer than a copy of one group.
//! Source: `KafkaProducer.metrics()`; `metrics.sample.window.ms`, `metrics.num.samples`.

#[cfg(any(feature = "prometheus", feature = "metrics-facade"))]
mod exported;
#[cfg(feature = "metrics-facade")]
mod facade;
mod latencies;
mod looked_up;
#[cfg(test)]
mod metrics_page;
#[cfg(feature = "prometheus")]
mod open_metrics;
mod reporter;
mod sensors;
#[cfg(feature = "serde")]
mod serialized;
mod snapshot;
mod statistics;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::metrics::latencies::{Latencies, PercentileRow};
pub(crate) use crate::metrics::looked_up::LookedUp;
use crate::metrics::looked_up::LookedUpRow;
#[cfg(feature = "prometheus")]
pub use crate::metrics::open_metrics::MetricsCollector;
pub use crate::metrics::reporter::MetricsReporter;
use crate::metrics::sensors::{APP_INFO, COUNT, NODE, PRODUCER, TOPIC};
pub(crate) use crate::metrics::sensors::{
    CallSensors, ConnectionSensors, NodeSensors, ProduceSensors, TopicSensors, TrafficSensors,
};
pub use crate::metrics::snapshot::{Metric, MetricValue, Metrics};
use crate::metrics::statistics::MetricRow;
pub(crate) use crate::metrics::windows::{Measure, Measures, WindowRules};
use crate::metrics::windows::{WindowSums, Windows};
use crate::stage;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicUsize;

/// A group of sensors that several threads measure with or read.
#[derive(Debug)]
pub(crate) struct Meter<M>(Mutex<Windows<M>>);

impl<M: Measures> Meter<M> {
    fn new(rules: WindowRules) -> Meter<M> {
        Meter(Mutex::new(Windows::new(rules)))
    }

    /// Takes what was measured at this time: a few additions, under the group's lock.
    #[inline]
    pub(crate) fn measure(&self, now: Instant, measure: impl FnOnce(&mut M)) {
        measure(self.0.lock().at(now));
    }

    /// What was measured: a copy, made under the lock and read outside of it.
    fn sums(&self, now: Instant) -> WindowSums<M> {
        let windows = self.0.lock().clone();
        windows.read(now)
    }
}

/// What is measured of one broker.
#[derive(Debug)]
pub(crate) struct NodeMeters {
    pub(crate) traffic: Meter<TrafficSensors>,
    pub(crate) requests: Meter<NodeSensors>,
}

/// All sensors of one producer.
#[derive(Debug)]
pub(crate) struct Meters {
    rules: WindowRules,
    client_id: Arc<str>,
    started: SystemTime,
    pub(crate) produce: Meter<(ProduceSensors, Latencies)>,
    pub(crate) calls: Meter<CallSensors>,
    pub(crate) connections: Meter<ConnectionSensors>,
    /// The traffic with brokers that are not told any more.
    left: Meter<TrafficSensors>,
    topics: Mutex<BTreeMap<Arc<str>, Arc<Meter<TopicSensors>>>>,
    nodes: Mutex<BTreeMap<i32, Arc<NodeMeters>>>,
    /// How many requests wait for their answers.
    pub(crate) requests_in_flight: AtomicUsize,
}

impl Meters {
    pub(crate) fn new(client_id: Arc<str>, rules: WindowRules) -> Meters {
        Meters {
            rules,
            client_id,
            started: stage::wall(),
            produce: Meter::new(rules),
            calls: Meter::new(rules),
            connections: Meter::new(rules),
            left: Meter::new(rules),
            topics: Mutex::new(BTreeMap::new()),
            nodes: Mutex::new(BTreeMap::new()),
            requests_in_flight: AtomicUsize::new(0),
        }
    }

    #[cfg(test)]
    pub(crate) fn unnamed() -> Meters {
        Meters::new(Arc::from(""), WindowRules { length: std::time::Duration::from_secs(30), count: 2 })
    }

    /// The sensors of this topic, made when they are first asked for. To be kept by whoever measures.
    pub(crate) fn topic(&self, topic: &str) -> Arc<Meter<TopicSensors>> {
        let mut topics = self.topics.lock();
        let meter = topics.entry(Arc::from(topic)).or_insert_with(|| Arc::new(Meter::new(self.rules)));
        Arc::clone(meter)
    }

    /// Topics whose sensors nobody keeps are not told any more.
    pub(crate) fn forget_unused_topics(&self) {
        self.topics.lock().retain(|_, meter| Arc::strong_count(meter) > 1);
    }

    /// Brokers whose sensors nobody keeps are not told any more. Their traffic was the producer's all the same.
    pub(crate) fn forget_unused_nodes(&self, now: Instant) {
        let mut unused = Vec::new();
        self.nodes.lock().retain(|_, meters| {
            let is_used = Arc::strong_count(meters) > 1;
            if !is_used {
                unused.push(Arc::clone(meters));
            }
            is_used
        });
        for meters in unused {
            let traffic = meters.traffic.0.lock().clone();
            self.left.0.lock().take_over(traffic, now);
        }
    }

    /// The sensors of this broker, made when they are first asked for. To be kept by whoever measures.
    pub(crate) fn node(&self, id: i32) -> Arc<NodeMeters> {
        let new = || NodeMeters { traffic: Meter::new(self.rules), requests: Meter::new(self.rules) };
        Arc::clone(self.nodes.lock().entry(id).or_insert_with(|| Arc::new(new())))
    }

    /// When the producer was created.
    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// How many connections stand.
    pub(crate) fn connection_count(&self, now: Instant) -> f64 {
        let ever = self.connections.sums(now).ever;
        ever.connection_creation.sum - ever.connection_close.sum
    }

    /// All metrics: what is read of sensors, and what was looked up.
    pub(crate) fn read(&self, now: Instant, looked_up: &LookedUp) -> Metrics {
        let mut reader = SnapshotBuilder { client_id: &self.client_id, metrics: Vec::new() };
        reader.look_up(looked_up);
        let (sensors, latencies) = self.produce.sums(now).split();
        reader.read(&sensors, (PRODUCER, None), ProduceSensors::ROWS);
        reader.read_latencies(&latencies.lately);
        reader.read(&self.calls.sums(now), (PRODUCER, None), CallSensors::ROWS);
        reader.read(&self.connections.sums(now), (PRODUCER, None), ConnectionSensors::ROWS);
        let nodes: Vec<_> = self.nodes.lock().iter().map(|(id, meters)| (*id, Arc::clone(meters))).collect();
        let mut traffic = self.left.sums(now);
        let nodes = nodes.into_iter().map(|(id, meters)| {
            let sums = meters.traffic.sums(now);
            traffic.add(&sums);
            (id, sums, meters.requests.sums(now))
        });
        let nodes: Vec<_> = nodes.collect();
        reader.read(&traffic, (PRODUCER, None), TrafficSensors::ROWS);
        let topics: Vec<_> =
            self.topics.lock().iter().map(|(topic, meter)| (Arc::clone(topic), Arc::clone(meter))).collect();
        for (topic, meter) in topics {
            reader.read(&meter.sums(now), (TOPIC, Some(("topic", topic))), TopicSensors::ROWS);
        }
        for (id, traffic, requests) in nodes {
            let tag = ("node-id", Arc::from(format!("node-{id}")));
            reader.read(&traffic, (NODE, Some(tag.clone())), TrafficSensors::ROWS);
            reader.read(&requests, (NODE, Some(tag)), NodeSensors::ROWS);
        }
        reader.tell(self.started);
        Metrics::new(reader.metrics)
    }
}

type Tag = (&'static str, Arc<str>);

/// A group, and which of it by a tag beside `client-id`.
type MetricGroup = (&'static str, Option<Tag>);

/// Name, unit, description, value.
type MetricLine = (&'static str, &'static str, &'static str, MetricValue);

struct SnapshotBuilder<'a> {
    client_id: &'a Arc<str>,
    metrics: Vec<Metric>,
}

impl SnapshotBuilder<'_> {
    /// Which producer this is, and how many metrics it has.
    fn tell(&mut self, started: SystemTime) {
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64;
        let version = MetricValue::Text(env!("CARGO_PKG_VERSION").to_owned());
        let lines = [
            ("version", "", "The version of this library.", version),
            (
                "start-time-ms",
                "ms",
                "When the producer was created, since 1970.",
                MetricValue::Number(started),
            ),
        ];
        self.extend((APP_INFO, None), lines);
        let count = MetricValue::Number((self.metrics.len() + 1) as f64);
        self.extend((COUNT, None), [("count", "", "How many metrics there are, this one included.", count)]);
    }

    fn look_up(&mut self, looked_up: &LookedUp) {
        let line = |row: &LookedUpRow| {
            (row.name, row.unit, row.description, MetricValue::Number((row.number)(looked_up)))
        };
        self.extend((PRODUCER, None), LookedUp::ROWS.iter().map(line));
    }

    fn read<M>(&mut self, sums: &WindowSums<M>, of: MetricGroup, rows: &[MetricRow<M>]) {
        let number = |row: &MetricRow<M>| MetricValue::Number(row.statistic.of(sums, row.sensor));
        let line = |row: &MetricRow<M>| (row.name, row.unit, row.description, number(row));
        self.extend(of, rows.iter().map(line));
    }

    fn read_latencies(&mut self, lately: &Latencies) {
        let number =
            |row: &PercentileRow| MetricValue::Number((row.times)(lately).percentile(row.percentile));
        let lines = Latencies::ROWS.iter().map(|row| (row.name, "ms", row.description, number(row)));
        self.extend((PRODUCER, None), lines);
    }

    fn extend(&mut self, (group, of): MetricGroup, lines: impl IntoIterator<Item = MetricLine>) {
        let tags: Vec<Tag> = [("client-id", Arc::clone(self.client_id))].into_iter().chain(of).collect();
        let metric = |(name, unit, description, value)| Metric {
            group,
            name,
            tags: tags.clone(),
            unit,
            description,
            value,
        };
        self.metrics.extend(lines.into_iter().map(metric));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::statistics::Statistic;

    const LOOKED: LookedUp = LookedUp {
        waiting_threads: 1,
        buffer_total_bytes: 2,
        buffer_available_bytes: 3,
        metadata_age: None,
        requests_in_flight: 4,
        connection_count: 5.0,
    };

    const RULES: WindowRules = WindowRules { length: Duration::from_secs(30), count: 2 };

    fn meters() -> (Meters, Instant) {
        let now = Instant::now();
        (Meters::new(Arc::from("c"), RULES), now)
    }

    #[test]
    fn what_is_measured_is_read_by_its_name_its_topic_and_its_broker() {
        let (meters, now) = meters();
        meters.produce.measure(now, |(sensors, _)| sensors.batch_size.add(100.0));
        meters.topic("t").measure(now, |sensors| sensors.bytes.add(7.0));
        meters.topic("t").measure(now, |sensors| sensors.bytes.add(7.0));
        meters.node(3).traffic.measure(now, |sensors| sensors.bytes_sent.add(9.0));
        let metrics = meters.read(now, &LOOKED);
        let number =
            |group, name, tags: &[(&str, &str)]| metrics.get(group, name, tags).and_then(Metric::number);
        assert_eq!(number("producer-metrics", "batch-size-max", &[("client-id", "c")]), Some(100.0));
        assert_eq!(number("producer-topic-metrics", "byte-total", &[("topic", "t")]), Some(14.0));
        assert_eq!(
            number("producer-node-metrics", "outgoing-byte-total", &[("node-id", "node-3")]),
            Some(9.0)
        );
    }

    #[test]
    fn a_topic_that_is_forgotten_is_not_told_any_more() {
        let (meters, now) = meters();
        let kept = meters.topic("t");
        meters.forget_unused_topics();
        assert!(
            meters.read(now, &LOOKED).get("producer-topic-metrics", "byte-rate", &[("topic", "t")]).is_some()
        );
        drop(kept);
        meters.forget_unused_topics();
        assert!(meters.read(now, &LOOKED).get("producer-topic-metrics", "byte-rate", &[]).is_none());
    }

    #[test]
    fn what_counts_ends_in_total_and_nothing_else_does() {
        fn check<M>(rows: &[MetricRow<M>]) {
            for row in rows {
                let counts = matches!(row.statistic, Statistic::Total | Statistic::Times);
                assert_eq!(row.name.ends_with("-total"), counts, "{}", row.name);
            }
        }
        check(ProduceSensors::ROWS);
        check(CallSensors::ROWS);
        check(ConnectionSensors::ROWS);
        check(TrafficSensors::ROWS);
        check(TopicSensors::ROWS);
        check(NodeSensors::ROWS);
        assert!(LookedUp::ROWS.iter().all(|row| !row.name.ends_with("-total")));
    }

    #[test]
    fn no_name_stands_for_two_metrics() {
        let (meters, now) = meters();
        meters.topic("t");
        meters.node(3);
        let metrics = meters.read(now, &LOOKED);
        let mut names: Vec<_> = metrics.iter().map(|metric| (metric.group(), metric.name())).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
