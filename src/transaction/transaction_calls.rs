//! `TransactionCalls`: the transaction as application threads and the sender see it together.
//!
//! Owns: the state, which call is under way, what the sender is asked, why a transaction has failed; which calls come at the
//! wrong time. Must not know: requests, brokers, batches.
//! Threads: any. Locks: its own, never with another; the state is read without.
//! Holds: every step is one of `transition`'s; a call that is not allowed changes nothing. Records are taken (`Lifecycle`)
//! while a transaction is open and sound, and never else.
//! Source: Kafka's `TransactionManager.transitionTo`, `handleCachedTransactionRequestResult`.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::lifecycle::Lifecycle;
use crate::logging;
use crate::planted::{Defect, planted};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::transaction::call_errors::{dooms, expected_instead, failed_transaction, transaction_is_over};
use crate::transaction::call_outcome::{CallOutcome, CallPromise};
use crate::transaction::coordinator_queue::OffsetsToCommit;
use crate::transaction::prepared_txn_state::PreparedTxnState;
use crate::transaction::transaction_state::{
    IllegalTransition, TransactionEvent, TransactionState, transition,
};

/// A call that waits, and that is taken up again where it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionCall {
    Init,
    InitKeepingPrepared,
    Prepare,
    Commit,
    Abort,
}

/// What the sender is asked.
#[derive(Debug)]
pub(crate) enum AskedCall {
    Init {
        keeps_prepared: bool,
        promise: CallPromise,
    },
    Offsets(OffsetsToCommit),
    /// Queues take nothing more from this turn on.
    Prepare {
        turn: u64,
        promise: CallPromise,
    },
    /// The same.
    End {
        commits: bool,
        turn: u64,
        promise: Option<CallPromise>,
    },
}

pub(crate) struct TransactionCalls {
    /// None: the producer has no transactions.
    id: Option<Arc<str>>,
    lifecycle: Arc<Lifecycle>,
    /// Turn and state, for those who look often.
    seen: AtomicU64,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    state: TransactionState,
    /// Why the transaction has failed, or the last attempt to get a producer id.
    why: Option<Error>,
    pending: Option<(TransactionCall, CallOutcome)>,
    asked: Vec<AskedCall>,
    /// Counts beginnings and ends of transactions: even while one is open.
    turn: u64,
    /// A batch has failed that had its place in a sequence.
    has_gaps: bool,
    /// A commit went out whose answer did not come.
    commit_in_doubt: bool,
    /// The transaction that is prepared; kept until the next one begins, for a call that ends it to be repeated.
    prepared: Option<PreparedTxnState>,
    waits_for: Option<String>,
    /// The guard of the transaction is gone, and the call that it has made is still under way.
    is_left: bool,
    /// Nobody looks at what is asked any more.
    is_over: bool,
}

impl TransactionCall {
    /// The name of the public call.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TransactionCall::Init => "init_transactions",
            TransactionCall::InitKeepingPrepared => "init_transactions_keeping_prepared",
            TransactionCall::Prepare => "prepare_transaction",
            TransactionCall::Commit => "commit_transaction",
            TransactionCall::Abort => "abort_transaction",
        }
    }

    fn event(self) -> TransactionEvent {
        match self {
            TransactionCall::Init | TransactionCall::InitKeepingPrepared => TransactionEvent::Init,
            TransactionCall::Prepare => TransactionEvent::Prepare,
            TransactionCall::Commit => TransactionEvent::Commit,
            TransactionCall::Abort => TransactionEvent::Abort,
        }
    }
}

impl TransactionCalls {
    /// With an id records are refused until a transaction is open.
    pub(crate) fn new(id: Option<Arc<str>>, lifecycle: Arc<Lifecycle>) -> TransactionCalls {
        let desk = Desk { turn: u64::from(id.is_some()), ..Desk::default() };
        if id.is_some() {
            lifecycle.suspend();
        }
        let seen = AtomicU64::new(desk.turn << STATE_BITS | u64::from(desk.state as u8));
        TransactionCalls { id, lifecycle, seen, desk: Mutex::new(desk) }
    }

    /// The `transactional.id`, where the producer has transactions.
    pub(crate) fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// The turn in which queues are made: see `RecordAccumulator::turn_queues`.
    pub(crate) fn turn(&self) -> u64 {
        self.desk.lock().turn
    }

