//! Loads a CSV file of any size: one record for each row, as JSON, with a progress bar and in bounded memory.
//!
//! ```text
//! cargo run --release --example csv_loader
//! cargo run --release --example csv_loader -- --bootstrap-servers localhost:9092 --topic people --file people.csv --key id
//! ```
//!
//! - **Back-pressure** is `send` itself: it waits while `buffer.memory` is full, so the file is read as fast as the brokers
//!   take it. `max.block.ms` is how long it waits for room before it fails; a loader has time.
//! - **Every row is accounted for**: those that are not CSV or not accepted, and those whose outcome is an error, are told with
//!   their line. The exit status is 0 only if all rows are in the log.
//! - The bar goes to stderr, and only if that is a terminal.

use std::error::Error as StdError;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use csv::{Reader, StringRecord};
use indicatif::{ProgressBar, ProgressStyle};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord};
use serde_json::{Map, Value};

type AnyError = Box<dyn StdError>;
type TextProducer = KafkaProducer<str, str>;

/// How many of the rows that failed are told one by one.
const TOLD: usize = 10;

fn main() -> Result<(), AnyError> {
    let Some(arguments) = Arguments::parse()? else { return demonstrate() };
    // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let config = ProducerConfig::new().bootstrap_servers(&arguments.servers);
    let summary = load(config, &arguments)?;
    if summary.failed == 0 {
        Ok(())
    } else {
        Err(format!("{} rows are not in the log", summary.failed).into())
    }
}

struct Summary {
    rows: u64,
    failed: u64,
    /// How much of `buffer.memory` was in use at most.
    buffered: usize,
}

fn load(config: ProducerConfig, arguments: &Arguments) -> Result<Summary, AnyError> {
    let config =
        config.client_id("csv-loader").max_block(Duration::from_secs(600)).linger(Duration::from_millis(50));
    let producer = TextProducer::builder(config).default_serializers().build()?;
    let mut loader = Loader::open(&producer, arguments)?;
    let read = loader.rows();
    // Also after an error of the file: what was sent before it counts.
    producer.close()?;
    let summary = loader.finish();
    read.map(|()| summary)
}

/// What is known of one row that is not in the log.
struct Failure {
    line: u64,
    error: String,
}

struct Loader<'a> {
    producer: &'a TextProducer,
    topic: &'a str,
    reader: Reader<File>,
    columns: StringRecord,
    key: Option<usize>,
    bar: ProgressBar,
    failures: (Sender<Failure>, Receiver<Failure>),
    summary: Summary,
}

impl<'a> Loader<'a> {
    fn open(producer: &'a TextProducer, arguments: &'a Arguments) -> Result<Loader<'a>, AnyError> {
        let name = arguments.file.display();
        let file = File::open(&arguments.file).map_err(|error| format!("{name}: {error}"))?;
        let bar = ProgressBar::new(file.metadata()?.len());
        bar.set_style(ProgressStyle::with_template(
            "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {msg}, {eta} left",
        )?);
        bar.set_message("no rows yet");
        let mut reader = Reader::from_reader(file);
        let columns = reader.headers()?.clone();
        let key = arguments.key.as_ref().map(|key| {
            let column = columns.iter().position(|column| column == key);
            column.ok_or_else(|| {
                let known: Vec<&str> = columns.iter().collect();
                format!("{name} has no column {key}; its columns are: {}", known.join(", "))
            })
        });
        let (key, summary) = (key.transpose()?, Summary { rows: 0, failed: 0, buffered: 0 });
        Ok(Loader {
            producer,
            topic: &arguments.topic,
            reader,
            columns,
            key,
            bar,
            failures: mpsc::channel(),
            summary,
        })
    }

    fn rows(&mut self) -> Result<(), AnyError> {
        let mut row = StringRecord::new();
        loop {
            let line = self.reader.position().line();
            match self.reader.read_record(&mut row) {
                Ok(true) => self.send(line, &row),
                Ok(false) => return Ok(()),
                Err(error) if error.is_io_error() => return Err(error.into()),
                // A row that is not like the others: the next one may be.
                Err(error) => self.note(Failure { line, error: error.to_string() }),
            }
            self.summary.rows += 1;
            if self.summary.rows.is_multiple_of(100) {
                self.show_progress();
            }
        }
    }

    fn send(&mut self, line: u64, row: &StringRecord) {
        let pairs =
            self.columns.iter().zip(row).map(|(column, value)| (column.to_owned(), Value::from(value)));
        let record = ProducerRecord::new(self.topic, Value::from(Map::from_iter(pairs)).to_string());
        let record = record.with_optional_key(self.key.and_then(|key| row.get(key)));
        let failures = self.failures.0.clone();
        let failed = move |error: Error| Failure { line, error: error.to_string() };
        // Waits here while the brokers have enough to do.
        let sent = self.producer.send_with_callback(record, move |outcome| {
            if let Err(error) = outcome {
                // It is there as long as the loader is.
                let _ = failures.send(failed(error));
            }
        });
        if let Err(error) = sent {
            self.note(Failure { line, error: error.to_string() });
        }
    }

    fn note(&mut self, failure: Failure) {
        self.summary.failed += 1;
        if self.summary.failed <= TOLD as u64 {
            self.bar.suspend(|| eprintln!("line {}: {}", failure.line, failure.error));
        }
    }

    fn show_progress(&mut self) {
        while let Ok(failure) = self.failures.1.try_recv() {
            self.note(failure);
        }
        self.summary.buffered = self.summary.buffered.max(self.producer.buffered_bytes());
        self.bar.set_position(self.reader.position().byte());
        self.bar.set_message(format!("{} rows, {} failed", self.summary.rows, self.summary.failed));
    }

    fn finish(mut self) -> Summary {
        self.show_progress();
        self.bar.finish_and_clear();
        let Summary { rows, failed, .. } = self.summary;
        if failed > TOLD as u64 {
            eprintln!("... and {} more", failed - TOLD as u64);
        }
        println!("{rows} rows, {} in the log, {failed} not", rows - failed);
        self.summary
    }
}

