//! Settings that cannot be: each one with each sort of wrong value that its type allows, by every way of setting it, and
//! files that cannot be read. The error names the setting, the value and what would be accepted; no secret is in it.

#![cfg(test)]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, PropertyDescription, PropertyType};
use support::logged;
use support::scratch::Scratch;

/// What is wrong for a setting: of the wrong type, out of its range, not one of the choices.
fn wrong_values(property: &PropertyDescription) -> Vec<String> {
    let mut wrong: Vec<String> = match property.property_type() {
        PropertyType::Boolean => texts(&["yes", "1", "truth"]),
        PropertyType::Short => texts(&["ten", "1.5", "1L", "0x1", "32768", "-32769"]),
        PropertyType::Int => texts(&["ten", "1.5", "1L", "0x1", "2147483648", "-2147483649"]),
        PropertyType::Long => texts(&["ten", "1.5", "1L", "9223372036854775808", "-9223372036854775809"]),
        PropertyType::Double => texts(&["ten", "0,5"]),
        PropertyType::List => texts(&[",", "a:1,", ",a:1", "a:1,,b:1"]),
        _ => vec![],
    };
    let accepted = property.accepted();
    if accepted.starts_with("one of") {
        wrong.extend(texts(&["no such choice", &accepted]));
    } else if accepted != "non-empty" && !accepted.is_empty() {
        // "at least 0", "between 1 and 9, or -1"
        let low: f64 = accepted.split(' ').find_map(|word| word.parse().ok()).unwrap();
        wrong.push((low - 3.0).to_string());
        if let Some((_, high)) = accepted.split_once(" and ") {
            let high: f64 = high.split(',').next().unwrap().parse().unwrap();
            wrong.push((high + 1.0).to_string());
        }
    }
    wrong
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn refusal<T>(outcome: Result<T, Error>) -> String {
    let error = outcome.err().expect("a wrong value is refused");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!error.is_retriable() && !error.possibly_written());
    error.to_string()
}

#[test]
fn every_setting_with_a_wrong_value_is_refused_with_name_value_and_what_would_do() {
    let mut tried = 0;
    for property in ProducerConfig::reference() {
        let name = property.name();
        let wrong = wrong_values(property);
        let any_text = matches!(
            property.property_type(),
            PropertyType::String | PropertyType::Password | PropertyType::Class
        );
        let any = ["", "non-empty"].contains(&property.accepted().as_str());
        assert_eq!(wrong.is_empty(), any_text && any, "{name}");
        for value in wrong {
            tried += 1;
            let by_pair = refusal(ProducerConfig::from_properties([(name, value.as_str())]));
            let start = format!("Invalid value {} for configuration {name}: ", value.replace('\t', "\\t"));
            assert!(by_pair.starts_with(&start), "{by_pair}");
            assert!(by_pair.len() > start.len() + 10 && by_pair.contains(&property.accepted()), "{by_pair}");

            let set = support::config("localhost:9092", &[]).set(name, value.as_str());
            assert_eq!(refusal(KafkaProducer::<str, str>::new(set)), by_pair);
        }
    }
    assert!(tried > 280, "{tried}");
}

#[test]
fn a_file_with_a_wrong_value_is_named_besides() {
    for (number, property) in ProducerConfig::reference().enumerate() {
        let Some(value) = wrong_values(property).pop() else { continue };
        let content = format!("# a file\n{}={value}\n", property.name());
        let file = Scratch::new(&format!("wrong-{number}"), content.as_bytes());
        let error = refusal(ProducerConfig::from_file(&file.0));
        let value = value.trim_start();
        let named = format!("Invalid value {value} for configuration {}: ", property.name());
        assert!(error.contains(&named) && error.contains(file.0.to_str().unwrap()), "{error}");
    }
}

