//! Which batches go next: nobody is starved, retries keep their order, and what is given up leaves its partition sound.

use std::time::Duration;

use crate::support::{AGES, cluster, producer, send_numbered, to_first, values};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, SeenBatch, SeenProduce};
use kafka_producer::{ErrorCode, ProducerRecord};

/// How long an answer takes.
const ANSWER: Duration = Duration::from_millis(50);

/// How long the first one takes: everything is queued by then.
const FIRST: Duration = Duration::from_secs(2);

fn slow_cluster(partitions: i32) -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("t", partitions).answer_delay(ANSWER).start().unwrap()
}

fn sequence(batch: &SeenBatch) -> i32 {
    batch.header.as_ref().unwrap().base_sequence
}

/// Behaviour 22.
#[test]
fn a_busy_partition_does_not_starve_the_others() {
    let cluster = slow_cluster(4);
    // A request has room for one batch.
    let settings = &[
        ("linger.ms", "9000"),
        ("batch.size", "1000"),
        ("max.request.size", "1100"),
        ("max.in.flight.requests.per.connection", "1"),
    ];
    let producer = producer(&cluster, settings);
    producer.partitions_for("t").unwrap();
    cluster.delay(Api::Produce, FIRST, 1);
    let send = |partition| {
        let record = ProducerRecord::new("t", "x".repeat(900)).with_partition(partition);
        producer.send(record).unwrap();
    };
    (0..40).for_each(|_| send(0));
    (1..4).for_each(send);
    producer.flush().unwrap();
    let order: Vec<i32> = cluster
        .produce_requests()
        .iter()
        .flat_map(|request| &request.batches)
        .map(|batch| batch.partition)
        .collect();
    assert_eq!(order.len(), 43);
    for partition in 1..4 {
        let place = order.iter().position(|other| *other == partition).unwrap();
        assert!(place < 20, "partition {partition} came {place}th: {order:?}");
    }
}

/// Behaviour 21.
#[test]
fn a_batch_larger_than_a_request_goes_alone() {
    let cluster = cluster(2);
    let settings = &[("linger.ms", "9000"), ("batch.size", "20000"), ("max.request.size", "2000")];
    let producer = producer(&cluster, settings);
    producer.partitions_for("t").unwrap();
    for number in 0..20 {
        producer.send(ProducerRecord::new("t", "x".repeat(1000)).with_partition(number % 2)).unwrap();
    }
    producer.flush().unwrap();
    let requests = cluster.produce_requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.batches.len(), 1);
        assert!(request.batches[0].bytes > 10_000);
    }
}

/// Behaviours 23, 24, 25.
/// Several batches in flight fail; each goes again under its old number, in order, and one at a time.
#[test]
fn retries_go_one_at_a_time_in_order_under_their_old_numbers() {
    let cluster = slow_cluster(1);
    let settings =
        &[("linger.ms", "0"), ("batch.size", "0"), ("retry.backoff.ms", "1"), ("retry.backoff.max.ms", "1")];
    let producer = producer(&cluster, settings);
    // The first of a producer goes alone.
    send_numbered(&producer, 0..1)[0].get_timeout(AGES).unwrap();
    cluster.delay(Api::Produce, FIRST, 1);
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 5);
    for future in send_numbered(&producer, 1..6) {
        future.get_timeout(AGES).unwrap();
    }
    let seen: Vec<SeenProduce> = cluster.produce_requests();
    let sequences: Vec<i32> = seen.iter().flat_map(|request| &request.batches).map(sequence).collect();
    assert_eq!(sequences[..6], [0, 1, 2, 3, 4, 5], "all in flight");
    let again = &sequences[6..];
    let mut last = 0;
    for sequence in again {
        assert!(*sequence == last || *sequence == last + 1, "{sequences:?}");
        last = *sequence;
    }
    assert_eq!(last, 5);
    for pair in seen[6..].windows(2) {
        assert!(pair[1].at >= pair[0].at + ANSWER, "the next retry waits for the answer to the one before");
    }
    let expected: Vec<String> = (0..6).map(|number| format!("{number:06}")).collect();
    assert_eq!(values(&cluster, "t", 0), expected);
}

/// Behaviours 26, 41.
/// Whether a batch whose retries are used up is in the log is not known in two of these three cases. What comes next is
/// neither taken for it nor refused because of it.
#[test]
fn a_batch_that_has_used_up_its_retries_does_no_harm_to_the_next() {
    let after = ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND.0;
    for (fault, in_the_log) in [
        (Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS), false),
        (Fault::fail_after(Api::Produce, after), true),
        (Fault::drop_answer(Api::Produce), true),
        (Fault::cut_before(Api::Produce), false),
    ] {
        let cluster = cluster(1);
        let settings = &[("linger.ms", "0"), ("retries", "1"), ("request.timeout.ms", "2500")];
        let producer = producer(&cluster, settings);
        send_numbered(&producer, 0..1)[0].get_timeout(AGES).unwrap();
        cluster.inject(fault.times(2));
        let error = producer.send(to_first("given up")).unwrap().get_timeout(AGES).unwrap_err();
        assert_eq!(error.attempts(), 2, "{error}");
        assert!(!in_the_log || error.possibly_written(), "{error}");
        for future in send_numbered(&producer, 1..20) {
            assert!(future.get_timeout(AGES).unwrap().offset().is_some());
        }
        let found = values(&cluster, "t", 0);
        assert_eq!(
            found.iter().filter(|value| *value == "given up").count(),
            usize::from(in_the_log),
            "{error}"
        );
        let others: Vec<_> = found.into_iter().filter(|value| value != "given up").collect();
        assert_eq!(others, (0..20).map(|number| format!("{number:06}")).collect::<Vec<_>>(), "{error}");
    }
}
