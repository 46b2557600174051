//! What travels between client and brokers: when it arrives, and what the brokers do with it.
//!
//! Owns: the ways of bytes, both directions. Must not know: what they say, what goes wrong on purpose.

use std::time::Instant;

use kafka_embedded::{Action, ActionKind, ClusterRules};

use crate::logging;
use crate::network::SocketId;
use crate::simulation::ends::BrokerEnd;
use crate::simulation::happening::{ConnectionEnd, Happening};
use crate::simulation::layers::FromClient;
use crate::simulation::network::SimulatedNetwork;
use crate::simulation::trace::shown;

impl SimulatedNetwork {
    /// A connection attempt reaches the broker.
    pub(super) fn knock(&mut self, id: SocketId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.is_silent || self.random.f64() < self.link_quality.silent {
            return; // nobody answers
        }
        let broker = link.broker;
        let connected = if link.is_deserted { None } else { self.brokers.rules.connect(broker).ok() };
        match connected {
            Some(connection) => {
                link.connection = Some(connection);
                self.accept(id, broker);
                self.deliver(id, Happening::Connected(id));
            }
            None => {
                self.deliver(id, Happening::Refused(id));
                self.links.remove(&id);
            }
        }
    }

    /// Bytes reach the broker: whole frames go to the rules.
    pub(super) fn received(&mut self, id: SocketId, bytes: &[u8]) {
        if !self.links.contains_key(&id) {
            return;
        }
        let FromClient { plain, back, delay, end } = self.layers.send_to_broker(id, bytes);
        if let Some(link) = self.links.get_mut(&id) {
            link.received.extend(plain);
            if !delay.is_zero() {
                link.last_delivery = link.last_delivery.max(self.now + delay);
            }
        }
        if !back.is_empty() {
            self.send_to_client(id, back);
        }
        self.serve(id);
        if let Some(end) = end.filter(|_| self.links.contains_key(&id)) {
            self.deliver(id, Happening::ClosedByBroker(id, end));
            self.drop_link(id);
        }
    }

    /// The broker deals with the whole requests that it has.
    fn serve(&mut self, id: SocketId) {
        let at = self.elapsed();
        while let Some(link) = self.links.get_mut(&id) {
            let Some(connection) = link.connection else { return };
            let Some(prefix) = link.received.first_chunk::<4>() else { return };
            let length = ClusterRules::frame_length(*prefix).expect("a request's length is sound");
            if link.received.len() < 4 + length {
                return;
            }
            let frame: Vec<u8> = link.received.drain(..4 + length).skip(4).collect();
            self.observer.asked(&frame, at);
            self.other_programs.heard(link.broker, &frame);
            let rules = &mut self.brokers.rules;
            let asked = rules.produce_requests().len();
            let actions = rules.handle(self.now, connection, frame);
            for request in &rules.produce_requests()[asked..] {
                self.observer.produce(request, at);
                logging::trace!("   broker {} <- {}", request.broker, shown(request));
            }
            self.answer(actions);
        }
    }

    /// What the brokers have to say goes on its way.
    pub(super) fn answer(&mut self, actions: Vec<Action>) {
        for action in actions {
            let found = self.links.iter().find(|(_, link)| link.connection == Some(action.connection));
            let Some(id) = found.map(|(id, _)| *id) else { continue };
            match action.kind {
                ActionKind::Answer(bytes) => {
                    let bytes = self.layers.receive_from_broker(id, bytes);
                    if !bytes.is_empty() {
                        self.send_to_client(id, bytes);
                    }
                }
                ActionKind::Close => {
                    let last = self.layers.close(id);
                    if !last.is_empty() {
                        self.send_to_client(id, last);
                    }
                    let end = if self.random.bool() { ConnectionEnd::Orderly } else { ConnectionEnd::Reset };
                    self.deliver(id, Happening::ClosedByBroker(id, end));
                    self.links.remove(&id);
                }
            }
        }
    }

    /// Sends something from a broker to the client.
    pub(super) fn deliver(&mut self, id: SocketId, happening: Happening) {
        self.carry(id, happening, |link| &mut link.last_delivery);
    }

    /// Sends something from the client to a broker.
    pub(super) fn dispatch(&mut self, id: SocketId, happening: Happening) {
        self.carry(id, happening, |link| &mut link.last_arrival);
    }

    /// Sends something over a connection, behind the last that goes the same way.
    fn carry(&mut self, id: SocketId, happening: Happening, last: fn(&mut BrokerEnd) -> &mut Instant) {
        let latency = self.link_quality.latency(&mut self.random);
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_silent) else { return };
        let free = self.stalled.get(&link.broker).copied().unwrap_or(self.now);
        let last = last(link);
        *last = (*last).max(self.now + latency).max(free);
        let at = *last;
        self.schedule(at, happening);
    }

    pub(super) fn schedule(&mut self, at: Instant, happening: Happening) {
        self.numbered += 1;
        self.upcoming.insert((at, self.numbered), happening);
    }
}
