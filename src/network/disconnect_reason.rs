//! `DisconnectReason`: why a connection ended or could not be made, in words for people.
//!
//! Owns: the wording. Must not know: states, sockets.

use std::fmt;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::frame::BadFrame;
use crate::error::{Error, ErrorKind};
use crate::wire::DecodeError;

/// Why a connection ended or could not be made.
#[derive(Debug)]
pub(super) enum DisconnectReason {
    /// The system says so: refused, reset, unreachable, …
    Io(io::Error),
    /// The name has no address.
    NotResolved(io::Error),
    /// What the broker advertises as its port is none.
    NoPort,
    /// The name's addresses did not come in time.
    ResolvedTooLate { within: Duration, before: Option<&'static str> },
    /// The socket was not connected in time.
    ConnectedTooLate(Duration),
    /// A request was not answered in time.
    NoAnswer { request: &'static str, sent_at: Instant, within: Duration },
    /// The other side closed the connection.
    Closed { before_first_answer: bool, within_answer: bool },
    /// The other side closed the connection when it was asked for more than its versions, and has never answered more.
    ClosedAtFirstRequest,
    /// An answer came that cannot be read.
    Unreadable(DecodeError),
    /// What came is not an answer.
    BadFrame(BadFrame),
    /// An answer came that is not the next one.
    WrongAnswer { expected: Option<i32>, got: Option<i32>, is_first: bool },
    /// A step of the handshake did not succeed.
    Handshake(Error),
    /// The layer around all bytes can go on no more: what came is not to be read, or the other side has refused us.
    Layer(Error),
    /// The layer's own handshake, by its name, did not end in time.
    LayerTooLate { layer: &'static str, within: Duration },
    /// The other side closed the connection within the layer's own handshake.
    ClosedInLayer { layer: &'static str },
    /// What a step of the handshake waits for did not come in time.
    StepTooLate { step: &'static str, awaited: &'static str, within: Duration },
    /// The other side closed the connection where a step of the handshake expected its answer.
    ClosedInStep { step: &'static str },
    /// We closed it.
    ClosedHere(&'static str),
}

/// One of the kinds of loss, without what belongs to a single one.
pub(super) type DisconnectKind = mem::Discriminant<DisconnectReason>;

impl DisconnectReason {
    pub(super) fn kind(&self) -> DisconnectKind {
        mem::discriminant(self)
    }

    /// The address is not to blame: this process may open no more sockets, or the system is short of memory.
    pub(super) fn is_shortage(&self) -> bool {
        let short = [Errno::MFILE, Errno::NOBUFS].map(|errno| Some(errno.raw_os_error()));
        matches!(self, DisconnectReason::Io(error) if short.contains(&error.raw_os_error()))
    }

    /// The error behind it, where it has a kind of its own.
    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            DisconnectReason::Handshake(error) | DisconnectReason::Layer(error) => Some(error),
            _ => None,
        }
    }

    /// The other side does not believe who we are, or we do not believe who it is: to try again at once helps nobody.
    pub(super) fn is_refusal(&self) -> bool {
        self.error().is_some_and(|error| error.kind() == ErrorKind::Authentication)
    }

    /// The other side has ended the connection, between two answers.
    pub(super) fn is_end(&self) -> bool {
        match self {
            DisconnectReason::Closed { within_answer, .. } => !within_answer,
            DisconnectReason::Io(error) => {
                matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            }
            _ => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DisconnectReason::Io(error) => write!(f, "{error}"),
            DisconnectReason::NotResolved(error) => write!(f, "the name could not be resolved: {error}"),
            DisconnectReason::NoPort => f.write_str("that is no port (1 to 65535): check the broker's advertised.listeners"),
            DisconnectReason::ResolvedTooLate { within, before } => {
                not_resolved(f, *within, *before)
            }
            DisconnectReason::ConnectedTooLate(time) => write!(
                f,
                "not connected within {} ms (socket.connection.setup.timeout.ms)",
                time.as_millis()
            ),
            DisconnectReason::NoAnswer { request, within, .. } => {
                write!(f, "no answer to {request} within {} ms", within.as_millis())
            }
            DisconnectReason::Closed { before_first_answer: true, .. } => f.write_str(
                "the connection was closed before the first answer: the broker may be stopping, or the listener expects \
                 TLS or SASL (security.protocol) or is not Kafka's",
            ),
            DisconnectReason::Closed { within_answer: true, .. } => {
                f.write_str("the broker closed the connection in the middle of an answer")
            }
            DisconnectReason::Closed { .. } => f.write_str("the broker closed the connection"),
            DisconnectReason::ClosedAtFirstRequest => f.write_str(
                "this listener may require SASL (it closes the connection after ApiVersions): see security.protocol; or the \
                 broker is stopping",
            ),
            DisconnectReason::Unreadable(error) => write!(f, "{error}"),
            DisconnectReason::BadFrame(frame) => write!(f, "{frame}"),
            DisconnectReason::WrongAnswer { is_first: true, .. } => f.write_str(
                "what came is not an answer to the first request: the listener is probably not Kafka's",
            ),
            DisconnectReason::WrongAnswer { expected: Some(expected), got: Some(got), .. } => {
                write!(f, "an answer to request {got} came where request {expected} was next")
            }
            DisconnectReason::WrongAnswer { .. } => f.write_str("an answer came that nothing had asked for"),
            DisconnectReason::Handshake(error) => write!(f, "{error}"),
            DisconnectReason::Layer(error) => write!(f, "{error}"),
            DisconnectReason::LayerTooLate { layer, within } => write!(
                f,
                "the {layer} handshake did not end within {} ms (socket.connection.setup.timeout.ms)",
                within.as_millis()
            ),
            DisconnectReason::ClosedInLayer { layer } => write!(
                f,
                "the connection was closed within the {layer} handshake: the listener may not speak {layer} \
                 (security.protocol), or the broker may be stopping"
            ),
            DisconnectReason::StepTooLate { step, awaited, within } => {
                write!(f, "{step} waited for {awaited}, which did not come within {} ms", within.as_millis())
            }
            DisconnectReason::ClosedInStep { step } => write!(
                f,
                "the broker closed the connection in place of an answer to {step}: it may be stopping, or it refuses the \
                 login without a word (its log says why), or something between cuts connections"
            ),
            DisconnectReason::ClosedHere(why) => f.write_str(why),
        }
    }
}

fn not_resolved(f: &mut fmt::Formatter<'_>, within: Duration, before: Option<&str>) -> fmt::Result {
    write!(f, "the name was not resolved within {} ms", within.as_millis())?;
    let Some(before) = before else { return Ok(()) };
    write!(f, "; {before} are looked at before that, and may be what takes so long")
}
