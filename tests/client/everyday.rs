//! What programs write every day: names and values out of function arguments, `?` under whatever error type they have, a
//! producer behind a trait. That this compiles is half of the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{AGES, SOON, cluster, config, producer, to_first, values};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{
    Callback, CloseReport, ConsumerGroupMetadata, DefaultSerializer, Error, ErrorKind, InterruptHandle,
    KafkaProducer, Metrics, MockProducer, OffsetAndMetadata, PartitionInfo, PreparedTxnState, Producer,
    ProducerRecord, RecordFuture, RecordView, StringSerializer, TopicName, TopicPartition, serialize_with,
    wait_all,
};

type TextProducer = KafkaProducer<str, str>;

// ---- borrowed topics, keys, headers, values ----

fn place(
    producer: &TextProducer,
    topic: &str,
    customer: &str,
    order: &str,
    trace: &str,
) -> Result<RecordFuture, Error> {
    producer.send(
        ProducerRecord::new(topic, order)
            .with_key(customer)
            .with_header(trace, order)
            .with_null_header(topic),
    )
}

#[test]
fn topic_key_value_and_headers_may_all_be_arguments_of_a_function() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    for number in 0..3 {
        // Each lives for one turn of the loop only.
        let (topic, customer, order) =
            (String::from("t"), format!("customer-{number}"), format!("order-{number}"));
        place(&producer, &topic, &customer, &order, &format!("trace-{number}")).unwrap();
    }
    producer.close().unwrap();
    let records = cluster.records("t");
    let text = |bytes: &Option<Vec<u8>>| bytes.clone().map(|bytes| String::from_utf8(bytes).unwrap());
    for (number, record) in records.iter().enumerate() {
        assert_eq!(text(&record.key), Some(format!("customer-{number}")));
        let headers: Vec<_> = record.headers.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let value = Some(format!("order-{number}"));
        assert_eq!(headers, [(format!("trace-{number}"), value), (String::from("t"), None)]);
    }
    assert_eq!(records.len(), 3);
}

#[test]
fn a_topic_may_be_any_text() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let (owned, shared) = (String::from("t"), Arc::<str>::from("t"));
    producer.send(ProducerRecord::new("t", "literal")).unwrap();
    producer.send(ProducerRecord::new(&owned, "&String")).unwrap();
    producer.send(ProducerRecord::new(owned.as_str(), "&str")).unwrap();
    producer.send(ProducerRecord::new(Cow::Borrowed("t"), "Cow")).unwrap();
    producer.send(ProducerRecord::new(&shared, "&Arc<str>")).unwrap();
    producer.send(ProducerRecord::new(shared, "Arc<str>")).unwrap();
    producer.send(ProducerRecord::new(TopicName::from("t"), "TopicName")).unwrap();
    producer.send(ProducerRecord::new(owned, "String")).unwrap();
    for topic in ["t", "t"].iter() {
        producer.send(ProducerRecord::new(topic, "&&str")).unwrap();
    }
    producer.close().unwrap();
    let expected = [
        "literal",
        "&String",
        "&str",
        "Cow",
        "&Arc<str>",
        "Arc<str>",
        "TopicName",
        "String",
        "&&str",
        "&&str",
    ];
    assert_eq!(values(&cluster, "t", 0), expected);
}

struct CustomerId(String);

