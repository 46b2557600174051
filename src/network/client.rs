//! `NetworkClient`: requests to all brokers, and their answers.
//!
//! Owns: which broker may be asked now, the choice of versions, the order of a turn. Must not know: what is asked.
//! Threads: the sender thread only.
//! Holds: every context given to `send` comes back exactly once, as answered, written or failed.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bootstrap_servers::BootstrapServers;
use super::channel_builder::Transport;
use super::connection_state::{Phase, later};
use super::connections::{Connections, RequestOwner, TimeAway};
use super::disconnect_reason::DisconnectReason;
use super::in_flight::InFlightRequest;
use super::in_flight::Outcome;
use super::job::Job;
use super::peer::Peer;
use super::seam::{Network, NetworkEvent};
use crate::cluster::{Cluster, Node};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::metrics::{Meters, NodeMeters};
use crate::planted::{Defect, planted};
use crate::protocol::{Request, decode_response_with, encode_request, pause_after};
use crate::wire::{DecodeError, Decoder};

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
    /// Connecting, or as much on its way as is allowed: an outcome of `poll`, or room in the socket, will change it.
    Waiting,
}

/// Requests to all brokers, and their answers. `T` is the caller's context that goes out with a request and comes back
/// with its answer.
#[derive(Debug)]
pub(crate) struct NetworkClient<N: Network, T> {
    connections: Connections<N, T>,
    events: Vec<NetworkEvent>,
}

impl<N: Network, T> NetworkClient<N, T> {
    pub(crate) fn new(
        transport: Transport<N>,
        settings: Arc<Settings>,
        meters: Arc<Meters>,
        random: fastrand::Rng,
    ) -> Self {
        NetworkClient {
            connections: Connections::new(transport, settings, meters, random),
            events: Vec::new(),
        }
    }

    /// Starts to look up where to begin; an outcome of `poll` tells what came of it.
    pub(crate) fn look_up(&mut self, servers: &BootstrapServers) {
        self.connections.network.begin(Job::LookUp(servers.clone()));
    }

    /// Whether the broker can be asked now; begins to connect where there is no connection and the backoff is over.
    /// A broker whose address has changed is connected anew; what was on its way fails.
    pub(crate) fn ready(&mut self, node: &Node, now: Instant) -> Readiness {
        if self.connections.peer(node.id()).is_some_and(|peer| !peer.is_at(node)) {
            self.connections.forget(node.id(), now);
        }
        self.connections.is_wanted(node.id());
        self.connections.authenticate_if_due(node.id(), now);
        if let Some(readiness) = self.readiness(node, now) {
            return readiness;
        }
        self.connections.begin(node, now);
        Readiness::Waiting
    }

    /// Queues a request, in the newest version that both sides speak; the next `poll` writes it. The context comes
    /// back with an error where there is no such version or no connection. The caller asks `ready` first; what is
    /// sent nevertheless is queued.
    pub(crate) fn send<R: Request>(
        &mut self,
        node: i32,
        request: &R,
        expect: Expect,
        context: T,
        now: Instant,
    ) -> Result<(), (T, Error)> {
        let Some(peer) = self.connections.peer(node) else { return Err((context, not_connected(node))) };
        let Some(versions) = peer.state.versions() else { return Err((context, not_connected(node))) };
        let version = match versions.choose(request) {
            Ok(version) => version,
            Err(error) => {
                let text = format!("{}: {error}", peer.place(None));
                return Err((context, peer.error(error.kind(), text)));
            }
        };
        let correlation_id = self.connections.next_correlation_id();
        let client_id = &self.connections.settings.client_id;
        let (expects_answer, timeout) = match expect {
            Expect::AnswerWithin(timeout) => (true, timeout),
            Expect::WrittenWithin(timeout) => (false, timeout),
        };
        let entry = InFlightRequest {
            context: RequestOwner::Caller(context),
            correlation_id,
            version,
            name: R::NAME,
            expects_answer,
            sent_at: now,
            deadline: later(now, timeout),
            message: encode_request(request, version, correlation_id, client_id),
        };
        self.connections.queue(node, entry);
        Ok(())
    }

    /// Whether a broker may understand this request: it has not said that it speaks no version of ours.
    pub(crate) fn speaks<R: Request>(&self, node: i32, request: &R) -> bool {
        let versions = self.connections.peer(node).and_then(|peer| peer.state.versions());
        versions.is_none_or(|versions| versions.choose(request).is_ok())
    }

