//! The flags: those of Kafka's `kafka-console-producer.sh` in both spellings, and those of kcat that it lacks.
//!
//! Owns: names, help, and what the flags make of settings. Must not know: how records are read and sent.
//! Holds: a flag that is not given changes nothing: a setting is then that of the file, or the producer's own default. (Kafka's tool has
//! defaults of its own, which wait longer and give up sooner: linger.ms 1000, request.timeout.ms 1500, retries 3.)
//! Source: Kafka's `ConsoleProducer` 4.3 and 3.9, KIP-1147; kcat's help.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, ValueHint};
use kafka_producer::{Headers, ProducerConfig, internal};

use super::announce::PROGRAM;
use super::delimiter::delimiter_bytes;
use super::line_format::LineFormat;
use super::line_rules::{LineRules, PROPERTIES};
use crate::complaint::Complaint;
use crate::distinct_files::DistinctFiles;
use crate::producer_settings::{SettingsFile, name_and_value};
use crate::self_description::SelfDescription;

/// Sends lines of standard input or of a file to Kafka, each as a record.
///
/// A line is a record's value, or has its key and headers in it as well. Ctrl-C sends what was read, and says what was not.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, override_usage = USAGE, after_help = EXAMPLES, max_term_width = 110)]
pub(super) struct ConsoleFlags {
    /// Topic that records go to; with --json also that of lines that name one
    #[arg(short = 't', long, value_name = "TOPIC", required_unless_present_any = ["json", "completions", "man"])]
    pub(super) topic: Option<String>,

