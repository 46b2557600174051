//! `BufferPool`: `buffer.memory` as a bound on the bytes of records that are not answered yet.
//!
//! Owns: the count of free bytes, idle buffers, the queue of those who wait. Must not know: what the bytes hold.
//! Threads: `reserve` on application threads, `give_back` on the sender thread and on failing callers.
//! Locks: its own, never with another; allocation happens outside it.
//! Holds: reserved and idle bytes together never exceed the total; waiters are served first come, first served, and
//! nobody overtakes them.
//! Source: Kafka's `BufferPool`.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::interrupt::{self, Wait};
use crate::planted::{Defect, planted};
use crate::stage;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::channel::{Receiver, Sender, bounded};

/// Bytes that were taken from the pool, perhaps with an idle buffer of that size. They are given back with
/// [`BufferPool::give_back`].
#[derive(Debug)]
#[must_use = "the bytes have to be given back"]
pub(crate) struct Reservation {
    pub(crate) bytes: usize,
    buffer: Option<Vec<u8>>,
}

impl Reservation {
    /// A buffer of the size that was asked for.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer.unwrap_or_else(|| Vec::with_capacity(self.bytes))
    }
}

pub(crate) struct BufferPool {
    total: usize,
    state: Mutex<PoolState>,
    /// How many threads wait; read by the sender, for whom every batch is sendable while somebody does.
    waiting: AtomicUsize,
    /// Somebody who cannot wait was refused since memory was last given back.
    refused: AtomicBool,
    /// The sender has memory that somebody waits for, and has not handed it on yet.
    holds_back: AtomicBool,
}

/// How many times what the first one wants must be free before `give_back_soon` wakes it.
const WAKE_FOR: usize = 4;

#[derive(Default)]
struct PoolState {
    reserved: usize,
    idle_bytes: usize,
    idle: HashMap<usize, Vec<Vec<u8>>, foldhash::fast::FixedState>,
    waiters: VecDeque<Waiter>,
    next_ticket: u64,
    /// The `Lifecycle` is over, told under this lock: nobody can begin to wait behind the one who sends all away.
    closed: bool,
}

struct Waiter {
    ticket: u64,
    bytes: usize,
    grant: Sender<Reservation>,
}

