//! Callbacks: on the sender thread, in send order, before `get` returns, and harmless whatever they do.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{AGES, SOON, assert_holds_exactly, cluster, producer, to_first};
use kafka_embedded::{Api, BrokerError, Fault};
use kafka_producer::{ErrorKind, ProducerRecord};

/// Behaviours 45, 47.
/// (45)
#[test]
fn they_run_on_the_sender_thread_in_send_order() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("batch.size", "300"), ("linger.ms", "0"), ("client.id", "orders")]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..500 {
        let seen = Arc::clone(&seen);
        let callback = move |outcome: Result<kafka_producer::RecordMetadata, _>| {
            let thread = thread::current().name().unwrap().to_owned();
            seen.lock().unwrap().push((number, outcome.unwrap().offset(), thread));
        };
        producer.send_with_callback(to_first(format!("{number:06}")), callback).unwrap();
    }
    producer.flush().unwrap();
    let seen = seen.lock().unwrap();
    let expected: Vec<_> =
        (0..500).map(|n| (n, Some(n), "kafka-producer-network-thread | orders".to_owned())).collect();
    assert!(*seen == expected, "{seen:?}");
}

/// Behaviour 44.
/// (44)
#[test]
fn all_of_a_batch_have_run_before_get_returns() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let ran = Arc::new(Mutex::new(0));
    let futures: Vec<_> = (0..20)
        .map(|number| {
            let ran = Arc::clone(&ran);
            let callback = move |_| {
                thread::sleep(Duration::from_millis(2));
                *ran.lock().unwrap() += 1;
            };
            producer.send_with_callback(to_first(format!("{number:06}")), callback).unwrap()
        })
        .collect();
    futures[0].get_timeout(AGES).unwrap();
    assert_eq!(*ran.lock().unwrap(), 20);
}

/// Behaviour 46.
/// (46)
#[test]
fn one_that_panics_harms_nobody() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let (tell, told) = mpsc::channel();
    for number in 0..10 {
        let tell = tell.clone();
        let callback = move |_| {
            assert!(number % 2 == 0, "on purpose");
            tell.send(number).unwrap();
        };
        producer
            .send_with_callback(to_first(format!("{number:06}")), callback)
            .unwrap()
            .get_timeout(AGES)
            .unwrap();
    }
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    assert_holds_exactly(&cluster, 10);
}

/// What a panic carries may itself panic when it is dropped, and so may what a callback holds.
#[test]
fn one_that_panics_with_something_that_panics_harms_nobody() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            std::panic::panic_any("on purpose");
        }
    }
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let carried = producer
        .send_with_callback(to_first("000000"), |_| std::panic::panic_any(PanicsOnDrop))
        .unwrap()
        .get_timeout(AGES);
    carried.unwrap();
    let held = PanicsOnDrop;
    let dropped = producer
        .send_with_callback(to_first("000001"), move |_| {
            let _held = held;
        })
        .unwrap();
    dropped.get_timeout(AGES).unwrap();
    producer.send(to_first("000002")).unwrap().get_timeout(AGES).unwrap();
    assert_holds_exactly(&cluster, 3);
}

/// Behaviour 5.
#[test]
fn errors_reach_them_too() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
    let (tell, told) = mpsc::channel();
    let future =
        producer.send_with_callback(to_first("v"), move |outcome| tell.send(outcome).unwrap()).unwrap();
    let error = future.get_timeout(AGES).unwrap_err();
    let told = told.try_recv().unwrap().unwrap_err();
    assert_eq!((told.kind(), told.to_string()), (error.kind(), error.to_string()));
}

#[test]
fn they_may_send_and_where_that_would_block_it_says_so() {
    let cluster = cluster(1);
    let producer =
        producer(&cluster, &[("linger.ms", "0"), ("buffer.memory", "20000"), ("batch.size", "1000")]);
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    producer
        .send_with_callback(to_first("000000"), move |_| {
            let start = Instant::now();
            let unknown = handle.send(ProducerRecord::new("unknown", "v")).unwrap_err().kind();
            let follow_up = handle.send(to_first("000001")).unwrap();
            let mut full = 0;
            while let Ok(future) = handle.send(ProducerRecord::new("t", "x".repeat(900)).with_partition(0)) {
                drop(future);
                full += 1;
            }
            let kind = handle.send(to_first("x".repeat(900))).unwrap_err().kind();
            tell.send((unknown, kind, full, follow_up, start.elapsed())).unwrap();
        })
        .unwrap();
    let (unknown, kind, full, follow_up, took) = told.recv_timeout(AGES).unwrap();
    assert_eq!((unknown, kind), (ErrorKind::WouldBlock, ErrorKind::WouldBlock));
    assert!(full >= 5, "{full} batches fit");
    assert!(took < SOON);
    follow_up.get_timeout(AGES).unwrap();
    producer.close().unwrap();
    assert_eq!(cluster.records("t").len(), 2 + full);
}

