//! `Request` and `Response`: what an API's file tells about itself; the version in which a broker is asked, what stands in
//! front of every message, and whole frames from and to both.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/RequestHeader.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ResponseHeader.json>
//!
//! Request header version 1 has the client id, version 2 adds tagged fields. Response header version 0 is the
//! correlation id alone, version 1 adds tagged fields.

use std::ops::RangeInclusive;
use std::time::Duration;

use byteorder::{BigEndian, ByteOrder};

use crate::error::{Error, ErrorKind};
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

/// The one API whose response header never has tagged fields (KIP-511): the client reads it before it knows
/// which versions the broker speaks.
const API_VERSIONS_KEY: i16 = 18;

/// Writes header version 1, or 2 in front of a flexible request.
fn encode_request_header(out: &mut Encoder, key: i16, correlation_id: i32, client_id: &str) {
    out.i16(key);
    out.i16(out.version());
    out.i32(correlation_id);
    out.plain_string(client_id);
    out.tags();
}

/// Reads header version 0, or 1 in front of a flexible response, and returns the correlation id.
fn decode_response_header(input: &mut Decoder<'_>, key: i16) -> Result<i32, DecodeError> {
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

/// The versions of each API that a broker speaks, and the features that its cluster has switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BrokerVersions {
    /// `(API key, oldest, newest)`, by key.
    apis: Vec<(i16, i16, i16)>,
    /// As of this epoch; negative where the broker does not know them.
    finalized_features_epoch: i64,
    finalized_features: Vec<(String, i16)>,
}

impl BrokerVersions {
    /// `apis`: key, oldest and newest version of each. `finalized`: the epoch of the features, and the level of each.
    pub(super) fn new(
        mut apis: Vec<(i16, i16, i16)>,
        finalized: (i64, Vec<(String, i16)>),
    ) -> BrokerVersions {
        apis.sort_unstable();
        let (finalized_features_epoch, finalized_features) = finalized;
        BrokerVersions { apis, finalized_features_epoch, finalized_features }
    }

    /// The level of a feature, 0 where it is not switched on, and the epoch as of which that is so.
    pub(crate) fn feature(&self, name: &str) -> Option<(i64, i16)> {
        let level = self.finalized_features.iter().find(|(known, _)| known == name);
        let epoch = Some(self.finalized_features_epoch).filter(|epoch| *epoch >= 0)?;
        Some((epoch, level.map_or(0, |(_, level)| *level)))
    }

    /// The newest version that broker, crate and this request have in common.
    pub(crate) fn choose<R: Request>(&self, request: &R) -> Result<i16, Error> {
        let ours = request.oldest_version()..=request.newest_version();
        let Some(theirs) = self.range(R::KEY) else { return Err(not_spoken::<R>(&ours)) };
        let newest = *ours.end().min(theirs.end());
        let oldest = *ours.start().max(theirs.start());
        if oldest <= newest { Ok(newest) } else { Err(no_overlap::<R>(&ours, &theirs)) }
    }

    /// The versions of an API that the broker speaks, if it speaks it at all.
    pub(crate) fn range(&self, key: i16) -> Option<RangeInclusive<i16>> {
        let at = self.apis.binary_search_by_key(&key, |api| api.0).ok()?;
        self.apis.get(at).map(|(_, oldest, newest)| *oldest..=*newest)
    }
}

fn not_spoken<R: Request>(ours: &RangeInclusive<i16>) -> Error {
    let (name, ours) = (R::NAME, ShownVersions(ours));
    let message = format!(
        "{name} version {ours} is needed, and the broker does not have this API (is it a controller's listener?)"
    );
    Error::new(ErrorKind::UnsupportedVersion, message)
}

fn no_overlap<R: Request>(ours: &RangeInclusive<i16>, theirs: &RangeInclusive<i16>) -> Error {
    let (name, ours, theirs) = (R::NAME, ShownVersions(ours), ShownVersions(theirs));
    let message = format!("{name} version {ours} is needed, and the broker speaks {theirs}");
    Error::new(ErrorKind::UnsupportedVersion, message)
}

/// `3 to 13`, or `3`.
struct ShownVersions<'a>(&'a RangeInclusive<i16>);

impl std::fmt::Display for ShownVersions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.start(), self.0.end()) {
            (one, other) if one == other => write!(f, "{one}"),
            (oldest, newest) => write!(f, "{oldest} to {newest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};

    fn broker(api_keys: &[(i16, i16, i16)]) -> BrokerVersions {
        let api = |&(api_key, min_version, max_version): &_| ApiVersion { api_key, min_version, max_version };
        let api_keys = api_keys.iter().map(api).collect();
        BrokerVersions::from(&ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() })
    }

    fn chosen(api_keys: &[(i16, i16, i16)]) -> Result<i16, String> {
        let request = ApiVersionsRequest { client_software_name: "n", client_software_version: "v" };
        broker(api_keys).choose(&request).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
            error.to_string()
        })
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(chosen(&[(18, 0, 3)]), Ok(3));
        assert_eq!(chosen(&[(19, 0, 1), (18, 2, 9), (3, 0, 1)]), Ok(4));
        assert_eq!(chosen(&[(18, 4, 4)]), Ok(4));
    }

    #[test]
    fn without_a_common_version_the_error_names_api_and_ranges() {
        assert_eq!(
            chosen(&[(18, 5, 9)]).unwrap_err(),
            "ApiVersions version 0 to 4 is needed, and the broker speaks 5 to 9"
        );
        assert_eq!(
            chosen(&[(3, 0, 9)]).unwrap_err(),
            "ApiVersions version 0 to 4 is needed, and the broker does not have this API \
             (is it a controller's listener?)"
        );
    }
}
