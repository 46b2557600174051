//! What the brokers have in the end, read by Kafka's own programs: living topics by Java's consumer, what a deleted topic
//! held by `DumpLogSegments` from its folders, which the brokers keep (`log.segment.delete.delay.ms`).
//!
//! All of it goes into one file, a line a record, tabs between:
//!
//! ```text
//! topic  life  partition  offset  key  value
//! ```
//!
//! where `life` is the topic's id, another one after each creation, and a null key is `-`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::command::Process;
use harness::kafka_cluster::Kafka;
use harness::read_back::from_hex;
use harness::scratch::ScratchFolder;

use super::admin::Admin;
use super::names::{BROKERS, GROWING, REBORN, STEADY};

pub struct Evidence {
    pub rows: PathBuf,
    /// How often a producer went on with a new epoch or another id, by what stands in the logs.
    pub bumps: u64,
}

pub fn collect(kafka: &Kafka, disk: Option<&Path>, folder: &Path) -> Evidence {
    let rows = folder.join("rows");
    let mut file = BufWriter::new(File::create(&rows).unwrap());
    for topic in [GROWING, STEADY, REBORN] {
        let life = life(&Admin(kafka.ports()[0]).topic(topic).unwrap().id);
        living(kafka, topic, &life, folder, &mut file);
    }
    let current = life(&Admin(kafka.ports()[0]).topic(REBORN).unwrap().id);
    let mut folders: Vec<PathBuf> = (1..).take(BROKERS).map(|broker| kafka.data_directory(broker)).collect();
    folders.extend(disk.map(Path::to_owned));
    for (life, partitions) in former_lives(&folders, &current) {
        former(kafka, &life, &partitions, &mut file);
    }
    file.flush().unwrap();
    Evidence { rows, bumps: bumps(kafka) }
}

/// By the consumer, into a file: a long run's records are too many to hold.
fn living(kafka: &Kafka, topic: &str, life: &str, folder: &Path, file: &mut impl Write) {
    let scratch = ScratchFolder::new(kafka.jars().home());
    let source = scratch.path().join("ReadTopic.java");
    fs::write(&source, harness::READ_TOPIC).unwrap();
    let (found, errors) = (folder.join("consumed"), folder.join("consumer.log"));
    let mut command = kafka.jars().java(scratch.path());
    command.arg("-Xmx256m").arg(&source).args([&kafka.bootstrap_servers(), topic]);
    command.stdin(Stdio::null()).stdout(File::create(&found).unwrap()).stderr(File::create(&errors).unwrap());
    let mut process = Process::start(&mut command).unwrap();
    let ended = process.wait(READ_LIMIT);
    let words = || fs::read_to_string(&errors).unwrap_or_default();
    assert_eq!(ended, Some(true), "the consumer of {topic}: {}", words());
    for line in BufReader::new(File::open(&found).unwrap()).lines() {
        let line = line.unwrap();
        let [partition, offset, _, key, value, _] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("the consumer says {line}");
        };
        let text = |hex: &str| from_hex(hex).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
        let key = text(key).unwrap_or_else(|| String::from("-"));
        let value = text(value).unwrap_or_default();
        writeln!(file, "{topic}\t{life}\t{partition}\t{offset}\t{key}\t{value}").unwrap();
    }
    fs::remove_file(found).unwrap();
}

type ReplicaFolders = Vec<PathBuf>;

/// The folders of deleted topics: by life and partition, one for each replica.
fn former_lives(folders: &[PathBuf], current: &str) -> BTreeMap<String, BTreeMap<i32, ReplicaFolders>> {
    let mut lives: BTreeMap<String, BTreeMap<i32, ReplicaFolders>> = BTreeMap::new();
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).flatten() {
        // soak-reborn-0.9c2f…-delete, or -stray where the broker was away when it was deleted.
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(REBORN).and_then(|rest| rest.strip_prefix('-')) else { continue };
        let partition = rest.split('.').next().and_then(|number| number.parse().ok());
        let metadata = fs::read_to_string(entry.path().join("partition.metadata")).unwrap_or_default();
        let life = metadata.lines().find_map(|line| line.strip_prefix("topic_id: "));
        if let (Some(partition), Some(life)) = (partition, life.filter(|life| *life != current)) {
            lives.entry(life.to_owned()).or_default().entry(partition).or_default().push(entry.path());
        }
    }
    lives
}

/// A replica's log as Kafka's own tool tells it.
#[derive(Default)]
struct Dumped {
    last_epoch: i32,
    /// Offset, key, value.
    records: Vec<(i64, String, String)>,
}

