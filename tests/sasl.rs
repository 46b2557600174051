//! Logins of a whole client: refusals that are told at once and heal, passwords that change, sessions that end, and that no
//! secret comes out anywhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_producer::{ErrorCode, ErrorKind, KafkaProducer, Metric, ProducerConfig, SaslCredentials};
use support::logged::listen;
use support::login_gate::LoginGate;
use support::scratch::Scratch;
use support::{
    AGES, SOON, TextProducer, assert_holds_exactly, cluster, config, send_numbered, to_first, values,
    wait_until,
};

/// Stands in every password.
const MARKER: &str = "t1ger-in-the-Gr\u{e4}ss";

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen_to_all() {
    listen(log::LevelFilter::Trace, |record| {
        LOG.lock().unwrap().push(format!("{:?} {}", record.level(), record.args()));
    });
}

fn plain(gate: &LoginGate, password: &str) -> ProducerConfig {
    let more = [("security.protocol", "SASL_PLAINTEXT"), ("linger.ms", "0"), ("max.block.ms", "10000")];
    config(&gate.address.to_string(), &more).sasl_plain("alice", password)
}

/// No way to write the marker is in the text.
#[track_caller]
fn assert_no_secret(text: &str) {
    use base64::Engine;
    let hex: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = MARKER.bytes().map(|byte| byte.to_string()).collect();
    let escaped = MARKER.escape_default().to_string();
    let engine = &base64::engine::general_purpose::STANDARD_NO_PAD;
    // Wherever it begins in what was encoded.
    let encoded = (0..3).map(|shift| {
        let text = engine.encode([&b"xxx"[..shift], MARKER.as_bytes()].concat());
        text[4..text.len() - 3].to_owned()
    });
    let mut ways = vec![MARKER.to_owned(), "t1ger".into(), hex.clone(), hex.to_uppercase(), escaped];
    ways.extend([decimal[..6].join(", "), decimal[..6].join(",")]);
    ways.extend(encoded);
    for way in ways {
        assert!(!text.contains(&way), "{way} is in: {text}");
    }
}

#[test]
fn a_login_lets_records_through_and_is_said_once_for_each_connection() {
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "secret");
    let producer: TextProducer = KafkaProducer::new(plain(&gate, "secret")).unwrap();
    for future in send_numbered(&producer, 0..100) {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(&cluster, 100);
    assert_eq!((gate.count("refused"), gate.count("login")), (0, gate.connections()));
    let metrics = producer.metrics();
    let logins = metrics.get("producer-metrics", "successful-authentication-total", &[]);
    assert_eq!(logins.and_then(Metric::number), Some(gate.count("login") as f64));
}

/// Behaviour 8.
#[test]
fn a_wrong_password_is_told_at_once_without_a_storm_and_one_that_is_right_again_heals() {
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "old");
    let config = plain(&gate, "new").set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "500");
    let producer: TextProducer = KafkaProducer::new(config).unwrap();
    let began = Instant::now();
    let error = producer.send(to_first("v")).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(error.code(), Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert!(!error.is_retriable() && !error.is_fatal() && !error.possibly_written());
    let words = "the broker refused the login by PLAIN (58 SASL_AUTHENTICATION_FAILED): Authentication failed: Invalid";
    assert!(error.to_string().contains(words), "{error}");
    // Whoever comes later is told as well, and nobody is asked more often than the backoff allows.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until || gate.count("refused") < 3 {
        assert!(began.elapsed() < AGES, "nobody logs in any more");
        assert_eq!(producer.send(to_first("v")).unwrap_err().kind(), ErrorKind::Authentication);
        std::thread::sleep(Duration::from_millis(1));
    }
    let (refused, seconds) = (gate.count("refused"), began.elapsed().as_secs_f64());
    assert!((refused as f64) < 10.0 * seconds, "{refused} in {seconds} s");
    gate.rules.lock().unwrap().password = String::from("new");
    wait_until("the login succeeds", || producer.send(to_first("v")).is_ok());
}

