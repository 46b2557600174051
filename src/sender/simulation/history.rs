//! `History`: what was promised, what was told, and what lies in the logs; and the checker that compares them.
//!
//! Owns: the comparison. Must not know: how the run came about; histories made by hand are checked alike.
//! Times are counted from the beginning of the run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::record::RecordMetadata;

/// All that is known of a run when it is over.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) promise: Promise,
    /// In the order in which they were accepted.
    pub(super) records: Vec<Accepted>,
    pub(super) flushes: Vec<Flush>,
    /// By partition, in the order of offsets.
    pub(super) logs: BTreeMap<i32, Vec<Logged>>,
    /// Bytes of `buffer.memory` that nobody gave back.
    pub(super) memory_kept: usize,
}

/// What the settings promise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) delivery: Delivery,
    /// Records of a partition are written in the order of `send`.
    pub(super) ordered: bool,
    /// Records of a partition are acknowledged in the order of `send`: where no error and no lost answer comes
    /// between.
    pub(super) told_in_order: bool,
    /// Each record is answered within this time.
    pub(super) within: Duration,
    /// Each flush is over within this time. It may be longer: a flush waits for what is sent before the sender
    /// notices it.
    pub(super) flushed_within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// `enable.idempotence=true`
    ExactlyOnce,
    /// What is acknowledged is written, perhaps more than once.
    AtLeastOnce,
    /// `acks=0`: nobody knows.
    Unknown,
}

/// A record that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) partition: i32,
    pub(super) content: Content,
    pub(super) at: Duration,
    /// Calls of the callback.
    pub(super) told: Vec<Told>,
    /// What the future says in the end.
    pub(super) future: Option<Outcome>,
}

/// What a record consists of; no two records of a run have the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) header: Vec<u8>,
    pub(super) timestamp: i64,
}

/// A record in the log.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) offset: i64,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Duration,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// At this partition and offset, if it is known.
    Acknowledged {
        partition: i32,
        offset: Option<i64>,
    },
    Failed {
        kind: ErrorKind,
        possibly_written: bool,
        text: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Flush {
    pub(super) asked: Duration,
    pub(super) finished: Option<Duration>,
    /// Records that were sent before the flush and not answered when it was over.
    pub(super) forgotten: usize,
}

/// A promise that was broken. Records are named as in their value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Violation {
    Unanswered(String),
    AnsweredTwice(String),
    /// Future and callback say different things.
    Contradiction(String),
    Late(String, Duration),
    /// Acknowledged, and not in the log.
    Lost(String),
    /// In the log more often than once.
    Twice(String),
    /// Acknowledged at an offset at which something else lies.
    Elsewhere(String),
    /// In the log with another key, header or timestamp.
    Altered(String),
    /// In the log though it is said to be not.
    WrittenAfterAll(String),
    /// In the log behind a record that was sent later.
    Overtaken(String),
    /// Acknowledged after a record that was sent later.
    ToldOutOfOrder(String),
    /// In the log, and nobody sent it.
    Stranger(String),
    /// An error that says that this crate has a defect.
    Defect(String),
    FlushUnfinished(Duration),
    FlushLate(Duration),
    FlushForgot(usize),
    MemoryKept(usize),
}

impl Outcome {
    pub(super) fn of(outcome: Result<RecordMetadata, Error>) -> Outcome {
        match outcome {
            Ok(metadata) => {
                Outcome::Acknowledged { partition: metadata.partition(), offset: metadata.offset() }
            }
            Err(error) => Outcome::Failed {
                kind: error.kind(),
                possibly_written: error.possibly_written(),
                text: error.to_string(),
            },
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Outcome::Acknowledged { .. })
    }
}

impl Content {
    /// Partition and number, as the value begins.
    pub(super) fn name(&self) -> String {
        let text: Vec<_> =
            self.value.split(|byte| *byte == b'/').take(2).map(String::from_utf8_lossy).collect();
        text.join("/")
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content.name())
    }
}

impl History {
    /// Every promise that was broken.
    pub(super) fn check(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let places = self.places();
        for record in &self.records {
            self.check_answer(record, &mut violations);
            let found = places.get(record.content.value.as_slice()).map_or(&[][..], Vec::as_slice);
            self.check_log(record, found, &mut violations);
        }
        self.check_order(&mut violations);
        self.check_strangers(&mut violations);
        for flush in &self.flushes {
            match flush.finished {
                None => violations.push(Violation::FlushUnfinished(flush.asked)),
                Some(end) if end > flush.asked + self.promise.flushed_within => {
                    violations.push(Violation::FlushLate(end - flush.asked));
                }
                Some(_) if flush.forgotten > 0 => violations.push(Violation::FlushForgot(flush.forgotten)),
                Some(_) => {}
            }
        }
        if self.memory_kept > 0 {
            violations.push(Violation::MemoryKept(self.memory_kept));
        }
        violations
    }

