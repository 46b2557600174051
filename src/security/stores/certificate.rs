//! The names in certificates, as far as a store's order of them depends on them.
//!
//! Owns: finding subject and issuer. Must not know: whether a certificate is valid; signatures.
//! Source: RFC 5280 section 4.1.

use rustls::pki_types::CertificateDer;

use super::der::{self, Der};
use super::store_error::StoreError;

/// Whose certificate it is and who signed it, as the certificate writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CertificateNames<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
}

/// A certificate, which these bytes begin with: OpenSSL's `TRUSTED CERTIFICATE` has something behind it.
pub(super) fn certificate(bytes: &[u8]) -> Result<CertificateDer<'static>, StoreError> {
    let whole = Der::new(bytes, CERTIFICATE).raw()?;
    names(whole)?;
    Ok(CertificateDer::from(whole.to_vec()))
}

pub(super) fn names(certificate: &[u8]) -> Result<CertificateNames<'_>, StoreError> {
    let mut certificate = Der::new(certificate, CERTIFICATE).sequence(CERTIFICATE)?;
    let mut signed = certificate.sequence(CERTIFICATE)?;
    if signed.next_is(der::context(0)) {
        signed.take(der::context(0))?;
    }
    signed.take(der::INTEGER)?;
    signed.take(der::SEQUENCE)?;
    let issuer = signed.take(der::SEQUENCE)?;
    signed.take(der::SEQUENCE)?;
    let subject = signed.take(der::SEQUENCE)?;
    Ok(CertificateNames { issuer, subject })
}

/// The first one, then whoever signed it, and so on, as far as they are among the others.
pub(super) fn chain_of(
    first: &CertificateDer<'static>,
    others: &[CertificateDer<'static>],
) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![first.clone()];
    let mut last = names(first);
    while let Ok(CertificateNames { issuer, subject }) = last
        && issuer != subject
        && chain.len() < LONGEST_CHAIN
    {
        let signer = others.iter().find(|other| names(other).is_ok_and(|names| names.subject == issuer));
        // One that is there already has come round in a circle.
        let Some(signer) = signer.filter(|signer| !chain.contains(signer)) else { break };
        last = names(signer);
        chain.push(signer.clone());
    }
    chain
}

/// Longer than any that a broker takes.
const LONGEST_CHAIN: usize = 100;
const CERTIFICATE: &str = "a certificate";
