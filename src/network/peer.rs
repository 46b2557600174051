//! `Peer`: one broker as the client knows it: where it is, how the connection stands, what went wrong so far.
//!
//! Owns: the wording of a broker's errors, and how loud they are. Must not know: other brokers, the network.
//! Holds: the same trouble with a broker is a warning at first and then now and then, not at each attempt; what is done on
//! purpose is none.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::connection::Connection;
use super::connection_state::{ConnectionRules, ConnectionState, Phase};
use super::disconnect_reason::{DisconnectKind, DisconnectReason};
use crate::cluster::{Node, broker_behind};
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::log_labels::LogLabels;
use crate::logging;
use crate::metrics::{Measure, Measures, NodeMeters};
use crate::notices::Notices;
use crate::planted::{Defect, planted};
use crate::protocol::BrokerVersions;

/// One broker as the client knows it.
#[derive(Debug)]
pub(super) struct Peer<T> {
    pub(super) id: i32,
    host: String,
    /// As it was told.
    port: i32,
    pub(super) state: ConnectionState<BrokerVersions>,
    pub(super) meters: Arc<NodeMeters>,
    /// The sizes of requests that no write was measured with yet.
    pub(super) requests_queued: Measure,
    /// The socket, from connecting on.
    pub(super) connection: Option<Connection<T>>,
    /// The token of the last name look-up.
    pub(super) lookup: u64,
    /// What was to be done before the look-up, if anything.
    pub(super) before_lookup: Option<&'static str>,
    pub(super) last_attempt: Option<Instant>,
    pub(super) last_used: Instant,
    /// Not one of the cluster's brokers any more.
    pub(super) leaving: bool,
    /// Why the last connection was lost or not made, as long as none has stood since.
    pub(super) failure: Option<LastFailure>,
    /// What went wrong at the addresses tried in this round.
    tried: Vec<String>,
    /// The kind of the last of them.
    trouble: Option<DisconnectKind>,
    /// The last of them was no fault of the address.
    short: bool,
    /// The error behind the last of them, where it has a kind of its own.
    cause: Option<Error>,
    /// A connection has stood once: so the address is the right one.
    was_ready: bool,
    /// It has answered more than a handshake.
    served: bool,
}

/// That a connection was lost or not made.
#[derive(Debug)]
pub(super) struct LastFailure {
    pub(super) error: Error,
    pub(super) at: Instant,
}

/// What was told of which broker, and what of an address is known for good.
#[derive(Debug)]
pub(super) struct BrokerNotices {
    told: Notices<i32, DisconnectKind>,
    /// Hosts and ports that have answered more than a handshake, under whatever id: what they speak is what we speak.
    served: HashSet<(String, i32)>,
}

impl BrokerNotices {
    pub(super) fn new() -> Self {
        BrokerNotices { told: Notices::new(), served: HashSet::new() }
    }

    fn note_served(&mut self, host: &str, port: i32) {
        if self.served.len() >= MANY_ADDRESSES {
            self.served.clear();
        }
        self.served.insert((host.to_owned(), port));
    }
}

/// More than any cluster has. A broker that names new ones without end costs no more memory than this.
const MANY_ADDRESSES: usize = 10_000;

impl<T> Peer<T> {
    pub(super) fn new(node: &Node, rules: ConnectionRules, meters: Arc<NodeMeters>, now: Instant) -> Self {
        Peer {
            id: node.id(),
            host: node.host().to_owned(),
            port: node.port,
            state: ConnectionState::new(rules),
            meters,
            requests_queued: Measure::default(),
            connection: None,
            lookup: 0,
            before_lookup: None,
            last_attempt: None,
            last_used: now,
            leaving: false,
            failure: None,
            tried: Vec::new(),
            trouble: None,
            short: false,
            cause: None,
            was_ready: false,
            served: false,
        }
    }

