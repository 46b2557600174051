//! `TransactionState`: where a transactional producer stands, and the one function that leads from one state to the next.
//!
//! Owns: which step may follow which. Must not know: who takes the steps, requests, errors.
//! Holds: a pure table. What is not allowed changes nothing; `FatalError` is never left.
//! Source: Kafka's `TransactionManager.State.isTransitionValid` (4.3.1).

/// Where a transactional producer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum TransactionState {
    /// It has no producer id: `init_transactions` has not been called, or was refused.
    #[default]
    Uninitialized,
    Initializing,
    Ready,
    InTransaction,
    /// It takes no records any more, and those that it has are not all answered yet.
    Preparing,
    /// All of it is in the logs, and whether it is committed is decided elsewhere (KIP-939).
    Prepared,
    Committing,
    Aborting,
    /// Something of the transaction has failed: it can only be aborted.
    AbortableError,
    /// Nothing can be sent any more.
    FatalError,
}

/// What may happen to a transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionEvent {
    /// `init_transactions` is called.
    Init,
    /// There is a producer id, or a newer epoch.
    Initialized,
    /// `begin_transaction` is called.
    Begin,
    /// `prepare_transaction` is called.
    Prepare,
    /// All of the transaction is in the logs; or the coordinator has kept one that is prepared.
    Prepared,
    /// `commit_transaction` is called.
    Commit,
    /// `abort_transaction` is called, or the producer is closed.
    Abort,
    /// The coordinator has ended the transaction, or nothing had begun there.
    Ended,
    /// The same, and a newer epoch is asked for before the next transaction.
    EndedToRenew,
    /// Something has failed after which the transaction can be aborted, or `init_transactions` called again.
    Failed,
    /// Something has failed for good.
    FailedForGood,
}

/// A step that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IllegalTransition {
    pub(crate) state: TransactionState,
    pub(crate) event: TransactionEvent,
}

/// The state that follows.
///
/// # Errors
/// The event is not one of this state.
pub(crate) fn transition(
    state: TransactionState,
    event: TransactionEvent,
) -> Result<TransactionState, IllegalTransition> {
    use TransactionEvent as Event;
    use TransactionState as State;
    Ok(match (state, event) {
        (_, Event::FailedForGood) => State::FatalError,
        (State::Uninitialized, Event::Init) => State::Initializing,
        (State::Initializing, Event::Initialized) => State::Ready,
        // Only the call has failed; there is no transaction to abort.
        (State::Initializing, Event::Failed) => State::Uninitialized,
        (State::Ready, Event::Begin) => State::InTransaction,
        (State::InTransaction, Event::Prepare) => State::Preparing,
        (State::Preparing | State::Initializing, Event::Prepared) => State::Prepared,
        (State::InTransaction | State::Prepared, Event::Commit) => State::Committing,
        (State::InTransaction | State::Preparing | State::Prepared | State::AbortableError, Event::Abort) => {
            State::Aborting
        }
        // Of one that is prepared nothing can fail any more but the producer.
        (
            State::InTransaction | State::Preparing | State::Committing | State::AbortableError,
            Event::Failed,
        ) => State::AbortableError,
        // It is being aborted already.
        (State::Aborting, Event::Failed) => State::Aborting,
        (State::Committing | State::Aborting, Event::Ended) => State::Ready,
        (State::Committing | State::Aborting, Event::EndedToRenew) => State::Initializing,
        (state, event) => return Err(IllegalTransition { state, event }),
    })
}

impl TransactionState {
    /// Whether there is a transaction that can still be ended, or was not because of what is fatal.
    pub(crate) fn has_transaction(self) -> bool {
        !matches!(
            self,
            TransactionState::Uninitialized | TransactionState::Initializing | TransactionState::Ready
        )
    }

    /// Whether records that have no sequence number yet may be given one.
    pub(crate) fn sends_records(self) -> bool {
        matches!(
            self,
            TransactionState::InTransaction | TransactionState::Preparing | TransactionState::Committing
        )
    }

    /// Whether the transaction can only end by being aborted.
    pub(crate) fn is_doomed(self) -> bool {
        matches!(self, TransactionState::Aborting | TransactionState::AbortableError)
    }

    /// Whether a transaction is on its way to its end.
    pub(crate) fn is_completing(self) -> bool {
        matches!(self, TransactionState::Committing | TransactionState::Aborting)
    }

    /// The state that was stored as this number.
    pub(super) fn from_number(number: u8) -> TransactionState {
        let known = ALL.into_iter().find(|state| *state as u8 == number);
        known.unwrap_or(TransactionState::FatalError)
    }
}

const ALL: [TransactionState; 10] = [
    TransactionState::Uninitialized,
    TransactionState::Initializing,
    TransactionState::Ready,
    TransactionState::InTransaction,
    TransactionState::Preparing,
    TransactionState::Prepared,
    TransactionState::Committing,
    TransactionState::Aborting,
    TransactionState::AbortableError,
    TransactionState::FatalError,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs. A line is a state; its letters are the states that follow each event, `-` what is not
    /// allowed. Events: init, initialized, begin, prepare, prepared, commit, abort, ended, ended to renew, failed, failed for
    /// good.
    /// Behaviour 65.
    #[test]
    fn the_table_over_all_pairs() {
        const EVENTS: [TransactionEvent; 11] = [
            TransactionEvent::Init,
            TransactionEvent::Initialized,
            TransactionEvent::Begin,
            TransactionEvent::Prepare,
            TransactionEvent::Prepared,
            TransactionEvent::Commit,
            TransactionEvent::Abort,
            TransactionEvent::Ended,
            TransactionEvent::EndedToRenew,
            TransactionEvent::Failed,
            TransactionEvent::FailedForGood,
        ];
        // Uninitialized, Initializing, Ready, in Transaction, preparinG, Prepared, Committing, Aborting, abortable Error,
        // Fatal.
        let letters = "UIRTGPCAEF";
        let table = [
            ("U", "I---------F"),
            ("I", "-R--P----UF"),
            ("R", "--T-------F"),
            ("T", "---G-CA--EF"),
            ("G", "----P-A--EF"),
            ("P", "-----CA---F"),
            ("C", "-------RIEF"),
            ("A", "-------RIAF"),
            ("E", "------A--EF"),
            ("F", "----------F"),
        ];
        let state = |letter: char| letters.find(letter).map(|place| ALL[place]);
        for (from, row) in table {
            let from = state(from.chars().next().unwrap()).unwrap();
            for (event, letter) in EVENTS.into_iter().zip(row.chars()) {
                let expected = state(letter).ok_or(IllegalTransition { state: from, event });
                assert_eq!(transition(from, event), expected, "{from:?}, {event:?}");
            }
        }
    }

    #[test]
    fn each_state_comes_back_from_its_number() {
        assert_eq!(ALL.map(|state| TransactionState::from_number(state as u8)), ALL);
    }

    #[test]
    fn records_are_numbered_in_an_open_transaction_and_while_it_is_prepared_or_committed() {
        let numbered: Vec<_> = ALL.into_iter().filter(|state| state.sends_records()).collect();
        let open =
            [TransactionState::InTransaction, TransactionState::Preparing, TransactionState::Committing];
        assert_eq!(numbered, open);
        assert!(ALL.iter().all(|state| !(state.sends_records() && state.is_doomed())));
    }
}
