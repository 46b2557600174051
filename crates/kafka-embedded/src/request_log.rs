//! What clients have asked so far: for tests that count.

use std::collections::BTreeMap;
use std::time::Instant;

use kafka_protocol::messages::ProduceRequest;

use super::api::Api;
use super::batch_header::BatchHeader;
use super::cluster_state::ClusterState;
use super::produce_request;
use super::sasl::SaslMechanism;

/// A Produce request that a broker has received, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenProduce {
    /// When.
    pub at: Instant,
    /// By which broker.
    pub broker: i32,
    /// In which version of the request.
    pub version: i16,
    /// The `acks` asked for.
    pub acks: i16,
    /// The time-out told to the broker, in milliseconds.
    pub timeout_ms: i32,
    /// The transactional id, if there is one.
    pub transactional_id: Option<String>,
    /// The batches in it.
    pub batches: Vec<SeenBatch>,
}

/// What a Produce request held for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenBatch {
    /// Name of the topic; empty for a topic id that is not known.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Bytes of the batch.
    pub bytes: usize,
    /// The batch's header; `None` if there were fewer than 61 bytes.
    pub header: Option<BatchHeader>,
}

/// A login that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenLogin {
    /// When.
    pub at: Instant,
    /// At which broker.
    pub broker: i32,
    /// In which mechanism.
    pub mechanism: SaslMechanism,
    /// Whether the client had logged in on this connection before.
    pub is_again: bool,
    /// As whom, or the text of the refusal.
    pub outcome: Result<String, String>,
}

#[derive(Debug, Default)]
pub(super) struct RequestLog {
    pub(super) logins: Vec<SeenLogin>,
    /// How many tokens of SASL have come.
    pub(super) tokens: u64,
    pub(super) connections: u64,
    pub(super) requests: BTreeMap<Api, usize>,
    pub(super) produce: Vec<SeenProduce>,
    /// How often faults have taken effect.
    pub(super) faults: BTreeMap<(Api, &'static str), u64>,
}

impl RequestLog {
    pub(super) fn count(&mut self, api: Api) {
        *self.requests.entry(api).or_default() += 1;
    }

    pub(super) fn acted(&mut self, effects: impl Iterator<Item = (Api, &'static str)>) {
        effects.for_each(|effect| *self.faults.entry(effect).or_default() += 1);
    }

    pub(super) fn produce(
        &mut self,
        at: Instant,
        cluster: &ClusterState,
        broker: i32,
        version: i16,
        request: &ProduceRequest,
    ) {
        let mut batches = Vec::new();
        for topic in &request.topic_data {
            let name = produce_request::topic_name(cluster, version, topic).unwrap_or_default();
            batches.extend(topic.partition_data.iter().map(|data| SeenBatch {
                topic: name.to_owned(),
                partition: data.index,
                bytes: data.records.as_ref().map_or(0, bytes::Bytes::len),
                header: data.records.as_ref().and_then(|records| BatchHeader::read(records)),
            }));
        }
        self.produce.push(SeenProduce {
            at,
            broker,
            version,
            acks: request.acks,
            timeout_ms: request.timeout_ms,
            transactional_id: request.transactional_id.as_ref().map(|id| id.to_string()),
            batches,
        });
    }
}
