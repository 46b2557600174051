//! `ConnectionState`: where a broker's connection stands, and when the next step may or must be taken.
//!
//! Owns: the phases, reconnect backoff, set-up time-outs, pauses, the addresses of a name that are still to be
//! tried. Must not know: sockets, requests. Pure: time and randomness come in as arguments.
//! Holds: all addresses of a name are tried, one after another, before the backoff grows. It begins anew after an answer,
//! or after a connection that stood for longer than the backoff can be; Java begins anew after the handshake, and comes
//! back at once to a listener that ends connections there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::backoff::ExponentialBackoff;
use crate::config::Settings;

/// How long to wait where, from the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionRules {
    /// `reconnect.backoff.ms` to `reconnect.backoff.max.ms`
    pub(super) reconnect: ExponentialBackoff,
    /// `socket.connection.setup.timeout.ms` to `socket.connection.setup.timeout.max.ms`
    pub(super) setup: ExponentialBackoff,
}

impl From<&Settings> for ConnectionRules {
    fn from(settings: &Settings) -> ConnectionRules {
        ConnectionRules { reconnect: settings.reconnect(), setup: settings.connection_setup() }
    }
}

/// The phases of a connection. `V`: what the handshake finds out.
#[derive(Debug)]
pub(super) enum Phase<V> {
    /// No connection; a new one not before `retry_at`.
    Disconnected { retry_at: Option<Instant> },
    /// Waiting for the addresses of the name.
    Resolving { give_up_at: Instant },
    /// Waiting for the socket to be connected.
    Connecting { give_up_at: Instant },
    /// Connected; waiting for the layer around all bytes to be established.
    Securing { give_up_at: Instant },
    /// The handshake's requests have their own deadlines.
    Handshaking,
    /// Requests may go out.
    Ready(V),
}

/// One broker's connection, as a state.
#[derive(Debug)]
pub(super) struct ConnectionState<V> {
    rules: ConnectionRules,
    phase: Phase<V>,
    /// Rounds over all addresses that failed, and connections that ended without an answer, since one last did well.
    failures: u32,
    ready_since: Option<Instant>,
    /// Sockets that could not be connected since one last was.
    setup_failures: u32,
    /// Addresses still to be tried in this round.
    addresses: std::vec::IntoIter<SocketAddr>,
    paused: Option<Pause>,
}

/// A pause that a broker has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) time: Duration,
    pub(super) until: Instant,
}

impl<V> ConnectionState<V> {
    pub(super) fn new(rules: ConnectionRules) -> Self {
        ConnectionState {
            rules,
            phase: Phase::Disconnected { retry_at: None },
            failures: 0,
            ready_since: None,
            setup_failures: 0,
            addresses: Vec::new().into_iter(),
            paused: None,
        }
    }

    /// The name is being resolved.
    pub(super) fn resolving(&mut self, now: Instant, random: &mut fastrand::Rng) {
        let give_up_at = later(now, self.rules.setup.after(self.setup_failures, random));
        self.phase = Phase::Resolving { give_up_at };
    }

    /// The name has these addresses.
    pub(super) fn resolved(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into_iter();
    }

    /// The address to try now, if one is left in this round; the set-up time begins.
    pub(super) fn next_address(&mut self, now: Instant, random: &mut fastrand::Rng) -> Option<SocketAddr> {
        let address = self.addresses.next()?;
        let give_up_at = later(now, self.rules.setup.after(self.setup_failures, random));
        self.phase = Phase::Connecting { give_up_at };
        Some(address)
    }

    /// The socket is connected. The set-up time goes on until the layer around all bytes is established.
    pub(super) fn connected(&mut self) {
        if let Phase::Connecting { give_up_at } = self.phase {
            self.phase = Phase::Securing { give_up_at };
        }
    }

    /// So it is.
    pub(super) fn established(&mut self) {
        self.setup_failures = 0;
        self.phase = Phase::Handshaking;
    }

    /// The addresses that are left in this round lead to the same refusal.
    pub(super) fn end_round(&mut self) {
        self.addresses = Vec::new().into_iter();
    }

