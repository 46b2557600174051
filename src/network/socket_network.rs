//! `SocketNetwork`: the `Network` of the operating system.
//!
//! Owns: sockets and their options, the poller, jobs in the background, the moment of spinning before sleep. Must not know:
//! frames, requests.
//! Threads: the sender thread, woken by a [`Waker`] from any other.
//! Holds: no write raises SIGPIPE, whatever the process does about that signal.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::background::Background;
use super::job::Job;
use super::poller::{Interest, Poller, Ready, SystemPoller};
use super::seam::{Network, NetworkEvent, SocketId};
use super::waker::Waker;
use crate::config::Settings;
use crate::logging;
use crate::spin::{Polled, Spin};

/// What a socket is told, and how long the thread may spin.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SocketOptions {
    /// `send.buffer.bytes`; none: the system's choice.
    pub(crate) send_buffer_bytes: Option<usize>,
    /// `receive.buffer.bytes`; none: the system's choice.
    pub(crate) receive_buffer_bytes: Option<usize>,
    /// How long to go on polling for an answer before the thread sleeps; zero: not at all.
    pub(crate) spin: Duration,
}

impl From<&Settings> for SocketOptions {
    fn from(settings: &Settings) -> SocketOptions {
        SocketOptions {
            send_buffer_bytes: settings.send_buffer_bytes,
            receive_buffer_bytes: settings.receive_buffer_bytes,
            spin: settings.get_spin,
        }
    }
}

/// Real sockets, all of one producer.
#[derive(Debug)]
pub(crate) struct SocketNetwork<P: Poller = SystemPoller> {
    options: SocketOptions,
    poller: P,
    waker: Waker,
    background: Background,
    sockets: HashMap<SocketId, OpenSocket, foldhash::fast::FixedState>,
    ready: Vec<Ready>,
    /// For an answer that somebody waits for.
    answer_spin: Spin,
    /// For the next request of a caller that has just had its answer.
    request_spin: Spin,
    /// The last wait ended with something to read.
    answered: bool,
    answers_due: usize,
    /// Somebody waits for them.
    awaited: bool,
}

#[derive(Debug)]
struct OpenSocket {
    stream: Arc<TcpStream>,
    connecting: bool,
    watches_writable: bool,
}

impl SocketNetwork {
    /// The system's sockets, and what ends a wait for them.
    pub(crate) fn new(options: SocketOptions) -> io::Result<(SocketNetwork, Waker)> {
        SocketNetwork::with_poller(options)
    }
}

impl<P: Poller> SocketNetwork<P> {
    pub(super) fn with_poller(options: SocketOptions) -> io::Result<(Self, Waker)> {
        let (poller, signal) = P::new()?;
        let waker = Waker::new(signal);
        let network = SocketNetwork {
            options,
            poller,
            waker: waker.clone(),
            background: Background::new(),
            sockets: HashMap::default(),
            ready: Vec::new(),
            answer_spin: Spin::new(options.spin),
            request_spin: Spin::new(options.spin),
            answered: false,
            answers_due: 0,
            awaited: false,
        };
        Ok((network, waker))
    }

    #[cfg(test)]
    pub(super) fn stream(&self, socket: SocketId) -> Option<Arc<TcpStream>> {
        self.sockets.get(&socket).map(|open| open.stream.clone())
    }

    fn open(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_keepalive(true)?;
        if let Some(bytes) = self.options.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.options.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        match socket.connect(&address.into()) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(socket.into()),
        }
    }

    /// Asks the poller, and tells what is ready.
    fn look(&mut self, timeout: Option<Duration>, events: &mut Vec<NetworkEvent>) {
        self.ready.clear();
        if let Err(error) = self.poller.wait(timeout, &mut self.ready) {
            // Not known to happen. The pause keeps a broken poller from taking a whole processor.
            logging::error!("cannot wait for sockets: {error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        for ready in &self.ready {
            let id = SocketId(ready.key);
            let Some(open) = self.sockets.get_mut(&id) else { continue };
            if open.connecting {
                events.extend(open.settle(id, &mut self.poller));
                continue;
            }
            if ready.readable {
                events.push(NetworkEvent::Readable(id));
            }
            if ready.writable && open.watches_writable {
                events.push(NetworkEvent::Writable(id));
            }
        }
    }

    /// Polls for a moment, where what is waited for has lately come that quickly. The time after it, and how it ended.
    /// `answered`: the last wait brought answers.
    fn spin(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        answered: bool,
        events: &mut Vec<NetworkEvent>,
    ) -> (Instant, Polled) {
        // A caller that has just had its answer may well be about to send again, however long the round trip is. With
        // several answers due sleeping costs nothing: those that come meanwhile are taken in one go.
        let is_worth_it = self.awaited && (answered || self.answers_due == 1);
        let mut spin = std::mem::take(self.spin_for(answered));
        let polled = spin.poll(now, until, is_worth_it, || {
            self.look(Some(Duration::ZERO), events);
            !events.is_empty() || self.waker.is_wanted()
        });
        *self.spin_for(answered) = spin;
        polled
    }

    fn spin_for(&mut self, answered: bool) -> &mut Spin {
        if answered { &mut self.request_spin } else { &mut self.answer_spin }
    }

    fn sleep(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        answered: bool,
        events: &mut Vec<NetworkEvent>,
    ) -> Instant {
        let mut timeout = until.map(|until| until.saturating_duration_since(now));
        if !events.is_empty() || timeout == Some(Duration::ZERO) || !self.waker.fall_asleep() {
            timeout = Some(Duration::ZERO);
        }
        self.look(timeout, events);
        let woken = Instant::now();
        let is_readable = events.iter().any(|event| matches!(event, NetworkEvent::Readable(_)));
        if is_readable || (answered && self.waker.is_wanted()) {
            self.spin_for(answered).slept(woken.saturating_duration_since(now));
        }
        woken
    }

    fn take_done(&mut self, events: &mut Vec<NetworkEvent>) {
        while let Some(result) = self.background.take() {
            events.push(NetworkEvent::JobDone(result));
        }
    }
}

