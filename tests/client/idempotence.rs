//! Idempotence, seen from outside: producer ids, epochs and sequences that the brokers see and what follows when they
//! forget or refuse them.

use std::time::Duration;

use crate::support::{
    AGES, assert_holds_exactly, cluster, config, producer, send_numbered, to_first, values, wait_until,
};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{ErrorCode, ErrorKind};

/// Behaviour 23.
/// (23)
#[test]
fn it_is_on_by_default_and_sequences_count_up_from_zero() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("batch.size", "200"), ("linger.ms", "0")]);
    for future in send_numbered(&producer, 0..100) {
        future.get_timeout(AGES).unwrap();
    }
    let batches = cluster.batches("t", 0);
    assert!(batches.len() >= 5);
    let mut next = 0;
    for batch in &batches {
        assert!(batch.producer_id >= 0);
        assert_eq!((batch.producer_epoch, batch.base_sequence), (0, next));
        next += batch.record_count;
    }
    assert_eq!(cluster.requests(Api::InitProducerId), 1);
}

#[test]
fn it_can_be_turned_off() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("enable.idempotence", "false"), ("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let batch = cluster.batches("t", 0).remove(0);
    assert_eq!((batch.producer_id, batch.producer_epoch, batch.base_sequence), (-1, -1, -1));
    assert_eq!(cluster.requests(Api::InitProducerId), 0);
}

/// Behaviour 24.
#[test]
fn a_producer_id_that_is_not_to_be_had_at_once_is_asked_for_again() {
    let cluster = cluster(1);
    cluster.fail(Api::InitProducerId, BrokerError::COORDINATOR_LOAD_IN_PROGRESS, 2);
    cluster.inject(Fault::cut_before(Api::InitProducerId).skip(2));
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    assert!(cluster.requests(Api::InitProducerId) >= 3);
}

/// Fault B11. (66) What waits fails with the reason, and the next record asks again.
/// Behaviour 91.
#[test]
fn a_producer_id_that_is_refused_fails_what_waits_and_the_next_record_asks_again() {
    for code in [
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_REQUEST,
        ErrorCode(999),
    ] {
        let cluster = cluster(1);
        cluster.inject(Fault::fail(Api::InitProducerId, code.0).always());
        let producer = producer(&cluster, &[("linger.ms", "0"), ("retry.backoff.max.ms", "20")]);
        for _ in 0..3 {
            let error = producer.send(to_first("a")).unwrap().get_timeout(AGES).unwrap_err();
            assert_eq!(error.code(), Some(code), "{error}");
            assert!(!error.is_fatal() && error.to_string().contains("enable.idempotence"), "{error}");
            assert!(!error.possibly_written());
        }
        cluster.clear_faults();
        wait_until("it is allowed", || producer.send(to_first("b")).unwrap().get_timeout(AGES).is_ok());
        assert_eq!(values(&cluster, "t", 0), ["b"]);
        producer.close().unwrap();
    }
}

/// Fault B11. Nobody is asked while nothing waits, and not more often than the backoff allows while something does.
#[test]
fn a_refusal_is_not_asked_for_over_and_over() {
    let cluster = cluster(1);
    cluster.inject(Fault::fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED).always());
    let settings = [("linger.ms", "0"), ("retry.backoff.ms", "50"), ("retry.backoff.max.ms", "200")];
    let producer = producer(&cluster, &settings);
    producer.send(to_first("a")).unwrap().get_timeout(AGES).unwrap_err();
    // Once before the record was there, if that was quicker, and once for it.
    let asked = cluster.requests(Api::InitProducerId);
    assert!((1..=2).contains(&asked), "{asked}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(cluster.requests(Api::InitProducerId), asked, "nothing waits");
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) || cluster.requests(Api::InitProducerId) < 5 {
        assert!(begun.elapsed() < AGES, "it is not asked for any more");
        let futures: Vec<_> = (0..20).map(|_| producer.send(to_first("a")).unwrap()).collect();
        futures.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap_err()));
    }
    let asked = cluster.requests(Api::InitProducerId);
    let seconds = begun.elapsed().as_secs_f64();
    assert!((asked as f64) < 10.0 * seconds, "{asked} requests in {seconds} s");
}

