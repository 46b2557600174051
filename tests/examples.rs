//! The examples, run as a newcomer runs them: each ends well and says what it should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Once;

/// Where cargo puts the examples of the profile that this test was built in; they are built anew where they have to be
/// (`cargo test` does it, `cargo test --test examples` does not).
fn example(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    BUILD.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    });
    profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(example(name)).args(arguments).output().unwrap()
}

/// What the example prints; it has to succeed and to complain about nothing.
#[track_caller]
fn output(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

#[track_caller]
fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other.trim() == *line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn quickstart_shows_where_each_record_is_and_reads_it_back() {
    let text = output("quickstart", &[]);
    has_lines(&text, &["9 records acknowledged, 9 read back from the brokers' logs: the same."]);
    // Keys have the partitions that Java's producer gives them; in each of these offsets begin at 0.
    for row in [
        "fire and forget  test-1@0",
        "fire and forget  test-2@0",
        "fire and forget  test-3@0",
        "synchronous      test-1@1",
        "synchronous      test-0@0",
        "synchronous      test-3@1",
    ] {
        assert_eq!(text.lines().filter(|line| line.starts_with(row)).count(), 1, "{row}\n{text}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("callback ")).count(), 3, "{text}");
}

#[test]
fn quickstart_takes_a_java_properties_file_and_says_what_it_cannot_do() {
    let cluster = kafka_embedded::EmbeddedCluster::builder().topic("fruit", 2).start().unwrap();
    let file = env::temp_dir().join(format!("kafka-producer-quickstart-{}.properties", std::process::id()));
    let config = |more: &str| {
        let servers = cluster.bootstrap_servers();
        std::fs::write(&file, format!("# from Java\nbootstrap.servers = {servers}\nacks=all\n{more}"))
            .unwrap();
        ["--config", file.to_str().unwrap(), "--topic=fruit"].map(str::to_owned)
    };
    let arguments = config("value.serializer=org.apache.kafka.common.serialization.StringSerializer\n");
    let text = output("quickstart", &arguments.each_ref().map(String::as_str));
    has_lines(&text, &["9 records acknowledged. Read them with any consumer of your cluster."]);
    assert_eq!(cluster.records("fruit").len(), 9);

    let arguments = config("lingr.ms=1\n");
    let warned = run("quickstart", &arguments.each_ref().map(String::as_str));
    let warning = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(warned.status.success() && warning.contains("did you mean linger.ms?"), "{warning}");

    let arguments = config("security.protocol=SSL\nssl.engine.factory.class=com.example.Engine\n");
    let refused = run("quickstart", &arguments.each_ref().map(String::as_str));
    std::fs::remove_file(&file).unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("ssl.engine.factory.class"), "{error}");
}

#[test]
fn quickstart_explains_itself() {
    assert!(output("quickstart", &["--help"]).starts_with("usage: quickstart"));
    for (arguments, complaint) in [
        (&["--bootstrap-server", "localhost:9092"][..], "unknown argument \"--bootstrap-server\""),
        (&["--topic"], "--topic needs a value"),
        (&["--config", "--topic", "test"], "--config needs a value"),
        (&["--config", "no-such-file"], "no-such-file"),
        (&["--bootstrap-servers", "localhost"], "the port is missing"),
        (&["--topic", "no/such/name"], "cannot be the name of a topic, which has 1 to 249 characters"),
    ] {
        let refused = run("quickstart", arguments);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && error.contains(complaint), "{arguments:?}: {error}");
    }
}

#[test]
fn transactions_process_each_order_once_whatever_fails() {
    let text = output("transactions", &[]);
    has_lines(
        &text,
        &[
            "20 orders processed, each exactly once",
            "committed invoices: 20",
            "committed lines: 20",
            "committed position: Some(20)",
        ],
    );
    assert!(text.contains("once more: ") && text.contains("another producer has to be made: "), "{text}");
}

#[test]
fn fire_and_forget_loses_nothing() {
    let text = output("fire_and_forget", &[]);
    assert!(text.contains("The brokers' logs hold 10000 records"), "{text}");
    assert!(text.contains("delivered, 0 failed, 0 abandoned"), "{text}");
}

#[test]
#[cfg(feature = "tls")]
fn secured_is_let_in_by_its_certificate_and_not_without() {
    let text = output("secured", &[]);
    has_lines(&text, &["let in: test-0@0", "let in: test-0@1"]);
    assert_eq!(text.lines().filter(|line| line.starts_with("not let in: ")).count(), 1, "{text}");
    assert!(text.contains("certificate") && !text.contains("alice-secret"), "{text}");
    let refused = run("secured", &["no-such-file", "test"]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("no-such-file"), "{error}");
}

#[test]
fn synchronous_tells_the_endings_apart() {
    let text = output("synchronous", &[]);
    has_lines(&text, &["paid: payments-0@0, 5 bytes of value"]);
    for beginning in [
        "not accepted: payments-2: the record may take 20092 bytes, which is more than max.request.size=10000",
        "the record is still ours: 20000 bytes of value",
        "look into the log before paying again: payments-1: not acknowledged within delivery.timeout.ms=1000",
        "not paid, to be tried again: payments-",
    ] {
        assert!(text.lines().any(|line| line.starts_with(beginning)), "{beginning:?} is not in\n{text}");
    }
}

#[test]
fn callbacks_count_every_outcome() {
    let text = output("callback", &[]);
    has_lines(&text, &["1000 delivered, 1 failed"]);
    assert!(text.contains("87 INVALID_RECORD"), "{text}");
}

#[test]
fn custom_serializers_write_what_they_say() {
    let expected = [
        "not accepted: orders: the value cannot be serialized: order 2 for orders has no pieces",
        "0 \"1,apples,12\" content-type=text/csv",
        "1 \"2,pears,3\" content-type=text/csv",
        "2 \"3;plums;40\" content-type=text/csv",
        "3 \"\\0\\0\\0\\0\\0\\0\\0\\u{4}\"",
    ];
    has_lines(&output("custom_serializer", &[]), &expected);
}

#[test]
fn three_ways_shows_that_waiting_each_time_is_the_slow_one() {
    let text = output("three_ways", &[]);
    let time = |way: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(way)).unwrap_or_else(|| panic!("{way}: {text}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        words[words.iter().position(|word| *word == "ms").unwrap() - 1].parse().unwrap()
    };
    let (forget, callback, synchronous) = (time("fire and forget"), time("callbacks"), time("synchronous"));
    // 100 answers of 10 ms, one after another, against one or a few.
    assert!(synchronous >= 1000, "{text}");
    assert!(synchronous > 3 * forget.max(callback), "{text}");
}

#[test]
fn json_is_written_by_serde_and_its_errors_come_back() {
    let text = output("json", &[]);
    has_lines(&text, &["sent: orders-0@0", r#"in the log: {"id":7,"item":"two apples","price":1.5}"#]);
    assert!(
        text.contains(
            "not accepted (Serialization): orders: the value cannot be serialized: key must be a string"
        ),
        "{text}"
    );
}

#[test]
fn ctrl_c_ends_a_wait_and_loses_nothing() {
    let text = output("ctrl_c", &["--demo"]);
    has_lines(&text, &["asked to end", "0 delivered meanwhile, 0 given up"]);
    has_lines(&text, &["the broker is back: record 3 is test-0@3", "closed; the broker has 4 records"]);
    let interrupted = text.lines().filter(|line| line.starts_with("interrupted: test-0: "));
    assert_eq!(interrupted.count(), 1, "{text}");
}

/// Fault E8.
/// Users hunt their own leaks with it.
#[test]
#[ignore = "needs valgrind: run by .ci/run"]
fn a_program_runs_under_valgrind_which_finds_no_error_and_no_leak() {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    let output = valgrind.arg(example("quickstart")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    has_lines(&out, &["9 records acknowledged, 9 read back from the brokers' logs: the same."]);
}
