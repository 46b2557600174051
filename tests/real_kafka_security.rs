//! Every way into a secured Kafka, and every way that must not lead in. Java's producer is asked beside us, with the same
//! properties, and has to be of the same opinion; what it thinks otherwise is said with the case.
//!
//! What was accepted is read back by kcat.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::too_many_lines, reason = "the lists of cases are tables")]

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use harness::java::JavaProperties;
use harness::oidc_server::TokenClaims;
use harness::secured_kafka::{SecuredKafka, SecuredListener};
use kafka_producer::{Error, ErrorKind, KafkaProducer, OAuthBearerToken, ProducerConfig, ProducerRecord};

/// What a listener shall take is taken, and what it shall not is refused, by the right kind of error and in words that lead to
/// the cause.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn each_way_in_is_open_to_whom_it_should_be_and_to_nobody_else() {
    let _turn = harness::turn();
    for version in harness::versions_asked_for() {
        println!("Kafka {version}");
        let kafka = SecuredKafka::start(version);
        let mut cases = brokers_that_are_trusted(&kafka);
        cases.extend(client_certificates(&kafka));
        cases.extend(stores_of_keytool_and_openssl(&kafka));
        cases.extend(passwords(&kafka));
        cases.extend(signed_tokens(&kafka));
        cases.extend(unsigned_tokens(&kafka));
        cases.extend(files_of_vendors(&kafka));
        judge(&kafka, cases);
    }
}

/// Brokers that end sessions after three seconds, or with the token: nothing is lost, and nothing comes twice or in another
/// order.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn sessions_are_renewed_before_they_end() {
    let _turn = harness::turn();
    for version in harness::versions_asked_for() {
        println!("Kafka {version}");
        let (kafka, heard) = (SecuredKafka::start(version), Heard::begin());
        let by_password = |mechanism: &str| {
            Properties::to(&kafka, SecuredListener::Reauth).login(mechanism, "alice", "alice-secret")
        };
        let tokens = |listener| Properties::to(&kafka, listener).unsigned("alice", 4);
        let loads = [
            ("PLAIN", by_password("PLAIN")),
            ("SCRAM-SHA-256", by_password("SCRAM-SHA-256")),
            ("OAUTHBEARER", tokens(SecuredListener::Reauth)),
            ("OAUTHBEARER-no-limit", tokens(SecuredListener::Sasl)),
        ];
        thread::scope(|scope| {
            for (topic, properties) in &loads {
                scope.spawn(|| send_for_a_while(&kafka, topic, properties));
            }
        });
        // A broker ends the connection of whoever does not log in again, and what was sent there comes by the next one.
        let lost: Vec<_> = heard
            .drain()
            .into_iter()
            .filter(|line| line.contains("lost the connection") && !line.contains("is closed"))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}

