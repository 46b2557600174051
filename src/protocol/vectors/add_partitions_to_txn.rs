//! AddPartitionsToTxn: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;
use theirs::add_partitions_to_txn_request as theirs_request;
use theirs::add_partitions_to_txn_response as theirs_response;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| AddPartitionsToTxnRequest {
        transactional_id: g.text().into(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
        topics: g.long_list(|g| AddPartitionsToTxnTopic {
            name: g.text().into(),
            partitions: g.long_list(Generator::i32),
        }),
    };
    requests(request, |ours, _| {
        let topic = |topic: &AddPartitionsToTxnTopic| {
            theirs_request::AddPartitionsToTxnTopic::default()
                .with_name(theirs_text(&topic.name).into())
                .with_partitions(topic.partitions.clone())
        };
        theirs::AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(theirs_text(&ours.transactional_id).into())
            .with_v3_and_below_producer_id(ours.producer_id.into())
            .with_v3_and_below_producer_epoch(ours.producer_epoch)
            .with_v3_and_below_topics(ours.topics.iter().map(topic).collect())
    });
}

#[test]
fn responses_are_read_as_meant() {
    let partition = |g: &mut Generator| {
        theirs_response::AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(g.i32())
            .with_partition_error_code(g.i16())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    let topic = |g: &mut Generator| {
        theirs_response::AddPartitionsToTxnTopicResult::default()
            .with_name(theirs_text(&g.text()).into())
            .with_results_by_partition(g.long_list(partition))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    let response = |g: &mut Generator| {
        theirs::AddPartitionsToTxnResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_results_by_topic_v3_and_below(g.list(topic))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<AddPartitionsToTxnRequest, _>(response, |theirs, _| AddPartitionsToTxnResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        results_by_topic: theirs.results_by_topic_v3_and_below.iter().map(ours).collect(),
    });
}

fn ours(topic: &theirs_response::AddPartitionsToTxnTopicResult) -> AddPartitionsToTxnTopicResult {
    let partitions = topic.results_by_partition.iter().map(|it| AddPartitionsToTxnPartitionResult {
        partition_index: it.partition_index,
        partition_error_code: ErrorCode(it.partition_error_code),
    });
    AddPartitionsToTxnTopicResult {
        name: topic.name.as_str().into(),
        results_by_partition: partitions.collect(),
    }
}
