//! `ClientRequest`, `ClientResponse`: what all requests of the sender have in common, on their way out and back.
//!
//! Owns: a request before it is sent, what comes of it, and the one step in which an answer is read. Must not know: which
//! kinds of requests there are.

use std::time::Instant;

use crate::error::Error;
use crate::network::{Expect, Network, NetworkClient};
use crate::protocol::{Request, Response};
use crate::wire::{DecodeError, Decoder};

/// What a request was about, for its answer. Each kind of request has a type that implements this.
pub(super) trait Context {
    type Request: Request;

    /// Reads the answer's fields.
    fn decode(&mut self, input: &mut Decoder<'_>) -> Result<ResponseTo<Self>, DecodeError> {
        ResponseTo::<Self>::decode(input)
    }
}

pub(super) type ResponseTo<C> = <<C as Context>::Request as Request>::Response;

/// A request that is to be sent now.
pub(super) struct ClientRequest<C: Context> {
    pub(super) node: i32,
    pub(super) request: C::Request,
    pub(super) expect: Expect,
    pub(super) context: C,
}

/// What came of a request, for the part that made it.
pub(super) struct ClientResponse<C: Context> {
    /// Whom it was sent to.
    pub(super) node: i32,
    pub(super) response: Result<ResponseTo<C>, NoResponse>,
}

/// Why there is no answer that could be read.
pub(super) struct NoResponse {
    pub(super) error: Error,
    pub(super) progress: SendProgress,
}

/// How far a request came that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendProgress {
    /// It could not be sent to this broker at all.
    Refused,
    /// It was not wholly written.
    Queued,
    /// It went out whole: the broker may have acted on it.
    Written,
}

/// What the network has to tell of a request.
pub(super) enum Received {
    /// The answer, not read yet.
    Frame {
        version: i16,
        bytes: Vec<u8>,
    },
    Nothing(NoResponse),
}

impl Received {
    /// Reads the answer. One that cannot be read ends the connection, and counts as none.
    pub(super) fn read<C: Context, N: Network, T>(
        self,
        client: &mut NetworkClient<N, T>,
        node: i32,
        context: &mut C,
        now: Instant,
    ) -> ClientResponse<C> {
        let response = match self {
            Received::Frame { version, bytes } => {
                let decode = |input: &mut Decoder<'_>| context.decode(input);
                let read = client.read_with::<C::Request>(node, version, &bytes, now, decode);
                read.map_err(|error| NoResponse { error, progress: SendProgress::Written })
            }
            Received::Nothing(failure) => Err(failure),
        };
        ClientResponse { node, response }
    }
}
