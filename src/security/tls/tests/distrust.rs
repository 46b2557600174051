//! Certificates of brokers: which are good, and what is said of those that are not.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::authority::{BOTH, Certified, TestAuthority, params, self_signed, server_config};
use super::pair::{ConnectedPair, context, context_of};
use crate::error::ErrorKind;
use crate::security::tls::verifier::{BrokerVerifier, NAME_A_STORE, Trusted};
#[cfg(feature = "webpki-roots")]
use crate::security::tls::x509::{Certificate, KeyKind};

/// What our side says of a broker that shows these; nothing where it is content.
fn said(trusted: &str, host: &str, shown: &Certified, between: &[&Certified]) -> Option<String> {
    said_with(&[("ssl.truststore.certificates", trusted)], host, shown, between)
}

fn said_with(
    pairs: &[(&str, &str)],
    host: &str,
    shown: &Certified,
    between: &[&Certified],
) -> Option<String> {
    let server = server_config(shown, between, None, &BOTH);
    let mut pair = ConnectedPair::new(&context_of(pairs).unwrap(), host, &server);
    let error = pair.travel(1000).err()?;
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(!pair.layer.is_established() && !pair.to_server.is_empty(), "it is told why");
    let text = error.to_string();
    let start = format!("the certificate of {host} is not accepted: ");
    Some(text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned())
}

