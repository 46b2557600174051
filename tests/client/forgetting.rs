//! `send_and_forget`: the record is sent as by `send`, and only its outcome is told to nobody.

use std::sync::mpsc;

use crate::support::{AGES, cluster, config, producer, text, to_first};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{
    Acknowledgement, ErrorCode, ErrorKind, InterceptorError, KafkaProducer, MockProducer, Producer,
    ProducerInterceptor, ProducerRecord, StringSerializer,
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
