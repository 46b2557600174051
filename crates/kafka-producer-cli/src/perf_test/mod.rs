//! `kafka-producer-perf-test`: the order of a test, from the flags to the exit status.
//!
//! Owns: what happens when, and what is printed where. Must not know: how any of it is done.
//! Holds: standard output has Kafka's lines and nothing else; everything else is on standard error.
//! Source: `org.apache.kafka.tools.ProducerPerformance` of Kafka 4.3.

mod early_end;
mod failures;
mod java_format;
mod latency_histogram;
mod latency_plot;
mod perf_load;
mod perf_measurements;
mod printed_metrics;

mod perf_flags;
mod perf_progress;
mod perf_tally;
mod preparation;
mod record_payloads;
mod report_file;
mod results_file;
mod shared_transaction;
mod splittable_random;
mod throughput_throttler;
mod timeline;

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use kafka_producer::{Error, ErrorKind, KafkaProducer, Metrics};

use crate::command_line::of_this_process;
use crate::complaint::{Complaint, exit_status};
use crate::standard_output::{self, described, print_line, print_text};
use crate::terminal_log::{say, start_log};
use early_end::EarlyEnd;
use latency_plot::LatencyPlot;
use perf_flags::PerfFlags;
use perf_measurements::{PerfLine, PerfMeasurements, PerfResults};
use perf_progress::PerfProgress;
use preparation::{OlderNames, Preparation};
use report_file::ReportFile;

type PerfProducer = KafkaProducer<[u8], [u8]>;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.len() < 2 {
        // As Kafka's tool: who asks nothing is told everything.
        return described(PROGRAM, || PerfFlags::command().print_help());
    }
    let flags: PerfFlags = match of_this_process() {
        Ok(flags) => flags,
        Err(status) => return status,
    };
    if let Some(status) = flags.about.print(PerfFlags::command()) {
        return status;
    }
    let older_names = OlderNames::among(arguments.iter().map(String::as_str));
    exit_status(PROGRAM, run(&flags, older_names))
}

fn run(flags: &PerfFlags, older_names: OlderNames) -> Result<ExitCode, Complaint> {
    start_log();
    flags.files().check()?;
    let prepared = Preparation::of(flags, older_names, &print_line)?;
    let json = flags.json.as_deref().map(ReportFile::open).transpose()?;
    let plot = flags.plot.as_deref().map(ReportFile::open).transpose()?;
    let ending = EarlyEnd::on_signals()
        .map_err(|error| Complaint::new(format!("Ctrl-C cannot be listened to: {error}")))?;
    let producer = PerfProducer::new(prepared.config)?;
    ending.enrol();
    if prepared.load.transaction.is_some()
        && let Some(status) = init_transactions(&producer, &ending)?
    {
        return Ok(ExitCode::from(status));
    }
    if flags.warmup_records > 0 {
        print_line(&format!(
            "Warmup first {} records. Steady state results will print after the complete test summary.",
            flags.warmup_records
        ));
    }
    let test = PerfTest { flags, load: prepared.load, ending, json, plot };
    test.run(&producer)
}

/// A test that is ready to begin.
struct PerfTest<'f> {
    flags: &'f PerfFlags,
    load: perf_load::PerfLoad,
    ending: EarlyEnd,
    json: Option<ReportFile>,
    plot: Option<ReportFile>,
}

