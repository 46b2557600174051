//! The settings of TLS: names of versions and ciphers, stores that contradict themselves or cannot be used.

use std::fs;

use super::authority::{BOTH, Certified, TestAuthority, params, server_config};
use super::pair::{ConnectedPair, context_of, refusal};

fn trusting<'a>(pem: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("ssl.truststore.certificates", pem)], more].concat()
}

/// Behaviour 102.
#[test]
fn versions_of_tls_are_those_that_both_settings_allow() {
    let authority = TestAuthority::new("root");
    let pem = authority.pem();
    let broker = authority.certify(&["kafka"]);
    let both = server_config(&broker, &[], None, &BOTH);
    for (pairs, expected) in [
        (&[][..], rustls::ProtocolVersion::TLSv1_3),
        (&[("ssl.protocol", "TLS")], rustls::ProtocolVersion::TLSv1_3),
        (&[("ssl.protocol", "TLSv1.2")], rustls::ProtocolVersion::TLSv1_2),
        (&[("ssl.enabled.protocols", "TLSv1.2")], rustls::ProtocolVersion::TLSv1_2),
        (&[("ssl.enabled.protocols", "TLSv1.2,TLSv1.1,TLSv1")], rustls::ProtocolVersion::TLSv1_2),
        (
            &[("ssl.cipher.suites", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")],
            rustls::ProtocolVersion::TLSv1_2,
        ),
    ] {
        let pair = ConnectedPair::established(&context_of(&trusting(&pem, pairs)).unwrap(), "kafka", &both);
        assert_eq!(pair.server.protocol_version(), Some(expected), "{pairs:?}");
    }
    let old = server_config(&broker, &[], None, &[&rustls::version::TLS12]);
    let only_new = context_of(&trusting(&pem, &[("ssl.enabled.protocols", "TLSv1.3")])).unwrap();
    let error = ConnectedPair::new(&only_new, "kafka", &old).travel(1000).unwrap_err().to_string();
    assert!(error.contains("protocol_version (70)") && error.contains("ssl.enabled.protocols"), "{error}");
}

#[test]
fn the_first_cipher_suite_of_the_list_is_preferred() {
    let authority = TestAuthority::new("root");
    let pem = authority.pem();
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let mut server = rustls::ServerConfig::clone(&server);
    server.ignore_client_order = false;
    let server = std::sync::Arc::new(server);
    for wanted in ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"] {
        let list =
            format!("{wanted},TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA,TLS_AES_256_GCM_SHA384");
        let context = context_of(&trusting(&pem, &[("ssl.cipher.suites", &list)])).unwrap();
        let pair = ConnectedPair::established(&context, "kafka", &server);
        let chosen = pair.server.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(format!("{chosen:?}").replace("TLS13_", "TLS_"), wanted);
    }
}

/// Behaviour 102.
#[test]
fn what_there_is_not_is_an_error_that_names_what_there_is() {
    let pem = TestAuthority::new("root").pem();
    for (name, value, words) in [
        ("ssl.protocol", "TLSv1.1", "Value must be one of: TLSv1.3, TLSv1.2, TLS"),
        ("ssl.enabled.protocols", "TLSv1.4", "Value must be TLSv1.2, TLSv1.3 or both"),
        ("ssl.enabled.protocols", "TLSv1.1,TLSv1", "Value must be TLSv1.2, TLSv1.3 or both"),
        ("ssl.cipher.suites", "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384,HIGH:!aNULL", "TLS_CHACHA20_POLY1305_SHA256"),
        ("ssl.endpoint.identification.algorithm", "LDAPS", "Value must be https, or empty"),
        ("ssl.truststore.type", "JCEKS", "Value must be one of: JKS, PKCS12, PEM"),
        ("ssl.truststore.type", "JKS", "ssl.truststore.certificates is always PEM"),
    ] {
        let text = refusal(&trusting(&pem, &[(name, value)]));
        assert!(text.contains(&format!("for configuration {name}: ")) && text.contains(words), "{text}");
    }
    let none = [("ssl.protocol", "TLSv1.2"), ("ssl.enabled.protocols", "TLSv1.3")];
    let text = refusal(&trusting(&pem, &none));
    assert!(text.contains("ssl.enabled.protocols") && text.contains("ssl.protocol=TLSv1.2"), "{text}");
    let none = [("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384"), ("ssl.enabled.protocols", "TLSv1.2")];
    let text = refusal(&trusting(&pem, &none));
    assert!(text.contains("ssl.cipher.suites has none for TLSv1.2"), "{text}");
}

#[test]
fn stores_that_contradict_themselves_are_refused_with_all_that_is_wrong() {
    let text = refusal(&[
        ("ssl.truststore.password", "tiger"),
        ("ssl.keystore.key", "tiger"),
        ("ssl.protocol", "SSLv3"),
    ]);
    for part in [
        "ssl.truststore.password is set, and there is no trust store",
        "ssl.keystore.certificate.chain is not set",
        "for configuration ssl.protocol",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("tiger"), "{text}");
    let pem = TestAuthority::new("root").pem();
    let both = refusal(&trusting(&pem, &[("ssl.truststore.location", "t.pem")]));
    assert!(both.contains("both ssl.truststore.location and ssl.truststore.certificates are set"), "{both}");
    // The first of two mistakes, not what follows from it.
    let more = [("ssl.truststore.location", "t.jks"), ("ssl.truststore.password", "tiger")];
    let both = refusal(&trusting(&pem, &more));
    assert!(both.contains("both ssl.truststore.location and ssl.truststore.certificates are set"), "{both}");
    for text in ["/etc/kafka/ca.pem", "tiger"] {
        let no_pem = refusal(&trusting(text, &[]));
        assert!(no_pem.starts_with("ssl.truststore.certificates: there is no PEM in it"), "{no_pem}");
        let no_pem = refusal(&trusting(&pem, &own(text, &pem)));
        assert!(no_pem.starts_with("ssl.keystore.key: there is no PEM in it"), "{no_pem}");
    }
    let password = refusal(&trusting(&pem, &[("ssl.truststore.password", "tiger")]));
    assert!(password.contains("ssl.truststore.password is set, and PEM has no password"), "{password}");
    let chain = refusal(&trusting(&pem, &[("ssl.keystore.certificate.chain", &pem)]));
    assert!(chain.contains("ssl.keystore.key is not set"), "{chain}");
}

fn own<'a>(key: &'a str, chain: &'a str) -> [(&'static str, &'a str); 2] {
    [("ssl.keystore.key", key), ("ssl.keystore.certificate.chain", chain)]
}