/// Fault B11. One broker that cannot or will not is no reason to stop: the others are asked.
#[test]
fn a_broker_that_refuses_leaves_the_producer_id_to_the_others() {
    for attempt in 0..5 {
        let cluster = crate::support::three_brokers(3);
        let refused = Fault::fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED).always();
        cluster.inject(refused.clone().on_broker(1));
        cluster.inject(refused.on_broker(2));
        let producer = producer(&cluster, &[("linger.ms", "0"), ("retry.backoff.max.ms", "20")]);
        let sent = || producer.send(to_first("a")).unwrap().get_timeout(AGES).is_ok();
        let failures = (0..3).take_while(|_| !sent()).count();
        assert!(failures < 3, "attempt {attempt}");
        assert!((1..=3).contains(&cluster.requests(Api::InitProducerId)));
    }
}

#[test]
fn fatal_answers_to_produce_end_the_producer_and_answer_everything() {
    for code in [ErrorCode::CLUSTER_AUTHORIZATION_FAILED, ErrorCode::PRODUCER_FENCED] {
        let cluster = cluster(2);
        let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "200")]);
        producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::fail(Api::Produce, code.0).always());
        let mut errors = Vec::new();
        for number in 0..50 {
            match producer.send(to_first(format!("{number}"))) {
                Ok(future) => errors.push(future.get_timeout(AGES).unwrap_err()),
                Err(error) => errors.push(error),
            }
        }
        assert!(errors.iter().all(|error| error.is_fatal()), "{errors:?}");
        producer.close().unwrap();
    }
}

/// (59, 61) A broker that lost what it knew, with nothing in flight and with much in flight.
#[test]
fn an_out_of_order_answer_to_the_next_batch_bumps_the_epoch_and_nothing_is_lost() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "300")]);
    let mut futures = send_numbered(&producer, 0..20);
    producer.flush().unwrap();
    cluster.fail(Api::Produce, BrokerError::OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    futures.extend(send_numbered(&producer, 20..200));
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 200);
    assert_eq!(cluster.batches("t", 0).last().unwrap().producer_epoch, 1);
    assert_eq!(cluster.requests(Api::InitProducerId), 1, "the epoch is the client's own");
}

/// (62)
#[test]
fn a_broker_that_forgot_the_producer_is_served_from_the_beginning() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "300")]);
    send_numbered(&producer, 0..20);
    producer.flush().unwrap();
    cluster.forget_producers("t", 0);
    cluster.fail(Api::Produce, BrokerError::UNKNOWN_PRODUCER_ID, 1);
    for number in 20..40 {
        send_numbered(&producer, number..number + 1)[0].get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 40);
}

/// Fault A3. A broker takes a producer that it does not know at any sequence. So when it has forgotten this one and refuses
/// the first of several batches, it takes those behind it; written afterwards, the first one would be out of order.
/// Behaviour 94.
#[test]
fn a_batch_that_others_have_overtaken_fails_and_says_why() {
    let refused = [3, 5, 6, 7, 19, 20, 56, 59, 89, 100].map(|code| Fault::fail(Api::Produce, code));
    let lost = [Fault::cut_before(Api::Produce), Fault::cut_after(Api::Produce)];
    let mut overtaken = 0;
    for fault in refused.into_iter().chain(lost) {
        let cluster = cluster(1);
        let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "300")]);
        let mut futures = send_numbered(&producer, 0..20);
        producer.flush().unwrap();
        cluster.forget_producers("t", 0);
        cluster.delay(Api::Produce, Duration::from_millis(20), 1);
        cluster.inject(fault.clone());
        futures.extend(send_numbered(&producer, 20..200));
        let (mut acknowledged, mut perhaps) = (Vec::new(), Vec::new());
        for (number, future) in futures.iter().enumerate() {
            match future.get_timeout(AGES) {
                Ok(_) => acknowledged.push(format!("{number:06}")),
                Err(error) => {
                    assert!(
                        error.to_string().contains("later records of the partition are in the log"),
                        "{error}"
                    );
                    perhaps.extend(error.possibly_written().then(|| format!("{number:06}")));
                    overtaken += 1;
                }
            }
        }
        let found = values(&cluster, "t", 0);
        assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "{fault:?}: {found:?}");
        assert!(acknowledged.iter().all(|value| found.contains(value)), "{fault:?}: lost");
        assert!(
            found.iter().all(|value| acknowledged.contains(value) || perhaps.contains(value)),
            "{fault:?}"
        );
    }
    assert!(overtaken > 0, "the test must have seen it");
}

