//! `Background`: jobs on threads of their own, so that the sender thread never stops for them.
//!
//! Owns: short-lived threads, one for each job that is being done: the system's resolver blocks, and a slow name must not
//! hold up another. Must not know: what the jobs are for.

use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::job::{Job, JobResult};

/// Jobs that are being done, and what came of them.
#[derive(Debug)]
pub(super) struct Background {
    results: Receiver<JobResult>,
    result: Sender<JobResult>,
    open: usize,
}

impl Background {
    pub(super) fn new() -> Self {
        let (result, results) = unbounded();
        Background { results, result, open: 0 }
    }

    /// Begins a job; `done` is called on the thread that did it, after the result can be taken. What needs no time needs
    /// no thread.
    pub(super) fn begin(&mut self, job: Job, done: impl FnOnce() + Send + 'static) {
        self.open += 1;
        if let Some(result) = job.at_once() {
            let _ = self.result.send(result);
            return;
        }
        let (result, failure) = (self.result.clone(), job.failure());
        let body = move || {
            // Nobody listens any more where the producer was closed meanwhile.
            let _ = result.send(job.run());
            done();
        };
        if let Err(error) = thread::Builder::new().name("kafka-worker".to_owned()).spawn(body) {
            let _ = self.result.send(failure(error));
        }
    }

    /// The next result, if one is there.
    pub(super) fn take(&mut self) -> Option<JobResult> {
        if self.open == 0 {
            return None;
        }
        let result = self.results.try_recv().ok()?;
        self.open -= 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::config::ClientDnsLookup;
    use crate::network::BootstrapServers;
    use crate::network::job::BackgroundWork;

    fn resolve(token: u64, host: &str) -> Job {
        Job::Resolve { token, host: host.to_owned(), port: 9092, first: None }
    }

    /// Does it and waits for its end.
    fn done(background: &mut Background, job: Job) -> JobResult {
        let (sender, receiver) = mpsc::channel();
        background.begin(job, move || sender.send(()).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        background.take().unwrap()
    }

    fn resolved(result: JobResult) -> (u64, io::Result<Vec<SocketAddr>>) {
        match result {
            JobResult::Resolved { token, addresses } => (token, addresses),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_given_as_numbers_need_no_thread() {
        let mut background = Background::new();
        for (host, address) in [("127.0.0.1", "127.0.0.1:9092"), ("::1", "[::1]:9092")] {
            background.begin(resolve(7, host), || unreachable!("no thread"));
            let (token, addresses) = resolved(background.take().unwrap());
            assert_eq!((token, addresses.unwrap()), (7, vec![address.parse().unwrap()]));
        }
        assert!(background.take().is_none());
    }

    #[test]
    fn a_name_is_looked_up_beside() {
        let (token, addresses) = resolved(done(&mut Background::new(), resolve(1, "localhost")));
        let addresses = addresses.unwrap();
        assert_eq!(token, 1);
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_name_without_addresses_is_an_error() {
        assert!(resolved(done(&mut Background::new(), resolve(1, "no such name"))).1.is_err());
    }

    #[test]
    fn servers_are_looked_up_beside() {
        let servers = vec![("localhost".to_owned(), 9092)];
        let servers = BootstrapServers::new(servers, ClientDnsLookup::UseAllDnsIps);
        let result = done(&mut Background::new(), Job::LookUp(servers));
        let JobResult::LookedUp(Ok(nodes)) = result else { panic!("{result:?}") };
        assert_eq!((nodes.len(), nodes[0].to_string()), (1, "localhost:9092".to_owned()));
    }

    #[test]
    fn the_end_of_work_is_told_even_if_it_panics() {
        let mut background = Background::new();
        let work = BackgroundWork::new("a token", || {});
        assert!(matches!(done(&mut background, Job::Work(work)), JobResult::Worked(Ok(()))));
        let work = BackgroundWork::new("a token", || panic!("no token"));
        let result = done(&mut background, Job::Work(work));
        let JobResult::Worked(Err(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.to_string(), "a token: a panic ended it");
    }
}
