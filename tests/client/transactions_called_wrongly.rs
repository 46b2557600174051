//! Transactions called wrongly: each call in each wrong state, from callbacks, from several threads at once, with what cannot be
//! meant. Each says what was expected, and no record is lost without somebody being told.

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{AGES, producer};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, TopicConfig};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, KafkaProducer, NoKey, OffsetAndMetadata,
    ProducerRecord, RecordFuture, TopicPartition, Value,
};

type TextProducer = KafkaProducer<str, str>;

/// By both protocols, at the same time.
fn with_both(test: impl Fn(&EmbeddedCluster) + Sync) {
    thread::scope(|scope| {
        for version in [2, 0] {
            let topics = EmbeddedCluster::builder().brokers(3).topic("t", 6).topic("other", 6);
            let test = &test;
            scope.spawn(move || test(&topics.transaction_version(version).start().unwrap()));
        }
    });
}

fn with_id(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    let settings = [&[("transactional.id", "orders-service"), ("retry.backoff.ms", "10")], more].concat();
    producer(cluster, &settings)
}

fn ready(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    let producer = with_id(cluster, more);
    producer.init_transactions().unwrap();
    producer
}

fn record(value: &str) -> ProducerRecord<NoKey, Value<String>> {
    ProducerRecord::new("t", value.to_owned())
}

fn offset_of(topic: &str) -> HashMap<TopicPartition, OffsetAndMetadata> {
    HashMap::from([(TopicPartition::new(topic, 0), OffsetAndMetadata::new(5))])
}

fn send_offsets(producer: &TextProducer) -> Result<(), Error> {
    producer.send_offsets_to_transaction(&offset_of("other"), &ConsumerGroupMetadata::new("billing"))
}

fn committed(cluster: &EmbeddedCluster) -> Vec<String> {
    let value = |record: kafka_embedded::EmbeddedRecord| String::from_utf8(record.value.unwrap()).unwrap();
    let mut values: Vec<String> = cluster.committed_records("t").into_iter().map(value).collect();
    values.sort();
    values
}

/// The call of this name.
fn call(producer: &TextProducer, name: &str) -> Result<(), Error> {
    match name {
        "init_transactions" => producer.init_transactions(),
        "begin_transaction" => producer.begin_transaction(),
        "begin" => producer.begin().map(drop),
        "send" => producer.send(record("wrong")).map(drop),
        "try_send" => producer.try_send(record("wrong")).map(drop),
        "send_offsets_to_transaction" => send_offsets(producer),
        "commit_transaction" => producer.commit_transaction(),
        "abort_transaction" => producer.abort_transaction(),
        other => panic!("{other}"),
    }
}

const ALL: [&str; 8] = [
    "init_transactions",
    "begin_transaction",
    "begin",
    "send",
    "try_send",
    "send_offsets_to_transaction",
    "commit_transaction",
    "abort_transaction",
];

