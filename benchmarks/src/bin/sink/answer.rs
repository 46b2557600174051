//! Answer: one response frame, written into a buffer that the connection keeps.

use std::io::{self, Write};

/// A frame that is being written. `flexible` is that of the body's version.
pub(crate) struct ResponseFrame {
    bytes: Vec<u8>,
    flexible: bool,
}

impl ResponseFrame {
    pub(crate) fn new() -> Self {
        ResponseFrame { bytes: Vec::new(), flexible: false }
    }

    /// Starts a frame. ApiVersions' header is never flexible, its body may be.
    pub(crate) fn start(&mut self, correlation_id: i32, flexible_header: bool, flexible: bool) {
        self.bytes.clear();
        self.flexible = flexible;
        self.i32(0).i32(correlation_id);
        if flexible_header {
            self.tags();
        }
    }

    /// Fills in the size and sends the frame; says how large it was.
    pub(crate) fn send(&mut self, socket: &mut impl Write) -> io::Result<u64> {
        let size = self.bytes.len() as i32 - 4;
        self.bytes[..4].copy_from_slice(&size.to_be_bytes());
        socket.write_all(&self.bytes)?;
        Ok(self.bytes.len() as u64)
    }

    pub(crate) fn i8(&mut self, value: i8) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The length of an array that follows.
    pub(crate) fn array(&mut self, length: usize) -> &mut Self {
        if self.flexible { self.varint(length as u32 + 1) } else { self.i32(length as i32) }
    }

    pub(crate) fn string(&mut self, text: &[u8]) -> &mut Self {
        if self.flexible {
            self.varint(text.len() as u32 + 1)
        } else {
            self.i16(text.len() as i16)
        };
        self.raw(text)
    }

    pub(crate) fn null_string(&mut self) -> &mut Self {
        if self.flexible { self.varint(0) } else { self.i16(-1) }
    }

    /// No tagged fields, where they have a place.
    pub(crate) fn tags(&mut self) -> &mut Self {
        if self.flexible { self.varint(0) } else { self }
    }

    fn varint(&mut self, mut value: u32) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }
}
