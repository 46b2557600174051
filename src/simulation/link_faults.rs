//! What happens to the connections to a broker on purpose: they break, are slow, are forgotten between, lead elsewhere.
//!
//! Owns: what each does to what is on its way. Must not know: when it happens.

use std::time::Duration;

use crate::network::SocketId;
use crate::simulation::happening::{ConnectionEnd, Happening};
use crate::simulation::network::SimulatedNetwork;
use crate::simulation::plan::Step;
use crate::simulation::secured_setup::MOST_MOVES;

impl SimulatedNetwork {
    /// Whether this step has an effect: where no connection is, none breaks and none is slow.
    pub(super) fn finds_something(&self, step: &Step) -> bool {
        match step {
            Step::Stall(broker, _) | Step::Detain(broker, _) | Step::Cut(broker) | Step::Silence(broker) => {
                !self.links_to(*broker).is_empty()
            }
            _ => true,
        }
    }

    fn links_to(&self, broker: i32) -> Vec<SocketId> {
        self.links.iter().filter(|(_, link)| link.broker == broker).map(|(id, _)| *id).collect()
    }

    /// All connections to a broker break; what is on its way in either direction is lost.
    pub(super) fn cut(&mut self, broker: i32) {
        for id in self.links_to(broker) {
            self.upcoming.retain(|_, happening| happening.socket() != Some(id));
            self.drop_link(id);
            self.schedule(self.now, Happening::ClosedByBroker(id, ConnectionEnd::Reset));
        }
    }

    /// What is still to be sent over the connections to a broker comes later.
    pub(super) fn detain(&mut self, broker: i32, time: Duration) {
        for id in self.links_to(broker) {
            self.links
                .get_mut(&id)
                .into_iter()
                .for_each(|link| link.last_arrival = link.last_arrival.max(self.now + time));
        }
    }

    /// All connections to a broker are forgotten between.
    pub(super) fn silence(&mut self, broker: i32) {
        for id in self.links_to(broker) {
            self.upcoming.retain(|_, happening| happening.socket() != Some(id));
            if let Some(link) = self.links.get_mut(&id) {
                link.is_silent = true;
            }
        }
    }

    pub(super) fn move_broker(&mut self, broker: i32) {
        self.cut(broker);
        let moved = self.moved(broker) + 1;
        if self.secured.is_some() && moved > MOST_MOVES {
            return;
        }
        self.moved.insert(broker, moved);
        self.brokers.rules.set_address(broker, Self::host(broker, moved), Self::PORT);
    }

    pub(super) fn drop_link(&mut self, id: SocketId) {
        if let Some(connection) = self.links.remove(&id).and_then(|link| link.connection) {
            self.brokers.rules.disconnect(connection);
        }
        if !self.sockets.contains_key(&id) {
            self.layers.forget(id);
        }
    }
}
