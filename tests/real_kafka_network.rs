//! Listeners of a real Kafka that want something else than we speak.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use harness::kafka_cluster::{Kafka, free_port};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

/// Fault C3.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_listener_for_sasl_is_named_as_that_by_kafka_4_3_1() {
    let sasl = free_port();
    let kafka = Kafka::start_each("4.3.1", 1, &|node| {
        let (clients, controllers) = (node.port(), node.controller_port());
        let user =
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_somebody=\"secret\";";
        let listeners = format!(
            "PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controllers},SASL://127.0.0.1:{sasl}"
        );
        let advertised = format!("PLAINTEXT://127.0.0.1:{clients},SASL://127.0.0.1:{sasl}");
        let protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT";
        [
            ("listeners", listeners.as_str()),
            ("advertised.listeners", &advertised),
            ("listener.security.protocol.map", protocols),
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.sasl.plain.sasl.jaas.config", user),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    });
    kafka.create_topic("t", 1, 1, &[]);
    let producer = |port: u16| -> KafkaProducer<str, str> {
        let config = ProducerConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{port}"))
            .set("key.serializer", "StringSerializer")
            .set("value.serializer", "StringSerializer")
            .set("max.block.ms", "3000");
        KafkaProducer::new(config).unwrap()
    };
    let error = producer(sasl).send(ProducerRecord::new("t", "v")).unwrap_err().to_string();
    let words = "this listener may require SASL (it closes the connection after ApiVersions)";
    assert!(error.contains(words), "{error}");
    let sent = producer(kafka.ports()[0]).send(ProducerRecord::new("t", "v")).unwrap();
    sent.get_timeout(Duration::from_secs(60)).unwrap();
}
