//! `MockProducer`, as a unit test of somebody's program uses it; and that it chooses, serializes and refuses as the
//! real producer does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{AGES, config};
use kafka_embedded::EmbeddedCluster;
use kafka_producer::{
    Cluster, Error, ErrorCode, ErrorKind, Headers, KafkaProducer, MockProducer, PartitionRequest,
    Partitioner, PartitionerError, Producer, ProducerRecord, RecordFuture, RoundRobinPartitioner, SentRecord,
    Serializer, SerializerError, StringSerializer, serialize_with,
};

type TextMock = MockProducer<str, str>;

/// Acknowledges by itself; topic `t` has 6 partitions.
fn mock() -> TextMock {
    MockProducer::builder(StringSerializer, StringSerializer).topic("t", 6).build()
}

/// Leaves the outcomes to the test; topic `t` has 6 partitions.
fn manual() -> TextMock {
    MockProducer::builder(StringSerializer, StringSerializer).topic("t", 6).auto_complete(false).build()
}

/// Sends to partition 0 of `t`.
fn send(producer: &TextMock, value: &str) -> RecordFuture {
    producer.send(ProducerRecord::new("t", value).with_partition(0)).unwrap()
}

fn values(producer: &TextMock) -> Vec<String> {
    producer.history().iter().map(|sent| sent.value().unwrap().to_owned()).collect()
}

fn error_of(future: &RecordFuture) -> Error {
    future.try_get().expect("an outcome").unwrap_err()
}

// ---- the program under test ----

#[derive(Debug, Clone, PartialEq)]
struct Order {
    customer: String,
    item: String,
}

fn order(item: &str) -> Order {
    Order { customer: "customer-7".into(), item: item.into() }
}

struct Shop<P> {
    producer: P,
    failed: Arc<AtomicU32>,
}

impl<P: Producer<str, Order>> Shop<P> {
    fn new(producer: P) -> Self {
        Shop { producer, failed: Arc::default() }
    }

    fn place(&self, order: &Order) -> Result<(), Error> {
        let failed = Arc::clone(&self.failed);
        let record = ProducerRecord::new("orders", order).with_key(order.customer.as_str());
        self.producer.send_with_callback(record, move |outcome| {
            failed.fetch_add(u32::from(outcome.is_err()), Ordering::Relaxed);
        })?;
        Ok(())
    }
}

fn order_serializer() -> impl Serializer<Order> {
    serialize_with(|order: &Order, out: &mut Vec<u8>| {
        if order.item.is_empty() {
            return Err("an order of nothing");
        }
        out.extend_from_slice(order.item.as_bytes());
        Ok(())
    })
}

fn order_mock() -> MockProducer<str, Order> {
    MockProducer::builder(StringSerializer, order_serializer()).topic("orders", 6).build()
}

// ---- the trait ----

#[test]
fn a_program_takes_the_mock_and_the_real_producer_by_value_reference_and_arc() {
    let mock = order_mock();
    Shop::new(mock.clone()).place(&order("by value")).unwrap();
    Shop::new(&mock).place(&order("by reference")).unwrap();
    Shop::new(Arc::new(mock.clone())).place(&order("shared")).unwrap();
    assert_eq!(mock.history().len(), 3);

    let cluster = EmbeddedCluster::builder().topic("orders", 6).start().unwrap();
    let config = config(&cluster.bootstrap_servers(), &[]);
    let real = KafkaProducer::with_serializers(config, StringSerializer, order_serializer()).unwrap();
    Shop::new(real.clone()).place(&order("by value")).unwrap();
    Shop::new(&real).place(&order("by reference")).unwrap();
    Shop::new(Arc::new(real.clone())).place(&order("shared")).unwrap();
    real.close().unwrap();
    let items = |sent: &SentRecord<str, Order>| sent.serialized_value().map(<[u8]>::to_vec);
    let sent: Vec<_> = mock.history().iter().map(items).collect();
    let written: Vec<_> = cluster.records("orders").into_iter().map(|record| record.value).collect();
    assert_eq!(sent, written);
}

