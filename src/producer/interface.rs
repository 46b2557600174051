//! `Producer`: the calls that every producer has, the one that sends and the one for tests.
//!
//! Owns: the trait, and `KafkaProducer` as one of its kind. Must not know: how anything is done.
//! Holds: a producer can be a trait object: what is generic is made of calls that are not.
//! Source: Kafka's interface `Producer`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::accumulator::BlockBudget;
use crate::cluster::PartitionInfo;
use crate::completion::{Callback, NoCallback, OwnCallback, RecordFuture};
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::metrics::Metrics;
use crate::producer::{CloseReport, KafkaProducer};
use crate::record::{AsRecord, RecordMetadata, RecordView};
use crate::transaction::PreparedTxnState;
use crate::uuid::Uuid;

/// The calls of a producer as a trait, so that a program takes a [`KafkaProducer`] when it runs and a
/// [`MockProducer`](crate::MockProducer) in its tests.
///
/// As a bound, `fn place(producer: &impl Producer<str, Order>)` or `struct Shop<P: Producer<str, Order>>`; or as a trait
/// object, `Arc<dyn Producer<str, Order>>` or `Box<dyn Producer<str, Order>>`. References to producers, `Arc`s and `Box`es
/// of them are producers, too. (A bare `producer: &dyn Producer<…>` sends with `(&producer).send(…)`: a trait object by
/// itself has no generic methods, a reference to one has.)
///
/// [`send`](Producer::send), [`send_and_forget`](Producer::send_and_forget),
/// [`send_with_callback`](Producer::send_with_callback) and [`try_send`](Producer::try_send), which every program calls first,
/// stand below among the provided methods: they are made of `send_view`.
///
/// The methods of the same names of [`KafkaProducer`] say what the calls do, whether they block and how they fail;
/// [`MockProducer`](crate::MockProducer) says where the mock differs.
///
/// ```
/// use std::sync::Arc;
/// use kafka_producer::{
///     Error, MockProducer, Producer, ProducerRecord, StringSerializer, serialize_with,
/// };
///
/// #[derive(Clone)]
/// struct Order {
///     customer: String,
///     item: String,
/// }
///
/// /// Sends the order, and waits until it is in the log.
/// fn place(producer: &impl Producer<str, Order>, order: &Order) -> Result<i64, Error> {
///     let record = ProducerRecord::new("orders", order).with_key(&order.customer);
///     let metadata = producer.send(record)?.get()?;
///     Ok(metadata.offset().unwrap_or(-1))
/// }
///
/// struct Shop {
///     producer: Arc<dyn Producer<str, Order>>,
/// }
///
/// let serializer = serialize_with(|order: &Order, out: &mut Vec<u8>| {
///     out.extend_from_slice(order.item.as_bytes());
///     Ok::<(), std::convert::Infallible>(())
/// });
/// let shop = Shop { producer: Arc::new(MockProducer::new(StringSerializer, serializer)) };
/// let order = Order { customer: "customer-7".into(), item: "two apples".into() };
/// assert_eq!(place(&shop.producer, &order)?, 0);
/// shop.producer.send(ProducerRecord::new("orders", &order))?;
/// # Ok::<(), Error>(())
/// ```
pub trait Producer<K: ?Sized + 'static, V: ?Sized + 'static>: Send + Sync {
    /// Sends a record; the future tells its outcome. May block: see [`KafkaProducer::send`].
    ///
    /// # Errors
    /// The record was not accepted.
    fn send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error>
    where
        Self: Sized,
    {
        record.view(|record| self.send_view(record, None))
    }

    /// As `send`, where nobody asks for the outcome: see [`KafkaProducer::send_and_forget`]. Through a reference, an `Arc` or a
    /// `Box` this call of the trait is made of `send`, and saves nothing.
    ///
    /// # Errors
    /// As `send`.
    fn send_and_forget<By>(&self, record: impl AsRecord<K, V, By>) -> Result<(), Error>
    where
        Self: Sized,
    {
        self.send(record).map(drop)
    }

