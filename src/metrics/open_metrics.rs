//! A snapshot for Prometheus, by the crate `prometheus-client`: the feature `prometheus`.
//!
//! Owns: which metric is a counter, a gauge, or an info. Must not know: the text's rules, which are that crate's.
//! Source: OpenMetrics 1.0; `prometheus_client::collector::Collector`.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::metrics::exported::{exported_name, labels};
use crate::metrics::snapshot::{Metric, MetricValue, Metrics};

impl Metrics {
    /// The metrics as the text that Prometheus scrapes (OpenMetrics 1.0, of the content type
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`). Needs the feature `prometheus`.
    ///
    /// A name is `kafka_`, the group without `-metrics`, and Kafka's name, with underscores: `record-send-total` of
    /// `producer-topic-metrics` is `kafka_producer_topic_record_send_total`. Tags are labels: `client_id`, `topic`, `node_id`.
    /// What ends in `-total` is a counter, `kafka_app_info` has the version as a label, all else is a gauge. What was not
    /// measured of late is left out.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    ///
    /// let text = producer.metrics().to_open_metrics();
    /// assert!(text.contains("# TYPE kafka_producer_topic_record_send counter"));
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_open_metrics(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(MetricsCollector::new({
            let metrics = self.clone();
            move || metrics.clone()
        })));
        let mut out = String::new();
        // A String takes everything.
        let _ = text::encode(&mut out, &registry);
        out
    }
}

/// Gives a producer's metrics to a registry of the crate `prometheus-client`, each time that it is scraped. Needs the feature
/// `prometheus`.
///
/// Names and types are those of [`Metrics::to_open_metrics`]. One collector does for all producers of a program, which
/// `client.id` tells apart: `producers.iter().flat_map(KafkaProducer::metrics).collect()` is all of their metrics. Several
/// collectors in one registry would each name the same metrics, which Prometheus does not take.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, MetricsCollector};
/// use prometheus_client::registry::Registry;
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
/// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
/// let mut registry = Registry::default();
/// let handle = producer.clone();
/// registry.register_collector(Box::new(MetricsCollector::new(move || handle.metrics())));
///
/// let mut text = String::new();
/// prometheus_client::encoding::text::encode(&mut text, &registry)?;
/// assert!(text.contains("kafka_app_info{"));
/// // The registry has a handle as well, so dropping this one would not end the producer.
/// producer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MetricsCollector {
    snapshot: Box<dyn Fn() -> Metrics + Send + Sync>,
}

impl MetricsCollector {
    /// `snapshot` is called for each scrape, on the thread that scrapes.
    pub fn new(snapshot: impl Fn() -> Metrics + Send + Sync + 'static) -> MetricsCollector {
        MetricsCollector { snapshot: Box::new(snapshot) }
    }
}

impl fmt::Debug for MetricsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsCollector").finish_non_exhaustive()
    }
}

impl Collector for MetricsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let metrics = (self.snapshot)();
        // All of one name stand together.
        let mut families: BTreeMap<String, Vec<&Metric>> = BTreeMap::new();
        for metric in metrics.iter().filter(|metric| !metric.number().is_some_and(f64::is_nan)) {
            families.entry(family_name(metric)).or_default().push(metric);
        }
        for (name, metrics) in &families {
            let Some(first) = metrics.first() else { continue };
            let mut family = encoder.encode_descriptor(name, first.description(), None, type_of(first))?;
            metrics.iter().try_for_each(|metric| sample(&mut family, metric))?;
        }
        Ok(())
    }
}

fn type_of(metric: &Metric) -> MetricType {
    match metric.value() {
        MetricValue::Text(_) => MetricType::Info,
        MetricValue::Number(_) if metric.is_counter() => MetricType::Counter,
        MetricValue::Number(_) => MetricType::Gauge,
    }
}

/// The encoder adds `_total` and `_info`.
fn family_name(metric: &Metric) -> String {
    let name = exported_name(metric);
    let name = match type_of(metric) {
        MetricType::Counter => name.strip_suffix("_total"),
        MetricType::Info => name.split_once("_info_").map(|(group, _)| group),
        _ => None,
    };
    name.map_or_else(|| exported_name(metric), str::to_owned)
}

fn sample(family: &mut MetricEncoder<'_>, metric: &Metric) -> fmt::Result {
    match metric.value() {
        MetricValue::Text(text) => family.encode_info(&labels(metric, [(metric.name(), text.as_str())])),
        MetricValue::Number(number) => {
            let labels = labels(metric, []);
            let mut sample = family.encode_family(&labels)?;
            match type_of(metric) {
                MetricType::Counter => sample.encode_counter(number, None::<&Exemplar<NoLabelSet, f64>>),
                _ => sample.encode_gauge(number),
            }
        }
    }
}
