//! Metadata and ApiVersions: what a client asks first.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::api::Api;
use super::broker_error::BrokerError;
use super::cluster_builder::{FinalizedFeatures, MAX_TRANSACTION_VERSION, TopicConfig, is_topic_name};
use super::cluster_state::{ClusterState, HostedPartition, HostedTopic};
use super::fault::FaultPlan;

/// One Metadata request.
pub(super) struct MetadataAnswer<'a> {
    pub(super) cluster: &'a mut ClusterState,
    pub(super) cluster_id: &'a str,
    pub(super) auto_create: Option<&'a TopicConfig>,
    pub(super) plan: &'a FaultPlan,
    pub(super) version: i16,
}

/// The cluster as one broker goes on showing it.
#[derive(Debug)]
pub(super) struct ShownCluster {
    pub(super) cluster: ClusterState,
    pub(super) cluster_id: String,
}

impl MetadataAnswer<'_> {
    pub(super) fn answer(mut self, request: &MetadataRequest) -> MetadataResponse {
        let version = self.version;
        let mut response = MetadataResponse::default();
        if version >= 3 {
            response.throttle_time_ms = self.plan.throttle_ms();
        }
        let failure = self.plan.failure().filter(|_| version >= 13);
        if let Some(failure) = failure.filter(|failure| failure.error == BrokerError::REBOOTSTRAP_REQUIRED) {
            return response.with_error_code(failure.error.code());
        }
        if version >= 2 {
            response.cluster_id = Some(StrBytes::from_string(self.cluster_id.to_owned()));
        }
        if version >= 1 {
            response.controller_id = self.cluster.live_brokers().next().map_or(-1, |(id, _)| id).into();
        }
        response.brokers = self
            .cluster
            .live_brokers()
            .map(|(id, broker)| {
                MetadataResponseBroker::default()
                    .with_node_id(id.into())
                    .with_host(StrBytes::from_string(broker.host.clone()))
                    .with_port(i32::from(broker.port))
                    .with_rack(broker.rack.clone().filter(|_| version >= 1).map(StrBytes::from_string))
            })
            .collect();
        response.topics = match &request.topics {
            Some(topics) if version > 0 || !topics.is_empty() => {
                let may_create = version < 4 || request.allow_auto_topic_creation;
                topics.iter().map(|asked| self.asked_topic(asked, may_create)).collect()
            }
            _ => self.cluster.topics.iter().map(|(name, topic)| self.known_topic(name, topic)).collect(),
        };
        if let Some(failure) = failure.filter(|_| response.topics.is_empty()) {
            response.error_code = failure.error.code();
        }
        response
    }

    fn asked_topic(&mut self, asked: &MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
        let Some(name) = &asked.name else {
            return match self.cluster.topic_by_id(asked.topic_id) {
                Some((name, topic)) => self.known_topic(name, topic),
                None => {
                    let unknown = MetadataResponseTopic::default().with_name(self.no_name());
                    unknown
                        .with_topic_id(asked.topic_id)
                        .with_error_code(BrokerError::UNKNOWN_TOPIC_ID.code())
                }
            };
        };
        if let Some(topic) = self.cluster.topics.get(name.as_str()) {
            return self.known_topic(name, topic);
        }
        let error = if !is_topic_name(name) {
            BrokerError::INVALID_TOPIC_EXCEPTION
        } else {
            if let Some(config) = self.auto_create.filter(|_| may_create) {
                self.cluster.create_topic(name, config.clone());
            }
            BrokerError::UNKNOWN_TOPIC_OR_PARTITION
        };
        let error = self.plan.failure_of(name, None).map_or(error, |failure| failure.error);
        MetadataResponseTopic::default().with_name(Some(name.clone())).with_error_code(error.code())
    }

    /// What stands for the name of a topic that only its id is known of.
    fn no_name(&self) -> Option<TopicName> {
        (self.version < 12).then(TopicName::default)
    }

    fn known_topic(&self, name: &str, topic: &HostedTopic) -> MetadataResponseTopic {
        let mut told = MetadataResponseTopic::default().with_name(Some(topic_name(name)));
        if self.version >= 10 {
            told.topic_id = topic.id;
        }
        if let Some(failure) = self.plan.failure_of(name, None) {
            return told.with_error_code(failure.error.code());
        }
        let partitions = (0..).zip(topic.partitions.iter().take(topic.told));
        told.with_partitions(partitions.map(|(index, partition)| self.partition(index, partition)).collect())
    }

    fn partition(&self, index: i32, partition: &HostedPartition) -> MetadataResponsePartition {
        let brokers = |live: bool| {
            let chosen = partition.replicas.iter().filter(move |id| !live || self.cluster.is_live(**id));
            chosen.map(|id| BrokerId(*id)).collect()
        };
        let mut told = MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(partition.leader.unwrap_or(-1).into())
            .with_replica_nodes(brokers(false))
            .with_isr_nodes(brokers(true));
        if partition.leader.is_none() {
            told.error_code = BrokerError::LEADER_NOT_AVAILABLE.code();
        }
        if self.version >= 7 {
            told.leader_epoch = partition.leader_epoch;
        }
        if self.version >= 5 {
            let offline = partition.replicas.iter().filter(|id| !self.cluster.is_live(**id));
            told.offline_replicas = offline.map(|id| BrokerId(*id)).collect();
        }
        told
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Answers ApiVersions: what the broker was built to tell.
pub(super) fn api_versions(
    (told, features): (&BTreeMap<Api, RangeInclusive<i16>>, FinalizedFeatures),
    version: i16,
    request: &ApiVersionsRequest,
    plan: &FaultPlan,
) -> ApiVersionsResponse {
    let mut response = ApiVersionsResponse::default();
    if version >= 1 {
        response.throttle_time_ms = plan.throttle_ms();
    }
    let is_named =
        is_software_name(&request.client_software_name) && is_software_name(&request.client_software_version);
    if version >= 3 && !is_named {
        return response.with_error_code(BrokerError::INVALID_REQUEST.code());
    }
    let range = |(api, versions): (&Api, &RangeInclusive<i16>)| {
        let min = ApiVersion::default().with_api_key(api.key()).with_min_version(*versions.start());
        min.with_max_version(*versions.end())
    };
    response = response.with_api_keys(told.iter().map(range).collect());
    if version >= 3 {
        tell_features(features, version, &mut response);
    }
    response
}

/// KIP-584: a feature of level 0 is not told as finalized; one that may be 0 is not told as supported before version 4.
fn tell_features(features: FinalizedFeatures, version: i16, response: &mut ApiVersionsResponse) {
    let name = StrBytes::from_static_str("transaction.version");
    if version >= 4 {
        let supported = SupportedFeatureKey::default().with_name(name.clone());
        response.supported_features = vec![supported.with_max_version(MAX_TRANSACTION_VERSION)];
    }
    response.finalized_features_epoch = features.epoch;
    let level = features.transaction_version;
    if level > 0 {
        let finalized = FinalizedFeatureKey::default().with_name(name);
        response.finalized_features =
            vec![finalized.with_min_version_level(level).with_max_version_level(level)];
    }
}

/// Kafka's rule (KIP-511): letters, digits, `.` and `-`, at both ends a letter or digit.
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