/// One record after the other, each of them acknowledged; then all of them are there.
fn send_for_a_while(kafka: &SecuredKafka, topic: &str, properties: &Properties) {
    kafka.kafka().create_topic(topic, 1, 1, &[]);
    let producer = producer(&properties.0, None).unwrap();
    let (begun, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(11) {
        let (sending, value) = (Instant::now(), sent.to_string());
        let future = producer.send(ProducerRecord::new(topic, value.as_str())).unwrap();
        future.get_timeout(Duration::from_secs(30)).unwrap();
        (sent, slowest) = (sent + 1, slowest.max(sending.elapsed()));
    }
    println!("{topic}: {sent} records, the slowest took {slowest:?}");
    let read = kafka.kafka().read_back(topic);
    let values: Vec<_> = read.iter().map(|row| row.value.clone().unwrap()).collect();
    assert_eq!(values, (0..sent).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
    assert!(sent > 100, "{sent}");
}

/// Which brokers are who they say, and which versions of TLS are spoken.
fn brokers_that_are_trusted(kafka: &SecuredKafka) -> Vec<Case> {
    let trusting = |listener| Properties::to(kafka, listener).trusting(kafka, "truststore.p12");
    let by_address = format!("127.0.0.1:{}", kafka.port(SecuredListener::Tls));
    let plain = kafka.address(SecuredListener::Plaintext);
    let tls = kafka.address(SecuredListener::Tls);
    let not_trusted = |words| Expected::Refused(ErrorKind::Authentication, words);
    // What brokers of 2.x say on Java 17 is no TLS.
    let (no_version_in_common, no_cipher_in_common) = match kafka.kafka().jars().has_zookeeper() {
        true => (
            Expected::Unreachable(&["what came is not TLS", "ssl.enabled.protocols"]),
            Expected::Unreachable(&["what came is not TLS", "ssl.cipher.suites"]),
        ),
        false => (
            not_trusted(&["protocol_version"]),
            not_trusted(&["handshake_failure", "none with CBC, DHE or P-521", "ssl.cipher.suites"]),
        ),
    };
    vec![
        Case::new("TLS", trusting(SecuredListener::Tls), Expected::Accepted),
        Case::new(
            "by address",
            trusting(SecuredListener::Tls).set("bootstrap.servers", &by_address),
            Expected::Accepted,
        ),
        Case::new("TLS 1.2 alone", trusting(SecuredListener::Tls12), Expected::Accepted),
        Case::new(
            "TLS 1.2 at the broker, 1.3 here",
            trusting(SecuredListener::Tls12).set("ssl.enabled.protocols", "TLSv1.3"),
            no_version_in_common,
        ),
        // Java has them.
        Case::new("CBC alone", trusting(SecuredListener::Cbc), no_cipher_in_common).but_java(true),
        Case::new("DHE alone", trusting(SecuredListener::Dhe), no_cipher_in_common).but_java(true),
        Case::new("expired", trusting(SecuredListener::Expired), not_trusted(&["CN=localhost", "expired"])),
        Case::new(
            "not yet valid",
            trusting(SecuredListener::NotYet),
            not_trusted(&["CN=localhost", "valid"]),
        ),
        Case::new(
            "another name",
            trusting(SecuredListener::WrongName),
            not_trusted(&["localhost", "wrong.example"]),
        ),
        Case::new(
            "another name, which is not looked at",
            trusting(SecuredListener::WrongName).set("ssl.endpoint.identification.algorithm", ""),
            Expected::Accepted,
        ),
        Case::new(
            "expired, and the name is not looked at",
            trusting(SecuredListener::Expired).set("ssl.endpoint.identification.algorithm", ""),
            not_trusted(&["expired"]),
        ),
        Case::new(
            "of another authority",
            trusting(SecuredListener::OtherAuthority),
            not_trusted(&["Other CA"]),
        ),
        Case::new(
            "the system's authorities",
            Properties::to(kafka, SecuredListener::Tls),
            not_trusted(&["Test CA"]),
        ),
        Case::new(
            "plain text to TLS",
            trusting(SecuredListener::Tls).set("security.protocol", "PLAINTEXT"),
            Expected::Unreachable(&["security.protocol SSL"]),
        ),
        Case::new(
            "TLS to plain text",
            trusting(SecuredListener::Tls).set("bootstrap.servers", &plain),
            Expected::Unreachable(&["may not speak TLS"]),
        ),
        Case::new(
            "one broker of two",
            trusting(SecuredListener::Tls).set("bootstrap.servers", &format!("localhost:1,{tls}")),
            Expected::Accepted,
        ),
    ]
}

/// Who we are: what the broker's listener asks for a certificate.
fn client_certificates(kafka: &SecuredKafka) -> Vec<Case> {
    let with = |store| {
        let trusting = Properties::to(kafka, SecuredListener::Mtls).trusting(kafka, "truststore.p12");
        trusting.key_store(kafka, store, "PKCS12", "changeit")
    };
    let text = |name: &str| fs::read_to_string(kafka.file(name)).unwrap();
    let inline = |key: &str, chain: &str| {
        Properties::to(kafka, SecuredListener::Mtls)
            .set("ssl.keystore.type", "PEM")
            .set("ssl.keystore.key", &text(key))
            .set("ssl.keystore.certificate.chain", &text(chain))
            .set("ssl.truststore.type", "PEM")
            .set("ssl.truststore.certificates", &text("ca.pem"))
    };
    let wrong = Expected::Refused(ErrorKind::Authentication, &["it does not accept our certificate"]);
    vec![
        Case::new("an elliptic curve", with("client.p12"), Expected::Accepted),
        Case::new("RSA", with("rsa-client.p12"), Expected::Accepted),
        Case::new("inline", inline("client.key", "client.pem"), Expected::Accepted).of_java_since("2.7"),
        Case::new(
            "inline, encrypted",
            inline("client.pbes2.key", "client.pem").set("ssl.key.password", "key-secret"),
            Expected::Accepted,
        )
        .of_newer_java(),
        Case::new(
            "inline, in one line",
            inline("client.key", "client.pem")
                .set("ssl.keystore.key", &text("client.key").replace('\n', " ")),
            Expected::Accepted,
        )
        .of_java_since("2.7"),
        Case::new(
            "none",
            Properties::to(kafka, SecuredListener::Mtls).trusting(kafka, "truststore.p12"),
            Expected::Refused(ErrorKind::Authentication, &["it wants a certificate of ours"]),
        ),
        Case::new("of another authority", with("other-client.p12"), wrong),
        Case::new(
            "expired",
            with("expired-client.p12"),
            Expected::Refused(ErrorKind::Config, &["ssl.keystore.location", "expired-client.p12", "expired"]),
        ),
        Case::new(
            "a wrong password",
            with("client.p12").set("ssl.keystore.password", "not-this"),
            Expected::Refused(
                ErrorKind::Config,
                &["ssl.keystore.location", "client.p12", "ssl.keystore.password"],
            ),
        ),
        Case::new(
            "a wrong password of the key",
            with("client.p12").set("ssl.key.password", "not-this"),
            Expected::Refused(ErrorKind::Config, &["client.p12", "ssl.key.password"]),
        ),
        Case::new(
            "no such file",
            with("client.p12").set("ssl.keystore.location", "nowhere.p12"),
            Expected::Refused(ErrorKind::Config, &["ssl.keystore.location", "nowhere.p12"]),
        ),
        Case::new(
            "a store of trust alone",
            with("truststore.p12"),
            Expected::Refused(ErrorKind::Config, &["there is no private key in it"]),
        )
        .but_java(false),
    ]
}

/// Stores that this machine's programs have just made.
fn stores_of_keytool_and_openssl(kafka: &SecuredKafka) -> Vec<Case> {
    let trusting = |trust: &str| Properties::to(kafka, SecuredListener::Mtls).trusting(kafka, trust);
    let mut cases = Vec::new();
    for store in ["client.p12", "client-openssl1.p12", "client-java17.p12", "client-java8.p12"] {
        cases.push(Case::new(
            store,
            trusting("truststore.p12").key_store(kafka, store, "PKCS12", "changeit"),
            Expected::Accepted,
        ));
    }
    // Said to be of the default type, as most people leave it.
    cases.push(Case::new(
        "PKCS12 called JKS",
        trusting("truststore.p12")
            .key_store(kafka, "client.p12", "JKS", "changeit")
            .set("ssl.truststore.type", "JKS"),
        Expected::Accepted,
    ));
    cases.push(Case::new(
        "JKS",
        trusting("truststore.jks").key_store(kafka, "client.jks", "JKS", "changeit"),
        Expected::Accepted,
    ));
    let two = trusting("truststore.jks").key_store(kafka, "client-two-passwords.jks", "JKS", "changeit");
    let wrong = Expected::Refused(ErrorKind::Config, &["client-two-passwords.jks", "ssl.key.password"]);
    cases.push(Case::new("JKS, the key's password missing", two.clone(), wrong));
    cases.push(Case::new(
        "JKS of two passwords",
        two.set("ssl.key.password", "key-secret"),
        Expected::Accepted,
    ));
    cases.push(Case::new(
        "trust by Java 8",
        trusting("truststore-java8.p12").key_store(kafka, "client.p12", "PKCS12", "changeit"),
        Expected::Accepted,
    ));
    // Java finds nothing to trust in what OpenSSL writes without Oracle's attribute.
    cases.push(
        Case::new(
            "trust by OpenSSL",
            trusting("truststore-openssl.p12").key_store(kafka, "client.p12", "PKCS12", "changeit"),
            Expected::Accepted,
        )
        .but_java(false),
    );
    let pem = |file: &str| {
        trusting("ca.pem")
            .set("ssl.keystore.type", "PEM")
            .set("ssl.keystore.location", &kafka.file(file).display().to_string())
    };
    cases.push(Case::new("PEM", pem("client.keystore.pem"), Expected::Accepted).of_java_since("3.0"));
    for file in ["client.pbes2.pem", "client.pbes1.pem"] {
        let right = Case::new(file, pem(file).set("ssl.key.password", "key-secret"), Expected::Accepted);
        let is_new = file == "client.pbes2.pem";
        cases.push(if is_new { right.of_newer_java() } else { right.of_java_since("2.7") });
        let wrong = Expected::Refused(ErrorKind::Config, &["ssl.keystore.location", "ssl.key.password"]);
        cases.push(Case::new("PEM, a wrong password", pem(file).set("ssl.key.password", "not-this"), wrong));
    }
    for file in ["client.sec1.pem", "rsa-client.pkcs1.pem"] {
        cases.push(Case::new(file, pem(file), Expected::Accepted).but_java(false));
    }
    cases
}

/// By PLAIN and SCRAM, in clear and within TLS.
fn passwords(kafka: &SecuredKafka) -> Vec<Case> {
    let plain = |listener, user: &str, password: &str| {
        Properties::to(kafka, listener).trusting(kafka, "truststore.p12").login("PLAIN", user, password)
    };
    let scram = |listener, mechanism: &str, user: &str, password: &str| {
        Properties::to(kafka, listener).trusting(kafka, "truststore.p12").login(mechanism, user, password)
    };
    let refused = |words| Expected::Refused(ErrorKind::Authentication, words);
    let mut cases = Vec::new();
    for listener in [SecuredListener::Sasl, SecuredListener::SaslTls] {
        let of = |what: &str| format!("{what} ({listener:?})");
        cases.push(Case::new(&of("PLAIN"), plain(listener, "alice", "alice-secret"), Expected::Accepted));
        let words = refused(&["PLAIN", "Invalid username or password"]);
        cases.push(Case::new(&of("PLAIN, a wrong password"), plain(listener, "alice", "not-this"), words));
        cases.push(Case::new(&of("PLAIN, nobody"), plain(listener, "nobody", "alice-secret"), words));
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let of = |what: &str| of(&format!("{mechanism}{what}"));
            cases.push(Case::new(
                &of(""),
                scram(listener, mechanism, "alice", "alice-secret"),
                Expected::Accepted,
            ));
            let words = refused(&["invalid credentials", "SCRAM-SHA-"]);
            let wrong = scram(listener, mechanism, "alice", "not-this");
            cases.push(Case::new(&of(", a wrong password"), wrong, words));
            cases.push(Case::new(
                &of(", nobody"),
                scram(listener, mechanism, "nobody", "alice-secret"),
                words,
            ));
        }
    }
    let plain_text = kafka.address(SecuredListener::Plaintext);
    cases.push(Case::new(
        "a mechanism that is not there",
        plain(SecuredListener::Signed, "alice", "alice-secret"),
        refused(&["PLAIN", "OAUTHBEARER"]),
    ));
    cases.push(Case::new(
        "SASL where there is none",
        plain(SecuredListener::Sasl, "alice", "alice-secret").set("bootstrap.servers", &plain_text),
        refused(&["SASL"]),
    ));
    cases.push(Case::new(
        "no SASL where there is one",
        Properties::to(kafka, SecuredListener::Sasl).set("security.protocol", "PLAINTEXT"),
        Expected::Unreachable(&["this listener may require SASL"]),
    ));
    cases.push(Case::new(
        "TLS without SASL where there is one",
        plain(SecuredListener::SaslTls, "alice", "alice-secret").set("security.protocol", "SSL"),
        Expected::Unreachable(&["SASL"]),
    ));
    cases
}

/// OAUTHBEARER with tokens of an issuer, from wherever they come. What checks them came with 3.1.
fn signed_tokens(kafka: &SecuredKafka) -> Vec<Case> {
    if !kafka.kafka().jars().is_at_least("3.1") {
        return Vec::new();
    }
    let refused = |words| Expected::Refused(ErrorKind::Authentication, words);
    let issuer = kafka.issuer();
    let of_file = |name: &str, content: &str| {
        let path = kafka.add_file(&format!("{name}.token"), content);
        let url = format!("file://{}", path.display());
        Properties::to(kafka, SecuredListener::Signed).tokens_from(&url, "")
    };
    let of_client = |id: &str, secret: &str| {
        let options = format!("clientId=\"{id}\" clientSecret=\"{secret}\" scope=\"kafka\"");
        Properties::to(kafka, SecuredListener::Signed).tokens_from(&issuer.token_url(), &options)
    };
    let good = issuer.token(&TokenClaims::default());
    let nowhere = of_client("svc", "svc-secret")
        .set("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token")
        .set("sasl.login.retry.backoff.max.ms", "500");
    let newer = Properties::to(kafka, SecuredListener::Signed)
        .tokens_from(&issuer.token_url(), "")
        .set("sasl.oauthbearer.client.credentials.client.id", "svc")
        .set("sasl.oauthbearer.client.credentials.client.secret", "svc-secret")
        .set("sasl.oauthbearer.scope", "kafka");
    let gone = of_file("gone", &good).set("sasl.oauthbearer.token.endpoint.url", "file:///nowhere/token");
    let mut cases = vec![
        Case::new("a token of a file", of_file("good", &good), Expected::Accepted),
        Case::new("a token of a closure", of_file("good", &good), Expected::Accepted).with_token(&good),
        Case::new("a token for id and secret", of_client("svc", "svc-secret"), Expected::Accepted),
        Case::new("a token for id and secret, by later names", newer, Expected::Accepted)
            .of_java_since("4.1"),
        Case::new(
            "a wrong secret",
            of_client("svc", "not-this"),
            refused(&["401", "invalid_client", "/token"]),
        ),
        Case::new("nobody hands out tokens", nowhere, refused(&["127.0.0.1:1", "could not be reached"])),
        Case::new("no such file of a token", gone, refused(&["/nowhere/token", "cannot be read"])),
        Case::new("no token in the file", of_file("none", "not-a-token"), refused(&["not a JWT"])),
        Case::new(
            "tokens that nobody signs, where one has to",
            Properties::to(kafka, SecuredListener::Signed).unsigned("alice", 300),
            refused(&["OAUTHBEARER", "invalid_token"]),
        ),
    ];
    for (name, claims) in [
        ("expired", TokenClaims { lifetime_seconds: -100, ..TokenClaims::default() }),
        ("for others", TokenClaims { audience: "others".into(), ..TokenClaims::default() }),
        ("of another issuer", TokenClaims { issuer: "http://other.test".into(), ..TokenClaims::default() }),
        ("forged", TokenClaims { is_forged: true, ..TokenClaims::default() }),
    ] {
        let (token, words) = (issuer.token(&claims), refused(&["OAUTHBEARER", "invalid_token"]));
        let file = of_file(&name.replace(' ', "-"), &token);
        cases.push(Case::new(&format!("a token of a file, {name}"), file.clone(), words));
        cases.push(Case::new(&format!("a token of a closure, {name}"), file, words).with_token(&token));
    }
    cases
}

/// OAUTHBEARER with tokens that nobody signs: brokers of every version take them where they are told to, for tests.
fn unsigned_tokens(kafka: &SecuredKafka) -> Vec<Case> {
    let refused = |words| Expected::Refused(ErrorKind::Authentication, words);
    let to =
        |listener| Properties::to(kafka, listener).trusting(kafka, "truststore.p12").unsigned("alice", 300);
    let issuer = kafka.issuer();
    let good = issuer.unsigned_token(&TokenClaims::default());
    let not_allowed = to(SecuredListener::Sasl).set("sasl.oauthbearer.allow.unsecured.tokens", "false");
    let words = Expected::Refused(ErrorKind::Config, &["sasl.oauthbearer.allow.unsecured.tokens"]);
    let mut cases = vec![Case::new("unsigned, which is not allowed", not_allowed, words).but_java(true)];
    for listener in [SecuredListener::Sasl, SecuredListener::SaslTls] {
        let of = |what: &str| format!("{what} ({listener:?})");
        cases.push(Case::new(&of("unsigned"), to(listener), Expected::Accepted));
        cases.push(
            Case::new(&of("unsigned, of a closure"), to(listener), Expected::Accepted).with_token(&good),
        );
    }
    let expired = TokenClaims { lifetime_seconds: -100, ..TokenClaims::default() };
    let nobodys = TokenClaims { subject: String::new(), ..TokenClaims::default() };
    let mut bad = vec![
        ("expired", issuer.unsigned_token(&expired)),
        ("nobody's", issuer.unsigned_token(&nobodys)),
        ("signed", issuer.token(&TokenClaims::default())),
    ];
    if !kafka.kafka().jars().has_zookeeper() {
        let later = TokenClaims { issued_after_seconds: 100, ..TokenClaims::default() };
        bad.push(("not yet valid", issuer.unsigned_token(&later)));
    }
    for (name, token) in bad {
        let case =
            Case::new(&format!("unsigned, {name}"), to(SecuredListener::Sasl), refused(&["invalid_token"]));
        // Java makes its own, which are good.
        cases.push(case.with_token(&token).but_java(true));
    }
    if kafka.kafka().jars().has_zookeeper() {
        let other = TokenClaims { scope: "other".into(), ..TokenClaims::default() };
        let (right, wrong) = (to(SecuredListener::Signed), refused(&["insufficient_scope", "kafka"]));
        // Java's own have no scope.
        let case = Case::new("unsigned, with the scope", right.clone(), Expected::Accepted);
        cases.push(case.with_token(&good).but_java(false));
        let case = Case::new("unsigned, with another scope", right, wrong);
        cases.push(case.with_token(&issuer.unsigned_token(&other)));
    }
    cases
}

/// The files of `tests/vendor_properties`, with stores that keytool and OpenSSL have just made in the places that they name.
/// The others are tried in `tests/vendor_properties.rs`.
fn files_of_vendors(kafka: &SecuredKafka) -> Vec<Case> {
    let path = |name: &str| kafka.file(name).display().to_string();
    let mtls = kafka.address(SecuredListener::Mtls);
    let sasl = kafka.address(SecuredListener::SaslTls);
    let file = |name: &str, address: &str, replaced: &[(&str, &str)]| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vendor_properties");
        let text = fs::read_to_string(format!("{folder}/{name}.properties")).unwrap();
        let text = replaced.iter().fold(text.replace("\\\n", ""), |text, (from, to)| {
            assert!(text.contains(from), "{from} is not in {name}");
            text.replace(from, to)
        });
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let properties =
            pairs.fold(Properties(JavaProperties::new()), |set, (name, value)| set.set(name, value));
        Case::new(name, properties.set("bootstrap.servers", address), Expected::Accepted)
    };
    let (trusted, authority) = (path("truststore.jks"), path("ca.pem"));
    let (store, two_passwords) = (path("client.p12"), path("client-two-passwords.jks"));
    let pem = path("client.keystore.pem");
    vec![
        file(
            "aiven-stores",
            &mtls,
            &[("client.truststore.jks", &trusted), ("client.keystore.p12", &store), ("=secret", "=changeit")],
        ),
        file(
            "msk-mtls",
            &mtls,
            &[
                ("/tmp/kafka.client.truststore.jks", &trusted),
                ("/tmp/kafka.client.keystore.jks", &two_passwords),
                ("Your-Store-Pass", "changeit"),
                ("Your-Key-Pass", "key-secret"),
            ],
        ),
        file("msk-scram", &sasl, &[("/tmp/kafka.client.truststore.jks", &trusted)]),
        file("aiven-pem", &mtls, &[("/etc/kafka/ca.pem", &authority), ("/etc/kafka/service.pem", &pem)])
            .of_java_since("3.0"),
        file("strimzi-mtls", &mtls, &[("/mnt/cluster-ca/ca.crt", &authority), ("/mnt/user/user.pem", &pem)])
            .of_java_since("3.0"),
    ]
}

