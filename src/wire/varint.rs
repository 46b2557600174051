//! Variable-length integers: seven bits a byte, lowest first, the top bit says that more follow.
//!
//! Signed ones are zigzag coded first (0, -1, 1, -2 become 0, 1, 2, 3), so that small numbers of either sign are
//! short. Source: Kafka's `org.apache.kafka.common.utils.ByteUtils`.

const MORE: u8 = 0x80;

/// Appends a signed number: lengths and deltas inside a record batch.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(zigzag(value)));
}

/// Appends a signed 64-bit number: a record's timestamp delta.
#[inline]
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag_long(value));
}

/// Appends an unsigned number: lengths and tags of flexible messages.
#[inline]
pub(super) fn put_unsigned_varint(out: &mut Vec<u8>, value: u32) {
    put_unsigned(out, u64::from(value));
}

/// How many bytes [`put_varint`] appends: 1 to 5.
#[inline]
pub(crate) const fn size_of_varint(value: i32) -> usize {
    size_of_unsigned_varint(zigzag(value))
}

/// How many bytes [`put_varlong`] appends: 1 to 10.
#[inline]
pub(crate) const fn size_of_varlong(value: i64) -> usize {
    size_of_unsigned(zigzag_long(value))
}

/// Takes a signed number of at most 64 bits off the front.
pub(crate) fn take_varlong(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & !MORE) << shift;
        if byte & MORE == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

/// How many bytes [`put_unsigned_varint`] appends: 1 to 5.
#[inline]
const fn size_of_unsigned_varint(value: u32) -> usize {
    size_of_unsigned(value as u64)
}

const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// One byte for each seven bits begun. 9/64 stands for 1/7: it rounds the same way for every width up to 64.
#[inline]
const fn size_of_unsigned(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

#[inline]
fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    if value < 1 << 7 {
        out.push(value as u8);
    } else if value < 1 << 14 {
        out.extend_from_slice(&[value as u8 | MORE, (value >> 7) as u8]);
    } else if value < 1 << 21 {
        out.extend_from_slice(&[value as u8 | MORE, (value >> 7) as u8 | MORE, (value >> 14) as u8]);
    } else {
        put_long_form(out, value);
    }
}

#[inline(never)]
fn put_long_form(out: &mut Vec<u8>, mut value: u64) {
    while value >= 1 << 7 {
        out.push(value as u8 | MORE);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule itself, in its plainest form.
    fn plain(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 0x80);
        }
    }

    /// Every power of two, its neighbours, and their negatives: all places where the length changes are among them.
    fn edges() -> impl Iterator<Item = i64> {
        let powers = (0..64).flat_map(|bit| {
            let power = 1i64.wrapping_shl(bit);
            [power.wrapping_sub(1), power, power.wrapping_add(1)]
        });
        powers.flat_map(|value| [value, value.wrapping_neg()]).chain([i64::MIN, i64::MAX])
    }

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes);
        bytes
    }

    fn unsigned(value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_unsigned_varint(&mut bytes, value);
        bytes
    }

    #[test]
    fn signed_numbers_are_zigzag_coded_at_every_edge() {
        for value in edges() {
            let folded = if value >= 0 { value as u64 * 2 } else { (-(value + 1)) as u64 * 2 + 1 };
            assert_eq!(written(|out| put_varlong(out, value)), plain(folded), "{value}");
            assert_eq!(size_of_varlong(value), plain(folded).len(), "{value}");

            let Ok(small) = i32::try_from(value) else { continue };
            assert_eq!(written(|out| put_varint(out, small)), plain(folded), "{value}");
            assert_eq!(size_of_varint(small), plain(folded).len(), "{value}");
        }
        assert_eq!((size_of_varint(i32::MIN), size_of_varint(i32::MAX)), (5, 5));
        assert_eq!((size_of_varlong(i64::MIN), size_of_varlong(i64::MAX)), (10, 10));
    }

    #[test]
    fn unsigned_numbers_at_every_edge() {
        for value in edges().filter_map(|value| u32::try_from(value).ok()) {
            assert_eq!(unsigned(value), plain(u64::from(value)), "{value}");
            assert_eq!(size_of_unsigned_varint(value), plain(u64::from(value)).len(), "{value}");
        }
        assert_eq!(size_of_unsigned_varint(u32::MAX), 5);
    }

    /// From Kafka's own `ByteUtilsTest`.
    #[test]
    fn known_bytes() {
        assert_eq!(written(|out| put_varint(out, 0)), [0]);
        assert_eq!(written(|out| put_varint(out, -1)), [0x01]);
        assert_eq!(written(|out| put_varint(out, 63)), [0x7e]);
        assert_eq!(written(|out| put_varint(out, -64)), [0x7f]);
        assert_eq!(written(|out| put_varint(out, 64)), [0x80, 0x01]);
        assert_eq!(written(|out| put_varint(out, -8193)), [0x81, 0x80, 0x01]);
        assert_eq!(written(|out| put_varint(out, i32::MAX)), [0xfe, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(written(|out| put_varint(out, i32::MIN)), [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(
            written(|out| put_varlong(out, i64::MIN)),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        );
    }
}