/// Behaviour 78.
/// (78)
#[test]
fn what_would_wait_for_itself_is_an_error_there() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    producer
        .send_with_callback(to_first("000000"), move |_| {
            let future = handle.send(to_first("000001")).unwrap();
            let kinds = [
                future.get().unwrap_err().kind(),
                future.get_timeout(Duration::from_secs(1)).unwrap_err().kind(),
                handle.flush().unwrap_err().kind(),
                handle.partitions_for("t").unwrap_err().kind(),
            ];
            tell.send((kinds, future)).unwrap();
        })
        .unwrap();
    let (kinds, future) = told.recv_timeout(AGES).unwrap();
    assert_eq!(kinds, [ErrorKind::IllegalState; 4]);
    future.get_timeout(AGES).expect("the future works elsewhere");
}

/// Fault E10.
/// Nothing of this library waits in a callback, of whatever producer; what need not wait works.
#[test]
fn what_would_wait_for_another_producer_is_an_error_there() {
    let cluster = cluster(1);
    let one = producer(&cluster, &[("linger.ms", "0")]);
    let other = producer(&cluster, &[("linger.ms", "10000")]);
    other.partitions_for("t").unwrap();
    other.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    let (tell, told) = mpsc::channel();
    let handle = other.clone();
    let callback = move |_| {
        let future = handle.send(to_first("b")).unwrap();
        let kinds = [
            future.get().unwrap_err().kind(),
            future.get_timeout(Duration::from_secs(20)).unwrap_err().kind(),
            handle.flush().unwrap_err().kind(),
            handle.partitions_for("t").unwrap_err().kind(),
            handle.send(ProducerRecord::new("unknown", "c")).unwrap_err().kind(),
        ];
        let closing = Instant::now();
        handle.close().unwrap();
        assert!(closing.elapsed() < SOON);
        tell.send((kinds, future)).unwrap();
    };
    one.send_with_callback(to_first("a"), callback).unwrap();
    let (kinds, future) = told.recv_timeout(AGES).unwrap();
    let waits = ErrorKind::IllegalState;
    assert_eq!(kinds, [waits, waits, waits, waits, ErrorKind::WouldBlock]);
    future.get_timeout(AGES).expect("closed in a callback of another one, it delivers what it has accepted");
}

/// Fault E10.
#[test]
fn two_producers_whose_callbacks_flush_and_close_each_other_end_both() {
    let cluster = cluster(1);
    let (one, other) = (producer(&cluster, &[]), producer(&cluster, &[]));
    for producer in [&one, &other] {
        producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    }
    let begun = Instant::now();
    let (tell, told) = mpsc::channel();
    for (from, to) in [(&one, &other), (&other, &one)] {
        for _ in 0..20 {
            let (to, tell) = (to.clone(), tell.clone());
            let sent = from.send_with_callback(to_first("v"), move |outcome| {
                let flushed = to.flush().map_err(|error| error.kind());
                tell.send((outcome.is_ok(), flushed)).unwrap();
            });
            sent.unwrap();
        }
    }
    for _ in 0..40 {
        assert_eq!(told.recv_timeout(AGES).unwrap(), (true, Err(ErrorKind::IllegalState)));
    }
    drop((one, other));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// Behaviour 2.
#[test]
fn those_of_a_refused_record_are_dropped_unused() {
    struct Told(mpsc::Sender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send("dropped").unwrap();
        }
    }
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let (tell, told) = mpsc::channel();
    let guard = Told(tell);
    let refused = producer.send_with_callback(to_first("v").with_timestamp(-1), move |_| {
        guard.0.send("called").unwrap();
    });
    refused.unwrap_err();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["dropped"]);
}

/// Behaviour 48.
/// (45) Each outcome once, also for those that fail by time-out while others go through.
#[test]
fn every_accepted_record_is_told_exactly_once() {
    let cluster = cluster(2);
    let settings = &[("delivery.timeout.ms", "3000"), ("request.timeout.ms", "2500"), ("linger.ms", "0")];
    let producer = producer(&cluster, settings);
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).on_partition("t", 0).always());
    let told = Arc::new(Mutex::new(vec![0; 100]));
    for number in 0..100usize {
        let told = Arc::clone(&told);
        let record = ProducerRecord::new("t", format!("{number}")).with_partition(number as i32 % 2);
        let callback = move |outcome: Result<_, _>| {
            assert_eq!(outcome.is_ok(), number % 2 == 1);
            told.lock().unwrap()[number] += 1;
        };
        producer.send_with_callback(record, callback).unwrap();
    }
    producer.flush().unwrap();
    cluster.clear_faults();
    producer.close().unwrap();
    assert_eq!(*told.lock().unwrap(), vec![1; 100]);
}
