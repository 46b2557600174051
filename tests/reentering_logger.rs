//! A logger that uses the producer at every line: nothing is logged under a lock, and no call waits for itself.

#![cfg(test)]

mod support;

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::ProducerRecord;
use support::{TextProducer, assert_holds_exactly, producer};

static USED: Mutex<Option<TextProducer>> = Mutex::new(None);
static LINES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static AT_IT: Cell<bool> = const { Cell::new(false) };
}

/// Calls everything; what is refused there is refused.
fn use_it(producer: &TextProducer) {
    let _ = producer.try_send(ProducerRecord::new("log", "a line"));
    let _ = producer
        .send(ProducerRecord::new("log", "a line"))
        .map(|future| future.get_timeout(Duration::from_millis(1)));
    let _ = producer.partitions_for("log");
    let _ = producer.flush();
}

fn listen() {
    support::logged::listen(log::LevelFilter::Trace, |record| {
        let is_ours = record.target().starts_with("kafka_producer");
        if !is_ours || AT_IT.replace(true) {
            return;
        }
        let producer = USED.lock().unwrap().clone();
        if let Some(producer) = producer {
            LINES.fetch_add(1, Ordering::Relaxed);
            use_it(&producer);
        }
        AT_IT.set(false);
    });
}

/// Fault E3.
#[test]
fn a_logger_may_use_the_producer_whose_lines_it_writes() {
    listen();
    let cluster = EmbeddedCluster::builder().brokers(3).topic("t", 1).topic("log", 3).start().unwrap();
    let settings: Vec<_> = support::MANY_BATCHES.into_iter().chain([("max.block.ms", "10000")]).collect();
    let producer = producer(&cluster, &settings);
    *USED.lock().unwrap() = Some(producer.clone());
    support::send_a_thousand_under_faults(&cluster, &producer);
    producer.close().unwrap();
    *USED.lock().unwrap() = None;
    assert_holds_exactly(&cluster, 1000);
    assert!(LINES.load(Ordering::Relaxed) > 20);
}
