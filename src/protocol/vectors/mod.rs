//! Every message in every version against the `kafka-protocol` crate, which was made from Kafka's own schemas:
//! what we encode it decodes to the same fields, and the other way round.
//!
//! Values come from a generator with a fixed seed and favour edges: null and empty, lengths around a byte's worth
//! of a variable-length integer, the ends of the integers' ranges. Responses carry tagged fields that we do not
//! know. Every response is also cut, lengthened and damaged.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod end_txn;
mod find_coordinator;
mod init_producer_id;
mod metadata;
mod produce;
mod sasl;
mod telemetry_messages;
mod txn_offset_commit;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use super::{Request, correlation_id, decode_response, encode_request};
use crate::uuid::Uuid;
use crate::wire::EncodedMessage;

const VALUES_PER_VERSION: usize = 300;

/// Of how many of them each cut and some damage is tried as well.
const DAMAGED_PER_VERSION: usize = 15;

/// Random fields of a message in one version.
pub(super) struct Generator {
    rng: fastrand::Rng,
    version: i16,
    flexible: bool,
}

impl Generator {
    fn new<R: Request>(version: i16) -> Self {
        let seed = 1_000 * R::KEY as u64 + version as u64;
        Generator { rng: fastrand::Rng::with_seed(seed), version, flexible: version >= R::FLEXIBLE_FROM }
    }

    fn i16(&mut self) -> i16 {
        let edge = [0, 1, -1, i16::MIN, i16::MAX][self.rng.usize(..5)];
        if self.rng.bool() { edge } else { self.rng.i16(..) }
    }

    fn i32(&mut self) -> i32 {
        let edge = [0, 1, -1, i32::MIN, i32::MAX][self.rng.usize(..5)];
        if self.rng.bool() { edge } else { self.rng.i32(..) }
    }

    fn i64(&mut self) -> i64 {
        let edge = [0, 1, -1, i64::MIN, i64::MAX][self.rng.usize(..5)];
        if self.rng.bool() { edge } else { self.rng.i64(..) }
    }

    fn bool(&mut self) -> bool {
        self.rng.bool()
    }

    fn uuid(&mut self) -> Uuid {
        Uuid(self.rng.u128(..).to_be_bytes())
    }

    fn text(&mut self) -> String {
        let length = match self.rng.u8(..10) {
            0 => 0,
            1 => self.rng.usize(125..130), // 126 is the last length that takes one byte in the compact form
            _ => self.rng.usize(1..20),
        };
        (0..length).map(|_| if self.rng.u8(..20) == 0 { 'é' } else { self.rng.alphanumeric() }).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = if self.rng.u8(..10) == 0 { self.rng.usize(125..130) } else { self.rng.usize(..40) };
        (0..length).map(|_| self.rng.u8(..)).collect()
    }

    fn optional<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.rng.u8(..3) == 0 { None } else { Some(make(self)) }
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.rng.usize(..4);
        (0..length).map(|_| make(self)).collect()
    }

    /// As a list, now and then so long that its length takes two bytes in the compact form.
    fn long_list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = if self.rng.u8(..20) == 0 { self.rng.usize(125..130) } else { self.rng.usize(..4) };
        (0..length).map(|_| make(self)).collect()
    }

    /// The field's value in the versions that have it, else the schema's default.
    fn since<T>(&mut self, version: i16, default: T, make: impl FnOnce(&mut Self) -> T) -> T {
        if self.version >= version { make(self) } else { default }
    }

    /// Tagged fields of some future, with tags from `lowest` on.
    fn unknown_tags(&mut self, lowest: i32) -> BTreeMap<i32, Bytes> {
        if !self.flexible || self.rng.u8(..4) != 0 {
            return BTreeMap::new();
        }
        (0..self.rng.usize(1..4)).map(|_| (lowest + self.rng.i32(0..300), self.bytes().into())).collect()
    }
}

fn theirs_text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Their `Uuid` is of a crate that we do not depend on; it reads the usual text.
fn theirs_uuid<T: FromStr<Err: Debug>>(id: Uuid) -> T {
    format!("{:032x}", u128::from_be_bytes(id.0)).parse().unwrap()
}

/// The frame as the socket sees it.
fn flat(message: &EncodedMessage) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut done = 0;
    for (position, batch) in &message.splices {
        frame.extend_from_slice(&message.bytes[done..*position]);
        frame.extend_from_slice(batch);
        done = *position;
    }
    frame.extend_from_slice(&message.bytes[done..]);
    assert_eq!(frame.len(), message.size_bytes());
    frame
}

/// Encodes a request, lets them read the header, and returns what they read of the body.
fn they_read<R: Request, T: Decodable + HeaderVersion>(request: &R, version: i16) -> T {
    let frame = flat(&encode_request(request, version, 0x0102_0304, "client"));
    let size = i32::from_be_bytes(frame[..4].try_into().unwrap());
    assert_eq!(size as usize, frame.len() - 4);

    let mut rest = Bytes::from(frame).split_off(4);
    let header = theirs::RequestHeader::decode(&mut rest, T::header_version(version)).unwrap();
    assert_eq!((header.request_api_key, header.request_api_version), (R::KEY, version));
    assert_eq!((header.correlation_id, header.client_id), (0x0102_0304, Some("client".into())));
    let body = T::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "{} v{version}: {} bytes left", R::NAME, rest.len());
    body
}

