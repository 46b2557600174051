//! One broker with a listener for every way into a secured cluster, and for every certificate that must not be accepted.
//!
//! Owns: the listeners, the files of both sides, the issuer of tokens, the KDC. Must not know: the producer under test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command::run;
use super::jars::KafkaJars;
use super::java::JavaProperties;
use super::kafka_cluster::{BrokerPlace, BrokerSettings, Kafka, free_port};
use super::kerberos::KeyDistributionCenter;
use super::oidc_server::{AUDIENCE, ISSUER, OidcServer};
use super::read_back::{from_hex, to_hex};
use super::scratch::ScratchFolder;

/// What a listener asks for, or what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecuredListener {
    Plaintext,
    Tls,
    /// A client certificate is required.
    Mtls,
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.2 with one cipher suite alone: with CBC, or with DHE.
    Cbc,
    Dhe,
    /// Certificates of the broker that are not to be accepted.
    Expired,
    NotYet,
    WrongName,
    OtherAuthority,
    /// PLAIN, SCRAM, and OAUTHBEARER with tokens that nobody signs.
    Sasl,
    /// The same over TLS.
    SaslTls,
    /// OAUTHBEARER with tokens of the issuer, from 3.x on; in 2.x with unsigned ones, for the scope `kafka`.
    Signed,
    /// PLAIN, SCRAM-SHA-256 and OAUTHBEARER, anew every three seconds.
    Reauth,
    /// Kerberos, anew every three seconds, where its tools are installed.
    Gssapi,
}

impl SecuredListener {
    pub const ALL: [SecuredListener; 15] = [
        SecuredListener::Plaintext,
        SecuredListener::Tls,
        SecuredListener::Mtls,
        SecuredListener::Tls12,
        SecuredListener::Cbc,
        SecuredListener::Dhe,
        SecuredListener::Expired,
        SecuredListener::NotYet,
        SecuredListener::WrongName,
        SecuredListener::OtherAuthority,
        SecuredListener::Sasl,
        SecuredListener::SaslTls,
        SecuredListener::Signed,
        SecuredListener::Reauth,
        SecuredListener::Gssapi,
    ];

    /// Its name in Kafka's settings, and what is spoken there.
    fn name_and_protocol(self) -> (&'static str, &'static str) {
        match self {
            SecuredListener::Plaintext => ("PLAINTEXT", "PLAINTEXT"),
            SecuredListener::Tls => ("TLS", "SSL"),
            SecuredListener::Mtls => ("MTLS", "SSL"),
            SecuredListener::Tls12 => ("TLS12", "SSL"),
            SecuredListener::Cbc => ("CBC", "SSL"),
            SecuredListener::Dhe => ("DHE", "SSL"),
            SecuredListener::Expired => ("EXPIRED", "SSL"),
            SecuredListener::NotYet => ("NOT_YET", "SSL"),
            SecuredListener::WrongName => ("WRONG_NAME", "SSL"),
            SecuredListener::OtherAuthority => ("OTHER_AUTHORITY", "SSL"),
            SecuredListener::Sasl => ("SASL", "SASL_PLAINTEXT"),
            SecuredListener::SaslTls => ("SASL_TLS", "SASL_SSL"),
            SecuredListener::Signed => ("SIGNED", "SASL_PLAINTEXT"),
            SecuredListener::Reauth => ("REAUTH", "SASL_PLAINTEXT"),
            SecuredListener::Gssapi => ("GSSAPI", "SASL_PLAINTEXT"),
        }
    }

    /// As `security.protocol` has it.
    pub fn security_protocol(self) -> &'static str {
        self.name_and_protocol().1
    }
}

/// A running broker.
pub struct SecuredKafka {
    kafka: Kafka,
    ports: BTreeMap<SecuredListener, u16>,
    issuer: OidcServer,
    kdc: Option<KeyDistributionCenter>,
    files: ScratchFolder,
}

