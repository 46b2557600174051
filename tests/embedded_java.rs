//! Java's console consumer reads from the embedded cluster what this producer wrote: a reader that shares nothing with
//! either.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::jars::KafkaJars;
use kafka_embedded::EmbeddedCluster;
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn javas_console_consumer_reads_the_embedded_cluster() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 3).start().unwrap();
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("StringSerializer");
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config).unwrap();
    let record = |value: &str| ProducerRecord::new("test", value.to_owned()).with_partition(2);
    producer.send(record("WORLD").with_key("HELLO").with_header("h", "1").with_header("h", "2")).unwrap();
    producer.send(record("no key").with_null_header("n").with_timestamp(1_700_000_000_000)).unwrap();
    producer.send(ProducerRecord::tombstone("test", "gone").with_partition(2)).unwrap();
    producer.close().unwrap();

    let jars = KafkaJars::fetch("4.3.1");
    let class = jars.tool_class("ConsoleConsumer");
    let servers = cluster.bootstrap_servers();
    let mut arguments = vec!["--bootstrap-server", &servers, "--topic", "test"];
    arguments.extend(["--partition", "2", "--offset", "earliest", "--max-messages", "3"]);
    for property in ["print.offset=true", "print.key=true", "print.headers=true", "null.literal=-"] {
        arguments.extend(["--formatter-property", property]);
    }
    let output = jars.tool(&class, &arguments, b"");
    let lines: Vec<String> = output.text().lines().map(str::to_owned).collect();
    let expected =
        ["Offset:0\th:1,h:2\tHELLO\tWORLD", "Offset:1\tn:-\t-\tno key", "Offset:2\tNO_HEADERS\tgone\t-"];
    assert_eq!(lines, expected);
}
