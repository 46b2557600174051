//! The way of a record on the caller's thread, from `send` to its batch.
//!
//! Owns: the order of the steps, what is charged to `max.block.ms`, and what a thread keeps from one `send` to the next
//! (`Caller`). Must not know: brokers, requests.
//! Threads: application threads. Locks: none is held over user code.
//! Holds: until `append` nothing is queued, so every error leaves no trace. What every record passes is
//! `inline(always)`, and what only some do is not: structs handed from function to function would take longer than the
//! work (ARCHITECTURE.md, "What makes it fast").
//! Source: Kafka's `KafkaProducer.doSend`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::accumulator::{
    AppendRequest, AppendStep, BlockBudget, CallerToken, LastTopic, Target, TopicQueues,
};
use crate::catch_panic::notice_panic;
use crate::completion::{
    Callback, CallbackSlot, KeptPlace, OwnCallback, RecordFacts, RecordPlace, is_in_callback,
};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::interceptor::{Acknowledgement, InterceptedRecord, Intercepting, Outgoing};
use crate::last_heard::Explanation;
use crate::mailbox::Event;
use crate::metadata::check_topic;
use crate::partitioner::partition_for_key;
use crate::producer::Core;
use crate::producer::plugins::{Scratch, check_record, no_such_partition};
use crate::record::{Headers, RecordMetadata, RecordView, TopicName};
use crate::record_batch::{RecordParts, upper_bound};
use crate::stage;

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    /// What a caller on this thread may wait: `max.block.ms`, or nothing in a callback, of whatever producer: it runs on
    /// the thread that would have to end the wait, or on one that the other's callbacks may wait for.
    #[inline]
    pub(super) fn block_budget(&self) -> BlockBudget {
        if is_in_callback() { BlockBudget::nothing() } else { BlockBudget::at_most(self.settings.max_block) }
    }

    #[inline(always)]
    pub(super) fn do_send<P: KeptPlace>(
        &self,
        record: RecordView<'_, K, V>,
        mut callback: impl CallbackSlot,
        mut budget: BlockBudget,
    ) -> Result<(P, RecordFacts), Error> {
        self.check_process()?;
        if !self.parts.interceptors.is_empty() {
            return self.send_intercepted(record, callback.take(), budget);
        }
        // What serializers add goes with the record, and the caller's own stays as it is.
        let mut headers = record.headers.clone();
        self.send_parts(Outgoing::new(record, &mut headers), &mut budget, |_, _| callback)
            .map_err(|error| self.refused(error))
    }

    /// A record was refused: it counts as one that failed, and a transaction in which that happens is not whole any more.
    #[cold]
    fn refused(&self, error: Error) -> Error {
        self.count_refused(&error);
        self.control.transactions().send_failed(error)
    }

    /// The same for a producer with interceptors: they see the record first, and are told every outcome, also that of a
    /// record that is not accepted, or whose serializer panics.
    #[inline(never)]
    fn send_intercepted<P: KeptPlace>(
        &self,
        record: RecordView<'_, K, V>,
        callback: Option<Callback>,
        mut budget: BlockBudget,
    ) -> Result<(P, RecordFacts), Error> {
        let _within = Intercepting::begin()?;
        let mut record = InterceptedRecord::new(record);
        self.parts.interceptors.on_send(&mut record);
        self.check_process()?;
        let (topic, partition) = (record.destination(), record.partition());
        let with_interceptors = |topic: &TopicName, headers: &Headers| {
            let (interceptors, headers) = (Arc::clone(&self.parts.interceptors), headers.clone());
            let topic = topic.clone();
            OwnCallback::new(Some(move |outcome: Result<RecordMetadata, Error>| {
                let told = Acknowledgement::new(&topic, partition, outcome.as_ref(), &headers);
                interceptors.on_acknowledgement(&told);
                if let Some(callback) = callback {
                    callback(outcome);
                }
            }))
        };
        let refused = |headers: &Headers, error: &Error| {
            let told = Acknowledgement::new(topic.as_str(), partition, Err(error), headers);
            self.parts.interceptors.on_acknowledgement(&told);
        };
        let headers = record.headers().clone();
        let panicked = || {
            let text = "a serializer or the partitioner panicked";
            refused(
                &headers,
                &Error::new(ErrorKind::Serialization, text).with_topic(&TopicName::from(topic.as_str())),
            );
        };
        let sent = notice_panic(|| self.send_parts(record.parts(), &mut budget, with_interceptors), panicked);
        let sent = sent.map_err(|error| self.refused(error));
        sent.inspect_err(|error| refused(record.headers(), error))
    }

    /// Sends a record's parts. `callback` is asked for at the last moment, when the headers are what will be sent.
    #[inline(always)]
    fn send_parts<C: CallbackSlot, P: KeptPlace>(
        &self,
        parts: Outgoing<'_, K, V>,
        budget: &mut BlockBudget,
        callback: impl FnOnce(&TopicName, &Headers) -> C,
    ) -> Result<(P, RecordFacts), Error> {
        self.check_usable()?;
        check_record(&parts)?;
        let mut caller = Caller::take();
        let topic = self.topic(parts.topic, parts.partition, &mut caller.last_topic, budget)?;
        let outcome = self.send_to(&topic, parts, &mut caller.scratch, callback, budget);
        caller.last_topic.keep(topic);
        caller.put_back();
        outcome
    }

    #[inline(always)]
    fn send_to<C: CallbackSlot, P: KeptPlace>(
        &self,
        topic: &TopicQueues,
        record: Outgoing<'_, K, V>,
        scratch: &mut Scratch,
        callback: impl FnOnce(&TopicName, &Headers) -> C,
        budget: &mut BlockBudget,
    ) -> Result<(P, RecordFacts), Error> {
        // Each thread has scratch buffers of its own.
        let caller = CallerToken::of(scratch, budget);
        let partition = record.partition;
        let parts = self.parts.plugins.serialize(&topic.name, record, scratch)?;
        let chosen = self.choose_partition(topic, partition, &parts)?;
        self.check_ready(&parts).map_err(|error| chosen.of(error.with_topic(&topic.name)))?;
        let mut callback = callback(&topic.name, parts.headers);
        let place = match target(topic, chosen)?.append_at_once(&parts, caller, &mut callback) {
            Some(place) => place,
            None => {
                let placed = Placed { explicit: partition, chosen };
                self.append_patiently(topic, placed, parts, &mut callback, budget)?.into()
            }
        };
        Ok((place, RecordFacts::new(0, parts.timestamp, parts.key, parts.value)))
    }

    #[inline]
    fn check_usable(&self) -> Result<(), Error> {
        if self.accumulator.lifecycle().takes_records() { Ok(()) } else { self.refusal().map_or(Ok(()), Err) }
    }

    /// Why no record is taken: the producer is not open any more, or no transaction is.
    #[cold]
    fn refusal(&self) -> Option<Error> {
        let over = self.accumulator.lifecycle().refusal();
        over.or_else(|| self.control.transactions().refusal_of_send())
    }

    /// Finds the topic's queues; waits for its metadata where they are not known.
    #[inline(always)]
    fn topic(
        &self,
        name: &str,
        partition: Option<i32>,
        last: &mut LastTopic,
        budget: &mut BlockBudget,
    ) -> Result<Arc<TopicQueues>, Error> {
        loop {
            if let Some(topic) = self.accumulator.find_topic(name, last)
                && partition.is_none_or(|partition| topic.has(partition))
            {
                topic.touch();
                return Ok(topic);
            }
            self.await_topic(name, partition, budget)?;
        }
    }

    /// Waits until the topic's metadata, or the partition, is there.
    #[cold]
    fn await_topic(&self, name: &str, partition: Option<i32>, budget: &mut BlockBudget) -> Result<(), Error> {
        let name = &TopicName::from(name);
        check_topic(name)?;
        let tell = || self.accumulator.mailbox().push(Event::Turn, None);
        let Some(left) = budget.left() else {
            self.metadata.want(name);
            tell();
            let text = "the topic's metadata is not there yet, and the call may not wait";
            return Err(Error::new(ErrorKind::WouldBlock, text).with_topic(name));
        };
        let outcome =
            budget.charge(&stage::now, || self.metadata.wait_for_topic(name, partition, left, tell));
        let waited = left.saturating_sub(budget.left().unwrap_or(left));
        self.waited(|calls| &mut calls.metadata_wait, waited);
        outcome
    }

    /// Appends where a batch has to be opened, sealed or waited for, or where the record has to go elsewhere meanwhile.
    #[inline(never)]
    fn append_patiently(
        &self,
        topic: &TopicQueues,
        placed: Placed,
        parts: RecordParts<'_>,
        callback: &mut dyn CallbackSlot,
        budget: &mut BlockBudget,
    ) -> Result<RecordPlace, Error> {
        let Placed { explicit, mut chosen } = placed;
        let mut request = AppendRequest::new(parts, callback, budget, &stage::now);
        let mut newer: Option<Arc<TopicQueues>> = None;
        loop {
            let topic = newer.as_deref().unwrap_or(topic);
            let target = target(topic, chosen)?;
            let failed = |error| self.not_appended(error, topic, chosen.partition);
            match self.accumulator.try_append(target, &mut request) {
                AppendStep::Appended(place) => return Ok(place),
                AppendStep::Sealed => {}
                AppendStep::Reserve(wanted) => {
                    let before = request.budget.left().unwrap_or_default();
                    let reserved = self.accumulator.reserve(wanted, target, &mut request);
                    let waited = before.saturating_sub(request.budget.left().unwrap_or_default());
                    self.waited(|calls| &mut calls.bufferpool_wait, waited);
                    reserved.map_err(|error| failed(self.exhausted(error)))?;
                }
                AppendStep::Elsewhere => chosen = self.choose_partition(topic, explicit, &parts)?,
                AppendStep::Gone => {
                    let found =
                        self.topic(&topic.name, explicit, &mut LastTopic::default(), request.budget)?;
                    chosen = self.choose_partition(&found, explicit, &parts)?;
                    newer = Some(found);
                }
                AppendStep::Closed => return Err(failed(Error::closed())),
            }
        }
    }

    #[inline(always)]
    fn choose_partition(
        &self,
        topic: &TopicQueues,
        explicit: Option<i32>,
        parts: &RecordParts<'_>,
    ) -> Result<Chosen, Error> {
        let chosen = |partition| Chosen { partition, keyless: false };
        if let Some(partition) = explicit {
            return Ok(chosen(partition));
        }
        let cluster = || {
            self.check_process()?;
            Ok(self.metadata.cluster())
        };
        if let Some(partition) = self.parts.plugins.partition(&topic.name, parts, cluster) {
            return partition.map(chosen);
        }
        match parts.key {
            Some(key) if !self.settings.ignore_keys => {
                Ok(chosen(partition_for_key(key, topic.partition_count())))
            }
            _ => Ok(Chosen { partition: topic.sticky_partition(self.settings.adaptive), keyless: true }),
        }
    }

    /// The last look at a record before it is appended: it may be too large; and serializers or the partitioner may have
    /// forked, and this be the child.
    #[inline(always)]
    fn check_ready(&self, parts: &RecordParts<'_>) -> Result<(), Error> {
        let size = upper_bound(parts);
        let (request, memory) = (self.settings.max_request_size, self.accumulator.pool().total());
        if size > request {
            return Err(too_large(size, "max.request.size", request));
        }
        if size > memory {
            return Err(too_large(size, "buffer.memory", memory));
        }
        self.check_process()
    }

    /// Counts an error that is for want of memory.
    #[cold]
    fn exhausted(&self, error: Error) -> Error {
        if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::WouldBlock) {
            let now = stage::now();
            self.control.meters().calls.measure(now, |sensors| sensors.buffer_exhausted.add(1.0));
        }
        error
    }

    fn not_appended(&self, error: Error, topic: &TopicQueues, partition: i32) -> Error {
        let error = match error.kind() {
            ErrorKind::Timeout => self.explain_full(error, topic, partition),
            ErrorKind::Closed => self.refusal().unwrap_or(error),
            _ => error,
        };
        error.with_topic(&topic.name).with_partition(partition)
    }

    /// Says what is known of why the buffer stays full.
    fn explain_full(&self, error: Error, topic: &TopicQueues, partition: i32) -> Error {
        let now = stage::now();
        let last = now.checked_sub(RECENTLY).and_then(|recently| self.metadata.heard().last_error(recently));
        let own = topic.queue(partition).and_then(|queue| queue.leaderless_since());
        let no_leader = self.metadata.cluster().no_leader(&topic.name, partition);
        let leaderless = own.map(|since| (now.saturating_duration_since(since), no_leader));
        let other = if own.is_none() { self.accumulator.leaderless_queue() } else { None };
        if last.is_none() && leaderless.is_none() && other.is_none() {
            let text = "no broker has reported an error: records come faster than they are acknowledged";
            return error.with_remark(text);
        }
        let error = match last.is_some() || leaderless.is_some() {
            true => Explanation { last, leaderless, ..Explanation::default() }.explain(error),
            false => error,
        };
        match other {
            Some((queue, since)) => error.with_remark(&format!(
                "it holds records of {}-{}, which has had no leader for {} ms",
                Escaped(&queue.topic),
                queue.partition,
                now.saturating_duration_since(since).as_millis()
            )),
            None => error,
        }
    }
}

