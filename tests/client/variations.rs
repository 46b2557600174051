//! Variations of the faults that use has shown: the same troubles in other versions, orders, numbers and at other
//! moments, each under traffic, and one judge for all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::rewritten::changed;
use crate::variations_support::judge::{Trouble, run_all, run_where};
use crate::variations_support::{PARTITIONS, wait};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_protocol::messages::produce_response::LeaderIdAndEpoch;
use kafka_protocol::messages::{BrokerId, MetadataResponse, ProduceResponse};

/// Fault A1.
#[test]
fn whatever_a_picture_shows_of_a_topic_s_partitions_nothing_is_lost() {
    run_all(PICTURES);
}

const PICTURES: &[(&str, Trouble)] = &[
    ("the count flips", |world| {
        for told in [3, 6, 1, 6, 5, 2, 4, 6] {
            world.cluster.tell_partitions("t", told);
            wait(30);
        }
    }),
    ("none, then all", |world| {
        for told in [0, 6, 0, 1, 6] {
            world.cluster.tell_partitions("t", told);
            wait(50);
        }
    }),
    ("fewer for long, then more than ever", |world| {
        world.cluster.tell_partitions("t", 1);
        wait(250);
        world.cluster.create_partitions("t", 9);
        world.cluster.tell_partitions("t", i32::MAX);
    }),
    ("one broker lags behind", |world| {
        world.cluster.freeze_metadata(1);
        world.cluster.freeze_metadata(2);
        world.cluster.create_partitions("t", 12);
        wait(100);
        world.cluster.thaw_metadata(2);
        wait(200);
    }),
    ("the topic goes and comes", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            if turn % 3 != 0 {
                topic.error_code = 3;
                topic.partitions.clear();
            }
        });
        wait(300);
    }),
    ("brokers contradict each other", |world| {
        world.tell(|broker, topic| {
            topic.partitions.retain(|one| one.partition_index < broker * 2);
        });
        wait(300);
    }),
    ("gaps that wander", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            topic.partitions.retain(|one| one.partition_index % 3 != turn % 3);
        });
        wait(300);
    }),
    ("gaps, and doubt", |world| {
        world.tell(|_, topic| topic.partitions.retain(|one| one.partition_index > 2));
        world.cluster.inject(Fault::drop_answer(Api::Produce).times(3));
        wait(500);
    }),
    ("errors of the topic", |world| {
        for code in [5, 3, 100, 29, 17] {
            world.cluster.inject(Fault::fail(Api::Metadata, code).on_topic("t").times(2));
            wait(60);
        }
    }),
    ("fewer while batches go again", |world| {
        world.cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).times(20));
        world.cluster.tell_partitions("t", 2);
        wait(150);
        world.cluster.tell_partitions("t", 6);
        world.cluster.inject(Fault::cut_after(Api::Produce).times(3));
        wait(50);
    }),
];

/// Faults A1, A3, B1.
#[test]
fn a_topic_that_is_created_again_under_traffic_loses_and_repeats_nothing() {
    run_all(CREATED_AGAIN);
}

const CREATED_AGAIN: &[(&str, Trouble)] = &[
    ("as it was", |world| world.recreate(PARTITIONS)),
    ("fewer", |world| {
        world.recreate(2);
        wait(100);
    }),
    ("more", |world| world.recreate(9)),
    ("again and again", |world| {
        for partitions in [6, 3, 6, 1, 8] {
            world.recreate(partitions);
            wait(40);
        }
    }),
    ("gone for a while", |world| {
        world.keep(&["t"]);
        world.cluster.delete_topic("t");
        wait(150);
        world.cluster.create_topic("t", TopicConfig::new(PARTITIONS));
        wait(50);
    }),
    ("one lags behind", |world| {
        world.cluster.freeze_metadata(1);
        world.recreate(PARTITIONS);
        wait(200);
    }),
    ("all lag behind", |world| {
        (1..=3).for_each(|broker| world.cluster.freeze_metadata(broker));
        world.recreate(PARTITIONS);
        wait(200);
    }),
    ("the first of several is refused", |world| {
        for code in [3, 6, 5, 19, 7] {
            world.cluster.delay(Api::Produce, Duration::from_millis(10), 6);
            world.fail(&[code, code]);
            world.recreate(PARTITIONS);
            wait(40);
        }
    }),
    ("answers are lost", |world| {
        world.cluster.inject(Fault::drop_answer(Api::Produce).on_broker(1));
        world.cluster.inject(Fault::cut_after(Api::Produce).on_broker(2).times(2));
        wait(3);
        world.recreate(PARTITIONS);
        wait(500);
    }),
    ("requests are lost", |world| {
        for _ in 0..4 {
            world.cluster.inject(Fault::cut_before(Api::Produce).times(3));
            world.recreate(PARTITIONS);
            wait(40);
        }
    }),
    ("with other leaders", |world| {
        world.move_all(1);
        world.move_all(1);
        world.recreate(PARTITIONS);
        world.move_all(1);
        wait(100);
    }),
    ("a later batch first", |world| {
        for partition in 0..PARTITIONS {
            world.cluster.inject(
                Fault::fail(Api::Produce, BrokerError::UNKNOWN_TOPIC_OR_PARTITION)
                    .on_partition("t", partition)
                    .times(1),
            );
            world.cluster.inject(
                Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER)
                    .on_partition("t", partition)
                    .skip(2)
                    .times(1),
            );
        }
        world.recreate(PARTITIONS);
        wait(100);
        world.recreate(PARTITIONS);
        world.move_all(2);
        wait(100);
    }),
];

