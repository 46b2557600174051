//! A client and the network that only exists in memory: what the tests do with them, and what came of it in short.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::broker::{self, SECOND, asked, node, ping, pong, settings};
use super::fake::FakeNetwork;
use crate::cluster::Node;
use crate::config::Settings;
use crate::error::Error;
use crate::metrics::Meters;
use crate::network::test_channels::SimulatedChannels;
use crate::network::{Expect, NetworkClient, Outcome, Readiness, RequestFailure, Transport};

pub(super) struct Fixture {
    pub(super) client: NetworkClient<FakeNetwork, u32>,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) node: Node,
    pub(super) next_note: u32,
}

pub(super) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 9092))
}

impl Fixture {
    /// One broker, id 1, whose name has one address.
    pub(super) fn new() -> Self {
        Fixture::with(settings(), 1)
    }

    pub(super) fn with(settings: Settings, addresses: u8) -> Self {
        let channels = SimulatedChannels { is_layered: is_layered(), authority: None };
        Fixture::with_channels(settings, addresses, channels)
    }

    pub(super) fn with_channels(settings: Settings, addresses: u8, channels: SimulatedChannels) -> Self {
        let mut network = FakeNetwork::new();
        network.is_layered = channels.is_layered;
        network.names.insert("kafka".to_owned(), (1..=addresses).map(address).collect());
        let now = Instant::now();
        let client = NetworkClient::new(
            Transport { network, channels: Arc::new(channels) },
            Arc::new(settings),
            Arc::new(Meters::unnamed()),
            fastrand::Rng::with_seed(1),
        );
        Fixture { client, start: now, now, node: node(1, "kafka", 9092), next_note: 0 }
    }

    pub(super) fn connected() -> Self {
        let mut fixture = Fixture::new();
        fixture.connect();
        fixture
    }

    pub(super) fn ready(&mut self) -> Readiness {
        self.client.ready(&self.node, self.now)
    }

    /// One turn that waits for `time` at most. What a layer says by itself takes turns of its own, and no time.
    pub(super) fn turn(&mut self, time: Duration) -> Vec<Outcome<u32>> {
        let mut outcomes = Vec::new();
        self.now = self.client.poll(self.now, Some(self.now + time), &mut outcomes);
        self.read_what_is_owed(&mut outcomes);
        outcomes
    }

    fn read_what_is_owed(&mut self, outcomes: &mut Vec<Outcome<u32>>) {
        while self.client.network().owes() {
            self.now = self.client.poll(self.now, Some(self.now), outcomes);
        }
    }

    /// Turns until something is told.
    pub(super) fn next(&mut self) -> Vec<Outcome<u32>> {
        let mut outcomes = Vec::new();
        while outcomes.is_empty() {
            self.now = self.client.poll(self.now, None, &mut outcomes);
        }
        outcomes
    }

    pub(super) fn answer_versions(&mut self) {
        let socket = self.client.network().socket();
        let requests = socket.take_requests();
        assert_eq!(requests.len(), 1);
        socket.answer(&broker::versions(asked(&requests[0])));
    }

    pub(super) fn connect(&mut self) {
        assert_eq!(self.ready(), Readiness::Waiting);
        assert_eq!(self.turn(SECOND).len() + self.turn(SECOND).len(), 0);
        self.answer_versions();
        assert!(matches!(self.turn(SECOND)[..], [Outcome::Connected { node: 1 }]));
    }

    pub(super) fn send(&mut self) -> u32 {
        self.send_with(Expect::AnswerWithin(SECOND * 30))
    }

    pub(super) fn send_with(&mut self, expect: Expect) -> u32 {
        self.next_note += 1;
        self.client.send(1, &ping(), expect, self.next_note, self.now).unwrap();
        self.next_note
    }

    /// The thread is elsewhere for this time.
    pub(super) fn stay_away(&mut self, time: Duration) {
        self.client.network().away = time;
        self.now += time;
    }

    pub(super) fn requests(&mut self) -> Vec<i32> {
        let requests = self.client.network().socket().take_requests();
        requests.iter().map(|request| asked(request).correlation_id).collect()
    }

    pub(super) fn answer(&mut self, correlation_id: i32) {
        self.client.network().socket().answer(&pong(correlation_id));
    }
}

thread_local!(static IS_LAYERED: Cell<bool> = const { Cell::new(false) });

/// Whether connections are made with a layer around all bytes, in this test.
pub(super) fn is_layered() -> bool {
    IS_LAYERED.get()
}

/// Runs a test once more, with a layer around all bytes.
pub(super) fn with_a_layer(test: impl FnOnce()) {
    IS_LAYERED.set(true);
    test();
    IS_LAYERED.set(false);
}

/// The tests of a file once more, with a layer around all bytes. None may be missing.
macro_rules! once_more_with_a_layer {
    ($file:literal: $($test:ident),* $(,)?) => {
        mod with_a_layer {
            use crate::network::tests::fixture::with_a_layer;

            $(#[test] fn $test() { with_a_layer(super::$test); })*

            #[test]
            fn none_is_missing() {
                let listed = [$(stringify!($test)),*];
                let tests = include_str!($file).split("#[test]\nfn ").skip(1);
                let tests: Vec<_> = tests.filter_map(|test| test.split('(').next()).collect();
                assert_eq!(tests, listed);
            }
        }
    };
}

pub(super) use once_more_with_a_layer;

/// What came of the contexts, short.
pub(super) fn summary(outcomes: &[Outcome<u32>]) -> String {
    let word = |outcome: &Outcome<u32>| match outcome {
        Outcome::Answered { context, .. } => format!("answered {context}"),
        Outcome::Written { context, .. } => format!("written {context}"),
        Outcome::Failed { context, failure: RequestFailure::TimedOut, .. } => format!("timed out {context}"),
        Outcome::Failed { context, failure: RequestFailure::Disconnected, .. } => format!("failed {context}"),
        Outcome::Connected { .. } => "connected".to_owned(),
        Outcome::Bootstrapped(_) => "bootstrapped".to_owned(),
        Outcome::Disconnected { .. } => "disconnected".to_owned(),
        Outcome::Closed { .. } => "closed".to_owned(),
    };
    outcomes.iter().map(word).collect::<Vec<_>>().join(", ")
}

pub(super) fn disconnection(outcomes: &[Outcome<u32>]) -> Error {
    match outcomes.last() {
        Some(Outcome::Disconnected { error, .. }) => error.clone(),
        other => panic!("{other:?}"),
    }
}
