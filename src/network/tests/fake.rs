//! A network in memory with virtual time: the test says what happens, and sees what was done.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::broker::{self, asked};
use crate::network::test_channels::BrokerEnvelopes;
use crate::network::{Job, JobResult, Network, NetworkEvent, SocketId};

#[derive(Debug, Default)]
pub(super) struct FakeNetwork {
    /// What names resolve to; a name that is missing does not resolve.
    pub(super) names: HashMap<String, Vec<SocketAddr>>,
    pub(super) refused: HashSet<SocketAddr>,
    /// Where connecting gets no answer.
    pub(super) silent: HashSet<SocketAddr>,
    /// All connection attempts.
    pub(super) attempts: Vec<SocketAddr>,
    pub(super) sockets: BTreeMap<SocketId, FakeSocket>,
    /// Sockets that the client has closed, the last one last.
    pub(super) ended: Vec<FakeSocket>,
    pub(super) events: Vec<NetworkEvent>,
    pub(super) answers_due: usize,
    /// How much one write takes at most, for new sockets.
    pub(super) room: usize,
    /// How much one read takes at most; 0: as much as there is.
    pub(super) piece: usize,
    /// Whether a layer lies around all bytes of new sockets, and why their brokers refuse us, if they do.
    pub(super) is_layered: bool,
    pub(super) refusal: Option<&'static str>,
    /// The time at which the last wait ended, and how long the user's code has taken since.
    pub(super) woken: Option<Instant>,
    pub(super) away: Duration,
}

#[derive(Debug)]
pub(super) struct FakeSocket {
    /// What the client wrote and the test has not taken yet.
    pub(super) written: Vec<u8>,
    pub(super) writes: usize,
    /// What the client can read.
    pub(super) readable: VecDeque<u8>,
    pub(super) ended: bool,
    /// How many more bytes the socket takes.
    pub(super) room: usize,
    /// Nothing can be written any more.
    pub(super) broken: bool,
    /// The broker's end of the layer.
    pub(super) envelopes: Option<BrokerEnvelopes>,
    /// The client has said that nothing will follow.
    pub(super) said_end: bool,
    /// The layer has something to say to the client, which is not read yet.
    owes: bool,
    watched: bool,
}

impl FakeNetwork {
    pub(super) fn new() -> Self {
        FakeNetwork { room: usize::MAX, ..FakeNetwork::default() }
    }

    /// Answers all that was asked, whoever was.
    pub(super) fn answer_all(&mut self) {
        for socket in self.sockets.values_mut() {
            for request in socket.take_requests() {
                let asked = asked(&request);
                let answer = if asked.key == 18 {
                    broker::versions(asked)
                } else {
                    broker::pong(asked.correlation_id)
                };
                socket.answer(&answer);
            }
        }
    }

    /// The client has to read something before it can go on that is no answer.
    pub(super) fn owes(&self) -> bool {
        self.sockets.values().any(|socket| socket.owes)
    }

    /// The only open socket.
    pub(super) fn socket(&mut self) -> &mut FakeSocket {
        assert_eq!(self.sockets.len(), 1, "{:?}", self.sockets);
        self.sockets.values_mut().next().unwrap()
    }
}

impl FakeSocket {
    /// Takes the whole requests that were written, without their sizes.
    pub(super) fn take_requests(&mut self) -> Vec<Vec<u8>> {
        let mut requests = Vec::new();
        while let Some(size) = self.written.first_chunk::<4>() {
            let end = 4 + u32::from_be_bytes(*size) as usize;
            if self.written.len() < end {
                break;
            }
            requests.push(self.written.drain(..end).skip(4).collect());
        }
        requests
    }

    pub(super) fn answer(&mut self, bytes: &[u8]) {
        match &mut self.envelopes {
            None => self.readable.extend(bytes),
            Some(envelopes) => {
                let mut out = Vec::new();
                envelopes.send(bytes, &mut out);
                self.readable.extend(out);
            }
        }
    }