    #[inline]
    pub(crate) fn state(&self) -> TransactionState {
        self.look().0
    }

    #[inline]
    fn look(&self) -> (TransactionState, u64) {
        let seen = self.seen.load(Ordering::Acquire);
        (TransactionState::from_number(seen.to_le_bytes()[0]), seen >> STATE_BITS)
    }

    /// Whether the transaction that began in this turn takes nothing any more, since it is over.
    #[inline]
    pub(crate) fn is_over(&self, number: u64) -> bool {
        let (state, turn) = self.look();
        !is_of(turn, number) || !state.has_transaction()
    }

    // ---- application threads ----

    /// Begins a call, or takes up the same one that has not been told its outcome yet.
    ///
    /// # Errors
    /// `IllegalState`, naming what was expected; or why the transaction has failed. `of`: a guard's call, which is about the
    /// transaction that began in this turn.
    pub(crate) fn call(&self, call: TransactionCall, of: Option<u64>) -> Result<CallOutcome, Error> {
        self.check_transactional(call.name())?;
        let mut desk = self.desk.lock();
        desk.check_current(of)?;
        if let Some((pending, outcome)) = &desk.pending {
            return if *pending == call || planted(Defect::RepeatTakesAnother) {
                Ok(outcome.clone())
            } else {
                Err(must_repeat(call.name(), *pending))
            };
        }
        self.ask(&mut desk, call)
    }

    /// Has the sender carry out a call.
    fn ask(&self, desk: &mut Desk, call: TransactionCall) -> Result<CallOutcome, Error> {
        desk.check_asked()?;
        self.step(desk, call.event()).map_err(|_| desk.refusal(call.name()))?;
        let (promise, outcome) = CallPromise::new();
        desk.pending = Some((call, outcome.clone()));
        let is_init = matches!(call, TransactionCall::Init | TransactionCall::InitKeepingPrepared);
        if !is_init {
            // From an abortable error in a commit on it is odd already.
            desk.turn |= 1;
            self.tell_seen(desk);
        }
        let (commits, turn) = (call == TransactionCall::Commit, desk.turn);
        desk.asked.push(match call {
            TransactionCall::Init => AskedCall::Init { keeps_prepared: false, promise },
            TransactionCall::InitKeepingPrepared => AskedCall::Init { keeps_prepared: true, promise },
            TransactionCall::Prepare => AskedCall::Prepare { turn, promise },
            TransactionCall::Commit | TransactionCall::Abort => {
                AskedCall::End { commits, turn, promise: Some(promise) }
            }
        });
        Ok(outcome)
    }

    /// Opens a transaction. Returns the turn from which queues take records, by which guards know their transaction.
    ///
    /// # Errors
    /// As `call`.
    pub(crate) fn begin(&self) -> Result<u64, Error> {
        const NAME: &str = "begin_transaction";
        self.check_transactional(NAME)?;
        let mut desk = self.desk.lock();
        desk.check_nothing_pending(NAME)?;
        self.step(&mut desk, TransactionEvent::Begin).map_err(|_| desk.refusal(NAME))?;
        desk.turn += 1;
        self.tell_seen(&desk);
        (desk.prepared, desk.is_left) = (None, false);
        self.lifecycle.resume();
        Ok(desk.turn)
    }

    /// Asks for offsets to be committed with the transaction.
    ///
    /// # Errors
    /// As `call`.
    pub(crate) fn send_offsets(&self, offsets: OffsetsToCommit) -> Result<(), Error> {
        const NAME: &str = "send_offsets_to_transaction";
        self.check_transactional(NAME)?;
        let mut desk = self.desk.lock();
        desk.check_nothing_pending(NAME)?;
        if desk.state != TransactionState::InTransaction {
            return Err(desk.refusal(NAME));
        }
        desk.check_asked()?;
        desk.asked.push(AskedCall::Offsets(offsets));
        Ok(())
    }

    /// The transaction that is prepared, or was until it ended.
    pub(crate) fn prepared(&self) -> Option<PreparedTxnState> {
        self.desk.lock().prepared
    }

