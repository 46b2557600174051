//! `Partitioner`: which partition a record goes to; and the rules of the built-in choice.
//!
//! Owns: the trait, the stock implementations, Java's keyed choice, the arithmetic of the keyless one. Must not know:
//! queues, batches, configuration.
//! Threads: `partition` on the application's threads, several at once; `configure` and `close` once each.
//! Holds: a key goes to the partition that Java would choose.

use crate::cluster::Cluster;
use crate::properties::Properties;

/// What a partitioner may fail with: any error. It becomes the `source()` of the error that `send` returns.
pub type PartitionerError = Box<dyn std::error::Error + Send + Sync>;

/// Chooses the partition of each record that names none.
///
/// Without one, and this is what most programs want, the built-in rules hold: a key decides by its hash
/// ([`partition_for_key`]), records without a key stay on one partition for about a batch (KIP-794).
///
/// **Different from Java**: the key and the value are seen as bytes only, not as objects too.
///
/// ```
/// use kafka_producer::{Cluster, PartitionRequest, Partitioner, PartitionerError, partition_for_key};
///
/// /// Partition 0 is for the one large customer, the others share the rest.
/// struct LargeCustomerFirst;
///
/// impl Partitioner for LargeCustomerFirst {
///     fn partition(&self, record: &PartitionRequest<'_>, cluster: &Cluster) -> Result<i32, PartitionerError> {
///         let count = cluster.partition_count(record.topic()).ok_or("no such topic")?;
///         match record.key() {
///             Some(b"ACME") => Ok(0),
///             Some(key) if count > 1 => Ok(1 + partition_for_key(key, count - 1)),
///             _ => Ok(0),
///         }
///     }
/// }
///
/// let request = PartitionRequest::new("orders", Some(b"ACME"), Some(b"two apples"));
/// assert!(LargeCustomerFirst.partition(&request, &Cluster::default()).is_err());
/// ```
pub trait Partitioner: Send + Sync {
    /// Reads settings. Called once, by `KafkaProducer::new`, and only for a partitioner that is named in the
    /// configuration; one that is passed as a value comes configured.
    ///
    /// # Errors
    ///
    /// A setting does not fit: `new` fails with an error of kind [`Config`](crate::ErrorKind::Config).
    fn configure(&mut self, properties: &Properties<'_>) -> Result<(), PartitionerError> {
        let _ = properties;
        Ok(())
    }

    /// The partition for this record. Runs on the thread that calls `send`, at the same time as others; a
    /// partitioner that blocks makes `send` block, and that time does not count for `max.block.ms`.
    ///
    /// `cluster` is what is known now; the record's topic is in it.
    ///
    /// # Errors
    ///
    /// Any error: `send` fails with kind [`Partitioning`](crate::ErrorKind::Partitioning), nothing is queued, and the
    /// record comes back. A number that is no partition of the topic is treated in the same way.
    fn partition(&self, record: &PartitionRequest<'_>, cluster: &Cluster) -> Result<i32, PartitionerError>;

    /// Called once when the producer is closed, after its last record is answered.
    fn close(&self) {}
}

/// A record as a [`Partitioner`] sees it: topic, serialized key, serialized value.
#[derive(Debug, Clone, Copy)]
pub struct PartitionRequest<'a> {
    topic: &'a str,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> PartitionRequest<'a> {
    /// The producer makes these; programs need them only to test their own partitioners.
    pub fn new(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        PartitionRequest { topic, key, value }
    }

    /// The record's topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The serialized key; none where it is null, which is not the same as empty.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The serialized value; none where it is null.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }
}

/// The partition that a key belongs to, as Java's producer computes it: murmur2 of the serialized key, its sign bit
/// masked, modulo the number of **all** partitions, whether they have a leader or not. An empty key is hashed like
/// any other. With no partitions at all the answer is 0. Never blocks, allocates nothing.
///
/// ```
/// use kafka_producer::partition_for_key;
///
/// assert_eq!(partition_for_key(b"foobar", 5), 1);
/// ```
pub fn partition_for_key(key: &[u8], partition_count: usize) -> i32 {
    let positive = murmur2::murmur2(key, murmur2::KAFKA_SEED) & 0x7fff_ffff;
    let count = u32::try_from(partition_count).unwrap_or(u32::MAX);
    positive.checked_rem(count).unwrap_or(0).cast_signed()
}
