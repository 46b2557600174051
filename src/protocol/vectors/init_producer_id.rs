//! InitProducerId: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{InitProducerIdRequest, InitProducerIdResponse};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| InitProducerIdRequest {
        transactional_id: g.optional(|g| g.text().into()),
        transaction_timeout_ms: g.i32(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
    };
    requests(request, |ours, version| {
        let (id, epoch) = if version >= 3 { (ours.producer_id, ours.producer_epoch) } else { (-1, -1) };
        theirs::InitProducerIdRequest::default()
            .with_transactional_id(ours.transactional_id.as_deref().map(|id| theirs_text(id).into()))
            .with_transaction_timeout_ms(ours.transaction_timeout_ms)
            .with_producer_id(id.into())
            .with_producer_epoch(epoch)
    });
}

#[test]
fn responses_are_read_as_meant() {
    let response = |g: &mut Generator| {
        theirs::InitProducerIdResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_producer_id(g.i64().into())
            .with_producer_epoch(g.i16())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<InitProducerIdRequest, _>(response, |theirs, _| InitProducerIdResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        error_code: ErrorCode(theirs.error_code),
        producer_id: theirs.producer_id.0,
        producer_epoch: theirs.producer_epoch,
    });
}
