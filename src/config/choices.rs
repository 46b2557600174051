//! The settings whose values are a choice: `acks`, `client.dns.lookup`.
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

/// What is done with the addresses behind a broker's name: `client.dns.lookup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientDnsLookup {
    /// `use_all_dns_ips`: each address of a name is tried in turn. The default.
    UseAllDnsIps,
    /// `resolve_canonical_bootstrap_servers_only`: each bootstrap name is replaced by the canonical names of its
    /// addresses (for Kerberos behind an alias); then as above.
    ResolveCanonicalBootstrapServersOnly,
}

impl ClientDnsLookup {
    pub(super) fn from_text(text: &str) -> ClientDnsLookup {
        match text {
            RESOLVE_CANONICAL => ClientDnsLookup::ResolveCanonicalBootstrapServersOnly,
            _ => ClientDnsLookup::UseAllDnsIps,
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

impl SettingText for Acks {
    fn into_text(self) -> String {
        match self {
            Acks::All => String::from("all"),
            Acks::None | Acks::Leader => self.wire().to_string(),
        }
    }
}

impl SettingText for ClientDnsLookup {
    fn into_text(self) -> String {
        String::from(match self {
            ClientDnsLookup::UseAllDnsIps => "use_all_dns_ips",
            ClientDnsLookup::ResolveCanonicalBootstrapServersOnly => RESOLVE_CANONICAL,
        })
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

const RESOLVE_CANONICAL: &str = "resolve_canonical_bootstrap_servers_only";
