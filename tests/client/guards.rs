//! Guards of transactions beside plain calls: each ends its own transaction, and no other one, with the producer and the mock alike.

use std::collections::HashMap;
use std::time::Duration;

use crate::support;
use kafka_embedded::{Api, EmbeddedCluster, EmbeddedRecord};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorKind, InterruptHandle, KafkaProducer, MockProducer, NoKey,
    OffsetAndMetadata, Producer, ProducerRecord, StringSerializer, TopicPartition, Transaction, Value,
};

struct Real {
    cluster: EmbeddedCluster,
    producer: KafkaProducer<str, str>,
}

impl Real {
    fn ready(version: i16) -> Real {
        let builder = EmbeddedCluster::builder().topic("invoices", 1).transaction_version(version);
        let cluster = builder.two_phase_commit(true).start().unwrap();
        let settings = [("transactional.id", "billing"), ("transaction.two.phase.commit.enable", "true")];
        let producer = support::producer(&cluster, &settings);
        producer.init_transactions().unwrap();
        Real { cluster, producer }
    }

    fn committed(&self) -> Vec<String> {
        let value = |record: EmbeddedRecord| String::from_utf8(record.value.unwrap()).unwrap();
        self.cluster.committed_records("invoices").into_iter().map(value).collect()
    }
}

fn mock() -> MockProducer<str, str> {
    let mock = MockProducer::new(StringSerializer, StringSerializer);
    mock.init_transactions().unwrap();
    mock
}

fn history(mock: &MockProducer<str, str>) -> Vec<String> {
    mock.history().iter().map(|record| record.value().unwrap().to_owned()).collect()
}

/// The same with the mock, and with the producer by both protocols: what is done, and what is committed after it.
macro_rules! with_all {
    ($story:ident, $committed:expr) => {
        let mock = mock();
        $story(&mock);
        assert_eq!(history(&mock), $committed, "the mock");
        for version in [2, 0] {
            let real = Real::ready(version);
            $story(&real.producer);
            assert_eq!(real.committed(), $committed, "transaction.version {version}");
            assert!(real.cluster.open_transactions().is_empty());
        }
    };
}

fn record(value: &str) -> ProducerRecord<NoKey, Value<&str>> {
    ProducerRecord::new("invoices", value)
}

fn position() -> HashMap<TopicPartition, OffsetAndMetadata> {
    HashMap::from([(TopicPartition::new("invoices", 0), OffsetAndMetadata::new(1))])
}

/// The error of a guard whose transaction others have ended.
fn is_over<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
    assert!(error.to_string().contains("transaction of this guard is over"), "{error}");
    assert!(!error.requires_abort() && !error.is_retriable() && !error.possibly_written(), "{error}");
}

/// Behaviour 118.
#[test]
fn an_old_guard_that_is_dropped_leaves_the_next_transaction_alone() {
    fn story<P: Producer<str, str>>(producer: &P) {
        for (commits, begins_plainly) in [(false, false), (false, true), (true, false), (true, true)] {
            let old = Transaction::begin(producer).unwrap();
            old.send(record(if commits { "kept" } else { "lost" })).unwrap();
            if commits { producer.commit_transaction() } else { producer.abort_transaction() }.unwrap();
            if begins_plainly {
                producer.begin_transaction().unwrap();
                producer.send(record("plain")).unwrap();
                drop(old);
                producer.commit_transaction().unwrap();
            } else {
                let next = Transaction::begin(producer).unwrap();
                next.send(record("guarded")).unwrap();
                drop(old);
                next.commit().unwrap();
            }
        }
    }
    with_all!(story, ["guarded", "plain", "kept", "guarded", "kept", "plain"]);
}