/// Every call of the trait, as generic code makes them.
fn all_calls(producer: &impl Producer<str, str>) -> Vec<String> {
    let (tell, told) = mpsc::channel();
    let first = producer.send(ProducerRecord::new("t", "1").with_key("a")).unwrap().get().unwrap();
    let record = ProducerRecord::new("t", "2").with_key("a");
    producer.send_with_callback(record, move |outcome| tell.send(outcome.unwrap()).unwrap()).unwrap();
    producer.flush().unwrap();
    let second = told.recv_timeout(AGES).unwrap();
    let third = producer.try_send(ProducerRecord::new("t", "3").with_key("a")).unwrap().get().unwrap();
    let partitions = producer.partitions_for("t").unwrap().len();
    let report = producer.close_timeout(AGES).unwrap();
    producer.close().unwrap();
    let refused = producer.send(ProducerRecord::new("t", "4")).unwrap_err();
    vec![
        first.to_string(),
        second.to_string(),
        third.to_string(),
        partitions.to_string(),
        format!("{report:?}"),
        format!("{:?}", refused),
    ]
}

#[test]
fn generic_code_sees_no_difference() {
    let cluster = crate::support::cluster(6);
    let of_the_real_one = all_calls(&crate::support::producer(&cluster, &[]));
    assert_eq!(all_calls(&mock()), of_the_real_one);
    assert_eq!(all_calls(&&mock()), of_the_real_one);
    assert_eq!(all_calls(&Arc::new(mock())), of_the_real_one);
}

// ---- outcomes ----

#[test]
fn each_send_succeeds_at_once_and_offsets_count_up_per_partition() {
    let producer = mock();
    let places = [("t", 0), ("t", 1), ("t", 0), ("u", 0), ("t", 1), ("t", 0)];
    let told: Vec<String> = places
        .iter()
        .map(|(topic, partition)| {
            let record = ProducerRecord::new(*topic, "v").with_partition(*partition);
            let future = producer.send(record).unwrap();
            assert!(future.is_done());
            future.try_get().unwrap().unwrap().to_string()
        })
        .collect();
    assert_eq!(told, ["t-0@0", "t-1@0", "t-0@1", "u-0@0", "t-1@1", "t-0@2"]);
    assert_eq!(producer.outstanding(), 0);
    assert!(
        !producer.complete_next() && !producer.error_next(Error::new(ErrorKind::Timeout, "nothing there"))
    );
}

#[test]
fn the_metadata_tells_time_and_sizes_as_the_real_producers_does() {
    let producer = mock();
    let record = ProducerRecord::new("t", "värde").with_key("").with_timestamp(1_234);
    let metadata = producer.send(record).unwrap().get().unwrap();
    assert_eq!(metadata.timestamp(), Some(1_234));
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (Some(0), Some(6)));
    let metadata = producer.send(ProducerRecord::tombstone("t", "k")).unwrap().get().unwrap();
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (Some(1), None));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((now - metadata.timestamp().unwrap()).abs() < 60_000, "the time of send");
    assert_eq!(Some(producer.history()[1].timestamp()), metadata.timestamp());
}

#[test]
fn outcomes_left_to_the_test_come_in_the_order_of_send_and_an_error_takes_no_offset() {
    let producer = manual();
    let futures: Vec<_> = ["a", "b", "c"].map(|value| send(&producer, value)).into();
    assert_eq!((producer.outstanding(), values(&producer).len()), (3, 3), "accepted is in the history");
    assert!(futures.iter().all(|future| !future.is_done() && future.try_get().is_none()));

    assert!(producer.complete_next());
    assert_eq!(futures[0].get().unwrap().to_string(), "t-0@0");
    assert!(!futures[1].is_done());

    let error = Error::from_code(ErrorCode::NOT_ENOUGH_REPLICAS, None).with_possibly_written(true);
    assert!(producer.error_next(error));
    let error = futures[1].get().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Broker, Some(ErrorCode::NOT_ENOUGH_REPLICAS)));
    assert_eq!((error.topic(), error.partition()), (Some("t"), Some(0)), "the place is added");
    assert!(error.is_retriable() && error.possibly_written());

    assert!(producer.complete_next());
    assert_eq!(futures[2].get().unwrap().to_string(), "t-0@1");
    assert!(!producer.complete_next());
    assert_eq!(values(&producer), ["a", "b", "c"]);
}

