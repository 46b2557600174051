//! What is spoken beside the requests: layers that buffer, fail and end, and handshakes that fail, are slow and come again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::broker::{self, SECOND, asked, framed, settings};
use super::fixture::{Fixture, address, disconnection, summary};
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::network::test_channels::{Authority, SimulatedChannels};
use crate::network::{Expect, Outcome, Readiness};

fn layered() -> Fixture {
    Fixture::with_channels(settings(), 1, SimulatedChannels { is_layered: true, authority: None })
}

fn connected_with_a_layer() -> Fixture {
    let mut fixture = layered();
    fixture.connect();
    fixture
}

fn with_authority(authority: Authority, is_layered: bool) -> (Fixture, Arc<Authority>) {
    let authority = Arc::new(authority);
    let channels = SimulatedChannels { is_layered, authority: Some(Arc::clone(&authority)) };
    (Fixture::with_channels(settings(), 2, channels), authority)
}

/// Answers whatever was asked, until something is told.
fn answer_all(fixture: &mut Fixture) -> Vec<Outcome<u32>> {
    for _ in 0..20 {
        fixture.client.network().answer_all();
        let outcomes = fixture.turn(Duration::from_millis(1));
        if !outcomes.is_empty() {
            return outcomes;
        }
    }
    Vec::new()
}

#[test]
fn the_host_that_was_wanted_reaches_the_other_side() {
    let mut fixture = connected_with_a_layer();
    let envelopes = fixture.client.network().socket().envelopes.as_ref().unwrap();
    assert_eq!(envelopes.host(), "kafka");
}

/// What the layer has taken and the socket has not is not written: the broker cannot have read it.
#[test]
fn a_request_is_written_when_the_last_byte_of_its_record_has_left() {
    let mut fixture = connected_with_a_layer();
    fixture.client.network().socket().room = 0;
    let context = fixture.send_with(Expect::WrittenWithin(SECOND * 9));
    assert_eq!(summary(&fixture.turn(Duration::ZERO)), "");
    for _ in 0..300 {
        assert_eq!(fixture.ready(), Readiness::Waiting, "the socket does not keep up");
        fixture.client.network().socket().room = 1;
        let told = summary(&fixture.turn(Duration::ZERO));
        // The broker reads it in the same moment.
        assert_eq!(fixture.requests().len(), usize::from(!told.is_empty()));
        if !told.is_empty() {
            assert_eq!(told, format!("written {context}"));
            return assert_eq!(fixture.ready(), Readiness::Ready);
        }
    }
    panic!("never written");
}

#[test]
fn what_did_not_leave_whole_fails_as_not_written_wherever_the_socket_stops() {
    let mut counts = Vec::new();
    for room in (0..2000).step_by(9) {
        let mut fixture = connected_with_a_layer();
        fixture.client.network().socket().room = room;
        let mut request = broker::ping();
        request.batches.push(Arc::new(vec![7; 500]));
        for context in 1..=3 {
            let expect = Expect::AnswerWithin(SECOND * 30);
            fixture.client.send(1, &request, expect, context, fixture.now).unwrap();
        }
        fixture.turn(Duration::ZERO);
        let read = fixture.requests().len();
        fixture.client.network().socket().ended = true;
        let outcomes = fixture.turn(Duration::ZERO);
        let written = |outcome: &&Outcome<u32>| matches!(outcome, Outcome::Failed { written: true, .. });
        assert_eq!(outcomes.iter().filter(written).count(), read, "room for {room} bytes");
        assert_eq!(summary(&outcomes), "failed 1, failed 2, failed 3, disconnected");
        counts.push(read);
    }
    counts.dedup();
    assert_eq!(counts, [0, 1, 2, 3]);
}

/// The layer changes its mask, and asks for that in the middle of a large request.
#[test]
fn a_layer_that_has_to_read_before_it_can_go_on_loses_nothing() {
    let mut fixture = connected_with_a_layer();
    let batch: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
    for round in 1..=3 {
        let mut request = broker::ping();
        request.batches.push(Arc::new(batch.clone()));
        let expect = Expect::AnswerWithin(SECOND * 30);
        fixture.client.send(1, &request, expect, round, fixture.now).unwrap();
        for _ in 0..20 {
            fixture.turn(Duration::ZERO);
        }
        let requests = fixture.client.network().socket().take_requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].ends_with(&batch));
        // The answer has a length as well that needs more than one mask.
        let answer = [&asked(&requests[0]).correlation_id.to_be_bytes()[..], &batch].concat();
        fixture.client.network().socket().answer(&framed(&answer));
        let mut outcomes = Vec::new();
        while outcomes.is_empty() {
            outcomes = fixture.turn(Duration::ZERO);
        }
        let [Outcome::Answered { frame, .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(frame.ends_with(&batch));
    }
}

