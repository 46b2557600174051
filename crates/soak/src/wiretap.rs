//! How often clients send a batch again, heard on the way to the brokers, so that it is counted alike for every client.
//!
//! Must not know: whose requests these are. They are read by the `kafka-protocol` crate.
//! Locks: `seen`, for a moment.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::{Decodable, Message, decode_request_header_from_buffer};

/// What all proxies have heard together.
#[derive(Default)]
pub struct Wiretap {
    /// A batch is known by its checksum and its first timestamp: what is sent again under the same numbers has both.
    seen: Mutex<HashSet<(u32, i64)>>,
    again: AtomicU64,
}

impl Wiretap {
    /// How many batches there were, and how many more times some of them came.
    pub fn batches(&self) -> (u64, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).len();
        (u64::try_from(seen).unwrap(), self.again.load(Ordering::Relaxed))
    }

    /// One request without its length.
    fn hear(&self, mut request: Bytes) {
        let Ok(header) = decode_request_header_from_buffer(&mut request) else { return };
        let version = header.request_api_version;
        if header.request_api_key != PRODUCE || version > ProduceRequest::VERSIONS.max {
            return;
        }
        let Ok(produce) = ProduceRequest::decode(&mut request, version) else { return };
        for partition in produce.topic_data.iter().flat_map(|topic| &topic.partition_data) {
            for batch in partition.records.iter().filter(|batch| batch.len() >= BATCH_HEADER) {
                let mut header = batch.slice(CHECKSUM..);
                let checksum = header.get_u32();
                header.advance(TIMESTAMP - CHECKSUM - 4);
                let identity = (checksum, header.get_i64());
                if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(identity) {
                    self.again.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// One connection's requests, as their bytes come.
pub struct Stream<'a> {
    tap: &'a Wiretap,
    bytes: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub fn new(tap: &'a Wiretap) -> Stream<'a> {
        Stream { tap, bytes: Vec::new() }
    }

    pub fn pass(&mut self, data: &[u8]) {
        self.bytes.extend(data);
        while let Some((length, rest)) = self.bytes.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some(request) = rest.get(..length) else { return };
            self.tap.hear(Bytes::copy_from_slice(request));
            self.bytes.drain(..4 + length);
        }
    }
}

const PRODUCE: i16 = 0;
/// Places in a batch of format 2.
const CHECKSUM: usize = 17;
const TIMESTAMP: usize = 27;
const BATCH_HEADER: usize = 61;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::RequestHeader;
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::protocol::{Encodable, HeaderVersion};

    fn request(checksum: u32) -> Vec<u8> {
        let mut batch = vec![0; BATCH_HEADER];
        batch[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_be_bytes());
        let partition = PartitionProduceData::default().with_records(Some(batch.into()));
        let topic = TopicProduceData::default().with_partition_data(vec![partition]);
        let mut body = BytesMut::new();
        body.put_u32(0);
        let header = RequestHeader::default().with_request_api_version(9);
        header.encode(&mut body, ProduceRequest::header_version(9)).unwrap();
        ProduceRequest::default().with_topic_data(vec![topic]).encode(&mut body, 9).unwrap();
        let length = u32::try_from(body.len() - 4).unwrap();
        body[..4].copy_from_slice(&length.to_be_bytes());
        body.to_vec()
    }

    #[test]
    fn a_batch_that_comes_again_is_counted_however_its_bytes_are_cut() {
        let tap = Wiretap::default();
        for size in [1, 7, 1000] {
            let mut stream = Stream::new(&tap);
            let bytes = [request(1), request(2)].concat();
            bytes.chunks(size).for_each(|piece| stream.pass(piece));
        }
        assert_eq!(tap.batches(), (2, 4));
    }
}
