//! Every way into a secured Kafka, and every way that must not lead in. Java's producer is asked beside us, with the same
//! properties, and has to be of the same opinion; what it thinks otherwise is said with the case.
//!
//! What was accepted is read back by kcat.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::too_many_lines, reason = "the lists of cases are tables")]

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use harness::java::JavaProperties;
use harness::secured_kafka::{SecuredKafka, SecuredListener};
use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};

harness::on_each_version! {
    brokers_are_trusted_as_java_trusts_them
    client_certificates_are_accepted_and_refused_as_java_s
    every_store_of_keytool_and_openssl_leads_in
    passwords_are_accepted_and_refused_as_java_s
    sessions_are_renewed_before_they_end
}

/// Which brokers are who they say, and which versions of TLS are spoken.
fn brokers_are_trusted_as_java_trusts_them(version: &str) {
    let kafka = SecuredKafka::start(version);
    let trusting = |listener| Properties::to(&kafka, listener).trusting(&kafka, "truststore.p12");
    let by_address = format!("127.0.0.1:{}", kafka.port(SecuredListener::Tls));
    let plain = kafka.address(SecuredListener::Plaintext);
    let tls = kafka.address(SecuredListener::Tls);
    let not_trusted = |words| Expected::Refused(ErrorKind::Authentication, words);
    judge(
        &kafka,
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
                not_trusted(&["protocol_version"]),
            ),
            Case::new(
                "expired",
                trusting(SecuredListener::Expired),
                not_trusted(&["CN=localhost", "expired"]),
            ),
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
                Properties::to(&kafka, SecuredListener::Tls),
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
        ],
    );
}

/// Who we are: what the broker's listener asks for a certificate.
fn client_certificates_are_accepted_and_refused_as_java_s(version: &str) {
    let kafka = SecuredKafka::start(version);
    let with = |store| {
        let trusting = Properties::to(&kafka, SecuredListener::Mtls).trusting(&kafka, "truststore.p12");
        trusting.key_store(&kafka, store, "PKCS12", "changeit")
    };
    let text = |name: &str| fs::read_to_string(kafka.file(name)).unwrap();
    let inline = |key: &str, chain: &str| {
        Properties::to(&kafka, SecuredListener::Mtls)
            .set("ssl.keystore.type", "PEM")
            .set("ssl.keystore.key", &text(key))
            .set("ssl.keystore.certificate.chain", &text(chain))
            .set("ssl.truststore.type", "PEM")
            .set("ssl.truststore.certificates", &text("ca.pem"))
    };
    let wrong = Expected::Refused(ErrorKind::Authentication, &["alert"]);
    judge(
        &kafka,
        vec![
            Case::new("an elliptic curve", with("client.p12"), Expected::Accepted),
            Case::new("RSA", with("rsa-client.p12"), Expected::Accepted),
            Case::new("inline", inline("client.key", "client.pem"), Expected::Accepted),
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
            ),
            Case::new(
                "none",
                Properties::to(&kafka, SecuredListener::Mtls).trusting(&kafka, "truststore.p12"),
                Expected::Refused(ErrorKind::Authentication, &["alert", "certificate"]),
            ),
            Case::new("of another authority", with("other-client.p12"), wrong),
            Case::new(
                "expired",
                with("expired-client.p12"),
                Expected::Refused(
                    ErrorKind::Config,
                    &["ssl.keystore.location", "expired-client.p12", "expired"],
                ),
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
        ],
    );
}

/// Stores that this machine's programs have just made.
fn every_store_of_keytool_and_openssl_leads_in(version: &str) {
    let kafka = SecuredKafka::start(version);
    let trusting = |trust: &str| Properties::to(&kafka, SecuredListener::Mtls).trusting(&kafka, trust);
    let mut cases = Vec::new();
    for store in ["client.p12", "client-openssl1.p12", "client-java17.p12", "client-java8.p12"] {
        cases.push(Case::new(
            store,
            trusting("truststore.p12").key_store(&kafka, store, "PKCS12", "changeit"),
            Expected::Accepted,
        ));
    }
    // Said to be of the default type, as most people leave it.
    cases.push(Case::new(
        "PKCS12 called JKS",
        trusting("truststore.p12")
            .key_store(&kafka, "client.p12", "JKS", "changeit")
            .set("ssl.truststore.type", "JKS"),
        Expected::Accepted,
    ));
    cases.push(Case::new(
        "JKS",
        trusting("truststore.jks").key_store(&kafka, "client.jks", "JKS", "changeit"),
        Expected::Accepted,
    ));
    let two = trusting("truststore.jks").key_store(&kafka, "client-two-passwords.jks", "JKS", "changeit");
    let wrong = Expected::Refused(ErrorKind::Config, &["client-two-passwords.jks", "ssl.key.password"]);
    cases.push(Case::new("JKS, the key's password missing", two.clone(), wrong));
    cases.push(Case::new(
        "JKS of two passwords",
        two.set("ssl.key.password", "key-secret"),
        Expected::Accepted,
    ));
    cases.push(Case::new(
        "trust by Java 8",
        trusting("truststore-java8.p12").key_store(&kafka, "client.p12", "PKCS12", "changeit"),
        Expected::Accepted,
    ));
    // Java finds nothing to trust in what OpenSSL writes without Oracle's attribute.
    cases.push(
        Case::new(
            "trust by OpenSSL",
            trusting("truststore-openssl.p12").key_store(&kafka, "client.p12", "PKCS12", "changeit"),
            Expected::Accepted,
        )
        .but_java(false),
    );
    let pem = |file: &str| {
        trusting("ca.pem")
            .set("ssl.keystore.type", "PEM")
            .set("ssl.keystore.location", &kafka.file(file).display().to_string())
    };
    cases.push(Case::new("PEM", pem("client.keystore.pem"), Expected::Accepted));
    for file in ["client.pbes2.pem", "client.pbes1.pem"] {
        let right = Case::new(file, pem(file).set("ssl.key.password", "key-secret"), Expected::Accepted);
        cases.push(if file == "client.pbes2.pem" { right.of_newer_java() } else { right });
        let wrong = Expected::Refused(ErrorKind::Config, &["ssl.keystore.location", "ssl.key.password"]);
        cases.push(Case::new("PEM, a wrong password", pem(file).set("ssl.key.password", "not-this"), wrong));
    }
    for file in ["client.sec1.pem", "rsa-client.pkcs1.pem"] {
        cases.push(Case::new(file, pem(file), Expected::Accepted).but_java(false));
    }
    judge(&kafka, cases);
}

