//! `Reporting`: the thread that hands metrics to reporters, where there are any.
//!
//! Owns: when each is called, and the end. Must not know: what is measured, what reporters do.
//! Threads: one of its own, which waits for the next report and for the end; the sender thread ends it, and waits for that.
//! Locks: none over user code.
//! Holds: a reporter that panics harms no other; in a forked child none is called.
//! Source: Kafka's `MetricsReporter`, `metric.reporters`.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::catch_panic::catch_panic;
use crate::class_registry::ClassRegistry;
use crate::completion::{ProducerToken, become_sender_thread};
use crate::config::Faults;
use crate::error::Error;
use crate::escape::Escaped;
use crate::fork_guard::ForkGuard;
use crate::logging;
use crate::metrics::{Metrics, MetricsReporter};
use crate::properties::{Named, Properties};
use crate::sender::Control;
use crate::stage;
use crate::sync::Mutex;
use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// The reporters that a producer will have: by their names, and as values.
pub(super) struct GivenReporters {
    pub(super) named: ClassRegistry,
    /// A lock, so that a builder can be shared though a reporter cannot.
    given: Mutex<Vec<Box<dyn MetricsReporter>>>,
}

impl Default for GivenReporters {
    fn default() -> Self {
        GivenReporters { named: ClassRegistry::default(), given: Mutex::new(Vec::new()) }
    }
}

impl GivenReporters {
    pub(super) fn give(&self, reporter: impl MetricsReporter + 'static) {
        self.given.lock().push(Box::new(reporter));
    }

    /// Those that `metric.reporters` names, configured, and then those that were given.
    pub(super) fn take(
        self,
        classes: &[Named],
        properties: &Properties<'_>,
        faults: &mut Faults,
    ) -> Vec<Box<dyn MetricsReporter>> {
        let setting = "metric.reporters";
        let (of_java, ours): (Vec<_>, Vec<_>) =
            classes.iter().partition(|class| class.class() == JMX_REPORTER && !self.named.has(&class.name));
        if !of_java.is_empty() && !ours.is_empty() {
            logging::info!("{setting}: {JMX_REPORTER} is Java's and has no effect on this producer");
        }
        let named = ours.into_iter().filter_map(|class| {
            let wanted = "others are wanted";
            let created =
                self.named.create::<dyn MetricsReporter>(setting, class, "reporter of metrics", wanted);
            let mut reporter = faults.keep(created.map_err(Error::config))?;
            let configured = reporter.configure(properties);
            let fault = |error: Box<dyn std::error::Error + Send + Sync>| {
                Error::config(format!("{setting}: {error}")).with_source(error)
            };
            faults.keep(configured.map_err(fault))?;
            Some(reporter)
        });
        let mut all: Vec<_> = named.collect();
        all.append(&mut self.given.lock());
        all
    }
}

/// What metrics are read of.
pub(super) struct MetricsSource {
    pub(super) process: ForkGuard,
    pub(super) control: Arc<Control>,
}

impl MetricsSource {
    fn read(&self) -> Metrics {
        self.control.metrics(stage::now())
    }

    /// This is a forked child.
    fn is_elsewhere(&self) -> bool {
        self.process.is_another_process()
    }
}

/// The thread, as the rest of the producer sees it.
pub(super) struct Reporting {
    begin: Sender<MetricsSource>,
    stop: Sender<()>,
    /// Disconnects when the thread has ended.
    ended: Receiver<Infallible>,
}

impl Reporting {
    /// Starts the thread, which waits for what there is to report. None where there is nobody to report to.
    pub(super) fn prepare(
        reporters: Vec<Box<dyn MetricsReporter>>,
        client_id: &str,
    ) -> Result<Option<Reporting>, Error> {
        if reporters.is_empty() {
            return Ok(None);
        }
        let (begin, source) = bounded(1);
        let (stop, stopped) = bounded(1);
        let (alive, ended) = bounded(0);
        let body = move || {
            become_sender_thread(ProducerToken::next());
            if let Ok(source) = source.recv() {
                report_until_the_end(reporters, &source, &stopped);
            }
            drop(alive);
        };
        let name = format!("kafka-producer-metrics | {}", Escaped(client_id));
        thread::Builder::new().name(name).spawn(body).map_err(Error::no_thread)?;
        Ok(Some(Reporting { begin, stop, ended }))
    }

    /// From now on there is something to report.
    pub(super) fn begin(&self, source: MetricsSource) {
        let _ = self.begin.try_send(source);
    }

    /// Lets each report for the last time and close, and waits for that.
    pub(super) fn end(&self) {
        let _ = self.stop.try_send(());
        let _ = self.ended.recv();
    }
}

/// A reporter with its time.
struct DueReporter {
    reporter: Box<dyn MetricsReporter>,
    interval: Duration,
    at: Instant,
    /// Its last report panicked, which has been told.
    is_broken: bool,
}

impl DueReporter {
    fn new(reporter: Box<dyn MetricsReporter>, now: Instant) -> DueReporter {
        let interval = catch_panic(|| reporter.interval()).unwrap_or(OFTEN_ENOUGH).max(LEAST);
        // What is further away than time goes is once, at the end.
        DueReporter { at: later(now, interval), interval, reporter, is_broken: false }
    }

    fn report(&mut self, source: &MetricsSource) {
        let metrics = source.read();
        let went_well = catch_panic(|| self.reporter.report(&metrics)).is_some();
        if !went_well && !self.is_broken {
            logging::warn!("a reporter of metrics panicked; it is called again after {:?}", self.interval);
        }
        self.is_broken = !went_well;
    }
}

fn report_until_the_end(
    reporters: Vec<Box<dyn MetricsReporter>>,
    source: &MetricsSource,
    stopped: &Receiver<()>,
) {
    let now = Instant::now();
    let mut all: Vec<DueReporter> =
        reporters.into_iter().map(|reporter| DueReporter::new(reporter, now)).collect();
    while let Some(next) = all.iter().map(|due| due.at).min() {
        match stopped.recv_deadline(next) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Instant::now();
        for due in all.iter_mut().filter(|due| due.at <= now) {
            due.report(source);
            if source.is_elsewhere() {
                // A reporter has forked: this is the child, and the producer is the parent's.
                return std::mem::forget(all);
            }
            due.at = later(Instant::now(), due.interval);
        }
    }
    for due in &mut all {
        due.report(source);
        if catch_panic(|| due.reporter.close()).is_none() {
            logging::warn!("close of a reporter of metrics panicked");
        }
    }
    // What is dropped is the user's as well.
    for due in all {
        catch_panic(|| drop(due));
    }
}

fn later(now: Instant, interval: Duration) -> Instant {
    now.checked_add(interval).unwrap_or_else(|| now + FOREVER)
}

const JMX_REPORTER: &str = "JmxReporter";
const OFTEN_ENOUGH: Duration = Duration::from_secs(30);
const LEAST: Duration = Duration::from_millis(1);
const FOREVER: Duration = Duration::from_secs(86_400 * 365);
