//! Interceptors: they see each record first, may change it, and are told every outcome before the record's callback.

use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use crate::support::{AGES, cluster, config, to_first, values};
use kafka_embedded::{Api, BrokerError, Fault};
use kafka_producer::{
    Acknowledgement, ErrorCode, ErrorKind, InterceptedRecord, InterceptorError, KafkaProducer,
    KafkaProducerBuilder, ProducerConfig, ProducerInterceptor, ProducerRecord, Properties,
};

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Notes what it sees and does what its name says.
struct Noted {
    name: String,
    log: Log,
}

impl Noted {
    fn new(name: &str, log: &Log) -> Noted {
        Noted { name: name.to_owned(), log: Arc::clone(log) }
    }

    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl ProducerInterceptor<str, str> for Noted {
    fn configure(&mut self, properties: &Properties<'_>) -> Result<(), InterceptorError> {
        if let Some(name) = properties.get("the.name") {
            self.name = name.to_owned();
        }
        if self.name == "unhappy" { Err("not with these settings".into()) } else { Ok(()) }
    }

    fn on_send(&self, record: &mut InterceptedRecord<'_, str, str>) -> Result<(), InterceptorError> {
        self.note(&format!("sees {}", record.value().unwrap_or("null")));
        record.headers_mut().add(self.name.clone(), "was here");
        match self.name.as_str() {
            "value" => record.set_value(Some(format!("{}!", record.value().unwrap()).into())),
            "key" => record.set_key(Some("key".into())),
            "place" => {
                record.set_partition(Some(1));
                record.set_timestamp(Some(42));
            }
            "topic" => record.set_topic("elsewhere"),
            "negative" => record.set_partition(Some(-7)),
            "early" => {
                record.set_timestamp(Some(-1));
                record.set_topic("elsewhere");
            }
            "fails" | "panics" => {
                record.set_topic("nowhere");
                record.set_partition(Some(99));
                record.set_timestamp(Some(-1));
                record.set_key(Some("spoilt".into()));
                record.set_value(None);
                assert_ne!(self.name, "panics", "on purpose");
                return Err("on purpose".into());
            }
            _ => {}
        }
        Ok(())
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        let headers: Vec<&str> = acknowledgement.headers().iter().map(|header| header.key()).collect();
        let outcome = match acknowledgement.outcome() {
            Ok(metadata) => metadata.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        };
        let place = (acknowledgement.topic(), acknowledgement.partition());
        let thread = thread::current().name().unwrap_or_default().contains("network-thread");
        self.note(&format!("hears {outcome} of {place:?} with {headers:?}, sender thread: {thread}"));
        match self.name.as_str() {
            "fails" => Err("on purpose".into()),
            "panics" => panic!("on purpose"),
            _ => Ok(()),
        }
    }

    fn close(&self) {
        self.note("is closed");
    }
}

fn builder(settings: ProducerConfig, names: &[&str], log: &Log) -> KafkaProducerBuilder<str, str> {
    let builder = KafkaProducer::builder(settings);
    names.iter().fold(builder, |builder, name| builder.interceptor(Noted::new(name, log)))
}

/// Behaviours 1, 13.
#[test]
fn they_see_records_in_order_and_outcomes_before_the_callback_and_are_closed_last() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = builder(settings, &["first", "second"], &log).build().unwrap();
    let callback = Arc::clone(&log);
    let future = producer.send_with_callback(to_first("v").with_header("own", "1"), move |outcome| {
        callback.lock().unwrap().push(format!("callback {}", outcome.unwrap()));
    });
    future.unwrap().get_timeout(AGES).unwrap();
    let heard = r#"hears t-0@0 of ("t", Some(0)) with ["own", "first", "second"], sender thread: true"#;
    let expected = ["first sees v", "second sees v", &format!("first {heard}"), &format!("second {heard}")];
    assert_eq!(taken(&log), [&expected[..], &["callback t-0@0"]].concat());
    producer.close().unwrap();
    drop(producer);
    assert_eq!(taken(&log), ["first is closed", "second is closed"]);
    let headers: Vec<_> = cluster.records("t")[0].headers.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(headers, ["own", "first", "second"]);
}

