//! Fire and forget: send ten thousand records without looking at a single outcome, and let `close` say how it went.
//!
//! ```text
//! cargo run --release --example fire_and_forget
//! ```
//!
//! "Forget" does not mean "lose": the producer retries, keeps the order, and writes each record once, as always. What
//! is forgotten is only the answer.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

const RECORDS: usize = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("readings", 6).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("DoubleSerializer");
    let producer: KafkaProducer<str, f64> = KafkaProducer::new(config)?;

    for number in 0..RECORDS {
        let sensor = format!("sensor-{}", number % 100);
        let reading = ProducerRecord::new("readings", number as f64 / 10.0).with_key(&*sensor);
        // `?` is for records that were not accepted: they are the caller's to deal with.
        producer.send_and_forget(reading)?;
    }
    println!("{RECORDS} records accepted: batched, sent and retried in the background.");

    // Dropping the producer would wait as well, but could only log what was lost.
    let report = producer.close_timeout(Duration::from_secs(30))?;
    println!(
        "close found {} not answered yet, and waited:",
        report.delivered + report.failed + report.abandoned
    );
    println!("  {} delivered, {} failed, {} abandoned", report.delivered, report.failed, report.abandoned);

    let stored = cluster.records("readings").len();
    let requests = cluster.requests(Api::Produce);
    println!("The brokers' logs hold {stored} records, which came in {requests} requests.");
    if stored != RECORDS || report.failed + report.abandoned > 0 {
        return Err("records were lost".into());
    }
    Ok(())
}
