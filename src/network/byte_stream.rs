//! `ByteStream`: what lies between a connection's requests and its socket: nothing, or a layer that wraps all bytes.
//!
//! Owns: wrapped bytes that the socket has no room for yet, and which requests they hold. Must not know: what is asked,
//! when to connect.
//! Holds: written is what has left for the socket, not what the layer has taken: a request counts as written once all of
//! the record has left that its last byte is in, and not before, since the broker can read it then and not before.
//! Plain text goes out of the batches' own buffers, by one vectored write a turn.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};

use super::disconnect_reason::DisconnectReason;
use super::in_flight::{InFlight, InFlightRequest};
use super::seam::{Network, SocketId};
use crate::error::Error;

/// What wraps the bytes of a connection, as TLS does. It has no socket of its own: what it is to read is given to it, and
/// what it wants to write is taken from it.
pub(crate) trait TransportLayer: fmt::Debug + Send {
    /// What it is called in errors.
    fn name(&self) -> &'static str;

    /// The socket is connected: adds what has to be said first to `out`.
    fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Error>;

    /// The layer's own handshake is over. What comes before that is no answer of a broker.
    fn is_established(&self) -> bool;

    /// Takes bytes from the front of `plain`, and adds them, wrapped, to `out`: at most one record, which the other side
    /// can read only as a whole. Returns how many it took; 0 where it has to read something before it can go on.
    fn encode(&mut self, plain: &[IoSlice<'_>], out: &mut Vec<u8>) -> Result<usize, Error>;

    /// Takes all of these bytes, which came from the socket. Adds what they hold to `plain`, and what has to be said in
    /// return to `out`; both also if it fails in the middle.
    fn decode(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<PeerState, Error>;

    /// Adds to `out` that nothing will follow.
    fn close(&mut self, out: &mut Vec<u8>);
}

/// How the other side stands, by what a layer was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "simulation", feature = "tls")),
    expect(dead_code, reason = "only layers say so")
)]
pub(crate) enum PeerState {
    /// More may come.
    Open,
    /// The other side has said that nothing will follow (TLS's close_notify).
    Ended,
}

/// What lies between a connection's requests and its socket.
#[derive(Debug)]
pub(super) enum ByteStream {
    Plain,
    Layered(Box<Layered>),
}

/// A layer, and what it wants to write.
#[derive(Debug)]
pub(super) struct Layered {
    layer: Box<dyn TransportLayer>,
    outgoing: WrappedBytes,
    /// The other side will send nothing more, or the layer can read nothing more: to be told when what came before it has
    /// been read.
    end: Option<LayerEnd>,
}

#[derive(Debug)]
enum LayerEnd {
    Orderly,
    Failed(Error),
}

/// Wrapped bytes on their way to the socket.
#[derive(Debug, Default)]
struct WrappedBytes {
    bytes: Vec<u8>,
    sent: usize,
    /// Where each record ends in `bytes`, and how many of the requests' bytes it holds.
    records: VecDeque<(usize, usize)>,
}

/// What is read from a socket, and what a layer made of it. All connections share one: nothing stays in it.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    raw: Vec<u8>,
    decoded: Vec<u8>,
}

impl ReadBuffer {
    pub(super) fn new() -> Self {
        ReadBuffer { raw: vec![0; READ_BUFFER_BYTES], decoded: Vec::new() }
    }

    /// In whose place another is, for a moment.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, ReadBuffer { raw: Vec::new(), decoded: Vec::new() })
    }

    /// How much one read takes at most.
    pub(super) fn room(&self) -> usize {
        self.raw.len()
    }
}

impl ByteStream {
    pub(super) fn new(layer: Option<Box<dyn TransportLayer>>) -> Self {
        layer.map_or(ByteStream::Plain, |layer| {
            ByteStream::Layered(Box::new(Layered { layer, outgoing: WrappedBytes::default(), end: None }))
        })
    }

    /// The socket is connected.
    pub(super) fn start(&mut self) -> Result<(), DisconnectReason> {
        match self {
            ByteStream::Plain => Ok(()),
            ByteStream::Layered(it) => {
                it.layer.start(&mut it.outgoing.bytes).map_err(DisconnectReason::Layer)
            }
        }
    }

