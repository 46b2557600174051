//! `Decoder`: reads a message's fields in schema order and says which one it missed.
//!
//! Holds: never reads past the end, never takes more memory for an array up front than the frame itself has.

use byteorder::{BigEndian, ByteOrder};

use super::decode_error::{DecodeError, Problem};
use crate::uuid::Uuid;

/// Reads one message in one version. Each read takes the field's name, for the error.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    version: i16,
    flexible: bool,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], version: i16, flexible: bool) -> Self {
        Decoder { version, flexible, rest: bytes, offset: 0 }
    }

    /// Goes on in another version: for a header, whose version is not its body's, and for a broker that answers
    /// in an older version than it was asked in.
    pub(crate) fn switch_to(&mut self, version: i16, flexible: bool) {
        self.version = version;
        self.flexible = flexible;
    }

    pub(crate) fn i8(&mut self, field: &str) -> Result<i8, DecodeError> {
        let [byte] = self.fixed(field)?;
        Ok(byte as i8)
    }

    pub(crate) fn i16(&mut self, field: &str) -> Result<i16, DecodeError> {
        Ok(BigEndian::read_i16(&self.fixed::<2>(field)?))
    }

    pub(crate) fn i32(&mut self, field: &str) -> Result<i32, DecodeError> {
        Ok(BigEndian::read_i32(&self.fixed::<4>(field)?))
    }

    pub(crate) fn i64(&mut self, field: &str) -> Result<i64, DecodeError> {
        Ok(BigEndian::read_i64(&self.fixed::<8>(field)?))
    }

    /// Any byte but zero is true, as in Java.
    pub(crate) fn bool(&mut self, field: &str) -> Result<bool, DecodeError> {
        Ok(self.i8(field)? != 0)
    }

    pub(crate) fn uuid(&mut self, field: &str) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.fixed(field)?))
    }

    pub(crate) fn unsigned_varint(&mut self, field: &str) -> Result<u32, DecodeError> {
        let start = self.offset;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if shift == 28 && byte > 0x0f {
                break;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::new(field, Problem::LongVarint, start))
    }

    #[inline]
    pub(crate) fn string(&mut self, field: &str) -> Result<&'a str, DecodeError> {
        let start = self.offset;
        self.nullable_string(field)?.ok_or_else(|| DecodeError::new(field, Problem::Null, start))
    }

    #[inline]
    pub(crate) fn nullable_string(&mut self, field: &str) -> Result<Option<&'a str>, DecodeError> {
        let start = self.offset;
        let length = if self.flexible {
            self.compact_length(field)?
        } else {
            let length = self.i16(field)?;
            plain_length(field, i32::from(length), start)?
        };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.take(field, length as usize)?;
        let text = std::str::from_utf8(bytes);
        text.map(Some).map_err(|_| DecodeError::new(field, Problem::NotUtf8, start))
    }

    pub(crate) fn bytes(&mut self, field: &str) -> Result<&'a [u8], DecodeError> {
        let start = self.offset;
        let length = self.length(field)?.ok_or_else(|| DecodeError::new(field, Problem::Null, start))?;
        self.take(field, length as usize)
    }

    /// Reads an array, each element with `read`.
    #[inline]
    pub(crate) fn array<T>(
        &mut self,
        field: &str,
        read: impl FnMut(&mut Decoder<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let start = self.offset;
        self.nullable_array(field, read)?.ok_or_else(|| DecodeError::new(field, Problem::Null, start))
    }

    /// Reads an array or null, each element with `read`, which has to take at least a byte.
    #[inline]
    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &str,
        mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let start = self.offset;
        let Some(count) = self.length(field)? else { return Ok(None) };
        let left = self.rest.len();
        if count as usize > left {
            return Err(DecodeError::new(field, Problem::Count { announced: count, left }, start));
        }
        let count = count as usize;
        let mut elements = Vec::with_capacity(first_capacity::<T>(count, left));
        let begin = self.offset;
        for index in 0..count {
            if index == elements.capacity() {
                // As much as the rest takes if it is like what came until now: twice what is there may be too much.
                let read = self.offset - begin;
                let more = left.saturating_sub(read).saturating_mul(index) / read.max(1);
                elements.reserve_exact(more.max(index / 4 + 1).min(count - index));
            }
            elements.push(read(self).map_err(|error| error.within(field, index))?);
        }
        Ok(Some(elements))
    }

    /// Ends a structure: in flexible versions reads its tagged fields. `read` gets each tag with a decoder over that
    /// field alone; a field of which it reads nothing is skipped, one that it reads has to be read to the end.
    #[inline]
    pub(crate) fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Decoder<'a>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint("tagged fields")? {
            let tag = self.unsigned_varint("tag")?;
            let size = self.unsigned_varint("tagged field size")? as usize;
            let offset = self.offset;
            let rest = self.take("tagged field", size)?;
            let mut field = Decoder { rest, offset, ..*self };
            read(tag, &mut field)?;
            if field.offset > offset {
                field.expect_end("tagged field")?;
            }
        }
        Ok(())
    }

    /// Checks that the message ends here.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        self.expect_end("end of the message")
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    /// Leaves the rest unread.
    pub(crate) fn skip_rest(&mut self) {
        self.offset += self.rest.len();
        self.rest = &[];
    }

    #[inline]
    fn length(&mut self, field: &str) -> Result<Option<u32>, DecodeError> {
        let start = self.offset;
        if self.flexible {
            return self.compact_length(field);
        }
        let length = self.i32(field)?;
        plain_length(field, length, start)
    }

    #[inline]
    fn compact_length(&mut self, field: &str) -> Result<Option<u32>, DecodeError> {
        Ok(self.unsigned_varint(field)?.checked_sub(1))
    }

    #[inline]
    fn expect_end(&self, field: &str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::new(field, Problem::TooLong { left }, self.offset)),
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, field: &str) -> Result<[u8; N], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.too_short(field, N));
        };
        self.rest = rest;
        self.offset += N;
        Ok(*bytes)
    }

    #[inline]
    fn take(&mut self, field: &str, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.too_short(field, length));
        };
        self.rest = rest;
        self.offset += length;
        Ok(bytes)
    }

    #[cold]
    fn too_short(&self, field: &str, wanted: usize) -> DecodeError {
        DecodeError::new(field, Problem::TooShort { wanted, left: self.rest.len() }, self.offset)
    }
}

