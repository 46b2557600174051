//! `close` and `drop`: every accepted record is answered, every other `send` gets `Closed` and its record back.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    AGES, SOON, TextProducer, assert_holds_exactly, cluster, producer, send_numbered, to_first, values,
    wait_until,
};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{
    Cluster, ErrorKind, Headers, InterruptHandle, KafkaProducer, PartitionRequest, Partitioner,
    PartitionerError, ProducerRecord, RecordFuture, Serializer, SerializerError,
};

/// Behaviours 20, 79.
#[test]
fn close_sends_what_lingers_and_tells_how_much_was_delivered() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let futures = send_numbered(&producer, 0..10);
    let start = Instant::now();
    let report = producer.close_timeout(AGES).unwrap();
    assert!(start.elapsed() < SOON, "the linger was not waited out");
    assert_eq!((report.delivered, report.failed, report.abandoned), (10, 0, 0));
    assert!(futures.iter().all(|future| future.try_get().unwrap().is_ok()));
    assert_holds_exactly(&cluster, 10);
    let again = producer.close_timeout(AGES).unwrap();
    assert_eq!(again, kafka_producer::CloseReport::default(), "closing twice is fine");
    producer.close().unwrap();
}

/// Behaviours 1, 4.
/// (4)
#[test]
fn a_closed_producer_refuses_everything_and_hands_the_record_back() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    producer.close().unwrap();
    let record = to_first("mine");
    let error = producer.send(&record).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(record.into_value(), "mine");
    assert_eq!(producer.try_send(to_first("mine")).unwrap_err().kind(), ErrorKind::Closed);
    let called = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&called);
    let refused = producer.send_with_callback(to_first("mine"), move |_| flag.store(true, Ordering::SeqCst));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!called.load(Ordering::SeqCst), "the callback of a refused record is not called");
    assert_eq!(producer.partitions_for("t").unwrap_err().kind(), ErrorKind::Closed);
    producer.flush().unwrap();
}

/// Eight threads send as fast as they can while the producer is closed: each record is either answered or refused.
fn close_while_others_send(partitions: i32, round: usize) {
    let cluster = cluster(partitions);
    let settings = &[("batch.size", "500"), ("buffer.memory", "20000"), ("linger.ms", "1")];
    let producer = producer(&cluster, settings);
    let accepted = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (producer, accepted) = (producer.clone(), Arc::clone(&accepted));
            thread::spawn(move || {
                let mut futures = Vec::new();
                for number in 0.. {
                    let value = format!("{thread}/{number}");
                    let record = ProducerRecord::new("t", value.clone()).with_partition(number % partitions);
                    match producer.send(&record) {
                        Ok(future) => futures.push(future),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                            assert_eq!(record.into_value(), value);
                            break;
                        }
                    }
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                futures
            })
        })
        .collect();
    // At other moments in other rounds: before anything is known, or in the middle of it.
    let enough = [0, 1, 20, 400][round % 4];
    wait_until("some records", || accepted.load(Ordering::Relaxed) >= enough);
    producer.close().unwrap();
    let futures: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    for future in &futures {
        future.try_get().expect("close has returned: everything is answered").unwrap();
    }
    assert_eq!(cluster.records("t").len(), futures.len());
}

#[test]
fn close_while_others_send_answers_every_accepted_record() {
    (0..40).for_each(|round| close_while_others_send(3, round));
}

#[test]
fn several_threads_may_close_at_once() {
    let cluster = cluster(1);
    cluster.delay(Api::Produce, Duration::from_millis(100), 1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let futures = send_numbered(&producer, 0..10);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let producer = producer.clone();
            thread::spawn(move || producer.close())
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
        assert!(futures.iter().all(|future| future.is_done()), "no close returns before the answers");
    }
}

