//! What brokers say that is not so: answers rewritten on their way out.
//!
//! Owns: how an answer changes by each lie. Must not know: when brokers lie.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kafka_embedded::{Api, BrokerAnswer, Rewritten};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_response::{LeaderIdAndEpoch, NodeEndpoint};
use kafka_protocol::messages::{
    ApiVersionsResponse, InitProducerIdResponse, MetadataResponse, ProduceResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::simulation::plan::Lie;
use crate::stage::note;

/// Who lies at the moment, and how.
#[derive(Clone, Default)]
pub(super) struct Lies(Arc<Mutex<LiesInForce>>);

#[derive(Default)]
struct LiesInForce {
    lies: Vec<(Option<i32>, Lie)>,
    told: i32,
}

impl Lies {
    pub(super) fn add(&self, broker: Option<i32>, lie: Lie) {
        self.0.lock().unwrap().lies.push((broker, lie));
    }

    pub(super) fn has(&self, wanted: Lie) -> bool {
        self.0.lock().unwrap().lies.iter().any(|(_, lie)| *lie == wanted)
    }

    pub(super) fn end(&self) {
        self.0.lock().unwrap().lies.clear();
    }

    /// For `ClusterRules::rewrite_answers`.
    pub(super) fn rewriter(&self) -> impl FnMut(&BrokerAnswer<'_>) -> Rewritten + Send + 'static {
        let lies = self.clone();
        move |answer| {
            let mut state = lies.0.lock().unwrap();
            let mine = |(broker, lie): &(Option<i32>, Lie)| {
                (broker.is_none_or(|broker| broker == answer.broker)).then_some(*lie)
            };
            let told: Vec<Lie> = state.lies.iter().filter_map(mine).collect();
            if told.is_empty() {
                return Rewritten::Unchanged;
            }
            state.told += 1;
            let body = match answer.api {
                Api::Metadata => metadata(answer, &told),
                Api::Produce => produce(answer, &told, state.told),
                Api::ApiVersions if told.contains(&Lie::NoMetadata) => versions(answer),
                Api::InitProducerId if told.contains(&Lie::LateEpochs) => {
                    // Once, or each bump would cost a request.
                    state.lies.retain(|(_, lie)| *lie != Lie::LateEpochs);
                    producer_id(answer)
                }
                _ => None,
            };
            body.map_or(Rewritten::Unchanged, Rewritten::Body)
        }
    }
}

fn metadata(answer: &BrokerAnswer<'_>, lies: &[Lie]) -> Option<Vec<u8>> {
    let mut message =
        MetadataResponse::decode(&mut Bytes::copy_from_slice(answer.body), answer.version).ok()?;
    for lie in lies {
        let before = message.clone();
        match lie {
            Lie::NoBrokers => message.brokers.clear(),
            Lie::OneBrokerLess => drop(message.brokers.pop()),
            Lie::OddPorts => {
                let ports = [70_000, -1, i32::MIN];
                message.brokers.iter_mut().zip(ports).for_each(|(broker, port)| broker.port = port);
            }
            Lie::NotMentioned => message.topics.clear(),
            Lie::NoTopics => message.topics.iter_mut().for_each(|topic| {
                topic.partitions.clear();
                topic.error_code = 3;
            }),
            other => message.topics.iter_mut().for_each(|topic| distort(topic, *other)),
        }
        if message != before {
            note("lie", lie);
        }
    }
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).ok()?;
    Some(body)
}

fn distort(topic: &mut MetadataResponseTopic, lie: Lie) {
    let partitions = &mut topic.partitions;
    let count = partitions.len();
    match lie {
        Lie::FewerPartitions => partitions.truncate(count.div_ceil(2)),
        Lie::OldEpochs => {
            partitions.iter_mut().for_each(|one| one.leader_epoch = (one.leader_epoch - 1).max(0))
        }
        Lie::StrangeLeaders => partitions.iter_mut().for_each(|one| one.leader_id = 77.into()),
        Lie::NoLeaders => partitions.iter_mut().for_each(|one| {
            one.leader_id = (-1).into();
            one.error_code = 5;
        }),
        Lie::Gap if count > 1 => drop(partitions.remove(count / 2)),
        Lie::Repeated => partitions.extend(partitions.last().cloned()),
        Lie::NoPartitions => partitions.clear(),
        Lie::Backwards => partitions.reverse(),
        Lie::OddNumbers => {
            let odd = [-1, i32::MAX].into_iter().zip(partitions.clone());
            let odd: Vec<_> = odd.map(|(index, one)| one.with_partition_index(index)).collect();
            let newer = partitions.last().cloned().map(|last| {
                let epoch = last.leader_epoch + 1;
                last.with_leader_epoch(epoch)
            });
            partitions.extend(odd.into_iter().chain(newer));
        }
        _ => {}
    }
}

fn produce(answer: &BrokerAnswer<'_>, lies: &[Lie], told: i32) -> Option<Vec<u8>> {
    let mut message =
        ProduceResponse::decode(&mut Bytes::copy_from_slice(answer.body), answer.version).ok()?;
    if lies.contains(&Lie::NoAnswers) && !message.responses.is_empty() {
        message.responses.clear();
        note("lie", Lie::NoAnswers);
    }
    let partitions = message.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
    let mut hinted = Vec::new();
    for partition in partitions {
        if lies.contains(&Lie::LogStarts) && partition.error_code != 0 && answer.version >= 5 {
            partition.log_start_offset = 0;
            note("lie", Lie::LogStarts);
        }
        if answer.version < 10 {
            continue;
        }
        for lie in lies {
            // Brokers number from 1; there are three.
            let another = answer.broker % 3 + 1;
            let (leader, epoch) = match lie {
                Lie::WrongHints => (another, 1_000_000),
                Lie::HintsAlone => (NOBODY, 1_000_000),
                Lie::ContraryHints => (told % 3 + 1, 1_000 + told),
                Lie::LateHints => (another, 0),
                Lie::HintsElsewhere => {
                    (partition.current_leader.leader_id.0, partition.current_leader.leader_epoch)
                }
                _ => continue,
            };
            // It stands beside the error that it explains.
            if matches!(lie, Lie::WrongHints | Lie::ContraryHints | Lie::HintsAlone) {
                // What was written keeps its offset, as with a leader that moves while its replicas are awaited.
                partition.error_code = 6;
            }
            if partition.error_code == 6 {
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(leader.into()).with_leader_epoch(epoch);
                hinted.push((leader, *lie));
                note("lie", lie);
            }
        }
    }
    for (leader, lie) in hinted.into_iter().filter(|(leader, _)| *leader > 0 && *leader != NOBODY) {
        let host =
            if lie == Lie::HintsElsewhere { "broker-9".to_owned() } else { format!("broker-{leader}") };
        message.node_endpoints.retain(|node| node.node_id.0 != leader);
        let endpoint = NodeEndpoint::default().with_node_id(leader.into()).with_port(9092);
        message.node_endpoints.push(endpoint.with_host(StrBytes::from_string(host)));
    }
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).ok()?;
    Some(body)
}

/// A broker that speaks no version of Metadata that anybody knows.
fn versions(answer: &BrokerAnswer<'_>) -> Option<Vec<u8>> {
    let mut message =
        ApiVersionsResponse::decode(&mut Bytes::copy_from_slice(answer.body), answer.version).ok()?;
    let metadata = message.api_keys.iter_mut().find(|known| known.api_key == Api::Metadata.key())?;
    (metadata.min_version, metadata.max_version) = (90, 99);
    note("lie", Lie::NoMetadata);
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).ok()?;
    Some(body)
}

/// An epoch behind which there are two.
fn producer_id(answer: &BrokerAnswer<'_>) -> Option<Vec<u8>> {
    let mut message =
        InitProducerIdResponse::decode(&mut Bytes::copy_from_slice(answer.body), answer.version).ok()?;
    if message.error_code == 0 {
        message.producer_epoch = i16::MAX - 2;
        note("lie", Lie::LateEpochs);
    }
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).ok()?;
    Some(body)
}

/// There is no such broker.
const NOBODY: i32 = 9;
