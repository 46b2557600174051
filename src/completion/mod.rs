//! How a record's outcome reaches its sender: `RecordFuture` for those who ask, a callback for those who are told.
//!
//! Owns: one settlement per batch, shared by the futures of all its records. Must not know: queues, requests, brokers.
//! Threads: futures on any thread; `settle` and the callbacks on the sender thread.
//! Holds: a `Completion` is settled exactly once (dropping it unsettled answers with an error), or split into others that
//! are; callbacks run in the order of `send`, and only then do `get` and `is_done` see the outcome.

#[cfg(all(test, loom))]
mod batch_end_models;
mod callbacks;
mod thread_role;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::interrupt::{self, Wait};
use crate::log_labels::LogLabels;
use crate::logging;
use crate::mailbox::{Event, Mailbox, PendingFlush};
use crate::record::{OutcomeTopic, RecordMetadata};
use crate::stage;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, Thread, current_thread, park};

pub use callbacks::Callback;
pub(crate) use callbacks::SpareLists;
pub(crate) use callbacks::{CallbackSlot, NoCallback, OwnCallback, RecordFacts};
use callbacks::{Callbacks, OutcomeSource};
pub(crate) use thread_role::{
    ProducerToken, as_sender_thread, become_sender_thread, end_of_answers, is_in_callback, is_sender_thread,
    not_in_callback,
};

/// The outcome of an accepted record, now or later: its [`RecordMetadata`] or its [`Error`].
///
/// Dropping it costs nothing, and the record is sent all the same. It may be asked several times, and from several threads.
/// It is no `std::future::Future`: `get` blocks.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, ProducerRecord};
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
/// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
///
/// // Send all of them first, then wait: one round trip, not a hundred.
/// let mut futures = Vec::new();
/// for number in 0..100 {
///     futures
///         .push(producer.send(ProducerRecord::new("orders", format!("order {number}")))?);
/// }
/// for (number, future) in futures.iter().enumerate() {
///     assert_eq!(future.get()?.to_string(), format!("orders-0@{number}"));
/// }
/// assert!(futures[7].is_done());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecordFuture {
    batch: Arc<BatchCompletion>,
    facts: RecordFacts,
}

/// Where a record is: its batch, and its number in that. It travels in two registers until the call is over; a future that
/// was written field by field under the lock and copied on the way out was a tenth of `send`.
pub(crate) struct RecordPlace {
    batch: Arc<BatchCompletion>,
    index: u32,
}

/// What a call keeps of a record that was appended: a future, or nothing. A future counts a reference to its batch, and gives it
/// back when it is dropped: two locked instructions, a tenth of `send`.
pub(crate) trait KeptPlace: From<RecordPlace> {
    /// That of a record with this number in its batch.
    fn of(batch: &Arc<BatchCompletion>, index: u32) -> Self;
}

impl KeptPlace for RecordPlace {
    #[inline(always)]
    fn of(batch: &Arc<BatchCompletion>, index: u32) -> RecordPlace {
        RecordPlace { batch: Arc::clone(batch), index }
    }
}

/// Nobody will ask for the outcome.
pub(crate) struct NoPlace;

impl KeptPlace for NoPlace {
    #[inline(always)]
    fn of(_batch: &Arc<BatchCompletion>, _index: u32) -> NoPlace {
        NoPlace
    }
}

impl From<RecordPlace> for NoPlace {
    fn from(_place: RecordPlace) -> NoPlace {
        NoPlace
    }
}

impl RecordFuture {
    /// That of a record which was appended. `facts`: with any index.
    #[inline(always)]
    pub(crate) fn new((place, facts): (RecordPlace, RecordFacts)) -> RecordFuture {
        RecordFuture { batch: place.batch, facts: facts.numbered(place.index) }
    }

    /// Waits for the broker's answer.
    ///
    /// Blocks until the record is acknowledged or has failed, which is at most `delivery.timeout.ms` after `send`.
    /// Waiting also ends the batch's `linger.ms`: it leaves at once, or as soon as
    /// `max.in.flight.requests.per.connection` allows one more.
    ///
    /// # Errors
    /// The record's own error; [`Interrupted`](ErrorKind::Interrupted) if this thread was interrupted, the record
    /// then goes on its way and the future still works; [`IllegalState`](ErrorKind::IllegalState) from a callback of
    /// this or any other producer if the outcome is not there yet: nothing is sent or answered while a callback waits, and
    /// two that wait for each other would do so for ever; [`Forked`](ErrorKind::Forked) in a forked child.
    pub fn get(&self) -> Result<RecordMetadata, Error> {
        self.wait_until(None)
    }

