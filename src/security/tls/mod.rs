//! TLS: whom we trust, who we are, and the layer around all bytes of a connection.
//!
//! Owns: what the `ssl.*` settings mean. Must not know: the broker's requests, SASL.
//! Threads: connections are made on the sender's; stores are read on the caller's when the producer is made, and later on those
//! of jobs in the background. Locks: trust and keys for new connections, only while they are read or replaced.
//! Holds: a new connection gets trust and keys that were read together, the last good ones while the files are broken; what was
//! read earlier never takes the place of what was read later. For a file system that hangs nobody waits longer than `file_checks::LONGEST`.

mod client_config;
mod file_checks;
mod own_keys;
mod provider;
mod store_sources;
mod tls_layer;
mod tls_rules;
mod verifier;
mod x509;

use std::error::Error as _;
use std::fmt;
use std::io;
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
use file_checks::{FileChecks, Stuck};
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
}

/// Trust and keys for new connections.
struct CurrentConfig {
    config: Arc<ClientConfig>,
    /// The files as they were looked at last, good or broken.
    seen: FileStamps,
    /// What they were found to be then, if not good: they are read again at each check, since that may pass by itself.
    trouble: Option<Trouble>,
    /// Which reading of the files this is of.
    reading: u64,
    /// When they were looked at last, or that was begun.
    looked_at: Instant,
    checks: FileChecks,
}

/// That the files cannot be used, with the system's reason where one could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trouble(Option<i32>);

/// What was found in the files.
struct StoreReading {
    /// Those that have begun later have later numbers.
    number: u64,
    seen: FileStamps,
    /// The files that have changed, as they may be shown.
    changed: String,
    found: Result<Option<Arc<ClientConfig>>, Error>,
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
        #[cfg(feature = "tls-key-log")]
        client_config::tell_of_key_log();
        let (looked_at, checks) = (stage::now(), FileChecks::default());
        let current = CurrentConfig { config, seen, trouble: None, reading: 0, looked_at, checks };
        Some(Arc::new(TlsContext { rules, sources, reload_interval, current: Mutex::new(current) }))
    }

    /// The configuration for rustls.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.lock().config)
    }

    /// The same, of the files as they are now, for work that is in the background anyway: blocks as long as looking at them
    /// takes.
    #[cfg(feature = "oidc")]
    pub(crate) fn newest_client_config(self: &Arc<Self>) -> Arc<ClientConfig> {
        if !self.is_stuck() {
            FileCheck::begin(self).take_news();
        }
        self.client_config()
    }

    /// The layer of a new connection.
    pub(crate) fn layer(&self, host: &str) -> Result<Box<dyn TransportLayer>, Error> {
        Ok(Box::new(TlsLayer::new(&self.client_config(), host)?))
    }

    /// The job that checks whether the files have changed, to be done before a connection is made; none where there are no files,
    /// or looking at them comes to no end.
    pub(crate) fn look_again(self: &Arc<Self>) -> Option<BackgroundWork> {
        let is_possible = self.sources.has_files() && !self.is_stuck();
        is_possible.then(|| FileCheck::begin(self).work())
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
        let is_looked_at = current.checks.is_any_under_way();
        drop(current);
        let work = if is_looked_at { Vec::new() } else { vec![FileCheck::begin(self).work()] };
        Upkeep { work, next: Some(now + interval) }
    }

    /// Whether a check of the files has been under way for so long that nobody waits for another. It is told once.
    fn is_stuck(&self) -> bool {
        let stuck = self.current.lock().checks.stuck(stage::now());
        if stuck == Stuck::Newly {
            logging::warn!(
                "looking at {} has not come to an end for {} s: until it does new connections are made with what was read before",
                self.sources.all_files().join(", "),
                file_checks::LONGEST.as_secs()
            );
        }
        stuck != Stuck::No
    }

    /// Uses the files that have changed, or were broken before, from now on.
    fn take_news(&self) {
        if let Some(reading) = self.find_news() {
            self.settle(reading);
        }
    }

    fn find_news(&self) -> Option<StoreReading> {
        let number = self.current.lock().checks.number();
        let seen = self.sources.stamps();
        let mut current = self.current.lock();
        current.looked_at = stage::now();
        let changed = self.sources.changed(&current.seen, &seen).join(", ");
        let is_worth_it = !changed.is_empty() || current.trouble.is_some();
        drop(current);
        is_worth_it.then(|| StoreReading { number, seen, changed, found: self.read() })
    }

    /// Good files are for new connections; broken ones change nothing. Each is logged once.
    fn settle(&self, reading: StoreReading) {
        let StoreReading { number, seen, changed, found } = reading;
        let (found, error) = match found {
            Ok(config) => (Ok(config), None),
            Err(error) => (Err(Trouble::of(&error)), Some(error)),
        };
        if !self.take(number, seen, found) {
            // Another connection has looked at the same time, and told it.
            return;
        }
        match error {
            None if changed.is_empty() => logging::info!(
                "new connections are made with what could not be used before: {}",
                self.sources.all_files().join(", ")
            ),
            None => logging::info!("new connections are made with what has changed: {changed}"),
            Some(error) => logging::warn!(
                "what has changed cannot be used, and new connections are made with what was before: {error}"
            ),
        }
    }

    /// Reads the stores now, for new connections. If they are broken, the old ones stay.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let number = self.current.lock().checks.number();
        let seen = self.sources.stamps();
        let config = self.read()?;
        self.take(number, seen, Ok(config));
        Ok(())
    }

    fn read(&self) -> Result<Option<Arc<ClientConfig>>, Error> {
        let mut faults = Faults::default();
        let config = client_config(&self.rules, &self.sources, seconds_since_1970(), &mut faults);
        faults.into_result()?;
        Ok(config.map(Arc::new))
    }

    /// Makes new connections with this; where there is trouble, with what was before. Returns whether it was not known yet.
    fn take(&self, number: u64, seen: FileStamps, found: Result<Option<Arc<ClientConfig>>, Trouble>) -> bool {
        let mut current = self.current.lock();
        if number < current.reading {
            return false;
        }
        let trouble = found.as_ref().err().copied();
        let is_news = current.seen != seen || current.trouble != trouble;
        (current.reading, current.seen, current.trouble) = (number, seen, trouble);
        let old = found.ok().flatten().map(|config| std::mem::replace(&mut current.config, config));
        drop(current);
        drop(old);
        is_news
    }
}

impl Trouble {
    fn of(error: &Error) -> Trouble {
        let reason = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        Trouble(reason.and_then(io::Error::raw_os_error))
    }
}

/// A check of the files that was begun; it is over when this is dropped.
struct FileCheck {
    context: Arc<TlsContext>,
    number: u64,
}

impl FileCheck {
    fn begin(context: &Arc<TlsContext>) -> FileCheck {
        let number = context.current.lock().checks.begin(stage::now());
        FileCheck { context: Arc::clone(context), number }
    }

    fn take_news(&self) {
        self.context.take_news();
    }

    fn work(self) -> BackgroundWork {
        BackgroundWork::unattended("key and trust stores", move || self.take_news())
    }
}

impl Drop for FileCheck {
    fn drop(&mut self) {
        let goes_on = self.context.current.lock().checks.end(self.number);
        if goes_on {
            logging::info!("{} can be looked at again", self.context.sources.all_files().join(", "));
        }
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
