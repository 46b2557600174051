//! What a decoder says of bytes that are not what its encoder writes.

use std::io;

pub(super) fn too_long() -> io::Error {
    malformed("more bytes than there may be")
}

pub(super) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
