//! EndTxn: the end of a transaction.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/EndTxnRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/EndTxnResponse.json>
//!
//! - Version 1: on a quota violation the broker answers before it throttles.
//! - Version 2 may answer PRODUCER_FENCED (KIP-588).
//! - Version 3 is the first flexible one.
//! - Version 4 may answer TRANSACTION_ABORTABLE (KIP-890).
//! - Version 5 raises the epoch with every transaction and tells the next one, which only a cluster with
//!   `transaction.version` 2 allows (KIP-890): without it a request goes no higher than 4.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndTxnRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Else it is aborted.
    pub(crate) committed: bool,
    /// Not on the wire: whether this transaction goes by `transaction.version` 2.
    pub(crate) transaction_v2: bool,
}

impl Request for EndTxnRequest {
    const KEY: i16 = 26;
    const NAME: &'static str = "EndTxn";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 1;

    type Response = EndTxnResponse;

    fn newest_version(&self) -> i16 {
        if self.transaction_v2 { 5 } else { 4 }
    }

    fn encode(&self, out: &mut Encoder) {
        out.string(&self.transactional_id);
        out.i64(self.producer_id);
        out.i16(self.producer_epoch);
        out.bool(self.committed);
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndTxnResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
    /// -1 before version 5.
    pub(crate) producer_id: i64,
    /// -1 before version 5.
    pub(crate) producer_epoch: i16,
}

impl Response for EndTxnResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        let (mut producer_id, mut producer_epoch) = (-1, -1);
        if input.version() >= 5 {
            producer_id = input.i64("producer_id")?;
            producer_epoch = input.i16("producer_epoch")?;
        }
        input.tags(|_, _| Ok(()))?;
        Ok(EndTxnResponse { throttle_time_ms, error_code, producer_id, producer_epoch })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}
