//! Encryption by a password, as an algorithm identifier describes it: PBES1, PBES2, and those of PKCS #12.
//!
//! Owns: which identifiers stand for what, and their parameters. Must not know: what is encrypted, beyond its first byte.
//! Source: RFC 8018 appendix A, RFC 7292 appendix C, RFC 9579 for a MAC whose key is made by PBKDF2.

use zeroize::Zeroizing;

use super::block_cipher::{BlockCipher, CipherFault};
use super::der::{self, Der};
use super::key_derivation::{HashFunction, Pkcs12Purpose, bmp_string};
use super::store_error::{StoreError, StorePassword};
use super::work_budget::WorkBudget;

/// A password, what it is for, and how much work it may make.
pub(super) struct PasswordUse<'a> {
    pub(super) password: &'a str,
    pub(super) of: StorePassword,
    pub(super) budget: &'a mut WorkBudget,
}

/// Decrypts what is a `SEQUENCE` in clear; anything else comes of a wrong password.
pub(super) fn decrypt(
    algorithm: Der<'_>,
    bytes: &[u8],
    with: &mut PasswordUse<'_>,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (scheme, parameters) = identifier(algorithm)?;
    let keys = match scheme {
        PBES2 => pbes2(parameters, with)?,
        _ => pbes1(scheme, parameters, with)?,
    };
    let mut fault = CipherFault::Damaged;
    for KeyAndVector { cipher, key, vector } in keys {
        match cipher.decrypt(&key, &vector, bytes) {
            Ok(clear) if is_sequence(&clear) => return Ok(clear),
            Ok(_) => fault = CipherFault::Key,
            Err(found) => fault = found,
        }
    }
    Err(match fault {
        CipherFault::Key => StoreError::WrongPasswordOrDamaged(with.of),
        CipherFault::Damaged => StoreError::Damaged("what is encrypted has not the length of it".into()),
    })
}

/// Whether a PBMAC1 of these parameters is that of the message.
pub(super) fn verifies_pbmac1(
    parameters: Der<'_>,
    message: &[u8],
    code: &[u8],
    with: &mut PasswordUse<'_>,
) -> Result<bool, StoreError> {
    let mut parameters = { parameters }.sequence(PARAMETERS)?;
    let derivation = parameters.sequence(PARAMETERS)?;
    let (mac, _) = identifier(parameters.sequence(PARAMETERS)?)?;
    let hash = hmac_hash(mac)?;
    let key = pbkdf2(derivation, hash.output_bytes(), with)?;
    Ok(hash.verifies(&key, message, code))
}

/// The hash of a digest's identifier.
pub(super) fn digest_hash(identifier: &[u8]) -> Result<HashFunction, StoreError> {
    Ok(match identifier {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05] => HashFunction::Md5,
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => HashFunction::Sha1,
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last] => match last {
            1 => HashFunction::Sha256,
            2 => HashFunction::Sha384,
            3 => HashFunction::Sha512,
            4 => HashFunction::Sha224,
            5 => HashFunction::Sha512To224,
            6 => HashFunction::Sha512To256,
            _ => return Err(unsupported("the hash", identifier)),
        },
        _ => return Err(unsupported("the hash", identifier)),
    })
}

/// What is in an algorithm identifier: its name, and its parameters.
pub(super) fn identifier<'a>(mut algorithm: Der<'a>) -> Result<(&'a [u8], Der<'a>), StoreError> {
    Ok((algorithm.take(der::OBJECT_IDENTIFIER)?, algorithm))
}

/// What decrypts.
struct KeyAndVector {
    cipher: BlockCipher,
    key: Zeroizing<Vec<u8>>,
    vector: Zeroizing<Vec<u8>>,
}

/// RFC 8018 6.2: the parameters say how the key is made, and what it is for.
fn pbes2(mut parameters: Der<'_>, with: &mut PasswordUse<'_>) -> Result<Vec<KeyAndVector>, StoreError> {
    let mut parameters = parameters.sequence(PARAMETERS)?;
    let derivation = parameters.sequence(PARAMETERS)?;
    let (name, mut vector) = identifier(parameters.sequence(PARAMETERS)?)?;
    parameters.end()?;
    let cipher = match name {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02] => BlockCipher::Aes128,
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16] => BlockCipher::Aes192,
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a] => BlockCipher::Aes256,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07] => BlockCipher::TripleDes,
        [0x2b, 0x0e, 0x03, 0x02, 0x07] => BlockCipher::Des,
        _ => return Err(unsupported("the cipher", name)),
    };
    let vector = vector.take(der::OCTET_STRING)?;
    if vector.len() != cipher.block_bytes() {
        return Err(StoreError::Damaged("the initialization vector has not the size of a block".into()));
    }
    let key = pbkdf2(derivation, cipher.key_bytes(), with)?;
    Ok(vec![KeyAndVector { cipher, key, vector: Zeroizing::new(vector.to_vec()) }])
}

