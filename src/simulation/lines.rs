//! `Lines`: the sender's end of the simulated network, of which the world keeps the other.
//!
//! Owns: nothing of its own. Threads: the one that directs, which is the sender's as well.

use std::cell::{RefCell, RefMut};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::network::{Job, Network, NetworkEvent, SocketId};
use crate::simulation::network::SimulatedNetwork;

/// The sender's end; a clone is the world's.
#[derive(Clone)]
pub(super) struct Lines(Rc<RefCell<SimulatedNetwork>>);

impl Lines {
    pub(super) fn new(network: SimulatedNetwork) -> Lines {
        Lines(Rc::new(RefCell::new(network)))
    }

    pub(super) fn network(&self) -> RefMut<'_, SimulatedNetwork> {
        self.0.borrow_mut()
    }
}

impl Network for Lines {
    fn begin(&mut self, job: Job) {
        self.network().begin(job);
    }

    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> io::Result<()> {
        self.network().connect(socket, address)
    }

    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.network().write(socket, buffers)
    }

    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize> {
        self.network().read(socket, buffer)
    }

    fn watch_writable(&mut self, socket: SocketId, on: bool) {
        self.network().watch_writable(socket, on);
    }

    fn close(&mut self, socket: SocketId) {
        self.network().close(socket);
    }

    fn now(&self) -> Instant {
        self.network().now()
    }

    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant {
        self.network().wait(now, until, events)
    }
}
