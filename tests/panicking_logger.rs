//! A logger that panics at every line, on whatever thread: it harms no record, no call and no process. Standard output
//! may be closed, and then each `println!` of a simple logger is a panic.

#![cfg(test)]

mod support;

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{
    Acknowledgement, ErrorKind, InterceptedRecord, InterceptorError, KafkaProducer, ProducerInterceptor,
    ProducerRecord,
};
use support::{AGES, assert_holds_exactly, cluster, config, producer, to_first, values};

static LINES: AtomicUsize = AtomicUsize::new(0);

/// From now on every line of the log is a panic. The panics on purpose are not printed.
fn panic_at_every_line() {
    support::logged::listen(log::LevelFilter::Trace, |record| {
        if record.target().starts_with("kafka_producer") {
            LINES.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose: the logger");
        }
    });
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload_as_str().is_some_and(|text| text.starts_with("on purpose")) {
                usual(info);
            }
        }));
    });
}

/// Fault E3.
#[test]
fn callbacks_that_panic_and_a_logger_that_does_leave_no_record_unanswered() {
    panic_at_every_line();
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let (tell, told) = mpsc::channel();
    for number in 0..3 {
        let tell = tell.clone();
        let sent = producer.send_with_callback(to_first(format!("{number:06}")), move |outcome| {
            tell.send(outcome.unwrap().offset().unwrap()).unwrap();
            panic!("on purpose: the callback");
        });
        sent.unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    producer.send(to_first("000003")).unwrap().get_timeout(AGES).unwrap();
    producer.close().unwrap();
    assert_holds_exactly(&cluster, 4);
    assert!(LINES.load(Ordering::Relaxed) > 0, "it was logged");
}

/// Fault E3.
#[test]
fn whatever_is_logged_on_the_way_records_arrive_once_and_in_order() {
    panic_at_every_line();
    let cluster = EmbeddedCluster::builder().brokers(3).topic("t", 1).start().unwrap();
    let producer = producer(&cluster, &support::MANY_BATCHES);
    support::send_a_thousand_under_faults(&cluster, &producer);
    drop(producer);
    assert_holds_exactly(&cluster, 1000);
}

/// Fails and panics wherever it is called.
struct Bad;

impl ProducerInterceptor<str, str> for Bad {
    fn on_send(&self, _: &mut InterceptedRecord<'_, str, str>) -> Result<(), InterceptorError> {
        Err("on purpose".into())
    }

    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        panic!("on purpose: the interceptor")
    }

    fn close(&self) {
        panic!("on purpose: the interceptor")
    }
}

/// Fault E3.
#[test]
fn no_call_of_the_program_panics_because_its_logger_does() {
    panic_at_every_line();
    let cluster = cluster(1);
    // A setting that nobody knows is logged, and so is an interceptor that fails, on the thread that sends.
    let settings = config(&cluster.bootstrap_servers(), &[("linger.mss", "1"), ("linger.ms", "10000")]);
    let producer = KafkaProducer::<str, str>::builder(settings).interceptor(Bad).build().unwrap();
    let future = producer.send(to_first("v")).unwrap();
    let refused = producer.send(ProducerRecord::new("t", "v").with_partition(-1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRecord);
    // In a callback `close` warns; what is not answered is lost, and that is logged where the last handle goes.
    let (closing, told) = (producer.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&told);
    producer
        .send_with_callback(to_first("w"), move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            closing.close().unwrap();
        })
        .unwrap();
    producer.flush().unwrap();
    assert_eq!((future.get_timeout(AGES).unwrap().offset(), told.load(Ordering::Relaxed)), (Some(0), 1));
    drop(producer);
    assert_eq!(values(&cluster, "t", 0), ["v", "w"]);
}
