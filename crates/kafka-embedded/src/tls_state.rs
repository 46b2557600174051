//! `TlsState`: how a TLS connection stands.
//!
//! Owns: the words. Must not know: what TLS is.

/// How a TLS connection stands after something has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum TlsState {
    /// It goes on.
    Open,
    /// The client has said that nothing will follow.
    Ended,
    /// Nothing goes any more: what is to be sent is the last, then the connection ends. The text says why.
    Failed(String),
    /// A fault cuts the connection, once what is to be sent has left.
    Cut,
}
