//! What goes in and what comes back: `ProducerRecord`, `Headers`, `RecordMetadata`, and the names they use.
//!
//! Owns: the shape of a record and the rules for building one. Must not know: serializers, batches, brokers.
//! Holds: building a record never fails and never copies key or value; `send` checks it.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A record on its way to a topic: topic and value, and optionally a partition, a key, headers and a timestamp.
///
/// The key is one of [`NoKey`], [`Key`] or an `Option`, the value one of [`Value`], [`Tombstone`] or an `Option`;
/// the constructors choose. Whatever is inside may be anything that borrows as the type that the producer's
/// serializer reads: a `KafkaProducer<str, str>` sends `&str`, `String`, `Box<str>` and `Arc<str>` alike.
///
/// ```
/// use kafka_producer::ProducerRecord;
///
/// let plain = ProducerRecord::new("orders", "two apples");
/// let keyed = ProducerRecord::new("orders", "two apples").with_key("customer-7").with_header("trace", "af31");
/// let placed = ProducerRecord::new("orders", "two apples").with_partition(3).with_timestamp(1_700_000_000_000);
/// let deletion = ProducerRecord::tombstone("customers", "customer-7");
/// assert_eq!(keyed.topic(), "orders");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerRecord<K, V> {
    pub(crate) topic: TopicName,
    pub(crate) partition: Option<i32>,
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) headers: Headers,
    pub(crate) timestamp: Option<i64>,
}

impl<V> ProducerRecord<NoKey, Value<V>> {
    /// A record without a key. Without a partition too, the producer keeps to one partition until a batch of it is
    /// full and then moves on (KIP-794).
    ///
    /// A topic whose name is read at run time is best made a [`TopicName`] once, `TopicName::from(name.to_owned())`:
    /// `&topic` then serves for every record, without a copy.
    pub fn new(topic: impl Into<TopicName>, value: V) -> Self {
        Self::of(topic.into(), NoKey, Value(value))
    }
}

impl<K> ProducerRecord<Key<K>, Tombstone> {
    /// A record with a key and a null value: in a compacted topic it deletes the key.
    pub fn tombstone(topic: impl Into<TopicName>, key: K) -> Self {
        Self::of(topic.into(), Key(key), Tombstone)
    }
}

impl<K, V> ProducerRecord<K, V> {
    fn of(topic: TopicName, key: K, value: V) -> Self {
        ProducerRecord { topic, partition: None, key, value, headers: Headers::new(), timestamp: None }
    }

    /// Sets the key. Records with equal serialized keys go to one partition, the one that Java would choose.
    pub fn with_key<T>(self, key: T) -> ProducerRecord<Key<T>, V> {
        self.replace_key(Key(key))
    }

    /// Sets the key, or none: for programs that learn only at run time whether there is one.
    pub fn with_optional_key<T>(self, key: Option<T>) -> ProducerRecord<Option<T>, V> {
        self.replace_key(key)
    }

    /// Replaces the value by one that may be null.
    pub fn with_optional_value<T>(self, value: Option<T>) -> ProducerRecord<K, Option<T>> {
        let ProducerRecord { topic, partition, key, headers, timestamp, .. } = self;
        ProducerRecord { topic, partition, key, value, headers, timestamp }
    }

    fn replace_key<T>(self, key: T) -> ProducerRecord<T, V> {
        let ProducerRecord { topic, partition, value, headers, timestamp, .. } = self;
        ProducerRecord { topic, partition, key, value, headers, timestamp }
    }

    /// Sends the record to this partition, whatever the partitioner would say. Negative numbers are refused by
    /// `send`; a partition that the topic does not have (yet) is waited for, up to `max.block.ms`.
    pub fn with_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the time of the record, in milliseconds since the epoch. Without it the time of `send` is taken.
    /// Negative times are refused by `send`.
    pub fn with_timestamp(mut self, timestamp_ms: i64) -> Self {
        self.timestamp = Some(timestamp_ms);
        self
    }

    /// Adds a header. Headers keep their order, and a key may stand more than once.
    pub fn with_header(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add(key, value);
        self
    }

    /// Adds a header whose value is null, which is not the same as an empty one.
    pub fn with_null_header(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.headers.add_null(key);
        self
    }

    /// Replaces all headers.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition that was asked for, if one was.
    pub fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// The key as it was given.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value as it was given.
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The time that was asked for, in milliseconds since the epoch.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// Takes the record apart: key and value.
    pub fn into_key_value(self) -> (K, V) {
        (self.key, self.value)
    }
}

