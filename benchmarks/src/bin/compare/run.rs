//! One run: a fresh sink, or a fresh topic on Apache Kafka, one client, and what both of them saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::{Mode, Work};

use crate::broker_process::BrokerProcess;
use crate::case::{BrokerKind, Case, Contestant, Program};
use crate::payload_kinds::PayloadFile;
use crate::programs;
use crate::system_calls;
use crate::tls::SinkIdentity;

/// After this a client is taken for hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a client is asked whether it is done; it times its work itself.
const TICK: Duration = Duration::from_millis(5);

/// What runs are made with.
pub(crate) struct Runner {
    /// Files that are gone at the end.
    pub(crate) identity: SinkIdentity,
    /// At real-time priority, so that others on the machine do not disturb.
    pub(crate) real_time: bool,
    /// Started when the first case wants it.
    pub(crate) kafka: Option<BrokerProcess>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the client printed.
    pub(crate) client: Report,
    /// What the sink counted.
    pub(crate) sink: Report,
}

/// What panics is a failure of this run, and of no other: the tests' harness, which starts the broker, panics where a test shall.
fn caught<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let caught = panic::catch_unwind(AssertUnwindSafe(run));
    caught.unwrap_or_else(|thrown| match thrown.downcast_ref::<String>() {
        Some(text) => Err(text.as_str().into()),
        None => Err("the harness panicked".into()),
    })
}

impl Runner {
    /// Whether Apache Kafka runs already.
    pub(crate) fn has_kafka(&self) -> bool {
        self.kafka.is_some()
    }

    /// Has a contestant do the work of a case. Fails if a record was lost.
    pub(crate) fn run(
        &mut self,
        case: &Case,
        who: Contestant,
        mut work: Work,
        values: &PayloadFile,
    ) -> Result<Run, Failure> {
        work.payloads.clone_from(&values.path);
        if case.tls {
            work.properties.extend(self.identity.properties(who.program));
        }
        if case.broker == BrokerKind::Kafka {
            return caught(|| self.run_on_kafka(who, work));
        }
        let mut sink = self.sink(case, &[])?;
        work.address.clone_from(&sink.address);
        if who.program == Program::Floor {
            work.properties = vec![("partitions".to_owned(), case.partitions.to_string())];
        }
        let client = self.client(who, &work)?;
        let run = Run { client, sink: sink.report()? };
        sink.stop()?;
        if work.mode != Mode::Memory {
            nothing_is_lost(&run.client, run.sink.get("records")?, run.sink.get("errors")?)?;
        }
        is_compressed(case, &run, values)?;
        Ok(run)
    }

    /// The same with a sink that reads every record.
    pub(crate) fn verify(
        &mut self,
        case: &Case,
        who: Contestant,
        work: &Work,
        values: &PayloadFile,
    ) -> Result<(), Failure> {
        let mut sink = self.sink(case, &["--verify"])?;
        let (address, payloads) = (sink.address.clone(), values.path.clone());
        let mut work = Work { address, payloads, ..work.clone() };
        if case.tls {
            work.properties.extend(self.identity.properties(who.program));
        }
        let client = self.client(who, &work)?;
        let seen = sink.report()?;
        sink.stop()?;
        nothing_is_lost(&client, seen.get("records")?, seen.get("errors")?)?;
        let sent: u64 = client.get("sent")?;
        let keys = if case.keys > 0 { sent } else { 0 };
        let bytes = (sent as f64 * values.mean).round() as u64;
        let as_sent = seen.get::<u64>("keys")? == keys
            && seen.get::<u64>("value_bytes")? == bytes
            && seen.get::<usize>("values")? == values.count
            && seen.get::<usize>("partitions_used")? == case.partitions;
        if as_sent { Ok(()) } else { Err(format!("the sink read {seen} of {sent} records").into()) }
    }

    fn run_on_kafka(&mut self, who: Contestant, mut work: Work) -> Result<Run, Failure> {
        if self.kafka.is_none() {
            self.kafka = Some(BrokerProcess::start(self.real_time)?);
        }
        let broker = self.kafka.as_ref().ok_or("no broker")?;
        work.topic = broker.fresh_topic();
        work.address = broker.address();
        let before = broker.cpu_seconds()?;
        let client = self.client(who, &work)?;
        let cpu = broker.cpu_seconds()? - before;
        // Each transaction has a marker in the log.
        let markers = client.find("transactions").unwrap_or(0.0) as u64;
        let records = broker.records(&work.topic)?.saturating_sub(markers);
        broker.forget(&work.topic)?;
        nothing_is_lost(&client, records, 0)?;
        Ok(Run { client, sink: Report::default().with("records", records).with("cpu", cpu) })
    }

