//! The run of a seed, put together: an application and its cluster, and around them whatever else the run has.
//!
//! Owns: the order in which that is added. Must not know: what any of it is.

use crate::network::test_channels::SimulatedChannels;
use crate::simulation::guard_scenario::guard;
use crate::simulation::run_parts::DrawnParts;
use crate::simulation::scenario::{SeedScenario, scenario};
use crate::simulation::secured_scenario::secure;
use crate::simulation::telemetry_trouble::subscribe;
use crate::simulation::transaction_scenario::transaction_scenario;
use crate::simulation::trouble_kinds::Kind;
use crate::simulation::two_phase_scenario::prepare_first;

/// All of the run of a seed that has these parts.
pub(super) fn compose(seed: u64, parts: DrawnParts, enabled: &[Kind]) -> SeedScenario {
    let mut composed = match parts.transactions {
        true => transaction_scenario(seed, enabled),
        false => scenario(seed, enabled),
    };
    if parts.two_phases {
        prepare_first(&mut composed, enabled);
    }
    if parts.guards {
        guard(&mut composed);
    }
    if parts.security {
        secure(&mut composed, enabled);
    }
    if parts.telemetry {
        subscribe(&mut composed);
    }
    if parts.layers {
        composed.setup.channels = SimulatedChannels::layered(seed);
    }
    composed
}