impl Borrow<str> for CustomerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// References to whatever owns what the serializer reads; and text for a producer of `String`s.
#[test]
fn what_the_serializer_reads_may_stand_behind_a_reference_too() {
    let cluster = cluster(1);
    let servers = cluster.bootstrap_servers();
    let text = TextProducer::connect(&servers).unwrap();
    let (owned, shared, local) = (String::from("v"), Arc::<str>::from("v"), ["v"]);
    text.send(ProducerRecord::new("t", &owned).with_key(&owned)).unwrap();
    text.send(ProducerRecord::new("t", &shared).with_optional_key(Some(&owned))).unwrap();
    text.send(ProducerRecord::new("t", "").with_optional_value(Some(&Box::<str>::from("v")))).unwrap();
    text.send(ProducerRecord::new("t", &Rc::<str>::from("v")).with_key(&Cow::Borrowed("k"))).unwrap();
    text.send(ProducerRecord::new("t", CustomerId(String::from("v")))).unwrap();
    for value in &local {
        text.send(ProducerRecord::new("t", value)).unwrap();
    }
    text.close().unwrap();

    let strings = KafkaProducer::<String, String>::connect(&servers).unwrap();
    strings.send(ProducerRecord::new("t", "v").with_key("k")).unwrap();
    strings.send(ProducerRecord::new("t", &owned).with_key(owned.clone())).unwrap();
    strings
        .send(ProducerRecord::new("t", &Arc::new(owned.clone())).with_optional_key(Some(&*owned)))
        .unwrap();
    strings.close().unwrap();

    let bytes = KafkaProducer::<[u8], [u8]>::connect(&servers).unwrap();
    bytes.send(ProducerRecord::new("t", b"v").with_key(b"key")).unwrap();
    bytes.send(ProducerRecord::new("t", &vec![b'v']).with_key(bytes::Bytes::from_static(b"key"))).unwrap();
    bytes.send(ProducerRecord::new("t", &bytes::Bytes::from_static(b"v"))).unwrap();
    bytes.close().unwrap();

    let vectors = KafkaProducer::<i64, Vec<u8>>::connect(&servers).unwrap();
    vectors.send(ProducerRecord::new("t", owned.as_bytes()).with_key(7)).unwrap();
    vectors.send(ProducerRecord::new("t", vec![b'v']).with_key(&7)).unwrap();
    vectors.close().unwrap();
    assert_eq!(values(&cluster, "t", 0), ["v"; 14]);
}

fn twice<T: Borrow<str> + Clone>(producer: &TextProducer, value: T) {
    let record = ProducerRecord::new("t", value);
    producer.send(record.clone()).unwrap();
    producer.send(record).unwrap();
}

#[test]
fn a_record_may_be_built_from_a_type_parameter_and_sent_by_value_or_by_reference() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    twice(&producer, "borrowed");
    twice(&producer, String::from("owned"));
    let record = ProducerRecord::new("t", String::from("kept")).with_header("h", "1");
    producer.send(&record).unwrap();
    producer.try_send(&record).unwrap();
    producer.send_with_callback(&record, |_| {}).unwrap();
    assert_eq!((record.topic(), record.value().as_str(), record.headers().len()), ("t", "kept", 1));
    assert_eq!(record.into_value(), "kept");
    producer.close().unwrap();
    assert_eq!(values(&cluster, "t", 0), ["borrowed", "borrowed", "owned", "owned", "kept", "kept", "kept"]);
}

// ---- `?` ----

fn with_anyhow(producer: &TextProducer, topic: &str, order: &str) -> anyhow::Result<i64> {
    use anyhow::Context;
    let local = order.to_owned();
    producer.send(ProducerRecord::new(topic, local.as_str())).context("the first one")?;
    let metadata = producer.send(ProducerRecord::new(topic, &local))?.get()?;
    Ok(metadata.offset().unwrap_or(-1))
}

fn with_a_box(producer: &TextProducer, topic: &str, order: &str) -> Result<i64, Box<dyn std::error::Error>> {
    let local = order.to_owned();
    let metadata = producer.send(ProducerRecord::new(topic, local.as_str()))?.get()?;
    Ok(metadata.offset().unwrap_or(-1))
}

type Sent = Result<i64, Box<dyn std::error::Error + Send + Sync>>;

fn with_a_box_for_threads(producer: &TextProducer, topic: &str, order: &str) -> Sent {
    let local = order.to_owned();
    let future = producer.send_with_callback(ProducerRecord::new(topic, &local), |_| {})?;
    Ok(future.get()?.offset().unwrap_or(-1))
}

