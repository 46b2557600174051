//! `Resolver`: names to addresses without stopping the sender thread.
//!
//! Owns: short-lived threads, one for each name that is being looked up: the system's resolver blocks, and a slow
//! name must not hold up another. Must not know: what the answers are for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::bootstrap_servers::BootstrapServers;
use super::seam::NetworkEvent;
use super::system_names::{Names, SystemNames};

/// Names that are being looked up, and what came of them.
#[derive(Debug)]
pub(super) struct Resolver {
    answers: Receiver<NetworkEvent>,
    answer: Sender<NetworkEvent>,
    open: usize,
}

impl Resolver {
    pub(super) fn new() -> Self {
        let (answer, answers) = unbounded();
        Resolver { answers, answer, open: 0 }
    }

    /// Looks a name up; `done` is called on the thread that found the answer, after it can be taken. An address given
    /// as numbers is answered at once.
    pub(super) fn resolve(
        &mut self,
        token: u64,
        host: &str,
        port: u16,
        done: impl FnOnce() + Send + 'static,
    ) {
        let event = move |addresses| NetworkEvent::Resolved { token, addresses };
        if let Ok(address) = host.parse::<IpAddr>() {
            self.open += 1;
            let _ = self.answer.send(event(Ok(vec![SocketAddr::new(address, port)])));
            return;
        }
        let host = host.to_owned();
        self.beside(move || SystemNames.addresses(&host, port), event, done);
    }

    /// Looks up the servers to begin with.
    pub(super) fn look_up(&mut self, servers: &BootstrapServers, done: impl FnOnce() + Send + 'static) {
        let servers = servers.clone();
        self.beside(move || servers.look_up(), NetworkEvent::Bootstrapped, done);
    }

    /// The next answer, if one is there.
    pub(super) fn take(&mut self) -> Option<NetworkEvent> {
        if self.open == 0 {
            return None;
        }
        let answer = self.answers.try_recv().ok()?;
        self.open -= 1;
        Some(answer)
    }

    /// Asks on a thread of its own.
    fn beside<T: 'static>(
        &mut self,
        question: impl FnOnce() -> io::Result<T> + Send + 'static,
        event: impl Fn(io::Result<T>) -> NetworkEvent + Copy + Send + 'static,
        done: impl FnOnce() + Send + 'static,
    ) {
        self.open += 1;
        let answer = self.answer.clone();
        let body = move || {
            // Nobody listens any more where the producer was closed meanwhile.
            let _ = answer.send(event(question()));
            done();
        };
        if let Err(error) = thread::Builder::new().name("kafka-resolver".to_owned()).spawn(body) {
            let _ = self.answer.send(event(Err(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::config::ClientDnsLookup;

    fn resolved(resolver: &mut Resolver) -> Option<(u64, io::Result<Vec<SocketAddr>>)> {
        match resolver.take()? {
            NetworkEvent::Resolved { token, addresses } => Some((token, addresses)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_given_as_numbers_need_no_thread() {
        let mut resolver = Resolver::new();
        for (host, address) in [("127.0.0.1", "127.0.0.1:9092"), ("::1", "[::1]:9092")] {
            resolver.resolve(7, host, 9092, || unreachable!("no thread"));
            let (token, addresses) = resolved(&mut resolver).unwrap();
            assert_eq!((token, addresses.unwrap()), (7, vec![address.parse().unwrap()]));
        }
        assert!(resolver.take().is_none());
    }

    #[test]
    fn a_name_is_looked_up_beside() {
        let mut resolver = Resolver::new();
        let (sender, receiver) = mpsc::channel();
        resolver.resolve(1, "localhost", 9092, move || sender.send(()).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        let (token, addresses) = resolved(&mut resolver).unwrap();
        let addresses = addresses.unwrap();
        assert_eq!(token, 1);
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_name_without_addresses_is_an_error() {
        let mut resolver = Resolver::new();
        let (sender, receiver) = mpsc::channel();
        resolver.resolve(1, "no such name", 9092, move || sender.send(()).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(resolved(&mut resolver).unwrap().1.is_err());
    }

    #[test]
    fn servers_are_looked_up_beside() {
        let mut resolver = Resolver::new();
        let (sender, receiver) = mpsc::channel();
        let servers = vec![("localhost".to_owned(), 9092)];
        let servers = BootstrapServers::new(servers, ClientDnsLookup::UseAllDnsIps);
        resolver.look_up(&servers, move || sender.send(()).unwrap());
        receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        let Some(NetworkEvent::Bootstrapped(Ok(nodes))) = resolver.take() else { panic!("no answer") };
        assert_eq!((nodes.len(), nodes[0].to_string()), (1, "localhost:9092".to_owned()));
    }
}
