//! Topics and leaders: what `send` waits for, what it says when the wait was in vain, and what follows when the
//! cluster changes.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::logged::listen;
use crate::support::{AGES, SOON, cluster, producer, three_brokers, to_first, values, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord};

/// Behaviour 6.
#[test]
fn a_topic_that_does_not_exist_is_named_with_the_last_error_within_max_block() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "3000")]);
    let start = Instant::now();
    let record = ProducerRecord::new("no-such-topic", "mine");
    let error = producer.send(&record).unwrap_err();
    let took = start.elapsed();
    assert!((Duration::from_millis(2_990)..SOON).contains(&took), "{took:?}");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::UnknownTopicOrPartition, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    );
    assert!(error.to_string().contains("no-such-topic"), "{error}");
    assert!(error.to_string().contains("max.block.ms"), "{error}");
    assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
    assert_eq!(error.topic(), Some("no-such-topic"));
    assert!(!error.possibly_written());
    assert_eq!(record.into_value(), "mine");
    let error = producer.partitions_for("no-such-topic").unwrap_err();
    assert_eq!((error.kind(), error.topic()), (ErrorKind::UnknownTopicOrPartition, Some("no-such-topic")));
    producer.send(to_first("others are not bothered")).unwrap().get_timeout(AGES).unwrap();
}

/// (6)
#[test]
fn a_topic_that_is_created_meanwhile_is_waited_for() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "30000")]);
    let waiting = {
        let producer = producer.clone();
        thread::spawn(move || producer.send(ProducerRecord::new("new", "v")).unwrap().get_timeout(AGES))
    };
    wait_until("it was asked for more than once", || cluster.requests(Api::Metadata) >= 4);
    assert!(cluster.create_topic("new", TopicConfig::new(1)));
    assert_eq!(waiting.join().unwrap().unwrap().to_string(), "new-0@0");
}

#[test]
fn a_topic_that_the_broker_creates_on_demand_is_waited_for() {
    let cluster = EmbeddedCluster::builder().auto_create_topics(3).start().unwrap();
    let producer = producer(&cluster, &[]);
    producer.send(ProducerRecord::new("on-demand", "v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(producer.partitions_for("on-demand").unwrap().len(), 3);
}

#[test]
fn a_partition_that_the_topic_does_not_have_is_named_with_their_number() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("max.block.ms", "2000")]);
    let error = producer.send(ProducerRecord::new("t", "v").with_partition(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    let text = error.to_string();
    assert!(
        text.contains("partition 2") && text.starts_with("t: ") && text.contains("2 partitions"),
        "{text}"
    );
    let negative = producer.send(ProducerRecord::new("t", "v").with_partition(-1)).unwrap_err();
    assert_eq!(negative.kind(), ErrorKind::InvalidRecord, "(11) {negative}");
}

/// Behaviour 6.
/// (6)
#[test]
fn a_partition_that_is_added_while_send_waits_is_used() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "30000")]);
    producer.send(to_first("first")).unwrap().get_timeout(AGES).unwrap();
    let asked = cluster.requests(Api::Metadata);
    let waiting = {
        let producer = producer.clone();
        thread::spawn(move || {
            producer.send(ProducerRecord::new("t", "v").with_partition(2)).unwrap().get_timeout(AGES)
        })
    };
    wait_until("the wait goes on after news without it", || cluster.requests(Api::Metadata) >= asked + 2);
    assert!(cluster.create_partitions("t", 3));
    assert_eq!(waiting.join().unwrap().unwrap().to_string(), "t-2@0");
}

#[test]
fn more_partitions_are_found_by_the_regular_refresh() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("metadata.max.age.ms", "100")]);
    assert_eq!(producer.partitions_for("t").unwrap().len(), 1);
    cluster.create_partitions("t", 4);
    wait_until("the new ones", || producer.partitions_for("t").unwrap().len() == 4);
    let metadata =
        producer.send(ProducerRecord::new("t", "v").with_partition(3)).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(metadata.partition(), 3);
}

