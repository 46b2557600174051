//! Broker: one broker with one topic, which answers at once.
//!
//! It reads of a request what it has to repeat in the answer, and never the records: what it costs is counted with
//! what the client does.

use std::cell::Cell;
use std::rc::Rc;

use kafka_producer::internal::Broker;
use kafka_producer_benchmarks::work::TOPIC;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;

/// Key and version of each API: one, with flexible headers and topic ids, as today's brokers have.
const APIS: [(i16, i16); 4] = [(PRODUCE, 13), (METADATA, 12), (API_VERSIONS, 4), (INIT_PRODUCER_ID, 5)];

const TOPIC_ID: [u8; 16] = *b"kafka-bench-only";
const BROKER_ID: i32 = 1;

/// The broker; how many batches it has taken is told by `batches`.
pub(crate) struct OneBroker {
    partitions: i32,
    next_offset: i64,
    batches: Rc<Cell<u64>>,
}

impl OneBroker {
    pub(crate) fn new(partitions: i32, batches: Rc<Cell<u64>>) -> Self {
        OneBroker { partitions, next_offset: 0, batches }
    }

    fn metadata(&self, answer: &mut BrokerResponse) {
        answer.i32(0).count(1).i32(BROKER_ID).text("broker").i32(9092).null().tags();
        answer.text("cluster").i32(BROKER_ID);
        answer.count(1).i16(0).text(TOPIC).raw(&TOPIC_ID).raw(&[0]).count(self.partitions);
        for partition in 0..self.partitions {
            answer.i16(0).i32(partition).i32(BROKER_ID).i32(0);
            answer.count(1).i32(BROKER_ID).count(1).i32(BROKER_ID).count(0).tags();
        }
        answer.i32(i32::MIN).tags().tags();
    }

    fn produce(&mut self, request: &mut SentRequest<'_>, answer: &mut BrokerResponse) {
        request.skip_text();
        request.skip(6); // acks, time-out
        let topics = request.count();
        answer.count(topics);
        for _ in 0..topics {
            answer.raw(&request.take::<16>());
            let partitions = request.count();
            answer.count(partitions);
            for _ in 0..partitions {
                answer.raw(&request.take::<4>());
                let size = request.count();
                request.skip(size as usize);
                request.take::<1>();
                answer.i16(0).i64(self.next_offset).i64(-1).i64(0).count(0).null().tags();
                self.next_offset += 1;
                self.batches.set(self.batches.get() + 1);
            }
            request.take::<1>();
            answer.tags();
        }
        answer.i32(0).tags();
    }
}

impl Broker for OneBroker {
    fn answer(&mut self, pieces: &[&[u8]]) -> Vec<u8> {
        let mut request = SentRequest { pieces, at: 0 };
        request.skip(4);
        let (api, _version) = (i16::from_be_bytes(request.take()), request.take::<2>());
        let mut answer = BrokerResponse(vec![0; 4]);
        answer.raw(&request.take::<4>());
        let client_id = i16::from_be_bytes(request.take());
        request.skip(usize::try_from(client_id).unwrap_or(0));
        request.take::<1>();
        if api != API_VERSIONS {
            answer.tags();
        }
        match api {
            PRODUCE => self.produce(&mut request, &mut answer),
            METADATA => self.metadata(&mut answer),
            API_VERSIONS => {
                answer.i16(0).count(APIS.len() as i32);
                for (key, version) in APIS {
                    answer.i16(key).i16(version).i16(version).tags();
                }
                answer.i32(0).tags();
            }
            _ => drop(answer.i32(0).i16(0).i64(1).i16(0).tags()),
        }
        answer.framed()
    }
}

/// A frame that is being written, in a flexible version.
pub(crate) struct BrokerResponse(Vec<u8>);

impl BrokerResponse {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// The length of an array that follows.
    fn count(&mut self, count: i32) -> &mut Self {
        let mut rest = count as u32 + 1;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.raw(&[rest as u8])
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.count(text.len() as i32).raw(text.as_bytes())
    }

    fn null(&mut self) -> &mut Self {
        self.raw(&[0])
    }

    fn tags(&mut self) -> &mut Self {
        self.raw(&[0])
    }

    fn framed(mut self) -> Vec<u8> {
        let size = self.0.len() as u32 - 4;
        self.0[..4].copy_from_slice(&size.to_be_bytes());
        self.0
    }
}

/// A request that is being read; it is the client's, so it is whole.
struct SentRequest<'a> {
    pieces: &'a [&'a [u8]],
    /// The place in the first piece.
    at: usize,
}

impl SentRequest<'_> {
    fn skip(&mut self, mut size: usize) {
        while let [first, rest @ ..] = self.pieces {
            let left = first.len() - self.at;
            if size < left {
                self.at += size;
                return;
            }
            (self.pieces, self.at) = (rest, 0);
            size -= left;
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        for byte in &mut taken {
            *byte = self.pieces.first().and_then(|first| first.get(self.at)).copied().unwrap_or(0);
            self.skip(1);
        }
        taken
    }

    /// The length of an array or of bytes.
    fn count(&mut self) -> i32 {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take();
            value |= i32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value - 1
    }

    fn skip_text(&mut self) {
        let length = self.count();
        self.skip(usize::try_from(length).unwrap_or(0));
    }
}

/// Answers to Produce requests with eight partitions each, one behind the other as they come from a socket.
pub(crate) fn produce_answers(how_many: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut answer = BrokerResponse(vec![0; 8]);
    answer.tags().count(1).raw(&TOPIC_ID).count(8);
    for partition in 0..8 {
        answer.i32(partition).i16(0).i64(1000).i64(-1).i64(0).count(0).null().tags();
    }
    let frame = answer.tags().i32(0).tags().framed_copy();
    (frame.repeat(how_many), vec![frame[4..].to_vec(); how_many])
}

impl BrokerResponse {
    fn framed_copy(&self) -> Vec<u8> {
        BrokerResponse(self.0.clone()).framed()
    }
}