/// All these calls are refused, and the error says this.
fn assert_refused(producer: &TextProducer, names: &[&str], expected: &str) {
    for name in names {
        let error = call(producer, name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalState, "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        let own_name = if *name == "begin" { "begin_transaction" } else { name.trim_start_matches("try_") };
        assert!(error.to_string().contains(own_name), "{name}: {error}");
    }
}

/// Before it is initialized, with none open, with one open, twice.
#[test]
fn each_call_in_each_wrong_state_says_what_was_expected() {
    with_both(|cluster| {
        let producer = with_id(cluster, &[]);
        assert_refused(&producer, &ALL[1..], "init_transactions() has to be called first");
        producer.init_transactions().unwrap();
        assert_refused(&producer, &["init_transactions"], "called already");
        assert_refused(&producer, &ALL[3..], "no transaction is open: begin_transaction() opens one");
        for (ends, value) in [("commit_transaction", "kept"), ("abort_transaction", "aborted")] {
            producer.begin_transaction().unwrap();
            let future = producer.send(record(value)).unwrap();
            assert_refused(
                &producer,
                &ALL[..3],
                "a transaction is open: commit_transaction() or abort_transaction()",
            );
            future.get_timeout(AGES).unwrap();
            call(&producer, ends).unwrap();
            assert_refused(&producer, &ALL[3..], "no transaction is open");
        }
        assert_eq!(committed(cluster), ["kept"]);
        assert!(cluster.committed_offsets("billing").is_empty());
    });
}

/// While one is being ended: by another thread, or by a call whose time was over.
#[test]
fn while_a_transaction_is_being_ended_each_other_call_says_so() {
    with_both(|cluster| {
        let producer = ready(cluster, &[("max.block.ms", "2000")]);
        for (ends, other) in
            [("commit_transaction", "abort_transaction"), ("abort_transaction", "commit_transaction")]
        {
            producer.begin_transaction().unwrap();
            producer.send(record(ends)).unwrap().get_timeout(AGES).unwrap();
            cluster.delay(Api::EndTxn, Duration::from_millis(4_500), 1);
            assert!(call(&producer, ends).unwrap_err().is_retriable());
            let must = format!("{ends}() has not been told its outcome");
            let others = ["init_transactions", "begin_transaction", "send_offsets_to_transaction", other];
            assert_refused(&producer, &others, &must);
            assert_eq!(producer.send(record("wrong")).unwrap_err().kind(), ErrorKind::IllegalState);
            until_over(|| call(&producer, ends));
        }
        assert_eq!(committed(cluster), ["commit_transaction"]);
    });
}

fn until_over(call: impl Fn() -> Result<(), Error>) {
    loop {
        match call() {
            Err(error) if error.is_retriable() => {}
            outcome => return outcome.unwrap(),
        }
    }
}

#[test]
fn after_a_record_has_failed_each_call_but_the_abort_says_why() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        producer.begin_transaction().unwrap();
        cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
        assert!(producer.send(record("bad")).unwrap().get_timeout(AGES).is_err());
        for name in &ALL[..7] {
            let error = call(&producer, name).unwrap_err();
            assert!(error.requires_abort() && !error.is_fatal(), "{name}: {error}");
            assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD), "{name}: {error}");
        }
        producer.abort_transaction().unwrap();
        assert_refused(&producer, &["abort_transaction"], "no transaction is open");
    });
}

#[test]
fn without_an_id_each_call_names_the_setting_and_records_go() {
    let cluster = EmbeddedCluster::builder().topic("t", 6).start().unwrap();
    let producer = producer(&cluster, &[]);
    for name in ["init_transactions", "begin_transaction", "begin", "commit_transaction", "abort_transaction"]
    {
        assert_refused(&producer, &[name], "transactional.id is not set");
    }
    assert_refused(&producer, &["send_offsets_to_transaction"], "transactional.id is not set");
    producer.send(record("v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(committed(&cluster), ["v"]);
}

/// What was open is aborted by `close`, and its records are told so, or are acknowledged and aborted.
#[test]
fn after_close_each_call_says_so() {
    with_both(|cluster| {
        let producer = ready(cluster, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
        producer.begin_transaction().unwrap();
        let lingering = producer.send(record("v")).unwrap();
        producer.close().unwrap();
        let error = lingering.get_timeout(AGES).unwrap_err();
        assert!(error.kind() == ErrorKind::TransactionAborted, "{error}");
        for name in ALL {
            let error = call(&producer, name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed, "{name}: {error}");
            assert!(error.to_string().contains("closed"), "{name}: {error}");
        }
        assert_eq!(committed(cluster), [""; 0]);
    });
}

#[test]
fn in_a_callback_each_call_says_that_it_could_never_end_and_the_transaction_goes_on() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        producer.begin_transaction().unwrap();
        let inner = producer.clone();
        let (sender, outcomes) = std::sync::mpsc::channel();
        let callback = move |_| {
            for name in ["init_transactions", "begin_transaction", "begin"].iter().chain(&ALL[5..]) {
                sender.send((*name, call(&inner, name).unwrap_err())).unwrap();
            }
        };
        producer.send_with_callback(record("v"), callback).unwrap();
        for (name, error) in outcomes.iter().take(6) {
            assert_eq!(error.kind(), ErrorKind::IllegalState, "{name}: {error}");
            assert!(error.to_string().contains("callback"), "{name}: {error}");
        }
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["v"]);
    });
}

