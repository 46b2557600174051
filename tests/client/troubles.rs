//! What the log says of troubles that pass: the first time, then now and then, and when they are over.

use std::sync::Mutex;
use std::time::Duration;

use crate::support::{AGES, TextProducer, producer, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord};
use log::Level;

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

fn listen() {
    crate::support::logged::listen(log::LevelFilter::Info, |record| {
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
    producer.send(ProducerRecord::new(topic, "v"))?.get_timeout(AGES).map(drop)
}

/// All codes of which the table says that the same request may succeed later.
fn retried() -> Vec<ErrorCode> {
    let codes: Vec<_> = (i16::MIN..=i16::MAX).map(ErrorCode).filter(|code| code.is_retriable()).collect();
    assert!(codes.len() >= 20, "{codes:?}");
    codes
}

/// All codes that end a batch and nothing else.
fn refusing() -> Vec<ErrorCode> {
    // NONE, and those that have rules of their own.
    const OTHERWISE: [i16; 10] = [0, 10, 31, 35, 45, 46, 49, 53, 59, 90];
    let is_known = |code: &ErrorCode| code.name() != ErrorCode(999).name();
    let known = (i16::MIN..=i16::MAX).map(ErrorCode).filter(is_known);
    let codes: Vec<_> = known
        .filter(|code| !code.is_retriable() && !OTHERWISE.contains(&code.0))
        .chain([ErrorCode(999)])
        .collect();
    assert!(codes.len() >= 40, "{codes:?}");
    codes
}

/// Does something with each code, several at a time: they wait more than they work.
fn with_each(codes: Vec<ErrorCode>, work: impl Fn(ErrorCode) + Sync) {
    let codes = Mutex::new(codes.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                loop {
                    let Some(code) = codes.lock().unwrap().next() else { return };
                    work(code);
                }
            });
        }
    });
}

/// Fault C2.
#[test]
fn what_is_sent_again_and_again_is_told_once_with_what_to_do_and_once_when_it_is_over() {
    let advice = [
        (ErrorCode::NOT_ENOUGH_REPLICAS, "min.insync.replicas"),
        (ErrorCode::KAFKA_STORAGE_ERROR, "disk"),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "deleted"),
        (ErrorCode::LEADER_NOT_AVAILABLE, "elected"),
    ];
    with_each(retried(), |code| {
        let topic = format!("again-{}", code.0);
        let cluster = cluster(&topic);
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        cluster.inject(Fault::fail(Api::Produce, code.0).times(20));
        send(&producer, &topic).unwrap();
        let place = format!("{topic}-0: ");
        wait_until("the end is told", || lines(&[&place, "again, after"]).len() == 1);
        let lines = lines(&[&place]);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].0 == Level::Warn && lines[0].1.contains(&code.to_string()), "{lines:#?}");
        for (_, advice) in advice.iter().filter(|row| row.0 == code) {
            assert!(lines[0].1.contains(advice), "{lines:#?}");
        }
        assert!(lines[1].0 == Level::Info && lines[1].1.contains("20 failures"), "{lines:#?}");
    });
}

/// Fault C2. Before the append and after it, until time runs out and until the tries do.
#[test]
fn whatever_code_a_batch_is_sent_again_for_its_error_quotes_it_and_says_whether_it_may_be_written() {
    /// What Kafka looks for before it appends.
    const BEFORE_THE_APPEND: [ErrorCode; 5] = [
        ErrorCode::CORRUPT_MESSAGE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::UNKNOWN_TOPIC_ID,
    ];
    let in_time: &[_] =
        &[("delivery.timeout.ms", "3000"), ("request.timeout.ms", "2500"), ("linger.ms", "0")];
    let in_tries: &[_] = &[("retries", "2"), ("linger.ms", "0")];
    with_each(retried(), |code| {
        for (settings, is_in_time) in [(in_time, true), (in_tries, false)] {
            for is_written in [false, true] {
                let topic = format!("ends-{}-{is_in_time}-{is_written}", code.0);
                let cluster = cluster(&topic);
                let producer = producer(&cluster, settings);
                send(&producer, &topic).unwrap();
                let fault = match is_written {
                    true => Fault::fail_after(Api::Produce, code.0),
                    false => Fault::fail(Api::Produce, code.0),
                };
                cluster.inject(fault.always());
                let error = send(&producer, &topic).unwrap_err();
                let text = error.to_string();
                assert_eq!(error.code(), Some(code), "{text}");
                assert!(text.contains(&format!("the broker answered {code}")), "{text}");
                assert!(text.contains(&format!("{topic}-0")), "{text}");
                let is_late = text.contains("delivery.timeout.ms=3000");
                assert!(!is_late || error.kind() == ErrorKind::Timeout, "{text}");
                if is_in_time {
                    // An answer that comes when time is over is the last one.
                    let over = Duration::from_millis(3_000);
                    assert!(is_late || error.elapsed().is_some_and(|elapsed| elapsed >= over), "{text}");
                    assert!(error.attempts() >= 3, "{} attempts: {text}", error.attempts());
                } else {
                    assert_eq!((is_late, error.attempts()), (false, 3), "{text}");
                }
                for untrue in
                    ["nothing was heard", "lost the connection", "no leader", "never sent", "not sent"]
                {
                    assert!(!text.contains(untrue), "{text}");
                }
                // Time may be over while one more try is on its way.
                let is_open = is_in_time && text.contains("no answer to Produce yet");
                let may_be = is_written || is_open || !BEFORE_THE_APPEND.contains(&code);
                assert_eq!(error.possibly_written(), may_be, "{text}");
                cluster.clear_faults();
                send(&producer, &topic).unwrap();
                // What was on its way when time was over may have come after the faults.
                let least = 2 + usize::from(is_written);
                let most = least + usize::from(is_open && !is_written);
                assert!((least..=most).contains(&cluster.records(&topic).len()), "{text}");
            }
        }
    });
}

