//! The transaction coordinator, and what consumer groups keep: for all brokers of the cluster in one place.
//!
//! Owns: transactional ids, committed offsets, which broker coordinates what. Must not know: messages, logs.
//! Holds: offsets count once their transaction is completed; of one key one broker is the coordinator.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::broker_error::BrokerError;
use super::cluster_state::ClusterState;
use super::producer_ids::ProducerIds;
use super::transaction::{
    Author, CommittedOffset, Completed, Ending, Initialization, Initialized, KnownTransaction, TransactionEnd,
};

/// A transaction that is open, or is being completed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenTransaction {
    /// The `transactional.id`.
    pub transactional_id: String,
    /// Producer id that writes in it.
    pub producer_id: i64,
    /// The epoch that counts; a producer with a smaller one is fenced.
    pub producer_epoch: i16,
    /// Topics and partitions that were added to it.
    pub partitions: Vec<(String, i32)>,
    /// Consumer groups that were added to it.
    pub groups: Vec<String>,
    /// After how much time it is aborted; one in two phases, which has `i32::MAX` milliseconds here, never is.
    pub timeout: Duration,
    /// How it ends, while the markers are still to be written; `None`: it is open.
    pub completing: Option<TransactionEnd>,
}

/// What a coordinator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyType {
    Group,
    Transaction,
}

#[derive(Debug)]
struct Group {
    generation: i32,
    /// By member id; with `group.instance.id` where there is one.
    members: BTreeMap<String, Option<String>>,
}

/// Who commits offsets, as he says.
pub(super) struct ClaimedMember<'a> {
    pub(super) generation: i32,
    pub(super) member: &'a str,
    pub(super) instance: Option<&'a str>,
}

/// How brokers let a producer write into a transaction, by the version of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Must have been added; says INVALID_TXN_STATE otherwise.
    Verify,
    /// Must have been added; says TRANSACTION_ABORTABLE otherwise.
    VerifyAbortable,
    /// Is added by the broker.
    Add,
}

#[derive(Debug, Default)]
pub(super) struct TransactionCoordinator {
    pub(super) ids: ProducerIds,
    transactions: BTreeMap<String, KnownTransaction>,
    /// The transactional ids of producer ids, also of those that were replaced.
    names: BTreeMap<i64, String>,
    /// Brokers that coordinate what another would.
    moved: BTreeMap<(KeyType, String), i32>,
    groups: BTreeMap<String, Group>,
    committed: BTreeMap<String, BTreeMap<(String, i32), CommittedOffset>>,
}

impl TransactionCoordinator {
    /// The broker that coordinates: by the hash of the key, the next live one if that is stopped; `None`: none lives.
    pub(super) fn broker(&self, cluster: &ClusterState, kind: KeyType, key: &str) -> Option<i32> {
        let moved = self.moved.get(&(kind, key.to_owned())).copied();
        if let Some(moved) = moved.filter(|broker| cluster.is_live(*broker)) {
            return Some(moved);
        }
        let hash =
            key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        let count = cluster.brokers.len();
        let first = usize::try_from(hash).unwrap_or(0).checked_rem(count)?;
        let mut round = cluster.brokers.keys().cycle().skip(first).take(count).copied();
        round.find(|broker| cluster.is_live(*broker))
    }

    pub(super) fn move_to(&mut self, kind: KeyType, key: &str, broker: i32) {
        self.moved.insert((kind, key.to_owned()), broker);
    }

    /// InitProducerId with a transactional id.
    pub(super) fn init(&mut self, name: &str, asked: &Initialization) -> Result<Initialized, BrokerError> {
        let ids = &mut self.ids;
        let known =
            self.transactions.entry(name.to_owned()).or_insert_with(|| KnownTransaction::new(ids.next()));
        let outcome = known.init(asked, ids);
        self.names.insert(known.author().0, name.to_owned());
        outcome
    }

    pub(super) fn set_epoch(&mut self, name: &str, epoch: i16) {
        let ids = &mut self.ids;
        let known = self.transactions.entry(name.to_owned());
        known.or_insert_with(|| KnownTransaction::new(ids.next())).set_epoch(epoch);
    }

    pub(super) fn transaction(&mut self, name: &str) -> Result<&mut KnownTransaction, BrokerError> {
        self.transactions.get_mut(name).ok_or(BrokerError::INVALID_PRODUCER_ID_MAPPING)
    }

    pub(super) fn end(&mut self, name: &str, ending: &Ending) -> Result<Author, BrokerError> {
        let known = self.transactions.get_mut(name).ok_or(BrokerError::INVALID_PRODUCER_ID_MAPPING)?;
        known.end(ending, &mut self.ids)
    }

    /// The epoch that counts of a producer id that belongs to a transactional id; the largest of all, if the id was replaced.
    pub(super) fn epoch_of(&self, producer_id: i64) -> Option<i16> {
        let (id, epoch) = self.transactions.get(self.names.get(&producer_id)?)?.author();
        Some(if id == producer_id { epoch } else { i16::MAX })
    }