// ---- several threads at once ----

/// One of them opens it. The others are told so.
#[test]
fn of_threads_that_begin_at_once_one_does() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        for round in 0..20 {
            let outcomes = at_once(4, |_| producer.begin_transaction());
            let (begun, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!(begun.len(), 1);
            for error in refused.into_iter().map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
                assert!(error.to_string().contains("a transaction is open"), "{error}");
            }
            producer.send(record(&format!("{round:02}"))).unwrap();
            producer.commit_transaction().unwrap();
        }
        assert_eq!(committed(cluster).len(), 20);
    });
}

/// One of both happens, and the other is an error; the records are all there or none is.
#[test]
fn of_a_commit_and_an_abort_at_once_one_happens() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        for round in 0..20 {
            let before = committed(cluster).len();
            producer.begin_transaction().unwrap();
            for number in 0..5 {
                producer.send(record(&format!("{round:02}-{number}"))).unwrap();
            }
            let outcomes = at_once(2, |thread| match thread {
                0 => producer.commit_transaction(),
                _ => producer.abort_transaction(),
            });
            let is_committed = outcomes[0].is_ok();
            assert_ne!(is_committed, outcomes[1].is_ok(), "{outcomes:?}");
            let refused = outcomes.into_iter().find_map(Result::err).unwrap();
            assert_eq!(refused.kind(), ErrorKind::IllegalState, "{refused}");
            assert_eq!(committed(cluster).len() - before, if is_committed { 5 } else { 0 });
        }
    });
}

/// Threads send on while another one commits: each record is refused, failed, or in what is committed.
#[test]
fn a_record_that_is_sent_while_another_thread_commits_is_in_it_or_refused() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        let taken: Mutex<Vec<(String, RecordFuture)>> = Mutex::default();
        for round in 0..10 {
            producer.begin_transaction().unwrap();
            let outcomes = at_once(4, |thread| {
                if thread == 0 {
                    return producer.commit_transaction();
                }
                for number in 0..50 {
                    let value = format!("{round}-{thread}-{number}");
                    match producer.send(record(&value)) {
                        Ok(future) => taken.lock().unwrap().push((value, future)),
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            });
            let mut outcomes = outcomes.into_iter();
            outcomes.next().unwrap().unwrap();
            for error in outcomes.filter_map(Result::err) {
                assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
            }
        }
        let mut expected: Vec<String> = Vec::new();
        for (value, future) in taken.into_inner().unwrap() {
            future.get_timeout(AGES).unwrap();
            expected.push(value);
        }
        expected.sort();
        assert_eq!(committed(cluster), expected);
    });
}

/// Runs this on so many threads, all at the same moment.
fn at_once<T: Send>(count: usize, body: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(count);
    thread::scope(|scope| {
        let one = |number| {
            let (barrier, body) = (&barrier, &body);
            scope.spawn(move || {
                barrier.wait();
                body(number)
            })
        };
        let threads: Vec<_> = (0..count).map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

// ---- what cannot be meant, or is not there ----

/// Brokers take offsets of groups that nobody has joined, as of those that only commit.
#[test]
fn offsets_of_a_group_that_nobody_knows_are_committed_and_those_of_a_stranger_in_a_group_are_not() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        producer.begin_transaction().unwrap();
        send_offsets(&producer).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(cluster.committed_offsets("billing").len(), 1);
        cluster.set_group_member("shipping", 5, "member-1", None);
        let stranger = ConsumerGroupMetadata::new("shipping").with_member(5, "member-2");
        producer.begin_transaction().unwrap();
        let error = producer.send_offsets_to_transaction(&offset_of("other"), &stranger).unwrap_err();
        assert!(error.requires_abort() && error.code() == Some(ErrorCode::UNKNOWN_MEMBER_ID), "{error}");
        assert!(error.to_string().contains("the group does not know the consumer"), "{error}");
        producer.abort_transaction().unwrap();
        assert!(cluster.committed_offsets("shipping").is_empty());
    });
}

