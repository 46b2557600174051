//! What the whole-client tests share: a producer on an embedded cluster, waiting for what must come, and comparing
//! the logs with what was sent.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unused_macros, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "support for tests")]

pub(crate) mod logged;
pub(crate) mod login_gate;
pub(crate) mod printed;
pub(crate) mod rewritten;
pub(crate) mod scratch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, EmbeddedRecord, Fault};
use kafka_producer::{
    InterruptHandle, KafkaProducer, NoKey, ProducerConfig, ProducerRecord, RecordFuture, Value,
};

/// Far more than anything takes here; only a test that would otherwise hang forever reaches it.
pub(crate) const AGES: Duration = Duration::from_secs(60);

/// What "at once" may take on a busy machine: less than any time-out or linger that it must not have been.
pub(crate) const SOON: Duration = Duration::from_secs(8);

pub(crate) type TextProducer = KafkaProducer<str, str>;

/// Text in, text out, and a short backoff so that tests of retries are fast.
pub(crate) fn config(bootstrap_servers: &str, more: &[(&str, &str)]) -> ProducerConfig {
    let config = ProducerConfig::new()
        .set("bootstrap.servers", bootstrap_servers)
        .set("key.serializer", "StringSerializer")
        .set("value.serializer", "StringSerializer")
        .set("request.timeout.ms", "10000")
        .set("delivery.timeout.ms", "20000")
        .set("retry.backoff.ms", "10")
        .set("retry.backoff.max.ms", "50")
        .set("reconnect.backoff.ms", "10")
        .set("reconnect.backoff.max.ms", "50");
    more.iter().fold(config, |config, (name, value)| config.set(*name, *value))
}

pub(crate) fn producer(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    KafkaProducer::new(config(&cluster.bootstrap_servers(), more)).unwrap()
}

/// One broker, one topic `t`.
pub(crate) fn cluster(partitions: i32) -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("t", partitions).start().unwrap()
}

/// Three brokers, one topic `t` on all of them.
pub(crate) fn three_brokers(partitions: i32) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(3).topic("t", partitions).start().unwrap()
}

/// A record without a key for partition 0 of topic `t`.
pub(crate) fn to_first<V>(value: V) -> ProducerRecord<NoKey, Value<V>> {
    ProducerRecord::new("t", value).with_partition(0)
}

/// Waits for what another thread brings about.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < AGES, "still not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a record for each of these numbers to partition 0 of `t`.
pub(crate) fn send_numbered(producer: &TextProducer, numbers: std::ops::Range<usize>) -> Vec<RecordFuture> {
    numbers.map(|number| producer.send(to_first(format!("{number:06}"))).unwrap()).collect()
}

/// Settings under which a thousand small records are over a hundred batches, and nearly each of these a full one.
pub(crate) const MANY_BATCHES: [(&str, &str); 3] =
    [("batch.size", "200"), ("linger.ms", "200"), ("compression.type", "zstd")];

/// Sends 1,000 numbered records to partition 0 of `t` while its leader moves, connections break and answers are
/// errors, and waits until each is acknowledged.
pub(crate) fn send_a_thousand_under_faults(cluster: &EmbeddedCluster, producer: &TextProducer) {
    let faults = [
        // MESSAGE_TOO_LARGE comes first: a batch that was cut off may be in the log, is therefore not split, and fails.
        Fault::fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE),
        Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER),
        Fault::cut_after(Api::Produce),
        Fault::cut_before(Api::Produce).skip(4),
        Fault::fail(Api::Produce, BrokerError::OUT_OF_ORDER_SEQUENCE_NUMBER).skip(6),
    ];
    faults.into_iter().for_each(|fault| cluster.inject(fault.on_partition("t", 0)));
    cluster.inject(Fault::fail(Api::Metadata, BrokerError::UNKNOWN_TOPIC_OR_PARTITION));
    let mut futures = Vec::new();
    for hundred in 0..10 {
        futures.extend(send_numbered(producer, hundred * 100..(hundred + 1) * 100));
        cluster.move_leader("t", 0, 1 + hundred as i32 % 3);
        std::thread::sleep(Duration::from_millis(5));
    }
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
}

pub(crate) fn text(bytes: Option<&Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

/// The values that lie in a partition, in order.
pub(crate) fn values(cluster: &EmbeddedCluster, topic: &str, partition: i32) -> Vec<String> {
    let records = cluster.records(topic).into_iter().filter(|record| record.partition == partition);
    records.map(|record| text(record.value.as_ref()).unwrap()).collect()
}

/// Nothing lost, nothing twice, nothing out of order: partition 0 of `t` holds the numbers from 0 on.
pub(crate) fn assert_holds_exactly(cluster: &EmbeddedCluster, count: usize) {
    let expected: Vec<String> = (0..count).map(|number| format!("{number:06}")).collect();
    let found = values(cluster, "t", 0);
    assert!(found == expected, "sent {count}, the log holds {}: {found:?}", found.len());
}

/// Every future tells the offset at which its record lies.
pub(crate) fn assert_offsets_are_true(cluster: &EmbeddedCluster, futures: &[RecordFuture]) {
    let by_place: BTreeMap<(i32, i64), EmbeddedRecord> =
        cluster.records("t").into_iter().map(|record| ((record.partition, record.offset), record)).collect();
    for (number, future) in futures.iter().enumerate() {
        let metadata = future.get_timeout(AGES).unwrap();
        let Some(offset) = metadata.offset() else { continue };
        let record = by_place.get(&(metadata.partition(), offset)).expect("a record at the offset told");
        assert_eq!(text(record.value.as_ref()).unwrap(), format!("{number:06}"));
    }
}

/// Runs `body` on a thread of its own and returns its handle for interrupts.
pub(crate) fn interruptible<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> (InterruptHandle, std::thread::JoinHandle<T>) {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(InterruptHandle::current()).unwrap();
        body()
    });
    (told.recv().unwrap(), thread)
}

/// How many Produce requests named partition 0 of `t`, whatever became of them.
pub(crate) fn produce_requests(cluster: &EmbeddedCluster) -> usize {
    cluster.requests(Api::Produce)
}