/// What was logged.
struct Heard(Mutex<Vec<String>>);

static HEARD: Heard = Heard(Mutex::new(Vec::new()));

impl Heard {
    /// From now on.
    fn begin() -> &'static Heard {
        let _ = log::set_logger(&HEARD); // or it was begun before
        log::set_max_level(log::LevelFilter::Debug);
        HEARD.drain();
        &HEARD
    }

    fn drain(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl log::Log for Heard {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// What one client is given, and what has to become of it.
struct Case {
    name: String,
    properties: JavaProperties,
    expected: Expected,
    /// What a closure of ours hands over in place of what the properties say.
    token: Option<String>,
    /// Whether Java's producer is accepted; none: that depends on the version of Java.
    java_is_accepted: Option<bool>,
    /// The version of Kafka that taught it to Java.
    java_since: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    Accepted,
    /// At once, with an error of this kind whose text has all these words.
    Refused(ErrorKind, &'static [&'static str]),
    /// After `max.block.ms`, since it may pass: nobody is there who speaks what we speak. The text has all these words.
    Unreachable(&'static [&'static str]),
}

impl Case {
    fn new(name: &str, properties: Properties, expected: Expected) -> Case {
        let java_is_accepted = Some(matches!(expected, Expected::Accepted));
        let (name, properties) = (name.to_owned(), properties.0);
        Case { name, properties, expected, token: None, java_is_accepted, java_since: "0" }
    }

