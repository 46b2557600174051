//! The transactions of `MockProducer`: what a program's unit tests see of them, and the errors that they ask for.

use std::collections::HashMap;
use std::time::Duration;

use crate::support;
use kafka_embedded::{Api, EmbeddedCluster};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, InterruptHandle, KafkaProducer, MockProducer,
    OffsetAndMetadata, Producer, ProducerRecord, StringSerializer, TopicPartition, Transaction,
};

type TextMock = MockProducer<str, str>;

fn mock() -> TextMock {
    MockProducer::new(StringSerializer, StringSerializer)
}

fn values(records: &[kafka_producer::SentRecord<str, str>]) -> Vec<String> {
    records.iter().map(|record| record.value().unwrap().to_owned()).collect()
}

fn position(offset: i64) -> HashMap<TopicPartition, OffsetAndMetadata> {
    HashMap::from([(TopicPartition::new("orders", 0), OffsetAndMetadata::new(offset))])
}

/// What a program does, whatever its producer is.
fn transact<P: Producer<str, str>>(producer: &P, value: &str) -> Result<(), Error> {
    let transaction = Transaction::begin(producer)?;
    transaction.send(ProducerRecord::new("invoices", value))?;
    transaction.send_offsets(&position(7), &ConsumerGroupMetadata::new("billing"))?;
    transaction.commit()
}

#[test]
fn what_is_committed_is_in_the_history_and_what_is_aborted_is_not() {
    let mock = mock();
    assert!(!mock.transaction_initialized());
    mock.init_transactions().unwrap();
    assert!(mock.transaction_initialized() && !mock.transaction_in_flight());
    for (value, commits) in [("a", true), ("b", false), ("c", true)] {
        mock.begin_transaction().unwrap();
        assert!(mock.transaction_in_flight());
        let future = mock.send(ProducerRecord::new("invoices", value)).unwrap();
        assert_eq!(values(&mock.uncommitted_records()), [value]);
        mock.send_offsets_to_transaction(&position(1), &ConsumerGroupMetadata::new("billing")).unwrap();
        assert!(mock.sent_offsets());
        if commits { mock.commit_transaction() } else { mock.abort_transaction() }.unwrap();
        assert!(future.is_done() && !mock.sent_offsets());
    }
    assert_eq!(values(&mock.history()), ["a", "c"]);
    assert_eq!((mock.commit_count(), mock.transaction_committed()), (2, true));
    assert_eq!(mock.committed_offsets().len(), 2);
    assert_eq!(mock.committed_offsets()[0]["billing"], position(1));
}

#[test]
fn a_program_that_is_generic_runs_with_the_mock() {
    let mock = mock();
    mock.init_transactions().unwrap();
    transact(&mock, "a").unwrap();
    assert_eq!((values(&mock.history()), mock.commit_count()), (vec!["a".to_owned()], 1));
    drop(mock.begin().unwrap());
    assert!(!mock.transaction_in_flight());
}

#[test]
fn a_guard_that_is_dropped_in_a_callback_aborts() {
    let mock: &'static TextMock = Box::leak(Box::new(mock()));
    mock.init_transactions().unwrap();
    let transaction = mock.begin().unwrap();
    transaction.send(ProducerRecord::new("invoices", "lost")).unwrap();
    let record = ProducerRecord::new("invoices", "lost as well");
    mock.send_with_callback(record, move |_| drop(transaction)).unwrap();
    assert!(!mock.transaction_in_flight() && mock.history().is_empty());
    transact(mock, "kept").unwrap();
    assert_eq!(values(&mock.history()), ["kept"]);
}

#[test]
fn calls_at_the_wrong_time_are_refused_as_by_the_real_producer() {
    let mock = mock();
    for outcome in [mock.begin_transaction(), mock.commit_transaction(), mock.abort_transaction()] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::IllegalState);
    }
    // A mock need not have transactions.
    mock.send(ProducerRecord::new("invoices", "before")).unwrap();
    mock.init_transactions().unwrap();
    for outcome in [
        mock.init_transactions(),
        mock.commit_transaction(),
        mock.send(ProducerRecord::new("invoices", "outside")).map(drop),
        mock.send_offsets_to_transaction(&position(1), &ConsumerGroupMetadata::new("billing")),
    ] {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::IllegalState);
    }
    mock.begin_transaction().unwrap();
    assert_eq!(mock.begin_transaction().unwrap_err().kind(), ErrorKind::IllegalState);
    let none = mock.send_offsets_to_transaction(&HashMap::new(), &ConsumerGroupMetadata::new("billing"));
    assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(values(&mock.history()), ["before"]);
}