    /// One turn: writes what is queued, waits no longer than `until` (none: until something happens) or the
    /// network's own next deadline, reads, gives up what is late. Adds what happened to `outcomes` and returns the
    /// time after it. Does not wait where there is something to tell already.
    ///
    /// No broker is given up before what it has sent is read, and nothing is written meanwhile to one that may be. The time
    /// for which this thread was elsewhere, in the user's code, does not count where we were waited for.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        outcomes: &mut Vec<Outcome<T>>,
    ) -> Instant {
        self.connections.resume();
        let overdue = self.connections.is_overdue(now);
        if planted(Defect::GivenUpUnheard) {
            self.connections.expire(now);
        }
        self.connections.forget_left_peers(now);
        if !overdue {
            self.connections.flush_queued(now);
        }
        let now = self.connections.wait(now, until, &mut self.events);
        for event in self.events.drain(..) {
            self.connections.handle(event, now);
        }
        self.connections.expire(now);
        if overdue {
            self.connections.flush_queued(now);
        }
        outcomes.append(&mut self.connections.outcomes);
        now
    }

    /// When this thread was elsewhere, in the user's code, before the last `poll`; none where that is not worth a thought.
    pub(crate) fn away(&self) -> Option<TimeAway> {
        self.connections.away
    }

    /// The time as it is now.
    pub(crate) fn now(&self) -> Instant {
        self.connections.network.now()
    }

    /// What is waited for from this broker, for people; none where nothing is.
    pub(crate) fn waited_for(&self, node: &Node, now: Instant) -> Option<String> {
        self.peer_at(node)?.waited_for(now)
    }

    /// Why the last connection to this broker was lost or not made, as long as none has stood since.
    pub(crate) fn failure(&self, node: &Node) -> Option<Error> {
        self.peer_at(node)?.failure.as_ref().map(|failure| failure.error.clone())
    }

    /// That this broker asked for a pause that is not over, for people.
    pub(crate) fn throttled(&self, node: &Node, now: Instant) -> Option<String> {
        self.peer_at(node)?.throttled(now)
    }

    /// Whether somebody waits for the answers that are due: then they are worth some polling. The mailbox knows who waits, the
    /// connections how many answers are due, and the thread polls below the seam: so this goes down to where all meet.
    pub(crate) fn set_awaited(&mut self, awaited: bool) {
        self.connections.awaited = awaited;
    }

    #[cfg(test)]
    pub(crate) fn read<R: Request>(
        &mut self,
        node: i32,
        version: i16,
        frame: &[u8],
        now: Instant,
    ) -> Result<R::Response, Error> {
        self.read_with::<R>(node, version, frame, now, <R::Response as crate::protocol::Response>::decode)
    }

    /// Reads an answer, its fields by `decode`. A pause that the broker asks for in it is kept: it is not ready before its
    /// end (KIP-219). One that cannot be read ends the connection, and whatever is on its way there fails with the next
    /// `poll` for that reason.
    pub(crate) fn read_with<R: Request>(
        &mut self,
        node: i32,
        version: i16,
        frame: &[u8],
        now: Instant,
        decode: impl FnOnce(&mut Decoder<'_>) -> Result<R::Response, DecodeError>,
    ) -> Result<R::Response, Error> {
        match decode_response_with::<R>(version, frame, decode) {
            Ok(response) => {
                self.connections.answered(node, now);
                self.pause(node, pause_after::<R>(version, &response), now);
                Ok(response)
            }
            Err(error) => {
                self.connections.refuse(node, DisconnectReason::Unreadable(error.clone()), now);
                Err(of_broker(node, Error::new(ErrorKind::Network, error.to_string())))
            }
        }
    }

    /// Leaves a broker alone for this time.
    pub(crate) fn pause(&mut self, node: i32, time: Duration, now: Instant) {
        if !time.is_zero() {
            self.connections.pause(node, time, now);
        }
    }

    /// Ends the connection, and says why; what was on its way fails with the next `poll`. A new connection waits for the
    /// backoff.
    pub(crate) fn disconnect(&mut self, node: i32, why: &'static str, now: Instant) {
        self.connections.drop_connection(node, why, now);
    }

    /// Brokers of the cluster take over the connections to servers to begin with that are at the same place, where they have
    /// none of their own. Returns which did.
    pub(crate) fn take_over_bootstrap(&mut self, cluster: &Cluster) -> Vec<i32> {
        self.connections.take_over_bootstrap(cluster)
    }

    /// Forgets all brokers but these, as soon as nothing is on its way to them: they have left, or were a way in.
    pub(crate) fn retain(&mut self, is_known: impl Fn(i32) -> bool) {
        self.connections.retain(is_known);
    }

    /// Ends all connections; what was on its way fails with the next `poll`.
    pub(crate) fn close(&mut self, now: Instant) {
        self.connections.close(now);
    }

    /// How many brokers are kept in mind.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn census(&self) -> usize {
        self.connections.peers.len()
    }

    #[cfg(test)]
    pub(crate) fn network(&mut self) -> &mut N {
        &mut self.connections.network
    }

    /// The connection stands and the broker's versions are known.
    pub(crate) fn is_connected(&self, node: i32) -> bool {
        self.connections.peer(node).is_some_and(|peer| peer.state.versions().is_some())
    }

    /// By which sensors a broker is measured; none once it is not one any more.
    pub(crate) fn meters(&self, node: i32) -> Option<&NodeMeters> {
        self.connections.peer(node).map(|peer| &*peer.meters)
    }

    /// The versions of an API that the connected broker speaks.
    pub(crate) fn range(&self, node: i32, api: i16) -> Option<RangeInclusive<i16>> {
        self.connections.peer(node)?.state.versions()?.range(api)
    }

    /// The level of a feature in the connected broker's cluster, 0 where it is not switched on, with the epoch as of which it
    /// tells that. None where it tells of no features.
    pub(crate) fn feature(&self, node: i32, name: &str) -> Option<(i64, i16)> {
        self.connections.peer(node)?.state.versions()?.feature(name)
    }

    /// How many brokers there is something to be remembered of.
    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.connections.known()
    }

    /// Requests that are queued or written, and not answered.
    #[cfg(test)]
    pub(crate) fn in_flight(&self, node: i32) -> usize {
        self.connections.peer(node).map_or(0, |peer| peer.in_flight())
    }

    /// What the connected broker speaks.
    #[cfg(test)]
    pub(crate) fn versions(&self, node: i32) -> Option<&crate::protocol::BrokerVersions> {
        self.connections.peer(node)?.state.versions()
    }

    /// A broker of the cluster that is welcome and can be asked now. Where there is none, a connection is begun, and an outcome of `poll`
    /// tells when it stands; the error is when one may be tried again that failed or asked for a pause.
    pub(crate) fn any_ready_node(
        &mut self,
        cluster: &Cluster,
        is_welcome: impl Fn(i32) -> bool,
        now: Instant,
    ) -> Result<i32, Option<Instant>> {
        let welcome = || cluster.nodes().filter(|node| is_welcome(node.id()));
        if let Some(node) = self.least_loaded(welcome(), now)
            && self.ready(node, now) == Readiness::Ready
        {
            return Ok(node.id());
        }
        Err(welcome().filter_map(|node| self.not_before(node, now)).min())
    }

    /// The broker to ask where any will do: a ready one with the fewest requests on their way, else one that is
    /// being connected, else the one whose last attempt is longest ago. Ties are broken at random. None where all
    /// are waiting for a backoff, a pause or an answer. Connects to nothing.
    pub(crate) fn least_loaded<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        now: Instant,
    ) -> Option<&'a Node> {
        let mut nodes: Vec<_> = nodes.collect();
        self.connections.random.shuffle(&mut nodes);
        let ranked = nodes.into_iter().filter_map(|node| Some((self.load(node, now)?, node)));
        ranked.min_by(|one, other| one.0.cmp(&other.0)).map(|(_, node)| node)
    }

    /// The time before which this broker cannot be used: its connection failed, or it asked for a pause. None where
    /// it can be asked or connected to, or where an outcome of `poll` is waited for.
    pub(crate) fn not_before(&self, node: &Node, now: Instant) -> Option<Instant> {
        match self.readiness(node, now) {
            Some(Readiness::NotBefore(time)) => Some(time),
            _ => None,
        }
    }

    /// The broker's last connection failed, and the next attempt has to wait. One that asked for a pause is well.
    pub(crate) fn is_out_of_reach(&self, node: &Node, now: Instant) -> bool {
        self.peer_at(node).is_some_and(|peer| peer.state.backing_off(now).is_some())
    }

    /// A connection to the broker was lost or not made since then, and none has stood after that, though one may be on its way.
    pub(crate) fn has_failed_since(&self, node: &Node, since: Instant) -> bool {
        let failure = self.peer_at(node).and_then(|peer| peer.failure.as_ref());
        failure.is_some_and(|failure| failure.at >= since)
    }

    fn load(&self, node: &Node, now: Instant) -> Option<Load> {
        let Some(peer) = self.peer_at(node) else { return Some(Load::Unconnected(None)) };
        match (peer.state.phase(), self.readiness(node, now)) {
            (Phase::Ready(_), Some(Readiness::Ready)) => Some(Load::Ready(peer.in_flight())),
            (Phase::Ready(_), _) => None,
            (Phase::Disconnected { .. }, None) => Some(Load::Unconnected(peer.last_attempt)),
            (Phase::Disconnected { .. }, _) => None,
            _ => Some(Load::Connecting),
        }
    }

    /// What is known of a broker, if it is where it was.
    fn peer_at(&self, node: &Node) -> Option<&Peer<RequestOwner<T>>> {
        self.connections.peer(node.id()).filter(|peer| peer.is_at(node))
    }

    /// None: a connection may be begun.
    fn readiness(&self, node: &Node, now: Instant) -> Option<Readiness> {
        let peer = self.peer_at(node)?;
        if peer.state.is_disconnected() {
            return peer.state.backing_off(now).map(Readiness::NotBefore);
        }
        if let Some(pause) = peer.state.paused(now).filter(|_| peer.state.versions().is_some()) {
            return Some(Readiness::NotBefore(pause.until));
        }
        let can_send = peer.can_send_more(self.connections.settings.max_in_flight_requests_per_connection);
        Some(if can_send { Readiness::Ready } else { Readiness::Waiting })
    }
}

/// How gladly a broker is asked, best first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Ready(usize),
    Connecting,
    Unconnected(Option<Instant>),
}

fn not_connected(node: i32) -> Error {
    of_broker(node, Error::new(ErrorKind::Network, "not connected").with_code(ErrorCode::NETWORK_EXCEPTION))
}

/// Servers to begin with have no id to tell.
fn of_broker(node: i32, error: Error) -> Error {
    if node >= 0 { error.with_node(node) } else { error }
}
