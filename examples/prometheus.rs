//! Metrics for Prometheus: a page that it scrapes, on a thread of the program's own.
//!
//! ```text
//! cargo run --release --features prometheus --example prometheus              # scrapes itself once
//! cargo run --release --features prometheus --example prometheus -- 127.0.0.1:9464   # goes on, for a Prometheus of yours
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kafka_embedded::EmbeddedCluster;
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

/// Answers each request with the metrics as they are then. A program that has an HTTP server adds a route to it instead.
fn serve(listener: &TcpListener, producer: &KafkaProducer<str, str>) {
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(|stream| answer(stream, producer)) {
            eprintln!("a scrape failed: {error}");
        }
    }
}

fn answer(mut stream: TcpStream, producer: &KafkaProducer<str, str>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(16 * 1024)).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let text = producer.metrics().to_open_metrics();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
    let config =
        ProducerConfig::new().bootstrap_servers(&cluster.bootstrap_servers()).set("client.id", "shop");
    let producer = KafkaProducer::<str, str>::builder(config).default_serializers().build()?;

    let asked_for = std::env::args().nth(1);
    let listener = TcpListener::bind(asked_for.as_deref().unwrap_or("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let scraped = producer.clone();
    thread::spawn(move || serve(&listener, &scraped));
    eprintln!("metrics are at http://{address}/metrics");

    for number in 0..1000 {
        let record = ProducerRecord::new("orders", format!("order number {number}"));
        producer.send(record.with_key(format!("customer-{}", number % 100)))?;
    }
    producer.flush()?;
    while asked_for.is_some() {
        producer.send(ProducerRecord::new("orders", "one more"))?;
        thread::sleep(Duration::from_millis(100));
    }

    // What Prometheus would see.
    let mut scrape = TcpStream::connect(address)?;
    write!(scrape, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut page = String::new();
    scrape.read_to_string(&mut page)?;
    let (_, text) = page.split_once("\r\n\r\n").ok_or("no answer")?;
    print!("{text}");
    producer.close()?; // dropping it would not end it: the thread that serves has a handle as well
    Ok(())
}
