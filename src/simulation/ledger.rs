//! `Ledger`: what the application did, and what it was told.
//!
//! Owns: the accepted and the refused records, calls and flushes, and the transactions that they are in. Must not know: brokers, the sender, what comes next.
//! Threads: those of the application and the one that runs the callbacks; one of them at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::completion::RecordFuture;
use crate::error::{Error, ErrorKind};
use crate::logging;
use crate::record::RecordMetadata;
use crate::simulation::database::Database;
use crate::simulation::history::{
    Accepted, Call, ObservedFlush, RecordContent, RecordOutcome, RefusedRecord, Told, Violation,
};
use crate::simulation::transaction_book::TransactionBook;
use crate::stage::Clock;

pub(super) struct Ledger {
    pub(super) clock: Clock,
    /// How long after it was accepted each record without a callback must have its outcome.
    within: Mutex<Duration>,
    pages: Mutex<Pages>,
    book: Mutex<TransactionBook>,
    /// Which program it is; another one begins after a crash.
    program: usize,
    /// Where commits are of two phases.
    pub(super) database: Option<Arc<Database>>,
}

#[derive(Default)]
struct Pages {
    begun: Vec<SentRecordPage>,
    /// In the order in which they were accepted.
    accepted: Vec<usize>,
    /// Those of them that have no callback and whose time is not over.
    watched: VecDeque<usize>,
    refused: Vec<RefusedRecord>,
    calls: Vec<Call>,
    flushes: Vec<ObservedFlush>,
    open_flushes: usize,
    told: usize,
    remarks: Vec<Violation>,
}

/// How many records were accepted and refused until some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct LedgerCounts {
    accepted: usize,
    refused: usize,
}

/// All that was promised and told.
#[derive(Default)]
pub(super) struct LedgerReport {
    pub(super) records: Vec<Accepted>,
    pub(super) refused: Vec<RefusedRecord>,
    pub(super) calls: Vec<Call>,
    pub(super) flushes: Vec<ObservedFlush>,
    pub(super) book: TransactionBook,
}

/// A record on its way into the producer, or accepted.
struct SentRecordPage {
    record: Accepted,
    future: Option<RecordFuture>,
    /// How often the wall clock had jumped when it began.
    jumps: u64,
}

impl Ledger {
    pub(super) fn new(clock: Clock) -> Ledger {
        Ledger {
            clock,
            within: Mutex::new(Duration::MAX),
            pages: Mutex::default(),
            book: Mutex::default(),
            program: 0,
            database: None,
        }
    }

    /// With what outlives its program's crashes.
    pub(super) fn with_database(self, database: Option<Arc<Database>>) -> Ledger {
        Ledger { database, ..self }
    }

    /// That of the program which begins after the one of this has crashed.
    pub(super) fn of_next(&self) -> Ledger {
        let within = Mutex::new(*self.within.lock().unwrap());
        let database = self.database.clone();
        Ledger { within, program: self.program + 1, database, ..Ledger::new(self.clock.clone()) }
    }

    /// The transactions.
    pub(super) fn with_book<T>(&self, look: impl FnOnce(&mut TransactionBook) -> T) -> T {
        look(&mut self.book.lock().unwrap())
    }

    /// The name of a group of this program's own, or of one that all share.
    pub(super) fn group(&self, number: usize) -> String {
        match number {
            0 => "shared".to_owned(),
            number => format!("group-{}-{number}", self.program),
        }
    }

    pub(super) fn expect_within(&self, within: Duration) {
        *self.within.lock().unwrap() = within;
    }

    /// A record's number.
    pub(super) fn begin(
        &self,
        topic: &'static str,
        partition: Option<i32>,
        has_callback: bool,
        content: impl FnOnce(usize) -> RecordContent,
    ) -> usize {
        let mut pages = self.pages.lock().unwrap();
        let number = pages.begun.len();
        let content = content(number + self.program * MOST_RECORDS);
        let record = Accepted::now(topic, partition, content, self.clock.elapsed(), has_callback);
        pages.begun.push(SentRecordPage { record, future: None, jumps: self.clock.jumps() });
        number
    }

    pub(super) fn content(&self, number: usize) -> RecordContent {
        self.pages.lock().unwrap().begun[number].record.content.clone()
    }