    /// Says, by the layer, that nothing will follow.
    pub(super) fn say_end(&mut self) {
        let mut out = Vec::new();
        self.envelopes.iter_mut().for_each(|envelopes| envelopes.close(&mut out));
        self.readable.extend(out);
    }

    fn take(&mut self, raw: &[u8]) {
        let Some(envelopes) = &mut self.envelopes else { return self.written.extend_from_slice(raw) };
        let mut back = Vec::new();
        self.said_end |= !envelopes.received(raw, &mut self.written, &mut back);
        self.owes |= !back.is_empty();
        self.readable.extend(back);
    }
}

impl Network for FakeNetwork {
    fn begin(&mut self, job: Job) {
        let result = match job {
            Job::Resolve { token, host, .. } => {
                let none = || io::Error::new(ErrorKind::NotFound, "unknown name");
                let addresses = self.names.get(&host).cloned().ok_or_else(none);
                JobResult::Resolved { token, addresses }
            }
            Job::LookUp(_) => unreachable!("the client's rules begin with brokers"),
            work @ Job::Work(_) => work.run(),
        };
        self.events.push(NetworkEvent::JobDone(result));
    }

    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> io::Result<()> {
        self.attempts.push(address);
        let room = self.room;
        let (written, readable) = (Vec::new(), VecDeque::new());
        let envelopes = self.is_layered.then(|| BrokerEnvelopes::new(self.refusal));
        let fake = FakeSocket {
            written,
            writes: 0,
            readable,
            ended: false,
            room,
            broken: false,
            envelopes,
            said_end: false,
            owes: false,
            watched: false,
        };
        assert!(self.sockets.insert(socket, fake).is_none(), "a socket's name was used twice");
        if self.refused.contains(&address) {
            self.events.push(NetworkEvent::Failed(socket, ErrorKind::ConnectionRefused.into()));
        } else if !self.silent.contains(&address) {
            self.events.push(NetworkEvent::Writable(socket));
        }
        Ok(())
    }

    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(buffers.len() <= 1024);
        let socket = self.sockets.get_mut(&socket).expect("a write to a closed socket");
        socket.writes += 1;
        if socket.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if socket.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut taken = Vec::new();
        for buffer in buffers {
            let count = buffer.len().min(socket.room);
            taken.extend_from_slice(&buffer[..count]);
            socket.room -= count;
        }
        socket.take(&taken);
        Ok(taken.len())
    }

    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = if self.piece == 0 { usize::MAX } else { self.piece };
        let socket = self.sockets.get_mut(&socket).expect("a read from a closed socket");
        let count = buffer.len().min(socket.readable.len()).min(piece);
        if count == 0 && !socket.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(socket.readable.drain(..count)) {
            *place = byte;
        }
        socket.owes &= !socket.readable.is_empty();
        Ok(count)
    }

    fn watch_writable(&mut self, socket: SocketId, on: bool) {
        self.sockets.get_mut(&socket).expect("a closed socket").watched = on;
    }

    fn close(&mut self, socket: SocketId) {
        self.ended.push(self.sockets.remove(&socket).expect("closed twice"));
    }

    fn expect_answers(&mut self, due: usize, _awaited: bool) {
        self.answers_due = due;
    }

    fn now(&self) -> Instant {
        self.woken.unwrap_or_else(Instant::now) + self.away
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        events.append(&mut self.events);
        for (id, socket) in &self.sockets {
            if socket.ended || !socket.readable.is_empty() {
                events.push(NetworkEvent::Readable(*id));
            }
            if socket.watched && socket.room > 0 {
                events.push(NetworkEvent::Writable(*id));
            }
        }
        let woken = if events.is_empty() { until.expect("a wait without end").max(now) } else { now };
        (self.woken, self.away) = (Some(woken), Duration::ZERO);
        woken
    }
}
