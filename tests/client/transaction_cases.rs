//! What becomes of a transaction that has failed before it is aborted: cases of Java's `TransactionManagerTest` that need the whole
//! client.

use std::collections::HashMap;

use crate::support::{AGES, producer, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, KafkaProducer, NoKey, OffsetAndMetadata,
    ProducerRecord, RecordFuture, TopicPartition, Value,
};

type TextProducer = KafkaProducer<str, str>;

fn cluster_of(version: i16) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(3).topic("t", 6).transaction_version(version).start().unwrap()
}

fn ready(cluster: &EmbeddedCluster) -> TextProducer {
    ready_with(cluster, &[("retry.backoff.ms", "10")])
}

fn ready_with(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    let producer = producer(cluster, &[&[("transactional.id", "orders-service")], more].concat());
    producer.init_transactions().unwrap();
    producer
}

fn to(partition: i32, value: &str) -> ProducerRecord<NoKey, Value<String>> {
    ProducerRecord::new("t", value.to_owned()).with_partition(partition)
}

fn send_offsets(producer: &TextProducer) -> Result<(), Error> {
    let offsets = HashMap::from([(TopicPartition::new("t", 5), OffsetAndMetadata::new(5))]);
    producer.send_offsets_to_transaction(&offsets, &ConsumerGroupMetadata::new("billing"))
}

/// Begins a transaction with a record in partition 1, and sends another one there that meets these faults, and has met one.
fn begin_with_trouble(cluster: &EmbeddedCluster, producer: &TextProducer, faults: &[Fault]) -> RecordFuture {
    producer.begin_transaction().unwrap();
    producer.send(to(1, "added")).unwrap().get_timeout(AGES).unwrap();
    faults.iter().for_each(|fault| cluster.inject(fault.clone()));
    let troubled = producer.send(to(1, "troubled")).unwrap();
    wait_until("it is on its way", || cluster.requests(Api::Produce) >= 2);
    troubled
}

/// A partition's answers, for so many requests.
fn produce_fails(partition: i32, error: BrokerError, times: u32) -> Fault {
    Fault::fail(Api::Produce, error).on_partition("t", partition).times(times)
}

/// The next transaction is well, and of those before it nothing is there.
fn assert_next_is_well(cluster: &EmbeddedCluster, producer: &TextProducer) {
    producer.begin_transaction().unwrap();
    producer.send(to(0, "next")).unwrap();
    send_offsets(producer).unwrap();
    producer.commit_transaction().unwrap();
    let committed = cluster.committed_records("t");
    assert_eq!(committed.len(), 1);
    assert_eq!(committed[0].value.as_deref(), Some(&b"next"[..]));
    assert_eq!(cluster.committed_offsets("billing").len(), 1);
}

/// `shouldNotSendAbortTxnRequestWhenOnlyAddOffsetsRequestFailed`.
#[test]
fn where_only_offsets_were_refused_the_coordinator_is_not_asked_to_abort() {
    let cluster = cluster_of(0);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    cluster.fail(Api::AddOffsetsToTxn, BrokerError::GROUP_AUTHORIZATION_FAILED, 1);
    let error = send_offsets(&producer).unwrap_err();
    assert!(error.requires_abort() && error.kind() == ErrorKind::Authorization, "{error}");
    producer.abort_transaction().unwrap();
    assert_eq!(cluster.requests(Api::EndTxn), 0, "it has not heard of the transaction");
    assert_next_is_well(&cluster, &producer);
}

