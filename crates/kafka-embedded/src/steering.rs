//! The rules from outside: looking into the cluster, and making things happen to it.

use std::time::{Duration, Instant};

use super::api::Api;
use super::batch_header::{self, BatchHeader, EmbeddedRecord};
use super::cluster_builder::{FinalizedFeatures, MAX_TRANSACTION_VERSION, TopicConfig};
use super::cluster_rules::{Action, ActionKind, ClusterRules, ConnectionId};
use super::fault::Fault;
use super::metadata::ShownCluster;
use super::request_log::{SeenLogin, SeenProduce};
use super::rewrite::{BrokerAnswer, Rewriter, Rewritten};
use super::transaction::CommittedOffset;
use super::transaction_coordinator::{ClaimedMember, KeyType, OpenTransaction, TransactionCoordinator};

impl ClusterRules {
    /// Tells clients, by Metadata, where a broker is. Port 0 on 127.0.0.1 until then.
    pub fn set_address(&mut self, broker: i32, host: impl Into<String>, port: u16) {
        if let Some(known) = self.cluster.brokers.get_mut(&broker) {
            known.host = host.into();
            known.port = port;
        }
    }

    /// Host and port of a broker, as Metadata tells them.
    #[must_use]
    pub fn address(&self, broker: i32) -> Option<(&str, u16)> {
        self.cluster.brokers.get(&broker).map(|known| (known.host.as_str(), known.port))
    }

    /// The ids of all brokers, stopped ones too.
    pub fn brokers(&self) -> impl Iterator<Item = i32> {
        self.cluster.brokers.keys().copied()
    }

