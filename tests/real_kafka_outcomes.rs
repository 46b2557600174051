//! A set of properties has the outcome that Java's own producer gives it: refused, or accepted with the same values.
//!
//! Ours are read from what the producer prints at start-up, the values that hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Mutex;

use harness::jars::KafkaJars;
use harness::java::JavaProperties;
use kafka_producer::{
    ErrorKind, Headers, KafkaProducer, ProducerConfig, Properties as Settings, PropertyOrigin,
    PropertySupport, PropertyType, Serializer, SerializerError, SerializerRegistry,
};
use support::printed::printed_by;

/// What a producer needs; a set that names one of them replaces it, with `UNSET` by nothing.
const NEEDED: [(&str, &str); 3] =
    [("bootstrap.servers", "localhost:9092"), ("key.serializer", STRING), ("value.serializer", STRING)];
const STRING: &str = "org.apache.kafka.common.serialization.StringSerializer";
const ROUND_ROBIN: &str = "org.apache.kafka.clients.producer.RoundRobinPartitioner";
const UNSET: &str = "<unset>";

const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";

/// Each is tried with Java's producer and with ours. The rules between settings are all here, in both cases: where the
/// user asked for the contradiction, and where it comes from a default.
const SETS: &[&[(&str, &str)]] = &[
    &[],
    // What is required.
    &[("bootstrap.servers", UNSET)],
    &[("key.serializer", UNSET)],
    &[("value.serializer", UNSET)],
    &[("bootstrap.servers", "")],
    &[("bootstrap.servers", "localhost:9092,localhost:9092, localhost:9093")],
    &[("bootstrap.servers", "localhost:9092,")],
    &[("bootstrap.servers", "localhost")],
    &[("bootstrap.servers", "localhost:0x1")],
    &[("bootstrap.servers", "PLAINTEXT://localhost:9092")],
    &[("bootstrap.servers", "[::1]:9092")],
    &[("key.serializer", "no.such.Serializer")],
    &[("value.serializer", "  org.apache.kafka.common.serialization.StringSerializer\t")],
    // Conversion.
    &[("linger.ms", " 20 ")],
    &[("linger.ms", "\t+20")],
    &[("linger.ms", "020")],
    &[("linger.ms", "1e3")],
    &[("linger.ms", "20L")],
    &[("linger.ms", "2 0")],
    &[("retries", "2147483648")],
    &[("retries", "-0")],
    &[("enable.idempotence", " TRUE")],
    &[("enable.idempotence", "False")],
    &[("enable.idempotence", "no")],
    &[("acks", " ALL ")],
    &[("acks", "All")],
    &[("acks", " all ")],
    &[("acks", "-1")],
    &[("acks", "+1")],
    &[("acks", "01")],
    &[("acks", "2")],
    &[("client.id", "  with blanks  ")],
    &[("client.id", "")],
    &[("client.id", "\u{e4}\u{1f600}")],
    &[("client.id", "\u{a0}x\u{2003}")],
    &[("compression.type", "GZIP")],
    &[("compression.gzip.level", "0")],
    &[("metadata.recovery.strategy", "ReBootStrap")],
    &[("security.protocol", "plainText")],
    &[("partitioner.class", ROUND_ROBIN)],
    &[("partitioner.class", "no.such.Partitioner")],
    &[("metric.reporters", "")],
    &[("interceptor.classes", "")],
    &[("no.such.setting", "is not an error")],
    // delivery.timeout.ms < linger.ms + request.timeout.ms: refused if set, raised if not.
    &[("delivery.timeout.ms", "30004")],
    &[("delivery.timeout.ms", "30005")],
    &[("delivery.timeout.ms", "120000"), ("linger.ms", "100000")],
    &[("linger.ms", "100000")],
    &[("request.timeout.ms", "200000")],
    &[("linger.ms", "2147483648"), ("delivery.timeout.ms", "2147483647")],
    &[("linger.ms", "9223372036854775807")],
    &[("linger.ms", "2147483647"), ("request.timeout.ms", "2147483647")],
    &[("delivery.timeout.ms", "0"), ("linger.ms", "0"), ("request.timeout.ms", "0")],
    // Idempotence and retries, acks, requests in flight.
    &[("retries", "0")],
    &[("retries", "0"), ("enable.idempotence", "true")],
    &[("retries", "0"), ("enable.idempotence", "false")],
    &[("acks", "1")],
    &[("acks", "1"), ("enable.idempotence", "true")],
    &[("acks", "0"), ("retries", "0")],
    &[("acks", "-1"), ("enable.idempotence", "true")],
    &[(IN_FLIGHT, "6")],
    &[(IN_FLIGHT, "6"), ("enable.idempotence", "true")],
    &[(IN_FLIGHT, "6"), ("enable.idempotence", "false")],
    &[(IN_FLIGHT, "6"), ("acks", "1")],
    &[(IN_FLIGHT, "6"), ("retries", "0")],
    &[(IN_FLIGHT, "5"), ("enable.idempotence", "true")],
    // Transactions.
    &[("transactional.id", "orders")],
    &[("transactional.id", "")],
    &[("transactional.id", "orders"), ("enable.idempotence", "false")],
    &[("transactional.id", "orders"), ("acks", "1")],
    &[("transactional.id", "orders"), ("retries", "0")],
    &[("transaction.two.phase.commit.enable", "true"), ("transaction.timeout.ms", "60000")],
    &[("transaction.two.phase.commit.enable", "true"), ("transactional.id", "orders")],
    &[("transaction.two.phase.commit.enable", "false"), ("transaction.timeout.ms", "60000")],
    // Login.
    &[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "")],
    &[("security.protocol", "sasl_ssl"), ("sasl.mechanism", " ")],
    &[("security.protocol", "PLAINTEXT"), ("sasl.mechanism", "GSSAPI")],
    // Backoff.
    &[("reconnect.backoff.ms", "500")],
    &[("reconnect.backoff.ms", "2000")],
    &[("reconnect.backoff.ms", "50")],
    &[("reconnect.backoff.ms", "500"), ("reconnect.backoff.max.ms", "700")],
    &[("reconnect.backoff.max.ms", "700")],
    &[("reconnect.backoff.max.ms", "10")],
    &[("retry.backoff.ms", "2000")],
    &[("retry.backoff.ms", "2000"), ("retry.backoff.max.ms", "10")],
    &[("socket.connection.setup.timeout.ms", "40000")],
    &[("socket.connection.setup.timeout.ms", "-1")],
];

