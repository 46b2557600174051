//! Variations of the faults that use has shown: the same troubles in other versions, orders, numbers and at other
//! moments, each under traffic, and one judge for all of them.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer::embedded::{Api, BrokerAnswer, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{KafkaProducer, ProducerRecord, RecordFuture};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_response::LeaderIdAndEpoch;
use kafka_protocol::messages::{BrokerId, MetadataResponse, ProduceResponse};
use kafka_protocol::protocol::{Decodable, Encodable};
use support::{TextProducer, config, text};

const PARTITIONS: i32 = 6;
const DELIVERY: Duration = Duration::from_millis(2500);
/// What an answer may be late by on a busy machine.
const SLACK: Duration = Duration::from_secs(2);
/// How soon after a trouble the next record has to be acknowledged.
const RECOVERY: Duration = Duration::from_secs(2);

/// What the brokers speak, and how the producer is set.
#[derive(Clone, Copy, Debug)]
struct Mode {
    metadata: i16,
    produce: i16,
    idempotent: bool,
    acks: &'static str,
    linger: &'static str,
}

const MODES: [Mode; 8] = [
    Mode { metadata: 13, produce: 13, idempotent: true, acks: "all", linger: "1" },
    Mode { metadata: 9, produce: 12, idempotent: true, acks: "all", linger: "0" },
    Mode { metadata: 9, produce: 13, idempotent: true, acks: "all", linger: "5" },
    Mode { metadata: 13, produce: 9, idempotent: true, acks: "all", linger: "0" },
    Mode { metadata: 7, produce: 7, idempotent: true, acks: "all", linger: "1" },
    Mode { metadata: 13, produce: 13, idempotent: false, acks: "1", linger: "0" },
    Mode { metadata: 8, produce: 8, idempotent: false, acks: "all", linger: "5" },
    Mode { metadata: 13, produce: 13, idempotent: false, acks: "0", linger: "1" },
];

/// One record that was accepted.
struct Sent {
    value: String,
    partition: Option<i32>,
    at: Instant,
    future: RecordFuture,
    answers: Arc<AtomicUsize>,
}

/// What lay in the partitions of the topic at one time: by partition, offset and value.
type Logs = BTreeMap<i32, Vec<(i64, String)>>;

struct World {
    mode: Mode,
    cluster: EmbeddedCluster,
    producer: TextProducer,
    /// What lay in topics that are gone.
    gone: Mutex<Vec<Logs>>,
}

impl World {
    fn new(mode: Mode) -> World {
        let cluster = EmbeddedCluster::builder()
            .brokers(3)
            .topic("t", PARTITIONS)
            .answer_delay(Duration::from_millis(2))
            .api_versions(Api::Metadata, 1..=mode.metadata)
            .api_versions(Api::Produce, 3..=mode.produce)
            .start()
            .unwrap();
        let producer = another_producer(&cluster, mode);
        World { mode, cluster, producer, gone: Mutex::default() }
    }

    fn logs(&self) -> Logs {
        let mut logs = Logs::new();
        for record in self.cluster.records("t") {
            let value = text(record.value.as_ref()).unwrap();
            logs.entry(record.partition).or_default().push((record.offset, value));
        }
        logs
    }

    /// Keeps what lies in the topic, which is about to go.
    fn keep(&self) {
        let logs = self.logs();
        self.gone.lock().unwrap().push(logs);
    }

    fn recreate(&self, partitions: i32) {
        self.keep();
        assert!(self.cluster.recreate_topic("t", TopicConfig::new(partitions)));
    }

    fn wipe(&self, cluster_id: &str, keep_topics: bool) {
        self.keep();
        self.cluster.wipe(cluster_id, keep_topics);
    }

    fn fail(&self, codes: &[i16]) {
        codes.iter().for_each(|code| self.cluster.inject(Fault::fail(Api::Produce, *code)));
    }

    fn move_all(&self, by: i32) {
        for partition in 0..PARTITIONS {
            if let Some(leader) = self.cluster.leader("t", partition) {
                self.cluster.move_leader("t", partition, (leader - 1 + by) % 3 + 1);
            }
        }
    }

    /// Changes what Metadata tells of the topic.
    fn tell(&self, mut change: impl FnMut(i32, &mut MetadataResponseTopic) + Send + 'static) {
        self.cluster.rewrite_answers(move |answer| match answer.api {
            Api::Metadata => changed(answer, |response: &mut MetadataResponse| {
                let topics = response.topics.iter_mut();
                topics.for_each(|topic| change(answer.broker, topic));
            }),
            _ => Rewritten::Unchanged,
        });
    }

