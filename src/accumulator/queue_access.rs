//! `QueueAccess`: whether a partition's queue takes records.
//!
//! Owns: the steps between open, suspended, retired and closed. Must not know: what is in the queue, who asks.
//! Threads: under the queue's lock.
//! Holds: what is closed never opens again. A transaction's beginnings (even) and ends (odd) are numbered turns, and an older one
//! that is heard of late changes nothing: threads that begin and the sender that ends may come in any order.

/// Whether a queue takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Access {
    #[default]
    Open,
    /// No transaction is open.
    Suspended,
    /// Its topic was forgotten; there may be another queue for the partition.
    Retired,
    /// The producer is closed.
    Closed,
}

/// Whether it does now, and the last turn that was heard of; 0 where there are no transactions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueueAccess {
    access: Access,
    turn: u64,
}

impl QueueAccess {
    /// Of a queue that is made in this turn.
    pub(super) fn in_turn(turn: u64) -> QueueAccess {
        QueueAccess { access: by_turn(turn), turn }
    }

    /// Of one that takes nothing from the beginning.
    pub(super) fn never(access: Access, turn: u64) -> QueueAccess {
        QueueAccess { access, turn }
    }

    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.access == Access::Open
    }

    pub(super) fn now(&self) -> Access {
        self.access
    }

    /// Whether it takes records, or will in another turn.
    pub(super) fn follows_turns(&self) -> bool {
        matches!(self.access, Access::Open | Access::Suspended)
    }

    pub(super) fn take_turn(&mut self, turn: u64) {
        if turn > self.turn {
            self.turn = turn;
            if self.follows_turns() {
                self.access = by_turn(turn);
            }
        }
    }

    pub(super) fn retire(&mut self) {
        if self.follows_turns() {
            self.access = Access::Retired;
        }
    }

    /// Takes `retire` back.
    pub(super) fn reopen(&mut self) {
        if self.access == Access::Retired {
            self.access = by_turn(self.turn);
        }
    }

    pub(super) fn close(&mut self) {
        self.access = Access::Closed;
    }
}

fn by_turn(turn: u64) -> Access {
    if turn.is_multiple_of(2) { Access::Open } else { Access::Suspended }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_turn_counts_whenever_it_is_heard_of() {
        let mut access = QueueAccess::in_turn(1);
        assert_eq!(access.now(), Access::Suspended);
        for (turn, now) in
            [(2, Access::Open), (5, Access::Suspended), (4, Access::Suspended), (6, Access::Open)]
        {
            access.take_turn(turn);
            assert_eq!(access.now(), now, "{turn}");
        }
    }

    #[test]
    fn what_is_retired_comes_back_as_its_turn_says_and_what_is_closed_never_does() {
        let mut access = QueueAccess::in_turn(2);
        access.retire();
        access.take_turn(3);
        assert_eq!(access.now(), Access::Retired);
        access.reopen();
        assert_eq!(access.now(), Access::Suspended);
        access.close();
        access.take_turn(4);
        access.reopen();
        access.retire();
        assert_eq!(access.now(), Access::Closed);
    }
}
