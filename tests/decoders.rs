//! Every reader of strangers' bytes, fed with valid messages that were damaged, and with noise: none panics, none takes
//! more memory than a few times what is there, and every error names API, version and field.
//!
//! Messages are written by the `kafka-protocol` crate. Damage comes from a seed: `KAFKA_PRODUCER_SEED`. A build without
//! optimisation tries a tenth of what one with it does; `.ci/run` does both.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::BytesMut;
use kafka_producer::internal::{self, Answers};
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, GetTelemetrySubscriptionsResponse, InitProducerIdResponse,
    MetadataResponse, ProduceResponse, PushTelemetryResponse, ResponseHeader, SaslAuthenticateResponse,
    SaslHandshakeResponse, TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

fn tries(optimised: usize) -> usize {
    if cfg!(debug_assertions) { optimised / 10 } else { optimised }
}

fn random() -> fastrand::Rng {
    let seed = std::env::var("KAFKA_PRODUCER_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

/// The most memory that `work` had at once on this thread, beyond what there was: others begin and end meanwhile.
fn memory_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let mut outcome = None;
    let counted = allocation_counter::measure(|| outcome = Some(work()));
    (outcome.unwrap(), counted.bytes_max as usize)
}

/// For an error's text.
const SPARE: usize = 4_096;

/// What a reader may take: its errors' texts, and a few times what is there.
fn allowed(bytes: usize) -> usize {
    SPARE + 8 * bytes
}

/// How many times its bytes a damaged answer may take; `answers_with_very_many_elements_...` has what the densest ones do.
fn times_allowed(key: i16) -> usize {
    match key {
        0 => 12,
        3 => 8,
        _ => 4,
    }
}

fn text(random: &mut fastrand::Rng) -> StrBytes {
    let length = if random.u8(..10) == 0 { 127 } else { random.usize(..12) };
    StrBytes::from_string((0..length).map(|_| random.alphanumeric()).collect())
}

fn list<T>(random: &mut fastrand::Rng, mut make: impl FnMut(&mut fastrand::Rng) -> T) -> Vec<T> {
    let length = if random.u8(..20) == 0 { 130 } else { random.usize(..4) };
    (0..length).map(|_| make(random)).collect()
}

fn nodes(random: &mut fastrand::Rng) -> Vec<BrokerId> {
    list(random, |random| BrokerId(random.i32(-1..9)))
}

fn produce(random: &mut fastrand::Rng, version: i16) -> ProduceResponse {
    let partition = |random: &mut fastrand::Rng| {
        let mut partition = PartitionProduceResponse::default()
            .with_index(random.i32(..))
            .with_error_code(random.i16(..))
            .with_base_offset(random.i64(..))
            .with_log_append_time_ms(random.i64(..));
        if version >= 8 {
            partition.error_message = Some(text(random));
            partition.record_errors = list(random, |random| {
                let error = BatchIndexAndErrorMessage::default().with_batch_index(random.i32(..));
                error.with_batch_index_error_message(Some(text(random)))
            });
        }
        if version >= 10 {
            partition.current_leader = LeaderIdAndEpoch::default().with_leader_epoch(random.i32(..));
        }
        partition
    };
    let topic = |random: &mut fastrand::Rng| {
        let mut topic = TopicProduceResponse::default().with_partition_responses(list(random, partition));
        if version <= 12 {
            topic.name = TopicName(text(random));
        }
        topic
    };
    let mut response = ProduceResponse::default().with_throttle_time_ms(random.i32(..));
    response.responses = list(random, topic);
    if version >= 10 {
        response.node_endpoints = list(random, |random| {
            let node = NodeEndpoint::default().with_host(text(random)).with_rack(Some(text(random)));
            node.with_port(random.i32(..))
        });
    }
    response
}

fn metadata(random: &mut fastrand::Rng, version: i16) -> MetadataResponse {
    let partition = |random: &mut fastrand::Rng| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(random.i32(..))
            .with_leader_id(random.i32(-1..9).into())
            .with_leader_epoch(if version >= 7 { random.i32(..) } else { -1 })
            .with_replica_nodes(nodes(random))
            .with_isr_nodes(nodes(random));
        if version >= 5 { partition.with_offline_replicas(nodes(random)) } else { partition }
    };
    let topic = |random: &mut fastrand::Rng| {
        let topic = MetadataResponseTopic::default().with_name(Some(TopicName(text(random))));
        topic.with_error_code(random.i16(..)).with_partitions(list(random, partition))
    };
    let mut response = MetadataResponse::default();
    response.brokers = list(random, |random| {
        let broker = MetadataResponseBroker::default().with_host(text(random)).with_rack(Some(text(random)));
        broker.with_node_id(random.i32(..).into()).with_port(random.i32(..))
    });
    if version >= 2 {
        response.cluster_id = Some(text(random));
    }
    response.topics = list(random, topic);
    response
}

