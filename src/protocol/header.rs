//! What stands in front of every request and response.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/RequestHeader.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ResponseHeader.json>
//!
//! Request header version 1 has the client id, version 2 adds tagged fields. Response header version 0 is the
//! correlation id alone, version 1 adds tagged fields.

use byteorder::{BigEndian, ByteOrder};

use crate::wire::{DecodeError, Decoder, Encoder};

/// The one API whose response header never has tagged fields (KIP-511): the client reads it before it knows
/// which versions the broker speaks.
const API_VERSIONS_KEY: i16 = 18;

/// Writes header version 1, or 2 in front of a flexible request.
pub(super) fn encode_request_header(out: &mut Encoder, key: i16, correlation_id: i32, client_id: &str) {
    out.i16(key);
    out.i16(out.version());
    out.i32(correlation_id);
    out.plain_string(client_id);
    out.tags();
}

/// Reads header version 0, or 1 in front of a flexible response, and returns the correlation id.
pub(super) fn decode_response_header(input: &mut Decoder<'_>, key: i16) -> Result<i32, DecodeError> {
    let correlation_id = input.i32("correlation_id")?;
    if key != API_VERSIONS_KEY {
        input.tags(|_, _| Ok(()))?;
    }
    Ok(correlation_id)
}

/// The correlation id of a response that is without its size field.
pub(crate) fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| BigEndian::read_i32(bytes))
}