    /// The record was accepted; the wall clock may have gone on meanwhile.
    pub(super) fn accepted(&self, number: usize, future: RecordFuture) {
        let mut pages = self.pages.lock().unwrap();
        pages.accepted.push(number);
        if !pages.begun[number].record.has_callback {
            pages.watched.push_back(number);
        }
        let transaction = self.with_book(|book| book.current());
        let is_over =
            self.with_book(|book| transaction.is_some_and(|it| book.transactions[it].takes_nothing()));
        if is_over {
            let text = format!("{} was taken after its transaction", pages.begun[number].record);
            pages.remarks.push(Violation::Defect(text));
        }
        let entry = &mut pages.begun[number];
        entry.record.transaction = transaction;
        entry.record.at = self.clock.elapsed();
        let timestamps = &mut entry.record.content.timestamps;
        *timestamps = match entry.jumps == self.clock.jumps() {
            true => (timestamps.0, self.clock.wall_ms()),
            false => (0, i64::MAX),
        };
        logging::trace!("   {} is accepted", entry.record);
        entry.future = Some(future);
    }

    /// The open transaction is prepared: all of it is in the logs.
    pub(super) fn prepared(&self) {
        let current = self.with_book(|book| book.current());
        let mut pages = self.pages.lock().unwrap();
        let Pages { begun, accepted, remarks, .. } = &mut *pages;
        let of_it = accepted.iter().map(|number| &begun[*number]);
        for page in of_it.filter(|page| page.record.transaction == current) {
            let outcome = page.future.as_ref().and_then(RecordFuture::try_get);
            if !outcome.as_ref().is_some_and(Result::is_ok) {
                let text = format!(
                    "{} is of a transaction that is prepared, and not acknowledged: {outcome:?}",
                    page.record
                );
                remarks.push(Violation::Defect(text));
            }
        }
    }

    pub(super) fn refused(&self, number: usize, error: &Error) {
        let mut pages = self.pages.lock().unwrap();
        let content = pages.begun[number].record.content.clone();
        logging::trace!("   {} is refused: {error}", pages.begun[number].record);
        pages.refused.push(RefusedRecord { content, kind: error.kind(), text: error.to_string() });
    }

    pub(super) fn told(&self, number: usize, outcome: Result<RecordMetadata, Error>) {
        let mut pages = self.pages.lock().unwrap();
        let told = Told { at: self.clock.elapsed(), outcome: RecordOutcome::of(outcome) };
        logging::trace!("   {} is told {:?}", pages.begun[number].record, told.outcome);
        pages.begun[number].record.told.push(told);
        pages.told += 1;
    }

    /// Something is wrong that the records do not show.
    pub(super) fn remark(&self, violation: Violation) {
        self.pages.lock().unwrap().remarks.push(violation);
    }

    pub(super) fn remarks(&self) -> Vec<Violation> {
        self.pages.lock().unwrap().remarks.clone()
    }

    /// A call that may wait begins. Its end is told with what comes back.
    pub(super) fn call<T>(&self, name: &'static str, limit: Duration, call: impl FnOnce() -> T) -> T {
        let at = self.clock.elapsed();
        let result = call();
        let took = self.clock.elapsed() - at;
        self.pages.lock().unwrap().calls.push(Call { name, took, limit });
        result
    }

    /// A flush: what was accepted before it is answered after it.
    pub(super) fn flush(&self, flush: impl FnOnce() -> Result<(), Error>) {
        let (asked, before) = {
            let mut pages = self.pages.lock().unwrap();
            pages.open_flushes += 1;
            (self.clock.elapsed(), pages.accepted.len())
        };
        let outcome = flush();
        let mut pages = self.pages.lock().unwrap();
        pages.open_flushes -= 1;
        if outcome.is_ok() {
            let is_open = |number: &&usize| !pages.begun[**number].is_done();
            let forgotten = pages.accepted[..before].iter().filter(is_open).count();
            let finished = Some(self.clock.elapsed());
            pages.flushes.push(ObservedFlush { asked, finished, forgotten });
        }
    }

