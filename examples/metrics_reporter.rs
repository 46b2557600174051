//! Metrics at regular times: a reporter of one's own, which the settings name, and the table of all that is measured.
//!
//! ```text
//! cargo run --release --example metrics_reporter
//! ```

use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{KafkaProducer, Metric, Metrics, MetricsReporter, ProducerConfig, ProducerRecord};

/// Prints a line each time that it is called. It might as well push to whatever watches the program: it has a thread of its
/// own.
struct PrintLine;

impl MetricsReporter for PrintLine {
    fn interval(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn report(&mut self, metrics: &Metrics) {
        let number = |name| metrics.get("producer-metrics", name, &[]).and_then(Metric::number);
        let sent = number("record-send-total").unwrap_or_default();
        let latency = number("request-latency-p99").filter(|latency| !latency.is_nan());
        match latency {
            Some(latency) => {
                println!("{sent} records sent, 99 of 100 requests answered within {latency:.1} ms")
            }
            None => println!("{sent} records sent, no request answered"),
        }
    }

    fn close(&mut self) {
        println!("that was the last report");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .set("client.id", "shop")
        .set("compression.type", "zstd")
        .set("metric.reporters", "PrintLine"); // as it would stand in producer.properties
    let producer = KafkaProducer::<str, str>::builder(config)
        .default_serializers()
        .register_metrics_reporter("com.example.PrintLine", || Box::new(PrintLine))
        .build()?;

    for number in 0..10_000 {
        let record = ProducerRecord::new("orders", format!("order number {number}: two apples, a pear"));
        producer.send(record.with_key(format!("customer-{}", number % 100)))?;
    }
    producer.flush()?;

    // A snapshot can be had at any time, also without a reporter. Printed it is a table.
    let metrics = producer.metrics();
    print!("{metrics}");

    producer.close()?; // waits for the last report
    Ok(())
}
