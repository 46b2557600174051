//! What stands in front of every request.

use std::io;

use crate::input::Input;

pub(crate) struct RequestHeader {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl RequestHeader {
    /// The fixed part and the client id; the tags of a flexible header are left to be skipped with the body, except
    /// Produce's, whose body is read.
    pub(crate) fn read(input: &mut Input) -> io::Result<RequestHeader> {
        let header = RequestHeader { key: input.i16()?, version: input.i16()?, correlation_id: input.i32()? };
        let mut client_id = Vec::new();
        input.string(false, &mut client_id)?;
        Ok(header)
    }
}
