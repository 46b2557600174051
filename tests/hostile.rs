//! Brokers that lie: ids, frames, lengths, counts, offsets, leaders, addresses, throttles. Whatever they answer, nothing
//! panics or hangs, every record is answered in time, a broker that is honest goes on being served, and when the lies end
//! all is well again. About batches and versions one of two brokers lies; about the cluster and producer ids both, and then
//! one beside an honest one.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_embedded::{Api, BrokerAnswer, EmbeddedCluster, Rewritten};
use kafka_producer::{KafkaProducer, ProducerRecord};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, InitProducerIdResponse, MetadataResponse, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use support::{TextProducer, config, logged};

type Lie = Box<dyn FnMut(&BrokerAnswer<'_>) -> Rewritten + Send>;

/// What a broker does to its answers of one kind, and what is to come of it.
struct Row {
    name: String,
    api: Api,
    lie: Lie,
    /// What the error of the record for the liar has to say; nothing if the record may arrive.
    says: Vec<String>,
    /// Whether the liar's record has to arrive all the same.
    arrives: bool,
    /// Whether the other broker's partition has to be served meanwhile.
    other_is_served: bool,
    /// Whether the same producer gets through when the lies have ended.
    recovers: bool,
}

impl Row {
    fn says(mut self, parts: &[&str]) -> Self {
        self.says = parts.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    fn arrives(mut self) -> Self {
        self.arrives = true;
        self
    }

    /// A lie about the whole cluster, or a pause that it asks of everybody.
    fn harms_all(mut self) -> Self {
        self.other_is_served = false;
        self
    }

    fn for_good(mut self) -> Self {
        self.recovers = false;
        self
    }
}

fn row(api: Api, name: &str, lie: impl FnMut(&BrokerAnswer<'_>) -> Rewritten + Send + 'static) -> Row {
    let other_is_served = matches!(api, Api::Produce | Api::ApiVersions);
    let name = format!("{api:?}: {name}");
    Row { name, api, lie: Box::new(lie), says: vec![], arrives: false, other_is_served, recovers: true }
}

/// A lie within a message that is well formed.
fn edited<R: Decodable + Encodable>(
    api: Api,
    name: &str,
    mut change: impl FnMut(&mut R) + Send + 'static,
) -> Row {
    row(api, name, move |answer| {
        let mut body = Bytes::copy_from_slice(answer.body);
        let mut message = R::decode(&mut body, answer.version).unwrap();
        change(&mut message);
        let mut changed = Vec::new();
        match message.encode(&mut changed, answer.version) {
            Ok(()) => Rewritten::Body(changed),
            Err(error) => panic!("{error}"),
        }
    })
}

fn produce(name: &str, mut change: impl FnMut(&mut PartitionProduceResponse) + Send + 'static) -> Row {
    edited(Api::Produce, name, move |message: &mut ProduceResponse| {
        message.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses).for_each(&mut change);
    })
}

fn metadata(name: &str, change: impl FnMut(&mut MetadataResponse) + Send + 'static) -> Row {
    edited(Api::Metadata, name, change).harms_all()
}

fn partitions(
    name: &str,
    mut change: impl FnMut(&mut Vec<MetadataResponsePartition>) + Send + 'static,
) -> Row {
    metadata(name, move |message| {
        message.topics.iter_mut().for_each(|topic| change(&mut topic.partitions));
    })
}

fn api_versions(name: &str, mut change: impl FnMut(&mut Vec<ApiVersion>) + Send + 'static) -> Row {
    edited(Api::ApiVersions, name, move |message: &mut ApiVersionsResponse| change(&mut message.api_keys))
}

fn producer_id(name: &str, change: impl FnMut(&mut InitProducerIdResponse) + Send + 'static) -> Row {
    edited(Api::InitProducerId, name, change).harms_all()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn whole(answer: &BrokerAnswer<'_>) -> Vec<u8> {
    answer.frame(answer.correlation_id, answer.body)
}

/// What can be wrong with the answer to anything.
fn with_any_answer(api: Api) -> Vec<Row> {
    let read = format!("{api:?} v");
    let unreadable: &[&str] = &[&read, " response: "];
    let announced = |size: i32| move |_: &BrokerAnswer<'_>| Rewritten::Raw(size.to_be_bytes().to_vec());
    let body = |bytes: Vec<u8>| move |_: &BrokerAnswer<'_>| Rewritten::Body(bytes.clone());
    let raw = |bytes: &'static [u8]| move |_: &BrokerAnswer<'_>| Rewritten::Raw(bytes.to_vec());
    vec![
        row(api, "the id of another request", |a| Rewritten::Raw(a.frame(a.correlation_id + 1, a.body))),
        row(api, "a negative id", |a| Rewritten::Raw(a.frame(-1, a.body))),
        row(api, "twice", |a| Rewritten::Raw([whole(a), whole(a)].concat())),
        row(api, "an unasked one before it", |a| Rewritten::Raw([a.frame(-7, a.body), whole(a)].concat())),
        row(api, "never", |_| Rewritten::Nothing),
        row(api, "half, then the end", |a| Rewritten::Close(whole(a)[..whole(a).len() / 2].to_vec())),
        row(api, "half, then silence", |a| Rewritten::Raw(whole(a)[..whole(a).len() / 2].to_vec())),
        row(api, "the end", |_| Rewritten::Close(vec![])),
        row(api, "whole, then the end", |a| Rewritten::Close(whole(a))),
        row(api, "a length of 0", announced(0)).says(&["announced"]),
        row(api, "a length of 3", announced(3)).says(&["3 bytes was announced"]),
        row(api, "a length of -1", announced(-1)).says(&["-1 bytes was announced"]),
        row(api, "the largest length", announced(i32::MAX)).says(&["2147483647 bytes was announced"]),
        row(api, "100 MiB announced", announced(100 << 20)),
        row(api, "HTTP", raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")).says(&["HTTP"]),
        row(api, "TLS", raw(&[0x15, 3, 1, 0, 2, 2, 80])).says(&["TLS"]),
        row(api, "a header alone", body(vec![])).says(unreadable),
        row(api, "a byte too few", |a| Rewritten::Body(a.body[..a.body.len() - 1].to_vec())).says(unreadable),
        row(api, "a byte too many", |a| Rewritten::Body([a.body, &[0]].concat())).says(unreadable),
        row(api, "ones", body(vec![0xff; 64])).says(unreadable),
        row(api, "a long run of 0x7f", body(vec![0x7f; 100_000])).says(unreadable),
        row(api, "byte by byte", |a| {
            Rewritten::Pieces(whole(a).into_iter().map(|byte| (Duration::ZERO, vec![byte])).collect())
        })
        .arrives(),
        row(api, "slower than anybody waits", |a| {
            let second = Duration::from_secs(1);
            Rewritten::Pieces(whole(a).into_iter().map(|byte| (second, vec![byte])).collect())
        }),
    ]
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
fn about_batches() -> Vec<Row> {
    let code = |name: &str, code: i16| produce(name, move |p| p.error_code = code);
    let hint = |name: &str, leader: i32, epoch: i32, host: &'static str, port: i32| {
        edited(Api::Produce, name, move |message: &mut ProduceResponse| {
            for partition in message.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
                partition.error_code = 6;
                partition.base_offset = -1;
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(leader.into()).with_leader_epoch(epoch);
            }
            let node = NodeEndpoint::default().with_node_id(leader.into());
            message.node_endpoints = vec![node.with_host(text(host)).with_port(port)];
        })
    };
    let mut turn = 0;
    let mut epoch = 0;
    vec![
        produce("a negative offset", |p| p.base_offset = -5),
        produce("the smallest offset", |p| p.base_offset = i64::MIN),
        produce("the largest offset", |p| p.base_offset = i64::MAX),
        produce("offsets backwards", move |p| {
            turn += 1;
            p.base_offset = 1_000 - turn;
        }),
        produce("negative times", |p| p.log_append_time_ms = i64::MIN),
        produce("another partition", |p| p.index = 7),
        produce("a negative partition", |p| p.index = i32::MIN),
        code("a code that nobody knows", 999),
        code("the smallest code", i16::MIN),
        code("unknown server error for ever", -1),
        code("not leader for ever", 6),
        code("unknown producer for ever", 59),
        code("out of order for ever", 45),
        code("too large for ever", 10),
        code("message format", 43),
        code("fenced", 90).harms_all().for_good(),
        produce("records that are not in the batch", |p| {
            let error = |index| BatchIndexAndErrorMessage::default().with_batch_index(index);
            p.error_code = 87;
            p.record_errors = [-1, i32::MIN, i32::MAX, 5].map(error).to_vec();
        }),
        produce("a long message of control characters", |p| {
            p.error_code = 87;
            p.error_message = Some(text(&"\u{1b}[31m\n".repeat(5_000)));
        }),
        edited(Api::Produce, "no word about the batch", |m: &mut ProduceResponse| m.responses.clear()),
        edited(Api::Produce, "a topic without partitions", |m: &mut ProduceResponse| {
            m.responses.iter_mut().for_each(|topic| topic.partition_responses.clear());
        }),
        edited(Api::Produce, "a topic that was not sent to", |m: &mut ProduceResponse| {
            for topic in &mut m.responses {
                if topic.topic_id.is_nil() {
                    topic.name = TopicName(text("u"));
                } else {
                    topic.topic_id = "00000000000000000000000000000007".parse().unwrap();
                }
            }
        }),
        edited(Api::Produce, "two opinions about one batch", |m: &mut ProduceResponse| {
            for topic in &mut m.responses {
                let mut again = topic.partition_responses.clone();
                again.iter_mut().for_each(|partition| partition.error_code = 2);
                topic.partition_responses.extend(again);
            }
        }),
        edited(Api::Produce, "a pause of 24 days", |m: &mut ProduceResponse| m.throttle_time_ms = i32::MAX)
            .arrives()
            .for_good(),
        edited(Api::Produce, "a negative pause", |m: &mut ProduceResponse| m.throttle_time_ms = i32::MIN)
            .arrives(),
        hint("a leader that is not there", 99, 9, "127.0.0.1", 1),
        hint("a leader without a host", 98, 9, "", 0),
        hint("a leader at no port", 97, 9, "127.0.0.1", 70_000),
        hint("a leader at a negative port", 96, i32::MAX, "127.0.0.1", -1),
        hint("a leader of a negative id", -5, 9, "127.0.0.1", 1),
        hint("a leader whose name is control characters", 95, 9, "\u{1b}[31m\n", 1),
        edited(Api::Produce, "leaders that flip", move |m: &mut ProduceResponse| {
            epoch += 1;
            for partition in m.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
                partition.error_code = 6;
                let leader = BrokerId(1 + epoch % 2);
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch);
            }
        }),
    ]
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
fn about_the_cluster() -> Vec<Row> {
    let broker = |name: &str, change: fn(&mut MetadataResponseBroker)| {
        metadata(name, move |m| m.brokers.iter_mut().for_each(change))
    };
    let each = |name: &str, change: fn(&mut MetadataResponsePartition)| {
        partitions(name, move |partitions| partitions.iter_mut().for_each(change))
    };
    let (mut turn, mut identity, mut topic_id) = (0, 0, 0_u128);
    vec![
        metadata("no brokers", |m| m.brokers.clear()),
        metadata("no topics", |m| m.topics.clear()),
        metadata("brokers twice, elsewhere", |m| {
            let again = m.brokers.clone().into_iter().map(|broker| broker.with_port(1));
            let again: Vec<_> = again.collect();
            m.brokers.extend(again);
        }),
        broker("no host", |b| b.host = text("")),
        broker("a host that nobody has", |b| b.host = text("nobody.invalid")),
        broker("a host of control characters", |b| b.host = text("\u{1b}[31m\n\0")),
        broker("a host of 30,000 characters", |b| b.host = text(&"x".repeat(30_000))),
        broker("port 0", |b| b.port = 0),
        broker("port -1", |b| b.port = -1),
        broker("port 70000", |b| b.port = 70_000),
        broker("negative ids", |b| b.node_id = BrokerId(-b.node_id.0)),
        broker("one id for all", |b| b.node_id = BrokerId(i32::MAX)),
        each("leaders that are not there", |p| p.leader_id = BrokerId(99)),
        each("no leaders", |p| p.leader_id = BrokerId(-1)),
        each("negative leaders", |p| p.leader_id = BrokerId(i32::MIN)),
        each("the smallest epoch", |p| p.leader_epoch = i32::MIN),
        each("the largest epoch", |p| p.leader_epoch = i32::MAX),
        each("replicas that are not there", |p| p.replica_nodes = vec![BrokerId(77); 1_000]),
        each("an error for each partition", |p| p.error_code = 999),
        each("one partition many times", |p| p.partition_index = 0),
        each("negative partitions", |p| p.partition_index = -1 - p.partition_index),
        each("partitions far away", |p| p.partition_index = i32::MAX - p.partition_index),
        partitions("no partitions", Vec::clear),
        partitions("a gap", |partitions| drop(partitions.remove(0))),
        partitions("20,000 partitions", |partitions| {
            let one = partitions[0].clone();
            partitions.extend((2..20_000).map(|index| one.clone().with_partition_index(index)));
        }),
        partitions("leaders that flip", move |partitions| {
            turn += 1;
            for partition in partitions {
                partition.leader_id = BrokerId(1 + turn % 2);
                partition.leader_epoch = turn;
            }
        }),
        metadata("topics of another name", |m| {
            m.topics.iter_mut().for_each(|topic| topic.name = Some(TopicName(text("u"))));
        }),
        metadata("topics without a name", |m| m.topics.iter_mut().for_each(|topic| topic.name = None)),
        metadata("topics with an error that nobody knows", |m| {
            m.topics.iter_mut().for_each(|topic| topic.error_code = 999);
        }),
        metadata("topics twice", |m| {
            let again = m.topics.clone();
            m.topics.extend(again);
        }),
        metadata("another topic id in each answer", move |m| {
            topic_id += 1;
            m.topics.iter_mut().for_each(|topic| {
                topic.topic_id = format!("{topic_id:032x}").parse().unwrap();
            });
        }),
        metadata("another cluster in each answer", move |m| {
            identity += 1;
            m.cluster_id = Some(text(&format!("cluster-{identity}")));
        }),
        metadata("no cluster id", |m| m.cluster_id = None),
        metadata("a controller that is not there", |m| m.controller_id = BrokerId(i32::MIN)),
        metadata("an error for all", |m| m.error_code = 999),
        metadata("begin again, for ever", |m| m.error_code = 129),
        metadata("a pause of 24 days", |m| m.throttle_time_ms = i32::MAX).for_good(),
        metadata("a negative pause", |m| m.throttle_time_ms = i32::MIN),
    ]
}

fn about_versions_and_ids() -> Vec<Row> {
    let code = |code: i16| move |m: &mut ApiVersionsResponse| m.error_code = code;
    let mut last = 0;
    vec![
        api_versions("no versions of anything", Vec::clear),
        api_versions("no Produce", |keys| keys.retain(|key| key.api_key != 0)).says(&["Produce"]),
        api_versions("no Metadata", |keys| keys.retain(|key| key.api_key != 3)),
        api_versions("no InitProducerId", |keys| keys.retain(|key| key.api_key != 22)),
        api_versions("nothing below a hundred", |keys| {
            keys.iter_mut().for_each(|key| (key.min_version, key.max_version) = (100, 200));
        }),
        api_versions("the ends exchanged", |keys| {
            keys.iter_mut().for_each(|key| (key.min_version, key.max_version) = (i16::MAX, i16::MIN));
        }),
        api_versions("negative versions", |keys| {
            keys.iter_mut().for_each(|key| (key.min_version, key.max_version) = (i16::MIN, -1));
        }),
        api_versions("all that there may be", |keys| {
            keys.extend((i16::MIN..i16::MAX).step_by(3).map(|key| {
                ApiVersion::default().with_api_key(key).with_min_version(-9).with_max_version(i16::MAX)
            }));
        }),
        edited(Api::ApiVersions, "a code that nobody knows", code(999)).says(&["ApiVersions", "999"]),
        edited(Api::ApiVersions, "unsupported, for ever", code(35)).says(&["ApiVersions"]),
        edited(Api::ApiVersions, "a pause of 24 days", |m: &mut ApiVersionsResponse| {
            m.throttle_time_ms = i32::MAX;
        })
        .for_good(),
        row(Api::ApiVersions, "null for the versions", |_| Rewritten::Body(vec![0, 0, 0, 0, 0, 0, 0, 0])),
        producer_id("the id -1", |m| m.producer_id = (-1).into()).says(&["InitProducerId", "producer id -1"]),
        producer_id("the smallest id", |m| m.producer_id = i64::MIN.into()).says(&["InitProducerId"]),
        producer_id("the largest id", |m| m.producer_id = i64::MAX.into()),
        producer_id("the epoch -1", |m| m.producer_epoch = -1).says(&["InitProducerId", "epoch -1"]),
        producer_id("the largest epoch", |m| m.producer_epoch = i16::MAX),
        producer_id("another id in each answer", move |m| {
            last += 1;
            m.producer_id = last.into();
        }),
        producer_id("a code that nobody knows", |m| m.error_code = 999).for_good(),
        producer_id("still loading, for ever", |m| m.error_code = 14),
        producer_id("a pause of 24 days", |m| m.throttle_time_ms = i32::MAX).for_good(),
    ]
}

/// How long a record may take here: `delivery.timeout.ms`, or `max.block.ms`.
const LIMIT: Duration = Duration::from_millis(3_000);
/// What a machine with much to do may add.
const SLACK: Duration = Duration::from_secs(10);

/// The outcome of one record, if it came in time.
fn outcome(producer: &TextProducer, partition: i32) -> Result<(), String> {
    let start = Instant::now();
    let sent = producer.send(ProducerRecord::new("t", "v").with_partition(partition));
    let outcome = match sent {
        Ok(future) => match future.get_timeout(LIMIT + SLACK) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    assert!(start.elapsed() < LIMIT + SLACK, "partition {partition}: no answer in time: {outcome:?}");
    outcome
}

/// Two brokers, each of which leads a partition of `t`, whose answers are rewritten, and a producer.
fn rewritten(
    more: &[(&str, &str)],
    rewrite: impl FnMut(&BrokerAnswer<'_>) -> Rewritten + Send + 'static,
) -> (EmbeddedCluster, TextProducer) {
    let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 2).start().unwrap();
    assert_eq!([0, 1].map(|partition| cluster.leader("t", partition)), [Some(1), Some(2)]);
    cluster.rewrite_answers(rewrite);
    let limit = LIMIT.as_millis().to_string();
    let settings = [
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", limit.as_str()),
        ("max.block.ms", limit.as_str()),
        ("linger.ms", "0"),
    ];
    let settings: Vec<_> = settings.iter().chain(more).copied().collect();
    // The liar is asked first.
    let servers = format!("{},{}", cluster.broker_address(1).unwrap(), cluster.broker_address(2).unwrap());
    let producer = KafkaProducer::new(config(&servers, &settings)).unwrap();
    (cluster, producer)
}

fn check(holds: bool, what: String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what) }
}

/// Broker 1 lies and broker 2 is honest: what broker 2 leads is served soon, and goes on being served.
fn run_beside_an_honest_one(row: Row) -> Result<(), String> {
    let (api, mut lie) = (row.api, row.lie);
    let mut has_lied = false;
    // Time enough for a busy machine, and metadata that is told several times. An address that leads nowhere is given up
    // well before: a resolver that is out of reach may look for a name for 20 s.
    let more = [
        ("delivery.timeout.ms", "4000"),
        ("max.block.ms", "4000"),
        ("metadata.max.age.ms", "500"),
        ("socket.connection.setup.timeout.ms", "500"),
        ("socket.connection.setup.timeout.max.ms", "500"),
    ];
    let (_cluster, producer) = rewritten(&more, move |answer| match answer.broker {
        _ if answer.api != api => Rewritten::Unchanged,
        1 => {
            has_lied = true;
            lie(answer)
        }
        // The liar is heard first.
        _ if !has_lied => Rewritten::Close(vec![]),
        _ => Rewritten::Unchanged,
    });
    let start = Instant::now();
    let soon = LIMIT + SLACK;
    let mut failure = None;
    let first = std::iter::repeat_with(|| outcome(&producer, 1)).take_while(|_| start.elapsed() < soon).find(
        |outcome| {
            failure = outcome.clone().err().or(failure.take());
            outcome.is_ok()
        },
    );
    let took = start.elapsed();
    let later: Result<Vec<()>, String> = (0..50)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            outcome(&producer, 1)
        })
        .take(if first.is_some() { 50 } else { 0 })
        .collect();
    if std::env::var_os("KAFKA_PRODUCER_SHOW").is_some() {
        println!("{}: {first:?} after {took:?}, {failure:?}, then {later:?}", row.name);
    }
    check(first.is_some(), format!("nobody is served: {failure:?}"))?;
    check(later.is_ok(), format!("served after {took:?}, and then no more: {later:?}"))
}

