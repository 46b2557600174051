//! AddOffsetsToTxn: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| AddOffsetsToTxnRequest {
        transactional_id: g.text().into(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
        group_id: g.text().into(),
    };
    requests(request, |ours, _| {
        theirs::AddOffsetsToTxnRequest::default()
            .with_transactional_id(theirs_text(&ours.transactional_id).into())
            .with_producer_id(ours.producer_id.into())
            .with_producer_epoch(ours.producer_epoch)
            .with_group_id(theirs_text(&ours.group_id).into())
    });
}

#[test]
fn responses_are_read_as_meant() {
    let response = |g: &mut Generator| {
        theirs::AddOffsetsToTxnResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<AddOffsetsToTxnRequest, _>(response, |theirs, _| AddOffsetsToTxnResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        error_code: ErrorCode(theirs.error_code),
    });
}
