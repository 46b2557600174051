//! LZ4 in its frame format, as Java's producer writes it: independent blocks of 64 KiB, no checksum of the contents, no
//! size in the header.
//!
//! Owns: the frame, the levels' meaning. Must not know: records.
//! Threads: each keeps the encoder's table and one block's buffer, together about 80 KB.
//! Source: Kafka's `Lz4BlockOutputStream`: level 9, the default, is the fast encoder, every other one the high compression
//! of that level. The fast blocks are the `lz4_flex` crate's; the others need the C library, feature `lz4-c`.

use std::cell::Cell;
use std::io;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::malformed::{malformed, too_long};

/// Magic bytes; version 1 with independent blocks; blocks of 64 KiB; the second byte of these two's xxHash32.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

/// The level that is none: the fast encoder.
const FAST: i32 = 9;

/// What goes into one block.
const BLOCK_BYTES: usize = 64 * 1024;

/// The bit in a block's length that says that its bytes are as they were.
const STORED: u32 = 1 << 31;

const END: [u8; 4] = [0; 4];

struct Lz4State {
    table: CompressTable,
    block: Vec<u8>,
}

thread_local! {
    static IDLE: Cell<Option<Lz4State>> = const { Cell::new(None) };
}

pub(super) fn compress(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let new =
        || Lz4State { table: CompressTable::large(), block: vec![0; get_maximum_output_size(BLOCK_BYTES)] };
    let mut state = IDLE.try_with(Cell::take).ok().flatten().unwrap_or_else(new);
    out.extend_from_slice(&HEADER);
    for records in records.chunks(BLOCK_BYTES) {
        let length = match level {
            FAST => compress_into_with_table(records, &mut state.block, &mut state.table)
                .map_err(io::Error::other)?,
            level => compress_high(level, records, &mut state.block)?,
        };
        let block = state.block.get(..length).filter(|block| block.len() < records.len());
        let (block, flag) = block.map_or((records, STORED), |block| (block, 0));
        out.extend_from_slice(&(block.len() as u32 | flag).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&END);
    // Where the thread is ending there is nobody to keep it for.
    let _ = IDLE.try_with(|idle| idle.set(Some(state)));
    Ok(())
}

#[cfg(feature = "lz4-c")]
fn compress_high(level: i32, records: &[u8], block: &mut [u8]) -> io::Result<usize> {
    lzzzz::lz4_hc::compress(records, block, level).map_err(io::Error::other)
}

#[cfg(not(feature = "lz4-c"))]
fn compress_high(level: i32, _records: &[u8], _block: &mut [u8]) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("lz4 level {level} needs the feature `lz4-c`")))
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&HEADER).ok_or_else(|| malformed("not an lz4 frame of ours"))?;
    let mut records = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        let block = after.split_at_checked((length & !STORED) as usize);
        let (block, after) = block.ok_or_else(|| malformed("an lz4 block ends too early"))?;
        let start = records.len();
        if length & STORED != 0 {
            records.extend_from_slice(block);
        } else if length != 0 {
            records.resize(start + BLOCK_BYTES, 0);
            let place = records.get_mut(start..).unwrap_or_default();
            let size = decompress_into(block, place).map_err(io::Error::other)?;
            records.truncate(start + size);
        } else if after.is_empty() {
            return Ok(records);
        }
        if records.len() > limit {
            return Err(too_long());
        }
        rest = after;
    }
    Err(malformed("an lz4 frame ends too early"))
}
