//! Properties files as the vendors of Kafka give them to their customers (`docs/security/providers.md`): they load unchanged,
//! but for names of hosts and of files, and send to brokers that stand in for the vendor's.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;
use std::sync::Mutex;

use kafka_embedded::{EmbeddedCluster, TlsOptions};
use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig};
use support::logged::listen;
use support::login_gate::LoginGate;
use support::scratch::Scratch;
use support::{AGES, TextProducer, assert_holds_exactly, cluster, send_numbered};

/// Java's and OpenSSL's stores, and the password of all of them.
const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/security/stores/fixtures");
const PASSWORD: &str = "changeit";

fn vendors(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vendor_properties");
    std::fs::read_to_string(format!("{folder}/{name}.properties")).unwrap()
}

/// The vendor's file, with other texts in the place of some; each of these has to be there.
fn file(name: &str, replaced: &[(&str, &str)]) -> Scratch {
    let text = replaced.iter().fold(vendors(name), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in {name}");
        text.replace(from, to)
    });
    Scratch::new(name, text.as_bytes())
}

/// What is in the file, and the serializers, which are the program's own choice.
fn config(file: &Scratch) -> ProducerConfig {
    let serializer = "org.apache.kafka.common.serialization.StringSerializer";
    let config = ProducerConfig::from_file(&file.0).unwrap();
    config.set("key.serializer", serializer).set("value.serializer", serializer)
}

fn assert_sends(config: ProducerConfig, cluster: &EmbeddedCluster) {
    let producer: TextProducer = KafkaProducer::new(config).unwrap();
    for future in send_numbered(&producer, 0..20) {
        future.get_timeout(AGES).unwrap();
    }
    assert_holds_exactly(cluster, 20);
}

#[test]
fn clusters_with_names_and_passwords_take_them_as_the_file_has_them() {
    let key = "Endpoint=sb://mynamespace.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;\
               SharedAccessKey=c2VjcmV0+/c2VjcmV0=";
    for (name, servers, user, password) in [
        ("confluent-cloud", "pkc-00000.eu-central-1.aws.confluent.cloud:9092", "API_KEY", "API_SECRET"),
        ("azure-event-hubs", "mynamespace.servicebus.windows.net:9093", "$ConnectionString", key),
    ] {
        // As it is, with TLS.
        KafkaProducer::<str, str>::new(config(&file(name, &[(servers, "127.0.0.1:1")]))).unwrap();
        let cluster = cluster(1);
        let gate = LoginGate::before(&cluster, password);
        user.clone_into(&mut gate.rules.lock().unwrap().user);
        let address = gate.address.to_string();
        let file = file(name, &[(servers, &address), ("SASL_SSL", "SASL_PLAINTEXT")]);
        assert_sends(config(&file), &cluster);
        assert_eq!(gate.count("refused"), 0);
    }
}

#[test]
fn settings_of_other_tools_are_a_warning_that_shows_no_secret() {
    static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    listen(log::LevelFilter::Trace, |record| LOG.lock().unwrap().push(record.args().to_string()));
    let servers = "pkc-00000.eu-central-1.aws.confluent.cloud:9092";
    KafkaProducer::<str, str>::new(config(&file("confluent-cloud", &[(servers, "127.0.0.1:1")]))).unwrap();
    let log = LOG.lock().unwrap().join("\n");
    for name in ["session.timeout.ms", "schema.registry.url", "basic.auth.user.info"] {
        assert!(log.contains(name), "{name}: {log}");
    }
    for secret in ["SR_SECRET", "API_SECRET"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn clusters_with_client_certificates_in_pem_take_them() {
    for (name, servers, trusted, own) in [
        ("aiven-pem", "kafka-project.aivencloud.com:12691", "/etc/kafka/ca.pem", "/etc/kafka/service.pem"),
        (
            "strimzi-mtls",
            "my-cluster-kafka-bootstrap.kafka.svc:9093",
            "/mnt/cluster-ca/ca.crt",
            "/mnt/user/user.pem",
        ),
    ] {
        let tls = TlsOptions::new().require_client_certificates();
        let cluster = EmbeddedCluster::builder().topic("t", 1).tls(tls).start().unwrap();
        let server = cluster.tls().unwrap();
        let client = server.client_certificate("alice").unwrap();
        let authority = Scratch::new(&format!("{name}-ca"), server.trusted_pem().as_bytes());
        let both = [client.key_pem(), client.chain_pem()].concat();
        let both = Scratch::new(&format!("{name}-own"), both.as_bytes());
        let path = |scratch: &Scratch| scratch.0.to_str().unwrap().to_owned();
        let replaced =
            [(servers, &*cluster.bootstrap_servers()), (trusted, &path(&authority)), (own, &path(&both))];
        assert_sends(config(&file(name, &replaced)), &cluster);
    }
}

#[test]
fn stores_of_java_and_openssl_are_read_as_the_file_names_them() {
    let store = |name: &str| PathBuf::from(STORES).join(name).to_str().unwrap().to_owned();
    let (trusted, own, jks) = (store("java8-trust.jks"), store("openssl3.p12"), store("java8.jks"));
    for (name, replaced) in [
        (
            "aiven-stores",
            &[("client.truststore.jks", &*trusted), ("client.keystore.p12", &own), ("=secret", "=changeit")]
                as &[(&str, &str)],
        ),
        (
            "msk-mtls",
            &[
                ("/tmp/kafka.client.truststore.jks", &trusted),
                ("/tmp/kafka.client.keystore.jks", &jks),
                ("Your-Store-Pass", PASSWORD),
                ("Your-Key-Pass", "key-secret"),
            ],
        ),
        ("msk-scram", &[("/tmp/kafka.client.truststore.jks", &trusted)]),
    ] {
        let file = file(name, replaced);
        let local = config(&file).set("bootstrap.servers", "127.0.0.1:1");
        KafkaProducer::<str, str>::new(local).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What is not there yet is refused by its name, before anything is sent.
#[test]
fn what_is_not_there_is_refused_by_name() {
    for (name, is_there, named) in [
        ("msk-iam", cfg!(feature = "msk-iam"), "AWS_MSK_IAM"),
        ("strimzi-oauth", false, "JaasClientOauthLoginCallbackHandler"),
        ("kerberos", false, "GSSAPI"),
    ] {
        if is_there {
            continue;
        }
        let config = config(&file(name, &[])).set("bootstrap.servers", "127.0.0.1:1");
        let error = KafkaProducer::<str, str>::new(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains(named) && !text.contains("client-secret"), "{name}: {text}");
    }
}
