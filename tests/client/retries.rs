//! Faults of all kinds: what was acknowledged is in the log, once and in order, and every record is answered.

use std::time::{Duration, Instant};

use crate::support::{
    AGES, SOON, TextProducer, assert_holds_exactly, assert_offsets_are_true, cluster, producer,
    send_numbered, three_brokers, to_first, values, wait_until,
};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord, RecordFuture};
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::protocol::{Decodable, Encodable};

/// Small batches, several of them on their way at once.
const MANY_SMALL: &[(&str, &str)] =
    &[("batch.size", "300"), ("linger.ms", "0"), ("max.in.flight.requests.per.connection", "5")];

/// As `MANY_SMALL`, and lost answers are noticed soon.
const IMPATIENT: &[(&str, &str)] = &[
    ("batch.size", "300"),
    ("linger.ms", "0"),
    ("request.timeout.ms", "300"),
    ("delivery.timeout.ms", "30000"),
];

fn all_delivered(futures: &[RecordFuture]) {
    for (number, future) in futures.iter().enumerate() {
        if let Err(error) = future.get_timeout(AGES) {
            panic!("record {number}: {error}");
        }
    }
}

/// Sends 300 records through a fault; they arrive, once and in order. (23, 25, 61)
fn survives(cluster: &EmbeddedCluster, producer: &TextProducer, fault: impl FnOnce(&EmbeddedCluster)) {
    let mut futures = send_numbered(producer, 0..50);
    futures[0].get_timeout(AGES).unwrap();
    fault(cluster);
    futures.extend(send_numbered(producer, 50..300));
    all_delivered(&futures);
    assert_holds_exactly(cluster, 300);
    assert_offsets_are_true(cluster, &futures);
}

const RETRIABLE: &[ErrorCode] = &[
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::REPLICA_NOT_AVAILABLE,
    ErrorCode::NETWORK_EXCEPTION,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::CONCURRENT_TRANSACTIONS,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::LISTENER_NOT_FOUND,
    ErrorCode::FENCED_LEADER_EPOCH,
    ErrorCode::UNKNOWN_LEADER_EPOCH,
    ErrorCode::THROTTLING_QUOTA_EXCEEDED,
    ErrorCode::UNKNOWN_TOPIC_ID,
    ErrorCode::INCONSISTENT_TOPIC_ID,
];

/// Behaviour 25.
#[test]
fn every_retriable_code_in_the_middle_of_several_batches_in_flight_harms_nothing() {
    for code in RETRIABLE {
        let cluster = cluster(1);
        let producer = producer(&cluster, MANY_SMALL);
        survives(&cluster, &producer, |cluster| {
            cluster.delay(Api::Produce, Duration::from_millis(3), 20);
            cluster.inject(Fault::fail(Api::Produce, code.0).skip(1).times(2));
        });
    }
}

/// As not enough replicas after the append: the batch is there though the broker says otherwise.
#[test]
fn a_write_that_is_said_not_to_have_happened_is_not_doubled() {
    for code in [ErrorCode::REQUEST_TIMED_OUT, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND] {
        let cluster = cluster(1);
        let producer = producer(&cluster, MANY_SMALL);
        survives(&cluster, &producer, |cluster| {
            cluster.delay(Api::Produce, Duration::from_millis(3), 20);
            cluster.inject(Fault::fail_after(Api::Produce, code.0).skip(1).times(1));
        });
    }
}

#[test]
fn a_dropped_answer_is_found_by_the_request_time_out_and_the_batch_is_not_doubled() {
    let cluster = cluster(1);
    let producer = producer(&cluster, IMPATIENT);
    survives(&cluster, &producer, |cluster| cluster.inject(Fault::drop_answer(Api::Produce).skip(2)));
    assert!(cluster.connections_accepted() >= 3, "the silent connection was closed (36)");
}