    /// The handshake is done. That alone forgets no failure: a listener may end the connection right after it.
    pub(super) fn ready(&mut self, versions: V, now: Instant) {
        self.ready_since = Some(now);
        self.addresses = Vec::new().into_iter();
        self.phase = Phase::Ready(versions);
    }

    /// A request was answered as it should be: what failed before does not count any more.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// One address failed; others of the round may be left. Only a socket that was not connected, or whose layer was not
    /// established, lengthens the next set-up time; in Java only the former.
    pub(super) fn address_failed(&mut self) {
        if matches!(self.phase, Phase::Connecting { .. } | Phase::Securing { .. }) {
            self.setup_failures = self.setup_failures.saturating_add(1);
        }
    }

    /// The connection is lost, or no address is left: the backoff begins.
    pub(super) fn disconnected(&mut self, now: Instant, random: &mut fastrand::Rng) {
        let stood = self.ready_since.take().map(|since| now.saturating_duration_since(since));
        if stood.is_some_and(|time| time > self.rules.reconnect.longest()) {
            self.failures = 0;
        }
        let wait = self.rules.reconnect.after(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.addresses = Vec::new().into_iter();
        self.phase = Phase::Disconnected { retry_at: Some(later(now, wait)) };
    }

    /// The connection was closed on purpose; nothing speaks against a new one.
    pub(super) fn closed(&mut self) {
        self.ready_since = None;
        self.addresses = Vec::new().into_iter();
        self.phase = Phase::Disconnected { retry_at: None };
    }

    /// The broker asked for a pause; one that lasts longer already goes on.
    pub(super) fn pause(&mut self, pause: Pause) {
        if self.paused.is_none_or(|other| other.until < pause.until) {
            self.paused = Some(pause);
        }
    }

    pub(super) fn phase(&self) -> &Phase<V> {
        &self.phase
    }

    pub(super) fn is_disconnected(&self) -> bool {
        matches!(self.phase, Phase::Disconnected { .. })
    }

    pub(super) fn versions(&self) -> Option<&V> {
        if let Phase::Ready(versions) = &self.phase { Some(versions) } else { None }
    }

    /// While disconnected: the time before which no connection may be begun.
    pub(super) fn backing_off(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Disconnected { retry_at } => retry_at.filter(|at| *at > now),
            _ => None,
        }
    }

    /// The pause that the broker asked for, if it is not over.
    pub(super) fn paused(&self, now: Instant) -> Option<Pause> {
        self.paused.filter(|pause| pause.until > now)
    }

    /// Nobody has looked whether the phase is over for this time: it may last longer by it.
    pub(super) fn postpone(&mut self, by: Duration) {
        if let Phase::Resolving { give_up_at }
        | Phase::Connecting { give_up_at }
        | Phase::Securing { give_up_at } = &mut self.phase
        {
            *give_up_at = later(*give_up_at, by);
        }
    }

    /// When the phase has lasted too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resolving { give_up_at }
            | Phase::Connecting { give_up_at }
            | Phase::Securing { give_up_at } => Some(give_up_at),
            _ => None,
        }
    }
}

/// `now + wait`, or a time so far off that it never comes.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or_else(|| now + FOREVER)
}

