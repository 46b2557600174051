//! Java's producer as a client: its jars, and the program that does the work.
//!
//! As its users run it: the default collector and both compilers; a heap of 1 GiB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::jars::KafkaJars;
use kafka_producer_benchmarks::Failure;

/// The version whose jars are taken.
const VERSION: &str = "4.3.1";

/// The command that runs it; the first time it is compiled.
pub(crate) fn command() -> Result<Command, Failure> {
    static CLASS_PATH: OnceLock<String> = OnceLock::new();
    let class_path = match CLASS_PATH.get() {
        Some(made) => made.clone(),
        None => compiled().map(|made| CLASS_PATH.get_or_init(|| made).clone())?,
    };
    let mut java = Command::new(program("java"));
    java.args(["-Xms1g", "-Xmx1g", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]);
    java.args(["-cp", &class_path, "ClientJava"]);
    Ok(java)
}

fn compiled() -> Result<String, Failure> {
    let jars = KafkaJars::fetch(VERSION);
    let folder = jars.home().join("client-java");
    std::fs::create_dir_all(&folder)?;
    let source = folder.join("ClientJava.java");
    std::fs::write(&source, include_str!("ClientJava.java"))?;
    let libs = jars.home().join("libs/*").display().to_string();
    let mut javac = Command::new(program("javac"));
    let status = javac.args(["-cp", &libs, "-d"]).arg(&folder).arg(&source).status()?;
    if !status.success() {
        return Err(format!("javac: {status}").into());
    }
    Ok(format!("{libs}:{}", folder.display()))
}

fn program(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    }
}
