//! `EnvelopeLayer`: a layer around all bytes that asks of a connection what TLS asks, and keeps no secret.
//!
//! Owns: both sides. Must not know: sockets, requests.
//! Each chunk goes in an envelope of its own: kind, length, masked bytes, check sum. Before the first, both sides greet each
//! other, and the client says which host it wanted; now and then the side that writes has to wait until the other has agreed
//! upon a new mask; and the side that ends says so.

use std::io::IoSlice;

use crate::error::{Error, ErrorKind};
use crate::network::{PeerState, TransportLayer};

#[derive(Debug)]
pub(crate) struct EnvelopeLayer {
    is_client: bool,
    /// The host that the client wanted.
    host: String,
    /// Why the broker refuses its clients.
    refusal: Option<&'static str>,
    is_established: bool,
    /// What has come of the next envelope.
    received: Vec<u8>,
    masks: Masks,
    /// How many envelopes have gone since the mask was new.
    sealed: usize,
    /// The other side has to agree upon a new mask before anything goes.
    is_changing: bool,
}

#[derive(Debug, Default)]
struct Masks {
    outgoing: u8,
    incoming: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnvelopeKind {
    Greeting,
    Welcome,
    Data,
    NewMask,
    Agreed,
    End,
    Refusal,
}

impl EnvelopeLayer {
    pub(crate) fn client(host: &str) -> EnvelopeLayer {
        EnvelopeLayer::new(true, host.to_owned(), None)
    }

    fn broker(refusal: Option<&'static str>) -> EnvelopeLayer {
        EnvelopeLayer::new(false, String::new(), refusal)
    }

    fn new(is_client: bool, host: String, refusal: Option<&'static str>) -> EnvelopeLayer {
        EnvelopeLayer {
            is_client,
            host,
            refusal,
            is_established: false,
            received: Vec::new(),
            masks: Masks::default(),
            sealed: 0,
            is_changing: false,
        }
    }

    fn seal(&self, kind: EnvelopeKind, content: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
        let content: Vec<u8> = content.map(|byte| byte ^ MASK ^ self.masks.outgoing).collect();
        let [high, low] = (content.len() as u16).to_be_bytes();
        let mut envelope = vec![MARK, kind as u8, high, low];
        envelope.extend(content);
        envelope.push(sum(&envelope));
        out.extend(envelope);
    }

    fn opened(&mut self, kind: EnvelopeKind, content: &[u8], out: &mut Vec<u8>) -> Result<PeerState, Error> {
        match (kind, self.is_client) {
            (EnvelopeKind::Greeting, false) => {
                self.host = String::from_utf8_lossy(content).into_owned();
                match self.refusal {
                    Some(why) => self.seal(EnvelopeKind::Refusal, why.bytes(), out),
                    None => {
                        self.is_established = true;
                        self.seal(EnvelopeKind::Welcome, std::iter::empty(), out);
                    }
                }
            }
            (EnvelopeKind::Welcome, true) => self.is_established = true,
            (EnvelopeKind::NewMask, _) => {
                self.masks.incoming = self.masks.incoming.wrapping_add(1);
                self.seal(EnvelopeKind::Agreed, std::iter::empty(), out);
            }
            (EnvelopeKind::Agreed, _) => {
                self.masks.outgoing = self.masks.outgoing.wrapping_add(1);
                (self.is_changing, self.sealed) = (false, 0);
            }
            (EnvelopeKind::End, _) => return Ok(PeerState::Ended),
            (EnvelopeKind::Refusal, true) => {
                let text = format!("the broker refuses us: {}", String::from_utf8_lossy(content));
                return Err(Error::new(ErrorKind::Authentication, text));
            }
            (other, _) => {
                return Err(Error::new(ErrorKind::Network, format!("nobody expects an envelope {other:?}")));
            }
        }
        Ok(PeerState::Open)
    }
}

impl TransportLayer for EnvelopeLayer {
    fn name(&self) -> &'static str {
        "envelope"
    }

    fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.seal(EnvelopeKind::Greeting, self.host.bytes(), out);
        Ok(())
    }

    fn is_established(&self) -> bool {
        self.is_established
    }

    fn encode(&mut self, plain: &[IoSlice<'_>], out: &mut Vec<u8>) -> Result<usize, Error> {
        assert!(self.is_established, "nothing goes before the greeting is over");
        if !self.is_changing && self.sealed == OF_ONE_MASK {
            self.is_changing = true;
            self.seal(EnvelopeKind::NewMask, std::iter::empty(), out);
        }
        if self.is_changing {
            return Ok(0);
        }
        let count = plain.iter().map(|slice| slice.len()).sum::<usize>().min(MOST);
        let bytes = plain.iter().flat_map(|slice| slice.iter().copied());
        self.seal(EnvelopeKind::Data, bytes.take(count), out);
        self.sealed += 1;
        Ok(count)
    }

    fn decode(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<PeerState, Error> {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        while let Some(Envelope { kind, content, behind }) = next(rest)? {
            rest = behind;
            let content: Vec<u8> = content.iter().map(|byte| byte ^ MASK ^ self.masks.incoming).collect();
            if kind == EnvelopeKind::Data && self.is_established {
                plain.extend(content);
            } else if self.opened(kind, &content, out)? == PeerState::Ended {
                return Ok(PeerState::Ended);
            }
        }
        self.received = rest.to_vec();
        Ok(PeerState::Open)
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.seal(EnvelopeKind::End, std::iter::empty(), out);
    }
}

/// A whole envelope, and what lies behind it.
struct Envelope<'a> {
    kind: EnvelopeKind,
    content: &'a [u8],
    behind: &'a [u8],
}

fn next(bytes: &[u8]) -> Result<Option<Envelope<'_>>, Error> {
    let none = || Err(Error::new(ErrorKind::Network, "what came is no envelope"));
    let Some([mark, kind, high, low]) = bytes.first_chunk::<HEAD>() else {
        return if bytes.first().is_none_or(|mark| *mark == MARK) { Ok(None) } else { none() };
    };
    let Some(kind) = KINDS.into_iter().find(|it| *it as u8 == *kind && *mark == MARK) else { return none() };
    let end = HEAD + usize::from(u16::from_be_bytes([*high, *low]));
    let (Some(envelope), Some(check)) = (bytes.get(..end), bytes.get(end)) else { return Ok(None) };
    if *check != sum(envelope) {
        return none();
    }
    let content = envelope.get(HEAD..).unwrap_or_default();
    Ok(Some(Envelope { kind, content, behind: bytes.get(end + 1..).unwrap_or_default() }))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
}

const KINDS: [EnvelopeKind; 7] = [
    EnvelopeKind::Greeting,
    EnvelopeKind::Welcome,
    EnvelopeKind::Data,
    EnvelopeKind::NewMask,
    EnvelopeKind::Agreed,
    EnvelopeKind::End,
    EnvelopeKind::Refusal,
];

const MARK: u8 = 0xE5;
const MASK: u8 = 0x5A;
const HEAD: usize = 4;
/// How much goes in one envelope.
const MOST: usize = 700;
/// How many envelopes go with one mask.
const OF_ONE_MASK: usize = 20;

/// The broker's side, with what the layer has not taken yet.
#[derive(Debug)]
pub(crate) struct BrokerEnvelopes {
    layer: EnvelopeLayer,
    unsent: Vec<u8>,
}

impl BrokerEnvelopes {
    pub(crate) fn new(refusal: Option<&'static str>) -> BrokerEnvelopes {
        BrokerEnvelopes { layer: EnvelopeLayer::broker(refusal), unsent: Vec::new() }
    }

    /// The host that the client wanted.
    #[cfg(test)]
    pub(crate) fn host(&self) -> &str {
        &self.layer.host
    }

    /// Takes what came from the client, adds what it holds to `plain`, and what goes back to `out`; false where the client
    /// has said that it is over.
    pub(crate) fn received(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
        let received = self.layer.decode(bytes, plain, out).expect("a client's envelopes are sound");
        self.send(&[], out);
        received == PeerState::Open
    }

    /// Adds bytes for the client, in envelopes, to `out`, as far as they may go now.
    pub(crate) fn send(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.unsent.extend_from_slice(bytes);
        while !self.unsent.is_empty() && self.layer.is_established() {
            match self.layer.encode(&[IoSlice::new(&self.unsent)], out) {
                Ok(0) => return,
                count => drop(self.unsent.drain(..count.expect("envelopes do not fail"))),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        self.layer.close(out);
    }
}

/// Reads along what goes in one direction, and says nothing.
#[derive(Debug)]
pub(crate) struct EnvelopeReader(EnvelopeLayer);

impl EnvelopeReader {
    /// Of what the client writes.
    pub(crate) fn of_client() -> EnvelopeReader {
        EnvelopeReader(EnvelopeLayer::broker(None))
    }

    /// Of what the client reads.
    pub(crate) fn of_broker() -> EnvelopeReader {
        EnvelopeReader(EnvelopeLayer::client(""))
    }

    /// How often the mask has changed.
    pub(crate) fn changes(&self) -> u8 {
        self.0.masks.incoming
    }

    /// The bytes in the envelopes that are whole now.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let _ = self.0.decode(bytes, &mut plain, &mut Vec::new());
        plain
    }
}
