//! `Plan`: what the application does and what goes wrong, and when.
//!
//! Owns: the order of steps. Must not know: how they are carried out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::embedded::Fault;
use crate::sender::simulation::application::{Act, Application};
use crate::sender::simulation::weather::Weather;

/// Something that happens at a time of its own.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Application(Act),
    Fault(Fault),
    Stop(i32),
    Start(i32),
    MoveLeader(i32, i32),
    /// For so long nothing passes between this broker and the client.
    Stall(i32, Duration),
    /// All connections to this broker break.
    Cut(i32),
    /// The lines become better or worse.
    Weather(Weather),
    /// From now on nothing goes wrong any more.
    Calm,
}

pub(super) struct Plan {
    pub(super) application: Application,
    steps: VecDeque<(Instant, Step)>,
}

impl Plan {
    pub(super) fn new(application: Application) -> Plan {
        Plan { application, steps: VecDeque::new() }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.steps.front().map(|(time, _)| *time).into_iter().chain(self.application.next()).min()
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Step> {
        if self.application.next().is_some_and(|retry| retry <= now) {
            self.application.go_on(now);
        }
        let is_due = self.steps.front().is_some_and(|(time, _)| *time <= now);
        if is_due { self.steps.pop_front().map(|(_, step)| step) } else { None }
    }

    /// Adds a step at the end.
    pub(super) fn push(&mut self, at: Instant, step: Step) {
        self.steps.push_back((at, step));
    }

    /// Adds steps, at times after `start`, in any order; those at one time happen in the order given.
    pub(super) fn extend(&mut self, start: Instant, mut steps: Vec<(Duration, Step)>) {
        steps.sort_by_key(|(time, _)| *time);
        self.steps.extend(steps.into_iter().map(|(time, step)| (start + time, step)));
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }
}
