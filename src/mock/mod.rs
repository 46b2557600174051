//! `MockProducer`: a producer for unit tests. It has no thread and no brokers; the test decides the outcomes.
//!
//! Owns: what was sent, what is not answered yet, offsets, the refusals. Must not know: batches, requests, settings.
//! Threads: any. Serializers and partitioner run on the thread that sends, callbacks on the one that completes.
//! Locks: one, for the state; no user code under it, a callback may send.
//! Holds: an accepted record is answered exactly once, in the order of `send`; a refused one leaves no trace. What becomes
//! of a record is decided under the lock; one thread at a time tells it, in the order of the decisions, and goes on until
//! nothing is left to tell: other threads that decided something wait for it, unless they are in a callback.
//! Source: Kafka's `MockProducer`.

mod mock_builder;
mod mock_calls;
mod mock_transactions;
mod sent_record;
mod state;
mod topics;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::catch_panic::catch_panic;
use crate::cluster::{Cluster, PartitionInfo};
use crate::completion::{
    BatchCompletion, Callback, CallbackSlot, Completion, NoCallback, OwnCallback, ProducerToken, RecordFacts,
    RecordFuture, as_sender_thread, is_in_callback, is_sender_thread, not_in_callback,
};
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::interceptor::Outgoing;
use crate::interrupt::{self, Wait};
use crate::mailbox::Mailbox;
use crate::metadata::check_topic;
use crate::metrics::Metrics;
use crate::mock::sent_record::{Copies, Copying};
use crate::mock::state::{Decided, MockState, Outstanding};
use crate::mock::topics::MockTopics;
use crate::partitioner::partition_for_key;
use crate::producer::{
    CloseReport, GuardCall, MOMENT, Plugins, Producer, Scratch, check_record, no_such_partition,
};
use crate::record::{RecordView, TopicName};
use crate::record_batch::RecordParts;
use crate::stage;
use crate::transaction::PreparedTxnState;

pub use mock_builder::MockProducerBuilder;
pub use sent_record::SentRecord;

/// A [`Producer`] for unit tests: it sends nothing, remembers everything, and answers as the test wants it to.
///
/// A program that asks for `&impl Producer<K, V>` takes a `KafkaProducer` when it runs and a `MockProducer` in its
/// tests. The mock serializes, chooses partitions and refuses records as the real one does, with the same errors; there
/// is no thread, no socket and no wait. Handles are cheap to clone, for the program under test and for the test.
///
/// ```
/// use kafka_producer::{
///     Error, ErrorKind, MockProducer, Producer, ProducerRecord, StringSerializer,
///     serialize_with,
/// };
///
/// // The program.
///
/// #[derive(Clone)]
/// struct Order {
///     customer: String,
///     item: String,
/// }
///
/// fn place(producer: &impl Producer<str, Order>, order: &Order) -> Result<(), Error> {
///     producer
///         .send(ProducerRecord::new("orders", order).with_key(order.customer.as_str()))?
///         .get()?;
///     Ok(())
/// }
///
/// // Its test.
///
/// let serializer = serialize_with(|order: &Order, out: &mut Vec<u8>| {
///     out.extend_from_slice(order.item.as_bytes());
///     Ok::<(), std::convert::Infallible>(())
/// });
/// let producer =
///     MockProducer::builder(StringSerializer, serializer).topic("orders", 6).build();
///
/// let order = Order { customer: "customer-7".into(), item: "two apples".into() };
/// place(&producer, &order)?;
///
/// let history = producer.history();
/// assert_eq!(history.len(), 1);
/// assert_eq!((history[0].topic(), history[0].partition()), ("orders", 1));
/// assert_eq!(history[0].key(), Some("customer-7"));
/// assert_eq!(history[0].value().unwrap().item, "two apples");
/// assert_eq!(history[0].serialized_value(), Some(&b"two apples"[..]));
///
/// // And what if Kafka cannot be reached?
/// producer.fail_sends_with(Error::new(ErrorKind::Timeout, "no brokers"));
/// assert!(place(&producer, &order).unwrap_err().is_retriable());
/// assert_eq!(producer.history().len(), 1);
/// # Ok::<(), Error>(())
/// ```
///
/// **Outcomes.** Each record is acknowledged at once, at the next offset of its partition, before `send` returns; or,
/// with [`auto_complete(false)`](MockProducerBuilder::auto_complete), when the test says so. `get` waits until then, so a
/// test of one thread calls [`complete_next`](MockProducer::complete_next) before `get`. `flush`, `close` and the drop of
/// the last handle acknowledge what is outstanding; `close_timeout` with 0 fails it, as in the real producer.
///
/// **Callbacks** run one at a time and in the order of `send`, on the thread that completes the record (the one that calls
/// `send`, `complete_next`, `error_next`, `fence`, `flush` or `close`), or on the one whose callback runs at that moment;
/// the call returns when they have returned. What holds in a callback of the real producer holds here as well: `flush`,
/// `partitions_for` and a `get` that would wait are errors, `close` does not wait. A record that is sent in a callback is
/// completed after that callback has returned.
///
/// **Topics** all exist; see [`MockProducerBuilder::topic`] for their partitions. A record that names a partition which
/// its topic does not have is refused with [`UnknownTopicOrPartition`](ErrorKind::UnknownTopicOrPartition), without
/// waiting. Records without a key go to a random partition, as in the real producer: a test should not expect a certain one.
///
/// **Not there**: settings and their limits. No record is too large, and the buffer is never full.
pub struct MockProducer<K: ?Sized + 'static, V: ?Sized + 'static> {
    mock: Arc<Mock<K, V>>,
}

