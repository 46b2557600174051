//! Requests and answers as they travel, read by a codec that is not the client's.
//!
//! Owns: how a frame is read. Must not know: what is done with it.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Decodable, HeaderVersion};

/// A request's API, its version, and the correlation id: what every frame begins with.
pub(super) fn request_head(mut frame: &[u8]) -> Option<(i16, i16, i32)> {
    Some((frame.try_get_i16().ok()?, frame.try_get_i16().ok()?, frame.try_get_i32().ok()?))
}

/// The correlation id of an answer, without its length in front.
pub(super) fn answer_id(answer: &[u8]) -> Option<i32> {
    answer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// An answer, without its length in front. What cannot be read is somebody's lie.
pub(super) fn decode<R: Decodable + HeaderVersion>(answer: &Bytes, version: i16) -> Option<R> {
    let mut rest = answer.clone();
    ResponseHeader::decode(&mut rest, R::header_version(version)).ok()?;
    R::decode(&mut rest, version).ok()
}
