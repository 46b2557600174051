//! HTTP and HTTPS for logins, by the settings.
//!
//! Owns: whom HTTPS trusts, and how long it may take. Must not know: what is asked.
//! Source: Java's `JaasOptionsUtils`.

use std::sync::Arc;
#[cfg(feature = "msk-iam")]
use std::time::Duration;

use super::http_client::{HttpClient, HttpTimes};
use super::login_settings::JaasOptions;
use crate::config::{Faults, ProducerConfig, Settings};
use crate::error::Error;
use crate::security::tls::TlsContext;

/// By the `ssl.` options of `sasl.jaas.config`, as in Java. The producer's own `ssl.` settings do not count: a provider of
/// tokens is seldom certified by the authority of the brokers. Without such options the system's authorities are trusted.
/// What is wrong is added to the faults.
pub(super) fn login_tls(options: &JaasOptions, faults: &mut Faults) -> Option<Arc<TlsContext>> {
    let options = options.iter().filter(|(name, _)| name.starts_with("ssl."));
    let options = options.map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let nobody = (ProducerConfig::BOOTSTRAP_SERVERS_CONFIG.to_owned(), "localhost:1".to_owned());
    let protocol = (ProducerConfig::SECURITY_PROTOCOL_CONFIG.to_owned(), "SSL".to_owned());
    let mut found = Faults::default();
    let config = found.keep(ProducerConfig::from_properties(options.chain([nobody, protocol])));
    let serializers =
        [ProducerConfig::KEY_SERIALIZER_CLASS_CONFIG, ProducerConfig::VALUE_SERIALIZER_CLASS_CONFIG];
    let settings = config.map(|config| config.resolve(&serializers, &mut found));
    let tls = settings.and_then(|settings| TlsContext::new(&settings, &mut found));
    match found.into_result() {
        Ok(()) => tls,
        Err(error) => {
            let text = format!("HTTPS to fetch tokens, by the ssl. options of sasl.jaas.config: {error}");
            faults.add(Error::config(text));
            None
        }
    }
}

/// A client that may go through a proxy.
pub(super) fn login_http(settings: &Settings, tls: &Arc<TlsContext>) -> HttpClient {
    let times = HttpTimes {
        connect: settings.sasl_login_connect_timeout.unwrap_or(settings.request_timeout),
        read: settings.sasl_login_read_timeout.unwrap_or(settings.request_timeout),
    };
    HttpClient::new(Arc::clone(tls), times, true)
}

/// A client for what is on this machine, or is not there: it answers at once.
#[cfg(feature = "msk-iam")]
pub(super) fn local_http(tls: &Arc<TlsContext>) -> HttpClient {
    let times = HttpTimes { connect: Duration::from_secs(1), read: Duration::from_secs(2) };
    HttpClient::new(Arc::clone(tls), times, false)
}
