//! Certificates made on the fly, signed by the provider of the ciphers: rcgen's own ciphers would be C.
//!
//! Owns: keys, authorities, what they have signed. Must not know: connections.

use std::fmt;
use std::io;
use std::time::Duration;

use graviola::hashing::Sha256;
use graviola::signing::ecdsa::{P256, SigningKey};
use graviola::signing::eddsa::Ed25519SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::tls_options::{CertificateKeyKind, CertificateOptions, Signer, Validity};
use crate::base64;

/// A private key.
enum CertificateKey {
    EcdsaP256 { key: SigningKey<P256>, public: Vec<u8> },
    Ed25519 { key: Ed25519SigningKey, public: [u8; 32] },
}

impl CertificateKey {
    fn generate(kind: CertificateKeyKind) -> io::Result<Self> {
        match kind {
            CertificateKeyKind::EcdsaP256 => {
                let key = SigningKey::generate().map_err(broken)?;
                let mut space = [0; 256];
                let info = key.to_spki_der(&mut space).map_err(broken)?;
                // The point stands at the end.
                let point = info.len().checked_sub(POINT_BYTES).and_then(|at| info.get(at..));
                let public = point.unwrap_or_default().to_vec();
                Ok(Self::EcdsaP256 { key, public })
            }
            CertificateKeyKind::Ed25519 => {
                let key = Ed25519SigningKey::generate().map_err(broken)?;
                let public = key.public_key().as_bytes();
                Ok(Self::Ed25519 { key, public })
            }
        }
    }

    /// As PKCS#8.
    fn der(&self) -> io::Result<Vec<u8>> {
        let mut space = [0; 512];
        let der = match self {
            Self::EcdsaP256 { key, .. } => key.to_pkcs8_der(&mut space),
            Self::Ed25519 { key, .. } => key.to_pkcs8_der(&mut space),
        };
        der.map(<[u8]>::to_vec).map_err(broken)
    }
}

impl PublicKeyData for CertificateKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::EcdsaP256 { public, .. } => public,
            Self::Ed25519 { public, .. } => public,
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::EcdsaP256 { .. } => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Ed25519 { .. } => &rcgen::PKCS_ED25519,
        }
    }
}

impl rcgen::SigningKey for CertificateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self {
            Self::EcdsaP256 { key, .. } => {
                let mut space = [0; 128];
                let signature = key.sign_asn1::<Sha256>(&[message], &mut space);
                signature.map(<[u8]>::to_vec).map_err(|_| rcgen::Error::RemoteKeyError)
            }
            Self::Ed25519 { key, .. } => Ok(key.sign(message).to_vec()),
        }
    }
}

/// Who signs certificates, and one of the same name whom nobody knows.
pub(super) struct CertificateAuthority {
    known: CertifiedIssuer<'static, CertificateKey>,
    stranger: CertifiedIssuer<'static, CertificateKey>,
    kind: CertificateKeyKind,
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CertificateAuthority")
    }
}

/// A certificate with its private key, in the forms that clients read.
#[derive(Clone)]
pub struct IssuedCertificate {
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IssuedCertificate({} bytes)", self.der.len())
    }
}

impl IssuedCertificate {
    /// The certificate, as `ssl.keystore.certificate.chain` takes it.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// The private key in PKCS#8, as `ssl.keystore.key` takes it.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The private key as PKCS#8 in DER.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der.clone()]
    }

    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

impl CertificateAuthority {
    pub(super) fn new(kind: CertificateKeyKind) -> io::Result<Self> {
        if !graviola::util::is_cpu_supported() {
            let text = "the ciphers of the embedded cluster (graviola) cannot be used on this processor: they need x86-64 \
                        with ADX, AVX2 and BMI2, or aarch64 with AES";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(Self { known: issuer(kind)?, stranger: issuer(kind)?, kind })
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        self.known.der()
    }

    pub(super) fn certify(&self, options: &CertificateOptions) -> io::Result<IssuedCertificate> {
        let key = CertificateKey::generate(self.kind)?;
        let mut params = CertificateParams::new(options.names.clone()).map_err(unnamable)?;
        params.distinguished_name.push(DnType::CommonName, options.common_name.clone());
        identify(&mut params)?;
        (params.not_before, params.not_after) = match options.validity {
            Validity::Long => (date_time_ymd(2000, 1, 1), date_time_ymd(3000, 1, 1)),
            Validity::Expired => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
            Validity::NotYet => (date_time_ymd(2900, 1, 1), date_time_ymd(3000, 1, 1)),
            Validity::Until(end) => {
                let seconds = Duration::from_secs(end.as_secs());
                (date_time_ymd(2000, 1, 1), date_time_ymd(1970, 1, 1) + seconds)
            }
        };
        let usage = match options.is_for_client {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        };
        params.extended_key_usages = vec![usage];
        let signed = match options.signer {
            Signer::Authority => params.signed_by(&key, &self.known),
            Signer::Stranger => params.signed_by(&key, &self.stranger),
            Signer::Itself => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.self_signed(&key)
            }
        };
        Ok(IssuedCertificate { der: signed.map_err(unnamable)?.der().clone(), key: key.der()? })
    }
}

fn issuer(kind: CertificateKeyKind) -> io::Result<CertifiedIssuer<'static, CertificateKey>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "embedded-cluster-authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    identify(&mut params)?;
    CertifiedIssuer::self_signed(params, CertificateKey::generate(kind)?).map_err(unnamable)
}

/// Numbers by which it is told from others. Their first bits are set so that all have one size.
fn identify(params: &mut CertificateParams) -> io::Result<()> {
    let mut id = [0; 20];
    graviola::random::fill(&mut id).map_err(broken)?;
    if let Some(first) = id.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&id));
    params.key_identifier_method = KeyIdMethod::PreSpecified(id.to_vec());
    Ok(())
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = behind;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn broken(error: graviola::Error) -> io::Error {
    io::Error::other(format!("no key could be made: {error:?}"))
}

fn unnamable(error: rcgen::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("no certificate can be made: {error}"))
}

/// An uncompressed point on P-256.
const POINT_BYTES: usize = 65;
/// Characters in a line of PEM.
const LINE: usize = 64;
