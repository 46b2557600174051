//! Beginning again with `bootstrap.servers`: when that is done, when it is not, and what becomes of the records
//! meanwhile. One address stands before two clusters, as a load balancer does or a name that is moved.

#![cfg(test)]

mod support;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kafka_producer::KafkaProducer;
use kafka_producer::embedded::{Api, EmbeddedCluster, Fault};
use support::{AGES, TextProducer, cluster, config, to_first, values, wait_until};

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
        old.inject(Fault::fail(Api::Metadata, 129).always());
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
