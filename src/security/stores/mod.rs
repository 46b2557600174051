//! Stores of keys and certificates, in the formats that Java's tools and OpenSSL write.
//!
//! Owns: PEM, PKCS12, JKS, and keys that are encrypted. Must not know: settings, files, connections.
//! Holds: whatever the bytes are, reading them ends soon, takes no more memory than a few times their size, and never
//! panics. Passwords, keys and what is made of them are overwritten after use.
//! Source: Java's `KeyStore`, and Kafka's `DefaultSslEngineFactory`, which decides what is taken from one.
#![allow(
    dead_code,
    unused_imports,
    unused_variables,
    reason = "what reads stores follows, and TLS, which needs them"
)]

mod key_entry;
mod store_error;
mod store_type;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) use key_entry::KeyEntry;
pub(crate) use store_error::{StoreError, StorePassword};
pub(crate) use store_type::StoreType;

/// The private keys of a store, in its order; never none. Where there are several, Java's client takes one whose
/// certificate comes from an authority that the broker names; whoever does not care takes the first. All have to be
/// opened by `key_password`, or by the store's where there is none, as with Java's.
///
/// PKCS12 and JKS are told apart by their bytes, whichever of the two is said, as Java does it.
pub(crate) fn read_key_entries(
    kind: StoreType,
    bytes: &[u8],
    store_password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Vec<KeyEntry>, StoreError> {
    Err(not_yet(kind))
}

/// The certificates that a store tells to trust; never none. As with Java's, the own certificates of its keys are among
/// them.
pub(crate) fn read_trusted_certificates(
    kind: StoreType,
    bytes: &[u8],
    store_password: Option<&str>,
) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    Err(not_yet(kind))
}

/// A key and its certificates from texts of their own: `ssl.keystore.key` and `ssl.keystore.certificate.chain`.
pub(crate) fn read_pem_key_entry(
    key: &[u8],
    chain: &[u8],
    key_password: Option<&str>,
) -> Result<KeyEntry, StoreError> {
    Err(not_yet(StoreType::Pem))
}

/// A private key alone, with nothing that vouches for it.
pub(crate) fn read_pem_key(
    text: &[u8],
    key_password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, StoreError> {
    Err(not_yet(StoreType::Pem))
}

fn not_yet(kind: StoreType) -> StoreError {
    StoreError::Unsupported { what: kind.name().into(), advice: "it follows".into() }
}