struct Mock<K: ?Sized + 'static, V: ?Sized + 'static> {
    plugins: Plugins<K, V>,
    /// None: the history has bytes only.
    copying: Option<(Copying<K>, Copying<V>)>,
    auto_complete: bool,
    token: ProducerToken,
    /// For those who wait for outcomes.
    mailbox: Arc<Mailbox>,
    state: Mutex<MockState<K, V>>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockProducer<K, V> {
    /// The records that were accepted since the last [`clear`](Self::clear), in the order of `send`, those that failed
    /// included.
    pub fn history(&self) -> Vec<SentRecord<K, V>> {
        let state = self.mock.state.lock();
        state.history.get(..state.settled_records()).unwrap_or_default().to_vec()
    }

    /// Forgets the history. Offsets continue, and records without an outcome keep waiting for one.
    pub fn clear(&self) {
        let mut state = self.mock.state.lock();
        state.transactions.forget_history();
        let forgotten = std::mem::take(&mut state.history);
        drop(state);
        drop(forgotten); // not under the lock: it is the user's
    }

    /// How many records were accepted and are not answered yet. 0 after `flush`.
    pub fn outstanding(&self) -> usize {
        let state = self.mock.state.lock();
        state.outstanding.len() + state.untold().len()
    }

    /// Acknowledges the earliest record that is outstanding, and runs its callback; false if there is none. In a callback
    /// it does not wait: the other one is run afterwards.
    pub fn complete_next(&self) -> bool {
        self.mock.answer_next(None)
    }

    /// Fails the earliest record that is outstanding, and runs its callback, as `complete_next` does; false if there is
    /// none. The record takes no offset. Topic and partition are added to the error; [`Error::new`] and
    /// [`Error::from_code`] make errors for this.
    pub fn error_next(&self, error: Error) -> bool {
        self.mock.answer_next(Some(error))
    }

    /// Makes every `send` fail with this error from now on: the record is not accepted, and comes back. Ends with
    /// [`accept_sends`](Self::accept_sends). As with the real producer, a transaction in which a record is refused (other than
    /// by its serializer or partitioner) can only be aborted.
    pub fn fail_sends_with(&self, error: Error) {
        self.mock.set_send_error(Some(error));
    }

    /// Ends [`fail_sends_with`](Self::fail_sends_with).
    pub fn accept_sends(&self) {
        self.mock.set_send_error(None);
    }

    /// Another producer with a newer epoch has taken over: what is outstanding fails, and so does every later `send`,
    /// with a fatal error of kind [`Fenced`](ErrorKind::Fenced).
    pub fn fence(&self) {
        let error = Error::from_code(ErrorCode::PRODUCER_FENCED, None).with_fatal();
        let mut state = self.mock.state.lock();
        state.fatal.get_or_insert_with(|| error.clone());
        state.decide_all(Some(&error));
        let untold = state.untold();
        drop(state);
        self.mock.tell();
        self.mock.await_all(&untold);
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.mock.state.lock().closed
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Producer<K, V> for MockProducer<K, V> {
    /// Never blocks.
    fn send_view(
        &self,
        record: RecordView<'_, K, V>,
        callback: Option<Callback>,
    ) -> Result<RecordFuture, Error> {
        self.mock.send(record, OwnCallback::new(callback))
    }

    /// The same: nothing blocks.
    fn try_send_view(&self, record: RecordView<'_, K, V>) -> Result<RecordFuture, Error> {
        self.mock.send(record, NoCallback)
    }

    /// Acknowledges everything that was outstanding at the call, and waits for callbacks that other threads run.
    fn flush(&self) -> Result<(), Error> {
        self.mock.flush(None)
    }

    /// The same, but waits for callbacks no longer than `timeout`.
    fn flush_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.mock.flush(Some(timeout))
    }

    /// None: nothing is measured.
    fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        not_in_callback("partitions_for()")?;
        let topic = TopicName::from(topic);
        check_topic(&topic)?;
        let cluster = self.mock.cluster_with(&topic)?;
        Ok(cluster.topic(&topic).map(|info| info.partitions.clone()).unwrap_or_default())
    }

    /// Acknowledges everything that is outstanding, and waits for callbacks that other threads run.
    fn init_transactions(&self) -> Result<(), Error> {
        self.mock.init_transactions()
    }

    fn init_transactions_keeping_prepared(&self) -> Result<Option<PreparedTxnState>, Error> {
        self.mock.init_transactions_keeping_prepared()
    }

    fn prepare_transaction(&self) -> Result<PreparedTxnState, Error> {
        self.mock.prepare_transaction(None)
    }

    fn complete_transaction(&self, prepared: &PreparedTxnState) -> Result<(), Error> {
        self.mock.complete_transaction(prepared)
    }

    fn begin_transaction(&self) -> Result<(), Error> {
        self.mock.begin_transaction().map(drop)
    }

    fn send_offsets_to_transaction(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        self.mock.send_offsets(offsets, group)
    }

    fn commit_transaction(&self) -> Result<(), Error> {
        self.mock.commit_transaction(None)
    }

    fn abort_transaction(&self) -> Result<(), Error> {
        self.mock.abort_transaction(None)
    }

    fn begin_for_guard(&self) -> Result<Option<u64>, Error> {
        self.mock.begin_for_guard().map(Some)
    }

    fn call_of_guard(&self, number: Option<u64>, call: GuardCall) -> Result<Option<PreparedTxnState>, Error> {
        self.mock.call_of_guard(number, call)
    }

    fn close(&self) -> Result<(), Error> {
        self.mock.close(None).map(drop)
    }

    /// Acknowledges everything that is outstanding; with 0 it fails with [`Closed`](ErrorKind::Closed).
    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport, Error> {
        self.mock.close(Some(timeout))
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Mock<K, V> {
    fn new(
        plugins: Plugins<K, V>,
        copying: Option<(Copying<K>, Copying<V>)>,
        topics: MockTopics,
        auto_complete: bool,
    ) -> Self {
        Mock {
            plugins,
            copying,
            auto_complete,
            token: ProducerToken::next(),
            mailbox: Arc::new(Mailbox::unread(stage::now())),
            state: Mutex::new(MockState::new(topics)),
        }
    }

    /// A record that is refused makes its transaction fail, as in the real producer.
    fn send(&self, record: RecordView<'_, K, V>, callback: impl CallbackSlot) -> Result<RecordFuture, Error> {
        self.try_to_send(record, callback).map_err(|error| self.state.lock().transactions.send_failed(error))
    }

    /// The steps of the real producer's `send`, in its order.
    fn try_to_send(
        &self,
        record: RecordView<'_, K, V>,
        callback: impl CallbackSlot,
    ) -> Result<RecordFuture, Error> {
        self.state.lock().check_accepts()?;
        let mut headers = record.headers().clone();
        let outgoing = Outgoing::new(record, &mut headers);
        let (topic, explicit) = (&TopicName::from(record.topic()), record.partition());
        check_record(&outgoing)?;
        check_topic(topic)?;
        let cluster = self.cluster_with(topic)?;
        let partition_count = cluster.partition_count(topic).unwrap_or_default();
        if let Some(partition) = explicit.filter(|partition| !exists(*partition, partition_count)) {
            return Err(not_in_metadata(topic, partition, partition_count));
        }
        let mut scratch = Scratch::default();
        let parts = self.plugins.serialize(topic, outgoing, &mut scratch)?;
        let partition = match explicit {
            Some(partition) => partition,
            None => self.choose_partition(topic, &parts, &cluster)?,
        };
        let copies = match self.copying {
            Some((copy_key, copy_value)) => {
                Copies { key: record.key().map(copy_key), value: record.value().map(copy_value) }
            }
            None => Copies { key: None, value: None },
        };
        self.accept(SentRecord::new(topic.clone(), partition, &parts, copies), callback)
    }

    fn flush(&self, timeout: Option<Duration>) -> Result<(), Error> {
        not_in_callback("flush()")?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.state.lock();
        state.decide_all(None);
        let untold = state.untold();
        drop(state);
        self.tell();
        for batch in untold {
            match batch.wait(deadline) {
                Wait::Interrupted => return Err(Error::interrupted("flush")),
                Wait::TimedOut => {
                    return Err(Error::new(ErrorKind::Timeout, "flush: a callback is still running"));
                }
                Wait::Ready(_) | Wait::Disconnected => {}
            }
        }
        Ok(())
    }

    fn choose_partition(
        &self,
        topic: &TopicName,
        parts: &RecordParts<'_>,
        cluster: &Arc<Cluster>,
    ) -> Result<i32, Error> {
        let partition_count = cluster.partition_count(topic).unwrap_or_default();
        match (self.plugins.partition(topic, parts, || Ok(Arc::clone(cluster))), parts.key) {
            (Some(Ok(chosen)), _) if !exists(chosen, partition_count) => {
                Err(no_such_partition(topic, partition_count, chosen))
            }
            (Some(chosen), _) => chosen,
            (None, Some(key)) => Ok(partition_for_key(key, partition_count)),
            (None, None) => Ok(self.state.lock().topics.keyless_partition(topic, parts.upper_bound())),
        }
    }

    /// Takes the record, and acknowledges it unless that is for the test to do. In a callback it is told later, when that
    /// one has returned, as in the real producer.
    fn accept(&self, sent: SentRecord<K, V>, mut callback: impl CallbackSlot) -> Result<RecordFuture, Error> {
        let (topic, partition) = (sent.topic_name().clone(), sent.partition());
        let (key, value) = (sent.serialized_key(), sent.serialized_value());
        let facts = RecordFacts::new(0, sent.timestamp(), key, value);
        let mut completion =
            Completion::new(Arc::clone(&self.mailbox), Arc::default(), topic.clone().into(), partition, 0);
        let mut state = self.state.lock();
        if let Err(error) = state.check_accepts() {
            drop(state);
            completion.cancel();
            return Err(error);
        }
        state.history.push(sent);
        let own = Arc::clone(completion.shared());
        let future = RecordFuture::new((completion.record(facts, &mut callback), facts));
        state.outstanding.push_back(Outstanding { topic, partition, completion });
        if self.auto_complete {
            state.decide_all(None);
            drop(state);
            self.tell();
            self.await_all(&[own]);
        }
        Ok(future)
    }

    fn cluster_with(&self, topic: &TopicName) -> Result<Arc<Cluster>, Error> {
        let mut state = self.state.lock();
        state.check_usable()?;
        Ok(state.topics.cluster_with(topic))
    }

    /// Answers the earliest record: with this error, or as acknowledged. False if there is none.
    fn answer_next(&self, error: Option<Error>) -> bool {
        let decided = self.state.lock().decide_next(error);
        let Some(batch) = decided else { return false };
        self.tell();
        self.await_all(&[batch]);
        true
    }

    /// Tells what is decided, unless a thread is at it, which then tells this as well.
    fn tell(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.telling, true) {
            return;
        }
        loop {
            let (told, next) = (state.told_now.take(), state.decided.pop_front());
            match &next {
                Some(Decided::Outcome(record, _)) => {
                    state.told_now = Some(Arc::clone(record.completion.shared()));
                }
                Some(Decided::End(_)) => {}
                None => state.telling = false,
            }
            drop(state);
            // Not under the lock: the source of an error may be the user's, and may panic at its end.
            catch_panic(|| drop(told));
            match next {
                Some(Decided::Outcome(record, outcome)) => {
                    as_sender_thread(self.token, true, || record.completion.settle(outcome));
                }
                Some(Decided::End(open)) => {
                    as_sender_thread(self.token, false, || self.plugins.close());
                    drop(open);
                }
                None => return,
            }
            state = self.state.lock();
        }
    }

    /// Whether this thread may wait for what another one tells.
    fn may_wait(&self) -> bool {
        !is_in_callback() && !is_sender_thread(self.token)
    }

    /// Waits until these are told, for calls that know no interrupt.
    fn await_all(&self, batches: &[Arc<BatchCompletion>]) {
        if self.may_wait() {
            batches.iter().for_each(|batch| batch.wait_uninterrupted());
        }
    }

    fn set_send_error(&self, error: Option<Error>) {
        let old = std::mem::replace(&mut self.state.lock().send_error, error);
        drop(old); // not under the lock: its source may be the user's
    }

    /// Closes; acknowledges what is outstanding, or abandons it where there is no time.
    fn close(&self, timeout: Option<Duration>) -> Result<CloseReport, Error> {
        let abandon = is_sender_thread(self.token) || timeout.is_some_and(|timeout| timeout.is_zero());
        let closed =
            Error::new(ErrorKind::Closed, "the producer was closed before the record was acknowledged");
        let mut state = self.state.lock();
        state.closed = true;
        let answered = state.decide_all(abandon.then_some(&closed));
        let end = state.end();
        drop(state);
        self.tell();
        let (delivered, abandoned) = if abandon { (0, answered) } else { (answered, 0) };
        let mut report = CloseReport { delivered, abandoned, ..CloseReport::default() };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout.saturating_add(MOMENT)));
        let waited = if self.may_wait() { interrupt::wait(&end, deadline) } else { Wait::TimedOut };
        match waited {
            Wait::Interrupted => return Err(Error::interrupted("close")),
            Wait::TimedOut => {
                let state = self.state.lock();
                report.unanswered = state.untold().len() as u64;
                report.callback_running = state.telling;
            }
            Wait::Disconnected => {}
            Wait::Ready(never) => match never {},
        }
        Ok(report)
    }
}

fn exists(partition: i32, partition_count: usize) -> bool {
    usize::try_from(partition).is_ok_and(|partition| partition < partition_count)
}

fn not_in_metadata(topic: &TopicName, partition: i32, partition_count: usize) -> Error {
    let has = Counted(partition_count, "partition");
    let text = format!(
        "partition {partition} not present in metadata, the topic has {has}; MockProducerBuilder::topic gives it more"
    );
    Error::new(ErrorKind::UnknownTopicOrPartition, text).with_topic(topic)
}

/// The last handle closes, as that of the real producer does.
impl<K: ?Sized + 'static, V: ?Sized + 'static> Drop for Mock<K, V> {
    fn drop(&mut self) {
        // An interrupt ends the wait for what nobody else can be telling.
        let _ = self.close(None);
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Clone for MockProducer<K, V> {
    fn clone(&self) -> Self {
        MockProducer { mock: Arc::clone(&self.mock) }
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> fmt::Debug for MockProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.mock.state.lock();
        f.debug_struct("MockProducer")
            .field("sent", &state.history.len())
            .field("outstanding", &state.outstanding.len())
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}
