//! `AnswerCounts`: what a producer has to answer, and whether it is at that: for those who cannot wait until it is done.
//!
//! Owns: the counts. Must not know: batches, callbacks.
//! Threads: any.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many records were accepted and answered.
#[derive(Debug, Default)]
pub(crate) struct AnswerCounts {
    /// Records in batches that take no more.
    accepted: AtomicU64,
    answered: AtomicU64,
    /// Code of the user's is running on the sender thread.
    calling: AtomicBool,
}

impl AnswerCounts {
    /// A batch with this number of records takes no more.
    pub(crate) fn accepted(&self, records: u32) {
        self.accepted.fetch_add(u64::from(records), Ordering::AcqRel);
    }

    /// As many records are answered.
    pub(crate) fn answered(&self, records: u32) {
        self.answered.fetch_add(u64::from(records), Ordering::AcqRel);
    }

    /// Records that are not answered yet, but for those in open batches.
    pub(crate) fn unanswered(&self) -> u64 {
        let answered = self.answered.load(Ordering::Acquire);
        self.accepted.load(Ordering::Acquire).saturating_sub(answered)
    }

    /// Whether the sender thread runs code of the user's.
    pub(crate) fn is_calling(&self) -> bool {
        self.calling.load(Ordering::Acquire)
    }

    /// Runs code of the user's.
    pub(crate) fn calling<T>(&self, body: impl FnOnce() -> T) -> T {
        self.calling.store(true, Ordering::Release);
        let result = body();
        self.calling.store(false, Ordering::Release);
        result
    }
}
