//! compare: runs each case by each client in turn, several rounds, and prints the medians beside the bars.
//!
//! It ends with status 1 if a client lost a record or failed, or if a bar is missed. Nothing is judged with `--quick`.

mod case;
mod figures;
mod java_client;
mod results;
mod run;
mod table;
mod tls;
mod tls_results;

use std::io::Write;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::work::Work;

use crate::case::{CASES, CONNECT, Case, ROUND_TRIP, ROUND_TRIP_TLS};
use crate::figures::{RoundTrips, Throughput};
use crate::results::Results;
use crate::run::{JAVA, LIBRDKAFKA, OURS, Run};
use crate::tls::SinkIdentity;
use crate::tls_results::Connects;

const USAGE: &str = "usage: compare [OPTION …]
  --rounds N              how often each client does each case (3)
  --case TEXT             only the cases whose name contains TEXT
  --clients A,B           some of ours, librdkafka and, where it is over TLS, java (all)
  --set CLIENT NAME=VALUE one more property for one of them
  --markdown FILE         write the tables there too
  --quick                 a fortieth of the records in one round, nothing is judged
  --check                 only see that the sink gets what the clients were given";

/// The records of the check before everything else.
const CHECKED: u64 = 200_000;
const CHECKED_THOROUGHLY: u64 = 1_000_000;

struct Options {
    rounds: usize,
    filter: String,
    clients: Vec<String>,
    /// Client, name and value.
    properties: Vec<(String, String, String)>,
    markdown: Option<String>,
    quick: bool,
    check: bool,
    identity: SinkIdentity,
}

impl Options {
    /// Those that take part in a case.
    fn clients(&self, tls: bool) -> impl Iterator<Item = &String> {
        self.clients.iter().filter(move |name| tls || *name != JAVA)
    }
}

fn main() -> Result<(), Failure> {
    let options = options(std::env::args().skip(1))?;
    let clients = check(&options, if options.check { CHECKED_THOROUGHLY } else { CHECKED })?;
    if options.check {
        println!("each record arrived whole, on the partition of its key");
        return Ok(());
    }
    let mut outcome = Results::new(options.rounds, clients, !options.quick);
    for case in CASES.iter().filter(|case| case.name.contains(&options.filter)) {
        let case = if options.quick { case.quick() } else { *case };
        outcome.throughput(measure(&case, &options)?);
    }
    if ROUND_TRIP.contains(&options.filter) {
        outcome.round_trips(measure_round_trips(&options)?);
    }
    if ROUND_TRIP_TLS.contains(&options.filter) {
        outcome.tls_round_trips(measure_tls_round_trips(&options)?);
    }
    if CONNECT.contains(&options.filter) {
        outcome.connects(measure_connects(&options)?);
    }
    let text = outcome.to_string();
    println!("\n{text}");
    if let Some(file) = &options.markdown {
        std::fs::write(file, text)?;
    }
    if outcome.missed() { Err("a bar is missed".into()) } else { Ok(()) }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options {
        rounds: 3,
        filter: String::new(),
        clients: vec![OURS.to_owned(), LIBRDKAFKA.to_owned(), JAVA.to_owned()],
        properties: Vec::new(),
        markdown: None,
        quick: false,
        check: false,
        identity: SinkIdentity::make()?,
    };
    while let Some(arg) = args.next() {
        let mut next = || args.next().ok_or_else(|| format!("{arg} needs more\n{USAGE}"));
        match arg.as_str() {
            "--rounds" => options.rounds = next()?.parse()?,
            "--case" => options.filter = next()?,
            "--clients" => options.clients = next()?.split(',').map(str::to_owned).collect(),
            "--set" => {
                let (client, pair) = (next()?, next()?);
                let (name, value) = pair.split_once('=').ok_or("--set CLIENT NAME=VALUE")?;
                options.properties.push((client, name.to_owned(), value.to_owned()));
            }
            "--markdown" => options.markdown = Some(next()?),
            "--quick" => (options.quick, options.rounds) = (true, 1),
            "--check" => options.check = true,
            _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
        }
    }
    if let Some(other) =
        options.clients.iter().find(|client| ![OURS, LIBRDKAFKA, JAVA].contains(&client.as_str()))
    {
        return Err(format!("no client {other}\n{USAGE}").into());
    }
    Ok(options)
}

/// Runs a client on this work, with the properties given for it; where the sink speaks TLS, so does the client.
fn client(name: &str, work: &Work, sink: &[String], options: &Options) -> Result<Run, Failure> {
    let own = options.properties.iter().filter(|(client, _, _)| client == name);
    let mut properties: Vec<_> = own.map(|(_, name, value)| (name.clone(), value.clone())).collect();
    if sink.iter().any(|word| word == TLS) {
        properties.extend(options.identity.properties(name));
    }
    run::run(&format!("client-{name}"), &Work { properties, ..work.clone() }, sink)
}