    /// The server to begin with is this broker, at the same place.
    pub(super) fn becomes(&mut self, broker: &Node, meters: Arc<NodeMeters>) {
        (self.id, self.meters) = (broker.id(), meters);
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The broker is still where it was.
    pub(super) fn is_at(&self, node: &Node) -> bool {
        self.port == node.port && self.host == node.host()
    }

    /// Both are at the same place: the same broker under two ids, as servers to begin with are.
    pub(super) fn is_beside(&self, other: &Peer<T>) -> bool {
        self.port == other.port && self.host == other.host
    }

    /// It is not one of the brokers any more, nothing is on its way, and nothing has to be remembered.
    pub(super) fn can_be_forgotten(&self, now: Instant) -> bool {
        let is_at_rest = match self.state.phase() {
            Phase::Disconnected { .. } => self.state.backing_off(now).is_none(),
            Phase::Ready(_) => self.in_flight() == 0,
            _ => false,
        };
        self.leaving && is_at_rest && self.state.paused(now).is_none()
    }

    /// It stands idle, and nothing has been said on it since then.
    pub(super) fn is_silent_since(&self, time: Instant) -> bool {
        matches!(self.state.phase(), Phase::Ready(_)) && self.in_flight() == 0 && self.last_used <= time
    }

    /// A request may go out now, as far as the connection is concerned.
    pub(super) fn can_send_more(&self, max_in_flight: usize) -> bool {
        let room = |connection: &Connection<T>| {
            let is_said = !connection.handshake.is_running() || planted(Defect::LoginOvertaken);
            connection.in_flight.can_send_more(max_in_flight) && is_said
        };
        self.state.versions().is_some() && self.connection.as_ref().is_some_and(room)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.in_flight.len())
    }

    /// One write, and the requests that were queued before it.
    pub(super) fn measure_write(&mut self, bytes: usize, now: Instant) {
        if bytes == 0 && self.requests_queued.count == 0 {
            return;
        }
        self.meters.traffic.measure(now, |sensors| {
            sensors.requests_sent.add_all(&std::mem::take(&mut self.requests_queued));
            if bytes > 0 {
                sensors.network_io.add(1.0);
                sensors.bytes_sent.add(bytes as f64);
            }
        });
    }

    /// One read, and the answers that it ended.
    pub(super) fn measure_read(&self, bytes: usize, answers: usize, now: Instant) {
        if bytes == 0 && answers == 0 {
            return;
        }
        self.meters.traffic.measure(now, |sensors| {
            if bytes > 0 {
                sensors.network_io.add(1.0);
                sensors.bytes_received.add(bytes as f64);
            }
            (0..answers).for_each(|_| sensors.responses_received.add(1.0));
        });
    }

    /// One attempt of this round failed. An address of `None` is the name itself.
    pub(super) fn attempt_failed(&mut self, address: Option<SocketAddr>, reason: &DisconnectReason) {
        let reason = match reason {
            DisconnectReason::Closed { within_answer, .. } if self.was_ready => {
                &DisconnectReason::Closed { before_first_answer: false, within_answer: *within_answer }
            }
            reason => reason,
        };
        let what = match address {
            Some(address) if !self.is_spelt_out(address) => format!("{address}: {reason}"),
            _ => reason.to_string(),
        };
        logging::debug!(labels: LogLabels::of_node(self.id), "{}: {what}", self.place(None));
        self.tried.push(what);
        self.trouble = Some(reason.kind());
        self.short = reason.is_shortage();
        self.cause = reason.error().cloned();
    }

    /// No address is left: the error of the whole round.
    pub(super) fn cannot_connect(&mut self, notices: &mut BrokerNotices, now: Instant) -> Error {
        let what = std::mem::take(&mut self.tried).join("; ");
        let cause = self.cause.take();
        let hint = match broker_behind(self.id) {
            Some(id) if !self.was_ready && !self.short && !cause.as_ref().is_some_and(is_refusal) => {
                format!("; advertised by broker {id}: check advertised.listeners")
            }
            _ => String::new(),
        };
        let text = format!("cannot connect to {}: {what}{hint}", self.place(None));
        let error = self.error_of(cause.as_ref(), text);
        self.failure = Some(LastFailure { error: error.clone(), at: now });
        if let Some(kind) = self.trouble.take() {
            self.tell(kind, &error, notices, now);
        }
        error
    }

    /// A connection that stood is gone. Where it has done its work, and nothing is on its way, that is nothing to worry
    /// about.
    pub(super) fn connection_lost(
        &mut self,
        connection: &Connection<T>,
        reason: &DisconnectReason,
        notices: &mut BrokerNotices,
        now: Instant,
    ) -> Error {
        let place = self.place(Some(connection.address));
        let at_first = reason.is_end()
            && !connection.served
            && !connection.in_flight.is_empty()
            && !connection.handshake.authenticates();
        let never_served = || !notices.served.contains(&(self.host.clone(), self.port));
        let reason =
            if at_first && never_served() { &DisconnectReason::ClosedAtFirstRequest } else { reason };
        let text = format!("lost the connection to {place}: {reason}");
        let error = self.error_of(reason.error(), text);
        match reason {
            DisconnectReason::ClosedHere(_) => logging::debug!(labels: error.labels(), "{error}"),
            _ if connection.served && connection.in_flight.is_empty() && reason.is_end() => {
                logging::info!(labels: error.labels(), "{error}")
            }
            _ => {
                self.failure = Some(LastFailure { error: error.clone(), at: now });
                self.tell(reason.kind(), &error, notices, now);
            }
        }
        error
    }

