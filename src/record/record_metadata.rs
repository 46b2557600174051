//! `RecordMetadata`: where an acknowledged record is.
//!
//! Owns: what a broker's answer says of one record. Must not know: batches, futures.
//! Source: Kafka's `RecordMetadata`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::record::topic::TopicName;

/// Where an acknowledged record is: topic, partition, offset and time, as the broker answered.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, ProducerRecord};
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
/// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
/// let metadata = producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
///
/// assert_eq!((metadata.topic(), metadata.partition()), ("orders", 0));
/// assert_eq!(metadata.offset(), Some(0));
/// assert_eq!(metadata.serialized_value_size(), Some(10));
/// assert_eq!(metadata.to_string(), "orders-0@0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Prints as Java's does: `topic-partition@offset`, with `-1` for an offset that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    pub(crate) topic: OutcomeTopic,
    pub(crate) partition: i32,
    pub(crate) offset: Option<i64>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) serialized_key_size: Option<usize>,
    pub(crate) serialized_value_size: Option<usize>,
}

impl RecordMetadata {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The record's offset in its partition. `None` with `acks=0`, and where the broker answers that it has the batch
    /// already without saying where.
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// The record's time, in milliseconds since the epoch: the broker's where the topic has
    /// `message.timestamp.type=LogAppendTime`, else the one it was sent with.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The record's time, as [`timestamp`](Self::timestamp), as a `SystemTime`.
    pub fn time(&self) -> Option<SystemTime> {
        let since = Duration::from_millis(u64::try_from(self.timestamp?).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// The key's size in bytes before compression; `None` for a null key.
    pub fn serialized_key_size(&self) -> Option<usize> {
        self.serialized_key_size
    }

    /// The value's size in bytes before compression; `None` for a null value.
    pub fn serialized_value_size(&self) -> Option<usize> {
        self.serialized_value_size
    }
}

impl fmt::Display for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic(), self.partition, self.offset.unwrap_or(-1))
    }
}

/// A topic's name as all outcomes of its records share it.
///
/// The sender thread counts a reference to it for each callback, and another one when the callback is over. So the count
/// has cache lines to itself: wherever an application's thread looked at the same line for each `send`, both would wait for
/// each other at each record.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OutcomeTopic(Arc<OwnLines>);

/// Two lines, since processors fetch them in pairs.
#[derive(PartialEq, Eq)]
#[repr(align(128))]
struct OwnLines(TopicName);

impl From<TopicName> for OutcomeTopic {
    fn from(name: TopicName) -> OutcomeTopic {
        OutcomeTopic(Arc::new(OwnLines(name)))
    }
}

impl Deref for OutcomeTopic {
    type Target = TopicName;

    #[inline]
    fn deref(&self) -> &TopicName {
        &self.0.0
    }
}

impl fmt::Debug for OutcomeTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_prints_as_java_does() {
        let mut metadata = RecordMetadata {
            topic: OutcomeTopic::from(TopicName::from("test")),
            partition: 2,
            offset: Some(41),
            timestamp: Some(1500),
            serialized_key_size: None,
            serialized_value_size: Some(5),
        };
        assert_eq!(metadata.to_string(), "test-2@41");
        assert_eq!(metadata.time(), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)));
        metadata.offset = None;
        assert_eq!(metadata.to_string(), "test-2@-1");
    }
}
