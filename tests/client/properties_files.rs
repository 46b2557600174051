//! Java `producer.properties` files which together set everything of the producer itself to something else than its
//! default: they load, and every value arrives. (In one file they would contradict each other.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::printed::printed_by;
use kafka_producer::{
    KafkaProducer, ProducerConfig, PropertyDescription, PropertyOrigin, PropertySupport, PropertyType,
};

/// Encryption, login, transactions and metrics are not there yet: their settings are refused by name.
const LATER: [&str; 6] = ["ssl.", "sasl.", "security.", "transaction", "metrics.", "enable.metrics."];

/// Names that a program has to give a meaning to first.
const REGISTERED: [&str; 1] = ["interceptor.classes"];

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/properties");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    files
}

/// What a file sets, read as far as these files need it: one pair a line, `\` continues it.
fn pairs(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap().replace("\\\n", "");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let pair = |line: &str| {
        let (name, value) = line.split_once(['=', ':', ' ']).unwrap();
        let value =
            value.trim_start_matches(['=', ' ']).replace("\\u00e4\\u00f6\\u00fc", "\u{e4}\u{f6}\u{fc}");
        (name.to_owned(), value.split(',').map(str::trim).collect::<Vec<_>>().join(","))
    };
    lines.map(pair).collect()
}

fn property(name: &str) -> Option<&'static PropertyDescription> {
    ProducerConfig::reference().find(|property| property.name() == name)
}

fn is_later(name: &str) -> bool {
    LATER.iter().any(|prefix| name.starts_with(prefix))
}

/// Levels of lz4 need the C library.
const LZ4_LEVEL: &str = "compression.lz4.level";

fn is_built(name: &str) -> bool {
    let is_there = name != LZ4_LEVEL || cfg!(feature = "lz4-c");
    is_there && property(name).is_none_or(|property| property.support() != PropertySupport::Refused)
}

#[test]
fn together_they_set_every_setting_of_the_producer_itself_to_something_else() {
    let mut changed = BTreeSet::new();
    for file in files() {
        for (name, value) in pairs(&file) {
            let Some(property) = property(&name) else { continue };
            assert!(!is_later(&name), "{name} in {}", file.display());
            if property.default() != Some(value.as_str()) {
                changed.insert(name);
            }
        }
    }
    let of_kafka = |property: &&PropertyDescription| {
        let jvm = property.name() == "metric.reporters";
        property.origin() != PropertyOrigin::Ours && !is_later(property.name()) && !jvm
    };
    let all: BTreeSet<String> =
        ProducerConfig::reference().filter(of_kafka).map(|property| property.name().to_owned()).collect();
    assert_eq!(changed, all);
    assert_eq!(all.len(), 44);
}

#[test]
fn each_loads_and_every_value_arrives() {
    for file in files() {
        let config = ProducerConfig::from_file(&file).unwrap();
        for (name, value) in pairs(&file) {
            let given = config.get(&name).unwrap();
            let given = given.split(',').map(str::trim).collect::<Vec<_>>().join(",");
            assert_eq!(given, value, "{name} in {}", file.display());
        }
    }
}

/// What is not built yet is left out, and has to be refused.
#[test]
fn a_producer_is_created_with_each_and_prints_the_values_that_hold() {
    for file in files() {
        let pairs = pairs(&file);
        let left_out = |name: &str| !is_built(name) || REGISTERED.contains(&name);
        for (name, value) in pairs.iter().filter(|(name, _)| !is_built(name)) {
            assert_refused(name, value);
        }
        let config = match pairs.keys().any(|name| left_out(name)) {
            true => {
                ProducerConfig::from_properties(pairs.iter().filter(|(name, _)| !left_out(name))).unwrap()
            }
            false => ProducerConfig::from_file(&file).unwrap(),
        };
        let printed = printed_by(config).unwrap();
        for (name, value) in pairs.iter().filter(|(name, _)| !left_out(name) && property(name).is_some()) {
            let expected = match property(name).unwrap().property_type() {
                PropertyType::List => format!("[{}]", value.replace(',', ", ")),
                PropertyType::Boolean => value.to_lowercase(),
                _ => value.clone(),
            };
            assert_eq!(printed[name], expected, "{name} in {}", file.display());
        }
    }
}

#[test]
fn what_comes_later_is_refused_by_name_or_means_something_only_inside_a_jvm() {
    let mut refused = 0;
    for property in ProducerConfig::reference().filter(|property| is_later(property.name())) {
        let name = property.name();
        match property.support() {
            PropertySupport::Refused => {
                assert_refused(name, &other_than_default(property));
                refused += 1;
            }
            PropertySupport::Ignored => {
                printed_by(with_needed().set(name, other_than_default(property))).unwrap();
            }
            _ => {} // there by now
        }
    }
    assert!(refused > 0);
}

fn other_than_default(property: &PropertyDescription) -> String {
    let candidates = ["true", "false", "0.2", "0.6", "61", "SSL", "DEBUG", "ES256", "x.Y"];
    let fits = |value: &&&str| {
        let valid = ProducerConfig::from_properties([(property.name(), **value)]).is_ok();
        valid && property.default() != Some(**value)
    };
    candidates.iter().find(fits).map(|value| (*value).to_owned()).unwrap()
}

fn with_needed() -> ProducerConfig {
    let string = "org.apache.kafka.common.serialization.StringSerializer";
    ProducerConfig::new().bootstrap_servers("localhost:9092").key_serializer(string).value_serializer(string)
}

fn assert_refused(name: &str, value: &str) {
    let config = if name == LZ4_LEVEL { with_needed().set("compression.type", "lz4") } else { with_needed() };
    // Where settings of TLS and SASL matter.
    let config = if is_later(name) { config.set("security.protocol", "SASL_SSL") } else { config };
    let error = KafkaProducer::<str, str>::new(config.set(name, value)).unwrap_err().to_string();
    assert!(error.contains(name), "{name}: {error}");
}
