//! Configuration as a user sees it: properties files, good and bad, and what the errors say.

use std::path::Path;

use crate::support::scratch::Scratch;
use kafka_producer::{ErrorKind, ProducerConfig, PropertyOrigin};

fn error_of(file: &Scratch) -> String {
    let error = ProducerConfig::from_file(&file.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(file.0.to_str().unwrap()), "{text}");
    text
}

#[test]
fn a_java_service_s_file_loads() {
    let file = Scratch::new(
        "good",
        "# C:\\users, the order service\r\n\
         bootstrap.servers=broker-1:9092,\\\r\n    broker-2:9092\r\n\
         ! another comment\n\
         key.serializer : org.apache.kafka.common.serialization.StringSerializer\n\
         linger.ms 20\n\
         client.id=caf\\u00e9 \u{65e5}\u{672c}\n\
         batch.size=1\nbatch.size=32768\n\
         sasl.jaas.config=module required password=\"tiger\";\n"
            .as_bytes(),
    );
    let config = ProducerConfig::from_file(&file.0).unwrap();
    for (name, value) in [
        ("bootstrap.servers", "broker-1:9092,broker-2:9092"),
        ("key.serializer", "org.apache.kafka.common.serialization.StringSerializer"),
        ("linger.ms", "20"),
        ("client.id", "caf\u{e9} \u{65e5}\u{672c}"),
        ("batch.size", "32768"),
        ("sasl.jaas.config", "[hidden]"),
        ("acks", "all"),
    ] {
        assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
    }
    assert!(!format!("{config:?}{config}").contains("tiger"));
    assert_eq!(config.get("no.such.setting"), None);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = Path::new("no/such/producer.properties");
    let error = ProducerConfig::from_file(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no/such/producer.properties"), "{error}");
    assert!(error.get_ref().is_some_and(|cause| cause.is::<std::io::Error>()));
    assert!(ProducerConfig::from_file(std::env::temp_dir()).is_err());
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_the_position() {
    for (name, content, at) in
        [("latin1", &b"client.id=caf\xe9\n"[..], "byte 13"), ("cut", b"a=b\nc=\xe6\x97", "byte 6")]
    {
        let error = error_of(&Scratch::new(name, content));
        assert!(error.contains("not UTF-8") && error.contains(at), "{error}");
    }
}

#[test]
fn a_bad_value_or_escape_in_a_file_is_named() {
    let error = error_of(&Scratch::new("value", b"acks=1\nlinger.ms=soon\n"));
    assert!(error.contains("Invalid value soon for configuration linger.ms: "), "{error}");
    let error = error_of(&Scratch::new("escape", b"acks=1\nclient.id=\\u12"));
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn pairs_come_in_many_shapes_and_the_last_counts() {
    let owned = std::collections::HashMap::from([(String::from("acks"), String::from("1"))]);
    assert_eq!(ProducerConfig::from_properties(&owned).unwrap().get("acks").as_deref(), Some("1"));
    assert_eq!(ProducerConfig::from_properties(owned).unwrap().get("acks").as_deref(), Some("1"));
    let twice = ProducerConfig::from_properties([("acks", "1"), ("acks", "0")]).unwrap();
    assert_eq!(twice.set("acks", "all").get("acks").as_deref(), Some("all"));
}

#[test]
fn the_reference_lists_all_settings_of_kafka() {
    let kafka = |p: &&kafka_producer::PropertyDescription| {
        matches!(p.origin(), PropertyOrigin::Kafka | PropertyOrigin::Kafka44)
    };
    assert_eq!(ProducerConfig::reference().filter(kafka).count(), 119);
    let required: Vec<_> =
        ProducerConfig::reference().filter(|p| p.is_required()).map(|p| p.name()).collect();
    assert_eq!(required, ["bootstrap.servers", "key.serializer", "value.serializer"]);
}
