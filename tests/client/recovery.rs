//! Beginning again with `bootstrap.servers`: when that is done, when it is not, and what becomes of the records
//! meanwhile. One address stands before two clusters, as a load balancer does or a name that is moved.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::logged::listen;
use crate::support::{
    AGES, TextProducer, cluster, config, producer, send_numbered, to_first, values, wait_until,
};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, TopicConfig};
use kafka_producer::{KafkaProducer, ProducerRecord};

/// An address that leads to whichever broker it is pointed at.
struct Front {
    address: SocketAddr,
    target: Arc<Mutex<String>>,
}

impl Front {
    fn of(cluster: &EmbeddedCluster) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(cluster.broker_address(1).unwrap()));
        let aim = Arc::clone(&target);
        // Both are gone with the process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = aim.lock().unwrap().clone();
                let Ok(broker) = TcpStream::connect(target) else { continue };
                pass_on(client.try_clone().unwrap(), broker.try_clone().unwrap());
                pass_on(broker, client);
            }
        });
        Front { address, target }
    }

    fn point_at(&self, cluster: &EmbeddedCluster) {
        *self.target.lock().unwrap() = cluster.broker_address(1).unwrap();
    }

    fn producer(&self, more: &[(&str, &str)]) -> TextProducer {
        let config = config(&self.address.to_string(), &[("linger.ms", "0")]);
        KafkaProducer::new(more.iter().fold(config, |config, (name, value)| config.set(*name, *value)))
            .unwrap()
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// Behaviour 43.
#[test]
fn a_cluster_that_was_replaced_behind_its_address_is_found_and_gets_what_was_waiting() {
    let old = cluster(2);
    let front = Front::of(&old);
    let producer = front.producer(&[]);
    producer.send(to_first("old")).unwrap().get_timeout(AGES).unwrap();
    drop(old);
    let waiting: Vec<_> = (0..3).map(|_| producer.send(to_first("waiting")).unwrap()).collect();
    thread::sleep(Duration::from_millis(200));
    let waiting = [waiting, vec![producer.send(to_first("waiting")).unwrap()]].concat();
    let new = cluster(1);
    front.point_at(&new);
    for future in waiting {
        future.get_timeout(AGES).unwrap();
    }
    producer.send(to_first("new")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&new, "t", 0), ["waiting", "waiting", "waiting", "waiting", "new"]);
    assert_eq!(producer.partitions_for("t").unwrap().len(), 1);
}

/// Behaviour 43.
#[test]
fn without_recovery_only_the_known_brokers_are_tried() {
    let old = cluster(1);
    let front = Front::of(&old);
    let producer = front.producer(&[("metadata.recovery.strategy", "None")]);
    producer.send(to_first("first")).unwrap().get_timeout(AGES).unwrap();
    old.stop_broker(1);
    let new = cluster(1);
    front.point_at(&new);
    let waiting = producer.send(to_first("second")).unwrap();
    assert!(waiting.get_timeout(Duration::from_secs(1)).is_err());
    assert_eq!(new.connections_accepted(), 0);
    old.start_broker(1).unwrap();
    waiting.get_timeout(AGES).unwrap();
    assert_eq!(values(&old, "t", 0), ["first", "second"]);
}

/// Behaviour 43.
#[test]
fn a_broker_may_send_its_clients_away() {
    for (strategy, leaves) in [("rebootstrap", true), ("none", false)] {
        let old = cluster(1);
        let front = Front::of(&old);
        let settings = [("metadata.max.age.ms", "50"), ("metadata.recovery.strategy", strategy)];
        let producer = front.producer(&settings);
        producer.send(to_first("old")).unwrap().get_timeout(AGES).unwrap();
        let new = cluster(1);
        front.point_at(&new);
        old.inject(Fault::fail(Api::Metadata, BrokerError::REBOOTSTRAP_REQUIRED).always());
        if leaves {
            wait_until("the new cluster is asked", || new.requests(Api::Metadata) > 0);
            wait_until("the old one is left", || old.connections_open() == 0);
        } else {
            let asked = old.requests(Api::Metadata);
            wait_until("the old cluster is asked again", || old.requests(Api::Metadata) > asked + 5);
        }
        producer.send(to_first("next")).unwrap().get_timeout(AGES).unwrap();
        assert_eq!(values(if leaves { &new } else { &old }, "t", 0).last().unwrap(), "next");
        assert_eq!(new.connections_accepted() > 0, leaves);
    }
}

