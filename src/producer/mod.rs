//! `KafkaProducer`: the caller's room.
//!
//! Owns: the public calls, and what each waits for. Must not know: batches, requests, connections.
//! Threads: every call on any application thread, through `&self`; handles are cheap to clone.
//! Holds: a record is either accepted, and then answered exactly once, or refused, and then leaves no trace.

// The documentation shows the calls of modules in the order in which these stand here, and then those of this file.
mod producer_builder;

mod transaction_guard;
mod transactions;

mod metrics;

mod client_instance_id;

mod close_report;
mod interface;
mod plugins;
mod reporting;
mod send;
mod wait_all;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::channel::Receiver;

use crate::accumulator::{BlockBudget, RecordAccumulator};
use crate::cluster::PartitionInfo;
use crate::completion::{
    NoCallback, OwnCallback, ProducerToken, RecordFuture, is_in_callback, is_sender_thread, not_in_callback,
};
use crate::config::Settings;
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::interceptor::Interceptors;
use crate::interrupt::{self, Wait};
use crate::lifecycle::CloseDeadline;
use crate::logging;
use crate::mailbox::{Event, PendingFlush};
use crate::metadata::{Metadata, check_topic};
use crate::network::ChannelBuilder;
use crate::origin::Origin;
use crate::producer::reporting::Reporting;
use crate::record::{AsRecord, RecordMetadata, TopicName};
use crate::sender::Control;
use crate::stage;

pub use close_report::CloseReport;
pub use interface::Producer;
pub(crate) use plugins::{Plugins, Scratch, check_record, no_such_partition};
#[cfg(all(any(test, feature = "simulation"), not(loom)))]
pub(crate) use producer_builder::CloseParts;
pub use producer_builder::KafkaProducerBuilder;
#[cfg(not(loom))]
pub(crate) use producer_builder::Running;
pub use transaction_guard::Transaction;
pub(crate) use transactions::check_offsets;
pub use wait_all::{Outcomes, wait_all};

/// Sends records to Kafka: from any thread, without an async runtime, without polling by the caller.
///
/// `K` and `V` are the types that the serializers accept; a record's key and value may be any type that borrows as them, or a
/// reference to one ([`Payload`](crate::Payload)). A `KafkaProducer<str, [u8]>` takes `&str` and `String` keys, `&[u8]` and
/// `Vec<u8>` values. Cloning a producer makes another handle to the same one; dropping the last handle closes it.
///
/// One producer is one OS thread, however many brokers there are. That thread batches, sends, retries, and runs the
/// callbacks.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 6).start()?; // or a real one
/// let config = ProducerConfig::new()
///     .bootstrap_servers(&cluster.bootstrap_servers())
///     .key_serializer("StringSerializer")
///     .value_serializer("StringSerializer");
/// let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
///
/// let future =
///     producer.send(ProducerRecord::new("orders", "two apples").with_key("customer-7"))?;
/// assert_eq!(future.get()?.to_string(), "orders-1@0");
/// producer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KafkaProducer<K: ?Sized + 'static, V: ?Sized + 'static> {
    core: Arc<Core<K, V>>,
}

struct Core<K: ?Sized + 'static, V: ?Sized + 'static> {
    parts: Arc<ProducerParts<K, V>>,
    /// Where the sender thread is.
    process: Origin,
    settings: SendSettings,
    accumulator: Arc<RecordAccumulator>,
    metadata: Arc<Metadata>,
    control: Arc<Control>,
    thread: SenderThread,
    /// What new connections are made with.
    channels: Arc<dyn ChannelBuilder>,
    token: ProducerToken,
}

/// What is the user's. The sender thread has it as well, and closes it when everything is answered.
struct ProducerParts<K: ?Sized, V: ?Sized> {
    plugins: Plugins<K, V>,
    interceptors: Arc<Interceptors<K, V>>,
    /// None where nobody is reported to.
    reporting: Option<Reporting>,
}

impl<K: ?Sized, V: ?Sized> ProducerParts<K, V> {
    /// One that panics harms no other.
    fn close(&self) {
        self.interceptors.close();
        self.plugins.close();
        if let Some(reporting) = &self.reporting {
            reporting.end();
        }
    }
}

/// The settings that matter on the caller's thread.
struct SendSettings {
    max_block: Duration,
    max_request_size: usize,
    delivery_timeout: Duration,
    ignore_keys: bool,
    adaptive: bool,
    two_phase_commit: bool,
}