#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("the order is lost")]
    Kafka(#[from] Error),
    #[error("no such item")]
    Item,
}

fn with_thiserror(producer: &TextProducer, topic: &str, order: &str) -> Result<i64, ShopError> {
    let local = order.to_owned();
    if local.is_empty() {
        return Err(ShopError::Item);
    }
    let metadata = producer.try_send(ProducerRecord::new(topic, local.as_str()))?.get()?;
    Ok(metadata.offset().unwrap_or(-1))
}

#[test]
fn a_question_mark_is_all_that_a_failed_send_needs() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    assert_eq!(with_anyhow(&producer, "t", "a").unwrap(), 1);
    assert_eq!(with_a_box(&producer, "t", "b").unwrap(), 2);
    assert_eq!(with_a_box_for_threads(&producer, "t", "c").unwrap(), 3);
    assert_eq!(with_thiserror(&producer, "t", "d").unwrap(), 4);
    assert!(matches!(with_thiserror(&producer, "t", "").unwrap_err(), ShopError::Item));
    producer.close().unwrap();
    let closed = |error: Option<&Error>| assert_eq!(error.unwrap().kind(), ErrorKind::Closed);
    closed(with_anyhow(&producer, "t", "a").unwrap_err().downcast_ref());
    closed(with_a_box(&producer, "t", "a").unwrap_err().downcast_ref());
    closed(with_a_box_for_threads(&producer, "t", "a").unwrap_err().downcast_ref());
    let ShopError::Kafka(error) = with_thiserror(&producer, "t", "a").unwrap_err() else {
        panic!("not from Kafka")
    };
    closed(Some(&error));
}

// ---- a producer behind a trait ----

#[derive(Clone)]
struct Order {
    item: String,
}

fn orders() -> MockProducer<str, Order> {
    let serializer = serialize_with(|order: &Order, out: &mut Vec<u8>| {
        out.extend_from_slice(order.item.as_bytes());
        Ok::<(), std::convert::Infallible>(())
    });
    MockProducer::builder(StringSerializer, serializer).topic("orders", 6).build()
}

struct Shop {
    producer: Arc<dyn Producer<str, Order>>,
}

impl Shop {
    fn place(&self, customer: &str, order: &Order) -> Result<String, Error> {
        let record = ProducerRecord::new("orders", order).with_key(customer);
        Ok(self.producer.send(record)?.get()?.to_string())
    }
}

/// The same, generic.
fn place_one(producer: &impl Producer<str, Order>, customer: &str, order: &Order) -> Result<String, Error> {
    Ok(producer.send(ProducerRecord::new("orders", order).with_key(customer))?.get()?.to_string())
}

