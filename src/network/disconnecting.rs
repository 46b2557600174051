//! How connections end: closed here, lost, given up; what becomes of the requests that were on them.
//!
//! Owns: the order of it. Must not know: why one is to end; who may be asked what.
//! Threads: the sender thread.
//! Holds: every context that was on its way leaves by `outcomes`, before the end of its connection is told.

use std::net::SocketAddr;
use std::time::Instant;

use super::connection::Connection;
use super::connections::{Connections, RequestOwner};
use super::disconnect_reason::DisconnectReason;
use super::in_flight::{InFlightRequest, Outcome, RequestFailure};
use super::peer::Peer;
use super::seam::Network;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::logging;

impl<N: Network, T> Connections<N, T> {
    /// Ends a connection, or an attempt to make one, from our side.
    pub(super) fn drop_connection(&mut self, id: i32, why: &'static str, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let was_ready = peer.state.versions().is_some();
        if !peer.state.is_disconnected() {
            peer.state.disconnected(now, &mut self.random);
        }
        if let Some(mut connection) = peer.connection.take() {
            let reason = DisconnectReason::ClosedHere(why);
            let error = was_ready.then(|| peer.connection_lost(&connection, &reason, &mut self.notices, now));
            self.close_socket(&mut connection);
            self.abandon(id, connection, error, now);
        }
    }

    /// Ends a connection on which came what cannot be an answer.
    pub(super) fn refuse(&mut self, id: i32, reason: DisconnectReason, now: Instant) {
        if self.peers.get(&id).is_some_and(|peer| peer.state.versions().is_some()) {
            self.lose(id, reason, now);
        }
    }

    /// Forgets a broker that is elsewhere now.
    pub(super) fn forget(&mut self, id: i32, now: Instant) {
        self.drop_connection(id, "the broker has another address now", now);
        self.peers.remove(&id);
    }

    /// Ends all connections.
    pub(super) fn close(&mut self, now: Instant) {
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            self.drop_connection(id, "the producer is closed", now);
        }
        (self.next_deadline, self.upkeep_at) = (None, None);
    }

    /// A connection is gone, or was never made: its requests fail, and the next address has its turn, if there is
    /// one.
    pub(super) fn lose(&mut self, id: i32, reason: DisconnectReason, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (mut connection, was_ready) = (peer.connection.take(), peer.state.versions().is_some());
        if let Some(connection) = &mut connection {
            self.close_socket(connection);
        }
        if reason.is_refusal() {
            self.measure_refusal(was_ready, now);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match connection {
            Some(connection) if peer.state.versions().is_some() => {
                let error = peer.connection_lost(&connection, &reason, &mut self.notices, now);
                peer.state.disconnected(now, &mut self.random);
                self.abandon(id, connection, Some(error), now);
            }
            connection => {
                peer.state.address_failed();
                if reason.is_refusal() {
                    peer.state.end_round();
                }
                peer.attempt_failed(connection.as_ref().map(|connection| connection.address), &reason);
                if let Some(connection) = connection {
                    self.abandon(id, connection, None, now);
                }
                self.try_next(id, now);
            }
        }
    }

    /// Gives back what was on its way. `error`: why a connection ended that was ready; one that was not has none of
    /// the caller's requests.
    fn abandon(
        &mut self,
        id: i32,
        mut connection: Connection<RequestOwner<T>>,
        error: Option<Error>,
        now: Instant,
    ) {
        let code = |error: &Error| error.code().unwrap_or(ErrorCode::NETWORK_EXCEPTION);
        let error = error.map(|error| error.clone().with_code(code(&error)));
        // Where the broker refuses us now: for a request that went before, that is the end of a connection and no more.
        let failed = |error: &Error| {
            error.clone().with_kind(ErrorKind::Network).with_code(ErrorCode::NETWORK_EXCEPTION)
        };
        let address = connection.address;
        for (entry, written) in connection.in_flight.abandon() {
            self.answers_due_less(usize::from(entry.expects_answer));
            let (Some(peer), Some(error)) = (self.peers.get(&id), &error) else { continue };
            let timed_out = entry.deadline <= now;
            let error = if timed_out { too_late(peer, address, &entry) } else { failed(error) };
            let failure = if timed_out { RequestFailure::TimedOut } else { RequestFailure::Disconnected };
            if let RequestOwner::Caller(context) = entry.context {
                self.outcomes.push(Outcome::Failed { node: id, context, failure, written, error });
            }
        }
        self.outcomes.extend(error.map(|error| Outcome::Disconnected { node: id, error }));
    }

    pub(super) fn close_quietly(&mut self, id: i32, why: &str) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(mut connection) = peer.connection.take() else { return };
        logging::debug!("closing the connection to {}: {why}", peer.place(Some(connection.address)));
        peer.state.closed();
        if !peer.leaving {
            self.outcomes.push(Outcome::Closed { node: id });
        }
        self.close_socket(&mut connection);
    }
}

fn too_late<T>(peer: &Peer<T>, address: SocketAddr, entry: &InFlightRequest<T>) -> Error {
    let (place, name) = (peer.place(Some(address)), entry.name);
    let time = entry.deadline.saturating_duration_since(entry.sent_at).as_millis();
    let message = format!("{place}: no answer to {name} within {time} ms; the connection was closed");
    peer.error(ErrorKind::Timeout, message).with_code(ErrorCode::REQUEST_TIMED_OUT)
}