/// Behaviour 43.
#[test]
fn brokers_that_tell_nothing_for_too_long_are_left() {
    for (strategy, leaves) in [("rebootstrap", true), ("none", false)] {
        let old = cluster(1);
        let front = Front::of(&old);
        let producer = front.producer(&[
            ("metadata.max.age.ms", "50"),
            ("request.timeout.ms", "100"),
            ("metadata.recovery.rebootstrap.trigger.ms", "500"),
            ("metadata.recovery.strategy", strategy),
        ]);
        producer.send(to_first("old")).unwrap().get_timeout(AGES).unwrap();
        let new = cluster(1);
        front.point_at(&new);
        old.inject(Fault::drop_answer(Api::Metadata).always());
        if leaves {
            wait_until("the new cluster is asked", || new.requests(Api::Metadata) > 0);
            producer.send(to_first("new")).unwrap().get_timeout(AGES).unwrap();
            assert_eq!(values(&new, "t", 0), ["new"]);
        } else {
            thread::sleep(Duration::from_secs(1));
            old.clear_faults();
            producer.send(to_first("old")).unwrap().get_timeout(AGES).unwrap();
            assert_eq!((values(&old, "t", 0).len(), new.connections_accepted()), (2, 0));
        }
    }
}

/// Fault A2. A cluster that was set up anew gives out the same producer ids again. Under its old one, a producer's next
/// batch would be taken for a repetition of another producer's.
/// Behaviour 92.
#[test]
fn two_producers_of_a_cluster_that_was_set_up_anew_keep_their_records() {
    // Whether metadata tells of the other cluster and its topics before the next record is sent, or only when the connection is lost; and
    // whether the other one has the same id, as where that is part of its configuration.
    for (told, id) in [(false, "second"), (true, "second"), (false, "first"), (true, "first")] {
        let cluster = EmbeddedCluster::builder().topic("t", 1).cluster_id("first").start().unwrap();
        let settings = &[("linger.ms", "0"), ("metadata.max.age.ms", if told { "20" } else { "300000" })];
        let older = producer(&cluster, settings);
        older.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
        cluster.stop_broker(1);
        cluster.wipe(id, !told);
        cluster.start_broker(1).unwrap();
        if told {
            // Metadata says meanwhile that there is no such topic, and what is kept of it is freed.
            let asked = cluster.requests(Api::Metadata);
            wait_until("it is told", || cluster.requests(Api::Metadata) > asked + 4);
            assert!(cluster.create_topic("t", TopicConfig::new(1)));
        }
        let newer = producer(&cluster, settings);
        let mut expected = Vec::new();
        for number in 0..5 {
            for (name, producer) in [("newer", &newer), ("older", &older)] {
                let value = format!("{name} {number}");
                producer.send(to_first(value.as_str())).unwrap().get_timeout(AGES).unwrap();
                expected.push(value);
            }
        }
        assert_eq!(values(&cluster, "t", 0), expected, "told: {told}, id: {id}");
        let ids: std::collections::BTreeSet<_> =
            cluster.batches("t", 0).iter().map(|batch| batch.producer_id).collect();
        assert_eq!(ids.len(), 2, "each has its own");
    }
}

/// Fault A2. Brokers that tell no topic ids; the topic lives on, and what was on its way is numbered anew.
#[test]
fn what_was_on_its_way_when_the_cluster_was_set_up_anew_goes_to_the_new_one_in_order() {
    let cluster = EmbeddedCluster::builder()
        .topic("t", 1)
        .cluster_id("first")
        .api_versions(Api::Produce, 3..=9)
        .api_versions(Api::Metadata, 1..=7)
        .start()
        .unwrap();
    let older = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "100")]);
    send_numbered(&older, 0..3).iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let waiting = send_numbered(&older, 3..20);
    wait_until("some are on their way", || cluster.requests(Api::Produce) >= 5);
    cluster.stop_broker(1);
    cluster.clear_faults();
    cluster.wipe("second", true);
    cluster.start_broker(1).unwrap();
    let newer = producer(&cluster, &[("linger.ms", "0")]);
    newer.send(to_first("newer")).unwrap().get_timeout(AGES).unwrap();
    waiting.iter().for_each(|future| drop(future.get_timeout(AGES).unwrap()));
    let found: Vec<_> = values(&cluster, "t", 0).into_iter().filter(|value| value != "newer").collect();
    assert_eq!(found, (3..20).map(|number| format!("{number:06}")).collect::<Vec<_>>());
    newer.send(to_first("newer")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "t", 0).len(), 19);
}

