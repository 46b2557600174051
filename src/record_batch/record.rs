//! One record in format v2, byte for byte.
//!
//! Owns: sizes known before writing, the writing, and the reading of what was written here. Must not know: batches'
//! headers, buffers' limits.
//! Source: Kafka's `DefaultRecord`.

use crate::record::Headers;
use crate::wire::{put_varint, put_varlong, size_of_varint, size_of_varlong, take_varlong};

/// A record's serialized parts.
#[derive(Clone, Copy)]
pub(crate) struct RecordParts<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a Headers,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
    /// Key, value and headers with their lengths: asked for at every step of a `send`.
    content_size: usize,
}

/// The most that anything but key, value and headers can take: length, attributes, timestamp and offset deltas.
const MAX_RECORD_OVERHEAD: usize = 21;

impl<'a> RecordParts<'a> {
    #[inline(always)]
    pub(crate) fn new(
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a Headers,
        timestamp: i64,
    ) -> RecordParts<'a> {
        let in_headers = if headers.is_empty() { 1 } else { headers_size(headers) };
        let content_size = nullable_size(key) + nullable_size(value) + in_headers;
        RecordParts { key, value, headers, timestamp, content_size }
    }

    /// What the record takes at most in any batch, without the batch's header.
    #[inline]
    pub(crate) fn upper_bound(&self) -> usize {
        MAX_RECORD_OVERHEAD + self.content_size
    }
}

/// What can be put into a batch.
pub(super) trait Record {
    /// Milliseconds since the epoch.
    fn timestamp(&self) -> i64;

    /// The size of key, value and headers with their lengths.
    fn content_size(&self) -> usize;

    fn write_content(&self, out: &mut Vec<u8>);

    /// The exact size of the record's body: all but its length field.
    #[inline]
    fn body_size(&self, timestamp_delta: i64, offset_delta: i32) -> usize {
        1 + size_of_varlong(timestamp_delta) + size_of_varint(offset_delta) + self.content_size()
    }

    /// Writes the record; `body_size` as told by the function of that name.
    #[inline]
    fn write(&self, out: &mut Vec<u8>, body_size: usize, timestamp_delta: i64, offset_delta: i32) {
        put_varint(out, length(body_size));
        out.push(0); // attributes: none are defined
        put_varlong(out, timestamp_delta);
        put_varint(out, offset_delta);
        self.write_content(out);
    }
}

impl Record for RecordParts<'_> {
    #[inline]
    fn timestamp(&self) -> i64 {
        self.timestamp
    }

    #[inline]
    fn content_size(&self) -> usize {
        self.content_size
    }

    #[inline]
    fn write_content(&self, out: &mut Vec<u8>) {
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        if self.headers.is_empty() {
            return out.push(0);
        }
        put_varint(out, length(self.headers.len()));
        for header in self.headers {
            put_nullable(out, Some(header.key_bytes()));
            put_nullable(out, header.value());
        }
    }
}

/// A record that lies in a batch already.
pub(super) struct EncodedRecord<'a> {
    timestamp: i64,
    content: &'a [u8],
}

impl<'a> EncodedRecord<'a> {
    /// Takes a record off the front of a batch's records.
    pub(super) fn take(records: &mut &'a [u8], base_timestamp: i64) -> Option<EncodedRecord<'a>> {
        let size = usize::try_from(take_varlong(records)?).ok()?;
        let (body, rest) = records.split_at_checked(size)?;
        *records = rest;
        let (_attributes, mut content) = body.split_first()?;
        let timestamp = base_timestamp.wrapping_add(take_varlong(&mut content)?);
        let _offset_delta = take_varlong(&mut content)?;
        Some(EncodedRecord { timestamp, content })
    }
}

impl Record for EncodedRecord<'_> {
    fn timestamp(&self) -> i64 {
        self.timestamp
    }

    fn content_size(&self) -> usize {
        self.content.len()
    }

    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.content);
    }
}

#[inline(always)]
fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

fn headers_size(headers: &Headers) -> usize {
    let each = |header: crate::record::Header<'_>| {
        nullable_size(Some(header.key_bytes())) + nullable_size(header.value())
    };
    size_of_varint(length(headers.len())) + headers.iter().map(each).sum::<usize>()
}

#[inline]
fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_of_varint(length(bytes.len())) + bytes.len())
}

/// Lengths are 32-bit on the wire; `send` has refused anything larger than `max.request.size`, which is one too.
#[inline]
fn length(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}
