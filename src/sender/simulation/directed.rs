//! Runs in which one thing goes wrong.

use std::time::{Duration, Instant};

use kafka_producer::embedded::{Api, Fault};

use crate::sender::simulation::TOPIC;
use crate::sender::simulation::history::{History, Outcome};
use crate::sender::simulation::plan::Step;
use crate::sender::simulation::world::{Setup, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn offsets(history: &History, partition: i32) -> Vec<Option<i64>> {
    let ours = history.records.iter().filter(|record| record.partition == partition);
    let offset = |outcome: Option<Outcome>| match outcome {
        Some(Outcome::Acknowledged { offset, .. }) => offset,
        other => panic!("not acknowledged: {other:?}"),
    };
    ours.map(|record| offset(record.future.clone())).collect()
}

/// Behaviour 25.
#[test]
fn a_lost_answer_is_made_good_by_one_retry_in_order() {
    for fault in [Fault::drop_answer(Api::Produce), Fault::cut_after(Api::Produce)] {
        let setup = Setup::calm(3).with("request.timeout.ms", 2000).with("linger.ms", 0);
        let setup = setup.step(Duration::ZERO, Step::Fault(fault.on_partition(TOPIC, 1)));
        let setup = (0..10).fold(setup, |setup, at| setup.send(at * 20 * MS, at as i32 % 3, 5));
        let mut world = World::new(setup);
        world.run().unwrap();
        let sent: Vec<i32> = world
            .rules()
            .produce_requests()
            .iter()
            .flat_map(|request| &request.batches)
            .filter(|batch| batch.partition == 1)
            .map(|batch| batch.header.as_ref().unwrap().base_sequence)
            .collect();
        let firsts = sent.iter().filter(|sequence| **sequence == 0).count();
        assert_eq!(firsts, 2, "the batch whose answer was lost is sent twice: {sent:?}");
        let history = world.end().unwrap();
        assert_eq!(history.check(), []);
        for partition in 0..3 {
            let told = offsets(&history, partition);
            assert_eq!(told, (0..told.len() as i64).map(Some).collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_hour_passes_in_no_time() {
    let start = Instant::now();
    let setup = Setup::calm(1).with("linger.ms", 3_600_000).with("delivery.timeout.ms", 7_200_000);
    let mut world = World::new(setup.send(Duration::ZERO, 0, 3));
    world.run().unwrap();
    assert!((3600 * SECOND..3601 * SECOND).contains(&world.elapsed()), "{:?}", world.elapsed());
    world.run_for(10 * 3600 * SECOND).unwrap();
    assert!(world.turns < 2000, "{} turns in eleven hours", world.turns);
    assert_eq!(world.end().unwrap().check(), []);
    assert!(start.elapsed() < SECOND, "real time: {:?}", start.elapsed());
}

/// Behaviours 32, 33.
/// Nothing passes from the moment on at which the topic is known. A record that joins an older batch has the time that
/// is left to that, and a batch that still waits ends as one does that was sent.
#[test]
fn a_batch_expires_with_its_oldest_record_wherever_it_is() {
    for linger in [5000, 0] {
        let setup = Setup::calm(1).with("request.timeout.ms", 2000).with("delivery.timeout.ms", 10_000);
        let setup = (1..4).fold(setup.with("linger.ms", linger), |setup, broker| {
            setup.step(SECOND / 2, Step::Stall(broker, 100 * SECOND))
        });
        let setup = setup.send(SECOND, 0, 1).send(3 * SECOND, 0, 1);
        let mut world = World::new(setup);
        world.run_for(60 * SECOND).unwrap();
        let told = world.end().unwrap().records.into_iter().map(|record| {
            assert_eq!(record.told.len(), 1);
            assert!(!record.told[0].outcome.is_success());
            record.told[0].at
        });
        let told: Vec<Duration> = told.collect();
        // With a linger both are in one batch, without each has its own.
        let expected = if linger > 0 { [11, 11] } else { [11, 13] };
        for (at, seconds) in told.iter().zip(expected) {
            let second = seconds * SECOND;
            assert!((second..second + 100 * MS).contains(at), "linger.ms={linger}: {told:?}");
        }
    }
}
