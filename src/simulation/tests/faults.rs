//! Faults that use has shown, each as a run in which it would be seen: nothing else goes wrong, and in the end each
//! partition has to take records.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, Fault};

use crate::error::ErrorKind;
use crate::planted::{self, Defect};
use crate::simulation::history::{History, RecordOutcome, Violation};
use crate::simulation::plan::{Forgotten, Lie, Step};
use crate::simulation::player::{Act, CallbackDeed, How, TOPICS};
use crate::simulation::slow_code::{Dawdler, SlowCode};
use crate::simulation::tests::keeps_its_promises;
use crate::simulation::world::{Setup, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Six partitions, a record for each of them every 100 ms for ten seconds, each in a batch of its own.
fn busy() -> Setup {
    let setup = Setup { recovers: true, ..Setup::calm(6) };
    let setup = setup.with("linger.ms", 0).with("batch.size", 1).with("metadata.max.age.ms", 500);
    let setup = setup.with("request.timeout.ms", 2_000).with("delivery.timeout.ms", 20_000);
    (0..100).fold(setup, |setup, at| (0..6).fold(setup, |setup, to| setup.send(at * 100 * MS, to, 1)))
}

/// Brokers that tell neither topic ids nor leader epochs that could be believed.
fn old_brokers(setup: Setup) -> Setup {
    let cluster = EmbeddedCluster::builder().brokers(3).topic(TOPICS[0], 6);
    let cluster = cluster.api_versions(Api::Metadata, 0..=7).api_versions(Api::Produce, 3..=7);
    Setup { cluster, ..setup }
}

/// And nothing fails.
#[track_caller]
fn loses_nothing(setup: Setup) {
    let history = keeps_its_promises(setup);
    let failed =
        history.records.iter().find(|record| !record.outcome().is_some_and(RecordOutcome::is_success));
    assert!(failed.is_none(), "{failed:?}");
    assert!(history.refused.is_empty(), "{:?}", history.refused);
}

/// And nothing fails but one record, whose partition never comes.
#[track_caller]
fn refuses_only_one(setup: Setup) {
    let history = keeps_its_promises(setup);
    assert!(history.records.iter().all(|record| record.outcome().is_some_and(RecordOutcome::is_success)));
    assert_eq!(history.refused.len(), 1, "{:?}", history.refused);
}

/// Fault A1.
#[test]
fn what_is_acknowledged_is_there_though_a_broker_shows_fewer_partitions_for_a_while() {
    for lie in [Lie::FewerPartitions, Lie::NoPartitions, Lie::NoTopics, Lie::OneBrokerLess, Lie::OldEpochs] {
        let setup = busy().step(2 * SECOND, Step::Lie(None, lie)).step(4 * SECOND, Step::Honest);
        keeps_its_promises(setup);
    }
}

/// Fault A2.
#[test]
fn a_producer_of_the_new_cluster_that_has_the_same_id_takes_nothing_from_ours() {
    let setup = Setup { recovers: true, ..Setup::calm(1) }.with("metadata.max.age.ms", 500);
    let setup = setup.send(SECOND, 0, 1).step(3 * SECOND, Step::Wipe { keep_topics: true });
    keeps_its_promises(setup.step(3 * SECOND, Step::Other).send(5 * SECOND, 0, 1));
}

/// Fault A2.
#[test]
fn a_broker_of_the_new_cluster_that_we_never_met_takes_nothing_under_the_old_id() {
    let setup = Setup { recovers: true, ..Setup::calm(3) }.with("linger.ms", 0);
    let setup = (0..3).fold(setup, |setup, to| setup.step(SECOND, Step::MoveLeader(0, to, to + 1)));
    let setup = setup.send(2 * SECOND, 0, 1).step(3 * SECOND, Step::Wipe { keep_topics: true });
    // The new cluster's leaders are wherever they are: some of them we have not been connected to.
    keeps_its_promises(
        (0..20)
            .fold(setup, |setup, at| (0..3).fold(setup, |setup, to| setup.send(3 * SECOND + at * MS, to, 1))),
    );
}

/// Fault A2.
#[test]
fn a_broker_that_is_connected_anew_gets_records_at_once_whatever_topic_is_waited_for() {
    let setup = Setup { threads: 2, prompt: Some(200 * MS), ..Setup::calm(1) };
    let setup = setup.with("connections.max.idle.ms", 2_500).with("retry.backoff.ms", 50);
    let setup = setup.with("retry.backoff.max.ms", 10_000).with("linger.ms", 0).with("max.block.ms", 60_000);
    let lacking =
        Act::Send { topic: 0, partition: Some(7), size: 1, how: How::Callback(CallbackDeed::Nothing) };
    let setup = setup.step(SECOND, Step::Act(1, lacking));
    refuses_only_one((0..10).fold(setup, |setup, at| setup.send(at * 5 * SECOND, 0, 1)));
}

/// Fault A2.
#[test]
fn several_brokers_that_are_connected_anew_get_records_at_once() {
    let setup = Setup { prompt: Some(100 * MS), ..Setup::calm(3) };
    let setup =
        setup.with("connections.max.idle.ms", 2_000).with("retry.backoff.ms", 1_000).with("linger.ms", 0);
    loses_nothing((0..30).fold(setup, |setup, at| setup.send(at / 3 * 5 * SECOND, at as i32 % 3, 1)));
}

/// Fault B11.
#[test]
fn a_producer_id_that_is_refused_for_a_while_is_not_the_end() {
    for code in [31, 53, 35, 999] {
        let refusal = Fault::fail(Api::InitProducerId, code).times(10);
        keeps_its_promises(busy().step(Duration::ZERO, Step::Fault(refusal)));
    }
}

/// Fault A3.
#[test]
fn a_broker_that_has_forgotten_us_and_refuses_the_first_of_several_keeps_the_order() {
    for code in [3, 6, 7, 19, 56] {
        let refusal = Fault::fail(Api::Produce, code).on_partition(TOPICS[0], 0);
        let setup =
            busy().step(2 * SECOND, Step::Forget(Forgotten::All)).step(2 * SECOND, Step::Fault(refusal));
        let setup = setup.send(2 * SECOND, 0, 6);
        keeps_its_promises(setup);
    }
}

/// Fault A7.
#[test]
fn lingering_leaves_no_timers_behind() {
    let setup = Setup { recovers: false, ..Setup::calm(6) };
    let setup = setup.with("linger.ms", 5).with("delivery.timeout.ms", 2_147_483_647_u32);
    loses_nothing((0..300).fold(setup, |setup, at| setup.send(at * 20 * MS, at as i32 % 6, 1)));
}

/// Fault B1.
#[test]
fn a_topic_that_is_created_again_under_another_leader_takes_records() {
    for setup in [busy(), old_brokers(busy())] {
        let moved = (0..6).fold(setup, |setup, to| {
            setup.step(SECOND, Step::MoveLeader(0, to, 2)).step(2 * SECOND, Step::MoveLeader(0, to, 3))
        });
        keeps_its_promises(moved.step(4 * SECOND, Step::Create(0, 6, 0)));
    }
}

/// Fault B2.
#[test]
fn a_leader_hint_that_is_never_confirmed_is_not_the_end() {
    let setup = busy().step(2 * SECOND, Step::Lie(Some(1), Lie::WrongHints));
    loses_nothing(setup.step(2_500 * MS, Step::Honest));
}

/// Fault B3.
#[test]
fn leader_hints_that_contradict_each_other_do_not_make_a_storm() {
    let setup = busy().step(2 * SECOND, Step::Lie(None, Lie::ContraryHints));
    keeps_its_promises(setup.step(6 * SECOND, Step::Honest));
}

/// Fault B4.
#[test]
fn a_broker_that_has_moved_is_found() {
    loses_nothing(
        (1..=3).fold(busy(), |setup, broker| setup.step(broker as u32 * SECOND, Step::Move(broker))),
    );
}

/// Faults B6, B7.
#[test]
fn a_gap_or_a_leader_that_is_no_broker_stops_only_what_it_is_about() {
    for lie in [Lie::Gap, Lie::StrangeLeaders, Lie::Repeated, Lie::NoLeaders] {
        let setup = busy().step(2 * SECOND, Step::Lie(None, lie)).step(4 * SECOND, Step::Honest);
        loses_nothing(setup);
    }
}

/// Fault B12.
#[test]
fn connections_that_were_forgotten_between_cost_one_time_out() {
    let setup = (1..=3).fold(Setup { recovers: true, ..Setup::calm(1) }, |setup, broker| {
        setup.step(20 * SECOND, Step::Silence(broker))
    });
    let setup = setup.with("request.timeout.ms", 5_000).with("delivery.timeout.ms", 30_000);
    let history = keeps_its_promises(setup.send(SECOND, 0, 1).send(21 * SECOND, 0, 1));
    let told = history.records[1].told[0].at;
    assert!(told < 28 * SECOND, "{told:?}");
}

/// A healthy broker, and callbacks that take longer than a request may, and nearly as long as a record.
fn slow_callbacks(acks: &str, idempotent: &str, each: Duration) -> Setup {
    let mut setup = Setup::calm(1).with("acks", acks).with("enable.idempotence", idempotent);
    setup = setup.with("request.timeout.ms", 1_000).with("delivery.timeout.ms", 12_000).with("linger.ms", 5);
    setup = setup.with("batch.size", 2_000);
    setup.prompt = Some(12 * SECOND);
    for _ in 0..200 {
        let how = How::Callback(CallbackDeed::Slow(each));
        let act = Act::Send { topic: 0, partition: Some(0), size: 10, how };
        setup = setup.step(SECOND, Step::Act(0, act));
    }
    setup
}

/// Fault E1.
#[test]
fn slow_callbacks_delay_and_neither_fail_nor_repeat_what_is_healthy() {
    for (acks, idempotent) in [("all", "true"), ("1", "false"), ("all", "false")] {
        loses_nothing(slow_callbacks(acks, idempotent, 50 * MS));
    }
}

/// Fault E1. Metadata is wanted, and the only broker has as much on its way as it may have, until after the callback.
#[test]
fn a_slow_callback_is_no_reason_to_begin_again_with_other_brokers() {
    let cluster = EmbeddedCluster::builder().brokers(1).topic(TOPICS[0], 1).topic(TOPICS[1], 1);
    let setup =
        Setup { cluster, threads: 2, prompt: Some(20 * SECOND), ..Setup::calm(1) }.with("linger.ms", 0);
    let setup = setup.with("max.in.flight.requests.per.connection", 1);
    let setup = setup.with("metadata.recovery.rebootstrap.trigger.ms", 3_000).send(SECOND, 0, 1);
    let slow = How::Callback(CallbackDeed::Slow(9 * SECOND));
    let slow = Act::Send { topic: 0, partition: Some(0), size: 10, how: slow };
    let setup = setup.step(2 * SECOND, Step::Fault(Fault::delay(Api::Produce, 100 * MS)));
    let setup = setup.step(2 * SECOND, Step::Act(0, slow));
    let mut world = World::new(setup.step(2_050 * MS, Step::Act(1, Act::PartitionsFor { topic: 1 })));
    world.run().unwrap();
    assert_eq!(world.beginnings().len(), 1, "{:?}", world.beginnings());
    assert_eq!(world.end().unwrap().check(), []);
}

/// Fault E1. Each of the rules that keep it is needed.
#[test]
fn slow_callbacks_would_show_each_clock_that_stands_still() {
    let setup = || slow_callbacks("all", "true", 50 * MS);
    let found = found_with(Defect::ClockStandsStill, setup);
    assert!(found.iter().any(|it| matches!(it, Violation::Repeated(_))), "{found:?}");
    found_with(Defect::GivenUpUnheard, setup);
}

/// Fault E1. The answer of another broker comes meanwhile, and the callback takes longer than any record may.
#[test]
fn what_was_answered_in_time_is_acknowledged_though_a_callback_is_slower_than_its_time() {
    let setup = || {
        let setup = Setup::calm(2).with("linger.ms", 0).with("delivery.timeout.ms", 12_000);
        let setup = (0..2).fold(setup.with("request.timeout.ms", 1_000), |setup, to| {
            setup.step(Duration::ZERO, Step::MoveLeader(0, to, to + 1)).send(SECOND, to, 1)
        });
        let slow = How::Callback(CallbackDeed::Slow(13 * SECOND));
        let slow = Act::Send { topic: 0, partition: Some(0), size: 10, how: slow };
        let late = Fault::delay(Api::Produce, 500 * MS).on_partition(TOPICS[0], 1);
        let setup = setup.step(2 * SECOND, Step::Fault(late)).step(2 * SECOND, Step::Act(0, slow));
        Setup { prompt: Some(SECOND), ..setup.send(2 * SECOND, 1, 1) }
    };
    let found = found_with(Defect::LateByOwnClock, setup);
    assert!(found.iter().any(|it| matches!(it, Violation::FailedForNothing(_))), "{found:?}");
}

/// Fault C1.
#[test]
fn where_an_answer_lacks_a_partition_no_code_is_quoted_that_nobody_answered() {
    let setup = busy().with("retries", 1).step(2 * SECOND, Step::Lie(None, Lie::NoAnswers));
    let history = keeps_its_promises(setup.step(6 * SECOND, Step::Honest));
    let told = |outcome: &RecordOutcome| match outcome {
        RecordOutcome::Failed { text, .. } => {
            text.contains("the broker's answer does not mention the partition")
        }
        RecordOutcome::Acknowledged { .. } => false,
    };
    assert!(history.records.iter().filter_map(|record| record.outcome()).any(told));
}

/// Three records in batches of their own, of which the broker has each, and knows the last one only: it was shut down
/// before it answered, and is there again.
fn restarted_before_it_answers() -> Setup {
    let setup = Setup { recovers: true, ..Setup::calm(1) }.with("linger.ms", 0).with("batch.size", 1);
    let setup = setup.send(SECOND, 0, 1).step(2 * SECOND, Step::Fault(Fault::delay(Api::Produce, SECOND)));
    let setup = setup.send(2 * SECOND, 0, 3);
    (1..=3).fold(setup, |setup, broker| setup.step(2_100 * MS, Step::Restart(broker)))
}

/// What became of those three.
#[track_caller]
fn told(history: &History) -> Vec<String> {
    let outcomes = history.records[1..4].iter().filter_map(|record| record.outcome());
    let text = |outcome: &RecordOutcome| match outcome {
        RecordOutcome::Acknowledged { .. } => "acknowledged".to_owned(),
        RecordOutcome::Failed { possibly_written, text, .. } => {
            assert!(possibly_written, "{text}");
            text.clone()
        }
    };
    outcomes.map(text).collect()
}

/// Behaviour 96.
/// Fault A3. What a broker does not find, since it knows the last batch only, may be in the log all the same.
#[test]
fn what_a_broker_that_was_restarted_does_not_find_is_not_written_again() {
    let history = keeps_its_promises(restarted_before_it_answers());
    let told = told(&history);
    assert!(
        told[..2].iter().all(|text| text.contains("the broker has lost track of this producer")),
        "{told:?}"
    );
    assert_eq!(told[2], "acknowledged");
}

/// Behaviour 96.
/// Fault A3. Whether it has the last one was never told.
#[test]
fn what_a_broker_does_not_find_is_not_written_again_while_the_fate_of_a_later_one_is_unknown() {
    let refusals = Fault::fail(Api::Produce, 19).skip(2).times(2);
    let setup = restarted_before_it_answers().with("retries", 2).step(2_100 * MS, Step::Fault(refusals));
    let told = told(&keeps_its_promises(setup));
    assert!(
        told[..2].iter().all(|text| text.contains("nobody knows whether it has a later one")),
        "{told:?}"
    );
    assert!(told[2].contains("19 NOT_ENOUGH_REPLICAS"), "{told:?}");
}

/// What this run breaks when the defect is planted; nothing without it.
#[track_caller]
fn found_with(defect: Defect, setup: impl Fn() -> Setup) -> Vec<Violation> {
    keeps_its_promises(setup());
    planted::plant(Some(defect));
    let mut world = World::new(setup());
    let ended = world.run().and_then(|()| world.end());
    planted::plant(None);
    let violations = ended.unwrap().check();
    assert!(!violations.is_empty(), "{defect:?} is not found");
    violations
}

/// One record is awaited when all topics turn out to be others, right after a broker was connected anew: that looks like a
/// cluster set up anew. Its answer never comes, so that it goes again.
fn set_up_anew_while_an_answer_is_awaited() -> Setup {
    let setup = Setup { recovers: true, ..Setup::calm(3) }.with("linger.ms", 0).with("batch.size", 1);
    let setup = setup.with("request.timeout.ms", 1_500).with("delivery.timeout.ms", 20_000);
    let setup = (0..3).fold(setup, |setup, to| {
        setup.step(Duration::ZERO, Step::MoveLeader(0, to, to + 1)).send(SECOND, to, 1)
    });
    let lost = Fault::drop_answer(Api::Produce).on_partition(TOPICS[0], 0);
    let setup = setup.step(2 * SECOND, Step::Fault(lost)).send(2 * SECOND, 0, 1);
    // The broker that is asked tells of the topic when it is another one.
    let setup = setup.step(2 * SECOND, Step::Detain(2, 200 * MS)).step(2_100 * MS, Step::Cut(3));
    setup.send(2_101 * MS, 2, 1).step(2_120 * MS, Step::Create(0, 3, 3)).send(2_800 * MS, 0, 3)
}

/// Fault A2. What goes under a new id waits for what is on its way under the old one.
#[test]
fn what_was_on_its_way_when_the_producer_id_was_given_up_is_not_overtaken() {
    let mut world = World::new(set_up_anew_while_an_answer_is_awaited());
    world.run().unwrap();
    assert_eq!(world.with_rules(|rules| rules.requests(Api::InitProducerId)), 2, "the id was not given up");
    let found = found_with(Defect::UnnumberedIsForgotten, set_up_anew_while_an_answer_is_awaited);
    assert!(found.iter().any(|it| matches!(it, Violation::Overtaken(_))), "{found:?}");
}

/// One record is given up while its answer is awaited, and its topic is another one when that comes.
fn acknowledged_after_all_in_a_topic_that_was() -> Setup {
    let setup = Setup { recovers: true, ..Setup::calm(2) }.with("linger.ms", 0).with("batch.size", 1);
    let setup = setup.with("request.timeout.ms", 2_000).with("delivery.timeout.ms", 2_000);
    let setup = setup.with("retry.backoff.ms", 1_000).with("metadata.max.age.ms", 200);
    let setup = setup.step(Duration::ZERO, Step::MoveLeader(0, 0, 1)).send(SECOND, 0, 1);
    // The other broker tells meanwhile.
    let setup = setup.step(Duration::ZERO, Step::MoveLeader(0, 1, 2)).send(SECOND, 1, 1);
    let refused = Fault::fail(Api::Produce, 19);
    let setup = setup.step(2 * SECOND, Step::Fault(refused)).send(2 * SECOND, 0, 1);
    let slow = Fault::delay(Api::Produce, 1_900 * MS);
    let setup = setup.step(2_500 * MS, Step::Fault(slow)).step(3_500 * MS, Step::Create(0, 2, 3));
    setup.send(6 * SECOND, 0, 3)
}

/// Fault A3. The answer is about the topic that was: to the new one's broker the producer is new.
#[test]
fn an_answer_from_before_introduces_the_producer_to_nobody() {
    let found = found_with(Defect::OldAnswersIntroduce, acknowledged_after_all_in_a_topic_that_was);
    assert!(found.iter().any(|it| matches!(it, Violation::Unruly(_))), "{found:?}");
}

/// Fault B11.
#[test]
fn a_producer_id_that_one_broker_cannot_give_now_is_asked_of_another() {
    for (broker, code) in [(1, 14), (2, 14), (3, 14), (1, 15), (2, 15), (3, 15)] {
        let setup = Setup { prompt: Some(10 * SECOND), ..Setup::calm(1) }.send(Duration::ZERO, 0, 1);
        let fault = Fault::fail(Api::InitProducerId, code).on_broker(broker).always();
        loses_nothing(setup.step(Duration::ZERO, Step::Fault(fault)));
    }
}

/// Each record has a second, and the logger takes three.
fn slowly_logged() -> Setup {
    let slow = SlowCode::new(vec![(Dawdler::Logger, 3 * SECOND)], 60 * SECOND);
    let setup = Setup { slow_code: slow, ..Setup::calm(2) }.with("linger.ms", 0);
    let setup = setup.with("request.timeout.ms", 500).with("delivery.timeout.ms", 1_000);
    let setup =
        setup.step(Duration::ZERO, Step::MoveLeader(0, 0, 1)).step(Duration::ZERO, Step::MoveLeader(0, 1, 1));
    setup.send(20 * SECOND, 0, 1).send(21 * SECOND, 1, 1)
}

/// Faults C1, E1. The logger takes its time wherever something is logged: where a connection is lost, and where a new
/// epoch begins because another partition needs it.
#[test]
fn what_is_too_late_because_of_a_slow_logger_says_so() {
    let lost = Fault::cut_before(Api::Produce);
    let lost = slowly_logged().step(40 * SECOND, Step::Fault(lost)).send(40 * SECOND, 1, 1);
    let (refused, again) = (Fault::fail(Api::Produce, 87), Fault::fail(Api::Produce, 19));
    let refused = refused.on_partition(TOPICS[0], 0);
    let bumped = slowly_logged().step(40 * SECOND, Step::Fault(refused)).send(40 * SECOND, 0, 1);
    let again = again.on_partition(TOPICS[0], 1).times(2);
    let bumped = bumped.step(40 * SECOND, Step::Fault(again)).send(40 * SECOND, 1, 1);
    for setup in [lost, bumped] {
        let history = keeps_its_promises(setup);
        let last = history.records.last().and_then(|record| record.outcome());
        let Some(RecordOutcome::Failed { text, .. }) = last else { panic!("{last:?}") };
        assert!(text.contains("held up the sender thread for "), "{text}");
    }
}

/// Faults C1, E1. The logger takes three seconds in the middle of a turn, where a topic that nobody uses is forgotten: what
/// lingers meanwhile, and has a second, says why it never left.
#[test]
fn what_waits_behind_a_logger_that_is_slow_in_the_middle_of_a_turn_says_so() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic(TOPICS[0], 1).topic(TOPICS[1], 1);
    let mut slow_code = SlowCode::new(vec![(Dawdler::Logger, 3 * SECOND)], 60 * SECOND);
    slow_code.level = log::LevelFilter::Debug;
    let setup = Setup { cluster, slow_code, ..Setup::calm(1) }.with("linger.ms", 800);
    let setup = setup.with("request.timeout.ms", 100).with("delivery.timeout.ms", 1_000);
    let setup = setup.with("metadata.max.idle.ms", 5_000).with("metadata.max.age.ms", 10_000);
    let how = How::Callback(CallbackDeed::Nothing);
    let unused = Act::Send { topic: 1, partition: Some(0), size: 1, how };
    let setup = setup.send(20 * SECOND, 0, 1).step(20 * SECOND, Step::Act(0, unused));
    let history = keeps_its_promises((400..700).fold(setup, |setup, at| setup.send(at * 100 * MS, 0, 1)));
    let failed =
        history.records.iter().filter(|record| record.topic == TOPICS[0]).skip(1).filter_map(|record| {
            match record.outcome() {
                Some(RecordOutcome::Failed { text, .. }) => Some(text),
                _ => None,
            }
        });
    let failed: Vec<&String> = failed.collect();
    assert!(!failed.is_empty());
    for text in failed {
        assert!(text.contains("held up the sender thread for "), "{text}");
    }
}

