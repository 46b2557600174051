//! Interrupts: Java's `Thread.interrupt` for the blocking calls of this crate.
//!
//! Owns: a flag per thread that a waiting thread can wait for beside its real purpose, and the functions in which every
//! blocking call waits: `wait` for a channel, `wait_until` for what somebody unparks this thread for. Must not know: what is
//! waited for.
//! Threads: a handle belongs to the thread that asked for it; `interrupt` may be called from any thread.
//! Holds: an interrupt is looked at before everything else, and reporting it clears it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Instant;

use crate::sync::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use crate::sync::{Thread, current_thread, park};

/// Interrupts the blocking calls of one thread: they return an error of kind
/// [`Interrupted`](crate::ErrorKind::Interrupted) at once. Java's `Thread.interrupt()`.
///
/// Records that were accepted before are sent all the same. Once a call has reported an interrupt, it is cleared.
///
/// # Which call an earlier interrupt ends
///
/// An interrupt that comes while the thread is in none of these calls is kept, and ends the next one:
///
/// | call | an earlier interrupt ends it |
/// |---|---|
/// | `get`, `get_timeout` | always, also where the outcome is there already |
/// | `flush`, `flush_timeout`, `close`, `close_timeout` | always |
/// | `send`, `send_with_callback`, `partitions_for` | only where they have to wait: for metadata or memory |
/// | the drop of the last handle | it does not wait, then, and the records go on their way |
/// | `try_send`, `try_get`, `is_done`, `KafkaProducer::new` | never |
///
/// A thread that was asked to end and now wants to close its producer calls [`clear`](Self::clear) first (Java:
/// `Thread.interrupted()`); otherwise its `close` may return at once.
///
/// ```
/// use kafka_producer::InterruptHandle;
///
/// let worker = InterruptHandle::current(); // on the thread that will block
/// std::thread::spawn(move || worker.interrupt()); // from any thread
/// ```
///
/// # Ctrl-C
///
/// A signal handler may do next to nothing, and `interrupt` is more than that: it takes a lock. Have the handler write
/// a byte into a pipe, or use a crate that does, and call `interrupt` on the thread that reads it. With the crate
/// `signal-hook`:
///
/// ```
/// # #[cfg(unix)] {
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
/// use kafka_producer::InterruptHandle;
///
/// let this_thread = InterruptHandle::current();
/// let (mut signals, handler) = UnixStream::pair()?;
/// signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, handler)?;
/// std::thread::spawn(move || {
///     while signals.read_exact(&mut [0]).is_ok() {
///         this_thread.interrupt();
///     }
/// });
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// `examples/ctrl_c.rs` is the whole program: a `get` that waits for a silent broker, interrupted; the record goes on
/// its way, and the same future tells later where it is.
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    signal: Sender<()>,
    pending: Receiver<()>,
    /// None for one that is ending.
    thread: Option<Thread>,
}

impl InterruptHandle {
    /// The handle of the thread that calls this. While the thread is ending (in the destructor of a thread-local value)
    /// there may be nothing to interrupt any more: the handle then has no effect.
    pub fn current() -> InterruptHandle {
        let own = THREAD.try_with(|slot| {
            let (signal, pending) = slot.borrow_mut().get_or_insert_with(|| bounded(1)).clone();
            InterruptHandle { signal, pending, thread: Some(current_thread()) }
        });
        // A thread that is ending has none any more: an interrupt of it does nothing.
        own.unwrap_or_else(|_| {
            let (signal, pending) = bounded(1);
            InterruptHandle { signal, pending, thread: None }
        })
    }

    /// Interrupts the blocking call that the thread is in, or else its next one. Does not block. Two interrupts before the
    /// first is reported count as one.
    pub fn interrupt(&self) {
        // A full channel means that an interrupt is pending.
        let _ = self.signal.try_send(());
        self.thread.iter().for_each(Thread::unpark);
    }

