//! The calls of transactions: what each asks the sender, how long it waits, what its error says.
//!
//! Owns: `max.block.ms` of these calls, their arguments' checks. Must not know: requests, coordinators, what is allowed when
//! (`TransactionCalls`).
//! Threads: any application thread. In a callback none of them is allowed, since none could end.
//! Source: Kafka's `KafkaProducer`.

use std::collections::HashMap;

use crate::completion::{is_in_callback, not_in_callback};
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::last_heard::Explanation;
use crate::mailbox::Event;
use crate::producer::interface::GuardCall;
use crate::producer::metrics::sensor_of;
use crate::producer::{Core, KafkaProducer};
use crate::record::TopicName;
use crate::stage;
use crate::transaction::{
    CallOutcome, CallPromise, CallWait, OffsetsToCommit, PreparedTxnState, TransactionCall,
    transaction_is_over,
};

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Makes the producer ready for transactions: once, before the first one. Needs `transactional.id`.
    ///
    /// Any older producer with the same `transactional.id` is fenced, wherever it runs: it can write nothing more. A
    /// transaction that it left open is aborted; one whose commit had begun is committed first. So after a crash in the
    /// middle of a commit, the transaction is committed as a whole or not at all once this call has returned. Ask for the
    /// consumer group's committed offsets after this call and not before.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`is_fatal`](Error::is_fatal): this producer cannot be used, for instance `Fenced` or `UnsupportedVersion`. Once this
    ///   call has begun, this is also so where the brokers turn out to belong to another cluster than before, whatever
    ///   `metadata.cluster.change` is: only one cluster knows the transactional id;
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: it is still under way. **Call it again**, and it
    ///   goes on waiting. Until then every other call of transactions is an `IllegalState`;
    /// - `Authorization`, `Authentication`: may be called again once access is granted;
    /// - `IllegalState`: there is no `transactional.id`, or it was called before; in a callback. `Closed`, `Forked`.
    #[doc(alias = "initTransactions")]
    #[doc(alias = "exactly once")]
    #[doc(alias = "rd_kafka_init_transactions")]
    pub fn init_transactions(&self) -> Result<(), Error> {
        self.core.transactional_call(TransactionCall::Init, None)
    }

    /// As [`init_transactions`](Self::init_transactions), and keeps a transaction that the producer before this one has left
    /// open, prepared for a two-phase commit: it is returned, and [`complete_transaction`](Self::complete_transaction) ends it.
    /// Where there is none, the next transaction can begin. Java's `initTransactions(true)`.
    ///
    /// Apache Kafka up to 4.3 cannot keep a transaction: its brokers answer `UNSUPPORTED_VERSION`, the transaction stays open
    /// there, and only `init_transactions` or Kafka's `kafka-transactions.sh abort` ends it, both by aborting it.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// As `init_transactions`; `IllegalState` without `transaction.two.phase.commit.enable=true`.
    pub fn init_transactions_keeping_prepared(&self) -> Result<Option<PreparedTxnState>, Error> {
        self.core.check_two_phase_commit(TransactionCall::InitKeepingPrepared.name())?;
        self.core.transactional_call(TransactionCall::InitKeepingPrepared, None)?;
        Ok(self.core.control.transactions().prepared())
    }

    /// Opens a transaction: what is sent from now on belongs to it, until it is committed or aborted. Does not block.
    ///
    /// [`begin`](Self::begin) gives a guard that aborts where it is dropped.
    ///
    /// # Errors
    /// `IllegalState`: [`init_transactions`](Self::init_transactions) has not been called, a transaction is open, or a call
    /// that timed out has to be repeated first; in a callback. Whatever has ended this producer. `Closed`, `Forked`.
    pub fn begin_transaction(&self) -> Result<(), Error> {
        self.core.begin_transaction().map(drop)
    }

    /// Adds offsets of a consumer group to the open transaction: they are committed if and only if it is. With this, reading,
    /// processing and writing happens exactly once. Each offset is that of the **next** record to read.
    ///
    /// The consumer must not commit offsets itself (`enable.auto.commit=false`). Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`requires_abort`](Error::requires_abort): abort, and begin again, from the consumer's last committed offsets. So
    ///   where the consumer is not a member of its group any more (`ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`,
    ///   `FENCED_INSTANCE_ID`), or has no access to the group; and where the brokers do not know a partition for
    ///   `delivery.timeout.ms` (`UNKNOWN_TOPIC_OR_PARTITION`: its topic was deleted, for instance), which a commit may learn as well;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one. So with a member's
    ///   [`ConsumerGroupMetadata`] where the brokers are older than Kafka 2.5 (`UnsupportedVersion`);
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: the request is still under way, and the commit
    ///   waits for it; calling again sends it again;
    /// - `InvalidArgument`: no offsets, a negative one, a negative partition, a name that no topic can have, an empty group id, a
    ///   generation without a member, or a text (an id, or that beside an offset) of more than 32,767 bytes. The transaction goes
    ///   on;
    /// - `TransactionAborted`: another thread aborts the transaction, or closes the producer, meanwhile;
    /// - `IllegalState`: no transaction is open; in a callback. `Closed`, `Forked`.
    #[doc(alias = "sendOffsetsToTransaction")]
    pub fn send_offsets_to_transaction(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        let call = || self.core.send_offsets(offsets, group);
        self.core.timed(|calls| &mut calls.txn_send_offsets, call)
    }

    /// The first phase of a two-phase commit (KIP-939): sends what was accepted in the transaction, waits until all of it is in
    /// the logs, and leaves it open there, without a time limit, until [`complete_transaction`](Self::complete_transaction),
    /// [`commit_transaction`](Self::commit_transaction) or [`abort_transaction`](Self::abort_transaction) ends it; no other
    /// call, and no record, is taken meanwhile. Closing the producer does not end it, nor does a crash: the next one finds it by
    /// [`init_transactions_keeping_prepared`](Self::init_transactions_keeping_prepared).
    ///
    /// What is returned is to be kept together with what this transaction belongs to, for instance in the database
    /// transaction that is committed next:
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{Error, KafkaProducer, PreparedTxnState};
    /// use kafka_producer::{ProducerConfig, ProducerRecord};
    ///
    /// /// What a database would keep in the same transaction as the order.
    /// #[derive(Default)]
    /// struct Database {
    ///     orders: Vec<String>,
    ///     prepared: String,
    /// }
    ///
    /// fn producer(servers: &str) -> Result<KafkaProducer<str, str>, Error> {
    ///     let config =
    ///         ProducerConfig::new().bootstrap_servers(servers).transactional_id("shop");
    ///     let config = config.set("transaction.two.phase.commit.enable", "true");
    ///     KafkaProducer::builder(config).default_serializers().build()
    /// }
    ///
    /// let cluster =
    ///     EmbeddedCluster::builder().topic("orders", 1).two_phase_commit(true).start()?;
    /// let mut database = Database::default();
    /// let shop = producer(&cluster.bootstrap_servers())?;
    /// shop.init_transactions_keeping_prepared()?;
    /// shop.begin_transaction()?;
    /// shop.send(ProducerRecord::new("orders", "two apples"))?;
    /// let prepared = shop.prepare_transaction()?;
    /// // The next two lines are one transaction of the database.
    /// database.orders.push("two apples".to_owned());
    /// database.prepared = prepared.to_string();
    /// drop(shop); // as if it had crashed here: Kafka's part is neither committed nor aborted
    ///
    /// let shop = producer(&cluster.bootstrap_servers())?;
    /// if shop.init_transactions_keeping_prepared()?.is_some() {
    ///     let kept: PreparedTxnState = database.prepared.parse()?;
    ///     shop.complete_transaction(&kept)?; // commits what the database knows of
    /// }
    /// assert_eq!(cluster.committed_records("orders").len(), database.orders.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Of a transaction without a record and without offsets nothing is left open: what is returned is
    /// `PreparedTxnState::default()` then, which no other transaction is taken for.
    ///
    /// Blocks at most `max.block.ms`. Needs `transaction.two.phase.commit.enable=true`, also on the brokers.
    ///
    /// # Errors
    /// - [`requires_abort`](Error::requires_abort): a record of the transaction has failed, or something else of it. It is not
    ///   prepared: [`abort_transaction`](Self::abort_transaction);
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: **call it again**; what is under way is taken up;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one, and have it abort what is open;
    /// - `IllegalState`: no transaction is open, or the setting is not there; in a callback. `Closed`, `Forked`.
    #[doc(alias = "two-phase commit")]
    #[doc(alias = "KIP-939")]
    #[doc(alias = "2PC")]
    pub fn prepare_transaction(&self) -> Result<PreparedTxnState, Error> {
        self.core.prepare_transaction(None)
    }

    /// The second phase of a two-phase commit: commits the transaction that is prepared, if it is this one, and aborts it
    /// otherwise. So the state that was kept beside it decides: where that has not been written, the transaction does not
    /// count here either.
    ///
    /// Blocks at most `max.block.ms`.
    ///
    /// # Errors
    /// As [`commit_transaction`](Self::commit_transaction), with the same `possibly_written`; where one says "call it again",
    /// this call or the one that the error names. But none [requires an abort](Error::requires_abort): what is decided stays
    /// prepared where the coordinator refuses to commit it, the error is [fatal](Error::is_fatal), and the next producer
    /// completes it. `IllegalState`: no transaction is prepared, which also is so where it had
    /// been ended before a crash.
    pub fn complete_transaction(&self, prepared: &PreparedTxnState) -> Result<(), Error> {
        self.core.complete_transaction(prepared)
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
    /// - [`is_retriable`](Error::is_retriable) (`Timeout`), and `Interrupted`: it is still under way. **Call it again**, and it
    ///   goes on waiting; every other call of transactions is an `IllegalState` until then. Where
    ///   [`possibly_written`](Error::possibly_written) is true it may be committed already. If the program ends or crashes
    ///   here, the next one's [`init_transactions`](Self::init_transactions) waits until the coordinator has completed what was begun;
    /// - [`is_fatal`](Error::is_fatal): close this producer, make another one. Where `possibly_written` is true nobody knows
    ///   here whether the transaction was committed: read the committed offsets, or the topic;
    /// - `IllegalState`: no transaction is open; in a callback. `Closed` (see `possibly_written`), `Forked`.
    pub fn commit_transaction(&self) -> Result<(), Error> {
        self.core.transactional_call(TransactionCall::Commit, None)
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
        self.core.transactional_call(TransactionCall::Abort, None)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    /// Whether a call may wait here at all.
    fn check_caller(&self, name: &str) -> Result<(), Error> {
        self.check_process()?;
        not_in_callback(&format!("{name}()"))
    }

    fn check_transactional_call(&self, name: &str) -> Result<(), Error> {
        self.check_caller(name)?;
        self.control.lifecycle().refusal().map_or(Ok(()), Err)
    }

    /// `of`: a guard's call, which is about its own transaction only.
    fn transactional_call(&self, call: TransactionCall, of: Option<u64>) -> Result<(), Error> {
        self.timed(sensor_of(call), || self.call_until_over(call, of))
    }

    /// Begins the call, or takes up what is under way of it.
    fn begin_call(&self, call: TransactionCall, of: Option<u64>) -> Result<CallOutcome, Error> {
        let transactions = self.control.transactions();
        if let Some(outcome) = transactions.pending(call, of) {
            // What became of it is told, also where nothing new can begin any more.
            self.check_caller(call.name())?;
            return Ok(outcome);
        }
        let in_doubt = |error: Error| {
            let is_doubtful = call == TransactionCall::Commit && transactions.is_commit_in_doubt();
            let is_doubtful = is_doubtful && !of.is_some_and(|number| transactions.is_over(number));
            if is_doubtful { error.with_possibly_committed(true) } else { error }
        };
        self.check_transactional_call(call.name()).map_err(in_doubt)?;
        transactions.call(call, of).map_err(in_doubt)
    }

    fn call_until_over(&self, call: TransactionCall, of: Option<u64>) -> Result<(), Error> {
        let transactions = self.control.transactions();
        let is_commit = call == TransactionCall::Commit;
        let outcome = self.begin_call(call, of)?;
        let waited = self.await_call(call.name(), &outcome, is_commit);
        if let CallStop::Over(told) = waited {
            if transactions.told(&outcome) {
                self.accumulator.mailbox().push(Event::Turn, None);
            }
            return told;
        }
        waited.into_result()
    }

    fn check_two_phase_commit(&self, name: &str) -> Result<(), Error> {
        if self.settings.two_phase_commit {
            return Ok(());
        }
        let text = format!("{name}: two-phase commit needs transaction.two.phase.commit.enable=true");
        Err(Error::new(ErrorKind::IllegalState, text))
    }

    fn complete_transaction(&self, prepared: &PreparedTxnState) -> Result<(), Error> {
        self.check_transactional_call("complete_transaction")?;
        let call = self.control.transactions().completion(prepared)?;
        self.transactional_call(call, None)
    }

    fn prepare_transaction(&self, of: Option<u64>) -> Result<PreparedTxnState, Error> {
        self.check_two_phase_commit(TransactionCall::Prepare.name())?;
        self.transactional_call(TransactionCall::Prepare, of)?;
        Ok(self.control.transactions().prepared().unwrap_or_default())
    }

    /// Returns the transaction's number.
    fn begin_transaction(&self) -> Result<u64, Error> {
        let begin = || {
            self.check_transactional_call("begin_transaction")?;
            let turn = self.control.transactions().begin()?;
            self.accumulator.turn_queues(turn);
            Ok(turn)
        };
        self.timed(|calls| &mut calls.txn_begin, begin)
    }

    /// The same, and waits for an abort that is under way.
    pub(super) fn begin_for_guard(&self) -> Result<u64, Error> {
        self.finish_pending_abort()?;
        self.begin_transaction()
    }

    pub(super) fn call_of_guard(
        &self,
        number: Option<u64>,
        call: GuardCall,
    ) -> Result<Option<PreparedTxnState>, Error> {
        let end = |call| self.transactional_call(call, number).map(|()| None);
        match call {
            GuardCall::Add => {
                let is_over = |number| self.control.transactions().is_over(number);
                if number.is_some_and(is_over) { Err(transaction_is_over()) } else { Ok(None) }
            }
            GuardCall::Prepare => self.prepare_transaction(number).map(Some),
            GuardCall::Commit => end(TransactionCall::Commit),
            GuardCall::Abort => end(TransactionCall::Abort),
            GuardCall::Abandon => self.abandon_transaction(number).map(|()| None),
            GuardCall::Leave => {
                self.leave_transaction(number);
                Ok(None)
            }
        }
    }

    /// Aborts; in a callback that is left to the sender, and nobody is told yet what comes of it.
    fn abandon_transaction(&self, number: Option<u64>) -> Result<(), Error> {
        self.check_process()?;
        let transactions = self.control.transactions();
        if number.is_some_and(|number| !transactions.abandons(number)) {
            return Ok(());
        }
        let aborted = match is_in_callback() {
            true => self.begin_abort(number),
            false => self.transactional_call(TransactionCall::Abort, number),
        };
        // Another thread may have ended it meanwhile.
        let is_over = |number| transactions.is_over(number);
        if aborted.is_err() && number.is_some_and(is_over) { Ok(()) } else { aborted }
    }

    fn begin_abort(&self, of: Option<u64>) -> Result<(), Error> {
        self.control.lifecycle().refusal().map_or(Ok(()), Err)?;
        self.control.transactions().call(TransactionCall::Abort, of)?;
        self.accumulator.mailbox().push(Event::Turn, None);
        Ok(())
    }

    /// A guard is gone whose call is still under way: where that fails, the transaction is aborted all the same.
    fn leave_transaction(&self, number: Option<u64>) {
        if self.control.transactions().leave(number) {
            self.accumulator.mailbox().push(Event::Turn, None);
        }
    }

    /// Where an abort was not waited for to its end, it is now.
    fn finish_pending_abort(&self) -> Result<(), Error> {
        self.check_process()?;
        match self.control.transactions().is_pending(TransactionCall::Abort) {
            true => self.transactional_call(TransactionCall::Abort, None),
            false => Ok(()),
        }
    }

    fn send_offsets(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        self.check_transactional_call(SEND_OFFSETS)?;
        check_offsets(offsets, group)?;
        let (promise, outcome) = CallPromise::new();
        let mut offsets: Vec<_> =
            offsets.iter().map(|(place, offset)| (place.clone(), offset.clone())).collect();
        offsets.sort_by(|(one, _), (other, _)| one.cmp(other));
        let asked = OffsetsToCommit { offsets, group: group.clone(), promise };
        self.control.transactions().send_offsets(asked)?;
        self.await_call(SEND_OFFSETS, &outcome, false).into_result()
    }

    /// Has the sender look at what was asked, and waits for the outcome.
    fn await_call(&self, name: &str, outcome: &CallOutcome, is_commit: bool) -> CallStop {
        let begun = stage::now();
        self.accumulator.mailbox().push(Event::Turn, None);
        let transactions = self.control.transactions();
        let in_doubt = || is_commit && transactions.is_commit_in_doubt();
        let goes_on = match name {
            SEND_OFFSETS => "it goes on, and the commit waits for it",
            _ => "it goes on, and has to be called again",
        };
        match outcome.wait(begun.checked_add(self.settings.max_block)) {
            CallWait::Over(told) => CallStop::Over(told),
            CallWait::Interrupted => {
                let error = Error::interrupted(&format!("{name}; {goes_on}"));
                CallStop::Stopped(error.with_possibly_committed(in_doubt()))
            }
            CallWait::TimedOut => {
                let limit = self.settings.max_block.as_millis();
                let text = format!("{name}: not over within max.block.ms={limit}; {goes_on}");
                let error = Error::new(ErrorKind::Timeout, text);
                let (waited_for, last) = (transactions.waits_for(), self.metadata.heard().last_error(begun));
                let error = Explanation { waited_for, last, ..Explanation::default() }.explain(error);
                let elapsed = stage::now().saturating_duration_since(begun);
                CallStop::Stopped(error.with_elapsed(elapsed).with_possibly_committed(in_doubt()))
            }
        }
    }
}

const SEND_OFFSETS: &str = "send_offsets_to_transaction";

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
    // No broker could ever know it.
    let odd = offsets.keys().find_map(|place| TopicName::from(place.topic()).problem().map(|it| (place, it)));
    if let Some((place, problem)) = odd {
        return refuse(format!(
            "{}-{}: the topic's name {problem}",
            Escaped(place.topic()),
            place.partition()
        ));
    }
    if let Some((place, offset)) = offsets.iter().find(|(_, offset)| offset.metadata().len() > LONGEST_TEXT) {
        let (topic, partition, length) = (place.topic(), place.partition(), offset.metadata().len());
        return refuse(format!("{topic}-{partition}: the text beside the offset {}", too_long(length)));
    }
    let instance = group.group_instance_id().unwrap_or_default();
    let names =
        [("group id", group.group_id()), ("member id", group.member_id()), ("group instance id", instance)];
    if let Some((what, name)) = names.iter().find(|(_, name)| name.len() > LONGEST_TEXT) {
        return refuse(format!("the {what} {}", too_long(name.len())));
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

/// The bytes of the longest text that brokers read in a request; what is longer ends the connection, each time it is sent.
const LONGEST_TEXT: usize = 32_767;

fn too_long(length: usize) -> String {
    format!("has {length} bytes, and a request has room for {LONGEST_TEXT}")
}
