//! `Request` and `Response`: what an API's file tells about itself; and whole frames from and to them.

use std::ops::RangeInclusive;
use std::time::Duration;

use byteorder::{BigEndian, ByteOrder};

use super::header::{decode_response_header, encode_request_header};
use crate::wire::{DecodeError, Decoder, EncodedMessage, Encoder};

/// A request: its API, the versions that its file can write, and its fields.
pub(crate) trait Request {
    /// Kafka's number of the API.
    const KEY: i16;
    /// Kafka's name of the API, for log lines and errors.
    const NAME: &'static str;
    /// The versions that this crate speaks.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: i16;
    /// The first version in which a broker answers before it throttles, so that the client has to keep the pause
    /// (KIP-219); up to then the broker keeps it.
    const PAUSES_FROM: i16;

    type Response: Response;

    /// The newest version that can say what this request says.
    fn newest_version(&self) -> i16 {
        *Self::VERSIONS.end()
    }

    /// The oldest version that can say what this request says.
    fn oldest_version(&self) -> i16 {
        *Self::VERSIONS.start()
    }

    /// Writes the fields of `out.version()`, which is one of [`VERSIONS`](Request::VERSIONS).
    fn encode(&self, out: &mut Encoder);
}

/// The answer to a request.
pub(crate) trait Response: Sized {
    /// Reads the fields of `input.version()`.
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// For how long the broker throttles us.
    fn throttle_time_ms(&self) -> i32;
}

/// A whole frame: size, header, body.
pub(crate) fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> EncodedMessage {
    let mut out = Encoder::new(version, version >= R::FLEXIBLE_FROM);
    out.i32(0); // the size, known at the end
    encode_request_header(&mut out, R::KEY, correlation_id, client_id);
    request.encode(&mut out);
    let mut message = out.finish();
    let size = message.size_bytes() - SIZE_FIELD_BYTES;
    if let Some(field) = message.bytes.first_chunk_mut::<SIZE_FIELD_BYTES>() {
        BigEndian::write_i32(field, size as i32);
    }
    message
}

/// Reads a frame without its size field: header and body, and nothing behind them.
pub(crate) fn decode_response<R: Request>(version: i16, frame: &[u8]) -> Result<R::Response, DecodeError> {
    decode_response_with::<R>(version, frame, R::Response::decode)
}

/// As `decode_response`, where the fields are read by `decode`.
pub(crate) fn decode_response_with<R: Request>(
    version: i16,
    frame: &[u8],
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<R::Response, DecodeError>,
) -> Result<R::Response, DecodeError> {
    let mut input = Decoder::new(frame, version, version >= R::FLEXIBLE_FROM);
    let response = decode_response_header(&mut input, R::KEY)
        .and_then(|_| decode(&mut input))
        .and_then(|response| input.finish().map(|()| response));
    response.map_err(|error| error.of_response(R::NAME, version))
}

/// How long the broker has to be left alone after this answer.
///
/// Source: Kafka's `NetworkClient.maybeThrottle`. Java believes any number, also one of 24 days.
pub(crate) fn pause_after<R: Request>(version: i16, response: &R::Response) -> Duration {
    if version < R::PAUSES_FROM {
        return Duration::ZERO;
    }
    let asked = u64::try_from(response.throttle_time_ms()).map_or(Duration::ZERO, Duration::from_millis);
    asked.min(LONGEST_PAUSE)
}

const SIZE_FIELD_BYTES: usize = 4;

/// Far above what brokers ask for. A broker that means more says so again, and one that did not mean it is not lost for
/// weeks.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