#[test]
fn flush_acknowledges_what_is_outstanding() {
    let producer = manual();
    let futures = ["a", "b"].map(|value| send(&producer, value));
    producer.flush().unwrap();
    assert_eq!(producer.outstanding(), 0);
    assert_eq!(futures.map(|future| future.get().unwrap().offset()), [Some(0), Some(1)]);
}

#[test]
fn flush_does_not_wait_for_what_callbacks_send_meanwhile() {
    let producer = manual();
    let again = producer.clone();
    let record = ProducerRecord::new("t", "first").with_partition(0);
    producer.send_with_callback(record, move |_| drop(send(&again, "second"))).unwrap();
    producer.flush().unwrap();
    assert_eq!((values(&producer).len(), producer.outstanding()), (2, 1));
}

#[test]
fn get_waits_for_another_thread_to_complete() {
    let producer = manual();
    let future = send(&producer, "v");
    let error = future.get_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let waiting = thread::spawn({
        let future = future.clone();
        move || future.get()
    });
    thread::sleep(Duration::from_millis(20));
    assert!(!waiting.is_finished());
    assert!(producer.complete_next());
    assert_eq!(waiting.join().unwrap().unwrap().offset(), Some(0));
}

#[test]
fn an_interrupt_ends_the_wait_for_an_outcome() {
    let producer = manual();
    let future = send(&producer, "v");
    let (handle, waiting) = crate::support::interruptible({
        let future = future.clone();
        move || future.get()
    });
    handle.interrupt();
    assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(producer.complete_next());
    assert_eq!(future.get().unwrap().offset(), Some(0), "it was not withdrawn");
}

// ---- callbacks ----

