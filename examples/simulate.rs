//! Runs the simulation of this crate from many seeds, or one again with its history: for whoever changes the crate.
//!
//! ```sh
//! cargo run --release --features simulation --example simulate -- --seeds 10000           # seeds 1 to 10,000
//! cargo run --release --features simulation --example simulate -- --first 5000 --seeds 100
//! cargo run --release --features simulation --example simulate -- --seed 17               # one again, with its history
//! cargo run --release --features simulation --example simulate -- --planted               # is each planted defect found?
//! cargo run --release --features simulation --example simulate -- --planted --search      # by which seed first?
//! ```
//! `--without KIND` switches a kind of trouble off, `--only KIND` all but that, `--all` none; `--defect NAME` plants a
//! defect. What runs have beside a producer, each by itself or several together: `--layered` puts a layer around all bytes and a handshake
//! before the requests, `--secured` TLS, SASL or both; `--telemetry` has metrics pushed; `--transactions` has programs with transactions,
//! in some seeds with one or more of all that, and with two-phase commit, which they have in all seeds with `--two-phases`.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kafka_producer::simulation::{
    CutPlaces, Kind, Presence, RunParts, Runs, cut_at_every_byte, defects, parts_for, replay, run_seeds,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut runs = thousand_runs();
    let (mut one, mut planted, mut is_search, mut is_every_byte) = (None, false, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| {
            text.parse::<u64>().map_err(|_| format!("{argument} needs a number, which {text:?} is not"))
        };
        match argument.as_str() {
            "--seed" => one = Some(number(value()?)?),
            "--seeds" => runs.count = number(value()?)?,
            "--first" => runs.first = number(value()?)?,
            "--threads" => runs.threads = usize::try_from(number(value()?)?)?,
            "--enough" => runs.enough = usize::try_from(number(value()?)?)?,
            "--planted" => planted = true,
            "--search" => is_search = true,
            "--every-byte" => is_every_byte = true,
            "--layered" => runs.parts.layers = Presence::Always,
            "--secured" => runs.parts.security = Presence::Always,
            "--transactions" => runs.parts = runs.parts.and(RunParts::TRANSACTIONS),
            "--two-phases" => {
                runs.parts = runs.parts.and(RunParts::TRANSACTIONS);
                runs.parts.two_phases = Presence::Always;
            }
            "--telemetry" => runs.parts.telemetry = Presence::Always,
            "--all" => runs.kinds = Kind::ALL.to_vec(),
            "--only" => runs.kinds = vec![kind(&value()?)?],
            "--without" => {
                let without = kind(&value()?)?;
                runs.kinds.retain(|kind| *kind != without);
            }
            "--defect" => {
                let wanted = value()?;
                let found = defects().find(|(name, _)| *name == wanted);
                runs.defect = Some(found.ok_or(format!("no defect is called {wanted}"))?.0);
            }
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(format!("{other:?} is no argument\n{USAGE}").into()),
        }
    }
    std::panic::set_hook(Box::new(|_| {})); // a panic is told with its seed
    if is_every_byte {
        return cut_everywhere();
    }
    match (one, planted) {
        (Some(seed), _) => replay(seed, &runs).map_err(Into::into),
        (None, true) => find_defects(&runs, is_search),
        (None, false) => simulate(&runs),
    }
}

/// What is run where nothing else is said.
fn thousand_runs() -> Runs {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Runs { count: 1000, threads, ..Runs::default() }
}

const USAGE: &str = "\
usage: simulate [--seeds N] [--first N] [--threads N] [--enough N]   N seeds, from the first on; ends after enough findings
       simulate --seed N                                            one again, with its history
       simulate --every-byte                                        connections that are cut at each byte of their handshakes
       simulate --planted [--search]                                is each planted defect found? by which seed first?
  --without KIND, --only KIND, --all   which kinds of trouble there are
  --layered                            a layer around all bytes, and brokers that want to know who we are
  --secured                            TLS, SASL or both on all connections, and what goes wrong with them
  --transactions                       transactions, and what goes wrong with them; in some seeds with what else is listed here
  --two-phases                         the same, and most commits are of two phases in all seeds
  --telemetry                          metrics are pushed, and what goes wrong with that
  --defect NAME                        with this planted defect";

/// Cuts connections at each byte of their handshakes.
fn cut_everywhere() -> Result<(), Box<dyn Error>> {
    for CutPlaces { what, bytes } in cut_at_every_byte(1)? {
        println!("{what}: cut at each of {bytes} bytes, and nothing was lost");
    }
    Ok(())
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| format!("no kind of trouble is called {name}; there are {:?}", Kind::ALL))
}

fn simulate(runs: &Runs) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let bar = ProgressBar::new(runs.count);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")?);
    bar.enable_steady_tick(Duration::from_millis(500));
    let report = run_seeds(runs, |_| bar.inc(1));
    bar.finish_and_clear();
    println!(
        "{} seeds in {:.1} s: {} records accepted, {} acknowledged, {} refused",
        report.seeds,
        begun.elapsed().as_secs_f64(),
        report.accepted,
        report.acknowledged,
        report.refused,
    );
    println!("{}", report.coverage);
    for found in &report.found {
        println!("seed {}: {}", found.seed, found.what);
    }
    if let Some(first) = report.found.first() {
        println!("\nthe history of seed {}:", first.seed);
        let _ = replay(first.seed, runs);
        return Err(format!("promises were broken in {} seeds", report.found.len()).into());
    }
    let missing = report.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = format!("never reached: {}", missing.join(", "));
    let enough = if runs.parts.security == Presence::Always { 1_000 } else { 10_000 };
    if runs.count >= enough {
        return Err(missing.into());
    }
    println!("{missing}");
    Ok(())
}

/// Plants each defect, and looks for a seed that shows it and shows nothing without it: the one that is recorded, or the
/// first of all.
fn find_defects(runs: &Runs, is_search: bool) -> Result<(), Box<dyn Error>> {
    let mut survivors = Vec::new();
    for (name, about) in defects() {
        let runs = &Runs { parts: runs.parts.and(parts_for(name)), ..runs.clone() };
        let recorded = recorded_seed(name).filter(|_| !is_search);
        let known = recorded.map(|first| Runs { first, count: 1, ..runs.clone() });
        let found = known.into_iter().chain([runs.clone()]).find_map(|runs| shows(name, &runs));
        let stale = recorded.filter(|seed| found.as_ref().is_none_or(|found| found.0 != *seed));
        stale.iter().for_each(|seed| println!("{name}: seed {seed} shows nothing any more"));
        match found {
            Some((seed, what)) => println!("{name} {seed}\n    planted: {about}\n    seen: {what}"),
            None => survivors.push(name),
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {survivors:?}").into()) }
}

/// The first of these seeds that shows the defect, and what it shows.
fn shows(defect: &'static str, runs: &Runs) -> Option<(u64, String)> {
    let report = run_seeds(&Runs { defect: Some(defect), enough: 1, ..runs.clone() }, |_| {});
    let is_sound =
        |seed: u64| run_seeds(&Runs { first: seed, count: 1, ..runs.clone() }, |_| {}).found.is_empty();
    report.found.into_iter().find(|found| is_sound(found.seed)).map(|found| (found.seed, found.what))
}

/// Found before, so that nobody has to search.
fn recorded_seed(defect: &str) -> Option<u64> {
    let mut lines = include_str!("planted_defects.txt").lines();
    lines.find_map(|line| line.strip_prefix(defect)?.trim().parse().ok())
}