/// A response as they write it, without the size field.
fn they_write<T: Encodable + HeaderVersion>(
    body: &T,
    version: i16,
    header_tags: BTreeMap<i32, Bytes>,
) -> Vec<u8> {
    let mut frame = BytesMut::new();
    let header =
        theirs::ResponseHeader::default().with_correlation_id(77).with_unknown_tagged_fields(header_tags);
    header.encode(&mut frame, T::header_version(version)).unwrap();
    body.encode(&mut frame, version).unwrap();
    frame.to_vec()
}

/// Runs through all versions: `request` makes one of ours, which `same` finds equal to what they read.
fn requests<R: Request, T: Decodable + HeaderVersion + PartialEq + Debug>(
    mut request: impl FnMut(&mut Generator) -> R,
    mut expected: impl FnMut(&R, i16) -> T,
) {
    for version in R::VERSIONS {
        let mut generator = Generator::new::<R>(version);
        for _ in 0..VALUES_PER_VERSION {
            let ours = request(&mut generator);
            let read: T = they_read(&ours, version);
            assert_eq!(read, expected(&ours, version), "{} v{version}", R::NAME);
        }
    }
}

/// Runs through all versions: `theirs` makes one of theirs, and we read what `ours` says that it is.
fn responses<R: Request<Response: PartialEq + Debug>, T: Encodable + HeaderVersion>(
    mut theirs: impl FnMut(&mut Generator) -> T,
    mut ours: impl FnMut(&T, i16) -> R::Response,
) {
    for version in R::VERSIONS {
        let mut generator = Generator::new::<R>(version);
        for round in 0..VALUES_PER_VERSION {
            let response = theirs(&mut generator);
            let tagged_header = T::header_version(version) >= 1;
            let tags = if tagged_header { generator.unknown_tags(0) } else { BTreeMap::new() };
            let frame = they_write(&response, version, tags);
            assert_eq!(correlation_id(&frame), Some(77));
            let read = decode_response::<R>(version, &frame);
            assert_eq!(read, Ok(ours(&response, version)), "{} v{version}", R::NAME);
            if round < DAMAGED_PER_VERSION {
                damage::<R>(version, &frame, &mut generator.rng);
            }
        }
        noise::<R>(version, &mut generator.rng);
    }
}

/// Every cut and every byte too many is an error that names API, version and field; no damage is a panic.
fn damage<R: Request>(version: i16, frame: &[u8], rng: &mut fastrand::Rng) {
    for length in 0..frame.len() {
        refused::<R>(version, &frame[..length]);
    }
    refused::<R>(version, &[frame, &[rng.u8(..)]].concat());
    for _ in 0..200 {
        let mut damaged = frame.to_vec();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..damaged.len());
            damaged[at] = [0, 0x7f, 0x80, 0xff, rng.u8(..)][rng.usize(..5)];
        }
        let _ = decode_response::<R>(version, &damaged);
    }
}

fn refused<R: Request>(version: i16, frame: &[u8]) {
    let Err(error) = decode_response::<R>(version, frame) else {
        panic!("{} v{version} read {} bytes that are not one", R::NAME, frame.len());
    };
    assert!(!error.field().is_empty());
    assert!(error.offset() <= frame.len());
    let start = format!("{} v{version} response: {}: ", R::NAME, error.field());
    assert!(error.to_string().starts_with(&start), "{error}");
}

fn noise<R: Request>(version: i16, rng: &mut fastrand::Rng) {
    for _ in 0..5_000 {
        let small_numbers = rng.bool();
        let byte = |rng: &mut fastrand::Rng| if small_numbers { rng.u8(..4) } else { rng.u8(..) };
        let frame: Vec<u8> = (0..rng.usize(..120)).map(|_| byte(rng)).collect();
        let _ = decode_response::<R>(version, &frame);
    }
}

#[test]
fn a_frame_too_short_for_a_correlation_id_has_none() {
    assert_eq!(correlation_id(&[0, 0, 0]), None);
    assert_eq!(correlation_id(&[0xff, 0xff, 0xff, 0xfe, 9]), Some(-2));
}

/// Our range of an API lies in the range that Kafka's schemas call stable.
#[test]
fn versions_lie_in_the_schemas_ranges() {
    fn check<R: Request, T: kafka_protocol::protocol::Message>() {
        assert!(
            *R::VERSIONS.start() >= T::VERSIONS.min && *R::VERSIONS.end() <= T::VERSIONS.max,
            "{}",
            R::NAME
        );
    }
    check::<super::AddOffsetsToTxnRequest, theirs::AddOffsetsToTxnRequest>();
    check::<super::AddPartitionsToTxnRequest, theirs::AddPartitionsToTxnRequest>();
    check::<super::ApiVersionsRequest, theirs::ApiVersionsRequest>();
    check::<super::EndTxnRequest, theirs::EndTxnRequest>();
    check::<super::FindCoordinatorRequest, theirs::FindCoordinatorRequest>();
    // Of the request they leave out the unstable version.
    check::<super::InitProducerIdRequest, theirs::InitProducerIdResponse>();
    check::<super::MetadataRequest, theirs::MetadataRequest>();
    check::<super::ProduceRequest, theirs::ProduceRequest>();
    check::<super::SaslAuthenticateRequest<'_>, theirs::SaslAuthenticateRequest>();
    check::<super::SaslHandshakeRequest, theirs::SaslHandshakeRequest>();
    check::<super::TxnOffsetCommitRequest, theirs::TxnOffsetCommitRequest>();
}
