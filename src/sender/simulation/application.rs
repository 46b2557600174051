//! `Application`: one thread of a program that sends, flushes, waits and closes, as the producer's handles would.
//!
//! Owns: what was sent and what was answered. Must not know: brokers, sockets, the sender.
//! Holds: it acts while the sender sleeps, so that a wake-up that is missing is seen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sync::channel::{Receiver, TryRecvError, bounded};

use crate::accumulator::{AppendError, Event, Patience, RecordAccumulator, Target, Wait};
use crate::completion::{BatchCompletion, Callback, RecordFuture};
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::metadata::Metadata;
use crate::record::{Headers, RecordMetadata, TopicName};
use crate::record_batch::RecordParts;
use crate::sender::Control;
use crate::sender::simulation::TOPIC;
use crate::sender::simulation::history::{Accepted, Content, Flush, Outcome, Told};

/// The one clock there is; callbacks read it.
#[derive(Clone)]
pub(super) struct Clock {
    origin: Instant,
    nanoseconds: Arc<AtomicU64>,
}

/// Something that the application does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Sends a record with a value of so many bytes; without a partition the keyless logic chooses.
    Send { partition: Option<i32>, size: usize },
    /// Flushes.
    Flush,
    /// Waits for the record that was sent last.
    Await,
    /// Closes, and what is not answered by then fails.
    Close { within: Duration },
}

/// What the producer's handles share with the sender.
pub(super) struct Handles {
    pub(super) accumulator: Arc<RecordAccumulator>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) control: Arc<Control>,
}

pub(super) struct Application {
    pub(super) clock: Clock,
    handles: Option<Handles>,
    topic: TopicName,
    sent: Vec<Sent>,
    told: Arc<Mutex<Vec<(usize, Told)>>>,
    numbers: BTreeMap<i32, u64>,
    flushes: Vec<Flushing>,
    finished: Vec<Flush>,
    /// What has to wait because the record before it does.
    blocked: VecDeque<Act>,
    blocked_since: Option<Instant>,
    retry_at: Option<Instant>,
    closed: bool,
}

struct Sent {
    accepted: Accepted,
    future: RecordFuture,
}

struct Flushing {
    asked: Duration,
    /// Everything before this was sent before the flush.
    before: usize,
    answered: Receiver<Vec<Arc<BatchCompletion>>>,
    batches: Option<Vec<Arc<BatchCompletion>>>,
}

/// The record cannot be appended yet.
struct Blocked;

impl Clock {
    pub(super) fn new(origin: Instant) -> Clock {
        Clock { origin, nanoseconds: Arc::default() }
    }

