//! EndTxn: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{EndTxnRequest, EndTxnResponse, Request};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| EndTxnRequest {
        transactional_id: g.text().into(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
        committed: g.bool(),
        transaction_v2: g.bool(),
    };
    requests(request, |ours, _| {
        theirs::EndTxnRequest::default()
            .with_transactional_id(theirs_text(&ours.transactional_id).into())
            .with_producer_id(ours.producer_id.into())
            .with_producer_epoch(ours.producer_epoch)
            .with_committed(ours.committed)
    });
}

#[test]
fn the_epoch_is_raised_by_the_broker_only_where_the_cluster_allows_it() {
    let request = |transaction_v2| EndTxnRequest {
        transactional_id: "x".into(),
        producer_id: 1,
        producer_epoch: 0,
        committed: true,
        transaction_v2,
    };
    assert_eq!([false, true].map(|v2| request(v2).newest_version()), [4, 5]);
}

#[test]
fn responses_are_read_as_meant() {
    let response = |g: &mut Generator| {
        theirs::EndTxnResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_producer_id(g.since(5, -1, Generator::i64).into())
            .with_producer_epoch(g.since(5, -1, Generator::i16))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<EndTxnRequest, _>(response, |theirs, _| EndTxnResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        error_code: ErrorCode(theirs.error_code),
        producer_id: theirs.producer_id.0,
        producer_epoch: theirs.producer_epoch,
    });
}
