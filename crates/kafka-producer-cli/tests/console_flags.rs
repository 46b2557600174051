//! Each flag of `kafka-console-producer`, as from a shell, against the embedded cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod console_support;

use console_support::*;
use kafka_embedded::{Api, EmbeddedCluster};

#[test]
fn each_line_of_standard_input_is_a_record_and_nothing_is_said() {
    let cluster = cluster(1);
    run_on(&cluster, &["--topic", "test"], b"one\n\nthree: 3\r\nno end").nothing();
    assert_eq!(values(&cluster), ["one", "", "three: 3", "no end"]);
    assert!(cluster.records("test").iter().all(|record| record.key.is_none() && record.headers.is_empty()));
    run_on(&cluster, &["--topic", "test"], b"").nothing();
    assert_eq!(cluster.records("test").len(), 4);
}

#[test]
fn a_file_is_read_in_place_of_standard_input() {
    let cluster = cluster(1);
    let file = TestFile::new("lines", b"from a file\n");
    run_on(&cluster, &["-t", "test", "--file", file.path()], b"not read\n").nothing();
    run_on(&cluster, &["-t", "test", "-l", "-"], b"from standard input\n").nothing();
    assert_eq!(values(&cluster), ["from a file", "from standard input"]);
    let missing = TestFile::none("missing");
    let text = format!("kafka-console-producer: {}: No such file or directory\n", missing.path());
    let said = run_on(&cluster, &["-t", "test", "--file", missing.path()], b"");
    assert_eq!((said.status, said.stderr), (Some(1), text));
    let folder = std::env::temp_dir().display().to_string();
    run_on(&cluster, &["-t", "test", "--file", &folder], b"")
        .expect(1, &[&format!("{folder}: Is a directory")]);
}

