//! `wait_all`: the outcomes of many records.
//!
//! Owns: the order in which they are waited for. Must not know: batches, brokers.
//! Threads: the caller's. Locks: none.
//! Holds: each record has one outcome here; an interrupt is told in between and skips nobody.

use std::borrow::Borrow;
use std::fmt;

use crate::completion::RecordFuture;
use crate::error::{Error, ErrorKind};
use crate::record::RecordMetadata;

/// Waits for many records: an iterator of their outcomes, in the order of the futures. Takes futures or references to them.
///
/// The call itself ends the `linger.ms` of all their batches; each step of the iterator blocks as
/// [`RecordFuture::get`] does. An interrupt is one more item, an error of kind [`Interrupted`](ErrorKind::Interrupted); the
/// next item is then the outcome of the record that was waited for.
///
/// ```
/// use kafka_embedded::EmbeddedCluster;
/// use kafka_producer::{KafkaProducer, ProducerRecord, wait_all};
///
/// let cluster = EmbeddedCluster::builder().topic("orders", 3).start()?;
/// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
///
/// // Send all of them first, then wait: one round trip, not a hundred.
/// let mut futures = Vec::new();
/// for number in 0..100 {
///     futures
///         .push(producer.send(ProducerRecord::new("orders", format!("order {number}")))?);
/// }
/// let failed = wait_all(&futures).filter(|outcome| outcome.is_err()).count();
/// assert_eq!(failed, 0);
///
/// // Or: all of them, or the first error.
/// let places = wait_all(futures).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(places.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_all<I>(futures: I) -> Outcomes<I::Item>
where
    I: IntoIterator<Item: Borrow<RecordFuture>>,
{
    let futures: Vec<I::Item> = futures.into_iter().collect();
    futures.iter().for_each(|future| future.borrow().end_linger());
    Outcomes { futures: futures.into_iter(), asked: None }
}

/// The outcomes of many records: see [`wait_all`].
#[must_use = "nothing is waited for before the outcomes are asked for"]
pub struct Outcomes<F> {
    futures: std::vec::IntoIter<F>,
    /// The one whose wait was interrupted.
    asked: Option<F>,
}

impl<F: Borrow<RecordFuture>> Iterator for Outcomes<F> {
    type Item = Result<RecordMetadata, Error>;

    fn next(&mut self) -> Option<Result<RecordMetadata, Error>> {
        let future = self.asked.take().or_else(|| self.futures.next())?;
        let outcome = future.borrow().get();
        if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
            self.asked = Some(future);
        }
        Some(outcome)
    }
}

impl<F> fmt::Debug for Outcomes<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.futures.len() + usize::from(self.asked.is_some());
        f.debug_struct("Outcomes").field("left", &left).finish()
    }
}