impl BufferPool {
    pub(crate) fn new(total: usize) -> Self {
        BufferPool {
            total,
            state: Mutex::new(PoolState::default()),
            waiting: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            holds_back: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Whether a thread waits for memory, or was refused and may come again.
    pub(crate) fn is_short(&self) -> bool {
        self.waits() || self.refused.load(Ordering::Relaxed)
    }

    /// How many threads wait.
    pub(crate) fn waiting_threads(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Refuses somebody who cannot wait, or not any more: the error, of this kind, and whether he is the first since
    /// memory was last given back.
    pub(crate) fn refuse(&self, bytes: usize, kind: ErrorKind) -> (Error, bool) {
        let first = !self.refused.swap(true, Ordering::Relaxed);
        (self.full(kind, bytes, self.free()), first)
    }

    /// Takes the bytes if they are free and nobody waits for some already.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Result<Option<Reservation>, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::closed());
        }
        if !state.waiters.is_empty() {
            return Ok(None);
        }
        Ok(state.take(bytes, self.total))
    }

    /// Takes the bytes, waiting behind those who came first until `patience` is over. `before_waiting` is called if it
    /// comes to that, outside the lock.
    pub(crate) fn reserve(
        &self,
        bytes: usize,
        patience: Duration,
        before_waiting: impl FnOnce(),
    ) -> Result<Reservation, Error> {
        let (ticket, granted) = match self.enqueue(bytes)? {
            Enqueued::Served(reservation) => return Ok(reservation),
            Enqueued::Waiting { ticket, granted } => (ticket, granted),
        };
        before_waiting();
        let start = stage::now();
        let waited = interrupt::wait(&granted, start.checked_add(patience));
        let elapsed = stage::now().saturating_duration_since(start);
        match waited {
            Wait::Ready(reservation) => return Ok(reservation),
            Wait::Disconnected => return Err(Error::closed()),
            Wait::Interrupted | Wait::TimedOut => {}
        }
        let free = self.leave(ticket, &granted);
        Err(match waited {
            Wait::Interrupted => Error::interrupted("buffer memory"),
            _ => self.full(ErrorKind::Timeout, bytes, free).with_elapsed(elapsed),
        })
    }

    /// The error for a full buffer: `Timeout`, or `WouldBlock` for a call that may not wait.
    fn full(&self, kind: ErrorKind, wanted: usize, free: usize) -> Error {
        let total = self.total;
        let over = match kind {
            ErrorKind::WouldBlock => "the call may not wait",
            _ => "max.block.ms is over",
        };
        let text = format!("buffer.memory={total} is full, and {over}: {wanted} bytes wanted, {free} free");
        Error::new(kind, text)
    }

    pub(crate) fn free(&self) -> usize {
        self.total.saturating_sub(self.state.lock().reserved)
    }

    /// Gives back what was reserved and not used.
    pub(crate) fn cancel(&self, unused: Reservation) {
        self.give_back(unused.bytes, unused.buffer);
    }

    /// Gives bytes back, with the buffer if it can be used again, and serves waiting callers.
    pub(crate) fn give_back(&self, bytes: usize, buffer: Option<Vec<u8>>) {
        self.take_back(&mut self.state.lock(), bytes, buffer, 1);
    }

    /// As `give_back`, but waiting callers go on waiting until there is room for a few like the first: waking a thread for
    /// every batch costs more than the batch. The caller of this calls `serve_waiters` before it sleeps.
    pub(crate) fn give_back_soon(&self, bytes: usize, buffer: Option<Vec<u8>>) {
        self.take_back(&mut self.state.lock(), bytes, buffer, WAKE_FOR);
    }

    /// Gives back the bytes that a batch does not need any more, and the buffer that it was in; it is kept if there is
    /// room for it beside what is reserved.
    pub(crate) fn give_back_part(&self, bytes: usize, buffer: Vec<u8>) {
        let mut state = self.state.lock();
        state.reserved = state.reserved.saturating_sub(bytes);
        self.refused.store(false, Ordering::Relaxed);
        let size = buffer.capacity();
        if !state.closed && state.reserved + state.idle_bytes + size <= self.total {
            state.idle_bytes += size;
            state.idle.entry(size).or_default().push(buffer);
        }
        self.serve(&mut state, 1);
    }

    /// Whether somebody may have been left waiting by `give_back_soon`.
    pub(crate) fn holds_back(&self) -> bool {
        self.waits() && self.holds_back.load(Ordering::Relaxed)
    }

    /// Whether the first of those who wait could be served.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn withholds(&self) -> bool {
        let state = self.state.lock();
        state.waiters.front().is_some_and(|head| head.bytes <= self.total.saturating_sub(state.reserved))
    }

    /// Serves everyone for whom there is room.
    pub(crate) fn serve_waiters(&self) {
        self.serve(&mut self.state.lock(), 1);
    }

    fn take_back(&self, state: &mut PoolState, bytes: usize, buffer: Option<Vec<u8>>, wake_for: usize) {
        state.reserved = state.reserved.saturating_sub(bytes);
        self.refused.store(false, Ordering::Relaxed);
        match buffer {
            Some(buffer) if buffer.capacity() == bytes && !state.closed => {
                state.idle_bytes += bytes;
                state.idle.entry(bytes).or_default().push(buffer);
            }
            _ => {}
        }
        self.serve(state, wake_for);
    }

