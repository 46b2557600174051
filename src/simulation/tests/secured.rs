//! Brokers that want to know who we are, and do not always believe it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::network::test_channels::{Authority, SimulatedChannels};
use crate::simulation::history::RecordOutcome;
use crate::simulation::plan::Step;
use crate::simulation::world::{Setup, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn secured(authority: &Arc<Authority>) -> Setup {
    let authority = Some(Arc::clone(authority));
    let channels = SimulatedChannels { is_layered: true, authority };
    Setup { channels, ..Setup::calm(1).with("linger.ms", 0) }
}

fn offset(outcome: Option<&RecordOutcome>) -> Option<i64> {
    match outcome {
        Some(RecordOutcome::Acknowledged { offset, .. }) => *offset,
        other => panic!("not acknowledged: {other:?}"),
    }
}

/// Behaviour 8.
#[test]
fn a_failed_authentication_is_told_at_once_to_those_who_wait_for_metadata_and_then_until_it_works_again() {
    let authority = Arc::new(Authority::default());
    authority.refuses.store(true, Ordering::Relaxed);
    let setup = secured(&authority).send(Duration::ZERO, 0, 1).send(5 * SECOND, 0, 1);
    let mut world = World::new(setup.send(15 * SECOND, 0, 1));
    world.run_for(10 * SECOND).unwrap();
    let attempts = authority.asked.load(Ordering::Relaxed);
    assert!((10..60).contains(&attempts), "{attempts} attempts with three servers in ten seconds");
    // Somebody has set it right; nothing has to be started anew.
    authority.refuses.store(false, Ordering::Relaxed);
    world.run_for(10 * SECOND).unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    assert_eq!(history.refused.len(), 2);
    for refused in &history.refused {
        assert_eq!(refused.kind, ErrorKind::Authentication, "{}", refused.text);
        assert!(refused.text.contains("who are you?"), "{}", refused.text);
    }
    let took: Vec<_> =
        history.calls.iter().filter(|call| call.name == "send").map(|call| call.took).collect();
    assert!(took[0] < 100 * MS && took[1] < MS, "{took:?}");
    assert_eq!(history.records.len(), 1);
    assert_eq!(offset(history.records[0].outcome()), Some(0));
}

/// Behaviour 8.
#[test]
fn records_that_wait_for_a_broker_that_refuses_us_fail_at_once_and_later_ones_go_when_it_does_not() {
    let authority = Arc::new(Authority::default());
    let setup = secured(&authority).send(Duration::ZERO, 0, 1).send(3 * SECOND, 0, 3);
    let setup = (1..=3).fold(setup, |setup, broker| setup.step(2 * SECOND, Step::Cut(broker)));
    let mut world = World::new(setup.send(10 * SECOND, 0, 2));
    world.run_for(SECOND).unwrap();
    authority.refuses.store(true, Ordering::Relaxed);
    world.run_for(6 * SECOND).unwrap();
    authority.refuses.store(false, Ordering::Relaxed);
    world.run_for(10 * SECOND).unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    let (refused, others): (Vec<_>, Vec<_>) =
        history.records.iter().partition(|record| (SECOND..9 * SECOND).contains(&record.at));
    assert_eq!(refused.len(), 3);
    for record in refused {
        let told = &record.told[0];
        let RecordOutcome::Failed { kind: ErrorKind::Authentication, possibly_written: false, text, .. } =
            &told.outcome
        else {
            panic!("{:?}", told.outcome)
        };
        assert!(text.contains("who are you?"), "{text}");
        assert!(told.at - record.at < 1500 * MS, "as soon as the backoff lets it be tried: {:?}", told.at);
    }
    let offsets: Vec<_> = others.iter().map(|record| offset(record.outcome())).collect();
    assert_eq!(offsets, [Some(0), Some(1), Some(2)]);
}

/// Behaviour 42.
#[test]
fn records_go_on_while_who_we_are_is_said_again_and_wait_no_longer_than_that_takes() {
    let authority =
        Arc::new(Authority { session: Some(SECOND), rounds: 2, wants_token: true, ..Authority::default() });
    let setup = secured(&authority);
    let setup = (0..400).fold(setup, |setup, number| setup.send(SECOND + number * 50 * MS, 0, 1));
    let mut world = World::new(setup);
    world.run().unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    let believed = authority.believed.load(Ordering::Relaxed);
    assert!(believed >= 20, "{believed} times in 21 seconds");
    for (number, record) in history.records.iter().enumerate() {
        assert_eq!(offset(record.outcome()), Some(number as i64));
        // The first one has to find the broker. Nothing takes longer than a millisecond on its way.
        let longest = if number == 0 { 100 * MS } else { 15 * MS };
        assert!(record.told[0].at - record.at < longest, "{:?}", record.told);
    }
}