/// What the producer's log says is set; Kafka's `ConsoleProducerTest` has some of the cases.
#[test]
fn flags_are_settings_of_the_producer() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[],
            &[
                "client.id = console-producer",
                "batch.size = 16384",
                "linger.ms = 5",
                "compression.type = none",
            ],
        ),
        (&["--producer-property", "client.id=producer-1"], &["client.id = producer-1"]),
        (&["--command-property", "client.id=a=b"], &["client.id = a=b"]),
        (&["-X", "client.id=x", "-X", "acks=1"], &["client.id = x", "acks = 1"]),
        (&["--batch-size", "123"], &["batch.size = 123"]),
        (&["--max-partition-memory-bytes", "456"], &["batch.size = 456"]),
        (&["--batch-size", "123", "--max-partition-memory-bytes", "456"], &["batch.size = 456"]),
        (&["--timeout", "20"], &["linger.ms = 20"]),
        (&["--request-required-acks", "-1"], &["acks = -1"]),
        (&["--request-required-acks=0"], &["acks = 0"]),
        (&["--message-send-max-retries", "7"], &["retries = 7"]),
        (&["--retry-backoff-ms", "150"], &["retry.backoff.ms = 150"]),
        (&["--request-timeout-ms", "1500"], &["request.timeout.ms = 1500"]),
        (&["--metadata-expiry-ms", "60000"], &["metadata.max.age.ms = 60000"]),
        (&["--max-block-ms", "9000"], &["max.block.ms = 9000"]),
        (&["--max-memory-bytes", "1000000"], &["buffer.memory = 1000000"]),
        (&["--socket-buffer-size", "102400"], &["send.buffer.bytes = 102400"]),
        (&["--compression-codec"], &["compression.type = gzip"]),
        (&["--compression-codec", "lz4"], &["compression.type = lz4"]),
        (&["-z", "zstd"], &["compression.type = zstd"]),
        // The later of two ways wins: file, pairs, flags.
        (&["-X", "linger.ms=1", "--timeout", "2"], &["linger.ms = 2"]),
    ];
    let cluster = cluster(1);
    let servers = cluster.bootstrap_servers();
    for (flags, settings) in cases {
        let arguments = [&["--bootstrap-server", &servers, "--topic", "test"], *flags].concat();
        let said = run_logged(&arguments, b"line\n");
        let settings: Vec<String> = settings.iter().map(|setting| format!("\t{setting}\n")).collect();
        said.expect(0, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(cluster.records("test").len(), cases.len());
}

#[test]
fn settings_come_from_a_file_under_both_names() {
    let cluster = cluster(1);
    let text = format!(
        "# of a Java service\nbootstrap.servers={}\nlinger.ms=17\nclient.id=file\n\
         key.serializer=org.apache.kafka.common.serialization.StringSerializer\n",
        cluster.bootstrap_servers()
    );
    let file = TestFile::new("producer.properties", text.as_bytes());
    for flag in ["--command-config", "--producer.config"] {
        let arguments = [flag, file.path(), "-t", "test", "-X", "client.id=pair"];
        run_logged(&arguments, b"line\n").expect(0, &["\tlinger.ms = 17\n", "\tclient.id = pair\n"]);
    }
    run(&["--broker-list", &cluster.bootstrap_servers(), "-t", "test"], b"by its older name\n").nothing();
    assert_eq!(values(&cluster), ["line", "line", "by its older name"]);
}

#[test]
fn lines_are_parted_by_reader_properties_under_both_names() {
    let cluster = cluster(1);
    let line = b"trace:1,source:<NULL>\tkey\tvalue\n";
    for flag in ["--reader-property", "--property"] {
        let properties = ["parse.key=true", "parse.headers=true", "null.marker=<NULL>"];
        let flags: Vec<&str> = properties.iter().flat_map(|property| [flag, property]).collect();
        run_on(&cluster, &[&["-t", "test"], &flags[..]].concat(), line).nothing();
    }
    assert_eq!(pairs(&cluster), [some("key", "value"), some("key", "value")]);
    let headers = [("trace".to_owned(), Some(b"1".to_vec())), ("source".to_owned(), None)];
    assert!(cluster.records("test").iter().all(|record| record.headers == headers));
}

/// `ConsoleProducerTest.testParseReaderConfigFile`.
#[test]
fn reader_properties_come_from_a_file_and_flags_win() {
    let cluster = cluster(1);
    let file = TestFile::new("reader.properties", b"parse.key=true\nkey.separator=|\nfor.others=1");
    let flags = ["-t", "test", "--property", "key.separator=;", "--reader-config", file.path()];
    let headers = ["--property", "parse.headers=true"];
    run_on(&cluster, &[&flags[..], &headers].concat(), b"h:1\tkey;value|\n").nothing();
    run_on(&cluster, &["-t", "test", "--reader-config", file.path()], b"key|value;\n").nothing();
    assert_eq!(pairs(&cluster), [some("key", "value|"), some("key", "value;")]);
    let class = ["--line-reader", "org.apache.kafka.tools.LineMessageReader"];
    run_on(&cluster, &[&["-t", "test"], &class[..]].concat(), b"x\n").nothing();
    let said = run_on(&cluster, &["-t", "test", "--line-reader", "com.example.Reader"], b"x\n");
    said.expect(
        2,
        &["a class of Java cannot be run here: expected org.apache.kafka.tools.LineMessageReader"],
    );
}

#[test]
fn kcats_flags_for_keys_headers_partitions_and_nulls() {
    let cluster = cluster(3);
    run_on(&cluster, &["-t", "test", "-K:", "-p", "2"], b"k:v\nno delimiter\n").nothing();
    assert_eq!(pairs(&cluster), [some("k", "v"), (None, Some("no delimiter".into()))]);
    assert!(cluster.records("test").iter().all(|record| record.partition == 2));

    let flags = ["-t", "test", "--partition", "1", "-H", "a=1=2", "-H", "a=", "--header", "null"];
    run_on(&cluster, &flags, b"v\n").nothing();
    let headers = [("a", Some("1=2")), ("a", Some("")), ("null", None)]
        .map(|(key, value)| (key.to_owned(), value.map(|value| value.as_bytes().to_vec())));
    let with_headers = records(&cluster, "test");
    let with_headers: Vec<_> = with_headers.iter().filter(|record| record.partition == 1).collect();
    assert_eq!(with_headers[0].headers, headers);

    for null in ["--null", "-Z"] {
        run_on(&cluster, &["-t", "test", "-p", "0", "-K", "\\x3a", null], b"gone:\n:v\n").nothing();
    }
    let (tombstone, keyless) = ((Some("gone".into()), None), (None, Some("v".into())));
    assert_eq!(pairs(&cluster)[..4], [tombstone.clone(), keyless.clone(), tombstone, keyless]);

    // -1 is the partitioner's choice.
    run_on(&cluster, &["-t", "test", "-p", "-1", "-K:"], b"k:by its key\n").nothing();
    let chosen = kafka_producer::partition_for_key(b"k", 3);
    let found =
        cluster.records("test").into_iter().find(|record| record.value.as_deref() == Some(b"by its key"));
    assert_eq!(found.map(|record| record.partition), Some(chosen));
}

#[test]
fn a_header_of_every_record_stands_before_those_of_the_line() {
    let cluster = cluster(1);
    let flags = ["-t", "test", "-H", "all=1", "--reader-property", "parse.headers=true"];
    run_on(&cluster, &flags, b"own:2\tv\n").nothing();
    let headers: Vec<_> = cluster.records("test")[0].headers.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(headers, ["all", "own"]);
}

#[test]
fn records_are_compressed_as_asked() {
    let cluster = cluster(1);
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        run_on(&cluster, &["-t", "test", "-z", codec], &b"the same again and again\n".repeat(50)).nothing();
    }
    let mut codecs: Vec<u8> = cluster.batches("test", 0).iter().map(|batch| batch.compression()).collect();
    codecs.dedup();
    assert_eq!((codecs, cluster.records("test").len()), (vec![1, 2, 3, 4], 200));
    let said = run_on(&cluster, &["-t", "test", "-z", "brotli"], b"x\n");
    said.expect(2, &["compression.type", "brotli", "gzip"]);
}