#[test]
fn a_record_that_fails_makes_the_commit_fail_until_it_is_aborted() {
    let mock =
        MockProducer::<str, str>::builder(StringSerializer, StringSerializer).auto_complete(false).build();
    mock.init_transactions().unwrap();
    mock.begin_transaction().unwrap();
    mock.send(ProducerRecord::new("invoices", "bad")).unwrap();
    assert!(mock.error_next(Error::new(ErrorKind::Broker, "no")));
    assert!(mock.commit_transaction().unwrap_err().requires_abort());
    mock.abort_transaction().unwrap();
    mock.begin_transaction().unwrap();
    let late = mock.send(ProducerRecord::new("invoices", "late")).unwrap();
    mock.abort_transaction().unwrap();
    assert_eq!(late.get().unwrap_err().kind(), ErrorKind::TransactionAborted);
    assert_eq!((mock.history().len(), mock.commit_count()), (0, 0));
}

#[test]
fn each_call_fails_on_demand() {
    let mock = mock();
    let error = || Some(Error::new(ErrorKind::Timeout, "on demand"));
    let refused = |outcome: Result<(), Error>| assert_eq!(outcome.unwrap_err().to_string(), "on demand");
    mock.fail_transactions("init_transactions", error());
    refused(mock.init_transactions());
    mock.fail_transactions("init_transactions", None);
    mock.init_transactions().unwrap();
    for call in
        ["begin_transaction", "send_offsets_to_transaction", "commit_transaction", "abort_transaction"]
    {
        mock.fail_transactions(call, error());
    }
    refused(mock.begin_transaction());
    mock.fail_transactions("begin_transaction", None);
    mock.begin_transaction().unwrap();
    refused(mock.send_offsets_to_transaction(&position(1), &ConsumerGroupMetadata::new("billing")));
    refused(mock.commit_transaction());
    refused(mock.abort_transaction());
    mock.fail_transactions("commit_transaction", None);
    mock.commit_transaction().unwrap();
}

#[test]
fn a_fenced_mock_refuses_every_call() {
    let mock = mock();
    mock.init_transactions().unwrap();
    mock.begin_transaction().unwrap();
    mock.fence();
    for outcome in [mock.commit_transaction(), mock.abort_transaction(), mock.begin_transaction()] {
        let error = outcome.unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced);
    }
}

/// What a program decides by.
fn judged<T>(outcome: Result<T, Error>) -> Option<(ErrorKind, [bool; 3])> {
    outcome
        .err()
        .map(|error| (error.kind(), [error.requires_abort(), error.is_retriable(), error.is_fatal()]))
}

/// All calls that a program may go on with, in this order.
fn go_on(producer: &impl Producer<str, str>) -> Vec<Option<(ErrorKind, [bool; 3])>> {
    vec![
        judged(producer.send(ProducerRecord::new("invoices", "late"))),
        judged(producer.send_offsets_to_transaction(&position(1), &ConsumerGroupMetadata::new("billing"))),
        judged(producer.init_transactions()),
        judged(producer.begin_transaction()),
        judged(producer.commit_transaction()),
        judged(producer.abort_transaction()),
        judged(producer.abort_transaction()),
        judged(producer.begin_transaction()),
        judged(producer.commit_transaction()),
    ]
}

fn real(cluster: &EmbeddedCluster) -> KafkaProducer<str, str> {
    let producer = support::producer(cluster, &[("transactional.id", "billing")]);
    producer.init_transactions().unwrap();
    producer
}

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("invoices", 1).start().unwrap()
}

fn initialized() -> TextMock {
    let mock = mock();
    mock.init_transactions().unwrap();
    mock
}

