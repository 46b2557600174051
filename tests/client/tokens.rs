//! OAUTHBEARER of a whole client on the embedded cluster: tokens of an endpoint over HTTPS and of a closure, those that end,
//! and those that are refused.

#![cfg(feature = "oidc")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::scratch::Scratch;
use crate::support::{AGES, TextProducer, config, send_numbered, to_first, values, wait_until};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use kafka_embedded::{
    EmbeddedCluster, PresentedToken, SaslMechanism, SaslOptions, TlsOptions, TlsServer, TokenVerdict,
};
use kafka_producer::{
    ErrorCode, ErrorKind, KafkaProducer, OAuthBearerToken, ProducerConfig, SecurityProtocol,
};

/// Brokers that ask this judge.
fn cluster(judge: impl Fn(&PresentedToken<'_>) -> TokenVerdict + Send + Sync + 'static) -> EmbeddedCluster {
    let sasl = SaslOptions::new([SaslMechanism::OAuthBearer]).judge_tokens(judge);
    EmbeddedCluster::builder().topic("t", 1).sasl(sasl).start().unwrap()
}

fn log_in(cluster: &EmbeddedCluster) -> ProducerConfig {
    let config = config(&cluster.bootstrap_servers(), &[("linger.ms", "0"), ("max.block.ms", "10000")]);
    config.security_protocol(SecurityProtocol::SaslPlaintext).set("sasl.mechanism", "OAUTHBEARER")
}

fn accepted(lifetime: Option<Duration>) -> TokenVerdict {
    TokenVerdict::Accepted { principal: "svc".to_owned(), lifetime }
}

/// A JWT that nobody has signed in earnest.
fn jwt() -> String {
    let claims = r#"{"sub":"svc","exp":4102444800,"scope":"kafka"}"#;
    [r#"{"alg":"none"}"#, claims, "signed"].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// A token endpoint over HTTPS, and what it was asked.
struct HttpsEndpoint {
    url: String,
    server: Arc<TlsServer>,
    asked: Receiver<String>,
}

impl HttpsEndpoint {
    fn start(answer: String) -> HttpsEndpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/token", listener.local_addr().unwrap());
        let server = Arc::new(TlsServer::new(TlsOptions::new()).unwrap());
        let (tls, (tell, asked)) = (Arc::clone(&server), channel());
        thread::spawn(move || {
            for socket in listener.incoming() {
                // A client that does not trust it says no more.
                if let Some(question) = answer_over_tls(&mut socket.unwrap(), &tls, &answer) {
                    let _ = tell.send(question);
                }
            }
        });
        HttpsEndpoint { url, server, asked }
    }

    /// What makes a producer fetch its tokens there; `trusted` is added to the login module's options.
    fn configure(&self, config: ProducerConfig, trusted: &str) -> ProducerConfig {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let options = format!("clientId=\"svc\" clientSecret=\"s\u{e9}cret\" scope=\"kafka\" {trusted}");
        config
            .set("sasl.login.callback.handler.class", "OAuthBearerLoginCallbackHandler")
            .set("sasl.oauthbearer.token.endpoint.url", &*self.url)
            .set("sasl.login.retry.backoff.max.ms", "300")
            .set("sasl.jaas.config", format!("{module} required {options};"))
    }
}

fn answer_over_tls(socket: &mut TcpStream, server: &TlsServer, body: &str) -> Option<String> {
    let (mut end, mut plain, mut out, mut piece) = (server.accept(0), Vec::new(), Vec::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut piece).ok().filter(|count| *count > 0)?;
        let _ = end.receive(&piece[..count], &mut plain, &mut out);
        socket.write_all(&std::mem::take(&mut out)).ok()?;
        let question = String::from_utf8_lossy(&plain).into_owned();
        if question.contains("grant_type=") {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let _ = end.send(answer.as_bytes(), &mut out);
            end.close(&mut out);
            socket.write_all(&out).ok()?;
            return Some(question);
        }
    }
}

#[test]
fn tokens_are_fetched_over_https_from_whom_the_login_modules_options_trust() {
    let token = jwt();
    let endpoint = HttpsEndpoint::start(format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":300}}"#
    ));
    let cluster = cluster(move |presented| match presented.token == token {
        true => accepted(None),
        false => TokenVerdict::Refused("invalid_token".into()),
    });
    let authority = Scratch::new("https-ca", endpoint.server.trusted_pem().as_bytes());
    let trusted =
        format!("ssl.truststore.type=\"PEM\" ssl.truststore.location=\"{}\"", authority.0.display());
    let producer: TextProducer = KafkaProducer::new(endpoint.configure(log_in(&cluster), &trusted)).unwrap();
    for future in send_numbered(&producer, 0..20) {
        future.get_timeout(AGES).unwrap();
    }
    let question = endpoint.asked.recv_timeout(AGES).unwrap();
    assert!(question.starts_with("POST /token HTTP/1.1\r\n"), "{question}");
    assert!(question.ends_with("grant_type=client_credentials&scope=kafka"), "{question}");
    assert!(endpoint.asked.try_recv().is_err(), "one token is enough for all connections");
}

