//! `Login`: how far a connection has come with saying who it is.
//!
//! Owns: the phases, and when a session ends. Must not know: what is said in them.
//! Source: Kafka's `SaslServerAuthenticator` and `KafkaChannel`.

use std::time::{Duration, Instant};

use super::login_exchange::LoginExchange;
use super::sasl_options::SaslMechanism;

/// Of one connection.
#[derive(Debug, Default)]
pub(crate) struct Login {
    pub(crate) phase: LoginPhase,
    /// What it logged in with before.
    pub(crate) session: Option<LoginSession>,
    /// When it began to log in again for the last time.
    pub(crate) began_again: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) enum LoginPhase {
    /// Nothing but ApiVersions and SaslHandshake may come.
    #[default]
    Begun,
    /// ApiVersions was answered: only SaslHandshake may come.
    VersionsTold,
    /// Tokens come, in SaslAuthenticate or bare.
    Exchange { exchange: LoginExchange, is_framed: bool },
    /// Another mechanism than before was asked for: the next request ends the connection.
    OtherMechanism,
    /// Everything may come.
    Done,
    /// What comes is not read any more.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginSession {
    pub(crate) mechanism: SaslMechanism,
    pub(crate) principal: String,
    /// The connection is closed at the first request after this.
    pub(crate) ends: Option<Instant>,
}

impl Login {
    /// Whether it may begin to log in again now: once a second.
    pub(crate) fn may_begin_again(&self, now: Instant) -> bool {
        self.began_again.is_none_or(|last| now >= last + Duration::from_secs(1))
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.session.as_ref().and_then(|session| session.ends).is_some_and(|end| now > end)
    }
}
