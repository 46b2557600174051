//! What goes in and what comes back: `ProducerRecord`, `Headers`, `RecordMetadata`, and the names they use.
//!
//! Owns: the shape of a record and the rules for building one. Must not know: serializers, batches, brokers.
//! Holds: building a record never fails and never copies topic, key or value; `send` checks it.

mod headers;
mod payload;
mod record_metadata;
mod topic;

use std::time::{SystemTime, UNIX_EPOCH};

pub use headers::{Header, HeaderIter, Headers};
pub use payload::{
    AsRecord, ByArray, ByBorrow, ByCopy, ByDeref, Payload, RecordKey, RecordValue, RecordView,
};
pub(crate) use record_metadata::OutcomeTopic;
pub use record_metadata::RecordMetadata;
pub use topic::TopicName;

/// A record on its way to a topic: topic and value, and optionally a partition, a key, headers and a timestamp.
///
/// A record may hold its topic, key and value by value or by reference. The topic is any text (`T`), which is copied only
/// the first time that the producer sees it. Key and value are any [`Payload`] of the producer's types: a
/// `KafkaProducer<str, str>` sends `&str`, `String`, `&String`, `Box<str>` and `Arc<str>` alike. The type parameters tell
/// what the record has, and the constructors choose them: `K` is [`NoKey`], [`Key`] or an `Option`, `V` is [`Value`],
/// [`Tombstone`] or an `Option`.
///
/// ```
/// use kafka_producer::ProducerRecord;
///
/// let plain = ProducerRecord::new("orders", "two apples");
/// let keyed = ProducerRecord::new("orders", "two apples")
///     .with_key("customer-7")
///     .with_header("trace", "af31");
/// let placed = ProducerRecord::new("orders", "two apples")
///     .with_partition(3)
///     .with_timestamp(1_700_000_000_000);
/// let deletion = ProducerRecord::tombstone("customers", "customer-7");
/// assert_eq!(
///     (keyed.topic(), *keyed.key(), *keyed.value()),
///     ("orders", "customer-7", "two apples")
/// );
///
/// fn of(customer: &str, topic: &str, order: &String) -> usize {
///     let borrowed =
///         ProducerRecord::new(topic, order).with_key(customer).with_header(customer, order);
///     borrowed.headers().len()
/// }
/// assert_eq!(of("customer-7", "orders", &String::from("two apples")), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerRecord<K, V, T = &'static str> {
    pub(crate) topic: T,
    pub(crate) partition: Option<i32>,
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) headers: Headers,
    pub(crate) timestamp: Option<i64>,
}

impl<V, T: AsRef<str>> ProducerRecord<NoKey, Value<V>, T> {
    /// A record without a key. If it names no partition either, it goes where the records without a key go at the moment:
    /// they fill one partition's batch, then another's (KIP-794).
    #[inline]
    pub fn new(topic: T, value: V) -> Self {
        Self::of(topic, NoKey, Value(value))
    }
}

impl<K, T: AsRef<str>> ProducerRecord<Key<K>, Tombstone, T> {
    /// A record with a key and a null value: in a compacted topic it deletes the key.
    pub fn tombstone(topic: T, key: K) -> Self {
        Self::of(topic, Key(key), Tombstone)
    }
}

impl<K, V, T: AsRef<str>> ProducerRecord<K, V, T> {
    #[inline]
    fn of(topic: T, key: K, value: V) -> Self {
        ProducerRecord { topic, partition: None, key, value, headers: Headers::new(), timestamp: None }
    }

    /// Sets the key. Records with equal serialized keys go to one partition, the one that Java would choose.
    pub fn with_key<N>(self, key: N) -> ProducerRecord<Key<N>, V, T> {
        self.replace_key(Key(key))
    }

    /// Sets the key, or none: for programs that learn only at run time whether there is one.
    pub fn with_optional_key<N>(self, key: Option<N>) -> ProducerRecord<Option<N>, V, T> {
        self.replace_key(key)
    }

    /// Replaces the value by one that may be null.
    pub fn with_optional_value<N>(self, value: Option<N>) -> ProducerRecord<K, Option<N>, T> {
        let ProducerRecord { topic, partition, key, headers, timestamp, .. } = self;
        ProducerRecord { topic, partition, key, value, headers, timestamp }
    }

    fn replace_key<N>(self, key: N) -> ProducerRecord<N, V, T> {
        let ProducerRecord { topic, partition, value, headers, timestamp, .. } = self;
        ProducerRecord { topic, partition, key, value, headers, timestamp }
    }

    /// Sends the record to this partition, without asking the partitioner. `send` refuses a negative number, and waits up to
    /// `max.block.ms` for a partition that the topic does not have (yet).
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

