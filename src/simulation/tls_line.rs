//! `TlsLine`: TLS on one simulated connection: the broker's end of it, and what goes in it, for those who look on.
//!
//! Owns: which bytes hold which requests and answers. Must not know: when bytes travel, what requests say.
//! Holds: what the client's layer takes is noted as it takes it, what the broker's end takes likewise; nothing is decrypted
//! for it but by the two ends. What the broker reads is what the client has written.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kafka_embedded::{TlsEnd, TlsState};

use crate::error::Error;
use crate::network::{PeerState, TransportLayer};
use crate::simulation::history::Violation;

/// What a layer of the client has wrapped, and its socket has not taken.
#[derive(Debug, Clone, Default)]
pub(super) struct LayerLog(Arc<Mutex<VecDeque<Wrapped>>>);

/// Some wrapped bytes: how many, and the bytes of requests in them.
#[derive(Debug)]
struct Wrapped {
    length: usize,
    plain: Vec<u8>,
}

impl LayerLog {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Wrapped>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, length: usize, plain: Vec<u8>) {
        if length > 0 {
            self.lock().push_back(Wrapped { length, plain });
        }
    }
}

/// A layer of the client, of which is noted what it does.
#[derive(Debug)]
pub(super) struct ObservedLayer {
    pub(super) layer: Box<dyn TransportLayer>,
    pub(super) log: LayerLog,
}

impl TransportLayer for ObservedLayer {
    fn name(&self) -> &'static str {
        self.layer.name()
    }

    fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let before = out.len();
        let outcome = self.layer.start(out);
        self.log.note(out.len() - before, Vec::new());
        outcome
    }

    fn is_established(&self) -> bool {
        self.layer.is_established()
    }

    fn encode(&mut self, plain: &[IoSlice<'_>], out: &mut Vec<u8>) -> Result<usize, Error> {
        assert!(self.layer.is_established(), "nothing goes before the handshake is over");
        let before = out.len();
        let taken = self.layer.encode(plain, out)?;
        let bytes = plain.iter().flat_map(|slice| slice.iter().copied()).take(taken);
        self.log.note(out.len() - before, bytes.collect());
        Ok(taken)
    }

    fn decode(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<PeerState, Error> {
        let before = out.len();
        let outcome = self.layer.decode(bytes, plain, out);
        self.log.note(out.len() - before, Vec::new());
        outcome
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        self.layer.close(out);
        self.log.note(out.len() - before, Vec::new());
    }
}

/// What the client has written to its socket.
pub(super) struct WrittenBytes {
    /// The bytes of requests that it wants to write, …
    pub(super) plain: Vec<u8>,
    /// … and how many of them the broker will be able to read.
    pub(super) left: usize,
}

/// One connection.
pub(super) struct TlsLine {
    log: LayerLog,
    /// Once it is connected.
    end: Option<TlsEnd>,
    /// What is at the other end is not the broker, as far as the client can know.
    is_impostor: bool,
    was_established: bool,
    /// What the broker will read.
    expected: VecDeque<u8>,
    /// Where each answer ends among all bytes to the client, and the answer, until it has arrived; its length until it is read.
    arriving: VecDeque<(u64, Vec<u8>)>,
    reading: VecDeque<(u64, usize)>,
    sent: u64,
    arrived: u64,
    read: u64,
    records: RecordHeads,
    /// The last write was cut short; when that was made up for.
    is_behind: bool,
    caught_up: Option<Instant>,
    remarks: Vec<Violation>,
}

impl TlsLine {
    pub(super) fn new(log: LayerLog) -> TlsLine {
        TlsLine {
            log,
            end: None,
            is_impostor: false,
            was_established: false,
            expected: VecDeque::new(),
            arriving: VecDeque::new(),
            reading: VecDeque::new(),
            sent: 0,
            arrived: 0,
            read: 0,
            records: RecordHeads::default(),
            is_behind: false,
            caught_up: None,
            remarks: Vec::new(),
        }
    }

    /// The connection stands.
    pub(super) fn accepted(&mut self, end: TlsEnd, is_impostor: bool) {
        (self.end, self.is_impostor) = (Some(end), is_impostor);
    }

    pub(super) fn is_established(&self) -> bool {
        self.end.as_ref().is_some_and(TlsEnd::is_established)
    }

    /// Somebody has accepted it, and the handshake never came to its end.
    pub(super) fn is_cut_off_in_handshake(&self) -> bool {
        self.end.is_some() && !self.was_established
    }

    pub(super) fn end(&mut self) -> Option<&mut TlsEnd> {
        self.end.as_mut()
    }

    pub(super) fn take_remarks(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.remarks)
    }

    /// The client's socket takes these bytes.
    pub(super) fn written(&mut self, bytes: &[u8]) -> WrittenBytes {
        if !self.records.read(bytes) {
            self.remark("bytes go that are not TLS");
        }
        let (mut rest, mut plain, mut left) = (bytes.len(), Vec::new(), 0);
        let mut log = self.log.lock();
        while let Some(first) = log.front_mut() {
            let part = first.length.min(rest);
            (first.length, rest) = (first.length - part, rest - part);
            if first.length > 0 {
                break;
            }
            plain.extend(log.pop_front().into_iter().flat_map(|wrapped| wrapped.plain));
            left = plain.len();
        }
        log.iter().for_each(|wrapped| plain.extend_from_slice(&wrapped.plain));
        drop(log);
        if rest > 0 {
            self.remark("bytes go that no layer has wrapped");
        }
        if self.is_impostor && !plain.is_empty() {
            self.remark("a request goes to one that has not shown that it is the broker");
        }
        self.expected.extend(&plain[..left]);
        WrittenBytes { plain, left }
    }

    /// Whether what is written now was to go earlier already, or in the same moment as something that was.
    pub(super) fn catches_up(&mut self, now: Instant, is_cut_short: bool) -> bool {
        let was_behind = std::mem::replace(&mut self.is_behind, is_cut_short);
        if was_behind && !is_cut_short {
            self.caught_up = Some(now);
        }
        was_behind || self.caught_up == Some(now)
    }

    /// The bytes reach the broker: adds the requests in them to `plain`, and what goes back to `out`.
    pub(super) fn carry_to_broker(
        &mut self,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> TlsState {
        let Some(end) = &mut self.end else { return TlsState::Open };
        let state = end.receive(bytes, plain, out);
        self.was_established |= end.is_established();
        if state == TlsState::Ended {
            end.close(out);
        }
        self.sent += out.len() as u64;
        let expected = self.expected.drain(..plain.len().min(self.expected.len()));
        if !expected.eq(plain.iter().copied()) {
            self.remark("a broker reads something else than was written");
        }
        state
    }

    /// The broker answers: what goes on its way for it.
    pub(super) fn answer(&mut self, answer: Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(end) = &mut self.end else { return out };
        let _ = end.send(&answer, &mut out);
        self.sent += out.len() as u64;
        if !out.is_empty() {
            self.reading.push_back((self.sent, answer.len()));
            self.arriving.push_back((self.sent, answer));
        }
        out
    }

    /// The broker takes new keys: what it says of that. Nothing where the connection does not stand.
    pub(super) fn new_keys(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(end) = &mut self.end {
            end.refresh_keys(&mut out);
        }
        self.sent += out.len() as u64;
        out
    }

    /// The broker ends the connection: what it says of that.
    pub(super) fn close(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.end.iter_mut().for_each(|end| end.close(&mut out));
        self.sent += out.len() as u64;
        out
    }

    /// So many bytes have arrived at the client: the answers that are whole now.
    pub(super) fn arrived(&mut self, count: usize) -> Vec<Vec<u8>> {
        self.arrived += count as u64;
        let mut answers = Vec::new();
        while self.arriving.front().is_some_and(|(end, _)| *end <= self.arrived) {
            answers.extend(self.arriving.pop_front().map(|(_, answer)| answer));
        }
        answers
    }

    /// The client has read so many bytes: how many bytes of answers it has now.
    pub(super) fn read(&mut self, count: usize) -> usize {
        self.read += count as u64;
        let mut bytes = 0;
        while self.reading.front().is_some_and(|(end, _)| *end <= self.read) {
            bytes += self.reading.pop_front().map_or(0, |(_, length)| length);
        }
        bytes
    }

    fn remark(&mut self, text: &str) {
        self.remarks.push(Violation::Insecure(text.to_owned()));
    }
}

/// The heads of TLS's records in a stream of bytes.
#[derive(Default)]
struct RecordHeads {
    head: Vec<u8>,
    /// How much of a record is still to come.
    rest: usize,
}

impl RecordHeads {
    /// Whether these bytes can be TLS.
    fn read(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let part = self.rest.min(bytes.len());
            (self.rest, bytes) = (self.rest - part, &bytes[part..]);
            let part = (HEAD_BYTES - self.head.len()).min(bytes.len());
            if self.rest > 0 || part == 0 {
                continue;
            }
            self.head.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if let [kind, version, _, high, low] = self.head[..] {
                self.rest = usize::from(u16::from_be_bytes([high, low]));
                self.head.clear();
                if !(20..=23).contains(&kind) || version != 3 || self.rest > MOST_IN_A_RECORD {
                    return false;
                }
            }
        }
        true
    }
}