    /// How the transaction ends that is prepared, or is ending already, where the one to be committed is this one.
    ///
    /// # Errors
    /// As `call`.
    pub(crate) fn completion(&self, state: &PreparedTxnState) -> Result<TransactionCall, Error> {
        const NAME: &str = "complete_transaction";
        self.check_transactional(NAME)?;
        let desk = self.desk.lock();
        let ends = |call| matches!(call, TransactionCall::Commit | TransactionCall::Abort);
        if !desk.pending.as_ref().is_some_and(|(pending, _)| ends(*pending)) {
            desk.check_nothing_pending(NAME)?;
            if desk.state != TransactionState::Prepared {
                return Err(desk.refusal(NAME));
            }
        }
        match &desk.prepared {
            None => Err(desk.refusal(NAME)),
            Some(prepared) if prepared == state || planted(Defect::PreparedEndsWrongly) => {
                Ok(TransactionCall::Commit)
            }
            Some(_) => Ok(TransactionCall::Abort),
        }
    }

    /// Somebody was told this outcome: the call is over. Returns whether an abort begins, as after `leave`.
    pub(crate) fn told(&self, outcome: &CallOutcome) -> bool {
        let mut desk = self.desk.lock();
        let told = desk.pending.take_if(|(_, pending)| pending.is_same(outcome));
        told.is_some() && self.abort_what_is_left(&mut desk)
    }

    /// The guard of the transaction is gone, and the call by which it was to end is left to others: where that fails, what is
    /// left to be done is the guard's part, and begins by itself. Returns whether it does now.
    pub(crate) fn leave(&self, of: Option<u64>) -> bool {
        let mut desk = self.desk.lock();
        if of.is_some_and(|number| !is_of(desk.turn, number)) {
            return false;
        }
        desk.is_left = true;
        // Somebody else may have been told the outcome already.
        desk.pending.is_none() && self.abort_what_is_left(&mut desk)
    }

    /// The guard of the transaction is dropped: whether that is for it to abort. What another call is about to end is only left.
    pub(crate) fn abandons(&self, number: u64) -> bool {
        let mut desk = self.desk.lock();
        if desk.check_current(Some(number)).is_err() || desk.state == TransactionState::Prepared {
            return false;
        }
        let is_ended = desk.pending.as_ref().is_some_and(|(pending, _)| *pending != TransactionCall::Abort);
        desk.is_left |= is_ended;
        !is_ended
    }

    /// Aborts a transaction that has failed and that nobody looks after. It is pending then: whoever aborts or begins waits for
    /// it.
    fn abort_what_is_left(&self, desk: &mut Desk) -> bool {
        let is_left = std::mem::take(&mut desk.is_left);
        is_left
            && desk.state == TransactionState::AbortableError
            && self.ask(desk, TransactionCall::Abort).is_ok()
    }

    /// What is under way of this call, or was not told yet.
    pub(crate) fn pending(&self, call: TransactionCall, of: Option<u64>) -> Option<CallOutcome> {
        let desk = self.desk.lock();
        desk.check_current(of).ok()?;
        desk.pending.as_ref().filter(|(pending, _)| *pending == call).map(|(_, outcome)| outcome.clone())
    }

    /// Whether the call that has to be repeated is this one.
    pub(crate) fn is_pending(&self, call: TransactionCall) -> bool {
        self.desk.lock().pending.as_ref().is_some_and(|(pending, _)| *pending == call)
    }

    /// Why no record is taken; none where one is.
    #[cold]
    pub(crate) fn refusal_of_send(&self) -> Option<Error> {
        self.id.as_ref()?;
        let desk = self.desk.lock();
        (desk.state != TransactionState::InTransaction).then(|| desk.refusal("send"))
    }

    /// A record was refused that belongs to the transaction, so that it is not whole any more. Returns the error with what
    /// follows from it.
    #[cold]
    pub(crate) fn send_failed(&self, error: Error) -> Error {
        if self.id.is_none() || !dooms(error.kind()) {
            return error;
        }
        let error = error.with_requires_abort();
        let mut desk = self.desk.lock();
        let is_open = desk.state == TransactionState::InTransaction;
        let was_sound = is_open && self.fail_with(&mut desk, &error);
        drop(desk);
        self.tell(was_sound, &error);
        error
    }

    /// What a call waits for at the moment, for people.
    pub(crate) fn waits_for(&self) -> Option<String> {
        self.desk.lock().waits_for.clone()
    }

    /// Whether the transaction may have been committed though nobody has said so.
    pub(crate) fn is_commit_in_doubt(&self) -> bool {
        self.desk.lock().commit_in_doubt
    }

    // ---- the sender ----

