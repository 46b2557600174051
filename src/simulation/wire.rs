//! `Wire`: what an idempotent producer may write to a connection, by what it has read until then.
//!
//! Owns: for each partition, which batches were written under which numbers, and what was heard of them. Must not know:
//! how the client decides. Brokers forgive much of what is wrong here (they answer OUT_OF_ORDER_SEQUENCE_NUMBER, and the
//! batch goes again), until one of them has forgotten the producer.
//! Only what is decided upon now is judged: a frame that goes into a socket which had no room was decided upon earlier.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{
    ApiKey, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader,
    ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use uuid::Uuid;

use crate::network::SocketId;
use crate::simulation::history::Violation;

#[derive(Default)]
pub(super) struct Wire {
    sockets: BTreeMap<SocketId, Socket>,
    partitions: BTreeMap<(Place, i64), Partition>,
    /// Topics by their ids, as the client was told last.
    names: BTreeMap<Uuid, String>,
    pub(super) remarks: Vec<Violation>,
}

/// A partition: topic and number.
type Place = (String, i32);

#[derive(Default)]
struct Socket {
    written: Vec<u8>,
    /// The last write was cut short: what comes next was to go then already.
    is_behind: bool,
    /// Answers that have arrived, and how many bytes of them are still to be read.
    arrived: VecDeque<(usize, Vec<u8>)>,
    asked: BTreeMap<i32, Asked>,
}

/// A request without an answer.
struct Asked {
    api: ApiKey,
    version: i16,
    batches: Vec<(Place, i64, Numbers)>,
}

/// Epoch and first sequence number: in this order within a partition.
type Numbers = (i16, i32);

/// What one producer id has written to a partition.
#[derive(Default)]
struct Partition {
    batches: BTreeMap<Numbers, Batch>,
    /// The broker has answered that it has a batch of this id, and not since that it does not know the id.
    is_known: bool,
}

struct Batch {
    count: i32,
    /// Requests that carry it and are not answered.
    on_its_way: u32,
    /// The broker has it.
    is_written: bool,
    /// Later ones have been written since nothing carries it any more.
    overtaken_by: Option<Numbers>,
}

