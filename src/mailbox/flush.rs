//! `PendingFlush`: a call of `flush`, which goes on when nobody has its end of a channel any more.
//!
//! Owns: the channel. Must not know: who keeps an end of it, and for how long.
//! Threads: any.

use std::convert::Infallible;
use std::sync::{Arc, Weak};

use crate::sync::channel::{Receiver, Sender, bounded};

/// One end, kept by whatever the call waits for.
#[derive(Clone)]
pub(crate) struct PendingFlush {
    _unanswered: Sender<Infallible>,
    caller: Weak<()>,
}

/// The other end, for the caller. Disconnects when all of the first are dropped.
pub(crate) struct FlushCall {
    pub(crate) answered: Receiver<Infallible>,
    _caller: Arc<()>,
}

impl PendingFlush {
    pub(crate) fn begin() -> (PendingFlush, FlushCall) {
        let ((unanswered, answered), caller) = (bounded(0), Arc::new(()));
        let flush = PendingFlush { _unanswered: unanswered, caller: Arc::downgrade(&caller) };
        (flush, FlushCall { answered, _caller: caller })
    }

    /// Whether the caller has gone, because of an interrupt or the end of his time.
    pub(crate) fn is_given_up(&self) -> bool {
        self.caller.strong_count() == 0
    }
}
