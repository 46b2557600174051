//! Interceptors: user code that sees every record before it is serialized, and every outcome.
//!
//! Owns: the trait, what an interceptor may see and change, the chain. Must not know: batches, callbacks, threads.
//! Threads: `on_send` on the thread that sends; `on_acknowledgement` on the sender thread, or on the thread whose `send`
//! has just failed.
//! Holds: one that fails or panics is logged and changes nothing; the chain goes on with the last good record.
//! Source: Kafka's `ProducerInterceptor` and `ProducerInterceptors` (KIP-42, KIP-512).

use std::cell::Cell;
use std::fmt;

use crate::catch_panic::{Harmless, catch_panic, into_text};
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::properties::Properties;
use crate::record::{Headers, RecordMetadata, RecordView, TopicName};

/// Why an interceptor failed; it is logged and goes no further.
pub type InterceptorError = Box<dyn std::error::Error + Send + Sync>;

/// Sees each record before it is serialized, may change it, and learns its outcome: for tracing, auditing and counting
/// without a change to the code that sends.
///
/// A producer has any number of them, given to
/// [`KafkaProducerBuilder::interceptor`](crate::KafkaProducerBuilder::interceptor) or named in `interceptor.classes`.
/// They are called in that order. If one fails or panics, an error is logged, its changes are undone, and the others are
/// called all the same: an interceptor cannot make `send` fail. An interceptor may itself call `send`; interceptors see
/// those records as well, and a `send` within more than 16 others is refused.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use kafka_producer::{
///     Acknowledgement, InterceptedRecord, InterceptorError, ProducerInterceptor,
/// };
///
/// /// Marks records and counts those that failed.
/// #[derive(Default)]
/// struct Audit {
///     failed: AtomicU64,
/// }
///
/// impl ProducerInterceptor<str, str> for Audit {
///     fn on_send(
///         &self,
///         record: &mut InterceptedRecord<'_, str, str>,
///     ) -> Result<(), InterceptorError> {
///         record.headers_mut().add("origin", "billing");
///         Ok(())
///     }
///
///     fn on_acknowledgement(
///         &self,
///         acknowledgement: &Acknowledgement<'_>,
///     ) -> Result<(), InterceptorError> {
///         if acknowledgement.outcome().is_err() {
///             self.failed.fetch_add(1, Ordering::Relaxed);
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait ProducerInterceptor<K: ?Sized, V: ?Sized>: Send + Sync {
    /// Reads settings. Called once, by `KafkaProducer::new`, and only for an interceptor that is named in
    /// `interceptor.classes`, not for one that is passed as a value.
    ///
    /// # Errors
    ///
    /// A setting does not fit: `new` fails with an error of kind [`Config`](crate::ErrorKind::Config).
    fn configure(&mut self, properties: &Properties<'_>) -> Result<(), InterceptorError> {
        let _ = properties;
        Ok(())
    }

    /// Sees the record first, before anything is waited for or serialized, and may change it. Runs on the thread that
    /// calls `send`, at the same time as others, and its time is not charged to `max.block.ms`.
    ///
    /// # Errors
    ///
    /// An error is logged, the interceptor's changes are undone, and the record is sent.
    fn on_send(&self, record: &mut InterceptedRecord<'_, K, V>) -> Result<(), InterceptorError> {
        let _ = record;
        Ok(())
    }

    /// Called with the record's outcome, before the record's own callback. Runs on the sender thread, and nothing is sent
    /// while it runs; where `send` itself fails it runs on the thread that called `send`.
    ///
    /// # Errors
    ///
    /// An error is logged, and has no other effect.
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        let _ = acknowledgement;
        Ok(())
    }

    /// Called once when the producer is closed, on the producer's thread, after the last record is answered. A panic is
    /// logged.
    fn close(&self) {}
}

/// A record on its way through the interceptors.
///
/// The next interceptor sees what the one before has changed. The record that was given to `send` stays as it is.
pub struct InterceptedRecord<'a, K: ?Sized, V: ?Sized> {
    now: RecordFields<'a, K, V>,
    /// What the fields were before the interceptor at work changed them.
    before: Before<'a, K, V>,
}

struct RecordFields<'a, K: ?Sized, V: ?Sized> {
    topic: Destination<'a>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    headers: Headers,
    key: Part<'a, K>,
    value: Part<'a, V>,
}

struct Before<'a, K: ?Sized, V: ?Sized> {
    topic: Option<Destination<'a>>,
    partition: Option<Option<i32>>,
    timestamp: Option<Option<i64>>,
    headers: Option<Headers>,
    key: Option<Part<'a, K>>,
    value: Option<Part<'a, V>>,
}

impl<K: ?Sized, V: ?Sized> Default for Before<'_, K, V> {
    fn default() -> Self {
        Before { topic: None, partition: None, timestamp: None, headers: None, key: None, value: None }
    }
}

/// The topic: the record's own, or an interceptor's.
#[derive(Clone)]
pub(crate) enum Destination<'a> {
    Given(&'a str),
    Changed(TopicName),
}

