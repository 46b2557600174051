//! `InFlight`: what one connection was asked and has not answered yet, and how much of it is written; `Outcome`: what the
//! network tells of it in the end.
//!
//! Owns: the order of requests, their bytes until the answer is in, their deadlines. Must not know: sockets, what is
//! asked. Time comes in as an argument.
//! Holds: answers come in the order of the requests; a request's bytes (record batches included) live as long as the
//! request is here, so that no buffer is used again while the network may still read it (KAFKA-19012).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::connection_state::later;
use crate::wire::EncodedMessage;

use crate::cluster::Node;
use crate::error::Error;

/// A request on its way.
#[derive(Debug)]
pub(super) struct InFlightRequest<T> {
    pub(super) context: T,
    pub(super) correlation_id: i32,
    pub(super) version: i16,
    pub(super) name: &'static str,
    pub(super) expects_answer: bool,
    pub(super) sent_at: Instant,
    pub(super) deadline: Instant,
    pub(super) message: EncodedMessage,
}

/// The requests of one connection, oldest first: written ones that wait for their answer, then unwritten ones.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    entries: VecDeque<InFlightRequest<T>>,
    /// How many of the entries are wholly written.
    written: usize,
    /// How many bytes of the next one are.
    offset: usize,
    /// How many bytes behind those a layer has taken to wrap, that have not left for the socket yet.
    taken: usize,
    /// The last write took less than there was.
    congested: bool,
}

/// An answer that does not belong to the oldest written request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongAnswer {
    pub(super) expected: Option<i32>,
}

impl<T> InFlight<T> {
    pub(super) fn new() -> Self {
        InFlight { entries: VecDeque::new(), written: 0, offset: 0, taken: 0, congested: false }
    }

    pub(super) fn push(&mut self, entry: InFlightRequest<T>) {
        self.entries.push_back(entry);
    }

    /// `count` bytes, from the front of what is unwritten, went out; what is left then had no room. Requests that
    /// get no answer leave here when they are wholly written.
    pub(super) fn advance(&mut self, count: usize, finished: &mut Vec<InFlightRequest<T>>) {
        self.offset += count;
        self.taken = self.taken.saturating_sub(count);
        while let Some(entry) = self.entries.get(self.written) {
            let size = entry.message.size_bytes();
            if self.offset < size {
                break;
            }
            self.offset -= size;
            if entry.expects_answer {
                self.written += 1;
            } else {
                finished.extend(self.entries.remove(self.written));
            }
        }
        self.congested = self.has_unwritten();
    }

    /// Takes the request that an answer with this correlation id belongs to.
    pub(super) fn answered(
        &mut self,
        correlation_id: Option<i32>,
    ) -> Result<InFlightRequest<T>, WrongAnswer> {
        let oldest = self.entries.front().filter(|_| self.written > 0).map(|entry| entry.correlation_id);
        if oldest.is_none() || oldest != correlation_id {
            return Err(WrongAnswer { expected: oldest });
        }
        self.written -= 1;
        self.entries.pop_front().ok_or(WrongAnswer { expected: oldest })
    }

    /// Takes all that is here: each request, and whether it was wholly written.
    pub(super) fn abandon(&mut self) -> impl Iterator<Item = (InFlightRequest<T>, bool)> {
        let written = std::mem::take(&mut self.written);
        (self.offset, self.taken, self.congested) = (0, 0, false);
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().enumerate().map(move |(index, entry)| (entry, index < written))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Another request may be queued: fewer than `max` are on their way, and the socket keeps up. Several may be
    /// queued in one turn; what a socket has no room for holds back the turns after it.
    pub(super) fn can_send_more(&self, max: usize) -> bool {
        self.entries.len() < max && !self.congested
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.written < self.entries.len()
    }

    /// A layer takes these bytes, from the front of what none has taken yet. They count as written when they have left.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
    }

    /// There is something that no layer has taken.
    pub(super) fn has_untaken(&self) -> bool {
        let mut taken = self.offset + self.taken;
        self.entries.iter().skip(self.written).any(|request| {
            let size = request.message.size_bytes();
            let is_taken = taken >= size;
            taken = taken.saturating_sub(size);
            !is_taken
        })
    }

    /// What is not wholly written had no chance for this time: it gets it back.
    pub(super) fn postpone_unwritten(&mut self, by: Duration) {
        for entry in self.entries.iter_mut().skip(self.written) {
            entry.deadline = later(entry.deadline, by);
        }
    }

