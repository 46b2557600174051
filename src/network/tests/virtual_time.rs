//! The client's rules, without sockets and without waiting.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::broker::{self, SECOND, asked, framed, node, ping, pong, settings};
use super::fake::FakeNetwork;
use crate::cluster::Node;
use crate::error::{Error, ErrorKind};
use crate::error_code::ErrorCode;
use crate::network::{
    Expect, NetworkClient, NetworkEvent, NetworkSettings, Outcome, Readiness, RequestFailure,
};

struct Bench {
    client: NetworkClient<FakeNetwork, u32>,
    start: Instant,
    now: Instant,
    node: Node,
    next_note: u32,
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 9092))
}

impl Bench {
    /// One broker, id 1, whose name has one address.
    fn new() -> Self {
        Bench::with(settings(), 1)
    }

    fn with(settings: NetworkSettings, addresses: u8) -> Self {
        let mut network = FakeNetwork::new();
        network.names.insert("kafka".to_owned(), (1..=addresses).map(address).collect());
        let now = Instant::now();
        let client = NetworkClient::new(network, settings, fastrand::Rng::with_seed(1));
        Bench { client, start: now, now, node: node(1, "kafka", 9092), next_note: 0 }
    }

    fn connected() -> Self {
        let mut bench = Bench::new();
        bench.connect();
        bench
    }

    fn ready(&mut self) -> Readiness {
        self.client.ready(&self.node, self.now)
    }

    /// One turn that waits for `time` at most.
    fn turn(&mut self, time: Duration) -> Vec<Outcome<u32>> {
        let mut outcomes = Vec::new();
        self.now = self.client.poll(self.now, Some(self.now + time), &mut outcomes);
        outcomes
    }

    /// Turns until something is told.
    fn next(&mut self) -> Vec<Outcome<u32>> {
        let mut outcomes = Vec::new();
        while outcomes.is_empty() {
            self.now = self.client.poll(self.now, None, &mut outcomes);
        }
        outcomes
    }

    fn answer_versions(&mut self) {
        let socket = self.client.network().socket();
        let requests = socket.take_requests();
        assert_eq!(requests.len(), 1);
        socket.answer(&broker::versions(asked(&requests[0])));
    }

    fn connect(&mut self) {
        assert_eq!(self.ready(), Readiness::Waiting);
        assert_eq!(self.turn(SECOND).len() + self.turn(SECOND).len(), 0);
        self.answer_versions();
        assert!(matches!(self.turn(SECOND)[..], [Outcome::Connected { node: 1 }]));
    }

    fn send(&mut self) -> u32 {
        self.send_with(Expect::AnswerWithin(SECOND * 30))
    }

    fn send_with(&mut self, expect: Expect) -> u32 {
        self.next_note += 1;
        self.client.send(1, &ping(), expect, self.next_note, self.now).unwrap();
        self.next_note
    }

    fn requests(&mut self) -> Vec<i32> {
        let requests = self.client.network().socket().take_requests();
        requests.iter().map(|request| asked(request).correlation_id).collect()
    }

    fn answer(&mut self, correlation_id: i32) {
        self.client.network().socket().answer(&pong(correlation_id));
    }
}

