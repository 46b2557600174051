//! `SimulatedNetwork`: sockets, names, brokers and time in memory.
//!
//! Owns: the virtual time, what is on its way between client and brokers, and when it arrives. Must not know: what the
//! bytes say.
//! Holds: the same seed gives the same run. Bytes arrive in the order in which they were sent, in pieces of any size,
//! and what was sent before a socket was closed may still arrive afterwards.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::cluster::Node;
use crate::embedded::{Action, ActionKind, ClusterRules, ConnectionId};
use crate::logging;
use crate::network::{BootstrapServers, Network, NetworkEvent, SocketId};
use crate::sender::simulation::application::Act;
use crate::sender::simulation::plan::{Plan, Step};
use crate::sender::simulation::weather::Weather;

pub(super) struct SimulatedNetwork {
    pub(super) rules: ClusterRules,
    pub(super) plan: Plan,
    pub(super) weather: Weather,
    /// The sender sleeps without end though nothing will ever happen again.
    pub(super) stuck: bool,
    /// When a server to begin with was looked up.
    pub(super) beginnings: Vec<Instant>,
    /// A planted defect: the sender's sleep is not ended when something is to be done.
    pub(super) is_deaf: bool,
    now: Instant,
    random: fastrand::Rng,
    woken: Arc<AtomicBool>,
    upcoming: BTreeMap<(Instant, u64), Happening>,
    numbered: u64,
    /// The client's ends.
    sockets: BTreeMap<SocketId, Socket>,
    /// The brokers' ends.
    links: BTreeMap<SocketId, Link>,
    /// Nothing passes between client and broker until then.
    stalled: BTreeMap<i32, Instant>,
    events: Vec<NetworkEvent>,
}

/// The client's end of a connection.
struct Socket {
    connected: bool,
    readable: VecDeque<u8>,
    end: Option<End>,
    has_room: bool,
    watched: bool,
}

/// The broker's end of a connection, and what is on its way there.
struct Link {
    broker: i32,
    connection: Option<ConnectionId>,
    received: Vec<u8>,
    last_arrival: Instant,
    last_delivery: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Orderly,
    Reset,
}

/// Something on its way.
enum Happening {
    Resolved { token: u64, host: String },
    LookedUp,
    Knock(SocketId),
    Connected(SocketId),
    Refused(SocketId),
    Room(SocketId),
    ToBroker(SocketId, Vec<u8>),
    ToClient(SocketId, Vec<u8>),
    ClosedByClient(SocketId),
    ClosedByBroker(SocketId, End),
}

