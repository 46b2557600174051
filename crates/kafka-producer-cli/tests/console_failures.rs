//! What `kafka-console-producer` does when something goes wrong or somebody ends it, and what it shows at a terminal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod console_support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use console_support::*;
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

#[test]
fn a_bad_line_is_named_by_its_number_and_ends_it() {
    let cluster = cluster(1);
    let said = run_on(&cluster, &["-t", "test", "--property", "parse.key=true"], b"a\t1\nno key\nc\t3\n");
    said.expect(
        1,
        &[
            "kafka-console-producer: No key separator found on line number 2: 'no key'\n",
            "stopped: this line and what is behind it were not sent\n",
            "1 record acknowledged, 0 failed, 15 bytes read",
        ],
    );
    assert_eq!(pairs(&cluster), [some("a", "1")]);
}

#[test]
fn with_ignore_error_a_line_is_taken_as_far_as_it_goes() {
    let cluster = cluster(1);
    let flags = ["-t", "test", "--property", "parse.key=true", "--property", "ignore.error=true"];
    run_on(&cluster, &flags, b"a\t1\nno key\nc\t3\n").nothing();
    assert_eq!(pairs(&cluster), [some("a", "1"), (None, Some("no key".into())), some("c", "3")]);
}

#[test]
fn a_line_that_is_no_json_ends_it_or_is_passed_over_but_is_no_success() {
    let cluster = cluster(1);
    let input = b"{\"payload\":\"a\"}\nplain\n{\"payload\":\"c\"}\n";
    let bad =
        "line number 2 is not a record: it is no JSON object: expected {\"key\":…,\"payload\":…}: 'plain'";
    run_on(&cluster, &["-t", "test", "--json"], input)
        .expect(1, &[bad, "this line and what is behind it were not sent"]);
    assert_eq!(values(&cluster), ["a"]);
    let flags = ["-t", "test", "--json", "--reader-property", "ignore.error=true"];
    run_on(&cluster, &flags, input).expect(1, &[bad, "2 records acknowledged, 0 failed"]);
    assert_eq!(values(&cluster), ["a", "a", "c"]);
}

#[test]
fn records_that_fail_are_told_kept_and_read_again() {
    let cluster = cluster(2);
    let letters = TestFile::none("failed.json");
    let flags = ["-t", "test", "-p", "1", "-K:", "-H", "all=1", "-X", "max.request.size=1000"];
    let keep = ["--dead-letter", letters.path()];
    let mut input = b"k:good\nk\xff:".to_vec();
    input.extend(b"\x80".repeat(2000));
    input.extend_from_slice(b"\nk:good, too\n");
    let said = run_on(&cluster, &[&flags[..], &keep].concat(), &input);
    let again = format!("failed records are in {0}: --json --file {0} sends them again\n", letters.path());
    said.expect(1, &["line 2: test", "max.request.size", "2 records acknowledged, 1 failed", &again]);
    assert_eq!(pairs(&cluster), [some("k", "good"), some("k", "good, too")]);

    // All of it is there: topic, partition, headers, bytes that are no text.
    run_on(&cluster, &["--json", "--file", letters.path()], b"").nothing();
    let record = cluster.records("test").pop().unwrap();
    assert_eq!((record.partition, record.key.as_deref()), (1, Some(&b"k\xff"[..])));
    assert_eq!(record.value, Some(b"\x80".repeat(2000)));
    assert_eq!(record.headers, [("all".to_owned(), Some(b"1".to_vec()))]);
}

#[test]
fn records_that_a_broker_refuses_are_told_with_their_lines_and_kept_behind_what_is_in_the_file() {
    let cluster = cluster(1);
    let letters = TestFile::new("failed.json", b"{\"topic\":\"test\",\"payload\":\"of an earlier run\"}\n");
    cluster.fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED, 1);
    let flags = ["-t", "test", "--timeout", "1000", "--dead-letter", letters.path()];
    let lines: String = (1..=15).map(|number| format!("line {number}\n")).collect();
    let said = run_on(&cluster, &flags, lines.as_bytes());
    said.expect(
        1,
        &[
            "kafka-console-producer: line 1: test-0: ",
            "TOPIC_AUTHORIZATION_FAILED",
            "kafka-console-producer: line 10: ",
            "more records fail; they are counted, and not told one by one",
            "0 records acknowledged, 15 failed",
        ],
    );
    assert!(!said.stderr.contains("line 11: "), "{said:#?}");
    assert_eq!((letters.text().lines().count(), values(&cluster).len()), (16, 0));
    run_on(&cluster, &["--json", "--file", letters.path()], b"").nothing();
    assert_eq!(values(&cluster)[..3], ["of an earlier run", "line 1", "line 2"]);
}