impl Destination<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Destination::Given(topic) => topic,
            Destination::Changed(topic) => topic,
        }
    }
}

/// A key or a value: the record's own, or an interceptor's, which may end anywhere.
enum Part<'a, T: ?Sized> {
    Given(Option<&'a T>),
    Replaced(Harmless<Option<Box<T>>>),
}

impl<T: ?Sized> Part<'_, T> {
    fn get(&self) -> Option<&T> {
        match self {
            Part::Given(part) => *part,
            Part::Replaced(part) => part.get()?.as_deref(),
        }
    }
}

/// Puts the new value in its place, and the old one aside unless one is there already.
fn change<T>(place: &mut T, before: &mut Option<T>, new: T) {
    let old = std::mem::replace(place, new);
    before.get_or_insert(old);
}

impl<'a, K: ?Sized, V: ?Sized> InterceptedRecord<'a, K, V> {
    pub(crate) fn new(record: RecordView<'a, K, V>) -> Self {
        let now = RecordFields {
            topic: Destination::Given(record.topic),
            partition: record.partition,
            timestamp: record.timestamp,
            headers: record.headers.clone(),
            key: Part::Given(record.key),
            value: Part::Given(record.value),
        };
        InterceptedRecord { now, before: Before::default() }
    }

    /// The topic that the record goes to.
    pub fn topic(&self) -> &str {
        self.now.topic.as_str()
    }

    /// The same, as an owned value.
    pub(crate) fn destination(&self) -> Destination<'a> {
        self.now.topic.clone()
    }

    /// The partition, if one was chosen by hand.
    pub fn partition(&self) -> Option<i32> {
        self.now.partition
    }

    /// Milliseconds since the epoch, if they were set; otherwise the time of `send` will be taken.
    pub fn timestamp(&self) -> Option<i64> {
        self.now.timestamp
    }

    /// The key as the serializer will read it.
    pub fn key(&self) -> Option<&K> {
        self.now.key.get()
    }

    /// The value as the serializer will read it; none is a tombstone.
    pub fn value(&self) -> Option<&V> {
        self.now.value.get()
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.now.headers
    }

    /// Sends the record to another topic. A text is copied; a clone of a [`TopicName`] is not.
    pub fn set_topic(&mut self, topic: impl Into<TopicName>) {
        change(&mut self.now.topic, &mut self.before.topic, Destination::Changed(topic.into()));
    }

    /// Sends the record to this partition; with `None` the partitioner chooses. A negative number makes this interceptor
    /// one that has failed.
    pub fn set_partition(&mut self, partition: Option<i32>) {
        change(&mut self.now.partition, &mut self.before.partition, partition);
    }

    /// Sets the timestamp, in milliseconds since the epoch; with `None` it is the time of `send`. A negative one makes this
    /// interceptor one that has failed.
    pub fn set_timestamp(&mut self, timestamp_ms: Option<i64>) {
        change(&mut self.now.timestamp, &mut self.before.timestamp, timestamp_ms);
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        if self.before.headers.is_none() {
            self.before.headers = Some(self.now.headers.clone());
        }
        &mut self.now.headers
    }

    /// Puts another key in the place of the record's own. None: no key.
    pub fn set_key(&mut self, key: Option<Box<K>>) {
        change(&mut self.now.key, &mut self.before.key, Part::Replaced(Harmless::new(key)));
    }

    /// Puts another value in the place of the record's own. None: a tombstone.
    pub fn set_value(&mut self, value: Option<Box<V>>) {
        change(&mut self.now.value, &mut self.before.value, Part::Replaced(Harmless::new(value)));
    }

    /// Whether what was changed since the last call may be in a record. Where it may not the interceptor has failed.
    fn check(&self) -> Result<(), InterceptorError> {
        if let (Some(_), Some(partition @ ..0)) = (self.before.partition, self.now.partition) {
            return Err(format!("it has set partition {partition}, which is negative").into());
        }
        if let (Some(_), Some(timestamp @ ..0)) = (self.before.timestamp, self.now.timestamp) {
            return Err(format!("it has set timestamp {timestamp}, which is negative").into());
        }
        Ok(())
    }

    /// What was changed since the last call is undone, or stays.
    fn settle(&mut self, keep: bool) {
        let before = std::mem::take(&mut self.before);
        if keep {
            return;
        }
        fn undo<T>(place: &mut T, before: Option<T>) {
            if let Some(before) = before {
                *place = before;
            }
        }
        undo(&mut self.now.topic, before.topic);
        undo(&mut self.now.partition, before.partition);
        undo(&mut self.now.timestamp, before.timestamp);
        undo(&mut self.now.headers, before.headers);
        undo(&mut self.now.key, before.key);
        undo(&mut self.now.value, before.value);
    }

    /// The record's parts for `send`.
    pub(crate) fn parts(&mut self) -> Outgoing<'_, K, V> {
        let RecordFields { topic, partition, timestamp, headers, key, value } = &mut self.now;
        let (key, value) = (key.get(), value.get());
        Outgoing { topic: topic.as_str(), partition: *partition, timestamp: *timestamp, headers, key, value }
    }
}

