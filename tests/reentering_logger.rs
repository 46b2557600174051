//! A logger that uses the producer at every line: nothing is logged under a lock, and no call waits for itself.

#![cfg(test)]

mod support;

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka_producer::ProducerRecord;
use kafka_producer::embedded::{Api, EmbeddedCluster, Fault};
use support::{AGES, TextProducer, assert_holds_exactly, producer, send_numbered};

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
        let is_ours = record.target().starts_with("kafka_producer") && !record.target().contains("embedded");
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
    let settings =
        [("batch.size", "200"), ("linger.ms", "0"), ("compression.type", "zstd"), ("max.block.ms", "1000")];
    let producer = producer(&cluster, &settings);
    *USED.lock().unwrap() = Some(producer.clone());
    let faults = [
        Fault::fail(Api::Produce, 6),
        Fault::cut_after(Api::Produce),
        Fault::fail(Api::Produce, 10).skip(2),
        Fault::cut_before(Api::Produce).skip(4),
        Fault::fail(Api::Produce, 45).skip(6),
        Fault::fail(Api::Metadata, 3),
    ];
    faults.into_iter().for_each(|fault| cluster.inject(fault));
    let mut futures = Vec::new();
    for hundred in 0..10 {
        futures.extend(send_numbered(&producer, hundred * 100..(hundred + 1) * 100));
        cluster.move_leader("t", 0, 1 + hundred as i32 % 3);
        std::thread::sleep(Duration::from_millis(5));
    }
    for future in futures {
        future.get_timeout(AGES).unwrap();
    }
    producer.close().unwrap();
    *USED.lock().unwrap() = None;
    assert_holds_exactly(&cluster, 1000);
    assert!(LINES.load(Ordering::Relaxed) > 20);
}