/// Fault A2. A topic that was created again begins with new sequences, under another epoch, and only it.
/// Behaviour 93.
#[test]
fn a_topic_that_was_created_again_has_new_sequences_and_others_keep_theirs() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).topic("other", 1).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "20")]);
    let other = |value| ProducerRecord::new("other", value);
    for number in 0..3 {
        producer.send(to_first(format!("{number}"))).unwrap().get_timeout(AGES).unwrap();
        producer.send(other("o")).unwrap().get_timeout(AGES).unwrap();
    }
    let asked = cluster.requests(Api::InitProducerId);
    let before = cluster.topic_id("t");
    assert!(cluster.recreate_topic("t", TopicConfig::new(1)));
    let is_known = || producer.partitions_for("t").is_ok() && cluster.topic_id("t") != before;
    wait_until("the new one", is_known);
    let metadata = cluster.requests(Api::Metadata);
    wait_until("news", || cluster.requests(Api::Metadata) > metadata + 1);
    for number in 0..3 {
        producer.send(to_first(format!("{number}"))).unwrap().get_timeout(AGES).unwrap();
    }
    let stamps: Vec<_> =
        cluster.batches("t", 0).iter().map(|batch| (batch.producer_epoch, batch.base_sequence)).collect();
    assert_eq!(stamps, [(1, 0), (1, 1), (1, 2)]);
    assert_eq!(cluster.requests(Api::InitProducerId), asked, "the id is the same");
    producer.send(other("o")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "other", 0).len(), 4);
}

/// Fault A2b. Nothing lands in another cluster unasked where that is set.
/// Behaviour 92.
#[test]
fn with_metadata_cluster_change_fail_another_cluster_is_the_end() {
    let old = EmbeddedCluster::builder().topic("t", 1).cluster_id("old").start().unwrap();
    let new = EmbeddedCluster::builder().topic("t", 1).cluster_id("new").start().unwrap();
    let servers = format!("{},{}", old.bootstrap_servers(), new.bootstrap_servers());
    for change in ["fail", "follow"] {
        let settings = [("linger.ms", "0"), ("metadata.cluster.change", change)];
        let producer: TextProducer = KafkaProducer::new(config(&servers, &settings)).unwrap();
        producer.send(to_first("first")).unwrap().get_timeout(AGES).unwrap();
        let (home, away) =
            if values(&old, "t", 0).contains(&"first".to_owned()) { (&old, &new) } else { (&new, &old) };
        let name =
            |cluster: &EmbeddedCluster| if std::ptr::eq(cluster, &raw const old) { "old" } else { "new" };
        home.stop_broker(1);
        let outcomes: Vec<_> = (0..20)
            .map(|_| match producer.send(to_first("second")) {
                Ok(future) => future.get_timeout(AGES).map(drop),
                Err(error) => Err(error),
            })
            .collect();
        let at_home = values(home, "t", 0).len();
        if change == "fail" {
            assert_eq!((at_home, values(away, "t", 0).len()), (1, 0));
            for error in outcomes.into_iter().map(Result::unwrap_err) {
                let text = error.to_string();
                assert!(error.is_fatal() && text.contains(name(home)) && text.contains(name(away)), "{text}");
            }
        } else {
            assert!(outcomes.iter().all(Result::is_ok));
            assert_eq!(values(away, "t", 0), vec!["second"; 20]);
            let ids: std::collections::BTreeSet<_> =
                away.batches("t", 0).iter().map(|batch| (batch.producer_id, batch.base_sequence)).collect();
            assert_eq!(ids.len(), 20, "under an id of its own");
        }
        producer.close().unwrap();
        home.start_broker(1).unwrap();
        for cluster in [&old, &new] {
            cluster.recreate_topic("t", TopicConfig::new(1));
        }
    }
}

static TOLD: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

fn listen_to_all() {
    listen(log::LevelFilter::Info, |record| {
        TOLD.lock().unwrap().push((record.level(), record.args().to_string()));
    });
}

/// Fault A2b. A move to another cluster is told, with both ids.
#[test]
fn a_move_to_another_cluster_is_a_warning() {
    listen_to_all();
    let cluster = EmbeddedCluster::builder().topic("t", 1).cluster_id("from-here").start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "20")]);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    cluster.wipe("to-there", true);
    cluster.start_broker(1).unwrap();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let told = TOLD.lock().unwrap().clone();
    let is_told = |(level, line): &&(_, String)| *level == log::Level::Warn && line.contains("from-here");
    let moves: Vec<_> = told.iter().filter(is_told).map(|(_, line)| line).collect();
    assert!(
        moves.len() == 1 && moves[0].contains("to-there") && moves[0].contains("producer id"),
        "{told:?}"
    );
}

