//! `Connections`: all brokers' sockets, from the first look-up of a name to the last answer.
//!
//! Owns: what each event of the network does to a connection; the next deadline. Must not know: who may be asked
//! what, and when (that is the client's).
//! Holds: every context that was queued leaves by `outcomes`, once. The next deadline is a lower bound: it costs nothing
//! while requests come and go, and is found anew when it has passed.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::byte_stream::{ByteStream, ReadBuffer};
use super::channel_builder::{ChannelBuilder, Transport, Upkeep};
use super::connection::{AnsweredRequest, Connection};
use super::connection_state::{ConnectionRules, Phase};
use super::disconnect_reason::DisconnectReason;
use super::handshake::Handshake;
use super::in_flight::InFlightRequest;
use super::in_flight::Outcome;
use super::job::{BackgroundWork, Job, JobResult};
use super::peer::{BrokerNotices, Peer};
use super::seam::{Network, NetworkEvent, SocketId};
use super::socket_names::SocketNames;
use crate::cluster::{Node, broker_behind};
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::metrics::Meters;
use crate::planted::{Defect, planted};

/// Whose request it is.
#[derive(Debug)]
pub(super) enum RequestOwner<T> {
    /// The connection's own.
    Connection,
    /// The caller's, who wants this back.
    Caller(T),
}

/// The time in which the sender thread did not look at the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeAway {
    pub(crate) begun: Instant,
    pub(crate) end: Instant,
}

impl TimeAway {
    pub(crate) fn time(&self) -> Duration {
        self.end.saturating_duration_since(self.begun)
    }
}

/// All brokers' sockets.
#[derive(Debug)]
pub(super) struct Connections<N: Network, T> {
    pub(super) network: N,
    pub(super) channels: Arc<dyn ChannelBuilder>,
    pub(super) settings: Arc<Settings>,
    pub(super) meters: Arc<Meters>,
    pub(super) random: fastrand::Rng,
    pub(super) outcomes: Vec<Outcome<T>>,
    rules: ConnectionRules,
    pub(super) peers: HashMap<i32, Peer<RequestOwner<T>>, foldhash::fast::FixedState>,
    pub(super) names: SocketNames,
    correlation_id: i32,
    /// Brokers for which something was queued since the last flush.
    pub(super) queued: Vec<i32>,
    /// Nothing has to be done before this time.
    pub(super) next_deadline: Option<Instant>,
    /// When something is due beside all connections.
    pub(super) upkeep_at: Option<Instant>,
    /// When this thread last turned away from the network.
    left: Option<Instant>,
    /// When it was elsewhere before it last turned to it again; none where that was too short to matter.
    pub(super) away: Option<TimeAway>,
    pub(super) answers_due: usize,
    /// Somebody waits for what is on its way.
    pub(super) awaited: bool,
    /// Some brokers are not of the cluster any more, and not forgotten yet.
    some_leave: bool,
    /// What was told of which broker, and which addresses are known to be right.
    pub(super) notices: BrokerNotices,
    finished: Vec<InFlightRequest<RequestOwner<T>>>,
    buffer: ReadBuffer,
}

impl<N: Network, T> Connections<N, T> {
    pub(super) fn new(
        transport: Transport<N>,
        settings: Arc<Settings>,
        meters: Arc<Meters>,
        random: fastrand::Rng,
    ) -> Self {
        Connections {
            network: transport.network,
            channels: transport.channels,
            rules: ConnectionRules::from(&*settings),
            settings,
            meters,
            random,
            outcomes: Vec::new(),
            peers: HashMap::default(),
            names: SocketNames::default(),
            correlation_id: -1,
            queued: Vec::new(),
            next_deadline: None,
            upkeep_at: None,
            left: None,
            away: None,
            answers_due: 0,
            awaited: false,
            some_leave: false,
            notices: BrokerNotices::new(),
            finished: Vec::new(),
            buffer: ReadBuffer::new(),
        }
    }

