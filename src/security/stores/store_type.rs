//! `StoreType`: the formats of stores.
//!
//! Owns: their names. Must not know: what is in them.

/// The formats of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreType {
    /// `PEM`: text, by everybody's tools.
    Pem,
    /// `PKCS12`: by OpenSSL, and by Java's `keytool` since Java 9.
    Pkcs12,
    /// `JKS`: by Java's `keytool` up to Java 8.
    Jks,
}

impl StoreType {
    /// The type of this name in `ssl.keystore.type` and `ssl.truststore.type`; upper or lower case, as Java's.
    pub(crate) fn of_name(name: &str) -> Option<StoreType> {
        [StoreType::Pem, StoreType::Pkcs12, StoreType::Jks]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// As Java calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreType::Pem => "PEM",
            StoreType::Pkcs12 => "PKCS12",
            StoreType::Jks => "JKS",
        }
    }

    /// With an article, for sentences.
    pub(super) fn noun(self) -> &'static str {
        match self {
            StoreType::Pem => "PEM",
            StoreType::Pkcs12 => "a PKCS12 store",
            StoreType::Jks => "a JKS store",
        }
    }
}
