//! `Transaction`: an open transaction as a value: committed by a call that consumes it, aborted where it is dropped.
//!
//! Owns: that a transaction which was begun here is ended, and no other one. Must not know: how; the producer's own calls do that.
//! Holds: it is ended once. A commit that is still under way when its time is over is left to
//! `commit_transaction`, which takes it up.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use crate::completion::RecordFuture;
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::producer::KafkaProducer;
use crate::producer::interface::{GuardCall, Producer};
use crate::record::{AsRecord, RecordMetadata};
use crate::transaction::{PreparedTxnState, is_under_way};

/// An open transaction: [`KafkaProducer::begin`]. What is sent through it is committed together by [`commit`](Self::commit),
/// or not at all: if it is dropped without a commit, by an early return, a `?` or a panic, it is aborted.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord};
///
/// fn transfer(
///     producer: &KafkaProducer<str, str>,
///     from: &str,
///     to: &str,
/// ) -> Result<(), Error> {
///     let transaction = producer.begin()?;
///     transaction.send(ProducerRecord::new("accounts", "-10").with_key(from))?;
///     transaction.send(ProducerRecord::new("accounts", "+10").with_key(to))?;
///     transaction.commit()
/// }
///
/// let cluster = EmbeddedCluster::builder().topic("accounts", 3).start()?;
/// let config = ProducerConfig::new()
///     .bootstrap_servers(&cluster.bootstrap_servers())
///     .transactional_id("transfers");
/// let producer =
///     KafkaProducer::<str, str>::builder(config).default_serializers().build()?;
/// producer.init_transactions()?;
/// transfer(&producer, "ann", "bob")?;
/// assert_eq!(cluster.committed_records("accounts").len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Beside the producer's own calls it stays with its transaction: where that was ended by
/// [`commit_transaction`](KafkaProducer::commit_transaction) or [`abort_transaction`](KafkaProducer::abort_transaction), each of its
/// calls is an `IllegalState` that says so, and its drop does nothing, whichever transaction has begun since.
///
/// Threads may share it by reference. Only one transaction of a producer is open at a time: one after the other, or several
/// producers with a `transactional.id` each.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'p, K, V, P = KafkaProducer<K, V>>
where
    K: ?Sized + 'static,
    V: ?Sized + 'static,
    P: Producer<K, V> + ?Sized,
{
    producer: &'p P,
    /// Of the transaction, by the producer's count.
    number: Option<u64>,
    /// The call that ends it was made.
    is_over: bool,
    records: PhantomData<fn(&K, &V)>,
}

