//! PushTelemetry: metrics of this client, to whoever has subscribed to them (KIP-714).
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/PushTelemetryRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/PushTelemetryResponse.json>
//!
//! - Version 0 is the first flexible one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::uuid::Uuid;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushTelemetryRequest {
    pub(crate) client_instance_id: Uuid,
    pub(crate) subscription_id: i32,
    /// It is the last one: the client ends.
    pub(crate) terminating: bool,
    /// The id of the codec.
    pub(crate) compression_type: i8,
    /// OpenTelemetry's `MetricsData`, compressed.
    pub(crate) metrics: Arc<Vec<u8>>,
}

impl Request for PushTelemetryRequest {
    const KEY: i16 = 72;
    const NAME: &'static str = "PushTelemetry";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
    const PAUSES_FROM: i16 = i16::MAX; // nothing but telemetry goes over its connection, and the broker keeps the pause there

    type Response = PushTelemetryResponse;

    fn encode(&self, out: &mut Encoder) {
        out.uuid(self.client_instance_id);
        out.i32(self.subscription_id);
        out.bool(self.terminating);
        out.i8(self.compression_type);
        out.records(Arc::clone(&self.metrics));
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushTelemetryResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
}

impl Response for PushTelemetryResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        input.tags(|_, _| Ok(()))?;
        Ok(PushTelemetryResponse { throttle_time_ms, error_code })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}
