//! What follows for the whole sender from what one of its parts was told: `Effects`, carried out.
//!
//! Owns: the order in which they are. Must not know: which requests there are, what their answers say.
//! Threads: the sender thread.
//! Holds: this is the one place where an answer to one part changes another.

use std::time::Instant;

use crate::cluster::broker_behind;
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::network::Network;
use crate::sender::Sender;
use crate::sender::client_request::{Effects, NewMetadata};
use crate::sender::produce::GivenUp;

impl<N: Network> Sender<N> {
    /// Carries out what follows for the whole sender from what one of its parts was told.
    pub(super) fn carry_out(&mut self, effects: Effects, now: Instant) {
        for (node, why) in effects.disconnect {
            self.client.disconnect(node, why, now);
        }
        if let Some(picture) = effects.beginning {
            self.produce.take_over(&picture, &mut self.identity.transaction, now);
        }
        if let Some(NewMetadata { picture, .. }) = &effects.metadata {
            self.produce.take_over(picture, &mut self.identity.transaction, now);
        }
        if effects.other_cluster
            && self.identity.transaction.author().0 >= 0
            && self.identity.transaction.is_transactional()
        {
            let text = "the brokers belong to another cluster than before, which does not know this producer's \
                        transactional.id and transactions: another producer has to be made for it";
            return self.become_fatal(Error::new(ErrorKind::Broker, text).with_fatal(), now);
        }
        if effects.other_cluster && self.identity.transaction.is_idempotent() {
            self.identity.transaction.begin_anew();
            self.produce.drain.forget_stamps();
            self.produce.sequences_changed();
        }
        if let Some(NewMetadata { picture, topics }) = effects.metadata {
            let is_known =
                |id| broker_behind(id).is_some_and(|broker| picture.cluster.node(broker).is_some());
            for broker in self.client.take_over_bootstrap(&picture.cluster) {
                self.connected(broker);
            }
            self.client.retain(is_known);
            self.metadata_updater.publish(picture, &topics, now);
            self.produce.free_what_is_forgotten(&mut self.identity.transaction);
            self.produce.fail_missing(&topics, &mut self.identity.transaction, now);
        }
        if let Some(topics) = effects.idle_topics {
            topics.iter().for_each(|topic| self.accumulator.retire_topic(topic));
            self.produce.free_what_is_forgotten(&mut self.identity.transaction);
        }
        if effects.sequences_changed {
            self.produce.sequences_changed();
        }
        if let Some((node, error)) = effects.not_authenticated {
            self.coordination.not_authenticated(&error, &mut self.identity.transaction);
            self.produce.fail_waiting_for(node, &error, &mut self.identity.transaction, now);
        }
        if let Some(error) = effects.no_producer_id {
            self.produce.fail_waiting(&error, &mut self.identity.transaction, now);
        }
        if let Some(error) = effects.fatal {
            self.become_fatal(error, now);
        }
    }

    /// Nothing can be sent any more: everything that waits fails with this error, and so does every later `send`.
    pub(super) fn become_fatal(&mut self, error: Error, now: Instant) {
        logging::error!(labels: error.labels(), "{error}");
        self.control.fail(error.clone());
        self.identity.transaction.set_fatal();
        self.coordination.end(&error);
        let why = GivenUp { error, abandoned: false };
        self.read_mailbox(now);
        self.produce.abort(&why, &self.client, &mut self.identity.transaction, now);
    }
}