    pub(super) fn set(&self, now: Instant) {
        let since = now.saturating_duration_since(self.origin);
        self.nanoseconds.store(since.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

impl Application {
    pub(super) fn new(clock: Clock) -> Application {
        Application {
            clock,
            handles: None,
            topic: TopicName::from(TOPIC),
            sent: Vec::new(),
            told: Arc::default(),
            numbers: BTreeMap::new(),
            flushes: Vec::new(),
            finished: Vec::new(),
            blocked: VecDeque::new(),
            blocked_since: None,
            retry_at: None,
            closed: false,
        }
    }

    pub(super) fn begin(&mut self, handles: Handles) {
        self.handles = Some(handles);
    }

    /// When it will do something by itself.
    pub(super) fn next(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn act(&mut self, act: Act, now: Instant) {
        if let Act::Close { within } = act {
            self.closed = true;
            self.blocked.clear();
            self.retry_at = None;
            return self.close(within, now);
        }
        self.blocked.push_back(act);
        if self.blocked.len() == 1 {
            self.go_on(now);
        }
    }

    /// Tries again what had to wait.
    pub(super) fn go_on(&mut self, now: Instant) {
        self.retry_at = None;
        while let Some(act) = self.blocked.front().copied() {
            match act {
                Act::Send { partition, size } => {
                    let since = *self.blocked_since.get_or_insert(now);
                    if self.send(partition, size, now).is_err() {
                        if now < since + MAX_BLOCK {
                            self.retry_at = Some(now + RETRY_AFTER);
                            return;
                        }
                        self.blocked.retain(|act| !matches!(act, Act::Send { .. }));
                        self.blocked.push_front(act);
                    }
                    self.blocked_since = None;
                }
                Act::Flush => self.flush(),
                Act::Await => {
                    if let Some(sent) = self.sent.last() {
                        sent.future.expedite();
                    }
                }
                Act::Close { .. } => {}
            }
            self.blocked.pop_front();
        }
    }

    /// How many records were accepted, and how many answers were told.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.sent.len(), self.told.lock().unwrap().len())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether everything that was accepted is answered, and nothing waits to be sent.
    pub(super) fn is_satisfied(&self) -> bool {
        self.blocked.is_empty() && self.sent.iter().all(|sent| sent.future.is_done())
    }

    /// Looks which flushes are over.
    pub(super) fn look_after_flushes(&mut self) {
        let now = self.clock.elapsed();
        let sent = &self.sent;
        let finished = &mut self.finished;
        self.flushes.retain_mut(|flush| {
            if flush.batches.is_none() {
                flush.batches = match flush.answered.try_recv() {
                    Ok(batches) => Some(batches),
                    Err(TryRecvError::Disconnected) => Some(Vec::new()),
                    Err(TryRecvError::Empty) => None,
                };
            }
            let Some(batches) = &flush.batches else { return true };
            if !batches.iter().all(|batch| batch.is_over()) {
                return true;
            }
            let forgotten = sent[..flush.before].iter().filter(|sent| !sent.future.is_done()).count();
            finished.push(Flush { asked: flush.asked, finished: Some(now), forgotten });
            false
        });
    }

    /// All that was promised and told.
    pub(super) fn report(&self) -> (Vec<Accepted>, Vec<Flush>) {
        let mut records: Vec<Accepted> = self.sent.iter().map(|sent| sent.accepted.clone()).collect();
        for (index, told) in self.told.lock().unwrap().iter() {
            records[*index].told.push(told.clone());
        }
        for (record, sent) in records.iter_mut().zip(&self.sent) {
            record.future = sent.future.try_get().map(Outcome::of);
        }
        let open = self.flushes.iter();
        let open = open.map(|flush| Flush { asked: flush.asked, finished: None, forgotten: 0 });
        (records, self.finished.iter().cloned().chain(open).collect())
    }

    fn handles(&self) -> &Handles {
        self.handles.as_ref().expect("begin() was called")
    }

    fn send(&mut self, partition: Option<i32>, size: usize, now: Instant) -> Result<(), Blocked> {
        let handles = self.handles.take().expect("begin() was called");
        let outcome = self.send_through(&handles, partition, size, now);
        self.handles = Some(handles);
        outcome
    }

    fn send_through(
        &mut self,
        handles: &Handles,
        partition: Option<i32>,
        size: usize,
        now: Instant,
    ) -> Result<(), Blocked> {
        let Handles { accumulator, metadata, .. } = handles;
        loop {
            let Some(topic) = accumulator.topic(TOPIC) else {
                metadata.want(&self.topic);
                accumulator.inbox().push(Event::Nudge, None);
                return Err(Blocked);
            };
            topic.touch();
            let chosen = partition.unwrap_or_else(|| topic.sticky_partition(true));
            let queue = topic.queue(chosen).expect("the topic has this partition");
            let content = self.content(chosen, size);
            let mut headers = Headers::new();
            headers.add("n", content.header.clone());
            let key = content.key.as_deref();
            let parts = RecordParts::new(key, Some(&content.value), &headers, content.timestamp);
            let wait = Wait { patience: Patience::None, clock: &|| now };
            let target = Target { queue, sticky: partition.is_none().then(|| topic.sticky()) };
            match accumulator.append(target, parts, Some(self.callback()), wait) {
                Ok(future) => {
                    self.note(chosen, content, future);
                    return Ok(());
                }
                Err(AppendError::Elsewhere(_) | AppendError::Gone(_)) => {}
                Err(AppendError::Failed(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(Blocked);
                }
                Err(AppendError::Failed(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                    return Ok(());
                }
            }
        }
    }

    fn note(&mut self, partition: i32, content: Content, future: RecordFuture) {
        logging::trace!("   record {} is {}", self.sent.len(), content.name());
        *self.numbers.entry(partition).or_default() += 1;
        let at = self.clock.elapsed();
        let accepted = Accepted { partition, content, at, told: Vec::new(), future: None };
        self.sent.push(Sent { accepted, future });
    }

    fn callback(&self) -> Callback {
        let (index, told, clock) = (self.sent.len(), Arc::clone(&self.told), self.clock.clone());
        Box::new(move |outcome: Result<RecordMetadata, Error>| {
            logging::trace!("   record {index}: {outcome:?}");
            let told_now = Told { at: clock.elapsed(), outcome: Outcome::of(outcome) };
            told.lock().unwrap().push((index, told_now));
        })
    }

    fn content(&self, partition: i32, size: usize) -> Content {
        let number = self.numbers.get(&partition).copied().unwrap_or(0);
        let mut value = format!("{partition}/{number}/").into_bytes();
        value.resize(value.len().max(size), b'a' + (number % 26) as u8);
        let key = (!number.is_multiple_of(3)).then(|| number.to_be_bytes().to_vec());
        let timestamp = UNIX_MS + self.clock.elapsed().as_millis() as i64;
        Content { key, value, header: number.to_string().into_bytes(), timestamp }
    }

    fn flush(&mut self) {
        let (answer, answered) = bounded(1);
        self.handles().accumulator.inbox().push(Event::Flush(answer), None);
        let (asked, before) = (self.clock.elapsed(), self.sent.len());
        self.flushes.push(Flushing { asked, before, answered, batches: None });
    }

    fn close(&mut self, within: Duration, now: Instant) {
        let Handles { accumulator, metadata, control } = self.handles();
        control.close(now.checked_add(within));
        accumulator.close();
        metadata.close(Error::closed());
        accumulator.inbox().push(Event::Nudge, None);
    }
}

/// What the brokers' clocks show when the run begins.
pub(super) const UNIX_MS: i64 = 1_700_000_000_000;

/// So long does `send` block; then the application gives up what it wanted to send.
const MAX_BLOCK: Duration = Duration::from_secs(10);

/// A caller that waits is woken; here it looks again so often.
const RETRY_AFTER: Duration = Duration::from_millis(20);
