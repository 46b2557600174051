//! `Kind`: the kinds of trouble.
//!
//! Owns: their list. Must not know: what each does.
//! Holds: new ones come at the end of their part, so that what was found in a seed stays in it.

/// A kind of trouble. Each may be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it, and docs/reliability.md more")]
pub enum Kind {
    LostAnswers,
    SlowAnswers,
    Stops,
    Leaders,
    Cuts,
    Stalls,
    OtherApis,
    Throttles,
    Refusals,
    UnknownCodes,
    Partitions,
    LaggingMetadata,
    LyingMetadata,
    LyingHints,
    Recreation,
    Forgetting,
    NewCluster,
    OtherProducers,
    NewAddresses,
    SilentConnections,
    WallClock,
    RefusedIds,
    Interrupts,
    SlowCallbacks,
    Restarts,
    OddAnswers,
    RefusedTopics,
    HandshakeCuts,
    HandshakeStalls,
    Alerts,
    FalseBrokers,
    FalseProofs,
    RefusedLogins,
    BriefSessions,
    LateTokens,
    Rotation,
    KeyUpdates,
    Truncations,
    CoordinatorLosses,
    CoordinatorDelays,
    CoordinatorRefusals,
    AbortableCodes,
    FatalCodes,
    CoordinatorMoves,
    Crashes,
    Departures,
    Rivals,
    Zombies,
    TransactionTimeouts,
    VersionChanges,
    TwoAtOnce,
    PreparedCrashes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 52] = [
        Kind::LostAnswers,
        Kind::SlowAnswers,
        Kind::Stops,
        Kind::Leaders,
        Kind::Cuts,
        Kind::Stalls,
        Kind::OtherApis,
        Kind::Throttles,
        Kind::Refusals,
        Kind::UnknownCodes,
        Kind::Partitions,
        Kind::LaggingMetadata,
        Kind::LyingMetadata,
        Kind::LyingHints,
        Kind::Recreation,
        Kind::Forgetting,
        Kind::NewCluster,
        Kind::OtherProducers,
        Kind::NewAddresses,
        Kind::SilentConnections,
        Kind::WallClock,
        Kind::RefusedIds,
        Kind::Interrupts,
        Kind::SlowCallbacks,
        Kind::Restarts,
        Kind::OddAnswers,
        Kind::RefusedTopics,
        Kind::HandshakeCuts,
        Kind::HandshakeStalls,
        Kind::Alerts,
        Kind::FalseBrokers,
        Kind::FalseProofs,
        Kind::RefusedLogins,
        Kind::BriefSessions,
        Kind::LateTokens,
        Kind::Rotation,
        Kind::KeyUpdates,
        Kind::Truncations,
        Kind::CoordinatorLosses,
        Kind::CoordinatorDelays,
        Kind::CoordinatorRefusals,
        Kind::AbortableCodes,
        Kind::FatalCodes,
        Kind::CoordinatorMoves,
        Kind::Crashes,
        Kind::Departures,
        Kind::Rivals,
        Kind::Zombies,
        Kind::TransactionTimeouts,
        Kind::VersionChanges,
        Kind::TwoAtOnce,
        Kind::PreparedCrashes,
    ];

    /// From here on they have dice of their own: what was found in a seed stays in it.
    const LATER: usize = 24;

    /// From here on they are about TLS and SASL.
    const SECURITY: usize = 27;

    /// From here on they are about transactions.
    const TRANSACTIONS: usize = 38;

    /// From here on they are about two-phase commit.
    const TWO_PHASES: usize = 51;

    /// Those that come on any connections and were there first, and those that came later.
    pub(super) fn of_any_connections() -> (&'static [Kind], &'static [Kind]) {
        let (any, _) = Kind::ALL.split_at(Kind::SECURITY);
        any.split_at(Kind::LATER)
    }

    /// Those of connections with TLS and SASL.
    pub(super) fn of_secured_connections() -> &'static [Kind] {
        &Kind::ALL[Kind::SECURITY..Kind::TRANSACTIONS]
    }

    /// Those of transactions.
    pub(super) fn of_transactions() -> &'static [Kind] {
        &Kind::ALL[Kind::TRANSACTIONS..Kind::TWO_PHASES]
    }

    /// Those of transactions that are prepared before they are committed.
    pub(super) fn of_two_phases() -> &'static [Kind] {
        &Kind::ALL[Kind::TWO_PHASES..]
    }

    /// Those that decide what becomes of single batches.
    pub(super) const OF_SEQUENCES: [Kind; 9] = [
        Kind::LostAnswers,
        Kind::SlowAnswers,
        Kind::Leaders,
        Kind::Cuts,
        Kind::Stalls,
        Kind::Refusals,
        Kind::Forgetting,
        Kind::SilentConnections,
        Kind::NewCluster,
    ];

    /// Those of any connections that come where there are transactions as well.
    pub(super) const BESIDE_TRANSACTIONS: [Kind; 12] = [
        Kind::LostAnswers,
        Kind::SlowAnswers,
        Kind::Stops,
        Kind::Leaders,
        Kind::Cuts,
        Kind::Stalls,
        Kind::OtherApis,
        Kind::Throttles,
        Kind::Refusals,
        Kind::SilentConnections,
        Kind::NewAddresses,
        Kind::Interrupts,
    ];

    /// The same of those that came later: topics that are others, and metadata that lags behind or lies.
    pub(super) const LATER_BESIDE_TRANSACTIONS: [Kind; 8] = [
        Kind::Partitions,
        Kind::LaggingMetadata,
        Kind::LyingMetadata,
        Kind::LyingHints,
        Kind::Recreation,
        Kind::OddAnswers,
        Kind::RefusedTopics,
        Kind::UnknownCodes,
    ];

    /// Those under which a promise is still known to be broken.
    pub const OPEN: [Kind; 0] = [];

    /// Those under which all promises are kept.
    #[must_use]
    pub fn held() -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| !Kind::OPEN.contains(kind)).collect()
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| format!("{kind:?}").eq_ignore_ascii_case(name))
    }
}