/// Faults A3, A4. A broker that has written a batch and forgotten the producer since, or has the topic anew, says that the
/// batch is out of order: that is no proof that it is not written.
#[test]
fn what_was_written_and_forgotten_is_not_said_to_be_unwritten() {
    for more in [&[("retries", "1")][..], &[("delivery.timeout.ms", "2500"), ("request.timeout.ms", "2000")]]
    {
        let cluster = cluster(1);
        let settings: Vec<_> = [("linger.ms", "0")].into_iter().chain(more.iter().copied()).collect();
        let producer = producer(&cluster, &settings);
        producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::cut_after(Api::Produce));
        cluster.inject(Fault::fail(Api::Produce, BrokerError::OUT_OF_ORDER_SEQUENCE_NUMBER).skip(1));
        cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER).skip(1).always());
        let error = producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap_err();
        assert_eq!(values(&cluster, "t", 0), ["000000", "000001"]);
        assert!(error.possibly_written(), "{more:?}: {error}");
    }
}

/// Behaviour 54.
/// (54)
#[test]
fn a_duplicate_is_a_success_at_an_unknown_place() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::fail_after(Api::Produce, BrokerError::DUPLICATE_SEQUENCE_NUMBER));
    let record = to_first("000001").with_timestamp(5);
    let metadata = producer.send(record).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(metadata.offset(), None);
    assert_eq!(metadata.to_string(), "t-0@-1");
    producer.send(to_first("000002")).unwrap().get_timeout(AGES).unwrap();
    assert_holds_exactly(&cluster, 3);
}

/// Behaviours 24, 60.
#[test]
fn other_partitions_keep_their_epoch_until_they_are_idle() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let second = |value| kafka_producer::ProducerRecord::new("t", value).with_partition(1);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    producer.send(second("a")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_partition("t", 0));
    producer.send(to_first("refused")).unwrap().get_timeout(AGES).unwrap_err();
    producer.send(second("b")).unwrap().get_timeout(AGES).unwrap();
    producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap();
    assert_holds_exactly(&cluster, 2);
    assert_eq!(values(&cluster, "t", 1), ["a", "b"]);
    let stamps = |partition| {
        let batches = cluster.batches("t", partition);
        batches.iter().map(|batch| (batch.producer_epoch, batch.base_sequence)).collect::<Vec<_>>()
    };
    assert_eq!(stamps(0), [(0, 0), (1, 0)]);
    assert_eq!(stamps(1), [(0, 0), (1, 0)], "idle at the time of the bump: it begins anew");
}

/// Behaviour 35.
/// A batch that fails for good while a later one's answer is lost: that one's fate is not known, and it must not be
/// written a second time under a new epoch. The brokers accept a sequence that begins anywhere from a producer that
/// they do not know.
#[test]
fn a_lost_answer_behind_a_refused_batch_does_not_double_records() {
    let cluster = cluster(1);
    let producer =
        producer(&cluster, &[("linger.ms", "0"), ("batch.size", "100"), ("request.timeout.ms", "2000")]);
    // The topic is known, the producer is not yet known to the partition.
    assert_eq!(producer.partitions_for("t").unwrap().len(), 1);
    cluster.inject(Fault::delay(Api::Produce, Duration::from_millis(100)));
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD));
    cluster.inject(Fault::cut_after(Api::Produce).skip(1));
    let futures = send_numbered(&producer, 0..2);
    let outcomes: Vec<bool> = futures.iter().map(|future| future.get_timeout(AGES).is_ok()).collect();
    let expected: Vec<_> =
        outcomes.iter().enumerate().filter(|(_, ok)| **ok).map(|(n, _)| format!("{n:06}")).collect();
    assert_eq!(values(&cluster, "t", 0), expected);
}