    /// The record that was accepted last.
    pub(super) fn last(&self) -> Option<RecordFuture> {
        let pages = self.pages.lock().unwrap();
        pages.begun[*pages.accepted.last()?].future.clone()
    }

    /// Looks whether those that should have their outcome by now do.
    pub(super) fn watch(&self) {
        let (now, within) = (self.clock.elapsed(), *self.within.lock().unwrap());
        let mut pages = self.pages.lock().unwrap();
        while let Some(number) = pages.watched.front().copied() {
            if now <= pages.begun[number].record.at.saturating_add(within) {
                break;
            }
            pages.watched.pop_front();
            pages.begun[number].record.is_late = !pages.begun[number].is_done();
        }
    }

    /// How many records were accepted and refused so far.
    pub(super) fn counts(&self) -> LedgerCounts {
        let pages = self.pages.lock().unwrap();
        LedgerCounts { accepted: pages.accepted.len(), refused: pages.refused.len() }
    }

    /// Why one of the records failed that were accepted since then, or came back.
    pub(super) fn failure_since(&self, counts: LedgerCounts) -> Option<String> {
        let pages = self.pages.lock().unwrap();
        let outcomes = pages.accepted[counts.accepted..].iter().map(|number| &pages.begun[*number].record);
        let failed = outcomes.flat_map(|record| &record.told).find_map(|told| match &told.outcome {
            RecordOutcome::Failed { text, .. } => Some(text.clone()),
            RecordOutcome::Acknowledged { .. } => None,
        });
        failed.or_else(|| {
            pages.refused[counts.refused..]
                .iter()
                .find(|it| it.kind != ErrorKind::Interrupted)
                .map(|it| it.text.clone())
        })
    }

    /// Grows with everything that comes forward.
    pub(super) fn progress(&self) -> (usize, usize) {
        let pages = self.pages.lock().unwrap();
        (pages.begun.len(), pages.told + pages.calls.len())
    }

    pub(super) fn is_all_answered(&self) -> bool {
        let mut pages = self.pages.lock().unwrap();
        // From the end: the newest one is answered last, nearly always.
        let Pages { begun, accepted, .. } = &mut *pages;
        accepted.iter().rev().all(|number| begun[*number].is_done())
    }

    /// All that was promised and told.
    pub(super) fn report(&self) -> LedgerReport {
        let pages = self.pages.lock().unwrap();
        let records = pages.accepted.iter().map(|number| {
            let SentRecordPage { record, future, .. } = &pages.begun[*number];
            let future = future.as_ref().and_then(RecordFuture::try_get).map(RecordOutcome::of);
            Accepted { future, ..record.clone() }
        });
        let mut flushes = pages.flushes.clone();
        let open = ObservedFlush { asked: Duration::ZERO, finished: None, forgotten: 0 };
        flushes.extend(std::iter::repeat_n(open, pages.open_flushes));
        LedgerReport {
            records: records.collect(),
            refused: pages.refused.clone(),
            calls: pages.calls.clone(),
            flushes,
            book: self.book.lock().unwrap().clone(),
        }
    }

    /// All that was promised and told until the program crashes; nobody waits for anything of it any more.
    pub(super) fn report_of_crash(&self) -> LedgerReport {
        let mut report = self.report();
        for record in &mut report.records {
            record.is_orphan = record.future.is_none() || (record.has_callback && record.told.is_empty());
        }
        report.flushes.retain(|flush| flush.finished.is_some());
        report
    }
}

impl LedgerReport {
    /// What the program did that began after this one's crash.
    pub(super) fn join(&mut self, mut later: LedgerReport) {
        let before = self.book.transactions.len();
        for record in &mut later.records {
            record.transaction = record.transaction.map(|number| before + number);
        }
        self.records.append(&mut later.records);
        self.refused.append(&mut later.refused);
        self.calls.append(&mut later.calls);
        self.flushes.append(&mut later.flushes);
        self.book.transactions.append(&mut later.book.transactions);
        self.book.failures.append(&mut later.book.failures);
        self.book.completed.append(&mut later.book.completed);
    }
}

impl SentRecordPage {
    fn is_done(&self) -> bool {
        self.future.as_ref().is_none_or(RecordFuture::is_done)
    }
}

/// A program sends fewer.
const MOST_RECORDS: usize = 1_000_000;
