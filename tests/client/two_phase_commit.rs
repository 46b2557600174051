//! Two-phase commit (KIP-939), seen from outside: what is prepared stays open whatever becomes of its producer, and who comes
//! next ends it. By both protocols of transactions.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use crate::support::{AGES, producer, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
use kafka_producer::{
    ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, InterruptHandle, KafkaProducer, MockProducer, NoKey,
    OffsetAndMetadata, PreparedTxnState, Producer, ProducerRecord, StringSerializer, TopicPartition, Value,
};

type TextProducer = KafkaProducer<str, str>;

fn cluster_of(version: i16) -> EmbeddedCluster {
    let topics = EmbeddedCluster::builder().brokers(3).topic("t", 3).topic("other", 1);
    topics.transaction_version(version).two_phase_commit(true).start().unwrap()
}

/// By both protocols, at the same time.
fn with_both(test: impl Fn(&EmbeddedCluster) + Sync) {
    thread::scope(|scope| {
        for version in [2, 0] {
            let test = &test;
            scope.spawn(move || test(&cluster_of(version)));
        }
    });
}

const TWO_PHASES: [(&str, &str); 3] = [
    ("transactional.id", "shop"),
    ("transaction.two.phase.commit.enable", "true"),
    ("retry.backoff.ms", "10"),
];

