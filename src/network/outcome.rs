//! `Outcome`: what a turn of the network tells its caller.
//!
//! Owns: the words. Must not know: how it came about.

use std::time::Instant;

use crate::cluster::Node;
use crate::error::Error;

/// What `poll` tells.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// The answer to a request: the frame without its size, response header included.
    Answered { node: i32, note: T, version: i16, frame: Vec<u8>, sent_at: Instant },
    /// A request that gets no answer is wholly written.
    Written { node: i32, note: T },
    /// A request will get no answer. `written`: it went out whole, so the broker may have acted on it.
    Failed { node: i32, note: T, failure: RequestFailure, written: bool, error: Error },
    /// The connection stands and the broker's versions are known.
    Connected { node: i32 },
    /// The connection is lost or could not be made; the requests that were on it have failed before this outcome.
    /// The error names the address and what happened.
    Disconnected { node: i32, error: Error },
    /// A connection was closed here on which nothing was on its way, since it was idle. Nothing is wrong.
    Closed { node: i32 },
    /// What came of looking up where to begin: servers, at least one, or an error that names all of them.
    Bootstrapped(Result<Vec<Node>, Error>),
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The request's own time was up (`REQUEST_TIMED_OUT`); its connection was closed for it.
    TimedOut,
    /// The connection ended first (`NETWORK_EXCEPTION`).
    Disconnected,
}
