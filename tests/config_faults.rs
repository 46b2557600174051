//! Faults of configurations that use has found: texts of any kind in every setting, secrets in variables, files that are
//! none, and several faults at once.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use kafka_producer::{ErrorKind, KafkaProducer, ProducerConfig, StringSerializer};
use support::scratch::Scratch;
use support::{AGES, cluster, config, logged, to_first};

const NEEDED: [(&str, &str); 3] = [
    ("bootstrap.servers", "localhost:9092"),
    ("key.serializer", "StringSerializer"),
    ("value.serializer", "StringSerializer"),
];

/// Everything that the creation of a producer says: its error, or nothing.
fn refusal(config: ProducerConfig) -> Option<String> {
    let error = KafkaProducer::<str, str>::new(config).err()?;
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    Some(format!("{error} {error:?}"))
}

fn with(pairs: &[(&str, &str)]) -> ProducerConfig {
    NEEDED.iter().chain(pairs).fold(ProducerConfig::new(), |config, (name, value)| config.set(*name, *value))
}

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen() {
    logged::listen(log::LevelFilter::Info, |record| SAID.lock().unwrap().push(record.args().to_string()));
}

fn is_one_line(text: &str) -> bool {
    !text.contains(|character: char| character.is_control())
}

/// Fault D1.
#[test]
fn no_text_in_any_setting_panics() {
    let long = "x".repeat(40_000);
    let texts = [
        "",
        "   ",
        "\0",
        "a\0b",
        "a\nb\r\n\u{1b}[31mred\u{1b}[0m",
        "\u{202e}desrever",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999999999",
        "2147483647",
        "1e308",
        "NaN",
        "${",
        "${a:b}",
        ",,,",
        "localhost:1",
        &long,
    ];
    let mut worked = 0;
    for property in ProducerConfig::reference() {
        for text in texts {
            let name = property.name();
            match refusal(with(&[(name, text)])) {
                Some(error) => {
                    assert!(error.contains(name), "{name}: {error}");
                    assert!(is_one_line(&error), "{name}: {error:?}");
                    assert!(error.len() < 6_000, "{name}: {} bytes", error.len());
                }
                None => worked += 1,
            }
            let by_pair = ProducerConfig::from_properties([(name, text)]).map(|config| format!("{config}"));
            assert!(by_pair.map_or_else(|error| is_one_line(&error.to_string()), |_| true), "{name}");
        }
    }
    assert!(worked > 150, "{worked}");
}

