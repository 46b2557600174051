//! `buffer.memory`: a full buffer makes `send` wait, in the order of coming, and never longer than `max.block.ms`.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    AGES, SOON, TextProducer, assert_holds_exactly, cluster, interruptible, producer, to_first, values,
    wait_until,
};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{ErrorKind, Metric, ProducerRecord, RecordFuture};

const SMALL: &[(&str, &str)] =
    &[("buffer.memory", "40000"), ("batch.size", "10000"), ("max.block.ms", "15000"), ("linger.ms", "0")];

/// A producer whose buffer is full of records that wait for an answer that does not come while the fault is there.
fn full(cluster: &EmbeddedCluster, more: &[(&str, &str)]) -> (TextProducer, Vec<RecordFuture>) {
    let settings: Vec<_> = SMALL.iter().chain(more).copied().collect();
    let producer = producer(cluster, &settings);
    wait_until("the topic is known", || producer.partitions_for("t").is_ok());
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let mut futures = Vec::new();
    loop {
        match producer.try_send(to_first("x".repeat(9_000))) {
            Ok(future) => futures.push(future),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return (producer, futures);
            }
        }
    }
}

/// Behaviours 2, 18.
/// (18)
#[test]
fn a_full_buffer_is_a_time_out_that_says_what_was_wanted_and_free_and_heard() {
    let cluster = cluster(1);
    let (producer, futures) = full(&cluster, &[("max.block.ms", "300")]);
    assert!(futures.len() >= 3);
    wait_until("the broker refuses", || crate::support::produce_requests(&cluster) >= 3);
    let start = Instant::now();
    let record = to_first("y".repeat(9_000));
    let error = producer.send(&record).unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let text = error.to_string();
    for part in ["buffer.memory=40000", "bytes wanted", " free", "max.block.ms", "the last error was"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!((300..10_000).contains(&waited_ms(&text)), "{text}");
    assert_eq!((error.topic(), error.partition()), (Some("t"), Some(0)));
    assert_eq!(record.into_value(), "y".repeat(9_000), "the record stays");
    cluster.clear_faults();
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    producer.send(to_first("z")).unwrap().get_timeout(AGES).unwrap();
    assert!(!values(&cluster, "t", 0).iter().any(|value| value.starts_with('y')), "nothing of it was queued");
}

/// For how long memory was waited for, as the error tells.
fn waited_ms(text: &str) -> u64 {
    text.split("(after ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn try_send_says_that_it_would_block() {
    let cluster = cluster(1);
    let (producer, futures) = full(&cluster, &[]);
    let start = Instant::now();
    let error = producer.try_send(to_first("y".repeat(9_000))).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("buffer.memory=40000"), "{error}");
    assert!(error.is_retriable());
    cluster.clear_faults();
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    producer.try_send(to_first("y".repeat(9_000))).unwrap().get_timeout(AGES).unwrap();
}

/// Behaviour 16.
/// (16) Which of two that were served appends first is chance; that a small one waits behind a large one is not.
#[test]
fn who_wants_little_does_not_overtake_who_wants_much() {
    let cluster = cluster(1);
    let (producer, futures) = full(&cluster, &[]);
    let waiting = |value: String| {
        let producer = producer.clone();
        thread::spawn(move || producer.send(to_first(value)))
    };
    let wait_for = |count: f64| {
        let metrics = || producer.metrics();
        let waiting = || metrics().get("producer-metrics", "waiting-threads", &[]).and_then(Metric::number);
        wait_until("it waits for memory", || waiting() == Some(count));
    };
    let large = waiting("y".repeat(35_000));
    wait_for(1.0);
    let small = waiting("z".repeat(5_000));
    wait_for(2.0);
    assert!(!large.is_finished() && !small.is_finished());
    // One batch goes through: enough room for the small one.
    cluster.clear_faults();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).skip(1).always());
    wait_until("one is through", || futures[0].is_done());
    thread::sleep(Duration::from_millis(50));
    assert!(!small.is_finished() || large.is_finished(), "the small one overtook the large one");
    cluster.clear_faults();
    for thread in [large, small] {
        thread.join().unwrap().unwrap().get_timeout(AGES).unwrap();
    }
    assert!(futures.iter().all(|future| future.is_done()));
}

#[test]
fn an_interrupt_ends_the_wait_at_once_and_leaves_no_trace() {
    let cluster = cluster(1);
    let (producer, futures) = full(&cluster, &[]);
    let (tell, told) = mpsc::channel();
    let (handle, waiting) = interruptible({
        let producer = producer.clone();
        move || {
            tell.send(()).unwrap();
            producer.send(to_first("y".repeat(9_000))).unwrap_err()
        }
    });
    told.recv().unwrap();
    let start = Instant::now();
    handle.interrupt();
    let error = waiting.join().unwrap();
    assert!(start.elapsed() < SOON);
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(!error.possibly_written());
    cluster.clear_faults();
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    producer.flush().unwrap();
    assert!(!values(&cluster, "t", 0).iter().any(|value| value.starts_with('y')));
}

