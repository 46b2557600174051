//! What goes into the log when a program sends, and what the future tells of it.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::logged::listen;
use crate::support::{AGES, SOON, cluster, config, producer, text, to_first};
use kafka_embedded::{EmbeddedCluster, TopicConfig};
use kafka_producer::{
    ErrorKind, Headers, KafkaProducer, ProducerConfig, ProducerRecord, Serializer, SerializerError,
    SerializerRegistry, StringSerializer, serialize_with,
};

#[test]
fn the_three_ways_to_send() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    producer.send(ProducerRecord::new("t", "fire and forget").with_key("1")).unwrap();
    let metadata =
        producer.send(ProducerRecord::new("t", "synchronous").with_key("2")).unwrap().get().unwrap();
    let (tell, told) = mpsc::channel();
    let record = ProducerRecord::new("t", "asynchronous").with_key("3");
    producer.send_with_callback(record, move |outcome| tell.send(outcome).unwrap()).unwrap();
    producer.flush().unwrap();
    assert_eq!(metadata.to_string(), "t-0@1");
    assert_eq!(told.recv_timeout(AGES).unwrap().unwrap().to_string(), "t-0@2");
    producer.close().unwrap();
    let found: Vec<_> =
        cluster.records("t").iter().map(|r| (text(r.key.as_ref()), text(r.value.as_ref()))).collect();
    let expected = [("1", "fire and forget"), ("2", "synchronous"), ("3", "asynchronous")];
    assert_eq!(found, expected.map(|(key, value)| (Some(key.to_owned()), Some(value.to_owned()))));
}

/// Behaviour 53.
/// (51, 52, 53)
#[test]
fn metadata_tells_place_time_and_sizes() {
    let cluster = cluster(2);
    let producer = producer(&cluster, &[]);
    let record = ProducerRecord::new("t", "värde").with_key("").with_partition(1).with_timestamp(1_234);
    let metadata = producer.send(record).unwrap().get().unwrap();
    assert_eq!((metadata.topic(), metadata.partition(), metadata.offset()), ("t", 1, Some(0)));
    assert_eq!(metadata.timestamp(), Some(1_234));
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (Some(0), Some(6)));
    let record = ProducerRecord::tombstone("t", "k").with_partition(1);
    let metadata = producer.send(record).unwrap().get().unwrap();
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (Some(1), None));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((now - metadata.timestamp().unwrap()).abs() < 60_000, "the time of send");
    let records = cluster.records("t");
    assert_eq!((records[0].timestamp, Some(records[1].timestamp)), (1_234, metadata.timestamp()));
}

/// Behaviour 52.
/// (52)
#[test]
fn a_topic_with_log_append_time_tells_the_brokers_time() {
    let topic = TopicConfig::new(1).log_append_time();
    let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
    let producer = producer(&cluster, &[]);
    let metadata = producer.send(to_first("v").with_timestamp(1_234)).unwrap().get().unwrap();
    assert_ne!(metadata.timestamp(), Some(1_234));
    assert_eq!(metadata.timestamp(), Some(cluster.records("t")[0].timestamp));
}

/// Behaviour 53.
#[test]
fn null_and_empty_are_told_apart() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let keys = [None, Some(""), Some("k")];
    let values = [None, Some(""), Some("v")];
    for (key, value) in keys.into_iter().flat_map(|key| values.map(|value| (key, value))) {
        let record = to_first("").with_optional_key(key).with_optional_value(value);
        producer.send(record).unwrap();
    }
    producer.close().unwrap();
    let found: Vec<_> =
        cluster.records("t").iter().map(|r| (text(r.key.as_ref()), text(r.value.as_ref()))).collect();
    let expected: Vec<_> = keys
        .into_iter()
        .flat_map(|key| values.map(|value| (key.map(str::to_owned), value.map(str::to_owned))))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn headers_keep_order_repeats_and_nulls() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    let record = to_first("v")
        .with_header("a", "1")
        .with_header("b", "")
        .with_null_header("a")
        .with_header("a", "2")
        .with_header("", "empty key")
        .with_header("größe", vec![0xff, 0]);
    producer.send(record).unwrap().get().unwrap();
    producer.send(to_first("none")).unwrap().get().unwrap();
    let records = cluster.records("t");
    let headers: Vec<_> =
        records[0].headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    let expected: [(&str, Option<&[u8]>); 6] = [
        ("a", Some(b"1")),
        ("b", Some(b"")),
        ("a", None),
        ("a", Some(b"2")),
        ("", Some(b"empty key")),
        ("größe", Some(&[0xff, 0])),
    ];
    assert_eq!(headers, expected);
    assert!(records[1].headers.is_empty());
}

