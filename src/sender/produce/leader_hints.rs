//! The leaders that brokers name in their answers to Produce requests.
//!
//! Owns: which topic a hint is for, and what of it counts. Must not know: whom to believe; that is `metadata`'s.
//! Source: KIP-951.

use std::collections::HashMap;
use std::time::Instant;

use crate::cluster::Node;
use crate::metadata::LeaderNews;
use crate::protocol::{ProduceResponse, TopicProduceResponse};
use crate::record::TopicName;
use crate::sender::produce::{Produce, ProduceContext};
use crate::transaction::TransactionManager;
use crate::uuid::Uuid;

impl Produce {
    /// Takes over the leaders that an answer names beside its refusals, with their addresses.
    pub(super) fn learn_leaders(
        &mut self,
        response: &ProduceResponse,
        context: &ProduceContext,
        transaction: &mut TransactionManager,
        now: Instant,
    ) {
        let told = |topic: &&TopicProduceResponse| {
            topic.partition_responses.iter().any(|partition| partition.current_leader.is_some())
        };
        let topics: Vec<_> = response.responses.iter().filter(told).collect();
        if topics.is_empty() {
            return;
        }
        let asked = context.batches.iter();
        let names: HashMap<(&str, Uuid), &TopicName> = asked
            .flat_map(|sent| [((&*sent.topic, Uuid::ZERO), &sent.topic), (("", sent.topic_id), &sent.topic)])
            .collect();
        let mut news = Vec::new();
        for topic in topics {
            let id = if topic.name.is_empty() { topic.topic_id } else { Uuid::ZERO };
            let Some(name) = names.get(&(&*topic.name, id)) else { continue };
            for partition in &topic.partition_responses {
                let Some(leader) = &partition.current_leader else { continue };
                news.push(LeaderNews {
                    topic: (*name).clone(),
                    partition: partition.index,
                    leader: leader.leader_id,
                    leader_epoch: leader.leader_epoch,
                });
            }
        }
        if news.is_empty() {
            return;
        }
        let endpoints = response.node_endpoints.iter().map(|endpoint| Node {
            id: endpoint.node_id,
            host: endpoint.host.clone(),
            port: endpoint.port,
            rack: endpoint.rack.clone(),
        });
        let endpoints: Vec<Node> = endpoints.collect();
        if let Some(picture) = self.metadata.with_leaders(&news, &endpoints) {
            self.take_over(&picture, transaction, now);
            self.metadata.publish_leaders(picture);
        }
    }
}
