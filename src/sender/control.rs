//! `Control`: how a producer's handles and its sender thread end it, and what they count.
//!
//! Owns: all changes of the producer's `Lifecycle`, the counts of outcomes; it has the transaction for both sides. Must not know: either side.
//! Threads: any. Nothing here blocks.
//! Holds: threads that wait for memory or metadata when the producer stops being open are sent away; later ones are
//! refused.

use std::sync::Arc;
use std::time::Instant;

use crate::accumulator::RecordAccumulator;
use crate::error::Error;
use crate::lifecycle::{CloseDeadline, Lifecycle};
use crate::metadata::Metadata;
use crate::metrics::{LookedUp, Meters, Metrics};
use crate::sender::client_instance::ClientInstance;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::transaction::TransactionCalls;

pub(crate) struct Control {
    lifecycle: Arc<Lifecycle>,
    accumulator: Arc<RecordAccumulator>,
    metadata: Arc<Metadata>,
    transactions: Arc<TransactionCalls>,
    meters: Arc<Meters>,
    instance: ClientInstance,
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) abandoned: AtomicU64,
}

/// How many records had which outcome, since the producer was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) abandoned: u64,
}

impl Control {
    pub(super) fn new(
        accumulator: Arc<RecordAccumulator>,
        metadata: Arc<Metadata>,
        transactional_id: Option<Arc<str>>,
        meters: Arc<Meters>,
        instance: ClientInstance,
    ) -> Control {
        let lifecycle = Arc::clone(accumulator.lifecycle());
        let transactions = Arc::new(TransactionCalls::new(transactional_id, Arc::clone(&lifecycle)));
        accumulator.turn_queues(transactions.turn());
        let (delivered, failed, abandoned) = Default::default();
        Control {
            lifecycle,
            accumulator,
            metadata,
            transactions,
            meters,
            instance,
            delivered,
            failed,
            abandoned,
        }
    }

    /// The transaction as callers and the sender see it.
    pub(crate) fn transactions(&self) -> &Arc<TransactionCalls> {
        &self.transactions
    }

    /// What both sides measure.
    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// What was measured so far, and what can be looked up now. The sender does not wait for its reader.
    pub(crate) fn metrics(&self, now: Instant) -> Metrics {
        let (pool, meters) = (self.accumulator.pool(), &self.meters);
        let looked_up = LookedUp {
            waiting_threads: pool.waiting_threads(),
            buffer_total_bytes: pool.total(),
            buffer_available_bytes: pool.free(),
            metadata_age: self.metadata.refreshed().map(|at| now.saturating_duration_since(at)),
            requests_in_flight: meters.requests_in_flight.load(Ordering::Relaxed),
            connection_count: meters.connection_count(now),
        };
        meters.read(now, &looked_up)
    }

    /// The id that brokers know this producer's telemetry by.
    pub(crate) fn instance(&self) -> &ClientInstance {
        &self.instance
    }

    pub(super) fn accumulator(&self) -> &Arc<RecordAccumulator> {
        &self.accumulator
    }

    pub(super) fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The error after which nothing can be sent any more.
    pub(super) fn fatal(&self) -> Option<Error> {
        self.lifecycle.fatal()
    }

    /// Asks the sender to end: once everything is answered, or at the deadline.
    pub(crate) fn close(&self, deadline: CloseDeadline) {
        self.step(|lifecycle| lifecycle.close(deadline));
    }

    /// Nothing can be sent any more.
    pub(super) fn fail(&self, error: Error) {
        self.transactions.fail_for_good(&error);
        self.step(|lifecycle| lifecycle.fail(error));
        self.accumulator.close_queues();
    }

    /// The sender ends.
    pub(super) fn end(&self) {
        self.step(Lifecycle::end);
        self.accumulator.close_queues();
    }

    fn step(&self, step: impl FnOnce(&Lifecycle)) {
        step(&self.lifecycle);
        self.accumulator.close_pool();
        self.metadata.send_waiters_away();
        self.instance.send_waiters_away();
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }
}