#[test]
fn callbacks_run_on_the_thread_that_completes_and_before_get_returns() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = |value: &'static str| ProducerRecord::new("t", value).with_partition(0);
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |outcome: Result<_, Error>| {
            seen.lock().unwrap().push((name, outcome.is_ok(), thread::current().id()));
        }
    };
    let here = thread::current().id();
    mock().send_with_callback(record("1"), note("at once")).unwrap();
    assert_eq!(seen.lock().unwrap().pop(), Some(("at once", true, here)));

    let producer = manual();
    for name in ["complete_next", "error_next", "flush"] {
        producer.send_with_callback(record("2"), note(name)).unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
    let there = thread::scope(|scope| {
        let completing = scope.spawn(|| {
            producer.complete_next();
            producer.error_next(Error::new(ErrorKind::Timeout, "too late"));
            thread::current().id()
        });
        completing.join().unwrap()
    });
    producer.flush().unwrap();
    let expected = [("complete_next", true, there), ("error_next", false, there), ("flush", true, here)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn a_callback_may_send_and_what_it_sends_is_completed_after_it() {
    let producer = mock();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (again, notes) = (producer.clone(), Arc::clone(&order));
    let record = |value: &'static str| ProducerRecord::new("t", value).with_partition(0);
    let callback = move |outcome: Result<_, Error>| {
        notes.lock().unwrap().push("first begins");
        let inner = Arc::clone(&notes);
        let future = again
            .send_with_callback(record("second"), move |_| inner.lock().unwrap().push("second"))
            .unwrap();
        assert!(outcome.is_ok() && !future.is_done());
        notes.lock().unwrap().push("first ends");
    };
    producer.send_with_callback(record("first"), callback).unwrap();
    assert_eq!(*order.lock().unwrap(), ["first begins", "first ends", "second"]);
    assert_eq!((values(&producer), producer.outstanding()), (vec!["first".into(), "second".into()], 0));
}

#[test]
fn what_would_wait_for_itself_in_a_callback_is_an_error_and_close_does_not_wait() {
    let producer = manual();
    let (tell, told) = mpsc::channel();
    let (inside, later) = (producer.clone(), send(&producer, "before"));
    let record = ProducerRecord::new("t", "v").with_partition(0);
    let callback = move |_: Result<_, Error>| {
        let flush = inside.flush().unwrap_err().kind();
        let partitions = inside.partitions_for("t").unwrap_err().kind();
        let last = send(&inside, "in the callback");
        let get = last.get().unwrap_err().kind();
        let report = inside.close_timeout(AGES).unwrap();
        tell.send(([flush, partitions, get], report.abandoned, last)).unwrap();
    };
    producer.send_with_callback(record, callback).unwrap();
    assert!(producer.complete_next() && later.is_done());
    assert!(producer.complete_next());
    let (kinds, abandoned, last) = told.recv().unwrap();
    assert_eq!((kinds, abandoned), ([ErrorKind::IllegalState; 3], 1));
    assert_eq!(error_of(&last).kind(), ErrorKind::Closed, "when the callback has returned");
    producer.partitions_for("t").unwrap_err();
    assert!(producer.is_closed());
}

#[test]
fn a_callback_that_panics_harms_no_other() {
    let producer = manual();
    let record = ProducerRecord::new("t", "v").with_partition(0);
    let panics = producer.send_with_callback(record, |_| panic!("on purpose")).unwrap();
    let other = send(&producer, "other");
    assert!(producer.complete_next() && producer.complete_next());
    assert_eq!((panics.get().unwrap().offset(), other.get().unwrap().offset()), (Some(0), Some(1)));
    producer.flush().unwrap();
}

#[test]
fn the_callback_of_a_refused_record_is_dropped_unused() {
    let producer = mock();
    producer.fail_sends_with(Error::new(ErrorKind::WouldBlock, "full"));
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let record = ProducerRecord::new("t", "v");
    producer.send_with_callback(record, move |_| unreachable!("{held:?}")).unwrap_err();
    assert_eq!(Arc::strong_count(&token), 1);
}

// ---- history ----

/// Adds a header, as serializers of typed formats do.
struct Marking;

impl Serializer<str> for Marking {
    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a str,
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        headers.add("serialized-for", topic);
        Ok((data != "null").then_some(data.as_bytes()))
    }
}

#[test]
fn the_history_has_everything_that_would_have_been_sent() {
    let producer: TextMock = MockProducer::builder(StringSerializer, Marking).topic("t", 6).build();
    let record = ProducerRecord::new("t", "v".to_owned()).with_key("customer-7");
    producer.send(record.with_header("trace", "af31").with_null_header("n").with_timestamp(1_234)).unwrap();
    producer.send(ProducerRecord::new("u", "null")).unwrap();
    producer.send(ProducerRecord::tombstone("t", "k").with_partition(5)).unwrap();

    let [full, null, tombstone] = &producer.history()[..] else { panic!("three records") };
    assert_eq!((full.topic(), full.partition(), full.timestamp()), ("t", 1, 1_234));
    assert_eq!((full.key(), full.value()), (Some("customer-7"), Some("v")));
    assert_eq!(full.serialized_key(), Some(&b"customer-7"[..]));
    assert_eq!(full.serialized_value(), Some(&b"v"[..]));
    let headers: Vec<_> = full.headers().iter().map(|header| (header.key(), header.value())).collect();
    let expected = [("trace", Some(&b"af31"[..])), ("n", None), ("serialized-for", Some(&b"t"[..]))];
    assert_eq!(headers, expected);

    assert_eq!((null.topic(), null.partition(), null.key()), ("u", 0, None));
    assert_eq!((null.value(), null.serialized_value()), (Some("null"), None));
    assert_eq!((tombstone.partition(), tombstone.key()), (5, Some("k")));
    assert_eq!((tombstone.value(), tombstone.serialized_value(), tombstone.headers().len()), (None, None, 0));
}

#[test]
fn values_of_the_programs_own_types_are_there_as_they_were_given() {
    let mock = order_mock();
    Shop::new(&mock).place(&order("two apples")).unwrap();
    assert_eq!(mock.history()[0].value(), Some(&order("two apples")));
    assert_eq!(mock.history()[0].serialized_value(), Some(&b"two apples"[..]));
}

#[test]
fn types_that_cannot_be_copied_are_there_as_bytes() {
    struct Secret(u8);
    let serializer = serialize_with(|secret: &Secret, out: &mut Vec<u8>| {
        out.push(secret.0);
        Ok::<(), SerializerError>(())
    });
    let producer: MockProducer<str, Secret> =
        MockProducer::builder(StringSerializer, serializer).build_bytes_only();
    producer.send(ProducerRecord::new("t", Secret(7)).with_key("k")).unwrap();
    let sent = &producer.history()[0];
    assert_eq!((sent.serialized_key(), sent.serialized_value()), (Some(&b"k"[..]), Some(&[7][..])));
    assert!(sent.key().is_none() && sent.value().is_none());
}

#[test]
fn clear_forgets_the_history_and_neither_offsets_nor_what_is_outstanding() {
    let producer = manual();
    let first = send(&producer, "1");
    producer.clear();
    assert_eq!((producer.history().len(), producer.outstanding()), (0, 1));
    assert!(producer.complete_next() && first.is_done());
    let second = send(&producer, "2");
    producer.flush().unwrap();
    assert_eq!((values(&producer), second.get().unwrap().offset()), (vec!["2".into()], Some(1)));
}

#[test]
fn a_failed_assertion_can_print_what_was_sent() {
    let producer = mock();
    let record = ProducerRecord::new("t", "v\u{e4}").with_key("k").with_partition(2).with_timestamp(3);
    producer.send(record.with_header("h", "1")).unwrap();
    let printed = format!("{:?}", producer.history());
    for part in ["\"t\"", "partition: 2", "timestamp: 3", "\"k\"", "v\\\\xc3\\\\xa4", "\"h\""] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    let printed = format!("{producer:?}");
    assert!(printed.contains("sent: 1") && printed.contains("outstanding: 0"), "{printed}");
}

// ---- partitions ----

#[test]
fn keyed_records_go_to_the_partitions_that_the_real_producer_chooses() {
    let cluster = EmbeddedCluster::builder().topic("t", 7).topic("u", 100).start().unwrap();
    let real = crate::support::producer(&cluster, &[]);
    let mock: TextMock =
        MockProducer::builder(StringSerializer, StringSerializer).topic("t", 7).num_partitions(100).build();
    for topic in ["t", "u"] {
        for number in 0..200 {
            let record = ProducerRecord::new(topic, "v").with_key(format!("key-{number}"));
            let expected = real.send(record.clone()).unwrap().clone();
            let found = mock.send(record).unwrap().get().unwrap();
            assert_eq!(
                found.partition(),
                expected.get_timeout(AGES).unwrap().partition(),
                "{topic} {number}"
            );
            assert_eq!(mock.history().last().unwrap().partition(), found.partition());
        }
    }
    let used: BTreeSet<i32> = mock.history().iter().map(SentRecord::partition).collect();
    assert!(used.len() > 50, "{used:?}");
}

#[test]
fn keyless_records_stay_on_a_partition_for_about_a_batch() {
    let producer = mock();
    for _ in 0..160 {
        producer.send(ProducerRecord::new("t", "x".repeat(1000))).unwrap();
    }
    let partitions: Vec<i32> = producer.history().iter().map(SentRecord::partition).collect();
    for batch in partitions.chunks(16) {
        assert!(batch.iter().all(|partition| partition == &batch[0]), "{partitions:?}");
    }
    let used: BTreeSet<i32> = partitions.into_iter().collect();
    assert!(used.len() > 1 && used.iter().all(|partition| (0..6).contains(partition)), "{used:?}");
}

#[test]
fn a_topic_that_nobody_named_has_one_partition_or_as_many_as_were_said() {
    let producer = mock();
    assert_eq!(producer.partitions_for("new").unwrap().len(), 1);
    assert_eq!(
        producer.send(ProducerRecord::new("new", "v").with_key("k")).unwrap().get().unwrap().partition(),
        0
    );
    let producer: TextMock =
        MockProducer::builder(StringSerializer, StringSerializer).num_partitions(4).topic("t", -1).build();
    let partitions = producer.partitions_for("new").unwrap();
    assert_eq!(partitions.iter().map(|partition| partition.partition()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(partitions.iter().all(|partition| partition.topic() == "new" && partition.leader().is_some()));
    assert_eq!(producer.partitions_for("t").unwrap().len(), 1, "at least one");
}

#[test]
fn a_partition_that_the_topic_does_not_have_is_refused_as_after_the_real_wait() {
    let cluster = crate::support::cluster(6);
    let real = crate::support::producer(&cluster, &[("max.block.ms", "2000")]);
    let record = ProducerRecord::new("t", "v").with_partition(6);
    let expected = real.send(record.clone()).unwrap_err();
    let found = mock().send(&record).unwrap_err();
    assert_eq!((found.kind(), found.topic()), (ErrorKind::UnknownTopicOrPartition, Some("t")));
    assert_eq!((expected.kind(), expected.topic()), (found.kind(), found.topic()));
    for error in [&expected, &found] {
        let text = error.to_string();
        assert!(text.contains("partition 6 not present in metadata, the topic has 6 partitions"), "{text}");
    }
    assert_eq!(record, ProducerRecord::new("t", "v").with_partition(6));
}

#[test]
fn a_partitioner_of_ones_own_is_asked_and_sees_the_topic() {
    let producer: TextMock = MockProducer::builder(StringSerializer, StringSerializer)
        .topic("t", 3)
        .partitioner(RoundRobinPartitioner::new())
        .build();
    for topic in ["t", "t", "t", "t", "new"] {
        producer.send(ProducerRecord::new(topic, "v").with_key("same")).unwrap();
    }
    let partitions: Vec<i32> = producer.history().iter().map(SentRecord::partition).collect();
    assert_eq!(partitions, [0, 1, 2, 0, 0]);
}

/// Takes the partition from the value, or fails.
struct ByValue;

impl Partitioner for ByValue {
    fn partition(&self, record: &PartitionRequest<'_>, _: &Cluster) -> Result<i32, PartitionerError> {
        Ok(std::str::from_utf8(record.value().unwrap_or_default())?.parse()?)
    }
}

#[test]
fn a_partitioner_that_fails_or_errs_refuses_the_record() {
    let producer: TextMock =
        MockProducer::builder(StringSerializer, StringSerializer).topic("t", 3).partitioner(ByValue).build();
    for (value, says) in
        [("no number", "invalid digit"), ("3", "3 partitions, counted from 0"), ("-1", "partition -1")]
    {
        let record = ProducerRecord::new("t", value);
        let refused = producer.send(&record).unwrap_err();
        assert_eq!((refused.kind(), *record.value()), (ErrorKind::Partitioning, value));
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(producer.history().len(), 0);
    producer.send(ProducerRecord::new("t", "2")).unwrap();
    assert_eq!(producer.history()[0].partition(), 2);
}

// ---- refusals ----

#[test]
fn what_the_real_producer_refuses_the_mock_refuses_in_the_same_words() {
    let cluster = crate::support::cluster(1);
    let real = crate::support::producer(&cluster, &[]);
    let mock: TextMock = MockProducer::new(StringSerializer, StringSerializer);
    let good = ProducerRecord::new("t", "v".to_owned()).with_key("k").with_header("h", "1");
    let mut records = vec![
        good.clone().with_partition(-1),
        good.clone().with_timestamp(-1),
        good.clone().with_partition(i32::MIN).with_timestamp(i64::MIN),
    ];
    for name in ["", ".", "a b", "b\u{fc}cher"] {
        records.push(ProducerRecord::new(name, "v".to_owned()).with_key("k").with_header("h", "1"));
    }
    for record in records {
        let expected = real.send(record.clone()).unwrap_err();
        let given = record.clone();
        let found = mock.send(&record).unwrap_err();
        assert_eq!(format!("{:?}", found), format!("{:?}", expected));
        assert_eq!((found.topic(), &given), (expected.topic(), &record));
        assert_eq!(mock.try_send(&record).unwrap_err().kind(), found.kind());
        assert_eq!(given, record);
    }
    assert_eq!(mock.partitions_for("a b").unwrap_err().kind(), ErrorKind::InvalidTopic);
    assert_eq!((mock.history().len(), mock.outstanding()), (0, 0));
}

#[test]
fn a_serializer_that_fails_refuses_the_record_and_hands_it_back() {
    let mock = order_mock();
    let shop = Shop::new(&mock);
    let error = shop.place(&order("")).unwrap_err();
    assert_eq!((error.kind(), error.topic()), (ErrorKind::Serialization, Some("orders")));
    assert!(error.to_string().contains("the value cannot be serialized: an order of nothing"), "{error}");
    let record = ProducerRecord::new("orders", order(""));
    assert_eq!(mock.send(&record).unwrap_err().kind(), ErrorKind::Serialization);
    assert_eq!(record.into_value(), order(""));
    assert_eq!((mock.history().len(), shop.failed.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn sends_fail_as_the_test_says_until_it_says_otherwise() {
    let producer = mock();
    producer.fail_sends_with(Error::new(ErrorKind::Timeout, "no room for 60000 ms"));
    let record = ProducerRecord::new("t", String::from("v")).with_key("k");
    for _ in 0..2 {
        let refused = producer.send(&record).unwrap_err();
        assert_eq!((refused.kind(), record.value().as_str()), (ErrorKind::Timeout, "v"));
        assert!(refused.is_retriable() && !refused.is_fatal());
    }
    producer.fail_sends_with(Error::new(ErrorKind::Authorization, "not yours").with_fatal());
    assert!(producer.try_send(record.clone()).unwrap_err().is_fatal());
    assert_eq!(producer.history().len(), 0);
    producer.accept_sends();
    assert_eq!(producer.send(record).unwrap().get().unwrap().offset(), Some(0));
}

#[test]
fn a_fenced_producer_fails_what_is_outstanding_and_every_later_send() {
    let producer = manual();
    let told = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&told);
    let record = ProducerRecord::new("t", "v").with_partition(0);
    let future = producer
        .send_with_callback(record.clone(), move |outcome| {
            count.fetch_add(u32::from(outcome.is_err_and(|error| error.is_fatal())), Ordering::Relaxed);
        })
        .unwrap();
    producer.fence();
    let error = error_of(&future);
    assert_eq!((error.kind(), error.is_fatal(), error.partition()), (ErrorKind::Fenced, true, Some(0)));
    assert_eq!((told.load(Ordering::Relaxed), producer.outstanding()), (1, 0));

    producer.fail_sends_with(Error::new(ErrorKind::Timeout, "less than fenced"));
    let refused = producer.send(&record).unwrap_err();
    assert_eq!((refused.kind(), refused.is_fatal()), (ErrorKind::Fenced, true));
    assert_eq!(refused.code(), Some(ErrorCode::PRODUCER_FENCED));
    assert_eq!(*record.value(), "v");
    producer.flush().unwrap();
    producer.close().unwrap();
    assert_eq!(producer.send(record).unwrap_err().kind(), ErrorKind::Fenced, "that is the reason");
}

// ---- closing ----

/// Counts how often it is closed.
#[derive(Clone, Default)]
struct Closing(Arc<AtomicU32>);

impl Serializer<str> for Closing {
    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        data: &'a str,
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        Ok(Some(data.as_bytes()))
    }

    fn close(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_closed_producer_refuses_everything_and_says_that_it_is_closed() {
    let serializer = Closing::default();
    let producer: TextMock =
        MockProducer::builder(serializer.clone(), serializer.clone()).auto_complete(false).build();
    let future = producer.send(ProducerRecord::new("t", "v")).unwrap();
    assert!(!producer.is_closed());
    producer.close().unwrap();
    assert!(producer.is_closed());
    assert_eq!(future.get().unwrap().offset(), Some(0), "close waits, so it is acknowledged");

    let record = ProducerRecord::new("t", String::from("late"));
    let refused = producer.send(&record).unwrap_err();
    assert_eq!((refused.kind(), record.into_value().as_str()), (ErrorKind::Closed, "late"));
    assert_eq!(producer.partitions_for("t").unwrap_err().kind(), ErrorKind::Closed);
    producer.flush().unwrap();
    producer.close().unwrap();
    drop(producer);
    assert_eq!(serializer.0.load(Ordering::Relaxed), 2, "key's and value's, once each");
}

#[test]
fn a_record_that_is_being_serialized_while_the_producer_is_closed_is_refused() {
    let slot = Arc::new(Mutex::new(None::<TextMock>));
    let closer = Arc::clone(&slot);
    let serializer = serialize_with(move |text: &str, out: &mut Vec<u8>| {
        closer.lock().unwrap().take().map_or(Ok(()), |producer| producer.close())?;
        out.extend_from_slice(text.as_bytes());
        Ok::<(), Error>(())
    });
    let producer: TextMock = MockProducer::new(StringSerializer, serializer);
    *slot.lock().unwrap() = Some(producer.clone());
    let refused = producer.send(ProducerRecord::new("t", "v")).unwrap_err();
    assert_eq!((refused.kind(), producer.history().len()), (ErrorKind::Closed, 0));
}

#[test]
fn close_timeout_reports_and_with_no_time_it_fails_what_is_outstanding() {
    let producer = manual();
    let futures = ["a", "b"].map(|value| send(&producer, value));
    let report = producer.close_timeout(Duration::ZERO).unwrap();
    assert_eq!((report.delivered, report.failed, report.abandoned), (0, 0, 2));
    assert!(futures.iter().all(|future| error_of(future).kind() == ErrorKind::Closed));

    let producer = manual();
    let futures = ["a", "b"].map(|value| send(&producer, value));
    let report = producer.close_timeout(Duration::from_secs(1)).unwrap();
    assert_eq!((report.delivered, report.failed, report.abandoned), (2, 0, 0));
    assert!(futures.iter().all(|future| future.try_get().unwrap().is_ok()));
}

#[test]
fn dropping_the_last_handle_closes() {
    let producer = manual();
    let other = producer.clone();
    let future = send(&producer, "v");
    drop(producer);
    assert!(!future.is_done() && !other.is_closed());
    drop(other);
    assert_eq!(future.get().unwrap().offset(), Some(0));
}

// ---- threads ----

#[test]
fn threads_share_it_and_no_record_is_lost_or_counted_twice() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let producer = mock();
    let called = Arc::new(AtomicU32::new(0));
    let sends = || {
        let one = |number: usize| {
            let called = Arc::clone(&called);
            let record = ProducerRecord::new("t", "v").with_partition((number % 3) as i32);
            let future = producer
                .send_with_callback(record, move |_| {
                    called.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
            assert!(future.is_done(), "before send returns, whatever others do");
            future.get().unwrap().to_string()
        };
        (0..EACH).map(one).collect::<Vec<_>>()
    };
    let all: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(sends)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let places: BTreeSet<&String> = all.iter().collect();
    assert_eq!((places.len(), called.load(Ordering::Relaxed) as usize), (THREADS * EACH, THREADS * EACH));
    assert_eq!(producer.history().len(), THREADS * EACH);
    let last = all.iter().filter_map(|place| place.split_once('@')?.1.parse::<usize>().ok()).max();
    assert!(last < Some(THREADS * EACH.div_ceil(3)), "offsets have no gaps: {last:?}");
}
