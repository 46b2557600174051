//! The settings whose values are a choice: `acks`, `compression.type`, `metadata.recovery.strategy`,
//! `metadata.cluster.change`, `client.dns.lookup`, `security.protocol`.
//!
//! Owns: the enumerations and their texts. Must not know: defaults, other settings.

/// Which replicas must have a record before the broker acknowledges it: `acks`.
///
/// ```
/// use kafka_producer::{Acks, ProducerConfig};
///
/// let config = ProducerConfig::new().acks(Acks::Leader).enable_idempotence(false);
/// assert_eq!(config.get("acks").as_deref(), Some("1"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acks {
    /// `0`: the broker does not answer. A record counts as sent once it is written to the socket; its metadata has no
    /// offset, and nobody learns what the broker refuses.
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
}

impl Choice for Acks {
    const DEFAULT: Self = Acks::All;
    const TEXTS: &[(&str, Self)] =
        &[("all", Acks::All), ("-1", Acks::All), ("0", Acks::None), ("1", Acks::Leader)];
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

impl Choice for CompressionType {
    const DEFAULT: Self = CompressionType::None;
    const TEXTS: &[(&str, Self)] = &[
        ("none", CompressionType::None),
        ("gzip", CompressionType::Gzip),
        ("snappy", CompressionType::Snappy),
        ("lz4", CompressionType::Lz4),
        ("zstd", CompressionType::Zstd),
    ];
}

/// What to do when none of the known brokers can be used: `metadata.recovery.strategy` (KIP-899).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataRecoveryStrategy {
    /// `none`: go on trying the brokers that are known.
    None,
    /// `rebootstrap`: begin again with `bootstrap.servers`. The default.
    Rebootstrap,
}

impl Choice for MetadataRecoveryStrategy {
    const DEFAULT: Self = MetadataRecoveryStrategy::Rebootstrap;
    const TEXTS: &[(&str, Self)] =
        &[("none", MetadataRecoveryStrategy::None), ("rebootstrap", MetadataRecoveryStrategy::Rebootstrap)];
}

/// What to do when brokers of another cluster answer than before: `metadata.cluster.change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterChange {
    /// `follow`: go on with the other cluster, under a new producer id. The default.
    Follow,
    /// `fail`: the producer can no longer be used.
    Fail,
}

impl Choice for ClusterChange {
    const DEFAULT: Self = ClusterChange::Follow;
    const TEXTS: &[(&str, Self)] = &[("follow", ClusterChange::Follow), ("fail", ClusterChange::Fail)];
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

impl Choice for ClientDnsLookup {
    const DEFAULT: Self = ClientDnsLookup::UseAllDnsIps;
    const TEXTS: &[(&str, Self)] = &[
        ("use_all_dns_ips", ClientDnsLookup::UseAllDnsIps),
        ("resolve_canonical_bootstrap_servers_only", ClientDnsLookup::ResolveCanonicalBootstrapServersOnly),
    ];
}

/// How brokers are connected to: `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// `PLAINTEXT`: without encryption and login. The default.
    Plaintext,
    /// `SSL`: encrypted by TLS; brokers may ask for a certificate. Needs the crate's feature `tls`, which is on by default.
    Ssl,
    /// `SASL_PLAINTEXT`: with a login, without encryption.
    SaslPlaintext,
    /// `SASL_SSL`: with a login, encrypted by TLS. Needs the feature `tls`, which is on by default.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether connections are encrypted.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }

    /// Whether clients log in.
    pub(crate) fn has_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }
}

impl Choice for SecurityProtocol {
    const DEFAULT: Self = SecurityProtocol::Plaintext;
    const TEXTS: &[(&str, Self)] = &[
        ("PLAINTEXT", SecurityProtocol::Plaintext),
        ("SSL", SecurityProtocol::Ssl),
        ("SASL_PLAINTEXT", SecurityProtocol::SaslPlaintext),
        ("SASL_SSL", SecurityProtocol::SaslSsl),
    ];
}

/// A setting whose value is one of a few words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Kafka's.
    const DEFAULT: Self;
    /// Each word with what it means; of several words for the same the first is written.
    const TEXTS: &[(&str, Self)];

    /// What a word means, in any case: the table says where case counts, and that there are no other words.
    fn from_text(text: &str) -> Self {
        let found = Self::TEXTS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map_or(Self::DEFAULT, |(_, choice)| *choice)
    }

    fn text(self) -> &'static str {
        Self::TEXTS.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
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

impl<C: Choice> SettingText for C {
    fn into_text(self) -> String {
        self.text().to_owned()
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

#[cfg(test)]
mod tests {
    use super::super::properties_table as row;
    use super::super::property::{PropertyDescription, Rule};
    use super::*;

    fn fits<C: Choice + std::fmt::Debug>(property: &PropertyDescription) {
        let (Rule::OneOf(words) | Rule::OneOfAnyCase(words)) = property.rule else { panic!("{property:?}") };
        let texts: Vec<&str> = C::TEXTS.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, texts, "{}", property.name());
        assert_eq!(property.default(), Some(C::DEFAULT.text()));
        for (word, choice) in C::TEXTS {
            assert_eq!(C::from_text(word), *choice);
            assert_eq!(C::from_text(choice.text()), *choice);
        }
    }

    #[test]
    fn the_table_accepts_the_words_of_each_choice_and_no_others() {
        fits::<Acks>(row::ACKS_CONFIG);
        fits::<CompressionType>(row::COMPRESSION_TYPE_CONFIG);
        fits::<MetadataRecoveryStrategy>(row::METADATA_RECOVERY_STRATEGY_CONFIG);
        fits::<ClusterChange>(row::METADATA_CLUSTER_CHANGE_CONFIG);
        fits::<ClientDnsLookup>(row::CLIENT_DNS_LOOKUP_CONFIG);
        fits::<SecurityProtocol>(row::SECURITY_PROTOCOL_CONFIG);
    }
}
