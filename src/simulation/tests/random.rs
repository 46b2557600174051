//! Runs in which anything may go wrong, from seeds. `examples/simulate.rs` has more of them.

use crate::simulation::scenario::Kind;
use crate::simulation::seeds::{Runs, run_seeds};

/// Behaviours 34, 41.
/// `KAFKA_PRODUCER_SEEDS` says how many.
#[test]
fn whatever_goes_wrong_promises_are_kept() {
    let count = std::env::var("KAFKA_PRODUCER_SEEDS").map_or(100, |text| text.parse().expect("a number"));
    let runs = Runs {
        first: 1,
        count,
        threads: 2,
        kinds: Kind::held(),
        defect: None,
        enough: 20,
        is_layered: false,
    };
    let report = run_seeds(&runs, |_| {});
    println!("{count} seeds: {} accepted, {} acknowledged", report.accepted, report.acknowledged);
    assert!(
        report.found.is_empty(),
        "repeat with cargo run --features simulation --example simulate -- --seed n: {:#?}",
        report.found
    );
    assert_eq!(report.seeds, count);
}

/// Behaviour 42.
#[test]
fn they_are_kept_behind_a_layer_that_buffers_and_with_brokers_that_want_to_know_who_we_are_again_and_again() {
    let count = std::env::var("KAFKA_PRODUCER_SEEDS").map_or(60, |text| text.parse().expect("a number"));
    let runs =
        Runs { first: 1, count, threads: 2, kinds: Kind::held(), defect: None, enough: 20, is_layered: true };
    let report = run_seeds(&runs, |_| {});
    println!("{count} seeds: {} accepted, {} acknowledged", report.accepted, report.acknowledged);
    assert!(report.found.is_empty(), "repeat with --layered --seed n: {:#?}", report.found);
    assert_eq!(report.seeds, count);
    assert!(report.acknowledged > count * 10);
}

/// Runs these seeds again.
fn seeds_keep_their_promises(seeds: &[u64]) {
    for first in seeds.iter().copied() {
        let runs = Runs {
            first,
            count: 1,
            threads: 1,
            kinds: Kind::held(),
            defect: None,
            enough: 1,
            is_layered: false,
        };
        assert!(run_seeds(&runs, |_| {}).found.is_empty(), "seed {first}");
    }
}

/// Fault A2. Two topics are created again at once, which looks like a cluster set up anew, while an answer is awaited.
#[test]
fn what_was_on_its_way_when_the_producer_id_was_given_up_is_not_overtaken() {
    seeds_keep_their_promises(&[5262]);
}

/// Fault A3. What was given up is acknowledged after all, and its topic has been created again meanwhile.
#[test]
fn an_answer_from_before_introduces_the_producer_to_nobody() {
    seeds_keep_their_promises(&[278, 9095]);
}