/// Fault A2b. Nothing lands in a cluster that was emptied where that is set, whatever its id, and with or without
/// idempotence.
/// Behaviour 92.
#[test]
fn with_metadata_cluster_change_fail_a_cluster_that_was_set_up_anew_is_the_end() {
    for (id, idempotence) in [("first", "true"), ("first", "false"), ("second", "true"), ("second", "false")]
    {
        // Produce with names: a batch for the topic of before would be taken.
        let cluster = EmbeddedCluster::builder().topic("t", 1).cluster_id("first");
        let cluster = cluster.api_versions(Api::Produce, 3..=9).start().unwrap();
        let settings =
            [("linger.ms", "0"), ("metadata.cluster.change", "fail"), ("enable.idempotence", idempotence)];
        let producer = producer(&cluster, &settings);
        producer.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
        cluster.stop_broker(1);
        cluster.wipe(id, true);
        // It is the first to go when the broker is back.
        let waiting = producer.send(to_first("meanwhile")).unwrap();
        cluster.start_broker(1).unwrap();
        let mut errors = vec![waiting.get_timeout(AGES).unwrap_err()];
        errors.extend((0..3).map(|_| match producer.send(to_first("after")) {
            Ok(future) => future.get_timeout(AGES).unwrap_err(),
            Err(error) => error,
        }));
        for error in errors {
            let text = error.to_string();
            assert!(error.is_fatal(), "{text}");
            assert!(text.contains("metadata.cluster.change=fail"), "{text}");
        }
        assert_eq!(values(&cluster, "t", 0), [""; 0], "id: {id}, idempotence: {idempotence}");
    }
}

/// Fault A2b. A topic that was created again while its broker was away is no other cluster.
#[test]
fn with_metadata_cluster_change_fail_a_topic_may_be_created_again() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).topic("other", 1).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.cluster.change", "fail")]);
    producer.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
    producer.send(ProducerRecord::new("other", "before")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    cluster.recreate_topic("t", TopicConfig::new(1));
    cluster.start_broker(1).unwrap();
    producer.send(to_first("after")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "t", 0), ["after"]);
}

/// A cluster of two brokers that know topics by name only, so that a batch for the topic of before is taken.
fn two_brokers_without_topic_ids_in_produce() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::builder().brokers(2).cluster_id("first").topic("t", 2);
    cluster.api_versions(Api::Produce, 3..=9).start().unwrap()
}

fn to_partition(
    partition: i32,
    value: &str,
) -> ProducerRecord<kafka_producer::NoKey, kafka_producer::Value<String>> {
    ProducerRecord::new("t", value.to_owned()).with_partition(partition)
}

/// Fault A2. Connections that were closed for being idle show nothing of what happens to their brokers. So a broker that
/// is connected for the first time afterwards may belong to another cluster.
#[test]
fn a_cluster_that_was_set_up_anew_while_all_connections_were_idle_is_noticed() {
    for id in ["second", "first"] {
        let cluster = two_brokers_without_topic_ids_in_produce();
        let older = producer(&cluster, &[("linger.ms", "0"), ("connections.max.idle.ms", "100")]);
        older.send(to_partition(0, "before")).unwrap().get_timeout(AGES).unwrap();
        wait_until("idle connections are closed", || cluster.connections_open() == 0);
        cluster.wipe(id, true);
        let newer = producer(&cluster, &[("linger.ms", "0")]);
        newer.send(to_partition(1, "newer")).unwrap().get_timeout(AGES).unwrap();
        // The first one for this broker.
        older.send(to_partition(1, "older")).unwrap().get_timeout(AGES).unwrap();
        assert_eq!(values(&cluster, "t", 1), ["newer", "older"], "id: {id}");
    }
}

/// Fault A2. What a broker tells of a new topic alone shows nothing of the others.
#[test]
fn an_answer_about_a_new_topic_does_not_show_that_the_cluster_is_the_same() {
    let cluster = EmbeddedCluster::builder().cluster_id("first").topic("t", 1).topic("new", 1);
    let cluster = cluster.api_versions(Api::Produce, 3..=9).start().unwrap();
    // Until the pause is over only a new topic is asked for.
    let pause = [("retry.backoff.ms", "2000"), ("retry.backoff.max.ms", "2000")];
    let older = producer(&cluster, &[&[("linger.ms", "0")][..], &pause].concat());
    older.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
    cluster.stop_broker(1);
    cluster.wipe("first", true);
    cluster.start_broker(1).unwrap();
    let newer = producer(&cluster, &[("linger.ms", "0")]);
    for number in 0..2 {
        newer.send(to_first(format!("newer {number}"))).unwrap().get_timeout(AGES).unwrap();
    }
    older.partitions_for("new").unwrap();
    older.send(to_first("older")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(values(&cluster, "t", 0), ["newer 0", "newer 1", "older"]);
}

/// Two producers have the same id in two clusters: the log says in which.
#[test]
fn a_producer_id_is_told_with_its_cluster() {
    listen_to_all();
    let cluster = EmbeddedCluster::builder().topic("t", 1).cluster_id("by-name").start().unwrap();
    producer(&cluster, &[]).send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let told = TOLD.lock().unwrap().clone();
    let wanted = "producer id 1000, epoch 0, in the cluster \"by-name\"";
    assert!(told.iter().any(|(_, line)| line == wanted), "{told:?}");
}