    pub(super) fn peer(&self, id: i32) -> Option<&Peer<RequestOwner<T>>> {
        self.peers.get(&id)
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn next_correlation_id(&mut self) -> i32 {
        self.correlation_id = self.correlation_id.wrapping_add(1) & i32::MAX;
        self.correlation_id
    }

    /// Begins to connect to a broker that has no connection.
    pub(super) fn begin(&mut self, node: &Node, now: Instant) {
        let token = self.names.name(node.id()).0;
        if !self.peers.contains_key(&node.id()) {
            let meters = self.meters.node(broker_behind(node.id()).unwrap_or(node.id()));
            let mut peer = Peer::new(node, self.rules, meters, now);
            let beside = self.peers.values().filter(|other| other.is_beside(&peer));
            let pause = beside.filter_map(|other| other.state.paused(now)).max_by_key(|pause| pause.until);
            pause.into_iter().for_each(|pause| peer.state.pause(pause));
            self.peers.insert(node.id(), peer);
        }
        let Some(peer) = self.peers.get_mut(&node.id()) else { return };
        peer.state.resolving(now, &mut self.random);
        peer.lookup = token;
        peer.last_attempt = Some(now);
        let Some(port) = node.usable_port() else {
            peer.attempt_failed(None, &DisconnectReason::NoPort);
            return self.try_next(node.id(), now);
        };
        let deadline = peer.state.deadline();
        let first = self.channels.prepare();
        peer.before_lookup = first.as_ref().map(BackgroundWork::name);
        self.network.begin(Job::Resolve { token, host: node.host().to_owned(), port, first });
        self.expect_by(deadline);
    }

    /// Queues a request; it goes out with the next flush. False where there is no connection.
    pub(super) fn queue(&mut self, id: i32, entry: InFlightRequest<RequestOwner<T>>) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let Some(connection) = &mut peer.connection else { return false };
        let (deadline, expects_answer) = (Some(entry.deadline), entry.expects_answer);
        peer.requests_queued.add(entry.message.size_bytes() as f64);
        connection.in_flight.push(entry);
        self.queued.push(id);
        self.answers_due_more(usize::from(expects_answer));
        self.expect_by(deadline);
        true
    }

    /// Writes what is queued.
    pub(super) fn flush_queued(&mut self, now: Instant) {
        while let Some(id) = self.queued.pop() {
            self.flush(id, now);
        }
    }

    /// Whether somebody may have to be given up, or something else to be done.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.next_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// This thread turns to the network again. Requests that are not wholly written and connections that are being made
    /// waited for it meanwhile, not for a broker: they get that time back.
    pub(super) fn resume(&mut self) {
        let now = self.network.now();
        let absence = self.left.map(|begun| TimeAway { begun, end: now });
        let is_noticed =
            |absence: &TimeAway| absence.time() >= NOTICEABLE && !planted(Defect::ClockStandsStill);
        self.away = absence.filter(is_noticed);
        let Some(away) = self.away.map(|absence| absence.time()) else { return };
        for peer in self.peers.values_mut() {
            peer.state.postpone(away);
            if let Some(connection) = &mut peer.connection {
                connection.in_flight.postpone_unwritten(away);
            }
        }
    }

