//! The records of compressed batches.
//!
//! Owns: the forms in which clients compress: gzip (RFC 1952), snappy in the blocks of snappy-java, the lz4 frame, zstd.
//! Written apart from the client's codecs, or by other crates than theirs, so that a mistake made twice the same way
//! cannot pass.
//! Holds: nothing is read beyond the limit.

use std::io::Read;

use ruzstd::decoding::StreamingDecoder;

/// No batch comes to more than this.
const MOST_BYTES: usize = 256 << 20;

/// The records of a batch with this codec; `None` where they cannot be read.
pub(super) fn decompress(codec: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    match codec {
        0 => Some(bytes.to_vec()),
        1 => gzip(bytes),
        2 => snappy(bytes),
        3 => lz4(bytes),
        4 => zstd(bytes),
        _ => None,
    }
}

fn zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    StreamingDecoder::new(bytes).ok()?.take(MOST_BYTES as u64).read_to_end(&mut out).ok()?;
    Some(out)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(&[0x1f, 0x8b, 8])?;
    // Nobody who compresses batches puts a name or anything else that is optional into the header.
    let body = rest.strip_prefix(&[0])?.get(6..)?;
    let (deflated, trailer) = body.split_at_checked(body.len().checked_sub(8)?)?;
    let out = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, MOST_BYTES).ok()?;
    let size = u32::from_le_bytes(trailer.get(4..)?.try_into().ok()?);
    (size as usize == out.len()).then_some(out)
}

/// snappy-java's stream: a header of 16 bytes, then blocks with their length before them.
fn snappy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"\x82SNAPPY\0")?.get(8..)?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        snappy_block(block, &mut out)?;
        rest = after;
    }
    Some(out)
}

fn snappy_block(mut bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let mut size = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        bytes = rest;
        size |= usize::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    while let Some((&tag, rest)) = bytes.split_first() {
        bytes = rest;
        let high = usize::from(tag >> 2);
        match tag & 3 {
            0 => {
                let length = if high < 60 { high } else { little_endian(&mut bytes, high - 59)? };
                let (literal, rest) = bytes.split_at_checked(length + 1)?;
                bytes = rest;
                extend(out, literal)?;
            }
            1 => {
                let back = (high >> 3) << 8 | little_endian(&mut bytes, 1)?;
                repeat(out, start, back, (high & 7) + 4)?;
            }
            kind => {
                let back = little_endian(&mut bytes, if kind == 2 { 2 } else { 4 })?;
                repeat(out, start, back, high + 1)?;
            }
        }
    }
    (out.len() - start == size).then_some(())
}

/// The lz4 frame, version 1, without a dictionary. Its checksums are not looked at: the batch has a CRC.
fn lz4(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(&[0x04, 0x22, 0x4d, 0x18])?;
    let (&flags, rest) = rest.split_first()?;
    let of_flag = |bit: u8, size: usize| if flags & bit == 0 { 0 } else { size };
    let (block_checksum, content_size) = (of_flag(0x10, 4), of_flag(0x08, 8));
    // The block's maximum size, the size of the contents, and a checksum of the header.
    let mut rest = rest.get(1 + content_size + 1..)?;
    let independent = flags & 0x20 != 0;
    let mut out = Vec::new();
    loop {
        let (length, after) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            return Some(out);
        }
        let (block, after) = after.split_at_checked((length & 0x7fff_ffff) as usize)?;
        if length >> 31 == 1 {
            extend(&mut out, block)?;
        } else {
            let start = if independent { out.len() } else { 0 };
            lz4_block(block, start, &mut out)?;
        }
        rest = after.get(block_checksum..)?;
    }
}

fn lz4_block(mut bytes: &[u8], start: usize, out: &mut Vec<u8>) -> Option<()> {
    while let Some((&token, rest)) = bytes.split_first() {
        bytes = rest;
        let length = lz4_length(&mut bytes, token >> 4)?;
        let (literal, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        extend(out, literal)?;
        if bytes.is_empty() {
            break; // the last sequence has literals only
        }
        let back = little_endian(&mut bytes, 2)?;
        let length = lz4_length(&mut bytes, token & 15)? + 4;
        repeat(out, start, back, length)?;
    }
    Some(())
}

/// Four bits, and where these are all set, bytes that are added until one is not 255.
fn lz4_length(bytes: &mut &[u8], nibble: u8) -> Option<usize> {
    let mut length = usize::from(nibble);
    let mut more = nibble == 15;
    while more {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length += usize::from(byte);
        more = byte == 255;
    }
    Some(length)
}

fn little_endian(bytes: &mut &[u8], count: usize) -> Option<usize> {
    let (number, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(number.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

fn extend(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    if out.len() + bytes.len() > MOST_BYTES {
        return None;
    }
    out.extend_from_slice(bytes);
    Some(())
}

/// Appends `length` bytes that begin `back` bytes before the end and may overlap with what is appended.
fn repeat(out: &mut Vec<u8>, start: usize, back: usize, length: usize) -> Option<()> {
    if back == 0 || back > out.len() - start || out.len() + length > MOST_BYTES {
        return None;
    }
    for _ in 0..length {
        out.push(*out.get(out.len() - back)?);
    }
    Some(())
}