    /// As [`get`](RecordFuture::get), but waits at most `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{Api, EmbeddedCluster};
    /// use kafka_producer::{ErrorKind, KafkaProducer, ProducerRecord};
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// cluster.delay(Api::Produce, Duration::from_millis(300), 1); // a slow broker
    /// let future = producer.send(ProducerRecord::new("orders", "two apples"))?;
    /// let late = future.get_timeout(Duration::from_millis(50));
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout); // nothing is decided yet
    /// assert_eq!(future.get_timeout(Duration::from_secs(60))?.offset(), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// Those of `get`, and [`Timeout`](ErrorKind::Timeout) if there is no outcome by then. The record is not
    /// withdrawn; the future still works.
    pub fn get_timeout(&self, timeout: Duration) -> Result<RecordMetadata, Error> {
        match stage::now().checked_add(timeout) {
            Some(deadline) => self.wait_until(Some((deadline, timeout))),
            None => self.get(),
        }
    }

    /// The outcome if it is there; never blocks. In a forked child, where none can come any more, an error of kind
    /// [`Forked`](ErrorKind::Forked).
    pub fn try_get(&self) -> Option<Result<RecordMetadata, Error>> {
        let latest = self.latest();
        match latest.batch.end.get() {
            Some(BatchEnd::Settled(outcome)) => Some(outcome.of(&latest.batch, &latest.facts)),
            // Not there, or split at this very moment.
            _ if latest.batch.mailbox.is_forked() => Some(Err(latest.forked())),
            _ => None,
        }
    }

    /// Whether the outcome is there; never blocks. In a forked child it is: `try_get` has one at once, the record's own or
    /// an error of kind [`Forked`](ErrorKind::Forked), since no other will come.
    pub fn is_done(&self) -> bool {
        let latest = self.latest();
        matches!(latest.batch.end.get(), Some(BatchEnd::Settled(_))) || latest.batch.mailbox.is_forked()
    }

    /// The record's future in the batch that it is in now: another one after a split.
    fn latest(&self) -> Cow<'_, RecordFuture> {
        let mut latest = Cow::Borrowed(self);
        while let Some(next) = latest.next() {
            latest = Cow::Owned(next);
        }
        latest
    }

    fn next(&self) -> Option<RecordFuture> {
        let pieces = self.batch.pieces();
        let place = pieces.partition_point(|piece| piece.first <= self.facts.index).checked_sub(1)?;
        let piece = pieces.get(place)?;
        let facts = self.facts.numbered(self.facts.index - piece.first);
        Some(RecordFuture { batch: Arc::clone(&piece.batch), facts })
    }

    fn wait_until(&self, limit: Option<(Instant, Duration)>) -> Result<RecordMetadata, Error> {
        if interrupt::take_interrupt() {
            return Err(self.interrupted());
        }
        if let Some(outcome) = self.try_get() {
            return outcome;
        }
        if is_in_callback() {
            return Err(self.placed(ErrorKind::IllegalState, "get() in a callback would hold up all records"));
        }
        self.batch.note_waiter();
        match self.batch.wait(limit.map(|(deadline, _)| deadline)) {
            Wait::Ready(never) => match never {},
            Wait::Disconnected => match self.next() {
                Some(next) => next.wait_until(limit),
                None => self.try_get().unwrap_or_else(|| Err(unsettled())),
            },
            Wait::Interrupted => Err(self.interrupted()),
            Wait::TimedOut => {
                let waited = limit.map_or(Duration::ZERO, |(_, timeout)| timeout);
                let text =
                    format!("no answer within {} ms; the record is still under way", waited.as_millis());
                Err(self.placed(ErrorKind::Timeout, &text).with_possibly_written(true))
            }
        }
    }

    /// Somebody will wait for the outcome: the batch need not linger.
    pub(crate) fn end_linger(&self) {
        self.latest().batch.note_waiter();
    }

    fn interrupted(&self) -> Error {
        let text = "interrupted while waiting for the record's outcome; the record is still under way";
        self.placed(ErrorKind::Interrupted, text).with_possibly_written(true)
    }

    #[cold]
    fn forked(&self) -> Error {
        let error = Error::forked().with_possibly_written(true);
        error.with_topic(&self.batch.topic).with_partition(self.batch.partition)
    }

    fn placed(&self, kind: ErrorKind, text: &str) -> Error {
        Error::new(kind, text).with_topic(&self.batch.topic).with_partition(self.batch.partition)
    }
}

