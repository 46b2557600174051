//! What an embedded cluster shall be like.
//!
//! Owns: the settings and their check. Must not know: sockets, requests.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::api::Api;
use super::sasl::{SaslOptions, SaslSettings};
use super::telemetry_options::TelemetryOptions;
#[cfg(feature = "tls")]
use super::tls::TlsOptions;

/// How many partitions a topic has and what it takes.
///
/// ```
/// use kafka_embedded::TopicConfig;
///
/// let config = TopicConfig::new(6).compacted().max_message_bytes(100_000);
/// ```
#[derive(Debug, Clone)]
pub struct TopicConfig {
    pub(super) partitions: i32,
    pub(super) replication_factor: Option<usize>,
    pub(super) min_insync_replicas: usize,
    pub(super) max_message_bytes: usize,
    pub(super) log_append_time: bool,
    pub(super) compacted: bool,
    pub(super) timestamp_after_max: Duration,
}

impl TopicConfig {
    /// A topic with this number of partitions, and Kafka's defaults for the rest.
    #[must_use]
    pub fn new(partitions: i32) -> Self {
        Self {
            partitions,
            replication_factor: None,
            min_insync_replicas: 1,
            max_message_bytes: 1_048_588,
            log_append_time: false,
            compacted: false,
            timestamp_after_max: Duration::from_secs(3600),
        }
    }

    /// The same with another number of partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// On how many brokers each partition lies: who can take over when the leader stops. 3, or as many as
    /// there are brokers, if not said.
    #[must_use]
    pub fn replication_factor(mut self, brokers: usize) -> Self {
        self.replication_factor = Some(brokers);
        self
    }

    /// `min.insync.replicas`: with fewer live replicas, `acks=all` is answered with NOT_ENOUGH_REPLICAS.
    #[must_use]
    pub fn min_insync_replicas(mut self, brokers: usize) -> Self {
        self.min_insync_replicas = brokers;
        self
    }

    /// `max.message.bytes`: a larger record batch is answered with MESSAGE_TOO_LARGE. 1048588 if not said.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// `message.timestamp.type=LogAppendTime`: the broker's clock counts, not the producer's.
    #[must_use]
    pub fn log_append_time(mut self) -> Self {
        self.log_append_time = true;
        self
    }

    /// `cleanup.policy=compact`: a record without a key is answered with INVALID_RECORD. Nothing is compacted.
    #[must_use]
    pub fn compacted(mut self) -> Self {
        self.compacted = true;
        self
    }

    /// `message.timestamp.after.max.ms`: a timestamp further in the future is answered with INVALID_TIMESTAMP.
    /// One hour if not said.
    #[must_use]
    pub fn timestamp_after_max(mut self, time: Duration) -> Self {
        self.timestamp_after_max = time;
        self
    }
}

/// What the transaction coordinator is told.
#[derive(Debug, Clone)]
pub(super) struct TransactionSettings {
    pub(super) features: FinalizedFeatures,
    pub(super) max_timeout: Duration,
    pub(super) completion_time: Duration,
    pub(super) two_phase_commit: bool,
}

/// What the cluster has agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct FinalizedFeatures {
    /// Counts the changes.
    pub(super) epoch: i64,
    pub(super) transaction_version: i16,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            features: FinalizedFeatures { epoch: 1, transaction_version: MAX_TRANSACTION_VERSION },
            max_timeout: Duration::from_secs(900),
            completion_time: Duration::ZERO,
            two_phase_commit: false,
        }
    }
}

/// Settings of an [`EmbeddedCluster`](super::EmbeddedCluster); made by its
/// [`builder`](super::EmbeddedCluster::builder).
#[derive(Debug, Clone)]
pub struct EmbeddedClusterBuilder {
    pub(super) brokers: i32,
    pub(super) racks: Vec<String>,
    pub(super) topics: BTreeMap<String, TopicConfig>,
    pub(super) auto_create: Option<TopicConfig>,
    pub(super) answer_delay: Duration,
    pub(super) versions: BTreeMap<Api, RangeInclusive<i16>>,
    pub(super) cluster_id: String,
    pub(super) transactions: TransactionSettings,
    pub(super) telemetry: Option<TelemetryOptions>,
    pub(super) sasl: Option<SaslSettings>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsOptions>,
}

