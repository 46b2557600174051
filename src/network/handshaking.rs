//! What is said on connections before the caller's requests: layers, then the steps of the handshake.
//!
//! Owns: when each comes. Must not know: what the steps say.
//! Holds: a broker that refuses us is asked again no sooner than the backoff allows, and what the caller sends waits meanwhile.
//! Source: Kafka's `KafkaChannel` and `SaslClientAuthenticator`.

use std::time::Instant;

use super::connection::Connection;
use super::connection_state::{Phase, later};
use super::connections::{Connections, RequestOwner};
use super::disconnect_reason::DisconnectReason;
use super::handshake::Progress;
use super::handshake_step::{StepAction, StepFindings, StepRequest};
use super::in_flight::InFlightRequest;
use super::in_flight::Outcome;
use super::job::Job;
use super::reauthentication::reauthentication_time;
use super::seam::Network;
use crate::error::{Error, ErrorKind};

impl<N: Network, T> Connections<N, T> {
    /// The socket is connected.
    pub(super) fn begin_handshake(&mut self, id: i32, now: Instant) -> Result<(), DisconnectReason> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(connection) = &mut peer.connection else { return Ok(()) };
        peer.state.connected();
        connection.stream.start()?;
        connection.stands = true;
        self.count_connection(now);
        self.layer_went_on(id, now)
    }

    /// The layer around all bytes may be established now: then the steps begin.
    pub(super) fn layer_went_on(&mut self, id: i32, now: Instant) -> Result<(), DisconnectReason> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let is_established = peer.connection.as_ref().is_some_and(|it| it.stream.is_established());
        if !is_established || !matches!(peer.state.phase(), Phase::Securing { .. }) {
            return Ok(());
        }
        peer.state.established();
        self.next_step(id, now)
    }

    /// Says what comes next in the handshake; the next flush writes it.
    pub(super) fn next_step(&mut self, id: i32, now: Instant) -> Result<(), DisconnectReason> {
        let correlation_id = self.next_correlation_id();
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(connection) = &mut peer.connection else { return Ok(()) };
        let (client_id, known) = (&self.settings.client_id, peer.state.versions());
        let action = connection.handshake.next(correlation_id, client_id, known);
        let until = later(now, self.settings.request_timeout);
        match action.map_err(DisconnectReason::Handshake)? {
            None => {}
            Some(StepAction::Send(request)) => {
                connection.waits = None;
                let entry = handshake_request(request, correlation_id, now, until);
                self.queue(id, entry);
            }
            Some(StepAction::Wait(work)) => {
                connection.waits.get_or_insert((now, until));
                let deadline = connection.wait_deadline();
                self.expect_by(deadline);
                work.into_iter().for_each(|work| self.network.begin(Job::Work(work)));
            }
        }
        Ok(())
    }

    /// A step of the handshake was answered, which was asked at that time.
    pub(super) fn step_answered(
        &mut self,
        id: i32,
        frame: &[u8],
        asked_at: Instant,
        now: Instant,
    ) -> Result<(), DisconnectReason> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(connection) = &mut peer.connection else { return Ok(()) };
        match connection.handshake.answered(frame).map_err(DisconnectReason::Handshake)? {
            Progress::Continue => self.next_step(id, now),
            Progress::Done => self.handshake_done(id, asked_at, now),
        }
    }

    fn handshake_done(&mut self, id: i32, asked_at: Instant, now: Instant) -> Result<(), DisconnectReason> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(connection) = &mut peer.connection else { return Ok(()) };
        let StepFindings { versions, pause, session } = connection.handshake.take_findings();
        connection.authenticate_at = reauthentication_time(session, asked_at, &mut self.random);
        let address = connection.address;
        let is_secured = connection.handshake.authenticates() || connection.stream.layer_name().is_some();
        if peer.state.versions().is_some() {
            self.authenticated_again(id, asked_at, now);
            return Ok(());
        }
        let Some(versions) = versions else {
            let text = "the handshake is over, and nobody has asked what the broker speaks";
            return Err(DisconnectReason::Handshake(Error::new(ErrorKind::Bug, text)));
        };
        peer.state.ready(versions, now);
        peer.connected(address);
        if is_secured {
            self.meters.connections.measure(now, |sensors| sensors.successful_authentication.add(1.0));
        }
        self.pause(id, pause, now);
        let idle = self.settings.connections_max_idle.map(|idle| later(now, idle));
        self.expect_by(idle);
        self.outcomes.push(Outcome::Connected { node: id });
        Ok(())
    }

    /// Work in the background is over: the handshake that waits for it may go on.
    pub(super) fn worked(&mut self, result: &std::io::Result<()>, now: Instant) {
        let waits = |connection: &Connection<_>| connection.handshake.is_waiting();
        let waiting = self.peers.values().filter(|peer| peer.connection.as_ref().is_some_and(waits));
        let waiting: Vec<i32> = waiting.map(|peer| peer.id).collect();
        for id in waiting {
            let outcome = match result {
                Ok(()) => self.next_step(id, now),
                Err(error) => {
                    let text = error.to_string();
                    Err(DisconnectReason::Handshake(Error::new(ErrorKind::Network, text)))
                }
            };
            if let Err(reason) = outcome {
                self.lose(id, reason, now);
            }
        }
    }
}

/// A request of the connection's own.
fn handshake_request<T>(
    request: StepRequest,
    correlation_id: i32,
    sent_at: Instant,
    deadline: Instant,
) -> InFlightRequest<RequestOwner<T>> {
    InFlightRequest {
        context: RequestOwner::Connection,
        correlation_id,
        version: request.version,
        name: request.name,
        expects_answer: true,
        sent_at,
        deadline,
        message: request.message,
    }
}
