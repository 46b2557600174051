//! `Encoder`: writes a message's fields in schema order; record batches are spliced in, not copied.

use std::sync::Arc;

/// An encoded message: its own bytes, and between them record batches that stay where they are.
#[derive(Debug)]
pub(crate) struct EncodedMessage {
    /// Everything but the spliced batches.
    pub(crate) bytes: Vec<u8>,
    /// `(position, batch)`: the batch stands before `bytes[position]`; positions ascend.
    pub(crate) splices: Vec<(usize, Arc<Vec<u8>>)>,
}

/// Writes one message in one version.
#[derive(Debug)]
pub(crate) struct Encoder {
    version: i16,
    flexible: bool,
    message: EncodedMessage,
}

impl Encoder {
    pub(crate) fn new(version: i16, flexible: bool) -> Self {
        Encoder { version, flexible, message: EncodedMessage { bytes: Vec::new(), splices: Vec::new() } }
    }

    pub(crate) fn version(&self) -> i16 {
        self.version
    }

    pub(crate) fn flexible(&self) -> bool {
        self.flexible
    }

    pub(crate) fn finish(self) -> EncodedMessage {
        self.message
    }
}
