//! What the two programs of this crate are made of: `kafka-console-producer` and `kafka-producer-perf-test`.
//!
//! Each program's flags, and what they mean, are in a folder of its own; what both need stands beside them. The files in
//! `bin/` only call [`console_producer::main`] and [`perf_test::main`].

#[allow(dead_code, reason = "the programs that use it are being written")]
mod complaint;
#[allow(dead_code, reason = "the programs that use it are being written")]
mod producer_settings;
#[allow(dead_code, reason = "the programs that use it are being written")]
mod self_description;
#[allow(dead_code, reason = "the programs that use it are being written")]
mod terminal_log;

pub mod console_producer;
pub mod perf_test;
