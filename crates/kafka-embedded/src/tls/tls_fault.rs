//! What shall go wrong with TLS, on which connections.
//!
//! Owns: the list of faults and who is next. Must not know: how TLS looks.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

/// Something that goes wrong with the TLS of a connection: [`TlsServer::inject`](crate::TlsServer::inject).
///
/// It acts on one connection, the next one, unless told otherwise. Each connection has one fault at most: the first that
/// fits.
///
/// ```
/// use std::time::Duration;
///
/// use kafka_embedded::{AlertAt, TlsFault};
///
/// // Broker 1 tells the next two connections that their certificate is bad.
/// let refused = TlsFault::alert(AlertAt::Finished, 42).on_broker(1).times(2);
/// // The third connection breaks when 100 bytes of the broker's handshake have left.
/// let cut = TlsFault::cut_handshake(100).skip(2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    broker: Option<i32>,
    pub(super) effect: TlsEffect,
    skip: u32,
    /// `None`: for ever.
    times: Option<u32>,
}

/// When a broker sends an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlertAt {
    /// In place of its answer to the client's first message.
    ClientHello,
    /// When the client's last message of the handshake has come. With TLS 1.2 in place of the broker's own last message;
    /// with TLS 1.3 the client believes by then that the handshake is over, and sees the alert at its first read.
    Finished,
    /// Once this many bytes of the client's requests have arrived.
    Data(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsEffect {
    Alert(AlertAt, u8),
    CutHandshake(usize),
    CutBefore(usize),
    Slow(Duration),
    Truncate,
    NotTls(Vec<u8>),
}

impl TlsEffect {
    fn name(&self) -> &'static str {
        match self {
            Self::Alert(AlertAt::ClientHello, _) => "alert ClientHello",
            Self::Alert(AlertAt::Finished, _) => "alert Finished",
            Self::Alert(AlertAt::Data(_), _) => "alert Data",
            Self::CutHandshake(_) => "cut_handshake",
            Self::CutBefore(_) => "cut_before",
            Self::Slow(_) => "slow_handshake",
            Self::Truncate => "truncate",
            Self::NotTls(_) => "not_tls",
        }
    }
}

impl TlsFault {
    /// The broker sends a fatal alert with this number and ends the connection. Some numbers: 40 handshake_failure, 42
    /// bad_certificate, 43 unsupported_certificate, 44 certificate_revoked, 45 certificate_expired, 46 certificate_unknown,
    /// 48 unknown_ca, 70 protocol_version, 80 internal_error, 116 certificate_required.
    #[must_use]
    pub fn alert(at: AlertAt, description: u8) -> Self {
        Self::new(TlsEffect::Alert(at, description))
    }

    /// The connection breaks when this number of the broker's bytes has left. A number beyond the handshake cuts what
    /// comes after it.
    #[must_use]
    pub fn cut_handshake(bytes: usize) -> Self {
        Self::new(TlsEffect::CutHandshake(bytes))
    }

    /// The connection breaks when this number of the client's bytes has come; the broker does not read on.
    #[must_use]
    pub fn cut_before(bytes: usize) -> Self {
        Self::new(TlsEffect::CutBefore(bytes))
    }

    /// Each message of the broker's handshake is delayed by this much.
    #[must_use]
    pub fn slow_handshake(by: Duration) -> Self {
        Self::new(TlsEffect::Slow(by))
    }

    /// When the broker ends the connection it does not say so before (no close_notify).
    #[must_use]
    pub fn truncate() -> Self {
        Self::new(TlsEffect::Truncate)
    }

    /// The broker answers with these bytes, which need not be TLS, and ends the connection.
    #[must_use]
    pub fn not_tls(answer: impl Into<Vec<u8>>) -> Self {
        Self::new(TlsEffect::NotTls(answer.into()))
    }

    /// Only connections to this broker.
    #[must_use]
    pub fn on_broker(mut self, broker: i32) -> Self {
        self.broker = Some(broker);
        self
    }

    /// How many connections pass before it acts.
    #[must_use]
    pub fn skip(mut self, connections: u32) -> Self {
        self.skip = connections;
        self
    }

    /// On how many connections it acts; 1 if not said.
    #[must_use]
    pub fn times(mut self, connections: u32) -> Self {
        self.times = Some(connections);
        self
    }

    /// Acts until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn new(effect: TlsEffect) -> Self {
        Self { broker: None, effect, skip: 0, times: Some(1) }
    }
}

/// The faults that are still to act, and how often some have.
#[derive(Debug, Default)]
pub(super) struct TlsFaults {
    waiting: Mutex<Vec<TlsFault>>,
    acted: Mutex<BTreeMap<&'static str, u64>>,
}

impl TlsFaults {
    pub(super) fn inject(&self, fault: TlsFault) {
        if fault.times != Some(0) {
            self.waiting.lock().push(fault);
        }
    }

    pub(super) fn clear(&self) {
        self.waiting.lock().clear();
    }

    /// What goes wrong with a new connection.
    pub(super) fn next(&self, broker: i32) -> Option<TlsEffect> {
        let mut waiting = self.waiting.lock();
        let mut found = None;
        for fault in waiting.iter_mut() {
            if found.is_some() || fault.broker.is_some_and(|it| it != broker) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|left| left.saturating_sub(1));
            found = Some(fault.effect.clone());
        }
        waiting.retain(|fault| fault.times != Some(0));
        found
    }

    /// It has taken effect.
    pub(super) fn acted(&self, effect: &TlsEffect) {
        *self.acted.lock().entry(effect.name()).or_default() += 1;
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.acted.lock().clone()
    }
}
