//! GetTelemetrySubscriptions: which metrics the cluster wants of this client, how often, and under which id (KIP-714).
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/GetTelemetrySubscriptionsRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/GetTelemetrySubscriptionsResponse.json>
//!
//! - Version 0 is the first flexible one.

use std::ops::RangeInclusive;

use super::super::request::{Request, Response};
use crate::error_code::ErrorCode;
use crate::uuid::Uuid;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GetTelemetrySubscriptionsRequest {
    /// What the broker has given before; zero: none yet.
    pub(crate) client_instance_id: Uuid,
}

impl Request for GetTelemetrySubscriptionsRequest {
    const KEY: i16 = 71;
    const NAME: &'static str = "GetTelemetrySubscriptions";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
    const PAUSES_FROM: i16 = i16::MAX; // nothing but telemetry goes over its connection, and the broker keeps the pause there

    type Response = GetTelemetrySubscriptionsResponse;

    fn encode(&self, out: &mut Encoder) {
        out.uuid(self.client_instance_id);
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GetTelemetrySubscriptionsResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: ErrorCode,
    pub(crate) client_instance_id: Uuid,
    pub(crate) subscription_id: i32,
    /// Ids of codecs, those that the broker likes best first.
    pub(crate) accepted_compression_types: Vec<i8>,
    pub(crate) push_interval_ms: i32,
    /// The most bytes of metrics that the broker takes in a push.
    pub(crate) telemetry_max_bytes: i32,
    /// Whether totals are told as what they grew by since the last push.
    pub(crate) delta_temporality: bool,
    /// What the names of the wanted metrics begin with.
    pub(crate) requested_metrics: Vec<String>,
}

impl Response for GetTelemetrySubscriptionsResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let throttle_time_ms = input.i32("throttle_time_ms")?;
        let error_code = ErrorCode(input.i16("error_code")?);
        let client_instance_id = input.uuid("client_instance_id")?;
        let subscription_id = input.i32("subscription_id")?;
        let accepted_compression_types =
            input.array("accepted_compression_types", |input| input.i8("accepted_compression_types"))?;
        let push_interval_ms = input.i32("push_interval_ms")?;
        let telemetry_max_bytes = input.i32("telemetry_max_bytes")?;
        let delta_temporality = input.bool("delta_temporality")?;
        let requested_metrics =
            input.array("requested_metrics", |input| input.string("requested_metrics").map(str::to_owned))?;
        input.tags(|_, _| Ok(()))?;
        Ok(GetTelemetrySubscriptionsResponse {
            throttle_time_ms,
            error_code,
            client_instance_id,
            subscription_id,
            accepted_compression_types,
            push_interval_ms,
            telemetry_max_bytes,
            delta_temporality,
            requested_metrics,
        })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}
