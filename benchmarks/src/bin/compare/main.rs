//! compare: runs each case by each contestant in turn, several rounds, and prints the medians beside the bars.
//!
//! It ends with status 1 if a client lost a record or failed, or if a bar is missed. Nothing is judged with `--quick`.

mod broker_process;
mod case;
mod case_table;
mod chart;
mod compare_options;
mod figures;
mod payload_kinds;
mod programs;
mod results;
mod run;
mod system_calls;
mod table;
mod tls;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::work::Mode;

use crate::case::{BrokerKind, Case, Contestant, Program};
use crate::case_table::CASES;
use crate::compare_options::{Options, USAGE};
use crate::figures::Measured;
use crate::payload_kinds::PayloadFiles;
use crate::results::Results;
use crate::run::{Runner, there_is};
use crate::tls::SinkIdentity;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = Options::read(std::env::args().skip(1))?;
    if options.help {
        println!("{USAGE}");
        return Ok(());
    }
    if options.list {
        options.cases().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    let mut bench = Bench::new(options)?;
    if bench.options.check {
        bench.check()?;
        println!("each record arrived whole, on the partition of its key");
        return Ok(());
    }
    let how = match &bench.options.from {
        Some(file) => {
            let read = std::fs::read_to_string(file).map_err(|error| of(file, &error))?;
            bench.measured.read(&read).map_err(|error| of(file, &*error))?
        }
        None => bench.measure()?,
    };
    let (judged, failed) = (!bench.options.quick, bench.failures.len());
    let results = Results { measured: &bench.measured, how, judged, failed };
    let text = results.to_string();
    println!("\n{text}");
    if let Some(file) = &bench.options.markdown {
        std::fs::write(file, &text).map_err(|error| of(file, &error))?;
    }
    if let Some(file) = &bench.options.chart {
        chart::draw(&bench.measured, file)?;
    }
    let missed: Vec<_> = bench.measured.judged().into_iter().filter(|judged| !judged.is_met()).collect();
    for judged in missed.iter().filter(|_| !bench.options.quick) {
        println!("{judged}");
    }
    match (bench.failures.is_empty(), missed.is_empty() || bench.options.quick) {
        (false, _) => Err(bench.failures.join("\n").into()),
        (true, false) => Err(format!("{} bars are missed", missed.len()).into()),
        (true, true) => Ok(()),
    }
}

/// A failure with the name of its file.
fn of(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    format!("{}: {error}", file.display()).into()
}

/// All that is measured, and with what.
struct Bench {
    options: Options,
    runner: Runner,
    files: PayloadFiles,
    measured: Measured,
    /// Programs with their versions.
    versions: BTreeSet<String>,
    failures: Vec<String>,
    log: Option<File>,
}

impl Bench {
    fn new(options: Options) -> Result<Self, Failure> {
        let identity = SinkIdentity::make()?;
        let files = PayloadFiles::in_folder(identity.folder());
        if options.real_time && !there_is("chrt") {
            return Err("--real-time needs chrt (util-linux)".into());
        }
        let create = |file| File::create(file).map_err(|error| of(file, &error));
        let log = options.save.as_deref().map(create).transpose()?;
        let runner = Runner { identity, real_time: options.real_time, kafka: None };
        let (measured, versions, failures) = (Measured::default(), BTreeSet::new(), Vec::new());
        Ok(Bench { options, runner, files, measured, versions, failures, log })
    }

