//! Properties files as the vendors of Kafka give them to their customers (`docs/security/providers.md`): they load unchanged,
//! but for names of hosts and of files, and send to brokers that stand in for the vendor's.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

#[cfg(feature = "oidc")]
use std::io::{Read, Write};
#[cfg(feature = "oidc")]
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Mutex;
#[cfg(feature = "oidc")]
use std::thread;

#[cfg(feature = "oidc")]
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
#[cfg(feature = "oidc")]
use kafka_embedded::TokenVerdict;
use kafka_embedded::{EmbeddedCluster, SaslMechanism, SaslOptions, TlsOptions};
use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig};
use support::logged::listen;
use support::scratch::Scratch;
use support::{AGES, TextProducer, assert_holds_exactly, send_numbered};

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

/// With TLS, by the mechanism and to the user that the file names. What the vendor's servers prove who they are with is
/// known to operating systems; here the test's authority is added where the file has no trust store.
#[test]
fn clusters_with_names_and_passwords_take_them_as_the_file_has_them() {
    let key = "Endpoint=sb://mynamespace.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;\
               SharedAccessKey=c2VjcmV0+/c2VjcmV0=";
    let (plain, scram) = (SaslMechanism::Plain, SaslMechanism::ScramSha512);
    for (name, servers, mechanism, user, password) in [
        (
            "confluent-cloud",
            "pkc-00000.eu-central-1.aws.confluent.cloud:9092",
            plain,
            "API_KEY",
            "API_SECRET",
        ),
        ("azure-event-hubs", "mynamespace.servicebus.windows.net:9093", plain, "$ConnectionString", key),
        (
            "msk-scram",
            "b-1.mycluster.abc123.c2.kafka.eu-central-1.amazonaws.com:9096",
            scram,
            "alice",
            "alice-secret",
        ),
    ] {
        let sasl = SaslOptions::new([mechanism]).user(user, password);
        let builder = EmbeddedCluster::builder().topic("t", 1).tls(TlsOptions::new()).sasl(sasl);
        let cluster = builder.start().unwrap();
        let authority = Scratch::new(&format!("{name}-ca"), cluster.tls().unwrap().trusted_pem().as_bytes());
        let authority = authority.0.to_str().unwrap();
        let address = cluster.bootstrap_servers();
        let store = [("/tmp/kafka.client.truststore.jks", authority)];
        let replaced =
            [(servers, &*address)].into_iter().chain(store.into_iter().filter(|_| mechanism == scram));
        let config = config(&file(name, &replaced.collect::<Vec<_>>()));
        assert_sends(config.set("ssl.truststore.location", authority), &cluster);
        let logins = cluster.logins();
        assert!(!logins.is_empty(), "{name}");
        assert!(
            logins.iter().all(|login| login.mechanism == mechanism && login.outcome.is_ok()),
            "{name}: {logins:?}"
        );
    }
}

/// Strimzi's own class and its options: the token is fetched with the client's secret, and shown to the broker.
#[cfg(feature = "oidc")]
#[test]
fn strimzis_class_fetches_tokens_by_its_own_options() {
    let claims = r#"{"sub":"client-id","exp":4102444800,"scope":"kafka"}"#;
    let parts = [r#"{"alg":"none"}"#, claims, "signed"].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let token = parts.join(".");
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", endpoint.local_addr().unwrap());
    let answer = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":300}}"#);
    let asked = thread::spawn(move || answer_once(&endpoint, &answer));
    let sasl = SaslOptions::new([SaslMechanism::OAuthBearer]).judge_tokens(move |presented| {
        assert_eq!(presented.token, token);
        TokenVerdict::Accepted { principal: "client-id".into(), lifetime: None }
    });
    let cluster = EmbeddedCluster::builder().topic("t", 1).sasl(sasl).start().unwrap();
    let store = PathBuf::from(STORES).join("java17-trust.p12").to_str().unwrap().to_owned();
    let file = file(
        "strimzi-oauth",
        &[
            ("my-cluster-kafka-bootstrap.kafka.svc:9093", &*cluster.bootstrap_servers()),
            ("SASL_SSL", "SASL_PLAINTEXT"),
            ("https://auth.example.com/auth/realms/master/protocol/openid-connect/token", &url),
            ("/tmp/truststore.p12", &store),
            ("/tmp/oauth-truststore.p12", &store),
            ("truststore.password=secret", "truststore.password=changeit"),
            ("truststore.password=\"secret\"", "truststore.password=\"changeit\""),
        ],
    );
    assert_sends(config(&file), &cluster);
    let question = asked.join().unwrap();
    let basic = BASE64_STANDARD.encode("client-id:client-secret");
    assert!(question.contains(&format!("Basic {basic}")), "{question}");
    assert!(question.ends_with("grant_type=client_credentials"), "{question}");
}

/// Answers one question over HTTP; what was asked.
#[cfg(feature = "oidc")]
fn answer_once(listener: &TcpListener, body: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut question, mut piece) = (String::new(), [0; 4096]);
    while !question.contains("grant_type=") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{question}");
        question.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    question
}

