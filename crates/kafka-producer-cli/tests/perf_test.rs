//! `kafka-producer-perf-test` as a program, each of its flags, on the embedded cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod perf_support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
use perf_support::PerfOutput;
use serde_json::Value;

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::builder().topic("perf", 3).start().unwrap()
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-producer-perf-test"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// As fast as it goes, to the topic `perf` of this cluster.
fn on<'a>(servers: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let base = ["--bootstrap-server", servers, "--topic", "perf", "--throughput", "-1"];
    [&base[..], arguments].concat()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What a test prints in which every record is acknowledged and nobody looks at standard error.
#[track_caller]
fn success(arguments: &[&str]) -> PerfOutput {
    let output = run(arguments);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{}", text(&output.stdout));
    PerfOutput::parse(text(&output.stdout))
}

/// What is said, and the exit status.
fn failure(arguments: &[&str]) -> (String, Option<i32>) {
    let output = run(arguments);
    (text(&output.stderr).to_owned(), output.status.code())
}

fn values(cluster: &EmbeddedCluster) -> Vec<String> {
    let records = cluster.records("perf");
    records.into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

/// Numbers from 0 on, in order.
fn numbers(cluster: &EmbeddedCluster) -> Vec<u64> {
    let mut numbers: Vec<u64> = values(cluster).iter().map(|value| value.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// A file that is gone with this.
struct TestFile(PathBuf);

impl TestFile {
    fn named(name: &str) -> TestFile {
        TestFile(std::env::temp_dir().join(format!("perf-test-{}-{name}", std::process::id())))
    }

    fn with(name: &str, content: &str) -> TestFile {
        let file = TestFile::named(name);
        fs::write(&file.0, content).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn records_of_a_size_are_sent_and_one_line_sums_them_up() {
    let cluster = cluster();
    let output =
        success(&on(&cluster.bootstrap_servers(), &["--num-records", "1000", "--record-size", "100"]));
    let values = values(&cluster);
    assert_eq!(values.len(), 1000);
    assert!(
        values.iter().all(|value| value.len() == 100 && value.bytes().all(|byte| byte.is_ascii_uppercase()))
    );
    // What Java's tool sends first.
    assert!(
        values
            .iter()
            .any(|value| value.starts_with("YQHHNEBSEPDNSEIFGAMSUJXKOLTXSPLGHDIOYZJFNIDSPWHZMKVJAXDBZFCO"))
    );
    assert_eq!((output.totals.len(), output.windows.len(), output.others.len()), (1, 0, 0));
    let total = &output.totals[0];
    assert_eq!(total.records, 1000);
    let mb_per_second = total.records_per_second * 100.0 / (1024.0 * 1024.0);
    assert!((total.mb_per_second - mb_per_second).abs() < 0.006, "{total:?}");
    assert!(total.latency_ms_avg <= total.latency_ms_max && total.latency_ms_max > 0.0, "{total:?}");
    assert!(total.latency_ms.unwrap().is_sorted(), "{total:?}");
}

#[test]
fn payloads_of_a_file_are_sent_by_chance() {
    let cluster = cluster();
    let file = TestFile::with("payloads", "one;two;three;");
    let more = ["--num-records", "100", "--payload-file", file.path(), "--payload-delimiter", ";"];
    let output = success(&on(&cluster.bootstrap_servers(), &more));
    let expected =
        [format!("Reading payloads from: {}", file.path()), "Number of records read: 3".to_owned()];
    assert_eq!(output.others, expected);
    let mut values = values(&cluster);
    assert_eq!(values.len(), 100);
    values.sort_unstable();
    values.dedup();
    assert_eq!(values, ["one", "three", "two"]);
}

#[test]
fn threads_share_the_records_of_one_producer() {
    let cluster = cluster();
    let more = ["--num-records", "500", "--payload-monotonic", "--threads", "4"];
    let output = success(&on(&cluster.bootstrap_servers(), &more));
    assert_eq!(output.totals[0].records, 500);
    assert_eq!(numbers(&cluster), (0..500).collect::<Vec<_>>());
    let mut producers: Vec<i64> = cluster.records("perf").iter().map(|record| record.producer_id).collect();
    producers.dedup();
    assert_eq!(producers.len(), 1);
}

#[test]
fn a_throughput_is_kept_to_and_windows_are_reported() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let arguments =
        ["--bootstrap-server", &servers, "--topic", "perf", "--num-records", "200", "--payload-monotonic"];
    let output =
        success(&[&arguments[..], &["--throughput", "500.5", "--reporting-interval", "50"]].concat());
    // It cannot be faster, however fast the machine is.
    assert!(output.totals[0].records_per_second < 600.0, "{output:?}");
    assert!(!output.windows.is_empty(), "{output:?}");
    let reported: u64 = output.windows.iter().map(|window| window.records).sum();
    assert!((1..=200).contains(&reported), "{output:?}");
    assert_eq!((output.totals[0].records, numbers(&cluster).len()), (200, 200));
}

#[test]
fn settings_come_from_files_and_flags_by_the_newer_and_the_older_names() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let file =
        TestFile::with("settings", &format!("bootstrap.servers={servers}\nclient.id=of-the-file\nacks=1\n"));
    let base = [
        "--topic",
        "perf",
        "--num-records",
        "1",
        "--payload-monotonic",
        "--throughput",
        "-1",
        "--print-metrics",
    ];
    let client = |more: &[&str]| {
        let output = success(&[&base[..], more].concat());
        let (name, _) =
            output.metrics.iter().find(|(name, _)| name.starts_with("app-info:version")).unwrap().clone();
        (name.trim_start_matches("app-info:version:").to_owned(), output.others)
    };
    assert_eq!(
        client(&["--bootstrap-server", &servers]),
        ("{client-id=perf-producer-client}".to_owned(), vec![])
    );
    assert_eq!(client(&["--command-config", file.path()]), ("{client-id=of-the-file}".to_owned(), vec![]));
    let flags = ["--command-config", file.path(), "--command-property", "linger.ms=1", "client.id=of-a-flag"];
    assert_eq!(client(&flags), ("{client-id=of-a-flag}".to_owned(), vec![]));
    let older = ["--producer.config", file.path(), "--producer-props", "client.id=older", "linger.ms=0"];
    let (name, told) = client(&older);
    assert_eq!((name.as_str(), told.len()), ("{client-id=older}", 2));
    assert!(told[0].starts_with("Option --producer-props has been deprecated"), "{told:?}");
    assert!(told[1].starts_with("Option --producer.config has been deprecated"), "{told:?}");
}

#[test]
fn metrics_are_printed_after_the_results() {
    let cluster = cluster();
    let more = ["--num-records", "300", "--record-size", "10", "--print-metrics"];
    let output = success(&on(&cluster.bootstrap_servers(), &more));
    assert_eq!(output.totals[0].records, 300);
    assert_eq!(output.metric("producer-metrics:record-send-total:"), Some("300.000"));
    let of_topic = "producer-topic-metrics:record-send-total:{client-id=perf-producer-client, topic=perf}";
    assert_eq!(output.metric(of_topic), Some("300.000"));
    assert!(output.metrics.is_sorted_by_key(|(name, _)| name.clone()), "{output:?}");
}

#[test]
fn a_test_may_send_in_transactions() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let base =
        ["--bootstrap-server", &servers, "--topic", "perf", "--num-records", "40", "--record-size", "10"];
    let run = |more: &[&str]| success(&[&base[..], more].concat());
    assert_eq!(run(&["--throughput", "-1", "--transactional-id", "perf-id"]).totals[0].records, 40);
    assert!(cluster.coordinator("perf-id").is_some());
    assert_eq!((cluster.requests(Api::EndTxn), cluster.committed_records("perf").len()), (1, 40));
    // Of two threads, for a tenth of a second, and each transaction is over at once.
    run(&["--throughput", "400", "--transaction-duration-ms", "1", "--threads", "2"]);
    assert!(cluster.requests(Api::EndTxn) > 2, "{}", cluster.requests(Api::EndTxn));
    assert_eq!((cluster.committed_records("perf").len(), cluster.open_transactions().len()), (80, 0));
}

#[test]
fn the_steady_state_has_a_line_of_its_own() {
    let cluster = cluster();
    let more = ["--num-records", "100", "--warmup-records", "40", "--record-size", "10"];
    let output = success(&on(&cluster.bootstrap_servers(), &more));
    let told = "Warmup first 40 records. Steady state results will print after the complete test summary.";
    assert_eq!(output.others, [told]);
    let totals: Vec<(u64, bool)> =
        output.totals.iter().map(|total| (total.records, total.steady_state)).collect();
    assert_eq!(totals, [(100, false), (60, true)]);
}

#[test]
fn all_results_are_in_a_file_and_drawn() {
    let cluster = cluster();
    let (json, plot) = (TestFile::named("results.json"), TestFile::named("plot.svg"));
    let more =
        ["--num-records", "200", "--warmup-records", "50", "--record-size", "10", "--throughput", "1000"];
    let files = ["--json", json.path(), "--plot", plot.path()];
    let servers = cluster.bootstrap_servers();
    success(&[&["--bootstrap-server", &servers, "--topic", "perf"], &more[..], &files].concat());

    let results: Value = serde_json::from_str(&fs::read_to_string(json.path()).unwrap()).unwrap();
    assert_eq!((&results["topic"], &results["ended_early"]), (&Value::from("perf"), &Value::from(false)));
    assert_eq!(
        (&results["total"]["records"], &results["total"]["bytes"]),
        (&Value::from(200), &Value::from(2000))
    );
    assert_eq!(
        (&results["steady_state"]["records"], &results["failed_records"]),
        (&Value::from(150), &Value::from(0))
    );
    assert!(results["total"]["latency_ms"]["p99.9"].as_f64().unwrap() > 0.0, "{results:#}");
    let timeline = results["timeline"].as_array().unwrap();
    assert_eq!(timeline.iter().map(|point| point["records"].as_u64().unwrap()).sum::<u64>(), 200);
    let sent =
        results["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "record-send-total");
    assert_eq!(sent.unwrap()["value"], 200.0);

    let plot = fs::read_to_string(plot.path()).unwrap();
    assert!(
        plot.contains("topic perf") && plot.contains("steady state") && plot.ends_with("</svg>\n"),
        "{plot}"
    );
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_sent() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    for flag in ["--json", "--plot"] {
        let more = ["--num-records", "10", "--record-size", "10", flag, "no/such/folder/file"];
        let (said, status) = failure(&on(&servers, &more));
        let text = "kafka-producer-perf-test: no/such/folder/file: No such file or directory\n";
        assert_eq!((said.as_str(), status), (text, Some(1)));
    }
    assert_eq!(values(&cluster).len(), 0);
}

/// `/dev/full` can be opened, and takes nothing.
#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_written_keeps_nothing_else_from_being_told() {
    let cluster = cluster();
    let (servers, plot) =
        (cluster.bootstrap_servers(), TestFile::with("full.svg", &"longer".repeat(100_000)));
    cluster.fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED, u32::MAX);
    let more = ["--num-records", "10", "--record-size", "10", "--json", "/dev/full", "--plot", plot.path()];
    let (said, status) = failure(&on(&servers, &more));
    assert!(said.contains("kafka-producer-perf-test: /dev/full: No space left on device\n"), "{said}");
    assert!(said.contains("kafka-producer-perf-test: 10 records failed: "), "{said}");
    assert!(fs::read_to_string(plot.path()).unwrap().ends_with("</svg>\n"));
    assert_eq!(status, Some(1));
}

#[test]
#[cfg(target_os = "linux")]
fn lines_that_are_lost_are_told_and_are_no_success() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let arguments = on(&servers, &["--num-records", "10", "--record-size", "10", "--print-metrics"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    for (stdout, error) in
        [(Stdio::from(full), "No space left on device"), (Stdio::from(gone), "Broken pipe")]
    {
        let output = program(&arguments).stdout(stdout).output().unwrap();
        let text = format!("kafka-producer-perf-test: standard output: {error}: lines of results are lost\n");
        assert_eq!((self::text(&output.stderr), output.status.code()), (text.as_str(), Some(1)));
    }
    assert_eq!(values(&cluster).len(), 20);
}

/// A stack for each thread, and room for some of them.
#[test]
#[cfg(target_os = "linux")]
fn where_the_system_gives_no_more_threads_the_test_ends_with_a_sentence() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let more = ["--num-records", "1000000000", "--record-size", "10", "--threads", "64"];
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 3000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_kafka-producer-perf-test")])
        .args(on(&servers, &more))
        .env("RUST_MIN_STACK", "200000000")
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(said.starts_with("kafka-producer-perf-test: --threads 64: the system gives "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
}

#[test]
fn a_topic_that_is_not_there_ends_the_test_with_a_sentence() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let base =
        ["--bootstrap-server", &servers, "--topic", "missing", "--throughput", "-1", "--record-size", "1"];
    let (said, status) = failure(
        &[&base[..], &["--num-records", "1000000", "--command-property", "max.block.ms=2500"]].concat(),
    );
    assert_eq!(status, Some(1));
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("kafka-producer-perf-test: missing: not present in metadata"), "{said}");
}

#[test]
fn records_that_fail_are_summed_up_and_the_exit_status_tells() {
    let cluster = EmbeddedCluster::builder().topic("perf", 1).start().unwrap();
    cluster.fail(Api::Produce, BrokerError::TOPIC_AUTHORIZATION_FAILED, u32::MAX);
    let servers = cluster.bootstrap_servers();
    let output =
        run(&on(&servers, &["--num-records", "50", "--record-size", "10", "--command-property", "acks=1"]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("kafka-producer-perf-test: 50 records failed: "), "{said}");
    assert!(said.contains("TOPIC_AUTHORIZATION_FAILED"), "{said}");
    assert!(
        text(&output.stdout)
            .starts_with("0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency")
    );
}

#[test]
fn wrong_flags_are_told() {
    let told = |arguments: &[&str], expected: &str, expected_status: i32| {
        let (said, status) = failure(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(status, Some(expected_status), "{arguments:?}: {said}");
    };
    let base = ["--topic", "t", "--num-records", "5", "--throughput", "-1"];
    told(&base, "--record-size", 2);
    told(&[&base[..], &["--record-size", "1", "--payload-monotonic"]].concat(), "cannot be used with", 2);
    told(&[&base[..], &["--record-size", "1"]].concat(), "At least one of --bootstrap-server", 2);
    let settings = ["--record-size", "1", "--command-property", "acks=2", "bootstrap.servers=localhost:1"];
    told(&[&base[..], &settings].concat(), "acks", 2);
    told(
        &[&base[..], &["--record-size", "1", "--command-config", "/no/such/file"]].concat(),
        "/no/such/file",
        2,
    );
    told(
        &[&base[..], &["--payload-file", "/no/such/file", "--bootstrap-server", "x:1"]].concat(),
        "No such file",
        1,
    );
    told(
        &[&base[..], &["--payload-file", "/dev/zero", "--bootstrap-server", "x:1"]].concat(),
        "/dev/zero: a device: expected a file or a pipe",
        1,
    );
    let stray = ["--record-size", "1", "--command-config", "x", "password=hunter2"];
    let (said, status) = failure(&[&base[..], &stray].concat());
    assert!(said.contains("an argument belongs to no flag") && !said.contains("hunter2"), "{said}");
    assert_eq!(status, Some(2));
}

#[test]
fn the_program_describes_itself() {
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{arguments:?}");
        text(&output.stdout).to_owned()
    };
    assert!(said(&["--help"]).contains("Examples:\n"));
    // As Kafka's tool does without arguments.
    assert!(said(&[]).contains("--reporting-interval <MS>"));
    assert!(said(&["--completions", "bash"]).contains("--reporting-interval"));
    assert!(said(&["--man"]).contains(".TH kafka-producer-perf-test"));
    assert!(said(&["--version"]).starts_with("kafka-producer-perf-test 0."));
}

/// Starts a test that does not end by itself, and waits until records of it are written.
fn endless(cluster: &EmbeddedCluster, more: &[&str]) -> Child {
    let servers = cluster.bootstrap_servers();
    let base = ["--bootstrap-server", &servers, "--topic", "perf", "--payload-monotonic"];
    let mut command =
        program(&[&base[..], &["--num-records", "1000000000", "--throughput", "100"], more].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while cluster.records("perf").len() < 5 {
        thread::sleep(Duration::from_millis(5));
    }
    child
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn ctrl_c_ends_a_test_with_the_summary_of_what_was_sent() {
    let cluster = cluster();
    let child = endless(&cluster, &["--threads", "2"]);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.starts_with("kafka-producer-perf-test: ending early"), "{said}");
    let total = &PerfOutput::parse(text(&output.stdout)).totals[0];
    assert_eq!(total.records, cluster.records("perf").len() as u64);
}

#[test]
fn sigterm_commits_the_transaction_that_is_open() {
    let cluster = cluster();
    let child = endless(&cluster, &["--transactional-id", "perf-id", "--transaction-duration-ms", "600000"]);
    signal(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    let total = &PerfOutput::parse(text(&output.stdout)).totals[0];
    assert_eq!(total.records, cluster.committed_records("perf").len() as u64);
}

#[test]
fn a_signal_while_a_transaction_cannot_begin_is_no_failure() {
    for (by, status) in [("-INT", 130), ("-TERM", 143)] {
        let cluster = cluster();
        cluster.drop_answer(Api::InitProducerId, u32::MAX);
        let servers = cluster.bootstrap_servers();
        let more = ["--num-records", "10", "--record-size", "10", "--transactional-id", "perf-id"];
        let mut command = program(&on(&servers, &more));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while cluster.requests(Api::InitProducerId) == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        signal(&child, by);
        let output = child.wait_with_output().unwrap();
        let said =
            "kafka-producer-perf-test: interrupted: no transaction could begin yet, and nothing was sent\n";
        assert_eq!((text(&output.stderr), output.status.code()), (said, Some(status)));
    }
}

#[test]
fn a_second_ctrl_c_waits_for_nothing() {
    let cluster = cluster();
    let mut child = endless(&cluster, &[]);
    cluster.drop_answer(Api::Produce, u32::MAX);
    let seen = cluster.produce_requests().len();
    while cluster.produce_requests().len() < seen + 2 {
        thread::sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("ending early; waiting for "), "{said}");
    interrupt(&child);
    stderr.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains(" records given up, which may have been written"), "{said}");
    assert_eq!(PerfOutput::parse(text(&output.stdout)).totals.len(), 1);
}
