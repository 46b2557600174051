//! Which clock a thread reads, and how it waits: really, unless a simulation runs.
//!
//! Owns: what a simulation puts in place of both: a thread of it reads a virtual clock, and where it would wait it hands
//! the turn to whoever directs, so that one of all its threads runs at a time. Must not know: what is waited for.
//! Holds: without the feature `simulation` nothing is left of this but the system's clocks.

use std::time::{Instant, SystemTime};

/// The time as this thread sees it.
#[inline(always)]
pub(crate) fn now() -> Instant {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    if let Some(now) = played::now() {
        return now;
    }
    Instant::now()
}

/// What the clock on the wall shows to this thread.
pub(crate) fn wall() -> SystemTime {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    if let Some(wall) = played::wall() {
        return wall;
    }
    SystemTime::now()
}

/// The same in milliseconds since the epoch, for a record's timestamp. By the fine clock, which a program reads as well: a
/// record must not be older than the `send` that brings it. The coarse one would cost 4 ns instead of about 25, and is behind
/// by up to a tick (4 ms). Clocks made of the processor's counter are no cheaper by much, and go their own way when the
/// system's clock is set.
#[inline]
pub(crate) fn wall_ms() -> i64 {
    #[cfg(all(any(test, feature = "simulation"), not(loom)))]
    if let Some(wall_ms) = played::wall_ms() {
        return wall_ms;
    }
    // The same clock as `SystemTime`'s, without its arithmetic: a tenth of `send`'s instructions.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

#[cfg(all(any(test, feature = "simulation"), not(loom)))]
pub(crate) use played::{
    Baton, Clock, Cue, Entered, Handover, Parked, Role, Turn, enter, has_something_to_tell, linger, note,
    park, take_notes,
};

#[cfg(all(any(test, feature = "simulation"), not(loom)))]
mod played {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::collections::VecDeque;
    use std::fmt::Debug;
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
    use std::sync::{Arc, Condvar, Mutex, PoisonError};
    use std::time::{Duration, Instant, SystemTime};

    use crossbeam_channel::{Receiver, TryRecvError};

    thread_local! {
        /// How often what was reached on this thread: group and name.
        static NOTES: RefCell<Notes> = const { RefCell::new(Notes::new()) };
        static ROLE: RefCell<Option<Role>> = const { RefCell::new(None) };
    }

    /// How often something was reached: group and name.
    pub(crate) type Notes = BTreeMap<(&'static str, String), u64>;

    /// Counts that something was reached.
    pub(crate) fn note(group: &'static str, name: impl Debug) {
        NOTES.with_borrow_mut(|notes| *notes.entry((group, format!("{name:?}"))).or_default() += 1);
    }

    pub(crate) fn take_notes() -> Notes {
        NOTES.take()
    }

    /// The one clock of a simulation, and what the clock on the wall shows.
    #[derive(Debug, Clone)]
    pub(crate) struct Clock {
        origin: Instant,
        nanoseconds: Arc<AtomicU64>,
        wall_ms: Arc<AtomicI64>,
        jumps: Arc<AtomicU64>,
    }

    impl Clock {
        /// `wall_ms`: what the wall clock shows at the origin.
        pub(crate) fn new(origin: Instant, wall_ms: i64) -> Clock {
            let wall_ms = Arc::new(AtomicI64::new(wall_ms));
            Clock { origin, nanoseconds: Arc::default(), wall_ms, jumps: Arc::default() }
        }

        pub(crate) fn now(&self) -> Instant {
            self.origin + self.elapsed()
        }

        pub(crate) fn elapsed(&self) -> Duration {
            Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
        }

        /// Moves on, never back.
        pub(crate) fn set(&self, now: Instant) {
            let since = now.saturating_duration_since(self.origin).as_nanos();
            self.nanoseconds.fetch_max(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        }

        /// Those for whom it went on are gone: it shows what it showed before.
        pub(crate) fn restore(&self, elapsed: Duration) {
            let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds.store(nanoseconds, Ordering::Relaxed);
        }

        /// User code has taken this long.
        pub(crate) fn spend(&self, time: Duration) {
            self.set(self.now() + time);
        }

        /// Somebody sets the clock on the wall.
        pub(crate) fn jump(&self, by_ms: i64) {
            self.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
            self.jumps.fetch_add(1, Ordering::Relaxed);
        }

        /// How often somebody has.
        pub(crate) fn jumps(&self) -> u64 {
            self.jumps.load(Ordering::Relaxed)
        }

        pub(crate) fn wall_ms(&self) -> i64 {
            let elapsed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
            self.wall_ms.load(Ordering::Relaxed).saturating_add(elapsed).max(0)
        }
    }

    /// What a thread of a simulation is.
    pub(crate) struct Role {
        pub(crate) clock: Clock,
        /// None for the thread that directs, which never waits.
        pub(crate) baton: Option<Baton>,
    }

    /// How a thread hands over the turn, and gets it back.
    pub(crate) struct Baton {
        pub(crate) number: usize,
        pub(crate) turns: Handover<(usize, Turn)>,
        pub(crate) cues: Handover<Cue>,
        /// The play is over: nobody waits any more.
        pub(crate) curtain: AtomicBool,
    }

    /// Why a thread hands over the turn.
    pub(crate) enum Turn {
        /// It waits.
        Parked(Parked),
        /// It has done what it was told.
        Idle,
        /// It is over, perhaps by a panic.
        Ended { panicked: bool },
    }

    /// What a thread waits for.
    pub(crate) struct Parked {
        pub(crate) is_ready: Box<dyn Fn() -> bool + Send>,
        pub(crate) deadline: Option<Instant>,
    }

    /// What a thread is told that waits.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Cue {
        GoOn,
        /// Nothing will happen any more.
        Curtain,
    }

    /// A queue between two threads of which one runs at a time: a thread that waits sleeps at once. A channel of crossbeam's
    /// spins and yields first, which took more than half of a simulation's time.
    pub(crate) struct Handover<T>(Arc<(Mutex<VecDeque<T>>, Condvar)>);

    impl<T> Handover<T> {
        pub(crate) fn new() -> Handover<T> {
            Handover(Arc::new((Mutex::new(VecDeque::new()), Condvar::new())))
        }

        pub(crate) fn send(&self, value: T) {
            let (queue, filled) = &*self.0;
            queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(value);
            filled.notify_one();
        }

        pub(crate) fn receive(&self) -> T {
            let (queue, filled) = &*self.0;
            let mut values = queue.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                match values.pop_front() {
                    Some(value) => return value,
                    None => values = filled.wait(values).unwrap_or_else(PoisonError::into_inner),
                }
            }
        }
    }

    impl<T> Clone for Handover<T> {
        fn clone(&self) -> Handover<T> {
            Handover(Arc::clone(&self.0))
        }
    }

    /// Gives this thread a role until the guard is dropped.
    pub(crate) fn enter(role: Role) -> Entered {
        ROLE.set(Some(role));
        Entered
    }

    /// Ends a thread's role.
    pub(crate) struct Entered;

    impl Drop for Entered {
        fn drop(&mut self) {
            let _ = ROLE.try_with(RefCell::take);
        }
    }

    fn with_role<T>(body: impl FnOnce(&Role) -> T) -> Option<T> {
        ROLE.try_with(|role| role.borrow().as_ref().map(body)).ok().flatten()
    }

    pub(super) fn now() -> Option<Instant> {
        with_role(|role| role.clock.now())
    }

    pub(super) fn wall() -> Option<SystemTime> {
        let since_1970 = Duration::from_millis(u64::try_from(wall_ms()?).unwrap_or(0));
        Some(SystemTime::UNIX_EPOCH + since_1970)
    }

    /// What the clock on the wall shows, in milliseconds since 1970.
    pub(super) fn wall_ms() -> Option<i64> {
        with_role(|role| role.clock.wall_ms())
    }

    /// Waits until it is over, the thread is interrupted, or the deadline passes. False on a real thread, which has to wait
    /// by itself.
    pub(crate) fn park(
        is_over: impl Fn() -> bool + Send + 'static,
        interrupt: Option<Receiver<()>>,
        deadline: Option<Instant>,
    ) -> bool {
        let waits = |role: &Role| {
            let is_ready = move || is_over() || interrupt.as_ref().is_some_and(has_something_to_tell);
            if is_ready() || deadline.is_some_and(|deadline| deadline <= role.clock.now()) {
                return;
            }
            let parked = Parked { is_ready: Box::new(is_ready), deadline };
            match &role.baton {
                // The play is over: what is waited for is given up at once.
                Some(baton) if !baton.park(parked) => deadline.iter().for_each(|at| role.clock.set(*at)),
                Some(_) => {}
                None => note("waits", "the thread that directs"),
            }
        };
        with_role(waits).is_some()
    }

    /// Something on this thread takes this long. On the thread that directs nothing else is done meanwhile; while another
    /// takes its time, all others go on.
    pub(crate) fn linger(time: Duration) {
        let deadline = |role: &Role| role.clock.now() + time;
        let pass = |role: &Role| match &role.baton {
            Some(baton) => {
                let deadline = Some(deadline(role));
                // Once the play is over, it takes no time.
                let _ = baton.park(Parked { is_ready: Box::new(|| false), deadline });
            }
            None => role.clock.spend(time),
        };
        let _ = with_role(pass);
    }

    /// Whether there is a message, or will never be one. Nobody else takes messages meanwhile: one thread runs at a
    /// time. (`Select::try_ready` says the same, but spins and yields before it says no.)
    pub(crate) fn has_something_to_tell<T>(channel: &Receiver<T>) -> bool {
        !channel.is_empty() || matches!(channel.try_recv(), Err(TryRecvError::Disconnected))
    }

    impl Baton {
        /// False once the play is over.
        fn park(&self, parked: Parked) -> bool {
            if self.curtain.load(Ordering::Relaxed) {
                return false;
            }
            self.turns.send((self.number, Turn::Parked(parked)));
            let goes_on = self.cues.receive() == Cue::GoOn;
            self.curtain.store(!goes_on, Ordering::Relaxed);
            goes_on
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Fault C15.
    #[test]
    fn is_never_behind_the_fine_clock() {
        for _ in 0..100_000 {
            let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            assert!(wall_ms() >= before);
        }
    }
}
