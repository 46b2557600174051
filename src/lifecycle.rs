//! `Lifecycle`: whether a producer is open, being closed, closed, or of no use any more; and whether it takes records.
//!
//! Owns: the steps from one to the next, and the error of those who come too late. Must not know: who has to be told of a
//! step; that is `Control`'s. Why an open producer takes no records: that is the transaction's.
//! Threads: any. Locks: its own, never with another; `is_open` and `takes_records` take none.
//! Holds: what is not open any more never is again; the first fatal error stays.

use std::time::Instant;

use crate::error::Error;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct Lifecycle {
    is_over: AtomicBool,
    /// It is over, or no transaction is open: for those who ask with every record.
    refuses_records: AtomicBool,
    stage: Mutex<Stage>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Open,
    Closing(CloseDeadline),
    Closed,
    /// Nothing can be sent any more. Somebody may close all the same.
    Fatal {
        error: Error,
        closing: Option<CloseDeadline>,
    },
}

/// When a producer that is being closed ends, if not everything is answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseDeadline {
    /// At once.
    Now,
    /// At this time; none: whenever that may be.
    At(Option<Instant>),
}

impl Lifecycle {
    /// Whether it is neither closed nor of no use.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    /// Whether records are taken.
    #[inline(always)]
    pub(crate) fn takes_records(&self) -> bool {
        !self.refuses_records.load(Ordering::Acquire)
    }

    /// No transaction is open any more: records are refused.
    pub(crate) fn suspend(&self) {
        self.refuses_records.store(true, Ordering::SeqCst);
    }

    /// A transaction is open.
    pub(crate) fn resume(&self) {
        self.refuses_records.store(false, Ordering::SeqCst);
        // Who ends it says so before he refuses records: one of the two is seen last.
        if !self.is_open() {
            self.suspend();
        }
    }

    /// The error of those who come when the producer is not open any more.
    pub(crate) fn refusal(&self) -> Option<Error> {
        match &*self.stage.lock() {
            Stage::Open => None,
            Stage::Closing(_) | Stage::Closed => Some(Error::closed()),
            Stage::Fatal { error, .. } => Some(error.clone()),
        }
    }

    /// The error after which the producer cannot be used.
    pub(crate) fn fatal(&self) -> Option<Error> {
        match &*self.stage.lock() {
            Stage::Fatal { error, .. } => Some(error.clone()),
            Stage::Open | Stage::Closing(_) | Stage::Closed => None,
        }
    }

    /// When the sender has to end; none as long as nobody closes.
    pub(crate) fn closing(&self) -> Option<CloseDeadline> {
        match &*self.stage.lock() {
            Stage::Closing(deadline) => Some(*deadline),
            Stage::Fatal { closing, .. } => *closing,
            Stage::Open => None,
            Stage::Closed => Some(CloseDeadline::Now),
        }
    }

    /// Somebody closes: the sender ends once everything is answered, or at the deadline. The earliest one counts.
    pub(crate) fn close(&self, deadline: CloseDeadline) {
        self.step(|stage| match stage {
            Stage::Open => Stage::Closing(deadline),
            Stage::Closing(other) => Stage::Closing(deadline.or_earlier(other)),
            Stage::Closed => Stage::Closed,
            Stage::Fatal { error, closing } => {
                let closing = closing.map_or(deadline, |other| deadline.or_earlier(other));
                Stage::Fatal { error, closing: Some(closing) }
            }
        });
    }

    /// Nothing can be sent any more. The first error counts.
    pub(crate) fn fail(&self, error: Error) {
        self.step(|stage| match stage {
            Stage::Open => Stage::Fatal { error, closing: None },
            Stage::Closing(deadline) => Stage::Fatal { error, closing: Some(deadline) },
            over @ (Stage::Closed | Stage::Fatal { .. }) => over,
        });
    }

    /// The sender has ended.
    pub(crate) fn end(&self) {
        self.step(|stage| match stage {
            fatal @ Stage::Fatal { .. } => fatal,
            Stage::Open | Stage::Closing(_) | Stage::Closed => Stage::Closed,
        });
    }

    /// Every step leads out of `Open`.
    fn step(&self, next: impl FnOnce(Stage) -> Stage) {
        let mut stage = self.stage.lock();
        *stage = next(std::mem::take(&mut *stage));
        self.is_over.store(true, Ordering::SeqCst);
        self.suspend();
    }
}

impl CloseDeadline {
    fn or_earlier(self, other: CloseDeadline) -> CloseDeadline {
        match (self, other) {
            (CloseDeadline::Now, _) | (_, CloseDeadline::Now) => CloseDeadline::Now,
            (CloseDeadline::At(one), CloseDeadline::At(other)) => {
                CloseDeadline::At(one.into_iter().chain(other).min())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    /// What there is to see: whether it is open, the kind of refusal, when it ends.
    fn seen(lifecycle: &Lifecycle) -> (bool, Option<ErrorKind>, Option<CloseDeadline>) {
        (lifecycle.is_open(), lifecycle.refusal().map(|error| error.kind()), lifecycle.closing())
    }

    #[test]
    fn the_earliest_wish_to_close_counts() {
        let (soon, late) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let [never, soon, late] = [None, Some(soon), Some(late)].map(CloseDeadline::At);
        for (wishes, earliest) in [
            (vec![never], never),
            (vec![never, late, soon, late, never], soon),
            (vec![late, CloseDeadline::Now, soon], CloseDeadline::Now),
        ] {
            let lifecycle = Lifecycle::default();
            assert_eq!(seen(&lifecycle), (true, None, None));
            wishes.into_iter().for_each(|wish| lifecycle.close(wish));
            assert_eq!(seen(&lifecycle), (false, Some(ErrorKind::Closed), Some(earliest)));
            lifecycle.end();
            assert_eq!(seen(&lifecycle), (false, Some(ErrorKind::Closed), Some(CloseDeadline::Now)));
        }
    }

    #[test]
    fn the_first_fatal_error_stays_and_the_producer_can_be_closed_all_the_same() {
        let fatal = |text: &'static str| Error::new(ErrorKind::Fenced, text).with_fatal();
        let never = CloseDeadline::At(None);
        let (closed_first, failed_first) = (Lifecycle::default(), Lifecycle::default());
        closed_first.close(never);
        for lifecycle in [&closed_first, &failed_first] {
            lifecycle.fail(fatal("one"));
            lifecycle.fail(fatal("other"));
        }
        assert_eq!(failed_first.closing(), None);
        failed_first.close(never);
        for lifecycle in [&closed_first, &failed_first] {
            assert_eq!(seen(lifecycle), (false, Some(ErrorKind::Fenced), Some(never)));
            lifecycle.end();
            assert_eq!(lifecycle.fatal().map(|error| error.to_string()), Some("one".to_owned()));
        }
    }

    #[test]
    fn what_is_closed_does_not_fail_any_more() {
        let lifecycle = Lifecycle::default();
        lifecycle.end();
        lifecycle.fail(Error::new(ErrorKind::Fenced, "late"));
        assert_eq!((lifecycle.fatal().is_none(), seen(&lifecycle).1), (true, Some(ErrorKind::Closed)));
    }
}