impl From<&Settings> for SendSettings {
    fn from(settings: &Settings) -> SendSettings {
        SendSettings {
            max_block: settings.max_block,
            max_request_size: settings.max_request_size_bytes,
            delivery_timeout: settings.delivery_timeout,
            ignore_keys: settings.partitioner_ignore_keys,
            adaptive: settings.partitioner_adaptive,
            two_phase_commit: settings.transaction_two_phase_commit_enable,
        }
    }
}

/// The sender thread as the handles see it.
pub(crate) struct SenderThread {
    /// Disconnects when the thread has ended.
    pub(crate) ended: Receiver<Infallible>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Sends a record: serializes it, chooses its partition, and puts it into that partition's batch. The sender
    /// thread does the rest; the future gives the outcome.
    ///
    /// The record is given by value or by reference: `send(&record)` leaves it with the caller, who can send it again,
    /// through this producer or another, or put it aside.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};
    ///
    /// fn place(
    ///     producer: &KafkaProducer<str, str>,
    ///     topic: &str,
    ///     customer: &str,
    ///     order: &String,
    /// ) -> Result<(), Error> {
    ///     producer.send(ProducerRecord::new(topic, order).with_key(customer))?;
    ///     Ok(())
    /// }
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let config = ProducerConfig::new()
    ///     .bootstrap_servers(&cluster.bootstrap_servers())
    ///     .max_request_size(1000);
    /// let producer =
    ///     KafkaProducer::<str, str>::builder(config).default_serializers().build()?;
    /// place(&producer, "orders", "customer-7", &String::from("two apples"))?;
    ///
    /// let record = ProducerRecord::new("orders", "apple ".repeat(1000));
    /// let refused = producer.send(&record).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::RecordTooLarge);
    /// std::fs::write(std::env::temp_dir().join("refused-order"), record.value())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Blocks in two cases, and for at most `max.block.ms` in both together: for the topic's metadata, when a topic is
    /// used for the first time, and for memory, while `buffer.memory` is full. In a callback, of this or any other
    /// producer, it never blocks.
    ///
    /// # Errors
    /// `Err` means that the record was **not accepted**: nothing was queued. By kind: `Serialization`, `Partitioning`,
    /// `Timeout` (metadata or memory, after `max.block.ms`), `UnknownTopicOrPartition`, `Interrupted`, `RecordTooLarge`,
    /// `InvalidRecord`, `InvalidTopic`, `Authentication`, `Authorization`, `UnsupportedVersion`, `Closed`, `WouldBlock` in
    /// a callback, `IllegalState` outside of a transaction when there is a `transactional.id`, `Forked` in a forked child,
    /// and whatever has ended this producer ([`is_fatal`](Error::is_fatal)).
    /// `Ok` means **accepted**: exactly one outcome follows, within `delivery.timeout.ms`.
    ///
    /// Java puts some of these errors into the future instead; here `send` returns all of them.
    #[doc(alias = "produce")]
    #[doc(alias = "rd_kafka_produce")]
    #[doc(alias = "publish")]
    #[doc(alias = "fire and forget")]
    pub fn send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        record.view(|record| self.core.do_send(record, NoCallback, self.core.block_budget()))
    }

    /// As [`send`](Self::send), and calls `callback` with the outcome.
    ///
    /// The callback runs on the sender thread, in the order of `send` for each partition, before `get` returns. It
    /// must be quick: while it runs nothing is sent. It may `send`, which then never blocks; calls that would wait for
    /// records of this or any other producer (`get`, `flush`) are an error there, since they would wait for ever. A callback
    /// that panics is logged, and the others run all the same. Nobody has to poll for callbacks to run.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// let (failures, failed) = std::sync::mpsc::channel();
    /// for order in ["two apples", "a pear"] {
    ///     let failures = failures.clone();
    ///     producer.send_with_callback(ProducerRecord::new("orders", order), move |outcome| {
    ///         if let Err(error) = outcome {
    ///             let _ = failures.send((order, error)); // handled on another thread
    ///         }
    ///     })?;
    /// }
    /// producer.flush()?; // both callbacks have run
    /// assert_eq!((failed.try_iter().count(), cluster.records("orders").len()), (0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As `send`; the callback is then dropped without being called.
    #[doc(alias = "delivery report")]
    #[doc(alias = "poll")]
    #[doc(alias = "rd_kafka_poll")]
    #[doc(alias = "dr_msg_cb")]
    #[doc(alias = "asynchronous")]
    pub fn send_with_callback<By>(
        &self,
        record: impl AsRecord<K, V, By>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, Error> {
        let callback = OwnCallback::new(Some(callback));
        record.view(|record| self.core.do_send(record, callback, self.core.block_budget()))
    }

    /// As [`send`](Self::send), but never blocks.
    ///
    /// # Errors
    /// As `send`, with [`WouldBlock`](ErrorKind::WouldBlock) where `send` would wait. The topic's metadata is then
    /// fetched all the same, so that trying again later works.
    #[doc(alias = "non-blocking")]
    #[doc(alias = "QUEUE_FULL")]
    pub fn try_send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        record.view(|record| self.core.do_send(record, NoCallback, BlockBudget::nothing()))
    }

    /// Sends everything that was accepted before this call, without waiting out `linger.ms`, and blocks until it is
    /// answered: at most `delivery.timeout.ms`, and as long as callbacks run. It does not wait for records that are sent
    /// meanwhile.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// for order in ["two apples", "a pear"] {
    ///     producer.send_with_callback(ProducerRecord::new("orders", order), |outcome| {
    ///         println!("{outcome:?}")
    ///     })?;
    /// }
    /// producer.flush()?; // both callbacks have run
    /// assert_eq!(cluster.records("orders").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Interrupted`](ErrorKind::Interrupted), and [`IllegalState`](ErrorKind::IllegalState) in a callback, of this or
    /// any other producer; [`Forked`](ErrorKind::Forked). A record that fails is no error of `flush`: its future and its
    /// callback have the outcome.
    #[doc(alias = "drain")]
    #[doc(alias = "rd_kafka_flush")]
    pub fn flush(&self) -> Result<(), Error> {
        self.core.timed(|calls| &mut calls.flush, || self.core.flush(None))
    }

    /// As [`flush`](Self::flush), but blocks no longer than `timeout`. What is not answered by then goes on its way.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{Api, EmbeddedCluster};
    /// use kafka_producer::{ErrorKind, KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// cluster.delay(Api::Produce, Duration::from_millis(300), 1); // a slow broker
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    ///
    /// let future = producer.send(ProducerRecord::new("orders", "two apples"))?;
    /// let late = producer.flush_timeout(Duration::from_millis(50)).unwrap_err();
    /// assert_eq!((late.kind(), producer.in_flight()), (ErrorKind::Timeout, 1));
    ///
    /// producer.flush_timeout(Duration::from_secs(60))?;
    /// assert_eq!((future.get()?.offset(), producer.in_flight()), (Some(0), 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As `flush`, and [`Timeout`](ErrorKind::Timeout).
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.core.timed(|calls| &mut calls.flush, || self.core.flush(Some(timeout)))
    }

    /// How many records were accepted and have no outcome yet, whether they are queued or on their way to a broker. Does
    /// not block; it looks at each partition that has such records.
    #[doc(alias = "outq_len")]
    #[doc(alias = "queued")]
    pub fn in_flight(&self) -> u64 {
        if self.core.process.is_another_process() { 0 } else { self.core.unanswered() }
    }

    /// How many bytes of `buffer.memory` are taken by records that have no outcome yet. Batches reserve memory before they
    /// are full, so this is somewhat more than the size of the records. Does not block.
    #[doc(alias = "buffer-available-bytes")]
    pub fn buffered_bytes(&self) -> usize {
        let pool = self.core.accumulator.pool();
        if self.core.process.is_another_process() { 0 } else { pool.total() - pool.free() }
    }

    /// The topic's partitions with their leaders and replicas. Blocks up to `max.block.ms` for a topic that is not known
    /// yet, and at no other time. To call it when a program starts also saves the first `send` the wait.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::KafkaProducer;
    ///
    /// let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// let partitions = producer.partitions_for("orders")?;
    /// assert_eq!(partitions.len(), 6);
    /// assert!(partitions.iter().all(|partition| partition.leader().is_some()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Timeout`, `UnknownTopicOrPartition`, `Interrupted`, `InvalidTopic`, `Authentication`, `Authorization`, `Closed`;
    /// `IllegalState` in a callback; `Forked`.
    #[doc(alias = "partitionsFor")]
    #[doc(alias = "rd_kafka_metadata")]
    #[doc(alias = "fetch_metadata")]
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        self.core.check_process()?;
        not_in_callback("partitions_for()")?;
        let topic = TopicName::from(topic);
        check_topic(&topic)?;
        let tell = || self.core.accumulator.mailbox().push(Event::Turn, None);
        let wait = || self.core.metadata.wait_for_topic(&topic, None, self.core.settings.max_block, tell);
        self.core.timed(|calls| &mut calls.metadata_wait, wait)?;
        let cluster = self.core.metadata.cluster();
        Ok(cluster.topic(&topic).map(|info| info.partitions.clone()).unwrap_or_default())
    }

    /// Reads the key and trust stores (`ssl.keystore.*`, `ssl.truststore.*`) again, now, whether their files have changed
    /// or not. New connections use them; connections that are open are not changed. Blocks as long as reading takes.
    ///
    /// It is seldom needed, since files that have changed are read again before each new connection anyway. But it tells
    /// at once whether they can be used, and it also reads the operating system's trust store again, if that is used.
    ///
    /// ```no_run
    /// # use kafka_producer::KafkaProducer;
    /// # fn rotated(producer: &KafkaProducer<str, str>) {
    /// if let Err(error) = producer.reload_credentials() {
    ///     eprintln!("the new certificates cannot be used, the old ones are kept: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config): they cannot be used, and the ones before are kept. [`Forked`](ErrorKind::Forked).
    #[doc(alias = "rotate")]
    #[doc(alias = "certificate")]
    pub fn reload_credentials(&self) -> Result<(), Error> {
        self.core.check_process()?;
        self.core.channels.reload()
    }

    /// Refuses new records, sends everything that was accepted, and blocks until it is answered: at most
    /// `delivery.timeout.ms` and a second or two. Then interceptors, serializers and the partitioner are closed, on the
    /// producer's thread, and `close` waits for that, too. Closing twice, or from several threads, is fine.
    ///
    /// In a callback it is a close with time-out 0, as in Java: it does not wait, and what is not answered yet fails. In a
    /// callback of another producer it does not wait either, and what was accepted goes on its way.
    ///
    /// # Errors
    /// [`Interrupted`](ErrorKind::Interrupted): the producer goes on closing, and `close` may be called again.
    /// [`Timeout`](ErrorKind::Timeout): a callback is still running and holds up the others; they are called when it has
    /// returned. [`Forked`](ErrorKind::Forked).
    pub fn close(&self) -> Result<(), Error> {
        let report = self.core.close(None)?;
        if (report.callback_running || report.unanswered > 0) && !is_in_callback() {
            let what = if report.callback_running { "a callback is still running" } else { "time is over" };
            let unanswered = Counted(report.unanswered, "record");
            let text =
                format!("close: {what}, with {unanswered} not answered yet; the producer goes on closing");
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        Ok(())
    }

    /// As [`close`](Self::close), but after `timeout` everything that is not answered yet fails with an error of kind
    /// [`Closed`](ErrorKind::Closed). With 0 that is at once.
    ///
    /// It returns in time, whatever a callback does: what is still to be answered then, and that a callback is running, is
    /// in the report. Where anything is given up or left unanswered, a warning in the log says so as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{Api, EmbeddedCluster, Fault};
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    ///
    /// cluster.inject(Fault::drop_answer(Api::Produce).always()); // the broker falls silent
    /// producer.send(ProducerRecord::new("orders", "a pear"))?;
    /// let report = producer.close_timeout(Duration::from_millis(200))?;
    /// assert_eq!((report.delivered, report.abandoned), (0, 1)); // since then
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Interrupted` and `Forked`, as `close`.
    pub fn close_timeout(&self, timeout: Duration) -> Result<CloseReport, Error> {
        self.core.close(Some(timeout))
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    /// Comes before everything that a thread of the parent's may have locked, and again after code of the user's.
    #[inline(always)]
    fn check_process(&self) -> Result<(), Error> {
        if self.process.is_another_process() { Err(Error::forked()) } else { Ok(()) }
    }

    fn flush(&self, timeout: Option<Duration>) -> Result<(), Error> {
        self.check_process()?;
        not_in_callback("flush()")?;
        let deadline = timeout.and_then(|timeout| stage::now().checked_add(timeout));
        let (flush, call) = PendingFlush::begin();
        self.accumulator.mailbox().push(Event::Flush(flush), None);
        match interrupt::wait(&call.answered, deadline) {
            Wait::Ready(never) => match never {},
            Wait::Disconnected => Ok(()),
            Wait::Interrupted => Err(Error::interrupted("flush")),
            Wait::TimedOut => Err(self.not_flushed(timeout)),
        }
    }

    #[cold]
    fn not_flushed(&self, timeout: Option<Duration>) -> Error {
        let within = timeout.unwrap_or_default().as_millis();
        let unanswered = Counted(self.unanswered(), "record");
        let text =
            format!("flush: {unanswered} not answered within {within} ms; the producer goes on sending");
        Error::new(ErrorKind::Timeout, text)
    }

    /// How many records were accepted and are not answered yet.
    fn unanswered(&self) -> u64 {
        self.accumulator.mailbox().counts().unanswered() + self.accumulator.open_records()
    }

    fn close(&self, timeout: Option<Duration>) -> Result<CloseReport, Error> {
        self.check_process()?;
        let own_callback = is_sender_thread(self.token);
        if own_callback {
            logging::warn!("close() in a callback: closing without waiting for what is not answered yet");
        }
        let timeout = if own_callback { Some(Duration::ZERO) } else { timeout };
        let limit = timeout.unwrap_or(longest_close(self.settings.delivery_timeout));
        let report = self.close_within(limit)?;
        if !is_in_callback() {
            report.tell(limit);
        }
        Ok(report)
    }

    /// Closes, and waits for the end of the sender thread unless this is a callback.
    fn close_within(&self, limit: Duration) -> Result<CloseReport, Error> {
        let before = self.control.counts();
        let deadline = stage::now().checked_add(limit);
        let within = if limit.is_zero() { CloseDeadline::Now } else { CloseDeadline::At(deadline) };
        self.control.close(within);
        self.accumulator.mailbox().push(Event::Turn, None);
        let may_wait = !is_in_callback() && !is_sender_thread(self.token);
        let ended = if may_wait { self.await_end(deadline)? } else { false };
        let counts = self.accumulator.mailbox().counts();
        let mut report = CloseReport::between(before, self.control.counts());
        if !ended {
            report.unanswered = self.unanswered();
            report.callback_running = counts.is_calling();
        }
        Ok(report)
    }

    /// Waits for the end of the sender thread: whether it has come. At the deadline it fails what is left, which takes a
    /// moment; but a thread that runs code of the user's may take any time for that.
    fn await_end(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        let mut until = deadline.and_then(|deadline| deadline.checked_add(MOMENT));
        let last = deadline.and_then(|deadline| deadline.checked_add(LONGEST_MOMENT));
        loop {
            match interrupt::wait(&self.thread.ended, until) {
                Wait::Interrupted => return Err(Error::interrupted("close; the producer goes on closing")),
                Wait::Ready(never) => match never {},
                Wait::Disconnected => return Ok(true),
                Wait::TimedOut => {}
            }
            let is_calling = self.accumulator.mailbox().counts().is_calling();
            if is_calling || last.is_none_or(|last| stage::now() >= last) {
                return Ok(false);
            }
            until = stage::now().checked_add(MOMENT);
        }
    }
}

/// How much longer than its time `close` waits for the sender thread to fail what is left.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

/// The same while no code of the user's runs there: the machine is busy.
const LONGEST_MOMENT: Duration = Duration::from_secs(2);

/// How long `close` without a limit waits at most: the time in which everything accepted is answered.
fn longest_close(delivery_timeout: Duration) -> Duration {
    delivery_timeout.saturating_add(Duration::from_secs(1))
}

/// Closes when the last handle goes: waits for what was accepted, at most `delivery.timeout.ms`, and logs what was
/// lost. An interrupt ends the wait, and in a callback there is none: what was accepted goes on its way all the same. In
/// a forked child nothing is done.
impl<K: ?Sized + 'static, V: ?Sized + 'static> Drop for Core<K, V> {
    fn drop(&mut self) {
        if self.process.is_another_process() {
            return;
        }
        match self.close_within(longest_close(self.settings.delivery_timeout)) {
            Ok(report) if report.failed + report.abandoned > 0 => {
                let lost = Counted(report.failed + report.abandoned, "record");
                logging::error!("dropping the producer: {lost} not acknowledged; some may have been written");
            }
            Ok(report) if report.callback_running && !is_in_callback() => {
                let unanswered = Counted(report.unanswered, "record");
                logging::warn!(
                    "dropping the producer: a callback is still running, with {unanswered} not answered yet"
                );
            }
            Ok(_) => {}
            Err(error) => logging::warn!("dropping the producer: {error}"),
        }
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Clone for KafkaProducer<K, V> {
    fn clone(&self) -> Self {
        KafkaProducer { core: Arc::clone(&self.core) }
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> fmt::Debug for KafkaProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = !self.core.control.lifecycle().is_open();
        f.debug_struct("KafkaProducer").field("closed", &closed).finish_non_exhaustive()
    }
}
