//! The sequence numbers of one partition.
//!
//! Owns: a producer id with its epoch, the next number, the last acknowledged one, and whether something of unknown
//! fate lies between.
//! Holds: numbers are handed out once, in order; they wrap from 2^31-1 to 0.
//! Source: KIP-98; Kafka's `TxnPartitionEntry`.

use crate::planted::{Defect, planted};
use crate::record_batch::{Stamp, sequence_after as after};

/// A producer id with its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerIdAndEpoch {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

impl ProducerIdAndEpoch {
    pub(super) fn stamp(self, base_sequence: i32) -> Stamp {
        Stamp { producer_id: self.id, producer_epoch: self.epoch, base_sequence, transactional: false }
    }
}

/// Where a batch stands, seen from the last acknowledged one of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SequencePlace {
    /// Others that are not acknowledged come before it.
    #[default]
    Early,
    /// It is the next one.
    Next,
    /// Later ones are acknowledged already.
    Overtaken,
}

/// One partition's numbering.
#[derive(Debug, Default)]
pub(super) struct PartitionSequences {
    owner: Option<ProducerIdAndEpoch>,
    next: i32,
    last_acknowledged: Option<i32>,
    unresolved: bool,
    /// Its failure asks for a new epoch.
    bump_wanted: bool,
    /// The producer id of which the partition's leader has a batch.
    introduced: Option<i64>,
    /// Numbers before this one were handed out before the topic was created again, and an answer may be that of the topic before.
    former: Option<i32>,
}

impl PartitionSequences {
    /// The id and epoch that the numbers belong to.
    pub(super) fn owner(&self) -> Option<ProducerIdAndEpoch> {
        self.owner
    }

    /// Takes `count` numbers; with a new id or epoch they begin at 0.
    pub(super) fn take(&mut self, owner: ProducerIdAndEpoch, count: u32) -> i32 {
        if self.owner != Some(owner) {
            let next = self.next;
            self.start_over(owner);
            if planted(Defect::SequencesGoOn) {
                self.next = next;
            }
        }
        let base = self.next;
        self.next = after(base, count);
        base
    }

    pub(super) fn start_over(&mut self, owner: ProducerIdAndEpoch) {
        let introduced = self.introduced;
        *self = PartitionSequences { owner: Some(owner), introduced, ..PartitionSequences::default() };
    }

    /// Whether a batch of this producer id has been acknowledged. Until then a broker would take
    /// whatever sequence comes first, so that the second batch could come before the first, or in its place.
    pub(super) fn is_introduced(&self, producer_id: i64) -> bool {
        self.introduced == Some(producer_id)
    }

    pub(super) fn forget_introduction(&mut self) {
        self.introduced = None;
    }

    /// Whatever is answered of numbers that are handed out already introduces nobody.
    pub(super) fn topic_created_again(&mut self) {
        self.former = Some(self.next);
    }

    pub(super) fn is_bump_wanted(&self) -> bool {
        self.bump_wanted
    }

    pub(super) fn bump_wanted(&mut self) -> &mut bool {
        &mut self.bump_wanted
    }

    pub(super) fn acknowledged(&mut self, stamp: &Stamp, count: u32) {
        let ours =
            |owner: ProducerIdAndEpoch| (owner.id, owner.epoch) == (stamp.producer_id, stamp.producer_epoch);
        if planted(Defect::OldAnswersIntroduce) {
            self.introduced = Some(stamp.producer_id);
        }
        if !self.owner.is_some_and(ours) {
            return;
        }
        let was_handed_out = |next: i32| next != stamp.base_sequence && is_behind(stamp.base_sequence, next);
        // Before a new epoch begins an answer may be that of a topic which has been created again since.
        if !self.bump_wanted && !self.former.is_some_and(was_handed_out) {
            self.introduced = Some(stamp.producer_id);
        }
        let last = after(stamp.base_sequence, count.saturating_sub(1));
        if self.last_acknowledged.is_none_or(|before| is_behind(before, last)) {
            self.last_acknowledged = Some(last);
        }
    }

    /// Whether a batch with this base sequence comes right after the last acknowledged one.
    fn is_next(&self, base_sequence: i32) -> bool {
        base_sequence == self.last_acknowledged.map_or(0, |last| after(last, 1))
    }