/// A topic may be on its way to the broker, so it is asked again as long as the call may take. Then the transaction can be aborted.
#[test]
fn offsets_of_a_topic_that_does_not_exist_are_an_error_that_says_so_and_the_transaction_can_be_aborted() {
    with_both(|cluster| {
        let producer = ready(cluster, &[("max.block.ms", "3500")]);
        producer.begin_transaction().unwrap();
        producer.send(record("v")).unwrap().get_timeout(AGES).unwrap();
        let group = ConsumerGroupMetadata::new("billing");
        let error = producer.send_offsets_to_transaction(&offset_of("nowhere"), &group).unwrap_err();
        assert!(error.kind() == ErrorKind::Timeout && error.is_retriable(), "{error}");
        assert!(error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION"), "{error}");
        assert!(error.to_string().contains("nowhere"), "{error}");
        let begun = Instant::now();
        producer.abort_transaction().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        producer.begin_transaction().unwrap();
        producer.send(record("w")).unwrap();
        send_offsets(&producer).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["w"]);
        assert_eq!(cluster.committed_offsets("billing").len(), 1);
    });
}

/// It ends the producer, as in Java, and says which limit there is.
#[test]
fn a_text_beside_an_offset_that_is_too_long_is_an_error_that_names_the_brokers_limit() {
    with_both(|cluster| {
        let producer = ready(cluster, &[]);
        producer.begin_transaction().unwrap();
        let place = OffsetAndMetadata::new(5).with_metadata("m".repeat(4097));
        let offsets = HashMap::from([(TopicPartition::new("other", 0), place)]);
        let group = ConsumerGroupMetadata::new("billing");
        let error = producer.send_offsets_to_transaction(&offsets, &group).unwrap_err();
        assert!(error.is_fatal() && error.code() == Some(ErrorCode::OFFSET_METADATA_TOO_LARGE), "{error}");
        assert!(error.to_string().contains("offset.metadata.max.bytes"), "{error}");
        assert!(cluster.committed_offsets("billing").is_empty());
    });
}

#[test]
fn a_record_for_a_topic_that_does_not_exist_fails_the_transaction_and_the_next_one_is_well() {
    with_both(|cluster| {
        let producer = ready(cluster, &[("max.block.ms", "2500")]);
        producer.begin_transaction().unwrap();
        let whole = producer.send(record("v")).unwrap();
        let error = producer.send(ProducerRecord::new("nowhere", "v")).unwrap_err();
        assert!(error.requires_abort() && error.to_string().contains("nowhere"), "{error}");
        let refused = producer.commit_transaction().unwrap_err();
        assert!(refused.requires_abort() && refused.to_string().contains("nowhere"), "{refused}");
        producer.abort_transaction().unwrap();
        assert!(whole.is_done());
        producer.begin_transaction().unwrap();
        producer.send(record("w")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["w"]);
    });
}

