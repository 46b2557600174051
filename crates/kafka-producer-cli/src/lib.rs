//! What the two programs of this crate are made of: `kafka-console-producer` and `kafka-producer-perf-test`.
//!
//! Each program's flags, and what they mean, are in a folder of its own; what both need stands beside them. The files in
//! `bin/` only call [`console_producer::main`] and [`perf_test::main`].

mod command_line;
mod complaint;
mod distinct_files;
mod ending_signals;
mod producer_settings;
mod self_description;
mod standard_output;
mod terminal_log;

pub mod console_producer;
pub mod perf_test;
