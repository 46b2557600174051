//! Stores that OpenSSL and Java's keytool wrote (`../fixtures/make.sh`), and what becomes of damaged ones.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::*;

/// A store from `../fixtures/`.
macro_rules! fixture {
    ($name:expr) => {
        &include_bytes!(concat!("../fixtures/", $name))[..]
    };
}

const PASSWORD: &str = "changeit";
const UMLAUTS: &str = "pässwörd-€-🔑";

#[track_caller]
fn entries(kind: StoreType, bytes: &[u8]) -> Vec<KeyEntry> {
    read_key_entries(kind, bytes, Some(PASSWORD), None).unwrap()
}

/// What is said of a store that cannot be used.
#[track_caller]
fn refused(kind: StoreType, bytes: &[u8], store: Option<&str>, key: Option<&str>) -> StoreError {
    read_key_entries(kind, bytes, store, key).unwrap_err()
}

/// The provider that does TLS takes the key, and it is that of the certificate.
#[track_caller]
fn assert_fits(entry: &KeyEntry) {
    let provider = rustls_graviola::default_provider();
    let key = provider.key_provider.load_private_key(entry.key.clone_key()).unwrap();
    CertifiedKey::new(entry.chain.clone(), key).keys_match().unwrap();
}

fn clear_ec_key() -> PrivateKeyDer<'static> {
    read_pem_key(fixture!("ec-key.pem"), None).unwrap()
}

/// The key of an encrypted PEM text, which these passwords, and none at all, do not open.
#[track_caller]
fn opened_alone(name: &str, text: &[u8], others: &[&str]) -> PrivateKeyDer<'static> {
    for other in others {
        let wrong = Err(StoreError::WrongPasswordOrDamaged(StorePassword::Key));
        assert_eq!(read_pem_key(text, Some(other)), wrong, "{name}");
    }
    assert_eq!(read_pem_key(text, None), Err(StoreError::PasswordMissing(StorePassword::Key)), "{name}");
    read_pem_key(text, Some(PASSWORD)).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

fn pem_certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    read_trusted_certificates(StoreType::Pem, text, None).unwrap()
}

/// Behaviour 111.
#[test]
fn pem_has_a_key_and_its_chain_in_one_file_or_in_texts_of_their_own() {
    for bundle in [fixture!("bundle.pem"), fixture!("crlf.pem")] {
        let entry = read_key_entries(StoreType::Pem, bundle, None, None).unwrap().remove(0);
        assert_fits(&entry);
        assert_eq!(
            entry.chain,
            [pem_certificates(fixture!("ec.pem")), pem_certificates(fixture!("ca.pem"))].concat()
        );
    }
    let chain = fixture!("rsa.pem");
    for key in [fixture!("rsa-key.pem"), fixture!("rsa-pkcs1.pem")] {
        assert_fits(&read_pem_key_entry(key, chain, None).unwrap());
    }
    assert_fits(&read_pem_key_entry(fixture!("ec-sec1.pem"), fixture!("ec.pem"), None).unwrap());
    // What OpenSSL adds behind a certificate that it trusts is not part of it.
    assert_eq!(pem_certificates(fixture!("trusted.pem")), pem_certificates(fixture!("ec.pem")));
}

