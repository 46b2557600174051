//! Connections come and go, without sockets and without waiting: names, addresses, versions, backoff, and which broker is
//! asked.

use std::net::SocketAddr;
use std::time::Duration;

use super::broker::{self, Ping, SECOND, asked, framed, node, pong, settings};
use super::fixture::{Fixture, address, disconnection, once_more_with_a_layer, summary};
use crate::cluster::Node;
use crate::config::Settings;
use crate::network::{JobResult, NetworkEvent, Readiness};

#[test]
fn a_broker_is_ready_after_name_socket_and_versions() {
    let mut fixture = Fixture::new();
    assert!(!fixture.client.is_connected(1));
    fixture.connect();
    assert!(fixture.client.is_connected(1));
    assert_eq!(fixture.ready(), Readiness::Ready);
    assert_eq!(fixture.client.versions(1).and_then(|versions| versions.range(77)), Some(0..=3));
    assert_eq!(fixture.client.network().attempts, [address(1)]);
}

#[test]
fn something_else_than_kafka_is_named() {
    for (bytes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "an HTTP server answers there"),
        (&[0x15, 3, 3, 0, 2, 2, 70], "TLS is spoken there"),
        (&[0x7f, 0xff, 0xff, 0xff, 0], "an answer of 2147483647 bytes was announced"),
        (&framed(&[0, 0, 0, 0, 1, 2]), "ApiVersions"),
    ] {
        let mut fixture = Fixture::new();
        fixture.ready();
        fixture.turn(SECOND);
        fixture.turn(SECOND);
        fixture.client.network().socket().answer(bytes);
        let outcomes = fixture.turn(SECOND);
        assert_eq!(summary(&outcomes), "disconnected");
        let text = disconnection(&outcomes).to_string();
        assert!(text.starts_with("cannot connect to kafka:9092: 10.0.0.1:9092: "), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_connection_closed_before_the_first_answer_gives_a_hint() {
    let mut fixture = Fixture::new();
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.client.network().socket().ended = true;
    let text = disconnection(&fixture.turn(SECOND)).to_string();
    assert!(text.contains("security.protocol"), "{text}");
}

#[test]
fn silence_ends_after_the_set_up_time_or_the_request_time() {
    let mut fixture = Fixture::new();
    fixture.client.network().silent.insert(address(1));
    fixture.ready();
    let text = disconnection(&fixture.next()).to_string();
    let waited = (fixture.now - fixture.start).as_secs();
    assert!((8..=12).contains(&waited) && text.contains("socket.connection.setup.timeout.ms"), "{text}");

    let mut fixture = Fixture::new();
    fixture.ready();
    let text = disconnection(&fixture.next()).to_string();
    assert_eq!(fixture.now - fixture.start, SECOND * 30);
    assert!(text.contains("no answer to ApiVersions within 30000 ms"), "{text}");
}

#[test]
fn all_addresses_of_a_name_are_tried_before_anything_is_said() {
    let mut fixture = Fixture::with(settings(), 3);
    fixture.client.network().refused.extend([address(1), address(2)]);
    fixture.ready();
    for _ in 0..4 {
        assert_eq!(summary(&fixture.turn(SECOND)), "");
    }
    fixture.answer_versions();
    assert_eq!(summary(&fixture.turn(SECOND)), "connected");
    assert_eq!(fixture.client.network().attempts, [address(1), address(2), address(3)]);
}

#[test]
fn the_addresses_of_both_versions_of_ip_are_tried_in_the_order_of_the_resolver() {
    let mut fixture = Fixture::new();
    let addresses: Vec<SocketAddr> = vec!["[::1]:9092".parse().unwrap(), "127.0.0.1:9092".parse().unwrap()];
    fixture.client.network().names.insert("kafka".to_owned(), addresses.clone());
    fixture.client.network().refused.insert(addresses[0]);
    fixture.ready();
    for _ in 0..3 {
        assert_eq!(summary(&fixture.turn(SECOND)), "");
    }
    fixture.answer_versions();
    assert_eq!(summary(&fixture.turn(SECOND)), "connected");
    assert_eq!(fixture.client.network().attempts, addresses);
}

#[test]
fn a_round_in_vain_names_each_address_and_the_waits_between_rounds_grow() {
    let mut fixture = Fixture::with(settings(), 2);
    fixture.client.network().refused.extend([address(1), address(2)]);
    for (low, high) in [(40, 60), (80, 120), (160, 240), (320, 480), (640, 960), (1000, 1000), (1000, 1000)] {
        assert_eq!(fixture.ready(), Readiness::Waiting);
        let outcomes = fixture.next();
        assert_eq!(summary(&outcomes), "disconnected");
        assert_eq!(
            disconnection(&outcomes).to_string(),
            "cannot connect to kafka:9092: 10.0.0.1:9092: connection refused; 10.0.0.2:9092: connection \
             refused; advertised by broker 1: check advertised.listeners (broker 1)"
        );
        let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
        let wait = (at - fixture.now).as_millis();
        assert!((low..=high).contains(&wait), "{wait} ms, expected {low} to {high}");
        fixture.now = at;
    }
    assert_eq!(fixture.client.network().attempts.len(), 14);
}

#[test]
fn a_name_without_addresses_is_told() {
    let mut fixture = Fixture::new();
    fixture.node = node(-1, "nowhere", 9092);
    fixture.ready();
    let error = disconnection(&fixture.next());
    let words = "cannot connect to nowhere:9092: the name could not be resolved: unknown name";
    assert_eq!((error.to_string().as_str(), error.node()), (words, None));
}

#[test]
fn a_name_that_is_not_answered_is_given_up() {
    let mut fixture = Fixture::new();
    fixture.ready();
    fixture.client.network().events.clear();
    let text = disconnection(&fixture.next()).to_string();
    assert!(text.contains("the name was not resolved within"), "{text}");
    assert!(matches!(fixture.ready(), Readiness::NotBefore(_)));
}

#[test]
fn an_idle_connection_is_closed_quietly_and_may_come_back_at_once() {
    let mut fixture = Fixture::with(Settings { connections_max_idle: Some(SECOND * 9), ..settings() }, 1);
    fixture.connect();
    fixture.send();
    for _ in 0..6 {
        fixture.turn(SECOND * 4);
    }
    assert!(fixture.client.is_connected(1), "a request is on its way");
    let id = fixture.requests()[0];
    fixture.answer(id);
    let before = fixture.now;
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1");
    let mut told = String::new();
    while fixture.client.is_connected(1) {
        told += &summary(&fixture.turn(SECOND));
    }
    assert_eq!((fixture.now - before, &*told), (SECOND * 9, "closed"));
    assert!(fixture.client.network().sockets.is_empty());
    fixture.connect();
}

#[test]
fn a_broker_that_moved_is_connected_anew() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    fixture.client.network().names.insert("elsewhere".to_owned(), vec![address(9)]);
    fixture.node = node(1, "elsewhere", 9092);
    assert_eq!(fixture.ready(), Readiness::Waiting);
    assert_eq!(summary(&fixture.turn(SECOND)), "failed 1, disconnected");
    fixture.turn(SECOND);
    fixture.answer_versions();
    assert_eq!(summary(&fixture.turn(SECOND)), "connected");
    assert_eq!(fixture.client.network().attempts, [address(1), address(9)]);
}

/// Events and look-ups of an earlier connection that arrive late.
#[test]
fn what_is_told_of_an_earlier_connection_is_ignored() {
    let mut fixture = Fixture::connected();
    let earlier = *fixture.client.network().sockets.keys().next().unwrap();
    fixture.client.network().socket().ended = true;
    assert_eq!(summary(&fixture.turn(SECOND)), "disconnected");
    fixture.now += SECOND;
    fixture.connect();
    fixture.send();
    let refused = std::io::ErrorKind::ConnectionRefused;
    fixture.client.network().events.extend([
        NetworkEvent::Readable(earlier),
        NetworkEvent::Writable(earlier),
        NetworkEvent::Failed(earlier, refused.into()),
        NetworkEvent::JobDone(JobResult::Resolved { token: earlier.0, addresses: Err(refused.into()) }),
    ]);
    assert_eq!(summary(&fixture.turn(SECOND)), "");
    assert!(fixture.client.is_connected(1) && fixture.client.in_flight(1) == 1);
}

#[test]
fn an_old_broker_is_asked_for_its_versions_again() {
    let mut fixture = Fixture::new();
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    for (version, code, apis) in [(4, 35, &[(18, 0, 2)][..]), (2, 0, &[(77, 0, 5), (18, 0, 2)])] {
        let socket = fixture.client.network().socket();
        let asked = asked(&socket.take_requests()[0]);
        assert_eq!((asked.key, asked.version), (18, version));
        let answered_in = if code == 0 { version } else { 0 };
        socket.answer(&broker::versions_answer(asked.correlation_id, answered_in, code, apis));
        fixture.turn(SECOND);
    }
    assert_eq!(fixture.client.versions(1).and_then(|versions| versions.range(77)), Some(0..=5));
}

#[test]
fn the_least_loaded_broker_is_asked() {
    let mut fixture = Fixture::connected();
    let nodes = [node(1, "kafka", 9092), node(2, "other", 9092), node(3, "third", 9092)];
    let least = |fixture: &mut Fixture| fixture.client.least_loaded(nodes.iter(), fixture.now).map(Node::id);
    assert_eq!(least(&mut fixture), Some(1), "connected beats not connected");
    for _ in 0..5 {
        fixture.send();
    }
    let mut seen: Vec<_> = (0..50).filter_map(|_| least(&mut fixture)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [2, 3], "with nothing more allowed on its way it is any of the others");
    fixture.client.ready(&nodes[1], fixture.now);
    assert_eq!(least(&mut fixture), Some(2), "connecting beats not connected");
    fixture.turn(Duration::ZERO);
    assert_eq!(least(&mut fixture), Some(3), "its name is not known: it is backing off");
    fixture.client.ready(&nodes[2], fixture.now);
    fixture.turn(Duration::ZERO);
    assert_eq!(least(&mut fixture), None);
    fixture.now += SECOND;
    assert_eq!(least(&mut fixture), Some(2), "the longest ago");
}

/// Fault A8.
#[test]
fn brokers_that_left_are_forgotten_with_their_connections() {
    let mut fixture = Fixture::new();
    for id in 1..=1000 {
        fixture.node = node(id, "kafka", 9092);
        fixture.ready();
        fixture.turn(SECOND);
        fixture.turn(SECOND);
        fixture.client.network().answer_all();
        fixture.turn(SECOND);
        assert!(fixture.client.is_connected(id));
        fixture.client.retain(|other| other == id);
        fixture.turn(SECOND);
        assert_eq!((fixture.client.known(), fixture.client.network().sockets.len()), (1, 1));
    }
}

/// Fault A8.
#[test]
fn a_broker_that_left_is_kept_as_long_as_something_is_on_its_way_or_it_is_to_be_left_alone() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    fixture.client.retain(|_| false);
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.answer(id);
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1");
    fixture.client.pause(1, SECOND * 2, fixture.now);
    fixture.turn(SECOND);
    assert_eq!(fixture.client.known(), 1);
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    assert_eq!((fixture.client.known(), fixture.client.network().sockets.len()), (0, 0));

    let mut fixture = Fixture::new();
    fixture.client.network().refused.insert(address(1));
    fixture.ready();
    fixture.next();
    fixture.client.retain(|_| false);
    fixture.turn(Duration::ZERO);
    assert!(matches!(fixture.ready(), Readiness::NotBefore(_)), "its backoff is not forgotten");

    let mut fixture = Fixture::connected();
    fixture.client.retain(|_| false);
    assert_eq!(fixture.ready(), Readiness::Ready);
    fixture.turn(SECOND);
    assert!(fixture.client.is_connected(1), "who is asked for has not left");
}

