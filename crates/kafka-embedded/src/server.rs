//! Sockets and threads for the rules: listeners, connections, and a clock for what comes later.
//!
//! Owns: every socket and thread of the cluster. Must not know: what the frames say.
//! Threads: one per listener, two per connection (read, write), one that waits for the next due time.
//! Locks: `state` guards the rules and the list of outboxes; an outbox has its own, taken under it: first that of TLS, so
//! that what is encrypted leaves in this order, then that of the queue. Nothing is read or written under `state`.
//! Holds: what the rules say for a connection is written in that order; after `stop` nothing runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use socket2::{Domain, SockRef, Socket, Type};

use super::cluster_rules::{Action, ActionKind, ClusterRules, ConnectionId};
#[cfg(not(feature = "tls"))]
use super::no_tls::{NoTls as TlsEnd, NoTls as TlsServer};
#[cfg(feature = "tls")]
use super::tls::{TlsEnd, TlsServer};
use super::tls_state::TlsState;

/// A running cluster.
#[derive(Debug)]
pub(super) struct Server {
    shared: Arc<ServerShared>,
    clock: Option<JoinHandle<()>>,
    listeners: Mutex<BTreeMap<i32, Listening>>,
    ports: BTreeMap<i32, Port>,
}

#[derive(Debug)]
struct ServerShared {
    state: Mutex<ServerState>,
    tls: Option<TlsServer>,
    /// Told when something becomes due earlier than the clock thread expects, and at the end.
    sooner: Condvar,
}

#[derive(Debug)]
struct ServerState {
    rules: ClusterRules,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    threads: Vec<JoinHandle<()>>,
    /// When the clock thread will wake by itself.
    alarm: Option<Instant>,
    stopping: bool,
}

#[derive(Debug)]
struct Listening {
    thread: JoinHandle<()>,
    open: Arc<Mutex<bool>>,
    listener: Arc<TcpListener>,
}

impl Server {
    pub(super) fn start(rules: ClusterRules, tls: Option<TlsServer>) -> io::Result<Self> {
        let state = ServerState {
            rules,
            outboxes: HashMap::new(),
            threads: Vec::new(),
            alarm: None,
            stopping: false,
        };
        let shared = Arc::new(ServerShared { state: Mutex::new(state), tls, sooner: Condvar::new() });
        let mut server = Self { shared, clock: None, listeners: Mutex::default(), ports: BTreeMap::new() };
        let brokers: Vec<i32> = server.shared.state.lock().rules.brokers().collect();
        let mut bound = Vec::new();
        for broker in brokers {
            let port = Port::any()?;
            let listener = port.listen()?;
            let address = port.address;
            server.ports.insert(broker, port);
            let mut state = server.shared.state.lock();
            state.rules.set_address(broker, address.ip().to_string(), address.port());
            bound.push((broker, listener));
        }
        for (broker, listener) in bound {
            server.listen(broker, listener)?;
        }
        let shared = Arc::clone(&server.shared);
        server.clock = Some(spawn("embedded-clock".to_owned(), move || shared.run_clock())?);
        Ok(server)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.values().map(|port| port.address)
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Option<&TlsServer> {
        self.shared.tls.as_ref()
    }

    /// Looks at the rules, or changes them.
    pub(super) fn with_rules<T>(&self, work: impl FnOnce(&mut ClusterRules) -> T) -> T {
        work(&mut self.shared.state.lock().rules)
    }

    /// Changes the rules where that has consequences for connections.
    pub(super) fn act(&self, work: impl FnOnce(&mut ClusterRules) -> Vec<Action>) {
        let mut state = self.shared.state.lock();
        let actions = work(&mut state.rules);
        self.shared.carry_out(&mut state, actions, None);
    }

    /// Stops a broker: nobody listens on its port, its connections end.
    pub(super) fn stop_broker(&self, broker: i32) {
        self.act(|rules| rules.stop_broker(Instant::now(), broker));
        let listening = self.listeners.lock().remove(&broker);
        if let Some((listening, port)) = listening.zip(self.ports.get(&broker)) {
            listening.stop(port.address);
        }
    }

    /// Starts a stopped broker again, on the same port.
    pub(super) fn start_broker(&self, broker: i32) -> io::Result<()> {
        let Some(port) = self.ports.get(&broker) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no broker {broker}")));
        };
        if self.listeners.lock().contains_key(&broker) {
            return Ok(());
        }
        let listener = port.listen()?;
        self.act(|rules| rules.start_broker(Instant::now(), broker));
        self.listen(broker, listener)
    }