    fn heal(&self) {
        self.cluster.clear_faults();
        self.cluster.stop_rewriting();
        for broker in 1..=3 {
            self.cluster.thaw_metadata(broker);
            let _ = self.cluster.start_broker(broker);
        }
        self.cluster.create_topic("t", TopicConfig::new(PARTITIONS));
        self.cluster.tell_partitions("t", i32::MAX);
    }
}

fn another_producer(cluster: &EmbeddedCluster, mode: Mode) -> TextProducer {
    let delivery = DELIVERY.as_millis().to_string();
    let settings = [
        ("acks", mode.acks),
        ("enable.idempotence", if mode.idempotent { "true" } else { "false" }),
        ("linger.ms", mode.linger),
        ("batch.size", "200"),
        ("max.block.ms", "1500"),
        ("request.timeout.ms", "400"),
        ("delivery.timeout.ms", &delivery),
        ("metadata.max.age.ms", "200"),
    ];
    KafkaProducer::new(config(&cluster.bootstrap_servers(), &settings)).unwrap()
}

fn changed<T: Decodable + Encodable>(answer: &BrokerAnswer<'_>, change: impl FnOnce(&mut T)) -> Rewritten {
    let mut body = bytes::Bytes::copy_from_slice(answer.body);
    let mut message = T::decode(&mut body, answer.version).unwrap();
    change(&mut message);
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).unwrap();
    Rewritten::Body(body)
}

fn wait(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// Sends a record and notes it, if it is accepted.
fn send(producer: &TextProducer, value: String, partition: Option<i32>, key: Option<&str>) -> Option<Sent> {
    let answers = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answers);
    let record = ProducerRecord::new("t", value.clone()).with_optional_key(key);
    let record = partition.into_iter().fold(record, ProducerRecord::with_partition);
    let at = Instant::now();
    let future = producer.send_with_callback(record, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    Some(Sent { value, partition, at, future: future.ok()?, answers })
}

/// Sends all kinds of records until it is told to stop.
fn traffic(producer: &TextProducer, stop: &AtomicBool, name: &str) -> Vec<Sent> {
    let mut sent = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let value = format!("{name}{number:06}");
        let key = format!("k{}", number % 17);
        sent.extend(match number % 3 {
            0 => send(producer, value, Some((number / 3) % PARTITIONS), None),
            1 => send(producer, value, None, Some(&key)),
            _ => send(producer, value, None, None),
        });
        if number % 4 == 0 {
            thread::sleep(Duration::from_micros(700));
        }
    }
    sent
}

/// Sees what became of all records; returns what is wrong.
fn judge(world: &World, sent: &[Sent], limit: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut logs = world.gone.lock().unwrap().clone();
    logs.push(world.logs());
    let last = logs.len() - 1;
    let mut places: HashMap<&str, Vec<(usize, i32, i64)>> = HashMap::new();
    for (life, logs) in logs.iter().enumerate() {
        for (partition, log) in logs {
            let mut newest: HashMap<&str, &str> = HashMap::new();
            for (offset, value) in log {
                places.entry(value).or_default().push((life, *partition, *offset));
                let newest = newest.entry(&value[..1]).or_insert("");
                if world.mode.idempotent && &**value <= *newest {
                    wrong.push(format!("life {life}, partition {partition}: {value} behind {newest}"));
                }
                *newest = value;
            }
        }
    }
    for Sent { value, partition, at, future, answers } in sent {
        let rest = (limit + SLACK).saturating_sub(at.elapsed());
        let outcome = future.get_timeout(rest);
        if !future.is_done() {
            wrong.push(format!("{value} for {partition:?} is not answered in time"));
            continue;
        }
        if answers.load(Ordering::Relaxed) != 1 {
            wrong.push(format!("{value} was answered {} times", answers.load(Ordering::Relaxed)));
        }
        let found = places.get(&**value).map_or(&[][..], Vec::as_slice);
        let lives: HashSet<usize> = found.iter().map(|(life, ..)| *life).collect();
        if world.mode.idempotent && lives.len() < found.len() {
            wrong.push(format!("{value} is there more than once: {found:?}"));
        }
        match outcome {
            Ok(metadata) if world.mode.acks != "0" => {
                let told = metadata.offset();
                let is_there = |(_, partition, offset): &(usize, i32, i64)| {
                    *partition == metadata.partition() && told.is_none_or(|told| told == *offset)
                };
                // What was written between our last look at a topic and its end.
                let unseen = logs[..last].iter().any(|logs| {
                    let log = logs.get(&metadata.partition());
                    let end = log.and_then(|log| log.last()).map_or(0, |(offset, _)| offset + 1);
                    told.is_some_and(|told| (end..end + 60).contains(&told))
                });
                if !found.iter().any(is_there) && !unseen {
                    wrong.push(format!("{value} is acknowledged as {metadata} and lies at {found:?}"));
                }
            }
            Ok(_) => {}
            Err(error) if !error.possibly_written() && !found.is_empty() && world.mode.acks != "0" => {
                wrong.push(format!("{value} lies at {found:?}, and failed as not written: {error}"));
            }
            Err(error) if error.is_fatal() => wrong.push(format!("{value}: {error}")),
            Err(_) => {}
        }
    }
    wrong
}

