//! The answers of one connection, in the order of its requests.
//!
//! Owns: what still has to be told, and when. Must not know: what the answers say.
//! Holds: an answer never overtakes an earlier one; an answer that never comes holds up all behind it.

use std::collections::VecDeque;
use std::time::Instant;

use super::fetch::WaitingFetch;
use super::sasl::Login;

#[derive(Debug)]
pub(super) enum Answer {
    Ready {
        at: Instant,
        frame: Vec<u8>,
    },
    /// Closes the connection, once all before it has been told.
    Close {
        at: Instant,
    },
    /// Never comes.
    Lost,
    /// A Fetch for which there is not enough to read yet.
    Waiting(Box<WaitingFetch>),
}

impl Answer {
    /// When something is to happen; `None` if not by time alone.
    pub(super) fn at(&self) -> Option<Instant> {
        match self {
            Self::Ready { at, .. } | Self::Close { at } => Some(*at),
            Self::Waiting(fetch) => Some(fetch.deadline),
            Self::Lost => None,
        }
    }
}

/// One connection to one broker.
#[derive(Debug)]
pub(super) struct ClientConnection {
    pub(super) broker: i32,
    pub(super) answers: VecDeque<Answer>,
    /// How far its login has come, where brokers want one.
    pub(super) login: Login,
}

impl ClientConnection {
    pub(super) fn new(broker: i32) -> Self {
        Self { broker, answers: VecDeque::new(), login: Login::default() }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.answers.front().and_then(Answer::at)
    }

    /// The next answer, if its time has come and it waits for nothing else.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Answer> {
        match self.answers.front()? {
            Answer::Ready { at, .. } | Answer::Close { at } if *at <= now => self.answers.pop_front(),
            _ => None,
        }
    }

    /// The Fetch that holds up the others, if that is what they wait for.
    pub(super) fn waiting_fetch(&self) -> Option<&WaitingFetch> {
        match self.answers.front()? {
            Answer::Waiting(fetch) => Some(fetch),
            _ => None,
        }
    }
}