fn api_versions(random: &mut fastrand::Rng, version: i16) -> ApiVersionsResponse {
    let mut response = ApiVersionsResponse::default();
    response.error_code = if random.u8(..5) == 0 { 35 } else { 0 };
    response.api_keys = list(random, |random| {
        let key = ApiVersion::default().with_api_key(random.i16(..)).with_min_version(random.i16(..));
        key.with_max_version(random.i16(..))
    });
    if version >= 3 {
        response.supported_features =
            list(random, |random| SupportedFeatureKey::default().with_name(text(random)));
        response.finalized_features =
            list(random, |random| FinalizedFeatureKey::default().with_name(text(random)));
        response.finalized_features_epoch = random.i64(..);
    }
    response
}

fn encoded<R: Encodable + HeaderVersion>(response: &R, version: i16) -> Vec<u8> {
    let mut frame = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(7);
    header.encode(&mut frame, R::header_version(version)).unwrap();
    response.encode(&mut frame, version).unwrap();
    frame.to_vec()
}

fn valid(random: &mut fastrand::Rng, key: i16, version: i16) -> Vec<u8> {
    match key {
        0 => encoded(&produce(random, version), version),
        3 => encoded(&metadata(random, version), version),
        17 => encoded(&SaslHandshakeResponse::default().with_mechanisms(list(random, text)), version),
        18 => encoded(&api_versions(random, version), version),
        36 => {
            let response = SaslAuthenticateResponse::default()
                .with_error_message(random.bool().then(|| text(random)))
                .with_auth_bytes(text(random).into_bytes());
            encoded(&response, version)
        }
        71 => {
            let response = GetTelemetrySubscriptionsResponse::default()
                .with_accepted_compression_types(list(random, |random| random.i8(..)))
                .with_requested_metrics(list(random, text));
            encoded(&response, version)
        }
        72 => encoded(&PushTelemetryResponse::default().with_error_code(random.i16(..)), version),
        _ => encoded(&InitProducerIdResponse::default().with_producer_id(random.i64(..).into()), version),
    }
}

/// Changes a few places: bytes, lengths, cuts, what is put in, taken out and repeated.
fn damage(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    const EDGES: [&[u8]; 8] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0, 0, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        &[0x7f, 0xff],
    ];
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        let to = (at + random.usize(..12)).min(bytes.len());
        match random.u8(..8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => drop(bytes.splice(at..at, (0..random.usize(1..8)).map(|_| random.u8(..)))),
            3 => {
                let again = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => {
                let edge = EDGES[random.usize(..EDGES.len())];
                let end = (at + edge.len()).min(bytes.len());
                drop(bytes.splice(at..end, edge.iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, random.u8(..)][random.usize(..6)];
                }
            }
        }
    }
}

fn noise(random: &mut fastrand::Rng) -> Vec<u8> {
    let small = random.bool();
    (0..random.usize(..200)).map(|_| if small { random.u8(..4) } else { random.u8(..) }).collect()
}

/// Each reader of answers, in each of its versions.
#[test]
fn answers_that_were_damaged_are_refused_with_api_version_and_field() {
    let (mut random, start) = (random(), Instant::now());
    let kinds: Vec<_> = Answers::all()
        .into_iter()
        .flat_map(|answers| answers.versions.clone().map(move |version| (answers.clone(), version)))
        .collect();
    let (mut tried, mut refused, mut most) = (0, 0, BTreeMap::<&str, f64>::new());
    // Each valid one is damaged in many ways: writing it takes longer than reading.
    for round in 0..tries(1_000_000).div_ceil(kinds.len() * 25) {
        for (answers, version) in &kinds {
            let whole = valid(&mut random, answers.key, *version);
            assert_eq!(answers.read(*version, &whole), Ok(()), "{} v{version}", answers.name);
            for _ in 0..25 {
                let mut bytes = whole.clone();
                if random.u8(..10) == 0 {
                    bytes = noise(&mut random)
                } else {
                    damage(&mut random, &mut bytes)
                }
                let (outcome, memory) = memory_of(|| answers.read(*version, &bytes));
                tried += 1;
                let what = || format!("round {round}, {} v{version}, {bytes:02x?}", answers.name);
                let limit = SPARE + times_allowed(answers.key) * bytes.len();
                assert!(memory <= limit, "{memory} for {}: {}", bytes.len(), what());
                let most = most.entry(answers.name).or_default();
                *most = most.max(memory.saturating_sub(SPARE) as f64 / bytes.len().max(1) as f64);
                let Err(error) = outcome else { continue };
                refused += 1;
                let rest = error.strip_prefix(&format!("{} v{version} response: ", answers.name));
                let field = rest.and_then(|rest| rest.split_once(": ")).map(|(field, _)| field);
                assert!(field.is_some_and(|field| !field.is_empty()), "{error}: {}", what());
            }
        }
    }
    let took = start.elapsed();
    println!(
        "{tried} damaged answers, {refused} refused, at most so many times the bytes: {most:.1?}, in {took:?}"
    );
    assert!(tried >= tries(1_000_000) && refused > tried / 2);
}

