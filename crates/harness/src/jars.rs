//! The released Kafka of one version: its jars, and how to run the programs in them.
//!
//! Must not know: how it got there (`installation.rs`), brokers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command::{Output, run};
use super::schema::Schemas;
use super::scratch::ScratchFolder;

/// Where one version of Kafka lies.
#[derive(Clone)]
pub struct KafkaJars {
    pub(super) version: String,
    pub(super) home: PathBuf,
}

impl KafkaJars {
    /// The version, as in `4.3.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The directory that Kafka's programs run in: paths given to them may be relative to it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn clients_jar(&self) -> PathBuf {
        self.home.join(LIBS).join(format!("kafka-clients-{}.jar", self.version))
    }

    /// `java` with flags for short runs, all jars on its class path, in the home directory. What it unpacks for itself
    /// goes to `scratch`: a broker that is killed leaves that behind.
    pub fn java(&self, scratch: &Path) -> Command {
        let archive: &[&str] = match self.home.join(ARCHIVE).is_file() {
            true => &["-XX:SharedArchiveFile=kafka.jsa"],
            false => &[],
        };
        self.java_with(scratch, archive)
    }

    pub(super) fn java_with(&self, scratch: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(jdk_program("java"));
        command.current_dir(&self.home);
        command
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=error:stderr"])
            .arg("-XX:-UsePerfData")
            .arg(format!("-Djava.io.tmpdir={}", scratch.display()))
            .args(flags);
        match self.is_4() {
            true => command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
            false => command.arg("-Dlog4j.configuration=file:log4j.properties"),
        };
        // The archive is bound to the class path as it is written here: a relative one survives a move.
        command.args(["-cp", "libs/*"]);
        command
    }

    /// Runs one of Kafka's command-line tools, to its end.
    pub fn tool(&self, class: &str, arguments: &[&str], input: &[u8]) -> Output {
        let fill = |_: &Path, command: &mut Command| {
            command.arg(class).args(arguments);
        };
        self.run_java(fill, input)
    }

    /// The full name of a tool, which has moved with the versions: `DumpLogSegments`, `ConsoleProducer`,
    /// `ConsoleConsumer`, `ConsumerGroupCommand`, `AclCommand`.
    pub fn tool_class(&self, tool: &str) -> String {
        match (tool, self.is_4(), self.is_at_least("3.4")) {
            ("ConsoleConsumer", _, true) => format!("org.apache.kafka.tools.consumer.{tool}"),
            ("ConsumerGroupCommand", _, _) if self.is_at_least("3.8") => {
                format!("org.apache.kafka.tools.consumer.group.{tool}")
            }
            ("ConsumerGroupCommand" | "AclCommand", false, _) => format!("kafka.admin.{tool}"),
            (_, true, _) => format!("org.apache.kafka.tools.{tool}"),
            _ => format!("kafka.tools.{tool}"),
        }
    }

    /// Runs a Java source file of ours against the jars.
    pub fn java_source(&self, file: &str, source: &str, arguments: &[&str], input: &[u8]) -> Output {
        let fill = |scratch: &Path, command: &mut Command| {
            let path = scratch.join(file);
            fs::write(&path, source).unwrap();
            command.arg(&path).args(arguments);
        };
        self.run_java(fill, input)
    }

    fn run_java(&self, fill: impl FnOnce(&Path, &mut Command), input: &[u8]) -> Output {
        let scratch = ScratchFolder::new(&self.home);
        let mut command = self.java(scratch.path());
        fill(scratch.path(), &mut command);
        let output = run(&mut command, input, TOOL_LIMIT);
        drop(scratch); // before a panic, which would keep it
        output.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The message schemas, which lie in the jar of the clients.
    pub fn schemas(&self) -> Schemas {
        let scratch = ScratchFolder::new(&self.home);
        let mut unpack = Command::new(jdk_program("jar"));
        unpack.arg("xf").arg(self.clients_jar()).arg("common/message").current_dir(scratch.path());
        run(&mut unpack, b"", TOOL_LIMIT).unwrap_or_else(|error| panic!("{error}"));
        let files = fs::read_dir(scratch.path().join("common/message")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let texts: Vec<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
        Schemas::from_texts(texts.iter().map(String::as_str))
    }

    /// 4.x and later: no logger of its own, and tools that have moved.
    pub fn is_4(&self) -> bool {
        self.is_at_least("4.0")
    }

    /// 2.x: the cluster is in ZooKeeper.
    pub fn has_zookeeper(&self) -> bool {
        !self.is_at_least("3.0")
    }

    /// Whether this version is that one or a later one.
    pub fn is_at_least(&self, version: &str) -> bool {
        let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
        numbers(&self.version) >= numbers(version)
    }
}

/// A program of the JDK: `JAVA_HOME`'s, otherwise the one on the path.
pub(super) fn jdk_program(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    }
}

pub const CHECKPOINT: &str = "bootstrap.checkpoint";

pub(super) const LIBS: &str = "libs";
pub(super) const ARCHIVE: &str = "kafka.jsa";
const TOOL_LIMIT: Duration = Duration::from_secs(120);
