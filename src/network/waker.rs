//! `Waker`: ends the sender thread's wait from any thread.
//!
//! Owns: whether the thread sleeps, is awake, or is wanted. Must not know: what it is woken for.
//! Holds: whatever was done before `wake` is seen by the thread after its next wait; a wake-up is never lost. Only
//! one that finds the thread asleep costs a system call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::network::poller::WakeSignal;

/// Ends the wait of a [`SocketNetwork`](super::SocketNetwork), or its next one. Cheap to clone, may be used from any
/// thread, and does nothing when the network is gone.
#[derive(Clone)]
pub(crate) struct Waker(Arc<WakerState>);

struct WakerState {
    state: AtomicU8,
    signal: Box<dyn WakeSignal>,
}

impl Waker {
    pub(super) fn new(signal: impl WakeSignal) -> Self {
        Waker(Arc::new(WakerState { state: AtomicU8::new(AWAKE), signal: Box::new(signal) }))
    }

    /// Ends the wait. Does not block.
    pub(crate) fn wake(&self) {
        if self.0.state.swap(WANTED, Ordering::AcqRel) == ASLEEP {
            self.0.signal.raise();
        }
    }

    /// The thread is about to sleep; false where it is wanted already and must not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.0.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The thread is awake and will look at everything; true where somebody had asked for that.
    pub(super) fn awake(&self) -> bool {
        self.0.state.swap(AWAKE, Ordering::AcqRel) == WANTED
    }

    /// Somebody has asked for the thread.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == WANTED
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const WANTED: u8 = 2;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Count(Arc<AtomicUsize>);

    impl WakeSignal for Count {
        fn raise(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_a_sleeping_thread_costs_a_signal() {
        let raised = Arc::new(AtomicUsize::new(0));
        let waker = Waker::new(Count(raised.clone()));
        waker.wake();
        assert!(waker.is_wanted() && !waker.fall_asleep() && raised.load(Ordering::Relaxed) == 0);
        assert!(waker.awake() && !waker.awake());
        assert!(waker.fall_asleep());
        waker.wake();
        waker.wake();
        assert_eq!(raised.load(Ordering::Relaxed), 1);
        assert!(waker.awake());
    }
}
