//! Throttling: brokers that ask to be left alone for a while (`throttle_time_ms`).
//!
//! Owns: for whom such a pause holds. Must not know: which answer asked for it.
//! Holds: a broker is left alone at its address, under whatever id it is known. Its connection keeps the pause
//! (`ConnectionState::pause`), and it is not ready before its end.
//! Source: KIP-219.

use std::time::{Duration, Instant};

use super::connection_state::{Pause, later};
use super::connections::Connections;
use super::seam::Network;

impl<N: Network, T> Connections<N, T> {
    /// A broker wants to be left alone. It does so at its address, under whatever id it is known.
    pub(super) fn pause(&mut self, id: i32, time: Duration, now: Instant) {
        let Some(asked) = self.peers.remove(&id) else { return };
        let pause = Pause { time, until: later(now, time) };
        for peer in self.peers.values_mut().filter(|peer| peer.is_beside(&asked)) {
            peer.state.pause(pause);
        }
        let peer = self.peers.entry(id).or_insert(asked);
        peer.state.pause(pause);
    }
}