#[test]
fn a_session_is_prolonged_on_the_same_connection_and_no_record_is_lost_or_late() {
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "secret");
    gate.rules.lock().unwrap().session = Duration::from_millis(1300);
    let producer: TextProducer = KafkaProducer::new(plain(&gate, "secret")).unwrap();
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    let start = Instant::now();
    let is_prolonged = || gate.count("login") >= gate.connections() + 3;
    while start.elapsed() < Duration::from_secs(6) || !is_prolonged() {
        assert!(start.elapsed() < AGES, "{} logins", gate.count("login"));
        let began = Instant::now();
        producer.send(to_first(&*sent.to_string())).unwrap().get_timeout(AGES).unwrap();
        (sent, slowest) = (sent + 1, slowest.max(began.elapsed()));
    }
    let expected: Vec<String> = (0..sent).map(|number| number.to_string()).collect();
    assert_eq!(values(&cluster, "t", 0), expected);
    // 6 s are five sessions.
    assert!(gate.connections() <= 3, "{}", gate.connections());
    assert!(slowest < SOON, "{slowest:?}");
    // Who is not believed any more is told so, at once, and believed again later.
    let outcome = || producer.send(to_first("v")).and_then(|future| future.get_timeout(AGES));
    gate.rules.lock().unwrap().password = String::from("other");
    let began = Instant::now();
    wait_until("the login is refused", || {
        outcome().is_err_and(|error| error.kind() == ErrorKind::Authentication)
    });
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    gate.rules.lock().unwrap().password = String::from("secret");
    wait_until("the login succeeds", || outcome().is_ok());
}

#[test]
fn a_password_that_changes_in_a_file_or_a_closure_counts_from_the_next_login_on() {
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "old");
    let file = Scratch::new("a-password", b"password=old\n");
    let jaas = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"${{file:{}:password}}\";",
        file.0.display()
    );
    let by_file = plain(&gate, "")
        .set("config.providers", "file")
        .set("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider")
        .set("sasl.jaas.config", jaas);
    let by_file: TextProducer = KafkaProducer::new(by_file).unwrap();
    let password = Arc::new(Mutex::new(String::from("old")));
    let known = Arc::clone(&password);
    let by_closure =
        plain(&gate, "").set("sasl.client.callback.handler.class", "vault").unset("sasl.jaas.config");
    let by_closure: TextProducer = KafkaProducer::builder(by_closure)
        .register_sasl_credentials("vault", move || {
            Ok(SaslCredentials::new("alice", &*known.lock().unwrap().clone()))
        })
        .build()
        .unwrap();
    for producer in [&by_file, &by_closure] {
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    // Sessions end at once, so that the next request needs a login.
    let rotate = |new: &str| {
        gate.rules.lock().unwrap().password = new.to_owned();
        std::fs::write(&file.0, format!("password={new}\n")).unwrap();
        *password.lock().unwrap() = new.to_owned();
    };
    rotate("new");
    gate.rules.lock().unwrap().session = Duration::from_millis(200);
    cluster.inject(kafka_embedded::Fault::cut_before(kafka_embedded::Api::Produce).times(2));
    for producer in [&by_file, &by_closure] {
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    // A file that is broken for a moment does no harm.
    std::fs::remove_file(&file.0).unwrap();
    std::thread::sleep(Duration::from_millis(250));
    by_file.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(gate.count("refused"), 0);
    std::fs::write(&file.0, "").unwrap();
}

#[test]
fn a_broker_that_hangs_up_within_a_login_is_said_to() {
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "secret");
    gate.rules.lock().unwrap().hangs_up = true;
    let producer: TextProducer =
        KafkaProducer::new(plain(&gate, "secret").set("max.block.ms", "2500")).unwrap();
    let error = producer.send(to_first("v")).unwrap_err();
    let words = "the broker closed the connection in place of an answer to SaslAuthenticate";
    assert!(error.kind() == ErrorKind::Timeout && error.to_string().contains(words), "{error}");
    gate.rules.lock().unwrap().hangs_up = false;
    wait_until("the login succeeds", || producer.send(to_first("v")).is_ok());
}

#[test]
fn what_is_wrong_with_a_login_is_an_error_of_new_that_names_setting_and_remedy() {
    let with = |more: &[(&str, &str)]| {
        let config = config("localhost:1", &[&[("security.protocol", "SASL_PLAINTEXT")], more].concat());
        KafkaProducer::<str, str>::new(config).unwrap_err().to_string()
    };
    for (more, words) in [
        (&[("sasl.mechanism", "plain")][..], "sasl.mechanism: expected one of PLAIN"),
        (
            &[("sasl.mechanism", "PLAIN")],
            "Missing configuration sasl.jaas.config: sasl.mechanism=PLAIN needs org.apache",
        ),
        (
            &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "x")],
            "Invalid value [hidden] for configuration sasl.jaas.config",
        ),
        (
            &[("sasl.mechanism", "PLAIN"), ("sasl.client.callback.handler.class", "vault")],
            "sasl.client.callback.handler.class is \"vault\", which is not a known source of credentials",
        ),
    ] {
        let error = with(more);
        assert!(error.contains(words), "{error}");
    }
}

