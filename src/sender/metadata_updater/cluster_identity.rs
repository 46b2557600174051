//! `ClusterIdentity`: the cluster that the records go to, and the brokers that have yet to show that they still belong to it.
//!
//! Owns: the cluster's id, which brokers have been connected anew. Must not know: what follows when another cluster answers.
//! Holds: no batch that has a sequence goes to a broker that may belong to another cluster by now: there, the producer id
//! may be another producer's, and what is acknowledged as a repetition would not be in the log. Where another cluster is to
//! be the end, no batch at all does. Kafka's own client does not look at the cluster's id.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::planted::{Defect, planted};
use crate::record::TopicName;
use crate::uuid::Uuid;

/// The cluster that the records go to.
#[derive(Debug, Default)]
pub(super) struct ClusterIdentity {
    cluster_id: Option<String>,
    /// How often all topics have been asked for.
    asked: u64,
    connected_before: HashSet<i32>,
    /// Brokers that were connected anew, and how often all topics had been asked for by then.
    unconfirmed: HashMap<i32, u64>,
    /// How often all topics had been asked for when a connection last ended, as long as no answer to that has come since.
    lost: Option<u64>,
    /// A broker was connected anew, and no topic has shown since that it is the one it was.
    unproven: bool,
    /// The topics that have shown since to be others under their old names.
    others: HashSet<TopicName>,
    /// Ids that topics had when another was told, and those others.
    former_ids: VecDeque<Uuid>,
}

/// How many of them are kept: those of topics that were created again lately, while some broker may lag behind.
const MOST_FORMER_IDS: usize = 256;

/// Another cluster answers than before.
pub(super) struct Moved {
    pub(super) from: String,
    pub(super) to: String,
}

impl ClusterIdentity {
    /// Metadata is asked for, of all topics or of some. What a broker tells of some does not show whether the others are
    /// what they were.
    pub(super) fn ask(&mut self, all: bool) {
        self.asked += u64::from(all);
    }

    /// A connection has ended: perhaps because its broker began anew, with nothing, and all others with it. Where it was
    /// closed for being idle, nobody sees that happen.
    pub(super) fn lost(&mut self) {
        self.lost = Some(self.asked);
    }

    /// A connection stands, to a broker that may have begun anew since metadata last told of the cluster. Whether it has to
    /// be asked for now.
    pub(super) fn connected(&mut self, node: i32) -> bool {
        let is_again = !self.connected_before.insert(node);
        let may_be_another = is_again || self.lost.is_some();
        if may_be_another {
            self.unconfirmed.insert(node, self.asked);
            self.unproven = true;
        }
        may_be_another
    }

    /// Whether metadata of all topics has yet to show which cluster this broker belongs to.
    pub(super) fn is_unconfirmed(&self, node: i32) -> bool {
        let is_doubtful = self.unconfirmed.contains_key(&node) || !self.others.is_empty();
        is_doubtful && !planted(Defect::ReturnedIsTrusted)
    }

    /// A broker has told its cluster's id, where it knows one. What was asked before a broker was connected says nothing
    /// of it.
    pub(super) fn answered(&mut self, cluster_id: Option<&str>) -> Option<Moved> {
        let asked = self.asked;
        self.unconfirmed.retain(|_, asked_by_then| *asked_by_then >= asked);
        self.lost = self.lost.filter(|asked_by_then| *asked_by_then >= asked);
        let id = cluster_id?;
        if self.cluster_id.as_deref() == Some(id) {
            return None;
        }
        let from = self.cluster_id.replace(id.to_owned())?;
        Some(Moved { from, to: id.to_owned() })
    }

    /// A topic that is known by one id is told with another. Whether that is news: a broker that lags behind goes on telling
    /// the id of before, and the next one the newer id again.
    pub(super) fn is_news(&mut self, known: Uuid, told: Uuid) -> bool {
        let is_news = !self.former_ids.contains(&told);
        for id in [known, told] {
            if !self.former_ids.contains(&id) {
                self.former_ids.push_back(id);
            }
        }
        let too_many = self.former_ids.len().saturating_sub(MOST_FORMER_IDS);
        self.former_ids.drain(..too_many);
        is_news
    }