/// The partition that the record itself names, if it does, and the one that came of it.
struct Placed {
    explicit: Option<i32>,
    chosen: Chosen,
}

/// Where a record goes.
#[derive(Clone, Copy)]
struct Chosen {
    partition: i32,
    /// The built-in keyless logic chose.
    keyless: bool,
}

impl Chosen {
    /// An error of a record that would go there. The partition of keyless records is nobody's choice, and is not told.
    fn of(self, error: Error) -> Error {
        if self.keyless { error } else { error.with_partition(self.partition) }
    }
}

#[cold]
fn too_large(size: usize, name: &str, limit: usize) -> Error {
    let text = format!("the record may take {size} bytes, which is more than {name}={limit}");
    Error::new(ErrorKind::RecordTooLarge, text)
}

#[inline(always)]
fn target(topic: &TopicQueues, chosen: Chosen) -> Result<Target<'_>, Error> {
    let queue = topic.queue(chosen.partition);
    let queue =
        queue.ok_or_else(|| no_such_partition(&topic.name, topic.partition_count(), chosen.partition))?;
    Ok(Target { queue, sticky: chosen.keyless.then(|| topic.sticky()) })
}

/// One box per thread, with the topic that it sent to last and buffers for its serializers. A `send` takes the box and puts
/// it back at its end; one inside another, from a serializer or partitioner, finds none and makes its own.
#[derive(Default)]
struct Caller {
    last_topic: LastTopic,
    scratch: Scratch,
}

thread_local! {
    static CALLER: Cell<Option<Box<Caller>>> = const { Cell::new(None) };
}

impl Caller {
    /// This thread's; a new one for its first `send`, or while the thread is ending.
    #[inline]
    fn take() -> Box<Caller> {
        CALLER.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps it for this thread's next `send`.
    #[inline]
    fn put_back(mut self: Box<Caller>) {
        self.scratch.clear();
        // Where the thread is ending there is nobody to keep it for.
        let _ = CALLER.try_with(|caller| caller.set(Some(self)));
    }
}

/// Older errors of brokers are not what fills the buffer now.
const RECENTLY: Duration = Duration::from_secs(60);
