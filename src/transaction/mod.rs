//! `TransactionManager`: who this producer is to the brokers, and when it has to become somebody new; and what of a
//! transaction is more than that.
//!
//! Owns: producer id and epoch, the decision to bump the epoch. Must not know: batches' bytes, requests, sockets.
//! Threads: the sender thread owns it by value; `TransactionCalls` is shared with application threads.
//! Holds: at most one InitProducerId request is under way; an epoch is never used again after a bump. With transactions
//! the coordinator alone gives epochs: what asks for a new one here only keeps in mind that one is needed.
//! Source: KIP-98, KIP-360; Kafka's `TransactionManager`.

mod call_errors;
mod call_outcome;
mod coordinator_queue;
mod coordinator_verdicts;
mod participants;
mod prepared_txn_state;
mod sequence;
mod transaction_calls;
mod transaction_state;
mod transactional;

use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
use crate::logging;
use crate::planted::{Defect, planted};
use crate::record_batch::Stamp;

pub(crate) use call_errors::{
    dooms, expected_instead, failed_transaction, is_under_way, transaction_is_over,
};
pub(crate) use call_outcome::{CallOutcome, CallPromise, CallWait};
pub(crate) use coordinator_queue::{
    Coordinated, CoordinatorQueue, CoordinatorRequest, OffsetsToCommit, QueuedRequest,
};
pub(crate) use coordinator_verdicts::{
    CoordinatorApi, CoordinatorContext, CoordinatorVerdict, coordinator_verdict, is_refusal_to_end,
};
pub use prepared_txn_state::PreparedTxnState;
pub(crate) use sequence::SequencePlace;
use sequence::{PartitionSequences, ProducerIdAndEpoch};
pub(crate) use transaction_calls::{AskedCall, TransactionCall, TransactionCalls, must_repeat};
pub(crate) use transaction_state::{TransactionEvent, TransactionState, transition};
use transactional::Transactional;

/// Where the producer stands with its id.
#[derive(Debug, Clone, PartialEq)]
enum Identity {
    /// Idempotence is off: batches carry no id.
    NotNeeded,
    /// To be asked for, not before the time given.
    Wanted {
        not_before: Option<Instant>,
    },
    /// It was refused. To be asked for again when something waits for it, not before the time given.
    Refused {
        not_before: Instant,
    },
    /// Asked for.
    Requested,
    Known(ProducerIdAndEpoch),
    /// Nothing may be sent any more; what was known till then.
    Fatal(Option<ProducerIdAndEpoch>),
}

/// Hands out stamps, and decides what becomes of a partition's sequence after a failure.
pub(crate) struct TransactionManager {
    identity: Identity,
    partitions: Vec<PartitionSequences>,
    /// Partitions whose failure asks for a new epoch, by index.
    bump_for: Vec<usize>,
    /// Something was added to those, and the sender has not looked yet.
    bump_is_new: bool,
    /// Under this id and epoch the sequence of a partition was forgotten: none may begin under it any more, it might be
    /// the same one.
    forgotten_under: Option<ProducerIdAndEpoch>,
    /// None: the producer has no transactions.
    transactional: Option<Transactional>,
}

impl TransactionManager {
    pub(crate) fn new(enable_idempotence: bool) -> Self {
        let identity =
            if enable_idempotence { Identity::Wanted { not_before: None } } else { Identity::NotNeeded };
        TransactionManager {
            identity,
            partitions: Vec::new(),
            bump_for: Vec::new(),
            bump_is_new: false,
            forgotten_under: None,
            transactional: None,
        }
    }

    /// With transactions, where these have an id.
    pub(crate) fn with_calls(self, calls: &Arc<TransactionCalls>) -> Self {
        let transactional = calls.id().map(|_| Transactional::new(Arc::clone(calls)));
        TransactionManager { transactional, ..self }
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.identity != Identity::NotNeeded
    }

    /// The epoch of this producer's id, once there is one.
    pub(crate) fn epoch(&self) -> Option<i16> {
        match self.identity {
            Identity::Known(current) | Identity::Fatal(Some(current)) => Some(current.epoch),
            _ => None,
        }
    }

    /// From now on nothing is sent that needs a producer id.
    pub(crate) fn set_fatal(&mut self) {
        self.identity = match self.identity {
            Identity::NotNeeded => Identity::NotNeeded,
            Identity::Known(current) | Identity::Fatal(Some(current)) => Identity::Fatal(Some(current)),
            _ => Identity::Fatal(None),
        };
    }

