//! Zstandard by the C library, feature `zstd-c`: one frame a batch, with the size of the contents and without a checksum.
//!
//! Owns: the compressor of the level that was used last. Must not know: records.
//! Threads: each keeps one compressor.
//! Source: RFC 8878.

use std::cell::Cell;
use std::io;

use zstd_c::bulk::{Compressor, decompress as decompress_frame};
use zstd_c::zstd_safe::compress_bound;

thread_local! {
    static IDLE: Cell<Option<(i32, Compressor<'static>)>> = const { Cell::new(None) };
}

pub(super) fn compress(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut compressor = match IDLE.try_with(Cell::take).ok().flatten() {
        Some((of, idle)) if of == level => idle,
        _ => Compressor::new(level)?,
    };
    let start = out.len();
    out.resize(start + compress_bound(records.len()), 0);
    let size = compressor.compress_to_buffer(records, out.get_mut(start..).unwrap_or_default())?;
    out.truncate(start + size);
    // Where the thread is ending there is nobody to keep it for.
    let _ = IDLE.try_with(|idle| idle.set(Some((level, compressor))));
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    // What the frame says of its size is made room for, but not beyond the limit.
    let told = zstd_c::zstd_safe::get_frame_content_size(bytes).ok().flatten();
    let room = told.and_then(|told| usize::try_from(told).ok()).map_or(limit, |told| told.min(limit));
    decompress_frame(bytes, room).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
