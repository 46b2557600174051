//! Zstandard: one frame a batch, with the size of the contents and without a checksum of them.
//!
//! Owns: the levels' meaning. Must not know: records.
//! Threads: nothing of ours is kept; tables that fit the batch are made for each. What the crate keeps for a thread must
//! not be asked for when the thread is ending and has dropped it.
//! Source: RFC 8878; the frames are the `rusty_zstd` crate's.

use std::cell::Cell;
use std::io;

use rusty_zstd::{
    DecompressOptions, MIN_CLEVEL, compress_with_params, compression_params, decompress_with_limit,
};

/// What is dropped when the thread ends, before anything that the crate keeps for it: what came last goes first.
struct Present;

impl Drop for Present {
    fn drop(&mut self) {}
}

thread_local! {
    /// Whether the crate has all that it keeps for this thread.
    static WARM: Cell<bool> = const { Cell::new(false) };
    static PRESENT: Cell<Present> = const { Cell::new(Present) };
}

/// Whether the crate may be called on this thread: it panics on one that is ending and has dropped what the crate keeps
/// there.
fn is_usable() -> bool {
    if !WARM.get() {
        // Literals of few kinds, so that no part of the encoder is left out.
        let mut random = 1_u32;
        let sample: Vec<u8> = (0..4096)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8 & (random >> 16) as u8 & 31
            })
            .collect();
        let params = compression_params(3, Some(sample.len() as u64));
        let _ = params.and_then(|params| compress_with_params(&sample, params, false));
        WARM.set(true);
    }
    PRESENT.try_with(|_| ()).is_ok()
}

pub(super) fn compress(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    if !is_usable() {
        return Err(io::Error::other("the thread is ending"));
    }
    let nearest = level.max(MIN_CLEVEL);
    let mut params = compression_params(nearest, Some(records.len() as u64)).map_err(io::Error::other)?;
    if level < nearest {
        // Below zero a level is how far the search steps ahead where it finds nothing, and is that in C as well.
        params.target_length = level.unsigned_abs();
    }
    out.extend_from_slice(&compress_with_params(records, params, false).map_err(io::Error::other)?);
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let read = decompress_with_limit(bytes, DecompressOptions::default(), limit);
    read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