    /// When an InitProducerId request is due.
    pub(crate) fn producer_id_due(&self) -> Due {
        match self.identity {
            // The coordinator is asked, when `init_transactions` is called.
            _ if self.is_transactional() => Due::Never,
            Identity::Wanted { not_before: Some(time) } => Due::At(time),
            Identity::Wanted { not_before: None } => Due::Now,
            Identity::Refused { not_before } => Due::WhenNeeded(not_before),
            Identity::NotNeeded | Identity::Requested | Identity::Known(_) | Identity::Fatal(_) => Due::Never,
        }
    }

    pub(crate) fn producer_id_requested(&mut self) {
        self.identity = Identity::Requested;
    }

    pub(crate) fn is_producer_id_requested(&self) -> bool {
        self.identity == Identity::Requested
    }

    pub(crate) fn producer_id_refused(&mut self, not_before: Instant) {
        self.identity = Identity::Refused { not_before };
    }

    /// Nothing of what was is known where the batches go now: a new id, and all sequences from 0 on.
    pub(crate) fn begin_anew(&mut self) {
        if !matches!(self.identity, Identity::NotNeeded | Identity::Fatal(_)) {
            self.identity = Identity::Wanted { not_before: None };
            self.partitions.clear();
            self.bump_for.clear();
        }
    }

    pub(crate) fn producer_id_failed(&mut self, retry_at: Instant) {
        self.identity = Identity::Wanted { not_before: Some(retry_at) };
    }

    pub(crate) fn producer_id_received(&mut self, id: i64, epoch: i16) {
        self.identity = Identity::Known(ProducerIdAndEpoch { id, epoch });
    }

    /// Whether a batch that has no sequence yet may be given one. `outstanding` says how many batches of the partition
    /// have gone since the oldest that is not answered yet, that one included. Were they more than a broker remembers,
    /// it would not know that one again; in flight on one connection they are not, but after a new leader they may be.
    pub(crate) fn may_stamp(&mut self, partition: usize, outstanding: u64) -> bool {
        let current = match self.identity {
            Identity::NotNeeded => return true,
            Identity::Known(current) => current,
            _ => return false,
        };
        if self.needs_newer_epoch(partition, current) {
            self.request_epoch_bump(partition);
            return false;
        }
        if self.transactional.as_mut().is_some_and(|transactional| !transactional.admits(partition)) {
            return false;
        }
        let bump_wanted = self.is_bump_wanted(partition);
        let sequences = self.partition(partition);
        let stale = sequences.owner() != Some(current) && outstanding > 0 && !planted(Defect::EpochsMix);
        let unknown =
            !sequences.is_introduced(current.id) && outstanding > 0 && !planted(Defect::FirstHasCompany);
        let too_many = outstanding >= REMEMBERED_BATCHES && !planted(Defect::MoreThanFive);
        let unresolved = sequences.is_unresolved() && !planted(Defect::UnresolvedGoesOn);
        !(stale || unknown || too_many || unresolved || bump_wanted)
    }

    /// Whether a batch that has its sequence may be sent again. Before a partition is numbered anew, only those of unknown
    /// fate are, once more under their old numbers: the broker knows by these whether it has them. Where the broker does
    /// not know the producer, none goes while others of the partition are on their way (`others_in_flight`).
    pub(crate) fn may_resend(&self, partition: usize, of_unknown_fate: bool, others_in_flight: bool) -> bool {
        match self.identity {
            Identity::NotNeeded => true,
            Identity::Known(_) if self.is_bump_wanted(partition) => of_unknown_fate,
            Identity::Known(current) => self.is_introduced(partition, current) || !others_in_flight,
            Identity::Wanted { .. } | Identity::Refused { .. } | Identity::Requested | Identity::Fatal(_) => {
                false
            }
        }
    }

    /// The stamp for a partition's next batch; its sequence numbers are taken.
    pub(crate) fn next_stamp(&mut self, partition: usize, count: u32) -> Stamp {
        let Identity::Known(current) = self.identity else { return Stamp::NONE };
        let stamp = current.stamp(self.partition(partition).take(current, count));
        Stamp { transactional: self.is_transactional(), ..stamp }
    }