impl SimulatedNetwork {
    pub(super) fn new(
        rules: ClusterRules,
        weather: Weather,
        plan: Plan,
        woken: Arc<AtomicBool>,
        origin: Instant,
        random: fastrand::Rng,
    ) -> Self {
        SimulatedNetwork {
            rules,
            plan,
            weather,
            stuck: false,
            beginnings: Vec::new(),
            is_deaf: false,
            now: origin,
            random,
            woken,
            upcoming: BTreeMap::new(),
            numbered: 0,
            sockets: BTreeMap::new(),
            links: BTreeMap::new(),
            stalled: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(super) const PORT: u16 = 9092;

    /// Where a broker listens.
    pub(super) fn address(broker: i32) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, broker as u8], Self::PORT))
    }

    /// The name under which a broker is known.
    pub(super) fn host(broker: i32) -> String {
        format!("broker-{broker}")
    }

    /// Its name in `bootstrap.servers`.
    pub(super) fn server(broker: i32) -> String {
        format!("server-{broker}")
    }

    /// Moves the time, and lets happen what lies before.
    pub(super) fn advance(&mut self, to: Instant) {
        while let Some(next) = self.next_happening().filter(|next| *next <= to) {
            self.move_to(next);
            self.carry_out_due();
        }
        self.move_to(to);
    }

    fn move_to(&mut self, time: Instant) {
        self.now = self.now.max(time);
        self.plan.application.clock.set(self.now);
    }

    fn next_happening(&self) -> Option<Instant> {
        let upcoming = self.upcoming.first_key_value().map(|((time, _), _)| *time);
        [upcoming, self.rules.next_due(), self.plan.next()].into_iter().flatten().min()
    }

    fn carry_out_due(&mut self) {
        while let Some(step) = self.plan.take_due(self.now) {
            self.carry_out(step);
        }
        let actions = self.rules.due(self.now);
        self.answer(actions);
        while let Some(entry) = self.upcoming.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let happening = entry.remove();
            self.happen(happening);
        }
    }

    fn carry_out(&mut self, step: Step) {
        if !matches!(step, Step::Application(Act::Send { .. })) {
            logging::trace!("-- {step:?}");
        }
        let actions = match step {
            Step::Application(act) => {
                self.plan.application.act(act, self.now);
                Vec::new()
            }
            Step::Weather(weather) => {
                self.weather = weather;
                Vec::new()
            }
            Step::Fault(fault) => {
                self.rules.inject(fault);
                Vec::new()
            }
            Step::Calm => {
                self.rules.clear_faults();
                self.stalled.clear();
                self.weather = Weather::calm();
                Vec::new()
            }
            Step::Stop(broker) => self.rules.stop_broker(self.now, broker),
            Step::Start(broker) => self.rules.start_broker(self.now, broker),
            Step::MoveLeader(partition, broker) => {
                self.rules.move_leader(self.now, super::TOPIC, partition, broker)
            }
            Step::Stall(broker, time) => {
                self.stalled.insert(broker, self.now + time);
                Vec::new()
            }
            Step::Cut(broker) => {
                self.cut(broker);
                Vec::new()
            }
        };
        self.answer(actions);
    }

    /// All connections to a broker break; what is on its way in either direction is lost.
    fn cut(&mut self, broker: i32) {
        let cut: Vec<SocketId> =
            self.links.iter().filter(|(_, link)| link.broker == broker).map(|(id, _)| *id).collect();
        for id in cut {
            self.upcoming.retain(|_, happening| happening.socket() != Some(id));
            self.drop_link(id);
            self.schedule(self.now, Happening::ClosedByBroker(id, End::Reset));
        }
    }

    fn drop_link(&mut self, id: SocketId) {
        if let Some(connection) = self.links.remove(&id).and_then(|link| link.connection) {
            self.rules.disconnect(connection);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Resolved { token, host } => self.resolved(token, &host),
            Happening::LookedUp => self.looked_up(),
            Happening::Knock(id) => self.knock(id),
            Happening::Connected(id) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.connected = true;
                    self.events.push(NetworkEvent::Writable(id));
                }
            }
            Happening::Refused(id) => {
                if self.sockets.contains_key(&id) {
                    self.events.push(NetworkEvent::Failed(id, ErrorKind::ConnectionRefused.into()));
                }
            }
            Happening::Room(id) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.has_room = true;
                }
            }
            Happening::ToBroker(id, bytes) => self.received(id, &bytes),
            Happening::ToClient(id, bytes) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.readable.extend(bytes);
                }
            }
            Happening::ClosedByClient(id) => self.drop_link(id),
            Happening::ClosedByBroker(id, end) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.end.get_or_insert(end);
                    if end == End::Reset {
                        socket.readable.clear();
                    }
                }
            }
        }
    }

    fn resolved(&mut self, token: u64, host: &str) {
        let is_it = |broker: &i32| Self::host(*broker) == host || Self::server(*broker) == host;
        let broker = self.rules.brokers().find(is_it);
        let broker = broker.filter(|_| self.random.f64() >= self.weather.unresolved);
        let unknown = || io::Error::new(ErrorKind::NotFound, "no such name");
        let addresses = broker.map(|broker| vec![Self::address(broker)]).ok_or_else(unknown);
        self.events.push(NetworkEvent::Resolved { token, addresses });
    }

    fn looked_up(&mut self) {
        let unknown = self.random.f64() < self.weather.unresolved;
        let servers = if unknown { Err(io::Error::other("no server")) } else { Ok(self.servers()) };
        self.events.push(NetworkEvent::Bootstrapped(servers));
    }

    /// The servers to begin with: all brokers, under other names.
    pub(super) fn servers(&self) -> Vec<Node> {
        let server =
            |id: i32| Node { id: -id, host: Self::server(id), port: i32::from(Self::PORT), rack: None };
        self.rules.brokers().map(server).collect()
    }

    /// A connection attempt reaches the broker.
    fn knock(&mut self, id: SocketId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if self.random.f64() < self.weather.silent {
            return; // nobody answers
        }
        let broker = link.broker;
        match self.rules.connect(broker) {
            Ok(connection) => {
                link.connection = Some(connection);
                self.deliver(id, Happening::Connected(id));
            }
            Err(_) => {
                self.deliver(id, Happening::Refused(id));
                self.links.remove(&id);
            }
        }
    }

    /// Bytes reach the broker: whole frames go to the rules.
    fn received(&mut self, id: SocketId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.received.extend_from_slice(bytes);
        while let Some(link) = self.links.get_mut(&id) {
            let Some(connection) = link.connection else { return };
            let Some(prefix) = link.received.first_chunk::<4>() else { return };
            let length = ClusterRules::frame_length(*prefix).expect("a request's length is sound");
            if link.received.len() < 4 + length {
                return;
            }
            let frame: Vec<u8> = link.received.drain(..4 + length).skip(4).collect();
            let asked = self.rules.produce_requests().len();
            let actions = self.rules.handle(self.now, connection, frame);
            for request in &self.rules.produce_requests()[asked..] {
                let batches = request.batches.iter();
                let batches: Vec<_> = batches
                    .filter_map(|batch| Some((batch.partition, batch.header.as_ref()?)))
                    .map(|(at, header)| {
                        (at, header.producer_epoch, header.base_sequence, header.record_count)
                    })
                    .collect();
                logging::trace!("   broker {} <- {batches:?}", request.broker);
            }
            self.answer(actions);
        }
    }

    /// What the brokers have to say goes on its way.
    fn answer(&mut self, actions: Vec<Action>) {
        for action in actions {
            let found = self.links.iter().find(|(_, link)| link.connection == Some(action.connection));
            let Some(id) = found.map(|(id, _)| *id) else { continue };
            match action.kind {
                ActionKind::Answer(bytes) => self.deliver(id, Happening::ToClient(id, bytes)),
                ActionKind::Close => {
                    let end = if self.random.bool() { End::Orderly } else { End::Reset };
                    self.deliver(id, Happening::ClosedByBroker(id, end));
                    self.links.remove(&id);
                }
            }
        }
    }

    /// Sends something from a broker to the client.
    fn deliver(&mut self, id: SocketId, happening: Happening) {
        let latency = self.weather.latency(&mut self.random);
        let Some(link) = self.links.get_mut(&id) else { return };
        let free = self.stalled.get(&link.broker).copied().unwrap_or(self.now);
        link.last_delivery = link.last_delivery.max(self.now + latency).max(free);
        let at = link.last_delivery;
        self.schedule(at, happening);
    }

    /// Sends something from the client to a broker.
    fn dispatch(&mut self, id: SocketId, happening: Happening) {
        let latency = self.weather.latency(&mut self.random);
        let Some(link) = self.links.get_mut(&id) else { return };
        let free = self.stalled.get(&link.broker).copied().unwrap_or(self.now);
        link.last_arrival = link.last_arrival.max(self.now + latency).max(free);
        let at = link.last_arrival;
        self.schedule(at, happening);
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.numbered += 1;
        self.upcoming.insert((at, self.numbered), happening);
    }

    /// Tells the sender what it can do something about.
    fn tell(&mut self, events: &mut Vec<NetworkEvent>) {
        events.append(&mut self.events);
        for (id, socket) in &self.sockets {
            if socket.end.is_some() || !socket.readable.is_empty() {
                events.push(NetworkEvent::Readable(*id));
            }
            if socket.watched && socket.has_room {
                events.push(NetworkEvent::Writable(*id));
            }
        }
    }

    fn has_news(&self) -> bool {
        let ready = |socket: &Socket| {
            socket.end.is_some() || !socket.readable.is_empty() || (socket.watched && socket.has_room)
        };
        !self.events.is_empty() || self.sockets.values().any(ready)
    }

    /// Ends a wait. A thread is not always run when it could be: before it has the events, or after.
    fn wake(&mut self, events: &mut Vec<NetworkEvent>) -> Instant {
        let late = self.weather.oversleep(&mut self.random);
        let before = self.random.bool();
        if before {
            self.advance(self.now + late);
        }
        self.tell(events);
        if !before {
            self.advance(self.now + late);
        }
        self.now
    }
}

