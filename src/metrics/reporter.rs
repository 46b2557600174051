//! `MetricsReporter`: user code that gets the metrics again and again.
//!
//! Owns: the trait. Must not know: the thread that calls it.
//! Source: Kafka's `MetricsReporter`, which is told of each metric as it comes and goes, where this one gets a snapshot.

use std::time::Duration;

use crate::metrics::snapshot::Metrics;
use crate::properties::Properties;

/// Gets a producer's metrics at regular times: to write them to a file, or to push them to whatever watches the program.
///
/// A producer has any number of them, given to
/// [`KafkaProducerBuilder::metrics_reporter`](crate::KafkaProducerBuilder::metrics_reporter) or named in `metric.reporters`.
/// All of them run on one thread of their own, which a producer without any does not have: they may take their time, at the cost
/// of the others, and no record waits for them. As in callbacks, calls of the producer do not wait there, and `flush` is
/// refused. A panic is logged and changes nothing: the reporter is called again the next time.
///
/// Where something asks for the metrics instead, as Prometheus does, none of this is needed: call
/// [`KafkaProducer::metrics`](crate::KafkaProducer::metrics) then.
///
/// ```
/// use std::time::Duration;
/// use kafka_producer::{Metric, Metrics, MetricsReporter};
///
/// /// Prints how many records a second are sent.
/// struct PrintRate;
///
/// impl MetricsReporter for PrintRate {
///     fn interval(&self) -> Duration {
///         Duration::from_secs(60)
///     }
///
///     fn report(&mut self, metrics: &Metrics) {
///         let rate = metrics.get("producer-metrics", "record-send-rate", &[]);
///         let rate = rate.and_then(Metric::number).unwrap_or_default();
///         println!("{rate:.1} records a second");
///     }
/// }
/// ```
pub trait MetricsReporter: Send {
    /// Reads settings. Called once, by `KafkaProducer::new`, and only for a reporter that is named in `metric.reporters`;
    /// one that is passed as a value comes configured.
    ///
    /// # Errors
    ///
    /// A setting does not fit: `new` fails with an error of kind [`Config`](crate::ErrorKind::Config).
    fn configure(
        &mut self,
        properties: &Properties<'_>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let _ = properties;
        Ok(())
    }

    /// How long it is from one report to the next: 30 seconds unless it says otherwise, and at least a millisecond. Asked once,
    /// before the first report, which comes after this time.
    fn interval(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Called with a snapshot, and once more at the end, when everything is answered. `close` of the producer waits for the
    /// last call.
    fn report(&mut self, metrics: &Metrics);

    /// Called once when the producer is closed, after the last report.
    fn close(&mut self) {}
}
