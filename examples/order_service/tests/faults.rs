//! What the service tells its customers when the cluster fails: a real cluster, over real sockets, in this process, that fails
//! when it is told to. `cargo test` is all that it takes.
//!
//! Each test has a cluster of its own; one takes a few milliseconds to start.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::ProducerConfig;
use order_service::{Answer, OrderService};

fn start() -> (EmbeddedCluster, OrderService) {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 3).start().unwrap();
    let service = OrderService::connect(settings(&cluster)).unwrap();
    (cluster, service)
}

/// As in production, but that no test shall wait for two minutes.
fn settings(cluster: &EmbeddedCluster) -> ProducerConfig {
    ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .reconnect_backoff_max(Duration::from_millis(100))
        .retry_backoff_max(Duration::from_millis(100))
}

/// For tests in which no answer comes: they wait for as long as this.
fn impatient(cluster: &EmbeddedCluster) -> OrderService {
    let settings = settings(cluster).max_block(Duration::from_secs(3));
    let settings = settings.request_timeout(Duration::from_secs(2)).delivery_timeout(Duration::from_secs(3));
    OrderService::connect(settings).unwrap()
}

/// The orders in the log.
fn orders(cluster: &EmbeddedCluster) -> Vec<String> {
    let records = cluster.records("orders").into_iter();
    records.map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

#[test]
fn an_order_whose_answer_is_lost_is_there_once() {
    let (cluster, service) = start();
    // The broker writes it, and the connection breaks before it has answered.
    cluster.inject(Fault::cut_after(Api::Produce));
    assert!(matches!(service.place("anna", "two apples"), Answer::Placed(_)));
    assert_eq!(orders(&cluster), ["two apples"]);
    // It was sent again, and known by its sequence number: what enable.idempotence is for.
    assert_eq!(cluster.requests(Api::Produce), 2);
}

#[test]
fn an_order_gets_through_while_leaders_move() {
    let (cluster, service) = start();
    assert!(matches!(service.place("anna", "two apples"), Answer::Placed(_)));
    let partition = cluster.records("orders")[0].partition;
    let leader = cluster.leader("orders", partition).unwrap();
    cluster.move_leader("orders", partition, leader % 3 + 1);
    assert_eq!(service.place("anna", "a pear"), Answer::Placed(format!("orders-{partition}@1")));
}

#[test]
fn an_order_waits_for_brokers_that_restart() {
    let (cluster, service) = start();
    assert!(matches!(service.place("anna", "two apples"), Answer::Placed(_)));
    (1..=3).for_each(|broker| cluster.stop_broker(broker));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| service.place("ben", "a pear"));
        (1..=3).for_each(|broker| cluster.start_broker(broker).unwrap());
        assert!(matches!(waiting.join().unwrap(), Answer::Placed(_)));
    });
    assert_eq!(orders(&cluster).len(), 2);
}

#[test]
fn an_order_that_is_refused_is_not_placed() {
    let (cluster, service) = start();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_topic("orders"));
    let answer = service.place("anna", "two apples");
    assert!(matches!(&answer, Answer::NotPlaced(why) if why.contains("INVALID_RECORD")), "{answer:?}");
    assert_eq!(orders(&cluster), [""; 0]);
    // The next one is: the fault was for one request.
    assert!(matches!(service.place("anna", "a pear"), Answer::Placed(_)));
}

#[test]
fn an_order_that_too_few_replicas_take_is_not_placed() {
    let (cluster, _) = start();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    // An answer is the last word, and not the end of a time in which another one may be on its way.
    let service = OrderService::connect(settings(&cluster).retries(3)).unwrap();
    let answer = service.place("anna", "two apples");
    assert!(matches!(&answer, Answer::NotPlaced(why) if why.contains("NOT_ENOUGH_REPLICAS")), "{answer:?}");
    assert_eq!(orders(&cluster), [""; 0]);
}

#[test]
fn what_nobody_knows_is_not_told_as_known() {
    let (cluster, _) = start();
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let answer = impatient(&cluster).place("anna", "two apples");
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    // Whoever looks finds it.
    assert_eq!(orders(&cluster), ["two apples"]);
}

#[test]
fn without_the_topic_nothing_is_placed() {
    let cluster = EmbeddedCluster::builder().start().unwrap();
    let answer = impatient(&cluster).place("anna", "two apples");
    assert!(
        matches!(&answer, Answer::NotPlaced(why) if why.contains("UNKNOWN_TOPIC_OR_PARTITION")),
        "{answer:?}"
    );
}
