//! `Wire`: what the client writes to its connections and reads from them, frame by frame.
//!
//! Owns: which request an answer belongs to, and when the client has read it; what it was told of topics and ids. Must not
//! know: which batches may go when.
//! Only what is decided upon now is judged: a frame that goes into a socket which had no room was decided upon earlier.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{
    ApiKey, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion};
use uuid::Uuid;

use crate::network::SocketId;
use crate::simulation::frame_reader::{answer_id, decode, request_head};
use crate::simulation::history::Violation;
use crate::simulation::login_watch::LoginWatch;
use crate::simulation::other_programs::OF_TRANSACTIONS;
use crate::simulation::sequence_rules::{BatchContent, Numbers, Partition};

#[derive(Default)]
pub(super) struct Wire {
    sockets: BTreeMap<SocketId, Socket>,
    partitions: BTreeMap<(Place, i64), Partition>,
    /// Topics by their ids, as the client was told last.
    names: BTreeMap<Uuid, String>,
    /// What any batch held that was written.
    contents: HashSet<u64>,
    /// Requests with batches that were all written before, under whatever numbers, by second: how many, and what of.
    pub(super) repeats: BTreeMap<u64, (u32, BTreeSet<Place>)>,
    pub(super) remarks: Vec<Violation>,
    /// There are transactions.
    pub(super) is_transactional: bool,
    /// The program has been told that another has its place.
    pub(super) is_fenced: bool,
    /// What is said there of who the client is.
    pub(super) logins: LoginWatch,
}

/// A partition: topic and number.
pub(super) type Place = (String, i32);

#[derive(Default)]
struct Socket {
    written: Vec<u8>,
    /// The last write was cut short: what comes next was to go then already.
    is_behind: bool,
    /// Answers that have arrived, and how many bytes of them are still to be read.
    arrived: VecDeque<(usize, Bytes)>,
    asked: BTreeMap<i32, PendingRequest>,
}

/// A request without an answer.
struct PendingRequest {
    api: ApiKey,
    version: i16,
    batches: Vec<Written>,
}

/// A batch as a request brings it.
struct Written {
    place: Place,
    producer_id: i64,
    numbers: Numbers,
    content: BatchContent,
}

