//! ApiVersions: generated values, in every version, against the `kafka-protocol` crate.

use std::collections::BTreeMap;

use kafka_protocol::messages as theirs;
use kafka_protocol::messages::api_versions_response as parts;

use super::{Generator, requests, responses, theirs_text, they_write};
use crate::error_code::ErrorCode;
use crate::protocol::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, BrokerVersions, FinalizedFeatureKey,
    SupportedFeatureKey, decode_response,
};

#[test]
fn requests_are_read_as_meant() {
    let request = |g: &mut Generator| ApiVersionsRequest {
        client_software_name: ["", "kafka-producer"][usize::from(g.bool())],
        client_software_version: ["", "0.1.0"][usize::from(g.bool())],
    };
    requests(request, |ours, version| {
        let texts = (ours.client_software_name, ours.client_software_version);
        let (name, software_version) = if version >= 3 { texts } else { ("", "") };
        theirs::ApiVersionsRequest::default()
            .with_client_software_name(name.into())
            .with_client_software_version(software_version.into())
    });
}

#[test]
fn responses_are_read_as_meant() {
    responses::<ApiVersionsRequest, _>(response, |theirs, _| ours(theirs));
}

fn response(g: &mut Generator) -> theirs::ApiVersionsResponse {
    let error_code = g.i16();
    theirs::ApiVersionsResponse::default()
        .with_error_code(if error_code == 35 { 36 } else { error_code })
        .with_api_keys(g.long_list(|g| {
            parts::ApiVersion::default()
                .with_api_key(g.i16())
                .with_min_version(g.i16())
                .with_max_version(g.i16())
                .with_unknown_tagged_fields(g.unknown_tags(0))
        }))
        .with_throttle_time_ms(g.since(1, 0, Generator::i32))
        .with_supported_features(g.since(3, Vec::new(), |g| g.list(supported_feature)))
        .with_finalized_features_epoch(g.since(3, -1, Generator::i64))
        .with_finalized_features(g.since(3, Vec::new(), |g| g.list(finalized_feature)))
        .with_zk_migration_ready(g.since(3, false, Generator::bool))
        .with_unknown_tagged_fields(g.unknown_tags(4))
}

fn supported_feature(g: &mut Generator) -> parts::SupportedFeatureKey {
    parts::SupportedFeatureKey::default()
        .with_name(theirs_text(&g.text()))
        .with_min_version(g.i16())
        .with_max_version(g.i16())
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn finalized_feature(g: &mut Generator) -> parts::FinalizedFeatureKey {
    parts::FinalizedFeatureKey::default()
        .with_name(theirs_text(&g.text()))
        .with_max_version_level(g.i16())
        .with_min_version_level(g.i16())
        .with_unknown_tagged_fields(g.unknown_tags(0))
}

fn ours(theirs: &theirs::ApiVersionsResponse) -> ApiVersionsResponse {
    let api = |api: &parts::ApiVersion| ApiVersion {
        api_key: api.api_key,
        min_version: api.min_version,
        max_version: api.max_version,
    };
    let supported = |feature: &parts::SupportedFeatureKey| SupportedFeatureKey {
        name: feature.name.to_string(),
        min_version: feature.min_version,
        max_version: feature.max_version,
    };
    let finalized = |feature: &parts::FinalizedFeatureKey| FinalizedFeatureKey {
        name: feature.name.to_string(),
        max_version_level: feature.max_version_level,
        min_version_level: feature.min_version_level,
    };
    ApiVersionsResponse {
        error_code: ErrorCode(theirs.error_code),
        api_keys: theirs.api_keys.iter().map(api).collect(),
        throttle_time_ms: theirs.throttle_time_ms,
        supported_features: theirs.supported_features.iter().map(supported).collect(),
        finalized_features_epoch: theirs.finalized_features_epoch,
        finalized_features: theirs.finalized_features.iter().map(finalized).collect(),
        zk_migration_ready: theirs.zk_migration_ready,
    }
}

/// An old broker does not know version 4 and answers in version 0: since Kafka 2.4 with what it knows, before that
/// with an empty list.
#[test]
fn an_unsupported_version_is_answered_in_version_0() {
    for asked in 0..=4 {
        let row = parts::ApiVersion::default().with_api_key(18).with_max_version(3);
        let told = theirs::ApiVersionsResponse::default().with_error_code(35).with_api_keys(vec![row]);
        let response = decode_response::<ApiVersionsRequest>(asked, &they_write(&told, 0, BTreeMap::new()));
        let response = response.unwrap();
        assert_eq!(response, ours(&told));
        assert_eq!(response.version_to_ask_again(), 3);
        assert_eq!(BrokerVersions::from(&response).range(18), Some(0..=3));

        let silent = theirs::ApiVersionsResponse::default().with_error_code(35);
        let frame = they_write(&silent, 0, BTreeMap::new());
        let response = decode_response::<ApiVersionsRequest>(asked, &frame).unwrap();
        assert_eq!(response, ours(&silent));
        assert_eq!(response.version_to_ask_again(), 0);
    }
}

/// Fault B13.
#[test]
fn a_refusal_that_names_no_version_whatever_follows_is_one_by_a_broker_of_version_0() {
    let refusal = [0, 0, 0, 7, 0, 35];
    for rest in [
        &[][..],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0],
        &[0],
        // As version 1 and as version 3 have it: null, the throttle time, tags.
        &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xfe],
    ] {
        for asked in 0..=4 {
            let response = decode_response::<ApiVersionsRequest>(asked, &[&refusal[..], rest].concat());
            assert_eq!(response.unwrap().version_to_ask_again(), 0, "{rest:?}");
        }
    }
}

#[test]
fn a_newer_broker_than_we_is_asked_again_in_our_newest_version() {
    let api_keys = vec![ApiVersion { api_key: 18, min_version: 0, max_version: 9 }];
    let response = ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() };
    assert_eq!(response.version_to_ask_again(), 4);
}