impl fmt::Debug for RecordFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordFuture")
            .field("topic", &self.batch.topic)
            .field("partition", &self.batch.partition)
            .field("outcome", &self.try_get())
            .finish()
    }
}

/// The part of a batch that its futures share.
pub(crate) struct BatchCompletion {
    topic: OutcomeTopic,
    partition: i32,
    /// The partition's number within the producer.
    index: usize,
    end: OnceLock<BatchEnd>,
    latch: Mutex<Latch>,
    awaited: AtomicBool,
    /// Records may be added to it.
    open: AtomicBool,
    mailbox: Arc<Mailbox>,
    spares: Arc<SpareLists>,
}

/// What those who wait for a batch sleep at.
#[derive(Default)]
struct Latch {
    is_open: bool,
    /// Those who wait for this batch alone; they are unparked when it opens.
    waiting: Vec<Thread>,
    /// Those who wait for this batch and others.
    flushes: Vec<PendingFlush>,
}

impl BatchCompletion {
    /// That of a batch which takes some of this one's records, and no others.
    fn piece(&self) -> BatchCompletion {
        BatchCompletion {
            topic: self.topic.clone(),
            partition: self.partition,
            index: self.index,
            end: OnceLock::new(),
            latch: Mutex::default(),
            awaited: AtomicBool::new(false),
            open: AtomicBool::new(false),
            mailbox: Arc::clone(&self.mailbox),
            spares: Arc::clone(&self.spares),
        }
    }

    /// Keeps an end of this until the batch is settled, or all that it was split into.
    pub(crate) fn hold_flush(&self, flush: &PendingFlush) {
        let mut latch = self.latch.lock();
        if !latch.is_open {
            latch.flushes.retain(|other| !other.is_given_up());
            latch.flushes.push(flush.clone());
        }
    }

    /// Waits until the batch is settled, or split: `Disconnected`. Where that has lately come fast it polls first.
    pub(crate) fn wait(self: &Arc<Self>, deadline: Option<Instant>) -> Wait<Infallible> {
        let spin = self.mailbox.spin();
        let is_over = || self.end.get().is_some() || interrupt::is_pending();
        if spin.is_some_and(|spin| spin.poll(deadline, is_over)) {
            return if interrupt::take_interrupt() { Wait::Interrupted } else { Wait::Disconnected };
        }
        let begun = Instant::now();
        let waited = self.sleep(deadline);
        if let (Wait::Disconnected, Some(spin)) = (&waited, spin) {
            spin.slept(begun.elapsed());
        }
        waited
    }

    fn sleep(self: &Arc<Self>, deadline: Option<Instant>) -> Wait<Infallible> {
        self.will_unpark(current_thread());
        let batch = Arc::clone(self);
        let waited = interrupt::wait_until(deadline, move || batch.end.get().is_some());
        if waited != Wait::Disconnected {
            let this_thread = current_thread().id();
            self.latch.lock().waiting.retain(|other| other.id() != this_thread);
        }
        waited
    }

    /// Waits until the batch is settled, or split, whatever interrupts there are.
    pub(crate) fn wait_uninterrupted(&self) {
        self.will_unpark(current_thread());
        while self.end.get().is_none() {
            park(None);
        }
    }

    /// Whoever ends the batch unparks this thread afterwards, if that is still to come.
    fn will_unpark(&self, thread: Thread) {
        let mut latch = self.latch.lock();
        if !latch.is_open {
            latch.waiting.push(thread);
        }
    }

    /// Lets all waiting threads go.
    fn end(&self, end: BatchEnd) {
        // Nobody else can have set it: the duty is taken once.
        let _ = self.end.set(end);
        let opened = Latch { is_open: true, ..Latch::default() };
        let closed = std::mem::replace(&mut *self.latch.lock(), opened);
        // Outside of the lock: a thread that is woken must not wait for it.
        closed.waiting.iter().for_each(Thread::unpark);
    }

    /// What it was split into; nothing where it was not.
    pub(crate) fn pieces(&self) -> &[Piece] {
        match self.end.get() {
            Some(BatchEnd::Split(pieces)) => pieces,
            Some(BatchEnd::Settled(_)) | None => &[],
        }
    }

