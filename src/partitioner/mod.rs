//! `Partitioner`: which partition a record goes to; and the rules of the built-in choice.
//!
//! Owns: the trait, the stock implementations, Java's keyed choice, the arithmetic of the keyless one. Must not know:
//! queues, batches, configuration.
//! Threads: `partition` on the application's threads, several at once; `configure` and `close` once each.
//! Holds: a key goes to the partition that Java would choose.

mod built_in_partitioner;
mod partitioner_registry;
mod round_robin;

use crate::cluster::Cluster;
use crate::properties::Properties;

pub(crate) use built_in_partitioner::{LoadTable, StickyPartition, next_partition, should_switch};
pub(crate) use partitioner_registry::PartitionerRegistry;
pub use round_robin::RoundRobinPartitioner;

/// What a partitioner may fail with: any error. [`Error::get_ref`](crate::Error::get_ref) gives it back from the
/// error that `send` returns.
pub type PartitionerError = Box<dyn std::error::Error + Send + Sync>;

/// Chooses the partition of each record that names none.
///
/// Most programs need none. Without one, a record with a key goes to the partition that its key's hash selects
/// ([`partition_for_key`]), and records without a key fill one partition's batch after the other (KIP-794).
///
/// **Different from Java**: a partitioner sees the serialized key and value, not the objects.
///
/// ```
/// use kafka_producer::{
///     Cluster, PartitionRequest, Partitioner, PartitionerError, partition_for_key,
/// };
///
/// /// Partition 0 is for the one large customer, the others share the rest.
/// struct LargeCustomerFirst;
///
/// impl Partitioner for LargeCustomerFirst {
///     fn partition(
///         &self,
///         record: &PartitionRequest<'_>,
///         cluster: &Cluster,
///     ) -> Result<i32, PartitionerError> {
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
    /// configuration, not for one that is passed as a value.
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
    /// `cluster` is what the client knows of the cluster at this moment; the record's topic is in it.
    ///
    /// # Errors
    ///
    /// Any error: `send` fails with kind [`Partitioning`](crate::ErrorKind::Partitioning), and nothing is queued. A number
    /// that is no partition of the topic is treated in the same way.
    fn partition(&self, record: &PartitionRequest<'_>, cluster: &Cluster) -> Result<i32, PartitionerError>;

    /// Called once when the producer is closed, on its thread, after its last record is answered. A panic is logged.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaviour 15.
    /// Kafka's own `UtilsTest.testMurmur2`, then keys of each tail length and one of high bytes: hash, and partition
    /// of 7, as `Utils.murmur2` and `BuiltInPartitioner.partitionForKey` of kafka-clients 4.3.1 print them.
    #[test]
    fn keys_go_where_java_sends_them() {
        let hashes: [(&[u8], i32); 6] = [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            (b"abc", 479470107),
        ];
        for (key, hash) in hashes {
            assert_eq!(murmur2::murmur2(key, murmur2::KAFKA_SEED).cast_signed(), hash);
        }
        let placed: [(&[u8], i32, i32); 13] = [
            (b"", 275646681, 2),
            (b"a", -1563381124, 5),
            (b"ab", 316155434, 0),
            (b"abc", 479470107, 4),
            (b"abcd", -1323649548, 5),
            (b"abcde", 461995741, 4),
            (b"abcdef", 1870650108, 5),
            (b"abcdefg", -346467175, 4),
            (b"abcdefgh", -955427363, 0),
            (b"abcdefghi", -619679810, 1),
            (b"abcdefghij", 8205847, 6),
            (&[0x80, 0xff, 0xfe, 0x81, 0xff, 0xff, 0xff], 530076020, 5),
            // The hash whose absolute value is negative too: masked it is 0.
            (&[0xa7, 0xd6, 0x50, 0x6c], i32::MIN, 0),
        ];
        for (key, hash, partition) in placed {
            assert_eq!(murmur2::murmur2(key, murmur2::KAFKA_SEED).cast_signed(), hash, "{key:?}");
            assert_eq!(partition_for_key(key, 7), partition, "{key:?}");
        }
    }

    #[test]
    fn any_number_of_partitions_will_do() {
        assert_eq!(partition_for_key(b"foobar", 0), 0);
        assert_eq!(partition_for_key(b"foobar", 1), 0);
        assert_eq!(partition_for_key(b"foobar", usize::MAX), -790332482 & 0x7fff_ffff);
    }
}
