//! The names that metrics have outside of Kafka: in Prometheus' text and in the facade `metrics`.
//!
//! Owns: names. Must not know: who gets them.
//! Source: Prometheus' data model, "Metric names and labels".

use crate::metrics::snapshot::Metric;

/// `kafka_producer_topic_byte_rate` for `byte-rate` of `producer-topic-metrics`.
pub(super) fn exported_name(metric: &Metric) -> String {
    let group = metric.group().trim_start_matches("kafka-");
    let group = group.strip_suffix("-metrics").unwrap_or(group);
    sanitized(&format!("kafka-{group}-{}", metric.name()))
}

/// The tags under names that Prometheus takes; `more` beside them.
pub(super) fn labels<'a>(
    metric: &'a Metric,
    more: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let owned = |(tag, value): (&str, &str)| (sanitized(tag), value.to_owned());
    metric.tags().map(owned).chain(more.into_iter().map(owned)).collect()
}

/// Letters, digits and underscores; no digit comes first, as a name of Kafka's has none there.
fn sanitized(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::snapshot::MetricValue;

    #[test]
    fn names_are_letters_digits_and_underscores() {
        let name = |group, name| {
            let value = MetricValue::Number(0.0);
            exported_name(&Metric { group, name, tags: Vec::new(), unit: "", description: "", value })
        };
        assert_eq!(name("producer-metrics", "request-latency-p99.9"), "kafka_producer_request_latency_p99_9");
        assert_eq!(name("producer-node-metrics", "request-total"), "kafka_producer_node_request_total");
        assert_eq!(name("app-info", "start-time-ms"), "kafka_app_info_start_time_ms");
        assert_eq!(name("kafka-metrics-count", "count"), "kafka_metrics_count_count");
    }
}
