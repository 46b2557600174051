//! The benchmark's programs, and what they share with clients that are built apart (`work/`).

pub mod ours;

pub use kafka_producer_benchmark_work::{Failure, callers, payloads, report, work};