/// Fault C5.
#[test]
fn who_told_an_address_that_cannot_be_reached_is_named_unless_it_was_reached_once() {
    let hint = "; advertised by broker 1: check advertised.listeners";
    for (id, advertised) in [(1, true), (-1, false)] {
        let mut fixture = Fixture::new();
        fixture.node = node(id, "kafka", 9092);
        fixture.client.network().refused.insert(address(1));
        fixture.ready();
        assert_eq!(disconnection(&fixture.next()).to_string().contains(hint), advertised);
    }
    let mut fixture = Fixture::connected();
    fixture.client.network().refused.insert(address(1));
    fixture.client.network().socket().ended = true;
    fixture.turn(SECOND);
    fixture.now += SECOND;
    fixture.ready();
    assert!(!disconnection(&fixture.next()).to_string().contains(hint));
}

/// Fault C3.
#[test]
fn a_connection_that_ends_at_the_first_request_hints_at_sasl_and_the_waits_between_grow() {
    let mut fixture = Fixture::new();
    for (low, high) in [(40, 60), (80, 120), (160, 240), (320, 480), (640, 960), (1000, 1000)] {
        fixture.connect();
        fixture.send();
        fixture.client.network().socket().ended = true;
        let outcomes = fixture.turn(Duration::ZERO);
        assert_eq!(summary(&outcomes), format!("failed {}, disconnected", fixture.next_note));
        let text = disconnection(&outcomes).to_string();
        assert!(
            text.contains("this listener may require SASL (it closes the connection after ApiVersions)"),
            "{text}"
        );
        let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
        let wait = (at - fixture.now).as_millis();
        assert!((low..=high).contains(&wait), "{wait} ms, expected {low} to {high}");
        fixture.now = at;
    }
    fixture.connect();
    fixture.send();
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.client.network().socket().answer(&pong(id));
    fixture.turn(SECOND);
    fixture.client.read::<Ping>(1, 3, &pong(id)[4..], fixture.now).unwrap();
    fixture.client.network().socket().ended = true;
    let text = disconnection(&fixture.turn(SECOND)).to_string();
    assert!(text.contains("the broker closed the connection") && !text.contains("SASL"), "{text}");
    let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
    assert!((at - fixture.now).as_millis() <= 60, "an answer makes all good");
}

