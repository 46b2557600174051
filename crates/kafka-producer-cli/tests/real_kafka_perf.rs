//! Kafka's own performance test and ours on one broker: the same parser reads both, and both tell the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod perf_support;

use std::process::Command;
use std::time::Duration;

use harness::command::run;
use harness::kafka_cluster::Kafka;
use perf_support::PerfOutput;

fn kafkas(kafka: &Kafka, arguments: &[&str]) -> PerfOutput {
    let class = kafka.jars().tool_class("ProducerPerformance");
    PerfOutput::parse(&kafka.jars().tool(&class, arguments, b"").text())
}

fn ours(arguments: &[&str]) -> PerfOutput {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kafka-producer-perf-test"));
    let output = run(program.args(arguments), b"", Duration::from_secs(60)).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    PerfOutput::parse(&output.text())
}

/// Values of a topic with one partition, in order.
fn values(kafka: &Kafka, topic: &str) -> Vec<Vec<u8>> {
    kafka.read_back(topic).into_iter().map(|row| row.value.unwrap()).collect()
}

#[test]
#[ignore = "needs Kafka: run by .ci/run"]
fn a_test_on_kafka_is_what_kafkas_own_tool_makes_of_it() {
    let _turn = harness::turn();
    let kafka = Kafka::start("4.3.1", 1);
    kafkas_own_tool_and_ours_print_the_same_and_send_the_same(&kafka);
    transactions_of_ours_are_committed(&kafka);
}

fn kafkas_own_tool_and_ours_print_the_same_and_send_the_same(kafka: &Kafka) {
    let servers = kafka.bootstrap_servers();
    for topic in ["java", "rust"] {
        kafka.create_topic(topic, 1, 1, &[]);
    }
    let arguments = |topic: &'static str| {
        let load = [
            "--num-records",
            "3000",
            "--record-size",
            "100",
            "--throughput",
            "3000",
            "--warmup-records",
            "500",
        ];
        let output = ["--reporting-interval", "200", "--print-metrics"];
        let settings =
            ["--bootstrap-server", servers.as_str(), "--topic", topic, "--command-property", "acks=all"];
        [&load[..], &output, &settings].concat()
    };
    let (java, rust) = (kafkas(kafka, &arguments("java")), ours(&arguments("rust")));

    for output in [&java, &rust] {
        assert!(output.others[0].starts_with("Warmup first 500 records."), "{output:?}");
        assert!(output.others[1..].iter().all(|line| line == "In steady state."), "{output:?}");
        let totals: Vec<(u64, bool)> =
            output.totals.iter().map(|total| (total.records, total.steady_state)).collect();
        assert_eq!(totals, [(3000, false), (2500, true)]);
        assert!(output.windows.iter().map(|window| window.records).sum::<u64>() <= 3000, "{output:?}");
        assert!(!output.windows.is_empty(), "{output:?}");
        for line in output.totals.iter().chain(&output.windows) {
            assert!(line.latency_ms_avg <= line.latency_ms_max, "{line:?}");
            let mb_per_second = line.records_per_second * 100.0 / (1024.0 * 1024.0);
            assert!((line.mb_per_second - mb_per_second).abs() < 0.006, "{line:?}");
        }
        assert_eq!(
            output.metric("producer-metrics:record-send-total:{client-id=perf-producer-client}"),
            Some("3000.000")
        );
        assert!(output.metrics.is_sorted_by_key(|(name, _)| name.clone()));
    }
    // The same names in the same shape, where there is a metric in both.
    let name = |output: &PerfOutput, start: &str| {
        // The broker itself, and not what it was taken for in the beginning.
        let is_meant = |name: &str| name.starts_with(start) && !name.contains("node-id=node--");
        let found = output.metrics.iter().find(|(name, _)| is_meant(name));
        found.map(|(name, _)| name.replace("java", "TOPIC").replace("rust", "TOPIC"))
    };
    for metric in [
        "producer-topic-metrics:record-send-rate:",
        "producer-node-metrics:request-total:",
        "app-info:version:",
    ] {
        assert_eq!(name(&java, metric), name(&rust, metric));
        assert!(name(&java, metric).is_some(), "{metric}");
    }
    assert_eq!(values(kafka, "java"), values(kafka, "rust"));
}

fn transactions_of_ours_are_committed(kafka: &Kafka) {
    let servers = kafka.bootstrap_servers();
    kafka.create_topic("perf", 1, 1, &[]);
    let arguments =
        ["--num-records", "300", "--payload-monotonic", "--throughput", "1000", "--topic", "perf"];
    let transactions =
        ["--transaction-duration-ms", "50", "--threads", "2", "--bootstrap-server", servers.as_str()];
    let output = ours(&[&arguments[..], &transactions].concat());
    assert_eq!(output.totals[0].records, 300);
    let committed =
        kafka.kcat(&["-C", "-t", "perf", "-e", "-X", "isolation.level=read_committed", "-f", "%s\n"], b"");
    let mut numbers: Vec<u32> = committed.text().lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}