#[test]
fn connections_cut_before_and_after_the_append_lose_and_double_nothing() {
    let cluster = cluster(1);
    let producer = producer(&cluster, MANY_SMALL);
    survives(&cluster, &producer, |cluster| {
        cluster.delay(Api::Produce, Duration::from_millis(2), 40);
        cluster.inject(Fault::cut_before(Api::Produce).skip(2));
        cluster.inject(Fault::cut_after(Api::Produce).skip(5));
        cluster.inject(Fault::cut_after(Api::Produce).skip(9).times(2));
    });
}

/// Behaviour 20.
#[test]
fn a_moved_leader_is_followed_by_the_hint_in_the_answer_without_new_metadata_or_backoff() {
    let cluster = three_brokers(1);
    let slow = &[("retry.backoff.ms", "20000"), ("retry.backoff.max.ms", "20000"), ("linger.ms", "0")];
    let producer = producer(&cluster, slow);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let asked = cluster.requests(Api::Metadata);
    let old = cluster.leader("t", 0).unwrap();
    let new = if old == 3 { 1 } else { old + 1 };
    cluster.move_leader("t", 0, new);
    let future = producer.send(to_first("000001")).unwrap();
    let metadata = future.get_timeout(SOON).expect("KIP-951: the answer said who leads, no backoff (20)");
    assert_eq!(metadata.offset(), Some(1));
    assert_eq!(cluster.requests(Api::Metadata), asked);
    assert_holds_exactly(&cluster, 2);
}

#[test]
fn leaders_that_move_again_and_again_under_load_harm_nothing() {
    let cluster = three_brokers(1);
    let producer = producer(&cluster, MANY_SMALL);
    let mut futures = Vec::new();
    for round in 0..12 {
        futures.extend(send_numbered(&producer, round * 50..(round + 1) * 50));
        cluster.move_leader("t", 0, 1 + (round as i32 + 1) % 3);
    }
    all_delivered(&futures);
    assert_holds_exactly(&cluster, 600);
    assert_offsets_are_true(&cluster, &futures);
}

#[test]
fn old_brokers_without_hints_are_asked_for_metadata_instead() {
    let cluster = EmbeddedCluster::builder()
        .brokers(3)
        .topic("t", 1)
        .api_versions(Api::Produce, 3..=9)
        .start()
        .unwrap();
    let producer = producer(&cluster, MANY_SMALL);
    survives(&cluster, &producer, |cluster| cluster.move_leader("t", 0, 2));
}

#[test]
fn a_broker_that_stops_and_starts_again_under_load_harms_nothing() {
    let cluster = three_brokers(3);
    let producer = producer(&cluster, MANY_SMALL);
    let mut futures = Vec::new();
    for round in 0..6usize {
        futures.extend(send_numbered(&producer, round * 50..(round + 1) * 50));
        let leader = cluster.leader("t", 0).unwrap();
        cluster.stop_broker(leader);
        wait_until("a record through the new leader", || futures.last().unwrap().is_done());
        cluster.start_broker(leader).unwrap();
    }
    all_delivered(&futures);
    assert_holds_exactly(&cluster, 300);
}

#[test]
fn the_only_broker_away_for_a_while_is_waited_for() {
    let cluster = cluster(1);
    let producer = producer(&cluster, MANY_SMALL);
    let mut futures = send_numbered(&producer, 0..50);
    all_delivered(&futures);
    cluster.stop_broker(1);
    futures.extend(send_numbered(&producer, 50..100));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!futures[99].is_done());
    cluster.start_broker(1).unwrap();
    all_delivered(&futures);
    assert_holds_exactly(&cluster, 100);
}

/// Behaviour 27.
#[test]
fn with_one_request_in_flight_order_holds_without_idempotence() {
    let cluster = cluster(1);
    let settings = &[
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
        ("batch.size", "300"),
        ("linger.ms", "0"),
    ];
    let producer = producer(&cluster, settings);
    survives(&cluster, &producer, |cluster| {
        for skip in [0, 2, 3, 7] {
            cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).skip(skip));
        }
    });
    assert!(cluster.batches("t", 0).iter().all(|batch| batch.producer_id == -1), "no producer id");
}

