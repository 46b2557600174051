//! The three ways to send a record, from nothing: run it, read what it prints, then read it from `main` down.
//!
//! ```text
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --bootstrap-servers localhost:9092 --topic test
//! cargo run --release --example quickstart -- --config producer.properties --topic test
//! ```
//!
//! Without an address it starts a Kafka cluster of three brokers inside this process and, at the end, compares what
//! was acknowledged with what lies in that cluster's logs. With an address it sends to your cluster instead.
//! It exits with 0 only if every record was acknowledged (and, on the embedded cluster, found again).

use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use kafka_embedded::{EmbeddedCluster, EmbeddedRecord};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord, RecordMetadata, TopicName};

const STRING_SERIALIZER: &str = "org.apache.kafka.common.serialization.StringSerializer";

fn main() -> ExitCode {
    // What the client has to say, of a misspelt setting or a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Command::Run(arguments)) => match run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("quickstart failed: {error}");
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            eprintln!("quickstart: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let cluster = if arguments.is_embedded() { Some(start_cluster(&arguments.topic)?) } else { None };
    let config = configure(arguments, cluster.as_ref())?;
    if let Some(servers) = config.get(ProducerConfig::BOOTSTRAP_SERVERS_CONFIG) {
        println!("bootstrap.servers: {servers}");
    }

    // Keys and values are text here: &str, String, Arc<str> ... whatever borrows as str.
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
    let topic = TopicName::from(&arguments.topic);

    let mut sent = Vec::new();
    sent.extend(fire_and_forget(&producer, &topic)?);
    sent.extend(synchronous(&producer, &topic)?);
    sent.extend(with_callback(&producer, &topic)?);

    // Waits until everything accepted is answered, and stops the producer's thread. Dropping it would do the same.
    producer.close()?;

    print_table(&sent);
    match cluster {
        Some(cluster) => compare(&sent, cluster.records(&arguments.topic))?,
        None => {
            println!("\n{} records acknowledged. Read them with any consumer of your cluster.", sent.len())
        }
    }
    Ok(())
}

/// One: send, and go on. The sender thread does the rest.
fn fire_and_forget(
    producer: &KafkaProducer<str, str>,
    topic: &TopicName,
) -> Result<Vec<Sent>, Box<dyn Error>> {
    let mut futures = Vec::new();
    for (key, value) in [("apple", "red"), ("lemon", "yellow"), ("pear", "brown")] {
        // Who really forgets drops what `send` returns. We keep it only to have something for the table.
        let future = producer.send(ProducerRecord::new(topic, value).with_key(key))?;
        futures.push((key, value, future));
    }
    producer.flush()?; // not needed for sending: it only makes sure that all outcomes are there
    let outcome = |(key, value, future): (_, _, kafka_producer::RecordFuture)| {
        Ok(Sent { way: "fire and forget", key: Some(key), value, metadata: future.get()? })
    };
    futures.into_iter().map(outcome).collect()
}

/// Two: send, and wait for the broker's answer before going on. Simple, and slow in a loop: see `three_ways`.
fn synchronous(producer: &KafkaProducer<str, str>, topic: &TopicName) -> Result<Vec<Sent>, Box<dyn Error>> {
    let mut sent = Vec::new();
    for (key, value) in [("apple", "green"), ("lime", "light green"), ("pear", "yellow")] {
        let metadata = producer.send(ProducerRecord::new(topic, value).with_key(key))?.get()?;
        sent.push(Sent { way: "synchronous", key: Some(key), value, metadata });
    }
    Ok(sent)
}

/// Three: send with a callback, which the sender thread calls with the outcome.
fn with_callback(producer: &KafkaProducer<str, str>, topic: &TopicName) -> Result<Vec<Sent>, Box<dyn Error>> {
    let (outcomes, answered) = mpsc::channel();
    for value in ["any fruit", "any other", "and another"] {
        let outcomes = outcomes.clone();
        producer.send_with_callback(ProducerRecord::new(topic, value), move |outcome| {
            // On the sender thread: be quick here. A send error means that nobody listens any more.
            let _ = outcomes.send((value, outcome));
        })?;
    }
    drop(outcomes); // the callbacks have the other copies: the loop below ends after the last one
    let mut sent = Vec::new();
    for (value, outcome) in answered {
        sent.push(Sent { way: "callback", key: None, value, metadata: outcome? });
    }
    Ok(sent)
}

/// A record, and where the cluster says that it put it.
struct Sent {
    way: &'static str,
    key: Option<&'static str>,
    value: &'static str,
    metadata: RecordMetadata,
}

fn print_table(sent: &[Sent]) {
    let places: Vec<String> = sent.iter().map(|record| record.metadata.to_string()).collect();
    let width = places.iter().map(String::len).max().unwrap_or(0).max("acknowledged as".len());
    println!("\n{:<15}  {:<width$}  {:<8}  {:<13}  timestamp (ms)", "way", "acknowledged as", "key", "value");
    for (record, place) in sent.iter().zip(places) {
        let key = record.key.unwrap_or("-");
        let timestamp = record.metadata.timestamp().map_or_else(String::new, |time| time.to_string());
        println!("{:<15}  {place:<width$}  {key:<8}  {:<13}  {timestamp}", record.way, record.value);
    }
}

/// Is everything that was acknowledged in the log, at its place, and nothing else?
fn compare(sent: &[Sent], stored: Vec<EmbeddedRecord>) -> Result<(), Box<dyn Error>> {
    let mut expected: Vec<_> = sent
        .iter()
        .map(|record| {
            let place = &record.metadata;
            let (key, value) = (record.key.map(Vec::from), Some(Vec::from(record.value)));
            (place.partition(), place.offset(), place.timestamp(), key, value)
        })
        .collect();
    expected.sort();
    let found: Vec<_> = stored
        .into_iter()
        .map(|record| {
            (record.partition, Some(record.offset), Some(record.timestamp), record.key, record.value)
        })
        .collect();
    if expected != found {
        let text = format!("acknowledged and stored records differ:\n  {expected:?}\n  {found:?}");
        return Err(text.into());
    }
    println!(
        "\n{} records acknowledged, {} read back from the brokers' logs: the same.",
        sent.len(),
        found.len()
    );
    Ok(())
}

/// Three brokers on loopback sockets, in this process. Your own tests can have one too.
fn start_cluster(topic: &str) -> Result<EmbeddedCluster, Box<dyn Error>> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic(topic, 6).start()?;
    println!("Started an embedded cluster: 3 brokers, topic \"{topic}\" with 6 partitions.");
    Ok(cluster)
}

