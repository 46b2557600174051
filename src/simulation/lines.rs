//! `Lines`: the sender's end of the simulated network, of which the world keeps the other.
//!
//! Owns: which program it belongs to; each that comes after a crash names its sockets from 0 on. Threads: the one that directs, which is the sender's as well.

use std::cell::{RefCell, RefMut};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::network::{Job, Network, NetworkEvent, SocketId};
use crate::simulation::network::SimulatedNetwork;

/// The sender's end; a clone is the world's.
#[derive(Clone)]
pub(super) struct Lines {
    network: Rc<RefCell<SimulatedNetwork>>,
    /// The part of a socket's name that tells programs apart.
    program: u64,
}

impl Lines {
    pub(super) fn new(network: SimulatedNetwork) -> Lines {
        Lines { network: Rc::new(RefCell::new(network)), program: 0 }
    }

    pub(super) fn network(&self) -> RefMut<'_, SimulatedNetwork> {
        self.network.borrow_mut()
    }

    /// Those of the program that comes after this one.
    pub(super) fn of_next(&self) -> Lines {
        Lines { network: Rc::clone(&self.network), program: self.program + (1 << 56) }
    }

    fn outside(&self, socket: SocketId) -> SocketId {
        SocketId(socket.0 ^ self.program)
    }
}

impl Network for Lines {
    fn begin(&mut self, job: Job) {
        self.network().begin(job);
    }

    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> io::Result<()> {
        self.network().connect(self.outside(socket), address)
    }

    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.network().write(self.outside(socket), buffers)
    }

    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        self.network().read(self.outside(socket), buffer)
    }

    fn watch_writable(&mut self, socket: SocketId, on: bool) {
        self.network().watch_writable(self.outside(socket), on);
    }

    fn close(&mut self, socket: SocketId) {
        self.network().close(self.outside(socket));
    }

    fn now(&self) -> Instant {
        self.network().now()
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        let known = events.len();
        let now = self.network().wait(now, until, events);
        for event in events.iter_mut().skip(known) {
            if let NetworkEvent::Readable(id) | NetworkEvent::Writable(id) | NetworkEvent::Failed(id, _) =
                event
            {
                *id = self.outside(*id);
            }
        }
        now
    }
}
