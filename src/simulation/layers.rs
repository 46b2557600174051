//! `Layers`: envelopes at the brokers' ends of connections, and what goes in them, for those who look on.
//!
//! Owns: what has come of each connection's envelopes, at either end. Must not know: when bytes travel.
//! Holds: without envelopes all bytes are as they are.

use std::collections::BTreeMap;

use crate::network::SocketId;
use crate::network::test_channels::{BrokerEnvelopes, EnvelopeReader};

#[derive(Default)]
pub(super) struct Layers {
    /// All connections have one.
    pub(super) are_there: bool,
    connections: BTreeMap<SocketId, ConnectionEnds>,
}

struct ConnectionEnds {
    broker: BrokerEnvelopes,
    /// What the client has written, what has arrived for it, and what it has read.
    written: EnvelopeReader,
    arrived: EnvelopeReader,
    read: EnvelopeReader,
    /// The part of an answer that has arrived.
    answer: Vec<u8>,
}

impl Default for ConnectionEnds {
    fn default() -> Self {
        ConnectionEnds {
            broker: BrokerEnvelopes::new(None),
            written: EnvelopeReader::of_client(),
            arrived: EnvelopeReader::of_broker(),
            read: EnvelopeReader::of_broker(),
            answer: Vec::new(),
        }
    }
}

impl Layers {
    fn ends(&mut self, id: SocketId) -> &mut ConnectionEnds {
        self.connections.entry(id).or_default()
    }

    /// What the requests of the client are in these bytes that it has written, and whether it has to wait now before it
    /// can write more.
    pub(super) fn written(&mut self, id: SocketId, bytes: &[u8]) -> (Vec<u8>, bool) {
        let reader = &mut self.ends(id).written;
        let changes = reader.changes();
        let plain = reader.read(bytes);
        (plain, reader.changes() != changes)
    }

    /// The bytes reach the broker: what it reads in them, and what goes back without it.
    pub(super) fn send_to_broker(&mut self, id: SocketId, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut plain, mut back) = (Vec::new(), Vec::new());
        self.ends(id).broker.received(bytes, &mut plain, &mut back);
        (plain, back)
    }

    /// A broker answers: what goes on its way for it now.
    pub(super) fn receive_from_broker(&mut self, id: SocketId, answer: Vec<u8>) -> Vec<u8> {
        if !self.are_there {
            return answer;
        }
        let mut out = Vec::new();
        self.ends(id).broker.send(&answer, &mut out);
        out
    }

    /// The bytes reach the client: the answers, with their length in front, that are whole now.
    pub(super) fn arrived(&mut self, id: SocketId, bytes: &[u8]) -> Vec<Vec<u8>> {
        if !self.are_there {
            return vec![bytes.to_vec()];
        }
        let ends = self.ends(id);
        ends.answer.extend(ends.arrived.read(bytes));
        let mut answers = Vec::new();
        while let Some(length) = ends.answer.first_chunk::<4>() {
            let end = 4 + u32::from_be_bytes(*length) as usize;
            if ends.answer.len() < end {
                break;
            }
            answers.push(ends.answer.drain(..end).collect());
        }
        answers
    }

    /// The client reads these bytes: how many of them answers have.
    pub(super) fn read(&mut self, id: SocketId, bytes: &[u8]) -> usize {
        if self.are_there { self.ends(id).read.read(bytes).len() } else { bytes.len() }
    }
}
