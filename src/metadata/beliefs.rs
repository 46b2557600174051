//! `Beliefs`: whom to believe where brokers name different leaders of a partition.
//!
//! Owns: which leaders have refused what was sent to them, and what was told against them since. Must not know:
//! where that was heard, what follows from it.
//! Holds: a newer leader epoch counts, as long as its leader does not refuse while metadata says the same older one
//! again and again: then that is taken, since the topic may be another one under the same name, or the newer epoch was
//! never true.
//! Source: Kafka's `Metadata.updateLatestMetadata`, which keeps the newer epoch for ever (KAFKA-12257).

use std::collections::{BTreeSet, HashMap};

use crate::cluster::PartitionInfo;
use crate::record::TopicName;

#[derive(Debug, Default)]
pub(super) struct Beliefs {
    /// Partitions whose leader, as we believe, has refused since metadata was last told.
    refused: HashMap<TopicName, BTreeSet<i32>>,
    /// Brokers that could not be reached since metadata was last told.
    lost: BTreeSet<i32>,
    /// What has been told in place of what we believe, by topic and partition.
    told: HashMap<TopicName, HashMap<i32, OlderEpoch>>,
}

/// The same older epoch, and how many times in a row.
#[derive(Debug)]
struct OlderEpoch {
    leader_epoch: i32,
    times: u32,
}

impl Beliefs {
    /// The broker that we believe to lead this partition says that it does not, or does not answer.
    pub(super) fn leader_refused(&mut self, topic: &TopicName, partition: i32) {
        self.refused.entry(topic.clone()).or_default().insert(partition);
    }

    /// A broker cannot be reached.
    pub(super) fn lost(&mut self, node: i32) {
        self.lost.insert(node);
    }

    /// Whether what is told of a partition takes the place of what is known.
    pub(super) fn takes(&mut self, known: &PartitionInfo, leader_epoch: i32) -> bool {
        let (topic, partition) = (known.topic_name(), known.partition());
        let older = leader_epoch >= 0 && leader_epoch < known.leader_epoch();
        let refused = self.refused.get(topic).is_some_and(|refused| refused.contains(&partition))
            || known.leader().is_none_or(|leader| self.lost.contains(&leader));
        if older && refused {
            let told = self.told.entry(topic.clone()).or_default();
            let told = told.entry(partition).or_insert(OlderEpoch { leader_epoch, times: 0 });
            told.times = if told.leader_epoch == leader_epoch { told.times + 1 } else { 1 };
            told.leader_epoch = leader_epoch;
            if told.times < ENOUGH {
                return false;
            }
        } else if older {
            return false;
        }
        if let Some(told) = self.told.get_mut(topic) {
            told.remove(&partition);
        }
        true
    }

    /// All partitions of this topic have been told.
    pub(super) fn told(&mut self, topic: &TopicName) {
        self.refused.remove(topic);
        if self.told.get(topic).is_some_and(HashMap::is_empty) {
            self.told.remove(topic);
        }
    }

    /// All topics have been told that are `wanted`.
    pub(super) fn told_all(&mut self, wanted: impl Fn(&TopicName) -> bool) {
        self.lost.clear();
        self.refused.retain(|topic, _| wanted(topic));
        self.told.retain(|topic, _| wanted(topic));
    }
}

/// How many times in a row: a broker that lags behind has heard by then.
const ENOUGH: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;

    fn known(leader: Option<i32>, leader_epoch: i32) -> PartitionInfo {
        let cluster = Cluster::led(&[("t", &[leader])]);
        let mut known = cluster.topic("t").unwrap().partitions[0].clone();
        known.set_leader(leader, leader_epoch);
        known
    }

    /// What is done to the beliefs before something is told: nothing, or one of these.
    #[derive(Clone, Copy)]
    enum Event {
        Nothing,
        Refused,
        Lost(i32),
    }
    use Event::{Lost, Nothing, Refused};

    /// What happens and which epoch is told then, step by step; whether each is taken.
    type Line = (&'static [(Event, i32)], &'static [bool]);

    /// Faults B1, B2.
    /// Behaviour 84.
    #[test]
    fn an_older_epoch_is_taken_only_where_it_is_told_three_times_and_the_leader_refuses() {
        let table: &[Line] = &[
            (&[(Nothing, 7), (Nothing, 8), (Nothing, -1)], &[true, true, true]),
            (&[(Nothing, 3), (Nothing, 3), (Nothing, 3), (Nothing, 3)], &[false, false, false, false]),
            (&[(Refused, 3), (Refused, 3), (Refused, 3)], &[false, false, true]),
            (&[(Lost(1), 3), (Refused, 3), (Lost(1), 3)], &[false, false, true]),
            (&[(Lost(2), 3), (Lost(2), 3), (Lost(2), 3)], &[false, false, false]),
            (&[(Refused, 3), (Refused, 4), (Refused, 4), (Refused, 4)], &[false, false, false, true]),
            (&[(Refused, 3), (Nothing, 3), (Refused, 3), (Refused, 3)], &[false, false, false, true]),
            (&[(Refused, 3), (Refused, 7), (Refused, 3), (Refused, 3)], &[false, true, false, false]),
        ];
        for (line, (story, expected)) in table.iter().enumerate() {
            let (mut beliefs, topic) = (Beliefs::default(), TopicName::from("t"));
            let takes = |(event, epoch): &(Event, i32)| {
                match *event {
                    Nothing => {}
                    Refused => beliefs.leader_refused(&topic, 0),
                    Lost(node) => beliefs.lost(node),
                }
                let takes = beliefs.takes(&known(Some(1), 7), *epoch);
                beliefs.told(&topic);
                beliefs.told_all(|_| true);
                takes
            };
            assert_eq!(story.iter().map(takes).collect::<Vec<_>>(), *expected, "line {line}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_settled_or_not_wanted_any_more() {
        let (mut beliefs, topic) = (Beliefs::default(), TopicName::from("t"));
        beliefs.leader_refused(&topic, 0);
        beliefs.takes(&known(Some(1), 7), 3);
        beliefs.told(&topic);
        assert_eq!((beliefs.refused.len(), beliefs.told.len()), (0, 1));
        beliefs.takes(&known(Some(1), 7), 7);
        beliefs.told(&topic);
        assert!(beliefs.told.is_empty());
        beliefs.leader_refused(&topic, 0);
        beliefs.takes(&known(Some(1), 7), 3);
        beliefs.lost(1);
        beliefs.told_all(|_| false);
        assert!(beliefs.refused.is_empty() && beliefs.told.is_empty() && beliefs.lost.is_empty());
    }
}
