//! What an administrator does while producers run, asked of the brokers directly: topics, partitions, leaders, quotas.
//!
//! Must not know: the producer under test. Messages are written and read by the `kafka-protocol` crate.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteTopicsRequest, ElectLeadersRequest, MetadataRequest, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Kafka's code and words, or what became of the connection.
pub type AdminResult<T> = Result<T, String>;

/// A broker to ask: any of them, it passes on to the controller what is for it.
#[derive(Clone, Copy)]
pub struct Admin(pub u16);

/// A topic as one broker sees it.
pub struct DescribedTopic {
    /// As Kafka writes it into `partition.metadata`.
    pub id: [u8; 16],
    /// In order of their numbers.
    pub partitions: Vec<DescribedPartition>,
}

pub struct DescribedPartition {
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Admin {
    pub fn topic(self, name: &str) -> AdminResult<DescribedTopic> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let answer = self.ask(&request, 12)?;
        let found = answer.topics.into_iter().next().ok_or("no topic in the answer")?;
        code(found.error_code, None)?;
        let ids = |nodes: &[BrokerId]| nodes.iter().map(|id| id.0).collect();
        let mut partitions: Vec<DescribedPartition> = found
            .partitions
            .iter()
            .map(|partition| DescribedPartition {
                index: partition.partition_index,
                leader: partition.leader_id.0,
                replicas: ids(&partition.replica_nodes),
                offline: ids(&partition.offline_replicas),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.index);
        Ok(DescribedTopic { id: found.topic_id.into_bytes(), partitions })
    }

    pub fn create_topic(self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> AdminResult<()> {
        let config = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(3)
            .with_configs(configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(LIMIT_MS);
        let answer = self.ask(&request, 7)?;
        answer.topics.iter().try_for_each(|topic| code(topic.error_code, topic.error_message.as_ref()))
    }

    pub fn delete_topic(self, name: &str) -> AdminResult<()> {
        let topic = DeleteTopicState::default().with_name(Some(topic_name(name)));
        let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(LIMIT_MS);
        let answer = self.ask(&request, 6)?;
        answer.responses.iter().try_for_each(|topic| code(topic.error_code, topic.error_message.as_ref()))
    }

    pub fn grow_topic(self, name: &str, partitions: i32) -> AdminResult<()> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(partitions)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(LIMIT_MS);
        let answer = self.ask(&request, 3)?;
        answer.results.iter().try_for_each(|topic| code(topic.error_code, topic.error_message.as_ref()))
    }

    /// Puts each partition's replicas into this order, and lets the first of them lead it.
    pub fn move_leaders(self, name: &str, orders: &[(i32, Vec<i32>)]) -> AdminResult<()> {
        let partition = |(index, replicas): &(i32, Vec<i32>)| {
            let replicas = replicas.iter().map(|&id| BrokerId(id)).collect();
            ReassignablePartition::default().with_partition_index(*index).with_replicas(Some(replicas))
        };
        let topic = ReassignableTopic::default()
            .with_name(topic_name(name))
            .with_partitions(orders.iter().map(partition).collect());
        let request =
            AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(LIMIT_MS);
        let answer = self.ask(&request, 0)?;
        code(answer.error_code, answer.error_message.as_ref())?;
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            code(partition.error_code, partition.error_message.as_ref())?;
        }
        let partitions = TopicPartitions::default()
            .with_topic(topic_name(name))
            .with_partitions(orders.iter().map(|(index, _)| *index).collect());
        let preferred = 0;
        let request = ElectLeadersRequest::default()
            .with_election_type(preferred)
            .with_topic_partitions(Some(vec![partitions]))
            .with_timeout_ms(LIMIT_MS);
        // Who leads already has an error of its own there: the caller looks at the leaders.
        code(self.ask(&request, 2)?.error_code, None)
    }

    /// How many bytes a second one client id may send to a broker; `None` takes the limit away.
    pub fn limit_client(self, client_id: &str, bytes_per_second: Option<f64>) -> AdminResult<()> {
        let entity =
            EntityData::default().with_entity_type(text("client-id")).with_entity_name(Some(text(client_id)));
        let limit = OpData::default()
            .with_key(text("producer_byte_rate"))
            .with_value(bytes_per_second.unwrap_or_default())
            .with_remove(bytes_per_second.is_none());
        let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![limit]);
        let answer = self.ask(&AlterClientQuotasRequest::default().with_entries(vec![entry]), 1)?;
        answer.entries.iter().try_for_each(|entry| code(entry.error_code, entry.error_message.as_ref()))
    }

    fn ask<R: Request>(self, request: &R, version: i16) -> AdminResult<R::Response> {
        self.exchange(request, version).map_err(|error| format!("{error:#}"))
    }

    fn exchange<R: Request>(
        self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Box<dyn std::error::Error>> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(1)
            .with_client_id(Some(text("soak-admin")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version))?;
        request.encode(&mut body, version)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.0));
        let mut socket = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        socket.set_read_timeout(Some(Duration::from_millis(LIMIT_MS.unsigned_abs().into())))?;
        socket.write_all(&u32::try_from(body.len())?.to_be_bytes())?;
        socket.write_all(&body)?;
        let mut length = [0; 4];
        socket.read_exact(&mut length)?;
        let mut answer = Vec::new();
        socket.take(u64::from(u32::from_be_bytes(length))).read_to_end(&mut answer)?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
        Ok(R::Response::decode(&mut answer, version)?)
    }
}

fn code(code: i16, message: Option<&StrBytes>) -> AdminResult<()> {
    match code {
        0 => Ok(()),
        _ => Err(format!("error {code} {}", message.map_or("", |words| words.as_str()))),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

const LIMIT_MS: i32 = 10_000;