/// Says that a record has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoKey;

/// A record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<T>(pub T);

/// A record's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<T>(pub T);

/// Says that a record's value is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tombstone;

/// What may stand as the key of a record for a producer whose keys are `K`: [`NoKey`], [`Key`], `Option`.
pub trait RecordKey<K: ?Sized> {
    /// The key as the serializer reads it, or none.
    fn borrow_key(&self) -> Option<&K>;
}

impl<K: ?Sized> RecordKey<K> for NoKey {
    fn borrow_key(&self) -> Option<&K> {
        None
    }
}

impl<K: ?Sized, T: Borrow<K>> RecordKey<K> for Key<T> {
    fn borrow_key(&self) -> Option<&K> {
        Some(self.0.borrow())
    }
}

impl<K: ?Sized, T: Borrow<K>> RecordKey<K> for Option<T> {
    fn borrow_key(&self) -> Option<&K> {
        self.as_ref().map(Borrow::borrow)
    }
}

/// What may stand as the value of a record for a producer whose values are `V`: [`Value`], [`Tombstone`], `Option`.
pub trait RecordValue<V: ?Sized> {
    /// The value as the serializer reads it, or none.
    fn borrow_value(&self) -> Option<&V>;
}

impl<V: ?Sized> RecordValue<V> for Tombstone {
    fn borrow_value(&self) -> Option<&V> {
        None
    }
}

impl<V: ?Sized, T: Borrow<V>> RecordValue<V> for Value<T> {
    fn borrow_value(&self) -> Option<&V> {
        Some(self.0.borrow())
    }
}

impl<V: ?Sized, T: Borrow<V>> RecordValue<V> for Option<T> {
    fn borrow_value(&self) -> Option<&V> {
        self.as_ref().map(Borrow::borrow)
    }
}

/// A topic's name: a `&'static str`, a shared handle (`Arc<str>`, or a clone of a `TopicName`), or an owned string.
/// Only the last may allocate. Compares and hashes as the text.
#[derive(Clone)]
pub struct TopicName(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl TopicName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl TopicName {
    /// What is wrong with the name by Kafka's rule, if something is. Brokers have the same rule (`Topic.validate`).
    pub(crate) fn problem(&self) -> Option<String> {
        let name = self.as_str();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name {
            "" => Some(String::from("is empty")),
            "." | ".." => Some(format!("is {name:?}")),
            _ if name.chars().any(|c| !legal(c)) => {
                let found = name.chars().find(|c| !legal(*c)).unwrap_or_default();
                Some(format!("has the character {found:?}"))
            }
            _ if name.len() > LONGEST_TOPIC_NAME => Some(format!("has {} characters", name.len())),
            _ => None,
        }
    }
}

/// Brokers make a directory of name and partition, and file systems end at 255.
const LONGEST_TOPIC_NAME: usize = 249;

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for TopicName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for TopicName {}

impl PartialOrd for TopicName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TopicName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for TopicName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&'static str> for TopicName {
    fn from(name: &'static str) -> Self {
        TopicName(Name::Static(name))
    }
}

impl From<String> for TopicName {
    fn from(name: String) -> Self {
        TopicName(Name::Shared(name.into()))
    }
}

impl From<&String> for TopicName {
    fn from(name: &String) -> Self {
        TopicName(Name::Shared(name.as_str().into()))
    }
}

impl From<Arc<str>> for TopicName {
    fn from(name: Arc<str>) -> Self {
        TopicName(Name::Shared(name))
    }
}

impl From<&TopicName> for TopicName {
    fn from(name: &TopicName) -> Self {
        name.clone()
    }
}

/// A record's headers: pairs of a text and some bytes or null, in order, keys repeated at will (KIP-82).
///
/// Cloning is cheap: the clones share what they hold until one of them is changed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Option<Arc<Vec<Header>>>);

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    key: Cow<'static, str>,
    value: Option<Vec<u8>>,
}

impl Header {
    /// The header's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The header's value, or none where it is null.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

impl Headers {
    /// No headers; allocates nothing.
    pub const fn new() -> Self {
        Headers(None)
    }

    /// Adds a header at the end.
    pub fn add(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        self.push(Header { key: key.into(), value: Some(value.into()) });
    }