#[test]
fn pem_keys_that_are_encrypted_open_with_their_password_alone() {
    let expected = clear_ec_key();
    for (name, text) in [
        ("pbes2-aes128-sha1", fixture!("pbes2-aes128-sha1.pem")),
        ("pbes2-aes192-sha224", fixture!("pbes2-aes192-sha224.pem")),
        ("pbes2-aes256-sha256", fixture!("pbes2-aes256-sha256.pem")),
        ("pbes2-aes256-sha384", fixture!("pbes2-aes256-sha384.pem")),
        ("pbes2-aes256-sha512", fixture!("pbes2-aes256-sha512.pem")),
        ("pbes2-3des-sha256", fixture!("pbes2-3des-sha256.pem")),
        ("pbes2-des-sha1", fixture!("pbes2-des-sha1.pem")),
        ("pbes1-md5-des", fixture!("pbes1-md5-des.pem")),
        ("pbes1-sha1-des", fixture!("pbes1-sha1-des.pem")),
        ("pbes1-md5-rc2", fixture!("pbes1-md5-rc2.pem")),
        ("pbes1-sha1-rc2", fixture!("pbes1-sha1-rc2.pem")),
        ("pbes1-pkcs12-3des", fixture!("pbes1-pkcs12-3des.pem")),
        ("pbes1-pkcs12-2des", fixture!("pbes1-pkcs12-2des.pem")),
        ("pbes1-pkcs12-rc2-40", fixture!("pbes1-pkcs12-rc2-40.pem")),
        ("pbes1-pkcs12-rc2-128", fixture!("pbes1-pkcs12-rc2-128.pem")),
    ] {
        assert_eq!(opened_alone(name, text, &["changeiT", ""]), expected, "{name}");
    }
}

/// Behaviour 111.
#[test]
fn pem_keys_of_openssl_s_older_encryption_open() {
    let sec1 = read_pem_key(fixture!("ec-sec1.pem"), None).unwrap();
    for (name, text) in [
        ("des", fixture!("traditional-des.pem")),
        ("des3", fixture!("traditional-des3.pem")),
        ("aes128", fixture!("traditional-aes128.pem")),
        ("aes192", fixture!("traditional-aes192.pem")),
        ("aes256", fixture!("traditional-aes256.pem")),
    ] {
        assert_eq!(opened_alone(name, text, &["other"]), sec1, "{name}");
    }
    let rsa = read_pem_key(fixture!("rsa-pkcs1.pem"), None);
    assert_eq!(read_pem_key(fixture!("traditional-rsa.pem"), Some(PASSWORD)), rsa);
    let bundle = fixture!("traditional-bundle.pem");
    assert_fits(&read_key_entries(StoreType::Pem, bundle, None, Some(PASSWORD)).unwrap()[0]);
}

#[test]
fn what_is_not_read_is_named_with_what_to_do() {
    let said = |text| read_pem_key(text, Some(PASSWORD)).unwrap_err().to_string();
    let scrypt = said(fixture!("scrypt.pem"));
    assert!(
        scrypt.starts_with("a key made by scrypt is not supported: encrypt it anew with PBES2"),
        "{scrypt}"
    );
    let rc4 = said(fixture!("pbes1-pkcs12-rc4.pem"));
    assert!(rc4.starts_with("the encryption 1.2.840.113549.1.12.1.1 is not supported: "), "{rc4}");
    let camellia = said(fixture!("pbes2-camellia.pem"));
    assert!(camellia.starts_with("the cipher 1.2.392.200011.61.1.1.1.2 is not supported: "), "{camellia}");
    let camellia = said(fixture!("traditional-camellia128.pem"));
    let expected = "a key encrypted by CAMELLIA-128-CBC is not supported: `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it as PKCS #8";
    assert_eq!(camellia, expected);
    let ssh = said(b"-----BEGIN OPENSSH PRIVATE KEY-----\naGVsbG8=\n-----END OPENSSH PRIVATE KEY-----");
    assert!(ssh.starts_with("a key as OPENSSH PRIVATE KEY is not supported: "), "{ssh}");
    let pkcs7 =
        read_trusted_certificates(StoreType::Pem, fixture!("pkcs7.pem"), None).unwrap_err().to_string();
    assert!(pkcs7.contains("`openssl pkcs7 -print_certs`"), "{pkcs7}");
    let jceks = refused(StoreType::Jks, fixture!("java8.jceks"), Some(PASSWORD), None).to_string();
    assert!(jceks.starts_with("a JCEKS store is not supported: `keytool -importkeystore "), "{jceks}");
    for binary in [fixture!("certificate.der"), fixture!("key.der")] {
        let said = refused(StoreType::Pem, binary, None, None).to_string();
        assert!(said.starts_with("a certificate or key in binary form (DER) is not supported: "), "{said}");
    }
}