/// One trouble: what happens while records are sent.
type Trouble = fn(&World);

/// Runs one trouble in one mode; returns what is wrong.
fn run(trouble: Trouble, mode: Mode) -> Vec<String> {
    let world = World::new(mode);
    let stop = AtomicBool::new(false);
    let mut others = Vec::new();
    let mut sent = thread::scope(|scope| {
        let sender = scope.spawn(|| traffic(&world.producer, &stop, "a"));
        wait(40);
        trouble(&world);
        // Whoever comes later must not be taken for this one.
        let other = another_producer(&world.cluster, mode);
        let partitions = 0..PARTITIONS;
        others.extend(partitions.filter_map(|partition| send(&other, format!("b{partition}"), Some(partition), None)));
        wait(60);
        stop.store(true, Ordering::Relaxed);
        world.heal();
        others.iter().for_each(|sent| drop(sent.future.get_timeout(DELIVERY)));
        sender.join().unwrap()
    });
    let mut wrong = Vec::new();
    let begun = [Api::Metadata, Api::InitProducerId].map(|api| world.cluster.requests(api));
    let asked = begun.iter().sum::<usize>();
    if asked > 400 {
        wrong.push(format!("{begun:?} requests for metadata and producer ids"));
    }
    let count = world.producer.partitions_for("t").map_or(0, |partitions| partitions.len() as i32);
    if count == 0 {
        wrong.push("the topic is not there afterwards".to_owned());
    }
    let healed = Instant::now();
    let probes: Vec<_> = (0..count.min(PARTITIONS))
        .filter_map(|partition| send(&world.producer, format!("az{partition}"), Some(partition), None))
        .collect();
    for probe in &probes {
        match probe.future.get_timeout(DELIVERY + SLACK) {
            Ok(_) if healed.elapsed() > RECOVERY => {
                wrong.push(format!("{} took {:?}", probe.value, healed.elapsed()));
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("{} afterwards: {error}", probe.value)),
        }
    }
    sent.extend(probes);
    sent.extend(others);
    // All are answered first: the logs must not change any more.
    sent.iter().for_each(|sent| {
        let _ = sent.future.get_timeout((DELIVERY + SLACK).saturating_sub(sent.at.elapsed()));
    });
    wait(if mode.acks == "0" { 50 } else { 0 });
    wrong.extend(judge(&world, &sent, DELIVERY));
    if let Err(error) = world.producer.close_timeout(SLACK) {
        wrong.push(format!("close: {error}"));
    }
    wrong
}

/// Runs these troubles in all modes, several at a time.
fn run_all(troubles: &[(&str, Trouble)]) {
    let only = std::env::var("VARIATION").unwrap_or_default();
    let all = troubles.iter().flat_map(|trouble| MODES.iter().map(move |mode| (trouble, mode)));
    let all: Vec<_> = all.filter(|((name, _), _)| name.contains(&only)).collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(((name, trouble), mode)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = run(*trouble, **mode);
                    if !found.is_empty() {
                        let first: Vec<_> = found.iter().take(6).collect();
                        let text = format!("{name}, {mode:?}: {} faults: {first:#?}", found.len());
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} runs:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// Fault A1.
#[test]
fn whatever_a_picture_shows_of_a_topic_s_partitions_nothing_is_lost() {
    run_all(&[
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
            world.cluster.inject(Fault::fail(Api::Produce, 19).times(20));
            world.cluster.tell_partitions("t", 2);
            wait(150);
            world.cluster.tell_partitions("t", 6);
            world.cluster.inject(Fault::cut_after(Api::Produce).times(3));
            wait(50);
        }),
    ]);
}

