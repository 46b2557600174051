//! `Bootstrap`: where to begin (KIP-909), and when to begin again (KIP-899, KIP-1102).
//!
//! Owns: the servers to begin with, the look-up of their names in the background, and how long news of the cluster have
//! been asked for in vain. Must not know: how a broker is chosen and asked.
//! Holds: with `metadata.recovery.strategy=none` the brokers of a picture are left only for those of a newer one.
//! Source: Kafka's `BootstrapResolver`, `NetworkClient.handleRebootstrap` and `DefaultMetadataUpdater`. Java forgets the
//! topics as well, so that `send` waits; here they stay known, and records for them are taken while the cluster is away.

use std::time::{Duration, Instant};

use crate::cluster::Node;
use crate::config::MetadataRecoveryStrategy;
use crate::error::Error;
use crate::logging;
use crate::network::{BootstrapServers, Network};
use crate::notices::Notices;
use crate::sender::Sender;

/// Where to begin, and when to begin again.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    /// None as long as they are looked up.
    servers: Vec<Node>,
    lookup: Option<Lookup>,
    /// Since when metadata is asked for without an answer that helps: Java's `metadataAttemptStartMs`.
    seeking_since: Option<Instant>,
    /// That it was begun again, and why.
    notices: Notices<(), &'static str>,
}

/// Names that are looked up in the background.
#[derive(Debug)]
struct Lookup {
    names: BootstrapServers,
    patience: Duration,
    /// From the first turn on.
    give_up_at: Option<Instant>,
    /// When to ask, or ask again; none while an answer is waited for.
    ask_at: Option<Instant>,
    last_error: Option<Error>,
}

impl Bootstrap {
    /// The names have been looked up.
    pub(crate) fn found(servers: Vec<Node>) -> Bootstrap {
        Bootstrap { servers, lookup: None, seeking_since: None, notices: Notices::new() }
    }

    /// The names are to be looked up, for no longer than `patience`.
    pub(crate) fn look_up(names: BootstrapServers, patience: Duration) -> Bootstrap {
        let lookup = Lookup { names, patience, give_up_at: None, ask_at: None, last_error: None };
        Bootstrap { servers: Vec::new(), lookup: Some(lookup), seeking_since: None, notices: Notices::new() }
    }

    pub(super) fn servers(&self) -> &[Node] {
        &self.servers
    }

    /// When the look-up has to go on, or to be given up.
    pub(super) fn due(&self) -> Option<Instant> {
        let lookup = self.lookup.as_ref()?;
        lookup.ask_at.into_iter().chain(lookup.give_up_at).min()
    }

    /// Metadata is due: the time for finding it runs from now on, if it does not run already.
    pub(super) fn seek(&mut self, now: Instant) {
        self.seeking_since.get_or_insert(now);
    }

    /// A broker has told of the cluster.
    pub(super) fn sought(&mut self) {
        self.seeking_since = None;
    }
}

impl Lookup {
    fn given_up(&self) -> Error {
        let within = format!("within bootstrap.resolve.timeout.ms={}", self.patience.as_millis());
        let text = match &self.last_error {
            Some(error) => format!("{error}; none was found {within}"),
            None => format!("bootstrap.servers {} could not be looked up {within}", self.names.names()),
        };
        Error::config(text).with_fatal()
    }
}

impl<N: Network> Sender<N> {
    /// Looks up where to begin, as long as that is not known. Who has found nothing in time is of no use any more.
    pub(super) fn look_up(&mut self, now: Instant) {
        let heard = self.heard(now);
        let Some(lookup) = &mut self.bootstrap.lookup else { return };
        if lookup.give_up_at.is_none() {
            (lookup.give_up_at, lookup.ask_at) = (now.checked_add(lookup.patience), Some(now));
        }
        if lookup.give_up_at.is_some_and(|at| at <= heard) {
            let error = lookup.given_up();
            self.bootstrap.lookup = None;
            self.become_fatal(error, now);
        } else if lookup.ask_at.take_if(|at| *at <= now).is_some() {
            self.client.look_up(&lookup.names);
        }
    }

    pub(super) fn looked_up(&mut self, servers: Result<Vec<Node>, Error>, now: Instant) {
        // Otherwise the answer comes too late.
        let Some(lookup) = &mut self.bootstrap.lookup else { return };
        match servers {
            Ok(servers) => {
                self.bootstrap = Bootstrap::found(servers);
                self.begin(now);
            }
            Err(error) => {
                logging::debug!("{error}");
                lookup.ask_at = now.checked_add(self.settings.retry_backoff.after(0, &mut self.random));
                lookup.last_error = Some(error.clone());
                self.metadata.note_error(error, now);
            }
        }
    }

    /// When metadata has been sought for too long.
    pub(super) fn rebootstrap_due(&self) -> Option<Instant> {
        let since = self.bootstrap.seeking_since.filter(|_| self.rebootstraps())?;
        since.checked_add(self.settings.rebootstrap_trigger + LONGER)
    }

    /// Begins again where none of the known brokers can be reached: each has failed a moment ago. Java does so as well where
    /// all have asked for a pause, and breaks it by a new connection to the same broker.
    pub(super) fn recover(&mut self, now: Instant) {
        let cluster = self.metadata.cluster();
        let lost = |node| self.client.is_out_of_reach(node, now);
        if self.rebootstraps() && !cluster.is_bootstrap() && cluster.nodes().all(lost) {
            self.begin_again("none of the known brokers can be used", now);
        }
    }

    /// Leaves the known brokers, whose connections may stand, and begins again.
    pub(super) fn rebootstrap(&mut self, why: &'static str, now: Instant) {
        for node in self.metadata.cluster().nodes() {
            self.client.disconnect(node.id(), why, now);
        }
        self.begin_again(why, now);
    }

    pub(super) fn rebootstraps(&self) -> bool {
        self.settings.metadata_recovery == MetadataRecoveryStrategy::Rebootstrap
    }

    fn begin_again(&mut self, why: &'static str, now: Instant) {
        match self.bootstrap.notices.happened(&(), why, now) {
            Some(repeats) => logging::info!("{why}: beginning again with bootstrap.servers{repeats}"),
            None => logging::debug!("{why}: beginning again with bootstrap.servers"),
        }
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        let picture = self.metadata.beginning(&self.bootstrap.servers);
        self.take_over(&picture, now);
        self.metadata.publish_beginning(picture);
        self.bootstrap.seeking_since = None;
    }
}

/// Java counts whole milliseconds, and waits for more of them than it was told.
const LONGER: Duration = Duration::from_millis(1);