/// With AWS's keys and region in the environment, and the brokers' authority as one that the system knows: the file is as
/// the vendor has it but for the address.
#[cfg(feature = "msk-iam")]
#[test]
fn amazons_class_signs_by_the_keys_of_the_environment() {
    let sasl = SaslOptions::new([SaslMechanism::AwsMskIam]).judge_msk_iam(judge_signature);
    let builder = EmbeddedCluster::builder().topic("t", 1).tls(TlsOptions::new()).sasl(sasl);
    let cluster = builder.start().unwrap();
    let authority = Scratch::new("msk-iam-ca", cluster.tls().unwrap().trusted_pem().as_bytes());
    let servers = "b-1.mycluster.abc123.c2.kafka.eu-central-1.amazonaws.com:9098";
    let file = file("msk-iam", &[(servers, &*cluster.bootstrap_servers())]);
    let send = |secret: &str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_that_writes_by_amazons_keys", "--ignored", "--nocapture"]);
        child.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", secret);
        child.env("AWS_REGION", "eu-central-1").env("AWS_EC2_METADATA_DISABLED", "true");
        child.env("SSL_CERT_FILE", &authority.0).env("THE_FILE", &file.0);
        child.output().unwrap()
    };
    let output = send(SECRET_KEY);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_holds_exactly(&cluster, 20);
    let logins = cluster.logins();
    let is_right = |login: &kafka_embedded::SeenLogin| login.outcome.as_deref() == Ok("AKIDEXAMPLE");
    assert!(!logins.is_empty() && logins.iter().all(is_right), "{logins:?}");

    let output = send("another-secret");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(!output.status.success() && text.contains("Authentication"), "{text}");
    assert!(!text.contains("another-secret"), "{text}");
    assert_holds_exactly(&cluster, 20);
}

#[cfg(feature = "msk-iam")]
#[test]
#[ignore = "the child of amazons_class_signs_by_the_keys_of_the_environment"]
fn child_that_writes_by_amazons_keys() {
    let file = Scratch(std::env::var_os("THE_FILE").unwrap().into());
    let mut config = config(&file);
    std::mem::forget(file); // it is the parent's
    if cfg!(feature = "webpki-roots") {
        // Nothing is known to the system then.
        config = config.set("ssl.truststore.location", std::env::var("SSL_CERT_FILE").unwrap());
    }
    let producer: TextProducer = KafkaProducer::new(config).unwrap();
    for future in send_numbered(&producer, 0..20) {
        future.get_timeout(AGES).unwrap();
    }
}

#[cfg(feature = "msk-iam")]
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// As AWS says how to sign, by nothing of ours.
#[cfg(feature = "msk-iam")]
fn judge_signature(presented: &str) -> Result<String, String> {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let by = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let parsed: serde_json::Value = serde_json::from_str(presented).map_err(|error| error.to_string())?;
    let field = |name: &str| parsed[name].as_str().unwrap_or_default().to_owned();
    let (credential, date, host) = (field("x-amz-credential"), field("x-amz-date"), field("host"));
    let (key_id, scope) = credential.split_once('/').ok_or("no scope")?;
    let day = date.get(..8).ok_or("no date")?;
    if scope != format!("{day}/eu-central-1/kafka-cluster/aws4_request") || field("version") != "2020_10_22" {
        return Err(format!("{scope} of {}", field("version")));
    }
    let query = format!(
        "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={date}\
         &X-Amz-Expires={}&X-Amz-SignedHeaders=host",
        credential.replace('/', "%2F"),
        field("x-amz-expires"),
    );
    let canonical = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex(&Sha256::digest(b"")));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let parts = [day, "eu-central-1", "kafka-cluster", "aws4_request"];
    let key = parts.iter().fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| by(&key, part));
    match field("x-amz-signature") == hex(&by(&key, &to_sign)) {
        true => Ok(key_id.to_owned()),
        false => Err("the signature is wrong".to_owned()),
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

/// What a build does not have is refused by its name; with it the keytab is read, before anything is sent. That it sends is
/// in `real_kafka_kerberos`.
#[test]
fn kerberos_is_a_feature_of_its_own() {
    let config = config(&file("kerberos", &[])).set("bootstrap.servers", "127.0.0.1:1");
    let error = KafkaProducer::<str, str>::new(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let wanted = if cfg!(feature = "gssapi") {
        "keyTab=/etc/security/keytabs/kafka_client.keytab"
    } else {
        "GSSAPI for configuration sasl.mechanism: it needs the feature `gssapi` of the crate kafka-producer. (It is the default: for another"
    };
    assert!(error.to_string().contains(wanted), "{error}");
}
