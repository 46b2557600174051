//! `Handshake`: what is said on a new connection before the first request of the caller.
//!
//! Owns: the order of the steps, and falling back to an older ApiVersions. Must not know: sockets, frames. Steps for
//! TLS come before ApiVersions, those for SASL after it.

use std::time::Duration;

use crate::error_code::ErrorCode;
use crate::protocol::{
    ApiVersionsRequest, BrokerVersions, Request, decode_response, encode_request, pause_after,
};
use crate::wire::EncodedMessage;

/// The steps of a new connection, one after another.
#[derive(Debug)]
pub(super) struct Handshake {
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Which versions does the broker speak?
    ApiVersions { version: i16 },
}

/// A request of the handshake.
#[derive(Debug)]
pub(super) struct HandshakeRequest {
    pub(super) message: EncodedMessage,
    pub(super) version: i16,
    pub(super) name: &'static str,
}

/// What follows on an answer.
#[derive(Debug)]
pub(super) enum Progress {
    /// Another request, the one that `request` now gives.
    Continue,
    /// The connection is ready. The broker may ask for a pause before the first request.
    Done { versions: BrokerVersions, pause: Duration },
}

impl Handshake {
    pub(super) fn new() -> Self {
        Handshake { step: Step::ApiVersions { version: *ApiVersionsRequest::VERSIONS.end() } }
    }

    /// Takes the answer to the last request; what went wrong, in words.
    pub(super) fn answered(&mut self, frame: &[u8]) -> Result<Progress, String> {
        let Step::ApiVersions { version } = self.step;
        let response =
            decode_response::<ApiVersionsRequest>(version, frame).map_err(|error| error.to_string())?;
        match response.error_code {
            ErrorCode::NONE => {
                let pause = pause_after::<ApiVersionsRequest>(version, &response);
                Ok(Progress::Done { versions: BrokerVersions::from(&response), pause })
            }
            ErrorCode::UNSUPPORTED_VERSION if response.version_to_ask_again() < version => {
                self.step = Step::ApiVersions { version: response.version_to_ask_again() };
                Ok(Progress::Continue)
            }
            code => Err(format!("the broker answered ApiVersions with {code}")),
        }
    }

    /// The request of the present step.
    pub(super) fn request(&self, correlation_id: i32, client_id: &str) -> HandshakeRequest {
        let Step::ApiVersions { version } = self.step;
        let message = encode_request(&SOFTWARE, version, correlation_id, client_id);
        HandshakeRequest { message, version, name: ApiVersionsRequest::NAME }
    }
}

/// Who we are, for the broker's metrics (KIP-511).
const SOFTWARE: ApiVersionsRequest = ApiVersionsRequest {
    client_software_name: env!("CARGO_PKG_NAME"),
    client_software_version: env!("CARGO_PKG_VERSION"),
};

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::{ApiVersionsResponse, ResponseHeader};
    use kafka_protocol::protocol::Encodable;

    use super::*;

    fn answer(version: i16, code: ErrorCode, apis: &[(i16, i16, i16)]) -> Vec<u8> {
        let api = |&(key, min, max): &_| {
            ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
        };
        let response = ApiVersionsResponse::default()
            .with_error_code(code.0)
            .with_api_keys(apis.iter().map(api).collect())
            .with_throttle_time_ms(if version > 0 { 7 } else { 0 });
        let mut out = BytesMut::new();
        ResponseHeader::default().with_correlation_id(1).encode(&mut out, 0).unwrap();
        response.encode(&mut out, version).unwrap();
        out.to_vec()
    }

    #[test]
    fn the_newest_version_is_asked_first() {
        let mut handshake = Handshake::new();
        assert_eq!(handshake.request(1, "c").version, 4);
        match handshake.answered(&answer(4, ErrorCode::NONE, &[(0, 3, 11)])) {
            Ok(Progress::Done { versions, pause }) => {
                assert_eq!((versions.range(0), pause.as_millis()), (Some(3..=11), 7));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_older_broker_is_asked_again_in_its_version() {
        for (apis, version) in [(&[(18, 0, 2)][..], 2), (&[], 0)] {
            let mut handshake = Handshake::new();
            let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, apis);
            assert!(matches!(handshake.answered(&refusal), Ok(Progress::Continue)));
            assert_eq!(handshake.request(2, "c").version, version);
            let versions = answer(version, ErrorCode::NONE, &[(3, 0, 8)]);
            assert!(matches!(handshake.answered(&versions), Ok(Progress::Done { .. })));
        }
    }

    #[test]
    fn a_broker_that_refuses_its_own_version_is_not_asked_forever() {
        let mut handshake = Handshake::new();
        let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 4)]);
        assert!(handshake.answered(&refusal).unwrap_err().contains("UNSUPPORTED_VERSION"));
        let mut handshake = Handshake::new();
        let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, &[]);
        handshake.answered(&refusal).unwrap();
        assert!(handshake.answered(&refusal).is_err());
    }

    #[test]
    fn garbage_is_an_error_that_names_the_field() {
        let whole = answer(4, ErrorCode::NONE, &[(0, 3, 11)]);
        for cut in 0..whole.len() {
            let error = Handshake::new().answered(&whole[..cut]).unwrap_err();
            assert!(error.contains("ApiVersions"), "{error}");
        }
    }
}