/// Behaviour 18.
#[test]
fn close_ends_the_wait() {
    let cluster = cluster(1);
    let (producer, _futures) = full(&cluster, &[]);
    let waiting = {
        let producer = producer.clone();
        thread::spawn(move || producer.send(to_first("y".repeat(9_000))).unwrap_err())
    };
    thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    producer.close_timeout(Duration::ZERO).unwrap();
    assert_eq!(waiting.join().unwrap().kind(), ErrorKind::Closed);
    assert!(start.elapsed() < SOON);
}

/// Behaviour 19.
/// (19) While anyone waits for memory nothing lingers.
#[test]
fn who_waits_for_memory_ends_the_linger_of_all() {
    let cluster = cluster(8);
    let settings = &[("buffer.memory", "40000"), ("batch.size", "10000"), ("linger.ms", "10000")];
    let producer = producer(&cluster, settings);
    let start = Instant::now();
    for round in 0..3 {
        for partition in 0..8 {
            let value = format!("{round}{}", "x".repeat(8_000));
            producer.send(ProducerRecord::new("t", value).with_partition(partition)).unwrap();
        }
    }
    assert!(start.elapsed() < SOON, "24 batches of 10 kB went through 40 kB");
    producer.close().unwrap();
    assert_eq!(cluster.records("t").len(), 24);
}

/// Who cannot wait comes again: the memory must not lie in batches that wait for company.
#[test]
fn who_is_refused_for_want_of_memory_ends_the_linger_of_all() {
    for max_block in ["0", "60000"] {
        let cluster = cluster(8);
        let settings = [
            ("buffer.memory", "40000"),
            ("batch.size", "10000"),
            ("linger.ms", "600000"),
            ("delivery.timeout.ms", "1000000"),
        ];
        let producer = producer(&cluster, &[&settings[..], &[("max.block.ms", max_block)]].concat());
        wait_until("the topic is known", || producer.partitions_for("t").is_ok());
        let refused = |partition| {
            let record = ProducerRecord::new("t", "x".repeat(8_000)).with_partition(partition);
            let sent = if max_block == "0" { producer.send(record) } else { producer.try_send(record) };
            sent.is_err()
        };
        let sent = (0..8).position(refused).expect("no more than 4 batches of 10 kB fit into 40 kB");
        wait_until("what lingers is sent", || cluster.records("t").len() == sent);
    }
}

#[test]
fn a_buffer_smaller_than_a_batch_works() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("buffer.memory", "1000"), ("batch.size", "16384")]);
    let futures: Vec<_> =
        (0..200).map(|number| producer.send(to_first(format!("{number:06}"))).unwrap()).collect();
    for future in &futures {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 200);
}

/// Behaviours 10, 18.
/// (10)
#[test]
fn a_record_larger_than_the_buffer_or_the_request_is_refused_at_once() {
    let cluster = cluster(1);
    for (name, settings) in [
        ("buffer.memory=10000", &[("buffer.memory", "10000"), ("batch.size", "5000")][..]),
        ("max.request.size=10000", &[("max.request.size", "10000")][..]),
    ] {
        let producer = producer(&cluster, settings);
        let error = producer.send(to_first("x".repeat(10_000))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RecordTooLarge, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.topic(), Some("t"));
        producer.send(to_first("x".repeat(9_000))).unwrap().get_timeout(AGES).unwrap();
    }
}

/// Many threads, much more than fits: everything gets through, none waits for ever, and the memory comes back.
#[test]
fn a_small_buffer_under_many_threads_delivers_everything() {
    let cluster = cluster(4);
    let settings =
        &[("buffer.memory", "4000"), ("batch.size", "1000"), ("max.block.ms", "20000"), ("linger.ms", "2")];
    let producer = producer(&cluster, settings);
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let producer = producer.clone();
            thread::spawn(move || {
                for number in 0..300 {
                    let value = format!("{thread}/{number}/{}", "x".repeat(100));
                    producer.send(ProducerRecord::new("t", value)).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    producer.flush().unwrap();
    assert_eq!(cluster.records("t").len(), 2400);
    // All of the buffer is free again.
    for _ in 0..20 {
        producer.send(to_first("x".repeat(3_800))).unwrap();
    }
    producer.close().unwrap();
}

/// Behaviour 7.
/// (7) One limit for the wait for metadata and the wait for memory.
#[test]
fn max_block_covers_metadata_and_memory_together() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).topic("later", 1).start().unwrap();
    let (producer, _futures) = full(&cluster, &[("max.block.ms", "5000")]);
    cluster.inject(Fault::delay(Api::Metadata, Duration::from_millis(2_500)));
    let start = Instant::now();
    let error = producer.send(ProducerRecord::new("later", "y".repeat(9_000))).unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("bytes wanted"), "{error}");
    assert!(took >= Duration::from_millis(4_990), "{took:?}");
    let waited = waited_ms(&error.to_string());
    assert!(waited < 4_900, "only what the metadata had left was waited for memory: {waited} ms of {took:?}");
    cluster.clear_faults();
}
