//! What clients push to a broker for telemetry (KIP-714), as Kafka's own classes read it: a plugin of a few lines of Java.
//!
//! Owns: the plugin, compiled for one version of Kafka, and the file that it writes. Must not know: the producer under test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::command::run;
use super::jars::{KafkaJars, jdk_program};
use super::kafka_cluster::Kafka;
use super::scratch::ScratchFolder;

/// The plugin of one broker.
pub struct TelemetryWitness {
    folder: ScratchFolder,
}

/// A push, as the broker has taken it.
#[derive(Debug, Clone)]
pub struct WitnessedPush {
    pub client_id: String,
    /// As Java's `Uuid` prints itself.
    pub client_instance_id: String,
    pub terminating: bool,
    pub content_type: String,
    pub metrics: Vec<WitnessedMetric>,
}

/// One number with its name.
#[derive(Debug, Clone)]
pub struct WitnessedMetric {
    pub name: String,
    /// `gauge`, or `monotonic AGGREGATION_TEMPORALITY_DELTA`.
    pub kind: String,
    /// `AS_DOUBLE` or `AS_INT`.
    pub number_kind: String,
    pub value: f64,
    pub start_unix_nanos: u64,
    pub unix_nanos: u64,
    /// `key=value`, in order, with commas between.
    pub attributes: String,
    pub resource: String,
}

impl TelemetryWitness {
    /// Compiles the plugin.
    pub fn compile(jars: &KafkaJars) -> TelemetryWitness {
        let folder = ScratchFolder::new(jars.home());
        let source = folder.path().join("TelemetryWitness.java");
        fs::write(&source, include_str!("TelemetryWitness.java")).unwrap();
        let mut compile = Command::new(jdk_program("javac"));
        compile.current_dir(jars.home()).args(["-cp", CLASS_PATH, "-d"]).arg(folder.path()).arg(&source);
        run(&mut compile, b"", COMPILE_LIMIT).unwrap_or_else(|error| panic!("{error}"));
        TelemetryWitness { folder }
    }

    /// A broker with the plugin, and a subscription to these metrics (beginnings of their names) every so many milliseconds.
    pub fn start(&self, version: &str, metrics: &str, interval_ms: u32) -> Kafka {
        let flags = ["-cp".to_owned(), format!("{CLASS_PATH}:{}", self.folder.path().display())];
        let file = self.file().display().to_string();
        let settings =
            [("metric.reporters", "TelemetryWitness".to_owned()), ("telemetry.witness.file", file)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let kafka = Kafka::start_with_flags(version, &flags, &|_| settings.clone());
        self.subscribe(&kafka, metrics, interval_ms);
        kafka
    }

    /// Subscribes to these metrics, in place of those before.
    pub fn subscribe(&self, kafka: &Kafka, metrics: &str, interval_ms: u32) {
        let servers = kafka.bootstrap_servers();
        let wanted = format!("metrics=[{metrics}],interval.ms={interval_ms}");
        let whom = ["--entity-type", "client-metrics", "--entity-name", "all"];
        let what = ["--bootstrap-server", &servers, "--alter", "--add-config", &wanted];
        kafka.tool("kafka.admin.ConfigCommand", &[&what[..], &whom].concat(), b"");
    }

    /// What was pushed so far.
    pub fn pushes(&self) -> Vec<WitnessedPush> {
        let text = fs::read_to_string(self.file()).unwrap_or_default();
        let mut whole = text.split("end\n").collect::<Vec<_>>();
        // What follows the last end is being written.
        whole.pop();
        whole.into_iter().map(push).collect()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("pushes")
    }
}

fn push(text: &str) -> WitnessedPush {
    let (head, metrics) = text.split_once('\n').unwrap();
    let ["push", client_id, instance, terminating, content_type] = head.split('\t').collect::<Vec<_>>()[..]
    else {
        panic!("{head}")
    };
    WitnessedPush {
        client_id: client_id.to_owned(),
        client_instance_id: instance.to_owned(),
        terminating: terminating == "true",
        content_type: content_type.to_owned(),
        metrics: metrics.lines().map(metric).collect(),
    }
}

fn metric(line: &str) -> WitnessedMetric {
    let ["metric", name, kind, number_kind, value, start, time, attributes, resource] =
        line.split('\t').collect::<Vec<_>>()[..]
    else {
        panic!("{line}")
    };
    WitnessedMetric {
        name: name.to_owned(),
        kind: kind.to_owned(),
        number_kind: number_kind.to_owned(),
        value: value.parse().unwrap(),
        start_unix_nanos: start.parse().unwrap(),
        unix_nanos: time.parse().unwrap(),
        attributes: attributes.to_owned(),
        resource: resource.to_owned(),
    }
}

const CLASS_PATH: &str = "libs/*";
const COMPILE_LIMIT: Duration = Duration::from_secs(60);
