//! The Apache Kafka producer for programs without an async runtime.

mod backoff;
mod cluster;
mod error;
mod error_code;
mod interrupt;
mod network;
mod protocol;
mod record;
mod uuid;
mod wire;

#[cfg(feature = "embedded")]
pub mod embedded;

pub use cluster::{Cluster, Node, PartitionInfo, TopicInfo};
pub use error::{Error, ErrorKind, SendError};
pub use error_code::ErrorCode;
pub use interrupt::InterruptHandle;
pub use record::{
    Header, Headers, Key, NoKey, ProducerRecord, RecordKey, RecordMetadata, RecordValue, Tombstone,
    TopicName, Value,
};
pub use uuid::Uuid;
