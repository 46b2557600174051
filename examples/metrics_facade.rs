//! Metrics by way of the facade `metrics`: they go wherever the program's own metrics go.
//!
//! ```text
//! cargo run --release --features metrics-facade --example metrics_facade
//! ```
//!
//! The recorder here prints what it has at the end; in a program it is that of an exporter, such as
//! `metrics-exporter-prometheus` or `metrics-exporter-statsd`, and installed once for all crates.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{KafkaProducer, Metrics, MetricsReporter, ProducerConfig, ProducerRecord};
use metrics::atomics::AtomicU64;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Keeps all counters and gauges by their names and labels. The crate `metrics` writes to an `AtomicU64` by itself.
#[derive(Clone, Default)]
struct Kept {
    counters: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
    gauges: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
}

fn cell(all: &Mutex<BTreeMap<String, Arc<AtomicU64>>>, key: &Key) -> Arc<AtomicU64> {
    Arc::clone(all.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_string()).or_default())
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(cell(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(cell(&self.gauges, key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Hands the metrics on every ten seconds, and at the end.
struct ToFacade {
    described: bool,
}

impl MetricsReporter for ToFacade {
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn report(&mut self, metrics: &Metrics) {
        if !std::mem::replace(&mut self.described, true) {
            metrics.describe_to_facade();
        }
        metrics.record_to_facade();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kept = Kept::default();
    metrics::set_global_recorder(kept.clone()).map_err(|error| error.to_string())?;

    let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
    let config =
        ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers()).set("client.id", "shop");
    let producer = KafkaProducer::<str, str>::builder(config)
        .default_serializers()
        .metrics_reporter(ToFacade { described: false })
        .build()?;
    for number in 0..1000 {
        producer.send(ProducerRecord::new("orders", format!("order number {number}")))?;
    }
    producer.close()?; // waits for the last report

    for (key, value) in kept.counters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("counter {key} {}", value.load(Ordering::Relaxed));
    }
    for (key, value) in kept.gauges.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("gauge   {key} {:.3}", f64::from_bits(value.load(Ordering::Relaxed)));
    }
    Ok(())
}
