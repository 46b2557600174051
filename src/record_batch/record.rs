//! One record in format v2, byte for byte.
//!
//! Owns: sizes known before writing, and the writing. Must not know: batches' headers, buffers' limits.
//! Source: Kafka's `DefaultRecord`.

use crate::record::Headers;
use crate::wire::{put_varint, put_varlong, size_of_varint, size_of_varlong};

/// A record's serialized parts.
#[derive(Clone, Copy)]
pub(crate) struct RecordParts<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a Headers,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
}

/// The most that anything but key, value and headers can take: length, attributes, timestamp and offset deltas.
const MAX_RECORD_OVERHEAD: usize = 21;

impl RecordParts<'_> {
    /// What the record takes at most in any batch, without the batch's header.
    pub(crate) fn upper_bound(&self) -> usize {
        MAX_RECORD_OVERHEAD + self.content_size()
    }

    /// Key, value and headers with their lengths.
    #[inline]
    pub(crate) fn content_size(&self) -> usize {
        let headers = if self.headers.is_empty() { 1 } else { headers_size(self.headers) };
        nullable_size(self.key) + nullable_size(self.value) + headers
    }

    /// The exact size of the record's body: all but its length field.
    #[inline]
    pub(crate) fn body_size(&self, content_size: usize, timestamp_delta: i64, offset_delta: i32) -> usize {
        1 + size_of_varlong(timestamp_delta) + size_of_varint(offset_delta) + content_size
    }

    /// Writes the record; `body_size` as told by the function of that name.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>, body_size: usize, timestamp_delta: i64, offset_delta: i32) {
        put_varint(out, length(body_size));
        out.push(0); // attributes: none are defined
        put_varlong(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        put_varint(out, length(self.headers.len()));
        for header in self.headers {
            put_nullable(out, Some(header.key().as_bytes()));
            put_nullable(out, header.value());
        }
    }
}

fn headers_size(headers: &Headers) -> usize {
    let each = |header: &crate::record::Header| {
        nullable_size(Some(header.key().as_bytes())) + nullable_size(header.value())
    };
    size_of_varint(length(headers.len())) + headers.iter().map(each).sum::<usize>()
}

#[inline]
fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_of_varint(length(bytes.len())) + bytes.len())
}

#[inline]
fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

/// Lengths are 32-bit on the wire; `send` has refused anything larger than `max.request.size`, which is one too.
#[inline]
fn length(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}