    /// Brokers to begin with: HOST:PORT,HOST:PORT,… (as in bootstrap.servers)
    #[arg(short = 'b', long, visible_alias = "broker-list", value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    #[command(flatten)]
    pub(super) input: InputFlags,
    #[command(flatten)]
    pub(super) record: RecordFlags,
    #[command(flatten)]
    pub(super) outcome: OutcomeFlags,
    #[command(flatten)]
    producer: ProducerFlags,
    #[command(flatten)]
    pub(super) about: SelfDescription,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(super) struct InputFlags {
    /// Read this file in place of standard input; - is standard input
    #[arg(short = 'l', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,

    /// Read records as kcat -J prints them, one a line: topic, partition, ts, headers, key, payload
    #[arg(short = 'J', long)]
    pub(super) json: bool,

    /// How a line is parted: parse.key, key.separator (tab), parse.headers, headers.delimiter (tab),
    /// headers.separator (,), headers.key.separator (:), null.marker, ignore.error
    #[arg(long = "reader-property", visible_alias = "property", value_name = "NAME=VALUE")]
    reader_properties: Vec<String>,

    /// Java properties file with reader properties; --reader-property wins over it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    reader_config: Option<PathBuf>,

    /// Reader of lines; there is one, org.apache.kafka.tools.LineMessageReader
    #[arg(long, value_name = "CLASS", value_parser = reader_class, hide_short_help = true)]
    line_reader: Option<String>,

    /// A line is KEY DELIMITER VALUE, or a value where the delimiter is not in it; \t, \n, \xNN stand for bytes
    #[arg(short = 'K', long = "key-delimiter", value_name = "DELIMITER", conflicts_with = "json")]
    key_delimiter: Option<String>,

    /// An empty key or value is null: a record with a key and no value is a tombstone
    #[arg(short = 'Z', long, conflicts_with = "json")]
    null: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Records")]
pub(super) struct RecordFlags {
    /// Header of every record, before those of its line; NAME alone is a header that is null. May be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,

    /// Partition that records go to; -1 leaves it to the partitioner, also for lines of JSON that name one
    #[arg(short, long, value_name = "PARTITION", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..))]
    pub(super) partition: Option<i32>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Outcome")]
pub(super) struct OutcomeFlags {
    /// Wait for each record's acknowledgement before the next one; the first failure ends it
    #[arg(long)]
    pub(super) sync: bool,

    /// Add records that fail to this file, as lines that --json reads
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) dead_letter: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Producer")]
struct ProducerFlags {
    #[command(flatten)]
    file: SettingsFile,

    /// Any setting of the producer, as in acks=all; wins over the file
    #[arg(
        short = 'X',
        long = "command-property",
        visible_alias = "producer-property",
        value_name = "NAME=VALUE"
    )]
    command_properties: Vec<String>,

    /// none, gzip, snappy, lz4 or zstd (compression.type)
    #[arg(short = 'z', long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,

    /// 0, 1, or all, which is also -1 (acks)
    #[arg(long, value_name = "ACKS", allow_hyphen_values = true)]
    request_required_acks: Option<String>,

    /// How long a record may wait for others, in milliseconds (linger.ms)
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,

    /// Bytes of a batch (batch.size)
    #[arg(long, value_name = "BYTES")]
    batch_size: Option<u64>,

    /// The same; wins over --batch-size (batch.size)
    #[arg(long, value_name = "BYTES", hide_short_help = true)]
    max_partition_memory_bytes: Option<u64>,

    /// How often a record is sent again (retries)
    #[arg(long, value_name = "COUNT", hide_short_help = true)]
    message_send_max_retries: Option<u64>,

    /// Pause before it is sent again, in milliseconds (retry.backoff.ms)
    #[arg(long, value_name = "MS", hide_short_help = true)]
    retry_backoff_ms: Option<u64>,

    /// How long a broker's answer is waited for, in milliseconds (request.timeout.ms)
    #[arg(long, value_name = "MS", hide_short_help = true)]
    request_timeout_ms: Option<u64>,

    /// How old what is known of the cluster may get, in milliseconds (metadata.max.age.ms)
    #[arg(long, value_name = "MS", hide_short_help = true)]
    metadata_expiry_ms: Option<u64>,

    /// How long a line may wait for the topic's metadata, or for memory, in milliseconds (max.block.ms)
    #[arg(long, value_name = "MS", hide_short_help = true)]
    max_block_ms: Option<u64>,

    /// Memory for records that are on their way, in bytes (buffer.memory)
    #[arg(long, value_name = "BYTES", hide_short_help = true)]
    max_memory_bytes: Option<u64>,

    /// Send buffer of sockets, in bytes (send.buffer.bytes)
    #[arg(long, value_name = "BYTES", hide_short_help = true)]
    socket_buffer_size: Option<u64>,
}

const USAGE: &str = "\
kafka-console-producer --bootstrap-server <SERVERS> --topic <TOPIC> [OPTIONS]
       kafka-console-producer --bootstrap-server <SERVERS> --json [--topic <TOPIC>] [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  Each line is a record; a prompt is shown at a terminal:
    kafka-console-producer --bootstrap-server localhost:9092 --topic orders

  Lines of a file with keys, compressed; what fails is kept, and sent again later:
    kafka-console-producer -b localhost:9092 -t orders -K : -z lz4 \\
      --file orders.txt --dead-letter failed.json
    kafka-console-producer -b localhost:9092 --json --file failed.json

  Headers, key and value in each line:
    printf 'trace:1,source:web\\tkey\\tvalue\\n' |
      kafka-console-producer -b localhost:9092 -t orders \\
        --reader-property parse.key=true --reader-property parse.headers=true

  A copy of a topic, with keys, headers and tombstones:
    kcat -C -b localhost:9092 -t orders -e -J |
      kafka-console-producer -b localhost:9092 --json --topic copy

  A cluster with TLS and a login, by the settings of a Java client:
    kafka-console-producer --command-config client.properties \\
      -b kafka.example.com:9093 -t orders

Exit status: 0 if every record was acknowledged, 1 if one was not or something could not be done, 2 if flags or settings \
are wrong, 130 and 143 after Ctrl-C and SIGTERM.

Settings are those of KafkaProducer in Java. -h has the common flags, --help all of them.
RUST_LOG=info tells more.";

fn reader_class(name: &str) -> Result<String, String> {
    match name {
        "org.apache.kafka.tools.LineMessageReader" | "kafka.tools.ConsoleProducer$LineMessageReader" => {
            Ok(name.into())
        }
        _ => {
            Err("a class of Java cannot be run here: expected org.apache.kafka.tools.LineMessageReader"
                .into())
        }
    }
}

impl ConsoleFlags {
    /// The producer's settings: the file, pairs on top of it, flags on top of both.
    ///
    /// # Errors
    /// The file cannot be read, a pair is none, or no brokers are named.
    pub(super) fn producer_config(&self) -> Result<ProducerConfig, Complaint> {
        let flags = &self.producer;
        let mut config = flags.file.with_pairs("--command-property", &flags.command_properties)?;
        let number = |value: Option<u64>| value.map(|number| number.to_string());
        for (name, value) in [
            ("bootstrap.servers", self.bootstrap_server.clone()),
            ("compression.type", flags.compression_codec.clone()),
            ("acks", flags.request_required_acks.clone()),
            ("linger.ms", number(flags.timeout)),
            ("batch.size", number(flags.max_partition_memory_bytes.or(flags.batch_size))),
            ("retries", number(flags.message_send_max_retries)),
            ("retry.backoff.ms", number(flags.retry_backoff_ms)),
            ("request.timeout.ms", number(flags.request_timeout_ms)),
            ("metadata.max.age.ms", number(flags.metadata_expiry_ms)),
            ("max.block.ms", number(flags.max_block_ms)),
            ("buffer.memory", number(flags.max_memory_bytes)),
            ("send.buffer.bytes", number(flags.socket_buffer_size)),
        ] {
            if let Some(value) = value {
                config = config.set(name, value);
            }
        }
        let is_set = |name: &str| config.get(name).is_some_and(|value| !value.is_empty());
        if !is_set("bootstrap.servers") {
            return Err(Complaint::of_usage(
                "no brokers are named: expected --bootstrap-server HOST:PORT,…, or bootstrap.servers in --command-config",
            ));
        }
        Ok(if is_set("client.id") { config } else { config.client_id("console-producer") })
    }
}

impl ConsoleFlags {
    /// The files that it reads and writes.
    pub(super) fn files(&self) -> DistinctFiles {
        let (lines, settings) = (self.input.lines_file(), self.producer.file.command_config.as_deref());
        DistinctFiles::standard(lines.is_none())
            .reading("--file", lines)
            .reading("--command-config", settings)
            .reading("--reader-config", self.input.reader_config.as_deref())
            .writing("--dead-letter", self.outcome.dead_letter.as_deref())
    }
}

impl InputFlags {
    /// Where lines are; standard input if nowhere else.
    pub(super) fn lines_file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The reader's properties: the file's, with the flags behind them.
    fn properties(&self) -> Result<Vec<(String, String)>, Complaint> {
        let mut properties = match &self.reader_config {
            Some(path) => internal::properties_file(path)?,
            None => Vec::new(),
        };
        for pair in &self.reader_properties {
            let (name, value) = name_and_value("--reader-property", pair, |name| PROPERTIES.contains(&name))?;
            if !PROPERTIES.contains(&name) {
                let known = PROPERTIES.join(", ");
                return Err(Complaint::of_usage(format!(
                    "--reader-property {name} is not known: expected one of {known}"
                )));
            }
            properties.push((name.to_owned(), value.to_owned()));
        }
        Ok(properties)
    }

    /// How lines are read.
    ///
    /// # Errors
    /// The file of properties cannot be read; a property is not known, has a wrong value, or means nothing for JSON.
    pub(super) fn format(&self) -> Result<LineFormat, Complaint> {
        let properties = self.properties()?;
        let rules = LineRules::new(&properties)?.with_null_for_empty(self.null);
        if self.json {
            if let Some((name, _)) = properties.iter().find(|(name, _)| name != "ignore.error") {
                let text = format!(
                    "--json reads whole records: of the reader properties it takes ignore.error, and not {name}"
                );
                return Err(Complaint::of_usage(text));
            }
            return Ok(LineFormat::Json { pass_over: rules.ignores_errors() });
        }
        let rules = match &self.key_delimiter {
            Some(text) => rules.with_key_delimiter(&delimiter_bytes("--key-delimiter", text)?),
            None => rules,
        };
        Ok(LineFormat::Text(Box::new(rules)))
    }
}

impl RecordFlags {
    /// Headers of every record.
    pub(super) fn headers(&self) -> Result<Headers, Complaint> {
        let mut headers = Headers::new();
        for header in &self.headers {
            match header.split_once('=') {
                Some(("", _)) | None if header.is_empty() || header.starts_with('=') => {
                    return Err(Complaint::of_usage(
                        "--header has no name: expected NAME=VALUE, or NAME for a header that is null",
                    ));
                }
                Some((name, value)) => headers.add(name, value),
                None => headers.add_null(header),
            }
        }
        Ok(headers)
    }
}
