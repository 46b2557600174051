//! A window of futures: many records on their way at once, their outcomes one after another in the order of `send`.
//!
//! ```text
//! cargo run --release --example window
//! cargo run --release --example window -- --bootstrap-servers localhost:9092 --topic test
//! ```
//!
//! For a program that reads from something with positions (a file, a queue, another log) and may say "done up to here" only
//! when everything before is in the log. Waiting for each record costs a round trip each; waiting for all at the end
//! keeps a future of each in memory and says nothing until then. The window does neither: at most so many records are
//! outstanding, and the oldest is waited for before another is sent.
//!
//! When one fails, the position stays before it. What was sent after it may be in the log, and is sent again when the
//! program goes on from there: at least once.

use std::collections::VecDeque;
use std::time::Instant;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{Error, KafkaProducer, ProducerConfig, ProducerRecord, RecordFuture};

type AnyError = Box<dyn std::error::Error>;
type TextProducer = KafkaProducer<str, str>;

const LINES: usize = 10_000;
/// Enough for the batches that are filled and on their way. With more nothing gets faster; with few the brokers have to wait.
const WINDOW: usize = 1000;

/// The records that are on their way, the oldest first, each with where it came from.
struct Window {
    outstanding: VecDeque<(usize, RecordFuture)>,
    limit: usize,
    /// Everything before this is acknowledged.
    done: usize,
}

impl Window {
    fn from(position: usize, limit: usize) -> Window {
        Window { outstanding: VecDeque::with_capacity(limit), limit, done: position }
    }

    /// Takes a record in; waits for the oldest one if there are too many. An error is always that of `done`, the oldest
    /// that is not acknowledged.
    fn push(&mut self, position: usize, future: RecordFuture) -> Result<(), Error> {
        self.outstanding.push_back((position, future));
        while self.outstanding.len() > self.limit {
            self.wait_for_oldest()?;
        }
        Ok(())
    }

    fn wait_for_all(&mut self) -> Result<(), Error> {
        while !self.outstanding.is_empty() {
            self.wait_for_oldest()?;
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<(), Error> {
        if let Some((position, future)) = self.outstanding.pop_front() {
            // While it waits the records behind it travel on.
            if let Err(error) = future.get() {
                // Outcomes of what came after it move no position any more.
                self.outstanding.clear();
                return Err(error);
            }
            self.done = position + 1;
        }
        Ok(())
    }
}

/// Sends the lines from `from` on. Returns up to where they are in the log, and why it went no further.
fn copy(producer: &TextProducer, topic: &str, lines: &[String], from: usize) -> (usize, Result<(), Error>) {
    let mut window = Window::from(from, WINDOW);
    let sent = lines.iter().enumerate().skip(from).try_for_each(|(position, line)| {
        let record = ProducerRecord::new(topic, line).with_key(line);
        window.push(position, producer.send(record)?)
    });
    // Also after a record that was not accepted: those before it count.
    let waited = window.wait_for_all();
    (window.done, sent.and(waited))
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let lines: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    let (servers, topic) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return demonstrate(&lines),
        ["--bootstrap-servers", servers] => (*servers, "test"),
        ["--bootstrap-servers", servers, "--topic", topic] => (*servers, *topic),
        _ => return Err("usage: window [--bootstrap-servers HOST:PORT,… [--topic TOPIC]]".into()),
    };
    // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let producer = TextProducer::connect(servers)?;
    let (start, (done, outcome)) = (Instant::now(), copy(&producer, topic, &lines, 0));
    println!("lines before {done} are in the log, after {} ms", start.elapsed().as_millis());
    Ok(outcome.and_then(|()| producer.close())?)
}

fn demonstrate(lines: &[String]) -> Result<(), AnyError> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 6).start()?;
    let config = ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers());
    let producer = TextProducer::builder(config).default_serializers().build()?;

    // A batch in the middle is refused.
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).skip(5));
    let (done, outcome) = copy(&producer, "test", lines, 0);
    let Err(error) = outcome else { return Err("the fault was not seen".into()) };
    println!("stopped: {error}");
    println!("lines before {done} are in the log");

    let (end, outcome) = copy(&producer, "test", lines, done);
    outcome?;
    println!("went on from there: lines before {end} are in the log");
    producer.close()?;

    let records = cluster.records("test");
    let stored: std::collections::HashSet<_> =
        records.iter().filter_map(|record| record.value.as_deref()).collect();
    println!(
        "{} of {LINES} lines in the log, {} of them once more",
        stored.len(),
        records.len() - stored.len()
    );
    if lines.iter().all(|line| stored.contains(line.as_bytes())) {
        Ok(())
    } else {
        Err("lines were lost".into())
    }
}
