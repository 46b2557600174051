//! The harness for Apache Kafka does what it says: kcat and Java's own tools produce, and each reader reads the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::jars::KafkaJars;
use harness::java::DefaultValue;
use harness::kafka_cluster::Kafka;
use harness::read_back::Row;
use harness::scratch::ScratchFolder;

harness::on_each_version! {
    what_kcat_sends_every_reader_reads
    what_java_sends_every_reader_reads
    java_puts_keys_where_its_partitioner_says
    an_unknown_topic_is_not_created
    three_brokers_replicate_and_survive_a_kill
    a_broker_comes_back_with_its_data
    a_flipped_bit_in_the_log_is_seen
    a_killed_test_leaves_no_broker_and_no_directory
    settings_come_from_java
}

fn what_kcat_sends_every_reader_reads(version: &str) {
    let begin = Instant::now();
    let kafka = Kafka::start(version, 1);
    println!("{version}: ready after {:?}", begin.elapsed());
    kafka.create_topic("test", 2, 1, &[]);
    let key = b"k\xff\x01".as_slice();
    // One at a time: what kcat sends before it knows the topic it has been seen to send in another order.
    for line in [b"k\xff\x01:v\xfe\x00w\n".as_slice(), b"x:\n"] {
        kafka.kcat(&["-P", "-t", "test", "-p", "0", "-K", ":", "-Z", "-H", "a=1", "-H", "b=two"], line);
    }
    for text in [b"line\none".as_slice(), b"\n\n", b"\t"] {
        kafka.kcat(&["-P", "-t", "test", "-p", "1", "-D", "|"], text);
    }

    let rows = kafka.read_back("test");
    println!("{rows:?}");
    let headers = vec![("a".to_owned(), Some(b"1".to_vec())), ("b".to_owned(), Some(b"two".to_vec()))];
    let expected = [
        (0, 0, Some(key), Some(b"v\xfe\x00w".as_slice()), headers.clone()),
        (0, 1, Some(b"x"), None, headers),
        (1, 0, None, Some(b"line\none"), vec![]),
        (1, 1, None, Some(b"\n\n"), vec![]),
        (1, 2, None, Some(b"\t"), vec![]),
    ];
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.partition, row.offset, row.key.as_deref(), row.value.as_deref(), row.headers.clone()))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(kafka.read_back_with_java("test"), rows);

    let batches = kafka.log_batches(1, "test");
    println!("{batches:?}");
    assert_eq!(batches.keys().copied().collect::<Vec<_>>(), [0, 1]);
    for (partition, count) in [(0, 2), (1, 3)] {
        assert!(
            batches[&partition]
                .iter()
                .all(|batch| batch.is_valid && batch.magic == 2 && batch.producer_id == -1)
        );
        assert_eq!(batches[&partition].iter().map(|batch| batch.count).sum::<i32>(), count);
    }
}

fn what_java_sends_every_reader_reads(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 1, 1, &[]);
    let class = kafka.jars().tool_class("ConsoleProducer");
    let property = if kafka.jars().is_4() { "--reader-property" } else { "--property" };
    let arguments = ["--bootstrap-server", "{servers}", "--topic", "test"];
    let parsing = [property, "parse.key=true", property, "key.separator=:"];
    let arguments = [arguments, parsing].concat();
    kafka.tool(&class, &arguments, "a:one\nä:zwei\nb:\n".as_bytes());

    let rows = kafka.read_back("test");
    assert_eq!(kafka.read_back_with_java("test"), rows);
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap()).unwrap();
    let lines: String =
        rows.iter().map(|row| format!("{}\t{}\n", text(&row.key), text(&row.value))).collect();
    assert_eq!(lines, "a\tone\nä\tzwei\nb\t\n");
    assert_eq!(console_consumer(&kafka, "test", rows.len()), lines);

    let batches = &kafka.log_batches(1, "test")[&0];
    assert_eq!(
        (batches[0].base_sequence, batches.last().unwrap().last_sequence),
        (0, 2),
        "Java's producer is idempotent"
    );
    assert!(
        batches.iter().all(|batch| batch.is_valid && batch.producer_id >= 0 && batch.producer_epoch == 0)
    );
}

fn console_consumer(kafka: &Kafka, topic: &str, count: usize) -> String {
    let count = count.to_string();
    let arguments =
        ["--bootstrap-server", "{servers}", "--topic", topic, "--from-beginning", "--max-messages", &count];
    let property = if kafka.jars().is_4() { "--formatter-property" } else { "--property" };
    let arguments = [&arguments[..], &[property, "print.key=true"]].concat();
    kafka.tool(&kafka.jars().tool_class("ConsoleConsumer"), &arguments, b"").text()
}

fn java_puts_keys_where_its_partitioner_says(version: &str) {
    let kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 7, 1, &[]);
    let keys: Vec<Vec<u8>> =
        (0..1000_u32).map(|number| number.to_be_bytes()[(number % 5) as usize..].to_vec()).collect();
    let sent = kafka.send_with_java("test", keys.iter().map(Vec::as_slice));
    assert_eq!(kafka.jars().partitions_of(keys.iter().map(Vec::as_slice), 7), sent);
    let of = |key: &[u8]| sent[keys.iter().position(|candidate| candidate == key).unwrap()];
    let rows = kafka.read_back("test");
    assert_eq!(rows.len(), keys.len());
    assert!(rows.iter().all(|row: &Row| of(row.key.as_deref().unwrap()) == row.partition));
}

