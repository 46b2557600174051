//! `CallOutcome` and `CallPromise`: what comes of a transactional call, from the sender to every thread that waits for it.
//!
//! Owns: the outcome, told once. Must not know: which call it is.
//! Threads: the promise is the sender's, outcomes are read on any thread. Waiting is for a channel that disconnects.
//! Holds: a promise that is dropped unkept ends every wait as well, with an error.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::error::Error;
use crate::interrupt::{self, Wait};
use crate::sync::channel::{Receiver, Sender, bounded};

type ToldOnce = Arc<OnceLock<Result<(), Error>>>;

/// The sender's end.
#[derive(Debug)]
pub(crate) struct CallPromise {
    told: ToldOnce,
    _open: Sender<Infallible>,
}

/// The end of those who wait; any number of threads may.
#[derive(Debug, Clone)]
pub(crate) struct CallOutcome {
    told: ToldOnce,
    ended: Receiver<Infallible>,
}

/// How a wait for an outcome ends.
#[derive(Debug)]
pub(crate) enum CallWait {
    Over(Result<(), Error>),
    Interrupted,
    TimedOut,
}

impl CallPromise {
    pub(crate) fn new() -> (CallPromise, CallOutcome) {
        let (told, (open, ended)) = (ToldOnce::default(), bounded(0));
        (CallPromise { told: Arc::clone(&told), _open: open }, CallOutcome { told, ended })
    }

    /// Tells the outcome, and ends all waits.
    pub(crate) fn settle(self, outcome: Result<(), Error>) {
        let _ = self.told.set(outcome);
    }
}

impl CallOutcome {
    /// Waits for the outcome, no longer than until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> CallWait {
        match interrupt::wait(&self.ended, deadline) {
            Wait::Ready(never) => match never {},
            Wait::Disconnected => {
                let told = self.told.get().cloned();
                CallWait::Over(told.unwrap_or_else(|| Err(Error::closed())))
            }
            Wait::Interrupted => CallWait::Interrupted,
            Wait::TimedOut => CallWait::TimedOut,
        }
    }

    /// Both are of the same call.
    pub(super) fn is_same(&self, other: &CallOutcome) -> bool {
        Arc::ptr_eq(&self.told, &other.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn everybody_who_waits_is_told_the_same() {
        let (promise, outcome) = CallPromise::new();
        let now = Some(Instant::now());
        assert!(matches!(outcome.wait(now), CallWait::TimedOut));
        promise.settle(Ok(()));
        for outcome in [&outcome, &outcome.clone()] {
            assert!(matches!(outcome.wait(None), CallWait::Over(Ok(()))));
        }
    }

    #[test]
    fn a_promise_that_is_not_kept_ends_the_wait() {
        let (promise, outcome) = CallPromise::new();
        drop(promise);
        match outcome.wait(None) {
            CallWait::Over(Err(error)) => assert_eq!(error.kind(), ErrorKind::Closed),
            other => panic!("{other:?}"),
        }
    }
}
