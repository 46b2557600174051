//! `SerializerRegistry`: which serializer a class name in the configuration stands for.
//!
//! Owns: the names of the stock serializers and what each reads. Must not know: settings, beyond the name it is told.

use std::fmt;

use super::Serializer;
use super::bytes::{ByteArraySerializer, ByteBufferSerializer, BytesSerializer};
use super::list::Nullable;
use super::named_list::{KAFKA_PACKAGE, NamedListSerializer};
use super::primitive::{
    BooleanSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, LongSerializer, ShortSerializer,
    VoidSerializer,
};
use super::text::{StringSerializer, UuidSerializer};
use crate::class_registry::ClassRegistry;
use crate::error::Error;
use crate::properties::Named;

/// Serializers by name, for the settings `key.serializer` and `value.serializer`.
///
/// A new one knows the 13 of Java, by class name (`org.apache.kafka.common.serialization.StringSerializer`) and by
/// short name (`StringSerializer`). A program's own are registered.
///
/// ```
/// use kafka_producer::{SerializerError, SerializerRegistry, serialize_with};
///
/// struct Order { id: u64 }
///
/// let mut serializers = SerializerRegistry::new();
/// serializers.register::<Order, _>("com.example.OrderSerializer", || {
///     Box::new(serialize_with(|order: &Order, out: &mut Vec<u8>| {
///         out.extend(order.id.to_be_bytes());
///         Ok::<(), SerializerError>(())
///     }))
/// });
/// ```
#[derive(Clone)]
pub struct SerializerRegistry(ClassRegistry);

impl SerializerRegistry {
    /// Java's 13 serializers.
    pub fn new() -> Self {
        let mut registry = Self::without_lists();
        registry.add_lists();
        registry
    }

    /// Makes a name stand for the serializers of `T` that `factory` makes, one for each key or value that is
    /// configured by this name. A name may be registered for several types. A second registration of the same name
    /// and type replaces the first, the stock ones included. The last part of the name, after the last dot, will do
    /// in the configuration as long as no other class has the same.
    pub fn register<T, F>(&mut self, class_name: &str, factory: F) -> &mut Self
    where
        T: ?Sized + 'static,
        F: Fn() -> Box<dyn Serializer<T>> + Send + Sync + 'static,
    {
        self.0.register::<dyn Serializer<T>>(class_name, &readable_type_name::<T>(), factory);
        self
    }

