//! The rules of the embedded cluster, driven in virtual time by requests made by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_embedded::{
    Action, ActionKind, Api, BrokerError, ClusterRules, ConnectionId, EmbeddedCluster,
    EmbeddedClusterBuilder, Fault, TopicConfig,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceResponse,
    TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use support::{Batch, NOW_MS, Plain, decode, frame, produce, value};

/// The rules with a time that only the test moves.
struct World {
    rules: ClusterRules,
    now: Instant,
}

impl World {
    fn new(builder: EmbeddedClusterBuilder) -> Self {
        let now = Instant::now();
        Self { rules: builder.rules(now, NOW_MS).unwrap(), now }
    }

    fn of(brokers: i32, partitions: i32) -> Self {
        Self::new(EmbeddedCluster::builder().brokers(brokers).topic("test", partitions))
    }

    fn send<R: Request>(&mut self, connection: ConnectionId, version: i16, request: &R) -> Vec<Action> {
        self.rules.handle(self.now, connection, frame(version, 7, request))
    }

    /// Asks a broker on a new connection and expects an answer at once.
    fn ask<R: Request>(&mut self, broker: i32, version: i16, request: &R) -> R::Response
    where
        R::Response: Decodable + HeaderVersion,
    {
        let connection = self.rules.connect(broker).unwrap();
        let actions = self.send(connection, version, request);
        let own = actions.iter().find(|action| action.connection == connection).unwrap();
        let (correlation_id, response) = answer(version, own);
        assert_eq!(correlation_id, 7);
        response
    }

    fn put(
        &mut self,
        broker: i32,
        version: i16,
        partition: i32,
        records: Vec<u8>,
    ) -> PartitionProduceResponse {
        let response = self.ask(broker, version, &produce(-1, "test", partition, records));
        response.responses[0].partition_responses[0].clone()
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.rules.due(self.now)
    }
}

fn answer<R: Decodable + HeaderVersion>(version: i16, action: &Action) -> (i32, R) {
    match &action.kind {
        ActionKind::Answer(bytes) => decode(version, bytes),
        ActionKind::Close => panic!("closed"),
    }
}

fn is_close(actions: &[Action]) -> bool {
    matches!(actions, [Action { kind: ActionKind::Close, .. }])
}

fn one(text: &'static str) -> Vec<u8> {
    Batch::of(vec![value(text)]).bytes()
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn metadata_for(topic: &str) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
}

fn fetch(offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_partition(0);
    let topic = FetchTopic::default().with_topic(name("test")).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_topics(vec![topic])
}

#[test]
fn what_is_written_can_be_read_back() {
    let mut world = World::of(1, 1);
    let full = Plain {
        key: Some(b"k"),
        value: Some(b"v"),
        headers: vec![("h", Some(b"1")), ("h", None)],
        timestamp_delta: 3,
    };
    let told = world.put(1, 9, 0, Batch::of(vec![full, Plain::default()]).by(5, 1, 10).bytes());
    assert_eq!((told.error_code, told.base_offset, told.log_start_offset), (0, 0, 0));
    assert_eq!(world.put(1, 9, 0, one("x")).base_offset, 2);

    let records = world.rules.records("test");
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[0].headers, [("h".to_owned(), Some(b"1".to_vec())), ("h".to_owned(), None)]);
    assert_eq!((records[0].timestamp, records[1].timestamp), (NOW_MS + 3, NOW_MS));
    assert_eq!((records[1].key.as_ref(), records[1].value.as_ref()), (None, None));
    assert_eq!((records[1].producer_id, records[1].producer_epoch, records[1].sequence), (5, 1, 11));
    assert_eq!(records[2].sequence, -1);
    let headers = world.rules.batches("test", 0);
    assert_eq!(
        (headers[1].base_offset, headers[1].partition_leader_epoch, headers[1].record_count),
        (2, 0, 1)
    );
}

