//! `TelemetryPayload`: a producer's metrics as OpenTelemetry's, under the names that Kafka gives them.
//!
//! Owns: names, attributes, what is a sum and what a gauge; what was told of each sum before, for deltas. Must not know: when
//! anything is pushed, how bytes are compressed.
//! Source: KIP-714; Kafka's `TelemetryMetricNamingConvention`, `KafkaMetricsCollector`, `ClientTelemetryProvider`,
//! `SinglePointMetric`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::otlp::{
    CUMULATIVE, DELTA, Gauge, KeyValue, MetricsData, NumberDataPoint, OtlpMetric, Resource, ResourceMetrics,
    ScopeMetrics, Sum,
};
use super::subscription::Subscription;
use crate::metrics::{Metric, Metrics};

/// What is told of all metrics, and what was told before.
pub(super) struct TelemetryPayload {
    resource: Resource,
    /// Sums that were told, and what of them.
    told: BTreeMap<SumKey, ToldSum>,
    /// Whether sums were told as deltas; none before the first time.
    delta: Option<bool>,
    /// When metrics were last read; at first, when the producer was created.
    read: u64,
}

type SumKey = (String, Vec<(String, String)>);

#[derive(Debug, Clone, Copy)]
struct ToldSum {
    /// Since when it counts, at the latest.
    since: u64,
    value: f64,
}

impl TelemetryPayload {
    /// For the producer with this `transactional.id` and `client.rack`, where they are set.
    pub(super) fn new(
        transactional_id: Option<&str>,
        client_rack: Option<&str>,
        created: SystemTime,
    ) -> TelemetryPayload {
        let known = [("transactional_id", transactional_id), ("client_rack", client_rack)].into_iter();
        let attributes = known.filter_map(|(key, value)| value.map(|value| KeyValue::new(key, value)));
        TelemetryPayload {
            resource: Resource { attributes: attributes.collect() },
            told: BTreeMap::new(),
            delta: None,
            read: nanos(created),
        }
    }

    /// The metrics that are wanted, as they are to be told now.
    pub(super) fn collect(
        &mut self,
        metrics: &Metrics,
        subscription: &Subscription,
        now: SystemTime,
    ) -> MetricsData {
        let now = nanos(now);
        if self.delta.replace(subscription.delta_temporality) != Some(subscription.delta_temporality) {
            self.told.clear();
        }
        let before = std::mem::take(&mut self.told);
        let mut resource_metrics = Vec::new();
        for metric in metrics {
            let name = telemetry_name(metric.group(), metric.name());
            if !subscription.wants(&name) {
                continue;
            }
            let Some(number) = metric.number() else { continue };
            let attributes = attributes(metric);
            let metric = if metric.is_counter() {
                self.sum(&before, (name, attributes), number, now)
            } else {
                gauge((name, attributes), point(metric, number, now))
            };
            let scope_metrics = vec![ScopeMetrics { metrics: vec![metric] }];
            resource_metrics.push(ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics });
        }
        self.read = now;
        MetricsData { resource_metrics }
    }

    fn sum(&mut self, before: &BTreeMap<SumKey, ToldSum>, key: SumKey, value: f64, now: u64) -> OtlpMetric {
        // What counts from zero again is another one of the same name: a broker or a topic that is back.
        let told = before.get(&key).filter(|told| told.value <= value);
        let is_delta = self.delta == Some(true);
        let since = told.map_or(self.read, |told| told.since);
        let shown = if is_delta { value - told.map_or(0.0, |told| told.value) } else { value };
        let point = NumberDataPoint {
            start_time_unix_nano: since,
            time_unix_nano: now,
            as_double: Some(shown),
            as_int: None,
            attributes: key_values(&key.1),
        };
        let sum = Sum {
            data_points: vec![point],
            aggregation_temporality: if is_delta { DELTA } else { CUMULATIVE },
            is_monotonic: true,
        };
        let name = key.0.clone();
        self.told.insert(key, ToldSum { since: if is_delta { now } else { since }, value });
        OtlpMetric { name, gauge: None, sum: Some(sum) }
    }
}

/// `producer-topic-metrics`, `record-send-rate`: `org.apache.kafka.producer.topic.record.send.rate`.
pub(super) fn telemetry_name(group: &str, name: &str) -> String {
    let group = group.to_lowercase().replace('-', ".").replace(".metrics", "");
    format!("org.apache.kafka.{group}.{}", name.to_lowercase().replace('-', "."))
}

