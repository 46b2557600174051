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
mod database;
mod history;
mod link_quality;
mod transaction_book;
mod transaction_checks;

// … who the client is, how connections are secured, and what goes wrong with that, …
mod identity;
mod secured_setup;
mod security_step;

// … what the application does, and on which threads, …
mod guarded;
mod ledger;
mod player;
mod slow_code;
mod threads;
mod transactor;

// … what happens, and when, …
mod dawdling;
mod plan;

// … what travels in envelopes and under TLS, …
mod layers;
mod tls_line;

// … brokers, lines and time, …
mod brokers;
mod delivery;
mod ends;
mod frame_reader;
mod happening;
mod lies;
mod link_faults;
mod login_watch;
mod network;
mod observer;
mod other_programs;
mod request_bounds;
mod secured_lines;
mod secured_side;
mod sequence_rules;
mod trace;
mod wire;

mod lines;

mod program;

// … all of it together, …
mod world;

mod recovery_probe;
mod successor;

// … and many of them, each from a seed.
mod guard_scenario;
mod scenario;
mod secured_scenario;
mod telemetry_trouble;
mod transaction_scenario;
mod trouble_kinds;
mod two_phase_scenario;

mod run_parts;

mod composition;

mod coverage;
mod every_byte;
mod seeds;

#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub use every_byte::{CutPlaces, cut_at_every_byte};
pub use run_parts::{Presence, RunParts};
pub use seeds::{Found, Runs, SeedsReport, defects, parts_for, replay, run_seeds};
pub use trouble_kinds::Kind;
