//! `Brokers`: the cluster, which changes as real ones do, and all logs that there have ever been.
//!
//! Owns: what becomes of the rules by each step, and the logs of topics that were deleted and of clusters that were
//! replaced. Must not know: lines, the client.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use kafka_embedded::{Action, ClusterRules, EmbeddedRecord, TopicConfig};

use crate::simulation::history::{Log, Logged, OTHERS};
use crate::simulation::lies::Lies;
use crate::simulation::plan::{Forgotten, Lie, Step};
use crate::simulation::player::{TOPICS, TRANSACTIONAL_ID};

pub(super) struct Brokers {
    pub(super) rules: ClusterRules,
    pub(super) lies: Lies,
    /// What new topics are like, but for their partitions.
    config: TopicConfig,
    /// Logs whose topic is gone.
    past: Vec<Log>,
    /// The values that a reader of committed records saw in them when they went.
    past_committed: HashSet<Vec<u8>>,
    /// Where partitions ended when their producers were forgotten.
    forgotten: BTreeMap<(&'static str, i32), Vec<i64>>,
    client_had_producer_id: bool,
    wiped: u32,
    /// Leaders that were made on purpose, and those that took over.
    pub(super) leader_changes: u32,
    others: u32,
    /// How many partitions there have been, counted by topic and number.
    pub(super) most_partitions: usize,
    most: BTreeMap<&'static str, i32>,
}

impl Brokers {
    pub(super) fn new(mut rules: ClusterRules, config: TopicConfig) -> Brokers {
        let lies = Lies::default();
        rules.rewrite_answers(lies.rewriter());
        Brokers {
            rules,
            lies,
            config,
            past: Vec::new(),
            past_committed: HashSet::new(),
            forgotten: BTreeMap::new(),
            client_had_producer_id: false,
            wiped: 0,
            leader_changes: 0,
            others: 0,
            most_partitions: 0,
            most: BTreeMap::new(),
        }
        .counted()
    }

    fn counted(mut self) -> Brokers {
        self.count();
        self
    }

    fn count(&mut self) {
        for (topic, partition) in self.places() {
            let most = self.most.entry(TOPICS[topic]).or_default();
            *most = (*most).max(partition + 1);
        }
        self.most_partitions = self.most.values().map(|count| *count as usize).sum();
    }

    /// All partitions that there are, by the number of their topic.
    pub(super) fn places(&self) -> Vec<(usize, i32)> {
        let partitions = |topic: usize| {
            let exists = move |partition: &i32| self.rules.end_offset(TOPICS[topic], *partition).is_some();
            (0..).take_while(exists).map(move |partition| (topic, partition))
        };
        (0..TOPICS.len()).flat_map(partitions).collect()
    }

    /// Carries out what concerns the cluster; gives back what does not.
    pub(super) fn carry_out(&mut self, step: Step, now: Instant) -> Result<Vec<Action>, Step> {
        match step {
            Step::Fault(fault) => self.rules.inject(fault),
            Step::Stop(broker) => {
                self.leader_changes += 1;
                return Ok(self.rules.stop_broker(now, broker));
            }
            Step::Start(broker) => {
                self.leader_changes += 1;
                return Ok(self.rules.start_broker(now, broker));
            }
            Step::MoveLeader(topic, partition, broker) => {
                self.leader_changes += 1;
                return Ok(self.rules.move_leader(now, TOPICS[topic], partition, broker));
            }
            Step::Grow(topic, partitions) => drop(self.rules.create_partitions(TOPICS[topic], partitions)),
            Step::Freeze(broker) => self.rules.freeze_metadata(broker),
            Step::Thaw(broker) => self.rules.thaw_metadata(broker),
            Step::Lie(broker, lie) => self.lies.add(broker, lie),
            Step::Honest => self.lies.end(),
            Step::Delete(topic) => self.delete(topic),
            Step::Create(topic, partitions, leader) => {
                self.delete(topic);
                self.leader_changes += 1;
                let config = self.config.clone().partitions(partitions);
                self.rules.create_topic(TOPICS[topic], config);
                for partition in 0..partitions {
                    self.rules.move_leader(now, TOPICS[topic], partition, (leader + partition) % 3 + 1);
                }
            }
            Step::MoveCoordinator(broker) => self.rules.move_coordinator(TRANSACTIONAL_ID, broker),
            Step::TransactionVersion(level) => drop(self.rules.set_transaction_version(level)),
            Step::Forget(what) => self.forget(what),
            Step::Restart(broker) => self.rules.forget_earlier_batches(Some(broker)),
            Step::Wipe { keep_topics } => self.wipe(keep_topics),
            Step::Other => self.write_as_another(),
            other => return Err(other),
        }
        self.count();
        Ok(self.rules.due(now))
    }

    /// The brokers to which no connection outlives this step.
    pub(super) fn cut_off_by(&self, step: &Step) -> Vec<i32> {
        let versions_change = match step {
            Step::Lie(_, lie) => *lie == Lie::NoMetadata,
            Step::Honest | Step::Calm => self.lies.has(Lie::NoMetadata),
            _ => false,
        };
        match step {
            Step::Restart(broker) => vec![*broker],
            Step::Wipe { .. } => self.rules.brokers().collect(),
            _ if versions_change => self.rules.brokers().collect(),
            _ => Vec::new(),
        }
    }

    /// Nothing goes wrong any more: what was there at the beginning is there.
    pub(super) fn calm(&mut self) {
        self.rules.clear_faults();
        self.lies.end();
        self.thaw();
    }

    fn thaw(&mut self) {
        let brokers: Vec<i32> = self.rules.brokers().collect();
        brokers.into_iter().for_each(|broker| self.rules.thaw_metadata(broker));
    }

