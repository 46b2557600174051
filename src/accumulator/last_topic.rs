//! `LastTopic`: the topic that a thread sent to last, found again without a lock and without counting references.
//!
//! Owns: when what was remembered may be used. Must not know: how topics are found otherwise, where this is kept.
//! Holds: it counts only for the same producer and the same version of its table of topics. It keeps one `TopicQueues`
//! alive until its thread sends to another producer, or ends.

use std::sync::Arc;

use crate::accumulator::topic_queues::TopicQueues;
use crate::completion::ProducerToken;

/// One remembered topic; none at first, and for the time of a `send`.
#[derive(Default)]
pub(crate) struct LastTopic {
    producer: Option<ProducerToken>,
    /// Of the table of topics when the topic was looked up.
    version: u64,
    topic: Option<Arc<TopicQueues>>,
}

impl LastTopic {
    /// Takes the topic out if it is this one and still up to date. Where it is not, the one that is looked up now takes
    /// its place.
    #[inline]
    pub(super) fn take(
        &mut self,
        producer: ProducerToken,
        version: u64,
        name: &str,
    ) -> Option<Arc<TopicQueues>> {
        let topic = self.topic.take()?;
        let fits = self.version == version && self.producer == Some(producer) && *topic.name == *name;
        fits.then_some(topic)
    }

    /// The topic that `keep` will bring was looked up in this version of the table.
    pub(super) fn looked_up(&mut self, producer: ProducerToken, version: u64) {
        (self.producer, self.version) = (Some(producer), version);
    }

    /// Remembers what `RecordAccumulator::find_topic` has handed out.
    #[inline]
    pub(crate) fn keep(&mut self, topic: Arc<TopicQueues>) {
        self.topic = Some(topic);
    }
}