/// Faults A2, A2b.
#[test]
fn another_cluster_in_the_same_place_takes_nobody_for_somebody_else() {
    run_all(REPLACED);
}

const REPLACED: &[(&str, Trouble)] = &[
    ("another id", |world| world.replace("another-cluster", true)),
    ("topics later", |world| {
        world.replace("another-cluster", false);
        wait(100);
        world.cluster.create_topic("t", TopicConfig::new(PARTITIONS));
        wait(50);
    }),
    ("back and forth", |world| {
        for id in ["one", "two", "one", "two"] {
            world.replace(id, true);
            wait(60);
        }
    }),
    ("with answers missing", |world| {
        world.cluster.inject(Fault::cut_after(Api::Produce).times(2));
        world.cluster.inject(Fault::drop_answer(Api::Produce).times(2));
        wait(5);
        world.replace("another-cluster", true);
        wait(100);
    }),
    ("the producer id is late", |world| {
        world.cluster.delay(Api::InitProducerId, Duration::from_millis(150), 3);
        world.cluster.fail(Api::InitProducerId, BrokerError::COORDINATOR_NOT_AVAILABLE, 2);
        world.replace("another-cluster", true);
        wait(100);
    }),
];

/// Fault A2. A cluster whose id is part of its configuration has it again when it is set up anew; topics have other ids.
#[test]
fn another_cluster_with_the_same_id_takes_nobody_for_somebody_else() {
    run_where(|mode| mode.has_ids(), SAME_ID);
}

const SAME_ID: &[(&str, Trouble)] = &[
    ("the same id", |world| {
        world.replace("embedded-cluster-00000", true);
        wait(50);
    }),
    ("the same id, topics later", |world| {
        world.replace("embedded-cluster-00000", false);
        wait(100);
        world.cluster.create_topic("t", TopicConfig::new(PARTITIONS));
        wait(50);
    }),
    ("the same id, again and again", |world| {
        for _ in 0..3 {
            world.replace("embedded-cluster-00000", true);
            wait(60);
        }
    }),
];

/// Faults A3, A4.
#[test]
fn whatever_a_broker_forgets_refuses_or_says_order_and_truth_are_kept() {
    run_all(FORGETFUL);
}