    pub(crate) fn acknowledged(&mut self, partition: usize, stamp: &Stamp, count: u32) {
        if stamp.producer_id >= 0 {
            self.partition(partition).acknowledged(stamp, count);
        }
    }

    /// What a verdict on an answer needs to know of the batch's place in the sequence.
    pub(crate) fn sequence_context(&mut self, partition: usize, stamp: &Stamp) -> SequenceContext {
        let sequences = self.partition(partition);
        SequenceContext { place: sequences.place(stamp.base_sequence), unresolved: sequences.is_unresolved() }
    }

    /// A batch of this partition was sent and then given up: nobody knows whether the broker has it.
    pub(crate) fn mark_unresolved(&mut self, partition: usize) {
        if self.is_idempotent() && !planted(Defect::NothingUnresolved) {
            self.partition(partition).mark_unresolved();
        }
    }

    /// Asks for a new epoch because this partition's sequence cannot go on.
    pub(crate) fn request_epoch_bump(&mut self, partition: usize) {
        // With transactions that is kept in mind where the batch's failure is noted.
        let is_ours = self.is_idempotent() && !self.is_transactional();
        if is_ours && !std::mem::replace(self.partition(partition).bump_wanted(), true) {
            self.bump_for.push(partition);
            self.bump_is_new = true;
        }
    }

    /// Whether a new epoch has been asked for since this was asked last.
    pub(crate) fn take_bump_news(&mut self) -> bool {
        std::mem::take(&mut self.bump_is_new)
    }

    /// Forgets a partition's sequence; its number may be another's from now on. The same partition may come back as a new
    /// one: it begins under a newer epoch then, or its numbers would be taken for those that were.
    pub(crate) fn forget(&mut self, partition: usize) {
        let Some(sequences) = self.partitions.get_mut(partition).map(std::mem::take) else { return };
        if sequences.is_bump_wanted() {
            self.bump_for.retain(|other| *other != partition);
        }
        if let (Identity::Known(current), Some(owner)) = (&self.identity, sequences.owner())
            && *current == owner
        {
            self.forgotten_under = Some(owner);
        }
    }

    /// The partition's leader does not know this producer any more: as with a new one, the first batch goes alone.
    pub(crate) fn forget_introduction(&mut self, partition: usize) {
        if planted(Defect::StaysIntroduced) {
            return;
        }
        self.partition(partition).forget_introduction();
    }

    /// Nothing of this partition's sequence is known to its leader any more. It begins again under another epoch: a broker
    /// that has not heard of the new topic yet knows the numbers from 0 on of the old one.
    pub(crate) fn topic_created_again(&mut self, partition: usize) {
        // With transactions the numbers go on: a new log takes whatever comes first, or refuses it, and the transaction.
        if self.partitions.get(partition).is_some_and(|sequences| sequences.owner().is_some()) {
            self.forget_introduction(partition);
            self.partition(partition).topic_created_again();
            self.request_epoch_bump(partition);
        }
    }

    /// Called when nothing of an unresolved partition is outstanding any more: either the sequence is whole after
    /// all, or a new epoch is needed.
    pub(crate) fn resolve(&mut self, partition: usize) {
        if self.partition(partition).is_unresolved() && !self.partition(partition).resolve() {
            match &mut self.transactional {
                Some(transactional) => transactional.sequence_broken(),
                None => self.request_epoch_bump(partition),
            }
        }
    }

    /// A broker says that the number behind the last one which it has acknowledged is out of order.
    pub(crate) fn next_number_refused(&mut self) {
        self.transactional.iter_mut().for_each(Transactional::next_number_refused);
    }

    pub(crate) fn is_unresolved(&mut self, partition: usize) -> bool {
        self.is_idempotent() && self.partition(partition).is_unresolved()
    }

