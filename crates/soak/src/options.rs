//! What is to be run: from a command line, or from a test.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kind::FaultKind;

/// Whose producer is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ours,
    Java,
}

/// What it is set to, and with that what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoakMode {
    Default,
    ShortDelivery,
    Acks1,
}

#[derive(Clone, Debug)]
pub struct SoakOptions {
    pub minutes: f64,
    pub client: Who,
    pub mode: SoakMode,
    pub seed: u64,
    pub version: String,
    /// Only these kinds of faults, to look for one that needs them: all if it is empty.
    pub only: Vec<String>,
    /// More settings of the producer, to see what they do: not to be judged by.
    pub more: Vec<(String, String)>,
}

impl SoakOptions {
    /// Two minutes with a seed from the clock.
    #[allow(clippy::new_without_default, reason = "each has a seed of its own")]
    pub fn new() -> SoakOptions {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        SoakOptions {
            minutes: 2.0,
            client: Who::Ours,
            mode: SoakMode::Default,
            seed: u64::from(now.subsec_nanos()) ^ now.as_secs(),
            version: String::from("4.3.1"),
            only: Vec::new(),
            more: Vec::new(),
        }
    }

    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<SoakOptions, String> {
        let mut options = SoakOptions::new();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
            let wrong = || format!("{name} cannot be {value:?}\n{USAGE}");
            match name.as_str() {
                "--minutes" => options.minutes = value.parse().map_err(|_| wrong())?,
                "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
                "--version" => options.version = value,
                "--client" => options.client = named(&CLIENTS, &value).ok_or_else(wrong)?,
                "--settings" => options.mode = named(&MODES, &value).ok_or_else(wrong)?,
                "--only" => {
                    options.only = value.split(',').map(str::to_owned).collect();
                    if options.only.iter().any(|name| FaultKind::named(name).is_none()) {
                        return Err(format!("{}; the kinds of faults are {:?}", wrong(), FaultKind::all()));
                    }
                }
                "--set" => {
                    let (name, value) = value.split_once('=').ok_or_else(wrong)?;
                    options.more.push((name.to_owned(), value.to_owned()));
                }
                _ => return Err(format!("unknown argument {name:?}\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// The producer's settings beside servers and serializers.
    pub fn properties(&self) -> Vec<(String, String)> {
        let chosen: &[(&str, &str)] = match self.mode {
            SoakMode::Default => &[],
            // Not longer than what it is a part of.
            SoakMode::ShortDelivery => &[("delivery.timeout.ms", "2000"), ("request.timeout.ms", "1000")],
            SoakMode::Acks1 => &[("acks", "1")],
        };
        let chosen = chosen.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        chosen.chain(self.more.iter().cloned()).collect()
    }

    /// Within which every accepted record has its outcome.
    pub fn delivery_timeout_ms(&self) -> i64 {
        let properties = self.properties();
        let set = properties.iter().rfind(|(name, _)| name == "delivery.timeout.ms");
        set.map_or(120_000, |(_, value)| value.parse().unwrap())
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// Where this run's files go.
    pub fn folder(&self) -> PathBuf {
        let (client, mode) = (name_of(&CLIENTS, self.client), name_of(&MODES, self.mode));
        super::names::base_folder(&self.version).join(format!("{client}-{mode}-{}", self.seed))
    }
}

/// As a command that does the same again.
impl fmt::Display for SoakOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, mode) = (name_of(&CLIENTS, self.client), name_of(&MODES, self.mode));
        let SoakOptions { minutes, seed, version, .. } = self;
        write!(
            f,
            "soak --minutes {minutes} --client {client} --settings {mode} --seed {seed} --version {version}"
        )?;
        if !self.only.is_empty() {
            write!(f, " --only {}", self.only.join(","))?;
        }
        self.more.iter().try_for_each(|(name, value)| write!(f, " --set {name}={value}"))
    }
}

fn named<T: Copy>(names: &[(&str, T)], wanted: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

fn name_of<T: Copy + PartialEq>(names: &[(&'static str, T)], wanted: T) -> &'static str {
    names.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| *name)
}

const CLIENTS: [(&str, Who); 2] = [("ours", Who::Ours), ("java", Who::Java)];
const MODES: [(&str, SoakMode); 3] = [
    ("default", SoakMode::Default),
    ("short-delivery", SoakMode::ShortDelivery),
    ("acks-1", SoakMode::Acks1),
];

pub const USAGE: &str =
    "usage: soak [--minutes N] [--client ours|java] [--settings default|short-delivery|acks-1]
            [--seed N] [--version 4.3.1] [--only KIND,...] [--set name=value ...]";