    /// Sets the time of the record, to the millisecond: see [`with_timestamp`](Self::with_timestamp). A time before 1970
    /// is refused by `send`.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use kafka_producer::ProducerRecord;
    ///
    /// let record = ProducerRecord::new("orders", "two apples")
    ///     .with_time(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    /// assert_eq!(record.timestamp(), Some(7000));
    /// ```
    pub fn with_time(self, time: SystemTime) -> Self {
        self.with_timestamp(milliseconds(time))
    }

    /// Adds a header. Headers keep their order, and a key may occur more than once. Key and value are copied.
    pub fn with_header(mut self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(key, value);
        self
    }

    /// Adds a header whose value is null, which is not the same as an empty one.
    pub fn with_null_header(mut self, key: impl AsRef<str>) -> Self {
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
        self.topic.as_ref()
    }

    /// The partition that was asked for, if one was.
    pub fn partition(&self) -> Option<i32> {
        self.partition
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
}

impl<K, V, T> ProducerRecord<Key<K>, V, T> {
    /// The key as it was given.
    pub fn key(&self) -> &K {
        &self.key.0
    }
}

impl<K, V, T> ProducerRecord<Option<K>, V, T> {
    /// The key as it was given, if there is one.
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }
}

impl<K, V, T> ProducerRecord<K, Value<V>, T> {
    /// The value as it was given.
    pub fn value(&self) -> &V {
        &self.value.0
    }

    /// Takes the value out of the record.
    pub fn into_value(self) -> V {
        self.value.0
    }
}

impl<K, V, T> ProducerRecord<K, Option<V>, T> {
    /// The value as it was given, if there is one.
    pub fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    /// Takes the value out of the record, if there is one.
    pub fn into_value(self) -> Option<V> {
        self.value
    }
}

/// Milliseconds since the epoch; negative ones before it.
fn milliseconds(time: SystemTime) -> i64 {
    let of = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => of(since),
        // Also what is less than a millisecond before it.
        Err(before) => -of(before.duration()).max(1),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_that_borrows_as_the_key_is_a_key() {
        let local = String::from("k");
        let shared = std::sync::Arc::new(7);
        let text = ProducerRecord::new("t", "v").with_key(&*local);
        assert_eq!(RecordKey::<str, _>::hold_key(&text.key), Some("k"));
        let text = ProducerRecord::new("t", "v").with_key(&local);
        assert_eq!(RecordKey::<str, _>::hold_key(&text.key), Some("k"));
        let text = ProducerRecord::new("t", "v").with_key(local);
        assert_eq!(RecordKey::<str, _>::hold_key(&text.key), Some("k"));
        let keyless = ProducerRecord::new("t", "v");
        assert_eq!(RecordKey::<str, _>::hold_key(&keyless.key), None);
        let bytes = ProducerRecord::new("t", "v").with_key(vec![1u8]);
        assert_eq!(RecordKey::<[u8], _>::hold_key(&bytes.key), Some(&[1u8][..]));
        let bytes = ProducerRecord::new("t", "v").with_key(b"k");
        assert_eq!(RecordKey::<[u8], _>::hold_key(&bytes.key), Some(&b"k"[..]));
        let perhaps = ProducerRecord::new("t", "v").with_optional_key(Some(7));
        assert_eq!(RecordKey::<i32, _>::hold_key(&perhaps.key), Some(&7));
        let perhaps = ProducerRecord::new("t", "v").with_optional_key(Some(&shared));
        assert_eq!(RecordKey::<i32, _>::hold_key(&perhaps.key), Some(&7));
        let copied = ProducerRecord::new("t", "v").with_key("k");
        assert_eq!(RecordKey::<String, _>::hold_key(&copied.key), Some(String::from("k")));
    }

    #[test]
    fn a_topic_is_not_copied_into_a_record() {
        let (owned, shared) = (String::from("orders"), std::sync::Arc::<str>::from("orders"));
        let places = [owned.as_ptr(), shared.as_ptr()];
        assert_eq!(ProducerRecord::new(&owned, "v").topic().as_ptr(), places[0]);
        assert_eq!(ProducerRecord::new(&shared, "v").topic().as_ptr(), places[1]);
        assert_eq!(ProducerRecord::new(&TopicName::from(shared), "v").topic().as_ptr(), places[1]);
        assert_eq!(ProducerRecord::new(owned, "v").topic().as_ptr(), places[0]);
    }

    #[test]
    fn a_time_is_told_to_the_millisecond_also_before_the_epoch() {
        let at = |time| ProducerRecord::new("t", "v").with_time(time).timestamp();
        let millisecond = std::time::Duration::from_millis(1);
        assert_eq!(at(UNIX_EPOCH), Some(0));
        assert_eq!(at(UNIX_EPOCH + 1500 * millisecond + millisecond / 2), Some(1500));
        assert_eq!(at(UNIX_EPOCH - millisecond / 2), Some(-1));
        assert_eq!(at(UNIX_EPOCH - 2 * millisecond), Some(-2));
    }
}