struct Arguments {
    servers: String,
    topic: String,
    file: PathBuf,
    key: Option<String>,
}

impl Arguments {
    fn parse() -> Result<Option<Arguments>, AnyError> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (servers, topic, file, key) = match arguments.as_slice() {
            [] => return Ok(None),
            ["--bootstrap-servers", servers, "--topic", topic, "--file", file] => {
                (servers, topic, file, None)
            }
            ["--bootstrap-servers", servers, "--topic", topic, "--file", file, "--key", key] => {
                (servers, topic, file, Some((*key).to_owned()))
            }
            _ => {
                let usage = "usage: csv_loader [--bootstrap-servers HOST:PORT,… --topic TOPIC --file FILE [--key COLUMN]]";
                return Err(usage.into());
            }
        };
        Ok(Some(Arguments {
            servers: (*servers).to_owned(),
            topic: (*topic).to_owned(),
            file: file.into(),
            key,
        }))
    }
}

const ROWS: usize = 20_000;
const MEMORY: usize = 256 * 1024;

/// A file with a row that is too short and one that is too large, for brokers that are slow and refuse a batch.
fn demonstrate() -> Result<(), AnyError> {
    let brokers = EmbeddedCluster::builder().brokers(3).topic("people", 6);
    let cluster = brokers.answer_delay(Duration::from_millis(10)).start()?;
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).skip(20));
    let mut text = String::from("id,name,city\n");
    for number in 0..ROWS {
        text += &match number {
            4000 => format!("{number},too short\n"),
            8000 => format!("{number},too long,{}\n", "x".repeat(100_000)),
            _ => format!("{number},\"Somebody, {number}\",Somewhere\n"),
        };
    }
    let file = std::env::temp_dir().join(format!("kafka-producer-people-{}.csv", std::process::id()));
    std::fs::write(&file, text)?;
    let servers = cluster.bootstrap_servers();
    let config =
        ProducerConfig::new().bootstrap_servers(&servers).buffer_memory(MEMORY).max_request_size(50_000);
    let loaded = load(
        config,
        &Arguments {
            servers,
            topic: String::from("people"),
            file: file.clone(),
            key: Some(String::from("id")),
        },
    );
    std::fs::remove_file(&file)?;
    let summary = loaded?;
    let stored = cluster.records("people");
    println!(
        "the brokers' logs hold {}, for instance {}",
        stored.len(),
        String::from_utf8_lossy(stored[0].value.as_deref().unwrap_or_default())
    );
    println!("at most {} KiB of {} KiB were in use", summary.buffered.div_ceil(1024), MEMORY / 1024);
    if stored.len() as u64 == summary.rows - summary.failed { Ok(()) } else { Err("rows were lost".into()) }
}
