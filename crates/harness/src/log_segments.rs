//! A broker's log on disk, as Kafka's own `DumpLogSegments` describes it: one entry a batch.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use super::kafka_cluster::Kafka;

/// A batch in the log. Sequences and producer id are -1 without idempotence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedBatch {
    pub base_offset: i64,
    pub last_offset: i64,
    pub count: i32,
    pub base_sequence: i32,
    pub last_sequence: i32,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub is_transactional: bool,
    pub is_control: bool,
    pub magic: i8,
    pub compression: String,
    pub size: i32,
    /// Kafka's word: CRC and counts are right.
    pub is_valid: bool,
}

impl Kafka {
    /// A topic's batches on one broker, by partition. Empty partitions have an empty list.
    pub fn log_batches(&self, broker: i32, topic: &str) -> BTreeMap<i32, Vec<LoggedBatch>> {
        let segments = self.segments(broker, topic);
        let files: Vec<&str> = segments.values().flatten().map(String::as_str).collect();
        let class = self.jars().tool_class("DumpLogSegments");
        let output = self.tool(&class, &["--files", &files.join(",")], b"").text();
        let mut batches: BTreeMap<i32, Vec<LoggedBatch>> =
            segments.keys().map(|&partition| (partition, Vec::new())).collect();
        let mut current = None;
        for line in output.lines() {
            if let Some(file) = line.strip_prefix("Dumping ") {
                let of = |(partition, files): (&i32, &Vec<String>)| {
                    files.iter().any(|name| name == file).then_some(*partition)
                };
                current = Some(segments.iter().find_map(of).unwrap_or_else(|| panic!("{line}")));
            } else if line.starts_with("baseOffset: ") {
                let batch = LoggedBatch::parse(line)
                    .unwrap_or_else(|| panic!("a batch that is not understood: {line}"));
                batches.get_mut(&current.unwrap()).unwrap().push(batch);
            }
        }
        batches
    }

    /// The segment files of each partition, oldest first, as the tool is given them.
    fn segments(&self, broker: i32, topic: &str) -> BTreeMap<i32, Vec<String>> {
        let directory = self.data_directory(broker);
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&directory).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let Some((_, partition)) = name.rsplit_once('-').filter(|(prefix, _)| *prefix == topic) else {
                continue;
            };
            let files = fs::read_dir(directory.join(&name))
                .unwrap()
                .map(|file| file.unwrap().path().display().to_string());
            let mut files: Vec<String> = files.filter(|file| file.ends_with(".log")).collect();
            files.sort();
            found.insert(partition.parse().unwrap(), files);
        }
        found
    }
}

impl LoggedBatch {
    fn parse(line: &str) -> Option<LoggedBatch> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = words.windows(2).filter_map(|pair| Some((pair[0].strip_suffix(':')?, pair[1])));
        let fields: HashMap<&str, &str> = pairs.collect();
        let field = |name: &str| fields.get(name).copied();
        Some(LoggedBatch {
            base_offset: field("baseOffset")?.parse().ok()?,
            last_offset: field("lastOffset")?.parse().ok()?,
            count: field("count")?.parse().ok()?,
            base_sequence: field("baseSequence")?.parse().ok()?,
            last_sequence: field("lastSequence")?.parse().ok()?,
            producer_id: field("producerId")?.parse().ok()?,
            producer_epoch: field("producerEpoch")?.parse().ok()?,
            is_transactional: field("isTransactional")?.parse().ok()?,
            is_control: field("isControl")?.parse().ok()?,
            magic: field("magic")?.parse().ok()?,
            compression: field("compresscodec")?.to_owned(),
            size: field("size")?.parse().ok()?,
            is_valid: field("isvalid")?.parse().ok()?,
        })
    }
}