/// Faults A1, A3, B1.
#[test]
fn a_topic_that_is_created_again_under_traffic_loses_and_repeats_nothing() {
    run_all(&[
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
            world.keep();
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
                world.cluster.inject(Fault::fail(Api::Produce, 3).on_partition("t", partition).times(1));
                world.cluster.inject(Fault::fail(Api::Produce, 6).on_partition("t", partition).skip(2).times(1));
            }
            world.recreate(PARTITIONS);
            wait(100);
            world.recreate(PARTITIONS);
            world.move_all(2);
            wait(100);
        }),
    ]);
}

/// Faults A2, A2b.
#[test]
fn another_cluster_in_the_same_place_takes_nobody_for_somebody_else() {
    run_all(&[
        ("another id", |world| world.wipe("another-cluster", true)),
        ("the same id", |world| world.wipe("embedded-cluster-00000", true)),
        ("the same id, after a stop", |world| {
            (1..=3).for_each(|broker| world.cluster.stop_broker(broker));
            world.wipe("embedded-cluster-00000", true);
            (1..=3).for_each(|broker| world.cluster.start_broker(broker).unwrap());
            wait(50);
        }),
        ("another id, after a stop", |world| {
            (1..=3).for_each(|broker| world.cluster.stop_broker(broker));
            world.wipe("another-cluster", true);
            (1..=3).for_each(|broker| world.cluster.start_broker(broker).unwrap());
            wait(50);
        }),
        ("topics later", |world| {
            world.wipe("another-cluster", false);
            wait(100);
            world.cluster.create_topic("t", TopicConfig::new(PARTITIONS));
            wait(50);
        }),
        ("back and forth", |world| {
            for id in ["one", "two", "one", "two"] {
                world.wipe(id, true);
                wait(50);
            }
        }),
        ("with answers missing", |world| {
            world.cluster.inject(Fault::cut_after(Api::Produce).times(2));
            world.cluster.inject(Fault::drop_answer(Api::Produce).times(2));
            world.wipe("another-cluster", true);
            wait(100);
        }),
        ("the producer id is late", |world| {
            world.cluster.delay(Api::InitProducerId, Duration::from_millis(150), 3);
            world.cluster.fail(Api::InitProducerId, 15, 2);
            world.wipe("another-cluster", true);
            wait(100);
        }),
    ]);
}

/// Faults A3, A4.
#[test]
fn whatever_a_broker_forgets_refuses_or_says_order_and_truth_are_kept() {
    run_all(&[
        ("forgotten, and one code after the other", |world| {
            for code in [3, 5, 6, 7, 19, 20, 56, 59, 89, 100, 2, 13, 74, 75] {
                world.cluster.forget_all_producers(None);
                world.cluster.inject(Fault::fail(Api::Produce, code).times(2));
                wait(20);
            }
        }),
        ("forgotten all the time", |world| {
            for _ in 0..60 {
                world.cluster.forget_all_producers(None);
                wait(4);
            }
        }),
        ("forgotten, and cut", |world| {
            for _ in 0..6 {
                world.cluster.inject(Fault::cut_after(Api::Produce).times(2));
                world.cluster.inject(Fault::cut_before(Api::Produce).times(1));
                world.cluster.forget_all_producers(None);
                wait(40);
            }
        }),
        ("forgotten, and moved", |world| {
            for turn in 0..8 {
                world.cluster.forget_all_producers(None);
                world.cluster.inject(Fault::fail(Api::Produce, 6).on_broker(turn % 3 + 1));
                world.move_all(1 + turn % 2);
                wait(25);
            }
        }),
        ("forgotten, and no answer", |world| {
            world.cluster.inject(Fault::drop_answer(Api::Produce).times(2));
            wait(10);
            world.cluster.forget_all_producers(None);
            wait(500);
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
                world.cluster.inject(Fault::fail(Api::Produce, 6));
                world.cluster.inject(Fault::fail(Api::Produce, 10).times(3));
                world.cluster.inject(Fault::fail_after(Api::Produce, 6));
                wait(15);
            }
        }),
        ("the offset is hidden", |world| {
            world.cluster.inject(Fault::fail_after(Api::Produce, 999).times(2));
            world.cluster.inject(Fault::fail_after(Api::Produce, 56).times(2));
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
    ]);
}

/// Faults B1, B2, B3, B5, B7, B10, B11, B12, B15.
#[test]
fn brokers_that_lie_pause_refuse_or_leave_stop_nothing_for_longer_than_it_lasts() {
    run_all(&[
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
                        for partition in response.responses.iter_mut().flat_map(|one| &mut one.partition_responses) {
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
            world.cluster.inject(Fault::fail(Api::InitProducerId, 31).always().on_broker(1));
            world.cluster.inject(Fault::fail(Api::InitProducerId, 53).times(5));
            world.wipe("another-cluster", true);
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
    ]);
}
