//! The connection to a server to begin with goes over to the broker that is found under the same name and port.

use std::time::Duration;

use super::broker::{SECOND, node, ping};
use super::fixture::{Fixture, address, summary};
use crate::cluster::{Cluster, Node};
use crate::network::{Expect, Outcome, Readiness};

fn cluster(nodes: &[Node]) -> Cluster {
    let nodes = nodes.iter().map(|node| (node.id(), node.clone())).collect();
    Cluster { nodes, ..Cluster::default() }
}

/// A connection to the server to begin with, `kafka:9092`, which stands.
fn begun() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.node = node(-1, "kafka", 9092);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.answer_versions();
    assert!(matches!(fixture.turn(SECOND)[..], [Outcome::Connected { node: -1 }]));
    fixture
}

fn send_to(fixture: &mut Fixture, node: i32, context: u32) {
    fixture.client.send(node, &ping(), Expect::AnswerWithin(SECOND * 30), context, fixture.now).unwrap();
}

/// Behaviour 117.
#[test]
fn a_broker_at_the_same_place_takes_the_connection_over_with_what_is_on_its_way() {
    let mut fixture = begun();
    send_to(&mut fixture, -1, 1);
    fixture.turn(Duration::ZERO);
    let written = fixture.requests();
    send_to(&mut fixture, -1, 2);
    let brokers = [node(7, "kafka", 9092), node(8, "kafka", 9093)];
    assert_eq!(fixture.client.take_over_bootstrap(&cluster(&brokers)), [7]);
    fixture.client.retain(|id| id >= 0);
    fixture.node = brokers[0].clone();
    assert_eq!(fixture.ready(), Readiness::Ready);
    send_to(&mut fixture, 7, 3);
    fixture.turn(Duration::ZERO);
    let queued = fixture.requests();
    assert_eq!((written.len(), queued.len()), (1, 2), "what was queued is written");
    for id in [written, queued].concat() {
        fixture.answer(id);
    }
    let outcomes = fixture.turn(SECOND);
    assert_eq!(summary(&outcomes), "answered 1, answered 2, answered 3");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Answered { node: 7, .. })));
    assert_eq!(fixture.client.network().attempts, [address(1)], "nobody connected twice");
    fixture.client.network().socket().ended = true;
    assert!(matches!(fixture.turn(SECOND)[..], [Outcome::Disconnected { node: 7, .. }]));
}

#[test]
fn once_it_is_lost_the_broker_is_connected_under_its_own_name() {
    let mut fixture = begun();
    fixture.node = node(7, "kafka", 9092);
    let cluster = cluster(std::slice::from_ref(&fixture.node));
    assert_eq!(fixture.client.take_over_bootstrap(&cluster), [7]);
    fixture.client.network().socket().ended = true;
    fixture.turn(SECOND);
    fixture.now += SECOND;
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.answer_versions();
    assert!(matches!(fixture.turn(SECOND)[..], [Outcome::Connected { node: 7 }]));
    assert!(fixture.client.take_over_bootstrap(&cluster).is_empty());
}

#[test]
fn nobody_takes_over_what_is_elsewhere_not_ready_or_not_needed() {
    let elsewhere = [node(7, "kafka", 9093), node(8, "other", 9092)];
    assert!(begun().client.take_over_bootstrap(&cluster(&elsewhere)).is_empty());

    let mut fixture = Fixture::new();
    fixture.node = node(-1, "kafka", 9092);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    let same = cluster(&[node(7, "kafka", 9092)]);
    assert!(fixture.client.take_over_bootstrap(&same).is_empty(), "its versions are not known yet");

    let mut fixture = Fixture::new();
    fixture.node = node(7, "kafka", 9092);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.node = node(-1, "kafka", 9092);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.client.network().answer_all();
    fixture.turn(SECOND);
    assert!(fixture.client.is_connected(-1) && fixture.client.is_connected(7));
    assert!(fixture.client.take_over_bootstrap(&same).is_empty(), "it has one of its own");
    fixture.client.retain(|id| id >= 0);
    fixture.turn(SECOND);
    assert_eq!((fixture.client.known(), fixture.client.network().sockets.len()), (1, 1));
}
