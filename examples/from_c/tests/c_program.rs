//! `send.c`, compiled by the system's C compiler and run: on a cluster, on one that fails, and without one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};

/// The folder of the profile that this test was built in: there cargo puts the library. It builds none for a test, since Rust
/// cannot link it.
fn library_folder() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().to_owned()
}

fn build_library() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--lib", "--target-dir"])
        .arg(library_folder().parent().unwrap());
    if library_folder().ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
}

/// Compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        build_library();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("send");
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I"]).arg(here).arg(here.join("send.c"));
        cc.arg("-L").arg(library_folder()).arg("-lkafka_producer_c").arg("-o").arg(&program);
        let output = cc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        program
    })
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).env("LD_LIBRARY_PATH", library_folder()).args(arguments).output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_program_in_c_sends_and_is_told_every_outcome() {
    let cluster = EmbeddedCluster::builder().topic("test", 3).start().unwrap();
    let output = run(&[&cluster.bootstrap_servers(), "test"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{out}\n{err}");
    let lines: Vec<&str> = out.lines().collect();
    // Java's partition for this key.
    assert_eq!(lines[0], "test-1@0");
    assert!(lines[1].starts_with("not accepted: ") && lines[1].contains("no such topic"), "{out}");
    assert_eq!(lines[2], "1000 delivered, 0 failed, 0 lost by closing");
    let records = cluster.records("test");
    assert_eq!(records.len(), 1001);
    let hello = records.iter().find(|record| record.key.is_some()).unwrap();
    assert_eq!((hello.key.as_deref(), hello.value.as_deref()), (Some(&b"HELLO"[..]), Some(&b"WORLD"[..])));
}

#[test]
fn a_program_in_c_is_told_what_failed() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).start().unwrap();
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD));
    let output = run(&[&cluster.bootstrap_servers(), "test"]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}\n{err}");
    assert!(err.starts_with("not sent: test-0: the broker answered 87 INVALID_RECORD"), "{err}");
}

#[test]
fn a_callback_in_c_is_told_what_failed() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).start().unwrap();
    // The first request is that of the record that is waited for; of the others all fail.
    cluster.inject(Fault::fail(Api::Produce, BrokerError::INVALID_RECORD).skip(1).always());
    let output = run(&[&cluster.bootstrap_servers(), "test"]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}\n{err}");
    assert!(out.contains("\n0 delivered, 1000 failed, "), "{out}");
    assert_eq!(err.lines().filter(|line| line.contains("INVALID_RECORD")).count(), 1000, "{err}");
    assert_eq!(cluster.records("test").len(), 1);
}

#[test]
fn settings_that_cannot_be_are_told_to_c() {
    let output = run(&["localhost", "test"]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("no producer: ") && err.contains("the port is missing"), "{err}");
}