    /// Carries out the bumps that were asked for, for those partitions of whose batches the fate is known; the others
    /// wait. Returns the partitions whose outstanding batches the caller has to number anew, from 0 and in order. All
    /// other partitions follow once nothing of theirs is outstanding.
    pub(crate) fn bump_epoch(&mut self, is_known: impl Fn(usize) -> bool) -> Vec<usize> {
        let Identity::Known(current) = self.identity else { return Vec::new() };
        let (partitions, waiting) =
            std::mem::take(&mut self.bump_for).into_iter().partition(|p| is_known(*p));
        let partitions: Vec<usize> = partitions;
        self.bump_for = waiting;
        let begun = |partition: usize| self.partitions.get(partition).and_then(PartitionSequences::owner);
        let mut next = current;
        let mut bumped = partitions.iter().copied();
        if bumped.any(|it| begun(it) == Some(current) || self.needs_newer_epoch(it, current)) {
            let Some(epoch) = current.epoch.checked_add(1) else {
                // The id's epochs are used up: a new id starts everything afresh.
                self.identity = Identity::Wanted { not_before: None };
                self.bump_for.extend(partitions);
                return Vec::new();
            };
            next.epoch = if planted(Defect::EpochStays) { current.epoch } else { epoch };
            logging::debug!("producer id {}: epoch {} from now on", next.id, next.epoch);
            self.identity = Identity::Known(next);
        }
        for partition in &partitions {
            self.partition(*partition).start_over(next);
        }
        partitions
    }

    // ---- transactions ----

    pub(crate) fn is_transactional(&self) -> bool {
        self.transactional.is_some()
    }

    /// Whether the open transaction goes by `transaction.version` 2.
    pub(crate) fn is_v2(&self) -> bool {
        self.transactional.as_ref().is_some_and(|transactional| transactional.v2)
    }

    /// Whether the open transaction can only be aborted.
    pub(crate) fn is_doomed(&self) -> bool {
        self.transactional.as_ref().is_some_and(|transactional| transactional.calls.state().is_doomed())
    }

    /// Something of a partition is there to be sent: the coordinator can be asked for it before it is to go.
    pub(crate) fn touch(&mut self, partition: usize) {
        if let Some(transactional) = &mut self.transactional
            && transactional.calls.state() == TransactionState::InTransaction
        {
            transactional.admits_later(partition);
        }
    }

    /// Whether a transaction goes on without what is known of this partition. Its numbers must not begin anew under the same
    /// epoch, and with transactions nobody gives another one for that.
    pub(crate) fn may_forget(&self, partition: usize) -> bool {
        let Identity::Known(current) = self.identity else { return true };
        let owner = self.partitions.get(partition).and_then(PartitionSequences::owner);
        !self.is_transactional() || owner != Some(current)
    }

    pub(crate) fn transaction(&mut self) -> Option<TransactionSide<'_>> {
        Some(TransactionSide(self.transactional.as_mut()?))
    }

    /// The id and epoch that requests to the coordinator name; -1 where there are none.
    pub(crate) fn author(&self) -> (i64, i16) {
        match self.identity {
            Identity::Known(current) | Identity::Fatal(Some(current)) => (current.id, current.epoch),
            _ => (-1, -1),
        }
    }

    /// The transaction is over, and everything that was sent is answered. `author`: the next one's, where the coordinator
    /// has told it. Returns whether a newer epoch has to be asked for first.
    pub(crate) fn transaction_ended(&mut self, author: Option<(i64, i16)>) -> bool {
        let Some(transactional) = &mut self.transactional else { return false };
        let has_gaps = transactional.calls.has_gaps();
        let renews = transactional.ended();
        match author.filter(|_| !planted(Defect::OldEpochGoesOn)) {
            Some((id, epoch)) => self.producer_id_received(id, epoch),
            // What failed is not in the log: its numbers are free.
            None if planted(Defect::NumbersNotFree) => {}
            None if has_gaps && !renews => self.partitions.iter_mut().for_each(PartitionSequences::rewind),
            None => {}
        }
        renews
    }

    /// Whether a partition that has no sequence yet may have had one under this epoch.
    fn needs_newer_epoch(&self, partition: usize, current: ProducerIdAndEpoch) -> bool {
        let owner = self.partitions.get(partition).and_then(PartitionSequences::owner);
        owner.is_none() && self.forgotten_under == Some(current)
    }

    /// For how many partitions sequences are kept.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn census(&self) -> usize {
        self.partitions.len()
    }

    fn is_bump_wanted(&self, partition: usize) -> bool {
        self.partitions.get(partition).is_some_and(PartitionSequences::is_bump_wanted)
    }

    fn is_introduced(&self, partition: usize, current: ProducerIdAndEpoch) -> bool {
        self.partitions.get(partition).is_some_and(|sequences| sequences.is_introduced(current.id))
    }

    fn partition(&mut self, index: usize) -> &mut PartitionSequences {
        if index >= self.partitions.len() {
            self.partitions.resize_with(index + 1, PartitionSequences::default);
        }
        // The line above made room for it.
        #[expect(clippy::indexing_slicing, reason = "resized just above")]
        &mut self.partitions[index]
    }
}

