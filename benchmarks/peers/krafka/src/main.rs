//! client-krafka: the work of the benchmark by krafka.
//!
//! `enqueue` with the bytes as they lie, which it takes without a copy. The handle of each record is kept, and awaited when 32,768
//! more were queued by all callers: of krafka's two ways to be told outcomes (the other is an interceptor) the faster one.

#[path = "../../async_client.rs"]
mod async_client;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_producer_benchmark_work::Failure;
use kafka_producer_benchmark_work::work::Work;
use krafka::producer::{Acks, DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};

use crate::async_client::{AsyncClient, KeyAndValue, TOLD};

/// How many handles all callers keep before the first one is awaited.
const KEPT: usize = 32_768;

fn main() -> Result<(), Failure> {
    async_client::run::<KrafkaClient>("0.28.1")
}

struct KrafkaClient {
    producer: Producer,
    topic: String,
    /// How many handles each caller keeps.
    kept: usize,
}

impl KrafkaClient {
    fn record(&self, (key, value): KeyAndValue) -> Record {
        let record = Record::new(self.topic.as_str(), Bytes::from_static(value));
        match key {
            None => record,
            Some(key) => record.key(Bytes::from_static(key)),
        }
    }
}

impl AsyncClient for KrafkaClient {
    type Kept = VecDeque<DeliveryHandle>;

    /// Its linger is 0 where single records are waited for: there it would wait in vain. How many requests are in flight cannot be
    /// set; they are 5 at a broker, and one batch of a partition.
    async fn start(work: &Work) -> Result<Self, Failure> {
        if !work.properties.is_empty() {
            return Err(format!("it takes no properties: {:?}", work.properties).into());
        }
        let kafka = Kafka::builder(work.address.as_str()).connect().await?;
        let producer = kafka.producer();
        let producer = producer
            .acks(Acks::All)
            .idempotent(work.idempotent)
            .linger(Duration::from_millis(work.linger_of_peers()))
            .batch_size(work.batch_size)
            .buffer_memory(64 << 20)
            .max_request_size(2 << 20)
            .compression(compression(&work.codec)?)
            .metrics_push(false)
            .build()
            .await?;
        Ok(KrafkaClient { producer, topic: work.topic.clone(), kept: KEPT / work.threads.max(1) })
    }

    async fn ask_for_the_topic(&self) -> Result<(), Failure> {
        self.producer.partitions_for(&self.topic).await?;
        Ok(())
    }

    async fn queue(
        &self,
        record: KeyAndValue,
        _: Option<Instant>,
        kept: &mut Self::Kept,
    ) -> Result<(), Failure> {
        if kept.len() >= self.kept
            && let Some(oldest) = kept.pop_front()
        {
            tell(oldest).await;
        }
        kept.push_back(self.producer.enqueue(self.record(record)).await?);
        Ok(())
    }

    async fn settle(&self, kept: &mut Self::Kept) -> Result<(), Failure> {
        for handle in kept.drain(..) {
            tell(handle).await;
        }
        Ok(())
    }

    async fn send(&self, record: KeyAndValue) -> Result<(), Failure> {
        let _ = self.producer.send(self.record(record)).await?;
        Ok(())
    }

    async fn flush(&self) -> Result<(), Failure> {
        Ok(self.producer.flush().await?)
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(self.producer.close().await?)
    }
}

/// When an outcome came cannot be seen by who asks later, so that no times are taken.
async fn tell(handle: DeliveryHandle) {
    match handle.await {
        Ok(_) => TOLD.success(None),
        Err(error) => TOLD.failure(&error),
    }
}

fn compression(codec: &str) -> Result<Compression, Failure> {
    match codec {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd),
        _ => Err(format!("no codec \"{codec}\"").into()),
    }
}
