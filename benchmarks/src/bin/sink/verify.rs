//! What `--verify` looks at: that a batch is whole, holds the records that it counts, and lies on the partition that
//! Java's partitioner chooses for each key.

use std::collections::BTreeSet;

use kafka_producer_benchmarks::report::Report;

/// The sums over the records that were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    /// Checksums of the values.
    values: BTreeSet<u32>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.keys += other.keys;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.values.extend(&other.values);
    }

    pub(crate) fn add_to(&self, report: Report) -> Report {
        let report = report.with("keys", self.keys).with("key_bytes", self.key_bytes);
        report.with("value_bytes", self.value_bytes).with("values", self.values.len())
    }
}

/// Reads a whole uncompressed batch.
pub(crate) fn batch(bytes: &[u8], partition: i32, partitions: usize) -> Result<Tally, String> {
    let mut header = RecordBytes(bytes);
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
        let mut record = RecordBytes(records.take(length)?);
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
        let value = record.nullable()?.unwrap_or_default();
        tally.value_bytes += value.len() as u64;
        tally.values.insert(crc32c::crc32c(value));
        let headers = record.varint()?;
        if headers != 0 || !record.0.is_empty() {
            return Err(format!("record {index} has {headers} headers and {} more bytes", record.0.len()));
        }
    }
    if records.0.is_empty() {
        Ok(tally)
    } else {
        Err(format!("{} bytes behind the records", records.0.len()))
    }
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
struct RecordBytes<'a>(&'a [u8]);

impl<'a> RecordBytes<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"00000042";

    /// A batch of one record, its CRC made to fit.
    fn one(count: i32) -> Vec<u8> {
        let mut record = vec![0, 0, 0, 2 * KEY.len() as u8];
        record.extend_from_slice(KEY);
        record.extend_from_slice(&[2 * 3, b'a', b'b', b'c', 0]);
        let mut covered = vec![0; 36];
        covered.extend_from_slice(&count.to_be_bytes());
        covered.push(2 * record.len() as u8);
        covered.extend_from_slice(&record);
        let mut bytes = vec![0; 17];
        bytes.extend_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
        bytes.extend_from_slice(&covered);
        bytes
    }

    /// Where Java's partitioner puts the key among seven.
    fn home() -> i32 {
        ((murmur2::murmur2(KEY, murmur2::KAFKA_SEED) & 0x7fff_ffff) % 7) as i32
    }

    #[test]
    fn a_whole_batch_is_summed() {
        let values = BTreeSet::from([crc32c::crc32c(b"abc")]);
        let tally = Tally { keys: 1, key_bytes: KEY.len() as u64, value_bytes: 3, values };
        assert_eq!(batch(&one(1), home(), 7), Ok(tally));
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let error = |bytes: &[u8], partition| batch(bytes, partition, 7).err().unwrap_or_default();
        let mut flipped = one(1);
        flipped[70] ^= 1;
        assert!(error(&flipped, home()).contains("CRC"));
        assert!(error(&one(2), home()).contains("0 left"));
        assert!(error(&one(0), home()).contains("behind the records"));
        assert!(error(&one(1), (home() + 1) % 7).contains("Java's partitioner"));
    }

    #[test]
    fn murmur2_is_javas() {
        // From Kafka's own unit test.
        let hash = murmur2::murmur2(b"foobar", murmur2::KAFKA_SEED) as i32;
        assert_eq!(hash, -790_332_482);
    }
}
