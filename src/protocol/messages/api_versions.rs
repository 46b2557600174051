//! ApiVersions: which versions of which API the broker speaks, and which features its cluster has switched on.
//!
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ApiVersionsRequest.json>
//! <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/ApiVersionsResponse.json>
//!
//! - Version 1 adds the throttle time to the response.
//! - Version 2: on a quota violation the broker answers before it throttles.
//! - Version 3 is the first flexible one; it adds the client's name and version to the request (KIP-511) and the
//!   features to the response (KIP-584). The response's header never has tagged fields.
//! - Version 4: the response may hold features whose oldest version is 0 (KAFKA-17011).
//!
//! Version 5 (Kafka 4.4: ids of cluster and node) is left out: no released broker asks for it, and the producer
//! draws nothing from those ids.
//!
//! A broker that does not know the version answers UNSUPPORTED_VERSION in version 0, whatever it was asked in;
//! since Kafka 2.4 with its range for ApiVersions, before that with no APIs at all.

use std::ops::RangeInclusive;

use super::super::request::{BrokerVersions, Request, Response};
use crate::error_code::ErrorCode;
use crate::wire::{DecodeError, Decoder, Encoder};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiVersionsRequest {
    /// Letters, digits, `-` and `.`: the broker refuses anything else.
    pub(crate) client_software_name: &'static str,
    pub(crate) client_software_version: &'static str,
}

impl Request for ApiVersionsRequest {
    const KEY: i16 = 18;
    const NAME: &'static str = "ApiVersions";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 3;
    const PAUSES_FROM: i16 = 2;

    type Response = ApiVersionsResponse;

    fn encode(&self, out: &mut Encoder) {
        if out.version() >= 3 {
            out.string(self.client_software_name);
            out.string(self.client_software_version);
        }
        out.tags();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiVersionsResponse {
    pub(crate) error_code: ErrorCode,
    pub(crate) api_keys: Vec<ApiVersion>,
    pub(crate) throttle_time_ms: i32,
    pub(crate) supported_features: Vec<SupportedFeatureKey>,
    /// -1: not known.
    pub(crate) finalized_features_epoch: i64,
    pub(crate) finalized_features: Vec<FinalizedFeatureKey>,
    pub(crate) zk_migration_ready: bool,
}

impl ApiVersionsResponse {
    /// After UNSUPPORTED_VERSION: the version to ask again in.
    pub(crate) fn version_to_ask_again(&self) -> i16 {
        let row = self.api_keys.iter().find(|api| api.api_key == ApiVersionsRequest::KEY);
        let newest = row.map_or(0, |api| api.max_version);
        newest.clamp(*ApiVersionsRequest::VERSIONS.start(), *ApiVersionsRequest::VERSIONS.end())
    }
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        ApiVersionsResponse {
            error_code: ErrorCode::NONE,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl Response for ApiVersionsResponse {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut response =
            ApiVersionsResponse { error_code: ErrorCode(input.i16("error_code")?), ..Default::default() };
        if response.error_code == ErrorCode::UNSUPPORTED_VERSION {
            // A refusal in which no versions stand, or none that can be read, is one by a broker of version 0.
            input.switch_to(0, false);
            response.api_keys =
                input.nullable_array("api_keys", ApiVersion::decode).ok().flatten().unwrap_or_default();
            input.skip_rest();
            return Ok(response);
        }
        response.api_keys = input.array("api_keys", ApiVersion::decode)?;
        if input.version() >= 1 {
            response.throttle_time_ms = input.i32("throttle_time_ms")?;
        }
        input.tags(|tag, field| response.decode_tagged(tag, field))?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }
}

impl ApiVersionsResponse {
    fn decode_tagged(&mut self, tag: u32, field: &mut Decoder<'_>) -> Result<(), DecodeError> {
        match tag {
            0 => self.supported_features = field.array("supported_features", SupportedFeatureKey::decode)?,
            1 => self.finalized_features_epoch = field.i64("finalized_features_epoch")?,
            2 => self.finalized_features = field.array("finalized_features", FinalizedFeatureKey::decode)?,
            3 => self.zk_migration_ready = field.bool("zk_migration_ready")?,
            _ => {}
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiVersion {
    pub(crate) api_key: i16,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

impl ApiVersion {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let api_key = input.i16("api_key")?;
        let min_version = input.i16("min_version")?;
        let max_version = input.i16("max_version")?;
        input.tags(|_, _| Ok(()))?;
        Ok(ApiVersion { api_key, min_version, max_version })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SupportedFeatureKey {
    pub(crate) name: String,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

impl SupportedFeatureKey {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = input.string("name")?.to_owned();
        let min_version = input.i16("min_version")?;
        let max_version = input.i16("max_version")?;
        input.tags(|_, _| Ok(()))?;
        Ok(SupportedFeatureKey { name, min_version, max_version })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FinalizedFeatureKey {
    pub(crate) name: String,
    pub(crate) max_version_level: i16,
    pub(crate) min_version_level: i16,
}

impl FinalizedFeatureKey {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = input.string("name")?.to_owned();
        let max_version_level = input.i16("max_version_level")?;
        let min_version_level = input.i16("min_version_level")?;
        input.tags(|_, _| Ok(()))?;
        Ok(FinalizedFeatureKey { name, max_version_level, min_version_level })
    }
}

impl From<&ApiVersionsResponse> for BrokerVersions {
    fn from(response: &ApiVersionsResponse) -> Self {
        let apis =
            response.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        let known = response.finalized_features_epoch >= 0;
        let finalized = response.finalized_features.iter().filter(|_| known);
        let finalized_features =
            finalized.map(|feature| (feature.name.clone(), feature.max_version_level)).collect();
        BrokerVersions::new(apis, (response.finalized_features_epoch, finalized_features))
    }
}
