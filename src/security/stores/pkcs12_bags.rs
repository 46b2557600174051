//! `SafeBags`: what lies in the parts of a PKCS #12 store, once it is in clear.
//!
//! Owns: bags and their attributes; which certificate is a key's own. Must not know: encryption of parts, MACs.
//! Source: RFC 7292 section 4.2, and `PKCS12KeyStore.loadSafeContents` of Java.

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::certificate::certificate;
use super::der::{self, Der};
use super::store_error::StoreError;

/// All of them, in the store's order.
#[derive(Default)]
pub(super) struct SafeBags {
    pub(super) keys: Vec<KeyBag>,
    pub(super) certificates: Vec<CertificateBag>,
}

/// A private key.
pub(super) struct KeyBag {
    pub(super) encrypted: bool,
    /// As PKCS #8.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    name: Option<String>,
    id: Option<Vec<u8>>,
}

/// A certificate.
pub(super) struct CertificateBag {
    pub(super) certificate: CertificateDer<'static>,
    /// Java's tools say so of those that vouch for others.
    pub(super) trusted: bool,
    id: Option<Vec<u8>>,
}

impl KeyBag {
    pub(super) fn alias(&self) -> String {
        self.name.clone().unwrap_or_default()
    }
}

impl SafeBags {
    /// Adds those of a part. Kinds that are neither keys nor certificates are left out, as Java does.
    pub(super) fn read(&mut self, part: &[u8]) -> Result<(), StoreError> {
        // Parts may have parts within them.
        let mut parts = vec![part];
        while let Some(part) = parts.pop() {
            let mut bags = Der::new(part, BAG).sequence(BAG)?;
            while !bags.is_empty() {
                let mut bag = bags.sequence(BAG)?;
                let kind = bag.take(der::OBJECT_IDENTIFIER)?.strip_prefix(BAG_KINDS);
                let value = bag.take(der::context(0))?;
                let attributes = Attributes::read(bag)?;
                match kind {
                    Some([kind @ (1 | 2)]) => self.keys.push(KeyBag {
                        encrypted: *kind == 2,
                        bytes: Zeroizing::new(value.to_vec()),
                        name: attributes.name,
                        id: attributes.id,
                    }),
                    Some([3]) => self.certificates.extend(read_certificate(value, attributes)?),
                    Some([6]) => parts.push(value),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn all_certificates(&self) -> Vec<CertificateDer<'static>> {
        self.certificates.iter().map(|bag| bag.certificate.clone()).collect()
    }

    /// The one of the same local key id. A single key without one has the first certificate.
    pub(super) fn certificate_of(&self, key: &KeyBag) -> Option<&CertificateBag> {
        let same = self.certificates.iter().find(|bag| bag.id.is_some() && bag.id == key.id);
        same.or_else(|| self.certificates.first().filter(|_| self.keys.len() == 1))
    }
}

fn read_certificate(value: &[u8], attributes: Attributes) -> Result<Option<CertificateBag>, StoreError> {
    let mut bag = Der::new(value, BAG).sequence(BAG)?;
    if bag.take(der::OBJECT_IDENTIFIER)? != X509_CERTIFICATE {
        return Ok(None);
    }
    let bytes = bag.open(der::context(0), BAG)?.take(der::OCTET_STRING)?;
    let certificate = certificate(bytes)?;
    Ok(Some(CertificateBag { certificate, trusted: attributes.trusted, id: attributes.id }))
}

/// What is said of a bag.
#[derive(Default)]
struct Attributes {
    name: Option<String>,
    id: Option<Vec<u8>>,
    trusted: bool,
}

impl Attributes {
    fn read(mut bag: Der<'_>) -> Result<Attributes, StoreError> {
        let mut found = Attributes::default();
        if bag.is_empty() {
            return Ok(found);
        }
        let mut attributes = bag.open(der::SET, BAG)?;
        while !attributes.is_empty() {
            let mut attribute = attributes.sequence(BAG)?;
            let kind = attribute.take(der::OBJECT_IDENTIFIER)?;
            let mut values = attribute.open(der::SET, BAG)?;
            match kind {
                FRIENDLY_NAME => found.name = Some(text(values.take(der::BMP_STRING)?)),
                LOCAL_KEY_ID => found.id = Some(values.take(der::OCTET_STRING)?.to_vec()),
                TRUSTED_KEY_USAGE => found.trusted = true,
                _ => {}
            }
        }
        Ok(found)
    }
}

fn text(bmp: &[u8]) -> String {
    let units: Vec<u16> = bmp
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
        .collect();
    String::from_utf16_lossy(&units)
}

const BAG: &str = "an entry of the store";
/// 1.2.840.113549.1.12.10.1
const BAG_KINDS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];
/// 1.2.840.113549.1.9.22.1, .20 and .21
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x15];
/// 2.16.840.1.113894.746875.1.1, Oracle's
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01];