impl SecuredKafka {
    /// `alice` has the password `alice-secret` by PLAIN and SCRAM. Without a KDC's programs there is no listener for
    /// Kerberos.
    pub fn start(version: &str) -> SecuredKafka {
        let jars = KafkaJars::fetch(version);
        let files = ScratchFolder::new(jars.home());
        make_files(files.path());
        let issuer = OidcServer::start(files.path());
        let kdc = KeyDistributionCenter::start(files.path());
        let listeners = SecuredListener::ALL
            .into_iter()
            .filter(|listener| *listener != SecuredListener::Gssapi || kdc.is_some());
        let mut ports: BTreeMap<_, _> = listeners.map(|listener| (listener, free_port())).collect();
        let mut flags = vec!["-Xmx192m".to_owned(), format!("-D{ALLOWED_URLS}={}", issuer.jwks_url())];
        flags.extend(
            kdc.iter().map(|kdc| format!("-Djava.security.krb5.conf={}", kdc.configuration().display())),
        );
        let settings = |place: &BrokerPlace| settings(place, &ports, files.path(), &issuer);
        let kafka = Kafka::start_with_flags(version, &flags, &settings);
        ports.insert(SecuredListener::Plaintext, kafka.ports()[0]);
        let started = SecuredKafka { kafka, ports, issuer, kdc, files };
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            started.add_scram_user(mechanism, "alice", "alice-secret");
        }
        started
    }

    /// What needs no authentication.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    pub fn issuer(&self) -> &OidcServer {
        &self.issuer
    }

    pub fn kdc(&self) -> Option<&KeyDistributionCenter> {
        self.kdc.as_ref()
    }

    /// `localhost:PORT`, which is what certificates and tickets are for.
    pub fn address(&self, listener: SecuredListener) -> String {
        format!("localhost:{}", self.port(listener))
    }

    pub fn port(&self, listener: SecuredListener) -> u16 {
        self.ports[&listener]
    }

    /// One of the files that `secured_files.sh` makes.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = self.files.path().join(name);
        assert!(path.is_file(), "{} is missing", path.display());
        path
    }

    /// A file beside those.
    pub fn add_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Adds a user, or gives him another password.
    pub fn add_scram_user(&self, mechanism: &str, user: &str, password: &str) {
        let change = format!("{mechanism}=[password={password}]");
        // Brokers do it since 2.7.
        let zookeeper = self.kafka.zookeeper_address().filter(|_| !self.kafka.jars().is_at_least("2.7"));
        let place = match &zookeeper {
            Some(address) => ["--zookeeper", address],
            None => ["--bootstrap-server", "{servers}"],
        };
        let what = ["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &change];
        self.kafka.tool("kafka.admin.ConfigCommand", &[&place[..], &what].concat(), b"");
    }

    /// Sends a record by Java's producer with each set of properties: whether its broker has acknowledged it, or what Java
    /// says, all causes included. A set lacks nothing but serializers, and limits of time, but for its own `max.block.ms`.
    pub fn send_with_java(&self, topic: &str, sets: &[JavaProperties]) -> Vec<Result<(), String>> {
        let pair = |(name, value): (&String, &String)| {
            format!("{}={}", to_hex(name.as_bytes()), to_hex(value.as_bytes()))
        };
        let line = |set: &JavaProperties| set.iter().map(pair).collect::<Vec<_>>().join(" ") + "\n";
        let input: String = sets.iter().map(line).collect();
        let urls = sets.iter().filter_map(|set| set.get("sasl.oauthbearer.token.endpoint.url"));
        let urls: BTreeSet<_> = urls.map(String::as_str).collect();
        let urls = format!("{ALLOWED_URLS}={}", urls.into_iter().collect::<Vec<_>>().join(","));
        let kerberos =
            self.kdc.as_ref().map(|kdc| format!("java.security.krb5.conf={}", kdc.configuration().display()));
        let arguments: Vec<&str> = [topic, &urls].into_iter().chain(kerberos.as_deref()).collect();
        let output = self.kafka.jars().java_source(
            "SecuredSend.java",
            include_str!("SecuredSend.java"),
            &arguments,
            input.as_bytes(),
        );
        let outcome = |line: &str| match line.strip_prefix("refused ") {
            Some(message) => Err(String::from_utf8(from_hex(message).unwrap().unwrap()).unwrap()),
            None if line == "accepted" => Ok(()),
            None => panic!("{line}"),
        };
        output.text().lines().map(outcome).collect()
    }
}

/// The lines that make a broker of them.
fn settings(
    place: &BrokerPlace,
    ports: &BTreeMap<SecuredListener, u16>,
    files: &Path,
    issuer: &OidcServer,
) -> BrokerSettings {
    let ports: Vec<_> = ports
        .iter()
        .map(|(listener, port)| match listener {
            SecuredListener::Plaintext => (*listener, place.port()),
            _ => (*listener, *port),
        })
        .collect();
    let joined = |item: &dyn Fn(&str, &str, u16) -> String| {
        let items = ports.iter().map(|(listener, port)| {
            let (name, protocol) = listener.name_and_protocol();
            item(name, protocol, *port)
        });
        items.collect::<Vec<_>>().join(",")
    };
    let advertised = joined(&|name, _, port| format!("{name}://localhost:{port}"));
    let bound = joined(&|name, _, port| format!("{name}://127.0.0.1:{port}"));
    let protocols = joined(&|name, protocol, _| format!("{name}:{protocol}"));
    let (bound, protocols) = match place.has_zookeeper() {
        true => (bound, protocols),
        false => (
            format!("{bound},CONTROLLER://127.0.0.1:{}", place.controller_port()),
            format!("{protocols},CONTROLLER:PLAINTEXT"),
        ),
    };
    let mut lines: BrokerSettings = vec![
        ("listeners".into(), bound),
        ("advertised.listeners".into(), advertised),
        ("listener.security.protocol.map".into(), protocols),
    ];
    // What can be asked of signed tokens there was no class for in 2.x.
    let validator = match place.has_zookeeper() {
        true => "internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
        false => "OAuthBearerValidatorCallbackHandler",
    };
    let text = include_str!("secured.properties")
        .replace("@FILES@", &files.display().to_string())
        .replace("@VALIDATOR@", &format!("org.apache.kafka.common.security.oauthbearer.{validator}"))
        .replace("@JWKS@", &issuer.jwks_url())
        .replace("@AUDIENCE@", AUDIENCE)
        .replace("@ISSUER@", ISSUER);
    let given = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    lines
}

/// Everything that `secured_files.sh` makes.
fn make_files(folder: &Path) {
    let script = folder.join("secured_files.sh");
    fs::write(&script, include_str!("secured_files.sh")).unwrap();
    let mut bash = Command::new("bash");
    bash.arg(&script).current_dir(folder);
    run(&mut bash, b"", FILES_LIMIT).unwrap_or_else(|error| panic!("{error}"));
}

/// The system property of Java by which both sides allow where keys and tokens come from.
const ALLOWED_URLS: &str = "org.apache.kafka.sasl.oauthbearer.allowed.urls";
const FILES_LIMIT: Duration = Duration::from_secs(300);
