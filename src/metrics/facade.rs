//! A snapshot for the facade of the crate `metrics`: the feature `metrics-facade`.
//!
//! Owns: which of that crate's kinds a metric is. Must not know: which recorder gets it.

use metrics::{Key, KeyName, Label, Level, Metadata, Unit, with_recorder};

use crate::metrics::exported::{exported_name, labels};
use crate::metrics::snapshot::{Metric, Metrics};

impl Metrics {
    /// Hands the metrics to the recorder of the crate `metrics` that the program has installed; without one nothing happens.
    /// Needs the feature `metrics-facade`.
    ///
    /// Call it as often as the recorder's readers look, every 10 seconds for instance, or when they do. Names and labels are
    /// those of [`describe_to_facade`](Metrics::describe_to_facade). What ends in `-total` is a counter that is set to its
    /// absolute value, all other numbers are gauges; what was not measured of late is left as it was, and texts are left out.
    ///
    /// ```
    /// # let producer = kafka_producer::KafkaProducer::<str, str>::connect("localhost:9092")?;
    /// let metrics = producer.metrics();
    /// metrics.describe_to_facade(); // once
    /// metrics.record_to_facade(); // again and again
    /// # Ok::<(), kafka_producer::Error>(())
    /// ```
    pub fn record_to_facade(&self) {
        with_recorder(|recorder| {
            for (metric, number) in self.iter().filter_map(measured) {
                let labels = labels(metric, []).into_iter().map(|(name, value)| Label::new(name, value));
                let key = Key::from_parts(exported_name(metric), labels.collect::<Vec<_>>());
                match metric.is_counter() {
                    true => recorder.register_counter(&key, &METADATA).absolute(number as u64),
                    false => recorder.register_gauge(&key, &METADATA).set(number),
                }
            }
        });
    }

    /// Tells the recorder of the crate `metrics` units and descriptions. Needs the feature `metrics-facade`.
    ///
    /// A name is `kafka_`, the group without `-metrics`, and Kafka's name, with underscores: `record-send-total` of
    /// `producer-topic-metrics` is `kafka_producer_topic_record_send_total`. Tags are labels: `client_id`, `topic`, `node_id`.
    /// Metrics of topics and brokers are told once there are some.
    pub fn describe_to_facade(&self) {
        with_recorder(|recorder| {
            for metric in self.iter().filter(|metric| metric.number().is_some()) {
                let (name, unit) = (KeyName::from(exported_name(metric)), unit(metric.unit()));
                match metric.is_counter() {
                    true => recorder.describe_counter(name, unit, metric.description().into()),
                    false => recorder.describe_gauge(name, unit, metric.description().into()),
                }
            }
        });
    }
}

fn measured(metric: &Metric) -> Option<(&Metric, f64)> {
    let number = metric.number().filter(|number| !number.is_nan())?;
    Some((metric, number))
}

fn unit(unit: &str) -> Option<Unit> {
    match unit {
        "bytes" => Some(Unit::Bytes),
        "ms" => Some(Unit::Milliseconds),
        "ns" => Some(Unit::Nanoseconds),
        "s" => Some(Unit::Seconds),
        "ratio" | "bytes/s" => None,
        rate if rate.ends_with("/s") => Some(Unit::CountPerSecond),
        _ => Some(Unit::Count),
    }
}

const METADATA: Metadata<'static> = Metadata::new("kafka_producer", Level::INFO, Some("kafka_producer"));
