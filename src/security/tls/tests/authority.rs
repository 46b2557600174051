//! Certificates for tests, made here and signed by graviola: no C is compiled for them, and nothing is in a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graviola::hashing::Sha256;
use graviola::signing::ecdsa::{P256, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod, PublicKeyData,
    SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

static SERIAL_NUMBERS: AtomicU64 = AtomicU64::new(1);

pub(super) struct TestKey {
    key: SigningKey<P256>,
    public: Vec<u8>,
}

impl TestKey {
    pub(super) fn new() -> TestKey {
        let key = SigningKey::generate().unwrap();
        let mut space = [0; 256];
        let info = key.to_spki_der(&mut space).unwrap();
        // The point stands at the end.
        let public = info[info.len() - 65..].to_vec();
        TestKey { key, public }
    }

    fn der(&self) -> Vec<u8> {
        self.key.to_pkcs8_der(&mut [0; 512]).unwrap().to_vec()
    }
}

impl PublicKeyData for TestKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for TestKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign_asn1::<Sha256>(&[message], &mut [0; 128]).unwrap().to_vec())
    }
}

/// Who signs certificates.
pub(super) struct TestAuthority(CertifiedIssuer<'static, TestKey>);

/// A certificate, and its key.
pub(super) struct Certified {
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) key: Vec<u8>,
}

/// A certificate for these names, with this common name.
pub(super) fn params(names: &[&str], common: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    params.serial_number = Some(SERIAL_NUMBERS.fetch_add(1, Ordering::Relaxed).into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(common.bytes().cycle().take(20).collect());
    params
}

impl TestAuthority {
    pub(super) fn new(name: &str) -> TestAuthority {
        let mut params = params(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        TestAuthority(CertifiedIssuer::self_signed(params, TestKey::new()).unwrap())
    }

    /// One that its certificate does not call an authority.
    pub(super) fn that_is_none(name: &str) -> TestAuthority {
        TestAuthority(CertifiedIssuer::self_signed(params(&["kafka"], name), TestKey::new()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.as_ref().der().clone()
    }

    pub(super) fn certify(&self, names: &[&str]) -> Certified {
        self.certify_as(params(names, "broker"))
    }

    pub(super) fn certify_as(&self, params: CertificateParams) -> Certified {
        let key = TestKey::new();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified { pem: certificate.pem(), der: certificate.der().clone(), key: key.der() }
    }

    /// Another one below this one, and its certificate.
    pub(super) fn below(&self, name: &str) -> (TestAuthority, Certified) {
        let mut params = params(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = TestKey::new();
        let der = key.der();
        let below = CertifiedIssuer::signed_by(params, key, &self.0).unwrap();
        let certified = Certified { pem: below.as_ref().pem(), der: below.as_ref().der().clone(), key: der };
        (TestAuthority(below), certified)
    }
}

/// Signed by its own key.
pub(super) fn self_signed(mut params: CertificateParams, is_authority: bool) -> Certified {
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = TestKey::new();
    let certificate = params.self_signed(&key).unwrap();
    Certified { pem: certificate.pem(), der: certificate.der().clone(), key: key.der() }
}

impl Certified {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }

    pub(super) fn key_pem(&self) -> String {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.key);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }
}

pub(super) static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A broker that shows these certificates, its own first, and wants one of the clients' authority, if there is one.
pub(super) fn server_config(
    certified: &Certified,
    between: &[&Certified],
    clients: Option<&TestAuthority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls_graviola::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.as_ref().der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = [certified].iter().chain(between).map(|it| it.der.clone()).collect();
    Arc::new(builder.with_single_cert(chain, certified.key()).unwrap())
}
