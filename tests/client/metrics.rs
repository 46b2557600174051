//! What `metrics()` tells of a producer at work, beside what the cluster has seen of it.

use std::time::Duration;

use crate::support::{cluster, config, producer, three_brokers, to_first, wait_until};
use kafka_embedded::{Api, BrokerError, Fault};
use kafka_producer::{KafkaProducer, Metric, Metrics, ProducerRecord};

const PRODUCER: &str = "producer-metrics";
const TOPIC: &str = "producer-topic-metrics";
const NODE: &str = "producer-node-metrics";

fn number(metrics: &Metrics, group: &str, name: &str, tags: &[(&str, &str)]) -> f64 {
    let metric = metrics.get(group, name, tags);
    metric.and_then(Metric::number).unwrap_or_else(|| panic!("{group} {name} {tags:?} is not there"))
}

pub(super) fn of_producer(metrics: &Metrics, name: &str) -> f64 {
    number(metrics, PRODUCER, name, &[])
}

#[test]
fn records_batches_and_requests_are_counted_for_the_producer_its_topics_and_its_brokers() {
    let cluster = three_brokers(3);
    let producer = producer(&cluster, &[("client.id", "shop"), ("linger.ms", "10000"), ("acks", "all")]);
    for number in 0..30 {
        let record = ProducerRecord::new("t", format!("order {number:02}")).with_partition(number % 3);
        producer.send(record).unwrap();
    }
    producer.flush().unwrap();
    wait_until("no request is on its way", || of_producer(&producer.metrics(), "requests-in-flight") == 0.0);
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-send-total"), 30.0);
    assert_eq!(of_producer(&metrics, "record-error-total"), 0.0);
    assert_eq!(of_producer(&metrics, "records-per-request-avg"), 10.0);
    assert_eq!(number(&metrics, TOPIC, "record-send-total", &[("topic", "t"), ("client-id", "shop")]), 30.0);
    assert_eq!(number(&metrics, TOPIC, "compression-rate", &[("topic", "t")]), 1.0);
    // All batches are alike, so the average is that of one.
    let batch = of_producer(&metrics, "batch-size-max");
    assert_eq!(of_producer(&metrics, "batch-size-avg"), batch);
    assert_eq!(number(&metrics, TOPIC, "byte-total", &[("topic", "t")]), 3.0 * batch);
    let latency = of_producer(&metrics, "request-latency-max");
    assert!(latency > 0.0 && of_producer(&metrics, "request-latency-avg") <= latency);
    let (half, most) =
        (of_producer(&metrics, "request-latency-p50"), of_producer(&metrics, "request-latency-p99.9"));
    assert!(half <= most && most <= latency * 1.01, "{half} {most} {latency}");
    assert!(
        of_producer(&metrics, "record-acknowledgement-time-avg")
            >= of_producer(&metrics, "record-queue-time-avg")
    );
    assert!(of_producer(&metrics, "flush-time-ns-total") > 0.0);
    assert!(of_producer(&metrics, "metadata-wait-time-ns-total") > 0.0);
    for node in ["node-1", "node-2", "node-3"] {
        let of_node = |name| number(&metrics, NODE, name, &[("node-id", node)]);
        assert!(of_node("request-total") >= 2.0, "{node} was asked for its versions, and got records");
        assert_eq!(of_node("request-total"), of_node("response-total"));
        assert!(of_node("outgoing-byte-total") > batch && of_node("request-latency-max") > 0.0);
    }
    // A rate is over at least one window of 30 s.
    let turns = of_producer(&metrics, "select-total");
    let rate = of_producer(&metrics, "select-rate");
    assert!(rate > 0.0 && rate <= turns / 30.0, "{turns} turns, {rate} a second");
}