    /// Refuses everything from now on and sends the waiters away.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiters.clear();
        state.idle.clear();
        state.idle_bytes = 0;
        self.waiting.store(0, Ordering::Relaxed);
    }

    fn enqueue(&self, bytes: usize) -> Result<Enqueued, Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::closed());
        }
        if state.waiters.is_empty()
            && let Some(reservation) = state.take(bytes, self.total)
        {
            return Ok(Enqueued::Served(reservation));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (grant, granted) = bounded(1);
        state.waiters.push_back(Waiter { ticket, bytes, grant });
        self.waiting.store(state.waiters.len(), Ordering::Relaxed);
        Ok(Enqueued::Waiting { ticket, granted })
    }

    /// A waiter gives up. What was granted in the same moment goes back. Returns the free bytes.
    fn leave(&self, ticket: u64, granted: &Receiver<Reservation>) -> usize {
        let mut state = self.state.lock();
        state.waiters.retain(|waiter| waiter.ticket != ticket);
        if let Ok(late) = granted.try_recv() {
            state.reserved = state.reserved.saturating_sub(late.bytes);
        }
        self.serve(&mut state, 1);
        self.total.saturating_sub(state.reserved)
    }

    /// Serves waiting callers, if there is room for `wake_for` like the first.
    fn serve(&self, state: &mut PoolState, wake_for: usize) {
        let free = self.total.saturating_sub(state.reserved);
        let wanted = state.waiters.front().map_or(0, |head| head.bytes.saturating_mul(wake_for));
        self.holds_back.store(free < wanted, Ordering::Relaxed);
        while free >= wanted
            && !planted(Defect::MemoryWithheld)
            && let Some(head) = state.waiters.front()
        {
            let Some(reservation) = state.take(head.bytes, self.total) else { break };
            let Some(head) = state.waiters.pop_front() else { break };
            // The channel has room for one, and a caller that leaves takes back what lies in it.
            let _ = head.grant.send(reservation);
        }
        self.waiting.store(state.waiters.len(), Ordering::Relaxed);
    }
}

enum Enqueued {
    Served(Reservation),
    Waiting { ticket: u64, granted: Receiver<Reservation> },
}

impl PoolState {
    fn take(&mut self, bytes: usize, total: usize) -> Option<Reservation> {
        if self.reserved + bytes > total {
            return None;
        }
        self.reserved += bytes;
        let buffer = self.idle.get_mut(&bytes).and_then(Vec::pop);
        if buffer.is_some() {
            self.idle_bytes -= bytes;
        }
        while self.reserved + self.idle_bytes > total {
            self.drop_an_idle_buffer();
        }
        Some(Reservation { bytes, buffer })
    }

