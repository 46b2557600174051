//! TLS: whom we trust, who we are, and the layer around all bytes of a connection.
//!
//! Owns: what the `ssl.*` settings mean. Must not know: the broker's requests, SASL.
//! Threads: connections are made on the sender's; stores are read on the caller's when the producer is made, and later on those
//! of jobs in the background. Locks: trust and keys for new connections, only while they are read or replaced.
//! Holds: a new connection gets trust and keys that were read together; while the files are broken, the last good ones.
//! One look at a time is taken because it is due: a file system that hangs holds up one thread.

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
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustls::ClientConfig;

use crate::config::{Faults, Settings};
use crate::error::Error;
use crate::logging;
use crate::network::{BackgroundWork, TransportLayer, Upkeep};
use crate::stage;
use crate::sync::Mutex;
use client_config::client_config;
use store_sources::{FileStamps, StoreSources};
use tls_layer::TlsLayer;
use tls_rules::TlsRules;

#[cfg(feature = "oidc")]
pub(crate) use tls_layer::handshake_trouble;

/// Trust, keys and rules for TLS connections. Whether the files have changed is looked at before each new connection, and while
/// there is none, once in a while.
pub(crate) struct TlsContext {
    rules: TlsRules,
    sources: StoreSources,
    /// How long the files are left alone; none: until a connection is made.
    reload_interval: Option<Duration>,
    current: Mutex<CurrentConfig>,
    /// A look that was due and is not over has another of it.
    looking: Arc<()>,
}

/// Trust and keys for new connections.
struct CurrentConfig {
    config: Arc<ClientConfig>,
    /// The files as they were looked at last, good or broken.
    seen: FileStamps,
    /// When that was, or was begun.
    looked_at: Instant,
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
        let reload_interval = settings.ssl_reload_interval.filter(|_| sources.has_files());
        let current = Mutex::new(CurrentConfig { config, seen, looked_at: stage::now() });
        Some(Arc::new(TlsContext { rules, sources, reload_interval, current, looking: Arc::default() }))
    }

    /// The configuration for rustls.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.lock().config)
    }

    /// The same, of the files as they are now, for who is in the background anyway: blocks as long as looking at them takes.
    #[cfg(feature = "oidc")]
    pub(crate) fn newest_client_config(&self) -> Arc<ClientConfig> {
        self.take_news();
        self.client_config()
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

    /// The same job, where it is due although no connection is made, and when to ask again.
    pub(crate) fn upkeep(self: &Arc<Self>, now: Instant) -> Upkeep {
        let Some(interval) = self.reload_interval else { return Upkeep::default() };
        let mut current = self.current.lock();
        let due = current.looked_at + interval;
        if now < due {
            return Upkeep { work: Vec::new(), next: Some(due) };
        }
        // Counted from its beginning: one that ends at once, since no thread can be had, is not begun again at once.
        current.looked_at = now;
        drop(current);
        let is_looking = Arc::strong_count(&self.looking) > 1;
        let work = if is_looking { Vec::new() } else { vec![self.due_look()] };
        Upkeep { work, next: Some(now + interval) }
    }

    fn due_look(self: &Arc<Self>) -> BackgroundWork {
        let (context, looking) = (Arc::clone(self), Arc::clone(&self.looking));
        BackgroundWork::new("key and trust stores", move || {
            context.take_news();
            drop(looking);
        })
    }

    /// Uses the files that have changed from now on. Broken ones are logged once, and change nothing.
    fn take_news(&self) {
        let seen = self.sources.stamps();
        let mut current = self.current.lock();
        current.looked_at = stage::now();
        let news = self.sources.changed(&current.seen, &seen).join(", ");
        drop(current);
        if news.is_empty() {
            return;
        }
        let (config, error) = match self.read() {
            Ok(config) => (config, None),
            Err(error) => (None, Some(error)),
        };
        if !self.take(config, seen) {
            // Another connection has looked at the same time, and told it.
            return;
        }
        match error {
            None => logging::info!("new connections are made with what has changed: {news}"),
            Some(error) => logging::warn!(
                "what has changed cannot be used, and new connections are made with what was before: {error}"
            ),
        }
    }

    /// Reads the stores now, for new connections. If they are broken, the old ones stay.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let seen = self.sources.stamps();
        let config = self.read()?;
        self.take(config, seen);
        Ok(())
    }

    fn read(&self) -> Result<Option<Arc<ClientConfig>>, Error> {
        let mut faults = Faults::default();
        let config = client_config(&self.rules, &self.sources, seconds_since_1970(), &mut faults);
        faults.into_result()?;
        Ok(config.map(Arc::new))
    }

    /// Makes new connections with this; with none, with what was before. Returns whether the files were not seen like that yet.
    fn take(&self, config: Option<Arc<ClientConfig>>, seen: FileStamps) -> bool {
        let mut current = self.current.lock();
        let is_first = current.seen != seen;
        current.seen = seen;
        let old = config.map(|config| std::mem::replace(&mut current.config, config));
        drop(current);
        drop(old);
        is_first
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
