//! Input: the bytes of one connection, read in large pieces, of which the uninteresting ones are never copied.

use std::io::{self, Read};

use rustix::net::RecvFlags;

use crate::sink_stream::SinkStream;

/// How much one read asks for. A batch that ends within it is skipped in the buffer, a longer one in the kernel.
const READ: usize = 64 * 1024;

/// How much one call discards at most. The pages behind are never touched.
const DISCARD: usize = 1024 * 1024;

/// A blocking connection with a buffer.
pub(crate) struct Input {
    stream: SinkStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    taken: u64,
}

impl Input {
    pub(crate) fn new(stream: SinkStream) -> Self {
        Input { stream, buffer: vec![0; DISCARD], start: 0, end: 0, taken: 0 }
    }

    /// Where answers go.
    pub(crate) fn stream(&mut self) -> &mut SinkStream {
        &mut self.stream
    }

    /// How many bytes were taken or skipped since the connection began.
    pub(crate) fn position(&self) -> u64 {
        self.taken
    }

    /// Whether the peer closed after its last whole request. Waits until there is a byte or the end.
    pub(crate) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.start == self.end && !self.fill()?)
    }

    /// The next bytes, taken.
    pub(crate) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        while self.end - self.start < N {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.start..self.start + N]);
        self.start += N;
        self.taken += N as u64;
        Ok(bytes)
    }

    /// Appends the next bytes to `out`.
    pub(crate) fn copy(&mut self, mut size: usize, out: &mut Vec<u8>) -> io::Result<()> {
        while size > 0 {
            if self.start == self.end && !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = size.min(self.end - self.start);
            out.extend_from_slice(&self.buffer[self.start..self.start + now]);
            self.start += now;
            self.taken += now as u64;
            size -= now;
        }
        Ok(())
    }

    /// Passes over the next bytes.
    pub(crate) fn skip(&mut self, size: u64) -> io::Result<()> {
        let mut left = size;
        loop {
            let now = left.min((self.end - self.start) as u64);
            self.start += now as usize;
            self.taken += now;
            left -= now;
            if left == 0 {
                return Ok(());
            }
            let got = if left >= READ as u64 { self.discard(left)? } else { self.fill()? as u64 };
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if left >= READ as u64 {
                self.taken += got;
                left -= got;
            }
        }
    }

    /// Has the kernel drop up to `left` bytes instead of copying them, where it can; the buffer is empty.
    fn discard(&mut self, left: u64) -> io::Result<u64> {
        let size = left.min(DISCARD as u64) as usize;
        match &mut self.stream {
            SinkStream::Plain(socket) => {
                let (_, got) = rustix::net::recv(&*socket, &mut self.buffer[..size], RecvFlags::TRUNC)?;
                Ok(got as u64)
            }
            // It has to be decrypted in any case.
            tls @ SinkStream::Tls(_) => Ok(tls.read(&mut self.buffer[..size])? as u64),
        }
    }

    /// Reads what there is behind what is buffered; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let got = self.stream.read(&mut self.buffer[self.end..READ])?;
        self.end += got;
        Ok(got > 0)
    }
}

/// Kafka's primitive types.
impl Input {
    pub(crate) fn i8(&mut self) -> io::Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn varint(&mut self) -> io::Result<u32> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.i8()? as u8;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a varint of more than five bytes"))
    }

    /// The length of an array, a string or bytes; none for null.
    pub(crate) fn length(&mut self, flexible: bool) -> io::Result<Option<u32>> {
        if flexible { Ok(self.varint()?.checked_sub(1)) } else { Ok(u32::try_from(self.i32()?).ok()) }
    }

    /// A string into `out`; null leaves it empty.
    pub(crate) fn string(&mut self, flexible: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let length = if flexible { self.varint()?.saturating_sub(1) } else { self.i16()?.max(0) as u32 };
        if length > i16::MAX as u32 {
            return Err(malformed("a string of more than 32767 bytes"));
        }
        out.clear();
        self.copy(length as usize, out)
    }

    /// Passes over the tagged fields of a flexible structure.
    pub(crate) fn tags(&mut self, flexible: bool) -> io::Result<()> {
        if flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let size = self.varint()?;
                self.skip(u64::from(size))?;
            }
        }
        Ok(())
    }
}

/// The error for bytes that no client should have sent.
pub(crate) fn malformed(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
