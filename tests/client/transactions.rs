//! Transactions, seen from outside: what readers of committed records see, what the coordinator keeps, what each call says.
//! By both protocols, which differ in what goes over the wire and in nothing that a program can see.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{self, AGES, SOON, producer, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, InterruptHandle, KafkaProducer, NoKey,
    OffsetAndMetadata, ProducerRecord, TopicPartition, Transaction, Value,
};

type TextProducer = KafkaProducer<str, str>;

const ID: &str = "orders-service";

/// Three brokers, by this protocol; the topics have six partitions.
fn cluster_of(version: i16) -> EmbeddedCluster {
    let topics = EmbeddedCluster::builder().brokers(3).topic("t", 6).topic("other", 6);
    topics.transaction_version(version).start().unwrap()
}

/// A test under both protocols.
/// By both protocols, at the same time.
fn with_both(test: impl Fn(&EmbeddedCluster) + Sync) {
    thread::scope(|scope| {
        for version in [2, 0] {
            let test = &test;
            scope.spawn(move || test(&cluster_of(version)));
        }
    });
}

fn with_id(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    let settings = [&[("transactional.id", ID), ("retry.backoff.ms", "10")], more].concat();
    producer(cluster, &settings)
}

fn ready(cluster: &EmbeddedCluster) -> TextProducer {
    let producer = with_id(cluster, &[]);
    producer.init_transactions().unwrap();
    producer
}

fn to(partition: i32, value: &str) -> ProducerRecord<NoKey, Value<String>> {
    ProducerRecord::new("t", value.to_owned()).with_partition(partition)
}

fn send_all(producer: &TextProducer, values: &[&str]) {
    for (place, value) in values.iter().enumerate() {
        producer.send(to(place as i32 % 6, value)).unwrap();
    }
}

/// What a reader of committed records sees, in order of the values.
fn committed(cluster: &EmbeddedCluster) -> Vec<String> {
    sorted(cluster.committed_records("t"))
}

/// The same for one who reads everything.
fn written(cluster: &EmbeddedCluster) -> Vec<String> {
    sorted(cluster.records("t"))
}

fn sorted(records: Vec<kafka_embedded::EmbeddedRecord>) -> Vec<String> {
    let value = |record: kafka_embedded::EmbeddedRecord| String::from_utf8(record.value.unwrap()).unwrap();
    let mut values: Vec<String> = records.into_iter().map(value).collect();
    values.sort();
    values
}

fn offsets(of: &[(i32, i64)]) -> HashMap<TopicPartition, OffsetAndMetadata> {
    let one = |(partition, offset): &(i32, i64)| {
        (TopicPartition::new("other", *partition), OffsetAndMetadata::new(*offset))
    };
    of.iter().map(one).collect()
}

fn committed_offsets(cluster: &EmbeddedCluster) -> Vec<(i32, i64)> {
    let of_group = cluster.committed_offsets("billing");
    of_group.into_iter().map(|committed| (committed.partition, committed.offset)).collect()
}

fn assert_state(outcome: Result<(), Error>, expected: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

// ---- what a transaction is ----

#[test]
fn what_is_committed_is_seen_whole_and_what_is_aborted_not_at_all() {
    with_both(|cluster| {
        let producer = ready(cluster);
        for (round, commits) in [true, false, true, true, false].into_iter().enumerate() {
            producer.begin_transaction().unwrap();
            let values: Vec<String> = (0..12).map(|number| format!("{round}-{number}")).collect();
            send_all(&producer, &values.iter().map(String::as_str).collect::<Vec<_>>());
            if commits {
                producer.commit_transaction().unwrap();
            } else {
                producer.flush().unwrap();
                producer.abort_transaction().unwrap();
            }
            assert!(cluster.open_transactions().is_empty());
        }
        let all = |rounds: &[i32]| {
            let of_round =
                |round: &i32| (0..12).map(|number| format!("{round}-{number}")).collect::<Vec<_>>();
            let mut all: Vec<String> = rounds.iter().flat_map(of_round).collect();
            all.sort();
            all
        };
        assert_eq!(committed(cluster), all(&[0, 2, 3]));
        assert_eq!(written(cluster), all(&[0, 1, 2, 3, 4]), "aborted ones are in the log all the same");
    });
}

#[test]
fn nothing_is_seen_before_the_commit() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        send_all(&producer, &["a", "b"]);
        producer.flush().unwrap();
        assert_eq!((committed(cluster).len(), written(cluster).len()), (0, 2));
        let open = cluster.open_transactions();
        assert_eq!((open[0].transactional_id.as_str(), open[0].partitions.len()), (ID, 2));
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["a", "b"]);
    });
}

/// Behaviour 72.
#[test]
fn by_the_second_protocol_nobody_is_asked_to_add_partitions_and_each_transaction_has_its_epoch() {
    for (version, adds, epochs) in [(2, 0, vec![0, 1, 2]), (0, 3, vec![0, 0, 0])] {
        let cluster = cluster_of(version);
        let producer = ready(&cluster);
        for value in ["a", "b", "c"] {
            producer.begin_transaction().unwrap();
            producer.send(to(0, value)).unwrap();
            producer.commit_transaction().unwrap();
        }
        assert_eq!(cluster.requests(Api::AddPartitionsToTxn), adds);
        let batches = cluster.batches("t", 0);
        let data: Vec<_> = batches.iter().filter(|batch| !batch.is_control()).collect();
        assert!(data.iter().all(|batch| batch.is_transactional()));
        let seen: Vec<i16> = data.iter().map(|batch| batch.producer_epoch).collect();
        let first = seen[0];
        assert_eq!(seen.iter().map(|epoch| epoch - first).collect::<Vec<_>>(), epochs, "version {version}");
        let produced = cluster.produce_requests();
        assert!(produced.iter().all(|request| (request.version >= 12) == (version == 2)));
        assert!(produced.iter().all(|request| request.transactional_id.as_deref() == Some(ID)));
    }
}

/// Behaviour 69.
#[test]
fn a_transaction_without_a_record_asks_nobody() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.commit_transaction().unwrap();
        producer.begin_transaction().unwrap();
        producer.abort_transaction().unwrap();
        assert_eq!(cluster.requests(Api::EndTxn), 0);
    });
}

