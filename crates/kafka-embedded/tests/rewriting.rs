//! Answers rewritten by a test, and the other ways in which the embedded cluster can be made to show or be something
//! else: on the rules alone, in virtual time, and once on sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod support;

use std::time::{Duration, Instant};

use kafka_embedded::{
    ActionKind, Api, ClusterRules, ConnectionId, EmbeddedCluster, EmbeddedClusterBuilder, Rewritten,
    TopicConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use support::{Batch, ByHand, NOW_MS, decode, frame, produce, value};

fn rules(builder: EmbeddedClusterBuilder) -> ClusterRules {
    builder.rules(Instant::now(), NOW_MS).unwrap()
}

fn send<R: Request>(
    rules: &mut ClusterRules,
    connection: ConnectionId,
    version: i16,
    request: &R,
) -> Vec<ActionKind> {
    let actions = rules.handle(Instant::now(), connection, frame(version, 7, request));
    actions.into_iter().map(|action| action.kind).collect()
}

/// Asks a broker on a new connection.
fn ask<R: Request>(rules: &mut ClusterRules, broker: i32, version: i16, request: &R) -> R::Response
where
    R::Response: Decodable + HeaderVersion,
{
    let connection = rules.connect(broker).unwrap();
    match &send(rules, connection, version, request)[..] {
        [ActionKind::Answer(bytes)] => decode(version, bytes).1,
        other => panic!("{other:?}"),
    }
}

fn metadata_of(topic: &str) -> MetadataRequest {
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
        .with_allow_auto_topic_creation(false)
}

fn api_versions() -> ApiVersionsRequest {
    let name = StrBytes::from_static_str("by-hand");
    ApiVersionsRequest::default().with_client_software_name(name.clone()).with_client_software_version(name)
}

fn put(rules: &mut ClusterRules, batch: &Batch) -> (i16, i64) {
    let response: ProduceResponse = ask(rules, 1, 9, &produce(-1, "t", 0, batch.bytes()));
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

#[test]
fn the_closure_sees_each_answer_and_its_message_is_sent() {
    let mut rules = rules(EmbeddedCluster::builder().brokers(2).topic("t", 1));
    let (tell, told) = std::sync::mpsc::channel();
    rules.rewrite_answers(move |answer| {
        tell.send((answer.api, answer.version, answer.broker, answer.correlation_id)).unwrap();
        if answer.api != Api::InitProducerId {
            return Rewritten::Unchanged;
        }
        let mut body = bytes::Bytes::copy_from_slice(answer.body);
        let mut message = InitProducerIdResponse::decode(&mut body, answer.version).unwrap();
        assert!(body.is_empty());
        message.producer_id = 77.into();
        let mut body = Vec::new();
        message.encode(&mut body, answer.version).unwrap();
        Rewritten::Body(body)
    });
    for version in [0, 3] {
        ask(&mut rules, 2, version, &api_versions());
    }
    for version in [1, 2, 4] {
        let response: InitProducerIdResponse =
            ask(&mut rules, 1, version, &InitProducerIdRequest::default().with_transaction_timeout_ms(1));
        assert_eq!(response.producer_id.0, 77, "version {version}");
    }
    put(&mut rules, &Batch::of(vec![value("a")]));
    let seen: Vec<_> = told.try_iter().collect();
    let expected = [
        (Api::ApiVersions, 0, 2, 7),
        (Api::ApiVersions, 3, 2, 7),
        (Api::InitProducerId, 1, 1, 7),
        (Api::InitProducerId, 2, 1, 7),
        (Api::InitProducerId, 4, 1, 7),
        (Api::Produce, 9, 1, 7),
    ];
    assert_eq!(seen, expected);
    rules.stop_rewriting();
    let response: InitProducerIdResponse = ask(&mut rules, 1, 4, &InitProducerIdRequest::default());
    assert_ne!(response.producer_id.0, 77);
    assert_eq!(told.try_iter().count(), 0);
}

#[test]
fn an_answer_becomes_nothing_bytes_pieces_or_an_end_in_its_place_of_the_order() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut rules = rules(EmbeddedCluster::builder().topic("t", 1));
    let mut turn = 0;
    rules.rewrite_answers(move |answer| {
        turn += 1;
        match turn {
            1 => Rewritten::Nothing,
            2 => Rewritten::Raw([answer.frame(8, answer.body), answer.frame(9, answer.body)].concat()),
            3 => Rewritten::Pieces(vec![(second, vec![1]), (second, vec![2])]),
            4 => Rewritten::Unchanged,
            _ => Rewritten::Close(vec![3]),
        }
    });
    let connection = rules.connect(1).unwrap();
    let ask = |rules: &mut ClusterRules, at: Instant| {
        rules.handle(at, connection, frame(3, 7, &api_versions())).into_iter().map(|action| action.kind)
    };
    assert_eq!(ask(&mut rules, start).count(), 0);
    let two: Vec<_> = ask(&mut rules, start).collect();
    let [ActionKind::Answer(two)] = &two[..] else { panic!("{two:?}") };
    let (first, second_frame) = two.split_at(two.len() / 2);
    assert_eq!(decode::<ApiVersionsResponse>(3, first).0, 8);
    assert_eq!(decode::<ApiVersionsResponse>(3, second_frame).0, 9);

    // The pieces hold up the answer behind them, and that one the end.
    assert_eq!((0..3).map(|_| ask(&mut rules, start).count()).sum::<usize>(), 0);
    assert_eq!(rules.next_due(), Some(start + second));
    let kinds = |actions: Vec<kafka_embedded::Action>| -> Vec<ActionKind> {
        actions.into_iter().map(|action| action.kind).collect()
    };
    assert_eq!(kinds(rules.due(start + second)), [ActionKind::Answer(vec![1])]);
    let rest = kinds(rules.due(start + 2 * second));
    let [ActionKind::Answer(last), ActionKind::Answer(answer), ActionKind::Answer(end), ActionKind::Close] =
        &rest[..]
    else {
        panic!("{rest:?}");
    };
    assert_eq!((&last[..], decode::<ApiVersionsResponse>(3, answer).0, &end[..]), (&[2][..], 7, &[3][..]));
    assert_eq!(rules.connections_open(), 0);
}

#[test]
fn a_frozen_broker_goes_on_showing_what_was() {
    let mut rules = rules(EmbeddedCluster::builder().brokers(2).topic("t", 2));
    let shown =
        |rules: &mut ClusterRules, broker| -> MetadataResponse { ask(rules, broker, 12, &metadata_of("t")) };
    let before = shown(&mut rules, 2);
    rules.freeze_metadata(2);
    rules.create_partitions("t", 6);
    rules.move_leader(Instant::now(), "t", 0, 2);
    assert_eq!(shown(&mut rules, 2), before);
    assert_eq!(shown(&mut rules, 1).topics[0].partitions.len(), 6);
    rules.wipe("another", true);
    assert_eq!(shown(&mut rules, 2), before);
    rules.thaw_metadata(2);
    assert_eq!(shown(&mut rules, 2), shown(&mut rules, 1));
    assert_ne!(shown(&mut rules, 2), before);
}

#[test]
fn a_wiped_cluster_has_another_id_other_topic_ids_no_records_and_the_first_producer_id_again() {
    let mut rules = rules(EmbeddedCluster::builder().topic("t", 2));
    let producer_id =
        |rules: &mut ClusterRules| ask(rules, 1, 4, &InitProducerIdRequest::default()).producer_id.0;
    let first = producer_id(&mut rules);
    let topic_id = rules.topic_id("t");
    assert_eq!(put(&mut rules, &Batch::of(vec![value("a")]).by(first, 0, 0)), (0, 0));
    rules.wipe("another", true);
    assert_eq!(producer_id(&mut rules), first);
    assert_eq!(rules.end_offset("t", 0), Some(0));
    assert_ne!(rules.topic_id("t"), topic_id);
    let told: MetadataResponse = ask(&mut rules, 1, 12, &metadata_of("t"));
    assert_eq!((told.cluster_id.as_deref(), told.topics[0].partitions.len()), (Some("another"), 2));
    rules.wipe("a third", false);
    assert_eq!(rules.topic_id("t"), None);
}

#[test]
fn a_topic_created_again_in_one_step_has_another_id_and_nothing_in_it() {
    let mut rules = rules(EmbeddedCluster::builder().topic("t", 6));
    put(&mut rules, &Batch::of(vec![value("a")]));
    let topic_id = rules.topic_id("t");
    assert!(rules.recreate_topic("t", TopicConfig::new(2)));
    assert_ne!(rules.topic_id("t"), topic_id);
    assert_eq!((rules.end_offset("t", 0), rules.end_offset("t", 2)), (Some(0), None));
    assert!(!rules.recreate_topic("t", TopicConfig::new(0)), "no topic has no partitions");
    assert_eq!(rules.end_offset("t", 1), Some(0), "what cannot be created again is not deleted");
    assert!(!rules.recreate_topic("u", TopicConfig::new(1)));
}

#[test]
fn producers_are_forgotten_where_a_broker_leads_or_everywhere() {
    let mut rules = rules(EmbeddedCluster::builder().brokers(2).topic("t", 1));
    let batch = Batch::of(vec![value("a")]).by(5, 0, 0);
    assert_eq!(put(&mut rules, &batch), (0, 0));
    rules.forget_all_producers(Some(2));
    assert_eq!(put(&mut rules, &batch), (0, 0), "a duplicate: broker 1 leads");
    rules.forget_all_producers(Some(1));
    assert_eq!(put(&mut rules, &batch), (0, 1));
    rules.forget_all_producers(None);
    assert_eq!(put(&mut rules, &batch), (0, 2));
}

#[test]
fn on_sockets_rewritten_bytes_arrive_and_the_connection_ends() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
    cluster.rewrite_answers(|answer| match answer.api {
        Api::Produce => Rewritten::Close(answer.frame(-5, answer.body)),
        _ => Rewritten::Unchanged,
    });
    cluster.advertise(1, "nowhere.invalid", 1);
    let mut connection = ByHand::connect(&cluster.bootstrap_servers());
    let told = connection.ask(12, &metadata_of("t"));
    assert_eq!((told.brokers[0].host.as_str(), told.brokers[0].port), ("nowhere.invalid", 1));
    connection.send::<ProduceRequest>(9, 7, &produce(1, "t", 0, Batch::of(vec![value("a")]).bytes()));
    assert_eq!(connection.receive::<ProduceResponse>(9).0, -5);
    assert!(connection.is_closed());
}