/// -1 is null.
fn plain_length(field: &str, length: i32, start: usize) -> Result<Option<u32>, DecodeError> {
    match u32::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(DecodeError::new(field, Problem::NegativeLength(length), start)),
    }
}

/// Room for as many elements as fit in the memory that the rest of the frame takes itself; more room is made only
/// as elements arrive.
fn first_capacity<T>(count: usize, bytes_left: usize) -> usize {
    count.min(bytes_left / size_of::<T>().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8]) -> Decoder<'_> {
        Decoder::new(bytes, 0, false)
    }

    fn compact(bytes: &[u8]) -> Decoder<'_> {
        Decoder::new(bytes, 0, true)
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        let mut input = plain(&[0, 0, 0, 1, 0, 7, 0, 3, b'a']);
        let error = input.array("topics", |d| {
            d.i16("error_code")?;
            d.string("name").map(str::to_owned)
        });
        let error = error.unwrap_err().of_response("Metadata", 1);
        assert_eq!(
            error.to_string(),
            "Metadata v1 response: topics[0].name: 3 bytes wanted, 1 left (at byte 8)"
        );
        assert_eq!((error.field(), error.offset()), ("topics[0].name", 8));
    }

    #[test]
    fn null_and_empty_are_told_apart() {
        assert_eq!(plain(&[0xff, 0xff]).nullable_string("s"), Ok(None));
        assert_eq!(plain(&[0, 0]).nullable_string("s"), Ok(Some("")));
        assert_eq!(compact(&[0]).nullable_string("s"), Ok(None));
        assert_eq!(compact(&[1]).nullable_string("s"), Ok(Some("")));
        assert_eq!(plain(&[0xff; 4]).nullable_array("a", |d| d.i8("x")), Ok(None));
        assert_eq!(compact(&[1]).nullable_array("a", |d| d.i8("x")), Ok(Some(Vec::new())));

        let error = plain(&[0xff, 0xff]).string("s").unwrap_err();
        assert_eq!(error.to_string(), "s: null where a value has to be (at byte 0)");
        assert!(compact(&[0]).array("a", |d| d.i8("x")).is_err());
    }

    #[test]
    fn lengths_below_minus_one_and_bytes_that_are_no_text_are_errors() {
        assert!(plain(&[0xff, 0xfe]).nullable_string("s").is_err());
        assert!(plain(&[0x80, 0, 0, 0]).nullable_array("a", |d| d.i8("x")).is_err());
        assert!(plain(&[0, 1, 0xff]).string("s").is_err());
    }

    #[test]
    fn a_length_of_two_gib_in_a_small_frame_reads_and_allocates_nothing() {
        let mut called = 0;
        let mut count = |d: &mut Decoder<'_>| {
            called += 1;
            d.i8("x")
        };
        let error = plain(&[0x7f, 0xff, 0xff, 0xff, 1]).array("a", &mut count).unwrap_err();
        assert_eq!(error.to_string(), "a: 2147483647 elements announced, 1 byte left (at byte 0)");
        assert!(compact(&[0xff, 0xff, 0xff, 0xff, 0x07, 1]).array("a", &mut count).is_err());
        assert_eq!(called, 0);
        assert!(compact(&[0xff, 0xff, 0xff, 0xff, 0x07, 1]).string("s").is_err());
        assert!(plain(&[0x7f, 0xff, 1]).string("s").is_err());
    }

    #[test]
    fn an_array_starts_no_larger_than_the_bytes_that_are_left() {
        assert_eq!(first_capacity::<[u8; 100]>(1_000_000, 1_000_000), 10_000);
        assert_eq!(first_capacity::<[u8; 100]>(3, 1_000_000), 3);
        assert_eq!(first_capacity::<u8>(7, 3), 3);
        assert_eq!(first_capacity::<()>(7, 3), 3);
    }

    #[test]
    fn unsigned_varints_end_at_32_bits() {
        let value = |bytes: &[u8]| compact(bytes).unsigned_varint("v").ok();
        assert_eq!(value(&[0]), Some(0));
        assert_eq!(value(&[0x7f]), Some(127));
        assert_eq!(value(&[0x80, 0x01]), Some(128));
        assert_eq!(value(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some(u32::MAX));
        assert_eq!(value(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(value(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), None);
        assert_eq!(value(&[0x80]), None);
        for bit in 0..32 {
            for number in [1u32 << bit, (1u32 << bit) - 1, (1u32 << bit) + 1] {
                let mut bytes = Vec::new();
                crate::wire::varint::put_unsigned_varint(&mut bytes, number);
                assert_eq!(value(&bytes), Some(number));
            }
        }
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_read_to_the_end() {
        let tagged = [3, 0, 1, 42, 7, 2, 9, 9, 300u16 as u8 | 0x80, 2, 0, 5];
        let mut seen = None;
        let mut input = compact(&tagged);
        let read = input.tags(|tag, field| {
            if tag == 0 {
                seen = Some(field.i8("known")?);
            }
            Ok(())
        });
        assert_eq!((read, seen), (Ok(()), Some(42)));
        assert_eq!(input.i8("after"), Ok(5));
        assert_eq!(input.finish(), Ok(()));

        let half_read = compact(&[1, 0, 2, 42, 43]).tags(|_, field| field.i8("known").map(drop));
        assert_eq!(half_read.unwrap_err().to_string(), "tagged field: 1 byte too many (at byte 4)");
        let past_the_field = compact(&[1, 0, 1, 42, 43]).tags(|_, field| field.i16("known").map(drop));
        assert!(past_the_field.is_err());
        assert!(compact(&[1, 0, 5, 42]).tags(|_, _| Ok(())).is_err());
        assert!(compact(&[0xff, 0xff, 0xff, 0xff, 0x0f]).tags(|_, _| Ok(())).is_err());
    }

    #[test]
    fn bytes_that_are_left_are_an_error() {
        let mut input = plain(&[1, 2, 3]);
        assert_eq!(input.i8("x"), Ok(1));
        let error = input.finish().unwrap_err();
        assert_eq!(error.to_string(), "end of the message: 2 bytes too many (at byte 1)");
    }
}
