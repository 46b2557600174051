//! The Apache Kafka producer for programs without an async runtime.

#[cfg(feature = "embedded")]
pub mod embedded;
