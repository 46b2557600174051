//! `History`: what was promised, what was told, and what lies in the logs; and the checker that compares them.
//!
//! Owns: the comparison. Must not know: how the run came about; histories made by hand are checked alike.
//! Times are counted from the beginning of the run. A topic that was deleted, and a cluster that was replaced, keep
//! their logs here: what was acknowledged was in the log of some life of its topic.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::record::RecordMetadata;
use crate::simulation::transaction_book::TransactionHistory;

/// All that is known of a run when it is over.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) promise: Promise,
    /// In the order in which they were accepted.
    pub(super) records: Vec<Accepted>,
    /// Records that came back to the application.
    pub(super) refused: Vec<RefusedRecord>,
    pub(super) calls: Vec<Call>,
    pub(super) flushes: Vec<ObservedFlush>,
    pub(super) logs: Vec<Log>,
    pub(super) transactions: TransactionHistory,
    /// What else was seen to be wrong while it ran.
    pub(super) remarks: Vec<Violation>,
}

/// What the settings promise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) delivery: Delivery,
    /// Records of a partition are written in the order of `send`.
    pub(super) ordered: bool,
    /// Nothing goes wrong: each record is acknowledged, once in the log, and those of a partition in the order of `send`.
    pub(super) sound: bool,
    /// How many bytes of key, value and header together are not too large for any topic.
    pub(super) largest: usize,
    /// Each record is answered within this time.
    pub(super) within: Duration,
    /// Each flush is over within this time. It may be longer: a flush waits for what is sent before the sender
    /// notices it.
    pub(super) flushed_within: Duration,
    /// How long after its limit a call that may wait must have come back.
    pub(super) slack: Duration,
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
    pub(super) topic: &'static str,
    /// Where it was to go, if the application said so.
    pub(super) partition: Option<i32>,
    pub(super) content: RecordContent,
    pub(super) at: Duration,
    pub(super) has_callback: bool,
    /// Calls of the callback.
    pub(super) told: Vec<Told>,
    /// What the future says in the end.
    pub(super) future: Option<RecordOutcome>,
    /// Without a callback: it had no outcome when it should have had one.
    pub(super) is_late: bool,
    /// The transaction that it belongs to.
    pub(super) transaction: Option<usize>,
    /// Its program crashed before it was answered.
    pub(super) is_orphan: bool,
}

impl Accepted {
    /// Nothing has been told of it yet.
    pub(super) fn now(
        topic: &'static str,
        partition: Option<i32>,
        content: RecordContent,
        at: Duration,
        has_callback: bool,
    ) -> Accepted {
        Accepted {
            topic,
            partition,
            content,
            at,
            has_callback,
            told: Vec::new(),
            future: None,
            is_late: false,
            transaction: None,
            is_orphan: false,
        }
    }
}

/// A record that was not accepted.
#[derive(Debug, Clone)]
pub(super) struct RefusedRecord {
    pub(super) content: RecordContent,
    pub(super) kind: ErrorKind,
    pub(super) text: String,
}

/// A call that may wait.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    pub(super) limit: Duration,
}

/// What a record consists of; no two records of a run have the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordContent {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) header: Vec<u8>,
    /// The first and the last time that it may have in the log.
    pub(super) timestamps: (i64, i64),
}

/// One life of a partition: until its topic was deleted, or the cluster replaced.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// In the order of offsets.
    pub(super) records: Vec<Logged>,
    /// Where its end was when the broker forgot its producers.
    pub(super) forgotten: Vec<i64>,
}

