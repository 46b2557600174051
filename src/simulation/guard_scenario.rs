//! Guards in a scenario with transactions: some begin and end them, mixed with the calls of the producer, and some outlive the
//! transaction that they are of.
//!
//! Owns: these dice. Must not know: how steps are carried out, what is right.
//! Holds: all else of a seed is as in its run without.

use crate::simulation::plan::Step;
use crate::simulation::player::{Act, GuardAct};
use crate::simulation::scenario::{Dice, SeedScenario};

/// Guards take the place of some calls.
pub(super) fn guard(scenario: &mut SeedScenario) {
    let dice = &mut Dice::with_seed(scenario.setup.seed ^ 0x6a7d_6a7d_6a7d_6a7d);
    for (_, step) in &mut scenario.setup.steps {
        if let Step::Act(_, act) = step {
            *act = guarded(dice, *act);
        }
    }
}

fn guarded(dice: &mut Dice, act: Act) -> Act {
    let (chance, is_oldest) = (dice.u32(..8), dice.u32(..4) == 0);
    match (act, chance) {
        (Act::Begin, 0..=5) => Act::Guard(GuardAct::Begin),
        (Act::Commit { tries }, 0..=3) => Act::Guard(GuardAct::Commit { is_oldest, tries }),
        (Act::Abort { tries }, 0..=2) => Act::Guard(GuardAct::Abort { is_oldest, tries }),
        (Act::Commit { .. }, 4) | (Act::Abort { .. }, 3..=5) => Act::Guard(GuardAct::Drop { is_oldest }),
        (act, _) => act,
    }
}