    /// Adds a header with a null value at the end.
    pub fn add_null(&mut self, key: impl Into<Cow<'static, str>>) {
        self.push(Header { key: key.into(), value: None });
    }

    fn push(&mut self, header: Header) {
        Arc::make_mut(self.0.get_or_insert_default()).push(header);
    }

    /// Removes every header of this key.
    pub fn remove(&mut self, key: &str) {
        if self.last(key).is_none() {
            return;
        }
        if let Some(shared) = &mut self.0 {
            Arc::make_mut(shared).retain(|header| header.key != key);
        }
        // So that no headers are always the same.
        self.0.take_if(|rest| rest.is_empty());
    }

    /// The last header of this key, as Java's `lastHeader`.
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.iter().rev().find(|header| header.key == key)
    }

    /// The headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.as_ref().map_or(&[][..], |shared| shared).iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |shared| shared.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where an acknowledged record is: the broker's answer.
///
/// Prints as Java's does: `topic-partition@offset`, with `-1` for an offset that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    pub(crate) topic: TopicName,
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

    /// The record's offset in its partition. Not known with `acks=0`, and where the broker answers that it has the
    /// batch already without saying where.
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// The record's time, in milliseconds since the epoch: the broker's where the topic has
    /// `message.timestamp.type=LogAppendTime`, else the one it was sent with.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The key's size in bytes before compression; none for a null key.
    pub fn serialized_key_size(&self) -> Option<usize> {
        self.serialized_key_size
    }

    /// The value's size in bytes before compression; none for a null value.
    pub fn serialized_value_size(&self) -> Option<usize> {
        self.serialized_value_size
    }
}

impl fmt::Display for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset.unwrap_or(-1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of<K: ?Sized, R: RecordKey<K>>(key: &R) -> Option<&K> {
        key.borrow_key()
    }

    #[test]
    fn anything_that_borrows_as_the_key_is_a_key() {
        let local = String::from("k");
        assert_eq!(key_of::<str, _>(&ProducerRecord::new("t", "v").with_key(&*local).key), Some("k"));
        assert_eq!(key_of::<str, _>(&ProducerRecord::new("t", "v").with_key(local).key), Some("k"));
        assert_eq!(key_of::<str, _>(&ProducerRecord::new("t", "v").key), None);
        assert_eq!(
            key_of::<[u8], _>(&ProducerRecord::new("t", "v").with_key(vec![1u8]).key),
            Some(&[1u8][..])
        );
        assert_eq!(key_of::<i32, _>(&ProducerRecord::new("t", "v").with_optional_key(Some(7)).key), Some(&7));
    }

    #[test]
    fn headers_keep_order_and_repeats() {
        let record =
            ProducerRecord::new("t", "v").with_header("a", "1").with_null_header("b").with_header("a", "2");
        let seen: Vec<_> = record.headers().iter().map(|h| (h.key(), h.value())).collect();
        assert_eq!(seen, [("a", Some(&b"1"[..])), ("b", None), ("a", Some(&b"2"[..]))]);
        assert_eq!(record.headers().last("a").and_then(Header::value), Some(&b"2"[..]));
    }

    #[test]
    fn headers_share_until_one_is_changed() {
        let mut headers = Headers::new();
        headers.add("a", "1");
        let given = headers.clone();
        headers.add_null("b");
        headers.remove("a");
        assert_eq!(given.iter().map(Header::key).collect::<Vec<_>>(), ["a"]);
        assert_eq!(format!("{headers:?}"), r#"[Header { key: "b", value: None }]"#);
        headers.remove("x");
        headers.remove("b");
        assert!(headers.is_empty() && headers == Headers::new());
    }

    #[test]
    fn topic_names_are_equal_by_text_and_hash_as_text() {
        let names =
            [TopicName::from("t"), TopicName::from(String::from("t")), TopicName::from(Arc::from("t"))];
        let set: std::collections::HashSet<TopicName> = names.into_iter().collect();
        assert_eq!(set.len(), 1);
        assert!(set.contains("t"));
    }

    #[test]
    fn metadata_prints_as_java_does() {
        let mut metadata = RecordMetadata {
            topic: "test".into(),
            partition: 2,
            offset: Some(41),
            timestamp: None,
            serialized_key_size: None,
            serialized_value_size: Some(5),
        };
        assert_eq!(metadata.to_string(), "test-2@41");
        metadata.offset = None;
        assert_eq!(metadata.to_string(), "test-2@-1");
    }
}
