//! `Observer`: what travels between client and brokers, read by another codec than the client's.
//!
//! Owns: counts of requests by second, the error codes that the client was told, how often each batch was sent. Must not
//! know: how it travels, what it ought to be.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use kafka_embedded::{Api, SeenProduce};
use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, ApiVersionsResponse, EndTxnResponse,
    FindCoordinatorResponse, InitProducerIdResponse, MetadataResponse, ProduceResponse,
    TxnOffsetCommitResponse,
};

use crate::simulation::frame_reader::{answer_id, decode, request_head};
use crate::simulation::history::{Accepted, RecordOutcome};

#[derive(Default)]
pub(super) struct Observer {
    /// API and version of each request, by correlation id.
    open: HashMap<i32, (Api, i16)>,
    /// How many requests came in each second.
    pub(super) requests: BTreeMap<(Api, u64), u32>,
    /// How often the client was told each code.
    pub(super) codes: BTreeMap<(Api, i16), u64>,
    /// When the client was told that something was wrong, and of which partition; -1 where it is about none.
    pub(super) errors: Vec<(Duration, Api, i32, i16)>,
    /// When each batch came to a broker: topic, partition, producer id, epoch, sequence; its checksum where it has none.
    pub(super) sent: BTreeMap<(String, i32, i64, i16, i32), Vec<Duration>>,
}

impl Observer {
    /// The program has crashed: answers to it are nobody's.
    pub(super) fn forget_open(&mut self) {
        self.open.clear();
    }

    /// A request on its way.
    pub(super) fn asked(&mut self, frame: &[u8], at: Duration) {
        let Some((key, version, correlation_id)) = request_head(frame) else { return };
        let Some(api) = Api::ALL.into_iter().find(|api| api.key() == key) else { return };
        self.open.insert(correlation_id, (api, version));
        *self.requests.entry((api, at.as_secs())).or_default() += 1;
    }

    pub(super) fn produce(&mut self, request: &SeenProduce, at: Duration) {
        for batch in &request.batches {
            let Some(header) = &batch.header else { continue };
            let (id, epoch) = (header.producer_id, header.producer_epoch);
            // No two records are the same, so no two batches either.
            let number = if id < 0 { header.crc.cast_signed() } else { header.base_sequence };
            let batch = (batch.topic.clone(), batch.partition, id, epoch, number);
            self.sent.entry(batch).or_default().push(at);
        }
    }

    /// What a record's error says that is not so, if something is.
    pub(super) fn untrue(&self, record: &Accepted) -> Option<String> {
        let Some(RecordOutcome::Failed { text, partition, .. }) = record.outcome() else { return None };
        // When a record without a callback was given up nobody has seen.
        let until = record.told.first().map(|told| told.at);
        let heard = |(at, api, about, code): &&(Duration, Api, i32, i16)| {
            until.is_some_and(|until| (record.at..=until).contains(at))
                && *code != 0
                && match api {
                    Api::Produce => Some(*about) == *partition,
                    other => *other == Api::InitProducerId,
                }
        };
        if text.contains("nothing was heard from a broker")
            && let Some((at, api, _, code)) = self.errors.iter().find(heard)
        {
            return Some(format!("{record}: {text} -- but at {at:?} {api:?} was answered {code}"));
        }
        if text.contains("the broker answered 46") {
            return Some(format!("{record}: {text} -- but then the broker has it"));
        }
        let quoted = text.split("the broker answered ").skip(1).filter_map(|rest| {
            let number = rest.split(|c: char| !(c.is_ascii_digit() || c == '-')).next()?;
            number.parse::<i16>().ok()
        });
        let is_told = |code: &i16| self.codes.keys().any(|(_, told)| told == code);
        let invented = quoted.into_iter().find(|code| !is_told(code));
        invented.map(|code| format!("{record}: {text} -- but nobody answered {code}"))
    }

    /// An answer that reaches the client, with its length in front. What cannot be read is somebody's lie.
    pub(super) fn answered(&mut self, frame: &[u8], at: Duration) {
        let body = Bytes::copy_from_slice(frame.get(4..).unwrap_or_default());
        let Some((api, version)) = answer_id(&body).and_then(|id| self.open.remove(&id)) else { return };
        for (partition, code) in codes(api, version, &body).unwrap_or_default() {
            *self.codes.entry((api, code)).or_default() += 1;
            if code != 0 {
                self.errors.push((at, api, partition, code));
            }
        }
    }
}

/// All codes in an answer, with the partitions that they are about.
fn codes(api: Api, version: i16, body: &Bytes) -> Option<Vec<(i32, i16)>> {
    Some(match api {
        Api::Produce => {
            let answer: ProduceResponse = decode(body, version)?;
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            partitions.map(|partition| (partition.index, partition.error_code)).collect()
        }
        Api::Metadata => {
            let answer: MetadataResponse = decode(body, version)?;
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let topics = answer.topics.iter().map(|topic| (-1, topic.error_code));
            let all = topics.chain(partitions.map(|one| (one.partition_index, one.error_code)));
            all.chain([(-1, answer.error_code)]).collect()
        }
        Api::InitProducerId => {
            let answer: InitProducerIdResponse = decode(body, version)?;
            vec![(-1, answer.error_code)]
        }
        Api::ApiVersions => {
            // One that refuses the version answers in version 0.
            let answer: ApiVersionsResponse = decode(body, version).or_else(|| decode(body, 0))?;
            vec![(-1, answer.error_code)]
        }
        of_transactions => return transaction_codes(of_transactions, version, body),
    })
}

/// The same of answers that have to do with transactions.
fn transaction_codes(api: Api, version: i16, body: &Bytes) -> Option<Vec<(i32, i16)>> {
    Some(match api {
        Api::FindCoordinator => {
            let answer: FindCoordinatorResponse = decode(body, version)?;
            let several = answer.coordinators.iter().map(|one| (-1, one.error_code));
            several.chain([(-1, answer.error_code)]).collect()
        }
        Api::AddPartitionsToTxn => {
            let answer: AddPartitionsToTxnResponse = decode(body, version)?;
            let topics = answer.results_by_topic_v3_and_below.iter();
            let partitions = topics.flat_map(|topic| &topic.results_by_partition);
            partitions.map(|one| (one.partition_index, one.partition_error_code)).collect()
        }
        Api::AddOffsetsToTxn => {
            let answer: AddOffsetsToTxnResponse = decode(body, version)?;
            vec![(-1, answer.error_code)]
        }
        Api::TxnOffsetCommit => {
            let answer: TxnOffsetCommitResponse = decode(body, version)?;
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|one| (one.partition_index, one.error_code)).collect()
        }
        Api::EndTxn => {
            let answer: EndTxnResponse = decode(body, version)?;
            vec![(-1, answer.error_code)]
        }
        _ => Vec::new(),
    })
}
