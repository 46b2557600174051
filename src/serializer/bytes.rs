//! Serializers of bytes as they are: `ByteArray`, `ByteBuffer`, `Bytes`. Java has three types for them; here all three
//! read `[u8]` and `Vec<u8>` and differ in name only.

use super::{Serializer, SerializerError};
use crate::record::Headers;

/// A public unit struct that hands the bytes on.
macro_rules! as_they_are {
    ($(#[$doc:meta])* $name:ident: $($type:ty),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;

        $(impl Serializer<$type> for $name {
            fn serialize<'a>(
                &'a self,
                _topic: &str,
                _headers: &mut Headers,
                data: &'a $type,
                _scratch: &'a mut Vec<u8>,
            ) -> Result<Option<&'a [u8]>, SerializerError> {
                Ok(Some(data))
            }
        })+
    };
}

as_they_are! {
    /// Sends bytes as they are, without a copy of its own. Java: `ByteArraySerializer`. Never fails.
    ByteArraySerializer: [u8], Vec<u8>
}

as_they_are! {
    /// Sends bytes as they are, without a copy of its own. Java: `ByteBufferSerializer`, which ignores the buffer's
    /// position and sends all of it up to its limit. Never fails.
    ByteBufferSerializer: [u8], Vec<u8>
}

as_they_are! {
    /// Sends bytes as they are, without a copy of its own. Java: `BytesSerializer`. Never fails.
    BytesSerializer: [u8], Vec<u8>
}