#[test]
fn what_is_refused_at_once_has_failed_unless_the_call_came_at_the_wrong_time() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.request.size", "1000"), ("compression.type", "gzip")]);
    producer.send(to_first("x".repeat(2000))).unwrap_err();
    assert_eq!(of_producer(&producer.metrics(), "record-error-total"), 1.0);
    producer.send(to_first("x".repeat(500))).unwrap().get().unwrap();
    producer.close().unwrap();
    producer.send(to_first("too late")).unwrap_err();
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-error-total"), 1.0);
    // 500 times the same letter: of the records alone, as they are compressed without the batch's head.
    let (ratio, size) =
        (of_producer(&metrics, "compression-rate-avg"), of_producer(&metrics, "batch-size-avg"));
    assert!(ratio > 0.0 && ratio <= (size - 61.0) / 500.0, "{ratio} {size}");
}

#[test]
fn what_is_sent_again_and_what_fails_is_counted_by_its_records() {
    let cluster = cluster(1);
    // Whoever asks for its outcome sends a batch, and not before all of its records are there.
    let producer = producer(&cluster, &[("linger.ms", "10000"), ("enable.idempotence", "false")]);
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 2);
    let sent: Vec<_> = (0..5).map(|_| producer.send(to_first("again")).unwrap()).collect();
    sent.iter().for_each(|future| drop(future.get().unwrap()));
    cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
    let failed: Vec<_> = (0..3).map(|_| producer.send(to_first("never")).unwrap()).collect();
    failed.iter().for_each(|future| drop(future.get().unwrap_err()));
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-retry-total"), 10.0);
    assert_eq!(of_producer(&metrics, "record-error-total"), 3.0);
    assert_eq!(of_producer(&metrics, "record-send-total"), 5.0 * 3.0 + 3.0);
    assert_eq!(number(&metrics, TOPIC, "record-retry-total", &[("topic", "t")]), 10.0);
    assert_eq!(number(&metrics, TOPIC, "record-error-total", &[("topic", "t")]), 3.0);
}

#[test]
fn what_no_broker_acknowledges_in_time_has_failed_as_well() {
    let cluster = cluster(1);
    let more = [("linger.ms", "0"), ("request.timeout.ms", "300"), ("delivery.timeout.ms", "500")];
    let producer = producer(&cluster, &more);
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let again: Vec<_> = (0..5).map(|_| producer.send(to_first("in vain")).unwrap()).collect();
    again.iter().for_each(|future| drop(future.get().unwrap_err()));
    assert_eq!(of_producer(&producer.metrics(), "record-error-total"), 5.0);
    cluster.clear_faults();
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    producer.send(to_first("on its way")).unwrap().get().unwrap_err();
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-error-total"), 6.0);
    assert_eq!(number(&metrics, TOPIC, "record-error-total", &[("topic", "t")]), 6.0);
    assert!(of_producer(&metrics, "record-error-rate") > 0.0);
}

#[test]
fn what_the_end_of_a_producer_or_of_its_transaction_gives_up_has_failed_as_well() {
    let cluster = cluster(1);
    let closed = producer(&cluster, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
    closed.partitions_for("t").unwrap();
    let waiting: Vec<_> = (0..3).map(|_| closed.send(to_first("waits")).unwrap()).collect();
    assert_eq!(closed.close_timeout(Duration::ZERO).unwrap().abandoned, 3);
    waiting.iter().for_each(|future| drop(future.get().unwrap_err()));
    assert_eq!(of_producer(&closed.metrics(), "record-error-total"), 3.0);
    let more = [("linger.ms", "60000"), ("delivery.timeout.ms", "120000"), ("transactional.id", "shop")];
    let aborting = producer(&cluster, &more);
    aborting.init_transactions().unwrap();
    aborting.begin_transaction().unwrap();
    let unsent: Vec<_> = (0..2).map(|_| aborting.send(to_first("unsent")).unwrap()).collect();
    aborting.abort_transaction().unwrap();
    unsent.iter().for_each(|future| drop(future.get().unwrap_err()));
    assert_eq!(of_producer(&aborting.metrics(), "record-error-total"), 2.0);
}

#[test]
fn no_percentile_is_more_than_the_maximum() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    for _ in 0..20 {
        producer.send(to_first("timed")).unwrap().get().unwrap();
    }
    let metrics = producer.metrics();
    for time in ["request-latency", "record-queue-time", "record-acknowledgement-time"] {
        let [half, most, longest] =
            ["p50", "p99.9", "max"].map(|of| of_producer(&metrics, &format!("{time}-{of}")));
        assert!(half <= most && most <= longest, "{time}: {half} {most} {longest}");
    }
}