#[test]
fn the_callbacks_of_a_transaction_have_run_when_it_is_committed() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let told = Arc::new(Mutex::new(0));
        producer.begin_transaction().unwrap();
        for place in 0..60 {
            let told = Arc::clone(&told);
            let count = move |outcome: Result<_, Error>| {
                outcome.unwrap();
                *told.lock().unwrap() += 1;
            };
            producer.send_with_callback(to(place % 6, "v"), count).unwrap();
        }
        producer.commit_transaction().unwrap();
        assert_eq!(*told.lock().unwrap(), 60);
    });
}

#[test]
fn a_commit_does_not_wait_out_the_linger() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
        producer.init_transactions().unwrap();
        producer.begin_transaction().unwrap();
        send_all(&producer, &["a", "b"]);
        let begun = Instant::now();
        producer.commit_transaction().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(committed(cluster), ["a", "b"]);
    });
}

// ---- offsets ----

#[test]
fn offsets_are_committed_if_and_only_if_the_transaction_is() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let group = ConsumerGroupMetadata::new("billing");
        for (commits, expected) in [(false, vec![]), (true, vec![(0, 7), (3, 9)])] {
            producer.begin_transaction().unwrap();
            producer.send(to(0, "v")).unwrap();
            producer.send_offsets_to_transaction(&offsets(&[(0, 5)]), &group).unwrap();
            producer.send_offsets_to_transaction(&offsets(&[(0, 7), (3, 9)]), &group).unwrap();
            assert_eq!(committed_offsets(cluster), []);
            if commits { producer.commit_transaction() } else { producer.abort_transaction() }.unwrap();
            assert_eq!(committed_offsets(cluster), expected);
        }
    });
}

#[test]
fn offsets_of_two_groups_and_of_no_record_are_a_transaction_as_well() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        for group in ["billing", "shipping"] {
            let group = ConsumerGroupMetadata::new(group);
            producer.send_offsets_to_transaction(&offsets(&[(1, 4)]), &group).unwrap();
        }
        producer.commit_transaction().unwrap();
        assert_eq!(committed_offsets(cluster), [(1, 4)]);
        assert_eq!(cluster.committed_offsets("shipping").len(), 1);
    });
}

/// KIP-447.
#[test]
fn who_is_not_a_member_any_more_commits_nothing_and_can_begin_again() {
    with_both(|cluster| {
        cluster.set_group_member("billing", 5, "member-1", None);
        let producer = ready(cluster);
        let old = ConsumerGroupMetadata::new("billing").with_member(4, "member-1");
        let new = ConsumerGroupMetadata::new("billing").with_member(5, "member-1");
        producer.begin_transaction().unwrap();
        producer.send(to(0, "lost")).unwrap();
        let error = producer.send_offsets_to_transaction(&offsets(&[(0, 5)]), &old).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION), "{error}");
        assert!(error.requires_abort() && !error.is_fatal() && !error.is_retriable());
        assert!(producer.commit_transaction().unwrap_err().requires_abort());
        producer.abort_transaction().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(to(0, "kept")).unwrap();
        producer.send_offsets_to_transaction(&offsets(&[(0, 5)]), &new).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!((committed(cluster), committed_offsets(cluster)), (vec!["kept".to_owned()], vec![(0, 5)]));
    });
}

#[test]
fn offsets_that_nobody_can_have_meant_are_refused_and_the_transaction_goes_on() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let group = ConsumerGroupMetadata::new("billing");
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        let nameless = HashMap::from([(TopicPartition::new("", 0), OffsetAndMetadata::new(1))]);
        let impossible = HashMap::from([(TopicPartition::new("a b", 0), OffsetAndMetadata::new(1))]);
        // A request has room for it, and brokers end the connection: without an end, were it asked again.
        let long = "x".repeat(32_768);
        let verbose = OffsetAndMetadata::new(1).with_metadata(&long);
        let verbose = HashMap::from([(TopicPartition::new("t", 0), verbose)]);
        let room = "has 32768 bytes, and a request has room for 32767";
        for (offsets, group, expected) in [
            (offsets(&[]), group.clone(), "at least one"),
            (offsets(&[(0, -1)]), group.clone(), "must not be negative"),
            (offsets(&[(-1, 1)]), group.clone(), "must not be negative"),
            (nameless, group.clone(), "without a name"),
            (offsets(&[(0, 1)]), ConsumerGroupMetadata::new(""), "group id is empty"),
            (offsets(&[(0, 1)]), group.clone().with_member(3, ""), "without a member id"),
            (impossible, group.clone(), "a b-0: the topic's name"),
            (verbose, group.clone(), room),
            (offsets(&[(0, 1)]), ConsumerGroupMetadata::new(&long), room),
            (offsets(&[(0, 1)]), group.clone().with_member(3, &long), room),
            (offsets(&[(0, 1)]), group.clone().with_group_instance_id(&long), room),
        ] {
            let error = producer.send_offsets_to_transaction(&offsets, &group).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(expected), "{error}");
        }
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["v"]);
    });
}

// ---- calls at the wrong time ----