    fn delete(&mut self, topic: usize) {
        self.keep_logs(TOPICS[topic]);
        self.rules.delete_topic(TOPICS[topic]);
    }

    fn wipe(&mut self, keep_topics: bool) {
        for topic in TOPICS {
            self.keep_logs(topic);
        }
        self.wiped += 1;
        self.leader_changes += 1;
        // A broker of the new cluster knows nothing of the old one.
        self.thaw();
        self.rules.wipe(format!("cluster-{}", self.wiped), keep_topics);
    }

    fn forget(&mut self, what: Forgotten) {
        let forgotten = self.note_ends(|brokers, topic, partition| match what {
            Forgotten::Partition(other, number) => TOPICS[other] == topic && number == partition,
            Forgotten::Broker(broker) => brokers.rules.leader(topic, partition) == Some(broker),
            Forgotten::All => true,
        });
        forgotten.into_iter().for_each(|(topic, partition)| self.rules.forget_producers(topic, partition));
    }

    /// Whether the client has a producer id now. When it gives one up where a topic was created again, it may have taken the
    /// cluster for another one, and sends what is in doubt under the next id (docs/reliability.md, "Not covered").
    pub(super) fn client_has_producer_id(&mut self, has: bool) {
        if std::mem::replace(&mut self.client_had_producer_id, has) && !has {
            self.note_ends(|brokers, topic, _| brokers.past.iter().any(|log| log.topic == topic));
        }
    }

    /// Notes where these partitions end, from where on a broker cannot know a batch of before. Returns which they are.
    fn note_ends(
        &mut self,
        is_meant: impl Fn(&Brokers, &'static str, i32) -> bool,
    ) -> Vec<(&'static str, i32)> {
        let mut noted = Vec::new();
        for topic in TOPICS {
            for partition in 0.. {
                let Some(end) = self.rules.end_offset(topic, partition) else { break };
                if is_meant(self, topic, partition) {
                    self.forgotten.entry((topic, partition)).or_default().push(end);
                    noted.push((topic, partition));
                }
            }
        }
        noted
    }

    /// The logs of this life of a topic, before it ends.
    fn keep_logs(&mut self, topic: &'static str) {
        let logs = self.logs_of(topic);
        self.past.extend(logs);
        let committed = self.rules.committed_records(topic).into_iter().filter_map(|record| record.value);
        self.past_committed.extend(committed);
        self.forgotten.retain(|(other, _), _| *other != topic);
    }

    fn logs_of(&self, topic: &'static str) -> Vec<Log> {
        let mut logs: BTreeMap<i32, Vec<Logged>> = BTreeMap::new();
        for record in self.rules.records(topic) {
            logs.entry(record.partition).or_default().push(logged(record));
        }
        let forgotten = |partition: i32| self.forgotten.get(&(topic, partition)).cloned().unwrap_or_default();
        logs.into_iter()
            .map(|(partition, records)| {
                let (topic, forgotten) = (topic.to_owned(), forgotten(partition));
                Log { topic, partition, records, forgotten }
            })
            .collect()
    }

    /// All logs that there have ever been.
    pub(super) fn logs(&self) -> Vec<Log> {
        let now = TOPICS.into_iter().flat_map(|topic| self.logs_of(topic));
        self.past.iter().cloned().chain(now).collect()
    }

    /// After all transactions have come to their end: the values that a reader of committed records sees.
    pub(super) fn committed(&self) -> HashSet<Vec<u8>> {
        let records = TOPICS.into_iter().flat_map(|topic| self.rules.committed_records(topic));
        let now = records.filter_map(|record| record.value);
        now.chain(self.past_committed.iter().cloned()).collect()
    }

    /// The values of records that were written to topics which were deleted, and that no log has that there is.
    pub(super) fn gone(&self) -> HashSet<Vec<u8>> {
        let mut gone: HashSet<Vec<u8>> =
            self.past.iter().flat_map(|log| &log.records).map(|record| record.value.clone()).collect();
        if !gone.is_empty() {
            let records = TOPICS.into_iter().flat_map(|topic| self.rules.records(topic));
            for value in records.filter_map(|record| record.value) {
                gone.remove(&value);
            }
        }
        gone
    }

    /// Committed offsets of these groups, by group, topic and partition.
    pub(super) fn committed_offsets(
        &self,
        groups: &BTreeSet<String>,
    ) -> BTreeMap<(String, String, i32), i64> {
        let mut all = BTreeMap::new();
        for group in groups {
            let offsets = self.rules.committed_offsets(group).into_iter();
            all.extend(offsets.map(|it| ((group.clone(), it.topic, it.partition), it.offset)));
        }
        all
    }

    /// Another producer, with the id that the cluster gives it, writes a few batches to each partition.
    fn write_as_another(&mut self) {
        self.others += 1;
        let (id, epoch) = self.rules.new_producer_id();
        for topic in TOPICS {
            for partition in 0.. {
                if self.rules.end_offset(topic, partition).is_none() {
                    break;
                }
                for sequence in 0..3 {
                    let value = [OTHERS, format!("{}/{sequence}", self.others).as_bytes()].concat();
                    self.rules.write_as(topic, partition, (id, epoch, sequence), &value);
                }
            }
        }
    }
}

fn logged(record: EmbeddedRecord) -> Logged {
    let header = record.headers.into_iter().next().and_then(|(_, value)| value).unwrap_or_default();
    Logged {
        offset: record.offset,
        key: record.key,
        value: record.value.unwrap_or_default(),
        header,
        timestamp: record.timestamp,
    }
}
