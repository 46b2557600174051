//! `KafkaProducer::metrics`, and what the calls that wait measure.
//!
//! Owns: the metrics that are looked up rather than measured: memory, threads that wait, who this is. Must not know: how
//! anything is measured.
//! Threads: any application thread. Nothing here blocks for longer than a copy of a few numbers.
//! Source: `KafkaProducer.metrics()`, `AppInfoParser`.

use std::time::Duration;

use crate::metrics::{CallSensors, Looked, Metrics};
use crate::producer::{Core, KafkaProducer};
use crate::stage;
use crate::sync::atomic::Ordering;

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// What this producer has measured so far, under the names that Kafka's own producer has for it.
    ///
    /// A snapshot: it is taken now, and does not change. Averages, maxima and rates are of the last `metrics.num.samples`
    /// windows of `metrics.sample.window.ms` each; totals are since the producer was created. It can be taken on any thread,
    /// also in a callback, also after `close`; it does not block, and the sender does not wait for it.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, Metric, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    ///
    /// let metrics = producer.metrics();
    /// let sent = metrics.get("producer-topic-metrics", "record-send-total", &[("topic", "orders")]);
    /// assert_eq!(sent.and_then(Metric::number), Some(1.0));
    /// println!("{metrics}"); // a table of all of them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    fn metrics(&self) -> Metrics {
        let (now, pool, meters) = (stage::now(), self.accumulator.pool(), self.control.meters());
        let age = self.metadata.refreshed().map(|at| now.saturating_duration_since(at));
        let looked = Looked {
            waiting_threads: pool.waiting_threads(),
            buffer_total_bytes: pool.total(),
            buffer_available_bytes: pool.free(),
            metadata_age: age,
            requests_in_flight: meters.requests_in_flight.load(Ordering::Relaxed),
            connection_count: meters.connection_count.load(Ordering::Relaxed),
        };
        meters.read(now, &looked)
    }

    /// Measures what a call took.
    pub(super) fn timed<T>(&self, sensor: fn(&mut CallSensors, f64), call: impl FnOnce() -> T) -> T {
        let begun = stage::now();
        let outcome = call();
        self.waited(sensor, stage::now().saturating_duration_since(begun));
        outcome
    }

    /// Measures for how long a call has waited; nothing where it has not.
    pub(super) fn waited(&self, sensor: fn(&mut CallSensors, f64), time: Duration) {
        if !time.is_zero() {
            let nanos = time.as_nanos() as f64;
            self.control.meters().calls.measure(stage::now(), |sensors| sensor(sensors, nanos));
        }
    }
}
