//! `Bootstrap`: where to begin (KIP-909).
//!
//! Owns: the servers to begin with, the look-up of their names in the background, and how long news of the cluster have
//! been asked for in vain. Must not know: who begins with it, and begins again (`rebootstrap.rs`).
//! Source: Kafka's `BootstrapResolver`.

use std::time::{Duration, Instant};

use crate::cluster::Node;
use crate::error::Error;
use crate::network::BootstrapServers;
use crate::notices::Notices;

/// Where to begin, and when to begin again.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    /// None as long as they are looked up.
    servers: Vec<Node>,
    pub(super) lookup: Option<Lookup>,
    /// Since when metadata is asked for without an answer that helps: Java's `metadataAttemptStartMs`.
    pub(super) seeking_since: Option<Instant>,
    /// That it was begun again, and why.
    pub(super) notices: Notices<(), &'static str>,
}

/// Names that are looked up in the background.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) names: BootstrapServers,
    patience: Duration,
    /// The first turn; none before it.
    pub(super) begun: Option<Instant>,
    /// When to ask, or ask again; none while an answer is waited for.
    pub(super) ask_at: Option<Instant>,
}

impl Bootstrap {
    /// The names have been looked up.
    pub(crate) fn found(servers: Vec<Node>) -> Bootstrap {
        Bootstrap { servers, lookup: None, seeking_since: None, notices: Notices::new() }
    }

    /// The names are to be looked up, for no longer than `patience`.
    pub(crate) fn look_up(names: BootstrapServers, patience: Duration) -> Bootstrap {
        let lookup = Lookup { names, patience, begun: None, ask_at: None };
        Bootstrap { servers: Vec::new(), lookup: Some(lookup), seeking_since: None, notices: Notices::new() }
    }

    pub(super) fn servers(&self) -> &[Node] {
        &self.servers
    }

    /// When the look-up has to go on, or to be given up.
    pub(super) fn due(&self) -> Option<Instant> {
        let lookup = self.lookup.as_ref()?;
        lookup.ask_at.into_iter().chain(lookup.give_up_at()).min()
    }

    /// Metadata is due: the time for finding it runs from now on, if it does not run already. Returns since when.
    pub(super) fn seek(&mut self, now: Instant) -> Instant {
        *self.seeking_since.get_or_insert(now)
    }

    /// Extends the time for looking up servers and finding the cluster by this much.
    pub(super) fn postpone(&mut self, by: Duration) {
        let lookup = self.lookup.as_mut().and_then(|lookup| lookup.begun.as_mut());
        for begun in self.seeking_since.iter_mut().chain(lookup) {
            *begun = begun.checked_add(by).unwrap_or(*begun);
        }
    }

    /// A broker has told of the cluster.
    pub(super) fn sought(&mut self) {
        self.seeking_since = None;
    }
}

impl Lookup {
    pub(super) fn give_up_at(&self) -> Option<Instant> {
        self.begun?.checked_add(self.patience)
    }

    pub(super) fn given_up(&self, last_error: Option<Error>) -> Error {
        let within = format!("within bootstrap.resolve.timeout.ms={}", self.patience.as_millis());
        let text = match last_error {
            Some(error) => format!("{error}; none was found {within}"),
            None => format!("bootstrap.servers {} could not be looked up {within}", self.names.names()),
        };
        Error::config(text).with_fatal()
    }
}