fn many<T: Clone>(element: T, count: usize) -> Vec<T> {
    vec![element; count]
}

/// Valid answers of the elements that take the fewest bytes: what is told of it, the answer, and how many times its bytes
/// reading it may take at its most.
fn densest(key: i16, version: i16, count: usize) -> Vec<(&'static str, Vec<u8>, usize)> {
    let name =
        |named: bool| if named { TopicName::default() } else { TopicName(StrBytes::from_static_str("t")) };
    let is_flexible = version >= 9;
    match key {
        0 => {
            let of = |topics: Vec<TopicProduceResponse>| {
                encoded(&ProduceResponse::default().with_responses(topics), version)
            };
            let topic = TopicProduceResponse::default().with_name(name(true));
            let with = |partition: PartitionProduceResponse, count: usize| {
                of(vec![topic.clone().with_partition_responses(many(partition, count))])
            };
            let error = BatchIndexAndErrorMessage::default();
            let partition = PartitionProduceResponse::default();
            // Names have places of their own in memory; without one and without partitions a topic is 3 or 6 bytes here.
            let topics = if version >= 13 {
                5
            } else if is_flexible {
                25
            } else {
                13
            };
            let mut all = vec![("topics", of(many(topic.clone(), count)), topics)];
            all.push(("partitions", with(partition.clone(), count), 6));
            if version >= 8 {
                all.push(("record errors", with(partition.with_record_errors(many(error, count)), 1), 6));
            }
            if version >= 10 {
                let nodes =
                    ProduceResponse::default().with_node_endpoints(many(NodeEndpoint::default(), count));
                all.push(("node endpoints", encoded(&nodes, version), 8));
            }
            all
        }
        3 => densest_metadata(version, count),
        17 => {
            // Each is a text, of which two bytes are there.
            let names = SaslHandshakeResponse::default().with_mechanisms(many(StrBytes::default(), count));
            vec![("mechanisms", encoded(&names, version), 26)]
        }
        18 => {
            let keys = ApiVersionsResponse::default().with_api_keys(many(ApiVersion::default(), count));
            vec![("versions", encoded(&keys, version), 3)]
        }
        _ => Vec::new(),
    }
}

/// The same for Metadata.
fn densest_metadata(version: i16, count: usize) -> Vec<(&'static str, Vec<u8>, usize)> {
    let of = |topics: Vec<MetadataResponseTopic>| {
        encoded(&MetadataResponse::default().with_topics(topics), version)
    };
    let topic = MetadataResponseTopic::default().with_name(Some(TopicName::default()));
    let with = |partition: MetadataResponsePartition, count: usize| {
        of(vec![topic.clone().with_partitions(many(partition, count))])
    };
    let partition = MetadataResponsePartition::default();
    let brokers = MetadataResponse::default().with_brokers(many(MetadataResponseBroker::default(), count));
    let replicas = partition.clone().with_replica_nodes(many(BrokerId(1), count));
    vec![
        // The client keeps those that it has asked for, each once; here are all kept.
        ("topics", of(many(topic.clone(), count)), if version >= 10 { 9 } else { 26 }),
        ("partitions", with(partition, count), 4),
        ("replicas", with(replicas, 1), 4),
        ("brokers", encoded(&brokers, version), 8),
    ]
}