#[test]
fn each_may_change_what_the_next_one_sees() {
    let (cluster, log) = (cluster(2), Log::default());
    cluster.create_topic("elsewhere", kafka_embedded::TopicConfig::new(2));
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer =
        builder(settings, &["value", "value", "key", "place", "topic", "last"], &log).build().unwrap();
    let metadata = producer.send(ProducerRecord::new("t", "v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!((metadata.to_string(), metadata.timestamp()), ("elsewhere-1@0".to_owned(), Some(42)));
    let seen: Vec<_> = taken(&log).into_iter().filter(|line| line.contains(" sees ")).collect();
    assert_eq!(seen[..3], ["value sees v", "value sees v!", "key sees v!!"]);
    let record = &cluster.records("elsewhere")[0];
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"key"[..]), Some(&b"v!!"[..])));
    assert_eq!(record.headers.len(), 6);
}

/// Behaviour 13.
#[test]
fn one_that_fails_or_panics_changes_nothing_and_the_others_go_on() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = builder(settings, &["value", "fails", "panics", "last"], &log).build().unwrap();
    for number in 0..3 {
        let (tell, told) = mpsc::channel();
        let record = to_first(format!("{number}")).with_key("k");
        producer.send_with_callback(record, move |outcome| tell.send(outcome).unwrap()).unwrap();
        assert_eq!(told.recv_timeout(AGES).unwrap().unwrap().offset(), Some(number));
    }
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "t", 0), ["0!", "1!", "2!"]);
    let record = &cluster.records("t")[0];
    assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
    let headers: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["value", "last"]);
    let log = taken(&log);
    assert_eq!(log.iter().filter(|line| line.starts_with("last hears t-0@")).count(), 3, "{log:#?}");
}

/// Behaviours 2, 3, 5.
#[test]
fn what_is_not_accepted_is_told_to_them_on_the_callers_thread_and_to_no_callback() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[("max.request.size", "1000")]);
    let producer = builder(settings, &["a"], &log).build().unwrap();
    let refused = |record: ProducerRecord<_, kafka_producer::Value<String>>, kind: ErrorKind, place: &str| {
        let error = producer.send_with_callback(&record, |_| panic!("was not accepted")).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let log = taken(&log);
        let heard = format!("a hears {kind:?} of {place} with [\"a\"], sender thread: false");
        assert_eq!(log.last(), Some(&heard), "{log:#?}");
        record
    };
    let large = "x".repeat(2000);
    let record = refused(to_first(large.clone()), ErrorKind::RecordTooLarge, r#"("t", Some(0))"#);
    assert_eq!(record, to_first(large), "as it was given, without the header");
    refused(ProducerRecord::new("a b", String::new()), ErrorKind::InvalidTopic, r#"("a b", None)"#);
    producer.close().unwrap();
    taken(&log);
    refused(to_first("late".to_owned()), ErrorKind::Closed, r#"("t", Some(0))"#);
}

/// Fault C16.
#[test]
fn a_refused_record_is_told_to_them_with_the_partition_that_it_asks_for() {
    let (cluster, log) = (cluster(2), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[("max.block.ms", "2000")]);
    let producer = builder(settings, &["a"], &log).build().unwrap();
    let heard = |record: ProducerRecord<_, _>| {
        let kind = producer.send(record).unwrap_err().kind();
        (kind, taken(&log).pop().unwrap())
    };
    let mut last = Vec::new();
    for record in [
        ProducerRecord::new("nope", "v").with_partition(3),
        ProducerRecord::new("t", "v").with_partition(1).with_timestamp(-1),
        ProducerRecord::new("t", "v").with_partition(-1),
        ProducerRecord::new("nope", "v"),
    ] {
        let (kind, line) = heard(record);
        last.push((kind, line.split(" with ").next().unwrap().rsplit(" of ").next().unwrap().to_owned()));
    }
    let expected = [
        (ErrorKind::UnknownTopicOrPartition, r#"("nope", Some(3))"#),
        (ErrorKind::InvalidRecord, r#"("t", Some(1))"#),
        (ErrorKind::InvalidRecord, r#"("t", Some(-1))"#),
        (ErrorKind::UnknownTopicOrPartition, r#"("nope", None)"#),
    ];
    assert_eq!(last, expected.map(|(kind, place)| (kind, place.to_owned())));
}

#[test]
fn a_record_that_fails_later_is_told_to_them_too() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = builder(settings, &["a"], &log).build().unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED).times(1));
    let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let heard = r#"a hears Authorization of ("t", Some(0)) with ["a"], sender thread: true"#;
    assert_eq!(taken(&log), ["a sees v", heard]);
}

/// Fault C16.
#[test]
fn what_no_record_may_have_is_the_interceptors_error_and_undone() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[]);
    let producer = builder(settings, &["negative", "early", "last"], &log).build().unwrap();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let record = &cluster.records("t")[0];
    assert!(record.timestamp > 0);
    let headers: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["last"], "nothing of what the others did");
    let error = producer.send(to_first("v").with_timestamp(-1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRecord, "what the record had from the first is its own error");
}

/// Panics when it is shown, and when it ends.
#[derive(Debug)]
struct BadError;

impl std::fmt::Display for BadError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose: shown")
    }
}

