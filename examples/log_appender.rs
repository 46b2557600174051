//! A logger for the crate `log` that sends each line to a topic: without recursion, though the producer logs too, and without
//! ever making the program wait.
//!
//! ```text
//! cargo run --release --example log_appender
//! cargo run --release --example log_appender -- --bootstrap-servers localhost:9092 --topic logs
//! ```
//!
//! - **No recursion.** What the producer itself logs (targets `kafka_producer…`) does not go to Kafka but to stderr: "the
//!   connection is lost" would be sent over the lost connection, fail, be logged … And what is logged by whoever is
//!   asked while a line is being sent (a serializer, an interceptor) goes to stderr as well.
//! - **No waiting.** `try_send`: where there is no room, because the brokers are down or slow, the line is left out
//!   and counted. So is one whose outcome is an error. The next line that gets through says how many are missing.
//! - **Nothing is lost at the end**: a `static` is never dropped, so the program calls `log::logger().flush()` before it exits.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{
    Acknowledgement, InterceptorError, KafkaProducer, ProducerConfig, ProducerInterceptor, ProducerRecord,
};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::json;

type AnyError = Box<dyn std::error::Error>;

static APPENDER: OnceLock<KafkaAppender> = OnceLock::new();

thread_local! {
    /// This thread is sending a line: whatever is logged meanwhile is about that.
    static SENDING: Cell<bool> = const { Cell::new(false) };
}

struct KafkaAppender {
    producer: KafkaProducer<str, str>,
    topic: String,
    missing: Arc<Missing>,
    /// What the producer itself has logged.
    producers_own: AtomicU64,
}

/// The lines that are not in the topic: those that `try_send` refused, and those whose outcome is an error.
#[derive(Default)]
struct Missing {
    /// Not told of yet.
    untold: AtomicU64,
    in_all: AtomicU64,
}

struct CountMissing(Arc<Missing>);

impl ProducerInterceptor<str, str> for CountMissing {
    fn on_acknowledgement(&self, line: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        if line.outcome().is_err() {
            self.0.untold.fetch_add(1, Ordering::Relaxed);
            self.0.in_all.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl KafkaAppender {
    /// Makes the logger of this process. What is logged before is not heard.
    fn install(
        config: ProducerConfig,
        topic: &str,
        level: LevelFilter,
    ) -> Result<&'static KafkaAppender, AnyError> {
        // A logger waits for nothing, but the first line needs the topic's partitions: this long for them, at the start.
        let config = config.client_id("log-appender").max_block(Duration::from_secs(5));
        let missing = Arc::new(Missing::default());
        let builder = KafkaProducer::builder(config).default_serializers();
        let producer = builder.interceptor(CountMissing(Arc::clone(&missing))).build()?;
        if let Err(error) = producer.partitions_for(topic) {
            eprintln!("lines are left out until Kafka can be reached: {error}");
        }
        let (topic, producers_own) = (topic.to_owned(), AtomicU64::new(0));
        let appender = KafkaAppender { producer, topic, missing, producers_own };
        let appender = APPENDER.get_or_init(|| appender);
        log::set_logger(appender).map_err(|error| error.to_string())?;
        log::set_max_level(level);
        Ok(appender)
    }

    /// The line, with how many before it are missing.
    fn send(&self, record: &Record<'_>) {
        let untold = self.missing.untold.swap(0, Ordering::Relaxed);
        let mut line = json!({
            "level": record.level().as_str(),
            "target": record.target(),
            "thread": thread::current().name(),
            "message": record.args().to_string(),
        });
        if untold > 0 {
            line["missing_before"] = untold.into();
        }
        let sent = self.producer.try_send(ProducerRecord::new(self.topic.as_str(), line.to_string()));
        if let Err(error) = sent {
            // It is counted; the others are still untold.
            self.missing.untold.fetch_add(untold, Ordering::Relaxed);
            if untold == 0 {
                eprintln!("log lines are left out: {error}");
            }
        }
    }
}

impl Log for KafkaAppender {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let is_the_producers = record.target().split("::").next() == Some("kafka_producer");
        self.producers_own.fetch_add(u64::from(is_the_producers), Ordering::Relaxed);
        if is_the_producers || SENDING.get() {
            if record.level() <= Level::Warn {
                eprintln!("{} {}: {}", record.level(), record.target(), record.args());
            }
            return;
        }
        SENDING.set(true);
        self.send(record);
        SENDING.set(false);
    }

    /// Waits for what was taken, for five seconds at most.
    fn flush(&self) {
        if let Err(error) = self.producer.flush_timeout(Duration::from_secs(5)) {
            eprintln!("log lines may be missing: {error}");
        }
    }
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (servers, topic) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return demonstrate(),
        ["--bootstrap-servers", servers] => (*servers, "logs"),
        ["--bootstrap-servers", servers, "--topic", topic] => (*servers, *topic),
        _ => return Err("usage: log_appender [--bootstrap-servers HOST:PORT,… [--topic TOPIC]]".into()),
    };
    let config = ProducerConfig::new().bootstrap_servers(servers);
    let appender = KafkaAppender::install(config, topic, LevelFilter::Info)?;
    work("a program", 100);
    log::logger().flush();
    println!("100 lines logged, {} left out", appender.missing.in_all.load(Ordering::Relaxed));
    Ok(())
}

/// The program: it knows nothing of Kafka.
fn work(what: &str, lines: u32) {
    for number in 0..lines {
        log::info!("{what} has done {number}");
    }
}

fn demonstrate() -> Result<(), AnyError> {
    let cluster = EmbeddedCluster::builder().topic("logs", 1).start()?;
    // Little memory, so that it is full soon.
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .buffer_memory(64 * 1024)
        .max_request_size(32 * 1024)
        .reconnect_backoff_max(Duration::from_millis(100));
    let appender = KafkaAppender::install(config, "logs", LevelFilter::Debug)?;
    let left_out = || appender.missing.in_all.load(Ordering::Relaxed);

    work("the program", 100);
    log::logger().flush();
    println!("100 lines logged, {} in the topic, {} left out", cluster.records("logs").len(), left_out());

    cluster.stop_broker(1);
    work("without brokers it", 2000);
    println!("2000 more without a broker, and the program did not wait: {} left out", left_out());

    cluster.start_broker(1)?;
    log::logger().flush();
    log::info!("the broker is back");
    log::logger().flush();
    let lines = cluster.records("logs");
    println!("in all 2101 lines logged, {} in the topic, {} left out", lines.len(), left_out());

    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    let lines: Vec<String> = lines.iter().filter_map(|line| line.value.as_deref().map(text)).collect();
    println!("the first line: {}", lines.first().ok_or("none")?);
    println!("the last line: {}", lines.last().ok_or("none")?);
    let own = lines.iter().filter(|line| line.contains("kafka_producer")).count();
    let heard = appender.producers_own.load(Ordering::Relaxed);
    println!("the producer has logged as well: {}; {own} of that in the topic", heard > 0);
    if lines.len() as u64 + left_out() == 2101 && own == 0 { Ok(()) } else { Err("lines are missing".into()) }
}
