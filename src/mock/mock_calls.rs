//! The transactional calls of a `MockProducer`, and what a test can see of them.
//!
//! Owns: what each call does. Must not know: which may follow which (`MockTransactions`).
//! Holds: records and offsets of a transaction are in the histories once it is committed, and not at all where it is aborted.
//! Source: Kafka's `MockProducer`.

use std::collections::HashMap;

use parking_lot::MutexGuard;

use crate::completion::not_in_callback;
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::mock::sent_record::SentRecord;
use crate::mock::state::MockState;
use crate::mock::{Mock, MockProducer};
use crate::producer::{GuardCall, Transaction, check_offsets};
use crate::transaction::{PreparedTxnState, TransactionCall, TransactionEvent, TransactionState};

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockProducer<K, V> {
    /// Whether `init_transactions` was called.
    pub fn transaction_initialized(&self) -> bool {
        self.mock.state.lock().transactions.state != TransactionState::Uninitialized
    }

    /// Whether a transaction is open, or prepared.
    pub fn transaction_in_flight(&self) -> bool {
        let state = self.mock.state.lock().transactions.state;
        matches!(
            state,
            TransactionState::InTransaction | TransactionState::AbortableError | TransactionState::Prepared
        )
    }

    /// The records of the open transaction, in the order of `send`. Those of committed ones are in the
    /// [`history`](Self::history), as in Java.
    pub fn uncommitted_records(&self) -> Vec<SentRecord<K, V>> {
        let state = self.mock.state.lock();
        state.history.get(state.settled_records()..).unwrap_or_default().to_vec()
    }

    /// How many transactions were committed.
    pub fn commit_count(&self) -> u64 {
        self.mock.state.lock().transactions.commits
    }

    /// Whether any was.
    pub fn transaction_committed(&self) -> bool {
        self.commit_count() > 0
    }

    /// Whether offsets are to be committed with the open transaction.
    pub fn sent_offsets(&self) -> bool {
        !self.mock.state.lock().transactions.uncommitted.is_empty()
    }

    /// The offsets that each committed transaction had, by group, in order.
    pub fn committed_offsets(&self) -> Vec<HashMap<String, HashMap<TopicPartition, OffsetAndMetadata>>> {
        self.mock.state.lock().transactions.committed.clone()
    }

    /// Which transaction is prepared for a two-phase commit.
    pub fn prepared_transaction(&self) -> Option<PreparedTxnState> {
        self.mock.state.lock().transactions.prepared
    }

    /// What `init_transactions_keeping_prepared` is to find: a transaction that a producer before this one has left prepared.
    ///
    /// ```
    /// use kafka_producer::{Error, MockProducer, Producer, StringSerializer};
    ///
    /// let producer: MockProducer<str, str> =
    ///     MockProducer::new(StringSerializer, StringSerializer);
    /// producer.leave_prepared("4000:17".parse()?);
    /// let found = producer.init_transactions_keeping_prepared()?;
    /// assert_eq!(found.map(|state| state.to_string()).as_deref(), Some("4000:17"));
    /// producer.complete_transaction(&"4000:16".parse()?)?; // not this one: it is aborted
    /// assert_eq!(producer.commit_count(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn leave_prepared(&self, prepared: PreparedTxnState) {
        self.mock.state.lock().transactions.left = Some(prepared);
    }

    /// From now on the call of this name fails with this error: `init_transactions`,
    /// `init_transactions_keeping_prepared`, `begin_transaction`, `send_offsets_to_transaction`, `prepare_transaction`,
    /// `complete_transaction`, `commit_transaction`, `abort_transaction`. Without an error it works again.
    ///
    /// What follows from the error is as with the real producer. Where one of a call that ends something (or of
    /// `init_transactions`) is retriable or `Interrupted`, the same call has to be made again, and every other one is an
    /// `IllegalState` till then; where one [requires an abort](Error::requires_abort), the transaction can only be aborted; a
    /// [fatal](Error::is_fatal) one is the end of this producer.
    ///
    /// ```
    /// use kafka_producer::{Error, ErrorKind, MockProducer, Producer, StringSerializer};
    ///
    /// let producer: MockProducer<str, str> =
    ///     MockProducer::new(StringSerializer, StringSerializer);
    /// producer.init_transactions()?;
    /// producer.begin_transaction()?;
    /// let error = Error::new(ErrorKind::Timeout, "the coordinator is away");
    /// producer.fail_transactions("commit_transaction", Some(error));
    /// assert!(producer.commit_transaction().unwrap_err().is_retriable());
    /// producer.fail_transactions("commit_transaction", None);
    /// producer.commit_transaction()?;
    /// assert_eq!(producer.commit_count(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fail_transactions(&self, call: &'static str, error: Option<Error>) {
        let mut state = self.mock.state.lock();
        let old = match error {
            Some(error) => state.transactions.errors.insert(call, error),
            None => state.transactions.errors.remove(call),
        };
        drop(state);
        drop(old); // not under the lock: its source may be the user's
    }

    /// Opens a transaction: [`KafkaProducer::begin`](crate::KafkaProducer::begin).
    ///
    /// # Errors
    /// As [`begin_transaction`](crate::Producer::begin_transaction).
    pub fn begin(&self) -> Result<Transaction<'_, K, V, Self>, Error> {
        Transaction::begin(self)
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Mock<K, V> {
    /// The state, for a call that can be made. An error on demand that is fatal is the end of the producer.
    fn enter(
        &self,
        enter: impl FnOnce(&mut MockState<K, V>) -> Result<(), Error>,
    ) -> Result<MutexGuard<'_, MockState<K, V>>, Error> {
        let mut state = self.state.lock();
        state.check_usable()?;
        let Err(error) = enter(&mut state) else { return Ok(state) };
        if error.is_fatal() {
            state.fatal = Some(error.clone());
            state.decide_all(Some(&error));
            drop(state);
            self.tell();
        }
        Err(error)
    }

    /// `of`: a guard's call, which is about its own transaction only.
    fn enter_call(
        &self,
        (call, of): (TransactionCall, Option<u64>),
        event: TransactionEvent,
    ) -> Result<MutexGuard<'_, MockState<K, V>>, Error> {
        self.enter(|state| {
            state.transactions.check_current(of)?;
            state.transactions.enter(call, event)
        })
    }

    fn check_current(&self, of: Option<u64>) -> Result<(), Error> {
        let state = self.state.lock();
        state.check_usable()?;
        state.transactions.check_current(of)
    }

    /// Where an abort has to be done again, that is done first.
    pub(super) fn begin_for_guard(&self) -> Result<u64, Error> {
        let pending = self.state.lock().transactions.pending;
        if pending == Some(TransactionCall::Abort) {
            self.abort_transaction(None)?;
        }
        self.begin_transaction()
    }

    pub(super) fn call_of_guard(
        &self,
        number: Option<u64>,
        call: GuardCall,
    ) -> Result<Option<PreparedTxnState>, Error> {
        match call {
            GuardCall::Add => self.check_current(number)?,
            GuardCall::Prepare => return self.prepare_transaction(number).map(Some),
            GuardCall::Commit => self.commit_transaction(number)?,
            GuardCall::Abort => self.abort_transaction(number)?,
            GuardCall::Abandon => self.abandon_transaction(number)?,
            GuardCall::Leave => {
                let transactions = &mut self.state.lock().transactions;
                if transactions.check_current(number).is_ok() {
                    transactions.is_left = transactions.pending.is_some();
                }
            }
        }
        Ok(None)
    }

    pub(super) fn init_transactions(&self) -> Result<(), Error> {
        not_in_callback("init_transactions()")?;
        let call = TransactionCall::Init;
        let mut state = self.enter_call((call, None), TransactionEvent::Init)?;
        state.transactions.step(call.name(), TransactionEvent::Initialized)?;
        state.transactions.settled = state.history.len();
        Ok(())
    }

    pub(super) fn init_transactions_keeping_prepared(&self) -> Result<Option<PreparedTxnState>, Error> {
        not_in_callback("init_transactions_keeping_prepared()")?;
        let call = TransactionCall::InitKeepingPrepared;
        let mut state = self.enter_call((call, None), TransactionEvent::Init)?;
        let left = state.transactions.left.take();
        let event = left.map_or(TransactionEvent::Initialized, |_| TransactionEvent::Prepared);
        state.transactions.step(call.name(), event)?;
        state.transactions.prepared = left;
        state.transactions.settled = state.history.len();
        Ok(left)
    }

    /// As a flush, everything is answered first.
    pub(super) fn prepare_transaction(&self, of: Option<u64>) -> Result<PreparedTxnState, Error> {
        not_in_callback("prepare_transaction()")?;
        self.check_current(of)?;
        self.flush(None)?;
        let call = TransactionCall::Prepare;
        let mut state = self.enter_call((call, of), TransactionEvent::Prepare)?;
        state.transactions.step(call.name(), TransactionEvent::Prepared)?;
        // Each transaction has a name of its own, however the one before has ended.
        let epoch = i16::try_from(state.transactions.ends).unwrap_or(i16::MAX);
        let is_empty =
            state.history.len() == state.transactions.settled && state.transactions.uncommitted.is_empty();
        let prepared = match is_empty {
            true => PreparedTxnState::default(),
            false => PreparedTxnState::new(MOCK_PRODUCER_ID, epoch),
        };
        state.transactions.prepared = Some(prepared);
        Ok(prepared)
    }

    pub(super) fn complete_transaction(&self, kept: &PreparedTxnState) -> Result<(), Error> {
        const NAME: &str = "complete_transaction";
        not_in_callback("complete_transaction()")?;
        let mut call = None;
        let state = self.enter(|state| {
            let transactions = &mut state.transactions;
            let prepared = transactions.prepared.filter(|_| transactions.state == TransactionState::Prepared);
            call = prepared.map(|prepared| match prepared == *kept {
                true => (TransactionCall::Commit, TransactionEvent::Commit),
                false => (TransactionCall::Abort, TransactionEvent::Abort),
            });
            transactions.fail_on_demand(NAME, call)
        })?;
        match call {
            None => Err(state.transactions.wrong_state(NAME)),
            Some((call, _)) => {
                drop(state);
                if call == TransactionCall::Commit {
                    self.commit_transaction(None)
                } else {
                    self.abort_transaction(None)
                }
            }
        }
    }

    /// Returns the transaction's number.
    pub(super) fn begin_transaction(&self) -> Result<u64, Error> {
        const NAME: &str = "begin_transaction";
        not_in_callback("begin_transaction()")?;
        let mut state = self.enter(|state| state.transactions.fail_on_demand(NAME, None))?;
        state.transactions.check_nothing_pending_but(NAME, None)?;
        state.transactions.step(NAME, TransactionEvent::Begin)?;
        state.transactions.begun += 1;
        Ok(state.transactions.begun)
    }

    pub(super) fn send_offsets(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        const NAME: &str = "send_offsets_to_transaction";
        not_in_callback("send_offsets_to_transaction()")?;
        check_offsets(offsets, group)?;
        let mut state = self.enter(|state| state.transactions.fail_on_demand(NAME, None))?;
        let transactions = &mut state.transactions;
        transactions.check_nothing_pending_but(NAME, None)?;
        if transactions.state != TransactionState::InTransaction {
            return Err(transactions.wrong_state(NAME));
        }
        let of_group = transactions.uncommitted.entry(group.group_id().to_owned()).or_default();
        of_group.extend(offsets.iter().map(|(place, offset)| (place.clone(), offset.clone())));
        Ok(())
    }

    /// As a flush, everything is answered first.
    pub(super) fn commit_transaction(&self, of: Option<u64>) -> Result<(), Error> {
        not_in_callback("commit_transaction()")?;
        self.check_current(of)?;
        self.flush(None)?;
        let call = TransactionCall::Commit;
        let mut state = self.enter_call((call, of), TransactionEvent::Commit)?;
        state.transactions.step(call.name(), TransactionEvent::Ended)?;
        let offsets = std::mem::take(&mut state.transactions.uncommitted);
        state.transactions.committed.push(offsets);
        state.transactions.commits += 1;
        state.transactions.ends += 1;
        state.transactions.settled = state.history.len();
        Ok(())
    }

    /// What is not answered yet fails, and what was sent in the transaction is in the history no more.
    pub(super) fn abort_transaction(&self, of: Option<u64>) -> Result<(), Error> {
        not_in_callback("abort_transaction()")?;
        self.abort(of)
    }

    /// The same, and in a callback as well, where what is decided is told later.
    fn abandon_transaction(&self, number: Option<u64>) -> Result<(), Error> {
        let abandons = |number| self.state.lock().transactions.abandons(number);
        if number.is_none_or(abandons) { self.abort(number) } else { Ok(()) }
    }

    fn abort(&self, of: Option<u64>) -> Result<(), Error> {
        let call = TransactionCall::Abort;
        let mut state = self.enter_call((call, of), TransactionEvent::Abort)?;
        let text = "the transaction was aborted before the record was sent";
        state.decide_all(Some(&Error::new(ErrorKind::TransactionAborted, text)));
        state.transactions.step(call.name(), TransactionEvent::Ended)?;
        state.transactions.ends += 1;
        let settled = state.transactions.settled.min(state.history.len());
        let forgotten = state.history.split_off(settled);
        let offsets = std::mem::take(&mut state.transactions.uncommitted);
        let failure = state.transactions.failure.take();
        let untold = state.untold();
        drop(state);
        drop((forgotten, offsets, failure)); // not under the lock: they are the user's
        self.tell();
        self.await_all(&untold);
        Ok(())
    }
}

/// The producer id in what a mock has prepared, as in Java.
const MOCK_PRODUCER_ID: i64 = 1000;
