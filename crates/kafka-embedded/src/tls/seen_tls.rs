//! What the connections of a cluster tell of their TLS, and what faults wait for them.
//!
//! Owns: both lists. Must not know: how TLS looks.

use parking_lot::Mutex;

use super::tls_fault::TlsFaults;

/// What connections tell, and are told.
#[derive(Debug, Default)]
pub(super) struct TlsShared {
    pub(super) faults: TlsFaults,
    pub(super) seen: Mutex<Vec<SeenTls>>,
}

/// A TLS handshake that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenTls {
    /// With which broker.
    pub broker: i32,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its name in the standard.
    pub cipher_suite: String,
    /// The host name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The client's certificate as DER, if it had one.
    pub client_certificate: Option<Vec<u8>>,
    /// Whether it went on with a session of before.
    pub is_resumed: bool,
}