const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> ConnectionRules {
        ConnectionRules {
            reconnect: ExponentialBackoff::new(Duration::from_millis(50), SECOND),
            setup: ExponentialBackoff::new(SECOND * 10, SECOND * 30),
        }
    }

    fn fixture() -> (ConnectionState<&'static str>, Instant, fastrand::Rng) {
        (ConnectionState::new(rules()), Instant::now(), fastrand::Rng::with_seed(1))
    }

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    fn wait(state: &ConnectionState<&'static str>, now: Instant) -> u128 {
        state.backing_off(now).map_or(0, |until| (until - now).as_millis())
    }

    #[test]
    fn the_way_to_ready() {
        let (mut state, now, mut random) = fixture();
        assert!(state.is_disconnected() && state.backing_off(now).is_none());
        state.resolving(now, &mut random);
        assert!(state.deadline().is_some_and(|at| (8..=12).contains(&(at - now).as_secs())));
        state.resolved(addresses(2));
        assert_eq!(state.next_address(now, &mut random), Some(addresses(2)[0]));
        assert!(state.deadline().is_some_and(|at| (8..=12).contains(&(at - now).as_secs())));
        state.connected();
        assert!(state.deadline().is_some_and(|at| (8..=12).contains(&(at - now).as_secs())), "it goes on");
        state.established();
        assert!(state.deadline().is_none() && state.versions().is_none());
        state.ready("versions", now);
        assert_eq!(state.versions(), Some(&"versions"));
        assert_eq!(state.next_address(now, &mut random), None, "no address is left over for later");
    }

    #[test]
    fn all_addresses_are_tried_before_the_backoff_grows() {
        let (mut state, now, mut random) = fixture();
        for (low, high) in [(40, 60), (80, 120), (160, 240), (320, 480), (640, 960), (1000, 1000)] {
            state.resolving(now, &mut random);
            state.resolved(addresses(3));
            for address in addresses(3) {
                assert_eq!(state.next_address(now, &mut random), Some(address));
                state.address_failed();
            }
            assert_eq!(state.next_address(now, &mut random), None);
            state.disconnected(now, &mut random);
            let wait = wait(&state, now);
            assert!((low..=high).contains(&wait), "{wait} ms, expected {low} to {high}");
        }
    }

    /// Fault C3.
    #[test]
    fn an_answer_or_standing_for_long_forgets_failures_and_a_handshake_does_not() {
        let (mut state, now, mut random) = fixture();
        (0..4).for_each(|_| state.disconnected(now, &mut random));
        state.connected();
        state.disconnected(now, &mut random);
        assert!(wait(&state, now) >= 640);
        state.ready("versions", now);
        state.disconnected(now + SECOND, &mut random);
        assert_eq!(wait(&state, now + SECOND), 1000);
        state.ready("versions", now);
        state.disconnected(now + SECOND * 2, &mut random);
        assert!(wait(&state, now + SECOND * 2) <= 60, "it stood for longer than that");
        (0..4).for_each(|_| state.disconnected(now, &mut random));
        state.ready("versions", now);
        state.answered();
        state.disconnected(now, &mut random);
        assert!(wait(&state, now) <= 60);
    }

    #[test]
    fn the_set_up_time_grows_with_sockets_that_were_not_connected() {
        let (mut state, now, mut random) = fixture();
        for (low, high) in [(8, 12), (16, 24), (30, 30), (30, 30)] {
            state.resolved(addresses(1));
            state.next_address(now, &mut random);
            let time = state.deadline().map_or(0, |at| (at - now).as_secs());
            assert!((low..=high).contains(&time), "{time} s, expected {low} to {high}");
            state.address_failed();
        }
        state.resolved(addresses(2));
        state.next_address(now, &mut random);
        state.connected();
        state.established();
        state.address_failed();
        state.next_address(now, &mut random);
        assert!(state.deadline().is_some_and(|at| at - now <= SECOND * 12), "it was connected in between");
    }

    #[test]
    fn a_connection_closed_on_purpose_may_come_back_at_once() {
        let (mut state, now, mut random) = fixture();
        state.disconnected(now, &mut random);
        state.ready("versions", now);
        state.closed();
        assert!(state.is_disconnected() && state.backing_off(now).is_none());
    }

    #[test]
    fn the_longest_pause_counts_and_outlives_the_connection() {
        let (mut state, now, mut random) = fixture();
        let long = Pause { time: SECOND * 3, until: now + SECOND * 3 };
        state.pause(long);
        state.pause(Pause { time: SECOND, until: now + SECOND });
        state.disconnected(now, &mut random);
        state.ready("versions", now);
        assert_eq!(state.paused(now), Some(long));
        assert_eq!(state.paused(now + SECOND * 3), None);
    }

    #[test]
    fn the_backoff_ends() {
        let (mut state, now, mut random) = fixture();
        state.disconnected(now, &mut random);
        let until = state.backing_off(now).unwrap();
        assert!(state.backing_off(until).is_none());
    }
}
