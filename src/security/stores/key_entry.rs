//! `KeyEntry`: a private key and the certificates that vouch for it, as a store has them.
//!
//! Owns: what an entry is. Must not know: which format it was read from.
//! Holds: the key is in no `Debug`, and its memory is overwritten when the entry is dropped.

use std::fmt;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize;

/// Who we are to the brokers.
pub(crate) struct KeyEntry {
    /// What the store calls it; empty in PEM, and where it has no name.
    pub(crate) alias: String,
    /// In clear.
    pub(crate) key: PrivateKeyDer<'static>,
    /// The key's own certificate first, then that of whoever signed it, and so on. Never empty.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEntry({:?}, {} certificates)", self.alias, self.chain.len())
    }
}

impl Drop for KeyEntry {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}