    /// Whether it has its outcome. One of several pieces has none.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.end.get(), Some(BatchEnd::Settled(_)))
    }

    /// Whether all of its records have their outcome.
    #[cfg(test)]
    pub(crate) fn is_over(&self) -> bool {
        self.end.get().is_some() && self.pieces().iter().all(|piece| piece.batch.is_over())
    }

    /// Whether somebody waits for it, or has.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Somebody begins to wait for it: it need not linger any more.
    pub(crate) fn note_waiter(&self) {
        if self.awaited.swap(true, Ordering::Relaxed) {
            return;
        }
        self.mailbox.note_awaited();
        if self.open.load(Ordering::Relaxed) {
            self.mailbox.push(Event::Partition(self.index), None);
        }
    }
}

/// How a batch comes to its end.
enum BatchEnd {
    Settled(BatchOutcome),
    /// By the number of their first record.
    Split(Vec<Piece>),
}

/// A batch that holds some of the records of another that was split.
pub(crate) struct Piece {
    /// The number that its first record had in the other.
    first: u32,
    pub(crate) batch: Arc<BatchCompletion>,
}

/// What became of a batch's records.
#[derive(Debug, Clone)]
pub(crate) enum BatchOutcome {
    Acknowledged {
        base_offset: Option<i64>,
        log_append_time: Option<i64>,
    },
    /// All records failed: those named with an error of their own, the others with the common one.
    Failed {
        error: Error,
        records: Vec<(u32, Error)>,
    },
}

impl BatchOutcome {
    fn of(&self, batch: &BatchCompletion, facts: &RecordFacts) -> Result<RecordMetadata, Error> {
        match self {
            BatchOutcome::Acknowledged { base_offset, log_append_time } => Ok(RecordMetadata {
                topic: batch.topic.clone(),
                partition: batch.partition,
                offset: base_offset.map(|base| base.saturating_add(i64::from(facts.index))),
                timestamp: Some(log_append_time.unwrap_or(facts.timestamp)),
                serialized_key_size: facts.key_size(),
                serialized_value_size: facts.value_size(),
            }),
            BatchOutcome::Failed { error, records } => {
                let own = records.iter().find(|(index, _)| *index == facts.index);
                Err(own.map_or(error, |(_, own)| own).clone())
            }
        }
    }
}

/// The duty to tell a batch's outcome, with the callbacks that wait for it.
pub(crate) struct Completion {
    shared: Arc<BatchCompletion>,
    /// None once it was told.
    callbacks: Option<Callbacks>,
    /// How many records it is for; 0 until that is known.
    count: u32,
}

impl Completion {
    /// For a batch of this partition; `index`: its number within the producer.
    pub(crate) fn new(
        mailbox: Arc<Mailbox>,
        spares: Arc<SpareLists>,
        topic: OutcomeTopic,
        partition: i32,
        index: usize,
    ) -> Completion {
        let callbacks = Some(spares.take());
        let shared = BatchCompletion {
            topic,
            partition,
            index,
            end: OnceLock::new(),
            latch: Mutex::default(),
            awaited: AtomicBool::new(false),
            open: AtomicBool::new(true),
            mailbox,
            spares,
        };
        Completion { shared: Arc::new(shared), callbacks, count: 0 }
    }

    /// Takes in a record that has just been appended; its callback, if it has one, is kept.
    #[inline]
    pub(crate) fn record<P: KeptPlace>(
        &mut self,
        facts: RecordFacts,
        callback: &mut (impl CallbackSlot + ?Sized),
    ) -> P {
        if let Some(callbacks) = &mut self.callbacks {
            callback.put(facts, callbacks);
        }
        P::of(&self.shared, facts.index)
    }

    /// No record will be added to these.
    pub(crate) fn close(&mut self, count: u32) {
        self.count = count;
        self.callbacks.iter_mut().for_each(|callbacks| callbacks.close(&self.shared.spares));
        self.shared.open.store(false, Ordering::Relaxed);
        self.shared.mailbox.counts().accepted(count);
    }

    /// The batch was not needed: it has no record, and nobody is told anything.
    pub(crate) fn cancel(mut self) {
        self.callbacks = None;
    }

    /// What its futures have.
    pub(crate) fn shared(&self) -> &Arc<BatchCompletion> {
        &self.shared
    }