#[test]
fn a_full_buffer_shows_in_what_waits_and_what_was_refused() {
    let cluster = cluster(1);
    let more = [
        ("buffer.memory", "32768"),
        ("batch.size", "16384"),
        ("max.block.ms", "200"),
        ("request.timeout.ms", "60000"),
        ("delivery.timeout.ms", "120000"),
    ];
    let producer = producer(&cluster, &more);
    wait_until("the topic is known", || producer.partitions_for("t").is_ok());
    cluster.drop_answer(Api::Produce, 1);
    let refused = (0..10).find_map(|_| producer.send(to_first("x".repeat(12_000))).err());
    assert!(refused.is_some());
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "buffer-total-bytes"), 32_768.0);
    assert!(of_producer(&metrics, "buffer-available-bytes") < 16_384.0);
    assert_eq!(of_producer(&metrics, "buffer-exhausted-total"), 1.0);
    assert_eq!(of_producer(&metrics, "record-error-total"), 1.0);
    assert!(of_producer(&metrics, "bufferpool-wait-time-ns-total") >= 2e8);
    assert_eq!(of_producer(&metrics, "waiting-threads"), 0.0);
    assert_eq!(of_producer(&metrics, "requests-in-flight"), 1.0);
    producer.close_timeout(Duration::ZERO).unwrap();
}

#[test]
fn averages_are_of_the_last_windows_and_totals_stay() {
    let cluster = cluster(1);
    let more = [("metrics.sample.window.ms", "1500"), ("metrics.num.samples", "2")];
    let producer = producer(&cluster, &more);
    producer.send(to_first("once")).unwrap().get().unwrap();
    assert!(of_producer(&producer.metrics(), "batch-size-avg") > 0.0);
    wait_until("it is long ago", || of_producer(&producer.metrics(), "batch-size-avg").is_nan());
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-send-rate"), 0.0);
    assert_eq!(of_producer(&metrics, "record-send-total"), 1.0);
}

#[test]
fn connections_that_were_made_stand_or_were_closed() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    producer.send(to_first("one")).unwrap().get().unwrap();
    cluster.cut_after(Api::Produce, 1);
    producer.send(to_first("two")).unwrap().get().unwrap();
    let metrics = producer.metrics();
    let [created, closed, stand] =
        ["connection-creation-total", "connection-close-total", "connection-count"]
            .map(|name| of_producer(&metrics, name));
    assert!(closed >= 1.0 && stand >= 1.0, "{closed} {stand}");
    assert_eq!(created, closed + stand);
    assert_eq!(of_producer(&metrics, "failed-authentication-total"), 0.0);
    assert_eq!(of_producer(&metrics, "successful-authentication-total"), 0.0, "nobody asked who we are");
}

#[test]
fn they_can_be_read_anywhere_and_after_the_end_and_printed() {
    let cluster = cluster(1);
    let producer: KafkaProducer<str, str> =
        KafkaProducer::new(config(&cluster.bootstrap_servers(), &[("client.id", "shop")])).unwrap();
    let handle = producer.clone();
    let future =
        producer.send_with_callback(to_first("one"), move |_| assert!(handle.metrics().len() > 60)).unwrap();
    future.get().unwrap();
    producer.close().unwrap();
    let metrics = producer.metrics();
    assert_eq!(of_producer(&metrics, "record-send-total"), 1.0);
    assert_eq!(of_producer(&metrics, "connection-count"), 0.0);
    let version = metrics.get("app-info", "version", &[("client-id", "shop")]).unwrap();
    assert_eq!((version.value().to_string(), version.number()), (env!("CARGO_PKG_VERSION").to_owned(), None));
    let table = metrics.to_string();
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("producer-topic-metrics  t ") && line.contains("record-send-total")),
        "{table}"
    );
}