#[test]
fn who_ends_a_connection_says_so_unless_a_request_is_only_partly_out() {
    let mut fixture = connected_with_a_layer();
    fixture.client.disconnect(1, "for a test", fixture.now);
    assert!(fixture.client.network().ended.pop().unwrap().said_end);

    let mut fixture = connected_with_a_layer();
    fixture.client.network().socket().room = 7;
    fixture.send();
    fixture.turn(Duration::ZERO);
    fixture.client.network().socket().room = usize::MAX;
    fixture.client.disconnect(1, "for a test", fixture.now);
    let mut socket = fixture.client.network().ended.pop().unwrap();
    assert!(!socket.said_end && socket.take_requests().is_empty(), "nothing goes that counts as not written");
}

#[test]
fn an_end_that_is_announced_counts_once_all_before_it_is_read_and_one_that_is_not_does_as_well() {
    for is_announced in [true, false] {
        let mut fixture = connected_with_a_layer();
        fixture.send();
        fixture.send();
        fixture.turn(SECOND);
        let id = fixture.requests()[0];
        fixture.answer(id);
        let socket = fixture.client.network().socket();
        if is_announced {
            socket.say_end()
        } else {
            socket.ended = true
        }
        let mut outcomes = fixture.turn(SECOND);
        outcomes.extend(fixture.turn(Duration::ZERO));
        assert_eq!(summary(&outcomes), "answered 1, failed 2, disconnected");
        let text = disconnection(&outcomes).to_string();
        assert!(text.contains("the broker closed the connection"), "{text}");
    }
    let mut fixture = connected_with_a_layer();
    fixture.send();
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    let socket = fixture.client.network().socket();
    socket.answer(&broker::pong(id)[..6]);
    socket.say_end();
    let text = disconnection(&fixture.turn(SECOND)).to_string();
    assert!(text.contains("in the middle of an answer"), "{text}");
}