const FORGETFUL: &[(&str, Trouble)] = &[
    ("forgotten, and refused", |world| {
        for code in [3, 6, 19, 59, 100, 2, 89] {
            world.cluster.forget_all_producers(None);
            world.cluster.inject(Fault::fail(Api::Produce, code).times(2));
            wait(250);
        }
    }),
    // Once only: one that is forgotten again before what is in doubt has come again is taken at any number, too.
    ("forgotten, and in doubt", |world| {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let codes = [5, 7, 20, 56, 13, 74, 75];
        let code = codes[RUNS.fetch_add(1, Ordering::Relaxed) % codes.len()];
        world.cluster.forget_all_producers(None);
        world.cluster.inject(Fault::fail(Api::Produce, code).times(3));
        wait(200);
    }),
    ("forgotten all the time", |world| {
        for _ in 0..60 {
            world.cluster.forget_all_producers(None);
            wait(4);
        }
    }),
    ("forgotten, and cut", |world| {
        for _ in 0..3 {
            world.cluster.forget_all_producers(None);
            wait(30);
            world.cluster.inject(Fault::cut_before(Api::Produce).times(2));
            world.cluster.inject(Fault::cut_after(Api::Produce).times(1));
            wait(400);
        }
    }),
    ("forgotten, and moved", |world| {
        for turn in 0..4 {
            world.cluster.forget_all_producers(None);
            world.cluster.inject(
                Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER).on_broker(turn % 3 + 1),
            );
            world.move_all(1 + turn % 2);
            wait(90);
        }
    }),
    ("written, and told with any code", |world| {
        for code in [-32768, -1, 999, 32767, 7, 20, 56, 3, 6, 100, 13, 42, 130] {
            world.cluster.inject(Fault::fail_after(Api::Produce, code).times(2));
            wait(15);
        }
    }),
    ("not written, and told with any code", |world| {
        for code in [-32768, -1, 999, 45, 59, 47, 87, 10, 18, 2, 32, 76, 44, 29, 17, 46] {
            if code != 46 {
                world.cluster.inject(Fault::fail(Api::Produce, code).times(2));
            }
            wait(12);
        }
    }),
    ("too large by turns", |world| {
        for _ in 0..10 {
            world.cluster.inject(Fault::fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER));
            world.cluster.inject(Fault::fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE).times(3));
            world.cluster.inject(Fault::fail_after(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER));
            wait(15);
        }
    }),
    ("the offset is hidden", |world| {
        world.cluster.inject(Fault::fail_after(Api::Produce, 999).times(2));
        world.cluster.inject(Fault::fail_after(Api::Produce, BrokerError::KAFKA_STORAGE_ERROR).times(2));
        let mut turn = 0;
        world.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Produce => changed(answer, |response: &mut ProduceResponse| {
                turn += 1;
                for partition in response.responses.iter_mut().flat_map(|one| &mut one.partition_responses) {
                    if turn % 5 == 0 {
                        partition.error_code = [999, -1, 56, 20, 7, -7][turn % 6];
                        partition.base_offset = -1;
                    }
                }
            }),
            _ => Rewritten::Unchanged,
        });
        wait(200);
    }),
];

/// Faults B1, B2, B3, B5, B7, B10, B11, B12, B15.
#[test]
fn brokers_that_lie_pause_refuse_or_leave_stop_nothing_for_longer_than_it_lasts() {
    run_all(LIARS);
}

const LIARS: &[(&str, Trouble)] = &[
    ("leaders move all the time, one lags behind", |world| {
        world.cluster.freeze_metadata(2);
        for turn in 0..10 {
            world.move_all(1 + turn % 2);
            wait(25);
        }
    }),
    ("hints of what never was", |world| {
        let mut epoch = 1000;
        world.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Produce if answer.version >= 10 && epoch < 1010 => {
                changed(answer, |response: &mut ProduceResponse| {
                    for partition in
                        response.responses.iter_mut().flat_map(|one| &mut one.partition_responses)
                    {
                        epoch += 1;
                        partition.current_leader = LeaderIdAndEpoch::default()
                            .with_leader_id(BrokerId(epoch % 4 + 1))
                            .with_leader_epoch(epoch);
                    }
                })
            }
            _ => Rewritten::Unchanged,
        });
        wait(250);
    }),
    ("metadata with epochs of another time", |world| {
        world.tell(|broker, topic| {
            for partition in &mut topic.partitions {
                partition.leader_id = BrokerId(broker);
                partition.leader_epoch = 500 + broker;
            }
        });
        wait(250);
    }),
    ("leaders that are nobody", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            for partition in &mut topic.partitions {
                partition.leader_id = BrokerId([99, -1, -7, i32::MAX][turn % 4]);
            }
        });
        wait(300);
    }),
    ("a pause in every answer", |world| {
        for api in [Api::Produce, Api::Metadata, Api::InitProducerId, Api::ApiVersions] {
            world.cluster.inject(Fault::throttle(api, Duration::from_millis(80)).times(3));
        }
        world.cluster.inject(Fault::cut_after(Api::Produce));
        wait(300);
    }),
    ("one broker stops, another begins", |world| {
        for broker in [1, 2, 3, 1] {
            world.cluster.stop_broker(broker);
            wait(60);
            world.cluster.start_broker(broker).unwrap();
            wait(20);
        }
    }),
    ("all stop", |world| {
        (1..=3).for_each(|broker| world.cluster.stop_broker(broker));
        wait(200);
        (1..=3).for_each(|broker| world.cluster.start_broker(broker).unwrap());
        wait(100);
    }),
    ("producer ids are refused", |world| {
        world.cluster.inject(
            Fault::fail(Api::InitProducerId, BrokerError::CLUSTER_AUTHORIZATION_FAILED).always().on_broker(1),
        );
        world.cluster.inject(
            Fault::fail(Api::InitProducerId, BrokerError::TRANSACTIONAL_ID_AUTHORIZATION_FAILED).times(5),
        );
        world.replace("another-cluster", true);
        wait(200);
    }),
    ("no answers to anything", |world| {
        for api in [Api::Produce, Api::Metadata, Api::InitProducerId] {
            world.cluster.inject(Fault::drop_answer(api).times(2));
        }
        world.move_all(1);
        wait(700);
    }),
    ("timeouts and moves", |world| {
        for turn in 0..3 {
            world.cluster.inject(Fault::drop_answer(Api::Produce).on_broker(turn + 1));
            wait(5);
            world.move_all(1);
            wait(150);
        }
    }),
    ("addresses that are none", |world| {
        let mut turn = 0;
        world.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Metadata => changed(answer, |response: &mut MetadataResponse| {
                turn += 1;
                response.brokers.iter_mut().for_each(|broker| {
                    if broker.node_id.0 as usize % 3 == turn % 3 {
                        broker.port = [1, 70_000, -1][turn % 3];
                    }
                });
            }),
            _ => Rewritten::Unchanged,
        });
        wait(300);
    }),
    ("brokers come and go in the picture", |world| {
        let mut turn = 0;
        world.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Metadata => changed(answer, |response: &mut MetadataResponse| {
                turn += 1;
                response.brokers.retain(|broker| broker.node_id.0 % 3 != turn % 3);
            }),
            _ => Rewritten::Unchanged,
        });
        wait(300);
    }),
];