impl Wire {
    /// The client offers these bytes, and so many of them are taken.
    pub(super) fn wrote(&mut self, id: SocketId, buffers: &[IoSlice<'_>], taken: usize) {
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let socket = self.sockets.entry(id).or_default();
        let is_now = !std::mem::replace(&mut socket.is_behind, taken < offered);
        for buffer in buffers {
            socket.written.extend_from_slice(buffer);
        }
        let spare = socket.written.len() - (offered - taken);
        let mut frames = Vec::new();
        let mut rest = &socket.written[..];
        while let Some(length) = rest.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix) as usize) {
            // What was not taken is offered again.
            let begun = socket.written.len() - rest.len();
            let Some(frame) = rest.get(4..4 + length).filter(|_| begun + 4 + length <= spare) else { break };
            frames.push(frame.to_vec());
            rest = &rest[4 + length..];
        }
        let done = socket.written.len() - rest.len();
        socket.written.truncate(spare);
        socket.written.drain(..done);
        frames.into_iter().for_each(|frame| self.asked(id, &frame, is_now));
    }

    fn asked(&mut self, id: SocketId, frame: &[u8], is_now: bool) {
        let Some((asked, correlation_id)) = self.read_request(frame) else { return };
        for (place, producer_id, numbers, count) in &asked.1 {
            let partition = self.partitions.entry((place.clone(), *producer_id)).or_default();
            if let Some(wrong) = partition.write(*numbers, *count, is_now) {
                self.remarks.push(Violation::Unruly(format!(
                    "{}-{}, producer id {producer_id}, epoch {}, sequence {}: {wrong}",
                    place.0, place.1, numbers.0, numbers.1
                )));
            }
        }
        let batches = asked.1.into_iter().map(|(place, id, numbers, _)| (place, id, numbers)).collect();
        let (api, version) = asked.0;
        let asked = Asked { api, version, batches };
        self.sockets.entry(id).or_default().asked.insert(correlation_id, asked);
    }

    /// An answer, with its length in front, has arrived, and waits to be read.
    pub(super) fn arrived(&mut self, id: SocketId, bytes: &[u8]) {
        let socket = self.sockets.entry(id).or_default();
        socket.arrived.push_back((bytes.len(), bytes.get(4..).unwrap_or_default().to_vec()));
    }

    /// The client has read so many bytes.
    pub(super) fn read(&mut self, id: SocketId, mut count: usize) {
        while let Some((rest, _)) = self.sockets.entry(id).or_default().arrived.front_mut() {
            let part = count.min(*rest);
            (*rest, count) = (*rest - part, count - part);
            if *rest > 0 {
                return;
            }
            if let Some((_, frame)) = self.sockets.entry(id).or_default().arrived.pop_front() {
                self.answered(id, frame);
            }
        }
    }

    fn answered(&mut self, id: SocketId, frame: Vec<u8>) {
        let Some(correlation_id) = frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) else {
            return;
        };
        let Some(asked) = self.sockets.entry(id).or_default().asked.remove(&correlation_id) else { return };
        let frame = Bytes::from(frame);
        match asked.api {
            ApiKey::InitProducerId => {
                decode(frame, asked.version).into_iter().for_each(|it| self.identified(&it))
            }
            ApiKey::Metadata => decode(frame, asked.version).into_iter().for_each(|it| self.described(it)),
            _ => decode(frame, asked.version).into_iter().for_each(|it| self.produced(it, &asked)),
        }
    }

    /// With a producer id all begins afresh, whoever had it before.
    fn identified(&mut self, answer: &InitProducerIdResponse) {
        let given = Some(answer.producer_id.0).filter(|_| answer.error_code == 0);
        self.partitions.retain(|(_, id), _| Some(*id) != given);
    }

    /// Under another topic id it is another topic.
    fn described(&mut self, answer: MetadataResponse) {
        for topic in answer.topics.into_iter().filter(|topic| !topic.topic_id.is_nil()) {
            let Some(name) = topic.name.map(|name| name.to_string()) else { continue };
            if self.names.insert(topic.topic_id, name.clone()).is_none() {
                self.partitions.retain(|((other, _), _), _| *other != name);
            }
        }
    }

    fn produced(&mut self, answer: ProduceResponse, asked: &Asked) {
        let mut codes = BTreeMap::new();
        for topic in answer.responses {
            let name = self.topic_name(&topic.name, topic.topic_id);
            let each = topic.partition_responses.iter();
            codes.extend(each.map(|one| ((name.clone(), one.index), one.error_code)));
        }
        for (place, producer_id, numbers) in &asked.batches {
            let code = codes.get(place).copied();
            if let Some(partition) = self.partitions.get_mut(&(place.clone(), *producer_id)) {
                partition.answered(*numbers, code);
            }
        }
    }

    /// A request of a kind that matters here, and its correlation id.
    fn read_request(&self, frame: &[u8]) -> Option<(ReadRequest, i32)> {
        let mut rest = frame;
        let (key, version, correlation_id) =
            (rest.try_get_i16().ok()?, rest.try_get_i16().ok()?, rest.try_get_i32().ok()?);
        let api = ApiKey::try_from(key).ok()?;
        if matches!(api, ApiKey::InitProducerId | ApiKey::Metadata) {
            return Some((((api, version), Vec::new()), correlation_id));
        }
        if api != ApiKey::Produce {
            return None;
        }
        let mut rest = Bytes::copy_from_slice(frame);
        RequestHeader::decode(&mut rest, ProduceRequest::header_version(version)).ok()?;
        let request = ProduceRequest::decode(&mut rest, version).ok()?;
        let mut batches = Vec::new();
        for topic in &request.topic_data {
            let name = self.topic_name(&topic.name, topic.topic_id);
            for partition in &topic.partition_data {
                let Some((id, numbers, count)) = partition.records.as_deref().and_then(read_numbers) else {
                    continue;
                };
                if id >= 0 {
                    batches.push(((name.clone(), partition.index), id, numbers, count));
                }
            }
        }
        Some((((api, version), batches), correlation_id))
    }

    fn topic_name(&self, name: &str, id: Uuid) -> String {
        if name.is_empty() { self.names.get(&id).cloned().unwrap_or_default() } else { name.to_owned() }
    }

    /// The client gives up a connection, and with it all answers that were to come.
    pub(super) fn closed(&mut self, id: SocketId) {
        let asked = self.sockets.remove(&id).into_iter().flat_map(|socket| socket.asked.into_values());
        for (place, producer_id, numbers) in asked.flat_map(|asked| asked.batches) {
            if let Some(partition) = self.partitions.get_mut(&(place, producer_id)) {
                partition.answered(numbers, None);
            }
        }
    }
}