#[test]
fn what_is_no_envelope_ends_the_connection_after_the_answers_before_it() {
    let mut fixture = connected_with_a_layer();
    fixture.send();
    fixture.send();
    fixture.turn(SECOND);
    let id = fixture.requests()[0];
    fixture.answer(id);
    fixture.client.network().socket().readable.extend(b"HTTP");
    let outcomes = fixture.turn(SECOND);
    assert_eq!(summary(&outcomes), "answered 1, failed 2, disconnected");
    let error = disconnection(&outcomes);
    assert!(error.to_string().contains("what came is no envelope"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Network);
}

#[test]
fn a_layer_s_handshake_that_does_not_end_or_ends_the_connection_is_told_as_such() {
    let mut fixture = layered();
    fixture.client.network().room = 0;
    fixture.ready();
    let text = disconnection(&fixture.next()).to_string();
    let words = "the envelope handshake did not end within";
    assert!(text.contains(words) && text.contains("socket.connection.setup.timeout.ms"), "{text}");
    let waited = (fixture.now - fixture.start).as_secs();
    assert!((8..=12).contains(&waited), "{waited} s");

    for is_reset in [true, false] {
        let mut fixture = layered();
        fixture.client.network().room = 0;
        fixture.ready();
        fixture.turn(Duration::ZERO);
        fixture.turn(Duration::ZERO);
        let text = fixture.client.waited_for(&fixture.node, fixture.now).unwrap();
        assert!(text.ends_with("the envelope handshake is not over yet"), "{text}");
        let socket = fixture.client.network().socket();
        (socket.broken, socket.ended, socket.room) = (is_reset, !is_reset, usize::MAX);
        let text = disconnection(&fixture.next()).to_string();
        assert!(text.contains("the connection was closed within the envelope handshake"), "{text}");
    }
}

/// Behaviour 8.
#[test]
fn a_refusal_by_the_layer_is_of_its_kind_ends_the_round_and_makes_the_waits_grow() {
    let channels = SimulatedChannels { is_layered: true, authority: None };
    let mut fixture = Fixture::with_channels(settings(), 3, channels);
    fixture.client.network().refusal = Some("no certificate");
    for (low, high) in [(40, 60), (80, 120), (160, 240), (320, 480), (640, 960), (1000, 1000)] {
        let attempts = fixture.client.network().attempts.len();
        assert_eq!(fixture.ready(), Readiness::Waiting);
        let error = disconnection(&fixture.next());
        assert_eq!((error.kind(), error.is_retriable()), (ErrorKind::Authentication, false));
        assert!(error.to_string().contains("the broker refuses us: no certificate"), "{error}");
        assert!(!error.to_string().contains("advertised.listeners"), "{error}");
        assert_eq!(
            fixture.client.network().attempts.len(),
            attempts + 1,
            "the other addresses are the same broker"
        );
        let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
        let wait = (at - fixture.now).as_millis();
        assert!((low..=high).contains(&wait), "{wait} ms, expected {low} to {high}");
        fixture.now = at;
    }
    // As soon as it is believed all is well.
    fixture.client.network().refusal = None;
    fixture.connect();
}

/// TLS 1.3 refuses a client's certificate after the handshake: the first thing that is noticed may be that nothing can be
/// written any more.
#[test]
fn why_the_other_side_has_closed_is_read_when_nothing_can_be_written() {
    let mut fixture = connected_with_a_layer();
    fixture.send();
    let socket = fixture.client.network().socket();
    (socket.broken, socket.ended) = (true, true);
    socket.readable.extend(REFUSAL);
    let error = disconnection(&fixture.turn(Duration::ZERO));
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
}

/// An envelope that says "no".
const REFUSAL: [u8; 7] = {
    let head = [0xE5, 6, 0, 2, b'n' ^ 0x5A, b'o' ^ 0x5A];
    let (mut sum, mut place) = (0u8, 0);
    while place < head.len() {
        sum = sum.wrapping_mul(31).wrapping_add(head[place]);
        place += 1;
    }
    [head[0], head[1], head[2], head[3], head[4], head[5], sum]
};

/// Behaviour 8.
#[test]
fn a_step_that_fails_says_so_by_kind_and_code_and_is_not_tried_again_at_once() {
    for is_layered in [false, true] {
        let (mut fixture, authority) = with_authority(Authority::default(), is_layered);
        authority.refuses.store(true, Ordering::Relaxed);
        fixture.ready();
        let error = disconnection(&answer_all(&mut fixture));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Authentication, Some(ErrorCode::SASL_AUTHENTICATION_FAILED))
        );
        assert!(error.to_string().contains("the broker asks: who are you?"), "{error}");
        let Readiness::NotBefore(at) = fixture.ready() else { panic!("no backoff") };
        assert_eq!(fixture.client.network().attempts, [address(1)]);
        authority.refuses.store(false, Ordering::Relaxed);
        fixture.now = at;
        fixture.ready();
        assert_eq!(summary(&answer_all(&mut fixture)), "connected");
        assert_eq!(authority.asked.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_step_may_take_several_rounds_and_each_has_the_time_of_a_request() {
    let (mut fixture, authority) = with_authority(Authority { rounds: 3, ..Authority::default() }, true);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "connected");
    assert_eq!(authority.asked.load(Ordering::Relaxed), 3);

    let (mut fixture, _) = with_authority(Authority::default(), true);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.answer_versions();
    assert_eq!(summary(&fixture.turn(Duration::ZERO)), "");
    let text = fixture.client.waited_for(&fixture.node, fixture.now).unwrap();
    assert!(text.ends_with("no answer to Introduction yet"), "{text}");
    let text = disconnection_after_both_addresses(&mut fixture);
    assert!(text.contains("no answer to Introduction within 30000 ms"), "{text}");
}

/// The second address does not answer at all.
fn disconnection_after_both_addresses(fixture: &mut Fixture) -> String {
    fixture.client.network().silent.insert(address(2));
    disconnection(&fixture.next()).to_string()
}

#[test]
fn a_step_waits_for_work_in_the_background() {
    let (mut fixture, authority) =
        with_authority(Authority { wants_token: true, ..Authority::default() }, false);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "connected");
    assert_eq!(authority.believed.load(Ordering::Relaxed), 1);

    let without = Authority { wants_token: true, has_no_token: true, ..Authority::default() };
    let (mut fixture, authority) = with_authority(without, false);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "");
    let text = fixture.client.waited_for(&fixture.node, fixture.now).unwrap();
    assert!(text.ends_with("Introduction waits for a token"), "{text}");
    let text = disconnection_after_both_addresses(&mut fixture);
    assert!(text.contains("Introduction waited for a token, which did not come within 30000 ms"), "{text}");
    assert_eq!(authority.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_due_beside_all_connections_is_done_in_time_and_nothing_is_needed_for_it() {
    // Also where a connection needed nothing but a look-up of its broker's name.
    for wants_token in [true, false] {
        let renewed = Authority { wants_token, renewed_every: Some(SECOND * 50), ..Authority::default() };
        let (mut fixture, authority) = with_authority(renewed, false);
        fixture.ready();
        assert_eq!(summary(&answer_all(&mut fixture)), "connected");
        for (seconds, renewals) in [(49, 0), (2, 1), (47, 1), (2, 2), (50, 3)] {
            let until = fixture.now + SECOND * seconds;
            while fixture.now < until {
                fixture.turn(until - fixture.now);
            }
            fixture.turn(Duration::from_millis(1));
            assert_eq!(authority.renewals.lock().0, renewals, "after {seconds} s more, token: {wants_token}");
        }
    }
}

/// What comes before the look-up of a name hangs, as it seems.
#[test]
fn a_name_that_is_not_resolved_in_time_may_not_be_to_blame() {
    for prepares in [true, false] {
        let (mut fixture, _) = with_authority(Authority { prepares, ..Authority::default() }, false);
        fixture.ready();
        fixture.client.network().events.clear();
        let text = disconnection(&fixture.next()).to_string();
        assert!(text.contains("the name was not resolved within"), "{text}");
        let words = " ms; the keys are looked at before that, and may be what takes so long; ";
        assert_eq!(text.contains(words), prepares, "{text}");
    }
}

#[test]
fn what_fails_beside_all_connections_ends_none_that_waits_for_something_else() {
    let renewed = Authority {
        wants_token: true,
        has_no_token: true,
        renewed_every: Some(SECOND * 5),
        renewals_fail: true,
        ..Authority::default()
    };
    let (mut fixture, authority) = with_authority(renewed, false);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "");
    let until = fixture.now + SECOND * 20;
    while fixture.now < until {
        assert_eq!(summary(&fixture.turn(until - fixture.now)), "");
    }
    assert!(authority.renewals.lock().0 >= 3);
    let text = fixture.client.waited_for(&fixture.node, fixture.now).unwrap();
    assert!(text.ends_with("Introduction waits for a token"), "{text}");
}