#[test]
fn old_brokers_are_asked_for_a_producer_id_in_version_0() {
    let cluster = EmbeddedCluster::builder()
        .topic("t", 1)
        .api_versions(Api::InitProducerId, 0..=0)
        .api_versions(Api::Produce, 3..=3)
        .api_versions(Api::Metadata, 1..=1)
        .api_versions(Api::ApiVersions, 0..=0)
        .start()
        .unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    for future in send_numbered(&producer, 0..50) {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 50);
    assert!(cluster.produce_requests().iter().all(|request| request.version == 3));
}

#[test]
fn a_broker_that_cannot_give_producer_ids_is_named_with_both_ranges() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).without(Api::InitProducerId).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("max.block.ms", "2000")]);
    let error = match producer.send(to_first("a")) {
        Ok(future) => future.get_timeout(AGES).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
    assert!(error.to_string().contains("InitProducerId"), "{error}");
    assert!(error.to_string().contains("0 to 5") || error.to_string().contains("0-5"), "{error}");
    assert!(error.to_string().contains(&cluster.bootstrap_servers()), "{error}");
}

#[test]
fn a_broker_without_a_common_produce_version_is_named_with_both_ranges() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).without(Api::Produce).start().unwrap();
    let settings = config(&cluster.bootstrap_servers(), &[("linger.ms", "0"), ("max.block.ms", "2000")]);
    let producer: crate::support::TextProducer = kafka_producer::KafkaProducer::new(settings).unwrap();
    let error = producer.send(to_first("a")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
    assert!(error.to_string().contains("Produce"), "{error}");
    assert!(error.to_string().contains(&cluster.bootstrap_servers()), "{error}");
    wait_until("closed", || producer.close().is_ok());
}

#[test]
fn a_broker_without_a_common_metadata_version_is_named_within_max_block() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).without(Api::Metadata).start().unwrap();
    let producer = producer(&cluster, &[("max.block.ms", "2500")]);
    let error = producer.send(to_first("a")).unwrap_err();
    assert!(error.to_string().contains("Metadata"), "{error}");
    assert!(error.to_string().contains(&cluster.bootstrap_servers()), "{error}");
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
}

/// Whoever gives no producer id does not get records, and these are told in time that they were never sent.
#[test]
fn records_that_wait_for_a_producer_id_in_vain_expire_unsent() {
    let cluster = cluster(1);
    cluster.inject(Fault::drop_answer(Api::InitProducerId).always());
    let settings = &[("linger.ms", "0"), ("request.timeout.ms", "200"), ("delivery.timeout.ms", "3000")];
    let producer = producer(&cluster, settings);
    let future = producer.send(to_first("a")).expect("the metadata is not held up by the other answer");
    let error = future.get_timeout(AGES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(!error.possibly_written() && error.to_string().contains("InitProducerId"), "{error}");
    assert_eq!(crate::support::produce_requests(&cluster), 0);
    cluster.clear_faults();
    wait_until("it works again", || producer.send(to_first("000000")).unwrap().get_timeout(AGES).is_ok());
}

/// A leader knows the last five batches of a producer again. Five are written and not answered when the leader moves;
/// were more sent to the new one, it would forget the first, and nobody could tell whether that was written.
#[test]
fn a_leader_that_moves_while_answers_are_missing_does_not_double_records() {
    let cluster = crate::support::three_brokers(1);
    let settings = &[
        ("batch.size", "0"),
        ("linger.ms", "0"),
        ("metadata.max.age.ms", "50"),
        ("request.timeout.ms", "700"),
        ("delivery.timeout.ms", "20000"),
    ];
    let producer = producer(&cluster, settings);
    let mut futures = send_numbered(&producer, 0..1);
    futures[0].get_timeout(AGES).unwrap();
    let old = cluster.leader("t", 0).unwrap();
    cluster.inject(Fault::drop_answer(Api::Produce).on_broker(old).times(5));
    futures.extend(send_numbered(&producer, 1..6));
    wait_until("all are written", || cluster.end_offset("t", 0) == Some(6));
    cluster.move_leader("t", 0, old % 3 + 1);
    futures.extend(send_numbered(&producer, 6..40));
    for future in &futures {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 40);
    crate::support::assert_offsets_are_true(&cluster, &futures);
}
