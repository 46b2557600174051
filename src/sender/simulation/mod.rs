//! The simulation: sender, network client and three brokers' rules in one thread, under virtual time.
//!
//! Owns: the world in which the sender runs: lines, brokers, an application, and a checker outside the client. No
//! socket, no thread, and no clock but the one instant at which time begins.
//! `KAFKA_PRODUCER_SEED=n` repeats one run with its log, `KAFKA_PRODUCER_SEEDS=n` or `=m-n` says how many runs there
//! are, or which.

mod application;
mod checker;
mod directed;
mod history;
mod network;
mod plan;
mod random;
mod trace;
mod weather;
mod world;

/// The only topic.
const TOPIC: &str = "test";
