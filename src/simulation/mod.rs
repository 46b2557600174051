//! The simulation: the whole producer, its callers' threads and the brokers' rules, one at a time under virtual time.
//!
//! Owns: the world in which they live: lines, brokers, an application of several threads, what goes wrong, and a checker
//! outside the client. No socket, and no clock but the one instant at which time begins.
//! Threads: each thread of the application is one of the operating system, so that the public calls run as they are;
//! of all of them and the sender one runs at a time, and a seed says which.
//! Not for users: only what drives it is public (`examples/simulate.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is a test: what cannot go on has failed"
)]

// From the bottom up: what is promised and told, and what lies in the logs, …
mod history;
mod link_quality;

// … what the application does, and on which threads, …
mod ledger;
mod player;
mod slow_code;
mod threads;

// … what happens, and when, …
mod dawdling;
mod plan;

// … what travels in envelopes, …
mod layers;

// … brokers, lines and time, …
mod brokers;
mod ends;
mod frame_reader;
mod happening;
mod lies;
mod link_faults;
mod network;
mod observer;
mod sequence_rules;
mod trace;
mod wire;

mod lines;

// … all of it together, …
mod world;

// … and many of them, each from a seed.
mod scenario;

mod coverage;
mod seeds;

#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub use scenario::Kind;
pub use seeds::{Found, Runs, SeedsReport, defects, replay, run_seeds};