/// Tried with each setting: of every type something right, something wrong, and the ends.
const VALUES: &[&str] = &[
    "",
    " ",
    "x",
    "true",
    " False ",
    "1",
    "-1",
    "0",
    "5",
    "+5",
    "1.5",
    "1e2",
    "0x10",
    "1_000",
    "32767",
    "32768",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "NaN",
    "a,b",
    " a , b ",
    "a,,b",
    "a,a",
    ",",
];

/// Settings that only the producer itself checks wholly in Java, not its configuration.
const CHECKED_AT_START: [&str; 6] = [
    "bootstrap.servers",
    "delivery.timeout.ms",
    "linger.ms",
    "request.timeout.ms",
    "interceptor.classes",
    "metric.reporters",
];

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn sets_of_properties_have_the_outcome_that_java_s_producer_gives_them() {
    let mut sets: Vec<Vec<(&str, &str)>> = SETS.iter().map(|pairs| pairs.to_vec()).collect();
    sets.extend(
        CHECKED_AT_START.into_iter().flat_map(|name| VALUES.iter().map(move |value| vec![(name, *value)])),
    );
    compare(&sets, true);
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn each_setting_takes_and_refuses_the_values_that_java_s_does() {
    let kafka = ProducerConfig::reference().filter(|p| p.origin() == PropertyOrigin::Kafka).map(|p| p.name());
    let names = kafka.filter(|name| !CHECKED_AT_START.contains(name));
    let sets: Vec<_> = names.flat_map(|name| VALUES.iter().map(move |value| vec![(name, *value)])).collect();
    compare(&sets, false);
}

/// Environment, file and directory, as Java's stock providers read them. `@` is a directory of the test.
const VARIABLES: &[&str] = &[
    "plain",
    "${env:CARGO_PKG_NAME}",
    "a-${env:CARGO_PKG_NAME}-${env:CARGO_PKG_NAME}-z",
    "${env::CARGO_PKG_NAME}",
    "${env:a path:CARGO_PKG_NAME}",
    "${env:NO_SUCH_VARIABLE}",
    "${env:CARGO_PKG_VERSION}",
    "${env:",
    "${env:}",
    "${}",
    "$${env:CARGO_PKG_NAME}}",
    "${other:CARGO_PKG_NAME}",
    "${file:@/open/secrets:password}",
    "${file:@/open/secrets:other}",
    "${file:@/open/secrets:with space}",
    "${file:@/closed/secrets:password}",
    "${file:@/open/../closed/secrets:password}",
    "${file:@/open/nothing:password}",
    "${file:@/open/secrets}",
    "${file::password}",
    "${dir:@/open:secrets}",
    "${dir:@/open:nothing}",
    "${dir:@/open/.:secrets}",
    "${dir:@/open:../closed/secrets}",
    "${dir:@/closed:secrets}",
    "${dir:@/open:inner}",
    "${dir:secrets}",
];

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn variables_are_replaced_as_java_s_stock_providers_replace_them() {
    let directory = std::env::temp_dir().join(format!("kafka-producer-variables-{}", std::process::id()));
    for place in ["open/inner", "closed"] {
        std::fs::create_dir_all(directory.join(place)).unwrap();
    }
    for file in ["open/secrets", "closed/secrets"] {
        std::fs::write(directory.join(file), "password = tiger\nwith\\ space=lion\n").unwrap();
    }
    let directory_text = directory.to_str().unwrap();
    let open = format!("{directory_text}/open");
    let package = "org.apache.kafka.common.config.provider.";
    let providers = [
        ("config.providers", "env,file,dir"),
        ("config.providers.env.class", &format!("{package}EnvVarConfigProvider")),
        ("config.providers.env.param.allowlist.pattern", "CARGO_PKG_N.*|PATH"),
        ("config.providers.file.class", &format!("{package}FileConfigProvider")),
        ("config.providers.file.param.allowed.paths", &open),
        ("config.providers.dir.class", &format!("{package}DirectoryConfigProvider")),
        ("config.providers.dir.param.allowed.paths", &open),
    ];
    let texts: Vec<String> = VARIABLES.iter().map(|text| text.replace('@', directory_text)).collect();
    let set = |text: &String| with_needed(&[&providers[..], &[("client.id", text.as_str())]].concat());
    let sets: Vec<JavaProperties> = texts.iter().map(set).collect();
    let java = KafkaJars::fetch("4.3.1").producers_of(&sets, false);
    let mut differences = Vec::new();
    for ((text, set), java) in texts.iter().zip(&sets).zip(java) {
        let java = java.map(|values| values["client.id"].clone());
        let ours = replaced_client_id(set);
        if ours.as_ref().ok() != java.as_ref().ok() {
            differences.push(format!("{text}: ours {ours:?}, Java's {java:?}"));
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// The name of the client as a serializer sees it that reads the settings: with its variables replaced.
fn replaced_client_id(set: &JavaProperties) -> Result<String, String> {
    static SEEN: Mutex<Option<String>> = Mutex::new(None);
    struct Reader;
    impl Serializer<str> for Reader {
        fn configure(&mut self, properties: &Settings<'_>, _: bool) -> Result<(), SerializerError> {
            *SEEN.lock().unwrap() = properties.get("client.id").map(String::from);
            Ok(())
        }
        fn serialize<'a>(
            &'a self,
            _: &str,
            _: &mut Headers,
            data: &'a str,
            _: &'a mut Vec<u8>,
        ) -> Result<Option<&'a [u8]>, SerializerError> {
            Ok(Some(data.as_bytes()))
        }
    }
    let mut serializers = SerializerRegistry::new();
    serializers.register("reader", || Box::new(Reader) as Box<dyn Serializer<str>>);
    let config = ProducerConfig::from_properties(set).map_err(|error| error.to_string())?;
    let config = config.set("value.serializer", "reader");
    let producer = KafkaProducer::<str, str>::builder(config).serializers(serializers).build();
    producer.map_err(|error| error.to_string())?.close().unwrap();
    // A serializer sees the text as it is; Java's value has been trimmed.
    Ok(SEEN.lock().unwrap().take().unwrap().trim().to_owned())
}

fn with_needed(pairs: &[(&str, &str)]) -> JavaProperties {
    let mut set: JavaProperties = NEEDED.iter().map(|(a, b)| (String::from(*a), String::from(*b))).collect();
    for (name, value) in pairs {
        match *value {
            UNSET => set.remove(*name),
            value => set.insert(String::from(*name), String::from(value)),
        };
    }
    set
}

/// The first setting of each set is the one that is tried: an error has to name it.
fn compare(tried: &[Vec<(&'static str, &str)>], start: bool) {
    let sets: Vec<JavaProperties> = tried.iter().map(|pairs| with_needed(pairs)).collect();
    let java = KafkaJars::fetch("4.3.1").producers_of(&sets, start);
    assert_eq!(java.len(), sets.len());
    let mut differences = Vec::new();
    let mut compared = 0;
    for ((tried, set), java) in tried.iter().zip(&sets).zip(java) {
        let (name, value) = tried.first().copied().unwrap_or_default();
        let Some(ours) = ours(set) else { continue };
        compared += 1;
        if let Some(difference) = difference(name, value, &ours, &java) {
            differences.push(format!("{tried:?}: {difference}"));
        }
    }
    assert!(differences.is_empty(), "{} of {compared}\n{}", differences.len(), differences.join("\n"));
    assert!(compared * 2 > sets.len(), "only {compared} of {} could be compared", sets.len());
}

fn difference(
    name: &str,
    value: &str,
    ours: &Result<JavaProperties, String>,
    java: &Result<JavaProperties, String>,
) -> Option<String> {
    match (ours, java) {
        (Err(ours), Err(_)) => (!ours.contains(name)).then(|| format!("{ours} does not name {name}")),
        (Ok(_), Err(java)) => {
            let known = ProducerConfig::reference().find(|property| property.name() == name);
            // What only a JVM can find wrong, and the classes of TLS and SASL, which do not matter without either.
            let jvm = known.is_some_and(|property| {
                property.support() == PropertySupport::Ignored
                    || (property.property_type() == PropertyType::Class
                        && (name.starts_with("sasl.") || name.starts_with("ssl.")))
            });
            // An empty value counts as not set.
            let meant = jvm || value.trim().is_empty();
            (!meant).then(|| format!("ours accepts, Java's: {java}"))
        }
        (Err(_), Ok(_)) if meant_to_be_refused(name, value) => None,
        (Err(ours), Ok(_)) => Some(format!("Java's accepts, ours: {ours}")),
        (Ok(ours), Ok(java)) => java.iter().find_map(|(name, java)| {
            let ours = ours.get(name).map_or("(missing)", String::as_str);
            (!same(name, ours, java)).then(|| format!("{name} is {ours:?}, Java's {java:?}"))
        }),
    }
}

/// Where ours is stricter on purpose, with the reason.
fn meant_to_be_refused(name: &str, value: &str) -> bool {
    let negative = value.trim().starts_with('-');
    // A connection that may take less than no time is a mistake; Java does not look.
    let setup = name.starts_with("socket.connection.setup.timeout") && negative;
    // Java ignores a provider without a class, and the variables that name it then stay as they are.
    let provider = name == "config.providers";
    // Java compares with the ends of the range, which says nothing about what is not a number.
    setup || provider || value == "NaN"
}

fn same(name: &str, ours: &str, java: &str) -> bool {
    let is = |kind| ProducerConfig::reference().any(|row| row.name() == name && row.property_type() == kind);
    match name {
        _ if ours == java => true,
        "acks" => (ours, java) == ("all", "-1"),
        // Ours cuts times to a century.
        _ if name.ends_with(".ms") && ours == "3153600000000" => java == "9223372036854775807",
        // Each producer of a process has a number of its own.
        "client.id" => ours.starts_with("producer-") && java.starts_with("producer-"),
        // The same number in digits and in Java's scientific notation.
        _ if is(PropertyType::Double) => ours.parse::<f64>().ok() == java.parse::<f64>().ok(),
        _ if is(PropertyType::List) => {
            let ours = ours.strip_prefix('[').and_then(|ours| ours.strip_suffix(']'));
            ours.map(|ours| ours.replace(", ", ",")).as_deref() == Some(java)
        }
        _ => false,
    }
}

/// Ours: refused, or the values that were printed; none where a setting is not built yet.
fn ours(set: &JavaProperties) -> Option<Result<JavaProperties, String>> {
    match ProducerConfig::from_properties(set).and_then(printed_by) {
        Ok(printed) => Some(Ok(printed)),
        Err(error) if error.to_string().contains("not supported by this version") => None,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            Some(Err(error.to_string()))
        }
    }
}