impl Partition {
    /// A batch is written, and if it was drained just now, returns what is wrong with that.
    fn write(&mut self, numbers: Numbers, count: i32, is_now: bool) -> Option<String> {
        let (epoch, sequence) = numbers;
        let is_new = self.batches.get(&numbers).is_none_or(|batch| batch.count != count);
        // Smaller batches take the place of one that was too large.
        let replaced = self.batches.range((epoch, sequence)..(epoch, sequence.saturating_add(count)));
        let replaced: Vec<Numbers> = replaced.map(|(numbers, _)| *numbers).filter(|_| is_new).collect();
        replaced.iter().for_each(|numbers| drop(self.batches.remove(numbers)));
        let wrong = if is_now { self.is_wrong(numbers, is_new) } else { None };
        for (_, earlier) in self.batches.range_mut((epoch, 0)..numbers) {
            if is_now && earlier.on_its_way == 0 && !earlier.is_written {
                earlier.overtaken_by = Some(numbers);
            }
        }
        let batch = Batch { count, on_its_way: 0, is_written: false, overtaken_by: None };
        let batch = self.batches.entry(numbers).or_insert(batch);
        batch.on_its_way += 1;
        wrong
    }

    fn is_wrong(&self, numbers: Numbers, is_new: bool) -> Option<String> {
        let (epoch, _) = numbers;
        if let Some((latest, _)) = self.batches.last_key_value().filter(|((latest, _), _)| *latest > epoch) {
            return Some(format!("epoch {} has begun", latest.0));
        }
        if let Some(later) = self.batches.get(&numbers).and_then(|batch| batch.overtaken_by) {
            return Some(format!("it goes again, and {later:?} has gone before it meanwhile"));
        }
        let earlier = self.batches.range((epoch, 0)..numbers);
        let missing: Vec<_> = earlier.filter(|(_, batch)| !batch.is_written).collect();
        let (oldest, batch) = missing.first()?;
        if let Some((waiting, _)) = missing.iter().find(|(_, batch)| batch.on_its_way == 0 && is_new) {
            return Some(format!("it is new, and {waiting:?} has yet to go again"));
        }
        if batch.on_its_way > 0 && !is_new {
            return Some(format!("it goes again, and {oldest:?} is on its way"));
        }
        if !self.is_known {
            return Some(format!("no broker knows the producer yet, and {oldest:?} is on its way"));
        }
        let since = self.batches.range(**oldest..numbers).count();
        (since >= 5).then(|| format!("{since} batches have gone since {oldest:?}"))
    }

    /// What became of one try; none: nobody knows.
    fn answered(&mut self, numbers: Numbers, code: Option<i16>) {
        if code == Some(59) {
            self.is_known = false;
        }
        let Some(batch) = self.batches.get_mut(&numbers) else { return };
        batch.on_its_way = batch.on_its_way.saturating_sub(1);
        if matches!(code, Some(0 | 46)) {
            self.is_known = true;
            // Whatever came before it in the sequence is there as well, or never will be.
            self.batches.range_mut((numbers.0, 0)..=numbers).for_each(|(_, batch)| batch.is_written = true);
        }
    }
}

type ReadRequest = ((ApiKey, i16), Vec<(Place, i64, Numbers, i32)>);

/// Producer id, epoch and first sequence, and how many records: from the head of a record batch.
fn read_numbers(mut batch: &[u8]) -> Option<(i64, Numbers, i32)> {
    batch = batch.get(43..)?;
    let (id, epoch) = (batch.try_get_i64().ok()?, batch.try_get_i16().ok()?);
    let (sequence, count) = (batch.try_get_i32().ok()?, batch.try_get_i32().ok()?);
    Some((id, (epoch, sequence), count))
}

fn decode<R: Decodable + HeaderVersion>(mut body: Bytes, version: i16) -> Option<R> {
    ResponseHeader::decode(&mut body, R::header_version(version)).ok()?;
    R::decode(&mut body, version).ok()
}
