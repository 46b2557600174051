//! The reader of Kafka's schemas is right: Kafka's own classes read what it writes, and write the same bytes again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[macro_use]
mod kafka;

use kafka::jars::KafkaJars;
use kafka::schema::{Kind, Schemas};

on_each_version! {
    kafka_reads_what_the_schemas_write
    versions_are_those_of_the_release
}

fn kafka_reads_what_the_schemas_write(version: &str) {
    let jars = KafkaJars::fetch(version);
    let schemas = Schemas::load(&jars.clients_jar());
    let mut messages = Vec::new();
    for api_key in schemas.api_keys() {
        for kind in [Kind::Request, Kind::Response] {
            for version in schemas.message(kind, api_key).valid_versions().into_iter().flatten() {
                for seed in 0..12 {
                    messages.push((kind, api_key, version, bytes(&schemas, kind, api_key, version, seed)));
                }
            }
        }
    }
    println!(
        "{version}: {} messages, {} bytes",
        messages.len(),
        messages.iter().map(|message| message.3.len()).sum::<usize>()
    );
    let borrowed =
        messages.iter().map(|(kind, api_key, version, bytes)| (*kind, *api_key, *version, bytes.as_slice()));
    let again = jars.read_and_write_again(borrowed);
    assert_eq!(again.len(), messages.len());
    for ((kind, api_key, version, bytes), again) in messages.iter().zip(again) {
        assert_eq!(again.as_ref(), Ok(bytes), "{} {version}", schemas.message(*kind, *api_key).name);
    }
}

/// Encoded, with a look at the other way: the same value comes back, a byte less or more is an error.
fn bytes(schemas: &Schemas, kind: Kind, api_key: i16, version: i16, seed: u64) -> Vec<u8> {
    let (value, bytes) = match kind {
        Kind::Request => {
            let value = schemas.sample_request(api_key, version, seed);
            let bytes = schemas.encode_request(api_key, version, &value);
            (value, bytes)
        }
        _ => {
            let value = schemas.sample_response(api_key, version, seed);
            let bytes = schemas.encode_response(api_key, version, &value);
            (value, bytes)
        }
    };
    let bytes = bytes.unwrap();
    let decode = |bytes: &[u8]| match kind {
        Kind::Request => schemas.decode_request(api_key, version, bytes),
        _ => schemas.decode_response(api_key, version, bytes),
    };
    assert_eq!(decode(&bytes), Ok(value));
    assert!(decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    for length in (0..bytes.len()).rev().take(8) {
        assert!(decode(&bytes[..length]).is_err());
    }
    bytes
}

fn versions_are_those_of_the_release(version: &str) {
    let schemas = Schemas::load(&KafkaJars::fetch(version).clients_jar());
    let (produce, metadata, init_producer_id, api_versions) = (0, 3, 22, 18);
    let of = |api_key| (schemas.stable_versions(api_key).unwrap(), schemas.first_flexible_version(api_key));
    match version {
        "4.3.1" => {
            assert_eq!(of(produce), (3..=13, Some(9)));
            assert_eq!(of(metadata), (0..=13, Some(9)));
            assert_eq!(of(init_producer_id), (0..=5, Some(2)));
            assert_eq!(of(api_versions), (0..=4, Some(3)));
            assert!(schemas.latest_version_unstable(init_producer_id));
        }
        _ => {
            assert_eq!(of(produce), (0..=11, Some(9)));
            assert_eq!(of(metadata), (0..=12, Some(9)));
            assert_eq!(of(init_producer_id), (0..=5, Some(2)));
            assert_eq!(of(api_versions), (0..=4, Some(3)));
        }
    }
}