    /// When the first request runs out of time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.entries.iter().map(|entry| entry.deadline).min()
    }

    /// The oldest request.
    pub(super) fn oldest(&self) -> Option<&InFlightRequest<T>> {
        self.entries.front()
    }

    /// The oldest request whose time is up.
    pub(super) fn overdue(&self, now: Instant) -> Option<&InFlightRequest<T>> {
        self.entries.iter().find(|entry| entry.deadline <= now)
    }

    /// How many buffers the unwritten bytes lie in, counted no further than `limit`, nor beyond the request with which
    /// they come to `bytes`.
    pub(super) fn unwritten_buffers(&self, limit: usize, bytes: usize) -> usize {
        let (mut count, mut size) = (0, 0);
        for entry in self.entries.iter().skip(self.written) {
            count += entry.message.splices.len() * 2 + 1;
            size += entry.message.size_bytes();
            if count >= limit || size >= bytes {
                break;
            }
        }
        count.min(limit)
    }

    /// Points `slices` at the unwritten bytes that no layer has taken, as many as fit, and returns how many it set.
    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.offset + self.taken;
        let pieces = self.entries.iter().skip(self.written).flat_map(|entry| pieces(&entry.message));
        let unwritten = pieces.filter_map(|piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            piece.get(skipped..).filter(|rest| !rest.is_empty())
        });
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(unwritten) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }
}

/// A message's bytes in order: its own and the batches spliced in.
fn pieces(message: &EncodedMessage) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let spliced = message.splices.iter().flat_map(move |(position, batch)| {
        let own = message.bytes.get(start..*position).unwrap_or_default();
        start = *position;
        [own, batch.as_slice()]
    });
    let last = message.splices.last().map_or(0, |(position, _)| *position);
    spliced.chain(message.bytes.get(last..))
}

