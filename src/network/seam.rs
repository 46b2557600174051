//! `Network`: sockets, background jobs and time as the sender's thread sees them; real ones or simulated.
//!
//! Owns: the trait and its words. Must not know: frames, requests.
//! Holds: everything above this trait runs unchanged under virtual time.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Instant;

use super::job::{Job, JobResult};

/// A socket's name, chosen by the caller that connects it and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SocketId(pub(crate) u64);

/// Sockets, jobs and time as the sender's thread sees them.
///
/// Calls never block, [`wait`](Network::wait) aside. `write` and `read` say `WouldBlock` where nothing can be done now.
pub(crate) trait Network {
    /// Begins something that may take long; what comes of it is told as [`NetworkEvent::JobDone`], also where it needs no
    /// time.
    fn begin(&mut self, job: Job);

    /// Begins to connect. [`NetworkEvent::Writable`] says that the connection stands, [`NetworkEvent::Failed`] that
    /// it does not. After an error here there is no socket and nothing to close.
    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> io::Result<()>;

    /// Writes from the buffers in order, as much as goes without waiting.
    fn write(&mut self, socket: SocketId, buffers: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Reads what is there; 0 is the end of the connection.
    fn read(&mut self, socket: SocketId, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether [`NetworkEvent::Writable`] is wanted when the socket has room again.
    fn watch_writable(&mut self, socket: SocketId, on: bool);

    /// Closes the socket; events for it that are still on their way may come, or not.
    fn close(&mut self, socket: SocketId);

    /// Says how many answers are due, and whether somebody waits for them: by that [`wait`](Network::wait) decides
    /// whether to spin before it sleeps.
    fn expect_answers(&mut self, due: usize, awaited: bool) {
        let _ = (due, awaited);
    }

    /// The time as it is now: what was told by the last wait is past where the user's code has run since.
    fn now(&self) -> Instant;

    /// Waits for events, a wake-up or the time `until` (none: without end), and returns the time after the wait.
    /// May return early without events. A simulator moves its virtual time here.
    fn wait(&mut self, now: Instant, until: Option<Instant>, events: &mut Vec<NetworkEvent>) -> Instant;
}

/// What happened on the network. Level-triggered: what is not dealt with is told again by the next wait.
#[derive(Debug)]
pub(crate) enum NetworkEvent {
    /// There is something to read, or the connection is over, which the next read tells.
    Readable(SocketId),
    /// The connection stands, or there is room to write again and the writer asked to be told.
    Writable(SocketId),
    /// The connection could not be made. The socket still has to be closed.
    Failed(SocketId, io::Error),
    /// What came of a job.
    JobDone(JobResult),
}
