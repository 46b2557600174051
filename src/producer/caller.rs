//! `Caller`: what a thread keeps from one `send` to the next.
//!
//! Owns: one box per thread, with the topic that it sent to last and buffers for its serializers. Must not know: what
//! they are used for.
//! Holds: a `send` takes the box and puts it back at its end; one inside another, from a serializer or partitioner, finds
//! none and makes its own.

use std::cell::Cell;

use crate::accumulator::LastTopic;
use crate::producer::plugins::Scratch;

#[derive(Default)]
pub(super) struct Caller {
    pub(super) last_topic: LastTopic,
    pub(super) scratch: Scratch,
}

thread_local! {
    static CALLER: Cell<Option<Box<Caller>>> = const { Cell::new(None) };
}

impl Caller {
    /// This thread's; a new one for its first `send`, or while the thread is ending.
    #[inline]
    pub(super) fn take() -> Box<Caller> {
        CALLER.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps it for this thread's next `send`.
    #[inline]
    pub(super) fn put_back(mut self: Box<Caller>) {
        self.scratch.clear();
        // Where the thread is ending there is nobody to keep it for.
        let _ = CALLER.try_with(|caller| caller.set(Some(self)));
    }
}
