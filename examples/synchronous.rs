//! Synchronous: wait for the answer after each `send`, and decide by the error what to do next.
//!
//! ```text
//! cargo run --release --example synchronous
//! ```
//!
//! The right way where each record matters by itself and there are few of them. In a loop it is slow, since each turn
//! waits for a whole round trip; `three_ways` shows by how much.

use std::thread;
use std::time::Duration;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, RecordMetadata};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("payments", 3).start()?;
    let config = ProducerConfig::new()
        .bootstrap_servers(&cluster.bootstrap_servers())
        .key_serializer("StringSerializer")
        .value_serializer("StringSerializer")
        .max_request_size(10_000)
        .delivery_timeout(Duration::from_secs(3))
        .request_timeout(Duration::from_secs(2));
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;

    let metadata = pay(&producer, "alice", "12.50")?;
    println!("paid: {metadata}, {} bytes of value", metadata.serialized_value_size().unwrap_or(0));

    // A broker that says "not me" is not an error that you see: the producer asks who is the leader, and sends again.
    cluster.fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER, 1);
    let metadata = pay(&producer, "bob", "7.00")?;
    println!("paid: {metadata}, after a retry that nobody noticed");

    // Not accepted: nothing was sent. Given as a reference, the record stays ours.
    let huge = ProducerRecord::new("payments", "9".repeat(20_000)).with_key("carol");
    let refused = producer.send(&huge).err().ok_or("this record should have been too large")?;
    println!("not accepted: {refused}");
    println!("the record is still ours: {} bytes of value", huge.value().len());

    // Accepted and sent, but every answer gets lost: the record may be in the log.
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    report(pay(&producer, "dave", "3.20"))?;
    cluster.clear_faults();

    // Accepted, but there is no broker to send it to.
    for broker in 1..=3 {
        cluster.stop_broker(broker);
    }
    thread::sleep(Duration::from_millis(500)); // a moment for the producer to see that its connections are gone
    report(pay(&producer, "erin", "5.00"))?;

    producer.close()?;
    Ok(())
}

/// What a failure means for the one who pays.
fn report(outcome: Result<RecordMetadata, Error>) -> Result<(), Box<dyn std::error::Error>> {
    match outcome {
        Ok(metadata) => return Err(format!("paid {metadata}, although no answer can have come").into()),
        Err(error) if error.possibly_written() => println!("look into the log before paying again: {error}"),
        Err(error) if error.kind() == ErrorKind::Timeout => println!("not paid, to be tried again: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The whole of synchronous sending: `send` says whether the record was accepted, `get` waits for the outcome.
fn pay(producer: &KafkaProducer<str, str>, who: &str, amount: &str) -> Result<RecordMetadata, Error> {
    let record = ProducerRecord::new("payments", amount).with_key(who).with_header("currency", "EUR");
    // `who` and `amount` may live shorter than the producer: nothing of them is kept after `send`.
    producer.send(record)?.get()
}
