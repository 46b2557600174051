//! A 128-bit identifier as Kafka writes it: topic ids, client instance ids.
//!
//! Owns: the bytes and their textual form (URL-safe base64 without padding, as Java's `Uuid.toString`).

use std::fmt;

/// A 128-bit identifier, for instance of a topic (KIP-516).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zeros: Kafka's way to say that there is no id.
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }
}

/// As Kafka's tools print it: 22 characters of URL-safe base64.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        for group in 0..22u32 {
            let shift = 128i32 - 6 * (group as i32 + 1);
            let six = if shift >= 0 { bits >> shift } else { bits << -shift } & 0x3f;
            f.write_str(char::from(ALPHABET[six as usize]).encode_utf8(&mut [0; 4]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_kafka_does() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        // Java: new Uuid(0x0123456789abcdefL, 0xfedcba9876543210L).toString()
        let bytes = 0x0123456789abcdef_fedcba9876543210u128.to_be_bytes();
        assert_eq!(Uuid(bytes).to_string(), "ASNFZ4mrze_-3LqYdlQyEA");
    }
}
