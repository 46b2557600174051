//! Runs from seeds, runs in which one thing goes wrong, and proof that the checker sees.

mod checker;
mod directed;
mod faults;
mod random;
mod secured;
mod telemetry;

use crate::simulation::history::History;
use crate::simulation::world::{Setup, World};

/// Runs it to its end; what became of each record, with nothing that is against a promise.
#[track_caller]
fn keeps_its_promises(setup: Setup) -> History {
    let mut world = World::new(setup);
    world.run().unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    history
}