    /// Stops a broker: its connections end, its partitions go to other replicas where there are some.
    pub fn stop_broker(&mut self, now: Instant, broker: i32) -> Vec<Action> {
        self.changed |= self.cluster.set_live(broker, false);
        let cut: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, known)| known.broker == broker).map(|(id, _)| *id).collect();
        let mut actions = Vec::new();
        for connection in cut {
            self.connections.remove(&connection);
            actions.push(Action { connection, at: now, kind: ActionKind::Close });
        }
        actions.extend(self.release_if_changed(now));
        actions
    }

    /// Starts a stopped broker again, with the log that it had. It leads only what nobody else leads.
    pub fn start_broker(&mut self, now: Instant, broker: i32) -> Vec<Action> {
        self.changed |= self.cluster.set_live(broker, true);
        self.release_if_changed(now)
    }

    /// Makes a broker the leader of a partition, with the next leader epoch. Nothing happens if the broker is
    /// stopped or there is no such partition.
    pub fn move_leader(&mut self, now: Instant, topic: &str, partition: i32, broker: i32) -> Vec<Action> {
        self.changed |= self.cluster.move_leader(topic, partition, broker);
        self.release_if_changed(now)
    }

    /// Lets something go wrong.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.inject(fault);
    }

    /// Takes back all faults that have not acted yet.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Lets a closure say what is sent in place of each answer:
    /// [`EmbeddedCluster::rewrite_answers`](super::EmbeddedCluster::rewrite_answers).
    pub fn rewrite_answers(&mut self, rewrite: impl FnMut(&BrokerAnswer<'_>) -> Rewritten + Send + 'static) {
        self.rewriter = Rewriter(Some(Box::new(rewrite)));
    }

    /// Sends answers as they are again.
    pub fn stop_rewriting(&mut self) {
        self.rewriter = Rewriter::default();
    }

    /// Lets a broker's Metadata stop: it goes on showing the cluster as it is now, whatever happens to it.
    pub fn freeze_metadata(&mut self, broker: i32) {
        let cluster_id = self.settings.cluster_id.clone();
        self.frozen.insert(broker, ShownCluster { cluster: self.cluster.picture(), cluster_id });
    }

    /// Lets a broker's Metadata catch up.
    pub fn thaw_metadata(&mut self, broker: i32) {
        self.frozen.remove(&broker);
    }

    /// Another cluster in this one's place: nothing lies in its logs, producer ids begin anew, no transaction
    /// is open, no offset committed, and Metadata tells
    /// this cluster id. The topics are gone, or empty and with new ids if they are kept.
    pub fn wipe(&mut self, cluster_id: impl Into<String>, keep_topics: bool) {
        self.changed = true;
        self.settings.cluster_id = cluster_id.into();
        self.coordinator = TransactionCoordinator::default();
        for (name, topic) in std::mem::take(&mut self.cluster.topics) {
            if keep_topics {
                self.cluster.create_topic(&name, topic.config);
            }
        }
    }

    /// Creates a topic; `false` if it exists or cannot.
    pub fn create_topic(&mut self, name: &str, config: TopicConfig) -> bool {
        self.settings.check_topic(name, &config).is_ok() && self.cluster.create_topic(name, config)
    }

    /// Deletes a topic with all that lies in it; `false` if there is none. Created again, it has another id.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        self.changed = true;
        self.cluster.topics.remove(name).is_some()
    }

    /// Deletes a topic and creates it again in one step, with another id and nothing in it; `false` if there is
    /// none or it cannot.
    pub fn recreate_topic(&mut self, name: &str, config: TopicConfig) -> bool {
        self.settings.check_topic(name, &config).is_ok()
            && self.delete_topic(name)
            && self.cluster.create_topic(name, config)
    }

    /// Adds partitions to a topic until it has `partitions` of them; `false` if there is no such topic.
    pub fn create_partitions(&mut self, topic: &str, partitions: i32) -> bool {
        self.cluster.grow_topic(topic, partitions)
    }

    /// Lets Metadata tell of a topic's first `partitions` only, as a broker does that has not heard yet that
    /// there are more; with `i32::MAX` of all again. `false` if there is no such topic.
    pub fn tell_partitions(&mut self, topic: &str, partitions: i32) -> bool {
        let Some(topic) = self.cluster.topics.get_mut(topic) else { return false };
        topic.told = usize::try_from(partitions).unwrap_or(0);
        true
    }

    /// Lets a partition forget the producers that wrote to it, as it does when their records are deleted.
    pub fn forget_producers(&mut self, topic: &str, partition: i32) {
        if let Some(partition) = self.cluster.partition_mut(topic, partition) {
            partition.log.forget_producers();
        }
    }

    /// Lets all partitions that a broker leads forget the producers that wrote to them; all partitions, if no
    /// broker is given.
    pub fn forget_all_producers(&mut self, broker: Option<i32>) {
        let partitions = self.cluster.topics.values_mut().flat_map(|topic| &mut topic.partitions);
        let led = partitions.filter(|partition| broker.is_none() || partition.leader == broker);
        led.for_each(|partition| partition.log.forget_producers());
    }

    /// Lets all partitions that a broker leads know the last batch of each producer only; all partitions, if no broker is
    /// given. Kafka's brokers keep no more of a producer when they are shut down: where such a broker leads again, it
    /// answers a batch before that one with `OUT_OF_ORDER_SEQUENCE_NUMBER`, though it is in the log.
    pub fn forget_earlier_batches(&mut self, broker: Option<i32>) {
        let partitions = self.cluster.topics.values_mut().flat_map(|topic| &mut topic.partitions);
        let led = partitions.filter(|partition| broker.is_none() || partition.leader == broker);
        led.for_each(|partition| partition.log.forget_earlier_batches());
    }

    /// Gives a user of SASL a password, or a new one; it counts from the next login on.
    pub fn set_user(&mut self, name: impl Into<String>, password: impl Into<String>) {
        if let Some(sasl) = &mut self.settings.sasl {
            sasl.users.insert(name.into(), password.into());
        }
    }

    /// Takes a user of SASL away; who has logged in stays so until his session ends.
    pub fn remove_user(&mut self, name: &str) {
        self.settings.sasl.iter_mut().for_each(|sasl| drop(sasl.users.remove(name)));
    }

    /// `connections.max.reauth.ms` of logins to come; none: they count as long as connections stand.
    pub fn set_max_reauth(&mut self, time: Option<Duration>) {
        self.settings.sasl.iter_mut().for_each(|sasl| sasl.max_reauth = time);
    }

    /// All logins that came to their end, in order.
    #[must_use]
    pub fn logins(&self) -> &[SeenLogin] {
        &self.request_log.logins
    }

    /// Makes a broker the coordinator of a transactional id; the one before answers NOT_COORDINATOR from now on. Nothing
    /// happens if the broker is stopped.
    pub fn move_coordinator(&mut self, transactional_id: &str, broker: i32) {
        if self.cluster.is_live(broker) {
            self.coordinator.move_to(KeyType::Transaction, transactional_id, broker);
        }
    }

    /// Counts the epochs of a transactional id on from this one, as after that many transactions: the next InitProducerId gives
    /// the one after it.
    pub fn set_producer_epoch(&mut self, transactional_id: &str, epoch: i16) {
        self.coordinator.set_epoch(transactional_id, epoch);
    }

    /// Makes a broker the coordinator of a consumer group; the one before answers NOT_COORDINATOR from now on. Nothing
    /// happens if the broker is stopped.
    pub fn move_group_coordinator(&mut self, group: &str, broker: i32) {
        if self.cluster.is_live(broker) {
            self.coordinator.move_to(KeyType::Group, group, broker);
        }
    }

    /// The broker that coordinates a transactional id; `None` if all are stopped.
    #[must_use]
    pub fn coordinator(&self, transactional_id: &str) -> Option<i32> {
        self.coordinator.broker(&self.cluster, KeyType::Transaction, transactional_id)
    }

    /// The broker that coordinates a consumer group; `None` if all are stopped.
    #[must_use]
    pub fn group_coordinator(&self, group: &str) -> Option<i32> {
        self.coordinator.broker(&self.cluster, KeyType::Group, group)
    }

    /// Lets brokers tell another level of `transaction.version`, 0 to 2; `false` for others.
    pub fn set_transaction_version(&mut self, level: i16) -> bool {
        let is_known = (0..=MAX_TRANSACTION_VERSION).contains(&level);
        if is_known {
            let features = &mut self.settings.transactions.features;
            *features = FinalizedFeatures { epoch: features.epoch + 1, transaction_version: level };
        }
        is_known
    }

    /// A consumer group is in this generation from now on, with this member (and its `group.instance.id`) in it beside those
    /// that were named before:
    /// [`EmbeddedCluster::set_group_member`](super::EmbeddedCluster::set_group_member).
    pub fn set_group_member(&mut self, group: &str, generation: i32, member: &str, instance: Option<&str>) {
        self.coordinator.set_member(group, &ClaimedMember { generation, member, instance });
    }

    /// Forgets the generation and the members of a consumer group: anybody may commit its offsets again.
    pub fn forget_group_members(&mut self, group: &str) {
        self.coordinator.forget_members(group);
    }

    /// The offsets that a consumer group has committed, by topic and partition; those of open transactions are not among
    /// them.
    #[must_use]
    pub fn committed_offsets(&self, group: &str) -> Vec<CommittedOffset> {
        self.coordinator.committed(group)
    }

    /// The transactions that are open or are being completed, by transactional id.
    #[must_use]
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.coordinator.open()
    }

    /// A producer id with its epoch, as another producer would get it.
    pub fn new_producer_id(&mut self) -> (i64, i16) {
        (self.coordinator.ids.next(), 0)
    }

    /// Another producer writes a record that has only a value, with this producer id, epoch and sequence number;
    /// `false` if the partition does not take it.
    pub fn write_as(&mut self, topic: &str, partition: i32, producer: (i64, i16, i32), value: &[u8]) -> bool {
        self.changed = true;
        let bytes = batch_header::of_one_record(value, producer, self.start_ms);
        let Some(header) = BatchHeader::read(&bytes) else { return false };
        let Some(partition) = self.cluster.partition_mut(topic, partition) else { return false };
        let leader_epoch = partition.leader_epoch;
        partition.log.append(&bytes, header, leader_epoch, None).is_ok()
    }

    /// All records of a topic, partition by partition in the order of their offsets, those of compressed batches, too.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<EmbeddedRecord> {
        let Some(topic) = self.cluster.topics.get(topic) else {
            return Vec::new();
        };
        let partitions = (0..).zip(&topic.partitions);
        let batches = partitions
            .flat_map(|(index, partition)| partition.log.batches().iter().map(move |stored| (index, stored)));
        batches
            .filter(|(_, stored)| !stored.header.is_control())
            .flat_map(|(index, stored)| batch_header::records(index, &stored.header, &stored.bytes))
            .collect()
    }

    /// The records of a topic as consumers with `isolation.level=read_committed` get them: those of aborted transactions are
    /// not among them, and a partition ends where its first open transaction begins.
    #[must_use]
    pub fn committed_records(&self, topic: &str) -> Vec<EmbeddedRecord> {
        let Some(topic) = self.cluster.topics.get(topic) else {
            return Vec::new();
        };
        let partitions = (0..).zip(&topic.partitions);
        let batches = partitions.flat_map(|(index, partition)| {
            partition.log.committed_batches().map(move |stored| (index, stored))
        });
        batches
            .flat_map(|(index, stored)| batch_header::records(index, &stored.header, &stored.bytes))
            .collect()
    }

    /// Up to which offset consumers with `isolation.level=read_committed` read a partition.
    #[must_use]
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.partition(topic, partition).map(|partition| partition.log.last_stable_offset())
    }

    /// The headers of the batches of a partition, in order.
    #[must_use]
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<BatchHeader> {
        let log = self.cluster.partition(topic, partition).map(|partition| &partition.log);
        log.map(|log| log.batches().iter().map(|stored| stored.header.clone()).collect()).unwrap_or_default()
    }

    /// The bytes of the batches of a partition, as a consumer gets them.
    #[must_use]
    pub fn batch_bytes(&self, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        let log = self.cluster.partition(topic, partition).map(|partition| &partition.log);
        log.map(|log| log.batches().iter().map(|stored| stored.bytes.to_vec()).collect()).unwrap_or_default()
    }

    /// The offset that the next record of a partition gets.
    #[must_use]
    pub fn end_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.partition(topic, partition).map(|partition| partition.log.end_offset())
    }

    /// The broker that leads a partition; `None` if none does.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.cluster.partition(topic, partition)?.leader
    }

    /// The leader epoch of a partition.
    #[must_use]
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<i32> {
        self.cluster.partition(topic, partition).map(|partition| partition.leader_epoch)
    }

    /// The id of a topic.
    #[must_use]
    pub fn topic_id(&self, topic: &str) -> Option<[u8; 16]> {
        self.cluster.topics.get(topic).map(|topic| topic.id.into_bytes())
    }

    /// How many requests of a kind have come, whatever became of them.
    #[must_use]
    pub fn requests(&self, api: Api) -> usize {
        self.request_log.requests.get(&api).copied().unwrap_or(0)
    }

    /// How often faults have taken effect, by API and by the name of the function that makes such a [`Fault`]: a fault
    /// that no request has met is not among them.
    #[must_use]
    pub fn faults_acted(&self) -> &std::collections::BTreeMap<(Api, &'static str), u64> {
        &self.request_log.faults
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn connections_accepted(&self) -> u64 {
        self.request_log.connections
    }

    /// How many connections there are now.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.connections.len()
    }

    /// All Produce requests that have come, in order.
    #[must_use]
    pub fn produce_requests(&self) -> &[SeenProduce] {
        &self.request_log.produce
    }
}
