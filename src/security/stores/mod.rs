//! Stores of keys and certificates, in the formats that Java's tools and OpenSSL write.
//!
//! Owns: PEM, PKCS12, JKS, and keys that are encrypted. Must not know: settings, files, connections.
//! Holds: whatever the bytes are, reading them ends soon, takes no more memory than a few times their size, and never
//! panics. Passwords, keys and what is made of them are overwritten after use.
//! Source: Java's `KeyStore`, and Kafka's `DefaultSslEngineFactory`, which decides what is taken from one.

mod ber;
mod block_cipher;
mod certificate;
mod der;
mod jks;
mod key_derivation;
mod key_entry;
mod password_encryption;
mod pem;
mod pem_encryption;
mod pem_section;
mod pkcs12;
mod pkcs12_bags;
mod private_key;
mod store_detection;
mod store_error;
mod store_type;
#[cfg(test)]
mod tests;
mod work_budget;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use store_detection::type_of;

pub(crate) use key_entry::KeyEntry;
pub(crate) use store_detection::type_by_bytes;
pub(crate) use store_error::{StoreError, StorePassword};
pub(crate) use store_type::StoreType;

/// The private keys of a store, in its order; never none. Where there are several, Java's client takes one whose
/// certificate comes from an authority that the broker names; whoever does not care takes the first. All have to be
/// opened by the key's password, or by the store's where there is none, as with Java's.
///
/// PKCS12 and JKS are told apart by their bytes, whichever of the two is said, as Java does it. PEM has one key.
pub(crate) fn read_key_entries(
    kind: StoreType,
    bytes: &[u8],
    store_password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Vec<KeyEntry>, StoreError> {
    match type_of(kind, bytes)? {
        StoreType::Pem => Ok(vec![pem::key_entry(bytes, bytes, key_password)?]),
        StoreType::Pkcs12 => pkcs12::key_entries(bytes, store_password, key_password),
        StoreType::Jks => jks::key_entries(bytes, store_password, key_password),
    }
}

/// The certificates that a store tells to trust; never none. As with Java's, the own certificates of its keys are among
/// them. Without a password nothing vouches for the store.
pub(crate) fn read_trusted_certificates(
    kind: StoreType,
    bytes: &[u8],
    store_password: Option<&str>,
) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    match type_of(kind, bytes)? {
        StoreType::Pem => pem::certificates(bytes),
        StoreType::Pkcs12 => pkcs12::trusted_certificates(bytes, store_password),
        StoreType::Jks => jks::trusted_certificates(bytes, store_password),
    }
}

/// A key and its certificates from texts of their own: `ssl.keystore.key` and `ssl.keystore.certificate.chain`.
pub(crate) fn read_pem_key_entry(
    key: &[u8],
    chain: &[u8],
    key_password: Option<&str>,
) -> Result<KeyEntry, StoreError> {
    type_of(StoreType::Pem, key)?;
    pem::key_entry(key, chain, key_password)
}

/// A private key alone, with nothing that vouches for it.
#[cfg_attr(not(any(test, feature = "oidc")), expect(dead_code, reason = "only tokens are signed with one"))]
pub(crate) fn read_pem_key(
    text: &[u8],
    key_password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, StoreError> {
    pem::private_key(text, key_password)
}
