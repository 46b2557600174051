//! Produce: generated values, in every version, against the `kafka-protocol` crate.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages as theirs;
use kafka_protocol::messages::{produce_request, produce_response as parts};

use super::{Generator, requests, responses, theirs_text, theirs_uuid};
use crate::error_code::ErrorCode;
use crate::protocol::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, Request, TopicProduceData,
    TopicProduceResponse, decode_response, encode_request,
};
use crate::uuid::Uuid;

#[test]
fn requests_are_read_as_meant() {
    requests(request, |ours, version| {
        theirs::ProduceRequest::default()
            .with_transactional_id(ours.transactional_id.as_deref().map(|id| theirs_text(id).into()))
            .with_acks(ours.acks)
            .with_timeout_ms(ours.timeout_ms)
            .with_topic_data(ours.topics.iter().map(|topic| their_topic(topic, version)).collect())
    });
}

fn request(g: &mut Generator) -> ProduceRequest {
    ProduceRequest {
        transactional_id: g.optional(|g| g.text().into()),
        transaction_v2: g.bool(),
        acks: g.i16(),
        timeout_ms: g.i32(),
        topics: g.list(|g| TopicProduceData {
            name: g.text().into(),
            topic_id: g.uuid(),
            partitions: g
                .long_list(|g| PartitionProduceData { index: g.i32(), records: Arc::new(g.bytes()) }),
        }),
    }
}

fn their_topic(ours: &TopicProduceData, version: i16) -> produce_request::TopicProduceData {
    let partition = |ours: &PartitionProduceData| {
        produce_request::PartitionProduceData::default()
            .with_index(ours.index)
            .with_records(Some(Bytes::copy_from_slice(&ours.records)))
    };
    let (name, id) = if version >= 13 { ("", ours.topic_id) } else { (ours.name.as_str(), Uuid::ZERO) };
    produce_request::TopicProduceData::default()
        .with_name(theirs_text(name).into())
        .with_topic_id(theirs_uuid(id))
        .with_partition_data(ours.partitions.iter().map(partition).collect())
}

fn one_topic(id: Uuid) -> ProduceRequest {
    let partitions = vec![PartitionProduceData { index: 0, records: Arc::new(vec![1, 2, 3]) }];
    let topics = vec![TopicProduceData { name: "t".into(), topic_id: id, partitions }];
    ProduceRequest { transactional_id: None, transaction_v2: false, acks: -1, timeout_ms: 1, topics }
}

#[test]
fn ids_and_transactions_limit_the_version() {
    let id = Uuid([7; 16]);
    assert_eq!(one_topic(id).newest_version(), 13);
    assert_eq!(one_topic(Uuid::ZERO).newest_version(), 12);

    let transactional = ProduceRequest { transactional_id: Some("x".into()), ..one_topic(id) };
    assert_eq!(transactional.newest_version(), 11);
    let second = ProduceRequest { transaction_v2: true, ..transactional.clone() };
    assert_eq!(second.newest_version(), 13);

    let mut mixed = one_topic(id);
    mixed.topics.extend(one_topic(Uuid::ZERO).topics);
    assert_eq!(mixed.newest_version(), 12);
}

#[test]
fn batches_are_not_copied() {
    let request = one_topic(Uuid::ZERO);
    let message = encode_request(&request, 12, 1, "c");
    assert!(Arc::ptr_eq(&message.splices[0].1, &request.topics[0].partitions[0].records));
}

#[test]
fn responses_are_read_as_meant() {
    responses::<ProduceRequest, _>(response, |theirs, _| ProduceResponse {
        responses: theirs.responses.iter().map(our_topic).collect(),
        throttle_time_ms: theirs.throttle_time_ms,
        node_endpoints: theirs.node_endpoints.iter().map(our_endpoint).collect(),
    });
}

fn response(g: &mut Generator) -> theirs::ProduceResponse {
    theirs::ProduceResponse::default()
        .with_responses(g.list(|g| {
            let by_id = g.version >= 13;
            let (name, id) = if by_id { (String::new(), g.uuid()) } else { (g.text(), Uuid::ZERO) };
            parts::TopicProduceResponse::default()
                .with_name(theirs_text(&name).into())
                .with_topic_id(theirs_uuid(id))
                .with_partition_responses(g.list(partition))
                .with_unknown_tagged_fields(g.unknown_tags(0))
        }))
        .with_throttle_time_ms(g.i32())
        .with_node_endpoints(g.since(10, Vec::new(), |g| g.list(endpoint)))
        .with_unknown_tagged_fields(g.unknown_tags(1))
}