/// Behaviour 26.
#[test]
fn with_no_retries_the_first_failure_is_the_last() {
    let cluster = cluster(1);
    let settings = &[("enable.idempotence", "false"), ("retries", "0"), ("linger.ms", "0")];
    let producer = producer(&cluster, settings);
    producer.send(to_first("first")).unwrap().get_timeout(AGES).unwrap();
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 1);
    let error = producer.send(to_first("second")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert_eq!((error.attempts(), error.topic(), error.partition()), (1, Some("t"), Some(0)));
    assert!(error.is_retriable() && !error.possibly_written());
    producer.send(to_first("third")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "t", 0), ["first", "third"]);
}

/// Behaviours 26, 41.
#[test]
fn retries_are_counted() {
    let cluster = cluster(1);
    let settings = &[("enable.idempotence", "false"), ("retries", "2"), ("linger.ms", "0")];
    let producer = producer(&cluster, settings);
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 2);
    producer.send(to_first("third time lucky")).unwrap().get_timeout(AGES).unwrap();
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 3);
    let error = producer.send(to_first("not that lucky")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.attempts(), 3);
    assert_eq!(values(&cluster, "t", 0), ["third time lucky"]);
}

const FINAL: &[(ErrorCode, ErrorKind)] = &[
    (ErrorCode::UNKNOWN_SERVER_ERROR, ErrorKind::Broker),
    (ErrorCode::MESSAGE_TOO_LARGE, ErrorKind::RecordTooLarge),
    (ErrorCode::INVALID_TOPIC_EXCEPTION, ErrorKind::InvalidTopic),
    (ErrorCode::RECORD_LIST_TOO_LARGE, ErrorKind::RecordTooLarge),
    (ErrorCode::INVALID_REQUIRED_ACKS, ErrorKind::Broker),
    (ErrorCode::TOPIC_AUTHORIZATION_FAILED, ErrorKind::Authorization),
    (ErrorCode::INVALID_TIMESTAMP, ErrorKind::InvalidRecord),
    (ErrorCode::INVALID_REQUEST, ErrorKind::Broker),
    (ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorKind::Broker),
    (ErrorCode::POLICY_VIOLATION, ErrorKind::Broker),
    (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, ErrorKind::Broker),
    (ErrorCode::INVALID_RECORD, ErrorKind::InvalidRecord),
    (ErrorCode(9999), ErrorKind::Broker),
];

#[test]
fn a_final_error_fails_its_batch_only_and_the_partition_goes_on() {
    for (code, kind) in FINAL {
        let cluster = cluster(1);
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        producer.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
        cluster.fail(Api::Produce, code.0, 1);
        let error = producer.send(to_first("refused")).unwrap().get_timeout(AGES).unwrap_err();
        assert_eq!((error.kind(), error.code()), (*kind, Some(*code)), "{error}");
        let says_nothing = [ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode(9999)].contains(code);
        assert_eq!(error.possibly_written(), says_nothing, "{error}");
        assert!(!error.is_fatal(), "{error}");
        assert_eq!((error.topic(), error.partition(), error.node()), (Some("t"), Some(0), Some(1)));
        for _ in 0..3 {
            producer.send(to_first("after")).unwrap().get_timeout(AGES).unwrap();
        }
        assert_eq!(values(&cluster, "t", 0), ["before", "after", "after", "after"]);
    }
}

/// (59) The batches behind the failed one were on their way with sequence numbers that no longer fit.
#[test]
fn a_final_error_with_others_in_flight_behind_it_loses_and_doubles_none_of_those() {
    let cluster = cluster(1);
    let producer = producer(&cluster, MANY_SMALL);
    let mut futures = send_numbered(&producer, 0..5);
    producer.flush().unwrap();
    cluster.delay(Api::Produce, Duration::from_millis(5), 30);
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).skip(3));
    futures.extend(send_numbered(&producer, 5..300));
    let mut expected = Vec::new();
    for (number, future) in futures.iter().enumerate() {
        match future.get_timeout(AGES) {
            Ok(_) => expected.push(format!("{number:06}")),
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD), "{number}: {error}"),
        }
    }
    let failed = 300 - expected.len();
    assert!((1..100).contains(&failed), "one batch failed: {failed} records");
    assert_eq!(values(&cluster, "t", 0), expected);
}