    fn listen(&self, broker: i32, listener: TcpListener) -> io::Result<()> {
        let open = Arc::new(Mutex::new(true));
        let (shared, still_open) = (Arc::clone(&self.shared), Arc::clone(&open));
        let listener = Arc::new(listener);
        let accepting = Arc::clone(&listener);
        let thread = spawn(format!("embedded-broker-{broker}"), move || {
            loop {
                let accepted = accepting.accept();
                if !*still_open.lock() {
                    return;
                }
                if let Err(error) = accepted.and_then(|(stream, _)| shared.welcome(broker, stream)) {
                    // Too few descriptors or threads: it passes.
                    log::debug!("embedded broker {broker}: a connection could not be served: {error}");
                    thread::sleep(PAUSE);
                }
            }
        })?;
        self.listeners.lock().insert(broker, Listening { thread, open, listener });
        Ok(())
    }
}

/// The port of one broker, kept while the broker is stopped.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    /// A socket that is bound there and never listens. Without it the system could give the port away, even to
    /// a client that knocks at it in vain: that one would be connected with itself.
    _keeper: Option<Socket>,
}

impl Port {
    fn any() -> io::Result<Self> {
        let keeper = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = keeper.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        // Not every system lets two sockets have the port even if only one of them listens.
        let keeper = bound(address).is_ok().then_some(keeper);
        Ok(Self { address, _keeper: keeper })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = bound(self.address)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl Listening {
    /// Ends the thread, and with it the listener: its shutdown wakes the thread, or where the system does not have
    /// that a connection of our own.
    fn stop(self, address: SocketAddr) {
        *self.open.lock() = false;
        let is_shut = SockRef::from(&*self.listener).shutdown(Shutdown::Both).is_ok();
        if is_shut || TcpStream::connect(address).is_ok() {
            let _ = self.thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let listeners = std::mem::take(&mut *self.listeners.lock());
        for (broker, listening) in listeners {
            if let Some(port) = self.ports.get(&broker) {
                listening.stop(port.address);
            }
        }
        let threads = {
            let mut state = self.shared.state.lock();
            state.stopping = true;
            state.outboxes.drain().for_each(|(_, outbox)| outbox.abandon());
            std::mem::take(&mut state.threads)
        };
        self.shared.sooner.notify_all();
        for thread in threads.into_iter().chain(self.clock.take()) {
            let _ = thread.join();
        }
    }
}

impl ServerShared {
    /// Serves a new connection, with a thread that reads and one that writes.
    fn welcome(self: &Arc<Self>, broker: i32, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tls = self.tls.as_ref().map(|tls| tls.accept(broker));
        let outbox = Arc::new(Outbox::new(tls, stream.try_clone()?, stream.try_clone()?));
        let mut state = self.state.lock();
        if state.stopping {
            return Ok(());
        }
        // A broker that has just been stopped lets the connection drop.
        let Ok(id) = state.rules.connect(broker) else {
            return Ok(());
        };
        state.outboxes.insert(id, Arc::clone(&outbox));
        let (shared, own) = (Arc::clone(self), Arc::clone(&outbox));
        let writing = Arc::clone(&outbox);
        let reader = spawn(format!("embedded-{broker}-read"), move || shared.read(id, &own, stream));
        let threads = reader.and_then(|reader| {
            Ok([reader, spawn(format!("embedded-{broker}-write"), move || writing.run())?])
        });
        state.threads.retain(|thread| !thread.is_finished());
        match threads {
            Ok(threads) => state.threads.extend(threads),
            Err(error) => {
                state.rules.disconnect(id);
                state.outboxes.remove(&id);
                outbox.abandon();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads frames until the connection ends, from either side.
    fn read(&self, id: ConnectionId, outbox: &Outbox, stream: TcpStream) {
        let mut stream = Inbound { stream, outbox, plain: Vec::new(), taken: 0 };
        while let Ok(Some(frame)) = read_frame(&mut stream) {
            let mut state = self.state.lock();
            let actions = state.rules.handle(Instant::now(), id, frame);
            let direct = self.carry_out(&mut state, actions, Some(id));
            drop(state);
            if let Some(first) = direct {
                outbox.write_claimed(first);
            }
        }
        let mut state = self.state.lock();
        state.rules.disconnect(id);
        state.outboxes.remove(&id);
        drop(state);
        outbox.push(Item::Close(Vec::new()));
    }

    /// Hands out what is due when it is.
    fn run_clock(&self) {
        let mut state = self.state.lock();
        while !state.stopping {
            let actions = state.rules.due(Instant::now());
            self.carry_out(&mut state, actions, None);
            state.alarm = state.rules.next_due();
            match state.alarm {
                Some(at) => {
                    self.sooner.wait_until(&mut state, at);
                }
                None => self.sooner.wait(&mut state),
            }
        }
    }

    /// Puts what is to be written into the outboxes, in order. The first item for `own`, if nobody is writing
    /// there, is returned to be written by the caller, which saves waking a thread.
    fn carry_out(
        &self,
        state: &mut MutexGuard<'_, ServerState>,
        actions: Vec<Action>,
        own: Option<ConnectionId>,
    ) -> Option<Item> {
        let mut direct = None;
        for action in actions {
            let item = match action.kind {
                ActionKind::Answer(frame) => Item::Frame(frame),
                ActionKind::Close => Item::Close(Vec::new()),
            };
            let Some(outbox) = state.outboxes.get(&action.connection) else {
                continue;
            };
            if own == Some(action.connection) && direct.is_none() {
                direct = outbox.claim(item);
            } else {
                outbox.push(item);
            }
        }
        let next = state.rules.next_due();
        if next.is_some_and(|next| state.alarm.is_none_or(|alarm| next < alarm)) {
            self.sooner.notify_all();
        }
        direct
    }
}

/// One frame; `None` at the end of the stream and at a length that no broker reads. Memory grows with what
/// arrives, not with what is announced.
fn read_frame(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let Some(length) = ClusterRules::frame_length(prefix) else {
        return Ok(None);
    };
    let mut frame = Vec::with_capacity(length.min(TRUSTED_BYTES));
    stream.take(u64::try_from(length).unwrap_or(0)).read_to_end(&mut frame)?;
    Ok((frame.len() == length).then_some(frame))
}

/// What the requests are read from: the socket, or what TLS makes of it.
struct Inbound<'a> {
    stream: TcpStream,
    outbox: &'a Outbox,
    plain: Vec<u8>,
    taken: usize,
}

impl Read for Inbound<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.outbox.tls else { return self.stream.read(buffer) };
        while self.taken == self.plain.len() {
            self.plain.clear();
            self.taken = 0;
            let mut raw = [0; TRUSTED_BYTES / 4];
            let count = self.stream.read(&mut raw)?;
            let raw = raw.get(..count).unwrap_or_default();
            if raw.is_empty() || !self.outbox.receive(tls, raw, &mut self.plain) {
                self.drain();
                return Ok(0);
            }
        }
        let rest = self.plain.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        self.taken += count;
        Ok(count)
    }
}

impl Inbound<'_> {
    /// Reads on without looking, for a while: a socket that is closed with something unread in it takes back what it has
    /// sent, the alert that says why.
    fn drain(&mut self) {
        let _ = self.stream.set_read_timeout(Some(DRAIN));
        while self.stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    }
}

/// What is to be written to one connection.
#[derive(Debug)]
struct Outbox {
    tls: Option<Mutex<TlsEnd>>,
    queue: Mutex<Queue>,
    ready: Condvar,
    /// For writing; whoever holds the claim has it.
    stream: Mutex<TcpStream>,
    /// For ending the connection while another thread writes.
    end: TcpStream,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Whether somebody is writing.
    claimed: bool,
    closed: bool,
}

#[derive(Debug)]
enum Item {
    Frame(Vec<u8>),
    /// Nothing for this long.
    Pause(Duration),
    /// Nothing more is written; what the client writes is still read.
    Finish,
    /// These bytes, if there is room, and the end.
    Close(Vec<u8>),
}

impl Outbox {
    fn new(tls: Option<TlsEnd>, stream: TcpStream, end: TcpStream) -> Self {
        let (tls, stream) = (tls.map(Mutex::new), Mutex::new(stream));
        Self { tls, queue: Mutex::default(), ready: Condvar::new(), stream, end }
    }

    fn push(&self, item: Item) {
        let mut tls = self.tls.as_ref().map(Mutex::lock);
        let sealed = sealed(item, tls.as_deref_mut());
        self.queue.lock().items.extend(sealed.items());
        self.ready.notify_one();
    }

    /// Gives the item back to be written by the caller if nobody writes and nothing waits; queues it otherwise.
    fn claim(&self, item: Item) -> Option<Item> {
        let mut tls = self.tls.as_ref().map(Mutex::lock);
        let sealed = sealed(item, tls.as_deref_mut());
        let mut queue = self.queue.lock();
        if queue.claimed || queue.closed || !queue.items.is_empty() {
            queue.items.extend(sealed.items());
            self.ready.notify_one();
            return None;
        }
        queue.claimed = true;
        queue.items.extend(sealed.then);
        Some(sealed.first)
    }

    /// Bytes have come over TLS: adds the requests in them to `plain`, and answers for TLS. `false` when the connection is
    /// over.
    fn receive(&self, tls: &Mutex<TlsEnd>, bytes: &[u8], plain: &mut Vec<u8>) -> bool {
        let mut tls = tls.lock();
        let (mut out, delay) = (Vec::new(), tls.delay());
        let state = tls.receive(bytes, plain, &mut out);
        if state == TlsState::Ended {
            tls.close(&mut out);
        }
        let mut queue = self.queue.lock();
        if !out.is_empty() {
            queue.items.extend((!delay.is_zero()).then_some(Item::Pause(delay)));
            queue.items.push_back(Item::Frame(out));
        }
        let end = match &state {
            TlsState::Open => None,
            TlsState::Ended => Some(Item::Finish),
            TlsState::Failed(why) => {
                log::debug!("embedded cluster: a TLS connection fails: {why}");
                Some(Item::Finish)
            }
            TlsState::Cut => Some(Item::Close(Vec::new())),
        };
        queue.items.extend(end);
        self.ready.notify_one();
        state == TlsState::Open
    }

    /// Writes an item that was claimed; what has come meanwhile is left to the writer's thread.
    fn write_claimed(&self, item: Item) {
        let is_open = self.write(item);
        let mut queue = self.queue.lock();
        queue.claimed = false;
        queue.closed |= !is_open;
        if queue.closed || !queue.items.is_empty() {
            self.ready.notify_one();
        }
    }

    /// The writer's thread.
    fn run(&self) {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return;
            }
            let next = if queue.claimed { None } else { queue.items.pop_front() };
            match next {
                Some(item) => {
                    queue.claimed = true;
                    drop(queue);
                    self.write_claimed(item);
                    queue = self.queue.lock();
                }
                None => self.ready.wait(&mut queue),
            }
        }
    }

