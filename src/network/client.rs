//! `NetworkClient`: requests to all brokers, and their answers.
//!
//! Owns: which broker may be asked now, the choice of versions, the order of a turn. Must not know: what is asked.
//! Threads: the sender thread only.
//! Holds: every note given to `send` comes back exactly once, as answered, written or failed.

use std::time::{Duration, Instant};

use crate::cluster::Node;
use crate::error::Error;
use crate::network::seam::Network;
use crate::protocol::{BrokerVersions, Request};

/// What `NetworkClient` has to know of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    /// `client.id`, sent in each request's header.
    pub(crate) client_id: String,
    /// `max.in.flight.requests.per.connection`
    pub(crate) max_in_flight: usize,
    /// `reconnect.backoff.ms`
    pub(crate) reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`
    pub(crate) reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub(crate) setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`
    pub(crate) setup_timeout_max: Duration,
    /// `connections.max.idle.ms`; none: connections stay.
    pub(crate) max_idle: Option<Duration>,
    /// `request.timeout.ms`, for the client's own requests (ApiVersions).
    pub(crate) request_timeout: Duration,
}

/// What a request waits for, and for how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The broker's answer.
    AnswerWithin(Duration),
    /// Only that it is wholly written: the broker will not answer (`acks=0`).
    WrittenWithin(Duration),
}

/// Whether a broker can be asked something now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// `send` may be called.
    Ready,
    /// Not before this time: after a failure, or because the broker asked for a pause.
    NotBefore(Instant),
    /// Connecting, or as much on its way as is allowed: an outcome of `poll` will change it.
    Waiting,
}

/// What `poll` tells.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// The answer to a request: the frame without its size, response header included.
    Answered { node: i32, note: T, version: i16, frame: Vec<u8>, sent_at: Instant },
    /// A request that gets no answer is wholly written.
    Written { node: i32, note: T },
    /// A request will get no answer. `error.possibly_written()` says whether the broker may have read it whole.
    Failed { node: i32, note: T, failure: RequestFailure, error: Error },
    /// The connection stands and the broker's versions are known.
    Connected { node: i32 },
    /// The connection is lost or could not be made; the requests that were on it have failed before this outcome.
    /// The error names the address and what happened. Not told of connections closed for being idle.
    Disconnected { node: i32, error: Error },
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The request's own time was up (`REQUEST_TIMED_OUT`); its connection was closed for it.
    TimedOut,
    /// The connection ended first (`NETWORK_EXCEPTION`).
    Disconnected,
}

/// All brokers' connections. `T` is the caller's note that goes out with a request and comes back with its answer.
pub(crate) struct NetworkClient<N: Network, T> {
    network: N,
    outcomes: Vec<Outcome<T>>,
}

#[expect(unused_variables, reason = "the bodies follow")]
impl<N: Network, T> NetworkClient<N, T> {
    pub(crate) fn new(network: N, settings: NetworkSettings, random: fastrand::Rng) -> Self {
        unimplemented!()
    }

    pub(crate) fn ready(&mut self, node: &Node, now: Instant) -> Readiness {
        unimplemented!()
    }

    pub(crate) fn send<R: Request>(
        &mut self,
        node: i32,
        request: &R,
        expect: Expect,
        note: T,
        now: Instant,
    ) -> Result<(), (T, Error)> {
        unimplemented!()
    }

    pub(crate) fn poll(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        outcomes: &mut Vec<Outcome<T>>,
    ) -> Instant {
        unimplemented!()
    }

    pub(crate) fn throttle(&mut self, node: i32, time: Duration, now: Instant) {
        unimplemented!()
    }

    pub(crate) fn disconnect(&mut self, node: i32) {
        unimplemented!()
    }

    pub(crate) fn close(&mut self) {
        unimplemented!()
    }

    pub(crate) fn network(&mut self) -> &mut N {
        &mut self.network
    }

    pub(crate) fn is_connected(&self, node: i32) -> bool {
        unimplemented!()
    }

    pub(crate) fn in_flight(&self, node: i32) -> usize {
        unimplemented!()
    }

    pub(crate) fn versions(&self, node: i32) -> Option<&BrokerVersions> {
        unimplemented!()
    }

    pub(crate) fn least_loaded<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        now: Instant,
    ) -> Option<&'a Node> {
        unimplemented!()
    }
}
