//! `OtherPrograms`: programs with the same `transactional.id` as the one that is watched: one that comes in between, and
//! those of before, which go on somewhere though they are taken for dead.
//!
//! Owns: what they say, which is what the watched one has said. Must not know: what brokers make of it.

use std::time::Instant;

use kafka_embedded::{Action, Api, ClusterRules};

use crate::simulation::frame_reader::request_head;

/// A request, and the broker that it went to.
type SaidRequest = (i32, Vec<u8>);

#[derive(Default)]
pub(super) struct OtherPrograms {
    /// How the present program began.
    beginning: Option<Vec<u8>>,
    present: Vec<SaidRequest>,
    past: Vec<SaidRequest>,
}

impl OtherPrograms {
    /// The watched program says something.
    pub(super) fn heard(&mut self, broker: i32, frame: &[u8]) {
        let Some((key, ..)) = request_head(frame) else { return };
        if key == Api::InitProducerId.key() {
            self.beginning.get_or_insert_with(|| frame.to_vec());
        } else if OF_TRANSACTIONS.iter().any(|api| api.key() == key) {
            self.present.push((broker, frame.to_vec()));
        }
    }

    /// The watched program is another one from now on.
    pub(super) fn crashed(&mut self) {
        self.beginning = None;
        self.past.append(&mut self.present);
        self.past.drain(..self.past.len().saturating_sub(MOST_KEPT));
    }

    /// Another program begins as the present one has.
    pub(super) fn begin_rival(
        &self,
        coordinator: Option<i32>,
        rules: &mut ClusterRules,
        now: Instant,
    ) -> Vec<Action> {
        let frame = coordinator.zip(self.beginning.clone());
        frame.map(|(broker, frame)| say(broker, frame, rules, now)).unwrap_or_default()
    }

    /// One of before says something again, after the present one has got an epoch of its own: until then it is no other.
    pub(super) fn say_again(
        &self,
        rules: &mut ClusterRules,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Vec<Action> {
        let is_fenced = !self.present.is_empty() && !self.past.is_empty();
        let said = is_fenced.then(|| self.past[random.usize(..self.past.len())].clone());
        said.map(|(broker, frame)| say(broker, frame, rules, now)).unwrap_or_default()
    }
}

/// Answers to others than the watched one are lost; what it is told besides is given back.
fn say(broker: i32, frame: Vec<u8>, rules: &mut ClusterRules, now: Instant) -> Vec<Action> {
    let Ok(connection) = rules.connect(broker) else { return Vec::new() };
    let mut actions = rules.handle(now, connection, frame);
    rules.disconnect(connection);
    actions.retain(|action| action.connection != connection);
    actions
}

/// What a transaction consists of.
pub(super) const OF_TRANSACTIONS: [Api; 5] =
    [Api::Produce, Api::AddPartitionsToTxn, Api::AddOffsetsToTxn, Api::TxnOffsetCommit, Api::EndTxn];

const MOST_KEPT: usize = 40;
