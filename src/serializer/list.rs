//! `ListSerializer`: lists in the format of Java's `ListSerializer` (KIP-466).
//!
//! Owns: the format and the settings that name the items' class.
//!
//! ```text
//! flag: i8 = 0 (CONSTANT_SIZE)   null count: i32, null index: i32 …   size: i32   bytes of the items that are not null
//! flag: i8 = 1 (VARIABLE_SIZE)                                        size: i32   per item: length: i32 (-1: null), bytes
//! ```

use std::any::TypeId;
use std::marker::PhantomData;

use super::primitive::{
    DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, ShortSerializer,
};
use super::registry::{SerializerRegistry, readable_type_name};
use super::text::UuidSerializer;
use super::{Serializer, SerializerError};
use crate::properties::Properties;
use crate::record::Headers;

/// Writes a list with the help of a serializer of its items. Reads `[T]` and `Vec<T>`, where `S` reads `T`. Java:
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
/// use kafka_producer::{Headers, IntegerSerializer, ListSerializer, Nullable, Serializer, SerializerError};
///
/// let (mut headers, mut scratch) = (Headers::new(), Vec::new());
/// let list = ListSerializer::new(IntegerSerializer);
/// let bytes = list.serialize("t", &mut headers, &[1, 2][..], &mut scratch)?;
/// assert_eq!(bytes, Some(&[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..]));
///
/// scratch.clear();
/// let list = ListSerializer::new(Nullable(IntegerSerializer));
/// let bytes = list.serialize("t", &mut headers, &vec![None, Some(2)], &mut scratch)?;
/// assert_eq!(bytes, Some(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2][..]));
/// # Ok::<(), SerializerError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ListSerializer<S> {
    items: S,
    constant_size: bool,
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

/// The list serializer that `key.serializer=…ListSerializer` makes: it learns from the settings what its items are.
/// `T` is what the stock serializer of the items reads, `S` that serializer as the list needs it.
pub(super) struct NamedListSerializer<T, S> {
    list: Option<ListSerializer<S>>,
    wrap: fn(Box<dyn Serializer<T>>) -> S,
    reads: PhantomData<fn(&T)>,
}

impl<T: 'static, S> NamedListSerializer<T, S> {
    pub(super) fn new(wrap: fn(Box<dyn Serializer<T>>) -> S) -> Self {
        NamedListSerializer { list: None, wrap, reads: PhantomData }
    }

    fn configure_list(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        let setting = if is_key { "default.list.key.serde.inner" } else { "default.list.value.serde.inner" };
        let Some(given) = properties.get(setting) else {
            return Err(format!(
                "ListSerializer needs {setting}, the class of the list's items, for instance \
                 org.apache.kafka.common.serialization.Serdes$IntegerSerde"
            )
            .into());
        };
        let class_name = serializer_of_serde(given);
        let wanted = format!("the list's items are {}", readable_type_name::<T>());
        let mut items = SerializerRegistry::without_lists().create_for::<T>(setting, &class_name, &wanted)?;
        items.configure(properties, is_key)?;
        let constant_size = is_constant_size_class(&class_name);
        self.list = Some(ListSerializer { items: (self.wrap)(items), constant_size });
        Ok(())
    }

    fn list(&self) -> Result<&ListSerializer<S>, SerializerError> {
        self.list.as_ref().ok_or_else(|| "ListSerializer was not configured".into())
    }
}

impl<T: 'static, I, S: Serializer<I>> Serializer<[I]> for NamedListSerializer<T, S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.configure_list(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a [I],
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.list()?.serialize(topic, headers, data, scratch)
    }
}

impl<T: 'static, I, S: Serializer<I>> Serializer<Vec<I>> for NamedListSerializer<T, S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        self.configure_list(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a Vec<I>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.list()?.serialize(topic, headers, data, scratch)
    }
}

/// Java names the items' *serde* here, `…Serdes$IntegerSerde`: the serializer of it is `…IntegerSerializer`. Other
/// names stay as they are.
fn serializer_of_serde(given: &str) -> String {
    let name = given.strip_prefix(super::registry::KAFKA_PACKAGE).unwrap_or(given);
    let name = name.strip_prefix("Serdes$").unwrap_or(name);
    match name.strip_suffix("Serde") {
        Some(stem) if !stem.contains(['.', '$']) => format!("{stem}Serializer"),
        _ => given.to_owned(),
    }
}

/// [`has_constant_size`] by name.
fn is_constant_size_class(class_name: &str) -> bool {
    let name = class_name.strip_prefix(super::registry::KAFKA_PACKAGE).unwrap_or(class_name);
    ["Short", "Integer", "Float", "Long", "Double", "UUID"]
        .iter()
        .any(|stem| name.strip_prefix(stem) == Some("Serializer"))
}