#[test]
fn anything_that_borrows_as_text_is_sent() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    {
        let local = String::from("short lived");
        producer.send(ProducerRecord::new("t", local.as_str()).with_key(String::from("k"))).unwrap();
        producer
            .send(ProducerRecord::new(String::from("t"), Arc::<str>::from("shared")).with_key("k"))
            .unwrap();
        producer.send(ProducerRecord::new("t", Box::<str>::from("boxed"))).unwrap();
    }
    producer.close().unwrap();
    let mut found: Vec<_> =
        cluster.records("t").iter().map(|record| text(record.value.as_ref()).unwrap()).collect();
    found.sort();
    assert_eq!(found, ["boxed", "shared", "short lived"]);
}

fn goes_as<T: ?Sized + 'static>(class: &str, more: &[(&str, &str)], value: &T, expected: Option<&[u8]>) {
    let cluster = cluster(1);
    for name in [class.to_owned(), format!("org.apache.kafka.common.serialization.{class}")] {
        let settings = config(&cluster.bootstrap_servers(), more)
            .set("key.serializer", "VoidSerializer")
            .set("value.serializer", name.as_str());
        let producer =
            KafkaProducer::<(), T>::new(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        producer.send(to_first(value)).unwrap().get().unwrap();
    }
    let values: Vec<_> = cluster.records("t").into_iter().map(|record| record.value).collect();
    assert_eq!(values, vec![expected.map(<[u8]>::to_vec); 2], "{class}");
}

#[test]
fn the_stock_serializers_by_class_name_and_short_name() {
    goes_as::<str>("StringSerializer", &[], "é", Some("é".as_bytes()));
    goes_as::<str>("StringSerializer", &[("value.serializer.encoding", "UTF8")], "é", Some("é".as_bytes()));
    goes_as::<[u8]>("ByteArraySerializer", &[], &[1, 2], Some(&[1, 2]));
    goes_as::<[u8]>("ByteBufferSerializer", &[], &[1, 2], Some(&[1, 2]));
    goes_as::<[u8]>("BytesSerializer", &[], &[1, 2], Some(&[1, 2]));
    goes_as::<i16>("ShortSerializer", &[], &-2, Some(&[0xff, 0xfe]));
    goes_as::<i32>("IntegerSerializer", &[], &258, Some(&[0, 0, 1, 2]));
    goes_as::<i64>("LongSerializer", &[], &258, Some(&[0, 0, 0, 0, 0, 0, 1, 2]));
    goes_as::<f32>("FloatSerializer", &[], &1.0, Some(&[0x3f, 0x80, 0, 0]));
    goes_as::<f64>("DoubleSerializer", &[], &1.0, Some(&[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]));
    goes_as::<bool>("BooleanSerializer", &[], &true, Some(&[1]));
    goes_as::<u128>("UUIDSerializer", &[], &0, Some(b"00000000-0000-0000-0000-000000000000"));
    goes_as::<()>("VoidSerializer", &[], &(), None);
    let list = &[
        ("default.list.value.serde.type", "java.util.ArrayList"),
        ("default.list.value.serde.inner", "org.apache.kafka.common.serialization.Serdes$IntegerSerde"),
    ];
    // Strategy 0 (constant size), no nulls, two entries.
    let bytes =
        [&[0][..], &0i32.to_be_bytes(), &2i32.to_be_bytes(), &7i32.to_be_bytes(), &8i32.to_be_bytes()]
            .concat();
    goes_as::<[i32]>("ListSerializer", list, &[7, 8], Some(&bytes));
}

