//! `docs/configuration.md`, made from the table, and the test that it is up to date.
//!
//! Owns: the page's words. `KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --lib docs_` writes the page anew.

use std::path::Path;

use super::{ProducerConfig, PropertyDescription, PropertyOrigin, PropertySupport};

/// The first setting of each group of the table.
const GROUPS: [(&str, &str); 11] = [
    ("What a producer needs", "bootstrap.servers"),
    ("Delivery", "acks"),
    ("Batches and memory", "batch.size"),
    ("Partitioning", "partitioner.class"),
    ("Metadata", "metadata.max.age.ms"),
    ("Connections", "client.dns.lookup"),
    ("Interceptors, metrics, config providers", "interceptor.classes"),
    ("Transactions", "transactional.id"),
    ("TLS", "security.protocol"),
    ("SASL", "sasl.mechanism"),
    ("OAUTHBEARER", "sasl.oauthbearer.jwt.retriever.class"),
];

/// The groups, with links to their settings.
fn contents() -> String {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    for name in ProducerConfig::reference().map(PropertyDescription::name) {
        if let Some((group, _)) = GROUPS.iter().find(|(_, first)| *first == name) {
            rows.push((group, Vec::new()));
        }
        let (_, links) = rows.last_mut().unwrap();
        links.push(format!("[`{name}`](#{})", name.replace('.', "")));
    }
    assert_eq!(rows.len(), GROUPS.len());
    let rows = rows.iter().map(|(group, links)| format!("| {group} | {} |\n", links.join(", ")));
    String::from("| subject | settings |\n|---|---|\n") + &rows.collect::<String>()
}

fn reference_markdown() -> String {
    let mut page = HEAD.replace("CONTENTS", &contents());
    for (support, title, words) in [
        (PropertySupport::Supported, "Settings that work", "Each of these does what its description says."),
        (
            PropertySupport::Refused,
            "Settings that are not supported yet",
            "Setting one of these to anything but its default is an error that names it; but those that begin with \
             `ssl.` or `sasl.` are a warning where `security.protocol` does not ask for them.",
        ),
        (
            PropertySupport::Ignored,
            "Settings without effect",
            "Some of these mean something only inside a JVM, the others belong to features that this version does not \
             have and whose absence changes nothing that is promised. They are accepted, so that a file from a Java \
             service loads; a warning in the log says so where they are set to something else than what holds.",
        ),
    ] {
        page += &format!("\n## {title}\n\n{words}\n");
        for property in ProducerConfig::reference().filter(|property| property.support() == support) {
            page += &entry(property);
        }
    }
    page
}

fn entry(property: &PropertyDescription) -> String {
    let default = match property.default() {
        _ if property.is_required() => String::from("none, required"),
        None => String::from("not set"),
        Some("") => String::from("empty"),
        Some(text) => format!("`{text}`"),
    };
    let mut facts = format!("Type: {} · default: {default}", property.property_type());
    let accepted = property.accepted();
    if !accepted.is_empty() {
        facts += &format!(" · accepted: {accepted}");
    }
    facts += &format!(" · importance: {}", property.importance());
    facts += match property.origin() {
        PropertyOrigin::Kafka => "",
        PropertyOrigin::Kafka44 => " · in Kafka since 4.4",
        PropertyOrigin::Internal => " · internal in Kafka",
        PropertyOrigin::Ours => " · not in Kafka, only here",
    };
    format!("\n### `{}`\n\n{}\n\n{facts}\n", property.name(), property.doc())
}

#[test]
fn docs_configuration_md_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = reference_markdown();
    if std::env::var_os("KAFKA_PRODUCER_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/configuration.md differs from the table: run KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --lib docs_"
    );
}

const HEAD: &str = "\
# Configuration

All settings of the producer: those of Kafka's own (119 public ones as of Kafka 4.4, and one internal), under their
names and with their defaults, and four of ours. This page is made from the table in `src/config/properties_table.rs`;
the same is available to programs as `ProducerConfig::reference()`.

