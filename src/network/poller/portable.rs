//! The back end for all other systems: `poll`, and a loopback socket pair as the signal.
//!
//! Holds: the sockets that are watched stay open until they are removed, since the poller shares them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Interest, LONGEST_WAIT, Poller, Ready, WakeSignal, refused};

/// A list of sockets, handed to `poll` each time.
#[derive(Debug)]
pub(crate) struct PortablePoller {
    signal: TcpStream,
    sockets: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    key: u64,
    socket: Arc<TcpStream>,
    interest: Interest,
}

/// The writing end of the pair.
#[derive(Debug)]
pub(crate) struct PairSignal(TcpStream);

impl Poller for PortablePoller {
    type Signal = PairSignal;

    fn new() -> io::Result<(Self, PairSignal)> {
        let (signal, raised) = loopback_pair().map_err(refused("a pair of sockets"))?;
        Ok((PortablePoller { signal, sockets: Vec::new() }, PairSignal(raised)))
    }

    fn add(&mut self, key: u64, socket: &Arc<TcpStream>, interest: Interest) -> io::Result<()> {
        self.sockets.push(Watched { key, socket: socket.clone(), interest });
        Ok(())
    }

    fn change(&mut self, key: u64, _socket: &TcpStream, interest: Interest) -> io::Result<()> {
        let watched = self.sockets.iter_mut().find(|watched| watched.key == key);
        watched.map(|watched| watched.interest = interest).ok_or(ErrorKind::NotFound.into())
    }

    fn remove(&mut self, key: u64, _socket: &TcpStream) -> io::Result<()> {
        self.sockets.retain(|watched| watched.key != key);
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = timeout.map(|time| Timespec::try_from(time.min(LONGEST_WAIT)).unwrap_or_default());
        let signal = PollFd::new(&self.signal, PollFlags::IN);
        let sockets =
            self.sockets.iter().map(|watched| PollFd::new(&*watched.socket, flags(watched.interest)));
        let mut polled: Vec<_> = std::iter::once(signal).chain(sockets).collect();
        match poll(&mut polled, timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            outcome => outcome?,
        };
        let mut outcomes = polled.iter().map(PollFd::revents);
        let signalled = outcomes.next().is_some_and(|flags| !flags.is_empty());
        for (watched, flags) in self.sockets.iter().zip(outcomes).filter(|(_, flags)| !flags.is_empty()) {
            let broken = flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            let readable = broken || flags.contains(PollFlags::IN);
            let writable = broken || flags.contains(PollFlags::OUT);
            ready.push(Ready { key: watched.key, readable, writable });
        }
        if signalled {
            // Signals that are still on their way end the next wait.
            let _ = self.signal.read(&mut [0; 64]);
        }
        Ok(())
    }
}

impl WakeSignal for PairSignal {
    fn raise(&self) {
        // It fails where the pair is full, and then a signal is waiting, or where the poller is gone.
        let _ = (&self.0).write(&[1]);
    }
}

fn flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
        Interest::ReadWrite => PollFlags::IN | PollFlags::OUT,
    }
}

/// Two ends of one connection to ourselves; a stranger who connects first is turned away.
fn loopback_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let writing = TcpStream::connect(listener.local_addr()?)?;
    let reading = loop {
        let (reading, address) = listener.accept()?;
        if address == writing.local_addr()? {
            break reading;
        }
    };
    reading.set_nonblocking(true)?;
    writing.set_nonblocking(true)?;
    writing.set_nodelay(true)?;
    Ok((reading, writing))
}
