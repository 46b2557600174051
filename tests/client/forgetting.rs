//! `send_and_forget`: the record is sent as by `send`, and only its outcome is told to nobody.

use std::sync::{Arc, Mutex, mpsc};

use super::metrics::of_producer;
use crate::support::{AGES, cluster, config, producer, text, to_first};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{
    Acknowledgement, Error, ErrorCode, ErrorKind, InterceptorError, KafkaProducer, MockProducer, Producer,
    ProducerInterceptor, ProducerRecord, RecordMetadata, StringSerializer,
};

fn stored(cluster: &EmbeddedCluster) -> Vec<String> {
    cluster.records("t").iter().filter_map(|record| text(record.value.as_ref())).collect()
}

/// Through many batches, the places of records at which a batch is opened, grown and filled included.
#[test]
fn what_is_forgotten_by_the_program_is_retried_and_kept_in_order_and_awaited_by_flush() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("batch.size", "300"), ("retry.backoff.ms", "5")]);
    cluster.fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER, 3);
    let values: Vec<String> =
        (0..500).map(|number| format!("{number} {}", "x".repeat(number % 90))).collect();
    for (number, value) in values.iter().enumerate() {
        if number % 3 == 0 {
            producer.send(to_first(value)).map(drop).unwrap();
        } else {
            producer.send_and_forget(to_first(value)).unwrap();
        }
    }
    producer.flush().unwrap();
    assert_eq!(producer.in_flight(), 0);
    assert_eq!(stored(&cluster), values);
}

#[test]
fn what_is_refused_is_an_error_and_stays_with_the_caller() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("max.request.size", "1000")]);
    let record = to_first("x".repeat(2000));
    assert_eq!(producer.send_and_forget(&record).unwrap_err().kind(), ErrorKind::RecordTooLarge);
    let record = to_first(record.value()[..500].to_owned());
    producer.send_and_forget(&record).unwrap();
    producer.close().unwrap();
    assert_eq!(producer.send_and_forget(&record).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stored(&cluster), [record.value().as_str()]);
}

/// Among futures and callbacks, each of which has its own place.
#[test]
fn a_batch_that_is_too_large_is_split_with_all_records_in_their_places() {
    let topic = TopicConfig::new(1).max_message_bytes(1_000);
    let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "100")]);
    let (mut futures, called) = (Vec::new(), Arc::new(Mutex::new(Vec::new())));
    let values: Vec<String> = (0..90).map(|number| format!("{number} {}", "x".repeat(50))).collect();
    for (number, value) in (0_i64..).zip(&values) {
        match number % 3 {
            0 => producer.send_and_forget(to_first(value)).unwrap(),
            1 => futures.push((number, producer.send(to_first(value)).unwrap())),
            _ => {
                let called = Arc::clone(&called);
                let note = move |outcome: Result<RecordMetadata, Error>| {
                    called.lock().unwrap().push((number, outcome.unwrap().offset()));
                };
                producer.send_with_callback(to_first(value), note).map(drop).unwrap();
            }
        }
    }
    producer.flush().unwrap();
    assert_eq!((producer.in_flight(), producer.buffered_bytes()), (0, 0));
    assert_eq!(stored(&cluster), values);
    for (number, future) in futures {
        assert_eq!(future.get_timeout(AGES).unwrap().offset(), Some(number));
    }
    let called = called.lock().unwrap();
    assert!(
        called.len() == 30 && called.iter().all(|(number, offset)| *offset == Some(*number)),
        "{called:?}"
    );
}

/// Tells the code of each outcome.
struct Tells(mpsc::Sender<Option<ErrorCode>>);

impl ProducerInterceptor<str, str> for Tells {
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        let _ = self.0.send(acknowledgement.outcome().err().and_then(|error| error.code()));
        Ok(())
    }
}

#[test]
fn an_interceptor_is_told_what_becomes_of_it() {
    let cluster = cluster(1);
    let (tell, told) = mpsc::channel();
    let interceptor = Tells(tell);
    let builder = KafkaProducer::<str, str>::builder(config(&cluster.bootstrap_servers(), &[]));
    let producer = builder.interceptor(interceptor).build().unwrap();
    cluster.fail(Api::Produce, BrokerError::INVALID_RECORD, 1);
    producer.send_and_forget(to_first("refused by the broker")).unwrap();
    producer.flush().unwrap();
    producer.send_and_forget(to_first("well")).unwrap();
    producer.flush().unwrap();
    assert_eq!(told.recv_timeout(AGES).unwrap(), Some(ErrorCode::INVALID_RECORD));
    assert_eq!(told.recv_timeout(AGES).unwrap(), None);
}

/// A compacted topic takes no record without a key, and names those of a batch (KIP-467): the others were only in the same one.
#[test]
fn where_a_broker_names_records_of_a_batch_each_is_told_and_counted_once() {
    let topic = TopicConfig::new(1).compacted();
    let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
    let (tell, told) = mpsc::channel();
    let settings = [("linger.ms", "60000"), ("delivery.timeout.ms", "120000")];
    let builder = KafkaProducer::<str, str>::builder(config(&cluster.bootstrap_servers(), &settings));
    let producer = builder.interceptor(Tells(tell)).build().unwrap();
    for number in 0..9 {
        let record = to_first(number.to_string());
        match number % 3 {
            0 => producer.send_and_forget(&record).unwrap(),
            1 => producer.send_and_forget(record.with_key("key")).unwrap(),
            _ => producer.send(record.with_key("key")).map(drop).unwrap(),
        }
    }
    producer.flush().unwrap();
    let codes: Vec<_> = (0..9).map(|_| told.recv_timeout(AGES).unwrap()).collect();
    assert!(codes.iter().all(|code| *code == Some(ErrorCode::INVALID_RECORD)), "{codes:?}");
    assert!(told.try_recv().is_err(), "once");
    let failed = of_producer(&producer.metrics(), "record-error-total");
    assert_eq!((failed, producer.buffered_bytes()), (9.0, 0));
    assert!(stored(&cluster).is_empty());
}

#[test]
fn a_transaction_with_one_that_fails_cannot_be_committed() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("transactional.id", "counts")]);
    producer.init_transactions().unwrap();
    let failing = producer.begin().unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD));
    failing.send_and_forget(to_first("refused by the broker")).unwrap();
    assert!(failing.commit().unwrap_err().requires_abort());
    let well = producer.begin().unwrap();
    well.send_and_forget(to_first("well")).unwrap();
    well.commit().unwrap();
    let committed = cluster.committed_records("t");
    assert_eq!(
        committed.iter().map(|record| text(record.value.as_ref())).collect::<Vec<_>>(),
        [Some("well".to_owned())]
    );
}

/// As a bound and as a trait object, with the mock and the one that sends.
#[test]
fn every_producer_has_the_call() {
    fn click(producer: &impl Producer<str, str>, page: &str) {
        producer.send_and_forget(ProducerRecord::new("t", page)).unwrap();
    }
    let mock = MockProducer::<str, str>::new(StringSerializer, StringSerializer);
    click(&mock, "home");
    assert_eq!(mock.history().len(), 1);
    let cluster = cluster(1);
    let producer = producer(&cluster, &[]);
    click(&producer, "home");
    let shared: Box<dyn Producer<str, str>> = Box::new(producer);
    click(&shared, "basket");
    shared.flush().unwrap();
    assert_eq!(stored(&cluster), ["home", "basket"]);
}
