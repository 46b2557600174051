//! What the log says of troubles that pass: the first time, then now and then, and when they are over.

#![cfg(test)]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{ErrorCode, ProducerRecord};
use log::Level;
use support::{AGES, TextProducer, producer, wait_until};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

fn listen() {
    support::logged::listen(log::LevelFilter::Info, |record| {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        LINES.lock().unwrap().push((record.level(), format!("{}  ({thread})", record.args())));
    });
}

/// What was logged at INFO and above that has all these words in it, or in its thread's name, in which the client's id
/// stands. Each test has topics, or client ids, of its own.
fn lines(words: &[&str]) -> Vec<(Level, String)> {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|(_, line)| words.iter().all(|word| line.contains(word))).cloned().collect()
}

fn cluster(topic: &str) -> EmbeddedCluster {
    listen();
    EmbeddedCluster::builder().topic(topic, 1).start().unwrap()
}

fn send(producer: &TextProducer, topic: &str) -> Result<(), kafka_producer::Error> {
    producer.send(ProducerRecord::new(topic.to_owned(), "v"))?.get_timeout(AGES).map(drop)
}

/// Fault C2.
#[test]
fn what_is_sent_again_and_again_is_told_once_with_what_to_do_and_once_when_it_is_over() {
    let told = [
        (ErrorCode::NOT_ENOUGH_REPLICAS, "min.insync.replicas"),
        (ErrorCode::KAFKA_STORAGE_ERROR, "disk"),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "deleted"),
        (ErrorCode::LEADER_NOT_AVAILABLE, "elected"),
    ];
    for (code, advice) in told {
        let topic = format!("again-{}", code.0);
        let cluster = cluster(&topic);
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        cluster.inject(Fault::fail(Api::Produce, code.0).times(20));
        send(&producer, &topic).unwrap();
        let place = format!("{topic}-0: ");
        wait_until("the end is told", || lines(&[&place, "again, after"]).len() == 1);
        let lines = lines(&[&place]);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].0 == Level::Warn && lines[0].1.contains(code.name()), "{lines:#?}");
        assert!(lines[0].1.contains(advice), "{lines:#?}");
        assert!(lines[1].0 == Level::Info && lines[1].1.contains("20 failures"), "{lines:#?}");
    }
}

/// Fault C2.
#[test]
fn a_topic_that_does_not_exist_is_told_while_it_is_waited_for() {
    let cluster = cluster("elsewhere");
    let producer = producer(&cluster, &[("max.block.ms", "1500")]);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&producer, "missing"));
        wait_until("the topic is told of", || {
            !lines(&["topic missing", "UNKNOWN_TOPIC_OR_PARTITION"]).is_empty()
        });
        assert!(!sender.is_finished(), "told only after the record has failed");
        sender.join().unwrap()
    });
    sent.unwrap_err();
    let told = lines(&["topic missing"]);
    assert!(told.len() == 1 && told[0].0 == Level::Warn && told[0].1.contains("create it"), "{told:#?}");
    cluster.create_topic("missing", TopicConfig::new(1));
    send(&producer, "missing").unwrap();
    let told = lines(&["topic missing"]);
    assert!(told.len() == 2 && told[1].0 == Level::Info, "{told:#?}");
}

/// Fault C2.
#[test]
fn records_that_wait_for_a_leader_are_told_of() {
    listen();
    let builder = EmbeddedCluster::builder().brokers(2);
    let cluster = builder.topic_with("headless", TopicConfig::new(2).replication_factor(1)).start().unwrap();
    let producer =
        producer(&cluster, &[("linger.ms", "0"), ("partitioner.adaptive.partitioning.enable", "false")]);
    let leader = cluster.leader("headless", 0).unwrap();
    let to_first = || producer.send(ProducerRecord::new("headless", "v").with_partition(0)).unwrap();
    to_first().get_timeout(AGES).unwrap();
    cluster.stop_broker(leader);
    let future = to_first();
    wait_until("the missing leader is told", || !lines(&["headless-0", "leader"]).is_empty());
    std::thread::sleep(Duration::from_millis(300));
    let told = lines(&["headless-0: records wait"]);
    assert!(told.len() == 1 && told[0].0 == Level::Warn, "{told:#?}");
    cluster.start_broker(leader).unwrap();
    future.get_timeout(AGES).unwrap();
    wait_until("the end is told", || lines(&["headless-0", "again, after"]).len() == 1);
}

