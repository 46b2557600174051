//! kcat, which is librdkafka, reads from the embedded cluster and writes to it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
use support::{Batch, ByHand, Plain, produce, value};

fn kcat(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kcat")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("kcat is installed");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs kcat"]
fn kcat_reads_what_was_written_by_hand() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 6).start().unwrap();
    let full = Plain {
        key: Some(b"k"),
        value: Some(b"WORLD"),
        headers: vec![("h", Some(b"1")), ("h", Some(b"2")), ("n", None)],
        timestamp_delta: 5,
    };
    let nulls = Plain { timestamp_delta: 9, ..Plain::default() };
    let empty = Plain { key: Some(b""), value: Some(b""), ..Plain::default() };
    for partition in 0..6 {
        let leader = cluster.leader("test", partition).unwrap();
        let mut connection = ByHand::connect(&cluster.broker_address(leader).unwrap());
        let batch = Batch::of(vec![full.clone(), nulls.clone(), empty.clone()]).bytes();
        let response = connection.ask(9, &produce(-1, "test", partition, batch));
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    let servers = cluster.bootstrap_servers();
    let format = "p=%p o=%o ts=%T keylen=%K key=%k hdr=[%h] vlen=%S v=%s\n";
    let mut arguments = vec!["-C", "-b", &servers, "-t", "test", "-e", "-q", "-X", "check.crcs=true"];
    arguments.extend(["-f", format]);
    let mut lines: Vec<String> = kcat(&arguments, "").lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected = Vec::new();
    for partition in 0..6 {
        let p = format!("p={partition}");
        expected.push(format!("{p} o=0 ts=1700000000005 keylen=1 key=k hdr=[h=1,h=2,n=NULL] vlen=5 v=WORLD"));
        expected.push(format!("{p} o=1 ts=1700000000009 keylen=-1 key= hdr=[] vlen=-1 v="));
        expected.push(format!("{p} o=2 ts=1700000000000 keylen=0 key= hdr=[] vlen=0 v="));
    }
    assert_eq!(lines, expected);
}

#[test]
#[ignore = "needs kcat"]
fn kcat_writes_and_everything_can_be_read_back() {
    for idempotence in ["enable.idempotence=false", "enable.idempotence=true"] {
        let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 6).start().unwrap();
        let servers = cluster.bootstrap_servers();
        let input: String = (0..10_000).map(|n| format!("key-{n}:value-{n}\n")).collect();
        kcat(&["-P", "-b", &servers, "-t", "test", "-K", ":", "-H", "a=1", "-X", idempotence], &input);
        let records = cluster.records("test");
        assert_eq!(records.len(), 10_000);
        let mut numbers: Vec<usize> = records
            .iter()
            .map(|record| {
                let value = String::from_utf8(record.value.clone().unwrap()).unwrap();
                let number = value.strip_prefix("value-").unwrap();
                assert_eq!(record.key.as_deref(), Some(format!("key-{number}").as_bytes()));
                assert_eq!(record.headers, [("a".to_owned(), Some(b"1".to_vec()))]);
                number.parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..10_000));
        let is_idempotent = idempotence.ends_with("true");
        assert_eq!(cluster.requests(Api::InitProducerId), usize::from(is_idempotent));
        assert!(records.iter().all(|record| (record.producer_id != -1) == is_idempotent));
    }
}

#[test]
#[ignore = "needs kcat"]
fn kcat_survives_faults_without_loss_or_duplicates() {
    let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 3).start().unwrap();
    cluster.cut_after(Api::Produce, 2);
    cluster.fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER, 2);
    cluster.move_leader("test", 0, 2);
    let servers = cluster.bootstrap_servers();
    let input: String = (0..1_000).map(|n| format!("{n}\n")).collect();
    let idempotent = ["-X", "enable.idempotence=true", "-X", "batch.num.messages=50"];
    let mut arguments = vec!["-P", "-b", &servers, "-t", "test"];
    arguments.extend(idempotent);
    kcat(&arguments, &input);
    let mut numbers: Vec<u32> = cluster
        .records("test")
        .into_iter()
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1_000));
}

#[test]
#[ignore = "needs kcat"]
fn kcat_waits_at_the_end_and_gets_what_comes_then() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).start().unwrap();
    let servers = cluster.bootstrap_servers();
    let mut reading = Command::new("kcat");
    reading.args(["-C", "-b", &servers, "-t", "test", "-c", "1", "-q"]).stdout(Stdio::piped());
    let child = reading.spawn().unwrap();
    while cluster.requests(Api::Fetch) == 0 {
        std::thread::yield_now();
    }
    let mut connection = ByHand::connect(&servers);
    connection.ask(9, &produce(1, "test", 0, Batch::of(vec![value("late")]).bytes()));
    assert_eq!(child.wait_with_output().unwrap().stdout, b"late\n");
}
