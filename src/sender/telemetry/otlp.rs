//! OpenTelemetry's messages: those fields of them that Kafka's clients write.
//!
//! Owns: the fields and their numbers. Must not know: which metrics there are.
//! Holds: a field that is not set takes no bytes, as protobuf 3 wants it.
//! Source: `opentelemetry/proto/metrics/v1/metrics.proto`, `common/v1`, `resource/v1`; Kafka's `SinglePointMetric`.

use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

/// What prost's derive macro would write. A field is `repeated`, `optional` (there or not) or `plain` (there unless it is zero).
macro_rules! message {
    ($(#[$about:meta])* struct $name:ident {
        $($(#[$what:meta])* $tag:literal $field:ident: $type:ty = $form:ident $kind:ident,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(super) struct $name {
            $($(#[$what])* pub(super) $field: $type,)*
        }

        impl Message for $name {
            fn encode_raw(&self, out: &mut impl BufMut) {
                $(field!(encode $form $kind, $tag, self.$field, out);)*
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: WireType,
                input: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                match tag {
                    $($tag => field!(merge $form $kind, wire_type, self.$field, input, context),)*
                    _ => encoding::skip_field(wire_type, tag, input, context),
                }
            }

            fn encoded_len(&self) -> usize {
                0 $(+ field!(length $form $kind, $tag, self.$field))*
            }

            fn clear(&mut self) {
                *self = Self::default();
            }
        }
    };
}

macro_rules! field {
    (encode repeated $kind:ident, $tag:literal, $value:expr, $out:ident) => {
        encoding::$kind::encode_repeated($tag, &$value, $out)
    };
    (encode optional $kind:ident, $tag:literal, $value:expr, $out:ident) => {
        if let Some(value) = &$value {
            encoding::$kind::encode($tag, value, $out);
        }
    };
    (encode plain $kind:ident, $tag:literal, $value:expr, $out:ident) => {
        if !is_zero(&$value) {
            encoding::$kind::encode($tag, &$value, $out);
        }
    };
    (merge repeated $kind:ident, $wire:ident, $value:expr, $input:ident, $context:ident) => {
        encoding::$kind::merge_repeated($wire, &mut $value, $input, $context)
    };
    (merge optional $kind:ident, $wire:ident, $value:expr, $input:ident, $context:ident) => {
        encoding::$kind::merge($wire, $value.get_or_insert_with(Default::default), $input, $context)
    };
    (merge plain $kind:ident, $wire:ident, $value:expr, $input:ident, $context:ident) => {
        encoding::$kind::merge($wire, &mut $value, $input, $context)
    };
    (length repeated $kind:ident, $tag:literal, $value:expr) => {
        encoding::$kind::encoded_len_repeated($tag, &$value)
    };
    (length optional $kind:ident, $tag:literal, $value:expr) => {
        $value.as_ref().map_or(0, |value| encoding::$kind::encoded_len($tag, value))
    };
    (length plain $kind:ident, $tag:literal, $value:expr) => {
        if is_zero(&$value) { 0 } else { encoding::$kind::encoded_len($tag, &$value) }
    };
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

message! {
    /// What a push holds.
    struct MetricsData {
        1 resource_metrics: Vec<ResourceMetrics> = repeated message,
    }
}

message! {
    struct ResourceMetrics {
        1 resource: Option<Resource> = optional message,
        2 scope_metrics: Vec<ScopeMetrics> = repeated message,
    }
}

message! {
    /// Whose metrics they are.
    struct Resource {
        1 attributes: Vec<KeyValue> = repeated message,
    }
}

message! {
    struct ScopeMetrics {
        2 metrics: Vec<OtlpMetric> = repeated message,
    }
}

message! {
    /// One of `gauge` and `sum` is there.
    struct OtlpMetric {
        1 name: String = plain string,
        5 gauge: Option<Gauge> = optional message,
        7 sum: Option<Sum> = optional message,
    }
}

message! {
    struct Gauge {
        1 data_points: Vec<NumberDataPoint> = repeated message,
    }
}

message! {
    struct Sum {
        1 data_points: Vec<NumberDataPoint> = repeated message,
        2 aggregation_temporality: i32 = plain int32,
        3 is_monotonic: bool = plain bool,
    }
}

/// Of a `Sum`: what it grew by since the last time.
pub(super) const DELTA: i32 = 1;
/// Of a `Sum`: what it came to since its start.
pub(super) const CUMULATIVE: i32 = 2;

message! {
    /// One of `as_double` and `as_int` is there.
    struct NumberDataPoint {
        2 start_time_unix_nano: u64 = plain fixed64,
        3 time_unix_nano: u64 = plain fixed64,
        4 as_double: Option<f64> = optional double,
        6 as_int: Option<i64> = optional sfixed64,
        7 attributes: Vec<KeyValue> = repeated message,
    }
}

message! {
    struct KeyValue {
        1 key: String = plain string,
        2 value: Option<AnyValue> = optional message,
    }
}

message! {
    struct AnyValue {
        1 string_value: Option<String> = optional string,
    }
}

impl KeyValue {
    pub(super) fn new(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { string_value: Some(value.to_owned()) });
        KeyValue { key: key.to_owned(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field by field as the `.proto` files number them: made by hand.
    #[test]
    fn the_bytes_are_those_of_the_proto_files() {
        let point = NumberDataPoint {
            start_time_unix_nano: 1,
            time_unix_nano: 2,
            as_double: Some(1.0),
            as_int: None,
            attributes: vec![KeyValue::new("k", "v")],
        };
        let sum = Sum { data_points: vec![point], aggregation_temporality: DELTA, is_monotonic: true };
        let metric = OtlpMetric { name: "m".into(), gauge: None, sum: Some(sum) };
        let bytes = metric.encode_to_vec();
        let attribute = [0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v'];
        let point = [
            &[0x11, 1, 0, 0, 0, 0, 0, 0, 0][..],
            &[0x19, 2, 0, 0, 0, 0, 0, 0, 0],
            &[0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            &[0x3a, 8],
            &attribute,
        ]
        .concat();
        let sum = [&[0x0a, point.len() as u8][..], &point, &[0x10, 1, 0x18, 1]].concat();
        assert_eq!(bytes, [&[0x0a, 1, b'm', 0x3a, sum.len() as u8][..], &sum].concat());
        assert_eq!(OtlpMetric::decode(&bytes[..]), Ok(metric));
    }

    #[test]
    fn what_is_not_set_takes_no_bytes_and_a_zero_that_is_set_does() {
        assert_eq!(NumberDataPoint::default().encode_to_vec(), [0; 0]);
        let zero = NumberDataPoint { as_int: Some(0), ..NumberDataPoint::default() };
        assert_eq!(zero.encode_to_vec(), [0x31, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(NumberDataPoint::decode(&zero.encode_to_vec()[..]), Ok(zero));
    }
}
