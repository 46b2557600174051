//! `TlsRules`: which versions of TLS and which ciphers may be used, and what is checked: the settings without files.
//!
//! Owns: Java's names of versions and cipher suites, and what rustls has of them. Must not know: keys, certificates,
//! connections.
//! Holds: what rustls lacks only ever makes the choice smaller, and a choice of nothing is an error.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::provider::provider;
use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::escape::Escaped;
use crate::logging;
use crate::properties::Named;

/// What may be used, and what is checked.
#[derive(Debug)]
pub(super) struct TlsRules {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// `ssl.endpoint.identification.algorithm` is not empty.
    pub(super) checks_name: bool,
}

impl TlsRules {
    /// Adds what is wrong to the faults, and returns none then.
    pub(super) fn new(settings: &Settings, faults: &mut Faults) -> Option<TlsRules> {
        let checks_name = faults.keep(checks_name(settings));
        let versions = faults.keep(versions(settings));
        let provider = faults.keep(provider())?;
        let suites = faults.keep(suites(&provider, &settings.ssl_cipher_suites));
        let (versions, suites) = (versions?, suites?);
        let has_suite =
            |version: &&SupportedProtocolVersion| suites.iter().any(|suite| suite.version() == *version);
        let usable: Vec<_> = versions.iter().copied().filter(has_suite).collect();
        if usable.is_empty() {
            let versions = names(&versions);
            faults.add(Error::config(format!(
                "ssl.cipher.suites has none for {versions}, which ssl.enabled.protocols and ssl.protocol allow"
            )));
            return None;
        }
        let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..CryptoProvider::clone(&provider) });
        Some(TlsRules { provider, versions: usable, checks_name: checks_name? })
    }
}

fn checks_name(settings: &Settings) -> Result<bool, Error> {
    match settings.ssl_endpoint_identification_algorithm.as_str() {
        "" => {
            logging::warn!(
                "ssl.endpoint.identification.algorithm is empty: the names in brokers' certificates are not checked, so \
                 that whoever has any certificate of a trusted authority can pose as a broker"
            );
            Ok(false)
        }
        algorithm if algorithm.eq_ignore_ascii_case("https") => Ok(true),
        other => Err(Error::config(format!(
            "Invalid value {} for configuration ssl.endpoint.identification.algorithm: Value must be https, or empty \
             for no check of names",
            Escaped(other)
        ))),
    }
}

/// Those that both settings allow, the newest first.
fn versions(settings: &Settings) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
    let may_be_newest = match settings.ssl_protocol.as_str() {
        "TLS" | "TLSv1.3" => true,
        "TLSv1.2" => false,
        other => {
            return Err(Error::config(format!(
                "Invalid value {} for configuration ssl.protocol: Value must be one of: TLSv1.3, TLSv1.2, TLS",
                Escaped(other)
            )));
        }
    };
    let enabled = &settings.ssl_enabled_protocols;
    let (known, old): (Vec<_>, Vec<_>) =
        enabled.iter().partition(|version| !OLD_VERSIONS.contains(&version.name.as_str()));
    let unknown = known.iter().find(|version| version_of(version).is_none());
    let mut found: Vec<_> = known.iter().filter_map(|version| version_of(version)).collect();
    if let Some(Named { shown, .. }) = unknown {
        return Err(refused_version(shown));
    }
    found.retain(|version| may_be_newest || *version != &rustls::version::TLS13);
    found.sort_by_key(|version| *version != &rustls::version::TLS13);
    if found.is_empty() {
        let shown: Vec<&str> = enabled.iter().map(|version| version.shown.as_str()).collect();
        let cap = if may_be_newest { "" } else { ", and ssl.protocol=TLSv1.2 allows none above TLSv1.2" };
        return Err(Error::config(format!("{}{cap}", refused_version(&shown.join(",")))));
    }
    if !old.is_empty() {
        let old: Vec<&str> = old.iter().map(|version| version.shown.as_str()).collect();
        logging::warn!(
            "ssl.enabled.protocols: {} can be broken and is not used; {} is",
            Escaped(&old.join(", ")),
            names(&found)
        );
    }
    Ok(found)
}

fn version_of(version: &Named) -> Option<&'static SupportedProtocolVersion> {
    match version.name.as_str() {
        "TLSv1.3" => Some(&rustls::version::TLS13),
        "TLSv1.2" => Some(&rustls::version::TLS12),
        _ => None,
    }
}

fn refused_version(shown: &str) -> Error {
    Error::config(format!(
        "Invalid value {} for configuration ssl.enabled.protocols: Value must be TLSv1.2, TLSv1.3 or both",
        Escaped(shown)
    ))
}

/// Those of the list that the provider has, in the list's order; all of them where the list is empty.
fn suites(provider: &CryptoProvider, wanted: &[Named]) -> Result<Vec<SupportedCipherSuite>, Error> {
    if wanted.is_empty() {
        return Ok(provider.cipher_suites.clone());
    }
    let find = |name: &str| provider.cipher_suites.iter().find(|suite| suite_name(suite) == name).copied();
    let found: Vec<_> = wanted.iter().filter_map(|suite| find(&suite.name)).collect();
    let missing = wanted.iter().filter(|suite| find(&suite.name).is_none());
    let missing: Vec<&str> = missing.map(|suite| suite.shown.as_str()).collect();
    // What looks like no name of a suite is a mistake; one of those that are too old or seldom is only left out.
    let strange =
        wanted.iter().find(|suite| !suite.name.starts_with("TLS_") && !suite.name.starts_with("SSL_"));
    if found.is_empty() || strange.is_some() {
        let shown = strange.map_or_else(|| missing.join(","), |suite| suite.shown.clone());
        let there: Vec<String> = provider.cipher_suites.iter().map(suite_name).collect();
        return Err(Error::config(format!(
            "Invalid value {} for configuration ssl.cipher.suites: Value must be of: {}",
            Escaped(&shown),
            there.join(", ")
        )));
    }
    if !missing.is_empty() {
        logging::warn!("ssl.cipher.suites: not there and left out: {}", Escaped(&missing.join(", ")));
    }
    Ok(found)
}

/// As Java and the standard write it.
fn suite_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

fn names(versions: &[&'static SupportedProtocolVersion]) -> String {
    let name = |version: &&'static SupportedProtocolVersion| {
        if *version == &rustls::version::TLS13 { "TLSv1.3" } else { "TLSv1.2" }
    };
    versions.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Versions that Java refuses as well, unless its security properties allow them.
const OLD_VERSIONS: [&str; 5] = ["SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1", "SSL"];