#[test]
fn with_sync_the_first_failure_ends_it() {
    let cluster = cluster(1);
    cluster.fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED, 1);
    let said = run_on(&cluster, &["-t", "test", "--sync"], b"a\nb\n");
    said.expect(1, &["line 1: test-0: ", "stopped: what is behind line 1 was not sent"]);
    assert_eq!(values(&cluster), [""; 0]);
}

#[test]
fn without_brokers_or_a_topic_it_ends_and_says_why() {
    let (local, quick) = (["-b", "127.0.0.1:1", "-t", "test"], ["--max-block-ms", "2500"]);
    let said = run(&[&local[..], &quick].concat(), b"a\nb\n");
    said.expect(
        1,
        &["kafka-console-producer: line 1: test: ", "127.0.0.1:1", "what is behind line 1 was not sent"],
    );
    let said = run_on(&cluster(1), &[&["-t", "other"], &quick[..]].concat(), b"a\nb\n");
    said.expect(1, &["line 1: other: ", "0 records acknowledged, 1 failed"]);
    for text in ["Error {", "Some(", "panicked"] {
        assert!(!said.stderr.contains(text), "{said:#?}");
    }
}

#[test]
fn a_file_for_failed_records_that_cannot_be_written_is_told_before_anything_is_sent() {
    let cluster = cluster(1);
    let said = run_on(&cluster, &["-t", "test", "--dead-letter", "no/such/folder/file"], b"a\n");
    said.expect(1, &["kafka-console-producer: no/such/folder/file: No such file or directory\n"]);
    assert_eq!(values(&cluster), [""; 0]);
}

#[test]
fn the_file_that_is_read_does_not_take_the_records_that_fail() {
    let file = TestFile::new("both", b"\n");
    let flags = ["-b", "localhost:1", "-t", "no such topic", "--dead-letter", file.path()];
    let refusal = |other: &str| {
        let path = file.path();
        format!(
            "--dead-letter {path} and {other} are the same file, and what is read would be written to: expected two files\n"
        )
    };
    for flag in ["--file", "--command-config", "--reader-config"] {
        run(&[&flags[..], &[flag, file.path()]].concat(), b"")
            .expect(2, &[&refusal(&format!("{flag} {}", file.path()))]);
    }
    let mut redirected = command(&flags);
    redirected.stdin(File::open(file.path()).unwrap());
    let output = redirected.output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains(&refusal("standard input")));
    assert_eq!((output.status.code(), file.text().as_str()), (Some(2), "\n"));
}

#[test]
fn with_a_transactional_id_all_lines_are_committed_together_or_not_at_all() {
    let cluster = cluster(1);
    let flags = ["-t", "test", "-X", "transactional.id=import", "--property", "parse.key=true"];
    run_on(&cluster, &flags, b"a\t1\nb\t2\n").nothing();
    let said = run_on(&cluster, &flags, b"c\t3\nbad\n");
    said.expect(1, &["No key separator found on line number 2", "the transaction was aborted"]);
    let keys = |cluster: &EmbeddedCluster| -> Vec<_> {
        cluster.committed_records("test").into_iter().filter_map(|record| record.key).collect()
    };
    assert_eq!(keys(&cluster), [b"a", b"b"]);
    // One that fails when all lines are read takes the others with it.
    cluster.fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED, 1);
    let said = run_on(&cluster, &flags, b"d\t4\n");
    said.expect(1, &["line 1: test-0: ", "the transaction was aborted"]);
    assert_eq!((keys(&cluster).len(), cluster.open_transactions().len()), (2, 0));
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until the cluster has so many records.
fn until_written(cluster: &EmbeddedCluster, count: usize) {
    while cluster.records("test").len() < count {
        std::thread::yield_now();
    }
}

