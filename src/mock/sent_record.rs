//! `SentRecord`: what a `MockProducer` keeps of a record that it has accepted.
//!
//! Owns: the record as bytes, and as the types that were given where those can be copied. Must not know: the mock.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::record::{Headers, TopicName};
use crate::record_batch::RecordParts;

/// A record that a [`MockProducer`](crate::MockProducer) has accepted, as it would have been sent: with the partition
/// that was chosen, with the headers that serializers have added, with its time.
///
/// Key and value are there twice: as they were given, and as the bytes that the serializers made of them. Cloning is
/// cheap.
pub struct SentRecord<K: ?Sized + 'static, V: ?Sized + 'static>(Arc<SentFields<K, V>>);

struct SentFields<K: ?Sized + 'static, V: ?Sized + 'static> {
    topic: TopicName,
    partition: i32,
    timestamp: i64,
    headers: Headers,
    copies: Copies<K, V>,
    serialized_key: Option<Vec<u8>>,
    serialized_value: Option<Vec<u8>>,
}

/// A copy, in whatever type owns a `T`.
pub(super) type Owned<T> = Arc<dyn Borrow<T> + Send + Sync>;

/// How a key or a value is copied.
pub(super) type Copying<T> = fn(&T) -> Owned<T>;

pub(super) fn copy<T>(data: &T) -> Owned<T>
where
    T: ToOwned<Owned: Send + Sync + 'static> + ?Sized + 'static,
{
    Arc::new(data.to_owned())
}

/// Key and value, where they were kept.
pub(super) struct Copies<K: ?Sized + 'static, V: ?Sized + 'static> {
    pub(super) key: Option<Owned<K>>,
    pub(super) value: Option<Owned<V>>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> SentRecord<K, V> {
    pub(super) fn new(
        topic: TopicName,
        partition: i32,
        parts: &RecordParts<'_>,
        copies: Copies<K, V>,
    ) -> Self {
        SentRecord(Arc::new(SentFields {
            topic,
            partition,
            timestamp: parts.timestamp,
            headers: parts.headers.clone(),
            copies,
            serialized_key: parts.key.map(<[u8]>::to_vec),
            serialized_value: parts.value.map(<[u8]>::to_vec),
        }))
    }

    pub(super) fn topic_name(&self) -> &TopicName {
        &self.0.topic
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The partition: the one that the record asked for, or that was chosen for it.
    pub fn partition(&self) -> i32 {
        self.0.partition
    }

    /// The key as it was given; none where the record has no key, and with
    /// [`build_bytes_only`](crate::MockProducerBuilder::build_bytes_only).
    pub fn key(&self) -> Option<&K> {
        self.0.copies.key.as_ref().map(|key| (**key).borrow())
    }

    /// The value as it was given; none for a tombstone, and with
    /// [`build_bytes_only`](crate::MockProducerBuilder::build_bytes_only).
    pub fn value(&self) -> Option<&V> {
        self.0.copies.value.as_ref().map(|value| (**value).borrow())
    }

    /// The bytes of the key; none where it is null.
    pub fn serialized_key(&self) -> Option<&[u8]> {
        self.0.serialized_key.as_deref()
    }

    /// The bytes of the value; none where it is null.
    pub fn serialized_value(&self) -> Option<&[u8]> {
        self.0.serialized_value.as_deref()
    }

    /// The headers, with what the serializers have added.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The record's time in milliseconds since the epoch: the one that it was given, or the time of `send`.
    pub fn timestamp(&self) -> i64 {
        self.0.timestamp
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Clone for SentRecord<K, V> {
    fn clone(&self) -> Self {
        SentRecord(Arc::clone(&self.0))
    }
}

/// Key and value as bytes; what is not ASCII is escaped.
impl<K: ?Sized + 'static, V: ?Sized + 'static> fmt::Debug for SentRecord<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.escape_ascii().to_string());
        f.debug_struct("SentRecord")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("timestamp", &self.timestamp())
            .field("key", &text(self.serialized_key()))
            .field("value", &text(self.serialized_value()))
            .field("headers", self.headers())
            .finish()
    }
}
