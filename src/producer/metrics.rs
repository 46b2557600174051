//! `KafkaProducer::metrics`, and what the calls that wait measure.
//!
//! Owns: who measures which call. Must not know: how anything is measured.
//! Threads: any application thread. Nothing here blocks for longer than a copy of a few numbers.
//! Source: `KafkaProducer.metrics()`, `AppInfoParser`.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::metrics::{CallSensors, Measure, Metrics};
use crate::producer::{Core, KafkaProducer};
use crate::stage;
use crate::transaction::TransactionCall;

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// What this producer has measured so far, under the names that Kafka's own producer has for it.
    ///
    /// A snapshot: it does not change any more. Averages, maxima and rates cover the last `metrics.num.samples` windows of
    /// `metrics.sample.window.ms` each; totals count from the producer's creation. It can be taken on any thread, in a
    /// callback, and after `close`; it does not block, and does not hold up the producer's thread. In a forked child it is
    /// empty.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, Metric, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    ///
    /// let metrics = producer.metrics();
    /// let sent =
    ///     metrics.get("producer-topic-metrics", "record-send-total", &[("topic", "orders")]);
    /// assert_eq!(sent.and_then(Metric::number), Some(1.0));
    /// println!("{metrics}"); // a table of all of them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Core<K, V> {
    fn metrics(&self) -> Metrics {
        if self.process.is_another_process() {
            // Whoever had a lock when the process was forked is not here to give it back.
            return Metrics::default();
        }
        self.control.metrics(stage::now())
    }

    /// A record that `send` refuses has failed; not where the call came at the wrong time, or was told that it would wait.
    pub(super) fn count_refused(&self, error: &Error) {
        use ErrorKind::{Closed, Forked, IllegalState, InvalidArgument, WouldBlock};
        if !matches!(error.kind(), Closed | Forked | IllegalState | InvalidArgument | WouldBlock) {
            let meters = self.control.meters();
            meters.produce.measure(stage::now(), |(sensors, _)| sensors.record_errors.add(1.0));
        }
    }

    /// Measures what a call took.
    pub(super) fn timed<T>(&self, sensor: CallSensor, call: impl FnOnce() -> T) -> T {
        let begun = stage::now();
        let outcome = call();
        self.waited(sensor, stage::now().saturating_duration_since(begun));
        outcome
    }

    /// Measures for how long a call has waited; nothing where it has not, or where this is a forked child.
    pub(super) fn waited(&self, sensor: CallSensor, time: Duration) {
        if !time.is_zero() && !self.process.is_another_process() {
            let nanos = time.as_nanos() as f64;
            self.control.meters().calls.measure(stage::now(), |calls| sensor(calls).add(nanos));
        }
    }
}

/// Which of the sensors of calls.
pub(super) type CallSensor = fn(&mut CallSensors) -> &mut Measure;

/// By which sensor a call of transactions is measured.
pub(super) fn sensor_of(call: TransactionCall) -> CallSensor {
    match call {
        TransactionCall::Init | TransactionCall::InitKeepingPrepared => |calls| &mut calls.txn_init,
        TransactionCall::Prepare => |calls| &mut calls.txn_prepare,
        TransactionCall::Commit => |calls| &mut calls.txn_commit,
        TransactionCall::Abort => |calls| &mut calls.txn_abort,
    }
}
