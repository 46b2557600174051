//! InitProducerId: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::buf::ByteBuf;
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{InitProducerIdRequest, InitProducerIdResponse, Request};

/// Theirs, with the last version, which theirs does not read since Kafka calls it unstable: two flags in front of the tags.
#[derive(Debug, PartialEq)]
struct Unstable(theirs::InitProducerIdRequest);

impl HeaderVersion for Unstable {
    fn header_version(version: i16) -> i16 {
        theirs::InitProducerIdRequest::header_version(version)
    }
}

impl Decodable for Unstable {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> anyhow::Result<Self> {
        if version < 6 {
            return theirs::InitProducerIdRequest::decode(buf, version).map(Unstable);
        }
        let all = buf.copy_to_bytes(buf.remaining());
        let (stable, last) = all.split_at(all.len() - 3);
        let [enable_2pc, keep_prepared, tags] = <[u8; 3]>::try_from(last)?;
        let mut stable = bytes::Bytes::from([stable, &[tags]].concat());
        let read = theirs::InitProducerIdRequest::decode(&mut stable, 5)?;
        assert!(stable.is_empty() && enable_2pc < 2 && keep_prepared < 2);
        Ok(Unstable(read.with_enable_2_pc(enable_2pc == 1).with_keep_prepared_txn(keep_prepared == 1)))
    }
}

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| InitProducerIdRequest {
        transactional_id: g.optional(|g| g.text().into()),
        transaction_timeout_ms: g.i32(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
        enable_2pc: g.bool(),
        keep_prepared: g.bool(),
    };
    requests(request, |ours, version| {
        let (id, epoch) = if version >= 3 { (ours.producer_id, ours.producer_epoch) } else { (-1, -1) };
        let is_newest = version >= 6;
        let theirs = theirs::InitProducerIdRequest::default()
            .with_enable_2_pc(is_newest && ours.enable_2pc)
            .with_keep_prepared_txn(is_newest && ours.keep_prepared)
            .with_transactional_id(ours.transactional_id.as_deref().map(|id| theirs_text(id).into()))
            .with_transaction_timeout_ms(ours.transaction_timeout_ms)
            .with_producer_id(id.into())
            .with_producer_epoch(epoch);
        Unstable(theirs)
    });
}

#[test]
fn the_unstable_version_is_sent_where_it_is_needed_and_never_else() {
    for (enable_2pc, keep_prepared, expected) in
        [(false, false, (0, 5)), (true, false, (6, 6)), (true, true, (6, 6)), (false, true, (6, 6))]
    {
        let request = InitProducerIdRequest {
            transactional_id: Some("x".into()),
            transaction_timeout_ms: 1,
            producer_id: -1,
            producer_epoch: -1,
            enable_2pc,
            keep_prepared,
        };
        assert_eq!((request.oldest_version(), request.newest_version()), expected);
    }
}

#[test]
fn responses_are_read_as_meant() {
    let response = |g: &mut Generator| {
        theirs::InitProducerIdResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_error_code(g.i16())
            .with_producer_id(g.i64().into())
            .with_producer_epoch(g.i16())
            .with_ongoing_txn_producer_id(g.since(6, -1, Generator::i64).into())
            .with_ongoing_txn_producer_epoch(g.since(6, -1, Generator::i16))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<InitProducerIdRequest, _>(response, |theirs, _| InitProducerIdResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        error_code: ErrorCode(theirs.error_code),
        producer_id: theirs.producer_id.0,
        producer_epoch: theirs.producer_epoch,
        ongoing_txn_producer_id: theirs.ongoing_txn_producer_id.0,
        ongoing_txn_producer_epoch: theirs.ongoing_txn_producer_epoch,
    });
}