/// What the sender's part for transactions may see and do of them here.
pub(crate) struct TransactionSide<'a>(&'a mut Transactional);

impl TransactionSide<'_> {
    /// Whether the coordinator knows of the transaction, or may.
    pub(crate) fn is_started(&self) -> bool {
        self.0.started
    }

    pub(crate) fn start(&mut self) {
        (self.0.started, self.0.start_in_doubt) = (true, false);
    }

    /// What would begin it at the coordinator was asked, and nobody will answer.
    pub(crate) fn may_have_started(&mut self) {
        self.0.start_in_doubt |= !self.0.started;
        self.0.started = true;
    }

    /// Whether the transaction may not have begun at the coordinator, for all that is known.
    pub(crate) fn is_start_in_doubt(&self) -> bool {
        self.0.start_in_doubt
    }

    /// Whether there are partitions of which the coordinator has not heard.
    pub(crate) fn has_new_partitions(&self) -> bool {
        self.0.participants.has_new()
    }

    /// Whether the coordinator has consented to any partition.
    pub(crate) fn has_partitions(&self) -> bool {
        self.0.participants.is_any_within()
    }

    /// The partitions that the coordinator has to be asked for.
    pub(crate) fn partitions_to_ask_for(&mut self) -> Vec<usize> {
        self.0.participants.ask()
    }

    /// The coordinator has answered of these.
    pub(crate) fn partitions_answered(&mut self, partitions: &[usize], are_within: bool) {
        self.0.participants.answered(partitions, are_within);
    }

    /// Partitions of which the coordinator has not heard need not be added any more.
    pub(crate) fn forget_new_partitions(&mut self) {
        self.0.participants.forget_new();
    }

    /// Whether the transaction before this one may not be wholly over.
    pub(crate) fn set_resting(&mut self, rests: bool) {
        self.0.rests = rests;
    }

    /// See `Transactional::learn_features`.
    pub(crate) fn learn_features(&mut self, epoch: i64, level: i16) {
        self.0.learn_features(epoch, level);
    }

    /// See `Transactional::take_features`.
    pub(crate) fn take_features(&mut self) -> bool {
        self.0.take_features()
    }

    /// Whether the coordinator gives newer epochs on demand.
    pub(crate) fn set_renewable(&mut self, renewable: bool) {
        self.0.renewable = renewable;
    }

    /// See `Transactional::can_renew`.
    pub(crate) fn can_renew(&self) -> bool {
        self.0.can_renew()
    }

    /// Why the producer is of no use any more, told once.
    pub(crate) fn take_broken(&mut self) -> Option<Error> {
        self.0.broken.take()
    }
}

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    At(Instant),
    /// As soon as something waits for it, but not before.
    WhenNeeded(Instant),
    Never,
}

/// What is known of a batch's place in its partition's sequence.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SequenceContext {
    pub(crate) place: SequencePlace,
    /// Something of unknown fate lies before it.
    pub(crate) unresolved: bool,
}

