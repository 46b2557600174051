//! The calls of transactions: what each asks the sender, how long it waits, what its error says.
//!
//! Owns: `max.block.ms` of these calls, their arguments' checks. Must not know: requests, coordinators, what is allowed when
//! (`TransactionCalls`).
//! Threads: any application thread. In a callback none of them is allowed, since none could end.
//! Source: Kafka's `KafkaProducer`.

use std::collections::HashMap;

use crate::completion::not_in_callback;
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::last_heard::Explanation;
use crate::mailbox::Event;
use crate::producer::{Core, KafkaProducer};
use crate::stage;
use crate::transaction::{CallOutcome, CallPromise, CallWait, OffsetsToCommit, TransactionCall};

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Makes the producer ready for transactions: once, before the first one. Needs `transactional.id`.
    ///
    /// Any older producer with the same `transactional.id` is fenced, wherever it runs: it can write nothing more. A
    /// transaction that it left open is aborted; one that it had begun to commit is committed first. So whoever crashed in
    /// the middle of a commit calls this after the restart and finds the transaction whole, or not at all.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`is_fatal`](Error::is_fatal): this producer is of no use, for instance `Fenced`, or an `UnsupportedVersion`;
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: **call it again**; what is under way is taken up.
    ///   Until then every other call of transactions is an `IllegalState`;
    /// - `Authorization`, `Authentication`: may be called again once access is granted;
    /// - `IllegalState`: there is no `transactional.id`, or it was called before; in a callback. `Closed`, `Forked`.
    pub fn init_transactions(&self) -> Result<(), Error> {
        self.core.transactional_call(TransactionCall::Init)
    }

    /// Opens a transaction: what is sent from now on belongs to it, until it is committed or aborted. Does not block.
    ///
    /// [`begin`](Self::begin) gives a guard that aborts where it is dropped.
    ///
    /// # Errors
    /// `IllegalState`: [`init_transactions`](Self::init_transactions) has not been called, a transaction is open, or a call
    /// that timed out has to be repeated first; in a callback. Whatever has ended this producer. `Closed`, `Forked`.
    pub fn begin_transaction(&self) -> Result<(), Error> {
        self.core.begin_transaction()
    }

    /// Adds offsets of a consumer group to the open transaction: they are committed if and only if it is. With this, reading,
    /// processing and writing happens exactly once. Each offset is that of the **next** record to read.
    ///
    /// The consumer must not commit offsets itself (`enable.auto.commit=false`). Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`requires_abort`](Error::requires_abort): abort, and begin again, from the consumer's last committed offsets. So
    ///   where the consumer is not a member of its group any more (`ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`,
    ///   `FENCED_INSTANCE_ID`), or has no access to the group;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one. So with a member's
    ///   [`ConsumerGroupMetadata`] where the brokers are older than Kafka 2.5 (`UnsupportedVersion`);
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: the request is still under way, and the commit
    ///   waits for it; calling again sends it again;
    /// - `InvalidArgument`: no offsets, a negative one, a negative partition, an empty group id, or a generation without a
    ///   member. The transaction goes on;
    /// - `IllegalState`: no transaction is open; in a callback. `Closed`, `Forked`.
    pub fn send_offsets_to_transaction(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        self.core.send_offsets(offsets, group)
    }

    /// Sends what was accepted in the transaction, without waiting out `linger.ms`, and commits it: all its records, on all
    /// partitions, and its offsets become visible to readers with `isolation.level=read_committed`, or none does. When it
    /// returns `Ok`, every callback of the transaction has run.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`requires_abort`](Error::requires_abort): a record of the transaction has failed, or something else of it; nothing
    ///   is committed. [`abort_transaction`](Self::abort_transaction), and begin again;
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: it is still under way. **Call it again**: what
    ///   is pending is taken up; every other call of transactions is an `IllegalState` until then. Where
    ///   [`possibly_written`](Error::possibly_written) it may be committed already. A program that ends here, or crashes, is told by the next one's
    ///   [`init_transactions`](Self::init_transactions): that waits for the coordinator, which ends what was begun;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one. Where `possibly_written` is true nobody knows
    ///   here whether the transaction was committed: read the committed offsets, or the topic;
    /// - `IllegalState`: no transaction is open; in a callback. `Closed` (see `possibly_written`), `Forked`.
    pub fn commit_transaction(&self) -> Result<(), Error> {
        self.core.transactional_call(TransactionCall::Commit)
    }

    /// Aborts the transaction: no reader with `isolation.level=read_committed` will see any of it. Records that have not
    /// been sent fail with [`TransactionAborted`](ErrorKind::TransactionAborted); those on their way are waited for.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: **call it again**, as for `commit_transaction`;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one; the coordinator aborts what is open;
    /// - `IllegalState`: no transaction is open; in a callback. `Closed`, `Forked`.
    pub fn abort_transaction(&self) -> Result<(), Error> {
        self.core.transactional_call(TransactionCall::Abort)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    fn check_transactional_call(&self, name: &str) -> Result<(), Error> {
        self.check_process()?;
        not_in_callback(&format!("{name}()"))?;
        self.control.lifecycle().refusal().map_or(Ok(()), Err)
    }

    fn transactional_call(&self, call: TransactionCall) -> Result<(), Error> {
        self.check_transactional_call(call.name())?;
        let transactions = self.control.transactions();
        let outcome = transactions.call(call)?;
        let waited = self.await_call(call.name(), &outcome, call == TransactionCall::Commit);
        if let CallStop::Over(told) = waited {
            transactions.told(&outcome);
            return told;
        }
        waited.into_result()
    }

    fn begin_transaction(&self) -> Result<(), Error> {
        self.check_transactional_call("begin_transaction")?;
        let turn = self.control.transactions().begin()?;
        self.accumulator.turn_queues(turn);
        Ok(())
    }

    /// Where a call that ends a transaction timed out and was not repeated, it is now.
    pub(super) fn finish_pending_abort(&self) -> Result<(), Error> {
        self.check_process()?;
        match self.control.transactions().is_pending(TransactionCall::Abort) {
            true => self.transactional_call(TransactionCall::Abort),
            false => Ok(()),
        }
    }

    fn send_offsets(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        const NAME: &str = "send_offsets_to_transaction";
        self.check_transactional_call(NAME)?;
        check_offsets(offsets, group)?;
        let (promise, outcome) = CallPromise::new();
        let mut offsets: Vec<_> =
            offsets.iter().map(|(place, offset)| (place.clone(), offset.clone())).collect();
        offsets.sort_by(|(one, _), (other, _)| one.cmp(other));
        let asked = OffsetsToCommit { offsets, group: group.clone(), promise };
        self.control.transactions().send_offsets(asked)?;
        self.await_call(NAME, &outcome, false).into_result()
    }

    /// Has the sender look at what was asked, and waits for the outcome.
    fn await_call(&self, name: &str, outcome: &CallOutcome, is_commit: bool) -> CallStop {
        let begun = stage::now();
        self.accumulator.mailbox().push(Event::Turn, None);
        let transactions = self.control.transactions();
        let in_doubt = || is_commit && transactions.is_commit_in_doubt();
        match outcome.wait(begun.checked_add(self.settings.max_block)) {
            CallWait::Over(told) => CallStop::Over(told),
            CallWait::Interrupted => {
                let error = Error::interrupted(&format!("{name}; it goes on, and has to be called again"));
                CallStop::Stopped(error.with_possibly_committed(in_doubt()))
            }
            CallWait::TimedOut => {
                let limit = self.settings.max_block.as_millis();
                let text = format!(
                    "{name}: not over within max.block.ms={limit}; it goes on, and has to be called again"
                );
                let error = Error::new(ErrorKind::Timeout, text);
                let (waited_for, last) = (transactions.waits_for(), self.metadata.heard().last_error(begun));
                let error = Explanation { waited_for, last, ..Explanation::default() }.explain(error);
                let elapsed = stage::now().saturating_duration_since(begun);
                CallStop::Stopped(error.with_elapsed(elapsed).with_possibly_committed(in_doubt()))
            }
        }
    }
}

