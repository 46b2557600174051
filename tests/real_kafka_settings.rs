//! Our settings are those of Java's own producer: names, types, defaults, ranges, importance.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use harness::jars::KafkaJars;
use harness::java::{DefaultValue, Setting};
use kafka_producer::{ProducerConfig, PropertyDescription, PropertyOrigin};

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn settings_are_those_of_kafka_4_3_1() {
    let java: BTreeMap<String, Setting> = KafkaJars::fetch("4.3.1")
        .producer_settings()
        .into_iter()
        .map(|setting| (setting.name.clone(), setting))
        .collect();
    assert_eq!(java.len(), 113);
    let ours: BTreeMap<&str, &PropertyDescription> = ProducerConfig::reference()
        .filter(|property| property.origin() == PropertyOrigin::Kafka)
        .map(|property| (property.name(), property))
        .collect();
    let missing: Vec<_> = java.keys().filter(|name| !ours.contains_key(name.as_str())).collect();
    assert!(missing.is_empty(), "Java has them: {missing:?}");
    let invented: Vec<_> = ours.keys().filter(|name| !java.contains_key(**name)).collect();
    assert!(invented.is_empty(), "Java does not have them: {invented:?}");

    let differences: Vec<String> =
        ours.iter().flat_map(|(name, ours)| differences(ours, &java[*name])).collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// One line for each thing that is not the same.
fn differences(ours: &PropertyDescription, java: &Setting) -> Vec<String> {
    let default = match &java.default {
        DefaultValue::Value(value) => Some(value.as_str()),
        DefaultValue::Required | DefaultValue::Null => None,
    };
    let required = java.default == DefaultValue::Required;
    let pairs = [
        ("type", ours.property_type().to_string(), java.kind.to_lowercase()),
        ("default", format!("{:?}", ours.default()), format!("{default:?}")),
        ("required", ours.is_required().to_string(), required.to_string()),
        ("importance", ours.importance().to_string(), java.importance.to_lowercase()),
        // Where Java's check prints nothing, there is nothing to compare.
        (
            "accepted",
            sorted(&ours.accepted()),
            java.valid
                .as_deref()
                .map_or_else(|| sorted(&ours.accepted()), |valid| sorted(&in_our_words(valid))),
        ),
    ];
    let differ = pairs.into_iter().filter(|(_, ours, java)| ours != java);
    differ.map(|(what, here, java)| format!("{}: {what} {here}, Java's {java}", ours.name())).collect()
}

/// Java's `[0,...]`, `[1,...,9] or -1`, `[none, gzip]`, `(case insensitive) [A, B]`, `non-empty string`.
fn in_our_words(java: &str) -> String {
    if java == "non-empty string" {
        return "non-empty".to_owned();
    }
    if let Some(names) = java.strip_prefix("(case insensitive) [") {
        return format!("one of (case insensitive): {}", names.trim_end_matches(']'));
    }
    let (range, also) = java.split_once(" or ").unwrap_or((java, ""));
    let range =
        range.strip_prefix('[').and_then(|range| range.strip_suffix(']')).unwrap_or_else(|| panic!("{java}"));
    let also = if also.is_empty() { String::new() } else { format!(", or {also}") };
    match range.split_once(",...") {
        Some((low, "")) => format!("at least {low}{also}"),
        Some((low, high)) => format!("between {low} and {}{also}", high.trim_start_matches(',')),
        None => format!("one of: {range}"),
    }
}

/// The choices behind the colon in an order that depends on nothing, and in lower case where case does not matter.
fn sorted(accepted: &str) -> String {
    let Some((words, choices)) = accepted.split_once(": ") else { return accepted.to_owned() };
    let choices = if words.contains("insensitive") { choices.to_lowercase() } else { choices.to_owned() };
    let mut choices: Vec<&str> = choices.split(", ").collect();
    choices.sort_unstable();
    format!("{words}: {}", choices.join(", "))
}