/// Fault D6.
#[test]
fn answers_with_very_many_elements_take_a_few_times_their_bytes() {
    for answers in Answers::all() {
        for version in answers.versions.clone() {
            for (what, bytes, most) in densest(answers.key, version, 20_000) {
                let (outcome, memory) = memory_of(|| answers.read(version, &bytes));
                outcome.unwrap();
                let times = memory as f64 / bytes.len() as f64;
                println!("{} v{version}: {times:.1} times the bytes of {what}", answers.name);
                assert!(times <= most as f64, "{} v{version}, {what}: {times:.1} times", answers.name);
            }
        }
    }
}

#[test]
fn streams_that_lie_about_sizes_take_no_memory_for_them() {
    let mut random = random();
    let mut refused = 0;
    for _ in 0..tries(200_000) {
        let mut stream: Vec<u8> = Vec::new();
        for _ in 0..random.usize(1..4) {
            let body = noise(&mut random);
            stream.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            stream.extend(body);
        }
        damage(&mut random, &mut stream);
        let step = random.usize(1..300);
        let (outcome, memory) = memory_of(|| internal::frames(&stream, step));
        assert!(memory <= allowed(stream.len()), "{memory} for {stream:02x?}");
        refused += usize::from(outcome.is_err());
    }
    assert!(refused > tries(200_000) / 10, "{refused}");
}

#[test]
fn batches_that_were_damaged_are_refused_within_their_limit() {
    let mut random = random();
    let (mut read, limit) = (0, 10_000);
    for turn in 0..tries(100_000) {
        let mut bytes = noise(&mut random);
        if random.bool() {
            // A record: its size, attributes, timestamp, offset, key, value, headers.
            bytes = [&[14, 0, 0, 0, 1, 2, b'v', 0][..], &[14, 0, 0, 2, 1, 2, b'w', 0]].concat();
            if random.bool() {
                damage(&mut random, &mut bytes);
            }
        }
        let (outcome, memory) = memory_of(|| internal::records(turn, &bytes, limit));
        // Codecs have tables of their own, zstd's window among them.
        assert!(memory <= (1 << 20) + allowed(bytes.len() + limit), "{memory}: {turn} {bytes:02x?}");
        read += outcome.unwrap_or(0);
    }
    assert!(read > 1_000, "{read}");
}

#[test]
fn texts_of_any_kind_are_properties_or_are_refused_with_their_line() {
    let mut random = random();
    const PARTS: [&str; 20] = [
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\\",
        "\\\n",
        "=",
        ":",
        "#",
        "!",
        "a",
        "u",
        "\\u",
        "\\u00",
        "\\uD83D",
        "\\uDE00",
        "\u{1f600}",
        "\0",
        "\u{feff}",
    ];
    let mut refused = 0;
    for _ in 0..tries(200_000) {
        let text: String = (0..random.usize(..60)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        let (outcome, memory) = memory_of(|| internal::properties(&text));
        assert!(memory <= allowed(text.len()), "{memory} for {text:?}");
        let Err(error) = outcome else { continue };
        refused += 1;
        assert!(error.starts_with("line "), "{error}");
    }
    assert!(refused > tries(200_000) / 10, "{refused}");
}

#[cfg(feature = "tls")]
#[test]
fn damaged_stores_take_no_more_memory_than_a_few_times_their_size() {
    let mut random = random();
    /// A store whose keys are quickly made of its password.
    macro_rules! store {
        ($kind:literal, $name:literal) => {
            ($kind, &include_bytes!(concat!("../src/security/stores/fixtures/", $name))[..])
        };
    }
    let stores = [
        store!("PEM", "bundle.pem"),
        store!("PEM", "traditional-bundle.pem"),
        store!("PKCS12", "openssl3-iterations-1.p12"),
        store!("PKCS12", "openssl3-clear.p12"),
        store!("PKCS12", "java18-no-password.p12"),
        store!("JKS", "java8.jks"),
        store!("JKS", "java8-several.jks"),
    ];
    let (mut refused, tries) = (0, tries(20_000));
    for turn in 0..tries {
        let (kind, whole) = stores[turn % stores.len()];
        let mut bytes = whole.to_vec();
        damage(&mut random, &mut bytes);
        let password = random.bool().then_some("changeit");
        let (outcome, memory) = memory_of(|| internal::store(kind, &bytes, password));
        assert!(memory <= allowed(bytes.len()), "{memory} for {} bytes: {kind} {bytes:02x?}", bytes.len());
        refused += usize::from(outcome.is_err());
    }
    assert!(refused > tries / 10, "{refused} of {tries}");
}
