//! Runs the simulation of this crate from many seeds, or one again with its history: for whoever changes the crate.
//!
//! ```sh
//! cargo run --release --features simulation --example simulate -- --seeds 10000           # seeds 1 to 10,000
//! cargo run --release --features simulation --example simulate -- --first 5000 --seeds 100
//! cargo run --release --features simulation --example simulate -- --seed 17               # one again, with its history
//! cargo run --release --features simulation --example simulate -- --planted               # is each planted defect found?
//! ```
//! `--without KIND` switches a kind of trouble off, `--only KIND` all but that, `--all` none; `--defect NAME` plants a
//! defect.

use std::error::Error;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kafka_producer::simulation::{Kind, Runs, defects, replay, run_seeds};

fn main() -> Result<(), Box<dyn Error>> {
    let mut runs = Runs {
        first: 1,
        count: 1000,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        kinds: Kind::held(),
        defect: None,
        enough: 20,
    };
    let (mut one, mut planted, mut arguments) = (None, false, std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seed" => one = Some(value()?.parse()?),
            "--seeds" => runs.count = value()?.parse()?,
            "--first" => runs.first = value()?.parse()?,
            "--threads" => runs.threads = value()?.parse()?,
            "--enough" => runs.enough = value()?.parse()?,
            "--planted" => planted = true,
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
            other => {
                eprintln!("{USAGE}");
                return Err(format!("unknown argument {other}").into());
            }
        }
    }
    std::panic::set_hook(Box::new(|_| {})); // a panic is told with its seed
    match (one, planted) {
        (Some(seed), _) => replay(seed, &runs.kinds, runs.defect).map_err(Into::into),
        (None, true) => find_defects(&runs),
        (None, false) => simulate(&runs),
    }
}

const USAGE: &str = "\
usage: simulate [--seeds N] [--first N] [--threads N] [--enough N]   N seeds, from the first on; ends after enough findings
       simulate --seed N                                            one again, with its history
       simulate --planted                                           is each planted defect found?
  --without KIND, --only KIND, --all   which kinds of trouble there are
  --defect NAME                        with this planted defect";

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
        let _ = replay(first.seed, &runs.kinds, runs.defect);
        return Err(format!("promises were broken in {} seeds", report.found.len()).into());
    }
    let missing = report.coverage.missing();
    if runs.count >= 10_000 && !missing.is_empty() {
        return Err(format!("never reached: {}", missing.join(", ")).into());
    }
    Ok(())
}

/// Plants each defect, and looks for a seed that shows it and shows nothing without it.
fn find_defects(runs: &Runs) -> Result<(), Box<dyn Error>> {
    let mut survivors = Vec::new();
    for (name, about) in defects() {
        let begun = Instant::now();
        let report = run_seeds(&Runs { defect: Some(name), enough: 1, ..runs.clone() }, |_| {});
        let shows_nothing =
            |seed: u64| run_seeds(&Runs { first: seed, count: 1, ..runs.clone() }, |_| {}).found.is_empty();
        let found = report.found.iter().find(|found| shows_nothing(found.seed));
        let text =
            found.map_or("NOT FOUND".to_owned(), |found| format!("seed {}: {}", found.seed, found.what));
        println!("{name} ({about}): {:.1} s, {text}", begun.elapsed().as_secs_f64());
        if found.is_none() {
            survivors.push(name);
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {survivors:?}").into()) }
}
