//! The examples, run as a newcomer runs them: each ends well and says what it should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use harness::kafka_cluster::{Kafka, free_port};
use kafka_embedded::{Api, EmbeddedCluster, Fault};
use rustix::process::{Pid, Signal, kill_process};

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

/// Nothing is heard there, and nothing is said for a minute otherwise.
#[test]
fn an_example_on_a_wrong_address_says_at_once_that_nobody_answers_there() {
    let settings = env::temp_dir().join(format!("kafka-producer-wrong-{}.properties", std::process::id()));
    fs::write(&settings, "bootstrap.servers=127.0.0.1:1\n").unwrap();
    let (settings, database) = (settings.to_str().unwrap(), format!("{}.redb", settings.display()));
    let servers = ["--bootstrap-servers", "127.0.0.1:1"];
    for (name, more) in [
        ("csv_loader", &["--topic", "people", "--file", "Cargo.toml"][..]),
        ("daemon", &[]),
        ("dead_letter", &[]),
        ("http_server", &["--topic", "events", "--listen", "127.0.0.1:0"]),
        ("json", &[]),
        ("outbox", &["--database", &database]),
        ("quickstart", &[]),
        ("transactions", &[]),
        ("window", &[]),
        ("secured", &[settings, "test"]),
    ] {
        let arguments = if name == "secured" { more.to_vec() } else { [&servers[..], more].concat() };
        let mut command = Command::new(example(name));
        command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // An order, for the one that reads.
        child.stdin.take().unwrap().write_all(b"key\tvalue\n").ok();
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("cannot connect to 127.0.0.1:1") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{name} has ended with {said:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    fs::remove_file(settings).unwrap();
    fs::remove_file(database).unwrap();
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
        "look into the log before paying again: payments-1: not acknowledged within delivery.timeout.ms=3000",
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
    // The others' times are short, and any pause of a busy machine makes them long: of several runs one has none.
    let (mut forget, mut callback) = (u64::MAX, u64::MAX);
    for round in 0..6 {
        let text = output("three_ways", &[]);
        let time = |way: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(way));
            let line = line.unwrap_or_else(|| panic!("{way}: {text}"));
            let words: Vec<&str> = line.split_whitespace().collect();
            words[words.iter().position(|word| *word == "ms").unwrap() - 1].parse().unwrap()
        };
        (forget, callback) = (forget.min(time("fire and forget")), callback.min(time("callbacks")));
        // 100 answers of 10 ms, one after another, against one or a few.
        assert!(time("synchronous") >= 1000, "{text}");
        if 1000 > 3 * forget.max(callback) {
            return;
        }
        println!("round {round}: {text}");
    }
    panic!("{forget} ms and {callback} ms");
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
fn a_reporter_of_metrics_is_called_at_the_end_and_a_snapshot_is_a_table() {
    let text = output("metrics_reporter", &[]);
    let rows = text.lines().filter(|line| line.starts_with("producer-metrics "));
    assert!(rows.count() > 60, "{text}");
    let last = text.lines().rev().take(2).collect::<Vec<_>>();
    assert_eq!(last[0], "that was the last report");
    assert!(last[1].starts_with("10000 records sent, 99 of 100 requests"), "{text}");
}

#[test]
fn ctrl_c_ends_a_wait_and_loses_nothing() {
    let text = output("ctrl_c", &["--demo"]);
    has_lines(&text, &["asked to end", "0 delivered meanwhile, 0 given up"]);
    has_lines(&text, &["the broker is back: record 3 is test-0@3", "closed; the broker has 4 records"]);
    let interrupted = text.lines().filter(|line| line.starts_with("interrupted: test-0: "));
    assert_eq!(interrupted.count(), 1, "{text}");
}

#[test]
fn the_outbox_loses_no_row_and_tells_twice_what_it_cannot_know() {
    let text = output("outbox", &[]);
    has_lines(
        &text,
        &[
            "row 2 is orders-0@2",
            "offset 3: outbox-id 4, ben: a plum (done)",
            "offset 4: outbox-id 4, ben: a plum (again, left out)",
            "offset 5: outbox-id 5, anna: a lime (done)",
            "offset 6: outbox-id 5, anna: a lime (again, left out)",
            "6 orders, 5 done, 1 put aside, 7 records",
        ],
    );
    assert!(text.contains("row 3 is put aside: orders-0: the record may take"), "{text}");
    assert!(text.contains("row 4 may be in the log, and is sent again: "), "{text}");
}

/// Kafka has the rows, and the database does not know: they are sent again, with the same numbers.
#[test]
fn a_relay_that_crashes_before_it_has_marked_rows_sends_them_again() {
    let cluster = EmbeddedCluster::builder().topic("orders", 1).start().unwrap();
    let file = env::temp_dir().join(format!("kafka-producer-crash-{}.redb", std::process::id()));
    let servers = cluster.bootstrap_servers();
    let relay = ["--bootstrap-servers", &servers, "--database", file.to_str().unwrap(), "--crash"];
    let crashed = run("outbox", &relay);
    assert_eq!(crashed.status.code(), Some(3), "{crashed:?}");
    // One row of each key is under way.
    let text = String::from_utf8_lossy(&crashed.stdout).into_owned();
    has_lines(&text, &["0 rows in the outbox", "2 rows acknowledged, and now the relay is gone"]);

    let text = output("outbox", &relay[..4]);
    fs::remove_file(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines[0], *lines.last().unwrap()),
        ("3 rows in the outbox", "0 rows in the outbox"),
        "{text}"
    );
    let records = cluster.records("orders");
    let id = |headers: &[(String, Option<Vec<u8>>)]| {
        String::from_utf8(headers[0].1.clone().unwrap()).unwrap().parse::<u64>().unwrap()
    };
    let ids: Vec<u64> = records.iter().map(|record| id(&record.headers)).collect();
    // Three orders of each run. Those of one key, 0 and 2 and 3, are in order but for what is repeated.
    assert_eq!(ids.iter().filter(|id| **id == 0).count(), 2, "{ids:?}");
    assert_eq!(ids.iter().filter(|id| **id == 1).count(), 2, "{ids:?}");
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once, ids.len()), ((0..6).collect::<Vec<u64>>(), 8), "{ids:?}");
    let of_anna = |id: &u64| [0, 2, 3, 5].contains(id);
    assert_eq!(ids.into_iter().filter(of_anna).collect::<Vec<u64>>(), [0, 0, 2, 3, 5]);
}

