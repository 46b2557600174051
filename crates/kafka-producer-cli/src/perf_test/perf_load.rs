//! The sending: so many records, by so many threads, at such a rate, in transactions or without.
//!
//! Owns: which thread sends which record, and which errors end the test. Must not know: flags, output.
//! Threads: one for each of `--threads`, of one producer.
//! Source: `ProducerPerformance.start`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kafka_producer::{Error, ErrorKind, Producer, ProducerRecord};

use super::early_end::EarlyEnd;
use super::perf_measurements::{PerfMeasurements, RecordStart};
use super::record_payloads::RecordPayloads;
use super::shared_transaction::SharedTransaction;
use super::throughput_throttler::{ThrottlePause, ThroughputThrottler};
use crate::complaint::in_words;

/// What is to be sent.
pub(super) struct PerfLoad {
    pub(super) topic: String,
    pub(super) records: u64,
    pub(super) payloads: RecordPayloads,
    /// Records per second, of all threads; negative: as fast as it goes.
    pub(super) throughput: f64,
    pub(super) threads: u32,
    /// The first records, which the steady state does not count; 0: there is no steady state.
    pub(super) warmup_records: u64,
    /// How long a transaction takes; `None`: no transactions.
    pub(super) transaction: Option<Duration>,
}

impl PerfLoad {
    /// Sends all of it, until it is sent or the test shall end. Records may still be on their way then.
    ///
    /// # Errors
    /// What made sending impossible.
    pub(super) fn run<P>(
        &self,
        producer: &P,
        measurements: &'static PerfMeasurements,
        ending: &EarlyEnd,
    ) -> Result<(), Error>
    where
        P: Producer<[u8], [u8]> + Sync,
    {
        let run = LoadRun {
            load: self,
            producer,
            measurements,
            ending,
            transaction: self.transaction.map(|time| SharedTransaction::new(producer, time)),
            any_accepted: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        };
        let outcome = thread::scope(|scope| {
            let run = &run;
            let (mut threads, mut outcome) = (Vec::new(), Ok(()));
            for number in 0..u64::from(self.threads) {
                let of_thread = move || run.of_thread(number).inspect_err(|_| run.give_up());
                match thread::Builder::new().spawn_scoped(scope, of_thread) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        run.give_up();
                        outcome = Err(no_thread(number, self.threads, &error));
                        break;
                    }
                }
            }
            for thread in threads {
                outcome = outcome.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            outcome
        });
        match &run.transaction {
            Some(transaction) => transaction.end(outcome, ending),
            None => outcome,
        }
    }
}

fn no_thread(started: u64, of: u32, error: &io::Error) -> Error {
    let error = in_words(error);
    let text = format!(
        "--threads {of}: the system gives {started}, and no more ({error}): expected fewer, or higher limits (ulimit -a)"
    );
    Error::new(ErrorKind::IllegalState, text)
}

/// A load on its way, as its threads see it.
struct LoadRun<'a, P> {
    load: &'a PerfLoad,
    producer: &'a P,
    measurements: &'static PerfMeasurements,
    ending: &'a EarlyEnd,
    transaction: Option<SharedTransaction<'a, P>>,
    any_accepted: AtomicBool,
    /// By one thread, for all.
    given_up: AtomicBool,
}

