//! Answers that say something else than what the cluster would say: for tests against hostile or broken brokers.
//!
//! Owns: the closure that rewrites, and what becomes of an answer by it. Must not know: what the answers say.
//! Holds: what takes an answer's place stands in its place in the order of the connection.

use std::fmt;
use std::time::{Duration, Instant};

use super::answers::Answer;
use super::api::Api;

/// An answer that a broker is about to send, for the closure given to
/// [`EmbeddedCluster::rewrite_answers`](super::EmbeddedCluster::rewrite_answers).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BrokerAnswer<'a> {
    /// What was asked for.
    pub api: Api,
    /// The version in which the answer is encoded.
    pub version: i16,
    /// The broker that answers.
    pub broker: i32,
    /// The id of the request.
    pub correlation_id: i32,
    /// The message: what follows the response header.
    pub body: &'a [u8],
    flexible_header: bool,
}

impl BrokerAnswer<'_> {
    /// A frame with a response header of the kind that this answer has: its length, the correlation id, the body.
    /// For [`Rewritten::Raw`], which may hold several of them.
    #[must_use]
    pub fn frame(&self, correlation_id: i32, body: &[u8]) -> Vec<u8> {
        let header_bytes = if self.flexible_header { 5 } else { 4 };
        let length = i32::try_from(header_bytes + body.len()).unwrap_or(i32::MAX);
        let mut frame = Vec::with_capacity(4 + header_bytes + body.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&correlation_id.to_be_bytes());
        frame.resize(4 + header_bytes, 0);
        frame.extend_from_slice(body);
        frame
    }
}

/// What is sent in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rewritten {
    /// The answer as it is.
    Unchanged,
    /// This message, with the header that the answer has.
    Body(Vec<u8>),
    /// Nothing; the answers behind it come all the same.
    Nothing,
    /// These bytes in place of the whole frame, length and header, too: several frames, half of one, anything.
    Raw(Vec<u8>),
    /// As `Raw`, in pieces, each with the time by which it comes later than the one before it.
    Pieces(Vec<(Duration, Vec<u8>)>),
    /// As `Raw`, and then the broker closes the connection.
    Close(Vec<u8>),
}

/// An answer as it would be sent, and what its parts are.
pub(super) struct Frame {
    pub(super) api: Api,
    pub(super) version: i16,
    pub(super) broker: i32,
    pub(super) correlation_id: i32,
    /// Length, header, message.
    pub(super) bytes: Vec<u8>,
    pub(super) header_bytes: usize,
}

/// The closure, if there is one.
#[derive(Default)]
pub(super) struct Rewriter(pub(super) Option<Box<Rewrite>>);

pub(super) type Rewrite = dyn FnMut(&BrokerAnswer<'_>) -> Rewritten + Send;

impl Rewriter {
    /// What stands in the connection's queue for this answer.
    pub(super) fn answers(&mut self, frame: Frame, at: Instant) -> Vec<Answer> {
        let unchanged = |bytes| vec![Answer::Ready { at, frame: bytes }];
        let Some(rewrite) = &mut self.0 else {
            return unchanged(frame.bytes);
        };
        let answer = BrokerAnswer {
            api: frame.api,
            version: frame.version,
            broker: frame.broker,
            correlation_id: frame.correlation_id,
            body: frame.bytes.get(LENGTH_BYTES + frame.header_bytes..).unwrap_or_default(),
            flexible_header: frame.header_bytes > CORRELATION_ID_BYTES,
        };
        match rewrite(&answer) {
            Rewritten::Unchanged => unchanged(frame.bytes),
            Rewritten::Body(body) => unchanged(answer.frame(answer.correlation_id, &body)),
            Rewritten::Nothing => Vec::new(),
            Rewritten::Raw(bytes) => unchanged(bytes),
            Rewritten::Pieces(pieces) => {
                let mut at = at;
                let later = |(by, frame)| {
                    at += by;
                    Answer::Ready { at, frame }
                };
                pieces.into_iter().map(later).collect()
            }
            Rewritten::Close(bytes) => vec![Answer::Ready { at, frame: bytes }, Answer::Close { at }],
        }
    }
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Rewriter(set)" } else { "Rewriter(none)" })
    }
}

const LENGTH_BYTES: usize = 4;
const CORRELATION_ID_BYTES: usize = 4;
