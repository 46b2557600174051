//! Two-phase commit (KIP-939) in a scenario with transactions: they are prepared, a database decides, and they are completed,
//! by this program or by the one that comes after it.
//!
//! Owns: these dice. Must not know: how steps are carried out, what is right.
//! Holds: all else of a seed is as in its run without. Which kinds of trouble it throws does not depend on which of them are
//! switched on.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedClusterBuilder};

use crate::simulation::plan::Step;
use crate::simulation::player::Act;
use crate::simulation::scenario::{Dice, SeedScenario, Steps};
use crate::simulation::trouble_kinds::Kind;

/// Most commits are of two phases.
pub(super) fn prepare_first(scenario: &mut SeedScenario, enabled: &[Kind]) {
    let dice = &mut Dice::with_seed(scenario.setup.seed ^ 0x2fa5_2fa5_2fa5_2fa5);
    let setup = &mut scenario.setup;
    let version = [2, 2, 2, 1, 0][dice.usize(..5)];
    setup.cluster = cluster(setup.cluster.clone()).transaction_version(version);
    // They are open for as long as they have to be.
    setup.properties.retain(|(name, _)| *name != "transaction.timeout.ms");
    setup.properties.push(("transaction.two.phase.commit.enable", "true".to_owned()));
    let calm = setup.steps.iter().find(|(_, step)| matches!(step, Step::Calm)).map(|(at, _)| *at);
    let throws = !scenario.is_calm && dice.bool();
    let each = scenario.length / 20;
    let mut steps = Steps::new();
    for (at, step) in std::mem::take(&mut setup.steps) {
        match step {
            Step::Act(thread, Act::Commit { tries }) if dice.u32(..4) > 0 => {
                let decides = dice.u32(..3) > 0;
                let (crashes, crash_at) = (dice.u32(..3) == 0, at + each.mul_f64(dice.f64()));
                let complete_at = at + each.mul_f64([0.0, dice.f64(), 1.0][dice.usize(..3)]);
                steps.push((at, Step::Act(thread, Act::Prepare { tries, decides })));
                steps.push((complete_at, Step::Act(thread, Act::Complete { tries })));
                let is_in_time = calm.is_none_or(|calm| crash_at < calm);
                if throws && crashes && is_in_time && enabled.contains(&Kind::PreparedCrashes) {
                    steps.extend(end_of_program(dice, setup.threads, crash_at));
                }
            }
            other => steps.push((at, other)),
        }
    }
    setup.steps = steps;
    scenario.kinds.retain(|kind| *kind != Kind::TransactionTimeouts);
    if throws && enabled.contains(&Kind::PreparedCrashes) {
        scenario.kinds.push(Kind::PreparedCrashes);
    }
}

/// Brokers that keep what is prepared.
fn cluster(cluster: EmbeddedClusterBuilder) -> EmbeddedClusterBuilder {
    let of_transactions = [
        Api::FindCoordinator,
        Api::Produce,
        Api::AddPartitionsToTxn,
        Api::AddOffsetsToTxn,
        Api::TxnOffsetCommit,
        Api::EndTxn,
    ];
    let newest = |cluster: EmbeddedClusterBuilder, api: Api| cluster.api_versions(api, api.versions());
    of_transactions.into_iter().fold(cluster, newest).two_phase_commit(true)
}

/// Between the two phases the program crashes, or ends in order.
fn end_of_program(dice: &mut Dice, threads: usize, at: Duration) -> Steps {
    let within = Duration::from_millis([0, 1_000][dice.usize(..2)]);
    let mut steps = match dice.u32(..4) {
        0 => vec![(at, Step::Act(dice.usize(..threads), Act::Close { within: Some(within) }))],
        _ => Steps::new(),
    };
    steps.push((at + within, Step::Crash));
    steps
}
