//! `Job`: work that may take long, beside the sender thread: names now; tokens and certificates have their place here.
//!
//! Owns: the kinds, and what each comes to. Must not know: threads, who waits for it.
//! Holds: each job that was begun has one result, also if it panics; a simulation gives its own in its own time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::bootstrap_servers::BootstrapServers;
use super::system_names::{Names, SystemNames};
use crate::catch_panic::catch_panic;
use crate::cluster::Node;
use crate::logging;

/// Something to be done beside the sender thread.
#[derive(Debug)]
pub(crate) enum Job {
    /// To find the addresses of a name, after what else has to be done before a connection is made.
    Resolve { token: u64, host: String, port: u16, first: Option<BackgroundWork> },
    /// To look up the servers to begin with.
    LookUp(BootstrapServers),
    /// Anything else.
    Work(BackgroundWork),
}

/// Work of which only its end is told: what comes of it is where those look who wait for it.
pub(crate) struct BackgroundWork {
    name: &'static str,
    /// A connection may wait for it, which cannot go on without.
    is_awaited: bool,
    run: Box<dyn FnOnce() + Send>,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) enum JobResult {
    Resolved {
        /// As given with the job.
        token: u64,
        /// At least one address, in the order in which to try them, or why there is none.
        addresses: io::Result<Vec<SocketAddr>>,
    },
    /// The servers to begin with, at least one, or why there is none.
    LookedUp(io::Result<Vec<Node>>),
    /// The work is over, or could not be done.
    Worked(io::Result<()>),
}

impl BackgroundWork {
    pub(crate) fn new(name: &'static str, run: impl FnOnce() + Send + 'static) -> Self {
        BackgroundWork { name, is_awaited: true, run: Box::new(run) }
    }

    /// The same, of which no connection depends.
    #[cfg_attr(
        not(any(test, feature = "tls", feature = "simulation")),
        expect(dead_code, reason = "only TLS has something to look at")
    )]
    pub(crate) fn unattended(name: &'static str, run: impl FnOnce() + Send + 'static) -> Self {
        BackgroundWork { name, is_awaited: false, run: Box::new(run) }
    }

    /// What is to be had by it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Does it. A panic ends here.
    pub(crate) fn run(self) -> io::Result<()> {
        let name = self.name;
        catch_panic(self.run).ok_or_else(|| io::Error::other(format!("{name}: a panic ended it")))
    }
}

impl fmt::Debug for BackgroundWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackgroundWork").field(&self.name).finish()
    }
}

impl Job {
    /// The result, where that needs no time.
    pub(super) fn at_once(&self) -> Option<JobResult> {
        let Job::Resolve { token, host, port, first: None } = self else { return None };
        let address = host.parse::<IpAddr>().ok()?;
        Some(JobResult::Resolved { token: *token, addresses: Ok(vec![SocketAddr::new(address, *port)]) })
    }

    /// Does it, and blocks as long as that takes.
    pub(crate) fn run(self) -> JobResult {
        match self {
            Job::Resolve { token, host, port, first } => {
                // What comes of it is for others to say; the addresses are to be had in any case.
                let _ = first.map(BackgroundWork::run);
                JobResult::Resolved { token, addresses: SystemNames.addresses(&host, port) }
            }
            Job::LookUp(servers) => JobResult::LookedUp(servers.look_up()),
            Job::Work(work) => {
                let (name, is_awaited) = (work.name, work.is_awaited);
                worked(name, is_awaited, work.run())
            }
        }
    }

    /// What it would come to if it could not be begun.
    pub(super) fn failure(&self) -> Box<dyn FnOnce(io::Error) -> JobResult> {
        match self {
            Job::Resolve { token, .. } => {
                let token = *token;
                Box::new(move |error| JobResult::Resolved { token, addresses: Err(error) })
            }
            Job::LookUp(_) => Box::new(|error| JobResult::LookedUp(Err(error))),
            Job::Work(work) => {
                let (name, is_awaited) = (work.name, work.is_awaited);
                Box::new(move |error| worked(name, is_awaited, Err(error)))
            }
        }
    }
}

/// That work is over. If it has failed, those connections are told that wait for work; where none does, the log is.
fn worked(name: &'static str, is_awaited: bool, result: io::Result<()>) -> JobResult {
    match result {
        Err(error) if !is_awaited => {
            logging::warn!("{name}: work in the background was not done, and is tried again later: {error}");
            JobResult::Worked(Ok(()))
        }
        result => JobResult::Worked(result),
    }
}
