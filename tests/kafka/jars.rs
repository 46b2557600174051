//! The released Kafka of one version: its jars, fetched once, and how to run the programs in them.
//!
//! Owns: a directory per version, `target/kafka/VERSION` or `$KAFKA_PRODUCER_TEST_DIR/VERSION`. It keeps the jars, a
//! formatted data directory's `bootstrap.checkpoint`, and a class archive that makes every start twice as fast.
//! Holds: made under a file lock, each part complete or absent, so several test processes may come at once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::cluster::{Kafka, Node};
use super::command::{Output, run};
use super::schema::Schemas;
use super::scratch::Scratch;

/// Where one version of Kafka lies.
#[derive(Clone)]
pub(crate) struct KafkaJars {
    version: String,
    home: PathBuf,
}

impl KafkaJars {
    /// Fetches the jars with Maven, if they are not there yet, and prepares what makes starts fast.
    pub(crate) fn fetch(version: &str) -> KafkaJars {
        let base = base_directory();
        let home = base.join(version);
        fs::create_dir_all(&home).unwrap();
        let jars = KafkaJars { version: version.to_owned(), home: home.canonicalize().unwrap() };
        let lock = File::create(jars.home.join("lock")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        if !jars.home.join(LIBS).is_dir() {
            jars.download();
        }
        if !jars.home.join(PREPARED).is_file() {
            jars.prepare();
        }
        jars
    }

    /// The version, as in `4.3.1`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The directory that Kafka's programs run in: paths given to them may be relative to it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    fn clients_jar(&self) -> PathBuf {
        self.home.join(LIBS).join(format!("kafka-clients-{}.jar", self.version))
    }

    /// `java` with flags for short runs, all jars on its class path, in the home directory. What it unpacks for itself
    /// goes to `scratch`: a broker that is killed leaves that behind.
    pub(crate) fn java(&self, scratch: &Path) -> Command {
        let archive: &[&str] = match self.home.join(ARCHIVE).is_file() {
            true => &["-XX:SharedArchiveFile=kafka.jsa"],
            false => &[],
        };
        self.java_with(scratch, archive)
    }

    fn java_with(&self, scratch: &Path, flags: &[&str]) -> Command {
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
    pub(crate) fn tool(&self, class: &str, arguments: &[&str], input: &[u8]) -> Output {
        let fill = |_: &Path, command: &mut Command| {
            command.arg(class).args(arguments);
        };
        self.run_java(fill, input)
    }

    /// The full name of a tool, which has moved with the versions: `DumpLogSegments`, `ConsoleProducer`,
    /// `ConsoleConsumer`.
    pub(crate) fn tool_class(&self, tool: &str) -> String {
        match (tool, self.is_4(), self.version.starts_with("3.3.")) {
            ("ConsoleConsumer", _, false) => format!("org.apache.kafka.tools.consumer.{tool}"),
            (_, true, _) => format!("org.apache.kafka.tools.{tool}"),
            _ => format!("kafka.tools.{tool}"),
        }
    }

    /// Runs a Java source file of ours against the jars.
    pub(crate) fn java_source(&self, file: &str, source: &str, arguments: &[&str], input: &[u8]) -> Output {
        let fill = |scratch: &Path, command: &mut Command| {
            let path = scratch.join(file);
            fs::write(&path, source).unwrap();
            command.arg(&path).args(arguments);
        };
        self.run_java(fill, input)
    }

    fn run_java(&self, fill: impl FnOnce(&Path, &mut Command), input: &[u8]) -> Output {
        let scratch = Scratch::new(&self.home);
        let mut command = self.java(scratch.path());
        fill(scratch.path(), &mut command);
        let output = run(&mut command, input, TOOL_LIMIT);
        drop(scratch); // before a panic, which would keep it
        output.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The message schemas, which lie in the jar of the clients.
    pub(crate) fn schemas(&self) -> Schemas {
        let scratch = Scratch::new(&self.home);
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
    pub(crate) fn is_4(&self) -> bool {
        !self.version.starts_with("3.")
    }

    fn download(&self) {
        let pom = self.home.join("pom.xml");
        fs::write(&pom, include_str!("pom.xml")).unwrap();
        fs::write(self.home.join("log4j.properties"), include_str!("log4j.properties")).unwrap();
        let unfinished = self.home.join("libs.unfinished");
        let _ = fs::remove_dir_all(&unfinished); // from an aborted run
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "-f"]).arg(&pom);
        maven.arg(if self.is_4() { "-Pv4" } else { "-Pv3" });
        maven.arg(format!("-Dkafka.version={}", self.version));
        maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", unfinished.display()));
        run(&mut maven, b"", DOWNLOAD_LIMIT)
            .unwrap_or_else(|error| panic!("fetching Kafka {}: {error}", self.version));
        fs::rename(&unfinished, self.home.join(LIBS)).unwrap();
    }

    /// Formats a data directory for the checkpoint, then lets a broker live once to archive the classes it loads.
    fn prepare(&self) {
        let _ = fs::remove_file(self.home.join(CHECKPOINT)); // from an aborted run
        let run = Scratch::new(&self.home);
        let node = Node::single(&run);
        let properties = node.properties_file();
        self.tool(
            "kafka.tools.StorageTool",
            &["format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", &properties],
            b"",
        );
        fs::copy(node.data().join(CHECKPOINT), self.home.join(CHECKPOINT)).unwrap();
        let flags = ["-Xmx128m", "-XX:ArchiveClassesAtExit=kafka.jsa.unfinished"];
        let mut java = self.java_with(node.directory(), &flags);
        java.args(["kafka.Kafka", &properties]);
        let mut kafka = Kafka::start_node(self.clone(), run, node, &mut java);
        kafka.create_topic("t", 1, 1, &[]);
        kafka.kcat(&["-P", "-t", "t"], b"record\n");
        kafka.read_back("t");
        kafka.stop(1);
        // A Java that cannot archive is slower, nothing else.
        let _ = fs::rename(self.home.join("kafka.jsa.unfinished"), self.home.join(ARCHIVE));
        fs::write(self.home.join(PREPARED), b"").unwrap();
    }
}

fn base_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("KAFKA_PRODUCER_TEST_DIR") {
        return directory.into();
    }
    // target/debug/deps/real_kafka-0123456789abcdef
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("kafka")
}

/// A program of the JDK: `JAVA_HOME`'s, otherwise the one on the path.
fn jdk_program(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    }
}

pub(crate) const CHECKPOINT: &str = "bootstrap.checkpoint";

const LIBS: &str = "libs";
const ARCHIVE: &str = "kafka.jsa";
const PREPARED: &str = "prepared";
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
const TOOL_LIMIT: Duration = Duration::from_secs(120);