    /// Our producer gets this token from the program.
    fn with_token(self, token: &str) -> Case {
        Case { token: Some(token.to_owned()), ..self }
    }

    /// Earlier ones of Java refuse it.
    fn of_java_since(self, version: &'static str) -> Case {
        Case { java_since: version, ..self }
    }

    /// Java thinks otherwise.
    fn but_java(self, java_is_accepted: bool) -> Case {
        Case { java_is_accepted: Some(java_is_accepted), ..self }
    }

    /// Keys under PBES2: Java knows them since version 19.
    fn of_newer_java(self) -> Case {
        Case { java_is_accepted: None, ..self }
    }
}

/// Settings of a client.
#[derive(Clone)]
struct Properties(JavaProperties);

impl Properties {
    fn to(kafka: &SecuredKafka, listener: SecuredListener) -> Properties {
        Properties(JavaProperties::new())
            .set("bootstrap.servers", &kafka.address(listener))
            .set("security.protocol", listener.security_protocol())
    }

    fn trusting(self, kafka: &SecuredKafka, file: &str) -> Properties {
        let kind = match file.rsplit('.').next() {
            Some("p12") => "PKCS12",
            Some("jks") => "JKS",
            _ => "PEM",
        };
        let set = self.set("ssl.truststore.location", &kafka.file(file).display().to_string());
        let set = set.set("ssl.truststore.type", kind);
        if kind == "PEM" { set } else { set.set("ssl.truststore.password", "changeit") }
    }

