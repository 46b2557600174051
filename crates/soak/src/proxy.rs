//! A TCP proxy in front of one broker: what it does to the connections is said from outside, while they run.
//!
//! Owns: a listening port for the whole run, also while the broker behind it is gone. Must not know: Kafka's protocol (a wiretap does).
//! Threads: one that accepts, two for each connection; all of them end with the sockets, or with the process.
//! Locks: `connections` and `cut`, each for a moment, never both.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::wiretap::{Stream, Wiretap};

/// A port that stands for a broker's.
pub struct Proxy {
    port: u16,
    shared: Arc<ProxyShared>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Requests,
    Answers,
}

#[derive(Default)]
struct ProxyShared {
    tap: Arc<Wiretap>,
    connections: Mutex<Vec<Arc<ProxiedConnection>>>,
    /// Which way, and how many more bytes go before the connection that they belong to is cut.
    cut: Mutex<Option<(Way, usize)>>,
    delay_ms: AtomicU64,
    /// Bytes wait, both ways.
    holds: AtomicBool,
    /// Answers are thrown away; the connections are of no use afterwards.
    loses_answers: AtomicBool,
    refuses: AtomicBool,
}

struct ProxiedConnection {
    client: TcpStream,
    broker: TcpStream,
    /// One side has been told that nothing more comes.
    half_closed: AtomicBool,
}

impl Proxy {
    /// In front of the port of this address that `target` names.
    pub fn start(target: u16, tap: &Arc<Wiretap>) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(ProxyShared { tap: Arc::clone(tap), ..ProxyShared::default() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(client, target);
            }
        });
        Proxy { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections at once, most of them by a reset: how many there were.
    pub fn cut(&self) -> usize {
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        connections.iter().for_each(|connection| connection.reset());
        connections.len()
    }

    /// Cuts the connection on which `bytes` more have gone this way, in the middle of a message.
    pub fn cut_after(&self, way: Way, bytes: usize) {
        *lock(&self.shared.cut) = Some((way, bytes));
    }

    /// Whether that has not happened yet.
    pub fn is_cut_due(&self) -> bool {
        lock(&self.shared.cut).is_some()
    }

    /// The same, and it will not happen any more.
    pub fn cancel_cut(&self) -> bool {
        lock(&self.shared.cut).take().is_some()
    }

    /// Every piece of data comes later by `delay`, both ways.
    pub fn delay(&self, delay: Duration) -> usize {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.shared.delay_ms.store(delay, Ordering::Relaxed);
        self.count()
    }

    /// Whether all bytes wait.
    pub fn hold(&self, holds: bool) -> usize {
        self.shared.holds.store(holds, Ordering::Relaxed);
        self.count()
    }

    /// Whether requests arrive and answers do not; what was connected meanwhile has to be cut afterwards.
    pub fn lose_answers(&self, loses: bool) -> usize {
        self.shared.loses_answers.store(loses, Ordering::Relaxed);
        self.count()
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Tells the sender of `way`'s receiver that nothing more comes, on every connection; the other way goes on.
    pub fn half_close(&self, way: Way) -> usize {
        let connections = lock(&self.shared.connections).clone();
        for connection in &connections {
            connection.half_closed.store(true, Ordering::Relaxed);
            let _ = connection.to(way).shutdown(Shutdown::Write);
        }
        connections.len()
    }

    /// Passes everything on again.
    pub fn pass(&self) {
        self.cancel_cut();
        self.refuse(false);
        self.delay(Duration::ZERO);
        self.hold(false);
        if self.shared.loses_answers.swap(false, Ordering::Relaxed) {
            self.cut();
        }
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        lock(&self.shared.connections).len()
    }
}

impl ProxyShared {
    fn connect(self: &Arc<ProxyShared>, client: TcpStream, target: u16) {
        if self.refuses.load(Ordering::Relaxed) {
            return; // which closes it
        }
        let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { return };
        let _ = (client.set_nodelay(true), broker.set_nodelay(true));
        let connection = Arc::new(ProxiedConnection { client, broker, half_closed: AtomicBool::new(false) });
        lock(&self.connections).push(Arc::clone(&connection));
        for way in [Way::Requests, Way::Answers] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                shared.pump(&connection, way);
                connection.end(way);
                lock(&shared.connections).retain(|other| !Arc::ptr_eq(other, &connection));
            });
        }
    }

    /// Until one side ends.
    fn pump(&self, connection: &ProxiedConnection, way: Way) {
        let (mut from, mut to) = (connection.from(way), connection.to(way));
        let mut buffer = vec![0; 64 * 1024];
        let mut stream = Stream::new(&self.tap);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut data = &buffer[..count];
            if way == Way::Requests {
                stream.pass(data);
            }
            thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed)));
            while self.holds.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            let is_lost = way == Way::Answers && self.loses_answers.load(Ordering::Relaxed);
            let cut = self.cut_within(way, count);
            if let Some(bytes) = cut {
                data = &data[..bytes];
            }
            // Who has been told of the end gets no more; the other side is heard until it ends as well.
            if !is_lost && to.write_all(data).is_err() && !connection.half_closed.load(Ordering::Relaxed) {
                return;
            }
            if cut.is_some() {
                connection.reset();
                return;
            }
        }
    }

    /// How much of these bytes still goes before the cut.
    fn cut_within(&self, way: Way, count: usize) -> Option<usize> {
        let mut cut = lock(&self.cut);
        let (_, left) = cut.as_mut().filter(|(planned, _)| *planned == way)?;
        if count < *left {
            *left -= count;
            return None;
        }
        cut.take().map(|(_, left)| left)
    }
}

impl ProxiedConnection {
    fn from(&self, way: Way) -> &TcpStream {
        if way == Way::Requests { &self.client } else { &self.broker }
    }

    fn to(&self, way: Way) -> &TcpStream {
        if way == Way::Requests { &self.broker } else { &self.client }
    }

    /// Nothing more comes this way.
    fn end(&self, way: Way) {
        if !self.half_closed.load(Ordering::Relaxed) {
            let _ = (self.client.shutdown(Shutdown::Both), self.broker.shutdown(Shutdown::Both));
        } else {
            let _ = self.to(way).shutdown(Shutdown::Write);
        }
    }

    /// The pumps wake up; the last of them closes the sockets, which resets them.
    fn reset(&self) {
        for socket in [&self.client, &self.broker] {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
