//! OpenTelemetry's metrics, read out of their bytes.
//!
//! Owns: protobuf's fields, of those kinds that are met there, and what of them is shown. Written apart from the client's encoder,
//! so that a mistake made twice the same way cannot pass. Must not know: requests.
//! Holds: what is not a message is none; nothing is skipped silently but fields that are not known.

use super::telemetry_options::{ReceivedMetric, ReceivedValue};

/// All metrics of a `MetricsData`; `None` where the bytes are not one.
pub(super) fn metrics(data: &[u8]) -> Option<Vec<ReceivedMetric>> {
    let mut found = Vec::new();
    for resource_metrics in children(data, 1)? {
        let mut resource = Vec::new();
        for inner in children(resource_metrics, 1)? {
            resource.extend(children(inner, 1)?.into_iter().map(key_value).collect::<Option<Vec<_>>>()?);
        }
        for scope_metrics in children(resource_metrics, 2)? {
            for metric in children(scope_metrics, 2)? {
                metric_points(metric, &resource, &mut found)?;
            }
        }
    }
    Some(found)
}

/// A metric for each point of a gauge (5) or a sum (7).
fn metric_points(
    metric: &[u8],
    resource: &[(String, String)],
    found: &mut Vec<ReceivedMetric>,
) -> Option<()> {
    let name = text(children(metric, 1)?.last()?)?;
    for gauge in children(metric, 5)? {
        for point in children(gauge, 1)? {
            found.push(point_of(point, &name, resource)?);
        }
    }
    for sum in children(metric, 7)? {
        let (mut temporality, mut is_monotonic) = (0, false);
        for (number, value) in fields(sum)? {
            match (number, value) {
                (2, WireField::Varint(value)) => temporality = value,
                (3, WireField::Varint(value)) => is_monotonic = value != 0,
                _ => {}
            }
        }
        for point in children(sum, 1)? {
            let mut read = point_of(point, &name, resource)?;
            read.is_delta = match temporality {
                1 => Some(true),
                2 => Some(false),
                _ => return None,
            };
            read.is_monotonic = is_monotonic;
            found.push(read);
        }
    }
    Some(())
}

fn point_of(point: &[u8], name: &str, resource: &[(String, String)]) -> Option<ReceivedMetric> {
    let mut read = ReceivedMetric {
        name: name.to_owned(),
        attributes: Vec::new(),
        resource: resource.to_vec(),
        value: ReceivedValue::Double(f64::NAN),
        is_delta: None,
        is_monotonic: false,
        start_unix_nanos: 0,
        unix_nanos: 0,
    };
    let mut has_value = false;
    for (number, value) in fields(point)? {
        match (number, value) {
            (2, WireField::Fixed64(value)) => read.start_unix_nanos = value,
            (3, WireField::Fixed64(value)) => read.unix_nanos = value,
            (4, WireField::Fixed64(value)) => read.value = ReceivedValue::Double(f64::from_bits(value)),
            (6, WireField::Fixed64(value)) => read.value = ReceivedValue::Int(value.cast_signed()),
            (7, WireField::Bytes(value)) => read.attributes.push(key_value(value)?),
            (2..=7, _) => return None,
            _ => {}
        }
        has_value |= matches!(number, 4 | 6);
    }
    has_value.then_some(read)
}

/// A key (1) and a value (2) that is a text (1).
fn key_value(bytes: &[u8]) -> Option<(String, String)> {
    let key = text(children(bytes, 1)?.last()?)?;
    let value = children(children(bytes, 2)?.last()?, 1)?;
    Some((key, text(value.last()?)?))
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The fields of this number, which have to be messages or texts.
fn children(bytes: &[u8], wanted: u64) -> Option<Vec<&[u8]>> {
    let wanted = fields(bytes)?.into_iter().filter(|(number, _)| *number == wanted);
    wanted.map(|(_, value)| if let WireField::Bytes(value) = value { Some(value) } else { None }).collect()
}

enum WireField<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, WireField<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => WireField::Varint(varint(&mut bytes)?),
            1 => {
                let (value, rest) = bytes.split_first_chunk::<8>()?;
                bytes = rest;
                WireField::Fixed64(u64::from_le_bytes(*value))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                WireField::Bytes(value)
            }
            5 => {
                bytes = bytes.get(4..)?;
                WireField::Fixed32
            }
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