const HEAD_BYTES: usize = 5;
const MOST_IN_A_RECORD: usize = 16_384 + 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_plain_text_are_seen_and_records_in_any_pieces_are_none() {
        let request = [0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 0];
        assert!(!RecordHeads::default().read(&request));
        let records =
            [&[22, 3, 1, 0, 3, 1, 2, 3][..], &[23, 3, 3, 0, 1, 9], &[21, 3, 3, 0, 2, 1, 0]].concat();
        for size in 1..=records.len() {
            let mut heads = RecordHeads::default();
            assert!(records.chunks(size).all(|piece| heads.read(piece)), "{size}");
            assert!(!heads.read(&request), "{size}");
        }
    }

    #[test]
    fn what_has_left_is_told_from_what_is_only_wrapped() {
        let log = LayerLog::default();
        let mut line = TlsLine::new(log.clone());
        log.note(7, Vec::new());
        log.note(8, b"one".to_vec());
        log.note(8, b"two".to_vec());
        let record = |length: u8| [&[23, 3, 3, 0, length][..], &vec![0; usize::from(length)]].concat();
        let bytes = [record(2), record(3), record(3)].concat();
        let written = line.written(&bytes[..16]);
        assert_eq!((&*written.plain, written.left), (&b"onetwo"[..], 3));
        let written = line.written(&bytes[16..]);
        assert_eq!((&*written.plain, written.left), (&b"two"[..], 3));
        assert_eq!(line.take_remarks(), []);
        line.written(&record(1));
        assert_eq!(line.take_remarks().len(), 1, "nobody has wrapped that");
    }
}