    /// Makes the serializer that `setting` names.
    ///
    /// # Errors
    ///
    /// An unknown name, and one whose serializers do not read `T`; the error names the setting, the value and what
    /// would fit.
    pub(crate) fn create<T: ?Sized + 'static>(
        &self,
        setting: &str,
        class_name: &Named,
    ) -> Result<Box<dyn Serializer<T>>, Error> {
        let role = setting.strip_suffix(".serializer").unwrap_or(setting);
        let wanted = format!("the producer's {role} type is {}", readable_type_name::<T>());
        self.create_for(setting, class_name, &wanted)
    }

    /// As [`create`](Self::create); `wanted` is the end of the sentence that says why a known one does not fit.
    fn create_for<T: ?Sized + 'static>(
        &self,
        setting: &str,
        class_name: &Named,
        wanted: &str,
    ) -> Result<Box<dyn Serializer<T>>, Error> {
        self.0.create(setting, class_name, "serializer", wanted).map_err(Error::config)
    }

    /// The serializer of a list's items.
    fn create_items<T: 'static>(setting: &str, class_name: &Named) -> Result<Box<dyn Serializer<T>>, Error> {
        let wanted = format!("the list's items are {}", readable_type_name::<T>());
        Self::without_lists().create_for(setting, class_name, &wanted)
    }

    /// The stock ones that can serve the items of a list.
    fn without_lists() -> Self {
        let mut registry = SerializerRegistry(ClassRegistry::default());
        registry.add::<bool, _>("BooleanSerializer", || Box::new(BooleanSerializer));
        registry.add::<[u8], _>("ByteArraySerializer", || Box::new(ByteArraySerializer));
        registry.add::<Vec<u8>, _>("ByteArraySerializer", || Box::new(ByteArraySerializer));
        registry.add::<[u8], _>("ByteBufferSerializer", || Box::new(ByteBufferSerializer));
        registry.add::<Vec<u8>, _>("ByteBufferSerializer", || Box::new(ByteBufferSerializer));
        registry.add::<[u8], _>("BytesSerializer", || Box::new(BytesSerializer));
        registry.add::<Vec<u8>, _>("BytesSerializer", || Box::new(BytesSerializer));
        registry.add::<f64, _>("DoubleSerializer", || Box::new(DoubleSerializer));
        registry.add::<f32, _>("FloatSerializer", || Box::new(FloatSerializer));
        registry.add::<i32, _>("IntegerSerializer", || Box::new(IntegerSerializer));
        registry.add::<i64, _>("LongSerializer", || Box::new(LongSerializer));
        registry.add::<i16, _>("ShortSerializer", || Box::new(ShortSerializer));
        registry.add::<str, _>("StringSerializer", || Box::new(StringSerializer));
        registry.add::<String, _>("StringSerializer", || Box::new(StringSerializer));
        registry.add::<u128, _>("UUIDSerializer", || Box::new(UuidSerializer));
        registry.add::<[u8; 16], _>("UUIDSerializer", || Box::new(UuidSerializer));
        registry.add::<(), _>("VoidSerializer", || Box::new(VoidSerializer));
        registry
    }

    fn add_lists(&mut self) {
        self.add_lists_of::<bool>();
        self.add_lists_of::<f64>();
        self.add_lists_of::<f32>();
        self.add_lists_of::<i32>();
        self.add_lists_of::<i64>();
        self.add_lists_of::<i16>();
        self.add_lists_of::<String>();
        self.add_lists_of::<Vec<u8>>();
        self.add_lists_of::<u128>();
        self.add_lists_of::<[u8; 16]>();
    }

    fn add_lists_of<T: 'static>(&mut self) {
        self.add_list::<[T], _>(|| {
            Box::new(NamedListSerializer::new(Self::create_items::<T>, |items| items))
        });
        self.add_list::<Vec<T>, _>(|| {
            Box::new(NamedListSerializer::new(Self::create_items::<T>, |items| items))
        });
        self.add_list::<[Option<T>], _>(|| {
            Box::new(NamedListSerializer::new(Self::create_items::<T>, Nullable))
        });
        self.add_list::<Vec<Option<T>>, _>(|| {
            Box::new(NamedListSerializer::new(Self::create_items::<T>, Nullable))
        });
    }

    fn add_list<T, F>(&mut self, factory: F)
    where
        T: ?Sized + 'static,
        F: Fn() -> Box<dyn Serializer<T>> + Send + Sync + 'static,
    {
        let class_name = format!("{KAFKA_PACKAGE}ListSerializer");
        self.0.register::<dyn Serializer<T>>(&class_name, "lists such as [i32] or Vec<String>", factory);
    }

    fn add<T, F>(&mut self, short_name: &str, factory: F)
    where
        T: ?Sized + 'static,
        F: Fn() -> Box<dyn Serializer<T>> + Send + Sync + 'static,
    {
        self.register(&format!("{KAFKA_PACKAGE}{short_name}"), factory);
    }
}

