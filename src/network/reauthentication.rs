//! Reauthentication: who we are is told again on a connection before its session ends (KIP-368).
//!
//! Owns: when it is due, and what follows from a session that is too short for it. Must not know: what the steps say.
//! Threads: the sender thread. Chance comes in with the client.
//! Holds: nothing is sent for it while there is nothing else to send; it comes before the next request of the caller.
//! Source: Kafka's `SaslClientAuthenticator`, `KafkaChannel.maybeBeginClientReauthentication`.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::connection_state::later;
use super::connections::Connections;
use super::seam::Network;
use crate::logging;
use crate::planted::{Defect, planted};

impl<N: Network, T> Connections<N, T> {
    /// Begins the steps of the login again, if they are due.
    pub(super) fn authenticate_if_due(&mut self, id: i32, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let due = |connection: &&mut Connection<_>| {
            let is_due = connection.authenticate_at.is_some_and(|at| at <= now);
            is_due && !connection.handshake.is_running()
        };
        if peer.connection.as_mut().filter(due).is_none() {
            return;
        }
        let steps = self.channels.authentication(peer.host());
        let Some(connection) = &mut peer.connection else { return };
        connection.authenticate_at = None;
        connection.handshake.begin_again(steps);
        if let Err(reason) = self.next_step(id, now) {
            self.lose(id, reason, now);
        }
    }

    /// The broker has been told again who we are, in steps that began at `asked_at`.
    pub(super) fn authenticated_again(&mut self, id: i32, asked_at: Instant, now: Instant) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Some(connection) = &peer.connection else { return };
        let is_soon = connection.authenticate_at.is_some_and(|at| at < later(now, BETWEEN_LOGINS));
        let may_go = connection.in_flight.is_empty();
        logging::debug!("authenticated again at {}", peer.place(Some(connection.address)));
        let took = now.saturating_duration_since(asked_at).as_secs_f64() * 1000.0;
        self.meters.connections.measure(now, |sensors| {
            sensors.successful_reauthentication.add(1.0);
            sensors.reauthentication_latency.add(took);
        });
        if is_soon && may_go {
            self.close_quietly(id, "the broker takes no other login before the session ends");
        }
    }
}

/// When a connection has to authenticate again whose session lasts so long; none where it has no end. By the broker's
/// clock it began at some time between the question, at `asked_at`, and the answer.
pub(super) fn reauthentication_time(
    session: Option<Duration>,
    asked_at: Instant,
    random: &mut fastrand::Rng,
) -> Option<Instant> {
    // All clients of a broker that began at once do not come back at once.
    let share = LATEST_SHARE - random.f64() * SPREAD;
    let session = session.filter(|_| !planted(Defect::SessionsIgnored))?;
    Some(later(asked_at, session.mul_f64(share)))
}

/// On one connection a broker refuses to be told again who we are sooner than this after the last time
/// (`KafkaChannel.MIN_REAUTH_INTERVAL_ONE_SECOND_NANOS`). A session that ends before that, as one does that was begun with a
/// token that is about to end, is left for a new connection, on which nothing was said yet.
const BETWEEN_LOGINS: Duration = Duration::from_secs(1);

/// By when of its session a connection authenticates again, at the latest, and how much before that: as in Java.
const LATEST_SHARE: f64 = 0.95;
const SPREAD: f64 = 0.10;
