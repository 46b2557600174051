//! From stores to what rustls makes connections with: whom we trust, and who we are.
//!
//! Owns: which certificates and keys can be used, and what is said of those that cannot. Must not know: settings but for their
//! names in errors, files, connections.
//! Holds: no key is in an error.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};

use super::own_keys::OwnKeys;
use super::store_sources::StoreSources;
use super::tls_rules::TlsRules;
use super::verifier::{BrokerVerifier, NAME_A_STORE, PUT_IT_IN, Trusted};
use super::x509::{Certificate, Date};
use crate::config::Faults;
use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use crate::security::stores::KeyEntry;
use crate::stage;

/// Reads the stores. Blocks as long as that takes. `now`: in seconds since 1970.
pub(super) fn client_config(
    rules: &TlsRules,
    sources: &StoreSources,
    now: u64,
    faults: &mut Faults,
) -> Option<ClientConfig> {
    let trusted = faults.keep(trusted(sources));
    let own_keys = faults.keep(own_keys(&rules.provider, sources, now));
    let (trusted, own_keys) = (trusted?, own_keys?);
    let algorithms = rules.provider.signature_verification_algorithms;
    let verifier = BrokerVerifier::new(trusted, algorithms, rules.checks_name);
    let builder = ClientConfig::builder_with_details(Arc::clone(&rules.provider), Arc::new(WallClock));
    let builder = builder.with_protocol_versions(&rules.versions);
    let builder = builder.map_err(|error| Error::config(format!("security.protocol: TLS: {error}")));
    let builder = faults.keep(builder)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = builder.with_client_cert_resolver(Arc::new(own_keys));
    config.resumption = Resumption::in_memory_sessions(MOST_SESSIONS);
    #[cfg(feature = "tls-key-log")]
    {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    Some(config)
}

/// Whoever builds with the feature should know what it does; and where it does nothing, why.
#[cfg(feature = "tls-key-log")]
pub(super) fn tell_of_key_log() {
    let Some(path) = std::env::var_os("SSLKEYLOGFILE").map(std::path::PathBuf::from) else { return };
    let shown = path.display().to_string();
    let shown = Escaped(&shown);
    match std::fs::OpenOptions::new().append(true).create(true).open(&path) {
        Ok(_) => logging::warn!(
            "the keys of all TLS connections go to SSLKEYLOGFILE ({shown}): whoever has that file can read what is sent"
        ),
        Err(error) => {
            logging::warn!("no keys of TLS connections go to SSLKEYLOGFILE ({shown}): {error}");
        }
    }
}

/// Whom we trust: the given store, or those who are trusted without one.
fn trusted(sources: &StoreSources) -> Result<Trusted, Error> {
    match sources.trusted()? {
        Some((certificates, origin)) => Ok(all_of(certificates, origin.to_owned(), PUT_IT_IN)),
        None => trusted_without_store(),
    }
}

/// These certificates.
fn all_of(certificates: Vec<CertificateDer<'static>>, origin: String, remedy: &'static str) -> Trusted {
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        let read = Certificate::read(certificate);
        // As in Java, one that is no authority vouches for itself and for nobody else.
        if read.as_ref().is_some_and(|read| !read.is_authority) {
            continue;
        }
        if let Err(error) = roots.add(certificate.clone()) {
            let name = read.map_or_else(|| String::from("a certificate"), |read| read.to_string());
            logging::warn!("{origin}: {name} cannot be trusted: {error}");
        }
    }
    Trusted { roots, certificates, origin, remedy }
}

/// Mozilla's authorities, of which there are names, keys and limits, and no certificates.
#[cfg(feature = "webpki-roots")]
fn trusted_without_store() -> Result<Trusted, Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let origin =
        String::from("the authorities of the crate webpki-roots (ssl.truststore.location is not set)");
    Ok(Trusted { roots, certificates: Vec::new(), origin, remedy: NAME_A_STORE })
}

/// The operating system's authorities.
#[cfg(not(feature = "webpki-roots"))]
fn trusted_without_store() -> Result<Trusted, Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why: Vec<String> =
            found.errors.iter().map(|error| Escaped(&error.to_string()).to_string()).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        return Err(Error::config(format!(
            "ssl.truststore.location is not set, and the system has no trusted certificates{why}: name a trust store, or \
             install the system's, often called ca-certificates; or turn on the feature `webpki-roots` of the crate kafka-producer"
        )));
    }
    let origin = String::from("the system's trust store (ssl.truststore.location is not set)");
    Ok(all_of(found.certs, origin, NAME_A_STORE))
}

fn own_keys(provider: &CryptoProvider, sources: &StoreSources, now: u64) -> Result<OwnKeys, Error> {
    let Some((entries, origin)) = sources.keys()? else { return Ok(OwnKeys(Vec::new())) };
    let keys = entries.iter().map(|entry| Ok(Arc::new(certified(provider, entry, origin, now)?)));
    Ok(OwnKeys(keys.collect::<Result<_, Error>>()?))
}

/// Our key with its certificates, if they fit each other and can be used.
fn certified(
    provider: &CryptoProvider,
    entry: &KeyEntry,
    origin: &str,
    now: u64,
) -> Result<CertifiedKey, Error> {
    let own = entry.chain.first().and_then(|der| Certificate::read(der));
    let own = own.ok_or_else(|| Error::config(format!("{origin}: our own certificate cannot be read")))?;
    match own.valid {
        Some((_, until)) if until < now => {
            return Err(Error::config(format!(
                "{origin}: {own}, our own, has expired: it was valid until {}, and the clock of this machine says {}",
                Date(until),
                Date(now)
            )));
        }
        Some((from, _)) if now < from => logging::warn!(
            "{origin}: {own}, our own, is valid from {} on, and the clock of this machine says {}: brokers may refuse it",
            Date(from),
            Date(now)
        ),
        _ => {}
    }
    let key = provider.key_provider.load_private_key(entry.key.clone_key()).map_err(|_| {
        Error::config(format!(
            "{origin}: the private key cannot be used; the ciphers of this producer take RSA of 2048 to 8192 bits, EC on \
             P-256 or P-384, and Ed25519, and its certificate says {}",
            own.key
        ))
    })?;
    let certified = CertifiedKey::new(entry.chain.clone(), key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(Error::config(format!("{origin}: the private key does not fit {own}: it is another's")))
        }
        Err(error) => {
            let error = error.to_string();
            Err(Error::config(format!("{origin}: {own} cannot be used: {}", Escaped(&error))))
        }
    }
}

/// What brokers' certificates are judged by.
#[derive(Debug)]
struct WallClock;

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        stage::wall().duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// Of how many hosts sessions are remembered, so that the next connection needs no certificates.
const MOST_SESSIONS: usize = 256;