impl Happening {
    fn socket(&self) -> Option<SocketId> {
        match self {
            Happening::Resolved { .. } | Happening::LookedUp => None,
            Happening::Knock(id)
            | Happening::Connected(id)
            | Happening::Refused(id)
            | Happening::Room(id)
            | Happening::ToBroker(id, _)
            | Happening::ToClient(id, _)
            | Happening::ClosedByClient(id)
            | Happening::ClosedByBroker(id, _) => Some(*id),
        }
    }
}

impl Network for SimulatedNetwork {
    fn resolve(&mut self, token: u64, host: &str, port: u16) {
        assert_eq!(port, Self::PORT);
        if host.starts_with("server-") {
            self.beginnings.push(self.now);
        }
        let at = self.now + self.weather.latency(&mut self.random);
        self.schedule(at, Happening::Resolved { token, host: host.to_owned() });
    }

    fn look_up(&mut self, _servers: &BootstrapServers) {
        let at = self.now + self.weather.latency(&mut self.random);
        self.schedule(at, Happening::LookedUp);
    }

    fn connect(&mut self, id: SocketId, address: SocketAddr) -> io::Result<()> {
        let broker = self.rules.brokers().find(|broker| Self::address(*broker) == address);
        let broker = broker.expect("only addresses that were resolved");
        let (readable, end) = (VecDeque::new(), None);
        let socket = Socket { connected: false, readable, end, has_room: true, watched: false };
        assert!(self.sockets.insert(id, socket).is_none(), "a socket's name was used twice");
        let (last_arrival, last_delivery) = (self.now, self.now);
        let link = Link { broker, connection: None, received: Vec::new(), last_arrival, last_delivery };
        self.links.insert(id, link);
        self.dispatch(id, Happening::Knock(id));
        Ok(())
    }