    /// Clears an interrupt that no call has reported yet; returns whether there was one. Java's `Thread.interrupted()`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{InterruptHandle, KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?;
    ///
    /// let this_thread = InterruptHandle::current();
    /// this_thread.interrupt(); // Ctrl-C, while the thread computes something
    ///
    /// assert!(this_thread.clear()); // it was asked to end, and may now take the time to do so
    /// let report = producer.close_timeout(Duration::from_secs(60))?;
    /// assert_eq!((report.failed, report.abandoned, cluster.records("orders").len()), (0, 0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) -> bool {
        self.pending.try_recv().is_ok()
    }
}

type Signal = (Sender<()>, Receiver<()>);

#[cfg(not(loom))]
thread_local! {
    static THREAD: RefCell<Option<Signal>> = const { RefCell::new(None) };
}

#[cfg(loom)]
loom::thread_local! {
    static THREAD: RefCell<Option<Signal>> = RefCell::new(None);
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait<T> {
    /// The channel had a message.
    Ready(T),
    /// The channel's other side is gone.
    Disconnected,
    /// The deadline passed.
    TimedOut,
    /// The thread was interrupted; the interrupt is cleared.
    Interrupted,
}

/// Waits for a message of `channel`, an interrupt of this thread, or the deadline; an interrupt wins over a message
/// that is there too.
pub(crate) fn wait<T: Send + 'static>(channel: &Receiver<T>, deadline: Option<Instant>) -> Wait<T> {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    {
        let told = channel.clone();
        let is_over = move || crate::stage::has_something_to_tell(&told);
        if crate::stage::park(is_over, with_signal(Receiver::clone), deadline) {
            return if take_interrupt() { Wait::Interrupted } else { what_is_there(channel) };
        }
    }
    let Some(interrupt) = with_signal(Receiver::clone) else {
        return wait_uninterrupted(channel, deadline);
    };
    if interrupt.try_recv().is_ok() {
        return Wait::Interrupted;
    }
    wait_for_either(&interrupt, channel, deadline)
}

/// Waits until it is over (`Disconnected`), an interrupt of this thread, which wins, or the deadline. Who ends it unparks this
/// thread afterwards.
///
/// A channel would do as well, but its waiting threads spin before they sleep, and are woken under its lock, which each of
/// them takes: where waking takes long, they are woken only to wait for that.
pub(crate) fn wait_until(
    deadline: Option<Instant>,
    is_over: impl Fn() -> bool + Clone + Send + 'static,
) -> Wait<Infallible> {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    if crate::stage::park(is_over.clone(), with_signal(Receiver::clone), deadline) {
        return match (take_interrupt(), is_over()) {
            (true, _) => Wait::Interrupted,
            (false, true) => Wait::Disconnected,
            (false, false) => Wait::TimedOut,
        };
    }
    loop {
        if take_interrupt() {
            return Wait::Interrupted;
        }
        if is_over() {
            return Wait::Disconnected;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Wait::TimedOut;
        }
        park(left);
    }
}

#[cfg(not(loom))]
fn wait_for_either<T>(interrupt: &Receiver<()>, channel: &Receiver<T>, deadline: Option<Instant>) -> Wait<T> {
    use crossbeam_channel::{at, never, select_biased};
    let late = deadline.map_or_else(never, at);
    select_biased! {
        recv(interrupt) -> _ => Wait::Interrupted,
        recv(channel) -> message => message.map_or(Wait::Disconnected, Wait::Ready),
        recv(late) -> _ => Wait::TimedOut,
    }
}

/// A model has no clock: only what threads do ends a wait.
#[cfg(loom)]
fn wait_for_either<T>(interrupt: &Receiver<()>, channel: &Receiver<T>, _: Option<Instant>) -> Wait<T> {
    loop {
        if interrupt.try_recv().is_ok() {
            return Wait::Interrupted;
        }
        match channel.try_recv() {
            Ok(message) => return Wait::Ready(message),
            Err(TryRecvError::Disconnected) => return Wait::Disconnected,
            Err(TryRecvError::Empty) => loom::thread::yield_now(),
        }
    }
}

