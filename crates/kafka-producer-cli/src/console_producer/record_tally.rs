//! What became of the records, as their callbacks tell it.
//!
//! Owns: the counts, what is said about failures, and the file that failed records go to. Must not know: lines, the producer's
//! calls.
//! Threads: callbacks on the producer's thread, refusals on the one that sends, counts on any. Locks: that of the file.
//! Holds: a record that is acknowledged costs one addition. A failure is said with its line, of the first
//! [`SAID`] ones; all of them are counted, and go to the file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kafka_producer::{Error, Headers, RecordMetadata};

use super::announce::announce;
use super::json_line::DeadLetter;
use crate::complaint::Complaint;

/// Failures that are said one by one.
const SAID: u64 = 10;

/// The counts.
#[derive(Default)]
pub(super) struct RecordTally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    /// Of those that failed: they may be in the log.
    uncertain: AtomicU64,
    dead_letters: Option<Mutex<DeadLetterFile>>,
}

struct DeadLetterFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// The first one of writing.
    error: Option<io::Error>,
}

/// A copy of a record that is on its way, for the case that it fails.
pub(super) struct KeptRecord {
    pub(super) topic: Box<str>,
    pub(super) partition: Option<i32>,
    pub(super) timestamp: Option<i64>,
    pub(super) headers: Headers,
    pub(super) key: Option<Box<[u8]>>,
    pub(super) value: Option<Box<[u8]>>,
}

impl RecordTally {
    /// Failed records go to this file as well, behind what is in it.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn with_dead_letters(path: Option<&Path>) -> Result<RecordTally, Complaint> {
        let Some(path) = path else {
            return Ok(RecordTally::default());
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Complaint::of_file(path.display(), &error))?;
        let file = DeadLetterFile { path: path.to_owned(), file: BufWriter::new(file), error: None };
        Ok(RecordTally { dead_letters: Some(Mutex::new(file)), ..RecordTally::default() })
    }

    pub(super) fn keeps_dead_letters(&self) -> bool {
        self.dead_letters.is_some()
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many of those that failed may be in the log all the same.
    pub(super) fn uncertain(&self) -> u64 {
        self.uncertain.load(Ordering::Relaxed)
    }

    /// The outcome of a record of which no copy was kept.
    #[inline]
    pub(super) fn settle(&self, line: u64, outcome: Result<RecordMetadata, Error>) {
        match outcome {
            Ok(_) => drop(self.acknowledged.fetch_add(1, Ordering::Relaxed)),
            Err(error) => self.fail(line, &error, None),
        }
    }

    /// The outcome of one of which there is a copy.
    pub(super) fn settle_kept(&self, line: u64, kept: &KeptRecord, outcome: Result<RecordMetadata, Error>) {
        match outcome {
            Ok(_) => drop(self.acknowledged.fetch_add(1, Ordering::Relaxed)),
            Err(error) => self.fail(line, &error, Some(kept)),
        }
    }

    /// A record that failed, or was not accepted.
    #[cold]
    pub(super) fn fail(&self, line: u64, error: &Error, kept: Option<&KeptRecord>) {
        let before = self.failed.fetch_add(1, Ordering::Relaxed);
        if error.possibly_written() {
            self.uncertain.fetch_add(1, Ordering::Relaxed);
        }
        if before < SAID {
            announce(format_args!("line {line}: {error}"));
        } else if before == SAID {
            announce(format_args!("more records fail; they are counted, and not told one by one"));
        }
        if let (Some(file), Some(kept)) = (&self.dead_letters, kept) {
            let letter = DeadLetter {
                topic: &kept.topic,
                partition: kept.partition,
                timestamp: kept.timestamp,
                headers: &kept.headers,
                key: kept.key.as_deref(),
                value: kept.value.as_deref(),
                line,
                error,
            };
            file.lock().unwrap_or_else(PoisonError::into_inner).write(&letter.to_line());
        }
    }

    /// Writes what is not in the file yet. Says its name if a record is in it.
    ///
    /// # Errors
    /// Writing failed, now or before.
    pub(super) fn finish(&self) -> Result<Option<String>, Complaint> {
        let Some(file) = &self.dead_letters else { return Ok(None) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.file.flush() {
            file.error.get_or_insert(error);
        }
        let path = file.path.display().to_string();
        match &file.error {
            Some(error) => Err(Complaint::of_file(path, error)),
            None => Ok((self.failed() > 0).then_some(path)),
        }
    }
}

impl DeadLetterFile {
    fn write(&mut self, line: &[u8]) {
        if let Err(error) = self.file.write_all(line) {
            self.error.get_or_insert(error);
        }
    }
}