impl<P: Producer<[u8], [u8]> + Sync> LoadRun<'_, P> {
    /// Sends the records of this thread: as many as each of the others, in turn.
    fn of_thread(&self, thread: u64) -> Result<(), Error> {
        self.ending.enrol();
        match self.send_all_of(thread) {
            // Only who wants the test to end does so.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            outcome => outcome,
        }
    }

    fn send_all_of(&self, thread: u64) -> Result<(), Error> {
        let load = self.load;
        let mut throttler = ThroughputThrottler::new(load.throughput / f64::from(load.threads));
        let mut payloads = load.payloads.choice(thread);
        let mut steady = false;
        let begun = self.measurements.now();
        let numbers = (thread..load.records).step_by(load.threads.max(1) as usize);
        for (sent, number) in (0..).zip(numbers) {
            if self.ending.is_asked() || self.given_up.load(Ordering::Relaxed) {
                return Ok(());
            }
            let payload = payloads.of_record(number);
            let becomes_steady = !steady && load.warmup_records > 0 && number >= load.warmup_records;
            steady |= becomes_steady;
            let record = self.measurements.sending(payload.len(), steady);
            if becomes_steady {
                self.measurements.begin_steady_state(record);
            }
            self.send(payload, record)?;
            match throttler.pause(sent, record.sent().saturating_sub(begun)) {
                ThrottlePause::None => {}
                ThrottlePause::For(time) => self.ending.sleep(time),
                ThrottlePause::ForEver => self.ending.sleep(Duration::MAX),
            }
        }
        Ok(())
    }

    fn send(&self, payload: &[u8], record: RecordStart) -> Result<(), Error> {
        match &self.transaction {
            None => self.send_alone(payload, record),
            Some(transaction) => transaction.within(record.sent(), || self.send_alone(payload, record)),
        }
    }

    fn send_alone(&self, payload: &[u8], record: RecordStart) -> Result<(), Error> {
        let measurements = self.measurements;
        let sent = self.producer.send_with_callback(
            ProducerRecord::new(self.load.topic.as_str(), payload),
            move |outcome| {
                measurements.outcome(record, outcome);
            },
        );
        match sent {
            Ok(_) => {
                if !self.any_accepted.load(Ordering::Relaxed) {
                    self.any_accepted.store(true, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(error) if self.ends_the_test(&error) => Err(error),
            Err(error) => {
                measurements.failed(&error);
                Ok(())
            }
        }
    }

    /// Whether no other record will fare better. Where nothing has been accepted yet, that is likely of all that has to do with
    /// more than the record.
    fn ends_the_test(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Interrupted | ErrorKind::Closed => true,
            _ if error.is_fatal() || error.requires_abort() => true,
            ErrorKind::RecordTooLarge | ErrorKind::InvalidRecord => false,
            _ => !self.any_accepted.load(Ordering::Relaxed),
        }
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use kafka_producer::{ByteArraySerializer, MockProducer};

    use super::*;

    type Mock = MockProducer<[u8], [u8]>;

    fn mock(auto_complete: bool) -> Mock {
        MockProducer::builder(ByteArraySerializer, ByteArraySerializer).auto_complete(auto_complete).build()
    }

    fn load(records: u64) -> PerfLoad {
        PerfLoad {
            topic: "Hello-Kafka".to_owned(),
            records,
            payloads: RecordPayloads::Monotonic,
            throughput: -1.0,
            threads: 1,
            warmup_records: 0,
            transaction: None,
        }
    }

    fn measurements() -> &'static PerfMeasurements {
        Box::leak(Box::new(PerfMeasurements::new(Duration::from_secs(5), false, |_| {})))
    }

    fn numbers_sent(producer: &Mock) -> Vec<u32> {
        let number = |value: Option<&[u8]>| std::str::from_utf8(value?).ok()?.parse().ok();
        let sent = producer.history();
        sent.iter().filter_map(|record| number(record.value())).collect()
    }

    /// `testNumberOfCallsForSendAndClose`, `testNumberOfSuccessfulSendAndClose`.
    #[test]
    fn every_record_is_sent_once_and_counted() -> Result<(), Error> {
        let (producer, measurements) = (mock(true), measurements());
        load(10).run(&producer, measurements, &EarlyEnd::default())?;
        assert_eq!(numbers_sent(&producer), (0..10).collect::<Vec<_>>());
        assert_eq!(measurements.results().all.records, 10);
        Ok(())
    }

    #[test]
    fn threads_share_the_records() -> Result<(), Error> {
        let (producer, measurements) = (mock(true), measurements());
        PerfLoad { threads: 3, warmup_records: 40, ..load(100) }.run(
            &producer,
            measurements,
            &EarlyEnd::default(),
        )?;
        let mut sent = numbers_sent(&producer);
        sent.sort_unstable();
        assert_eq!(sent, (0..100).collect::<Vec<_>>());
        let results = measurements.results();
        assert_eq!((results.all.records, results.steady.map(|steady| steady.records)), (100, Some(60)));
        Ok(())
    }

    /// `testEnableTransaction`.
    #[test]
    fn a_short_test_is_one_transaction() -> Result<(), Error> {
        let producer = mock(true);
        producer.init_transactions()?;
        let load = PerfLoad { transaction: Some(Duration::from_secs(3)), ..load(5) };
        load.run(&producer, measurements(), &EarlyEnd::default())?;
        assert_eq!((producer.commit_count(), producer.transaction_in_flight()), (1, false));
        assert_eq!(numbers_sent(&producer).len(), 5);
        Ok(())
    }

    #[test]
    fn a_transaction_that_is_old_enough_is_committed_and_another_one_begins() -> Result<(), Error> {
        let producer = mock(true);
        producer.init_transactions()?;
        let load = PerfLoad { transaction: Some(Duration::ZERO), threads: 2, ..load(6) };
        load.run(&producer, measurements(), &EarlyEnd::default())?;
        assert!((2..=6).contains(&producer.commit_count()), "{}", producer.commit_count());
        assert_eq!((producer.transaction_in_flight(), numbers_sent(&producer).len()), (false, 6));
        Ok(())
    }

    #[test]
    fn what_makes_sending_impossible_ends_the_test() {
        let producer = mock(true);
        producer.fail_sends_with(Error::new(ErrorKind::UnknownTopicOrPartition, "no such topic"));
        let outcome = load(10).run(&producer, measurements(), &EarlyEnd::default());
        assert_eq!(outcome.map_err(|error| error.to_string()), Err("no such topic".to_owned()));
        assert!(producer.history().is_empty());
    }

    #[test]
    fn a_record_that_is_refused_for_itself_counts_as_failed_and_the_test_goes_on() -> Result<(), Error> {
        let (producer, measurements) = (mock(true), measurements());
        producer.fail_sends_with(Error::new(ErrorKind::RecordTooLarge, "too large"));
        load(10).run(&producer, measurements, &EarlyEnd::default())?;
        assert_eq!(measurements.so_far(), (0, 0, 10));
        Ok(())
    }

    #[test]
    fn a_test_that_shall_end_sends_nothing_more_and_commits() -> Result<(), Error> {
        let producer = mock(true);
        producer.init_transactions()?;
        let ending = EarlyEnd::default();
        let asks = ending.clone();
        // Of nothing per second: the first records are sent, and then it waits.
        let load = PerfLoad { throughput: 0.0, transaction: Some(Duration::from_secs(60)), ..load(u64::MAX) };
        let sending = producer.clone();
        let test = thread::spawn(move || load.run(&sending, measurements(), &ending));
        while producer.uncommitted_records().is_empty() {
            thread::yield_now();
        }
        asks.ask();
        test.join().unwrap_or(Ok(()))?;
        assert_eq!((producer.commit_count(), producer.transaction_in_flight()), (1, false));
        Ok(())
    }
}
