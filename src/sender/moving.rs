//! What follows when another cluster answers than before.
//!
//! Owns: the choice between following and the end, and what is left behind. Must not know: how it was noticed.

use std::time::Instant;

use crate::config::ClusterChange;
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::network::Network;
use crate::protocol::MetadataResponse;
use crate::record::TopicName;
use crate::sender::Sender;
use crate::sender::home::Moved;

impl<N: Network> Sender<N> {
    /// Whether it matters that nothing is sent to a broker before it has shown which cluster it belongs to.
    pub(super) fn minds_the_cluster(&self) -> bool {
        self.transaction.is_idempotent() || self.settings.cluster_change == ClusterChange::Fail
    }

    /// Looks at which cluster has answered. None where this producer may not go on with it; else whether it was set up anew
    /// under its old id.
    pub(super) fn look_who_answers(
        &mut self,
        response: &MetadataResponse,
        node: i32,
        now: Instant,
    ) -> Option<bool> {
        let moved = self.home.answered(response.cluster_id.as_deref());
        if let Some(Moved { from, to }) = moved {
            let (from, to) = (from.escape_debug(), to.escape_debug());
            let what = format!("the cluster is another one now: its id was \"{from}\" and is \"{to}\"");
            return self.may_follow(&what, node, now).then(|| {
                self.move_on(node, now);
                false
            });
        }
        let is_set_up_anew = self.shows_other_topics(response);
        if is_set_up_anew && !self.may_follow(SET_UP_ANEW, node, now) {
            return None;
        }
        Some(is_set_up_anew)
    }

    /// Looks at the ids of topics: where the brokers began anew and all topics are others, so is the cluster, though its
    /// id may have been given to it again. It may give the same producer ids to others.
    fn shows_other_topics(&mut self, response: &MetadataResponse) -> bool {
        let known = self.metadata.cluster();
        let id_of = |name: &TopicName| known.topic(name).map(|known| known.id).filter(|id| !id.is_zero());
        let with_ids = response.topics.iter().filter(|topic| !topic.topic_id.is_zero());
        let told = with_ids.filter_map(|topic| Some((&topic.name, topic.topic_id == id_of(&topic.name)?)));
        self.home.is_set_up_anew(told, self.metadata.asks_for_all())
    }

    /// Another cluster answers: it is followed with a warning, or this producer ends.
    fn may_follow(&mut self, what: &str, node: i32, now: Instant) -> bool {
        match self.settings.cluster_change {
            ClusterChange::Follow => {
                let id = if self.transaction.is_idempotent() { " under a new producer id" } else { "" };
                logging::warn!(
                    "{what}; what is not acknowledged yet, and all that comes, goes to this one{id} \
                     (metadata.cluster.change=follow)"
                );
                true
            }
            ClusterChange::Fail => {
                let text = format!("{what}; nothing is sent to it (metadata.cluster.change=fail)");
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

    /// Lets go of the producer id. What was on its way is numbered anew.
    pub(super) fn become_another(&mut self) {
        if self.transaction.is_idempotent() {
            self.transaction.begin_anew();
            self.drain.forget_stamps();
            self.gate_changed = true;
        }
    }
}

const SET_UP_ANEW: &str = "the brokers were connected anew, and all topics have other ids: the cluster was probably set up \
                           anew under its old id, and what was acknowledged before may be gone";