/// Behaviour 65.
#[test]
fn calls_at_the_wrong_time_say_what_was_expected_and_do_no_harm() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[]);
        assert_state(producer.begin_transaction(), "init_transactions() has to be called first");
        assert_state(producer.commit_transaction(), "init_transactions() has to be called first");
        assert_state(producer.send(to(0, "v")).map(drop), "init_transactions() has to be called first");
        producer.init_transactions().unwrap();
        assert_state(producer.init_transactions(), "called already");
        assert_state(producer.send(to(0, "v")).map(drop), "no transaction is open");
        assert_state(producer.try_send(to(0, "v")).map(drop), "no transaction is open");
        assert_state(producer.abort_transaction(), "no transaction is open");
        let group = ConsumerGroupMetadata::new("billing");
        assert_state(producer.send_offsets_to_transaction(&offsets(&[(0, 1)]), &group), "no transaction");
        producer.begin_transaction().unwrap();
        assert_state(producer.begin_transaction(), "a transaction is open");
        producer.send(to(0, "v")).unwrap();
        producer.commit_transaction().unwrap();
        assert_state(producer.commit_transaction(), "no transaction is open");
        assert_eq!(committed(cluster), ["v"]);
        producer.close().unwrap();
        assert_eq!(producer.begin_transaction().unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn without_an_id_there_are_no_transactions() {
    let cluster = cluster_of(2);
    let producer = producer(&cluster, &[]);
    for outcome in [
        producer.init_transactions(),
        producer.begin_transaction(),
        producer.commit_transaction(),
        producer.abort_transaction(),
        producer.begin().map(drop),
    ] {
        assert_state(outcome, "transactional.id is not set");
    }
    producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
    assert!(!cluster.batches("t", 0)[0].is_transactional());
}

#[test]
fn in_a_callback_no_call_of_transactions_is_allowed() {
    let cluster = cluster_of(2);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    let (sender, outcomes) = std::sync::mpsc::channel();
    let inner = producer.clone();
    producer
        .send_with_callback(to(0, "v"), move |_| {
            let group = ConsumerGroupMetadata::new("billing");
            for outcome in [
                inner.init_transactions(),
                inner.begin_transaction(),
                inner.commit_transaction(),
                inner.abort_transaction(),
                inner.send_offsets_to_transaction(&offsets(&[(0, 1)]), &group),
            ] {
                sender.send(outcome.unwrap_err().kind()).unwrap();
            }
        })
        .unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(outcomes.iter().take(5).collect::<Vec<_>>(), [ErrorKind::IllegalState; 5]);
}

#[test]
fn two_threads_that_commit_at_once_are_told_the_same() {
    with_both(|cluster| {
        let producer = ready(cluster);
        for round in 0..10 {
            producer.begin_transaction().unwrap();
            producer.send(to(0, &round.to_string())).unwrap();
            cluster.delay(Api::EndTxn, Duration::from_millis(20), 1);
            let outcomes: Vec<_> = thread::scope(|scope| {
                let callers: Vec<_> = (0..2).map(|_| scope.spawn(|| producer.commit_transaction())).collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).collect()
            });
            assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
            // Who comes when it is over finds none.
            let late = outcomes.into_iter().filter_map(Result::err);
            assert!(late.into_iter().all(|error| error.kind() == ErrorKind::IllegalState));
        }
        assert_eq!(committed(cluster).len(), 10);
    });
}

// ---- aborting ----

#[test]
fn what_was_not_sent_fails_when_its_transaction_is_aborted() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
        producer.init_transactions().unwrap();
        producer.begin_transaction().unwrap();
        let futures: Vec<_> = (0..6).map(|partition| producer.send(to(partition, "v")).unwrap()).collect();
        producer.abort_transaction().unwrap();
        for future in futures {
            let error = future.get_timeout(SOON).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TransactionAborted, "{error}");
            assert!(!error.possibly_written());
        }
        producer.begin_transaction().unwrap();
        producer.send(to(0, "next")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(written(cluster), ["next"], "no record of one transaction gets into the next");
    });
}

/// Behaviour 69.
#[test]
fn an_abort_waits_for_what_is_on_its_way() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "first")).unwrap().get_timeout(AGES).unwrap();
        cluster.delay(Api::Produce, Duration::from_millis(300), 1);
        let future = producer.send(to(0, "late")).unwrap();
        wait_until("the late record is written", || cluster.produce_requests().len() == 2);
        producer.abort_transaction().unwrap();
        assert!(future.is_done());
        assert_eq!((written(cluster).len(), committed(cluster).len()), (2, 0));
    });
}

/// Behaviours 67, 76.
#[test]
fn a_record_that_fails_makes_the_transaction_fail_and_the_next_one_is_well() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        send_all(&producer, &["a", "b", "c"]);
        producer.flush().unwrap();
        cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_partition("t", 1));
        let failed = producer.send(to(1, "bad")).unwrap().get_timeout(AGES).unwrap_err();
        assert!(failed.requires_abort() && !failed.is_retriable(), "{failed}");
        let refused = producer.send(to(2, "later")).unwrap_err();
        assert!(refused.requires_abort() && refused.to_string().contains("INVALID_RECORD"), "{refused}");
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.requires_abort() && error.code() == Some(ErrorCode::INVALID_RECORD), "{error}");
        assert!(producer.begin_transaction().unwrap_err().requires_abort());
        producer.abort_transaction().unwrap();
        producer.begin_transaction().unwrap();
        send_all(&producer, &["d", "e", "f"]);
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["d", "e", "f"]);
    });
}

#[test]
fn a_record_that_fails_while_it_is_committed_fails_the_commit() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "a")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_partition("t", 1));
        producer.send(to(1, "bad")).unwrap();
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.requires_abort(), "{error}");
        producer.abort_transaction().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(to(1, "good")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["good"]);
    });
}

/// Behaviour 76.
#[test]
fn a_record_that_send_refuses_makes_the_transaction_fail() {
    let cluster = cluster_of(2);
    let producer = with_id(&cluster, &[("max.request.size", "1000")]);
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    let error = producer.send(to(0, &"v".repeat(2000))).unwrap_err();
    assert!(error.kind() == ErrorKind::RecordTooLarge && error.requires_abort(), "{error}");
    assert!(producer.commit_transaction().unwrap_err().requires_abort());
    producer.abort_transaction().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(to(0, "v")).unwrap();
    producer.commit_transaction().unwrap();
}

/// A batch of unknown fate, late in its old transaction, must not get into the next one.
/// Behaviours 35, 73.
#[test]
fn after_a_record_of_unknown_fate_the_next_transaction_has_a_newer_epoch() {
    with_both(|cluster| {
        let timeouts = [("delivery.timeout.ms", "3000"), ("request.timeout.ms", "2500"), ("linger.ms", "0")];
        let producer = with_id(cluster, &timeouts);
        producer.init_transactions().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(to(0, "a")).unwrap().get_timeout(AGES).unwrap();
        let epoch = cluster.batches("t", 0)[0].producer_epoch;
        cluster.inject(Fault::drop_answer(Api::Produce));
        cluster.inject(Fault::cut_before(Api::Produce).always());
        let error = producer.send(to(0, "lost")).unwrap().get_timeout(AGES).unwrap_err();
        assert!(error.possibly_written() && error.requires_abort(), "{error}");
        cluster.clear_faults();
        producer.abort_transaction().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(to(0, "next")).unwrap();
        producer.commit_transaction().unwrap();
        let batches = cluster.batches("t", 0);
        let last = batches.iter().rfind(|batch| !batch.is_control()).unwrap();
        assert!(last.producer_epoch > epoch && last.base_sequence == 0);
        assert_eq!(committed(cluster), ["next"]);
    });
}

#[test]
fn many_records_on_many_partitions_go_several_at_a_time_and_none_is_lost_or_repeated() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[("batch.size", "200"), ("linger.ms", "0")]);
        producer.init_transactions().unwrap();
        for round in 0..3 {
            producer.begin_transaction().unwrap();
            for number in 0..500 {
                producer.send(to(number % 6, &format!("{round}-{number:03}"))).unwrap();
            }
            producer.commit_transaction().unwrap();
        }
        let mut expected: Vec<String> =
            (0..3).flat_map(|round| (0..500).map(move |number| format!("{round}-{number:03}"))).collect();
        expected.sort();
        assert_eq!(committed(cluster), expected);
    });
}

