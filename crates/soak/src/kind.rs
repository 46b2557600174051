//! The kinds of faults, by name.
//!
//! Owns: the list. Must not know: how they are brought about.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
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

impl Kind {
    pub fn all() -> Vec<Kind> {
        [&OF_THE_CLUSTER[..], &OF_THE_NETWORK].concat()
    }

    /// By its name in this file.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::all().into_iter().find(|kind| format!("{kind:?}") == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Killed => "broker killed (SIGKILL), started again",
            Kind::HeldShortly => "broker held (SIGSTOP) for a moment",
            Kind::HeldLong => "broker held (SIGSTOP) until it leads nothing",
            Kind::Restarted => "broker restarted (SIGTERM)",
            Kind::TwoHeld => "two brokers held at once",
            Kind::LeadersMoved => "leaders moved",
            Kind::PartitionsAdded => "partitions added",
            Kind::TopicReborn => "topic deleted and created again",
            Kind::Quota => "quota set, taken away again",
            Kind::DiskFull => "disk full",
            Kind::Cut => "all connections of a broker cut",
            Kind::CutInAnswer => "connection cut within an answer",
            Kind::CutInRequest => "connection cut within a request",
            Kind::Delayed => "everything delayed",
            Kind::ClosedToClient => "connections half-closed to the client",
            Kind::ClosedToBroker => "connections half-closed to the broker",
            Kind::Silent => "no byte passes for a while",
            Kind::AnswersLost => "requests arrive, answers are lost",
            Kind::Refused => "connections refused",
        })
    }
}

pub const OF_THE_CLUSTER: [Kind; 10] = [
    Kind::Killed,
    Kind::HeldShortly,
    Kind::HeldLong,
    Kind::Restarted,
    Kind::TwoHeld,
    Kind::LeadersMoved,
    Kind::PartitionsAdded,
    Kind::TopicReborn,
    Kind::Quota,
    Kind::DiskFull,
];

pub const OF_THE_NETWORK: [Kind; 9] = [
    Kind::Cut,
    Kind::CutInAnswer,
    Kind::CutInRequest,
    Kind::Delayed,
    Kind::ClosedToClient,
    Kind::ClosedToBroker,
    Kind::Silent,
    Kind::AnswersLost,
    Kind::Refused,
];
