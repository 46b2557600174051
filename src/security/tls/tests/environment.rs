//! What the environment of a process decides: tests that run once more in a process of their own.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use super::authority::{BOTH, TestAuthority, server_config};
use super::folder::Folder;
use super::pair::{ConnectedPair, context, context_of};

/// Runs this test in a process of its own, where the variable has this value. None there: what it has is returned.
fn elsewhere(test: &str, variable: &str, value: &str) -> Option<OsString> {
    const CHILD: &str = "KAFKA_PRODUCER_TEST_IN_A_PROCESS_OF_ITS_OWN";
    if std::env::var_os(CHILD).is_some() {
        return std::env::var_os(variable);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("security::tls::tests::environment::{test}")]);
    child.env_remove("SSL_CERT_DIR").env(CHILD, "1").env(variable, value);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

/// Behaviour 101.
#[test]
fn the_systems_trust_store_is_read_but_for_who_has_the_roots_of_the_crate() {
    let folder = Folder::new("tls-system");
    let store = folder.write("system.pem", "");
    let test = "the_systems_trust_store_is_read_but_for_who_has_the_roots_of_the_crate";
    let Some(store) = elsewhere(test, "SSL_CERT_FILE", &store) else { return };
    let authority = TestAuthority::new("root");
    fs::write(store, authority.pem()).unwrap();
    let server = server_config(&authority.certify(&["kafka"]), &[], None, &BOTH);
    let context = context_of(&[]).unwrap();
    let outcome = ConnectedPair::new(&context, "kafka", &server).travel(1000);
    // Neither the system's store nor the crate's is a file of this program's.
    let other = TestAuthority::new("other").certify(&["kafka"]);
    let mut pair = ConnectedPair::new(&context, "kafka", &server_config(&other, &[], None, &BOTH));
    let text = pair.travel(1000).unwrap_err().to_string();
    assert!(text.contains("; name a trust store that has it by ssl.truststore.location, or let"), "{text}");
    #[cfg(not(feature = "webpki-roots"))]
    outcome.unwrap();
    #[cfg(feature = "webpki-roots")]
    {
        let text = outcome.unwrap_err().to_string();
        let words = format!(
            "is issued by CN=root, whose certificate is not among the {} in the authorities of the crate webpki-roots",
            webpki_roots::TLS_SERVER_ROOTS.len()
        );
        assert!(text.contains(&words), "{text}");
    }
}

/// Whoever has them can read all that was said.
#[test]
fn keys_of_connections_are_written_down_only_by_the_feature() {
    let folder = Folder::new("tls-key-log");
    let file = folder.write("keys", "");
    let test = "keys_of_connections_are_written_down_only_by_the_feature";
    let Some(file) = elsewhere(test, "SSLKEYLOGFILE", &file) else { return };
    let authority = TestAuthority::new("root");
    for version in BOTH {
        let server = server_config(&authority.certify(&["kafka"]), &[], None, &[version]);
        ConnectedPair::established(&context(&authority.pem(), None), "kafka", &server);
    }
    let written = fs::read_to_string(file).unwrap();
    let has = |label: &str| written.lines().any(|line| line.starts_with(label));
    match cfg!(feature = "tls-key-log") {
        true => assert!(has("CLIENT_RANDOM ") && has("CLIENT_TRAFFIC_SECRET_0 "), "{written}"),
        false => assert_eq!(written, ""),
    }
}
