//! Faults that use has shown, each as a run in which it would be seen: nothing else goes wrong, and in the end each
//! partition has to take records.

use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, Fault};

use crate::simulation::history::{History, RecordOutcome};
use crate::simulation::plan::{Forgotten, Lie, Step};
use crate::simulation::player::{Act, CallbackDeed, How, TOPICS};
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

#[track_caller]
fn keeps_its_promises(setup: Setup) -> History {
    let mut world = World::new(setup);
    world.run().unwrap();
    let history = world.end().unwrap();
    assert_eq!(history.check(), []);
    history
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

/// Fault E1.
#[test]
fn slow_callbacks_delay_and_neither_fail_nor_repeat_what_is_healthy() {
    for (acks, idempotent) in [("all", "true"), ("1", "false")] {
        let mut setup = Setup::calm(1).with("acks", acks).with("enable.idempotence", idempotent);
        setup =
            setup.with("request.timeout.ms", 1_000).with("delivery.timeout.ms", 120_000).with("linger.ms", 5);
        setup.prompt = Some(20 * SECOND);
        for at in 0..200 {
            let how = How::Callback(CallbackDeed::Slow(50 * MS));
            let act = Act::Send { topic: 0, partition: Some(0), size: 10, how };
            setup = setup.step(at / 40 * 100 * MS, Step::Act(0, act));
        }
        loses_nothing(setup);
    }
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
