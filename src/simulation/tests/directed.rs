//! Runs in which one thing goes wrong.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster, Fault};

use crate::error::ErrorKind;
use crate::simulation::history::{History, RecordOutcome, Violation};
use crate::simulation::link_quality::LinkQuality;
use crate::simulation::plan::{Lie, Step};
use crate::simulation::player::{Act, TOPICS};
use crate::simulation::slow_code::{Dawdler, SlowCode};
use crate::simulation::world::{Setup, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn offsets(history: &History, partition: i32) -> Vec<Option<i64>> {
    let ours = history.records.iter().filter(|record| record.partition == Some(partition));
    let offset = |outcome: Option<RecordOutcome>| match outcome {
        Some(RecordOutcome::Acknowledged { offset, .. }) => offset,
        other => panic!("not acknowledged: {other:?}"),
    };
    ours.map(|record| offset(record.future.clone())).collect()
}

/// Behaviour 25.
#[test]
fn a_lost_answer_is_made_good_by_one_retry_in_order() {
    for fault in [Fault::drop_answer(Api::Produce), Fault::cut_after(Api::Produce)] {
        let setup = Setup::calm(3).with("request.timeout.ms", 2000).with("linger.ms", 0);
        let setup = setup.step(Duration::ZERO, Step::Fault(fault.on_partition(TOPICS[0], 1)));
        let setup = (0..10).fold(setup, |setup, at| setup.send(at * 20 * MS, at as i32 % 3, 5));
        let mut world = World::new(setup);
        world.run().unwrap();
        let sent: Vec<i32> = world.with_rules(|rules| {
            let batches = rules.produce_requests().iter().flat_map(|request| &request.batches);
            let ours = batches.filter(|batch| batch.partition == 1);
            ours.map(|batch| batch.header.as_ref().unwrap().base_sequence).collect()
        });
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
    // However busy the machine is: whoever waits for real takes eleven hours.
    assert!(start.elapsed() < 600 * SECOND, "real time: {:?}", start.elapsed());
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
        // The first one makes the topic known.
        let setup = setup.send(Duration::ZERO, 0, 1).step(MS, Step::Act(0, Act::Flush));
        let setup = setup.send(SECOND, 0, 1).send(3 * SECOND, 0, 1);
        let mut world = World::new(setup);
        world.run_for(60 * SECOND).unwrap();
        let told = world.end().unwrap().records.into_iter().skip(1).map(|record| {
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

/// One record a second, and connections that nobody uses are closed.
fn busy_for(seconds: u32) -> Setup {
    let setup = Setup::calm(1).with("linger.ms", 0).with("connections.max.idle.ms", 3_000);
    (1..seconds).fold(setup, |setup, at| setup.send(at * SECOND, 0, 1))
}

fn all_acknowledged(world: World, count: usize) {
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    assert_eq!(offsets(&history, 0), (0..count as i64).map(Some).collect::<Vec<_>>());
}

/// Behaviour 43.
/// The brokers take records all the time and tell nothing about the cluster.
#[test]
fn metadata_that_does_not_come_is_waited_for_just_as_long_as_is_said() {
    for (strategy, expected) in [("rebootstrap", vec![0, 35]), ("none", vec![0])] {
        let setup = busy_for(38).with("metadata.max.age.ms", 5_000).with("request.timeout.ms", 2_000);
        let setup = setup.with("metadata.recovery.strategy", strategy);
        let setup = setup.with("metadata.recovery.rebootstrap.trigger.ms", 30_000);
        let silence = Fault::drop_answer(Api::Metadata).skip(2).always();
        let mut world = World::new(setup.step(Duration::ZERO, Step::Fault(silence)));
        // The second request was for the topic alone; five seconds after the first the metadata was too old.
        // Two seconds after it has begun again it tries another server.
        world.run_for(36 * SECOND).unwrap();
        let begun: Vec<u64> = world.beginnings().iter().map(Duration::as_secs).collect();
        assert_eq!(begun, expected, "{strategy}");
    }
}

/// Behaviour 43.
#[test]
fn no_usable_broker_means_to_begin_again_at_once_and_nothing_is_lost() {
    for (strategy, again) in [("rebootstrap", true), ("none", false)] {
        let mut setup = busy_for(20).with("metadata.recovery.strategy", strategy);
        for broker in 1..=3 {
            setup = setup.step(5500 * MS, Step::Stop(broker)).step(10 * SECOND, Step::Start(broker));
        }
        let mut world = World::new(setup);
        world.run_for(30 * SECOND).unwrap();
        let begun = world.beginnings();
        assert_eq!(begun.len() > 1, again, "{strategy}: {begun:?}");
        assert!(begun.iter().skip(1).all(|at| (5500 * MS..12 * SECOND).contains(at)), "{begun:?}");
        all_acknowledged(world, 19);
    }
}

/// Behaviour 43.
/// Attempts to connect get no answer and end one after the other, so that one is always under way.
#[test]
fn brokers_that_have_all_failed_since_they_are_sought_are_left_though_one_is_tried_again() {
    let mut silent = LinkQuality::calm();
    silent.silent = 1.0;
    for (strategy, again) in [("rebootstrap", true), ("none", false)] {
        let mut setup = busy_for(70).with("metadata.recovery.strategy", strategy);
        setup = setup.step(5400 * MS, Step::Links(silent.clone()));
        for broker in 1..=3 {
            setup = setup.step(5500 * MS, Step::Cut(broker));
        }
        let mut world = World::new(setup.step(60 * SECOND, Step::Links(LinkQuality::calm())));
        world.run_for(110 * SECOND).unwrap();
        let begun = world.beginnings();
        assert_eq!(begun.len() > 1, again, "{strategy}: {begun:?}");
        // An attempt takes 8 to 12 s.
        let soon = 20 * SECOND..60 * SECOND;
        assert!(begun.get(1).is_none_or(|at| soon.contains(at)), "{begun:?}");
        all_acknowledged(world, 69);
    }
}

/// Behaviour 43.
#[test]
fn a_broker_that_asks_for_it_is_left_at_once_and_nothing_is_lost() {
    for (strategy, expected) in [("rebootstrap", vec![0, 10]), ("none", vec![0])] {
        let setup = busy_for(20).with("metadata.recovery.strategy", strategy);
        let setup = setup.with("metadata.max.age.ms", 10_000);
        let fault = Step::Fault(Fault::fail(Api::Metadata, 129).skip(2));
        let mut world = World::new(setup.step(Duration::ZERO, fault));
        world.run_for(25 * SECOND).unwrap();
        let begun: Vec<u64> = world.beginnings().iter().map(Duration::as_secs).collect();
        assert_eq!(begun, expected, "{strategy}");
        all_acknowledged(world, 19);
    }
}

/// Nobody can be looked up before the fourth second.
fn unresolved_at_first(patience: u64) -> Setup {
    let mut setup = Setup::calm(1).with("linger.ms", 0).with("bootstrap.resolve.timeout.ms", patience);
    setup.link_quality.unresolved = 1.0;
    setup.step(4 * SECOND, Step::Links(LinkQuality::calm()))
}

#[test]
fn servers_are_looked_up_in_the_background_until_one_is_found() {
    let mut world = World::new(unresolved_at_first(5_000).send(4_900 * MS, 0, 1));
    world.run_for(10 * SECOND).unwrap();
    let begun = world.beginnings();
    assert!((4 * SECOND..4500 * MS).contains(&begun[0]), "{begun:?}");
    assert!(world.turns < 120, "some for each of forty look-ups: {} turns", world.turns);
    all_acknowledged(world, 1);
}

#[test]
fn a_look_up_that_finds_nothing_in_time_is_the_end() {
    let mut world = World::new(unresolved_at_first(3_000));
    world.run_for(2900 * MS).unwrap();
    assert!(world.fatal().is_none());
    // From then on nothing wakes it but the application.
    assert!(world.run_for(100 * SECOND).unwrap_err().contains("the sender sleeps without end"));
    let error = world.fatal().unwrap();
    assert!(error.is_fatal() && error.kind() == ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("bootstrap.resolve.timeout.ms=3000"), "{error}");
    assert!(world.beginnings().is_empty());
}

/// Fault E1. Names are found after ten seconds of which a logger has taken nine: what is the user's own is not counted.
#[test]
fn a_slow_logger_does_not_shorten_the_time_for_looking_up_servers() {
    let mut setup = Setup::calm(1).with("linger.ms", 0).with("bootstrap.resolve.timeout.ms", 5_000);
    setup.link_quality.unresolved = 1.0;
    setup.slow_code = SlowCode::new(vec![(Dawdler::Logger, 3 * SECOND)], 9 * SECOND);
    setup.slow_code.level = log::LevelFilter::Debug;
    let setup = setup.step(10 * SECOND, Step::Links(LinkQuality::calm()));
    let mut world = World::new(setup.send(11 * SECOND, 0, 1));
    let run = world.run_for(30 * SECOND);
    assert!(world.fatal().is_none(), "{:?}", world.fatal());
    run.unwrap();
    let begun = world.beginnings();
    assert!((9 * SECOND..14 * SECOND).contains(&begun[0]), "{begun:?}");
    all_acknowledged(world, 1);
}

/// Where memory is to be handed on the sender looks at the network once more before it sleeps. What comes in that very
/// moment must not be slept over.
#[test]
fn what_comes_while_memory_is_handed_on_is_not_slept_over() {
    let mut world = World::new(Setup::calm(1).send(Duration::ZERO, 0, 1));
    world.run().unwrap();
    let accumulator = Arc::clone(world.accumulator());
    let (pool, total) = (accumulator.pool(), accumulator.pool().total());
    let _taken = pool.try_reserve(total).unwrap().unwrap();
    let waiting = thread::spawn({
        let accumulator = Arc::clone(&accumulator);
        move || drop(accumulator.pool().reserve(1000, 100 * SECOND, || ()))
    });
    while !pool.is_short() {
        thread::yield_now();
    }
    pool.give_back_soon(1000, None);
    assert!(pool.holds_back());
    let now = world.now();
    world.network().plan.push(now, Step::Act(0, Act::Close { within: Some(SECOND) }));
    while world.turn().unwrap() {}
    assert_eq!(world.now(), now, "it slept though the producer was being closed");
    waiting.join().unwrap();
}

/// What fails before it is sent lets those behind it go in the same moment.
#[test]
fn a_broker_without_a_version_in_common_fails_all_batches_at_once() {
    let setup = Setup {
        cluster: EmbeddedCluster::builder().brokers(1).topic(TOPICS[0], 1).without(Api::Produce),
        ..Setup::calm(1)
    };
    let mut world = World::new(setup.with("batch.size", 1).with("linger.ms", 0).send(Duration::ZERO, 0, 5));
    world.run().unwrap();
    assert!(world.elapsed() < 5 * SECOND, "{:?}", world.elapsed());
    let history = world.end().unwrap();
    assert_eq!(history.records.len(), 5);
    for record in &history.records {
        let Some(RecordOutcome::Failed { text, .. }) = &record.future else { panic!("{:?}", record.future) };
        assert!(!text.contains("sent"), "nothing was: {text}");
    }
}

/// Each failure begins another epoch; behind the last one comes another producer id.
#[test]
fn an_id_whose_epochs_are_used_up_is_followed_by_another_and_nothing_is_lost() {
    let refusals = Fault::fail(Api::Produce, 87).skip(1).times(5);
    let setup = Setup::calm(1).with("linger.ms", 0).with("batch.size", 1);
    let setup = setup.step(Duration::ZERO, Step::Lie(None, Lie::LateEpochs));
    let setup = setup.step(Duration::ZERO, Step::Fault(refusals));
    let mut world = World::new((0..10).fold(setup, |setup, at| setup.send((at + 1) * SECOND, 0, 1)));
    world.run().unwrap();
    assert_eq!(world.with_rules(|rules| rules.requests(Api::InitProducerId)), 2);
    let history = World::end(world).unwrap();
    let mut lost = history.check();
    lost.retain(|violation| !matches!(violation, Violation::FailedForNothing(_)));
    assert_eq!(lost, []);
    let written = history.records.iter().filter_map(|record| record.outcome());
    assert_eq!(written.filter(|outcome| outcome.is_success()).count(), 5);
}
