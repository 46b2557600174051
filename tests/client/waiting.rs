//! Futures, `flush` and interrupts: who waits for what, and what ends a wait.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    AGES, SOON, assert_holds_exactly, cluster, interruptible, producer, send_numbered, to_first, wait_until,
};
use kafka_embedded::{Api, BrokerError, Fault};
use kafka_producer::{ErrorKind, InterruptHandle, ProducerRecord};

const LONG_LINGER: &[(&str, &str)] = &[("linger.ms", "10000")];

#[test]
fn a_future_may_be_asked_again_and_by_several_threads() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "50")]);
    let future = producer.send(to_first("v")).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let future = future.clone();
            thread::spawn(move || future.get().unwrap().offset())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Some(0));
    }
    assert_eq!(future.get().unwrap(), future.get().unwrap());
    assert!(future.is_done());
    assert_eq!(future.try_get().unwrap().unwrap(), future.get_timeout(Duration::ZERO).unwrap());
}

/// Behaviour 50.
/// (50)
#[test]
fn a_limited_wait_leaves_record_and_future_as_they_are() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    cluster.delay(Api::Produce, Duration::from_millis(2_500), 1);
    let future = producer.send(to_first("000001")).unwrap();
    assert!(future.try_get().is_none() && !future.is_done());
    let error = future.get_timeout(Duration::from_millis(20)).unwrap_err();
    assert_eq!((error.kind(), error.topic(), error.partition()), (ErrorKind::Timeout, Some("t"), Some(0)));
    assert!(error.possibly_written());
    assert!(future.try_get().is_none() && !future.is_done());
    assert_eq!(future.get_timeout(AGES).unwrap().offset(), Some(1));
    assert_holds_exactly(&cluster, 2);
}

#[test]
fn a_get_ends_the_linger() {
    let cluster = cluster(1);
    let producer = producer(&cluster, LONG_LINGER);
    let start = Instant::now();
    for number in 0..5 {
        assert_eq!(producer.send(to_first("v")).unwrap().get().unwrap().offset(), Some(number));
    }
    let future = producer.send(to_first("v")).unwrap();
    future.get_timeout(SOON).unwrap();
    assert!(start.elapsed() < SOON);
}

#[test]
fn asking_without_waiting_does_not_end_the_linger() {
    let cluster = cluster(1);
    let producer = producer(&cluster, LONG_LINGER);
    producer.send(to_first("warm")).unwrap().get().unwrap();
    let future = producer.send(to_first("v")).unwrap();
    let until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < until {
        assert!(future.try_get().is_none() && !future.is_done());
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(crate::support::produce_requests(&cluster), 1);
    producer.close().unwrap();
}

#[test]
fn a_hundred_threads_in_get_still_form_batches() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "5")]);
    producer.send(to_first("warm")).unwrap().get().unwrap();
    cluster.inject(Fault::delay(Api::Produce, Duration::from_millis(20)).always());
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let producer = producer.clone();
            thread::spawn(move || {
                for _ in 0..20 {
                    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let requests = crate::support::produce_requests(&cluster) - 1;
    assert!(2000 / requests >= 10, "{requests} requests for 2000 records");
    assert_eq!(cluster.end_offset("t", 0), Some(2001));
}

/// Behaviour 20.
/// (77)
#[test]
fn flush_sends_what_lingers_and_waits_for_it() {
    let cluster = cluster(3);
    let producer = producer(&cluster, LONG_LINGER);
    let start = Instant::now();
    let futures: Vec<_> = (0..30)
        .map(|number| producer.send(ProducerRecord::new("t", "v").with_partition(number % 3)).unwrap())
        .collect();
    producer.flush().unwrap();
    assert!(start.elapsed() < SOON);
    assert!(futures.iter().all(|future| future.is_done()));
    producer.flush().unwrap();
    assert_eq!(cluster.records("t").len(), 30);
}

/// Behaviour 77.
/// (77)
#[test]
fn flush_waits_out_retries_and_does_not_tell_the_errors_of_records() {
    let cluster = cluster(1);
    let producer = producer(&cluster, LONG_LINGER);
    producer.send(to_first("warm")).unwrap().get().unwrap();
    cluster.fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS, 3);
    let retried = producer.send(to_first("retried")).unwrap();
    producer.flush().unwrap();
    assert!(retried.try_get().unwrap().is_ok());
    cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
    let refused = producer.send(to_first("refused")).unwrap();
    producer.flush().unwrap();
    assert!(refused.try_get().unwrap().is_err());
}

/// Behaviour 77.
/// (77) What is sent after the flush began lies in a batch of its own, and that is not waited for.
#[test]
fn flush_does_not_wait_for_what_is_sent_later() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    for partition in 0..2 {
        producer.send(ProducerRecord::new("t", "v").with_partition(partition)).unwrap().get().unwrap();
    }
    cluster.inject(Fault::delay(Api::Produce, Duration::from_secs(4)).on_partition("t", 0));
    let before = producer.send(to_first("before")).unwrap();
    let flushing = {
        let producer = producer.clone();
        thread::spawn(move || producer.flush())
    };
    wait_until("it is on its way", || crate::support::produce_requests(&cluster) == 3);
    // Nothing shows that the flush has begun: time enough for that, and as much until the answer comes.
    thread::sleep(Duration::from_secs(2));
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).on_partition("t", 1).always());
    let later = producer.send(ProducerRecord::new("t", "later").with_partition(1)).unwrap();
    flushing.join().unwrap().unwrap();
    assert!(before.is_done());
    assert!(!later.is_done());
    cluster.clear_faults();
    later.get_timeout(AGES).unwrap();
}

