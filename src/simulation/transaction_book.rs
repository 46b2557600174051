//! `TransactionBook`: the transactions that the application began, and what it was told of each.
//!
//! Owns: what follows from that for the fate of each. Must not know: records' contents, brokers, threads.
//! Holds: a transaction is the open one from its beginning to the next.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::error::{Error, ErrorKind};
use crate::logging;

/// A transaction as the application saw it.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservedTransaction {
    pub(super) offsets: Vec<ObservedOffset>,
    /// Calls to commit it that have not come back.
    pending: u32,
    /// A call to commit it was taken.
    is_asked_for: bool,
    is_committed: bool,
    is_aborted: bool,
    /// A call to commit it has said that nothing is committed.
    is_refused: bool,
}

/// An offset that the application gave to a transaction; no two are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObservedOffset {
    pub(super) group: String,
    pub(super) topic: &'static str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The call came back with success.
    pub(super) is_taken: bool,
}

/// What has become of a transaction, by all that the application was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionFate {
    Committed,
    NotCommitted,
    Unknown,
}

impl ObservedTransaction {
    pub(super) fn fate(&self) -> TransactionFate {
        let was_asked_for = self.is_asked_for || self.pending > 0;
        match self {
            _ if self.is_committed => TransactionFate::Committed,
            _ if self.is_aborted || self.is_refused || !was_asked_for => TransactionFate::NotCommitted,
            _ => TransactionFate::Unknown,
        }
    }

    /// It was said to be committed and not to be.
    pub(super) fn is_contradictory(&self) -> bool {
        self.is_committed && (self.is_aborted || self.is_refused)
    }

    /// Nothing can belong to it any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_committed || self.is_aborted
    }
}

/// What is known of a run's transactions beside its records.
#[derive(Debug, Clone, Default)]
pub(super) struct TransactionHistory {
    /// In the order of their beginnings.
    pub(super) transactions: Vec<ObservedTransaction>,
    /// The errors of calls that came at the right time.
    pub(super) failures: Vec<String>,
    /// The values of the records that a reader of committed records sees.
    pub(super) committed: HashSet<Vec<u8>>,
    /// By group, topic and partition.
    pub(super) offsets: BTreeMap<(String, String, i32), i64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TransactionBook {
    pub(super) transactions: Vec<ObservedTransaction>,
    /// The errors of calls that came at the right time.
    pub(super) failures: Vec<String>,
    /// The application knows that its producer is fenced.
    pub(super) is_fenced: bool,
    offsets: i64,
}

impl TransactionBook {
    pub(super) fn begun(&mut self) {
        self.transactions.push(ObservedTransaction::default());
    }

    /// The one that is open, or was last.
    pub(super) fn current(&self) -> Option<usize> {
        self.transactions.len().checked_sub(1)
    }

    /// All groups of which there are offsets.
    pub(super) fn groups(&self) -> BTreeSet<String> {
        let offsets = self.transactions.iter().flat_map(|transaction| &transaction.offsets);
        offsets.map(|offset| offset.group.clone()).collect()
    }

    pub(super) fn is_last_committed(&self) -> bool {
        self.transactions.last().is_some_and(|last| last.is_committed)
    }

    /// A number for an offset, and the transaction that it belongs to.
    pub(super) fn add_offset(&mut self, make: impl FnOnce(i64) -> ObservedOffset) -> Option<(usize, usize)> {
        let transaction = self.current()?;
        self.offsets += 1;
        let offsets = &mut self.transactions[transaction].offsets;
        offsets.push(make(self.offsets));
        Some((transaction, offsets.len() - 1))
    }

    pub(super) fn offset_taken(&mut self, (transaction, place): (usize, usize)) {
        self.transactions[transaction].offsets[place].is_taken = true;
    }

    pub(super) fn commit_begins(&mut self) -> Option<usize> {
        let current = self.current()?;
        self.transactions[current].pending += 1;
        Some(current)
    }

    pub(super) fn commit_is_over(&mut self, transaction: Option<usize>, outcome: &Result<(), Error>) {
        let Some(transaction) = transaction.and_then(|it| self.transactions.get_mut(it)) else { return };
        transaction.pending -= 1;
        match outcome {
            Ok(()) => transaction.is_committed = true,
            // It was over before, and this says nothing of it.
            Err(_) if transaction.is_over() => return,
            // The call was not taken.
            Err(error) if error.kind() == ErrorKind::IllegalState => return,
            Err(error) => {
                let is_last_word =
                    error.requires_abort() || error.is_fatal() || error.kind() == ErrorKind::Closed;
                transaction.is_refused |= is_last_word && !error.possibly_written();
            }
        }
        transaction.is_asked_for = true;
    }

    pub(super) fn abort_is_over(&mut self, transaction: Option<usize>, outcome: &Result<(), Error>) {
        if let Some(transaction) = transaction.filter(|_| outcome.is_ok()) {
            self.transactions[transaction].is_aborted = true;
        }
    }

    /// What a call of transactions has said, whichever.
    pub(super) fn note(&mut self, name: &str, outcome: &Result<(), Error>) {
        logging::trace!("   {name}: {outcome:?}");
        let Err(error) = outcome else { return };
        self.is_fenced |= error.is_fatal() && error.kind() == ErrorKind::Fenced;
        if !matches!(error.kind(), ErrorKind::IllegalState | ErrorKind::Closed) {
            self.failures.push(format!("{name}: {error}"));
        }
    }
}
