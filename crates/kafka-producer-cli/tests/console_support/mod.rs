//! The built program, run as from a shell, and what it said.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, thread};

use kafka_embedded::{EmbeddedCluster, EmbeddedRecord};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kafka-console-producer");

/// What a run printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// It ended well, and said nothing.
    #[track_caller]
    pub(crate) fn nothing(&self) {
        assert_eq!((self.status, self.stdout.as_str(), self.stderr.as_str()), (Some(0), "", ""));
    }

    /// It ended with this status, and each of these texts is in what it said.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32, texts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        }
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// Runs it with this standard input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Said {
    finish(start(&mut command(arguments)), input)
}

/// The same with its log at info.
pub(crate) fn run_logged(arguments: &[&str], input: &[u8]) -> Said {
    finish(start(command(arguments).env("RUST_LOG", "info")), input)
}

/// Runs it to a topic of a cluster.
pub(crate) fn run_on(cluster: &EmbeddedCluster, arguments: &[&str], input: &[u8]) -> Said {
    let servers = cluster.bootstrap_servers();
    run(&[&["--bootstrap-server", &servers], arguments].concat(), input)
}

pub(crate) fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Gives it its input, and waits for its end.
pub(crate) fn finish(mut child: Child, input: &[u8]) -> Said {
    let stdin = child.stdin.take();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    // A program that ends early leaves the rest.
    let _ = writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn cluster(partitions: i32) -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("test", partitions).start().unwrap()
}

/// Key and value of each record of the topic `test`, by partition and offset.
pub(crate) fn pairs(cluster: &EmbeddedCluster) -> Vec<(Option<String>, Option<String>)> {
    records(cluster, "test").iter().map(|record| (text(&record.key), text(&record.value))).collect()
}

pub(crate) fn values(cluster: &EmbeddedCluster) -> Vec<String> {
    pairs(cluster).into_iter().map(|(_, value)| value.unwrap_or_else(|| "<null>".into())).collect()
}

pub(crate) fn records(cluster: &EmbeddedCluster, topic: &str) -> Vec<EmbeddedRecord> {
    let mut records = cluster.records(topic);
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn text(bytes: &Option<Vec<u8>>) -> Option<String> {
    bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

pub(crate) fn some(key: &str, value: &str) -> (Option<String>, Option<String>) {
    (Some(key.into()), Some(value.into()))
}

/// A file that is gone with this.
pub(crate) struct TestFile(PathBuf);

impl TestFile {
    /// A name at which there is nothing.
    pub(crate) fn none(name: &str) -> TestFile {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        TestFile(std::env::temp_dir().join(format!("console-test-{}-{number}-{name}", std::process::id())))
    }

    pub(crate) fn new(name: &str, bytes: &[u8]) -> TestFile {
        let file = TestFile::none(name);
        fs::write(&file.0, bytes).unwrap();
        file
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