impl Drop for BadError {
    fn drop(&mut self) {
        panic!("on purpose: dropped")
    }
}

impl std::error::Error for BadError {}

struct FailsBadly;

impl ProducerInterceptor<str, str> for FailsBadly {
    fn on_send(&self, record: &mut InterceptedRecord<'_, str, str>) -> Result<(), InterceptorError> {
        record.set_topic("nowhere");
        Err(Box::new(BadError))
    }

    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        Err(Box::new(BadError))
    }
}

/// Fault E2.
#[test]
fn an_error_that_panics_when_it_is_shown_or_dropped_harms_no_record() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[("linger.ms", "20")]);
    let producer = KafkaProducer::builder(settings).interceptor(FailsBadly);
    let producer = producer.interceptor(Noted::new("last", &log)).build().unwrap();
    let (tell, told) = mpsc::channel();
    for number in 0..3 {
        let tell = tell.clone();
        let send = producer.send_with_callback(to_first(format!("{number}")), move |outcome| {
            tell.send(outcome.unwrap().offset()).unwrap();
        });
        send.unwrap();
    }
    producer.send(to_first("x").with_partition(-1)).unwrap_err();
    producer.close().unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert_eq!(taken(&log).iter().filter(|line| line.starts_with("last hears t-0@")).count(), 3);
}

/// A value whose end panics where its text says so.
struct BadValue(&'static str);

impl Drop for BadValue {
    fn drop(&mut self) {
        if self.0.starts_with("bad") {
            panic!("on purpose: dropped")
        }
    }
}

struct Replaces {
    with: &'static str,
    fails: bool,
}

impl ProducerInterceptor<str, BadValue> for Replaces {
    fn on_send(&self, record: &mut InterceptedRecord<'_, str, BadValue>) -> Result<(), InterceptorError> {
        record.set_value(Some(Box::new(BadValue("bad, and replaced at once"))));
        record.set_value(Some(Box::new(BadValue(self.with))));
        if self.fails { Err("on purpose".into()) } else { Ok(()) }
    }
}

/// Fault E2.
#[test]
fn a_value_of_an_interceptor_s_that_panics_when_it_is_dropped_harms_no_record() {
    let cluster = cluster(1);
    let replaces = |with, fails| Replaces { with, fails };
    let rows = [
        (vec![replaces("bad", false)], "bad"),
        (vec![replaces("bad", true)], "given"),
        (vec![replaces("bad", false), replaces("good", false)], "good"),
        (vec![replaces("bad", false), replaces("bad too", true)], "bad"),
    ];
    for (chain, written) in rows {
        let texts = kafka_producer::serialize_with(|data: &BadValue, out: &mut Vec<u8>| {
            out.extend_from_slice(data.0.as_bytes());
            Ok::<(), std::convert::Infallible>(())
        });
        let settings = config(&cluster.bootstrap_servers(), &[("linger.ms", "0")]);
        let builder = KafkaProducer::<str, BadValue>::builder(settings).value_serializer(texts);
        let builder = chain.into_iter().fold(builder, KafkaProducerBuilder::interceptor);
        let producer = builder.build().unwrap();
        producer.send(to_first(&BadValue("given"))).unwrap().get_timeout(AGES).unwrap();
        let values = crate::support::values(&cluster, "t", 0);
        assert_eq!(values.last().unwrap(), written);
    }
}

/// Fails or panics where the value says so.
fn bad_serializer() -> impl kafka_producer::Serializer<str> {
    kafka_producer::serialize_with(|data: &str, out: &mut Vec<u8>| {
        if data == "panic" {
            panic!("on purpose");
        }
        out.extend_from_slice(data.as_bytes());
        if data == "fail" { Err(kafka_producer::SerializerError::from(BadError)) } else { Ok(()) }
    })
}

/// Fault E9.
#[test]
fn they_hear_once_of_every_record_that_they_saw_whatever_becomes_of_it() {
    let (cluster, log) = (cluster(1), Log::default());
    let settings = config(&cluster.bootstrap_servers(), &[("max.request.size", "1000"), ("linger.ms", "0")]);
    let producer = KafkaProducer::builder(settings).key_serializer(bad_serializer());
    let producer =
        producer.value_serializer(bad_serializer()).interceptor(Noted::new("a", &log)).build().unwrap();
    let large = "x".repeat(2000);
    for (value, accepted) in
        [("v", true), ("panic", false), (large.as_str(), false), ("fail", false), ("w", true)]
    {
        let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // What the error of `fail` holds panics when it is dropped: that is not ours to catch.
            producer.send(to_first(value)).map_err(std::mem::forget)
        }));
        assert_eq!(sent.is_err(), value == "panic", "a panic goes on to whoever called");
        assert_eq!(matches!(sent, Ok(Ok(_))), accepted, "{value}");
    }
    producer.close().unwrap();
    let log = taken(&log);
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("a sees"), count("a hears"), count("a hears Serialization")), (5, 5, 2), "{log:#?}");
}