/// The settings: from the file if one is given, then what the command line says, then what is still missing.
fn configure(
    arguments: &Arguments,
    cluster: Option<&EmbeddedCluster>,
) -> Result<ProducerConfig, kafka_producer::Error> {
    let mut config = match &arguments.config {
        Some(file) => ProducerConfig::from_file(file)?,
        // The default would be to wait a minute for a cluster that does not answer: long for a first try.
        None => ProducerConfig::new().max_block(Duration::from_secs(10)),
    };
    let servers = arguments.bootstrap_servers.clone().or(cluster.map(EmbeddedCluster::bootstrap_servers));
    if let Some(servers) = servers {
        config = config.bootstrap_servers(&servers);
    }
    for name in [ProducerConfig::KEY_SERIALIZER_CLASS_CONFIG, ProducerConfig::VALUE_SERIALIZER_CLASS_CONFIG] {
        if config.get(name).is_none() {
            config = config.set(name, STRING_SERIALIZER);
        }
    }
    Ok(config)
}

const USAGE: &str = "\
usage: quickstart [--bootstrap-servers HOST:PORT[,HOST:PORT...]] [--config FILE] [--topic TOPIC]

  --bootstrap-servers  send to this cluster instead of an embedded one
  --config             read settings from this file, a Java producer.properties
  --topic              send to this topic (default: test)
  --help               print this";

enum Command {
    Help,
    Run(Arguments),
}

struct Arguments {
    bootstrap_servers: Option<String>,
    config: Option<String>,
    topic: String,
}

impl Arguments {
    /// Reads `--name VALUE` and `--name=VALUE`.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut arguments = Arguments { bootstrap_servers: None, config: None, topic: String::from("test") };
        while let Some(word) = words.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if matches!(name, "--help" | "-h") {
                return Ok(Command::Help);
            }
            if !matches!(name, "--bootstrap-servers" | "--config" | "--topic") {
                return Err(format!("unknown argument \"{word}\""));
            }
            let value = attached.or_else(|| words.next()).filter(|value| !value.starts_with("--"));
            let value = value.ok_or_else(|| format!("{name} needs a value"))?;
            match name {
                "--bootstrap-servers" => arguments.bootstrap_servers = Some(value),
                "--config" => arguments.config = Some(value),
                _ => arguments.topic = value,
            }
        }
        Ok(Command::Run(arguments))
    }

    fn is_embedded(&self) -> bool {
        self.bootstrap_servers.is_none() && self.config.is_none()
    }
}