#[test]
fn moved_leaders_are_found_by_the_regular_refresh_before_anything_fails() {
    let cluster = three_brokers(1);
    let producer = producer(&cluster, &[("metadata.max.age.ms", "50"), ("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let new = cluster.leader("t", 0).unwrap() % 3 + 1;
    cluster.move_leader("t", 0, new);
    wait_until("the new leader", || producer.partitions_for("t").unwrap()[0].leader() == Some(new));
    producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap();
    let seen = cluster.produce_requests();
    assert_eq!((seen.len(), seen[1].broker), (2, new));
}

/// Behaviour 6.
/// Error 17 is known to be final: no waiting. (Names that break Kafka's own rule do not come that far.)
#[test]
fn an_invalid_name_is_an_error_at_once() {
    let cluster = cluster(1);
    cluster.inject(Fault::fail(Api::Metadata, BrokerError::INVALID_TOPIC_EXCEPTION).on_topic("t").times(2));
    let producer = producer(&cluster, &[("max.block.ms", "60000")]);
    let start = Instant::now();
    let error = producer.send(ProducerRecord::new("t", "v")).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert_eq!(
        (error.kind(), error.code(), error.topic()),
        (ErrorKind::InvalidTopic, Some(ErrorCode::INVALID_TOPIC_EXCEPTION), Some("t"))
    );
    assert_eq!(producer.partitions_for("t").unwrap_err().kind(), ErrorKind::InvalidTopic);
    producer.send(to_first("others are not bothered")).unwrap().get_timeout(AGES).unwrap();
}

/// Behaviour 6.
#[test]
fn a_topic_that_may_not_be_seen_is_an_error_at_once() {
    let cluster = cluster(1);
    cluster
        .inject(Fault::fail(Api::Metadata, BrokerError::TOPIC_AUTHORIZATION_FAILED).on_topic("t").times(1));
    let producer = producer(&cluster, &[("max.block.ms", "60000")]);
    let start = Instant::now();
    let error = producer.send(to_first("v")).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert_eq!((error.kind(), error.topic()), (ErrorKind::Authorization, Some("t")), "{error}");
    producer.send(to_first("granted meanwhile")).unwrap().get_timeout(AGES).unwrap();
}

#[test]
fn passing_errors_in_metadata_are_waited_out() {
    for code in [ErrorCode::LEADER_NOT_AVAILABLE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION] {
        let cluster = cluster(1);
        cluster.inject(Fault::fail(Api::Metadata, code.0).on_topic("t").times(3));
        let producer = producer(&cluster, &[]);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    let cluster = cluster(1);
    cluster.inject(Fault::cut_before(Api::Metadata).times(2));
    cluster.inject(Fault::cut_after(Api::Metadata).times(2));
    let producer = producer(&cluster, &[]);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
}

#[test]
fn a_deleted_topic_fails_its_records_and_lives_again_when_it_is_created_again() {
    let cluster = cluster(1);
    let settings = &[
        ("metadata.max.age.ms", "50"),
        ("max.block.ms", "2500"),
        ("delivery.timeout.ms", "2500"),
        ("request.timeout.ms", "2000"),
        ("linger.ms", "0"),
    ];
    let producer = producer(&cluster, settings);
    producer.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
    assert!(cluster.delete_topic("t"));
    let error = match producer.send(to_first("lost")) {
        Ok(future) => future.get_timeout(AGES).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!((error.kind(), error.topic()), (ErrorKind::Timeout, Some("t")), "{error}");
    wait_until("send notices that the topic is gone", || producer.try_send(to_first("lost")).is_err());
    assert!(cluster.create_topic("t", TopicConfig::new(2)));
    wait_until("the new topic", || {
        producer.send(to_first("after")).is_ok_and(|future| future.get_timeout(AGES).is_ok())
    });
    assert_eq!(values(&cluster, "t", 0).last().unwrap(), "after");
    assert_eq!(producer.partitions_for("t").unwrap().len(), 2);
}

/// Behaviour 6.
#[test]
fn a_topic_that_nobody_uses_is_not_asked_for_any_more_and_found_again_when_needed() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).topic("other", 1).start().unwrap();
    let settings = &[("metadata.max.age.ms", "100"), ("metadata.max.idle.ms", "5000"), ("linger.ms", "0")];
    let producer = producer(&cluster, settings);
    producer.send(ProducerRecord::new("other", "v")).unwrap().get_timeout(AGES).unwrap();
    // Refused only while it is asked for: a fault that waits for the topic's name shows whether it is.
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let start = Instant::now();
    wait_until("it is forgotten", || {
        let sent = producer.try_send(to_first("v")).expect("a topic in use stays known");
        sent.get_timeout(AGES).unwrap();
        thread::sleep(Duration::from_millis(100));
        start.elapsed() > Duration::from_millis(5_500)
    });
    cluster.inject(Fault::fail(Api::Metadata, BrokerError::TOPIC_AUTHORIZATION_FAILED).on_topic("other"));
    wait_until("a few refreshes", {
        let asked = cluster.requests(Api::Metadata);
        let cluster = &cluster;
        move || cluster.requests(Api::Metadata) >= asked + 3
    });
    let error = producer.send(ProducerRecord::new("other", "v")).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Authorization,
        "the fault was still there: nobody had asked for the topic"
    );
    producer.send(ProducerRecord::new("other", "v")).unwrap().get_timeout(AGES).unwrap();
}

/// Behaviour 12.
#[test]
fn partitions_for_tells_leaders_and_replicas() {
    let cluster = three_brokers(3);
    let producer = producer(&cluster, &[]);
    let partitions = producer.partitions_for("t").unwrap();
    for (number, info) in partitions.iter().enumerate() {
        assert_eq!((info.topic(), info.partition()), ("t", number as i32));
        assert_eq!(info.leader(), cluster.leader("t", number as i32));
        assert_eq!((info.replicas().len(), info.in_sync_replicas().len()), (3, 3));
    }
}

/// Behaviour 9.
#[test]
fn try_send_fetches_what_it_did_not_wait_for() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let error = producer.try_send(to_first("v")).unwrap_err();
    assert_eq!((error.kind(), error.topic()), (ErrorKind::WouldBlock, Some("t")));
    wait_until("the metadata", || producer.try_send(to_first("v")).is_ok());
}

#[test]
fn old_brokers_without_topic_ids_work() {
    let cluster = EmbeddedCluster::builder()
        .brokers(2)
        .topic("t", 4)
        .api_versions(Api::Metadata, 1..=1)
        .api_versions(Api::Produce, 3..=3)
        .api_versions(Api::ApiVersions, 0..=0)
        .start()
        .unwrap();
    let producer = producer(&cluster, &[]);
    for partition in 0..4 {
        producer
            .send(ProducerRecord::new("t", "v").with_partition(partition))
            .unwrap()
            .get_timeout(AGES)
            .unwrap();
    }
}

#[test]
fn a_bootstrap_server_that_is_away_does_not_matter() {
    let cluster = three_brokers(3);
    let listed = cluster.bootstrap_servers();
    cluster.stop_broker(1);
    let settings = crate::support::config(&listed, &[]);
    let producer: crate::support::TextProducer = kafka_producer::KafkaProducer::new(settings).unwrap();
    for partition in 0..3 {
        producer
            .send(ProducerRecord::new("t", "v").with_partition(partition))
            .unwrap()
            .get_timeout(AGES)
            .unwrap();
    }
}

#[test]
fn a_topic_that_was_forgotten_while_no_broker_answers_is_waited_for_no_longer_than_allowed() {
    let cluster = cluster(1);
    let settings = &[
        ("metadata.max.age.ms", "100"),
        ("metadata.max.idle.ms", "5000"),
        ("max.block.ms", "300"),
        ("linger.ms", "0"),
    ];
    let producer = producer(&cluster, settings);
    wait_until("the topic is known", || producer.partitions_for("t").is_ok());
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    thread::sleep(Duration::from_millis(5_500));
    let (tell, told) = std::sync::mpsc::channel();
    let sending = producer.clone();
    thread::spawn(move || tell.send(sending.send(to_first("v")).unwrap_err()));
    let error = told.recv_timeout(SOON).expect("an error after max.block.ms");
    assert_eq!((error.kind(), error.topic()), (ErrorKind::Timeout, Some("t")), "{error}");
    cluster.start_broker(1).unwrap();
    wait_until("the broker is there again", || producer.send(to_first("v")).is_ok());
}

/// Fault A1. A broker that has not heard of a topic's new partitions tells of fewer; the next one tells of all again.
#[test]
fn a_partition_that_a_picture_leaves_out_goes_on_where_it_was() {
    let cluster = cluster(6);
    let producer = producer(&cluster, &[("metadata.max.age.ms", "20"), ("linger.ms", "0")]);
    let sent = |number: u32| ProducerRecord::new("t", number.to_string()).with_partition(5);
    let mut expected = Vec::new();
    for number in 0..4 {
        let future = producer.send(sent(number)).unwrap();
        assert_eq!(future.get_timeout(AGES).unwrap().to_string(), format!("t-5@{number}"));
        expected.push(number.to_string());
        assert_eq!(values(&cluster, "t", 5), expected, "what is acknowledged is in the log");
        for told in [3, i32::MAX] {
            cluster.tell_partitions("t", told);
            let shown = told.min(6) as usize;
            wait_until("news", || producer.partitions_for("t").unwrap().len() == shown);
        }
    }
    assert!(cluster.batches("t", 5).iter().map(|batch| batch.base_sequence).eq(0..4));
}

/// Fault A1. Lingering, to be sent again, and of unknown fate: each waits until its partition is told of again.
#[test]
fn what_waits_in_a_partition_that_a_picture_leaves_out_goes_when_it_is_back() {
    for (linger, fault) in [
        ("300", None),
        ("0", Some(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).times(3))),
        ("0", Some(Fault::cut_after(Api::Produce).times(2))),
    ] {
        let cluster = cluster(6);
        let settings = [
            ("metadata.max.age.ms", "20"),
            ("linger.ms", linger),
            ("retry.backoff.ms", "100"),
            ("acks", "all"),
        ];
        let producer = producer(&cluster, &settings);
        assert_eq!(producer.partitions_for("t").unwrap().len(), 6);
        fault.into_iter().for_each(|fault| cluster.inject(fault));
        let send = |number: u32| ProducerRecord::new("t", number.to_string()).with_partition(5);
        let futures: Vec<_> = (0..5).map(|number| producer.send(send(number)).unwrap()).collect();
        cluster.tell_partitions("t", 3);
        wait_until("news", || producer.partitions_for("t").unwrap().len() == 3);
        producer.send(to_first("others are not bothered")).unwrap().get_timeout(AGES).unwrap();
        thread::sleep(Duration::from_millis(400));
        cluster.clear_faults();
        cluster.tell_partitions("t", i32::MAX);
        for future in &futures {
            future.get_timeout(AGES).unwrap();
        }
        producer.send(send(5)).unwrap().get_timeout(AGES).unwrap();
        assert_eq!(values(&cluster, "t", 5), ["0", "1", "2", "3", "4", "5"]);
    }
}

