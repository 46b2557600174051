//! The work that a client is given on its command line, and the records that it sends.
//!
//! Every client sends the same bytes in the same order: the value is one buffer, the keys are a table that is walked
//! round and round, and both exist before the clock starts.

use std::str::FromStr;

use crate::Failure;

/// The only topic there is.
pub const TOPIC: &str = "bench";

/// How many different keys there are.
const KEYS: usize = 10_000;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Send everything as fast as `send` takes it, then flush.
    Throughput,
    /// Send one record, wait until it is acknowledged, send the next.
    Latency,
    /// Start a producer, have it ask for the topic's partitions, close it; again and again.
    Connect,
}

impl FromStr for Mode {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text {
            "throughput" => Ok(Mode::Throughput),
            "latency" => Ok(Mode::Latency),
            "connect" => Ok(Mode::Connect),
            _ => Err(format!("\"{text}\" is none of throughput, latency and connect").into()),
        }
    }
}

/// A client's command line: `MODE ADDRESS RECORDS VALUE_SIZE BATCH_SIZE keyed|keyless [NAME=VALUE …]`.
#[derive(Debug, Clone)]
pub struct Work {
    /// What is measured.
    pub mode: Mode,
    /// The sink's `host:port`.
    pub address: String,
    /// How many records are sent, or producers started.
    pub records: u64,
    /// The bytes of each record's value.
    pub value_size: usize,
    /// `batch.size`.
    pub batch_size: usize,
    /// Whether the records have keys.
    pub keyed: bool,
    /// More properties for the client, after the fixed ones.
    pub properties: Vec<(String, String)>,
}

impl Work {
    /// Reads this process's command line.
    pub fn from_args() -> Result<Self, Failure> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut next = |name: &str| args.next().ok_or_else(|| format!("argument {name} is missing"));
        let mode = next("MODE")?.parse()?;
        let address = next("ADDRESS")?;
        let records = next("RECORDS")?.parse()?;
        let value_size = next("VALUE_SIZE")?.parse()?;
        let batch_size = next("BATCH_SIZE")?.parse()?;
        let keyed = match next("keyed|keyless")?.as_str() {
            "keyed" => true,
            "keyless" => false,
            other => return Err(format!("\"{other}\" is neither keyed nor keyless").into()),
        };
        let pair = |text: String| {
            let (name, value) =
                text.split_once('=').ok_or_else(|| format!("\"{text}\" is not NAME=VALUE"))?;
            Ok::<_, Failure>((name.to_owned(), value.to_owned()))
        };
        let properties = args.map(pair).collect::<Result<_, _>>()?;
        Ok(Work { mode, address, records, value_size, batch_size, keyed, properties })
    }

    /// The arguments that [`Work::from_args`] reads as this work.
    pub fn to_args(&self) -> Vec<String> {
        let mode = match self.mode {
            Mode::Throughput => "throughput",
            Mode::Latency => "latency",
            Mode::Connect => "connect",
        };
        let keyed = if self.keyed { "keyed" } else { "keyless" };
        let fixed = [mode.to_owned(), self.address.clone(), self.records.to_string()];
        let sizes = [self.value_size.to_string(), self.batch_size.to_string(), keyed.to_owned()];
        let more = self.properties.iter().map(|(name, value)| format!("{name}={value}"));
        fixed.into_iter().chain(sizes).chain(more).collect()
    }

    /// The value of every record.
    pub fn value(&self) -> Vec<u8> {
        (0..self.value_size).map(|index| b'a' + (index % 26) as u8).collect()
    }
}

/// Keys of 8 to 16 bytes, one behind the other.
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    next: usize,
}

impl Keys {
    /// The same keys in every client.
    pub fn new() -> Self {
        let mut keys = Keys { bytes: Vec::new(), ends: vec![0], next: 0 };
        for index in 0..KEYS {
            let width = 8 + index % 9;
            keys.bytes.extend_from_slice(format!("{index:0width$}").as_bytes());
            keys.ends.push(keys.bytes.len() as u32);
        }
        keys
    }

    /// The key after the one before, and after the last the first.
    pub fn advance(&mut self) -> &[u8] {
        let index = self.next;
        self.next = if index + 1 == KEYS { 0 } else { index + 1 };
        &self.bytes[self.ends[index] as usize..self.ends[index + 1] as usize]
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_as_it_was_written() -> Result<(), Failure> {
        let line = "throughput 127.0.0.1:9 10 100 16384 keyed linger.ms=1";
        let work = Work::parse(line.split(' ').map(str::to_owned))?;
        assert_eq!((work.mode, work.records, work.keyed), (Mode::Throughput, 10, true));
        assert_eq!(work.properties, [("linger.ms".to_owned(), "1".to_owned())]);
        assert_eq!(work.to_args().join(" "), line);
        assert!(Work::parse(["latency".to_owned()].into_iter()).is_err());
        Ok(())
    }

    #[test]
    fn keys_differ_are_short_and_start_again() {
        let mut keys = Keys::new();
        let seen: std::collections::HashSet<Vec<u8>> = (0..KEYS).map(|_| keys.advance().to_vec()).collect();
        assert_eq!(seen.len(), KEYS);
        assert!(seen.iter().all(|key| (8..=16).contains(&key.len())));
        assert_eq!(keys.advance(), b"00000000");
    }
}