    /// Round trips over a bare socket, of messages as long as ours.
    pub(crate) fn echo(&self, case: &Case, work: &Work, sizes: (u64, u64)) -> Result<Report, Failure> {
        let (request, answer) = (sizes.0.to_string(), sizes.1.to_string());
        let arguments = ["--echo", &request, &answer, "--delay-us", &case.delay_us().to_string()];
        let mut sink = SinkProcess::start(&arguments.map(str::to_owned), self.real_time)?;
        let millis = |time: Duration| time.as_millis().to_string();
        let words = [
            sink.address.clone(),
            request.clone(),
            answer.clone(),
            millis(work.warm_up),
            millis(work.window),
        ];
        let report = finish(self.command(&programs::words(Program::Echo)?).args(words))?;
        sink.stop()?;
        Ok(report)
    }

    fn sink(&self, case: &Case, more: &[&str]) -> Result<SinkProcess, Failure> {
        let mut words = vec!["--partitions".to_owned(), case.partitions.to_string()];
        match case.broker {
            BrokerKind::SilentSink => words.push("--silent".to_owned()),
            BrokerKind::Sink { brokers, delay_us } => {
                words.extend(["--brokers".to_owned(), brokers.to_string()]);
                words.extend(["--delay-us".to_owned(), delay_us.to_string()]);
            }
            BrokerKind::Kafka => {}
        }
        if case.tls {
            words.extend(["--tls".to_owned(), self.identity.folder().display().to_string()]);
        }
        words.extend(more.iter().map(|&word| word.to_owned()));
        SinkProcess::start(&words, self.real_time)
    }

    fn client(&self, who: Contestant, work: &Work) -> Result<Report, Failure> {
        let words = programs::words(who.program)?;
        if work.mode != Mode::Idle {
            return finish(self.command(&words).args(work.to_args()));
        }
        // What is called is written to a file, and counted there.
        let log = self.identity.folder().join("system-calls");
        let mut traced = system_calls::tracer(&log);
        traced.extend(words);
        let report = finish(self.command(&traced).args(work.to_args()).stderr(Stdio::null()))?;
        let calls = system_calls::between_the_words(&std::fs::read_to_string(&log)?)?;
        let seconds: f64 = report.get("seconds")?;
        Ok(report.with("calls", calls as f64 / seconds))
    }

    fn command(&self, words: &[String]) -> Command {
        command(words, self.real_time)
    }
}

fn command(words: &[String], real_time: bool) -> Command {
    // Turns of a tenth of a second where several threads want the same processor.
    let wrapper: &[&str] = if real_time { &["chrt", "--rr", "10"] } else { &[] };
    let mut all = wrapper.iter().copied().chain(words.iter().map(String::as_str));
    let mut command = Command::new(all.next().unwrap_or_default());
    command.args(all);
    command
}

fn nothing_is_lost(client: &Report, taken: u64, errors: u64) -> Result<(), Failure> {
    let sent: u64 = client.get("sent")?;
    let told = client.find("told").map_or(sent, |told| told as u64);
    if sent == taken && sent == told && errors == 0 {
        return Ok(());
    }
    let what = format!("{sent} records sent, {told} acknowledged, {taken} taken with {errors} errors");
    Err(what.into())
}

/// A client that does not compress for this broker would only look fast.
fn is_compressed(case: &Case, run: &Run, values: &PayloadFile) -> Result<(), Failure> {
    if case.codec == "none" {
        return Ok(());
    }
    let (sent, bytes): (f64, f64) = (run.client.get("sent")?, run.sink.get("bytes")?);
    if bytes < sent * values.mean * 0.75 { Ok(()) } else { Err("its records are not compressed".into()) }
}

/// Runs a program to its end; the line that it printed.
fn finish(command: &mut Command) -> Result<Report, Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err("it hangs".into());
        }
        thread::sleep(TICK);
    };
    if !status.success() {
        return Err(format!("{status}").into());
    }
    let mut text = String::new();
    child.stdout.take().ok_or("no standard output")?.read_to_string(&mut text)?;
    Ok(Report::parse(&text))
}

/// The sink's process; killed if it is still there at the end.
struct SinkProcess {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: String,
}

impl SinkProcess {
    fn start(arguments: &[String], real_time: bool) -> Result<Self, Failure> {
        let mut words = vec![programs::sibling("sink")?];
        words.extend_from_slice(arguments);
        let mut child = command(&words, real_time).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut sink = SinkProcess { child, lines: BufReader::new(stdout), address: String::new() };
        sink.address = sink.line()?.get("address")?;
        Ok(sink)
    }

    fn line(&mut self) -> Result<Report, Failure> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(Report::parse(&line))
    }

    /// What it has counted so far.
    fn report(&mut self) -> Result<Report, Failure> {
        self.child.stdin.as_mut().ok_or("no standard input")?.write_all(b"\n")?;
        self.line()
    }

    fn stop(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("sink: {status}").into()) }
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program can be had.
pub(crate) fn there_is(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}
