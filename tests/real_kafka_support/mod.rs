//! The producer under test, on a real Kafka.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "support for tests")]

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_producer::{KafkaProducer, ProducerConfig};

use harness::kafka_cluster::Kafka;

pub(crate) type BytesProducer = KafkaProducer<[u8], [u8]>;
pub(crate) type TextProducer = KafkaProducer<str, str>;

/// Keys and values are bytes.
pub(crate) fn bytes_producer(kafka: &Kafka, settings: &[(&str, &str)]) -> BytesProducer {
    KafkaProducer::new(config(kafka, "ByteArraySerializer", settings)).unwrap()
}

/// Keys and values are text.
pub(crate) fn text_producer(kafka: &Kafka, settings: &[(&str, &str)]) -> TextProducer {
    KafkaProducer::new(config(kafka, "StringSerializer", settings)).unwrap()
}

fn config(kafka: &Kafka, serializer: &str, settings: &[(&str, &str)]) -> ProducerConfig {
    let servers = kafka.bootstrap_servers();
    let serializer = format!("org.apache.kafka.common.serialization.{serializer}");
    let required = [
        ("bootstrap.servers", servers.as_str()),
        ("key.serializer", &serializer),
        ("value.serializer", &serializer),
    ];
    ProducerConfig::from_properties(required.into_iter().chain(settings.iter().copied())).unwrap()
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