impl PerfTest<'_> {
    fn run(&self, producer: &PerfProducer) -> Result<ExitCode, Complaint> {
        let mut progress = PerfProgress::of(self.load.records);
        let bar = progress.bar();
        let print = move |line: PerfLine<'_>| match line {
            PerfLine::Window(line) => bar.suspend(|| print_line(line)),
            PerfLine::Failure(error) => say(PROGRAM, error),
        };
        let with_timeline = self.flags.json.is_some() || self.flags.plot.is_some();
        let interval = Duration::from_millis(self.flags.reporting_interval.unsigned_abs());
        // Callbacks keep a reference to it, which costs them less than a share in it.
        let measurements: &'static PerfMeasurements =
            Box::leak(Box::new(PerfMeasurements::new(interval, with_timeline, print)));
        progress.follow(measurements);
        let outcome = self.load.run(producer, measurements, &self.ending);
        let (results, metrics) = self.finish(producer, measurements, progress);
        let written = [self.write_json(&results, &metrics), self.draw_plot(&results)];
        let lost: Vec<Complaint> =
            written.into_iter().filter_map(Result::err).chain(standard_output::lost()).collect();
        for complaint in &lost {
            say(PROGRAM, complaint);
        }
        if let Some(failures) = results.failures.summary() {
            say(PROGRAM, failures);
        }
        match (self.ending.exit_status(), outcome) {
            (Some(_), Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            (_, outcome) => outcome?,
        }
        Ok(match self.ending.exit_status() {
            Some(status) => ExitCode::from(status),
            None if results.failures.records() == 0 && lost.is_empty() => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        })
    }

    /// Waits for what is on its way, and prints the results. Kafka's order: with metrics before the producer is closed, else
    /// after that.
    fn finish(
        &self,
        producer: &PerfProducer,
        measurements: &PerfMeasurements,
        progress: PerfProgress,
    ) -> (PerfResults, Metrics) {
        if self.ending.is_asked() {
            let waiting = producer.in_flight();
            say(
                PROGRAM,
                format_args!(
                    "ending early; waiting for {waiting} records on their way, which another signal gives up"
                ),
            );
        }
        // What goes wrong is told of the records.
        let _ = self.ending.patiently(|| producer.flush());
        let metrics = producer.metrics();
        if !self.flags.print_metrics {
            self.close(producer);
        }
        drop(progress);
        let results = measurements.results();
        print_line(&results.all.line());
        if let Some(steady) = &results.steady {
            print_line(&steady.line());
        }
        if self.flags.print_metrics {
            print_text(&printed_metrics::table(&metrics));
            self.close(producer);
        }
        (results, metrics)
    }

    fn close(&self, producer: &PerfProducer) {
        // What goes wrong is told of the records.
        let _ = self.ending.patiently(|| producer.close());
        if !self.ending.is_urgent() {
            return;
        }
        let given_up = producer.in_flight();
        say(PROGRAM, format_args!("{given_up} records given up, which may have been written"));
        let _ = producer.close_timeout(Duration::ZERO);
    }

    fn write_json(&self, results: &PerfResults, metrics: &Metrics) -> Result<(), Complaint> {
        let Some(file) = &self.json else { return Ok(()) };
        file.write(&results_file::text(&self.load, results, metrics, self.ending.is_asked()))
    }

    fn draw_plot(&self, results: &PerfResults) -> Result<(), Complaint> {
        let Some(file) = &self.plot else { return Ok(()) };
        let plot = LatencyPlot {
            topic: &self.load.topic,
            summary: &results.all,
            points: &results.timeline,
            steady_from_seconds: results.steady.as_ref().map(|steady| results.all.seconds - steady.seconds),
        };
        let svg = plot.svg().map_err(|error| file.complaint(&format!("not drawn: {error}")))?;
        file.write(&svg)
    }
}

/// Makes the producer ready for transactions; the exit status, if a signal ends that.
fn init_transactions(producer: &PerfProducer, ending: &EarlyEnd) -> Result<Option<u8>, Error> {
    // One that came before the thread had enrolled has interrupted nothing.
    let outcome = match ending.exit_status() {
        None => producer.init_transactions(),
        Some(_) => Err(Error::new(ErrorKind::Interrupted, "ended early")),
    };
    match (ending.exit_status(), outcome) {
        (Some(status), Err(error)) if error.kind() == ErrorKind::Interrupted => {
            say(PROGRAM, "interrupted: no transaction could begin yet, and nothing was sent");
            // There is nothing that it could lose.
            let _ = producer.close_timeout(Duration::ZERO);
            Ok(Some(status))
        }
        (_, outcome) => outcome.map(|()| None),
    }
}

const PROGRAM: &str = "kafka-producer-perf-test";
