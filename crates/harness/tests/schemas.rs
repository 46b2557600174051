//! The reader of Kafka's schemas is right: Kafka's own classes read what it writes, and write the same bytes again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::jars::KafkaJars;
use harness::schema::{MessageKind, SchemaValue, Schemas};

harness::on_each_version! {
    kafka_reads_what_the_schemas_write
    versions_are_those_of_the_release
}

fn kafka_reads_what_the_schemas_write(version: &str) {
    let jars = KafkaJars::fetch(version);
    let schemas = jars.schemas();
    let mut messages = Vec::new();
    for api_key in schemas.api_keys() {
        for kind in [MessageKind::Request, MessageKind::Response] {
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
fn bytes(schemas: &Schemas, kind: MessageKind, api_key: i16, version: i16, seed: u64) -> Vec<u8> {
    let (value, bytes) = match kind {
        MessageKind::Request => {
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
        MessageKind::Request => schemas.decode_request(api_key, version, bytes),
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
    let schemas = KafkaJars::fetch(version).schemas();
    let (produce, metadata, init_producer_id, api_versions) = (0, 3, 22, 18);
    let of = |api_key| schemas.stable_versions(api_key).unwrap();
    let expected = match version {
        "4.3.1" => (3..=13, 0..=13, 0..=5, 0..=4),
        "3.9.1" => (0..=11, 0..=12, 0..=5, 0..=4),
        _ => (0..=9, 0..=12, 0..=4, 0..=3),
    };
    assert_eq!((of(produce), of(metadata), of(init_producer_id), of(api_versions)), expected);
    let flexible =
        [produce, metadata, init_producer_id, api_versions].map(|key| schemas.first_flexible_version(key));
    assert_eq!(flexible, [Some(9), Some(9), Some(2), Some(3)]);
    // 4.3.1 has a version 6 in the making.
    assert_eq!(schemas.latest_version_unstable(init_producer_id), version == "4.3.1");
}

/// A schema with one of each, and the header files that must be there.
fn small() -> Schemas {
    let request = r#"
        // Comment with a "quote".
        { "apiKey": 7, "type": "request", "name": "SmallRequest", // https://example.org
          "validVersions": "0-2", "flexibleVersions": "1+",
          "commonStructs": [ { "name": "Pair", "versions": "0+", "fields": [
              { "name": "Left", "type": "int8", "versions": "0+" } ] } ],
          "fields": [
              { "name": "Name", "type": "string", "versions": "0+", "nullableVersions": "2+", "about": "a // b" },
              { "name": "Pairs", "type": "[]Pair", "versions": "0+" },
              { "name": "Late", "type": "int32", "versions": "2+", "tag": 3, "taggedVersions": "2+", "default": "-1" } ] }"#;
    let response = r#"{ "apiKey": 7, "type": "response", "name": "SmallResponse", "validVersions": "0-2",
        "flexibleVersions": "1+", "fields": [] }"#;
    let header = |name: &str| {
        format!(
            r#"{{ "type": "header", "name": "{name}", "validVersions": "0-2", "flexibleVersions": "2+", "fields": [
            {{ "name": "RequestApiKey", "type": "int16", "versions": "0+" }},
            {{ "name": "RequestApiVersion", "type": "int16", "versions": "0+" }} ] }}"#
        )
    };
    Schemas::from_texts([request, response, &header("RequestHeader"), &header("ResponseHeader")])
}

#[test]
fn each_version_has_its_own_form() {
    let schemas = small();
    let plain = [0, 2, b'a', b'b', 0, 0, 0, 1, 9];
    let value = schemas.decode_request(7, 0, &plain).unwrap();
    assert!(value["Name"] == "ab" && value["Pairs"][0]["Left"] == 9 && value.get("Late").is_none());
    let flexible = [3, b'a', b'b', 2, 9, 0, 0];
    assert_eq!(schemas.decode_request(7, 1, &flexible).unwrap(), value);
    let tagged = [0, 1, 1, 3, 4, 0, 0, 1, 0];
    let value = schemas.decode_request(7, 2, &tagged).unwrap();
    assert!(
        value["Name"] == SchemaValue::Null && value["Pairs"].elements().is_empty() && value["Late"] == 256
    );
    assert_eq!(schemas.encode_request(7, 2, &value).unwrap(), tagged);
    assert!(schemas.decode_request(7, 2, &[0, 1, 0]).unwrap()["Late"] == -1, "left out: the default");
}

#[test]
fn what_the_schema_does_not_allow_is_an_error_that_names_the_field() {
    let schemas = small();
    let refused =
        |version: i16, bytes: &[u8]| schemas.decode_request(7, version, bytes).unwrap_err().to_string();
    assert_eq!(refused(3, &[]), "SmallRequest: there is no version 3");
    assert_eq!(refused(0, &[0, 0, 0, 0, 0, 0, 0]), ": 1 bytes left over");
    assert_eq!(refused(0, &[0xff, 0xff, 0, 0, 0, 0]), "SmallRequest.Name: null where there may be none");
    assert_eq!(refused(0, &[0xff, 0xfe, 0, 0, 0, 0]), "SmallRequest.Name: length -2");
    assert_eq!(refused(0, &[0, 0, 0, 0, 0, 1]), "SmallRequest.Pairs.[0].Left: 1 bytes wanted, 0 there");
    assert_eq!(refused(1, &[0x81, 0, 1, 0]), "SmallRequest.Name: a number that is longer than it need be");
    assert_eq!(refused(1, &[1, 1, 1, 3, 0]), "SmallRequest: unknown tag 3");
    assert_eq!(refused(2, &[1, 1, 1, 3, 5, 0, 0, 0, 0, 0]), "SmallRequest.Late: 1 bytes left over");
    assert_eq!(
        refused(2, &[1, 1, 2, 3, 4, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]),
        "SmallRequest: tag 3 out of order"
    );

    let mut value = schemas.decode_request(7, 0, &[0, 0, 0, 0, 0, 0]).unwrap();
    assert!(schemas.encode_request(7, 2, &value).is_ok(), "a tagged field may be missing");
    value.set("Name", SchemaValue::Int(1));
    assert!(schemas.encode_request(7, 0, &value).unwrap_err().to_string().starts_with("SmallRequest.Name: "));
}
