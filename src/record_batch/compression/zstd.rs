//! Zstandard: one frame a batch, with the size of the contents and without a checksum of them.
//!
//! Owns: the levels' meaning. Must not know: records.
//! Threads: nothing is kept; tables that fit the batch are made for each.
//! Source: RFC 8878; the frames are the `rusty_zstd` crate's.

use std::io;

use rusty_zstd::{
    DecompressOptions, MIN_CLEVEL, compress_with_params, compression_params, decompress_with_limit,
};

pub(super) fn compress(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
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