/// All tags but the client id, which brokers know already.
fn attributes(metric: &Metric) -> Vec<(String, String)> {
    let named = metric.tags().map(|(tag, value)| (tag.to_lowercase().replace('-', "_"), value.to_owned()));
    named.filter(|(tag, _)| tag != "client_id").collect()
}

fn key_values(attributes: &[(String, String)]) -> Vec<KeyValue> {
    attributes.iter().map(|(key, value)| KeyValue::new(key, value)).collect()
}

fn gauge((name, attributes): SumKey, point: NumberDataPoint) -> OtlpMetric {
    let data_points = vec![NumberDataPoint { attributes: key_values(&attributes), ..point }];
    OtlpMetric { name, gauge: Some(Gauge { data_points }), sum: None }
}

/// A time in milliseconds is a whole number, as in Java; all else is not.
fn point(metric: &Metric, number: f64, now: u64) -> NumberDataPoint {
    let is_time = metric.name() == "start-time-ms";
    NumberDataPoint {
        time_unix_nano: now,
        as_double: Some(number).filter(|_| !is_time),
        as_int: is_time.then_some(number as i64),
        ..NumberDataPoint::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::subscription::tests::{response, subscription};
    use super::*;
    use crate::metrics::MetricValue;
    use crate::protocol::GetTelemetrySubscriptionsResponse;

    const TOTAL: &str = "org.apache.kafka.producer.topic.record.send.total";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn seconds(seconds: u64) -> u64 {
        seconds * 1_000_000_000
    }

    fn payload() -> TelemetryPayload {
        TelemetryPayload::new(None, None, at(100))
    }

    fn metric(group: &'static str, name: &'static str, topic: Option<&str>, value: MetricValue) -> Metric {
        let tags = [("client-id", Arc::from("c"))].into_iter();
        let tags = tags.chain(topic.map(|topic| ("topic", Arc::from(topic)))).collect();
        Metric { group, name, tags, unit: "", description: "", value }
    }

    fn sent(topic: &str, records: f64) -> Metric {
        metric("producer-topic-metrics", "record-send-total", Some(topic), MetricValue::Number(records))
    }

    fn delta() -> Subscription {
        let response = GetTelemetrySubscriptionsResponse { delta_temporality: true, ..response(&["*"]) };
        Subscription::read(response).unwrap()
    }

    /// Name, temporality, since when, until when, the value.
    fn sums(data: MetricsData) -> Vec<(String, i32, u64, u64, f64)> {
        let metrics = data.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        let metrics = metrics.flat_map(|it| it.metrics);
        let told = metrics.filter_map(|metric| {
            let sum = metric.sum?;
            let point = &sum.data_points[0];
            let (since, until) = (point.start_time_unix_nano, point.time_unix_nano);
            Some((metric.name, sum.aggregation_temporality, since, until, point.as_double?))
        });
        told.collect()
    }

    fn told(
        payload: &mut TelemetryPayload,
        of: &Subscription,
        records: f64,
        time: u64,
    ) -> (i32, u64, u64, f64) {
        let data = payload.collect(&Metrics::new(vec![sent("t", records)]), of, at(time));
        let mut all = sums(data);
        assert_eq!((all.len(), &*all[0].0), (1, TOTAL));
        let (_, temporality, since, until, value) = all.remove(0);
        (temporality, since, until, value)
    }

    #[test]
    fn names_are_those_of_javas_convention() {
        for (group, name, expected) in [
            ("producer-metrics", "record-send-rate", "org.apache.kafka.producer.record.send.rate"),
            ("producer-topic-metrics", "byte-total", "org.apache.kafka.producer.topic.byte.total"),
            (
                "producer-node-metrics",
                "request-latency-avg",
                "org.apache.kafka.producer.node.request.latency.avg",
            ),
            ("app-info", "start-time-ms", "org.apache.kafka.app.info.start.time.ms"),
        ] {
            assert_eq!(telemetry_name(group, name), expected);
        }
    }

    #[test]
    fn a_cumulative_sum_counts_since_the_producer_was_created() {
        let (mut payload, all) = (payload(), subscription(&["*"]));
        assert_eq!(told(&mut payload, &all, 5.0, 110), (CUMULATIVE, seconds(100), seconds(110), 5.0));
        assert_eq!(told(&mut payload, &all, 7.0, 120), (CUMULATIVE, seconds(100), seconds(120), 7.0));
    }

    #[test]
    fn a_delta_is_what_a_sum_grew_by_since_it_was_last_told() {
        let (mut payload, all) = (payload(), delta());
        assert_eq!(told(&mut payload, &all, 5.0, 110), (DELTA, seconds(100), seconds(110), 5.0));
        assert_eq!(told(&mut payload, &all, 7.0, 120), (DELTA, seconds(110), seconds(120), 2.0));
        assert_eq!(told(&mut payload, &all, 7.0, 130), (DELTA, seconds(120), seconds(130), 0.0));
    }

    #[test]
    fn what_counts_from_zero_again_is_never_told_as_less_than_nothing() {
        let (mut payload, all) = (payload(), delta());
        told(&mut payload, &all, 5.0, 110);
        assert_eq!(told(&mut payload, &all, 3.0, 120), (DELTA, seconds(110), seconds(120), 3.0));
        // Gone, and back.
        payload.collect(&Metrics::new(vec![]), &all, at(130));
        assert_eq!(told(&mut payload, &all, 9.0, 140), (DELTA, seconds(130), seconds(140), 9.0));
    }

    #[test]
    fn another_temporality_begins_anew() {
        let (mut payload, cumulative) = (payload(), subscription(&["*"]));
        told(&mut payload, &cumulative, 5.0, 110);
        assert_eq!(told(&mut payload, &delta(), 7.0, 120), (DELTA, seconds(110), seconds(120), 7.0));
        assert_eq!(told(&mut payload, &cumulative, 8.0, 130), (CUMULATIVE, seconds(120), seconds(130), 8.0));
    }

    #[test]
    fn topics_are_told_apart_by_attributes_and_the_client_id_is_not_told() {
        let (mut payload, all) = (payload(), delta());
        payload.collect(&Metrics::new(vec![sent("a", 1.0), sent("b", 10.0)]), &all, at(110));
        let data = payload.collect(&Metrics::new(vec![sent("a", 2.0), sent("b", 30.0)]), &all, at(120));
        let points = data.resource_metrics.iter().map(|it| {
            let sum = it.scope_metrics[0].metrics[0].sum.as_ref().unwrap();
            (sum.data_points[0].attributes.clone(), sum.data_points[0].as_double)
        });
        let expected = [("a", 1.0), ("b", 20.0)];
        let expected = expected.map(|(topic, value)| (vec![KeyValue::new("topic", topic)], Some(value)));
        assert_eq!(points.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn gauges_are_doubles_a_start_is_a_whole_number_and_texts_are_left_out() {
        let number = |name, value| metric("producer-metrics", name, None, MetricValue::Number(value));
        let metrics = Metrics::new(vec![
            number("batch-size-avg", f64::NAN),
            metric("app-info", "start-time-ms", None, MetricValue::Number(1_700_000_000_123.0)),
            metric("app-info", "version", None, MetricValue::Text("1".into())),
        ]);
        let data = payload().collect(&metrics, &subscription(&["*"]), at(110));
        let points: Vec<_> = data
            .resource_metrics
            .iter()
            .map(|it| {
                let metric = &it.scope_metrics[0].metrics[0];
                assert!(metric.sum.is_none());
                metric.gauge.as_ref().unwrap().data_points[0].clone()
            })
            .collect();
        assert!(
            points.len() == 2 && points[0].as_double.is_some_and(f64::is_nan) && points[0].as_int.is_none()
        );
        assert_eq!((points[1].as_double, points[1].as_int), (None, Some(1_700_000_000_123)));
        assert!(
            points
                .iter()
                .all(|point| point.start_time_unix_nano == 0 && point.time_unix_nano == seconds(110))
        );
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let metrics = Metrics::new(vec![
            sent("t", 1.0),
            metric("producer-metrics", "record-send-total", None, MetricValue::Number(1.0)),
        ]);
        let data = payload().collect(&metrics, &subscription(&["org.apache.kafka.producer.topic."]), at(110));
        assert_eq!(sums(data).into_iter().map(|it| it.0).collect::<Vec<_>>(), [TOTAL]);
    }

    #[test]
    fn the_resource_names_rack_and_transactional_id_where_they_are_set() {
        let resource = |transactional_id, client_rack| {
            let mut payload = TelemetryPayload::new(transactional_id, client_rack, at(100));
            let data = payload.collect(&Metrics::new(vec![sent("t", 1.0)]), &delta(), at(110));
            data.resource_metrics[0].resource.clone().unwrap().attributes
        };
        assert_eq!(resource(None, None), []);
        let both = resource(Some("mover"), Some("east"));
        assert_eq!(both, [KeyValue::new("transactional_id", "mover"), KeyValue::new("client_rack", "east")]);
    }
}
