//! Callbacks that take long, on a healthy broker: they delay, and nothing fails or is sent again because of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{AGES, TextProducer, cluster, config, producer, to_first};
use kafka_embedded::{Api, EmbeddedCluster, Fault};
use kafka_producer::{KafkaProducer, RecordFuture, StringSerializer, serialize_with};

/// What callbacks have heard.
#[derive(Default)]
struct Heard {
    good: AtomicUsize,
    bad: AtomicUsize,
}

/// Sends `count` records whose callbacks take `each`.
fn send_slowly_heard(
    producer: &TextProducer,
    count: usize,
    each: Duration,
) -> (Arc<Heard>, Vec<RecordFuture>) {
    let heard = Arc::new(Heard::default());
    let futures = (0..count).map(|number| {
        let heard = Arc::clone(&heard);
        let callback = move |outcome: Result<_, _>| {
            sleep(each);
            let count = if outcome.is_ok() { &heard.good } else { &heard.bad };
            count.fetch_add(1, Ordering::Relaxed);
        };
        if number % 10 == 0 {
            // So that requests go while callbacks run.
            sleep(Duration::from_millis(1));
        }
        producer.send_with_callback(to_first(format!("{number:06}")), callback).unwrap()
    });
    let futures = futures.collect();
    (heard, futures)
}

fn assert_all_written_once(cluster: &EmbeddedCluster, heard: &Heard, futures: &[RecordFuture]) {
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    assert_eq!(heard.good.load(Ordering::Relaxed), futures.len());
    assert_eq!(heard.bad.load(Ordering::Relaxed), 0);
    let held = crate::support::values(cluster, "t", 0).len();
    assert_eq!(held, futures.len(), "the log holds something twice, or not at all");
    crate::support::assert_holds_exactly(cluster, futures.len());
}

/// Batches of 2,000 records.
const LARGE: [(&str, &str); 4] =
    [("batch.size", "30000"), ("linger.ms", "100"), ("request.timeout.ms", "3000"), ("acks", "1")];

/// With these a batch takes longer than `request.timeout.ms`, and a broker that is late by two seconds does not.
const COUNT: usize = 5_000;
const EACH: Duration = Duration::from_millis(2);

/// Fault E1.
#[test]
fn callbacks_slower_than_the_request_timeout_repeat_nothing() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[&LARGE[..], &[("enable.idempotence", "false")]].concat());
    let (heard, futures) = send_slowly_heard(&producer, COUNT, EACH);
    assert_all_written_once(&cluster, &heard, &futures);
    assert_eq!(cluster.connections_accepted(), 1, "connections were torn down");
}

/// Fault E1.
#[test]
fn callbacks_slower_than_the_request_timeout_fail_nothing() {
    let cluster = cluster(1);
    let producer =
        producer(&cluster, &[&LARGE[..], &[("enable.idempotence", "false"), ("retries", "0")]].concat());
    let (heard, futures) = send_slowly_heard(&producer, COUNT, EACH);
    assert_all_written_once(&cluster, &heard, &futures);
}

/// Fault E1.
#[test]
fn what_was_answered_in_time_counts_though_its_callbacks_are_slower_than_the_delivery_timeout() {
    let cluster = cluster(1);
    let settings = [
        ("batch.size", "1"),
        ("linger.ms", "0"),
        ("acks", "1"),
        ("enable.idempotence", "false"),
        ("request.timeout.ms", "3000"),
        ("delivery.timeout.ms", "4000"),
    ];
    let producer = producer(&cluster, &settings);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    // All five are on their way before the first answer comes; the other four come while the first callback runs.
    cluster.delay(Api::Produce, Duration::from_millis(100), 1);
    cluster.inject(Fault::delay(Api::Produce, Duration::from_millis(300)).skip(1).times(4));
    let slow = |number: usize| {
        let callback = move |_: Result<_, _>| {
            if number == 1 {
                sleep(Duration::from_millis(4_500));
            }
        };
        producer.send_with_callback(to_first(format!("{number:06}")), callback).unwrap()
    };
    let futures: Vec<_> = (1..=5).map(slow).collect();
    for future in &futures {
        future.get_timeout(AGES).unwrap();
    }
    crate::support::assert_holds_exactly(&cluster, 6);
    assert_eq!(cluster.requests(Api::Produce), 6, "something was sent again");
}

/// Fault E1.
#[test]
fn a_serializer_slower_than_the_limits_is_charged_to_none_of_them() {
    let cluster = cluster(1);
    let settings = [
        ("max.block.ms", "2500"),
        ("request.timeout.ms", "2500"),
        ("delivery.timeout.ms", "3000"),
        ("linger.ms", "0"),
    ];
    let settings = config(&cluster.bootstrap_servers(), &settings);
    let slow = serialize_with(|text: &str, out: &mut Vec<u8>| {
        sleep(Duration::from_millis(3_500));
        out.extend(text.as_bytes());
        Ok::<(), std::convert::Infallible>(())
    });
    let producer = KafkaProducer::<str, str>::with_serializers(settings, StringSerializer, slow).unwrap();
    for number in 0..2 {
        producer.send(to_first(format!("{number:06}"))).unwrap().get_timeout(AGES).unwrap();
    }
    crate::support::assert_holds_exactly(&cluster, 2);
}

/// Faults C1, E1.
#[test]
fn what_is_too_late_because_of_a_slow_callback_says_so() {
    let cluster = cluster(1);
    let settings = [
        ("linger.ms", "0"),
        ("batch.size", "1"),
        ("request.timeout.ms", "2500"),
        ("delivery.timeout.ms", "2600"),
        // The second waits for the first one's answer, and for its callback.
        ("max.in.flight.requests.per.connection", "1"),
    ];
    let producer = producer(&cluster, &settings);
    let (tell, told) = std::sync::mpsc::channel();
    let first = producer.send_with_callback(to_first("000000"), move |_| {
        tell.send(()).unwrap();
        sleep(Duration::from_millis(5_500));
    });
    first.unwrap();
    told.recv_timeout(AGES).expect("the callback runs");
    let error = producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap_err().to_string();
    let held_up = error.split("callbacks, interceptors or the logger held up the sender thread for ").nth(1);
    let held_up: u64 = held_up.unwrap_or(&error).split(' ').next().unwrap().parse().expect(&error);
    assert!((2_600..20_000).contains(&held_up), "{error}");
    assert!(!error.contains("nothing was heard"), "{error}");
    producer.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap();
    crate::support::assert_holds_exactly(&cluster, 2);
}
