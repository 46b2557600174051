//! `ApiVersionsStep`: which versions does the broker speak?
//!
//! Owns: falling back to an older ApiVersions. Must not know: what follows.

use super::handshake_step::{Asking, HandshakeStep, StepAction, StepFindings, StepProgress, StepRequest};
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::protocol::{
    ApiVersionsRequest, BrokerVersions, Request, decode_response, encode_request, pause_after,
};

/// Asks for the broker's versions.
#[derive(Debug)]
pub(super) struct ApiVersionsStep {
    version: i16,
}

impl ApiVersionsStep {
    pub(super) fn new() -> Self {
        ApiVersionsStep { version: *ApiVersionsRequest::VERSIONS.end() }
    }
}

impl HandshakeStep for ApiVersionsStep {
    fn name(&self) -> &'static str {
        ApiVersionsRequest::NAME
    }

    fn next(&mut self, asking: &Asking<'_>) -> Result<StepAction, Error> {
        let message = encode_request(&SOFTWARE, self.version, asking.correlation_id, asking.client_id);
        Ok(StepAction::Send(StepRequest { message, version: self.version, name: ApiVersionsRequest::NAME }))
    }

    fn answered(&mut self, frame: &[u8]) -> Result<StepProgress, Error> {
        let version = self.version;
        let response = decode_response::<ApiVersionsRequest>(version, frame)
            .map_err(|error| Error::new(ErrorKind::Network, error.to_string()))?;
        match response.error_code {
            ErrorCode::NONE => {
                let pause = pause_after::<ApiVersionsRequest>(version, &response);
                let versions = Some(BrokerVersions::from(&response));
                Ok(StepProgress::Done(StepFindings { versions, pause, session: None }))
            }
            ErrorCode::UNSUPPORTED_VERSION if response.version_to_ask_again() < version => {
                self.version = response.version_to_ask_again();
                Ok(StepProgress::Continue)
            }
            code => {
                let text = format!("the broker answered ApiVersions with {code}");
                Err(Error::new(Error::from_code(code, None).kind(), text).with_code(code))
            }
        }
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

    fn asked_version(step: &mut ApiVersionsStep) -> i16 {
        match step.next(&Asking { correlation_id: 1, client_id: "c", versions: None }) {
            Ok(StepAction::Send(request)) => request.version,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_version_is_asked_first() {
        let mut step = ApiVersionsStep::new();
        assert_eq!(asked_version(&mut step), 4);
        match step.answered(&answer(4, ErrorCode::NONE, &[(0, 3, 11)])) {
            Ok(StepProgress::Done(StepFindings { versions: Some(versions), pause, session: None })) => {
                assert_eq!((versions.range(0), pause.as_millis()), (Some(3..=11), 7));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_older_broker_is_asked_again_in_its_version() {
        for (apis, version) in [(&[(18, 0, 2)][..], 2), (&[], 0)] {
            let mut step = ApiVersionsStep::new();
            let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, apis);
            assert!(matches!(step.answered(&refusal), Ok(StepProgress::Continue)));
            assert_eq!(asked_version(&mut step), version);
            let versions = answer(version, ErrorCode::NONE, &[(3, 0, 8)]);
            assert!(matches!(step.answered(&versions), Ok(StepProgress::Done(_))));
        }
    }

    #[test]
    fn a_broker_that_refuses_its_own_version_is_not_asked_forever() {
        let mut step = ApiVersionsStep::new();
        let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 4)]);
        let error = step.answered(&refusal).unwrap_err();
        assert!(error.to_string().contains("UNSUPPORTED_VERSION"));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::UnsupportedVersion, Some(ErrorCode::UNSUPPORTED_VERSION))
        );
        let mut step = ApiVersionsStep::new();
        let refusal = answer(0, ErrorCode::UNSUPPORTED_VERSION, &[]);
        step.answered(&refusal).unwrap();
        assert!(step.answered(&refusal).is_err());
    }

    #[test]
    fn garbage_is_an_error_that_names_the_field() {
        let whole = answer(4, ErrorCode::NONE, &[(0, 3, 11)]);
        for cut in 0..whole.len() {
            let error = ApiVersionsStep::new().answered(&whole[..cut]).unwrap_err();
            assert!(error.to_string().contains("ApiVersions"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Network);
        }
    }
}