/// Behaviour 49.
/// (49) KIP-467.
#[test]
fn a_record_that_the_broker_names_has_its_own_error_and_the_others_were_in_its_company() {
    let compacted = TopicConfig::new(1).compacted();
    let cluster = EmbeddedCluster::builder().topic_with("t", compacted).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    producer.send(to_first("warm").with_key("k")).unwrap().get_timeout(AGES).unwrap();
    let good = producer.send(to_first("good").with_key("k")).unwrap();
    let bad = producer.send(to_first("bad")).unwrap();
    producer.flush().unwrap();
    let bad = bad.get().unwrap_err();
    assert_eq!(
        (bad.kind(), bad.code()),
        (ErrorKind::InvalidRecord, Some(ErrorCode::INVALID_RECORD)),
        "{bad}"
    );
    assert!(bad.to_string().contains("key"), "{bad}");
    let good = good.get().unwrap_err();
    assert!(good.to_string().contains("other records in the same batch"), "{good}");
    assert_ne!(good.kind(), ErrorKind::InvalidRecord);
    producer.send(to_first("again").with_key("k")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "t", 0), ["warm", "again"]);
}

/// Short for a time-out; time enough for a record that nothing holds up.
const SHORT: &[(&str, &str)] =
    &[("linger.ms", "0"), ("request.timeout.ms", "2500"), ("delivery.timeout.ms", "4500")];

/// Behaviour 33.
/// (32, 33, 35)
#[test]
fn a_silent_broker_ends_in_an_error_that_says_the_record_may_be_written_and_the_partition_recovers() {
    let cluster = cluster(1);
    let producer = producer(&cluster, SHORT);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let start = Instant::now();
    let error = producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(4_450), "{error}");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.possibly_written() && error.attempts() >= 1, "{error}");
    assert!(error.elapsed().is_some_and(|elapsed| elapsed >= Duration::from_millis(4_450)), "{error}");
    assert!(error.to_string().contains("delivery.timeout.ms=4500"), "{error}");
    assert!(error.to_string().contains("the last error was"), "{error}");
    assert_eq!((error.topic(), error.partition()), (Some("t"), Some(0)));
    cluster.clear_faults();
    for number in 2..5 {
        let outcome = producer.send(to_first(format!("{number:06}"))).unwrap().get_timeout(AGES);
        outcome.unwrap_or_else(|error| panic!("the partition goes on: {error}"));
    }
    assert_holds_exactly(&cluster, 5);
}

/// Behaviour 32.
#[test]
fn records_that_were_never_sent_are_said_not_to_be_written() {
    let cluster = cluster(1);
    let producer = producer(&cluster, SHORT);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    // The first one may still have been written to the dying connection.
    producer.send(to_first("perhaps")).unwrap().get_timeout(AGES).unwrap_err();
    let error = producer.send(to_first("never")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(!error.possibly_written(), "{error}");
    assert!(error.to_string().contains("the last error was"), "{error}");
    cluster.start_broker(1).unwrap();
    wait_until("the broker is there again", || {
        producer.send(to_first("000001")).unwrap().get_timeout(AGES).is_ok()
    });
    assert_holds_exactly(&cluster, 2);
}

/// Behaviour 36.
#[test]
fn a_request_time_out_closes_the_connection_and_tries_again() {
    let cluster = cluster(1);
    // Long enough for an answer that comes, since each time-out is counted.
    let patient = [("linger.ms", "0"), ("request.timeout.ms", "3000"), ("delivery.timeout.ms", "30000")];
    let producer = producer(&cluster, &patient);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let before = cluster.connections_accepted();
    cluster.drop_answer(Api::Produce, 1);
    producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap();
    assert!(cluster.connections_accepted() > before, "a new connection (36)");
    assert_eq!(crate::support::produce_requests(&cluster), 3);
    assert_holds_exactly(&cluster, 2);
}

/// Behaviour 40.
/// (40) KIP-219.
#[test]
fn a_throttled_broker_is_left_alone_for_as_long_as_it_asked() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::throttle(Api::Produce, Duration::from_millis(300)));
    producer.send(to_first("throttled")).unwrap().get_timeout(AGES).unwrap();
    producer.send(to_first("later")).unwrap().get_timeout(AGES).unwrap();
    let seen = cluster.produce_requests();
    let pause = seen[2].at.duration_since(seen[1].at);
    assert!(pause >= Duration::from_millis(290), "{pause:?}");
}