    fn key_store(self, kafka: &SecuredKafka, file: &str, kind: &str, password: &str) -> Properties {
        self.set("ssl.keystore.location", &kafka.file(file).display().to_string())
            .set("ssl.keystore.type", kind)
            .set("ssl.keystore.password", password)
    }

    /// By a user's name and password.
    fn login(self, mechanism: &str, user: &str, password: &str) -> Properties {
        let module = match mechanism {
            "PLAIN" => "org.apache.kafka.common.security.plain.PlainLoginModule",
            _ => "org.apache.kafka.common.security.scram.ScramLoginModule",
        };
        let jaas = format!("{module} required username=\"{user}\" password=\"{password}\";");
        self.set("sasl.mechanism", mechanism).set("sasl.jaas.config", &jaas)
    }

    /// By tokens from this URL; the options are the login module's.
    fn tokens_from(self, url: &str, options: &str) -> Properties {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        self.set("sasl.mechanism", "OAUTHBEARER")
            .set("sasl.oauthbearer.token.endpoint.url", url)
            .set(
                "sasl.login.callback.handler.class",
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
            )
            .set("sasl.jaas.config", &format!("{module} required {options};"))
    }

    /// By tokens that each client makes for itself.
    fn unsigned(self, user: &str, lifetime_seconds: u32) -> Properties {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let options = format!(
            "unsecuredLoginStringClaim_sub=\"{user}\" unsecuredLoginLifetimeSeconds=\"{lifetime_seconds}\""
        );
        self.set("sasl.mechanism", "OAUTHBEARER")
            .set("sasl.oauthbearer.allow.unsecured.tokens", "true")
            .set("sasl.jaas.config", &format!("{module} required {options};"))
    }