/// Behaviour 118.
#[test]
fn each_call_of_an_old_guard_is_an_error_and_does_nothing_to_the_next_transaction() {
    fn story<P: Producer<str, str>>(producer: &P) {
        for call in ["send", "send_with_callback", "send_offsets", "commit", "prepare", "abort"] {
            let old = Transaction::begin(producer).unwrap();
            producer.abort_transaction().unwrap();
            let next = Transaction::begin(producer).unwrap();
            next.send(record(call)).unwrap();
            match call {
                "send" => is_over(old.send(record("stray"))),
                "send_with_callback" => is_over(old.send_with_callback(record("stray"), |_| {})),
                "send_offsets" => {
                    is_over(old.send_offsets(&position(), &ConsumerGroupMetadata::new("billing")));
                }
                "commit" => is_over(old.commit()),
                "prepare" => is_over(old.prepare()),
                _ => is_over(old.abort()),
            }
            next.commit().unwrap();
        }
    }
    with_all!(story, ["send", "send_with_callback", "send_offsets", "commit", "prepare", "abort"]);
}

#[test]
fn a_guard_whose_transaction_was_ended_says_so_also_where_none_has_begun_since() {
    fn story<P: Producer<str, str>>(producer: &P) {
        for ends in [P::commit_transaction, P::abort_transaction] {
            let over = || {
                let transaction = Transaction::begin(producer).unwrap();
                ends(producer).unwrap();
                transaction
            };
            is_over(over().send(record("stray")));
            is_over(over().commit());
            is_over(over().prepare());
            is_over(over().abort());
            drop(over());
        }
        let transaction = Transaction::begin(producer).unwrap();
        transaction.send(record("kept")).unwrap();
        transaction.commit().unwrap();
    }
    with_all!(story, ["kept"]);
}

/// What is prepared is not the guard's any more, whoever has prepared it: the drop must not decide of it.
#[test]
fn a_guard_that_is_dropped_leaves_what_was_prepared_to_the_producer() {
    fn story<P: Producer<str, str>>(producer: &P) {
        let transaction = Transaction::begin(producer).unwrap();
        transaction.send(record("prepared")).unwrap();
        let prepared = producer.prepare_transaction().unwrap();
        drop(transaction);
        producer.complete_transaction(&prepared).unwrap();
    }
    with_all!(story, ["prepared"]);
}

/// Behind pointers it is the same producer.
#[test]
fn a_guard_of_a_trait_object_knows_its_transaction() {
    fn story<P: Producer<str, str> + Clone + 'static>(producer: &P) {
        let object: std::sync::Arc<dyn Producer<str, str>> = std::sync::Arc::new(producer.clone());
        let old = Transaction::begin(&object).unwrap();
        producer.abort_transaction().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(record("kept")).unwrap();
        drop(old);
        producer.commit_transaction().unwrap();
    }
    with_all!(story, ["kept"]);
}

/// The plain call goes on; where it fails, what is left to do is the guard's part, which is gone.
#[test]
fn a_guard_that_is_dropped_while_a_call_is_still_under_way_leaves_the_end_to_that_call() {
    let mock = mock();
    for fails in [false, true] {
        let transaction = mock.begin().unwrap();
        transaction.send(record(if fails { "lost" } else { "kept" })).unwrap();
        mock.fail_transactions("commit_transaction", Some(Error::new(ErrorKind::Timeout, "it goes on")));
        assert!(mock.commit_transaction().unwrap_err().is_retriable());
        drop(transaction);
        let failed = Error::new(ErrorKind::Broker, "it has failed").with_requires_abort();
        mock.fail_transactions("commit_transaction", fails.then_some(failed));
        assert_eq!(mock.commit_transaction().is_err(), fails);
        mock.fail_transactions("commit_transaction", None);
        mock.begin().unwrap().commit().unwrap();
    }
    assert_eq!(history(&mock), ["kept"]);

    let real = Real::ready(2);
    let transaction = real.producer.begin().unwrap();
    transaction.send(record("kept")).unwrap().get().unwrap();
    real.cluster.delay(Api::EndTxn, Duration::from_millis(300), 1);
    InterruptHandle::current().interrupt();
    assert_eq!(real.producer.commit_transaction().unwrap_err().kind(), ErrorKind::Interrupted);
    drop(transaction);
    real.producer.commit_transaction().unwrap();
    real.producer.begin().unwrap().commit().unwrap();
    assert_eq!(real.committed(), ["kept"]);
}
