//! Snappy as Java writes it: in the blocks of the `snappy-java` library, each with its length before it.
//!
//! Owns: the framing. Must not know: records.
//! Threads: each keeps the encoder's table and one block's buffer, together about 110 KB.
//! Source: `SnappyOutputStream` and `SnappyCodec` of snappy-java; the blocks are the `snap` crate's.

use std::cell::Cell;
use std::io;

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::malformed::{malformed, too_long};

/// The library's magic bytes, its version, and the oldest version that can read it.
const HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];

/// What goes into one block: as much as the format takes. The library's own writer takes 32 KiB at a time, its reader and all
/// others whatever comes; the ratio is better by a thirtieth.
const BLOCK_BYTES: usize = 64 * 1024;

struct SnappyState {
    encoder: Encoder,
    block: Vec<u8>,
}

thread_local! {
    static IDLE: Cell<Option<SnappyState>> = const { Cell::new(None) };
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let new = || SnappyState { encoder: Encoder::new(), block: vec![0; max_compress_len(BLOCK_BYTES)] };
    let mut state = IDLE.try_with(Cell::take).ok().flatten().unwrap_or_else(new);
    out.extend_from_slice(&HEADER);
    for records in records.chunks(BLOCK_BYTES) {
        let length = state.encoder.compress(records, &mut state.block)?;
        let block = state.block.get(..length).unwrap_or_default();
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(block);
    }
    // Where the thread is ending there is nobody to keep it for.
    let _ = IDLE.try_with(|idle| idle.set(Some(state)));
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&HEADER).ok_or_else(|| malformed("not a snappy stream of Java's"))?;
    let (mut records, mut decoder) = (Vec::new(), Decoder::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) =
            after.split_at_checked(length).ok_or_else(|| malformed("a snappy block ends too early"))?;
        let (start, size) = (records.len(), decompress_len(block)?);
        if size > limit.saturating_sub(start) {
            return Err(too_long());
        }
        records.resize(start + size, 0);
        decoder.decompress(block, records.get_mut(start..).unwrap_or_default())?;
        rest = after;
    }
    if rest.is_empty() { Ok(records) } else { Err(malformed("a snappy block's length ends too early")) }
}
