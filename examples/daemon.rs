//! A daemon: sends until it is told to end, then ends within a bounded time and says what became of its records.
//!
//! ```text
//! cargo run --release --example daemon              # ends by Ctrl-C or `kill`
//! cargo run --release --example daemon -- --bootstrap-servers localhost:9092 --topic load --close-seconds 10
//! cargo run --release --example daemon -- --config /etc/load/producer.properties --topic load
//! ```
//!
//! - **SIGTERM, SIGINT**: no new records; those that were accepted are waited for, for `--close-seconds` at most. Also a
//!   `send` that waits for room (`max.block.ms`, a minute) ends at once.
//! - **SIGHUP**: keys and passwords are read again (`reload_credentials`), for certificates that were renewed.
//! - The exit status is 0 if everything was acknowledged and 1 if anything was lost, as the service manager's log tells.
//!
//! `examples/daemon.service` is the unit for systemd: it waits longer than `--close-seconds` before it kills.

use std::error::Error as StdError;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{ErrorKind, InterruptHandle, KafkaProducer, ProducerConfig, ProducerRecord};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

type AnyError = Box<dyn StdError>;

/// How often something is measured and sent.
const EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, AnyError> {
    let arguments = Arguments::parse()?;
    // Before anything that takes time: a signal that comes earlier ends the process at once, as it may.
    let orders = listen_to_signals()?;
    let (config, _cluster) = arguments.config()?;
    let producer = KafkaProducer::<str, str>::builder(config).default_serializers().build()?;
    println!("sending to {}", arguments.topic);

    let failed = Arc::new(AtomicU64::new(0));
    let mut refused = 0;
    for number in 0.. {
        match orders.recv_timeout(EVERY) {
            Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Order::Reload) => match producer.reload_credentials() {
                Ok(()) => println!("keys and passwords are read again"),
                Err(error) => eprintln!("the old keys and passwords stay: {error}"),
            },
            Err(RecvTimeoutError::Timeout) => {}
        }
        let failures = Arc::clone(&failed);
        let record = ProducerRecord::new(arguments.topic.as_str(), measure(number)).with_key("load");
        let sent = producer.send_with_callback(record, move |outcome| {
            if let Err(error) = outcome {
                failures.fetch_add(1, Ordering::Relaxed);
                eprintln!("lost: {error}");
            }
        });
        match sent {
            Ok(_) => {}
            // SIGTERM while it waited for room.
            Err(error) if error.kind() == ErrorKind::Interrupted => break,
            // A service manager starts it anew.
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => {
                refused += 1;
                eprintln!("not accepted: {error}");
            }
        }
    }

    println!("asked to end: records still to be acknowledged: {}", producer.in_flight());
    // The signal has interrupted this thread, too: what follows shall take its time.
    InterruptHandle::current().clear();
    let report = producer.close_timeout(arguments.close)?;
    println!("closed: {report}");
    let lost = failed.load(Ordering::Relaxed) + refused;
    Ok(if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a signal asks for.
enum Order {
    End,
    Reload,
}

/// A signal handler may do next to nothing: each writes a byte into its pipe, and threads that read these do the rest.
fn listen_to_signals() -> std::io::Result<Receiver<Order>> {
    let (orders, received) = mpsc::channel();
    let this_thread = InterruptHandle::current();
    for (signals, is_end) in [(&[SIGTERM, SIGINT][..], true), (&[SIGHUP], false)] {
        let (mut bytes, handler) = UnixStream::pair()?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, handler.try_clone()?)?;
        }
        let (orders, this_thread) = (orders.clone(), this_thread.clone());
        thread::spawn(move || {
            let mut interrupts = is_end;
            while bytes.read_exact(&mut [0]).is_ok() {
                // Before the order, and once: whoever has the order clears the interrupt and closes in peace, also if the signal
                // comes again.
                if std::mem::take(&mut interrupts) {
                    this_thread.interrupt();
                }
                let order = if is_end { Order::End } else { Order::Reload };
                if orders.send(order).is_err() {
                    return;
                }
            }
        });
    }
    Ok(received)
}

/// What there is to tell: here the system's load.
fn measure(number: u64) -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{number} {}", load.trim_end())
}

struct Arguments {
    servers: Option<String>,
    config: Option<String>,
    topic: String,
    close: Duration,
}

impl Arguments {
    fn parse() -> Result<Arguments, AnyError> {
        let (mut parsed, mut arguments) = (Arguments::default(), std::env::args().skip(1));
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--bootstrap-servers" => parsed.servers = Some(value()?),
                "--config" => parsed.config = Some(value()?),
                "--topic" => parsed.topic = value()?,
                "--close-seconds" => parsed.close = Duration::from_secs(value()?.parse()?),
                _ => return Err("usage: daemon [--bootstrap-servers HOST:PORT,…] [--config FILE] [--topic TOPIC] [--close-seconds N]".into()),
            }
        }
        Ok(parsed)
    }

    /// The settings, and the cluster of this process where none is named.
    fn config(&self) -> Result<(ProducerConfig, Option<EmbeddedCluster>), AnyError> {
        let config =
            self.config.as_ref().map_or_else(|| Ok(ProducerConfig::new()), ProducerConfig::from_file)?;
        if self.servers.is_some() || self.config.is_some() {
            // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
            env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
        }
        if let Some(servers) = &self.servers {
            return Ok((config.bootstrap_servers(servers), None));
        }
        if self.config.is_some() {
            return Ok((config, None));
        }
        let cluster = EmbeddedCluster::builder().topic(self.topic.as_str(), 1).start()?;
        Ok((config.bootstrap_servers(&cluster.bootstrap_servers()), Some(cluster)))
    }
}

impl Default for Arguments {
    fn default() -> Arguments {
        Arguments { servers: None, config: None, topic: String::from("load"), close: Duration::from_secs(10) }
    }
}