    /// Waits for the network, no longer than to the next deadline.
    pub(super) fn wait(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        events: &mut Vec<NetworkEvent>,
    ) -> Instant {
        let until = match (until, self.next_deadline) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (until, deadline) => until.or(deadline),
        };
        let until = if self.outcomes.is_empty() { until } else { Some(now) };
        self.network.expect_answers(self.answers_due, self.awaited);
        let now = self.measured_wait(now, until, events);
        self.left = Some(now);
        now
    }

    pub(super) fn handle(&mut self, event: NetworkEvent, now: Instant) {
        match event {
            NetworkEvent::Readable(socket) => self.readable(socket, now),
            NetworkEvent::Writable(socket) => self.writable(socket, now),
            NetworkEvent::Failed(socket, error) => {
                if self.connection_of(socket).is_some() {
                    self.lose(self.names.owner(socket.0), DisconnectReason::Io(error), now);
                }
            }
            NetworkEvent::JobDone(result) => self.job_done(result, now),
        }
    }

    fn job_done(&mut self, result: JobResult, now: Instant) {
        match result {
            JobResult::Resolved { token, addresses } => self.resolved(token, addresses, now),
            JobResult::LookedUp(servers) => {
                let servers = servers.map_err(|error| Error::config(error.to_string()));
                self.outcomes.push(Outcome::Bootstrapped(servers));
            }
            JobResult::Worked(result) => self.worked(&result, now),
        }
        self.keep_up(now);
    }

    fn resolved(&mut self, token: u64, addresses: io::Result<Vec<SocketAddr>>, now: Instant) {
        let id = self.names.owner(token);
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.lookup == token) else { return };
        if !matches!(peer.state.phase(), Phase::Resolving { .. }) {
            return;
        }
        match addresses {
            Ok(addresses) => peer.state.resolved(addresses),
            Err(error) => peer.attempt_failed(None, &DisconnectReason::NotResolved(error)),
        }
        self.try_next(id, now);
    }

    /// Does what is due beside all connections.
    pub(super) fn keep_up(&mut self, now: Instant) {
        let Upkeep { work, next } = self.channels.upkeep(now);
        self.upkeep_at = next;
        self.expect_by(next);
        work.into_iter().for_each(|work| self.network.begin(Job::Work(work)));
    }

    /// A broker has answered as it should.
    pub(super) fn answered(&mut self, id: i32, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.answered(&mut self.notices, now);
        }
    }

    /// Lets go of brokers that are not among these, as soon as nothing is on its way to them.
    pub(super) fn retain(&mut self, is_known: impl Fn(i32) -> bool) {
        self.peers.values_mut().for_each(|peer| peer.leaving = !is_known(peer.id));
        self.some_leave = true;
    }

    /// Forgets those that are left and of no more use.
    pub(super) fn forget_left_peers(&mut self, now: Instant) {
        if !self.some_leave {
            return;
        }
        let gone: Vec<i32> =
            self.peers.values().filter(|peer| peer.can_be_forgotten(now)).map(|peer| peer.id).collect();
        for id in gone {
            self.close_quietly(id, "not needed any more");
            self.peers.remove(&id);
        }
        self.meters.forget_unused_nodes(now);
        self.some_leave = self.peers.values().any(|peer| peer.leaving);
    }

    /// The broker is asked for: it has not left.
    pub(super) fn is_wanted(&mut self, id: i32) {
        if self.some_leave
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.leaving = false;
        }
    }

    fn connection_of(&mut self, socket: SocketId) -> Option<&mut Connection<RequestOwner<T>>> {
        let id = self.names.owner(socket.0);
        let connection = self.peers.get_mut(&id)?.connection.as_mut()?;
        (connection.socket == socket).then_some(connection)
    }

    pub(super) fn expect_by(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.next_deadline = Some(self.next_deadline.map_or(deadline, |next| next.min(deadline)));
        }
    }

    /// Tries the next address of the round; without one the round has failed.
    pub(super) fn try_next(&mut self, id: i32, now: Instant) {
        loop {
            let socket = self.names.name(id);
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let Some(address) = peer.state.next_address(now, &mut self.random) else {
                peer.state.disconnected(now, &mut self.random);
                let error = peer.cannot_connect(&mut self.notices, now);
                if planted(Defect::RefusedAtOnce) && error.kind() == ErrorKind::Authentication {
                    peer.state.closed();
                }
                self.outcomes.push(Outcome::Disconnected { node: id, error });
                return;
            };
            let opened = self.channels.transport_layer(peer.host()).map_err(DisconnectReason::Layer);
            let opened = opened.and_then(|layer| {
                self.network.connect(socket, address).map_err(DisconnectReason::Io).map(|()| layer)
            });
            let stream = match opened {
                Ok(layer) => ByteStream::new(layer),
                Err(reason) => {
                    peer.state.address_failed();
                    peer.attempt_failed(Some(address), &reason);
                    continue;
                }
            };
            let handshake = Handshake::new(self.channels.authentication(peer.host()));
            peer.connection = Some(Connection::new(socket, address, now, stream, handshake));
            let deadline = peer.state.deadline();
            self.expect_by(deadline);
            return;
        }
    }

    fn writable(&mut self, socket: SocketId, now: Instant) {
        if self.connection_of(socket).is_none() {
            return;
        }
        let id = self.names.owner(socket.0);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if matches!(peer.state.phase(), Phase::Connecting { .. })
            && let Err(reason) = self.begin_handshake(id, now)
        {
            return self.lose(id, reason, now);
        }
        self.flush(id, now);
    }

    fn readable(&mut self, socket: SocketId, now: Instant) {
        if self.connection_of(socket).is_none() {
            return;
        }
        // A read that fills the buffer may have left something.
        self.read_while(socket, now, |count, room| count == room);
    }

    /// Reads whatever a broker has sent, before it is given up: it may have answered in time while this thread was
    /// elsewhere.
    pub(super) fn read_what_came(&mut self, id: i32, now: Instant) {
        let Some(peer) = self.peers.get(&id) else { return };
        let is_connected = !matches!(peer.state.phase(), Phase::Resolving { .. } | Phase::Connecting { .. });
        let connection = peer.connection.as_ref().filter(|_| is_connected);
        if let Some(socket) = connection.map(|connection| connection.socket) {
            self.read_while(socket, now, |count, _| count > 0);
        }
    }

    /// Reads as long as `go_on` says so of how much was read and how much there was room for.
    fn read_while(&mut self, socket: SocketId, now: Instant, go_on: impl Fn(usize, usize) -> bool) {
        let mut buffer = self.buffer.take();
        let outcome = loop {
            match self.read_answers(socket, &mut buffer, now) {
                Ok(count) if count > 0 && go_on(count, buffer.room()) => {}
                outcome => break outcome,
            }
        };
        self.buffer = buffer;
        if let Err(reason) = outcome {
            self.lose(self.names.owner(socket.0), reason, now);
        }
    }

    /// Reads once; returns how much came from the socket.
    fn read_answers(
        &mut self,
        socket: SocketId,
        buffer: &mut ReadBuffer,
        now: Instant,
    ) -> Result<usize, DisconnectReason> {
        let id = self.names.owner(socket.0);
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(0) };
        let Some(connection) = peer.connection.as_mut().filter(|it| it.socket == socket) else {
            return Ok(0);
        };
        let (count, mut input) = connection.read(&mut self.network, buffer)?;
        if count > 0 {
            peer.last_used = now;
        }
        let (answers, outcome) = self.hand_out_answers(id, socket, &mut input, now);
        let Some(peer) = self.peers.get_mut(&id) else { return outcome.map(|()| count) };
        peer.measure_read(count, answers, now);
        outcome?;
        let Some(connection) = self.connection_of(socket) else { return Ok(count) };
        connection.look_for_end()?;
        if connection.may_write() {
            self.flush(id, now);
        }
        Ok(count)
    }

    /// Says how many answers there were, also before what ends the connection.
    fn hand_out_answers(
        &mut self,
        id: i32,
        socket: SocketId,
        input: &mut &[u8],
        now: Instant,
    ) -> (usize, Result<(), DisconnectReason>) {
        let mut answers = 0;
        let outcome = self.layer_went_on(id, now).and_then(|()| {
            while let Some(connection) = self.connection_of(socket) {
                let Some(AnsweredRequest { entry, frame }) = connection.next_answer(input)? else { break };
                connection.served |= matches!(entry.context, RequestOwner::Caller(_));
                self.answers_due_less(1);
                answers += 1;
                match entry.context {
                    RequestOwner::Connection => self.step_answered(id, &frame, entry.sent_at, now)?,
                    RequestOwner::Caller(context) => {
                        let (version, sent_at) = (entry.version, entry.sent_at);
                        self.outcomes.push(Outcome::Answered { node: id, context, version, frame, sent_at });
                    }
                }
            }
            Ok(())
        });
        (answers, outcome)
    }

    fn flush(&mut self, id: i32, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(connection) = &mut peer.connection else { return };
        peer.last_used = now;
        let (socket, is_layered) = (connection.socket, connection.stream.layer_name().is_some());
        let outcome = connection.flush(&mut self.network, &mut self.finished);
        peer.measure_write(outcome.as_ref().map_or(0, |written| *written), now);
        for entry in self.finished.drain(..) {
            if let RequestOwner::Caller(context) = entry.context {
                self.outcomes.push(Outcome::Written { node: id, context });
            }
        }
        if let Err(reason) = outcome {
            if is_layered && self.buffer.room() > 0 {
                // The other side may have said why it has closed the connection.
                self.read_what_came(id, now);
            }
            if self.connection_of(socket).is_some() {
                self.lose(id, reason, now);
            }
        }
    }
}

/// Shorter absences are not worth a walk through the connections.
const NOTICEABLE: Duration = Duration::from_millis(1);
