//! An HTTP service of handler threads that never waits for Kafka: `try_send`, and 503 when there is no room.
//!
//! ```text
//! cargo run --release --example http_server
//! cargo run --release --example http_server -- --bootstrap-servers localhost:9092 --topic events --listen 127.0.0.1:8080
//! curl -i -d 'user 7 logged in' http://127.0.0.1:8080/events
//! ```
//!
//! `send` waits for up to a minute (`max.block.ms`) when `buffer.memory` is full. In a handler that would hold a thread,
//! then all of them, and the service would not even answer that it is overloaded. `try_send` tells at once, and
//! the caller gets 503 with `Retry-After`. An event that was taken gets 202: it is in memory, not in the log yet. Outcomes
//! are counted by an interceptor, and `GET /health` tells them. Who needs to know of his own event may ask for `/events?wait`, which
//! answers 200 with the place in the log, and holds one thread for two seconds at most.
//!
//! Without arguments it is its own client, on an embedded cluster that falls silent for a while. On Ctrl-C or SIGTERM it
//! takes no more requests and closes the producer.

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, Fault};
use kafka_producer::{
    Acknowledgement, Error, ErrorKind, InterceptorError, KafkaProducer, ProducerConfig, ProducerInterceptor,
    ProducerRecord,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use tiny_http::{Header, Method, Request, Response, Server};

type AnyError = Box<dyn StdError + Send + Sync>;
type BytesProducer = KafkaProducer<str, [u8]>;

const HANDLERS: usize = 4;
/// What one caller may send.
const EVENT_BYTES: u64 = 64 * 1024;

/// What has become of the events.
#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    /// Answered with 503.
    turned_away: AtomicU64,
}

struct CountOutcomes(Arc<Counts>);

impl ProducerInterceptor<str, [u8]> for CountOutcomes {
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) -> Result<(), InterceptorError> {
        match acknowledgement.outcome() {
            Ok(_) => self.0.delivered.fetch_add(1, Ordering::Relaxed),
            // Also what try_send did not accept, which has been told to the caller.
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => {
                eprintln!("lost: {error}");
                self.0.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
        Ok(())
    }
}

struct Service {
    server: Server,
    producer: BytesProducer,
    topic: String,
    counts: Arc<Counts>,
}

impl Service {
    fn start(config: ProducerConfig, topic: &str, listen: &str) -> Result<Service, AnyError> {
        let counts = Arc::new(Counts::default());
        let builder = BytesProducer::builder(config).default_serializers();
        let producer = builder.interceptor(CountOutcomes(Arc::clone(&counts))).build()?;
        // Asks for the topic now: the first try_send would find nothing known of it, and the first caller a 503.
        producer.partitions_for(topic)?;
        Ok(Service { server: Server::http(listen)?, producer, topic: topic.to_owned(), counts })
    }

    fn address(&self) -> Option<SocketAddr> {
        self.server.server_addr().to_ip()
    }

    /// Handles requests on this thread and others until `stop`.
    fn run(&self) {
        thread::scope(|scope| {
            for _ in 0..HANDLERS {
                scope.spawn(|| {
                    // `unblock` ends one thread's wait.
                    while let Ok(request) = self.server.recv() {
                        self.handle(request);
                    }
                });
            }
        });
    }

    fn stop(&self) {
        (0..HANDLERS).for_each(|_| self.server.unblock());
    }

    fn handle(&self, mut request: Request) {
        let (status, text) = match (request.method(), request.url()) {
            (Method::Post, "/events") => self.take(&mut request, false),
            (Method::Post, "/events?wait") => self.take(&mut request, true),
            (Method::Get, "/health") => (200, self.health()),
            _ => (404, String::from("POST /events, POST /events?wait, GET /health\n")),
        };
        let mut response = Response::from_string(text).with_status_code(status);
        if status == 503
            && let Ok(header) = Header::from_bytes("Retry-After", "1")
        {
            response.add_header(header);
        }
        // The caller may have gone away.
        let _ = request.respond(response);
    }

    fn take(&self, request: &mut Request, wait: bool) -> (u16, String) {
        let mut event = Vec::new();
        match request.as_reader().take(EVENT_BYTES + 1).read_to_end(&mut event) {
            Ok(_) if event.len() as u64 > EVENT_BYTES => {
                return (413, format!("at most {EVENT_BYTES} bytes\n"));
            }
            Ok(_) => {}
            Err(error) => return (400, format!("{error}\n")),
        }
        let outcome = self.producer.try_send(ProducerRecord::new(self.topic.as_str(), event));
        match outcome.and_then(|future| wait.then(|| future.get_timeout(Duration::from_secs(2))).transpose())
        {
            Ok(None) => (202, String::from("taken\n")),
            Ok(Some(metadata)) => (200, format!("{metadata}\n")),
            Err(error) => (self.status(&error), format!("{error}\n")),
        }
    }

    /// What an error means to the caller.
    fn status(&self, error: &Error) -> u16 {
        match error.kind() {
            // Full, or nothing known of the topic: not accepted, and it may be sent again.
            ErrorKind::WouldBlock => {
                self.counts.turned_away.fetch_add(1, Ordering::Relaxed);
                503
            }
            ErrorKind::Closed => 503,
            ErrorKind::RecordTooLarge => 413,
            ErrorKind::InvalidRecord | ErrorKind::Serialization => 400,
            // It was taken, and whether it is in the log is not known (yet).
            ErrorKind::Timeout => 504,
            _ => 500,
        }
    }

    fn health(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "delivered {}, failed {}, turned away {}, in flight {}, buffered {} bytes\n",
            count(&self.counts.delivered),
            count(&self.counts.failed),
            count(&self.counts.turned_away),
            self.producer.in_flight(),
            self.producer.buffered_bytes()
        )
    }
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (servers, topic, listen) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return demonstrate(),
        ["--bootstrap-servers", servers] => (*servers, "events", "127.0.0.1:8080"),
        ["--bootstrap-servers", servers, "--topic", topic, "--listen", listen] => (*servers, *topic, *listen),
        _ => {
            let usage =
                "usage: http_server [--bootstrap-servers HOST:PORT,… [--topic TOPIC --listen HOST:PORT]]";
            return Err(usage.into());
        }
    };
    // What the producer has to say, for instance of a server that cannot be reached: RUST_LOG=debug for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    serve(&Service::start(ProducerConfig::new().bootstrap_servers(servers), topic, listen)?)
}

