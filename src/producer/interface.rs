//! `Producer`: the calls that every producer has, the one that sends and the one for tests.
//!
//! Owns: the trait, and `KafkaProducer` as one of its kind. Must not know: how anything is done.
//! Source: Kafka's interface `Producer`.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::PartitionInfo;
use crate::completion::RecordFuture;
use crate::error::{Error, SendError};
use crate::producer::{CloseReport, KafkaProducer};
use crate::record::{ProducerRecord, RecordKey, RecordMetadata, RecordValue, TopicName};

/// What a program needs of a producer, so that its tests can give it a [`MockProducer`](crate::MockProducer) in the
/// place of a [`KafkaProducer`].
///
/// It is a bound, `fn place(producer: &impl Producer<str, Order>)` or `struct Shop<P: Producer<str, Order>>`. There is no
/// `dyn Producer`: `send` is generic over what the record holds, so that nothing has to be copied to be sent. References
/// to producers and `Arc`s of them are producers, too.
///
/// What the calls do, whether they block and how they fail stands with [`KafkaProducer`]'s own methods of the same
/// names; where the mock differs, with [`MockProducer`](crate::MockProducer).
///
/// ```
/// use kafka_producer::{Error, Producer, ProducerRecord};
///
/// #[derive(Clone)]
/// struct Order { customer: String, item: String }
///
/// /// Sends the order, and waits until it is in the log.
/// fn place(producer: &impl Producer<str, Order>, order: &Order) -> Result<i64, Error> {
///     let record = ProducerRecord::new("orders", order).with_key(order.customer.as_str());
///     let metadata = producer.send(record)?.get()?;
///     Ok(metadata.offset().unwrap_or(-1))
/// }
/// ```
pub trait Producer<K: ?Sized, V: ?Sized>: Send + Sync {
    /// Sends a record; the future tells its outcome. May block: see [`KafkaProducer::send`].
    ///
    /// # Errors
    /// The record was not accepted, and is in the error.
    fn send<RK: RecordKey<K>, RV: RecordValue<V>>(
        &self,
        record: ProducerRecord<RK, RV>,
    ) -> Result<RecordFuture, SendError<RK, RV>>;

    /// As `send`, and calls `callback` with the outcome, on the producer's own thread: see
    /// [`KafkaProducer::send_with_callback`].
    ///
    /// # Errors
    /// As `send`; the callback is then dropped without being called.
    fn send_with_callback<RK: RecordKey<K>, RV: RecordValue<V>>(
        &self,
        record: ProducerRecord<RK, RV>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, SendError<RK, RV>>;

    /// As `send`, but never blocks: see [`KafkaProducer::try_send`].
    ///
    /// # Errors
    /// As `send`, with [`WouldBlock`](crate::ErrorKind::WouldBlock) where `send` would wait.
    fn try_send<RK: RecordKey<K>, RV: RecordValue<V>>(
        &self,
        record: ProducerRecord<RK, RV>,
    ) -> Result<RecordFuture, SendError<RK, RV>>;

    /// Blocks until everything that was accepted before is answered: see [`KafkaProducer::flush`].
    ///
    /// # Errors
    /// `Interrupted`; `IllegalState` in a callback.
    fn flush(&self) -> Result<(), Error>;

    /// The topic's partitions. May block: see [`KafkaProducer::partitions_for`].
    ///
    /// # Errors
    /// Those of a topic that cannot be used; `Closed`; `IllegalState` in a callback.
    fn partitions_for(&self, topic: impl Into<TopicName>) -> Result<Vec<PartitionInfo>, Error>;

    /// Refuses new records, sends everything that was accepted, blocks until it is answered, and closes interceptors,
    /// serializers and partitioner. In a callback it does not wait. Closing twice is fine. See [`KafkaProducer::close`].
    ///
    /// # Errors
    /// `Interrupted`, and the producer goes on closing; `Timeout` where a callback is still running after
    /// `delivery.timeout.ms` and holds up the others; `Forked`.
    fn close(&self) -> Result<(), Error>;

    /// As `close`, but waits no longer than `timeout`, and fails what is not answered by then with an error of kind
    /// `Closed`; the report says how many records were delivered, failed and given up. See
    /// [`KafkaProducer::close_timeout`].
    ///
    /// # Errors
    /// `Interrupted`, and the producer goes on closing; `Forked`.
    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport, Error>;
}

/// Passes every call on: to a method of the same name that `$to` has when `$self` is the producer.
macro_rules! pass_on {
    ($self:ident => $to:expr) => {
        fn send<RK: RecordKey<K>, RV: RecordValue<V>>(
            &$self,
            record: ProducerRecord<RK, RV>,
        ) -> Result<RecordFuture, SendError<RK, RV>> {
            $to.send(record)
        }

        fn send_with_callback<RK: RecordKey<K>, RV: RecordValue<V>>(
            &$self,
            record: ProducerRecord<RK, RV>,
            callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
        ) -> Result<RecordFuture, SendError<RK, RV>> {
            $to.send_with_callback(record, callback)
        }

        fn try_send<RK: RecordKey<K>, RV: RecordValue<V>>(
            &$self,
            record: ProducerRecord<RK, RV>,
        ) -> Result<RecordFuture, SendError<RK, RV>> {
            $to.try_send(record)
        }

        fn flush(&$self) -> Result<(), Error> {
            $to.flush()
        }

        fn partitions_for(&$self, topic: impl Into<TopicName>) -> Result<Vec<PartitionInfo>, Error> {
            $to.partitions_for(topic)
        }

        fn close(&$self) -> Result<(), Error> {
            $to.close()
        }

        fn close_timeout(&$self, timeout: Duration) -> Result<CloseReport, Error> {
            $to.close_timeout(timeout)
        }
    };
}

/// The inherent methods are the nearer ones, so nothing calls itself here.
impl<K: ?Sized + 'static, V: ?Sized + 'static> Producer<K, V> for KafkaProducer<K, V> {
    pass_on!(self => self);
}

impl<K: ?Sized, V: ?Sized, P: Producer<K, V> + ?Sized> Producer<K, V> for &P {
    pass_on!(self => (**self));
}

impl<K: ?Sized, V: ?Sized, P: Producer<K, V> + ?Sized> Producer<K, V> for Arc<P> {
    pass_on!(self => (**self));
}
