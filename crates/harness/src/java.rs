//! What Java's own client says: where keys belong, which settings there are.

use std::collections::BTreeMap;

use super::jars::KafkaJars;
use super::kafka_cluster::Kafka;
use super::read_back::{from_hex, to_hex};
use super::schema::MessageKind;

impl KafkaJars {
    /// The partition of each key among `count`, by Java's partitioner.
    pub fn partitions_of<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>, count: i32) -> Vec<i32> {
        self.partition_oracle(keys, &["compute", &count.to_string()])
    }

    fn partition_oracle<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>, arguments: &[&str]) -> Vec<i32> {
        let keys: String = keys.into_iter().map(|key| to_hex(key) + "\n").collect();
        let source = include_str!("PartitionOracle.java");
        let output = self.java_source("PartitionOracle.java", source, arguments, keys.as_bytes());
        output.text().lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Each message as Kafka's own classes write it again after reading it, or why they cannot.
    pub fn read_and_write_again<'a>(
        &self,
        messages: impl IntoIterator<Item = (MessageKind, i16, i16, &'a [u8])>,
    ) -> Vec<Result<Vec<u8>, String>> {
        let line = |(kind, api_key, version, body): (MessageKind, i16, i16, &[u8])| {
            let kind = if kind == MessageKind::Request { "request" } else { "response" };
            format!("{kind} {api_key} {version} {}\n", to_hex(body))
        };
        let input: String = messages.into_iter().map(line).collect();
        let source = include_str!("SchemaOracle.java");
        let output = self.java_source("SchemaOracle.java", source, &[], input.as_bytes());
        let answer = |line: &str| match line.strip_prefix("error ") {
            Some(error) => Err(error.to_owned()),
            None => Ok(from_hex(line).unwrap().unwrap()),
        };
        output.text().lines().map(answer).collect()
    }

    /// All settings of Java's producer, in order of their names.
    pub fn producer_settings(&self) -> Vec<Setting> {
        let output = self.java_source("DumpConfig.java", include_str!("DumpConfig.java"), &[], b"");
        output.text().lines().map(|line| Setting::parse(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }
}

/// Names and values of settings.
pub type JavaProperties = BTreeMap<String, String>;

impl KafkaJars {
    /// What Java's producer makes of each set of properties: the values that all settings have in the end, a list
    /// joined by commas, or why it does not start. Without `start` only the configuration is made, which is faster, and
    /// lacks the rules that `KafkaProducer` adds.
    pub fn producers_of(&self, sets: &[JavaProperties], start: bool) -> Vec<Result<JavaProperties, String>> {
        let pair = |(name, value): (&String, &String)| {
            format!("{}={}", to_hex(name.as_bytes()), to_hex(value.as_bytes()))
        };
        let line = |set: &JavaProperties| set.iter().map(pair).collect::<Vec<_>>().join(" ") + "\n";
        let input: String = sets.iter().map(line).collect();
        let source = include_str!("TryConfig.java");
        let arguments: &[&str] = if start { &["start"] } else { &[] };
        let output = self.java_source("TryConfig.java", source, arguments, input.as_bytes());
        output.text().lines().map(outcome).collect()
    }
}

fn outcome(line: &str) -> Result<JavaProperties, String> {
    let text = |hex: &str| String::from_utf8(from_hex(hex).unwrap().unwrap()).unwrap();
    if let Some(message) = line.strip_prefix("refused ") {
        return Err(text(message));
    }
    let pairs = line.strip_prefix("accepted").unwrap_or_else(|| panic!("{line}"));
    Ok(pairs
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(a, b)| (text(a), text(b)))
        .collect())
}

impl Kafka {
    /// Sends the keys with Java's `KafkaProducer`: the partition that each went to.
    pub fn send_with_java<'a>(&self, topic: &str, keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<i32> {
        self.jars().partition_oracle(keys, &["send", &self.bootstrap_servers(), topic])
    }
}

/// One row of Java's `ProducerConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    /// `STRING`, `INT`, `LIST`, …
    pub kind: String,
    pub default: DefaultValue,
    /// As Java prints the check: `[0,...]`, `[none, gzip, …]`; none where it prints nothing.
    pub valid: Option<String>,
    pub importance: String,
}

/// What a setting is when it is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    Required,
    Null,
    Value(String),
}

impl Setting {
    fn parse(line: &str) -> Option<Setting> {
        let [name, kind, default, valid, importance] = line.split('\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        let default = match default {
            "required" => DefaultValue::Required,
            "null" => DefaultValue::Null,
            value => DefaultValue::Value(value.strip_prefix('=')?.to_owned()),
        };
        let valid = (valid != "-" && !valid.is_empty()).then(|| valid.to_owned());
        Some(Setting {
            name: name.to_owned(),
            kind: kind.to_owned(),
            default,
            valid,
            importance: importance.to_owned(),
        })
    }
}
