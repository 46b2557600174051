//! Java's console consumer reads from the embedded cluster what this producer wrote: a reader that shares nothing with
//! either.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use harness::jars::KafkaJars;
use harness::kafka_cluster::Kafka;
use kafka_embedded::{Api, EmbeddedCluster, EmbeddedRecord};
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

/// What Java's transactions come to: one line for each thing that happened, then what its consumer reads.
fn transactions(jars: &KafkaJars, servers: &str) -> Vec<String> {
    let source = include_str!("embedded_java/Transactions.java");
    let output = jars.java_source("Transactions.java", source, &[servers, "test", "group"], b"");
    output.text().lines().map(str::to_owned).collect()
}

/// The same on an embedded cluster, whose own view has to be the consumer's.
fn embedded_transactions(version: &str, level: i16) -> Vec<String> {
    let builder = EmbeddedCluster::builder().brokers(3).topic("test", 4).transaction_version(level);
    // As long as it may take on a real cluster, so that requests of the next transaction come too early.
    let cluster = builder.transaction_completion_time(Duration::from_millis(5)).start().unwrap();
    let lines = transactions(&KafkaJars::fetch(version), &cluster.bootstrap_servers());
    let read = |isolation: &str| -> Vec<String> {
        lines.iter().filter(|line| line.starts_with(isolation)).cloned().collect()
    };
    let ours = |isolation: &str, records: Vec<EmbeddedRecord>| {
        let line = |record: EmbeddedRecord| {
            let value = String::from_utf8(record.value.unwrap()).unwrap();
            format!("{isolation} {} {} {value}", record.partition, record.offset)
        };
        let mut lines: Vec<String> = records.into_iter().map(line).collect();
        lines.sort();
        lines
    };
    // All transactions are over now, and nothing more was committed.
    assert_eq!(read("read_committed"), ours("read_committed", cluster.committed_records("test")));
    assert_eq!(read("read_uncommitted"), ours("read_uncommitted", cluster.records("test")));
    assert!(cluster.open_transactions().iter().all(|open| open.transactional_id != "mover"));
    let offsets = cluster.committed_offsets("group");
    let told: Vec<_> = offsets
        .iter()
        .map(|told| (told.partition, told.offset, told.leader_epoch, told.metadata.as_deref()))
        .collect();
    assert_eq!(told, [(1, 17, 3, Some("here"))], "{version}, {level}");
    let adds = cluster.requests(Api::AddPartitionsToTxn) + cluster.requests(Api::AddOffsetsToTxn);
    assert_eq!(adds == 0, (version, level) == ("4.3.1", 2), "the second protocol has none: {adds}");
    lines
}

/// The same program on Apache Kafka.
fn real_transactions(kafka: &str, clients: &str) -> Vec<String> {
    let quick = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200")];
    let kafka = Kafka::start_with(kafka, 1, &quick);
    kafka.create_topic("test", 4, 1, &[]);
    transactions(&KafkaJars::fetch(clients), &kafka.bootstrap_servers())
}

/// By the second protocol of transactions, by the first on the same brokers, and with a client that is older than the second:
/// what is committed, aborted, fenced, open, and open for too long, is the same to Java's producer and consumer on the
/// embedded cluster and on Apache Kafka.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn javas_transactions_are_kept_by_the_embedded_cluster() {
    let _turn = harness::turn();
    let compared = |kafka: &str, level: i16| -> Vec<String> {
        let (embedded, real) = std::thread::scope(|scope| {
            let embedded = scope.spawn(move || embedded_transactions("4.3.1", level));
            (real_transactions(kafka, "4.3.1"), embedded.join().unwrap())
        });
        assert_eq!(embedded, real, "Kafka {kafka}");
        embedded
    };
    let (second, first) = (compared("4.3.1", 2), compared("3.9.1", 0));
    let old = embedded_transactions("2.8.2", 2);
    let committed: Vec<&str> =
        second.iter().filter(|line| line.starts_with("read_committed ")).map(String::as_str).collect();
    assert_eq!(
        committed[..3],
        ["read_committed 0 0 one", "read_committed 1 0 one", "read_committed 2 0 one"]
    );
    let mut rounds: Vec<&str> = committed[3..].iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    rounds.sort_unstable();
    assert_eq!(rounds, ["0", "2", "4", "6"], "the others were aborted");
    let happened = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("read_")).cloned().collect()
    };
    assert!(happened(&first).contains(&"fenced, commit: ProducerFencedException".to_owned()));
    assert!(happened(&second).contains(&"timed out, abort: done".to_owned()));
    assert_eq!(happened(&old)[0], "fenced, commit: ProducerFencedException");
}