    /// `false` when the connection is over.
    fn write(&self, item: Item) -> bool {
        let is_open = match item {
            Item::Frame(frame) => self.stream.lock().write_all(&frame).is_ok(),
            Item::Pause(time) => return self.pause(time),
            Item::Finish => return self.end.shutdown(Shutdown::Write).is_ok(),
            Item::Close(last) => {
                let _ = self.stream.lock().write_all(&last);
                false
            }
        };
        if !is_open {
            let _ = self.end.shutdown(Shutdown::Both);
        }
        is_open
    }

    /// Waits; `false` when the connection is over before.
    fn pause(&self, time: Duration) -> bool {
        let (mut queue, end) = (self.queue.lock(), Instant::now() + time);
        while !queue.closed && !self.ready.wait_until(&mut queue, end).timed_out() {}
        !queue.closed
    }

    /// Ends the connection without writing what waits.
    fn abandon(&self) {
        self.queue.lock().closed = true;
        let _ = self.end.shutdown(Shutdown::Both);
        self.ready.notify_all();
    }
}

/// An item as it goes into the queue, and what goes behind it.
struct SealedItem {
    first: Item,
    then: Option<Item>,
}

impl SealedItem {
    fn items(self) -> impl Iterator<Item = Item> {
        [self.first].into_iter().chain(self.then)
    }
}

/// An item as it leaves: what it holds goes through TLS where there is some.
fn sealed(item: Item, tls: Option<&mut TlsEnd>) -> SealedItem {
    let Some(tls) = tls else { return SealedItem { first: item, then: None } };
    let mut out = Vec::new();
    match item {
        Item::Frame(frame) => {
            let is_cut = tls.send(&frame, &mut out) == TlsState::Cut;
            SealedItem { first: Item::Frame(out), then: is_cut.then(|| Item::Close(Vec::new())) }
        }
        Item::Close(_) => {
            tls.close(&mut out);
            SealedItem { first: Item::Close(out), then: None }
        }
        other => SealedItem { first: other, then: None },
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(work)
}

const BACKLOG: i32 = 128;
/// Between two attempts to serve what could not be.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a connection that is over is read from.
const DRAIN: Duration = Duration::from_secs(2);
/// Up to this size the memory for a frame is reserved at once.
const TRUSTED_BYTES: usize = 64 * 1024;