    /// Takes what was asked since this was called last.
    pub(crate) fn take_asked(&self) -> Vec<AskedCall> {
        std::mem::take(&mut self.desk.lock().asked)
    }

    /// Nobody looks at what is asked any more: it is refused from now on. Returns what was asked before.
    pub(crate) fn end(&self) -> Vec<AskedCall> {
        let mut desk = self.desk.lock();
        desk.is_over = true;
        std::mem::take(&mut desk.asked)
    }

    /// A step of the sender's.
    pub(crate) fn advance(&self, event: TransactionEvent) -> Result<(), IllegalTransition> {
        let mut desk = self.desk.lock();
        self.step(&mut desk, event)?;
        if matches!(event, TransactionEvent::Ended | TransactionEvent::EndedToRenew) {
            (desk.why, desk.has_gaps, desk.commit_in_doubt) = (None, false, false);
        }
        desk.waits_for = None;
        Ok(())
    }

    /// All of the transaction is in the logs, or the coordinator has kept it.
    pub(crate) fn prepare(&self, prepared: PreparedTxnState) -> Result<(), IllegalTransition> {
        self.advance(TransactionEvent::Prepared)?;
        self.desk.lock().prepared = Some(prepared);
        Ok(())
    }

    /// Something has failed after which the transaction can be aborted, or `init_transactions` called again.
    pub(crate) fn fail(&self, error: &Error) {
        let was_sound = self.fail_with(&mut self.desk.lock(), error);
        self.tell(was_sound, error);
    }

    /// A batch of the transaction has failed. `had_place`: its numbers are taken, so that a sequence may have a gap.
    pub(crate) fn batch_failed(&self, error: &Error, had_place: bool) {
        if self.id.is_none() || planted(Defect::FailedIsCommitted) {
            return;
        }
        let mut desk = self.desk.lock();
        if desk.state == TransactionState::Initializing {
            // It is over, and a newer epoch is waited for: an attempt of a batch that was given up long ago ends here.
            return;
        }
        desk.has_gaps |= had_place;
        let was_sound = self.fail_with(&mut desk, error);
        drop(desk);
        self.tell(was_sound, error);
    }

    /// Whether a batch of the transaction has failed that had its place in a sequence.
    pub(crate) fn has_gaps(&self) -> bool {
        self.desk.lock().has_gaps
    }

    /// Why the transaction can only be aborted.
    pub(crate) fn failure(&self) -> Option<Error> {
        let desk = self.desk.lock();
        desk.why.as_ref().map(failed_transaction)
    }

    /// Nothing can be sent any more: every later call is told this, and not why the transaction had failed before.
    pub(crate) fn fail_for_good(&self, error: &Error) {
        let mut desk = self.desk.lock();
        let is_first = desk.state != TransactionState::FatalError;
        // The table has this step from everywhere.
        let _ = self.step(&mut desk, TransactionEvent::FailedForGood);
        if is_first {
            desk.why = Some(error.clone());
        }
    }

    /// The producer is closed: an open transaction is aborted, unless it is ending already. One that is prepared is left to
    /// the next producer: it is not ours to decide.
    pub(crate) fn abort_for_close(&self) {
        let mut desk = self.desk.lock();
        if desk.state == TransactionState::Prepared && !planted(Defect::CloseEndsPrepared) {
            return;
        }
        if self.step(&mut desk, TransactionEvent::Abort).is_ok() {
            desk.turn |= 1;
            self.tell_seen(&desk);
            let end = AskedCall::End { commits: false, turn: desk.turn, promise: None };
            desk.asked.push(end);
        }
    }

    /// A commit goes out: until it is answered nobody knows.
    pub(crate) fn note_commit_in_doubt(&self) {
        self.desk.lock().commit_in_doubt = !planted(Defect::NoDoubtOfCommit);
    }

    /// The coordinator has said no, and was not asked before.
    pub(crate) fn commit_refused(&self) {
        self.desk.lock().commit_in_doubt = false;
    }

    /// Says what a call waits for.
    pub(crate) fn note_waiting(&self, what: String) {
        self.desk.lock().waits_for = Some(what);
    }

    fn check_transactional(&self, call: &str) -> Result<(), Error> {
        if self.id.is_some() {
            return Ok(());
        }
        let text = format!("{call}: the producer has no transactions, since transactional.id is not set");
        Err(Error::new(ErrorKind::IllegalState, text))
    }

