//! `Measurements`: what of batches and of their requests goes into the metrics.
//!
//! Owns: which sensors an event is measured by, and a topic's sensors by the number of its partition. Must not know: why
//! something happened.
//! Holds: it is called for batches and requests, never for a record.
//! Source: Kafka's `Sender.SenderMetrics`; which metrics there are: `metrics/sensors.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accumulator::{DrainedBatch, ProducerBatch};
use crate::metrics::{Meter, Meters, NodeMeters, TopicSensors};

pub(super) struct Measurements {
    meters: Arc<Meters>,
    /// By the partition's number within the producer.
    topics: HashMap<usize, Arc<Meter<TopicSensors>>, foldhash::fast::FixedState>,
}

impl Measurements {
    pub(super) fn new(meters: Arc<Meters>) -> Measurements {
        Measurements { meters, topics: HashMap::default() }
    }

    /// These batches go with one request.
    pub(super) fn sent(&mut self, batches: &[DrainedBatch], now: Instant) {
        self.meters.produce.measure(now, |(sensors, latencies)| {
            let mut records = 0.0;
            for batch in batches {
                let waited = now.saturating_duration_since(batch.created);
                latencies.queue.add(waited, batch.count);
                sensors.batch_size.add(batch.bytes.len() as f64);
                sensors.compression_rate.add(f64::from(batch.compression_ratio));
                sensors.record_queue_time.add(millis(waited));
                sensors.record_size.add(batch.largest_record as f64);
                records += f64::from(batch.count);
            }
            sensors.records_per_request.add(records);
        });
        for batch in batches {
            let place = &batch.batch;
            let topic = self.topics.entry(place.index).or_insert_with(|| self.meters.topic(&place.topic));
            topic.measure(now, |sensors| {
                sensors.records.add(f64::from(batch.count));
                sensors.bytes.add(batch.bytes.len() as f64);
                sensors.compression_rate.add(f64::from(batch.compression_ratio));
            });
        }
    }

    /// A request was answered after this time, and throttled for so many milliseconds.
    /// The broker has sensors of its own while it is one.
    pub(super) fn answered(&self, took: Duration, throttled: i32, node: Option<&NodeMeters>, now: Instant) {
        self.meters.produce.measure(now, |(sensors, latencies)| {
            latencies.request.add(took, 1);
            sensors.request_latency.add(millis(took));
            sensors.produce_throttle_time.add(f64::from(throttled));
        });
        if let Some(node) = node {
            node.requests.measure(now, |sensors| sensors.request_latency.add(millis(took)));
        }
    }

    /// All of a batch is in the log.
    pub(super) fn acknowledged(&self, batch: &ProducerBatch, now: Instant) {
        let took = now.saturating_duration_since(batch.created());
        self.meters.produce.measure(now, |(sensors, latencies)| {
            latencies.acknowledgement.add(took, batch.count());
            sensors.acknowledgement_time.add(millis(took));
        });
    }

    /// A batch has to go again.
    pub(super) fn sent_again(&self, index: usize, count: u32, now: Instant) {
        let count = f64::from(count);
        self.meters.produce.measure(now, |(sensors, _)| sensors.record_retries.add(count));
        self.of_topic(index, now, |sensors| sensors.record_retries.add(count));
    }

    /// A batch has failed.
    pub(super) fn failed(&self, index: usize, count: u32, now: Instant) {
        let count = f64::from(count);
        self.meters.produce.measure(now, |(sensors, _)| sensors.record_errors.add(count));
        self.of_topic(index, now, |sensors| sensors.record_errors.add(count));
    }

    /// A batch was too large, and became several.
    pub(super) fn split(&self, now: Instant) {
        self.meters.produce.measure(now, |(sensors, _)| sensors.batch_splits.add(1.0));
    }

    /// These partitions are not used any more; their topics are not either, if no other is left.
    pub(super) fn forget(&mut self, partitions: &[usize]) {
        partitions.iter().for_each(|index| drop(self.topics.remove(index)));
        if !partitions.is_empty() {
            self.meters.forget_unused_topics();
        }
    }

    /// As in Java, a topic has metrics once something was sent to it.
    fn of_topic(&self, index: usize, now: Instant, measure: impl FnOnce(&mut TopicSensors)) {
        if let Some(topic) = self.topics.get(&index) {
            topic.measure(now, measure);
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