#[test]
fn with_sync_each_record_is_acknowledged_before_the_next_one() {
    let cluster = cluster(1);
    run_on(&cluster, &["-t", "test", "--sync"], b"a\nb\nc\n").nothing();
    assert_eq!(
        (values(&cluster), cluster.requests(Api::Produce)),
        (vec!["a".into(), "b".into(), "c".into()], 3)
    );
}

#[test]
fn lines_of_kcats_json_are_records_again() {
    let cluster = EmbeddedCluster::builder().topic("test", 3).topic("other", 2).start().unwrap();
    let input = br#"{"topic":"test","partition":2,"offset":9,"tstype":"create","ts":1795453065944,"broker":1,"headers":["h","1","n",null],"key":"k","payload":"v"}

{"topic":"test","partition":2,"offset":10,"tstype":"create","ts":1795453065945,"broker":1,"key":"k","payload":null}
{"topic":"other","partition":1,"offset":0,"tstype":"create","ts":1795453065946,"broker":1,"key":null,"payload":""}
"#;
    run_on(&cluster, &["--json"], input).nothing();
    let found = records(&cluster, "test");
    assert_eq!(pairs(&cluster), [some("k", "v"), (Some("k".into()), None)]);
    assert_eq!(
        found.iter().map(|record| (record.partition, record.timestamp)).collect::<Vec<_>>(),
        [(2, 1_795_453_065_944), (2, 1_795_453_065_945)]
    );
    assert_eq!(found[0].headers, [("h".into(), Some(b"1".to_vec())), ("n".into(), None)]);
    let other = &cluster.records("other")[0];
    assert_eq!((other.partition, &other.key, other.value.as_deref()), (1, &None, Some(&b""[..])));
}

