//! Whether a producer is of use again when whatever went wrong is over.
//!
//! Owns: what is tried for that. Must not know: what went wrong.

use std::time::Duration;

use crate::simulation::history::Violation;
use crate::simulation::player::{Act, CallbackDeed, How};
use crate::simulation::world::World;

impl World {
    /// Whatever went wrong is over: after a first round, in which everyone may find out, each partition takes records.
    /// Leader epochs of a topic that is another one now, under the same name and without an id, are believed when they
    /// have been told three times while the leader of before refuses: with few `retries` that takes as many records.
    pub(super) fn probe(&mut self) -> Result<(), String> {
        let last = if self.settings.retries < 3 { 3 } else { 1 };
        for round in 0..=last {
            let places = self.network().brokers.places();
            let begun = self.ledger.counts();
            for (topic, partition) in places {
                let how = How::Callback(CallbackDeed::Nothing);
                let act = Act::Send { topic, partition: Some(partition), size: 1, how };
                self.act(act);
            }
            self.run()?;
            let bad = if round < last { None } else { self.ledger.failure_since(begun) };
            if let Some(bad) = bad {
                self.network().remarks.push(Violation::Stuck(bad));
            }
            self.rest(self.settings.delivery_timeout.max(self.longest_setup()))?;
        }
        Ok(())
    }

    /// An attempt to connect that began before may wait for its end.
    fn longest_setup(&self) -> Duration {
        let setup = self.settings.socket_connection_setup_timeout_max * 2;
        if self.network().secured.is_some() { setup } else { Duration::ZERO }
    }

    /// Whatever went wrong is over: a program that begins again if this one is of no use any more commits a transaction with
    /// a record in each partition.
    pub(super) fn probe_transactions(&mut self) -> Result<(), String> {
        for round in 0..=LAST_ROUND {
            if !self.control.lifecycle().is_open() {
                self.begin_again();
            }
            let places = self.network().brokers.places();
            self.act(Act::Finish { tries: PATIENCE });
            self.act(Act::Begin);
            for (topic, partition) in places {
                let how = How::Callback(CallbackDeed::Nothing);
                self.act(Act::Send { topic, partition: Some(partition), size: 1, how });
            }
            self.act(Act::Commit { tries: PATIENCE });
            let before = self.ledger.with_book(|book| book.failures.len());
            self.run()?;
            if round == LAST_ROUND && !self.ledger.with_book(|book| book.is_last_committed()) {
                let why = self.ledger.with_book(|book| book.failures[before..].join(", "));
                self.network().remarks.push(Violation::Stuck(why));
            }
            self.rest(self.settings.delivery_timeout.max(self.longest_setup()))?;
        }
        Ok(())
    }
}

/// In those before it everyone may find out what is wrong.
const LAST_ROUND: u32 = 3;
const PATIENCE: u32 = 5;
