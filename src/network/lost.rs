//! `Lost`: why a connection ended or could not be made, in words for people.
//!
//! Owns: the wording. Must not know: states, sockets.

use std::fmt;
use std::io;
use std::time::Duration;

use super::frame::BadFrame;

/// Why a connection ended or could not be made.
#[derive(Debug)]
pub(super) enum Lost {
    /// The system says so: refused, reset, unreachable, …
    Io(io::Error),
    /// The name has no address.
    NotResolved(io::Error),
    /// The name's addresses did not come in time.
    ResolvedTooLate(Duration),
    /// The socket was not connected in time.
    ConnectedTooLate(Duration),
    /// A request was not answered in time.
    NoAnswer { request: &'static str, within: Duration },
    /// The other side closed the connection.
    Closed { before_first_answer: bool, within_answer: bool },
    /// What came is not an answer.
    BadFrame(BadFrame),
    /// An answer came that is not the next one.
    WrongAnswer { expected: Option<i32>, got: Option<i32>, is_first: bool },
    /// The handshake did not succeed.
    Handshake(String),
    /// We closed it.
    ClosedHere(&'static str),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Io(error) => write!(f, "{error}"),
            Lost::NotResolved(error) => write!(f, "the name could not be resolved: {error}"),
            Lost::ResolvedTooLate(time) => {
                write!(f, "the name was not resolved within {} ms", time.as_millis())
            }
            Lost::ConnectedTooLate(time) => write!(
                f,
                "not connected within {} ms (socket.connection.setup.timeout.ms)",
                time.as_millis()
            ),
            Lost::NoAnswer { request, within } => {
                write!(f, "no answer to {request} within {} ms", within.as_millis())
            }
            Lost::Closed { before_first_answer: true, .. } => f.write_str(
                "the connection was closed before the first answer, as a listener does that expects TLS or SASL \
                 (security.protocol), or one that is not Kafka's",
            ),
            Lost::Closed { within_answer: true, .. } => {
                f.write_str("the broker closed the connection in the middle of an answer")
            }
            Lost::Closed { .. } => f.write_str("the broker closed the connection"),
            Lost::BadFrame(frame) => write!(f, "{frame}"),
            Lost::WrongAnswer { is_first: true, .. } => f.write_str(
                "what came is not an answer to the first request: the listener is probably not Kafka's",
            ),
            Lost::WrongAnswer { expected: Some(expected), got: Some(got), .. } => {
                write!(f, "an answer to request {got} came where request {expected} was next")
            }
            Lost::WrongAnswer { .. } => f.write_str("an answer came that nothing had asked for"),
            Lost::Handshake(what) => f.write_str(what),
            Lost::ClosedHere(why) => f.write_str(why),
        }
    }
}
