//! How it is begun, and begun again (KIP-899, KIP-1102).
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
use crate::metadata::Picture;
use crate::network::{Network, NetworkClient};
use crate::sender::client_request::{Effects, Turn};
use crate::sender::metadata_updater::MetadataUpdater;
use crate::sender::metadata_updater::bootstrap::Bootstrap;

impl MetadataUpdater {
    /// Looks up where to begin, as long as that is not known: a producer that has found nothing in time is of no use any more. Begins
    /// again where no broker has told of the cluster for too long.
    pub(in crate::sender) fn bootstrap<N: Network, T>(
        &mut self,
        client: &mut NetworkClient<N, T>,
        turn: Turn,
    ) -> Effects {
        if let Some(lookup) = &mut self.bootstrap.lookup {
            if lookup.begun.is_none() {
                (lookup.begun, lookup.ask_at) = (Some(turn.now), Some(turn.now));
            }
            if lookup.give_up_at().is_some_and(|at| at <= turn.read_until) {
                // Nothing else can have gone wrong yet.
                let error = lookup.given_up(lookup.begun.and_then(|begun| self.heard.last_error(begun)));
                self.bootstrap.lookup = None;
                return Effects::fatal(error);
            }
            if lookup.ask_at.take_if(|at| *at <= turn.now).is_some() {
                client.look_up(&lookup.names);
            }
        }
        if self.rebootstrap_due().is_some_and(|due| due <= turn.read_until) {
            return self.rebootstrap("no metadata for metadata.recovery.rebootstrap.trigger.ms", turn.now);
        }
        Effects::none()
    }

    /// What came of looking up where to begin.
    pub(in crate::sender) fn looked_up(
        &mut self,
        servers: Result<Vec<Node>, Error>,
        now: Instant,
    ) -> Effects {
        // Otherwise the answer comes too late.
        let Some(lookup) = &mut self.bootstrap.lookup else { return Effects::none() };
        match servers {
            Ok(servers) => {
                self.bootstrap = Bootstrap::found(servers);
                Effects { beginning: Some(self.begin()), ..Effects::none() }
            }
            Err(error) => {
                logging::debug!("{error}");
                lookup.ask_at = now.checked_add(self.retry_backoff.after(0, &mut self.random));
                self.heard.error(error, now);
                Effects::none()
            }
        }
    }

    /// When metadata has been sought for too long.
    pub(super) fn rebootstrap_due(&self) -> Option<Instant> {
        let since = self.bootstrap.seeking_since.filter(|_| self.rebootstraps())?;
        since.checked_add(self.settings.metadata_recovery_rebootstrap_trigger + LONGER)
    }

    /// Begins again where none of the known brokers can be reached: each has failed since they are asked for news, or a
    /// moment ago. Java does so where all of them fail in the same moment, which addresses that give no answer do not do: they
    /// end one after the other, and one is always tried again. And it does so where all have asked for a pause, and breaks it
    /// by a new connection to the same broker.
    pub(super) fn rebootstrap_if_out_of_reach<N: Network, T>(
        &mut self,
        client: &NetworkClient<N, T>,
        since: Instant,
        now: Instant,
    ) -> Option<Picture> {
        let cluster = self.metadata.cluster();
        let lost = |node| client.is_out_of_reach(node, now) || client.has_failed_since(node, since);
        let is_lost = self.rebootstraps() && !cluster.is_bootstrap() && cluster.nodes().all(lost);
        is_lost.then(|| self.begin_again("none of the known brokers can be used", now))
    }

    /// Leaves the known brokers, whose connections may stand, and begins again.
    pub(super) fn rebootstrap(&mut self, why: &'static str, now: Instant) -> Effects {
        let disconnect = self.metadata.cluster().nodes().map(|node| (node.id(), why)).collect();
        Effects { disconnect, beginning: Some(self.begin_again(why, now)), ..Effects::none() }
    }

    pub(super) fn rebootstraps(&self) -> bool {
        self.settings.metadata_recovery_strategy == MetadataRecoveryStrategy::Rebootstrap
    }

    fn begin_again(&mut self, why: &'static str, now: Instant) -> Picture {
        match self.bootstrap.notices.happened(&(), why, now) {
            Some(repeats) => logging::info!("{why}: beginning again with bootstrap.servers{repeats}"),
            None => logging::debug!("{why}: beginning again with bootstrap.servers"),
        }
        self.begin()
    }

    fn begin(&mut self) -> Picture {
        let picture = self.metadata.begin(self.bootstrap.servers());
        self.bootstrap.seeking_since = None;
        picture
    }
}

/// Java counts whole milliseconds, and waits for more of them than it was told.
const LONGER: Duration = Duration::from_millis(1);
