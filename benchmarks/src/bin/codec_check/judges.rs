//! Other people's decoders and encoders: the C libraries zstd, lz4 and libdeflate; for snappy a reader of a few lines.
//!
//! Must not know: how ours work.

use kafka_producer::internal::Codec;

/// Reads `bytes`, which come to `size` bytes at most.
pub(super) fn decompress(codec: Codec, bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip { .. } => {
            let mut out = vec![0; size];
            let length = libdeflater::Decompressor::new().gzip_decompress(bytes, &mut out);
            out.truncate(length.map_err(|error| error.to_string())?);
            Ok(out)
        }
        Codec::Snappy => snappy(bytes).ok_or_else(|| String::from("malformed")),
        Codec::Lz4 { .. } => {
            let mut out = Vec::with_capacity(size);
            lzzzz::lz4f::decompress_to_vec(bytes, &mut out).map_err(|error| error.to_string())?;
            Ok(out)
        }
        Codec::Zstd { .. } => zstd_c::bulk::decompress(bytes, size).map_err(|error| error.to_string()),
    }
}

/// What the C library writes, if there is one.
pub(super) fn compress(codec: Codec, bytes: &[u8]) -> Option<Vec<u8>> {
    match codec {
        Codec::None | Codec::Snappy => None,
        Codec::Gzip { level } => {
            let level = libdeflater::CompressionLvl::new(level).ok()?;
            let mut compressor = libdeflater::Compressor::new(level);
            let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
            let length = compressor.gzip_compress(bytes, &mut out).ok()?;
            out.truncate(length);
            Some(out)
        }
        Codec::Lz4 { .. } => Some(lz4_frame(bytes)),
        Codec::Zstd { level } => zstd_c::bulk::compress(bytes, level).ok(),
    }
}

/// A frame with blocks of the C library's fast encoder, laid out by hand.
fn lz4_frame(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    let mut block = Vec::new();
    for bytes in bytes.chunks(64 << 10) {
        block.clear();
        let made = lzzzz::lz4::compress_to_vec(bytes, &mut block, lzzzz::lz4::ACC_LEVEL_DEFAULT);
        let (block, flag) = match made {
            Ok(_) if block.len() < bytes.len() => (block.as_slice(), 0),
            _ => (bytes, 1 << 31),
        };
        out.extend((block.len() as u32 | flag).to_le_bytes());
        out.extend(block);
    }
    out.extend([0; 4]);
    out
}

/// Reads the framing of snappy-java and the blocks in it, from the descriptions of both formats.
fn snappy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01")?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        out.extend(snappy_block(block)?);
        rest = after;
    }
    Some(out)
}

fn snappy_block(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.iter().copied();
    let (mut size, mut shift) = (0usize, 0);
    loop {
        let byte = bytes.next()?;
        size |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    let mut out = Vec::with_capacity(size);
    while let Some(tag) = bytes.next() {
        let high = usize::from(tag >> 2);
        let mut number = |count: usize| -> Option<usize> {
            (0..count).try_fold(0, |sum, at| Some(sum | usize::from(bytes.next()?) << (8 * at)))
        };
        let (length, back) = match tag & 3 {
            0 => (if high < 60 { high } else { number(high - 59)? } + 1, 0),
            1 => ((high & 7) + 4, (high >> 3) << 8 | number(1)?),
            2 => (high + 1, number(2)?),
            _ => (high + 1, number(4)?),
        };
        for _ in 0..length {
            let byte = if tag & 3 == 0 { bytes.next()? } else { *out.get(out.len().checked_sub(back)?)? };
            out.push(byte);
        }
    }
    (out.len() == size).then_some(out)
}