/// Behaviour 77.
#[test]
fn several_threads_may_flush_at_once() {
    let cluster = cluster(2);
    let producer = producer(&cluster, LONG_LINGER);
    producer.partitions_for("t").unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let producer = producer.clone();
            thread::spawn(move || {
                for _ in 0..20 {
                    let record = ProducerRecord::new("t", "v").with_partition(thread % 2);
                    let future = producer.send(record).unwrap();
                    producer.flush().unwrap();
                    assert!(future.is_done());
                }
            })
        })
        .collect();
    let start = Instant::now();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(start.elapsed() < 2 * SOON);
    assert_eq!(cluster.records("t").len(), 160);
}

#[test]
fn flush_with_nothing_to_do_and_after_close_returns_at_once() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    producer.flush().unwrap();
    send_numbered(&producer, 0..3);
    producer.close().unwrap();
    producer.flush().unwrap();
}

#[test]
fn an_interrupt_ends_get_and_the_future_works_on() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get().unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let future = producer.send(to_first("000001")).unwrap();
    let (handle, waiting) = interruptible({
        let future = future.clone();
        move || (future.get().unwrap_err(), future.get_timeout(AGES))
    });
    wait_until("it is tried", || crate::support::produce_requests(&cluster) >= 3);
    handle.interrupt();
    thread::sleep(Duration::from_millis(20));
    cluster.clear_faults();
    let (error, outcome) = waiting.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.possibly_written() && error.to_string().contains("still under way"), "{error}");
    assert_eq!(outcome.unwrap().offset(), Some(1));
}

/// Behaviour 12.
#[test]
fn an_interrupt_ends_the_wait_for_metadata() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "60000")]);
    let (handle, waiting) = interruptible({
        let producer = producer.clone();
        move || {
            let record = ProducerRecord::new("missing", "mine");
            let send = producer.send(&record).unwrap_err();
            (send, record.into_value().to_owned(), producer.partitions_for("missing").unwrap_err())
        }
    });
    wait_until("it is asked for", || cluster.requests(Api::Metadata) >= 2);
    let start = Instant::now();
    handle.interrupt();
    while !waiting.is_finished() {
        // The second call of the thread may be interrupted as well, before it waits or while it does.
        thread::sleep(Duration::from_millis(10));
        handle.interrupt();
    }
    let (send, kept, partitions) = waiting.join().unwrap();
    assert!(start.elapsed() < SOON);
    assert_eq!((send.kind(), send.topic(), kept.as_str()), (ErrorKind::Interrupted, Some("missing"), "mine"));
    assert_eq!(partitions.kind(), ErrorKind::Interrupted);
}

#[test]
fn an_interrupt_ends_flush_and_close_and_both_may_be_called_again() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("000000")).unwrap().get().unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    let future = producer.send(to_first("000001")).unwrap();
    let (tell, told) = mpsc::channel();
    let (handle, waiting) = interruptible({
        let producer = producer.clone();
        move || {
            tell.send(producer.flush().unwrap_err().kind()).unwrap();
            tell.send(producer.close().unwrap_err().kind()).unwrap();
            tell.send(producer.close_timeout(AGES).unwrap_err().kind()).unwrap();
        }
    });
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(20));
        handle.interrupt();
        assert_eq!(told.recv_timeout(AGES).unwrap(), ErrorKind::Interrupted);
    }
    waiting.join().unwrap();
    assert_eq!(producer.send(to_first("v")).unwrap_err().kind(), ErrorKind::Closed, "it goes on closing");
    assert!(!future.is_done());
    cluster.clear_faults();
    producer.close().unwrap();
    assert_eq!(future.try_get().unwrap().unwrap().offset(), Some(1));
}

#[test]
fn an_interrupt_that_comes_early_ends_the_next_wait_and_only_that() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    let future = producer.send(to_first("v")).unwrap();
    future.get().unwrap();
    InterruptHandle::current().interrupt();
    assert_eq!(future.get().unwrap_err().kind(), ErrorKind::Interrupted);
    future.get().unwrap();
    InterruptHandle::current().interrupt();
    producer.send(to_first("v")).expect("a send that need not wait is not interrupted");
    assert_eq!(producer.flush().unwrap_err().kind(), ErrorKind::Interrupted);
    producer.flush().unwrap();
    producer.close().unwrap();
}