/// Fault C2.
#[test]
fn a_topic_that_does_not_exist_is_told_while_it_is_waited_for() {
    let cluster = cluster("elsewhere");
    let producer = producer(&cluster, &[("max.block.ms", "4000")]);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&producer, "not-yet-there"));
        wait_until("the topic is told of", || {
            !lines(&["topic not-yet-there", "UNKNOWN_TOPIC_OR_PARTITION"]).is_empty()
        });
        assert!(!sender.is_finished(), "told only after the record has failed");
        sender.join().unwrap()
    });
    sent.unwrap_err();
    let told = lines(&["topic not-yet-there"]);
    assert!(told.len() == 1 && told[0].0 == Level::Warn && told[0].1.contains("create it"), "{told:#?}");
    cluster.create_topic("not-yet-there", TopicConfig::new(1));
    send(&producer, "not-yet-there").unwrap();
    let told = lines(&["topic not-yet-there"]);
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

/// Fault C18. Whatever the code.
#[test]
fn refusals_without_end_do_not_fill_the_log_with_epochs() {
    with_each(refusing(), |code| {
        let topic = format!("refused-{}", code.0);
        let client_id = format!("of-no-use-{}-", code.0);
        let cluster = cluster(&topic);
        let producer = producer(&cluster, &[("linger.ms", "0"), ("client.id", &client_id)]);
        cluster.inject(Fault::fail(Api::Produce, code.0).times(30));
        for _ in 0..30 {
            assert_eq!(send(&producer, &topic).unwrap_err().code(), Some(code));
        }
        send(&producer, &topic).unwrap();
        let epochs = lines(&["epoch", "from now on", &client_id]);
        assert_eq!(epochs.len(), 1, "{epochs:#?}");
        let all = lines(&[&client_id]);
        assert!(all.len() <= 4, "{all:#?}");
    });
}

/// Fault C18.
#[test]
fn batches_that_are_too_large_without_end_are_told_once_and_the_topic_s_limit_is_learnt() {
    listen();
    let topic = TopicConfig::new(4).max_message_bytes(1_000);
    let cluster = EmbeddedCluster::builder().topic_with("narrow", topic).start().unwrap();
    let settings = [("linger.ms", "20"), ("client.id", "too-wide"), ("batch.size", "16384")];
    let producer = producer(&cluster, &settings);
    let mut refused = 0;
    for round in 0..10 {
        let before = cluster.requests(Api::Produce);
        let to = |number| ProducerRecord::new("narrow", "v".repeat(100)).with_partition(number % 4);
        let futures: Vec<_> = (0..400).map(|number| producer.send(to(number)).unwrap()).collect();
        futures.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
        refused += usize::from(round > 0) * (cluster.requests(Api::Produce) - before);
    }
    assert_eq!(cluster.records("narrow").len(), 4_000);
    println!("{refused} requests for nine rounds of 400 records of which ten fit into a batch");
    let told = lines(&["narrow-", "smaller ones", "too-wide"]);
    assert!(told.len() == 1 && told[0].0 == Level::Warn, "{told:#?}");
    let all = lines(&["too-wide"]);
    assert!(all.len() <= 3, "{all:#?}");
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
    with_each([3, 5, 7, 14, 15, 16, 89].map(ErrorCode).to_vec(), |code| {
        let client_id = format!("nameless-{}-", code.0);
        let cluster = self::cluster("unidentified");
        cluster.inject(Fault::fail(Api::InitProducerId, code.0).always());
        let settings = [
            ("linger.ms", "0"),
            ("client.id", client_id.as_str()),
            ("delivery.timeout.ms", "3000"),
            ("request.timeout.ms", "2500"),
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
    });
}