#[test]
fn a_broker_refuses_what_kafka_refuses() {
    let good = Batch::of(vec![value("a"), value("b")]);
    let patched = |at: usize, byte: u8| {
        let mut bytes = good.bytes();
        bytes[at] = byte;
        bytes
    };
    let mut two = good.bytes();
    two.extend(good.bytes());
    let mut short = good.bytes();
    short.pop();
    let wide = Batch { base_timestamp: NOW_MS + 3_600_001, ..good.clone() };
    let cases: Vec<(&str, Vec<u8>, i16)> = vec![
        ("nothing", Vec::new(), 87),
        ("cut off", short, 87),
        ("two batches", two, 87),
        ("old format", patched(16, 1), 87),
        ("a length of less than a header", patched(11, 20), 2),
        ("a byte changed", patched(63, 99), 2),
        ("base offset", Batch { base_offset: 4, ..good.clone() }.bytes(), 87),
        ("count", Batch { count: Some(3), ..good.clone() }.bytes(), 87),
        ("no records", Batch { count: Some(0), last_offset_delta: Some(-1), ..good.clone() }.bytes(), 87),
        ("last offset delta", Batch { last_offset_delta: Some(2), ..good.clone() }.bytes(), 87),
        ("more than count", Batch { count: Some(1), last_offset_delta: Some(0), ..good.clone() }.bytes(), 87),
        ("control batch", Batch { attributes: 0x20, ..good.clone() }.bytes(), 87),
        ("broker's timestamp type", Batch { attributes: 0x08, ..good.clone() }.bytes(), 32),
        ("maximum timestamp", Batch { max_timestamp: Some(1), ..good.clone() }.bytes(), 87),
        ("future", wide.bytes(), 32),
        ("unknown codec", Batch { attributes: 5, ..good.clone() }.bytes(), 2),
        ("producer without sequence", good.clone().by(1, 0, -1).bytes(), 87),
        ("transactional without id", Batch { attributes: 0x10, ..good.clone() }.by(1, 0, 0).bytes(), 53),
    ];
    for (what, bytes, code) in cases {
        let mut world = World::of(1, 1);
        for version in 3..=12 {
            assert_eq!(
                world.put(1, version, 0, bytes.clone()).error_code,
                code,
                "{what} in version {version}"
            );
        }
        assert_eq!(world.rules.end_offset("test", 0), Some(0), "{what}");
        assert_eq!(world.put(1, 9, 0, good.bytes()).error_code, 0);
    }
}

#[test]
fn zstd_is_for_version_7_and_what_cannot_be_decompressed_is_corrupt() {
    let mut world = World::of(1, 1);
    let packed = Batch { attributes: 4, ..Batch::of(vec![value("not really zstd")]) };
    assert_eq!(world.put(1, 6, 0, packed.bytes()).error_code, 76);
    for (codec, version) in [(1, 3), (2, 3), (3, 3), (4, 7)] {
        let packed = Batch { attributes: codec, ..packed.clone() };
        assert_eq!(world.put(1, version, 0, packed.bytes()).error_code, 2, "codec {codec}");
    }
    assert!(world.rules.records("test").is_empty());
}