    /// Returns whether the transaction was sound until now. That is told in the log by `tell`, not under the lock.
    fn fail_with(&self, desk: &mut Desk, error: &Error) -> bool {
        let before = desk.state;
        let is_failed = self.step(desk, TransactionEvent::Failed).is_ok();
        if is_failed && before != TransactionState::Aborting {
            desk.why.get_or_insert_with(|| error.clone());
        }
        is_failed && !before.is_doomed()
    }

    fn tell(&self, was_sound: bool, error: &Error) {
        if was_sound {
            let id = Escaped(self.id.as_deref().unwrap_or_default());
            logging::debug!("transactional.id {id}: the transaction can only be aborted: {error}");
        }
    }

    fn step(&self, desk: &mut Desk, event: TransactionEvent) -> Result<(), IllegalTransition> {
        let before = desk.state;
        desk.state = transition(before, event)?;
        if before == TransactionState::InTransaction {
            self.lifecycle.suspend();
        }
        if event == TransactionEvent::Init {
            desk.why = None;
        }
        self.tell_seen(desk);
        Ok(())
    }

    fn tell_seen(&self, desk: &Desk) {
        self.seen.store(desk.turn << STATE_BITS | u64::from(desk.state as u8), Ordering::Release);
    }
}

impl Desk {
    /// Whether a guard's transaction is the one that all is about: it has not been ended, or somebody has still to be told how.
    fn check_current(&self, of: Option<u64>) -> Result<(), Error> {
        let Some(number) = of else { return Ok(()) };
        let is_known = self.pending.is_some() || self.state.has_transaction();
        let is_current = is_of(self.turn, number) && is_known;
        if is_current || planted(Defect::OldGuardEndsNew) { Ok(()) } else { Err(transaction_is_over()) }
    }

    fn check_asked(&self) -> Result<(), Error> {
        // What is fatal is said by the state.
        let is_over = self.is_over && self.state != TransactionState::FatalError;
        if is_over { Err(Error::closed()) } else { Ok(()) }
    }

    fn check_nothing_pending(&self, call: &str) -> Result<(), Error> {
        self.pending.as_ref().map_or(Ok(()), |(pending, _)| Err(must_repeat(call, *pending)))
    }

    /// The error of a call that the state does not allow.
    fn refusal(&self, call: &str) -> Error {
        let expected = expected_instead(call, self.state);
        match (&self.why, self.state) {
            (Some(why), TransactionState::AbortableError) => failed_transaction(why),
            (Some(why), TransactionState::FatalError) => why.clone(),
            (Some(why), TransactionState::Uninitialized) => {
                let text = format!("{call}: {expected}; the last time it failed: {why}");
                Error::new(ErrorKind::IllegalState, text).with_source(why.clone())
            }
            _ => Error::new(ErrorKind::IllegalState, format!("{call}: {expected}")),
        }
    }
}

/// Whether a transaction that began in the turn `number` began last: its turn goes on until it is being ended, which is the next one.
fn is_of(turn: u64, number: u64) -> bool {
    turn & !1 == number
}

/// The error of a call that comes while another one has not been told its outcome.
pub(crate) fn must_repeat(call: &str, pending: TransactionCall) -> Error {
    let name = pending.name();
    let text = format!(
        "{call}: {name}() has not been told its outcome, because of a time-out, an interrupt, a transaction that was \
         dropped in a callback, or one that has failed after its guard was gone; it has to be called again first"
    );
    Error::new(ErrorKind::IllegalState, text)
}