#[test]
fn a_connection_that_ends_within_a_step_says_in_which_one() {
    let (mut fixture, _) = with_authority(Authority::default(), false);
    fixture.client.network().silent.insert(address(2));
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.answer_versions();
    fixture.turn(Duration::ZERO);
    fixture.client.network().socket().ended = true;
    let text = disconnection(&fixture.next()).to_string();
    assert!(text.contains("closed the connection in place of an answer to Introduction"), "{text}");
}

fn with_session(seconds: u32) -> Authority {
    Authority { session: Some(SECOND * seconds), ..Authority::default() }
}

/// Behaviour 42.
#[test]
fn who_we_are_is_said_again_before_the_session_ends_and_the_next_request_waits_for_that() {
    for is_layered in [false, true] {
        let (mut fixture, authority) = with_authority(with_session(100), is_layered);
        fixture.ready();
        assert_eq!(summary(&answer_all(&mut fixture)), "connected");
        let since = fixture.now;
        fixture.now = since + SECOND * 84;
        assert_eq!(fixture.ready(), Readiness::Ready, "no sooner than needed");
        fixture.send();
        fixture.turn(Duration::ZERO);
        fixture.now = since + SECOND * 96;
        assert_eq!(fixture.ready(), Readiness::Waiting);
        assert!(fixture.client.is_connected(1), "it is the same connection");
        fixture.turn(Duration::ZERO);
        // What was on its way is answered before, in its order.
        let requests = fixture.client.network().socket().take_requests();
        let keys: Vec<_> = requests.iter().map(|request| asked(request).key).collect();
        assert_eq!(keys, [77, 18]);
        fixture.answer(asked(&requests[0]).correlation_id);
        assert_eq!(summary(&fixture.turn(Duration::ZERO)), "answered 1");
        assert_eq!(fixture.ready(), Readiness::Waiting);
        fixture.client.network().socket().answer(&broker::versions(asked(&requests[1])));
        fixture.turn(Duration::ZERO);
        assert_eq!(fixture.ready(), Readiness::Ready);
        assert_eq!(authority.believed.load(Ordering::Relaxed), 2);
        fixture.now += SECOND * 96;
        assert_eq!(fixture.ready(), Readiness::Waiting, "and again");
        assert_eq!(fixture.client.network().attempts.len(), 1);
    }
}

