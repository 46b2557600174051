//! Every way into a Kafka with Kerberos, and every way that must not lead in. Java's producer is asked beside us, with the
//! same properties, and has to be of the same opinion.
//!
//! Where `krb5.conf` and the usual ticket cache are stands in the environment: our producer runs in a process of its own.

#![cfg(feature = "gssapi")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::too_many_lines, reason = "the lists of cases are tables")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::java::JavaProperties;
use harness::kerberos::{KeyDistributionCenter, REALM};
use harness::secured_kafka::{SecuredKafka, SecuredListener};
use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord};

/// On one Kafka, which takes as long to start as the rest: each half waits most of its time.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn kerberos_leads_in_where_it_leads_java_in_and_keeps_on() {
    let _turn = harness::turn();
    let kafka = SecuredKafka::start("4.3.1");
    thread::scope(|scope| {
        let lasting = scope.spawn(|| tickets_are_got_anew_before_they_end(&kafka));
        tickets_are_accepted_and_refused_as_java_s(&kafka);
        lasting.join().unwrap();
    });
}

fn tickets_are_accepted_and_refused_as_java_s(kafka: &SecuredKafka) {
    let kdc = kafka.kdc().unwrap();
    let with = |jaas: &str| properties(kafka, SecuredListener::Gssapi, jaas);
    let alice = kafka.file("alice.keytab");
    let by_alice = with(&by_keytab(&alice, "alice@TEST.LOCAL"));
    let cache = kdc.ticket_cache("alice.cache");
    let by_cache = format!("useTicketCache=true ticketCache=\"{}\"", cache.display());
    let of_another_cipher = |name: &str, cipher: &str| {
        let keytab = kdc.keytab(name, &format!("+requires_preauth -e {cipher}:normal"));
        Case::accepted(cipher, with(&by_keytab(&keytab, &format!("{name}@{REALM}"))))
    };
    let gone = kdc.keytab("gone", "");
    kdc.administer("delprinc -force gone");
    let stale = kdc.keytab("stale", "");
    let careful = kdc.keytab("careful", "+requires_preauth");
    for name in ["stale", "careful"] {
        kdc.administer(&format!("cpw -randkey {name}"));
    }
    let locked = kdc.keytab("locked", "-allow_tix");
    let ended = kdc.ticket_cache_with("ended.cache", &["-l", "1s"]);
    thread::sleep(Duration::from_secs(2));
    let vendor = include_str!("vendor_properties/kerberos.properties")
        .replace("kafka.example.com:9092", &kafka.address(SecuredListener::Gssapi))
        .replace("/etc/security/keytabs/kafka_client.keytab", alice.to_str().unwrap())
        .replace("kafka-client-1@EXAMPLE.COM", "alice@TEST.LOCAL");
    let ours_alone =
        |text: String| Case { name: "a vendor's file".to_owned(), text, java: None, expected: Ok(()) };
    let cases = vec![
        Case::accepted("a keytab", by_alice.clone()),
        ours_alone(vendor),
        Case::accepted("a keytab, of the usual realm", with(&by_keytab(&alice, "alice"))),
        of_another_cipher("bob", "aes128-cts-hmac-sha1-96"),
        of_another_cipher("carol", "aes128-cts-hmac-sha256-128"),
        of_another_cipher("dave", "aes256-cts-hmac-sha384-192"),
        Case::accepted("a ticket cache", with(&by_cache)),
        Case::accepted("a ticket cache, by its type", with(&by_cache.replace("=\"/", "=\"FILE:/"))),
        Case::accepted(
            "a ticket cache of its principal",
            with(&format!("{by_cache} principal=\"alice@TEST.LOCAL\"")),
        ),
        // Java's own cache is its process's.
        Case::accepted("the usual ticket cache", with("useTicketCache=true")).by_us_alone(),
        Case::accepted(
            "a keytab, since the cache is empty",
            with(&format!(
                "{} useTicketCache=true ticketCache=\"/nowhere\"",
                by_keytab(&alice, "alice@TEST.LOCAL")
            )),
        ),
        Case::accepted(
            "the service's name as an option",
            without(with(&format!("{by_cache} serviceName=kafka")), "sasl.kerberos.service.name"),
        ),
        Case::accepted("the name in both places", with(&format!("{by_cache} serviceName=kafka"))),
        Case::refused("two names", with(&format!("{by_cache} serviceName=nfs")), "Config", &["serviceName"]),
        Case::refused(
            "no name",
            without(with(&by_cache), "sasl.kerberos.service.name"),
            "Config",
            &["sasl.kerberos.service.name"],
        ),
        Case::refused(
            "another service",
            set(by_alice.clone(), "sasl.kerberos.service.name", "nfs"),
            "Authentication",
            &[
                "Server not found in Kerberos database",
                "nfs/localhost@TEST.LOCAL",
                "sasl.kerberos.service.name",
            ],
        ),
        Case::refused(
            "no ticket cache",
            with("useTicketCache=true ticketCache=\"/nowhere\""),
            "Authentication",
            &["there is no ticket cache FILE:/nowhere", "kinit"],
        ),
        Case::refused(
            "a ticket that has ended",
            with(&format!("useTicketCache=true ticketCache=\"{}\"", ended.display())),
            "Authentication",
            &["alice@TEST.LOCAL", "has ended", "kinit"],
        ),
        Case::refused(
            "a ticket of another",
            with(&format!("{by_cache} principal=\"bob@TEST.LOCAL\"")),
            "Authentication",
            &["alice@TEST.LOCAL's", "bob@TEST.LOCAL"],
        ),
        Case::refused(
            "no keytab",
            with(&by_keytab(Path::new("/nowhere.keytab"), "alice@TEST.LOCAL")),
            "Config",
            &["keyTab=/nowhere.keytab", "No such file"],
        ),
        Case::refused(
            "a keytab of another",
            with(&by_keytab(&kafka.file("kafka.keytab"), "alice@TEST.LOCAL")),
            "Config",
            &["alice@TEST.LOCAL", "kafka/localhost@TEST.LOCAL"],
        ),
        Case::refused(
            "nobody",
            with(&by_keytab(&gone, "gone@TEST.LOCAL")),
            "Authentication",
            &["gone@TEST.LOCAL", "KDC_ERR_C_PRINCIPAL_UNKNOWN"],
        ),
        Case::refused(
            "an old key",
            with(&by_keytab(&stale, "stale@TEST.LOCAL")),
            "Authentication",
            &["keytab", "older"],
        ),
        Case::refused(
            "an old key, to a KDC that wants to see it first",
            with(&by_keytab(&careful, "careful@TEST.LOCAL")),
            "Authentication",
            &["keytab", "older"],
        ),
        Case::refused(
            "who is locked out",
            with(&by_keytab(&locked, "locked@TEST.LOCAL")),
            "Authentication",
            &["locked@TEST.LOCAL"],
        ),
        Case::refused(
            "a realm without a KDC",
            with(&by_keytab(&alice, "alice@ELSEWHERE.LOCAL")),
            "Config",
            &["alice@ELSEWHERE.LOCAL", "alice@TEST.LOCAL"],
        ),
        Case::refused(
            "nothing to log in with",
            with("doNotPrompt=true"),
            "Config",
            &["useKeyTab", "useTicketCache"],
        ),
        Case::refused(
            "a listener without Kerberos",
            properties(kafka, SecuredListener::Sasl, &by_keytab(&alice, "alice@TEST.LOCAL")),
            "Authentication",
            &["GSSAPI", "PLAIN"],
        ),
    ];
    for topic in ["java", "ours"] {
        kafka.kafka().create_topic(topic, 1, 1, &[]);
    }
    let sets: Vec<JavaProperties> = cases.iter().filter_map(|case| case.java.clone()).collect();
    let mut java = kafka.send_with_java("java", &sets).into_iter();
    let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let ours = ask_child("child_that_sends_once", &texts, &kdc.configuration(), &cache, kdc);
    assert_eq!(ours.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, ours) in cases.iter().zip(&ours) {
        let java = case.java.as_ref().map(|_| java.next().unwrap());
        println!("{}: {ours}\n    Java: {java:?}", case.name);
        if java.as_ref().is_some_and(|java| java.is_ok() != case.expected.is_ok()) {
            wrong.push(format!("{}: Java: {java:?}", case.name));
        }
        let is_right = match &case.expected {
            Ok(()) => ours == "accepted",
            Err((kind, words)) => ours.starts_with(kind) && words.iter().all(|word| ours.contains(word)),
        };
        if !is_right {
            wrong.push(format!("{}: {ours}", case.name));
        }
    }
    let accepted = cases.iter().filter(|case| case.expected.is_ok()).count();
    let read = kafka.kafka().read_back("ours");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(read.len(), accepted);
}