/// What came of the notes, short.
fn summary(outcomes: &[Outcome<u32>]) -> String {
    let word = |outcome: &Outcome<u32>| match outcome {
        Outcome::Answered { note, .. } => format!("answered {note}"),
        Outcome::Written { note, .. } => format!("written {note}"),
        Outcome::Failed { note, failure: RequestFailure::TimedOut, .. } => format!("timed out {note}"),
        Outcome::Failed { note, failure: RequestFailure::Disconnected, .. } => format!("failed {note}"),
        Outcome::Connected { .. } => "connected".to_owned(),
        Outcome::Bootstrapped(_) => "bootstrapped".to_owned(),
        Outcome::Disconnected { .. } => "disconnected".to_owned(),
    };
    outcomes.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn disconnection(outcomes: &[Outcome<u32>]) -> Error {
    match outcomes.last() {
        Some(Outcome::Disconnected { error, .. }) => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_is_ready_after_name_socket_and_versions() {
    let mut bench = Bench::new();
    assert!(!bench.client.is_connected(1));
    bench.connect();
    assert!(bench.client.is_connected(1));
    assert_eq!(bench.ready(), Readiness::Ready);
    assert_eq!(bench.client.versions(1).and_then(|versions| versions.range(77)), Some(0..=3));
    assert_eq!(bench.client.network().attempts, [address(1)]);
}

#[test]
fn requests_of_one_turn_go_out_in_one_write_and_answers_come_back_with_their_notes() {
    let mut bench = Bench::connected();
    let writes = bench.client.network().socket().writes;
    let notes = [bench.send(), bench.send(), bench.send()];
    assert_eq!(bench.client.in_flight(1), 3);
    assert!(bench.turn(SECOND).is_empty());
    assert_eq!(bench.client.network().socket().writes, writes + 1);
    assert!(bench.client.network().answers_due > 0);
    let ids = bench.requests();
    assert!(ids[0] + 1 == ids[1] && ids[1] + 1 == ids[2]);
    bench.answer(ids[0]);
    bench.answer(ids[1]);
    let sent_at = bench.now - SECOND;
    match &bench.turn(SECOND)[..] {
        [Outcome::Answered { node: 1, note, version: 3, frame, sent_at: at }, second] => {
            assert_eq!((*note, &frame[..], *at), (notes[0], &ids[0].to_be_bytes()[..], sent_at));
            assert_eq!(summary(std::slice::from_ref(second)), format!("answered {}", notes[1]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.client.in_flight(1), 1);
    bench.answer(ids[2]);
    bench.turn(SECOND);
    bench.turn(SECOND);
    assert_eq!(bench.client.network().answers_due, 0);
}

/// Behaviour 37.
#[test]
fn as_many_requests_are_on_their_way_as_is_allowed() {
    let mut bench = Bench::with(NetworkSettings { max_in_flight: 2, ..settings() }, 1);
    bench.connect();
    bench.send();
    assert_eq!(bench.ready(), Readiness::Ready, "several in one turn");
    bench.send();
    assert_eq!(bench.ready(), Readiness::Waiting);
    bench.turn(SECOND);
    let id = bench.requests()[0];
    bench.answer(id);
    bench.turn(SECOND);
    assert_eq!(bench.ready(), Readiness::Ready);
}

#[test]
fn a_socket_without_room_holds_requests_back_until_it_has_room() {
    let mut bench = Bench::connected();
    bench.client.network().socket().room = 10;
    bench.send();
    bench.turn(Duration::ZERO);
    assert_eq!(bench.ready(), Readiness::Waiting);
    assert!(bench.requests().is_empty());
    bench.client.network().socket().room = usize::MAX;
    bench.turn(SECOND);
    assert_eq!(bench.requests().len(), 1);
    assert_eq!(bench.ready(), Readiness::Ready);
}

/// Behaviour 39.
#[test]
fn a_request_without_an_answer_is_done_when_it_is_written() {
    let mut bench = Bench::connected();
    let (first, second) = (bench.send(), bench.send_with(Expect::WrittenWithin(SECOND)));
    let now = bench.now;
    assert_eq!(summary(&bench.turn(SECOND)), format!("written {second}"));
    assert_eq!(bench.now, now, "what there is to tell is told at once");
    assert_eq!(bench.client.in_flight(1), 1);
    let id = bench.requests()[0];
    bench.answer(id);
    assert_eq!(summary(&bench.turn(SECOND)), format!("answered {first}"));
}

/// Behaviour 36.
#[test]
fn a_request_that_times_out_takes_its_connection_along() {
    let mut bench = Bench::connected();
    bench.send();
    bench.turn(SECOND);
    bench.send_with(Expect::AnswerWithin(SECOND * 5));
    bench.client.network().socket().room = 0;
    bench.turn(Duration::ZERO);
    let before = bench.now;
    let outcomes = bench.next();
    assert_eq!(bench.now - before, SECOND * 5, "the earliest deadline counts");
    assert_eq!(summary(&outcomes), "failed 1, timed out 2, disconnected");
    assert!(bench.client.network().sockets.is_empty() && !bench.client.is_connected(1));
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
    let Readiness::NotBefore(at) = bench.ready() else { panic!("no backoff") };
    assert!((40..=60).contains(&(at - bench.now).as_millis()));
}

#[test]
fn an_answer_to_something_else_ends_the_connection() {
    let mut bench = Bench::connected();
    bench.send();
    bench.send();
    bench.turn(SECOND);
    let ids = bench.requests();
    bench.answer(ids[1]);
    let outcomes = bench.turn(SECOND);
    assert_eq!(summary(&outcomes), "failed 1, failed 2, disconnected");
    let words = format!("an answer to request {} came where request {} was next", ids[1], ids[0]);
    assert!(disconnection(&outcomes).to_string().contains(&words));
}

#[test]
fn an_answer_that_nothing_asked_for_ends_the_connection() {
    let mut bench = Bench::connected();
    bench.answer(7);
    let outcomes = bench.turn(SECOND);
    assert!(disconnection(&outcomes).to_string().contains("an answer came that nothing had asked for"));
}

#[test]
fn good_answers_before_a_bad_one_count() {
    let mut bench = Bench::connected();
    bench.send();
    bench.send();
    bench.turn(SECOND);
    let id = bench.requests()[0];
    bench.answer(id);
    bench.client.network().socket().answer(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(summary(&bench.turn(SECOND)), "answered 1, failed 2, disconnected");
}

#[test]
fn something_else_than_kafka_is_named() {
    for (bytes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "an HTTP server answers there"),
        (&[0x15, 3, 3, 0, 2, 2, 70], "TLS is spoken there"),
        (&[0x7f, 0xff, 0xff, 0xff, 0], "an answer of 2147483647 bytes was announced"),
        (&framed(&[0, 0, 0, 0, 1, 2]), "ApiVersions"),
    ] {
        let mut bench = Bench::new();
        bench.ready();
        bench.turn(SECOND);
        bench.turn(SECOND);
        bench.client.network().socket().answer(bytes);
        let outcomes = bench.turn(SECOND);
        assert_eq!(summary(&outcomes), "disconnected");
        let text = disconnection(&outcomes).to_string();
        assert!(text.starts_with("cannot connect to kafka:9092: 10.0.0.1:9092: "), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_connection_closed_before_the_first_answer_gives_a_hint() {
    let mut bench = Bench::new();
    bench.ready();
    bench.turn(SECOND);
    bench.turn(SECOND);
    bench.client.network().socket().ended = true;
    let text = disconnection(&bench.turn(SECOND)).to_string();
    assert!(text.contains("security.protocol"), "{text}");
}

#[test]
fn silence_ends_after_the_set_up_time_or_the_request_time() {
    let mut bench = Bench::new();
    bench.client.network().silent.insert(address(1));
    bench.ready();
    let text = disconnection(&bench.next()).to_string();
    let waited = (bench.now - bench.start).as_secs();
    assert!((8..=12).contains(&waited) && text.contains("socket.connection.setup.timeout.ms"), "{text}");

    let mut bench = Bench::new();
    bench.ready();
    let text = disconnection(&bench.next()).to_string();
    assert_eq!(bench.now - bench.start, SECOND * 30);
    assert!(text.contains("no answer to ApiVersions within 30000 ms"), "{text}");
}

#[test]
fn all_addresses_of_a_name_are_tried_before_anything_is_said() {
    let mut bench = Bench::with(settings(), 3);
    bench.client.network().refused.extend([address(1), address(2)]);
    bench.ready();
    for _ in 0..4 {
        assert_eq!(summary(&bench.turn(SECOND)), "");
    }
    bench.answer_versions();
    assert_eq!(summary(&bench.turn(SECOND)), "connected");
    assert_eq!(bench.client.network().attempts, [address(1), address(2), address(3)]);
}

#[test]
fn the_addresses_of_both_versions_of_ip_are_tried_in_the_order_of_the_resolver() {
    let mut bench = Bench::new();
    let addresses: Vec<SocketAddr> = vec!["[::1]:9092".parse().unwrap(), "127.0.0.1:9092".parse().unwrap()];
    bench.client.network().names.insert("kafka".to_owned(), addresses.clone());
    bench.client.network().refused.insert(addresses[0]);
    bench.ready();
    for _ in 0..3 {
        assert_eq!(summary(&bench.turn(SECOND)), "");
    }
    bench.answer_versions();
    assert_eq!(summary(&bench.turn(SECOND)), "connected");
    assert_eq!(bench.client.network().attempts, addresses);
}

#[test]
fn a_round_in_vain_names_each_address_and_the_waits_between_rounds_grow() {
    let mut bench = Bench::with(settings(), 2);
    bench.client.network().refused.extend([address(1), address(2)]);
    for (low, high) in [(40, 60), (80, 120), (160, 240), (320, 480), (640, 960), (1000, 1000), (1000, 1000)] {
        assert_eq!(bench.ready(), Readiness::Waiting);
        let outcomes = bench.next();
        assert_eq!(summary(&outcomes), "disconnected");
        assert_eq!(
            disconnection(&outcomes).to_string(),
            "cannot connect to kafka:9092: 10.0.0.1:9092: connection refused; 10.0.0.2:9092: connection \
             refused (broker 1)"
        );
        let Readiness::NotBefore(at) = bench.ready() else { panic!("no backoff") };
        let wait = (at - bench.now).as_millis();
        assert!((low..=high).contains(&wait), "{wait} ms, expected {low} to {high}");
        bench.now = at;
    }
    assert_eq!(bench.client.network().attempts.len(), 14);
}

#[test]
fn a_name_without_addresses_is_told() {
    let mut bench = Bench::new();
    bench.node = node(-1, "nowhere", 9092);
    bench.ready();
    let error = disconnection(&bench.next());
    let words = "cannot connect to nowhere:9092: the name could not be resolved: unknown name";
    assert_eq!((error.to_string().as_str(), error.node()), (words, None));
}

#[test]
fn a_name_that_is_not_answered_is_given_up() {
    let mut bench = Bench::new();
    bench.ready();
    bench.client.network().events.clear();
    let text = disconnection(&bench.next()).to_string();
    assert!(text.contains("the name was not resolved within"), "{text}");
    assert!(matches!(bench.ready(), Readiness::NotBefore(_)));
}

/// Behaviour 40.
#[test]
fn a_pause_is_kept_and_does_not_hold_back_answers() {
    let mut bench = Bench::connected();
    bench.send();
    bench.turn(SECOND);
    bench.client.throttle(1, SECOND * 3, bench.now);
    let until = bench.now + SECOND * 3;
    assert_eq!(bench.ready(), Readiness::NotBefore(until));
    let id = bench.requests()[0];
    bench.answer(id);
    assert_eq!(summary(&bench.turn(SECOND)), "answered 1");
    assert_eq!(bench.ready(), Readiness::NotBefore(until));
    bench.now = until;
    assert_eq!(bench.ready(), Readiness::Ready);
}

#[test]
fn an_idle_connection_is_closed_quietly_and_may_come_back_at_once() {
    let mut bench = Bench::with(NetworkSettings { max_idle: Some(SECOND * 9), ..settings() }, 1);
    bench.connect();
    bench.send();
    for _ in 0..6 {
        bench.turn(SECOND * 4);
    }
    assert!(bench.client.is_connected(1), "a request is on its way");
    let id = bench.requests()[0];
    bench.answer(id);
    let before = bench.now;
    assert_eq!(summary(&bench.turn(SECOND)), "answered 1");
    while bench.client.is_connected(1) {
        assert_eq!(summary(&bench.turn(SECOND)), "");
    }
    assert_eq!(bench.now - before, SECOND * 9);
    assert!(bench.client.network().sockets.is_empty());
    bench.connect();
}

#[test]
fn a_broker_that_moved_is_connected_anew() {
    let mut bench = Bench::connected();
    bench.send();
    bench.turn(SECOND);
    bench.client.network().names.insert("elsewhere".to_owned(), vec![address(9)]);
    bench.node = node(1, "elsewhere", 9092);
    assert_eq!(bench.ready(), Readiness::Waiting);
    assert_eq!(summary(&bench.turn(SECOND)), "failed 1, disconnected");
    bench.turn(SECOND);
    bench.answer_versions();
    assert_eq!(summary(&bench.turn(SECOND)), "connected");
    assert_eq!(bench.client.network().attempts, [address(1), address(9)]);
}

/// Events and look-ups of an earlier connection that arrive late.
#[test]
fn what_is_told_of_an_earlier_connection_is_ignored() {
    let mut bench = Bench::connected();
    let earlier = *bench.client.network().sockets.keys().next().unwrap();
    bench.client.network().socket().ended = true;
    assert_eq!(summary(&bench.turn(SECOND)), "disconnected");
    bench.now += SECOND;
    bench.connect();
    bench.send();
    let refused = std::io::ErrorKind::ConnectionRefused;
    bench.client.network().events.extend([
        NetworkEvent::Readable(earlier),
        NetworkEvent::Writable(earlier),
        NetworkEvent::Failed(earlier, refused.into()),
        NetworkEvent::Resolved { token: earlier.0, addresses: Err(refused.into()) },
    ]);
    assert_eq!(summary(&bench.turn(SECOND)), "");
    assert!(bench.client.is_connected(1) && bench.client.in_flight(1) == 1);
}

#[test]
fn closing_gives_back_what_was_on_its_way() {
    let mut bench = Bench::connected();
    bench.send();
    bench.turn(SECOND);
    bench.send();
    bench.client.close(bench.now);
    assert_eq!(summary(&bench.turn(SECOND)), "failed 1, failed 2, disconnected");
    assert!(bench.client.network().sockets.is_empty());

    let mut bench = Bench::connected();
    bench.send();
    bench.client.disconnect(1, bench.now);
    assert!(matches!(bench.ready(), Readiness::NotBefore(_)));
    assert_eq!(summary(&bench.turn(SECOND)), "failed 1, disconnected");
}

#[test]
fn a_request_in_no_common_version_comes_back() {
    let mut bench = Bench::connected();
    let mut request = ping();
    request.newest = 2;
    let expect = Expect::AnswerWithin(SECOND);
    bench.client.send(1, &request, expect, 1, bench.now).unwrap();
    let apis = [(18, 0, 4), (77, 10, 12)];
    bench.client.disconnect(1, bench.now);
    bench.turn(SECOND);
    bench.now += SECOND;
    bench.ready();
    bench.turn(SECOND);
    bench.turn(SECOND);
    let socket = bench.client.network().socket();
    let id = asked(&socket.take_requests()[0]).correlation_id;
    socket.answer(&broker::versions_answer(id, 4, 0, &apis));
    bench.turn(SECOND);
    let (note, error) = bench.client.send(1, &ping(), expect, 8, bench.now).unwrap_err();
    assert_eq!((note, error.kind(), error.node()), (8, ErrorKind::UnsupportedVersion, Some(1)));
    let (note, error) = bench.client.send(5, &ping(), expect, 9, bench.now).unwrap_err();
    assert_eq!((note, error.kind()), (9, ErrorKind::Network));
}

#[test]
fn an_old_broker_is_asked_for_its_versions_again() {
    let mut bench = Bench::new();
    bench.ready();
    bench.turn(SECOND);
    bench.turn(SECOND);
    for (version, code, apis) in [(4, 35, &[(18, 0, 2)][..]), (2, 0, &[(77, 0, 5), (18, 0, 2)])] {
        let socket = bench.client.network().socket();
        let asked = asked(&socket.take_requests()[0]);
        assert_eq!((asked.key, asked.version), (18, version));
        let answered_in = if code == 0 { version } else { 0 };
        socket.answer(&broker::versions_answer(asked.correlation_id, answered_in, code, apis));
        bench.turn(SECOND);
    }
    assert_eq!(bench.client.versions(1).and_then(|versions| versions.range(77)), Some(0..=5));
}

#[test]
fn the_least_loaded_broker_is_asked() {
    let mut bench = Bench::connected();
    let nodes = [node(1, "kafka", 9092), node(2, "other", 9092), node(3, "third", 9092)];
    let least = |bench: &mut Bench| bench.client.least_loaded(nodes.iter(), bench.now).map(Node::id);
    assert_eq!(least(&mut bench), Some(1), "connected beats not connected");
    for _ in 0..5 {
        bench.send();
    }
    let mut seen: Vec<_> = (0..50).filter_map(|_| least(&mut bench)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [2, 3], "with nothing more allowed on its way it is any of the others");
    bench.client.ready(&nodes[1], bench.now);
    assert_eq!(least(&mut bench), Some(2), "connecting beats not connected");
    bench.turn(Duration::ZERO);
    assert_eq!(least(&mut bench), Some(3), "its name is not known: it is backing off");
    bench.client.ready(&nodes[2], bench.now);
    bench.turn(Duration::ZERO);
    assert_eq!(least(&mut bench), None);
    bench.now += SECOND;
    assert_eq!(least(&mut bench), Some(2), "the longest ago");
}

/// Whatever the network does, each note comes back once.
#[test]
fn each_note_comes_back_exactly_once() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::with(NetworkSettings { max_idle: Some(SECOND * 20), ..settings() }, 2);
        let (mut back, mut closed) = (Vec::new(), false);
        for step in 0.. {
            if step < 300 && bench.ready() == Readiness::Ready {
                let time = SECOND * random.u32(1..10);
                let answered = random.u8(..4) > 0;
                let expect = if answered { Expect::AnswerWithin(time) } else { Expect::WrittenWithin(time) };
                bench.send_with(expect);
            }
            if step == 300 {
                (closed, _) = (true, bench.client.close(bench.now));
            }
            for outcome in bench.turn(Duration::from_millis(random.u64(0..4000))) {
                match outcome {
                    Outcome::Answered { note, .. } | Outcome::Written { note, .. } => back.push(note),
                    Outcome::Failed { note, .. } => back.push(note),
                    _ => {}
                }
            }
            if closed {
                break;
            }
            stir(bench.client.network(), &mut random);
        }
        back.sort_unstable();
        assert_eq!(back, (1..=bench.next_note).collect::<Vec<_>>(), "seed {seed}");
        assert!(bench.next_note > 20 && bench.client.network().sockets.is_empty());
    }
}

/// The network's moods: little room, answers in parts, ends in the middle, refusals.
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