/// A record in the log.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) header: Vec<u8>,
    pub(super) timestamp: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Duration,
    pub(super) outcome: RecordOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordOutcome {
    /// At this partition and offset, if it is known.
    Acknowledged {
        partition: i32,
        offset: Option<i64>,
    },
    Failed {
        kind: ErrorKind,
        possibly_written: bool,
        attempts: u32,
        partition: Option<i32>,
        text: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct ObservedFlush {
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
    /// In one log more often than once.
    Twice(String),
    /// Acknowledged at an offset at which something else lies.
    Elsewhere(String),
    /// In the log with another key, header or timestamp.
    Altered(String),
    /// In the log though it is said to be not.
    WrittenAfterAll(String),
    /// In the log though `send` gave it back.
    RefusedAndWritten(String),
    /// In the log behind a record that was sent later.
    Overtaken(String),
    /// Acknowledged after a record that was sent later.
    ToldOutOfOrder(String),
    /// Not acknowledged though nothing went wrong.
    FailedForNothing(String),
    /// In the log, and nobody sent it.
    Stranger(String),
    /// An error that says that this crate has a defect.
    Defect(String),
    /// An error that says something that is not so.
    Untrue(String),
    FlushUnfinished(Duration),
    FlushLate(Duration),
    FlushForgot(usize),
    /// A call that came back too late.
    CallLate(&'static str, Duration),
    MemoryKept(usize),
    /// Somebody waits for memory that is there.
    MemoryWithheld(Duration),
    /// Nothing goes wrong any more, and still a record fails.
    Stuck(String),
    /// State of something that is gone: what, and how much of it.
    StateKept(&'static str, usize),
    /// More requests of a kind within a second than there is reason for.
    TooManyRequests(String),
    /// Nothing goes wrong, and still a batch went more often than once.
    Repeated(String),
    /// Something was written to a connection that an idempotent producer must not write.
    Unruly(String),
    /// Something was said to a broker that does not know who we are, or of whom we do not, or in plain text.
    Insecure(String),
    /// Said to be committed, and so many of its records are not.
    LostTransaction(usize, usize),
    /// Not committed, by all that was said, and so many of its records are.
    CommittedAfterAll(usize, usize),
    /// So many of its records are committed, of so many.
    TornTransaction(usize, usize, usize),
    /// Said to be committed, and not to be.
    TwoFates(usize),
    /// Committed without its transaction, or the other way round.
    StrayOffset(String),
    /// A thread of the application panicked.
    Panicked(usize),
}

impl RecordOutcome {
    pub(super) fn of(outcome: Result<RecordMetadata, Error>) -> RecordOutcome {
        match outcome {
            Ok(metadata) => {
                RecordOutcome::Acknowledged { partition: metadata.partition(), offset: metadata.offset() }
            }
            Err(error) => RecordOutcome::Failed {
                kind: error.kind(),
                possibly_written: error.possibly_written(),
                attempts: error.attempts(),
                partition: error.partition(),
                text: error.to_string(),
            },
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, RecordOutcome::Acknowledged { .. })
    }
}

/// A record's name, as its value begins.
pub(super) fn name_of(value: &[u8]) -> String {
    let text: Vec<_> = value.split(|byte| *byte == b'/').take(2).map(String::from_utf8_lossy).collect();
    text.join("/")
}

impl RecordContent {
    fn name(&self) -> String {
        name_of(&self.value)
    }

    fn size(&self) -> usize {
        self.key.as_ref().map_or(0, Vec::len) + self.value.len() + self.header.len()
    }

    fn is(&self, logged: &Logged) -> bool {
        let (first, last) = self.timestamps;
        self.key == logged.key && self.header == logged.header && (first..=last).contains(&logged.timestamp)
    }
}

impl Accepted {
    pub(super) fn outcome(&self) -> Option<&RecordOutcome> {
        self.told.first().map(|told| &told.outcome).or(self.future.as_ref())
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content.name())
    }
}

/// Where a value lies.
type Places<'a> = HashMap<&'a [u8], Vec<(&'a Log, &'a Logged)>>;

impl History {
    /// Every promise that was broken.
    pub(super) fn check(&self) -> Vec<Violation> {
        let mut violations = self.remarks.clone();
        let places = self.places();
        for record in &self.records {
            self.check_answer(record, &mut violations);
            let found = places.get(record.content.value.as_slice()).map_or(&[][..], Vec::as_slice);
            self.check_log(record, found, &mut violations);
        }
        for refused in &self.refused {
            if places.contains_key(refused.content.value.as_slice()) {
                violations.push(Violation::RefusedAndWritten(refused.content.name()));
            }
            if refused.kind == ErrorKind::Bug {
                violations.push(Violation::Defect(refused.text.clone()));
            }
        }
        self.check_order(&mut violations);
        self.check_telling(&mut violations);
        self.check_strangers(&mut violations);
        self.check_calls(&mut violations);
        self.check_transactions(&mut violations);
        violations
    }

    fn places(&self) -> Places<'_> {
        let mut places = Places::new();
        for log in &self.logs {
            for logged in &log.records {
                places.entry(&logged.value).or_default().push((log, logged));
            }
        }
        places
    }

    fn check_answer(&self, record: &Accepted, violations: &mut Vec<Violation>) {
        let name = || record.to_string();
        if record.is_orphan {
            return;
        }
        let outcome = match (record.told.as_slice(), &record.future) {
            ([], Some(outcome)) if !record.has_callback => outcome,
            ([], _) => return violations.push(Violation::Unanswered(name())),
            ([told], _) => &told.outcome,
            _ => return violations.push(Violation::AnsweredTwice(name())),
        };
        if record.future.as_ref() != Some(outcome) {
            violations.push(Violation::Contradiction(name()));
        }
        let took = record.told.first().map_or(Duration::ZERO, |told| told.at.saturating_sub(record.at));
        if took > self.promise.within || record.is_late {
            violations.push(Violation::Late(name(), took));
        }
        match outcome {
            RecordOutcome::Failed { kind: ErrorKind::Bug, text, .. } => {
                violations.push(Violation::Defect(format!("{record}: {text}")));
            }
            RecordOutcome::Failed { kind: ErrorKind::RecordTooLarge, .. }
                if record.content.size() > self.promise.largest => {}
            RecordOutcome::Failed { kind: ErrorKind::TransactionAborted, .. } => {}
            RecordOutcome::Failed { text, .. } if self.promise.sound => {
                violations.push(Violation::FailedForNothing(format!("{record}: {text}")));
            }
            _ => {}
        }
    }

    fn check_log(&self, record: &Accepted, found: &[(&Log, &Logged)], violations: &mut Vec<Violation>) {
        let name = || record.to_string();
        let once = self.promise.delivery == Delivery::ExactlyOnce || self.promise.sound;
        if once && found.iter().enumerate().any(|(at, place)| found[..at].iter().any(|one| again(one, place)))
        {
            violations.push(Violation::Twice(name()));
        }
        let wrong = |(log, _): &(&Log, &Logged)| {
            log.topic != record.topic || record.partition.is_some_and(|partition| partition != log.partition)
        };
        if found.iter().any(wrong) {
            violations.push(Violation::Elsewhere(name()));
        } else if found.iter().any(|(_, logged)| !record.content.is(logged)) {
            violations.push(Violation::Altered(name()));
        }
        match record.outcome() {
            Some(RecordOutcome::Acknowledged { partition, offset }) => {
                if found.is_empty() && self.promise.delivery != Delivery::Unknown {
                    violations.push(Violation::Lost(name()));
                }
                let here = |(log, logged): &(&Log, &Logged)| {
                    log.partition == *partition && offset.is_none_or(|offset| offset == logged.offset)
                };
                let misplaced = !found.is_empty() && !found.iter().any(here);
                if misplaced || record.partition.is_some_and(|wanted| wanted != *partition) {
                    violations.push(Violation::Elsewhere(name()));
                }
            }
            Some(RecordOutcome::Failed { possibly_written: false, .. }) if !found.is_empty() => {
                violations.push(Violation::WrittenAfterAll(name()));
            }
            _ => {}
        }
    }

    fn check_order(&self, violations: &mut Vec<Violation>) {
        if !self.promise.ordered {
            return;
        }
        let numbered = self.records.iter().enumerate().filter(|(_, record)| {
            // Without idempotence a record that failed may come into the log at any time.
            self.promise.delivery == Delivery::ExactlyOnce
                || record.outcome().is_some_and(RecordOutcome::is_success)
        });
        let order: HashMap<&[u8], usize> =
            numbered.map(|(number, record)| (record.content.value.as_slice(), number)).collect();
        for log in &self.logs {
            let mut seen: HashMap<usize, ()> = HashMap::new();
            let mut furthest = None;
            let mut forgotten = log.forgotten.iter().copied().peekable();
            for logged in &log.records {
                // A broker that has forgotten the producer takes again what it has, and what it never had, at any place:
                // nobody can tell whether a batch without an answer was there before. (Kafka's own client can not either.)
                while forgotten.next_if(|end| *end <= logged.offset).is_some() {
                    furthest = furthest.filter(|_| self.promise.delivery != Delivery::ExactlyOnce);
                }
                let Some(number) = order.get(logged.value.as_slice()).copied() else { continue };
                // To a broker that has forgotten it the producer is new, and of several batches on their way it may take
                // the later ones alone: of those that failed, and may be written, none can be in order then.
                let is_success = self.records[number].outcome().is_some_and(RecordOutcome::is_success);
                if !log.forgotten.is_empty() && !is_success {
                    continue;
                }
                if seen.insert(number, ()).is_some() {
                    continue;
                }
                if furthest.is_some_and(|furthest| number < furthest) {
                    violations.push(Violation::Overtaken(name_of(&logged.value)));
                }
                furthest = furthest.max(Some(number));
            }
        }
    }

    /// Where nothing goes wrong, records of a partition are told in the order of `send`.
    fn check_telling(&self, violations: &mut Vec<Violation>) {
        let mut latest: BTreeMap<(&str, i32), Duration> = BTreeMap::new();
        for record in self.records.iter().filter(|_| self.promise.sound) {
            let Some(Told { at, outcome: RecordOutcome::Acknowledged { partition, .. } }) =
                record.told.first()
            else {
                continue;
            };
            let latest = latest.entry((record.topic, *partition)).or_default();
            if at < latest {
                violations.push(Violation::ToldOutOfOrder(record.to_string()));
            }
            *latest = (*latest).max(*at);
        }
    }

    fn check_strangers(&self, violations: &mut Vec<Violation>) {
        let known: HashMap<&[u8], ()> =
            self.records.iter().map(|record| (record.content.value.as_slice(), ())).collect();
        let refused: HashMap<&[u8], ()> =
            self.refused.iter().map(|record| (record.content.value.as_slice(), ())).collect();
        let logged = self.logs.iter().flat_map(|log| &log.records);
        let strangers = logged.filter(|logged| {
            let value = logged.value.as_slice();
            !known.contains_key(value) && !refused.contains_key(value) && !value.starts_with(OTHERS)
        });
        violations.extend(strangers.map(|logged| Violation::Stranger(name_of(&logged.value))));
    }

    fn check_calls(&self, violations: &mut Vec<Violation>) {
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
        for call in &self.calls {
            if call.took > call.limit + self.promise.slack {
                violations.push(Violation::CallLate(call.name, call.took));
            }
        }
    }
}

/// Whether the second place repeats the first: in the same log, whose broker has not forgotten its producers between.
/// A batch of unknown fate is sent again, and then no broker can know that it has it.
fn again(first: &(&Log, &Logged), second: &(&Log, &Logged)) -> bool {
    let (log, from, to) = (first.0, first.1.offset, second.1.offset);
    std::ptr::eq(log, second.0) && !log.forgotten.iter().any(|end| (from + 1..=to).contains(end))
}

/// How the values begin that other producers write.
pub(super) const OTHERS: &[u8] = b"other/";