// ---- the guard ----

#[test]
fn a_guard_commits_once_and_aborts_where_it_is_dropped() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let transaction = producer.begin().unwrap();
        transaction.send(to(0, "kept")).unwrap();
        transaction.commit().unwrap();
        let lost = producer.begin().unwrap();
        lost.send(to(0, "lost")).unwrap();
        drop(lost);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let transaction = producer.begin().unwrap();
            transaction.send(to(0, "panicked")).unwrap();
            std::panic::resume_unwind(Box::new("of the program"));
        }));
        assert!(panicked.is_err());
        let aborted = producer.begin().unwrap();
        aborted.send(to(0, "aborted")).unwrap();
        aborted.abort().unwrap();
        producer.begin().unwrap().commit().unwrap();
        assert_eq!(committed(cluster), ["kept"]);
        assert!(cluster.open_transactions().is_empty());
    });
}

/// Nothing may be waited for there: the abort is the sender's to do.
#[test]
fn a_guard_that_is_dropped_in_a_callback_aborts_and_the_next_transaction_begins_when_that_is_over() {
    with_both(|cluster| {
        // A callback may hold a guard of a producer that is there for ever.
        let producer: &'static TextProducer = Box::leak(Box::new(ready(cluster)));
        for round in 0..3 {
            let transaction = producer.begin().unwrap();
            transaction.send(to(0, "lost")).unwrap().get_timeout(AGES).unwrap();
            let future =
                producer.send_with_callback(to(1, "lost as well"), move |_| drop(transaction)).unwrap();
            future.get_timeout(AGES).unwrap();
            if round > 0 {
                wait_until("it is aborted by itself", || cluster.open_transactions().is_empty());
                let refused = producer.begin_transaction();
                assert_state(refused, "a transaction that was dropped in a callback");
            }
            let next = if round == 1 { Transaction::begin(producer) } else { producer.begin() }.unwrap();
            next.send(to(0, "kept")).unwrap();
            next.commit().unwrap();
        }
        producer.close().unwrap();
        assert_eq!((committed(cluster), written(cluster).len()), (vec!["kept".to_owned(); 3], 9));
    });
}

#[test]
fn a_guard_that_is_to_be_ended_in_a_callback_is_aborted_there() {
    type Ending = fn(Transaction<'static, str, str>) -> Result<(), Error>;
    let endings: [Ending; 3] =
        [Transaction::commit, Transaction::abort, |transaction| transaction.prepare().map(drop)];
    let cluster = cluster_of(2);
    let producer: &'static TextProducer = Box::leak(Box::new(ready(&cluster)));
    for ending in endings {
        let transaction = producer.begin().unwrap();
        let (sender, outcome) = std::sync::mpsc::channel();
        let callback = move |_| sender.send(ending(transaction)).unwrap();
        producer.send_with_callback(to(0, "lost"), callback).unwrap();
        assert_eq!(outcome.recv_timeout(AGES).unwrap().unwrap_err().kind(), ErrorKind::IllegalState);
        producer.begin().unwrap().commit().unwrap();
    }
    producer.close().unwrap();
    assert!(committed(&cluster).is_empty() && cluster.open_transactions().is_empty());
}

#[test]
fn a_guard_whose_commit_fails_has_aborted_when_the_error_is_told() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let transaction = producer.begin().unwrap();
        transaction.send(to(0, "a")).unwrap().get_timeout(AGES).unwrap();
        cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
        transaction.send(to(0, "bad")).unwrap();
        assert!(transaction.commit().unwrap_err().requires_abort());
        let transaction = producer.begin().unwrap();
        transaction.send(to(0, "good")).unwrap();
        transaction.commit().unwrap();
        assert_eq!(committed(cluster), ["good"]);
    });
}

// ---- time-outs and interrupts ----