/// By the first protocol the coordinator is asked again and again to add a partition that is not there any more, and the abort does not
/// wait for that. By the second a leader was asked, and what it may have is waited for, as long as a record may take.
#[test]
fn a_topic_that_is_deleted_in_a_transaction_does_not_hold_up_the_abort() {
    with_both(|cluster| {
        let by_leaders = {
            let probe = ready(cluster, &[]);
            probe.begin_transaction().unwrap();
            probe.send(record("probe")).unwrap();
            probe.abort_transaction().unwrap();
            cluster.requests(Api::AddPartitionsToTxn) == 0
        };
        let patience = if by_leaders { "4000" } else { "60000" };
        let more =
            [("max.block.ms", "2500"), ("delivery.timeout.ms", patience), ("request.timeout.ms", "2500")];
        let producer = ready(cluster, &more);
        producer.partitions_for("other").unwrap();
        cluster.delete_topic("other");
        producer.begin_transaction().unwrap();
        let lost = producer.send(ProducerRecord::new("other", "v").with_partition(0)).unwrap();
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        until_over(|| producer.abort_transaction());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(lost.is_done() && lost.get().is_err());
        assert!(cluster.create_topic("other", TopicConfig::new(6)));
        producer.begin_transaction().unwrap();
        producer.send(record("w")).unwrap();
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["w"]);
    });
}

// ---- another cluster, and epochs that run out ----

/// Without transactions another cluster is followed. A transactional id is known to one alone: with a transaction half here and half
/// there nothing would be true.
///
/// Behaviour 92.
#[test]
fn another_cluster_after_init_transactions_is_the_end_and_nothing_is_written_there() {
    for change in ["follow", "fail"] {
        with_both(|cluster| {
            let settings = [("metadata.cluster.change", change), ("metadata.max.age.ms", "50")];
            let producer = ready(cluster, &settings);
            producer.begin_transaction().unwrap();
            producer.send(record("v")).unwrap().get_timeout(AGES).unwrap();
            (1..=3).for_each(|broker| cluster.stop_broker(broker));
            cluster.wipe("another", true);
            (1..=3).for_each(|broker| cluster.start_broker(broker).unwrap());
            let end = loop {
                match producer.send(record("w")).and_then(|future| future.get_timeout(AGES).map(drop)) {
                    Ok(()) => panic!("written to another cluster"),
                    Err(error) if error.is_fatal() => break error,
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            };
            assert!(end.to_string().contains("another"), "{end}");
            for name in ["commit_transaction", "abort_transaction", "begin_transaction"] {
                let error = call(&producer, name).unwrap_err();
                assert!(error.is_fatal(), "{name}: {error}");
            }
            assert!(cluster.records("t").is_empty() && cluster.open_transactions().is_empty());
            let next = ready(cluster, &[]);
            next.begin_transaction().unwrap();
            next.send(record("x")).unwrap();
            next.commit_transaction().unwrap();
            assert_eq!(committed(cluster), ["x"]);
        });
    }
}

/// Java's `testProducerIdAndEpochUpdateAfterOverflowFromEndTxnResponseInV2`; by the first protocol each producer has one more.
#[test]
fn when_the_epochs_of_a_producer_id_are_used_up_the_transactions_go_on_under_another() {
    with_both(|cluster| {
        cluster.set_producer_epoch("orders-service", i16::MAX - 4);
        let mut producer = ready(cluster, &[]);
        let mut expected = Vec::new();
        for round in 0..6 {
            if round > 0 && cluster.requests(Api::AddPartitionsToTxn) > 0 {
                producer = ready(cluster, &[]);
            }
            producer.begin_transaction().unwrap();
            for number in 0..6 {
                let value = format!("{round}-{number}");
                producer.send(record(&value).with_partition(number)).unwrap();
                expected.push(value);
            }
            send_offsets(&producer).unwrap();
            producer.commit_transaction().unwrap();
        }
        assert_eq!(committed(cluster), expected);
        let batches = cluster.batches("t", 0);
        let authors: Vec<_> = batches.iter().filter(|batch| !batch.is_control()).collect();
        let epochs: Vec<i16> = authors.iter().map(|batch| batch.producer_epoch).collect();
        assert_eq!(epochs, [i16::MAX - 3, i16::MAX - 2, i16::MAX - 1, 0, 1, 2], "one after the other");
        let ids: std::collections::BTreeSet<i64> = authors.iter().map(|batch| batch.producer_id).collect();
        assert_eq!(ids.len(), 2);
        assert!(authors.iter().all(|batch| batch.base_sequence == 0), "each epoch begins at 0");
    });
}
