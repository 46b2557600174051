//! `docs/metrics.md`, made from the tables of metrics.
//!
//! Owns: the page's words. `KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --lib docs_` writes the page anew.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::metrics::latencies::Latencies;

/// Name, unit, description.
type Line = (&'static str, &'static str, &'static str);

/// The one of `metrics.recording.level` from which on a metric is kept: the lowest for each, as for these in Java.
const LEVEL: &str = "INFO";

fn of<M>(rows: &'static [MetricRow<M>]) -> impl Iterator<Item = Line> {
    rows.iter().map(|row| (row.name, row.unit, row.description))
}

fn table(page: &mut String, head: &str, lines: impl Iterator<Item = Line>) {
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_unstable();
    writeln!(page, "\n{head}\n\n| Metric | Unit | Level | What it says |\n|---|---|---|---|").unwrap();
    for (name, unit, description) in lines {
        writeln!(page, "| `{name}` | {unit} | {LEVEL} | {description} |").unwrap();
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let looked_up = LookedUp::ROWS.iter().map(|row| (row.name, row.unit, row.description));
    let percentiles = Latencies::ROWS.iter().map(|row| (row.name, "ms", row.description));
    let producer = of(ProduceSensors::ROWS).chain(of(CallSensors::ROWS)).chain(looked_up);
    table(&mut page, "## `producer-metrics`\n\nTag: `client-id`.", producer.chain(percentiles));
    let connections = of(ConnectionSensors::ROWS).chain(of(TrafficSensors::ROWS));
    table(&mut page, "### Of all connections\n\nIn the same group.", connections);
    table(&mut page, TOPICS, of(TopicSensors::ROWS));
    table(&mut page, NODES, of(TrafficSensors::ROWS).chain(of(NodeSensors::ROWS)));
    page + TAIL + BRIDGES
}

#[test]
fn docs_metrics_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("KAFKA_PRODUCER_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/metrics.md differs from the tables: run KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --lib docs_"
    );
}

const HEAD: &str = "\
# Metrics

What `KafkaProducer::metrics()` tells, under the names, groups and tags of Kafka's own producer. This page is made from the code.

- The level is that of `metrics.recording.level` from which on Java keeps the metric. Here it is INFO for all of them, so the setting
  changes nothing.
- Averages, maxima and rates are of the last `metrics.num.samples` windows of `metrics.sample.window.ms` each, 2 of 30 seconds by
  default, and of the one that has begun; totals are since the producer was created. A rate is
  divided by at least all windows but one (30 s by default), as in Java: in a program's first seconds it is lower than what happens.
- Where nothing was measured of late, an average, a maximum and a percentile are not a number (NaN), as in Java. What has no unit is a
  count.
- Measured is each batch, each request, each read and each call that waits, and each record that `send` refuses. A record on its way is
  not measured on its own, so its times are those of its batch. Only the size of a batch's largest record is kept as records are written.
- Percentiles (`-p50`, `-p99`, `-p99.9`) and `record-acknowledgement-time` are not in Java. They are exact to a hundredth, and no
  percentile is more than its maximum.
";

const TOPICS: &str = "\
## `producer-topic-metrics`

Tags: `client-id`, `topic`. A topic is there from its first batch on, until it is not used any more (`metadata.max.idle.ms`).";

const NODES: &str = "\
## `producer-node-metrics`

Tags: `client-id`, `node-id`: `node-3` is broker 3; `node--1`, `node--2` … are the servers of `bootstrap.servers`, as in Java. A
broker's coordinator counts as that broker.";

const BRIDGES: &str = r#"
## Where they can go

- **Read them**: `producer.metrics()` is a snapshot on any thread, at any time. It is searched by `get`, gone through by `iter`, and
  printed as a table. Several producers have one: `producers.iter().flat_map(KafkaProducer::metrics).collect::<Metrics>()`.
- **Prometheus**, feature `prometheus`: `metrics().to_open_metrics()` is the text that Prometheus scrapes; `MetricsCollector` gives it to a
  registry of the crate `prometheus-client`. `examples/prometheus.rs` serves the page.
- **The facade `metrics`**, feature `metrics-facade`: `metrics().record_to_facade()` hands all of them to the recorder that the program has
  installed, `describe_to_facade()` their units and descriptions. `examples/metrics_facade.rs` does it every ten seconds.
- **serde**, feature `serde`: `Metrics`, `Metric` and `MetricValue` are `Serialize`. In JSON a snapshot is a list of objects, and `null` is
  what was not measured of late:

  ```json
  {"group": "producer-topic-metrics", "name": "byte-rate", "tags": {"client-id": "shop", "topic": "orders"}, "unit": "bytes/s", "value": 1692.062}
  ```
- **Anywhere else**, at regular times: a `MetricsReporter` of your own, as a value (`KafkaProducerBuilder::metrics_reporter`) or named in
  `metric.reporters` (`register_metrics_reporter`). Reporters have a thread of their own, so they may take their time; a panic is
  logged, and the reporter is called again the next time. `close` waits for the last report. `examples/metrics_reporter.rs` is one.
  Java's `JmxReporter`, the default, has no effect.

With Prometheus and the facade, names are `kafka_`, the group without `-metrics`, and Kafka's name, with underscores, and tags are labels:
`record-send-total` of `producer-topic-metrics` is `kafka_producer_topic_record_send_total{client_id="shop",topic="orders"}`. What ends in `-total`
is a counter, all other numbers are gauges; what was not measured of late is left out. The version, which is a text, is a label with
Prometheus, `kafka_app_info{version="0.1.0"}`, and not there with the facade.
"#;

const TAIL: &str = "
## `app-info`

Tag: `client-id`. `version` is this library's, as a text; `start-time-ms` is when the producer was created.

## `kafka-metrics-count`

Tag: `client-id`. `count` is how many metrics there are, this one included.

## Pushed to the cluster (KIP-714)

Where brokers have a plugin for client telemetry (`metric.reporters`) and somebody has subscribed to metrics of clients
(`kafka-client-metrics.sh`), the producer pushes those that are wanted, as OpenTelemetry's `MetricsData`, to one broker. It is on by
default, as in Java; `enable.metrics.push=false` turns it off. Brokers without a plugin are asked nothing.

- Names are made of group and name: `record-send-total` of `producer-topic-metrics` is
  `org.apache.kafka.producer.topic.record.send.total`. A subscription names beginnings of these; `*` alone is all of them.
- What ends in `-total` is a sum, cumulative or as deltas, as the subscription says; all else is a gauge. What is a text is left out.
- Attributes are the tags but `client-id`, which brokers know; the resource has `client_rack` and `transactional_id`, where they are set.
- How often, how large and in which codec: as the broker says. The first push comes at some time between half the interval and one and a
  half of it. With `close` there is a last one, for whose answer it waits for a second at most.
- It goes over a connection of its own, one for each producer, so that no record waits behind it. A request that is not answered, or a
  connection that is lost, is tried again after five minutes; a broker that refuses for good is told nothing more (a warning says so).
- `client_instance_id` is the id under which brokers know the producer.

## Where they differ from Java's

`tests/real_kafka_metrics.rs` compares all of them with Java's after the same loads on the same broker. What else is in both is equal:
totals, sizes and averages exactly, rates within a few per cent.

| Metric | Here |
|---|---|
| `connection-*` | as soon as brokers are known, a connection to `bootstrap.servers` is that to the broker which listens there, or is closed, where Java leaves it until it is idle; then `node--1` … are not there any more. `connection-close-*` are of connections that stood; Java counts attempts that failed as well |
| `request-*`, `response-*`, `incoming-byte-*`, `outgoing-byte-*`, `network-io-*` | by a few requests for metadata or a producer id more or fewer |
| `network-io-*` of a broker | here; in Java of all together only |
| `select-*`, `io-wait-*` | of our own loop, which waits at other times |
| `batch-split-*` | a batch that is too large is halved at once; Java first cuts it by `batch.size`, which may change nothing, and counts that |
| `records-per-request-avg` | of requests; Java counts looks for batches that found none as requests with 0 records |
| `record-error-*` | of all records that have failed; Java leaves out those that an aborted transaction or a forced close has given up |
| `compression-rate*` | codecs of other make: a few bytes for each batch |
| `io-ratio`, `io-time-ns-avg`, `io-time-ns-total` | not there: reading, writing and all else that the thread does are one turn here, and what is not `io-wait-time` is not I/O alone |
| `commit-id`, `connections` by cipher | not there |
| `record-size-max`, `record-size-avg` | the record as it lies in its batch; Java's is an estimate from above, by up to 82 bytes |
| times in milliseconds | with their parts; Java's are whole |
| windows | begin for a whole group of metrics at once; Java's for each metric with its own first event |
";