#[test]
fn size_limit_compaction_and_broker_time() {
    let small = TopicConfig::new(1).max_message_bytes(90);
    let mut world = World::new(EmbeddedCluster::builder().topic_with("test", small));
    assert_eq!(world.put(1, 9, 0, one("short")).error_code, 0);
    assert_eq!(world.put(1, 9, 0, one("a value that makes the batch too long")).error_code, 10);

    let compacted = TopicConfig::new(1).compacted();
    let mut world = World::new(EmbeddedCluster::builder().topic_with("test", compacted));
    let keyed = Plain { key: Some(b"k"), ..value("v") };
    let told = world.put(1, 8, 0, Batch::of(vec![keyed.clone(), value("no key"), keyed]).bytes());
    assert_eq!((told.error_code, told.base_offset), (87, -1));
    assert_eq!(told.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
    assert!(told.record_errors[0].batch_index_error_message.as_ref().unwrap().contains("without key"));

    let stamped = TopicConfig::new(1).log_append_time();
    let mut world = World::new(EmbeddedCluster::builder().topic_with("test", stamped));
    world.pass(Duration::from_millis(250));
    let told = world.put(1, 9, 0, Batch { base_timestamp: 5, ..Batch::of(vec![value("v")]) }.bytes());
    assert_eq!((told.error_code, told.log_append_time_ms), (0, NOW_MS + 250));
    assert_eq!(world.rules.records("test")[0].timestamp, NOW_MS + 250);
    let stored = &world.rules.batch_bytes("test", 0)[0];
    assert_eq!(crc32c::crc32c(&stored[21..]), world.rules.batches("test", 0)[0].crc);
}

#[test]
fn sequences_are_checked_as_kafka_does() {
    let mut world = World::of(1, 1);
    let batch = |epoch, sequence| Batch::of(vec![value("a"), value("b")]).by(1000, epoch, sequence).bytes();
    let mut put = |bytes: Vec<u8>| {
        let told = world.put(1, 9, 0, bytes);
        (told.error_code, told.base_offset)
    };
    assert_eq!(put(batch(0, 0)), (0, 0));
    for (nth, offset) in (1..=5).zip([2, 4, 6, 8, 10]) {
        assert_eq!(put(batch(0, nth * 2)), (0, offset));
    }
    for (nth, offset) in (1..=5).zip([2, 4, 6, 8, 10]) {
        assert_eq!(put(batch(0, nth * 2)), (0, offset), "one of the last five: success, the first offset");
    }
    assert_eq!(put(batch(0, 0)), (45, -1), "older than the last five");
    assert_eq!(put(batch(0, 14)), (45, -1), "a gap");
    assert_eq!(put(batch(0, 11)), (45, -1), "an overlap");
    assert_eq!(put(batch(1, 12)), (45, -1), "a new epoch starts at 0");
    assert_eq!(put(batch(1, 0)), (0, 12));
    assert_eq!(put(batch(0, 12)), (47, -1), "the old epoch is over");
    assert_eq!(put(batch(1, 2)), (0, 14));
    let other = Batch::of(vec![value("x")]).by(2000, 0, 77).bytes();
    assert_eq!(put(other), (0, 16), "a producer not known here may start anywhere");

    world.rules.forget_producers("test", 0);
    assert_eq!(world.put(1, 9, 0, batch(0, 500)).error_code, 0);
}

#[test]
fn sequences_wrap() {
    let mut world = World::of(1, 1);
    let batch = |sequence| Batch::of(vec![value("a"), value("b"), value("c")]).by(9, 0, sequence).bytes();
    assert_eq!(world.put(1, 9, 0, batch(i32::MAX - 4)).error_code, 0);
    assert_eq!(world.put(1, 9, 0, batch(i32::MAX - 1)).error_code, 0, "the third record has sequence 0");
    assert_eq!(world.put(1, 9, 0, batch(2)).error_code, 45);
    assert_eq!(world.put(1, 9, 0, batch(1)).error_code, 0);
    let sequences: Vec<i32> = world.rules.records("test").iter().map(|record| record.sequence).collect();
    assert_eq!(sequences[3..6], [i32::MAX - 1, i32::MAX, 0]);
}

#[test]
fn who_is_not_the_leader_says_so_and_who_is() {
    for version in 3..=12 {
        let mut world = World::of(3, 3);
        world.rules.set_address(2, "b2", 92);
        assert_eq!(world.put(1, version, 0, one("a")).error_code, 0);
        let now = world.now;
        world.rules.move_leader(now, "test", 0, 2);
        let response = world.ask(1, version, &produce(-1, "test", 0, one("b")));
        let told = &response.responses[0].partition_responses[0];
        assert_eq!(told.error_code, 6);
        if version >= 10 {
            assert_eq!((told.current_leader.leader_id.0, told.current_leader.leader_epoch), (2, 1));
            let node = &response.node_endpoints[0];
            assert_eq!((node.node_id.0, node.host.as_str(), node.port), (2, "b2", 92));
        }
        assert_eq!(world.put(2, version, 0, one("b")).base_offset, 1);
        assert_eq!(world.rules.records("test")[1].leader_epoch, 1);
        assert_eq!(world.put(1, version, 9, one("b")).error_code, 3);
    }
}

#[test]
fn produce_by_topic_id() {
    let mut world = World::of(1, 1);
    let told = world.ask(1, 12, &metadata_for("test"));
    let id = told.topics[0].topic_id;
    assert_eq!(world.rules.topic_id("test"), Some(id.into_bytes()));
    let mut request = produce(-1, "", 0, one("a"));
    request.topic_data[0].topic_id = id;
    let response = world.ask(1, 13, &request);
    assert_eq!(response.responses[0].topic_id, id);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    assert!(world.rules.delete_topic("test"));
    assert!(!world.rules.create_topic("test", TopicConfig::new(1).replication_factor(2)), "on one broker");
    assert!(world.rules.create_topic("test", TopicConfig::new(1)));
    let response = world.ask(1, 13, &request);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 100);
    assert_eq!(world.rules.end_offset("test", 0), Some(0));
}

