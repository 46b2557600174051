//! `Bootstrap`: where to begin, and when to begin again (KIP-899, KIP-1102).
//!
//! Owns: the servers to begin with, and how long news of the cluster have been asked for in vain. Must not know: how a
//! broker is chosen and asked.
//! Holds: with `metadata.recovery.strategy=none` the brokers of a picture are left only for those of a newer one.
//! Source: Kafka's `NetworkClient.handleRebootstrap` and `DefaultMetadataUpdater`. Java forgets the topics as well, so
//! that `send` waits; here they stay known, and records for them are taken while the cluster is away.

use std::time::{Duration, Instant};

use crate::cluster::Node;
use crate::config::MetadataRecoveryStrategy;
use crate::network::Network;
use crate::sender::Sender;

/// Where to begin, and when to begin again.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    servers: Vec<Node>,
    /// Since when metadata is asked for without an answer that helps: Java's `metadataAttemptStartMs`.
    seeking_since: Option<Instant>,
}

impl Bootstrap {
    pub(crate) fn new(servers: Vec<Node>) -> Bootstrap {
        Bootstrap { servers, seeking_since: None }
    }

    pub(super) fn servers(&self) -> &[Node] {
        &self.servers
    }

    /// Metadata is due: the time for finding it runs from now on, if it does not run already.
    pub(super) fn seek(&mut self, now: Instant) {
        self.seeking_since.get_or_insert(now);
    }

    /// A broker has told of the cluster.
    pub(super) fn found(&mut self) {
        self.seeking_since = None;
    }
}

impl<N: Network> Sender<N> {
    /// When metadata has been sought for too long.
    pub(super) fn rebootstrap_due(&self) -> Option<Instant> {
        let since = self.bootstrap.seeking_since.filter(|_| self.rebootstraps())?;
        since.checked_add(self.settings.rebootstrap_trigger + LONGER)
    }

    /// Begins again where none of the known brokers can be used: each has failed a moment ago, or asked for a pause.
    pub(super) fn recover(&mut self, now: Instant) {
        let cluster = self.metadata.cluster();
        let is_usable = |node| self.client.not_before(node, now).is_none();
        if self.rebootstraps() && !cluster.is_bootstrap() && !cluster.nodes().any(is_usable) {
            self.begin_again("none of the known brokers can be used", now);
        }
    }

    /// Leaves the known brokers, whose connections may stand, and begins again.
    pub(super) fn rebootstrap(&mut self, why: &str, now: Instant) {
        for node in self.metadata.cluster().nodes() {
            self.client.disconnect(node.id(), now);
        }
        self.begin_again(why, now);
    }

    pub(super) fn rebootstraps(&self) -> bool {
        self.settings.metadata_recovery == MetadataRecoveryStrategy::Rebootstrap
    }

    fn begin_again(&mut self, why: &str, now: Instant) {
        log::info!("{why}: beginning again with bootstrap.servers");
        let cluster = self.metadata.beginning(&self.bootstrap.servers);
        self.accumulator.update_topics(&cluster);
        self.drain.update_cluster(&cluster, now);
        self.metadata.publish_beginning(cluster);
        self.bootstrap.seeking_since = None;
    }
}

/// Java counts whole milliseconds, and waits for more of them than it was told.
const LONGER: Duration = Duration::from_millis(1);
