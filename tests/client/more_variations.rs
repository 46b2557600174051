//! More variations of the faults that use has shown, and two of them at a time: untrue pictures while answers are lost,
//! pauses of any kind, user code that is slow or panics while the cluster changes. Each under traffic, with one judge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::rewritten::changed;
use crate::support::{AGES, config};
use crate::variations_support::judge::{Trouble, run_all, run_where};
use crate::variations_support::{Mode, PARTITIONS, World, wait};
use kafka_embedded::{Api, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{KafkaProducer, ProducerRecord};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, InitProducerIdResponse, MetadataResponse, ProduceResponse,
};

/// Changes all that Metadata tells.
fn tell_all(world: &World, mut change: impl FnMut(i32, &mut MetadataResponse) + Send + 'static) {
    world.cluster.rewrite_answers(move |answer| match answer.api {
        Api::Metadata => changed(answer, |response: &mut MetadataResponse| change(answer.broker, response)),
        _ => Rewritten::Unchanged,
    });
}

/// Fault A1.
#[test]
fn whatever_else_a_picture_makes_of_the_cluster_nothing_is_lost() {
    run_all(MORE_PICTURES);
}

const MORE_PICTURES: &[(&str, Trouble)] = &[
    ("numbers that are shifted by one", |world| {
        world.tell(|broker, topic| {
            if broker == 1 {
                topic.partitions.iter_mut().for_each(|one| one.partition_index += 1);
            }
        });
        wait(250);
    }),
    ("numbers that cannot be, beside the real ones", |world| {
        world.tell(|_, topic| {
            let Some(one) = topic.partitions.first().cloned() else { return };
            for number in [-1, i32::MIN, i32::MAX, 1 << 20] {
                topic.partitions.push(one.clone().with_partition_index(number));
            }
        });
        wait(250);
    }),
    ("the topic stands twice, the second time with less", |world| {
        tell_all(world, |_, response| {
            let halved = |topic: &MetadataResponseTopic| {
                let mut topic = topic.clone();
                topic.partitions.truncate(2);
                topic
            };
            let again: Vec<_> = response.topics.iter().map(halved).collect();
            response.topics.extend(again);
        });
        wait(250);
    }),
    ("nothing at all, now and then", |world| {
        let mut turn = 0;
        tell_all(world, move |_, response| {
            turn += 1;
            match turn % 4 {
                1 => response.brokers.clear(),
                2 => response.topics.clear(),
                3 => *response = MetadataResponse::default(),
                _ => {}
            }
        });
        wait(300);
    }),
    ("leaders leave and come back with older epochs", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            for one in &mut topic.partitions {
                match (one.partition_index + turn) % 3 {
                    0 => (one.leader_id, one.error_code) = (BrokerId(-1), 5),
                    1 => one.leader_epoch -= 3,
                    _ => {}
                }
            }
        });
        wait(300);
    }),
    ("fewer partitions while answers are lost and the rest moves", |world| {
        world.cluster.tell_partitions("t", 2);
        world.cluster.inject(Fault::drop_answer(Api::Produce).times(2));
        world.move_all(1);
        wait(200);
        world.cluster.inject(Fault::cut_after(Api::Produce).times(2));
        world.cluster.tell_partitions("t", 5);
        wait(200);
    }),
    ("grown and shown less by one broker, which then stops", |world| {
        world.cluster.freeze_metadata(3);
        world.cluster.create_partitions("t", 10);
        wait(60);
        world.cluster.stop_broker(3);
        wait(60);
        world.cluster.start_broker(3).unwrap();
        wait(100);
    }),
    ("internal, without a name of its own, with errors in each partition", |world| {
        world.tell(|broker, topic| {
            topic.is_internal = broker == 1;
            let code = [0, 5, 9, 72][broker as usize % 4];
            topic.partitions.iter_mut().for_each(|one| one.error_code = code);
        });
        wait(250);
    }),
    ("replicas that nobody has heard of, thousands of them", |world| {
        world.tell(|_, topic| {
            let crowd = |one: &mut MetadataResponsePartition| {
                one.replica_nodes = (0..5_000).map(|id| BrokerId(id - 7)).collect();
                one.isr_nodes = vec![BrokerId(i32::MIN); 3_000];
            };
            topic.partitions.iter_mut().for_each(crowd);
        });
        wait(250);
    }),
];

/// Faults A1, A2.
#[test]
fn a_topic_id_that_one_broker_makes_up_loses_and_repeats_nothing() {
    run_where(Mode::has_ids, IDS);
}

const IDS: &[(&str, Trouble)] = &[
    ("one broker has another", |world| {
        world.tell(|broker, topic| {
            if broker == 2 {
                topic.topic_id = uuid(7);
            }
        });
        wait(250);
    }),
    ("a new one each time", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            topic.topic_id = uuid(turn);
        });
        wait(250);
    }),
    ("none, and that of before", |world| {
        let mut turn = 0;
        world.tell(move |_, topic| {
            turn += 1;
            if turn % 2 == 0 {
                topic.topic_id = uuid(0);
            }
        });
        world.cluster.inject(Fault::cut_after(Api::Produce).times(2));
        wait(250);
    }),
];

fn uuid(number: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([number; 16])
}

/// Faults B5, B11.
#[test]
fn pauses_of_any_kind_end_with_the_trouble() {
    run_all(PAUSES);
}

