//! Kafka's messages by Kafka's own schemas, the JSON files in the jar of the Java clients: decodes and encodes any
//! request or response in any version, without a line written for that message.
//!
//! Must not know: anything else of this package.
//! Strict on purpose: bytes left over, an unknown tag, a null where there may be none, an overlong number are errors.
//!
//! ```text
//! let schemas = jars.schemas();
//! let produce = schemas.decode_request(0, 9, &bytes)?;
//! assert_eq!(produce["TopicData"][0]["Name"], "test");
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the schemas come with Kafka: what is not understood is a failed test"
)]

mod codec;
mod model;
mod sample;
mod value;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use codec::{Reader, SchemaWriter};
pub use model::{Message, MessageKind};
pub use value::{SchemaError, SchemaValue};

/// All requests and responses of one release of Kafka.
pub struct Schemas {
    messages: BTreeMap<(MessageKind, i16), Message>,
    request_header: Message,
    response_header: Message,
}

impl Schemas {
    /// From the texts of the schema files.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Schemas {
        let (mut messages, mut headers) = (BTreeMap::new(), BTreeMap::new());
        for message in texts.into_iter().map(Message::parse) {
            match (message.kind, message.api_key) {
                (MessageKind::Header, _) => drop(headers.insert(message.name.clone(), message)),
                (kind, Some(key)) => drop(messages.insert((kind, key), message)),
                (_, None) => {}
            }
        }
        let mut header = |name: &str| headers.remove(name).unwrap_or_else(|| panic!("no schema of {name}"));
        let (request_header, response_header) = (header("RequestHeader"), header("ResponseHeader"));
        Schemas { messages, request_header, response_header }
    }

    /// The keys of all APIs, removed ones too.
    pub fn api_keys(&self) -> Vec<i16> {
        self.messages.keys().filter(|(kind, _)| *kind == MessageKind::Request).map(|(_, key)| *key).collect()
    }

    /// A request's or response's schema.
    pub fn message(&self, kind: MessageKind, api_key: i16) -> &Message {
        self.messages.get(&(kind, api_key)).unwrap_or_else(|| panic!("no schema of {kind:?} {api_key}"))
    }

    /// The versions of an API that exist; `None` if it was removed.
    pub fn valid_versions(&self, api_key: i16) -> Option<RangeInclusive<i16>> {
        self.message(MessageKind::Request, api_key).valid_versions()
    }

    /// Whether the last version is still in the making.
    pub fn latest_version_unstable(&self, api_key: i16) -> bool {
        self.message(MessageKind::Request, api_key).latest_version_unstable
    }

    /// The valid versions without one in the making.
    pub fn stable_versions(&self, api_key: i16) -> Option<RangeInclusive<i16>> {
        let valid = self.valid_versions(api_key)?;
        Some(*valid.start()..=*valid.end() - i16::from(self.latest_version_unstable(api_key)))
    }

    /// The first version with compact lengths and tagged fields, if there is one.
    pub fn first_flexible_version(&self, api_key: i16) -> Option<i16> {
        let message = self.message(MessageKind::Request, api_key);
        message.valid_versions()?.find(|&version| message.is_flexible(version))
    }

    /// A request's body.
    pub fn decode_request(
        &self,
        api_key: i16,
        version: i16,
        body: &[u8],
    ) -> Result<SchemaValue, SchemaError> {
        decode(self.message(MessageKind::Request, api_key), version, body)
    }

    /// A response's body.
    pub fn decode_response(
        &self,
        api_key: i16,
        version: i16,
        body: &[u8],
    ) -> Result<SchemaValue, SchemaError> {
        decode(self.message(MessageKind::Response, api_key), version, body)
    }

    /// A request's body.
    pub fn encode_request(
        &self,
        api_key: i16,
        version: i16,
        value: &SchemaValue,
    ) -> Result<Vec<u8>, SchemaError> {
        encode(self.message(MessageKind::Request, api_key), version, value)
    }

    /// A response's body.
    pub fn encode_response(
        &self,
        api_key: i16,
        version: i16,
        value: &SchemaValue,
    ) -> Result<Vec<u8>, SchemaError> {
        encode(self.message(MessageKind::Response, api_key), version, value)
    }

    /// A whole request as it is on the wire behind its length: header, then body.
    pub fn decode_request_frame(&self, frame: &[u8]) -> Result<(SchemaValue, SchemaValue), SchemaError> {
        let int16 = |at: usize| frame.get(at..at + 2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
        let (Some(api_key), Some(version)) = (int16(0), int16(2)) else {
            return Err(SchemaError::new(format!("a request of {} bytes", frame.len())));
        };
        let message = self.message(MessageKind::Request, api_key);
        let mut reader = Reader::new(frame);
        let header = reader.message(&self.request_header, 1 + i16::from(message.is_flexible(version)))?;
        let body = reader.message(message, version)?;
        reader.end()?;
        Ok((header, body))
    }

    /// A whole response behind its length: header with the correlation id, then body.
    pub fn encode_response_frame(
        &self,
        api_key: i16,
        version: i16,
        correlation_id: i32,
        body: &SchemaValue,
    ) -> Result<Vec<u8>, SchemaError> {
        let message = self.message(MessageKind::Response, api_key);
        // A client that asks for versions cannot know yet which header the broker would write.
        let header_version = i16::from(message.is_flexible(version) && api_key != API_VERSIONS);
        let header =
            SchemaValue::Struct(vec![("CorrelationId".to_owned(), SchemaValue::Int(correlation_id.into()))]);
        let mut writer = SchemaWriter::default();
        writer.message(&self.response_header, header_version, &header)?;
        writer.message(message, version, body)?;
        Ok(writer.into_bytes())
    }

    /// A request with made-up content, the same for the same seed. Seed 0 has the defaults everywhere.
    pub fn sample_request(&self, api_key: i16, version: i16, seed: u64) -> SchemaValue {
        sample::message(self.message(MessageKind::Request, api_key), version, seed)
    }

    /// A response with made-up content, the same for the same seed. Seed 0 has the defaults everywhere.
    pub fn sample_response(&self, api_key: i16, version: i16, seed: u64) -> SchemaValue {
        sample::message(self.message(MessageKind::Response, api_key), version, seed)
    }
}

fn decode(message: &Message, version: i16, bytes: &[u8]) -> Result<SchemaValue, SchemaError> {
    let mut reader = Reader::new(bytes);
    let value = reader.message(message, version)?;
    reader.end()?;
    Ok(value)
}

fn encode(message: &Message, version: i16, value: &SchemaValue) -> Result<Vec<u8>, SchemaError> {
    let mut writer = SchemaWriter::default();
    writer.message(message, version, value)?;
    Ok(writer.into_bytes())
}

const API_VERSIONS: i16 = 18;