fn an_unknown_topic_is_not_created(version: &str) {
    let kafka = Kafka::start(version, 1);
    for _ in 0..2 {
        let listing = kafka.kcat(&["-L", "-t", "nowhere"], b"").text();
        assert!(listing.contains("Broker: Unknown topic or partition"), "{listing}");
    }
    assert!(!kafka.kcat(&["-L"], b"").text().contains("nowhere"));
}

fn three_brokers_replicate_and_survive_a_kill(version: &str) {
    let begin = Instant::now();
    let mut kafka = Kafka::start(version, 3);
    println!("{version}: three ready after {:?}", begin.elapsed());
    kafka.create_topic("test", 3, 3, &[]);
    kafka.kcat(&["-P", "-t", "test", "-X", "enable.idempotence=true"], b"one\ntwo\n");
    let leader = kafka.leader("test", 0);
    kafka.kill(leader);
    let begin = Instant::now();
    kafka.kcat(&["-P", "-t", "test", "-p", "0", "-X", "enable.idempotence=true"], b"three\n");
    println!("a record through a new leader after {:?}", begin.elapsed());
    let begin = Instant::now();
    kafka.restart(leader);
    println!("live again after {:?}", begin.elapsed());
    kafka.wait_until_in_sync("test");
    println!("in sync after {:?}", begin.elapsed());
    let mut values: Vec<Vec<u8>> = kafka.read_back("test").into_iter().filter_map(|row| row.value).collect();
    values.sort();
    assert_eq!(values, [b"one".to_vec(), b"three".to_vec(), b"two".to_vec()]);
    for broker in 1..=3 {
        let batches = kafka.log_batches(broker, "test");
        let all: Vec<_> = batches.values().flatten().collect();
        assert_eq!(all.iter().map(|batch| batch.count).sum::<i32>(), 3, "replica {broker}");
        assert!(all.iter().all(|batch| batch.is_valid && batch.producer_id >= 0));
    }
}

fn a_broker_comes_back_with_its_data(version: &str) {
    let mut kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 1, 1, &[]);
    kafka.kcat(&["-P", "-t", "test"], b"one\n");
    let rows = kafka.read_back("test");
    let servers = kafka.bootstrap_servers();
    for end in [Kafka::stop, Kafka::kill] {
        let begin = Instant::now();
        end(&mut kafka, 1);
        println!("{version}: ended in {:?}", begin.elapsed());
        let begin = Instant::now();
        kafka.restart(1);
        println!("back after {:?}", begin.elapsed());
        assert_eq!(kafka.bootstrap_servers(), servers);
        kafka.wait_until_in_sync("test");
        assert_eq!(kafka.read_back("test"), rows);
    }
}

fn a_flipped_bit_in_the_log_is_seen(version: &str) {
    let mut kafka = Kafka::start(version, 1);
    kafka.create_topic("test", 1, 1, &[]);
    kafka.kcat(&["-P", "-t", "test"], b"one\n");
    assert!(kafka.log_batches(1, "test")[&0][0].is_valid);
    kafka.stop(1);
    let log = kafka.data_directory(1).join("test-0").join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let in_the_value = bytes.len() - 2; // behind it is the number of headers
    bytes[in_the_value] ^= 1;
    fs::write(&log, bytes).unwrap();
    assert!(!kafka.log_batches(1, "test")[&0][0].is_valid);
}

/// Runs itself in a process of its own, which it kills.
fn a_killed_test_leaves_no_broker_and_no_directory(version: &str) {
    const CHILD: &str = "KAFKA_PRODUCER_TEST_IS_KILLED";
    if std::env::var_os(CHILD).is_some() {
        let kafka = Kafka::start(version, 1);
        eprintln!("{}", kafka.bootstrap_servers());
        thread::sleep(Duration::from_secs(60));
        panic!("nobody has killed it");
    }
    let jars = KafkaJars::fetch(version);
    let this =
        format!("kafka_{}::a_killed_test_leaves_no_broker_and_no_directory", version.replace('.', "_"));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &this, "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim();
    assert!(TcpStream::connect(address).is_ok(), "{address:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let begin = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the broker still listens on {address}");
        thread::sleep(Duration::from_millis(10));
    }
    let scratch = ScratchFolder::new(jars.home());
    let theirs = format!("{}-", child.id());
    let all = fs::read_dir(scratch.path().parent().unwrap()).unwrap();
    let left: Vec<_> = all.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(&theirs)), "{left:?}");
}

fn settings_come_from_java(version: &str) {
    let settings = KafkaJars::fetch(version).producer_settings();
    println!("{version}: {} settings", settings.len());
    let of = |name: &str| settings.iter().find(|setting| setting.name == name).unwrap();
    assert_eq!(of("bootstrap.servers").kind, "LIST");
    assert_eq!(of("key.serializer").default, DefaultValue::Required);
    assert_eq!(of("batch.size").default, DefaultValue::Value("16384".to_owned()));
    assert_eq!(of("transactional.id").default, DefaultValue::Null);
    assert_eq!(of("acks").valid.as_deref(), Some("[all, -1, 0, 1]"));
}