/// Behaviour 103.
#[test]
fn a_key_that_cannot_be_used_is_an_error_that_names_where_it_is_from_and_no_secret() {
    let authority = TestAuthority::new("root");
    let pem = authority.pem();
    let (ours, other) = (authority.certify(&["client"]), authority.certify(&["client"]));
    let secret = other.key_pem().lines().nth(1).unwrap().to_owned();
    let refused = |key: &str, chain: &str| {
        let text = refusal(&trusting(&pem, &own(key, chain)));
        assert!(text.starts_with("ssl.keystore.key: ") && !text.contains(&secret[..20]), "{text}");
        text
    };
    let text = refused(&other.key_pem(), &ours.pem);
    assert!(
        text.ends_with("the private key does not fit the certificate CN=broker: it is another's"),
        "{text}"
    );
    for chain in ["nothing", other.key_pem().as_str()] {
        let text = refusal(&trusting(&pem, &own(&other.key_pem(), chain)));
        assert!(text.starts_with("ssl.keystore.certificate.chain: there is no "), "{text}");
    }
    refused(&secret, &ours.pem);
    let mut old = params(&["client"], "old");
    old.not_before = rcgen::date_time_ymd(2001, 1, 1);
    old.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let old = authority.certify_as(old);
    let text = refused(&old.key_pem(), &old.pem);
    assert!(
        text.contains("the certificate CN=old, our own, has expired: it was valid until 2002-01-01"),
        "{text}"
    );
}

/// Behaviour 100.
#[test]
fn files_are_named_with_their_settings() {
    let folder = std::env::temp_dir().join(format!("kafka-producer-tls-rules-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let authority = TestAuthority::new("root");
    let missing = folder.join("missing.pem").display().to_string();
    let text = refusal(&[("ssl.truststore.location", &missing)]);
    assert!(
        text.starts_with(&format!("ssl.truststore.location ({missing}): cannot read the file: ")),
        "{text}"
    );
    let folder_name = folder.display().to_string();
    let text = refusal(&[("ssl.truststore.location", &folder_name)]);
    assert!(text.contains("it is a directory"), "{text}");
    let file = folder.join("trust.pem");
    fs::write(&file, authority.pem()).unwrap();
    let file = file.display().to_string();
    // PEM is recognised where no type was said, and refused where another was.
    context_of(&[("ssl.truststore.location", &file)]).unwrap();
    context_of(&[("ssl.truststore.location", &file), ("ssl.truststore.type", "pem")]).unwrap();
    let text = refusal(&[("ssl.truststore.location", &file), ("ssl.truststore.type", "JKS")]);
    assert!(text.starts_with(&format!("ssl.truststore.location ({file}): ")), "{text}");
    assert!(text.ends_with("(see ssl.truststore.type)"), "{text}");
    fs::remove_dir_all(&folder).unwrap();
}

/// Behaviour 101.
#[test]
fn without_a_trust_store_the_systems_is_taken() {
    let broker: Certified = TestAuthority::new("root").certify(&["kafka"]);
    let server = server_config(&broker, &[], None, &BOTH);
    let origin = match cfg!(feature = "webpki-roots") {
        true => "the authorities of the crate webpki-roots (ssl.truststore.location is not set)",
        false => "the system's trust store (ssl.truststore.location is not set)",
    };
    match context_of(&[]) {
        Ok(context) => {
            let error = ConnectedPair::new(&context, "kafka", &server).travel(1000).unwrap_err();
            assert!(error.to_string().contains(origin), "{error}");
        }
        // A machine without any.
        Err(error) => {
            let is_of_the_system = !cfg!(feature = "webpki-roots");
            let is_said = error.to_string().contains("the system has no trusted certificates");
            assert!(is_of_the_system && is_said, "{error}");
        }
    }
}

#[test]
fn nothing_that_can_be_printed_holds_a_secret() {
    let authority = TestAuthority::new("root");
    let ours = authority.certify(&["client"]);
    let (pem, key) = (authority.pem(), ours.key_pem());
    let context = context_of(&trusting(&pem, &own(&key, &ours.pem))).unwrap();
    let layer = context.layer("kafka").unwrap();
    let printed = format!("{context:?} {:?} {:?} {layer:?}", context.sources, context.client_config());
    let secret = key.lines().nth(1).unwrap();
    assert!(printed.len() > 100 && !printed.contains(&secret[..30]), "{printed}");
    // PKCS#8 has the public key as well, which may be seen.
    let at = ours.key.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap() + 2;
    for piece in ours.key[at..at + 32].windows(8) {
        let (numbers, digits) =
            (format!("{piece:?}"), piece.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let numbers = numbers.trim_matches(['[', ']']);
        assert!(!printed.contains(numbers) && !printed.contains(&digits));
    }
}
