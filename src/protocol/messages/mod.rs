//! One file per API, request and response together, named after Kafka's schema.

mod api_versions;
mod init_producer_id;
mod metadata;
mod produce;

pub(crate) use api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
pub(crate) use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub(crate) use metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
pub(crate) use produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
