//! Batches and requests made by hand, for the tests of the embedded cluster. Nothing here uses the client.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "support for tests")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

pub(crate) const PRODUCE: i16 = 0;
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// One record to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plain {
    pub(crate) key: Option<&'static [u8]>,
    pub(crate) value: Option<&'static [u8]>,
    pub(crate) headers: Vec<(&'static str, Option<&'static [u8]>)>,
    pub(crate) timestamp_delta: i64,
}

pub(crate) fn value(value: &'static str) -> Plain {
    Plain { value: Some(value.as_bytes()), ..Plain::default() }
}

/// A batch to be, with everything that a test may want to get wrong.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) base_offset: i64,
    pub(crate) magic: i8,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: Option<i32>,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: Option<i64>,
    pub(crate) producer: (i64, i16, i32),
    pub(crate) count: Option<i32>,
    pub(crate) records: Vec<Plain>,
}

impl Batch {
    pub(crate) fn of(records: Vec<Plain>) -> Self {
        Self {
            base_offset: 0,
            magic: 2,
            attributes: 0,
            last_offset_delta: None,
            base_timestamp: NOW_MS,
            max_timestamp: None,
            producer: (-1, -1, -1),
            count: None,
            records,
        }
    }

    pub(crate) fn by(mut self, id: i64, epoch: i16, sequence: i32) -> Self {
        self.producer = (id, epoch, sequence);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = i32::try_from(self.records.len()).unwrap();
        let last = self.records.iter().map(|record| record.timestamp_delta).max().unwrap_or(0);
        let mut body = Vec::new();
        body.extend(self.attributes.to_be_bytes());
        body.extend(self.last_offset_delta.unwrap_or(count - 1).to_be_bytes());
        body.extend(self.base_timestamp.to_be_bytes());
        body.extend(self.max_timestamp.unwrap_or(self.base_timestamp + last).to_be_bytes());
        body.extend(self.producer.0.to_be_bytes());
        body.extend(self.producer.1.to_be_bytes());
        body.extend(self.producer.2.to_be_bytes());
        body.extend(self.count.unwrap_or(count).to_be_bytes());
        for (index, record) in self.records.iter().enumerate() {
            body.extend(record_bytes(i64::try_from(index).unwrap(), record));
        }
        let mut batch = Vec::new();
        batch.extend(self.base_offset.to_be_bytes());
        batch.extend(i32::try_from(body.len() + 9).unwrap().to_be_bytes());
        batch.extend((-1_i32).to_be_bytes());
        batch.extend(self.magic.to_be_bytes());
        batch.extend(crc32c::crc32c(&body).to_be_bytes());
        batch.extend(body);
        batch
    }
}

fn record_bytes(offset_delta: i64, record: &Plain) -> Vec<u8> {
    let mut body = vec![0];
    varint(&mut body, record.timestamp_delta);
    varint(&mut body, offset_delta);
    nullable(&mut body, record.key);
    nullable(&mut body, record.value);
    varint(&mut body, i64::try_from(record.headers.len()).unwrap());
    for (key, value) in &record.headers {
        nullable(&mut body, Some(key.as_bytes()));
        nullable(&mut body, *value);
    }
    let mut bytes = Vec::new();
    varint(&mut bytes, i64::try_from(body.len()).unwrap());
    bytes.extend(body);
    bytes
}

fn nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint(out, bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap()));
    out.extend(bytes.unwrap_or_default());
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7f {
        out.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap());
}

/// A Produce request for one partition of a topic that is named (below version 13).
pub(crate) fn produce(acks: i16, topic: &str, partition: i32, records: Vec<u8>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(Bytes::from(records)));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![topic])
}

/// A frame, without its length.
pub(crate) fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("by-hand")));
    header.encode(&mut bytes, R::header_version(version)).unwrap();
    request.encode(&mut bytes, version).unwrap();
    bytes
}

/// Reads an answer, its length in front, and its correlation id.
pub(crate) fn decode<R: Decodable + HeaderVersion>(version: i16, answer: &[u8]) -> (i32, R) {
    let (length, rest) = answer.split_first_chunk::<4>().unwrap();
    assert_eq!(usize::try_from(i32::from_be_bytes(*length)).unwrap(), rest.len());
    let mut bytes = Bytes::copy_from_slice(rest);
    let header = ResponseHeader::decode(&mut bytes, R::header_version(version)).unwrap();
    let response = R::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes after the answer", bytes.len());
    (header.correlation_id, response)
}

/// A connection that speaks by hand.
pub(crate) struct ByHand(pub(crate) TcpStream);

impl ByHand {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(stream)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, correlation_id: i32, request: &R) {
        let frame = frame(version, correlation_id, request);
        self.0.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).unwrap();
        self.0.write_all(&frame).unwrap();
    }

    pub(crate) fn receive<R: Decodable + HeaderVersion>(&mut self, version: i16) -> (i32, R) {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut answer = length.to_vec();
        let size = u64::from(u32::from_be_bytes(length));
        (&mut self.0).take(size).read_to_end(&mut answer).unwrap();
        decode(version, &answer)
    }

    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response
    where
        R::Response: Decodable + HeaderVersion,
    {
        self.send(version, 7, request);
        let (correlation_id, response) = self.receive(version);
        assert_eq!(correlation_id, 7);
        response
    }

    /// Whether the broker has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        !matches!(self.0.read(&mut [0]), Ok(1..))
    }
}