#[test]
fn a_producer_is_a_trait_object_as_well_as_a_bound() {
    let mock = orders();
    let order = Order { item: String::from("two apples") };
    let shop = Shop { producer: Arc::new(mock.clone()) };
    assert_eq!(shop.place("customer-7", &order).unwrap(), "orders-1@0");
    assert_eq!(place_one(&mock, "customer-7", &order).unwrap(), "orders-1@1");
    assert_eq!(place_one(&shop.producer, "customer-7", &order).unwrap(), "orders-1@2");
    let boxed: Box<dyn Producer<str, Order>> = Box::new(mock.clone());
    assert_eq!(place_one(&boxed, "customer-7", &order).unwrap(), "orders-1@3");
    let borrowed: &dyn Producer<str, Order> = &mock;
    assert_eq!(place_one(&borrowed, "customer-7", &order).unwrap(), "orders-1@4");
    (&borrowed).try_send(ProducerRecord::tombstone("orders", "customer-7")).unwrap();

    let (tell, told) = std::sync::mpsc::channel();
    let record = ProducerRecord::new("orders", &order).with_key("customer-7").with_timestamp(7);
    boxed.send_with_callback(&record, move |outcome| tell.send(outcome).unwrap()).unwrap();
    assert_eq!(told.recv().unwrap().unwrap().offset(), Some(6));
    let history = mock.history();
    assert_eq!(
        (history[0].value().unwrap().item.as_str(), history[5].value().is_none()),
        ("two apples", true)
    );
    assert_eq!((history[6].timestamp(), history[6].key()), (7, Some("customer-7")));
    assert_eq!(boxed.partitions_for("orders").unwrap().len(), 6);
    boxed.flush().unwrap();
    boxed.flush_timeout(AGES).unwrap();
    boxed.close().unwrap();
    assert_eq!(shop.place("customer-7", &order).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn the_real_producer_is_a_trait_object_too() {
    let cluster = cluster(1);
    let real: Arc<dyn Producer<str, str>> = Arc::new(producer(&cluster, &[]));
    real.send(to_first("000000")).unwrap();
    let other = Arc::clone(&real);
    thread::spawn(move || other.send(to_first("000001")).unwrap().get().unwrap()).join().unwrap();
    assert_eq!(real.close_timeout(AGES).unwrap().failed, 0);
    crate::support::assert_holds_exactly(&cluster, 2);
}

/// A producer of a program's own, which passes on what it likes.
struct OnlyOrders<P>(P);

impl<P: Producer<str, str>> Producer<str, str> for OnlyOrders<P> {
    fn send_view(
        &self,
        record: RecordView<'_, str, str>,
        callback: Option<Callback>,
    ) -> Result<RecordFuture, Error> {
        if !record.topic().starts_with("orders") || record.value().is_none() {
            return Err(Error::new(ErrorKind::InvalidRecord, "orders only"));
        }
        self.0.send_view(record, callback)
    }

    fn try_send_view(&self, record: RecordView<'_, str, str>) -> Result<RecordFuture, Error> {
        self.send_view(record, None)
    }

    fn flush(&self) -> Result<(), Error> {
        self.0.flush()
    }

    fn flush_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.0.flush_timeout(timeout)
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        self.0.partitions_for(topic)
    }

    fn init_transactions(&self) -> Result<(), Error> {
        self.0.init_transactions()
    }

    fn metrics(&self) -> Metrics {
        self.0.metrics()
    }

    fn init_transactions_keeping_prepared(&self) -> Result<Option<PreparedTxnState>, Error> {
        self.0.init_transactions_keeping_prepared()
    }

    fn prepare_transaction(&self) -> Result<PreparedTxnState, Error> {
        self.0.prepare_transaction()
    }

    fn complete_transaction(&self, prepared: &PreparedTxnState) -> Result<(), Error> {
        self.0.complete_transaction(prepared)
    }

    fn begin_transaction(&self) -> Result<(), Error> {
        self.0.begin_transaction()
    }

    fn send_offsets_to_transaction(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        self.0.send_offsets_to_transaction(offsets, group)
    }

    fn commit_transaction(&self) -> Result<(), Error> {
        self.0.commit_transaction()
    }

    fn abort_transaction(&self) -> Result<(), Error> {
        self.0.abort_transaction()
    }

    fn close(&self) -> Result<(), Error> {
        self.0.close()
    }

    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport, Error> {
        self.0.close_timeout(timeout)
    }
}

#[test]
fn a_program_can_have_a_producer_of_its_own_around_another() {
    let mock: MockProducer<str, str> = MockProducer::new(StringSerializer, StringSerializer);
    let only = OnlyOrders(mock.clone());
    only.send(ProducerRecord::new("orders", "v").with_key("k").with_header("h", "1")).unwrap();
    assert_eq!(only.send(ProducerRecord::new("t", "v")).unwrap_err().kind(), ErrorKind::InvalidRecord);
    assert_eq!(
        only.try_send(ProducerRecord::tombstone("orders", "k")).unwrap_err().to_string(),
        "orders only"
    );
    let history = mock.history();
    assert_eq!((history.len(), history[0].headers().len(), history[0].key()), (1, 1, Some("k")));
}

// ---- connecting, and default serializers ----

fn round_trip<K: ?Sized + DefaultSerializer, V: ?Sized + DefaultSerializer>(
    cluster: &EmbeddedCluster,
) -> KafkaProducer<K, V> {
    KafkaProducer::connect(&cluster.bootstrap_servers()).unwrap()
}

#[test]
fn a_producer_of_javas_types_needs_nothing_but_servers() {
    let cluster = cluster(1);
    round_trip::<str, [u8]>(&cluster).send(ProducerRecord::new("t", "v".as_bytes()).with_key("k")).unwrap();
    round_trip::<String, bool>(&cluster).send(ProducerRecord::new("t", true)).unwrap();
    round_trip::<i16, i32>(&cluster).send(ProducerRecord::new("t", 7).with_key(7)).unwrap();
    round_trip::<f32, f64>(&cluster).send(ProducerRecord::new("t", 0.5).with_key(0.5)).unwrap();
    round_trip::<(), i64>(&cluster).send(ProducerRecord::new("t", 7).with_key(())).unwrap();
    let mut sizes: Vec<_> =
        cluster.records("t").into_iter().map(|record| record.value.unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 4, 8, 8]);
}