    fn write(&mut self, id: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(&id).expect("a write to a closed socket");
        assert!(socket.connected, "a write before the connection stands");
        assert!(buffers.len() <= 1024);
        if socket.end.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !socket.has_room {
            return Err(ErrorKind::WouldBlock.into());
        }
        let offered = buffers.iter().map(|buffer| buffer.len()).sum();
        let taken = self.weather.piece(offered, &mut self.random);
        if taken < offered {
            socket.has_room = false;
            let at = self.now + self.weather.latency(&mut self.random);
            self.schedule(at, Happening::Room(id));
        }
        let mut bytes = Vec::with_capacity(taken);
        for buffer in buffers {
            bytes.extend_from_slice(&buffer[..buffer.len().min(taken - bytes.len())]);
        }
        self.dispatch(id, Happening::ToBroker(id, bytes));
        Ok(taken)
    }

    fn read(&mut self, id: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(&id).expect("a read from a closed socket");
        let there = buffer.len().min(socket.readable.len());
        if there == 0 {
            return match socket.end {
                Some(End::Orderly) => Ok(0),
                Some(End::Reset) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = self.weather.piece(there, &mut self.random);
        for (place, byte) in buffer.iter_mut().zip(socket.readable.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn watch_writable(&mut self, id: SocketId, on: bool) {
        self.sockets.get_mut(&id).expect("a closed socket").watched = on;
    }

    fn close(&mut self, id: SocketId) {
        assert!(self.sockets.remove(&id).is_some(), "closed twice");
        self.dispatch(id, Happening::ClosedByClient(id));
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        assert_eq!(now, self.now, "the sender has a time of its own");
        logging::trace!("   waits {:?}", until.map(|until| until.saturating_duration_since(now)));
        self.plan.application.look_after_flushes();
        loop {
            self.carry_out_due();
            let woken = self.woken.swap(false, Ordering::Relaxed) && !self.is_deaf;
            if woken || self.has_news() || until.is_some_and(|until| until <= self.now) {
                return self.wake(events);
            }
            match self.next_happening().into_iter().chain(until).min() {
                Some(next) => self.move_to(next),
                None => {
                    self.stuck = true;
                    return self.now;
                }
            }
        }
    }
}
