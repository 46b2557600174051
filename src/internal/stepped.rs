//! `SteppedProducer`: a producer without a thread. Its owner lets the sender take its turns.
//!
//! Owns: a network in memory with one broker at the other end, and the time, which moves by a microsecond with each turn.
//! Must not know: what is asked and answered; the broker is the caller's.
//! Threads: all on the one that calls. Holds: nothing but the turns decides what happens when, so that the same calls
//! take the same instructions. It is compiled as for users: without the feature `simulation`, nothing looks for another
//! clock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender as Channel, bounded};

use crate::cluster::Node;
use crate::completion::ProducerToken;
use crate::config::ProducerConfig;
use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::network::{Job, JobResult, Network, NetworkEvent, SocketId, Transport};
use crate::producer::{KafkaProducer, Running, SenderThread};
use crate::sender::{Assembly, Bootstrap, Sender, assemble};

/// A broker: it answers every request at once.
pub trait Broker {
    /// The answer to a request, both with their sizes in front. The request's bytes lie in several pieces.
    fn answer(&mut self, request: &[&[u8]]) -> Vec<u8>;
}

/// A producer whose sender takes a turn when it is told to.
pub struct SteppedProducer<K: ?Sized + 'static, V: ?Sized + 'static> {
    // In this order they are dropped: with its sender's end the producer has nothing to wait for.
    sender: Sender<Memory>,
    _alive: Channel<Infallible>,
    now: Instant,
    producer: KafkaProducer<K, V>,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> SteppedProducer<K, V> {
    /// A producer with these settings and this broker.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub fn new(config: ProducerConfig, broker: impl Broker + 'static) -> Result<Self, Error> {
        let now = Instant::now();
        let (alive, ended) = bounded(0);
        let mut made = None;
        let producer = KafkaProducer::builder(config).build_on(|settings, channels, _| {
            let token = ProducerToken::next();
            let memory =
                Memory { broker: Box::new(broker), sockets: BTreeMap::new(), events: Vec::new(), now };
            let server = Node { id: -1, host: String::from("broker"), port: 9092, rack: None };
            let mailbox = Mailbox::new(now, Box::new(|| {}));
            let bootstrap = Bootstrap::found(vec![server]);
            let random = fastrand::Rng::with_seed(1);
            let transport = Transport { network: memory, channels };
            let Assembly { sender, accumulator, metadata, control } =
                assemble(settings, token, transport, mailbox, bootstrap, random);
            made = Some(sender);
            Ok(Running { accumulator, metadata, control, thread: SenderThread { ended }, token })
        })?;
        let sender = made.ok_or_else(|| Error::config(String::from("nothing was started")))?;
        Ok(SteppedProducer { sender, _alive: alive, now, producer })
    }

    /// The producer. What waits in it waits for ever: the sender takes no turn meanwhile.
    pub fn producer(&self) -> &KafkaProducer<K, V> {
        &self.producer
    }

    /// Lets the sender take one turn.
    pub fn turn(&mut self) {
        self.now = self.sender.run_once(self.now) + Duration::from_micros(1);
    }
}

/// The network: what is written is answered in the same moment.
struct Memory {
    broker: Box<dyn Broker>,
    sockets: BTreeMap<SocketId, UnreadBytes>,
    events: Vec<NetworkEvent>,
    now: Instant,
}

/// What can be read from a socket.
#[derive(Default)]
struct UnreadBytes {
    bytes: Vec<u8>,
    read: usize,
}

impl Network for Memory {
    fn begin(&mut self, job: Job) {
        let Job::Resolve { token, port, .. } = job else { return };
        let addresses = Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
        self.events.push(NetworkEvent::JobDone(JobResult::Resolved { token, addresses }));
    }

    fn connect(&mut self, socket: SocketId, _address: SocketAddr) -> io::Result<()> {
        self.sockets.insert(socket, UnreadBytes::default());
        self.events.push(NetworkEvent::Writable(socket));
        Ok(())
    }

    /// Takes everything. Each request begins with a buffer of its own.
    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let answers = self.sockets.get_mut(&socket).ok_or(ErrorKind::NotConnected)?;
        let (mut written, mut pieces, mut left) = (0, Vec::with_capacity(buffers.len()), 0);
        for buffer in buffers {
            if pieces.is_empty() {
                let size = buffer.first_chunk().ok_or(ErrorKind::InvalidData)?;
                left = 4 + u32::from_be_bytes(*size) as usize;
            }
            left = left.checked_sub(buffer.len()).ok_or(ErrorKind::InvalidData)?;
            pieces.push(&**buffer);
            written += buffer.len();
            if left == 0 {
                answers.bytes.extend(self.broker.answer(&pieces));
                pieces.clear();
            }
        }
        if left == 0 { Ok(written) } else { Err(ErrorKind::InvalidData.into()) }
    }

    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        let answers = self.sockets.get_mut(&socket).ok_or(ErrorKind::NotConnected)?;
        let unread = answers.bytes.get(answers.read..).unwrap_or_default();
        let count = unread.len().min(buffer.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(unread) {
            *place = *byte;
        }
        answers.read += count;
        if answers.read == answers.bytes.len() {
            (answers.bytes, answers.read) = (Vec::new(), 0);
        }
        Ok(count)
    }

    fn watch_writable(&mut self, _socket: SocketId, _on: bool) {}

    fn close(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn wait(&mut self, now: Instant, _until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        self.now = now;
        events.append(&mut self.events);
        let readable = self.sockets.iter().filter(|(_, answers)| !answers.bytes.is_empty());
        events.extend(readable.map(|(socket, _)| NetworkEvent::Readable(*socket)));
        now
    }
}
