//! SaslHandshake: by which mechanism we are going to say who we are.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/SaslHandshakeRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/SaslHandshakeResponse.json>
//!
//! - After version 1 what follows is said by SaslAuthenticate (KIP-152).
//!
//! Version 0, after which bare tokens follow, each behind its length, is left out: every broker since Kafka 1.0 has
//! version 1, and the oldest that this client speaks to is 2.1.

use std::ops::RangeInclusive;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaslHandshakeRequest {
    pub(crate) mechanism: &'static str,
}

impl Request for SaslHandshakeRequest {
    const KEY: i16 = 17;
    const NAME: &'static str = "SaslHandshake";
    const VERSIONS: RangeInclusive<i16> = 1..=1;
    const FLEXIBLE_FROM: i16 = i16::MAX;
    const PAUSES_FROM: i16 = i16::MAX;

    type Response = SaslHandshakeResponse;

    fn encode(&self, out: &mut Encoder) {
        out.string(self.mechanism);
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaslHandshakeResponse {
    pub(crate) error_code: ErrorCode,
    /// What the broker has switched on for this listener.
    pub(crate) mechanisms: Vec<String>,
}

impl Response for SaslHandshakeResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let error_code = ErrorCode(input.i16("error_code")?);
        let mechanisms = input.array("mechanisms", |input| Ok(input.string("mechanism")?.to_owned()))?;
        Ok(SaslHandshakeResponse { error_code, mechanisms })
    }

    fn throttle_time_ms(&self) -> i32 {
        0
    }
}
