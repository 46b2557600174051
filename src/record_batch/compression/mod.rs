//! `Codec`: how the records of a batch are compressed, in the forms that Java's producer writes.
//!
//! Owns: the choice of the codec and what goes wrong in one. Must not know: batches' headers, settings' texts.
//! Threads: whichever seals or splits a batch; each keeps its own state of a codec from batch to batch.
//! Holds: a codec that fails or panics costs nothing but compression; what is decompressed has a limit.
//! Source: Kafka's `Compression`, `CompressionType`.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
mod malformed;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(test)]
mod tests;
#[cfg_attr(feature = "zstd-c", path = "zstd_c.rs")]
#[cfg(feature = "zstd")]
mod zstd;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use malformed::too_long;

use crate::catch_panic::catch_panic;
use crate::logging;

/// A codec with its level. Which of them are there depends on the crate's features; settings are checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of compression.type and its levels")]
pub enum Codec {
    None,
    Gzip { level: i32 },
    Snappy,
    Lz4 { level: i32 },
    Zstd { level: i32 },
}

impl Codec {
    /// The number that stands in the attributes of a batch, bits 0 to 2.
    pub(crate) fn id(self) -> u16 {
        match self {
            Codec::None => 0,
            Codec::Gzip { .. } => 1,
            Codec::Snappy => 2,
            Codec::Lz4 { .. } => 3,
            Codec::Zstd { .. } => 4,
        }
    }

    /// How long this many bytes take, about; none for nothing to do and for what takes very long.
    pub(crate) fn expected_time(self, bytes: usize) -> Option<Duration> {
        let nanoseconds_each = match self {
            Codec::Lz4 { level: 9 } | Codec::Snappy => 2,
            Codec::Zstd { level: ..=3 } => 5,
            Codec::Gzip { level: ..=6 } => 13,
            Codec::None | Codec::Lz4 { .. } | Codec::Zstd { .. } | Codec::Gzip { .. } => return None,
        };
        Some(Duration::from_nanos(nanoseconds_each * bytes as u64))
    }

    /// Appends the compressed form of `records` to `out`. After an error `out` holds something that is of no use.
    ///
    /// # Errors
    /// What the codec says, also where it panics: then it is logged, once in the process.
    pub fn compress(self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        // A codec takes its state out of the thread and puts it back when it is done: a panic leaves none behind.
        self.catch_panic(|| match self {
            Codec::None => {
                out.extend_from_slice(records);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Codec::Gzip { level } => gzip::compress(level, records, out),
            #[cfg(feature = "snappy")]
            Codec::Snappy => snappy::compress(records, out),
            #[cfg(feature = "lz4")]
            Codec::Lz4 { level } => lz4::compress(level, records, out),
            #[cfg(feature = "zstd")]
            Codec::Zstd { level } => zstd::compress(level, records, out),
            #[allow(unreachable_patterns, reason = "it depends on the features")]
            _ => Err(self.missing()),
        })
    }

    /// The inverse; never more than `limit` bytes.
    ///
    /// # Errors
    /// If the bytes are not what `compress` writes, or come to more than `limit`.
    pub fn decompress(self, bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        self.catch_panic(|| match self {
            Codec::None if bytes.len() > limit => Err(too_long()),
            Codec::None => Ok(bytes.to_vec()),
            #[cfg(feature = "gzip")]
            Codec::Gzip { .. } => gzip::decompress(bytes, limit),
            #[cfg(feature = "snappy")]
            Codec::Snappy => snappy::decompress(bytes, limit),
            #[cfg(feature = "lz4")]
            Codec::Lz4 { .. } => lz4::decompress(bytes, limit),
            #[cfg(feature = "zstd")]
            Codec::Zstd { .. } => zstd::decompress(bytes, limit),
            #[allow(unreachable_patterns, reason = "it depends on the features")]
            _ => Err(self.missing()),
        })
    }

    fn catch_panic<T>(self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        catch_panic(work).unwrap_or_else(|| {
            if !TOLD_OF_A_PANIC.swap(true, Ordering::Relaxed) {
                logging::error!("the codec {self:?} panicked; batches like this one are sent uncompressed");
            }
            Err(io::Error::other("the codec panicked"))
        })
    }

    fn missing(self) -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, format!("{self:?} is not in this build"))
    }
}

static TOLD_OF_A_PANIC: AtomicBool = AtomicBool::new(false);
