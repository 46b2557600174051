//! The topic that a thread sent to last: found again without a lock and without counting references.
//!
//! Owns: one remembered `TopicQueues` per thread. Must not know: how topics are found otherwise.
//! Holds: what was remembered counts only for the same producer and the same version of its table of topics. A thread
//! that has sent keeps one `TopicQueues` alive until it sends to another producer, or ends.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use crate::accumulator::topics::TopicQueues;
use crate::completion::ProducerToken;

/// A topic for the time of one `send`.
pub(crate) struct FoundTopic(Remembered);

struct Remembered {
    producer: ProducerToken,
    /// Of the table of topics when the topic was looked up.
    version: u64,
    topic: Arc<TopicQueues>,
}

thread_local! {
    static LAST: Cell<Option<Remembered>> = const { Cell::new(None) };
}

impl FoundTopic {
    /// The topic that this thread sent to last, if it is this one and still up to date.
    #[inline]
    pub(super) fn remembered(producer: ProducerToken, version: u64, name: &str) -> Option<FoundTopic> {
        let last = LAST.take()?;
        let fits = last.version == version && last.producer == producer && *last.topic.name == *name;
        // Where it does not fit, the one that is looked up now takes its place.
        fits.then_some(FoundTopic(last))
    }

    /// Keeps the topic for this thread's next `send`.
    #[inline]
    pub(crate) fn remember(self) {
        // Where the thread is ending there is nobody to remember it.
        let _ = LAST.try_with(|last| last.set(Some(self.0)));
    }

    /// A topic that was looked up in this version of the table.
    pub(super) fn looked_up(producer: ProducerToken, version: u64, topic: Arc<TopicQueues>) -> FoundTopic {
        FoundTopic(Remembered { producer, version, topic })
    }
}

impl Deref for FoundTopic {
    type Target = TopicQueues;

    #[inline]
    fn deref(&self) -> &TopicQueues {
        &self.0.topic
    }
}
