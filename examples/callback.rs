//! Callbacks: be told each record's outcome, on the sender thread, in the order of `send`.
//!
//! ```text
//! cargo run --release --example callback
//! ```
//!
//! A callback must be quick: while it runs nothing is sent. Count, log, or hand the outcome to another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka_embedded::{EmbeddedCluster, TopicConfig};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

#[derive(Default)]
struct Statistics {
    delivered: AtomicU64,
    failed: AtomicU64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A compacted topic keeps the newest record of each key, so its brokers refuse records without one.
    let compacted = TopicConfig::new(3).compacted();
    let cluster = EmbeddedCluster::builder().brokers(3).topic_with("customers", compacted).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("StringSerializer");
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
    let statistics = Arc::new(Statistics::default());

    for number in 0..1000 {
        let statistics = Arc::clone(&statistics);
        let record = ProducerRecord::new("customers", format!("customer number {number}"))
            .with_key(format!("customer-{}", number % 7));
        producer.send_with_callback(record, move |outcome| match outcome {
            Ok(metadata) if number % 250 == 0 => {
                println!("customer number {number} is {metadata}");
                statistics.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {
                statistics.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                println!("customer number {number} failed: {error}");
                statistics.failed.fetch_add(1, Ordering::Relaxed);
            }
        })?;
    }
    producer.flush()?; // all callbacks have run when it returns

    // This one will be refused by the broker; the callback is where a program learns of it.
    let counted = Arc::clone(&statistics);
    producer.send_with_callback(ProducerRecord::new("customers", "nobody"), move |outcome| {
        if let Err(error) = outcome {
            println!("a record without a key failed, as it should:\n  {error}");
            counted.failed.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    producer.close()?;

    let (delivered, failed) =
        (statistics.delivered.load(Ordering::Relaxed), statistics.failed.load(Ordering::Relaxed));
    println!("{delivered} delivered, {failed} failed");
    if (delivered, failed) != (1000, 1) {
        return Err("1000 delivered and 1 failed were expected".into());
    }
    Ok(())
}
