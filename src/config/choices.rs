//! The settings whose values are a choice: `acks`, `compression.type`, `metadata.recovery.strategy`,
//! `metadata.cluster.change`, `client.dns.lookup`.
//!
//! Owns: the enumerations and their texts. Must not know: defaults, other settings.

/// How many replicas must have a record before the broker acknowledges it: `acks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acks {
    /// `0`: the broker does not answer. A record counts as sent once it is written to the socket; metadata has
    /// offset -1, and what the broker refuses is never learned.
    None,
    /// `1`: the leader has it in its log. A record may be lost if the leader fails before others have copied it.
    Leader,
    /// `all` or `-1`: all replicas that are in sync have it. The default.
    All,
}

impl Acks {
    /// The number that stands in a produce request.
    pub(crate) fn wire(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }

    pub(super) fn from_text(text: &str) -> Acks {
        match text {
            "0" => Acks::None,
            "1" => Acks::Leader,
            _ => Acks::All,
        }
    }
}

/// How whole batches are compressed: `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompressionType {
    /// `none`: not at all. The default.
    None,
    /// `gzip`: small and slow. Needs the crate's feature `gzip`, which is on by default.
    Gzip,
    /// `snappy`: fast, without levels. Needs the feature `snappy`, which is on by default.
    Snappy,
    /// `lz4`: the fastest. Needs the feature `lz4`, which is on by default, or `lz4-c`.
    Lz4,
    /// `zstd`: the best ratio for its time; for brokers from version 2.1 on. Needs the feature `zstd`, which is on by
    /// default, or `zstd-c`.
    Zstd,
}

impl CompressionType {
    pub(super) fn from_text(text: &str) -> CompressionType {
        let all =
            [CompressionType::Gzip, CompressionType::Snappy, CompressionType::Lz4, CompressionType::Zstd];
        all.into_iter().find(|kind| kind.text() == text).unwrap_or(CompressionType::None)
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            CompressionType::None => "none",
            CompressionType::Gzip => "gzip",
            CompressionType::Snappy => "snappy",
            CompressionType::Lz4 => "lz4",
            CompressionType::Zstd => "zstd",
        }
    }
}

/// What to do when none of the known brokers can be used: `metadata.recovery.strategy` (KIP-899).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataRecoveryStrategy {
    /// `none`: go on trying the brokers that are known.
    None,
    /// `rebootstrap`: begin again with `bootstrap.servers`. The default.
    Rebootstrap,
}

impl MetadataRecoveryStrategy {
    pub(super) fn from_text(text: &str) -> MetadataRecoveryStrategy {
        if text.eq_ignore_ascii_case(MetadataRecoveryStrategy::None.text()) {
            MetadataRecoveryStrategy::None
        } else {
            MetadataRecoveryStrategy::Rebootstrap
        }
    }

    fn text(self) -> &'static str {
        match self {
            MetadataRecoveryStrategy::None => "none",
            MetadataRecoveryStrategy::Rebootstrap => "rebootstrap",
        }
    }
}

/// What to do when brokers of another cluster answer than before: `metadata.cluster.change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterChange {
    /// `follow`: go on with the other cluster, under a new producer id. The default.
    Follow,
    /// `fail`: the producer can no longer be used.
    Fail,
}

impl ClusterChange {
    pub(super) fn from_text(text: &str) -> ClusterChange {
        if text == ClusterChange::Fail.text() { ClusterChange::Fail } else { ClusterChange::Follow }
    }

    fn text(self) -> &'static str {
        match self {
            ClusterChange::Follow => "follow",
            ClusterChange::Fail => "fail",
        }
    }
}

/// What is done with names that have several addresses: `client.dns.lookup` (KIP-235, KIP-602).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientDnsLookup {
    /// `use_all_dns_ips`: one address after another is tried until one connects. The default.
    UseAllDnsIps,
    /// `resolve_canonical_bootstrap_servers_only`: each bootstrap server is replaced by the names of its addresses
    /// first, which Kerberos needs. Everything else is as with `use_all_dns_ips`.
    ResolveCanonicalBootstrapServersOnly,
}

impl ClientDnsLookup {
    pub(super) fn from_text(text: &str) -> ClientDnsLookup {
        let canonical = ClientDnsLookup::ResolveCanonicalBootstrapServersOnly;
        if text == canonical.text() { canonical } else { ClientDnsLookup::UseAllDnsIps }
    }

    fn text(self) -> &'static str {
        match self {
            ClientDnsLookup::UseAllDnsIps => "use_all_dns_ips",
            ClientDnsLookup::ResolveCanonicalBootstrapServersOnly => {
                "resolve_canonical_bootstrap_servers_only"
            }
        }
    }
}

/// How a typed setter writes its value: as a properties file would.
pub(super) trait SettingText {
    fn into_text(self) -> String;
}

impl SettingText for &str {
    fn into_text(self) -> String {
        self.to_owned()
    }
}

impl SettingText for bool {
    fn into_text(self) -> String {
        self.to_string()
    }
}

impl SettingText for u32 {
    fn into_text(self) -> String {
        self.to_string()
    }
}

impl SettingText for usize {
    fn into_text(self) -> String {
        self.to_string()
    }
}

impl SettingText for i32 {
    fn into_text(self) -> String {
        self.to_string()
    }
}

impl SettingText for CompressionType {
    fn into_text(self) -> String {
        self.text().to_owned()
    }
}

impl SettingText for MetadataRecoveryStrategy {
    fn into_text(self) -> String {
        self.text().to_owned()
    }
}

impl SettingText for ClusterChange {
    fn into_text(self) -> String {
        self.text().to_owned()
    }
}

impl SettingText for ClientDnsLookup {
    fn into_text(self) -> String {
        self.text().to_owned()
    }
}

impl SettingText for Acks {
    fn into_text(self) -> String {
        match self {
            Acks::All => String::from("all"),
            Acks::None | Acks::Leader => self.wire().to_string(),
        }
    }
}

/// Whole milliseconds, rounded up: a wait that was asked for is never lost.
impl SettingText for std::time::Duration {
    fn into_text(self) -> String {
        whole(self.as_nanos().div_ceil(1_000_000))
    }
}

/// A span that is written in microseconds, rounded up.
pub(super) struct Microseconds(pub(super) std::time::Duration);

impl SettingText for Microseconds {
    fn into_text(self) -> String {
        whole(self.0.as_nanos().div_ceil(1_000))
    }
}

fn whole(units: u128) -> String {
    i64::try_from(units).unwrap_or(i64::MAX).to_string()
}
