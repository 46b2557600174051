//! The values and keys of the records: the same bytes in the same order for every client.
//!
//! Values lie in a file, each behind its length in four bytes, most significant first. Keys are numbers of 8 to 16
//! digits. Both are tables that are walked round and round, and exist before the clock starts.

use std::io;
use std::path::Path;

use crate::Failure;
use crate::work::Work;

/// How many bytes are sent, about, between two looks at the clock.
const BETWEEN_LOOKS: usize = 64 << 10;

/// Byte strings, one behind the other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payloads {
    /// Adds one.
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    /// The keys of a topic: each of its own, 8 to 16 bytes long.
    pub fn keys(count: usize) -> Self {
        let mut keys = Payloads::default();
        for index in 0..count {
            let width = 8 + index % 9;
            keys.push(format!("{index:0width$}").as_bytes());
        }
        keys
    }

    /// Reads a file of them.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let named = |error: io::Error| format!("{}: {error}", path.display());
        let file = std::fs::read(path).map_err(named)?;
        let mut payloads = Payloads::default();
        let mut rest = &file[..];
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (value, behind) = behind.split_at_checked(length).ok_or("a value that ends too soon")?;
            payloads.push(value);
            rest = behind;
        }
        if payloads.is_empty() || !rest.is_empty() {
            return Err(format!("{} is no file of values", path.display()).into());
        }
        Ok(payloads)
    }

    /// Writes the file that [`read`](Self::read) reads.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = Vec::with_capacity(self.bytes.len() + 4 * self.len());
        for index in 0..self.len() {
            let value = self.at(index);
            file.extend_from_slice(&(value.len() as u32).to_be_bytes());
            file.extend_from_slice(value);
        }
        std::fs::write(path, file)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all of them.
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The one with this number.
    #[inline]
    pub fn at(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[index]]
    }
}

/// The records of a work.
#[derive(Debug)]
pub struct RecordTable {
    values: Payloads,
    keys: Payloads,
    between_looks: u64,
}

impl RecordTable {
    /// Reads the values, makes the keys.
    pub fn new(work: &Work) -> Result<Self, Failure> {
        Ok(RecordTable::of(Payloads::read(&work.payloads)?, Payloads::keys(work.keys)))
    }

    /// A table of these; without keys the records have none.
    pub fn of(values: Payloads, keys: Payloads) -> Self {
        let mean = values.total_bytes() / values.len();
        let between_looks = (BETWEEN_LOOKS / mean.max(1)).clamp(1, 512) as u64;
        RecordTable { values, keys, between_looks }
    }

    /// How many records are sent between two looks at the clock.
    pub fn between_looks(&self) -> u64 {
        self.between_looks
    }

    /// The way of one of so many threads through the table: each begins at a place of its own.
    pub fn walk(&self, thread: usize, threads: usize) -> RecordWalk<'_> {
        let begin = |payloads: &Payloads| payloads.len() * thread / threads;
        RecordWalk { table: self, value: begin(&self.values), key: begin(&self.keys) }
    }
}

/// A place in the table.
#[derive(Debug, Clone)]
pub struct RecordWalk<'a> {
    table: &'a RecordTable,
    value: usize,
    key: usize,
}

impl<'a> RecordWalk<'a> {
    /// The value after the one before, and after the last the first.
    #[inline]
    pub fn value(&mut self) -> &'a [u8] {
        let value = self.table.values.at(self.value);
        self.value = if self.value + 1 == self.table.values.len() { 0 } else { self.value + 1 };
        value
    }

    /// The same for the key, where records have keys.
    #[inline]
    pub fn key(&mut self) -> Option<&'a [u8]> {
        if self.table.keys.is_empty() {
            return None;
        }
        let key = self.table.keys.at(self.key);
        self.key = if self.key + 1 == self.table.keys.len() { 0 } else { self.key + 1 };
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn values_survive_their_file() -> Result<(), Failure> {
        let mut values = Payloads::default();
        for value in [&b"one"[..], b"", b"three"] {
            values.push(value);
        }
        let path = std::env::temp_dir().join(format!("kafka-producer-values-{}", std::process::id()));
        values.write(&path)?;
        let read = Payloads::read(&path);
        std::fs::write(&path, [0, 0, 0, 9, 1])?;
        let short = Payloads::read(&path);
        std::fs::remove_file(&path)?;
        assert_eq!(read?, values);
        assert!(short.is_err());
        assert_eq!(values.at(2), b"three");
        Ok(())
    }

    #[test]
    fn keys_differ_and_are_short() {
        let keys = Payloads::keys(10_000);
        let seen: HashSet<&[u8]> = (0..keys.len()).map(|index| keys.at(index)).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|key| (8..=16).contains(&key.len())));
    }

    #[test]
    fn threads_begin_apart_and_come_round() {
        let mut table =
            RecordTable { values: Payloads::keys(4), keys: Payloads::default(), between_looks: 1 };
        table.keys.push(b"k");
        let mut second = table.walk(1, 2);
        let values: Vec<&[u8]> = (0..3).map(|_| second.value()).collect();
        assert_eq!(values, [table.values.at(2), table.values.at(3), table.values.at(0)]);
        assert_eq!((second.key(), second.key()), (Some(&b"k"[..]), Some(&b"k"[..])));
    }
}
