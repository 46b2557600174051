//! What follows when another cluster answers than before.
//!
//! Owns: the choice between following and the end, and what is left behind. Must not know: how it was noticed.

use std::time::Instant;

use crate::config::ClusterChange;
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::network::Network;
use crate::planted::{Defect, planted};
use crate::sender::Sender;
use crate::sender::home::Moved;

impl<N: Network> Sender<N> {
    /// Looks at which cluster has answered. False where this producer may not go on with it.
    pub(super) fn is_at_home(&mut self, cluster_id: Option<&str>, node: i32, now: Instant) -> bool {
        let moved = self.home.answered(cluster_id).filter(|_| !planted(Defect::ClustersMix));
        let Some(Moved { from, to }) = moved else { return true };
        let text = format!(
            "the cluster is another one now: its id was \"{}\" and is \"{}\"",
            from.escape_debug(),
            to.escape_debug()
        );
        match self.settings.cluster_change {
            ClusterChange::Follow => {
                logging::warn!(
                    "{text}; what is not acknowledged yet, and all that comes, goes to this one under a new producer id \
                     (metadata.cluster.change=follow)"
                );
                self.move_on(node, now);
                true
            }
            ClusterChange::Fail => {
                let text = format!("{text}; nothing is sent to it (metadata.cluster.change=fail)");
                let error = Error::new(ErrorKind::Broker, text).with_fatal();
                self.become_fatal(if node >= 0 { error.with_node(node) } else { error }, now);
                false
            }
        }
    }

    /// Leaves the old cluster for that of `node`: its connections, its leaders, and the producer id. What was on its way
    /// is numbered anew, so that in neither log anything can be taken for something else.
    fn move_on(&mut self, node: i32, now: Instant) {
        for old in self.metadata.cluster().nodes().filter(|old| old.id() != node) {
            self.client.disconnect(old.id(), "it belongs to another cluster than before", now);
        }
        let nothing = self.metadata.beginning(&[]);
        self.take_over(&nothing, now);
        self.metadata.publish_beginning(nothing);
        self.become_another();
    }

    /// Looks at the topics that were told: where the brokers began anew and all topics are others, so is the cluster, though
    /// its id may have been given to it again. It may give the same producer ids to others.
    pub(super) fn look_at_topics(&mut self, some_are_the_same: bool, some_are_others: bool) {
        if self.home.is_set_up_anew(some_are_the_same, some_are_others) && self.transaction.is_idempotent() {
            logging::warn!(
                "the brokers were connected anew, and all topics have other ids: the cluster was probably set up \
                 anew under its old id; what was acknowledged before may be gone, and what is not acknowledged yet goes to \
                 it under a new producer id"
            );
            self.become_another();
        }
    }

    /// Lets go of the producer id. What was on its way is numbered anew.
    fn become_another(&mut self) {
        if self.transaction.is_idempotent() {
            self.transaction.begin_anew();
            self.drain.forget_stamps();
            self.gate_changed = true;
        }
    }
}