fn two_phased(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> TextProducer {
    producer(cluster, &[&TWO_PHASES, more].concat())
}

fn ready(cluster: &EmbeddedCluster) -> TextProducer {
    let producer = two_phased(cluster, &[]);
    producer.init_transactions().unwrap();
    producer
}

fn to(partition: i32, value: &str) -> ProducerRecord<NoKey, Value<String>> {
    ProducerRecord::new("t", value.to_owned()).with_partition(partition)
}

/// A transaction with this record on each partition and an offset, prepared.
fn prepare(producer: &TextProducer, value: &str) -> PreparedTxnState {
    producer.begin_transaction().unwrap();
    for partition in 0..3 {
        producer.send(to(partition, value)).unwrap();
    }
    let offsets = HashMap::from([(TopicPartition::new("other", 0), OffsetAndMetadata::new(7))]);
    producer.send_offsets_to_transaction(&offsets, &ConsumerGroupMetadata::new("billing")).unwrap();
    producer.prepare_transaction().unwrap()
}

fn committed(cluster: &EmbeddedCluster) -> Vec<String> {
    let value = |record: kafka_embedded::EmbeddedRecord| String::from_utf8(record.value.unwrap()).unwrap();
    let mut values: Vec<String> = cluster.committed_records("t").into_iter().map(value).collect();
    values.sort();
    values
}

fn assert_state<T: std::fmt::Debug>(outcome: Result<T, Error>, expected: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

/// Behaviour 75.
#[test]
fn what_is_prepared_is_in_the_logs_and_seen_once_it_is_completed() {
    with_both(|cluster| {
        let producer = ready(cluster);
        for (round, ends) in ["complete", "commit", "other", "abort"].into_iter().enumerate() {
            let before = committed(cluster);
            let state = prepare(&producer, ends);
            assert_eq!(cluster.records("t").len(), 3 * (round + 1), "all of it is there");
            let open = cluster.open_transactions();
            assert_eq!((open.len(), open[0].completing), (1, None));
            assert_eq!((state.producer_id(), state.epoch()), (open[0].producer_id, open[0].producer_epoch));
            assert_eq!(committed(cluster), before);
            match ends {
                "complete" => producer.complete_transaction(&state),
                "commit" => producer.commit_transaction(),
                "other" => producer.complete_transaction(&PreparedTxnState::default()),
                _ => producer.abort_transaction(),
            }
            .unwrap();
            assert!(cluster.open_transactions().is_empty());
        }
        assert_eq!(committed(cluster), [["commit"; 3], ["complete"; 3]].concat());
        assert_eq!(cluster.committed_offsets("billing").len(), 1);
    });
}

/// The records wait out their linger, and the leader takes its time.
#[test]
fn preparing_waits_until_everything_is_answered_and_takes_nothing_more() {
    with_both(|cluster| {
        let producer = two_phased(cluster, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
        producer.init_transactions().unwrap();
        producer.begin_transaction().unwrap();
        let future = producer.send(to(0, "v")).unwrap();
        cluster.delay(Api::Produce, LATE, 1);
        thread::scope(|scope| {
            let preparing = scope.spawn(|| producer.prepare_transaction());
            wait_until("nothing lingers any more", || cluster.requests(Api::Produce) == 1);
            assert_state(producer.send(to(0, "late")), "the transaction is being prepared");
            preparing.join().unwrap().unwrap();
        });
        assert!(future.is_done() && future.get().is_ok());
        producer.commit_transaction().unwrap();
        assert_eq!(committed(cluster), ["v"]);
    });
}

#[test]
fn a_prepared_transaction_takes_no_record_and_no_other_call() {
    with_both(|cluster| {
        let producer = ready(cluster);
        assert_state(producer.prepare_transaction(), "no transaction is open");
        assert_state(
            producer.complete_transaction(&PreparedTxnState::default()),
            "no transaction is prepared",
        );
        let state = prepare(&producer, "v");
        assert_state(producer.send(to(0, "late")), "a transaction is prepared");
        assert_state(producer.try_send(to(0, "late")), "a transaction is prepared");
        assert_state(producer.begin_transaction(), "a transaction is prepared");
        assert_state(producer.prepare_transaction(), "a transaction is prepared");
        assert_state(producer.init_transactions(), "a transaction is prepared");
        assert_state(producer.init_transactions_keeping_prepared(), "a transaction is prepared");
        let offsets = HashMap::from([(TopicPartition::new("other", 0), OffsetAndMetadata::new(8))]);
        let group = ConsumerGroupMetadata::new("billing");
        assert_state(producer.send_offsets_to_transaction(&offsets, &group), "a transaction is prepared");
        producer.complete_transaction(&state).unwrap();
        assert_state(producer.complete_transaction(&state), "no transaction is prepared");
        assert_eq!(committed(cluster), ["v"; 3]);
        assert_eq!(cluster.committed_offsets("billing")[0].offset, 7);
    });
}

/// Behaviour 75.
#[test]
fn what_a_producer_left_prepared_the_next_one_commits_or_aborts_by_what_was_kept() {
    with_both(|cluster| {
        let first = ready(cluster);
        let kept = prepare(&first, "kept").to_string();
        first.close().unwrap(); // a prepared transaction is not aborted by it
        assert_eq!(cluster.open_transactions().len(), 1);
        // Twice, as after a second crash.
        for _ in 0..2 {
            let next = two_phased(cluster, &[]);
            let found = next.init_transactions_keeping_prepared().unwrap().unwrap();
            assert_eq!(found.to_string(), kept);
            assert_state(next.send(to(0, "v")), "a transaction is prepared");
        }
        let next = two_phased(cluster, &[]);
        next.init_transactions_keeping_prepared().unwrap().unwrap();
        next.complete_transaction(&kept.parse().unwrap()).unwrap();
        assert_eq!(committed(cluster), ["kept"; 3]);
        assert_eq!(cluster.committed_offsets("billing").len(), 1);

        // Nothing is prepared any more: who comes next goes on.
        let last = two_phased(cluster, &[]);
        assert_eq!(last.init_transactions_keeping_prepared().unwrap(), None);
        assert_state(last.complete_transaction(&kept.parse().unwrap()), "no transaction is prepared");
        let unknown = prepare(&last, "unknown");
        drop(last);
        let next = two_phased(cluster, &[]);
        assert_eq!(next.init_transactions_keeping_prepared().unwrap(), Some(unknown));
        next.complete_transaction(&kept.parse().unwrap()).unwrap();
        let state = prepare(&next, "after");
        next.complete_transaction(&state).unwrap();
        assert_eq!(committed(cluster), [["after"; 3], ["kept"; 3]].concat());
    });
}

/// What is kept of one transaction is not taken for another: not where that had no record, so that no coordinator heard of it,
/// nor where the coordinator gives no newer epoch by itself.
/// Behaviour 75.
#[test]
fn what_was_decided_of_a_transaction_says_nothing_of_the_next_one() {
    for has_record in [false, true] {
        with_both(|cluster| {
            let first = two_phased(cluster, &[]);
            assert_eq!(first.init_transactions_keeping_prepared().unwrap(), None);
            first.begin_transaction().unwrap();
            if has_record {
                first.send(to(0, "decided")).unwrap();
            }
            let decided = first.prepare_transaction().unwrap();
            assert_eq!(decided.has_transaction(), has_record);
            first.complete_transaction(&decided).unwrap();
            let before = committed(cluster);
            let undecided = prepare(&first, "undecided");
            assert_ne!(undecided, decided);
            drop(first);
            let next = two_phased(cluster, &[]);
            assert_eq!(next.init_transactions_keeping_prepared().unwrap(), Some(undecided));
            next.complete_transaction(&decided).unwrap();
            assert_eq!(committed(cluster), before);
        });
    }
}

/// What is decided is not taken back because a coordinator refuses it once: it stays prepared, and the next producer completes
/// it.
/// Behaviour 75.
#[test]
fn a_commit_of_what_is_prepared_that_is_refused_is_left_to_the_next_producer() {
    for code in [BrokerError::TRANSACTION_ABORTABLE, BrokerError::UNKNOWN_PRODUCER_ID] {
        with_both(|cluster| {
            let before = committed(cluster).len();
            let producer = ready(cluster);
            let state = prepare(&producer, "v");
            cluster.fail(Api::EndTxn, code, 1);
            let error = producer.complete_transaction(&state).unwrap_err();
            assert!(error.is_fatal() && !error.requires_abort(), "{error}");
            assert!(error.to_string().contains("still prepared"), "{error}");
            drop(producer);
            let next = two_phased(cluster, &[]);
            assert_eq!(next.init_transactions_keeping_prepared().unwrap(), Some(state));
            next.complete_transaction(&state).unwrap();
            assert_eq!(committed(cluster).len(), before + 3);
        });
    }
}

#[test]
fn who_does_not_ask_for_it_aborts_what_was_left_prepared() {
    with_both(|cluster| {
        drop({
            let first = ready(cluster);
            prepare(&first, "v");
            first
        });
        let next = ready(cluster);
        assert!(cluster.open_transactions().is_empty());
        next.begin_transaction().unwrap();
        next.abort_transaction().unwrap();
        assert_eq!(committed(cluster), [""; 0]);
    });
}

#[test]
fn the_producer_that_has_prepared_is_fenced_by_the_next_one() {
    with_both(|cluster| {
        let old = ready(cluster);
        let state = prepare(&old, "v");
        let new = two_phased(cluster, &[]);
        assert_eq!(new.init_transactions_keeping_prepared().unwrap(), Some(state));
        let error = old.complete_transaction(&state).unwrap_err();
        assert!(error.kind() == ErrorKind::Fenced && error.is_fatal(), "{error}");
        let error = old.complete_transaction(&state).unwrap_err();
        assert!(error.kind() == ErrorKind::Fenced && error.is_fatal(), "{error}");
        new.complete_transaction(&state).unwrap();
        assert_eq!(committed(cluster), ["v"; 3]);
    });
}

#[test]
fn a_record_that_fails_fails_the_preparation_and_the_transaction_is_aborted() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        cluster.fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE, 1);
        producer.send(to(0, "v")).unwrap();
        let error = producer.prepare_transaction().unwrap_err();
        assert!(error.requires_abort() && error.code() == Some(ErrorCode::MESSAGE_TOO_LARGE), "{error}");
        producer.abort_transaction().unwrap();
        let state = prepare(&producer, "w");
        producer.complete_transaction(&state).unwrap();
        assert_eq!(committed(cluster), ["w"; 3]);
    });
}

