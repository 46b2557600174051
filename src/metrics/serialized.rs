//! A snapshot for serde: the feature `serde`.
//!
//! Owns: the shape, which is public. Must not know: formats, where the numbers come from.

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::metrics::snapshot::{Metric, MetricValue, Metrics};

/// A sequence of metrics, in the order of [`iter`](Metrics::iter).
impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

/// `group`, `name`, `tags` (a map), `unit`, `value`. Descriptions are left out, as they never change.
impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut metric = serializer.serialize_struct("Metric", 5)?;
        metric.serialize_field("group", self.group())?;
        metric.serialize_field("name", self.name())?;
        metric.serialize_field("tags", &Tags(self))?;
        metric.serialize_field("unit", self.unit())?;
        metric.serialize_field("value", self.value())?;
        metric.end()
    }
}

/// A number, a text, or none where nothing was measured (`null` in JSON).
impl Serialize for MetricValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MetricValue::Number(number) if number.is_nan() => serializer.serialize_none(),
            MetricValue::Number(number) => serializer.serialize_f64(*number),
            MetricValue::Text(text) => serializer.serialize_str(text),
        }
    }
}

struct Tags<'a>(&'a Metric);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tags = serializer.serialize_map(None)?;
        for (tag, value) in self.0.tags() {
            tags.serialize_entry(tag, value)?;
        }
        tags.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn metric(value: MetricValue) -> Metric {
        let tags = vec![("client-id", Arc::from("a\"b")), ("topic", Arc::from("t"))];
        let (group, name) = ("producer-topic-metrics", "byte-rate");
        Metric { group, name, tags, unit: "bytes/s", description: "not there", value }
    }

    #[test]
    fn the_shape_is_the_one_that_is_documented() {
        let values =
            [MetricValue::Number(1.5), MetricValue::Number(f64::NAN), MetricValue::Text("0.1".into())];
        let metrics = Metrics::new(values.map(metric).into());
        let json = serde_json::to_string(&metrics).unwrap();
        let one = |value: &str| {
            format!(
                r#"{{"group":"producer-topic-metrics","name":"byte-rate","tags":{{"client-id":"a\"b","topic":"t"}},"unit":"bytes/s","value":{value}}}"#
            )
        };
        assert_eq!(json, format!("[{},{},{}]", one("1.5"), one("null"), one("\"0.1\"")));
    }
}
