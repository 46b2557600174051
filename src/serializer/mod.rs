//! `Serializer`: how a key or a value becomes bytes; and the stock ones under Java's names.
//!
//! Owns: the trait, the 13 stock serializers, the registry of names. Must not know: records, batches, configuration.
//! Threads: `serialize` on the application's threads, several at once; `configure` and `close` once each.
//! Holds: a null never reaches a serializer; bytes are borrowed from the value where they are there already.

mod bytes;
mod function;
mod list;
mod primitive;
mod registry;
mod text;

use std::sync::Arc;

use crate::properties::Properties;
use crate::record::Headers;

pub use bytes::{ByteArraySerializer, ByteBufferSerializer, BytesSerializer};
pub use function::{FnSerializer, serialize_with};
pub use list::{ListSerializer, Nullable};
pub use primitive::{
    BooleanSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, ShortSerializer,
    VoidSerializer,
};
pub use registry::SerializerRegistry;
pub use text::{StringSerializer, UuidSerializer};

/// What a serializer may fail with: any error. It becomes the `source()` of the error that `send` returns.
pub type SerializerError = Box<dyn std::error::Error + Send + Sync>;

/// Turns keys or values of type `T` into bytes.
///
/// `T` is what is read: a serializer for `str` serves `&str`, `String` and everything else that borrows as `str`.
/// One serializer may read several types.
///
/// **Different from Java**: a null key and a null value (a tombstone) never come here. They are null on the wire
/// whatever the serializer is. A serializer that turns *values* into null returns `None`.
///
/// ```
/// use kafka_producer::{Headers, Serializer, SerializerError};
///
/// struct Order { id: u64, item: String }
///
/// struct OrderSerializer;
///
/// impl Serializer<Order> for OrderSerializer {
///     fn serialize<'a>(
///         &'a self,
///         _topic: &str,
///         headers: &mut Headers,
///         order: &'a Order,
///         scratch: &'a mut Vec<u8>,
///     ) -> Result<Option<&'a [u8]>, SerializerError> {
///         headers.add("content-type", "text/csv");
///         scratch.extend_from_slice(format!("{},{}", order.id, order.item).as_bytes());
///         Ok(Some(scratch))
///     }
/// }
///
/// let (mut headers, mut scratch) = (Headers::new(), Vec::new());
/// let order = Order { id: 7, item: "apples".into() };
/// let bytes = OrderSerializer.serialize("orders", &mut headers, &order, &mut scratch)?;
/// assert_eq!(bytes, Some(&b"7,apples"[..]));
/// # Ok::<(), SerializerError>(())
/// ```
pub trait Serializer<T: ?Sized>: Send + Sync {
    /// Reads settings. Called once, by `KafkaProducer::new`, and only for a serializer that is named in the
    /// configuration; one that is passed as a value comes configured. `is_key` says which of the two it will be.
    ///
    /// # Errors
    ///
    /// A setting does not fit: `new` fails with an error of kind [`Config`](crate::ErrorKind::Config).
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        let _ = (properties, is_key);
        Ok(())
    }

    /// Returns the bytes of `data`; `None` is null.
    ///
    /// The bytes may borrow from `data` (then they are not copied), from the serializer, or be written into
    /// `scratch`, which is empty at the call and keeps its capacity from record to record. The headers are the
    /// record's and may be added to. Runs on the thread that calls `send`, at the same time as others; a serializer
    /// that blocks makes `send` block, and that time does not count for `max.block.ms`.
    ///
    /// # Errors
    ///
    /// Any error: `send` fails with kind [`Serialization`](crate::ErrorKind::Serialization), nothing is queued, and
    /// the record comes back.
    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError>;

    /// Called once when the producer is closed, after its last record is answered.
    fn close(&self) {}
}

impl<T: ?Sized, S: Serializer<T> + ?Sized> Serializer<T> for Box<S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        (**self).configure(properties, is_key)
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        (**self).serialize(topic, headers, data, scratch)
    }

    fn close(&self) {
        (**self).close();
    }
}

/// One serializer for several producers. It can be configured only while nobody shares it, and each producer that
/// closes closes it.
impl<T: ?Sized, S: Serializer<T> + ?Sized> Serializer<T> for Arc<S> {
    fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
        match Arc::get_mut(self) {
            Some(serializer) => serializer.configure(properties, is_key),
            None => Err("a serializer that is shared already cannot be configured".into()),
        }
    }

    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        (**self).serialize(topic, headers, data, scratch)
    }

    fn close(&self) {
        (**self).close();
    }
}