/// Fault A1. Keyed and keyless records go to the partitions that the latest picture has, and nothing of it is lost.
#[test]
fn keys_and_sticky_partitions_follow_the_picture_and_lose_nothing() {
    let cluster = cluster(6);
    let producer =
        producer(&cluster, &[("metadata.max.age.ms", "10"), ("linger.ms", "0"), ("batch.size", "100")]);
    let mut expected = Vec::new();
    for number in 0..200 {
        if number % 20 == 0 {
            let told = if number % 40 == 0 { i32::MAX } else { 2 };
            cluster.tell_partitions("t", told);
            wait_until("news", || producer.partitions_for("t").unwrap().len() == told.min(6) as usize);
        }
        let record = ProducerRecord::new("t", number.to_string());
        let future = match number % 2 {
            0 => producer.send(record.with_key(number.to_string())).unwrap(),
            _ => producer.send(record).unwrap(),
        };
        future.get_timeout(AGES).unwrap();
        expected.push(number.to_string());
    }
    let mut found: Vec<String> = (0..6).flat_map(|partition| values(&cluster, "t", partition)).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// Fault A8. A topic that a broker does not know for a moment is forgotten, and comes back as a new one.
#[test]
fn a_topic_that_was_forgotten_and_comes_back_loses_nothing() {
    let cluster = EmbeddedCluster::builder().topic("t", 2).topic("other", 1).start().unwrap();
    let producer = producer(&cluster, &[("metadata.max.age.ms", "10"), ("linger.ms", "0")]);
    let mut expected = Vec::new();
    for number in 0..5 {
        let value = number.to_string();
        producer.send(to_first(value.as_str())).unwrap().get_timeout(AGES).unwrap();
        expected.push(value);
        assert_eq!(values(&cluster, "t", 0), expected, "what is acknowledged is in the log");
        let unknown = Fault::fail(Api::Metadata, BrokerError::UNKNOWN_TOPIC_OR_PARTITION).on_topic("t");
        cluster.inject(unknown.always());
        let asked = cluster.requests(Api::Metadata);
        wait_until("news", || cluster.requests(Api::Metadata) >= asked + 3);
        cluster.clear_faults();
    }
    let stamps = cluster.batches("t", 0);
    let stamps: Vec<_> = stamps.iter().map(|batch| (batch.producer_epoch, batch.base_sequence)).collect();
    assert_eq!(stamps, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
}

/// Fault C17. A topic that was created again with fewer partitions does not have those any more that records wait for.
#[test]
fn records_for_a_partition_that_is_gone_fail_early_and_say_so() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    listen(log::LevelFilter::Warn, |record| TOLD.lock().unwrap().push(record.args().to_string()));
    let cluster = EmbeddedCluster::builder().topic("shrinks", 6).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "20")]);
    let to = |partition| ProducerRecord::new("shrinks", "v").with_partition(partition);
    let refused = Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always();
    cluster.inject(refused.on_partition("shrinks", 5));
    producer.send(to(0)).unwrap().get_timeout(AGES).unwrap();
    let waiting: Vec<_> = (0..3).map(|_| producer.send(to(5)).unwrap()).collect();
    let start = Instant::now();
    assert!(cluster.recreate_topic("shrinks", TopicConfig::new(1)));
    for future in waiting {
        let error = future.get_timeout(AGES).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("shrinks has 1 partition now, the record is for 5"), "{text}");
        assert_eq!(error.partition(), Some(5));
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let told = TOLD.lock().unwrap().clone();
    let warnings: Vec<_> = told.iter().filter(|line| line.contains("shrinks has 1 partition now")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("3 records wait for partition 5"), "{told:?}");
    producer.send(to(0)).unwrap().get_timeout(AGES).unwrap();
}

/// Fault C17. A broker that lags behind shows fewer partitions of the same topic: that fails nothing before its time.
#[test]
fn a_partition_that_one_topic_lacks_for_long_is_waited_for() {
    let cluster = cluster(6);
    let settings = [("linger.ms", "300"), ("metadata.max.age.ms", "20"), ("delivery.timeout.ms", "2500")];
    let more = [("request.timeout.ms", "1000")];
    let producer = producer(&cluster, &[&settings[..], &more[..]].concat());
    assert_eq!(producer.partitions_for("t").unwrap().len(), 6);
    let start = Instant::now();
    let future = producer.send(ProducerRecord::new("t", "v").with_partition(5)).unwrap();
    cluster.tell_partitions("t", 3);
    wait_until("news", || producer.partitions_for("t").unwrap().len() == 3);
    let error = future.get_timeout(AGES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("t has 3 partitions now, the record is for 5"), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(2500));
}