#[test]
fn a_serializer_that_does_not_fit_is_found_by_new() {
    let settings = config("localhost:9092", &[("value.serializer", "LongSerializer")]);
    let error = KafkaProducer::<str, str>::new(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(
        text.contains("value.serializer") && text.contains("LongSerializer") && text.contains("str"),
        "{text}"
    );
    let settings = config("localhost:9092", &[("key.serializer", "com.example.Unknown")]);
    let error = KafkaProducer::<str, str>::new(settings).unwrap_err();
    assert!(
        error.kind() == ErrorKind::Config && error.to_string().contains("com.example.Unknown"),
        "{error}"
    );
}

#[test]
fn required_settings_that_are_missing_are_named_in_javas_words() {
    let all = [
        ("bootstrap.servers", "localhost:9092"),
        ("key.serializer", "StringSerializer"),
        ("value.serializer", "StringSerializer"),
    ];
    for missing in all {
        let given = all.into_iter().filter(|setting| *setting != missing);
        let config = ProducerConfig::from_properties(given);
        let error = config.and_then(KafkaProducer::<str, str>::new).unwrap_err();
        let expected =
            format!("Missing required configuration \"{}\" which has no default value.", missing.0);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn an_unknown_setting_is_a_warning_with_the_nearest_known_name() {
    listen(log::LevelFilter::Warn, |record| {
        if record.level() == log::Level::Warn {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    });
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("my.own.setting", "1"), ("linger.mss", "5")]);
    producer.send(to_first("v")).unwrap().get().unwrap();
    let warnings = WARNINGS.lock().unwrap();
    assert!(warnings.iter().any(|line| line.contains("my.own.setting")), "{warnings:?}");
    assert!(
        warnings.iter().any(|line| line.contains("linger.mss") && line.contains("linger.ms")),
        "{warnings:?}"
    );
}

/// What a program may write itself: it sees topic and headers, is configured by name, and closed at the end.
struct Shouting {
    mark: String,
    closed: Option<mpsc::Sender<()>>,
}

impl Serializer<str> for Shouting {
    fn configure(
        &mut self,
        properties: &kafka_producer::Properties<'_>,
        is_key: bool,
    ) -> Result<(), SerializerError> {
        assert!(!is_key);
        self.mark = properties.get("shouting.mark").unwrap_or("?").to_owned();
        Ok(())
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a str,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        headers.add("shouted", topic.as_bytes());
        scratch.extend_from_slice(data.to_uppercase().as_bytes());
        scratch.extend_from_slice(self.mark.as_bytes());
        Ok(Some(scratch))
    }

    fn close(&self) {
        if let Some(closed) = &self.closed {
            closed.send(()).unwrap();
        }
    }
}

#[test]
fn a_serializer_of_ones_own_by_value_and_by_name() {
    let cluster = cluster(1);
    let (closed, was_closed) = mpsc::channel();
    let by_value = Shouting { mark: "!".to_owned(), closed: Some(closed) };
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = KafkaProducer::<str, str>::with_serializers(settings, StringSerializer, by_value).unwrap();
    producer.send(to_first("by value")).unwrap().get().unwrap();
    producer.close().unwrap();
    drop(producer);
    was_closed.try_recv().expect("closed once");
    was_closed.try_recv().unwrap_err();

    let mut registry = SerializerRegistry::new();
    registry.register::<str, _>("com.example.Shouting", || {
        Box::new(Shouting { mark: String::new(), closed: None })
    });
    let more = &[("value.serializer", "com.example.Shouting"), ("shouting.mark", "!!")];
    let settings = config(&cluster.bootstrap_servers(), more);
    let producer = KafkaProducer::<str, str>::builder(settings).serializers(registry).build().unwrap();
    producer.send(to_first("by name")).unwrap().get().unwrap();
    let records = cluster.records("t");
    let values: Vec<_> = records.iter().map(|record| text(record.value.as_ref()).unwrap()).collect();
    assert_eq!(values, ["BY VALUE!", "BY NAME!!"]);
    assert!(records.iter().all(|record| record.headers == [("shouted".to_owned(), Some(b"t".to_vec()))]));
}

/// Behaviours 1, 3.
#[test]
fn a_serializer_that_fails_queues_nothing_and_hands_the_record_back() {
    let cluster = cluster(1);
    let picky = || {
        serialize_with(|data: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(b"half of it");
            if data == "bad" { Err("no bad words") } else { Ok(()) }
        })
    };
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = KafkaProducer::<str, str>::with_serializers(settings, picky(), picky()).unwrap();
    for (key, value, named) in [("bad", "good", "key"), ("good", "bad", "value"), ("bad", "bad", "key")] {
        let record = to_first(value).with_key(key);
        let error = producer.send(&record).unwrap_err();
        assert_eq!((error.kind(), error.topic()), (ErrorKind::Serialization, Some("t")));
        let said = error.to_string();
        assert!(said.contains(&format!("the {named}")) && said.contains("no bad words"), "{said}");
        assert!(error.get_ref().is_some_and(|cause| cause.to_string() == "no bad words"));
        assert_eq!((*record.key(), *record.value()), (key, value));
    }
    producer.close().unwrap();
    assert_eq!(cluster.records("t"), []);
}

/// Behaviour 7.
/// The time in a serializer is not charged to `max.block.ms`, and a panic in one harms only its caller. (7)
#[test]
fn slow_and_panicking_serializers_harm_nobody_else() {
    let cluster = cluster(1);
    let odd = serialize_with(|data: &str, out: &mut Vec<u8>| {
        match data {
            "slow" => std::thread::sleep(Duration::from_millis(150)),
            "panic" => panic!("on purpose"),
            _ => {}
        }
        out.extend_from_slice(data.as_bytes());
        Ok::<(), SerializerError>(())
    });
    let settings = config(&cluster.bootstrap_servers(), &[("max.block.ms", "2000")]);
    let producer = KafkaProducer::<str, str>::with_serializers(settings, StringSerializer, odd).unwrap();
    producer.send(to_first("slow")).unwrap().get_timeout(SOON).unwrap();
    let other = producer.clone();
    std::thread::spawn(move || drop(other.send(to_first("panic")))).join().unwrap_err();
    producer.send(to_first("fine")).unwrap().get_timeout(SOON).unwrap();
    assert_eq!(crate::support::values(&cluster, "t", 0), ["slow", "fine"]);
}

/// Adds a header, takes another away, and refuses what is odd.
struct Marking;

impl Serializer<str> for Marking {
    fn serialize<'a>(
        &'a self,
        _: &str,
        headers: &mut Headers,
        data: &'a str,
        _: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        let own = headers.last("own").is_some();
        headers.remove("own");
        headers.add("marked", "1");
        if data == "whole" {
            *headers = Headers::new();
            headers.add("other", "");
        }
        own.then_some(Some(data.as_bytes())).ok_or_else(|| "without its own header".into())
    }
}

