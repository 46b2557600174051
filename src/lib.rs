//! The Apache Kafka producer for programs without an async runtime.

mod accumulator;
mod backoff;
mod cluster;
mod completion;
mod config;
mod error;
mod error_code;
mod interrupt;
mod metadata;
mod nearest;
mod network;
mod partitioner;
mod producer;
mod properties;
mod protocol;
mod record;
mod record_batch;
mod registry;
mod sender;
mod serializer;
mod transaction;
mod uuid;
mod wire;

#[cfg(feature = "embedded")]
pub mod embedded;

#[cfg(test)]
#[macro_use]
#[path = "../tests/kafka/mod.rs"]
mod kafka;

pub use cluster::{Cluster, Node, PartitionInfo, TopicInfo};
pub use completion::RecordFuture;
pub use config::{
    Acks, ClientDnsLookup, Importance, ProducerConfig, PropertyDescription, PropertyOrigin, PropertySupport,
    PropertyType,
};
pub use error::{Error, ErrorKind, SendError};
pub use error_code::ErrorCode;
pub use interrupt::InterruptHandle;
pub use partitioner::{
    PartitionRequest, Partitioner, PartitionerError, RoundRobinPartitioner, partition_for_key,
};
pub use producer::{CloseReport, KafkaProducer, KafkaProducerBuilder};
pub use properties::Properties;
pub use record::{
    Header, Headers, Key, NoKey, ProducerRecord, RecordKey, RecordMetadata, RecordValue, Tombstone,
    TopicName, Value,
};
pub use serializer::{
    BooleanSerializer, ByteArraySerializer, ByteBufferSerializer, BytesSerializer, DoubleSerializer,
    FloatSerializer, FnSerializer, IntegerSerializer, ListSerializer, LongSerializer, Nullable, Serializer,
    SerializerError, SerializerRegistry, ShortSerializer, StringSerializer, UuidSerializer, VoidSerializer,
    serialize_with,
};
pub use uuid::Uuid;
