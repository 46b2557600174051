//! `Participants`: the partitions that a transaction writes to, from the first record to the coordinator's consent.
//!
//! Owns: which are new, asked for, and in it. Must not know: topics' names, requests.
//! Holds: to begin the next transaction costs what this one had, not what the producer ever wrote to.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Participation {
    #[default]
    Outside,
    /// A record is there, and the coordinator has not been asked.
    New,
    Asked,
    Within,
}

/// The partitions of a transaction, by their numbers within the producer.
#[derive(Debug, Default)]
pub(super) struct Participants {
    standing: Vec<Participation>,
    /// All that are not outside.
    touched: Vec<usize>,
    new: usize,
    within: usize,
}

impl Participants {
    /// A record is there for the partition.
    pub(super) fn touch(&mut self, partition: usize) {
        if self.standing(partition) == Participation::Outside {
            self.place(partition, Participation::New);
        }
    }

    /// It is in the transaction without anybody being asked.
    pub(super) fn join(&mut self, partition: usize) {
        self.place(partition, Participation::Within);
    }

    pub(super) fn has_new(&self) -> bool {
        self.new > 0
    }

    pub(super) fn is_within(&self, partition: usize) -> bool {
        self.standing(partition) == Participation::Within
    }

    /// Whether any is in the transaction.
    pub(super) fn is_any_within(&self) -> bool {
        self.within > 0
    }

    /// Those that the coordinator has to be asked for: the new ones, and those of which there is no answer.
    pub(super) fn ask(&mut self) -> Vec<usize> {
        let waiting = |it: &Self, partition: &usize| {
            matches!(it.standing(*partition), Participation::New | Participation::Asked)
        };
        let asked: Vec<usize> =
            self.touched.iter().copied().filter(|partition| waiting(self, partition)).collect();
        asked.iter().for_each(|partition| self.place(*partition, Participation::Asked));
        asked
    }

    /// The coordinator has answered of these.
    pub(super) fn answered(&mut self, partitions: &[usize], are_within: bool) {
        let standing = if are_within { Participation::Within } else { Participation::Outside };
        for partition in partitions {
            if self.standing(*partition) == Participation::Asked {
                self.place(*partition, standing);
            }
        }
    }

    /// The new ones need not be asked for any more.
    pub(super) fn forget_new(&mut self) {
        for partition in self.touched.clone() {
            if self.standing(partition) == Participation::New {
                self.place(partition, Participation::Outside);
            }
        }
    }

    /// The transaction is over.
    pub(super) fn clear(&mut self) {
        for partition in std::mem::take(&mut self.touched) {
            if let Some(standing) = self.standing.get_mut(partition) {
                *standing = Participation::Outside;
            }
        }
        (self.new, self.within) = (0, 0);
    }

    fn standing(&self, partition: usize) -> Participation {
        self.standing.get(partition).copied().unwrap_or_default()
    }

    fn place(&mut self, partition: usize, standing: Participation) {
        if partition >= self.standing.len() {
            self.standing.resize(partition + 1, Participation::Outside);
        }
        let Some(place) = self.standing.get_mut(partition) else { return };
        let before = std::mem::replace(place, standing);
        let count = |wanted: Participation| usize::from(standing == wanted);
        let uncount = |wanted: Participation| usize::from(before == wanted);
        self.new = self.new + count(Participation::New) - uncount(Participation::New);
        self.within = self.within + count(Participation::Within) - uncount(Participation::Within);
        match (before, standing) {
            (Participation::Outside, Participation::Outside) => {}
            (Participation::Outside, _) => self.touched.push(partition),
            (_, Participation::Outside) => self.touched.retain(|other| *other != partition),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_asked_for_once_and_again_until_there_is_an_answer() {
        let mut participants = Participants::default();
        for partition in [7, 3, 7] {
            participants.touch(partition);
        }
        assert!(participants.has_new() && !participants.is_any_within());
        assert_eq!(participants.ask(), [7, 3]);
        assert!(!participants.has_new());
        participants.touch(5);
        assert_eq!(participants.ask(), [7, 3, 5], "the first two have no answer yet");
        participants.answered(&[7, 5], true);
        participants.answered(&[3], false);
        assert_eq!([7, 3, 5].map(|partition| participants.is_within(partition)), [true, false, true]);
        assert!(participants.ask().is_empty());
    }

    #[test]
    fn an_abort_forgets_what_was_not_asked_for_and_the_end_forgets_all() {
        let mut participants = Participants::default();
        participants.touch(0);
        participants.ask();
        participants.touch(1);
        participants.forget_new();
        assert_eq!(participants.ask(), [0]);
        participants.join(9);
        participants.clear();
        assert!(!participants.is_any_within() && !participants.is_within(9) && participants.ask().is_empty());
        participants.answered(&[0], true);
        assert!(!participants.is_within(0), "the answer of a transaction that is over");
    }
}
