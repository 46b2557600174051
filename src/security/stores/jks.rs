//! JKS: keys and certificates as Java's `keytool` wrote them up to Java 8.
//!
//! Owns: the format, its digest, and how it encrypts keys. Must not know: other formats.
//! Holds: no count or length in it makes us allocate; only what is there is read.
//! Source: Java's `JavaKeyStore` and `KeyProtector`.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::certificate::certificate;
use super::der;
use super::key_derivation::{HashFunction, utf16};
use super::key_entry::KeyEntry;
use super::password_encryption::identifier;
use super::private_key::{clear_key, encrypted_parts};
use super::store_error::{StoreError, StorePassword};
use crate::secret::are_same;

/// All private keys.
pub(super) fn key_entries(
    bytes: &[u8],
    store_password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Vec<KeyEntry>, StoreError> {
    let store = JksStore::read(bytes, store_password)?;
    let key_password = key_password.or(store_password);
    let (mut entries, several) = (Vec::new(), store.keys.len() > 1);
    for JksKey { alias, protected, chain } in store.keys {
        let key = match key_password {
            Some(password) => unprotect(protected, password).map_err(|error| match error {
                StoreError::WrongPasswordOrDamaged(password) if store_password.is_some() => {
                    StoreError::WrongPassword(password)
                }
                other => other,
            }),
            None => Err(StoreError::PasswordMissing(StorePassword::Key)),
        };
        let key = key.map_err(|error| if several { error.in_entry(&alias) } else { error })?;
        if chain.is_empty() {
            return Err(StoreError::NoCertificate { keys: 1 });
        }
        entries.push(KeyEntry { alias, key, chain });
    }
    if entries.is_empty() {
        Err(StoreError::NoKey { certificates: store.trusted.len() })
    } else {
        Ok(entries)
    }
}

/// Those that are there to be trusted, and the keys' own.
pub(super) fn trusted_certificates(
    bytes: &[u8],
    store_password: Option<&str>,
) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let store = JksStore::read(bytes, store_password)?;
    let own = store.keys.iter().filter_map(|key| key.chain.first().cloned());
    let trusted: Vec<_> = store.trusted.iter().cloned().chain(own).collect();
    if trusted.is_empty() { Err(StoreError::NoCertificate { keys: store.keys.len() }) } else { Ok(trusted) }
}

/// What is in a store.
struct JksStore<'a> {
    keys: Vec<JksKey<'a>>,
    trusted: Vec<CertificateDer<'static>>,
}

struct JksKey<'a> {
    alias: String,
    /// By a password.
    protected: &'a [u8],
    chain: Vec<CertificateDer<'static>>,
}

impl<'a> JksStore<'a> {
    /// Reads all of it. Without a password the digest is not looked at, as with Java's.
    fn read(bytes: &'a [u8], password: Option<&str>) -> Result<Self, StoreError> {
        let mut reader = JksReader { rest: bytes };
        if reader.number()? != MAGIC {
            return Err(StoreError::Damaged("it does not begin as a JKS store does".into()));
        }
        let version = reader.number()?;
        if !matches!(version, 1 | 2) {
            return Err(StoreError::Damaged("its version is neither 1 nor 2".into()));
        }
        let mut store = JksStore { keys: Vec::new(), trusted: Vec::new() };
        for _ in 0..reader.number()? {
            let kind = reader.number()?;
            let alias = reader.text()?;
            // When it was made.
            reader.take(8)?;
            match kind {
                1 => {
                    let protected = reader.block()?;
                    let count = reader.number()?;
                    let chain = (0..count).map(|_| reader.certificate(version)).collect::<Result<_, _>>()?;
                    store.keys.push(JksKey { alias, protected, chain });
                }
                2 => store.trusted.push(reader.certificate(version)?),
                _ => return Err(StoreError::Damaged("an entry is neither a key nor a certificate".into())),
            }
        }
        let content = bytes.get(..bytes.len() - reader.rest.len()).unwrap_or_default();
        let digest = reader.take(DIGEST_BYTES)?;
        match password {
            Some(password) => store.check(content, digest, password).map(|()| store),
            None => Ok(store),
        }
    }

    /// What was written has a digest that only those can make who know the password.
    fn check(&self, content: &[u8], digest: &[u8], password: &str) -> Result<(), StoreError> {
        let found = HashFunction::Sha1.hash(&[&utf16(password), WHITENER, content]);
        if are_same(&found, digest) {
            return Ok(());
        }
        if self.keys.iter().any(|key| unprotect(key.protected, password).is_ok()) {
            return Err(StoreError::Damaged(
                "the password opens a key, but the digest is that of another content".into(),
            ));
        }
        Err(StoreError::WrongPasswordOrDamaged(StorePassword::Store))
    }
}

/// `KeyProtector.recover`: a salt, the key under a stream that SHA-1 makes of password and salt, and a digest of both.
fn unprotect(bytes: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, StoreError> {
    let (algorithm, protected) = encrypted_parts(bytes)?;
    let (name, _) = identifier(algorithm)?;
    if name != KEY_PROTECTOR {
        return Err(StoreError::Unsupported {
            what: format!("a key in a JKS store that is encrypted by {}", der::dotted(name)).into(),
            advice: "`keytool -importkeystore -deststoretype PKCS12` writes a PKCS12 store".into(),
        });
    }
    let short = || StoreError::Damaged("an encrypted private key is too short".into());
    let (salt, rest) = protected.split_at_checked(DIGEST_BYTES).ok_or_else(short)?;
    let (hidden, digest) =
        rest.len().checked_sub(DIGEST_BYTES).and_then(|at| rest.split_at_checked(at)).ok_or_else(short)?;
    let password = utf16(password);
    let mut clear = Zeroizing::new(hidden.to_vec());
    let mut stream = Zeroizing::new(salt.to_vec());
    for piece in clear.chunks_mut(DIGEST_BYTES) {
        stream = HashFunction::Sha1.hash(&[&password, &stream]);
        piece.iter_mut().zip(stream.iter()).for_each(|(byte, other)| *byte ^= other);
    }
    if !are_same(&HashFunction::Sha1.hash(&[&password, &clear]), digest) {
        return Err(StoreError::WrongPasswordOrDamaged(StorePassword::Key));
    }
    clear_key(&clear)
}

/// What is left to be read.
struct JksReader<'a> {
    rest: &'a [u8],
}

impl<'a> JksReader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], StoreError> {
        let ended = || StoreError::Damaged("it ends too early".into());
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or_else(ended)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        Ok(self.take(4)?.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    fn block(&mut self) -> Result<&'a [u8], StoreError> {
        let bytes = self.number()?;
        self.take(bytes as usize)
    }

    /// As `DataInput.readUTF` reads it, but for characters that nobody calls a key by.
    fn text(&mut self) -> Result<String, StoreError> {
        let bytes = self.take(2)?.iter().fold(0, |number, digit| number << 8 | usize::from(*digit));
        Ok(String::from_utf8_lossy(self.take(bytes)?).into_owned())
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, StoreError> {
        if version == 2 && self.text()? != "X.509" {
            return Err(StoreError::Damaged("a certificate is not X.509".into()));
        }
        certificate(self.block()?)
    }
}

pub(super) const MAGIC: u32 = 0xfeed_feed;
const WHITENER: &[u8] = b"Mighty Aphrodite";
/// Of SHA-1.
const DIGEST_BYTES: usize = 20;
/// 1.3.6.1.4.1.42.2.17.1.1, Sun's
const KEY_PROTECTOR: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01];
