//! What a transaction commits for a consumer: `TopicPartition`, `OffsetAndMetadata`, `ConsumerGroupMetadata`.
//!
//! Owns: the nouns, which are Java's. Must not know: who consumes, what is sent.
//! Holds: plain values, to be filled from whatever consumer a program has.
//! Source: Kafka's classes of these names.

use std::fmt;

/// A partition of a topic.
///
/// ```
/// use kafka_producer::TopicPartition;
///
/// assert_eq!(TopicPartition::new("orders", 3).to_string(), "orders-3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    topic: String,
    partition: i32,
}

impl TopicPartition {
    /// The partition of this topic with this number; the first one has 0.
    pub fn new(topic: impl Into<String>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.partition
    }
}

/// `orders-3`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The position of a consumer in a partition: the offset of the **next** record that it is to read, one more than that of
/// the last one it has processed.
///
/// ```
/// use kafka_producer::OffsetAndMetadata;
///
/// let last_read = 41;
/// let position = OffsetAndMetadata::new(last_read + 1)
///     .with_leader_epoch(7)
///     .with_metadata("by the orders service");
/// assert_eq!((position.offset(), position.leader_epoch()), (42, Some(7)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetAndMetadata {
    offset: i64,
    leader_epoch: Option<i32>,
    metadata: String,
}

impl OffsetAndMetadata {
    /// This offset, with no leader epoch and no text.
    pub fn new(offset: i64) -> OffsetAndMetadata {
        OffsetAndMetadata { offset, leader_epoch: None, metadata: String::new() }
    }

    /// With the leader epoch of the last record that was read, if the consumer tells it. It lets a consumer notice that the
    /// log has lost records since (KIP-320).
    #[must_use]
    pub fn with_leader_epoch(self, leader_epoch: i32) -> OffsetAndMetadata {
        OffsetAndMetadata { leader_epoch: Some(leader_epoch), ..self }
    }

    /// With a text that the group coordinator keeps beside the offset; at most `offset.metadata.max.bytes` of the broker,
    /// 4,096 by default.
    #[must_use]
    pub fn with_metadata(self, metadata: impl Into<String>) -> OffsetAndMetadata {
        OffsetAndMetadata { metadata: metadata.into(), ..self }
    }

    /// The offset of the next record to read.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The leader epoch of the last record that was read.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.leader_epoch
    }

    /// The text that is kept beside the offset.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }
}

/// The consumer group whose offsets a transaction commits, and which member of it in which generation. With generation
/// and member, the offsets of a consumer that was put out of its group meanwhile are refused (KIP-447); most consumer
/// crates tell both.
///
/// ```
/// use kafka_producer::ConsumerGroupMetadata;
///
/// // From a consumer that tells its generation and member id (Java's `groupMetadata()`):
/// let group = ConsumerGroupMetadata::new("billing")
///     .with_member(5, "consumer-1-7f3a")
///     .with_group_instance_id("host-9");
/// // From a program that assigns partitions itself, without a group's protocol:
/// let alone = ConsumerGroupMetadata::new("billing");
/// assert_eq!((group.generation_id(), alone.generation_id()), (5, -1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsumerGroupMetadata {
    group_id: String,
    generation_id: i32,
    member_id: String,
    group_instance_id: Option<String>,
}

impl ConsumerGroupMetadata {
    /// This group, without generation and member: the broker does not check who commits.
    pub fn new(group_id: impl Into<String>) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata {
            group_id: group_id.into(),
            generation_id: -1,
            member_id: String::new(),
            group_instance_id: None,
        }
    }

    /// As this member in this generation. Needs brokers of Kafka 2.5 or later.
    #[must_use]
    pub fn with_member(self, generation_id: i32, member_id: impl Into<String>) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata { generation_id, member_id: member_id.into(), ..self }
    }

    /// With the `group.instance.id` of a static member.
    #[must_use]
    pub fn with_group_instance_id(self, group_instance_id: impl Into<String>) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata { group_instance_id: Some(group_instance_id.into()), ..self }
    }

    /// The group's id, `group.id` of its consumers.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The generation; -1 where none was given.
    pub fn generation_id(&self) -> i32 {
        self.generation_id
    }

    /// The member's id; empty where none was given.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The `group.instance.id` of a static member.
    pub fn group_instance_id(&self) -> Option<&str> {
        self.group_instance_id.as_deref()
    }
}