    /// Tells the outcome: callbacks first, in order, then all waiting threads. A callback that panics is logged and
    /// harms no other.
    pub(crate) fn settle(mut self, outcome: BatchOutcome) {
        self.tell(outcome);
    }

    /// Hands the duty on to batches that hold these numbers of the records, in order. Threads that wait go on waiting for
    /// the one that has his record.
    pub(crate) fn split(mut self, counts: impl IntoIterator<Item = u32>) -> Vec<Completion> {
        let Some(mut callbacks) = self.callbacks.take() else { return Vec::new() };
        let mut first = 0;
        let (mut parts, mut pieces) = (Vec::new(), Vec::new());
        let flushes = self.shared.latch.lock().flushes.clone();
        for count in counts {
            let shared = Arc::new(self.shared.piece());
            flushes.iter().for_each(|flush| shared.hold_flush(flush));
            pieces.push(Piece { first, batch: Arc::clone(&shared) });
            let callbacks = Some(callbacks.take_before(first + count, first));
            parts.push(Completion { shared, callbacks, count });
            first += count;
        }
        self.shared.end(BatchEnd::Split(pieces));
        parts
    }

    fn tell(&mut self, outcome: BatchOutcome) {
        let Some(callbacks) = self.callbacks.take() else { return };
        let counts = self.shared.mailbox.counts();
        let panicked = match callbacks.is_empty() {
            true => 0,
            false => counts.calling(|| {
                let context = CallbackContext { batch: &self.shared, outcome: &outcome };
                callbacks.call(&context, &self.shared.spares)
            }),
        };
        // Before waiting threads see it: a record that was answered must not count as unanswered.
        counts.answered(self.count);
        self.shared.end(BatchEnd::Settled(outcome));
        // Not before: a logger may take its time, and the duty comes first.
        if panicked > 0 {
            let BatchCompletion { topic, partition, .. } = &*self.shared;
            let callbacks = Counted(panicked, "callback");
            let topic = topic.as_str();
            let labels = LogLabels::of_partition(topic, *partition);
            logging::error!(labels: labels, "{topic}-{partition}: {callbacks} of a batch panicked");
        }
    }
}

/// What a batch's callbacks are told.
struct CallbackContext<'a> {
    batch: &'a BatchCompletion,
    outcome: &'a BatchOutcome,
}

impl OutcomeSource for CallbackContext<'_> {
    #[inline]
    fn of(&self, facts: &RecordFacts) -> Result<RecordMetadata, Error> {
        self.outcome.of(self.batch, facts)
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.batch.mailbox.is_forked()
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if self.callbacks.is_some() {
            self.tell(BatchOutcome::Failed { error: unsettled(), records: Vec::new() });
            let BatchCompletion { topic, partition, .. } = &*self.shared;
            let topic = topic.as_str();
            let labels = LogLabels::of_partition(topic, *partition);
            logging::error!(labels: labels, "{topic}-{partition}: a batch was dropped without an outcome");
        }
    }
}