#[test]
fn acks() {
    let mut world = World::of(1, 1);
    let connection = world.rules.connect(1).unwrap();
    assert!(world.send(connection, 9, &produce(0, "test", 0, one("a"))).is_empty(), "no answer to acks=0");
    assert_eq!(world.rules.end_offset("test", 0), Some(1));
    let response = world.ask(1, 9, &produce(2, "test", 0, one("a")));
    assert_eq!(response.responses[0].partition_responses[0].error_code, 21);
    assert!(is_close(&world.send(connection, 9, &produce(0, "none", 0, one("a")))), "an error closes");
    assert!(world.send(connection, 9, &produce(1, "test", 0, one("a"))).is_empty(), "forgotten");
    assert_eq!(world.rules.end_offset("test", 0), Some(1));
}

#[test]
fn too_few_replicas() {
    let config = TopicConfig::new(1).replication_factor(2).min_insync_replicas(2);
    let mut world = World::new(EmbeddedCluster::builder().brokers(2).topic_with("test", config));
    assert_eq!(world.put(1, 9, 0, one("a")).error_code, 0);
    let now = world.now;
    world.rules.stop_broker(now, 2);
    assert_eq!(world.put(1, 9, 0, one("b")).error_code, 19);
    let response = world.ask(1, 9, &produce(1, "test", 0, one("b")));
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[test]
fn metadata_in_every_version() {
    let builder = EmbeddedCluster::builder().brokers(3).racks(["here"]).topic("test", 6);
    let builder = builder.cluster_id("C").auto_create_topics(2);
    let mut world = World::new(builder);
    world.rules.set_address(1, "localhost", 9092);
    let now = world.now;
    world.rules.stop_broker(now, 3);
    for version in 0..=13 {
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let response = world.ask(1, version, &MetadataRequest::default().with_topics(all));
        assert_eq!(response.brokers.iter().map(|broker| broker.node_id.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("localhost", 9092));
        let racks = [&response.brokers[0].rack, &response.brokers[1].rack].map(|rack| rack.as_deref());
        assert_eq!(racks, [(version >= 1).then_some("here"), None]);
        let partitions = &response.topics[0].partitions;
        assert_eq!(partitions.iter().map(|told| told.leader_id.0).collect::<Vec<_>>(), [1, 2, 1, 1, 2, 1]);
        assert!(partitions.iter().all(|told| told.replica_nodes.len() == 3 && told.isr_nodes.len() == 2));
        assert_eq!(partitions[2].leader_epoch, if version >= 7 { 1 } else { -1 });
        assert_eq!(partitions[0].offline_replicas.len(), usize::from(version >= 5));
        assert_eq!(
            response.cluster_id.as_deref().map(|id| id.to_owned()),
            (version >= 2).then(|| "C".to_owned())
        );

        let new = format!("new-{version}");
        let request = metadata_for(&new).with_allow_auto_topic_creation(true);
        assert_eq!(world.ask(1, version, &request).topics[0].error_code, 3);
        assert_eq!(world.ask(1, version, &request).topics[0].partitions.len(), 2);
        assert!(world.rules.delete_topic(&new));
        if version >= 4 {
            let request = request.with_allow_auto_topic_creation(false);
            assert_eq!(world.ask(1, version, &request).topics[0].error_code, 3);
            assert_eq!(world.ask(1, version, &request).topics[0].error_code, 3);
        }
        assert_eq!(world.ask(1, version, &metadata_for("no good")).topics[0].error_code, 17);
        assert!(
            world
                .ask(
                    1,
                    version,
                    &MetadataRequest::default()
                        .with_topics(Some(vec![metadata_for("test").topics.unwrap().remove(0)]))
                )
                .topics[0]
                .error_code
                == 0
        );
        if version >= 12 {
            let mut by_id = metadata_for("test");
            let id = response.topics[0].topic_id;
            by_id.topics.as_mut().unwrap()[0] =
                MetadataRequestTopic::default().with_name(None).with_topic_id(id);
            assert_eq!(world.ask(1, version, &by_id).topics[0].name, Some(name("test")));
        }
    }
}

#[test]
fn api_versions_in_every_version_and_beyond() {
    let builder = EmbeddedCluster::builder().api_versions(Api::Produce, 0..=7).without(Api::InitProducerId);
    let mut world = World::new(builder.topic("test", 1));
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("by-hand"))
        .with_client_software_version(StrBytes::from_static_str("0.1"));
    for version in 0..=4 {
        let request = if version >= 3 { request.clone() } else { ApiVersionsRequest::default() };
        let response = world.ask(1, version, &request);
        assert_eq!(response.error_code, 0);
        let told: Vec<_> =
            response.api_keys.iter().map(|told| (told.api_key, told.min_version, told.max_version)).collect();
        let mut expected = vec![(0, 3, 7), (1, 4, 17), (2, 1, 10), (3, 0, 13), (18, 0, 4)];
        expected.extend([(10, 0, 6), (24, 0, 3), (25, 0, 4), (26, 0, 5), (28, 0, 5), (17, 0, 1), (36, 0, 2)]);
        assert_eq!(told, expected);
    }
    assert_eq!(world.ask(1, 3, &ApiVersionsRequest::default()).error_code, 42, "a client must have a name");

    let connection = world.rules.connect(1).unwrap();
    let beyond =
        [&18_i16.to_be_bytes()[..], &9_i16.to_be_bytes(), &7_i32.to_be_bytes(), b"whatever"].concat();
    let actions = world.rules.handle(world.now, connection, beyond);
    let (_, response): (i32, ApiVersionsResponse) = answer(0, &actions[0]);
    assert_eq!((response.error_code, response.api_keys.len()), (35, 12));

    assert!(is_close(&world.send(connection, 8, &produce(1, "test", 0, one("a")))), "not a version told");
    let connection = world.rules.connect(1).unwrap();
    assert!(is_close(&world.send(connection, 0, &InitProducerIdRequest::default())), "not a request told");
}

#[test]
fn a_stranger_is_shown_the_door() {
    let good = frame(9, 7, &produce(1, "test", 0, one("a")));
    let mut long = good.clone();
    long.push(0);
    let mut many = frame(8, 7, &produce(1, "test", 0, one("a")));
    let topics = many.len() - good_body_after_topics_count();
    many[topics..topics + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    for bytes in [Vec::new(), vec![0; 7], http, vec![255; 100], long, many] {
        let mut world = World::of(1, 1);
        let connection = world.rules.connect(1).unwrap();
        assert!(is_close(&world.rules.handle(world.now, connection, bytes.clone())), "{bytes:?}");
        assert_eq!(world.rules.connections_open(), 0);
    }
    for cut in 0..good.len() {
        let mut world = World::of(1, 1);
        let connection = world.rules.connect(1).unwrap();
        assert!(is_close(&world.rules.handle(world.now, connection, good[..cut].to_vec())), "cut at {cut}");
    }
    assert_eq!(ClusterRules::frame_length([0, 0, 1, 0]), Some(256));
    assert_eq!(ClusterRules::frame_length((-1_i32).to_be_bytes()), None);
    assert_eq!(ClusterRules::frame_length(i32::MAX.to_be_bytes()), None);
}

#[test]
fn mangled_requests_are_answered_or_close_the_connection() {
    let client = ApiVersionsRequest::default().with_client_software_name(StrBytes::from_static_str("n"));
    let named = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId::default()));
    let mut frames = Vec::new();
    for (old, new) in [(3, 9), (8, 12)] {
        for version in [old, new] {
            frames.push(frame(version, 1, &produce(1, "test", 0, one("a"))));
            frames.push(frame(version, 1, &metadata_for("test")));
            frames.push(frame(version.max(4), 1, &fetch(0, 0)));
        }
    }
    frames.push(frame(3, 1, &client));
    frames.extend([0, 5].map(|version| frame(version, 1, &named)));
    let topic = ListOffsetsTopic::default().with_partitions(vec![ListOffsetsPartition::default()]);
    frames.extend(
        [2, 9].map(|version| {
            frame(version, 1, &ListOffsetsRequest::default().with_topics(vec![topic.clone()]))
        }),
    );

    let mut world = World::of(1, 1);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 11).unwrap() % below
    };
    for _ in 0..50_000 {
        let mut bytes = frames[next(frames.len())].clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, u8::try_from(next(256)).unwrap()][next(6)];
        }
        let connection = world.rules.connect(1).unwrap();
        world.rules.handle(world.now, connection, bytes);
        world.rules.disconnect(connection);
    }
    assert_eq!(world.put(1, 9, 0, one("a")).error_code, 0);
}