/// Behaviour 80.
/// (80)
#[test]
fn a_time_out_of_zero_fails_the_rest_at_once_and_counts_it() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::drop_answer(Api::Produce).on_partition("t", 0));
    let sent = send_numbered(&producer, 0..3);
    let getter = sent[0].clone();
    let waiting = thread::spawn(move || getter.get());
    wait_until("it is on its way", || crate::support::produce_requests(&cluster) == 2);
    let lingering = producer.send(ProducerRecord::new("t", "x").with_partition(1)).unwrap();
    let start = Instant::now();
    let report = producer.close_timeout(Duration::ZERO).unwrap();
    assert!(start.elapsed() < SOON);
    assert_eq!((report.delivered, report.failed, report.abandoned), (0, 0, 4));
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(error.possibly_written(), "it was sent: {error}");
    assert_eq!((error.topic(), error.partition()), (Some("t"), Some(0)));
    let error = lingering.try_get().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!error.possibly_written(), "it never left: {error}");
    assert_eq!(values(&cluster, "t", 1), Vec::<String>::new());
}

/// Behaviour 80.
#[test]
fn a_limited_close_delivers_what_it_can_and_counts_the_rest() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).on_partition("t", 0).always());
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_partition("t", 1));
    send_numbered(&producer, 0..3);
    producer.send(ProducerRecord::new("t", "x").with_partition(1)).unwrap();
    let start = Instant::now();
    // Long enough for the refusal to come on any machine.
    let report = producer.close_timeout(Duration::from_secs(3)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(2_990));
    assert_eq!((report.delivered, report.failed, report.abandoned), (0, 1, 3));
}

/// What is given up is told in the log as well: who ignores the report has a trace of it.
#[test]
fn a_limited_close_that_gives_up_is_a_warning_and_one_that_does_not_is_none() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    crate::support::logged::listen(log::LevelFilter::Warn, |record| {
        TOLD.lock().unwrap().push(record.args().to_string());
    });
    let given_up = |count: usize| {
        let cluster = cluster(1);
        let producer = producer(&cluster, &[("linger.ms", "10000")]);
        producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::drop_answer(Api::Produce).always());
        send_numbered(&producer, 0..count);
        // A time that no other test here has.
        producer.close_timeout(Duration::from_millis(123)).unwrap();
        let is_it = |line: &String| line.starts_with("close: ") && line.ends_with("within 123 ms");
        TOLD.lock().unwrap().drain(..).filter(is_it).collect::<Vec<_>>()
    };
    assert_eq!(given_up(1), ["close: 1 record given up, not acknowledged within 123 ms"]);
    assert_eq!(given_up(3), ["close: 3 records given up, not acknowledged within 123 ms"]);
    assert_eq!(given_up(0), [""; 0]);
}

/// Behaviour 4.
#[test]
fn close_ends_the_waits_of_others() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.block.ms", "60000")]);
    let waiting = {
        let producer = producer.clone();
        thread::spawn(move || producer.send(ProducerRecord::new("no-such-topic", "v")).unwrap_err())
    };
    wait_until("it is asked for", || cluster.requests(Api::Metadata) >= 2);
    let start = Instant::now();
    producer.close().unwrap();
    let error = waiting.join().unwrap();
    assert!(start.elapsed() < SOON);
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

/// Nobody answers any more: close returns within delivery.timeout.ms and each future has its error. It does not wait
/// for the next attempt to reach a broker.
#[test]
fn close_without_a_reachable_broker_ends_within_the_delivery_time_out() {
    let cluster = cluster(1);
    let settings = &[
        // Nothing expires before close is called.
        ("delivery.timeout.ms", "3000"),
        ("request.timeout.ms", "2500"),
        ("linger.ms", "100"),
        ("reconnect.backoff.ms", "60000"),
        ("reconnect.backoff.max.ms", "60000"),
    ];
    let producer = producer(&cluster, settings);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    let futures = send_numbered(&producer, 0..20);
    let start = Instant::now();
    let report = producer.close_timeout(AGES).unwrap();
    assert!(start.elapsed() < Duration::from_millis(3_000) + SOON);
    assert_eq!((report.delivered, report.failed, report.abandoned), (0, 20, 0));
    for future in futures {
        let error = future.try_get().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
}

#[test]
fn dropping_the_last_handle_delivers() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let other = producer.clone();
    send_numbered(&producer, 0..10);
    drop(producer);
    assert_eq!(cluster.end_offset("t", 0), Some(0), "another handle is there");
    let start = Instant::now();
    drop(other);
    assert!(start.elapsed() < SOON);
    assert_holds_exactly(&cluster, 10);
}