/// How many batches of a producer a broker remembers in each partition, to know them when they come again.
const REMEMBERED_BATCHES: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of a partition's batches may be sent again.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Resend {
        All,
        /// All, but only when nothing else of the partition is on its way.
        OneByOne,
        OfUnknownFate,
    }

    fn may_resend(manager: &TransactionManager, partition: usize) -> Resend {
        let asked = [(false, false), (false, true), (true, false), (true, true)];
        match asked.map(|(of_unknown_fate, others)| manager.may_resend(partition, of_unknown_fate, others)) {
            [true, true, true, true] => Resend::All,
            [true, false, true, false] => Resend::OneByOne,
            [false, false, true, true] => Resend::OfUnknownFate,
            other => panic!("{other:?}"),
        }
    }

    fn ready() -> TransactionManager {
        let mut manager = TransactionManager::new(true);
        manager.producer_id_received(4000, 0);
        manager
    }

    #[test]
    fn without_idempotence_nothing_is_stamped_and_nothing_waits() {
        let mut manager = TransactionManager::new(false);
        assert_eq!(manager.producer_id_due(), Due::Never);
        assert!(manager.may_stamp(0, 1));
        assert_eq!(manager.next_stamp(0, 3), Stamp::NONE);
    }

    #[test]
    fn sequences_follow_one_another_per_partition() {
        let mut manager = TransactionManager::new(true);
        assert!(!manager.may_stamp(0, 0), "no id yet");
        assert_eq!(manager.producer_id_due(), Due::Now);
        manager.producer_id_requested();
        assert_eq!(manager.producer_id_due(), Due::Never);
        manager.producer_id_received(4000, 0);
        let sequences: Vec<i32> =
            [(0, 10), (0, 5), (1, 7), (0, 1)].map(|(p, n)| manager.next_stamp(p, n).base_sequence).to_vec();
        assert_eq!(sequences, [0, 10, 0, 15]);
    }

    /// Behaviours 59, 60.
    #[test]
    fn a_bump_starts_the_failed_partition_over_and_lets_the_others_finish_first() {
        let mut manager = ready();
        manager.next_stamp(0, 10);
        let other = manager.next_stamp(1, 10);
        manager.request_epoch_bump(0);
        assert!(!manager.may_stamp(0, 0), "until the bump is carried out");
        assert_eq!(manager.bump_epoch(|_| true), [0]);
        let first = manager.next_stamp(0, 3);
        assert_eq!((first.producer_epoch, first.base_sequence), (1, 0));
        assert!(!manager.may_stamp(1, 1), "still has batches of the old epoch outstanding");
        manager.acknowledged(1, &other, 10);
        assert!(manager.may_stamp(1, 0));
        let second = manager.next_stamp(1, 3);
        assert_eq!((second.producer_epoch, second.base_sequence), (1, 0));
    }

    /// Behaviours 24, 35.
    #[test]
    fn an_unresolved_partition_stalls_and_then_goes_on_or_asks_for_a_bump() {
        let mut manager = ready();
        let first = manager.next_stamp(0, 10);
        let second = manager.next_stamp(0, 10);
        manager.mark_unresolved(0);
        assert!(!manager.may_stamp(0, 1));
        manager.acknowledged(0, &first, 10);
        manager.acknowledged(0, &second, 10);
        manager.resolve(0);
        assert!(manager.may_stamp(0, 0), "everything is there after all");

        let third = manager.next_stamp(0, 10);
        manager.next_stamp(0, 10);
        manager.mark_unresolved(0);
        manager.acknowledged(0, &third, 10);
        manager.resolve(0);
        assert_eq!(manager.bump_epoch(|_| true), [0]);
    }

    #[test]
    fn a_partition_is_not_numbered_anew_while_the_fate_of_a_batch_is_unknown() {
        let mut manager = ready();
        manager.next_stamp(0, 10);
        manager.next_stamp(1, 10);
        assert_eq!(may_resend(&manager, 0), Resend::OneByOne);
        manager.request_epoch_bump(0);
        (0..2).for_each(|_| manager.request_epoch_bump(1));
        assert_eq!(manager.bump_epoch(|partition| partition == 1), [1]);
        assert_eq!(
            (may_resend(&manager, 0), may_resend(&manager, 1)),
            (Resend::OfUnknownFate, Resend::OneByOne)
        );
        assert!(!manager.may_stamp(0, 0));
        assert_eq!(manager.bump_epoch(|_| true), [0]);
        assert_eq!(manager.next_stamp(0, 1).producer_epoch, 1, "the new epoch serves both");
        assert!(manager.bump_epoch(|_| true).is_empty());
    }

    /// Fault C2.
    #[test]
    fn nothing_is_renewed_after_a_fatal_error() {
        let mut manager = ready();
        manager.next_stamp(0, 10);
        manager.request_epoch_bump(0);
        manager.set_fatal();
        assert!(manager.bump_epoch(|_| true).is_empty());
        assert_eq!(manager.epoch(), Some(0));
    }

    /// Fault C2.
    #[test]
    fn after_a_fatal_error_nothing_goes_and_no_id_is_asked_for() {
        let mut known = ready();
        known.next_stamp(0, 10);
        for mut manager in [known, TransactionManager::new(true)] {
            manager.set_fatal();
            assert!(!manager.may_stamp(0, 0) && !manager.may_resend(0, true, false));
            assert_eq!((manager.producer_id_due(), manager.is_idempotent()), (Due::Never, true));
        }
        // Without ids none is missed; what is left is failed by the sender.
        let mut without = TransactionManager::new(false);
        without.set_fatal();
        assert_eq!((without.producer_id_due(), without.is_idempotent()), (Due::Never, false));
    }

    #[test]
    fn the_first_batch_of_a_producer_goes_alone() {
        let mut manager = ready();
        assert!(manager.may_stamp(0, 0));
        let first = manager.next_stamp(0, 10);
        assert!(!manager.may_stamp(0, 1), "the broker would take the second one in place of the first");
        manager.acknowledged(0, &first, 10);
        assert!(manager.may_stamp(0, 1));
        assert!(manager.may_stamp(0, 4) && !manager.may_stamp(0, 5), "a broker remembers five");
    }

    /// Fault A3. As when the producer was new, nothing is sent behind its first batch until that is answered.
    #[test]
    fn where_the_producer_was_forgotten_the_first_batch_goes_alone_again() {
        let mut manager = ready();
        let first = manager.next_stamp(0, 10);
        manager.acknowledged(0, &first, 10);
        assert_eq!((manager.may_stamp(0, 1), may_resend(&manager, 0)), (true, Resend::All));
        manager.forget_introduction(0);
        assert_eq!((manager.may_stamp(0, 1), may_resend(&manager, 0)), (false, Resend::OneByOne));
        assert!(manager.may_stamp(0, 0));
        let second = manager.next_stamp(0, 10);
        manager.acknowledged(0, &second, 10);
        assert_eq!((manager.may_stamp(0, 1), may_resend(&manager, 0)), (true, Resend::All));
    }

    /// Fault A3. What comes in after the topic was created again may have been written to the topic of before.
    #[test]
    fn answers_of_the_topic_of_before_do_not_introduce_the_producer_to_the_new_one() {
        let mut manager = ready();
        let first = manager.next_stamp(0, 10);
        manager.acknowledged(0, &first, 10);
        let second = manager.next_stamp(0, 10);
        manager.topic_created_again(0);
        manager.acknowledged(0, &second, 10);
        assert_eq!(manager.bump_epoch(|_| true), [0]);
        let third = manager.next_stamp(0, 10);
        manager.acknowledged(0, &second, 10); // It was given up, and comes in late.
        assert_eq!((manager.may_stamp(0, 1), may_resend(&manager, 0)), (false, Resend::OneByOne));
        manager.acknowledged(0, &third, 10);
        assert!(manager.may_stamp(0, 1));
    }

    /// Fault A8. A partition that was forgotten has no second life under the same id and epoch, whatever number it has.
    #[test]
    fn after_a_sequence_was_forgotten_new_ones_begin_under_a_newer_epoch() {
        let mut manager = ready();
        let _ = [0, 1].map(|partition| manager.next_stamp(partition, 10));
        manager.forget(0);
        for partition in [0, 2] {
            assert!(!manager.may_stamp(partition, 0), "it may be the one that was forgotten");
        }
        assert!(manager.take_bump_news() && !manager.take_bump_news());
        assert_eq!(manager.bump_epoch(|_| true), [0, 2]);
        for partition in [0, 2, 3] {
            assert!(manager.may_stamp(partition, 0));
            let stamp = manager.next_stamp(partition, 1);
            assert_eq!((stamp.producer_epoch, stamp.base_sequence), (1, 0));
        }
        manager.forget(1);
        assert!(manager.may_stamp(4, 0), "it was of an older epoch");
        manager.forget(2);
        assert!(!manager.may_stamp(4, 0));
        manager.producer_id_received(4001, 0);
        assert!(manager.may_stamp(5, 0), "another id knows nothing of it");
    }

    /// Behaviour 59.
    #[test]
    fn after_the_last_epoch_comes_a_new_id() {
        let mut manager = TransactionManager::new(true);
        manager.producer_id_received(4000, i16::MAX);
        manager.next_stamp(0, 1);
        manager.request_epoch_bump(0);
        assert!(manager.bump_epoch(|_| true).is_empty());
        assert_eq!(manager.producer_id_due(), Due::Now);
        manager.producer_id_received(4001, 0);
        assert_eq!(manager.bump_epoch(|_| true), [0], "the partition starts over with the new id");
        assert_eq!(manager.next_stamp(0, 1).base_sequence, 0);
    }
}
