//! The sink's answers in every version that it announces, read by the kafka-protocol crate.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
    TopicName,
    produce_request::{PartitionProduceData, TopicProduceData},
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A sink of three partitions with one connection; killed at the end.
struct Sink(Child, TcpStream);

impl Sink {
    fn start() -> Outcome<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sink"));
        command.args(["--partitions", "3"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("address=").ok_or("no address")?;
        Ok(Sink(child, TcpStream::connect(address)?))
    }

    /// Sends a request; the answer, read to its last byte.
    fn ask<Q: Encodable, A: Decodable>(&mut self, key: ApiKey, version: i16, request: &Q) -> Outcome<A> {
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(i32::from(version) + 7)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, key.request_header_version(version))?;
        request.encode(&mut frame, version)?;
        self.1.write_all(&(frame.len() as i32).to_be_bytes())?;
        self.1.write_all(&frame)?;
        let mut size = [0; 4];
        self.1.read_exact(&mut size)?;
        let mut answer = vec![0; i32::from_be_bytes(size) as usize];
        self.1.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, key.response_header_version(version))?;
        assert_eq!(header.correlation_id, i32::from(version) + 7);
        let body = A::decode(&mut answer, version)?;
        assert!(answer.is_empty(), "{key:?} {version}: {} bytes left", answer.len());
        Ok(body)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn api_versions() -> Outcome<()> {
    let mut sink = Sink::start()?;
    for version in 0..=4 {
        let request = ApiVersionsRequest::default();
        let answer: ApiVersionsResponse = sink.ask(ApiKey::ApiVersions, version, &request)?;
        let produce = answer.api_keys.iter().find(|api| api.api_key == 0).ok_or("no Produce")?;
        assert_eq!((answer.error_code, produce.max_version), (0, 13), "version {version}");
    }
    Ok(())
}

#[test]
fn metadata() -> Outcome<()> {
    let mut sink = Sink::start()?;
    for version in 0..=12 {
        let answer: MetadataResponse =
            sink.ask(ApiKey::Metadata, version, &MetadataRequest::default().with_topics(Some(vec![])))?;
        let topic = answer.topics.first().ok_or("no topic")?;
        assert_eq!(topic.name, Some(TopicName(StrBytes::from_static_str("bench"))));
        assert_eq!(topic.partitions.len(), 3);
        assert!(topic.partitions.iter().all(|partition| partition.leader_id.0 == 1));
        assert_eq!(version >= 10, !topic.topic_id.is_nil(), "version {version}");
        assert_eq!(answer.brokers.first().ok_or("no broker")?.host.as_str(), "127.0.0.1");
    }
    Ok(())
}

#[test]
fn init_producer_id() -> Outcome<()> {
    let mut sink = Sink::start()?;
    for version in 0..=5 {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let answer: InitProducerIdResponse = sink.ask(ApiKey::InitProducerId, version, &request)?;
        assert_eq!((answer.error_code, answer.producer_id.0), (0, 1), "version {version}");
    }
    Ok(())
}

#[test]
fn produce_gives_offsets_in_turn() -> Outcome<()> {
    let mut sink = Sink::start()?;
    let known: MetadataResponse =
        sink.ask(ApiKey::Metadata, 12, &MetadataRequest::default().with_topics(Some(vec![])))?;
    let id = known.topics.first().ok_or("no topic")?.topic_id;
    let mut expected = 0;
    for version in 3..=13 {
        // Two batches in one partition, one small and one that the sink discards inside the kernel.
        let records = [batch(5, 100), batch(7, 300_000)].concat();
        let partition = PartitionProduceData::default().with_index(2).with_records(Some(records.into()));
        let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
        if version >= 13 {
            topic.topic_id = id;
        } else {
            topic.name = TopicName(StrBytes::from_static_str("bench"));
        }
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        let answer: ProduceResponse = sink.ask(ApiKey::Produce, version, &request)?;
        let topic = answer.responses.first().ok_or("no topic")?;
        let partition = topic.partition_responses.first().ok_or("no partition")?;
        let seen = (partition.index, partition.error_code, partition.base_offset);
        assert_eq!(seen, (2, 0, expected), "version {version}");
        assert_eq!(version >= 13, topic.topic_id == id, "version {version}");
        expected += 12;
    }
    Ok(())
}

/// A batch's header with this many records, and so many bytes instead of them.
fn batch(records: i32, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; 61 + size];
    bytes[8..12].copy_from_slice(&(49 + size as i32).to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&records.to_be_bytes());
    bytes
}

#[test]
fn what_is_not_a_batch_ends_the_connection() -> Outcome<()> {
    for spoil in [8, 16, 26, 57] {
        let mut sink = Sink::start()?;
        let mut records = batch(5, 100);
        records[spoil] = 9;
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(records.into()));
        let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
        topic.name = TopicName(StrBytes::from_static_str("bench"));
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        assert!(sink.ask::<_, ProduceResponse>(ApiKey::Produce, 11, &request).is_err(), "byte {spoil}");
    }
    Ok(())
}
