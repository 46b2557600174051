//! `Plugins`: what the program brings along, serializers and partitioner, and a record's way through them.
//!
//! Owns: their calls, what their failures are called, the checks before them. Must not know: queues, metadata, who waits.
//! Threads: application threads. Locks: none may be held here, this is user code.
//! Holds: nothing is queued yet, so every error leaves no trace.

use std::sync::Arc;

use crate::catch_panic::{catch_panic, text_of};
use crate::cluster::Cluster;
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::interceptor::Outgoing;
use crate::logging;
use crate::partitioner::{PartitionRequest, Partitioner, PartitionerError};
use crate::record::TopicName;
use crate::record_batch::RecordParts;
use crate::serializer::{Serializer, SerializerError};
use crate::stage;

pub(crate) struct Plugins<K: ?Sized, V: ?Sized> {
    pub(crate) key_serializer: Box<dyn Serializer<K>>,
    pub(crate) value_serializer: Box<dyn Serializer<V>>,
    /// None: the built-in choice.
    pub(crate) partitioner: Option<Box<dyn Partitioner>>,
}

impl<K: ?Sized, V: ?Sized> Plugins<K, V> {
    /// The bytes of a record of this topic, with the time of day where it has no time of its own.
    #[inline(always)]
    pub(crate) fn serialize<'a>(
        &'a self,
        topic: &TopicName,
        record: Outgoing<'a, K, V>,
        scratch: &'a mut Scratch,
    ) -> Result<RecordParts<'a>, Error> {
        let Outgoing { timestamp, headers, key, value, .. } = record;
        let key = match key {
            Some(key) => self.key_serializer.serialize(topic, headers, key, &mut scratch.key),
            None => Ok(None),
        };
        let key = key.map_err(|error| not_serialized("key", topic, error))?;
        let value = match value {
            Some(value) => self.value_serializer.serialize(topic, headers, value, &mut scratch.value),
            None => Ok(None),
        };
        let value = value.map_err(|error| not_serialized("value", topic, error))?;
        Ok(RecordParts::new(key, value, headers, timestamp.unwrap_or_else(stage::wall_ms)))
    }

    /// The partitioner's choice; none where there is no partitioner. That the partition exists is not checked.
    #[inline]
    pub(crate) fn partition(
        &self,
        topic: &TopicName,
        parts: &RecordParts<'_>,
        cluster: impl FnOnce() -> Result<Arc<Cluster>, Error>,
    ) -> Option<Result<i32, Error>> {
        let partitioner = self.partitioner.as_ref()?;
        let request = PartitionRequest::new(topic, parts.key, parts.value);
        let failed = |error: PartitionerError| {
            let text = format!("the partitioner failed: {}", text_of(&error));
            Error::new(ErrorKind::Partitioning, text).with_topic(topic).with_source(error)
        };
        Some(cluster().and_then(|cluster| partitioner.partition(&request, &cluster).map_err(failed)))
    }

    /// Tells all of them that the producer is closed. One that panics harms no other.
    pub(crate) fn close(&self) {
        close_one("key.serializer", || self.key_serializer.close());
        close_one("value.serializer", || self.value_serializer.close());
        close_one("partitioner.class", || {
            self.partitioner.iter().for_each(|partitioner| partitioner.close())
        });
    }
}

fn close_one(name: &str, close: impl FnOnce()) {
    if catch_panic(close).is_none() {
        logging::error!("{name} panicked while it was closed");
    }
}

/// What is checked before anything is asked for or serialized.
#[inline]
pub(crate) fn check_record<K: ?Sized, V: ?Sized>(record: &Outgoing<'_, K, V>) -> Result<(), Error> {
    let topic = || TopicName::from(record.topic);
    let invalid = |text| Err(Error::new(ErrorKind::InvalidRecord, text).with_topic(&topic()));
    if let Some(partition @ ..0) = record.partition {
        return invalid(format!("partition {partition} is negative; a partition is 0 or more, or not given"));
    }
    if let Some(timestamp @ ..0) = record.timestamp {
        return invalid(format!(
            "timestamp {timestamp} is negative; a timestamp is 0 or more milliseconds, or not given"
        ));
    }
    Ok(())
}

fn not_serialized(part: &str, topic: &TopicName, error: SerializerError) -> Error {
    let text = format!("the {part} cannot be serialized: {}", text_of(&error));
    Error::new(ErrorKind::Serialization, text).with_topic(topic).with_source(error)
}

/// The error for a partitioner that chose a partition which the topic does not have.
pub(crate) fn no_such_partition(topic: &TopicName, partition_count: usize, partition: i32) -> Error {
    let has = Counted(partition_count, "partition");
    let text = format!("the partitioner chose partition {partition}; the topic has {has}, counted from 0");
    Error::new(ErrorKind::Partitioning, text).with_topic(topic)
}

/// Buffers for serializers that cannot borrow.
#[derive(Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// More than this is not kept between records.
const SCRATCH_LIMIT: usize = 1 << 20;

impl Scratch {
    /// Makes them ready for the next record.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        if self.key.capacity().max(self.value.capacity()) > SCRATCH_LIMIT {
            *self = Scratch::default();
        }
    }
}
