//! SASL: what may come when, each mechanism's yes and no, sessions that end, faults. By the rules, without sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests are here")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use kafka_embedded::{
    Action, ActionKind, Api, ClusterRules, ConnectionId, EmbeddedCluster, Fault, SaslMechanism, SaslOptions,
    TokenVerdict,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Request, StrBytes};
use sha2::{Digest, Sha256};
use support::{NOW_MS, decode, frame};

const DELAY: Duration = Duration::from_millis(100);

/// One connection to a cluster, and its time.
struct Talk {
    rules: ClusterRules,
    connection: ConnectionId,
    now: Instant,
}

fn everything() -> SaslOptions {
    SaslOptions::new(SaslMechanism::ALL).user("alice", "alice-secret").user("bob", "bob-secret")
}

impl Talk {
    fn new(options: SaslOptions) -> Self {
        let now = Instant::now();
        let mut rules = EmbeddedCluster::builder().topic("test", 1).sasl(options).rules(now, NOW_MS).unwrap();
        let connection = rules.connect(1).unwrap();
        Self { rules, connection, now }
    }

    fn again(&mut self) {
        self.connection = self.rules.connect(1).unwrap();
    }

    fn give(&mut self, bytes: Vec<u8>) -> Vec<Action> {
        self.rules.handle(self.now, self.connection, bytes)
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) -> Vec<Action> {
        self.give(frame(version, 7, request))
    }

    /// What comes now, and whether the connection is closed.
    fn frames(&self, actions: &[Action]) -> (Vec<Vec<u8>>, bool) {
        let answers = actions.iter().filter_map(|action| match &action.kind {
            ActionKind::Answer(frame) => Some(frame.clone()),
            ActionKind::Close => None,
        });
        (answers.collect(), actions.iter().any(|action| action.kind == ActionKind::Close))
    }

    /// What comes after the delay of failures; nothing came before.
    fn late(&mut self, actions: &[Action]) -> (Vec<Vec<u8>>, bool) {
        assert_eq!(actions, []);
        self.now += DELAY;
        let actions = self.rules.due(self.now);
        self.frames(&actions)
    }

    fn versions(&mut self) {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("a"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        let actions = self.send(3, &request);
        let (answers, is_closed) = self.frames(&actions);
        let (_, answer) = decode::<ApiVersionsResponse>(3, &answers[0]);
        assert!(!is_closed && answer.api_keys.iter().any(|it| it.api_key == 36 && it.max_version == 2));
    }

    fn choose(&mut self, mechanism: SaslMechanism) {
        let actions = self.send(1, &handshake(mechanism.name()));
        let (answers, is_closed) = self.frames(&actions);
        assert_eq!((decode::<SaslHandshakeResponse>(1, &answers[0]).1.error_code, is_closed), (0, false));
    }

    fn token(&mut self, token: &[u8]) -> SaslAuthenticateResponse {
        let actions = self.send(2, &authenticate(token));
        let (answers, is_closed) = self.frames(&actions);
        assert!(!is_closed);
        let answer = decode::<SaslAuthenticateResponse>(2, &answers[0]).1;
        assert_eq!((answer.error_code, &answer.error_message), (0, &None));
        answer
    }

    /// The token is refused, with this text.
    fn refused(&mut self, token: &[u8]) -> String {
        let actions = self.send(2, &authenticate(token));
        let (answers, is_closed) = self.late(&actions);
        assert!(is_closed);
        let answer = decode::<SaslAuthenticateResponse>(2, &answers[0]).1;
        assert_eq!(answer.error_code, 58);
        answer.error_message.unwrap().to_string()
    }

    /// Whether an ordinary request is answered.
    fn is_served(&mut self) -> bool {
        let actions = self.send(9, &MetadataRequest::default());
        let (answers, is_closed) = self.frames(&actions);
        answers.iter().for_each(|answer| drop(decode::<MetadataResponse>(9, answer)));
        assert_ne!(answers.is_empty(), !is_closed);
        !is_closed
    }

    fn log_in(&mut self) -> Duration {
        self.choose(SaslMechanism::Plain);
        let ms = self.token(b"\0alice\0alice-secret").session_lifetime_ms;
        Duration::from_millis(u64::try_from(ms).unwrap())
    }
}

fn handshake(mechanism: &str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()))
}