const PAUSES: &[(&str, Trouble)] = &[
    ("negative ones in every answer", |world| {
        let mut turn = 0;
        world.cluster.rewrite_answers(move |answer| {
            turn += 1;
            let pause = [-1, i32::MIN, 0, -1_000][turn % 4];
            match answer.api {
                Api::Metadata => changed(answer, |it: &mut MetadataResponse| it.throttle_time_ms = pause),
                Api::Produce => changed(answer, |it: &mut ProduceResponse| it.throttle_time_ms = pause),
                Api::InitProducerId => {
                    changed(answer, |it: &mut InitProducerIdResponse| it.throttle_time_ms = pause)
                }
                Api::ApiVersions => {
                    changed(answer, |it: &mut ApiVersionsResponse| it.throttle_time_ms = pause)
                }
                _ => Rewritten::Unchanged,
            }
        });
        wait(250);
    }),
    ("for a producer id, while the cluster is another one", |world| {
        world.cluster.inject(Fault::throttle(Api::InitProducerId, Duration::from_millis(150)).times(4));
        world.replace("paused-cluster", true);
        wait(300);
    }),
    ("from the one broker that is left", |world| {
        world
            .cluster
            .inject(Fault::throttle(Api::Metadata, Duration::from_millis(200)).on_broker(1).times(3));
        world.cluster.stop_broker(2);
        world.cluster.stop_broker(3);
        wait(400);
    }),
    ("after refusals of each kind", |world| {
        for code in [3, 5, 6, 7, 19, 20, 56, 72, 89, 100] {
            world.fail(&[code]);
            world.cluster.inject(Fault::throttle(Api::Produce, Duration::from_millis(30)));
            wait(25);
        }
    }),
    ("producer ids that are refused, each time with another code", |world| {
        for code in [14, 15, 16, 51, 7, -1, 35] {
            world.cluster.inject(Fault::fail(Api::InitProducerId, code));
        }
        world.replace("unwilling-cluster", true);
        wait(400);
    }),
];

/// Faults A1, A3, E1, E2, E3.
#[test]
fn user_code_that_is_slow_or_panics_while_the_cluster_changes_harms_no_record_but_its_own() {
    run_all(USERS);
}

/// Sends to all partitions with a callback of this kind.
fn send_with(world: &World, callback: fn()) {
    for number in 0..PARTITIONS * 3 {
        let record = ProducerRecord::new("t", format!("c{number:06}")).with_partition(number % PARTITIONS);
        let _ = world.producer.send_with_callback(record, move |_| callback());
    }
}

struct PanicsAtItsEnd;

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        assert!(thread::panicking(), "dropping what a callback holds");
    }
}

const USERS: &[(&str, Trouble)] = &[
    ("slow callbacks, and leaders that move", |world| {
        send_with(world, || thread::sleep(Duration::from_millis(15)));
        world.move_all(1);
        wait(150);
        world.move_all(2);
        wait(150);
    }),
    ("callbacks slower than a request may be, and fewer partitions", |world| {
        send_with(world, || {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            if COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(40) {
                thread::sleep(Duration::from_millis(450));
            }
        });
        world.cluster.tell_partitions("t", 2);
        wait(250);
    }),
    ("callbacks that panic, and a topic that is another one", |world| {
        send_with(world, || panic!("a callback"));
        world.recreate(PARTITIONS);
        wait(100);
        world.cluster.inject(Fault::drop_answer(Api::Produce));
    }),
    ("callbacks that end in a panic of what they hold, and lost connections", |world| {
        for number in 0..PARTITIONS * 3 {
            let held = PanicsAtItsEnd;
            let record =
                ProducerRecord::new("t", format!("c{number:06}")).with_partition(number % PARTITIONS);
            let _ = world.producer.send_with_callback(record, move |_| drop(held));
        }
        world.cluster.inject(Fault::cut_after(Api::Produce).times(4));
        wait(200);
    }),
    ("handles that come and go in callbacks, while brokers stop", |world| {
        for number in 0..PARTITIONS {
            let (one, other) = (world.producer.clone(), world.producer.clone());
            let record = ProducerRecord::new("t", format!("c{number:06}")).with_partition(number);
            let _ = world.producer.send_with_callback(record, move |_| drop((one.clone(), other)));
        }
        world.cluster.stop_broker(2);
        wait(150);
        world.cluster.start_broker(2).unwrap();
    }),
];

/// Fault D2, D5. Whatever stands in a name, errors and `Debug` show it escaped, and no secret.
#[test]
fn names_that_are_made_to_mislead_are_told_escaped_by_every_call() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
    let settings = [("sasl.password", "pass\u{1b}[2Jword")];
    let config = config(&cluster.bootstrap_servers(), &settings);
    assert!(!format!("{config:?}").contains("2Jword"), "{config:?}");
    let producer = KafkaProducer::<str, str>::builder(config).default_serializers().build().unwrap();
    for name in ["\u{1b}[2Jt", "t\nERROR all is lost", "t\u{202e}x", "..", "", "t\0", "t/../../x", "é"] {
        let errors = [
            producer.send(ProducerRecord::new(name, "v")).unwrap_err().to_string(),
            producer.partitions_for(name).unwrap_err().to_string(),
        ];
        for error in errors {
            assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
        }
    }
    let well = producer.send(ProducerRecord::new("t", "v")).unwrap();
    well.get_timeout(AGES).unwrap();
    assert!(cluster.create_topic("after", TopicConfig::new(1)));
}