    /// Each case by all its contestants in turn, several rounds; how that was done.
    fn measure(&mut self) -> Result<Vec<String>, Failure> {
        for case in self.options.cases() {
            if case.mode == Mode::Idle && !there_is("strace") {
                println!("{}: NOT MEASURED: strace is not there", case.name);
                continue;
            }
            let missing = ["java", "kcat"].into_iter().find(|program| !there_is(program));
            if let Some(program) = missing.filter(|_| case.broker == BrokerKind::Kafka) {
                println!("{}: NOT MEASURED: {program} is not there", case.name);
                continue;
            }
            if case.broker == BrokerKind::Kafka && !self.runner.has_kafka() {
                self.warm_up_kafka(case);
            }
            for round in 1..=self.options.rounds_of(case) {
                for who in self.options.contestants(case) {
                    if let Err(error) = self.measure_one(case, who) {
                        self.failed(format!("{}, round {round}, {who}: FAILED: {error}", case.name));
                    }
                }
            }
            if let Some(measured) = self.measured.case(case.name) {
                println!("{}", results::short(measured));
            }
        }
        let how = self.how();
        if let Some(log) = &mut self.log {
            how.iter().try_for_each(|line| writeln!(log, "# {line}"))?;
        }
        Ok(how)
    }

    /// A broker that has just started is slow until its compilers are done: each client sends, and nothing is written down.
    fn warm_up_kafka(&mut self, case: &'static Case) {
        for who in self.options.contestants(case) {
            let work = self.options.work(case, who);
            let values = self.files.of(case.values);
            if let Err(error) = values.and_then(|values| self.runner.run(case, who, work, &values)) {
                self.failed(format!("{}, warming up, {who}: FAILED: {error}", case.name));
            }
        }
    }

    fn failed(&mut self, failure: String) {
        println!("{failure}");
        self.failures.push(failure);
    }

    fn measure_one(&mut self, case: &'static Case, who: Contestant) -> Result<(), Failure> {
        let work = self.options.work(case, who);
        let values = self.files.of(case.values)?;
        let report = if who.program == Program::Echo {
            let report = self.runner.echo(case, &work, ECHOED)?;
            figures::of_run(case, &run::Run { client: report, sink: Default::default() }, values.mean)?
        } else {
            let run = self.runner.run(case, who, work, &values)?;
            self.versions.insert(format!("{} {}", who.program, run.client.get::<String>("version")?));
            figures::of_run(case, &run, values.mean)?
        };
        if let Some(log) = &mut self.log {
            writeln!(log, "{}", Measured::line(case, who, &report))?;
        }
        self.measured.add(case, who, &report);
        Ok(())
    }

    /// Has each program send to a sink that reads every record: what is measured is only counted.
    fn check(&mut self) -> Result<(), Failure> {
        let checked = ["100B-16KiB", "100B-16KiB-keyed-100", "100B-1MiB-idempotent", "1KiB-1MiB-tls"];
        let mut sent = false;
        for case in CASES.iter().filter(|case| checked.contains(&case.name)) {
            for who in self.options.contestants(case).into_iter().filter(|who| who.program != Program::Floor)
            {
                let (work, values) = (self.options.work(case, who), self.files.of(case.values)?);
                let verified = self.runner.verify(case, who, &work, &values);
                verified.map_err(|error| format!("{who} in {}: {error}", case.name))?;
                sent = true;
            }
        }
        if sent { Ok(()) } else { Err("--check: none of these clients sends what can be checked".into()) }
    }

    /// How it is measured, for whoever reads the results.
    fn how(&self) -> Vec<String> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (kernel, cpus) = (read("/proc/sys/kernel/osrelease"), read("/proc/cpuinfo"));
        let model = cpus.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": ")).map_or("unknown CPU", |(_, model)| model);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let args: Vec<_> = std::env::args().skip(1).collect();
        let versions: Vec<&str> = self.versions.iter().map(String::as_str).collect();
        let rounds = match self.options.rounds() {
            1 => "one round".to_owned(),
            many => format!("medians of {many} rounds"),
        };
        vec![
            format!(
                "`cargo run --release -- {}` in `benchmarks`; README.md there says what is measured.",
                args.join(" ")
            ),
            format!(
                "{cores} processors, {model}, Linux {}; {rounds}. {}",
                kernel.trim(),
                versions.join(", ")
            ),
        ]
    }
}

/// The bytes of ours' Produce requests and their answers, of one record of 100 bytes.
const ECHOED: (u64, u64) = (263, 61);
