//! AddOffsetsToTxn: of which group a transaction is going to commit offsets. Not asked where `transaction.version` is 2.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/AddOffsetsToTxnRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/AddOffsetsToTxnResponse.json>
//!
//! - Version 1: on a quota violation the broker answers before it throttles.
//! - Version 2 may answer PRODUCER_FENCED (KIP-588).
//! - Version 3 is the first flexible one.
//! - Version 4 may answer TRANSACTION_ABORTABLE (KIP-890).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddOffsetsToTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) group_id: Arc<str>,
}

impl Request for AddOffsetsToTxnRequest {
    const KEY: i16 = 25;
    const NAME: &'static str = "AddOffsetsToTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 1;

    type Response = AddOffsetsToTxnResponse;

    fn encode(&self, out: &mut Encoder) {
        out.string(&self.transactional_id);
        out.i64(self.producer_id);
        out.i16(self.producer_epoch);
        out.string(&self.group_id);
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddOffsetsToTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
}

impl Response for AddOffsetsToTxnResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        input.tags(|_, _| Ok(()))?;
        Ok(AddOffsetsToTxnResponse { throttle_time_ms, error_code })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}
