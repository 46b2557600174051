//! How each program is started: those of this package lie beside compare, those in `peers/` are compiled the first time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::jars::KafkaJars;
use kafka_producer_benchmarks::Failure;

use crate::case::Program;

/// The version of Java's producer, and of the broker.
pub(crate) const KAFKA_VERSION: &str = "4.3.1";

/// The first words of its command line.
pub(crate) fn words(program: Program) -> Result<Vec<String>, Failure> {
    match program {
        Program::Java => remembered(&JAVA, java),
        Program::FranzGo => remembered(&FRANZ_GO, franz_go),
        Program::Krafka => remembered(&KRAFKA, || cargo("krafka")),
        Program::ConfluentKafka => remembered(&CONFLUENT_KAFKA, || cargo("confluent-kafka")),
        _ => Ok(vec![sibling(&format!("client-{program}"))?]),
    }
}

static JAVA: OnceLock<Vec<String>> = OnceLock::new();
static FRANZ_GO: OnceLock<Vec<String>> = OnceLock::new();
static KRAFKA: OnceLock<Vec<String>> = OnceLock::new();
static CONFLUENT_KAFKA: OnceLock<Vec<String>> = OnceLock::new();

fn remembered(
    place: &OnceLock<Vec<String>>,
    make: fn() -> Result<Vec<String>, Failure>,
) -> Result<Vec<String>, Failure> {
    match place.get() {
        Some(words) => Ok(words.clone()),
        None => make().map(|words| place.get_or_init(|| words).clone()),
    }
}

/// A program of this package.
pub(crate) fn sibling(name: &str) -> Result<String, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(format!("{} is not there: build all programs of this package", path.display()).into());
    }
    Ok(path.display().to_string())
}

/// With the collector for throughput, and young space for all that a full buffer of small records holds; with 8 GiB, a tenth faster
/// still, it would be too large for machines on which other things run. By itself it takes G1, which copies that again and again: 1.3 M records/s of 100 B where this does 2.0 M.
fn java() -> Result<Vec<String>, Failure> {
    let jars = KafkaJars::fetch(KAFKA_VERSION);
    let folder = jars.home().join("client-java");
    std::fs::create_dir_all(&folder)?;
    let source = folder.join("ClientJava.java");
    std::fs::write(&source, include_str!("../../../peers/ClientJava.java"))?;
    let libs = jars.home().join("libs/*").display().to_string();
    let mut javac = Command::new(jdk("javac"));
    let status = javac.args(["-cp", &libs, "-d"]).arg(&folder).arg(&source).status()?;
    if !status.success() {
        return Err(format!("javac: {status}").into());
    }
    let class_path = format!("{libs}:{}", folder.display());
    let flags = ["-XX:+UseParallelGC", "-XX:+UseTransparentHugePages", "-XX:+AlwaysPreTouch"];
    let sizes = ["-Xms3g", "-Xmx3g", "-Xmn2g", "-XX:-UsePerfData", QUIET];
    let mut words = vec![jdk("java").display().to_string()];
    words.extend(flags.map(str::to_owned));
    words.extend(sizes.map(str::to_owned));
    words.extend(["-cp".to_owned(), class_path, "ClientJava".to_owned()]);
    Ok(words)
}

const QUIET: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";

fn jdk(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    }
}

/// The module lies in this package; the version is in its `go.mod`.
fn franz_go() -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe()?.with_file_name("client-franz-go").display().to_string();
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/franz-go");
    let mut go = Command::new("go");
    let status = go.args(["build", "-buildvcs=false", "-o", &program, "."]).current_dir(module).status();
    match status.map_err(|error| format!("go: {error}"))? {
        status if status.success() => Ok(vec![program]),
        status => Err(format!("go build: {status}").into()),
    }
}

/// A package with a workspace of its own; the crate's version is in its `Cargo.toml`, those of all others in its `Cargo.lock`. Optimised as
/// this package is by `--release`.
fn cargo(name: &str) -> Result<Vec<String>, Failure> {
    let target = std::env::current_exe()?.with_file_name("peers");
    let manifest = format!("{}/peers/{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--manifest-path", &manifest, "--target-dir"]).arg(&target);
    match cargo.status().map_err(|error| format!("cargo: {error}"))? {
        status if status.success() => {
            let program = target.join("release").join(format!("client-{name}"));
            Ok(vec![program.display().to_string()])
        }
        status => Err(format!("cargo build of {manifest}: {status}").into()),
    }
}
