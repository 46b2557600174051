//! With the feature `log-kv` a line of the log says what it is about in key-values as well, and its target is its room.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;

use kafka_embedded::{Api, BrokerError};
use log::kv::{Error, Key, Value, VisitSource};
use support::logged::listen;
use support::{cluster, producer, to_first, wait_until};

type Seen = (log::Level, String, String, BTreeMap<String, String>);

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

struct Kept(BTreeMap<String, String>);

impl<'kvs> VisitSource<'kvs> for Kept {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        // Numbers are numbers.
        assert_eq!(value.to_i64().is_some(), key.as_str() != "topic", "{key}");
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

fn keep(record: &log::Record<'_>) {
    let mut kept = Kept(BTreeMap::new());
    record.key_values().visit(&mut kept).unwrap();
    let line = (record.level(), record.target().to_owned(), record.args().to_string(), kept.0);
    SEEN.lock().unwrap().push(line);
}

/// The room and the labels of the first line that has this in its text.
fn line(level: log::Level, part: &str) -> Option<(String, String)> {
    let seen = SEEN.lock().unwrap();
    let (_, target, _, labels) =
        seen.iter().find(|(its, _, text, _)| *its == level && text.contains(part))?;
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Some((target.split("::").take(2).collect::<Vec<_>>().join("::"), labels.join(" ")))
}

#[test]
fn topic_partition_node_and_code_are_key_values_and_targets_are_rooms() {
    listen(log::LevelFilter::Debug, keep);
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "3000"), ("reconnect.backoff.ms", "10")]);
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 1);
    producer.send(to_first("again")).unwrap().get().unwrap();
    let (room, labels) = line(log::Level::Warn, "t-0: ").unwrap();
    assert_eq!((&*room, &*labels), ("kafka_producer::sender", "code=19 node=1 partition=0 topic=t"));
    // Told behind the outcome, which the record does not wait for.
    let over = || line(log::Level::Info, "t-0: records are written again");
    wait_until("the end of it is told", || over().is_some());
    let (_, labels) = over().unwrap();
    assert_eq!(labels, "partition=0 topic=t");

    producer.send(kafka_producer::ProducerRecord::new("nowhere", "v")).unwrap_err();
    let (_, labels) = line(log::Level::Warn, "topic nowhere: the brokers answer").unwrap();
    assert_eq!(labels, "code=3 topic=nowhere");

    cluster.cut_after(Api::Produce, 1);
    producer.send(to_first("cut")).unwrap().get().unwrap();
    wait_until("the lost connection is told", || line(log::Level::Warn, "lost the connection").is_some());
    let (room, labels) = line(log::Level::Warn, "lost the connection").unwrap();
    assert_eq!((&*room, labels.contains("node=1")), ("kafka_producer::network", true), "{labels}");
    cluster.fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED, 1);
    let unknown = support::producer(&cluster, &[]);
    drop(unknown.send(to_first("without a number")).map(|future| future.get()));
    let told = "no producer id, which enable.idempotence=true needs: the broker answered 31 CLUSTER_AUTHORIZATION_FAILED (broker 1)";
    let (_, labels) = line(log::Level::Warn, told).unwrap();
    assert_eq!(labels, "code=31 node=1");
    assert!(line(log::Level::Warn, "(broker 1) (broker 1)").is_none());
    // What is about nothing of these has none.
    assert_eq!(line(log::Level::Info, "producer id ").unwrap().1, "");
}