impl Wire {
    /// The client offers these bytes, and the first `taken` of them are. It is this second.
    pub(super) fn wrote(&mut self, id: SocketId, second: u64, buffers: &[IoSlice<'_>], taken: usize) {
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let socket = self.sockets.entry(id).or_default();
        let is_now = !std::mem::replace(&mut socket.is_behind, taken < offered);
        for buffer in buffers {
            socket.written.extend_from_slice(buffer);
        }
        let spare = socket.written.len() - (offered - taken);
        let (mut frames, mut offered, mut done) = (Vec::new(), Vec::new(), 0);
        let mut rest = &socket.written[..];
        while let Some(length) = rest.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix) as usize) {
            let Some(frame) = rest.get(4..4 + length) else { break };
            rest = &rest[4 + length..];
            let end = socket.written.len() - rest.len();
            // What was not taken is offered again.
            if end <= spare {
                frames.push(frame.to_vec());
                done = end;
            } else {
                offered.push(frame.to_vec());
            }
        }
        socket.written.truncate(spare);
        socket.written.drain(..done);
        frames.into_iter().for_each(|frame| self.asked(id, second, &frame, is_now));
        offered.iter().for_each(|frame| self.offered(frame));
    }

    /// A request that was not written to its end: its batches have their numbers, and may never go on this connection.
    fn offered(&mut self, frame: &[u8]) {
        let Some((asked, _)) = self.read_request(frame) else { return };
        for Written { place, producer_id, numbers, content } in asked.batches {
            if producer_id < 0 {
                continue;
            }
            self.partitions.entry((place, producer_id)).or_default().offered(numbers, content);
        }
    }

    /// What the client writes next was to go already, or was not.
    pub(super) fn is_behind(&mut self, id: SocketId, is_behind: bool) {
        self.sockets.entry(id).or_default().is_behind = is_behind;
    }

    fn asked(&mut self, id: SocketId, second: u64, frame: &[u8], is_now: bool) {
        self.logins.wrote(id, frame, is_now);
        self.check_fenced(frame, is_now);
        let Some((asked, correlation_id)) = self.read_request(frame) else { return };
        self.count_repeats(second, &asked.batches);
        for Written { place, producer_id, numbers, content } in &asked.batches {
            // Without an id no broker knows a batch again.
            if *producer_id < 0 {
                continue;
            }
            let partition = self.partitions.entry((place.clone(), *producer_id)).or_default();
            if let Some(wrong) = partition.write(*numbers, *content, is_now) {
                let place = format!("{}-{}, producer id {producer_id}", place.0, place.1);
                let text = format!("{place}, epoch {}, sequence {}: {wrong}", numbers.0, numbers.1);
                self.remarks.push(Violation::Unruly(text));
            }
        }
        self.sockets.entry(id).or_default().asked.insert(correlation_id, asked);
    }

    /// A producer that is fenced, and knows it, does not go on.
    fn check_fenced(&mut self, frame: &[u8], is_now: bool) {
        let Some((key, ..)) = request_head(frame).filter(|_| self.is_fenced && is_now) else { return };
        if let Some(api) = OF_TRANSACTIONS.iter().find(|api| api.key() == key) {
            self.remarks.push(Violation::Unruly(format!("{api:?} goes though the producer is fenced")));
        }
    }

    fn count_repeats(&mut self, second: u64, batches: &[Written]) {
        let contents = &mut self.contents;
        let fresh = batches.iter().filter(|batch| contents.insert(batch.content.hash)).count();
        if fresh == 0 && !batches.is_empty() {
            let (count, places) = self.repeats.entry(second).or_default();
            *count += 1;
            places.extend(batches.iter().map(|batch| batch.place.clone()));
        }
    }

    /// An answer, with its length in front, has arrived, and waits to be read.
    pub(super) fn arrived(&mut self, id: SocketId, bytes: &[u8]) {
        let socket = self.sockets.entry(id).or_default();
        socket.arrived.push_back((bytes.len(), Bytes::copy_from_slice(bytes.get(4..).unwrap_or_default())));
    }

    /// The client has read this number of bytes.
    pub(super) fn read(&mut self, id: SocketId, mut count: usize) {
        while let Some((rest, _)) = self.sockets.entry(id).or_default().arrived.front_mut() {
            let part = count.min(*rest);
            (*rest, count) = (*rest - part, count - part);
            if *rest > 0 {
                return;
            }
            if let Some((_, frame)) = self.sockets.entry(id).or_default().arrived.pop_front() {
                self.answered(id, &frame);
            }
        }
    }

    fn answered(&mut self, id: SocketId, frame: &Bytes) {
        self.logins.read(id, frame);
        let asked = &mut self.sockets.entry(id).or_default().asked;
        let Some(asked) = answer_id(frame).and_then(|id| asked.remove(&id)) else { return };
        match asked.api {
            ApiKey::InitProducerId => {
                decode(frame, asked.version).into_iter().for_each(|it| self.identified(&it))
            }
            ApiKey::Metadata => decode(frame, asked.version).into_iter().for_each(|it| self.described(it)),
            _ => decode(frame, asked.version).into_iter().for_each(|it| self.produced(it, &asked)),
        }
    }

    /// With a producer id all begins afresh, whoever had it before. Of the same one a coordinator gives newer epochs, and
    /// brokers know it all the same.
    fn identified(&mut self, answer: &InitProducerIdResponse) {
        if self.is_transactional && answer.producer_epoch > 0 {
            return;
        }
        let given = Some(answer.producer_id.0).filter(|_| answer.error_code == 0);
        self.partitions.retain(|(_, id), _| Some(*id) != given);
    }

    /// Under another topic id it is another topic.
    fn described(&mut self, answer: MetadataResponse) {
        for topic in answer.topics.into_iter().filter(|topic| !topic.topic_id.is_nil()) {
            let Some(name) = topic.name.map(|name| name.to_string()) else { continue };
            if self.names.insert(topic.topic_id, name.clone()).is_none() {
                let same = self.partitions.iter_mut().filter(|(((other, _), _), _)| *other == name);
                same.for_each(|(_, partition)| partition.begin_again());
            }
        }
    }

    fn produced(&mut self, answer: ProduceResponse, asked: &PendingRequest) {
        let mut codes = BTreeMap::new();
        for topic in answer.responses {
            let name = self.topic_name(&topic.name, topic.topic_id);
            let each = topic.partition_responses.iter();
            codes.extend(each.map(|one| ((name.clone(), one.index), one.error_code)));
        }
        asked.batches.iter().for_each(|batch| self.tried(batch, codes.get(&batch.place).copied()));
    }

    /// A try of a batch has ended; with a code, if it was answered.
    fn tried(&mut self, batch: &Written, code: Option<i16>) {
        if let Some(partition) = self.partitions.get_mut(&(batch.place.clone(), batch.producer_id)) {
            partition.tried(batch.numbers, code);
        }
    }

    /// A request of a kind that matters here, and its correlation id.
    fn read_request(&self, frame: &[u8]) -> Option<(PendingRequest, i32)> {
        let (key, version, correlation_id) = request_head(frame)?;
        let api = ApiKey::try_from(key).ok()?;
        let batches = match api {
            ApiKey::InitProducerId | ApiKey::Metadata => Vec::new(),
            ApiKey::Produce => self.read_batches(frame, version)?,
            _ => return None,
        };
        Some((PendingRequest { api, version, batches }, correlation_id))
    }

    /// Its batches; those without a place in a sequence have no producer id.
    fn read_batches(&self, frame: &[u8], version: i16) -> Option<Vec<Written>> {
        let mut rest = Bytes::copy_from_slice(frame);
        RequestHeader::decode(&mut rest, ProduceRequest::header_version(version)).ok()?;
        let mut batches = Vec::new();
        for topic in ProduceRequest::decode(&mut rest, version).ok()?.topic_data {
            let name = self.topic_name(&topic.name, topic.topic_id);
            for partition in topic.partition_data {
                let read = partition.records.as_deref().and_then(read_head);
                let Some((producer_id, numbers, content)) = read else { continue };
                let place = (name.clone(), partition.index);
                batches.push(Written { place, producer_id, numbers, content });
            }
        }
        Some(batches)
    }

    fn topic_name(&self, name: &str, id: Uuid) -> String {
        if name.is_empty() { self.names.get(&id).cloned().unwrap_or_default() } else { name.to_owned() }
    }

    /// The client gives up a connection, and with it all answers that were to come.
    pub(super) fn closed(&mut self, id: SocketId) {
        self.logins.closed(id);
        let asked = self.sockets.remove(&id).into_iter().flat_map(|socket| socket.asked.into_values());
        asked.flat_map(|asked| asked.batches).for_each(|batch| self.tried(&batch, None));
    }
}

/// Producer id, epoch and first sequence, and what it holds: from the head of a record batch.
fn read_head(mut batch: &[u8]) -> Option<(i64, Numbers, BatchContent)> {
    batch = batch.get(43..)?;
    let (id, epoch) = (batch.try_get_i64().ok()?, batch.try_get_i16().ok()?);
    let (sequence, count) = (batch.try_get_i32().ok()?, batch.try_get_i32().ok()?);
    let mut hasher = DefaultHasher::new();
    batch.hash(&mut hasher);
    Some((id, (epoch, sequence), BatchContent { count, hash: hasher.finish() }))
}