    /// Whether a batch of a producer may go to a partition that has nothing of its transaction yet.
    pub(super) fn admit_batch(
        &mut self,
        name: &str,
        author: Author,
        place: (&str, i32),
        (admission, now): (Admission, Instant),
    ) -> Result<(), BrokerError> {
        let transaction = self.transaction(name)?;
        let place = (place.0.to_owned(), place.1);
        if admission == Admission::Add {
            return transaction.add_partitions(author, [place], now);
        }
        transaction.verify(author)?;
        admission.verified(transaction.partitions().contains(&place))
    }

    /// Whether offsets of a group may be committed in a producer's transaction.
    pub(super) fn admit_offsets(
        &mut self,
        name: &str,
        author: Author,
        group: &str,
        (admission, now): (Admission, Instant),
    ) -> Result<(), BrokerError> {
        let transaction = self.transaction(name)?;
        // What has let the first in lets the others in, until it is completed.
        if transaction.has_offsets(author, group) {
            return Ok(());
        }
        if admission == Admission::Add {
            return transaction.add_group(author, group, now);
        }
        transaction.verify(author)?;
        admission.verified(transaction.groups().contains(group))
    }

    /// Whether a member of a group may commit; anybody, where nothing was said of the group.
    pub(super) fn check_member(&self, group: &str, claimed: &ClaimedMember<'_>) -> Result<(), BrokerError> {
        let Some(group) = self.groups.get(group) else { return Ok(()) };
        let &ClaimedMember { generation, member, instance } = claimed;
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Ok(());
        }
        if let Some(instance) = instance {
            let mut members = group.members.iter();
            let holder = members.find(|(_, known)| known.as_deref() == Some(instance));
            match holder {
                None => return Err(BrokerError::UNKNOWN_MEMBER_ID),
                Some((holder, _)) if holder != member => return Err(BrokerError::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if !group.members.contains_key(member) {
            return Err(BrokerError::UNKNOWN_MEMBER_ID);
        }
        if generation == group.generation { Ok(()) } else { Err(BrokerError::ILLEGAL_GENERATION) }
    }

    /// The group has this generation now, and this member in it.
    pub(super) fn set_member(&mut self, group: &str, claimed: &ClaimedMember<'_>) {
        let empty = || Group { generation: claimed.generation, members: BTreeMap::new() };
        let group = self.groups.entry(group.to_owned()).or_insert_with(empty);
        group.generation = claimed.generation;
        group.members.insert(claimed.member.to_owned(), claimed.instance.map(str::to_owned));
    }

    pub(super) fn forget_members(&mut self, group: &str) {
        self.groups.remove(group);
    }

    /// When something happens by time alone.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.transactions.values().filter_map(KnownTransaction::next_due).min()
    }

    /// Aborts what has been open for too long, and takes what is to be completed now. `rules`: how much later markers are
    /// written, and whether the second protocol aborts.
    pub(super) fn take_completed(&mut self, now: Instant, rules: (Duration, bool)) -> Vec<Completed> {
        let mut all = Vec::new();
        for (name, transaction) in &mut self.transactions {
            transaction.expire(now, rules, &mut self.ids);
            let Some(completed) = transaction.complete(now) else { continue };
            self.names.insert(transaction.author().0, name.clone());
            for (group, offset) in &completed.offsets {
                let place = (offset.topic.clone(), offset.partition);
                self.committed.entry(group.clone()).or_default().insert(place, offset.clone());
            }
            all.push(completed);
        }
        all
    }

    pub(super) fn open(&self) -> Vec<OpenTransaction> {
        let open = |(name, transaction): (&String, &KnownTransaction)| {
            let (producer_id, producer_epoch) = transaction.author();
            Some(OpenTransaction {
                transactional_id: name.clone(),
                producer_id,
                producer_epoch,
                partitions: transaction.partitions().iter().cloned().collect(),
                groups: transaction.groups().iter().cloned().collect(),
                timeout: transaction.timeout(),
                completing: transaction.open()?,
            })
        };
        self.transactions.iter().filter_map(open).collect()
    }

    pub(super) fn committed(&self, group: &str) -> Vec<CommittedOffset> {
        self.committed.get(group).map(|offsets| offsets.values().cloned().collect()).unwrap_or_default()
    }
}

impl Admission {
    fn verified(self, is_added: bool) -> Result<(), BrokerError> {
        match self {
            _ if is_added => Ok(()),
            Self::VerifyAbortable => Err(BrokerError::TRANSACTION_ABORTABLE),
            Self::Verify | Self::Add => Err(BrokerError::INVALID_TXN_STATE),
        }
    }
}

/// What a coordinator's error is where logs are written: there, old epochs are told by one name.
pub(super) fn told_by_logs(error: BrokerError) -> BrokerError {
    if error == BrokerError::PRODUCER_FENCED { BrokerError::INVALID_PRODUCER_EPOCH } else { error }
}