/// What was given as a value stays; what the configuration names is not read.
#[test]
fn default_serializers_leave_those_that_were_given() {
    let cluster = cluster(1);
    let config = config(&cluster.bootstrap_servers(), &[("value.serializer", "LongSerializer")]);
    let shout = serialize_with(|text: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(text.to_uppercase().as_bytes());
        Ok::<(), std::convert::Infallible>(())
    });
    let producer = TextProducer::builder(config).key_serializer(shout).default_serializers().build().unwrap();
    producer.send(ProducerRecord::new("t", "v").with_key("k")).unwrap().get().unwrap();
    let record = &cluster.records("t")[0];
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"K"[..]), Some(&b"v"[..])));
    assert_eq!(TextProducer::connect("no port").unwrap_err().kind(), ErrorKind::Config);
}

// ---- waiting ----

#[test]
fn the_outcomes_of_many_come_in_the_order_of_their_futures_and_none_is_skipped() {
    let cluster = cluster(3);
    let producer = producer(&cluster, &[("linger.ms", "9000")]);
    let send =
        |number: i32| producer.send(ProducerRecord::new("t", format!("{number}")).with_partition(number % 3));
    let futures: Vec<RecordFuture> = (0..30).map(|number| send(number).unwrap()).collect();
    let start = Instant::now();
    let this_thread = InterruptHandle::current();
    this_thread.interrupt();
    let mut outcomes = wait_all(&futures);
    assert_eq!(outcomes.next().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
    let places: Vec<_> = outcomes.map(|outcome| outcome.unwrap()).collect();
    assert!(start.elapsed() < SOON, "nobody waits out linger.ms");
    let expected: Vec<_> = (0..30).map(|number| (number % 3, Some(i64::from(number / 3)))).collect();
    assert_eq!(places.iter().map(|place| (place.partition(), place.offset())).collect::<Vec<_>>(), expected);

    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).on_partition("t", 0));
    let futures = [send(0).unwrap(), send(1).unwrap()];
    let outcomes: Vec<bool> = wait_all(futures).map(|outcome| outcome.is_ok()).collect();
    assert_eq!(outcomes, [false, true]);
    assert_eq!(wait_all(Vec::<RecordFuture>::new()).count(), 0);
}

