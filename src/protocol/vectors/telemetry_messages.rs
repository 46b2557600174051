//! GetTelemetrySubscriptions and PushTelemetry: generated values, in every version, against the `kafka-protocol` crate.

use std::sync::Arc;

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text, theirs_uuid};
use crate::error_code::ErrorCode;
use crate::protocol::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    PushTelemetryResponse,
};
use crate::uuid::Uuid;

#[test]
fn subscriptions_are_read_as_meant() {
    let request = |g: &mut Generator| GetTelemetrySubscriptionsRequest { client_instance_id: g.uuid() };
    requests(request, |ours, _| {
        theirs::GetTelemetrySubscriptionsRequest::default()
            .with_client_instance_id(theirs_uuid(ours.client_instance_id))
    });
    let response = |g: &mut Generator| {
        theirs::GetTelemetrySubscriptionsResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_client_instance_id(theirs_uuid(g.uuid()))
            .with_subscription_id(g.i32())
            .with_accepted_compression_types(g.long_list(|g| g.i16() as i8))
            .with_push_interval_ms(g.i32())
            .with_telemetry_max_bytes(g.i32())
            .with_delta_temporality(g.bool())
            .with_requested_metrics(g.long_list(|g| theirs_text(&g.text())))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<GetTelemetrySubscriptionsRequest, _>(response, |theirs, _| {
        GetTelemetrySubscriptionsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error_code: ErrorCode(theirs.error_code),
            client_instance_id: Uuid(*theirs.client_instance_id.as_bytes()),
            subscription_id: theirs.subscription_id,
            accepted_compression_types: theirs.accepted_compression_types.clone(),
            push_interval_ms: theirs.push_interval_ms,
            telemetry_max_bytes: theirs.telemetry_max_bytes,
            delta_temporality: theirs.delta_temporality,
            requested_metrics: theirs.requested_metrics.iter().map(|name| name.to_string()).collect(),
        }
    });
}

#[test]
fn pushes_are_read_as_meant() {
    let request = |g: &mut Generator| PushTelemetryRequest {
        client_instance_id: g.uuid(),
        subscription_id: g.i32(),
        terminating: g.bool(),
        compression_type: g.i16() as i8,
        metrics: Arc::new(g.bytes()),
    };
    requests(request, |ours, _| {
        theirs::PushTelemetryRequest::default()
            .with_client_instance_id(theirs_uuid(ours.client_instance_id))
            .with_subscription_id(ours.subscription_id)
            .with_terminating(ours.terminating)
            .with_compression_type(ours.compression_type)
            .with_metrics(ours.metrics.to_vec().into())
    });
    let response = |g: &mut Generator| {
        theirs::PushTelemetryResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<PushTelemetryRequest, _>(response, |theirs, _| PushTelemetryResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        error_code: ErrorCode(theirs.error_code),
    });
}
