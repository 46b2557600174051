//! Certificates that Java accepts or once did, and rustls does not (`fixtures/make.sh`): what is said of each, and of bytes
//! that are none.

use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::security::tls::verifier::{BrokerVerifier, PUT_IT_IN, Trusted};
use crate::security::tls::x509::Certificate;

macro_rules! certificate {
    ($name:literal) => {
        CertificateDer::from_pem_slice(include_bytes!(concat!("fixtures/", $name, ".pem"))).unwrap()
    };
}

/// What is said of this certificate, where that one is trusted.
fn said(trusted: &CertificateDer<'static>, shown: &CertificateDer<'_>) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let trusted = Trusted {
        roots,
        certificates: vec![trusted.clone()],
        origin: String::from("the store"),
        remedy: PUT_IT_IN,
    };
    let algorithms = rustls_graviola::default_provider().signature_verification_algorithms;
    let verifier = BrokerVerifier::new(trusted, algorithms, true);
    let name = ServerName::try_from("kafka").unwrap();
    let error = verifier.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).err()?;
    let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = error else {
        panic!("{error}");
    };
    Some(other.0.to_string())
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_of_the_one_that_it_is_wrong_with() {
    let cases = [
        (
            certificate!("ec-root"),
            certificate!("rsa-1024"),
            "the certificate CN=rsa-1024 has a key that cannot be used: RSA of 1024 bits is too weak, at least 2048 are needed",
        ),
        (
            certificate!("rsa-1024-root"),
            certificate!("by-rsa-1024"),
            "the certificate CN=rsa-1024-root has a key that cannot be used: RSA of 1024 bits is too weak",
        ),
        (
            certificate!("ec-root"),
            certificate!("p-521"),
            "the certificate CN=p-521 has a key that cannot be used: the ciphers of this producer do not have the curve P-521",
        ),
        (
            certificate!("p-521-root"),
            certificate!("by-p-521"),
            "the certificate CN=p-521-root has a key that cannot be used: the ciphers of this producer do not have the curve",
        ),
        (
            certificate!("rsa-root"),
            certificate!("sha-1"),
            "the certificate CN=sha-1 was signed by SHA-1 with RSA, which anybody can forge by now; have it issued anew with",
        ),
        (
            certificate!("ec-root"),
            certificate!("version-1"),
            "the certificate CN=version-1 is of X.509 version 1, which has no extensions and cannot be checked; have it issued",
        ),
    ];
    for (trusted, shown, words) in cases {
        let text = said(&trusted, &shown).unwrap();
        assert!(text.starts_with(words), "{text}");
        // Also where it is trusted itself, unless the fault is another's.
        let is_own = !text.contains("root has");
        assert_eq!(said(&shown, &shown).is_some(), is_own && !text.contains("SHA-1"), "{text}");
    }
}

/// Authorities older than extensions are there in many stores.
#[test]
fn an_authority_of_version_1_is_trusted() {
    assert_eq!(said(&certificate!("version-1-root"), &certificate!("by-version-1")), None);
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let whole = certificate!("sha-1");
    for length in 0..whole.len() {
        assert_eq!(Certificate::read(&whole[..length]), None);
    }
    let (mut read, mut refused) = (0, 0);
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[at] ^= change;
            match Certificate::read(&bytes) {
                Some(certificate) => {
                    read += certificate.to_string().len() + certificate.whom_it_is_for().len()
                }
                None => refused += 1,
            }
            let text = said(&certificate!("rsa-root"), &CertificateDer::from(bytes)).unwrap();
            assert!(!text.contains(|character: char| character.is_control()), "{text}");
        }
    }
    assert!(read > 1000 && refused > 50, "{read} {refused}");
}