    /// A broker has told of topics that were known, and whether each is what it was or another under the same name. Returns
    /// whether it is another cluster that has the old one's id: its brokers began anew, and of all topics none is left.
    pub(super) fn is_set_up_anew<'a>(
        &mut self,
        told: impl IntoIterator<Item = (&'a TopicName, bool)>,
        all: bool,
    ) -> bool {
        if !self.unproven {
            return false;
        }
        let mut some_is_left = false;
        for (topic, is_what_it_was) in told {
            if !is_what_it_was {
                self.others.insert(topic.clone());
            }
            // Not where the new one has become the known one meanwhile.
            some_is_left |= is_what_it_was && !self.others.contains(topic);
        }
        let is_another = all && !self.others.is_empty() && !some_is_left;
        if some_is_left || is_another {
            self.unproven = false;
            self.others.clear();
        }
        is_another
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_without_an_id_is_not_another_one() {
        let mut identity = ClusterIdentity::default();
        let moves = [None, Some("a"), None, Some("a"), Some("b"), None, Some("b"), Some("a")];
        let moved = moves.map(|id| identity.answered(id).map(|moved| (moved.from, moved.to)));
        let pair = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(moved, [None, None, None, None, pair("a", "b"), None, None, pair("b", "a")]);
    }

    #[test]
    fn who_is_connected_anew_waits_for_metadata_that_was_asked_for_later() {
        let mut identity = ClusterIdentity::default();
        identity.ask(true);
        identity.connected(1);
        assert!(!identity.is_unconfirmed(1), "the first time");
        identity.connected(1);
        assert!(identity.is_unconfirmed(1) && !identity.is_unconfirmed(2));
        identity.answered(Some("a"));
        assert!(identity.is_unconfirmed(1), "asked for before");
        identity.ask(true);
        identity.answered(Some("a"));
        assert!(!identity.is_unconfirmed(1));
    }

    /// Fault A2.
    #[test]
    fn who_is_connected_for_the_first_time_after_others_were_lost_waits_for_metadata_as_well() {
        let mut identity = ClusterIdentity::default();
        identity.ask(true);
        assert!(!identity.connected(1));
        identity.lost();
        assert!(identity.connected(2) && identity.is_unconfirmed(2));
        identity.answered(Some("a"));
        assert!(identity.connected(3) && identity.is_unconfirmed(2), "asked for before the loss");
        identity.ask(true);
        identity.answered(Some("a"));
        assert!(!identity.is_unconfirmed(2) && !identity.is_unconfirmed(3) && !identity.connected(4));
    }

    /// Fault A2.
    #[test]
    fn a_cluster_of_which_nothing_is_left_after_its_brokers_began_anew_is_another_one() {
        let (one, two) = (TopicName::from("one"), TopicName::from("two"));
        let (nothing, same, other) = ([], [(&one, true)], [(&one, false)]);
        let mut identity = ClusterIdentity::default();
        identity.connected(1);
        assert!(!identity.is_set_up_anew(other, true), "topics may be created again");
        identity.connected(1);
        assert!(!identity.is_set_up_anew(nothing, true), "nothing is told yet");
        assert!(identity.is_set_up_anew(other, true) && !identity.is_set_up_anew(other, true));
        identity.connected(1);
        assert!(!identity.is_set_up_anew([(&one, false), (&two, true)], true), "something is left");
        assert!(!identity.is_set_up_anew(other, true), "it has shown what it is");
        identity.connected(1);
        assert!(
            !identity.is_set_up_anew(same, false) && !identity.is_set_up_anew(other, true),
            "the same holds"
        );
    }

    /// Fault A2.
    #[test]
    fn an_id_that_a_topic_had_before_is_no_news_and_few_are_kept() {
        let mut identity = ClusterIdentity::default();
        let id = |number: u16| Uuid([number.to_be_bytes(); 8].concat().try_into().unwrap());
        let (one, two, three) = (id(1), id(2), id(3));
        assert!(identity.is_news(one, two));
        assert!(!identity.is_news(two, one) && !identity.is_news(one, two), "some broker lags behind");
        assert!(identity.is_news(two, three) && !identity.is_news(three, one));
        assert!((4..400).all(|number| identity.is_news(three, id(number))));
        assert!(identity.former_ids.len() <= MOST_FORMER_IDS);
    }

    /// Fault A2.
    #[test]
    fn what_is_told_of_some_topics_raises_a_doubt_that_all_of_them_settle() {
        let (one, two) = (TopicName::from("one"), TopicName::from("two"));
        for (is_left, is_another) in [(true, false), (false, true)] {
            let mut identity = ClusterIdentity::default();
            identity.connected(1);
            identity.connected(1);
            identity.ask(true);
            identity.answered(Some("a"));
            assert!(!identity.is_set_up_anew([(&one, false)], false) && identity.is_unconfirmed(1));
            // What was told of it has become what is known of it.
            assert!(!identity.is_set_up_anew([(&one, true)], false) && identity.is_unconfirmed(1));
            assert_eq!(identity.is_set_up_anew([(&one, true), (&two, is_left)], true), is_another);
            assert!(!identity.is_unconfirmed(1));
        }
    }
}
