//! `Poller`: waits for many sockets and one wake-up at once.
//!
//! Owns: readiness, per operating system. Must not know: what is read and written.
//! Threads: the poller belongs to one thread; a [`WakeSignal`] may be raised from any, also when the poller is gone.
//! Holds: readiness is level-triggered: what is not dealt with is reported again.
//!
//! Two back ends, one behaviour: epoll and eventfd on Linux, `poll` and a loopback socket pair elsewhere. The tests
//! run for both on Linux.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) mod epoll;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
pub(super) mod portable;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// The back end of this operating system.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::EpollPoller as SystemPoller;
/// The back end of this operating system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::PortablePoller as SystemPoller;

/// What to wait for on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read, or the end.
    Read,
    /// Room to write, or the end of connecting.
    Write,
    /// Both.
    ReadWrite,
}

/// A socket on which something can be done. An error or the other side's end counts as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) key: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// Waits for many sockets and one wake-up at once.
pub(crate) trait Poller: Sized {
    /// What ends a wait from another thread.
    type Signal: WakeSignal;

    /// A poller without sockets, and what wakes it.
    fn new() -> io::Result<(Self, Self::Signal)>;

    /// Begins to watch a socket under a key of its own, which is never `u64::MAX`.
    fn add(&mut self, key: u64, socket: &Arc<TcpStream>, interest: Interest) -> io::Result<()>;

    /// Watches for something else.
    fn change(&mut self, key: u64, socket: &TcpStream, interest: Interest) -> io::Result<()>;

    /// Watches no more.
    fn remove(&mut self, key: u64, socket: &TcpStream) -> io::Result<()>;

    /// Waits until a socket is ready, a signal is raised or the time is over (none: without end), and adds what is
    /// ready. May return early with nothing.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;
}

/// Ends a wait from another thread; one that is raised while nobody waits ends the next wait.
pub(crate) trait WakeSignal: Send + Sync + 'static {
    /// Does not block and cannot fail in a way that matters.
    fn raise(&self);
}

/// An error with what the system was asked for.
fn refused(what: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// The longest single wait: it fits every system's own limits, and nothing minds being woken once a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(20));
    const LONG: Duration = Duration::from_secs(30);

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.set_nonblocking(true).unwrap();
        (Arc::new(ours), listener.accept().unwrap().0)
    }

    fn wait<P: Poller>(poller: &mut P, timeout: Option<Duration>) -> Vec<Ready> {
        let mut ready = Vec::new();
        poller.wait(timeout, &mut ready).unwrap();
        ready.sort_by_key(|ready| ready.key);
        ready
    }

    fn readable(key: u64) -> Ready {
        Ready { key, readable: true, writable: false }
    }

    fn writable(key: u64) -> Ready {
        Ready { key, readable: false, writable: true }
    }

    fn tells_what_is_ready_until_it_is_dealt_with<P: Poller>() {
        let (mut poller, _signal) = P::new().unwrap();
        let (first, mut first_peer) = pair();
        let (second, mut second_peer) = pair();
        poller.add(1, &first, Interest::Read).unwrap();
        poller.add(2, &second, Interest::Read).unwrap();
        assert_eq!(wait(&mut poller, SHORT), []);
        second_peer.write_all(b"x").unwrap();
        assert_eq!(wait(&mut poller, None), [readable(2)]);
        first_peer.write_all(b"x").unwrap();
        thread::sleep(Duration::from_millis(5));
        assert_eq!(wait(&mut poller, None), [readable(1), readable(2)]);
        assert_eq!((&*second).read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(wait(&mut poller, None), [readable(1)]);
    }

    fn interest_can_be_changed_and_taken_back<P: Poller>() {
        let (mut poller, _signal) = P::new().unwrap();
        let (socket, mut peer) = pair();
        poller.add(7, &socket, Interest::Write).unwrap();
        peer.write_all(b"x").unwrap();
        thread::sleep(Duration::from_millis(5));
        assert_eq!(wait(&mut poller, None), [writable(7)]);
        poller.change(7, &socket, Interest::ReadWrite).unwrap();
        assert_eq!(wait(&mut poller, None), [Ready { key: 7, readable: true, writable: true }]);
        poller.change(7, &socket, Interest::Read).unwrap();
        assert_eq!(wait(&mut poller, None), [readable(7)]);
        poller.remove(7, &socket).unwrap();
        assert_eq!(wait(&mut poller, SHORT), []);
    }

    fn the_end_of_a_connection_is_told_to_readers_and_writers<P: Poller>() {
        let (mut poller, _signal) = P::new().unwrap();
        let (socket, peer) = pair();
        poller.add(7, &socket, Interest::Read).unwrap();
        drop(peer);
        assert!(wait(&mut poller, None)[0].readable);
        assert_eq!((&*socket).read(&mut [0; 8]).unwrap(), 0);
    }

    fn a_signal_ends_a_wait_and_is_not_lost<P: Poller>() {
        let (mut poller, signal) = P::new().unwrap();
        signal.raise();
        let begin = Instant::now();
        assert_eq!(wait(&mut poller, Some(LONG)), []);
        assert!(begin.elapsed() < LONG);
        let begin = Instant::now();
        assert_eq!(wait(&mut poller, SHORT), []);
        assert!(begin.elapsed() >= SHORT.unwrap(), "a signal ends one wait");
        let waker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            signal.raise();
            signal
        });
        let begin = Instant::now();
        assert_eq!(wait(&mut poller, Some(LONG)), []);
        assert!(begin.elapsed() < LONG);
        drop(poller);
        waker.join().unwrap().raise();
    }

    fn the_time_is_kept<P: Poller>() {
        let (mut poller, _signal) = P::new().unwrap();
        let begin = Instant::now();
        assert_eq!(wait(&mut poller, SHORT), []);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert_eq!(wait(&mut poller, Some(Duration::ZERO)), []);
        assert_eq!(wait(&mut poller, Some(Duration::from_nanos(1))), []);
        assert!(begin.elapsed() < Duration::from_secs(5));
        if cfg!(target_os = "linux") {
            let short = Duration::from_micros(100);
            let took = |poller: &mut P| {
                let begin = Instant::now();
                assert_eq!(wait(poller, Some(short)), []);
                begin.elapsed()
            };
            let least = (0..50).map(|_| took(&mut poller)).min().unwrap();
            assert!((short..Duration::from_micros(900)).contains(&least), "no whole milliseconds: {least:?}");
            let (socket, mut peer) = pair();
            poller.add(1, &socket, Interest::Read).unwrap();
            peer.write_all(b"x").unwrap();
            thread::sleep(Duration::from_millis(5));
            assert_eq!(wait(&mut poller, Some(short)), [readable(1)]);
        }
    }

    /// Each promise, once for each back end.
    macro_rules! for_both_back_ends {
        ($($promise:ident),* $(,)?) => {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            mod with_epoll {
                $(#[test] fn $promise() { super::$promise::<super::epoll::EpollPoller>(); })*
            }
            mod with_poll {
                $(#[test] fn $promise() { super::$promise::<super::portable::PortablePoller>(); })*
            }
        };
    }

    for_both_back_ends!(
        tells_what_is_ready_until_it_is_dealt_with,
        interest_can_be_changed_and_taken_back,
        the_end_of_a_connection_is_told_to_readers_and_writers,
        a_signal_ends_a_wait_and_is_not_lost,
        the_time_is_kept,
    );
}
