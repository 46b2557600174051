//! compare: runs each case by each client in turn, several rounds, and prints the medians beside the bars.
//!
//! It ends with status 1 if a client lost a record or failed, or if a bar is missed. Nothing is judged with `--quick`.

mod case;
mod results;
mod run;
mod table;

use std::io::Write;

use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::work::Work;

use crate::case::{CASES, Case, ROUND_TRIP};
use crate::results::{Results, RoundTrips, Throughput};
use crate::run::{LIBRDKAFKA, OURS, Run};

const USAGE: &str = "usage: compare [OPTION …]
  --rounds N              how often each client does each case (3)
  --case TEXT             only the cases whose name contains TEXT
  --clients A,B           ours, librdkafka or both (ours,librdkafka)
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
    let text = outcome.to_string();
    println!("\n{text}");
    if let Some(file) = &options.markdown {
        std::fs::write(file, text)?;
    }
    if outcome.missed() { Err("a bar is missed".into()) } else { Ok(()) }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let clients = vec![OURS.to_owned(), LIBRDKAFKA.to_owned()];
    let (filter, properties, markdown) = (String::new(), Vec::new(), None);
    let mut options =
        Options { rounds: 3, filter, clients, properties, markdown, quick: false, check: false };
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
    if let Some(other) = options.clients.iter().find(|client| ![OURS, LIBRDKAFKA].contains(&client.as_str()))
    {
        return Err(format!("no client {other}\n{USAGE}").into());
    }
    Ok(options)
}

/// Runs a client on this work, with the properties given for it.
fn client(name: &str, work: &Work, sink: &[String], options: &Options) -> Result<Run, Failure> {
    let own = options.properties.iter().filter(|(client, _, _)| client == name);
    let properties = own.map(|(_, name, value)| (name.clone(), value.clone())).collect();
    run::run(&format!("client-{name}"), &Work { properties, ..work.clone() }, sink)
}

/// Has each client send to a sink that reads every record: what is measured afterwards is only counted.
/// Returns each client's name with its version and what was set for it.
fn check(options: &Options, records: u64) -> Result<Vec<String>, Failure> {
    let mut clients = Vec::new();
    let keyed = CASES.iter().filter(|case| case.partitions > 1);
    for case in keyed.chain(CASES.iter().filter(|case| case.partitions == 1)).step_by(3) {
        for name in &options.clients {
            let case = Case { records, ..*case };
            let mut sink = sink(case.partitions);
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

fn sink(partitions: usize) -> Vec<String> {
    vec!["--partitions".to_owned(), partitions.to_string()]
}

/// One case by all clients, in turn.
fn measure(case: &Case, options: &Options) -> Result<Throughput, Failure> {
    let mut measured = Throughput::new(case);
    for round in 1..=options.rounds {
        for name in &options.clients {
            progress(case.name, round, name)?;
            measured.add(name, &client(name, &case.work(), &sink(case.partitions), options)?)?;
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
        for name in &options.clients {
            progress(ROUND_TRIP, round, name)?;
            let run = client(name, &work, &sink(1), options)?;
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

fn progress(case: &str, round: usize, client: &str) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{case}: round {round}, {client}")?;
    out.flush()
}