fn run(row: Row) -> Result<(), String> {
    let (api, mut lie) = (row.api, row.lie);
    let all_lie = matches!(api, Api::Metadata | Api::InitProducerId);
    let (cluster, producer) = rewritten(&[], move |answer| {
        let lies = answer.api == api && (all_lie || answer.broker == 1);
        if lies { lie(answer) } else { Rewritten::Unchanged }
    });
    let first = outcome(&producer, 0);
    check(!row.arrives || first.is_ok(), format!("the record should arrive: {first:?}"))?;
    if let Err(error) = &first {
        for part in &row.says {
            check(error.contains(part), format!("the error does not say {part:?}: {error}"))?;
        }
        check(!error.contains(|c: char| c.is_control()), format!("control characters: {error:?}"))?;
    }
    let other = outcome(&producer, 1);
    check(!row.other_is_served || other.is_ok(), format!("the other broker is not served: {other:?}"))?;
    cluster.stop_rewriting();
    if api == Api::ApiVersions {
        // What a broker speaks holds for a connection.
        cluster.stop_broker(1);
        cluster.start_broker(1).unwrap();
    }
    let start = Instant::now();
    let recovered = std::iter::repeat_with(|| (outcome(&producer, 0), outcome(&producer, 1)))
        .take_while(|_| row.recovers && start.elapsed() < 3 * SLACK)
        .find(|outcomes| outcomes.0.is_ok() && outcomes.1.is_ok());
    check(!row.recovers || recovered.is_some(), String::from("nothing arrives after the lies have ended"))?;
    let closing = Instant::now();
    let _ = producer.close_timeout(Duration::from_millis(500));
    check(closing.elapsed() < SLACK, format!("close took {:?}", closing.elapsed()))?;
    match std::env::var_os("KAFKA_PRODUCER_SHOW") {
        Some(_) => println!("{}: {first:?}, the other: {other:?}", row.name),
        None => drop((first, other)),
    }
    Ok(())
}

static DEFECTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn hold(rows: Vec<Row>) {
    hold_by(rows, run);
}

fn hold_by(rows: Vec<Row>, run: fn(Row) -> Result<(), String>) {
    logged::listen(log::LevelFilter::Warn, |record| {
        let line = record.args().to_string();
        if line.contains("panicked") || line.contains("defect") || line.contains(|c: char| c.is_control()) {
            DEFECTS.lock().unwrap().push(line);
        }
    });
    let count = rows.len();
    let waiting = Mutex::new(rows);
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(row) = waiting.lock().unwrap().pop() else { return };
                    let name = row.name.clone();
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(row)));
                    let problem = match outcome {
                        Ok(Ok(())) => continue,
                        Ok(Err(problem)) => problem,
                        Err(panic) => format!("{:?}", panic.downcast_ref::<String>()),
                    };
                    broken.lock().unwrap().push(format!("{name}: {problem}"));
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} of {count}: {broken:#?}", broken.len());
    let defects = DEFECTS.lock().unwrap();
    assert!(defects.is_empty(), "{defects:#?}");
}

/// They wait more than they work.
const AT_ONCE: usize = 48;

#[test]
fn frames_ids_and_lengths_that_lie() {
    let rows = [Api::Produce, Api::Metadata, Api::ApiVersions, Api::InitProducerId]
        .into_iter()
        .flat_map(with_any_answer);
    hold(rows.collect());
}

#[test]
fn answers_about_batches_that_lie() {
    hold(about_batches());
}

#[test]
fn answers_about_the_cluster_that_lie() {
    hold(about_the_cluster());
}

#[test]
fn answers_about_versions_and_producer_ids_that_lie() {
    hold(about_versions_and_ids());
}

/// Behaviour 89.
#[test]
fn who_is_led_by_an_honest_broker_is_served_beside_one_that_lies_about_the_cluster_or_ids() {
    let about_ids = about_versions_and_ids().into_iter().filter(|row| row.api == Api::InitProducerId);
    let of_any_kind = [Api::Metadata, Api::InitProducerId].into_iter().flat_map(with_any_answer);
    hold_by(
        about_the_cluster().into_iter().chain(about_ids).chain(of_any_kind).collect(),
        run_beside_an_honest_one,
    );
}