impl Default for SerializerRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SerializerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A type as people write it: `Vec<String>` and not `alloc::vec::Vec<alloc::string::String>`.
fn readable_type_name<T: ?Sized>() -> String {
    ["alloc::string::", "alloc::vec::", "core::option::"]
        .iter()
        .fold(std::any::type_name::<T>().to_owned(), |name, path| name.replace(path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::record::Headers;
    use crate::serializer::{SerializerError, serialize_with};

    struct Order {
        id: u32,
    }

    fn order(order: &Order, out: &mut Vec<u8>) -> Result<(), SerializerError> {
        out.extend(order.id.to_be_bytes());
        Ok(())
    }

    #[track_caller]
    fn refused<T: ?Sized + 'static>(
        registry: &SerializerRegistry,
        setting: &str,
        class_name: &str,
    ) -> String {
        let error = registry.create::<T>(setting, &class_name.into()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    /// Makes a serializer by its whole and by its short name.
    #[track_caller]
    fn made<T: ?Sized + 'static>(class: &str, data: &T, expected: Option<&[u8]>) {
        let registry = SerializerRegistry::new();
        for name in [format!("org.apache.kafka.common.serialization.{class}"), class.to_owned()] {
            let serializer = registry.create::<T>("key.serializer", &name.as_str().into()).unwrap();
            let (mut headers, mut scratch) = (Headers::new(), Vec::new());
            assert_eq!(serializer.serialize("t", &mut headers, data, &mut scratch).unwrap(), expected);
        }
    }

    #[test]
    fn makes_javas_thirteen() {
        made("BooleanSerializer", &true, Some(&[1]));
        for class in ["ByteArraySerializer", "ByteBufferSerializer", "BytesSerializer"] {
            made(class, &[1u8, 2][..], Some(&[1, 2]));
            made(class, &vec![1u8, 2], Some(&[1, 2]));
        }
        made("DoubleSerializer", &1.5f64, Some(&[0x3f, 0xf8, 0, 0, 0, 0, 0, 0]));
        made("FloatSerializer", &1.5f32, Some(&[0x3f, 0xc0, 0, 0]));
        made("IntegerSerializer", &1i32, Some(&[0, 0, 0, 1]));
        made("LongSerializer", &1i64, Some(&[0, 0, 0, 0, 0, 0, 0, 1]));
        made("ShortSerializer", &1i16, Some(&[0, 1]));
        made("StringSerializer", "a", Some(b"a"));
        made("StringSerializer", &String::from("a"), Some(b"a"));
        made("UUIDSerializer", &0u128, Some(b"00000000-0000-0000-0000-000000000000"));
        made("UUIDSerializer", &[0u8; 16], Some(b"00000000-0000-0000-0000-000000000000"));
        made("VoidSerializer", &(), None);
        assert!(
            SerializerRegistry::new().create::<[f32]>("key.serializer", &"ListSerializer".into()).is_ok()
        );
        assert_eq!(format!("{:?}", SerializerRegistry::new()).matches("Serializer").count(), 13);
    }

    #[test]
    fn makes_registered_ones() {
        let mut registry = SerializerRegistry::new();
        registry.register::<Order, _>("com.example.OrderSerializer", || Box::new(serialize_with(order)));
        for name in ["com.example.OrderSerializer", "OrderSerializer"] {
            let serializer = registry.create::<Order>("value.serializer", &name.into()).unwrap();
            let (mut headers, mut scratch) = (Headers::new(), Vec::new());
            let bytes = serializer.serialize("t", &mut headers, &Order { id: 9 }, &mut scratch).unwrap();
            assert_eq!(bytes, Some(&[0, 0, 0, 9][..]));
        }
    }

    #[test]
    fn a_known_name_for_another_type_is_refused() {
        let registry = SerializerRegistry::new();
        let string = "org.apache.kafka.common.serialization.StringSerializer";
        assert_eq!(
            refused::<i32>(&registry, "key.serializer", string),
            "key.serializer is org.apache.kafka.common.serialization.StringSerializer, which reads str or String, \
             but the producer's key type is i32"
        );
        assert_eq!(
            refused::<Vec<String>>(&registry, "value.serializer", "UUIDSerializer"),
            "value.serializer is org.apache.kafka.common.serialization.UUIDSerializer, which reads u128 or [u8; 16], \
             but the producer's value type is Vec<String>"
        );
        assert_eq!(
            refused::<str>(&registry, "value.serializer", "ListSerializer"),
            "value.serializer is org.apache.kafka.common.serialization.ListSerializer, which reads lists such as \
             [i32] or Vec<String>, but the producer's value type is str"
        );
        let order = refused::<Order>(&registry, "value.serializer", "StringSerializer");
        assert!(order.ends_with("serializer_registry::tests::Order"), "{order}");
    }

    #[test]
    fn an_unknown_name_is_refused_with_what_is_known() {
        let mut registry = SerializerRegistry::new();
        registry.register::<Order, _>("com.example.OrderSerializer", || Box::new(serialize_with(order)));
        assert_eq!(
            refused::<str>(&registry, "key.serializer", "StringSerialiser"),
            "key.serializer is \"StringSerialiser\", which is not a known serializer; did you mean StringSerializer? \
             (known are com.example.OrderSerializer, BooleanSerializer, ByteArraySerializer, ByteBufferSerializer, \
             BytesSerializer, DoubleSerializer, FloatSerializer, IntegerSerializer, ListSerializer, LongSerializer, \
             ShortSerializer, StringSerializer, UUIDSerializer and VoidSerializer; one of your own has to be \
             registered under its name)"
        );
        for (wrong, meant) in [
            (
                "org.apache.kafka.serialization.StringSerializer",
                "org.apache.kafka.common.serialization.StringSerializer",
            ),
            ("com.exmaple.OrderSerializer", "com.example.OrderSerializer"),
            ("integerserializer", "IntegerSerializer"),
        ] {
            let error = refused::<str>(&registry, "key.serializer", wrong);
            assert!(error.contains(&format!("did you mean {meant}?")), "{error}");
        }
        assert!(!refused::<str>(&registry, "key.serializer", "").contains("did you mean"));
    }
}
