//! `Handshake`: what is said on a connection before the first request of the caller, and again while it stands.
//!
//! Owns: the list of steps, and how far it has come. Must not know: sockets, frames, what the steps say.
//! Holds: as long as it runs, no request of the caller goes; those that went before are answered before, as brokers answer
//! in order.

use std::collections::VecDeque;

use super::api_versions_step::ApiVersionsStep;
use super::handshake_step::{Asking, HandshakeStep, StepAction, StepFindings, StepProgress};
use crate::error::Error;
use crate::planted::{Defect, planted};
use crate::protocol::BrokerVersions;

/// The steps of a connection, one after another.
#[derive(Debug)]
pub(super) struct Handshake {
    /// What is not over, the present one first.
    steps: VecDeque<Box<dyn HandshakeStep>>,
    findings: StepFindings,
    /// The broker is told who we are.
    authenticates: bool,
    /// The present step waits for something in the background.
    waits: bool,
    /// What it waits for, where that is known.
    awaited: Option<&'static str>,
}

/// How it stands after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something else is to be said, which `next` gives.
    Continue,
    /// All is said: see `take_findings`.
    Done,
}

impl Handshake {
    /// That of a new connection: the versions first.
    pub(super) fn new(authentication: Vec<Box<dyn HandshakeStep>>) -> Self {
        let authenticates = !authentication.is_empty();
        let mut steps = VecDeque::from(authentication);
        steps.push_front(Box::new(ApiVersionsStep::new()));
        Handshake { steps, findings: StepFindings::default(), authenticates, waits: false, awaited: None }
    }

    /// Begins these steps on a connection that stands.
    pub(super) fn begin_again(&mut self, authentication: Vec<Box<dyn HandshakeStep>>) {
        self.steps = authentication.into();
    }

    pub(super) fn is_running(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The broker is told who we are.
    pub(super) fn authenticates(&self) -> bool {
        self.authenticates
    }

    /// The present step waits for something in the background.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits
    }

    /// What is had in the background, and the present step waits for.
    pub(super) fn awaited(&self) -> &'static str {
        self.awaited.unwrap_or("what it needs")
    }

    /// What the present step is called.
    pub(super) fn step_name(&self) -> Option<&'static str> {
        self.steps.front().map(|step| step.name())
    }

    /// What comes next; none where all is said. `known`: what the broker speaks, where that is known from before.
    pub(super) fn next(
        &mut self,
        correlation_id: i32,
        client_id: &str,
        known: Option<&BrokerVersions>,
    ) -> Result<Option<StepAction>, Error> {
        let Some(step) = self.steps.front_mut() else { return Ok(None) };
        let versions = self.findings.versions.as_ref().or(known);
        let action = step.next(&Asking { correlation_id, client_id, versions })?;
        self.waits = matches!(action, StepAction::Wait(_));
        if let StepAction::Wait(Some(work)) = &action {
            self.awaited = Some(work.name());
        }
        Ok(Some(action))
    }

    /// Takes the answer to the last request.
    pub(super) fn answered(&mut self, frame: &[u8]) -> Result<Progress, Error> {
        let Some(step) = self.steps.front_mut() else { return Ok(Progress::Done) };
        if let StepProgress::Done(findings) = step.answered(frame)? {
            self.findings.versions = findings.versions.or(self.findings.versions.take());
            self.findings.pause = self.findings.pause.max(findings.pause);
            self.findings.session = findings.session.or(self.findings.session);
            self.steps.pop_front();
            if planted(Defect::LoginSkipped) {
                self.steps.clear();
            }
        }
        Ok(if self.steps.is_empty() { Progress::Done } else { Progress::Continue })
    }

    /// What all steps have found out.
    pub(super) fn take_findings(&mut self) -> StepFindings {
        std::mem::take(&mut self.findings)
    }
}
