//! Which format bytes are of, whatever is said of them.
//!
//! Owns: the first bytes of each format. Must not know: what follows them.

use super::der::{INTEGER, SEQUENCE};
use super::store_error::StoreError;
use super::store_type::StoreType;

/// Which type the bytes are of that are said to be of this one. Java reads a PKCS12 store also where JKS is said, which
/// is the default, and the other way round; so do we. PEM has to be said.
pub(super) fn type_of(said: StoreType, bytes: &[u8]) -> Result<StoreType, StoreError> {
    let found = type_by_bytes(bytes)?;
    match (said, found) {
        (StoreType::Pem, None) => Err(StoreError::NoPem),
        (StoreType::Jks | StoreType::Pkcs12, Some(found @ (StoreType::Jks | StoreType::Pkcs12))) => Ok(found),
        (said, Some(found)) if said != found => Err(StoreError::OtherType { said, found }),
        // Its reader says what is wrong.
        (said, _) => Ok(said),
    }
}

/// By the first bytes; an error if there are none or they are those of a format that is not read here, none if they are of
/// no format.
pub(crate) fn type_by_bytes(bytes: &[u8]) -> Result<Option<StoreType>, StoreError> {
    let unsupported = |what: &'static str, advice: &'static str| {
        Err(StoreError::Unsupported { what: what.into(), advice: advice.into() })
    };
    match bytes {
        _ if bytes.trim_ascii().is_empty() => Err(StoreError::Empty),
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