fn unsettled() -> Error {
    Error::new(ErrorKind::Bug, "the batch was dropped without an outcome").with_possibly_written(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;
    use crate::interrupt::InterruptHandle;
    use crate::record::TopicName;

    fn completion() -> Completion {
        completion_in(Mailbox::unread(Instant::now()))
    }

    fn completion_in(mailbox: Mailbox) -> Completion {
        Completion::new(Arc::new(mailbox), Arc::default(), OutcomeTopic::from(TopicName::from("test")), 2, 0)
    }

    fn facts(index: u32) -> RecordFacts {
        RecordFacts::new(index, 1000 + i64::from(index), None, Some(b"value"))
    }

    fn future(batch: &mut Completion, facts: RecordFacts, callback: &mut impl CallbackSlot) -> RecordFuture {
        RecordFuture::new((batch.record(facts, callback), facts))
    }

    fn acknowledged(base: i64) -> BatchOutcome {
        BatchOutcome::Acknowledged { base_offset: Some(base), log_append_time: None }
    }

    /// Behaviour 51.
    #[test]
    fn every_record_of_a_batch_has_its_own_offset_and_timestamp() {
        let mut completion = completion();
        let futures: Vec<_> =
            (0..3).map(|index| future(&mut completion, facts(index), &mut NoCallback)).collect();
        assert!(futures.iter().all(|future| !future.is_done() && future.try_get().is_none()));
        completion.settle(acknowledged(40));
        let third = futures[2].get().unwrap();
        assert_eq!((third.to_string(), third.timestamp()), ("test-2@42".into(), Some(1002)));
        assert_eq!((third.serialized_key_size(), third.serialized_value_size()), (None, Some(5)));
        assert_eq!(futures[2].get().unwrap(), third, "may be asked again");
    }

    /// Behaviour 44.
    #[test]
    fn callbacks_run_in_order_and_before_get_returns_and_one_that_panics_harms_no_other() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut completion = completion();
        let mut futures = Vec::new();
        for index in 0..4 {
            let seen = Arc::clone(&seen);
            let callback = move |outcome: Result<RecordMetadata, Error>| {
                assert_ne!(index, 1, "this one panics on purpose");
                seen.lock().unwrap().push(outcome.unwrap().offset().unwrap());
            };
            futures.push(future(&mut completion, facts(index), &mut OwnCallback::new(Some(callback))));
        }
        let waiting = thread::spawn({
            let (future, seen) = (futures[0].clone(), Arc::clone(&seen));
            move || (future.get().unwrap().offset(), seen.lock().unwrap().len())
        });
        completion.settle(acknowledged(0));
        assert_eq!(waiting.join().unwrap(), (Some(0), 3));
        assert_eq!(*seen.lock().unwrap(), [0, 2, 3]);
    }

    /// Behaviour 49.
    #[test]
    fn a_record_may_have_an_error_of_its_own() {
        let mut completion = completion();
        let futures: Vec<_> =
            (0..2).map(|index| future(&mut completion, facts(index), &mut NoCallback)).collect();
        let error = Error::new(ErrorKind::Broker, "in the same batch");
        let own = Error::new(ErrorKind::InvalidRecord, "this one");
        completion.settle(BatchOutcome::Failed { error, records: vec![(1, own)] });
        assert_eq!(futures[0].get().unwrap_err().kind(), ErrorKind::Broker);
        assert_eq!(futures[1].get().unwrap_err().kind(), ErrorKind::InvalidRecord);
    }

    /// Behaviours 50, 56.
    #[test]
    fn after_a_split_futures_callbacks_and_waiting_threads_follow_their_records() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut completion = completion();
        let mut futures = Vec::new();
        for index in 0..6 {
            let seen = Arc::clone(&seen);
            let callback = move |outcome: Result<RecordMetadata, Error>| {
                seen.lock().unwrap().push((index, outcome.unwrap().offset()));
            };
            // Not every record has one.
            let callback = Some(callback).filter(|_| index != 3);
            futures.push(future(&mut completion, facts(index), &mut OwnCallback::new(callback)));
        }
        let whole = Arc::clone(completion.shared());
        let waiting: Vec<_> = futures
            .iter()
            .cloned()
            .map(|future| thread::spawn(move || future.get().map(|metadata| metadata.offset())))
            .collect();
        let mut pieces = completion.split([2, 4]);
        assert!(futures.iter().all(|future| !future.is_done() && future.try_get().is_none()));
        assert_eq!(whole.pieces().len(), 2);
        let second = pieces.pop().unwrap();
        pieces.pop().unwrap().settle(acknowledged(10));
        assert_eq!([1, 2].map(|place: usize| futures[place].is_done()), [true, false]);
        let halves = second.split([1, 3]);
        let timed_out = futures[5].get_timeout(Duration::from_millis(1)).unwrap_err();
        assert_eq!(timed_out.kind(), ErrorKind::Timeout);
        for (base, half) in [20, 30].into_iter().zip(halves) {
            half.settle(acknowledged(base));
        }
        let offsets: Vec<_> = waiting.into_iter().map(|one| one.join().unwrap().unwrap().unwrap()).collect();
        assert_eq!(offsets, [10, 11, 20, 30, 31, 32]);
        let told: Vec<_> =
            seen.lock().unwrap().iter().map(|(index, offset)| (*index, offset.unwrap())).collect();
        assert_eq!(told, [(0, 10), (1, 11), (2, 20), (4, 31), (5, 32)]);
        assert_eq!(futures[4].get().unwrap().timestamp(), Some(1004), "its own time, not the batch's");
    }

    #[test]
    fn a_flush_waits_for_all_pieces_of_a_batch_and_one_that_is_given_up_leaves_nothing() {
        let mut completion = completion();
        let _futures: Vec<_> =
            (0..2).map(|index| future(&mut completion, facts(index), &mut NoCallback)).collect();
        let (flush, call) = PendingFlush::begin();
        for _ in 0..10 {
            completion.shared().hold_flush(&PendingFlush::begin().0);
        }
        completion.shared().hold_flush(&flush);
        assert_eq!(completion.shared().latch.lock().flushes.len(), 1);
        drop(flush);
        let waits = || call.answered.try_recv() == Err(crate::sync::channel::TryRecvError::Empty);
        let mut pieces = completion.split([1, 1]);
        pieces.pop().unwrap().settle(acknowledged(1));
        assert!(waits());
        pieces.pop().unwrap().settle(acknowledged(0));
        assert!(!waits());
    }

    /// Behaviour 48.
    #[test]
    fn a_batch_that_is_dropped_still_answers() {
        let mut completion = completion();
        let future = future(&mut completion, facts(0), &mut NoCallback);
        drop(completion);
        assert_eq!(future.get().unwrap_err().kind(), ErrorKind::Bug);
    }

    #[test]
    fn a_batch_that_was_not_needed_tells_nobody_anything() {
        let completion = completion();
        let shared = Arc::clone(completion.shared());
        completion.cancel();
        assert!(!shared.is_over());
    }

    #[test]
    fn get_in_a_callback_is_an_error_and_not_a_deadlock() {
        let mut completion = completion();
        let future = future(&mut completion, facts(0), &mut NoCallback);
        thread::spawn(move || {
            become_sender_thread(ProducerToken(1));
            assert_eq!(future.get().unwrap_err().kind(), ErrorKind::IllegalState);
            become_sender_thread(ProducerToken(2));
            assert_eq!(future.get().unwrap_err().kind(), ErrorKind::IllegalState, "of any other as well");
            end_of_answers();
            let error = future.get_timeout(Duration::from_millis(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "nothing waits for this thread any more");
        })
        .join()
        .unwrap();
        completion.settle(acknowledged(0));
    }

    #[test]
    fn who_gives_up_waiting_leaves_nothing_behind_and_who_goes_on_hears_of_it() {
        let mut completion = completion();
        let future = future(&mut completion, facts(0), &mut NoCallback);
        let waits = future.clone();
        let waiting = thread::spawn(move || waits.get().unwrap().offset());
        for _ in 0..3 {
            assert!(future.get_timeout(Duration::from_millis(1)).is_err());
        }
        InterruptHandle::current().interrupt();
        assert!(future.get().is_err());
        let listed = || completion.shared().latch.lock().waiting.len();
        while listed() == 0 {
            thread::yield_now();
        }
        assert_eq!(listed(), 1);
        completion.settle(acknowledged(7));
        assert_eq!(waiting.join().unwrap(), Some(7));
    }

    #[test]
    fn an_interrupt_ends_get_and_the_future_still_works() {
        let mut completion = completion();
        let future = future(&mut completion, facts(0), &mut NoCallback);
        let handle = InterruptHandle::current();
        handle.interrupt();
        let error = future.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(error.possibly_written());
        completion.settle(acknowledged(7));
        handle.interrupt();
        assert_eq!(
            future.get().unwrap_err().kind(),
            ErrorKind::Interrupted,
            "counts though the outcome is there"
        );
        assert_eq!(future.get().unwrap().offset(), Some(7));
    }

    #[test]
    fn a_thread_that_polls_heeds_interrupts_deadlines_and_outcomes() {
        // A thread that waits polls for longer than any test takes.
        let mut completion =
            completion_in(Mailbox::unread(Instant::now()).with_spin(Duration::from_secs(60)));
        let future = future(&mut completion, facts(0), &mut NoCallback);
        for timeout in [Duration::ZERO, Duration::from_millis(1)] {
            assert_eq!(future.get_timeout(timeout).unwrap_err().kind(), ErrorKind::Timeout);
        }
        let handle = InterruptHandle::current();
        let begun = Instant::now();
        let interrupting = thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            handle.interrupt();
        });
        let kind = future.get_timeout(Duration::from_secs(20)).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Interrupted, "after {:?}", begun.elapsed());
        interrupting.join().unwrap();
        let settling = thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            completion.settle(acknowledged(7));
        });
        assert_eq!(future.get().unwrap().offset(), Some(7));
        assert!(begun.elapsed() < Duration::from_secs(20));
        settling.join().unwrap();
    }
}
