//! `DefaultSerializer`: which serializer a type has where nobody names one.
//!
//! Owns: the choice. Must not know: what reads it.

use super::{
    BooleanSerializer, ByteArraySerializer, DoubleSerializer, FloatSerializer, IntegerSerializer,
    LongSerializer, Serializer, ShortSerializer, StringSerializer, VoidSerializer,
};

/// A type that has a default serializer: text as UTF-8, bytes as they are, numbers as Java's serializers write them. Used by
/// [`KafkaProducer::connect`](crate::KafkaProducer::connect) and
/// [`KafkaProducerBuilder::default_serializers`](crate::KafkaProducerBuilder::default_serializers).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default serializer",
    note = "give one as a value, `KafkaProducer::with_serializers(config, key_serializer, value_serializer)`, or by its name in `key.serializer` and `value.serializer`"
)]
pub trait DefaultSerializer {
    /// The serializer of this type.
    fn default_serializer() -> Box<dyn Serializer<Self>>;
}

macro_rules! default_serializers {
    ($($type:ty => $serializer:ident),* $(,)?) => {
        $(impl DefaultSerializer for $type {
            fn default_serializer() -> Box<dyn Serializer<Self>> {
                Box::new($serializer)
            }
        })*
    };
}

default_serializers! {
    str => StringSerializer,
    String => StringSerializer,
    [u8] => ByteArraySerializer,
    Vec<u8> => ByteArraySerializer,
    bool => BooleanSerializer,
    i16 => ShortSerializer,
    i32 => IntegerSerializer,
    i64 => LongSerializer,
    f32 => FloatSerializer,
    f64 => DoubleSerializer,
    () => VoidSerializer,
}