/// Behaviours 39, 51.
/// (39, 51)
#[test]
fn acks_decide_what_is_known_of_a_record() {
    for (acks, wire, known) in [("0", 0, false), ("1", 1, true), ("all", -1, true), ("-1", -1, true)] {
        let cluster = three_brokers(1);
        let idempotence = if matches!(acks, "0" | "1") { "false" } else { "true" };
        let settings = &[("acks", acks), ("enable.idempotence", idempotence), ("linger.ms", "0")];
        let producer = producer(&cluster, settings);
        let metadata = producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
        assert_eq!(metadata.offset(), known.then_some(0), "acks={acks}");
        wait_until("the record is in the log", || cluster.end_offset("t", 0) == Some(1));
        assert!(cluster.produce_requests().iter().all(|request| request.acks == wire));
        assert_eq!(cluster.produce_requests()[0].timeout_ms, 10_000);
    }
}

#[test]
fn acks_all_waits_for_enough_replicas() {
    let topic = TopicConfig::new(1).replication_factor(3).min_insync_replicas(2);
    let cluster = EmbeddedCluster::builder().brokers(3).topic_with("t", topic).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let leader = cluster.leader("t", 0).unwrap();
    let others: Vec<i32> = (1..=3).filter(|broker| *broker != leader).collect();
    others.iter().for_each(|broker| cluster.stop_broker(*broker));
    let future = producer.send(to_first("000001")).unwrap();
    wait_until("some attempts", || crate::support::produce_requests(&cluster) >= 4);
    assert!(!future.is_done());
    cluster.start_broker(others[0]).unwrap();
    assert_eq!(future.get_timeout(AGES).unwrap().offset(), Some(1));
    assert_holds_exactly(&cluster, 2);
}

#[test]
fn several_partitions_on_several_brokers_fail_independently() {
    let cluster = three_brokers(6);
    let producer = producer(&cluster, MANY_SMALL);
    for broker in 1..=3 {
        cluster.inject(
            Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER).on_broker(broker).skip(1).times(2),
        );
        cluster.inject(Fault::cut_after(Api::Produce).on_broker(broker).skip(4));
    }
    let mut futures = Vec::new();
    for number in 0..600 {
        let record = ProducerRecord::new("t", format!("{number:06}")).with_partition(number % 6);
        futures.push(producer.send(record).unwrap());
    }
    all_delivered(&futures);
    for partition in 0..6 {
        let expected: Vec<_> = (0..600).filter(|n| n % 6 == partition).map(|n| format!("{n:06}")).collect();
        assert_eq!(values(&cluster, "t", partition), expected);
    }
}

#[test]
fn connections_that_were_idle_too_long_are_closed_and_opened_again() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("connections.max.idle.ms", "100"), ("linger.ms", "0")]);
    for number in 0..3 {
        producer.send(to_first(format!("{number:06}"))).unwrap().get_timeout(AGES).unwrap();
        wait_until("the connections are closed", || cluster.connections_open() == 0);
    }
    assert!(cluster.connections_accepted() >= 3);
    assert_holds_exactly(&cluster, 3);
}

/// Fault A4.
#[test]
fn a_code_that_nobody_knows_may_stand_for_a_batch_that_was_written() {
    for code in [-32768, 999, ErrorCode::UNKNOWN_SERVER_ERROR.0, ErrorCode::GROUP_AUTHORIZATION_FAILED.0] {
        let cluster = cluster(1);
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        let send = |value: &str| producer.send(to_first(value)).unwrap().get_timeout(AGES);
        send("000000").unwrap();
        cluster.inject(Fault::fail_after(Api::Produce, code));
        assert!(send("000001").unwrap_err().possibly_written(), "{code} after the append");
        cluster.inject(Fault::fail(Api::Produce, code));
        assert!(send("lost").unwrap_err().possibly_written(), "{code}: nobody can know");
        send("000002").unwrap();
        assert_holds_exactly(&cluster, 3);
    }
}