    /// The handshake is done.
    pub(super) fn connected(&mut self, address: SocketAddr) {
        self.tried.clear();
        self.failure = None;
        self.cause = None;
        self.was_ready = true;
        logging::debug!(labels: LogLabels::of_node(self.id), "connected to {}", self.place(Some(address)));
    }

    /// A request was answered as it should be: whatever was in trouble is not any more.
    pub(super) fn answered(&mut self, notices: &mut BrokerNotices, now: Instant) {
        self.state.answered();
        if !std::mem::replace(&mut self.served, true) {
            notices.note_served(&self.host, self.port);
        }
        if let Some(repeats) = notices.told.over(&self.id, now) {
            let address = self.connection.as_ref().map(|connection| connection.address);
            logging::info!(labels: LogLabels::of_node(self.id), "{} answers again{repeats}", self.place(address));
        }
    }

    fn tell(&self, kind: DisconnectKind, error: &Error, notices: &mut BrokerNotices, now: Instant) {
        match notices.told.happened(&self.id, kind, now) {
            Some(repeats) => logging::warn!(labels: error.labels(), "{error}{repeats}"),
            None => logging::debug!(labels: error.labels(), "{error}"),
        }
    }

    /// That a pause is not over, for people.
    pub(super) fn throttled(&self, now: Instant) -> Option<String> {
        let (pause, place) = (self.state.paused(now)?, self.place(None));
        let time = pause.time.as_millis();
        Some(format!(
            "{place}: throttled until the {time} ms are over that the broker has asked for (throttle_time_ms)"
        ))
    }

    /// What is waited for here, with the address; none where nothing is.
    pub(super) fn waited_for(&self, now: Instant) -> Option<String> {
        if let Some(throttled) = self.throttled(now) {
            return Some(throttled);
        }
        let address = self.connection.as_ref().map(|connection| connection.address);
        let what = match self.state.phase() {
            Phase::Disconnected { .. } => return None,
            Phase::Resolving { .. } => String::from("the name is not resolved yet"),
            Phase::Connecting { .. } => String::from("not connected yet"),
            Phase::Securing { .. } => {
                format!("the {} handshake is not over yet", self.connection.as_ref()?.stream.layer_name()?)
            }
            Phase::Handshaking | Phase::Ready(_) => {
                let connection = self.connection.as_ref()?;
                match connection.in_flight.oldest() {
                    Some(oldest) => format!("no answer to {} yet", oldest.name),
                    None if connection.handshake.is_waiting() => {
                        let handshake = &connection.handshake;
                        format!("{} waits for {}", handshake.step_name()?, handshake.awaited())
                    }
                    None => return None,
                }
            }
        };
        Some(format!("{}: {what}", self.place(address)))
    }

    /// An error that is of the kind of what is behind it, and has its code.
    fn error_of(&self, cause: Option<&Error>, message: String) -> Error {
        let error = self.error(cause.map_or(ErrorKind::Network, Error::kind), message);
        let Some(cause) = cause else { return error };
        let error = error.with_source(cause.clone());
        cause.code().map_or(error.clone(), |code| error.with_code(code))
    }

    /// An error that names the broker's id, where it is known (bootstrap servers have made-up negative ones).
    pub(super) fn error(&self, kind: ErrorKind, message: String) -> Error {
        let error = Error::new(kind, message);
        broker_behind(self.id).map_or(error.clone(), |id| error.with_node(id))
    }

    /// `host:port`, and the address behind the name.
    pub(super) fn place(&self, address: Option<SocketAddr>) -> impl fmt::Display + use<T> {
        let (host, port) = (Escaped(&self.host), self.port);
        let name =
            if self.host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        match address {
            Some(address) if !self.is_spelt_out(address) => format!("{name} ({address})"),
            _ => name,
        }
    }

    fn is_spelt_out(&self, address: SocketAddr) -> bool {
        self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip == address.ip())
    }
}

/// The connection would lead to the right broker, which refuses us, or which we refuse.
fn is_refusal(cause: &Error) -> bool {
    cause.kind() == ErrorKind::Authentication
}
