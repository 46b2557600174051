//! `Connection`: one socket to one broker: requests out, answers in.
//!
//! Owns: a socket's frames, its requests in flight, its handshake. Must not know: when to connect, what an answer says.
//! Holds: a turn in which everything goes through costs one write and one read.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::byte_stream::{ByteStream, ReadBuffer, WriteError, is_transient};
use super::disconnect_reason::DisconnectReason;
use super::frame::FrameReader;
use super::handshake::Handshake;
use super::in_flight::{InFlight, InFlightRequest, WrongAnswer};
use super::seam::{Network, SocketId};
use crate::protocol::correlation_id;

/// One socket to one broker.
#[derive(Debug)]
pub(super) struct Connection<T> {
    pub(super) socket: SocketId,
    pub(super) address: SocketAddr,
    pub(super) since: Instant,
    pub(super) stream: ByteStream,
    pub(super) handshake: Handshake,
    pub(super) in_flight: InFlight<T>,
    /// It has answered something that was asked after the handshake.
    pub(super) served: bool,
    /// Since when the handshake waits for something in the background, and until when at most.
    pub(super) waits: Option<(Instant, Instant)>,
    /// When to say again who we are, before the next request of the caller.
    pub(super) authenticate_at: Option<Instant>,
    frames: FrameReader,
    answered: bool,
    watches_writable: bool,
    /// The socket is connected, and counted as such.
    pub(super) stands: bool,
}

/// A whole answer, and the request that it belongs to.
#[derive(Debug)]
pub(super) struct AnsweredRequest<T> {
    pub(super) entry: InFlightRequest<T>,
    pub(super) frame: Vec<u8>,
}

impl<T> Connection<T> {
    pub(super) fn new(
        socket: SocketId,
        address: SocketAddr,
        since: Instant,
        stream: ByteStream,
        handshake: Handshake,
    ) -> Self {
        Connection {
            socket,
            address,
            since,
            stream,
            handshake,
            in_flight: InFlight::new(),
            served: false,
            waits: None,
            authenticate_at: None,
            frames: FrameReader::default(),
            answered: false,
            watches_writable: false,
            stands: false,
        }
    }

    /// Writes what is queued, as far as the socket takes it, and says how much that is. Requests that get no answer and are
    /// wholly written go to `finished`.
    pub(super) fn flush<N: Network>(
        &mut self,
        network: &mut N,
        finished: &mut Vec<InFlightRequest<T>>,
    ) -> Result<usize, DisconnectReason> {
        let outcome = self.stream.write(&mut self.in_flight, self.socket, network, finished);
        let (written, needs_room) = outcome.map_err(|error| match error {
            WriteError::Socket(error) => self.io_failed(error),
            WriteError::Layer(error) => DisconnectReason::Layer(error),
        })?;
        if self.watches_writable != needs_room {
            self.watches_writable = needs_room;
            network.watch_writable(self.socket, needs_room);
        }
        Ok(written)
    }

    /// Reads once: how much came from the socket, and the bytes that answers are made of. What does not fit makes the
    /// socket readable again.
    pub(super) fn read<'a, N: Network>(
        &mut self,
        network: &mut N,
        buffer: &'a mut ReadBuffer,
    ) -> Result<(usize, &'a [u8]), DisconnectReason> {
        match self.stream.read(self.socket, network, buffer) {
            Ok((0, _)) => Err(self.ended()),
            Err(error) if is_transient(&error) => Ok((0, &[])),
            outcome => outcome.map_err(|error| self.io_failed(error)),
        }
    }

    /// What was read may let something go: the next step, what the layer says in return, a request that it could not take.
    pub(super) fn may_write(&self) -> bool {
        let has_news = match self.stream {
            ByteStream::Plain => self.handshake.is_running() && self.in_flight.has_unwritten(),
            ByteStream::Layered(_) => self.stream.has_outgoing() || self.in_flight.has_untaken(),
        };
        has_news && !self.watches_writable
    }

    /// The next whole answer in what was read.
    pub(super) fn next_answer(
        &mut self,
        input: &mut &[u8],
    ) -> Result<Option<AnsweredRequest<T>>, DisconnectReason> {
        let Some(frame) = self.frames.next(input).map_err(DisconnectReason::BadFrame)? else {
            return Ok(None);
        };
        let got = correlation_id(&frame);
        let is_first = !self.answered;
        let wrong =
            |wrong: WrongAnswer| DisconnectReason::WrongAnswer { expected: wrong.expected, got, is_first };
        let entry = self.in_flight.answered(got).map_err(wrong)?;
        self.answered = true;
        Ok(Some(AnsweredRequest { entry, frame }))
    }

    /// What the layer says about the end, once all before it has been read.
    pub(super) fn look_for_end(&mut self) -> Result<(), DisconnectReason> {
        match self.stream.take_end() {
            None => Ok(()),
            Some(Ok(())) => Err(self.ended()),
            Some(Err(error)) => Err(DisconnectReason::Layer(error)),
        }
    }

    /// Ends it from our side.
    pub(super) fn close<N: Network>(&mut self, network: &mut N) {
        self.stream.close(self.socket, network);
        network.close(self.socket);
    }

    /// When the handshake is given up that waits for something in the background.
    pub(super) fn wait_deadline(&self) -> Option<Instant> {
        self.waits.map(|(_, until)| until)
    }

    /// How long it has waited so, if that is too long.
    pub(super) fn waited_too_long(&self, now: Instant) -> Option<Duration> {
        let (since, until) = self.waits?;
        (until <= now).then(|| until.saturating_duration_since(since))
    }

    /// The other side has closed the connection. Whether a layer was told so beforehand makes no difference: answers carry
    /// their own length.
    fn ended(&self) -> DisconnectReason {
        if let Some(layer) = self.stream.layer_name().filter(|_| !self.stream.is_established()) {
            return DisconnectReason::ClosedInLayer { layer };
        }
        if let Some(step) = self.login_step() {
            return DisconnectReason::ClosedInStep { step };
        }
        DisconnectReason::Closed {
            before_first_answer: !self.answered && !self.frames.is_within(),
            within_answer: self.frames.is_within(),
        }
    }

    /// The step that says who we are, while it does.
    fn login_step(&self) -> Option<&'static str> {
        let is_login = self.answered && self.handshake.authenticates() && !self.frames.is_within();
        self.handshake.step_name().filter(|_| is_login)
    }

    /// Before the first answer a reset tells the same as an orderly end: the other side wants something else.
    fn io_failed(&self, error: io::Error) -> DisconnectReason {
        let ended = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        if ended && (!self.stream.is_established() || self.login_step().is_some()) {
            return self.ended();
        }
        if ended && !self.answered {
            return DisconnectReason::Closed { before_first_answer: true, within_answer: false };
        }
        DisconnectReason::Io(error)
    }
}
