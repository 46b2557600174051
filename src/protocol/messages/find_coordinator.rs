//! FindCoordinator: which broker looks after a transactional id or a consumer group.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/FindCoordinatorRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/FindCoordinatorResponse.json>
//!
//! - Version 1 adds the kind of key; before it every key is a group's. The response has the broker's words and a throttle.
//! - Version 2: on a quota violation the broker answers before it throttles.
//! - Version 3 is the first flexible one.
//! - Version 4 asks for several keys at once, of which we send one (KIP-699).
//! - Version 5 may answer TRANSACTION_ABORTABLE (KIP-890); version 6 knows keys of share groups (KIP-932).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindCoordinatorRequest {
    pub(crate) key: Arc<str>,
    pub(crate) key_type: CoordinatorType,
}

/// What a coordinator looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CoordinatorType {
    Group,
    Transaction,
}

impl CoordinatorType {
    fn id(self) -> i8 {
        match self {
            CoordinatorType::Group => 0,
            CoordinatorType::Transaction => 1,
        }
    }
}

impl Request for FindCoordinatorRequest {
    const KEY: i16 = 10;
    const NAME: &'static str = "FindCoordinator";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 2;

    type Response = FindCoordinatorResponse;

    fn oldest_version(&self) -> i16 {
        match self.key_type {
            CoordinatorType::Group => 0,
            CoordinatorType::Transaction => 1,
        }
    }

    fn encode(&self, out: &mut Encoder) {
        if out.version() <= 3 {
            out.string(&self.key);
        }
        if out.version() >= 1 {
            out.i8(self.key_type.id());
        }
        if out.version() >= 4 {
            out.array_len(1);
            out.string(&self.key);
        }
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindCoordinatorResponse {
    pub(crate) throttle_time_ms: i32,
    /// One, before version 4.
    pub(crate) coordinators: Vec<Coordinator>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coordinator {
    /// None before version 4: there was but one to ask for.
    pub(crate) key: Option<String>,
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) error_code: ErrorCode,
    pub(crate) error_message: Option<Box<str>>,
}

impl Response for FindCoordinatorResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = if input.version() >= 1 { input.i32("throttle_time_ms")? } else { 0 };
        let coordinators = match input.version() {
            ..4 => vec![Coordinator::decode_alone(input)?],
            _ => input.array("coordinators", Coordinator::decode)?,
        };
        input.tags(|_, _| Ok(()))?;
        Ok(FindCoordinatorResponse { throttle_time_ms, coordinators })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl Coordinator {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let key = Some(input.string("key")?.to_owned());
        let node_id = input.i32("node_id")?;
        let host = input.string("host")?.to_owned();
        let port = input.i32("port")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        let error_message = input.nullable_string("error_message")?.map(Box::from);
        input.tags(|_, _| Ok(()))?;
        Ok(Coordinator { key, node_id, host, port, error_code, error_message })
    }

    /// The fields of the message itself, in another order.
    fn decode_alone(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let error_code = ErrorCode(input.i16("error_code")?);
        let mut error_message = None;
        if input.version() >= 1 {
            error_message = input.nullable_string("error_message")?.map(Box::from);
        }
        let node_id = input.i32("node_id")?;
        let host = input.string("host")?.to_owned();
        let port = input.i32("port")?;
        Ok(Coordinator { key: None, node_id, host, port, error_code, error_message })
    }
}
