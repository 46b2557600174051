//! One run of the program: the producer's life, and what is said at its end.
//!
//! Owns: the order of the steps, the transaction if there is one, the closing, the exit status. Must not know: formats, flags.
//! Threads: the program's own, which signals interrupt.
//! Holds: the exit status is 0 only if all lines were read and all their records acknowledged. However it ends, what was
//! accepted is waited for; the second signal gives up what is left.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig};

use super::announce::announce;
use super::line_input::LineInput;
use super::progress_line::{ProgressLine, counts, records};
use super::record_sender::{ReadingEnd, RecordPlan, RecordSender};
use super::record_tally::RecordTally;
use super::stop_signals::StopSignals;
use crate::complaint::Complaint;

/// What a run needs.
pub(super) struct SendingSession {
    pub(super) config: ProducerConfig,
    pub(super) plan: RecordPlan,
    pub(super) tally: &'static RecordTally,
    pub(super) signals: StopSignals,
}

/// Exit statuses: all was acknowledged, or something was not; signals have theirs.
const ALL_ACKNOWLEDGED: u8 = 0;
const NOT_ALL: u8 = 1;

impl SendingSession {
    /// Sends all lines. The exit status says how it ended.
    ///
    /// # Errors
    /// The producer could not be created, or its transaction not begun: nothing was sent.
    pub(super) fn run(self, mut input: LineInput) -> Result<u8, Complaint> {
        let start = Instant::now();
        let transactional = self.config.get("transactional.id").is_some_and(|id| !id.is_empty());
        let producer = KafkaProducer::builder(self.config.clone()).default_serializers().build()?;
        if transactional {
            match producer.init_transactions() {
                Err(error) if self.is_stopped_by(&error) => return Ok(self.end_before_sending(&producer)),
                outcome => outcome?,
            }
            producer.begin_transaction()?;
        }
        // Somebody who types has the prompt to look at.
        let progress = (!input.is_typed())
            .then(|| ProgressLine::start(self.tally, input.counter(), input.size()))
            .flatten();
        let mut sender = RecordSender {
            producer: &producer,
            plan: &self.plan,
            tally: self.tally,
            accepted: 0,
            bad_lines: 0,
        };
        let end = sender.send_all(&mut input, &self.signals);
        let (accepted, bad_lines) = (sender.accepted, sender.bad_lines);
        self.say_end(&end, input.is_typed());
        let ending = self.finish(&producer, accepted, transactional.then(|| self.is_whole(&end, bad_lines)));
        let was_shown = progress.is_some_and(ProgressLine::end);
        if let Err(error) = &ending {
            announce(error);
        }
        let dead_letters = self.tally.finish();
        let lost = accepted.saturating_sub(self.tally.acknowledged());
        let good = self.is_whole(&end, bad_lines) && ending.is_ok() && lost == 0 && dead_letters.is_ok();
        if was_shown || !good {
            let read = input.counter().load(std::sync::atomic::Ordering::Relaxed);
            announce(format_args!("{}", counts(self.tally, read, start.elapsed())));
        }
        self.say_dead_letters(dead_letters);
        Ok(match () {
            () if self.signals.count() > 0 => self.signals.exit_status(),
            () if good => ALL_ACKNOWLEDGED,
            () => NOT_ALL,
        })
    }

    fn is_stopped_by(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::Interrupted && self.signals.count() > 0
    }

    /// A signal has come before anything was read: there is nothing to wait for.
    fn end_before_sending(&self, producer: &KafkaProducer<[u8], [u8]>) -> u8 {
        announce("interrupted: no transaction could begin yet, and nothing was sent");
        // There is nothing that it could lose.
        let _ = producer.close_timeout(Duration::ZERO);
        self.signals.exit_status()
    }

    fn is_whole(&self, end: &ReadingEnd, bad_lines: u64) -> bool {
        matches!(end, ReadingEnd::AllRead) && bad_lines == 0 && self.tally.failed() == 0
    }

    fn say_end(&self, end: &ReadingEnd, typed: bool) {
        if typed {
            // The cursor stands behind a prompt.
            // Where it is not shown any more, nobody is disturbed.
            let _ = writeln!(io::stdout());
        }
        match end {
            ReadingEnd::AllRead => {}
            ReadingEnd::Stopped { next: ..=1 } => announce("interrupted: no line was sent"),
            ReadingEnd::Stopped { next } => announce(format_args!(
                "interrupted: lines up to {} are being sent, and no others; once more gives up what is not acknowledged",
                next - 1
            )),
            ReadingEnd::Refused { line } => {
                announce(format_args!("stopped: what is behind line {line} was not sent"));
            }
            ReadingEnd::Unreadable(complaint) => {
                announce(complaint);
                announce(format_args!("stopped: this line and what is behind it were not sent"));
            }
        }
    }

    /// Waits for what was accepted, ends the transaction (`commit` says which way), and closes the producer.
    fn finish(
        &self,
        producer: &KafkaProducer<[u8], [u8]>,
        accepted: u64,
        commit: Option<bool>,
    ) -> Result<(), Error> {
        // From here on a signal ends a wait; one that was noted already does not.
        self.signals.clear();
        let transaction = commit.map_or(Ok(()), |commit| self.end_transaction(producer, commit));
        loop {
            let waiting = accepted.saturating_sub(self.tally.acknowledged() + self.tally.failed());
            if self.signals.count() >= 2 {
                if waiting > 0 {
                    announce(format_args!("given up: {}, not acknowledged", records(waiting)));
                }
                producer.close_timeout(Duration::ZERO)?;
                return transaction;
            }
            match producer.close() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    if self.signals.count() < 2 {
                        let waiting = records(waiting);
                        announce(format_args!(
                            "waiting for {waiting}; once more gives up what is not acknowledged"
                        ));
                    }
                }
                closed => return transaction.and(closed),
            }
        }
    }

    /// Commits, if nothing has failed by then; otherwise aborts.
    fn end_transaction(&self, producer: &KafkaProducer<[u8], [u8]>, commit: bool) -> Result<(), Error> {
        if commit {
            match self.until_decided(|| producer.commit_transaction()) {
                Err(error) if error.requires_abort() => {}
                outcome => return outcome,
            }
        }
        self.until_decided(|| producer.abort_transaction())?;
        announce(format_args!("the transaction was aborted: who reads committed records sees none of these"));
        Ok(())
    }

    /// Where a call ran out of time it is taken up again; a signal ends that.
    fn until_decided(&self, mut call: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        loop {
            match call() {
                Err(error) if self.signals.count() < 2 && may_be_taken_up(&error) => {}
                outcome => return outcome,
            }
        }
    }

    fn say_dead_letters(&self, dead_letters: Result<Option<String>, Complaint>) {
        match dead_letters {
            Ok(None) => {}
            Ok(Some(path)) => {
                announce(format_args!("failed records are in {path}: --json --file {path} sends them again"));
                let uncertain = self.tally.uncertain();
                if uncertain > 0 {
                    announce(format_args!(
                        "{} of them may have been written, and would be there twice: those with \"possibly_written\":true",
                        records(uncertain)
                    ));
                }
            }
            Err(complaint) => announce(format_args!("failed records are lost: {complaint}")),
        }
    }
}

fn may_be_taken_up(error: &Error) -> bool {
    error.is_retriable() || error.kind() == ErrorKind::Interrupted
}
