//! `Database`: what a program with two-phase commits keeps beside Kafka, and what outlives its crashes.
//!
//! Owns: which prepared transaction is to be committed. Must not know: producers, brokers.
//! Source: KIP-939.

use std::sync::Mutex;

use crate::transaction::PreparedTxnState;

/// The last transaction whose commit was decided.
#[derive(Debug, Default)]
pub(super) struct Database(Mutex<PreparedTxnState>);

impl Database {
    /// Its own transaction is committed, and with it that this one is to be.
    pub(super) fn commit(&self, decided: PreparedTxnState) {
        *self.0.lock().unwrap() = decided;
    }

    pub(super) fn decided(&self) -> PreparedTxnState {
        *self.0.lock().unwrap()
    }
}