/// Destructors of thread-local values run in no order that a program chooses: what the client keeps for the thread may be
/// gone already.
#[test]
fn the_last_handle_may_live_in_a_thread_local_value() {
    struct Kept(TextProducer);
    impl Drop for Kept {
        fn drop(&mut self) {
            drop(InterruptHandle::current());
            self.0.send(to_first("000001")).unwrap().get_timeout(AGES).unwrap();
            self.0.send(to_first("000002")).unwrap();
        }
    }
    thread_local! {
        static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
    }
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let thread = thread::spawn(move || {
        KEPT.set(Some(Kept(producer)));
        // First used after the other one, and therefore gone before it.
        let _handle = InterruptHandle::current();
        KEPT.with_borrow(|kept| kept.as_ref().unwrap().0.send(to_first("000000")).map(drop)).unwrap();
    });
    thread.join().unwrap();
    assert_holds_exactly(&cluster, 3);
}

#[test]
fn the_last_handle_may_be_dropped_in_a_callback_and_nothing_is_lost() {
    let cluster = cluster(1);
    cluster.delay(Api::Produce, Duration::from_millis(20), 100);
    let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "200")]);
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    producer
        .send_with_callback(to_first("000000"), move |outcome| {
            drop(handle);
            tell.send(outcome.is_ok()).unwrap();
        })
        .unwrap();
    let futures = send_numbered(&producer, 1..100);
    drop(producer); // not the last one: that is in the callback
    assert!(told.recv_timeout(AGES).unwrap());
    for future in futures {
        future.get_timeout(AGES).expect("a drop waits for what was accepted, wherever it happens");
    }
    assert_holds_exactly(&cluster, 100);
}

/// Behaviour 81.
/// (81)
#[test]
fn close_in_a_callback_does_not_wait() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    let first = producer
        .send_with_callback(to_first("first"), move |_| {
            let second = handle.send(to_first("second")).unwrap();
            tell.send((handle.close(), second)).unwrap();
        })
        .unwrap();
    first.get_timeout(AGES).unwrap();
    let (closed, second) = told.recv_timeout(AGES).unwrap();
    closed.unwrap();
    assert_eq!(second.get_timeout(AGES).unwrap_err().kind(), ErrorKind::Closed);
    producer.close().unwrap();
}

#[test]
fn futures_outlive_the_producer() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let future = producer.send(to_first("000000")).unwrap();
    drop(producer);
    drop(cluster);
    assert_eq!(future.get().unwrap().offset(), Some(0));
    assert_eq!(future.get().unwrap().offset(), Some(0));
}