/// Reports and clears an interrupt of this thread, for calls that find their answer without waiting.
pub(crate) fn take_interrupt() -> bool {
    with_signal(|signal| signal.try_recv().is_ok()).unwrap_or_default()
}

/// Whether there is an interrupt of this thread to be reported.
pub(crate) fn is_pending() -> bool {
    with_signal(|signal| !signal.is_empty()).unwrap_or_default()
}

/// Nothing where nobody has asked for the thread's handle, or where it is ending.
fn with_signal<T>(body: impl FnOnce(&Receiver<()>) -> T) -> Option<T> {
    THREAD.try_with(|slot| slot.borrow().as_ref().map(|(_, signal)| body(signal))).ok().flatten()
}

/// How a wait ends that has no time left.
fn what_is_there<T>(channel: &Receiver<T>) -> Wait<T> {
    match channel.try_recv() {
        Ok(message) => Wait::Ready(message),
        Err(TryRecvError::Disconnected) => Wait::Disconnected,
        Err(TryRecvError::Empty) => Wait::TimedOut,
    }
}

fn wait_uninterrupted<T>(channel: &Receiver<T>, deadline: Option<Instant>) -> Wait<T> {
    match what_is_there(channel) {
        Wait::TimedOut => {}
        ended => return ended,
    }
    let Some(deadline) = deadline else {
        return channel.recv().map_or(Wait::Disconnected, Wait::Ready);
    };
    match channel.recv_deadline(deadline) {
        Ok(message) => Wait::Ready(message),
        Err(RecvTimeoutError::Timeout) => Wait::TimedOut,
        Err(RecvTimeoutError::Disconnected) => Wait::Disconnected,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_interrupt_wins_over_an_answer_that_is_there() {
        let handle = InterruptHandle::current();
        for _ in 0..1000 {
            let (sender, receiver) = bounded(1);
            sender.send(1).unwrap();
            handle.interrupt();
            assert_eq!(wait(&receiver, None), Wait::Interrupted);
            assert_eq!(wait(&receiver, None), Wait::Ready(1), "the interrupt was reported and is over");
        }
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let (handles, handle) = bounded(1);
        let worker = thread::spawn(move || {
            handles.send(InterruptHandle::current()).unwrap();
            let (_sender, receiver) = bounded::<()>(1);
            wait(&receiver, None)
        });
        handle.recv().unwrap().interrupt();
        assert_eq!(worker.join().unwrap(), Wait::Interrupted);
    }

    #[test]
    fn the_deadline_holds_with_and_without_a_handle() {
        let (_sender, receiver) = bounded::<()>(1);
        assert_eq!(wait(&receiver, Some(Instant::now() + Duration::from_millis(1))), Wait::TimedOut);
        let _handle = InterruptHandle::current();
        assert_eq!(wait(&receiver, Some(Instant::now() + Duration::from_millis(1))), Wait::TimedOut);
    }

    #[test]
    fn an_interrupt_that_was_taken_back_ends_no_wait() {
        let handle = InterruptHandle::current();
        assert!(!handle.clear());
        handle.interrupt();
        assert!(thread::scope(|scope| scope.spawn(|| handle.clear()).join().unwrap()), "by any thread");
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        assert_eq!(wait(&receiver, None), Wait::Ready(1));
        handle.interrupt();
        assert_eq!(wait(&receiver, None), Wait::Interrupted, "the next one counts");
    }

    #[test]
    fn two_interrupts_before_a_wait_are_one() {
        let handle = InterruptHandle::current();
        handle.interrupt();
        handle.interrupt();
        assert!(take_interrupt());
        assert!(!take_interrupt());
    }
}