const TELEMETRY_APIS: [Api; 2] = [Api::GetTelemetrySubscriptions, Api::PushTelemetry];

impl EmbeddedClusterBuilder {
    pub(super) fn new() -> Self {
        let mut versions: BTreeMap<_, _> = Api::ALL.into_iter().map(|api| (api, api.versions())).collect();
        versions.insert(Api::InitProducerId, STABLE_INIT_PRODUCER_ID);
        // As a broker that has no plugin for them.
        versions.retain(|api, _| !TELEMETRY_APIS.contains(api));
        Self {
            brokers: 1,
            racks: Vec::new(),
            topics: BTreeMap::new(),
            auto_create: None,
            answer_delay: Duration::ZERO,
            versions,
            cluster_id: "embedded-cluster-00000".to_owned(),
            transactions: TransactionSettings::default(),
            telemetry: None,
            sasl: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// How many brokers; 1 if not said. Their ids count from 1.
    #[must_use]
    pub fn brokers(mut self, brokers: i32) -> Self {
        self.brokers = brokers;
        self
    }

    /// `broker.rack` of the brokers, in the order of their ids; those beyond the last one have none. No broker has a
    /// rack if not said.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    ///
    /// let builder = EmbeddedCluster::builder()
    ///     .brokers(3)
    ///     .racks(["zone-a", "zone-b", "zone-a"])
    ///     .topic("t", 6);
    /// ```
    #[must_use]
    pub fn racks(mut self, racks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// A topic with this number of partitions. Their leaders go round the brokers: partition 0 on broker 1, and so on.
    #[must_use]
    pub fn topic(self, name: impl Into<String>, partitions: i32) -> Self {
        self.topic_with(name, TopicConfig::new(partitions))
    }

    /// A topic with settings of its own.
    #[must_use]
    pub fn topic_with(mut self, name: impl Into<String>, config: TopicConfig) -> Self {
        self.topics.insert(name.into(), config);
        self
    }

    /// A topic that is asked for and does not exist is created with this number of partitions, if the request allows
    /// it; as in Kafka the request that caused it is still answered with UNKNOWN_TOPIC_OR_PARTITION. Off if
    /// not said.
    #[must_use]
    pub fn auto_create_topics(mut self, partitions: i32) -> Self {
        self.auto_create = Some(TopicConfig::new(partitions));
        self
    }

    /// By how much every answer comes later, as over a long line: requests are carried out when they arrive, and
    /// several answers may be on their way at once.
    #[must_use]
    pub fn answer_delay(mut self, delay: Duration) -> Self {
        self.answer_delay = delay;
        self
    }

    /// Speaks only these versions of a request, so that a client meets an older (or newer) broker. Versions
    /// that the cluster cannot speak at all are left out; an empty range takes the request away.
    #[must_use]
    pub fn api_versions(mut self, api: Api, versions: RangeInclusive<i16>) -> Self {
        let all = api.versions();
        let (min, max) = (*versions.start().max(all.start()), *versions.end().min(all.end()));
        if min <= max {
            self.versions.insert(api, min..=max);
        } else {
            self.versions.remove(&api);
        }
        self
    }

    /// Does not know this request, as an old broker does not know a new one.
    #[must_use]
    pub fn without(mut self, api: Api) -> Self {
        self.versions.remove(&api);
        self
    }

    /// Brokers take metrics of their clients (KIP-714), as with a plugin for that, and want these:
    /// [`telemetry_pushes`](super::EmbeddedCluster::telemetry_pushes) are what came. Off if not said, as brokers are: they do not
    /// know the requests then.
    #[must_use]
    pub fn telemetry(mut self, options: TelemetryOptions) -> Self {
        self.telemetry = Some(options);
        self.versions.extend(TELEMETRY_APIS.map(|api| (api, api.versions())));
        self
    }

    /// The cluster id that Metadata tells.
    #[must_use]
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.cluster_id = id.into();
        self
    }

    /// The level of the feature `transaction.version` that brokers tell: 0 or 1 for the first protocol of transactions, 2 for
    /// the second (KIP-890), which is what counts if not said. It can be changed while the cluster runs.
    #[must_use]
    pub fn transaction_version(mut self, level: i16) -> Self {
        self.transactions.features.transaction_version = level;
        self
    }

    /// `transaction.max.timeout.ms`: a longer `transaction.timeout.ms` is answered with INVALID_TRANSACTION_TIMEOUT.
    /// 15 minutes if not said.
    #[must_use]
    pub fn max_transaction_timeout(mut self, time: Duration) -> Self {
        self.transactions.max_timeout = time;
        self
    }

    /// Whether brokers have two-phase commit (KIP-939): they tell version 6 of InitProducerId, which Kafka 4.3 does only with
    /// `unstable.api.versions.enable=true`, and consent to it, as with `transaction.two.phase.commit.enable=true`. Unlike Kafka
    /// 4.3's, which answers UNSUPPORTED_VERSION, they keep a prepared transaction for a producer that asks for it. Not if not
    /// said. Version 6 alone, without consent, is `api_versions(Api::InitProducerId, 0..=6)`.
    #[must_use]
    pub fn two_phase_commit(mut self, enabled: bool) -> Self {
        self.transactions.two_phase_commit = enabled;
        let versions = if enabled { Api::InitProducerId.versions() } else { STABLE_INIT_PRODUCER_ID };
        self.versions.insert(Api::InitProducerId, versions);
        self
    }

    /// How long it takes to complete a transaction: by how much its markers are written later than EndTxn is answered. What
    /// comes meanwhile is answered with CONCURRENT_TRANSACTIONS. No time if not said.
    #[must_use]
    pub fn transaction_completion_time(mut self, time: Duration) -> Self {
        self.transactions.completion_time = time;
        self
    }

    /// All brokers want a login by SASL before they answer anything else.
    #[must_use]
    pub fn sasl(mut self, options: SaslOptions) -> Self {
        self.sasl = Some(options.0);
        self
    }

    /// All brokers speak TLS, and nothing else, on their sockets.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = Some(options);
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidCluster> {
        if !(1..=1000).contains(&self.brokers) {
            return Err(InvalidCluster(format!("{} brokers, 1 to 1000 are possible", self.brokers)));
        }
        if i32::try_from(self.racks.len()).map_or(true, |racks| racks > self.brokers) {
            return Err(InvalidCluster(format!("{} racks for {} brokers", self.racks.len(), self.brokers)));
        }
        let level = self.transactions.features.transaction_version;
        if !(0..=MAX_TRANSACTION_VERSION).contains(&level) {
            return Err(InvalidCluster(format!("a transaction.version of {level}, 0 to 2 are possible")));
        }
        for (name, config) in self.topics.iter().map(|(name, config)| (name.as_str(), config)) {
            self.check_topic(name, config)?;
        }
        self.auto_create.iter().try_for_each(|config| self.check_topic("auto_create_topics", config))
    }

    pub(super) fn check_topic(&self, name: &str, config: &TopicConfig) -> Result<(), InvalidCluster> {
        if !is_topic_name(name) {
            return Err(InvalidCluster(format!(
                "{name:?} cannot be the name of a topic, which has 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and \
                 '-', and is not \".\" or \"..\""
            )));
        }
        if !(1..=100_000).contains(&config.partitions) {
            let partitions = config.partitions;
            return Err(InvalidCluster(format!(
                "topic {name}: {partitions} partitions, 1 to 100000 are possible"
            )));
        }
        let factor = config.replication_factor.unwrap_or(1);
        if factor == 0 || i32::try_from(factor).map_or(true, |factor| factor > self.brokers) {
            let brokers = self.brokers;
            return Err(InvalidCluster(format!("topic {name}: {factor} replicas on {brokers} brokers")));
        }
        Ok(())
    }
}

/// The versions of InitProducerId that Kafka 4.3 calls stable.
const STABLE_INIT_PRODUCER_ID: RangeInclusive<i16> = 0..=5;

pub(super) const MAX_TRANSACTION_VERSION: i16 = 2;

/// Kafka's rule for the names of topics.
pub(super) fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

/// Settings that make no cluster: no brokers, a topic without partitions, a name that Kafka does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCluster(String);

impl fmt::Display for InvalidCluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for InvalidCluster {}