/// How much of what is seen is the state.
const STATE_BITS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::ErrorCode;
    use crate::transaction::call_outcome::CallWait;

    fn calls() -> TransactionCalls {
        TransactionCalls::new(Some("orders".into()), Arc::default())
    }

    /// Calls that are not allowed in a state leave it as it is and say what was expected.
    fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, expected: &str) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IllegalState, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }

    fn take_promise(calls: &TransactionCalls) -> CallPromise {
        match calls.take_asked().pop() {
            Some(
                AskedCall::Init { promise, .. }
                | AskedCall::Prepare { promise, .. }
                | AskedCall::End { promise: Some(promise), .. },
            ) => promise,
            other => panic!("{other:?}"),
        }
    }

    fn initialized() -> TransactionCalls {
        let calls = calls();
        let outcome = calls.call(TransactionCall::Init, None).unwrap();
        calls.advance(TransactionEvent::Initialized).unwrap();
        take_promise(&calls).settle(Ok(()));
        calls.told(&outcome);
        calls
    }

    fn in_transaction() -> TransactionCalls {
        let calls = initialized();
        assert_eq!(calls.begin().unwrap() % 2, 0);
        calls
    }

    #[test]
    fn a_producer_without_an_id_has_no_transactions_and_takes_records() {
        let calls = TransactionCalls::new(None, Arc::default());
        for call in [TransactionCall::Init, TransactionCall::Commit, TransactionCall::Abort] {
            refused(calls.call(call, None), "transactional.id is not set");
        }
        refused(calls.begin(), "transactional.id is not set");
        assert!(calls.refusal_of_send().is_none() && calls.lifecycle.takes_records());
    }

    #[test]
    fn records_are_taken_while_a_transaction_is_open_and_sound() {
        let calls = calls();
        refused(calls.refusal_of_send().map_or(Ok(()), Err), "init_transactions() has to be called first");
        assert!(!calls.lifecycle.takes_records());
        let calls = in_transaction();
        assert!(calls.lifecycle.takes_records() && calls.refusal_of_send().is_none());
        calls.call(TransactionCall::Commit, None).unwrap();
        assert!(!calls.lifecycle.takes_records());
        refused(calls.refusal_of_send().map_or(Ok(()), Err), "being committed");
        let calls = in_transaction();
        calls.fail(&Error::new(ErrorKind::Broker, "no"));
        assert!(!calls.lifecycle.takes_records());
        assert!(calls.refusal_of_send().is_some_and(|error| error.requires_abort()));
    }

    #[test]
    fn what_is_asked_when_nobody_looks_any_more_is_refused_at_once() {
        let calls = calls();
        assert!(calls.end().is_empty());
        assert_eq!(calls.call(TransactionCall::Init, None).unwrap_err().kind(), ErrorKind::Closed);
        assert!(calls.take_asked().is_empty() && !calls.is_pending(TransactionCall::Init));
        let calls = in_transaction();
        calls.end();
        let (promise, _outcome) = CallPromise::new();
        let group = crate::consumer_group::ConsumerGroupMetadata::new("g");
        let asked = OffsetsToCommit { offsets: Vec::new(), group, promise };
        assert_eq!(calls.send_offsets(asked).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(calls.call(TransactionCall::Commit, None).unwrap_err().kind(), ErrorKind::Closed);
        calls.fail_for_good(&Error::new(ErrorKind::Fenced, "fenced").with_fatal());
        assert_eq!(calls.call(TransactionCall::Commit, None).unwrap_err().kind(), ErrorKind::Fenced);
    }

    #[test]
    fn what_a_guard_has_left_is_aborted_where_it_fails_and_never_else() {
        let failed = Error::new(ErrorKind::Broker, "no").with_requires_abort();
        for (is_left_late, fails) in [(false, true), (true, true), (false, false), (true, false)] {
            let calls = in_transaction();
            let outcome = calls.call(TransactionCall::Commit, None).unwrap();
            assert!(is_left_late || !calls.leave(None));
            if fails {
                calls.fail(&failed);
            } else {
                calls.advance(TransactionEvent::Ended).unwrap();
            }
            take_promise(&calls).settle(if fails { Err(failed.clone()) } else { Ok(()) });
            let begins = calls.told(&outcome) | (is_left_late && calls.leave(None));
            assert_eq!((begins, calls.is_pending(TransactionCall::Abort)), (fails, fails));
            let state = if fails { TransactionState::Aborting } else { TransactionState::Ready };
            assert_eq!(calls.state(), state);
        }
    }

    /// Behaviour 118.
    #[test]
    fn a_guard_s_calls_are_about_its_own_transaction_and_no_other() {
        let calls = initialized();
        let old = calls.begin().unwrap();
        let outcome = calls.call(TransactionCall::Commit, None).unwrap();
        calls.advance(TransactionEvent::Ended).unwrap();
        assert!(calls.is_over(old) && calls.pending(TransactionCall::Commit, Some(old)).is_some());
        take_promise(&calls).settle(Ok(()));
        calls.told(&outcome);
        let next = calls.begin().unwrap();
        assert_ne!(old, next);
        for call in [TransactionCall::Commit, TransactionCall::Abort, TransactionCall::Prepare] {
            refused(calls.call(call, Some(old)), "the transaction of this guard is over");
        }
        assert!(calls.is_over(old) && !calls.abandons(old) && !calls.leave(Some(old)));
        assert_eq!(calls.state(), TransactionState::InTransaction);
        assert!(!calls.is_over(next) && calls.abandons(next));
        calls.fail(&Error::new(ErrorKind::Broker, "no"));
        assert!(!calls.leave(Some(old)), "what has failed is for its own guard to abort");
        assert!(calls.leave(Some(next)) && calls.is_pending(TransactionCall::Abort));
    }

    #[test]
    fn a_guard_that_is_dropped_leaves_what_another_call_ends_and_that_is_aborted_where_it_fails() {
        for fails in [false, true] {
            let calls = initialized();
            let number = calls.begin().unwrap();
            let outcome = calls.call(TransactionCall::Commit, None).unwrap();
            assert!(!calls.abandons(number));
            match fails {
                true => calls.fail(&Error::new(ErrorKind::Broker, "no")),
                false => calls.advance(TransactionEvent::Ended).unwrap(),
            }
            assert_eq!((calls.told(&outcome), calls.is_pending(TransactionCall::Abort)), (fails, fails));
        }
    }

    #[test]
    fn a_call_at_the_wrong_time_changes_nothing() {
        let calls = calls();
        refused(calls.begin(), "init_transactions() has to be called first");
        refused(calls.call(TransactionCall::Commit, None), "init_transactions() has to be called first");
        let calls = initialized();
        refused(calls.call(TransactionCall::Init, None), "called already");
        refused(calls.call(TransactionCall::Abort, None), "begin_transaction() opens one");
        calls.begin().unwrap();
        refused(calls.begin(), "a transaction is open");
        refused(calls.call(TransactionCall::Init, None), "a transaction is open");
        assert_eq!(calls.state(), TransactionState::InTransaction);
    }

    /// Behaviour 70.
    #[test]
    fn the_same_call_takes_the_outcome_up_and_another_is_refused() {
        for (call, other) in [
            (TransactionCall::Commit, TransactionCall::Abort),
            (TransactionCall::Abort, TransactionCall::Commit),
        ] {
            let calls = in_transaction();
            let first = calls.call(call, None).unwrap();
            let again = calls.call(call, None).unwrap();
            assert!(first.is_same(&again) && calls.is_pending(call));
            refused(calls.call(other, None), call.name());
            refused(calls.begin(), call.name());
            calls.advance(TransactionEvent::Ended).unwrap();
            take_promise(&calls).settle(Ok(()));
            refused(calls.begin(), "has to be called again first");
            assert!(matches!(again.wait(None), CallWait::Over(Ok(()))));
            calls.told(&again);
            assert!(calls.begin().is_ok());
        }
    }

    /// Behaviour 75.
    #[test]
    fn a_prepared_transaction_is_only_ended_and_by_whom_it_is_committed() {
        let (mine, other) = (PreparedTxnState::new(7, 3), PreparedTxnState::new(7, 2));
        let prepared = || {
            let calls = in_transaction();
            refused(calls.completion(&mine), "no transaction is prepared");
            let outcome = calls.call(TransactionCall::Prepare, None).unwrap();
            assert!(!calls.lifecycle.takes_records(), "it takes no records from then on");
            refused(
                calls.call(TransactionCall::Commit, None),
                "prepare_transaction() has not been told its outcome",
            );
            refused(calls.completion(&mine), "prepare_transaction() has not been told its outcome");
            calls.prepare(mine).unwrap();
            take_promise(&calls).settle(Ok(()));
            calls.told(&outcome);
            refused(calls.refusal_of_send().map_or(Ok(()), Err), "a transaction is prepared");
            refused(calls.begin(), "a transaction is prepared");
            refused(calls.call(TransactionCall::Prepare, None), "a transaction is prepared");
            refused(calls.call(TransactionCall::Init, None), "a transaction is prepared");
            calls
        };
        for (state, call) in [(mine, TransactionCall::Commit), (other, TransactionCall::Abort)] {
            let calls = prepared();
            assert_eq!(calls.completion(&state).unwrap(), call);
            let outcome = calls.call(call, None).unwrap();
            assert_eq!(calls.completion(&state).unwrap(), call, "it is taken up");
            calls.advance(TransactionEvent::Ended).unwrap();
            assert_eq!(calls.completion(&state).unwrap(), call, "nobody was told yet");
            calls.told(&outcome);
            refused(calls.completion(&state), "no transaction is prepared");
        }
        let calls = prepared();
        calls.abort_for_close();
        assert_eq!(calls.state(), TransactionState::Prepared, "it is left to the next producer");
    }

    /// Behaviour 76.
    #[test]
    fn a_transaction_with_a_failed_record_is_not_committed() {
        let calls = in_transaction();
        let why = Error::from_code(ErrorCode::TOPIC_AUTHORIZATION_FAILED, None);
        calls.batch_failed(&why, true);
        let error = calls.call(TransactionCall::Commit, None).unwrap_err();
        assert!(error.requires_abort() && !error.is_retriable(), "{error}");
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Authorization, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        );
        assert!(calls.call(TransactionCall::Abort, None).is_ok() && calls.has_gaps());
        calls.fail(&Error::new(ErrorKind::Broker, "later"));
        assert_eq!(calls.state(), TransactionState::Aborting, "what fails meanwhile changes nothing");
    }

    #[test]
    fn a_refused_record_makes_the_transaction_fail_where_java_would_say_so_in_its_future() {
        for (kind, is_doomed) in [
            (ErrorKind::RecordTooLarge, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::Serialization, false),
            (ErrorKind::WouldBlock, false),
            (ErrorKind::Interrupted, false),
        ] {
            let calls = in_transaction();
            let error = calls.send_failed(Error::new(kind, "refused"));
            assert_eq!(error.requires_abort(), is_doomed, "{kind}");
            assert_eq!(calls.call(TransactionCall::Commit, None).is_err(), is_doomed, "{kind}");
        }
    }

    #[test]
    fn a_batch_that_was_given_up_does_not_end_the_wait_for_a_newer_epoch() {
        let calls = in_transaction();
        calls.call(TransactionCall::Abort, None).unwrap();
        calls.advance(TransactionEvent::EndedToRenew).unwrap();
        calls.batch_failed(&Error::new(ErrorKind::Network, "no answer"), true);
        assert_eq!((calls.state(), calls.has_gaps()), (TransactionState::Initializing, false));
        assert!(calls.advance(TransactionEvent::Initialized).is_ok());
    }

    #[test]
    fn what_fails_before_there_is_a_producer_id_is_only_the_call() {
        let calls = calls();
        let outcome = calls.call(TransactionCall::Init, None).unwrap();
        calls.fail(&Error::from_code(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, None));
        drop(calls.take_asked());
        calls.told(&outcome);
        refused(calls.begin(), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
        assert!(calls.call(TransactionCall::Init, None).is_ok());
    }

    /// Behaviour 79.
    #[test]
    fn closing_aborts_an_open_transaction_and_no_other() {
        let calls = in_transaction();
        calls.abort_for_close();
        assert_eq!(calls.state(), TransactionState::Aborting);
        assert!(matches!(calls.take_asked()[..], [AskedCall::End { commits: false, promise: None, .. }]));
        let calls = in_transaction();
        calls.call(TransactionCall::Commit, None).unwrap();
        drop(calls.take_asked());
        calls.abort_for_close();
        assert_eq!(calls.state(), TransactionState::Committing);
        assert!(calls.take_asked().is_empty());
        let calls = initialized();
        calls.abort_for_close();
        assert_eq!(calls.state(), TransactionState::Ready);
    }

    #[test]
    fn what_is_fatal_stays() {
        let calls = in_transaction();
        let error = Error::from_code(ErrorCode::PRODUCER_FENCED, None).with_fatal();
        calls.fail_for_good(&error);
        calls.fail(&Error::new(ErrorKind::Broker, "later"));
        let told = calls.call(TransactionCall::Abort, None).unwrap_err();
        assert!(told.is_fatal() && told.kind() == ErrorKind::Fenced);
        // Nor is it hidden behind what went wrong before.
        let calls = in_transaction();
        calls.fail(&Error::new(ErrorKind::Broker, "before"));
        calls.fail_for_good(&error);
        calls.fail_for_good(&Error::new(ErrorKind::Broker, "later").with_fatal());
        let told = calls.call(TransactionCall::Abort, None).unwrap_err();
        assert!(told.is_fatal() && told.kind() == ErrorKind::Fenced, "{told}");
    }
}
