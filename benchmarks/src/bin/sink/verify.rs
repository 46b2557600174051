//! What `--verify` looks at: that a batch is whole, holds the records that it counts, and lies on the partition that
//! Java's partitioner chooses for each key.

use kafka_producer_benchmarks::report::Report;

/// The sums over the records that were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.keys += other.keys;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
    }

    pub(crate) fn add_to(&self, report: Report) -> Report {
        report
            .with("keys", self.keys)
            .with("key_bytes", self.key_bytes)
            .with("value_bytes", self.value_bytes)
    }
}

/// Reads a whole uncompressed batch.
pub(crate) fn batch(bytes: &[u8], partition: i32, partitions: usize) -> Result<Tally, String> {
    let mut header = Cursor(bytes);
    header.take(17)?;
    let crc = u32::from_be_bytes(header.array()?);
    let found = crc32c::crc32c(header.0);
    if crc != found {
        return Err(format!("CRC {crc:08x} in a batch, its bytes have {found:08x}"));
    }
    header.take(36)?;
    let count = i32::from_be_bytes(header.array()?);
    let mut records = header;
    let mut tally = Tally::default();
    for index in 0..i64::from(count) {
        let length = records.varint()?;
        let mut record = Cursor(records.take(length)?);
        record.take(1)?; // attributes
        record.varint()?; // timestamp delta
        let offset_delta = record.varint()?;
        if offset_delta != index {
            return Err(format!("record {index} of a batch has offset delta {offset_delta}"));
        }
        if let Some(key) = record.nullable()? {
            on_its_partition(key, partition, partitions)?;
            tally.keys += 1;
            tally.key_bytes += key.len() as u64;
        }
        tally.value_bytes += record.nullable()?.map_or(0, <[u8]>::len) as u64;
        let headers = record.varint()?;
        if headers != 0 || !record.0.is_empty() {
            return Err(format!("record {index} has {headers} headers and {} more bytes", record.0.len()));
        }
    }
    if records.0.is_empty() { Ok(tally) } else { Err(format!("{} bytes behind the records", records.0.len())) }
}

fn on_its_partition(key: &[u8], partition: i32, partitions: usize) -> Result<(), String> {
    let hash = murmur2::murmur2(key, murmur2::KAFKA_SEED) & 0x7fff_ffff;
    let expected = (hash as usize % partitions) as i32;
    if expected == partition {
        return Ok(());
    }
    let key = String::from_utf8_lossy(key);
    Err(format!("key {key} lies on partition {partition}, Java's partitioner chooses {expected}"))
}

/// What is left of some bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, size: i64) -> Result<&'a [u8], String> {
        let split = usize::try_from(size).ok().and_then(|size| self.0.split_at_checked(size));
        let (taken, rest) = split.ok_or_else(|| format!("{size} bytes wanted, {} left", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N as i64)?;
        bytes.try_into().map_err(|_| "a slice of another size".to_owned())
    }

    fn varint(&mut self) -> Result<i64, String> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a varint of more than ten bytes".to_owned())
    }

    fn nullable(&mut self) -> Result<Option<&'a [u8]>, String> {
        let size = self.varint()?;
        if size < 0 { Ok(None) } else { self.take(size).map(Some) }
    }
}