/// Fault A3. A new topic knows no producer: it takes whatever batch comes first. Those before it, which it has refused
/// while it was not ready, are not written behind.
#[test]
fn what_a_new_topic_has_refused_is_not_written_behind_what_it_took() {
    let mut overtaken = 0;
    for (metadata, produce) in [(13, 13), (9, 12), (13, 9), (7, 7)] {
        for (code, times) in [(3, 1), (3, 3), (6, 2), (5, 1), (59, 1), (56, 2)] {
            let cluster = EmbeddedCluster::builder()
                .topic("t", 1)
                .api_versions(Api::Metadata, 1..=metadata)
                .api_versions(Api::Produce, 3..=produce)
                .start()
                .unwrap();
            let producer = crate::support::producer(&cluster, &[("linger.ms", "0"), ("batch.size", "300")]);
            let first = crate::support::send_numbered(&producer, 0..20);
            producer.flush().unwrap();
            first.iter().for_each(|future| drop(future.get_timeout(crate::support::AGES).unwrap()));
            // Some are on their way to the old topic, and their answers come late.
            cluster.delay(Api::Produce, Duration::from_millis(15), 2);
            let mut futures = crate::support::send_numbered(&producer, 20..60);
            assert!(cluster.recreate_topic("t", TopicConfig::new(1)));
            cluster.inject(Fault::fail(Api::Produce, code).times(times));
            futures.extend(crate::support::send_numbered(&producer, 60..200));
            let found: Vec<_> =
                futures.iter().map(|future| future.get_timeout(crate::support::AGES)).collect();
            let log = crate::support::values(&cluster, "t", 0);
            let story = format!("Metadata {metadata}, Produce {produce}, {code} {times} times");
            assert!(log.is_sorted() && log.windows(2).all(|pair| pair[0] != pair[1]), "{story}: {log:?}");
            for (number, outcome) in (20..).zip(found) {
                let is_there = log.contains(&format!("{number:06}"));
                match outcome {
                    Ok(metadata) => {
                        let place =
                            metadata.offset().and_then(|offset| log.get(usize::try_from(offset).ok()?));
                        let is_here = place.is_some_and(|value| *value == format!("{number:06}"));
                        // Or it was in the old topic.
                        assert!(is_here || (number < 60 && !is_there), "{story}: {number} at {metadata}");
                    }
                    Err(error) => {
                        let text = error.to_string();
                        assert!(
                            text.contains("later records of the partition are in the log"),
                            "{story}: {text}"
                        );
                        assert!(!is_there || error.possibly_written(), "{story}: {number}: {text}");
                        overtaken += 1;
                    }
                }
            }
        }
    }
    assert!(overtaken > 0, "the test must have seen it");
}
