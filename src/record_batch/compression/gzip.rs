//! gzip: one member with an empty header, as Java's `GZIPOutputStream` writes it.
//!
//! Owns: the levels' meaning. Must not know: records.
//! Threads: each keeps one compressor, of about 300 KB, for the level it used last.
//! Source: RFC 1952; the deflate is `zlib-rs`.

use std::cell::Cell;
use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::malformed::{malformed, too_long};

thread_local! {
    static IDLE: Cell<Option<(i32, Compress)>> = const { Cell::new(None) };
}

pub(super) fn compress(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut compressor = match IDLE.try_with(Cell::take).ok().flatten() {
        Some((of, mut idle)) if of == level => {
            idle.reset();
            idle
        }
        _ => Compress::new_gzip(strength(level), WINDOW_BITS),
    };
    let start = out.len();
    out.reserve(64);
    loop {
        let rest = records.get(compressor.total_in() as usize..).unwrap_or_default();
        match compressor.compress_vec(rest, out, FlushCompress::Finish)? {
            Status::StreamEnd => break,
            Status::Ok | Status::BufError => out.reserve((out.len() - start).max(64)),
        }
    }
    // Where the thread is ending there is nobody to keep it for.
    let _ = IDLE.try_with(|idle| idle.set(Some((level, compressor))));
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut decompressor = Decompress::new_gzip(WINDOW_BITS);
    let mut records = Vec::new();
    loop {
        let room = limit.saturating_sub(records.len()).min(records.len().max(bytes.len()));
        records.reserve_exact(room);
        let rest = bytes.get(decompressor.total_in() as usize..).unwrap_or_default();
        let before = (decompressor.total_in(), decompressor.total_out());
        let status = decompressor.decompress_vec(rest, &mut records, FlushDecompress::Finish)?;
        if records.len() > limit {
            return Err(too_long());
        }
        if status == Status::StreamEnd {
            return Ok(records);
        }
        if before == (decompressor.total_in(), decompressor.total_out()) {
            return Err(if records.len() == limit { too_long() } else { malformed("gzip ends too early") });
        }
    }
}

/// -1 is the default. In zlib that is 6; in `zlib-rs` 5 is within a hundredth of what 6 makes, at 1.3 times its speed.
const DEFAULT: u32 = 5;

fn strength(level: i32) -> Compression {
    Compression::new(u32::try_from(level).unwrap_or(DEFAULT))
}

/// 32 KiB, the most there is.
const WINDOW_BITS: u8 = 15;