This page says [how settings are given](#how-settings-are-given), [how values are read](#how-values-are-read),
[where this differs from Java's producer](#where-this-differs-from-javas-producer), which
[rules between settings](#rules-between-settings) there are, and then describes each setting: those
[that work](#settings-that-work), those [that are not supported yet](#settings-that-are-not-supported-yet), and those
[without effect](#settings-without-effect). By subject:

CONTENTS
## How settings are given

- By pairs: `ProducerConfig::from_properties([(\"bootstrap.servers\", \"localhost:9092\"), …])`.
- By a Java properties file: `ProducerConfig::from_file(\"producer.properties\")`, with escapes, continuation lines and
  comments as in Java, but read as UTF-8; a regular file of at most 4 MiB. Of a name given twice the last value counts,
  with a warning that names the lines.
- One by one: `ProducerConfig::new().set(\"linger.ms\", \"20\")`, or typed: `.linger(Duration::from_millis(20))`;
  `.unset(\"linger.ms\")` takes a setting back.
- Out of the file of another program, where they stand under a prefix:
  `ProducerConfig::from_file(\"connect.properties\")?.with_prefix(\"producer.\")` (Kafka Connect), likewise
  `producer.override.`, `NAME.producer.` (MirrorMaker) and `spring.kafka.producer.`.

All end in the same place, and the last one wins. The names are also constants:
`ProducerConfig::BOOTSTRAP_SERVERS_CONFIG`.

## How values are read

- Blanks around a value do not count. Booleans are `true` and `false` in any case. Numbers are decimal.
- An empty value is accepted for a text or a list that may be empty. For other settings (numbers, booleans, classes,
  choices) it counts as not set, with a warning; so a file may leave open what the program or the
  environment sets. `transactional.id` and `security.protocol` must not be empty, and neither must what is required.
- Lists are separated by commas; an empty element is an error, a repeated one counts once, with a warning.
- A password is printed as `[hidden]`, and no error or log line contains it. Nor do they contain the value of a setting
  that is not known, the value of a variable, logins in addresses (`user:password@host:9092`) or queries of URLs.
- A value that has the wrong type or is out of range is an error that names the setting, the value and what is
  accepted. An unknown setting is a warning that names the nearest known one. All that is wrong with a configuration is
  told in one error.
- Times above a hundred years count as a hundred years.
- With `config.providers`, `${NAME:KEY}` and `${NAME:PATH:KEY}` in values are replaced when the producer is created,
  by Java's three stock providers. A variable that its provider does not know stays as it is, with a warning, and so
  does one whose provider is not configured. A file that cannot be read, is not a regular file, or is larger than 4 MiB is
  an error.

  | `config.providers.NAME.class` | variable | option |
  |---|---|---|
  | `org.apache.kafka.common.config.provider.EnvVarConfigProvider` | `${NAME:VARIABLE}` | `config.providers.NAME.param.allowlist.pattern`: a regular expression that the whole name must match |
  | `org.apache.kafka.common.config.provider.FileConfigProvider` | `${NAME:FILE:KEY}`, of a properties file | `config.providers.NAME.param.allowed.paths` |
  | `org.apache.kafka.common.config.provider.DirectoryConfigProvider` | `${NAME:DIRECTORY:FILE}`, the file's content | `config.providers.NAME.param.allowed.paths` |

## Where this differs from Java's producer

- All faults are told in one error; Java tells the first.
- An empty value that cannot be one counts as not set; Java refuses it. An empty `security.protocol` or
  `transactional.id` is refused here, too.
- Values out of variables stand in no error; Java prints them.
- Properties files are UTF-8; half of a surrogate pair (`\\uD83D` alone) is refused, which Java keeps and cannot send.
- Only regular files of at most 4 MiB are read; Java reads what it is given, and waits for a pipe.
- A `client.id` of more than 32767 bytes is refused here; Java fails when it sends.
- `allowed.paths` that is empty allows every path, as in Java, but with a warning.

## Rules between settings

| If | then |
|---|---|
| `delivery.timeout.ms` is below `linger.ms` + `request.timeout.ms` | an error if it was set, else it is raised to the sum |
| `retries` is 0, or `acks` is not `all` | an error if `enable.idempotence=true` was set, else idempotence is off |
| `max.in.flight.requests.per.connection` is above 5 | an error unless `enable.idempotence=false` is set |
| `transactional.id` is set and idempotence is off | an error |
| `transaction.two.phase.commit.enable` is true and `transaction.timeout.ms` is set | an error |
| `partitioner.rack.aware` is true and `client.rack` is empty | an error |
| `security.protocol` has SASL and `sasl.mechanism` is empty | an error |
| `reconnect.backoff.ms` is set and `reconnect.backoff.max.ms` is not | the maximum is the same: a constant wait |
| `retry.backoff.ms` is above `retry.backoff.max.ms` | always the maximum, with a warning; likewise the pair of `socket.connection.setup.timeout` |
";
