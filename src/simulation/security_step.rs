//! `SecurityStep`: what goes wrong with TLS and SASL on purpose.
//!
//! Owns: the words. Must not know: how they are carried out, when.

use std::time::Duration;

use kafka_embedded::TlsFault;

use crate::simulation::identity::TokenMood;

/// Something that goes wrong with TLS or SASL.
#[derive(Debug, Clone)]
pub(super) enum SecurityStep {
    /// With the TLS of a connection to come.
    Tls(TlsFault),
    /// The next connection to this broker breaks when so many bytes have gone one way.
    CutAt(i32, TravelWay, usize),
    /// All connections to this broker take new keys.
    NewKeys(i32),
    /// Brokers show this certificate from now on.
    Certificate(ShownCertificate),
    /// Work in the background is as late as that.
    Work(WorkMood),
    /// So it goes with tokens.
    Tokens(TokenMood),
    /// The tokens that were given are not believed any more.
    Revoke,
    /// The brokers have this password of the user.
    BrokersPassword(&'static str),
    /// The client has it.
    OwnPassword(&'static str),
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TravelWay {
    ToBroker,
    ToClient,
}

/// What brokers show of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownCertificate {
    Good,
    /// It ended long ago.
    Expired,
    /// It ends so much later, by the clocks on walls.
    Ends(Duration),
    /// Nobody that the client trusts has signed it.
    OfAStranger,
    /// It is another host's.
    OfAnother,
}

/// When what is done in the background is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkMood {
    Prompt,
    /// So much later than it would be.
    Late(Duration),
    /// Not before nothing goes wrong any more.
    Never,
}
