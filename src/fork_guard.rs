//! `ForkGuard`: the process in which something was made, and whether this one is a forked child of it.
//!
//! Owns: how a fork is noticed. Must not know: what is done about it.
//! Threads: any; nothing here blocks or makes a system call.
//! Holds: a forked child has memory, and none of its parent's threads: whatever waits for one of those waits for ever, and
//! a lock that one of them held stays locked. So this is asked before anything else is touched.

use forkguard::Guard;

/// One process. None where the system cannot tell of forks.
#[derive(Debug, Clone)]
pub(crate) struct ForkGuard(Option<Guard>);

impl ForkGuard {
    /// This process.
    pub(crate) fn here() -> ForkGuard {
        ForkGuard(Guard::try_new().ok())
    }

    /// Whether this process is a forked child of that one. Costs one look at a number in memory.
    #[inline(always)]
    pub(crate) fn is_another_process(&self) -> bool {
        self.0.clone().is_some_and(|mut guard| guard.detected_fork())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forked_here() {
        let guard = ForkGuard::here();
        assert!(!guard.is_another_process() && !guard.is_another_process());
    }
}
