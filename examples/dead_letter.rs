//! What becomes of a record that fails: which errors are tried again, which put the record aside, which end the program.
//!
//! ```text
//! cargo run --release --example dead_letter
//! printf 'anna\ttwo apples\nben\ta pear\n' | cargo run --release --example dead_letter -- \
//!     --bootstrap-servers localhost:9092 --topic orders --dead-letter-topic orders.dead --dead-letter-file orders.dead.jsonl
//! ```
//!
//! The producer has retried whatever can be retried, for `delivery.timeout.ms`, before an error gets here. What is left to
//! decide is the program's policy, [`next`]:
//!
//! | the error | what this program does |
//! |---|---|
//! | would meet every record: no permission, no topic, a broker that is too old | ends. Ten thousand dead letters would be worse |
//! | fatal | makes another producer, and tries the record again if it is not in the log |
//! | the record may be in the log | puts it aside, marked: somebody, or something, looks into the topic first |
//! | may pass | tries again, a few times |
//! | anything else: this record is at fault | puts it aside |
//!
//! Aside is a topic, `--dead-letter-topic`, with the reason in headers. A record that fails there as well goes to a file, one
//! JSON object a line. If the file cannot be written the program ends: it never drops a record.

use std::error::Error as StdError;
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};
use serde_json::json;

type AnyError = Box<dyn StdError>;
type TextProducer = KafkaProducer<str, str>;

/// How often a record is tried whose error may pass.
const TRIES: u32 = 3;

#[derive(Debug, Clone, Copy)]
enum Next {
    Again,
    AnotherProducer,
    PutAside,
    End,
}

/// The policy.
fn next(error: &Error) -> Next {
    use ErrorKind::{
        Authentication, Authorization, Config, InvalidTopic, UnknownTopicOrPartition, UnsupportedVersion,
    };
    match error.kind() {
        // Not the record's: the next one would meet it, too.
        Authentication
        | Authorization
        | Config
        | InvalidTopic
        | UnknownTopicOrPartition
        | UnsupportedVersion => Next::End,
        ErrorKind::Closed | ErrorKind::Interrupted => Next::End,
        // Where consumers drop duplicates (examples/outbox.rs) this would be Again.
        _ if error.possibly_written() => Next::PutAside,
        _ if error.is_fatal() => Next::AnotherProducer,
        _ if error.is_retriable() => Next::Again,
        _ => Next::PutAside,
    }
}

struct Sender<'a> {
    config: ProducerConfig,
    producer: TextProducer,
    topic: &'a str,
    dead_letter_topic: &'a str,
    dead_letter_file: PathBuf,
    /// Called before a record is tried again.
    pause: Box<dyn Fn() + 'a>,
    sent: u32,
    put_aside: u32,
}

impl<'a> Sender<'a> {
    fn new(
        config: ProducerConfig,
        topics: [&'a str; 2],
        dead_letter_file: PathBuf,
    ) -> Result<Sender<'a>, Error> {
        let producer = TextProducer::builder(config.clone()).default_serializers().build()?;
        let ([topic, dead_letter_topic], pause) =
            (topics, Box::new(|| std::thread::sleep(Duration::from_secs(1))));
        Ok(Sender {
            config,
            producer,
            topic,
            dead_letter_topic,
            dead_letter_file,
            pause,
            sent: 0,
            put_aside: 0,
        })
    }

    /// One order, until it is in the log or put aside. An error ends the program; the order is not lost by it, since its
    /// source has not been told that it is done.
    fn deliver(&mut self, key: Option<&str>, order: &str) -> Result<(), AnyError> {
        for attempt in 1.. {
            let record = ProducerRecord::new(self.topic, order).with_optional_key(key);
            let error = match self.producer.send(&record).and_then(|future| future.get()) {
                Ok(metadata) => {
                    println!("{metadata}");
                    self.sent += 1;
                    return Ok(());
                }
                Err(error) => error,
            };
            match next(&error) {
                Next::End => return Err(error.into()),
                Next::AnotherProducer if attempt < TRIES => {
                    println!("with another producer: {error}");
                    let _ = self.producer.close_timeout(Duration::ZERO);
                    self.producer =
                        TextProducer::builder(self.config.clone()).default_serializers().build()?;
                }
                Next::Again if attempt < TRIES => {
                    println!("again: {error}");
                    (self.pause)();
                }
                _ => return self.put_aside(key, order, &error),
            }
        }
        Ok(())
    }

