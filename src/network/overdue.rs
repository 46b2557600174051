//! What has lasted too long: connections that are not made, requests that are not answered, connections that stand idle.
//!
//! Owns: what is due when, and what is done about it. Must not know: who may be asked what.
//! Holds: nobody is given up before what he has sent is read.

use std::time::Instant;

use super::connection_state::{Phase, later};
use super::connections::{Connections, RequestOwner};
use super::disconnect_reason::DisconnectReason;
use super::peer::Peer;
use super::seam::Network;
use crate::planted::{Defect, planted};

/// What is to be done about a broker now.
enum Overdue {
    Disconnect(DisconnectReason),
    Idle,
}

impl<N: Network, T> Connections<N, T> {
    /// Gives up what has lasted too long.
    pub(super) fn expire(&mut self, now: Instant) {
        if !self.is_overdue(now) {
            return;
        }
        let is_due = |peer: &&Peer<RequestOwner<T>>| self.due(peer, now).is_some();
        let due: Vec<i32> = self.peers.values().filter(is_due).map(|peer| peer.id).collect();
        for id in due {
            if !planted(Defect::GivenUpUnheard) {
                self.read_what_came(id, now);
            }
            match self.peers.get(&id).and_then(|peer| self.due(peer, now)) {
                Some(Overdue::Disconnect(reason)) => {
                    let sent_at = match &reason {
                        DisconnectReason::NoAnswer { sent_at, .. } => Some(*sent_at),
                        _ => None,
                    };
                    self.lose(id, reason, now);
                    sent_at.into_iter().for_each(|time| self.close_silent(time));
                }
                Some(Overdue::Idle) => self.close_quietly(id, "idle"),
                None => {}
            }
        }
        self.next_deadline = self.peers.values().filter_map(|peer| self.deadline(peer, now)).min();
        if self.upkeep_at.is_some_and(|at| at <= now) {
            self.keep_up(now);
        } else {
            self.expect_by(self.upkeep_at);
        }
    }

    /// A request was sent at this time and not answered. What was silent then and has been since may be as dead: a load
    /// balancer forgets all idle connections alike, and a new one costs next to nothing. One that is in use is left.
    fn close_silent(&mut self, since: Instant) {
        let silent: Vec<i32> =
            self.peers.values().filter(|peer| peer.is_silent_since(since)).map(|peer| peer.id).collect();
        for id in silent {
            self.close_quietly(id, "as silent as another that did not answer");
        }
    }

    fn due(&self, peer: &Peer<RequestOwner<T>>, now: Instant) -> Option<Overdue> {
        if peer.state.deadline().is_some_and(|deadline| deadline <= now) {
            return Some(Overdue::Disconnect(set_up_too_late(peer, now)));
        }
        let connection = peer.connection.as_ref()?;
        if let Some(entry) = connection.in_flight.overdue(now) {
            let (request, sent_at) = (entry.name, entry.sent_at);
            let within = entry.deadline.saturating_duration_since(sent_at);
            return Some(Overdue::Disconnect(DisconnectReason::NoAnswer { request, sent_at, within }));
        }
        if let Some(within) = connection.waited_too_long(now) {
            let step = connection.handshake.step_name().unwrap_or("the handshake");
            let awaited = connection.handshake.awaited();
            return Some(Overdue::Disconnect(DisconnectReason::StepTooLate { step, awaited, within }));
        }
        let idle = connection.in_flight.is_empty() && connection.waits.is_none();
        let idle = idle && peer.state.versions().is_some();
        let idle_at = later(peer.last_used, self.settings.connections_max_idle?);
        (idle && idle_at <= now).then_some(Overdue::Idle)
    }

    /// Before when nothing has to be done about a broker.
    fn deadline(&self, peer: &Peer<RequestOwner<T>>, now: Instant) -> Option<Instant> {
        let connection = peer.connection.as_ref();
        let answer = connection.and_then(|connection| connection.in_flight.deadline());
        let step = connection.and_then(|connection| connection.wait_deadline());
        let ready = connection.filter(|_| peer.state.versions().is_some());
        let idle = ready.zip(self.settings.connections_max_idle).map(|(connection, max_idle)| {
            let is_idle = connection.in_flight.is_empty() && connection.waits.is_none();
            let since = if is_idle { peer.last_used } else { now };
            later(since, max_idle)
        });
        [peer.state.deadline(), answer, step, idle].into_iter().flatten().min()
    }
}

/// A phase of connecting has lasted too long.
fn set_up_too_late<T>(peer: &Peer<T>, now: Instant) -> DisconnectReason {
    let time = |since| now.saturating_duration_since(since);
    let Some(connection) = &peer.connection else {
        let within = time(peer.last_attempt.unwrap_or(now));
        return DisconnectReason::ResolvedTooLate { within, before: peer.before_lookup };
    };
    let within = time(connection.since);
    match (peer.state.phase(), connection.stream.layer_name()) {
        (Phase::Securing { .. }, Some(layer)) => DisconnectReason::LayerTooLate { layer, within },
        _ => DisconnectReason::ConnectedTooLate(within),
    }
}
