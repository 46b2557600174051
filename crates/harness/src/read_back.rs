//! What a topic holds, read by clients that are not ours: kcat (librdkafka), and Java's consumer.

use std::collections::BTreeMap;

use super::kafka_cluster::Kafka;

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Kafka {
    /// All committed records of a topic by kcat, in order of partition and offset. Keys and values are exact; headers
    /// come as text, so none may hold a comma, an equals sign, a line feed, a zero, or the value `NULL`.
    pub fn read_back(&self, topic: &str) -> Vec<Row> {
        self.read_by_kcat(topic, "read_committed")
    }

    /// As `read_back`, with those of transactions that were aborted or are open.
    pub fn read_back_uncommitted(&self, topic: &str) -> Vec<Row> {
        self.read_by_kcat(topic, "read_uncommitted")
    }

    fn read_by_kcat(&self, topic: &str, isolation: &str) -> Vec<Row> {
        let format = r"%p %o %T %K %S\n%k%s%h\n";
        let isolation = format!("isolation.level={isolation}");
        let exact = ["-X", "check.crcs=true", "-X", &isolation];
        let output = self.kcat(
            &[&["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format], &exact[..]].concat(),
            b"",
        );
        let mut rest = Bytes(&output.stdout);
        let mut rows = Vec::new();
        while !rest.0.is_empty() {
            rows.push(
                rest.kcat_row().unwrap_or_else(|| panic!("kcat's row {} is not understood", rows.len())),
            );
        }
        rows.sort();
        rows
    }

    /// All committed records of a topic by Java's consumer, exact in everything, in order of partition and offset.
    pub fn read_back_with_java(&self, topic: &str) -> Vec<Row> {
        let servers = self.bootstrap_servers();
        let source = include_str!("ReadTopic.java");
        let output = self.jars().java_source("ReadTopic.java", source, &[&servers, topic], b"");
        let mut rows: Vec<Row> =
            output.text().lines().map(|line| java_row(line).unwrap_or_else(|| panic!("{line}"))).collect();
        rows.sort();
        rows
    }
}

impl Kafka {
    /// A group's committed offsets by topic and partition, as Java's `kafka-consumer-groups` tells them.
    pub fn group_offsets(&self, group: &str) -> BTreeMap<(String, i32), i64> {
        let class = self.jars().tool_class("ConsumerGroupCommand");
        // By itself it gives up after 5 s, which a busy machine may need.
        let asked = ["--bootstrap-server", "{servers}", "--describe", "--group", group, "--timeout", "60000"];
        let text = self.tool(&class, &asked, b"").text();
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let head = lines.find(|words| words.contains(&"CURRENT-OFFSET")).unwrap_or_else(|| panic!("{text}"));
        let column = |name: &str| head.iter().position(|word| *word == name).unwrap();
        let (topic, partition, offset) = (column("TOPIC"), column("PARTITION"), column("CURRENT-OFFSET"));
        let rows = lines.filter(|words| words.len() == head.len());
        // A partition that nothing was committed for has a dash.
        let row = |words: Vec<&str>| {
            let place = (words[topic].to_owned(), words[partition].parse().ok()?);
            Some((place, words[offset].parse().ok()?))
        };
        rows.filter_map(row).collect()
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn line(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|&byte| byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).ok()
    }

    /// A length of -1 is null.
    fn field(&mut self, length: i64) -> Option<Option<Vec<u8>>> {
        match usize::try_from(length) {
            Ok(length) => Some(Some(self.take(length)?.to_vec())),
            Err(_) => Some(None),
        }
    }

    fn kcat_row(&mut self) -> Option<Row> {
        let numbers: Option<Vec<i64>> = self.line()?.split(' ').map(|word| word.parse().ok()).collect();
        let [partition, offset, timestamp, key, value] = numbers?[..] else { return None };
        let (key, value) = (self.field(key)?, self.field(value)?);
        let headers = self.line()?.split(',').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), (value != "NULL").then(|| value.as_bytes().to_vec())))
        });
        let headers = headers.collect::<Option<_>>()?;
        Some(Row { partition: i32::try_from(partition).ok()?, offset, timestamp, key, value, headers })
    }
}

/// Tab between the fields, everything binary in hexadecimal, `-` for null, a space between headers.
fn java_row(line: &str) -> Option<Row> {
    let [partition, offset, timestamp, key, value, headers] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let headers = headers.split(' ').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((String::from_utf8(from_hex(name)??).ok()?, from_hex(value)?))
    });
    Some(Row {
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
        timestamp: timestamp.parse().ok()?,
        key: from_hex(key)?,
        value: from_hex(value)?,
        headers: headers.collect::<Option<_>>()?,
    })
}

/// `-` is null; `None` is no hexadecimal.
pub fn from_hex(text: &str) -> Option<Option<Vec<u8>>> {
    if text == "-" {
        return Some(None);
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    match text.len() % 2 {
        0 => text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().map(Some),
        _ => None,
    }
}

/// The other way.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
