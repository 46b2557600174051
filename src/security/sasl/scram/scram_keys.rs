//! `ScramHash`: what SCRAM computes, with either hash.
//!
//! Owns: keys, proofs, signatures. Must not know: messages.
//! Holds: keys are overwritten when they are dropped; a signature is compared in a time that tells nothing of it.
//! Source: RFC 5802, section 3.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::digest::{Digest, FixedOutput, Update};
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// Which of the two mechanisms it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::security::sasl) enum ScramHash {
    Sha256,
    Sha512,
}

/// What proves that the password is known, and what shows that the other side knows it.
pub(super) struct ScramKeys {
    client: Zeroizing<Vec<u8>>,
    server: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys")
    }
}

impl ScramHash {
    pub(super) fn mechanism(self) -> &'static str {
        match self {
            ScramHash::Sha256 => "SCRAM-SHA-256",
            ScramHash::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The keys of a password. Takes milliseconds or more, by the number of iterations.
    pub(super) fn keys(self, password: &Secret, salt: &[u8], iterations: u32) -> Result<ScramKeys, Error> {
        match self {
            ScramHash::Sha256 => keys::<Hmac<Sha256>>(password.expose(), salt, iterations),
            ScramHash::Sha512 => keys::<Hmac<Sha512>>(password.expose(), salt, iterations),
        }
    }

    /// The proof that the password is known.
    pub(super) fn proof(self, keys: &ScramKeys, auth_message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            ScramHash::Sha256 => proof::<Sha256, Hmac<Sha256>>(keys, auth_message),
            ScramHash::Sha512 => proof::<Sha512, Hmac<Sha512>>(keys, auth_message),
        }
    }

    /// Whether this is the signature of somebody who knows the password's keys.
    pub(super) fn is_signed(
        self,
        keys: &ScramKeys,
        auth_message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Error> {
        match self {
            ScramHash::Sha256 => is_signed::<Hmac<Sha256>>(keys, auth_message, signature),
            ScramHash::Sha512 => is_signed::<Hmac<Sha512>>(keys, auth_message, signature),
        }
    }
}

fn keys<M: Mac + KeyInit + Update + FixedOutput + Clone>(
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<ScramKeys, Error> {
    let mut salted = Zeroizing::new(vec![0; M::output_size()]);
    pbkdf2::pbkdf2::<M>(password.as_bytes(), salt, iterations, &mut salted).map_err(|_| no_key())?;
    Ok(ScramKeys {
        client: Zeroizing::new(mac::<M>(&salted, b"Client Key")?),
        server: Zeroizing::new(mac::<M>(&salted, b"Server Key")?),
    })
}

fn proof<D: Digest, M: Mac + KeyInit>(keys: &ScramKeys, auth_message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stored = D::digest(&*keys.client);
    let mut proof = mac::<M>(&stored, auth_message)?;
    stored.as_mut_slice().zeroize();
    proof.iter_mut().zip(&*keys.client).for_each(|(byte, key)| *byte ^= key);
    Ok(proof)
}

fn is_signed<M: Mac + KeyInit>(
    keys: &ScramKeys,
    auth_message: &[u8],
    signature: &[u8],
) -> Result<bool, Error> {
    let mut mac = <M as KeyInit>::new_from_slice(&keys.server).map_err(|_| no_key())?;
    Mac::update(&mut mac, auth_message);
    Ok(mac.verify_slice(signature).is_ok())
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| no_key())?;
    Mac::update(&mut mac, message);
    Ok(mac.finalize().into_bytes().to_vec())
}

/// HMAC takes keys of any length.
fn no_key() -> Error {
    Error::new(ErrorKind::Bug, "HMAC has refused the length of a key")
}

// SHA-1 comes with TLS alone.
#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    /// RFC 5802's own example, which is of SHA-1.
    #[test]
    fn the_formulas_are_those_of_rfc_5802() {
        use sha1::Sha1;
        let salt = [0x41, 0x25, 0xc2, 0x47, 0xe4, 0x3a, 0xb1, 0xe9, 0x3c, 0x6d, 0xff, 0x76];
        let keys = keys::<Hmac<Sha1>>("pencil", &salt, 4096).unwrap();
        let auth_message = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
            s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        let proof = proof::<Sha1, Hmac<Sha1>>(&keys, auth_message).unwrap();
        assert_eq!(super::super::scram_messages::base64(&proof), "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        let signature = super::super::scram_messages::bytes_of("rmF9pqV8S7suAoZWja4dJRkFsKQ=").unwrap();
        assert!(is_signed::<Hmac<Sha1>>(&keys, auth_message, &signature).unwrap());
        assert!(!is_signed::<Hmac<Sha1>>(&keys, b"another", &signature).unwrap());
        assert!(!is_signed::<Hmac<Sha1>>(&keys, auth_message, &signature[..19]).unwrap());
        assert!(!is_signed::<Hmac<Sha1>>(&keys, auth_message, b"").unwrap());
    }
}
