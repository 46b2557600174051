//! What follows when another cluster answers than before.
//!
//! Owns: the choice between following and the end (`metadata.cluster.change`), and what is left behind. Must not know: how
//! it was noticed.

use crate::config::ClusterChange;
use crate::error::{Error, ErrorKind};
use crate::log_labels::LogLabels;
use crate::logging;
use crate::protocol::MetadataResponse;
use crate::record::TopicName;
use crate::sender::client_request::Effects;
use crate::sender::metadata_updater::MetadataUpdater;
use crate::sender::metadata_updater::cluster_identity::Moved;

impl MetadataUpdater {
    /// Whether it matters that nothing is sent to a broker before it has shown which cluster it belongs to.
    pub(super) fn minds_the_cluster(&self) -> bool {
        self.settings.enable_idempotence || self.settings.metadata_cluster_change == ClusterChange::Fail
    }

    /// Whether no batch may go to this broker yet, since it may belong to another cluster by now.
    pub(in crate::sender) fn is_unconfirmed(&self, node: i32) -> bool {
        self.minds_the_cluster() && self.identity.is_unconfirmed(node)
    }

    /// Looks at which cluster has answered. An error where this producer may not go on with it.
    pub(super) fn look_who_answers(
        &mut self,
        response: &MetadataResponse,
        node: i32,
    ) -> Result<Effects, Error> {
        let moved = self.identity.answered(response.cluster_id.as_deref());
        if let Some(Moved { from, to }) = moved {
            let (from, to) = (from.escape_debug(), to.escape_debug());
            let what = format!("the cluster is another one now: its id was \"{from}\" and is \"{to}\"");
            self.may_follow(&what, node)?;
            return Ok(self.move_on(node));
        }
        let other_cluster = self.shows_other_topics(response);
        if other_cluster {
            self.may_follow(SET_UP_ANEW, node)?;
        }
        Ok(Effects { other_cluster, ..Effects::none() })
    }

    /// Looks at the ids of topics: where the brokers began anew and all topics are others, so is the cluster, though its
    /// id may have been given to it again. It may give the same producer ids to others. An id that a topic had before shows
    /// a broker that lags behind, and nothing else: were it believed, each change of brokers would number anew what is in doubt.
    fn shows_other_topics(&mut self, response: &MetadataResponse) -> bool {
        let known = self.metadata.cluster();
        let id_of = |name: &TopicName| known.topic(name).map(|known| known.id).filter(|id| !id.is_zero());
        let with_ids = response.topics.iter().filter(|topic| !topic.topic_id.is_zero());
        let identity = &mut self.identity;
        let told: Vec<_> = with_ids
            .filter_map(|topic| {
                let known = id_of(&topic.name)?;
                let is_what_it_was = topic.topic_id == known;
                (is_what_it_was || identity.is_news(known, topic.topic_id))
                    .then_some((&topic.name, is_what_it_was))
            })
            .collect();
        identity.is_set_up_anew(told, self.metadata.asks_for_all())
    }

    /// Another cluster answers: it is followed with a warning, or this producer ends.
    fn may_follow(&self, what: &str, node: i32) -> Result<(), Error> {
        match self.settings.metadata_cluster_change {
            ClusterChange::Follow => {
                let id = if self.settings.enable_idempotence { " under a new producer id" } else { "" };
                logging::warn!(
                    labels: LogLabels::of_node(node),
                    "{what}; what is not acknowledged yet, and all that comes, goes to this one{id} \
                     (metadata.cluster.change=follow)"
                );
                Ok(())
            }
            ClusterChange::Fail => {
                let text = format!("{what}; nothing is sent to it (metadata.cluster.change=fail)");
                let error = Error::new(ErrorKind::Broker, text).with_fatal();
                Err(if node >= 0 { error.with_node(node) } else { error })
            }
        }
    }

    /// Leaves the old cluster for that of `node`: its connections, its leaders, and the producer id. What was on its way
    /// is numbered anew, so that in neither log anything can be taken for something else.
    fn move_on(&mut self, node: i32) -> Effects {
        let cluster = self.metadata.cluster();
        let others = cluster.nodes().filter(|old| old.id() != node);
        let why = "it belongs to another cluster than before";
        let disconnect = others.map(|old| (old.id(), why)).collect();
        let beginning = Some(self.metadata.begin(&[]));
        Effects { disconnect, beginning, other_cluster: true, ..Effects::none() }
    }
}

const SET_UP_ANEW: &str = "the brokers were connected anew, and all topics have other ids: the cluster was probably set up \
                           anew under its old id, and what was acknowledged before may be gone";