fn authenticate(token: &[u8]) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(token))
}

#[test]
fn plain_is_believed_or_refused_in_kafkas_words() {
    let mut talk = Talk::new(everything());
    talk.versions();
    assert_eq!(talk.log_in(), Duration::ZERO);
    assert!(talk.is_served());
    for (token, text) in [
        (&b"\0alice\0wrong"[..], "Authentication failed: Invalid username or password"),
        (b"\0mallory\0alice-secret", "Authentication failed: Invalid username or password"),
        (b"\0\0x", "Authentication failed: username not specified"),
        (b"\0alice\0", "Authentication failed: password not specified"),
        (b"alice", "Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
        (
            b"bob\0alice\0alice-secret",
            "Authentication failed: Client requested an authorization id that is different from username",
        ),
    ] {
        talk.again();
        talk.choose(SaslMechanism::Plain);
        assert_eq!(talk.refused(token), text);
    }
    talk.rules.set_user("alice", "new");
    talk.again();
    talk.choose(SaslMechanism::Plain);
    talk.token(b"\0alice\0new");
    talk.rules.remove_user("alice");
    talk.again();
    talk.choose(SaslMechanism::Plain);
    talk.refused(b"\0alice\0new");
    let logins = talk.rules.logins();
    let believed = logins.iter().filter(|login| login.outcome == Ok("alice".to_owned())).count();
    assert_eq!((logins.len(), believed), (9, 2));
}

fn mac(key: &[u8], said: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(said).finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let digit = |bits: &[u8]| {
        let text = format!("{:0<6}", std::str::from_utf8(bits).unwrap());
        digits[usize::from_str_radix(&text, 2).unwrap()]
    };
    let text: String = bits.as_bytes().chunks(6).map(digit).collect();
    format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
}

fn unbase64(text: &str) -> Vec<u8> {
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let place = |digit: char| digits.iter().position(|it| *it == digit).unwrap();
    let bits: String = text.chars().filter(|it| *it != '=').map(|it| format!("{:06b}", place(it))).collect();
    let whole = bits.as_bytes().chunks_exact(8);
    whole.map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap()).collect()
}

/// The client's last message of SCRAM-SHA-256, and what the broker has to answer.
fn prove(bare: &str, challenge: &[u8], password: &str) -> (String, String) {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let parts: Vec<&str> = challenge.split(',').map(|part| &part[2..]).collect();
    let mut salted = [0; 32];
    let iterations: u32 = parts[2].parse().unwrap();
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &unbase64(parts[1]), iterations, &mut salted);
    let without_proof = format!("c=biws,r={}", parts[0]);
    let said = format!("{bare},{challenge},{without_proof}");
    let client_key = mac(&salted, b"Client Key");
    let signature = mac(&Sha256::digest(&client_key), said.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
    let answer = format!("v={}", base64(&mac(&mac(&salted, b"Server Key"), said.as_bytes())));
    (format!("{without_proof},p={}", base64(&proof)), answer)
}

#[test]
fn scram_is_proved_and_a_wrong_proof_is_refused_without_a_reason() {
    let options = everything().iterations(5000).delegation_token("id", "hmac", "carol");
    let mut talk = Talk::new(options);
    let hidden = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256";
    for (bare, password, is_believed) in [
        ("n=alice,r=abc", "alice-secret", true),
        ("n=alice,r=abc", "wrong", false),
        ("n=id,r=abc,tokenauth=true", "hmac", true),
    ] {
        talk.again();
        talk.choose(SaslMechanism::ScramSha256);
        let challenge = talk.token(format!("n,,{bare}").as_bytes()).auth_bytes;
        assert!(challenge.starts_with(b"r=abc") && challenge.ends_with(b",i=5000"));
        let (last, answer) = prove(bare, &challenge, password);
        match is_believed {
            true => assert_eq!(talk.token(last.as_bytes()).auth_bytes, answer.as_bytes()),
            false => assert_eq!(talk.refused(last.as_bytes()), hidden),
        }
    }
    let names: Vec<_> = talk.rules.logins().iter().filter_map(|login| login.outcome.clone().ok()).collect();
    assert_eq!(names, ["alice", "carol"]);
    for first in ["n,,n=mallory,r=abc", "n,,n=id,r=abc", "n,,n=alice,r=abc,tokenauth=true", "nonsense"] {
        talk.again();
        talk.choose(SaslMechanism::ScramSha256);
        assert_eq!(talk.refused(first.as_bytes()), hidden);
    }
}