/// Sends whatever has failed to another topic, or each record once more before it goes.
struct Sends {
    producer: Arc<OnceLock<KafkaProducer<str, str>>>,
    before: bool,
    outcomes: Arc<Mutex<Vec<Option<ErrorKind>>>>,
}

impl Sends {
    fn send(&self) {
        let Some(producer) = self.producer.get() else { return };
        let outcome = producer.send(ProducerRecord::new("t", "dead letter")).err().map(|error| error.kind());
        self.outcomes.lock().unwrap().push(outcome);
    }
}

impl ProducerInterceptor<str, str> for Sends {
    fn on_send(&self, _: &mut InterceptedRecord<'_, str, str>) -> Result<(), InterceptorError> {
        if self.before {
            self.send();
        }
        Ok(())
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        if !self.before && acknowledgement.outcome().is_err() {
            self.send();
        }
        Ok(())
    }
}

/// The stack would be over, and with it the process: dead letters are refused as what they are for.
#[test]
fn one_that_sends_whatever_was_refused_or_each_record_again_does_not_go_on_without_end() {
    let cluster = cluster(1);
    for before in [false, true] {
        let (slot, outcomes) = (Arc::default(), Arc::default());
        let sends = Sends { producer: Arc::clone(&slot), before, outcomes: Arc::clone(&outcomes) };
        let settings = config(&cluster.bootstrap_servers(), &[]);
        let producer = KafkaProducer::builder(settings).interceptor(sends).build().unwrap();
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
        slot.set(producer.clone()).unwrap();
        if before {
            producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
            producer.close().unwrap();
        } else {
            producer.close().unwrap();
            assert_eq!(producer.send(to_first("v")).unwrap_err().kind(), ErrorKind::Closed);
        }
        let told = outcomes.lock().unwrap().clone();
        assert_eq!(told.iter().filter(|kind| **kind == Some(ErrorKind::IllegalState)).count(), 1, "{told:?}");
        assert_eq!(told.len(), 16, "{told:?}");
        // Each time anew, and not for ever after.
        let _ = producer.send(to_first("v"));
        assert_eq!(outcomes.lock().unwrap().len(), 32);
    }
}

#[test]
fn those_named_in_the_settings_are_configured_and_come_first() {
    let (cluster, log) = (cluster(1), Log::default());
    let made = |settings: &[(&str, &str)]| {
        let settings = config(&cluster.bootstrap_servers(), settings);
        let builder = builder(settings, &["by value"], &log);
        ["com.example.One", "com.example.Two"].into_iter().fold(builder, |builder, name| {
            let log = Arc::clone(&log);
            builder.register_interceptor(name, move || Box::new(Noted::new(name, &log)))
        })
    };
    let producer = made(&[("interceptor.classes", "Two, com.example.One")]).build().unwrap();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let seen = ["com.example.Two sees v", "com.example.One sees v", "by value sees v"];
    assert_eq!(taken(&log)[..3], seen);
    let settings = &[("interceptor.classes", "One"), ("the.name", "configured")];
    made(settings).build().unwrap().send(to_first("v")).unwrap();
    assert_eq!(taken(&log)[0], "configured sees v");

    let error = made(&[("interceptor.classes", "Tow")]).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(
        ["interceptor.classes", "\"Tow\"", "com.example.One and com.example.Two"]
            .iter()
            .all(|part| text.contains(part)),
        "{text}"
    );
    let error = made(&[("interceptor.classes", "One"), ("the.name", "unhappy")]).build().unwrap_err();
    assert!(error.to_string().contains("not with these settings"), "{error}");
    let none = KafkaProducer::<str, str>::new(config(
        &cluster.bootstrap_servers(),
        &[("interceptor.classes", "x.Y")],
    ));
    assert_eq!(
        none.unwrap_err().to_string(),
        "interceptor.classes is \"x.Y\", which is not a known interceptor (one of your own has to be registered under \
         its name)"
    );
}