    fn put_aside(&mut self, key: Option<&str>, order: &str, error: &Error) -> Result<(), AnyError> {
        self.put_aside += 1;
        let code = error.code().map(|code| code.name());
        let record = ProducerRecord::new(self.dead_letter_topic, order)
            .with_optional_key(key)
            .with_header("original-topic", self.topic)
            .with_header("error-kind", error.kind().to_string())
            .with_header("error-code", code.unwrap_or("-"))
            .with_header("error", error.to_string())
            .with_header("possibly-written", error.possibly_written().to_string());
        let outcome = self.producer.send(record).and_then(|future| future.get());
        let again = match outcome {
            Ok(metadata) => {
                println!("put aside as {metadata}: {error}");
                return Ok(());
            }
            Err(again) => again,
        };
        println!("put into the file: {error}; and: {again}");
        let line = json!({
            "topic": self.topic,
            "key": key,
            "value": order,
            "error": error.to_string(),
            "possibly_written": error.possibly_written(),
        });
        let mut file = OpenOptions::new().create(true).append(true).open(&self.dead_letter_file)?;
        writeln!(file, "{line}")?;
        // In the file, and not in the system's memory.
        Ok(file.sync_data()?)
    }
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (servers, topics, file) = match arguments.as_slice() {
        [] => return demonstrate(),
        ["--bootstrap-servers", servers] => {
            (servers, ["orders", "orders.dead"], PathBuf::from("orders.dead.jsonl"))
        }
        [
            "--bootstrap-servers",
            servers,
            "--topic",
            topic,
            "--dead-letter-topic",
            dead,
            "--dead-letter-file",
            file,
        ] => (servers, [*topic, *dead], PathBuf::from(file)),
        _ => {
            let usage = "usage: dead_letter [--bootstrap-servers HOST:PORT,… [--topic TOPIC --dead-letter-topic TOPIC \
                         --dead-letter-file FILE]] with lines of KEY, a tab, and VALUE as its input";
            return Err(usage.into());
        }
    };
    // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let mut sender = Sender::new(ProducerConfig::new().bootstrap_servers(servers), topics, file)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (key, order) =
            line.split_once('\t').map_or((None, line.as_str()), |(key, order)| (Some(key), order));
        sender.deliver(key, order)?;
    }
    sender.producer.close()?;
    println!("{} sent, {} put aside", sender.sent, sender.put_aside);
    Ok(())
}

/// One order for each row of the policy, on a cluster that fails as it says.
fn demonstrate() -> Result<(), AnyError> {
    let cluster = EmbeddedCluster::builder().topic("orders", 1).topic("orders.dead", 1).start()?;
    let file = std::env::temp_dir().join(format!("kafka-producer-orders-{}.jsonl", std::process::id()));
    let shown = show(&cluster, &file);
    let in_file = std::fs::read_to_string(&file).unwrap_or_default();
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    shown?;
    println!("-- the dead letters");
    let text =
        |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    for letter in cluster.records("orders.dead") {
        let headers = letter.headers.iter().filter(|(name, _)| name != "error");
        let headers: Vec<String> = headers.map(|(name, value)| format!("{name}={}", text(value))).collect();
        println!("{}: {}", text(&letter.value), headers.join(", "));
    }
    println!("in the file: {} bytes in {} lines", in_file.len(), in_file.lines().count());
    Ok(())
}

fn show(cluster: &EmbeddedCluster, file: &std::path::Path) -> Result<(), AnyError> {
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .max_request_size(10_000)
        // Short, to be seen soon.
        .request_timeout(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(3));
    let mut sender = Sender::new(config, ["orders", "orders.dead"], file.to_owned())?;
    // Whatever it was has passed after the pause.
    sender.pause = Box::new(|| cluster.clear_faults());
    let on_orders = |fault: Fault| cluster.inject(fault.on_topic("orders"));

    sender.deliver(Some("anna"), "two apples")?;
    println!("-- the broker refuses the record");
    on_orders(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD));
    sender.deliver(Some("ben"), "a pear")?;
    println!("-- too few replicas, for longer than delivery.timeout.ms");
    on_orders(Fault::fail(Api::Produce, BrokerError::NOT_ENOUGH_REPLICAS).always());
    sender.deliver(Some("anna"), "a lemon")?;
    println!("-- written, and no answer");
    on_orders(Fault::drop_answer(Api::Produce).always());
    sender.deliver(Some("ben"), "a plum")?;
    cluster.clear_faults();
    println!("-- another producer has taken over");
    on_orders(Fault::fail(Api::Produce, BrokerError::PRODUCER_FENCED));
    sender.deliver(Some("anna"), "a lime")?;
    println!("-- too large for any topic");
    sender.deliver(Some("ben"), &"x".repeat(20_000))?;
    println!("-- no permission");
    on_orders(Fault::fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED));
    match sender.deliver(Some("anna"), "a quince") {
        Err(error) => println!("the program ends: {error}"),
        Ok(()) => return Err("it should have ended".into()),
    }
    println!("{} sent, {} put aside", sender.sent, sender.put_aside);
    Ok(sender.producer.close()?)
}