/// Fault D1.
#[test]
fn a_client_id_is_taken_if_a_request_has_room_for_it() {
    let cluster = cluster(1);
    for id in ["a\0b", "a\nb", "", " ", &"x".repeat(32_767)] {
        let producer =
            KafkaProducer::<str, str>::new(config(&cluster.bootstrap_servers(), &[("client.id", id)]));
        producer.unwrap().send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    let file = Scratch::new("nul", b"client.id=a\\u0000b\n");
    let from_file = ProducerConfig::from_file(&file.0).unwrap();
    let from_file = NEEDED[1..].iter().fold(from_file, |config, (name, value)| config.set(*name, *value));
    let producer = KafkaProducer::<str, str>::new(from_file.bootstrap_servers(&cluster.bootstrap_servers()));
    producer.unwrap().send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    for id in ["x".repeat(32_768), "\u{1f600}".repeat(10_000)] {
        let error = refusal(with(&[("client.id", &id)])).unwrap();
        assert!(error.contains("client.id") && error.contains(&format!("{} bytes", id.len())), "{error}");
        assert!(error.contains("32767"), "{error}");
    }
}

/// A file with a secret, and the two variables that stand for it.
struct Secret {
    directory: PathBuf,
}

impl Secret {
    fn new(test: &str, value: &str) -> Secret {
        let name = format!("kafka-producer-secret-{test}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("secret"), value).unwrap();
        std::fs::write(directory.join("secrets"), format!("secret={value}\n")).unwrap();
        Secret { directory }
    }

    fn variables(&self) -> [String; 2] {
        let directory = self.directory.to_str().unwrap();
        [format!("${{dir:{directory}:secret}}"), format!("${{file:{directory}/secrets:secret}}")]
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

const PROVIDERS: [(&str, &str); 4] = [
    ("config.providers", "env, file, dir"),
    ("config.providers.env.class", "EnvVarConfigProvider"),
    ("config.providers.file.class", "FileConfigProvider"),
    ("config.providers.dir.class", "DirectoryConfigProvider"),
];

/// What may come out of a variable: text, numbers, lists, addresses, choices, names that would do.
const SECRETS: [&str; 11] = [
    "lion-and-lamb",
    "lion-and-lamb,,lion",
    "me:lion-and-lamb@localhost:9092",
    "lion-and-lamb.invalid:9092",
    "-7654321",
    "7654321",
    "0",
    "1",
    "lz4",
    "true",
    "VoidSerializer",
];

/// Fault D2.
#[test]
fn what_came_out_of_a_variable_never_stands_in_an_error() {
    listen();
    let mut refused = 0;
    for (number, value) in SECRETS.iter().enumerate() {
        let secret = Secret::new(&number.to_string(), value);
        for property in ProducerConfig::reference().filter(|row| row.name() != "config.providers") {
            for variable in secret.variables() {
                let name = property.name();
                // A mistake beside it, so that there is always an error.
                let beside = if name == "acks" { ("retries", "-1") } else { ("acks", "7") };
                let also = [(name, variable.as_str()), ("enable.idempotence", "true"), beside];
                let pairs =
                    [&PROVIDERS[..], &also[..if name == "enable.idempotence" { 1 } else { 3 }]].concat();
                let config = with(&pairs);
                let printed = format!("{config} {config:?}");
                let Some(error) = refusal(config) else { continue };
                if error.contains(name) && error.contains(&variable) {
                    refused += 1;
                }
                if value.len() > 4 {
                    assert!(!error.contains(value), "{name}={value}: {error}");
                    assert!(!error.contains("lion") && !printed.contains("lion"), "{name}={value}: {error}");
                } else {
                    assert!(
                        !error.contains(&format!("Invalid value {value} for configuration {name}:")),
                        "{error}"
                    );
                }
            }
        }
    }
    assert!(refused > 500, "{refused}");
    let said = SAID.lock().unwrap().clone();
    assert!(said.iter().all(|line| !line.contains("lion")), "{said:#?}");
}

/// Fault D2.
#[test]
fn what_came_out_of_the_environment_never_stands_in_an_error() {
    let value = env!("CARGO_MANIFEST_DIR");
    let variable = "${env:CARGO_MANIFEST_DIR}";
    for property in ProducerConfig::reference().filter(|row| row.name() != "config.providers") {
        let error = refusal(with(&[&PROVIDERS[..], &[(property.name(), variable), ("lingr", "")]].concat()));
        let error = error.unwrap_or_default();
        assert!(!error.contains(value), "{}: {error}", property.name());
    }
    // The names of parts, also those of a list's items, and several at once.
    for pairs in [
        vec![("key.serializer", variable)],
        vec![
            ("value.serializer", variable),
            ("partitioner.class", variable),
            ("interceptor.classes", variable),
        ],
        vec![("interceptor.classes", "a,${env:CARGO_MANIFEST_DIR}")],
        vec![("bootstrap.servers", "localhost:9092,${env:CARGO_MANIFEST_DIR}")],
    ] {
        let error = refusal(with(&[&PROVIDERS[..], &pairs].concat())).unwrap();
        assert!(!error.contains(value), "{error}");
        for (name, _) in pairs {
            assert!(error.contains(name) && error.contains(variable), "{name}: {error}");
        }
    }
    let list = [("value.serializer", "ListSerializer"), ("default.list.value.serde.inner", variable)];
    let config = with(&[&PROVIDERS[..], &list].concat());
    let error = KafkaProducer::<str, [i32]>::new(config).unwrap_err().to_string();
    assert!(!error.contains(value) && error.contains(variable), "{error}");
}

/// Fault D2.
#[test]
fn a_login_in_an_address_is_not_shown() {
    for address in [
        "user:tiger@host:9092",
        "a:1,user:tiger@host:9092,b:2",
        "SASL_SSL://user:tiger@host:9092",
        "user:ti,tiger,ger@host:9092",
        "user:tiger@",
        "user:tiger@host@host:9092,,",
    ] {
        let config = with(&[("bootstrap.servers", address)]);
        let text = format!("{config} {config:?} {:?}", config.get("bootstrap.servers"));
        let error = refusal(config).unwrap();
        assert!(!error.contains("tiger") && !text.contains("tiger"), "{error} {text}");
        assert!(error.contains("bootstrap.servers") && error.contains("[hidden]@"), "{error}");
        let early = ProducerConfig::from_properties([("bootstrap.servers", address)]);
        assert!(early.map_or_else(|error| !error.to_string().contains("tiger"), |_| true));
    }
    let url = ("sasl.oauthbearer.token.endpoint.url", "https://me:tiger@host/token");
    let url = with(&[("security.protocol", "SASL_SSL"), url]);
    let text = format!("{url} {url:?} {:?}", refusal(url.clone()));
    assert!(!text.contains("tiger") && text.contains("[hidden]@host/token"), "{text}");
}

/// Fault D2.
#[test]
fn get_shows_no_more_than_debug_does() {
    let config = with(&[("basic.auth.user.info", "me:tiger"), ("sasl.jaas.config", "tiger")]);
    assert_eq!(config.get("basic.auth.user.info").as_deref(), Some("[hidden]"));
    assert_eq!(config.get("sasl.jaas.config").as_deref(), Some("[hidden]"));
    assert_eq!(config.get("no.such.setting"), None);
    // What a provider of somebody's own may need.
    let token = "config.providers.vault.param.token";
    let config = with(&[(token, "tiger"), ("config.providers.vault.param.allowed.paths", "/p")]);
    assert_eq!(config.get(token).as_deref(), Some("[hidden]"));
    let shown = format!("{config:?}");
    assert!(shown.contains("/p") && !shown.contains("tiger"), "{shown}");
}

/// Fault D3.
#[test]
fn allowed_paths_of_blanks_are_refused_and_never_allow_all() {
    for provider in ["file", "dir"] {
        for blanks in [" ", "   ", "\t", " , ", ",", "/,", "\u{a0}", "relative"] {
            let name = format!("config.providers.{provider}.param.allowed.paths");
            let error = refusal(with(&[&PROVIDERS[..], &[(name.as_str(), blanks)]].concat())).unwrap();
            assert!(error.contains(&name) && error.contains("absolute"), "{blanks:?}: {error}");
        }
    }
}

/// Fault D4.
#[cfg(target_os = "linux")]
#[test]
fn what_is_no_regular_file_of_a_sane_size_is_refused_at_once() {
    let directory = std::env::temp_dir().join(format!("kafka-producer-odd-files-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let place = |name: &str| directory.join(name);
    assert!(std::process::Command::new("mkfifo").arg(place("fifo")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", place("zero")).unwrap();
    std::os::unix::fs::symlink("/no/such/file", place("dangling")).unwrap();
    std::os::unix::fs::symlink(place("loop"), place("loop")).unwrap();
    std::fs::create_dir(place("directory")).unwrap();
    std::fs::File::create(place("large")).unwrap().set_len(200 << 20).unwrap();
    std::fs::write(place("latin"), b"secret=\xff").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
    for (name, problem) in [
        ("fifo", "not a regular file"),
        ("zero", "not a regular file"),
        ("socket", "not a regular file"),
        ("directory", "not a regular file"),
        ("dangling", "No such file"),
        ("loop", "symbolic links"),
        ("large", "larger than 4194304 bytes"),
        ("latin", "UTF-8"),
    ] {
        let start = Instant::now();
        let path = place(name);
        let error = ProducerConfig::from_file(&path).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains(problem), "{name}: {error}");
        let entry = format!("${{dir:{}:{name}}}", directory.display());
        let variables = [format!("${{file:{}:secret}}", path.display()), entry];
        // A directory is no entry of another, as in Java's: what names it stays as it is.
        let refused = if name == "directory" { &variables[..1] } else { &variables[..] };
        for variable in &variables[refused.len()..] {
            let left = with(&[&PROVIDERS[..], &[("client.id", variable.as_str())]].concat());
            assert_eq!(refusal(left), None, "{variable}");
        }
        for variable in refused {
            let error =
                refusal(with(&[&PROVIDERS[..], &[("client.id", variable.as_str())]].concat())).unwrap();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(problem), "{variable}: {error}");
            assert!(error.contains("client.id") && error.contains(variable), "{variable}: {error}");
        }
        assert!(start.elapsed() < AGES, "{name}: {:?}", start.elapsed());
    }
    // A link to a file is a file: so Kubernetes mounts its secrets.
    std::fs::write(place("real"), "linked-id").unwrap();
    std::os::unix::fs::symlink(place("real"), place("link")).unwrap();
    let variable = format!("${{dir:{}:link}}", directory.display());
    assert_eq!(refusal(with(&[&PROVIDERS[..], &[("client.id", variable.as_str())]].concat())), None);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Fault D4. What takes no time for a few of its kind takes little for as many as a file has room for.
#[test]
fn no_file_of_a_sane_size_takes_for_ever() {
    let variables: String = PROVIDERS.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let endless = |piece: &str| piece.repeat(1_000_000 / piece.len());
    let list = |setting: &str| {
        let names: Vec<String> = (0..60_000).map(|number| format!("n{number}")).collect();
        format!("{setting}={}\n", names.join(","))
    };
    let names: String = (0..20_000).map(|number| format!("name.{number}=x\n")).collect();
    let text = [
        format!("{variables}client.id={}", endless("${")),
        format!("{variables}client.id={}}}", endless("${")),
        format!("{variables}client.id={}", endless("${x:")),
        list("interceptor.classes"),
        list("bootstrap.servers"),
        list("config.providers"),
        names,
        endless("n"),
        endless("\\\n"),
    ];
    for text in text {
        let start = Instant::now();
        let file = Scratch::new("endless", text.as_bytes());
        let config = ProducerConfig::from_file(&file.0);
        let refused = config.and_then(KafkaProducer::<str, str>::new).unwrap_err().to_string();
        let took = start.elapsed();
        assert!(took < AGES && refused.len() < 200_000, "{took:?}: {}", &text[..100]);
    }
}

/// Fault D5.
#[test]
fn names_and_values_stand_escaped_in_errors_and_in_the_log() {
    listen();
    let odd = "odd\n\u{1b}[31m\r\u{7}\u{202e}name";
    KafkaProducer::<str, str>::new(with(&[(odd, "x"), ("client.id", odd)])).unwrap();
    for pairs in [
        vec![(odd, "x"), ("acks", odd)],
        vec![("acks", "7"), ("client.id", odd)],
        vec![("key.serializer", odd)],
        vec![("partitioner.class", odd)],
        vec![("bootstrap.servers", odd)],
        vec![("interceptor.classes", odd)],
        vec![("config.providers", odd)],
        vec![("config.providers", "env"), ("config.providers.env.class", odd)],
        vec![PROVIDERS[0], PROVIDERS[1], PROVIDERS[2], PROVIDERS[3], ("config.providers.env.param.x\n", odd)],
        vec![PROVIDERS[0], PROVIDERS[1], ("config.providers.env.param.allowlist.pattern", "(\n")],
    ] {
        let error = refusal(with(&pairs)).unwrap();
        assert!(is_one_line(&error), "{error:?}");
    }
    let file = Scratch::new("odd", b"odd\\nname=1\nodd\\nname=2\nacks=\\u001b[31m\n");
    let error = ProducerConfig::from_file(&file.0).unwrap_err().to_string();
    assert!(is_one_line(&error), "{error:?}");
    let cluster = cluster(1);
    let producer = support::producer(&cluster, &[]);
    let sent = producer.send(kafka_producer::ProducerRecord::new(odd, "v"));
    let error = sent.map_or_else(|error| error.to_string(), |future| future.get().unwrap_err().to_string());
    assert!(is_one_line(&error), "{error:?}");
    let said = SAID.lock().unwrap().clone();
    let ours = |line: &&String| !line.starts_with("ProducerConfig values:");
    assert!(said.iter().filter(ours).all(|line| is_one_line(line)), "{said:#?}");
    let values = said.iter().filter(|line| line.starts_with("ProducerConfig values:"));
    for line in values.flat_map(|values| values.split("\n\t")) {
        assert!(is_one_line(line), "{line:?}");
    }
}

/// Fault C12.
#[test]
fn all_faults_of_a_configuration_are_told_at_once() {
    let protocol = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.login.refresh.window.factor", "0.9"),
    ];
    let later = [
        ("sasl.jaas.config", "tiger"),
        ("ssl.truststore.location", "t.jks"),
        ("ssl.keystore.location", "k.jks"),
        ("ssl.endpoint.identification.algorithm", "LDAPS"),
        ("transactional.id", "orders"),
        ("sasl.login.class", "MyLogin"),
    ];
    let wrong = [
        ("acks", "7"),
        ("linger.ms", "soon"),
        ("bootstrap.servers", "localhost,a:b"),
        ("key.serializer", "NoSuchSerializer"),
        ("value.serializer", "IntegerSerializer"),
        ("partitioner.class", "NoSuchPartitioner"),
        ("interceptor.classes", "NoSuchInterceptor,NorThis"),
        ("retries", "0"),
        ("enable.idempotence", "true"),
        ("max.in.flight.requests.per.connection", "6"),
        ("config.providers", "vault"),
    ];
    let error = refusal(with(&[&protocol[..], &later[..], &wrong[..]].concat())).unwrap();
    for (name, _) in later.iter().chain(&wrong) {
        assert!(error.contains(name), "{name}: {error}");
    }
    for part in ["localhost:", "a:b", "NoSuchInterceptor", "NorThis", "config.providers.vault.class"] {
        assert!(error.contains(part.trim_end_matches(':')), "{part}: {error}");
    }
    assert!(!error.contains("tiger"), "{error}");
    assert!(error.contains("24 faults") || error.contains("faults: (1) "), "{error}");

    let early = ProducerConfig::from_properties([("acks", "7"), ("linger.ms", "soon"), ("retries", "-1")]);
    let early = early.unwrap_err().to_string();
    assert!(["acks", "linger.ms", "retries", "3 faults"].iter().all(|part| early.contains(part)), "{early}");
    let missing = refusal(ProducerConfig::new()).unwrap();
    assert!(NEEDED.iter().all(|(name, _)| missing.contains(&format!("\"{name}\""))), "{missing}");
}

/// A serializer that is given as a value makes its own setting superfluous, and not the other one.
#[test]
fn each_serializer_is_given_or_named() {
    let config = || ProducerConfig::new().bootstrap_servers("localhost:9092");
    let builder = KafkaProducer::<str, str>::builder(config().value_serializer("StringSerializer"));
    builder.key_serializer(StringSerializer).build().unwrap();
    let error = KafkaProducer::<str, str>::builder(config()).key_serializer(StringSerializer).build();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("value.serializer") && !error.contains("key.serializer"), "{error}");
}

/// Fault C13.
#[test]
fn a_file_with_an_emoji_as_java_stores_it_loads_also_as_a_variable() {
    let secrets = Scratch::new("emoji-secrets", b"id=\\uD83D\\uDE00 lion\n");
    let file = Scratch::new(
        "emoji",
        format!(
            "#\\uD83D is nothing in a comment\nclient.rack=\\uD83D\\uDE00\nconfig.providers=file\n\
             config.providers.file.class=FileConfigProvider\nclient.id=${{file:{}:id}}\n",
            secrets.0.display()
        )
        .as_bytes(),
    );
    let config = ProducerConfig::from_file(&file.0).unwrap();
    assert_eq!(config.get("client.rack").as_deref(), Some("\u{1f600}"));
    let config = NEEDED.iter().fold(config, |config, (name, value)| config.set(*name, *value));
    KafkaProducer::<str, str>::new(config).unwrap();
    let half = Scratch::new("half", b"acks=1\nclient.id=lion\\uD83D\n");
    let error = ProducerConfig::from_file(&half.0).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("lion"), "{error}");
}
