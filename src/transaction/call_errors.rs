//! The errors of calls of transactions: what was expected, why a transaction can only be aborted, that it is over; and what follows
//! from an error of one.
//!
//! Owns: their texts. Must not know: which call is under way (`TransactionCalls`).

use crate::error::{Error, ErrorKind};
use crate::transaction::transaction_state::TransactionState;

/// What would be accepted where a call is refused in this state.
pub(crate) fn expected_instead(call: &str, state: TransactionState) -> &'static str {
    match state {
        TransactionState::Ready | TransactionState::InTransaction if call == "complete_transaction" => {
            "no transaction is prepared: prepare_transaction() does that, and init_transactions_keeping_prepared() \
             tells whether the producer before this one has left one"
        }
        TransactionState::Preparing => "the transaction is being prepared",
        TransactionState::Prepared => {
            "a transaction is prepared: complete_transaction(), commit_transaction() or abort_transaction() ends it"
        }
        TransactionState::Uninitialized => "init_transactions() has to be called first",
        TransactionState::Initializing => "init_transactions() is not over yet",
        TransactionState::Ready if call.starts_with("init_transactions") => {
            "it was called already, and once is enough"
        }
        TransactionState::Ready => "no transaction is open: begin_transaction() opens one",
        TransactionState::InTransaction => {
            "a transaction is open: commit_transaction() or abort_transaction() ends it"
        }
        TransactionState::Committing => "the transaction is being committed",
        TransactionState::Aborting => "the transaction is being aborted",
        TransactionState::AbortableError | TransactionState::FatalError => {
            "the transaction has failed: abort_transaction() ends it"
        }
    }
}

/// The error of a guard whose transaction was ended by others.
pub(crate) fn transaction_is_over() -> Error {
    let text = "the transaction of this guard is over: another call, which was told how, has ended it";
    Error::new(ErrorKind::IllegalState, text)
}

/// A failed transaction's error, for calls after the one that was told it first.
pub(crate) fn failed_transaction(why: &Error) -> Error {
    let text = format!("the transaction has failed and can only be aborted: {why}");
    let error = Error::new(why.kind(), text).with_source(why.clone());
    why.code().map_or(error.clone(), |code| error.with_code(code)).with_requires_abort()
}

/// Whether a call that fails like this is still under way, so that the same one has to be made again.
pub(crate) fn is_under_way(error: &Error) -> bool {
    error.is_retriable() || error.kind() == ErrorKind::Interrupted
}

/// Whether a transaction is not whole any more where `send` fails like this: what Java puts into the future of a record,
/// and not what it throws.
pub(crate) fn dooms(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Timeout
            | ErrorKind::RecordTooLarge
            | ErrorKind::InvalidTopic
            | ErrorKind::UnknownTopicOrPartition
            | ErrorKind::Authentication
            | ErrorKind::Authorization
            | ErrorKind::UnsupportedVersion
            | ErrorKind::Network
            | ErrorKind::Broker
    )
}
