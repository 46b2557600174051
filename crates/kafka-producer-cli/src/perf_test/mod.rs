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
mod results_file;
mod shared_transaction;
mod splittable_random;
mod throughput_throttler;
mod timeline;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use kafka_producer::{KafkaProducer, Metrics};

use crate::command_line::of_this_process;
use crate::complaint::{Complaint, exit_status};
use crate::terminal_log;
use early_end::EarlyEnd;
use latency_plot::LatencyPlot;
use perf_flags::PerfFlags;
use perf_measurements::{PerfLine, PerfMeasurements, PerfResults};
use perf_progress::PerfProgress;
use preparation::{OlderNames, Preparation};

type PerfProducer = KafkaProducer<[u8], [u8]>;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.len() < 2 {
        // As Kafka's tool: who asks nothing is told everything.
        let _ = PerfFlags::command().print_help();
        return ExitCode::SUCCESS;
    }
    let flags: PerfFlags = of_this_process();
    if flags.about.print(PerfFlags::command()) {
        return ExitCode::SUCCESS;
    }
    let older_names = OlderNames::among(arguments.iter().map(String::as_str));
    exit_status(PROGRAM, run(&flags, older_names))
}

fn run(flags: &PerfFlags, older_names: OlderNames) -> Result<ExitCode, Complaint> {
    terminal_log::start_log();
    let prepared = Preparation::of(flags, older_names, &print_line)?;
    let ending = EarlyEnd::on_signals()
        .map_err(|error| Complaint::new(format!("Ctrl-C cannot be listened to: {error}")))?;
    let producer = PerfProducer::new(prepared.config)?;
    ending.enrol();
    if prepared.load.transaction.is_some() {
        producer.init_transactions()?;
    }
    if flags.warmup_records > 0 {
        print_line(&format!(
            "Warmup first {} records. Steady state results will print after the complete test summary.",
            flags.warmup_records
        ));
    }
    let test = PerfTest { flags, load: prepared.load, ending };
    test.run(&producer)
}

/// A test that is ready to begin.
struct PerfTest<'f> {
    flags: &'f PerfFlags,
    load: perf_load::PerfLoad,
    ending: EarlyEnd,
}

impl PerfTest<'_> {
    fn run(&self, producer: &PerfProducer) -> Result<ExitCode, Complaint> {
        let mut progress = PerfProgress::of(self.load.records);
        let bar = progress.bar();
        let print = move |line: PerfLine<'_>| match line {
            PerfLine::Window(line) => bar.suspend(|| print_line(line)),
            PerfLine::Failure(error) => terminal_log::print_line(&format!("{PROGRAM}: {error}")),
        };
        let with_timeline = self.flags.json.is_some() || self.flags.plot.is_some();
        let interval = Duration::from_millis(self.flags.reporting_interval.unsigned_abs());
        // Callbacks keep a reference to it, which costs them less than a share in it.
        let measurements: &'static PerfMeasurements =
            Box::leak(Box::new(PerfMeasurements::new(interval, with_timeline, print)));
        progress.follow(measurements);
        let outcome = self.load.run(producer, measurements, &self.ending);
        let (results, metrics) = self.finish(producer, measurements, progress);
        self.write_files(&results, &metrics)?;
        if let Some(failures) = results.failures.summary() {
            terminal_log::print_line(&format!("{PROGRAM}: {failures}"));
        }
        outcome?;
        Ok(match (self.ending.exit_status(), results.failures.records()) {
            (Some(status), _) => ExitCode::from(status),
            (None, 0) => ExitCode::SUCCESS,
            (None, _) => ExitCode::FAILURE,
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
            terminal_log::print_line(&format!(
                "{PROGRAM}: ending early; waiting for {} records on their way, which another signal gives up",
                producer.in_flight()
            ));
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
        terminal_log::print_line(&format!(
            "{PROGRAM}: {given_up} records given up, which may have been written"
        ));
        let _ = producer.close_timeout(Duration::ZERO);
    }

    fn write_files(&self, results: &PerfResults, metrics: &Metrics) -> Result<(), Complaint> {
        if let Some(path) = &self.flags.json {
            write(path, &results_file::text(&self.load, results, metrics, self.ending.is_asked()))?;
        }
        let Some(path) = &self.flags.plot else { return Ok(()) };
        let plot = LatencyPlot {
            topic: &self.load.topic,
            summary: &results.all,
            points: &results.timeline,
            steady_from_seconds: results.steady.as_ref().map(|steady| results.all.seconds - steady.seconds),
        };
        let svg =
            plot.svg().map_err(|error| Complaint::new(format!("{}: not drawn: {error}", path.display())))?;
        write(path, &svg)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Complaint> {
    fs::write(path, text).map_err(|error| Complaint::of_file(path.display(), &error))
}

fn print_line(line: &str) {
    print_text(&format!("{line}\n"));
}

/// A reader that has gone away has what it wants.
fn print_text(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

const PROGRAM: &str = "kafka-producer-perf-test";
