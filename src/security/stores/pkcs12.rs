//! PKCS #12: keys and certificates as OpenSSL and newer tools of Java write them.
//!
//! Owns: the order of its parts, its MAC, which certificate belongs to which key and which is trusted. Must not know: how
//! things are encrypted, other formats.
//! Holds: what is not encrypted and what was decrypted is read by the same code; nothing is taken that the MAC does not
//! vouch for, where there are a MAC and a password.
//! Source: RFC 7292, and Java's `PKCS12KeyStore`.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::ber::{definite, joined};
use super::certificate::chain_of;
use super::der::{self, Der};
use super::key_derivation::Pkcs12Purpose;
use super::key_entry::KeyEntry;
use super::password_encryption::{self, PBMAC1, PasswordUse, digest_hash, identifier, pkcs12_passwords};
use super::pkcs12_bags::{KeyBag, SafeBags};
use super::private_key::{clear_key, encrypted_key};
use super::store_error::{StoreError, StorePassword};
use super::work_budget::WorkBudget;

/// All private keys that have a certificate.
pub(super) fn key_entries(
    bytes: &[u8],
    store_password: Option<&str>,
    key_password: Option<&str>,
) -> Result<Vec<KeyEntry>, StoreError> {
    let mut budget = WorkBudget::new();
    let Opened { bags, vouched } = open(bytes, store_password, &mut budget)?;
    let certificates = bags.all_certificates();
    let (mut entries, mut room) = (Vec::new(), bytes.len() * LARGEST_CHAINS);
    for bag in &bags.keys {
        let Some(own) = bags.certificate_of(bag) else { continue };
        let chain = chain_of(&own.certificate, &certificates);
        room = room
            .checked_sub(chain.iter().map(|certificate| certificate.len()).sum())
            .ok_or_else(|| StoreError::Damaged("many keys have the same large certificates".into()))?;
        let key = read_key(bag, key_password.or(store_password), &mut budget).map_err(|error| match error {
            StoreError::WrongPasswordOrDamaged(password) if vouched => StoreError::WrongPassword(password),
            other => other,
        });
        let key =
            key.map_err(|error| if bags.keys.len() > 1 { error.in_entry(&bag.alias()) } else { error })?;
        entries.push(KeyEntry { alias: bag.alias(), key, chain });
    }
    match entries.is_empty() {
        false => Ok(entries),
        true if bags.keys.is_empty() => Err(StoreError::NoKey { certificates: bags.certificates.len() }),
        true => Err(StoreError::NoCertificate { keys: bags.keys.len() }),
    }
}

/// Those that Java's tools have marked, and the keys' own. Where there is neither: all, as OpenSSL's tools write them.
pub(super) fn trusted_certificates(
    bytes: &[u8],
    store_password: Option<&str>,
) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let Opened { bags, .. } = open(bytes, store_password, &mut WorkBudget::new())?;
    let mut trusted: Vec<_> =
        bags.certificates.iter().filter(|bag| bag.trusted).map(|bag| bag.certificate.clone()).collect();
    trusted.extend(bags.keys.iter().filter_map(|key| Some(bags.certificate_of(key)?.certificate.clone())));
    if trusted.is_empty() && bags.keys.is_empty() {
        trusted = bags.all_certificates();
    }
    if trusted.is_empty() { Err(StoreError::NoCertificate { keys: bags.keys.len() }) } else { Ok(trusted) }
}

/// What is in a store.
struct Opened {
    bags: SafeBags,
    /// By its MAC, which the password fits.
    vouched: bool,
}

fn open(bytes: &[u8], password: Option<&str>, budget: &mut WorkBudget) -> Result<Opened, StoreError> {
    let whole = definite(bytes, STORE)?;
    let mut store = Der::new(&whole, STORE).sequence(STORE)?;
    if store.number()? != 3 {
        return Err(store.damaged("is of another version than 3"));
    }
    let (kind, mut content) = identifier(store.sequence(STORE)?)?;
    if kind != DATA {
        return Err(StoreError::Unsupported {
            what: "a PKCS12 store that is signed in place of a MAC".into(),
            advice: "`openssl pkcs12 -export` writes one with a MAC".into(),
        });
    }
    let safes = content.open(der::context(0), STORE)?.take(der::OCTET_STRING)?;
    let fits = match password {
        Some(password) if !store.is_empty() => {
            let mut with = PasswordUse { password, of: StorePassword::Store, budget };
            Some(mac_fits(store.sequence(MAC)?, safes, &mut with)?)
        }
        _ => None,
    };
    let (bags, decrypted) = read_safes(safes, password, budget).map_err(|error| match error {
        StoreError::WrongPasswordOrDamaged(password) if fits == Some(true) => {
            StoreError::WrongPassword(password)
        }
        other => other,
    })?;
    match fits {
        Some(false) if decrypted => {
            Err(StoreError::Damaged("the password opens it, but its MAC is that of another content".into()))
        }
        Some(false) => Err(StoreError::WrongPasswordOrDamaged(StorePassword::Store)),
        fits => Ok(Opened { bags, vouched: fits.is_some() }),
    }
}

