//! What the TLS of an embedded cluster shall be like, and its certificates.
//!
//! Owns: the settings. Must not know: keys, connections.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// TLS for the brokers of an embedded cluster: [`EmbeddedClusterBuilder::tls`](crate::EmbeddedClusterBuilder::tls).
///
/// If nothing is said: TLS 1.2 and 1.3, a certificate for `localhost`, `127.0.0.1` and `::1` by an authority that the
/// cluster makes for itself, and nobody is asked for a client certificate.
///
/// ```
/// use kafka_embedded::{CertificateOptions, TlsOptions, TlsVersions};
///
/// let tls = TlsOptions::new()
///     .certificate(CertificateOptions::for_names(["kafka.example", "127.0.0.1"]))
///     .require_client_certificates()
///     .versions(TlsVersions::Only13);
/// ```
#[derive(Debug, Clone)]
pub struct TlsOptions {
    pub(super) certificate: CertificateOptions,
    pub(super) clients: ClientCertificates,
    pub(super) versions: TlsVersions,
    pub(super) key: CertificateKeyKind,
    pub(super) is_without_resumption: bool,
    pub(super) clock: Clock,
}

/// Whether brokers ask clients for a certificate: `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientCertificates {
    Ignored,
    Wanted,
    Required,
}

/// The versions of TLS that brokers speak: `ssl.enabled.protocols`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.2 and TLS 1.3.
    Both,
    /// TLS 1.2 alone.
    Only12,
    /// TLS 1.3 alone.
    Only13,
}

/// What kind of keys certificates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateKeyKind {
    /// ECDSA on the curve P-256, which all clients know.
    EcdsaP256,
    /// Ed25519, with TLS 1.3 alone. All signatures are of one size, so that every handshake has as many bytes as another.
    Ed25519,
}

/// The clock that certificates are judged by: the time since 1970.
#[derive(Clone)]
pub(super) struct Clock(pub(super) Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    fn of_the_system() -> Self {
        Self(Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsOptions {
    /// TLS as said above.
    #[must_use]
    pub fn new() -> Self {
        Self {
            certificate: CertificateOptions::for_names(["localhost", "127.0.0.1", "::1"]),
            clients: ClientCertificates::Ignored,
            versions: TlsVersions::Both,
            key: CertificateKeyKind::EcdsaP256,
            is_without_resumption: false,
            clock: Clock::of_the_system(),
        }
    }

    /// The certificate of all brokers.
    #[must_use]
    pub fn certificate(mut self, certificate: CertificateOptions) -> Self {
        self.certificate = certificate;
        self
    }

    /// `ssl.client.auth=requested`: a client may have a certificate; if it has, the cluster's authority must have signed it.
    #[must_use]
    pub fn want_client_certificates(mut self) -> Self {
        self.clients = ClientCertificates::Wanted;
        self
    }

    /// `ssl.client.auth=required`: a client has to have a certificate that the cluster's authority has signed.
    #[must_use]
    pub fn require_client_certificates(mut self) -> Self {
        self.clients = ClientCertificates::Required;
        self
    }

    /// The versions of TLS that brokers speak.
    #[must_use]
    pub fn versions(mut self, versions: TlsVersions) -> Self {
        self.versions = versions;
        self
    }

    /// The kind of all keys, those of clients as well; [`CertificateKeyKind::EcdsaP256`] if not said.
    #[must_use]
    pub fn keys(mut self, kind: CertificateKeyKind) -> Self {
        self.key = kind;
        self
    }

    /// No session is gone on with: each connection has a whole handshake.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        self.is_without_resumption = true;
        self
    }

    /// The clock by which the certificates of clients are judged, as the time since 1970: for simulations. The system's if
    /// not said.
    #[must_use]
    pub fn clock(mut self, since_1970: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(since_1970));
        self
    }
}

/// What a certificate shall be like: sound, or wrong in one of the ways in which real ones are.
///
/// ```
/// use kafka_embedded::CertificateOptions;
///
/// let expired = CertificateOptions::for_names(["localhost"]).expired();
/// let stranger = CertificateOptions::for_client("alice").by_another_authority();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateOptions {
    pub(super) common_name: String,
    pub(super) names: Vec<String>,
    pub(super) validity: Validity,
    pub(super) signer: Signer,
    pub(super) is_for_client: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Validity {
    /// From 2000 to 3000.
    Long,
    /// It ended in 2001.
    Expired,
    /// It begins in 2900.
    NotYet,
    /// It ends then, in time since 1970.
    Until(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Authority,
    /// One that has the same name and that nobody knows.
    Stranger,
    /// It has signed itself, and says that it is a certificate authority (CA:TRUE).
    Itself,
}

impl CertificateOptions {
    /// A server's, for these host names and IP addresses; the first is the common name as well.
    #[must_use]
    pub fn for_names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        Self::new(common_name, names, false)
    }

    /// A client's, with this common name.
    #[must_use]
    pub fn for_client(name: impl Into<String>) -> Self {
        Self::new(name.into(), Vec::new(), true)
    }

    fn new(common_name: String, names: Vec<String>, is_for_client: bool) -> Self {
        Self { common_name, names, validity: Validity::Long, signer: Signer::Authority, is_for_client }
    }

    /// It was valid until 2001.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.validity = Validity::Expired;
        self
    }

    /// It will be valid from 2900 on.
    #[must_use]
    pub fn not_yet_valid(mut self) -> Self {
        self.validity = Validity::NotYet;
        self
    }

    /// It is valid until then, given as time since 1970 (whole seconds count).
    #[must_use]
    pub fn valid_until(mut self, since_1970: Duration) -> Self {
        self.validity = Validity::Until(since_1970);
        self
    }

    /// It has no subject alternative name; the host is the common name, as in certificates of long ago.
    #[must_use]
    pub fn common_name_only(mut self) -> Self {
        self.names.clear();
        self
    }

    /// It has signed itself and says that it is an authority (CA:TRUE), as `openssl req -x509` and `keytool` make them. For
    /// a client to trust it, it is what [`TlsServer::trusted_pem`](crate::TlsServer::trusted_pem) gives.
    #[must_use]
    pub fn self_signed(mut self) -> Self {
        self.signer = Signer::Itself;
        self
    }

    /// Another authority has signed it, which has the name of the cluster's, and which nobody trusts.
    #[must_use]
    pub fn by_another_authority(mut self) -> Self {
        self.signer = Signer::Stranger;
        self
    }
}
