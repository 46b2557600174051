//! PEM: keys and certificates as text.
//!
//! Owns: which sections are taken. Must not know: how their bytes are found, other formats.
//! Source: the class `PemStore` in Kafka's `DefaultSslEngineFactory`. It takes keys as PKCS #8 alone.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroizing;

use super::certificate::certificate;
use super::der;
use super::key_entry::KeyEntry;
use super::password_encryption::PasswordUse;
use super::pem_encryption::decrypt_section;
use super::pem_section::PemSection;
use super::private_key::{clear_key, encrypted_key};
use super::store_error::{StoreError, StorePassword};
use super::work_budget::WorkBudget;

/// The one key of the first text, and all certificates of the second.
pub(super) fn key_entry(key: &[u8], chain: &[u8], password: Option<&str>) -> Result<KeyEntry, StoreError> {
    let key = private_key(key, password)?;
    Ok(KeyEntry { alias: String::new(), key, chain: certificates(chain)? })
}

/// The one key of a text.
pub(super) fn private_key(text: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, StoreError> {
    let sections = PemSection::all(text)?;
    let keys: Vec<_> = sections.iter().filter(|section| is_key(section)).collect();
    match keys.as_slice() {
        [key] => read_key(key, password),
        [] if is_request(&sections) => Err(no_request()),
        [] => Err(StoreError::NoKey {
            certificates: sections.iter().filter(|section| is_certificate(section)).count(),
        }),
        several => Err(StoreError::SeveralKeys(several.len())),
    }
}

/// All certificates of a text, in its order; never none.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let sections = PemSection::all(text)?;
    let read = |section: &PemSection<'_>| certificate(&section.bytes()?);
    let found: Vec<_> =
        sections.iter().filter(|section| is_certificate(section)).map(read).collect::<Result<_, _>>()?;
    if !found.is_empty() {
        return Ok(found);
    }
    if sections.iter().any(|section| matches!(section.label, "PKCS7" | "CMS")) {
        return Err(StoreError::Unsupported {
            what: "a bundle of certificates as PKCS #7".into(),
            advice: "`openssl pkcs7 -print_certs` takes them out".into(),
        });
    }
    if is_request(&sections) {
        return Err(no_request());
    }
    Err(StoreError::NoCertificate { keys: sections.iter().filter(|section| is_key(section)).count() })
}

fn read_key(section: &PemSection<'_>, password: Option<&str>) -> Result<PrivateKeyDer<'static>, StoreError> {
    let bytes = section.bytes()?;
    if section.label == "ENCRYPTED PRIVATE KEY" {
        let password = password.ok_or(StoreError::PasswordMissing(StorePassword::Key))?;
        let mut budget = WorkBudget::new();
        return encrypted_key(
            &bytes,
            &mut PasswordUse { password, of: StorePassword::Key, budget: &mut budget },
        );
    }
    let bytes = if section.header("Proc-Type").is_some_and(|kind| kind.ends_with("ENCRYPTED")) {
        let password = password.ok_or(StoreError::PasswordMissing(StorePassword::Key))?;
        decrypt_section(section, &bytes, password)?
    } else {
        bytes
    };
    match section.label {
        "PRIVATE KEY" => clear_key(&bytes),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(one_sequence(&bytes)?).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(one_sequence(&bytes)?).into()),
        other => Err(StoreError::Unsupported {
            what: format!("a key as {other}").into(),
            advice: "a key for RSA or an elliptic curve as PKCS #8 is what Java takes, too \
                     (`ssh-keygen -p -m PKCS8` or `openssl pkcs8 -topk8` write it)"
                .into(),
        }),
    }
}

fn one_sequence(bytes: &Zeroizing<Vec<u8>>) -> Result<Vec<u8>, StoreError> {
    let whole = der::is_one(der::SEQUENCE, bytes);
    whole.then(|| bytes.to_vec()).ok_or_else(|| StoreError::Damaged("the private key is not whole".into()))
}

/// Of what there is, nothing but a request is of use to somebody.
fn is_request(sections: &[PemSection<'_>]) -> bool {
    sections.iter().any(|section| section.label.ends_with("CERTIFICATE REQUEST"))
}

fn no_request() -> StoreError {
    StoreError::Unsupported {
        what: "a request for a certificate (CSR)".into(),
        advice: "what the authority has answered to it is meant, the certificate, and here the private key before it where \
                 it is a key store"
            .into(),
    }
}

fn is_key(section: &PemSection<'_>) -> bool {
    section.label.ends_with("PRIVATE KEY")
}

fn is_certificate(section: &PemSection<'_>) -> bool {
    matches!(section.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
}