/// Fault E4.
#[test]
fn a_refused_record_comes_back_as_it_was_given_however_often() {
    let cluster = cluster(1);
    cluster.delay(kafka_embedded::Api::Produce, Duration::from_millis(300), 1);
    let settings = [("buffer.memory", "2000"), ("batch.size", "1000"), ("max.request.size", "2000")];
    let settings = config(&cluster.bootstrap_servers(), &settings);
    let producer = KafkaProducer::<str, str>::with_serializers(settings, Marking, Marking).unwrap();
    producer.partitions_for("t").unwrap();
    let fills = to_first("x".repeat(1000)).with_header("own", "1");
    producer.send(fills).unwrap();
    for value in ["v".repeat(900), "whole".to_owned()] {
        let given = to_first(value).with_header("own", "1").with_header("own", "2").with_timestamp(7);
        let (record, mut refused) = (given.clone(), 0);
        let future = loop {
            match producer.try_send(&record) {
                Ok(future) => break future,
                Err(error) => {
                    assert_eq!(error.kind(), kafka_producer::ErrorKind::WouldBlock, "{error}");
                    assert_eq!(record, given);
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        };
        assert!(refused > 0 || given.value() == "whole");
        future.get_timeout(AGES).unwrap();
    }
    let names = |headers: &[(String, Option<Vec<u8>>)]| -> Vec<String> {
        headers.iter().map(|(name, _)| name.clone()).collect()
    };
    let records = cluster.records("t");
    assert_eq!(names(&records[1].headers), ["marked"], "once, however often it was tried");
    assert_eq!(names(&records[2].headers), ["other"]);

    let without = to_first("v".to_owned()).with_header("other", "1");
    let error = producer.send(&without).unwrap_err();
    assert_eq!(error.kind(), kafka_producer::ErrorKind::Serialization);
    assert_eq!(without, to_first("v".to_owned()).with_header("other", "1"));
}

/// Panics when it ends.
struct PanicsAtItsEnd;

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        panic!("on purpose")
    }
}

/// Fault E2.
#[test]
fn what_a_callback_holds_may_panic_at_its_end_and_harms_nobody() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "20")]);
    let (tell, told) = mpsc::channel();
    for number in 0..3 {
        let (tell, held) = (tell.clone(), PanicsAtItsEnd);
        let sent = producer.send_with_callback(to_first(format!("{number:06}")), move |outcome| {
            let _held = &held;
            tell.send(outcome.is_ok()).unwrap();
        });
        sent.unwrap();
    }
    let held = PanicsAtItsEnd;
    let refused = producer.send_with_callback(to_first("v").with_timestamp(-1), move |_| drop(held));
    assert_eq!(refused.unwrap_err().kind(), kafka_producer::ErrorKind::InvalidRecord);
    producer.close().unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [true; 3]);
    crate::support::assert_holds_exactly(&cluster, 3);
}