/// Texts of `sasl.jaas.config` that are wrong, each in its own way.
fn wrong_texts() -> Vec<String> {
    vec![
        MARKER.to_owned(),
        format!("{MARKER} {MARKER}"),
        format!("m required password={MARKER};"),
        format!("m required password={MARKER}!;"),
        format!("m required password \"{MARKER}\";"),
        format!("m required {MARKER}=\"{MARKER}\""),
        format!("org.apache.kafka.common.security.plain.PlainLoginModule required password=\"{MARKER}\";"),
        format!("org.apache.kafka.common.security.scram.ScramLoginModule required password=\"{MARKER}\";"),
        format!("a.{MARKER} required password=\"{MARKER}\";"),
    ]
}

/// Every failure that there is, at the finest level of the log.
#[test]
fn no_secret_comes_out() {
    listen_to_all();
    let cluster = cluster(1);
    let gate = LoginGate::before(&cluster, "right");
    let mut out = Vec::new();
    let mut tried = |config: ProducerConfig| {
        out.push(format!("{config} {config:?} {config:#?}"));
        match KafkaProducer::<str, str>::new(config.set("max.block.ms", "300")) {
            Err(error) => out.push(format!("{error} {error:?} {error:#?}")),
            Ok(producer) => {
                out.push(format!("{producer:?}"));
                let error = producer.send(to_first("v")).unwrap_err();
                out.push(format!("{error} {error:?} {error:#?} {:?}", error.get_ref()));
                out.push(format!("{:?}", producer.close_timeout(Duration::from_millis(200))));
            }
        }
    };
    // Refused, cut off, of a mechanism that is not there, of a broker that is not there.
    tried(plain(&gate, MARKER));
    let scram = plain(&gate, MARKER);
    tried(scram.clone().sasl_scram_sha_256("alice", MARKER));
    tried(scram.sasl_scram_sha_512("alice", MARKER));
    tried(plain(&gate, MARKER).set("bootstrap.servers", "127.0.0.1:1"));
    gate.rules.lock().unwrap().hangs_up = true;
    tried(plain(&gate, MARKER));
    // Whatever is wrong with the text, and with the other secrets.
    for jaas in wrong_texts() {
        tried(plain(&gate, MARKER).set("sasl.jaas.config", jaas));
    }
    for property in ProducerConfig::reference() {
        if property.property_type() == kafka_producer::PropertyType::Password {
            for protocol in ["SASL_SSL", "SSL", "SASL_PLAINTEXT", "PLAINTEXT"] {
                for mechanism in ["PLAIN", "OAUTHBEARER"] {
                    let config = plain(&gate, MARKER).set("security.protocol", protocol);
                    tried(config.set("sasl.mechanism", mechanism).set(property.name(), MARKER));
                }
            }
        }
    }
    // A closure's credentials, and its panic.
    let builder = KafkaProducer::<str, str>::builder(
        plain(&gate, "").unset("sasl.jaas.config").set("max.block.ms", "300"),
    );
    let producer = builder.sasl_credentials(|| Ok(SaslCredentials::new("alice", MARKER))).build().unwrap();
    out.push(format!(
        "{:?} {:?}",
        producer.send(to_first("v")).unwrap_err(),
        SaslCredentials::new("a", MARKER)
    ));
    drop(producer);
    assert!(out.len() > 60);
    out.iter().for_each(|text| assert_no_secret(text));
    let log = LOG.lock().unwrap();
    assert!(log.iter().any(|line| line.contains("refused the login by PLAIN")));
    log.iter().for_each(|text| assert_no_secret(text));
}