    /// Where a batch with this base sequence stands.
    pub(super) fn place(&self, base_sequence: i32) -> SequencePlace {
        let overtaken = self.last_acknowledged.is_some_and(|last| !is_behind(last, base_sequence));
        match self.is_next(base_sequence) {
            true => SequencePlace::Next,
            false if overtaken || self.last_acknowledged == Some(base_sequence) => SequencePlace::Overtaken,
            false => SequencePlace::Early,
        }
    }

    pub(super) fn mark_unresolved(&mut self) {
        self.unresolved = true;
    }

    pub(super) fn is_unresolved(&self) -> bool {
        self.unresolved
    }

    /// Nothing is outstanding any more, and what is not acknowledged is not in the log: its numbers are handed out again.
    pub(super) fn rewind(&mut self) {
        self.former = None;
        if self.owner.is_some() {
            self.next = self.last_acknowledged.map_or(0, |last| after(last, 1));
        }
    }

    /// Nothing is outstanding any more. Returns whether all that was handed out is acknowledged.
    pub(super) fn resolve(&mut self) -> bool {
        self.unresolved = false;
        self.is_next(self.next)
    }
}

/// Whether `later` was handed out after `earlier`: numbers that are in use lie close together.
fn is_behind(earlier: i32, later: i32) -> bool {
    (i64::from(later) - i64::from(earlier)).rem_euclid(1 << 31) < 1 << 30
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 1, epoch: 0 };

    /// Behaviour 23.
    #[test]
    fn numbers_wrap_to_zero() {
        assert_eq!(after(i32::MAX, 1), 0);
        assert_eq!(after(i32::MAX - 1, 5), 3);
        let mut sequences =
            PartitionSequences { owner: Some(OWNER), next: i32::MAX - 1, ..Default::default() };
        assert_eq!(sequences.take(OWNER, 3), i32::MAX - 1);
        assert_eq!(sequences.take(OWNER, 1), 1);
    }

    #[test]
    fn only_the_batch_after_the_last_acknowledged_one_is_next() {
        let mut sequences = PartitionSequences::default();
        sequences.take(OWNER, 10);
        sequences.take(OWNER, 10);
        assert!(sequences.is_next(0) && !sequences.is_next(10));
        sequences.acknowledged(&OWNER.stamp(0), 10);
        assert!(sequences.is_next(10) && !sequences.is_next(0));
    }

    /// Fault A3. A new epoch begins afresh; with transactions there is none before their end.
    #[test]
    fn answers_to_numbers_from_before_the_topic_was_created_again_introduce_nobody() {
        let mut sequences = PartitionSequences::default();
        sequences.take(OWNER, 10);
        sequences.topic_created_again();
        sequences.acknowledged(&OWNER.stamp(0), 10);
        assert!(!sequences.is_introduced(1));
        sequences.take(OWNER, 1);
        sequences.acknowledged(&OWNER.stamp(10), 1);
        assert!(sequences.is_introduced(1));
        sequences.forget_introduction();
        sequences.topic_created_again();
        sequences.take(OWNER, 1);
        sequences.rewind();
        sequences.take(OWNER, 1);
        sequences.acknowledged(&OWNER.stamp(11), 1);
        assert!(sequences.is_introduced(1));
    }

    #[test]
    fn numbers_of_what_is_not_in_the_log_are_handed_out_again() {
        let mut sequences = PartitionSequences::default();
        sequences.rewind();
        sequences.take(OWNER, 10);
        sequences.rewind();
        assert_eq!(sequences.take(OWNER, 5), 0);
        sequences.acknowledged(&OWNER.stamp(0), 5);
        sequences.take(OWNER, 7);
        sequences.rewind();
        assert_eq!(sequences.take(OWNER, 1), 5);
    }

    #[test]
    fn an_answer_that_comes_late_does_not_turn_the_clock_back() {
        let mut sequences = PartitionSequences::default();
        for _ in 0..3 {
            sequences.take(OWNER, 10);
        }
        sequences.acknowledged(&OWNER.stamp(10), 10);
        sequences.acknowledged(&OWNER.stamp(0), 10);
        assert_eq!(
            [0, 10, 20, 30].map(|base| sequences.place(base)),
            [SequencePlace::Overtaken, SequencePlace::Overtaken, SequencePlace::Next, SequencePlace::Early]
        );
        assert!(is_behind(i32::MAX - 1, 3) && !is_behind(3, i32::MAX - 1));
    }
}
