//! client-confluent-kafka: the work of the benchmark by confluent-kafka, Java's client translated.
//!
//! `send` with slices, which it copies into its batch as ours does, and a callback for each record. A callback is a box there; one
//! that has captured nothing is none on the heap, so only each 64th, which knows when its record was sent, is allocated.

#[path = "../../async_client.rs"]
mod async_client;

use std::collections::HashMap;
use std::time::Instant;

use confluent_kafka::common::Error;
use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, RecordMetadata,
};
use kafka_producer_benchmark_work::Failure;
use kafka_producer_benchmark_work::work::Work;

use crate::async_client::{AsyncClient, KeyAndValue, TOLD};

fn main() -> Result<(), Failure> {
    async_client::run::<ConfluentClient>("1.0.0")
}

struct ConfluentClient {
    producer: KafkaProducer<Vec<u8>, Vec<u8>>,
    topic: String,
}

impl ConfluentClient {
    fn record(&self, (key, value): KeyAndValue) -> ProducerRecord<&'static [u8], &'static [u8]> {
        ProducerRecord::with_key(self.topic.clone(), key, Some(value))
    }
}

impl AsyncClient for ConfluentClient {
    type Kept = ();

    async fn start(work: &Work) -> Result<Self, Failure> {
        let config = ProducerConfig::new(&properties(work))?;
        let producer = KafkaProducer::new(config, ByteArraySerializer::new(), ByteArraySerializer::new())?;
        Ok(ConfluentClient { producer, topic: work.topic.clone() })
    }

    async fn ask_for_the_topic(&self) -> Result<(), Failure> {
        self.producer.partitions_for(&self.topic).await?;
        Ok(())
    }

    async fn queue(&self, record: KeyAndValue, sent: Option<Instant>, (): &mut ()) -> Result<(), Failure> {
        let callback: Box<dyn Callback> = match sent {
            None => Box::new(CountedOutcome),
            Some(sent) => Box::new(TimedOutcome(sent)),
        };
        self.producer.send(self.record(record), Some(callback)).await?;
        Ok(())
    }

    /// `flush` waits for the callbacks.
    async fn settle(&self, (): &mut ()) -> Result<(), Failure> {
        Ok(())
    }

    async fn send(&self, record: KeyAndValue) -> Result<(), Failure> {
        self.producer.send(self.record(record), None).await?.get().await?;
        Ok(())
    }

    async fn flush(&self) -> Result<(), Failure> {
        Ok(self.producer.flush().await?)
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(self.producer.close().await?)
    }
}

/// Counts.
struct CountedOutcome;

/// Counts, and takes the time.
struct TimedOutcome(Instant);

impl Callback for CountedOutcome {
    fn on_completion(self: Box<Self>, _: Option<&RecordMetadata>, error: Option<&Error>) {
        tell(error, None);
    }
}

impl Callback for TimedOutcome {
    fn on_completion(self: Box<Self>, _: Option<&RecordMetadata>, error: Option<&Error>) {
        tell(error, Some(self.0));
    }
}

fn tell(error: Option<&Error>, sent: Option<Instant>) {
    match error {
        None => TOLD.success(sent),
        Some(error) => TOLD.failure(error),
    }
}

/// Java's names and values.
fn properties(work: &Work) -> HashMap<String, String> {
    let (batch_size, idempotent) = (work.batch_size.to_string(), work.idempotent.to_string());
    let linger = work.linger_of_peers().to_string();
    let fixed = [
        ("bootstrap.servers", work.address.as_str()),
        ("acks", "all"),
        ("enable.idempotence", &idempotent),
        ("linger.ms", &linger),
        ("batch.size", &batch_size),
        ("buffer.memory", "67108864"),
        ("max.request.size", "2097152"), // room for a batch of 1 MiB and its request
        ("max.in.flight.requests.per.connection", "5"),
        ("compression.type", &work.codec),
        ("partitioner.type", "Murmur2RandomPartitioner"), // its own default is librdkafka's, CRC-32
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.into_iter().chain(work.properties.iter().cloned()).collect()
}
