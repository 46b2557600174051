//! What goes between the loop and the sender's parts: requests (`ClientRequest`), what came of them (`ClientResponse`), the
//! time of a turn (`Turn`), and what follows for the whole sender from what a part was told (`Effects`).
//!
//! Owns: a request before it is sent, what comes of it, the one step in which an answer is read, and what may follow. Must
//! not know: which kinds of requests there are; how effects are carried out: the loop does that, in one place.

use std::time::Instant;

use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::metadata::Picture;
use crate::network::{Expect, Network, NetworkClient};
use crate::protocol::{Request, Response};
use crate::record::TopicName;
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

/// What follows, in the order in which it is carried out.
#[derive(Default)]
#[must_use = "what follows has to be carried out"]
pub(super) struct Effects {
    /// Connections to end, and why.
    pub(super) disconnect: Vec<(i32, &'static str)>,
    /// It is begun with other brokers, or again: batches go by this picture of the cluster.
    pub(super) beginning: Option<Picture>,
    /// A broker has told of the cluster: batches go by that at once, and it is published after the next step.
    pub(super) metadata: Option<NewMetadata>,
    /// The batches go to another cluster from now on: nothing is known there of this producer.
    pub(super) other_cluster: bool,
    /// Topics that nobody uses any more; none where that was not looked at.
    pub(super) idle_topics: Option<Vec<TopicName>>,
    /// The sequences may let go by now what they held back.
    pub(super) sequences_changed: bool,
    /// This broker does not believe who we are, or we do not believe who it is: what waits for it fails.
    pub(super) not_authenticated: Option<(i32, Error)>,
    /// No producer id is to be had: what waits for one fails.
    pub(super) no_producer_id: Option<Error>,
    /// Nothing can be sent any more.
    pub(super) fatal: Option<Error>,
}

/// What a broker has told of the cluster.
pub(super) struct NewMetadata {
    /// Threads that wait for it are woken once everything here goes by it.
    pub(super) picture: Picture,
    /// The topics that it told of.
    pub(super) topics: Vec<(TopicName, ErrorCode)>,
}

impl Effects {
    pub(super) fn none() -> Effects {
        Effects::default()
    }

    pub(super) fn fatal(error: Error) -> Effects {
        Effects { fatal: Some(error), ..Effects::default() }
    }
}

/// The time of one turn of the sender's loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) now: Instant,
    /// Everything that brokers had sent up to this time was read: what depends on their answers is late by this clock.
    pub(super) read_until: Instant,
}