    fn drop_an_idle_buffer(&mut self) {
        let found = self.idle.iter_mut().find_map(|(size, buffers)| buffers.pop().map(|_| *size));
        // With no buffer left the count can only be zero.
        self.idle_bytes = found.map_or(0, |size| self.idle_bytes - size);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::interrupt::InterruptHandle;

    const LONG: Duration = Duration::from_secs(60);

    fn waiters(pool: &BufferPool, count: usize) {
        while pool.waiting.load(Ordering::Relaxed) != count {
            thread::yield_now();
        }
    }

    /// Behaviour 17.
    #[test]
    fn a_buffer_is_used_again() {
        let pool = BufferPool::new(100);
        let buffer = pool.reserve(40, LONG, || ()).unwrap().into_buffer();
        let place = buffer.as_ptr();
        pool.give_back(40, Some(buffer));
        assert_eq!(pool.free(), 100);
        let again = pool.reserve(40, LONG, || ()).unwrap().into_buffer();
        assert_eq!(again.as_ptr(), place);
    }

    /// Behaviour 17.
    #[test]
    fn idle_buffers_give_way_to_other_sizes() {
        let pool = BufferPool::new(100);
        let buffer = pool.reserve(60, LONG, || ()).unwrap().into_buffer();
        pool.give_back(60, Some(buffer));
        let other = pool.reserve(50, LONG, || ()).unwrap();
        assert_eq!((other.bytes, pool.state.lock().idle_bytes), (50, 0));
    }

    #[test]
    fn says_what_was_wanted_and_what_was_free() {
        let pool = BufferPool::new(100);
        let taken = pool.reserve(70, LONG, || ()).unwrap();
        let error = pool.reserve(40, Duration::from_millis(5), || ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(
            error
                .to_string()
                .contains("buffer.memory=100 is full, and max.block.ms is over: 40 bytes wanted, 30 free"),
            "{error}"
        );
        pool.give_back(taken.bytes, None);
        assert_eq!(pool.free(), 100);
    }

    #[test]
    fn a_buffer_of_another_size_is_not_used_again() {
        let pool = BufferPool::new(100);
        let taken = pool.try_reserve(100).unwrap().unwrap();
        pool.give_back(taken.bytes, Some(Vec::with_capacity(50)));
        assert!(pool.try_reserve(100).unwrap().unwrap().into_buffer().capacity() >= 100);
    }

    /// Behaviour 16.
    #[test]
    fn who_comes_first_is_served_first_and_a_small_one_does_not_overtake() {
        let pool = Arc::new(BufferPool::new(100));
        let taken = pool.reserve(100, LONG, || ()).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        for (place, bytes) in [80, 10, 60].into_iter().enumerate() {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            threads.push(thread::spawn({
                let pool = Arc::clone(&pool);
                move || {
                    let reservation = pool.reserve(bytes, LONG, || ()).unwrap();
                    order.lock().push(place);
                    pool.give_back(reservation.bytes, None);
                }
            }));
            waiters(&pool, place + 1);
        }
        pool.give_back(50, None);
        assert!(pool.try_reserve(10).unwrap().is_none(), "the first waits for 80, nobody overtakes");
        pool.give_back(taken.bytes - 50, None);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(pool.free(), 100);
        assert_eq!(order.lock().len(), 3);
    }

    #[test]
    fn the_sender_wakes_for_a_few_batches_or_before_it_sleeps() {
        let pool = Arc::new(BufferPool::new(100));
        for freed in [10, 40] {
            let taken = pool.reserve(100, LONG, || ()).unwrap();
            let waiting = thread::spawn({
                let pool = Arc::clone(&pool);
                move || pool.reserve(10, LONG, || ()).map(|reservation| reservation.bytes).unwrap()
            });
            waiters(&pool, 1);
            pool.give_back_soon(freed, None);
            assert_eq!(pool.holds_back(), freed == 10);
            pool.serve_waiters();
            assert!(!pool.holds_back());
            assert_eq!(waiting.join().unwrap(), 10);
            pool.give_back(10 + taken.bytes - freed, None);
            assert_eq!(pool.free(), 100);
        }
    }

    /// Behaviour 16.
    #[test]
    fn an_interrupt_and_closing_end_the_wait_and_leave_nothing_behind() {
        let pool = Arc::new(BufferPool::new(100));
        let taken = pool.reserve(100, LONG, || ()).unwrap();
        let (tell, told) = bounded(1);
        let waiting = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                tell.send(InterruptHandle::current()).unwrap();
                pool.reserve(10, LONG, || ()).unwrap_err().kind()
            }
        });
        let handle = told.recv().unwrap();
        waiters(&pool, 1);
        handle.interrupt();
        assert_eq!(waiting.join().unwrap(), ErrorKind::Interrupted);
        assert!(!pool.is_short());
        let waiting = thread::spawn({
            let pool = Arc::clone(&pool);
            move || pool.reserve(10, LONG, || ()).unwrap_err().kind()
        });
        waiters(&pool, 1);
        pool.close();
        assert_eq!(waiting.join().unwrap(), ErrorKind::Closed);
        pool.give_back(taken.bytes, None);
        assert_eq!(pool.free(), 100);
    }
}
