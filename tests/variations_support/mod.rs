//! A small world for variations of troubles: a cluster that brokers of any age could make up, a producer, traffic of all
//! kinds, and one judge (`judge.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "support for tests")]

pub(crate) mod judge;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{KafkaProducer, ProducerRecord, RecordFuture};
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;

use crate::support::rewritten::changed;
use crate::support::{TextProducer, config, text};

pub(crate) const PARTITIONS: i32 = 6;
pub(crate) const DELIVERY: Duration = Duration::from_millis(2500);
/// What an answer may be late by on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(2);
/// How soon after a trouble the next record has to be acknowledged.
pub(crate) const RECOVERY: Duration = Duration::from_secs(2);

/// What the brokers speak, and how the producer is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) metadata: i16,
    pub(crate) produce: i16,
    pub(crate) acks: &'static str,
    pub(crate) more: &'static [(&'static str, &'static str)],
}

pub(crate) const PLAIN: (&str, &str) = ("enable.idempotence", "false");

pub(crate) const MODES: [Mode; 11] = [
    Mode { metadata: 13, produce: 13, acks: "all", more: &[] },
    Mode { metadata: 9, produce: 12, acks: "all", more: &[("linger.ms", "0")] },
    Mode { metadata: 9, produce: 13, acks: "all", more: &[("linger.ms", "5"), ("compression.type", "lz4")] },
    Mode { metadata: 13, produce: 9, acks: "all", more: &[("linger.ms", "0")] },
    Mode { metadata: 7, produce: 7, acks: "all", more: &[("metadata.max.age.ms", "300000")] },
    Mode { metadata: 8, produce: 10, acks: "all", more: &[("max.in.flight.requests.per.connection", "1")] },
    Mode { metadata: 12, produce: 11, acks: "all", more: &[("retries", "1"), ("linger.ms", "20")] },
    Mode { metadata: 13, produce: 13, acks: "all", more: &[("metadata.max.age.ms", "300000")] },
    Mode { metadata: 13, produce: 13, acks: "1", more: &[PLAIN, ("linger.ms", "0")] },
    Mode { metadata: 8, produce: 8, acks: "all", more: &[PLAIN, ("retries", "0")] },
    Mode { metadata: 13, produce: 13, acks: "0", more: &[PLAIN] },
];

impl Mode {
    pub(crate) fn is_idempotent(&self) -> bool {
        !self.more.contains(&PLAIN)
    }

    pub(crate) fn sends_little_again(&self) -> bool {
        self.more.iter().any(|(name, _)| *name == "retries")
    }

    /// Whether brokers tell the ids of topics.
    pub(crate) fn has_ids(&self) -> bool {
        self.metadata >= 10
    }
}

/// One record that was accepted.
pub(crate) struct Sent {
    pub(crate) value: String,
    pub(crate) topic: &'static str,
    pub(crate) partition: Option<i32>,
    pub(crate) at: Instant,
    pub(crate) future: RecordFuture,
    pub(crate) answers: Arc<Answers>,
}

/// How often and how late a record's callback was called.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) count: AtomicUsize,
    pub(crate) after_ms: AtomicUsize,
}

/// What lay in the partitions at one time: by topic and partition, offset and value.
pub(crate) type Logs = BTreeMap<(&'static str, i32), Vec<(i64, String)>>;

pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) cluster: EmbeddedCluster,
    pub(crate) producer: TextProducer,
    /// What lay in topics that are gone.
    pub(crate) gone: Mutex<Vec<Logs>>,
}

impl World {
    pub(crate) fn new(mode: Mode) -> World {
        let cluster = EmbeddedCluster::builder()
            .brokers(3)
            .topic("t", PARTITIONS)
            .topic("u", PARTITIONS)
            .answer_delay(Duration::from_millis(2))
            .api_versions(Api::Metadata, 1..=mode.metadata)
            .api_versions(Api::Produce, 3..=mode.produce)
            .start()
            .unwrap();
        let producer = another_producer(&cluster, mode);
        World { mode, cluster, producer, gone: Mutex::default() }
    }