/// A daemon that has begun, and waits for so many seconds at its end.
fn start_daemon(servers: &str, close_seconds: &str) -> Child {
    let mut daemon = Command::new(example("daemon"));
    daemon.args(["--bootstrap-servers", servers, "--close-seconds", close_seconds]);
    daemon.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its status and what it has printed, after SIGTERM; which comes twice, as from `timeout`.
fn end_daemon(daemon: Child) -> (Option<i32>, String) {
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    thread::sleep(Duration::from_millis(2));
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    let output = daemon.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn wait_until(mut it_is_so: impl FnMut() -> bool) {
    while !it_is_so() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_daemon_that_is_told_to_end_has_sent_everything() {
    let cluster = EmbeddedCluster::builder().topic("load", 1).start().unwrap();
    let daemon = start_daemon(&cluster.bootstrap_servers(), "60");
    wait_until(|| cluster.records("load").len() >= 3);
    // Reading keys anew ends nothing.
    kill_process(Pid::from_child(&daemon), Signal::HUP).unwrap();
    let before = cluster.records("load").len();
    wait_until(|| cluster.records("load").len() > before);
    let (status, text) = end_daemon(daemon);
    assert_eq!(status, Some(0), "{text}");
    has_lines(&text, &["sending to load", "keys and passwords are read again"]);
    assert!(text.contains("\nclosed: "), "{text}");
    let values =
        cluster.records("load").into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap());
    for (number, value) in values.enumerate() {
        assert!(value.starts_with(&format!("{number} ")), "{value}");
    }
}

#[test]
fn a_daemon_whose_brokers_do_not_answer_ends_in_time_and_says_what_it_has_lost() {
    let cluster = EmbeddedCluster::builder().topic("load", 1).start().unwrap();
    cluster.inject(Fault::drop_answer(Api::Produce).always());
    let daemon = start_daemon(&cluster.bootstrap_servers(), "1");
    wait_until(|| cluster.requests(Api::Produce) > 0);
    let (status, text) = end_daemon(daemon);
    assert_eq!(status, Some(1), "{text}");
    let closed = text.lines().last().unwrap();
    assert!(closed.starts_with("closed: ") && closed.contains("given up"), "{text}");
}

/// Nothing was accepted, so nothing is lost.
#[test]
fn a_daemon_that_waits_for_its_first_broker_ends_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = start_daemon(&silent.local_addr().unwrap().to_string(), "60");
    let _connection = silent.accept().unwrap();
    let (status, text) = end_daemon(daemon);
    assert_eq!(status, Some(0), "{text}");
    has_lines(&text, &["asked to end: records still to be acknowledged: 0"]);
}

#[test]
fn the_unit_of_the_daemon_waits_longer_than_the_daemon_does() {
    let unit = fs::read_to_string("examples/daemon.service").unwrap();
    let number = |name: &str| -> u64 {
        let rest = unit.split(name).nth(1).unwrap_or_else(|| panic!("{name}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("TimeoutStopSec=") >= number("--topic load --close-seconds") + 5);
}

#[test]
fn the_http_server_turns_away_what_it_has_no_room_for() {
    let text = output("http_server", &[]);
    has_lines(
        &text,
        &[
            "an event: 202 taken",
            "one that is waited for: 200 events-0@1",
            "one that is too large: 413 at most 65536 bytes",
            "taken again",
        ],
    );
    assert!(
        text.contains("events taken, then: 503 (Retry-After: 1) events-0: buffer.memory=131072 is full"),
        "{text}"
    );
}

#[test]
fn the_log_appender_does_not_recurse_and_does_not_wait() {
    let appended = run("log_appender", &[]);
    let text = String::from_utf8_lossy(&appended.stdout).into_owned();
    assert!(appended.status.success(), "{appended:?}");
    has_lines(
        &text,
        &[
            "100 lines logged, 100 in the topic, 0 left out",
            "the producer has logged as well: true; 0 of that in the topic",
        ],
    );
    assert!(text.contains(r#""message":"the program has done 0""#), "{text}");
    let last = text.lines().find(|line| line.starts_with("the last line: ")).unwrap();
    assert!(last.contains("the broker is back") && last.contains("missing_before"), "{last}");
    let errors = String::from_utf8_lossy(&appended.stderr);
    assert!(errors.contains("log lines are left out: logs-0: buffer.memory=65536 is full"), "{errors}");
}

#[test]
fn the_csv_loader_accounts_for_each_row_in_little_memory() {
    let loaded = run("csv_loader", &[]);
    let (text, errors) = (String::from_utf8_lossy(&loaded.stdout), String::from_utf8_lossy(&loaded.stderr));
    assert!(loaded.status.success(), "{text}{errors}");
    let rows = text.lines().next().unwrap();
    assert!(rows.starts_with("20000 rows, ") && !rows.ends_with(" 0 not"), "{rows}");
    let in_use = text.lines().last().unwrap();
    let kib: u64 = in_use.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(in_use.ends_with(" KiB of 256 KiB were in use") && (16..=256).contains(&kib), "{in_use}");
    assert!(errors.starts_with("line 4002: CSV error: "), "{errors}");
    assert!(errors.contains("the broker answered 87 INVALID_RECORD"), "{errors}");
}

#[test]
fn the_csv_loader_sends_a_file_as_it_is_and_fails_where_a_row_does() {
    let cluster = EmbeddedCluster::builder().topic("people", 1).start().unwrap();
    let file = env::temp_dir().join(format!("kafka-producer-loader-{}.csv", std::process::id()));
    let load = |text: &str, key: &str| {
        fs::write(&file, text).unwrap();
        let (servers, name) = (cluster.bootstrap_servers(), file.to_str().unwrap());
        run(
            "csv_loader",
            &["--bootstrap-servers", &servers, "--topic", "people", "--file", name, "--key", key],
        )
    };
    let good = load("id,name\n7,\"Anna, B.\"\n8,\"two\nlines\"\n", "id");
    assert!(good.status.success(), "{good:?}");
    assert_eq!(String::from_utf8_lossy(&good.stdout), "2 rows, 2 in the log, 0 not\n");
    let records = cluster.records("people");
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap()).unwrap();
    let pairs: Vec<_> = records.iter().map(|record| (text(&record.key), text(&record.value))).collect();
    let expected = [("7", r#"{"id":"7","name":"Anna, B."}"#), ("8", r#"{"id":"8","name":"two\nlines"}"#)];
    assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));

    let bad = load("id,name\n7\n9,Ben\n", "id");
    let errors = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(1));
    assert!(errors.starts_with("line 2: ") && errors.contains("1 rows are not in the log"), "{errors}");
    assert_eq!(cluster.records("people").len(), 3);

    let wrong = load("id,name\n7,Anna\n", "number");
    fs::remove_file(&file).unwrap();
    let errors = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && errors.contains("has no column number"), "{errors}");
}

#[test]
fn the_window_knows_up_to_where_everything_is_in_the_log() {
    let text = output("window", &[]);
    assert!(text.starts_with("stopped: test-") && text.contains("87 INVALID_RECORD"), "{text}");
    has_lines(&text, &["went on from there: lines before 10000 are in the log"]);
    assert!(text.contains("10000 of 10000 lines in the log, "), "{text}");
}

#[test]
fn dead_letters_are_those_that_the_policy_says() {
    let text = output("dead_letter", &[]);
    has_lines(
        &text,
        &[
            "3 sent, 3 put aside",
            "a pear: original-topic=orders, error-kind=InvalidRecord, error-code=INVALID_RECORD, possibly-written=false",
        ],
    );
    for beginning in [
        "put aside as orders.dead-0@0: orders-0: the broker answered 87 INVALID_RECORD",
        "again: orders-0: not acknowledged within delivery.timeout.ms=3000",
        "put aside as orders.dead-0@1: orders-0: ",
        "with another producer: orders-0: the broker answered 90 PRODUCER_FENCED",
        "put into the file: orders-0: the record may take 20090 bytes",
        "the program ends: orders-0: the broker answered 29 TOPIC_AUTHORIZATION_FAILED",
        "a plum: original-topic=orders, error-kind=Timeout",
        "in the file: ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(beginning)), "{beginning:?} is not in\n{text}");
    }
    assert!(text.contains("possibly-written=true") && text.ends_with(" in 1 lines\n"), "{text}");
}

#[test]
fn dead_letters_take_orders_from_a_pipe() {
    let cluster = EmbeddedCluster::builder().topic("orders", 1).topic("dead", 1).start().unwrap();
    let file = env::temp_dir().join(format!("kafka-producer-dead-{}.jsonl", std::process::id()));
    let mut sender = Command::new(example("dead_letter"));
    sender.args(["--bootstrap-servers", &cluster.bootstrap_servers(), "--topic", "orders"]);
    sender.args(["--dead-letter-topic", "dead", "--dead-letter-file", file.to_str().unwrap()]);
    let mut sender = sender.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let orders = format!("anna\ttwo apples\nno key\nben\t{}\n", "x".repeat(2_000_000));
    sender.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
    let output = sender.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    has_lines(&text, &["orders-0@0", "orders-0@1", "2 sent, 1 put aside"]);
    let letter = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!((letter["key"].as_str(), letter["value"].as_str().unwrap().len()), (Some("ben"), 2_000_000));
    assert_eq!(letter["possibly_written"], false);
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

/// What they do on a cluster of their own they do on Apache Kafka.
#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn each_program_runs_on_apache_kafka() {
    let kafka = Kafka::start("4.3.1", 1);
    for topic in ["orders", "orders.dead", "invoices", "lines", "test", "logs", "people", "load", "events"] {
        kafka.create_topic(topic, 1, 1, &[]);
    }
    kafka.create_topic("compacted", 1, 1, &[("cleanup.policy", "compact")]);
    let servers = kafka.bootstrap_servers();
    let on_kafka = |name: &str, more: &[&str]| {
        let output = run(name, &[&["--bootstrap-servers", servers.as_str()], more].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), format!("{out}{err}"))
    };
    let rows = |topic: &str| kafka.read_back(topic).len();

    let (status, text) = on_kafka("quickstart", &["--topic", "test"]);
    assert!(status == Some(0) && text.contains("9 records acknowledged."), "{text}");
    let (status, text) = on_kafka("window", &[]);
    assert!(status == Some(0) && text.starts_with("lines before 10000 are in the log"), "{text}");
    assert_eq!(rows("test"), 10_009);

    let folder = env::temp_dir().join(format!("kafka-producer-examples-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let database = path("orders.redb");
    let (status, text) = on_kafka("outbox", &["--database", &database, "--crash"]);
    assert!(status == Some(3) && text.contains("2 rows acknowledged"), "{text}");
    let (status, text) = on_kafka("outbox", &["--database", &database]);
    assert!(status == Some(0) && text.ends_with("0 rows in the outbox\n"), "{text}");
    assert_eq!(rows("orders"), 2 + 6);
    let (status, text) = on_kafka("json", &[]);
    assert!(status == Some(0) && text.starts_with("sent: orders-0@8"), "{text}");

    let (status, text) = on_kafka("log_appender", &[]);
    assert!(status == Some(0) && text.contains("100 lines logged, 0 left out"), "{text}");
    assert_eq!(rows("logs"), 100);
    fs::write(path("people.csv"), "id,name\n1,Anna\n2\n3,Ben\n").unwrap();
    let (status, text) = on_kafka("csv_loader", &["--topic", "people", "--file", &path("people.csv")]);
    assert!(status == Some(1) && text.starts_with("3 rows, 2 in the log, 1 not\nline 3: "), "{text}");
    assert_eq!(rows("people"), 2);

    // The broker's own reason for a dead letter.
    let (dead, input) = (path("orders.dead.jsonl"), "anna\ttwo apples\nno key\n");
    let mut letters = Command::new(example("dead_letter"));
    letters.args(["--bootstrap-servers", &servers, "--topic", "compacted"]);
    letters.args(["--dead-letter-topic", "orders.dead", "--dead-letter-file", &dead]);
    let mut letters = letters.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    letters.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = letters.wait_with_output().unwrap();
    has_lines(&String::from_utf8_lossy(&output.stdout), &["compacted-0@0", "1 sent, 1 put aside"]);
    assert_eq!(kafka.end_offset("orders.dead", 0).unwrap(), 1);
    fs::remove_dir_all(&folder).unwrap();

    let (status, text) = on_kafka("transactions", &[]);
    assert!(status == Some(0) && text.contains("20 orders processed, each exactly once"), "{text}");
    assert_eq!((rows("invoices"), rows("lines")), (20, 20));
    services_run_on(&kafka);
}

/// Those that run until they are told to end.
fn services_run_on(kafka: &Kafka) {
    let daemon = start_daemon(&kafka.bootstrap_servers(), "60");
    wait_until(|| kafka.end_offset("load", 0).is_ok_and(|end| end >= 3));
    let (status, text) = end_daemon(daemon);
    assert_eq!(status, Some(0), "{text}");

    let address = format!("127.0.0.1:{}", free_port());
    let mut server = Command::new(example("http_server"));
    server.args([
        "--bootstrap-servers",
        &kafka.bootstrap_servers(),
        "--topic",
        "events",
        "--listen",
        &address,
    ]);
    let server = server.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut answer = String::new();
    wait_until(|| {
        let Ok(mut stream) = TcpStream::connect(&address) else { return false };
        let request =
            "POST /events?wait HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 5\r\n\r\nevent";
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).is_ok()
    });
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("events-0@0\n"), "{answer}");
    let (status, text) = end_daemon(server);
    assert!(status == Some(0) && text.contains("closed: "), "{text}");
}