/// Bytes of a Produce request in version 8 from the count of its topics on.
fn good_body_after_topics_count() -> usize {
    let records = one("a").len();
    4 + 2 + "test".len() + 4 + 4 + 4 + records
}

#[test]
fn fetch_in_every_version() {
    let mut world = World::of(1, 1);
    for text in ["a", "b", "c"] {
        world.put(1, 9, 0, one(text));
    }
    let stored = world.rules.batch_bytes("test", 0);
    let id = world.ask(1, 12, &metadata_for("test")).topics[0].topic_id;
    for version in 4..=17 {
        let mut request = fetch(1, 0);
        if version >= 13 {
            request.topics[0].topic = TopicName::default();
            request.topics[0].topic_id = id;
        }
        let response = world.ask(1, version, &request);
        let told = &response.responses[0].partitions[0];
        assert_eq!((told.error_code, told.high_watermark), (0, 3));
        assert_eq!(told.records, Some(Bytes::from(stored[1..].concat())));
        request.topics[0].partitions[0].fetch_offset = 4;
        assert_eq!(world.ask(1, version, &request).responses[0].partitions[0].error_code, 1);
        request.topics[0].partitions[0].fetch_offset = 0;
        request.topics[0].partitions[0].partition_max_bytes = 1;
        let response = world.ask(1, version, &request);
        let told = &response.responses[0].partitions[0];
        assert_eq!(told.records, Some(Bytes::from(stored[0].clone())), "one batch at least");
        request.topics[0].partitions[0].partition = 8;
        assert_eq!(world.ask(1, version, &request).responses[0].partitions[0].error_code, 3);
    }
}