#[test]
fn tokens_are_judged_and_a_refusal_is_told_once_the_client_has_heard_it() {
    let judge = |presented: &kafka_embedded::PresentedToken<'_>| match presented.token {
        "good" => {
            let lifetime = (!presented.extensions.is_empty()).then_some(Duration::from_secs(5));
            TokenVerdict::Accepted { principal: "alice".to_owned(), lifetime }
        }
        _ => TokenVerdict::Refused("invalid_token".to_owned()),
    };
    let mut talk = Talk::new(everything().judge_tokens(judge).max_reauth(Duration::from_secs(60)));
    let message = |token: &str, more: &str| format!("n,,\u{1}auth=Bearer {token}\u{1}{more}\u{1}");
    for (more, ms) in [("", 60_000), ("traceId=1\u{1}", 5_000)] {
        talk.again();
        talk.choose(SaslMechanism::OAuthBearer);
        assert_eq!(talk.token(message("good", more).as_bytes()).session_lifetime_ms, ms);
    }
    talk.again();
    talk.choose(SaslMechanism::OAuthBearer);
    let challenge = talk.token(message("bad", "").as_bytes()).auth_bytes;
    assert_eq!(challenge, &br#"{"status":"invalid_token"}"#[..]);
    assert_eq!(talk.refused(&[1]), r#"{"status":"invalid_token"}"#);
}

#[test]
fn what_amazon_takes_is_judged_by_a_closure() {
    let judge = |payload: &str| {
        if payload.contains("AKIA") { Ok("role".to_owned()) } else { Err("Access denied".to_owned()) }
    };
    let mut talk = Talk::new(everything().judge_msk_iam(judge));
    talk.choose(SaslMechanism::AwsMskIam);
    assert!(talk.token(br#"{"x-amz-credential":"AKIA"}"#).auth_bytes.starts_with(br#"{"version":"#));
    talk.again();
    talk.choose(SaslMechanism::AwsMskIam);
    assert_eq!(talk.refused(b"{}"), "Access denied");
}

#[test]
fn a_mechanism_that_is_not_enabled_is_answered_with_those_that_are() {
    let mut talk = Talk::new(SaslOptions::new([SaslMechanism::ScramSha512, SaslMechanism::Plain]));
    let actions = talk.send(1, &handshake("GSSAPI"));
    let (answers, is_closed) = talk.late(&actions);
    let answer = decode::<SaslHandshakeResponse>(1, &answers[0]).1;
    let names: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
    assert_eq!((answer.error_code, names, is_closed), (33, vec!["SCRAM-SHA-512", "PLAIN"], true));
}

#[test]
fn nothing_else_may_come_before_a_login() {
    let mut talk = Talk::new(everything());
    for step in 0..3 {
        talk.again();
        if step > 0 {
            talk.versions();
        }
        if step > 1 {
            talk.choose(SaslMechanism::Plain);
        }
        let actions = talk.send(9, &MetadataRequest::default());
        assert_eq!(talk.late(&actions), (Vec::new(), true));
    }
    talk.again();
    talk.versions();
    let actions = talk.send(3, &ApiVersionsRequest::default());
    assert_eq!(talk.frames(&actions), (Vec::new(), true), "a second time, as with Kafka");

    let mut rules = EmbeddedCluster::builder().rules(talk.now, NOW_MS).unwrap();
    let connection = rules.connect(1).unwrap();
    let actions = rules.handle(talk.now, connection, frame(1, 7, &handshake("PLAIN")));
    let (answers, is_closed) = talk.frames(&actions);
    assert_eq!((decode::<SaslHandshakeResponse>(1, &answers[0]).1.error_code, is_closed), (34, false));
}

#[test]
fn tokens_come_bare_after_the_oldest_handshake() {
    let mut talk = Talk::new(everything());
    for (token, answer) in [(&b"\0alice\0alice-secret"[..], Some(vec![0; 4])), (b"\0alice\0wrong", None)] {
        talk.again();
        let actions = talk.send(0, &handshake("PLAIN"));
        assert_eq!(talk.frames(&actions).0.len(), 1);
        let actions = talk.give(token.to_vec());
        match answer {
            Some(answer) => assert_eq!(talk.frames(&actions), (vec![answer], false)),
            None => assert_eq!(talk.late(&actions), (Vec::new(), true)),
        }
    }
}

#[test]
fn a_session_ends_at_the_first_request_after_it_unless_one_logs_in_again() {
    let mut talk = Talk::new(everything().max_reauth(Duration::from_secs(3)));
    assert_eq!(talk.log_in(), Duration::from_secs(3));
    for _ in 0..5 {
        talk.now += Duration::from_secs(3);
        assert!(talk.is_served());
        assert_eq!(talk.log_in(), Duration::from_secs(3), "late, but before a request");
    }
    // Once a second.
    let actions = talk.send(1, &handshake("PLAIN"));
    assert_eq!(decode::<SaslHandshakeResponse>(1, &talk.frames(&actions).0[0]).1.error_code, 34);
    talk.now += Duration::from_millis(3_001);
    assert!(!talk.is_served());

    talk.again();
    talk.log_in();
    talk.choose(SaslMechanism::Plain);
    let text = talk.refused(b"\0bob\0bob-secret");
    assert_eq!(text, "Cannot change principals during re-authentication from User.alice: User.bob");

    talk.again();
    talk.log_in();
    talk.choose(SaslMechanism::ScramSha256);
    let actions = talk.send(2, &authenticate(b"n,,n=alice,r=a"));
    assert_eq!(talk.late(&actions), (Vec::new(), true), "the mechanism stays");
    assert_eq!(talk.rules.logins().iter().filter(|login| login.is_again).count(), 6);
}

#[test]
fn faults_meet_the_step_that_they_are_about() {
    let mut talk = Talk::new(everything().max_reauth(Duration::from_secs(60)));
    talk.rules.inject(Fault::fail(Api::SaslHandshake, 999));
    let actions = talk.send(1, &handshake("PLAIN"));
    let (answers, _) = talk.late(&actions);
    assert_eq!(decode::<SaslHandshakeResponse>(1, &answers[0]).1.error_code, 999);

    talk.again();
    talk.rules.inject(Fault::bad_server_signature());
    talk.rules.inject(Fault::session(Duration::from_secs(9), Duration::from_secs(1)));
    talk.choose(SaslMechanism::ScramSha256);
    let challenge = talk.token(b"n,,n=alice,r=abc").auth_bytes;
    let (last, answer) = prove("n=alice,r=abc", &challenge, "alice-secret");
    let told = talk.token(last.as_bytes());
    assert!(told.auth_bytes.starts_with(b"v=") && told.auth_bytes != answer.as_bytes());
    assert_eq!(told.session_lifetime_ms, 9_000);
    talk.now += Duration::from_millis(1_001);
    assert!(!talk.is_served());

    talk.again();
    talk.rules.inject(Fault::wrong_challenge());
    talk.choose(SaslMechanism::ScramSha256);
    assert!(!talk.token(b"n,,n=alice,r=abc").auth_bytes.starts_with(b"r=abc"));

    talk.again();
    talk.rules.inject(Fault::fail(Api::SaslAuthenticate, 58));
    talk.choose(SaslMechanism::Plain);
    assert_eq!(talk.refused(b"\0alice\0alice-secret"), "a fault: SASL_AUTHENTICATION_FAILED (58)");

    talk.again();
    talk.rules.inject(Fault::delay(Api::SaslAuthenticate, DELAY));
    talk.choose(SaslMechanism::Plain);
    let actions = talk.send(2, &authenticate(b"\0alice\0alice-secret"));
    assert_eq!(talk.late(&actions).0.len(), 1);
    assert!(talk.is_served());
    let acted = talk.rules.faults_acted().len();
    assert_eq!(acted, 6);
}

#[test]
fn secrets_are_not_in_what_is_printed() {
    let builder =
        EmbeddedCluster::builder().sasl(everything().delegation_token("id", "hmac-secret", "carol"));
    assert!(!format!("{builder:?}").contains("secret"));
}
