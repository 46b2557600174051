//! Runs in which anything may go wrong, from seeds. `examples/simulate.rs` has more of them.

use crate::simulation::seeds::{Runs, run_seeds};
use crate::simulation::trouble_kinds::Kind;

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
        is_secured: false,
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
    let runs = Runs {
        first: 1,
        count,
        threads: 2,
        kinds: Kind::held(),
        defect: None,
        enough: 20,
        is_layered: true,
        is_secured: false,
    };
    let report = run_seeds(&runs, |_| {});
    println!("{count} seeds: {} accepted, {} acknowledged", report.accepted, report.acknowledged);
    assert!(report.found.is_empty(), "repeat with --layered --seed n: {:#?}", report.found);
    assert_eq!(report.seeds, count);
    assert!(report.acknowledged > count * 10);
}

/// Behaviour 42.
#[test]
fn they_are_kept_under_tls_and_sasl_whatever_goes_wrong_with_those() {
    let count = std::env::var("KAFKA_PRODUCER_SEEDS").map_or(25, |text| text.parse().expect("a number"));
    let runs = Runs {
        first: 1,
        count,
        threads: 2,
        kinds: Kind::held(),
        defect: None,
        enough: 20,
        is_layered: false,
        is_secured: true,
    };
    let report = run_seeds(&runs, |_| {});
    println!("{count} seeds: {} accepted, {} acknowledged", report.accepted, report.acknowledged);
    assert!(report.found.is_empty(), "repeat with --secured --seed n: {:#?}", report.found);
    assert_eq!(report.seeds, count);
    assert!(report.acknowledged > count * 10);
}
