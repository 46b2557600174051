//! instructions: how many instructions a record, a batch and an answer take, counted by callgrind.
//!
//! What else runs on the machine cannot touch these figures, so a change of a few per cent is seen. They are recorded in
//! `instructions.txt`; the status is 1 if one of them has grown by more than 3 per cent.
//!
//! `instructions` counts and compares; `instructions --record` writes the file anew, which is a decision: commit it
//! with what made the figures grow, and say why. `instructions SCENARIO` is what callgrind runs.

mod broker;
mod recorded;
mod scenarios;

use std::process::{Command, ExitCode};

use kafka_producer_benchmarks::Failure;

use crate::recorded::Recorded;
use crate::scenarios::{SCENARIOS, Scenario};

/// How much more than recorded a figure may be.
const TOLERANCE: f64 = 0.03;

/// Otherwise the C library copies much memory by one instruction, which callgrind counts once for each byte.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=0x40000000:glibc.cpu.x86_rep_stosb_threshold=0x40000000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [] => compare(),
        [record] if record == "--record" => Recorded::write(&count_all()).map(|()| true),
        [name] => run(name).map(|()| true),
        _ => Err("usage: instructions [--record]".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no figure has grown.
fn compare() -> Result<bool, Failure> {
    let recorded = Recorded::read()?;
    let mut sound = recorded.names().eq(SCENARIOS.iter().map(|scenario| scenario.name));
    if !sound {
        println!("instructions.txt has other scenarios than this program: record it anew");
    }
    recorded.say_compiler()?;
    for (scenario, counted) in SCENARIOS.iter().zip(count_all()) {
        let counted = counted?;
        let before = recorded.figure(scenario.name).unwrap_or(f64::NAN);
        let growth = counted / before - 1.0;
        let grown = growth > TOLERANCE;
        sound &= !grown;
        let verdict = if grown { "  GROWN" } else { "" };
        println!(
            "{:<34}{counted:>10.1} per {:<7}{:>+7.2} %{verdict}",
            scenario.name,
            scenario.unit,
            growth * 100.0
        );
    }
    Ok(sound)
}

fn count_all() -> Vec<Result<f64, Failure>> {
    SCENARIOS.iter().map(count).collect()
}

/// Runs a scenario under callgrind: instructions by unit.
fn count(scenario: &Scenario) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*{}*", scenarios::MEASURED))
        .arg(std::env::current_exe()?)
        .arg(scenario.name)
        .env_clear()
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}: {told}", scenario.name).into());
    }
    let units: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    let collected =
        told.lines().find_map(|line| line.split_once("Collected :")).ok_or("callgrind told nothing")?;
    let instructions: f64 = collected.1.trim().parse()?;
    if instructions < units {
        return Err(format!("{}: nothing was counted", scenario.name).into());
    }
    Ok(instructions / units)
}

/// Runs a scenario, and prints how many units of work it was.
fn run(name: &str) -> Result<(), Failure> {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let scenario = scenario.ok_or_else(|| format!("there is no scenario \"{name}\""))?;
    println!("{}", (scenario.run)()?);
    Ok(())
}