/// As the documented loop has it: the guard is gone, and the producer's own call is told that the transaction has failed.
#[test]
fn what_fails_after_its_guard_is_gone_is_aborted_all_the_same() {
    type Ending =
        (fn(Transaction<'_, str, str>) -> Result<(), Error>, fn(&TextProducer) -> Result<(), Error>);
    let endings: [Ending; 2] = [
        (|it| it.commit(), TextProducer::commit_transaction),
        (|it| it.prepare().map(drop), |producer| producer.prepare_transaction().map(drop)),
    ];
    for (version, (ending, again)) in [2, 0].into_iter().flat_map(|version| endings.map(|it| (version, it))) {
        let topics = EmbeddedCluster::builder().brokers(3).topic("t", 6).two_phase_commit(true);
        let cluster = topics.transaction_version(version).start().unwrap();
        let producer = with_id(&cluster, &[("transaction.two.phase.commit.enable", "true")]);
        producer.init_transactions().unwrap();
        for is_aborted_by_call in [false, true] {
            let transaction = producer.begin().unwrap();
            cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
            cluster.delay(Api::Produce, Duration::from_millis(300), 1);
            transaction.send(to(0, "bad")).unwrap();
            InterruptHandle::current().interrupt();
            assert_eq!(ending(transaction).unwrap_err().kind(), ErrorKind::Interrupted);
            assert!(again(&producer).unwrap_err().requires_abort());
            if is_aborted_by_call {
                producer.abort_transaction().unwrap();
            }
            // As a program does it that does not know which producer it has.
            let transaction = Transaction::begin(&producer).unwrap();
            transaction.send(to(0, "good")).unwrap();
            transaction.commit().unwrap();
        }
        assert_eq!(committed(&cluster), ["good", "good"]);
        assert!(cluster.open_transactions().is_empty());
    }
}

#[test]
fn a_coordinator_that_has_asked_for_a_pause_is_named_with_it() {
    let cluster = cluster_of(2);
    let producer = with_id(&cluster, &[("max.block.ms", "3000")]);
    cluster.inject(Fault::throttle(Api::InitProducerId, Duration::from_secs(600)));
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    // The whole broker is left alone.
    let other = (0..6).find(|partition| cluster.leader("t", *partition) != cluster.coordinator(ID)).unwrap();
    producer.send(to(other, "v")).unwrap().get_timeout(AGES).unwrap();
    let error = producer.commit_transaction().unwrap_err();
    assert!(error.to_string().contains("throttled until the 600000 ms are over"), "{error}");
    producer.close_timeout(Duration::ZERO).unwrap();
}

/// Behaviour 70.
#[test]
fn a_call_whose_time_is_over_is_taken_up_by_the_same_call_and_by_no_other() {
    with_both(|cluster| {
        // Time enough for what is not delayed.
        let producer = with_id(cluster, &[("max.block.ms", "2000")]);
        cluster.delay(Api::InitProducerId, LATE, 1);
        let late = producer.init_transactions().unwrap_err();
        assert!(late.kind() == ErrorKind::Timeout && late.is_retriable(), "{late}");
        assert!(late.to_string().contains("InitProducerId"), "{late}");
        assert_state(producer.begin_transaction(), "init_transactions()");
        repeat(|| producer.init_transactions());

        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
        cluster.delay(Api::EndTxn, LATE, 1);
        let late = producer.commit_transaction().unwrap_err();
        assert!(late.is_retriable() && late.possibly_written() && !late.requires_abort(), "{late}");
        assert!(late.to_string().contains("may have been committed"), "{late}");
        assert_state(producer.abort_transaction(), "commit_transaction()");
        assert_state(producer.begin_transaction(), "commit_transaction()");
        repeat(|| producer.commit_transaction());
        assert_eq!(committed(cluster), ["v"]);

        producer.begin_transaction().unwrap();
        producer.send(to(0, "w")).unwrap().get_timeout(AGES).unwrap();
        cluster.delay(Api::EndTxn, LATE, 1);
        let late = producer.abort_transaction().unwrap_err();
        assert!(late.is_retriable() && !late.possibly_written(), "{late}");
        assert_state(producer.commit_transaction(), "abort_transaction()");
        repeat(|| producer.abort_transaction());
        assert_eq!(committed(cluster), ["v"]);
    });
}

/// For how long an answer does not come that a call is not to wait for.
const LATE: Duration = Duration::from_millis(4_500);

/// The same call until it is not a time-out.
fn repeat(call: impl Fn() -> Result<(), Error>) {
    loop {
        match call() {
            Err(error) if error.is_retriable() => {}
            outcome => return outcome.unwrap(),
        }
    }
}

#[test]
fn an_interrupted_call_is_taken_up_by_the_same_one() {
    let cluster = cluster_of(2);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
    cluster.delay(Api::EndTxn, LATE, 1);
    let this_thread = InterruptHandle::current();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            this_thread.interrupt();
        });
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.kind() == ErrorKind::Interrupted && error.possibly_written(), "{error}");
    });
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster), ["v"]);
}

// ---- coordinators that move, refuse, fall silent ----

#[test]
fn a_coordinator_that_moves_is_found_again_between_any_two_requests() {
    with_both(|cluster| {
        let producer = ready(cluster);
        for round in 0..6 {
            cluster.move_coordinator(ID, round % 3);
            producer.begin_transaction().unwrap();
            producer.send(to(0, &format!("{round}"))).unwrap().get_timeout(AGES).unwrap();
            cluster.move_coordinator(ID, (round + 1) % 3);
            cluster.move_group_coordinator("billing", round % 3);
            let group = ConsumerGroupMetadata::new("billing");
            producer.send_offsets_to_transaction(&offsets(&[(0, i64::from(round))]), &group).unwrap();
            cluster.move_coordinator(ID, (round + 2) % 3);
            producer.commit_transaction().unwrap();
        }
        assert_eq!(committed(cluster), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(committed_offsets(cluster), [(0, 5)]);
    });
}

#[test]
fn every_request_is_repeated_after_passing_errors_and_lost_connections() {
    let passing: [fn(Api) -> Fault; 5] = [
        |api| Fault::fail(api, BrokerError::COORDINATOR_LOAD_IN_PROGRESS),
        |api| Fault::fail(api, BrokerError::NOT_COORDINATOR),
        |api| Fault::fail(api, BrokerError::COORDINATOR_NOT_AVAILABLE),
        Fault::cut_before,
        Fault::cut_after,
    ];
    with_both(|cluster| {
        for (number, fault) in passing.into_iter().enumerate() {
            cluster.clear_faults();
            for api in [
                Api::FindCoordinator,
                Api::InitProducerId,
                Api::AddPartitionsToTxn,
                Api::AddOffsetsToTxn,
                Api::TxnOffsetCommit,
                Api::EndTxn,
            ] {
                cluster.inject(fault(api).times(2));
            }
            let producer = ready(cluster);
            producer.begin_transaction().unwrap();
            producer.send(to(0, &format!("{number}"))).unwrap();
            let group = ConsumerGroupMetadata::new("billing");
            let position = offsets(&[(0, number as i64)]);
            producer.send_offsets_to_transaction(&position, &group).unwrap();
            producer.commit_transaction().unwrap();
            assert_eq!(committed_offsets(cluster), [(0, number as i64)]);
        }
        assert_eq!(committed(cluster), ["0", "1", "2", "3", "4"]);
    });
}

/// Behaviour 71.
#[test]
fn the_end_of_the_transaction_before_is_waited_for_in_short_steps() {
    let topics = EmbeddedCluster::builder().brokers(1).topic("t", 1).transaction_version(0);
    let cluster = topics.transaction_completion_time(Duration::from_millis(60)).start().unwrap();
    let producer = producer(&cluster, &[("transactional.id", ID), ("retry.backoff.ms", "15000")]);
    producer.init_transactions().unwrap();
    for value in ["a", "b", "c"] {
        producer.begin_transaction().unwrap();
        let begun = Instant::now();
        producer.send(to(0, value)).unwrap().get_timeout(AGES).unwrap();
        assert!(begun.elapsed() < SOON, "with retry.backoff.ms it would be 15 s");
        producer.commit_transaction().unwrap();
    }
    wait_until("the last markers", || committed(&cluster).len() == 3);
}

/// A broker that hears of the next transaction too early lets it wait for long, and so it does not hear of it too early: what
/// is to go at once goes after as long again as the end of the one before took, but no later than 20 ms.
/// Behaviour 71.
#[test]
fn the_next_transaction_gives_the_one_before_as_much_time_as_its_end_took() {
    with_both(|cluster| {
        let producer = ready(cluster);
        let commit = |value: &str| {
            producer.begin_transaction().unwrap();
            producer.send(to(0, value)).unwrap().get_timeout(AGES).unwrap();
            let acknowledged = Instant::now();
            producer.commit_transaction().unwrap();
            acknowledged
        };
        for (delay, least, most) in [(8, 7, 4000), (5000, 18, 4000)] {
            cluster.delay(Api::EndTxn, Duration::from_millis(delay), 1);
            // EndTxn is not answered before that, however late this thread hears of it.
            let answered = commit("slow") + Duration::from_millis(delay);
            let waited = commit("next").duration_since(answered);
            let limits = Duration::from_millis(least)..Duration::from_millis(most);
            assert!(limits.contains(&waited), "{delay} ms: {waited:?}");
        }
        // Who comes late does not wait.
        thread::sleep(Duration::from_millis(30));
        commit("late");
        assert_eq!(committed(cluster).len(), 5);
    });
}

#[test]
fn a_transaction_is_aborted_and_closed_though_nobody_finds_the_coordinator_of_its_group() {
    with_both(|cluster| {
        let group = ConsumerGroupMetadata::new("billing");
        let not_found = Fault::fail(Api::FindCoordinator, BrokerError::COORDINATOR_NOT_AVAILABLE);
        let producer = with_id(cluster, &[("max.block.ms", "2500")]);
        producer.init_transactions().unwrap();
        for ends_by_close in [false, true] {
            producer.begin_transaction().unwrap();
            producer.send(to(0, "lost")).unwrap().get_timeout(AGES).unwrap();
            cluster.inject(not_found.clone().always());
            let error = producer.send_offsets_to_transaction(&offsets(&[(0, 1)]), &group).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            if ends_by_close {
                producer.close_timeout(AGES).unwrap();
            } else {
                producer.abort_transaction().unwrap();
            }
            assert_eq!(cluster.open_transactions().len(), 0);
            cluster.clear_faults();
        }
        assert!(committed(cluster).is_empty() && cluster.committed_offsets("billing").is_empty());
    });
}

/// Its topic was deleted, for instance. Java asks on for ever, and neither commits nor aborts.
/// Behaviour 71.
#[test]
fn offsets_of_a_partition_that_nobody_knows_fail_their_transaction_as_a_record_would_in_its_time() {
    with_both(|cluster| {
        let group = ConsumerGroupMetadata::new("billing");
        let brief = [("delivery.timeout.ms", "2500"), ("request.timeout.ms", "2000"), ("linger.ms", "0")];
        let producer = with_id(cluster, &brief);
        producer.init_transactions().unwrap();
        for is_waited_for in [true, false] {
            producer.begin_transaction().unwrap();
            let interrupt = (!is_waited_for).then(InterruptHandle::current);
            interrupt.iter().for_each(InterruptHandle::interrupt);
            let offsets = offsets(&[(0, 3), (9, 5)]);
            let error = producer.send_offsets_to_transaction(&offsets, &group).unwrap_err();
            let error = if is_waited_for { error } else { producer.commit_transaction().unwrap_err() };
            assert!(error.requires_abort(), "{error}");
            assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
            assert!(error.to_string().contains("delivery.timeout.ms=2500"), "{error}");
            producer.abort_transaction().unwrap();
        }
        assert_eq!(committed_offsets(cluster), []);
        producer.begin_transaction().unwrap();
        producer.send_offsets_to_transaction(&offsets(&[(0, 4)]), &group).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed_offsets(cluster), [(0, 4)]);
    });
}