#[test]
fn another_type_than_was_said_is_named() {
    let said = |kind, bytes| refused(kind, bytes, Some(PASSWORD), None).to_string();
    assert_eq!(said(StoreType::Pem, fixture!("openssl3.p12")), "this is a PKCS12 store, not PEM");
    assert_eq!(said(StoreType::Pem, fixture!("java8.jks")), "this is a JKS store, not PEM");
    assert_eq!(said(StoreType::Jks, fixture!("bundle.pem")), "this is PEM, not a JKS store");
    assert_eq!(said(StoreType::Pkcs12, fixture!("bundle.pem")), "this is PEM, not a PKCS12 store");
    assert_eq!(said(StoreType::Pem, b""), "it is empty");
    assert_eq!(said(StoreType::Pkcs12, b" \n\n"), "it is empty");
    let request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    assert!(
        said(StoreType::Pem, request).starts_with("a request for a certificate (CSR) is not supported: ")
    );
    assert_eq!(said(StoreType::Pem, b"no store"), "there is no PEM in it, which begins with -----BEGIN");
    assert_eq!(said(StoreType::Jks, b"no store"), "it is damaged: it does not begin as a JKS store does");
    assert!(said(StoreType::Pkcs12, b"no store").starts_with("it is damaged: the store "));
    assert!(said(StoreType::Pem, b"\xff\xfe-\0-\0").starts_with("text in UTF-16 is not supported"));
    // As Java, which has read either as the other since Java 8.
    assert_fits(&entries(StoreType::Jks, fixture!("openssl3.p12"))[0]);
    assert_fits(&entries(StoreType::Pkcs12, fixture!("java8-one-password.jks"))[0]);
    let names =
        ["pem", "PKCS12", "jks", "JCEKS", ""].map(|name| StoreType::of_name(name).map(StoreType::name));
    assert_eq!(names, [Some("PEM"), Some("PKCS12"), Some("JKS"), None, None]);
}

#[test]
fn pkcs12_of_openssl_opens_as_it_writes_it_now_and_did_before() {
    let (key, chain) = (clear_ec_key(), pem_certificates(fixture!("bundle.pem")));
    for (name, store, password, alias) in [
        ("3", fixture!("openssl3.p12"), PASSWORD, "alice"),
        ("1.1", fixture!("openssl1.p12"), PASSWORD, "alice"),
        ("no MAC", fixture!("openssl3-no-mac.p12"), PASSWORD, ""),
        ("SHA-512", fixture!("openssl3-sha512.p12"), PASSWORD, ""),
        ("3DES", fixture!("openssl3-3des.p12"), PASSWORD, ""),
        ("RC2, MD5", fixture!("openssl3-rc2-128.p12"), PASSWORD, ""),
        ("clear", fixture!("openssl3-clear.p12"), PASSWORD, ""),
        ("one iteration", fixture!("openssl3-iterations-1.p12"), PASSWORD, ""),
        ("empty", fixture!("openssl3-empty-password.p12"), "", ""),
        ("1.1, empty", fixture!("openssl1-empty-password.p12"), "", ""),
        ("umlauts", fixture!("openssl3-umlaut-password.p12"), UMLAUTS, ""),
        ("1.1, umlauts", fixture!("openssl1-umlaut-password.p12"), UMLAUTS, ""),
    ] {
        let read = read_key_entries(StoreType::Pkcs12, store, Some(password), None);
        let entries = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((entries.len(), entries[0].alias.as_str()), (1, alias), "{name}");
        assert!(entries[0].key == key && entries[0].chain == chain, "{name}");
        let wrong = read_key_entries(StoreType::Pkcs12, store, Some("changeiT"), None).unwrap_err();
        // Without a MAC the certificates are in clear, and only the key tells.
        let of = if name == "no MAC" { StorePassword::Key } else { StorePassword::Store };
        assert_eq!(wrong, StoreError::WrongPasswordOrDamaged(of), "{name}");
    }
    let entry = &entries(StoreType::Pkcs12, fixture!("openssl3-rsa.p12"))[0];
    assert_fits(entry);
    assert_eq!((entry.alias.as_str(), &entry.chain), ("bob", &pem_certificates(fixture!("rsa.pem"))));
}