/// Behaviour 99.
#[test]
fn the_trust_store_of_an_endpoint_is_read_again_when_it_changes() {
    let answer = format!(r#"{{"access_token":"{}","expires_in":300}}"#, jwt());
    let endpoint = HttpsEndpoint::start(answer);
    let cluster = cluster(|_| accepted(None));
    let other = TlsServer::new(TlsOptions::new()).unwrap();
    let authority = Scratch::new("https-ca-changes", other.trusted_pem().as_bytes());
    let trusted = format!("ssl.truststore.location=\"{}\"", authority.0.display());
    let producer: TextProducer = KafkaProducer::new(endpoint.configure(log_in(&cluster), &trusted)).unwrap();
    let text = producer.send(to_first("v")).unwrap_err().to_string();
    assert!(text.contains("its certificate is not accepted"), "{text}");
    std::fs::write(&authority.0, endpoint.server.trusted_pem()).unwrap();
    let is_sent = || producer.send(to_first("v")).is_ok_and(|future| future.get_timeout(AGES).is_ok());
    wait_until("the endpoint is trusted", is_sent);
}

#[test]
fn an_endpoint_that_is_not_trusted_is_said_to_in_words() {
    let endpoint = HttpsEndpoint::start(String::from("{}"));
    let cluster = cluster(|_| accepted(None));
    let producer: TextProducer = KafkaProducer::new(endpoint.configure(log_in(&cluster), "")).unwrap();
    let error = producer.send(to_first("v")).unwrap_err();
    let text = format!("{error}");
    assert_eq!(error.kind(), ErrorKind::Authentication, "{text}");
    let words = format!(
        "the token endpoint {} could not be reached: its certificate is not accepted: ",
        endpoint.url
    );
    assert!(text.contains(&words), "{text}");
    for debugged in ["OtherError", "Other(", "InvalidCertificate", "s\u{e9}cret"] {
        assert!(!text.contains(debugged), "{text}");
    }
}

/// Tokens of some seconds: a broker ends the session with the token.
#[test]
fn sessions_go_on_with_the_next_token_of_a_closure() {
    let refused = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&refused);
    let cluster = cluster(move |presented| {
        let made = presented.token.parse::<u64>().unwrap();
        let ends = SystemTime::UNIX_EPOCH + Duration::from_micros(made) + LIFETIME;
        match ends.duration_since(SystemTime::now()) {
            Ok(left) => accepted(Some(left)),
            Err(_) => {
                count.fetch_add(1, Ordering::Relaxed);
                TokenVerdict::Refused("invalid_token".into())
            }
        }
    });
    let provider = || {
        let now = SystemTime::now();
        let micros = now.duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
        Ok(OAuthBearerToken::new(micros.to_string(), now + LIFETIME))
    };
    let builder = KafkaProducer::<str, str>::builder(log_in(&cluster)).default_serializers();
    let producer = builder.token_provider(provider).build().unwrap();
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < LIFETIME * 2 {
        producer.send(to_first(&*sent.to_string())).unwrap().get_timeout(AGES).unwrap();
        sent += 1;
    }
    let expected: Vec<String> = (0..sent).map(|number| number.to_string()).collect();
    assert_eq!(values(&cluster, "t", 0), expected);
    let logins = cluster.logins();
    assert!(logins.iter().any(|login| login.is_again), "{logins:?}");
    assert!(logins.iter().all(|login| login.outcome.is_ok()), "{logins:?}");
    assert_eq!(refused.load(Ordering::Relaxed), 0);
}

/// A fifth of it is there for a login, and a machine may stand still for a second.
const LIFETIME: Duration = Duration::from_secs(7);

#[test]
fn a_refused_token_is_told_at_once_in_the_brokers_words_and_another_one_heals() {
    let cluster = cluster(|presented| match presented.token {
        "good" => accepted(None),
        _ => TokenVerdict::Refused("invalid_token".into()),
    });
    let token = Arc::new(Mutex::new("bad"));
    let given = Arc::clone(&token);
    let provider = move || {
        let ends = SystemTime::now() + Duration::from_secs(300);
        Ok(OAuthBearerToken::new(*given.lock().unwrap(), ends).with_principal_name("svc"))
    };
    let builder = KafkaProducer::<str, str>::builder(log_in(&cluster)).default_serializers();
    let producer = builder.token_provider(provider).build().unwrap();
    let began = Instant::now();
    let error = producer.send(to_first("v")).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(error.code(), Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert!(error.to_string().contains(r#"{"status":"invalid_token"}"#), "{error}");
    *token.lock().unwrap() = "good";
    wait_until("the login succeeds", || producer.send(to_first("v")).is_ok());
}