#[test]
fn flush_waits_no_longer_than_it_is_told_and_the_records_go_on_their_way() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "9000")]);
    producer.partitions_for("t").unwrap();
    assert_eq!((producer.in_flight(), producer.buffered_bytes()), (0, 0));
    cluster.delay(Api::Produce, Duration::from_secs(4), 1);
    let futures: Vec<_> =
        (0..5).map(|number| producer.send(to_first(format!("{number:06}"))).unwrap()).collect();
    assert_eq!(producer.in_flight(), 5);
    assert!(producer.buffered_bytes() >= 30, "{}", producer.buffered_bytes());
    let start = Instant::now();
    let late = producer.flush_timeout(Duration::from_millis(50)).unwrap_err();
    assert!((Duration::from_millis(50)..Duration::from_secs(3)).contains(&start.elapsed()));
    assert_eq!((late.kind(), late.is_retriable()), (ErrorKind::Timeout, true));
    assert!(late.to_string().contains("5 records") && late.to_string().contains("50 ms"), "{late}");
    assert_eq!(producer.in_flight(), 5, "on their way");
    producer.flush_timeout(AGES).unwrap();
    assert!(futures.iter().all(RecordFuture::is_done));
    crate::support::wait_until("the memory is given back", || producer.buffered_bytes() == 0);
    assert_eq!(producer.in_flight(), 0);
    producer
        .flush_timeout(Duration::ZERO)
        .unwrap_or_else(|error| assert_eq!(error.kind(), ErrorKind::Timeout));
    producer.close().unwrap();
    producer
        .flush_timeout(Duration::ZERO)
        .unwrap_or_else(|error| assert_eq!(error.kind(), ErrorKind::Timeout));
    assert_eq!((producer.in_flight(), producer.buffered_bytes()), (0, 0));
}

/// Ctrl-C while the program is in no call of ours, and then a graceful end.
#[test]
fn an_interrupt_that_is_cleared_does_not_disturb_a_graceful_shutdown() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "9000")]);
    producer.send(to_first("000000")).unwrap();
    let this_thread = InterruptHandle::current();
    thread::spawn({
        let this_thread = this_thread.clone();
        move || this_thread.interrupt()
    })
    .join()
    .unwrap();
    assert_eq!(producer.flush().unwrap_err().kind(), ErrorKind::Interrupted, "without it");
    this_thread.interrupt();
    assert!(this_thread.clear() && !this_thread.clear());
    let report = producer.close_timeout(AGES).unwrap();
    assert_eq!((report.failed, report.abandoned, report.unanswered), (0, 0, 0));
    crate::support::assert_holds_exactly(&cluster, 1);
}

// ---- what an error is ----

#[test]
fn a_topic_that_is_not_there_and_a_broker_that_is_not_there_are_two_kinds() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[("max.block.ms", "2500")]);
    let missing = producer.send(ProducerRecord::new("missing", "v")).unwrap_err();
    assert_eq!(
        (missing.kind(), missing.is_retriable()),
        (ErrorKind::UnknownTopicOrPartition, true),
        "{missing}"
    );
    assert_eq!(producer.partitions_for("missing").unwrap_err().kind(), ErrorKind::UnknownTopicOrPartition);
    let partition = producer.send(to_first("v").with_partition(2)).unwrap_err();
    assert_eq!(partition.kind(), ErrorKind::UnknownTopicOrPartition, "{partition}");
    cluster.stop_broker(1);
    for topic in ["missing", "another"] {
        let down = producer.send(ProducerRecord::new(topic, "v")).unwrap_err();
        assert_eq!((down.kind(), down.is_retriable()), (ErrorKind::Timeout, true), "{down}");
    }
    assert_eq!(ErrorKind::UnknownTopicOrPartition.to_string(), "UnknownTopicOrPartition");
}

#[test]
fn times_are_given_and_told_as_system_times() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let metadata = producer.send(to_first("v").with_time(time)).unwrap().get().unwrap();
    assert_eq!((metadata.timestamp(), metadata.time()), (Some(1_700_000_000_123), Some(time)));
    let early = to_first("v").with_time(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(producer.send(early).unwrap_err().kind(), ErrorKind::InvalidRecord);
}
