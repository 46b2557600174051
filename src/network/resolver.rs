//! `Resolver`: names to addresses without stopping the sender thread.
//!
//! Owns: short-lived threads, one for each name that is being looked up: the system's resolver blocks, and a slow
//! name must not hold up another. Must not know: what the addresses are for.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// A name's addresses, at least one, or why there are none.
type Addresses = io::Result<Vec<SocketAddr>>;

/// Names that are being looked up, and what came of them.
#[derive(Debug)]
pub(super) struct Resolver {
    answers: Receiver<(u64, Addresses)>,
    answer: Sender<(u64, Addresses)>,
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
        self.open += 1;
        let answer = self.answer.clone();
        if let Ok(address) = host.parse::<IpAddr>() {
            let _ = answer.send((token, Ok(vec![SocketAddr::new(address, port)])));
            return;
        }
        let host = host.to_owned();
        let lookup = move || {
            // Nobody listens any more where the producer was closed meanwhile.
            let _ = answer.send((token, look_up(&host, port)));
            done();
        };
        if let Err(error) = thread::Builder::new().name("kafka-resolver".to_owned()).spawn(lookup) {
            let _ = self.answer.send((token, Err(error)));
        }
    }

    /// The next answer, if one is there.
    pub(super) fn take(&mut self) -> Option<(u64, Addresses)> {
        if self.open == 0 {
            return None;
        }
        let answer = self.answers.try_recv().ok()?;
        self.open -= 1;
        Some(answer)
    }
}

/// Each address once, in the order in which the system gives them.
fn look_up(host: &str, port: u16) -> Addresses {
    let mut addresses = Vec::new();
    for address in (host, port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_given_as_numbers_need_no_thread() {
        let mut resolver = Resolver::new();
        for (host, address) in [("127.0.0.1", "127.0.0.1:9092"), ("::1", "[::1]:9092")] {
            resolver.resolve(7, host, 9092, || unreachable!("no thread"));
            let (token, addresses) = resolver.take().unwrap();
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
        let (token, addresses) = resolver.take().unwrap();
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
        assert!(resolver.take().unwrap().1.is_err());
    }
}