#[test]
fn what_a_typed_setter_was_given_is_checked_when_the_producer_is_created() {
    let needed = || support::config("localhost:9092", &[]);
    for (config, name, value) in [
        (needed().delivery_timeout(Duration::MAX), "delivery.timeout.ms", "9223372036854775807"),
        (needed().delivery_timeout(Duration::ZERO), "delivery.timeout.ms", "0"),
        (needed().request_timeout(Duration::from_secs(1 << 40)), "request.timeout.ms", "1099511627776000"),
        (needed().metadata_max_idle(Duration::from_millis(4999)), "metadata.max.idle.ms", "4999"),
        (needed().retries(u32::MAX), "retries", "4294967295"),
        (needed().batch_size(usize::MAX), "batch.size", "18446744073709551615"),
        (needed().buffer_memory(usize::MAX), "buffer.memory", "18446744073709551615"),
        (needed().max_request_size(1 << 31), "max.request.size", "2147483648"),
        (needed().max_in_flight_requests_per_connection(0), "max.in.flight.requests.per.connection", "0"),
        (needed().max_in_flight_requests_per_connection(6), "max.in.flight.requests.per.connection", "6"),
        (needed().bootstrap_servers(""), "bootstrap.servers", ""),
        (needed().key_serializer("NoSuchSerializer"), "key.serializer", "NoSuchSerializer"),
    ] {
        let error = refusal(KafkaProducer::<str, str>::new(config));
        assert!(error.contains(name) && error.contains(value), "{name}, {value}: {error}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let directory = std::env::temp_dir();
    let missing = directory.join("no-such-directory").join("producer.properties");
    for (path, problem) in [(directory, "directory"), (missing, "No such file")] {
        let error = refusal(ProducerConfig::from_file(&path));
        assert!(error.contains(path.to_str().unwrap()) && error.contains(problem), "{error}");
    }
    for (name, content, problem) in [
        ("latin-1", &b"acks=1\nclient.id=caf\xe9\n"[..], "not UTF-8: byte 20"),
        ("in-a-comment", &b"# caf\xe9\nacks=1\n"[..], "not UTF-8: byte 5"),
        ("utf-16", &b"\xff\xfea\0c\0k\0s\0"[..], "not UTF-8: byte 0"),
        ("cut-off", &b"client.id=\xe6\x97"[..], "not UTF-8: byte 10"),
        ("short-escape", &b"acks=1\n\nclient.id=\\u12\n"[..], "line 3"),
        ("no-escape", &b"client.id=\\uwxyz\n"[..], "line 1"),
        ("in-a-name", &b"a=1\ncli\\u00gent.id=x\n"[..], "line 2"),
    ] {
        let file = Scratch::new(name, content);
        let error = refusal(ProducerConfig::from_file(&file.0));
        assert!(error.contains(file.0.to_str().unwrap()) && error.contains(problem), "{name}: {error}");
    }
    // Nothing is wrong with an empty one, except that everything is missing.
    let empty = Scratch::new("empty", b"");
    let error = refusal(KafkaProducer::<str, str>::new(ProducerConfig::from_file(&empty.0).unwrap()));
    for name in ["bootstrap.servers", "key.serializer", "value.serializer"] {
        let missing = format!("Missing required configuration \"{name}\" which has no default value.");
        assert!(error.contains(&missing), "{error}");
    }
}

#[test]
fn what_is_said_twice_counts_once_and_is_warned_of() {
    listen();
    let pairs = [("client.id", "first"), ("acks", "1"), ("client.id", "second"), ("acks", "1")];
    let config = ProducerConfig::from_properties(pairs).unwrap();
    assert_eq!(config.get("client.id").as_deref(), Some("second"));
    assert_said(&["client.id is set more than once; the last value counts"]);
    assert_said(&["acks is set more than once"]);

    let file = Scratch::new(
        "twice",
        b"linger.ms=1\n# and\nbatch.size=\\\n  1\nlinger.ms=2\nbatch.size=2\nlinger.ms=3\n",
    );
    let config = ProducerConfig::from_file(&file.0).unwrap();
    assert_eq!(
        (config.get("linger.ms").as_deref(), config.get("batch.size").as_deref()),
        (Some("3"), Some("2"))
    );
    let path = file.0.to_str().unwrap();
    assert_said(&[path, "linger.ms is set on line 1 and again on line 5"]);
    assert_said(&[path, "linger.ms is set on line 5 and again on line 7"]);
    assert_said(&[path, "batch.size is set on line 3 and again on line 6"]);

    // An element of a list. A provider without a class is an error before it is read twice.
    let lists = ProducerConfig::reference().filter(|property| property.property_type() == PropertyType::List);
    for property in lists.filter(|property| property.name() != ProducerConfig::CONFIG_PROVIDERS_CONFIG) {
        let config = support::config("localhost:9092", &[])
            .set(property.name(), "localhost:1, localhost:2,localhost:1");
        let _ = KafkaProducer::<str, str>::new(config);
        assert_said(&[property.name(), "has repeated values; each counts once"]);
    }
}

#[test]
fn an_unknown_setting_is_warned_of_with_the_nearest_known_one_and_no_value() {
    listen();
    for (unknown, nearest) in [
        ("lingerms", "linger.ms"),
        ("compression.codec", "compression.type"),
        ("Batch.Size", "batch.size"),
        ("max.inflight.requests.per.connection", "max.in.flight.requests.per.connection"),
    ] {
        let config = support::config("localhost:9092", &[(unknown, "tiger")]);
        KafkaProducer::<str, str>::new(config).unwrap();
        assert_said(&[&format!("{unknown} is not a known setting, did you mean {nearest}?")]);
    }
    assert!(said().iter().all(|line| !line.contains("tiger")));
}

#[test]
fn no_secret_is_in_an_error_or_in_the_log() {
    listen();
    for property in ProducerConfig::reference().filter(|p| p.property_type() == PropertyType::Password) {
        let config = support::config("localhost:9092", &[(property.name(), "lion-and-lamb")]);
        let text = format!("{config} {config:?} {:?}", KafkaProducer::<str, str>::new(config.clone()));
        assert!(!text.contains("lion-and-lamb") && text.contains("[hidden]"), "{text}");
    }
    assert!(said().iter().all(|line| !line.contains("lion-and-lamb")));
}

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn said() -> Vec<String> {
    SAID.lock().unwrap().clone()
}

fn assert_said(parts: &[&str]) {
    let said = said();
    assert!(
        said.iter().any(|line| parts.iter().all(|part| line.contains(part))),
        "{parts:?} is not in {said:#?}"
    );
}

fn listen() {
    logged::listen(log::LevelFilter::Info, |record| SAID.lock().unwrap().push(record.args().to_string()));
}
