//! Recorded: the figures in `instructions.txt`.
//!
//! A line is a name, two spaces or more, and a figure; what begins with `#` is for readers.

use std::process::Command;

use kafka_producer_benchmarks::Failure;

use crate::scenarios::SCENARIOS;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const COMPILER: &str = "# compiled by ";

pub(crate) struct Recorded {
    compiler: String,
    figures: Vec<(String, f64)>,
}

impl Recorded {
    pub(crate) fn read() -> Result<Recorded, Failure> {
        let text = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        let compiler = text.lines().find_map(|line| line.strip_prefix(COMPILER)).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let figures = lines.map(|line| {
            let (name, rest) = line.split_once("  ").ok_or_else(|| format!("{FILE}: {line}"))?;
            let figure = rest.split_whitespace().next().unwrap_or_default();
            Ok((name.to_owned(), figure.parse()?))
        });
        Ok(Recorded { compiler: compiler.to_owned(), figures: figures.collect::<Result<_, Failure>>()? })
    }

    pub(crate) fn write(counted: &[Result<f64, Failure>]) -> Result<(), Failure> {
        let mut text = format!(
            "# Instructions, counted by callgrind. `cargo run --release --bin instructions` compares with them and fails\n\
             # where one has grown by more than 3 %; with `-- --record` it writes this file anew.\n{COMPILER}{}\n",
            compiler()?
        );
        for (scenario, counted) in SCENARIOS.iter().zip(counted) {
            let counted = counted.as_ref().map_err(ToString::to_string)?;
            text += &format!("{:<34}{counted:>10.1} per {}\n", scenario.name, scenario.unit);
        }
        print!("{text}");
        Ok(std::fs::write(FILE, text)?)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.figures.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(other, _)| other == name).map(|(_, figure)| *figure)
    }

    /// Another compiler makes other instructions.
    pub(crate) fn say_compiler(&self) -> Result<(), Failure> {
        let compiler = compiler()?;
        if compiler != self.compiler {
            println!("this is {compiler}, the figures were recorded with {}", self.compiler);
        }
        Ok(())
    }
}

fn compiler() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
