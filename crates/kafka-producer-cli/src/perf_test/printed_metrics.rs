//! `--print-metrics`: the producer's metrics as Kafka's tool prints them.
//!
//! Owns: the order and the columns. Must not know: what the metrics mean.
//! Source: `org.apache.kafka.tools.ToolsUtils.printMetrics`.

use std::collections::BTreeMap;
use std::fmt::Write;

use kafka_producer::{Metric, MetricValue, Metrics};

use super::java_format::fixed;

/// An empty line, a line of headings, and a line for each metric in the order of their names.
pub(super) fn table(metrics: &Metrics) -> String {
    let lines: BTreeMap<String, String> =
        metrics.iter().map(|metric| (name(metric), value(metric))).collect();
    let width = lines.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = format!("\n{:<width$}   Value\n", "Metric Name");
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<width$} : {value}");
    }
    text
}

/// `producer-metrics:record-send-total:{client-id=perf-producer-client}`.
fn name(metric: &Metric) -> String {
    let tags: Vec<String> = metric.tags().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}:{}:{{{}}}", metric.group(), metric.name(), tags.join(", "))
}

/// Three digits behind the point, but for what is no measured number in Java either.
fn value(metric: &Metric) -> String {
    match metric.value() {
        MetricValue::Number(number) if metric.group() == APP_INFO => fixed(*number, 0),
        MetricValue::Number(number) => fixed(*number, 3),
        other => other.to_string(),
    }
}

const APP_INFO: &str = "app-info";

#[cfg(test)]
mod tests {
    use kafka_producer::{KafkaProducer, ProducerConfig};

    use super::table;

    #[test]
    fn metrics_are_printed_in_javas_columns() -> Result<(), kafka_producer::Error> {
        let config = ProducerConfig::new().bootstrap_servers("localhost:1").client_id("perf");
        let producer = KafkaProducer::<[u8], [u8]>::builder(config).default_serializers().build()?;
        let text = table(&producer.metrics());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(""));
        let heading = lines.next().unwrap_or_default();
        let width = heading.find("   Value").unwrap_or_default();
        assert!(heading.starts_with("Metric Name "), "{heading}");
        let rest: Vec<&str> = lines.collect();
        assert!(rest.is_sorted(), "{text}");
        for line in &rest {
            let (name, value) = line.split_at_checked(width).unwrap_or_default();
            assert!(name.contains(":{client-id=perf"), "{line}");
            assert!(value.starts_with(" : "), "{line}");
        }
        let is_there =
            |start: &str, end: &str| rest.iter().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(is_there("producer-metrics:record-send-total:{client-id=perf}", " : 0.000"), "{text}");
        assert!(is_there("producer-metrics:batch-size-avg:{client-id=perf}", " : NaN"), "{text}");
        assert!(
            rest.iter().any(|line| line.starts_with("app-info:start-time-ms") && !line.contains('.')),
            "{text}"
        );
        Ok(())
    }
}
