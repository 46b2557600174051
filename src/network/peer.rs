//! `Peer`: one broker as the client knows it: where it is, how the connection stands, what went wrong so far.
//!
//! Owns: the wording of a broker's errors, and how loud they are. Must not know: other brokers, the network.
//! Holds: one warning per change of state, not per attempt.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::Connection;
use super::connection_state::{ConnectionRules, ConnectionState, Phase};
use super::lost::Lost;
use crate::cluster::Node;
use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;
use crate::logging;
use crate::protocol::BrokerVersions;

/// One broker as the client knows it.
#[derive(Debug)]
pub(super) struct Peer<T> {
    pub(super) id: i32,
    host: String,
    port: u16,
    pub(super) state: ConnectionState<BrokerVersions>,
    /// The socket, from connecting on.
    pub(super) connection: Option<Connection<T>>,
    /// The token of the last name look-up.
    pub(super) lookup: u64,
    pub(super) last_attempt: Option<Instant>,
    pub(super) last_used: Instant,
    /// What went wrong at the addresses tried in this round.
    tried: Vec<String>,
    /// Trouble with this broker was told already.
    warned: bool,
}

impl<T> Peer<T> {
    pub(super) fn new(node: &Node, rules: ConnectionRules, now: Instant) -> Self {
        Peer {
            id: node.id(),
            host: node.host().to_owned(),
            port: node.port(),
            state: ConnectionState::new(rules),
            connection: None,
            lookup: 0,
            last_attempt: None,
            last_used: now,
            tried: Vec::new(),
            warned: false,
        }
    }

    /// The broker is still where it was.
    pub(super) fn is_at(&self, node: &Node) -> bool {
        self.port == node.port() && self.host == node.host()
    }

    /// A request may go out now, as far as the connection is concerned.
    pub(super) fn can_send_more(&self, max_in_flight: usize) -> bool {
        let room = |connection: &Connection<T>| connection.in_flight.can_send_more(max_in_flight);
        self.state.versions().is_some() && self.connection.as_ref().is_some_and(room)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.in_flight.len())
    }

    /// One attempt of this round failed. An address of `None` is the name itself.
    pub(super) fn attempt_failed(&mut self, address: Option<SocketAddr>, lost: &Lost) {
        let what = match address {
            Some(address) if !self.is_spelt_out(address) => format!("{address}: {lost}"),
            _ => lost.to_string(),
        };
        logging::debug!("{}: {what}", self.place(None));
        self.tried.push(what);
    }

    /// No address is left: the error of the whole round, told once until a connection stands again.
    pub(super) fn cannot_connect(&mut self) -> Error {
        let what = std::mem::take(&mut self.tried).join("; ");
        let error = self.error(ErrorKind::Network, format!("cannot connect to {}: {what}", self.place(None)));
        if self.warned {
            logging::debug!("{error}");
        } else {
            logging::warn!("{error}");
        }
        self.warned = true;
        error
    }

    /// A connection that stood is gone. Without anything on its way that is nothing to worry about.
    pub(super) fn connection_lost(&mut self, address: SocketAddr, lost: &Lost, was_idle: bool) -> Error {
        let error = self.error(
            ErrorKind::Network,
            format!("lost the connection to {}: {lost}", self.place(Some(address))),
        );
        if was_idle || matches!(lost, Lost::ClosedHere(_)) {
            logging::info!("{error}");
        } else {
            logging::warn!("{error}");
            self.warned = true;
        }
        error
    }

    /// The handshake is done.
    pub(super) fn connected(&mut self, address: SocketAddr) {
        self.tried.clear();
        if self.warned {
            logging::info!("connected to {} again", self.place(Some(address)));
        } else {
            logging::debug!("connected to {}", self.place(Some(address)));
        }
        self.warned = false;
    }

    /// What is waited for here, with the address; none where nothing is.
    pub(super) fn waited_for(&self) -> Option<String> {
        let address = self.connection.as_ref().map(|connection| connection.address);
        let what = match self.state.phase() {
            Phase::Disconnected { .. } => return None,
            Phase::Resolving { .. } => String::from("the name is not resolved yet"),
            Phase::Connecting { .. } => String::from("not connected yet"),
            Phase::Handshaking | Phase::Ready(_) => {
                format!("no answer to {} yet", self.connection.as_ref()?.in_flight.oldest()?.name)
            }
        };
        Some(format!("{}: {what}", self.place(address)))
    }

    /// An error that names the broker's id, where it is known (bootstrap servers have made-up negative ones).
    pub(super) fn error(&self, kind: ErrorKind, message: String) -> Error {
        let error = Error::new(kind, message);
        if self.id >= 0 { error.with_node(self.id) } else { error }
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