/// Fault C3.
#[test]
fn the_end_of_a_connection_to_an_address_that_has_served_hints_at_nothing_even_if_it_was_forgotten_meanwhile()
{
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.answer(id);
    fixture.turn(SECOND);
    fixture.client.read::<Ping>(1, 3, &pong(id)[4..], fixture.now).unwrap();
    for forgotten in [false, true] {
        if forgotten {
            fixture.client.retain(|_| false);
            fixture.turn(SECOND);
            assert_eq!(fixture.client.known(), 0);
        } else {
            fixture.client.network().socket().ended = true;
            fixture.turn(SECOND);
        }
        fixture.now += SECOND;
        fixture.connect();
        fixture.send();
        fixture.client.network().socket().ended = true;
        let text = disconnection(&fixture.turn(SECOND)).to_string();
        assert!(text.contains("the broker closed the connection") && !text.contains("SASL"), "{text}");
        fixture.now += SECOND;
    }
    // Nor does the end of a handshake where one has been done before.
    fixture.ready();
    fixture.turn(SECOND);
    fixture.client.network().socket().ended = true;
    let text = disconnection(&fixture.next()).to_string();
    assert!(text.contains("the broker closed the connection") && !text.contains("SASL"), "{text}");
}

#[test]
fn a_name_that_leads_elsewhere_is_looked_up_anew_at_each_attempt() {
    let mut fixture = Fixture::connected();
    for last in 2..50 {
        fixture.client.network().names.insert("kafka".to_owned(), vec![address(last)]);
        fixture.client.network().socket().ended = true;
        assert_eq!(summary(&fixture.turn(SECOND)), "disconnected");
        fixture.now += SECOND * 2;
        fixture.connect();
        assert_eq!(fixture.client.network().attempts.last(), Some(&address(last)));
    }
}