#[test]
fn pkcs12_of_every_java_opens_with_all_keys_in_its_order() {
    for (name, store) in [
        ("17", fixture!("java17.p12")),
        ("11", fixture!("java11.p12")),
        ("8", fixture!("java8.p12")),
        ("17, imported", fixture!("java17-imported.p12")),
    ] {
        let entries = read_key_entries(StoreType::Pkcs12, store, Some(PASSWORD), Some(PASSWORD));
        let entries = entries.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((entries.len(), entries[0].alias.as_str()), (1, "alice"), "{name}");
        assert_fits(&entries[0]);
    }
    let several = entries(StoreType::Pkcs12, fixture!("java17-several.p12"));
    several.iter().for_each(assert_fits);
    assert_eq!(several.iter().map(|entry| entry.alias.as_str()).collect::<Vec<_>>(), ["zoe", "adam"]);
    assert!(several.iter().all(|entry| entry.chain.len() == 1));
    let wrong = refused(StoreType::Pkcs12, fixture!("java17-several.p12"), Some(PASSWORD), Some("another"));
    assert_eq!(wrong.to_string(), "entry \"zoe\": the password of the private key is wrong");
    let wrong = refused(StoreType::Pkcs12, fixture!("java17.p12"), Some(PASSWORD), Some("another"));
    assert_eq!(wrong, StoreError::WrongPassword(StorePassword::Key));
}

#[test]
fn jks_opens_with_one_password_or_two() {
    let store = fixture!("java8.jks");
    let entries_of_two = read_key_entries(StoreType::Jks, store, Some(PASSWORD), Some("key-secret")).unwrap();
    assert_fits(&entries_of_two[0]);
    assert_eq!((entries_of_two.len(), entries_of_two[0].alias.as_str()), (1, "alice"));
    // Without the store's password nothing vouches for it, and the key opens all the same.
    assert_fits(&read_key_entries(StoreType::Jks, store, None, Some("key-secret")).unwrap()[0]);
    let said = |store_password, key_password| refused(StoreType::Jks, store, store_password, key_password);
    assert_eq!(said(Some(PASSWORD), None), StoreError::WrongPassword(StorePassword::Key));
    assert_eq!(said(Some(PASSWORD), Some("x")), StoreError::WrongPassword(StorePassword::Key));
    assert_eq!(said(Some("x"), Some("key-secret")), StoreError::WrongPasswordOrDamaged(StorePassword::Store));
    assert_eq!(said(None, Some("x")), StoreError::WrongPasswordOrDamaged(StorePassword::Key));
    assert_eq!(said(None, None), StoreError::PasswordMissing(StorePassword::Key));

    assert_fits(&entries(StoreType::Jks, fixture!("java8-one-password.jks"))[0]);
    let imported = entries(StoreType::Jks, fixture!("java8-imported.jks"));
    assert_eq!(imported[0].chain, pem_certificates(fixture!("bundle.pem")));
    assert_fits(&imported[0]);
    let several = entries(StoreType::Jks, fixture!("java8-several.jks"));
    several.iter().for_each(assert_fits);
    let mut names: Vec<_> = several.iter().map(|entry| entry.alias.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["adam", "zoe"]);
}

