//! Descriptors of this process: what is said when there are none left, and that none is kept.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka_embedded::{Api, EmbeddedCluster, Fault, TlsOptions};
use kafka_producer::KafkaProducer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::logged::listen;
use support::scratch::Scratch;
use support::{AGES, TextProducer, cluster, config, producer, to_first, values, wait_until};

/// The limit and the count are those of the whole process.
static ONE: Mutex<()> = Mutex::new(());

fn open() -> usize {
    // One is that of the folder.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// While it lives, no more than this many more can be opened.
struct Limited(Rlimit);

impl Limited {
    fn to(more: usize) -> Limited {
        let before = getrlimit(Resource::Nofile);
        let used = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let numbers: Vec<u64> = used.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let mut free = (0..).filter(|number| !numbers.contains(number) || !exists(*number));
        let current = free.nth(more);
        setrlimit(Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
        Limited(before)
    }
}

fn exists(number: u64) -> bool {
    fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok()
}

impl Drop for Limited {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, Rlimit { ..self.0 }).unwrap();
    }
}

/// Fault C11.
#[test]
fn without_descriptors_the_error_of_new_says_what_was_asked_for_and_the_systems_reason() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (more, what) in [(0, "epoll_create"), (1, "eventfd")] {
        let limited = Limited::to(more);
        let error = KafkaProducer::<str, str>::new(config("127.0.0.1:1", &[])).unwrap_err();
        drop(limited);
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("Too many open files"), "{text}");
    }
}

/// Fault C11.
#[test]
fn a_socket_that_cannot_be_opened_is_told_with_the_systems_reason_and_tried_again() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = cluster(1);
    let more = [("max.block.ms", "2500"), ("linger.ms", "0")];
    let servers = cluster.bootstrap_servers();
    // Just enough for a producer.
    let (producer, limited): (TextProducer, _) = (2..)
        .find_map(|count| {
            let limited = Limited::to(count);
            Some((KafkaProducer::new(config(&servers, &more)).ok()?, limited))
        })
        .unwrap();
    let error = producer.send(to_first("v")).unwrap_err().to_string();
    drop(limited);
    assert!(error.contains("Too many open files") && !error.contains("advertised"), "{error}");
    wait_until("a record is taken", || producer.send(to_first("v")).is_ok());
    producer.flush().unwrap();
}

#[test]
fn hundreds_of_reconnects_leave_no_descriptor_behind_and_lose_nothing() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = cluster(1);
    let quick = [
        ("linger.ms", "0"),
        ("reconnect.backoff.ms", "1"),
        ("reconnect.backoff.max.ms", "1"),
        ("retry.backoff.ms", "1"),
        ("retry.backoff.max.ms", "1"),
        ("delivery.timeout.ms", "120000"),
    ];
    let producer = producer(&cluster, &quick);
    producer.send(to_first("0")).unwrap().get_timeout(AGES).unwrap();
    wait_until("the way in is closed", || cluster.connections_open() == 1);
    std::thread::sleep(Duration::from_millis(100));
    let before = open();
    cluster.inject(Fault::cut_before(Api::Produce).times(500));
    producer.send(to_first("1")).unwrap().get_timeout(AGES * 4).unwrap();
    assert!(cluster.connections_accepted() > 500, "{}", cluster.connections_accepted());
    wait_until("as many descriptors as before", || open() <= before + 2);
    assert_eq!(values(&cluster, "t", 0), ["0", "1"]);
}

/// What was said of the file of the test below.
static TOLD: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

/// The file changes once, and cannot be opened just then.
/// Behaviour 99.
#[test]
fn a_trust_store_that_comes_while_there_is_no_descriptor_is_read_when_there_is_one() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    listen(log::LevelFilter::Info, |record| {
        let text = record.args().to_string();
        if text.contains("-no-descriptor.properties)") {
            TOLD.lock().unwrap().push((record.level(), text));
        }
    });
    let told = |level: log::Level, words: &str| {
        let told = TOLD.lock().unwrap();
        told.iter().filter(|(found, text)| *found == level && text.contains(words)).count()
    };
    let cluster = EmbeddedCluster::builder().topic("t", 1).tls(TlsOptions::new()).start().unwrap();
    let tls = cluster.tls().unwrap();
    let trust = Scratch::new("no-descriptor", tls.trusted_pem().as_bytes());
    let location = trust.0.display().to_string();
    let more = [
        ("security.protocol", "SSL"),
        ("ssl.truststore.location", &*location),
        ("ssl.reload.interval.ms", "20"),
    ];
    let producer: TextProducer = KafkaProducer::new(config(&cluster.bootstrap_servers(), &more)).unwrap();
    producer.send(to_first("0")).unwrap().get_timeout(AGES).unwrap();
    tls.replace_authority().unwrap();
    let next = Scratch::new("next-trust", tls.trusted_pem().as_bytes());
    let limited = Limited::to(0);
    fs::rename(&next.0, &trust.0).unwrap();
    wait_until("it is told", || told(log::Level::Warn, "Too many open files") > 0);
    std::thread::sleep(Duration::from_millis(200));
    drop(limited);
    wait_until("it is read", || told(log::Level::Info, "new connections are made with") > 0);
    assert_eq!(
        (told(log::Level::Warn, ""), told(log::Level::Info, "")),
        (1, 1),
        "{:?}",
        TOLD.lock().unwrap()
    );
    cluster.cut_before(Api::Produce, 1);
    producer.send(to_first("1")).unwrap().get_timeout(AGES).unwrap();
}