/// How a call's wait ends.
enum CallStop {
    /// There is an outcome.
    Over(Result<(), Error>),
    /// There is none yet.
    Stopped(Error),
}

impl CallStop {
    fn into_result(self) -> Result<(), Error> {
        match self {
            CallStop::Over(told) => told,
            CallStop::Stopped(error) => Err(error),
        }
    }
}

/// What brokers would refuse, or what nobody can have meant.
pub(crate) fn check_offsets(
    offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
    group: &ConsumerGroupMetadata,
) -> Result<(), Error> {
    let refuse = |text: String| {
        Err(Error::new(ErrorKind::InvalidArgument, format!("send_offsets_to_transaction: {text}")))
    };
    if offsets.is_empty() {
        return refuse("there are no offsets, and at least one is needed".to_owned());
    }
    let negative = offsets.iter().find(|(place, offset)| offset.offset() < 0 || place.partition() < 0);
    if let Some((place, offset)) = negative {
        let (topic, partition, offset) = (Escaped(place.topic()), place.partition(), offset.offset());
        return refuse(format!(
            "{topic}-{partition}: offset {offset}: partition and offset must not be negative"
        ));
    }
    if let Some((place, _)) = offsets.iter().find(|(place, _)| place.topic().is_empty()) {
        return refuse(format!("partition {} is of a topic without a name", place.partition()));
    }
    if group.group_id().is_empty() {
        return refuse("the group id is empty".to_owned());
    }
    if group.generation_id() > 0 && group.member_id().is_empty() {
        let generation = group.generation_id();
        return refuse(format!("generation {generation} of the group is given without a member id"));
    }
    Ok(())
}
