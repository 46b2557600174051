//! Serializers of single values: `Boolean`, `Short`, `Integer`, `Long`, `Float`, `Double`, `Void`.
//!
//! Owns: their bytes, big endian as in Java's `org.apache.kafka.common.serialization`.

use super::{Serializer, SerializerError};
use crate::record::Headers;

/// A public unit struct that writes what `$bytes` makes of a value.
macro_rules! fixed_size {
    ($(#[$doc:meta])* $name:ident, $type:ty, $value:ident => $bytes:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;

        impl Serializer<$type> for $name {
            fn serialize<'a>(
                &'a self,
                _topic: &str,
                _headers: &mut Headers,
                $value: &'a $type,
                scratch: &'a mut Vec<u8>,
            ) -> Result<Option<&'a [u8]>, SerializerError> {
                scratch.extend_from_slice(&$bytes);
                Ok(Some(scratch))
            }
        }
    };
}

fixed_size! {
    /// Writes a `bool` as one byte, 1 or 0. Java: `BooleanSerializer`. Never fails.
    BooleanSerializer, bool, value => [u8::from(*value)]
}

fixed_size! {
    /// Writes an `i16` as two bytes, big endian. Java: `ShortSerializer`. Never fails.
    ShortSerializer, i16, value => value.to_be_bytes()
}

fixed_size! {
    /// Writes an `i32` as four bytes, big endian. Java: `IntegerSerializer`. Never fails.
    IntegerSerializer, i32, value => value.to_be_bytes()
}

fixed_size! {
    /// Writes an `i64` as eight bytes, big endian. Java: `LongSerializer`. Never fails.
    LongSerializer, i64, value => value.to_be_bytes()
}

fixed_size! {
    /// Writes an `f32` as four bytes, IEEE 754, big endian; a NaN keeps its bits. Java: `FloatSerializer`. Never fails.
    FloatSerializer, f32, value => value.to_be_bytes()
}

fixed_size! {
    /// Writes an `f64` as eight bytes, IEEE 754, big endian; every NaN becomes the one that Java's `doubleToLongBits`
    /// makes of it, so that keys that are NaN are equal. Java: `DoubleSerializer`. Never fails.
    DoubleSerializer, f64, value => if value.is_nan() { JAVA_NAN } else { value.to_be_bytes() }
}

const JAVA_NAN: [u8; 8] = 0x7ff8_0000_0000_0000u64.to_be_bytes();

/// Writes `()` as null: for keys or values that are never there. Java: `VoidSerializer`. Never fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoidSerializer;

impl Serializer<()> for VoidSerializer {
    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        _data: &'a (),
        _scratch: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        Ok(None)
    }
}