/// Behaviour 70.
#[test]
fn each_call_is_taken_up_where_its_time_was_over() {
    with_both(|cluster| {
        // Time enough for what is not delayed.
        let producer = two_phased(cluster, &[("max.block.ms", "1500")]);
        cluster.delay(Api::InitProducerId, LATE, 1);
        assert!(producer.init_transactions_keeping_prepared().unwrap_err().is_retriable());
        assert_state(producer.init_transactions(), "init_transactions_keeping_prepared()");
        repeat(|| producer.init_transactions_keeping_prepared());
        producer.begin_transaction().unwrap();
        cluster.delay(Api::Produce, LATE, 1);
        producer.send(to(0, "v")).unwrap();
        let late = producer.prepare_transaction().unwrap_err();
        assert!(late.is_retriable() && !late.possibly_written(), "{late}");
        assert_state(producer.commit_transaction(), "prepare_transaction()");
        let state = repeat(|| producer.prepare_transaction());
        cluster.delay(Api::EndTxn, LATE, 1);
        let late = producer.complete_transaction(&state).unwrap_err();
        assert!(late.is_retriable() && late.possibly_written(), "{late}");
        assert_state(producer.begin_transaction(), "commit_transaction()");
        repeat(|| producer.complete_transaction(&state));
        assert_eq!(committed(cluster), ["v"]);
    });
}

/// For how long an answer does not come that a call is not to wait for.
const LATE: Duration = Duration::from_secs(4);

fn repeat<T>(call: impl Fn() -> Result<T, Error>) -> T {
    loop {
        match call() {
            Err(error) if error.is_retriable() => {}
            outcome => return outcome.unwrap(),
        }
    }
}