#[test]
fn errors_that_a_transaction_does_not_outlive_are_told_as_such_and_the_next_one_is_well() {
    with_both(|cluster| {
        let producer = ready(cluster);
        for (api, code) in [
            (Api::TxnOffsetCommit, BrokerError::GROUP_AUTHORIZATION_FAILED),
            (Api::TxnOffsetCommit, BrokerError::UNKNOWN_MEMBER_ID),
            (Api::TxnOffsetCommit, BrokerError::FENCED_INSTANCE_ID),
            (Api::TxnOffsetCommit, BrokerError::TRANSACTION_ABORTABLE),
            (Api::EndTxn, BrokerError::TRANSACTION_ABORTABLE),
        ] {
            producer.begin_transaction().unwrap();
            producer.send(to(0, "lost")).unwrap();
            cluster.fail(api, code, 1);
            let group = ConsumerGroupMetadata::new("billing");
            let outcome = producer.send_offsets_to_transaction(&offsets(&[(0, 1)]), &group);
            let error = outcome.and_then(|()| producer.commit_transaction()).unwrap_err();
            assert!(error.requires_abort() && !error.is_fatal(), "{api:?} {code:?}: {error}");
            producer.abort_transaction().unwrap();
        }
        producer.begin_transaction().unwrap();
        producer.send(to(0, "kept")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!((committed(cluster), committed_offsets(cluster)), (vec!["kept".to_owned()], vec![]));
    });
}

#[test]
fn a_topic_that_may_not_be_written_to_fails_the_transaction_and_not_the_producer() {
    let cluster = cluster_of(0);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    cluster
        .inject(Fault::fail(Api::AddPartitionsToTxn, BrokerError::TOPIC_AUTHORIZATION_FAILED).on_topic("t"));
    let future = producer.send(to(0, "v")).unwrap();
    let error = producer.commit_transaction().unwrap_err();
    assert!(error.requires_abort() && error.kind() == ErrorKind::Authorization, "{error}");
    assert!(error.to_string().contains("t-0"), "{error}");
    assert!(future.get_timeout(SOON).unwrap_err().requires_abort());
    producer.abort_transaction().unwrap();
    assert_eq!(cluster.requests(Api::EndTxn), 0, "the coordinator has not heard of it");
    producer.begin_transaction().unwrap();
    producer.send(to(0, "v")).unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster), ["v"]);
}

/// Behaviour 74.
#[test]
fn an_id_that_may_not_be_used_yet_can_be_tried_again() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[]);
        cluster.fail(Api::InitProducerId, BrokerError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1);
        let error = producer.init_transactions().unwrap_err();
        assert!(error.kind() == ErrorKind::Authorization && !error.is_fatal(), "{error}");
        assert_state(producer.begin_transaction(), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
        producer.init_transactions().unwrap();
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["v"]);
    });
}

#[test]
fn a_time_limit_above_the_brokers_is_an_error_that_names_both() {
    let cluster = cluster_of(2);
    for timeout in ["900001", "0", "-1"] {
        let producer = with_id(&cluster, &[("transaction.timeout.ms", timeout)]);
        let error = producer.init_transactions().unwrap_err();
        assert!(error.is_fatal(), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("transaction.timeout.ms={timeout}")), "{text}");
        assert!(text.contains("transaction.max.timeout.ms"), "{text}");
    }
}

