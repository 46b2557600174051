//! What TLS and SASL make of connections, and what goes wrong with them there.
//!
//! Owns: where a connection breaks, whose end is whose, when work in the background is done. Must not know: what the steps
//! are about.

use crate::network::{Job, SocketId};
use crate::simulation::happening::{ConnectionEnd, Happening};
use crate::simulation::login_watch::peer_of;
use crate::simulation::network::SimulatedNetwork;
use crate::simulation::security_step::{SecurityStep, TravelWay};

impl SimulatedNetwork {
    pub(super) fn secure(&mut self, step: SecurityStep) {
        let Some(secured) = &mut self.secured else { return };
        let Some(broker) = secured.carry_out(step, &mut self.brokers.rules) else { return };
        let links: Vec<SocketId> =
            self.links.iter().filter(|(_, link)| link.broker == broker).map(|(id, _)| *id).collect();
        for id in links {
            let bytes = self.layers.new_keys(id);
            if !bytes.is_empty() {
                self.count("new keys");
                self.send_to_client(id, bytes);
            }
        }
    }

    pub(super) fn calm_security(&mut self) {
        let Some(secured) = &mut self.secured else { return };
        let held = secured.calm(&mut self.brokers.rules);
        held.into_iter().for_each(|work| self.schedule(self.now, Happening::Worked(work)));
        self.links.values_mut().for_each(|link| link.cut = None);
    }

    fn count(&mut self, what: &str) {
        self.secured.iter_mut().for_each(|secured| secured.count(what.to_owned()));
    }

    /// The client begins to connect: its layer is known.
    pub(super) fn begin_secured(&mut self, id: SocketId, broker: i32) {
        let Some(secured) = &mut self.secured else { return };
        let (log, cut) = (secured.take_layer(), secured.take_cut(broker));
        log.into_iter().for_each(|log| self.layers.begun(id, log));
        self.links.get_mut(&id).into_iter().for_each(|link| link.cut = cut);
    }

    /// The broker accepts a connection.
    pub(super) fn accept(&mut self, id: SocketId, broker: i32) {
        let accepted = self.secured.as_mut().and_then(|secured| secured.accept(broker));
        accepted.into_iter().for_each(|(end, is_impostor)| self.layers.accepted(id, end, is_impostor));
    }

    /// Work in the background is done when it is its turn.
    pub(super) fn begin_work(&mut self, work: Job) {
        let latency = self.link_quality.latency(&mut self.random);
        let Some(secured) = &mut self.secured else {
            return self.schedule(self.now + latency, Happening::Worked(work));
        };
        match secured.work_delay() {
            Some(delay) => self.schedule(self.now + latency + delay, Happening::Worked(work)),
            None => secured.hold_back(work),
        }
    }

    /// The client has written these bytes.
    pub(super) fn send_to_broker(&mut self, id: SocketId, mut bytes: Vec<u8>) {
        let is_cut = self.passes(id, TravelWay::ToBroker, &mut bytes);
        self.dispatch(id, Happening::ToBroker(id, bytes));
        if is_cut {
            self.dispatch(id, Happening::Broken(id, ConnectionEnd::Reset));
            self.lose_the_rest(id);
        }
    }

    /// A broker, or the TLS around it, has written these bytes.
    pub(super) fn send_to_client(&mut self, id: SocketId, mut bytes: Vec<u8>) {
        if self.passes(id, TravelWay::ToClient, &mut bytes) {
            self.deliver(id, Happening::PieceToClient(id, bytes));
            let end = if self.random.bool() { ConnectionEnd::Orderly } else { ConnectionEnd::Reset };
            self.deliver(id, Happening::Broken(id, end));
            self.lose_the_rest(id);
        } else {
            self.deliver(id, Happening::ToClient(id, bytes));
        }
    }

    fn lose_the_rest(&mut self, id: SocketId) {
        self.links.get_mut(&id).into_iter().for_each(|link| link.is_silent = true);
    }

    /// Whether the connection breaks within these bytes, of which those remain that come before.
    fn passes(&mut self, id: SocketId, way: TravelWay, bytes: &mut Vec<u8>) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let Some((_, left)) = link.cut.as_mut().filter(|(cut, _)| *cut == way) else { return false };
        if bytes.len() <= *left {
            *left -= bytes.len();
            return false;
        }
        bytes.truncate(*left);
        let place = if !self.layers.is_established(id) {
            "TLS"
        } else if self.wire.logins.is_saying(id) {
            "the login"
        } else {
            "requests"
        };
        self.count(&format!("cut in {place} {way:?}"));
        true
    }

    pub(super) fn break_link(&mut self, id: SocketId, end: ConnectionEnd) {
        if !self.links.contains_key(&id) {
            return;
        }
        self.upcoming.retain(|_, happening| happening.socket() != Some(id));
        self.drop_link(id);
        self.schedule(self.now, Happening::ClosedByBroker(id, end));
    }

    /// The client closes a connection: it may have waited for TLS for too long.
    pub(super) fn note_given_up(&mut self, id: SocketId) {
        if !self.layers.is_cut_off_in_handshake(id) {
            return;
        }
        let second = self.elapsed().as_secs();
        *self.wire.logins.refusals.entry((peer_of(id), second)).or_default() += 1;
        if self.links.get(&id).is_some_and(|link| link.connection.is_some()) {
            self.count("given up in TLS");
        }
    }
}