#[test]
fn an_interrupted_preparation_is_taken_up() {
    let cluster = cluster_of(2);
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    cluster.delay(Api::Produce, LATE, 1);
    producer.send(to(0, "v")).unwrap();
    let this_thread = InterruptHandle::current();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            this_thread.interrupt();
        });
        assert_eq!(producer.prepare_transaction().unwrap_err().kind(), ErrorKind::Interrupted);
    });
    let state = producer.prepare_transaction().unwrap();
    producer.complete_transaction(&state).unwrap();
    assert_eq!(committed(&cluster), ["v"]);
}

#[test]
fn a_producer_that_is_closed_while_it_prepares_has_aborted() {
    with_both(|cluster| {
        let producer = ready(cluster);
        producer.begin_transaction().unwrap();
        cluster.delay(Api::Produce, LATE, 1);
        producer.send(to(0, "v")).unwrap();
        thread::scope(|scope| {
            let preparing = scope.spawn(|| producer.prepare_transaction());
            thread::sleep(Duration::from_millis(500));
            producer.close().unwrap();
            assert_eq!(preparing.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        });
        assert!(cluster.open_transactions().is_empty());
        assert_eq!(committed(cluster), [""; 0]);
    });
}

#[test]
fn a_guard_that_is_prepared_aborts_nothing() {
    let cluster = cluster_of(2);
    let producer = ready(&cluster);
    let transaction = producer.begin().unwrap();
    transaction.send(to(0, "v")).unwrap();
    let state = transaction.prepare().unwrap();
    assert_eq!(cluster.open_transactions().len(), 1);
    producer.complete_transaction(&state).unwrap();
    let transaction = producer.begin().unwrap();
    cluster.fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE, 1);
    transaction.send(to(0, "w")).unwrap();
    assert!(transaction.prepare().unwrap_err().requires_abort());
    assert!(cluster.open_transactions().is_empty(), "what failed is aborted already");
    producer.begin().unwrap().abort().unwrap();
    assert_eq!(committed(&cluster), ["v"]);
}

#[test]
fn a_prepared_transaction_has_no_time_limit() {
    let builder = EmbeddedCluster::builder().topic("t", 3).topic("other", 1);
    let cluster =
        builder.two_phase_commit(true).max_transaction_timeout(Duration::from_millis(1)).start().unwrap();
    let producer = ready(&cluster);
    let state = prepare(&producer, "v");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(cluster.open_transactions()[0].timeout, Duration::from_millis(i32::MAX as u64));
    producer.complete_transaction(&state).unwrap();
    assert_eq!(committed(&cluster), ["v"; 3]);
}

// ---- where it is not to be had ----