#[test]
fn a_fetch_waits_for_records_or_for_its_time() {
    let mut world = World::of(1, 1);
    let reader = world.rules.connect(1).unwrap();
    assert!(world.send(reader, 11, &fetch(0, 500)).is_empty());
    assert_eq!(world.rules.next_due(), Some(world.now + Duration::from_millis(500)));
    assert!(world.send(reader, 9, &produce(1, "test", 0, one("behind it"))).len() == 2, "wakes itself");

    assert!(world.send(reader, 11, &fetch(1, 500)).is_empty());
    let writer = world.rules.connect(1).unwrap();
    let actions = world.send(writer, 9, &produce(1, "test", 0, one("b")));
    assert_eq!(actions.iter().map(|action| action.connection).collect::<Vec<_>>(), [writer, reader]);

    assert!(world.send(reader, 11, &fetch(2, 500)).is_empty());
    assert!(world.pass(Duration::from_millis(499)).is_empty());
    let actions = world.pass(Duration::from_millis(1));
    let (_, response): (i32, FetchResponse) = answer(11, &actions[0]);
    assert_eq!(response.responses[0].partitions[0].records, Some(Bytes::new()));
    assert_eq!(world.rules.next_due(), None);
}

#[test]
fn list_offsets_in_every_version() {
    let mut world = World::of(1, 1);
    for base_timestamp in [100, 300, 200] {
        world.put(1, 9, 0, Batch { base_timestamp, ..Batch::of(vec![value("a"), value("b")]) }.bytes());
    }
    for version in 1..=10 {
        let mut found = |timestamp| {
            let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default().with_name(name("test")).with_partitions(vec![partition]);
            let response = world.ask(1, version, &ListOffsetsRequest::default().with_topics(vec![topic]));
            let told = &response.topics[0].partitions[0];
            assert_eq!(told.error_code, 0);
            (told.offset, told.timestamp)
        };
        assert_eq!(found(-1), (6, -1));
        assert_eq!(found(-2), (0, -1));
        assert_eq!(found(-3), (2, 300));
        assert_eq!(found(150), (2, 300));
        assert_eq!(found(301), (-1, -1));
    }
}

