//! The work that a client is given on its command line, in words that all clients read, whatever they are written in.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Failure;

/// The topic of the sink.
pub const TOPIC: &str = "bench";

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each thread sends as fast as `send` takes it, for as long as the work says; then all is flushed.
    Throughput,
    /// Each thread sends one record, waits until it is acknowledged, sends the next.
    Latency,
    /// Each thread sends so many records in a transaction, commits it, begins the next.
    Transactions,
    /// Start a producer, have it ask for the topic's partitions, close it; again and again.
    Connect,
    /// Start a producer and send one record: the time to its acknowledgement.
    Cold,
    /// Send something, and then nothing.
    Idle,
    /// Send to a broker that never answers, until the buffer is full and long after.
    Memory,
}

/// How the outcome of each record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Nobody asks: fire and forget.
    Nobody,
    /// A callback for each record.
    Callback,
    /// The future of each record is kept, and asked when 65,536 more were sent.
    Future,
}

const MODES: [(Mode, &str); 7] = [
    (Mode::Throughput, "throughput"),
    (Mode::Latency, "latency"),
    (Mode::Transactions, "transactions"),
    (Mode::Connect, "connect"),
    (Mode::Cold, "cold"),
    (Mode::Idle, "idle"),
    (Mode::Memory, "memory"),
];

const ASKS: [(Ask, &str); 3] =
    [(Ask::Nobody, "nobody"), (Ask::Callback, "callback"), (Ask::Future, "future")];

fn word<T: Copy + PartialEq>(words: &[(T, &'static str)], value: T) -> &'static str {
    words.iter().find(|(known, _)| *known == value).map_or("", |(_, word)| word)
}

fn value<T: Copy>(words: &[(T, &'static str)], text: &str) -> Result<T, Failure> {
    let found = words.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        format!("\"{text}\" is none of {}", words.join(", ")).into()
    })
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&MODES, *self))
    }
}

impl FromStr for Mode {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        value(&MODES, text)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&ASKS, *self))
    }
}

impl FromStr for Ask {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        value(&ASKS, text)
    }
}

/// A client's command line: `NAME=VALUE …`, and behind `--` more properties for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What is measured.
    pub mode: Mode,
    /// `bootstrap.servers`.
    pub address: String,
    /// Where the records go.
    pub topic: String,
    /// The file with the values (payloads.rs).
    pub payloads: PathBuf,
    /// How many different keys there are; 0 for records without keys.
    pub keys: usize,
    /// `batch.size`.
    pub batch_size: usize,
    /// How many threads send.
    pub threads: usize,
    /// How the outcomes are asked for; all but ours are told each of them by a callback.
    pub ask: Ask,
    /// `compression.type`.
    pub codec: String,
    /// `enable.idempotence`.
    pub idempotent: bool,
    /// How many records are in a transaction, where there are transactions; its id is the topic's name.
    pub transaction: u64,
    /// How long records are sent before the clock starts.
    pub warm_up: Duration,
    /// For how long they are sent while it runs.
    pub window: Duration,
    /// How many producers are started, where that is what is measured.
    pub rounds: u64,
    /// More properties for the client, after the fixed ones.
    pub properties: Vec<(String, String)>,
}

impl Default for Work {
    fn default() -> Self {
        Work {
            mode: Mode::Throughput,
            address: String::new(),
            topic: TOPIC.to_owned(),
            payloads: PathBuf::new(),
            keys: 0,
            batch_size: 16 << 10,
            threads: 1,
            ask: Ask::Callback,
            codec: "none".to_owned(),
            idempotent: false,
            transaction: 0,
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
            rounds: 0,
            properties: Vec::new(),
        }
    }
}

impl Work {
    /// `linger.ms` of the peers, in milliseconds: 0 where single records are waited for, since there it would wait in vain.
    pub fn linger_of_peers(&self) -> u64 {
        if matches!(self.mode, Mode::Latency | Mode::Cold) { 0 } else { 5 }
    }

    /// Reads this process's command line.
    pub fn from_args() -> Result<Self, Failure> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut work = Work::default();
        for word in args.by_ref().take_while(|word| word != "--") {
            let (name, value) = pair(&word)?;
            match name.as_str() {
                "mode" => work.mode = value.parse()?,
                "address" => work.address = value,
                "topic" => work.topic = value,
                "payloads" => work.payloads = value.into(),
                "keys" => work.keys = value.parse()?,
                "batch_size" => work.batch_size = value.parse()?,
                "threads" => work.threads = value.parse()?,
                "ask" => work.ask = value.parse()?,
                "codec" => work.codec = value,
                "idempotent" => work.idempotent = value.parse()?,
                "transaction" => work.transaction = value.parse()?,
                "warm_up_ms" => work.warm_up = Duration::from_millis(value.parse()?),
                "window_ms" => work.window = Duration::from_millis(value.parse()?),
                "rounds" => work.rounds = value.parse()?,
                _ => return Err(format!("no work has a \"{name}\"").into()),
            }
        }
        work.properties = args.map(|word| pair(&word)).collect::<Result<_, _>>()?;
        Ok(work)
    }

    /// The arguments that [`Work::from_args`] reads as this work.
    pub fn to_args(&self) -> Vec<String> {
        let mut words = vec![
            format!("mode={}", self.mode),
            format!("address={}", self.address),
            format!("topic={}", self.topic),
            format!("payloads={}", self.payloads.display()),
            format!("keys={}", self.keys),
            format!("batch_size={}", self.batch_size),
            format!("threads={}", self.threads),
            format!("ask={}", self.ask),
            format!("codec={}", self.codec),
            format!("idempotent={}", self.idempotent),
            format!("transaction={}", self.transaction),
            format!("warm_up_ms={}", self.warm_up.as_millis()),
            format!("window_ms={}", self.window.as_millis()),
            format!("rounds={}", self.rounds),
            "--".to_owned(),
        ];
        words.extend(self.properties.iter().map(|(name, value)| format!("{name}={value}")));
        words
    }
}

fn pair(word: &str) -> Result<(String, String), Failure> {
    let (name, value) = word.split_once('=').ok_or_else(|| format!("\"{word}\" is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_as_it_was_written() -> Result<(), Failure> {
        let work = Work {
            mode: Mode::Latency,
            address: "127.0.0.1:9".to_owned(),
            payloads: "values".into(),
            keys: 10,
            threads: 4,
            ask: Ask::Future,
            codec: "lz4".to_owned(),
            idempotent: true,
            transaction: 100,
            warm_up: Duration::from_millis(1),
            window: Duration::from_millis(2),
            rounds: 3,
            properties: vec![("linger.ms".to_owned(), "1".to_owned())],
            ..Work::default()
        };
        assert_eq!(Work::parse(work.to_args().into_iter())?, work);
        for wrong in ["mode=rate", "ask=me", "speed=1", "latency", "keys=many"] {
            assert!(Work::parse([wrong.to_owned()].into_iter()).is_err(), "{wrong}");
        }
        Ok(())
    }
}
