//! The Linux back end: epoll, and an eventfd as the signal.
//!
//! Holds: the eventfd is watched for edges: each write to it ends one wait, and nobody has to read it.

use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::Errno;

use super::{Interest, LONGEST_WAIT, Poller, Ready, WakeSignal, refused};

/// Many sockets through one epoll instance.
#[derive(Debug)]
pub(crate) struct EpollPoller {
    epoll: OwnedFd,
    /// Keeps the descriptor that epoll watches open.
    _signal: Arc<OwnedFd>,
}

/// An eventfd; open until the last handle that may raise it is gone.
#[derive(Debug)]
pub(crate) struct EventfdSignal(Arc<OwnedFd>);

impl Poller for EpollPoller {
    type Signal = EventfdSignal;

    fn new() -> io::Result<(Self, EventfdSignal)> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from);
        let epoll = epoll.map_err(refused("epoll_create"))?;
        let signal = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from);
        let signal = Arc::new(signal.map_err(refused("eventfd"))?);
        let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &signal, epoll::EventData::new_u64(SIGNAL_KEY), edges)?;
        Ok((EpollPoller { epoll, _signal: signal.clone() }, EventfdSignal(signal)))
    }

    fn add(&mut self, key: u64, socket: &Arc<TcpStream>, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key), flags(interest))?)
    }

    fn change(&mut self, key: u64, socket: &TcpStream, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(key), flags(interest))?)
    }

    fn remove(&mut self, _key: u64, socket: &TcpStream) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let spec = |time: Duration| Timespec::try_from(time.min(LONGEST_WAIT)).unwrap_or_default();
        let mut timeout = timeout.map(spec);
        if let Some(short) =
            timeout.filter(|time| time.tv_sec == 0 && (1..SHORT_NANOS).contains(&time.tv_nsec))
        {
            // epoll would make at least a millisecond of it.
            let mut polled = [PollFd::new(&self.epoll, PollFlags::IN)];
            match poll(&mut polled, Some(&short)) {
                Err(Errno::INTR) | Ok(0) => return Ok(()),
                outcome => outcome?,
            };
            timeout = Some(Timespec::default());
        }
        // On the stack: the events hold pointers, which would keep the poller from moving to another thread.
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_AT_ONCE];
        let (events, _) = match epoll::wait(&self.epoll, &mut buffer[..], timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            outcome => outcome?,
        };
        for event in events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key != SIGNAL_KEY {
                let broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
                let readable = broken || flags.contains(epoll::EventFlags::IN);
                let writable = broken || flags.contains(epoll::EventFlags::OUT);
                ready.push(Ready { key, readable, writable });
            }
        }
        Ok(())
    }
}

impl WakeSignal for EventfdSignal {
    fn raise(&self) {
        // It fails only where the counter is full, and then an edge has been seen already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    match interest {
        Interest::Read => epoll::EventFlags::IN,
        Interest::Write => epoll::EventFlags::OUT,
        Interest::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
    }
}

/// The eventfd's key.
const SIGNAL_KEY: u64 = u64::MAX;

/// Waits below this are not rounded to whole milliseconds.
const SHORT_NANOS: i64 = 2_000_000;

/// Events taken by one wait; what does not fit comes with the next.
const EVENTS_AT_ONCE: usize = 64;
