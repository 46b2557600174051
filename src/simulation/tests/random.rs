//! Runs in which anything may go wrong, from seeds: a few of them here, since a build without optimisation takes long
//! for each. `examples/simulate.rs` has more, and `.ci/run` runs thousands of those.

use crate::simulation::run_parts::{Presence, RunParts};
use crate::simulation::seeds::{Runs, SeedsReport, run_seeds};

/// Behaviours 34, 41.
/// `KAFKA_PRODUCER_SEEDS` says how many.
#[test]
fn whatever_goes_wrong_promises_are_kept() {
    keeps_its_promises(40, "--seed", |runs| runs);
}

/// Behaviour 42.
#[test]
fn they_are_kept_behind_a_layer_that_buffers_and_with_brokers_that_want_to_know_who_we_are_again_and_again() {
    let report = keeps_its_promises(20, "--layered --seed", |runs| {
        with(runs, RunParts { layers: Presence::Always, ..RunParts::PLAIN })
    });
    assert!(report.acknowledged > report.seeds * 10);
}

/// Behaviour 42.
#[test]
fn they_are_kept_under_tls_and_sasl_whatever_goes_wrong_with_those() {
    let report = keeps_its_promises(15, "--secured --seed", |runs| {
        with(runs, RunParts { security: Presence::Always, ..RunParts::PLAIN })
    });
    assert!(report.acknowledged > report.seeds * 10);
}

/// Behaviour 115.
#[test]
fn they_are_kept_where_metrics_are_pushed_and_whatever_goes_wrong_with_that() {
    let report = keeps_its_promises(10, "--telemetry --seed", |runs| {
        with(runs, RunParts { telemetry: Presence::Always, ..RunParts::PLAIN })
    });
    assert!(report.acknowledged > report.seeds * 10);
}

/// Behaviours 69, 70, 76, 79.
#[test]
fn transactions_are_whole_or_not_there_whatever_goes_wrong() {
    let report = keeps_its_promises(60, "--transactions --seed", |runs| with(runs, RunParts::TRANSACTIONS));
    assert!(report.acknowledged > report.seeds);
}

/// The seeds that showed it: all records of a transaction expire before any has gone; an attempt of a batch that was given up
/// ends while a newer epoch is waited for; a commit in doubt is repeated on a producer that is fenced, or closed.
#[test]
fn transactions_that_were_not_whole_are_now() {
    for first in [357, 1551, 1636, 1938, 3577, 6157, 9283] {
        let report = run_seeds(&with(Runs { first, ..usual_runs() }, RunParts::TRANSACTIONS), |_| {});
        assert!(report.found.is_empty(), "{:#?}", report.found);
    }
}

/// The seeds that showed it: a fenced producer asks for the partition of a record that it had just taken; what was sent before a
/// topic was created again introduces the producer to the new one; a request for a newer epoch that comes in late ends what was
/// prepared meanwhile.
#[test]
fn what_transactions_of_two_phases_have_shown_is_not_so_any_more() {
    let parts = RunParts { two_phases: Presence::Always, ..RunParts::TRANSACTIONS };
    for first in [21_587, 25_593, 52_085] {
        let report = run_seeds(&with(Runs { first, ..usual_runs() }, parts), |_| {});
        assert!(report.found.is_empty(), "{:#?}", report.found);
    }
}

/// Fault A2. The seed that showed it: topics are created again while connections are lost, and one broker goes on telling their
/// old ids.
#[test]
fn a_broker_that_lags_behind_is_not_taken_for_another_cluster_again_and_again() {
    let report = run_seeds(&Runs { first: 3494, count: 1, ..usual_runs() }, |_| {});
    assert!(report.found.is_empty(), "{:#?}", report.found);
}

fn usual_runs() -> Runs {
    Runs { threads: 2, ..Runs::default() }
}

fn with(runs: Runs, parts: RunParts) -> Runs {
    Runs { parts, ..runs }
}

/// This many seeds, if nobody says how many; `option`: what repeats one of them.
#[track_caller]
fn keeps_its_promises(usual: u64, option: &str, change: impl FnOnce(Runs) -> Runs) -> SeedsReport {
    let count = std::env::var("KAFKA_PRODUCER_SEEDS").map_or(usual, |text| text.parse().expect("a number"));
    let runs = change(Runs { count, ..usual_runs() });
    let report = run_seeds(&runs, |_| {});
    println!("{count} seeds: {} accepted, {} acknowledged", report.accepted, report.acknowledged);
    assert!(
        report.found.is_empty(),
        "repeat with cargo run --features simulation --example simulate -- {option} n: {:#?}",
        report.found
    );
    assert_eq!(report.seeds, count);
    report
}