/// Fault C18.
#[test]
fn refusals_without_end_do_not_fill_the_log_with_epochs() {
    let cluster = cluster("refused");
    let producer = producer(&cluster, &[("linger.ms", "0"), ("client.id", "of-no-use")]);
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).times(30));
    for _ in 0..30 {
        send(&producer, "refused").unwrap_err();
    }
    send(&producer, "refused").unwrap();
    let epochs = lines(&["epoch", "from now on", "of-no-use"]);
    assert_eq!(epochs.len(), 1, "{epochs:#?}");
}

/// Fault C1.
#[test]
fn records_of_a_deleted_topic_are_not_said_to_wait_for_a_leader_that_is_being_elected() {
    let cluster = cluster("deleted");
    let settings = [("linger.ms", "0"), ("delivery.timeout.ms", "2000"), ("request.timeout.ms", "1000")];
    let producer = producer(&cluster, &settings);
    send(&producer, "deleted").unwrap();
    assert!(cluster.delete_topic("deleted"));
    let error = send(&producer, "deleted").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the brokers answer 3 UNKNOWN_TOPIC_OR_PARTITION for its topic"), "{text}");
    assert!(!text.contains("leader") && !text.contains("LEADER"), "{text}");
    // What the broker said to the record itself comes first.
    let said = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID].map(Some);
    assert!(said.contains(&error.code()), "{text}");
    assert_eq!(lines(&["topic deleted: ", "create it"]).len(), 1);
    let elected = lines(&["deleted-0: ", "leader"]);
    assert!(elected.is_empty(), "{elected:#?}");
}

/// Fault C2.
#[test]
fn a_producer_id_that_does_not_come_is_told_while_it_is_waited_for_and_in_the_error() {
    listen();
    for code in [3, 5, 7, 14, 15, 16, 89].map(ErrorCode) {
        let client_id = format!("nameless-{}-", code.0);
        let cluster = self::cluster("unidentified");
        cluster.inject(Fault::fail(Api::InitProducerId, code.0).always());
        let settings = [
            ("linger.ms", "0"),
            ("client.id", client_id.as_str()),
            ("delivery.timeout.ms", "700"),
            ("request.timeout.ms", "600"),
        ];
        let producer = producer(&cluster, &settings);
        let future = producer.send(ProducerRecord::new("unidentified", "v")).unwrap();
        wait_until("it is told", || !lines(&[&client_id, "no producer id", code.name()]).is_empty());
        assert!(!future.is_done(), "told only after the record has failed");
        let text = future.get_timeout(AGES).unwrap_err().to_string();
        assert!(text.contains("no producer id, which") && text.contains(code.name()), "{text}");
        // A refusal is another trouble, however often the first one was met.
        cluster.clear_faults();
        cluster.inject(Fault::fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED).times(1));
        wait_until("it is refused", || {
            let _ = send(&producer, "unidentified");
            !lines(&[&client_id, "CLUSTER_AUTHORIZATION_FAILED"]).is_empty()
        });
        wait_until("it works", || send(&producer, "unidentified").is_ok());
        wait_until("the end is told", || !lines(&[&client_id, "there is a producer id now"]).is_empty());
        let told = [lines(&[&client_id, "no producer id"]), lines(&[&client_id, "now, after"])].concat();
        let levels: Vec<_> = told.iter().map(|line| line.0).collect();
        assert_eq!(levels, [Level::Warn, Level::Warn, Level::Info], "{told:#?}");
        assert!(told[1].1.contains("31 CLUSTER_AUTHORIZATION_FAILED"), "{told:#?}");
        assert!(told[2].1.contains("there is a producer id now, after"), "{told:#?}");
    }
}
