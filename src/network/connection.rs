//! `Connection`: one socket to one broker: requests out, answers in.
//!
//! Owns: a socket's frames, its requests in flight, vectored writes, partial reads. Must not know: when to connect,
//! what an answer says.
//! Holds: a turn in which everything goes through costs one write and one read.

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::time::Instant;

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
    pub(super) handshake: Handshake,
    pub(super) in_flight: InFlight<T>,
    /// It has answered something that was asked after the handshake.
    pub(super) served: bool,
    frames: FrameReader,
    answered: bool,
    watches_writable: bool,
}

/// A whole answer, and the request that it belongs to.
#[derive(Debug)]
pub(super) struct AnsweredRequest<T> {
    pub(super) entry: InFlightRequest<T>,
    pub(super) frame: Vec<u8>,
}

impl<T> Connection<T> {
    pub(super) fn new(socket: SocketId, address: SocketAddr, since: Instant) -> Self {
        Connection {
            socket,
            address,
            since,
            handshake: Handshake::new(),
            in_flight: InFlight::new(),
            served: false,
            frames: FrameReader::default(),
            answered: false,
            watches_writable: false,
        }
    }

    /// Writes what is queued, as far as the socket takes it. Requests that get no answer and are wholly written go
    /// to `finished`.
    pub(super) fn flush<N: Network>(
        &mut self,
        network: &mut N,
        finished: &mut Vec<InFlightRequest<T>>,
    ) -> Result<(), DisconnectReason> {
        while self.in_flight.has_unwritten() {
            let (written, offered) = match self.write_once(network) {
                Err(error) if is_transient(&error) => (0, 1),
                outcome => outcome.map_err(|error| self.io_failed(error))?,
            };
            self.in_flight.advance(written, finished);
            if written < offered {
                break;
            }
        }
        let unwritten = self.in_flight.has_unwritten();
        if self.watches_writable != unwritten {
            self.watches_writable = unwritten;
            network.watch_writable(self.socket, unwritten);
        }
        Ok(())
    }

    /// Reads once into the buffer; what does not fit makes the socket readable again.
    pub(super) fn read<N: Network>(
        &mut self,
        network: &mut N,
        buffer: &mut [u8],
    ) -> Result<usize, DisconnectReason> {
        match network.read(self.socket, buffer) {
            Ok(0) => Err(DisconnectReason::Closed {
                before_first_answer: !self.answered && !self.frames.is_within(),
                within_answer: self.frames.is_within(),
            }),
            Err(error) if is_transient(&error) => Ok(0),
            outcome => outcome.map_err(|error| self.io_failed(error)),
        }
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

    /// One vectored write of what is unwritten: how much went out, and how much was offered.
    fn write_once<N: Network>(&self, network: &mut N) -> io::Result<(usize, usize)> {
        let buffers = self.in_flight.unwritten_buffers(MOST_BUFFERS, MUCH_BYTES);
        if buffers <= FEW_BUFFERS {
            self.write_from(&mut [IoSlice::new(&[]); FEW_BUFFERS], network)
        } else {
            self.write_from(&mut vec![IoSlice::new(&[]); buffers], network)
        }
    }

    fn write_from<'a, N: Network>(
        &'a self,
        slices: &mut [IoSlice<'a>],
        network: &mut N,
    ) -> io::Result<(usize, usize)> {
        let count = self.in_flight.fill(slices);
        let slices = slices.get(..count).unwrap_or_default();
        let offered = slices.iter().map(|slice| slice.len()).sum();
        Ok((network.write(self.socket, slices)?, offered))
    }

    /// Before the first answer a reset tells the same as an orderly end: the other side wants something else.
    fn io_failed(&self, error: io::Error) -> DisconnectReason {
        let ended = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        if ended && !self.answered {
            return DisconnectReason::Closed { before_first_answer: true, within_answer: false };
        }
        DisconnectReason::Io(error)
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// As many buffers as one write takes (`IOV_MAX`).
const MOST_BUFFERS: usize = 1024;

/// More than a socket takes at once: what lies behind it needs no look.
const MUCH_BYTES: usize = 1 << 20;

/// How many need no allocation.
const FEW_BUFFERS: usize = 32;
