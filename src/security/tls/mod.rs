//! TLS: whom we trust, who we are, and the layer around all bytes of a connection.
//!
//! Owns: what the `ssl.*` settings mean. Must not know: the broker's requests, SASL.
//! Threads: connections are made on the sender's; stores are read on the caller's when the producer is made, and later on those
//! of jobs in the background. Locks: trust and keys for new connections, only while they are read or replaced.
//! Holds: a new connection gets trust and keys that were read together; while the files are broken, the last good ones.

mod client_config;
mod own_keys;
mod provider;
mod store_sources;
mod tls_layer;
mod tls_rules;
mod verifier;
mod x509;

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustls::ClientConfig;

use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::logging;
use crate::network::{BackgroundWork, TransportLayer};
use crate::stage;
use crate::sync::Mutex;
use client_config::client_config;
use store_sources::{FileStamps, StoreSources};
use tls_layer::TlsLayer;
use tls_rules::TlsRules;

#[cfg(feature = "oidc")]
pub(crate) use tls_layer::handshake_trouble;

/// Trust, keys and rules for TLS connections. Before each new connection it is checked whether the files have changed.
pub(crate) struct TlsContext {
    rules: TlsRules,
    sources: StoreSources,
    current: Mutex<CurrentConfig>,
}

/// Trust and keys for new connections.
struct CurrentConfig {
    config: Arc<ClientConfig>,
    /// The files as they were looked at last, good or broken.
    seen: FileStamps,
}

impl TlsContext {
    /// Reads the stores; blocks as long as that takes. What is wrong is added to the faults.
    pub(crate) fn new(settings: &Settings, faults: &mut Faults) -> Option<Arc<TlsContext>> {
        let rules = TlsRules::new(settings, faults);
        let sources = StoreSources::new(settings, faults);
        let Some(rules) = rules else {
            // So that faults of the stores are reported as well.
            faults.keep(sources.keys());
            faults.keep(sources.trusted());
            return None;
        };
        // Before they are read: what is written meanwhile is read again.
        let seen = sources.stamps();
        let config = Arc::new(client_config(&rules, &sources, seconds_since_1970(), faults)?);
        Some(Arc::new(TlsContext { rules, sources, current: Mutex::new(CurrentConfig { config, seen }) }))
    }

    /// The configuration for rustls, which HTTPS uses as well.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.lock().config)
    }

    /// The layer of a new connection.
    pub(crate) fn layer(&self, host: &str) -> Result<Box<dyn TransportLayer>, Error> {
        Ok(Box::new(TlsLayer::new(&self.client_config(), host)?))
    }

    /// The job that checks whether the files have changed, to be done before a connection is made; none where there are no files.
    pub(crate) fn look_again(self: &Arc<Self>) -> Option<BackgroundWork> {
        let context = Arc::clone(self);
        self.sources
            .has_files()
            .then(|| BackgroundWork::new("key and trust stores", move || context.take_news()))
    }

    /// Uses the files that have changed from now on. Broken ones are logged once, and change nothing.
    fn take_news(&self) {
        let seen = self.sources.stamps();
        if self.current.lock().seen == seen {
            return;
        }
        match self.load(seen.clone()) {
            Ok(()) => {
                logging::info!("the key and trust stores have changed; new connections are made with them")
            }
            Err(error) => {
                self.current.lock().seen = seen;
                logging::warn!(
                    "the key and trust stores have changed and cannot be used, those of before are kept: {error}"
                );
            }
        }
    }

    /// Reads the stores now, for new connections. If they are broken, the old ones stay.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        self.load(self.sources.stamps())
    }

    fn load(&self, seen: FileStamps) -> Result<(), Error> {
        let mut faults = Faults::default();
        let config = client_config(&self.rules, &self.sources, seconds_since_1970(), &mut faults);
        faults.into_result()?;
        if let Some(config) = config {
            let news = CurrentConfig { config: Arc::new(config), seen };
            let old = std::mem::replace(&mut *self.current.lock(), news);
            drop(old);
        }
        Ok(())
    }
}

/// Shows nothing, since it holds keys and passwords.
impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsContext").finish_non_exhaustive()
    }
}

fn seconds_since_1970() -> u64 {
    stage::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