impl<'p, K, V, P> Transaction<'p, K, V, P>
where
    K: ?Sized + 'static,
    V: ?Sized + 'static,
    P: Producer<K, V> + ?Sized,
{
    /// Opens a transaction of any producer. For a [`KafkaProducer`] its own [`begin`](KafkaProducer::begin), which does the same, is
    /// shorter.
    ///
    /// Does not block, unless an abort of the transaction before has to be waited for: see there.
    ///
    /// # Errors
    /// As there.
    pub fn begin(producer: &'p P) -> Result<Self, Error> {
        let number = producer.begin_for_guard()?;
        Ok(Transaction { producer, number, is_over: false, records: PhantomData })
    }

    /// Sends a record in this transaction: [`KafkaProducer::send`].
    ///
    /// # Errors
    /// As there. If the error [requires an abort](Error::requires_abort), the transaction cannot be committed: drop it.
    /// `IllegalState` where the transaction is over.
    pub fn send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error>
    where
        P: Sized,
    {
        self.call(GuardCall::Add)?;
        self.producer.send(record)
    }

    /// The same where nobody asks for the outcome, which `commit` tells of all records: [`KafkaProducer::send_and_forget`].
    ///
    /// # Errors
    /// As `send`.
    pub fn send_and_forget<By>(&self, record: impl AsRecord<K, V, By>) -> Result<(), Error>
    where
        P: Sized,
    {
        self.call(GuardCall::Add)?;
        self.producer.send_and_forget(record)
    }

    /// The same with a callback: [`KafkaProducer::send_with_callback`].
    ///
    /// # Errors
    /// As `send`.
    pub fn send_with_callback<By>(
        &self,
        record: impl AsRecord<K, V, By>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, Error>
    where
        P: Sized,
    {
        self.call(GuardCall::Add)?;
        self.producer.send_with_callback(record, callback)
    }

    /// Commits offsets of a consumer group with this transaction: [`KafkaProducer::send_offsets_to_transaction`].
    ///
    /// # Errors
    /// As there.
    pub fn send_offsets(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        self.call(GuardCall::Add)?;
        self.producer.send_offsets_to_transaction(offsets, group)
    }

    /// Commits it: [`KafkaProducer::commit_transaction`], which says what the errors mean.
    ///
    /// # Errors
    /// As there. Where the error requires an abort, that is done before this returns: begin another one. Where it is
    /// retriable or `Interrupted` the commit is still under way: call [`KafkaProducer::commit_transaction`] until it is over.
    /// Where that then requires an abort, it has begun by itself, and the next [`KafkaProducer::begin`] waits for it.
    /// In a callback it is aborted, as by a drop. `IllegalState` where the producer's own calls have ended it before: whoever made
    /// them was told how.
    pub fn commit(mut self) -> Result<(), Error> {
        let committed = self.call(GuardCall::Commit);
        self.end(&committed);
        committed.map(drop)
    }

    /// Prepares it for a two-phase commit: [`KafkaProducer::prepare_transaction`]. From then on it is the producer's:
    /// [`KafkaProducer::complete_transaction`] ends it, and nothing is aborted by a drop.
    ///
    /// # Errors
    /// As there. Where the error requires an abort, that is done before this returns. Where it is retriable or `Interrupted`
    /// it is still under way: call [`KafkaProducer::prepare_transaction`] until it is over; where that then requires an abort,
    /// it has begun by itself. `IllegalState` also where the transaction is over.
    pub fn prepare(mut self) -> Result<PreparedTxnState, Error> {
        let prepared = self.call(GuardCall::Prepare);
        self.end(&prepared);
        prepared.map(Option::unwrap_or_default)
    }

    /// Aborts it, and says what came of that: [`KafkaProducer::abort_transaction`].
    ///
    /// # Errors
    /// As there. In a callback it is aborted all the same, as by a drop. `IllegalState` where it is over already.
    pub fn abort(mut self) -> Result<(), Error> {
        let aborted = self.call(GuardCall::Abort);
        self.end(&aborted);
        aborted.map(drop)
    }

    fn call(&self, call: GuardCall) -> Result<Option<PreparedTxnState>, Error> {
        self.producer.call_of_guard(self.number, call)
    }

    /// A call has ended the transaction, or still does; else what is left of it is aborted by the drop.
    fn end<T>(&mut self, outcome: &Result<T, Error>) {
        if outcome.as_ref().is_err_and(is_under_way) {
            // It has no error.
            let _ = self.call(GuardCall::Leave);
            self.is_over = true;
        } else {
            self.is_over = outcome.is_ok();
        }
    }
}

/// Aborts what was not committed, if it is not over, prepared or being ended by another call. Blocks at most `max.block.ms`; what
/// is not over then is taken up by the next [`KafkaProducer::begin`]. In a callback, where nothing may be waited for, the abort
/// only begins, and that `begin` waits for it. Errors are logged.
impl<K, V, P> Drop for Transaction<'_, K, V, P>
where
    K: ?Sized + 'static,
    V: ?Sized + 'static,
    P: Producer<K, V> + ?Sized,
{
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        match self.call(GuardCall::Abandon) {
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::Forked | ErrorKind::Closed) || error.is_fatal() =>
            {
                logging::debug!("dropping a transaction: {error}");
            }
            Err(error) => logging::warn!(labels: error.labels(), "dropping a transaction: {error}"),
        }
    }
}

impl<K, V, P> fmt::Debug for Transaction<'_, K, V, P>
where
    K: ?Sized + 'static,
    V: ?Sized + 'static,
    P: Producer<K, V> + ?Sized,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Opens a transaction, as [`begin_transaction`](Self::begin_transaction), and gives a guard of it: it aborts the
    /// transaction where it is dropped without being committed.
    ///
    /// Does not block, unless a guard's abort was not over in its time, or was begun where nothing waits for it (in a callback;
    /// by a commit that failed after its guard was gone): then that is waited for, at most `max.block.ms`.
    ///
    /// # Errors
    /// As `begin_transaction`; and as [`abort_transaction`](Self::abort_transaction) where one is waited for.
    pub fn begin(&self) -> Result<Transaction<'_, K, V>, Error> {
        Transaction::begin(self)
    }
}
