//! Metadata: generated values, in every version, against the `kafka-protocol` crate.

use kafka_protocol::messages as theirs;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response as parts;

use super::{Generator, requests, responses, theirs_text, theirs_uuid};
use crate::cluster::{ReplicaList, Replicas};
use crate::error_code::ErrorCode;
use crate::protocol::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic, Request,
};
use crate::record::TopicName;
use crate::uuid::Uuid;

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| MetadataRequest {
        topics: g.optional(|g| g.long_list(|g| g.text().into())),
        allow_auto_topic_creation: g.since(4, true, Generator::bool),
    };
    requests(request, |ours: &MetadataRequest, _| {
        let topic =
            |name: &TopicName| MetadataRequestTopic::default().with_name(Some(theirs_text(name).into()));
        theirs::MetadataRequest::default()
            .with_topics(ours.topics.as_ref().map(|topics| topics.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(ours.allow_auto_topic_creation)
    });
}

#[test]
fn only_version_4_can_say_that_no_topic_is_to_be_created() {
    let mut request = MetadataRequest { topics: None, allow_auto_topic_creation: true };
    assert_eq!((request.oldest_version(), request.newest_version()), (1, 13));
    request.allow_auto_topic_creation = false;
    assert_eq!((request.oldest_version(), request.newest_version()), (4, 13));
}

#[test]
fn responses_are_read_as_meant() {
    responses::<MetadataRequest, _>(response, |theirs, _| MetadataResponse {
        throttle_time_ms: theirs.throttle_time_ms,
        brokers: theirs.brokers.iter().map(our_broker).collect(),
        cluster_id: theirs.cluster_id.as_ref().map(ToString::to_string),
        controller_id: theirs.controller_id.0,
        topics: theirs.topics.iter().filter_map(our_topic).collect(),
        cluster_authorized_operations: theirs.cluster_authorized_operations,
        error_code: ErrorCode(theirs.error_code),
    });
}

fn response(g: &mut Generator) -> theirs::MetadataResponse {
    let operations = if (8..=10).contains(&g.version) { g.i32() } else { i32::MIN };
    theirs::MetadataResponse::default()
        .with_throttle_time_ms(g.since(3, 0, Generator::i32))
        .with_brokers(g.list(broker))
        .with_cluster_id(g.since(2, None, |g| g.optional(|g| theirs_text(&g.text()))))
        .with_controller_id(g.i32().into())
        .with_topics(g.list(topic))
        .with_cluster_authorized_operations(operations)
        .with_error_code(g.since(13, 0, Generator::i16))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn broker(g: &mut Generator) -> parts::MetadataResponseBroker {
    parts::MetadataResponseBroker::default()
        .with_node_id(g.i32().into())
        .with_host(theirs_text(&g.text()))
        .with_port(g.i32())
        .with_rack(g.optional(|g| theirs_text(&g.text())))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn topic(g: &mut Generator) -> parts::MetadataResponseTopic {
    let name = theirs_text(&g.text());
    let nullable = g.version >= 12;
    parts::MetadataResponseTopic::default()
        .with_error_code(g.i16())
        .with_name(if nullable { g.optional(|_| name.into()) } else { Some(name.into()) })
        .with_topic_id(theirs_uuid(g.since(10, Uuid::ZERO, Generator::uuid)))
        .with_is_internal(g.bool())
        .with_partitions(g.list(partition))
        .with_topic_authorized_operations(g.since(8, i32::MIN, Generator::i32))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn partition(g: &mut Generator) -> parts::MetadataResponsePartition {
    parts::MetadataResponsePartition::default()
        .with_error_code(g.i16())
        .with_partition_index(g.i32())
        .with_leader_id(g.i32().into())
        .with_leader_epoch(g.since(7, -1, Generator::i32))
        .with_replica_nodes(g.long_list(|g| g.i32().into()))
        .with_isr_nodes(g.list(|g| g.i32().into()))
        .with_offline_replicas(g.since(5, Vec::new(), |g| g.list(|g| g.i32().into())))
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn our_broker(theirs: &parts::MetadataResponseBroker) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: theirs.node_id.0,
        host: theirs.host.to_string(),
        port: theirs.port,
        rack: theirs.rack.as_ref().map(ToString::to_string),
    }
}

fn our_topic(theirs: &parts::MetadataResponseTopic) -> Option<MetadataResponseTopic> {
    let mut replicas = Replicas::default();
    let partitions = theirs.partitions.iter().map(|theirs| our_partition(theirs, &mut replicas)).collect();
    Some(MetadataResponseTopic {
        error_code: ErrorCode(theirs.error_code),
        name: theirs.name.as_ref()?.to_string().into(),
        topic_id: Uuid(*theirs.topic_id.as_bytes()),
        is_internal: theirs.is_internal,
        partitions,
        replicas,
        topic_authorized_operations: theirs.topic_authorized_operations,
    })
}

fn our_partition(
    theirs: &parts::MetadataResponsePartition,
    replicas: &mut Replicas,
) -> MetadataResponsePartition {
    let place = replicas.begin();
    for (list, nodes) in [
        (ReplicaList::All, &theirs.replica_nodes),
        (ReplicaList::InSync, &theirs.isr_nodes),
        (ReplicaList::Offline, &theirs.offline_replicas),
    ] {
        nodes.iter().for_each(|node| replicas.add(place, list, node.0));
        assert!(replicas.get(place, list).iter().eq(nodes.iter().map(|node| &node.0)));
    }
    MetadataResponsePartition {
        error_code: ErrorCode(theirs.error_code),
        partition_index: theirs.partition_index,
        leader_id: theirs.leader_id.0,
        leader_epoch: theirs.leader_epoch,
        replicas: place,
    }
}
