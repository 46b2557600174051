//! What is told in the log of troubles that pass: a partition whose batches have to be sent again, one without a
//! leader, a topic that does not exist, batches that are split, epochs.
//!
//! Owns: the words, and what to do about a code where that is known. Must not know: what becomes of a batch.
//! Threads: the sender thread. A logger is the user's code: nothing is told while a batch is in hand.

use std::time::Instant;

use crate::cluster::NoLeader;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::log_labels::LogLabels;
use crate::logging;
use crate::notices::{Notices, Repeats};
use crate::record::TopicName;

/// Tells of troubles, no more often than [`Notices`] lets it.
pub(super) struct Warnings {
    notices: Notices<About, ErrorCode>,
}

/// What is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum About {
    Partition(TopicName, i32),
    Topic(TopicName),
    /// How large the topic's batches may be.
    SizesOf(TopicName),
    /// The producer id, as long as there is none.
    ProducerId,
    /// The epoch of this producer.
    Epoch,
}

impl Warnings {
    pub(super) fn new() -> Warnings {
        Warnings { notices: Notices::new() }
    }

    /// A broker's answer made it necessary to send a batch of this partition again.
    pub(super) fn sent_again(&mut self, place: (&TopicName, i32), error: &Error, now: Instant) {
        let ((topic, partition), Some(code)) = (place, error.code()) else { return };
        match self.notices.happened(&About::Partition(topic.clone(), partition), code, now) {
            Some(repeats) => logging::warn!(
                labels: error.labels_at(topic, partition),
                "{topic}-{partition}: {error}; sent again until delivery.timeout.ms is over{}{repeats}",
                Advice(of_produce(code))
            ),
            None => {
                logging::debug!(labels: error.labels_at(topic, partition), "{topic}-{partition}: {error}; sent again")
            }
        }
    }

    /// A batch of this partition was written.
    pub(super) fn written(&mut self, place: Option<(&TopicName, i32)>, now: Instant) {
        let Some((topic, partition)) = place.filter(|_| !self.notices.is_empty()) else { return };
        if let Some(repeats) = self.notices.over(&About::Partition(topic.clone(), partition), now) {
            let labels = LogLabels::of_partition(topic, partition);
            logging::info!(labels: labels, "{topic}-{partition}: records are written again, after {}", failures(repeats));
        }
    }

    /// What the brokers have answered about a topic.
    pub(super) fn topic(&mut self, topic: &TopicName, code: ErrorCode, now: Instant) {
        if code.is_none() && self.notices.is_empty() {
            return;
        }
        let about = About::Topic(topic.clone());
        if code.is_none() {
            if let Some(repeats) = self.notices.over(&about, now) {
                logging::info!(labels: LogLabels::of_topic(topic), "topic {topic} is there, after {}", failures(repeats));
            }
        } else if let Some(repeats) = self.notices.happened(&about, code, now) {
            let labels = LogLabels::of_topic(topic).with_code(code.0);
            let advice = Advice(of_metadata(code));
            logging::warn!(labels: labels, "topic {topic}: the brokers answer {code}{advice}{repeats}");
        }
    }

    /// The brokers have answered, and this partition still has no leader though records wait for one. Where its topic is
    /// not to be had, or does not have it, that is told already.
    pub(super) fn leaderless(&mut self, topic: &TopicName, partition: i32, why: NoLeader, now: Instant) {
        let NoLeader::Nobody(told) = why else { return };
        let code = ErrorCode::LEADER_NOT_AVAILABLE;
        if let Some(repeats) = self.notices.happened(&About::Partition(topic.clone(), partition), code, now) {
            let advice = Advice(of_metadata(code));
            let told = told.map_or(String::new(), |code| format!(" ({code})"));
            logging::warn!(
                labels: LogLabels::of_partition(topic, partition).with_code(code.0),
                "{topic}-{partition}: records wait for a leader, and there is none{told}{advice}{repeats}"
            );
        }
    }

    /// A broker found a batch of `count` records too large, so that it goes in smaller ones.
    pub(super) fn split(&mut self, place: (&TopicName, i32), count: u32, error: &Error, now: Instant) {
        let ((topic, partition), Some(code)) = (place, error.code()) else { return };
        match self.notices.happened(&About::SizesOf(topic.clone()), code, now) {
            Some(repeats) => logging::warn!(
                labels: error.labels_at(topic, partition),
                "{topic}-{partition}: a batch of {count} records is sent again in smaller ones: {error}{repeats}"
            ),
            None => logging::debug!(
                labels: error.labels_at(topic, partition),
                "{topic}-{partition}: a batch of {count} records is split: {error}"
            ),
        }
    }

    /// A broker gave no producer id, and is asked again, or will be when a record needs one.
    pub(super) fn no_producer_id(&mut self, node: i32, error: &Error, now: Instant) {
        let code = error.code().unwrap_or(ErrorCode::NONE);
        // The error's text has the broker in it already.
        let labels = LogLabels { node: Some(node).filter(|node| *node >= 0), ..error.labels() };
        match self.notices.happened(&About::ProducerId, code, now) {
            Some(repeats) => logging::warn!(labels: labels, "{error}{repeats}"),
            None => logging::debug!(labels: labels, "{error}"),
        }
    }

    /// A broker gave a producer id.
    pub(super) fn producer_id(&mut self, now: Instant) {
        if let Some(repeats) = self.notices.over(&About::ProducerId, now) {
            logging::info!("there is a producer id now, after {}", failures(repeats));
        }
    }

    /// A batch failed, refused or given up: its partition goes on under a new epoch.
    pub(super) fn new_epoch(&mut self, epoch: i16, now: Instant) {
        if let Some(repeats) = self.notices.happened(&About::Epoch, ErrorCode::NONE, now) {
            logging::info!("epoch {epoch} from now on, since a batch failed{repeats}");
        }
    }
}

/// What to do, behind what happened.
struct Advice(Option<&'static str>);

impl std::fmt::Display for Advice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

fn of_produce(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => Some(
            "fewer replicas are in sync than min.insync.replicas asks for: see whether all brokers are up",
        ),
        ErrorCode::KAFKA_STORAGE_ERROR => {
            Some("this broker's disk may be full or broken: see its log, and log.dirs")
        }
        ErrorCode::REQUEST_TIMED_OUT => {
            Some("other replicas did not have it within request.timeout.ms: see whether all brokers keep up")
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => {
            Some("the topic may have been deleted, or this broker has not heard of it yet")
        }
        ErrorCode::LEADER_NOT_AVAILABLE => of_metadata(code),
        ErrorCode::CORRUPT_MESSAGE => Some("what was sent did not arrive as it was: see the broker's log"),
        _ => None,
    }
}

fn of_metadata(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            Some("create it, or let the brokers do so (auto.create.topics.enable)")
        }
        ErrorCode::LEADER_NOT_AVAILABLE => {
            Some("one is being elected, or the brokers with its replicas are down")
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            Some("see the ACLs of this client: it needs DESCRIBE and WRITE")
        }
        _ => None,
    }
}

fn failures(repeats: Repeats) -> String {
    let failures = if repeats.times == 1 { "failure" } else { "failures" };
    format!("{} {failures} within {} ms", repeats.times, repeats.within.as_millis())
}
