//! The transactional calls of a `MockProducer`, and what a test can see of them.
//!
//! Owns: what each call does. Must not know: which may follow which (`MockTransactions`).
//! Holds: records and offsets of a transaction are in the histories once it is committed, and not at all where it is aborted.
//! Source: Kafka's `MockProducer`.

use std::collections::HashMap;

use crate::completion::not_in_callback;
use crate::consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::mock::mock_transactions::wrong_state;
use crate::mock::sent_record::SentRecord;
use crate::mock::{Mock, MockProducer};
use crate::producer::{Transaction, check_offsets};
use crate::transaction::{TransactionEvent, TransactionState};

impl<K: ?Sized + 'static, V: ?Sized + 'static> MockProducer<K, V> {
    /// Whether `init_transactions` was called.
    pub fn transaction_initialized(&self) -> bool {
        self.mock.state.lock().transactions.state != TransactionState::Uninitialized
    }

    /// Whether a transaction is open.
    pub fn transaction_in_flight(&self) -> bool {
        self.mock.state.lock().transactions.state == TransactionState::InTransaction
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

    /// From now on the call of this name fails with this error: `init_transactions`, `begin_transaction`,
    /// `send_offsets_to_transaction`, `commit_transaction`, `abort_transaction`. Without an error it works again.
    ///
    /// ```
    /// use kafka_producer::{Error, ErrorKind, MockProducer, Producer, StringSerializer};
    ///
    /// let producer: MockProducer<str, str> = MockProducer::new(StringSerializer, StringSerializer);
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
    pub(super) fn init_transactions(&self) -> Result<(), Error> {
        not_in_callback("init_transactions()")?;
        let mut state = self.state.lock();
        state.check_usable()?;
        state.transactions.step("init_transactions", TransactionEvent::Init)?;
        state.transactions.step("init_transactions", TransactionEvent::Initialized)?;
        state.transactions.settled = state.history.len();
        Ok(())
    }

    pub(super) fn begin_transaction(&self) -> Result<(), Error> {
        not_in_callback("begin_transaction()")?;
        let mut state = self.state.lock();
        state.check_usable()?;
        state.transactions.step("begin_transaction", TransactionEvent::Begin)
    }

    pub(super) fn send_offsets(
        &self,
        offsets: &HashMap<TopicPartition, OffsetAndMetadata>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        not_in_callback("send_offsets_to_transaction()")?;
        check_offsets(offsets, group)?;
        let mut state = self.state.lock();
        state.check_usable()?;
        let transactions = &mut state.transactions;
        if let Some(error) = transactions.errors.get("send_offsets_to_transaction") {
            return Err(error.clone());
        }
        if transactions.state != TransactionState::InTransaction {
            return Err(wrong_state("send_offsets_to_transaction", transactions.state));
        }
        let of_group = transactions.uncommitted.entry(group.group_id().to_owned()).or_default();
        of_group.extend(offsets.iter().map(|(place, offset)| (place.clone(), offset.clone())));
        Ok(())
    }

    /// As a flush, everything is answered first.
    pub(super) fn commit_transaction(&self) -> Result<(), Error> {
        not_in_callback("commit_transaction()")?;
        self.state.lock().check_usable()?;
        self.flush(None)?;
        let mut state = self.state.lock();
        state.check_usable()?;
        state.transactions.step("commit_transaction", TransactionEvent::Commit)?;
        state.transactions.step("commit_transaction", TransactionEvent::Ended)?;
        let offsets = std::mem::take(&mut state.transactions.uncommitted);
        state.transactions.committed.push(offsets);
        state.transactions.commits += 1;
        state.transactions.settled = state.history.len();
        Ok(())
    }

    /// What is not answered yet fails, and what was sent in the transaction is in the history no more.
    pub(super) fn abort_transaction(&self) -> Result<(), Error> {
        not_in_callback("abort_transaction()")?;
        let mut state = self.state.lock();
        state.check_usable()?;
        state.transactions.step("abort_transaction", TransactionEvent::Abort)?;
        let text = "the transaction was aborted before the record was sent";
        state.decide_all(Some(&Error::new(ErrorKind::TransactionAborted, text)));
        state.transactions.step("abort_transaction", TransactionEvent::Ended)?;
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