/// What `send` needs of a record, intercepted or not.
pub(crate) struct Outgoing<'r, K: ?Sized, V: ?Sized> {
    pub(crate) topic: &'r str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: &'r mut Headers,
    pub(crate) key: Option<&'r K>,
    pub(crate) value: Option<&'r V>,
}

impl<'r, K: ?Sized, V: ?Sized> Outgoing<'r, K, V> {
    /// The record with headers that may be added to.
    #[inline]
    pub(crate) fn new(record: RecordView<'r, K, V>, headers: &'r mut Headers) -> Self {
        let RecordView { topic, partition, timestamp, key, value, .. } = record;
        Outgoing { topic, partition, timestamp, headers, key, value }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for InterceptedRecord<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterceptedRecord")
            .field("topic", &self.topic())
            .field("partition", &self.now.partition)
            .field("timestamp", &self.now.timestamp)
            .finish_non_exhaustive()
    }
}

/// The outcome of a record, as interceptors see it.
#[derive(Debug)]
pub struct Acknowledgement<'a> {
    topic: &'a str,
    /// The one that the record asks for.
    partition: Option<i32>,
    outcome: Result<&'a RecordMetadata, &'a Error>,
    headers: &'a Headers,
}

impl<'a> Acknowledgement<'a> {
    pub(crate) fn new(
        topic: &'a str,
        partition: Option<i32>,
        outcome: Result<&'a RecordMetadata, &'a Error>,
        headers: &'a Headers,
    ) -> Self {
        Acknowledgement { topic, partition, outcome, headers }
    }

    /// Where the record is, or why it failed: the same as the callback and the future get, or `send` returns.
    pub fn outcome(&self) -> Result<&RecordMetadata, &Error> {
        self.outcome
    }

    /// The topic that the record went to, or was meant for.
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// The partition that was chosen, or that the record names; none where the record names none and failed before one
    /// was chosen.
    pub fn partition(&self) -> Option<i32> {
        match self.outcome {
            Ok(metadata) => Some(metadata.partition()),
            Err(error) => error.partition().or(self.partition),
        }
    }

    /// The headers as they were sent, with what interceptors and serializers have added (KIP-512).
    pub fn headers(&self) -> &Headers {
        self.headers
    }
}

/// The interceptors of a producer, in their order.
pub(crate) struct Interceptors<K: ?Sized, V: ?Sized>(Vec<Box<dyn ProducerInterceptor<K, V>>>);

impl<K: ?Sized, V: ?Sized> Interceptors<K, V> {
    pub(crate) fn new(chain: Vec<Box<dyn ProducerInterceptor<K, V>>>) -> Self {
        Interceptors(chain)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn on_send(&self, record: &mut InterceptedRecord<'_, K, V>) {
        for interceptor in &self.0 {
            let good = goes_well("on_send", || interceptor.on_send(record).and_then(|()| record.check()));
            record.settle(good);
        }
    }

    pub(crate) fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        for interceptor in &self.0 {
            goes_well("on_acknowledgement", || interceptor.on_acknowledgement(acknowledgement));
        }
    }

    pub(crate) fn close(&self) {
        for interceptor in &self.0 {
            goes_well("close", || {
                interceptor.close();
                Ok(())
            });
        }
    }
}

/// A `send` whose record interceptors see. Those that they make themselves are within it: one that is refused is told them
/// at once, and a dead letter for it would be refused as well, and so on, until the thread's stack ended the process.
pub(crate) struct Intercepting;

thread_local! {
    /// How many there are within each other on this thread.
    static WITHIN: Cell<usize> = const { Cell::new(0) };
}

impl Intercepting {
    /// One more, or an error where that goes on without end.
    pub(crate) fn begin() -> Result<Intercepting, Error> {
        // What ends with the thread is not counted when that is gone.
        let within = WITHIN.try_with(|within| within.replace(within.get() + 1)).unwrap_or_default();
        let this = Intercepting;
        if within < MOST_WITHIN {
            return Ok(this);
        }
        let text = format!(
            "interceptors send in on_send or on_acknowledgement, which sends again, {MOST_WITHIN} times within each other"
        );
        Err(Error::new(ErrorKind::IllegalState, text))
    }
}

impl Drop for Intercepting {
    fn drop(&mut self) {
        let _ = WITHIN.try_with(|within| within.set(within.get().saturating_sub(1)));
    }
}

/// More is without end.
const MOST_WITHIN: usize = 16;

/// Whether the call went well; if not, it is logged. What it has returned is the user's as well: it is told and dropped
/// where a panic does no harm.
fn goes_well(call: &str, run: impl FnOnce() -> Result<(), InterceptorError>) -> bool {
    match catch_panic(|| run().map_err(into_text)) {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            logging::warn!("an interceptor's {call} failed: {error}");
            false
        }
        None => {
            logging::error!("an interceptor's {call} panicked");
            false
        }
    }
}