    /// Requests may go out.
    pub(super) fn is_established(&self) -> bool {
        match self {
            ByteStream::Plain => true,
            ByteStream::Layered(it) => it.layer.is_established(),
        }
    }

    /// What the layer is called; none for plain text.
    pub(super) fn layer_name(&self) -> Option<&'static str> {
        match self {
            ByteStream::Plain => None,
            ByteStream::Layered(it) => Some(it.layer.name()),
        }
    }

    /// The layer has something to say of its own accord, or says more than the socket had room for.
    pub(super) fn has_outgoing(&self) -> bool {
        matches!(self, ByteStream::Layered(it) if !it.outgoing.is_empty())
    }

    /// Writes as much as goes of what is unwritten. Requests that get no answer and are wholly written go to `finished`.
    /// Returns how much went to the socket, and whether to try again when it has room.
    pub(super) fn write<N: Network, T>(
        &mut self,
        requests: &mut InFlight<T>,
        socket: SocketId,
        network: &mut N,
        finished: &mut Vec<InFlightRequest<T>>,
    ) -> Result<(usize, bool), WriteError> {
        match self {
            ByteStream::Plain => write_plain(requests, socket, network, finished),
            ByteStream::Layered(layered) => layered.write(requests, socket, network, finished),
        }
    }

    /// Reads once. Returns how much came from the socket, and the bytes that answers are made of. What does not fit makes
    /// the socket readable again.
    pub(super) fn read<'a, N: Network>(
        &mut self,
        socket: SocketId,
        network: &mut N,
        buffer: &'a mut ReadBuffer,
    ) -> io::Result<(usize, &'a [u8])> {
        let count = network.read(socket, &mut buffer.raw)?;
        let raw = buffer.raw.get(..count).unwrap_or_default();
        Ok(match self {
            ByteStream::Plain => (count, raw),
            ByteStream::Layered(layered) => {
                buffer.decoded.clear();
                layered.decode(raw, &mut buffer.decoded);
                (count, &buffer.decoded)
            }
        })
    }

    /// Why nothing more will be read, once what came before that has been: the layer says so.
    pub(super) fn take_end(&mut self) -> Option<Result<(), Error>> {
        let ByteStream::Layered(layered) = self else { return None };
        Some(match layered.end.take()? {
            LayerEnd::Orderly => Ok(()),
            LayerEnd::Failed(error) => Err(error),
        })
    }

    /// Says that nothing will follow, if the socket has room for that, and nothing of a request is still to go out.
    pub(super) fn close<N: Network>(&mut self, socket: SocketId, network: &mut N) {
        let ByteStream::Layered(layered) = self else { return };
        if !layered.outgoing.records.is_empty() {
            return;
        }
        if layered.layer.is_established() {
            layered.layer.close(&mut layered.outgoing.bytes);
        }
        let unsent = layered.outgoing.unsent();
        if !unsent.is_empty() {
            // The connection ends in either case.
            let _ = network.write(socket, &[IoSlice::new(unsent)]);
        }
    }
}

/// Why nothing more can be written.
#[derive(Debug)]
pub(super) enum WriteError {
    Socket(io::Error),
    Layer(Error),
}

fn write_plain<N: Network, T>(
    requests: &mut InFlight<T>,
    socket: SocketId,
    network: &mut N,
    finished: &mut Vec<InFlightRequest<T>>,
) -> Result<(usize, bool), WriteError> {
    let mut sum = 0;
    while requests.has_unwritten() {
        let (written, offered) = match write_once(requests, socket, network) {
            Err(error) if is_transient(&error) => (0, 1),
            outcome => outcome.map_err(WriteError::Socket)?,
        };
        sum += written;
        requests.advance(written, finished);
        if written < offered {
            break;
        }
    }
    Ok((sum, requests.has_unwritten()))
}

