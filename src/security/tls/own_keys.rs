//! `OwnKeys`: which of our certificates a broker is shown that asks for one.
//!
//! Owns: the choice between several. Must not know: where they are from.
//! Holds: where one is there, one is shown: a broker may take it although it is of none of the authorities that it names.
//! Source: Java's `SunX509KeyManagerImpl`, which shows none then, and so leaves nobody a way to learn why.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::x509::Certificate;

/// Our keys with their certificates, in the order of the store.
#[derive(Debug)]
pub(super) struct OwnKeys(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for OwnKeys {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut usable = self.0.iter().filter(|own| own.key.choose_scheme(schemes).is_some());
        let is_wanted = |own: &&Arc<CertifiedKey>| {
            let mut issuers = own.cert.iter().filter_map(|der| Certificate::read(der));
            issuers.any(|own| authorities.iter().any(|authority| own.issuer.is(authority)))
        };
        let wanted = usable.clone().find(is_wanted);
        wanted.or_else(|| usable.next()).map(Arc::clone)
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}
