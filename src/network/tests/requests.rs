//! Requests on a connection, without sockets and without waiting: how many, their answers, their time-outs, and that each
//! context comes back.

use std::time::Duration;

use super::broker::{self, Ping, SECOND, asked, node, ping, pong, pong_with_pause, settings};
use super::fake::FakeNetwork;
use super::fixture::{Fixture, address, disconnection, once_more_with_a_layer, summary};
use crate::config::Settings;
use crate::error::ErrorKind;
use crate::error_code::ErrorCode;
use crate::network::{Expect, Outcome, Readiness};

#[test]
fn requests_of_one_turn_go_out_in_one_write_and_answers_come_back_with_their_notes() {
    let mut fixture = Fixture::connected();
    let writes = fixture.client.network().socket().writes;
    let contexts = [fixture.send(), fixture.send(), fixture.send()];
    assert_eq!(fixture.client.in_flight(1), 3);
    assert!(fixture.turn(SECOND).is_empty());
    assert_eq!(fixture.client.network().socket().writes, writes + 1);
    assert!(fixture.client.network().answers_due > 0);
    let ids = fixture.requests();
    assert!(ids[0] + 1 == ids[1] && ids[1] + 1 == ids[2]);
    fixture.answer(ids[0]);
    fixture.answer(ids[1]);
    let sent_at = fixture.now - SECOND;
    match &fixture.turn(SECOND)[..] {
        [Outcome::Answered { node: 1, context, version: 3, frame, sent_at: at }, second] => {
            assert_eq!((*context, &frame[..4], *at), (contexts[0], &ids[0].to_be_bytes()[..], sent_at));
            assert_eq!(summary(std::slice::from_ref(second)), format!("answered {}", contexts[1]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.client.in_flight(1), 1);
    fixture.answer(ids[2]);
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    assert_eq!(fixture.client.network().answers_due, 0);
}

/// Behaviour 37.
#[test]
fn as_many_requests_are_on_their_way_as_is_allowed() {
    let mut fixture = Fixture::with(Settings { max_in_flight_requests_per_connection: 2, ..settings() }, 1);
    fixture.connect();
    fixture.send();
    assert_eq!(fixture.ready(), Readiness::Ready, "several in one turn");
    fixture.send();
    assert_eq!(fixture.ready(), Readiness::Waiting);
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.answer(id);
    fixture.turn(SECOND);
    assert_eq!(fixture.ready(), Readiness::Ready);
}

#[test]
fn a_socket_without_room_holds_requests_back_until_it_has_room() {
    let mut fixture = Fixture::connected();
    fixture.client.network().socket().room = 10;
    fixture.send();
    fixture.turn(Duration::ZERO);
    assert_eq!(fixture.ready(), Readiness::Waiting);
    assert!(fixture.requests().is_empty());
    fixture.client.network().socket().room = usize::MAX;
    fixture.turn(SECOND);
    assert_eq!(fixture.requests().len(), 1);
    assert_eq!(fixture.ready(), Readiness::Ready);
}

/// Behaviour 39.
#[test]
fn a_request_without_an_answer_is_done_when_it_is_written() {
    let mut fixture = Fixture::connected();
    let (first, second) = (fixture.send(), fixture.send_with(Expect::WrittenWithin(SECOND)));
    let now = fixture.now;
    assert_eq!(summary(&fixture.turn(SECOND)), format!("written {second}"));
    assert_eq!(fixture.now, now, "what there is to tell is told at once");
    assert_eq!(fixture.client.in_flight(1), 1);
    let id = fixture.requests()[0];
    fixture.answer(id);
    assert_eq!(summary(&fixture.turn(SECOND)), format!("answered {first}"));
}

/// Behaviour 36.
#[test]
fn a_request_that_times_out_takes_its_connection_along() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    fixture.send_with(Expect::AnswerWithin(SECOND * 5));
    fixture.client.network().socket().room = 0;
    fixture.turn(Duration::ZERO);
    let before = fixture.now;
    let outcomes = fixture.next();
    assert_eq!(fixture.now - before, SECOND * 5, "the earliest deadline counts");
    assert_eq!(summary(&outcomes), "failed 1, timed out 2, disconnected");
    assert!(fixture.client.network().sockets.is_empty() && !fixture.client.is_connected(1));
    match &outcomes[..] {
        [
            Outcome::Failed { written: true, error: first, .. },
            Outcome::Failed { written: false, error: second, .. },
            Outcome::Disconnected { error: third, .. },
        ] => {
            assert_eq!(
                (first.kind(), first.code(), first.node()),
                (ErrorKind::Network, Some(ErrorCode::NETWORK_EXCEPTION), Some(1))
            );
            assert_eq!(
                (second.kind(), second.code()),
                (ErrorKind::Timeout, Some(ErrorCode::REQUEST_TIMED_OUT))
            );
            let words = "kafka:9092 (10.0.0.1:9092): no answer to Ping within 5000 ms; the connection was \
                         closed (broker 1)";
            assert_eq!(second.to_string(), words);
            let words = "lost the connection to kafka:9092 (10.0.0.1:9092): no answer to Ping within 5000 ms (broker 1)";
            assert_eq!((first.to_string().as_str(), third.to_string().as_str()), (words, words));
        }
        other => panic!("{other:?}"),
    }
    let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
    assert!((40..=60).contains(&(at - fixture.now).as_millis()));
}

/// Fault E1.
#[test]
fn an_answer_that_came_while_the_thread_was_elsewhere_counts() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.send();
    fixture.turn(SECOND);
    fixture.client.network().piece = 3;
    let ids = fixture.requests();
    ids.iter().for_each(|id| fixture.answer(*id));
    fixture.stay_away(SECOND * 100);
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1, answered 2");
    assert!(fixture.client.is_connected(1));

    fixture.send();
    fixture.turn(SECOND);
    fixture.stay_away(SECOND * 100);
    assert_eq!(
        summary(&fixture.turn(SECOND)),
        "timed out 3, disconnected",
        "what was written and not answered is late"
    );
}

/// Fault E1.
#[test]
fn what_could_not_be_written_because_the_thread_was_elsewhere_is_not_late() {
    let mut fixture = Fixture::connected();
    fixture.client.network().socket().room = 10;
    fixture.send();
    fixture.turn(Duration::ZERO);
    fixture.send();
    fixture.stay_away(SECOND * 100);
    fixture.client.network().socket().room = usize::MAX;
    assert!(fixture.turn(SECOND).is_empty());
    let ids = fixture.requests();
    assert_eq!(ids.len(), 2);
    ids.iter().for_each(|id| fixture.answer(*id));
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1, answered 2");
}

/// Fault E1.
#[test]
fn a_connection_that_was_made_while_the_thread_was_elsewhere_stands() {
    let mut fixture = Fixture::new();
    fixture.ready();
    fixture.stay_away(SECOND * 100);
    fixture.turn(SECOND);
    fixture.stay_away(SECOND * 100);
    fixture.turn(SECOND);
    fixture.answer_versions();
    fixture.stay_away(SECOND * 100);
    assert_eq!(summary(&fixture.turn(SECOND)), "connected");
    assert_eq!(fixture.client.network().attempts.len(), 1);
}

#[test]
fn an_answer_to_something_else_ends_the_connection() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.send();
    fixture.turn(SECOND);
    let ids = fixture.requests();
    fixture.answer(ids[1]);
    let outcomes = fixture.turn(SECOND);
    assert_eq!(summary(&outcomes), "failed 1, failed 2, disconnected");
    let words = format!("an answer to request {} came where request {} was next", ids[1], ids[0]);
    assert!(disconnection(&outcomes).to_string().contains(&words));
}