// ---- fencing ----

/// Behaviour 66.
#[test]
fn an_older_producer_of_the_same_id_is_fenced_and_writes_nothing_more() {
    with_both(|cluster| {
        let old = ready(cluster);
        old.begin_transaction().unwrap();
        old.send(to(0, "old")).unwrap().get_timeout(AGES).unwrap();
        let new = ready(cluster);
        let error = old.commit_transaction().unwrap_err();
        assert!(error.kind() == ErrorKind::Fenced && error.is_fatal(), "{error}");
        // The one question was answered: it is not committed.
        assert!(
            !error.possibly_written() && !error.to_string().contains("may have been committed"),
            "{error}"
        );
        for outcome in [old.begin_transaction(), old.abort_transaction(), old.send(to(0, "v")).map(drop)] {
            let error = outcome.unwrap_err();
            assert!(error.kind() == ErrorKind::Fenced && error.is_fatal(), "{error}");
        }
        new.begin_transaction().unwrap();
        new.send(to(0, "new")).unwrap();
        new.commit_transaction().unwrap();
        old.close().unwrap();
        assert_eq!(committed(cluster), ["new"]);
    });
}

/// The coordinator that answered is the second one that was asked: what the first made of it nobody knows.
#[test]
fn a_commit_that_is_refused_after_an_answer_was_lost_is_in_doubt() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        cluster.inject(Fault::cut_after(Api::EndTxn));
        cluster.inject(Fault::fail(Api::EndTxn, BrokerError::PRODUCER_FENCED).skip(1));
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.is_fatal() && error.possibly_written(), "{error}");
    });
}

/// The coordinator may have come to that after it had begun to commit.
#[test]
fn a_commit_that_is_answered_by_what_is_no_refusal_is_in_doubt() {
    for (version, code) in [(2, -1), (0, -1), (2, 999), (0, 999)] {
        let cluster = cluster_of(version);
        let producer = ready(&cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        cluster.inject(Fault::fail_after(Api::EndTxn, code));
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.is_fatal() && error.possibly_written(), "{error}");
        assert_eq!(committed(&cluster), ["v"]);
    }
}

/// A coordinator that is busy with the transaction of a newer producer has carried out nothing.
#[test]
fn a_commit_that_is_refused_by_a_coordinator_that_was_busy_before_is_not_in_doubt() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        cluster.inject(Fault::fail(Api::EndTxn, BrokerError::CONCURRENT_TRANSACTIONS).times(2));
        cluster.inject(Fault::fail(Api::EndTxn, BrokerError::PRODUCER_FENCED));
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.is_fatal() && !error.possibly_written(), "{error}");
        assert_eq!(cluster.requests(Api::EndTxn), 3);
    });
}

/// The abort that follows is refused as well, which says nothing of the commit.
#[test]
fn a_commit_in_doubt_stays_so_where_the_abort_after_it_is_refused() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap();
        cluster.inject(Fault::cut_after(Api::EndTxn));
        cluster.inject(Fault::fail(Api::EndTxn, BrokerError::TRANSACTION_ABORTABLE).skip(1).times(2));
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.requires_abort() && error.possibly_written(), "{error}");
        assert!(producer.abort_transaction().unwrap_err().is_fatal());
        let error = producer.commit_transaction().unwrap_err();
        assert!(error.is_fatal() && error.possibly_written(), "{error}");
    });
}

/// Not even what a partition that has just got its first record would have asked for.
/// Behaviour 68.
#[test]
fn a_fenced_producer_asks_the_coordinator_nothing_more() {
    let cluster = cluster_of(0);
    let old = ready(&cluster);
    old.begin_transaction().unwrap();
    let new = ready(&cluster);
    cluster.delay(Api::AddOffsetsToTxn, Duration::from_millis(500), 1);
    let future = thread::scope(|scope| {
        let group = ConsumerGroupMetadata::new("billing");
        let (old, offsets) = (&old, offsets(&[(0, 1)]));
        let fenced = scope.spawn(move || old.send_offsets_to_transaction(&offsets, &group));
        wait_until("the group is added", || cluster.requests(Api::AddOffsetsToTxn) == 1);
        let future = old.send(to(0, "zombie")).unwrap();
        let error = fenced.join().unwrap().unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced, "{error}");
        future
    });
    assert!(future.get_timeout(AGES).unwrap_err().is_fatal());
    // It has come to rest: whatever it would have asked has been.
    old.close_timeout(AGES).unwrap();
    new.begin_transaction().unwrap();
    new.commit_transaction().unwrap();
    assert_eq!(cluster.requests(Api::AddPartitionsToTxn), 0);
}

/// The same by what a leader says of a batch: the producer may go on to abort, and learns there that it is fenced.
/// Behaviour 68.
#[test]
fn a_fenced_producer_learns_it_from_a_batch_as_well() {
    with_both(|cluster| {
        let old = ready(cluster);
        old.begin_transaction().unwrap();
        old.send(to(0, "old")).unwrap().get_timeout(AGES).unwrap();
        let new = ready(cluster);
        new.begin_transaction().unwrap();
        new.send(to(0, "new")).unwrap();
        new.commit_transaction().unwrap();
        let error = old.send(to(0, "zombie")).unwrap().get_timeout(AGES).unwrap_err();
        assert!(error.is_fatal() || error.requires_abort(), "{error}");
        let error = old.abort_transaction().unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::Fenced, "{error}");
        assert_eq!(committed(cluster), ["new"]);
    });
}

#[test]
fn what_a_crashed_producer_left_open_is_aborted_by_its_successor() {
    with_both(|cluster| {
        let first = ready(cluster);
        first.begin_transaction().unwrap();
        first.send(to(0, "left")).unwrap().get_timeout(AGES).unwrap();
        assert_eq!(cluster.open_transactions().len(), 1);
        let second = ready(cluster);
        second.begin_transaction().unwrap();
        second.send(to(0, "right")).unwrap();
        second.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["right"]);
    });
}

// ---- the end ----

/// Behaviour 79.
#[test]
fn closing_and_dropping_abort_an_open_transaction() {
    with_both(|cluster| {
        for drops in [false, true] {
            let producer = ready(cluster);
            producer.begin_transaction().unwrap();
            let first = producer.send(to(0, "first")).unwrap();
            first.get_timeout(AGES).unwrap();
            let lingering = producer.send(to(1, "second")).unwrap();
            if drops {
                drop(producer);
            } else {
                producer.close().unwrap();
            }
            assert!(lingering.is_done());
            assert!(cluster.open_transactions().is_empty(), "drops: {drops}");
            assert_eq!(committed(cluster), [""; 0]);
        }
    });
}

