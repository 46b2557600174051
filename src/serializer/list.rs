//! `ListSerializer`: lists in the format of Java's `ListSerializer` (KIP-466).
//!
//! Owns: the format. Must not know: names and settings.
//!
//! ```text
//! flag: i8 = 0 (CONSTANT_SIZE)   null count: i32, null index: i32 …   size: i32   bytes of the items that are not null
//! flag: i8 = 1 (VARIABLE_SIZE)                                        size: i32   per item: length: i32 (-1: null), bytes
//! ```

use std::any::TypeId;

use super::primitive::{
    DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, ShortSerializer,
};
use super::text::UuidSerializer;
use super::{Serializer, SerializerError};
use crate::properties::Properties;
use crate::record::Headers;

/// Writes a list with a serializer for its items (KIP-466). Reads `[T]` and `Vec<T>`, where `S` reads `T`. Java:
/// `ListSerializer`.
///
/// Items that Java writes without their lengths (those of [`ShortSerializer`], [`IntegerSerializer`],
/// [`LongSerializer`], [`FloatSerializer`], [`DoubleSerializer`], [`UuidSerializer`]) are written so here. Items that
/// may be null are read by [`Nullable`].
///
/// By name it serves lists of the stock types; `default.list.key.serde.inner` or `default.list.value.serde.inner`
/// names the items' class, as in Java (`org.apache.kafka.common.serialization.Serdes$IntegerSerde`; the serializer's
/// own class name or a short name does as well). Lists of other items are passed as a value or registered under a name.
///
/// Serializing fails where an item's serializer fails, and for a list or an item beyond 2 GiB.
///
/// ```
/// use kafka_producer::{
///     Headers, IntegerSerializer, ListSerializer, Nullable, Serializer, SerializerError,
/// };
///
/// let (mut headers, mut scratch) = (Headers::new(), Vec::new());
/// let list = ListSerializer::new(IntegerSerializer);
/// let bytes = list.serialize("t", &mut headers, &[1, 2][..], &mut scratch)?;
/// assert_eq!(bytes, Some(&[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..]));
///
/// scratch.clear();
/// let list = ListSerializer::new(Nullable(IntegerSerializer));
/// let bytes = list.serialize("t", &mut headers, &[None, Some(2)][..], &mut scratch)?;
/// assert_eq!(bytes, Some(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2][..]));
/// # Ok::<(), SerializerError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ListSerializer<S> {
    pub(super) items: S,
    /// Whether the items are written without their lengths.
    pub(super) constant_size: bool,
}

impl<S: 'static> ListSerializer<S> {
    /// A serializer of lists whose items `items` writes.
    pub fn new(items: S) -> Self {
        ListSerializer { items, constant_size: has_constant_size::<S>() }
    }
}

impl<T, S: Serializer<T>> Serializer<[T]> for ListSerializer<S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.items.configure(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a [T],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        if self.constant_size {
            write_constant_size(&self.items, topic, headers, data, scratch)?;
        } else {
            write_variable_size(&self.items, topic, headers, data, scratch)?;
        }
        Ok(Some(scratch))
    }

    fn close(&self) {
        self.items.close();
    }
}

impl<T, S: Serializer<T>> Serializer<Vec<T>> for ListSerializer<S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.items.configure(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a Vec<T>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.serialize(topic, headers, data.as_slice(), scratch)
    }

    fn close(&self) {
        self.items.close();
    }
}

/// The places of the nulls are known only when the items are written, so they are put in before them at the end.
fn write_constant_size<T>(
    items: &impl Serializer<T>,
    topic: &str,
    headers: &mut Headers,
    data: &[T],
    out: &mut Vec<u8>,
) -> Result<(), SerializerError> {
    out.push(CONSTANT_SIZE);
    out.extend(length(data.len())?);
    let (mut nulls, mut scratch) = (Vec::new(), Vec::new());
    for (index, item) in (0i32..).zip(data) {
        match items.serialize(topic, headers, item, &mut scratch)? {
            Some(bytes) => out.extend_from_slice(bytes),
            None => nulls.push(index),
        }
        scratch.clear();
    }
    let count = length(nulls.len())?;
    out.splice(1..1, count.into_iter().chain(nulls.into_iter().flat_map(i32::to_be_bytes)));
    Ok(())
}

fn write_variable_size<T>(
    items: &impl Serializer<T>,
    topic: &str,
    headers: &mut Headers,
    data: &[T],
    out: &mut Vec<u8>,
) -> Result<(), SerializerError> {
    out.push(VARIABLE_SIZE);
    out.extend(length(data.len())?);
    let mut scratch = Vec::new();
    for item in data {
        match items.serialize(topic, headers, item, &mut scratch)? {
            Some(bytes) => {
                out.extend(length(bytes.len())?);
                out.extend_from_slice(bytes);
            }
            None => out.extend(NULL_ITEM.to_be_bytes()),
        }
        scratch.clear();
    }
    Ok(())
}

