//! Whether this thread is a producer's sender thread, and whether records wait for what it does.
//!
//! Owns: what a thread is to producers. Must not know: batches, callbacks.
//! Threads: each asks about itself.

use std::cell::Cell;

use crate::error::{Error, ErrorKind};
use crate::sync::atomic::Ordering;

/// Which producer something belongs to, so that its sender thread can be told from other threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerToken(pub(crate) u64);

impl ProducerToken {
    /// One that no other producer of this process has.
    pub(crate) fn next() -> ProducerToken {
        // Not loom's: a model knows no statics.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        ProducerToken(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a thread is to producers.
#[derive(Debug, Clone, Copy)]
struct Role {
    /// It is this one's sender thread.
    sender_of: Option<ProducerToken>,
    /// Records wait for what it does: it must not wait for anything of a producer.
    calls_back: bool,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role { sender_of: None, calls_back: false }) };
}

/// Marks this thread as the sender thread of a producer.
pub(crate) fn become_sender_thread(producer: ProducerToken) {
    ROLE.set(Role { sender_of: Some(producer), calls_back: true });
}

/// Says that this sender thread has answered everything: from now on it may wait for other producers.
pub(crate) fn end_of_answers() {
    ROLE.set(Role { calls_back: false, ..ROLE.get() });
}

/// Runs `body` as if this thread were the producer's sender thread, for one that has none of its own. `calls_back`: there
/// is still something to be answered.
pub(crate) fn as_sender_thread<T>(producer: ProducerToken, calls_back: bool, body: impl FnOnce() -> T) -> T {
    let before = ROLE.replace(Role { sender_of: Some(producer), calls_back });
    let result = body();
    ROLE.set(before);
    result
}

/// Whether this thread is the sender thread of the producer, that is, whether we are in one of its callbacks.
#[inline]
pub(crate) fn is_sender_thread(producer: ProducerToken) -> bool {
    ROLE.get().sender_of == Some(producer)
}

/// Whether we are in a callback of any producer. A wait there keeps records waiting, and two that wait for each
/// other do so for ever.
#[inline]
pub(crate) fn is_in_callback() -> bool {
    ROLE.get().calls_back
}

/// What a call may not do in a callback.
///
/// # Errors
/// Of kind `IllegalState`, in one.
pub(crate) fn not_in_callback(call: &str) -> Result<(), Error> {
    if is_in_callback() {
        let text = format!("{call} in a callback would hold up all records while it waits");
        return Err(Error::new(ErrorKind::IllegalState, text));
    }
    Ok(())
}