/// Reads until the text has come.
fn until_read(reader: &mut impl Read, text: &str) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&read).contains(text) {
        if reader.read(&mut byte).unwrap_or(0) == 0 {
            panic!("{text:?} has not come, but {:?}", String::from_utf8_lossy(&read));
        }
        read.push(byte[0]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[test]
fn a_signal_while_it_waits_for_input_ends_it_when_what_was_read_is_sent() {
    for (by, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let cluster = cluster(1);
        let mut child = start(&mut command(&["-b", &cluster.bootstrap_servers(), "-t", "test"]));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"one\ntwo\nhalf a li").unwrap();
        until_written(&cluster, 2);
        signal(&child, by);
        let said = finish(child, b"");
        said.expect(
            status,
            &["interrupted: lines up to 2 are being sent, and no others", "2 records acknowledged, 0 failed"],
        );
        assert_eq!(values(&cluster), ["one", "two"]);
    }
}

#[test]
fn a_signal_while_a_transaction_cannot_begin_is_no_failure() {
    for (by, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let cluster = cluster(1);
        cluster.inject(Fault::drop_answer(Api::InitProducerId).always());
        let flags = ["-b", &cluster.bootstrap_servers(), "-t", "test", "-X", "transactional.id=import"];
        let child = start(&mut command(&flags));
        while cluster.requests(Api::InitProducerId) == 0 {
            std::thread::yield_now();
        }
        signal(&child, by);
        let said = finish(child, b"one\n");
        let text =
            "kafka-console-producer: interrupted: no transaction could begin yet, and nothing was sent\n";
        assert_eq!((said.status, said.stderr.as_str()), (Some(status), text));
    }
}

#[test]
fn the_second_signal_gives_up_what_is_not_acknowledged_and_keeps_it() {
    let cluster = cluster(1);
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let letters = TestFile::none("given-up.json");
    let flags = ["-b", &cluster.bootstrap_servers(), "-t", "test", "--dead-letter", letters.path()];
    let mut child = start(&mut command(&flags));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    until_written(&cluster, 1);
    let mut stderr = child.stderr.take().unwrap();
    signal(&child, Signal::INT);
    until_read(&mut stderr, "once more gives up what is not acknowledged\n");
    signal(&child, Signal::INT);
    let rest = until_read(&mut stderr, "\"possibly_written\":true\n");
    assert!(rest.contains("given up: 1 record, not acknowledged"), "{rest}");
    assert!(rest.contains("1 record of them may have been written, and would be there twice: "), "{rest}");
    assert!(rest.contains("line 1: test-0: ") && rest.contains("the record may have been written"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let letter: serde_json::Value = serde_json::from_str(&letters.text()).unwrap();
    assert_eq!((letter["payload"].as_str(), letter["possibly_written"].as_bool()), (Some("one"), Some(true)));
}

#[test]
fn a_signal_while_the_brokers_are_slower_than_the_input_ends_it_as_well() {
    let cluster = cluster(1);
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    // Room for 1000 records or so; the others wait in `send`.
    let flags = ["-b", &cluster.bootstrap_servers(), "-t", "test", "--max-memory-bytes", "32768"];
    let mut child = start(&mut command(&flags));
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&b"the same line again\n".repeat(5000))));
    until_written(&cluster, 1);
    let mut stderr = child.stderr.take().unwrap();
    signal(&child, Signal::INT);
    until_read(&mut stderr, "interrupted: ");
    signal(&child, Signal::INT);
    until_read(&mut stderr, "records acknowledged, ");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    writer.join().unwrap();
}

/// Both ends of a terminal.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    (File::from(ours), theirs.into())
}

#[test]
fn at_a_terminal_there_is_a_prompt_for_each_line() {
    let cluster = cluster(1);
    let (mut ours, theirs) = terminal();
    let mut child = Command::new(PROGRAM)
        .args(["-b", &cluster.bootstrap_servers(), "-t", "test"])
        .stdin(Stdio::from(theirs.try_clone().unwrap()))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(until_read(&mut ours, ">"), ">");
    ours.write_all(b"typed\n").unwrap();
    // With what the terminal echoes.
    assert_eq!(until_read(&mut ours, "\n>"), "typed\r\n>");
    until_written(&cluster, 1);
    ours.write_all(b"\x04").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(values(&cluster), ["typed"]);
}

#[test]
fn a_terminal_shows_how_far_a_long_run_is() {
    let cluster = cluster(1);
    let (mut ours, theirs) = terminal();
    let mut child = Command::new(PROGRAM)
        .args(["-b", &cluster.bootstrap_servers(), "-t", "test"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(theirs))
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    until_read(&mut ours, "2 records acknowledged, 0 failed, 8 bytes read");
    drop(stdin);
    until_read(&mut ours, "kafka-console-producer: 2 records acknowledged, 0 failed");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "standard output is for nobody");
}