/// Derives a key of this many bytes as the algorithm identifier says.
fn pbkdf2(
    derivation: Der<'_>,
    bytes: usize,
    with: &mut PasswordUse<'_>,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (name, mut parameters) = identifier(derivation)?;
    if name == SCRYPT {
        return Err(StoreError::Unsupported { what: "a key made by scrypt".into(), advice: NEWER.into() });
    }
    if name != PBKDF2 {
        return Err(unsupported("the key derivation", name));
    }
    let mut parameters = parameters.sequence(PARAMETERS)?;
    let salt = parameters.take(der::OCTET_STRING)?;
    let iterations = parameters.number()?;
    if parameters.next_is(der::INTEGER) && parameters.number()? as usize != bytes {
        return Err(StoreError::Damaged("the key has not the size that its cipher needs".into()));
    }
    let hash = match parameters.is_empty() {
        true => HashFunction::Sha1,
        false => hmac_hash(identifier(parameters.sequence(PARAMETERS)?)?.0)?,
    };
    parameters.end()?;
    with.budget.spend(iterations)?;
    Ok(hash.pbkdf2(with.password.as_bytes(), salt, iterations, bytes))
}

/// The schemes whose name says it all. The parameters are salt and iterations.
fn pbes1(
    scheme: &[u8],
    mut parameters: Der<'_>,
    with: &mut PasswordUse<'_>,
) -> Result<Vec<KeyAndVector>, StoreError> {
    use BlockCipher::{Des, Rc2Of40, Rc2Of64, Rc2Of128, TripleDes, TripleDesOfTwo};
    let found = match (scheme.strip_prefix(PKCS12_SCHEMES), scheme.strip_prefix(PKCS5_SCHEMES)) {
        (Some([3]), _) => Ok(TripleDes),
        (Some([4]), _) => Ok(TripleDesOfTwo),
        (Some([5]), _) => Ok(Rc2Of128),
        (Some([6]), _) => Ok(Rc2Of40),
        (_, Some([3])) => Err((HashFunction::Md5, Des)),
        (_, Some([6])) => Err((HashFunction::Md5, Rc2Of64)),
        (_, Some([10])) => Err((HashFunction::Sha1, Des)),
        (_, Some([11])) => Err((HashFunction::Sha1, Rc2Of64)),
        _ => return Err(unsupported("the encryption", scheme)),
    };
    let mut parameters = parameters.sequence(PARAMETERS)?;
    let salt = parameters.take(der::OCTET_STRING)?;
    let iterations = parameters.number()?;
    parameters.end()?;
    match found {
        Ok(cipher) => pkcs12_keys(cipher, salt, iterations, with),
        Err((hash, cipher)) => {
            with.budget.spend(iterations)?;
            let both = hash.pbkdf1(with.password.as_bytes(), salt, iterations);
            let (key, vector) = both.split_at_checked(8).unwrap_or_default();
            let part = |bytes: &[u8]| Zeroizing::new(bytes.iter().copied().take(8).collect());
            Ok(vec![KeyAndVector { cipher, key: part(key), vector: part(vector) }])
        }
    }
}

fn pkcs12_keys(
    cipher: BlockCipher,
    salt: &[u8],
    iterations: u32,
    with: &mut PasswordUse<'_>,
) -> Result<Vec<KeyAndVector>, StoreError> {
    let mut keys = Vec::new();
    for password in pkcs12_passwords(with.password) {
        with.budget.spend(iterations)?;
        let derive = |purpose, bytes| HashFunction::Sha1.pkcs12(purpose, &password, salt, iterations, bytes);
        keys.push(KeyAndVector {
            cipher,
            key: derive(Pkcs12Purpose::Key, cipher.key_bytes()),
            vector: derive(Pkcs12Purpose::InitializationVector, cipher.block_bytes()),
        });
    }
    Ok(keys)
}

/// A password in the forms that tools give it. An empty one is two zero bytes to Java, and nothing at all to those that
/// make no difference between no password and an empty one.
pub(super) fn pkcs12_passwords(password: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![bmp_string(password)];
    if password.is_empty() {
        forms.push(Zeroizing::default());
    }
    forms
}

fn hmac_hash(identifier: &[u8]) -> Result<HashFunction, StoreError> {
    Ok(match identifier.strip_prefix(RSA_DIGESTS) {
        Some([7]) => HashFunction::Sha1,
        Some([8]) => HashFunction::Sha224,
        Some([9]) => HashFunction::Sha256,
        Some([10]) => HashFunction::Sha384,
        Some([11]) => HashFunction::Sha512,
        Some([12]) => HashFunction::Sha512To224,
        Some([13]) => HashFunction::Sha512To256,
        _ => return Err(unsupported("the HMAC", identifier)),
    })
}

/// In clear there is one `SEQUENCE`; its length may be left open by those who write BER.
fn is_sequence(clear: &[u8]) -> bool {
    der::is_one(der::SEQUENCE, clear) || matches!(clear, [der::SEQUENCE, 0x80, .., 0, 0])
}

fn unsupported(what: &str, identifier: &[u8]) -> StoreError {
    StoreError::Unsupported {
        what: format!("{what} {}", der::dotted(identifier)).into(),
        advice: NEWER.into(),
    }
}

const PARAMETERS: &str = "the description of its encryption";
const NEWER: &str = "encrypt it anew with PBES2, PBKDF2 and AES-256-CBC, \
     as `openssl pkcs8 -topk8 -v2 aes-256-cbc` and `openssl pkcs12 -export` do";

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// 1.2.840.113549.1.5.14
pub(super) const PBMAC1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0e];
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
/// 1.2.840.113549.1.5, 1.2.840.113549.1.12.1 and 1.2.840.113549.2
const PKCS5_SCHEMES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
const PKCS12_SCHEMES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01];
const RSA_DIGESTS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
