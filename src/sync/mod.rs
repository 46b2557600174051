//! Locks, atomics and channels of the parts that several threads share: the real ones, or loom's, which try every order
//! in which threads can take their steps.
//!
//! Owns: the choice, and how threads that want one lock again and again take turns. Must not know: what is shared.
//! Holds: what runs under `--cfg loom` is the code that users run; only what is named here differs.
//! Source: the crate `loom`, which models threads; it has no channels, so `channel.rs` brings those that are used.

#[cfg(loom)]
pub(crate) mod channel;

#[cfg(not(loom))]
pub(crate) use {
    crossbeam_channel as channel,
    parking_lot::{Mutex, MutexGuard, RwLock},
    std::sync::atomic,
    std::thread::{Thread, current as current_thread, yield_now},
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::atomic,
    loom::thread::yield_now,
    modelled::{Mutex, MutexGuard, RwLock, Thread, current_thread, park},
};

/// Sleeps until this thread is unparked, or the time is over; may end early.
#[cfg(not(loom))]
pub(crate) fn park(time: Option<std::time::Duration>) {
    match time {
        Some(time) => std::thread::park_timeout(time),
        None => std::thread::park(),
    }
}

/// Locks. Of several threads that want the lock for one short step after the other, one has it for a while and the others
/// step back: a lock that is handed from processor to processor at each step, with all that it guards, makes each step
/// several times as long. `waiting` counts those that have stepped back from this lock.
#[inline]
pub(crate) fn lock_in_turns<'a, T>(mutex: &'a Mutex<T>, waiting: &atomic::AtomicU32) -> MutexGuard<'a, T> {
    match mutex.try_lock() {
        Some(guard) => guard,
        None => step_back(mutex, waiting),
    }
}

#[cfg(loom)]
fn step_back<'a, T>(mutex: &'a Mutex<T>, _: &atomic::AtomicU32) -> MutexGuard<'a, T> {
    mutex.lock()
}

#[cfg(not(loom))]
#[cold]
#[inline(never)]
fn step_back<'a, T>(mutex: &'a Mutex<T>, waiting: &atomic::AtomicU32) -> MutexGuard<'a, T> {
    for _ in 0..TRIES {
        std::hint::spin_loop();
        if let Some(guard) = mutex.try_lock() {
            return guard;
        }
    }
    let others = waiting.fetch_add(1, atomic::Ordering::Relaxed).min(MOST_OTHERS);
    let mut pause = TURN * (others + 1);
    let mut guard = None;
    for _ in 0..PAUSES {
        std::thread::sleep(pause);
        guard = mutex.try_lock();
        if guard.is_some() {
            break;
        }
        pause *= 2;
    }
    waiting.fetch_sub(1, atomic::Ordering::Relaxed);
    guard.unwrap_or_else(|| mutex.lock())
}

/// How often a thread looks again at once: the other may be the sender, which has the lock for a moment.
#[cfg(not(loom))]
const TRIES: u32 = 10;

/// How long one thread has the lock, about: some thousand steps. A thread that steps back leaves each of those that have done so
/// before it a turn.
#[cfg(not(loom))]
const TURN: std::time::Duration = std::time::Duration::from_micros(300);

/// How many of them are counted, at most.
#[cfg(not(loom))]
const MOST_OTHERS: u32 = 8;

/// How often a thread looks again after a pause, each twice as long, before it waits in the queue for the lock.
#[cfg(not(loom))]
const PAUSES: u32 = 3;

/// loom's locks with the face of `parking_lot`'s: a panic ends a model anyway, so there is no poison.
#[cfg(loom)]
mod modelled {
    use std::sync::PoisonError;
    use std::time::Duration;

    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread::ThreadId;

    pub(crate) use loom::sync::MutexGuard;

    loom::thread_local! {
        static UNPARKED: Arc<AtomicBool> = Arc::new(AtomicBool::new(false));
    }

    /// A thread that can be unparked. loom's own `unpark` also wakes one that waits for a lock, which its locks take for a
    /// mistake.
    #[derive(Clone, Debug)]
    pub(crate) struct Thread {
        id: ThreadId,
        unparked: Arc<AtomicBool>,
    }

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            self.id
        }

        pub(crate) fn unpark(&self) {
            // A step that reads as well: loom puts two that only write in no order, and the token might stay unseen for ever.
            self.unparked.swap(true, Ordering::AcqRel);
        }
    }

    pub(crate) fn current_thread() -> Thread {
        Thread { id: loom::thread::current().id(), unparked: UNPARKED.with(Arc::clone) }
    }

    /// A model has no clock: only what threads do ends a sleep. loom takes a thread that yields for one that waits for
    /// another to do something.
    pub(crate) fn park(_: Option<Duration>) {
        let this_thread = current_thread();
        while !this_thread.unparked.swap(false, Ordering::AcqRel) {
            loom::thread::yield_now();
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::atomic::{AtomicU32, Ordering};
    use super::*;

    #[test]
    fn threads_that_take_turns_each_get_theirs_and_never_two_at_once() {
        let shared = Arc::new(Mutex::new(Vec::new()));
        let waiting = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
                let push = move |step| lock_in_turns(&shared, &waiting).push((number, step));
                thread::spawn(move || (0..5000).for_each(push))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(waiting.load(Ordering::Relaxed), 0, "nobody counts as waiting any more");
        let shared = shared.lock();
        for number in 0..4 {
            let own: Vec<_> =
                shared.iter().filter(|(other, _)| *other == number).map(|(_, step)| *step).collect();
            assert!(own.iter().copied().eq(0..5000), "each in its order");
        }
    }

    #[test]
    fn who_steps_back_gets_the_lock_in_the_end() {
        let shared = Arc::new(Mutex::new(0));
        let guard = shared.lock();
        let other = Arc::clone(&shared);
        let waiting = thread::spawn(move || *lock_in_turns(&other, &AtomicU32::new(0)) += 1);
        thread::sleep(std::time::Duration::from_millis(20));
        drop(guard);
        waiting.join().unwrap();
        assert_eq!(*shared.lock(), 1);
    }
}
