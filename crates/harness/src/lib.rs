//! Apache Kafka itself, for tests: the released server is fetched, started with one broker or three, and read back by
//! clients that are not ours. Needs Java 17 or later (a JDK), Maven, kcat and `sh`.
//!
//! ```text
//! let mut kafka = Kafka::start("4.3.1", 3);
//! // Send to kafka.bootstrap_servers(), and read it back:
//! assert_eq!(kafka.read_back("test").len(), 100);
//! ```
//!
//! Must not know: the producer under test.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod installation;
mod versions;
mod zookeeper;

pub mod command;
pub mod jars;
pub mod java;
pub mod java_metrics;
pub mod kafka_cluster;
pub mod kerberos;
pub mod log_segments;
pub mod oidc_server;
pub mod probe;
pub mod read_back;
pub mod schema;
pub mod scratch;
pub mod secured_kafka;
pub mod telemetry_witness;

pub use versions::versions_asked_for;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One cluster at a time in a process: a test that starts one holds this until it ends.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has still ended.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A consumer in Java that prints all records of a topic.
pub const READ_TOPIC: &str = include_str!("ReadTopic.java");