fn serve(service: &Service) -> Result<(), AnyError> {
    let (mut signals, handler) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, handler.try_clone()?)?;
    }
    if let Some(address) = service.address() {
        println!("listening on http://{address}");
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            // An error is no reason to go on without signals.
            let _ = signals.read_exact(&mut [0]);
            service.stop();
        });
        service.run();
    });
    let report = service.producer.close_timeout(Duration::from_secs(10))?;
    println!("closed: {report}; {}", service.health().trim_end());
    Ok(())
}

fn demonstrate() -> Result<(), AnyError> {
    let cluster = EmbeddedCluster::builder().topic("events", 1).start()?;
    // Little memory, so that it is full soon. 32 MB is the default.
    let config =
        ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers()).buffer_memory(128 * 1024);
    let service = Service::start(config, "events", "127.0.0.1:0")?;
    let address = service.address().ok_or("not listening on TCP")?;
    thread::scope(|scope| {
        scope.spawn(|| service.run());
        let outcome = be_the_client(address, &cluster);
        service.stop();
        outcome
    })?;
    service.producer.close()?;
    let (health, stored) = (service.health(), cluster.records("events").len());
    println!("at the end: {}; {stored} in the log", health.trim_end());
    let taken = service.counts.delivered.load(Ordering::Relaxed);
    if taken == stored as u64 { Ok(()) } else { Err("events were lost".into()) }
}

fn be_the_client(address: SocketAddr, cluster: &EmbeddedCluster) -> Result<(), AnyError> {
    println!("an event: {}", ask(address, "POST /events", b"user 7 logged in")?);
    println!("one that is waited for: {}", ask(address, "POST /events?wait", b"user 8 logged in")?);
    println!("one that is too large: {}", ask(address, "POST /events", &[b'x'; EVENT_BYTES as usize + 1])?);

    println!("-- the broker is slow");
    cluster.inject(Fault::delay(Api::Produce, Duration::from_secs(5)));
    let mut taken = 0;
    let refused = loop {
        let answer = ask(address, "POST /events", &[b'x'; 10_000])?;
        if !answer.starts_with("202") {
            break answer;
        }
        taken += 1;
    };
    println!("{taken} events taken, then: {refused}");
    println!("its health: {}", ask(address, "GET /health", b"")?);

    println!("-- and quick again");
    while ask(address, "POST /events", b"user 9 logged in")?.starts_with("503") {
        thread::sleep(Duration::from_millis(100));
    }
    println!("taken again");
    Ok(())
}

/// One request; the answer's status, its `Retry-After` and its text, on one line.
fn ask(address: SocketAddr, what: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let retry = answer.lines().find(|line| line.starts_with("Retry-After")).map(|line| format!(" ({line})"));
    let text = answer.lines().last().unwrap_or_default();
    Ok(format!("{status}{} {text}", retry.unwrap_or_default()))
}