#[test]
fn an_answer_that_nothing_asked_for_ends_the_connection() {
    let mut fixture = Fixture::connected();
    fixture.answer(7);
    let outcomes = fixture.turn(SECOND);
    assert!(disconnection(&outcomes).to_string().contains("an answer came that nothing had asked for"));
}

#[test]
fn good_answers_before_a_bad_one_count() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.send();
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.answer(id);
    fixture.client.network().socket().answer(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1, failed 2, disconnected");
}

/// Behaviour 40.
#[test]
fn a_pause_is_kept_and_does_not_hold_back_answers() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    fixture.client.pause(1, SECOND * 3, fixture.now);
    let until = fixture.now + SECOND * 3;
    assert_eq!(fixture.ready(), Readiness::NotBefore(until));
    let id = fixture.requests()[0];
    fixture.answer(id);
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 1");
    assert_eq!(fixture.ready(), Readiness::NotBefore(until));
    fixture.now = until;
    assert_eq!(fixture.ready(), Readiness::Ready);
}

/// Fault B5.
#[test]
fn a_pause_in_any_answer_is_kept_at_that_address_under_whatever_id() {
    let mut fixture = Fixture::connected();
    let (way_in, elsewhere, later) =
        (node(-1, "kafka", 9092), node(2, "kafka", 9093), node(3, "kafka", 9092));
    for other in [&way_in, &elsewhere] {
        fixture.client.ready(other, fixture.now);
        fixture.turn(SECOND);
        fixture.turn(SECOND);
        fixture.client.network().answer_all();
        fixture.turn(SECOND);
    }
    let answer = |time| pong_with_pause(7, time)[4..].to_vec();
    let read = |fixture: &mut Fixture, version, time| {
        fixture.client.read::<Ping>(1, version, &answer(time), fixture.now).unwrap();
    };
    for (version, time) in [(1, 3000), (3, 0), (3, -1), (3, i32::MIN)] {
        read(&mut fixture, version, time);
        assert_eq!(fixture.ready(), Readiness::Ready, "version {version}, {time} ms");
    }
    read(&mut fixture, 3, 3000);
    let until = fixture.now + SECOND * 3;
    assert_eq!(fixture.ready(), Readiness::NotBefore(until));
    assert_eq!(fixture.client.ready(&way_in, fixture.now), Readiness::NotBefore(until));
    assert_eq!(fixture.client.ready(&elsewhere, fixture.now), Readiness::Ready);
    let text = fixture.client.waited_for(&fixture.node, fixture.now).unwrap();
    assert!(text.starts_with("kafka:9092: throttled until the 3000 ms are over"), "{text}");
    assert!(!fixture.client.is_out_of_reach(&fixture.node, fixture.now), "it is well");
    fixture.client.ready(&later, fixture.now);
    fixture.turn(Duration::ZERO);
    fixture.turn(Duration::ZERO);
    fixture.client.network().answer_all();
    fixture.turn(Duration::ZERO);
    assert_eq!(fixture.client.ready(&later, fixture.now), Readiness::NotBefore(until));
    fixture.now = until;
    assert_eq!(fixture.ready(), Readiness::Ready);

    read(&mut fixture, 3, i32::MAX);
    let hour = fixture.now + SECOND * 3600;
    assert_eq!(fixture.ready(), Readiness::NotBefore(hour), "nobody is left alone for 24 days");
}

