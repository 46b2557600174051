//! What all parts call by the same names: topics, brokers, the folder of a run.
//!
//! Owns: the names. Must not know: what happens to them.

use std::path::PathBuf;

use harness::jars::KafkaJars;

/// More partitions come to it, and its leaders move.
pub const GROWING: &str = "soak-growing";
/// Always the same partitions.
pub const STEADY: &str = "soak-steady";
/// Deleted and created again.
pub const REBORN: &str = "soak-reborn";

/// What the producers call themselves: the quota is for this name.
pub const CLIENT_ID: &str = "soak";

pub const BROKERS: usize = 3;
pub const DISK_BROKER: i32 = 3;

/// Where the files of runs go: beside the folders of Kafka's versions.
pub fn base_folder(version: &str) -> PathBuf {
    KafkaJars::fetch(version).home().parent().unwrap().join("soak")
}
