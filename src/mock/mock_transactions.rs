//! `MockTransactions`: what is in a mock's open transaction, what was committed, which calls fail on demand.
//!
//! Owns: their state, which goes by the same table as the real producer's. Must not know: how records are answered.

use std::collections::HashMap;

use crate::consumer_group::{OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::transaction::{PreparedTxnState, TransactionEvent, TransactionState, transition};

/// Offsets by group.
pub(super) type OffsetsByGroup = HashMap<String, HashMap<TopicPartition, OffsetAndMetadata>>;

/// Where a mock's transactions stand.
#[derive(Default)]
pub(super) struct MockTransactions {
    /// Nothing is refused as long as `init_transactions` was not called: a mock need not have transactions.
    pub(super) state: TransactionState,
    /// How many records of the history are of committed transactions, or were sent before there were any.
    pub(super) settled: usize,
    pub(super) uncommitted: OffsetsByGroup,
    pub(super) committed: Vec<OffsetsByGroup>,
    pub(super) commits: u64,
    /// The transaction that is prepared.
    pub(super) prepared: Option<PreparedTxnState>,
    /// One that the producer before this one has left, for a test.
    pub(super) left: Option<PreparedTxnState>,
    /// The next calls fail with these, by name.
    pub(super) errors: HashMap<&'static str, Error>,
    /// A record of the open transaction has failed with this.
    pub(super) failure: Option<Error>,
}

impl MockTransactions {
    /// Takes a step, unless this call is to fail.
    pub(super) fn step(&mut self, call: &'static str, event: TransactionEvent) -> Result<(), Error> {
        if let Some(error) = self.errors.get(call) {
            return Err(error.clone());
        }
        let needs_all = matches!(event, TransactionEvent::Commit | TransactionEvent::Prepare);
        if let Some(failure) = self.failure.as_ref().filter(|_| needs_all) {
            return Err(failure.clone().with_requires_abort());
        }
        self.state = transition(self.state, event).map_err(|illegal| wrong_state(call, illegal.state))?;
        Ok(())
    }

    /// Whether a record may be sent.
    pub(super) fn check_send(&self) -> Result<(), Error> {
        match self.state {
            TransactionState::Uninitialized | TransactionState::InTransaction => {
                self.failure.clone().map_or(Ok(()), |failure| Err(failure.with_requires_abort()))
            }
            state => Err(wrong_state("send", state)),
        }
    }

    /// How many of so many records are not of an open transaction.
    pub(super) fn settled(&self, records: usize) -> usize {
        if self.state == TransactionState::Uninitialized { records } else { self.settled.min(records) }
    }

    /// The history was forgotten.
    pub(super) fn forget_history(&mut self) {
        self.settled = 0;
    }

    /// A record was answered with this error.
    pub(super) fn record_failed(&mut self, error: &Error) {
        if self.state == TransactionState::InTransaction {
            self.failure.get_or_insert_with(|| error.clone());
        }
    }
}

/// The error of a call that the state does not allow.
pub(super) fn wrong_state(call: &str, state: TransactionState) -> Error {
    let expected = match state {
        TransactionState::Uninitialized => "init_transactions() has to be called first",
        TransactionState::Ready if call.starts_with("init_transactions") => "it was called already",
        TransactionState::InTransaction => "a transaction is open",
        TransactionState::Prepared => "a transaction is prepared",
        _ => "no transaction is open",
    };
    Error::new(ErrorKind::IllegalState, format!("{call}: {expected}"))
}
