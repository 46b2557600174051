//! One run: a fresh sink, one client, and what both of them used.
//!
//! Clients run one at a time and are waited for, so what the kernel adds to the resources of this process's children
//! in between is the client's own: its whole life, start and end included.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::report::Report;
use kafka_producer_benchmarks::work::Work;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::java_client;

/// The clients.
pub(crate) const OURS: &str = "ours";
pub(crate) const LIBRDKAFKA: &str = "librdkafka";

/// Over TLS alone.
pub(crate) const JAVA: &str = "java";

/// After this a client is taken for hung.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a client is asked whether it is done; it times its work itself.
const TICK: Duration = Duration::from_millis(20);

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the client printed.
    pub(crate) client: Report,
    /// What the sink counted.
    pub(crate) sink: Report,
    /// User and system time, in seconds.
    pub(crate) client_cpu: f64,
    pub(crate) sink_cpu: f64,
}

/// Has a client do the work against a sink of its own. Fails unless the sink took exactly what the client says to
/// have sent.
pub(crate) fn run(client: &str, work: &Work, sink: &[String]) -> Result<Run, Failure> {
    let mut sink = Sink::start(sink)?;
    let work = Work { address: sink.address.clone(), ..work.clone() };
    let before = children_cpu()?;
    let client_report = finish(client, &work.to_args())?;
    let client_cpu = children_cpu()? - before;
    let counted = sink.report()?;
    let sink_cpu = sink.stop()?;
    let (sent, taken): (u64, u64) = (client_report.get("sent")?, counted.get("records")?);
    let errors: u64 = counted.get("errors")?;
    if sent != taken || errors != 0 {
        let what = format!("{client} sent {sent} records, the sink has {taken} and saw {errors} errors");
        return Err(what.into());
    }
    Ok(Run { client: client_report, sink: counted, client_cpu, sink_cpu })
}

/// Round trips of the given sizes over a bare socket, and the CPU seconds of the asking side.
pub(crate) fn echo(rounds: u64, request: u64, answer: u64) -> Result<(Report, f64), Failure> {
    let (request, answer) = (request.to_string(), answer.to_string());
    let mut sink = Sink::start(&["--echo".to_owned(), request.clone(), answer.clone()])?;
    let before = children_cpu()?;
    let report = finish("client-echo", &[sink.address.clone(), rounds.to_string(), request, answer])?;
    let cpu = children_cpu()? - before;
    sink.stop()?;
    Ok((report, cpu))
}

/// Runs a program to its end; the line that it printed.
fn finish(program: &str, args: &[String]) -> Result<Report, Failure> {
    let mut child = client_command(program)?.args(args).stdout(Stdio::piped()).spawn()?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(format!("{program} {} hangs", args.join(" ")).into());
        }
        thread::sleep(TICK);
    };
    if !status.success() {
        return Err(format!("{program} {}: {status}", args.join(" ")).into());
    }
    let mut text = String::new();
    child.stdout.take().ok_or("no standard output")?.read_to_string(&mut text)?;
    Ok(Report::parse(&text))
}

fn client_command(program: &str) -> Result<Command, Failure> {
    if program == "client-java" { java_client::command() } else { command(program) }
}

/// A program that lies beside this one.
fn command(program: &str) -> Result<Command, Failure> {
    let path: PathBuf = std::env::current_exe()?.with_file_name(program);
    if !path.exists() {
        return Err(format!("{} is not there: build all programs of this package", path.display()).into());
    }
    Ok(Command::new(path))
}

/// The CPU seconds of all children that have ended.
fn children_cpu() -> Result<f64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The sink's process; killed if it is still there at the end.
struct Sink {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: String,
}

impl Sink {
    fn start(args: &[String]) -> Result<Self, Failure> {
        let mut child = command("sink")?.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut sink = Sink { child, lines: BufReader::new(stdout), address: String::new() };
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

    /// Ends it; the CPU seconds that it used.
    fn stop(&mut self) -> Result<f64, Failure> {
        let before = children_cpu()?;
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(children_cpu()? - before) } else { Err(format!("sink: {status}").into()) }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
