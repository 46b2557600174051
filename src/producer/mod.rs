//! `KafkaProducer`: the caller's room.
//!
//! Owns: what a producer is made of, and how it is flushed and closed. Must not know: batches, requests, connections.
//! Threads: every call on any application thread, through `&self`; handles are cheap to clone.
//! Holds: a record is either accepted, and then answered exactly once, or refused, and then leaves no trace.

// The documentation shows the calls of modules in the order in which these stand here, and then those of this file: how a producer
// is made, what every program calls, transactions.
mod producer_builder;

mod calls;

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

use crate::accumulator::RecordAccumulator;
use crate::completion::{ProducerToken, is_in_callback, is_sender_thread, not_in_callback};
use crate::config::Settings;
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::fork_guard::ForkGuard;
use crate::interceptor::Interceptors;
use crate::interrupt::{self, Wait};
use crate::lifecycle::CloseDeadline;
use crate::logging;
use crate::mailbox::{Event, PendingFlush};
use crate::metadata::Metadata;
use crate::network::ChannelBuilder;
use crate::producer::reporting::Reporting;
use crate::sender::Control;
use crate::stage;

pub use close_report::CloseReport;
pub use interface::{GuardCall, Producer};
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
    process: ForkGuard,
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