/// One vectored write of what is unwritten: how much went out, and how much was offered.
fn write_once<N: Network, T>(
    requests: &InFlight<T>,
    socket: SocketId,
    network: &mut N,
) -> io::Result<(usize, usize)> {
    let buffers = requests.unwritten_buffers(MOST_BUFFERS, MUCH_BYTES);
    if buffers <= FEW_BUFFERS {
        write_from(requests, &mut [IoSlice::new(&[]); FEW_BUFFERS], socket, network)
    } else {
        write_from(requests, &mut vec![IoSlice::new(&[]); buffers], socket, network)
    }
}

fn write_from<'a, N: Network, T>(
    requests: &'a InFlight<T>,
    slices: &mut [IoSlice<'a>],
    socket: SocketId,
    network: &mut N,
) -> io::Result<(usize, usize)> {
    let count = requests.fill(slices);
    let slices = slices.get(..count).unwrap_or_default();
    let offered = slices.iter().map(|slice| slice.len()).sum();
    Ok((network.write(socket, slices)?, offered))
}

impl Layered {
    fn write<N: Network, T>(
        &mut self,
        requests: &mut InFlight<T>,
        socket: SocketId,
        network: &mut N,
        finished: &mut Vec<InFlightRequest<T>>,
    ) -> Result<(usize, bool), WriteError> {
        let mut sum = 0;
        loop {
            self.wrap(requests).map_err(WriteError::Layer)?;
            let offered = self.outgoing.unsent().len();
            if offered == 0 {
                // What the layer has not taken may hold back others.
                requests.advance(0, finished);
                return Ok((sum, false));
            }
            let written = match network.write(socket, &[IoSlice::new(self.outgoing.unsent())]) {
                Err(error) if is_transient(&error) => 0,
                outcome => outcome.map_err(WriteError::Socket)?,
            };
            sum += written;
            requests.advance(self.outgoing.left(written), finished);
            if written < offered {
                return Ok((sum, true));
            }
        }
    }

    /// Lets the layer take what it can, as far as that is not more than enough for a write. Only once all of before has
    /// left, so that nothing has to be moved.
    fn wrap<T>(&mut self, requests: &mut InFlight<T>) -> Result<(), Error> {
        if self.outgoing.sent > 0 || !self.layer.is_established() {
            return Ok(());
        }
        while self.outgoing.bytes.len() < ENOUGH_BYTES && requests.has_untaken() {
            let mut slices = [IoSlice::new(&[]); FEW_BUFFERS];
            let count = requests.fill(&mut slices);
            let slices = slices.get(..count).unwrap_or_default();
            let taken = self.layer.encode(slices, &mut self.outgoing.bytes)?;
            if taken == 0 {
                break;
            }
            requests.take(taken);
            self.outgoing.records.push_back((self.outgoing.bytes.len(), taken));
        }
        Ok(())
    }

    fn decode(&mut self, bytes: &[u8], plain: &mut Vec<u8>) {
        if bytes.is_empty() || self.end.is_some() {
            return;
        }
        self.end = match self.layer.decode(bytes, plain, &mut self.outgoing.bytes) {
            Ok(PeerState::Open) => None,
            Ok(PeerState::Ended) => Some(LayerEnd::Orderly),
            Err(error) => Some(LayerEnd::Failed(error)),
        };
    }
}

impl WrappedBytes {
    fn is_empty(&self) -> bool {
        self.unsent().is_empty()
    }

    fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// This many bytes have left. Returns how many of the requests' bytes the other side can read now.
    fn left(&mut self, count: usize) -> usize {
        self.sent += count;
        let mut readable = 0;
        while let Some((_, held)) = self.records.front().filter(|(end, _)| *end <= self.sent) {
            readable += held;
            self.records.pop_front();
        }
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        }
        readable
    }
}

pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// As many buffers as one write takes (`IOV_MAX`).
const MOST_BUFFERS: usize = 1024;

/// More than a socket takes at once: what lies behind it needs no look.
const MUCH_BYTES: usize = 1 << 20;

/// How many need no allocation.
const FEW_BUFFERS: usize = 32;

/// How much is wrapped for one write. It is copied anyway, so that more would only take memory.
const ENOUGH_BYTES: usize = 128 * 1024;

/// Answers to a producer are small; a longer one comes in several reads.
const READ_BUFFER_BYTES: usize = 64 * 1024;
