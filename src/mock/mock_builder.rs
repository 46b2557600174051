//! `MockProducerBuilder`: what a `MockProducer` shall be like.
//!
//! Owns: the settings. Must not know: what the mock does with them.

use std::sync::Arc;

use crate::mock::sent_record::{Copying, copy};
use crate::mock::topics::MockTopics;
use crate::mock::{Mock, MockProducer};
use crate::partitioner::Partitioner;
use crate::producer::Plugins;
use crate::record::TopicName;
use crate::serializer::Serializer;

/// Creates a [`MockProducer`] with topics, a partitioner, or outcomes that the test decides one by one.
///
/// ```
/// use kafka_producer::{MockProducer, Producer, ProducerRecord, StringSerializer};
///
/// let producer: MockProducer<str, str> =
///     MockProducer::builder(StringSerializer, StringSerializer)
///         .topic("orders", 6)
///         .auto_complete(false)
///         .build();
/// let future =
///     producer.send(ProducerRecord::new("orders", "two apples").with_key("customer-7"))?;
/// assert!(!future.is_done());
///
/// assert!(producer.complete_next());
/// assert_eq!(future.get()?.to_string(), "orders-1@0");
/// # Ok::<(), kafka_producer::Error>(())
/// ```
pub struct MockProducerBuilder<K: ?Sized + 'static, V: ?Sized + 'static> {
    plugins: Plugins<K, V>,
    topics: MockTopics,
    auto_complete: bool,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockProducer<K, V> {
    /// A producer that acknowledges every record at once, and whose topics have one partition each.
    pub fn new(
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Self
    where
        K: ToOwned<Owned: Send + Sync + 'static>,
        V: ToOwned<Owned: Send + Sync + 'static>,
    {
        Self::builder(key_serializer, value_serializer).build()
    }

    /// A builder, for everything else.
    pub fn builder(
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> MockProducerBuilder<K, V> {
        MockProducerBuilder::new(key_serializer, value_serializer)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockProducerBuilder<K, V> {
    fn new(
        key_serializer: impl Serializer<K> + 'static,
        value_serializer: impl Serializer<V> + 'static,
    ) -> Self {
        let key_serializer = Box::new(key_serializer);
        let value_serializer = Box::new(value_serializer);
        let plugins = Plugins { key_serializer, value_serializer, partitioner: None };
        MockProducerBuilder { plugins, topics: MockTopics::new(), auto_complete: true }
    }

    /// Whether every accepted record is acknowledged at once, which is the default. With `false` it waits for
    /// [`complete_next`](MockProducer::complete_next) or [`error_next`](MockProducer::error_next), for `flush` or
    /// `close`.
    #[must_use]
    pub fn auto_complete(mut self, auto_complete: bool) -> Self {
        self.auto_complete = auto_complete;
        self
    }

    /// Gives the topic this number of partitions, at least one. Keys then go to the partitions that they have in a real
    /// topic of that size.
    #[must_use]
    pub fn topic(mut self, name: impl Into<TopicName>, partitions: i32) -> Self {
        self.topics.add(name.into(), partitions);
        self
    }

    /// How many partitions those topics have that are not named by [`topic`](Self::topic): 1, unless it is set. Such a
    /// topic is there from its first use on, as with brokers that create topics.
    #[must_use]
    pub fn num_partitions(mut self, partitions: i32) -> Self {
        self.topics.num_partitions = partitions;
        self
    }

    /// The partitioner. Without one it is as in the real producer: records with a key go by the key's hash, records without
    /// a key fill one partition's batch after the other.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.plugins.partitioner = Some(Box::new(partitioner));
        self
    }

    /// Creates the producer. Its [`history`](MockProducer::history) has keys and values as they were given, and as
    /// bytes.
    #[must_use]
    pub fn build(self) -> MockProducer<K, V>
    where
        K: ToOwned<Owned: Send + Sync + 'static>,
        V: ToOwned<Owned: Send + Sync + 'static>,
    {
        self.create(Some((copy, copy)))
    }

    /// As [`build`](Self::build), for keys or values that are not `Clone`: the history has them as bytes only.
    #[must_use]
    pub fn build_bytes_only(self) -> MockProducer<K, V> {
        self.create(None)
    }

    fn create(self, copying: Option<(Copying<K>, Copying<V>)>) -> MockProducer<K, V> {
        let MockProducerBuilder { plugins, topics, auto_complete } = self;
        MockProducer { mock: Arc::new(Mock::new(plugins, copying, topics, auto_complete)) }
    }
}