/// Fault C9.
#[test]
fn an_answer_that_cannot_be_read_is_what_all_on_its_connection_are_told() {
    let mut fixture = Fixture::connected();
    for _ in 0..3 {
        fixture.send();
    }
    fixture.turn(SECOND);
    let error = fixture.client.read::<Ping>(1, 3, &[0, 0, 0, 0, 1], fixture.now).unwrap_err();
    let words = "Ping v3 response: throttle_time_ms: 4 bytes wanted, 1 left (at byte 4)";
    assert_eq!(error.to_string(), format!("{words} (broker 1)"));
    let outcomes = fixture.turn(SECOND);
    assert_eq!(summary(&outcomes), "failed 1, failed 2, failed 3, disconnected");
    for outcome in &outcomes {
        let (Outcome::Failed { error, .. } | Outcome::Disconnected { error, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        let lost = format!("lost the connection to kafka:9092 (10.0.0.1:9092): {words} (broker 1)");
        assert_eq!(error.to_string(), lost);
    }
    // An answer of a connection that is gone harms no other.
    fixture.client.read::<Ping>(1, 3, &[0, 0, 0, 0, 1], fixture.now).unwrap_err();
    assert_eq!(summary(&fixture.turn(Duration::ZERO)), "");
}

/// Fault B12.
#[test]
fn a_request_in_vain_takes_those_along_that_are_as_silent_and_none_that_is_in_use() {
    let mut fixture = Fixture::new();
    let nodes: Vec<_> = (1..=4).map(|id| node(id, "kafka", 9092 + id as u16)).collect();
    for node in &nodes {
        fixture.client.ready(node, fixture.now);
        fixture.turn(SECOND);
        fixture.turn(SECOND);
        fixture.client.network().answer_all();
        fixture.turn(SECOND);
    }
    fixture.now += SECOND * 100;
    let ask = |fixture: &mut Fixture, id, seconds| {
        fixture.client.send(id, &ping(), Expect::AnswerWithin(SECOND * seconds), 7, fixture.now).unwrap();
        fixture.turn(Duration::ZERO);
    };
    ask(&mut fixture, 3, 60);
    fixture.client.network().answer_all();
    fixture.turn(SECOND);
    // The first is dead, the second slow, the third was heard of a second ago, the fourth is as silent as the first.
    fixture.now += Duration::from_millis(1);
    ask(&mut fixture, 1, 30);
    ask(&mut fixture, 2, 60);
    fixture.now += SECOND;
    ask(&mut fixture, 3, 60);
    for socket in fixture.client.network().sockets.values_mut().skip(2) {
        for request in socket.take_requests() {
            socket.answer(&pong(asked(&request).correlation_id));
        }
    }
    assert_eq!(summary(&fixture.turn(SECOND)), "answered 7");
    assert_eq!(summary(&fixture.next()), "timed out 7, disconnected, closed");
    let standing: Vec<_> = (1..=4).filter(|id| fixture.client.is_connected(*id)).collect();
    assert_eq!(standing, [2, 3]);
    assert_eq!(fixture.client.ready(&nodes[3], fixture.now), Readiness::Waiting, "it comes back at once");
}

#[test]
fn closing_gives_back_what_was_on_its_way() {
    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.turn(SECOND);
    fixture.send();
    fixture.client.close(fixture.now);
    assert_eq!(summary(&fixture.turn(SECOND)), "failed 1, failed 2, disconnected");
    assert!(fixture.client.network().sockets.is_empty());

    let mut fixture = Fixture::connected();
    fixture.send();
    fixture.client.disconnect(1, "for a test", fixture.now);
    assert!(matches!(fixture.ready(), Readiness::NotBefore(_)));
    assert_eq!(summary(&fixture.turn(SECOND)), "failed 1, disconnected");
}

#[test]
fn a_request_in_no_common_version_comes_back() {
    let mut fixture = Fixture::connected();
    let mut request = ping();
    request.newest = 2;
    let expect = Expect::AnswerWithin(SECOND);
    fixture.client.send(1, &request, expect, 1, fixture.now).unwrap();
    let apis = [(18, 0, 4), (77, 10, 12)];
    fixture.client.disconnect(1, "for a test", fixture.now);
    fixture.turn(SECOND);
    fixture.now += SECOND;
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    let socket = fixture.client.network().socket();
    let id = asked(&socket.take_requests()[0]).correlation_id;
    socket.answer(&broker::versions_answer(id, 4, 0, &apis));
    fixture.turn(SECOND);
    let (context, error) = fixture.client.send(1, &ping(), expect, 8, fixture.now).unwrap_err();
    assert_eq!((context, error.kind(), error.node()), (8, ErrorKind::UnsupportedVersion, Some(1)));
    let (context, error) = fixture.client.send(5, &ping(), expect, 9, fixture.now).unwrap_err();
    assert_eq!((context, error.kind()), (9, ErrorKind::Network));
}

/// Whatever the network does, each context comes back once.
#[test]
fn each_note_comes_back_exactly_once() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut fixture =
            Fixture::with(Settings { connections_max_idle: Some(SECOND * 20), ..settings() }, 2);
        let (mut back, mut closed) = (Vec::new(), false);
        for step in 0.. {
            if step < 300 && fixture.ready() == Readiness::Ready {
                let time = SECOND * random.u32(1..10);
                let answered = random.u8(..4) > 0;
                let expect = if answered { Expect::AnswerWithin(time) } else { Expect::WrittenWithin(time) };
                fixture.send_with(expect);
            }
            if step == 300 {
                (closed, _) = (true, fixture.client.close(fixture.now));
            }
            for outcome in fixture.turn(Duration::from_millis(random.u64(0..4000))) {
                match outcome {
                    Outcome::Answered { context, .. } | Outcome::Written { context, .. } => {
                        back.push(context)
                    }
                    Outcome::Failed { context, .. } => back.push(context),
                    _ => {}
                }
            }
            if closed {
                break;
            }
            stir(fixture.client.network(), &mut random);
        }
        back.sort_unstable();
        assert_eq!(back, (1..=fixture.next_note).collect::<Vec<_>>(), "seed {seed}");
        assert!(fixture.next_note > 20 && fixture.client.network().sockets.is_empty());
    }
}

