//! `kafka-console-producer` on Apache Kafka, beside Kafka's own and kcat; read back by clients that are not ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod console_support;

use std::process::Command;

use console_support::{Said, TestFile, run};
use harness::kafka_cluster::Kafka;
use harness::read_back::Row;
use harness::secured_kafka::{SecuredKafka, SecuredListener};

const LINES: &[u8] =
    "trace:1,source:\u{fc}\tk1\tone\nh:<NULL>,h:2\t<NULL>\ttwo\r\n<NULL>\tk3\t<NULL>\n:\t\t\n\
    a:1,,\tk5\tfive\tsix\nno headers, no key\n"
        .as_bytes();

/// What is the same whoever wrote it.
type Content = (i32, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn contents(rows: Vec<Row>) -> Vec<Content> {
    rows.into_iter().map(|row| (row.partition, row.key, row.value, row.headers)).collect()
}

/// What a new topic's leader is not ready for is sent again, with a warning: so it may say something where all went well.
fn send(kafka: &Kafka, arguments: &[&str], input: &[u8]) -> Said {
    run(&[&["--bootstrap-server", &kafka.bootstrap_servers()], arguments].concat(), input)
}

#[test]
#[ignore = "needs Java, Maven and kcat"]
fn the_main_flags_on_kafka_4_3_1() {
    let _turn = harness::turn();
    let kafka = Kafka::start("4.3.1", 1);
    lines_become_what_javas_tool_makes_of_them(&kafka);
    kcats_flags_do_what_they_do_in_kcat(&kafka);
    what_kcat_prints_as_json_is_the_same_topic_again(&kafka);
    what_the_broker_refuses_is_kept_and_sent_again(&kafka);
    a_transaction_is_committed_as_a_whole(&kafka);
}

/// Both tools, by the file that Java's tools take, with TLS and a login; and what they say where they are not let in.
#[test]
#[ignore = "needs Java, Maven and kcat"]
fn a_file_of_settings_leads_into_a_secured_cluster_of_kafka_4_3_1() {
    let _turn = harness::turn();
    let kafka = SecuredKafka::start("4.3.1");
    kafka.kafka().create_topic("secured", 1, 1, &[]);
    let server = kafka.address(SecuredListener::SaslTls);
    let login =
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=";
    let settings = |password: &str| {
        let store = kafka.file("ca.pem");
        format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nsasl.mechanism=PLAIN\n\
             sasl.jaas.config={login}\"{password}\";\n",
            store.display()
        )
    };
    let good = TestFile::new("good.properties", settings("alice-secret").as_bytes());
    let wrong = TestFile::new("wrong.properties", settings("hunter2").as_bytes());
    let console = |file: &TestFile| {
        run(&["-b", &server, "-t", "secured", "--command-config", file.path()], b"by the console\n")
    };
    let perf = |file: &TestFile| {
        let load = ["--topic", "secured", "--num-records", "2", "--payload-monotonic", "--throughput", "-1"];
        let mut program = Command::new(env!("CARGO_BIN_EXE_kafka-producer-perf-test"));
        program.args(load).args(["--bootstrap-server", &server, "--command-config", file.path()]);
        let output = program.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A broker that has just been started may ask for patience, which is told.
    console(&good).expect(0, &[]);
    assert_eq!(perf(&good).0, Some(0));
    let values: Vec<_> =
        kafka.kafka().read_back("secured").into_iter().map(|row| row.value.unwrap()).collect();
    assert_eq!(values, [&b"by the console"[..], b"0", b"1"]);

    // Refused at once, and not after max.block.ms.
    let said = console(&wrong);
    said.expect(1, &["Authentication failed", "0 records acknowledged, 1 failed"]);
    let (status, told) = perf(&wrong);
    assert!(status == Some(1) && told.contains("Authentication failed"), "{told}");
    for text in [&said.stderr, &told] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

fn lines_become_what_javas_tool_makes_of_them(kafka: &Kafka) {
    let reader = ["parse.key=true", "parse.headers=true", "null.marker=<NULL>", "ignore.error=true"];
    let reader: Vec<&str> = reader.iter().flat_map(|property| ["--reader-property", property]).collect();
    let producer = [
        "--compression-codec",
        "zstd",
        "--request-required-acks",
        "all",
        "--batch-size",
        "32768",
        "--timeout",
        "20",
    ];
    for topic in ["java", "ours"] {
        kafka.create_topic(topic, 3, 1, &[]);
    }
    let flags =
        |topic| [&["--bootstrap-server", "{servers}", "--topic", topic], &producer[..], &reader].concat();
    kafka.tool(&kafka.jars().tool_class("ConsoleProducer"), &flags("java"), LINES);
    let ours = flags("ours");
    send(kafka, &ours[2..], LINES).expect(0, &[]);
    let ours = contents(kafka.read_back_with_java("ours"));
    // Those without a key are on a partition that each chose by chance.
    let keyed = |contents: Vec<Content>| -> Vec<Content> {
        contents
            .into_iter()
            .map(|(partition, key, value, headers)| {
                (if key.is_some() { partition } else { -1 }, key, value, headers)
            })
            .collect()
    };
    let (mut ours, mut java) = (keyed(ours), keyed(contents(kafka.read_back_with_java("java"))));
    ours.sort();
    java.sort();
    assert_eq!(ours, java);
    assert_eq!(ours.len(), 6);
}

fn kcats_flags_do_what_they_do_in_kcat(kafka: &Kafka) {
    let flags = ["-K:", "-H", "a=1=2", "-H", "a=", "-H", "null", "-p", "1", "-z", "lz4", "-Z"];
    let input = b"k:v\ngone:\nno delimiter\n";
    for topic in ["flags-kcat", "flags-ours"] {
        kafka.create_topic(topic, 2, 1, &[]);
    }
    kafka.kcat(&[&["-P", "-t", "flags-kcat"], &flags[..]].concat(), input);
    send(kafka, &[&["-t", "flags-ours"], &flags[..]].concat(), input).expect(0, &[]);
    let ours = contents(kafka.read_back_with_java("flags-ours"));
    assert_eq!(ours, contents(kafka.read_back_with_java("flags-kcat")));
    assert_eq!(ours.len(), 3);
}

fn what_kcat_prints_as_json_is_the_same_topic_again(kafka: &Kafka) {
    kafka.create_topic("copy", 3, 1, &[]);
    // Bytes that are no text, which kcat prints as they are.
    send(kafka, &["-t", "ours", "-K:"], b"\xff\xfe:\x00\x80 \"quoted\" \\\n").expect(0, &[]);
    let printed = kafka.kcat(&["-C", "-t", "ours", "-o", "beginning", "-e", "-q", "-J"], b"").stdout;
    send(kafka, &["--json", "--topic", "copy", "-p", "0"], &printed).expect(0, &[]);
    let content = |topic| {
        let rows = kafka.read_back_with_java(topic).into_iter();
        let mut rows: Vec<_> = rows.map(|row| (row.timestamp, row.key, row.value, row.headers)).collect();
        rows.sort();
        rows
    };
    assert_eq!(content("copy"), content("ours"));
    assert_eq!(content("copy").len(), 7);
}

fn what_the_broker_refuses_is_kept_and_sent_again(kafka: &Kafka) {
    kafka.create_topic("small", 1, 1, &[("max.message.bytes", "500")]);
    kafka.create_topic("large", 1, 1, &[]);
    let letters = TestFile::none("refused.json");
    let input = format!("k:fits\nk:{}\n", "x".repeat(600));
    let said = send(kafka, &["-t", "small", "-K:", "--dead-letter", letters.path()], input.as_bytes());
    said.expect(1, &["line 2: small-0: ", "1 record acknowledged, 1 failed", letters.path()]);
    send(kafka, &["--json", "-t", "large", "--file", letters.path()], b"").expect(0, &[]);
    let values =
        |topic| kafka.read_back(topic).into_iter().map(|row| row.value.unwrap().len()).collect::<Vec<_>>();
    assert_eq!((values("small"), values("large")), (vec![4], vec![600]));
}

fn a_transaction_is_committed_as_a_whole(kafka: &Kafka) {
    kafka.create_topic("orders", 1, 1, &[]);
    let flags = ["-t", "orders", "-X", "transactional.id=import", "--property", "parse.key=true"];
    send(kafka, &flags, b"a\t1\nb\t2\n").expect(0, &[]);
    send(kafka, &flags, b"c\t3\nbad\n").expect(1, &["line number 2", "the transaction was aborted"]);
    let keys: Vec<_> = kafka.read_back("orders").into_iter().filter_map(|row| row.key).collect();
    assert_eq!(keys, [b"a", b"b"]);
}