    /// Where each value lies.
    fn places(&self) -> HashMap<&[u8], Vec<(i32, &Logged)>> {
        let mut places: HashMap<&[u8], Vec<(i32, &Logged)>> = HashMap::new();
        for (partition, log) in &self.logs {
            for logged in log {
                places.entry(&logged.content.value).or_default().push((*partition, logged));
            }
        }
        places
    }

    fn check_answer(&self, record: &Accepted, violations: &mut Vec<Violation>) {
        let name = || record.to_string();
        let told = match record.told.as_slice() {
            [] => return violations.push(Violation::Unanswered(name())),
            [told] => told,
            _ => return violations.push(Violation::AnsweredTwice(name())),
        };
        if record.future.as_ref() != Some(&told.outcome) {
            violations.push(Violation::Contradiction(name()));
        }
        let took = told.at.saturating_sub(record.at);
        if took > self.promise.within {
            violations.push(Violation::Late(name(), took));
        }
        if let Outcome::Failed { kind: ErrorKind::Bug, text, .. } = &told.outcome {
            violations.push(Violation::Defect(format!("{record}: {text}")));
        }
    }

    fn check_log(&self, record: &Accepted, found: &[(i32, &Logged)], violations: &mut Vec<Violation>) {
        let name = || record.to_string();
        if self.promise.delivery == Delivery::ExactlyOnce && found.len() > 1 {
            violations.push(Violation::Twice(name()));
        }
        if found.iter().any(|(partition, _)| *partition != record.partition) {
            violations.push(Violation::Elsewhere(name()));
        } else if found.iter().any(|(_, logged)| logged.content != record.content) {
            violations.push(Violation::Altered(name()));
        }
        match record.told.first().map(|told| &told.outcome) {
            Some(Outcome::Acknowledged { partition, offset }) => {
                if found.is_empty() && self.promise.delivery != Delivery::Unknown {
                    violations.push(Violation::Lost(name()));
                }
                let here = |offset: i64| found.iter().any(|(_, logged)| logged.offset == offset);
                let misplaced = offset.is_some_and(|offset| !here(offset)) && !found.is_empty();
                if *partition != record.partition || misplaced {
                    violations.push(Violation::Elsewhere(name()));
                }
            }
            Some(Outcome::Failed { possibly_written: false, .. }) if !found.is_empty() => {
                violations.push(Violation::WrittenAfterAll(name()));
            }
            _ => {}
        }
    }

    fn check_order(&self, violations: &mut Vec<Violation>) {
        if !self.promise.ordered {
            return;
        }
        for (partition, log) in &self.logs {
            let mut first: HashMap<&[u8], i64> = HashMap::new();
            for logged in log {
                first.entry(&logged.content.value).or_insert(logged.offset);
            }
            let ours = self.records.iter().filter(|record| record.partition == *partition);
            let (mut furthest, mut latest) = (-1, Duration::ZERO);
            for record in ours {
                let success = record.told.first().filter(|told| told.outcome.is_success());
                // Without idempotence a record that failed may come into the log at any time.
                let counts = self.promise.delivery == Delivery::ExactlyOnce || success.is_some();
                if let Some(offset) = first.get(record.content.value.as_slice()).filter(|_| counts) {
                    if *offset < furthest {
                        violations.push(Violation::Overtaken(record.to_string()));
                    }
                    furthest = furthest.max(*offset);
                }
                if let Some(told) = success {
                    if told.at < latest && self.promise.told_in_order {
                        violations.push(Violation::ToldOutOfOrder(record.to_string()));
                    }
                    latest = latest.max(told.at);
                }
            }
        }
    }

    fn check_strangers(&self, violations: &mut Vec<Violation>) {
        let known: HashMap<&[u8], ()> =
            self.records.iter().map(|record| (record.content.value.as_slice(), ())).collect();
        let logged = self.logs.values().flatten();
        let strangers = logged.filter(|logged| !known.contains_key(logged.content.value.as_slice()));
        violations.extend(strangers.map(|logged| Violation::Stranger(logged.content.name())));
    }
}