fn length(length: usize) -> Result<[u8; 4], SerializerError> {
    match i32::try_from(length) {
        Ok(length) => Ok(length.to_be_bytes()),
        Err(_) => {
            Err(format!("a list or an item of {length} is longer than Kafka's list format can say").into())
        }
    }
}

/// Whether Java's `FIXED_LENGTH_SERIALIZERS` has this one.
fn has_constant_size<S: 'static>() -> bool {
    fn is<S: 'static, Fixed: 'static>() -> bool {
        TypeId::of::<S>() == TypeId::of::<Fixed>() || TypeId::of::<S>() == TypeId::of::<Nullable<Fixed>>()
    }
    is::<S, ShortSerializer>()
        || is::<S, IntegerSerializer>()
        || is::<S, FloatSerializer>()
        || is::<S, LongSerializer>()
        || is::<S, DoubleSerializer>()
        || is::<S, UuidSerializer>()
}

const CONSTANT_SIZE: u8 = 0;
const VARIABLE_SIZE: u8 = 1;
const NULL_ITEM: i32 = -1;

/// Reads `Option<T>` where `S` reads `T`, and writes `None` as null: for the items of a [`ListSerializer`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Nullable<S>(pub S);

impl<T, S: Serializer<T>> Serializer<Option<T>> for Nullable<S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.0.configure(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a Option<T>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        match data {
            Some(data) => self.0.serialize(topic, headers, data, scratch),
            None => Ok(None),
        }
    }

    fn close(&self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::serializer::{
        BooleanSerializer, ByteArraySerializer, StringSerializer, VoidSerializer, serialize_with,
    };

    fn written<T: ?Sized>(serializer: &impl Serializer<T>, data: &T) -> Result<String, String> {
        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        match serializer.serialize("t", &mut headers, data, &mut scratch) {
            Ok(bytes) => Ok(bytes.unwrap().iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[track_caller]
    fn check<T, S: Serializer<T> + 'static>(items: S, data: Vec<T>, hex: &str) {
        let list = ListSerializer::new(items);
        assert_eq!(written(&list, &data), Ok(hex.to_owned()));
        assert_eq!(written(&list, data.as_slice()), Ok(hex.to_owned()));
    }

    /// Every expectation is what the ListSerializer of kafka-clients 4.3.1 printed for the same list.
    #[test]
    fn bytes_are_javas() {
        check(IntegerSerializer, vec![1, -1], "00000000000000000200000001ffffffff");
        check(IntegerSerializer, vec![], "000000000000000000");
        check(
            Nullable(IntegerSerializer),
            vec![None, Some(1), None],
            "000000000200000000000000020000000300000001",
        );
        check(Nullable(ShortSerializer), vec![Some(1), None], "000000000100000001000000020001");
        check(LongSerializer, vec![1], "0000000000000000010000000000000001");
        check(FloatSerializer, vec![1.5], "0000000000000000013fc00000");
        check(DoubleSerializer, vec![1.5], "0000000000000000013ff8000000000000");
        check(
            Nullable(UuidSerializer),
            vec![Some((1u128 << 64) | 2), None],
            "0000000001000000010000000230303030303030302d303030302d303030312d303030302d303030303030303030303032",
        );
        let strings = vec![Some("a".to_owned()), None, Some(String::new()), Some("bc".to_owned())];
        check(Nullable(StringSerializer), strings, "01000000040000000161ffffffff00000000000000026263");
        check::<String, _>(StringSerializer, vec![], "0100000000");
        check(
            Nullable(BooleanSerializer),
            vec![Some(true), None, Some(false)],
            "01000000030000000101ffffffff0000000100",
        );
        check(Nullable(ByteArraySerializer), vec![Some(vec![7]), None], "01000000020000000107ffffffff");
        check(
            Nullable(ListSerializer::new(IntegerSerializer)),
            vec![Some(vec![1]), None],
            "01000000020000000d00000000000000000100000001ffffffff",
        );
    }

    #[test]
    fn items_that_are_always_null_are_written_as_null() {
        check(VoidSerializer, vec![(), ()], "0100000002ffffffffffffffff");
    }

    #[test]
    fn an_items_error_is_the_lists() {
        let list = ListSerializer::new(serialize_with(|item: &i32, _: &mut Vec<u8>| match item {
            2 => Err("two is not allowed"),
            _ => Ok(()),
        }));
        assert_eq!(written(&list, &[1, 2, 3][..]), Err("two is not allowed".into()));
    }
}
