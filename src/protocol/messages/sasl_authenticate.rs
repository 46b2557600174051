//! SaslAuthenticate: one message of a mechanism to the broker, and the broker's to that.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/SaslAuthenticateRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/SaslAuthenticateResponse.json>
//!
//! - Version 1 adds the lifetime of the session to the response (KIP-368).
//! - Version 2 is the first flexible one.

use std::fmt;
use std::ops::RangeInclusive;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SaslAuthenticateRequest<'a> {
    /// What the mechanism says. It may be a password.
    pub(crate) auth_bytes: &'a [u8],
}

impl fmt::Debug for SaslAuthenticateRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslAuthenticateRequest({} bytes)", self.auth_bytes.len())
    }
}

impl Request for SaslAuthenticateRequest<'_> {
    const KEY: i16 = 36;
    const NAME: &'static str = "SaslAuthenticate";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE_FROM: i16 = 2;
    const PAUSES_FROM: i16 = i16::MAX;

    type Response = SaslAuthenticateResponse;

    fn encode(&self, out: &mut Encoder) {
        out.secret_bytes(self.auth_bytes);
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaslAuthenticateResponse {
    pub(crate) error_code: ErrorCode,
    pub(crate) error_message: Option<String>,
    /// What the broker's mechanism says.
    pub(crate) auth_bytes: Vec<u8>,
    /// For how long the broker believes us. 0: as long as the connection stands; that is also what older versions mean.
    pub(crate) session_lifetime_ms: i64,
}

impl Response for SaslAuthenticateResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let error_code = ErrorCode(input.i16("error_code")?);
        let error_message = input.nullable_string("error_message")?.map(str::to_owned);
        let auth_bytes = input.bytes("auth_bytes")?.to_vec();
        let session_lifetime_ms = if input.version() >= 1 { input.i64("session_lifetime_ms")? } else { 0 };
        input.tags(|_, _| Ok(()))?;
        Ok(SaslAuthenticateResponse { error_code, error_message, auth_bytes, session_lifetime_ms })
    }

    fn throttle_time_ms(&self) -> i32 {
        0
    }
}
