//! `TlsServer`: the brokers' side of TLS, with certificates made on the fly.
//!
//! Owns: the authority, the brokers' certificate, faults, what was seen. Must not know: requests, sockets, threads.
//! Locks: each part has one of its own, and no two are held at once.

mod certificate_authority;
mod seen_tls;
mod tls_end;
mod tls_fault;
mod tls_options;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

pub use self::certificate_authority::IssuedCertificate;
use self::certificate_authority::{CertificateAuthority, pem};
pub use self::seen_tls::SeenTls;
use self::seen_tls::TlsShared;
pub use self::tls_end::TlsEnd;
pub use self::tls_fault::{AlertAt, TlsFault};
pub use self::tls_options::{CertificateKeyKind, CertificateOptions, TlsOptions, TlsVersions};
use self::tls_options::{ClientCertificates, Clock, Signer};

/// The TLS of an embedded cluster while it runs: [`EmbeddedCluster::tls`](crate::EmbeddedCluster::tls). Without sockets, for
/// simulations, it is made by [`TlsServer::new`].
#[derive(Debug)]
pub struct TlsServer {
    options: TlsOptions,
    authority: Mutex<Arc<CertificateAuthority>>,
    current: Mutex<Current>,
    shared: Arc<TlsShared>,
}

/// What new connections are served with.
#[derive(Debug, Clone)]
struct Current {
    config: Arc<ServerConfig>,
    certificate: IssuedCertificate,
    /// The certificate vouches for itself.
    is_self_signed: bool,
}

impl TlsServer {
    /// The brokers' side of TLS, with an authority of its own.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the ciphers cannot be used on this processor; [`io::ErrorKind::InvalidInput`] for
    /// names that no certificate can have, and for Ed25519 with TLS 1.2 alone.
    pub fn new(options: TlsOptions) -> io::Result<Self> {
        if options.key == CertificateKeyKind::Ed25519 && options.versions == TlsVersions::Only12 {
            let text = "keys of the kind Ed25519 need TLS 1.3";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let authority = CertificateAuthority::new(options.key)?;
        let current = current(&options, &authority, &options.certificate)?;
        let (authority, current) = (Mutex::new(Arc::new(authority)), Mutex::new(current));
        Ok(Self { options, authority, current, shared: Arc::default() })
    }

    /// Another cluster's side of TLS with the certificates of this one, and with faults and handshakes of its own: making keys
    /// takes time, and each run of a simulation begins afresh. Without
    /// [`without_resumption`](TlsOptions::without_resumption) both share the sessions.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let (authority, current) = (Arc::clone(&self.authority.lock()), self.current.lock().clone());
        let (authority, current) = (Mutex::new(authority), Mutex::new(current));
        Self { options: self.options.clone(), authority, current, shared: Arc::default() }
    }

    /// What a client has to trust, as `ssl.truststore.certificates` takes it: the authority's certificate, or the brokers'
    /// own where that has signed itself.
    #[must_use]
    pub fn trusted_pem(&self) -> String {
        let current = self.current.lock().clone();
        if current.is_self_signed { current.certificate.chain_pem() } else { self.authority_pem() }
    }

    /// The certificate of the cluster's authority.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        let authority = Arc::clone(&self.authority.lock());
        pem("CERTIFICATE", authority.der())
    }

    /// A certificate for a client, with its key. Its common name is what Kafka makes the principal of.
    ///
    /// ```
    /// use kafka_embedded::{TlsOptions, TlsServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = TlsServer::new(TlsOptions::new().require_client_certificates())?;
    /// let alice = tls.client_certificate("alice")?;
    /// assert!(alice.key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For a name that no certificate can have.
    pub fn client_certificate(&self, name: &str) -> io::Result<IssuedCertificate> {
        self.certify(&CertificateOptions::for_client(name))
    }

    /// Any certificate, sound or not, with its key.
    ///
    /// # Errors
    ///
    /// For names that no certificate can have.
    pub fn certify(&self, options: &CertificateOptions) -> io::Result<IssuedCertificate> {
        let authority = Arc::clone(&self.authority.lock());
        authority.certify(options)
    }

    /// Serves new connections with another certificate; those that stand go on.
    ///
    /// # Errors
    ///
    /// For names that no certificate can have.
    pub fn replace_certificate(&self, options: &CertificateOptions) -> io::Result<()> {
        let authority = Arc::clone(&self.authority.lock());
        let new = current(&self.options, &authority, options)?;
        *self.current.lock() = new;
        Ok(())
    }

    /// Another authority takes the place of this one, and signs a new certificate for the brokers: new connections need
    /// what [`trusted_pem`](Self::trusted_pem) and [`client_certificate`](Self::client_certificate) give from now on.
    ///
    /// # Errors
    ///
    /// If no key could be made.
    pub fn replace_authority(&self) -> io::Result<()> {
        let authority = CertificateAuthority::new(self.options.key)?;
        let new = current(&self.options, &authority, &self.options.certificate)?;
        *self.authority.lock() = Arc::new(authority);
        *self.current.lock() = new;
        Ok(())
    }

    /// Lets something go wrong with connections to come.
    pub fn inject(&self, fault: TlsFault) {
        self.shared.faults.inject(fault);
    }

    /// Takes back all faults that have not acted yet.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How often faults have taken effect, by the name of the function that makes such a [`TlsFault`].
    #[must_use]
    pub fn faults_acted(&self) -> BTreeMap<&'static str, u64> {
        self.shared.faults.counts()
    }

    /// All handshakes that came to their end, in order.
    #[must_use]
    pub fn handshakes(&self) -> Vec<SeenTls> {
        self.shared.seen.lock().clone()
    }

    /// A client has connected to a broker.
    #[must_use]
    pub fn accept(&self, broker: i32) -> TlsEnd {
        let config = Arc::clone(&self.current.lock().config);
        let fault = self.shared.faults.next(broker);
        let connection = ServerConnection::new(config);
        if let Err(error) = &connection {
            log::error!("embedded broker {broker}: no TLS connection can be made: {error}");
        }
        TlsEnd::new(connection.ok(), Arc::clone(&self.shared), broker, fault)
    }
}

fn current(
    options: &TlsOptions,
    authority: &CertificateAuthority,
    certificate: &CertificateOptions,
) -> io::Result<Current> {
    let is_self_signed = certificate.signer == Signer::Itself;
    let certificate = authority.certify(certificate)?;
    let config = server_config(options, authority, &certificate).map_err(io::Error::other)?;
    Ok(Current { config: Arc::new(config), certificate, is_self_signed })
}

fn server_config(
    options: &TlsOptions,
    authority: &CertificateAuthority,
    certificate: &IssuedCertificate,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let versions: &[&'static SupportedProtocolVersion] = match options.versions {
        TlsVersions::Both => &[&rustls::version::TLS12, &rustls::version::TLS13],
        TlsVersions::Only12 => &[&rustls::version::TLS12],
        TlsVersions::Only13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(rustls_graviola::default_provider());
    let clock = Arc::new(options.clock.clone());
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), clock);
    let builder = builder.with_protocol_versions(versions)?;
    let builder = if options.clients == ClientCertificates::Ignored {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match options.clients {
            ClientCertificates::Required => verifier,
            _ => verifier.allow_unauthenticated(),
        };
        builder.with_client_cert_verifier(verifier.build()?)
    };
    let mut config = builder.with_single_cert(certificate.chain(), certificate.private_key())?;
    // For alerts of our own.
    config.enable_secret_extraction = true;
    if options.is_without_resumption {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch((self.0)()))
    }
}