/// What `poll` tells.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// The answer to a request: the frame without its size, response header included.
    Answered { node: i32, context: T, version: i16, frame: Vec<u8>, sent_at: Instant },
    /// A request that gets no answer is wholly written.
    Written { node: i32, context: T },
    /// A request will get no answer. `written`: it went out whole, so the broker may have acted on it.
    Failed { node: i32, context: T, failure: RequestFailure, written: bool, error: Error },
    /// The connection stands and the broker's versions are known.
    Connected { node: i32 },
    /// The connection is lost or could not be made; the requests that were on it have failed before this outcome.
    /// The error names the address and what happened.
    Disconnected { node: i32, error: Error },
    /// A connection was closed here on which nothing was on its way, since it was idle. Nothing is wrong.
    Closed { node: i32 },
    /// What came of looking up where to begin: servers, at least one, or an error that names all of them.
    Bootstrapped(Result<Vec<Node>, Error>),
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The request's own time was up (`REQUEST_TIMED_OUT`); its connection was closed for it.
    TimedOut,
    /// The connection ended first (`NETWORK_EXCEPTION`).
    Disconnected,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn entry(
        id: i32,
        message: EncodedMessage,
        expects_answer: bool,
        deadline: Instant,
    ) -> InFlightRequest<i32> {
        let (context, correlation_id, version, name) = (id, id, 0, "Test");
        InFlightRequest {
            context,
            correlation_id,
            version,
            name,
            expects_answer,
            sent_at: deadline,
            deadline,
            message,
        }
    }

    fn plain(bytes: &[u8]) -> EncodedMessage {
        EncodedMessage::of(bytes, Vec::new())
    }

    fn spliced() -> EncodedMessage {
        let batch = |bytes: &[u8]| Arc::new(bytes.to_vec());
        EncodedMessage::of(b"abefij", vec![(2, batch(b"cd")), (4, batch(b"gh"))])
    }

    fn unwritten(queue: &InFlight<i32>, room: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); room];
        let count = queue.fill(&mut slices);
        assert!(count <= queue.unwritten_buffers(usize::MAX, usize::MAX));
        assert!(slices.iter().take(count).all(|slice| !slice.is_empty()));
        slices.iter().take(count).flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn bytes_go_out_in_order_whatever_the_cuts() {
        let now = Instant::now();
        for step in 1..=25 {
            for room in 1..=9 {
                let mut queue = InFlight::new();
                queue.push(entry(1, spliced(), true, now));
                queue.push(entry(2, plain(b"0123456789"), false, now));
                queue.push(entry(3, spliced(), true, now));
                let (mut sent, mut finished) = (Vec::new(), Vec::new());
                while queue.has_unwritten() {
                    let next = unwritten(&queue, room);
                    let count = next.len().min(step);
                    sent.extend_from_slice(&next[..count]);
                    queue.advance(count, &mut finished);
                }
                assert_eq!(sent, b"abcdefghij0123456789abcdefghij", "step {step}, room {room}");
                assert_eq!(finished.iter().map(|entry| entry.context).collect::<Vec<_>>(), [2]);
                assert_eq!(queue.len(), 2);
                assert!(queue.can_send_more(3) && !queue.can_send_more(2));
            }
        }
    }

    #[test]
    fn splices_at_the_ends_and_empty_batches() {
        let batch = |bytes: &[u8]| Arc::new(bytes.to_vec());
        let splices = vec![(0, batch(b"ab")), (0, batch(b"")), (2, batch(b"ef"))];
        let mut queue = InFlight::new();
        queue.push(entry(1, EncodedMessage::of(b"cd", splices), true, Instant::now()));
        assert_eq!(unwritten(&queue, 10), b"abcdef");
    }

    /// Behaviour 34.
    #[test]
    fn batches_live_until_the_answer_is_in() {
        let mut queue = InFlight::new();
        let message = spliced();
        let batch = Arc::downgrade(&message.splices[0].1);
        queue.push(entry(1, message, true, Instant::now()));
        queue.advance(10, &mut Vec::new());
        assert!(!queue.has_unwritten() && batch.upgrade().is_some());
        drop(queue.answered(Some(1)).unwrap());
        assert!(batch.upgrade().is_none());
    }

    #[test]
    fn an_answer_belongs_to_the_oldest_written_request() {
        let mut queue = InFlight::new();
        let wrong = |expected| WrongAnswer { expected };
        assert_eq!(queue.answered(Some(1)).unwrap_err(), wrong(None));
        queue.push(entry(1, plain(b"12"), true, Instant::now()));
        queue.push(entry(2, plain(b"12"), true, Instant::now()));
        assert_eq!(queue.answered(Some(1)).unwrap_err(), wrong(None), "not written yet");
        queue.advance(3, &mut Vec::new());
        assert_eq!(queue.answered(Some(2)).unwrap_err(), wrong(Some(1)));
        assert_eq!(queue.answered(None).unwrap_err(), wrong(Some(1)));
        assert_eq!(queue.answered(Some(1)).unwrap().context, 1);
        assert_eq!(queue.answered(Some(2)).unwrap_err(), wrong(None), "one byte is missing");
        assert_eq!(unwritten(&queue, 9), b"2");
        queue.advance(1, &mut Vec::new());
        assert_eq!(queue.answered(Some(2)).unwrap().context, 2);
    }

    /// Behaviour 37.
    #[test]
    fn a_socket_without_room_holds_back_later_turns() {
        let mut queue = InFlight::new();
        queue.push(entry(1, plain(b"1234"), true, Instant::now()));
        queue.push(entry(2, plain(b"1234"), true, Instant::now()));
        assert!(queue.can_send_more(5), "several may be queued in one turn");
        queue.advance(0, &mut Vec::new());
        assert!(!queue.can_send_more(5));
        queue.advance(7, &mut Vec::new());
        assert!(!queue.can_send_more(5));
        queue.advance(1, &mut Vec::new());
        assert!(queue.can_send_more(5));
    }

    #[test]
    fn the_first_deadline_counts_wherever_it_stands() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut queue = InFlight::new();
        assert_eq!(queue.deadline(), None);
        queue.push(entry(1, plain(b"1"), true, at(30)));
        queue.push(entry(2, plain(b"1"), true, at(10)));
        assert_eq!(queue.deadline(), Some(at(10)));
        assert!(queue.overdue(at(9)).is_none());
        assert_eq!(queue.overdue(at(10)).map(|entry| entry.context), Some(2));
    }

    #[test]
    fn what_is_abandoned_says_whether_it_was_wholly_written() {
        let mut queue = InFlight::new();
        for id in 1..=3 {
            queue.push(entry(id, plain(b"1234"), true, Instant::now()));
        }
        queue.advance(7, &mut Vec::new());
        let left: Vec<_> = queue.abandon().map(|(entry, written)| (entry.context, written)).collect();
        assert_eq!(left, [(1, true), (2, false), (3, false)]);
        assert!(queue.is_empty() && !queue.has_unwritten() && queue.can_send_more(1));
    }
}
