//! `MissingPartitions`: partitions that records wait for and that their topics do not have any more; when that is certain.
//!
//! Owns: how often and for how long each such partition was missing. Must not know: how pictures are made, what
//! becomes of the records.
//! Holds: one broker that lags behind fails nothing. A topic never loses partitions: where its id is the same, a picture
//! without one is out of date. Where the id is another, the topic was created again, and some answers have to agree. Brokers
//! that tell no ids leave it open which it is; there it takes much longer.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::accumulator::Absent;
use crate::error_code::ErrorCode;
use crate::log_labels::LogLabels;
use crate::logging;
use crate::record::TopicName;

/// How long partitions for which records wait have been missing, by number.
#[derive(Debug, Default)]
pub(super) struct MissingPartitions(HashMap<usize, Absence>);

#[derive(Debug, Clone, Copy)]
struct Absence {
    since: Instant,
    answers: u32,
}

impl Absence {
    fn is_certain(self, absent: &Absent, longest_backoff: Duration, now: Instant) -> bool {
        let (answers, time) = match absent.was_created_again {
            Some(true) => (3, longest_backoff.saturating_mul(3)),
            Some(false) => return false,
            None => (10, WITHOUT_IDS.max(longest_backoff.saturating_mul(10))),
        };
        self.answers >= answers && now.saturating_duration_since(self.since) >= time
    }
}

impl MissingPartitions {
    /// Brokers have told of these topics, and these partitions are missing. Returns those of which that is certain.
    pub(super) fn look(
        &mut self,
        absent: Vec<Absent>,
        answered: &[(TopicName, ErrorCode)],
        longest_backoff: Duration,
        now: Instant,
    ) -> Vec<Absent> {
        let answered: HashSet<&TopicName> = answered.iter().map(|(topic, _)| topic).collect();
        let mut before = std::mem::take(&mut self.0);
        let mut certain = Vec::new();
        for absent in absent {
            let mut absence = before.remove(&absent.index).unwrap_or_else(|| {
                let labels = LogLabels::of_partition(&absent.topic, absent.partition);
                logging::warn!(labels: labels, "{}", absent.warning());
                Absence { since: now, answers: 0 }
            });
            absence.answers += u32::from(answered.contains(&absent.topic));
            if absence.is_certain(&absent, longest_backoff, now) {
                certain.push(absent);
            } else {
                self.0.insert(absent.index, absence);
            }
        }
        certain
    }
}

/// How long the brokers must agree where none tells a topic's id.
const WITHOUT_IDS: Duration = Duration::from_secs(30);
