//! `Transactional`: what a producer with transactions has beside sequences: which partitions are in the open one, by which
//! protocol it goes, and whether it needs a newer epoch after it.
//!
//! Owns: that knowledge, on the sender's side. Must not know: requests, answers, batches' bytes.
//! Threads: the sender thread owns it by value.
//! Holds: a transaction ends by the protocol by which it began (`transaction.version` 2 or not).
//! Source: Kafka's `TransactionManager` (4.3.1); KIP-98, KIP-360, KIP-890.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::planted::{Defect, planted};
use crate::transaction::participants::Participants;
use crate::transaction::transaction_calls::TransactionCalls;

pub(super) struct Transactional {
    pub(super) calls: Arc<TransactionCalls>,
    pub(super) participants: Participants,
    /// The coordinator knows of this transaction, or a leader may tell it.
    pub(super) started: bool,
    /// That is only possible: what would have begun it there was asked, and never answered.
    pub(super) start_in_doubt: bool,
    /// Nothing of the next transaction goes yet, so that it is not too early.
    pub(super) rests: bool,
    /// Brokers add partitions and groups by themselves (`transaction.version` 2).
    pub(super) v2: bool,
    /// The newest epoch of the cluster's features, and whether it has `transaction.version` 2.
    features: Option<(i64, bool)>,
    /// The coordinator gives newer epochs on demand (Kafka 2.5 and later).
    pub(super) renewable: bool,
    /// Why the producer is of no use any more.
    pub(super) broken: Option<Error>,
}

impl Transactional {
    pub(super) fn new(calls: Arc<TransactionCalls>) -> Transactional {
        Transactional {
            calls,
            participants: Participants::default(),
            started: false,
            start_in_doubt: false,
            rests: false,
            v2: false,
            features: None,
            renewable: false,
            broken: None,
        }
    }

    /// A broker has told the level of `transaction.version`, as of this epoch. The newest counts, from the next transaction
    /// on.
    pub(super) fn learn_features(&mut self, epoch: i64, level: i16) {
        if self.features.is_none_or(|(known, _)| epoch > known) {
            self.features = Some((epoch, level >= 2));
        }
    }

    /// Goes by what is known of the cluster's features from now on. Returns whether that is an upgrade.
    pub(super) fn take_features(&mut self) -> bool {
        let before = self.v2;
        self.v2 = self.features.is_some_and(|(_, v2)| v2);
        self.v2 && !before
    }

    /// Whether a partition's batch may be given its first number: the transaction is open and has the partition.
    pub(super) fn admits(&mut self, partition: usize) -> bool {
        if !self.calls.state().sends_records() {
            return false;
        }
        if self.v2 && self.rests {
            return false;
        }
        if self.v2 {
            self.participants.join(partition);
            self.started = true;
        } else {
            self.participants.touch(partition);
        }
        self.participants.is_within(partition) || planted(Defect::NothingAdded)
    }

    /// A partition's batch will ask for that.
    pub(super) fn admits_later(&mut self, partition: usize) {
        if !self.v2 {
            self.participants.touch(partition);
        }
    }

    /// Whether a transaction can be aborted and another one begun though a sequence has a gap.
    pub(super) fn can_renew(&self) -> bool {
        self.renewable || self.v2
    }

    /// A sequence has a gap of which nobody knows whether the broker has something there.
    pub(super) fn sequence_broken(&mut self) {
        if !self.can_renew() {
            let text = "records of the transaction are given up in doubt, and the coordinator gives no newer epoch (that \
                        takes Kafka 2.5): they could still be written into the next transaction";
            self.broken.get_or_insert_with(|| Error::new(ErrorKind::Broker, text).with_fatal());
        }
    }

    /// A broker does not take the number behind the last one that it has acknowledged.
    pub(super) fn next_number_refused(&mut self) {
        if !self.can_renew() {
            let text = "a partition does not go on where it was, as where its topic was created again, and the coordinator \
                        gives no newer epoch under which it would begin anew (that takes Kafka 2.5)";
            self.broken.get_or_insert_with(|| Error::new(ErrorKind::Broker, text).with_fatal());
        }
    }