/// Fault E1. While a callback runs that is slower than `delivery.timeout.ms`, a broker's answer to another record comes:
/// what it says counts. A refusal that would be tried again were there time is the record's error, with its code.
#[test]
fn a_refusal_that_is_read_when_time_is_over_is_told_as_the_brokers() {
    let second = Fault::fail(Api::Produce, 19).on_partition(TOPICS[0], 1);
    for refusal in [None, Some(second)] {
        let setup = Setup::calm(2).with("linger.ms", 0).with("request.timeout.ms", 500);
        let setup = setup.with("delivery.timeout.ms", 1_000).step(Duration::ZERO, Step::MoveLeader(0, 0, 1));
        // Both brokers know us, and each other's answers do not wait.
        let setup =
            setup.step(Duration::ZERO, Step::MoveLeader(0, 1, 2)).send(SECOND, 0, 1).send(SECOND, 1, 1);
        let slow = How::Callback(CallbackDeed::Slow(2 * SECOND));
        let slow = Act::Send { topic: 0, partition: Some(0), size: 1, how: slow };
        let setup = setup.step(20 * SECOND, Step::Act(0, slow)).send(20 * SECOND, 1, 1);
        let late = Fault::delay(Api::Produce, 300 * MS).on_broker(2);
        let setup = setup.step(20 * SECOND, Step::Fault(late));
        let is_refused = refusal.is_some();
        let setup = refusal.into_iter().fold(setup, |setup, it| setup.step(20 * SECOND, Step::Fault(it)));
        let history = keeps_its_promises(setup);
        let told = history.records.last().unwrap().told.first().unwrap();
        assert!(told.at >= 22 * SECOND, "{told:?}");
        match &told.outcome {
            RecordOutcome::Acknowledged { .. } => assert!(!is_refused, "{told:?}"),
            RecordOutcome::Failed { kind, text, possibly_written, .. } => {
                assert!(is_refused && *kind == ErrorKind::Broker && !possibly_written, "{told:?}");
                assert!(text.contains("the broker answered 19 NOT_ENOUGH_REPLICAS"), "{text}");
            }
        }
    }
}