/// Each partition from the replica that was ahead of the others, as an election would have it.
fn former(kafka: &Kafka, life: &str, partitions: &BTreeMap<i32, ReplicaFolders>, file: &mut impl Write) {
    let mut segments: BTreeMap<String, (i32, &Path)> = BTreeMap::new();
    for (partition, replicas) in partitions {
        for replica in replicas {
            for entry in fs::read_dir(replica).unwrap().flatten() {
                let path = entry.path().display().to_string();
                if path.ends_with(".log") {
                    segments.insert(path, (*partition, replica));
                }
            }
        }
    }
    let files = segments.keys().map(String::as_str).collect::<Vec<_>>().join(",");
    let class = kafka.jars().tool_class("DumpLogSegments");
    let output = kafka.tool(&class, &["--deep-iteration", "--print-data-log", "--files", &files], b"");
    let mut dumped: BTreeMap<(i32, &Path), Dumped> = BTreeMap::new();
    let mut current = None;
    for line in output.text().lines() {
        if let Some(file) = line.strip_prefix("Dumping ") {
            current = segments.get(file).copied();
        } else if let Some(place) = current {
            dumped.entry(place).or_default().read(line);
        }
    }
    for partition in partitions.keys() {
        let replicas = dumped.iter().filter(|((of, _), _)| of == partition).map(|(_, log)| log);
        let ahead =
            replicas.max_by_key(|log| (log.last_epoch, log.records.last().map(|(offset, ..)| *offset)));
        for (offset, key, value) in ahead.iter().flat_map(|log| &log.records) {
            writeln!(file, "{REBORN}\t{life}\t{partition}\t{offset}\t{key}\t{value}").unwrap();
        }
    }
}

impl Dumped {
    fn read(&mut self, line: &str) {
        if line.starts_with("baseOffset: ") {
            self.last_epoch =
                field(line, "partitionLeaderEpoch: ").and_then(|epoch| epoch.parse().ok()).unwrap();
        } else if let Some(record) = line.strip_prefix("| offset: ") {
            let offset = record.split(' ').next().and_then(|offset| offset.parse().ok()).unwrap();
            let (head, value) = record.split_once(" payload: ").unwrap_or((record, ""));
            let key = field(head, " key: ").unwrap_or("-");
            self.records.push((offset, key.to_owned(), value.to_owned()));
        }
    }
}

/// The word behind a name.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name).and_then(|(_, rest)| rest.split(' ').next())
}

/// From the batches in broker 1's logs: it has a replica of everything.
fn bumps(kafka: &Kafka) -> u64 {
    let mut files = Vec::new();
    for entry in fs::read_dir(kafka.data_directory(1)).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("soak-") {
            let segments = fs::read_dir(entry.path()).unwrap().flatten();
            let names = segments.map(|segment| segment.path().display().to_string());
            files.extend(names.filter(|name| name.ends_with(".log")));
        }
    }
    let class = kafka.jars().tool_class("DumpLogSegments");
    let output = kafka.tool(&class, &["--files", &files.join(",")], b"").text();
    let identity = |line: &str| {
        let number = |name| field(line, name).and_then(|number| number.parse::<i64>().ok());
        Some((number("producerId: ")?, number("producerEpoch: ")?))
    };
    let identities: BTreeSet<(i64, i64)> =
        output.lines().filter_map(identity).filter(|(id, _)| *id >= 0).collect();
    let ids: BTreeSet<i64> = identities.iter().map(|(id, _)| *id).collect();
    let last =
        |id: &i64| identities.range((*id, 0)..=(*id, i64::MAX)).next_back().map_or(0, |(_, epoch)| *epoch);
    let epochs: i64 = ids.iter().map(last).sum();
    epochs.unsigned_abs() + u64::try_from(ids.len()).unwrap().saturating_sub(1)
}

/// A topic's id as Kafka prints it: base 64 with the letters for addresses, no padding.
fn life(id: &[u8; 16]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in id.chunks(3) {
        let bytes = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

const READ_LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_s_id_is_written_as_kafka_writes_it() {
        assert_eq!(life(&[0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        let id = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
        assert_eq!(life(&id), "ASNFZ4mrze_-3LqYdlQyEA");
    }

    #[test]
    fn what_the_tool_says_of_a_log_is_understood() {
        let mut log = Dumped::default();
        for line in [
            "Log starting offset: 0",
            "baseOffset: 0 lastOffset: 1 count: 2 baseSequence: 0 lastSequence: 1 producerId: 7 producerEpoch: 3 partitionLeaderEpoch: 4 isTransactional: false",
            "| offset: 0 CreateTime: 17 keySize: 5 valueSize: 4 sequence: 0 headerKeys: [] key: key-1 payload: a b c",
            "| offset: 1 CreateTime: 17 keySize: -1 valueSize: 4 sequence: 1 headerKeys: [] payload: d",
        ] {
            log.read(line);
        }
        assert_eq!(log.last_epoch, 4);
        let record = |offset, key: &str, value: &str| (offset, key.to_owned(), value.to_owned());
        assert_eq!(log.records, [record(0, "key-1", "a b c"), record(1, "-", "d")]);
    }
}
