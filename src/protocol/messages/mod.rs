//! One file per API, request and response together, named after Kafka's schema.

mod api_versions;

pub(crate) use api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
