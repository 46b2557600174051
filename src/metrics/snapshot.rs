//! `Metrics`: what a producer has measured, at one moment.
//!
//! Owns: looking metrics up, and how they are printed. Must not know: where the numbers come from.
//! Source: `KafkaProducer.metrics()`, `MetricName`.

use std::fmt;
use std::sync::Arc;

/// A snapshot of what a producer has measured: [`KafkaProducer::metrics`](crate::KafkaProducer::metrics).
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
/// let latency = metrics.get("producer-metrics", "request-latency-avg", &[]);
/// println!("{:?} ms", latency.and_then(Metric::number));
/// for metric in metrics.iter().filter(|metric| metric.group() == "producer-topic-metrics") {
///     println!("{:?} {} = {:?}", metric.tag("topic"), metric.name(), metric.value());
/// }
/// # let sent = metrics.get("producer-metrics", "record-send-total", &[]);
/// # assert_eq!(sent.and_then(Metric::number), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Metrics have the names, groups, and tags of Kafka's own producer; [the guide](crate::guide::metrics) lists all of them
/// with their units. Printed, it is a table.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    metrics: Vec<Metric>,
}

impl Metrics {
    pub(crate) fn new(metrics: Vec<Metric>) -> Metrics {
        Metrics { metrics }
    }

    /// All of them: those of the producer, then those of topics and brokers, then `app-info`.
    pub fn iter(&self) -> std::slice::Iter<'_, Metric> {
        self.metrics.iter()
    }

    /// The first metric of this group and name that has these tags. It may have others: `client-id` can be left out.
    ///
    /// `None` where there is none, such as a topic's before its first batch was sent.
    pub fn get(&self, group: &str, name: &str, tags: &[(&str, &str)]) -> Option<&Metric> {
        self.iter().find(|metric| {
            metric.group == group
                && metric.name == name
                && tags.iter().all(|(tag, value)| metric.tag(tag) == Some(value))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Only where nothing is measured, as by the mock.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }
}

impl<'a> IntoIterator for &'a Metrics {
    type Item = &'a Metric;
    type IntoIter = std::slice::Iter<'a, Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Metrics {
    type Item = Metric;
    type IntoIter = std::vec::IntoIter<Metric>;

    fn into_iter(self) -> Self::IntoIter {
        self.metrics.into_iter()
    }
}

/// Such as those of several producers, which their `client-id` tells apart.
impl FromIterator<Metric> for Metrics {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        Metrics::new(metrics.into_iter().collect())
    }
}

/// One number, or one text, with its name.
#[derive(Debug, Clone)]
pub struct Metric {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) tags: Vec<(&'static str, Arc<str>)>,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) value: MetricValue,
}

impl Metric {
    /// Such as `producer-metrics`.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Such as `record-send-rate`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about: `client-id`, and `topic` or `node-id`.
    pub fn tags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.tags.iter().map(|(tag, value)| (*tag, &**value))
    }

    /// The value of this tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags().find(|(tag, _)| *tag == name).map(|(_, value)| value)
    }

    /// Its unit, such as `bytes/s`; empty for a count.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// What it means.
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// Whether it counts since the producer was created and never falls: those whose names end in `-total`. All other numbers
    /// go up and down.
    pub fn is_counter(&self) -> bool {
        self.name.ends_with("-total")
    }

    /// What was measured.
    pub fn value(&self) -> &MetricValue {
        &self.value
    }

    /// The number, if it is one. An average or a maximum is NaN where nothing was measured of late.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            MetricValue::Number(number) => Some(number),
            MetricValue::Text(_) => None,
        }
    }
}

/// What a metric says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// NaN where nothing was measured.
    Number(f64),
    /// Such as a version.
    Text(String),
}

/// At most three digits behind the point; `-` where nothing was measured.
impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricValue::Number(number) if number.is_nan() => f.pad("-"),
            MetricValue::Number(number) if number.fract() == 0.0 => f.pad(&format!("{number:.0}")),
            MetricValue::Number(number) => f.pad(&format!("{number:.3}")),
            MetricValue::Text(text) => f.pad(text),
        }
    }
}

/// A line for each: group, what it is about, name, value, unit.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 5]> = self.iter().map(Metric::cells).collect();
        let heads = ["group", "of", "metric", "value", "unit"].map(str::to_owned);
        let mut widths = [0; 5];
        for line in [&heads].into_iter().chain(&lines) {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let [group_width, of_width, name_width, value_width, _] = widths;
        for [group, of, name, value, unit] in [&heads].into_iter().chain(&lines) {
            let line = format!(
                "{group:group_width$}  {of:of_width$}  {name:name_width$}  {value:>value_width$}  {unit}"
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Metric {
    fn cells(&self) -> [String; 5] {
        let of = self
            .tags()
            .filter(|(tag, _)| *tag != "client-id")
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
            .join(" ");
        [self.group.to_owned(), of, self.name.to_owned(), self.value.to_string(), self.unit.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &'static str, tags: &[(&'static str, &str)], value: MetricValue) -> Metric {
        let tags = tags.iter().map(|(tag, value)| (*tag, Arc::from(*value))).collect();
        Metric { group: "producer-topic-metrics", name, tags, unit: "bytes/s", description: "", value }
    }

    fn metrics() -> Metrics {
        Metrics::new(vec![
            metric("byte-rate", &[("client-id", "c"), ("topic", "a")], MetricValue::Number(1.25)),
            metric("byte-rate", &[("client-id", "c"), ("topic", "b")], MetricValue::Number(20.0)),
            metric("compression-rate", &[("client-id", "c"), ("topic", "b")], MetricValue::Number(f64::NAN)),
        ])
    }

    #[test]
    fn a_metric_is_found_by_the_tags_that_matter() {
        let metrics = metrics();
        let of = |topic| {
            metrics.get("producer-topic-metrics", "byte-rate", &[("topic", topic)]).and_then(Metric::number)
        };
        assert_eq!((of("a"), of("b"), of("c")), (Some(1.25), Some(20.0), None));
        assert_eq!(metrics.get("producer-metrics", "byte-rate", &[]).map(Metric::name), None);
    }

    #[test]
    fn printed_they_are_a_table() {
        let table = "\
group                   of  metric            value  unit
producer-topic-metrics  a   byte-rate         1.250  bytes/s
producer-topic-metrics  b   byte-rate            20  bytes/s
producer-topic-metrics  b   compression-rate      -  bytes/s
";
        assert_eq!(metrics().to_string(), table);
    }
}