/// Behaviour 42.
/// Brokers count a session from when they answer; the answer may be long on its way, or wait to be read.
#[test]
fn a_session_is_counted_from_the_question_on() {
    let (mut fixture, _) = with_authority(with_session(100), false);
    fixture.ready();
    fixture.turn(SECOND);
    fixture.turn(SECOND);
    fixture.answer_versions();
    fixture.turn(Duration::ZERO);
    let since = fixture.now;
    let question = asked(&fixture.client.network().socket().take_requests()[0]);
    fixture.now += SECOND * 8;
    fixture.client.network().socket().answer(&broker::versions(question));
    assert_eq!(summary(&fixture.turn(Duration::ZERO)), "connected");
    fixture.now = since + SECOND * 84;
    assert_eq!(fixture.ready(), Readiness::Ready, "no sooner than needed");
    fixture.now = since + SECOND * 96;
    assert_eq!(fixture.ready(), Readiness::Waiting);
}

/// Behaviour 42.
/// Kafka refuses whoever logs in twice within a second on one connection, with ILLEGAL_SASL_STATE.
#[test]
fn a_session_too_short_for_another_login_is_left_for_a_new_connection() {
    let short = Authority { session: Some(Duration::from_millis(700)), ..Authority::default() };
    let (mut fixture, authority) = with_authority(short, false);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "connected", "the first login is none too many");
    fixture.now += SECOND;
    assert_eq!(fixture.ready(), Readiness::Waiting);
    assert_eq!(summary(&answer_all(&mut fixture)), "closed");
    assert_eq!(authority.believed.load(Ordering::Relaxed), 2);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "connected");
    fixture.send();
    fixture.turn(Duration::ZERO);
    assert_eq!(fixture.client.network().attempts.len(), 2);
}

/// Behaviours 8, 42.
#[test]
fn who_is_not_believed_again_loses_the_connection_and_what_was_on_its_way_may_be_tried_again() {
    let (mut fixture, authority) = with_authority(with_session(10), true);
    fixture.ready();
    assert_eq!(summary(&answer_all(&mut fixture)), "connected");
    fixture.send();
    fixture.turn(Duration::ZERO);
    fixture.now += SECOND * 10;
    authority.refuses.store(true, Ordering::Relaxed);
    assert_eq!(fixture.ready(), Readiness::Waiting);
    fixture.turn(Duration::ZERO);
    let introduction = asked(&fixture.client.network().socket().take_requests()[1]);
    fixture.client.network().socket().answer(&broker::pong(introduction.correlation_id - 1));
    fixture.client.network().socket().answer(&broker::versions(introduction));
    let outcomes = fixture.turn(Duration::ZERO);
    assert_eq!(summary(&outcomes), "answered 1, disconnected");
    let error = disconnection(&outcomes);
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Authentication, Some(ErrorCode::SASL_AUTHENTICATION_FAILED))
    );

    // One that was sent behind it: to it that is the end of a connection.
    let (mut fixture, authority) = with_authority(with_session(10), true);
    fixture.ready();
    answer_all(&mut fixture);
    fixture.now += SECOND * 10;
    authority.refuses.store(true, Ordering::Relaxed);
    fixture.ready();
    let context = fixture.send();
    fixture.turn(Duration::ZERO);
    let outcomes = answer_all(&mut fixture);
    assert_eq!(summary(&outcomes), format!("failed {context}, disconnected"));
    let Outcome::Failed { error, written: true, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(as_a_lost_connection(error), (ErrorKind::Network, Some(ErrorCode::NETWORK_EXCEPTION), true));
    assert_eq!(disconnection(&outcomes).kind(), ErrorKind::Authentication);
}

fn as_a_lost_connection(error: &Error) -> (ErrorKind, Option<ErrorCode>, bool) {
    (error.kind(), error.code(), error.is_retriable())
}