/// Otherwise a test passes with the mock, and the program commits half of a transaction.
#[test]
fn after_a_record_that_send_refuses_the_mock_can_do_what_the_real_producer_can() {
    let cluster = cluster();
    fn refused(producer: &impl Producer<str, str>) -> Vec<Option<(ErrorKind, [bool; 3])>> {
        producer.begin_transaction().unwrap();
        let first = judged(producer.send(ProducerRecord::new("no such topic", "bad")));
        [vec![first], go_on(producer)].concat()
    }
    let expected = refused(&real(&cluster));
    assert_eq!(refused(&initialized()), expected);
    assert!(expected[0].is_some_and(|(_, [requires_abort, ..])| requires_abort));
    let mock = initialized();
    mock.begin_transaction().unwrap();
    mock.fail_sends_with(Error::new(ErrorKind::Timeout, "no brokers"));
    assert!(mock.send(ProducerRecord::new("invoices", "bad")).unwrap_err().requires_abort());
    mock.accept_sends();
    assert!(mock.transaction_in_flight() && mock.commit_transaction().unwrap_err().requires_abort());
}

/// A commit that is still under way, one that has failed, one that is the end of the producer.
#[test]
fn after_a_commit_that_fails_the_mock_can_do_what_the_real_producer_can() {
    let cluster = cluster();
    let producer = real(&cluster);
    producer.begin_transaction().unwrap();
    producer.send(ProducerRecord::new("invoices", "a")).unwrap().get().unwrap();
    cluster.delay(Api::EndTxn, Duration::from_millis(300), 1);
    InterruptHandle::current().interrupt();
    assert_eq!(producer.commit_transaction().unwrap_err().kind(), ErrorKind::Interrupted);
    let expected = go_on(&producer);
    let mock = initialized();
    mock.begin_transaction().unwrap();
    mock.fail_transactions("commit_transaction", Some(Error::new(ErrorKind::Interrupted, "on demand")));
    assert_eq!(mock.commit_transaction().unwrap_err().kind(), ErrorKind::Interrupted);
    mock.fail_transactions("commit_transaction", None);
    assert_eq!(go_on(&mock), expected);

    for code in [ErrorCode::TRANSACTION_ABORTABLE, ErrorCode::PRODUCER_FENCED] {
        let producer = real(&cluster);
        producer.begin_transaction().unwrap();
        producer.send(ProducerRecord::new("invoices", "a")).unwrap().get().unwrap();
        cluster.fail(Api::EndTxn, code.0, 1);
        let error = producer.commit_transaction().unwrap_err();
        let expected = go_on(&producer);
        let mock = initialized();
        mock.begin_transaction().unwrap();
        mock.fail_transactions("commit_transaction", Some(error));
        assert!(mock.commit_transaction().is_err());
        mock.fail_transactions("commit_transaction", None);
        assert_eq!(go_on(&mock), expected, "{code}");
    }
}

/// As in the documented loop.
#[test]
fn what_fails_after_its_guard_is_gone_is_aborted_by_the_mock_as_well() {
    let mock = initialized();
    for is_aborted_by_call in [false, true] {
        let transaction = mock.begin().unwrap();
        transaction.send(ProducerRecord::new("invoices", "lost")).unwrap();
        let under_way = Error::new(ErrorKind::Timeout, "it goes on");
        mock.fail_transactions("commit_transaction", Some(under_way));
        assert!(transaction.commit().unwrap_err().is_retriable());
        assert_eq!(mock.begin().unwrap_err().kind(), ErrorKind::IllegalState);
        let failed = Error::new(ErrorKind::Broker, "it has failed").with_requires_abort();
        mock.fail_transactions("commit_transaction", Some(failed));
        assert!(mock.commit_transaction().unwrap_err().requires_abort());
        mock.fail_transactions("commit_transaction", None);
        if is_aborted_by_call {
            mock.abort_transaction().unwrap();
        }
        let transaction = mock.begin().unwrap();
        transaction.send(ProducerRecord::new("invoices", "kept")).unwrap();
        transaction.commit().unwrap();
    }
    assert_eq!(values(&mock.history()), ["kept", "kept"]);
}
