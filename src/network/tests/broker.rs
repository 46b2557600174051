//! What a broker says, written with a codec that is not ours.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsResponse, ResponseHeader};
use kafka_protocol::protocol::Encodable;

use crate::cluster::Node;
use crate::config::{Faults, ProducerConfig, Settings};
use crate::protocol::{Request, Response};
use crate::wire::{DecodeError, Decoder, Encoder};

/// What stands in a request's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AskedHeader {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

pub(super) fn asked(frame: &[u8]) -> AskedHeader {
    let i16_at = |at: usize| i16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
    let correlation_id = i32::from_be_bytes(frame[4..8].try_into().unwrap());
    AskedHeader { key: i16_at(0), version: i16_at(2), correlation_id }
}

/// A frame with its size.
pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

/// The answer to ApiVersions: `PING` is spoken in versions 0 to 3.
pub(super) fn versions(asked: AskedHeader) -> Vec<u8> {
    assert_eq!(asked.key, 18);
    versions_answer(asked.correlation_id, asked.version, 0, &[(18, 0, 4), (Ping::KEY, 0, 3)])
}

pub(super) fn versions_answer(id: i32, version: i16, code: i16, apis: &[(i16, i16, i16)]) -> Vec<u8> {
    let api = |&(key, min, max): &_| {
        ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
    };
    let response =
        ApiVersionsResponse::default().with_error_code(code).with_api_keys(apis.iter().map(api).collect());
    let mut out = BytesMut::new();
    ResponseHeader::default().with_correlation_id(id).encode(&mut out, 0).unwrap();
    response.encode(&mut out, version).unwrap();
    framed(&out)
}

/// The answer to a ping.
pub(super) fn pong(correlation_id: i32) -> Vec<u8> {
    pong_with_pause(correlation_id, 0)
}

pub(super) fn pong_with_pause(correlation_id: i32, throttle_time_ms: i32) -> Vec<u8> {
    framed(&[correlation_id.to_be_bytes(), throttle_time_ms.to_be_bytes()].concat())
}

/// A request of our own: batches spliced in, and nothing else.
pub(super) struct Ping {
    pub(super) newest: i16,
    pub(super) batches: Vec<Arc<Vec<u8>>>,
}

pub(super) fn ping() -> Ping {
    Ping { newest: 9, batches: Vec::new() }
}

impl Request for Ping {
    const KEY: i16 = 77;
    const NAME: &'static str = "Ping";
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;
    const FLEXIBLE_FROM: i16 = i16::MAX;
    const PAUSES_FROM: i16 = 2;
    type Response = Pong;

    fn newest_version(&self) -> i16 {
        self.newest
    }

    fn oldest_version(&self) -> i16 {
        self.newest.min(3)
    }

    fn encode(&self, out: &mut Encoder) {
        self.batches.iter().for_each(|batch| out.records(batch.clone()));
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pong {
    throttle_time_ms: i32,
}

impl Response for Pong {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Pong { throttle_time_ms: input.i32("throttle_time_ms")? })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

pub(super) fn node(id: i32, host: &str, port: u16) -> Node {
    Node { id, host: host.to_owned(), port: i32::from(port), rack: None }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Java's defaults.
pub(super) fn settings() -> Settings {
    let config = ProducerConfig::new().bootstrap_servers("localhost:9092").client_id("test");
    let mut faults = Faults::default();
    let settings = config.resolve(&["key.serializer", "value.serializer"], &mut faults);
    faults.into_result().unwrap();
    settings
}