#[test]
fn a_commit_that_is_under_way_is_not_aborted_by_close() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[("max.block.ms", "2000")]);
        repeat(|| producer.init_transactions());
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
        cluster.delay(Api::EndTxn, LATE, 1);
        assert!(producer.commit_transaction().unwrap_err().is_retriable());
        producer.close().unwrap();
        assert_eq!(committed(cluster), ["v"]);
    });
}

#[test]
fn a_commit_whose_producer_is_closed_by_force_is_in_doubt_and_the_next_one_settles_it() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::drop_answer(Api::EndTxn));
        let commit = thread::scope(|scope| {
            let commit = scope.spawn(|| producer.commit_transaction());
            wait_until("EndTxn has come", || cluster.requests(Api::EndTxn) > 0);
            producer.close_timeout(Duration::ZERO).unwrap();
            commit.join().unwrap()
        });
        let error = commit.unwrap_err();
        assert!(error.kind() == ErrorKind::Closed && error.possibly_written(), "{error}");
        ready(cluster);
        assert_eq!(committed(cluster), ["v"]);
    });
}

// ---- upgrades, older brokers ----

/// Behaviour 72.
#[test]
fn an_upgrade_of_the_protocol_is_seen_between_transactions_and_a_downgrade_as_well() {
    let cluster = cluster_of(0);
    let producer = ready(&cluster);
    let transact = |value: &str| {
        producer.begin_transaction().unwrap();
        producer.send(to(0, value)).unwrap();
        producer.commit_transaction().unwrap();
    };
    transact("a");
    let added = cluster.requests(Api::AddPartitionsToTxn);
    assert!(cluster.set_transaction_version(2));
    // A broker's features are told when it is connected.
    let coordinator = cluster.coordinator(ID).unwrap();
    cluster.stop_broker(coordinator);
    cluster.start_broker(coordinator).unwrap();
    for value in ["b", "c", "d"] {
        transact(value);
    }
    assert!(cluster.requests(Api::AddPartitionsToTxn) <= added + 2, "by the second protocol by now");
    let batches = cluster.batches("t", 0);
    let epochs: Vec<i16> =
        batches.iter().filter(|batch| !batch.is_control()).map(|batch| batch.producer_epoch).collect();
    assert!(epochs.windows(2).all(|pair| pair[0] <= pair[1]) && epochs.last() > epochs.first(), "{epochs:?}");
    assert_eq!(committed(&cluster), ["a", "b", "c", "d"]);
}

#[test]
fn a_broker_that_is_too_old_for_members_of_groups_is_an_error_that_says_so() {
    let topics = EmbeddedCluster::builder().topic("t", 1).topic("other", 1).transaction_version(0);
    let cluster = topics.api_versions(Api::TxnOffsetCommit, 0..=2).start().unwrap();
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    let group = ConsumerGroupMetadata::new("billing");
    producer.send_offsets_to_transaction(&offsets(&[(0, 1)]), &group).unwrap();
    let member = group.with_member(1, "member-1");
    let error = producer.send_offsets_to_transaction(&offsets(&[(0, 1)]), &member).unwrap_err();
    assert!(error.is_fatal() && error.kind() == ErrorKind::UnsupportedVersion, "{error}");
    assert!(error.to_string().contains("TxnOffsetCommit version 3"), "{error}");
}

#[test]
fn brokers_without_transactions_say_so() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).without(Api::FindCoordinator).start().unwrap();
    let producer = with_id(&cluster, &[]);
    let error = producer.init_transactions().unwrap_err();
    assert!(error.is_fatal() && error.kind() == ErrorKind::UnsupportedVersion, "{error}");
}

/// Brokers of before Kafka 2.5 give no newer epoch on demand: what failed for certain leaves no gap behind.
/// Behaviour 73.
#[test]
fn brokers_that_give_no_newer_epochs_go_on_after_a_record_that_has_failed_for_certain() {
    let topics = EmbeddedCluster::builder().topic("t", 6).transaction_version(0);
    let cluster = topics.api_versions(Api::InitProducerId, 0..=1).start().unwrap();
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    producer.send(to(0, "a")).unwrap().get_timeout(AGES).unwrap();
    cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
    producer.send(to(0, "bad")).unwrap().get_timeout(AGES).unwrap_err();
    producer.abort_transaction().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(to(0, "b")).unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster), ["b"]);
    let batches = cluster.batches("t", 0);
    let data: Vec<_> = batches.iter().filter(|batch| !batch.is_control()).collect();
    let places: Vec<_> = data.iter().map(|batch| (batch.producer_epoch, batch.base_sequence)).collect();
    assert_eq!(places, [(0, 0), (0, 1)]);
}

/// The marker of a transaction goes to the new log as well, which then wants numbers from 0 on.
/// Behaviour 73.
#[test]
fn where_a_topic_is_created_again_and_nobody_gives_a_newer_epoch_a_new_producer_goes_on() {
    let topics = EmbeddedCluster::builder().topic("t", 6).transaction_version(0);
    let cluster = topics.api_versions(Api::InitProducerId, 0..=1).start().unwrap();
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    producer.send(to(0, "gone")).unwrap().get_timeout(AGES).unwrap();
    cluster.delete_topic("t");
    cluster.create_topic("t", TopicConfig::new(6));
    producer.commit_transaction().unwrap();
    producer.begin_transaction().unwrap();
    let error = producer.send(to(0, "refused")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), "{error}");
    let error = producer.abort_transaction().and_then(|()| producer.begin_transaction()).unwrap_err();
    assert!(error.is_fatal() && error.to_string().contains("Kafka 2.5"), "{error}");
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    producer.send(to(0, "new")).unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster), ["new"]);
}

#[test]
fn an_id_has_one_byte_at_least_and_as_many_as_the_protocol_can_say_at_most() {
    let cluster = cluster_of(2);
    let with_id = |id: &str| {
        let config = support::config(&cluster.bootstrap_servers(), &[("transactional.id", id)]);
        TextProducer::new(config)
    };
    for id in [String::new(), "i".repeat(32_768)] {
        let error = with_id(&id).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Config && error.to_string().contains("transactional.id"),
            "{error}"
        );
    }
    with_id(&"i".repeat(32_767)).unwrap().init_transactions().unwrap();
}