/// Has each client send to a sink that reads every record: what is measured afterwards is only counted.
/// Returns each client's name with its version and what was set for it.
fn check(options: &Options, records: u64) -> Result<Vec<String>, Failure> {
    let mut clients = Vec::new();
    let keyed = CASES.iter().filter(|case| case.partitions > 1);
    for case in keyed.chain(CASES.iter().filter(|case| case.partitions == 1)).step_by(3) {
        for name in options.clients(case.tls) {
            let case = Case { records, ..*case };
            let mut sink = sink(case.partitions, case.tls, options);
            sink.push("--verify".to_owned());
            let run = client(name, &case.work(), &sink, options)?;
            let (sent, keys): (u64, u64) = (run.client.get("sent")?, run.sink.get("keys")?);
            let (values, used): (u64, usize) =
                (run.sink.get("value_bytes")?, run.sink.get("partitions_used")?);
            let keys_expected = if case.partitions > 1 { sent } else { 0 };
            if values != sent * case.value_size as u64 || keys != keys_expected || used != case.partitions {
                return Err(format!("{name} in {}: the sink read {}", case.name, run.sink).into());
            }
            let mut described = format!("{name} {}", run.client.get::<String>("version")?);
            for (_, property, value) in options.properties.iter().filter(|(client, _, _)| client == name) {
                described += &format!(" with {property}={value}");
            }
            if !clients.contains(&described) {
                clients.push(described);
            }
        }
    }
    Ok(clients)
}

fn sink(partitions: usize, tls: bool, options: &Options) -> Vec<String> {
    let mut arguments = vec!["--partitions".to_owned(), partitions.to_string()];
    if tls {
        arguments.extend([TLS.to_owned(), options.identity.folder().display().to_string()]);
    }
    arguments
}

/// What makes the sink speak TLS.
const TLS: &str = "--tls";

/// One case by all clients, in turn.
fn measure(case: &Case, options: &Options) -> Result<Throughput, Failure> {
    let mut measured = Throughput::new(case);
    for round in 1..=options.rounds {
        for name in options.clients(case.tls) {
            progress(case.name, round, name)?;
            let sink = sink(case.partitions, case.tls, options);
            measured.add(name, &client(name, &case.work(), &sink, options)?)?;
        }
    }
    Ok(measured)
}

/// The round trips of all clients, and after them those of a bare socket with messages of the same size.
fn measure_round_trips(options: &Options) -> Result<RoundTrips, Failure> {
    let work = case::round_trips(options.quick);
    let mut measured = RoundTrips::default();
    for round in 1..=options.rounds {
        let mut sizes = None;
        for name in options.clients(false) {
            progress(ROUND_TRIP, round, name)?;
            let run = client(name, &work, &sink(1, false, options), options)?;
            measured.add(name, &run.client, run.client_cpu)?;
            let requests = run.sink.get::<u64>("requests")?;
            let mean = |name| Ok::<u64, Failure>(run.sink.get::<u64>(name)? / requests);
            sizes.get_or_insert((mean("bytes")?, mean("answer_bytes")?));
        }
        if let Some((request, answer)) = sizes {
            progress(ROUND_TRIP, round, "echo")?;
            let (report, cpu) = run::echo(work.records, request, answer)?;
            measured.add("echo", &report, cpu)?;
        }
    }
    Ok(measured)
}

/// The round trips over TLS, ours without as well, in turn.
fn measure_tls_round_trips(options: &Options) -> Result<RoundTrips, Failure> {
    let work = case::round_trips(options.quick);
    let mut measured = RoundTrips::default();
    for round in 1..=options.rounds {
        progress(ROUND_TRIP_TLS, round, "ours, plain")?;
        let run = client(OURS, &work, &sink(1, false, options), options)?;
        measured.add("plain", &run.client, run.client_cpu)?;
        for name in options.clients(true) {
            progress(ROUND_TRIP_TLS, round, name)?;
            let run = client(name, &work, &sink(1, true, options), options)?;
            measured.add(name, &run.client, run.client_cpu)?;
        }
    }
    Ok(measured)
}

/// Producers that are started, connect, and are closed.
fn measure_connects(options: &Options) -> Result<Connects, Failure> {
    let work = case::connects(options.quick);
    let mut measured = Connects::default();
    for round in 1..=options.rounds {
        for tls in [false, true] {
            for name in options.clients(true) {
                progress(CONNECT, round, name)?;
                let run = client(name, &work, &sink(1, tls, options), options)?;
                measured.add(name, tls, work.records, &run)?;
            }
        }
    }
    Ok(measured)
}

fn progress(case: &str, round: usize, client: &str) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{case}: round {round}, {client}")?;
    out.flush()
}