#[test]
fn a_broker_has_failed_until_a_connection_stands_though_it_is_tried_again() {
    let mut fixture = Fixture::connected();
    let has_failed = |fixture: &Fixture, since| fixture.client.has_failed_since(&fixture.node, since);
    let before = fixture.now;
    assert!(!has_failed(&fixture, before), "it is well");
    fixture.client.network().socket().ended = true;
    fixture.turn(SECOND);
    let (failed, later) = (fixture.now, fixture.now + SECOND);
    assert!(has_failed(&fixture, before) && has_failed(&fixture, failed) && !has_failed(&fixture, later));
    fixture.now += SECOND * 2;
    assert_eq!(fixture.ready(), Readiness::Waiting);
    assert!(
        has_failed(&fixture, before) && !has_failed(&fixture, later),
        "the new attempt has not failed yet"
    );
    fixture.connect();
    assert!(!has_failed(&fixture, before), "it stands again");
}

once_more_with_a_layer! { "connecting.rs":
    a_broker_is_ready_after_name_socket_and_versions,
    something_else_than_kafka_is_named,
    a_connection_closed_before_the_first_answer_gives_a_hint,
    silence_ends_after_the_set_up_time_or_the_request_time,
    all_addresses_of_a_name_are_tried_before_anything_is_said,
    the_addresses_of_both_versions_of_ip_are_tried_in_the_order_of_the_resolver,
    a_round_in_vain_names_each_address_and_the_waits_between_rounds_grow,
    a_name_without_addresses_is_told,
    a_name_that_is_not_answered_is_given_up,
    an_idle_connection_is_closed_quietly_and_may_come_back_at_once,
    a_broker_that_moved_is_connected_anew,
    what_is_told_of_an_earlier_connection_is_ignored,
    an_old_broker_is_asked_for_its_versions_again,
    the_least_loaded_broker_is_asked,
    brokers_that_left_are_forgotten_with_their_connections,
    a_broker_that_left_is_kept_as_long_as_something_is_on_its_way_or_it_is_to_be_left_alone,
    who_told_an_address_that_cannot_be_reached_is_named_unless_it_was_reached_once,
    a_connection_that_ends_at_the_first_request_hints_at_sasl_and_the_waits_between_grow,
    the_end_of_a_connection_to_an_address_that_has_served_hints_at_nothing_even_if_it_was_forgotten_meanwhile,
    a_name_that_leads_elsewhere_is_looked_up_anew_at_each_attempt,
    a_broker_has_failed_until_a_connection_stands_though_it_is_tried_again,
}