    fn set(mut self, name: &str, value: &str) -> Properties {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// All cases by Java's producer and by ours; everything that is not as expected is told at once.
fn judge(kafka: &SecuredKafka, mut cases: Vec<Case>) {
    for topic in ["java", "ours"] {
        kafka.kafka().create_topic(topic, 1, 1, &[]);
    }
    for case in &mut cases {
        // Nobody comes there, however long one waits.
        let limit = if matches!(case.expected, Expected::Unreachable(_)) { "2000" } else { "30000" };
        case.properties.insert("max.block.ms".into(), limit.into());
    }
    let sets: Vec<_> = cases.iter().map(|case| case.properties.clone()).collect();
    let (java, ours) = thread::scope(|scope| {
        let java = scope.spawn(|| kafka.send_with_java("java", &sets));
        let ours: Vec<_> = cases.iter().map(|case| timed(|| send("ours", case))).collect();
        (java.join().unwrap(), ours)
    });
    assert_eq!(java.len(), cases.len());
    let mut wrong = Vec::new();
    for ((case, java), (ours, took)) in cases.iter().zip(java).zip(ours) {
        let said = |outcome: &Result<(), String>| match outcome {
            Ok(()) => "accepted".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        let text = ours.as_ref().copied().map_err(|error| format!("{:?}: {error}", error.kind()));
        println!("{}: {} after {took:?}\n    Java: {}", case.name, said(&text), said(&java));
        let knows_it = kafka.kafka().jars().is_at_least(case.java_since);
        if case.java_is_accepted.is_some_and(|accepted| java.is_ok() != (accepted && knows_it)) {
            wrong.push(format!("{}: Java is {}", case.name, said(&java)));
        }
        wrong.extend(is_wrong(case, &ours, took).map(|why| format!("{}: {why}: {}", case.name, said(&text))));
    }
    let accepted = cases.iter().filter(|case| matches!(case.expected, Expected::Accepted)).count();
    let read = kafka.kafka().read_back("ours");
    if read.len() != accepted || read.iter().any(|row| row.value.as_deref() != Some(b"by us")) {
        wrong.push(format!("{accepted} were accepted, and {read:?} is there"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are not as expected:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// What is not as expected.
fn is_wrong(case: &Case, outcome: &Result<(), Error>, took: Duration) -> Option<&'static str> {
    let has = |error: &Error, words: &[&str]| {
        let text = error.to_string();
        words.iter().all(|word| text.contains(word))
    };
    let shows = |error: &Error| {
        let text = format!("{error} {error:?}");
        case.properties
            .iter()
            .any(|(name, value)| name.ends_with("password") && text.contains(value.as_str()))
    };
    match (case.expected, outcome) {
        (Expected::Accepted, Ok(())) => None,
        (_, Ok(())) => Some("it should have been refused"),
        (Expected::Accepted, Err(_)) => Some("it should have been accepted"),
        (_, Err(error)) if shows(error) => Some("it shows a password"),
        (Expected::Refused(kind, _), Err(error)) if error.kind() != kind => Some("another kind was expected"),
        (Expected::Refused(..), Err(_)) if took > AT_ONCE => Some("it comes late"),
        (Expected::Refused(_, words) | Expected::Unreachable(words), Err(error)) => {
            (!has(error, words)).then_some("words are missing")
        }
    }
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    (run(), begun.elapsed())
}

/// With this token, if there is one, in place of what the properties say of tokens.
fn producer(properties: &JavaProperties, token: Option<&str>) -> Result<KafkaProducer<str, str>, Error> {
    let mut config = ProducerConfig::new()
        .set("key.serializer", "StringSerializer")
        .set("value.serializer", "StringSerializer")
        .set("max.block.ms", "30000")
        .set("linger.ms", "0");
    for (name, value) in properties {
        config = config.set(name, value);
    }
    let Some(token) = token.map(str::to_owned) else { return KafkaProducer::new(config) };
    for name in [
        "sasl.login.callback.handler.class",
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.oauthbearer.allow.unsecured.tokens",
        "sasl.jaas.config",
    ] {
        config = config.unset(name);
    }
    let ends = SystemTime::now() + Duration::from_secs(300);
    let provider = move || Ok(OAuthBearerToken::new(token.clone(), ends));
    KafkaProducer::builder(config).token_provider(provider).build()
}

fn send(topic: &str, case: &Case) -> Result<(), Error> {
    let producer = producer(&case.properties, case.token.as_deref())?;
    producer.send(ProducerRecord::new(topic, "by us"))?.get_timeout(Duration::from_secs(30)).map(|_| ())
}

/// A refusal is not waited for; a busy machine takes its time all the same.
const AT_ONCE: Duration = Duration::from_secs(15);
