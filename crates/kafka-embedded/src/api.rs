//! The requests that the embedded cluster knows, with the versions that it speaks.

use std::ops::RangeInclusive;

/// A request of Kafka's protocol that the embedded cluster answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Appends records.
    Produce,
    /// Reads records.
    Fetch,
    /// Finds offsets by timestamp, the first and the last.
    ListOffsets,
    /// Tells brokers, topics, partitions and leaders.
    Metadata,
    /// Tells which requests in which versions the broker speaks.
    ApiVersions,
    /// Hands out a producer id; with a transactional id, its next epoch.
    InitProducerId,
    /// Tells which broker coordinates a transactional id or a consumer group.
    FindCoordinator,
    /// Adds partitions to a transaction.
    AddPartitionsToTxn,
    /// Adds a consumer group to a transaction.
    AddOffsetsToTxn,
    /// Commits or aborts a transaction.
    EndTxn,
    /// Commits offsets of a consumer group in a transaction.
    TxnOffsetCommit,
    /// Chooses a mechanism of SASL.
    SaslHandshake,
    /// Carries what is said in a mechanism of SASL.
    SaslAuthenticate,
    /// Tells which metrics of clients are wanted; not known unless [`telemetry`](super::EmbeddedClusterBuilder::telemetry) is asked
    /// for.
    GetTelemetrySubscriptions,
    /// Brings metrics of a client; not known unless [`telemetry`](super::EmbeddedClusterBuilder::telemetry) is asked for.
    PushTelemetry,
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::ApiVersions,
        Self::InitProducerId,
        Self::FindCoordinator,
        Self::AddPartitionsToTxn,
        Self::AddOffsetsToTxn,
        Self::EndTxn,
        Self::TxnOffsetCommit,
        Self::SaslHandshake,
        Self::SaslAuthenticate,
        Self::GetTelemetrySubscriptions,
        Self::PushTelemetry,
    ];

    /// The number that stands for it in a request.
    #[must_use]
    pub const fn key(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Fetch => 1,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::ApiVersions => 18,
            Self::InitProducerId => 22,
            Self::FindCoordinator => 10,
            Self::AddPartitionsToTxn => 24,
            Self::AddOffsetsToTxn => 25,
            Self::EndTxn => 26,
            Self::TxnOffsetCommit => 28,
            Self::SaslHandshake => 17,
            Self::SaslAuthenticate => 36,
            Self::GetTelemetrySubscriptions => 71,
            Self::PushTelemetry => 72,
        }
    }

    /// The versions that the cluster can speak; a builder may narrow what it tells.
    #[must_use]
    pub const fn versions(self) -> RangeInclusive<i16> {
        match self {
            Self::Produce => 3..=13,
            Self::Fetch => 4..=17,
            Self::ListOffsets => 1..=10,
            Self::Metadata => 0..=13,
            Self::ApiVersions => 0..=4,
            Self::EndTxn | Self::TxnOffsetCommit => 0..=5,
            // The last one is not told unless it is asked for: see `EmbeddedClusterBuilder::two_phase_commit`.
            Self::InitProducerId | Self::FindCoordinator => 0..=6,
            // Later ones are sent from broker to broker.
            Self::AddPartitionsToTxn => 0..=3,
            Self::AddOffsetsToTxn => 0..=4,
            Self::SaslHandshake => 0..=1,
            Self::SaslAuthenticate => 0..=2,
            Self::GetTelemetrySubscriptions | Self::PushTelemetry => 0..=0,
        }
    }

    pub(super) fn of_key(key: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.key() == key)
    }

    /// First version with compact strings and tagged fields.
    pub(super) const fn flexible_from(self) -> i16 {
        match self {
            Self::Produce | Self::Metadata => 9,
            Self::Fetch => 12,
            Self::ListOffsets => 6,
            Self::ApiVersions
            | Self::FindCoordinator
            | Self::AddPartitionsToTxn
            | Self::AddOffsetsToTxn
            | Self::EndTxn
            | Self::TxnOffsetCommit => 3,
            Self::InitProducerId | Self::SaslAuthenticate => 2,
            Self::SaslHandshake => i16::MAX,
            Self::GetTelemetrySubscriptions | Self::PushTelemetry => 0,
        }
    }
}
