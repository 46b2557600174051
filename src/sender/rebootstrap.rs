//! How the sender begins, and begins again (KIP-899, KIP-1102).
//!
//! Owns: when the known brokers are left for those of `bootstrap.servers`. Must not know: how a broker is chosen and
//! asked.
//! Holds: with `metadata.recovery.strategy=none` the brokers of a picture are left only for those of a newer one.
//! Source: Kafka's `NetworkClient.handleRebootstrap` and `DefaultMetadataUpdater`. Java forgets the topics as well, so
//! that `send` waits; here they stay known, and records for them are taken while the cluster is away.

use std::time::{Duration, Instant};

use crate::cluster::Node;
use crate::config::MetadataRecoveryStrategy;
use crate::error::Error;
use crate::logging;
use crate::network::Network;
use crate::sender::Sender;
use crate::sender::bootstrap::Bootstrap;

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
        let picture = self.metadata.beginning(self.bootstrap.servers());
        self.take_over(&picture, now);
        self.metadata.publish_beginning(picture);
        self.bootstrap.seeking_since = None;
    }
}

/// Java counts whole milliseconds, and waits for more of them than it was told.
const LONGER: Duration = Duration::from_millis(1);