#[test]
fn producer_ids_and_epochs() {
    for version in 0..=5 {
        let mut world = World::of(1, 1);
        let plain = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX);
        let pair = |response: InitProducerIdResponse| (response.producer_id.0, response.producer_epoch);
        let first = pair(world.ask(1, version, &plain));
        let second = pair(world.ask(1, version, &plain));
        assert_eq!((first.1, second.1), (0, 0));
        assert_ne!(first.0, second.0);

        let id = TransactionalId(StrBytes::from_static_str("t"));
        let named = InitProducerIdRequest::default()
            .with_transactional_id(Some(id))
            .with_transaction_timeout_ms(1000);
        let (producer, epoch) = pair(world.ask(1, version, &named));
        assert_eq!(pair(world.ask(1, version, &named)), (producer, epoch + 1));
        let old = Batch::of(vec![value("a")]).by(producer, 0, 0).bytes();
        assert_eq!(world.put(1, 9, 0, old).error_code, 47, "the older one is fenced");
        let new = Batch::of(vec![value("a")]).by(producer, 1, 0).bytes();
        assert_eq!(world.put(1, 9, 0, new).error_code, 0);
        if version >= 4 {
            let claim = named.with_producer_id(producer.into()).with_producer_epoch(0);
            assert_eq!(world.ask(1, version, &claim).error_code, 90);
        }
    }
}