/// A first batch that is opened by one thread is waited for by a flush of another that appended to it.
#[test]
fn flush_waits_for_the_very_first_records_of_a_partition() {
    for _ in 0..30 {
        let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
        let producer = producer(&cluster, &[("linger.ms", "10000")]);
        producer.partitions_for("t").unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let producer = producer.clone();
                thread::spawn(move || {
                    let future = producer.send(to_first("v")).unwrap();
                    producer.flush().unwrap();
                    assert!(future.is_done(), "flushed");
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Tells when it is closed.
struct Told {
    name: &'static str,
    closed: mpsc::Sender<(&'static str, bool)>,
    future: Arc<OnceLock<RecordFuture>>,
}

impl Told {
    fn close(&self) {
        let answered = self.future.get().is_some_and(RecordFuture::is_done);
        self.closed.send((self.name, answered)).unwrap();
        assert_ne!(self.name, "key", "a part that panics harms no other");
    }
}

impl Serializer<str> for Told {
    fn serialize<'a>(
        &'a self,
        _: &str,
        _: &mut Headers,
        data: &'a str,
        _: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        Ok(Some(data.as_bytes()))
    }

    fn close(&self) {
        Told::close(self);
    }
}

impl Partitioner for Told {
    fn partition(&self, _: &PartitionRequest<'_>, _: &Cluster) -> Result<i32, PartitionerError> {
        Ok(0)
    }

    fn close(&self) {
        Told::close(self);
    }
}

/// Behaviour 82.
#[test]
fn serializers_and_partitioner_are_closed_once_after_the_last_answer() {
    let cluster = cluster(1);
    let (closed, told) = mpsc::channel();
    let future = Arc::new(OnceLock::new());
    let part = |name| Told { name, closed: closed.clone(), future: Arc::clone(&future) };
    let settings = crate::support::config(&cluster.bootstrap_servers(), &[("linger.ms", "10000")]);
    let builder = KafkaProducer::<str, str>::builder(settings);
    let builder = builder.key_serializer(part("key")).value_serializer(part("value"));
    let producer = builder.partitioner(part("partitioner")).build().unwrap();
    future.set(producer.send(to_first("000000").with_key("k")).unwrap()).unwrap();
    assert!(told.try_recv().is_err(), "not before close");
    producer.close().unwrap();
    let all: Vec<_> = told.try_iter().collect();
    assert_eq!(all, [("key", true), ("value", true), ("partitioner", true)]);
    producer.close().unwrap();
    drop(producer);
    assert!(told.try_recv().is_err(), "only once");
}

/// Fault A6.
#[test]
fn close_timeout_returns_in_time_whatever_a_callback_does_and_says_what_is_left() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    producer
        .send_with_callback(to_first("000000"), move |_| {
            tell.send(()).unwrap();
            wait.recv_timeout(AGES).unwrap_err();
        })
        .unwrap();
    let same_batch = send_numbered(&producer, 1..5);
    let flushing = thread::spawn({
        let producer = producer.clone();
        move || producer.flush()
    });
    told.recv_timeout(AGES).unwrap();
    let later = send_numbered(&producer, 5..8);
    for timeout in [300, 0, 100].map(Duration::from_millis) {
        let begun = Instant::now();
        let report = producer.close_timeout(timeout).unwrap();
        let took = begun.elapsed();
        assert!(took < timeout + SOON, "{timeout:?}, and it took {took:?}");
        assert_eq!((report.unanswered, report.callback_running), (8, true), "{report:?}");
    }
    assert!(!same_batch[0].is_done());
    drop(go_on);
    flushing.join().unwrap().unwrap();
    same_batch.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
    // The time was over for these long before the callback had returned.
    for future in later {
        assert_eq!(future.get_timeout(AGES).unwrap_err().kind(), ErrorKind::Closed);
    }
    let report = producer.close_timeout(AGES).unwrap();
    assert_eq!((report.unanswered, report.callback_running), (0, false));
}

/// Counts on which records it has been told, and how often it was closed, and whether that was early.
struct Watching {
    told: Arc<AtomicUsize>,
    early: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    takes: Duration,
    expects: usize,
}

impl kafka_producer::ProducerInterceptor<str, str> for Watching {
    fn on_acknowledgement(
        &self,
        _: &kafka_producer::Acknowledgement<'_>,
    ) -> Result<(), kafka_producer::InterceptorError> {
        self.told.fetch_add(1, Ordering::Relaxed);
        if self.closed.load(Ordering::Relaxed) > 0 {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn close(&self) {
        if self.told.load(Ordering::Relaxed) != self.expects {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(self.takes);
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Told, early, closed.
type Watched = [Arc<AtomicUsize>; 3];

fn watched(cluster: &EmbeddedCluster, takes: Duration, expects: usize) -> (TextProducer, Watched) {
    let all: Watched = Default::default();
    let [told, early, closed] = all.clone();
    let settings =
        crate::support::config(&cluster.bootstrap_servers(), &[("linger.ms", "0"), ("batch.size", "200")]);
    let watching = Watching { told, early, closed, takes, expects };
    (KafkaProducer::builder(settings).interceptor(watching).build().unwrap(), all)
}

/// Fault E6.
#[test]
fn every_close_waits_until_the_parts_are_closed_once() {
    let cluster = cluster(1);
    let (producer, [_, early, closed]) = watched(&cluster, Duration::from_millis(300), 100);
    send_numbered(&producer, 0..100);
    let closing: Vec<_> = (0..4)
        .map(|number| {
            let (producer, closed) = (producer.clone(), Arc::clone(&closed));
            thread::spawn(move || {
                if number % 2 == 0 {
                    producer.close().unwrap();
                } else {
                    producer.close_timeout(AGES).unwrap();
                }
                closed.load(Ordering::Relaxed)
            })
        })
        .collect();
    for thread in closing {
        assert_eq!(thread.join().unwrap(), 1);
    }
    producer.close().unwrap();
    drop(producer);
    assert_eq!((early.load(Ordering::Relaxed), closed.load(Ordering::Relaxed)), (0, 1));
    assert_holds_exactly(&cluster, 100);
}

/// Fault E6.
#[test]
fn parts_are_closed_after_the_last_answer_also_where_the_last_handle_goes_in_a_callback() {
    let cluster = cluster(1);
    cluster.delay(Api::Produce, Duration::from_millis(20), 100);
    let (producer, [told, early, closed]) = watched(&cluster, Duration::ZERO, 100);
    producer.partitions_for("t").unwrap();
    let (sending, handle) = (producer.clone(), producer.clone());
    let (go, gone) = mpsc::channel::<()>();
    producer
        .send_with_callback(to_first("000000"), move |_| {
            gone.recv().unwrap_err();
            drop(handle);
        })
        .unwrap();
    let futures = send_numbered(&sending, 1..100);
    drop(sending);
    drop(producer);
    drop(go);
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    wait_until("the parts are closed", || closed.load(Ordering::Relaxed) > 0);
    let seen = [&told, &early, &closed].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(seen, [100, 0, 1]);
    assert_holds_exactly(&cluster, 100);
}

/// It has another producer, to which it sends, and that is closed when it is.
struct Forwarding(Arc<OnceLock<TextProducer>>);

impl kafka_producer::ProducerInterceptor<str, str> for Forwarding {
    fn on_acknowledgement(
        &self,
        _: &kafka_producer::Acknowledgement<'_>,
    ) -> Result<(), kafka_producer::InterceptorError> {
        self.0.get().unwrap().send(to_first("seen"))?;
        Ok(())
    }

    fn close(&self) {
        self.0.get().unwrap().close().unwrap();
    }
}

/// Fault E6.
#[test]
fn what_an_interceptor_closes_at_its_end_may_be_waited_for() {
    let (cluster, audit) = (cluster(1), EmbeddedCluster::builder().topic("t", 1).start().unwrap());
    let other = producer(&audit, &[("linger.ms", "10000")]);
    other.partitions_for("t").unwrap();
    let slot = Arc::new(OnceLock::new());
    let _ = slot.set(other);
    let settings = crate::support::config(&cluster.bootstrap_servers(), &[]);
    let producer = KafkaProducer::<str, str>::builder(settings).interceptor(Forwarding(Arc::clone(&slot)));
    let producer = producer.build().unwrap();
    send_numbered(&producer, 0..10);
    producer.close().unwrap();
    assert_eq!(values(&audit, "t", 0).len(), 10, "the other one's close has waited");
}
