//! How the jars of a version get there, and what makes its starts fast.
//!
//! Owns: a directory per version, `target/kafka/VERSION` or `$KAFKA_PRODUCER_TEST_DIR/VERSION`. It keeps the jars, a
//! formatted data directory's `bootstrap.checkpoint`, and a class archive that makes every start twice as fast.
//! Holds: made under a file lock, each part complete or absent, so several test processes may come at once.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::command::run;
use super::jars::{ARCHIVE, CHECKPOINT, KafkaJars, LIBS};
use super::kafka_cluster::{BrokerPlace, Kafka};
use super::scratch::ScratchFolder;

impl KafkaJars {
    /// Fetches the jars with Maven, if they are not there yet, and prepares what makes starts fast.
    pub fn fetch(version: &str) -> KafkaJars {
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

    fn download(&self) {
        let pom = self.home.join("pom.xml");
        fs::write(&pom, include_str!("pom.xml")).unwrap();
        fs::write(self.home.join("log4j.properties"), include_str!("log4j.properties")).unwrap();
        let unfinished = self.home.join("libs.unfinished");
        let _ = fs::remove_dir_all(&unfinished); // from an aborted run
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "-f"]).arg(&pom);
        maven.arg(match (self.is_4(), self.has_zookeeper()) {
            (true, _) => "-Pv4",
            (_, true) => "-Pv2",
            _ => "-Pv3",
        });
        maven.arg(format!("-Dkafka.version={}", self.version));
        // There is none of Scala 2.13 yet.
        maven.args(self.version.starts_with("2.1.").then_some("-Dscala.version=2.12"));
        maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", unfinished.display()));
        run(&mut maven, b"", DOWNLOAD_LIMIT)
            .unwrap_or_else(|error| panic!("fetching Kafka {}: {error}", self.version));
        fs::rename(&unfinished, self.home.join(LIBS)).unwrap();
    }

    /// Formats a data directory for the checkpoint, then lets a broker live once to archive the classes it loads. Versions
    /// with ZooKeeper have nothing to be formatted, and run too seldom for an archive.
    fn prepare(&self) {
        if self.has_zookeeper() {
            return fs::write(self.home.join(PREPARED), b"").unwrap();
        }
        let _ = fs::remove_file(self.home.join(CHECKPOINT)); // from an aborted run
        let run = ScratchFolder::new(&self.home);
        let node = BrokerPlace::single(&run);
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
    // target/debug/deps/real_kafka-0123456789abcdef, target/release/compare: Cargo marks the folder of all.
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.unwrap_or_else(|| program.ancestors().nth(3).unwrap()).join("kafka")
}

const PREPARED: &str = "prepared";
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
