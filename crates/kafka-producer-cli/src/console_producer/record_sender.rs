//! From lines to records on their way.
//!
//! Owns: the loop, where a record goes, and whether it goes on after a failure. Must not know: flags, how it ends.
//! Threads: one, which is the only one that sends.
//! Holds: what is read is sent before more is read; key and value are the line's own bytes until the producer has them.

use std::sync::Arc;

use kafka_producer::{Error, ErrorKind, Headers, KafkaProducer, ProducerRecord, RecordFuture};

use super::announce::announce;
use super::entry::{BadLine, Entry};
use super::line_format::LineFormat;
use super::line_input::{LineInput, NextLine};
use super::record_tally::{KeptRecord, RecordTally};
use super::stop_signals::StopSignals;
use crate::complaint::Complaint;

/// What is the same for all records.
pub(super) struct RecordPlan {
    pub(super) format: LineFormat,
    pub(super) topic: Option<String>,
    /// -1 leaves it to the partitioner.
    pub(super) partition: Option<i32>,
    pub(super) headers: Headers,
    pub(super) sync: bool,
}

/// Sends records, and counts them.
pub(super) struct RecordSender<'a> {
    pub(super) producer: &'a KafkaProducer<[u8], [u8]>,
    pub(super) plan: &'a RecordPlan,
    pub(super) tally: &'static RecordTally,
    /// Records that the producer has accepted.
    pub(super) accepted: u64,
    /// Lines that were passed over.
    pub(super) bad_lines: u64,
}

/// Why no more lines are read.
pub(super) enum ReadingEnd {
    /// There are none.
    AllRead,
    /// A signal has come; all lines before this one were sent.
    Stopped { next: u64 },
    /// The record of this line failed or was refused, which has been said; nothing behind it was sent.
    Refused { line: u64 },
    /// A line is none, or cannot be read; those before it were sent.
    Unreadable(Complaint),
}

impl RecordSender<'_> {
    /// Reads and sends until there is a reason to end.
    pub(super) fn send_all(&mut self, input: &mut LineInput, signals: &StopSignals) -> ReadingEnd {
        loop {
            let (bytes, number) = match input.next(signals.pipe()) {
                Ok(NextLine::Line { bytes, number }) => (bytes, number),
                Ok(NextLine::End) => return ReadingEnd::AllRead,
                Ok(NextLine::Stopped) => return ReadingEnd::Stopped { next: input.number() + 1 },
                Err(complaint) => return ReadingEnd::Unreadable(complaint),
            };
            let sent = self.plan.format.parse(bytes, number).and_then(|entry| match entry {
                Some(entry) => self.send(entry, number),
                None => Ok(None),
            });
            match sent {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(bad) if self.plan.format.passes_over_bad_lines() => {
                    self.bad_lines += 1;
                    announce(bad);
                }
                Err(bad) => return ReadingEnd::Unreadable(Complaint::new(bad.0)),
            }
        }
    }

    /// Sends a line's record; says why it does not go on, if so.
    fn send(&mut self, entry: Entry<'_>, line: u64) -> Result<Option<ReadingEnd>, BadLine> {
        let Entry { topic, partition, timestamp, headers, key, value } = entry;
        let (topic, partition) = self.plan.destination(topic.as_deref(), partition, line)?;
        let (key, value) = (key.as_deref(), value.as_deref());
        let headers = self.plan.headers_with(headers);
        let tally = self.tally;
        let kept = tally.keeps_dead_letters().then(|| {
            let (topic, headers, key, value) =
                (topic.into(), headers.clone(), key.map(Box::from), value.map(Box::from));
            Arc::new(KeptRecord { topic, partition, timestamp, headers, key, value })
        });
        let mut record = ProducerRecord::new(topic, ())
            .with_optional_key(key)
            .with_optional_value(value)
            .with_headers(headers);
        if let Some(partition) = partition {
            record = record.with_partition(partition);
        }
        if let Some(timestamp) = timestamp {
            record = record.with_timestamp(timestamp);
        }
        let sent = match kept.clone() {
            None => self.producer.send_with_callback(record, move |outcome| tally.settle(line, outcome)),
            Some(kept) => self
                .producer
                .send_with_callback(record, move |outcome| tally.settle_kept(line, &kept, outcome)),
        };
        match sent {
            Ok(future) => {
                self.accepted += 1;
                Ok(if self.plan.sync { self.wait_for(&future, line) } else { None })
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                Ok(Some(ReadingEnd::Stopped { next: line }))
            }
            Err(error) => {
                tally.fail(line, &error, kept.as_deref());
                let ends = self.plan.sync || !concerns_the_record_alone(&error);
                Ok(ends.then_some(ReadingEnd::Refused { line }))
            }
        }
    }

    /// The first failure ends it, unless failed records are kept.
    fn wait_for(&self, future: &RecordFuture, line: u64) -> Option<ReadingEnd> {
        match future.get() {
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                Some(ReadingEnd::Stopped { next: line + 1 })
            }
            Err(error) if self.tally.keeps_dead_letters() && concerns_the_record_alone(&error) => None,
            Err(_) => Some(ReadingEnd::Refused { line }),
        }
    }
}

/// Whether the next record may fare better at once. After a time-out it would wait as long, for the same brokers.
fn concerns_the_record_alone(error: &Error) -> bool {
    let kinds = [
        ErrorKind::RecordTooLarge,
        ErrorKind::InvalidRecord,
        ErrorKind::InvalidTopic,
        ErrorKind::Serialization,
        ErrorKind::Partitioning,
    ];
    !error.is_fatal() && kinds.contains(&error.kind())
}

impl RecordPlan {
    /// Topic and partition: what flags say, otherwise what the line does. A partition of the line is one of the line's topic.
    fn destination<'t>(
        &'t self,
        of_line: Option<&'t str>,
        partition_of_line: Option<i32>,
        line: u64,
    ) -> Result<(&'t str, Option<i32>), BadLine> {
        let Some(topic) = self.topic.as_deref().or(of_line) else {
            return Err(BadLine(format!("line number {line} names no topic, and no --topic is given")));
        };
        let partition = match self.partition {
            Some(partition) => Some(partition),
            None => partition_of_line.filter(|_| of_line.is_none_or(|name| name == topic)),
        };
        Ok((topic, partition.filter(|partition| *partition >= 0)))
    }

    /// Those of every record, with the line's behind them.
    #[inline]
    fn headers_with(&self, of_line: Headers) -> Headers {
        if self.headers.is_empty() {
            return of_line;
        }
        let mut headers = self.headers.clone();
        for header in &of_line {
            match header.value() {
                Some(value) => headers.add(header.key(), value),
                None => headers.add_null(header.key()),
            }
        }
        headers
    }
}
