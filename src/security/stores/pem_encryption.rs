//! Keys that OpenSSL encrypted before it knew PKCS #8: `Proc-Type: 4,ENCRYPTED`.
//!
//! Owns: what `DEK-Info` says, and decrypting by it. Must not know: which key it is.
//! Source: RFC 1421 for the headers, OpenSSL's `EVP_BytesToKey` for how the password becomes a key.

use zeroize::Zeroizing;

use super::block_cipher::{BlockCipher, CipherFault};
use super::der;
use super::key_derivation::HashFunction;
use super::pem_section::PemSection;
use super::store_error::{StoreError, StorePassword};

/// The key that a section has in clear.
pub(super) fn decrypt_section(
    section: &PemSection<'_>,
    bytes: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let damaged = || StoreError::Damaged("DEK-Info is not a cipher and its initialization vector".into());
    let (name, vector) =
        section.header("DEK-Info").and_then(|info| info.split_once(',')).ok_or_else(damaged)?;
    let cipher = match name {
        "DES-CBC" => BlockCipher::Des,
        "DES-EDE3-CBC" => BlockCipher::TripleDes,
        "AES-128-CBC" => BlockCipher::Aes128,
        "AES-192-CBC" => BlockCipher::Aes192,
        "AES-256-CBC" => BlockCipher::Aes256,
        _ => {
            return Err(StoreError::Unsupported {
                what: format!("a key encrypted by {name}").into(),
                advice: "`openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it as PKCS #8".into(),
            });
        }
    };
    let vector = hexadecimal(vector.trim())
        .filter(|vector| vector.len() == cipher.block_bytes())
        .ok_or_else(damaged)?;
    let key = bytes_to_key(password, vector.get(..8).unwrap_or_default(), cipher.key_bytes());
    match cipher.decrypt(&key, &vector, bytes) {
        Ok(clear) if der::is_one(der::SEQUENCE, &clear) => Ok(clear),
        Err(CipherFault::Damaged) => {
            Err(StoreError::Damaged("the encrypted private key is not whole".into()))
        }
        _ => Err(StoreError::WrongPasswordOrDamaged(StorePassword::Key)),
    }
}

/// OpenSSL's way of one iteration: each piece is the MD5 of the piece before it, the password and the salt.
fn bytes_to_key(password: &str, salt: &[u8], bytes: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(bytes + HashFunction::Md5.output_bytes()));
    let mut piece = Zeroizing::new(Vec::new());
    while key.len() < bytes {
        piece = HashFunction::Md5.hash(&[&piece, password.as_bytes(), salt]);
        key.extend_from_slice(&piece);
    }
    key.truncate(bytes);
    key
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<Vec<u8>>>()?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