/// RFC 7292 section 4: the hash, its salt and iterations; RFC 9579 where the MAC says more about itself.
fn mac_fits(mut mac: Der<'_>, content: &[u8], with: &mut PasswordUse<'_>) -> Result<bool, StoreError> {
    let mut digest = mac.sequence(MAC)?;
    let (name, parameters) = identifier(digest.sequence(MAC)?)?;
    let code = digest.take(der::OCTET_STRING)?;
    if name == PBMAC1 {
        return password_encryption::verifies_pbmac1(parameters, content, code, with);
    }
    let salt = mac.take(der::OCTET_STRING)?;
    let iterations = if mac.is_empty() { 1 } else { mac.number()? };
    let hash = digest_hash(name)?;
    for password in pkcs12_passwords(with.password) {
        with.budget.spend(iterations)?;
        let key = hash.pkcs12(Pkcs12Purpose::Mac, &password, salt, iterations, hash.output_bytes());
        if hash.verifies(&key, content, code) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All parts, and whether any was encrypted.
fn read_safes(
    safes: &[u8],
    password: Option<&str>,
    budget: &mut WorkBudget,
) -> Result<(SafeBags, bool), StoreError> {
    let whole = definite(safes, CONTENT)?;
    let mut safes = Der::new(&whole, CONTENT).sequence(CONTENT)?;
    let (mut bags, mut decrypted) = (SafeBags::default(), false);
    while !safes.is_empty() {
        let (kind, mut content) = identifier(safes.sequence(CONTENT)?)?;
        let mut content = content.open(der::context(0), CONTENT)?;
        match kind {
            DATA => bags.read(&definite(content.take(der::OCTET_STRING)?, CONTENT)?)?,
            ENCRYPTED_DATA => {
                let clear = decrypt_safe(content.sequence(CONTENT)?, password, budget)?;
                decrypted = true;
                bags.read(&definite(&clear, CONTENT)?)?;
            }
            _ => {
                return Err(StoreError::Unsupported {
                    what: "a PKCS12 store that is encrypted for a public key".into(),
                    advice: "`openssl pkcs12 -export` writes one that is encrypted by a password".into(),
                });
            }
        }
    }
    Ok((bags, decrypted))
}

/// RFC 5652 section 8
fn decrypt_safe(
    mut data: Der<'_>,
    password: Option<&str>,
    budget: &mut WorkBudget,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    data.number()?;
    let mut content = data.sequence(CONTENT)?;
    content.take(der::OBJECT_IDENTIFIER)?;
    let algorithm = content.sequence(CONTENT)?;
    let password = password.ok_or(StoreError::PasswordMissing(StorePassword::Store))?;
    let mut with = PasswordUse { password, of: StorePassword::Store, budget };
    if content.next_is(der::context(0)) {
        let pieces = joined(content.take(der::context(0))?);
        let whole = pieces.ok_or_else(|| content.damaged("is in pieces of another kind"))?;
        return password_encryption::decrypt(algorithm, &whole, &mut with);
    }
    password_encryption::decrypt(algorithm, content.take(der::implicit(0))?, &mut with)
}

fn read_key(
    bag: &KeyBag,
    password: Option<&str>,
    budget: &mut WorkBudget,
) -> Result<PrivateKeyDer<'static>, StoreError> {
    if !bag.encrypted {
        return clear_key(&bag.bytes);
    }
    let password = password.ok_or(StoreError::PasswordMissing(StorePassword::Key))?;
    encrypted_key(&bag.bytes, &mut PasswordUse { password, of: StorePassword::Key, budget })
}

/// How much larger all chains together may be than the store, in which keys share what is in them.
const LARGEST_CHAINS: usize = 8;
const STORE: &str = "the store";
const CONTENT: &str = "the store's content";
const MAC: &str = "the store's MAC";
/// 1.2.840.113549.1.7.1 and .6
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