/// `shouldFailAbortIfAddOffsetsFailsWithFatalError`.
#[test]
fn where_offsets_failed_for_good_so_does_the_abort_with_the_same_error() {
    let cluster = cluster_of(0);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    cluster.fail(Api::AddOffsetsToTxn, BrokerError::INVALID_PRODUCER_ID_MAPPING, 1);
    for error in [send_offsets(&producer), producer.abort_transaction()].map(Result::unwrap_err) {
        let code = Some(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        assert!(error.is_fatal() && error.code() == code, "{error}");
    }
    assert_eq!(cluster.requests(Api::EndTxn), 0);
}

/// `resendFailedProduceRequestAfterAbortableError`, `testAllowDrainInAbortableErrorState`.
#[test]
fn what_was_sent_before_another_record_failed_is_tried_again_until_it_is_answered() {
    for version in [2, 0] {
        let cluster = cluster_of(version);
        let producer = ready(&cluster);
        let busy = produce_fails(1, BrokerError::NOT_ENOUGH_REPLICAS, 5);
        let retried = begin_with_trouble(&cluster, &producer, &[busy]);
        cluster.inject(produce_fails(0, BrokerError::INVALID_RECORD, 1));
        let failed = producer.send(to(0, "bad")).unwrap();
        assert!(failed.get_timeout(AGES).unwrap_err().requires_abort());
        retried.get_timeout(AGES).unwrap();
        producer.abort_transaction().unwrap();
        assert_next_is_well(&cluster, &producer);
    }
}

/// `testFindCoordinatorAllowedInAbortableErrorState`.
#[test]
fn a_coordinator_that_has_moved_is_found_though_the_transaction_has_failed() {
    for version in [2, 0] {
        let cluster = cluster_of(version);
        let producer = ready(&cluster);
        for broker in [1, 2, 3] {
            producer.begin_transaction().unwrap();
            producer.send(to(0, "lost")).unwrap().get_timeout(AGES).unwrap();
            cluster.move_coordinator("orders-service", broker);
            cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
            assert!(producer.send(to(0, "bad")).unwrap().get_timeout(AGES).is_err());
            producer.abort_transaction().unwrap();
            assert!(cluster.open_transactions().is_empty());
        }
        assert_next_is_well(&cluster, &producer);
    }
}

/// `testAbortableErrorWhileAbortInProgress`.
#[test]
fn a_record_that_fails_while_its_transaction_is_aborted_changes_nothing() {
    for version in [2, 0] {
        let cluster = cluster_of(version);
        let producer = ready(&cluster);
        let busy = produce_fails(1, BrokerError::NOT_ENOUGH_REPLICAS, 3);
        let bad = produce_fails(1, BrokerError::INVALID_RECORD, 1);
        let failing = begin_with_trouble(&cluster, &producer, &[busy, bad]);
        producer.abort_transaction().unwrap();
        assert!(failing.is_done());
        failing.get_timeout(AGES).unwrap_err();
        assert_next_is_well(&cluster, &producer);
    }
}

/// Its records expire while a request that was lost waits to be repeated.
fn of_little_patience(cluster: &EmbeddedCluster) -> TextProducer {
    let settings = [
        ("retry.backoff.ms", "3000"),
        ("retry.backoff.max.ms", "3000"),
        ("request.timeout.ms", "500"),
        ("delivery.timeout.ms", "1000"),
    ];
    ready_with(cluster, &settings)
}

/// Else it stays open there, until its time is over and the producer is fenced for it.
#[test]
fn what_may_have_begun_at_the_coordinator_is_ended_there_though_the_transaction_has_failed_meanwhile() {
    let cluster = cluster_of(0);
    let producer = of_little_patience(&cluster);
    producer.begin_transaction().unwrap();
    cluster.cut_after(Api::AddPartitionsToTxn, 1);
    // It expires while the request waits to be repeated.
    let error = producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    producer.flush().unwrap();
    producer.abort_transaction().unwrap();
    assert!(cluster.open_transactions().is_empty());
}

/// Coordinators of the first protocol answer INVALID_TXN_STATE where there is nothing to abort.
#[test]
fn what_may_have_begun_at_the_coordinator_and_has_not_is_aborted_by_its_word_that_nothing_is_open() {
    for version in [0, 1] {
        let cluster = cluster_of(version);
        let producer = of_little_patience(&cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "before")).unwrap();
        producer.commit_transaction().unwrap();
        for _ in 0..2 {
            producer.begin_transaction().unwrap();
            cluster.cut_before(Api::AddPartitionsToTxn, 1);
            // It expires while the request waits to be repeated.
            let error = producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            producer.abort_transaction().unwrap();
        }
        producer.begin_transaction().unwrap();
        producer.send(to(0, "after")).unwrap().get_timeout(AGES).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(cluster.committed_records("t").len(), 2);
        assert!(cluster.open_transactions().is_empty());
    }
}
