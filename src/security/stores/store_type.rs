//! `StoreType`: the formats of stores, and how to tell them apart.
//!
//! Owns: their names and first bytes. Must not know: what is in them.

use super::der::{INTEGER, SEQUENCE};
use super::store_error::StoreError;

/// The formats of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreType {
    /// `PEM`: text, by everybody's tools.
    Pem,
    /// `PKCS12`: by OpenSSL, and by Java's `keytool` since Java 9.
    Pkcs12,
    /// `JKS`: by Java's `keytool` up to Java 8.
    Jks,
}

impl StoreType {
    /// The type of this name in `ssl.keystore.type` and `ssl.truststore.type`; upper or lower case, as Java's.
    pub(crate) fn of_name(name: &str) -> Option<StoreType> {
        [StoreType::Pem, StoreType::Pkcs12, StoreType::Jks]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// As Java calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreType::Pem => "PEM",
            StoreType::Pkcs12 => "PKCS12",
            StoreType::Jks => "JKS",
        }
    }

    /// Which type the bytes are of that are said to be of this one. Java reads a PKCS12 store also where JKS is said, which
    /// is the default, and the other way round; so do we. PEM has to be said.
    pub(super) fn found_in(self, bytes: &[u8]) -> Result<StoreType, StoreError> {
        let found = if bytes.is_empty() {
            Err(StoreError::NoKey { certificates: 0 })
        } else {
            Self::of_bytes(bytes)
        }?;
        match (self, found) {
            (StoreType::Jks | StoreType::Pkcs12, Some(found @ (StoreType::Jks | StoreType::Pkcs12))) => {
                Ok(found)
            }
            (said, Some(found)) if said != found => Err(StoreError::OtherType { said, found }),
            // Its reader says what is wrong.
            (said, _) => Ok(said),
        }
    }

    /// By the first bytes; an error if they are those of a format that is not read here, none if they are of no format.
    fn of_bytes(bytes: &[u8]) -> Result<Option<StoreType>, StoreError> {
        let unsupported = |what: &'static str, advice: &'static str| {
            Err(StoreError::Unsupported { what: what.into(), advice: advice.into() })
        };
        match bytes {
            [0xfe, 0xed, 0xfe, 0xed, ..] => Ok(Some(StoreType::Jks)),
            [0xce, 0xce, 0xce, 0xce, ..] => unsupported("a JCEKS store", JCEKS_ADVICE),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => unsupported("text in UTF-16", "save it as ASCII or UTF-8"),
            [SEQUENCE, ..] => match behind_length(bytes) {
                [INTEGER, 1, 3, ..] => Ok(Some(StoreType::Pkcs12)),
                // A certificate, a key in clear, an encrypted one.
                [SEQUENCE, ..] | [INTEGER, 1, 0 | 1, ..] => {
                    unsupported("a certificate or key in binary form (DER)", DER_ADVICE)
                }
                _ => Ok(None),
            },
            _ => Ok(bytes.windows(11).any(|window| window == b"-----BEGIN ").then_some(StoreType::Pem)),
        }
    }
}

impl StoreType {
    /// With an article, for sentences.
    pub(super) fn noun(self) -> &'static str {
        match self {
            StoreType::Pem => "PEM",
            StoreType::Pkcs12 => "a PKCS12 store",
            StoreType::Jks => "a JKS store",
        }
    }
}

/// What is in the first element, whatever its length is said to be.
fn behind_length(bytes: &[u8]) -> &[u8] {
    let more = match bytes.get(1) {
        Some(first @ 0x81..=0x84) => usize::from(first & 0x7f),
        _ => 0,
    };
    bytes.get(2 + more..).unwrap_or_default()
}

const JCEKS_ADVICE: &str = "`keytool -importkeystore -srckeystore <this file> -srcstoretype JCEKS \
     -destkeystore <new file> -deststoretype PKCS12` writes a PKCS12 store";
const DER_ADVICE: &str = "`openssl x509 -inform der` and `openssl pkey -inform der` write PEM";