impl<P: Poller> Network for SocketNetwork<P> {
    fn begin(&mut self, job: Job) {
        let waker = self.waker.clone();
        self.background.begin(job, move || waker.wake());
    }

    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> io::Result<()> {
        let stream = Arc::new(self.open(address)?);
        self.poller.add(socket.0, &stream, Interest::Write)?;
        self.sockets.insert(socket, OpenSocket { stream, connecting: true, watches_writable: false });
        Ok(())
    }

    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        send(&self.sockets.get(&socket).ok_or(ErrorKind::NotConnected)?.stream, buffers)
    }

    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.sockets.get(&socket).ok_or(ErrorKind::NotConnected)?.stream).read(buffer)
    }

    fn watch_writable(&mut self, socket: SocketId, on: bool) {
        let Some(open) = self.sockets.get_mut(&socket) else { return };
        if open.watches_writable != on && !open.connecting {
            let interest = if on { Interest::ReadWrite } else { Interest::Read };
            open.watch(socket, interest, &mut self.poller);
        }
        open.watches_writable = on;
    }

    fn close(&mut self, socket: SocketId) {
        if let Some(open) = self.sockets.remove(&socket)
            && let Err(error) = self.poller.remove(socket.0, &open.stream)
        {
            logging::error!("cannot stop watching a socket: {error}");
        }
    }

    fn expect_answers(&mut self, due: usize, awaited: bool) {
        self.awaited = awaited;
        self.answers_due = due;
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        self.take_done(events);
        let answered = std::mem::take(&mut self.answered);
        let (mut now, mut polled) = (now, Polled::InVain);
        if events.is_empty() {
            (now, polled) = self.spin(now, until, answered, events);
        }
        if polled == Polled::InVain {
            now = self.sleep(now, until, answered, events);
        }
        self.waker.awake();
        self.answered = events.iter().any(|event| matches!(event, NetworkEvent::Readable(_)));
        self.take_done(events);
        now
    }
}

impl OpenSocket {
    /// What came of connecting; nothing where that is still open.
    fn settle<P: Poller>(&mut self, id: SocketId, poller: &mut P) -> Option<NetworkEvent> {
        match self.stream.take_error().and_then(|error| error.map_or(Ok(()), Err)) {
            Err(error) => Some(NetworkEvent::Failed(id, error)),
            Ok(()) => match self.stream.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => None,
                Err(error) => Some(NetworkEvent::Failed(id, error)),
                Ok(_) => {
                    self.connecting = false;
                    let interest = if self.watches_writable { Interest::ReadWrite } else { Interest::Read };
                    self.watch(id, interest, poller);
                    Some(NetworkEvent::Writable(id))
                }
            },
        }
    }

    fn watch<P: Poller>(&self, id: SocketId, interest: Interest, poller: &mut P) {
        if let Err(error) = poller.change(id.0, &self.stream, interest) {
            logging::error!("cannot watch a socket: {error}");
        }
    }
}

/// By `sendmsg`, since `writev` cannot be told to leave SIGPIPE alone.
#[cfg(unix)]
fn send(stream: &TcpStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

    // Apple's systems have a socket option instead.
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::NOSIGNAL;
    Ok(sendmsg(stream, buffers, &mut SendAncillaryBuffer::default(), FLAGS)?)
}

/// Where there is no SIGPIPE.
#[cfg(not(unix))]
fn send(mut stream: &TcpStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    io::Write::write_vectored(&mut stream, buffers)
}

/// A connection that is being made is not an error; Unix and Windows have different words for it.
fn is_in_progress(error: &io::Error) -> bool {
    let in_progress = rustix::io::Errno::INPROGRESS.raw_os_error();
    error.raw_os_error() == Some(in_progress) || error.kind() == ErrorKind::WouldBlock
}