    /// As `send`, and calls `callback` with the outcome, on the producer's own thread: see
    /// [`KafkaProducer::send_with_callback`].
    ///
    /// # Errors
    /// As `send`; the callback is then dropped without being called.
    fn send_with_callback<By>(
        &self,
        record: impl AsRecord<K, V, By>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, Error>
    where
        Self: Sized,
    {
        record.view(|record| self.send_view(record, Some(Box::new(callback))))
    }

    /// As `send`, but never blocks: see [`KafkaProducer::try_send`].
    ///
    /// # Errors
    /// As `send`, with [`WouldBlock`](crate::ErrorKind::WouldBlock) where `send` would wait.
    fn try_send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error>
    where
        Self: Sized,
    {
        record.view(|record| self.try_send_view(record))
    }

    /// What `send` and `send_with_callback` do, for a record as the serializers read it. A producer of your own, for
    /// instance one that passes records on to another, has this instead of the generic calls.
    ///
    /// # Errors
    /// As `send`.
    fn send_view(
        &self,
        record: RecordView<'_, K, V>,
        callback: Option<Callback>,
    ) -> Result<RecordFuture, Error>;

    /// What `try_send` does, for a record as the serializers read it.
    ///
    /// # Errors
    /// As `try_send`.
    fn try_send_view(&self, record: RecordView<'_, K, V>) -> Result<RecordFuture, Error>;

    /// Blocks until everything that was accepted before is answered: see [`KafkaProducer::flush`].
    ///
    /// # Errors
    /// `Interrupted`; `IllegalState` in a callback.
    fn flush(&self) -> Result<(), Error>;

    /// As `flush`, but waits no longer than `timeout`: see [`KafkaProducer::flush_timeout`].
    ///
    /// # Errors
    /// As `flush`, and `Timeout`.
    fn flush_timeout(&self, timeout: Duration) -> Result<(), Error>;

    /// What the producer has measured: see [`KafkaProducer::metrics`].
    fn metrics(&self) -> Metrics;

    /// The id under which brokers know this producer's telemetry. May block: see [`KafkaProducer::client_instance_id`].
    ///
    /// # Errors
    /// `Timeout`, `Interrupted`, `Closed`; `IllegalState` where no metrics are pushed, as by the mock.
    fn client_instance_id(&self, timeout: Duration) -> Result<Uuid, Error> {
        let _ = timeout;
        Err(Error::new(
            ErrorKind::IllegalState,
            "this producer pushes no metrics, and has no client instance id",
        ))
    }

    /// The topic's partitions. May block: see [`KafkaProducer::partitions_for`].
    ///
    /// # Errors
    /// Those of a topic that cannot be used; `Closed`; `IllegalState` in a callback.
    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error>;

    /// Makes the producer ready for transactions: see [`KafkaProducer::init_transactions`].
    ///
    /// # Errors
    /// Those of a `transactional.id` that cannot be used; `Timeout` and `Interrupted`: call it again; `IllegalState` where
    /// there is no `transactional.id`, it was called before, or in a callback.
    fn init_transactions(&self) -> Result<(), Error>;

    /// The same, and keeps a transaction that is prepared for a two-phase commit: see
    /// [`KafkaProducer::init_transactions_keeping_prepared`].
    ///
    /// # Errors
    /// As there.
    fn init_transactions_keeping_prepared(&self) -> Result<Option<PreparedTxnState>, Error>;

    /// Opens a transaction: see [`KafkaProducer::begin_transaction`]. [`Transaction::begin`](crate::Transaction::begin) gives
    /// a guard of it.
    ///
    /// # Errors
    /// `IllegalState` where one is open, or in a callback; whatever has ended this producer.
    fn begin_transaction(&self) -> Result<(), Error>;

    /// Commits offsets of a consumer group with the open transaction: see
    /// [`KafkaProducer::send_offsets_to_transaction`].
    ///
    /// # Errors
    /// As there.
    fn send_offsets_to_transaction(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error>;

    /// The first phase of a two-phase commit: see [`KafkaProducer::prepare_transaction`].
    ///
    /// # Errors
    /// As there.
    fn prepare_transaction(&self) -> Result<PreparedTxnState, Error>;

    /// The second phase: see [`KafkaProducer::complete_transaction`].
    ///
    /// # Errors
    /// As there.
    fn complete_transaction(&self, prepared: &PreparedTxnState) -> Result<(), Error>;

    /// Commits the open transaction: see [`KafkaProducer::commit_transaction`].
    ///
    /// # Errors
    /// As there.
    fn commit_transaction(&self) -> Result<(), Error>;

    /// Aborts the open transaction: see [`KafkaProducer::abort_transaction`].
    ///
    /// # Errors
    /// As there.
    fn abort_transaction(&self) -> Result<(), Error>;

    /// What [`Transaction::begin`](crate::Transaction::begin) calls: waits for an abort that was only begun, or was not over in its
    /// time, at most `max.block.ms`; opens a transaction; and tells its number, by which [`call_of_guard`](Self::call_of_guard) knows
    /// it. None, where transactions have no numbers: then a guard's calls are about whichever is open.
    ///
    /// A producer of your own that passes calls on passes this one on as well, and `call_of_guard`.
    ///
    /// # Errors
    /// As `begin_transaction` and, where one is waited for, `abort_transaction`.
    fn begin_for_guard(&self) -> Result<Option<u64>, Error> {
        self.begin_transaction().map(|()| None)
    }

    /// What a [`Transaction`](crate::Transaction) calls: something of the transaction with this number, and of no other. What is
    /// returned is of [`GuardCall::Prepare`].
    ///
    /// # Errors
    /// As the call of the producer. `IllegalState` where the transaction is over, or another one has begun since.
    fn call_of_guard(&self, number: Option<u64>, call: GuardCall) -> Result<Option<PreparedTxnState>, Error> {
        let _ = number;
        match call {
            GuardCall::Prepare => return self.prepare_transaction().map(Some),
            GuardCall::Commit => self.commit_transaction()?,
            GuardCall::Abort | GuardCall::Abandon => self.abort_transaction()?,
            GuardCall::Add | GuardCall::Leave => {}
        }
        Ok(None)
    }

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

/// What a guard asks of its producer: [`Producer::call_of_guard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardCall {
    /// Whether something may be added to the transaction: it is not over. What is added follows by a call of its own.
    Add,
    /// `commit_transaction`.
    Commit,
    /// `prepare_transaction`.
    Prepare,
    /// `abort_transaction`.
    Abort,
    /// The guard is dropped: aborts, and does nothing, without an error, where the transaction is over, is prepared, or is being
    /// ended by another call. In a callback, where nothing may be waited for, the abort only begins, and
    /// [`Producer::begin_for_guard`] waits for it.
    Abandon,
    /// The guard is gone, and the commit or preparation that it has called is still under way. Where the same call of the
    /// producer's then says that the transaction has to be aborted, that begins by itself, and `abort_transaction` and
    /// `begin_for_guard` wait for it. Does not block.
    Leave,
}

/// Passes every call on: to a method of the same name that `$to` has when `$self` is the producer.
macro_rules! pass_on {
    ($self:ident => $to:expr) => {
        fn flush(&$self) -> Result<(), Error> {
            $to.flush()
        }

        fn flush_timeout(&$self, timeout: Duration) -> Result<(), Error> {
            $to.flush_timeout(timeout)
        }

        fn metrics(&$self) -> Metrics {
            $to.metrics()
        }

        fn client_instance_id(&$self, timeout: Duration) -> Result<Uuid, Error> {
            $to.client_instance_id(timeout)
        }

        fn partitions_for(&$self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
            $to.partitions_for(topic)
        }

        fn init_transactions(&$self) -> Result<(), Error> {
            $to.init_transactions()
        }

        fn init_transactions_keeping_prepared(&$self) -> Result<Option<PreparedTxnState>, Error> {
            $to.init_transactions_keeping_prepared()
        }

        fn prepare_transaction(&$self) -> Result<PreparedTxnState, Error> {
            $to.prepare_transaction()
        }

        fn complete_transaction(&$self, prepared: &PreparedTxnState) -> Result<(), Error> {
            $to.complete_transaction(prepared)
        }

        fn begin_transaction(&$self) -> Result<(), Error> {
            $to.begin_transaction()
        }

        fn send_offsets_to_transaction(
            &$self,
            offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
            group: &ConsumerGroupMetadata,
        ) -> Result<(), Error> {
            $to.send_offsets_to_transaction(offsets, group)
        }

        fn commit_transaction(&$self) -> Result<(), Error> {
            $to.commit_transaction()
        }

        fn abort_transaction(&$self) -> Result<(), Error> {
            $to.abort_transaction()
        }

        fn close(&$self) -> Result<(), Error> {
            $to.close()
        }

        fn close_timeout(&$self, timeout: Duration) -> Result<CloseReport, Error> {
            $to.close_timeout(timeout)
        }
    };
}

/// The same for what is behind a reference, an `Arc`, a `Box`.
macro_rules! producer_behind {
    ($pointer:ty) => {
        impl<K: ?Sized + 'static, V: ?Sized + 'static, P: Producer<K, V> + ?Sized> Producer<K, V> for $pointer {
            fn send_view(
                &self,
                record: RecordView<'_, K, V>,
                callback: Option<Callback>,
            ) -> Result<RecordFuture, Error> {
                (**self).send_view(record, callback)
            }

            fn try_send_view(&self, record: RecordView<'_, K, V>) -> Result<RecordFuture, Error> {
                (**self).try_send_view(record)
            }

            fn begin_for_guard(&self) -> Result<Option<u64>, Error> {
                (**self).begin_for_guard()
            }

            fn call_of_guard(
                &self,
                number: Option<u64>,
                call: GuardCall,
            ) -> Result<Option<PreparedTxnState>, Error> {
                (**self).call_of_guard(number, call)
            }

            pass_on!(self => (**self));
        }
    };
}

producer_behind!(&P);
producer_behind!(Arc<P>);
producer_behind!(Box<P>);

/// The inherent methods are the nearer ones, so nothing calls itself here.
impl<K: ?Sized + 'static, V: ?Sized + 'static> Producer<K, V> for KafkaProducer<K, V> {
    fn send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        self.send(record)
    }

    fn send_and_forget<By>(&self, record: impl AsRecord<K, V, By>) -> Result<(), Error> {
        self.send_and_forget(record)
    }

    fn send_with_callback<By>(
        &self,
        record: impl AsRecord<K, V, By>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, Error> {
        self.send_with_callback(record, callback)
    }

    fn try_send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        self.try_send(record)
    }

    fn send_view(
        &self,
        record: RecordView<'_, K, V>,
        callback: Option<Callback>,
    ) -> Result<RecordFuture, Error> {
        self.core.do_send(record, OwnCallback::new(callback), self.core.block_budget()).map(RecordFuture::new)
    }

    fn try_send_view(&self, record: RecordView<'_, K, V>) -> Result<RecordFuture, Error> {
        self.core.do_send(record, NoCallback, BlockBudget::nothing()).map(RecordFuture::new)
    }

    fn begin_for_guard(&self) -> Result<Option<u64>, Error> {
        self.core.begin_for_guard().map(Some)
    }

    fn call_of_guard(&self, number: Option<u64>, call: GuardCall) -> Result<Option<PreparedTxnState>, Error> {
        self.core.call_of_guard(number, call)
    }

    pass_on!(self => self);
}
