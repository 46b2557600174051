//! `MockProducer` from several threads: it keeps the real producer's promises, in whatever order they call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use kafka_producer::{
    Error, ErrorKind, MockProducer, Producer, ProducerRecord, RecordFuture, StringSerializer,
};

type Mock = MockProducer<str, str>;

const AGES: Duration = Duration::from_secs(30);

fn mock(auto_complete: bool) -> Mock {
    let builder = MockProducer::builder(StringSerializer, StringSerializer).topic("t", 2);
    builder.auto_complete(auto_complete).build()
}

fn to(partition: i32, value: &str) -> ProducerRecord<kafka_producer::NoKey, kafka_producer::Value<String>> {
    ProducerRecord::new("t", value.to_owned()).with_partition(partition)
}

/// A mock with one record whose callback another thread is running, until the sender here is dropped.
fn in_a_callback(mock: &Mock) -> (mpsc::Sender<()>, thread::JoinHandle<bool>, RecordFuture) {
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let slow = move |_| {
        tell.send(()).unwrap();
        wait.recv_timeout(AGES).unwrap_err();
    };
    let future = mock.send_with_callback(to(0, "slow"), slow).unwrap();
    let completing = thread::spawn({
        let mock = mock.clone();
        move || mock.complete_next()
    });
    told.recv_timeout(AGES).unwrap();
    (go_on, completing, future)
}

/// Fault E7.
#[test]
fn flush_and_close_wait_for_the_callback_that_another_thread_runs() {
    for closes in [false, true] {
        let mock = mock(false);
        let (go_on, completing, future) = in_a_callback(&mock);
        assert_eq!((mock.outstanding(), future.is_done()), (1, false), "its callback has not returned");
        let over = Arc::new(AtomicBool::new(false));
        let waiting = thread::spawn({
            let (mock, over) = (mock.clone(), Arc::clone(&over));
            move || {
                if closes {
                    mock.close().unwrap()
                } else {
                    mock.flush().unwrap()
                }
                over.store(true, Ordering::Relaxed);
            }
        });
        thread::sleep(Duration::from_millis(50));
        assert!(!over.load(Ordering::Relaxed), "closes: {closes}");
        drop(go_on);
        waiting.join().unwrap();
        assert!(completing.join().unwrap() && future.is_done() && mock.outstanding() == 0);
    }
}

/// Faults E7, A6.
#[test]
fn close_timeout_does_not_wait_longer_than_it_may() {
    let mock = mock(false);
    let (go_on, completing, future) = in_a_callback(&mock);
    mock.send(to(0, "behind")).unwrap();
    let report = mock.close_timeout(Duration::from_millis(50)).unwrap();
    assert_eq!((report.unanswered, report.callback_running), (2, true), "{report:?}");
    drop(go_on);
    assert!(completing.join().unwrap() && future.is_done());
    let report = mock.close_timeout(AGES).unwrap();
    assert_eq!((report.unanswered, report.callback_running), (0, false), "{report:?}");
}

/// Fault E7.
#[test]
fn a_record_that_is_sent_in_a_callback_is_answered_whichever_thread_runs_that() {
    let mock = mock(true);
    let (tell, told) = mpsc::channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (mock, tell) = (mock.clone(), tell.clone());
            thread::spawn(move || {
                for _ in 0..200 {
                    let (again, tell) = (mock.clone(), tell.clone());
                    let callback = move |_| tell.send(again.send(to(1, "second")).unwrap()).unwrap();
                    mock.send_with_callback(to(0, "first"), callback).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(tell);
    for future in told {
        future.get_timeout(AGES).unwrap();
    }
    assert_eq!(mock.outstanding(), 0);
}

/// What one thread has sent, with how often each callback was called.
type Sent = Vec<(i32, RecordFuture, Arc<AtomicUsize>)>;

/// The values that were accepted, in the order in which their callbacks ran.
type Order = Arc<Mutex<Vec<(i32, i64)>>>;

fn step(mock: &Mock, random: &mut fastrand::Rng, sent: &mut Sent, order: &Order) -> bool {
    match random.u8(..12) {
        0 => drop(mock.complete_next()),
        1 => drop(mock.error_next(Error::new(ErrorKind::Timeout, "on purpose"))),
        2 => {
            let before: Vec<_> = sent.iter().map(|(_, future, _)| future.clone()).collect();
            if mock.flush().is_ok() {
                assert!(before.iter().all(RecordFuture::is_done), "flushed");
            }
        }
        3 => thread::yield_now(),
        _ => {
            let (partition, called) = (random.i32(..2), Arc::new(AtomicUsize::new(0)));
            let (counted, again, order) = (Arc::clone(&called), mock.clone(), Arc::clone(order));
            let sends_again = random.u8(..4) == 0;
            let callback = move |outcome: Result<kafka_producer::RecordMetadata, Error>| {
                counted.fetch_add(1, Ordering::Relaxed);
                if let Ok(metadata) = outcome {
                    order.lock().unwrap().push((partition, metadata.offset().unwrap()));
                }
                if sends_again {
                    let _ = again.send(to(partition, "again"));
                    assert_eq!(again.flush().unwrap_err().kind(), ErrorKind::IllegalState);
                }
            };
            match mock.send_with_callback(to(partition, "v"), callback) {
                Ok(future) => sent.push((partition, future, called)),
                Err(error) => return error.kind() != ErrorKind::Closed,
            }
        }
    }
    true
}

fn storm(seed: u64) {
    let mock = mock(seed.is_multiple_of(2));
    let order = Order::default();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (mock, order) = (mock.clone(), Arc::clone(&order));
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed * 10 + thread);
                let mut sent = Sent::new();
                for _ in 0..60 {
                    if !step(&mock, &mut random, &mut sent, &order) {
                        break;
                    }
                }
                if random.bool() {
                    mock.close().unwrap();
                    assert!(sent.iter().all(|(_, future, _)| future.is_done()), "seed {seed}: closed");
                }
                sent
            })
        })
        .collect();
    let all: Vec<Sent> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    mock.close().unwrap();
    assert_eq!(mock.outstanding(), 0, "seed {seed}");
    for sent in all {
        let mut last = [-1; 2];
        for (partition, future, called) in sent {
            let outcome = future.try_get().unwrap_or_else(|| panic!("seed {seed}: not answered"));
            assert_eq!(called.load(Ordering::Relaxed), 1, "seed {seed}");
            if let Ok(metadata) = outcome {
                let (offset, last) = (metadata.offset().unwrap(), &mut last[partition as usize]);
                assert!(offset > *last, "seed {seed}: accepted later and at an earlier offset");
                *last = offset;
            }
        }
    }
    for partition in 0..2 {
        let order = order.lock().unwrap();
        let told: Vec<i64> = order.iter().filter(|told| told.0 == partition).map(|told| told.1).collect();
        assert!(told.is_sorted(), "seed {seed}: callbacks run in the order of the log: {told:?}");
    }
}

/// Fault E7.
#[test]
fn whatever_threads_do_each_record_is_answered_once_and_in_order() {
    (0..100).for_each(storm);
}

/// Fault E7.
#[test]
fn times_without_end_are_no_panic() {
    let mock = mock(false);
    let future = mock.send(to(0, "v")).unwrap();
    let report = mock.close_timeout(Duration::MAX).unwrap();
    assert_eq!((report.delivered, report.unanswered), (1, 0));
    future.get_timeout(Duration::MAX).unwrap();
}
