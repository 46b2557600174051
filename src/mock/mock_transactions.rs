//! `MockTransactions`: what is in a mock's open transaction, what was committed, which calls fail on demand.
//!
//! Owns: their state, which goes by the same table as the real producer's, and what follows from an error on demand: as the real
//! producer's calls, the mock's have to be repeated, or the transaction aborted, where the error says so. Must not know: how
//! records are answered.

use std::collections::HashMap;

use crate::consumer_group::{OffsetAndMetadata, TopicPartition};
use crate::error::{Error, ErrorKind};
use crate::transaction::{
    PreparedTxnState, TransactionCall, TransactionEvent, TransactionState, dooms, expected_instead,
    failed_transaction, is_under_way, must_repeat, transaction_is_over, transition,
};

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
    /// How many transactions have begun: the number of the last one.
    pub(super) begun: u64,
    /// How many transactions have ended, in one way or the other.
    pub(super) ends: u64,
    /// The transaction that is prepared.
    pub(super) prepared: Option<PreparedTxnState>,
    /// One that the producer before this one has left, for a test.
    pub(super) left: Option<PreparedTxnState>,
    /// The next calls fail with these, by name.
    pub(super) errors: HashMap<&'static str, Error>,
    /// Why the open transaction can only be aborted.
    pub(super) failure: Option<Error>,
    /// A call that has to be repeated, since its error on demand said so.
    pub(super) pending: Option<TransactionCall>,
    /// The guard of the transaction is gone while its call is pending.
    pub(super) is_left: bool,
}

impl MockTransactions {
    /// Fails if the call of this name is to, with all that follows from the error where the call could be made. `call`: what has
    /// to be repeated where it is still under way.
    pub(super) fn fail_on_demand(
        &mut self,
        name: &'static str,
        call: Option<(TransactionCall, TransactionEvent)>,
    ) -> Result<(), Error> {
        let Some(error) = self.errors.get(name).cloned() else { return Ok(()) };
        let is_allowed = match call {
            Some((call, event)) => {
                self.pending.is_none_or(|pending| pending == call) && transition(self.state, event).is_ok()
            }
            None => self.pending.is_none(),
        };
        if !is_allowed {
            return Err(error);
        }
        match call {
            Some((call, _)) if is_under_way(&error) => self.pending = Some(call),
            _ => self.pending = None,
        }
        if error.requires_abort() {
            self.fail(&error);
        }
        if self.pending.is_none() && std::mem::take(&mut self.is_left) && self.is_failed() {
            self.pending = Some(TransactionCall::Abort);
        }
        Err(error)
    }

    /// Begins a call, unless it is to fail, is not the one that has to be repeated, or is not one of this state.
    pub(super) fn enter(&mut self, call: TransactionCall, event: TransactionEvent) -> Result<(), Error> {
        let name = call.name();
        self.fail_on_demand(name, Some((call, event)))?;
        self.check_nothing_pending_but(name, Some(call))?;
        self.step(name, event)?;
        (self.pending, self.is_left) = (None, false);
        Ok(())
    }

    /// Whether a guard's transaction, if it is one's call, is the one that all is about: the last that has begun, and not over.
    pub(super) fn check_current(&self, of: Option<u64>) -> Result<(), Error> {
        let Some(number) = of else { return Ok(()) };
        let is_known = self.pending.is_some() || self.state.has_transaction();
        if self.begun == number && is_known { Ok(()) } else { Err(transaction_is_over()) }
    }

    /// A guard is dropped: whether that is for it to abort. What another call is about to end is only left.
    pub(super) fn abandons(&mut self, number: u64) -> bool {
        if self.check_current(Some(number)).is_err() || self.state == TransactionState::Prepared {
            return false;
        }
        let is_ended = self.pending.is_some_and(|pending| pending != TransactionCall::Abort);
        self.is_left |= is_ended;
        !is_ended
    }

    /// Takes a step, if it is one of this state.
    pub(super) fn step(&mut self, name: &'static str, event: TransactionEvent) -> Result<(), Error> {
        self.state = transition(self.state, event).map_err(|_| self.wrong_state(name))?;
        Ok(())
    }

    /// Whether a call may be made though another one may have to be repeated.
    pub(super) fn check_nothing_pending_but(
        &self,
        name: &str,
        call: Option<TransactionCall>,
    ) -> Result<(), Error> {
        let other = self.pending.filter(|pending| Some(*pending) != call);
        other.map_or(Ok(()), |pending| Err(must_repeat(name, pending)))
    }

    /// Whether a record may be sent.
    pub(super) fn check_send(&self) -> Result<(), Error> {
        self.check_nothing_pending_but("send", None)?;
        match self.state {
            TransactionState::Uninitialized | TransactionState::InTransaction => Ok(()),
            _ => Err(self.wrong_state("send")),
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

    /// A record was refused that belongs to the open transaction. Returns the error with what follows from it.
    pub(super) fn send_failed(&mut self, error: Error) -> Error {
        if self.state == TransactionState::Uninitialized || !dooms(error.kind()) {
            return error;
        }
        let error = error.with_requires_abort();
        self.fail(&error);
        error
    }

    /// Something of the open transaction has failed.
    pub(super) fn fail(&mut self, error: &Error) {
        if self.state == TransactionState::InTransaction {
            self.state = TransactionState::AbortableError;
            self.failure = Some(error.clone());
        }
    }

    /// Whether the open transaction can only be aborted.
    pub(super) fn is_failed(&self) -> bool {
        self.state == TransactionState::AbortableError
    }

    /// The error of a call that the state does not allow.
    pub(super) fn wrong_state(&self, call: &str) -> Error {
        match self.failure.as_ref().filter(|_| self.is_failed()) {
            Some(failure) => failed_transaction(failure),
            None => {
                let expected = expected_instead(call, self.state);
                Error::new(ErrorKind::IllegalState, format!("{call}: {expected}"))
            }
        }
    }
}
