//! `Encoder`: writes a message's fields in schema order; record batches are spliced in, not copied.
//!
//! Holds: whether a length is a fixed or a variable-length integer is decided here and nowhere else.

use std::fmt;
use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder};
use zeroize::Zeroize;

use super::varint::put_unsigned_varint;
use crate::uuid::Uuid;

/// An encoded message: its own bytes, and between them record batches that stay where they are.
pub(crate) struct EncodedMessage {
    /// Everything but the spliced batches.
    pub(crate) bytes: Vec<u8>,
    /// `(position, batch)`: the batch stands before `bytes[position]`; positions ascend.
    pub(crate) splices: Vec<(usize, Arc<Vec<u8>>)>,
    /// Nobody may find the bytes when they are not needed any more.
    is_secret: bool,
}

/// Its size: what it holds is the user's.
impl fmt::Debug for EncodedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedMessage({} bytes)", self.size_bytes())
    }
}

impl Drop for EncodedMessage {
    fn drop(&mut self) {
        if self.is_secret {
            self.bytes.zeroize();
        }
    }
}

impl EncodedMessage {
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8], splices: Vec<(usize, Arc<Vec<u8>>)>) -> Self {
        EncodedMessage { bytes: bytes.to_vec(), splices, is_secret: false }
    }

    /// The length on the wire, batches included.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.splices.iter().map(|(_, batch)| batch.len()).sum::<usize>()
    }
}

/// Writes one message in one version.
#[derive(Debug)]
pub(crate) struct Encoder {
    version: i16,
    flexible: bool,
    message: EncodedMessage,
}

/// The longest string that a message takes, in both forms.
const MAX_STRING_BYTES: usize = i16::MAX as usize;

/// Its length, and what ends the structure that it is in.
const ROOM_BESIDE_A_SECRET_BYTES: usize = 16;

impl Encoder {
    pub(crate) fn new(version: i16, flexible: bool) -> Self {
        let message =
            EncodedMessage { bytes: Vec::with_capacity(128), splices: Vec::new(), is_secret: false };
        Encoder { version, flexible, message }
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        let mut bytes = [0; 2];
        BigEndian::write_i16(&mut bytes, value);
        self.raw(&bytes);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        let mut bytes = [0; 4];
        BigEndian::write_i32(&mut bytes, value);
        self.raw(&bytes);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        let mut bytes = [0; 8];
        BigEndian::write_i64(&mut bytes, value);
        self.raw(&bytes);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.message.bytes.push(u8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    pub(crate) fn unsigned_varint(&mut self, value: u32) {
        put_unsigned_varint(&mut self.message.bytes, value);
    }

    /// Writes a string. What a user may choose is limited to 32767 bytes where it is chosen; anything longer is cut
    /// here, so that the frame stays readable.
    pub(crate) fn string(&mut self, value: &str) {
        if !self.flexible {
            return self.plain_string(value);
        }
        let value = cut(value);
        self.unsigned_varint(value.len() as u32 + 1);
        self.raw(value.as_bytes());
    }

    /// Writes a string in the plain form also where the version is flexible: the client id in a request's header.
    pub(crate) fn plain_string(&mut self, value: &str) {
        let value = cut(value);
        self.i16(value.len() as i16);
        self.raw(value.as_bytes());
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None if self.flexible => self.unsigned_varint(0),
            None => self.i16(-1),
        }
    }

    /// Writes how many elements follow.
    pub(crate) fn array_len(&mut self, count: usize) {
        self.length(count);
    }

    /// Writes how many elements follow, or that there is no array.
    pub(crate) fn nullable_array_len(&mut self, count: Option<usize>) {
        match count {
            Some(count) => self.length(count),
            None if self.flexible => self.unsigned_varint(0),
            None => self.i32(-1),
        }
    }

    /// Writes the length of a record batch and splices the batch in.
    pub(crate) fn records(&mut self, batch: Arc<Vec<u8>>) {
        self.length(batch.len());
        self.message.splices.push((self.message.bytes.len(), batch));
    }

    /// Writes bytes that are overwritten once the message is gone.
    pub(crate) fn secret_bytes(&mut self, value: &[u8]) {
        // With room for what follows, since a buffer that is outgrown is not overwritten.
        self.message.bytes.reserve(value.len() + ROOM_BESIDE_A_SECRET_BYTES);
        self.message.is_secret = true;
        self.length(value.len());
        self.raw(value);
    }

    /// Ends a structure: in flexible versions an empty section of tagged fields.
    pub(crate) fn tags(&mut self) {
        if self.flexible {
            self.unsigned_varint(0);
        }
    }

    pub(crate) fn finish(self) -> EncodedMessage {
        self.message
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    /// The compact form counts from one, zero is null. Nothing that we write comes near 2 GiB (`max.request.size`).
    fn length(&mut self, length: usize) {
        if self.flexible {
            self.unsigned_varint(length as u32 + 1);
        } else {
            self.i32(length as i32);
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.message.bytes.extend_from_slice(bytes);
    }
}

/// The longest prefix that is whole characters and fits a string's length field.
fn cut(value: &str) -> &str {
    if value.len() <= MAX_STRING_BYTES {
        return value;
    }
    let end = (0..=MAX_STRING_BYTES).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    value.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(flexible: bool, write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut out = Encoder::new(0, flexible);
        write(&mut out);
        out.finish().bytes.clone()
    }

    #[test]
    fn numbers_are_big_endian() {
        let bytes = written(false, |out| {
            out.i16(0x0102);
            out.i32(0x03040506);
            out.i64(0x0708090a0b0c0d0e);
            out.bool(true);
        });
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 1]);
    }

    #[test]
    fn lengths_null_and_tags_have_a_plain_and_a_compact_form() {
        let write = |out: &mut Encoder| {
            out.string("ab");
            out.nullable_string(None);
            out.nullable_string(Some(""));
            out.array_len(1);
            out.nullable_array_len(None);
            out.tags();
        };
        assert_eq!(
            written(false, write),
            [0, 2, b'a', b'b', 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]
        );
        assert_eq!(written(true, write), [3, b'a', b'b', 0, 1, 2, 0, 0]);
    }

    #[test]
    fn a_batch_is_spliced_behind_its_length() {
        let batch = Arc::new(vec![9; 200]);
        let mut out = Encoder::new(9, true);
        out.records(batch.clone());
        out.bool(true);
        let message = out.finish();
        assert_eq!(message.bytes, [0xc9, 0x01, 1]);
        assert_eq!(message.splices, [(2, batch.clone())]);
        assert!(Arc::ptr_eq(&message.splices[0].1, &batch));
        assert_eq!(message.size_bytes(), 203);
    }

    #[test]
    fn a_string_too_long_for_its_length_field_is_cut_between_characters() {
        let long = format!("{}{}", "a".repeat(MAX_STRING_BYTES - 1), "éé");
        let bytes = written(false, |out| out.string(&long));
        assert_eq!(bytes[..2], [0x7f, 0xfe]);
        assert_eq!(bytes.len(), 2 + MAX_STRING_BYTES - 1);
    }
}
