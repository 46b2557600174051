//! Private keys as PKCS #8 has them, in clear and encrypted.
//!
//! Owns: the two forms. Must not know: what is written around them; algorithms of keys.
//! Source: RFC 5958.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::der::{self, Der};
use super::password_encryption::{PasswordUse, decrypt};
use super::store_error::StoreError;

/// A key in clear.
pub(super) fn clear_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, StoreError> {
    let mut outer = Der::new(bytes, KEY);
    let mut key = outer.sequence(KEY)?;
    outer.end()?;
    key.number()?;
    key.take(der::SEQUENCE)?;
    key.take(der::OCTET_STRING)?;
    Ok(PrivatePkcs8KeyDer::from(bytes.to_vec()).into())
}

/// A key that is encrypted.
pub(super) fn encrypted_key(
    bytes: &[u8],
    with: &mut PasswordUse<'_>,
) -> Result<PrivateKeyDer<'static>, StoreError> {
    let (algorithm, encrypted) = encrypted_parts(bytes)?;
    let clear: Zeroizing<Vec<u8>> = decrypt(algorithm, encrypted, with)?;
    // What is no key has come of another password by chance.
    clear_key(&clear).map_err(|_| StoreError::WrongPasswordOrDamaged(with.of))
}

/// By which algorithm a key is encrypted, and what it became.
pub(super) fn encrypted_parts(bytes: &[u8]) -> Result<(Der<'_>, &[u8]), StoreError> {
    let mut outer = Der::new(bytes, ENCRYPTED_KEY);
    let mut key = outer.sequence(ENCRYPTED_KEY)?;
    outer.end()?;
    let algorithm = key.sequence(ENCRYPTED_KEY)?;
    let encrypted = key.take(der::OCTET_STRING)?;
    key.end()?;
    Ok((algorithm, encrypted))
}

const KEY: &str = "the private key";
const ENCRYPTED_KEY: &str = "the encrypted private key";