fn between_years(mut params: CertificateParams, from: i32, until: i32) -> CertificateParams {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

/// As a crate has them: their names, their keys and what they may sign for.
#[test]
fn roots_without_their_certificates_are_trusted_and_named_like_others() {
    let (root, namesake, other) =
        (TestAuthority::new("root"), TestAuthority::new("root"), TestAuthority::new("other"));
    let mut roots = RootCertStore::empty();
    roots.add(root.der()).unwrap();
    let trusted =
        Trusted { roots, certificates: Vec::new(), origin: "the list".to_owned(), remedy: NAME_A_STORE };
    let algorithms = rustls_graviola::default_provider().signature_verification_algorithms;
    let verifier = BrokerVerifier::new(trusted, algorithms, true);
    let host = ServerName::try_from("kafka").unwrap();
    let said =
        |shown: &Certified| match verifier.verify_server_cert(&shown.der, &[], &host, &[], UnixTime::now()) {
            Ok(_) => String::from("good"),
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => why.0.to_string(),
            Err(error) => panic!("{error}"),
        };
    assert_eq!(said(&root.certify(&["kafka"])), "good");
    let text = said(&namesake.certify(&["kafka"]));
    assert!(text.contains("the certificate of that name in the list has another key"), "{text}");
    let text = said(&other.certify(&["kafka"]));
    assert!(
        text.contains("is issued by CN=other, whose certificate is not among the 1 in the list"),
        "{text}"
    );
}

#[cfg(feature = "webpki-roots")]
#[test]
fn each_root_of_the_crate_can_be_read_and_its_key_be_used() {
    for root in webpki_roots::TLS_SERVER_ROOTS {
        let read = Certificate::of_root(&root.subject, &root.subject_public_key_info).unwrap();
        assert!(read.is_authority && read.is_self_issued() && read.to_string().contains('='), "{read}");
        assert!(
            matches!(read.key, KeyKind::Rsa(2048..=8192) | KeyKind::Elliptic(_)),
            "{read}: {:?}",
            read.key
        );
    }
}

#[test]
fn a_chain_is_good_whole_and_what_is_missing_of_it_is_named() {
    let root = TestAuthority::new("root");
    let (below, its) = root.below("below");
    let broker = below.certify(&["kafka"]);
    assert_eq!(said(&root.pem(), "kafka", &broker, &[&its]), None);
    // Any certificate of the chain may be the one that is trusted.
    assert_eq!(said(&its.pem, "kafka", &broker, &[]), None);
    let lacking = said(&root.pem(), "kafka", &broker, &[]).unwrap();
    assert_eq!(
        lacking,
        "the certificate CN=broker is issued by CN=below, whose certificate is not among the 1 in \
         ssl.truststore.certificates; put it in there, or let the broker send those between (it sent no other certificate)"
    );
    let other = said(&TestAuthority::new("other").pem(), "kafka", &broker, &[&its]).unwrap();
    assert!(
        other.starts_with("the certificate CN=below is issued by CN=root, whose certificate is not"),
        "{other}"
    );
    assert!(other.ends_with("(it sent 1 other certificate)"), "{other}");
    let namesake = said(&TestAuthority::new("root").pem(), "kafka", &broker, &[&its]).unwrap();
    assert!(
        namesake.contains("claims to be issued by CN=root") && namesake.contains("has another key"),
        "{namesake}"
    );
}

/// As companies have it, and Java accepts: the broker's own certificate is what is trusted, an authority's or not.
/// Behaviour 98.
#[test]
fn a_certificate_that_is_itself_in_the_trust_store_is_good_if_its_name_and_time_are() {
    for is_authority in [true, false] {
        let own = self_signed(params(&["kafka"], "own"), is_authority);
        assert_eq!(said(&own.pem, "kafka", &own, &[]), None);
        let name = said(&own.pem, "elsewhere", &own, &[]).unwrap();
        assert!(name.starts_with("it is for kafka, and not for elsewhere; "), "{name}");
        let stranger = self_signed(params(&["kafka"], "own"), is_authority);
        let text = said(&own.pem, "kafka", &stranger, &[]).unwrap();
        assert!(
            text.contains(
                "CN=own is signed by itself and is not in ssl.truststore.certificates, which has another"
            ),
            "{text}"
        );
        let old = self_signed(between_years(params(&["kafka"], "own"), 2001, 2002), is_authority);
        let text = said(&old.pem, "kafka", &old, &[]).unwrap();
        assert!(
            text.starts_with(
                "the certificate CN=own has expired: it was valid until 2002-01-01 00:00:00 UTC"
            ),
            "{text}"
        );
    }
    let stranger = self_signed(params(&["kafka"], "stranger"), true);
    assert_eq!(
        said(&TestAuthority::new("root").pem(), "kafka", &stranger, &[]).unwrap(),
        "the certificate CN=stranger is signed by itself and is not in ssl.truststore.certificates; if it is the right one, \
         put it in there"
    );
}

/// Java does so as well, unless it is told otherwise.
#[test]
fn a_trusted_certificate_that_is_no_authority_vouches_for_nobody_else() {
    let own = TestAuthority::that_is_none("own");
    let text = said(&own.pem(), "kafka", &own.certify(&["kafka"]), &[]).unwrap();
    assert_eq!(
        text,
        "the certificate CN=broker is issued by CN=own, which is trusted itself in ssl.truststore.certificates, but is no \
         authority that may issue others; trust the one that issued it, or this certificate itself"
    );
}

#[test]
fn the_certificate_of_an_authority_is_a_brokers_only_if_it_is_trusted_itself() {
    let root = TestAuthority::new("root");
    let (_, below) = root.below("below");
    let pem = below.pem.clone();
    let text = said(&root.pem(), "below", &below, &[]).unwrap();
    assert!(
        text.starts_with("the certificate CN=below is that of an authority (basic constraints CA:TRUE)"),
        "{text}"
    );
    assert_eq!(said(&pem, "below", &below, &[]), None);
}

#[test]
fn a_common_name_counts_where_there_is_no_dns_name_and_only_for_names() {
    let authority = TestAuthority::new("root");
    let named = authority.certify_as(params(&[], "kafka.example.com"));
    assert_eq!(said(&authority.pem(), "kafka.example.com", &named, &[]), None);
    assert_eq!(said(&authority.pem(), "KAFKA.example.com", &named, &[]), None);
    let text = said(&authority.pem(), "other.example.com", &named, &[]).unwrap();
    assert!(
        text.starts_with("it is for kafka.example.com (its common name), and not for other.example.com; "),
        "{text}"
    );
    let wild = authority.certify_as(params(&[], "*.example.com"));
    assert_eq!(said(&authority.pem(), "kafka.example.com", &wild, &[]), None);
    for host in ["example.com", "a.b.example.com", "kafka.example.org"] {
        assert!(said(&authority.pem(), host, &wild, &[]).is_some(), "{host}");
    }
    let both = authority.certify_as(params(&["one"], "two"));
    let text = said(&authority.pem(), "two", &both, &[]).unwrap();
    assert!(text.starts_with("it is for one, and not for two; "), "{text}");
    let address = authority.certify_as(params(&["127.0.0.1"], "localhost"));
    assert_eq!(said(&authority.pem(), "localhost", &address, &[]), None);
    assert_eq!(said(&authority.pem(), "127.0.0.1", &address, &[]), None);
    let number = authority.certify_as(params(&[], "127.0.0.1"));
    let text = said(&authority.pem(), "127.0.0.1", &number, &[]).unwrap();
    assert!(text.contains("and not for 127.0.0.1"), "{text}");
}

#[test]
fn turning_the_check_of_names_off_turns_off_nothing_else() {
    let authority = TestAuthority::new("root");
    let pem = authority.pem();
    let off = [("ssl.truststore.certificates", pem.as_str()), ("ssl.endpoint.identification.algorithm", "")];
    assert_eq!(said_with(&off, "elsewhere", &authority.certify(&["kafka"]), &[]), None);
    let old = authority.certify_as(between_years(params(&["kafka"], "old"), 2001, 2002));
    assert!(said_with(&off, "kafka", &old, &[]).unwrap().contains("has expired"));
    let stranger = TestAuthority::new("other").certify(&["kafka"]);
    assert!(said_with(&off, "kafka", &stranger, &[]).unwrap().contains("is issued by CN=other"));
    assert!(said(&pem, "elsewhere", &authority.certify(&["kafka"]), &[]).is_some());
}

#[test]
fn times_that_are_over_or_not_come_are_said_with_the_clock_of_this_machine() {
    let root = TestAuthority::new("root");
    let old = root.certify_as(between_years(params(&["kafka"], "old"), 2001, 2002));
    let text = said(&root.pem(), "kafka", &old, &[]).unwrap();
    let start = "the certificate CN=old has expired: it was valid until 2002-01-01 00:00:00 UTC, and the clock of this machine says 2";
    assert!(text.starts_with(start), "{text}");
    let young = root.certify_as(between_years(params(&["kafka"], "young"), 2090, 2091));
    let text = said(&root.pem(), "kafka", &young, &[]).unwrap();
    assert!(
        text.starts_with("the certificate CN=young is valid from 2090-01-01 00:00:00 UTC on, and the clock"),
        "{text}"
    );
}

#[test]
fn a_certificate_for_another_purpose_is_refused_as_such() {
    let root = TestAuthority::new("root");
    let mut client = params(&["kafka"], "client");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let text = said(&root.pem(), "kafka", &root.certify_as(client), &[]).unwrap();
    assert_eq!(
        text,
        "the certificate CN=client: its extended key usage is not that of a server (serverAuth)"
    );
}

#[test]
fn names_in_certificates_stay_on_their_line() {
    let root = TestAuthority::new("root");
    let mut nasty = params(&[], "two\nlines\u{1b}[2J");
    nasty.distinguished_name.push(DnType::OrganizationName, "\u{202e}desrever");
    let shown = self_signed(nasty, false);
    let text = said(&root.pem(), "kafka", &shown, &[]).unwrap();
    assert!(text.contains("two\\nlines\\u{1b}") && text.contains("\\u{202e}desrever"), "{text}");
    assert!(!text.contains(|character: char| character.is_control()), "{text}");
}

#[test]
fn all_of_what_is_said_names_the_trust_store() {
    let broker = TestAuthority::new("root").certify(&["kafka"]);
    let other = TestAuthority::new("other").pem();
    let context = context(&other, None);
    let server = server_config(&broker, &[], None, &BOTH);
    let error = ConnectedPair::new(&context, "kafka", &server).travel(1000).unwrap_err();
    assert!(error.to_string().contains("ssl.truststore.certificates"), "{error}");
}
