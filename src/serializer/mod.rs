//! `Serializer`: how a key or a value becomes bytes; and the stock ones under Java's names.
//!
//! Owns: the trait, the 13 stock serializers, the registry of names. Must not know: records, batches, configuration.
//! Threads: `serialize` on the application's threads, several at once; `configure` and `close` once each.
//! Holds: a null never reaches a serializer; bytes are borrowed from the value where they are there already.

mod bytes;
mod default;
mod function;
mod list;
mod named_list;
mod primitive;
mod serializer_registry;
mod text;

use std::sync::Arc;

use crate::properties::Properties;
use crate::record::Headers;

pub use bytes::{ByteArraySerializer, ByteBufferSerializer, BytesSerializer};
pub use default::DefaultSerializer;
pub use function::{FnSerializer, serialize_with};
pub use list::{ListSerializer, Nullable};
pub use primitive::{
    BooleanSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, ShortSerializer,
    VoidSerializer,
};
pub use serializer_registry::SerializerRegistry;
pub use text::{StringSerializer, UuidSerializer};

/// What a serializer may fail with: any error. [`Error::get_ref`](crate::Error::get_ref) gives it back from the
/// error that `send` returns.
pub type SerializerError = Box<dyn std::error::Error + Send + Sync>;

/// Turns keys or values of type `T` into bytes.
///
/// `T` is the type that it reads: a serializer for `str` serves records that hold `&str`, `String` and everything else that
/// borrows as `str`. One serializer may read several types. For a function, see [`serialize_with`].
///
/// **Different from Java**: a serializer is never called for a null key or a null value (a tombstone); these are sent as
/// null. A serializer may return `None` to have null sent for a value.
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
    /// configuration, not for one that is passed as a value. `is_key` tells whether it is for keys or for values.
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
    /// Any error: `send` fails with kind [`Serialization`](crate::ErrorKind::Serialization), and nothing is queued.
    fn serialize<'a>(
        &'a self,
        topic: &str,
        headers: &mut Headers,
        data: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError>;

    /// Called once when the producer is closed, on its thread, after its last record is answered. Another thread's `send`
    /// may be in `serialize` at that moment; the producer refuses its record. A panic is logged.
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn bytes<T: ?Sized>(serializer: &impl Serializer<T>, data: &T) -> Option<Vec<u8>> {
        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        serializer.serialize("t", &mut headers, data, &mut scratch).unwrap().map(<[u8]>::to_vec)
    }

    #[track_caller]
    fn check<T: ?Sized>(serializer: &impl Serializer<T>, data: &T, hex: &str) {
        let written: String =
            bytes(serializer, data).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, hex);
    }

    /// Every expectation is what the serializers of kafka-clients 4.3.1 printed for the same value.
    #[test]
    fn bytes_are_javas() {
        check(&BooleanSerializer, &true, "01");
        check(&BooleanSerializer, &false, "00");
        for (value, hex) in [(0, "0000"), (-2, "fffe"), (i16::MIN, "8000"), (0x0102, "0102")] {
            check(&ShortSerializer, &value, hex);
        }
        for (value, hex) in [
            (0, "00000000"),
            (1, "00000001"),
            (-1, "ffffffff"),
            (i32::MIN, "80000000"),
            (i32::MAX, "7fffffff"),
            (0x01020304, "01020304"),
        ] {
            check(&IntegerSerializer, &value, hex);
        }
        for (value, hex) in [
            (0, "0000000000000000"),
            (-2, "fffffffffffffffe"),
            (i64::MIN, "8000000000000000"),
            (0x0102030405060708, "0102030405060708"),
        ] {
            check(&LongSerializer, &value, hex);
        }
        for (value, hex) in [(1.5, "3fc00000"), (-0.0, "80000000"), (f32::from_bits(0x7fc0_0123), "7fc00123")]
        {
            check(&FloatSerializer, &value, hex);
        }
        for (value, hex) in [
            (1.5, "3ff8000000000000"),
            (-0.0, "8000000000000000"),
            (f64::from_bits(0xfff0_0000_0000_0123), "7ff8000000000000"),
            (f64::from_bits(1), "0000000000000001"),
            (f64::NEG_INFINITY, "fff0000000000000"),
        ] {
            check(&DoubleSerializer, &value, hex);
        }
        check::<str>(&StringSerializer, "h\u{e9}\u{4e16}\u{1f600}", "68c3a9e4b896f09f9880");
        check(&StringSerializer, &String::from("h\u{e9}"), "68c3a9");
        check::<str>(&StringSerializer, "", "");
        let uuid = 0x0123456789abcdef_fedcba9876543210u128;
        let text = "30313233343536372d383961622d636465662d666564632d626139383736353433323130";
        check(&UuidSerializer, &uuid, text);
        check(&UuidSerializer, &uuid.to_be_bytes(), text);
        check(&ByteArraySerializer, &[1, 255][..], "01ff");
        check(&ByteArraySerializer, &vec![1, 255], "01ff");
        check(&ByteBufferSerializer, &[1, 255][..], "01ff");
        check(&ByteBufferSerializer, &vec![1, 255], "01ff");
        check(&BytesSerializer, &[1, 255][..], "01ff");
        check(&BytesSerializer, &vec![1, 255], "01ff");
        assert_eq!(bytes(&VoidSerializer, &()), None);
    }

    #[test]
    fn text_and_bytes_are_borrowed_and_scratch_is_not_touched() {
        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        let text = String::from("hello");
        let borrowed =
            StringSerializer.serialize("t", &mut headers, text.as_str(), &mut scratch).unwrap().unwrap();
        assert!(std::ptr::eq(borrowed, text.as_bytes()));
        let data = vec![1, 2, 3];
        let borrowed = ByteArraySerializer.serialize("t", &mut headers, &data, &mut scratch).unwrap();
        assert!(std::ptr::eq(borrowed.unwrap(), data.as_slice()));
        assert_eq!((scratch.capacity(), headers.len()), (0, 0));
    }

    #[test]
    fn scratch_keeps_its_capacity_between_records() {
        let (mut headers, mut scratch) = (Headers::new(), Vec::with_capacity(64));
        let place = scratch.as_ptr();
        for value in 0..100i64 {
            scratch.clear();
            let written = LongSerializer.serialize("t", &mut headers, &value, &mut scratch).unwrap().unwrap();
            assert_eq!(written, value.to_be_bytes());
        }
        assert_eq!((scratch.as_ptr(), scratch.capacity()), (place, 64));
    }

    /// Counts what is called.
    #[derive(Default)]
    struct Counting {
        configured: u32,
        closed: AtomicU32,
    }

    impl Serializer<str> for Counting {
        fn configure(&mut self, properties: &Properties<'_>, is_key: bool) -> Result<(), SerializerError> {
            assert_eq!((properties.get("mine"), properties.get("other"), is_key), (Some("1"), None, true));
            self.configured += 1;
            Ok(())
        }

        fn serialize<'a>(
            &'a self,
            topic: &str,
            headers: &mut Headers,
            data: &'a str,
            scratch: &'a mut Vec<u8>,
        ) -> Result<Option<&'a [u8]>, SerializerError> {
            headers.add("topic", topic);
            scratch.extend(data.bytes().rev());
            Ok(Some(scratch))
        }

        fn close(&self) {
            self.closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn boxes_and_shared_ones_pass_everything_on() {
        let settings = HashMap::from([("mine".to_owned(), "1".to_owned())]);
        let properties = Properties::new(&settings);

        let mut shared: Arc<Counting> = Arc::default();
        shared.configure(&properties, true).unwrap();
        let mut boxed: Box<dyn Serializer<str>> = Box::new(Arc::clone(&shared));
        let error = boxed.configure(&properties, true).unwrap_err();
        assert_eq!(error.to_string(), "a serializer that is shared already cannot be configured");

        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        let written = boxed.serialize("t", &mut headers, "abc", &mut scratch).unwrap();
        assert_eq!(written, Some(&b"cba"[..]));
        assert_eq!(headers.last("topic").and_then(|header| header.value()), Some(&b"t"[..]));
        boxed.close();
        assert_eq!((shared.configured, shared.closed.load(Ordering::Relaxed)), (1, 1));

        let mut boxed: Box<dyn Serializer<str>> = Box::new(Counting::default());
        boxed.configure(&properties, true).unwrap();
    }

    #[test]
    fn a_function_may_fail_with_any_error() {
        let digits = serialize_with(|text: &str, out: &mut Vec<u8>| {
            out.push(text.parse::<u8>()?);
            Ok::<(), std::num::ParseIntError>(())
        });
        let (mut headers, mut scratch) = (Headers::new(), Vec::new());
        assert_eq!(digits.serialize("t", &mut headers, "17", &mut scratch).unwrap(), Some(&[17][..]));
        scratch.clear();
        let error = digits.serialize("t", &mut headers, "x", &mut scratch).unwrap_err();
        assert!(error.is::<std::num::ParseIntError>());

        let plain = serialize_with(|_: &i32, _: &mut Vec<u8>| Err::<(), _>("not today"));
        let error = plain.serialize("t", &mut headers, &1, &mut scratch).unwrap_err();
        assert_eq!(error.to_string(), "not today");
    }
}
