//! `Layers`: what lies around the bytes of connections, envelopes or TLS, at the brokers' ends; and what goes in it, for those
//! who look on.
//!
//! Owns: which kind there is, and each connection's. Must not know: when bytes travel.
//! Holds: without a layer all bytes are as they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_embedded::{TlsEnd, TlsState};

use crate::network::SocketId;
use crate::network::test_channels::{BrokerEnvelopes, EnvelopeReader};
use crate::simulation::happening::ConnectionEnd;
use crate::simulation::history::Violation;
use crate::simulation::tls_line::{LayerLog, TlsLine, WrittenBytes};

#[derive(Default)]
pub(super) struct Layers {
    /// All connections have envelopes.
    pub(super) has_envelopes: bool,
    envelopes: BTreeMap<SocketId, EnvelopeEnds>,
    tls: BTreeMap<SocketId, TlsLine>,
    /// What was seen to be wrong on connections that are over.
    remarks: Vec<Violation>,
}

/// What a broker's end makes of bytes.
#[derive(Default)]
pub(super) struct FromClient {
    /// What it reads in them, …
    pub(super) plain: Vec<u8>,
    /// … what goes back without a broker, …
    pub(super) back: Vec<u8>,
    /// … how much later, …
    pub(super) delay: Duration,
    /// … and then this, if the connection is over.
    pub(super) end: Option<ConnectionEnd>,
}

/// What the client has written to a connection that has a layer.
pub(super) struct WrittenThroughLayer {
    /// The bytes of requests that it wants to write, …
    pub(super) plain: Vec<u8>,
    /// … and how many of them the broker will be able to read.
    pub(super) left: usize,
    /// It was to go earlier already, …
    pub(super) is_late: bool,
    /// … and so is what comes next.
    pub(super) is_behind: bool,
}

struct EnvelopeEnds {
    broker: BrokerEnvelopes,
    /// What the client has written, what has arrived for it, and what it has read.
    written: EnvelopeReader,
    arrived: EnvelopeReader,
    read: EnvelopeReader,
    /// The part of an answer that has arrived.
    answer: Vec<u8>,
}

impl Default for EnvelopeEnds {
    fn default() -> Self {
        EnvelopeEnds {
            broker: BrokerEnvelopes::new(None),
            written: EnvelopeReader::of_client(),
            arrived: EnvelopeReader::of_broker(),
            read: EnvelopeReader::of_broker(),
            answer: Vec::new(),
        }
    }
}

impl Layers {
    fn ends(&mut self, id: SocketId) -> &mut EnvelopeEnds {
        self.envelopes.entry(id).or_default()
    }

    /// A connection is begun whose layer is noted here.
    pub(super) fn begun(&mut self, id: SocketId, log: LayerLog) {
        self.tls.insert(id, TlsLine::new(log));
    }

    /// The broker has accepted it.
    pub(super) fn accepted(&mut self, id: SocketId, end: TlsEnd, is_impostor: bool) {
        if let Some(line) = self.tls.get_mut(&id) {
            line.accepted(end, is_impostor);
        }
    }

    /// Both ends have let go of it.
    pub(super) fn forget(&mut self, id: SocketId) {
        self.envelopes.remove(&id);
        let mut line = self.tls.remove(&id);
        self.remarks.extend(line.iter_mut().flat_map(TlsLine::take_remarks));
    }

    /// Whether the layer's own handshake is over, as far as the broker knows.
    pub(super) fn is_established(&self, id: SocketId) -> bool {
        self.tls.get(&id).is_none_or(TlsLine::is_established)
    }

    /// Whether the broker has accepted it, and the layer's handshake never came to its end.
    pub(super) fn is_cut_off_in_handshake(&self, id: SocketId) -> bool {
        self.tls.get(&id).is_some_and(TlsLine::is_cut_off_in_handshake)
    }

    /// What was seen to be wrong.
    pub(super) fn take_remarks(&mut self) -> Vec<Violation> {
        let open = self.tls.values_mut().flat_map(TlsLine::take_remarks);
        self.remarks.drain(..).chain(open).collect()
    }

    /// What the requests of the client are in these bytes that it has written; none where there is no layer. `now` and
    /// `is_cut_short` are those of this write.
    pub(super) fn written(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        now: Instant,
        is_cut_short: bool,
    ) -> Option<WrittenThroughLayer> {
        if let Some(line) = self.tls.get_mut(&id) {
            let (is_late, WrittenBytes { plain, left }) =
                (line.catches_up(now, is_cut_short), line.written(bytes));
            let is_behind = is_cut_short || left < plain.len();
            return Some(WrittenThroughLayer { plain, left, is_late, is_behind });
        }
        if !self.has_envelopes {
            return None;
        }
        let reader = &mut self.ends(id).written;
        let changes = reader.changes();
        let plain = reader.read(bytes);
        // The side that changes the mask waits for the other side.
        let is_behind = reader.changes() != changes || is_cut_short;
        Some(WrittenThroughLayer { left: plain.len(), plain, is_late: false, is_behind })
    }

    /// The bytes reach the broker.
    pub(super) fn send_to_broker(&mut self, id: SocketId, bytes: &[u8]) -> FromClient {
        let mut from = FromClient::default();
        if let Some(line) = self.tls.get_mut(&id) {
            from.delay = line.end().map_or(Duration::ZERO, |end| end.delay());
            from.end = match line.carry_to_broker(bytes, &mut from.plain, &mut from.back) {
                TlsState::Open => None,
                TlsState::Cut => Some(ConnectionEnd::Reset),
                TlsState::Ended | TlsState::Failed(_) => Some(ConnectionEnd::Orderly),
            };
        } else if self.has_envelopes {
            self.ends(id).broker.received(bytes, &mut from.plain, &mut from.back);
        } else {
            from.plain.extend_from_slice(bytes);
        }
        from
    }

    /// A broker answers: what goes on its way for it now.
    pub(super) fn receive_from_broker(&mut self, id: SocketId, answer: Vec<u8>) -> Vec<u8> {
        if let Some(line) = self.tls.get_mut(&id) {
            return line.answer(answer);
        }
        if !self.has_envelopes {
            return answer;
        }
        let mut out = Vec::new();
        self.ends(id).broker.send(&answer, &mut out);
        out
    }

    /// A broker takes new keys: what it says of that.
    pub(super) fn new_keys(&mut self, id: SocketId) -> Vec<u8> {
        self.tls.get_mut(&id).map(TlsLine::new_keys).unwrap_or_default()
    }

    /// A broker ends the connection: what it says of that.
    pub(super) fn close(&mut self, id: SocketId) -> Vec<u8> {
        self.tls.get_mut(&id).map(TlsLine::close).unwrap_or_default()
    }

    /// The bytes reach the client: the answers, with their length in front, that are whole now.
    pub(super) fn arrived(&mut self, id: SocketId, bytes: &[u8]) -> Vec<Vec<u8>> {
        if let Some(line) = self.tls.get_mut(&id) {
            return line.arrived(bytes.len());
        }
        if !self.has_envelopes {
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

    /// So many bytes reach the client, and nothing after them.
    pub(super) fn arrived_in_part(&mut self, id: SocketId, count: usize) {
        self.tls.get_mut(&id).into_iter().for_each(|line| drop(line.arrived(count)));
    }

    /// The client reads these bytes: how many of them answers have.
    pub(super) fn read(&mut self, id: SocketId, bytes: &[u8]) -> usize {
        if let Some(line) = self.tls.get_mut(&id) {
            return line.read(bytes.len());
        }
        if self.has_envelopes { self.ends(id).read.read(bytes).len() } else { bytes.len() }
    }
}