/// Neither the client's secret nor the token, also not by a crate that speaks HTTP for us.
#[cfg(feature = "oidc")]
#[test]
fn no_secret_of_those_that_fetch_tokens_comes_out() {
    use std::io::{Read, Write};

    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    listen_to_all();
    // Whichever piece of them is logged has the word in it.
    let signature = "t1ger".repeat(100);
    let parts = [r#"{"alg":"none"}"#, r#"{"sub":"me","exp":4102444800}"#];
    let [header, claims] = parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let token = format!("{header}.{claims}.{signature}");
    let secret = "q".repeat(300);
    let sent = BASE64_STANDARD.encode(format!("me:{secret}"));
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:t1ger@{}/token?key=t1ger", endpoint.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = endpoint.accept().unwrap();
        let (mut question, mut piece) = (String::new(), [0; 4096]);
        while !question.contains("grant_type=") {
            let count = stream.read(&mut piece).unwrap();
            question.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        let body = format!(r#"{{"access_token":"{token}"}}"#);
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        question
    });
    let sasl = kafka_embedded::SaslOptions::new([kafka_embedded::SaslMechanism::OAuthBearer]);
    let sasl = sasl
        .judge_tokens(|_| kafka_embedded::TokenVerdict::Accepted { principal: "me".into(), lifetime: None });
    let cluster = kafka_embedded::EmbeddedCluster::builder().topic("t", 1).sasl(sasl).start().unwrap();
    let config = config(&cluster.bootstrap_servers(), &[("security.protocol", "SASL_PLAINTEXT")])
        .set("sasl.mechanism", "OAUTHBEARER")
        .set("sasl.login.callback.handler.class", "OAuthBearerLoginCallbackHandler")
        .set("sasl.oauthbearer.token.endpoint.url", url)
        .set("sasl.oauthbearer.client.credentials.client.id", "me")
        .set("sasl.oauthbearer.client.credentials.client.secret", secret);
    let producer: TextProducer = KafkaProducer::new(config).unwrap();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let question = asked.join().unwrap();
    assert!(question.starts_with("POST /token?key=t1ger HTTP/1.1\r\n"), "{question}");
    assert!(question.contains(&sent), "{question}");
    for line in LOG.lock().unwrap().iter() {
        assert!(!line.contains("t1ger") && !line.contains(&sent[8..20]), "{line}");
    }
}

/// Over HTTPS, whose authority is named by an option of `sasl.jaas.config`; the answer comes in chunks.
#[cfg(feature = "oidc")]
#[test]
fn tokens_come_over_https_from_those_whom_the_login_module_trusts() {
    use std::io::{Read, Write};

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use kafka_embedded::{EmbeddedCluster, SaslMechanism, SaslOptions, TlsOptions, TlsServer, TokenVerdict};

    let parts = [r#"{"alg":"none"}"#, r#"{"sub":"me","exp":4102444800}"#, "signed"];
    let token = parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
    let server = TlsServer::new(TlsOptions::new()).unwrap();
    let authority = Scratch::new("oidc-ca", server.trusted_pem().as_bytes());
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/token", endpoint.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in endpoint.incoming() {
            let (mut stream, mut end) = (stream.unwrap(), server.accept(1));
            let (mut plain, mut out, mut piece) = (Vec::new(), Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&plain).contains("grant_type=") {
                let count = stream.read(&mut piece).unwrap();
                if count == 0 {
                    break;
                }
                let _ = end.receive(&piece[..count], &mut plain, &mut out);
                stream.write_all(&std::mem::take(&mut out)).unwrap();
            }
            let body = format!(r#"{{"access_token":"{token}"}}"#);
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let answer = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            let _ = end.send(answer.as_bytes(), &mut out);
            let _ = stream.write_all(&out);
        }
    });
    let sasl = SaslOptions::new([SaslMechanism::OAuthBearer]);
    let sasl = sasl.judge_tokens(|_| TokenVerdict::Accepted { principal: "me".into(), lifetime: None });
    let cluster = EmbeddedCluster::builder().topic("t", 1).sasl(sasl).start().unwrap();
    let outcome = |store: &str| {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let options = format!("clientId=me clientSecret=secret{store}");
        let config = config(&cluster.bootstrap_servers(), &[("security.protocol", "SASL_PLAINTEXT")])
            .set("sasl.mechanism", "OAUTHBEARER")
            .set("sasl.login.callback.handler.class", "OAuthBearerLoginCallbackHandler")
            .set("sasl.oauthbearer.token.endpoint.url", &url)
            .set("sasl.login.retry.backoff.max.ms", "100")
            .set("sasl.jaas.config", format!("{module} required {options};"));
        let producer: TextProducer = KafkaProducer::new(config).unwrap();
        producer.send(to_first("v")).and_then(|future| future.get_timeout(AGES))
    };
    let store = authority.0.to_str().unwrap();
    outcome(&format!(" ssl.truststore.type=PEM ssl.truststore.location=\"{store}\"")).unwrap();
    let error = outcome("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("could not be reached: "), "{error}");
    assert!(error.to_string().contains("(ssl.truststore.location is not set)"), "{error}");
}
