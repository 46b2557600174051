//! TxnOffsetCommit: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;
use theirs::txn_offset_commit_request as theirs_request;
use theirs::txn_offset_commit_response as theirs_response;

use super::{Generator, requests, responses, theirs_text};
use crate::error_code::ErrorCode;
use crate::protocol::{
    Request, TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

#[test]
fn requests_are_read_as_meant() {
    let partition = |g: &mut Generator| TxnOffsetCommitRequestPartition {
        partition_index: g.i32(),
        committed_offset: g.i64(),
        committed_leader_epoch: g.i32(),
        committed_metadata: g.optional(|g| g.text().into()),
    };
    let request = |g: &mut Generator| TxnOffsetCommitRequest {
        transactional_id: g.text().into(),
        group_id: g.text().into(),
        producer_id: g.i64(),
        producer_epoch: g.i16(),
        generation_id: g.since(3, -1, Generator::i32),
        member_id: g.since(3, "".into(), |g| g.text().into()),
        group_instance_id: g.since(3, None, |g| g.optional(|g| g.text().into())),
        topics: g.list(|g| TxnOffsetCommitRequestTopic {
            name: g.text().into(),
            partitions: g.long_list(partition),
        }),
        transaction_v2: g.bool(),
    };
    requests(request, |ours, version| {
        theirs::TxnOffsetCommitRequest::default()
            .with_transactional_id(theirs_text(&ours.transactional_id).into())
            .with_group_id(theirs_text(&ours.group_id).into())
            .with_producer_id(ours.producer_id.into())
            .with_producer_epoch(ours.producer_epoch)
            .with_generation_id(ours.generation_id)
            .with_member_id(theirs_text(&ours.member_id))
            .with_group_instance_id(ours.group_instance_id.as_deref().map(theirs_text))
            .with_topics(ours.topics.iter().map(|topic| theirs_topic(topic, version)).collect())
    });
}

fn theirs_topic(
    topic: &TxnOffsetCommitRequestTopic,
    version: i16,
) -> theirs_request::TxnOffsetCommitRequestTopic {
    let partition = |it: &TxnOffsetCommitRequestPartition| {
        theirs_request::TxnOffsetCommitRequestPartition::default()
            .with_partition_index(it.partition_index)
            .with_committed_offset(it.committed_offset)
            .with_committed_leader_epoch(if version >= 2 { it.committed_leader_epoch } else { -1 })
            .with_committed_metadata(it.committed_metadata.as_deref().map(theirs_text))
    };
    theirs_request::TxnOffsetCommitRequestTopic::default()
        .with_name(theirs_text(&topic.name).into())
        .with_partitions(topic.partitions.iter().map(partition).collect())
}

#[test]
fn a_member_commits_only_where_the_broker_can_be_told_who_it_is() {
    let nobody = TxnOffsetCommitRequest {
        transactional_id: "x".into(),
        group_id: "group".into(),
        producer_id: 1,
        producer_epoch: 0,
        generation_id: -1,
        member_id: "".into(),
        group_instance_id: None,
        topics: Vec::new(),
        transaction_v2: false,
    };
    assert_eq!((nobody.oldest_version(), nobody.newest_version()), (0, 4));
    let members = [
        TxnOffsetCommitRequest { generation_id: 0, ..nobody.clone() },
        TxnOffsetCommitRequest { member_id: "m".into(), ..nobody.clone() },
        TxnOffsetCommitRequest { group_instance_id: Some("i".into()), ..nobody.clone() },
    ];
    assert_eq!(members.map(|it| it.oldest_version()), [3, 3, 3]);
    assert_eq!(TxnOffsetCommitRequest { transaction_v2: true, ..nobody }.newest_version(), 5);
}

#[test]
fn responses_are_read_as_meant() {
    let partition = |g: &mut Generator| {
        theirs_response::TxnOffsetCommitResponsePartition::default()
            .with_partition_index(g.i32())
            .with_error_code(g.i16())
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    let topic = |g: &mut Generator| {
        theirs_response::TxnOffsetCommitResponseTopic::default()
            .with_name(theirs_text(&g.text()).into())
            .with_partitions(g.long_list(partition))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    let response = |g: &mut Generator| {
        theirs::TxnOffsetCommitResponse::default()
            .with_throttle_time_ms(g.i32())
            .with_topics(g.list(topic))
            .with_unknown_tagged_fields(g.unknown_tags(0))
    };
    responses::<TxnOffsetCommitRequest, _>(response, |theirs, _| TxnOffsetCommitResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        topics: theirs.topics.iter().map(ours).collect(),
    });
}

fn ours(topic: &theirs_response::TxnOffsetCommitResponseTopic) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|it| TxnOffsetCommitResponsePartition {
        partition_index: it.partition_index,
        error_code: ErrorCode(it.error_code),
    });
    TxnOffsetCommitResponseTopic { name: topic.name.as_str().into(), partitions: partitions.collect() }
}