    pub(crate) fn logs(&self, topics: &[&'static str]) -> Logs {
        let mut logs = Logs::new();
        for topic in topics {
            for record in self.cluster.records(topic) {
                let value = text(record.value.as_ref()).unwrap();
                logs.entry((topic, record.partition)).or_default().push((record.offset, value));
            }
        }
        logs
    }

    /// Keeps what lies in topics that are about to go.
    pub(crate) fn keep(&self, topics: &[&'static str]) {
        let logs = self.logs(topics);
        self.gone.lock().unwrap().push(logs);
    }

    pub(crate) fn recreate(&self, partitions: i32) {
        self.keep(&["t"]);
        assert!(self.cluster.recreate_topic("t", TopicConfig::new(partitions)));
    }

    pub(crate) fn wipe(&self, cluster_id: &str, keep_topics: bool) {
        self.keep(&["t", "u"]);
        self.cluster.wipe(cluster_id, keep_topics);
    }

    /// Another cluster, whose brokers begin anew.
    pub(crate) fn replace(&self, cluster_id: &str, keep_topics: bool) {
        (1..=3).for_each(|broker| self.cluster.stop_broker(broker));
        self.wipe(cluster_id, keep_topics);
        (1..=3).for_each(|broker| self.cluster.start_broker(broker).unwrap());
    }

    pub(crate) fn fail(&self, codes: &[i16]) {
        codes.iter().for_each(|code| self.cluster.inject(Fault::fail(Api::Produce, *code)));
    }

    pub(crate) fn move_all(&self, by: i32) {
        for partition in 0..PARTITIONS {
            if let Some(leader) = self.cluster.leader("t", partition) {
                self.cluster.move_leader("t", partition, (leader - 1 + by) % 3 + 1);
            }
        }
    }

    /// Changes what Metadata tells of the topic.
    pub(crate) fn tell(&self, mut change: impl FnMut(i32, &mut MetadataResponseTopic) + Send + 'static) {
        self.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Metadata => changed(answer, |response: &mut MetadataResponse| {
                let is_t = |topic: &&mut MetadataResponseTopic| {
                    topic.name.as_ref().is_some_and(|name| name.as_str() == "t")
                };
                response.topics.iter_mut().filter(is_t).for_each(|topic| change(answer.broker, topic));
            }),
            _ => Rewritten::Unchanged,
        });
    }

    pub(crate) fn heal(&self) {
        self.cluster.clear_faults();
        self.cluster.stop_rewriting();
        for broker in 1..=3 {
            self.cluster.thaw_metadata(broker);
            let _ = self.cluster.start_broker(broker);
        }
        ["t", "u"].iter().for_each(|topic| {
            self.cluster.create_topic(topic, TopicConfig::new(PARTITIONS));
        });
        self.cluster.tell_partitions("t", i32::MAX);
    }
}

pub(crate) fn another_producer(cluster: &EmbeddedCluster, mode: Mode) -> TextProducer {
    let delivery = DELIVERY.as_millis().to_string();
    let settings = [
        ("acks", mode.acks),
        ("linger.ms", "1"),
        ("batch.size", "200"),
        ("max.block.ms", "1500"),
        ("request.timeout.ms", "400"),
        ("delivery.timeout.ms", &delivery),
        ("metadata.max.age.ms", "200"),
    ];
    let settings: Vec<_> = settings.into_iter().chain(mode.more.iter().copied()).collect();
    KafkaProducer::new(config(&cluster.bootstrap_servers(), &settings)).unwrap()
}

pub(crate) fn wait(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// Sends a record and notes it, if it is accepted.
pub(crate) fn send(
    producer: &TextProducer,
    (topic, partition): (&'static str, Option<i32>),
    key: Option<&str>,
    value: String,
) -> Option<Sent> {
    let answers = Arc::new(Answers::default());
    let told = Arc::clone(&answers);
    let record = ProducerRecord::new(topic, value.clone()).with_optional_key(key);
    let record = partition.into_iter().fold(record, ProducerRecord::with_partition);
    let at = Instant::now();
    let future = producer.send_with_callback(record, move |_| {
        told.count.fetch_add(1, Ordering::Relaxed);
        told.after_ms.store(at.elapsed().as_millis() as usize, Ordering::Relaxed);
    });
    Some(Sent { value, topic, partition, at, future: future.ok()?, answers })
}

/// Sends all kinds of records until it is told to stop.
pub(crate) fn traffic(producer: &TextProducer, stop: &AtomicBool, name: &str) -> Vec<Sent> {
    let mut sent = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let value = format!("{name}{number:06}");
        let key = format!("k{}", number % 17);
        sent.extend(match number % 4 {
            0 => send(producer, ("t", Some((number / 4) % PARTITIONS)), None, value),
            1 => send(producer, ("t", None), Some(&key), value),
            2 => send(producer, ("t", None), None, value),
            _ => send(producer, ("u", Some((number / 4) % 3)), None, value),
        });
        if number % 4 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    sent
}