/// Behaviour 75.
#[test]
fn a_broker_that_does_not_offer_it_is_told_with_the_setting_and_what_to_do() {
    let cluster = EmbeddedCluster::builder().topic("t", 3).start().unwrap();
    for keeps in [false, true] {
        let producer = two_phased(&cluster, &[]);
        let error = match keeps {
            true => producer.init_transactions_keeping_prepared().unwrap_err(),
            false => producer.init_transactions().unwrap_err(),
        };
        assert!(error.kind() == ErrorKind::UnsupportedVersion && error.is_fatal(), "{error}");
        for part in [
            "InitProducerId version 6 is needed, and the broker speaks 0 to 5",
            "transaction.two.phase.commit.enable=true",
            "unstable.api.versions.enable=true",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn a_broker_that_does_not_consent_is_told_with_the_setting_and_the_right() {
    let builder = EmbeddedCluster::builder().topic("t", 3).api_versions(Api::InitProducerId, 0..=6);
    let cluster = builder.start().unwrap();
    let error = two_phased(&cluster, &[]).init_transactions().unwrap_err();
    assert!(error.kind() == ErrorKind::Authorization && !error.is_fatal(), "{error}");
    for part in ["transaction.two.phase.commit.enable=true", "TWO_PHASE_COMMIT", "shop"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // Without the setting the version that Kafka calls unstable is not sent.
    let plain = producer(&cluster, &[("transactional.id", "plain")]);
    plain.init_transactions().unwrap();
}

/// As Kafka 4.3's.
#[test]
fn a_broker_that_cannot_keep_a_transaction_is_told_with_what_init_transactions_would_do() {
    let cluster = cluster_of(2);
    let first = ready(&cluster);
    prepare(&first, "v");
    drop(first);
    cluster.fail(Api::InitProducerId, BrokerError::UNSUPPORTED_VERSION, 1);
    let error = two_phased(&cluster, &[]).init_transactions_keeping_prepared().unwrap_err();
    assert!(error.kind() == ErrorKind::UnsupportedVersion && error.is_fatal(), "{error}");
    assert!(error.to_string().contains("init_transactions() would abort it"), "{error}");
    assert_eq!(cluster.open_transactions().len(), 1, "it is as it was");
}

#[test]
fn without_the_setting_there_is_no_first_phase() {
    let cluster = cluster_of(2);
    let producer = producer(&cluster, &[("transactional.id", "plain")]);
    assert_state(producer.init_transactions_keeping_prepared(), "transaction.two.phase.commit.enable=true");
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(to(0, "v")).unwrap().get_timeout(AGES).unwrap();
    assert_state(producer.prepare_transaction(), "transaction.two.phase.commit.enable=true");
    assert_state(producer.complete_transaction(&PreparedTxnState::default()), "no transaction is prepared");
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster), ["v"], "and no harm is done");
}

#[test]
fn without_an_id_and_in_a_callback_and_after_close_each_call_says_why() {
    let cluster = cluster_of(2);
    let calls = |producer: &TextProducer| {
        [
            producer.init_transactions_keeping_prepared().map(drop).unwrap_err(),
            producer.prepare_transaction().map(drop).unwrap_err(),
            producer.complete_transaction(&PreparedTxnState::default()).unwrap_err(),
        ]
    };
    let without = producer(&cluster, &[("transaction.two.phase.commit.enable", "true")]);
    for error in calls(&without) {
        assert!(error.to_string().contains("transactional.id is not set"), "{error}");
    }
    let producer = ready(&cluster);
    producer.begin_transaction().unwrap();
    let inner = producer.clone();
    let (sender, errors) = std::sync::mpsc::channel();
    producer.send_with_callback(to(0, "v"), move |_| sender.send(calls(&inner)).unwrap()).unwrap();
    producer.commit_transaction().unwrap();
    for error in errors.recv().unwrap() {
        assert!(error.kind() == ErrorKind::IllegalState && error.to_string().contains("callback"), "{error}");
    }
    producer.close().unwrap();
    assert!(calls(&producer).iter().all(|error| error.kind() == ErrorKind::Closed));
}

#[test]
fn the_mock_prepares_and_completes() {
    let mock: MockProducer<str, str> = MockProducer::new(StringSerializer, StringSerializer);
    assert_eq!(mock.init_transactions_keeping_prepared().unwrap(), None);
    assert_state(mock.complete_transaction(&PreparedTxnState::default()), "no transaction is prepared");
    for (value, commits) in [("a", true), ("b", false), ("c", true)] {
        mock.begin_transaction().unwrap();
        mock.send(ProducerRecord::new("t", value)).unwrap();
        let state = mock.prepare_transaction().unwrap();
        assert!(mock.transaction_in_flight() && mock.prepared_transaction() == Some(state));
        assert_state(mock.send(ProducerRecord::new("t", "late")), "a transaction is prepared");
        let kept = if commits { state } else { PreparedTxnState::default() };
        mock.complete_transaction(&kept).unwrap();
    }
    assert_eq!((mock.commit_count(), mock.history().len()), (2, 2));
    let failure = Error::new(ErrorKind::Timeout, "the coordinator is away");
    for call in ["prepare_transaction", "complete_transaction"] {
        mock.begin_transaction().unwrap();
        mock.fail_transactions(call, Some(failure.clone()));
        let outcome = mock.prepare_transaction().and_then(|state| mock.complete_transaction(&state));
        assert!(outcome.unwrap_err().is_retriable(), "{call}");
        assert_state(mock.abort_transaction(), "has to be called again first");
        mock.fail_transactions(call, None);
        let state = mock.prepared_transaction().filter(|_| call == "complete_transaction");
        let state = state.map_or_else(|| mock.prepare_transaction(), Ok).unwrap();
        mock.complete_transaction(&state).unwrap();
    }
}

/// However the one before has ended.
#[test]
fn what_the_mock_has_prepared_is_no_other_transaction() {
    let mock: MockProducer<str, str> = MockProducer::new(StringSerializer, StringSerializer);
    mock.init_transactions().unwrap();
    let prepare = || {
        mock.begin_transaction().unwrap();
        mock.send(ProducerRecord::new("t", "a")).unwrap();
        mock.prepare_transaction().unwrap()
    };
    let kept = prepare();
    mock.abort_transaction().unwrap();
    assert_ne!(prepare(), kept);
    mock.complete_transaction(&kept).unwrap();
    assert_eq!(mock.commit_count(), 0);
}
