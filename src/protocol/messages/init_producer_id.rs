//! InitProducerId: a producer id and epoch, which idempotence and transactions stand on.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/InitProducerIdRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/InitProducerIdResponse.json>
//!
//! - Version 1: on a quota violation the broker answers before it throttles.
//! - Version 2 is the first flexible one.
//! - Version 3 adds the producer's present id and epoch to the request, to bump the epoch (KIP-360).
//! - Version 4 may answer PRODUCER_FENCED (KIP-588).
//! - Version 5 may answer TRANSACTION_ABORTABLE (KIP-890).
//! - Version 6 has two-phase commit (KIP-939): that it is wanted, whether a prepared transaction is to be kept, and who has
//!   begun it. Kafka 4.3 marks it unstable, and brokers tell it only with `unstable.api.versions.enable=true`; so it is
//!   sent only where it is needed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitProducerIdRequest {
    /// None: idempotent, but not transactional.
    pub(crate) transactional_id: Option<Arc<str>>,
    pub(crate) transaction_timeout_ms: i32,
    /// From version 3 on; before that the broker cannot be told. -1: none yet.
    pub(crate) producer_id: i64,
    /// From version 3 on. -1: none yet.
    pub(crate) producer_epoch: i16,
    /// From version 6 on: the transactions never time out.
    pub(crate) enable_2pc: bool,
    /// From version 6 on: an open transaction is not aborted.
    pub(crate) keep_prepared: bool,
}

impl Request for InitProducerIdRequest {
    const KEY: i16 = 22;
    const NAME: &'static str = "InitProducerId";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 2;
    const PAUSES_FROM: i16 = 1;

    type Response = InitProducerIdResponse;

    fn newest_version(&self) -> i16 {
        if self.enable_2pc || self.keep_prepared { TWO_PHASES } else { TWO_PHASES - 1 }
    }

    fn oldest_version(&self) -> i16 {
        if self.enable_2pc || self.keep_prepared { TWO_PHASES } else { 0 }
    }

    fn encode(&self, out: &mut Encoder) {
        out.nullable_string(self.transactional_id.as_deref());
        out.i32(self.transaction_timeout_ms);
        if out.version() >= 3 {
            out.i64(self.producer_id);
            out.i16(self.producer_epoch);
        }
        if out.version() >= TWO_PHASES {
            out.bool(self.enable_2pc);
            out.bool(self.keep_prepared);
        }
        out.tags();
    }
}

const TWO_PHASES: i16 = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitProducerIdResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Who has begun the transaction that was kept; -1 where there is none, and before version 6.
    pub(crate) ongoing_txn_producer_id: i64,
    /// The same; its epoch.
    pub(crate) ongoing_txn_producer_epoch: i16,
}

impl Response for InitProducerIdResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        let producer_id = input.i64("producer_id")?;
        let producer_epoch = input.i16("producer_epoch")?;
        let (mut ongoing_txn_producer_id, mut ongoing_txn_producer_epoch) = (-1, -1);
        if input.version() >= TWO_PHASES {
            ongoing_txn_producer_id = input.i64("ongoing_txn_producer_id")?;
            ongoing_txn_producer_epoch = input.i16("ongoing_txn_producer_epoch")?;
        }
        input.tags(|_, _| Ok(()))?;
        Ok(InitProducerIdResponse {
            throttle_time_ms,
            error_code,
            producer_id,
            producer_epoch,
            ongoing_txn_producer_id,
            ongoing_txn_producer_epoch,
        })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}