/// By hand, since they cannot write it: tag 0 has its meaning only from version 10 on.
#[test]
fn tag_0_means_nothing_in_version_9() {
    let tagged = [1, 0, 2, 0xfe, 0xfd]; // one field, tag 0, two bytes
    let header = [0, 0, 0, 77, 0];
    let topic = [2, 2, b't', 2];
    let partition = [&[0; 6][..], &[0; 24], &[1, 0]].concat();
    let frame = [&header[..], &topic, &partition, &tagged, &[0], &[0; 4], &tagged].concat();
    let response = decode_response::<ProduceRequest>(9, &frame).unwrap();
    assert_eq!(response.responses[0].partition_responses[0].current_leader, None);
    assert_eq!(response.node_endpoints, []);
    assert!(decode_response::<ProduceRequest>(10, &frame).is_err());
}

fn partition(g: &mut Generator) -> parts::PartitionProduceResponse {
    let leader = |g: &mut Generator| {
        parts::LeaderIdAndEpoch::default()
            .with_leader_id(g.i32().into())
            .with_leader_epoch(g.i32())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    parts::PartitionProduceResponse::default()
        .with_index(g.i32())
        .with_error_code(g.i16())
        .with_base_offset(g.i64())
        .with_log_append_time_ms(g.i64())
        .with_log_start_offset(g.since(5, -1, Generator::i64))
        .with_record_errors(g.since(8, Vec::new(), |g| g.list(record_error)))
        .with_error_message(g.since(8, None, |g| g.optional(|g| theirs_text(&g.text()))))
        .with_current_leader(g.since(10, None, |g| g.optional(leader)).unwrap_or_default())
        .with_unknown_tagged_fields(g.unknown_tags(1))
}

fn record_error(g: &mut Generator) -> parts::BatchIndexAndErrorMessage {
    parts::BatchIndexAndErrorMessage::default()
        .with_batch_index(g.i32())
        .with_batch_index_error_message(g.optional(|g| theirs_text(&g.text())))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn endpoint(g: &mut Generator) -> parts::NodeEndpoint {
    parts::NodeEndpoint::default()
        .with_node_id(g.i32().into())
        .with_host(theirs_text(&g.text()))
        .with_port(g.i32())
        .with_rack(g.optional(|g| theirs_text(&g.text())))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn our_topic(theirs: &parts::TopicProduceResponse) -> TopicProduceResponse {
    TopicProduceResponse {
        name: theirs.name.to_string().into(),
        topic_id: Uuid(*theirs.topic_id.as_bytes()),
        partition_responses: theirs.partition_responses.iter().map(our_partition).collect(),
    }
}

/// They write no leader where it is the schema's default.
fn our_partition(theirs: &parts::PartitionProduceResponse) -> PartitionProduceResponse {
    let leader = &theirs.current_leader;
    let record_error = |theirs: &parts::BatchIndexAndErrorMessage| BatchIndexAndErrorMessage {
        batch_index: theirs.batch_index,
        batch_index_error_message: theirs.batch_index_error_message.as_deref().map(Box::from),
    };
    PartitionProduceResponse {
        index: theirs.index,
        error_code: ErrorCode(theirs.error_code),
        base_offset: theirs.base_offset,
        log_append_time_ms: theirs.log_append_time_ms,
        log_start_offset: theirs.log_start_offset,
        record_errors: theirs.record_errors.iter().map(record_error).collect(),
        error_message: theirs.error_message.as_deref().map(Box::from),
        current_leader: (*leader != parts::LeaderIdAndEpoch::default())
            .then_some(LeaderIdAndEpoch { leader_id: leader.leader_id.0, leader_epoch: leader.leader_epoch }),
    }
}

fn our_endpoint(theirs: &parts::NodeEndpoint) -> NodeEndpoint {
    NodeEndpoint {
        node_id: theirs.node_id.0,
        host: theirs.host.to_string(),
        port: theirs.port,
        rack: theirs.rack.as_ref().map(ToString::to_string),
    }
}
