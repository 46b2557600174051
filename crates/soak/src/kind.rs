//! The kinds of faults, by name.
//!
//! Owns: the list. Must not know: how they are brought about.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    Killed,
    HeldShortly,
    HeldLong,
    Restarted,
    TwoHeld,
    LeadersMoved,
    PartitionsAdded,
    TopicReborn,
    Quota,
    DiskFull,
    Cut,
    CutInAnswer,
    CutInRequest,
    Delayed,
    ClosedToClient,
    ClosedToBroker,
    Silent,
    AnswersLost,
    Refused,
}

impl FaultKind {
    pub fn all() -> Vec<FaultKind> {
        [&OF_THE_CLUSTER[..], &OF_THE_NETWORK].concat()
    }

    /// By its name in this file.
    pub fn named(name: &str) -> Option<FaultKind> {
        FaultKind::all().into_iter().find(|kind| format!("{kind:?}") == name)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Killed => "broker killed (SIGKILL), started again",
            FaultKind::HeldShortly => "broker held (SIGSTOP) for a moment",
            FaultKind::HeldLong => "broker held (SIGSTOP) until it leads nothing",
            FaultKind::Restarted => "broker restarted (SIGTERM)",
            FaultKind::TwoHeld => "two brokers held at once",
            FaultKind::LeadersMoved => "leaders moved",
            FaultKind::PartitionsAdded => "partitions added",
            FaultKind::TopicReborn => "topic deleted and created again",
            FaultKind::Quota => "quota set, taken away again",
            FaultKind::DiskFull => "disk full",
            FaultKind::Cut => "all connections of a broker cut",
            FaultKind::CutInAnswer => "connection cut within an answer",
            FaultKind::CutInRequest => "connection cut within a request",
            FaultKind::Delayed => "everything delayed",
            FaultKind::ClosedToClient => "connections half-closed to the client",
            FaultKind::ClosedToBroker => "connections half-closed to the broker",
            FaultKind::Silent => "no byte passes for a while",
            FaultKind::AnswersLost => "requests arrive, answers are lost",
            FaultKind::Refused => "connections refused",
        })
    }
}

pub const OF_THE_CLUSTER: [FaultKind; 10] = [
    FaultKind::Killed,
    FaultKind::HeldShortly,
    FaultKind::HeldLong,
    FaultKind::Restarted,
    FaultKind::TwoHeld,
    FaultKind::LeadersMoved,
    FaultKind::PartitionsAdded,
    FaultKind::TopicReborn,
    FaultKind::Quota,
    FaultKind::DiskFull,
];

pub const OF_THE_NETWORK: [FaultKind; 9] = [
    FaultKind::Cut,
    FaultKind::CutInAnswer,
    FaultKind::CutInRequest,
    FaultKind::Delayed,
    FaultKind::ClosedToClient,
    FaultKind::ClosedToBroker,
    FaultKind::Silent,
    FaultKind::AnswersLost,
    FaultKind::Refused,
];
