//! The Apache Kafka producer for programs without an async runtime.

mod backoff;
mod cluster;
mod config;
mod error;
mod error_code;
mod accumulator;
mod completion;
mod interrupt;
mod metadata;
mod record_batch;
mod transaction;
mod partitioner;
mod properties;
mod protocol;
mod record;
mod serializer;
mod uuid;
mod wire;

#[cfg(feature = "embedded")]
pub mod embedded;

pub use cluster::{Cluster, Node, PartitionInfo, TopicInfo};
pub use config::{
    Acks, ClientDnsLookup, Importance, ProducerConfig, PropertyDescription, PropertyOrigin, PropertySupport,
    PropertyType,
};
pub use error::{Error, ErrorKind, SendError};
pub use error_code::ErrorCode;
pub use interrupt::InterruptHandle;
pub use partitioner::{PartitionRequest, Partitioner, PartitionerError, partition_for_key};
pub use properties::Properties;
pub use record::{
    Header, Headers, Key, NoKey, ProducerRecord, RecordKey, RecordMetadata, RecordValue, Tombstone,
    TopicName, Value,
};
pub use serializer::{Serializer, SerializerError};
pub use uuid::Uuid;
