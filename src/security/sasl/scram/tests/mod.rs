//! SCRAM: the exchange of the RFC, what is refused, keys that are kept.

use super::*;
use crate::network::Job;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn mechanisms(hash: ScramHash, credentials: SaslCredentials) -> ScramMechanisms {
    let source = CredentialsSource::Fixed(credentials);
    ScramMechanisms { nonce: || Ok(NONCE.to_owned()), ..ScramMechanisms::new(hash, source) }
}

/// What is said to a challenge, once all work is done that it needs; and how much that was.
fn answer(exchange: &mut Box<dyn Mechanism>, challenge: &str) -> (Result<String, Error>, usize) {
    let mut jobs = 0;
    loop {
        match exchange.evaluate(challenge.as_bytes()) {
            Ok(MechanismReply::Continue(token)) => {
                return (Ok(String::from_utf8(token.as_bytes().to_vec()).unwrap()), jobs);
            }
            Ok(MechanismReply::Done) => return (Ok(String::from("done")), jobs),
            Ok(MechanismReply::Wait(Some(work))) => {
                assert!(matches!(exchange.evaluate(challenge.as_bytes()), Ok(MechanismReply::Wait(None))));
                jobs += 1;
                Job::Work(work).run();
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (Err(error), jobs),
        }
    }
}

fn said(exchange: &mut Box<dyn Mechanism>, challenge: &str) -> String {
    answer(exchange, challenge).0.unwrap()
}

#[test]
fn the_exchange_is_that_of_rfc_7677() {
    let mechanisms = mechanisms(ScramHash::Sha256, SaslCredentials::new("user", "pencil"));
    let mut exchange = mechanisms.begin("broker").unwrap();
    assert_eq!(said(&mut exchange, ""), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(
        said(&mut exchange, SERVER_FIRST),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(said(&mut exchange, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "done");
    let error = answer(&mut exchange, "v=").0.unwrap_err();
    assert!(error.to_string().contains("after the end"), "{error}");
}

#[test]
fn keys_are_made_once_for_all_logins_with_the_same_salt_and_password() {
    let mechanisms = mechanisms(ScramHash::Sha512, SaslCredentials::new("user", "pencil"));
    let jobs = |server_first: &str| {
        let mut exchange = mechanisms.begin("broker").unwrap();
        said(&mut exchange, "");
        let (said, jobs) = answer(&mut exchange, server_first);
        said.unwrap();
        jobs
    };
    assert_eq!([jobs(SERVER_FIRST), jobs(SERVER_FIRST), jobs(SERVER_FIRST)], [1, 0, 0]);
    assert_eq!(jobs(&SERVER_FIRST.replace("4096", "4097")), 1);
    assert_eq!(jobs(&SERVER_FIRST.replace("W22Z", "W23Z")), 1);
    // Another password, as after a rotation.
    let theirs = ServerFirst::read(SERVER_FIRST.replace("W22Z", "W23Z").as_bytes(), NONCE).unwrap();
    assert!(mechanisms.cache.find(&Secret::from("pencil"), &theirs).is_some());
    assert!(mechanisms.cache.find(&Secret::from("pencils"), &theirs).is_none());
}

#[test]
fn names_spell_out_what_has_a_meaning_and_a_delegation_token_says_so() {
    let first = |credentials| said(&mut mechanisms(ScramHash::Sha256, credentials).begin("b").unwrap(), "");
    assert_eq!(first(SaslCredentials::new("a=b,c=2C", "x")), format!("n,,n=a=3Db=2Cc=3D2C,r={NONCE}"));
    assert_eq!(
        first(SaslCredentials::delegation_token("id", "x")),
        format!("n,,n=id,r={NONCE},tokenauth=true")
    );
}

#[test]
fn a_nonce_is_never_the_same() {
    let nonces: std::collections::HashSet<String> = (0..100).map(|_| nonce().unwrap()).collect();
    assert_eq!(nonces.len(), 100);
    assert!(nonces.iter().all(|nonce| nonce.len() == 32 && !nonce.contains([',', '='])));
}

/// Behaviour 105.
#[test]
fn a_broker_is_believed_only_if_it_plays_by_the_rules() {
    let (nonce, salt) = (&SERVER_FIRST[..52], "s=W22ZaJ0SNY7soEsUEjb6gQ==");
    for (message, words) in [
        ("", "r= is expected"),
        ("e=other-error", "r= is expected"),
        ("m=x,r=1", "an extension that this client does not have"),
        ("r=another,s=W22Z,i=4096", "not made of the client's"),
        (&*format!("r={NONCE},{salt},i=4096"), "not made of the client's"),
        (nonce, "s= is expected"),
        (&*format!("{nonce},s=!,i=4096"), "its salt is not base64"),
        (&*format!("{nonce},{salt}"), "i= is expected"),
        (&*format!("{nonce},{salt},i="), "not a number"),
        (&*format!("{nonce},{salt},i=+4096"), "not a number"),
        (&*format!("{nonce},{salt},i=4095"), "4095 iterations, which is less than 4096"),
        (&*format!("{nonce},{salt},i=1000001"), "more than 1000000 iterations"),
        (&*format!("{nonce},{salt},i=99999999999999999999"), "more than 1000000 iterations"),
    ] {
        let mechanisms = mechanisms(ScramHash::Sha256, SaslCredentials::new("user", "pencil"));
        let mut exchange = mechanisms.begin("broker").unwrap();
        said(&mut exchange, "");
        let error = answer(&mut exchange, message).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains(words), "{message}: {error}");
    }
    for (message, words) in [
        ("e=invalid-proof\x1b,x=y", "refused the login by SCRAM-SHA-256: invalid-proof\\u{1b}"),
        ("x", "v= is expected"),
        ("v=!", "its signature is not base64"),
        ("v=", "cannot prove that it knows the password"),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "its signature is not base64"),
        ("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "cannot prove that it knows the password"),
        (SERVER_FIRST, "v= is expected"),
    ] {
        let mechanisms = mechanisms(ScramHash::Sha256, SaslCredentials::new("user", "pencil"));
        let mut exchange = mechanisms.begin("broker").unwrap();
        said(&mut exchange, "");
        said(&mut exchange, SERVER_FIRST);
        let error = answer(&mut exchange, message).0.unwrap_err();
        assert!(error.to_string().contains(words), "{message}: {error}");
        assert!(!error.to_string().contains("pencil") && error.kind() == ErrorKind::Authentication);
    }
}

#[test]
fn an_extension_behind_the_rest_is_left_alone_and_is_signed_as_well() {
    let extended = format!("{SERVER_FIRST},x=y");
    let theirs = ServerFirst::read(extended.as_bytes(), NONCE).unwrap();
    assert_eq!((theirs.message, theirs.iterations), (extended, 4096));
}

#[test]
fn damaged_messages_are_errors_and_no_panics() {
    let mut random = fastrand::Rng::with_seed(5802);
    let whole = [SERVER_FIRST, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "e=invalid-proof"];
    for _ in 0..20_000 {
        let mut message = whole[random.usize(..3)].as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..message.len());
            match random.u8(..3) {
                0 => message[at] = random.u8(..),
                1 => message.truncate(at.max(1)),
                _ => message.insert(at, b",=rsivem"[random.usize(..8)]),
            }
        }
        let _ = read_scram_messages(&message);
        let _ = ServerFirst::read(&message, NONCE);
    }
}
