//! Why `get()` after each `send` is the slow way, seen and not told: 100 records each way to a cluster whose answers
//! take 10 ms, as over a long line.
//!
//! ```text
//! cargo run --release --example three_ways
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kafka_embedded::{Api, EmbeddedCluster};
use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};

const RECORDS: usize = 100;
const ANSWER_DELAY: Duration = Duration::from_millis(10);

type Producer = KafkaProducer<str, str>;
type Outcome = Result<(), Box<dyn std::error::Error>>;
type Way = fn(&Producer) -> Outcome;

fn main() -> Outcome {
    let cluster =
        EmbeddedCluster::builder().brokers(3).topic("test", 6).answer_delay(ANSWER_DELAY).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("StringSerializer");
    let producer = Producer::new(config)?;
    // Connections and metadata take a few round trips, once: they shall not count for the first way.
    producer.send(ProducerRecord::new("test", "warm-up"))?.get()?;

    println!(
        "{RECORDS} records each way; every answer of the brokers takes {} ms.\n",
        ANSWER_DELAY.as_millis()
    );
    println!("{:<46}  {:>8}  {:>8}", "way", "time", "requests");
    let ways: [(&str, Way); 3] = [
        ("fire and forget: send_and_forget ..., flush", fire_and_forget),
        ("callbacks: send_with_callback ..., flush", callbacks),
        ("synchronous: send, get, send, get, ...", synchronous),
    ];
    for (name, way) in ways {
        let (start, requests) = (Instant::now(), cluster.requests(Api::Produce));
        way(&producer)?;
        let requests = cluster.requests(Api::Produce) - requests;
        println!("{name:<46}  {:>5} ms  {requests:>8}", start.elapsed().as_millis());
    }
    println!(
        "\nThe first two pay for one round trip, since their records travel together; the last pays for {RECORDS}."
    );
    println!("To have every outcome at that price, keep the futures and call wait_all() after the loop.");
    producer.close()?;

    let stored = cluster.records("test").len();
    if stored != 1 + 3 * RECORDS { Err(format!("{stored} records in the log").into()) } else { Ok(()) }
}

fn fire_and_forget(producer: &Producer) -> Outcome {
    for number in 0..RECORDS {
        producer.send_and_forget(ProducerRecord::new("test", number.to_string()))?;
    }
    producer.flush()?;
    Ok(())
}

fn callbacks(producer: &Producer) -> Outcome {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for number in 0..RECORDS {
        let acknowledged = Arc::clone(&acknowledged);
        producer.send_with_callback(ProducerRecord::new("test", number.to_string()), move |outcome| {
            acknowledged.fetch_add(usize::from(outcome.is_ok()), Ordering::Relaxed);
        })?;
    }
    producer.flush()?;
    match acknowledged.load(Ordering::Relaxed) {
        RECORDS => Ok(()),
        other => Err(format!("only {other} of {RECORDS} acknowledged").into()),
    }
}

fn synchronous(producer: &Producer) -> Outcome {
    for number in 0..RECORDS {
        producer.send(ProducerRecord::new("test", number.to_string()))?.get()?;
    }
    Ok(())
}
