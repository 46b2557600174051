//! What brokers say that is not so: answers rewritten on their way out.
//!
//! Owns: how an answer changes by each lie. Must not know: when brokers lie.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kafka_embedded::{Api, BrokerAnswer, Rewritten};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_response::{LeaderIdAndEpoch, NodeEndpoint};
use kafka_protocol::messages::{MetadataResponse, ProduceResponse};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::simulation::plan::Lie;

/// Who lies at the moment, and how.
#[derive(Clone, Default)]
pub(super) struct Lies(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lies: Vec<(Option<i32>, Lie)>,
    told: i32,
}

impl Lies {
    pub(super) fn add(&self, broker: Option<i32>, lie: Lie) {
        self.0.lock().unwrap().lies.push((broker, lie));
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
        match lie {
            Lie::NoBrokers => message.brokers.clear(),
            Lie::OneBrokerLess => drop(message.brokers.pop()),
            Lie::NoTopics => message.topics.iter_mut().for_each(|topic| {
                topic.partitions.clear();
                topic.error_code = 3;
            }),
            other => message.topics.iter_mut().for_each(|topic| distort(topic, *other)),
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
        _ => {}
    }
}

fn produce(answer: &BrokerAnswer<'_>, lies: &[Lie], told: i32) -> Option<Vec<u8>> {
    let mut message =
        ProduceResponse::decode(&mut Bytes::copy_from_slice(answer.body), answer.version).ok()?;
    if lies.contains(&Lie::NoAnswers) {
        message.responses.clear();
    }
    let partitions = message.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
    let mut hinted = Vec::new();
    for partition in partitions.filter(|_| answer.version >= 10) {
        for lie in lies {
            // Brokers number from 1; there are three.
            let another = answer.broker % 3 + 1;
            let (leader, epoch) = match lie {
                Lie::WrongHints => (another, 1_000_000),
                Lie::ContraryHints => (told % 3 + 1, 1_000 + told),
                Lie::LateHints => (another, 0),
                Lie::HintsElsewhere => {
                    (partition.current_leader.leader_id.0, partition.current_leader.leader_epoch)
                }
                _ => continue,
            };
            // It stands beside the error that it explains.
            if *lie == Lie::WrongHints || *lie == Lie::ContraryHints {
                // What was written keeps its offset, as with a leader that moves while its replicas are awaited.
                partition.error_code = 6;
            }
            if partition.error_code == 6 {
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(leader.into()).with_leader_epoch(epoch);
                hinted.push((leader, *lie));
            }
        }
    }
    for (leader, lie) in hinted.into_iter().filter(|(leader, _)| *leader > 0) {
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
