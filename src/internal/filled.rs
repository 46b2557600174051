//! `FilledBatch`: a batch that only has to be sealed.
//!
//! Owns: its bytes. Must not know: queues, completions.

use crate::record::Headers;
use crate::record_batch::{BatchBuilder, Codec, RecordParts, SealedBatch};

/// A batch of records that is full.
#[must_use]
pub struct FilledBatch(BatchBuilder);

impl FilledBatch {
    /// As many records with this value as `size` bytes have room for.
    pub fn new(value: &[u8], size: usize) -> FilledBatch {
        let mut builder = BatchBuilder::new(Vec::with_capacity(size));
        let headers = Headers::new();
        let parts = RecordParts::new(None, Some(value), &headers, 0);
        while builder.try_append(&parts, size).is_ok() {}
        FilledBatch(builder)
    }

    /// Ends it, uncompressed: its header and the CRC of its records.
    pub fn seal(self) -> Sealed {
        Sealed(self.0.seal(Codec::None).0)
    }
}

/// A batch that can be sent.
#[must_use]
pub struct Sealed(SealedBatch);

impl Sealed {
    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}
