//! `TransactionBook`: the transactions that the application began, and what it was told of each.
//!
//! Owns: what follows from that for the fate of each. Must not know: records' contents, brokers, threads.
//! Holds: a transaction is the open one from its beginning to the next.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::transaction::PreparedTxnState;

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
    /// By which it is known, once it is prepared.
    prepared: Option<PreparedTxnState>,
    /// The database has decided that it is to be committed.
    is_decided: bool,
    /// Calls to abort it that have not come back.
    aborting: u32,
    /// A call to abort it was taken.
    is_given_up: bool,
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
    /// `is_settled`: whatever was prepared has been completed.
    pub(super) fn fate(&self, is_settled: bool) -> TransactionFate {
        let was_asked_for = self.is_asked_for || self.pending > 0 || self.is_decided;
        match self {
            _ if self.is_committed => TransactionFate::Committed,
            _ if self.is_aborted || self.is_refused || !was_asked_for => TransactionFate::NotCommitted,
            _ if self.is_owed() && is_settled => TransactionFate::Committed,
            _ => TransactionFate::Unknown,
        }
    }

    /// It is decided that it is committed, by whichever program, and nobody has asked for anything else.
    fn is_owed(&self) -> bool {
        self.is_decided && !self.is_given_up && self.aborting == 0
    }

    /// Nothing can belong to it any more, or not for now.
    pub(super) fn takes_nothing(&self) -> bool {
        self.is_over() || self.prepared.is_some()
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
    /// The values of records that were written and are in no log any more: their topic was deleted.
    pub(super) gone: HashSet<Vec<u8>>,
    /// Nothing goes wrong in the end, and what was prepared has been completed.
    pub(super) is_settled: bool,
    /// How transactions of two phases were completed.
    pub(super) completed: Vec<&'static str>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TransactionBook {
    pub(super) transactions: Vec<ObservedTransaction>,
    /// The errors of calls that came at the right time.
    pub(super) failures: Vec<String>,
    /// The application knows that its producer is fenced.
    pub(super) is_fenced: bool,
    /// How transactions of two phases were completed.
    pub(super) completed: Vec<&'static str>,
    /// What the program before has left prepared, or open, until it is completed.
    pub(super) inherited: Option<PreparedTxnState>,
    offsets: i64,
}

/// What a call of `complete_transaction` is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Completing {
    /// This transaction, of which the database has decided that it is committed.
    Committing(Option<usize>),
    /// This one, of which it has not.
    Aborting(Option<usize>),
    /// One of the program before.
    Inherited {
        commits: bool,
    },
    Nothing,
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
        self.commit_of_begins(self.current())
    }

    /// The same for a guard's transaction, which may be an old one.
    pub(super) fn commit_of_begins(&mut self, transaction: Option<usize>) -> Option<usize> {
        self.transactions.get_mut(transaction?)?.pending += 1;
        transaction
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
                // What is prepared may still be committed by the next program.
                let is_the_end = error.is_fatal() || error.kind() == ErrorKind::Closed;
                let is_last_word = error.requires_abort() || (is_the_end && transaction.prepared.is_none());
                transaction.is_refused |= is_last_word && !error.possibly_written();
            }
        }
        transaction.is_asked_for = true;
    }

    pub(super) fn abort_begins(&mut self) -> Option<usize> {
        self.abort_of_begins(self.current())
    }

    /// The same for a guard's transaction, which may be an old one.
    pub(super) fn abort_of_begins(&mut self, transaction: Option<usize>) -> Option<usize> {
        self.transactions.get_mut(transaction?)?.aborting += 1;
        transaction
    }

    pub(super) fn abort_is_over(&mut self, transaction: Option<usize>, outcome: &Result<(), Error>) {
        let Some(transaction) = transaction.and_then(|it| self.transactions.get_mut(it)) else { return };
        transaction.aborting -= 1;
        transaction.is_aborted |= outcome.is_ok();
        // Otherwise the call was not taken.
        transaction.is_given_up |=
            !outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::IllegalState);
    }

    /// This transaction is prepared. Returns whether nobody knew that, so that whoever is told now decides of it.
    pub(super) fn prepared(&mut self, transaction: Option<usize>, state: PreparedTxnState) -> bool {
        let last = self.current().filter(|last| transaction == Some(*last));
        let last = last.and_then(|last| self.transactions.get_mut(last)).filter(|last| !last.is_over());
        last.is_some_and(|last| last.prepared.replace(state).is_none())
    }

    /// The database has decided that the transaction is committed which was prepared last.
    pub(super) fn decided(&mut self) {
        self.transactions.iter_mut().last().into_iter().for_each(|last| last.is_decided = true);
    }

    /// A call completes what this program has prepared, or what the one before it has left.
    pub(super) fn completion_begins(&mut self, decided: PreparedTxnState) -> Completing {
        let own = self.transactions.last().filter(|last| !last.is_over());
        let is_prepared = |own: &&ObservedTransaction| own.prepared.is_some_and(|it| it.has_transaction());
        match (own.filter(is_prepared).map(|own| own.is_decided), self.inherited) {
            (Some(true), _) => Completing::Committing(self.commit_begins()),
            (Some(false), _) => Completing::Aborting(self.abort_begins()),
            (None, Some(left)) => Completing::Inherited { commits: left == decided },
            (None, None) => Completing::Nothing,
        }
    }

    pub(super) fn completion_is_over(&mut self, begun: Completing, outcome: &Result<(), Error>) {
        let what = match begun {
            Completing::Committing(transaction) => {
                self.commit_is_over(transaction, outcome);
                "committed by its own program"
            }
            Completing::Aborting(transaction) => {
                self.abort_is_over(transaction, outcome);
                "aborted by its own program"
            }
            Completing::Inherited { commits: true } => "committed by the next program",
            Completing::Inherited { commits: false } => "aborted by the next program",
            Completing::Nothing => return,
        };
        if outcome.is_ok() {
            self.inherited = None;
            self.completed.push(what);
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