    /// The transaction is over. Returns whether a newer epoch has to be asked for before the next one.
    pub(super) fn ended(&mut self) -> bool {
        let gives_epochs = self.v2;
        let has_gaps = self.calls.has_gaps() && !planted(Defect::GapsKeepEpoch);
        // What is prepared is known by its epoch, and the next one must not be taken for it.
        let was_prepared = self.calls.prepared().is_some_and(|prepared| prepared.has_transaction());
        let was_prepared = was_prepared && !planted(Defect::PreparedKeepsEpoch);
        let needs_epoch = (has_gaps || was_prepared) && self.renewable && !gives_epochs;
        let is_upgraded = self.take_features();
        if !planted(Defect::PartitionsCarriedOver) {
            self.participants.clear();
        }
        (self.started, self.start_in_doubt) = (false, false);
        needs_epoch || is_upgraded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::transaction_calls::TransactionCall;
    use crate::transaction::transaction_state::TransactionEvent;

    fn transactional() -> Transactional {
        let calls = Arc::new(TransactionCalls::new(Some("t".into()), Arc::default()));
        let outcome = calls.call(TransactionCall::Init, None).unwrap();
        calls.advance(TransactionEvent::Initialized).unwrap();
        calls.told(&outcome);
        calls.begin().unwrap();
        Transactional::new(calls)
    }

    #[test]
    fn the_newest_features_count_from_the_next_transaction_on() {
        let mut it = transactional();
        it.learn_features(5, 2);
        it.learn_features(4, 0);
        assert!(!it.v2);
        assert!(it.take_features() && it.v2, "an upgrade");
        it.learn_features(5, 0);
        assert!(!it.take_features() && it.v2, "told before");
        it.learn_features(6, 1);
        assert!(!it.take_features() && !it.v2, "a downgrade");
    }

    /// Behaviour 72.
    #[test]
    fn an_upgrade_asks_for_a_newer_epoch_and_a_downgrade_does_not() {
        let mut it = transactional();
        it.learn_features(1, 2);
        assert!(it.ended() && it.v2 && !it.ended());
        it.learn_features(2, 1);
        assert!(!it.ended() && !it.v2);
    }

    #[test]
    fn by_the_first_protocol_a_partition_waits_for_the_coordinator_and_by_the_second_it_does_not() {
        let mut it = transactional();
        assert!(!it.admits(3) && it.participants.has_new() && !it.started);
        assert_eq!(it.participants.ask(), [3]);
        it.participants.answered(&[3], true);
        assert!(it.admits(3));
        let mut it = transactional();
        it.v2 = true;
        assert!(it.admits(3) && it.started && !it.participants.has_new());
    }

    #[test]
    fn nothing_is_numbered_in_a_transaction_that_is_doomed() {
        let mut it = transactional();
        it.v2 = true;
        it.calls.fail(&Error::new(ErrorKind::Broker, "no"));
        assert!(!it.admits(0) && !it.started);
    }

    /// Behaviour 73.
    #[test]
    fn after_a_gap_a_newer_epoch_is_asked_for_where_the_coordinator_gives_one() {
        let failed = Error::new(ErrorKind::Broker, "no");
        for (renewable, v2, renews, can_renew) in
            [(true, false, true, true), (false, false, false, false), (true, true, false, true)]
        {
            let mut it = transactional();
            (it.renewable, it.v2) = (renewable, v2);
            it.features = Some((1, v2));
            it.calls.batch_failed(&failed, true);
            it.sequence_broken();
            assert_eq!((it.can_renew(), it.broken.is_none()), (can_renew, can_renew));
            assert_eq!(it.ended(), renews, "renewable {renewable}, v2 {v2}");
        }
    }
}
