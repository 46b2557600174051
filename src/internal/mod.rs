//! What tests and benchmarks need of the inside: the readers of strangers' bytes for `tests/decoders.rs` and `fuzz/`, and
//! for `benchmarks/` the codecs and a producer that is driven turn by turn. Not part of the public interface.
//!
//! Owns: nothing. Must not know: what becomes of what was read.
//! Holds: each reader returns what is wrong in words, as a user would be told, and never panics.

mod filled;
#[cfg(not(loom))]
mod stepped;

use std::ops::RangeInclusive;
use std::path::Path;

use crate::config::{ProducerConfig, properties_pairs, read_properties};
use crate::error::Error;
use crate::network::read_frames;
use crate::protocol::{
    ApiVersionsRequest, GetTelemetrySubscriptionsRequest, InitProducerIdRequest, MetadataRequest,
    ProduceRequest, PushTelemetryRequest, Request, SaslAuthenticateRequest, SaslHandshakeRequest,
    decode_response,
};
use crate::record_batch::read_records;
use crate::security::sasl::oauthbearer::read_claims;
#[cfg(any(test, fuzzing, feature = "oidc"))]
use crate::security::sasl::oauthbearer::read_token_answer;
use crate::security::sasl::{read_jaas, read_scram_messages};

#[cfg(feature = "tls")]
use crate::security::stores::{StoreType, read_key_entries, read_trusted_certificates};

pub use crate::record_batch::Codec;
pub use filled::{FilledBatch, Sealed};
#[cfg(not(loom))]
pub use stepped::{Broker, SteppedProducer};

/// The pairs of a file in Java's properties syntax, in their order, whatever program they are meant for.
///
/// # Errors
///
/// As those of [`ProducerConfig::from_file`](crate::ProducerConfig::from_file); no value is looked at.
pub fn properties_file(path: impl AsRef<Path>) -> Result<Vec<(String, String)>, Error> {
    properties_pairs(path.as_ref())
}

/// Whether anybody has set this setting, be it to an empty text, which [`ProducerConfig::get`] does not tell.
#[must_use]
pub fn is_given(config: &ProducerConfig, name: &str) -> bool {
    config.is_given(name)
}

/// An API whose answers are read: its name, and its versions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answers {
    /// Kafka's number of the API.
    pub key: i16,
    /// Kafka's name of it.
    pub name: &'static str,
    /// The versions that are spoken.
    pub versions: RangeInclusive<i16>,
    read: fn(i16, &[u8]) -> Result<(), String>,
}

impl Answers {
    /// All of them.
    pub fn all() -> [Answers; 8] {
        [
            Self::to::<ProduceRequest>(),
            Self::to::<MetadataRequest>(),
            Self::to::<ApiVersionsRequest>(),
            Self::to::<InitProducerIdRequest>(),
            Self::to::<SaslHandshakeRequest>(),
            Self::to::<SaslAuthenticateRequest<'_>>(),
            Self::to::<GetTelemetrySubscriptionsRequest>(),
            Self::to::<PushTelemetryRequest>(),
        ]
    }

    /// Reads an answer, its header included; an error names API, version and field.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn read(&self, version: i16, frame: &[u8]) -> Result<(), String> {
        (self.read)(version, frame)
    }

    fn to<R: Request>() -> Answers {
        let read = |version, frame: &[u8]| match decode_response::<R>(version, frame) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        Answers { key: R::KEY, name: R::NAME, versions: R::VERSIONS, read }
    }
}

/// Cuts a stream that comes in pieces of `step` bytes into answers: how many bytes they have together.
///
/// # Errors
///
/// A size that no answer has.
pub fn frames(stream: &[u8], step: usize) -> Result<usize, String> {
    read_frames(stream, step)
}

/// Reads the records of a batch that lie behind its header, compressed by codec `codec` of [`CODECS`]: how many.
/// No more than `limit` bytes are unpacked.
///
/// # Errors
///
/// What the codec says, or that they are not records.
pub fn records(codec: usize, bytes: &[u8], limit: usize) -> Result<usize, String> {
    let codec = match codec % CODECS {
        0 => Codec::None,
        #[cfg(feature = "gzip")]
        1 => Codec::Gzip { level: 6 },
        #[cfg(feature = "snappy")]
        2 => Codec::Snappy,
        #[cfg(feature = "lz4")]
        3 => Codec::Lz4 { level: 9 },
        #[cfg(feature = "zstd")]
        4 => Codec::Zstd { level: 3 },
        _ => Codec::None,
    };
    let raw = codec.decompress(bytes, limit).map_err(|error| error.to_string())?;
    read_records(&raw).ok_or_else(|| String::from("these are not records"))
}

/// Reads a text of `sasl.jaas.config`: how long the name of its login module is.
///
/// # Errors
///
/// What is wrong, and at which character.
pub fn jaas(text: &str) -> Result<usize, String> {
    read_jaas(text)
}

/// Reads bytes as what a broker says in a login by SCRAM: how much the client has to say to it.
///
/// # Errors
///
/// What is wrong.
pub fn scram(bytes: &[u8]) -> Result<usize, String> {
    read_scram_messages(bytes)
}

/// Reads the claims of a token that is a JWT: how many bytes the subject has.
///
/// # Errors
///
/// What is wrong.
pub fn claims(token: &str) -> Result<usize, String> {
    read_claims(token)
}

/// Reads what a token endpoint answers, and the claims of the token in it: how many bytes the subject has.
///
/// # Errors
///
/// What is wrong.
#[cfg(any(test, fuzzing, feature = "oidc"))]
pub fn token_answer(status: u16, body: &[u8]) -> Result<usize, String> {
    read_token_answer(status, body)
}

/// None, gzip, snappy, lz4, zstd.
pub const CODECS: usize = 5;

/// Reads the text of a properties file: how many pairs.
///
/// # Errors
///
/// What is wrong, and on which line.
pub fn properties(text: &str) -> Result<usize, String> {
    read_properties(text)
}

/// Reads a store of keys and certificates, of a type that `ssl.keystore.type` has: how many keys it has with their
/// certificates, and how many certificates to trust.
///
/// # Errors
///
/// That there is no such type, or what is wrong with the keys or with what is trusted.
#[cfg(feature = "tls")]
pub fn store(kind: &str, bytes: &[u8], password: Option<&str>) -> Result<(usize, usize), String> {
    let kind = StoreType::of_name(kind).ok_or("there is no such type")?;
    let keys = read_key_entries(kind, bytes, password, password).map(|keys| keys.len());
    let trusted = read_trusted_certificates(kind, bytes, password).map(|trusted| trusted.len());
    match (keys, trusted) {
        (Err(error), Err(_)) => Err(error.to_string()),
        (keys, trusted) => Ok((keys.unwrap_or_default(), trusted.unwrap_or_default())),
    }
}