/// Tickets that end after eight seconds, and sessions that end after three: nothing is lost, and nothing comes twice.
fn tickets_are_got_anew_before_they_end(kafka: &SecuredKafka) {
    let kdc = kafka.kdc().unwrap();
    let short = kdc.configuration_with("short.conf", "ticket_lifetime = 10m", "ticket_lifetime = 8s");
    let erin = by_keytab(&kdc.keytab("erin", ""), "erin@TEST.LOCAL");
    let cache = kdc.file("renewed.cache");
    let by_cache = format!("useTicketCache=true ticketCache=\"{}\"", cache.display());
    let mut texts = Vec::new();
    for (topic, jaas) in [("by-keytab", erin), ("by-cache", by_cache)] {
        kafka.kafka().create_topic(topic, 1, 1, &[]);
        let properties = properties(kafka, SecuredListener::Gssapi, &jaas);
        let properties = set(properties, "sasl.kerberos.min.time.before.relogin", "1000");
        // In time also where the machine has much else to do.
        let properties = set(properties, "sasl.kerberos.ticket.renew.window.factor", "0.5");
        texts.push(text(&set(properties, "client.id", topic)));
    }
    kdc.ticket_cache_with("renewed.cache", &["-l", "8s", "-r", "1h"]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (logged, begun) = (kdc.log().len(), Instant::now());
    let sent = ask_child("child_that_sends_for_long", &texts, &short, Path::new("/nowhere"), kdc);
    let asked = kdc.log()[logged..].to_owned();
    for (topic, sent) in ["by-keytab", "by-cache"].into_iter().zip(&sent) {
        println!("{topic}: {sent} after {:?}", begun.elapsed());
        let count: usize =
            sent.strip_prefix("accepted ").unwrap_or_else(|| panic!("{sent}")).parse().unwrap();
        let values: Vec<_> =
            kafka.kafka().read_back(topic).iter().map(|row| row.value.clone().unwrap()).collect();
        let expected: Vec<_> = (0..count).map(|number| number.to_string().into_bytes()).collect();
        assert!(count > 100 && values == expected, "{topic}: {count}, {}", values.len());
    }
    let issued = |what: &str, for_whom: &str| {
        asked
            .lines()
            .filter(|line| line.contains(what) && line.contains("ISSUE") && line.ends_with(for_whom))
            .count()
    };
    let by_key = issued("AS_REQ", "erin@TEST.LOCAL for krbtgt/TEST.LOCAL@TEST.LOCAL");
    let renewed = issued("TGS_REQ", "alice@TEST.LOCAL for krbtgt/TEST.LOCAL@TEST.LOCAL");
    let for_broker = issued("TGS_REQ", "erin@TEST.LOCAL for kafka/localhost@TEST.LOCAL");
    println!("{by_key} times by the keytab, {renewed} times renewed, {for_broker} tickets for the broker");
    assert!((2..=6).contains(&by_key) && (1..=6).contains(&renewed), "{asked}");
    // One for each ticket that buys others, and not for each login; bootstrap server and broker may ask at once.
    assert!((by_key - 1..=2 * by_key).contains(&for_broker), "{asked}");
}

/// Sends a record with the properties of each file.
#[test]
#[ignore = "run by another test, in its environment"]
fn child_that_sends_once() {
    for path in files_of_parent() {
        let sent = producer(&path).and_then(|producer| {
            producer
                .send(ProducerRecord::new("ours", "by us"))?
                .get_timeout(Duration::from_secs(30))
                .map(drop)
        });
        println!("\nOUTCOME {}", outcome(sent.map(|()| String::new())));
    }
}

/// Sends for a while with the properties of each file, to the topic that its `client.id` names.
#[test]
#[ignore = "run by another test, in its environment"]
fn child_that_sends_for_long() {
    let send = |path: PathBuf| -> Result<String, Error> {
        let text = fs::read_to_string(&path).unwrap();
        let topic = text.lines().find_map(|line| line.strip_prefix("client.id=")).unwrap();
        let (producer, begun, mut sent) = (producer(&path)?, Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(13) {
            let value = sent.to_string();
            producer
                .send(ProducerRecord::new(topic, value.as_str()))?
                .get_timeout(Duration::from_secs(30))?;
            sent += 1;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(format!(" {sent}"))
    };
    let threads: Vec<_> =
        files_of_parent().into_iter().map(|path| thread::spawn(move || send(path))).collect();
    for thread in threads {
        println!("\nOUTCOME {}", outcome(thread.join().unwrap()));
    }
}

fn files_of_parent() -> Vec<PathBuf> {
    let paths = std::env::var_os(FILES).unwrap_or_else(|| panic!("{FILES} is not set"));
    std::env::split_paths(&paths).collect()
}

fn producer(path: &Path) -> Result<KafkaProducer<str, str>, Error> {
    let config = ProducerConfig::from_file(path)?
        .set("key.serializer", "StringSerializer")
        .set("value.serializer", "StringSerializer")
        .set("max.block.ms", "8000")
        .set("linger.ms", "0");
    KafkaProducer::new(config)
}

fn outcome(sent: Result<String, Error>) -> String {
    match sent {
        Ok(text) => format!("accepted{text}"),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

/// Runs one of the tests above in a process of its own, with a file for each text: what became of each.
fn ask_child(
    test: &str,
    texts: &[&str],
    conf: &Path,
    cache: &Path,
    kdc: &KeyDistributionCenter,
) -> Vec<String> {
    let files = texts.iter().enumerate().map(|(number, text)| {
        let path = kdc.file(&format!("{test}-{number}.properties"));
        fs::write(&path, text).unwrap();
        path
    });
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture"]);
    child.env(FILES, std::env::join_paths(files).unwrap());
    child.env("KRB5_CONFIG", conf).env("KRB5CCNAME", cache);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.strip_prefix("OUTCOME ")).map(str::to_owned).collect()
}

/// What one client is given, and what has to become of it.
struct Case {
    name: String,
    text: String,
    /// None: Java is not asked.
    java: Option<JavaProperties>,
    /// Or with an error of this kind whose text has all these words.
    expected: Result<(), (&'static str, &'static [&'static str])>,
}

impl Case {
    fn accepted(name: &str, properties: JavaProperties) -> Case {
        Case { name: name.to_owned(), text: text(&properties), java: Some(properties), expected: Ok(()) }
    }

    fn refused(
        name: &str,
        properties: JavaProperties,
        kind: &'static str,
        words: &'static [&'static str],
    ) -> Case {
        Case { expected: Err((kind, words)), ..Case::accepted(name, properties) }
    }

    fn by_us_alone(self) -> Case {
        Case { java: None, ..self }
    }
}

fn properties(kafka: &SecuredKafka, listener: SecuredListener, options: &str) -> JavaProperties {
    let pairs = [
        ("bootstrap.servers", kafka.address(listener)),
        ("security.protocol", listener.security_protocol().to_owned()),
        ("sasl.mechanism", "GSSAPI".to_owned()),
        ("sasl.kerberos.service.name", "kafka".to_owned()),
        ("sasl.jaas.config", format!("com.sun.security.auth.module.Krb5LoginModule required {options};")),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn by_keytab(path: &Path, principal: &str) -> String {
    format!("useKeyTab=true storeKey=true keyTab=\"{}\" principal=\"{principal}\"", path.display())
}

fn set(mut properties: JavaProperties, name: &str, value: &str) -> JavaProperties {
    properties.insert(name.to_owned(), value.to_owned());
    properties
}

fn without(mut properties: JavaProperties, name: &str) -> JavaProperties {
    properties.remove(name);
    properties
}

fn text(properties: &JavaProperties) -> String {
    properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// Where the child finds its properties.
const FILES: &str = "KERBEROS_PROPERTIES_FILES";