#[test]
fn json_goes_to_the_topic_and_partition_of_the_flags_if_they_are_given() {
    let cluster = EmbeddedCluster::builder().topic("test", 1).topic("copy", 2).start().unwrap();
    let line = b"{\"topic\":\"test\",\"partition\":7,\"key\":\"k\",\"payload\":\"v\"}\n";
    // A partition of another topic means nothing here.
    run_on(&cluster, &["-J", "--topic", "copy"], line).nothing();
    assert_eq!(cluster.records("copy")[0].partition, kafka_producer::partition_for_key(b"k", 2));
    run_on(&cluster, &["--json", "--topic", "copy", "-p", "1"], line).nothing();
    run_on(&cluster, &["--json", "-p", "-1"], line).nothing();
    let partitions =
        |topic| records(&cluster, topic).iter().map(|record| record.partition).collect::<Vec<_>>();
    assert_eq!((partitions("copy").contains(&1), partitions("test")), (true, vec![0]));
    let said = run_on(&cluster, &["--json"], b"{\"payload\":\"v\"}\n");
    said.expect(1, &["line number 1 names no topic, and no --topic is given"]);
}

#[test]
fn completions_and_the_man_page_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = run(&["--completions", shell], b"");
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
        assert!(said.stdout.contains("dead-letter"), "{}", said.stdout);
    }
    let said = run(&["--man"], b"");
    assert!(said.stdout.contains(".TH kafka-console-producer 1"), "{}", said.stdout);
    for text in ["dead\\-letter", "metadata.max.age.ms"] {
        assert!(said.stdout.contains(text), "{text} is not in {}", said.stdout);
    }
}

#[test]
fn help_has_examples_and_the_version_is_told() {
    for help in ["-h", "--help"] {
        let said = run(&[help], b"");
        assert_eq!(said.status, Some(0));
        for text in [
            "Examples:",
            "--dead-letter <FILE>",
            "--reader-property <NAME=VALUE>",
            "alias: --producer.config",
        ] {
            assert!(said.stdout.contains(text), "{text} is not in {}", said.stdout);
        }
    }
    assert_eq!(
        run(&["--version"], b"").stdout,
        format!("kafka-console-producer {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_flags_are_told_in_words_and_secrets_are_not_shown() {
    let login = "sasl.jaas.config=PlainLoginModule required username=\"me\" password=\"Hunter2!\" nonsense;";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["-b", "localhost:1"], 2, "--topic <TOPIC>"),
        (&["-b", "localhost:1", "--t", "t3"], 2, "unexpected argument '--t'"),
        (&["-t", "test"], 2, "no brokers are named: expected --bootstrap-server HOST:PORT,…"),
        (&["-b", "localhost", "-t", "test"], 2, "bootstrap.servers"),
        (
            &["-b", "localhost:1", "-t", "test", "-X", "acks"],
            2,
            "--command-property acks has no value: expected NAME=VALUE",
        ),
        (&["-b", "localhost:1", "-t", "test", "-X", "acks=2"], 2, "acks"),
        (
            &["-b", "localhost:1", "-t", "test", "--property", "parse.keys=true"],
            2,
            "--reader-property parse.keys is not known: expected one of parse.key, key.separator",
        ),
        (
            &["-b", "localhost:1", "-t", "test", "--property", "parse.key=1"],
            2,
            "reader property parse.key=1: expected true or false",
        ),
        (&["-b", "localhost:1", "-t", "test", "-H", "=x"], 2, "--header has no name: expected NAME=VALUE"),
        (&["-b", "localhost:1", "-t", "test", "-K", ""], 2, "--key-delimiter is empty"),
        (&["-b", "localhost:1", "-t", "test", "-p", "-2"], 2, "-2 is not in -1.."),
        (
            &["-b", "localhost:1", "--json", "--property", "parse.key=true"],
            2,
            "--json reads whole records: of the reader properties it takes ignore.error, and not parse.key",
        ),
        (
            &["-b", "localhost:1", "-t", "test", "--command-config", "no/such.file"],
            2,
            "cannot read the properties file no/such.file",
        ),
        (
            &[
                "-b",
                "localhost:1",
                "-t",
                "test",
                "-X",
                "security.protocol=SASL_PLAINTEXT",
                "-X",
                "sasl.mechanism=PLAIN",
                "-X",
                login,
            ],
            2,
            "sasl.jaas.config",
        ),
    ];
    for (arguments, status, text) in cases {
        let said = run(arguments, b"line\n");
        said.expect(*status, &[text]);
        assert!(!said.stderr.contains("Hunter2!") && !said.stderr.contains("Error {"), "{said:#?}");
    }
}