#[test]
fn faults_act_in_turn_and_end() {
    let mut world = World::of(1, 2);
    world.rules.inject(Fault::fail(Api::Produce, BrokerError::REQUEST_TIMED_OUT));
    world.rules.inject(Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER).times(2));
    world
        .rules
        .inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).on_partition("test", 1).skip(1));
    let codes: Vec<i16> = (0..4).map(|_| world.put(1, 9, 0, one("a")).error_code).collect();
    assert_eq!(codes, [7, 6, 6, 0]);
    let codes: Vec<i16> = (0..3).map(|_| world.put(1, 9, 1, one("a")).error_code).collect();
    assert_eq!(codes, [0, 19, 0]);
    world.rules.inject(Fault::fail_after(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    assert_eq!(world.put(1, 9, 0, one("a")).error_code, 20);
    assert_eq!(world.rules.end_offset("test", 0), Some(2), "written all the same");
    world.rules.inject(Fault::fail(Api::Metadata, BrokerError::LEADER_NOT_AVAILABLE).always());
    for version in 0..=13 {
        assert_eq!(world.ask(1, version, &metadata_for("test")).topics[0].error_code, 5);
    }
    world.rules.clear_faults();
    assert_eq!(world.ask(1, 9, &metadata_for("test")).topics[0].error_code, 0);
    world.rules.inject(Fault::fail(Api::InitProducerId, BrokerError::COORDINATOR_LOAD_IN_PROGRESS));
    assert_eq!(world.ask(1, 4, &InitProducerIdRequest::default()).error_code, 14);
    world.rules.inject(Fault::throttle(Api::Produce, Duration::from_millis(40)));
    assert_eq!(world.ask(1, 9, &produce(1, "test", 0, one("a"))).throttle_time_ms, 40);
    assert_eq!(world.rules.requests(Api::Produce), 9);
}

#[test]
fn late_answers_keep_their_order() {
    let mut world =
        World::new(EmbeddedCluster::builder().topic("test", 1).answer_delay(Duration::from_millis(10)));
    world.rules.inject(Fault::delay(Api::Produce, Duration::from_millis(30)));
    let connection = world.rules.connect(1).unwrap();
    for correlation_id in 1..=3 {
        let bytes = frame(9, correlation_id, &produce(1, "test", 0, one("a")));
        assert!(world.rules.handle(world.now, connection, bytes).is_empty());
    }
    assert_eq!(world.rules.end_offset("test", 0), Some(3), "carried out at once");
    assert!(world.pass(Duration::from_millis(39)).is_empty());
    assert_eq!(world.rules.next_due(), Some(world.now + Duration::from_millis(1)));
    let actions = world.pass(Duration::from_millis(1));
    let order: Vec<i32> = actions.iter().map(|action| answer::<ProduceResponse>(9, action).0).collect();
    assert_eq!(order, [1, 2, 3]);
    let mut offsets = actions
        .iter()
        .map(|action| answer::<ProduceResponse>(9, action).1.responses[0].partition_responses[0].base_offset);
    assert!(offsets.by_ref().eq(0..3));
}

#[test]
fn lost_answers_and_cut_connections() {
    let mut world = World::of(2, 2);
    world.rules.inject(Fault::drop_answer(Api::Produce));
    let connection = world.rules.connect(1).unwrap();
    assert!(world.send(connection, 9, &produce(1, "test", 0, one("a"))).is_empty());
    assert!(
        world.send(connection, 9, &produce(1, "test", 0, one("b"))).is_empty(),
        "nothing behind it either"
    );
    assert_eq!(world.rules.end_offset("test", 0), Some(2));
    assert_eq!((world.rules.next_due(), world.rules.connections_open()), (None, 1));

    world.rules.inject(Fault::cut_before(Api::Produce).on_broker(1));
    world.rules.inject(Fault::cut_after(Api::Produce).on_broker(1));
    for offset in [2, 3] {
        let connection = world.rules.connect(1).unwrap();
        assert!(is_close(&world.send(connection, 9, &produce(1, "test", 0, one("c")))));
        assert_eq!(world.rules.end_offset("test", 0), Some(offset));
    }
    assert_eq!(world.put(1, 9, 0, one("d")).base_offset, 3);
}

#[test]
fn brokers_stop_and_start() {
    let mut world = World::of(3, 3);
    let connection = world.rules.connect(1).unwrap();
    let other = world.rules.connect(2).unwrap();
    let now = world.now;
    let actions = world.rules.stop_broker(now, 1);
    assert!(is_close(&actions) && actions[0].connection == connection);
    assert!(world.rules.connect(1).is_err());
    assert_eq!((world.rules.leader("test", 0), world.rules.leader_epoch("test", 0)), (Some(2), Some(1)));
    assert_eq!(world.put(2, 9, 0, one("a")).error_code, 0);
    world.rules.stop_broker(now, 2);
    assert!(world.send(other, 9, &produce(1, "test", 0, one("a"))).is_empty());
    world.rules.stop_broker(now, 3);
    assert_eq!(world.rules.leader("test", 0), None);
    world.rules.start_broker(now, 3);
    let response: MetadataResponse = world.ask(3, 9, &metadata_for("test"));
    assert!(response.topics[0].partitions.iter().all(|told| told.leader_id.0 == 3));
    assert_eq!(world.put(3, 9, 0, one("b")).base_offset, 1);
}

#[test]
fn the_cluster_counts_what_it_sees() {
    let mut world = World::of(1, 2);
    world.put(1, 9, 1, Batch::of(vec![value("a"), value("b")]).by(4, 0, 0).bytes());
    let seen: Vec<_> = world.rules.produce_requests().to_vec();
    assert_eq!((seen.len(), seen[0].broker, seen[0].version, seen[0].acks), (1, 1, 9, -1));
    let batch = &seen[0].batches[0];
    assert_eq!((batch.topic.as_str(), batch.partition), ("test", 1));
    assert_eq!(batch.header.as_ref().unwrap().record_count, 2);
    assert_eq!((world.rules.requests(Api::Produce), world.rules.connections_accepted()), (1, 1));
}

#[test]
fn settings_that_make_no_cluster() {
    let now = Instant::now();
    let builder = EmbeddedCluster::builder;
    for bad in [
        builder().brokers(0),
        builder().racks(["here", "there"]),
        builder().topic("no good", 1),
        builder().topic("none", 0),
        builder().topic_with("t", TopicConfig::new(1).replication_factor(2)),
    ] {
        assert!(bad.clone().rules(now, 0).is_err());
        assert_eq!(bad.start().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}
