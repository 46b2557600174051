//! `HandshakeStep`: one of the things that are said on a connection before the caller's requests, or again between them.
//!
//! Owns: the trait and its words. Must not know: which steps there are, sockets, frames.
//! Holds: what fails says so by an error of its kind, with the broker's code where that has one, all the way to whoever
//! waits.

use std::fmt;
use std::time::Duration;

use super::job::BackgroundWork;
use crate::error::Error;
use crate::protocol::BrokerVersions;
use crate::wire::EncodedMessage;

/// A step: some requests, one after another, each with an answer.
pub(crate) trait HandshakeStep: fmt::Debug + Send {
    /// What it is called in errors.
    fn name(&self) -> &'static str;

    /// What comes next in this step.
    fn next(&mut self, asking: &Asking<'_>) -> Result<StepAction, Error>;

    /// Takes the answer to the last request: the frame without its size.
    fn answered(&mut self, frame: &[u8]) -> Result<StepProgress, Error>;
}

/// What a request of a step is made with.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) correlation_id: i32,
    pub(crate) client_id: &'a str,
    /// What the broker speaks; none before it has said so.
    pub(crate) versions: Option<&'a BrokerVersions>,
}

/// What a step wants.
#[derive(Debug)]
pub(crate) enum StepAction {
    /// This is to be sent.
    Send(StepRequest),
    /// Something else has to be had first. The work, if there is some, is begun in the background; the step is asked again
    /// whenever any is done.
    Wait(Option<BackgroundWork>),
}

/// A request of a step.
#[derive(Debug)]
pub(crate) struct StepRequest {
    pub(crate) message: EncodedMessage,
    pub(crate) version: i16,
    pub(crate) name: &'static str,
}

/// What follows on an answer.
#[derive(Debug)]
pub(crate) enum StepProgress {
    /// The step is not over.
    Continue,
    /// It is, and this is what came of it.
    Done(StepFindings),
}

/// What steps find out.
#[derive(Debug, Default)]
pub(crate) struct StepFindings {
    /// What the broker speaks.
    pub(crate) versions: Option<BrokerVersions>,
    /// How long the broker wants to be left alone.
    pub(crate) pause: Duration,
    /// For how long the broker believes who we are (KIP-368); none: as long as the connection stands.
    pub(crate) session: Option<Duration>,
}