/// Fault A4.
#[test]
fn a_code_that_refuses_before_the_append_says_that_nothing_was_written() {
    let cluster = cluster(1);
    let producer =
        producer(&cluster, &[("linger.ms", "0"), ("retries", "0"), ("enable.idempotence", "false")]);
    for code in [
        ErrorCode::INVALID_RECORD,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_ID,
    ] {
        cluster.inject(Fault::fail(Api::Produce, code.0));
        let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
        assert_eq!((error.code(), error.possibly_written()), (Some(code), false), "{error}");
    }
    for code in [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::KAFKA_STORAGE_ERROR] {
        cluster.inject(Fault::fail_after(Api::Produce, code.0));
        let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
        assert!(error.possibly_written(), "{error}");
    }
    cluster.inject(Fault::fail(Api::Produce, BrokerError::KAFKA_STORAGE_ERROR));
    let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    assert!(error.possibly_written(), "a disk may fail within the append: {error}");
}

/// `count` records of 100 bytes in one batch.
fn one_batch(producer: &TextProducer, count: usize) -> Vec<RecordFuture> {
    let futures = (0..count).map(|_| producer.send(to_first("v".repeat(100))).unwrap()).collect();
    producer.flush().unwrap();
    futures
}

/// Fault B15.
#[test]
fn a_batch_that_was_refused_before_the_append_can_still_be_split() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_ID,
    ] {
        let topic = TopicConfig::new(1).max_message_bytes(1000);
        let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
        let producer = producer(&cluster, &[("linger.ms", "5000")]);
        cluster.inject(Fault::fail(Api::Produce, code.0));
        all_delivered(&one_batch(&producer, 15));
        assert_eq!(cluster.records("t").len(), 15);
    }
}

/// Fault B15.
#[test]
fn a_batch_that_may_be_in_the_log_is_not_split() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "5000")]);
    cluster.inject(Fault::fail_after(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER));
    cluster.inject(Fault::fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE));
    for future in one_batch(&producer, 15) {
        let error = future.get_timeout(AGES).unwrap_err();
        assert!(error.possibly_written(), "{error}");
    }
    assert_eq!(cluster.records("t").len(), 15, "they are, and once");
}

/// Fault C7.
#[test]
fn a_record_that_is_too_large_for_the_broker_is_told_with_its_size_and_what_to_change() {
    let topic = TopicConfig::new(1).max_message_bytes(1000);
    let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let error = producer.send(to_first("v".repeat(2000))).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::RecordTooLarge, false));
    for words in ["this record alone", " 20", "max.message.bytes", "message.max.bytes", "max.request.size"] {
        assert!(error.to_string().contains(words), "no {words}: {error}");
    }
}

/// Fault B3.
#[test]
fn brokers_that_name_each_other_as_leader_are_not_asked_without_a_pause() {
    let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 1).start().unwrap();
    let settings = [
        ("linger.ms", "0"),
        ("retry.backoff.ms", "100"),
        ("retry.backoff.max.ms", "1000"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "3000"),
    ];
    let producer = producer(&cluster, &settings);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let mut epoch = 1000;
    cluster.rewrite_answers(move |answer| {
        if answer.api != Api::Produce {
            return Rewritten::Unchanged;
        }
        epoch += 1;
        let mut body = bytes::Bytes::copy_from_slice(answer.body);
        let mut message = ProduceResponse::decode(&mut body, answer.version).unwrap();
        for partition in message.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
            partition.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
            partition.base_offset = -1;
            partition.current_leader.leader_id = (3 - answer.broker).into();
            partition.current_leader.leader_epoch = epoch;
        }
        let mut body = Vec::new();
        message.encode(&mut body, answer.version).unwrap();
        Rewritten::Body(body)
    });
    let before = cluster.requests(Api::Produce);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    let sends = cluster.requests(Api::Produce) - before;
    assert!((2..40).contains(&sends), "{sends} requests in 3 s");
}