/// Behaviour 112.
#[test]
fn trusted_are_those_that_are_marked_and_the_keys_own() {
    let ca = &pem_certificates(fixture!("ca.pem"))[0];
    let trusted = |kind, store, password| read_trusted_certificates(kind, store, password);
    for (name, kind, store) in [
        ("Java 17", StoreType::Pkcs12, fixture!("java17-trust.p12")),
        ("Java 8", StoreType::Pkcs12, fixture!("java8-trust.p12")),
        ("Java 8, JKS", StoreType::Jks, fixture!("java8-trust.jks")),
        ("OpenSSL, which marks none", StoreType::Pkcs12, fixture!("openssl3-trust.p12")),
        ("without a password", StoreType::Pkcs12, fixture!("java18-no-password.p12")),
        ("a key beside it", StoreType::Pkcs12, fixture!("java17-several.p12")),
        ("a key beside it, JKS", StoreType::Jks, fixture!("java8-several.jks")),
    ] {
        let found = trusted(kind, store, Some(PASSWORD)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.contains(ca), "{name}");
    }
    assert_eq!(trusted(StoreType::Pkcs12, fixture!("java17-trust.p12"), Some(PASSWORD)).unwrap().len(), 2);
    assert_eq!(trusted(StoreType::Pkcs12, fixture!("java17-several.p12"), Some(PASSWORD)).unwrap().len(), 3);
    // The authority that signed the key is not trusted because of that, as with Java.
    let own = trusted(StoreType::Pkcs12, fixture!("openssl3.p12"), Some(PASSWORD));
    assert_eq!(own, Ok(pem_certificates(fixture!("ec.pem"))));
    // Without a password what is in clear is read, and nothing else.
    for (kind, store) in [
        (StoreType::Jks, fixture!("java8-trust.jks")),
        (StoreType::Pkcs12, fixture!("java18-no-password.p12")),
    ] {
        assert_eq!(trusted(kind, store, None).as_ref(), Ok(&vec![ca.clone()]));
    }
    let missing = Err(StoreError::PasswordMissing(StorePassword::Store));
    assert_eq!(trusted(StoreType::Pkcs12, fixture!("java17-trust.p12"), None), missing);
    let wrong = Err(StoreError::WrongPasswordOrDamaged(StorePassword::Store));
    assert_eq!(trusted(StoreType::Jks, fixture!("java8-trust.jks"), Some("x")), wrong);
    assert_eq!(trusted(StoreType::Pkcs12, fixture!("java17-trust.p12"), Some("x")), wrong);
}

#[test]
fn a_store_without_what_is_asked_for_says_what_there_is() {
    let said = |kind, store| refused(kind, store, Some(PASSWORD), None).to_string();
    let expected = "there is no private key in it, only 1 certificate";
    assert_eq!(said(StoreType::Pkcs12, fixture!("openssl3-trust.p12")), expected);
    assert_eq!(said(StoreType::Jks, fixture!("java8-trust.jks")), expected);
    assert_eq!(said(StoreType::Pem, fixture!("ca.pem")), expected);
    assert_eq!(
        said(StoreType::Pem, fixture!("ec-key.pem")),
        "there is no certificate in it, only 1 private key"
    );
    let two = [fixture!("ec-key.pem"), fixture!("rsa-key.pem"), fixture!("ec.pem")].concat();
    assert_eq!(said(StoreType::Pem, &two), "there are 2 private keys in it, where one is expected");
}

/// Where a password fits and a MAC does not, the store is another than was written.
#[test]
fn damage_is_told_from_a_wrong_password_where_that_can_be_known() {
    let mut pkcs12 = fixture!("openssl3.p12").to_vec();
    // The MAC is the last but for its salt and iterations.
    let at = pkcs12.len() - 40;
    pkcs12[at] ^= 1;
    let said = refused(StoreType::Pkcs12, &pkcs12, Some(PASSWORD), None).to_string();
    assert_eq!(said, "it is damaged: the password opens it, but its MAC is that of another content");
    let mut jks = fixture!("java8-one-password.jks").to_vec();
    // When the entry was made.
    jks[25] ^= 1;
    let said = refused(StoreType::Jks, &jks, Some(PASSWORD), None).to_string();
    assert_eq!(said, "it is damaged: the password opens a key, but the digest is that of another content");
}