/// By PLAIN and SCRAM, in clear and within TLS.
fn passwords_are_accepted_and_refused_as_java_s(version: &str) {
    let kafka = SecuredKafka::start(version);
    let plain = |listener, user: &str, password: &str| {
        Properties::to(&kafka, listener).trusting(&kafka, "truststore.p12").login("PLAIN", user, password)
    };
    let scram = |listener, mechanism: &str, user: &str, password: &str| {
        Properties::to(&kafka, listener).trusting(&kafka, "truststore.p12").login(mechanism, user, password)
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
        Properties::to(&kafka, SecuredListener::Sasl).set("security.protocol", "PLAINTEXT"),
        Expected::Unreachable(&["this listener may require SASL"]),
    ));
    cases.push(Case::new(
        "TLS without SASL where there is one",
        plain(SecuredListener::SaslTls, "alice", "alice-secret").set("security.protocol", "SSL"),
        Expected::Unreachable(&["SASL"]),
    ));
    judge(&kafka, cases);
}

/// A broker that ends sessions after three seconds: nothing is lost, and nothing comes twice or in another order.
fn sessions_are_renewed_before_they_end(version: &str) {
    let (kafka, heard) = (SecuredKafka::start(version), Heard::begin());
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let topic = format!("by-{mechanism}");
        kafka.kafka().create_topic(&topic, 1, 1, &[]);
        let properties =
            Properties::to(&kafka, SecuredListener::Reauth).login(mechanism, "alice", "alice-secret");
        let producer = producer(&properties.0).unwrap();
        let (begun, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
        while begun.elapsed() < Duration::from_secs(11) {
            let (sending, value) = (Instant::now(), sent.to_string());
            let future = producer.send(ProducerRecord::new(topic.as_str(), value.as_str())).unwrap();
            future.get_timeout(Duration::from_secs(30)).unwrap();
            (sent, slowest) = (sent + 1, slowest.max(sending.elapsed()));
        }
        println!("{mechanism}: {sent} records, the slowest took {slowest:?}");
        let read = kafka.kafka().read_back(&topic);
        let values: Vec<_> = read.iter().map(|row| row.value.clone().unwrap()).collect();
        assert_eq!(values, (0..sent).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
        assert!(sent > 100, "{sent}");
        // A broker ends the connection of whoever does not log in again, and what was sent there comes by the next one.
        let lost: Vec<_> = heard
            .drain()
            .into_iter()
            .filter(|line| line.contains("lost the connection") && !line.contains("is closed"))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
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
    /// Whether Java's producer is accepted; none: that depends on the version of Java.
    java_is_accepted: Option<bool>,
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
        Case { name: name.to_owned(), properties: properties.0, expected, java_is_accepted }
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

    fn set(mut self, name: &str, value: &str) -> Properties {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// All cases by Java's producer and by ours; everything that is not as expected is told at once.
fn judge(kafka: &SecuredKafka, cases: Vec<Case>) {
    for topic in ["java", "ours"] {
        kafka.kafka().create_topic(topic, 1, 1, &[]);
    }
    let sets: Vec<_> = cases.iter().map(|case| case.properties.clone()).collect();
    let java = kafka.send_with_java("java", &sets);
    assert_eq!(java.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, java) in cases.iter().zip(java) {
        let begun = Instant::now();
        let ours = send("ours", &case.properties);
        let took = begun.elapsed();
        let said = |outcome: &Result<(), String>| match outcome {
            Ok(()) => "accepted".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        let text = ours.as_ref().copied().map_err(|error| format!("{:?}: {error}", error.kind()));
        println!("{}: {} after {took:?}\n    Java: {}", case.name, said(&text), said(&java));
        if case.java_is_accepted.is_some_and(|accepted| java.is_ok() != accepted) {
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

fn producer(properties: &JavaProperties) -> Result<KafkaProducer<str, str>, Error> {
    let mut config = ProducerConfig::new()
        .set("key.serializer", "StringSerializer")
        .set("value.serializer", "StringSerializer")
        .set("max.block.ms", "8000")
        .set("linger.ms", "0");
    for (name, value) in properties {
        config = config.set(name, value);
    }
    KafkaProducer::new(config)
}

fn send(topic: &str, properties: &JavaProperties) -> Result<(), Error> {
    let producer = producer(properties)?;
    producer.send(ProducerRecord::new(topic, "by us"))?.get_timeout(Duration::from_secs(30)).map(|_| ())
}

/// A refusal is not waited for; a busy machine takes its time all the same.
const AT_ONCE: Duration = Duration::from_secs(6);