/// What a network may do: little room, answers in parts, ends in the middle, refusals.
fn stir(network: &mut FakeNetwork, random: &mut fastrand::Rng) {
    network.refused.clear();
    if random.u8(..8) == 0 {
        network.refused.insert(address(random.u8(1..=2)));
    }
    let mood = random.u8(..40);
    for socket in network.sockets.values_mut() {
        socket.room = if random.bool() { usize::MAX } else { random.usize(0..40) };
        for request in socket.take_requests() {
            let asked = asked(&request);
            if asked.key == 18 {
                socket.answer(&broker::versions(asked));
            } else if random.u8(..12) > 0 {
                socket.answer(&pong(asked.correlation_id));
            }
        }
        match mood {
            0 => socket.ended = true,
            1 => socket.answer(b"HTTP"),
            2 => socket.readable.truncate(random.usize(0..8)),
            _ => {}
        }
    }
}

once_more_with_a_layer! { "requests.rs":
    requests_of_one_turn_go_out_in_one_write_and_answers_come_back_with_their_notes,
    as_many_requests_are_on_their_way_as_is_allowed,
    a_socket_without_room_holds_requests_back_until_it_has_room,
    a_request_without_an_answer_is_done_when_it_is_written,
    a_request_that_times_out_takes_its_connection_along,
    an_answer_that_came_while_the_thread_was_elsewhere_counts,
    what_could_not_be_written_because_the_thread_was_elsewhere_is_not_late,
    a_connection_that_was_made_while_the_thread_was_elsewhere_stands,
    an_answer_to_something_else_ends_the_connection,
    an_answer_that_nothing_asked_for_ends_the_connection,
    good_answers_before_a_bad_one_count,
    a_pause_is_kept_and_does_not_hold_back_answers,
    a_pause_in_any_answer_is_kept_at_that_address_under_whatever_id,
    an_answer_that_cannot_be_read_is_what_all_on_its_connection_are_told,
    a_request_in_vain_takes_those_along_that_are_as_silent_and_none_that_is_in_use,
    closing_gives_back_what_was_on_its_way,
    a_request_in_no_common_version_comes_back,
    each_note_comes_back_exactly_once,
}