/// Lengths that are left open, and strings in pieces: as Bouncy Castle writes PKCS #12.
#[test]
fn pkcs12_may_leave_lengths_open() {
    for store in [fixture!("openssl3.p12"), fixture!("java17.p12"), fixture!("openssl3-trust.p12")] {
        let lax = loosened(store);
        assert!(lax.windows(4).any(|window| window == [0x24, 0x80, 0x04, 100]) && lax != store);
        let read = |bytes| read_trusted_certificates(StoreType::Pkcs12, bytes, Some(PASSWORD)).unwrap();
        assert_eq!(read(&lax), read(store));
    }
    assert_fits(&entries(StoreType::Pkcs12, &loosened(fixture!("openssl3.p12")))[0]);
}

/// The same elements with all lengths left open that may be, and strings in pieces of 100 bytes.
fn loosened(bytes: &[u8]) -> Vec<u8> {
    let (mut lax, mut rest) = (Vec::new(), der::Der::new(bytes, "it"));
    while !rest.is_empty() {
        let (tag, content) = rest.element().unwrap();
        if tag & 0x20 != 0 {
            lax.extend([tag, 0x80]);
            lax.extend(loosened(content));
            lax.extend([0, 0]);
        } else if matches!(tag, 0x04 | 0x80) && content.len() > 100 {
            lax.extend([if tag == 0x04 { 0x24 } else { 0xa0 }, 0x80]);
            content.chunks(100).for_each(|piece| der::write_element(&mut lax, 0x04, piece));
            lax.extend([0, 0]);
        } else {
            der::write_element(&mut lax, tag, content);
        }
    }
    lax
}

/// Bytes changed, left out, cut off and repeated. Whatever comes of it, it comes soon, and no text of it has a password.
#[test]
fn damaged_stores_are_refused_or_read_and_never_end_us() {
    let stores = [
        (StoreType::Pem, fixture!("bundle.pem")),
        (StoreType::Pem, fixture!("pbes1-md5-des.pem")),
        (StoreType::Pem, fixture!("traditional-aes256.pem")),
        (StoreType::Pkcs12, fixture!("openssl3-iterations-1.p12")),
        (StoreType::Pkcs12, fixture!("openssl3-clear.p12")),
        (StoreType::Pkcs12, fixture!("java18-no-password.p12")),
        (StoreType::Jks, fixture!("java8.jks")),
        (StoreType::Jks, fixture!("java8-several.jks")),
    ];
    let mut random = fastrand::Rng::with_seed(11);
    let mut refused = 0;
    for (kind, store) in stores {
        for _ in 0..400 {
            let damaged = damage(store, &mut random);
            for password in [None, Some(PASSWORD)] {
                let key = read_key_entries(kind, &damaged, password, password);
                let trusted = read_trusted_certificates(kind, &damaged, password);
                for error in [key.err(), trusted.err()].into_iter().flatten() {
                    refused += 1;
                    let text = format!("{error} {error:?}");
                    assert!(!text.contains(PASSWORD) && !text.contains(&['\n', '\r'][..]), "{text}");
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

fn damage(store: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = store.to_vec();
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + random.usize(1..20)).min(bytes.len()))),
            2 => bytes[at] = random.u8(..),
            3 => bytes[at] ^= 1 << random.u8(..8),
            _ => {
                let piece = bytes[at..(at + 20).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn neither_keys_nor_passwords_are_shown() {
    let entries = entries(StoreType::Pkcs12, fixture!("openssl3.p12"));
    assert_eq!(format!("{entries:?}"), "[KeyEntry(\"alice\", 2 certificates)]");
}
